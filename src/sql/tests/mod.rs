//! Tests of the whole description; what must pass stands beside what must not.

mod ahead;
mod aliases;
mod bounds;
mod cache;
mod closed;
mod details;
mod disguises;
mod fingerprints;
mod functions;
mod lexing;
mod named_by_ddl;
mod names;
mod parameters;
mod scopes;
mod soup;
mod statements;
mod takes_away;
mod takes_away_by_alter;
mod temporary;
mod transactions;

use super::{Class, ClassSet, Depth, Facts, classify, describe, grammar, lexer, view};

/// Describes a text that both opinions must understand.
fn facts(text: &str) -> Facts {
    let facts = describe(text.as_bytes());
    assert_eq!(facts.undescribed, None, "{text}");
    facts
}

fn set(classes: &[Class]) -> ClassSet {
    classes
        .iter()
        .fold(ClassSet::EMPTY, |set, class| set.with(*class))
}

/// Classes that no application statement may have outside a migration session.
fn restricted() -> ClassSet {
    set(&[
        Class::Ddl,
        Class::Role,
        Class::RoleChange,
        Class::SessionState,
        Class::CopyFile,
        Class::CopyProgram,
        Class::Maintenance,
        Class::Procedural,
        Class::Replication,
        Class::Unknown,
    ])
}

/// The first opinion alone, of all statements of a text.
fn first_opinion(text: &str) -> ClassSet {
    let (tokens, stopped) = lexer::tokens(text.as_bytes());
    assert_eq!(stopped, None, "{text}");
    let views = view::statements(text.as_bytes(), &tokens).collect::<Vec<_>>();
    views.into_iter().fold(ClassSet::EMPTY, |all, view| {
        all.union(classify::statement(view).classes)
    })
}

/// The second opinion alone.
fn second_opinion(text: &str) -> ClassSet {
    let classes = grammar_alone(text).unwrap_or_else(|failure| panic!("{text}: {failure:?}"));
    classes.into_iter().fold(ClassSet::EMPTY, ClassSet::union)
}

/// The same for each statement.
fn grammar_alone(text: &str) -> Result<Vec<ClassSet>, grammar::Failure> {
    let look = grammar::Look {
        below: true,
        aliases: false,
        depth: Depth::Names,
    };
    let opinions = grammar::opinions(text, look)?;
    Ok(opinions.iter().map(|opinion| opinion.classes).collect())
}

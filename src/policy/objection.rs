//! What a guard says when it objects, and how that becomes the refusal that a client sees.

use std::sync::Arc;

use super::rule::Rule;
use super::verdict::Place;
use super::{Guard, Refusal, Who};
use crate::error::SqlState;
use crate::sql::{Class, Fingerprint, Statement};

/// Longest piece of a client's text in a message, in characters.
const MAX_QUOTED: usize = 64;

/// Why a guard objects. The texts follow PostgreSQL's error style.
#[derive(Clone, Debug)]
pub struct Objection {
    /// Field `C`.
    pub sqlstate: SqlState,
    /// Field `M`.
    pub message: String,
    /// A fact that goes before the sentence with login and guard in field `D`.
    pub detail: Option<String>,
    /// Field `H`, without the operator's page; `None`: no hint at all.
    pub hint: Option<String>,
    /// Field `P`: characters, from 1; 0 = none.
    pub position: u32,
    /// Where PostgreSQL says it, if it does.
    pub place: Option<&'static Place>,
    /// The rule that objects, if the guard is [`Guard::Rule`].
    pub rule: Option<Arc<Rule>>,
}

impl Objection {
    /// An objection by policy: SQLSTATE 42501.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            sqlstate: SqlState::POLICY,
            message: message.into(),
            detail: None,
            hint: None,
            position: 0,
            place: None,
            rule: None,
        }
    }

    /// An objection to a statement of which cannot be told what it names: `what` goes after "cannot
    /// execute DO: ". The hint says what hides the names.
    pub(super) fn unknown_names(statement: &Statement, what: &str) -> Self {
        let has = |class| statement.classes.has(class);
        let hint = if has(Class::Procedural) {
            "Send the statements that it would run by themselves"
        } else if has(Class::Execute) {
            "Send the statement itself instead of EXECUTE; the driver can prepare it by the protocol"
        } else if has(Class::Ddl) || has(Class::Role) {
            "Leave CASCADE out, and name each object"
        } else {
            "Write the statement itself, in plain SQL with fewer names: portcullis explain shows what it is taken for"
        };
        Self::new(format!("cannot execute {}: {what}", statement.tag))
            .hint(hint)
            .at(statement.position)
    }

    /// The same with another SQLSTATE.
    pub fn sqlstate(self, sqlstate: SqlState) -> Self {
        Self { sqlstate, ..self }
    }

    /// The same with a fact: a sentence without its full stop.
    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    /// The same with one thing to do: a sentence without its full stop, which the operator's page may follow.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// The same at a place in the client's text: characters, from 1.
    pub fn at(self, position: u32) -> Self {
        Self { position, ..self }
    }

    /// The same as PostgreSQL's own error from there.
    pub fn like(self, place: &'static Place) -> Self {
        Self {
            place: Some(place),
            ..self
        }
    }

    /// The refusal: with the name and policy line of guard or rule, and the operator's own page in the hint.
    pub fn refuse(self, guard: Guard, who: &Who, fingerprint: Option<Fingerprint>) -> Refusal {
        let rule = self.rule.as_ref();
        let (what, id) = match rule {
            Some(rule) => ("rule", &*rule.id),
            None => ("guard", guard.id()),
        };
        let by = format!(
            "Login \"{}\" on database \"{}\" was refused by {what} \"{id}\"",
            who.login.name, who.database,
        );
        let page = who
            .policy
            .help_url
            .as_ref()
            .map(|url| url.replace("{guard}", id));
        Refusal {
            guard,
            sqlstate: self.sqlstate,
            message: self.message,
            detail: self
                .detail
                .map_or_else(|| by.clone(), |detail| format!("{detail}. {by}")),
            hint: self.hint.map(|hint| match page {
                Some(page) => format!("{hint}; see {page}"),
                None => format!("{}.", hint.trim_end_matches('.')),
            }),
            position: self.position,
            place: self.place,
            fingerprint,
            policy_file: who.policy.file.clone(),
            policy_line: rule.map_or(who.policy.guards[guard as usize].line, |rule| rule.line),
            rule: rule.map(|rule| rule.id.clone()),
            policy_version: who.policy.version,
        }
    }
}

/// A piece of the client's own text, fit for a one-line message: no control characters, not long.
pub(super) fn quoted(text: &str) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => text[..end]
            .chars()
            .map(plain)
            .chain("...".chars())
            .collect(),
        None => text.chars().map(plain).collect(),
    }
}

//! `[[rule]]`: refusals of the operator's own. A rule can only refuse.

use std::sync::Arc;

use super::file::{Kind, Login, RouteName};
use super::pattern::{NamePattern, Pattern};
use super::rights::ALL;
use super::{Phase, State, Who};
use crate::error::SqlState;
use crate::sql::{
    Class, ClassSet, ParameterName, ParameterTouch, ParameterUse, QualifiedName, RelationAct,
    Statement,
};

/// One rule. It refuses a statement for which all of [`When`] holds.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `id`: stands where a guard's id stands.
    pub id: Arc<str>,
    /// `when`
    pub when: When,
    /// `message`
    pub message: Box<str>,
    /// `hint`
    pub hint: Option<Box<str>>,
    /// `sqlstate`. Default 42501.
    pub sqlstate: SqlState,
    /// Line of `[[rule]]`, from 1.
    pub line: u32,
}

/// `when`: a fact that is not named holds; one that is named holds if any of its words fits.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// `login`
    pub login: Option<Vec<Pattern>>,
    /// `kind`
    pub kind: Option<Vec<Kind>>,
    /// `database`
    pub database: Option<Vec<Pattern>>,
    /// `environment`
    pub environment: Option<Vec<Pattern>>,
    /// `route`
    pub route: Option<Vec<RouteName>>,
    /// `migration`: in an open migration session, or not.
    pub migration: Option<bool>,
    /// `phase`: of the open migration session; one without a phase fits none.
    pub phase: Option<Vec<Phase>>,
    /// `class`: any of them among those of the statement.
    pub class: Option<ClassSet>,
    /// `tag`: PostgreSQL's words for the statement.
    pub tag: Option<Vec<Pattern>>,
    /// `relation`: any that the statement names.
    pub relation: Option<Vec<NamePattern>>,
    /// `reads`: any whose rows the statement reads.
    pub reads: Option<Vec<NamePattern>>,
    /// `writes`: any whose rows the statement adds, changes or takes away.
    pub writes: Option<Vec<NamePattern>>,
    /// `function`: any that the statement calls.
    pub function: Option<Vec<NamePattern>>,
    /// `parameter`: any that the statement sets or resets by name.
    pub parameter: Option<Vec<Pattern>>,
    /// `parameter_use`: how it touches that parameter, or any.
    pub parameter_use: Option<Vec<ParameterUse>>,
    /// `extension`: any that the statement names.
    pub extension: Option<Vec<Pattern>>,
    /// `role`: the one of SET ROLE or SET SESSION AUTHORIZATION.
    pub role: Option<Vec<Pattern>>,
    /// `missing_where`: has it an UPDATE or DELETE without WHERE, or not?
    pub missing_where: Option<bool>,
    /// `row_lock`: has it FOR UPDATE or the like, or not?
    pub row_lock: Option<bool>,
    /// `into`: is it SELECT INTO or CREATE TABLE AS, or not?
    pub into: Option<bool>,
    /// `several_statements`: is it one of several of its message, or not?
    pub several_statements: Option<bool>,
}

/// Statements of these classes alone name no relation and call no function: what is prepared or
/// declared was judged when it was.
const NAMELESS: ClassSet = ClassSet::of(Class::Transaction)
    .with(Class::Parameter)
    .with(Class::RoleChange)
    .with(Class::SessionState)
    .with(Class::Deallocate)
    .with(Class::Notify)
    .with(Class::Show)
    .with(Class::Cursor);

/// Where relations or functions are not known: could there be any?
pub(super) fn may_name(statement: &Statement) -> bool {
    !statement.classes.minus(NAMELESS).is_empty()
}

/// [`may_name`], as a set: what a guard that asks for names must look at.
pub(super) const NAMING: ClassSet = ALL.minus(NAMELESS);

impl When {
    /// Is nothing named?
    pub fn is_empty(&self) -> bool {
        self.login.is_none()
            && self.kind.is_none()
            && self.database.is_none()
            && self.environment.is_none()
            && self.route.is_none()
            && self.migration.is_none()
            && self.phase.is_none()
            && self.class.is_none()
            && self.tag.is_none()
            && self.relation.is_none()
            && self.function.is_none()
            && self.reads.is_none()
            && self.writes.is_none()
            && self.parameter.is_none()
            && self.parameter_use.is_none()
            && self.extension.is_none()
            && self.role.is_none()
            && self.missing_where.is_none()
            && self.row_lock.is_none()
            && self.into.is_none()
            && self.several_statements.is_none()
    }

    /// Does it ask for what only a walk of the whole statement tells?
    pub fn asks_names(&self) -> bool {
        self.relation.is_some()
            || self.reads.is_some()
            || self.writes.is_some()
            || self.function.is_some()
    }

    /// Does it ask for something that makes a statement be looked at anyway: a parameter, an extension,
    /// a role, a missing WHERE?
    fn asks_remarkable(&self) -> bool {
        self.parameter.is_some()
            || self.parameter_use.is_some()
            || self.extension.is_some()
            || self.role.is_some()
            || self.missing_where == Some(true)
    }

    /// Can it hold for a login of a policy for this environment at all?
    pub fn can_hold(&self, login: &Login, environment: &str) -> bool {
        fits(&self.login, &login.name)
            && fits(&self.environment, environment)
            && self
                .kind
                .as_ref()
                .is_none_or(|kinds| kinds.contains(&login.kind))
            && self
                .route
                .as_ref()
                .is_none_or(|routes| routes.contains(&login.route))
            && self.database.as_ref().is_none_or(|patterns| {
                let reached =
                    |pattern: &Pattern| login.databases.iter().any(|name| pattern.fits(name));
                patterns.iter().any(reached)
            })
    }

    /// The classes of statements that have to be looked at for it, beside those with parameters or
    /// [remarkable details](crate::sql::Details::is_quiet).
    pub fn classes(&self) -> ClassSet {
        match self.class {
            Some(classes) => classes,
            None if self.asks_names() => NAMING,
            None if self.asks_remarkable() => ClassSet::EMPTY,
            None => ALL,
        }
    }

    /// Does it hold for a statement of a login for which it [can](Self::can_hold)? `alone`: it is the
    /// only one of its message.
    pub fn holds(&self, statement: &Statement, alone: bool, who: &Who, state: State) -> bool {
        self.class
            .is_none_or(|classes| statement.classes.intersects(classes))
            && self
                .migration
                .is_none_or(|open| open == state.migration_open)
            && self.is_in_phase(state)
            && fits(&self.database, &who.database)
            && fits(&self.tag, statement.tag)
            && self
                .several_statements
                .is_none_or(|several| several != alone)
            && self.is_shaped(statement)
            && self.sets_parameter(statement)
            && self.names_extension(statement)
            && self.takes_role(statement)
            && names_relation(&self.relation, statement, |_| true)
            && names_relation(&self.reads, statement, |act| act == RelationAct::Read)
            && names_relation(&self.writes, statement, is_write)
            && self.calls_function(statement)
    }

    fn is_shaped(&self, statement: &Statement) -> bool {
        let details = &statement.details;
        let is = |wanted: Option<bool>, fact: bool| wanted.is_none_or(|wanted| wanted == fact);
        is(self.missing_where, details.missing_where)
            && is(self.row_lock, details.row_lock)
            && is(self.into, details.into)
    }

    fn is_in_phase(&self, state: State) -> bool {
        let phase = state.phase.filter(|_| state.migration_open);
        self.phase
            .as_ref()
            .is_none_or(|phases| phase.is_some_and(|phase| phases.contains(&phase)))
    }

    fn sets_parameter(&self, statement: &Statement) -> bool {
        if self.parameter.is_none() && self.parameter_use.is_none() {
            return true;
        }
        let is_named = |touch: &ParameterTouch| match (&self.parameter, &touch.name) {
            (None, _) | (_, ParameterName::Dynamic) => true,
            (Some(patterns), ParameterName::Named(name)) => {
                patterns.iter().any(|pattern| pattern.fits(name))
            }
            (Some(_), ParameterName::All) => false,
        };
        let is_used = |touch: &ParameterTouch| {
            let uses = self.parameter_use.as_ref();
            uses.is_none_or(|uses| uses.contains(&touch.how))
        };
        let mut touches = statement.parameters.iter();
        touches.any(|touch| is_named(touch) && is_used(touch))
    }

    /// The empty name stands for extensions that are not listed.
    fn names_extension(&self, statement: &Statement) -> bool {
        let mut touches = statement.details.extensions.iter();
        self.extension.as_ref().is_none_or(|patterns| {
            touches.any(|touch| {
                let fits = |pattern: &Pattern| pattern.fits(&touch.name);
                touch.name.is_empty() || patterns.iter().any(fits)
            })
        })
    }

    /// The empty name stands for a role that cannot be told; so does a parameter that cannot.
    fn takes_role(&self, statement: &Statement) -> bool {
        let Some(patterns) = &self.role else {
            return true;
        };
        let fits = |role: &str| role.is_empty() || patterns.iter().any(|it| it.fits(role));
        let touch = statement.details.role.as_deref();
        let mut parameters = statement.parameters.iter();
        touch
            .and_then(|touch| touch.role.as_deref())
            .is_some_and(fits)
            || parameters.any(|touch| touch.name == ParameterName::Dynamic)
    }

    fn calls_function(&self, statement: &Statement) -> bool {
        let Some(patterns) = &self.function else {
            return true;
        };
        match &statement.details.calls {
            None => may_name(statement),
            Some(calls) => {
                // `t.f` may be a call, too.
                let fields = statement
                    .details
                    .fields()
                    .iter()
                    .map(|field| QualifiedName {
                        schema: None,
                        name: field.name.clone(),
                    });
                let fits = |call: &QualifiedName| patterns.iter().any(|pattern| pattern.fits(call));
                calls.iter().any(fits) || fields.into_iter().any(|field| fits(&field))
            }
        }
    }
}

/// Does the statement do something of this kind to a relation that is asked for?
fn names_relation(
    patterns: &Option<Vec<NamePattern>>,
    statement: &Statement,
    is_asked: impl Fn(RelationAct) -> bool,
) -> bool {
    let Some(patterns) = patterns else {
        return true;
    };
    match &statement.details.relations {
        None => may_name(statement),
        Some(touches) => touches.iter().any(|touch| {
            let fits = |pattern: &NamePattern| pattern.fits(&touch.relation);
            is_asked(touch.act) && patterns.iter().any(fits)
        }),
    }
}

fn is_write(act: RelationAct) -> bool {
    match act {
        RelationAct::Insert | RelationAct::Update | RelationAct::Delete | RelationAct::Truncate => {
            true
        }
        RelationAct::Read | RelationAct::Lock | RelationAct::Define => false,
    }
}

fn fits(patterns: &Option<Vec<Pattern>>, text: &str) -> bool {
    patterns
        .as_ref()
        .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(text)))
}

//! `[[rule]]`: refusals of the operator's own. A rule can only refuse.

use std::sync::Arc;

use super::file::{Kind, Login, RouteName};
use super::pattern::{NamePattern, Pattern};
use super::rights::ALL;
use super::{Phase, State, Who};
use crate::error::SqlState;
use crate::sql::{Class, ClassSet, ParameterName, QualifiedName, Statement};

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
    /// `function`: any that the statement calls.
    pub function: Option<Vec<NamePattern>>,
    /// `parameter`: any that the statement sets or resets by name.
    pub parameter: Option<Vec<Pattern>>,
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
            && self.parameter.is_none()
    }

    /// Does it ask for what only a walk of the whole statement tells?
    pub fn asks_names(&self) -> bool {
        self.relation.is_some() || self.function.is_some()
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

    /// The classes of statements that have to be looked at for it, beside those with parameters.
    pub fn classes(&self) -> ClassSet {
        match self.class {
            Some(classes) => classes,
            None if self.asks_names() => NAMING,
            None if self.parameter.is_some() => ClassSet::EMPTY,
            None => ALL,
        }
    }

    /// Does it hold for a statement of a login for which it [can](Self::can_hold)?
    pub fn holds(&self, statement: &Statement, who: &Who, state: State) -> bool {
        self.class
            .is_none_or(|classes| statement.classes.intersects(classes))
            && self
                .migration
                .is_none_or(|open| open == state.migration_open)
            && self.is_in_phase(state)
            && fits(&self.database, &who.database)
            && fits(&self.tag, statement.tag)
            && self.sets_parameter(statement)
            && self.names_relation(statement)
            && self.calls_function(statement)
    }

    fn is_in_phase(&self, state: State) -> bool {
        let phase = state.phase.filter(|_| state.migration_open);
        self.phase
            .as_ref()
            .is_none_or(|phases| phase.is_some_and(|phase| phases.contains(&phase)))
    }

    fn sets_parameter(&self, statement: &Statement) -> bool {
        let Some(patterns) = &self.parameter else {
            return true;
        };
        statement.parameters.iter().any(|touch| match &touch.name {
            ParameterName::Named(name) => patterns.iter().any(|pattern| pattern.fits(name)),
            ParameterName::Dynamic => true,
            ParameterName::All => false,
        })
    }

    fn names_relation(&self, statement: &Statement) -> bool {
        let Some(patterns) = &self.relation else {
            return true;
        };
        match &statement.details.relations {
            None => may_name(statement),
            Some(touches) => touches
                .iter()
                .any(|touch| patterns.iter().any(|pattern| pattern.fits(&touch.relation))),
        }
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

fn fits(patterns: &Option<Vec<Pattern>>, text: &str) -> bool {
    patterns
        .as_ref()
        .is_none_or(|patterns| patterns.iter().any(|pattern| pattern.fits(text)))
}

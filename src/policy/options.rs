//! What `[guards.ID]` tells a guard beside its mode.

use super::Mode;
use super::pattern::{NamePattern, Pattern};
use super::quantity::Ceiling;

/// The tables of `[guards]`. Without a table a guard has nothing to go by but what it knows itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `[guards.parameters]`
    pub parameters: Parameters,
    /// `[guards.extensions]`
    pub extensions: Extensions,
    /// `[guards.ddl-outside-migration]` `temporary_tables`: the names that services may give to temporary tables. None:
    /// every name, of logins with a zone those that tell such tables apart; an empty list: there are none.
    pub temporary_tables: Option<Vec<Pattern>>,
    /// `[guards.append-only]` `relations`
    pub append_only: Vec<NamePattern>,
    /// `[guards.dangerous-functions]` `allow`: guarded functions that pass.
    pub allowed_functions: Vec<&'static str>,
    /// `[guards.dangerous-functions]` `deny`: functions of one's own that are refused as well.
    pub denied_functions: Vec<NamePattern>,
    /// `[guards.functions]` `allow`: the only functions, beside PostgreSQL's own, that may be called.
    pub functions: Option<Vec<NamePattern>>,
}

/// `[guards.parameters]`
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// `ceilings`: a client may lower these, never raise them past their ceiling.
    pub ceilings: Vec<Ceiling>,
    /// `denied`: never set by a client.
    pub denied: Vec<Pattern>,
    /// `transaction_only`: set for one transaction or not at all.
    pub transaction_only: Vec<Pattern>,
}

/// `[guards.extensions]`
#[derive(Clone, Debug, Default)]
pub struct Extensions {
    /// `approved`: may be created. `None`, and nothing in the lists below: every extension may.
    pub approved: Option<Vec<Box<str>>>,
    /// `by_approval`: refused until a DBA has moved them to `approved`.
    pub by_approval: Vec<Box<str>>,
    /// `removed`: name and why.
    pub removed: Vec<(Box<str>, Box<str>)>,
    /// `min_version`: name and the oldest version that may be asked for.
    pub min_version: Vec<(Box<str>, Box<str>)>,
}

impl Extensions {
    /// Does the policy say which extensions there may be?
    pub fn is_limited(&self) -> bool {
        self.approved.is_some() || !self.by_approval.is_empty() || !self.removed.is_empty()
    }
}

impl Mode {
    /// The word in the policy.
    pub const fn id(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::Observe => "observe",
            Self::Off => "off",
        }
    }
}

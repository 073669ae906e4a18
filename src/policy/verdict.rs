//! A verdict is a value: it carries the guard that decided, and that name feeds the error, the
//! metric and the log line. Nobody works it out a second time.

use std::sync::Arc;

use super::Version;
use crate::error::SqlState;
use crate::sql::Fingerprint;

/// The guards: each has one id that is the same in policy, error, explain, metrics, log, help and
/// file name (`src/policy/guards/<id with _>.rs`, `policies/guards/<id>.md`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Guard {
    /// DDL, roles, grants, TRUNCATE, SELECT INTO and their disguises outside a migration session.
    DdlOutsideMigration,
    /// DO and CALL.
    Procedural,
    /// COPY with a file on the server.
    CopyFile,
    /// COPY with a program on the server.
    CopyProgram,
    /// Functions that run text as SQL, touch files, other backends or other connections.
    DangerousFunctions,
    /// The fast-path FunctionCall message.
    FastPath,
    /// SET ROLE, SET SESSION AUTHORIZATION.
    RoleChange,
    /// Parameters that change how SQL is read: client_encoding, standard_conforming_strings.
    LexingParameters,
    /// VACUUM, CLUSTER, REINDEX, ANALYZE, CHECKPOINT, ALTER SYSTEM.
    Maintenance,
    /// Statements that neither opinion knows, or that cannot be parsed.
    UnknownStatement,
    /// Comment depth, operator runs, scan cost, statement size.
    StatementBounds,
    /// Several statements in one message.
    MultiStatement,
    /// Setting, resetting or discarding the zone parameter by hand.
    ZoneParameter,
    /// A login that must have a zone and has none.
    ZoneRequired,
    /// A zone that the login was not granted.
    ZoneNotGranted,
    /// A prepared statement or portal that this connection never saw prepared.
    UnknownName,
    /// Superusers, owners and who bypasses row-level security as the server role of an application.
    ServerRole,
    /// UPDATE and DELETE without WHERE.
    MissingWhere,
    /// People change no rows.
    HumanWrite,
    /// What a statement leaves behind on a pooled connection.
    SessionState,
    /// Parameters that are set past their ceiling, or not at all.
    Parameters,
    /// Extensions that are not approved, and older versions of them.
    Extensions,
    /// UPDATE, DELETE and TRUNCATE of relations that only grow.
    AppendOnly,
    /// Relations that a login may not touch.
    DeniedRelations,
    /// Functions that are not listed.
    Functions,
    /// The operator's own rules, `[[rule]]`.
    Rule,
    /// What takes something away from running code, in a migration session of phase expand.
    PhaseExpand,
    /// What logins of kind replication may do, and that no other replicates.
    Replication,
    /// More rows at a time than a login may read.
    BulkExport,
}

impl Guard {
    /// All guards; `ALL[g as usize] == g`.
    pub const ALL: [Guard; 29] = [
        Guard::DdlOutsideMigration,
        Guard::Procedural,
        Guard::CopyFile,
        Guard::CopyProgram,
        Guard::DangerousFunctions,
        Guard::FastPath,
        Guard::RoleChange,
        Guard::LexingParameters,
        Guard::Maintenance,
        Guard::UnknownStatement,
        Guard::StatementBounds,
        Guard::MultiStatement,
        Guard::ZoneParameter,
        Guard::ZoneRequired,
        Guard::ZoneNotGranted,
        Guard::UnknownName,
        Guard::ServerRole,
        Guard::MissingWhere,
        Guard::HumanWrite,
        Guard::SessionState,
        Guard::Parameters,
        Guard::Extensions,
        Guard::AppendOnly,
        Guard::DeniedRelations,
        Guard::Functions,
        Guard::Rule,
        Guard::PhaseExpand,
        Guard::Replication,
        Guard::BulkExport,
    ];

    /// The one id.
    pub const fn id(self) -> &'static str {
        match self {
            Guard::DdlOutsideMigration => "ddl-outside-migration",
            Guard::Procedural => "procedural",
            Guard::CopyFile => "copy-file",
            Guard::CopyProgram => "copy-program",
            Guard::DangerousFunctions => "dangerous-functions",
            Guard::FastPath => "fast-path",
            Guard::RoleChange => "role-change",
            Guard::LexingParameters => "lexing-parameters",
            Guard::Maintenance => "maintenance",
            Guard::UnknownStatement => "unknown-statement",
            Guard::StatementBounds => "statement-bounds",
            Guard::MultiStatement => "multi-statement",
            Guard::ZoneParameter => "zone-parameter",
            Guard::ZoneRequired => "zone-required",
            Guard::ZoneNotGranted => "zone-not-granted",
            Guard::UnknownName => "unknown-name",
            Guard::ServerRole => "server-role",
            Guard::MissingWhere => "missing-where",
            Guard::HumanWrite => "human-write",
            Guard::SessionState => "session-state",
            Guard::Parameters => "parameters",
            Guard::Extensions => "extensions",
            Guard::AppendOnly => "append-only",
            Guard::DeniedRelations => "denied-relations",
            Guard::Functions => "functions",
            Guard::Rule => "rule",
            Guard::PhaseExpand => "phase-expand",
            Guard::Replication => "replication",
            Guard::BulkExport => "bulk-export",
        }
    }

    /// The guard of an id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|guard| guard.id() == id)
    }
}

/// A set of guards.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct GuardSet(u32);

impl GuardSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);
    /// This set and one more member.
    pub const fn with(self, guard: Guard) -> Self {
        Self(self.0 | 1 << guard as u32)
    }
    /// Is `guard` a member?
    pub const fn has(self, guard: Guard) -> bool {
        self.0 & (1 << guard as u32) != 0
    }
    /// No member?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The members, in the order of [`Guard::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Guard> {
        Guard::ALL.into_iter().filter(move |guard| self.has(*guard))
    }
}

impl std::fmt::Debug for GuardSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Guard::id)).finish()
    }
}

/// What [`decide`](super::decide) says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// May it pass?
    pub verdict: Verdict,
    /// Guards in mode observe that would have refused; to be counted.
    pub observed: GuardSet,
    /// The id of the rule that would have refused, if [`Guard::Rule`] is among them.
    pub observed_rule: Option<Arc<str>>,
}

/// May it pass?
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Allow,
    /// No, and why.
    Refuse(Box<Refusal>),
}

/// A place in PostgreSQL's source, the same in every version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Field `R`.
    pub routine: &'static str,
    /// Field `F`.
    pub file: &'static str,
}

/// Why not: everything the client's error needs except what only the connection knows (its id).
/// The texts follow PostgreSQL's error style: message lower case, one line, no full stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who decided.
    pub guard: Guard,
    /// The id of the rule that decided, if the guard is [`Guard::Rule`].
    pub rule: Option<Arc<str>>,
    /// Field `C`.
    pub sqlstate: SqlState,
    /// Field `M`.
    pub message: String,
    /// Field `D` without the closing "(statement ..., connection ...)", which the conversation adds;
    /// it names login, database and guard.
    pub detail: String,
    /// Field `H`.
    pub hint: Option<String>,
    /// Field `P`: characters, from 1; 0 = none.
    pub position: u32,
    /// Where PostgreSQL's own error of these words comes from: in the place of guard and policy file in the fields `R`
    /// and `F`, and of `L`, for drivers that know the error by it.
    pub place: Option<&'static Place>,
    /// The statement's name in logs and exceptions.
    pub fingerprint: Option<Fingerprint>,
    /// Field `F`: the policy file's name, and `L`: its line that decided.
    pub policy_file: Arc<str>,
    /// Field `L`.
    pub policy_line: u32,
    /// Which policy decided; the conversation adds it to field `D`.
    pub policy_version: Option<Version>,
}

impl Refusal {
    /// The id of the guard or rule that decided (field `R`).
    pub fn by(&self) -> &str {
        self.rule.as_deref().unwrap_or(self.guard.id())
    }
}

//! What is known about the text of one Query or Parse message.

use super::details::Details;
use super::{Fingerprint, LateFingerprint};

/// What kinds of thing a statement does. A statement can have several (a data-modifying CTE
/// reads and writes; `EXPLAIN ANALYZE CREATE TABLE AS` explains and is DDL).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// SELECT, VALUES, TABLE without side effects that the grammar can see.
    Read,
    /// INSERT, UPDATE, DELETE, MERGE, also inside a CTE.
    Write,
    /// CREATE, ALTER, DROP, COMMENT, TRUNCATE, SELECT INTO, CREATE TABLE AS, REFRESH, IMPORT FOREIGN SCHEMA, ...
    Ddl,
    /// Roles, membership and privileges: CREATE ROLE, GRANT, REVOKE, REASSIGN OWNED, ALTER DEFAULT PRIVILEGES, ...
    Role,
    /// BEGIN, COMMIT, ROLLBACK, SAVEPOINT, SET TRANSACTION, PREPARE TRANSACTION, ...
    Transaction,
    /// SET, RESET of a configuration parameter.
    Parameter,
    /// SET ROLE, SET SESSION AUTHORIZATION and their RESET.
    RoleChange,
    /// DISCARD, LOAD, and cursors WITH HOLD, which outlive their transaction.
    SessionState,
    /// COPY ... FROM STDIN.
    CopyIn,
    /// COPY ... TO STDOUT.
    CopyOut,
    /// COPY from or to a file on the server.
    CopyFile,
    /// COPY from or to a program on the server.
    CopyProgram,
    /// VACUUM, ANALYZE, CLUSTER, REINDEX, CHECKPOINT, ALTER SYSTEM.
    Maintenance,
    /// LOCK TABLE.
    Lock,
    /// DECLARE, FETCH, MOVE, CLOSE.
    Cursor,
    /// PREPARE (the class of the prepared statement is in the set too).
    Prepare,
    /// EXECUTE of a SQL-level prepared statement.
    Execute,
    /// DEALLOCATE.
    Deallocate,
    /// LISTEN, UNLISTEN, NOTIFY.
    Notify,
    /// DO, CALL.
    Procedural,
    /// A walsender command.
    Replication,
    /// EXPLAIN (with ANALYZE the class of the explained statement is in the set too).
    Explain,
    /// SHOW.
    Show,
    /// Neither opinion knows it, or the two cannot be reconciled: restricted.
    Unknown,
}

impl Class {
    /// All classes, in the order of the enum; `CLASSES[c as usize] == c`.
    pub const ALL: [Class; 24] = [
        Class::Read,
        Class::Write,
        Class::Ddl,
        Class::Role,
        Class::Transaction,
        Class::Parameter,
        Class::RoleChange,
        Class::SessionState,
        Class::CopyIn,
        Class::CopyOut,
        Class::CopyFile,
        Class::CopyProgram,
        Class::Maintenance,
        Class::Lock,
        Class::Cursor,
        Class::Prepare,
        Class::Execute,
        Class::Deallocate,
        Class::Notify,
        Class::Procedural,
        Class::Replication,
        Class::Explain,
        Class::Show,
        Class::Unknown,
    ];

    /// The word used in policies, metrics and explain.
    pub const fn id(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Write => "write",
            Class::Ddl => "ddl",
            Class::Role => "role",
            Class::Transaction => "transaction",
            Class::Parameter => "parameter",
            Class::RoleChange => "role-change",
            Class::SessionState => "session-state",
            Class::CopyIn => "copy-in",
            Class::CopyOut => "copy-out",
            Class::CopyFile => "copy-file",
            Class::CopyProgram => "copy-program",
            Class::Maintenance => "maintenance",
            Class::Lock => "lock",
            Class::Cursor => "cursor",
            Class::Prepare => "prepare",
            Class::Execute => "execute",
            Class::Deallocate => "deallocate",
            Class::Notify => "notify",
            Class::Procedural => "procedural",
            Class::Replication => "replication",
            Class::Explain => "explain",
            Class::Show => "show",
            Class::Unknown => "unknown",
        }
    }
}

/// A set of [`Class`]es.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct ClassSet(u32);

impl ClassSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);
    /// The set with one member.
    pub const fn of(class: Class) -> Self {
        Self(1 << class as u32)
    }
    /// Both sets.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// This set and one more member.
    pub const fn with(self, class: Class) -> Self {
        self.union(Self::of(class))
    }
    /// Is `class` a member?
    pub const fn has(self, class: Class) -> bool {
        self.0 & (1 << class as u32) != 0
    }
    /// Is any member of `other` a member?
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
    /// This set without the members of `other`.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// No member?
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// The members, in the order of [`Class::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Class> {
        Class::ALL.into_iter().filter(move |c| self.has(*c))
    }
}

impl std::fmt::Debug for ClassSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter().map(Class::id)).finish()
    }
}

/// What a transaction control statement does to the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionControl {
    /// BEGIN, START TRANSACTION in any form.
    Begin,
    /// COMMIT, END; `chain`: AND CHAIN.
    Commit {
        /// AND CHAIN: a new transaction begins at once, without context.
        chain: bool,
    },
    /// ROLLBACK, ABORT; `chain`: AND CHAIN.
    Rollback {
        /// AND CHAIN: a new transaction begins at once, without context.
        chain: bool,
    },
    /// SAVEPOINT, RELEASE, ROLLBACK TO: the transaction goes on.
    Savepoint,
    /// SET TRANSACTION, SET SESSION CHARACTERISTICS. Only `SET TRANSACTION` must come before any query.
    SetTransaction,
    /// PREPARE TRANSACTION, COMMIT PREPARED, ROLLBACK PREPARED.
    TwoPhase,
}

/// Which parameter a statement touches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterName {
    /// A name as PostgreSQL compares it: ASCII lower case, quotes and `U&` decoded.
    Named(Box<str>),
    /// RESET ALL, DISCARD ALL.
    All,
    /// Computed or bound: `set_config($1, ...)`, `set_config('a' || 'b', ...)`.
    Dynamic,
}

/// How a statement touches a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterUse {
    /// SET, SET SESSION, `set_config(n, v, false)` or with a computed third argument.
    Session,
    /// SET LOCAL, `set_config(n, v, true)`.
    Local,
    /// RESET, SET ... TO DEFAULT, SET LOCAL ... TO DEFAULT, DISCARD ALL.
    Reset,
    /// ALTER ROLE/DATABASE/SYSTEM ... SET, CREATE/ALTER FUNCTION ... SET, UPDATE pg_settings.
    Stored,
}

/// One parameter that a statement sets or resets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterTouch {
    /// Which one.
    pub name: ParameterName,
    /// How.
    pub how: ParameterUse,
    /// The new value, where it is one constant in the text; never logged.
    pub value: Option<Box<str>>,
    /// A reset that ends with the transaction, by SET LOCAL: the session keeps what it has.
    pub passing: bool,
}

impl ParameterTouch {
    /// Without a value that is told.
    pub fn new(name: ParameterName, how: ParameterUse) -> Self {
        Self {
            name,
            how,
            value: None,
            passing: false,
        }
    }
}

/// One statement of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// What it does, by the stricter opinion.
    pub classes: ClassSet,
    /// The words PostgreSQL uses for it in errors and command tags: `CREATE TABLE AS`, `GRANT`.
    pub tag: &'static str,
    /// Where its first token starts: characters, from 1, in the text (the `P` field of an error).
    pub position: u32,
    /// What it does to the transaction, if it controls one.
    pub transaction: Option<TransactionControl>,
    /// `SELECT pg_advisory_unlock_all()` and nothing else.
    pub unlocks_all: bool,
    /// It asks for numbers that sequences gave this session, `currval()` or `lastval()`, before anything in it could
    /// draw one.
    pub recalls: bool,
    /// PostgreSQL runs it in no transaction block: VACUUM, CREATE DATABASE, ALTER SYSTEM, REINDEX SCHEMA, ...
    pub alone: bool,
    /// It is SELECT of calls of `set_config` with constants and what is bound, and of nothing else: where it succeeds
    /// they were made, and nothing saw what was before.
    pub only_sets: bool,
    /// Parameters set or reset anywhere in it, `set_config` calls included.
    pub parameters: Vec<ParameterTouch>,
    /// Names of guarded functions called in it (dynamic SQL, files, large objects, session locks,
    /// other backends, other connections, settings), as in [`guarded functions`](super::FUNCTIONS).
    pub functions: Vec<&'static str>,
    /// What it does it to.
    pub details: Details,
}

/// Why a text could not be described. All of these are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undescribed {
    /// Not valid UTF-8, or a NUL inside.
    Encoding,
    /// Comments nested deeper than [`super::MAX_COMMENT_DEPTH`].
    CommentDepth,
    /// A run of operator characters longer than [`super::MAX_OPERATOR_RUN`].
    OperatorRun,
    /// Input on which PostgreSQL's lexer is quadratic.
    ScanCost,
    /// More than [`super::MAX_STATEMENTS`].
    TooManyStatements,
    /// The grammar says syntax error. Holds its message and position (characters, from 1; 0: none).
    Syntax {
        /// PostgreSQL's own words.
        message: String,
        /// Characters, from 1; 0 when unknown.
        position: u32,
    },
    /// The two opinions disagree on the number of statements.
    Disagreement,
    /// It does something else in a database that makes small letters of capital letters beyond ASCII.
    Folded,
    /// The parser failed in an unexpected way.
    Internal,
}

/// Everything a verdict may depend on about the text of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The statements in order; empty for an empty query (white space and comments only).
    /// Where `undescribed` says why there is no full description, those that the tokens show.
    pub statements: Vec<Statement>,
    /// The union of the statements' classes.
    pub classes: ClassSet,
    /// Why there is no (complete) description; such a text is refused.
    pub undescribed: Option<Undescribed>,
    /// Present whenever anything in the facts could lead to a refusal
    /// (so a later refusal at Bind or Execute can still name the statement).
    pub fingerprint: LateFingerprint,
}

impl Facts {
    /// The fingerprint, if there is one: taken now where nobody has asked before (at most some microseconds).
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.fingerprint.get()
    }

    /// How much there is to judge: statements, parameters and names.
    pub fn extent(&self) -> usize {
        let of = |statement: &Statement| {
            let details = &statement.details;
            let relations = details.relations.as_ref().map_or(0, Vec::len);
            let calls = details.calls.as_ref().map_or(0, Vec::len);
            let fields = details.fields().len() + details.operators().len();
            1 + statement.parameters.len() + relations + calls + fields
        };
        self.statements.iter().map(of).sum()
    }

    /// White space, comments and semicolons only: the server answers EmptyQueryResponse.
    pub fn is_empty_query(&self) -> bool {
        self.statements.is_empty() && self.undescribed.is_none()
    }
}

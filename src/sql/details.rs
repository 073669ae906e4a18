//! What a statement does it to: relations, functions, extensions, roles. Only guards and rules that
//! a policy names ask for the parts that cost a walk of the whole tree ([`Depth`]).

use std::fmt;

use super::by_name::NameTouch;
use super::takes_away::TakesAway;
use super::temporary::TemporaryTable;
use super::{Bounds, Localized, ParameterName};

/// How closely a text is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Depth {
    /// Classes, parameters, guarded functions, and the details that the top of a statement shows.
    #[default]
    Surface,
    /// Also every relation and every function that the statement names.
    Names,
}

/// A name as PostgreSQL stores it: folded, quotes and `U&` decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QualifiedName {
    /// The schema, where the text names one.
    pub schema: Option<Box<str>>,
    /// The relation or function.
    pub name: Box<str>,
}

/// `schema.name` or `name`, for people.
impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What is done to a relation. `TRUNCATE` and DDL are [`RelationAct::Define`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationAct {
    /// Its rows are read; also by `COPY ... TO`.
    Read,
    /// Rows are added: INSERT, `COPY ... FROM`, MERGE ... INSERT.
    Insert,
    /// Rows are changed: UPDATE, INSERT ... ON CONFLICT DO UPDATE, MERGE ... UPDATE.
    Update,
    /// Rows are taken away: DELETE, MERGE ... DELETE.
    Delete,
    /// TRUNCATE.
    Truncate,
    /// SELECT ... FOR UPDATE and the like, LOCK TABLE.
    Lock,
    /// It is created, altered or dropped.
    Define,
}

/// A relation that a statement names. One relation can occur several times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationTouch {
    /// Which one. The name of a CTE is none.
    pub relation: QualifiedName,
    /// What is done to it.
    pub act: RelationAct,
}

/// What is done to an extension.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExtensionAct {
    /// CREATE EXTENSION. `cascade`: installs what it needs, too.
    Create {
        /// CASCADE
        cascade: bool,
        /// VERSION, where it is named (its first 100 characters).
        version: Option<Box<str>>,
    },
    /// ALTER EXTENSION ... UPDATE.
    Update {
        /// TO, where it is named.
        version: Option<Box<str>>,
    },
    /// ALTER EXTENSION ... ADD, DROP, SET SCHEMA.
    Alter,
    /// DROP EXTENSION.
    Drop,
}

/// An extension that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionTouch {
    /// Its name as PostgreSQL stores it.
    pub name: Box<str>,
    /// What is done to it.
    pub act: ExtensionAct,
}

/// The role of SET ROLE or SET SESSION AUTHORIZATION.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTouch {
    /// The role; none for NONE, DEFAULT and RESET. Empty, which is nobody's name: it cannot be told
    /// (`set_config('role', $1, ...)`, a function's SET role, several at once).
    pub role: Option<Box<str>>,
    /// SET LOCAL: only until the transaction ends.
    pub local: bool,
    /// SET SESSION AUTHORIZATION rather than SET ROLE.
    pub authorization: bool,
}

/// `t.f`: the column f of t or, where t has none, PostgreSQL's other way to write f(t).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTouch {
    /// f.
    pub name: Box<str>,
    /// The functions in FROM whose result t is, where the statement does not say that f is one of its
    /// columns. Empty: t is a relation or a query, or f is a column that the statement names.
    pub of: Vec<QualifiedName>,
    /// The alias of t names columns, f not among them; what has one column only has no other.
    pub renamed: bool,
}

/// Which modes of a transaction are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// ISOLATION LEVEL.
    pub isolation: bool,
    /// READ ONLY, READ WRITE.
    pub access: bool,
    /// DEFERRABLE, NOT DEFERRABLE.
    pub deferrable: bool,
}

impl Modes {
    /// All of them.
    pub const ALL: Self = Self {
        isolation: true,
        access: true,
        deferrable: true,
    };

    /// Those that either names.
    pub fn or(self, other: Self) -> Self {
        Self {
            isolation: self.isolation || other.isolation,
            access: self.access || other.access,
            deferrable: self.deferrable || other.deferrable,
        }
    }
}

/// What is done to a savepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavepointAct {
    /// SAVEPOINT.
    Set,
    /// RELEASE: it and all behind it are forgotten.
    Release,
    /// ROLLBACK TO: those behind it are forgotten.
    RollBackTo,
}

/// A statement about a savepoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Savepoint {
    /// What is done.
    pub act: SavepointAct,
    /// Its name as PostgreSQL stores it.
    pub name: Box<str>,
}

/// What may be a call, or makes one, without the look of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HiddenCalls {
    /// Columns that the statement names with their table.
    pub fields: Vec<FieldTouch>,
    /// Operators that it names with a schema other than `pg_catalog`: `OPERATOR(util.+)`; each calls a
    /// function that is not named.
    pub operators: Vec<QualifiedName>,
}

/// What a guard may need beyond classes. Empty for nearly all statements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// Every relation it names, once for each act; none: not looked for ([`Depth::Surface`]), or not
    /// to be told, which a guard that asks must take for the worst (DO, EXECUTE, CASCADE, GRANT ...
    /// ON ALL TABLES, more than 1,000 names). What a view, function or foreign key reaches is not named.
    pub relations: Option<Vec<RelationTouch>>,
    /// Every function it calls by name, once; none as above. Operators, casts and COALESCE and the
    /// like are none; EXTRACT and its kind are functions of `pg_catalog`. `f` of `(x).f` may be a
    /// function and is listed; that of `t.f` is in `hidden`.
    pub calls: Option<Vec<QualifiedName>>,
    /// What may call a function that is not in `calls`; none: nothing. Complete where `calls` are known.
    pub hidden: Option<Box<HiddenCalls>>,
    /// A write to a relation of PostgreSQL's own (INSERT, UPDATE, DELETE, MERGE, COPY FROM of
    /// `pg_catalog` or `information_schema`), or to the jobs of pg_cron: DDL by other means.
    pub catalog: bool,
    /// An UPDATE or DELETE without WHERE (also inside a CTE, EXPLAIN ANALYZE or PREPARE).
    pub missing_where: bool,
    /// SELECT ... FOR UPDATE, NO KEY UPDATE, SHARE or KEY SHARE.
    pub row_lock: bool,
    /// SELECT INTO, CREATE TABLE AS.
    pub into: bool,
    /// Creates something temporary: CREATE TEMP TABLE, VIEW or SEQUENCE, SELECT INTO TEMP, anything
    /// in the schema `pg_temp` (where the text names it).
    pub temporary: bool,
    /// A temporary table that it makes, indexes or drops, where that is all it does to the schema and both
    /// opinions say so. Of a statement by itself: not in EXPLAIN ANALYZE or CREATE SCHEMA.
    pub temporary_table: Option<Box<TemporaryTable>>,
    /// Extensions it names, up to 100; an empty name stands for all further ones.
    pub extensions: Box<[ExtensionTouch]>,
    /// SET ROLE, SET SESSION AUTHORIZATION, however spelled, and `set_config` of either. A computed
    /// name of a parameter could be that of a role, too: see the statement's parameters.
    pub role: Option<Box<RoleTouch>>,
    /// What turns it into a statement that sets its parameters for its transaction only, or that
    /// deallocates nothing.
    pub localized: Option<Box<Localized>>,
    /// Its parameters whose names or values are in the Bind message.
    pub bound: Option<Box<Bounds>>,
    /// SAVEPOINT, RELEASE, ROLLBACK TO: of which.
    pub savepoint: Option<Box<Savepoint>>,
    /// The prepared statement or cursor that it names, and what it does to it.
    pub by_name: Option<Box<NameTouch>>,
    /// Modes of the transaction that BEGIN, START TRANSACTION or SET TRANSACTION names.
    pub modes: Modes,
    /// SHOW: of which parameter.
    pub shows: Option<Box<ParameterName>>,
    /// The first thing that it takes away from code that still runs. Never of a query: what the
    /// functions of one do cannot be seen.
    pub takes_away: Option<Box<TakesAway>>,
}

impl Details {
    /// Columns named with their table, which may be calls.
    pub fn fields(&self) -> &[FieldTouch] {
        self.hidden.as_ref().map_or(&[], |hidden| &hidden.fields)
    }

    /// Operators named with a schema of one's own.
    pub fn operators(&self) -> &[QualifiedName] {
        self.hidden.as_ref().map_or(&[], |hidden| &hidden.operators)
    }

    /// What the first opinion saw, which reads no relations and calls.
    pub(super) fn add(&mut self, first: Details) {
        self.into |= first.into;
        self.temporary |= first.temporary;
        let both = self.temporary_table.as_deref();
        let both = both.zip(first.temporary_table.as_deref());
        if !both.is_some_and(|(own, other)| own.is_same(other)) {
            self.temporary_table = None;
        }
        self.role = first.role;
        self.localized = first.localized;
        self.bound = first.bound;
        self.savepoint = first.savepoint;
        self.modes = first.modes;
    }

    /// Nothing that a guard which is on by default looks at.
    pub fn is_quiet(&self) -> bool {
        !self.missing_where
            && !self.catalog
            && self.extensions.is_empty()
            && self.role.is_none()
            && !self.temporary
    }
}

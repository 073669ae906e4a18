//! The functions a policy may guard: what they do cannot be seen in the statement that calls them.

mod by_dot;
mod extensions;
mod postgresql;

pub(super) use by_dot::TYPED;
pub use by_dot::{ByDot, by_dot};

/// What a guarded function reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FunctionGroup {
    /// Changes a configuration parameter.
    Settings,
    /// Runs text as SQL.
    DynamicSql,
    /// Reads or writes files of the server.
    Files,
    /// Large objects.
    LargeObjects,
    /// Session-level advisory locks, which outlive a transaction.
    SessionLocks,
    /// Other backends and the server as a whole.
    Server,
    /// Replication slots and origins.
    Replication,
    /// Opens or uses connections to other servers.
    Connections,
    /// Tables, partitions, columns and jobs that an extension makes, changes or drops.
    ExtensionDdl,
    /// Moves a sequence.
    Sequences,
    /// The numbers that sequences gave this session.
    SessionNumbers,
    /// Changes what the session keeps, and its statement does not name: a setting, a variable.
    SessionSettings,
    /// Changes how an index is stored, or shows what is in its pages.
    Storage,
    /// Sends a notification, or a message to those who decode the log.
    Notifications,
    /// Relations of PostgreSQL's own with values of rows that row-level security hides.
    HiddenRows,
}

/// Whatever is called in the schema of pg_cron, whose names alone (`schedule`) are anybody's.
pub(super) const CRON: &str = "cron.*";

/// Names that begin so are those of one extension: pgRouting, whose functions take a query as text,
/// PostGIS's for rasters, pg_variables, and the debugger.
const PREFIXES: [(&[u8], &str); 6] = [
    (b"_add_raster_constraint", "_add_raster_constraint*"),
    (b"_drop_raster_constraint", "_drop_raster_constraint*"),
    (b"_pgr_", "_pgr_*"),
    (b"pgr_", "pgr_*"),
    (b"pgv_", "pgv_*"),
    (b"pldbg_", "pldbg_*"),
];

/// The tables with long values. The number of their table is behind it: a column may be called `pg_toast_size`.
const TOAST: &str = "pg_toast_*";

fn is_toast(name: &[u8]) -> bool {
    let number = name.strip_prefix(b"pg_toast_").and_then(<[u8]>::first);
    number.is_some_and(u8::is_ascii_digit)
}

/// The guarded functions, sorted by name: PostgreSQL's and its contrib modules', and those of well-known
/// extensions. `pgr_*` and `cron.*` stand for several. `current_setting` is not one.
pub const FUNCTIONS: &[(&str, FunctionGroup)] = &merged::<ALL>();

const ALL: usize = postgresql::FUNCTIONS.len() + extensions::FUNCTIONS.len();

/// Both tables in one.
const fn merged<const N: usize>() -> [(&'static str, FunctionGroup); N] {
    let (own, others) = (postgresql::FUNCTIONS, extensions::FUNCTIONS);
    let mut all = [("", FunctionGroup::Settings); N];
    let (mut left, mut right) = (0, 0);
    while left + right < N {
        let first = right == others.len()
            || (left < own.len() && is_before(own[left].0.as_bytes(), others[right].0.as_bytes()));
        all[left + right] = if first { own[left] } else { others[right] };
        left += first as usize;
        right += !first as usize;
    }
    all
}

const fn is_before(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    at < right.len() && (at == left.len() || left[at] < right[at])
}

/// Longer than any name in [`FUNCTIONS`] or with one of the prefixes, in bytes.
pub(super) const LONGEST: usize = 63;

const _: () = assert!(longest() <= LONGEST);

const fn longest() -> usize {
    let (mut most, mut at) = (0, 0);
    while at < FUNCTIONS.len() {
        if FUNCTIONS[at].0.len() > most {
            most = FUNCTIONS[at].0.len();
        }
        at += 1;
    }
    most
}

/// By the first byte of a name: the lengths that guarded functions beginning with it have, a bit for each.
static LENGTHS: [u64; 256] = lengths();

const fn lengths() -> [u64; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < FUNCTIONS.len() {
        let name = FUNCTIONS[at].0.as_bytes();
        table[name[0] as usize] |= 1 << name.len();
        at += 1;
    }
    table
}

/// The guarded function called `name`, as PostgreSQL stores names.
pub(super) fn find(name: &[u8]) -> Option<&'static str> {
    if matches!(name.first(), Some(b'_' | b'p')) {
        let mut prefixes = PREFIXES.iter();
        if let Some((_, all)) = prefixes.find(|(prefix, _)| name.starts_with(prefix)) {
            return Some(all);
        }
        if is_toast(name) {
            return Some(TOAST);
        }
    }
    // Most columns and functions need no search: they differ in length from those with that letter.
    if name.len() > LONGEST || LENGTHS[*name.first()? as usize] & (1 << name.len()) == 0 {
        return None;
    }
    let found = FUNCTIONS
        .binary_search_by(|(function, _)| function.as_bytes().cmp(name))
        .ok()?;
    Some(FUNCTIONS[found].0)
}

/// The guarded function that `schema.name` is because of its schema, both as PostgreSQL stores names.
/// The names of these are anybody's, and count with their schema only.
pub(super) fn in_schema(schema: &str, name: &str) -> Option<&'static str> {
    if matches!(schema, "pg_catalog" | "public") {
        return None;
    }
    let first = FUNCTIONS.partition_point(|(function, _)| *function < schema);
    let mut functions = FUNCTIONS[first..].iter().map(|(function, _)| *function);
    let mut of_schema = functions.by_ref().take_while(|it| it.starts_with(schema));
    of_schema.find(|function| {
        let rest = function[schema.len()..].strip_prefix('.');
        rest.is_some_and(|rest| match rest.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == rest,
        })
    })
}

/// Views that show what guarded functions read, and tables of hidden rows. Their names count wherever they stand.
const VIEWS: [&str; 5] = [
    "pg_file_settings",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_statistic",
    "pg_statistic_ext_data",
];

/// The guarded view or table called `name`, as PostgreSQL stores names.
pub(super) fn view(name: &[u8]) -> Option<&'static str> {
    match is_toast(name) {
        true => Some(TOAST),
        false => VIEWS.into_iter().find(|view| view.as_bytes() == name),
    }
}

/// Can a name that is spelled so be that of a guarded view? Most need no comparison.
pub(super) fn may_be_view(spelled: &[u8]) -> bool {
    const BEGINNINGS: [&[u8]; 5] = [b"pg_file", b"pg_hba_", b"pg_iden", b"pg_stat", b"pg_toas"];
    let Some(first) = spelled.get(..7).filter(|_| spelled.len() > 9) else {
        return false;
    };
    if first[2] != b'_' {
        return false;
    }
    BEGINNINGS.iter().any(|it| first.eq_ignore_ascii_case(it))
}

/// The group of a guarded function.
pub fn group(function: &str) -> Option<FunctionGroup> {
    let found = FUNCTIONS
        .binary_search_by(|(name, _)| (*name).cmp(function))
        .ok()?;
    Some(FUNCTIONS[found].1)
}

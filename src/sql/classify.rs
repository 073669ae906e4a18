//! The first opinion: what a statement does, by its leading keywords.

use super::alone;
use super::bound;
use super::localized;
use super::nested;
use super::objects::{self, Verb};
use super::recalls;
use super::scan;
use super::set_config;
use super::settings::{self, SetKind};
use super::temporary;
use super::token::Kind;
use super::view::View;
use super::words::Words;
use super::{
    Class, ClassSet, Details, ParameterName, ParameterTouch, ParameterUse, Savepoint, SavepointAct,
    Statement, TransactionControl,
};

/// Statements inside statements (EXPLAIN, PREPARE, DECLARE, COPY) deeper than this are unknown;
/// the grammar allows two.
const MAX_NESTING: u32 = 4;

/// Describes one statement (not empty); `position` is for the caller to fill in.
pub(super) fn statement(view: View<'_>) -> Statement {
    let mut found = Statement {
        classes: ClassSet::EMPTY,
        tag: "",
        position: 0,
        transaction: None,
        unlocks_all: false,
        recalls: false,
        alone: false,
        only_sets: false,
        parameters: Vec::new(),
        functions: Vec::new(),
        details: Details::default(),
    };
    lead(view, MAX_NESTING, &mut found);
    if found.classes == ClassSet::of(Class::Ddl) {
        found.details.temporary_table = temporary::of_tokens(view).map(Box::new);
    }
    scan::calls(view, &mut found.functions, &mut found.parameters);
    if view.words.any(Words::UPDATE.and(Words::MERGE)) {
        scan::settings_view(view, &mut found.parameters);
    }
    settings::bound(&mut found.parameters);
    if found.parameters.iter().any(settings::is_role) {
        found.classes = found.classes.with(Class::RoleChange);
        found.details.role = settings::role(&found.parameters).map(Box::new);
    }
    found.details.bound = bound::of(view, &found);
    found.details.localized = localized::of(view, &found);
    found.only_sets = set_config::is_all(view);
    found.unlocks_all = found.functions == ["pg_advisory_unlock_all"] && calls_alone(view);
    found.alone = alone::is(view);
    found.recalls = recalls::recalls(view, &found);
    found
}

/// Is it `SELECT f()` or `SELECT pg_catalog.f()`, and not a token more?
fn calls_alone(view: View<'_>) -> bool {
    let at = match view.is(1, "pg_catalog") && view.is_kind(2, Kind::Dot) {
        true => 3,
        false => 1,
    };
    view.is(0, "select")
        && view.is_name(at)
        && view.is_kind(at + 1, Kind::Open)
        && view.is_kind(at + 2, Kind::Close)
        && view.tokens.len() == at + 3
}

/// Classes that are refused for what they do, however they are wrapped.
const NAMED_INSIDE: ClassSet = ClassSet::of(Class::Ddl)
    .with(Class::Role)
    .with(Class::Procedural)
    .with(Class::Maintenance);

/// Classifies by the first words, and adds to `found`. The tag is that of the outermost statement,
/// unless one inside does more than queries do: `EXPLAIN ANALYZE CREATE TABLE AS` is CREATE TABLE AS.
pub(super) fn lead(view: View<'_>, nesting: u32, found: &mut Statement) {
    let (tag, class) = match nesting {
        0 => ("???", Class::Unknown),
        _ if view.is_kind(0, Kind::Open) => query(view, found),
        _ => by_keyword(view, nesting, found),
    };
    found.classes = found.classes.with(class);
    let inside = nesting < MAX_NESTING;
    if found.tag.is_empty() && (!inside || NAMED_INSIDE.has(class)) {
        found.tag = tag;
    }
}

fn by_keyword(view: View<'_>, nesting: u32, found: &mut Statement) -> (&'static str, Class) {
    let mut folded = [0; 12];
    let word = view.word(0);
    let Some(folded) = folded.get_mut(..word.len()) else {
        return long_keyword(view);
    };
    folded.copy_from_slice(word);
    folded.make_ascii_lowercase();
    match &*folded {
        b"select" | b"values" | b"table" | b"with" | b"insert" | b"update" | b"delete"
        | b"merge" => query(view, found),
        b"begin" | b"start" | b"commit" | b"end" | b"rollback" | b"abort" | b"savepoint"
        | b"release" => transaction(view, found),
        b"set" | b"reset" => set(view, found),
        b"show" => ("SHOW", Class::Show),
        b"create" => create(view, found),
        b"alter" => alter(view, found),
        b"drop" => drop(view),
        b"explain" => nested::explain(view, nesting - 1, found),
        b"prepare" => nested::prepare(view, nesting - 1, found),
        b"declare" => nested::declare(view, nesting - 1, found),
        b"copy" => nested::copy(view, nesting - 1, found),
        b"discard" => discard(view, found),
        b"import" => ("IMPORT FOREIGN SCHEMA", Class::Ddl),
        b"execute" => ("EXECUTE", Class::Execute),
        b"deallocate" => (
            if view.is(1, "all") || (view.is(1, "prepare") && view.is(2, "all")) {
                "DEALLOCATE ALL"
            } else {
                "DEALLOCATE"
            },
            Class::Deallocate,
        ),
        b"fetch" => ("FETCH", Class::Cursor),
        b"move" => ("MOVE", Class::Cursor),
        b"close" => ("CLOSE CURSOR", Class::Cursor),
        b"do" => ("DO", Class::Procedural),
        b"call" => ("CALL", Class::Procedural),
        b"lock" => ("LOCK TABLE", Class::Lock),
        b"load" => ("LOAD", Class::SessionState),
        b"listen" => ("LISTEN", Class::Notify),
        b"unlisten" => ("UNLISTEN", Class::Notify),
        b"notify" => ("NOTIFY", Class::Notify),
        b"grant" => (grant_tag(view), Class::Role),
        b"revoke" => (grant_tag(view), Class::Role),
        b"reassign" => ("REASSIGN OWNED", Class::Role),
        b"truncate" => ("TRUNCATE TABLE", Class::Ddl),
        b"comment" => ("COMMENT", Class::Ddl),
        b"security" => ("SECURITY LABEL", Class::Ddl),
        b"refresh" => ("REFRESH MATERIALIZED VIEW", Class::Ddl),
        b"vacuum" => ("VACUUM", Class::Maintenance),
        b"analyze" | b"analyse" => ("ANALYZE", Class::Maintenance),
        b"cluster" => ("CLUSTER", Class::Maintenance),
        b"reindex" => ("REINDEX", Class::Maintenance),
        b"repack" => ("REPACK", Class::Maintenance),
        b"checkpoint" => ("CHECKPOINT", Class::Maintenance),
        _ => long_keyword(view),
    }
}

/// Walsender commands; everything else is unknown.
fn long_keyword(view: View<'_>) -> (&'static str, Class) {
    const REPLICATION: [&str; 9] = [
        "IDENTIFY_SYSTEM",
        "TIMELINE_HISTORY",
        "CREATE_REPLICATION_SLOT",
        "ALTER_REPLICATION_SLOT",
        "DROP_REPLICATION_SLOT",
        "READ_REPLICATION_SLOT",
        "START_REPLICATION",
        "BASE_BACKUP",
        "UPLOAD_MANIFEST",
    ];
    let command = REPLICATION
        .iter()
        .find(|command| view.word(0).eq_ignore_ascii_case(command.as_bytes()));
    command.map_or(("???", Class::Unknown), |command| {
        (*command, Class::Replication)
    })
}

/// SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE, MERGE, and any of them in parentheses.
fn query(view: View<'_>, found: &mut Statement) -> (&'static str, Class) {
    let verb = main_verb(view);
    let effects = effects(view, verb);
    let tag = match verb {
        "" if effects.creates => "SELECT INTO",
        "" => "SELECT",
        verb => verb,
    };
    if effects.creates {
        found.classes = found.classes.with(Class::Ddl);
        found.details.into = true;
    }
    if verb.is_empty() {
        // WITH x AS (INSERT ...) SELECT reads and writes.
        if effects.writes {
            found.classes = found.classes.with(Class::Write);
        }
        return (tag, Class::Read);
    }
    (tag, Class::Write)
}

/// What the query does beyond its verb. Without one of the words that such parts begin with there are none.
fn effects(view: View<'_>, verb: &str) -> scan::Effects {
    const WRITES: Words = Words::OTHER_WRITE.and(Words::UPDATE).and(Words::MERGE);
    // That a part writes adds nothing where the verb does.
    let looked_for = if verb.is_empty() {
        Words::INTO.and(WRITES)
    } else {
        Words::INTO
    };
    // The INTO of INSERT INTO creates nothing, and nearly always there is no other.
    let own_into = !verb.is_empty() && view.is(1, "into") && view.is_any(0, &["insert", "merge"]);
    if own_into && !view.words.any(Words::INTO_AGAIN) {
        return scan::Effects::default();
    }
    match view.words.any(looked_for) {
        true => scan::effects(view),
        false => scan::Effects::default(),
    }
}

/// The tag of the data-modifying statement that the query is; empty if it is none.
fn main_verb(view: View<'_>) -> &'static str {
    let mut at = 0;
    if view.is(0, "with") {
        at = view.tokens.len();
        let mut from = 1;
        // The verb behind WITH's queries is the one that a query can start with.
        while let Some(next) = view.find_outside_parens(
            from,
            &[
                "select", "insert", "update", "delete", "merge", "values", "table",
            ],
        ) {
            if view.is_kind(next - 1, Kind::Close)
                || !view.is_any(next, &["update", "delete", "insert", "merge"])
            {
                at = next;
                break;
            }
            from = next + 1;
        }
    }
    let verbs = [
        ("insert", "INSERT"),
        ("update", "UPDATE"),
        ("delete", "DELETE"),
        ("merge", "MERGE"),
    ];
    verbs
        .iter()
        .find(|(word, _)| view.is(at, word))
        .map_or("", |(_, tag)| *tag)
}

fn transaction(view: View<'_>, found: &mut Statement) -> (&'static str, Class) {
    let chain = view.tokens.len() >= 3
        && view.is(view.tokens.len() - 1, "chain")
        && view.is(view.tokens.len() - 2, "and");
    // The optional WORK or TRANSACTION.
    let next = 1 + usize::from(view.is_any(1, &["work", "transaction"]));
    let (tag, control) = if view.is(0, "start") {
        ("START TRANSACTION", TransactionControl::Begin)
    } else if view.is(0, "begin") {
        ("BEGIN", TransactionControl::Begin)
    } else if view.is(0, "savepoint") {
        found.details.savepoint = savepoint(view, SavepointAct::Set);
        ("SAVEPOINT", TransactionControl::Savepoint)
    } else if view.is(0, "release") {
        found.details.savepoint = savepoint(view, SavepointAct::Release);
        ("RELEASE", TransactionControl::Savepoint)
    } else if view.is(1, "prepared") {
        (
            if view.is(0, "commit") {
                "COMMIT PREPARED"
            } else {
                "ROLLBACK PREPARED"
            },
            TransactionControl::TwoPhase,
        )
    } else if view.is_any(0, &["commit", "end"]) {
        ("COMMIT", TransactionControl::Commit { chain })
    } else if view.is(next, "to") {
        found.details.savepoint = savepoint(view, SavepointAct::RollBackTo);
        ("ROLLBACK", TransactionControl::Savepoint)
    } else {
        ("ROLLBACK", TransactionControl::Rollback { chain })
    };
    if control == TransactionControl::Begin {
        found.details.modes = settings::modes(view);
    }
    found.transaction = Some(control);
    (tag, Class::Transaction)
}

/// Longer names are cut (bytes): PostgreSQL's NAMEDATALEN, less one.
const MAX_NAME: usize = 63;

/// The savepoint's name is the last word of its statement.
fn savepoint(view: View<'_>, act: SavepointAct) -> Option<Box<Savepoint>> {
    let mut name = view.name(view.tokens.len() - 1).unwrap_or_default();
    let mut length = name.len().min(MAX_NAME);
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    name.truncate(length);
    let name = name.into_boxed_str();
    Some(Box::new(Savepoint { act, name }))
}

fn set(view: View<'_>, found: &mut Statement) -> (&'static str, Class) {
    let tag = if view.is(0, "reset") { "RESET" } else { "SET" };
    let kind = settings::set(view, &mut found.parameters);
    match kind {
        SetKind::Parameter => return (tag, Class::Parameter),
        SetKind::Role => return (tag, Class::RoleChange),
        SetKind::Characteristics => found.classes = found.classes.with(Class::Parameter),
        // It may run triggers at once; the transaction goes on.
        SetKind::Constraints => return ("SET CONSTRAINTS", Class::Transaction),
        SetKind::Transaction => found.details.modes = settings::modes(view),
    }
    found.transaction = Some(TransactionControl::SetTransaction);
    ("SET", Class::Transaction)
}

fn discard(view: View<'_>, found: &mut Statement) -> (&'static str, Class) {
    if view.is(1, "all") {
        found
            .parameters
            .push(ParameterTouch::new(ParameterName::All, ParameterUse::Reset));
    }
    let tags = [
        ("all", "DISCARD ALL"),
        ("plans", "DISCARD PLANS"),
        ("sequences", "DISCARD SEQUENCES"),
    ];
    let tag = tags
        .iter()
        .find(|(word, _)| view.is(1, word))
        .map_or("DISCARD TEMP", |(_, tag)| *tag);
    (tag, Class::SessionState)
}

fn create(view: View<'_>, found: &mut Statement) -> (&'static str, Class) {
    const MODIFIERS: [&str; 12] = [
        "or",
        "replace",
        "global",
        "local",
        "temporary",
        "temp",
        "unlogged",
        "unique",
        "recursive",
        "trusted",
        "procedural",
        "default",
    ];
    let mut at = 1;
    while at < 5 && view.is_any(at, &MODIFIERS) {
        at += 1;
    }
    at += usize::from(view.is(at, "constraint"));
    if view.is_any(at, &["role", "user", "group"]) && !view.is(at + 1, "mapping") {
        return ("CREATE ROLE", Class::Role);
    }
    if view.is_any(at, &["function", "procedure"]) {
        settings::stored_with_function(view, at + 1, &mut found.parameters);
    }
    match objects::tag(Verb::Create, |n| view.word(at + n)) {
        Some("CREATE TABLE") if view.find_outside_parens(at, &["as"]).is_some() => {
            ("CREATE TABLE AS", Class::Ddl)
        }
        Some(tag) => {
            // The grammar's library hides its name.
            let foreign = tag == "CREATE FOREIGN TABLE";
            found.details.temporary |= foreign && names_temporary(view);
            (tag, Class::Ddl)
        }
        None => ("CREATE", Class::Ddl),
    }
}

/// Is a schema of temporary objects named anywhere?
fn names_temporary(view: View<'_>) -> bool {
    let temporary = |name: String| name.starts_with("pg_temp");
    (0..view.tokens.len()).any(|at| view.is_name(at) && view.name(at).is_none_or(temporary))
}

fn alter(view: View<'_>, found: &mut Statement) -> (&'static str, Class) {
    if view.is_any(1, &["function", "procedure", "routine"]) {
        settings::stored_with_function(view, 2, &mut found.parameters);
    } else if view.is_any(1, &["role", "user", "group", "database", "system"]) {
        settings::stored(view, 1, &mut found.parameters);
    }
    if view.is_any(1, &["role", "user", "group"]) && !view.is(2, "mapping") {
        return ("ALTER ROLE", Class::Role);
    }
    if view.is(1, "default") {
        return ("ALTER DEFAULT PRIVILEGES", Class::Role);
    }
    if view.is(1, "system") {
        return ("ALTER SYSTEM", Class::Maintenance);
    }
    let at = 1 + usize::from(view.is(1, "procedural"));
    (
        objects::tag(Verb::Alter, |n| view.word(at + n)).unwrap_or("ALTER"),
        Class::Ddl,
    )
}

fn drop(view: View<'_>) -> (&'static str, Class) {
    if view.is_any(1, &["role", "user", "group"]) && !view.is(2, "mapping") {
        return ("DROP ROLE", Class::Role);
    }
    if view.is(1, "owned") {
        return ("DROP OWNED", Class::Role);
    }
    let at = 1 + usize::from(view.is(1, "procedural"));
    (
        objects::tag(Verb::Drop, |n| view.word(at + n)).unwrap_or("DROP"),
        Class::Ddl,
    )
}

/// Membership is granted without ON.
fn grant_tag(view: View<'_>) -> &'static str {
    let role = view.find_outside_parens(1, &["on"]).is_none();
    match (view.is(0, "grant"), role) {
        (true, true) => "GRANT ROLE",
        (true, false) => "GRANT",
        (false, true) => "REVOKE ROLE",
        (false, false) => "REVOKE",
    }
}

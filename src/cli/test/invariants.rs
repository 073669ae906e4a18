//! What every policy must keep, whatever else it says: tried for each of its logins on each of its
//! databases. Where a guard that would keep it is not enforced, that is said and not a failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::player::{messages, play, play_in};
use super::step::{Step, bind, execute, function_call, parse, query};
use crate::cli::judged::{self, findings};
use crate::policy::zone::{ALL_ZONES, Values};
use crate::policy::{Grant, Guard, Kind, Mode, Policy, Who};

/// What came of a policy's invariants.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    /// How many were tried and held.
    pub held: usize,
    /// What was let through although no guard is off: a sentence each.
    pub broken: Vec<String>,
    /// What is let through because guards are off or observe: those guards, and for each the
    /// statements.
    pub open: BTreeMap<String, BTreeSet<String>>,
}

/// Who is tried with a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tried {
    /// Everybody outside a migration session.
    Outside,
    /// And migrators inside one.
    Always,
    /// Those whose zone is Portcullis's business. `{another}` is a zone that is not theirs.
    Zoned,
    /// Of them those that do not set it themselves.
    Fixed,
    /// Of them those that all zones are not granted to.
    NotAll,
}

/// What a login must not get through: a name, a text, and who is tried with it. `{zone}` becomes the
/// zone parameter.
const REFUSED: [(&str, &str, Tried); 34] = {
    use Tried::{Always, Fixed, NotAll, Outside, Zoned};
    [
        ("CREATE TABLE", "CREATE TABLE t (id int)", Outside),
        ("DROP TABLE", "DROP TABLE orders", Outside),
        ("ALTER TABLE", "ALTER TABLE orders ADD note text", Outside),
        ("TRUNCATE", "TRUNCATE orders", Outside),
        ("SELECT INTO", "SELECT 1 AS id INTO t", Outside),
        (
            "DDL in EXPLAIN ANALYZE",
            "EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1",
            Outside,
        ),
        (
            "DDL in PREPARE",
            "PREPARE p AS CREATE TABLE t AS SELECT 1",
            Outside,
        ),
        ("DDL behind a query", "SELECT 1; DROP TABLE orders", Outside),
        (
            "CREATE FUNCTION",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            Outside,
        ),
        ("CREATE ROLE", "CREATE ROLE r SUPERUSER", Outside),
        ("GRANT", "GRANT ALL ON orders TO PUBLIC", Outside),
        (
            "ALTER ROLE SET",
            "ALTER ROLE CURRENT_USER SET search_path = 'x'",
            Outside,
        ),
        ("ALTER SYSTEM", "ALTER SYSTEM SET work_mem = '1GB'", Outside),
        ("VACUUM FULL", "VACUUM FULL orders", Outside),
        ("DO", "DO $$ BEGIN PERFORM 1; END $$", Outside),
        ("CALL", "CALL p()", Outside),
        ("COPY TO PROGRAM", "COPY orders TO PROGRAM 'true'", Always),
        (
            "COPY FROM PROGRAM",
            "COPY orders FROM PROGRAM 'true'",
            Always,
        ),
        ("COPY TO a file", "COPY orders TO '/tmp/x'", Outside),
        (
            "pg_read_file",
            "SELECT pg_read_file('/etc/passwd')",
            Outside,
        ),
        (
            "query_to_xml",
            "SELECT query_to_xml('DROP TABLE orders', true, true, '')",
            Outside,
        ),
        ("SET ROLE", "SET ROLE postgres", Outside),
        (
            "SET SESSION AUTHORIZATION",
            "SET SESSION AUTHORIZATION postgres",
            Outside,
        ),
        (
            "standard_conforming_strings",
            "SET standard_conforming_strings = off",
            Always,
        ),
        (
            "client_encoding",
            "SELECT set_config('client_encoding', 'SJIS', false)",
            Always,
        ),
        ("not SQL", "SELCT 1", Outside),
        ("SET of the zone", "SET {zone} = '{another}'", Zoned),
        (
            "SET LOCAL of the zone",
            "SET LOCAL {zone} = '{another}'",
            Zoned,
        ),
        ("RESET of the zone", "RESET {zone}", Fixed),
        ("SET of every zone", "SET {zone} = '*'", NotAll),
        (
            "set_config of every zone",
            "SELECT set_config('{zone}', '*', true)",
            NotAll,
        ),
        (
            "set_config of the zone",
            "SELECT set_config('{zone}', '{another}', true)",
            Zoned,
        ),
        (
            "set_config of a computed name",
            "SELECT set_config(n, '{another}', true) FROM t",
            Zoned,
        ),
        (
            "UPDATE pg_settings",
            "UPDATE pg_settings SET setting = '{another}' WHERE name = '{zone}'",
            Zoned,
        ),
    ]
};

/// Tries them all.
pub(super) fn invariants(policy: &Arc<Policy>) -> Invariants {
    let mut found = Invariants::default();
    for login in judged::logins(policy) {
        for database in &login.databases {
            if let Ok(who) = judged::who(policy, &login.name, Some(database)) {
                one(&who, &mut found);
            }
        }
    }
    found
}

fn one(who: &Who, found: &mut Invariants) {
    let zone = who.policy.zone.as_ref().map_or("", |zone| &zone.parameter);
    let grant = who.grant();
    // No zone at all: that is granted to nobody.
    let another = if grant.is_some() { "" } else { "another" };
    let guarded = !zone.is_empty() && who.zone_is_guarded();
    for (name, text, tried) in REFUSED {
        let text = text.replace("{zone}", zone).replace("{another}", another);
        let is_tried = match tried {
            Tried::Outside | Tried::Always => true,
            Tried::Zoned => guarded,
            Tried::Fixed => guarded && grant.is_none(),
            Tried::NotAll => guarded && !grant.is_some_and(|grant| grant.all_zones),
        };
        if is_tried {
            refused(who, false, name, &text, found);
        }
        if tried == Tried::Always && who.login.kind == Kind::Migrator {
            refused(who, true, name, &text, found);
        }
    }
    fast_path(who, found);
    match who.login.kind {
        Kind::Migrator => {
            refused(who, false, "SELECT", "SELECT 1", found);
            ends_with_its_session(who, found);
        }
        _ => carries_its_zone(who, found),
    }
}

/// In every way in which a client can send it.
pub(super) fn refused(
    who: &Who,
    migration_open: bool,
    name: &str,
    text: &str,
    found: &mut Invariants,
) {
    let facts = judged::facts(text.as_bytes());
    let one = facts.statements.len() <= 1;
    let through = [false, true]
        .into_iter()
        .filter(|extended| one || !extended)
        .any(|extended| {
            play(
                who,
                judged::state(migration_open),
                &messages(text, extended),
            )
            .refused_at
            .is_none()
        });
    if !through {
        found.held += 1;
        return;
    }
    let state = judged::state(migration_open);
    let lax = findings(&facts, who, state)
        .into_iter()
        .filter(|finding| !finding.refuses(who) && finding.guard != Guard::MultiStatement)
        .map(|finding| format!("{} ({})", finding.id(), finding.word(who)));
    let lax: Vec<String> = lax.collect();
    if lax.is_empty() {
        let inside = if migration_open {
            " in a migration session"
        } else {
            ""
        };
        let (login, database) = (&who.login.name, &who.database);
        found.broken.push(format!(
            "login \"{login}\" on \"{database}\"{inside} gets {name} through: {text}"
        ));
    } else {
        let statements = found.open.entry(lax.join(" and ")).or_default();
        statements.insert(name.to_owned());
    }
}

fn fast_path(who: &Who, found: &mut Invariants) {
    let call = [Step::Send(function_call())];
    match play(who, judged::state(false), &call).refused_at {
        Some(_) => found.held += 1,
        None => {
            let what = "gets a FunctionCall through";
            found.missed(who, Guard::FastPath, "FunctionCall", what);
        }
    }
}

/// What was prepared, and even bound, while the session was open is not run once it is closed.
fn ends_with_its_session(who: &Who, found: &mut Invariants) {
    let close = || Step::Migration { open: false };
    let [parse, bind, execute] =
        [parse("s", "DROP TABLE orders"), bind("s", ""), execute("")].map(Step::Send);
    for (steps, at) in [
        (
            vec![parse.clone(), close(), bind.clone(), execute.clone()],
            "bind",
        ),
        (vec![parse, bind, close(), execute], "execute"),
    ] {
        match play(who, judged::state(true), &steps).refused_at {
            Some(refused) if refused == at => found.held += 1,
            _ => {
                let what = format!("goes on after its migration session, at {at}");
                let name = "the end of a migration session";
                found.missed(who, Guard::DdlOutsideMigration, name, &what);
            }
        }
    }
}

/// Whatever runs for a login with a zone runs with it; and nothing of a table before it has one.
fn carries_its_zone(who: &Who, found: &mut Invariants) {
    let chosen = who.grant().map(one_of);
    let (Some(zone), Some(_)) = (who.zone().or(chosen.as_deref()), &who.policy.zone) else {
        return;
    };
    let set = format!("set zone {zone}");
    let block = ["BEGIN", "SELECT 1", "COMMIT"].map(|text| Step::Send(query(text)));
    let ways = [
        messages("SELECT 1", false),
        messages("SELECT 1", true),
        block.into(),
    ];
    for steps in ways {
        let played = play_in(who, chosen.as_deref(), judged::state(false), &steps);
        if played.errors.is_empty() && played.upstream.words.contains(&set) {
            found.held += 1;
        } else {
            let what = format!("runs SELECT 1 without its {}", who.noun());
            found.missed(
                who,
                Guard::ZoneRequired,
                "statements without their zone",
                &what,
            );
        }
    }
    if chosen.is_some() && who.zone_is_required() {
        let name = "a table before the zone is set";
        refused(who, false, name, "SELECT * FROM orders", found);
    }
}

/// A zone that is granted.
fn one_of(grant: &Grant) -> String {
    match &grant.values {
        Values::Any => "acme".to_owned(),
        Values::Listed(all) => match all.first() {
            Some(pattern) => pattern.as_str().replace('*', "1"),
            None => ALL_ZONES.to_owned(),
        },
    }
}

impl Invariants {
    /// Something that a single guard should have kept; `name`: of it, `what` the login does.
    fn missed(&mut self, who: &Who, guard: Guard, name: &str, what: &str) {
        let word = match judged::mode(guard, who) {
            Mode::Enforce => {
                let (login, database) = (&who.login.name, &who.database);
                self.broken
                    .push(format!("login \"{login}\" on \"{database}\" {what}"));
                return;
            }
            Mode::Observe => "observe",
            Mode::Off => "off",
        };
        let statements = self.open.entry(format!("{} ({word})", guard.id()));
        statements.or_default().insert(name.to_owned());
    }
}

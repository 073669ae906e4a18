//! The role behind a login, looked at on the real server: who is more than its grants does not get in.

mod support;

use std::time::Duration;

use rustix::process::Signal;
use support::files::write_secret;
use support::fixture::{self, password};
use support::message::{Message, column, fine};
use support::migration::{finished, portcullis};
use support::process::{RunAs, Server, command, wait_until};
use support::{Pooler, Stack, StackOptions, Transport, User, VERSIONS, Version, Wire, message};

/// Words of the query that only Portcullis sends.
const LOOK: &str = "left join lateral (select pg_catalog.format";

/// Roles, with what follows CREATE ROLE.
const ROLES: [(&str, &str); 9] = [
    ("boss", "SUPERUSER"),
    ("seer", "BYPASSRLS"),
    ("owner", ""),
    ("heir", "IN ROLE owner"),
    // It is a member and inherits nothing: a table of the owner's is none of its own.
    ("aloof", "NOINHERIT IN ROLE owner"),
    ("parted", ""),
    ("strict", ""),
    ("landlord", ""),
    ("settled", ""),
];

/// On `app`, where there is no zone, and on `shop`, where there is one.
const TABLES: &str = "
\\connect app
CREATE TABLE hidden (id int);
ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
ALTER TABLE hidden OWNER TO owner;
CREATE TABLE parts (id int) PARTITION BY LIST (id);
ALTER TABLE parts ENABLE ROW LEVEL SECURITY;
ALTER TABLE parts OWNER TO parted;
CREATE TABLE forced (id int);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE forced OWNER TO strict;
CREATE TABLE open_to_all (id int);
ALTER TABLE open_to_all OWNER TO strict;
\\connect shop
CREATE SCHEMA \"Odd one\";
CREATE TABLE \"Odd one\".\"Table\" (id int);
ALTER TABLE \"Odd one\".\"Table\" OWNER TO landlord;
CREATE TABLE forced (id int);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE forced OWNER TO settled;
";

fn policy(route: &str) -> String {
    let mut policy = fixture::POLICY.to_owned();
    for (role, _) in ROLES {
        let place = match role {
            "landlord" | "settled" => "databases = [\"shop\"]\nzone = \"acme\"",
            _ => "databases = [\"app\"]",
        };
        policy.push_str(&format!("\n[login.{role}]\nkind = \"service\"\n{place}\n"));
    }
    policy.replace(
        "kind = \"service\"",
        &format!("kind = \"service\"\nroute = \"{route}\""),
    )
}

fn stack(route: &str, server_tls: &'static str) -> Stack {
    start(policy(route), server_tls)
}

fn start(policy: String, server_tls: &'static str) -> Stack {
    start_on(VERSIONS[0], policy, server_tls)
}

fn start_on(
    (version, pooler): (Version, Pooler),
    policy: String,
    server_tls: &'static str,
) -> Stack {
    let users = ROLES.map(|(name, attributes)| User {
        attributes: attributes.into(),
        ..User::new(name, &password(name))
    });
    Stack::start(StackOptions {
        policy,
        users: users.to_vec(),
        sql: format!("{}{TABLES}", fixture::SQL),
        postgresql: vec![("log_statement", "all")],
        pool_size: 1,
        limits: "server_connect_timeout = \"2s\"".into(),
        client_tls: "allow",
        server_tls,
        version,
        pooler,
        ..StackOptions::default()
    })
}

fn log_in(stack: &Stack, login: &str, database: &str) -> Result<Wire, Message> {
    Wire::try_login(&stack.login(login, database), Transport::Plain, &[])
}

/// That the login works, and can do so.
#[track_caller]
fn passes(stack: &Stack, login: &str, database: &str) {
    let mut wire = log_in(stack, login, database)
        .unwrap_or_else(|error| panic!("{login}: {:?} {:?}", error.field(b'M'), error.field(b'D')));
    assert_eq!(column(&wire.query("SELECT session_user")), [login]);
    wire.send(&message::terminate());
    wire.receive_to_end();
}

/// The fields of a refusal: message, detail, hint.
#[track_caller]
fn refused(stack: &Stack, login: &str, database: &str, sqlstate: &str) -> [String; 3] {
    let error = log_in(stack, login, database).err();
    let error = error.unwrap_or_else(|| panic!("{login} is let in"));
    let field = |code| error.field(code).unwrap_or_default();
    assert_eq!(error.sqlstate(), sqlstate, "{}", field(b'M'));
    assert_eq!(
        (field(b'S').as_str(), field(b'R').as_str()),
        ("FATAL", "server-role")
    );
    let ends = format!(
        "Login \"{login}\" on database \"{database}\" was refused by guard \"server-role\"."
    );
    assert!(field(b'D').ends_with(&ends), "{}", field(b'D'));
    [field(b'M'), field(b'D'), field(b'H')]
}

#[track_caller]
fn load(stack: &Stack, policy: &str) {
    write_secret(&stack.file("policy.toml"), policy);
    reload(stack);
}

#[track_caller]
fn reload(stack: &Stack) {
    finished(portcullis(stack, &["console", "RELOAD"])).ok();
}

fn metric(stack: &Stack, series: &str) -> f64 {
    let (_, text) = stack.http_get("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(series));
    let value = line.and_then(|value| value.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {series} in\n{text}"))
}

/// How often PostgreSQL was asked by Portcullis. The log is written before the answer.
fn looks(stack: &Stack) -> usize {
    let log = stack.cluster.server.log();
    log.lines().filter(|line| line.contains(LOOK)).count()
}

/// Login, database, what it says, what was found, what to do, the word that allows it.
const REFUSED: [(&str, &str, &str, &str, &str, &str); 7] = [
    (
        "boss",
        "app",
        "server role \"boss\" is a superuser",
        "No grant",
        "server_role = ",
        "superuser",
    ),
    (
        "seer",
        "app",
        "server role \"seer\" bypasses row-level security",
        "BYPASSRLS",
        "ALTER ROLE \"seer\" NOBYPASSRLS",
        "bypassrls",
    ),
    (
        "owner",
        "app",
        "server role \"owner\" bypasses row-level security",
        "It owns table public.hidden with",
        "ALTER TABLE public.hidden FORCE ROW LEVEL SECURITY",
        "owner",
    ),
    (
        "heir",
        "app",
        "server role \"heir\" bypasses row-level security",
        "As a member of role \"owner\" it owns table public.hidden with",
        "ALTER TABLE public.hidden FORCE",
        "owner",
    ),
    (
        "parted",
        "app",
        "server role \"parted\" bypasses row-level security",
        "It owns table public.parts with",
        "ALTER TABLE public.parts FORCE",
        "owner",
    ),
    (
        "landlord",
        "shop",
        "server role \"landlord\" owns tables",
        "It owns table \"Odd one\".\"Table\";",
        "ALTER TABLE \"Odd one\".\"Table\" OWNER TO",
        "owner",
    ),
    (
        "settled",
        "shop",
        "server role \"settled\" owns tables",
        "keeps each tenant apart",
        "ALTER TABLE public.forced OWNER TO",
        "owner",
    ),
];
/// Who is no more than its grants.
const ORDINARY: [(&str, &str); 4] = [
    ("shop_plain", "app"),
    ("aloof", "app"),
    ("strict", "app"),
    ("shop_acme", "shop"),
];

/// Each is refused, each gets in by its word and not by another's, and ordinary roles work beside them.
fn judged_on(versions: (Version, Pooler), route: &str, server_tls: &'static str) {
    let stack = start_on(versions, policy(route), server_tls);
    // A table that goes with its connection makes nobody an owner.
    let login = stack.login_at(stack.cluster.port, "shop_acme", "shop");
    let mut temporary = Wire::login_with(&login, Transport::Plain, &[]);
    fine(&temporary.query("CREATE TEMP TABLE mine (id int)"));
    for (login, database, message, detail, hint, _) in REFUSED {
        let said = refused(&stack, login, database, "42501");
        assert_eq!(said[0], message);
        assert!(said[1].contains(detail), "{said:?}");
        assert!(said[2].contains(hint), "{said:?}");
    }
    for (login, database) in ORDINARY {
        passes(&stack, login, database);
    }
    let count = f64::from(u8::try_from(REFUSED.len()).unwrap());
    let series = "portcullis_refusals_total{guard=\"server-role\"}";
    assert_eq!(metric(&stack, series), count);
    let series = "portcullis_logins_total{outcome=\"server-role\"}";
    assert_eq!(metric(&stack, series), count);
    let report = finished(portcullis(&stack, &["console", "SHOW REPORT"])).ok();
    let rows = report.lines().filter(|line| line.contains("server-role"));
    assert_eq!(rows.count(), REFUSED.len(), "{report}");

    for (login, database, .., word) in REFUSED {
        for allowed in ["superuser", "bypassrls", "owner"] {
            let with = format!("[login.{login}]\nallow_server_role = [\"{allowed}\"]");
            load(
                &stack,
                &policy(route).replace(&format!("[login.{login}]"), &with),
            );
            match allowed == word || allowed == "superuser" {
                true => passes(&stack, login, database),
                false => drop(refused(&stack, login, database, "42501")),
            }
        }
    }
}

#[test]
fn roles_are_judged_on_the_transaction_route() {
    judged_on(VERSIONS[0], "transaction", "verify-full");
}

#[test]
fn roles_are_judged_on_the_session_route() {
    judged_on(VERSIONS[1], "session", "disable");
}

#[test]
fn roles_are_judged_on_the_newest_versions() {
    judged_on(VERSIONS[2], "transaction", "disable");
}

#[test]
fn many_connections_ask_once_for_each_role_and_database() {
    let more =
        "[login.shop_plain]\nkind = \"service\"\ndatabases = [\"app\", \"shop\"]\nzone = \"acme\"";
    let old = "[login.shop_plain]\nkind = \"service\"\ndatabases = [\"app\"]";
    let policy = fixture::POLICY.replace(old, more);
    assert_ne!(policy, fixture::POLICY);
    let stack = start(policy, "disable");
    assert_eq!(looks(&stack), 0);
    std::thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| passes(&stack, "shop_plain", "app"));
        }
    });
    assert_eq!(looks(&stack), 1);
    // Another database and another role are other questions.
    passes(&stack, "shop_plain", "shop");
    assert_eq!(looks(&stack), 2);
    passes(&stack, "shop_acme", "shop");
    assert_eq!(looks(&stack), 3);
    for login in ["shop_plain", "shop_acme"] {
        passes(&stack, login, "shop");
    }
    assert_eq!(looks(&stack), 3);
    reload(&stack);
    passes(&stack, "shop_plain", "app");
    assert_eq!(looks(&stack), 4);
}

#[test]
fn a_storm_of_refused_logins_asks_once_and_is_told_once() {
    let stack = stack("transaction", "disable");
    std::thread::scope(|scope| {
        for _ in 0..30 {
            scope.spawn(|| refused(&stack, "boss", "app", "42501"));
        }
    });
    assert_eq!(looks(&stack), 1);
    assert_eq!(
        metric(&stack, "portcullis_refusals_total{guard=\"server-role\"}"),
        30.0
    );
    let log = stack.logged(&["is a superuser"]);
    let lines = log.lines().filter(|line| line.contains("is a superuser"));
    assert_eq!(lines.count(), 1, "{log}");
    // What stands for one role stands for no other.
    passes(&stack, "shop_plain", "app");
}

/// The state of the pooled connection that a question could change.
const STATE: &str = "SELECT pg_backend_pid() || ' ' || current_user || ' ' || session_user || ' ' ||
    (SELECT count(*) FROM pg_prepared_statements) || ' ' || (SELECT count(*) FROM pg_cursors) || ' ' ||
    (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory') || ' ' ||
    (SELECT md5(string_agg(name || setting, ',' ORDER BY name)) FROM pg_settings
     WHERE name NOT IN ('application_name', 'client_encoding', 'DateStyle', 'TimeZone'))";

#[test]
fn the_pooled_connection_is_left_as_it_was() {
    let stack = stack("transaction", "disable");
    let mut at_pgbouncer = Wire::login_with(
        &stack.login_at(stack.transaction_port, "shop_plain", "app"),
        Transport::Plain,
        &[],
    );
    let before = column(&at_pgbouncer.query(STATE));
    assert_eq!(looks(&stack), 0);
    let mut wire = log_in(&stack, "shop_plain", "app").unwrap();
    assert_eq!(looks(&stack), 1);
    // The server connection is free again, and the same one.
    assert_eq!(column(&at_pgbouncer.query(STATE)), before);
    assert_eq!(column(&wire.query(STATE)), before);
    assert_eq!(fine(&wire.query("BEGIN")), 'T');
}

/// What somebody left on the pooled connection makes no difference to what is seen.
#[test]
fn what_was_left_on_the_pooled_connection_hides_nothing() {
    let stack = stack("transaction", "disable");
    stack.direct(
        "app",
        "CREATE SCHEMA evil AUTHORIZATION seer;
         SET ROLE seer;
         CREATE FUNCTION evil.never(name, name) RETURNS bool LANGUAGE sql AS 'SELECT false';
         CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = name, FUNCTION = evil.never);
         CREATE FUNCTION evil.pg_has_role(oid, oid, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
         CREATE FUNCTION evil.format(text, VARIADIC text[]) RETURNS text LANGUAGE sql AS $$SELECT 'x'::text$$;
         CREATE TYPE evil.\"char\" AS (a int);
         CREATE TABLE evil.pg_roles AS
             SELECT 1::oid AS oid, 'seer'::name AS rolname, false AS rolsuper, false AS rolbypassrls;",
    );
    let at = |login| {
        let login = stack.login_at(stack.transaction_port, login, "app");
        Wire::login_with(&login, Transport::Plain, &[])
    };
    let mut seer = at("seer");
    fine(&seer.query("SET search_path = evil, pg_catalog, pg_temp"));
    fine(&seer.query("CREATE TEMP TABLE pg_class (relkind \"char\")"));
    // A query that is less careful is deceived.
    let naive =
        "SELECT rolbypassrls FROM pg_roles WHERE rolname OPERATOR(pg_catalog.=) session_user";
    assert_eq!(column(&seer.query(naive)), ["f"]);
    refused(&stack, "seer", "app", "42501");
    assert_eq!(
        column(&seer.query("SHOW search_path")),
        ["evil, pg_catalog, pg_temp"]
    );

    let mut boss = at("boss");
    fine(&boss.query("SET ROLE shop_plain"));
    let naive = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    assert_eq!(column(&boss.query(naive)), ["f"]);
    let [said, ..] = refused(&stack, "boss", "app", "42501");
    assert_eq!(said, "server role \"boss\" is a superuser");

    fine(&boss.query("SET SESSION AUTHORIZATION shop_plain"));
    let naive = "SELECT rolsuper FROM pg_roles WHERE rolname = session_user";
    assert_eq!(column(&boss.query(naive)), ["f"]);
    reload(&stack);
    let [said, ..] = refused(&stack, "boss", "app", "42501");
    assert_eq!(said, "server role \"boss\" is a superuser");
    passes(&stack, "shop_plain", "app");
}

#[test]
fn a_role_that_is_altered_is_seen_when_the_answer_is_forgotten() {
    let stack = stack("transaction", "disable");
    passes(&stack, "shop_plain", "app");
    let mut open = log_in(&stack, "shop_plain", "app").unwrap();
    stack.direct("app", "ALTER ROLE shop_plain BYPASSRLS");
    // For up to a minute the server is not asked again.
    passes(&stack, "shop_plain", "app");
    reload(&stack);
    refused(&stack, "shop_plain", "app", "42501");
    // Who is in stays in.
    fine(&open.query("SELECT 1"));
    stack.direct("app", "ALTER ROLE shop_plain NOBYPASSRLS");
    refused(&stack, "shop_plain", "app", "42501");
    reload(&stack);
    passes(&stack, "shop_plain", "app");

    // The way out that the error names.
    refused(&stack, "owner", "app", "42501");
    stack.direct("app", "ALTER TABLE public.hidden FORCE ROW LEVEL SECURITY");
    reload(&stack);
    passes(&stack, "owner", "app");
}

#[test]
fn who_loses_what_allowed_the_role_is_let_go() {
    let allowed = "[login.seer]\nallow_server_role = [\"bypassrls\"]";
    let with = policy("transaction").replace("[login.seer]", allowed);
    let stack = start(with, "disable");
    let mut wire = log_in(&stack, "seer", "app").unwrap();
    fine(&wire.query("SELECT 1"));
    load(&stack, &policy("transaction"));
    let ended = wire.receive_to_end();
    let error = message::error(&ended).expect("it is told");
    assert_eq!(error.sqlstate(), "57P01");
    let detail = error.field(b'D').unwrap();
    assert!(detail.contains("another allow_server_role"), "{detail}");
    refused(&stack, "seer", "app", "42501");
}

/// The client stays when PgBouncer goes; the role is judged for the connection that takes its place.
#[test]
fn a_connection_that_replaces_a_lost_one_is_judged_by_the_policy_in_force() {
    let off = format!(
        "{}\n[guards]\nserver-role = \"off\"\n",
        policy("transaction")
    );
    let mut stack = start(off, "disable");
    let mut seer = log_in(&stack, "seer", "app").unwrap();
    let mut plain = log_in(&stack, "shop_plain", "app").unwrap();
    for wire in [&mut seer, &mut plain] {
        fine(&wire.query("SELECT 1"));
    }
    load(&stack, &policy("transaction"));
    fine(&seer.query("SELECT 1"));
    stack.transaction.end();
    let mut pgbouncer = command(RunAs::Server, "KILL", &Pooler::V1_18.program());
    pgbouncer.arg(stack.file("pgbouncer-transaction/pgbouncer.ini"));
    let log = stack.file("pgbouncer-again.log");
    stack.transaction = Server::start("PgBouncer", pgbouncer, &log, Signal::KILL);
    support::pool::wait(&mut stack.transaction, stack.transaction_port);
    fine(&plain.query("SELECT 1"));
    seer.send(&message::query("SELECT 1"));
    let ended = seer.receive_to_end();
    let error = message::error(&ended).expect("it is told");
    assert_eq!(error.sqlstate(), "42501");
    assert_eq!(error.field(b'R').as_deref(), Some("server-role"));
}

#[test]
fn an_observing_guard_counts_and_lets_in() {
    let observes = format!(
        "{}\n[guards]\nserver-role = \"observe\"\n",
        policy("session")
    );
    let stack = start(observes, "disable");
    for (login, database, ..) in REFUSED {
        passes(&stack, login, database);
        passes(&stack, login, database);
    }
    let observed = "portcullis_observed_refusals_total{guard=\"server-role\"}";
    let count = f64::from(u8::try_from(REFUSED.len()).unwrap());
    assert_eq!(metric(&stack, observed), 2.0 * count);
    assert_eq!(
        metric(&stack, "portcullis_refusals_total{guard=\"server-role\"}"),
        0.0
    );
    stack.logged(&["server role \\\"boss\\\" is a superuser"]);
    // A connection on which the question failed is not the client's.
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    reload(&stack);
    passes(&stack, "shop_plain", "app");
    assert_eq!(metric(&stack, observed), 2.0 * count + 1.0);

    load(
        &stack,
        &format!("{}\n[guards]\nserver-role = \"off\"\n", policy("session")),
    );
    let before = looks(&stack);
    passes(&stack, "boss", "app");
    assert_eq!(looks(&stack), before);
}

#[test]
fn where_the_whole_file_observes_it_is_looked_at_aside_and_counted() {
    let observes = policy("transaction").replacen("mode = \"enforce\"", "mode = \"observe\"", 1);
    let stack = start(observes, "disable");
    let observed = "portcullis_observed_refusals_total{guard=\"server-role\"}";
    let count = f64::from(u8::try_from(REFUSED.len()).unwrap());
    for (login, database, ..) in REFUSED {
        passes(&stack, login, database);
    }
    // Nobody has waited for it.
    wait_until("every role was looked at", || {
        metric(&stack, observed) == count
    });
    assert_eq!(looks(&stack), REFUSED.len());
    // Not again in its time, and everybody is counted.
    for (login, database, ..) in REFUSED {
        passes(&stack, login, database);
    }
    passes(&stack, "strict", "app");
    wait_until("an ordinary role was looked at, too", || {
        looks(&stack) == REFUSED.len() + 1
    });
    assert_eq!(metric(&stack, observed), 2.0 * count);
    let report = finished(portcullis(&stack, &["report", "--guard", "server-role"])).stdout;
    assert!(
        report.contains("server role \"boss\" is a superuser"),
        "{report}"
    );

    // What could not be looked at is no clean record, and is not asked for at every login.
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    reload(&stack);
    passes(&stack, "shop_plain", "app");
    wait_until("the question has failed", || {
        metric(&stack, observed) == 2.0 * count + 1.0
    });
    let before = looks(&stack);
    passes(&stack, "shop_plain", "app");
    assert_eq!(metric(&stack, observed), 2.0 * count + 2.0);
    assert_eq!(looks(&stack), before);
}

#[test]
fn a_migration_session_is_not_judged() {
    let stack = stack("transaction", "disable");
    let login = support::migration::open(&stack, "app");
    stack.psql(&login, "CREATE TABLE made (id int)").ok();
    assert_eq!(looks(&stack), 0);
}

#[test]
fn a_role_that_cannot_be_looked_at_is_refused_until_it_can() {
    let stack = stack("transaction", "disable");
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    let [said, detail, hint] = refused(&stack, "shop_plain", "app", "57P03");
    assert_eq!(said, "server role \"shop_plain\" could not be looked at");
    assert!(
        detail.contains("permission denied for view pg_roles"),
        "{detail}"
    );
    assert_eq!(hint, "Connect again in a moment.");
    stack.direct("app", "GRANT SELECT ON pg_catalog.pg_roles TO PUBLIC");
    // The failure is not remembered.
    passes(&stack, "shop_plain", "app");
}

#[test]
fn a_full_pool_refuses_only_who_must_be_looked_at_and_only_for_so_long() {
    let stack = stack("transaction", "disable");
    let mut busy = log_in(&stack, "shop_plain", "app").unwrap();
    assert_eq!(fine(&busy.query("BEGIN")), 'T');
    // The only server connection is taken; what was seen a moment ago is still good.
    let mut waits = log_in(&stack, "shop_plain", "app").unwrap();
    reload(&stack);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                let [_, detail, _] = refused(&stack, "shop_plain", "app", "57P03");
                assert!(detail.contains("did not say in time"), "{detail}");
            });
        }
    });
    assert_eq!(fine(&busy.query("COMMIT")), 'I');
    fine(&waits.query("SELECT 1"));
    passes(&stack, "shop_plain", "app");
    // Nobody is left waiting in the pool.
    wait_until("the server connections are idle", || {
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_plain' AND state <> 'idle'";
        stack.direct("app", sql) == "0\n"
    });
    assert!(waits.is_quiet_for(Duration::from_millis(1)));
}

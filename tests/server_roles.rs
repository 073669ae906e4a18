//! The role behind a login, looked at on the real server: who is more than its grants does not get in.

mod support;

mod server_roles {
    //! One file for each matter.
    mod changes;
    mod judged;
    mod looking;
}

use support::fixture::{self, password};
use support::message::{Message, column};
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

/// How often PostgreSQL was asked by Portcullis. The log is written before the answer.
fn looks(stack: &Stack) -> usize {
    let log = stack.cluster.server.log();
    log.lines().filter(|line| line.contains(LOOK)).count()
}

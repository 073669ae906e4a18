//! A server that lies while Portcullis logs in at it, or says what nobody has asked for: PgBouncer, one of whose
//! messages becomes another one on its way. Nobody is let in by a lie, and no proof is given for one.

#[path = "lying_servers/liar.rs"]
mod liar;
#[path = "lying_servers/lies.rs"]
mod lies;
mod support;

use liar::{Liar, STEPS, Step};
use lies::{READY, lies};

use support::message::{self, Message, column, framed, kinds};
use support::{Pooler, Stack, StackOptions, Transport, User, Version, Wire, password};

/// A stack whose way to the transaction pool goes through a liar, who does not lie yet.
fn stack() -> (Stack, Liar) {
    let mut stack = Stack::start(StackOptions {
        server_tls: "disable",
        limits: "server_connect_timeout = \"2s\"".into(),
        ..StackOptions::default()
    });
    let liar = Liar::start(stack.transaction_port);
    let host = |port: u16| format!("hosts = [\"127.0.0.1:{port}\"]");
    stack.reconfigure(&host(stack.transaction_port), &host(liar.port));
    (stack, liar)
}

fn log_in(stack: &Stack) -> Result<Wire, Message> {
    let login = stack.login("shop_plain", "app");
    Wire::try_login(&login, Transport::SslRequest, &[])
}

#[test]
fn a_server_that_lies_in_its_login_lets_nobody_in_and_gets_no_proof() {
    let (stack, liar) = stack();
    let mut wire = log_in(&stack).expect("nobody has lied");
    assert_eq!(column(&wire.query("SELECT 'in'")), ["in"]);
    drop(wire);
    liar.heard();
    for (what, at, tell) in lies() {
        let what = format!("{what}, instead of {at:?}");
        liar.lies(at, tell);
        let error = log_in(&stack).err();
        let error = error.unwrap_or_else(|| panic!("{what}: let in"));
        assert_eq!(error.field(b'S').as_deref(), Some("FATAL"), "{what}");
        // Not there, or not the one that it should be.
        let codes = ["08004", "28000"];
        assert!(codes.contains(&&*error.sqlstate()), "{what}: {error:?}");
        for heard in liar.heard() {
            let said = said(&heard);
            assert_eq!(said, "p".repeat(at.given()), "{what}");
        }
    }
    liar.lies_no_more();
    let mut wire = log_in(&stack).expect("nobody lies any more");
    assert_eq!(column(&wire.query("SELECT 'in'")), ["in"]);
}

const SECRET: &str = "the pool's own business";

/// ErrorResponse or NoticeResponse.
fn told(kind: u8, severity: &str, sqlstate: &str) -> Vec<u8> {
    let fields = format!("S{severity}\0V{severity}\0C{sqlstate}\0M{SECRET}\0\0");
    framed(kind, fields.as_bytes())
}

/// What a client is told up to ReadyForQuery or the end, by whoever lets it in.
fn told_at_login(stack: &Stack) -> (Wire, Vec<Message>) {
    let login = stack.login("shop_plain", "app");
    let mut wire = Wire::open_with(login.port, Transport::SslRequest, &login.sslrootcert);
    let parameters = [("user", &*login.user), ("database", &*login.database)];
    wire.send(&message::startup((3, 0), &parameters));
    let mut messages = match wire.authenticate(&login.password, None) {
        Ok(()) => Vec::new(),
        Err(error) => vec![error],
    };
    messages.extend(wire.receive_until(b'Z'));
    (wire, messages)
}

/// libpq takes no notice either before it is let in. Behind that they are left out, as PgBouncer leaves out those of
/// its own logins: what the pool has to say to whoever logs in is not the client's.
#[test]
fn notices_during_the_login_are_not_the_clients() {
    let (stack, liar) = stack();
    for at in STEPS {
        let notice = told(b'N', "WARNING", "01000");
        liar.lies(at, move |honest| {
            [&*notice, &framed(honest.kind, &honest.body)].concat()
        });
        let (mut wire, messages) = told_at_login(&stack);
        if matches!(at, Step::First | Step::Final | Step::In) {
            assert_eq!(kinds(&messages), "E", "{at:?}");
            assert_eq!(messages[0].sqlstate(), "08004", "{at:?}");
            continue;
        }
        let told = kinds(&messages);
        assert_eq!(told.trim_start_matches('S'), "KZ", "{at:?}: {told}");
        let answer = wire.query("SELECT 'in'");
        assert_eq!(kinds(&answer), "TDCZ", "{at:?}");
        assert_eq!(column(&answer), ["in"], "{at:?}");
    }
}

#[test]
fn a_servers_last_words_during_the_login_are_told_once() {
    let (stack, liar) = stack();
    for at in STEPS {
        let fatal = told(b'E', "FATAL", "57P01");
        liar.lies(at, move |_| [&*fatal, &fatal, READY].concat());
        let (mut wire, messages) = told_at_login(&stack);
        assert_eq!(kinds(&messages), "E", "{at:?}");
        assert_eq!(wire.receive(), None, "{at:?}: the end");
        assert_eq!(messages[0].sqlstate(), "57P01", "{at:?}");
        // In the middle of SCRAM nobody has proved to be the server whose words they are.
        let words = match at {
            Step::First | Step::Final | Step::In => "the server behind refused the login",
            _ => SECRET,
        };
        assert_eq!(messages[0].field(b'M').as_deref(), Some(words), "{at:?}");
    }
}

/// Nor does an error that lacks fields leave a client without words.
#[test]
fn an_error_without_a_code_is_told_with_one() {
    let (stack, liar) = stack();
    for at in STEPS {
        for fields in [
            "SFATAL\0Mpassword authentication failed\0\0",
            "SFATAL\0C5\0Mno\0\0",
            "\0",
        ] {
            let fatal = framed(b'E', fields.as_bytes());
            liar.lies(at, move |_| fatal.clone());
            let (mut wire, messages) = told_at_login(&stack);
            assert_eq!(kinds(&messages), "E", "{at:?} {fields}");
            assert_eq!(messages[0].sqlstate().len(), 5, "{at:?} {fields}");
            assert_eq!(wire.receive(), None, "{at:?} {fields}: the end");
        }
    }
}

/// PostgreSQL 17 has triggers on logins. What they tell comes to PgBouncer, and on the replication route to Portcullis.
#[test]
fn what_a_login_trigger_tells_disturbs_no_login() {
    let defaults = StackOptions::default();
    let trigger = "
\\connect app
CREATE FUNCTION greet() RETURNS event_trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE WARNING 'greetings, %', session_user; END$$;
CREATE EVENT TRIGGER greet ON login EXECUTE FUNCTION greet();
";
    let cdc = User {
        attributes: "REPLICATION".into(),
        ..User::new("cdc", &password("cdc"))
    };
    let login = "\n[login.cdc]\nkind = \"replication\"\ndatabases = [\"app\"]\n";
    let stack = Stack::start(StackOptions {
        version: Version::Pg17,
        pooler: Pooler::V1_24,
        replication: true,
        sql: defaults.sql.clone() + trigger,
        policy: defaults.policy.clone() + login,
        users: vec![cdc],
        ..defaults
    });
    let straight = stack.login_at(stack.cluster.port, "shop_plain", "app");
    let answer = stack.psql(&straight, "SELECT 1");
    assert!(
        answer.stderr.contains("greetings, shop_plain"),
        "{answer:?}"
    );
    let replication = [("replication", "database")];
    for (user, parameters, sql) in [
        ("shop_plain", &[][..], "SELECT 1"),
        ("cdc", &replication[..], "IDENTIFY_SYSTEM"),
    ] {
        let mut wire =
            Wire::login_with(&stack.login(user, "app"), Transport::SslRequest, parameters);
        assert_eq!(kinds(&wire.query(sql)), "TDCZ", "{user}");
        let greeting = format!("greetings, {user}");
        let log = stack.cluster.server.log();
        assert!(log.contains(&greeting), "{log}");
    }
}

/// The types of the messages behind the startup packet.
fn said(mut heard: &[u8]) -> String {
    let length = |at: &[u8]| u32::from_be_bytes(at[..4].try_into().expect("a length")) as usize;
    heard = &heard[length(heard)..];
    let mut kinds = String::new();
    while let Some((kind, rest)) = heard.split_first() {
        kinds.push(char::from(*kind));
        heard = &rest[length(rest)..];
    }
    kinds
}

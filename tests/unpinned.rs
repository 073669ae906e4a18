//! RESET ALL and DISCARD ALL where the role's own default reads strings in another way: no text that was judged
//! by the one reading is read by the other.

mod support;

use support::fixture::{POLICY, password};
use support::message::{self, column, error, extended, failed, fine, query};
use support::{NEW, OLD, Stack, StackOptions, User, Wire};

/// With backslashes that escape, the server calls what stands in a string without.
const TEXT: &str = r"SELECT '\', ', nextval($$hidden$$) --'";

fn stack((version, pooler): (support::Version, support::Pooler), default: &str) -> Stack {
    let session =
        "[login.shop_session]\nkind = \"service\"\ndatabases = [\"app\"]\nroute = \"session\"\n";
    let stack = Stack::start(StackOptions {
        version,
        pooler,
        users: vec![User::new("shop_session", &password("shop_session"))],
        policy: format!("{POLICY}\n{session}"),
        ..StackOptions::default()
    });
    stack.direct(
        "app",
        "CREATE SEQUENCE hidden; GRANT ALL ON hidden TO PUBLIC",
    );
    for role in ["shop_plain", "shop_session"] {
        let sql = format!("ALTER ROLE {role} SET standard_conforming_strings = {default}");
        stack.direct("app", &sql);
    }
    stack
}

/// The attack: a text behind one of these, in the same batch or sent right behind it.
#[test]
fn no_text_goes_on_before_the_server_has_said_how_it_reads() {
    for versions in [OLD, NEW] {
        let stack = stack(versions, "off");
        for user in ["shop_plain", "shop_session"] {
            let login = stack.login(user, "app");
            for reset in ["RESET ALL", "DISCARD ALL"] {
                let batch = [extended(reset, &[]), extended(TEXT, &[]), message::sync()].concat();
                let queries = [query(reset), query(TEXT)].concat();
                let both = [extended(reset, &[]), message::sync(), query(TEXT)].concat();
                let unsynced = [extended(reset, &[]), query(TEXT)].concat();
                let flushed = [
                    extended(reset, &[]),
                    message::flush(),
                    extended(TEXT, &[]),
                    message::sync(),
                ]
                .concat();
                for bytes in [&batch, &queries, &both, &unsynced, &flushed] {
                    let mut wire = Wire::login(&login);
                    wire.send(&[&bytes[..], &query("SELECT 'the end'")].concat());
                    // Whatever is answered: to the end, or until the connection ends.
                    while wire
                        .receive()
                        .is_some_and(|it| !it.body.ends_with(b"the end"))
                    {}
                    let called = stack.direct("app", "SELECT is_called FROM hidden");
                    assert_eq!(called, "f\n", "{user}, {reset}: {bytes:?}");
                }
            }
        }
    }
}

/// What must pass beside it.
#[test]
fn where_nothing_changes_everything_goes_on() {
    for versions in [OLD, NEW] {
        let stack = stack(versions, "on");
        for user in ["shop_plain", "shop_session"] {
            let mut wire = Wire::login(&stack.login(user, "app"));
            for reset in ["RESET ALL", "DISCARD ALL"] {
                wire.send(
                    &[
                        query(reset),
                        query("SELECT 1"),
                        extended("SELECT 2", &[]),
                        message::sync(),
                    ]
                    .concat(),
                );
                fine(&wire.receive_until(b'Z'));
                assert_eq!(column(&wire.receive_until(b'Z')), ["1"]);
                assert_eq!(column(&wire.receive_until(b'Z')), ["2"]);
                fine(&wire.batch(&extended(reset, &[])));
                assert_eq!(column(&wire.query("SELECT 3")), ["3"]);
                // Only behind it in the same batch it is told to wait.
                let answer =
                    wire.batch(&[extended(reset, &[]), extended("SELECT 4", &[])].concat());
                match error(&answer) {
                    None => assert_eq!((user, reset), ("shop_plain", "RESET ALL")),
                    Some(_) => {
                        assert_eq!(failed(&answer), ("0A000".into(), 'I'));
                        message::refused_by(&answer, "lexing-parameters");
                    }
                }
                assert_eq!(column(&wire.query("SELECT 5")), ["5"]);
            }
        }
    }
}

//! Numbers that sequences gave a session: `currval()`, `lastval()`.

use crate::features::stack::{Features, stacks};
use crate::support::message::{self, Message, column, error, extended, failed, fine};
use crate::support::{Transport, Wire};

const DRAW: &str = "SELECT nextval('numbers')";
const ASK: [&str; 2] = ["SELECT currval('numbers')", "SELECT lastval()"];

/// Two clients of one server connection, at PgBouncer or at Portcullis.
fn two(features: &Features, portcullis: bool) -> [Wire; 2] {
    let (port, transport) = match portcullis {
        true => (features.stack.port, Transport::SslRequest),
        false => (features.stack.transaction_port, Transport::Plain),
    };
    let login = features.login(None, false, port);
    [(); 2].map(|()| Wire::login_with(&login, transport, &[]))
}

/// By the simple protocol, and by the extended one.
fn both_ways(wire: &mut Wire, sql: &str) -> [Vec<Message>; 2] {
    [wire.query(sql), wire.batch(&extended(sql, &[]))]
}

/// Runs the statement of this name.
fn kept() -> Vec<u8> {
    [message::bind("", "kept", &[]), message::execute("", 0)].concat()
}

#[test]
fn a_number_that_another_client_drew_is_not_shown() {
    for features in stacks() {
        let _alone = features.alone();
        let [mut one, mut other] = two(&features, false);
        for sql in ASK {
            let own = column(&one.query(DRAW));
            let others = column(&other.query(DRAW));
            assert_ne!(own, others);
            // What PDO asks for as lastInsertId(): the next row would belong to the other client's.
            for answer in both_ways(&mut one, sql) {
                assert_eq!(column(&answer), others, "{sql}");
            }
        }
        drop((one, other));

        let [mut one, mut other] = two(&features, true);
        fine(&one.batch(&message::parse("kept", ASK[1])));
        for sql in ASK {
            fine(&one.query(DRAW));
            fine(&other.query(DRAW));
            let kept = one.batch(&kept());
            let whole = one.query(&format!("BEGIN; {sql}; COMMIT"));
            for answer in both_ways(&mut one, sql).into_iter().chain([kept, whole]) {
                assert_eq!(failed(&answer), ("55000".into(), 'I'), "{sql}");
                let error = error(&answer).expect("an error");
                let said = |field| error.field(field).unwrap_or_default();
                assert!(said(b'D').contains("guard \"session-state\""), "{error:?}");
                assert!(said(b'H').contains("RETURNING"), "{error:?}");
            }
            // In a transaction in which nothing has run, too.
            fine(&one.query("BEGIN"));
            assert_eq!(failed(&one.query(sql)), ("55000".into(), 'E'));
            fine(&one.query("ROLLBACK"));
        }
    }
}

/// Whatever another client draws in between.
#[test]
fn a_number_of_the_transaction_is_shown() {
    for features in stacks() {
        let _alone = features.alone();
        let [mut one, mut other] = two(&features, true);
        fine(&one.batch(&message::parse("kept", ASK[1])));
        for sql in ASK {
            fine(&other.query(DRAW));
            fine(&one.query("BEGIN"));
            let own = column(&one.query(DRAW));
            for answer in both_ways(&mut one, sql) {
                assert_eq!(column(&answer), own, "{sql}");
            }
            assert_eq!(column(&one.batch(&kept())), own);
            fine(&one.query("SAVEPOINT s"));
            failed(&one.query("SELECT 1/0"));
            fine(&one.query("ROLLBACK TO s"));
            assert_eq!(column(&one.query(sql)), own);
            fine(&one.query("COMMIT"));

            // One message, one batch, one statement.
            fine(&other.query(DRAW));
            let answer = column(&one.query(&format!("{DRAW}; {sql}")));
            assert_eq!(answer[0], answer[1], "{sql}");
            fine(&other.query(DRAW));
            let both = [DRAW, sql].map(|sql| extended(sql, &[]));
            let answer = column(&one.batch(&both.concat()));
            assert_eq!(answer[0], answer[1], "{sql}");
            fine(&other.query(DRAW));
            let answer = one.query("SELECT nextval('numbers') = currval('numbers')");
            assert_eq!(column(&answer), ["t"]);
        }
    }
}

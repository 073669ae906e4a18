//! Clients that share one server connection keep their parameters apart, and keep them when it is
//! replaced; what cannot be kept is refused.

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use parameters::pair::probe;
use parameters::scripts::{LOGINS, stacks};
use support::message::{self, column, failed, fine};
use support::{Stack, Wire};

fn client(stack: &Stack) -> Wire {
    let (user, database) = LOGINS[0];
    Wire::login(&stack.login(user, database))
}

#[test]
fn clients_of_one_server_connection_keep_their_parameters_apart() {
    const SHOW: &str = "SELECT current_setting('work_mem')";
    for stack in stacks() {
        let mut clients = [(); 3].map(|()| client(&stack));
        for (number, wire) in clients.iter_mut().enumerate().skip(1) {
            fine(&wire.query(&format!("SET work_mem = '{number}MB'")));
        }
        for round in 0..12 {
            for (wire, expected) in clients.iter_mut().zip(["4MB", "1MB", "2MB"]) {
                let answer = match round % 2 {
                    0 => wire.query(SHOW),
                    _ => wire.batch(&message::extended(SHOW, &[])),
                };
                assert_eq!(column(&answer), [expected], "round {round}: {answer:?}");
            }
        }
        // A transaction that fails at its prefix's side, and one that is left.
        let [_, one, two] = &mut clients;
        fine(&one.query("BEGIN"));
        fine(&one.query("SET work_mem = '9MB'"));
        fine(&one.query("ROLLBACK"));
        assert_eq!(column(&two.query(SHOW)), ["2MB"]);
        assert_eq!(column(&one.query(SHOW)), ["1MB"]);
        drop(clients);
        assert_eq!(probe(&stack, LOGINS[0]), None);
    }
}

#[test]
fn parameters_outlive_the_server_connection() {
    for stack in stacks() {
        // Of another login than the other tests, whose connections must not end.
        let (user, database) = LOGINS[1];
        let mut wire = Wire::login(&stack.login(user, database));
        fine(&wire.query("SET work_mem = '1MB'"));
        fine(&wire.query("SET TIME ZONE 'Asia/Tokyo'"));
        fine(&wire.query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"));
        let end = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity WHERE usename = 'shop_acme'";
        stack.direct("shop", end);
        // PgBouncer may only notice with the next query.
        let both = "SELECT current_setting('work_mem') || ' ' || current_setting('TimeZone')";
        for _ in 0..2 {
            wire.send(&message::query(both));
            let answer = wire.receive_until(b'Z');
            if message::error(&answer).is_none() {
                assert_eq!(column(&answer), ["1MB Asia/Tokyo"]);
                break;
            }
        }
        assert_eq!(column(&wire.query(both)), ["1MB Asia/Tokyo"]);
        let answer = wire.query("INSERT INTO orders (note) VALUES ('never')");
        assert_eq!(failed(&answer), ("25006".into(), 'I'));
    }
}

#[test]
fn a_session_has_only_so_many_parameters() {
    for stack in stacks() {
        let mut wire = client(&stack);
        for number in 0..64 {
            fine(&wire.query(&format!("SET app.made{number} = 'x'")));
        }
        let one_more = "SET app.more = 'x'";
        assert_eq!(failed(&wire.query(one_more)), ("54000".into(), 'I'));
        let answer = wire.batch(&message::extended(one_more, &[]));
        assert_eq!(failed(&answer), ("54000".into(), 'I'));
        // One that is there already, and one that is not for the session.
        fine(&wire.query("SET app.made7 = 'y'"));
        fine(&wire.query("SET LOCAL app.more = 'x'"));
        assert_eq!(column(&wire.query("SHOW app.made7")), ["y"]);
        fine(&wire.query("RESET app.made8"));
        fine(&wire.query(one_more));
        assert_eq!(column(&wire.query("SHOW app.more")), ["x"]);
        let too_long = format!("SET app.more = '{}'", "x".repeat(17 * 1024));
        let answer = wire.query(&too_long);
        let error = message::error(&answer).expect("an error");
        assert_eq!(
            (error.sqlstate().as_str(), error.field(b'V').as_deref()),
            ("54000", Some("FATAL"))
        );
        assert_eq!(probe(&stack, LOGINS[0]), None);
    }
}

#[test]
fn a_statement_that_is_cut_short_leaves_neither_a_value_nor_a_name() {
    for stack in stacks() {
        let mut wire = client(&stack);
        fine(&wire.query("SET work_mem = '1MB'"));
        // The timeout falls into what the client has sent, behind a SET of its own.
        for _ in 0..3 {
            let batch = [
                message::extended("SET work_mem = '2MB'", &[]),
                message::extended("SET statement_timeout = '50ms'", &[]),
                message::extended("SELECT pg_sleep(10)", &[]),
            ];
            let answer = wire.batch(&batch.concat());
            assert_eq!(failed(&answer), ("57014".into(), 'I'));
            assert_eq!(column(&wire.query("SHOW work_mem")), ["1MB"]);
            assert_eq!(column(&wire.query("SHOW statement_timeout")), ["0"]);
        }
        drop(wire);
        assert_eq!(probe(&stack, LOGINS[0]), None);
    }
}

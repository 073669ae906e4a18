//! Names of prepared statements and portals: nothing runs under a name that was not judged under it.

mod support;

use support::message::{self, column, error, extended, failed, fine, kinds};
use support::notes::plain;
use support::shared::stacks;
use support::{Stack, Wire};

/// Runs a check on every version of the stack.
fn everywhere(check: impl Fn(&Stack)) {
    stacks().iter().for_each(|stack| check(stack));
}

/// Bind and Execute of a named statement.
fn run(name: &str) -> Vec<u8> {
    [message::bind("", name, &[]), message::execute("", 0)].concat()
}

#[test]
fn a_name_of_a_refused_parse_stands_for_nothing() {
    everywhere(|stack| {
        let mut wire = plain(stack);
        let answer = wire.batch(&message::parse("a", "DROP TABLE notes"));
        assert_eq!(failed(&answer), ("42501".into(), 'I'));
        for _ in 0..2 {
            let answer = wire.batch(&run("a"));
            assert_eq!(failed(&answer), ("26000".into(), 'I'));
            assert_eq!(kinds(&answer), "EZ");
        }
        let answer = wire.batch(&message::describe(b'S', "a"));
        assert_eq!(failed(&answer), ("26000".into(), 'I'));
        fine(&wire.batch(&message::parse("a", "SELECT 'a'")));
        assert_eq!(column(&wire.batch(&run("a"))), ["a"]);
    });
}

#[test]
fn a_name_whose_parse_was_skipped_or_failed_stands_for_nothing() {
    everywhere(|stack| {
        let mut wire = plain(stack);
        let skipped = |name: &str| {
            let parse = message::parse(name, "SELECT 'skipped'");
            [extended("SELECT 1/0", &[]), parse].concat()
        };
        assert_eq!(failed(&wire.batch(&skipped("skipped"))).0, "22012");
        assert_eq!(failed(&wire.batch(&run("skipped"))).0, "26000");
        assert_eq!(
            failed(&wire.batch(&message::parse("bad", "SELEC"))).0,
            "42601"
        );
        assert_eq!(failed(&wire.batch(&run("bad"))).0, "26000");
        // Sent ahead: whether the first batch succeeds is not known when the second is read.
        let sent = [
            skipped("ahead"),
            message::sync(),
            run("ahead"),
            message::sync(),
            message::query("SELECT 'in step'"),
        ];
        wire.send(&sent.concat());
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "22012");
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "26000");
        assert_eq!(column(&wire.receive_until(b'Z')), ["in step"]);
    });
}

/// PgBouncer from 1.21 on would end the connection where PostgreSQL says 42P05.
#[test]
fn a_name_gets_no_second_meaning() {
    everywhere(|stack| {
        let first = message::parse("c", "SELECT 'first'");
        let second = [message::parse("c", "SELECT 'second'"), run("c")].concat();
        let mut wire = plain(stack);
        fine(&wire.batch(&first));
        let answer = wire.batch(&second);
        assert_eq!(failed(&answer), ("42P05".into(), 'I'));
        assert_eq!(kinds(&answer), "EZ");
        let said = error(&answer).and_then(|error| error.field(b'M'));
        assert_eq!(
            said.as_deref(),
            Some("prepared statement \"c\" already exists")
        );
        assert_eq!(column(&wire.batch(&run("c"))), ["first"]);
        // What PostgreSQL looks for first.
        let answer = wire.batch(&message::parse("c", "SELECT nothing"));
        assert_eq!(failed(&answer), ("42703".into(), 'I'));
        fine(&wire.query("BEGIN"));
        assert_eq!(failed(&wire.batch(&second)), ("42P05".into(), 'E'));
        assert_eq!(failed(&wire.batch(&second)), ("25P02".into(), 'E'));
        fine(&wire.query("ROLLBACK"));
        // In one batch: the first did parse, and stays.
        let mut wire = plain(stack);
        let answer = wire.batch(&[first, second].concat());
        assert_eq!(failed(&answer), ("42P05".into(), 'I'));
        assert_eq!(kinds(&answer), "1EZ");
        assert_eq!(column(&wire.batch(&run("c"))), ["first"]);
    });
}

#[test]
fn a_closed_name_stands_for_nothing() {
    everywhere(|stack| {
        let mut wire = plain(stack);
        fine(&wire.batch(&message::parse("e", "SELECT 'e'")));
        assert_eq!(kinds(&wire.batch(&message::close(b'S', "e"))), "3Z");
        assert_eq!(failed(&wire.batch(&run("e"))).0, "26000");
        // Closing what is not there is no error.
        assert_eq!(kinds(&wire.batch(&message::close(b'S', "nobody"))), "3Z");
        assert_eq!(kinds(&wire.batch(&message::close(b'P', "nobody"))), "3Z");
        let reused = [
            message::parse("e", "SELECT 'again'"),
            run("e"),
            message::close(b'S', "e"),
        ];
        for _ in 0..3 {
            let answer = wire.batch(&reused.concat());
            assert_eq!(column(&answer), ["again"]);
            assert_eq!(fine(&answer), 'I');
        }
    });
}

#[test]
fn unknown_names_are_postgresqls_errors_and_the_connection_goes_on() {
    everywhere(|stack| {
        let mut wire = plain(stack);
        let cases = [
            ("26000", run("nobody")),
            ("26000", run("")),
            ("26000", message::describe(b'S', "nobody")),
            ("34000", message::describe(b'P', "nobody")),
            ("34000", message::execute("nobody", 0)),
        ];
        for (sqlstate, sent) in &cases {
            assert_eq!(failed(&wire.batch(sent)), ((*sqlstate).into(), 'I'));
        }
        for (sqlstate, sent) in cases {
            fine(&wire.query("BEGIN"));
            assert_eq!(failed(&wire.batch(&sent)), (sqlstate.into(), 'E'));
            fine(&wire.query("ROLLBACK"));
        }
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    });
}

#[test]
fn a_closed_name_in_the_same_batch_is_an_error_and_not_the_end() {
    everywhere(|stack| {
        let mut wire = plain(stack);
        let sent = [
            message::parse("f", "SELECT 'f'"),
            message::close(b'S', "f"),
            run("f"),
        ];
        assert_eq!(failed(&wire.batch(&sent.concat())), ("26000".into(), 'I'));
        fine(&wire.batch(&message::parse("g", "SELECT 'g'")));
        let sent = [message::close(b'S', "g"), run("g")];
        assert_eq!(failed(&wire.batch(&sent.concat())), ("26000".into(), 'I'));
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    });
}

#[test]
fn portals_are_read_in_pieces_and_end_with_their_transaction() {
    everywhere(|stack| {
        let mut wire = plain(stack);
        fine(&wire.query("BEGIN"));
        let rows = "SELECT generate_series(1, 5)";
        let open = [
            message::parse("", rows),
            message::bind("p", "", &[]),
            message::parse("", "SELECT 'other'"),
            message::bind("q", "", &[]),
            message::execute("p", 2),
            message::execute("q", 1),
            message::execute("p", 2),
        ];
        let answer = wire.batch(&open.concat());
        assert_eq!(kinds(&answer), "1212DDsDsDDsZ");
        let answer = wire.batch(&[message::execute("p", 2), message::execute("q", 0)].concat());
        assert_eq!(kinds(&answer), "DCCZ");
        assert_eq!(column(&answer), ["5"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(failed(&wire.batch(&message::execute("p", 0))).0, "34000");
    });
}

#[test]
fn two_clients_use_the_same_name_for_different_statements() {
    everywhere(|stack| {
        let mut clients: Vec<Wire> = (0..6).map(|_| plain(stack)).collect();
        for (number, wire) in clients.iter_mut().enumerate() {
            let sql = format!("SELECT '{number}'");
            fine(&wire.batch(&message::parse("same", &sql)));
        }
        for _ in 0..3 {
            for (number, wire) in clients.iter_mut().enumerate() {
                assert_eq!(column(&wire.batch(&run("same"))), [number.to_string()]);
            }
        }
    });
}

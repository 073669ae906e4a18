//! Names of prepared statements and portals: nothing runs under a name that was not judged under it.

mod support;

use std::sync::Arc;

use support::message::{self, column, extended, failed, fine, kinds};
use support::shared::VERSIONS;
use support::{Shared, Stack, StackOptions, Wire};

/// PgBouncer 1.18 does not know named statements in transaction mode: PostgreSQL 18 and 1.24.
fn stack() -> Arc<Stack> {
    static STACK: Shared = Shared::new();
    let (version, pooler) = VERSIONS[2];
    STACK.get(|| StackOptions {
        version,
        pooler,
        ..StackOptions::default()
    })
}

fn plain(stack: &Stack) -> Wire {
    Wire::login(&stack.login("shop_plain", "app"))
}

/// Bind and Execute of a named statement.
fn run(name: &str) -> Vec<u8> {
    [message::bind("", name, &[]), message::execute("", 0)].concat()
}

#[test]
fn a_name_of_a_refused_parse_stands_for_nothing() {
    let stack = stack();
    let mut wire = plain(&stack);
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
}

#[test]
fn a_name_whose_parse_was_skipped_or_failed_stands_for_nothing() {
    let stack = stack();
    let mut wire = plain(&stack);
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
}

/// PgBouncer from 1.21 on ends the connection where PostgreSQL says 42P05. What matters here: the
/// second text never runs, and the client is told once.
#[test]
fn a_name_gets_no_second_meaning() {
    let stack = stack();
    let first = message::parse("c", "SELECT 'first'");
    let second = [message::parse("c", "SELECT 'second'"), run("c")].concat();
    for sent in [
        [first.clone(), message::sync(), second.clone()].concat(),
        [first, second].concat(),
    ] {
        let mut wire = plain(&stack);
        wire.send(&[sent, message::sync()].concat());
        let answer = wire.receive_to_end();
        assert!(!column(&answer).contains(&"second".to_owned()));
        let errors: Vec<_> = answer
            .iter()
            .filter(|message| message.kind == b'E')
            .collect();
        assert_eq!(errors.len(), 1, "{}", kinds(&answer));
        assert_eq!(errors[0].field(b'S').as_deref(), Some("FATAL"));
    }
}

#[test]
fn a_closed_name_stands_for_nothing() {
    let stack = stack();
    let mut wire = plain(&stack);
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
}

#[test]
fn unknown_names_are_postgresqls_errors_and_the_connection_goes_on() {
    let stack = stack();
    let mut wire = plain(&stack);
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
}

#[test]
fn a_closed_name_in_the_same_batch_is_an_error_and_not_the_end() {
    let stack = stack();
    let mut wire = plain(&stack);
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
}

#[test]
fn portals_are_read_in_pieces_and_end_with_their_transaction() {
    let stack = stack();
    let mut wire = plain(&stack);
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
}

#[test]
fn two_clients_use_the_same_name_for_different_statements() {
    let stack = stack();
    let mut clients: Vec<Wire> = (0..6).map(|_| plain(&stack)).collect();
    for (number, wire) in clients.iter_mut().enumerate() {
        let sql = format!("SELECT '{number}'");
        fine(&wire.batch(&message::parse("same", &sql)));
    }
    for _ in 0..3 {
        for (number, wire) in clients.iter_mut().enumerate() {
            assert_eq!(column(&wire.batch(&run("same"))), [number.to_string()]);
        }
    }
}

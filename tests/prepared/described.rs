//! A client decodes rows by the description that it was given once: it is never sent others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::fixture::ADMIN;
use crate::support::message::{self, column, error, failed, fine, kinds, refused_by};
use crate::support::{NEW, Stack, StackOptions, Wire};
use crate::{meddle, nothing_is_left, plain, run, stacks};

/// The table is everybody's.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A table of one column of this type.
fn table(stack: &Stack, of: &str) {
    stack.direct(
        "app",
        &format!(
            "DROP TABLE IF EXISTS shapes; CREATE TABLE shapes (v {of});
             INSERT INTO shapes VALUES ('1'); GRANT SELECT, INSERT ON shapes TO shop_plain"
        ),
    );
}

const SELECT: &str = "SELECT v FROM shapes";

/// Whoever is told what the columns are, and how.
fn told(wire: &mut Wire, name: &str, portal: bool) {
    let parse = message::parse(name, SELECT);
    let answer = match portal {
        false => wire.batch(&[parse, message::describe(b'S', name)].concat()),
        true => {
            let bind = message::bind("", name, &[]);
            wire.batch(&[parse, bind, message::describe(b'P', "")].concat())
        }
    };
    fine(&answer);
}

#[track_caller]
fn changed(answer: &[message::Message], status: char) {
    assert_eq!(failed(answer), ("0A000".into(), status));
    let said = error(answer).and_then(|error| error.field(b'M'));
    assert_eq!(
        said.as_deref(),
        Some("cached plan must not change result type")
    );
    // By these drivers know it, and prepare anew; the guard stands in DETAIL.
    let field = |code| error(answer).and_then(|error| error.field(code));
    assert_eq!(field(b'R').as_deref(), Some("RevalidateCachedQuery"));
    assert_eq!(field(b'F').as_deref(), Some("plancache.c"));
    assert_eq!(field(b'L'), None);
    refused_by(answer, "unknown-name");
    assert!(!kinds(answer).contains('D'), "{}", kinds(answer));
}

#[test]
fn another_type_is_an_error_and_no_row() {
    let _alone = alone();
    for stack in stacks() {
        for (name, portal) in [("s", false), ("s", true), ("", false)] {
            let (mut wire, mut other) = (plain(&stack), plain(&stack));
            table(&stack, "int");
            // A search_path of its own: no pool follows it.
            fine(&wire.query("SET search_path = public"));
            told(&mut wire, name, portal);
            for _ in 0..3 {
                meddle(&mut other);
                let answer = wire.batch(&run(name, &[]));
                assert_eq!(kinds(&answer), "2DCZ");
                assert_eq!(column(&answer), ["1"]);
            }
            table(&stack, "bigint");
            for _ in 0..2 {
                changed(&wire.batch(&run(name, &[])), 'I');
            }
            if !name.is_empty() {
                fine(&wire.batch(&[]));
                wire.send(&[run(name, &[]), run(name, &[]), message::sync()].concat());
                changed(&wire.receive_until(b'Z'), 'I');
                fine(&wire.query("BEGIN"));
                changed(&wire.batch(&run(name, &[])), 'E');
                fine(&wire.query("ROLLBACK"));
                fine(&wire.batch(&message::close(b'S', name)));
            }
            told(&mut wire, name, portal);
            assert_eq!(column(&wire.batch(&run(name, &[]))), ["1"]);
            nothing_is_left(&mut wire);
        }
    }
}

/// The server connections of the pool end.
fn reconnect(stack: &Stack) {
    let console = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
    fine(&Wire::login(&console).query("RECONNECT"));
}

/// A pool that follows names prepares a statement anew on the next server connection, by the new types, and tells nobody:
/// only the connection that has it prepared refuses it. So says the table, and it is closed where the pool follows none.
#[test]
fn another_type_is_unseen_where_the_pool_prepares_anew() {
    let [mut unseen, mut seen] = [Vec::new(), Vec::new()];
    for pgbouncer in ["max_prepared_statements = 9", "max_prepared_statements = 0"] {
        let (version, pooler) = NEW;
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            pool_size: 1,
            pgbouncer: pgbouncer.into(),
            ..StackOptions::default()
        });
        table(&stack, "int");
        let [mut here, mut there] = [(); 2].map(|()| plain(&stack));
        for wire in [&mut here, &mut there] {
            told(wire, "s", false);
            assert_eq!(column(&wire.batch(&run("s", &[]))), ["1"]);
        }
        stack.direct("app", "ALTER TABLE shapes ALTER v TYPE text");
        let answer = here.batch(&run("s", &[]));
        assert_eq!(failed(&answer), ("0A000".into(), 'I'), "{pgbouncer}");
        reconnect(&stack);
        let answer = there.batch(&run("s", &[]));
        match error(&answer) {
            Some(_) => {
                changed(&answer, 'I');
                seen.push(pgbouncer);
            }
            None => {
                assert_eq!(column(&answer), ["1"], "{pgbouncer}");
                unseen.push(pgbouncer);
            }
        }
    }
    assert_eq!(unseen, ["max_prepared_statements = 9"]);
    assert_eq!(seen, ["max_prepared_statements = 0"]);
}

/// What a statement writes does not happen either.
#[test]
fn nothing_is_written_by_a_statement_whose_answer_nobody_could_read() {
    let _alone = alone();
    for stack in stacks() {
        let mut wire = plain(&stack);
        table(&stack, "int");
        fine(&wire.query("SET search_path = public"));
        let parse = message::parse("s", "INSERT INTO shapes VALUES (DEFAULT) RETURNING v");
        fine(&wire.batch(&[parse, message::describe(b'S', "s")].concat()));
        assert_eq!(kinds(&wire.batch(&run("s", &[]))), "2DCZ");
        table(&stack, "bigint");
        changed(&wire.batch(&run("s", &[])), 'I');
        let count = stack.direct("app", "SELECT count(*) FROM shapes");
        assert_eq!(count, "1\n");
    }
}

/// Parameters of another type would be read as something else.
#[test]
fn parameters_are_compared_too() {
    let _alone = alone();
    for stack in stacks() {
        let mut wire = plain(&stack);
        table(&stack, "int");
        fine(&wire.query("SET search_path = public"));
        let parse = message::parse("s", "INSERT INTO shapes VALUES ($1)");
        fine(&wire.batch(&[parse, message::describe(b'S', "s")].concat()));
        fine(&wire.batch(&run("s", &[Some("2")])));
        table(&stack, "real");
        changed(&wire.batch(&run("s", &[Some("2")])), 'I');
    }
}

/// Who has it described each time is told the truth, as on a connection where it is parsed anew.
#[test]
fn who_asks_each_time_is_told() {
    let _alone = alone();
    for stack in stacks() {
        let mut wire = plain(&stack);
        fine(&wire.query("SET search_path = public"));
        table(&stack, "int");
        fine(&wire.batch(&message::parse("s", SELECT)));
        let all = [
            message::bind("", "s", &[]),
            message::describe(b'P', ""),
            message::execute("", 0),
        ];
        for of in ["int", "bigint", "text"] {
            table(&stack, of);
            let answer = wire.batch(&all.concat());
            assert_eq!(kinds(&answer), "2TDCZ", "{of}");
        }
    }
}

//! What a statement outlives, and what takes it.

use crate::support::message::{self, column, error, extended, failed, fine, kinds};
use crate::support::process::wait_until;
use crate::support::{Stack, StackOptions, VERSIONS, Wire, fixture::ADMIN};
use crate::{acme, meddle, nothing_is_left, plain, run, stacks};

#[test]
fn statements_outlive_their_transaction_and_portals_do_not() {
    for stack in stacks() {
        let (mut wire, mut other) = (plain(&stack), plain(&stack));
        fine(&wire.query("BEGIN"));
        let open = [
            message::parse("s", "SELECT generate_series(1, 5)"),
            message::bind("p", "s", &[]),
            message::execute("p", 2),
        ];
        assert_eq!(kinds(&wire.batch(&open.concat())), "12DDsZ");
        // Across Sync, with another statement in between.
        fine(&wire.batch(&extended("SELECT 'other'", &[])));
        let answer = wire.batch(&message::execute("p", 2));
        assert_eq!(column(&answer), ["3", "4"]);
        fine(&wire.query("ROLLBACK"));
        meddle(&mut other);
        let answer = wire.batch(&message::execute("p", 0));
        assert_eq!(failed(&answer), ("34000".into(), 'I'));
        assert_eq!(column(&wire.batch(&run("s", &[]))).len(), 5);
        // A Parse in a transaction that fails stays, too; one that is skipped does not.
        fine(&wire.query("BEGIN"));
        let batch = [
            message::parse("kept", "SELECT 'kept'"),
            extended("SELECT 1/0", &[]),
            message::parse("skipped", "SELECT 'skipped'"),
        ];
        assert_eq!(failed(&wire.batch(&batch.concat())).0, "22012");
        let answer = wire.batch(&run("kept", &[]));
        assert_eq!(failed(&answer), ("25P02".into(), 'E'));
        fine(&wire.query("ROLLBACK"));
        meddle(&mut other);
        assert_eq!(column(&wire.batch(&run("kept", &[]))), ["kept"]);
        assert_eq!(failed(&wire.batch(&run("skipped", &[]))).0, "26000");
        nothing_is_left(&mut wire);
    }
}

#[test]
fn what_takes_names() {
    for stack in stacks() {
        let (mut wire, mut other) = (plain(&stack), plain(&stack));
        for sql in ["DEALLOCATE ALL", "DISCARD ALL"] {
            for simple in [true, false] {
                for name in ["a", "b", ""] {
                    fine(&wire.batch(&message::parse(name, "SELECT 1")));
                }
                assert_eq!(
                    failed(&wire.batch(&message::parse("a", "SELECT 1"))).0,
                    "42P05"
                );
                meddle(&mut other);
                let answer = match simple {
                    true => wire.query(sql),
                    false => wire.batch(&extended(sql, &[])),
                };
                fine(&answer);
                // DEALLOCATE ALL is the unnamed statement itself in the extended protocol.
                for name in &["a", "b", ""][..2 + usize::from(simple)] {
                    let answer = wire.batch(&run(name, &[]));
                    assert_eq!(
                        failed(&answer),
                        ("26000".into(), 'I'),
                        "{sql} {simple} {name}"
                    );
                }
            }
        }
        // Sent ahead: it is known in time.
        fine(&wire.batch(&message::parse("a", "SELECT 1")));
        let sent = [
            extended("DEALLOCATE ALL", &[]),
            message::sync(),
            run("a", &[]),
            message::sync(),
            message::parse("a", "SELECT 'new'"),
            run("a", &[]),
            message::sync(),
        ];
        wire.send(&sent.concat());
        fine(&wire.receive_until(b'Z'));
        assert_eq!(failed(&wire.receive_until(b'Z')).0, "26000");
        assert_eq!(column(&wire.receive_until(b'Z')), ["new"]);
        nothing_is_left(&mut wire);
    }
}

#[test]
fn copy_by_a_named_statement() {
    for stack in stacks() {
        let (mut wire, mut other) = (acme(&stack), acme(&stack));
        fine(&wire.batch(&message::parse("in", "COPY imports FROM STDIN")));
        fine(&wire.batch(&message::parse("out", "COPY imports TO STDOUT")));
        for round in 0..3 {
            meddle(&mut other);
            let sent = [
                run("in", &[]),
                message::copy_data(format!("{round}\tprepared\n").as_bytes()),
                message::copy_done(),
            ];
            fine(&wire.batch(&sent.concat()));
            meddle(&mut other);
            let answer = wire.batch(&run("out", &[]));
            assert_eq!(
                answer.iter().filter(|it| it.kind == b'd').count(),
                round + 1
            );
            let sent = [
                run("in", &[]),
                message::copy_data(b"bad\n"),
                message::copy_done(),
            ];
            assert_eq!(failed(&wire.batch(&sent.concat())), ("22P02".into(), 'I'));
        }
        stack.direct("shop", "DELETE FROM imports");
        nothing_is_left(&mut wire);
    }
}

#[test]
fn a_server_connection_that_is_replaced_while_idle() {
    // It is not only its own that this ends.
    for (version, pooler) in VERSIONS {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            pool_size: 1,
            ..StackOptions::default()
        });
        let mut wire = plain(&stack);
        let parse = [
            message::parse("s", "SELECT 's' || $1"),
            message::parse("", "SELECT 'unnamed'"),
        ];
        fine(&wire.batch(&parse.concat()));
        for round in 0..3 {
            let ended = stack.direct(
                "postgres",
                "SELECT CASE WHEN pg_terminate_backend(pid) THEN pid END FROM pg_stat_activity WHERE datname = 'app' AND usename = 'shop_plain'",
            );
            let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
            let mut console = Wire::login(&login);
            wait_until("the pool knows that its connection is gone", || {
                let servers = console.query("SHOW SERVERS");
                let rows = servers.iter().filter(|it| it.kind == b'D');
                let mut cells = rows.flat_map(|row| row.row()).flatten();
                !cells.any(|cell| ended.lines().any(|pid| pid == cell))
            });
            if round == 1 {
                fine(&console.query("RECONNECT"));
            }
            assert_eq!(column(&wire.batch(&run("s", &[Some("1")]))), ["s1"]);
            assert_eq!(column(&wire.batch(&run("", &[]))), ["unnamed"]);
            let answer = wire.batch(&message::parse("s", "SELECT 2"));
            assert_eq!(failed(&answer).0, "42P05");
        }
        // PgBouncer closes what belongs to no transaction: Portcullis gets another connection.
        let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
        let mut console = Wire::login(&login);
        fine(&console.query("KILL app"));
        fine(&console.query("RESUME app"));
        let answer = wire.batch(&run("s", &[Some("2")]));
        assert_eq!(column(&answer), ["s2"], "{answer:?}");
        assert_eq!(column(&wire.batch(&run("", &[]))), ["unnamed"]);
        let again = [
            message::close(b'S', "s"),
            message::parse("s", "SELECT 'again'"),
            run("s", &[]),
        ];
        assert_eq!(column(&wire.batch(&again.concat())), ["again"]);
        nothing_is_left(&mut wire);
    }
}

#[test]
fn a_statement_that_is_cancelled() {
    for stack in stacks() {
        let mut wire = plain(&stack);
        fine(&wire.batch(&message::parse("s", "SELECT pg_sleep(600)")));
        fine(&wire.batch(&message::parse("t", "SELECT 't'")));
        let sent = [run("t", &[]), run("s", &[]), run("t", &[]), message::sync()];
        wire.send(&sent.concat());
        stack.wait_for_sleepers(1);
        let mut cancel = Wire::open_with(
            stack.port,
            crate::support::Transport::SslRequest,
            stack.authority.certificate(),
        );
        cancel.send(&message::cancel(&wire.cancel_key));
        let answer = wire.receive_until(b'Z');
        assert_eq!(failed(&answer), ("57014".into(), 'I'));
        assert_eq!(column(&wire.batch(&run("t", &[]))), ["t"]);
        nothing_is_left(&mut wire);
    }
}

/// Tenants by schema: the same SQL, tables of another shape.
#[test]
fn a_search_path_has_plans_of_its_own() {
    for stack in stacks() {
        stack.direct(
            "app",
            "DROP SCHEMA IF EXISTS one, two CASCADE; CREATE SCHEMA one; CREATE SCHEMA two;
             CREATE TABLE one.t AS SELECT 1 AS v; CREATE TABLE two.t AS SELECT 'two'::text AS v;
             GRANT USAGE ON SCHEMA one, two TO shop_plain; GRANT SELECT ON one.t, two.t TO shop_plain",
        );
        let paths = ["one", "two"];
        let mut clients = paths.map(|path| {
            let mut wire = plain(&stack);
            // Known to the pool from before, too.
            fine(&wire.batch(&message::parse("early", "SELECT 'early'")));
            fine(&wire.query(&format!("SET search_path = {path}")));
            let prepare = [
                message::parse("s", "SELECT v FROM t"),
                message::describe(b'S', "s"),
            ];
            assert_eq!(kinds(&wire.batch(&prepare.concat())), "1tTZ");
            fine(&wire.batch(&message::parse("", "SELECT v FROM t")));
            wire
        });
        for _ in 0..10 {
            for (wire, wanted) in clients.iter_mut().zip(["1", "two"]) {
                assert_eq!(column(&wire.batch(&run("s", &[]))), [wanted]);
                assert_eq!(column(&wire.batch(&run("", &[]))), [wanted]);
                assert_eq!(column(&wire.batch(&run("early", &[]))), ["early"]);
            }
        }
        let [wire, _] = &mut clients;
        fine(&wire.query("RESET search_path"));
        let answer = wire.batch(&run("s", &[]));
        assert_eq!(failed(&answer), ("42P01".into(), 'I'));
        assert!(error(&answer).is_some_and(|it| it.field(b'M').is_some()));
        nothing_is_left(wire);
    }
}

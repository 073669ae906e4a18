//! A Query that begins or ends transactions among other statements: to the client it is one, and each of its
//! transactions has its zone and its parameters.

mod support;

use rustix::process::Signal;
use support::message::{column, failed, fine, kinds};
use support::shared::stacks;
use support::shop::{SEEN, acme, insert, tenants};
use support::{Stack, StackOptions};

#[test]
fn each_transaction_of_one_query_has_its_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let one = insert("one");
        let answer = wire.query(&format!("BEGIN; {one}; COMMIT"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCCZ", 'I'));
        assert_eq!(tenants(&stack, "one"), "acme");

        let two = insert("two");
        let sql = format!(
            "/* a job */ begin isolation level serializable; {two}; {SEEN}; END; {SEEN}; {two}; COMMIT; -- and again\n\
             START TRANSACTION; {two}; ROLLBACK; {SEEN};"
        );
        let answer = wire.query(&sql);
        assert_eq!(kinds(&answer), "CCTDCCTDCCNCCCCTDCZ");
        assert_eq!(fine(&answer), 'I');
        assert_eq!(column(&answer), ["acme"; 3]);
        assert_eq!(tenants(&stack, "two"), "acme acme");
    }
}

#[test]
fn in_a_block_it_goes_on_where_the_text_leaves_it() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let note = insert("block");
        assert_eq!(fine(&wire.query("BEGIN")), 'T');
        let answer = wire.query(&format!("{note}; COMMIT AND CHAIN; {note}; {SEEN}"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCCTDCZ", 'T'));
        assert_eq!(column(&answer), ["acme"]);
        let answer = wire.query(&format!("ROLLBACK; BEGIN READ ONLY; {SEEN}"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCTDCZ", 'T'));
        assert_eq!(failed(&wire.query(&note)), ("25006".into(), 'E'));
        let answer = wire.query(&format!("ROLLBACK; {note}; {note}"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCCZ", 'I'));
        assert_eq!(tenants(&stack, "block"), "acme acme acme");
    }
}

#[test]
fn nothing_runs_behind_an_error_and_its_place_is_the_clients_own() {
    for stack in stacks() {
        stack.direct(
            "shop",
            "CREATE TABLE pairs (id int UNIQUE DEFERRABLE INITIALLY DEFERRED); GRANT ALL ON pairs TO PUBLIC",
        );
        let mut wire = acme(&stack);
        let note = insert("behind");
        let sql = format!("BEGIN; {note}; SELECT 'é', nothing; COMMIT; {note}");
        let answer = wire.query(&sql);
        assert_eq!(failed(&answer), ("42703".into(), 'E'));
        assert_eq!(kinds(&answer), "CCEZ");
        let place = sql.chars().count() - sql[sql.find("nothing").unwrap_or(0)..].chars().count();
        let position = answer[2].field(b'P').expect("a position");
        assert_eq!(position, (place + 1).to_string());
        // The transaction has failed, as it would have without us.
        let answer = wire.query(&format!("{note}; COMMIT; {note}"));
        assert_eq!(
            (kinds(&answer).as_str(), failed(&answer)),
            ("EZ", ("25P02".into(), 'E'))
        );
        let answer = wire.query(&format!("COMMIT; {}", insert("after")));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCZ", 'I'));
        assert_eq!(answer[0].tag(), "ROLLBACK");
        // A COMMIT can fail, too.
        let deferred = "BEGIN; INSERT INTO pairs VALUES (1); INSERT INTO pairs VALUES (1); COMMIT";
        let answer = wire.query(&format!("{deferred}; {note}"));
        assert_eq!(
            (kinds(&answer).as_str(), failed(&answer)),
            ("CCCEZ", ("23505".into(), 'I'))
        );
        assert_eq!(tenants(&stack, "behind"), "");
        assert_eq!(tenants(&stack, "after"), "acme");
    }
}

#[test]
fn what_is_refused_is_refused_before_anything_runs() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let note = insert("before");
        for refused in [
            "DROP TABLE orders",
            "SET LOCAL app.tenant_id = 'globex'",
            "LOAD 'x'",
        ] {
            let answer = wire.query(&format!("BEGIN; {note}; COMMIT; {refused}"));
            assert_eq!(
                (kinds(&answer).as_str(), failed(&answer).1),
                ("EZ", 'I'),
                "{refused}"
            );
        }
        assert_eq!(tenants(&stack, "before"), "");
    }
}

/// A BEGIN takes what stood before it into its block, and a ROLLBACK or COMMIT ends it.
#[test]
fn a_block_takes_in_what_stood_before_it() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let (note, kept) = (insert("taken"), insert("kept"));
        let answer = wire.query(&format!("{note}; BEGIN; {note}; {SEEN}; ROLLBACK; {kept}"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCCTDCCCZ", 'I'));
        assert_eq!(column(&answer), ["acme"]);
        assert_eq!(tenants(&stack, "taken"), "");
        let answer = wire.query(&format!("{note}; ROLLBACK; {kept}"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CNCCZ", 'I'));
        assert_eq!(tenants(&stack, "taken"), "");
        let answer = wire.query(&format!("SELECT 1; {kept}; BEGIN"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("TDCCCZ", 'T'));
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(tenants(&stack, "kept"), "acme acme acme");
        // An error behind BEGIN undoes what was taken in, one ahead of it leaves no block.
        let answer = wire.query(&format!("{note}; BEGIN; SELECT nothing; COMMIT"));
        assert_eq!(
            (kinds(&answer).as_str(), failed(&answer)),
            ("CCEZ", ("42703".into(), 'E'))
        );
        fine(&wire.query("ROLLBACK"));
        let answer = wire.query(&format!("{note}; SELECT nothing; BEGIN; {note}; COMMIT"));
        assert_eq!(failed(&answer), ("42703".into(), 'I'));
        assert_eq!(tenants(&stack, "taken"), "");
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
    }
}

#[test]
fn a_parameter_set_ahead_of_a_block_belongs_to_it() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let shown = "SHOW statement_timeout";
        let set = "SET statement_timeout = '6s'; BEGIN ISOLATION LEVEL SERIALIZABLE";
        let answer = wire.query(&format!(
            "{set}; {shown}; SHOW transaction_isolation; ROLLBACK"
        ));
        assert_eq!(
            (kinds(&answer).as_str(), fine(&answer)),
            ("CCTDCTDCCZ", 'I')
        );
        assert_eq!(column(&answer), ["6s", "serializable"]);
        assert_ne!(column(&wire.query(shown)), ["6s"]);
        fine(&wire.query(&format!("{set}; {SEEN}; COMMIT")));
        assert_eq!(column(&wire.query(shown)), ["6s"]);
        // Modes do not become others in the middle of a transaction.
        let read_only = "SET default_transaction_read_only = on";
        fine(&wire.query(read_only));
        let off = "SET default_transaction_read_only = off";
        let answer = wire.query(&format!("{off}; BEGIN; {}; COMMIT", insert("modes")));
        assert_eq!(failed(&answer), ("25006".into(), 'E'));
        fine(&wire.query("ROLLBACK"));
        fine(&wire.query(&format!("{off}; COMMIT; {}", insert("modes"))));
        assert_eq!(tenants(&stack, "modes"), "acme");
    }
}

#[test]
fn what_cannot_be_cut_is_refused_with_a_hint() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let note = insert("loose");
        let answer = wire.query(&format!("SET TRANSACTION READ ONLY; {note}"));
        assert_eq!(failed(&answer), ("0A000".into(), 'I'));
        assert_eq!(
            answer[0].field(b'H').as_deref(),
            Some("Send SET in a message of its own.")
        );
        assert_eq!(tenants(&stack, "loose"), "");
        // COMMIT outside of a block ends what is implicit.
        let answer = wire.query(&format!("{note}; COMMIT; {note}"));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CNCCZ", 'I'));
        assert_eq!(tenants(&stack, "loose"), "acme acme");
    }
}

/// More statements than a worker describes at a time: several pieces in a block, none outside of one.
#[test]
fn a_block_of_many_statements_is_one_transaction() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let (note, many) = (insert("many"), "select;".repeat(600));
        let answer = wire.query(&format!("BEGIN; {note}; {many} {note}; COMMIT; {SEEN}"));
        assert_eq!(fine(&answer), 'I');
        assert_eq!(column(&answer).last().map(String::as_str), Some("acme"));
        assert_eq!(kinds(&answer).matches('T').count(), 601);
        assert_eq!(tenants(&stack, "many"), "acme acme");

        // An error in a later piece takes the first with it, and is where the client wrote it.
        let ahead = format!("BEGIN; {note}; {many} ");
        let answer = wire.query(&format!("{ahead}select nothing; {note}; COMMIT"));
        assert_eq!(failed(&answer), ("42703".into(), 'E'));
        let error = answer.iter().find(|it| it.kind == b'E').expect("an error");
        let place = (ahead.len() + "select ".len() + 1).to_string();
        assert_eq!(error.field(b'P'), Some(place));
        assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
        assert_eq!(tenants(&stack, "many"), "acme acme");

        let answer = wire.query(&format!("{many} BEGIN; {note}; COMMIT"));
        assert_eq!(failed(&answer), ("0A000".into(), 'I'));
        assert_eq!(tenants(&stack, "many"), "acme acme");
    }
}

/// What a program reads from a file and sends as it is: longer than what a worker describes itself, in all its pieces.
#[test]
fn a_long_text_goes_in_pieces_too() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let rows = |note: &str, count| {
            let rows = vec![format!("('{note}', 'é{}')", "x".repeat(100)); count].join(", ");
            format!("INSERT INTO notes VALUES {rows}")
        };
        stack.direct(
            "shop",
            "CREATE TABLE notes (note text, body text, tenant_id text DEFAULT current_setting('app.tenant_id'));
             GRANT ALL ON notes TO PUBLIC",
        );
        let seen = |note: &str| {
            let sql = format!(
                "SELECT count(*), min(tenant_id), max(tenant_id) FROM notes WHERE note = '{note}'"
            );
            stack.direct("shop", &sql).trim().to_owned()
        };
        let (one, two) = (rows("one", 2000), rows("two", 1000));
        let answer = wire.query(&format!(
            "BEGIN; {one}; COMMIT; BEGIN; {one}; ROLLBACK; {two}; {SEEN}"
        ));
        assert_eq!(
            (kinds(&answer).as_str(), fine(&answer)),
            ("CCCCCCCTDCZ", 'I')
        );
        assert_eq!(
            (seen("one"), seen("two")),
            ("2000|acme|acme".into(), "1000|acme|acme".into())
        );

        // What is refused in a long piece is refused before anything runs, and an error is where the client wrote it.
        let refused = format!("BEGIN; {one}; COMMIT; {two}; DROP TABLE notes");
        assert_eq!(failed(&wire.query(&refused)).1, 'I');
        let ahead = format!("BEGIN; {two}; {one}; COMMIT; {two}; BEGIN; {two}; SELECT ");
        let answer = wire.query(&format!("{ahead}nothing; COMMIT"));
        assert_eq!(failed(&answer), ("42703".into(), 'E'));
        let error = answer.iter().find(|it| it.kind == b'E').expect("an error");
        assert_eq!(
            error.field(b'P'),
            Some((ahead.chars().count() + 1).to_string())
        );
        assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
        assert_eq!(
            (seen("one"), seen("two")),
            ("4000|acme|acme".into(), "2000|acme|acme".into())
        );
    }
}

#[test]
fn parameters_are_kept_and_set_in_each_of_them() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let answer = wire.query("BEGIN; SET statement_timeout = '7s'; COMMIT; SHOW statement_timeout; SET work_mem = '2MB'");
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CCCTDCCZ", 'I'));
        assert_eq!(column(&answer), ["7s"]);
        let shown =
            "SELECT current_setting('statement_timeout') || ' ' || current_setting('work_mem')";
        assert_eq!(column(&wire.query(shown)), ["7s 2MB"]);
        let answer = wire.query(&format!(
            "BEGIN; SET statement_timeout = '8s'; {shown}; ROLLBACK; {shown}"
        ));
        assert_eq!(column(&answer), ["8s 2MB", "7s 2MB"]);
        fine(&wire.query("ABORT; RESET ALL"));
        assert_ne!(column(&wire.query(shown)), ["7s 2MB"]);
        let mut other = acme(&stack);
        assert_ne!(column(&other.query("SHOW statement_timeout")), ["7s"]);
    }
}

/// Messages that were sent behind it wait for its end.
#[test]
fn a_pipeline_keeps_its_order() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let sql = [
            support::message::query("SELECT 'ahead'"),
            support::message::query("BEGIN; SELECT 'a'; COMMIT; SELECT 'b'"),
            support::message::query("SELECT 'behind'"),
        ];
        wire.send(&sql.concat());
        let answers: Vec<_> = (0..3).map(|_| column(&wire.receive_until(b'Z'))).collect();
        assert_eq!(answers, [vec!["ahead"], vec!["a", "b"], vec!["behind"]]);
    }
}

/// What has begun is one statement to its client: it is not cut off in the middle of its text.
#[test]
fn a_proxy_that_ends_lets_it_come_to_its_end() {
    let stack = Stack::start(StackOptions::default());
    let mut wire = acme(&stack);
    wire.send(&support::message::query(&format!(
        "BEGIN; SELECT pg_sleep(5); {0}; COMMIT; {0}",
        insert("ending")
    )));
    stack.wait_for_sleepers(1);
    let proxy = stack.proxy.as_ref().expect("a proxy");
    proxy.signal(Signal::TERM);
    let answer = wire.receive_until(b'Z');
    assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("CTDCCCCZ", 'I'));
    assert_eq!(tenants(&stack, "ending"), "acme acme");
}

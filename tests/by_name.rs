//! What SQL runs by a name, EXECUTE of a prepared statement and FETCH of a cursor, is judged by what
//! stands behind the name, as the policy is when it runs.

mod support;

use support::fixture::POLICY;
use support::message::{self, column, error, failed, fine, refused_by};
use support::notes::plain;
use support::{Pooler, Stack, StackOptions, Version};

/// shop_plain on a connection of its own.
fn own() -> String {
    let route = "[login.shop_plain]\nroute = \"session\"\n";
    POLICY.replacen("[login.shop_plain]\n", route, 1)
}

/// It may write, and run text as SQL.
fn open() -> String {
    let allowed = "[guards.dangerous-functions]\nallow = [\"query_to_xml\"]\n";
    format!("{}\n[guards]\n{allowed}", own())
}

/// It may not any more.
fn narrowed() -> String {
    let rule =
        "[[rule]]\nid = \"read-only\"\nwhen = { class = \"write\" }\nmessage = \"no writes\"\n";
    format!("{}\n{rule}", own())
}

fn start(policy: String) -> Stack {
    Stack::start(StackOptions {
        policy,
        ..StackOptions::default()
    })
}

/// As a simple Query, and as a batch of the extended protocol.
fn both(sql: &str) -> [Vec<u8>; 2] {
    let extended = [message::extended(sql, &[]), message::sync()].concat();
    [message::query(sql), extended]
}

#[test]
fn what_was_prepared_or_declared_is_judged_again_when_it_runs() {
    let stack = start(open());
    let mut wire = plain(&stack);
    for sql in [
        "PREPARE change (text) AS INSERT INTO notes (body) VALUES ($1)",
        "PREPARE harmless AS SELECT 1",
        "DECLARE kept CURSOR WITH HOLD FOR SELECT query_to_xml('select 1', true, true, '') FROM generate_series(1, 99)",
        "DECLARE other CURSOR WITH HOLD FOR SELECT generate_series(1, 9)",
    ] {
        fine(&wire.query(sql));
    }
    fine(&wire.batch(&message::parse(
        "by_protocol",
        "DELETE FROM notes WHERE id = 0",
    )));
    let changes = [
        "EXECUTE change ('x')",
        "EXPLAIN ANALYZE EXECUTE change ('x')",
        "EXPLAIN EXECUTE change ('x')",
        "EXECUTE \"change\" ('x')",
        "EXECUTE U&\"ch\\0061nge\" ('x')",
        "EXECUTE by_protocol",
    ];
    let reads = ["FETCH kept", "MOVE NEXT IN \"kept\"", "FETCH ALL FROM Kept"];
    for sql in changes.iter().chain(&reads) {
        for batch in both(sql) {
            fine(&wire.ask(&batch));
        }
    }
    let before = stack.direct("app", "SELECT count(*) FROM notes");
    stack.load(&narrowed());
    for batch in changes.into_iter().flat_map(both) {
        refused_by(&wire.ask(&batch), "read-only");
    }
    for batch in reads.into_iter().flat_map(both) {
        refused_by(&wire.ask(&batch), "dangerous-functions");
    }
    // Through a portal of the protocol with the cursor's name, too.
    fine(&wire.query("BEGIN"));
    let portal = [message::execute("kept", 1), message::sync()].concat();
    refused_by(&wire.ask(&portal), "dangerous-functions");
    fine(&wire.query("ROLLBACK"));
    assert_eq!(stack.direct("app", "SELECT count(*) FROM notes"), before);
    // What is still granted runs, and what was prepared anew under the name.
    fine(&wire.query("EXECUTE harmless"));
    fine(&wire.query("FETCH 3 FROM other"));
    fine(&wire.query("DEALLOCATE change; PREPARE change AS SELECT 2; CLOSE kept"));
    assert_eq!(column(&wire.query("EXECUTE change")), ["2"]);
    fine(&wire.query("DISCARD ALL"));
    assert_eq!(failed(&wire.query("EXECUTE change")), ("26000".into(), 'I'));
}

#[test]
fn a_name_stands_for_all_that_it_may_stand_for() {
    let stack = start(open());
    let mut wire = plain(&stack);
    fine(&wire.query("PREPARE p AS DELETE FROM notes WHERE id = 0"));
    // The second PREPARE fails, and so does what would take the first one back.
    assert_eq!(failed(&wire.query("PREPARE p AS SELECT 1")).0, "42P05");
    assert_eq!(failed(&wire.query("DEALLOCATE p; SELECT 1/0")).0, "22012");
    fine(&wire.query("PREPARE q AS DELETE FROM notes WHERE id = 0"));
    fine(&wire.query("BEGIN"));
    assert_eq!(failed(&wire.query("SELECT 1/0")).0, "22012");
    // In a failed transaction nothing is deallocated; the answers are read later.
    wire.send(
        &[
            message::query("DEALLOCATE q"),
            message::query("PREPARE q AS SELECT 1"),
        ]
        .concat(),
    );
    wire.receive_until(b'Z');
    wire.receive_until(b'Z');
    fine(&wire.query("ROLLBACK"));
    fine(&wire.query("EXECUTE q"));
    stack.load(&narrowed());
    refused_by(&wire.query("EXECUTE p"), "read-only");
    refused_by(&wire.query("EXECUTE q"), "read-only");
    fine(&wire.query("DEALLOCATE ALL"));
    fine(&wire.query("PREPARE q AS SELECT 3"));
    assert_eq!(column(&wire.query("EXECUTE q")), ["3"]);
}

#[test]
fn what_was_never_seen_prepared_is_not_executed() {
    let sql = "
        \\connect app
        CREATE FUNCTION prepares() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS
            $$ BEGIN EXECUTE 'PREPARE hidden AS INSERT INTO notes (body) VALUES (''h'')'; END $$;
        CREATE FUNCTION opens() RETURNS refcursor LANGUAGE plpgsql AS
            $$ DECLARE c refcursor := 'opened'; BEGIN OPEN c FOR SELECT 7; RETURN c; END $$;";
    let stack = Stack::start(StackOptions {
        policy: own(),
        sql: format!("{}{sql}", support::fixture::SQL),
        version: Version::Pg17,
        pooler: Pooler::V1_24,
        ..StackOptions::default()
    });
    let mut wire = plain(&stack);
    fine(&wire.query("SELECT prepares()"));
    for batch in both("EXECUTE hidden") {
        let answer = wire.ask(&batch);
        assert_eq!(failed(&answer), ("26000".into(), 'I'));
        refused_by(&answer, "unknown-name");
    }
    assert_eq!(stack.direct("app", "SELECT count(*) FROM notes"), "0\n");
    // A cursor of a function's, as JDBC reads it.
    fine(&wire.query("BEGIN"));
    assert_eq!(column(&wire.query("SELECT opens()")), ["opened"]);
    assert_eq!(column(&wire.query("FETCH ALL IN \"opened\"")), ["7"]);
    fine(&wire.query("COMMIT"));
    // Prepared in the same text, and sent together.
    fine(&wire.query("PREPARE a AS SELECT 1; EXECUTE a; DEALLOCATE a"));
    wire.send(
        &[
            message::query("PREPARE b AS SELECT 5"),
            message::query("EXECUTE b"),
        ]
        .concat(),
    );
    fine(&wire.receive_until(b'Z'));
    assert_eq!(column(&wire.receive_until(b'Z')), ["5"]);
}

#[test]
fn names_are_bounded_and_given_back() {
    let stack = start(own());
    let mut wire = plain(&stack);
    let mut made = 0;
    let refused = loop {
        let answer = wire.query(&format!("PREPARE n{made} AS SELECT {made}"));
        if error(&answer).is_some() {
            break answer;
        }
        made += 1;
        assert!(made < 5000, "no bound");
    };
    assert_eq!(failed(&refused), ("54000".into(), 'I'));
    assert!(made >= 1000, "{made}");
    assert_eq!(column(&wire.query("EXECUTE n999")), ["999"]);
    fine(&wire.query("DEALLOCATE ALL"));
    // As often as one likes under one name, and in one transaction.
    for n in 0..1500 {
        fine(&wire.query(&format!("PREPARE n AS SELECT {n}; EXECUTE n; DEALLOCATE n")));
    }
    fine(&wire.query("BEGIN"));
    for n in 0..1500 {
        fine(&wire.query(&format!(
            "DECLARE c CURSOR FOR SELECT {n}; FETCH c; CLOSE c"
        )));
    }
    fine(&wire.query("COMMIT"));
}

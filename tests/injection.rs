//! Every transaction of a login that has a zone runs in that zone, on every version of the stack.
//! Every write is looked for from another connection: PostgreSQL 18 can answer `INSERT 0 1` and lose
//! the row when a simple Query follows an unfinished extended batch.

mod support;

use support::message::{self, Message, column, error, extended, failed, fine, kinds};
use support::shared::stacks;
use support::shop::{SEEN, acme, insert, tenants};
use support::{Stack, Wire};

#[test]
fn a_simple_insert_answers_as_without_us_and_is_there() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let answer = wire.query(&insert("simple"));
        assert_eq!(kinds(&answer), "CZ");
        assert_eq!(answer[0].tag(), "INSERT 0 1");
        assert_eq!(fine(&answer), 'I');
        assert_eq!(tenants(&stack, "simple"), "acme");
        let answer =
            wire.query("INSERT INTO orders (note) VALUES ('returning') RETURNING tenant_id");
        assert_eq!(kinds(&answer), "TDCZ");
        assert_eq!(column(&answer), ["acme"]);
        assert_eq!(tenants(&stack, "returning"), "acme");
    }
}

#[test]
fn every_statement_of_a_multi_statement_query_is_in_the_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let answer = wire.query(&format!("{}; {}; {SEEN}", insert("multi"), insert("multi")));
        assert_eq!(kinds(&answer), "CCTDCZ");
        assert_eq!(column(&answer), ["acme"]);
        assert_eq!(tenants(&stack, "multi"), "acme acme");
        let answer = wire.query(&format!("{}; SELECT 1/0; {SEEN}", insert("undone")));
        assert_eq!(kinds(&answer), "CEZ");
        assert_eq!(failed(&answer), ("22012".into(), 'I'));
        assert_eq!(tenants(&stack, "undone"), "");
    }
}

#[test]
fn extended_batches_are_in_the_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let sql = "INSERT INTO orders (note) VALUES ($1)";
        let answer = wire.batch(&extended(sql, &[Some("extended")]));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("12CZ", 'I'));
        let described = [
            message::parse("", SEEN),
            message::describe(b'S', ""),
            message::bind("", "", &[]),
            message::describe(b'P', ""),
            message::execute("", 0),
            message::close(b'P', ""),
            message::close(b'S', ""),
        ];
        let answer = wire.batch(&described.concat());
        assert_eq!(kinds(&answer), "1tT2TDC33Z");
        assert_eq!(column(&answer), ["acme"]);
        assert_eq!(tenants(&stack, "extended"), "acme");
    }
}

#[test]
fn statements_prepared_once_are_in_the_zone_each_time() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let sql = "INSERT INTO orders (note) VALUES ($1)";
        fine(&wire.batch(&message::parse("named", sql)));
        for _ in 0..5 {
            let run = [
                message::bind("", "named", &[Some("prepared")]),
                message::execute("", 0),
            ];
            let answer = wire.batch(&run.concat());
            assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("2CZ", 'I'));
        }
        assert_eq!(tenants(&stack, "prepared"), ["acme"; 5].join(" "));
        fine(&wire.batch(&message::close(b'S', "named")));
    }
}

#[test]
fn pipelines_are_in_the_zone_waiting_or_not() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let mut sent = Vec::new();
        for _ in 0..20 {
            sent.extend(extended(&insert("pipeline"), &[]));
            sent.extend(extended(SEEN, &[]));
            sent.extend(message::sync());
        }
        wire.send(&sent);
        for _ in 0..20 {
            let answer = wire.receive_until(b'Z');
            assert_eq!(kinds(&answer), "12C12DCZ");
            assert_eq!(column(&answer), ["acme"]);
        }
        // Simple and extended in one write.
        let mixed = [
            message::query(&insert("pipeline")),
            extended(&insert("pipeline"), &[]),
            message::sync(),
            message::query(SEEN),
            message::query(&insert("pipeline")),
        ];
        wire.send(&mixed.concat());
        for expected in ["CZ", "12CZ", "TDCZ", "CZ"] {
            assert_eq!(kinds(&wire.receive_until(b'Z')), expected);
        }
        assert_eq!(tenants(&stack, "pipeline"), ["acme"; 23].join(" "));
    }
}

#[test]
fn a_transaction_is_in_the_zone_however_it_is_begun() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let run: [fn(&mut Wire, &str) -> Vec<Message>; 2] = [
            |wire, sql| wire.query(sql),
            |wire, sql| wire.batch(&extended(sql, &[])),
        ];
        for begin in run {
            for then in run {
                assert_eq!(fine(&begin(&mut wire, "BEGIN")), 'T');
                assert_eq!(fine(&then(&mut wire, &insert("explicit"))), 'T');
                assert_eq!(column(&begin(&mut wire, SEEN)), ["acme"]);
                assert_eq!(fine(&then(&mut wire, "COMMIT")), 'I');
            }
        }
        assert_eq!(tenants(&stack, "explicit"), ["acme"; 4].join(" "));
    }
}

#[test]
fn transaction_control_inside_a_batch_loses_no_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let batch = |texts: &[&str]| -> Vec<u8> {
            texts.iter().flat_map(|sql| extended(sql, &[])).collect()
        };
        let note = insert("in a batch");
        let answer = wire.batch(&batch(&["BEGIN", &note]));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("12C12CZ", 'T'));
        let answer = wire.batch(&batch(&["COMMIT", &note]));
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("12C12CZ", 'I'));
        let answer = wire.batch(&batch(&["BEGIN", &note, "COMMIT", &note, SEEN]));
        assert_eq!(fine(&answer), 'I');
        assert_eq!(column(&answer), ["acme"]);
        assert_eq!(tenants(&stack, "in a batch"), ["acme"; 4].join(" "));
        // The same with everything behind it sent ahead.
        let mut sent = batch(&["BEGIN", &note]);
        sent.extend(message::sync());
        sent.extend(batch(&["COMMIT"]));
        sent.extend(message::sync());
        sent.extend(message::query(&note));
        sent.extend(batch(&[SEEN]));
        sent.extend(message::sync());
        wire.send(&sent);
        let statuses: Vec<char> = (0..4).map(|_| fine(&wire.receive_until(b'Z'))).collect();
        assert_eq!(statuses, ['T', 'I', 'I', 'I']);
        assert_eq!(tenants(&stack, "in a batch"), ["acme"; 6].join(" "));
    }
}

#[test]
fn chained_transactions_are_in_the_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        for (end, left) in [("COMMIT AND CHAIN", 2), ("ROLLBACK AND CHAIN", 1)] {
            let note = insert(end);
            fine(&wire.query("BEGIN"));
            fine(&wire.query(&note));
            assert_eq!(fine(&wire.query(end)), 'T');
            assert_eq!(fine(&wire.query(&note)), 'T');
            assert_eq!(column(&wire.batch(&extended(SEEN, &[]))), ["acme"]);
            assert_eq!(fine(&wire.batch(&extended("COMMIT", &[]))), 'I');
            assert_eq!(tenants(&stack, end), vec!["acme"; left].join(" "));
        }
    }
}

#[test]
fn savepoints_undo_no_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SAVEPOINT before_anything"));
        fine(&wire.query(&insert("undone by savepoint")));
        fine(&wire.query("ROLLBACK TO before_anything"));
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        fine(&wire.query(&insert("savepoint")));
        fine(&wire.batch(&extended("SAVEPOINT later", &[])));
        assert_eq!(failed(&wire.query("SELECT 1/0")), ("22012".into(), 'E'));
        assert_eq!(fine(&wire.batch(&extended("ROLLBACK TO later", &[]))), 'T');
        fine(&wire.batch(&extended(&insert("savepoint"), &[])));
        fine(&wire.query("RELEASE before_anything"));
        assert_eq!(fine(&wire.query("COMMIT")), 'I');
        assert_eq!(tenants(&stack, "savepoint"), "acme acme");
        assert_eq!(tenants(&stack, "undone by savepoint"), "");
    }
}

#[test]
fn a_failed_transaction_hangs_nobody_and_the_next_is_in_the_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        for broken in ["SELECT 1/0", "SELEC", "SELECT nope"] {
            fine(&wire.query("BEGIN"));
            assert_eq!(failed(&wire.query(broken)).1, 'E');
            assert_eq!(
                failed(&wire.query(&insert("failed"))),
                ("25P02".into(), 'E')
            );
            let answer = wire.batch(&extended(&insert("failed"), &[]));
            assert_eq!(failed(&answer), ("25P02".into(), 'E'));
            // Sent ahead: a batch behind one that fails.
            let sent = [
                message::query(SEEN),
                extended(SEEN, &[]),
                message::sync(),
                message::query(SEEN),
            ];
            wire.send(&sent.concat());
            for _ in 0..3 {
                assert_eq!(failed(&wire.receive_until(b'Z')), ("25P02".into(), 'E'));
            }
            assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        }
        // Everything at once: the transaction fails before the zone could be set.
        let sent = [
            message::query("BEGIN"),
            message::parse("", "SELEC"),
            message::sync(),
            extended(&insert("failed"), &[]),
            message::sync(),
            message::query(&insert("failed")),
            message::query("ROLLBACK"),
            message::query(&insert("after it")),
        ];
        wire.send(&sent.concat());
        assert_eq!(wire.states(6), "TEEEII");
        assert_eq!(tenants(&stack, "failed"), "");
        assert_eq!(tenants(&stack, "after it"), "acme");
    }
}

#[test]
fn positions_count_in_the_clients_own_text() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let cases = [
            ("SELECT nope", "8"),
            ("nope", "1"),
            ("SELECT 1; SELECT nope", "18"),
            ("SELECT 'äöü€😀', nope FROM orders", "17"),
            ("\n\nSELECT * FROM nowhere", "17"),
            ("SELECT 1 +", "11"),
        ];
        for (sql, position) in cases {
            let position = Some(position.to_owned());
            for begin in [false, true] {
                if begin {
                    fine(&wire.query("BEGIN"));
                }
                let answer = wire.query(sql);
                let simple = error(&answer).expect("an error").field(b'P');
                assert_eq!(simple, position, "{sql}, in a transaction: {begin}");
                if begin {
                    fine(&wire.query("ROLLBACK"));
                }
            }
            if !sql.contains(';') {
                let answer = wire.batch(&extended(sql, &[]));
                let extended = error(&answer).expect("an error").field(b'P');
                assert_eq!(extended, position, "{sql}, extended");
            }
        }
    }
}

#[test]
fn copy_is_in_the_zone_both_ways() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let out = "COPY (SELECT DISTINCT tenant_id FROM orders) TO STDOUT";
        for answer in [wire.query(out), wire.batch(&extended(out, &[]))] {
            let rows: Vec<&[u8]> = answer
                .iter()
                .filter(|message| message.kind == b'd')
                .map(|message| &*message.body)
                .collect();
            assert_eq!(rows, [b"acme\n"], "{}", kinds(&answer));
            assert_eq!(fine(&answer), 'I');
        }
        let into = "COPY imports (id, note) FROM STDIN";
        let data = [message::copy_data(b"1\tcopied\n"), message::copy_done()].concat();
        wire.send(&message::query(into));
        assert_eq!(kinds(&wire.receive_until(b'G')), "G");
        wire.send(&data);
        assert_eq!(kinds(&wire.receive_until(b'Z')), "CZ");
        // Without waiting for CopyInResponse.
        wire.send(&[message::query(into), data.clone()].concat());
        assert_eq!(kinds(&wire.receive_until(b'Z')), "GCZ");
        wire.send(&[extended(into, &[]), data, message::sync()].concat());
        assert_eq!(kinds(&wire.receive_until(b'Z')), "12GCZ");
        let count = "SELECT count(*) FROM imports WHERE note = 'copied'";
        assert_eq!(stack.direct("shop", count), "3\n");
        stack.direct("shop", "DELETE FROM imports WHERE note = 'copied'");
    }
}

#[test]
fn a_cancelled_statement_leaves_the_zone_and_the_protocol_in_step() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let key = wire.cancel_key.clone();
        let cancel = |stack: &Stack| {
            stack.wait_for_sleepers(1);
            let mut other = Wire::open(stack.port);
            other.send(&message::cancel(&key));
            assert_eq!(other.receive(), None);
        };
        let sleep = "SELECT pg_sleep(20)";
        for sent in [
            message::query(sleep),
            [extended(sleep, &[]), message::sync()].concat(),
        ] {
            wire.send(&sent);
            cancel(&stack);
            let answer = wire.receive_until(b'Z');
            assert_eq!(failed(&answer), ("57014".into(), 'I'));
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        }
        fine(&wire.query("BEGIN"));
        wire.send(&message::query(sleep));
        cancel(&stack);
        assert_eq!(failed(&wire.receive_until(b'Z')), ("57014".into(), 'E'));
        fine(&wire.query("ROLLBACK"));
        fine(&wire.query(&insert("after cancel")));
        assert_eq!(tenants(&stack, "after cancel"), "acme");
    }
}

#[test]
fn a_statement_timeout_is_an_ordinary_error() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET LOCAL statement_timeout = '50ms'"));
        let answer = wire.batch(&extended("SELECT pg_sleep(20)", &[]));
        assert_eq!(failed(&answer), ("57014".into(), 'E'));
        assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
    }
}

#[test]
fn a_query_behind_unsynced_messages_is_in_their_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let (first, second) = (insert("unsynced"), insert("behind unsynced"));
        wire.send(&[extended(&first, &[]), message::query(&second)].concat());
        let answer = wire.receive_until(b'Z');
        assert_eq!((kinds(&answer).as_str(), fine(&answer)), ("12CCZ", 'I'));
        assert_eq!(tenants(&stack, "unsynced"), "acme");
        assert_eq!(tenants(&stack, "behind unsynced"), "acme");
    }
}

#[test]
fn the_zone_is_not_the_clients_to_set_reset_or_discard() {
    let attempts = [
        "SET app.tenant_id = 'globex'",
        "SET SESSION app.tenant_id TO 'globex'",
        "SET LOCAL app.tenant_id = 'globex'",
        "SET \"app\".\"tenant_id\" = 'globex'",
        "SET APP.Tenant_ID = 'globex'",
        "RESET app.tenant_id",
        "RESET ALL; SELECT 1",
        "SELECT set_config('app.tenant_id', 'globex', true)",
        "SELECT pg_catalog.set_config('app.tenant_id', 'globex', false)",
        "WITH x AS (SELECT set_config('app' || '.tenant_id', 'globex', true)) SELECT * FROM x",
        "SELECT U&\"set\\005fconfig\"('app.tenant_id', 'globex', true)",
        "UPDATE pg_settings SET setting = 'globex' WHERE name = 'app.tenant_id'",
        "SET local.zone = 'x'; SET app.tenant_id = 'globex'",
    ];
    for stack in stacks() {
        let mut wire = acme(&stack);
        for sql in attempts {
            assert_eq!(failed(&wire.query(sql)), ("42501".into(), 'I'), "{sql}");
            assert_eq!(column(&wire.query(SEEN)), ["acme"], "after {sql}");
            if !sql.contains(';') {
                let answer = wire.batch(&extended(sql, &[]));
                assert_eq!(failed(&answer), ("42501".into(), 'I'), "{sql}");
            }
        }
        let bound = "SELECT set_config($1, $2, true)";
        let answer = wire.batch(&extended(bound, &[Some("app.tenant_id"), Some("globex")]));
        assert_eq!(failed(&answer).0, "42501");
        fine(&wire.query("BEGIN"));
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        assert_eq!(
            failed(&wire.query("SET LOCAL app.tenant_id = 'globex'")).1,
            'E'
        );
        fine(&wire.query("ROLLBACK"));
        // What must pass beside it.
        fine(&wire.query("SELECT current_setting('app.tenant_id')"));
        assert_eq!(column(&wire.query("SHOW app.tenant_id")), ["acme"]);
    }
}

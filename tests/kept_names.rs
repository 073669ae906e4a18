//! Where the pool follows the names of prepared statements, the one that sets the zone stays on the
//! server from one transaction to the next. Every transaction is in its zone all the same: on every
//! version of the stack, on whichever server connection it runs, whatever the client prepares and
//! deallocates.

mod support;

use support::fixture::ADMIN;
use support::message::{self, Message, column, extended, failed, fine, kinds};
use support::shared::VERSIONS;
use support::shop::{SEEN, acme, insert};
use support::{Stack, StackOptions, Transport, Wire, ways};

/// More transactions than it takes until the pool is asked.
const SOME: usize = 12;

fn start(number: usize) -> Stack {
    let (version, pooler) = VERSIONS[number];
    Stack::start(StackOptions {
        version,
        pooler,
        ..StackOptions::default()
    })
}

/// How many orders with this note there are, all of the one tenant.
#[track_caller]
fn written(stack: &Stack, note: &str, count: usize) {
    let sql = format!(
        "SELECT count(*), min(tenant_id), max(tenant_id) FROM orders WHERE note = '{note}'"
    );
    assert_eq!(stack.direct("shop", &sql), format!("{count}|acme|acme\n"));
}

/// Another server connection each time: the others of the pool are kept busy in turn.
fn everywhere(stack: &Stack) {
    let mut wires = [acme(stack), acme(stack), acme(stack)];
    for round in 0..2 * SOME {
        let busy = round % wires.len();
        fine(&wires[busy].query("BEGIN"));
        fine(&wires[busy].query(&insert("everywhere")));
        for at in (0..wires.len()).filter(|at| *at != busy) {
            for run in ways() {
                fine(&run(&mut wires[at], &insert("everywhere")));
                assert_eq!(column(&run(&mut wires[at], SEEN)), ["acme"]);
            }
        }
        fine(&wires[busy].query("COMMIT"));
    }
    written(stack, "everywhere", 2 * SOME * 5);
    let mut globex = Wire::login(&stack.login("shop_globex", "shop"));
    for _ in 0..2 * SOME {
        assert_eq!(column(&globex.query(SEEN)), ["globex"]);
    }
}

fn beside_what_the_client_deallocates(stack: &Stack) {
    let mut wire = acme(stack);
    for _ in 0..SOME {
        fine(&wire.query(&insert("before")));
    }
    for run in ways() {
        for _ in 0..3 {
            fine(&run(&mut wire, "DEALLOCATE ALL"));
            fine(&run(&mut wire, &insert("behind")));
            fine(&run(&mut wire, "BEGIN"));
            fine(&run(&mut wire, &insert("behind")));
            fine(&run(&mut wire, "DEALLOCATE ALL"));
            fine(&run(&mut wire, "COMMIT"));
            // All in one write: each waits for what the one before it has done.
            let once = [extended("DEALLOCATE ALL", &[]), message::sync()].concat();
            let then = [extended(&insert("behind"), &[]), message::sync()].concat();
            wire.send(&[&once[..], &then, &then].concat());
            for _ in 0..3 {
                fine(&wire.receive_until(b'Z'));
            }
            assert_eq!(failed(&run(&mut wire, "SELECT 1/0")), ("22012".into(), 'I'));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
        }
    }
    written(stack, "behind", 2 * 3 * 4);
}

/// The pool is set so that names are not followed, pushed out all the time, or discarded behind every
/// transaction.
#[test]
fn however_the_pool_is_set() {
    for setting in [
        "max_prepared_statements = 0",
        "max_prepared_statements = 1",
        "server_reset_query_always = 1",
    ] {
        let stack = Stack::start(StackOptions {
            version: VERSIONS[1].0,
            pooler: VERSIONS[1].1,
            pgbouncer: setting.into(),
            ..StackOptions::default()
        });
        everywhere(&stack);
        beside_what_the_client_deallocates(&stack);
    }
}

/// PgBouncer's own count of something for `shop`; none: it does not count that.
fn counted(stack: &Stack, what: &str) -> Option<u64> {
    let mut console = Wire::login(&stack.login_at(stack.transaction_port, ADMIN, "pgbouncer"));
    let answer = console.query("SHOW STATS_TOTALS");
    // A column is its name, NUL and 18 bytes.
    let mut names = Vec::new();
    let mut rest = &answer[0].body[2..];
    while let Some(end) = rest.iter().position(|byte| *byte == 0) {
        names.push(String::from_utf8_lossy(&rest[..end]).into_owned());
        rest = &rest[end + 1 + 18..];
    }
    let at = names.iter().position(|name| name == what)?;
    let rows = answer.iter().filter(|message| message.kind == b'D');
    let mut rows = rows.map(|row| row.row().into_iter().flatten().collect::<Vec<_>>());
    let shop = rows.find(|row| row[0] == "shop");
    let count = shop.expect("a row for the database")[at].parse();
    Some(count.expect("a number"))
}

/// The Parse messages of its clients.
fn parses(stack: &Stack) -> u64 {
    counted(stack, "client_parse_count").expect("it counts them")
}

/// A zone and ten parameters are one Bind more in each transaction, of a statement that is there, and never a
/// message more to wait for: as PgBouncer counts.
#[test]
fn a_zone_and_ten_parameters_cost_one_prefix_and_no_round_trip() {
    const TEN: &str = "SET idle_in_transaction_session_timeout = '60s'; SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'SQL'; \
        SET IntervalStyle = 'iso_8601'; SET statement_timeout = '50s'; SET lock_timeout = '40s'; SET work_mem = '3MB'; \
        SET jit = off; SET client_min_messages = warning; SET extra_float_digits = 0";
    for (number, versions) in VERSIONS.into_iter().enumerate() {
        let stack = start(number);
        let mut wire = acme(&stack);
        fine(&wire.query(TEN));
        let run = |wire: &mut Wire| {
            let bind = message::bind("", "own", &[Some("1")]);
            column(&wire.batch(&[bind, message::execute("", 0)].concat()))
        };
        let sql = "SELECT DISTINCT tenant_id || current_setting('work_mem') || $1 FROM orders";
        fine(&wire.batch(&message::parse("own", sql)));
        for _ in 0..SOME {
            assert_eq!(run(&mut wire), ["acme3MB1"]);
        }
        let all = ["xact_count", "query_count", "bind_count"];
        let now = || all.map(|what| counted(&stack, what));
        let before = now();
        for _ in 0..SOME {
            assert_eq!(run(&mut wire), ["acme3MB1"]);
        }
        let some = SOME as u64;
        let grown = [some, some, 2 * some];
        for ((what, now), (before, grown)) in
            all.iter().zip(now()).zip(before.into_iter().zip(grown))
        {
            // 1.18 counts no Bind.
            assert_eq!(now.is_some(), number > 0 || *what != "bind_count");
            let wanted = before.map(|it| it + grown);
            assert_eq!(now, wanted, "{what} behind {versions:?}");
        }
    }
}

/// One Parse per connection, not one per transaction.
#[test]
fn the_name_stays_where_the_pool_follows_it() {
    let stack = start(1);
    let mut wire = acme(&stack);
    for _ in 0..SOME {
        fine(&wire.query(&insert("kept")));
    }
    let before = parses(&stack);
    for _ in 0..SOME {
        fine(&wire.query(&insert("kept")));
    }
    assert_eq!(parses(&stack), before);
    // It is parsed again when it may be gone.
    fine(&wire.query("DEALLOCATE ALL"));
    fine(&wire.query(&insert("kept")));
    fine(&wire.query(&insert("kept")));
    assert_eq!(parses(&stack), before + 1);
    written(&stack, "kept", 2 * SOME + 2);
}

/// A client with parameters of its own has its statements followed, too, and each goes there once.
#[test]
fn what_a_client_prepares_under_its_parameters_is_followed() {
    let stack = start(1);
    let login = stack.login("shop_acme", "shop");
    let ours = [
        ("TimeZone", "Asia/Tokyo"),
        ("options", "-c IntervalStyle=iso_8601"),
    ];
    let mut wire = Wire::login_with(&login, Transport::SslRequest, &ours);
    let mut run = |text: &[u8]| {
        let bind = [message::bind("", "own", &[]), message::execute("", 0)].concat();
        wire.batch(&[text, &bind].concat())
    };
    let sql = "SELECT timestamptz '2026-06-01' AT TIME ZONE 'UTC' || ' ' || interval '1 day'";
    fine(&run(&message::parse("own", sql)));
    fine(&run(&[]));
    let before = parses(&stack);
    for _ in 0..SOME {
        assert_eq!(column(&run(&[])), ["2026-05-31 15:00:00 P1D"]);
    }
    assert_eq!(parses(&stack), before);
    // What stands behind its text moves no position, not even that of its end.
    let wrong = "SELECT 'é', nothing";
    let failed = run(&message::parse("wrong", wrong));
    let error = message::error(&failed).expect("an error");
    assert_eq!(error.field(b'P').as_deref(), Some("13"));
}

#[test]
fn every_transaction_is_in_its_zone_on_postgresql_15() {
    let stack = start(0);
    everywhere(&stack);
    beside_what_the_client_deallocates(&stack);
}

#[test]
fn every_transaction_is_in_its_zone_on_postgresql_17() {
    let stack = start(1);
    everywhere(&stack);
    beside_what_the_client_deallocates(&stack);
}

#[test]
fn every_transaction_is_in_its_zone_on_postgresql_18() {
    let stack = start(2);
    everywhere(&stack);
    beside_what_the_client_deallocates(&stack);
}

/// PgBouncer keeps what it follows on the server connection, under a name that can be guessed: run by
/// SQL, the statement that sets the zone would set any zone; and another could be put in its place.
#[test]
fn the_pools_names_are_out_of_reach_of_sql() {
    for number in 0..VERSIONS.len() {
        let stack = start(number);
        for transactions in [1, SOME] {
            let mut wire = acme(&stack);
            for _ in 0..transactions {
                fine(&wire.query(SEEN));
            }
            for sql in [
                "EXECUTE \"PGBOUNCER_1\"('{app.tenant_id}', '{globex}')",
                "EXPLAIN ANALYZE EXECUTE \"PGBOUNCER_1\"('{app.tenant_id}', '{globex}')",
                "SELECT 1; EXECUTE U&\"PGBOUNCER\\005f1\"('{app.tenant_id}', '{globex}')",
                "DEALLOCATE \"PGBOUNCER_1\"; SELECT 1",
                "PREPARE \"PGBOUNCER_1\" (text[], text[]) AS SELECT 1",
            ] {
                assert_eq!(failed(&wire.query(sql)), ("0A000".into(), 'I'), "{sql}");
                fine(&wire.query("BEGIN"));
                assert_eq!(column(&wire.query(SEEN)), ["acme"]);
                if !sql.contains(';') {
                    let answer = wire.batch(&extended(sql, &[]));
                    assert_eq!(failed(&answer), ("0A000".into(), 'E'), "{sql}");
                    fine(&wire.query("ROLLBACK"));
                    fine(&wire.query("BEGIN"));
                }
                assert_eq!(column(&wire.query(SEEN)), ["acme"], "behind {sql}");
                fine(&wire.query("COMMIT"));
            }
            // DEALLOCATE alone is about the client's own names.
            for sql in [
                "DEALLOCATE \"PGBOUNCER_1\"",
                "DEALLOCATE PREPARE U&\"PGBOUNCER\\005f1\"",
            ] {
                for run in ways() {
                    assert_eq!(failed(&run(&mut wire, sql)), ("26000".into(), 'I'), "{sql}");
                    assert_eq!(column(&wire.query(SEEN)), ["acme"], "behind {sql}");
                }
            }
            // What must pass beside it: the protocol's own statements, and clearing up.
            fine(&wire.query("DEALLOCATE ALL"));
            fine(&wire.query("EXPLAIN SELECT 1"));
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        }
    }
}

/// A statement prepared and run in one batch, whose Parse comes in a write of its own.
fn prepared_in_two_pieces(wire: &mut Wire, name: &str, sql: &str) -> Vec<Message> {
    let run = [
        message::bind("", name, &[]),
        message::describe(b'P', ""),
        message::execute("", 0),
        message::sync(),
    ];
    wire.send(&message::parse(name, sql));
    // Long enough for PgBouncer to read it; whether the answer comes already is its own matter.
    wire.is_quiet_for(std::time::Duration::from_millis(20));
    wire.send(&run.concat());
    wire.receive_until(b'Z')
}

/// A client's first transaction, on a server connection that has met its statements: PgBouncer answers
/// the Parse by itself, and a Close sooner. The prefix that closes its name does not stand between.
#[test]
fn a_statement_that_others_have_prepared_is_answered_in_order() {
    for number in 0..VERSIONS.len() {
        let stack = start(number);
        for round in 0..3 {
            let mut wire = acme(&stack);
            let mut run =
                |name: &str, sql: &str| fine(&prepared_in_two_pieces(&mut wire, name, sql));
            run("seen", SEEN);
            run("begin", "BEGIN");
            run("insert", &insert("known"));
            run("commit", "COMMIT");
            drop(wire);
            let mut wire = acme(&stack);
            let mut run =
                |name: &str, sql: &str| fine(&prepared_in_two_pieces(&mut wire, name, sql));
            run("begin", "BEGIN");
            run("insert", &insert("known"));
            run("commit", "COMMIT");
            written(&stack, "known", 2 * round + 2);
        }
    }
}

/// The same with statements that PostgreSQL does not analyze when it parses them: SET TRANSACTION could
/// still come between Parse and Bind, so the prefix stands ahead of Bind. (Ahead of Parse with SHOW: a
/// parameter that the server connection has never met cannot be shown.)
#[test]
fn an_utility_statement_that_others_have_prepared_is_answered_in_order() {
    const COPY: &str = "COPY (SELECT DISTINCT tenant_id FROM orders) TO STDOUT";
    const DECLARE: &str = "DECLARE seen CURSOR FOR SELECT DISTINCT tenant_id FROM orders";
    for number in 0..VERSIONS.len() {
        let stack = start(number);
        for first in [
            "SHOW app.tenant_id",
            COPY,
            DECLARE,
            "SAVEPOINT one",
            "SELECT 1",
        ] {
            for _ in 0..3 {
                let mut wire = acme(&stack);
                let mut run = |name: &str, sql: &str| {
                    let answer = prepared_in_two_pieces(&mut wire, name, sql);
                    fine(&answer);
                    answer
                };
                if first != DECLARE && first != "SAVEPOINT one" {
                    run("alone", first);
                }
                run("begin", "BEGIN");
                let answer = run("first", first);
                if first == COPY {
                    let rows = answer.iter().filter(|it| it.kind == b'd');
                    let rows: Vec<_> = rows.map(|it| it.body.as_slice()).collect();
                    assert_eq!(rows, [b"acme\n"]);
                }
                if first == DECLARE {
                    assert_eq!(column(&run("fetch", "FETCH ALL FROM seen")), ["acme"]);
                }
                assert_eq!(column(&run("seen", SEEN)), ["acme"]);
                run("commit", "COMMIT");
            }
        }
    }
}

/// The same in one batch that comes in two reads.
#[test]
fn what_others_have_prepared_is_answered_in_order_within_a_batch() {
    let two = |first: &str| {
        let each = |(name, sql): (&str, &str)| {
            [
                message::parse(name, sql),
                message::bind("", name, &[]),
                message::execute("", 0),
            ]
            .concat()
        };
        let end = [
            each(("seen", SEEN)),
            each(("commit", "COMMIT")),
            message::sync(),
        ];
        let begin = [each(("begin", "BEGIN")), message::parse("first", first)];
        let run = [message::bind("", "first", &[]), message::execute("", 0)];
        [begin.concat(), [run.concat(), end.concat()].concat()]
    };
    for number in 0..VERSIONS.len() {
        let stack = start(number);
        for first in ["SHOW app.tenant_id", "SAVEPOINT one", "SELECT 1"] {
            for _ in 0..3 {
                let mut wire = acme(&stack);
                let [one, other] = two(first);
                wire.send(&one);
                wire.is_quiet_for(std::time::Duration::from_millis(20));
                wire.send(&other);
                let answer = wire.receive_until(b'Z');
                assert_eq!(fine(&answer), 'I');
                assert!(column(&answer).contains(&"acme".to_owned()), "{first}");
            }
        }
    }
}

/// The same behind the Parse of a statement that needs no zone: the prefix of the next one is not sent ahead of its answer.
#[test]
fn a_statement_without_a_zone_is_answered_before_the_next_ones_prefix() {
    for number in 0..VERSIONS.len() {
        let stack = start(number);
        for first in ["COMMIT", "SET LOCAL statement_timeout = '9s'", "ROLLBACK"] {
            let mut known = acme(&stack);
            fine(
                &known.batch(&[message::parse("one", first), message::parse("two", SEEN)].concat()),
            );
            drop(known);
            for _ in 0..20 {
                let mut wire = acme(&stack);
                let sent = [
                    message::parse("one", first),
                    message::parse("two", SEEN),
                    message::bind("", "two", &[]),
                    message::execute("", 0),
                ];
                let answer = wire.batch(&sent.concat());
                assert_eq!(
                    (kinds(&answer).as_str(), fine(&answer)),
                    ("112DCZ", 'I'),
                    "{first}"
                );
                assert_eq!(column(&answer), ["acme"]);
            }
        }
    }
}

/// A server connection that has lost what PgBouncer takes it to have is out of service for nobody.
#[test]
fn what_a_server_connection_has_lost_unseen_is_prepared_anew() {
    let (version, pooler) = VERSIONS[1];
    let stack = Stack::start(StackOptions {
        version,
        pooler,
        pool_size: 1,
        ..StackOptions::default()
    });
    stack.direct(
        "shop",
        "CREATE TABLE late (id int PRIMARY KEY, up int REFERENCES late DEFERRABLE INITIALLY DEFERRED); \
         GRANT ALL ON late TO PUBLIC",
    );
    let mut early = acme(&stack);
    let mut sets = acme(&stack);
    for _ in 0..SOME {
        fine(&early.query(&insert("early")));
        fine(&sets.query("SET work_mem = '1MB'"));
        fine(&sets.query(SEEN));
    }
    for _ in 0..3 {
        // The commit fails behind it, so that PgBouncer hears of no DEALLOCATE ALL.
        let lost = "INSERT INTO late VALUES (1, 99); DEALLOCATE ALL";
        assert_eq!(failed(&acme(&stack).query(lost)).0, "23503");
        // Who relies on a name learns of it once.
        early.query(SEEN);
        sets.query(SEEN);
        for run in ways() {
            for wire in [&mut early, &mut acme(&stack)] {
                assert_eq!(column(&run(wire, SEEN)), ["acme"]);
            }
            fine(&run(&mut sets, "SET work_mem = '2MB'"));
            assert_eq!(column(&run(&mut sets, "SHOW work_mem")), ["2MB"]);
        }
    }
}

//! PgBouncer is told to PAUSE, RECONNECT or KILL while clients are in the middle of something, and limits
//! of time run out: through Portcullis a client is told what PgBouncer tells it, once, or goes on where
//! PgBouncer would have let it go; it never hangs and never gets another's answer. (Restarts, and what a
//! lost server connection does: `loss`.) The pool has one connection.

mod support;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use support::fixture::ADMIN;
use support::message::{self, Message, column, extended, failed, fine, kinds};
use support::pool::start_again;
use support::process::wait_until;
use support::{NEW, OLD, PoolMode, Pooler, Shared, Stack, StackOptions, Transport, Version, Wire};

const VERSIONS: [(Version, Pooler); 2] = [OLD, NEW];

fn start((version, pooler): (Version, Pooler), pgbouncer: &str) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        pool_size: 1,
        pgbouncer: pgbouncer.into(),
        ..StackOptions::default()
    })
}

fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: [Shared; 2] = [const { Shared::new() }; 2];
    let start = |(shared, versions): (&Shared, _)| {
        let (version, pooler) = versions;
        shared.get(|| StackOptions {
            version,
            pooler,
            pool_size: 1,
            ..StackOptions::default()
        })
    };
    STACKS.iter().zip(VERSIONS).map(start).collect()
}

/// What one test does to a pool another would feel.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    PgBouncer,
    Portcullis,
}

const BOTH: [At; 2] = [At::PgBouncer, At::Portcullis];

fn client(stack: &Stack, at: At, (user, database): (&str, &str)) -> Wire {
    let (port, transport) = match at {
        At::PgBouncer => (stack.transaction_port, Transport::Plain),
        At::Portcullis => (stack.port, Transport::SslRequest),
    };
    let named = [("application_name", "interrupted")];
    Wire::login_with(&stack.login_at(port, user, database), transport, &named)
}

fn console(stack: &Stack) -> Wire {
    let login = stack.login_at(stack.transaction_port, ADMIN, "pgbouncer");
    Wire::login_with(&login, Transport::Plain, &[])
}

const LOGINS: [(&str, &str); 2] = [("shop_plain", "app"), ("shop_acme", "shop")];

/// What a client is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Middle {
    Nothing,
    Transaction,
    FailedTransaction,
    /// Messages without Sync.
    Batch,
    /// A statement runs, and a batch is sent behind it.
    Pipeline,
}

const MIDDLES: [Middle; 5] = [
    Middle::Nothing,
    Middle::Transaction,
    Middle::FailedTransaction,
    Middle::Batch,
    Middle::Pipeline,
];

fn enter(stack: &Stack, wire: &mut Wire, middle: Middle) {
    fine(&wire.query("SELECT 1"));
    match middle {
        Middle::Nothing => {}
        Middle::Transaction => {
            fine(&wire.query("BEGIN"));
            fine(&wire.query("SELECT 1"));
        }
        Middle::FailedTransaction => {
            fine(&wire.query("BEGIN"));
            failed(&wire.query("SELECT 1/0"));
        }
        Middle::Batch => {
            wire.send(&[extended("SELECT 1", &[]), message::flush()].concat());
            assert_eq!(column(&wire.receive_until(b'C')), ["1"]);
        }
        Middle::Pipeline => {
            let one = |sql| [extended(sql, &[]), message::sync()].concat();
            wire.send(&[one("SELECT pg_sleep(600)"), one("SELECT 'behind'")].concat());
            stack.wait_for_sleepers(1);
        }
    }
}

/// Ends it in good order: the answers, up to idle.
fn finish(wire: &mut Wire, cancelled: bool, middle: Middle) {
    match middle {
        Middle::Nothing => {}
        Middle::Transaction | Middle::FailedTransaction => {
            assert_eq!(fine(&wire.query("COMMIT")), 'I');
        }
        Middle::Batch => assert_eq!(kinds(&wire.batch(&[])), "Z"),
        Middle::Pipeline => {
            assert!(cancelled);
            assert_eq!(failed(&wire.receive_until(b'Z')), ("57014".into(), 'I'));
            assert_eq!(column(&wire.receive_until(b'Z')), ["behind"]);
        }
    }
}

fn cancel(stack: &Stack, at: At, wire: &Wire) {
    let mut request = Wire::open(match at {
        At::PgBouncer => stack.transaction_port,
        At::Portcullis => stack.port,
    });
    request.send(&message::cancel(&wire.cancel_key));
    // PgBouncer 1.18 may end over a request whose client does not wait.
    assert_eq!(request.receive_to_end(), []);
}

/// The one error that a client is told before the end.
#[track_caller]
fn told_once(messages: &[Message]) -> String {
    assert_eq!(kinds(messages), "E");
    messages[0].sqlstate()
}

const PID: &str = "SELECT pg_backend_pid()";

#[test]
fn reconnect_lets_everybody_finish() {
    let _alone = alone();
    for stack in stacks() {
        for (at, middle) in BOTH
            .into_iter()
            .flat_map(|at| MIDDLES.map(|middle| (at, middle)))
        {
            for login in LOGINS {
                let mut wire = client(&stack, at, login);
                let pid = column(&wire.query(PID));
                enter(&stack, &mut wire, middle);
                fine(&console(&stack).query("RECONNECT"));
                if middle == Middle::Pipeline {
                    cancel(&stack, at, &wire);
                }
                finish(&mut wire, true, middle);
                assert_ne!(column(&wire.query(PID)), pid, "{at:?} {middle:?}");
            }
        }
    }
}

#[test]
fn pause_waits_for_everybody_and_makes_the_next_wait() {
    let _alone = alone();
    for stack in stacks() {
        for (at, middle) in BOTH
            .into_iter()
            .flat_map(|at| MIDDLES.map(|middle| (at, middle)))
        {
            let mut wire = client(&stack, at, LOGINS[0]);
            let mut prepared = client(&stack, at, LOGINS[1]);
            fine(&prepared.query("SET application_name = 'kept'"));
            enter(&stack, &mut wire, middle);
            let mut pausing = console(&stack);
            pausing.send(&message::query("PAUSE"));
            let behind = middle == Middle::Pipeline;
            if behind {
                // PgBouncer that pauses passes no request to cancel on.
                let end = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
                stack.direct("postgres", end);
                assert_eq!(failed(&wire.receive_until(b'Z')).0, "57014");
            } else {
                finish(&mut wire, false, middle);
            }
            fine(&pausing.receive_until(b'Z'));
            // Nobody gets a server now; what was sent behind a statement may have been run with it.
            if !behind {
                wire.send(&message::query("SELECT 'behind'"));
            }
            prepared.send(&message::query("SHOW application_name"));
            wait_until("both wait", || {
                let answer = pausing.query("SHOW CLIENTS");
                let rows = answer.iter().filter(|it| it.kind == b'D').map(Message::row);
                let waiting = rows
                    .filter(|row| row.contains(&Some("waiting".into())))
                    .count();
                waiting > usize::from(!behind)
            });
            fine(&pausing.query("RESUME"));
            assert_eq!(
                column(&wire.receive_until(b'Z')),
                ["behind"],
                "{at:?} {middle:?}"
            );
            assert_eq!(column(&prepared.receive_until(b'Z')), ["kept"]);
            fine(&wire.query("SELECT 1"));
        }
    }
}

#[test]
fn kill_is_told_once_and_whoever_was_idle_goes_on() {
    let _alone = alone();
    for stack in stacks() {
        for middle in MIDDLES {
            for login in LOGINS {
                let told = BOTH.map(|at| {
                    let mut wire = client(&stack, at, login);
                    enter(&stack, &mut wire, middle);
                    let mut console = console(&stack);
                    fine(&console.query(&format!("KILL {}", login.1)));
                    fine(&console.query(&format!("RESUME {}", login.1)));
                    // What ran is not cancelled by PgBouncer; it must not be taken for the next one's.
                    stack.direct(
                        "postgres",
                        "SELECT pg_terminate_backend(pid, 20000) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
                    );
                    if (at, middle) == (At::Portcullis, Middle::Nothing) {
                        assert_eq!(column(&wire.query("SELECT 'on'")), ["on"]);
                        return None;
                    }
                    Some(told_once(&wire.receive_to_end()))
                });
                let [pgbouncer, portcullis] = told;
                assert!(pgbouncer.is_some(), "{middle:?}");
                if middle != Middle::Nothing {
                    assert_eq!(portcullis, pgbouncer, "{middle:?}");
                }
                let mut next = client(&stack, At::Portcullis, login);
                assert_eq!(column(&next.query("SELECT 'next'")), ["next"]);
            }
        }
    }
}

#[test]
fn a_server_connection_that_is_old_enough_is_another_one() {
    for version in VERSIONS {
        let stack = start(version, "server_lifetime = 1");
        let mut wire = client(&stack, At::Portcullis, LOGINS[1]);
        fine(&wire.query("SET work_mem = '1MB'"));
        fine(&wire.batch(&message::parse(
            "s",
            "SELECT DISTINCT tenant_id || $1 FROM orders",
        )));
        let mut pids = vec![column(&wire.query(PID))];
        wait_until("three server connections were met", || {
            let run = [
                message::bind("", "s", &[Some("!")]),
                message::execute("", 0),
            ]
            .concat();
            assert_eq!(column(&wire.batch(&run)), ["acme!"]);
            assert_eq!(column(&wire.query("SHOW work_mem")), ["1MB"]);
            // Not while a transaction is open.
            fine(&wire.query("BEGIN"));
            let pid = column(&wire.query(PID));
            assert_eq!(column(&wire.query(PID)), pid);
            fine(&wire.query("COMMIT"));
            if !pids.contains(&pid) {
                pids.push(pid);
            }
            pids.len() >= 3
        });
    }
}

#[test]
fn a_server_connection_that_ended_is_another_one() {
    let _alone = alone();
    for stack in stacks() {
        for at in BOTH {
            let mut wire = client(&stack, at, LOGINS[0]);
            let pid = column(&wire.query(PID));
            stack.direct(
                "postgres",
                &format!("SELECT pg_terminate_backend({}, 20000)", pid[0]),
            );
            // PgBouncer has seen it when it has read the server's last words.
            wait_until("the pool knows", || {
                let rows = console(&stack).query("SHOW SERVERS");
                !rows
                    .iter()
                    .any(|it| it.kind == b'D' && it.row().contains(&Some(pid[0].clone())))
            });
            assert_ne!(column(&wire.query(PID)), pid, "{at:?}");
        }
    }
}

#[test]
fn a_restart_ends_the_clients_of_pgbouncer_and_not_those_of_portcullis() {
    for (version, pooler) in VERSIONS {
        let mut stack = start((version, pooler), "");
        let [mut alone, mut through] = BOTH.map(|at| client(&stack, at, LOGINS[0]));
        fine(&alone.query("SELECT 1"));
        fine(&through.query("SET work_mem = '1MB'"));
        stack.transaction.end();
        let (mode, port) = (PoolMode::Transaction, stack.transaction_port);
        stack.transaction = start_again(stack.directory(), pooler, mode, port);
        assert_eq!(alone.receive_to_end(), []);
        assert_eq!(column(&through.query("SHOW work_mem")), ["1MB"]);
    }
}

/// The words of the answers, without the places in PostgreSQL's source.
fn words(messages: &[Message]) -> Vec<String> {
    let word = |message: &Message| match message.kind {
        b'E' | b'N' => [b'V', b'C', b'M']
            .map(|it| message.field(it).unwrap_or_default())
            .join(" "),
        kind => char::from(kind).to_string(),
    };
    messages
        .iter()
        .filter(|it| it.kind != b'S')
        .map(word)
        .collect()
}

/// Limits of PostgreSQL's: what ends, and how it is told, is what it is through PgBouncer alone.
#[test]
fn limits_of_the_server_are_told_as_through_pgbouncer() {
    let _alone = alone();
    for stack in stacks() {
        stack.direct(
            "app",
            "CREATE TABLE IF NOT EXISTS taken (id int); GRANT ALL ON taken TO shop_plain",
        );
        for simple in [true, false] {
            let by = |wire: &mut Wire, sql: &str| match simple {
                true => wire.query(sql),
                false => wire.batch(&extended(sql, &[])),
            };
            let told = BOTH.map(|at| {
                let mut wire = client(&stack, at, LOGINS[0]);
                let mut told = Vec::new();
                let mut say = |wire: &mut Wire, sql: &str| told.extend(words(&by(wire, sql)));
                // Ends the statement; outside and inside of a transaction.
                for around in [["", ""], ["BEGIN", "ROLLBACK"]] {
                    if !around[0].is_empty() {
                        say(&mut wire, around[0]);
                    }
                    say(&mut wire, "SET statement_timeout = 100");
                    say(&mut wire, "SELECT pg_sleep(600)");
                    if !around[1].is_empty() {
                        say(&mut wire, around[1]);
                    }
                    say(&mut wire, "SET statement_timeout = 0");
                    say(&mut wire, "SELECT 'goes on'");
                }
                // Ends the transaction's wait for a lock.
                let holder = "BEGIN; LOCK TABLE taken; SELECT pg_sleep(600)";
                let login = stack.login_at(stack.cluster.port, "shop_plain", "app");
                let mut other = Wire::login_with(&login, Transport::Plain, &[]);
                other.send(&message::query(holder));
                stack.wait_for_sleepers(1);
                say(&mut wire, "BEGIN");
                say(&mut wire, "SET LOCAL lock_timeout = 100");
                say(&mut wire, "INSERT INTO taken VALUES (1)");
                say(&mut wire, "ROLLBACK");
                Wire::open(stack.cluster.port).send(&message::cancel(&other.cancel_key));
                failed(&other.receive_until(b'Z'));
                drop(other);
                // Ends the connection.
                say(&mut wire, "BEGIN");
                say(
                    &mut wire,
                    "SET LOCAL idle_in_transaction_session_timeout = 100",
                );
                told.extend(words(&wire.receive_to_end()));
                told
            });
            let [pgbouncer, portcullis] = told;
            assert!(
                pgbouncer.iter().any(|it| it.contains("57014")),
                "{pgbouncer:?}"
            );
            assert!(
                pgbouncer.iter().any(|it| it.contains("55P03")),
                "{pgbouncer:?}"
            );
            assert!(
                portcullis.last().is_some_and(|it| it.contains("25P03")),
                "{portcullis:?}"
            );
            // PgBouncer adds an error of its own to the server's FATAL.
            let last = pgbouncer.len().min(portcullis.len());
            assert_eq!(portcullis, pgbouncer[..last], "{simple}");
        }
    }
}

/// Nobody gives the only connection back.
#[test]
fn a_full_pool_is_told_as_by_pgbouncer_and_the_next_finds_it_free() {
    for version in VERSIONS {
        let stack = start(version, "query_wait_timeout = 1");
        let mut holder = client(&stack, At::PgBouncer, LOGINS[0]);
        let waiting = |sent: &[u8]| {
            let told = BOTH.map(|at| {
                let mut wire = client(&stack, at, LOGINS[0]);
                wire.send(sent);
                words(&wire.receive_to_end())
            });
            let [pgbouncer, portcullis] = told;
            assert_eq!(pgbouncer.len(), 1, "{pgbouncer:?}");
            assert_eq!(portcullis, pgbouncer);
        };
        // Somebody was let in before.
        drop(client(&stack, At::Portcullis, LOGINS[0]));
        fine(&holder.query("BEGIN"));
        fine(&holder.query("SELECT 1"));
        waiting(&message::query("SELECT 1"));
        waiting(&[extended("SELECT 1", &[]), message::sync()].concat());
        waiting(&message::query("BEGIN"));
        fine(&holder.query("COMMIT"));
        let mut wire = client(&stack, At::Portcullis, LOGINS[0]);
        assert_eq!(column(&wire.query("SELECT 'free'")), ["free"]);
    }
}

/// PostgreSQL answers what was sent before the client ended its side of the connection. Behind PgBouncer and
/// Portcullis it is gone, since one that is gone looks no different; what runs for it is not waited for.
#[test]
fn who_has_ended_his_side_is_gone() {
    const WAIT: &str = "SELECT 'late' FROM pg_advisory_xact_lock(72707370)";
    const WAITING: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707370 AND NOT granted";
    for stack in stacks() {
        let _alone = alone();
        let direct = stack.login_at(stack.cluster.port, "shop_plain", "app");
        let waits = |count: &str| {
            wait_until("they wait for the lock", || {
                stack.direct("app", WAITING).trim() == count
            });
        };
        let hold = || {
            let mut holder = Wire::login_with(&direct, Transport::Plain, &[]);
            fine(&holder.query("BEGIN"));
            fine(&holder.query(WAIT));
            holder
        };
        let ask = |wire: &mut Wire| {
            wire.send(&message::query(WAIT));
            waits("1");
            let ended = wire.tcp().shutdown(std::net::Shutdown::Write);
            ended.expect("end the sending side");
        };
        let mut holder = hold();
        let mut wire = Wire::login_with(&direct, Transport::Plain, &[]);
        ask(&mut wire);
        fine(&holder.query("COMMIT"));
        assert_eq!(column(&wire.receive_until(b'Z')), ["late"]);

        for at in BOTH {
            let mut holder = hold();
            let mut wire = client(&stack, at, LOGINS[0]);
            ask(&mut wire);
            let told = wire.receive_to_end();
            assert!(!kinds(&told).contains('D'), "{at:?}: {told:?}");
            fine(&holder.query("COMMIT"));
            waits("0");
            let mut next = client(&stack, at, LOGINS[0]);
            assert_eq!(column(&next.query("SELECT 'next'")), ["next"]);
        }
    }
}

//! What must pass: rows arrive as on a direct connection, and a stream ends as it should.

use super::fixture::*;
use super::support::cancel::cancel_from;
use super::support::message::{self, column, fine, kinds};
use super::support::process::wait_until;
use super::support::{Stack, Wire};

fn insert(stack: &Stack, first: u32, count: u32) {
    let last = first + count - 1;
    stack.direct(
        "app",
        &format!("DELETE FROM plain; INSERT INTO plain SELECT i, 'row ' || i FROM generate_series({first}, {last}) i"),
    );
}

#[test]
fn pg_recvlogical_gets_the_rows_that_it_gets_from_postgresql() {
    for stack in stacks().iter() {
        let through = stack.login("open_cdc", "app");
        let straight = direct(stack, "open_cdc");
        for (login, slot) in [(&through, "recv_through"), (&straight, "recv_straight")] {
            let create = ["--slot", slot, "--create-slot", "--plugin", "test_decoding"];
            pg_recvlogical(login, &create).ok();
        }
        insert(stack, 1, 500);
        let end = stack.direct("app", "SELECT pg_current_wal_insert_lsn()");
        let rows =
            [(&through, "recv_through"), (&straight, "recv_straight")].map(|(login, slot)| {
                let start = ["--slot", slot, "--start", "--endpos", end.trim(), "-f", "-"];
                let out =
                    pg_recvlogical(login, &[&start[..], &["-o", "include-xids=off"]].concat()).ok();
                pg_recvlogical(login, &["--slot", slot, "--drop-slot"]).ok();
                assert!(!exists(stack, slot));
                out
            });
        assert_eq!(rows[0], rows[1]);
        assert!(rows[0].contains("note[text]:'row 500'"), "{}", rows[0]);
    }
}

#[test]
fn psycopg2_streams_pgoutput_as_from_postgresql() {
    for stack in stacks().iter() {
        psycopg2_streams(stack);
    }
}

#[test]
fn a_stream_carries_both_ways_and_ends_in_order() {
    for stack in stacks().iter() {
        let mut wire = walsender(&cdc(stack));
        let create = "CREATE_REPLICATION_SLOT cdc_wire LOGICAL pgoutput (SNAPSHOT 'nothing')";
        let answer = match stack.direct("app", "SHOW server_version").starts_with("15") {
            true => {
                wire.query("CREATE_REPLICATION_SLOT cdc_wire LOGICAL pgoutput NOEXPORT_SNAPSHOT")
            }
            false => wire.query(create),
        };
        assert_eq!(kinds(&answer), "TDCZ", "{answer:?}");
        insert(stack, 1, 3);
        wire.send(&start("cdc_wire", "cdc_pub"));
        assert_eq!(wire.receive().map(|message| message.kind), Some(b'W'));
        let rows = receive_rows(&mut wire, 3);
        assert!(inserted(&rows)[2].contains("row 3"));
        // A standby status update that asks for an answer.
        let mut status = vec![b'r'];
        status.extend([0; 32]);
        status.push(1);
        wire.send(&message::copy_data(&status));
        loop {
            let message = wire.receive().expect("an answer");
            if message.kind == b'd' && message.body[0] == b'k' {
                break;
            }
        }
        wire.send(&message::copy_done());
        let answer = wire.receive_until(b'Z');
        let ends = kinds(&answer).replace('d', "");
        assert!(["cCZ", "cCCZ"].contains(&ends.as_str()), "{ends}");
        // It goes on as before.
        assert_eq!(kinds(&wire.query("IDENTIFY_SYSTEM")), "TDCZ");
        assert_eq!(
            column(&wire.query("SELECT count(*) FROM public.plain")),
            ["3"]
        );
        fine(&wire.query("DROP_REPLICATION_SLOT cdc_wire WAIT"));
        assert!(!exists(stack, "cdc_wire"));
        let (_, metrics) = stack.http_get("/metrics");
        let counted = |line: &str| {
            line.contains("statements_total{") && line.contains("class=\"replication\"")
        };
        assert!(metrics.lines().any(counted), "{metrics}");
    }
}

/// A stream from this slot that has begun.
fn begun(stack: &Stack, slot: &Slot<'_>) -> Wire {
    let mut wire = walsender(&cdc(stack));
    wire.send(&start(slot.name, "cdc_pub"));
    assert_eq!(wire.receive().map(|message| message.kind), Some(b'W'));
    wait_until("the slot is used", || slot.is_active());
    wire
}

#[test]
fn a_client_that_is_gone_releases_its_slot() {
    for stack in stacks().iter() {
        let slot = Slot::new(stack, "cdc_gone", "pgoutput");
        drop(begun(stack, &slot));
        wait_until("the slot is free", || !slot.is_active());
        let mut wire = begun(stack, &slot);
        wire.send(&message::terminate());
        wait_until("the slot is free", || !slot.is_active());
        assert!(
            wire.receive_to_end()
                .iter()
                .all(|message| message.kind == b'd')
        );
    }
}

#[test]
fn a_client_that_reads_nothing_is_waited_for_in_bounded_memory() {
    let stacks = stacks();
    let stack = &stacks[0];
    let slot = Slot::new(stack, "cdc_slow", "pgoutput");
    let pid = stack.proxy.as_ref().expect("Portcullis").pid();
    let mut wire = begun(stack, &slot);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS"));
        let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
        number.expect("a number of kB")
    };
    let before = resident();
    // 30 MB, of which nobody reads any before PostgreSQL itself has to wait.
    stack.direct(
        "app",
        "DELETE FROM plain; INSERT INTO plain SELECT i, repeat('x', 60000) FROM generate_series(1, 500) i",
    );
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'
                 AND wait_event IN ('WalSenderWriteData', 'ClientWrite')";
    wait_until("the walsender waits", || {
        stack.direct("app", waits) == "1\n"
    });
    let rows = receive_rows(&mut wire, 500);
    assert_eq!(inserted(&rows).len(), 500);
    let grown = resident().saturating_sub(before);
    assert!(grown < 10_000, "{grown} kB");
}

#[test]
fn cancel_ends_what_runs() {
    for stack in stacks().iter() {
        let slot = Slot::new(stack, "cdc_cancel", "pgoutput");
        let mut wire = begun(stack, &slot);
        let key = wire.cancel_key.clone();
        cancel_from([127, 0, 0, 1], stack.port, &key);
        let answer = wire.receive_until(b'Z');
        assert_eq!(
            message::error(&answer).expect("an error").sqlstate(),
            "57014"
        );
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    }
}

#[test]
fn a_walsender_takes_sql_in_transactions_and_refusals_abort_them() {
    for stack in stacks().iter() {
        let mut wire = walsender(&cdc(stack));
        assert_eq!(
            fine(&wire.query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ")),
            'T'
        );
        assert_eq!(
            column(&wire.query("SELECT count(*) >= 0 FROM public.plain")),
            ["t"]
        );
        let answer = wire.query("SELECT * FROM public.secret");
        assert_eq!(message::failed(&answer), ("42501".into(), 'E'));
        let answer = wire.query("SELECT 1");
        assert_eq!(message::failed(&answer), ("25P02".into(), 'E'));
        assert_eq!(fine(&wire.query("ROLLBACK")), 'I');
        // As PostgreSQL answers it.
        let answer = wire.batch(&message::extended("SELECT 1", &[]));
        assert_eq!(message::failed(&answer), ("08P01".into(), 'I'));
        assert_eq!(column(&wire.query("SELECT 1")), ["1"]);
    }
}

#[test]
fn an_ordinary_connection_of_the_login_reads_for_its_snapshot() {
    for stack in stacks().iter() {
        insert(stack, 1, 2);
        let mut wire = Wire::login(&cdc(stack));
        let ordinary = [
            "SELECT note FROM public.plain ORDER BY id",
            "SELECT count(*) FROM plain",
            "SELECT slot_name, plugin FROM pg_replication_slots",
            "SELECT COUNT(1) FROM pg_publication WHERE pubname = 'cdc_pub'",
            "SELECT * FROM pg_catalog.pg_publication_tables",
            "SELECT c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LIMIT 1",
            "SELECT table_name FROM information_schema.tables LIMIT 1",
            "SELECT pg_current_wal_lsn(), current_database(), version()",
            "SHOW wal_level",
            "SET statement_timeout = '1min'",
            "BEGIN",
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            "DECLARE c CURSOR FOR SELECT * FROM public.plain",
            "FETCH ALL FROM c",
            "COMMIT",
            "COPY public.plain TO STDOUT",
            "RESET ALL",
        ];
        for sql in ordinary {
            let answer = wire.query(sql);
            assert!(message::error(&answer).is_none(), "{sql}: {answer:?}");
        }
        let batch = message::extended("SELECT note FROM public.plain WHERE id = $1", &[Some("2")]);
        assert_eq!(column(&wire.batch(&batch)), ["row 2"]);
    }
}

#[test]
fn a_drain_ends_streams_at_once_and_a_reload_those_it_concerns() {
    let stack = Stack::start(options());
    let slot = Slot::new(&stack, "cdc_drain", "pgoutput");
    let mut wire = begun(&stack, &slot);
    let policy = stack.policy();
    let proxy = stack.proxy.as_ref().expect("Portcullis");
    let rewrite = |policy: &str| {
        super::support::files::write_secret(&stack.file("policy.toml"), policy);
        proxy.signal(rustix::process::Signal::HUP);
    };
    // What concerns others leaves the stream alone.
    rewrite(&policy.replace("noun = \"tenant\"", "noun = \"customer\""));
    stack.logged(&["customer"]);
    insert(&stack, 1, 1);
    assert_eq!(inserted(&receive_rows(&mut wire, 1)).len(), 1);
    rewrite(&policy.replace("publications = [\"cdc_pub\"]", "publications = [\"other\"]"));
    let told = wire.receive_to_end();
    let told = told.last().expect("a last word");
    assert_eq!(told.sqlstate(), "57P01", "{told:?}");
    wait_until("the slot is free", || !slot.is_active());

    rewrite(&policy);
    stack.logged(&["\"policy\":\"4-"]);
    let mut wire = begun(&stack, &slot);
    proxy.signal(rustix::process::Signal::TERM);
    let told = wire.receive_to_end();
    assert_eq!(told.last().expect("a last word").sqlstate(), "57P01");
    wait_until("the slot is free", || !slot.is_active());
}

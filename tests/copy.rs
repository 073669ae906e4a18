//! COPY through Portcullis as drivers do it.

mod support;

use support::{NEW, OLD, Stack, StackOptions, Wire, message};

/// libpq sends Sync only once the data are through; tokio-postgres and Npgsql send it right behind
/// Execute, where the server, being in COPY mode, ignores it: two Syncs, one ReadyForQuery.
#[test]
fn a_sync_behind_execute_of_copy_from_stdin_is_ignored_by_the_server() {
    for (version, pooler) in [OLD, NEW] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..StackOptions::default()
        });
        let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
        wire.send(&message::extended(
            "COPY imports (id, note) FROM STDIN",
            &[],
        ));
        wire.send(&message::sync());
        let start = wire.receive_until(b'G');
        assert_eq!(message::kinds(&start), "12G", "{version:?}: {start:?}");

        wire.send(&message::copy_data(b"1\tone\n2\ttwo\n"));
        wire.send(&message::copy_done());
        wire.send(&message::sync());
        let end = wire.receive_until(b'Z');
        assert_eq!(message::kinds(&end), "CZ", "{version:?}: {end:?}");
        assert_eq!(end[0].tag(), "COPY 2");

        assert_eq!(
            message::column(&wire.query("SELECT count(*) FROM imports")),
            ["2"]
        );
        assert_eq!(stack.direct("shop", "SELECT count(*) FROM imports"), "2\n");
    }
}

/// Everything in one segment, with a statement behind the COPY in the same batch.
#[test]
fn a_whole_copy_may_come_in_one_batch() {
    let stack = Stack::start(StackOptions::default());
    let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
    let batch = [
        message::extended("COPY imports (id, note) FROM STDIN", &[]),
        message::copy_data(b"1\tone\n"),
        message::copy_done(),
        message::extended("SELECT count(*) FROM imports", &[]),
    ];
    let answer = wire.batch(&batch.concat());
    assert_eq!(message::kinds(&answer), "12GC12DCZ", "{answer:?}");
    assert_eq!(message::column(&answer), ["1"]);
    assert_eq!(stack.direct("shop", "SELECT count(*) FROM imports"), "1\n");
}

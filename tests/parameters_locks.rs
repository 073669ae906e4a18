//! LOCK and SET CONSTRAINTS depend on what a client has set, and must not take a snapshot before they run.

mod support;

mod parameters {
    pub mod pair;
    pub mod scripts;
}

use std::sync::{Mutex, MutexGuard, PoisonError};

use parameters::pair::Step;
use parameters::scripts::{same, stacks};
use support::message::{failed, fine};
use support::process::wait_until;
use support::wire::ways;
use support::{Stack, Transport, Wire};

use Step::{Batch, Query, Simple};

/// LOCK and SET CONSTRAINTS take no snapshot, and still depend on what the client has set.
#[test]
fn what_is_named_right_behind_begin_is_looked_for_along_the_search_path() {
    let _alone = alone();
    let paths = [
        "SET search_path = nowhere",
        "SET search_path = nowhere, public",
    ];
    let texts = [
        "LOCK TABLE orders IN ACCESS SHARE MODE",
        "SET CONSTRAINTS orders_pkey DEFERRED",
        "SET CONSTRAINTS ALL DEFERRED",
    ];
    for path in paths {
        for text in texts {
            let show = Query("SHOW search_path");
            let begun = [Query(path), Query("BEGIN"), Query(text), Query("ROLLBACK")];
            // Unanswered, and perhaps committed by then.
            let pipelined = ["COMMIT", "COMMIT AND CHAIN"].map(|commit| {
                let begin = ["BEGIN", "SAVEPOINT x"][usize::from(commit.ends_with("CHAIN"))];
                Batch(vec!["BEGIN", path, commit, begin, text].leak())
            });
            let [one, other] = pipelined;
            let ways = [one, Query("ROLLBACK"), other, Query("ROLLBACK")];
            // Outside of a block it is an error. (Of the extended protocol, too, but on PostgreSQL 18 a prefix begins one.)
            let alone = [Simple("LOCK TABLE pg_class IN ACCESS SHARE MODE")];
            let answered = [&begun[..], &[show], &alone].concat();
            let unanswered = [&ways[..], &[show]].concat();
            same(&[&answered, &unanswered]);
        }
    }
}

#[test]
fn a_lock_right_behind_begin_is_waited_for_as_long_as_the_client_says() {
    let _alone = alone();
    for stack in stacks() {
        let mut holder = Wire::login(&stack.login_at(stack.session_port, "shop_acme", "shop"));
        for text in ["BEGIN", "LOCK TABLE orders"] {
            fine(&holder.query(text));
        }
        let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
        for text in ["SET lock_timeout = '50ms'", "BEGIN"] {
            fine(&wire.query(text));
        }
        assert_eq!(failed(&wire.query("LOCK TABLE orders")).0, "55P03");
    }
}

/// What does not bear on them is not said ahead.
#[test]
fn a_transaction_may_begin_with_a_lock() {
    let _alone = alone();
    const SERIALIZABLE: Step = Query("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    let begin = |set: &'static str, first: &'static str| {
        [
            Query(set),
            Query("BEGIN"),
            Query(first),
            SERIALIZABLE,
            Query("SHOW transaction_isolation"),
            Query("COMMIT"),
            // Alone, and in no transaction.
            Query("LOCK TABLE pg_class IN ACCESS SHARE MODE"),
            Simple("LOCK TABLE pg_class IN ACCESS SHARE MODE; SHOW search_path"),
            Query("SET CONSTRAINTS ALL DEFERRED"),
        ]
    };
    const PIPELINE: Step = Batch(&[
        "BEGIN",
        "LOCK TABLE pg_class IN ACCESS SHARE MODE",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "SELECT current_setting('work_mem')",
        "COMMIT",
    ]);
    let scripts = [
        begin(
            "SET TimeZone = 'Asia/Tokyo'",
            "LOCK TABLE pg_class IN ACCESS SHARE MODE",
        )
        .to_vec(),
        begin(
            "SET default_transaction_isolation = 'repeatable read'",
            "SET CONSTRAINTS ALL DEFERRED",
        )
        .to_vec(),
        vec![
            Query("SET work_mem = '1MB'"),
            PIPELINE,
            Query("SHOW work_mem"),
        ],
    ];
    same(&scripts.each_ref().map(|script| &script[..]));
}

/// What was locked is read as it is by then.
#[test]
fn a_lock_right_behind_begin_is_older_than_the_snapshot() {
    let _alone = alone();
    const SET: [&str; 3] = [
        "SELECT set_config('TimeZone', 'UTC', false)",
        "SET application_name = 'locks'",
        "SET work_mem = '1MB'",
    ];
    const BEGINS: [&[&str]; 3] = [
        &["BEGIN ISOLATION LEVEL REPEATABLE READ"],
        &["BEGIN", "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"],
        &["SET default_transaction_isolation = serializable", "BEGIN"],
    ];
    for stack in stacks() {
        for (begin, way) in BEGINS
            .into_iter()
            .flat_map(|it| ways().map(|way| (it, way)))
        {
            let mut wire = Wire::login(&stack.login("shop_acme", "shop"));
            for text in SET.iter().chain(begin) {
                fine(&way(&mut wire, text));
            }
            let mut holder = holder(&stack);
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| fine(&way(&mut wire, "LOCK TABLE orders")));
                wait_until("it waits for the lock", || {
                    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted";
                    stack.direct("shop", waiting) == "1\n"
                });
                fine(&holder.query("UPDATE orders SET note = note || '!' WHERE true"));
                fine(&holder.query("COMMIT"));
                waits.join().expect("locked");
            });
            fine(&way(
                &mut wire,
                "UPDATE orders SET note = note || '?' WHERE true",
            ));
            fine(&way(&mut wire, "COMMIT"));
        }
    }
}

/// Nobody else locks tables.
fn alone() -> MutexGuard<'static, ()> {
    static LOCKING: Mutex<()> = Mutex::new(());
    LOCKING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Straight at PostgreSQL, with the table locked.
fn holder(stack: &Stack) -> Wire {
    let login = stack.login_at(stack.cluster.port, "shop_acme", "shop");
    let mut holder = Wire::login_with(&login, Transport::Plain, &[]);
    for text in ["SET app.tenant_id = 'acme'", "BEGIN", "LOCK TABLE orders"] {
        fine(&holder.query(text));
    }
    holder
}

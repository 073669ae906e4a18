//! Procedures that end transactions, where a policy lets them pass: behind one that has committed another transaction
//! goes on in the same batch, with what the client has set (see `parameters`).

mod support;

mod parameters {
    pub mod pair;
}

use parameters::pair::{Pair, Step};
use support::message::{
    self, bind, column, describe, error, execute, extended, failed, fine, parse, sync,
};
use support::{OnEveryVersion, Stack, StackOptions, VERSIONS, Version, Wire, fixture};

use std::sync::Arc;

use Step::{Batch, Query, Simple};

const SQL: &str = "
\\connect app
SET ROLE migrator;
CREATE TABLE seen (note text);
GRANT ALL ON seen TO shop_plain;
CREATE PROCEDURE commits() LANGUAGE plpgsql AS 'begin commit; end';
CREATE PROCEDURE commits_and_reads() LANGUAGE plpgsql AS 'begin commit; perform 1 from seen; end';
CREATE PROCEDURE reads() LANGUAGE plpgsql AS 'begin perform 1 from seen; end';
";

fn stacks() -> Vec<(Arc<Stack>, Version)> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    let stacks = STACKS.get(|| StackOptions {
        pool_size: 1,
        sql: format!("{}{SQL}", fixture::SQL),
        policy: fixture::lenient(),
        ..StackOptions::default()
    });
    stacks.into_iter().zip(VERSIONS.map(|it| it.0)).collect()
}

/// PostgreSQL 18 lets a procedure commit only as the first statement of a batch, and what Portcullis sets stands
/// ahead of it: there it fails.
fn lets_them_commit(version: Version) -> bool {
    !matches!(version, Version::Pg18)
}

const READ_ONLY: Step = Query("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY");
const WRITES: &str = "INSERT INTO seen VALUES ('x')";

#[test]
fn behind_a_procedure_that_commits_the_client_has_what_it_has_set() {
    let scripts: [&[Step]; 5] = [
        &[
            READ_ONLY,
            Batch(&["CALL commits()", "SHOW transaction_read_only"]),
            Batch(&["CALL commits()", WRITES]),
            Batch(&["CALL commits_and_reads()", WRITES]),
            Batch(&["SELECT 1", "SYNC", "CALL commits()", "SELECT 2", WRITES]),
            Batch(&["DO 'begin commit; end'", WRITES]),
            Batch(&["CALL reads()", "CALL commits()", "CALL reads()", WRITES]),
            Simple("CALL commits(); INSERT INTO seen VALUES ('x')"),
            Query("SHOW transaction_read_only"),
        ],
        &[
            READ_ONLY,
            Batch(&[
                "CALL commits()",
                "SET default_transaction_read_only = off",
                "CALL commits()",
                "SHOW transaction_read_only",
            ]),
        ],
        &[
            Batch(&["SET work_mem = '5MB'", "CALL commits()", "SHOW work_mem"]),
            Batch(&[
                "CALL reads()",
                "SHOW work_mem",
                "CALL commits()",
                "SHOW work_mem",
            ]),
            Query("SHOW work_mem"),
        ],
        // What is set ahead of the procedure is not answered yet when it is sent.
        &[
            Query("SET jit = off"),
            Batch(&[
                "SELECT 1",
                "SET work_mem = '5MB'",
                "CALL commits()",
                "SHOW work_mem",
            ]),
            READ_ONLY,
            Batch(&[
                "SELECT 1",
                "SET default_transaction_read_only = off",
                "CALL commits()",
                "SHOW transaction_read_only",
            ]),
        ],
        &[
            Batch(&[
                "SELECT set_config('work_mem', '7MB', true)",
                "CALL reads()",
                "SHOW work_mem",
            ]),
            Query("SHOW work_mem"),
        ],
    ];
    for (stack, version) in stacks() {
        if !lets_them_commit(version) {
            let mut wire = Wire::login(&stack.login("shop_plain", "app"));
            fine(&wire.query("SET default_transaction_read_only = on"));
            let sent = [extended("CALL commits()", &[]), extended(WRITES, &[])];
            assert_eq!(failed(&wire.batch(&sent.concat())).0, "2D000");
            continue;
        }
        for extended in [false, true] {
            for script in scripts {
                let mut pair = Pair::open(&stack, ("shop_plain", "app"), &[]);
                let problem = pair.run(script, extended);
                assert_eq!(problem, None, "{version:?} extended {extended}");
            }
        }
        assert_eq!(stack.direct("app", "SELECT count(*) FROM seen"), "0\n");
    }
}

/// A transaction that has read something takes no other isolation level any more.
#[test]
fn modes_that_could_come_too_late_are_refused_and_not_forgotten() {
    for (stack, version) in stacks() {
        if !lets_them_commit(version) {
            continue;
        }
        for (set, name, value) in [
            (
                "SET default_transaction_isolation = serializable",
                "transaction_isolation",
                "serializable",
            ),
            (
                "SET default_transaction_deferrable = on",
                "transaction_deferrable",
                "on",
            ),
        ] {
            let mut wire = Wire::login(&stack.login("shop_plain", "app"));
            fine(&wire.query(set));
            let show = format!("SHOW {name}");
            for procedure in ["commits", "commits_and_reads", "reads"] {
                let call = extended(&format!("CALL {procedure}()"), &[]);
                let behind = [
                    extended(&show, &[]),
                    extended(WRITES, &[]),
                    [message::parse("", WRITES), message::describe(b'S', "")].concat(),
                ];
                for behind in behind {
                    let answer = wire.batch(&[call.clone(), behind].concat());
                    let error = error(&answer).expect("refused");
                    assert_eq!(error.field(b'R').as_deref(), Some("session-state"));
                    assert_eq!(error.sqlstate(), "0A000");
                    assert_eq!(error.field(b'H').as_deref(), Some("Send Sync behind it."));
                }
                // A batch for itself, and a transaction of one's own.
                let sent = [call.clone(), sync(), extended(&show, &[])].concat();
                wire.send(&[sent, sync()].concat());
                fine(&wire.receive_until(b'Z'));
                assert_eq!(column(&wire.receive_until(b'Z')), [value]);
            }
            fine(&wire.query("BEGIN"));
            let sent = [extended("CALL reads()", &[]), extended(&show, &[])];
            let answer = wire.batch(&sent.concat());
            fine(&answer);
            assert_eq!(column(&answer), [value]);
            fine(&wire.query("COMMIT"));
        }
        assert_eq!(stack.direct("app", "SELECT count(*) FROM seen"), "0\n");
    }
}

/// A value of the transaction's own is gone if the procedure has committed, and stands if not: nobody knows which.
#[test]
fn a_value_of_the_transaction_is_neither_overwritten_nor_taken_for_there() {
    for (stack, version) in stacks() {
        if !lets_them_commit(version) {
            continue;
        }
        let mut wire = Wire::login(&stack.login("shop_plain", "app"));
        fine(&wire.query("SET work_mem = '5MB'"));
        fine(&wire.batch(&parse("known", "SHOW work_mem")));
        for local in [
            "SELECT set_config('work_mem', '7MB', true)",
            "SET LOCAL work_mem = '7MB'",
        ] {
            let known = [bind("", "known", &[]), execute("", 0)].concat();
            let behind = [
                extended("SHOW work_mem", &[]),
                known.clone(),
                [describe(b'S', "known"), known].concat(),
            ];
            let all = ["commits", "reads"].into_iter();
            for (procedure, behind) in all.flat_map(|it| behind.iter().map(move |b| (it, b))) {
                let sent = [
                    extended(local, &[]),
                    extended(&format!("CALL {procedure}()"), &[]),
                    behind.clone(),
                ];
                let answer = wire.batch(&sent.concat());
                let error = error(&answer).expect("refused");
                assert_eq!(error.field(b'R').as_deref(), Some("session-state"));
                assert_eq!(error.field(b'H').as_deref(), Some("Send Sync behind it."));
                assert_eq!(column(&wire.query("SHOW work_mem")), ["5MB"]);
            }
        }
        // In a block no procedure can commit.
        fine(&wire.query("BEGIN"));
        let sent = [
            extended("SET LOCAL work_mem = '7MB'", &[]),
            extended("CALL reads()", &[]),
            extended("SHOW work_mem", &[]),
        ];
        assert_eq!(column(&wire.batch(&sent.concat())), ["7MB"]);
        fine(&wire.query("COMMIT"));
    }
}

//! The zone's prefix is a query, and PostgreSQL takes SET TRANSACTION only ahead of any query: so the
//! prefix waits for the first statement that a zone can matter for.

mod support;

use support::message::{column, failed, fine};
use support::shared::stacks;
use support::shop::{SEEN, acme};
use support::ways;

const LEVEL: &str = "SHOW transaction_isolation";
const SERIALIZABLE: &str = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";

#[test]
fn the_isolation_level_can_be_set_behind_begin() {
    for stack in stacks() {
        for run in ways() {
            let mut wire = acme(&stack);
            fine(&run(
                &mut wire,
                "BEGIN ISOLATION LEVEL SERIALIZABLE, READ WRITE",
            ));
            assert_eq!(column(&run(&mut wire, LEVEL)), ["serializable"]);
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "COMMIT"));
            fine(&run(&mut wire, "BEGIN"));
            fine(&run(
                &mut wire,
                "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
            ));
            fine(&run(&mut wire, "SET TRANSACTION READ ONLY"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            assert_eq!(column(&run(&mut wire, LEVEL)), ["repeatable read"]);
            let insert = "INSERT INTO orders (note) VALUES ('read only')";
            assert_eq!(failed(&run(&mut wire, insert)).0, "25006");
            fine(&run(&mut wire, "ROLLBACK"));
            assert_eq!(column(&run(&mut wire, LEVEL)), ["read committed"]);
        }
    }
}

/// As without a proxy: they take no snapshot.
#[test]
fn and_behind_statements_that_see_no_rows() {
    for stack in stacks() {
        for run in ways() {
            let mut wire = acme(&stack);
            for harmless in [
                "SET LOCAL statement_timeout = '20s'",
                "NOTIFY something",
                "SET CONSTRAINTS ALL IMMEDIATE",
            ] {
                fine(&run(&mut wire, "BEGIN"));
                fine(&run(&mut wire, harmless));
                fine(&run(&mut wire, SERIALIZABLE));
                assert_eq!(column(&run(&mut wire, SEEN)), ["acme"], "{harmless}");
                assert_eq!(column(&run(&mut wire, LEVEL)), ["serializable"]);
                fine(&run(&mut wire, "COMMIT"));
            }
            // The setting itself is the transaction's, as the client wished.
            fine(&run(&mut wire, "BEGIN"));
            fine(&run(&mut wire, "SET LOCAL statement_timeout = '21s'"));
            assert_eq!(column(&run(&mut wire, "SHOW statement_timeout")), ["21s"]);
            assert_eq!(column(&run(&mut wire, "SHOW app.tenant_id")), ["acme"]);
            fine(&run(&mut wire, "COMMIT"));
        }
    }
}

/// It is an error without a proxy as well.
#[test]
fn but_not_behind_a_query() {
    for stack in stacks() {
        for run in ways() {
            let mut wire = acme(&stack);
            fine(&run(&mut wire, "BEGIN"));
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            assert_eq!(failed(&run(&mut wire, SERIALIZABLE)), ("25001".into(), 'E'));
            fine(&run(&mut wire, "ROLLBACK"));
        }
    }
}

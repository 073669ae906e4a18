//! psql: simple Query, COPY, \\gdesc and the way people use it by hand.

use crate::{NEW, OLD, no_table_was_created, stack};

#[test]
fn psql_reads_and_writes_its_own_zone() {
    for versions in [OLD, NEW] {
        let stack = stack(versions);
        let login = stack.login("shop_acme", "shop");
        let script = "SELECT string_agg(note, ', ' ORDER BY id) FROM orders;
                      SELECT count(*) FROM orders WHERE tenant_id = 'globex';
                      INSERT INTO orders (note) VALUES ('driver insert') RETURNING tenant_id;
                      BEGIN; INSERT INTO orders (note) VALUES ('driver commit'); COMMIT;
                      BEGIN; INSERT INTO orders (note) VALUES ('driver rollback'); ROLLBACK;";
        let answer = stack.psql(&login, script).ok();
        assert_eq!(answer, "anvil, rocket skates, bird seed\n0\nacme\n");
        let notes = "SELECT tenant_id, note FROM orders WHERE note LIKE 'driver%' ORDER BY note";
        assert_eq!(
            stack.direct("shop", notes),
            "acme|driver commit\nacme|driver insert\n"
        );
    }
}

#[test]
fn psql_copies_in_and_out() {
    let stack = stack(OLD);
    let login = stack.login("shop_acme", "shop");
    let rows: String = (0..1000)
        .map(|number| format!("{number}\tdriver copy\n"))
        .collect();
    let script = format!(
        "COPY imports (id, note) FROM STDIN;\n{rows}\\.\nCOPY (SELECT id FROM imports ORDER BY id) TO STDOUT;\n"
    );
    assert_eq!(stack.psql(&login, &script).ok().lines().count(), 1000);
    assert_eq!(
        stack.direct("shop", "SELECT count(*) FROM imports"),
        "1000\n"
    );
}

#[test]
fn psql_is_refused_ddl_and_goes_on() {
    let stack = stack(OLD);
    let login = stack.login("shop_acme", "shop");
    for ddl in [
        "CREATE TABLE driver_ddl (id int)",
        "SELECT 1 AS id INTO driver_ddl",
        "EXPLAIN ANALYZE CREATE TABLE driver_ddl AS SELECT 1",
    ] {
        stack.psql(&login, ddl).refused("42501");
        let script = format!("\\set ON_ERROR_STOP off\n{ddl};\nSELECT 'still here';");
        assert_eq!(stack.psql(&login, &script).ok(), "still here\n");
    }
    no_table_was_created(&stack);
}

#[test]
fn psql_aborts_the_transaction_at_a_refusal() {
    let stack = stack(OLD);
    let login = stack.login("shop_acme", "shop");
    let script = "\\set ON_ERROR_STOP off
                  BEGIN;
                  INSERT INTO orders (note) VALUES ('driver lost');
                  CREATE TABLE driver_ddl (id int);
                  SELECT 'unreachable';
                  COMMIT;
                  SELECT 'after';";
    let answer = stack.psql(&login, script);
    assert_eq!(answer.stdout, "after\n", "{}", answer.stderr);
    assert!(answer.stderr.contains("25P02"), "{}", answer.stderr);
    assert_eq!(
        stack.direct(
            "shop",
            "SELECT count(*) FROM orders WHERE note LIKE 'driver%'"
        ),
        "0\n"
    );
    no_table_was_created(&stack);
}

#[test]
fn psql_trusts_no_other_authority_and_no_plaintext_password() {
    let stack = stack(OLD);
    let other = support_authority(&stack);
    let mut login = stack.login("shop_acme", "shop");
    login.sslrootcert = other.certificate().to_owned();
    let answer = stack.psql(&login, "SELECT 1");
    assert_eq!(answer.status, 2);
    assert!(
        answer.stderr.contains("certificate verify failed"),
        "{}",
        answer.stderr
    );
}

fn support_authority(stack: &crate::Stack) -> crate::support::tls::Authority {
    crate::support::tls::Authority::new(stack.directory(), "other")
}

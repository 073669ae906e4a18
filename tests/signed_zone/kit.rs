//! What `zone.sql` and `remove.sql` do to a database.

use crate::support::signed::each;
use crate::support::{Psql, Shared};
use crate::{NOTES, acme, attempt, enter, kit, options, stacks, token};

#[test]
fn protect_takes_no_column_that_could_make_two_zones_one() {
    for stack in stacks() {
        let sql = "CREATE TABLE t (a char(4), b varchar(4), c name, d text);
            DO $$ DECLARE c text; BEGIN
                FOREACH c IN ARRAY ARRAY['a', 'c', 'none', 'ctid'] LOOP
                    BEGIN CALL portcullis.protect('t', c); RAISE EXCEPTION 'took %', c USING ERRCODE = 'P0002';
                    EXCEPTION WHEN datatype_mismatch THEN NULL; END;
                END LOOP;
            END $$;
            CALL portcullis.protect('t', 'b');
            SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = 't'::regclass AND NOT polpermissive;
            DROP TABLE t;";
        let condition = stack.direct("shop", sql);
        assert!(
            !condition.contains("(4)"),
            "a cast would cut the zone: {condition}"
        );
    }
}

#[test]
fn one_value_may_stand_for_all_zones_where_the_table_says_so() {
    each(stacks(), |stack, database| {
        let all = enter(&token("*", "shop_acme", database));
        let script =
            format!("BEGIN;\n{all}SELECT count(*) FROM wide; SELECT count(*) FROM orders; COMMIT;");
        assert_eq!(attempt(stack, database, &script).stdout, "5\n0\n");
        let script = format!(
            "BEGIN;\n{}SELECT count(*) FROM wide; COMMIT; SELECT count(*) FROM wide;",
            acme(database)
        );
        assert_eq!(attempt(stack, database, &script).stdout, "2\n0\n");
    });
}

#[test]
fn removal_leaves_no_rows_open_and_nothing_of_ours() {
    static OWN: Shared = Shared::new();
    let stack = OWN.get(options);
    for database in ["ported", "shop"] {
        for _ in 0..2 {
            stack.direct(database, &format!("\\i {}\n", kit("remove.sql")));
        }
        assert_eq!(attempt(&stack, database, NOTES).stdout, "\n");
        let left = "SELECT count(*) FROM pg_namespace WHERE nspname = 'portcullis'";
        assert_eq!(stack.direct(database, left), "0\n");
    }
    let role = "SELECT count(*) FROM pg_roles WHERE rolname = 'portcullis_owner'";
    assert_eq!(stack.direct("postgres", role), "0\n");
}

#[test]
fn a_schema_or_role_that_somebody_prepared_is_not_taken_over() {
    static OWN: Shared = Shared::new();
    let stack = OWN.get(options);
    stack.direct("postgres", "CREATE DATABASE trap");
    stack.direct("trap", "CREATE SCHEMA portcullis AUTHORIZATION shop_acme");
    let install = format!("\\i {}\n", kit("zone.sql"));
    let mut command = std::process::Command::new("psql");
    command.args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        &stack.direct_dsn("trap"),
        "-f",
        "-",
    ]);
    let answer = Psql::from(crate::support::psql::with_input(command, &install));
    assert!(
        answer.stderr.contains("belongs to another role"),
        "{answer:?}"
    );
    assert_eq!(
        stack.direct(
            "trap",
            "SELECT to_regprocedure('portcullis.enter(text)') IS NULL"
        ),
        "t\n"
    );
}

//! Every hole is found where there is one, with the SQL that closes it, and nothing where it only looks so.

use super::common::*;
use crate::support::{self, OnEveryVersion, Stack, StackOptions, User, password};

/// Every hole that the catalogs can show, and beside each what looks like one and is none.
const HOLES: &str = r#"
CREATE ROLE boss LOGIN SUPERUSER;
CREATE ROLE "Walker" LOGIN BYPASSRLS;
CREATE ROLE group_boss NOLOGIN SUPERUSER BYPASSRLS;
CREATE ROLE group_walker NOLOGIN BYPASSRLS;
CREATE ROLE between NOLOGIN NOINHERIT IN ROLE group_walker;
CREATE ROLE "one, two" LOGIN NOINHERIT IN ROLE between;
CREATE ROLE nobodys NOLOGIN IN ROLE pg_write_server_files;
CREATE ROLE filer LOGIN;
GRANT pg_execute_server_program TO filer;
SET password_encryption = 'md5';
CREATE ROLE old_timer LOGIN PASSWORD 'x';
RESET password_encryption;
CREATE ROLE books NOLOGIN;
CREATE ROLE clerk LOGIN IN ROLE books;
CREATE ROLE bookkeepers NOLOGIN IN ROLE books;
CREATE ROLE "a, ""b""" LOGIN IN ROLE bookkeepers;
ALTER ROLE clerk SET app.tenant_id = '*';
ALTER ROLE clerk IN DATABASE shop SET role = 'books';
ALTER DATABASE shop SET row_security = off;
ALTER ROLE clerk SET search_path = public, "A, b", pg_catalog;
ALTER ROLE shop_plain SET search_path = pg_catalog, public;
ALTER ROLE shop_globex SET search_path = "$user", public;
ALTER ROLE shop_globex SET row_security = on;
ALTER ROLE shop_globex SET work_mem = '5MB';
ALTER DATABASE app SET app.tenant_id = 'of another database';

\connect shop
GRANT CREATE ON SCHEMA public TO PUBLIC;
GRANT EXECUTE ON FUNCTION pg_read_file(text) TO PUBLIC;
CREATE TABLE "Odd Refunds" (tenant_id uuid, note text);
CREATE TABLE "x"";
DROP TABLE orders; --" (tenant_id text);
CREATE TABLE rates (currency text);
CREATE TABLE parts (tenant_id text) PARTITION BY LIST (tenant_id);
CREATE TABLE parts_a PARTITION OF parts FOR VALUES IN ('a');
CREATE TABLE half_done (tenant_id text);
CREATE POLICY tenant ON half_done USING (tenant_id = current_setting('app.tenant_id', true));

CREATE TABLE shared (tenant_id text);
ALTER TABLE shared ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON shared USING (tenant_id = current_setting('app.tenant_id', true));
CREATE POLICY "All In" ON shared FOR SELECT USING (true);
CREATE POLICY write_any ON shared FOR INSERT WITH CHECK (true);
CREATE POLICY living ON shared TO shop_plain USING (note_is_there IS NOT NULL);
CREATE POLICY never ON shared AS RESTRICTIVE USING (true);
CREATE TABLE walled (tenant_id text);
ALTER TABLE walled ENABLE ROW LEVEL SECURITY;
CREATE POLICY rows ON walled USING (true);
CREATE POLICY wall ON walled AS RESTRICTIVE USING (tenant_id = current_setting('app.tenant_id', true));
CREATE TABLE numbered (id serial, tenant_id text);
ALTER TABLE numbered ENABLE ROW LEVEL SECURITY;
ALTER TABLE numbered FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON numbered USING (tenant_id = current_setting('app.tenant_id', true));
ALTER TABLE numbered OWNER TO shop_globex;
"#;

const MORE_HOLES: &str = r#"
CREATE TABLE ledger (tenant_id text);
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON ledger USING (tenant_id = current_setting('app.tenant_id', true));
ALTER TABLE ledger OWNER TO books;

CREATE VIEW all_orders AS SELECT * FROM orders;
GRANT SELECT ON all_orders TO shop_acme;
CREATE VIEW careful_orders WITH (security_invoker = true) AS SELECT * FROM orders;
GRANT SELECT ON careful_orders TO shop_acme;
CREATE VIEW own_orders AS SELECT * FROM orders;
CREATE MATERIALIZED VIEW kept_orders AS SELECT tenant_id, note FROM orders;
GRANT SELECT ON kept_orders TO shop_acme, PUBLIC;
CREATE MATERIALIZED VIEW own_kept_orders AS SELECT tenant_id, note FROM orders;
CREATE MATERIALIZED VIEW counted_orders AS SELECT count(*) FROM orders;
GRANT SELECT ON counted_orders TO PUBLIC;

CREATE VIEW "Settings" AS SELECT name, setting FROM pg_settings;
GRANT SELECT, UPDATE (setting) ON "Settings" TO shop_acme;
CREATE VIEW settings_too AS SELECT * FROM "Settings" WHERE name LIKE 'app.%';
GRANT UPDATE ON settings_too TO PUBLIC, books;
CREATE VIEW read_settings AS SELECT * FROM pg_settings;
GRANT SELECT ON read_settings TO PUBLIC;
CREATE VIEW counted_settings AS SELECT count(*) FROM pg_settings;
GRANT ALL ON counted_settings TO shop_acme;
CREATE VIEW own_settings AS SELECT * FROM pg_settings;
CREATE VIEW setting AS SELECT set_config('work_mem', '5MB', false);
CREATE VIEW local_setting AS SELECT set_config('work_mem', '5MB', true);
GRANT SELECT ON local_setting TO shop_acme;
CREATE MATERIALIZED VIEW kept_setting AS SELECT set_config('work_mem', '5MB', true);
GRANT SELECT ON kept_setting TO shop_acme;
GRANT SELECT ON setting TO shop_acme;
CREATE TABLE wishes (note text);
GRANT INSERT, SELECT ON wishes TO shop_acme;
CREATE RULE granted AS ON INSERT TO wishes DO ALSO UPDATE pg_settings SET setting = new.note WHERE name = 'app.wish';
CREATE TABLE asked (note text);
GRANT INSERT ON asked TO shop_acme;
CREATE RULE answered AS ON INSERT TO asked DO ALSO SELECT setting FROM pg_settings;

CREATE FUNCTION "Odd Name"(a int, b text DEFAULT 'x') RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE PROCEDURE tidy(INOUT a int) SECURITY DEFINER LANGUAGE plpgsql AS 'BEGIN a := 1; END';
CREATE FUNCTION pinned() RETURNS int SECURITY DEFINER SET search_path = public LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION as_acme() RETURNS bigint SET app.tenant_id = 'acme' LANGUAGE sql AS 'SELECT count(*) FROM orders';
CREATE FUNCTION as_any(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant_id', t, true); END $$;
CREATE FUNCTION reads_zone() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('app.tenant_id', true) $$;
CREATE FUNCTION anything(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$;
CREATE FUNCTION private(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$;
REVOKE EXECUTE ON FUNCTION private(text) FROM PUBLIC;
CREATE FUNCTION executed() RETURNS int LANGUAGE plpgsql AS $$ DECLARE executed int := 1; BEGIN RETURN executed; END $$;
CREATE FUNCTION safe() RETURNS int SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION safe_too() RETURNS int SECURITY DEFINER SET search_path = public, "pg_temp" LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION temp_first() RETURNS int SECURITY DEFINER SET search_path = pg_temp, "A, b" LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION empty_path() RETURNS int SECURITY DEFINER SET search_path = '' LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION as_migrator() RETURNS int SET role = migrator LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION as_replica() RETURNS int SET session_replication_role = replica LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION unbound() RETURNS int SET row_security = off LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION bound() RETURNS int SET row_security = on SET work_mem = '5MB' LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION as_owner(q text) RETURNS void SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE plpgsql
    AS $$ BEGIN EXECUTE 'SELECT ' || q; END $$;
CREATE FUNCTION as_owner_for_some(q text) RETURNS void SECURITY DEFINER SET search_path = pg_catalog, pg_temp LANGUAGE plpgsql
    AS $$ BEGIN EXECUTE q; END $$;
REVOKE EXECUTE ON FUNCTION as_owner_for_some(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION as_owner_for_some(text) TO shop_acme;
CREATE FUNCTION through_xml(q text) RETURNS xml LANGUAGE sql AS $$ SELECT query_to_xml(q, true, true, '') $$;
CREATE FUNCTION as_any_too(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN SET LOCAL App.Tenant_ID TO 'acme'; END $$;
CREATE FUNCTION by_any_name(n text, v text) RETURNS text LANGUAGE sql AS $$ SELECT set_config(n, v, false) $$;
CREATE FUNCTION in_standard_sql(t text) RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT set_config('app.tenant_id', t, false); END;
CREATE FUNCTION put_together(t text) RETURNS text LANGUAGE sql RETURN set_config('app.' || 'tenant_id', t, true);
CREATE FUNCTION of_another(t text) RETURNS text LANGUAGE sql RETURN set_config('work_mem', t, true);
CREATE FUNCTION harmless(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
    -- EXECUTE q; SET app.tenant_id = 'x'
    /* PERFORM set_config('app.tenant_id', q, true); */
    RAISE NOTICE 'does not EXECUTE q, nor SET app.tenant_id = 1';
    GRANT EXECUTE ON FUNCTION harmless(text) TO shop_acme;
END $$;
CREATE FUNCTION of_an_extension(q text) RETURNS void SECURITY DEFINER SET row_security = off LANGUAGE plpgsql
    AS $$ BEGIN EXECUTE q; PERFORM set_config('app.tenant_id', q, true); END $$;
ALTER EXTENSION plpgsql ADD FUNCTION of_an_extension(text);
CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT 1'; RETURN NEW; END $$;
"#;

static HOLED: OnEveryVersion = OnEveryVersion::new();

fn holed() -> StackOptions {
    let holes = HOLES.replace("note_is_there", "tenant_id");
    StackOptions {
        sql: format!("{}{holes}{MORE_HOLES}", support::fixture::SQL),
        proxy: false,
        ..StackOptions::default()
    }
}

/// What PostgreSQL itself lets everybody call, and the fixture pg_read_file.
fn executable_by_all(version: &serde_json::Value) -> &'static [&'static str] {
    match version.as_str().is_some_and(|it| it.starts_with("15.")) {
        true => &[
            "pg_catalog.pg_cancel_backend(integer)",
            "pg_catalog.pg_read_file(text)",
            "pg_catalog.pg_terminate_backend(integer, bigint)",
        ],
        false => &[
            "pg_catalog.pg_available_wal_summaries()",
            "pg_catalog.pg_cancel_backend(integer)",
            "pg_catalog.pg_read_file(text)",
            "pg_catalog.pg_terminate_backend(integer, bigint)",
            "pg_catalog.pg_wal_summary_contents(bigint, pg_lsn, pg_lsn)",
        ],
    }
}

#[test]
fn every_hole_is_found_and_its_sql_closes_it() {
    for stack in HOLED.get(holed) {
        let boss = superuser(&stack);
        let report = examined(&boss, &["--read-only"]);
        let version = &report["server"]["postgresql"];
        let expected: &[(&str, &[&str])] = &[
            (
                "table-without-policy",
                &[
                    "public.\"Odd Refunds\"",
                    "public.\"x\"\";\nDROP TABLE orders; --\"",
                    "public.half_done",
                    "public.parts",
                ],
            ),
            ("owner-not-bound", &["public.ledger", "public.orders"]),
            (
                "login-owns-tables",
                &["public.ledger", "public.orders", "public.numbered"],
            ),
            (
                "policy-open",
                &[
                    "\"All In\" on public.shared",
                    "living on public.shared",
                    "write_any on public.shared",
                ],
            ),
            ("view-owner-rights", &["public.all_orders"]),
            ("relation-unprotected", &["public.kept_orders"]),
            ("default-zone", &["ALTER ROLE clerk SET app.tenant_id"]),
            (
                "default-setting",
                &[
                    "ALTER DATABASE shop SET row_security",
                    "ALTER ROLE clerk IN DATABASE shop SET role",
                ],
            ),
            ("default-search-path", &["ALTER ROLE clerk SET search_path"]),
            (
                "definer-temp-schema",
                &[
                    "public.empty_path()",
                    "public.pinned()",
                    "public.temp_first()",
                ],
            ),
            (
                "function-set-clause",
                &[
                    "public.as_migrator() (role)",
                    "public.as_replica() (session_replication_role)",
                    "public.unbound() (row_security)",
                ],
            ),
            (
                "relation-sets-parameters",
                &[
                    "public.\"Settings\"",
                    "public.local_setting",
                    "public.setting",
                    "public.settings_too",
                    "public.wishes",
                ],
            ),
            ("login-superuser", &["boss", "postgres"]),
            ("login-bypassrls", &["Walker"]),
            ("login-may-become", &["\"one, two\"", "filer"]),
            ("password-md5", &["old_timer"]),
            (
                "definer-search-path",
                &["public.\"Odd Name\"(integer, text)", "public.tidy(integer)"],
            ),
            ("function-sets-zone", &["public.as_acme()"]),
            (
                "function-may-set-zone",
                &[
                    "public.as_any(text)",
                    "public.as_any_too(text)",
                    "public.by_any_name(text, text)",
                    "public.in_standard_sql(text)",
                    "public.put_together(text)",
                ],
            ),
            (
                "function-dynamic-sql",
                &[
                    "public.as_owner(text)",
                    "public.anything(text)",
                    "public.through_xml(text)",
                ],
            ),
            ("public-execute", executable_by_all(version)),
            ("public-create", &["public"]),
            ("public-connect", &["shop"]),
        ];
        for (id, names) in expected {
            assert_eq!(objects(&report, id), *names, "{id} on {version}");
        }
        let all = expected.iter().map(|(id, _)| id.to_string()).collect();
        assert_eq!(ids(&report, "open"), all, "{version}");
        assert_eq!(report["zone"]["columns"], serde_json::json!(["tenant_id"]));
        assert_eq!(
            report["zone"]["parameters"],
            serde_json::json!(["app.tenant_id"])
        );
        assert!(found(&report, "not-seen").is_empty(), "{version}: {report}");
        let living = &found(&report, "policy-open")[1]["text"];
        assert!(
            living
                .as_str()
                .expect("a text")
                .contains(" lets shop_plain through"),
            "{living}"
        );

        assert_eq!(
            objects(&report, "definer-dynamic-sql"),
            ["public.as_owner_for_some(text)"]
        );

        let said = doctor(&boss, &["--read-only", "--sql"]);
        assert_eq!(said.code, 1);
        stack.direct("shop", &said.stdout);
        let report = examined(&boss, &["--read-only"]);
        // What SQL cannot mend: the first superuser, a password that nobody knows.
        let stays = set(&["login-superuser", "password-md5"]);
        assert_eq!(ids(&report, "open"), stays, "{version}: {report}");
        assert_eq!(objects(&report, "login-superuser"), ["postgres"]);
        let path = "SELECT array_to_string(setconfig, ';') FROM pg_db_role_setting WHERE setrole = 'clerk'::regrole AND setdatabase = 0";
        assert_eq!(stack.direct("shop", path), "search_path=public, \"A, b\"\n");
        let path = "SELECT array_to_string(proconfig, ';') FROM pg_proc WHERE proname IN ('temp_first', 'empty_path') ORDER BY proname";
        assert_eq!(
            stack.direct("shop", path),
            "search_path=pg_temp\nsearch_path=\"A, b\", pg_temp\n"
        );
        // And what it wrote does what it should, without taking anything from those who may.
        let acme = direct(&stack, "shop_acme");
        let script = "SET app.tenant_id = 'acme'; SELECT count(*) FROM orders; SELECT count(*) FROM all_orders";
        assert_eq!(stack.psql(&acme, script).ok(), "3\n3\n", "{version}");
        let globex = direct(&stack, "shop_globex");
        let script = "SET app.tenant_id = 'globex'; INSERT INTO numbered (tenant_id) VALUES ('globex') RETURNING id";
        assert_eq!(stack.psql(&globex, script).ok(), "1\n", "{version}");
        let refunds = "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = '\"Odd Refunds\"'::regclass";
        assert_eq!(
            stack.direct("shop", refunds),
            "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid)\n"
        );
    }
}

#[test]
fn a_database_that_was_mended_has_nothing_and_one_without_rights_sees_what_it_can() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        users: vec![User::new("nobody_here", &password("nobody_here"))],
        ..StackOptions::default()
    });
    let login = direct(&stack, "nobody_here");
    let before = doctor(&login, &[]);
    assert_eq!(before.code, 1, "{before:?}");
    let sql = doctor(&login, &["--sql"]).stdout;
    stack.direct("shop", &sql);
    stack.direct("shop", "GRANT CONNECT ON DATABASE shop TO nobody_here");
    let after = doctor(&login, &["--json"]);
    assert_eq!(after.code, 0, "{}", after.stdout);
    let report = after.json();
    for word in ["leak", "open", "old"] {
        assert_eq!(ids(&report, word), set(&[]), "{report}");
        assert_eq!(report["counts"][word]["kinds"], 0);
    }
    let unseen = found(&report, "not-seen");
    assert_eq!(unseen.len(), 1, "{report}");
    let text = unseen[0]["text"].as_str().expect("a text");
    assert!(
        text.starts_with("not seen: password-md5: permission denied"),
        "{text}"
    );
    let text = doctor(&login, &[]).stdout;
    assert!(text.contains("\nNothing was found.\n"), "{text}");
    assert_eq!(doctor(&login, &["--sql"]).stdout, "");
}

#[test]
fn without_policies_the_zone_is_guessed_or_given() {
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: "CREATE DATABASE shop;\n\\connect shop\nCREATE TABLE a (org_id int);\nCREATE TABLE b (org_id int);\n\
              CREATE TABLE c (mandant text);\n"
            .to_owned(),
        ..StackOptions::default()
    });
    let login = direct(&stack, "shop_acme");
    let report = examined(&login, &["--read-only"]);
    assert_eq!(report["zone"]["guessed"], true);
    assert_eq!(
        objects(&report, "table-without-policy"),
        ["public.a", "public.b"]
    );
    let finding = found(&report, "table-without-policy")[0];
    assert_eq!(
        finding["sql"],
        serde_json::json!([]),
        "no policy without a parameter"
    );
    assert!(
        finding["advice"]
            .as_str()
            .expect("an advice")
            .contains("--zone-parameter")
    );
    let given = [
        "--read-only",
        "--zone-column",
        "mandant",
        "--zone-parameter",
        "app.mandant",
    ];
    let report = examined(&login, &given);
    assert_eq!(objects(&report, "table-without-policy"), ["public.c"]);
    let sql = doctor(&login, &[&given[..], &["--sql"]].concat()).stdout;
    stack.direct("shop", &sql);
    assert_eq!(
        objects(&examined(&login, &given), "table-without-policy"),
        Vec::<String>::new()
    );
}

/// What the signed level brings with it is no hole: neither its functions nor the policies that it makes.
#[test]
fn a_signed_database_has_nothing_of_ours_to_mend() {
    let kit = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/sql/zone.sql");
    let signed = |name: &str, marker: &str| {
        format!(
            "CREATE DATABASE {name};\n\\connect {name}\n\\set marker {marker}\n\\i {kit}\n\
             CREATE TABLE orders (tenant_id text);\nCREATE TABLE lines (tenant_id text);\n\
             CALL portcullis.protect('orders', 'tenant_id');\nCALL portcullis.protect('lines', 'tenant_id');\n\
             CREATE POLICY all_in ON orders USING (true);\n"
        )
    };
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql: signed("shop", "setting") + &signed("ported", "mac"),
        ..StackOptions::default()
    });
    for database in ["shop", "ported"] {
        let mut login = superuser(&stack);
        login.database = database.to_owned();
        let report = examined(&login, &["--read-only"]);
        let known = set(&["login-superuser", "public-connect", "public-execute"]);
        assert_eq!(ids(&report, "open"), known, "{database}: {report}");
        assert_eq!(report["zone"]["columns"], serde_json::json!(["tenant_id"]));
    }
}

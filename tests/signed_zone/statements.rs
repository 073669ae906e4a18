//! What a role says of itself, with a zone and without one.

use crate::support::message::column;
use crate::support::signed::{DATABASES, each};
use crate::support::{OnEveryVersion, Wire};
use crate::{NOTES, acme, attempt, enter, options, shows_nothing_of_others, stacks, straight};

/// Statements of shop_acme, run in zone acme and in none. `MARK` is globex's mark.
const ATTACKS: &[&str] = &[
    "SET NAME = 'MARK';",
    "SET LOCAL NAME = 'MARK';",
    "SELECT set_config('NAME', 'MARK', true);",
    "SELECT pg_catalog.set_config('NAME', 'MARK', false);",
    "DO $$ BEGIN PERFORM set_config('NAME', 'MARK', true); END $$;",
    "DO $$ BEGIN EXECUTE 'SET LOCAL NAME = ''MARK'''; END $$;",
    "CREATE FUNCTION evil.f() RETURNS text LANGUAGE sql SET NAME = 'MARK' AS 'SELECT string_agg(note, '','') FROM public.orders'; SELECT evil.f();",
    "CREATE FUNCTION evil.g() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN PERFORM set_config(''NAME'', ''MARK'', true); RETURN (SELECT string_agg(note, '','') FROM public.orders); END'; SELECT evil.g();",
    "UPDATE pg_settings SET setting = 'MARK' WHERE name = 'NAME';",
    "ALTER ROLE shop_acme SET NAME = 'MARK';",
    "ALTER DATABASE shop SET NAME = 'MARK';",
    "ALTER SYSTEM SET NAME = 'MARK';",
    "RESET NAME; RESET ALL;",
    "DISCARD ALL;",
    "DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP;",
    "SAVEPOINT a; RESET ALL; ROLLBACK TO a;",
    "SAVEPOINT a; SET LOCAL NAME = 'MARK'; RELEASE a;",
    "SET LOCAL ROLE shop_globex;",
    "SET LOCAL ROLE migrator;",
    "SET LOCAL ROLE portcullis_owner;",
    "SET SESSION AUTHORIZATION shop_globex;",
    "SET LOCAL row_security = off;",
    "SET LOCAL app.tenant_id = 'globex';",
    "SELECT portcullis.mark(NULL, '676c6f626578');",
    "SELECT portcullis.marked();",
    "SELECT * FROM portcullis.key;",
    "SELECT portcullis.add_key('k1');",
    "SELECT portcullis.mac('', '', '');",
    "CREATE OR REPLACE FUNCTION portcullis.zone() RETURNS text LANGUAGE sql AS 'SELECT ''globex''';",
    "CREATE FUNCTION portcullis.enter(text, text) RETURNS void LANGUAGE sql AS '';",
    "ALTER TABLE orders DISABLE ROW LEVEL SECURITY;",
    "DROP POLICY portcullis_zone ON orders;",
    "CREATE POLICY p ON orders USING (true);",
    "CALL portcullis.protect('orders', 'note');",
    "CREATE FUNCTION evil.yes(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.yes); CREATE FUNCTION evil.starts_with(text, text) RETURNS bool LANGUAGE sql AS 'SELECT true'; CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''MARK'''; CREATE FUNCTION evil.convert_from(bytea, name) RETURNS text LANGUAGE sql AS 'SELECT ''globex'''; CREATE FUNCTION evil.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT ''x''::bytea'; SET LOCAL search_path = evil, pg_catalog, public;",
    "CREATE FUNCTION pg_temp.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''MARK'''; CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT ''x''::bytea'; CREATE TEMP TABLE key (id text, inner_pad bytea, outer_pad bytea); CREATE TEMP TABLE pg_settings (name text, setting text); SET LOCAL search_path = pg_temp, pg_catalog, public;",
    "CREATE FUNCTION evil.leak(text) RETURNS bool LANGUAGE plpgsql COST 0.0000001 AS 'BEGIN RAISE NOTICE ''%'', $1; RETURN true; END'; SELECT FROM orders WHERE evil.leak(note);",
    "SELECT 1 / (note <> 'hammock')::int FROM orders; SELECT note::int FROM orders WHERE tenant_id = 'globex';",
    "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM orders;",
    "COPY orders TO STDOUT;",
    "COPY (SELECT * FROM orders) TO STDOUT;",
    "SELECT * FROM orders WHERE ctid = '(0,3)' OR tenant_id = 'globex' FOR UPDATE;",
    "SELECT * FROM parted; SELECT * FROM parted_rest; SELECT * FROM wide; SELECT * FROM numbered;",
    "SELECT most_common_vals FROM pg_stats WHERE tablename = 'orders';",
    "UPDATE orders SET tenant_id = 'acme' WHERE tenant_id = 'globex' RETURNING *;",
    "DELETE FROM orders WHERE tenant_id = 'globex' RETURNING *;",
    "INSERT INTO orders (tenant_id, note) VALUES ('globex', 'planted');",
    "UPDATE orders SET tenant_id = 'globex', note = 'planted';",
    "INSERT INTO wide VALUES ('globex', 'planted');",
    "INSERT INTO orders (id, tenant_id, note) VALUES (4, 'acme', 'x') ON CONFLICT (id) DO UPDATE SET note = 'planted' RETURNING *;",
    "CREATE VIEW evil.v AS SELECT * FROM public.orders; SELECT * FROM evil.v;",
    "CREATE TEMP TABLE t AS SELECT * FROM orders; SELECT * FROM t;",
    "DECLARE c CURSOR FOR SELECT * FROM orders; RESET ALL; FETCH ALL FROM c;",
    "TRUNCATE orders;",
];

#[test]
fn no_statement_gives_rows_of_another_zone() {
    // Stacks of its own: it takes shop_acme's rights and rows away and gives them back.
    static OWN: OnEveryVersion = OnEveryVersion::new();
    let stacks = OWN.get(options);
    let each_of_them = stacks
        .iter()
        .flat_map(|stack| DATABASES.map(|database| (stack, database)));
    each_of_them.for_each(|(stack, database)| {
        let (name, mark) = match database {
            "shop" => ("backtrace_functions", "portcullis_676c6f626578".to_owned()),
            _ => (
                "portcullis.mark",
                format!("k1.676c6f626578.{}", "0".repeat(64)),
            ),
        };
        let globex =
            "SELECT string_agg(note, ',' ORDER BY note) FROM orders WHERE tenant_id = 'globex';
            SELECT count(*) FROM wide WHERE tenant_id = 'globex'";
        let before = stack.direct(database, globex);
        for attack in ATTACKS {
            let attack = attack.replace("NAME", name).replace("MARK", &mark);
            // ON_ERROR_ROLLBACK undoes what failed and goes on. In the zone and in none, undone and
            // kept, and outside of a transaction.
            let entered = acme(database);
            let read = format!("{NOTES}SELECT * FROM public.orders;");
            let script = format!(
                "BEGIN;\n{entered}{attack}\n{read}ROLLBACK;\nBEGIN;\n{attack}\n{read}ROLLBACK;
BEGIN;\n{entered}{attack}\nCOMMIT;\n{read}\n{attack}\n{read}"
            );
            shows_nothing_of_others(&attempt(stack, database, &script), &attack);
            let clean =
                "DROP OWNED BY shop_acme; CREATE SCHEMA IF NOT EXISTS evil AUTHORIZATION shop_acme;
                GRANT USAGE ON SCHEMA public TO shop_acme;
                GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO shop_acme;
                ALTER ROLE shop_acme RESET ALL;
                DELETE FROM orders WHERE tenant_id = 'acme';
                INSERT INTO orders (tenant_id, note) VALUES ('acme', 'anvil'), ('acme', 'skates')";
            assert_eq!(stack.direct(database, globex), before, "{attack}");
            stack.direct(database, clean);
            let honest = format!("BEGIN;\n{}{NOTES}COMMIT;", acme(database));
            assert_eq!(
                attempt(stack, database, &honest).stdout,
                "anvil,skates\n",
                "after {attack}"
            );
        }
    });
}

/// The attacks are real: without the signature they work.
#[test]
fn the_plain_level_gives_way_to_what_the_signed_one_withstands() {
    each(stacks(), |stack, database| {
        let read = "SELECT string_agg(note, ',' ORDER BY note) FROM plain";
        for attack in [
            "SET LOCAL app.tenant_id = 'globex';",
            "DO $$ BEGIN PERFORM set_config('app.tenant_id', 'globex', true); END $$;",
            "ALTER ROLE shop_acme SET app.tenant_id = 'globex'; SET LOCAL app.tenant_id = 'globex';",
        ] {
            let script = format!(
                "BEGIN;\nSELECT set_config('app.tenant_id', 'acme', true) \\g /dev/null\n{attack}\n{read};ROLLBACK;"
            );
            assert_eq!(
                attempt(stack, database, &script).stdout.trim(),
                "beta,hammock",
                "{attack}"
            );
        }
    });
}

#[test]
fn startup_options_and_role_settings_do_not_set_the_mark() {
    for stack in stacks() {
        let login = straight(&stack, "shop_acme", "shop");
        let option = ("options", "-c backtrace_functions=portcullis_676c6f626578");
        let parameter = ("backtrace_functions", "portcullis_676c6f626578");
        for attack in [option, parameter] {
            let refused = Wire::try_login(&login, crate::support::Transport::Plain, &[attack]);
            let message = refused.err().expect("refused at startup");
            assert_eq!(message.sqlstate(), "42501");
        }
        // The other mark may be set by everybody, and says nothing.
        let login = straight(&stack, "shop_acme", "ported");
        let option = ("options", "-c portcullis.mark=k1.676c6f626578.00");
        let mut wire = Wire::login_with(&login, crate::support::Transport::Plain, &[option]);
        assert_eq!(column(&wire.query("SELECT count(*) FROM orders")), ["0"]);
    }
}

/// The key is a constant in plans of what is called inside, and a client may have plans told, and written into the log.
#[test]
fn no_notice_tells_the_key() {
    const LOUD: [&str; 6] = [
        "client_min_messages = debug5",
        "debug_print_parse = on",
        "debug_print_rewritten = on",
        "debug_print_plan = on",
        "debug_pretty_print = off",
        "log_parameter_max_length_on_error = -1",
    ];
    // Eight bytes of either pad of the key, as a plan and as a query would tell them.
    let told = [49, 91].map(|byte: u8| {
        [
            format!("{byte} ").repeat(8),
            format!("{byte:02x}").repeat(8),
        ]
    });
    each(stacks(), |stack, database| {
        for mode in ["auto", "force_custom_plan", "force_generic_plan"] {
            let loud = LOUD.map(|it| format!("SET LOCAL {it};\n")).concat();
            let script = format!(
                "BEGIN;\n{loud}SET LOCAL plan_cache_mode = {mode};\n{}{NOTES}{NOTES}{}{NOTES}COMMIT;",
                acme(database),
                enter(
                    "pz1.k1.1.00000000000000000000000000000000.61.\
                    0000000000000000000000000000000000000000000000000000000000000000"
                ),
            );
            let answer = attempt(stack, database, &script);
            assert!(answer.stdout.contains("anvil,skates"), "{answer:?}");
            let log = std::fs::read_to_string(stack.directory().join("postgresql.log"));
            for (said, plan) in [
                (&answer.stderr, "LOG:  00000: plan:"),
                (&log.expect("the server's log"), "LOG:  plan:"),
            ] {
                assert!(said.contains(plan), "it is loud: {said}");
                for bytes in told.iter().flatten() {
                    let at = said.find(bytes.as_str());
                    let there = at.map(|at| &said[at.saturating_sub(400)..at + 50]);
                    assert_eq!(there, None, "{database} {mode}");
                }
            }
        }
    });
}

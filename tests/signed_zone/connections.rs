//! What is carried from one transaction, plan, process or connection to another.

use crate::support::message::{column, failed, fine};
use crate::support::signed::{MINUTE, each, key, token_of};
use crate::support::{Login, Psql, Stack, Wire};
use crate::{NOTES, acme, attempt, enter, shows_nothing_of_others, stacks, straight, token};

#[test]
fn a_mark_is_worth_nothing_in_the_next_transaction_or_on_another_connection() {
    for stack in stacks() {
        let login = straight(&stack, "shop_acme", "ported");
        let mut wire = Wire::login_with(&login, crate::support::Transport::Plain, &[]);
        let mut other = Wire::login_with(&login, crate::support::Transport::Plain, &[]);
        fine(&wire.query("BEGIN"));
        fine(&wire.query(&acme("ported")));
        let mark = column(&wire.query("SELECT current_setting('portcullis.mark')")).remove(0);
        let steal = format!("SELECT set_config('portcullis.mark', '{mark}', false)");
        fine(&other.query(&steal));
        assert_eq!(column(&other.query("SELECT count(*) FROM orders")), ["0"]);
        // In its own transaction it may come back.
        fine(&wire.query("RESET ALL"));
        assert_eq!(column(&wire.query("SELECT count(*) FROM orders")), ["0"]);
        fine(&wire.query(&steal));
        assert_eq!(column(&wire.query("SELECT count(*) FROM orders")), ["2"]);
        fine(&wire.query("COMMIT"));
        fine(&wire.query(&steal));
        assert_eq!(column(&wire.query("SELECT count(*) FROM orders")), ["0"]);
    }
}

#[test]
fn a_prepared_plan_takes_the_zone_of_its_execution() {
    each(stacks(), |stack, database| {
        let zones = [
            "acme", "globex", "acme", "globex", "acme", "globex", "acme", "globex",
        ];
        let mut script = "SET plan_cache_mode = force_generic_plan;\nPREPARE p AS SELECT string_agg(note, ',' ORDER BY note) FROM orders;\n".to_owned();
        script += "CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plpgsql STABLE AS 'BEGIN RETURN (SELECT string_agg(note, '','' ORDER BY note) FROM orders); END';\n";
        let mut expected = String::new();
        for zone in zones {
            let enter = enter(&token(zone, "shop_acme", database));
            script += &format!(
                "BEGIN;\n{enter}EXECUTE p; SELECT pg_temp.f(); COMMIT;\nEXECUTE p; SELECT pg_temp.f();\n"
            );
            let notes = if zone == "acme" {
                "anvil,skates"
            } else {
                "beta,hammock"
            };
            expected += &format!("{notes}\n{notes}\n\n\n");
        }
        assert_eq!(attempt(stack, database, &script).stdout, expected);
    });
}

#[test]
fn parallel_workers_see_the_zone_of_their_leader() {
    each(stacks(), |stack, database| {
        let force = |on| {
            format!(
            "DO $$ BEGIN PERFORM set_config(CASE WHEN current_setting('server_version_num')::int < 160000
                THEN 'force_parallel_mode' ELSE 'debug_parallel_query' END, '{on}', false); END $$;
             SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;"
        )
        };
        for on in ["on", "regress", "off"] {
            let script = format!(
                "{}\nBEGIN;\n{}{NOTES}SELECT count(*), min(tenant_id), max(tenant_id), portcullis.zone() FROM orders;COMMIT;\n{NOTES}",
                force(on),
                acme(database)
            );
            let answer = attempt(stack, database, &script);
            assert_eq!(
                answer.stdout, "anvil,skates\n2|acme|acme|acme\n\n",
                "{on}: {answer:?}"
            );
        }
        // There are workers, so that this has shown something.
        let script = format!(
            "{}\nBEGIN;\n{}EXPLAIN (COSTS off) {NOTES}COMMIT;",
            force("off"),
            acme(database)
        );
        let plan = attempt(stack, database, &script).stdout;
        assert!(plan.contains("Gather"), "{plan}");
    });
}

#[test]
fn a_zone_is_left_on_no_server_connection_of_a_pool() {
    each(stacks(), |stack, database| {
        let login = |user| stack.login_at(stack.transaction_port, user, database);
        let (mut one, mut two) = (
            Wire::login(&login("shop_acme")),
            Wire::login(&login("shop_acme")),
        );
        for end in ["COMMIT", "ROLLBACK"] {
            fine(&one.query("BEGIN"));
            fine(&one.query(&acme(database)));
            assert_eq!(column(&one.query("SELECT count(*) FROM orders")), ["2"]);
            fine(&one.query(end));
            assert_eq!(column(&two.query("SELECT count(*) FROM orders")), ["0"]);
            assert_eq!(
                column(&two.query("SELECT portcullis.zone() IS NULL")),
                ["t"]
            );
        }
        // A failed transaction, and one after it.
        fine(&one.query("BEGIN"));
        fine(&one.query(&acme(database)));
        assert_eq!(failed(&one.query("SELECT 1/0")).0, "22012");
        fine(&one.query("ROLLBACK AND CHAIN"));
        assert_eq!(column(&one.query("SELECT count(*) FROM orders")), ["0"]);
        fine(&one.query("ROLLBACK"));
    });
}

/// libpq's words for shop_acme at this place, as dblink takes them.
fn back(stack: &Stack, host: &str, user: &str, database: &str) -> String {
    let Login { port, password, .. } = straight(stack, "shop_acme", database);
    let password = password.replace('\'', "\\'");
    format!(
        "host={host} port={port} dbname={database} user={user} password='{password}' sslmode=disable"
    )
}

/// What a second session that shop_acme opens back to the server sees behind these steps, while the first
/// one is in zone acme by the token `entered`.
fn from_behind(stack: &Stack, database: &str, entered: &str, steps: &[String]) -> Psql {
    let back = back(stack, "127.0.0.1", "shop_acme", database);
    let mut script = format!(
        "SELECT dblink_connect('c', $c${back}$c$) \\g /dev/null\nBEGIN;\n{}SELECT dblink_exec('c', 'BEGIN') \\g /dev/null\n",
        enter(entered)
    );
    for step in steps {
        script += &format!("{step};\n");
    }
    for wall in ["orders", "wide", "plain"] {
        script += &format!(
            "SELECT '{wall}', * FROM dblink('c', 'SELECT string_agg(note, '','' ORDER BY note) FROM {wall}') AS t(notes text);\n"
        );
    }
    script += "COMMIT;\nSELECT dblink_disconnect('c') \\g /dev/null\n";
    attempt(stack, database, &script)
}

/// What it says of the tables.
fn walls(answer: &Psql) -> Vec<&str> {
    let lines = answer.stdout.lines();
    lines.filter(|line| line.contains('|')).collect()
}

/// One step: this text, run by the second session.
fn said(sql: &str) -> String {
    format!("SELECT * FROM dblink('c', $r${sql}$r$) AS t(x text)")
}

/// A session of one's own, opened from inside: what is carried there is worth no more than anywhere else.
#[test]
fn dblink_back_to_the_server_opens_nothing() {
    each(stacks(), |stack, database| {
        let (other, name) = match database {
            "shop" => ("ported", "backtrace_functions"),
            _ => ("shop", "portcullis.mark"),
        };
        let good = |zone: &str| token(zone, "shop_acme", database);
        let at = |byte, offset| {
            let key = key("k1", byte);
            token_of(&key, "globex", "shop_acme", database, offset)
        };
        let entering =
            |token: &str| vec![said(&format!("SELECT portcullis.enter('{token}')::text"))];
        // It gets there, and shows what it may: so the rest has shown something.
        let honest = from_behind(stack, database, &good("acme"), &entering(&good("acme")));
        let wanted = ["orders|anvil,skates", "wide|anvil,skates", "plain|"];
        assert_eq!(walls(&honest), wanted, "{honest:?}");
        let plain = [said("SET LOCAL app.tenant_id = 'globex'")];
        let plain = from_behind(stack, database, &good("acme"), &plain);
        let wanted = ["orders|", "wide|", "plain|beta,hammock"];
        assert_eq!(walls(&plain), wanted, "{plain:?}");
        let used = good("acme");
        let mark = format!(
            "SELECT * FROM dblink('c', format('SELECT set_config(%L, %L, true)', '{name}', current_setting('{name}', true))) AS t(x text)"
        );
        let function = "CREATE FUNCTION evil.far() RETURNS SETOF text LANGUAGE sql AS $f$ SELECT x FROM public.dblink('c', 'SELECT note FROM public.orders') AS t(x text) $f$";
        for (what, steps) in [
            ("nothing", vec![]),
            ("the token of this transaction", entering(&used)),
            ("its mark", vec![mark.clone()]),
            (
                "in DO",
                vec![format!("DO $d$ BEGIN PERFORM x FROM ({mark}) m; END $d$")],
            ),
            (
                "in a function",
                vec![function.to_owned(), "SELECT evil.far()".to_owned()],
            ),
            ("another key", entering(&at(8, 0))),
            (
                "a swapped zone",
                entering(&good("acme").replace("61636d65", "676c6f626578")),
            ),
            ("an old one", entering(&at(7, -2 * MINUTE))),
            (
                "another role",
                entering(&token("globex", "shop_globex", database)),
            ),
            (
                "another database",
                entering(&token("globex", "shop_acme", other)),
            ),
            ("SET ROLE", vec![said("SET LOCAL ROLE shop_globex")]),
            ("RESET ALL", vec![said("RESET ALL")]),
        ] {
            let entered = match what {
                "the token of this transaction" => used.clone(),
                _ => good("acme"),
            };
            let answer = from_behind(stack, database, &entered, &steps);
            let nothing = walls(&answer).iter().all(|line| line.ends_with('|'));
            assert!(
                nothing && !answer.stdout.contains("anvil"),
                "{what}: {answer:?}"
            );
            shows_nothing_of_others(&answer, what);
        }
        // The socket asks nobody for a password, and dblink lets nobody but a superuser through there.
        let socket = stack.cluster.socket.display().to_string();
        for user in ["shop_acme", "shop_globex", "postgres"] {
            let back = back(stack, &socket, user, database);
            let script = format!(
                "SELECT * FROM dblink($c${back}$c$, 'SELECT note FROM orders') AS t(note text);"
            );
            let answer = attempt(stack, database, &script);
            assert_eq!(answer.stdout, "", "{user}");
            assert!(answer.stderr.contains("password"), "{answer:?}");
        }
        stack.direct(database, "DROP FUNCTION evil.far");
    });
}

//! What a client that sets its zone itself does not get: other zones than it is granted, in whatever
//! way it asks, and rows before it has one.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{self, bind, column, error, execute, extended, fine, parse};
use support::{Stack, Transport, Wire};
use zones::common::{SEEN, log_in, nothing_is_left, options, psql, refused, seen, stacks};

#[test]
fn what_is_not_granted_does_not_get_in() {
    for stack in stacks() {
        let login = stack.login("picky", "shop");
        for parameters in [
            ("app.tenant_id", "*"),
            ("app.tenant_id", "hooli"),
            ("app.tenant_id", "ACME"),
            ("app.tenant_id", "t\n"),
            ("APP.tenant_id", ""),
            ("options", "-c app.tenant_id=*"),
            ("options", "-c app.tenant_id=\\*"),
            ("options", "--App.Tenant-Id=*"),
            ("options", "-c app.tenant_id=* -c app.tenant_id=acme"),
        ] {
            let refused = Wire::try_login(&login, Transport::SslRequest, &[parameters]);
            let refused = refused
                .err()
                .unwrap_or_else(|| panic!("{parameters:?} got in"));
            assert_eq!(refused.sqlstate(), "42501", "{parameters:?}");
            assert_eq!(refused.field(b'R').as_deref(), Some("zone-not-granted"));
        }
        // Zones are nothing for the log, nor for metrics.
        let (_, metrics) = stack.http_get("/metrics");
        for told in [stack.proxy_log(), metrics] {
            assert!(!told.contains("hooli"), "{told}");
        }
        let said = psql(&stack, "picky", "-c app.tenant_id=*", SEEN);
        assert!(
            said.stderr.contains("is not granted to login \"picky\""),
            "{}",
            said.stderr
        );
    }
}

/// They are where the configuration says so.
#[test]
fn zones_are_logged_where_the_configuration_says_so() {
    let mut stack = Stack::start(options());
    let file = stack.file("portcullis.toml");
    let text = std::fs::read_to_string(&file).expect("its configuration");
    for (zones, told) in [("false", false), ("true", true)] {
        let log = format!("[log]\nlevel = \"debug\"\nzones = {zones}\n");
        std::fs::write(&file, text.replace("[log]\n", &log)).expect("it is written");
        stack.restart_proxy();
        let before = stack.proxy_log().len();
        let login = stack.login("picky", "shop");
        let zone = [("app.tenant_id", "hooli")];
        let refused = Wire::try_login(&login, Transport::SslRequest, &zone).err();
        let refused = refused.expect("a zone that is not granted");
        assert_eq!(refused.field(b'R').as_deref(), Some("zone-not-granted"));
        let why = match told {
            true => "tenant \\\"hooli\\\" is not granted to login",
            false => "refused by guard \\\"zone-not-granted\\\"",
        };
        let log = stack.logged(&[why]);
        assert_eq!(log[before..].contains("hooli"), told, "{log}");
        // Not of one that is let in, nor what a statement says.
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "acme")]);
        fine(&wire.query("SET app.tenant_id = 'globex'"));
        assert!(error(&wire.query("SET app.tenant_id = 'initech'")).is_some());
        let log = stack.logged(&["\"guard\":\"zone-not-granted\""]);
        for zone in ["acme", "globex", "initech"] {
            assert!(!log.contains(zone), "{log}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_not_sent() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "acme")]);
        for text in [
            "SELECT set_config('app.tenant_id', '*', true)",
            "SELECT set_config('app.tenant_id', '*', false)",
            "SELECT set_config(U&'\\0061pp.tenant_id', U&'\\002a', true)",
            "SET app.tenant_id = '*'",
            "SET LOCAL \"APP\".\"tenant_id\" = '*'",
            "SET LOCAL app.tenant_id TO ''",
            "SET app.tenant_id = E'\\x2a'",
            "SELECT 1 FROM (SELECT set_config('app.tenant_id', '*', true)) s, orders",
            "WITH s AS (SELECT set_config('app.tenant_id', 'hooli', true)) SELECT * FROM s",
            "BEGIN; SELECT set_config('app.tenant_id', '*', true)",
            "SELECT set_config('app.tenant_id', 'acme', true); SELECT set_config('app.tenant_id', '*', true)",
            "INSERT INTO orders (note) SELECT set_config('app.tenant_id', '*', true)",
            "EXPLAIN ANALYZE SELECT set_config('app.tenant_id', '*', true)",
            "DECLARE c CURSOR FOR SELECT set_config('app.tenant_id', '*', true)",
            "COPY (SELECT set_config('app.tenant_id', '*', true)) TO STDOUT",
            "SELECT set_config('app.tenant_id', ('*'), true)",
            "SELECT set_config(setting_name => 'app.tenant_id', new_value => '*', is_local => true)",
        ] {
            let said = wire.query(text);
            refused(&mut wire, &said, "zone-not-granted");
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        for text in [
            "SELECT set_config('app.tenant_id', v, true) FROM (VALUES ('acme'), ('*')) t(v)",
            "SELECT set_config('app.tenant_id', chr(42), true)",
            "SELECT set_config('app.tenant_id', 'acme' || '*', true)",
            "SELECT set_config('app.tenant_id', (SELECT '*'), true)",
            "SELECT set_config('app.tenant_id', 'acme*'::varchar(4), true)",
            "SELECT set_config('app.tenant_id', 'acme'::name, true)",
            "SELECT set_config('app.' || 'tenant_id', '*', true)",
            "SELECT set_config(N'app.tenant_id ', '*', true)",
            "SELECT set_config('app.tenant_id', N'acme ', true)",
            "SELECT set_config('app.tenant_id', 'acme', 1 = 2)",
            "SET app.tenant_id = 'acme', '*'",
            "SET app.tenant_id FROM CURRENT",
            "UPDATE pg_settings SET setting = '*' WHERE name = 'app.tenant_id'",
            "RESET ALL; SELECT * FROM orders",
        ] {
            let said = wire.query(text);
            let guard = error(&said)
                .and_then(|it| it.field(b'R'))
                .unwrap_or_default();
            assert!(
                [
                    "zone-parameter",
                    "lexing-parameters",
                    "session-state",
                    "unknown-statement"
                ]
                .contains(&&*guard),
                "{text}: {guard:?} {}",
                message::kinds(&said)
            );
            refused(&mut wire, &said, &guard);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        for (text, guard) in [
            (
                "DO $$ BEGIN PERFORM set_config('app.tenant_id', '*', false); END $$",
                "procedural",
            ),
            (
                "PREPARE p AS SELECT set_config('app.tenant_id', $1, true)",
                "zone-parameter",
            ),
            (
                "SELECT query_to_xml('select set_config(''app.tenant_id'',''*'',true)', true, true, '')",
                "dangerous-functions",
            ),
            (
                "ALTER ROLE CURRENT_USER SET app.tenant_id = '*'",
                "ddl-outside-migration",
            ),
        ] {
            let said = wire.query(text);
            refused(&mut wire, &said, guard);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        nothing_is_left(&stack);
    }
}

#[test]
fn what_is_bound_is_no_way_around() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "acme")]);
        let local = "SELECT set_config('app.tenant_id', $1, true)";
        let both = "SELECT set_config($1, $2, true)";
        for (text, types, values, guard) in [
            (local, &[][..], &[Some("*")][..], "zone-not-granted"),
            (local, &[25], &[Some("hooli")], "zone-not-granted"),
            (local, &[], &[None], "zone-parameter"),
            // A type that would cut it: "char", name, char(n).
            (local, &[18], &[Some("acme")], "zone-parameter"),
            (local, &[19], &[Some("acme")], "zone-parameter"),
            (local, &[1042], &[Some("acme")], "zone-parameter"),
            (
                "SELECT $1::name, set_config('app.tenant_id', $1::text, true)",
                &[],
                &[Some("acme")],
                "zone-parameter",
            ),
            (
                "SELECT set_config('app.tenant_id', $1 || $2, true)",
                &[],
                &[Some("acme"), Some("*")],
                "zone-parameter",
            ),
            (
                both,
                &[],
                &[Some("app.tenant_id"), Some("*")],
                "zone-not-granted",
            ),
            (
                both,
                &[],
                &[Some("APP.TENANT_ID"), Some("")],
                "zone-not-granted",
            ),
            (both, &[], &[Some("app.tenant_id"), None], "zone-parameter"),
            (both, &[], &[None, Some("acme")], "zone-parameter"),
            (both, &[], &[Some("role"), Some("migrator")], "role-change"),
            (
                both,
                &[],
                &[Some("standard_conforming_strings"), Some("off")],
                "lexing-parameters",
            ),
            (
                both,
                &[19, 25],
                &[Some("app.tenant_id"), Some("acme")],
                "zone-parameter",
            ),
            (
                "SELECT set_config($1, $2, false)",
                &[],
                &[Some("app.tenant_id"), Some("hooli")],
                "zone-not-granted",
            ),
            (
                "SELECT set_config($1, $2, $3)",
                &[],
                &[Some("app.tenant_id"), Some("*"), Some("f")],
                "zone-not-granted",
            ),
            (
                "DECLARE c CURSOR FOR SELECT set_config('app.tenant_id', $1, true)",
                &[],
                &[Some("*")],
                "zone-parameter",
            ),
        ] {
            let sent = [
                extended("BEGIN", &[]),
                message::parse_typed("", text, types),
                bind("", "", values),
                execute("", 0),
            ];
            let said = wire.batch(&sent.concat());
            let by = error(&said).and_then(|it| it.field(b'R'));
            assert_eq!(by.as_deref(), Some(guard), "{text} {values:?}");
            refused(&mut wire, &said, guard);
            assert_eq!(seen(&mut wire), ["acme"], "{text} {values:?}");
        }
        // Another portal of the same statement.
        let sent = [
            extended("BEGIN", &[]),
            parse("s", both),
            bind("one", "s", &[Some("app.tenant_id"), Some("globex")]),
            bind("two", "s", &[Some("app.tenant_id"), Some("*")]),
            execute("one", 0),
            execute("two", 0),
        ];
        let said = wire.batch(&sent.concat());
        refused(&mut wire, &said, "zone-not-granted");
        assert_eq!(seen(&mut wire), ["acme"]);
        // Other parameters pass, bound by name.
        let sent = [
            extended("BEGIN", &[]),
            extended(both, &[Some("work_mem"), Some("2MB")]),
            extended("SHOW work_mem", &[]),
            extended("COMMIT", &[]),
        ];
        assert_eq!(
            column(&wire.batch(&sent.concat()))
                .last()
                .map(String::as_str),
            Some("2MB")
        );
        nothing_is_left(&stack);
    }
}

#[test]
fn before_it_is_set_nothing_of_anybodys_is_asked() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        // What drivers ask first.
        for text in [
            "SELECT version()",
            "SELECT pg_catalog.set_config('search_path', 'public', false)",
            "SHOW standard_conforming_strings",
            "SET client_min_messages = warning",
            "SELECT typname, oid FROM pg_catalog.pg_type WHERE oid = 25",
            "SELECT t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LIMIT 1",
            "BEGIN",
            "SAVEPOINT s",
            "ROLLBACK",
            "DISCARD ALL",
        ] {
            fine(&wire.query(text));
        }
        for text in [
            SEEN,
            "INSERT INTO orders (note) VALUES ('x')",
            "SELECT * FROM public.pg_type, orders",
            "SELECT 1; SELECT * FROM orders; SET app.tenant_id = 'acme'",
        ] {
            let said = wire.query(text);
            let message = error(&said).and_then(|it| it.field(b'M'));
            let wanted = "database \"shop\" needs a tenant and this transaction has none";
            assert_eq!(message.as_deref(), Some(wanted), "{text}");
            let detail = error(&said)
                .and_then(|it| it.field(b'D'))
                .unwrap_or_default();
            assert!(detail.contains("Login \"picky\" sets app.tenant_id itself and has not done so on this connection"), "{detail}");
            let hint = error(&said)
                .and_then(|it| it.field(b'H'))
                .unwrap_or_default();
            assert!(
                hint.contains(
                    "SET app.tenant_id = '...' once per connection, or set_config() per transaction"
                ),
                "{hint}"
            );
            refused(&mut wire, &said, "zone-required");
        }
        // Prepared before, run with a zone.
        fine(&wire.batch(&parse("ask", SEEN)));
        let run = [bind("", "ask", &[]), execute("", 0)].concat();
        let said = wire.batch(&run);
        refused(&mut wire, &said, "zone-required");
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        assert_eq!(column(&wire.batch(&run)), ["acme"]);
        nothing_is_left(&stack);
    }
}

/// Of a message of several statements `explain` says what it is answered, also of the statement that is refused.
#[test]
fn explain_says_of_several_statements_what_they_are_answered() {
    const TEXTS: [&str; 8] = [
        "SET app.tenant_id = 'acme'; SELECT count(*) FROM orders",
        "SELECT set_config('app.tenant_id', 'acme', true); TABLE orders",
        "BEGIN; SET LOCAL app.tenant_id = 'acme'; TABLE orders; COMMIT",
        "BEGIN; SET LOCAL app.tenant_id = 'acme'; TABLE orders; COMMIT; TABLE orders",
        "TABLE orders; SET app.tenant_id = 'acme'",
        "SET app.tenant_id = 'acme'; RESET app.tenant_id; TABLE orders",
        "SET app.tenant_id = 'acme'; SET app.tenant_id = 'hooli'; TABLE orders",
        "SET app.tenant_id = 'acme'; TABLE orders; DROP TABLE orders",
    ];
    let stack = stacks().remove(0);
    for text in TEXTS {
        let answer = log_in(&stack, "picky", &[]).query(text);
        let refused = error(&answer).map(|it| (it.field(b'R'), it.field(b'P')));
        let explained = std::process::Command::new(support::proxy::program())
            .args(["explain", "--json", "--login", "picky", "--policy"])
            .arg(stack.file("policy.toml"))
            .arg(text)
            .output()
            .expect("portcullis starts");
        let said: serde_json::Value = serde_json::from_slice(&explained.stdout).expect("JSON");
        let word = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let guard = word(&said["error"]["guard"]);
        assert_eq!(
            refused.is_some(),
            said["verdict"] == "refused",
            "{text}: {said}"
        );
        assert_eq!(refused.clone().and_then(|it| it.0), guard, "{text}: {said}");
        // The first statement that is said to be refused is the one at which the error points.
        let statements = said["statements"].as_array().expect("statements");
        let first = statements.iter().find(|it| it["verdict"] == "refused");
        let at = first.map(|it| it["position"].to_string());
        assert_eq!(refused.and_then(|it| it.1), at, "{text}: {said}");
    }
}

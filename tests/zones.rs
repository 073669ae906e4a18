//! Clients that set their zone themselves, in every way in which a client does: each is asked for, none
//! is left behind, and what is not granted is refused before PostgreSQL sees it.

mod support;

use std::process::Command;
use std::sync::Arc;

use support::fixture::{self, POLICY, User, password};
use support::message::{
    self, Message, bind, column, error, execute, extended, failed, fine, parse,
};
use support::psql::Psql;
use support::shared::OnEveryVersion;
use support::{Stack, StackOptions, Transport, Wire};

static STACKS: OnEveryVersion = OnEveryVersion::new();

/// One role, and so one pool with one connection, for all of them.
const LOGINS: &str = r#"
[login.picky]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = ["acme", "globex", "t-*"] }
server_role = "shop_acme"

[login.free]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = "any", all_zones = true }
server_role = "shop_acme"

[login.own]
kind = "service"
databases = ["shop"]
route = "session"
zone = { from = "client", values = ["acme", "globex"] }
server_role = "shop_acme"

[login.named]
kind = "service"
databases = ["shop"]
zone = { from = "database", pattern = "s*p" }
server_role = "shop_acme"
"#;

const SQL: &str = "
\\connect shop
SET ROLE migrator;
CREATE POLICY every_zone ON orders USING (current_setting('app.tenant_id', true) = '*');
INSERT INTO orders (tenant_id, note) VALUES ('ho', 'by the name of the database'), ('', 'nobody''s');
RESET ROLE;
";

fn stacks() -> Vec<Arc<Stack>> {
    STACKS.get(|| StackOptions {
        sql: format!("{}{SQL}", fixture::SQL),
        policy: format!("{POLICY}{LOGINS}"),
        users: ["picky", "free", "own", "named"]
            .map(|name| User::new(name, &password(name)))
            .to_vec(),
        pool_size: 1,
        keys: vec!["migrator", "shop_acme"],
        ..StackOptions::default()
    })
}

const SEEN: &str = "SELECT DISTINCT tenant_id FROM orders ORDER BY 1";

/// The zones whose rows are seen, the same in both protocols.
#[track_caller]
fn seen(wire: &mut Wire) -> Vec<String> {
    let simple = wire.query(SEEN);
    fine(&simple);
    let bound = wire.batch(&extended(SEEN, &[]));
    fine(&bound);
    assert_eq!(column(&simple), column(&bound));
    column(&simple)
}

#[track_caller]
fn log_in(stack: &Stack, login: &str, parameters: &[(&str, &str)]) -> Wire {
    Wire::login_with(
        &stack.login(login, "shop"),
        Transport::SslRequest,
        parameters,
    )
}

/// The next client of the server connection sees nothing, asked past Portcullis and through it.
#[track_caller]
fn nothing_is_left(stack: &Stack) {
    let mut past = Wire::login(&stack.login_at(stack.transaction_port, "shop_acme", "shop"));
    let zone = "SELECT coalesce(current_setting('app.tenant_id', true), '')";
    assert_eq!(column(&past.query(zone)), [""]);
    assert_eq!(
        column(&past.query(SEEN)),
        ["".to_owned(); 1],
        "the row without a zone"
    );
    let mut next = log_in(stack, "picky", &[]);
    let (refused, _) = failed(&next.query(SEEN));
    assert_eq!(refused, "42501");
    assert_eq!(
        column(&next.query("SHOW app.tenant_id"))
            .first()
            .map_or("", |it| it),
        "",
        "SHOW"
    );
}

/// It is refused by this guard, and the connection is well afterwards.
#[track_caller]
fn refused(wire: &mut Wire, what: &[Message], guard: &str) {
    let error = error(what).unwrap_or_else(|| panic!("not refused: {}", message::kinds(what)));
    let by = (error.field(b'R').unwrap_or_default(), error.sqlstate());
    assert_eq!(by.0, guard, "{error:?}");
    if what.last().expect("an answer").transaction() != 'I' {
        fine(&wire.query("ROLLBACK"));
    }
}

fn psql(stack: &Stack, login: &str, options: &str, sql: &str) -> Psql {
    let login = stack.login(login, "shop");
    let mut command = Command::new("psql");
    command.args([
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-v",
        "VERBOSITY=verbose",
        "-f",
        "-",
    ]);
    command.envs(login.environment()).env("PGOPTIONS", options);
    support::psql::with_input(command, sql).into()
}

#[test]
fn a_startup_parameter_says_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "acme")]);
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("BEGIN"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("COMMIT"));
        nothing_is_left(&stack);
        assert_eq!(seen(&mut wire), ["acme"]);
        let mut every = log_in(&stack, "free", &[("App.Tenant_ID", "*")]);
        assert_eq!(seen(&mut every), ["", "acme", "globex", "ho"]);
        nothing_is_left(&stack);
    }
}

#[test]
fn options_say_it() {
    for stack in stacks() {
        for options in [
            "-c statement_timeout=30s -c app.tenant_id=globex",
            "-capp.tenant_id=globex",
            "--app.tenant-id=globex -c jit=off",
            "-c app.tenant_id=acme -c APP.TENANT_ID=globex",
        ] {
            let mut wire = log_in(&stack, "picky", &[("options", options)]);
            assert_eq!(seen(&mut wire), ["globex"], "{options}");
            let said = psql(&stack, "picky", options, SEEN).ok();
            assert_eq!(said, "globex\n", "{options}");
        }
        nothing_is_left(&stack);
        let all = psql(
            &stack,
            "free",
            "-c statement_timeout=1min -c app.tenant_id=*",
            SEEN,
        );
        assert_eq!(all.ok(), "\nacme\nglobex\nho\n");
        nothing_is_left(&stack);
    }
}

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
        let said = psql(&stack, "picky", "-c app.tenant_id=*", SEEN);
        assert!(
            said.stderr.contains("is not granted to login \"picky\""),
            "{}",
            said.stderr
        );
    }
}

/// SET and `set_config` for the session, in the ways in which drivers send them.
const SESSION: [&str; 6] = [
    "SET app.tenant_id = 'acme'",
    "SET SESSION \"App\".tenant_id TO acme",
    "SELECT set_config('app.tenant_id', 'acme', false)",
    "SELECT set_config('APP.TENANT_ID'::text, 'acme'::text, false), 1",
    "SELECT pg_catalog.set_config(U&'app\\002Etenant_id', E'\\x61cme', false)",
    "WITH s AS (SELECT set_config('app.tenant_id', 'acme', false)) SELECT * FROM s",
];

#[test]
fn what_is_set_for_the_session_stays_with_the_client() {
    for stack in stacks() {
        for (number, text) in SESSION.into_iter().enumerate() {
            let mut wire = log_in(&stack, "picky", &[]);
            match number % 2 {
                0 => fine(&wire.query(text)),
                _ => fine(&wire.batch(&extended(text, &[]))),
            };
            for _ in 0..3 {
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
            }
            assert_eq!(column(&wire.query("SHOW app.tenant_id")), ["acme"]);
            nothing_is_left(&stack);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&wire.query("BEGIN ISOLATION LEVEL SERIALIZABLE"));
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            fine(&wire.query("ROLLBACK"));
            // From one to the other.
            fine(&wire.query("SET app.tenant_id TO 'globex'"));
            assert_eq!(seen(&mut wire), ["globex"]);
            nothing_is_left(&stack);
        }
    }
}

#[test]
fn a_bound_value_is_read_each_time() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        let text = "SELECT set_config('app.tenant_id', $1, false)";
        let parsed = wire.batch(&[parse("pick", text), message::describe(b'S', "pick")].concat());
        fine(&parsed);
        for zone in ["acme", "globex", "acme"] {
            let bound = [bind("", "pick", &[Some(zone)]), execute("", 0)].concat();
            assert_eq!(column(&wire.batch(&bound)), [zone]);
            assert_eq!(seen(&mut wire), [zone]);
        }
        for value in [Some("*"), Some(""), Some("hooli"), None] {
            let bound = [bind("", "pick", &[value]), execute("", 0)].concat();
            let said = wire.batch(&bound);
            let guard = if value.is_some() {
                "zone-not-granted"
            } else {
                "zone-parameter"
            };
            refused(&mut wire, &said, guard);
            assert_eq!(seen(&mut wire), ["acme"], "as before");
        }
        nothing_is_left(&stack);
    }
}

#[test]
fn what_is_set_for_a_transaction_ends_with_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        for (text, values) in [
            (
                "SELECT set_config('app.tenant_id', 'globex', true)",
                &[][..],
            ),
            ("SET LOCAL app.tenant_id = 'globex'", &[]),
            (
                "SELECT set_config('app.tenant_id', $1, true)",
                &[Some("globex")],
            ),
            (
                "SELECT set_config('app.tenant_id', $1::text, true)",
                &[Some("globex")],
            ),
            (
                "SELECT set_config($1, $2, true)",
                &[Some("app.tenant_id"), Some("globex")],
            ),
            (
                "SELECT set_config($2, $1, TRUE)",
                &[Some("globex"), Some("APP.Tenant_id")],
            ),
        ] {
            for end in ["COMMIT", "ROLLBACK"] {
                fine(&wire.query("BEGIN"));
                fine(&wire.batch(&extended(text, values)));
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
                fine(&wire.query(end));
                let gone = wire.query(SEEN);
                refused(&mut wire, &gone, "zone-required");
            }
            // One write, as a pipelining driver sends it.
            let whole = [
                extended("BEGIN", &[]),
                extended(text, values),
                extended(SEEN, &[]),
                extended("COMMIT", &[]),
            ];
            let answer = wire.batch(&whole.concat());
            fine(&answer);
            assert_eq!(
                column(&answer).last().map(String::as_str),
                Some("globex"),
                "{text}"
            );
            nothing_is_left(&stack);
        }
        // The session's comes back behind it.
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET LOCAL app.tenant_id = 'globex'"));
        assert_eq!(seen(&mut wire), ["globex"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["acme"]);
        nothing_is_left(&stack);
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
            "SET SESSION app.tenant_id TO ''",
            "SET app.tenant_id = E'\\x2a'",
            "SELECT 1 FROM (SELECT set_config('app.tenant_id', '*', true)) s, orders",
            "WITH s AS (SELECT set_config('app.tenant_id', 'hooli', true)) SELECT * FROM s",
            "BEGIN; SELECT set_config('app.tenant_id', '*', true)",
            "SELECT set_config('app.tenant_id', 'acme', true); SELECT set_config('app.tenant_id', '*', true)",
            "INSERT INTO orders (note) SELECT set_config('app.tenant_id', '*', true)",
            "EXPLAIN ANALYZE SELECT set_config('app.tenant_id', '*', true)",
            "DECLARE c CURSOR FOR SELECT set_config('app.tenant_id', '*', true)",
            "COPY (SELECT set_config('app.tenant_id', '*', true)) TO STDOUT",
        ] {
            let said = wire.query(text);
            refused(&mut wire, &said, "zone-not-granted");
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
        }
        for text in [
            "SELECT set_config('app.tenant_id', v, true) FROM (VALUES ('acme'), ('*')) t(v)",
            "SELECT set_config('app.tenant_id', chr(42), true)",
            "SELECT set_config('app.tenant_id', ('*'), true)",
            "SELECT set_config('app.tenant_id', 'acme' || '*', true)",
            "SELECT set_config('app.tenant_id', (SELECT '*'), true)",
            "SELECT set_config('app.tenant_id', 'acme*'::varchar(4), true)",
            "SELECT set_config('app.tenant_id', 'acme'::name, true)",
            "SELECT set_config('app.' || 'tenant_id', '*', true)",
            "SELECT set_config(setting_name => 'app.tenant_id', new_value => '*', is_local => true)",
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
                &[Some("app.tenant_id"), Some("acme")],
                "zone-parameter",
            ),
            (
                "SELECT set_config($1, $2, $3)",
                &[],
                &[Some("app.tenant_id"), Some("*"), Some("f")],
                "zone-parameter",
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

#[test]
fn it_is_taken_back_with_the_transaction_that_set_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[("app.tenant_id", "t-1")]);
        let zone = |wire: &mut Wire| column(&wire.query("SHOW app.tenant_id")).remove(0);
        for (texts, left) in [
            (
                &["BEGIN", "SET app.tenant_id = 'acme'", "ROLLBACK"][..],
                "t-1",
            ),
            (&["BEGIN", "SET app.tenant_id = 'acme'", "COMMIT"], "acme"),
            (&["RESET app.tenant_id"], "t-1"),
            (&["SET app.tenant_id = 'acme'", "RESET ALL"], "t-1"),
            (&["SET app.tenant_id = 'acme'", "DISCARD ALL"], "t-1"),
            (
                &["SET app.tenant_id = 'acme'", "SET app.tenant_id TO DEFAULT"],
                "t-1",
            ),
            (
                &[
                    "BEGIN",
                    "SET app.tenant_id = 'acme'",
                    "SAVEPOINT s",
                    "SET app.tenant_id = 'globex'",
                    "ROLLBACK TO s",
                    "COMMIT",
                ],
                "acme",
            ),
            (
                &[
                    "BEGIN",
                    "SAVEPOINT s",
                    "SELECT set_config('app.tenant_id', 'globex', false)",
                    "RELEASE s",
                    "COMMIT",
                ],
                "globex",
            ),
        ] {
            for text in texts {
                fine(&wire.query(text));
            }
            assert_eq!(zone(&mut wire), left, "{texts:?}");
            if left != "t-1" {
                assert_eq!(seen(&mut wire), [left], "{texts:?}");
            }
        }
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET app.tenant_id = 'acme'"));
        assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["globex"]);
        // Without one in the startup packet there is none.
        let mut wire = log_in(&stack, "picky", &[]);
        for texts in [
            &["BEGIN", "SET app.tenant_id = 'acme'", "ROLLBACK"][..],
            &["SET app.tenant_id = 'acme'", "RESET app.tenant_id"],
            &["SET app.tenant_id = 'acme'", "DISCARD ALL"],
            &["SET app.tenant_id = 'acme'", "RESET ALL"],
        ] {
            for text in texts {
                fine(&wire.query(text));
            }
            let said = wire.query(SEEN);
            refused(&mut wire, &said, "zone-required");
        }
        // Set behind a savepoint and rolled back, or before it and kept.
        let local = "SET LOCAL app.tenant_id = 'acme'";
        for text in ["BEGIN", "SAVEPOINT s", local, "ROLLBACK TO s"] {
            fine(&wire.query(text));
        }
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        for text in ["BEGIN", "SAVEPOINT s", local, "SAVEPOINT s"] {
            fine(&wire.query(text));
        }
        assert_eq!(failed(&wire.query("SELECT 1/0")).1, 'E');
        fine(&wire.query("ROLLBACK TO s"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("RELEASE s"));
        fine(&wire.query("ROLLBACK TO s"));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        // A call that is not reached sets nothing.
        let said = wire.query(
            "BEGIN; SELECT set_config('app.tenant_id', 'acme', true) WHERE false; SELECT tenant_id FROM orders WHERE tenant_id <> ''; COMMIT",
        );
        assert_eq!(column(&said), [] as [String; 0]);
        nothing_is_left(&stack);
    }
}

#[test]
fn on_the_session_route_it_is_set_in_each_transaction_as_well() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "own", &[]);
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        fine(&wire.query("SET app.tenant_id = 'acme'; SET work_mem = '3MB'"));
        assert_eq!(seen(&mut wire), ["acme"]);
        assert_eq!(column(&wire.query("SHOW work_mem")), ["3MB"]);
        for text in [
            "SET app.tenant_id = '*'",
            "SELECT set_config('app.tenant_id', chr(42), false)",
        ] {
            let said = wire.query(text);
            assert_eq!(failed(&said).0, "42501");
            assert_eq!(seen(&mut wire), ["acme"]);
        }
        fine(&wire.query("BEGIN"));
        fine(&wire.batch(&extended(
            "SELECT set_config($1, $2, true)",
            &[Some("app.tenant_id"), Some("globex")],
        )));
        assert_eq!(seen(&mut wire), ["globex"]);
        fine(&wire.query("COMMIT"));
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.query("RESET app.tenant_id"));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        drop(wire);
        let mut started = log_in(
            &stack,
            "own",
            &[("app.tenant_id", "globex"), ("work_mem", "2MB")],
        );
        assert_eq!(seen(&mut started), ["globex"]);
        assert_eq!(column(&started.query("SHOW work_mem")), ["2MB"]);
        fine(&started.query("DISCARD ALL"));
        assert_eq!(seen(&mut started), ["globex"]);
    }
}

#[test]
fn the_name_of_the_database_says_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "named", &[]);
        assert_eq!(seen(&mut wire), ["ho"]);
        let said = wire.query("SET app.tenant_id = 'acme'");
        refused(&mut wire, &said, "zone-not-granted");
        assert_eq!(seen(&mut wire), ["ho"]);
        nothing_is_left(&stack);
    }
}

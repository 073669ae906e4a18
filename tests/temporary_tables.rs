//! Temporary tables on a server connection that is handed on: what clients of the same pool could get of them. The
//! pool has one connection. Each attack first through PgBouncer alone, where it has its effect.

mod support;

use std::sync::Arc;

use support::message::{self, column, error, failed, fine};
use support::{
    OnEveryVersion, Pooler, Stack, StackOptions, Transport, VERSIONS, Version, Wire, fixture,
};

const SQL: &str = "
\\connect app
CREATE TABLE prices (id int, price numeric);
INSERT INTO prices VALUES (1, 1.5);
CREATE FUNCTION doubled(n numeric) RETURNS text LANGUAGE plpgsql AS
    'DECLARE v prices.price%TYPE; BEGIN v := n; RETURN (v * 2)::text; END';
GRANT SELECT ON prices TO shop_plain;
CREATE FUNCTION noted(n int) RETURNS text LANGUAGE plpgsql AS
    'DECLARE v text; BEGIN v := ''note '' || n; RETURN v; END';
";

const NAMES: &str = "\n[guards.ddl-outside-migration]\ntemporary_tables = [\"tmp_*\"]\n";

fn options(guards: &str) -> StackOptions {
    StackOptions {
        pool_size: 1,
        sql: format!("{}{SQL}", fixture::SQL),
        policy: format!("{}{guards}", fixture::POLICY),
        ..StackOptions::default()
    }
}

fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| options(""))
}

/// Two clients of one server connection, at PgBouncer or at Portcullis.
fn two(stack: &Stack, portcullis: bool) -> [Wire; 2] {
    let (port, transport) = match portcullis {
        true => (stack.port, Transport::SslRequest),
        false => (stack.transaction_port, Transport::Plain),
    };
    let login = stack.login_at(port, "shop_plain", "app");
    [(); 2].map(|()| Wire::login_with(&login, transport, &[]))
}

/// Gives nobody a server connection that the pool has now.
fn reconnect(stack: &Stack) {
    let login = stack.login_at(stack.transaction_port, fixture::ADMIN, "pgbouncer");
    fine(&Wire::login(&login).query("RECONNECT"));
}

/// Parse of a name, Bind with this value, Execute.
fn named(name: &str, sql: &str, value: &str) -> Vec<u8> {
    [
        message::parse(name, sql),
        message::bind("", name, &[Some(value)]),
        message::execute("", 0),
    ]
    .concat()
}

const HIDING: &str = "CREATE TEMPORARY TABLE prices (id text, price bytea) ON COMMIT DROP";
const TEXT: &str = "SELECT price FROM prices WHERE id = $1";

/// A pool that follows names keeps a statement under its text, for all of its clients.
#[test]
fn what_is_prepared_beside_one_is_nobody_elses() {
    let stack = Stack::start(StackOptions {
        version: Version::Pg17,
        pooler: Pooler::V1_24,
        ..options("")
    });
    for portcullis in [false, true] {
        reconnect(&stack);
        let [mut one, mut other] = two(&stack, portcullis);
        // Until the pool is known to follow names.
        for round in 0..12 {
            for wire in [&mut one, &mut other] {
                let name = format!("warm{round}");
                fine(&wire.batch(&named(&name, "SELECT $1::text", "x")));
            }
        }
        fine(&one.query("BEGIN"));
        fine(&one.query(HIDING));
        let found = one.batch(&named("mine", TEXT, "1"));
        assert_eq!(column(&found), [""; 0]);
        fine(&one.query("COMMIT"));
        let found = other.batch(&named("theirs", TEXT, "1"));
        match portcullis {
            false => assert!(error(&found).is_some(), "{found:?}"),
            true => assert_eq!(column(&found), ["1.5"]),
        }
        if portcullis {
            // And the first client's own means the table again.
            let again = [
                message::bind("", "mine", &[Some("1")]),
                message::execute("", 0),
            ];
            let found = one.batch(&again.concat());
            // It was never told what this one returns.
            assert_eq!(column(&found), ["1.5"]);
        }
    }
}

/// What Portcullis does not see: PL/pgSQL looks `%TYPE` up once in a session. A policy that says what temporary tables are
/// called keeps the name out of their reach.
#[test]
fn a_function_keeps_what_it_has_seen_of_one() {
    const HIDING: &str = "CREATE TEMPORARY TABLE prices (id int, price int) ON COMMIT DROP";
    const CALL: &str = "SELECT doubled(1.2)";
    let hide = |wire: &mut Wire| {
        fine(&wire.query("BEGIN"));
        let made = wire.query(HIDING);
        wire.query(CALL);
        fine(&wire.query(if error(&made).is_some() {
            "ROLLBACK"
        } else {
            "COMMIT"
        }));
        made
    };
    for (version, pooler) in VERSIONS {
        // Stacks of its own: the pool's only connection must be the same one throughout.
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..options("")
        });
        for portcullis in [false, true] {
            reconnect(&stack);
            let [mut one, mut other] = two(&stack, portcullis);
            fine(&hide(&mut one));
            assert_eq!(column(&other.query(CALL)), ["2"]);
        }
    }
    let stack = Stack::start(options(NAMES));
    let [mut one, mut other] = two(&stack, true);
    let refused = hide(&mut one);
    assert_eq!(failed(&refused), ("42501".into(), 'E'));
    let error = error(&refused).expect("an error");
    assert_eq!(error.field(b'H'), Some("The policy allows: tmp_*.".into()));
    assert_eq!(column(&other.query(CALL)), ["2.4"]);
    fine(&one.query("BEGIN"));
    fine(&one.query("CREATE TEMPORARY TABLE tmp_prices (LIKE prices) ON COMMIT DROP"));
    fine(&one.query("COMMIT"));
}

/// PL/pgSQL looks the types of its variables up once in a session, and `pg_temp` is searched before `pg_catalog`.
#[test]
fn one_hides_no_type_of_postgresqls_own() {
    const CALL: &str = "SELECT noted(1)";
    let hide = |wire: &mut Wire| {
        fine(&wire.query("BEGIN"));
        let made = wire.query("CREATE TEMPORARY TABLE text (a int) ON COMMIT DROP");
        if error(&made).is_none() {
            wire.query("SAVEPOINT s");
            wire.query(CALL);
            wire.query("ROLLBACK TO s");
        }
        fine(&wire.query("COMMIT"));
        made
    };
    for (version, pooler) in VERSIONS {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..options("\n[guards.ddl-outside-migration]\ntemporary_tables = [\"*\"]\n")
        });
        for portcullis in [false, true] {
            reconnect(&stack);
            let [mut one, mut other] = two(&stack, portcullis);
            let made = hide(&mut one);
            let found = other.query(CALL);
            match portcullis {
                false => {
                    fine(&made);
                    assert!(error(&found).is_some(), "{found:?}");
                }
                true => {
                    assert_eq!(failed(&made), ("42501".into(), 'E'));
                    assert_eq!(column(&found), ["note 1"]);
                }
            }
        }
    }
}

/// Each type of the server is one of the list that keeps temporary tables from hiding it, and the other way round.
#[test]
fn every_type_of_postgresqls_own_is_known() {
    const ASK: &str = "SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
        AND typrelid = 0 AND typname !~ '^_|^pg_' ORDER BY typname COLLATE \"C\"";
    let versions = VERSIONS.into_iter().chain([(Version::Pg18, Pooler::V1_24)]);
    for (version, pooler) in versions {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            ..options("")
        });
        let found = stack.direct("app", ASK);
        assert_eq!(found, include_str!("../src/sql/types.txt"), "{version:?}");
        // What is not in the list has no more than an underscore before a name that is.
        let rest = "SELECT a.typname FROM pg_type a WHERE a.typnamespace = 'pg_catalog'::regnamespace AND a.typrelid = 0
            AND a.typname ~ '^_' AND a.typname !~ '^_pg_' AND NOT EXISTS (SELECT FROM pg_type t
            WHERE t.typarray = a.oid AND a.typname = '_' || t.typname)";
        assert_eq!(stack.direct("app", rest), "", "{version:?}");
    }
}

/// PostgreSQL changes `temp_buffers` no more once a session has used a temporary table. Set for a client in each of
/// its transactions, somebody else's temporary table would end them all.
#[test]
fn one_keeps_nobody_from_what_was_set() {
    const TOUCH: [&str; 4] = [
        "BEGIN",
        "CREATE TEMPORARY TABLE passing (id int) ON COMMIT DROP",
        "INSERT INTO passing VALUES (1)",
        "COMMIT",
    ];
    let touch = |wire: &mut Wire| {
        for text in TOUCH {
            fine(&wire.query(text));
        }
    };
    for stack in stacks() {
        reconnect(&stack);
        let [mut one, mut other] = two(&stack, false);
        fine(&one.query("BEGIN; SET LOCAL temp_buffers = '2MB'; COMMIT"));
        touch(&mut other);
        let found = one.query("BEGIN; SET LOCAL temp_buffers = '2MB'; COMMIT");
        assert_eq!(failed(&found).0, "22023");
        drop(one);

        reconnect(&stack);
        let login = stack.login("shop_plain", "app");
        let at_startup = [
            ("temp_buffers", "2MB"),
            ("Temp_Buffers", "none"),
            ("options", "-c Temp-Buffers=2MB"),
        ];
        let mut clients: Vec<Wire> = at_startup
            .iter()
            .map(|it| Wire::login_with(&login, Transport::SslRequest, &[*it]))
            .collect();
        for one in &mut clients {
            assert_eq!(column(&one.query("SHOW temp_buffers")), ["8MB"]);
        }
        let [mut one, mut other] = two(&stack, true);
        for text in [
            "SET temp_buffers = '2MB'",
            "SET LOCAL Temp_Buffers = 256",
            "SELECT set_config('temp_buffers', '2MB', false)",
            "SELECT set_config('temp_buffers', '2MB', true)",
        ] {
            assert_eq!(failed(&one.query(text)).0, "0A000", "{text}");
        }
        for local in ["true", "false"] {
            let bound = named(
                "",
                &format!("SELECT set_config($1, '2MB', {local})"),
                "Temp_Buffers",
            );
            assert!(error(&one.batch(&bound)).is_some(), "{local}");
        }
        fine(&one.query("SET work_mem = '2MB'"));
        touch(&mut other);
        clients.push(one);
        for one in &mut clients {
            assert_eq!(column(&one.query("SHOW temp_buffers")), ["8MB"]);
            for text in [
                "RESET temp_buffers",
                "SET temp_buffers TO DEFAULT",
                "RESET ALL",
            ] {
                fine(&one.query(text));
            }
            assert_eq!(column(&one.query("SELECT 1")), ["1"]);
        }
    }
}

/// Nothing is left of one: neither it nor its rows, its types, its sequences; whatever way the transaction ends.
#[test]
fn nothing_is_left_of_one() {
    const LEFT: &str = "SELECT relname FROM pg_class WHERE relpersistence = 't' UNION ALL
        SELECT typname::text FROM pg_type WHERE typname LIKE '%passing%'";
    const MADE: &str =
        "CREATE TEMPORARY TABLE passing (id serial PRIMARY KEY, note text UNIQUE) ON COMMIT DROP";
    for stack in stacks() {
        let [mut one, mut other] = two(&stack, true);
        for texts in [
            &[
                "BEGIN",
                MADE,
                "INSERT INTO passing (note) VALUES ('x')",
                "COMMIT",
            ][..],
            &["BEGIN", MADE, "COMMIT AND CHAIN", "ROLLBACK"],
            &["BEGIN", MADE, "SELECT 1/0", "COMMIT"],
            &["BEGIN", "SAVEPOINT s", MADE, "RELEASE s", "COMMIT"],
            &["BEGIN", "SAVEPOINT s", MADE, "ROLLBACK TO s", "COMMIT"],
            &[MADE],
        ] {
            for text in texts {
                one.query(text);
            }
            assert_eq!(
                failed(&other.query("TABLE passing")).0,
                "42P01",
                "{texts:?}"
            );
            assert_eq!(column(&other.query(LEFT)), [""; 0], "{texts:?}");
        }
        let whole = format!("{MADE}; INSERT INTO passing (note) VALUES ('x') RETURNING id");
        assert_eq!(column(&one.query(&whole)), ["1"]);
        assert_eq!(column(&other.query(LEFT)), [""; 0]);
        // And if the client goes away in its middle.
        fine(&one.query("BEGIN"));
        fine(&one.query(MADE));
        drop(one);
        assert_eq!(column(&other.query(LEFT)), [""; 0]);
    }
}

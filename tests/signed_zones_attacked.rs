//! Signed zones that the client sets itself, attacked: with code that lives in the database, with tokens
//! of one's own making, and in the one place that runs before its transaction has entered anything.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod signed;
}

use support::message::{Message, bind, column, error, execute, extended, failed, fine, parse};
use support::process::wait_until;
use support::shop::SEEN;
use support::signed::{MINUTE, key, token_of};
use support::{Stack, StackOptions, Transport, Wire, ways};
use zones::common::{PAIRS, refused};
use zones::signed::{DATABASES, SECRET, each, log_in, nothing_is_left, options, stacks};

const BELIEVED: &str = "SELECT DISTINCT tenant_id FROM believed";

/// Past Portcullis and PgBouncer, with the password of the role.
fn straight(stack: &Stack, database: &str) -> Wire {
    let login = stack.login_at(stack.cluster.port, "shop_acme", database);
    Wire::login_with(&login, Transport::Plain, &[])
}

/// Where the parameter alone is believed it goes through.
#[test]
fn code_in_the_database_cannot_enter_another_zone() {
    each(stacks(), |stack, database| {
        for run in ways() {
            let mut wire = log_in(stack, "picky", database, &[]);
            let acme = "SELECT set_config('app.tenant_id', 'acme', true)";
            for (set, moved) in [
                (acme, "SELECT say('ho')"),
                ("SET LOCAL app.tenant_id = 'acme'", "SELECT say('*')"),
            ] {
                for text in ["BEGIN", set, moved] {
                    fine(&run(&mut wire, text));
                }
                assert_eq!(column(&run(&mut wire, SEEN)), ["acme"], "{moved}");
                if moved.contains("ho") {
                    let believed = column(&run(&mut wire, BELIEVED));
                    assert_eq!(believed, ["ho"], "the attack itself");
                }
                fine(&run(&mut wire, "COMMIT"));
            }
            // In the statement that sets it: the server has another by the time it would be entered.
            fine(&run(&mut wire, "BEGIN"));
            let both = "SELECT set_config('app.tenant_id', 'acme', true), say('ho')";
            fine(&run(&mut wire, both));
            assert!(column(&run(&mut wire, SEEN)).is_empty());
            assert_eq!(column(&run(&mut wire, BELIEVED)), ["ho"], "the attack");
            fine(&run(&mut wire, "COMMIT"));
            // Rows are read there by nobody's zone.
            fine(&run(&mut wire, "BEGIN"));
            let reads =
                "SELECT (SELECT count(*) FROM orders) || set_config('app.tenant_id', 'acme', true)";
            assert_eq!(column(&run(&mut wire, reads)), ["0acme"]);
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
            fine(&run(&mut wire, "COMMIT"));
            // A call that is not reached.
            fine(&run(&mut wire, "BEGIN"));
            fine(&run(&mut wire, &format!("{acme} WHERE false")));
            assert!(column(&run(&mut wire, SEEN)).is_empty());
            fine(&run(&mut wire, "ROLLBACK"));
            // The second of two pairs, where one row is read.
            fine(&run(&mut wire, "BEGIN"));
            let pairs = r#"[["a.b","x"],["app.tenant_id","acme"]]"#;
            let bound = [
                parse("", PAIRS),
                bind("", "", &[Some(pairs)]),
                execute("", 1),
            ];
            assert_eq!(column(&wire.batch(&bound.concat())), ["x"]);
            assert!(column(&run(&mut wire, SEEN)).is_empty());
            fine(&run(&mut wire, "ROLLBACK"));
            // Before the client has set one.
            fine(&run(&mut wire, "BEGIN"));
            fine(&run(&mut wire, "SELECT say('ho')"));
            assert!(column(&run(&mut wire, "SELECT peek('orders')")).is_empty());
            let said = run(&mut wire, SEEN);
            refused(&mut wire, &said, "zone-required");
        }
        nothing_is_left(stack, database);
    });
}

/// What a function in the database could do with a password: a second session, these steps in a transaction
/// there, and what it sees then.
fn reach_far(stack: &Stack, database: &str) {
    let login = stack.login_at(stack.cluster.port, "shop_acme", database);
    let back = format!(
        "host=127.0.0.1 port={} dbname={database} user=shop_acme password='{}' sslmode=disable",
        login.port,
        login.password.replace('\'', "\\'")
    );
    let sql = format!(
        "CREATE EXTENSION IF NOT EXISTS dblink;
CREATE OR REPLACE FUNCTION far(steps text[], ask text) RETURNS SETOF text LANGUAGE plpgsql AS $f$
DECLARE step text;
BEGIN
    PERFORM dblink_connect('far', $c${back}$c$);
    PERFORM dblink_exec('far', 'BEGIN');
    FOREACH step IN ARRAY steps LOOP
        PERFORM * FROM dblink('far', step) AS t(x text);
    END LOOP;
    RETURN QUERY SELECT * FROM dblink('far', ask) AS t(x text);
    PERFORM dblink_disconnect('far');
EXCEPTION WHEN OTHERS THEN
    PERFORM dblink_disconnect('far');
    RAISE;
END $f$"
    );
    stack.direct(database, &sql);
}

#[test]
fn a_session_that_code_in_the_database_opens_is_in_no_zone() {
    each(stacks(), |stack, database| {
        reach_far(stack, database);
        let mark = match database {
            "shop" => "backtrace_functions",
            _ => "portcullis.mark",
        };
        let carried = format!(
            "ARRAY[format('SELECT set_config(%L, %L, true)', '{mark}', current_setting('{mark}', true))]"
        );
        let enter = |token: String| format!("ARRAY['SELECT portcullis.enter(''{token}'')::text']");
        let ho = "ARRAY['SET LOCAL app.tenant_id = ''ho''']";
        let token = |byte, zone, role| token_of(&key("k1", byte), zone, role, database, 0);
        for run in ways() {
            let mut wire = log_in(stack, "picky", database, &[("app.tenant_id", "acme")]);
            let mut far = |steps: &str, ask: &str| {
                let answer = run(&mut wire, &format!("SELECT far({steps}, '{ask}')"));
                (column(&answer), error(&answer).map(Message::sqlstate))
            };
            let nothing = || (Vec::new(), None);
            let refused = || (Vec::new(), Some("42501".to_owned()));
            assert_eq!(far("'{}'", SEEN), nothing());
            assert_eq!(far(ho, SEEN), nothing());
            let attack = (vec!["ho".to_owned()], None);
            assert_eq!(far(ho, BELIEVED), attack, "the attack itself");
            // The mark of this very transaction: no client may set the one, and the other is of this backend.
            let wanted = match database {
                "shop" => refused(),
                _ => nothing(),
            };
            assert_eq!(far(&carried, SEEN), wanted);
            for forged in [
                token(8, "ho", "shop_acme"),
                token(7, "ho", "shop_globex"),
                token(7, "ho", "picky"),
            ] {
                assert_eq!(far(&enter(forged), SEEN), refused());
            }
            // A good one would be good there, as on any connection of the role.
            let good = enter(token(7, "ho", "shop_acme"));
            assert_eq!(far(&good, SEEN), attack);
            assert_eq!(column(&run(&mut wire, SEEN)), ["acme"]);
        }
        stack.direct(database, "DROP FUNCTION far");
        nothing_is_left(stack, database);
    });
}

/// Behind calls that were not reached the parameter is another than was entered: nothing is read under its name.
#[test]
fn no_rows_of_one_zone_under_the_name_of_another() {
    const TOLD: &str =
        "SELECT DISTINCT current_setting('app.tenant_id') || ':' || tenant_id FROM orders";
    let set = |zone: &str| format!("SELECT set_config('app.tenant_id', '{zone}', true)");
    let missed = |zone: &str| set(zone) + " WHERE false";
    each(stacks(), |stack, database| {
        for run in ways() {
            for session in [&[][..], &[("app.tenant_id", "acme")]] {
                let mut wire = log_in(stack, "picky", database, session);
                let all = |wire: &mut Wire, texts: &[&str]| {
                    for text in texts {
                        fine(&run(wire, text));
                    }
                };
                // Entered as acme, set to globex, and then what is said and not reached is any zone at all.
                for zone in ["acme", "globex", "t-1"] {
                    all(
                        &mut wire,
                        &["BEGIN", &set("acme"), SEEN, &set("globex"), &missed(zone)],
                    );
                    let said = run(&mut wire, TOLD);
                    assert_eq!(failed(&said), ("42501".into(), 'E'), "{zone}");
                    let told = error(&said).and_then(|it| it.field(b'M'));
                    let message = "this transaction is in another zone";
                    assert_eq!(told.as_deref(), Some(message));
                    fine(&run(&mut wire, "ROLLBACK"));
                }
                // What was not reached changes nothing where the parameter is what was entered.
                let case = format!("SELECT CASE WHEN false THEN ({}) END", set("t-1"));
                for between in [missed("globex"), case] {
                    all(&mut wire, &["BEGIN", &set("acme"), SEEN, &between]);
                    assert_eq!(column(&run(&mut wire, TOLD)), ["acme:acme"], "{between}");
                    fine(&run(&mut wire, "COMMIT"));
                }
                // Nothing was entered: nothing is seen, and nothing fails.
                all(&mut wire, &["BEGIN", &missed("globex")]);
                assert!(column(&run(&mut wire, TOLD)).is_empty());
                fine(&run(&mut wire, "COMMIT"));
                // Behind an error, a savepoint brings back what was set before it.
                all(
                    &mut wire,
                    &["BEGIN", &set("acme"), SEEN, "SAVEPOINT s", &set("globex")],
                );
                assert_eq!(failed(&run(&mut wire, TOLD)), ("42501".into(), 'E'));
                fine(&run(&mut wire, "ROLLBACK TO s"));
                assert_eq!(column(&run(&mut wire, TOLD)), ["acme:acme"]);
                fine(&run(&mut wire, "COMMIT"));
            }
        }
        nothing_is_left(stack, database);
    });
}

#[test]
fn tokens_of_ones_own_open_nothing() {
    each(stacks(), |stack, database| {
        let mut wire = log_in(stack, "picky", database, &[]);
        let other = DATABASES[usize::from(database == DATABASES[0])];
        let good = |zone: &str| token_of(&key("k1", 7), zone, "shop_acme", database, 0);
        let swapped = {
            let (ho, acme) = (good("ho"), good("acme"));
            let mut parts: Vec<&str> = acme.split('.').collect();
            parts[4] = ho.split('.').nth(4).expect("a zone");
            parts.join(".")
        };
        for (forged, why) in [
            (
                token_of(&key("k1", 8), "ho", "shop_acme", database, 0),
                "another key",
            ),
            (swapped, "a swapped zone"),
            (
                token_of(&key("k1", 7), "ho", "shop_acme", database, -2 * MINUTE),
                "expired",
            ),
            (
                token_of(&key("k1", 7), "ho", "shop_acme", database, 2 * MINUTE),
                "too early",
            ),
            (
                token_of(&key("k1", 7), "ho", "shop_globex", database, 0),
                "another role",
            ),
            (
                token_of(&key("k1", 7), "ho", "picky", database, 0),
                "the login, not its role",
            ),
            (
                token_of(&key("k1", 7), "ho", "shop_acme", other, 0),
                "another database",
            ),
            ("-".to_owned(), "none"),
        ] {
            // In the statement that sets the zone, which nothing has been entered ahead of.
            fine(&wire.query("BEGIN"));
            let text = format!(
                "SELECT set_config('app.tenant_id', 'acme', true), portcullis.enter('{forged}')"
            );
            assert_eq!(failed(&wire.query(&text)), ("42501".into(), 'E'), "{why}");
            fine(&wire.query("ROLLBACK"));
            // And on a connection of one's own, with the parameter set as one likes.
            let mut own = straight(stack, database);
            fine(&own.query("BEGIN; SET LOCAL app.tenant_id = 'ho'"));
            let entered = own.query(&format!("SELECT FROM portcullis.enter('{forged}')"));
            assert_eq!(failed(&entered).0, "42501", "{why}");
            fine(&own.query("ROLLBACK; BEGIN; SET LOCAL app.tenant_id = 'ho'"));
            assert!(column(&own.query(SEEN)).is_empty(), "{why}");
        }
        nothing_is_left(stack, database);
    });
}

/// README.md of deploy/sql says how far one goes.
#[test]
fn a_stolen_token_enters_no_transaction_that_has_a_zone() {
    each(stacks(), |stack, database| {
        let stolen = || token_of(&key("k1", 7), "ho", "shop_acme", database, 0);
        let enter = || format!("SELECT FROM portcullis.enter('{}')", stolen());
        let mut own = straight(stack, database);
        fine(&own.query(&format!("BEGIN; {}", enter())));
        assert_eq!(column(&own.query(SEEN)), ["ho"], "it is a good one");
        for run in ways() {
            for session in [&[][..], &[("app.tenant_id", "globex")]] {
                let mut wire = log_in(stack, "picky", database, session);
                // Before there is a zone: then the client's own does not get in any more.
                fine(&run(&mut wire, "BEGIN"));
                let said = run(&mut wire, &enter());
                match session {
                    [] => {
                        fine(&said);
                        fine(&run(&mut wire, "SET LOCAL app.tenant_id = 'acme'"));
                        assert_eq!(failed(&run(&mut wire, SEEN)), ("42501".into(), 'E'));
                    }
                    _ => assert_eq!(failed(&said), ("42501".into(), 'E')),
                }
                fine(&run(&mut wire, "ROLLBACK"));
                // Behind the statement that sets it.
                for text in ["BEGIN", "SET LOCAL app.tenant_id = 'acme'"] {
                    fine(&run(&mut wire, text));
                }
                let said = run(&mut wire, &enter());
                assert_eq!(failed(&said), ("42501".into(), 'E'));
                let told = error(&said).and_then(|it| it.field(b'M'));
                assert_eq!(told.as_deref(), Some("this transaction is in another zone"));
                fine(&run(&mut wire, "ROLLBACK"));
                // Within it: the same.
                fine(&run(&mut wire, "BEGIN"));
                let within = format!(
                    "SELECT set_config('app.tenant_id', 'acme', true), portcullis.enter('{}')",
                    stolen()
                );
                fine(&run(&mut wire, &within));
                assert_eq!(failed(&run(&mut wire, SEEN)), ("42501".into(), 'E'));
                fine(&run(&mut wire, "ROLLBACK"));
            }
        }
        nothing_is_left(stack, database);
    });
}

/// Notices of what Portcullis says beside the client, and what PostgreSQL adds to an error of that.
#[test]
fn neither_notices_nor_errors_tell_a_token() {
    const LOUD: [(&str, &str); 4] = [
        ("client_min_messages", "log"),
        ("debug_print_plan", "on"),
        ("debug_print_parse", "on"),
        ("log_parameter_max_length_on_error", "-1"),
    ];
    // A token's first letters, as text and as the bytes of a constant in a plan.
    const TOKEN: [&str; 2] = ["pz1.", "112 122 49 46"];
    let tells = |all: &[Message]| {
        let told = all.iter().filter(|it| matches!(it.kind, b'N' | b'E'));
        let mut told = told.map(|it| String::from_utf8_lossy(&it.body).into_owned());
        told.find(|text| TOKEN.iter().any(|token| text.contains(token)))
    };
    each(stacks(), |stack, database| {
        let durations = |to: &str| {
            stack.direct(database, &format!("ALTER SYSTEM {to}"));
            stack.direct(database, "SELECT pg_reload_conf()");
        };
        durations("SET log_min_duration_statement = 0");
        let mut loud = straight(stack, database);
        fine(&loud.query("SET client_min_messages = log"));
        wait_until("durations are told", || {
            loud.query("SELECT 1").iter().any(|it| it.kind == b'N')
        });
        for (login, run) in ["picky", "own", "shop_acme"]
            .into_iter()
            .flat_map(|it| ways().map(|run| (it, run)))
        {
            let mut wire = log_in(stack, login, database, &[]);
            let mut all = Vec::new();
            for (name, value) in LOUD {
                all.extend(run(&mut wire, &format!("SET {name} = '{value}'")));
            }
            let zones: &[&str] = match login {
                "shop_acme" => &[],
                _ => &[
                    "SET LOCAL app.tenant_id = 'acme'",
                    "SET LOCAL app.tenant_id = 'globex'",
                ],
            };
            for _ in 0..8 {
                all.extend(run(&mut wire, "BEGIN"));
                for zone in zones {
                    all.extend(run(&mut wire, zone));
                    all.extend(run(&mut wire, SEEN));
                }
                all.extend(run(&mut wire, SEEN));
                all.extend(run(&mut wire, "ROLLBACK"));
            }
            // Another notice passes.
            let heard = all.iter().filter(|it| it.kind == b'N').count();
            let notices = run(&mut wire, "ROLLBACK");
            assert!(notices.iter().any(|it| it.kind == b'N'), "{notices:?}");
            let other = error(&all).and_then(|it| it.field(b'M'));
            let zones_met = other.as_deref() == Some("this transaction is in another zone");
            assert_eq!(tells(&all), None, "{login}");
            assert!(zones.is_empty() || zones_met, "{login} {other:?}");
            assert_eq!(heard, 0, "{login}");
        }
        durations("RESET log_min_duration_statement");
    });
}

/// Two clients with one server connection between them, in forms and orders that change.
#[test]
fn two_zones_on_one_connection_never_meet() {
    for (round, stack) in stacks().into_iter().enumerate() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64 + round as u64;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let mut wires = ["acme", "globex"].map(|zone| {
            let mut wire = log_in(&stack, "picky", "shop", &[]);
            fine(&wire.query(&format!("SET app.tenant_id = '{zone}'")));
            wire
        });
        for turn in 0..400 {
            let who = next(2) as usize;
            let kept = ["acme", "globex"][who];
            let said = ["acme", "globex"][next(2) as usize];
            let wire = &mut wires[who];
            let local = "SELECT set_config('app.tenant_id', $1, true)";
            let begin = ["BEGIN", "BEGIN ISOLATION LEVEL SERIALIZABLE"][next(2) as usize];
            let end = ["COMMIT", "ROLLBACK"][next(2) as usize];
            let (answer, wanted) = match next(5) {
                0 => (wire.query(SEEN), kept),
                1 => (wire.batch(&extended(SEEN, &[])), kept),
                2 => {
                    fine(&wire.query(begin));
                    fine(&wire.query(&format!("SET LOCAL app.tenant_id = '{said}'")));
                    let answer = wire.query(SEEN);
                    fine(&wire.query(end));
                    (answer, said)
                }
                3 => {
                    let all = [
                        extended(begin, &[]),
                        extended(local, &[Some(said)]),
                        extended(SEEN, &[]),
                        extended(end, &[]),
                    ];
                    (wire.batch(&all.concat()), said)
                }
                _ => {
                    fine(&wire.query(begin));
                    fine(&wire.query("SAVEPOINT s"));
                    failed(&wire.query("SELECT 1/0"));
                    fine(&wire.query("ROLLBACK TO s"));
                    let answer = wire.batch(&extended(SEEN, &[]));
                    fine(&wire.query(end));
                    (answer, kept)
                }
            };
            fine(&answer);
            assert_eq!(
                column(&answer).last().map(String::as_str),
                Some(wanted),
                "turn {turn}"
            );
        }
        nothing_is_left(&stack, "shop");
    }
}

/// The proxy has a key that the database does not know.
#[test]
fn a_wrong_key_is_told_and_shows_nothing() {
    let stack = Stack::start(StackOptions {
        zone_keys: options().zone_keys.replace(SECRET, &"08".repeat(32)),
        ..options()
    });
    for run in ways() {
        let mut wire = log_in(&stack, "picky", "shop", &[("app.tenant_id", "acme")]);
        let message = "zone token is not valid for login \"shop_acme\" in database \"shop\"";
        let told = |said: &[Message]| error(said).and_then(|it| it.field(b'M'));
        assert_eq!(told(&run(&mut wire, SEEN)).as_deref(), Some(message));
        fine(&run(&mut wire, "BEGIN"));
        fine(&run(&mut wire, "SET LOCAL app.tenant_id = 'globex'"));
        assert_eq!(told(&run(&mut wire, SEEN)).as_deref(), Some(message));
        fine(&run(&mut wire, "ROLLBACK"));
    }
}

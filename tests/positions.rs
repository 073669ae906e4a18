//! Where an error is: Portcullis inserts something in the text of a statement that sets parameters for the session,
//! and the position is one in the client's own text all the same, next to a connection straight to PostgreSQL.

mod support;

mod parameters {
    pub mod pair;
}

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use parameters::pair::Pair;
use support::message::{
    bind, close, column, describe, error, execute, extended, parse, query, sync,
};
use support::{Stack, Transport, Wire};
use zones::common::{ZONE, log_in, nothing_is_left, stacks};

/// The clock is one of the startup packet: NULL is that one again, for which something is inserted, too.
const BEGUN_WITH: [(&str, &str); 3] = [
    (ZONE, "acme"),
    ("TimeZone", "Europe/Berlin"),
    ("application_name", "positions"),
];

/// Over one server connection, and with one of its own.
const LOGINS: [&str; 2] = ["picky", "own"];

fn pair(stack: &Stack, login: &str) -> Pair {
    let direct = stack.login_at(stack.cluster.port, "shop_acme", "shop");
    Pair {
        direct: Wire::login_with(&direct, Transport::Plain, &BEGUN_WITH),
        through: log_in(stack, login, &BEGUN_WITH),
        pieces: 0,
    }
}

/// Both are told the same: it fails, and where.
#[track_caller]
fn fails_there(pair: &mut Pair, what: &str, bytes: &[u8]) {
    if let Some([expected, found]) = pair.differs(bytes, 1) {
        panic!("{what}\nexpected {expected:#?}\nfound {found:#?}");
    }
}

const WRONG: [&str; 13] = [
    "SELECT 'é', set_config('TimeZone', NULL, false), '𝄞ü', nöthing, 'ö'",
    "SELECT 'é', nothing, set_config('TimeZone', NULL, false)",
    "SELECT nothing(set_config('TimeZone', NULL, false), 'é')",
    "SELECT 'é', set_config('TimeZone', $1, false), '€', nothing",
    "/* é */ SELECT set_config('TimeZone', $1, $2), 'é𝄞', nothing",
    "SELECT nothing, set_config('TimeZone', $1, $2)",
    "SELECT set_config('TimeZone', $1, $2), 'é', nothing, set_config('app.é', NULL, $3)",
    "SELECT set_config('TimeZone', $1, $2), set_config('app.é', NULL, $3), nothing",
    "SELECT 'é', set_config('app.tenant_id', 'acme', $1), 'é', nothing",
    "SELECT set_config('app.tenant_id', 'acme', ($1)), set_config('TimeZone', $2, $3), 'é', nothing",
    "SELECT set_config($1, $2, $3), 'é', nothing",
    "SET TimeZone = 'é' nothing",
    "SET app.tenant_id = 'acme' 'é'",
];

#[test]
fn an_error_of_a_text_is_where_it_is_without_us() {
    for stack in stacks() {
        for login in LOGINS {
            let mut pair = pair(&stack, login);
            for text in WRONG {
                for name in ["", "s"] {
                    let what = format!("{login} {name:?} {text}");
                    let parsed = [parse(name, text), sync()].concat();
                    fails_there(&mut pair, &what, &parsed);
                    let described = [parse(name, text), describe(b'S', name), sync()].concat();
                    fails_there(&mut pair, &what, &described);
                    // Behind something that was answered, and in a transaction.
                    let begun = extended("SELECT 'é'", &[]);
                    let behind = [&begun[..], &parse(name, text), &sync()].concat();
                    fails_there(&mut pair, &what, &behind);
                    for around in [query("BEGIN"), parsed, query("ROLLBACK")] {
                        fails_there(&mut pair, &what, &around);
                    }
                }
                if !text.contains('$') {
                    fails_there(&mut pair, text, &query(text));
                    fails_there(&mut pair, text, &query(&format!("SELECT 'é'; {text}")));
                }
            }
            let answer = pair.through.batch(&parse("", WRONG[0]));
            let position = error(&answer).and_then(|error| error.field(b'P'));
            let before = WRONG[0].split("nöthing").next().unwrap_or_default();
            assert_eq!(position, Some((before.chars().count() + 1).to_string()));
        }
        nothing_is_left(&stack);
    }
}

/// What was right when it was parsed is wrong when it is bound: a column is gone.
#[test]
fn so_is_one_that_comes_when_the_statement_is_used() {
    let texts: [(&str, &[Option<&str>]); 5] = [
        (
            "SELECT 'é', set_config('TimeZone', $1, false), '€', gone FROM moved_é",
            &[Some("Asia/Tokyo")],
        ),
        (
            "SELECT set_config('TimeZone', NULL, $1), 'é', gone FROM moved_é",
            &[Some("f")],
        ),
        (
            "SELECT set_config('app.tenant_id', $1, $2), 'é', gone FROM moved_é",
            &[Some("acme"), Some("f")],
        ),
        (
            "SELECT set_config($1, $2, $3), 'é', gone FROM moved_é",
            &[Some(ZONE), Some("acme"), Some("f")],
        ),
        (
            "SELECT set_config($1, $2, $3), 'é', gone FROM moved_é",
            &[Some("TimeZone"), Some("Asia/Tokyo"), Some("f")],
        ),
    ];
    for stack in stacks() {
        for login in LOGINS {
            for (text, values) in texts {
                stack.direct(
                    "shop",
                    "CREATE TABLE moved_é (id int, gone int); GRANT ALL ON moved_é TO PUBLIC",
                );
                let mut pair = pair(&stack, login);
                let what = format!("{login} {text}");
                // Each has a name that is used for the first time when the column is gone, and one used before.
                for name in ["", "a", "b"] {
                    let (close, parse) = (close(b'S', name), parse(name, text));
                    fails_there(&mut pair, &what, &[close, parse, sync()].concat());
                }
                let used = |name: &str| [bind("", name, values), execute("", 0), sync()].concat();
                fails_there(&mut pair, &what, &used("b"));
                stack.direct("shop", "ALTER TABLE moved_é DROP COLUMN gone");
                for name in ["a", "b", "a"] {
                    fails_there(&mut pair, &what, &used(name));
                    // Straight at PostgreSQL the parameters are described ahead of the error.
                    let described = [describe(b'S', name), sync()].concat();
                    if let Some(told) = pair.differs(&described, 1) {
                        let [expected, found] = told.map(|all| {
                            let errors = all.into_iter().filter(|it| it.starts_with('E'));
                            errors.collect::<Vec<_>>()
                        });
                        assert_eq!(expected, found, "{what}");
                    }
                }
                assert_eq!(column(&pair.through.query("SELECT 1")), ["1"]);
                drop(pair);
                stack.direct("shop", "DROP TABLE moved_é");
            }
            nothing_is_left(&stack);
        }
    }
}

/// A query that is read only when it runs.
#[test]
fn and_one_that_comes_when_it_runs() {
    let texts = [
        "COPY (SELECT 'é', set_config('TimeZone', NULL, false), '€', nothing) TO STDOUT",
        "COPY (SELECT nothing, set_config('TimeZone', NULL, false)) TO STDOUT",
    ];
    for stack in stacks() {
        for login in LOGINS {
            let mut pair = pair(&stack, login);
            for text in texts {
                let batch = [extended(text, &[]), sync()].concat();
                fails_there(&mut pair, text, &batch);
                let behind = [extended("SELECT 'é'", &[]), batch].concat();
                fails_there(&mut pair, text, &behind);
            }
        }
    }
}

/// An error that is too long to be held: its position is moved while it is carried. Its length has been told by
/// then, so there may be zeros ahead of the number.
#[test]
fn so_is_one_that_is_very_long() {
    for stack in stacks() {
        for login in LOGINS {
            let mut pair = pair(&stack, login);
            for length in [100, 30_000, 40_000, 300_000] {
                let long = "ö".repeat(length / 2);
                for text in [
                    format!("SELECT '{long}'::int"),
                    format!("SELECT 'é', '€', '{long}'::int"),
                    format!("SELECT 'é', set_config('TimeZone', NULL, false), '{long}'::int"),
                    format!("SELECT '{long}'::int, set_config('TimeZone', NULL, false)"),
                ] {
                    let extended = [parse("", &text), sync()].concat();
                    for sent in [query(&text), extended] {
                        let [expected, found] = [&mut pair.direct, &mut pair.through].map(|wire| {
                            wire.send(&sent);
                            let answer = wire.receive_until(b'Z');
                            let error = error(&answer).expect("an error");
                            let [code, message, at] =
                                [b'C', b'M', b'P'].map(|field| error.field(field));
                            let at: u32 = at.expect("a position").parse().expect("a number");
                            (code, message, at)
                        });
                        let what: String = text.chars().take(60).collect();
                        assert!(
                            expected == found,
                            "{login} {length} {what}: {} {}",
                            expected.2,
                            found.2
                        );
                    }
                }
            }
            assert_eq!(column(&pair.through.query("SELECT 1")), ["1"]);
        }
        // What libpq makes of it.
        let text = format!("SELECT 'é', '{}'::int", "ö".repeat(20_000));
        let mut direct = stack.login_at(stack.cluster.port, "shop_acme", "shop");
        direct.sslmode = "disable";
        let [expected, found] = [direct, stack.login("picky", "shop")].map(|login| {
            let said = stack.psql(&login, &text).stderr;
            let at = said.find("LINE 1: ").expect("the line");
            said[at..].to_owned()
        });
        assert!(expected == found, "{expected}\n{found}");
        nothing_is_left(&stack);
    }
}

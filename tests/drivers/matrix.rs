//! The matrix: each client does the same checks straight at PostgreSQL and through Portcullis, in
//! front of a pool of two connections. What a straight connection can do works, or a guard refuses it.
//!
//! A program prints `ok CHECK` or `not ok CHECK: reason`. What a check is, in every language:
//!
//! | check | what it does |
//! |---|---|
//! | `connect` | TLS where it is on, and another authority's certificate is refused; `application_name` as given |
//! | `types` | values of a list of types there and back; binary too, where the client has a choice |
//! | `ddl`, `listen` | CREATE TABLE and DROP TABLE; LISTEN: refused by policy, and everything below still works on that connection |
//! | `zone` | only rows of its own zone, and a row written without naming the zone |
//! | `prepared` | 200 executions of prepared statements, two of them in turn, one reading a table of the zone |
//! | `savepoints` | transactions that commit and that do not, savepoints rolled back to, released, and behind an error |
//! | `recovery` | errors outside and inside of a transaction (22012, 42P01, 42601, 23505, 25P02), the connection is good afterwards |
//! | `settings` | SET TimeZone is there in later transactions, undone by ROLLBACK, gone after RESET |
//! | `copy` | a thousand rows in and out |
//! | `cancel` | a statement that sleeps for 30 s is cancelled by the client's own means |
//! | `pipeline` | many statements sent ahead, one of them failing |
//! | `concurrent` | 20 connections open at once, transactions and prepared statements in each |
//! | `cursor` | a result read in pieces |
//! | `batch`, `pool`, `large-objects`, `unnamed`, `hold`, `sql-prepare`, `deallocate`, `find-or-create` | what one client has beside: see its program |
//!
//! `PORTCULLIS_TEST_ONLY=psycopg,sqlx` runs those whose names begin so. With
//! `PORTCULLIS_TEST_TARGET=pgbouncer` the same programs run against PgBouncer alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use crate::support::{
    Login, Pooler, Psql, Stack, StackOptions, Version, fixture, parts, psql, tls, wanted,
};
use crate::{NEW, OLD, java, node, python, source};

/// The columns of the table, in this order; other checks are named behind them.
const COLUMNS: &[&str] = &[
    "connect",
    "types",
    "prepared",
    "concurrent",
    "savepoints",
    "recovery",
    "settings",
    "zone",
    "copy",
    "cancel",
    "pipeline",
    "ddl",
    "listen",
];

/// What policy refuses in every client: the check and the guard.
const REFUSED: &[(&str, &str)] = &[
    ("ddl", "ddl-outside-migration"),
    ("listen", "session-state"),
    ("hold", "zone-required"),
    ("sql-prepare", "session-state"),
    ("find-or-create", "ddl-outside-migration"),
];

/// A client and the checks of it.
pub(super) struct Driver {
    pub(super) name: &'static str,
    command: fn() -> Command,
    checks: &'static str,
}

pub(super) const DRIVERS: &[Driver] = &[
    Driver {
        name: "psql",
        command: || bash("psql.sh"),
        checks: "connect types ddl listen zone sql-prepare savepoints recovery settings copy cancel concurrent",
    },
    Driver {
        name: "pgbench",
        command: || bash("pgbench.sh"),
        checks: "connect ddl zone prepared savepoints pipeline concurrent",
    },
    Driver {
        name: "psycopg 3",
        command: || python("psycopg_client.py"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings copy cancel pipeline cursor concurrent",
    },
    Driver {
        name: "psycopg2",
        command: || python("psycopg2_client.py"),
        checks: "connect types ddl listen zone savepoints recovery settings copy cancel cursor concurrent",
    },
    Driver {
        name: "asyncpg",
        command: || python("asyncpg_client.py"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings copy cancel pipeline cursor pool concurrent",
    },
    Driver {
        name: "SQLAlchemy",
        command: || python("sqlalchemy_client.py"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings batch concurrent",
    },
    Driver {
        name: "Django",
        command: || python("django_client.py"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings batch cursor hold concurrent",
    },
    Driver {
        name: "node-postgres",
        command: || node("node_postgres.js"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings copy cancel concurrent",
    },
    Driver {
        name: "postgres.js",
        command: || node("postgres_js.js"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings copy cancel pipeline cursor concurrent",
    },
    Driver {
        name: "Drizzle",
        command: || node("drizzle.js"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings concurrent",
    },
    Driver {
        name: "Prisma client",
        command: || node("prisma.js"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings batch concurrent",
    },
    Driver {
        name: "Sequelize",
        command: || node("sequelize.js"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings batch find-or-create concurrent",
    },
    Driver {
        name: "pgjdbc",
        command: || java("Pgjdbc.java"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings copy cancel pipeline cursor large-objects concurrent",
    },
    Driver {
        name: "tokio-postgres",
        command: || rust("tokio-postgres"),
        checks: "connect types ddl listen zone prepared unnamed savepoints recovery settings copy cancel pipeline cursor concurrent",
    },
    Driver {
        name: "sqlx",
        command: || rust("sqlx"),
        checks: "connect types ddl listen zone prepared savepoints recovery settings copy cursor concurrent",
    },
    Driver {
        name: "Ruby pg",
        command: || ruby("ruby_pg.rb"),
        checks: "connect types ddl listen zone prepared deallocate savepoints recovery settings copy cancel pipeline concurrent",
    },
];

fn bash(file: &str) -> Command {
    let mut command = Command::new("bash");
    command.arg(source(file));
    command
}

fn ruby(file: &str) -> Command {
    parts::present("/usr/bin/ruby".as_ref(), "debian");
    let mut command = Command::new("/usr/bin/ruby");
    command.arg(source(file));
    command
}

/// A program of tests/drivers/rust: built when the first of them is run.
fn rust(program: &str) -> Command {
    static BUILT: std::sync::OnceLock<std::path::PathBuf> = std::sync::OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        let target = parts::target().join("drivers");
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["build", "--quiet", "--locked", "--manifest-path"])
            .arg(source("rust/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target);
        // What cargo says of this package makes dependencies that look at it build again.
        for (name, _) in std::env::vars_os() {
            let known = name.to_string_lossy();
            if known.starts_with("CARGO_PKG_") || known.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        let status = command.status();
        assert!(status.expect("run cargo").success(), "could not build");
        target.join("debug")
    });
    Command::new(directory.join(program))
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    Refused { guard: String },
    Failed { reason: String },
}

impl Outcome {
    fn of(reason: &str) -> Self {
        let guard = reason
            .split_once("refused by guard \"")
            .and_then(|(_, rest)| rest.split_once('"'));
        match guard {
            Some((guard, _)) => Self::Refused {
                guard: guard.to_owned(),
            },
            None => Self::Failed {
                reason: reason.to_owned(),
            },
        }
    }
}

/// The outcomes in a program's output; lines that begin no check belong to the one above.
pub(super) fn outcomes(stdout: &str) -> BTreeMap<String, Outcome> {
    let mut found = BTreeMap::new();
    let mut failing: Option<(String, String)> = None;
    let end = |failing: &mut Option<(String, String)>, found: &mut BTreeMap<_, _>| {
        if let Some((name, reason)) = failing.take() {
            found.insert(name, Outcome::of(&reason));
        }
    };
    for line in stdout.lines() {
        if let Some(name) = line.strip_prefix("ok ") {
            end(&mut failing, &mut found);
            found.insert(name.to_owned(), Outcome::Ok);
        } else if let Some(rest) = line.strip_prefix("not ok ") {
            end(&mut failing, &mut found);
            let (name, reason) = rest.split_once(": ").unwrap_or((rest, ""));
            failing = Some((name.to_owned(), reason.to_owned()));
        } else if let Some((_, reason)) = &mut failing {
            reason.push('\n');
            reason.push_str(line);
        }
    }
    end(&mut failing, &mut found);
    found
}

/// What one run of a program found, and what it left in the database.
pub(super) struct Run {
    pub(super) outcomes: BTreeMap<String, Outcome>,
    pub(super) left: String,
    pub(super) output: String,
}

pub(super) fn run(driver: &Driver, stack: &Stack, login: &Login, other_ca: &str) -> Run {
    let program = (driver.command)();
    let mut command = Command::new("timeout");
    command.arg("180").arg(program.get_program());
    command.args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command
        .envs(login.environment())
        .env("DRIVER_OTHER_CA", other_ca)
        // Two runs of pgbench draw the same numbers.
        .env("PGBENCH_RANDOM_SEED", "1");
    let answer = Psql::from(psql::with_input(command, ""));
    Run {
        outcomes: outcomes(&answer.stdout),
        left: left(stack),
        output: format!(
            "{}{}status {}\n",
            answer.stdout, answer.stderr, answer.status
        ),
    }
}

/// The rows that a program wrote, as a superuser sees them; they are gone then.
fn left(stack: &Stack) -> String {
    stack.direct(
        "shop",
        "SELECT tenant_id, note, count(*) FROM orders WHERE id > 5 GROUP BY 1, 2 ORDER BY 1, 2;
         SELECT 'import', note, count(*) FROM imports GROUP BY 2 ORDER BY 2;
         SELECT 'table', relname FROM pg_class WHERE relname LIKE 'driver%';
         SELECT 'object', count(*) FROM pg_largeobject_metadata HAVING count(*) > 0;
         DELETE FROM orders WHERE id > 5; DELETE FROM imports;",
    )
}

/// A zone for a login that reaches PostgreSQL without Portcullis; nobody else has it from the server.
const STRAIGHT: &str = "
\\connect shop
GRANT CREATE ON SCHEMA public TO shop_acme;
GRANT shop_acme TO straight;
ALTER ROLE straight SET app.tenant_id = 'acme';
";

fn stack((version, pooler): (Version, Pooler)) -> Stack {
    Stack::start(StackOptions {
        version,
        pooler,
        sql: format!("{}{STRAIGHT}", fixture::SQL),
        users: vec![crate::support::User::new(
            "straight",
            &fixture::password("straight"),
        )],
        policy: fixture::with_large_objects(),
        pool_size: 2,
        ..StackOptions::default()
    })
}

/// One cell of the table, and what is wrong with it.
fn judge(
    check: &str,
    expected: bool,
    straight: Option<&Outcome>,
    found: Option<&Outcome>,
) -> (String, Option<String>) {
    let policy = REFUSED.iter().find(|(name, _)| *name == check);
    let wrong = match (straight, found) {
        (None, None) if !expected => return ("-".into(), None),
        (_, None) => Some("did not run".to_owned()),
        (Some(Outcome::Ok), Some(Outcome::Ok)) if policy.is_some() => {
            Some("was expected to be refused by policy".to_owned())
        }
        (Some(Outcome::Ok), Some(_)) if !expected => {
            Some("is not in the list of checks".to_owned())
        }
        (Some(Outcome::Ok), Some(Outcome::Ok)) => None,
        (Some(Outcome::Ok), Some(Outcome::Refused { guard })) => match policy {
            Some((_, expected)) if expected == guard => None,
            _ => Some(format!("refused by {guard}")),
        },
        (Some(Outcome::Ok), Some(Outcome::Failed { reason })) => Some(reason.clone()),
        (straight, _) => Some(format!("straight at PostgreSQL: {straight:?}")),
    };
    let cell = match (&wrong, found) {
        (Some(_), _) => "FAILED".to_owned(),
        (None, Some(Outcome::Refused { guard })) => format!("refused by policy ({guard})"),
        (None, _) => "ok".to_owned(),
    };
    (cell, wrong)
}

/// A line of the table for `driver`, and what went wrong.
fn line(driver: &Driver, straight: &Run, found: &Run) -> (String, Vec<String>) {
    let expected: Vec<&str> = driver.checks.split(' ').collect();
    let mut wrong = Vec::new();
    let mut cell = |check: &str| {
        let (cell, problem) = judge(
            check,
            expected.contains(&check),
            straight.outcomes.get(check),
            found.outcomes.get(check),
        );
        wrong.extend(problem.map(|problem| format!("{}: {check}: {problem}", driver.name)));
        cell
    };
    let mut text = format!("| {} |", driver.name);
    for check in COLUMNS {
        write!(text, " {} |", cell(check)).expect("write to a string");
    }
    let others: Vec<String> = expected
        .iter()
        .copied()
        .chain(
            found
                .outcomes
                .keys()
                .map(String::as_str)
                .filter(|name| !expected.contains(name)),
        )
        .filter(|name| !COLUMNS.contains(name))
        .map(|name| format!("{name}: {}", cell(name)))
        .collect();
    write!(text, " {} |", others.join(", ")).expect("write to a string");
    if straight.left != found.left || !found.left.contains("acme|driver concurrent|100\n") {
        wrong.push(format!(
            "{}: left straight at PostgreSQL:\n{}left here:\n{}",
            driver.name, straight.left, found.left
        ));
    }
    if !wrong.is_empty() {
        wrong.push(format!(
            "straight at PostgreSQL:\n{}here:\n{}",
            straight.output, found.output
        ));
    }
    (text, wrong)
}

pub(super) fn chosen(driver: &Driver) -> bool {
    wanted::only(driver.name)
}

fn matrix(versions: (Version, Pooler)) {
    let stack = stack(versions);
    let straight = Login {
        sslmode: "disable",
        ..stack.login_at(stack.cluster.port, "straight", "shop")
    };
    let login = if std::env::var("PORTCULLIS_TEST_TARGET").as_deref() == Ok("pgbouncer") {
        stack.login_at(stack.transaction_port, "straight", "shop")
    } else {
        stack.login("shop_acme", "shop")
    };
    let other = tls::Authority::new(stack.directory(), "other");
    let other_ca = other.certificate().display().to_string();
    let mut table = format!("{versions:?}, pool of 2\n| | {} | |\n", COLUMNS.join(" | "));
    let mut wrong = Vec::new();
    let drivers: Vec<&Driver> = DRIVERS.iter().filter(|driver| chosen(driver)).collect();
    assert!(!drivers.is_empty(), "no client of such a name");
    for driver in drivers {
        let start = std::time::Instant::now();
        let straight = run(driver, &stack, &straight, &other_ca);
        let middle = start.elapsed();
        let found = run(driver, &stack, &login, &other_ca);
        let (text, problems) = line(driver, &straight, &found);
        writeln!(
            table,
            "{text} {:.1} s, {:.1} s",
            middle.as_secs_f32(),
            (start.elapsed() - middle).as_secs_f32()
        )
        .expect("write to a string");
        wrong.extend(problems);
    }
    // Not captured: the table is part of the result.
    std::io::stderr()
        .write_all(table.as_bytes())
        .expect("print the table");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_driver_on_a_pool_that_forgets_names() {
    matrix(OLD);
}

#[test]
fn every_driver_on_a_pool_that_follows_names() {
    matrix(NEW);
}

#[test]
fn outcomes_are_read_and_judged() {
    let found =
        outcomes("ok a\nnot ok b: first\nwas refused by guard \"g\" (x\nnot ok c: no\nok d\n");
    let refused = Outcome::Refused { guard: "g".into() };
    let failed = Outcome::Failed {
        reason: "no".into(),
    };
    assert_eq!(found["a"], Outcome::Ok);
    assert_eq!((&found["b"], &found["c"]), (&refused, &failed));
    assert_eq!(found["d"], Outcome::Ok);
    let ok = Some(&Outcome::Ok);
    let session = Outcome::Refused {
        guard: "session-state".into(),
    };
    assert_eq!(judge("types", true, ok, ok).0, "ok");
    assert_eq!(judge("types", false, None, None).0, "-");
    assert_eq!(
        judge("listen", true, ok, Some(&session)).0,
        "refused by policy (session-state)"
    );
    for (check, straight, found) in [
        ("types", ok, None),
        ("types", ok, Some(&failed)),
        ("types", ok, Some(&refused)),
        ("types", Some(&failed), Some(&failed)),
        ("listen", ok, ok),
        ("listen", ok, Some(&refused)),
    ] {
        assert_eq!(
            judge(check, true, straight, found).0,
            "FAILED",
            "{check} {found:?}"
        );
    }
}

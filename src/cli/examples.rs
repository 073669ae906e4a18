//! What `--help` teaches by example. Every line that begins with `portcullis` is read by a test.

/// `portcullis serve --help`
pub(super) const SERVE: &str = r#"Examples:
  portcullis serve --config portcullis.toml
  portcullis check /etc/portcullis/portcullis.toml

It answers nothing, so there is no --json: its log is JSON unless [log] format = "text".

0: stopped in good order; 2: could not start."#;

/// `portcullis doctor --help`
pub(super) const DOCTOR: &str = r#"Examples:
  portcullis doctor "host=localhost port=6432 dbname=app"
  portcullis doctor --read-only postgresql://doctor@db.example.com:6432/shop
  portcullis doctor --sql "host=localhost dbname=app" > mend.sql
  portcullis doctor --auth-file /etc/pgbouncer/userlist.txt "host=/var/run/postgresql user=postgres"
  portcullis doctor --config /etc/portcullis/portcullis.toml "host=localhost dbname=app"
  portcullis doctor --prove-closed "host=pgbouncer.internal port=6432 dbname=app"

The password comes from ~/.pgpass or PGPASSWORD, never from the command line. A login of
admin_users or stats_users lets it see PgBouncer's version and settings, too.

LEAK  something of one client reaches another, proved just now. The probes leave a parameter, a
      lock, a statement, a table and a channel with names of their own behind one client, look for
      them as the next one, and take them away. --read-only leaves the probes out.
OPEN  nothing keeps somebody from doing it. Read the statements of --sql before you run them.
OLD   a version with known holes.

0: nothing was found; 1: something was; 2: it could not be looked, and the message begins with
what to check: secret, host, port, user, database or sslmode.

Every finding:  portcullis help doctor"#;

/// `portcullis check --help`
pub(super) const CHECK: &str = r#"Examples:
  portcullis check
  portcullis check portcullis.toml
  portcullis check --json policies/production.toml policies/staging.toml
  portcullis check policies/

A file or directory that the configuration names and that is not here, or not for you to read, is a
warning: check may run where secrets and certificates are not. What is here and wrong is an error.

0: nothing that keeps a file from being loaded; 1: something; 2: a file could not be read."#;

/// `portcullis help --help`
pub(super) const HELP: &str = r#"Examples:
  portcullis help guards
  portcullis help ddl-outside-migration
  portcullis help config"#;

/// `portcullis status --help`
pub(super) const STATUS: &str = r#"Examples:
  portcullis status
  portcullis status --ready --config /etc/portcullis/portcullis.toml
  portcullis status --json

0: ready for clients; 1: not ready; 2: it could not be asked."#;

/// `portcullis keys --help`
pub(super) const KEYS: &str = r#"Examples:
  portcullis keys add --key-file server-keys --role migrator --auth-file userlist.txt
  portcullis keys list --key-file server-keys --json
  portcullis keys remove --key-file server-keys --role migrator

The password is asked for on the terminal, or read from stdin.

0: done; 1: refused, for example a password that does not fit; 2: could not."#;

/// `portcullis console --help`
pub(super) const CONSOLE: &str = r#"Examples:
  portcullis console 'SHOW HELP'
  portcullis console --json 'SHOW MIGRATIONS'
  portcullis console --console /run/portcullis/console.sock 'SHOW MIGRATIONS'

0: done; 1: refused; 2: could not."#;

/// `portcullis report --help`
pub(super) const REPORT: &str = r#"Examples:
  portcullis report
  portcullis report --login shop_acme --guard missing-where
  portcullis report --since 24h
  portcullis report --since "2026-11-21 08:00" --json
  portcullis report --suggest > suggested.toml

Counted since the proxy's start: by login, database, guard or rule, and statement. With mode
"observe" (a guard's, or the whole policy's) a statement is "observed": it passed, and would be
refused. Statements are shown without their constants. Of several [[rule]]s that object to one
message, the first is counted.

--since leaves out statements that were last seen before it; those that are shown keep the counts
since the start.

While the whole policy observes, what an enforcing one would have changed is counted, too:
"injected", ahead of a transaction (zone: the login's zone, or the one that the client has set;
parameters: what the client had set for its session), or "rewritten", sent in another form
(set-local: what sets parameters for the session, now for the transaction; deallocate: of the
client's own statement alone; unnamed: a prepared statement, unless PgBouncer follows names;
startup: a startup parameter, set once logged in or in each transaction).

--suggest enforces guards that objected to nothing, and has an exception for every other
statement that can have one: give each a reason, or remove it, and then run portcullis check.

0: nothing was refused, or would have been; 1: something; 2: it could not be asked."#;

/// `portcullis migration --help`
pub(super) const MIGRATION: &str = r#"Examples:
  portcullis migration run --database shop --reason "order notes" -- psql -f notes.sql
  portcullis migration list
  portcullis migration show mig_4k7qz2hd

0: done; 1: refused; 2: could not; run: the tool's own status."#;

/// `portcullis migration run --help`
pub(super) const MIGRATION_RUN: &str = r#"Examples:
  portcullis migration run --database shop --reason "order notes" -- psql -f notes.sql
  portcullis migration run --database shop --reason "release 12" --ttl 10min -- dbmate up
  portcullis migration run --database shop --phase expand --reason x -- ./manage.py migrate

An expand session refuses what takes something away from code that still runs:
  portcullis help phase-expand

Where this command is ended by SIGKILL it can close nothing. The tool runs on, the session stays
open until its time is over, and the file with its token stays: portcullis-*.pgpass in
$XDG_RUNTIME_DIR, where there is none in $TMPDIR or /tmp. This ends the session, and the token is
worth nothing:
  portcullis migration list
  portcullis migration close mig_4k7qz2hd"#;

/// `portcullis migration open --help`
pub(super) const MIGRATION_OPEN: &str = r#"Examples:
  portcullis migration open --database shop --reason "order notes" --ttl 30min
  portcullis migration open --database shop --reason "order notes" --format env"#;

/// `portcullis migration close --help`
pub(super) const MIGRATION_CLOSE: &str = r#"Examples:
  portcullis migration close mig_4k7qz2hd
  portcullis migration close mig_4k7qz2hd --note "wrong window""#;

/// `portcullis explain --help`
pub(super) const EXPLAIN: &str = r#"Examples:
  portcullis explain --policy policies/production.toml --login shop_acme 'DROP TABLE orders'
  portcullis explain --policy policies/production.toml --login shop_api --zone acme 'TABLE orders'
  portcullis explain --policy policies/production.toml --login migrator --migration --file 0007.sql
  portcullis explain --policy p.toml --login migrator --migration expand 'ALTER TABLE t DROP c'
  portcullis explain --policy policies/staging.toml --login shop_acme --database shop --json -

A text may begin with a comment: two hyphens and a blank, or more than one line.

Every guard that objects is listed, also those that only observe or are off. The page of a guard:
  portcullis help ddl-outside-migration

0: allowed; 1: refused; 2: it could not be judged."#;

/// `portcullis init --help`
pub(super) const INIT: &str = r#"Examples:
  portcullis init --from /etc/pgbouncer/pgbouncer.ini --output /etc/portcullis
  portcullis check /etc/portcullis/portcullis.toml
  portcullis serve --config /etc/portcullis/portcullis.toml

PgBouncer stays as it is; Portcullis listens on the port behind PgBouncer's, and every user of
its auth_file is a service on all of its databases that are named: those that only * reaches have to
be named in the policy.

0: written; 2: could not, and nothing was."#;

/// `portcullis lint --help`
pub(super) const LINT: &str = r#"Examples:
  portcullis lint db/migrations
  portcullis lint --phase expand db/migrations
  portcullis lint --policy policies/staging.toml --login migrator db/migrations/0007.sql
  portcullis lint --format sarif db/migrations > portcullis.sarif

Every statement is judged by itself, as in an open migration session; with --phase, in one that
was opened for it. Guards that only observe give warnings, and so does a file of more statements
than one message may have. What is only psql's, backslash commands and rows behind COPY FROM STDIN,
is not SQL. The page of a guard:
  portcullis help copy-program

0: nothing would be refused; 1: something would; 2: a file could not be read, which the formats for
programs say as well (SARIF: executionSuccessful; JUnit: <error>). Warnings of the policy itself, as
portcullis check has them, stand on stderr and change nothing."#;

/// `portcullis test --help`
pub(super) const TEST: &str = r#"Examples:
  portcullis test policies/
  portcullis test policies/production.toml
  portcullis test --json --junit report.xml policies/

A case in production.test.toml, beside production.toml:
  [[case]]
  name   = "an application creates no table"
  login  = "shop_acme"            # database = "..." where it has several
  sql    = "CREATE TABLE t (id int)"
  expect = { refused = "ddl-outside-migration", sqlstate = "42501", upstream = ["nothing"] }

  [[case]]
  name   = "an application reads its own rows"
  login  = "shop_acme"
  zone   = "acme"                 # what the client has set; the case fails if the login has another
  sql    = "SELECT * FROM orders"
  expect = { allowed = true, upstream = ["set zone acme", "the client's bytes, unchanged"] }

  [[case]]
  name   = "executed after the session closed"
  login  = "migrator"             # migration = true: open from the start; { phase = "expand" }
  steps  = ["open migration", "parse s1: DROP TABLE t", "bind s1", "close migration", "execute"]
  expect = { refused = "ddl-outside-migration", at = "execute" }

At the top of the file:
  policies     = ["production.toml", "staging.toml"]   # its policies [default: called like it]
  not_enforced = ["missing-where"]                     # guards that are meant to be off or observe

Every policy is tried with what none may let through, for each login on each database. A guard that
would refuse it and is not enforced is a failure, unless not_enforced names it, or the whole file
observes (mode = "observe"): then nothing of it can fail, and the summary says so.

expect:
  allowed or refused; sqlstate; message and hint: a part of each; at: parse, bind, describe,
  execute, query or function call; upstream: all that the server gets, in order: "set zone ...",
  "set no zone" (the client sets it itself and has not yet), "set read-only" (a person's
  transaction), "the client's bytes, unchanged",
  "the client's bytes, settings for the transaction" (SET and set_config for the session),
  "the client's bytes, in pieces" (BEGIN; ...; COMMIT in one query), "part of the client's bytes",
  "nothing"; observed: the guards that only count

Steps:
  open migration; close migration; query: SQL; parse NAME: SQL; bind NAME; bind NAME to PORTAL;
  describe statement NAME; describe portal NAME; execute; execute PORTAL; close statement NAME;
  close portal NAME; copy data: TEXT; copy done; copy fail; function call; flush; sync

All steps are of one connection: what it sets with constants holds for the steps that follow. One
refusal is expected at most: what follows it must go through.

0: as expected; 1: something is not; 2: a file could not be used, or there was no case."#;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Arguments;

    const ALL: [&str; 16] = [
        SERVE,
        DOCTOR,
        CHECK,
        HELP,
        STATUS,
        KEYS,
        CONSOLE,
        REPORT,
        MIGRATION,
        MIGRATION_RUN,
        MIGRATION_OPEN,
        MIGRATION_CLOSE,
        EXPLAIN,
        INIT,
        LINT,
        TEST,
    ];

    /// Words of a shell's line: quotes keep blanks together.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quote = None;
        for c in line.chars() {
            match (quote, c) {
                (None, '\'' | '"') => quote = Some(c),
                (Some(open), c) if open == c => quote = None,
                (None, ' ') => words.push(String::new()),
                (_, c) => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn every_example_is_a_command_line_that_is_understood() {
        for text in ALL {
            let lines = text.lines().filter_map(|line| line.strip_prefix("  "));
            let commands: Vec<&str> = lines
                .filter(|line| line.starts_with("portcullis "))
                .collect();
            assert!(!commands.is_empty(), "{text}");
            for line in commands {
                let command = line.split(['|', '>']).next().unwrap();
                let read = Arguments::try_parse_from(words(command));
                assert!(read.is_ok(), "{line}: {}", read.err().unwrap());
            }
            assert!(
                text.lines().all(|line| line.chars().count() <= 100),
                "{text}"
            );
        }
    }

    #[test]
    fn every_command_teaches_by_example() {
        let command = <Arguments as clap::CommandFactory>::command();
        for command in command.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            let taught = help.is_some_and(|help| help.starts_with("Examples:\n"));
            assert!(taught, "{}", command.get_name());
        }
    }

    #[test]
    fn every_command_that_answers_does_so_in_json() {
        let mut command = <Arguments as clap::CommandFactory>::command();
        command.build(); // then a command has the options of the one above it
        let mut open: Vec<&clap::Command> = command.get_subcommands().collect();
        let mut without = Vec::new();
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands());
            let takes_json = command.get_arguments().any(|it| it.get_id() == "json");
            if !takes_json && !command.has_subcommands() {
                without.push(command.get_name());
            }
        }
        assert_eq!(without, ["serve"]);
    }

    /// The steps that `portcullis test --help` lists.
    #[test]
    fn every_step_in_the_help_is_one() {
        let steps = TEST.split("Steps:\n").nth(1).unwrap();
        let steps = steps.split("\n\n").next().unwrap().replace('\n', " ");
        let steps: Vec<&str> = steps.split(';').map(str::trim).collect();
        assert!(steps.len() > 15, "{steps:?}");
        for step in steps {
            assert!(crate::cli::test::is_step(step), "{step}");
        }
    }
}

//! What `--help` teaches by example. Every line that begins with `portcullis` is read by a test.

/// `portcullis explain --help`
pub(super) const EXPLAIN: &str = r#"Examples:
  portcullis explain --policy policies/production.toml --login shop_acme 'DROP TABLE orders'
  portcullis explain --policy policies/production.toml --login migrator --migration --file 0007.sql
  portcullis explain --policy policies/staging.toml --login shop_acme --database shop --json -

Every guard that objects is listed, also those that only observe or are off. The page of a guard:
  portcullis help ddl-outside-migration

0: allowed; 1: refused; 2: it could not be judged."#;

/// `portcullis init --help`
pub(super) const INIT: &str = r#"Examples:
  portcullis init --from /etc/pgbouncer/pgbouncer.ini --output /etc/portcullis
  portcullis check /etc/portcullis/portcullis.toml
  portcullis serve --config /etc/portcullis/portcullis.toml

PgBouncer stays as it is; Portcullis listens on the port behind PgBouncer's, and every user of
its auth_file is a service on all of its databases.

0: written; 2: could not, and nothing was."#;

/// `portcullis lint --help`
pub(super) const LINT: &str = r#"Examples:
  portcullis lint db/migrations
  portcullis lint --policy policies/staging.toml --login migrator db/migrations/0007.sql
  portcullis lint --format sarif db/migrations > portcullis.sarif

Every statement is judged by itself, as in an open migration session. Guards that only observe
give warnings. The page of a guard:
  portcullis help copy-program

0: nothing would be refused; 1: something would; 2: a file could not be read."#;

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
  zone   = "acme"                 # the case fails if the login has another
  sql    = "SELECT * FROM orders"
  expect = { allowed = true, upstream = ["set zone acme", "the client's bytes, unchanged"] }

  [[case]]
  name   = "executed after the session closed"
  login  = "migrator"             # migration = true: open from the beginning
  steps  = ["open migration", "parse s1: DROP TABLE t", "bind s1", "close migration", "execute"]
  expect = { refused = "ddl-outside-migration", at = "execute" }

expect:
  allowed or refused; sqlstate; message and hint: a part of each; at: parse, bind, describe,
  execute, query or function call; upstream: all that the server gets, "set zone ...",
  "the client's bytes, unchanged", "part of the client's bytes", "nothing"; observed: the guards
  that only count

Steps:
  open migration; close migration; query: SQL; parse NAME: SQL; bind NAME; bind NAME to PORTAL;
  describe statement NAME; describe portal NAME; execute; execute PORTAL; close statement NAME;
  close portal NAME; copy data: TEXT; copy done; copy fail; function call; flush; sync

0: as expected; 1: something is not; 2: a file could not be used."#;

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Arguments;

    const ALL: [&str; 4] = [EXPLAIN, INIT, LINT, TEST];

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

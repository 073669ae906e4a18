//! The tools, each with its small project in tests/migrations/.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Login, parts};

const REFUSED: &str = "cannot execute CREATE TABLE outside a migration session";

/// A migration tool and what it does with its project.
pub struct Tool {
    command: Vec<String>,
    /// Below tests/migrations/.
    project: &'static str,
    /// How it shows a refusal: SQLSTATE 42501 and the message.
    pub denied: &'static [&'static str],
    /// Beginnings of statements that its session records, in this order.
    pub statements: &'static [&'static str],
    /// What it makes: a query over the catalog and the answer.
    pub made: (&'static str, &'static str),
    /// An application's statement on a table of it, and the answer.
    pub used: (&'static str, &'static str),
}

/// bash and psql: many connections, advisory locks, session settings as pg_dump writes them.
pub fn runner() -> Tool {
    Tool {
        command: vec!["bash".into(), "migrate.sh".into()],
        project: "runner",
        denied: &["ERROR:  42501: ", REFUSED],
        statements: &[
            "CREATE TABLE IF NOT EXISTS public.schema_migrations",
            "SET row_security = off",
            "CREATE TABLE public.orders",
            "COPY public.zones",
            "CREATE INDEX orders_by_zone",
            "DO ",
        ],
        made: (
            "SELECT string_agg(version, ' ' ORDER BY version) FROM schema_migrations",
            "0001_baseline 0002_order_totals 0003_zone_names\n",
        ),
        used: (
            "INSERT INTO orders (zone_id) VALUES ('gamma') RETURNING state, total",
            "open|0\n",
        ),
    }
}

/// dbmate, lib/pq. Not `dbmate up`, which opens database `postgres` first to look for its own.
pub fn dbmate() -> Tool {
    let program = parts::parts().join("drivers/node/node_modules/.bin/dbmate");
    parts::present(&program, "drivers");
    // Afterwards it has pg_dump write the schema, through the same session; when that fails it says
    // nothing, hence pg_dump's statement below.
    let arguments = [
        "--migrations-dir",
        ".",
        "--schema-file",
        "/dev/stdout",
        "migrate",
    ];
    Tool {
        command: with_arguments(&program, &arguments),
        project: "dbmate",
        denied: &["(42501)", REFUSED],
        statements: &[
            "create table if not exists",
            "CREATE TABLE orders",
            "CREATE INDEX CONCURRENTLY orders_by_note",
            "ALTER TABLE orders ADD COLUMN state",
            "SELECT set_config(name, ",
        ],
        made: (
            "SELECT string_agg(version, ' ' ORDER BY version) FROM schema_migrations",
            "20260901100000 20260902100000 20260903100000\n",
        ),
        used: (
            "SELECT open_orders(), note FROM orders",
            "1|anvil; rocket skates\n",
        ),
    }
}

/// Django's `migrate`, psycopg 3: its own tables and those of the project.
pub fn django() -> Tool {
    Tool {
        command: with_arguments(&python(), &["-B", "manage.py", "migrate", "--no-input"]),
        project: "django",
        // psycopg's class for 42501, and for nothing else.
        denied: &["psycopg.errors.InsufficientPrivilege: ", REFUSED],
        statements: &[
            "CREATE TABLE \"django_migrations\"",
            "CREATE TABLE \"shop_customer\"",
            "ALTER TABLE \"shop_order\" ADD COLUMN \"total\"",
            "CREATE INDEX CONCURRENTLY \"order_note\"",
        ],
        made: (
            "SELECT count(*), string_agg(name, ' ' ORDER BY name) FILTER (WHERE app = 'shop') FROM django_migrations",
            "16|0001_initial 0002_totals\n",
        ),
        used: (
            "SELECT name, note, total FROM shop_order JOIN shop_customer c ON c.id = customer_id",
            "ACME|anvil|0.00\n",
        ),
    }
}

/// Alembic, SQLAlchemy and psycopg 3.
pub fn alembic() -> Tool {
    Tool {
        command: with_arguments(&python(), &["-B", "-m", "alembic", "upgrade", "head"]),
        project: "alembic",
        denied: &["(psycopg.errors.InsufficientPrivilege) ", REFUSED],
        statements: &[
            "CREATE TABLE alembic_version",
            "CREATE TYPE order_state",
            "CREATE TABLE orders",
            "ALTER TABLE orders ADD COLUMN total",
            "CREATE INDEX CONCURRENTLY orders_by_note",
        ],
        made: ("SELECT version_num FROM alembic_version", "0002\n"),
        used: (
            "SELECT note, state, total FROM orders ORDER BY id",
            "anvil|open|0\nhammock|paid|0\n",
        ),
    }
}

/// drizzle-kit, node-postgres.
pub fn drizzle() -> Tool {
    let program = parts::parts().join("drivers/node/node_modules/.bin/drizzle-kit");
    parts::present(&program, "drivers");
    Tool {
        command: with_arguments(&program, &["migrate"]),
        project: "drizzle",
        // It says nothing but its exit status.
        denied: &[],
        statements: &[
            "CREATE SCHEMA IF NOT EXISTS \"drizzle\"",
            "CREATE TABLE IF NOT EXISTS \"drizzle\".\"__drizzle_migrations\"",
            "CREATE TABLE \"orders\"",
            "CREATE INDEX \"orders_by_note\"",
        ],
        made: ("SELECT count(*) FROM drizzle.__drizzle_migrations", "2\n"),
        used: ("SELECT note, state, total FROM orders", "anvil|open|0\n"),
    }
}

/// `drizzle-kit push`: no files, no session, the tables as the program has them.
pub fn drizzle_push(login: &Login) -> Command {
    let node = parts::parts().join("drivers/node/node_modules");
    let tool = Tool {
        command: with_arguments(
            &node.join(".bin/drizzle-kit"),
            &["push", "--force", "--config", "push.config.js"],
        ),
        ..drizzle()
    };
    let mut command = tool.as_login(login);
    // The description of its tables is outside of the packages' directory.
    command.env("NODE_PATH", node);
    command
}

fn python() -> PathBuf {
    let python = parts::parts().join("drivers/python/bin/python");
    parts::present(&python, "drivers");
    python
}

fn with_arguments(program: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = vec![program.display().to_string()];
    command.extend(arguments.iter().map(|argument| argument.to_string()));
    command
}

impl Tool {
    /// Its directory.
    pub fn project(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/migrations")
            .join(self.project)
    }

    /// The command line, for `portcullis migration run --`.
    pub fn command(&self) -> Vec<&str> {
        self.command.iter().map(String::as_str).collect()
    }

    /// The tool as somebody runs it with connection settings of their own.
    pub fn as_login(&self, login: &Login) -> Command {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .current_dir(self.project())
            .envs(login.environment())
            .env("DATABASE_URL", url(login));
        command
    }
}

/// A connection URL, for tools that read nothing else.
fn url(login: &Login) -> String {
    let escaped = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    format!(
        "postgres://{}:{}@{}:{}/{}?sslmode={}&sslrootcert={}",
        escaped(&login.user),
        escaped(&login.password),
        login.host,
        login.port,
        login.database,
        login.sslmode,
        escaped(&login.sslrootcert.display().to_string())
    )
}

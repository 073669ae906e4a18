//! A stack for migration tools.

use crate::support::{Stack, StackOptions};

/// Server connections of the session pool, for each database.
pub const POOL: u32 = 3;

/// Two empty databases. Only Portcullis keeps shop_plain from changing them: PostgreSQL lets it.
const SQL: &str = "
CREATE DATABASE app OWNER migrator;
CREATE DATABASE other OWNER migrator;
\\connect app
GRANT CREATE ON SCHEMA public TO shop_plain, migrator;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT SELECT, INSERT ON TABLES TO shop_plain;
\\connect other
GRANT CREATE ON SCHEMA public TO shop_plain, migrator;
ALTER DEFAULT PRIVILEGES FOR ROLE migrator GRANT SELECT, INSERT ON TABLES TO shop_plain;
";

const POLICY: &str = r#"schema = 1
environment = "test"
mode = "enforce"

[login.shop_plain]
kind = "service"
databases = ["app", "other"]

[login.migrator]
kind = "migrator"
databases = ["app", "other"]

[migrations]
lock_timeout = "30s"
"#;

/// A stack under a policy that is shipped, and a login of a database without zones.
pub fn shipped(policy: &str) -> Stack {
    let login = "\n[login.shop_plain]\nkind = \"service\"\ndatabases = [\"app\"]\n";
    Stack::start(StackOptions {
        sql: SQL.into(),
        policy: format!("{policy}{login}"),
        pool_size: POOL,
        ..StackOptions::default()
    })
}

/// A running stack.
pub fn stack() -> Stack {
    Stack::start(StackOptions {
        sql: SQL.into(),
        policy: POLICY.into(),
        pool_size: POOL,
        ..StackOptions::default()
    })
}

//! Real clients through Portcullis: the matrix of all of them, beside a connection straight to
//! PostgreSQL, and what some of them do beyond it.

mod support;

use std::process::Command;

use support::parts::source;
use support::{Login, NEW, OLD, Pooler, Psql, Stack, StackOptions, Version, fixture, parts, psql};

/// A stack in which only Portcullis stands between shop_acme and DDL, or between it and the other
/// tenant: the role may create tables and is told no zone by anyone else.
fn stack((version, pooler): (Version, Pooler)) -> Stack {
    let privileges = "\\connect shop\nGRANT CREATE ON SCHEMA public TO shop_acme;\n\
                      \\connect app\nGRANT CREATE ON SCHEMA public TO shop_plain;\n";
    Stack::start(StackOptions {
        version,
        pooler,
        sql: format!("{}{privileges}", fixture::SQL),
        ..StackOptions::default()
    })
}

fn no_table_was_created(stack: &Stack) {
    let tables = stack.direct(
        "shop",
        "SELECT relname FROM pg_class WHERE relname LIKE 'driver%'",
    );
    assert_eq!(tables, "", "DDL was executed");
}

fn run(mut client: Command, login: &Login) -> Psql {
    client.envs(login.environment());
    psql::with_input(client, "").into()
}

/// What `deploy/parts drivers` makes last is there.
fn fetched() {
    let last = parts::parts().join("drivers/node/node_modules/portcullis-prisma");
    parts::present(&last, "drivers");
}

fn python(file: &str) -> Command {
    fetched();
    let mut command = Command::new(parts::parts().join("drivers/python/bin/python"));
    command.arg("-B").arg(source(file));
    command
}

fn node(file: &str) -> Command {
    fetched();
    let modules = parts::parts().join("drivers/node/node_modules");
    let mut command = Command::new("node");
    command.arg(source(file)).env("NODE_PATH", modules);
    command
}

fn java(file: &str) -> Command {
    let jar = "/usr/share/java/postgresql.jar";
    parts::present(jar.as_ref(), "debian");
    let mut command = Command::new("java");
    command.args(["-cp", jar]).arg(source(file));
    command
}

mod drivers {
    //! The matrix, clients that do more than it asks, and what tools find out about a schema.
    mod introspection;
    mod libpq;
    mod matrix;
    mod observing;
    mod pgbench;
    mod psql;
}

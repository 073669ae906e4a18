//! What a migration session leaves behind: statements that it parsed, under names that others use.

use crate::support::message::{self, Message, fine};
use crate::support::{Login, NEW, Stack, StackOptions, Wire, migration};

const PARSE: &str = "CREATE TABLE made (id int)";

fn stack() -> Stack {
    Stack::start(StackOptions {
        version: NEW.0,
        pooler: NEW.1,
        pool_size: 1,
        ..StackOptions::default()
    })
}

fn made(stack: &Stack) -> bool {
    stack.direct(
        "app",
        "SELECT count(*) FROM pg_class WHERE relname = 'made'",
    ) != "0\n"
}

fn run_a() -> Vec<u8> {
    let messages = [
        message::bind("", "a", &[]),
        message::execute("", 0),
        message::sync(),
    ];
    messages.concat()
}

fn parse_a(sql: &str) -> Vec<u8> {
    message::parse("a", sql)
}

/// Everything up to the next ReadyForQuery or the end of the connection.
fn answer(wire: &mut Wire, bytes: &[u8]) -> Vec<Message> {
    match wire.try_send(bytes) {
        Ok(()) => wire.receive_until(b'Z'),
        Err(_) => Vec::new(),
    }
}

/// The attack is one: at PgBouncer alone it makes the table.
fn works_without(stack: &Stack, login: &Login) {
    let mut alone = Wire::login(login);
    fine(&alone.batch(&parse_a(PARSE)));
    alone.send(&run_a());
    fine(&alone.receive_until(b'Z'));
    assert!(made(stack));
    stack.direct("app", "DROP TABLE made");
}

#[test]
fn ddl_parsed_in_a_session_that_has_ended_is_not_run() {
    let stack = stack();
    // Without Portcullis: parsed now, run whenever.
    works_without(
        &stack,
        &stack.login_at(stack.session_port, "migrator", "app"),
    );

    let login = migration::open(&stack, "app");
    let mut migrator = Wire::login(&login);
    fine(&migrator.batch(&parse_a(PARSE)));
    migration::close(&stack, &login);
    let late = answer(&mut migrator, &run_a());
    assert!(
        late.iter().any(|message| message.kind == b'E') || late.is_empty(),
        "{}",
        message::kinds(&late)
    );
    // The name is free, or its meaning is known: for the next session, and for the application.
    let next = migration::open(&stack, "app");
    let mut migrator = Wire::login(&next);
    let reused = answer(&mut migrator, &[parse_a("SELECT 1"), run_a()].concat());
    assert!(!message::kinds(&reused).contains('C') || message::column(&reused) == ["1"]);
    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    let foreign = answer(&mut plain, &run_a());
    assert_eq!(message::kinds(&foreign), "EZ");
    fine(&plain.query("SELECT 1"));
    assert!(!made(&stack));
}

#[test]
fn ddl_refused_once_leaves_no_meaning_to_its_name() {
    let stack = stack();
    stack.direct("app", "GRANT CREATE ON SCHEMA public TO shop_plain");
    works_without(
        &stack,
        &stack.login_at(stack.transaction_port, "shop_plain", "app"),
    );

    let mut plain = Wire::login(&stack.login("shop_plain", "app"));
    for batch in [
        [parse_a(PARSE), run_a()].concat(),
        run_a(),
        [message::close(b'S', "a"), parse_a(PARSE), run_a()].concat(),
        [
            parse_a("SELECT 1"),
            message::close(b'S', "a"),
            parse_a(PARSE),
            run_a(),
        ]
        .concat(),
    ] {
        let answer = answer(&mut plain, &batch);
        assert!(
            message::error(&answer).is_some(),
            "{}",
            message::kinds(&answer)
        );
    }
    fine(&plain.query("SELECT 1"));
    assert!(!made(&stack));
}

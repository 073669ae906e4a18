//! What a connection remembers of its transaction and its names stays true where the server skips a
//! COMMIT, cuts a name, or takes several settings in one batch.

mod support;

use support::fixture::POLICY;
use support::message::{
    self, Message, bind, close, column, execute, failed, fine, parse, refused_by,
};
use support::shared::OnEveryVersion;
use support::shop::acme;
use support::{Stack, StackOptions, Wire};

/// shop_acme has its zone on the session route, shop_globex chooses its own.
fn policy() -> String {
    POLICY
        .replace(
            "zone = \"acme\"\n",
            "zone = \"acme\"\nroute = \"session\"\n",
        )
        .replace(
            "zone = \"globex\"",
            "zone = { from = \"client\", values = [\"acme\", \"globex\", \"t-*\"] }",
        )
}

fn start() -> Stack {
    Stack::start(StackOptions {
        policy: policy(),
        ..StackOptions::default()
    })
}

fn chooser(stack: &Stack) -> Wire {
    Wire::login(&stack.login("shop_globex", "shop"))
}

/// Parse, Bind and Execute of each, and one Sync.
fn batch(wire: &mut Wire, texts: &[&str]) -> Vec<Message> {
    let each = |text: &&str| [parse("", text), bind("", "", &[]), execute("", 0)].concat();
    wire.batch(&texts.iter().flat_map(each).collect::<Vec<u8>>())
}

/// PostgreSQL keeps 63 bytes of a name: the third Parse took the place of the first, and a Bind of the
/// first ran it.
#[test]
fn no_two_names_are_the_same_one() {
    let stack = start();
    let mut wire = acme(&stack);
    let [one, two, three] = ["1", "2", "3"].map(|end| "A".repeat(63) + end);
    let harmless = parse(&one, "SELECT $1::text || $2::text");
    let sent = [
        harmless,
        close(b'S', &two),
        parse(&three, "SELECT set_config($1, $2, true)"),
    ];
    for message in &sent {
        let answer = wire.batch(message);
        assert_eq!(failed(&answer), ("42622".into(), 'I'));
        refused_by(&answer, "statement-bounds");
    }
    fine(&wire.query("BEGIN"));
    let values = [Some("app.tenant_id"), Some("globex")];
    let answer = wire.batch(&[bind("", &one, &values), execute("", 0)].concat());
    assert_eq!(failed(&answer).0, "42622");
    fine(&wire.query("ROLLBACK"));
    fine(&wire.batch(&parse("s", "SELECT 1")));
    for message in [bind(&one, "s", &[]), execute(&two, 0), close(b'P', &two)] {
        assert_eq!(failed(&wire.batch(&message)), ("42622".into(), 'I'));
    }
    // As long as names may be.
    let name = "n".repeat(63);
    let run = [
        parse(&name, "SELECT DISTINCT tenant_id FROM orders"),
        bind(&name, &name, &[]),
        execute(&name, 0),
    ];
    assert_eq!(column(&wire.batch(&run.concat())), ["acme"]);
}

/// On a connection that is handed on the server hears of no name, and each is another one: Ecto makes some from
/// names of tables.
#[test]
fn where_statements_are_remembered_their_names_may_be_longer() {
    for stack in OnEveryVersion::new().get(StackOptions::default) {
        let mut wire = acme(&stack);
        let names = ["1", "2", "3"].map(|end| "A".repeat(63) + end);
        let longest = "é".repeat(4096);
        let names = [&names[0], &names[1], &names[2], &longest];
        for begins in [&[][..], &["BEGIN"]] {
            for text in begins {
                fine(&wire.query(text));
            }
            for (name, value) in names.iter().zip('a'..) {
                fine(&wire.batch(&parse(name, &format!("SELECT '{value}' || $1::text"))));
            }
            for round in ["x", "y"] {
                for (name, value) in names.iter().zip('a'..) {
                    let sent = [
                        bind("", name, &[Some(round)]),
                        message::describe(b'S', name),
                        execute("", 0),
                    ];
                    let said = wire.batch(&sent.concat());
                    assert_eq!(column(&said), [format!("{value}{round}")]);
                }
            }
            // None is another's, and each is taken once.
            let again = wire.batch(&parse(names[1], "SELECT 2"));
            assert_eq!(failed(&again).0, "42P05");
            let open = !begins.is_empty();
            if open {
                fine(&wire.query("ROLLBACK"));
            }
            let closes = names.map(|name| close(b'S', name)).concat();
            fine(&wire.batch(&closes));
            let gone = wire.batch(&bind("", names[0], &[Some("z")]));
            assert_eq!(failed(&gone).0, "26000");
        }
        // A portal has its name at the server.
        fine(&wire.batch(&parse("s", "SELECT 1")));
        let said = wire.batch(&bind(names[0], "s", &[]));
        assert_eq!(failed(&said).0, "42622");
        refused_by(&said, "statement-bounds");
    }
}

#[test]
fn what_was_set_for_the_transaction_outlives_a_commit_that_is_skipped() {
    let stack = start();
    let mut wire = chooser(&stack);
    fine(&wire.query("SET app.tenant_id = 'acme'"));
    for end in ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN"] {
        fine(&wire.query("BEGIN"));
        fine(&wire.query("SET LOCAL app.tenant_id = 'globex'"));
        fine(&wire.query("SELECT current_setting('app.tenant_id')"));
        fine(&wire.query("SAVEPOINT s"));
        assert_eq!(failed(&batch(&mut wire, &["SELECT 1/0", end])).1, 'E');
        fine(&wire.query("ROLLBACK TO s"));
        let answer = wire.query("INSERT INTO orders (note) VALUES ('x') RETURNING tenant_id");
        assert_eq!(column(&answer), ["globex"], "{end}");
        fine(&wire.query("ROLLBACK"));
        assert_eq!(
            column(&wire.query("SELECT DISTINCT tenant_id FROM orders")),
            ["acme"]
        );
    }
    // Which transaction it is cannot be told.
    fine(&wire.query("BEGIN"));
    let answer = batch(
        &mut wire,
        &["COMMIT", "BEGIN", "SAVEPOINT s", "SELECT 1/0", "COMMIT"],
    );
    assert_eq!(failed(&answer).1, 'E');
    let answer = wire.query("ROLLBACK TO s");
    assert_eq!(failed(&answer), ("0A000".into(), 'E'));
    refused_by(&answer, "session-state");
    fine(&wire.query("ROLLBACK"));
    fine(&wire.query("BEGIN"));
    fine(&wire.query("SAVEPOINT s"));
    failed(&wire.query("SELECT 1/0"));
    fine(&wire.query("ROLLBACK TO s"));
    fine(&wire.query("COMMIT"));
}

#[test]
fn the_last_setting_of_a_batch_counts() {
    let stack = start();
    let insert = "INSERT INTO orders (note) VALUES ('x') RETURNING tenant_id";
    let mut wire = chooser(&stack);
    let answer = batch(
        &mut wire,
        &[
            "SET app.tenant_id = 'acme'",
            "SET LOCAL app.tenant_id = 'globex'",
            insert,
        ],
    );
    assert_eq!(column(&answer), ["globex"]);
    let mut wire = chooser(&stack);
    fine(&wire.query("BEGIN"));
    let first = "SELECT set_config('app.tenant_id', 'globex', false)";
    fine(&batch(
        &mut wire,
        &[first, "SET LOCAL app.tenant_id = 'acme'"],
    ));
    assert_eq!(column(&wire.query(insert)), ["acme"]);
    fine(&wire.query("COMMIT"));
    assert_eq!(column(&wire.query(insert)), ["globex"]);
}

#[test]
fn nothing_runs_behind_a_commit_without_what_belongs_to_it() {
    let stack = start();
    let mut wire = chooser(&stack);
    fine(&wire.query("SET app.tenant_id = 'acme'"));
    fine(&wire.query("SET statement_timeout = '5s'"));
    fine(&wire.query("BEGIN"));
    fine(&wire.query("SET LOCAL app.tenant_id = 'acme'; SET LOCAL statement_timeout = '4s'"));
    let behind = "COMMIT; INSERT INTO orders (note) VALUES ('behind') RETURNING tenant_id || ' ' || current_setting('statement_timeout')";
    let answer = wire.query(behind);
    assert_eq!(fine(&answer), 'I');
    assert_eq!(column(&answer), ["acme 5s"]);
    let mut wire = chooser(&stack);
    fine(&wire.query("BEGIN"));
    fine(&wire.query("SET LOCAL app.tenant_id = 'acme'"));
    let answer = wire.query("COMMIT; INSERT INTO orders (note) VALUES ('nobody')");
    assert_eq!(failed(&answer), ("42501".into(), 'I'));
    let nobody = "SELECT count(*) FROM orders WHERE note = 'nobody'";
    assert_eq!(stack.direct("shop", nobody), "0\n");
    // A transaction of its own in one message is what services send.
    let framed = "BEGIN; SELECT set_config('app.tenant_id', 'acme', true); SELECT DISTINCT tenant_id FROM orders; COMMIT";
    assert_eq!(column(&wire.query(framed)), ["acme", "acme"]);
}

/// The name stands for what SQL has prepared since; it was judged as what it was.
#[test]
fn a_name_is_judged_by_what_sql_has_put_there() {
    let stack = start();
    let mut wire = acme(&stack);
    fine(&wire.batch(&parse("n", "SELECT 1")));
    fine(&wire.query("DEALLOCATE n"));
    fine(&wire.query("PREPARE n AS INSERT INTO imports VALUES (1, 'by name')"));
    let run = [bind("", "n", &[]), execute("", 0)].concat();
    fine(&wire.batch(&run));
    let narrowed = format!(
        "{}\n[[rule]]\nid = \"read-only\"\nwhen = {{ class = \"write\" }}\nmessage = \"no writes\"\n",
        policy()
    );
    stack.load(&narrowed);
    let said = wire.batch(&run);
    assert_eq!(failed(&said), ("42501".into(), 'I'));
    assert_eq!(stack.direct("shop", "SELECT count(*) FROM imports"), "1\n");
}

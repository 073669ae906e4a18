//! Roles and policies that change while clients are connected, and guards that observe.

use rustix::process::Signal;

use crate::support::message::fine;
use crate::support::migration::{finished, portcullis};
use crate::support::process::{RunAs, Server, command, wait_until};
use crate::support::{Pooler, message};
use crate::{REFUSED, log_in, looks, passes, policy, refused, stack, start};

#[test]
fn a_role_that_is_altered_is_seen_when_the_answer_is_forgotten() {
    let stack = stack("transaction", "disable");
    passes(&stack, "shop_plain", "app");
    let mut open = log_in(&stack, "shop_plain", "app").unwrap();
    stack.direct("app", "ALTER ROLE shop_plain BYPASSRLS");
    // For up to a minute the server is not asked again.
    passes(&stack, "shop_plain", "app");
    stack.reload();
    refused(&stack, "shop_plain", "app", "42501");
    // Who is in stays in.
    fine(&open.query("SELECT 1"));
    stack.direct("app", "ALTER ROLE shop_plain NOBYPASSRLS");
    refused(&stack, "shop_plain", "app", "42501");
    stack.reload();
    passes(&stack, "shop_plain", "app");

    // The way out that the error names.
    refused(&stack, "owner", "app", "42501");
    stack.direct("app", "ALTER TABLE public.hidden FORCE ROW LEVEL SECURITY");
    stack.reload();
    passes(&stack, "owner", "app");
}

#[test]
fn who_loses_what_allowed_the_role_is_let_go() {
    let allowed = "[login.seer]\nallow_server_role = [\"bypassrls\"]";
    let with = policy("transaction").replace("[login.seer]", allowed);
    let stack = start(with, "disable");
    let mut wire = log_in(&stack, "seer", "app").unwrap();
    fine(&wire.query("SELECT 1"));
    stack.load(&policy("transaction"));
    let ended = wire.receive_to_end();
    let error = message::error(&ended).expect("it is told");
    assert_eq!(error.sqlstate(), "57P01");
    let detail = error.field(b'D').unwrap();
    assert!(detail.contains("another allow_server_role"), "{detail}");
    refused(&stack, "seer", "app", "42501");
}

/// The client stays when PgBouncer goes; the role is judged for the connection that takes its place.
#[test]
fn a_connection_that_replaces_a_lost_one_is_judged_by_the_policy_in_force() {
    let off = format!(
        "{}\n[guards]\nserver-role = \"off\"\n",
        policy("transaction")
    );
    let mut stack = start(off, "disable");
    let mut seer = log_in(&stack, "seer", "app").unwrap();
    let mut plain = log_in(&stack, "shop_plain", "app").unwrap();
    for wire in [&mut seer, &mut plain] {
        fine(&wire.query("SELECT 1"));
    }
    stack.load(&policy("transaction"));
    fine(&seer.query("SELECT 1"));
    stack.transaction.end();
    let mut pgbouncer = command(RunAs::Server, "KILL", &Pooler::V1_18.program());
    pgbouncer.arg(stack.file("pgbouncer-transaction/pgbouncer.ini"));
    let log = stack.file("pgbouncer-again.log");
    stack.transaction = Server::start("PgBouncer", pgbouncer, &log, Signal::KILL);
    crate::support::pool::wait(&mut stack.transaction, stack.transaction_port);
    fine(&plain.query("SELECT 1"));
    seer.send(&message::query("SELECT 1"));
    let ended = seer.receive_to_end();
    let error = message::error(&ended).expect("it is told");
    assert_eq!(error.sqlstate(), "42501");
    assert_eq!(error.field(b'R').as_deref(), Some("server-role"));
}

#[test]
fn an_observing_guard_counts_and_lets_in() {
    let observes = format!(
        "{}\n[guards]\nserver-role = \"observe\"\n",
        policy("session")
    );
    let stack = start(observes, "disable");
    for (login, database, ..) in REFUSED {
        passes(&stack, login, database);
        passes(&stack, login, database);
    }
    let observed = "portcullis_observed_refusals_total{guard=\"server-role\"}";
    let count = f64::from(u8::try_from(REFUSED.len()).unwrap());
    assert_eq!(stack.metric(observed), 2.0 * count);
    assert_eq!(
        stack.metric("portcullis_refusals_total{guard=\"server-role\"}"),
        0.0
    );
    stack.logged(&["server role \\\"boss\\\" is a superuser"]);
    // A connection on which the question failed is not the client's.
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    stack.reload();
    passes(&stack, "shop_plain", "app");
    assert_eq!(stack.metric(observed), 2.0 * count + 1.0);

    stack.load(&format!(
        "{}\n[guards]\nserver-role = \"off\"\n",
        policy("session")
    ));
    let before = looks(&stack);
    passes(&stack, "boss", "app");
    assert_eq!(looks(&stack), before);
}

#[test]
fn where_the_whole_file_observes_it_is_looked_at_aside_and_counted() {
    let observes = policy("transaction").replacen("mode = \"enforce\"", "mode = \"observe\"", 1);
    let stack = start(observes, "disable");
    let observed = "portcullis_observed_refusals_total{guard=\"server-role\"}";
    let count = f64::from(u8::try_from(REFUSED.len()).unwrap());
    for (login, database, ..) in REFUSED {
        passes(&stack, login, database);
    }
    // Nobody has waited for it.
    wait_until("every role was looked at", || {
        stack.metric(observed) == count
    });
    assert_eq!(looks(&stack), REFUSED.len());
    // Not again in its time, and everybody is counted.
    for (login, database, ..) in REFUSED {
        passes(&stack, login, database);
    }
    passes(&stack, "strict", "app");
    wait_until("an ordinary role was looked at, too", || {
        looks(&stack) == REFUSED.len() + 1
    });
    assert_eq!(stack.metric(observed), 2.0 * count);
    let report = finished(portcullis(&stack, &["report", "--guard", "server-role"])).stdout;
    assert!(
        report.contains("server role \"boss\" is a superuser"),
        "{report}"
    );

    // What could not be looked at is no clean record, and is not asked for at every login.
    stack.direct("app", "REVOKE SELECT ON pg_catalog.pg_roles FROM PUBLIC");
    stack.reload();
    passes(&stack, "shop_plain", "app");
    wait_until("the question has failed", || {
        stack.metric(observed) == 2.0 * count + 1.0
    });
    let before = looks(&stack);
    passes(&stack, "shop_plain", "app");
    assert_eq!(stack.metric(observed), 2.0 * count + 2.0);
    assert_eq!(looks(&stack), before);
}

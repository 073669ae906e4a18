//! Clients that set signed zones themselves, in random orders, two of them on one server connection: what a
//! model of PostgreSQL's parameters says is seen, or nothing is, or it is refused.

mod support;

mod conversing {
    #[allow(dead_code, reason = "of what is shared there this needs one part")]
    pub mod random;
}

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
    pub mod modelled;
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod signed;
}

use conversing::random::Random;
use support::message::{self, bind, execute};
use support::process::wait_until;
use support::{Stack, wanted};
use zones::modelled::{Client, Status, TOLD};
use zones::signed::{each, nothing_is_left, stacks};

/// No client says a zone of the other.
const ZONES: [[&str; 2]; 2] = [["acme", "t-1"], ["globex", "t-2"]];

/// Turns for each database of each version in an ordinary run.
const TURNS: usize = 400;

#[test]
fn whatever_the_order_a_client_sees_the_zone_that_it_has_said_or_nothing() {
    let mut random = Random::new(wanted::seed().unwrap_or(1));
    each(stacks(), |stack, database| {
        let rows = "INSERT INTO orders (tenant_id, note) VALUES ('t-1', 'one'), ('t-2', 'two')";
        stack.direct(database, rows);
        let mut clients = ZONES.map(|zones| Client::new(stack, database, zones));
        let mut turn = 0;
        while turn < TURNS * wanted::times() as usize {
            let who = random.below(2);
            let [first, second] = &mut clients;
            let (client, other) = if who == 0 {
                (first, second)
            } else {
                (second, first)
            };
            transaction(stack, client, other, &mut random, &mut turn);
            if random.one_in(12) {
                // In the middle of something, or not.
                if random.one_in(2) {
                    client.begin(&mut random);
                    client.say(&mut random);
                    client.ask(&mut random, true);
                }
                client.come_again(stack, database);
            }
        }
        drop(clients);
        let strays =
            "SELECT count(*) FROM orders WHERE note LIKE 'r:%' AND note <> 'r:' || tenant_id";
        assert_eq!(stack.direct(database, strays), "0\n");
        let kept = stack.direct(
            database,
            "SELECT count(*) FROM orders WHERE note LIKE 'r:%'",
        );
        assert_ne!(kept, "0\n");
        let left = "DELETE FROM orders WHERE note LIKE 'r:%' OR tenant_id LIKE 't-%'";
        stack.direct(database, left);
        let open = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%'";
        wait_until("nothing is open", || stack.direct(database, open) == "0\n");
        nothing_is_left(stack, database);
    });
}

/// Steps of one client until it is idle again; meanwhile the other one may wait for the server connection.
fn transaction(
    stack: &Stack,
    client: &mut Client,
    other: &mut Client,
    random: &mut Random,
    turn: &mut usize,
) {
    let mut waits = None;
    loop {
        *turn += 1;
        match random.below(16) {
            0 | 1 if client.status == Status::Idle => client.begin(random),
            0..=2 if client.status != Status::Idle => client.end(random),
            3..=5 => client.say(random),
            6 if random.one_in(3) => client.reset(random),
            6..=8 => client.savepoint(random),
            9 => client.fail(random),
            10 if random.one_in(4) => client.cancelled(stack, random),
            11 => client.pipeline(random),
            12 => client.ask(random, true),
            _ => client.ask(random, false),
        }
        if client.status == Status::Idle {
            break;
        }
        if waits.is_none() && random.one_in(6) {
            other
                .told
                .push("ask, behind the other's transaction".to_owned());
            waits = Some(random.one_in(2));
            match waits {
                Some(true) => other.wire.send(&message::query(TOLD)),
                _ => other
                    .wire
                    .send(&[bind("", "ask", &[]), execute("", 0), message::sync()].concat()),
            }
        }
    }
    if waits.is_some() {
        let answer = other.wire.receive_until(b'Z');
        other.seen(&answer, false);
    }
}

//! The session route.

use crate::features::stack::stacks;
use crate::support::message::{self, column, fine, kinds};
use crate::support::process::wait_until;
use crate::support::{Transport, Wire};

/// Nobody asks for them: they come by themselves.
#[test]
fn notifications_arrive_while_idle_on_the_session_route() {
    for features in stacks() {
        let _alone = features.alone();
        let port = features.stack.port;
        let mut listener = Wire::login(&features.login(None, true, port));
        fine(&listener.query("LISTEN news"));
        for round in 0..3 {
            let notify = format!("NOTIFY news, 'round {round}'");
            match round {
                0 => drop(features.stack.direct("app", &notify)),
                _ => drop(fine(
                    &Wire::login(&features.login(None, false, port)).query(&notify),
                )),
            }
            let heard = listener.receive().expect("a notification");
            assert_eq!(char::from(heard.kind), 'A');
            let said = String::from_utf8_lossy(&heard.body[4..]).into_owned();
            assert_eq!(said, format!("news\0round {round}\0"));
        }
        // And beside the answers of statements.
        fine(&listener.query("BEGIN"));
        features.stack.direct("app", "NOTIFY news, 'later'");
        fine(&listener.query("SELECT 1"));
        let answer = listener.query("COMMIT");
        assert_eq!(kinds(&answer).replace('A', ""), "CZ");
        if !kinds(&answer).contains('A') {
            assert_eq!(listener.receive().map(|it| it.kind), Some(b'A'));
        }
        fine(&listener.query("UNLISTEN *"));
    }
}

/// The client is gone without a word, in every state; the lock with it, and the next gets it.
#[test]
fn a_lock_of_the_session_route_ends_with_its_client() {
    const LOCK: &str = "SELECT pg_advisory_lock(72707369)";
    const HELD: &str = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 72707369 AND granted";
    for features in stacks() {
        let _alone = features.alone();
        let stack = &features.stack;
        let login = features.login(None, true, stack.port);
        for state in ["", "BEGIN", "BEGIN; SELECT 1/0", "sleeping", "said goodbye"] {
            let mut leader = Wire::login_with(&login, Transport::SslRequest, &[]);
            fine(&leader.query(LOCK));
            assert_eq!(stack.direct("app", HELD), "1\n");
            match state {
                "" => {}
                "sleeping" => {
                    leader.send(&message::query("SELECT pg_sleep(600)"));
                    stack.wait_for_sleepers(1);
                }
                "said goodbye" => leader.send(&message::terminate()),
                texts => texts.split("; ").for_each(|sql| drop(leader.query(sql))),
            }
            // With a reset, as when a machine dies and another answers in its place.
            let linger = socket2::SockRef::from(leader.tcp());
            linger
                .set_linger(Some(std::time::Duration::ZERO))
                .expect("set SO_LINGER");
            drop(leader);
            wait_until("the lock is gone", || stack.direct("app", HELD) == "0\n");
            let mut next = Wire::login(&login);
            let sql = "SELECT pg_try_advisory_lock(72707369)";
            assert_eq!(column(&next.query(sql)), ["t"], "{state}");
            fine(&next.query("SELECT pg_advisory_unlock(72707369)"));
        }
        // Prisma takes it so, twenty times, and never says goodbye.
        for _ in 0..20 {
            fine(&Wire::login(&login).query(LOCK));
        }
        wait_until("no lock is left", || stack.direct("app", HELD) == "0\n");
    }
}

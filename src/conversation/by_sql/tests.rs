//! What names stand for, and how often that is looked at.

use super::*;
use crate::conversation::attacks::{Attack, query};
use crate::sql::{describe, is_long};

const READY: &[u8] = b"Z\0\0\0\x05T";

fn facts(text: &str) -> Arc<Facts> {
    Arc::new(describe(text.as_bytes()))
}

/// Sends a Query, which is answered in a transaction. How much was judged, if it was sent?
fn sent(attack: &mut Attack, text: &str) -> Option<usize> {
    let refused = attack.refused();
    // As somebody else does where a worker has no time for it.
    attack.described = is_long(text.as_bytes()).then(|| facts(text));
    attack.client(&query(text));
    let judged = attack.conversation.judged;
    let was_refused = attack.refused() > refused;
    if was_refused {
        attack.server(b"E\0\0\0\x0cC34000\0\0");
    }
    attack.server(READY);
    (!was_refused).then_some(judged as usize)
}

fn declare(name: &str, number: usize) -> String {
    format!("declare {name} cursor for select set_config('a.b', 'x', true) as a{number};")
}

#[test]
fn a_name_stands_for_so_many_things_only_and_is_judged_once_in_a_text() {
    for in_one_text in [false, true] {
        let mut attack = Attack::new();
        assert!(sent(&mut attack, "begin").is_some());
        let all = (0..MAX_OF_NAME).map(|number| declare("c", number));
        let all: Vec<String> = match in_one_text {
            true => vec![all.collect()],
            false => all.collect(),
        };
        for text in all {
            assert!(sent(&mut attack, &text).is_some());
        }
        assert_eq!(sent(&mut attack, &declare("c", MAX_OF_NAME)), None);
        // Another name is no matter of it.
        assert!(sent(&mut attack, &declare("d", MAX_OF_NAME)).is_some());
        let one = sent(&mut attack, "fetch c;").expect("it is sent");
        assert!(one > MAX_OF_NAME);
        for text in ["fetch c;", "move d;"] {
            let judged = sent(&mut attack, &text.repeat(4000)).expect("it is sent");
            assert!(judged <= one + 4000, "{judged} for {one}");
        }
    }
    // Too many in one text.
    let mut attack = Attack::new();
    assert!(sent(&mut attack, "begin").is_some());
    let all = 0..=MAX_OF_NAME;
    let text: String = all.clone().map(|number| declare("c", number)).collect();
    assert_eq!(sent(&mut attack, &text), None);
    let names = all.map(|number| declare(&format!("c{number}"), number));
    assert!(sent(&mut attack, &names.collect::<String>()).is_some());
    // Short of all that one client may have.
    let names = |from: usize, to: usize| {
        let all = (from..to).map(|number| format!("declare d{number} cursor for select 1;"));
        all.collect::<String>()
    };
    let there = MAX_OF_NAME + 1;
    assert!(sent(&mut attack, &names(0, 500)).is_some());
    assert_eq!(
        sent(&mut attack, &names(500, MAX_MEANINGS - there + 1)),
        None
    );
    assert!(sent(&mut attack, &names(500, MAX_MEANINGS - there)).is_some());
}

#[test]
fn what_is_taken_back_is_gone_once_it_is_answered_and_what_came_later_stays() {
    let one = |name: &str| name.as_bytes().to_vec();
    let cursor = facts("declare a cursor for select 1");
    let other = facts("declare a cursor for select 2");
    let known = |by_sql: &BySql, name: &str| by_sql.meanings(Space::Portal, &one(name)).len();
    for all in [false, true] {
        let mut by_sql = BySql::default();
        let take_back = |by_sql: &mut BySql| match all {
            true => by_sql.take_back(Space::Portal, None),
            false => by_sql.take_back(Space::Portal, Some(b"a")),
        };
        by_sql.add(Space::Portal, b"a", Arc::clone(&cursor), true);
        by_sql.add(Space::Statement, b"a", Arc::clone(&cursor), false);
        take_back(&mut by_sql);
        by_sql.add(Space::Portal, b"a", Arc::clone(&other), true);
        assert_eq!(known(&by_sql, "a"), 2);
        // An error: nobody knows.
        by_sql.failed();
        by_sql.settled(false);
        assert_eq!(known(&by_sql, "a"), 2);
        take_back(&mut by_sql);
        by_sql.add(Space::Portal, b"a", Arc::clone(&other), true);
        by_sql.add(Space::Portal, b"b", Arc::clone(&other), true);
        by_sql.settled(false);
        assert_eq!((known(&by_sql, "a"), known(&by_sql, "b")), (1, 1));
        // Once, and of this space.
        by_sql.settled(false);
        assert_eq!((known(&by_sql, "a"), by_sql.count), (1, 3));
    }
}

//! The cache of facts.

use std::sync::Arc;

use super::super::blank::blank;
use super::super::{Depth, FactsCache, describe, describe_at};

#[test]
fn a_text_is_kept_when_it_comes_again() {
    let mut cache = FactsCache::new(1 << 20, 7);
    let text = b"select a from t where b = $1";
    let first = cache.describe(text);
    assert_eq!(*first, describe(text));
    assert!(cache.get(text).is_none());
    let second = cache.describe(text);
    let third = cache.describe(text);
    assert!(Arc::ptr_eq(&second, &third));
    assert!(Arc::ptr_eq(&second, &cache.get(text).unwrap()));
    assert_eq!((cache.hits(), cache.misses()), (2, 3));
    assert!(cache.get(b"select a from t where b = $2").is_none());
}

#[test]
fn texts_seen_once_take_no_room() {
    let mut cache = FactsCache::new(1 << 20, 7);
    for n in 0..10_000 {
        cache.describe(format!("select c{n}").as_bytes());
    }
    assert!(cache.bytes() < 1 << 14, "{}", cache.bytes());
}

#[test]
fn the_bound_holds_and_what_is_used_stays() {
    let mut cache = FactsCache::new(64 << 10, 7);
    let hot = b"select 'hot'";
    cache.describe(hot);
    cache.describe(hot);
    for n in 0..2_000 {
        let text = format!("select c{n} from t");
        cache.describe(text.as_bytes());
        cache.describe(text.as_bytes());
        assert!(cache.bytes() <= 64 << 10);
        assert!(cache.get(hot).is_some(), "{n}");
    }
    assert!(cache.bytes() > 32 << 10);
    assert!(cache.get(b"select c0 from t").is_none());
    assert!(cache.get(b"select c1999 from t").is_some());
}

#[test]
fn every_entry_is_found_after_many_evictions() {
    let mut cache = FactsCache::new(32 << 10, 1);
    let text = |n: usize| format!("select c{}", n * n % 97);
    for n in 0..5_000 {
        assert_eq!(
            *cache.describe(text(n).as_bytes()),
            describe(text(n).as_bytes())
        );
    }
}

#[test]
fn facts_made_elsewhere_are_admitted_by_the_same_rule() {
    let mut cache = FactsCache::new(1 << 20, 7);
    let facts = Arc::new(describe(b"select 1"));
    cache.admit(b"select 1", &facts);
    assert!(cache.get(b"select 1").is_none());
    cache.admit(b"select 1", &facts);
    assert!(Arc::ptr_eq(&facts, &cache.get(b"select 1").unwrap()));
}

#[test]
fn a_text_too_large_for_it_is_described_each_time() {
    let mut cache = FactsCache::new(8 << 10, 7);
    let text = format!("select {}", "x".repeat(2000));
    for _ in 0..3 {
        cache.describe(text.as_bytes());
    }
    assert_eq!((cache.hits(), cache.bytes()), (0, 0));
}

#[test]
fn plain_constants_share_facts_and_others_do_not() {
    let mut cache = FactsCache::new(1 << 20, 7);
    let mut twice = |text: &str| {
        cache.describe(text.as_bytes());
        cache.describe(text.as_bytes())
    };
    let seven = twice("select * from orders where id = 7 and note = 'x'");
    let eight = twice("select * from orders where id = 8 and note = 'drop table y'");
    assert!(Arc::ptr_eq(&seven, &eight));
    for (one, other) in [
        ("set app.tenant_id = 'acme'", "set app.tenant_id = 'globex'"),
        (
            "explain (analyze 'off') create table t as select 1",
            "explain (analyze 'on') create table t as select 1",
        ),
        (
            "select set_config('a.b', '1', true)",
            "select set_config('app.tenant_id', '1', true)",
        ),
        (
            "select set_config('a.b', '1', 't')",
            "select set_config('a.b', '1', 'f')",
        ),
        ("select 1; select 2", "select 10; select 2"),
        ("set a.b = 0", "set a.b = 5"),
    ] {
        assert_eq!(*twice(one), describe(one.as_bytes()), "{one}");
        assert_eq!(*twice(other), describe(other.as_bytes()), "{other}");
        assert_eq!(*twice(one), describe(one.as_bytes()), "{one}");
    }
}

#[test]
fn a_longer_text_that_comes_again_is_kept_word_for_word() {
    let mut cache = FactsCache::new(1 << 20, 7);
    let text = |id: usize| {
        let columns = "some_column, ".repeat(20);
        format!("select {columns} last from orders where id = {id}").into_bytes()
    };
    // The second time the key is kept.
    cache.describe(&text(1));
    let shared = cache.describe(&text(2));
    let key_alone = cache.bytes();
    // Others that come once take no more room; one that comes twice does, once.
    for id in 3..50 {
        assert!(Arc::ptr_eq(&shared, &cache.get(&text(id)).unwrap()));
    }
    assert_eq!(cache.bytes(), key_alone);
    cache.get(&text(7)).unwrap();
    let both = cache.bytes();
    assert!(both > key_alone);
    for _ in 0..3 {
        assert!(Arc::ptr_eq(&shared, &cache.get(&text(7)).unwrap()));
    }
    assert_eq!(cache.bytes(), both);
    // What is kept word for word is for no other text.
    assert_eq!(*cache.describe(&text(8)), describe(&text(8)));
    // A short one is found by its key as fast.
    let short = b"select a from t where b = 1";
    for _ in 0..2 {
        cache.describe(short);
    }
    let bytes = cache.bytes();
    for _ in 0..5 {
        cache.get(short).unwrap();
    }
    assert_eq!(cache.bytes(), bytes);
}

#[test]
fn another_depth_forgets_what_was_known() {
    let mut cache = FactsCache::new(1 << 20, 7);
    let text = b"select f(a) from t where b = 1";
    let thrice = |cache: &mut FactsCache, depth| {
        cache.set_depth(depth);
        assert_eq!(cache.bytes(), 0);
        let mut last = cache.describe(text);
        for _ in 0..2 {
            last = cache.describe(text);
        }
        assert_eq!(*last, describe_at(text, depth));
        assert!(cache.get(text).is_some() && cache.bytes() > 0);
    };
    thrice(&mut cache, Depth::Surface);
    thrice(&mut cache, Depth::Names);
    thrice(&mut cache, Depth::Surface);
    // The same depth again keeps what is there.
    cache.set_depth(Depth::Surface);
    assert!(cache.get(text).is_some());
}

#[test]
fn facts_of_another_depth_are_not_admitted() {
    let text = b"select * from t";
    for (own, other) in [
        (Depth::Surface, Depth::Names),
        (Depth::Names, Depth::Surface),
    ] {
        let mut cache = FactsCache::new(1 << 20, 7);
        cache.set_depth(own);
        for (depth, kept) in [(other, false), (own, true)] {
            let facts = Arc::new(describe_at(text, depth));
            cache.admit(text, &facts);
            cache.admit(text, &facts);
            assert_eq!(cache.get(text).is_some(), kept, "{own:?} {depth:?}");
        }
    }
}

/// Statements with a place for a constant.
const TEMPLATES: &[&str] = &[
    "select * from t where a = ?",
    "select f(?), ?::text from t for update",
    "update t set a = ?",
    "update t set a = ? where b = ?",
    "delete from t",
    "delete from t where a in (?, ?)",
    "with x as (update t set a = ?) select ?",
    "insert into t values (?, ?) on conflict do update set a = ?",
    "select ? into t",
    "create temp table t as select ?",
    "create extension a version ?",
    "create table pg_temp.t (a int default ?)",
    "set role ?",
    "select set_config(?, ?, true)",
    "select set_config('role', ?, true)",
    "explain (analyze ?) delete from t",
    "explain (analyze ?) select * from t where a = ?",
    "copy t to ?",
    "prepare p as delete from t where a = ?",
    "select ts_rewrite(?, ?)",
    "select interval ?, date ?",
    "select * from t limit ? offset ?",
    "select ? union select ?; select ?",
    "update pg_settings set setting = ? where name = ?",
];

#[test]
fn texts_that_share_facts_have_equal_facts_at_every_depth() {
    const CONSTANTS: [&str; 8] = ["1", "2.5", "'a'", "'off'", "0", "'role'", "'app'", "'b c'"];
    let mut random = 7_u64;
    let mut next = || {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        CONSTANTS[(random >> 33) as usize % CONSTANTS.len()]
    };
    let mut fill = |template: &str| {
        let parts = template.split('?').map(str::to_owned);
        parts
            .reduce(|text, part| text + next() + &part)
            .unwrap_or_default()
    };
    for depth in [Depth::Surface, Depth::Names] {
        let mut cache = FactsCache::new(1 << 20, 7);
        cache.set_depth(depth);
        let (mut key, mut shared) = (Vec::new(), 0);
        for _ in 0..200 {
            for template in TEMPLATES {
                let text = fill(template);
                shared += u32::from(blank(text.as_bytes(), &mut key));
                let expected = describe_at(text.as_bytes(), depth);
                assert_eq!(*cache.describe(text.as_bytes()), expected, "{text}");
            }
        }
        assert!(shared > 1000 && cache.hits() > 1000, "{}", cache.hits());
    }
}

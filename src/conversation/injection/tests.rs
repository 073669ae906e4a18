//! When a prefix is due.

use super::*;
use crate::conversation::needs::needs_zone;
use crate::policy::Who;
use crate::sql::describe;
use crate::zone::signed::Unsigned;

fn pooled(zone: Option<Arc<Prefix>>, chooses: Option<Who>) -> Injection {
    let setup = Setup {
        connection: 1,
        random: [1, 2],
        zone,
        chooses,
        max_statement_bytes: 1 << 16,
        record: false,
        replaceable: true,
        walsender: false,
        spelling: Arc::default(),
        origins: Arc::default(),
        reported: Vec::new(),
        observes: false,
    };
    Injection::new(&setup, crate::zone::name(1), true, false)
}

fn in_a_zone() -> Injection {
    let prefix = Prefix::new(&[("app.tenant_id", "acme")], None);
    pooled(Some(Arc::new(prefix)), None)
}

#[test]
fn what_resets_everything_takes_the_zone_with_it_until_it_is_set_again() {
    let select = describe(b"select 1");
    for text in ["reset all", "select 1; reset all"] {
        let mut injection = in_a_zone();
        injection.executed(&describe(b"begin"), false);
        injection.put(&mut Vec::new(), &describe(b"select 1"), &Unsigned);
        assert!(!injection.due_at_bind(&select, false, false));
        injection.executed(&select, false);
        injection.executed(&describe(text.as_bytes()), false);
        assert!(injection.due_at_bind(&select, false, false), "{text}");
        assert_eq!(
            injection.query_form(&select, false, false),
            QueryForm::Prefixed
        );
        // What was bound before it, and cursors of SQL's, would run without.
        assert!(
            injection.lost_to_portal(Some(&select), false) && injection.lost_to_portal(None, false)
        );
        assert!(!injection.lost_to_portal(Some(&describe(b"rollback")), false));
        assert!(!injection.lost_to_portal(Some(&describe(b"commit")), true));
        // It may run triggers.
        assert!(injection.lost_to_portal(Some(&describe(b"commit")), false));
        assert_eq!(
            injection.query_form(&describe(b"commit"), false, false),
            QueryForm::Prefixed
        );
        assert!(!injection.lost_to_portal(Some(&describe(b"rollback to s")), false));
        assert!(!injection.lost_to_portal(Some(&describe(b"release s")), false));
        // What is set behind it goes with it.
        assert!(injection.lost_to_portal(Some(&describe(b"savepoint s")), false));
        injection.put(&mut Vec::new(), &describe(b"select 1"), &Unsigned);
        assert!(!injection.lost_to_portal(Some(&select), false));
    }
    // It would fail behind a prefix.
    let discard = describe(b"discard all");
    assert_eq!(
        in_a_zone().query_form(&discard, false, false),
        QueryForm::Verbatim
    );
    assert!(!in_a_zone().due_at_bind(&discard, false, false));
}

/// A transaction may go on for as long as it likes.
#[test]
fn what_is_touched_again_and_again_is_remembered_once() {
    let mut injection = pooled(None, None);
    injection.begin_parameters();
    for text in ["reset all", "set jit = off", "rollback to s"].repeat(9) {
        injection
            .begin_parameters()
            .sent(&describe(text.as_bytes()));
        let touched = injection.begin_parameters().touched().names;
        assert!(touched.len() <= 1, "{text}: {touched:?}");
    }
}

#[test]
fn what_may_have_ended_the_transaction_inside_takes_the_zone_with_it() {
    let select = describe(b"select 1");
    for text in [
        "do $$ begin commit; end $$",
        "call pay()",
        "selec 1",
        "/*/*/*/*",
    ] {
        let facts = describe(text.as_bytes());
        let mut injection = in_a_zone();
        assert!(injection.due_at_bind(&facts, false, false), "{text}");
        injection.put(&mut Vec::new(), &describe(b"select 1"), &Unsigned);
        injection.executed(&facts, false);
        assert!(injection.due_at_bind(&select, false, false), "{text}");
        assert!(injection.holds_batches(), "{text}");
    }
}

/// Parse s = `begin`; `deallocate s`; `prepare s as select ...`; Bind s: the select would run without.
#[test]
fn a_name_that_sql_may_have_taken_gets_the_zone_whatever_was_parsed_under_it() {
    let begin = describe(b"begin");
    let mut injection = in_a_zone();
    assert!(!injection.due_at_bind(&begin, true, false));
    injection.executed(&describe(b"prepare s as select * from orders"), false);
    injection.batch_ended();
    assert!(injection.due_at_bind(&begin, true, false));
    assert!(!injection.due_at_bind(&begin, false, false));
}

#[test]
fn what_takes_no_snapshot_needs_no_zone() {
    for text in [
        "set local statement_timeout = 1000",
        "set statement_timeout to 1000",
        "reset statement_timeout",
        "lock table orders",
        "notify c",
        "vacuum orders",
        "create database d",
        "alter system set work_mem = '1MB'",
        "reindex database d",
        "drop index concurrently i",
        "set transaction isolation level serializable",
    ] {
        assert!(!needs_zone(&describe(text.as_bytes())), "{text}");
    }
    for text in [
        "select set_config('a.b', 'c', true)",
        "update pg_settings set setting = 'x'",
        "select * from orders for update",
        "show app.tenant_id",
        "set local a.b = 'c'; select 1",
        "lock table orders; select 1",
        "savepoint s",
        "do $$ begin set a.b = 'c'; end $$",
        "explain select 1",
        "prepare p as select 1",
        "deallocate p",
        "fetch c",
        "analyze orders",
        "reindex table orders",
        "cluster orders",
        "vacuum; select 1",
        "explain analyze select 1",
        "create index on orders (id)",
        "alter database d set app.tenant_id from current",
        "selec 1",
    ] {
        assert!(needs_zone(&describe(text.as_bytes())), "{text}");
    }
}

#[test]
fn show_draws_the_zone_where_it_could_tell_it() {
    let injection = in_a_zone();
    for (text, matters) in [
        ("show transaction isolation level", false),
        ("show timezone", false),
        ("show timezone; show \"Sort_Mem\"", false),
        ("show all", true),
        ("show \"All\"", true),
        ("show app.tenant_id", true),
        ("show \"App\".\"Tenant_Id\"", true),
        ("show made.up", true),
        ("show timezone; select 1", true),
        ("show", true),
    ] {
        let facts = describe(text.as_bytes());
        assert_eq!(
            injection.due_at_bind(&facts, false, false),
            matters,
            "{text}"
        );
    }
}

#[test]
fn a_query_keeps_the_zone_within_its_batch() {
    let select = describe(b"select 1");
    let mut injection = in_a_zone();
    injection.put(&mut Vec::new(), &describe(b"select 1"), &Unsigned);
    injection.executed(&select, false);
    assert!(!injection.due_at_bind(&select, false, false));
    assert!(!injection.due_at_bind(&describe(b"commit"), false, false));
    injection.batch_ended();
    assert!(injection.due_at_bind(&select, false, false));
}

const SIGNED: &str = r#"schema = 1
environment = "test"
[zone]
parameter = "app.tenant_id"
databases = ["shop"]
protection = "signed"
[login.api]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = ["acme", "globex"] }
"#;

fn signed() -> Injection {
    choosing(SIGNED)
}

fn choosing(policy: &str) -> Injection {
    let (policy, _) = crate::policy::Policy::parse(policy, "p.toml").unwrap();
    let who = Who {
        login: Arc::clone(&policy.logins["api"]),
        policy: Arc::new(policy),
        database: "shop".into(),
    };
    pooled(None, Some(who))
}

#[test]
fn what_the_client_sets_is_entered_behind_it_and_ahead_of_the_next_statement() {
    let select = describe(b"select * from orders");
    for text in [
        "set local app.tenant_id = 'acme'",
        "select set_config('app.tenant_id', 'acme', true)",
        "set app.tenant_id = 'acme'",
    ] {
        let mut injection = signed();
        let sets = describe(text.as_bytes());
        injection.executed(&describe(b"begin"), false);
        // It has none, whatever its role has as a default; what sets one comes first itself.
        assert!(injection.due_at_bind(&select, false, false));
        assert!(!injection.due_at_bind(&sets, false, false), "{text}");
        injection.executed(&sets, false);
        assert!(
            injection.lost_to_portal(Some(&select), false),
            "bound before"
        );
        assert!(injection.due_at_bind(&select, false, false), "{text}");
        assert!(!injection.due_at_bind(&sets, false, false), "{text}");
        assert!(injection.holds_batches());
        injection.put(&mut Vec::new(), &select, &Unsigned);
        assert!(!injection.due_at_bind(&select, false, false));
        assert!(
            !injection.lost_to_portal(Some(&select), false)
                && !injection.lost_to_portal(None, false)
        );
        // Whatever may have taken the mark away.
        for again in ["rollback to s", "reset all", text] {
            let again = describe(again.as_bytes());
            injection.executed(&describe(b"savepoint s"), false);
            injection.executed(&sets, false);
            injection.executed(&again, false);
            if injection.has_chosen() {
                assert!(injection.due_at_bind(&select, false, false), "{again:?}");
                injection.put(&mut Vec::new(), &select, &Unsigned);
            }
        }
        injection.executed(&describe(b"commit"), false);
        assert!(injection.due_at_bind(&select, false, false), "{text}");
        assert!(!injection.has_chosen(), "{text}");
    }
}

/// What role or database have as their default is no zone that was granted, where one is needed.
#[test]
fn who_has_set_no_zone_has_the_empty_one_where_one_is_needed() {
    let select = describe(b"select version()");
    for (change, set) in [
        (("", ""), true),
        (("signed", "plain"), true),
        (
            ("[login", "[guards]\nzone-required = \"observe\"\n[login"),
            false,
        ),
        (
            (
                "databases = [\"shop\"]\nprotection",
                "databases = [\"other\"]\nprotection",
            ),
            false,
        ),
    ] {
        let mut injection = choosing(&SIGNED.replacen(change.0, change.1, 1));
        injection.executed(&describe(b"begin"), false);
        assert_eq!(
            injection.due_at_bind(&select, false, false),
            set,
            "{change:?}"
        );
        for sets in [
            "set local app.tenant_id = 'acme'",
            "select set_config('app.tenant_id', $1, true)",
        ] {
            let sets = describe(sets.as_bytes());
            assert!(!injection.due_at_bind(&sets, false, false), "{change:?}");
        }
    }
}

#[test]
fn what_would_be_entered_between_two_statements_of_a_message_is_not_sent_as_one() {
    for (text, mixed) in [
        ("set local app.tenant_id = 'acme'; select 1", true),
        ("select 1; set app.tenant_id = 'acme'", true),
        ("set work_mem = '1MB'; set app.tenant_id = 'acme'", false),
        ("select 1; select 2", false),
    ] {
        let form = signed().query_form(&describe(text.as_bytes()), false, false);
        assert_eq!(form == QueryForm::Mixed, mixed, "{text}");
    }
    // Names that are bound may be the zone's: nothing is entered ahead of them, nor left to the pool.
    let bound = describe(b"select set_config($1, $2, true)");
    assert!(signed().may_set_zone(&bound) && !in_a_zone().may_set_zone(&bound));
}

#[test]
fn what_is_one_transaction_goes_in_one_piece() {
    for (text, open, mixed) in [
        ("select 1; begin", false, false),
        ("select 1; select 2; commit", false, false),
        ("select 1; rollback", false, false),
        ("select 1; rollback", true, true),
        ("select 1; begin; select 2", false, true),
        ("begin; commit", false, true),
        ("select 1; rollback and chain", false, true),
        ("select 1; prepare transaction 'x'", false, true),
        ("set transaction read only; begin", false, true),
    ] {
        let mut injection = in_a_zone();
        if open {
            injection.executed(&describe(b"begin"), false);
        }
        let form = injection.query_form(&describe(text.as_bytes()), false, false);
        assert_eq!(form == QueryForm::Mixed, mixed, "{text}");
        assert!(mixed || form == QueryForm::PrefixedGuarded, "{text}");
    }
}

/// Where the pool passes names on, PostgreSQL cuts them: to whom they are told, a Bind means what it was judged as.
#[test]
fn no_two_statements_are_called_alike_at_the_pool_and_none_is_cut() {
    let injection = in_a_zone();
    let names: Vec<String> = ["n", "m"].map(|end| "n".repeat(44) + end).into();
    let mut told = Vec::new();
    for number in [1, 2, 0x10, u64::MAX] {
        for name in [
            "",
            "s",
            &"n".repeat(28),
            &"n".repeat(29),
            &names[0],
            &names[1],
        ] {
            let mut out = Vec::new();
            injection.pool_name(number, name.as_bytes()).put(&mut out);
            assert_eq!(out.pop(), Some(0));
            assert!(out.len() <= 63, "{}", out.len());
            assert!(injection.owns(&out), "nobody prepares it by SQL");
            out.truncate(NAME_LENGTH + NUMBER_LENGTH);
            told.push(out);
        }
    }
    told.dedup();
    assert_eq!(told.len(), 4, "by its number alone");
    assert!(!injection.owns(b"cc_of_a_client"));
}

//! What is bound, judged as if the text said it.

use super::values::read;
use super::*;
use crate::policy::Guard;
use crate::policy::decide;
use crate::policy::guards::fixture::{CHOSEN, chooser, policy, who_under};
use crate::sql::describe;

const GUARDS: &str = "
[guards.parameters]
ceilings = { work_mem = \"64MB\" }
denied = [\"plan_cache_mode\"]
transaction_only = [\"app.encryption_key\"]
";

/// A Bind of text values.
fn body(values: &[Option<&[u8]>]) -> Vec<u8> {
    let mut body = b"\0\0\0\0".to_vec();
    body.extend((values.len() as u16).to_be_bytes());
    for value in values {
        body.extend(value.map_or(-1, |it| it.len() as i32).to_be_bytes());
        body.extend(value.unwrap_or_default());
    }
    body.extend([0, 0]);
    body
}

fn types(all: &[u8]) -> Types<'_> {
    let remembered = false;
    Types { all, remembered }
}

/// The guard that refuses it, if one does.
fn judged(text: &str, who: &Who, values: &[Option<&[u8]>]) -> Option<Guard> {
    let facts = describe(text.as_bytes());
    let at_parse = without_what_is_bound(&facts, types(&[0, 0]), who);
    let at_parse = at_parse.as_ref().unwrap_or(&facts);
    if let crate::policy::Verdict::Refuse(refusal) = decide(at_parse, who, CHOSEN).verdict {
        return Some(refusal.guard);
    }
    let statement = &facts.statements[0];
    let bound = match read(
        &facts,
        statement,
        &body(values),
        who,
        zone_not_granted::refusal,
        &[],
    ) {
        Err(refusal) => return Some(refusal.guard),
        Ok(bound) => bound.unwrap_or(facts),
    };
    match decide(&bound, who, CHOSEN).verdict {
        crate::policy::Verdict::Allow => None,
        crate::policy::Verdict::Refuse(refusal) => Some(refusal.guard),
    }
}

#[test]
fn what_is_bound_is_judged_as_if_the_text_said_it() {
    let who = who_under(&policy(GUARDS), "shop_acme", "shop");
    for how in ["true", "false"] {
        let both = format!("select set_config($1, $2, {how})");
        let said = |name: &str, value: &str| {
            let values = [Some(name.as_bytes()), Some(value.as_bytes())];
            let literal = format!("select set_config('{name}', '{value}', {how})");
            let bound = judged(&both, &who, &values);
            assert_eq!(bound, judged(&literal, &who, &[]), "{literal}");
            let all = [&values[..], &[Some(how.as_bytes())]].concat();
            let third = judged("select set_config($1, $2, $3)", &who, &all);
            assert_eq!(third, bound, "{literal}");
            if how == "true" {
                let pairs = serde_json::json!([["a.b", "x"], [name, value]]).to_string();
                assert_eq!(judged(PAIRS, &who, &[Some(pairs.as_bytes())]), bound);
            }
            let third = format!("select set_config('{name}', $1, $2::bool)");
            // Who acts is known before.
            if name != "role" {
                assert_eq!(judged(&third, &who, &all[1..]), bound, "{literal}");
            }
            let half = format!("select set_config($1, '{value}', {how})");
            assert_eq!(bound, judged(&half, &who, &values[..1]), "{half}");
            let half = format!("select set_config('{name}', $1, {how})");
            // These have guards of their own that look at a value in the text only, or at the zone.
            let own = ["client_encoding", "role", "app.tenant_id"];
            if !own.contains(&&*name.to_ascii_lowercase()) {
                assert_eq!(bound, judged(&half, &who, &values[1..]), "{half}");
            }
            bound
        };
        assert_eq!(said("Work_Mem", "32MB"), None);
        assert_eq!(said("sort_mem", "1GB"), Some(Guard::Parameters));
        assert_eq!(said("plan_cache_mode", "auto"), Some(Guard::Parameters));
        let local = (how == "false").then_some(Guard::Parameters);
        assert_eq!(said("app.encryption_key", "k"), local);
        assert_eq!(said("App.Tenant_ID", "acme"), Some(Guard::ZoneParameter));
        assert_eq!(said("app.tenant_id", "globex"), Some(Guard::ZoneNotGranted));
        assert_eq!(said("role", "postgres"), Some(Guard::RoleChange));
        assert_eq!(
            said("client_encoding", "SJIS"),
            Some(Guard::LexingParameters)
        );
        assert_eq!(said("client_encoding", "UTF8"), None);
        assert_eq!(said("TimeZone", "UTC"), None);
        assert_eq!(said("no.such", "x"), None);
    }
}

/// As PostGraphile 5 sets what it is told.
const PAIRS: &str = "select set_config(el->>0, el->>1, true) from json_array_elements($1::json) el";

#[test]
fn pairs_that_cannot_be_read_are_refused() {
    let acme = who_under(&policy(GUARDS), "shop_acme", "shop");
    let nobody = who_under(&policy(GUARDS), "shop_report", "tools");
    let any = chooser("values = \"any\"");
    for value in [
        None,
        Some(&b""[..]),
        Some(b"[[\"a.b\",1]]"),
        Some(b"[[\"a.b\",null]]"),
        Some(b"[[\"a.b\",\"\xff\"]]"),
    ] {
        let judged = [&acme, &any, &nobody].map(|who| judged(PAIRS, who, &[value]));
        let wanted = [
            Guard::ZoneParameter,
            Guard::ZoneParameter,
            Guard::LexingParameters,
        ];
        assert_eq!(judged, wanted.map(Some), "{value:?}");
    }
    for value in ["[]", "[[\"app.tenant_id\",\"acme\"]]"] {
        assert_eq!(judged(PAIRS, &any, &[Some(value.as_bytes())]), None);
    }
    // It is a computed name, which guards that only observe let pass.
    let observe = "[guards.lexing-parameters]\nmode = \"observe\"\n";
    let lax = who_under(&policy(observe), "shop_report", "tools");
    for value in [None, Some(&b"[[\"a.b\",1]]"[..])] {
        assert_eq!(judged(PAIRS, &lax, &[value]), None, "{value:?}");
    }
    let facts = describe(PAIRS.as_bytes());
    for (oid, readable) in [
        (0, true),
        (25, true),
        (114, true),
        (3802, false),
        (17, false),
        (1042, false),
    ] {
        let declared: Vec<u8> = [&[0, 1][..], &u32::to_be_bytes(oid)].concat();
        let rest = without_what_is_bound(&facts, types(&declared), &nobody);
        assert_eq!(rest.is_some(), readable, "{oid}");
    }
}

#[test]
fn a_bound_value_stays_below_its_ceiling() {
    let who = who_under(&policy(GUARDS), "shop_acme", "shop");
    let nobody = who_under(&policy(GUARDS), "shop_report", "tools");
    for who in [&who, &nobody] {
        for (value, refused) in [
            (Some(&b"32MB"[..]), false),
            (Some(b"65536"), false),
            (Some(b"65537"), true),
            (Some(b"1TB"), true),
            (Some(b""), true),
            (Some(b"\xff"), true),
            (Some(b"\0\0\0\x05"), true),
            (None, true),
        ] {
            for text in [
                "select set_config('work_mem', $1, true)",
                "select set_config('SORT_MEM', $1, false), 1",
                "select set_config('work_mem', $1::text, true)",
            ] {
                let guard = judged(text, who, &[value]);
                assert_eq!(guard.is_some(), refused, "{text} {value:?}");
                assert!(guard.is_none_or(|it| it == Guard::Parameters), "{text}");
            }
        }
        // What another type says is not read: refused when it is parsed.
        let facts = describe(b"select set_config('work_mem', $1, true)");
        let int4 = [0, 1, 0, 0, 0, 23];
        assert!(without_what_is_bound(&facts, types(&int4), who).is_none());
        assert!(bound_otherwise(&facts, types(&int4), who).is_none());
        for computed in ["$1 || ''", "$1, $2 = $1", "pg_size_pretty($1)"] {
            let text = format!("select set_config('work_mem', {computed}, true)");
            let value = Some(&b"1TB"[..]);
            let guard = judged(&text, who, &[value, value]);
            assert!(guard.is_some(), "{text}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused() {
    let acme = who_under(&policy(GUARDS), "shop_acme", "shop");
    let nobody = who_under(&policy(GUARDS), "shop_report", "tools");
    let text = "select set_config($1, $2, false)";
    for (who, guard) in [
        (&acme, Guard::ZoneParameter),
        (&nobody, Guard::LexingParameters),
    ] {
        let long = "x".repeat(2_000);
        let value = Some(&b"x"[..]);
        for name in [None, Some(&b"a\0"[..]), Some(b"\xff")] {
            assert_eq!(judged(text, who, &[name, value]), Some(guard));
        }
        assert_eq!(judged(text, who, &[]), Some(guard), "there is none");
        let long = [Some(long.as_bytes()), value];
        assert_eq!(judged(text, who, &long), Some(guard), "a name that is none");
        // Values are no matter to most parameters.
        for value in [None, Some(&b"\xff"[..])] {
            assert_eq!(judged(text, who, &[Some(b"timezone"), value]), None);
            let mem = judged(text, who, &[Some(b"work_mem"), value]);
            assert_eq!(mem, Some(Guard::Parameters));
        }
    }
    for third in [&b"maybe"[..], b"", b"\0", b"t\0"] {
        let third = [Some(third)];
        let text = "select set_config('a.b', 'x', $1)";
        assert_eq!(judged(text, &nobody, &third), Some(Guard::SessionState));
        assert_eq!(judged(text, &acme, &third), Some(Guard::ZoneParameter));
    }
    for text in [
        "select set_config($1, $2, not $3)",
        "select set_config($1, $2, $3), $3",
        "select set_config($1, $2, false), $1",
        "select set_config($1 || '', $2, false)",
        "select set_config($1, $2, 'f' || '')",
    ] {
        let value = Some(&b"timezone"[..]);
        let guard = judged(text, &acme, &[value, value, value]);
        assert_eq!(guard, Some(Guard::ZoneParameter), "{text}");
    }
}

#[test]
fn many_of_them_are_told_apart() {
    let calls = (1..=999).map(|number| match number % 3 {
        0 => format!("set_config(${number}, '{number}', true)"),
        _ => format!("set_config('a.b', ${number}, true)"),
    });
    let text = format!("select {}", calls.collect::<Vec<_>>().join(", "));
    let facts = describe(text.as_bytes());
    let who = who_under(&policy(GUARDS), "shop_acme", "shop");
    let rest = without_what_is_bound(&facts, types(&[0, 0]), &who).expect("names are bound");
    let statement = &rest.statements[0];
    assert_eq!(statement.parameters.len(), 666);
    let bounds = statement.details.bound.as_ref().expect("values are");
    let places = bounds.0.iter().map(|bound| usize::from(bound.touch));
    assert!(places.eq(0..666));
    let numbers = bounds.0.iter().map(|bound| bound.value);
    let kept = (1..=999u16).filter(|number| number % 3 != 0);
    assert!(numbers.eq(kept.map(Some)));

    let who = who_under(&policy(""), "shop_report", "tools");
    let mut values = vec![Some(&b"timezone"[..]); 999];
    assert_eq!(judged(&text, &who, &values), None);
    values[998] = Some(b"role");
    assert_eq!(judged(&text, &who, &values), Some(Guard::RoleChange));
    values[998] = None;
    assert_eq!(judged(&text, &who, &values), Some(Guard::LexingParameters));
}

#[test]
fn a_zone_that_is_bound_beside_names_is_read_as_well() {
    let who = chooser("values = [\"acme\"]");
    let text = "select set_config('app.tenant_id', $1, false), set_config($2, $3, false)";
    let values = |zone: &'static [u8], name: &'static [u8]| [zone, name, b"acme"].map(Some);
    assert_eq!(judged(text, &who, &values(b"acme", b"TimeZone")), None);
    assert_eq!(judged(text, &who, &values(b"acme", b"app.tenant_id")), None);
    let other = judged(text, &who, &values(b"globex", b"TimeZone"));
    assert_eq!(other, Some(Guard::ZoneNotGranted));
    let role = judged(text, &who, &values(b"acme", b"role"));
    assert_eq!(role, Some(Guard::RoleChange));
}

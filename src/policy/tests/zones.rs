//! Where the zone of a login comes from: what a policy may say, and what is told of what it may not.

use super::*;
use crate::policy::zone::Values;
use crate::policy::{Grant, ZoneSource};

fn source(text: &str) -> ZoneSource {
    let whole = COMPLETE.replace("zone = \"acme\"", &format!("zone = {text}"));
    let (policy, _) = parse(&whole).unwrap();
    policy.logins["shop_acme"].zone.clone().unwrap()
}

fn said(text: &str) -> Vec<String> {
    told("zone = \"acme\"", &format!("zone = {text}"))
}

#[test]
fn a_fixed_zone_has_a_grammar() {
    assert_eq!(
        said("\"*\""),
        [
            "13: zone \"*\" would grant all zones at once | name one; or zone = { from = \"client\", all_zones = true }, where the client asks for it"
        ]
    );
    assert_eq!(
        said("\"\""),
        ["13: a zone must not be empty | without a zone: remove the key"]
    );
    assert_eq!(
        said("\"a\\nb\""),
        ["13: a zone must not contain control characters"]
    );
    assert_eq!(
        said(&format!("\"{}\"", "x".repeat(256))),
        ["13: a zone has at most 255 bytes"]
    );
    let longest = "x".repeat(255);
    assert_eq!(
        source(&format!("\"{longest}\"")),
        ZoneSource::Fixed(longest.as_str().into())
    );
}

#[test]
fn a_client_may_choose_from_what_is_listed() {
    let grant = |text: &str| match source(text) {
        ZoneSource::Client(grant) => grant,
        other => panic!("{other:?}"),
    };
    let any = grant("{ from = \"client\", values = \"any\" }");
    assert_eq!((any.values, any.all_zones), (Values::Any, false));
    let listed = grant("{ from = \"client\", values = [\"acme\", \"b-*\"] }");
    assert!(listed.admits("acme") && listed.admits("b-7") && !listed.admits("*"));
    let all = grant("{ from = \"client\", values = \"any\", all_zones = true }");
    assert!(all.admits("*") && all.admits("acme"));
    let only = grant("{ from = \"client\", all_zones = true }");
    let nothing = Values::Listed(Box::default());
    assert_eq!(
        only,
        Grant {
            values: nothing,
            all_zones: true
        }
    );
}

#[test]
fn all_zones_is_a_grant_and_no_pattern() {
    let help = "did you mean values = \"any\" (any one zone) or all_zones = true?";
    for pattern in ["*", "**"] {
        let wrong =
            format!("13: zone pattern \"{pattern}\" would grant all zones at once | {help}");
        let list = format!("{{ from = \"client\", values = [\"acme\", \"{pattern}\"] }}");
        assert_eq!(said(&list), [wrong]);
    }
    let wrong = format!("13: zone pattern \"*\" would grant all zones at once | {help}");
    assert_eq!(said("{ from = \"client\", values = \"*\" }"), [wrong]);
}

#[test]
fn what_a_choice_lacks_is_told() {
    for (text, wrong) in [
        (
            "{ from = \"client\" }",
            "13: a zone chosen by the client needs what it may choose from | values = \"any\" (any one zone), values = [\"acme\", \"b-*\"] or all_zones = true",
        ),
        (
            "{ from = \"client\", all_zones = false }",
            "13: a zone chosen by the client needs what it may choose from | values = \"any\" (any one zone), values = [\"acme\", \"b-*\"] or all_zones = true",
        ),
        (
            "{ from = \"client\", values = \"acme\" }",
            "13: \"acme\" is not a list of zones | values = [\"acme\"], or values = \"any\"",
        ),
        (
            "{ from = \"client\", values = [] }",
            "13: \"values\" lists 1 to 1000 zones and patterns | values = \"any\" is any one zone",
        ),
        (
            "{ from = \"client\", values = [\"\"] }",
            "13: a zone must not be empty | without a zone: remove the key",
        ),
        (
            "{ from = \"certificate\", pattern = \"t_*\" }",
            "13: missing key \"field\" in [login.shop_acme.zone] | field = \"cn\"",
        ),
        (
            "{ from = \"certificate\", field = \"cn\", pattern = \"acme\" }",
            "13: \"acme\" does not say where the zone stands | the name with one * for the zone: pattern = \"tenant_*\"",
        ),
        (
            "{ from = \"database\", pattern = \"shop\" }",
            "13: \"shop\" does not say where the zone stands | the name with one * for the zone: pattern = \"tenant_*\"",
        ),
        (
            "{ from = \"database\", pattern = \"*\" }",
            "13: \"*\" does not say where the zone stands | the name with one * for the zone: pattern = \"tenant_*\"",
        ),
    ] {
        assert_eq!(said(text), [wrong], "{text}");
    }
    assert_eq!(said("{ values = \"any\" }").len(), 1);
    assert_eq!(
        said("{ from = \"client\", values = \"any\", pattern = \"a*\" }").len(),
        1
    );
    assert_eq!(said("[\"acme\"]").len(), 1);
}

#[test]
fn a_database_that_does_not_fit_the_pattern_is_told() {
    let text = COMPLETE.replace(
        "zone = \"acme\"",
        "zone = { from = \"database\", pattern = \"tenant_*\" }",
    );
    let (_, warnings) = parse(&text).unwrap();
    let said: Vec<String> = warnings
        .iter()
        .map(|problem| problem.message.clone())
        .collect();
    let wanted = "database \"shop\" does not fit the pattern \"tenant_*\": login \"shop_acme\" has no tenant there";
    assert!(said.iter().any(|it| it == wanted), "{said:?}");
}

#[test]
fn what_the_client_chooses_may_be_signed_and_what_is_too_long_for_a_token_not() {
    let signed = |zone: &str| {
        let text = COMPLETE.replace("zone = \"acme\"", &format!("zone = {zone}"));
        parse(&text.replace("\"plain\"", "\"signed\""))
    };
    signed("{ from = \"client\", values = \"any\" }").unwrap();
    signed(&format!("\"{}\"", "z".repeat(200))).unwrap();
    let problems = signed(&format!("\"{}\"", "z".repeat(201))).unwrap_err();
    let said: Vec<String> = problems.iter().map(line_of).collect();
    let wanted = "9: the tenant of login \"shop_acme\" is too long to be signed";
    assert!(said.iter().any(|it| it.starts_with(wanted)), "{said:?}");
}

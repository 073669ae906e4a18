//! Which zone a text is judged in.

use serde_json::Value;

use super::*;

#[test]
fn the_zone_of_the_startup_packet_is_shown_and_must_be_granted() {
    let in_zone = |login: &str, zone: &str| {
        explained("production", login, "table orders", |args| {
            args.zone = Some(zone.to_owned());
        })
    };
    let answer = in_zone("shop_api", "globex").unwrap();
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    let zone = "   zone     globex (plain: app.tenant_id as the startup packet says it, until the text sets another; \
        RESET returns to it)\n";
    assert!(answer.stdout.contains(zone), "{}", answer.stdout);
    assert!(
        answer.stdout.contains("set zone globex + "),
        "{}",
        answer.stdout
    );
    let without = plain("shop_api", "table orders");
    assert_eq!(without.code, 1);
    assert!(
        without.stdout.contains("zone-required"),
        "{}",
        without.stdout
    );
    let said = |login, zone| in_zone(login, zone).unwrap_err();
    assert_eq!(
        said("shop_api", "*"),
        "tenant \"*\" is not granted to login \"shop_api\""
    );
    assert_eq!(
        said("shop_acme", "globex"),
        "tenant of login \"shop_acme\" is \"acme\""
    );
    assert!(in_zone("shop_acme", "acme").is_ok());
    assert_eq!(
        said("shop_report", "acme"),
        "login \"shop_report\" has no tenant"
    );
}

/// What a client has SET is lost with RESET: that zone is not the one of `--zone`.
#[test]
fn which_zone_is_meant_decides_what_reset_returns_to() {
    let sql = "SET app.tenant_id = 'acme'; RESET app.tenant_id; TABLE orders";
    let with = |zone: Option<&str>, json| {
        explained("production", "shop_api", sql, |args| {
            args.zone = zone.map(str::to_owned);
            args.json = json;
        })
        .unwrap()
    };
    let value = |zone, json| -> Value { serde_json::from_str(&with(zone, json).stdout).unwrap() };
    assert_eq!(with(Some("globex"), false).code, 0);
    assert_eq!(with(None, false).code, 1);
    let started = value(Some("globex"), true);
    assert_eq!(started["zone"], "globex");
    assert_eq!(started["zone_from"], "startup");
    let none = value(None, true);
    assert_eq!(
        (&none["zone"], &none["zone_from"]),
        (&Value::Null, &Value::Null)
    );
    let own = explained("production", "shop_acme", "table orders", |args| {
        args.json = true;
    });
    let own: Value = serde_json::from_str(&own.unwrap().stdout).unwrap();
    assert_eq!(
        (&own["zone"], &own["zone_from"]),
        (&"acme".into(), &"login".into())
    );
}

/// The verdict on each statement is the one that it gets where it stands.
#[test]
fn a_statement_has_the_zone_that_is_set_ahead_of_it() {
    for (login, sql, refused) in [
        (
            "shop_api",
            "SET app.tenant_id = 'acme'; TABLE orders; TABLE orders",
            &[][..],
        ),
        (
            "shop_api",
            "BEGIN; SELECT set_config('app.tenant_id', 'acme', true); TABLE orders; COMMIT",
            &[],
        ),
        (
            "shop_api",
            "TABLE orders; SET app.tenant_id = 'acme'; TABLE orders",
            &[1],
        ),
        (
            "shop_api",
            "BEGIN; SET LOCAL app.tenant_id = 'acme'; TABLE a; COMMIT; TABLE b",
            &[5],
        ),
        (
            "shop_api",
            "SET app.tenant_id = 'acme'; RESET app.tenant_id; TABLE orders",
            &[3],
        ),
        (
            "shop_api",
            "BEGIN; SET LOCAL app.tenant_id = 'acme'; TABLE a; COMMIT; TABLE b; TABLE c",
            &[5, 6],
        ),
        (
            "shop_report",
            "INSERT INTO orders VALUES (1); SELECT lastval()",
            &[],
        ),
        (
            "shop_report",
            "BEGIN; SELECT lastval(); DROP TABLE orders",
            &[2, 3],
        ),
    ] {
        let answer = plain(login, sql);
        let statements = answer.stdout.split("\n\n").enumerate();
        let refusing = statements.filter(|(_, text)| text.contains("   verdict  REFUSED"));
        let numbers: Vec<usize> = refusing.map(|(at, _)| at + 1).collect();
        assert_eq!(numbers, refused, "{sql}: {}", answer.stdout);
        let code = u8::from(!refused.is_empty());
        assert_eq!(answer.code, code, "{sql}: {}", answer.stdout);
        assert!(
            !answer.stdout.contains("the message as a whole"),
            "{sql}: {}",
            answer.stdout
        );
    }
}

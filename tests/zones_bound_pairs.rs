//! Names and values in one bound array of JSON, as PostGraphile 5 sets its `pgSettings`: each is what the text would have
//! said.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{column, execute, extended, failed, fine, parse_typed};
use zones::common::{
    PAIRS, bind_raw, log_in, nothing_is_left, refused, refused_at_bind, seen, stacks,
};

/// Bind and Execute of a named statement.
fn run(name: &str, format: u16, pairs: Option<&str>, rows: u32) -> Vec<u8> {
    let bound = bind_raw("", name, &[format], &[pairs.map(str::as_bytes)]);
    [bound, execute("", rows)].concat()
}

#[test]
fn pairs_set_for_a_transaction_what_they_say() {
    for stack in stacks() {
        for login in ["picky", "own"] {
            for (of, format) in [(0, 0), (114, 0), (114, 1), (25, 0), (25, 1), (1043, 0)] {
                let mut wire = log_in(&stack, login, &[]);
                fine(&wire.batch(&parse_typed("s", PAIRS, &[of])));
                for zone in ["globex", "acme"] {
                    let pairs = format!(
                        r#"[["a.b", "x\u0022\ud83d\ude00\\"], ["App.Tenant\u005fid", "{zone}"]]"#
                    );
                    fine(&wire.query("BEGIN"));
                    let answer = wire.batch(&run("s", format, Some(&pairs), 0));
                    fine(&answer);
                    assert_eq!(column(&answer), ["x\"😀\\", zone]);
                    assert_eq!(seen(&mut wire), [zone], "{login} {of} {format}");
                    let now = "SELECT current_setting('a.b') || current_setting('app.tenant_id')";
                    let now = column(&wire.query(now));
                    assert_eq!(now, [format!("x\"😀\\{zone}")]);
                    fine(&wire.query("COMMIT"));
                    let gone = wire.query("SELECT * FROM orders");
                    refused(&mut wire, &gone, "zone-required");
                }
                drop(wire);
                if login == "picky" {
                    nothing_is_left(&stack);
                }
            }
        }
    }
}

#[test]
fn what_is_not_granted_or_not_read_is_refused() {
    for stack in stacks() {
        for login in ["picky", "own", "named"] {
            let mut wire = log_in(&stack, login, &[]);
            fine(&wire.batch(&parse_typed("s", PAIRS, &[])));
            for (pairs, guard) in [
                (r#"[["app.tenant_id","hooli"]]"#, "zone-not-granted"),
                (r#"[["APP.tenant_ID","ho\u006fli"]]"#, "zone-not-granted"),
                (
                    r#"[["a.b","x"],["app.tenant_id","acme"],["app.tenant_id","*"]]"#,
                    "zone-not-granted",
                ),
                (r#"[["role","postgres"]]"#, "role-change"),
                (r#"[["client_encoding","SJIS"]]"#, "lexing-parameters"),
                (r#"[["portcullis.mark","x"]]"#, "zone-parameter"),
                (r#"[["app.tenant_id",7]]"#, "zone-parameter"),
                (r#"[["app.tenant_id",null]]"#, "zone-parameter"),
                (r#"[["a.b","x","y"]]"#, "zone-parameter"),
                (r#"[{"0":"app.tenant_id","1":"acme"}]"#, "zone-parameter"),
                (r#"{"app.tenant_id":"acme"}"#, "zone-parameter"),
            ] {
                refused_at_bind(&mut wire, &run("s", 0, Some(pairs), 0), guard);
            }
            refused_at_bind(&mut wire, &run("s", 0, None, 0), "zone-parameter");
            for of in [3802, 17] {
                let sent = parse_typed("", PAIRS, &[of]);
                refused_at_bind(&mut wire, &sent, "zone-parameter");
            }
        }
        // By SQL nobody reads it.
        let mut own = log_in(&stack, "own", &[("app.tenant_id", "acme")]);
        fine(&own.batch(&parse_typed("s", PAIRS, &[])));
        let said = own.query(r#"EXECUTE s('[["app.tenant_id","hooli"]]')"#);
        refused(&mut own, &said, "zone-parameter");
        // A zone that is fixed stays so, and all else may be set.
        let mut fixed = log_in(&stack, "shop_acme", &[]);
        fine(&fixed.batch(&parse_typed("s", PAIRS, &[])));
        for zone in ["acme", "globex"] {
            let pairs = format!(r#"[["app.tenant_id","{zone}"]]"#);
            let answer = fixed.batch(&run("s", 0, Some(&pairs), 0));
            assert_eq!(failed(&answer).0, "42501", "{zone}");
        }
        fine(&fixed.query("BEGIN"));
        fine(&fixed.batch(&run("s", 0, Some(r#"[["jwt.claims.user_id","7"]]"#), 0)));
        let claim = "SELECT current_setting('jwt.claims.user_id')";
        assert_eq!(column(&fixed.query(claim)), ["7"]);
        assert_eq!(seen(&mut fixed), ["acme"]);
        fine(&fixed.query("COMMIT"));
        assert_ne!(column(&fixed.query(claim)), ["7"]);
    }
}

/// The attack: what is executed for one row has called `set_config` once.
#[test]
fn what_is_read_in_part_leaves_the_zone_that_was_there() {
    const TWO: &str = r#"[["a.b","x"],["app.tenant_id","globex"]]"#;
    for stack in stacks() {
        for (login, session, sees) in [
            ("picky", &[][..], ""),
            ("picky", &[("app.tenant_id", "acme")], "acme"),
            ("own", &[], ""),
            ("own", &[("app.tenant_id", "acme")], "acme"),
        ] {
            let mut wire = log_in(&stack, login, session);
            fine(&wire.query("BEGIN"));
            let sent = [parse_typed("", PAIRS, &[]), run("", 0, Some(TWO), 1)].concat();
            assert_eq!(column(&wire.batch(&sent)), ["x"]);
            assert_eq!(seen(&mut wire), [sees], "{login}");
            fine(&wire.query("COMMIT"));
            // None is none.
            fine(&wire.query("BEGIN"));
            let sent = [parse_typed("", PAIRS, &[]), run("", 0, Some("[]"), 0)].concat();
            fine(&wire.batch(&sent));
            let behind = wire.batch(&extended("SELECT tenant_id FROM orders", &[]));
            match session {
                [] => refused(&mut wire, &behind, "zone-required"),
                _ => {
                    assert!(column(&behind).iter().all(|it| it == sees));
                    fine(&wire.query("COMMIT"));
                }
            }
        }
        nothing_is_left(&stack);
    }
}

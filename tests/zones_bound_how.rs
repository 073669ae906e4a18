//! `set_config` with its third argument in the Bind: each time it is what the text would have said, `true` or `false`.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{
    bind, close, column, describe, execute, extended, failed, fine, kinds, parse, parse_typed, sync,
};
use support::{OnEveryVersion, StackOptions, Transport, Wire, fixture};
use zones::common::{
    SEEN, ZONE, bind_raw, log_in, nothing_is_left, refused, refused_at_bind, seen, stacks,
};

/// As SQLAlchemy says it.
const HOW: &str = "SELECT set_config($1::VARCHAR, $2::VARCHAR, $3::BOOLEAN) AS set_config_1";
/// With the name in the text.
const NAMED: &str = "SELECT set_config('app.tenant_id', $1, $2)";

/// All that is said of a zone, and for how long, in the order of the text.
fn values<'v>(text: &str, zone: &'v str, local: Option<&'v [u8]>) -> Vec<Option<&'v [u8]>> {
    let rest = [Some(zone.as_bytes()), local];
    match text == HOW {
        true => [&[Some(ZONE.as_bytes())][..], &rest].concat(),
        false => rest.to_vec(),
    }
}

/// Bind and Execute, in text.
fn set(name: &str, text: &str, zone: &str, local: Option<&str>) -> Vec<u8> {
    let values = values(text, zone, local.map(str::as_bytes));
    [bind_raw("", name, &[], &values), execute("", 0)].concat()
}

#[test]
fn a_bound_false_leaves_no_zone_behind() {
    for stack in stacks() {
        for login in ["picky", "own"] {
            for text in [HOW, NAMED] {
                let last = if text == HOW { 16 } else { 0 };
                for (format, local) in [
                    (0, Some(&b"f"[..])),
                    (0, Some(b" FALSE ")),
                    (0, Some(b"0")),
                    (0, None),
                    (1, Some(b"\0")),
                    (1, None),
                ] {
                    let mut wire = log_in(&stack, login, &[]);
                    let values = values(text, "acme", local);
                    let types = [vec![25; values.len() - 1], vec![last]].concat();
                    let formats = [vec![0; values.len() - 1], vec![format]].concat();
                    let sent = [
                        parse_typed("", text, &types),
                        bind_raw("", "", &formats, &values),
                        execute("", 0),
                    ];
                    fine(&wire.batch(&sent.concat()));
                    assert_eq!(seen(&mut wire), ["acme"], "{text} {local:?}");
                    if login == "picky" {
                        nothing_is_left(&stack);
                        assert_eq!(seen(&mut wire), ["acme"], "{text} {local:?}");
                    } else {
                        // Nothing of it is the server's: without Portcullis's prefix there is no zone.
                        drop(wire);
                        let mut next = log_in(&stack, login, &[]);
                        let said = next.query(SEEN);
                        refused(&mut next, &said, "zone-required");
                    }
                }
            }
        }
    }
}

/// And a bound true ends with its transaction, whatever was bound before.
#[test]
fn a_statement_is_bound_again_for_as_long_as_it_says() {
    for stack in stacks() {
        for login in ["picky", "own"] {
            for text in [HOW, NAMED] {
                let mut wire = log_in(&stack, login, &[(ZONE, "acme")]);
                let told = wire.batch(&[parse("s", text), describe(b'S', "s")].concat());
                assert_eq!(kinds(&told), "1tTZ");
                let mut zone = "acme";
                for turn in 0..5 {
                    let other = ["globex", "acme"][turn % 2];
                    // For a transaction, in which the rest sees it.
                    let sent = [set("s", text, other, Some("t")), extended(SEEN, &[])];
                    assert_eq!(column(&wire.batch(&sent.concat())), [other, other]);
                    assert_eq!(seen(&mut wire), [zone], "{text}");
                    // For the session, and taken back by a savepoint and with the transaction.
                    fine(&wire.query("BEGIN"));
                    fine(&wire.query("SAVEPOINT a"));
                    fine(&wire.batch(&set("s", text, other, Some("false"))));
                    assert_eq!(seen(&mut wire), [other], "{text}");
                    fine(&wire.query("ROLLBACK TO a"));
                    assert_eq!(seen(&mut wire), [zone], "{text}");
                    fine(&wire.batch(&set("s", text, other, Some("off"))));
                    fine(&wire.query("ROLLBACK"));
                    assert_eq!(seen(&mut wire), [zone], "{text}");
                    // With an error behind it.
                    let sent = [
                        set("s", text, other, Some("f")),
                        extended("SELECT 1/0", &[]),
                    ];
                    assert_eq!(failed(&wire.batch(&sent.concat())).0, "22012");
                    assert_eq!(seen(&mut wire), [zone], "{text}");
                    // Both in one transaction: what is for the session stays.
                    fine(&wire.query("BEGIN"));
                    fine(&wire.batch(&set("s", text, other, Some("no"))));
                    fine(&wire.batch(&set("s", text, zone, Some("yes"))));
                    assert_eq!(seen(&mut wire), [zone], "{text}");
                    fine(&wire.query("COMMIT"));
                    // As PostgreSQL has it: the last one of a transaction decides, and what was set for the session
                    // is the session's.
                    fine(&wire.batch(&set("s", text, other, None)));
                    assert_eq!(seen(&mut wire), [other], "{text}");
                    zone = other;
                }
                // Over and over, in pieces of the stream.
                let ask = [extended(SEEN, &[]), sync()].concat();
                let mut sent = Vec::new();
                for _ in 0..5 {
                    sent.extend([set("s", text, "acme", Some("f")), ask.clone()].concat());
                    sent.extend([set("s", text, "globex", Some("t")), ask.clone()].concat());
                    sent.extend(ask.clone());
                }
                wire.send_in_pieces(&sent, 7);
                for _ in 0..5 {
                    for wanted in [&["acme", "acme"][..], &["globex", "globex"], &["acme"]] {
                        assert_eq!(column(&wire.receive_until(b'Z')), wanted, "{text}");
                    }
                }
                if login == "picky" {
                    nothing_is_left(&stack);
                }
            }
        }
    }
}

#[test]
fn what_is_refused_by_a_literal_is_refused_when_how_long_is_bound() {
    for stack in stacks() {
        for login in ["picky", "own"] {
            let mut wire = log_in(&stack, login, &[(ZONE, "acme")]);
            for local in [Some("t"), Some("f"), None] {
                for (text, zone) in [(HOW, "hooli"), (NAMED, "hooli"), (HOW, "*"), (NAMED, "*")] {
                    let sent = [
                        extended("BEGIN", &[]),
                        parse("", text),
                        set("", text, zone, local),
                    ];
                    refused_at_bind(&mut wire, &sent.concat(), "zone-not-granted");
                }
                for (name, value, guard) in [
                    ("role", "migrator", "role-change"),
                    ("client_encoding", "SJIS", "lexing-parameters"),
                    ("standard_conforming_strings", "off", "lexing-parameters"),
                ] {
                    let sent = extended(HOW, &[Some(name), Some(value), local]);
                    refused_at_bind(&mut wire, &sent, guard);
                }
                assert_eq!(seen(&mut wire), ["acme"], "{local:?}");
            }
            // What is no boolean, or not laid out as one.
            for (formats, local) in [
                (&[][..], &b"maybe"[..]),
                (&[], b""),
                (&[], b"o"),
                (&[], b"t\0"),
                (&[], b"2"),
                (&[1], b""),
                (&[1], b"\0\0"),
                (&[0, 0, 2], b"t"),
            ] {
                for text in [HOW, NAMED] {
                    let values = values(text, "acme", Some(local));
                    let formats = &formats[formats.len().saturating_sub(values.len())..];
                    let bound = bind_raw("", "", formats, &values);
                    let sent = [parse("", text), bound, execute("", 0)];
                    refused_at_bind(&mut wire, &sent.concat(), "zone-parameter");
                }
            }
            // Types that are read otherwise, and what is computed or stands there twice.
            for (text, types) in [
                (HOW, &[25, 25, 23][..]),
                (HOW, &[25, 25, 25]),
                (NAMED, &[25, 23]),
                (NAMED, &[25, 18]),
                ("SELECT set_config('app.tenant_id', $1, $2), $2", &[25, 16]),
                ("SELECT set_config('app.tenant_id', $1, not $2)", &[25, 16]),
                (
                    "SELECT set_config('app.tenant_id', $1, $2 or $3)",
                    &[25, 16, 16],
                ),
                (
                    "SELECT set_config('app.tenant_id', $1, coalesce($2, true))",
                    &[25, 16],
                ),
                (
                    "DECLARE c CURSOR FOR SELECT set_config('app.tenant_id', $1, $2)",
                    &[25, 16],
                ),
                (
                    "EXPLAIN ANALYZE SELECT set_config('app.tenant_id', $1, $2)",
                    &[25, 16],
                ),
            ] {
                refused_at_bind(&mut wire, &parse_typed("", text, types), "zone-parameter");
            }
            assert_eq!(seen(&mut wire), ["acme"]);
            // By SQL nobody reads the values.
            for (text, values) in [
                (HOW, "'app.tenant_id', 'hooli', true"),
                (HOW, "'app.tenant_id', 'hooli', false"),
                (NAMED, "'*', true"),
                (NAMED, "'*', false"),
                ("SELECT set_config('app.tenant_id', $1, true)", "'*'"),
                ("SELECT set_config('app.tenant_id', $1, false)", "'*'"),
            ] {
                fine(&wire.batch(&[close(b'S', "s"), parse("s", text)].concat()));
                let guard = match login {
                    "own" => "zone-parameter",
                    _ => "session-state",
                };
                for how in ["", "EXPLAIN ANALYZE ", "CREATE TEMP TABLE t AS "] {
                    let answer = wire.query(&format!("{how}EXECUTE s({values})"));
                    match how {
                        "" => refused(&mut wire, &answer, guard),
                        _ => drop(failed(&answer)),
                    }
                    assert_eq!(seen(&mut wire), ["acme"]);
                }
            }
        }
        nothing_is_left(&stack);
        // A login whose zone is fixed.
        let mut fixed = log_in(&stack, "shop_acme", &[]);
        for (zone, guard) in [("globex", "zone-not-granted"), ("acme", "zone-parameter")] {
            for local in ["t", "f"] {
                let sent = extended(HOW, &[Some(ZONE), Some(zone), Some(local)]);
                refused_at_bind(&mut fixed, &sent, guard);
                let sent = extended(NAMED, &[Some(zone), Some(local)]);
                refused_at_bind(&mut fixed, &sent, guard);
            }
        }
        assert_eq!(seen(&mut fixed), ["acme"]);
        fine(&fixed.batch(&extended(
            HOW,
            &[Some("TimeZone"), Some("Asia/Tokyo"), Some("f")],
        )));
        assert_eq!(column(&fixed.query("SHOW TimeZone")), ["Asia/Tokyo"]);
    }
}

/// The zone beside another parameter, one for the session and one for the transaction.
#[test]
fn each_parameter_of_a_statement_has_its_own() {
    const TWO: &str = "SELECT set_config($1, $2, $3), set_config($4, $5, $6)";
    for stack in stacks() {
        for login in ["picky", "own"] {
            for (zone_first, zone_local, clock_local) in [
                (true, "t", "f"),
                (true, "f", "t"),
                (false, "t", "f"),
                (false, "f", "t"),
                (true, "f", "f"),
                (false, "t", "t"),
            ] {
                let mut wire = log_in(&stack, login, &[(ZONE, "acme")]);
                let usual = column(&wire.query("SHOW TimeZone"));
                let mut all = [
                    [ZONE, "globex", zone_local],
                    ["TimeZone", "Asia/Tokyo", clock_local],
                ];
                if !zone_first {
                    all.reverse();
                }
                let all: Vec<Option<&str>> = all.concat().into_iter().map(Some).collect();
                let sent = [parse("", TWO), bind("", "", &all), execute("", 0)].concat();
                fine(&wire.batch(&sent));
                let zone = if zone_local == "t" { "acme" } else { "globex" };
                assert_eq!(seen(&mut wire), [zone], "{all:?}");
                let clock = column(&wire.query("SHOW TimeZone"));
                match clock_local {
                    "t" => assert_eq!(clock, usual, "{all:?}"),
                    _ => assert_eq!(clock, ["Asia/Tokyo"], "{all:?}"),
                }
                if login == "picky" {
                    nothing_is_left(&stack);
                }
            }
        }
    }
}

#[test]
fn a_login_without_zones_binds_how_long_as_well() {
    const CLOCK: &str = "SELECT set_config('TimeZone', $1, $2)";
    for stack in stacks() {
        let mut wire = Wire::login(&stack.login("shop_plain", "app"));
        let usual = column(&wire.query("SHOW TimeZone"));
        let tokyo = Some("Asia/Tokyo");
        fine(&wire.batch(&extended(CLOCK, &[tokyo, Some("true")])));
        assert_eq!(column(&wire.query("SHOW TimeZone")), usual);
        for bound in ["maybe", ""] {
            refused_at_bind(
                &mut wire,
                &extended(CLOCK, &[tokyo, Some(bound)]),
                "session-state",
            );
        }
        fine(&wire.batch(&extended(CLOCK, &[tokyo, Some("false")])));
        let mut other = Wire::login(&stack.login("shop_plain", "app"));
        assert_eq!(column(&other.query("SHOW TimeZone")), usual);
        assert_eq!(column(&wire.query("SHOW TimeZone")), ["Asia/Tokyo"]);
    }
}

/// The attack: in a statement with more calls than are told apart, what stood for the rest was taken for the last of
/// them, whose name is bound, and the UPDATE of pg_settings around them was not seen.
#[test]
fn nothing_hides_behind_more_calls_than_are_told_apart() {
    let values = [Some("TimeZone"), Some("UTC")];
    for stack in stacks() {
        for calls in [1, 999, 1000, 1001, 1002] {
            let local = "set_config('a.b', '1', true), ".repeat(calls - 1);
            let all = format!("(SELECT ARRAY[{local} set_config($1, $2, false)]) IS NOT NULL");
            let update = format!(
                "UPDATE pg_settings SET setting = '4321' WHERE name = 'work_mem' AND {all}"
            );
            let login = stack.login_at(stack.cluster.port, "shop_acme", "shop");
            let mut direct = Wire::login_with(&login, Transport::Plain, &[]);
            fine(&direct.batch(&extended(&update, &values)));
            assert_eq!(column(&direct.query("SHOW work_mem")), ["4321kB"]);
            for user in ["picky", "own"] {
                let mut wire = log_in(&stack, user, &[(ZONE, "acme")]);
                let answer = wire.batch(&extended(&update, &values));
                refused(&mut wire, &answer, "zone-parameter");
                assert_eq!(column(&wire.query("SHOW work_mem")), ["4MB"]);
                // What must pass beside it.
                let answer = wire.batch(&extended(&format!("SELECT {all}"), &values));
                match calls {
                    ..=1000 => assert_eq!(column(&answer), ["t"]),
                    _ => refused(&mut wire, &answer, "zone-parameter"),
                }
            }
        }
    }
}

/// As who binds a timeout, because SET takes no parameter. The attack: one above its ceiling.
#[test]
fn a_bound_value_stays_below_its_ceiling() {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    const CEILING: &str = "[guards.parameters]\nceilings = { statement_timeout = \"1min\" }\n";
    let stacks = STACKS.get(|| StackOptions {
        policy: format!("{}{CEILING}", fixture::POLICY),
        ..StackOptions::default()
    });
    for stack in stacks {
        for (user, database) in [("shop_plain", "app"), ("shop_acme", "shop")] {
            let mut wire = Wire::login(&stack.login(user, database));
            let shown = |wire: &mut Wire| column(&wire.query("SHOW statement_timeout"));
            let usual = shown(&mut wire);
            for (how, behind) in [("true", &usual[..]), ("false", &["7s".to_owned()])] {
                let text = format!("SELECT set_config('statement_timeout', $1, {how})");
                for above in [Some("2min"), Some("0"), Some("much"), None] {
                    refused_at_bind(&mut wire, &extended(&text, &[above]), "parameters");
                }
                // A number without a cast is the server's to refuse.
                let typed = |text: &str, value: &str| {
                    let parse = parse_typed("", text, &[23]);
                    [parse, bind("", "", &[Some(value)]), execute("", 0)].concat()
                };
                let answer = wire.batch(&typed(&text, "7"));
                assert_eq!(failed(&answer), ("42883".into(), 'I'));
                let cast = text.replace("$1", "$1::text");
                refused_at_bind(&mut wire, &typed(&cast, "60001"), "parameters");
                assert_eq!(shown(&mut wire), usual);
                fine(&wire.batch(&typed(&cast, "+00060000")));
                let set = shown(&mut wire);
                assert_eq!(set == ["1min"], how == "false", "{set:?}");
                fine(&wire.query("RESET statement_timeout"));
                assert_eq!(column(&wire.batch(&extended(&text, &[Some("7s")]))), ["7s"]);
                assert_eq!(shown(&mut wire), behind);
            }
        }
    }
}

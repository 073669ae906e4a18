//! `set_config` with the name of the parameter in the Bind: what the text leaves open is judged when it is bound, each
//! time, as if the text said it.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::Wire;
use support::message::{
    Message, bind, close, column, describe, error, execute, extended, failed, fine, kinds, parse,
    parse_typed, sync,
};
use zones::common::{
    LOCAL, SEEN, SESSION, ZONE, bind_raw, log_in, nothing_is_left, refused, refused_at_bind, run,
    seen, stacks,
};

/// A statement that was prepared while nobody knew whether the pool follows names was handed to it by its first
/// Bind, and with what that had bound: the second one was not read any more.
#[test]
fn each_bind_is_read_also_where_the_pool_has_the_statement() {
    for stack in stacks() {
        for text in [LOCAL, SESSION] {
            let mut wire = log_in(&stack, "picky", &[(ZONE, "t-1")]);
            // In a transaction the pool is not asked what it does with names.
            fine(&wire.query("BEGIN"));
            fine(&wire.batch(&parse("s", text)));
            fine(&wire.query("COMMIT"));
            for turn in 0..6 {
                let zone = ["acme", "globex"][turn % 2];
                fine(&wire.query("BEGIN"));
                assert_eq!(column(&run(&mut wire, "s", [ZONE, zone])), [zone]);
                assert_eq!(seen(&mut wire), [zone], "{text}");
                fine(&wire.query("ROLLBACK"));
                for (values, guard) in [
                    ([ZONE, "hooli"], "zone-not-granted"),
                    ([ZONE, "*"], "zone-not-granted"),
                    (["role", "migrator"], "role-change"),
                    (["standard_conforming_strings", "off"], "lexing-parameters"),
                ] {
                    let begin = extended("BEGIN", &[]);
                    let bound = bind("", "s", &values.map(Some));
                    let sent = [begin, bound, execute("", 0)].concat();
                    refused_at_bind(&mut wire, &sent, guard);
                }
            }
            nothing_is_left(&stack);
        }
    }
}

#[test]
fn a_zone_is_set_by_a_bound_name_in_every_way() {
    for stack in stacks() {
        let (name, zone) = (Some(&b"APP.Tenant_ID"[..]), Some(&b"acme"[..]));
        let both: &[Option<&[u8]>] = &[name, zone];
        for (text, types, formats, values) in [
            (SESSION, &[][..], &[][..], both),
            (SESSION, &[25, 25], &[1], both),
            (SESSION, &[1043, 0], &[0, 1], both),
            (SESSION, &[705], &[1, 0], both),
            (SESSION, &[0, 25], &[0], both),
            ("SELECT set_config($1, 'acme', FALSE)", &[], &[], &[name]),
            (
                "SELECT set_config($1::text, E'\\x61cme'::text, false)",
                &[25],
                &[1],
                &[name],
            ),
            (
                "SELECT set_config($2, $1, false)",
                &[],
                &[1, 0],
                &[zone, name],
            ),
            (
                "SELECT set_config($1, $2, false), set_config($3, $4, false)",
                &[],
                &[],
                &[name, zone, Some(b"TimeZone"), Some(b"Asia/Tokyo")],
            ),
            (
                "SELECT set_config($3, $1, false), set_config('App.tenant_id', $2, false)",
                &[],
                &[],
                &[Some(b"2min"), zone, Some(b"statement_timeout")],
            ),
            (
                "WITH s AS (SELECT set_config($1, $2, false)) SELECT * FROM s",
                &[],
                &[],
                both,
            ),
        ] {
            let mut wire = log_in(&stack, "picky", &[]);
            let sent = [
                parse_typed("", text, types),
                bind_raw("", "", formats, values),
                execute("", 0),
            ];
            fine(&wire.batch(&sent.concat()));
            for _ in 0..3 {
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
            }
            nothing_is_left(&stack);
            assert_eq!(seen(&mut wire), ["acme"], "{text}");
            // Taken back with its transaction, and by a savepoint.
            fine(&wire.query("SET app.tenant_id = 'globex'"));
            for (before, after) in [
                ("BEGIN", "ROLLBACK"),
                ("BEGIN; SAVEPOINT s", "ROLLBACK TO s; COMMIT"),
            ] {
                let all = |wire: &mut Wire, texts: &str| {
                    for text in texts.split("; ") {
                        fine(&wire.query(text));
                    }
                };
                all(&mut wire, before);
                fine(&wire.batch(&sent.concat()));
                assert_eq!(seen(&mut wire), ["acme"], "{text}");
                all(&mut wire, after);
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
            }
        }
        // For a transaction, its value in the text.
        let mut wire = log_in(&stack, "picky", &[]);
        fine(&wire.query("BEGIN"));
        fine(&wire.batch(&extended(
            "SELECT set_config($1, 'globex', true)",
            &[Some(ZONE)],
        )));
        assert_eq!(seen(&mut wire), ["globex"]);
        fine(&wire.query("COMMIT"));
        let said = wire.query(SEEN);
        refused(&mut wire, &said, "zone-required");
        nothing_is_left(&stack);
    }
}

/// Parameters by a bound name, and what they are afterwards.
const OTHERS: [(&str, &str); 8] = [
    ("TimeZone", "Asia/Tokyo"),
    ("statement_timeout", "90s"),
    ("DateStyle", "German"),
    ("search_path", "public, pg_temp"),
    ("work_mem", "3MB"),
    ("application_name", "by its name"),
    ("default_transaction_read_only", "on"),
    ("my.own", "value"),
];

/// The same as with the name in the text, on a connection of the same pool beside it.
#[test]
fn other_parameters_are_kept_as_those_that_the_text_names() {
    for stack in stacks() {
        let startup = [(ZONE, "acme"), ("application_name", "alike")];
        for (name, value) in OTHERS {
            let literal = format!("SELECT set_config('{name}', '{value}', false)");
            let computed = "SELECT set_config($1, $2::text || '', false)";
            let shown = [SESSION, computed, &literal].map(|text| {
                let mut wire = log_in(&stack, "picky", &startup);
                let values = match text {
                    _ if text == literal => vec![],
                    // What is computed is as good to the server, unless it is a ceiling's or the zone's.
                    _ => vec![Some(name), Some(value)],
                };
                let set = extended(text, &values);
                let show = format!("SHOW {name}");
                let mut shown = Vec::new();
                let reports = |answer: &[Message]| {
                    let reports = answer.iter().filter(|it| it.kind == b'S');
                    let texts = reports.map(|it| String::from_utf8_lossy(&it.body).into_owned());
                    texts.collect::<Vec<String>>()
                };
                let mut tell = |answer: Vec<Message>| {
                    fine(&answer);
                    shown.push((column(&answer), reports(&answer)));
                };
                tell(wire.batch(&set));
                tell(wire.query(&show));
                assert_eq!(column(&wire.query(SEEN)), ["acme"]);
                tell(wire.query("BEGIN"));
                tell(wire.batch(&extended(&show, &[])));
                tell(wire.query("COMMIT"));
                tell(wire.query(&format!("RESET {name}")));
                tell(wire.query("BEGIN"));
                tell(wire.batch(&set));
                tell(wire.query("ROLLBACK"));
                tell(wire.batch(&[set.clone(), sync(), extended("RESET ALL", &[])].concat()));
                tell(wire.receive_until(b'Z'));
                shown
            });
            assert_eq!(shown[0], shown[2], "{name}");
            assert_eq!(shown[1], shown[2], "{name}");
            nothing_is_left(&stack);
        }
        // Not SHOW alone: what the parameter does.
        let mut wire = log_in(&stack, "picky", &startup);
        let read_only = [Some("default_transaction_read_only"), Some("on")];
        fine(&wire.batch(&extended(SESSION, &read_only)));
        let insert = wire.query("INSERT INTO orders (note) VALUES ('x')");
        assert_eq!(failed(&insert).0, "25006");
    }
}

/// What a guard has against a parameter it has against it by a bound name.
#[test]
fn what_is_refused_by_name_is_refused_when_it_is_bound() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[(ZONE, "acme")]);
        let long = "x".repeat(900_000);
        let odd = |name: &'static [u8]| Some(name);
        let value = Some(&b"acme"[..]);
        for (name, value, guard) in [
            (odd(b"role"), Some(&b"migrator"[..]), "role-change"),
            (odd(b"ROLE"), Some(b"none"), "role-change"),
            (
                odd(b"session_authorization"),
                Some(b"migrator"),
                "role-change",
            ),
            (
                odd(b"session_replication_role"),
                Some(b"replica"),
                "role-change",
            ),
            (odd(b"client_encoding"), Some(b"SJIS"), "lexing-parameters"),
            (odd(b"Backslash_Quote"), Some(b"on"), "lexing-parameters"),
            (
                odd(b"standard_conforming_strings"),
                None,
                "lexing-parameters",
            ),
            (odd(b"app.tenant_id"), Some(b"*"), "zone-not-granted"),
            (odd(b"App.Tenant_Id"), Some(b"hooli"), "zone-not-granted"),
            (odd(b"app.tenant_id"), Some(b""), "zone-not-granted"),
            (odd(b"app.tenant_id"), Some(b"t-\0"), "zone-not-granted"),
            (odd(b"app.tenant_id"), None, "zone-parameter"),
            (odd(b"app.tenant_id"), Some(b"t-\xff"), "zone-parameter"),
            (
                odd(b"app.tenant_id"),
                Some(long.as_bytes()),
                "zone-parameter",
            ),
            (None, value, "zone-parameter"),
            (odd(b"app.tenant_id\0"), value, "zone-parameter"),
            (odd(b"app.tenant_id\xff"), value, "zone-parameter"),
            (Some(long.as_bytes()), value, "zone-parameter"),
        ] {
            for text in [LOCAL, SESSION] {
                if text == SESSION
                    && name == odd(b"app.tenant_id")
                    && value.is_none_or(<[u8]>::is_empty)
                {
                    // So the session gives its zone back: see `zones_cleared.rs`.
                    continue;
                }
                for format in [0, 1] {
                    let sent = [
                        extended("BEGIN", &[]),
                        parse("", text),
                        bind_raw("", "", &[format], &[name, value]),
                        execute("", 0),
                    ];
                    refused_at_bind(&mut wire, &sent.concat(), guard);
                }
            }
            assert_eq!(seen(&mut wire), ["acme"], "{name:?}");
        }
        // Larger than any statement may be.
        let huge = "x".repeat(5 << 20);
        let sent = [
            parse("", LOCAL),
            bind_raw("", "", &[], &[Some(huge.as_bytes()), value]),
        ];
        refused_at_bind(&mut wire, &sent.concat(), "statement-bounds");
        // Quoted: another name, and none that PostgreSQL takes.
        let sent = [
            parse("", SESSION),
            bind("", "", &[Some("\"app\".tenant_id"), Some("*")]),
            execute("", 0),
        ];
        refused_at_bind(&mut wire, &sent.concat(), "zone-parameter");
        // Types that would cut it, a third argument that is computed, a name that stands there twice.
        for (text, types) in [
            (SESSION, &[19, 25][..]),
            (SESSION, &[25, 1042]),
            ("SELECT set_config($1, $2, not $3)", &[25, 25, 16]),
            ("SELECT set_config($1, $2, false), $1", &[25, 25]),
            ("SELECT set_config($1 || '', $2, false)", &[25, 25]),
        ] {
            refused_at_bind(&mut wire, &parse_typed("", text, types), "zone-parameter");
        }
        assert_eq!(seen(&mut wire), ["acme"]);
        nothing_is_left(&stack);
        // A login whose zone is fixed, and one that has none.
        let mut fixed = log_in(&stack, "shop_acme", &[]);
        let to_globex = [Some(ZONE), Some("globex")];
        for text in [LOCAL, SESSION] {
            refused_at_bind(&mut fixed, &extended(text, &to_globex), "zone-not-granted");
            let to_acme = extended(text, &[Some(ZONE), Some("acme")]);
            refused_at_bind(&mut fixed, &to_acme, "zone-parameter");
        }
        assert_eq!(seen(&mut fixed), ["acme"]);
        fine(&fixed.batch(&extended(SESSION, &[Some("TimeZone"), Some("Asia/Tokyo")])));
        assert_eq!(column(&fixed.query("SHOW TimeZone")), ["Asia/Tokyo"]);
    }
}

#[test]
fn a_login_without_zones_binds_names_as_well() {
    for stack in stacks() {
        let mut wire = Wire::login(&stack.login("shop_plain", "app"));
        for name in [None, Some(&b"a\0b"[..]), Some(b"\xff")] {
            let sent = [
                parse("", SESSION),
                bind_raw("", "", &[], &[name, Some(b"x")]),
                execute("", 0),
            ];
            refused_at_bind(&mut wire, &sent.concat(), "lexing-parameters");
        }
        let role = extended(SESSION, &[Some("role"), Some("migrator")]);
        refused_at_bind(&mut wire, &role, "role-change");
        fine(&wire.batch(&extended(SESSION, &[Some("my.own"), None])));
        fine(&wire.batch(&extended(SESSION, &[Some("TimeZone"), Some("Asia/Tokyo")])));
        assert_eq!(column(&wire.query("SHOW TimeZone")), ["Asia/Tokyo"]);
        let mut other = Wire::login(&stack.login("shop_plain", "app"));
        assert_ne!(column(&other.query("SHOW TimeZone")), ["Asia/Tokyo"]);
        assert_eq!(column(&wire.query("SHOW TimeZone")), ["Asia/Tokyo"]);
    }
}

/// One statement, told apart by what it is bound to.
#[test]
fn portals_keep_what_they_were_bound_to() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        // Described before it is bound, in an earlier batch, by name and without.
        for name in ["", "s"] {
            let told = wire.batch(&[parse(name, SESSION), describe(b'S', name)].concat());
            assert_eq!(kinds(&told), "1tTZ");
        }
        // Two portals of one statement, the second first, and each twice.
        let sent = [
            extended("BEGIN", &[]),
            bind("zone", "s", &[Some(ZONE), Some("acme")]),
            bind("clock", "s", &[Some("TimeZone"), Some("Asia/Tokyo")]),
            execute("clock", 0),
            execute("zone", 0),
            execute("clock", 0),
            execute("zone", 0),
            extended(SEEN, &[]),
            extended("COMMIT", &[]),
        ];
        let answer = wire.batch(&sent.concat());
        fine(&answer);
        assert_eq!(column(&answer), ["Asia/Tokyo", "acme", "acme"]);
        assert_eq!(seen(&mut wire), ["acme"]);
        assert_eq!(column(&wire.query("SHOW TimeZone")), ["Asia/Tokyo"]);
        // A portal that is not executed sets nothing; one that is bound anew sets what it was bound to last.
        let sent = [
            bind("", "s", &[Some(ZONE), Some("globex")]),
            bind("", "s", &[Some("TimeZone"), Some("UTC")]),
            execute("", 0),
        ];
        fine(&wire.batch(&sent.concat()));
        assert_eq!(seen(&mut wire), ["acme"]);
        assert_eq!(column(&wire.query("SHOW TimeZone")), ["UTC"]);
        // Refused at Bind: the portal of before stays, until the transaction ends.
        let sent = [
            extended("BEGIN", &[]),
            bind("zone", "s", &[Some(ZONE), Some("globex")]),
            bind("other", "s", &[Some(ZONE), Some("hooli")]),
            execute("zone", 0),
        ];
        refused_at_bind(&mut wire, &sent.concat(), "zone-not-granted");
        assert_eq!(seen(&mut wire), ["acme"]);
        // The name is used again for another statement, and back.
        fine(&wire.batch(&[close(b'S', "s"), parse("s", "SELECT $1 || $2")].concat()));
        assert_eq!(
            column(&run(&mut wire, "s", [ZONE, "globex"])),
            ["app.tenant_idglobex"]
        );
        assert_eq!(seen(&mut wire), ["acme"]);
        fine(&wire.batch(&[close(b'S', "s"), parse("s", SESSION)].concat()));
        fine(&run(&mut wire, "s", [ZONE, "globex"]));
        assert_eq!(seen(&mut wire), ["globex"]);
        nothing_is_left(&stack);
    }
}

/// Sets, and asks, over and over: in one write, batch by batch, and message by message.
#[test]
fn a_pipeline_of_bound_names_has_each_answer_in_its_zone() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "picky", &[]);
        let prepared = [parse("s", SESSION), parse("l", LOCAL), parse("ask", SEEN)];
        fine(&wire.batch(&prepared.concat()));
        let ask = [bind("", "ask", &[]), execute("", 0)].concat();
        let mut sent = Vec::new();
        let mut wanted = Vec::new();
        for turn in 0..20 {
            let zone = ["acme", "globex"][turn % 2];
            let other = ["globex", "acme"][turn % 2];
            let set =
                |name, zone| [bind("", name, &[Some(ZONE), Some(zone)]), execute("", 0)].concat();
            // For the session; then for one transaction, behind which the session's is back.
            sent.push([set("s", zone), ask.clone(), sync()].concat());
            wanted.extend([zone, zone]);
            sent.push([set("l", other), ask.clone(), sync(), ask.clone(), sync()].concat());
            wanted.extend([other, other, zone]);
        }
        for size in [usize::MAX, 100, 7] {
            let all = sent.concat();
            match size {
                usize::MAX => wire.send(&all),
                size => wire.send_in_pieces(&all, size),
            }
            let mut answers = Vec::new();
            for _ in 0..60 {
                let answer = wire.receive_until(b'Z');
                fine(&answer);
                answers.extend(column(&answer));
            }
            assert_eq!(answers, wanted, "{size}");
        }
        nothing_is_left(&stack);
        // One of them is refused: its batch ends there, the others do not.
        let good = [
            bind("", "s", &[Some(ZONE), Some("acme")]),
            execute("", 0),
            sync(),
        ]
        .concat();
        let bad = [
            bind("", "s", &[Some(ZONE), Some("hooli")]),
            execute("", 0),
            ask.clone(),
            sync(),
        ]
        .concat();
        wire.send(&[good.clone(), bad, [ask.clone(), sync()].concat(), good].concat());
        let answers = [(); 4].map(|()| wire.receive_until(b'Z'));
        assert_eq!(column(&answers[0]), ["acme"]);
        assert_eq!(
            error(&answers[1]).and_then(|it| it.field(b'R')).as_deref(),
            Some("zone-not-granted")
        );
        assert_eq!(kinds(&answers[1]), "EZ");
        assert_eq!(column(&answers[2]), ["acme"]);
        assert_eq!(column(&answers[3]), ["acme"]);
    }
}

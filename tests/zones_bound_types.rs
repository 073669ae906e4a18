//! A tenant that is a number or a UUID, bound as such and cast to text: it is the zone that PostgreSQL makes of it.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::message::{column, execute, failed, fine, parse_typed};
use support::{Transport, Wire};
use zones::common::{bind_raw, log_in, refused_at_bind, stacks};

const UUID: &str = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11";
const BYTES: &[u8] = b"\xa0\xee\xbc\x99\x9c\x0b\x4e\xf8\xbb\x6d\x6b\xb9\xbd\x38\x0a\x11";

/// Type, format, what is bound, and the zone.
const SAID: [(u32, u16, &[u8], &str); 9] = [
    (21, 0, b"42", "42"),
    (23, 0, b"-007", "-7"),
    (20, 0, b" 9223372036854775807 ", "9223372036854775807"),
    (21, 1, b"\xff\xff", "-1"),
    (23, 1, b"\x00\x00\x01\x00", "256"),
    (
        20,
        1,
        b"\x80\x00\x00\x00\x00\x00\x00\x00",
        "-9223372036854775808",
    ),
    (2950, 0, UUID.as_bytes(), UUID),
    (2950, 0, b"{A0EEBC99-9C0B4EF8-BB6D6BB9BD380A11}", UUID),
    (2950, 1, BYTES, UUID),
];

const NOW: &str = "SELECT current_setting('app.tenant_id')";

fn texts(local: bool) -> [String; 3] {
    [
        format!("SELECT set_config('app.tenant_id', $1::text, {local})"),
        format!("SELECT set_config('App.Tenant_ID', CAST($1 AS varchar), {local})"),
        format!("SELECT pg_catalog.set_config($2, ($1)::text, {local}), 1"),
    ]
}

#[test]
fn a_number_or_a_uuid_is_the_zone_that_postgresql_makes_of_it() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "free", &[]);
        let mut other = log_in(&stack, "free", &[]);
        for (of, format, said, zone) in SAID {
            for (text, local) in [false, true]
                .into_iter()
                .flat_map(|it| texts(it).map(|text| (text, it)))
            {
                let by_name = text.contains("$2");
                let types = [&[of][..], &[25][..usize::from(by_name)]].concat();
                let values = [Some(said), Some(&b"app.tenant_id"[..])];
                let values = &values[..types.len()];
                let formats = [format, 0];
                if local {
                    fine(&wire.query("BEGIN"));
                }
                for name in ["", "s"] {
                    let sent = [
                        parse_typed(name, &text, &types),
                        bind_raw("", name, &formats[..types.len()], values),
                        execute("", 0),
                    ];
                    let answer = wire.batch(&sent.concat());
                    fine(&answer);
                    assert_eq!(column(&answer)[0], zone, "{text} {of} {format}");
                    if !local {
                        // Kept, wherever the next transaction runs.
                        fine(&other.query("SELECT set_config('app.tenant_id', 'other', false)"));
                    }
                    assert_eq!(column(&wire.query(NOW)), [zone], "{text} {of} {format}");
                }
                fine(&wire.batch(&support::message::close(b'S', "s")));
                if local {
                    fine(&wire.query("COMMIT"));
                }
            }
        }
    }
}

/// What the text says of it holds on the session route, too, and where nothing is declared.
#[test]
fn the_text_may_say_the_type() {
    let named = |of: u32| match of {
        21 => ["int2", "smallint"],
        23 => ["int4", "int"],
        20 => ["int8", "bigint"],
        _ => ["uuid", "UUID"],
    };
    for stack in stacks() {
        for login in ["free", "own"] {
            let mut wire = log_in(&stack, login, &[]);
            // Those that are granted to both.
            let granted = |zone: &str| login == "free" || ["42", UUID].contains(&zone);
            for (of, format, said, zone) in SAID.into_iter().filter(|it| granted(it.3)) {
                let [first, second] = named(of);
                let texts = [
                    format!("SELECT set_config('app.tenant_id', $1::{first}::text, false)"),
                    format!(
                        "SELECT set_config('app.tenant_id', CAST(($1)::{second} AS text), false)"
                    ),
                ];
                for (text, declared) in texts.iter().flat_map(|text| [(text, 0), (text, of)]) {
                    fine(&wire.query("SELECT set_config('app.tenant_id', 'acme', false)"));
                    let sent = [
                        parse_typed("", text, &[declared]),
                        bind_raw("", "", &[format], &[Some(said)]),
                        execute("", 0),
                    ];
                    let answer = wire.batch(&sent.concat());
                    fine(&answer);
                    assert_eq!(column(&answer)[0], zone, "{text} {declared} {format}");
                    assert_eq!(column(&wire.query(NOW)), [zone], "{text} {declared}");
                }
                let mut picky = log_in(&stack, "picky", &[]);
                let sent = [
                    parse_typed("", &texts[0], &[0]),
                    bind_raw("", "", &[format], &[Some(said)]),
                    execute("", 0),
                ];
                refused_at_bind(&mut picky, &sent.concat(), "zone-not-granted");
            }
            // The session route has one server connection.
            drop(wire);
            // By another type PostgreSQL would make something else of it.
            for declared in [25, 23, 17] {
                let text = "SELECT set_config('app.tenant_id', $1::uuid::text, false)";
                let mut wire =
                    Wire::login_with(&stack.login(login, "shop"), Transport::SslRequest, &[]);
                let answer = wire.batch(&parse_typed("", text, &[declared]));
                assert_eq!(failed(&answer).0, "42501", "{login} {declared}");
            }
        }
    }
}

/// Another number is another tenant, and what is none is nobody's.
#[test]
fn what_is_not_granted_is_refused_in_any_spelling() {
    for stack in stacks() {
        let [text, ..] = texts(false);
        for (of, format, said, _) in SAID {
            let mut wire = log_in(&stack, "picky", &[]);
            let sent = [
                parse_typed("", &text, &[of]),
                bind_raw("", "", &[format], &[Some(said)]),
                execute("", 0),
            ];
            refused_at_bind(&mut wire, &sent.concat(), "zone-not-granted");
        }
        for (of, format, said) in [
            (23, 0, &b"1.5"[..]),
            (23, 1, b"\x01"),
            (2950, 0, b"acme"),
            (2950, 1, b"acme"),
        ] {
            let mut wire = log_in(&stack, "free", &[]);
            let sent = [
                parse_typed("", &text, &[of]),
                bind_raw("", "", &[format], &[Some(said)]),
                execute("", 0),
            ];
            refused_at_bind(&mut wire, &sent.concat(), "zone-parameter");
        }
    }
}

/// On the session route types are not kept; nor is it known how others are cast.
#[test]
fn elsewhere_it_is_refused_when_it_is_parsed() {
    for stack in stacks() {
        for (login, of) in [("own", 23), ("free", 1700), ("free", 1082), ("free", 19)] {
            let mut wire =
                Wire::login_with(&stack.login(login, "shop"), Transport::SslRequest, &[]);
            let [text, ..] = texts(false);
            let answer = wire.batch(&parse_typed("", &text, &[of]));
            assert_eq!(failed(&answer).0, "42501", "{login} {of}");
        }
    }
}

/// Written into the text, as by drivers that bind nothing: what is read of it is what the server sets, on any version.
#[test]
fn what_is_written_into_the_text_is_what_the_server_sets() {
    let uuid = format!("'{UUID}'::uuid::text");
    let literals = [
        "42::text",
        "0042::varchar",
        "(000000007)::character varying",
        "CAST(12345678901234567890123 AS text)",
        &uuid,
    ];
    for stack in stacks() {
        for literal in literals {
            let text = format!("SELECT set_config('app.tenant_id', {literal}, false)");
            let facts = portcullis::sql::describe(text.as_bytes());
            let read = facts.statements[0].parameters[0].value.clone();
            let set = stack.direct("shop", &text);
            assert_eq!(read.as_deref(), Some(set.trim_end()), "{literal}");
            let mut wire = log_in(&stack, "free", &[]);
            assert_eq!(column(&wire.query(&text)), [set.trim_end()]);
            assert_eq!(column(&wire.query(NOW)), [set.trim_end()]);
        }
    }
}

/// A name that is prepared anew is read by its new type, one format holds for all values, and NULL is none.
#[test]
fn it_is_the_last_parse_that_says_the_type() {
    const TEXT: &str = "SELECT set_config('app.tenant_id', $1::text, false), $2::int4";
    let number = &b"\x00\x00\x00\x07"[..];
    for stack in stacks() {
        let mut wire = log_in(&stack, "free", &[]);
        for (of, formats, said, zone) in [
            (23, &[1][..], number, "7"),
            (25, &[0, 1], b"acme", "acme"),
            (2950, &[1], BYTES, UUID),
            (21, &[1], b"\x01\x00", "256"),
        ] {
            let sent = [
                support::message::close(b'S', "s"),
                parse_typed("s", TEXT, &[of, 23]),
                bind_raw("", "s", formats, &[Some(said), Some(number)]),
                execute("", 0),
            ];
            let answer = wire.batch(&sent.concat());
            fine(&answer);
            assert_eq!(column(&answer), [zone]);
            assert_eq!(column(&wire.query(NOW)), [zone]);
        }
        let again = [
            bind_raw("", "s", &[1], &[None, Some(number)]),
            execute("", 0),
        ];
        fine(&wire.batch(&again.concat()));
        assert_eq!(column(&wire.query(NOW)), [""], "it has none");
    }
}

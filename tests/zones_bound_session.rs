//! `set_config` with the name of the parameter in the Bind, on the session route: the zone is kept by Portcullis, and what
//! else is bound by the server, whose connection is the client's own.

mod support;

mod zones {
    #[allow(dead_code, reason = "each file of tests uses a part of it")]
    pub mod common;
}

use support::Stack;
use support::message::{bind, close, column, execute, extended, failed, fine, parse, query, sync};
use zones::common::{
    LOCAL, SEEN, SESSION, ZONE, log_in, refused, refused_at_bind, run, seen, stacks,
};

/// There the text goes to the server before the name is known, and what is no zone is the server's to keep.
#[test]
fn a_bound_name_may_be_the_zone() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "own", &[(ZONE, "acme")]);
        fine(&wire.batch(&[parse("s", SESSION), parse("l", LOCAL)].concat()));
        for (name, zone) in [(ZONE, "globex"), ("APP.Tenant_ID", "acme")] {
            fine(&wire.batch(&extended(SESSION, &[Some(name), Some(zone)])));
            assert_eq!(seen(&mut wire), [zone]);
            fine(&run(&mut wire, "s", ["work_mem", "3MB"]));
            assert_eq!(column(&wire.query("SHOW work_mem")), ["3MB"]);
            fine(&wire.query("BEGIN"));
            fine(&wire.query("SAVEPOINT a"));
            let other = if zone == "acme" { "globex" } else { "acme" };
            assert_eq!(column(&run(&mut wire, "s", [name, other])), [other]);
            assert_eq!(seen(&mut wire), [other]);
            fine(&wire.query("ROLLBACK TO a"));
            assert_eq!(seen(&mut wire), [zone]);
            fine(&run(&mut wire, "s", [name, other]));
            fine(&wire.query("ROLLBACK"));
            assert_eq!(seen(&mut wire), [zone]);
        }
        for (zone, fits) in [("globex", true), ("hooli", false), ("acme", true)] {
            fine(&wire.query("BEGIN"));
            let answer = run(&mut wire, "l", [ZONE, zone]);
            match fits {
                true => {
                    assert_eq!(seen(&mut wire), [zone]);
                    fine(&wire.query("COMMIT"));
                }
                false => refused(&mut wire, &answer, "zone-not-granted"),
            }
        }
        assert_eq!(seen(&mut wire), ["acme"]);
        // Nothing of it is the server's: without Portcullis's prefix there is no zone.
        let kept =
            "SELECT coalesce(max(reset_val), '') FROM pg_settings WHERE name = 'app.tenant_id'";
        assert_eq!(column(&wire.query(kept)), [""]);
        fine(&wire.query("RESET app.tenant_id"));
        assert_eq!(seen(&mut wire), ["acme"], "the startup packet's");
        drop(wire);
        is_clean(&stack);
    }
}

/// The zone is kept here and the rest there, in one statement, whoever of them is bound.
#[test]
fn the_rest_of_a_statement_is_set_for_the_session() {
    let both = "SELECT set_config($1, $2, false), set_config($3, $4, false)";
    let (clock, tokyo) = (Some("TimeZone"), Some("Asia/Tokyo"));
    let (name, zone) = (Some("app.tenant_id"), Some("globex"));
    for stack in stacks() {
        for (text, values) in [
            (both, &[name, zone, clock, tokyo][..]),
            (both, &[clock, tokyo, name, zone]),
            (
                "SELECT set_config('app.tenant_id', $1, false), set_config($2, $3, false)",
                &[zone, clock, tokyo],
            ),
            (
                "SELECT set_config('TimeZone', 'Asia/Tokyo', false), set_config($1, 'globex', false)",
                &[name],
            ),
            (
                "SELECT set_config('TimeZone', 'Asia/Tokyo', false), set_config('app.tenant_id', 'globex', false)",
                &[],
            ),
        ] {
            let mut ways = vec![extended(text, values)];
            if values.is_empty() {
                ways.push(query(text));
            }
            for way in ways {
                let mut wire = log_in(&stack, "own", &[(ZONE, "acme")]);
                let sync = if way[0] == b'Q' { vec![] } else { sync() };
                wire.send(&[way, sync].concat());
                fine(&wire.receive_until(b'Z'));
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
                assert_eq!(
                    column(&wire.query("SHOW TimeZone")),
                    ["Asia/Tokyo"],
                    "{text}"
                );
                fine(&wire.query("RESET TimeZone"));
                assert_eq!(seen(&mut wire), ["globex"], "{text}");
                drop(wire);
                is_clean(&stack);
            }
        }
    }
}

/// Every check of the transaction route, and the ways around the one statement whose text says nothing.
#[test]
fn a_bound_name_gives_no_zone_that_is_not_granted() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "own", &[(ZONE, "acme")]);
        for name in ["", "s"] {
            for (text, other) in [(SESSION, "s"), (LOCAL, "l")] {
                let statement = if name.is_empty() { "" } else { other };
                for (bound, value, guard) in [
                    (ZONE, Some("hooli"), "zone-not-granted"),
                    ("App.Tenant_Id", Some("*"), "zone-not-granted"),
                    (ZONE, None, "zone-parameter"),
                    (ZONE, Some(""), "zone-not-granted"),
                    ("role", Some("migrator"), "role-change"),
                    ("client_encoding", Some("SJIS"), "lexing-parameters"),
                ] {
                    if text == SESSION && bound == ZONE && value.is_none_or(str::is_empty) {
                        // So the session gives its zone back: see `zones_cleared.rs`.
                        continue;
                    }
                    let sent = [
                        close(b'S', statement),
                        parse(statement, text),
                        bind("", statement, &[Some(bound), value]),
                        execute("", 0),
                    ];
                    refused_at_bind(&mut wire, &sent.concat(), guard);
                    assert_eq!(seen(&mut wire), ["acme"], "{bound}");
                }
            }
        }
        // By SQL it is another EXECUTE, whose values nobody reads.
        fine(&wire.batch(&[close(b'S', "s"), parse("s", SESSION)].concat()));
        for zone in ["globex", "hooli"] {
            let answer = wire.query(&format!("EXECUTE s('app.tenant_id', '{zone}')"));
            refused(&mut wire, &answer, "zone-parameter");
            assert_eq!(seen(&mut wire), ["acme"]);
        }
        // A portal that is executed later, behind another of the same statement, in a transaction that fails.
        let sent = [
            extended("BEGIN", &[]),
            bind("one", "s", &[Some(ZONE), Some("globex")]),
            bind("two", "s", &[Some("TimeZone"), Some("Asia/Tokyo")]),
            execute("two", 0),
            execute("one", 0),
            extended(SEEN, &[]),
            extended("SELECT 1/0", &[]),
        ];
        let answer = wire.batch(&sent.concat());
        assert_eq!(column(&answer), ["Asia/Tokyo", "globex", "globex"]);
        assert_eq!(failed(&answer).0, "22012");
        // In the failed transaction it fails as it would anywhere.
        let answer = run(&mut wire, "s", [ZONE, "globex"]);
        assert_eq!(failed(&answer).0, "25P02");
        fine(&wire.query("ROLLBACK"));
        assert_eq!(seen(&mut wire), ["acme"]);
        assert_ne!(column(&wire.query("SHOW TimeZone")), ["Asia/Tokyo"]);
        // Refused behind one that was sent: the implicit transaction takes both back.
        let bad = [
            bind("", "s", &[Some(ZONE), Some("globex")]),
            execute("", 0),
            bind("", "s", &[Some(ZONE), Some("hooli")]),
            execute("", 0),
        ];
        refused_at_bind(&mut wire, &bad.concat(), "zone-not-granted");
        assert_eq!(seen(&mut wire), ["acme"]);
        // In pieces of the stream, over and over.
        let set = |zone| [bind("", "s", &[Some(ZONE), Some(zone)]), execute("", 0)].concat();
        let ask = [extended(SEEN, &[]), sync()].concat();
        let zones = ["globex", "acme", "globex"].repeat(5);
        let sent: Vec<u8> = zones
            .iter()
            .flat_map(|it| [set(it), ask.clone()].concat())
            .collect();
        wire.send_in_pieces(&sent, 7);
        for zone in zones {
            let answer = wire.receive_until(b'Z');
            assert_eq!(column(&answer), [zone, zone]);
        }
        drop(wire);
        is_clean(&stack);
        // Without a zone there is none until one is bound; nobody else's is there.
        let mut wire = log_in(&stack, "own", &[]);
        let sent = [
            parse("", SESSION),
            bind("", "", &[Some(ZONE), Some("acme")]),
            execute("", 0),
        ];
        let answer = wire.batch(&[&sent.concat()[..], &extended(SEEN, &[])].concat());
        assert_eq!(column(&answer), ["acme", "acme"]);
        assert_eq!(seen(&mut wire), ["acme"]);
        drop(wire);
        is_clean(&stack);
    }
}

/// What is parsed once more stays on the server connection under a name of ours, which a client can read there. Under
/// it nothing of the client's may be known: it would be judged as that, and run as ours.
#[test]
fn a_name_of_ours_is_not_the_clients() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "own", &[(ZONE, "acme")]);
        fine(&wire.batch(&parse("s", SESSION)));
        fine(&run(&mut wire, "s", [ZONE, "acme"]));
        let ours = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'bc\\_%'";
        let found = column(&wire.query(ours));
        let [ours] = &found[..] else {
            panic!("it is not there: {found:?}");
        };
        for first in ["b", "p", "r"] {
            let name = format!("{first}{}", &ours[1..]);
            let harmless = "SELECT $1::text, $2::text";
            let sent = [close(b'S', &name), parse(&name, harmless)].concat();
            refused_at_bind(&mut wire, &sent, "unknown-name");
            fine(&wire.query("DEALLOCATE ALL"));
            let answer = wire.query(&format!("PREPARE \"{name}\" (text, text) AS {harmless}"));
            refused(&mut wire, &answer, "unknown-name");
            fine(&wire.batch(&[close(b'S', "s"), parse("s", SESSION)].concat()));
            fine(&run(&mut wire, "s", [ZONE, "acme"]));
            let sent = [
                bind("", &name, &[Some(ZONE), Some("hooli")]),
                execute("", 0),
            ]
            .concat();
            refused_at_bind(&mut wire, &sent, "unknown-name");
            let answer = wire.query(&format!("EXECUTE \"{name}\" ('{ZONE}', 'hooli')"));
            refused(&mut wire, &answer, "unknown-name");
            assert_eq!(seen(&mut wire), ["acme"]);
        }
        // One that only looks like it.
        let other = format!("{}0", &ours[..ours.len() - 1]);
        let other = if other == *ours {
            format!("{}1", &ours[..ours.len() - 1])
        } else {
            other
        };
        fine(
            &wire.batch(
                &[
                    parse(&other, "SELECT $1::text"),
                    bind("", &other, &[Some("x")]),
                ]
                .concat(),
            ),
        );
        drop(wire);
        is_clean(&stack);
    }
}

/// A Bind of some bytes has a long text parsed once more: so many of them do not stand in memory at once.
#[test]
fn a_long_statement_that_is_bound_often_takes_no_memory() {
    for stack in stacks() {
        let mut wire = log_in(&stack, "own", &[(ZONE, "acme")]);
        let long = format!("{SESSION} /* {} */", "x".repeat(900_000));
        fine(&wire.batch(&parse("", &long)));
        let before = peak(&stack);
        let set = [bind("", "", &[Some(ZONE), Some("globex")]), execute("", 0)].concat();
        let sent = [set.repeat(50), extended(SEEN, &[]), sync()].concat();
        wire.send(&sent);
        let answer = wire.receive_until(b'Z');
        fine(&answer);
        assert_eq!(column(&answer).len(), 51);
        let grown = peak(&stack) - before;
        assert!(grown < 20_000, "{grown} kB");
    }
}

/// The most memory that Portcullis has had, kB.
fn peak(stack: &Stack) -> u64 {
    let pid = stack.proxy.as_ref().expect("a proxy").pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.and_then(|word| word.parse().ok()).expect("a figure")
}

/// What the last client of the session pool set is gone.
fn is_clean(stack: &Stack) {
    let mut next = log_in(stack, "own", &[]);
    let said = next.query(SEEN);
    refused(&mut next, &said, "zone-required");
}

//! What drivers and pools send to tidy up passes for a login that has a zone, and nothing behind it
//! runs without the zone: not in the same transaction, not by a portal from before, and not with the
//! default that RESET ALL goes back to, which here is another tenant's.

mod support;

use std::sync::Arc;

use support::fixture::{POLICY, User, password};
use support::message::{self, column, error, extended, failed, fine};
use support::parts::Version;
use support::shop::{SEEN, acme};
use support::{OnEveryVersion, Stack, StackOptions, VERSIONS, Wire, fixture};

fn stacks() -> Vec<Arc<Stack>> {
    static STACKS: OnEveryVersion = OnEveryVersion::new();
    STACKS.get(|| StackOptions {
        sql: format!(
            "{}{PUT_OFF}ALTER ROLE shop_acme SET app.tenant_id = 'globex';\n",
            fixture::SQL
        ),
        policy: format!("{POLICY}{LOGINS}"),
        users: ["picky", "own"]
            .map(|name| User::new(name, &password(name)))
            .to_vec(),
        keys: vec!["migrator", "shop_acme"],
        pool_size: 1,
        ..StackOptions::default()
    })
}

/// Logins that set their zone themselves.
const LOGINS: &str = r#"
[login.picky]
kind = "service"
databases = ["shop"]
zone = { from = "client", values = ["acme", "initech"] }
server_role = "shop_acme"

[login.own]
kind = "service"
databases = ["shop"]
route = "session"
zone = { from = "client", values = ["acme", "initech"] }
server_role = "shop_acme"
"#;

/// A trigger that runs when the transaction ends, or when it is told to.
const PUT_OFF: &str = "
\\connect shop
CREATE TABLE zones_seen (note text, zone text);
CREATE FUNCTION note_zone() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.zones_seen VALUES (new.note, current_setting('app.tenant_id', true));
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (new.note LIKE 'late%') EXECUTE FUNCTION note_zone();
CREATE FUNCTION writes_late() RETURNS text LANGUAGE sql AS $$ INSERT INTO orders (note) VALUES ('late') RETURNING note $$;
CREATE VIEW writing AS SELECT writes_late();
CREATE FUNCTION zone_seen() RETURNS text LANGUAGE sql AS $$ SELECT current_setting('app.tenant_id', true) $$;
";

const ASYNCPG: &str = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;";

#[test]
fn what_tidies_up_passes_and_the_next_transaction_has_its_zone() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        // Often enough that the zone's statement stays on the server where the pool follows names.
        for _ in 0..12 {
            for tidy in [ASYNCPG, "RESET ALL", "DISCARD ALL"] {
                fine(&wire.query(tidy));
                assert_eq!(column(&wire.query(SEEN)), ["acme"], "{tidy}");
            }
            for tidy in ["RESET ALL", "DISCARD ALL"] {
                fine(&wire.batch(&extended(tidy, &[])));
                assert_eq!(
                    column(&wire.batch(&extended(SEEN, &[]))),
                    ["acme"],
                    "{tidy}"
                );
            }
        }
        // Without waiting for an answer.
        for tidy in [ASYNCPG, "RESET ALL", "DISCARD ALL"] {
            wire.send(&[message::query(tidy), message::query(SEEN)].concat());
            fine(&wire.receive_until(b'Z'));
            assert_eq!(column(&wire.receive_until(b'Z')), ["acme"], "{tidy}");
        }
    }
}

#[test]
fn the_rest_of_a_transaction_gets_its_zone_again() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        let insert = "INSERT INTO orders (note) VALUES ('reset') RETURNING tenant_id";
        for tidy in ["RESET ALL", "SHOW jit; RESET ALL"] {
            fine(&wire.query("BEGIN"));
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
            fine(&wire.query("DECLARE c CURSOR FOR SELECT DISTINCT tenant_id FROM orders"));
            assert_eq!(fine(&wire.query(tidy)), 'T');
            assert_eq!(column(&wire.query(insert)), ["acme"]);
            fine(&wire.query(tidy));
            assert_eq!(column(&wire.batch(&extended(insert, &[]))), ["acme"]);
            fine(&wire.query(tidy));
            assert_eq!(column(&wire.query("FETCH ALL FROM c")), ["acme"]);
            fine(&wire.query("SAVEPOINT s"));
            fine(&wire.query(tidy));
            fine(&wire.query("ROLLBACK TO s"));
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
            fine(&wire.query("COMMIT"));
        }
        // Within one batch.
        let batch = [
            message::parse("", "RESET ALL"),
            message::bind("", "", &[]),
            message::execute("", 0),
            extended(SEEN, &[]),
        ];
        assert_eq!(column(&wire.batch(&batch.concat())), ["acme"]);
        let written = "SELECT DISTINCT tenant_id FROM orders WHERE note = 'reset'";
        assert_eq!(stack.direct("shop", written), "acme\n");
    }
}

#[test]
fn nothing_stands_behind_it_in_its_message_and_no_portal_outlives_it() {
    for stack in stacks() {
        let mut wire = acme(&stack);
        for text in [
            format!("RESET ALL; {SEEN}"),
            format!("SELECT 1; RESET ALL; {SEEN}"),
            format!("DISCARD ALL; {SEEN}"),
        ] {
            assert_eq!(failed(&wire.query(&text)).0, "42501", "{text}");
        }
        let refused = |answer: &[message::Message]| {
            let error = error(answer).expect("an error");
            assert_eq!(error.field(b'R').as_deref(), Some("zone-required"));
            assert_eq!(column(answer), Vec::<String>::new());
        };
        let portal = [
            message::parse("", SEEN),
            message::bind("before", "", &[]),
            message::parse("", "RESET ALL"),
            message::bind("", "", &[]),
            message::execute("", 0),
            message::execute("before", 0),
        ];
        refused(&wire.batch(&portal.concat()));

        fine(&wire.query("BEGIN"));
        fine(&wire.batch(&portal[..2].concat()));
        fine(&wire.query("RESET ALL"));
        let answer = wire.batch(&message::execute("before", 0));
        refused(&answer);
        assert_eq!(failed(&answer).1, 'E');
        fine(&wire.query("ROLLBACK"));

        // Nor a savepoint, which the zone would go with.
        let savepoint = [
            message::parse("savepoint", "SAVEPOINT s"),
            message::bind("before", "savepoint", &[]),
        ]
        .concat();
        let resets: [&dyn Fn(&mut Wire); 2] = [
            &|wire| assert_eq!(fine(&wire.query("RESET ALL")), 'T'),
            &|wire| assert_eq!(fine(&wire.batch(&extended("RESET ALL", &[]))), 'T'),
        ];
        for reset in resets {
            fine(&wire.query("BEGIN"));
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
            fine(&wire.batch(&savepoint));
            reset(&mut wire);
            refused(&wire.batch(&message::execute("before", 0)));
            fine(&wire.query("ROLLBACK"));
            fine(&wire.batch(&message::close(b'S', "savepoint")));
        }
        let sent = [
            extended("BEGIN", &[]),
            extended(SEEN, &[]),
            savepoint,
            extended("RESET ALL", &[]),
            message::execute("before", 0),
            extended(SEEN, &[]),
            extended("ROLLBACK TO s", &[]),
            extended(SEEN, &[]),
        ];
        let answer = wire.batch(&sent.concat());
        assert_eq!(column(&answer), ["acme"]);
        assert_eq!(failed(&answer), ("42501".into(), 'E'));
        fine(&wire.query("ROLLBACK"));
        // One that is bound behind it has the zone ahead.
        fine(&wire.query("BEGIN"));
        for text in ["RESET ALL", "SAVEPOINT s", SEEN, "ROLLBACK TO s"] {
            fine(&wire.batch(&extended(text, &[])));
        }
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        fine(&wire.query("ROLLBACK"));

        // A cursor of SQL's is a portal, too.
        fine(&wire.query("BEGIN"));
        fine(&wire.query("DECLARE before CURSOR FOR SELECT DISTINCT tenant_id FROM orders"));
        fine(&wire.query("RESET ALL"));
        refused(&wire.batch(&message::execute("before", 0)));
        fine(&wire.query("ROLLBACK"));
        assert_eq!(column(&wire.query(SEEN)), ["acme"]);
    }
}

/// Whatever runs them: they are the statement's that got the zone.
#[test]
fn triggers_that_are_put_off_have_the_zone() {
    const INSERT: &str = "INSERT INTO orders (note) VALUES ('late')";
    let ends: [&[&str]; 4] = [
        &["COMMIT"],
        &["COMMIT AND CHAIN", "ROLLBACK"],
        &["SET CONSTRAINTS ALL IMMEDIATE", "COMMIT"],
        &["SAVEPOINT s", "RESET ALL", "RELEASE s", "RESET ALL", "END"],
    ];
    for (stack, (version, _)) in stacks().iter().zip(VERSIONS) {
        let mut wire = acme(stack);
        let mut written = 0;
        // Often enough that the zone's statement stays on the server where the pool follows names.
        for _ in 0..4 {
            for end in ends {
                let all = [&["BEGIN", INSERT, "RESET ALL"], end].concat();
                for text in &all {
                    fine(&wire.query(text));
                }
                for text in &all {
                    fine(&wire.batch(&extended(text, &[])));
                }
                let each: Vec<Vec<u8>> = all.iter().map(|text| extended(text, &[])).collect();
                fine(&wire.batch(&each.concat()));
                for text in &all {
                    wire.send(&message::query(text));
                }
                wire.states(all.len());
                written += 4;
            }
        }
        // At the end of an implicit transaction, whatever that is.
        let [insert, reset] = [INSERT, "RESET ALL"].map(|text| extended(text, &[]));
        fine(&wire.batch(&message::parse("known", "SELECT 1")));
        let begun = [extended("BEGIN", &[]), extended("COMMIT", &[])].concat();
        for end in [
            message::sync(),
            [&*reset, &message::sync()].concat(),
            [&*begun, &message::sync()].concat(),
            message::query(""),
            message::query("SET LOCAL jit = off"),
            message::query("DEALLOCATE known"),
        ] {
            // PostgreSQL 18 itself loses the row where a Query of one statement follows without Sync.
            if version == Version::Pg18 && end[0] == b'Q' {
                continue;
            }
            wire.send(&[&*insert, &reset, &end].concat());
            fine(&wire.receive_until(b'Z'));
            written += 1;
        }
        // Nothing of ours can stand between them there.
        for text in ["RESET ALL", "SHOW jit; RESET ALL"] {
            wire.send(&[&*insert, &message::query(text)].concat());
            let answer = wire.receive_until(b'Z');
            assert_eq!(failed(&answer), ("0A000".into(), 'I'));
            let message = error(&answer).and_then(|error| error.field(b'M'));
            let wanted = "cannot execute RESET ALL behind other statements of its batch";
            assert_eq!(message.as_deref(), Some(wanted));
        }
        // Where nothing has run it passes, and so it does where a block goes on.
        fine(&wire.batch(&[extended("SET jit = off", &[]), reset.clone()].concat()));
        let begun = [
            insert,
            extended("BEGIN", &[]),
            reset,
            extended("COMMIT", &[]),
        ];
        fine(&wire.batch(&begun.concat()));
        written += 1;
        // Nothing can stand behind it there.
        for text in [
            &*format!("{INSERT}; RESET ALL"),
            &*format!("{INSERT} RETURNING id; SELECT 1; RESET ALL; CLOSE ALL"),
            "SELECT writes_late(); RESET ALL",
            "TABLE writing; RESET ALL",
            "LOCK TABLE orders; RESET ALL",
            "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM orders; RESET ALL",
            "COPY orders (note) FROM STDIN; RESET ALL",
            "EXECUTE p; RESET ALL",
        ] {
            assert_eq!(failed(&wire.query(text)).0, "42501", "{text}");
        }
        // Nor ahead of one that is bound already.
        fine(&wire.query("BEGIN"));
        fine(&wire.query(INSERT));
        let commit = [
            message::parse("", "COMMIT"),
            message::bind("before", "", &[]),
        ];
        fine(&wire.batch(&commit.concat()));
        fine(&wire.query("RESET ALL"));
        assert_eq!(
            failed(&wire.batch(&message::execute("before", 0))),
            ("42501".into(), 'E')
        );
        fine(&wire.query("ROLLBACK"));
        let seen = "SELECT zone, count(*) FROM zones_seen WHERE note = 'late' GROUP BY zone";
        assert_eq!(stack.direct("shop", seen), format!("acme|{written}\n"));
        // Behind what writes nothing no zone is owed.
        fine(&wire.query("BEGIN"));
        fine(&wire.query("RESET ALL"));
        fine(&wire.query("COMMIT"));
    }
}

/// A client that sets its zone itself and gives it back: what its transaction has put off sees none, not the default.
#[test]
fn what_is_put_off_sees_no_zone_once_that_is_given_back() {
    const INSERT: &str = "INSERT INTO orders (note) VALUES ('late, none')";
    const SET: &str = "SET LOCAL app.tenant_id = 'acme'";
    const ENDS: [&str; 2] = ["COMMIT", "SET CONSTRAINTS ALL IMMEDIATE"];
    for stack in stacks() {
        let mut written = 0;
        for login in ["picky", "own"] {
            let mut wire = Wire::login(&stack.login(login, "shop"));
            for back in [
                "RESET app.tenant_id",
                "SET app.tenant_id TO DEFAULT",
                "SET LOCAL app.tenant_id TO DEFAULT",
                "RESET ALL",
                "SHOW jit; RESET ALL; RESET app.tenant_id",
            ] {
                for end in ENDS {
                    for text in ["BEGIN", SET, INSERT, back, end] {
                        fine(&wire.query(text));
                    }
                    if end != "COMMIT" {
                        assert_eq!(column(&wire.query("SHOW app.tenant_id")), [""], "{back}");
                    }
                    fine(&wire.query("END"));
                    written += 1;
                    // On a connection of its own the batch ends behind RESET ALL.
                    if back.contains("ALL") && (login == "own" || back.contains(';')) {
                        continue;
                    }
                    let all = ["BEGIN", SET, INSERT, back, end, "END"];
                    let all = all.map(|text| extended(text, &[]));
                    fine(&wire.batch(&all.concat()));
                    written += 1;
                }
                // In one text, and at the end of a batch.
                fine(&wire.query(&format!("{SET}; {INSERT}; {back}")));
                let batch = [SET, INSERT].map(|text| extended(text, &[])).concat();
                wire.send(&[batch, message::query(back)].concat());
                fine(&wire.receive_until(b'Z'));
                written += 2;
            }
            let null = extended("SELECT set_config('app.tenant_id', $1, false)", &[None]);
            for end in ENDS {
                for text in ["BEGIN", SET, INSERT] {
                    fine(&wire.query(text));
                }
                fine(&wire.batch(&null));
                fine(&wire.query(end));
                fine(&wire.query("END"));
                let all = ["BEGIN", SET, INSERT].map(|text| extended(text, &[]));
                let ends = [end, "END"].map(|text| extended(text, &[]));
                fine(&wire.batch(&[all.concat(), null.clone(), ends.concat()].concat()));
                written += 2;
            }
            // It has none by then, and takes another.
            assert_eq!(failed(&wire.query(SEEN)).0, "42501");
            fine(&wire.query("SET app.tenant_id = 'acme'"));
            assert_eq!(column(&wire.query(SEEN)), ["acme"]);
        }
        let seen = "SELECT zone, count(*) FROM zones_seen WHERE note <> 'late' GROUP BY zone";
        assert_eq!(stack.direct("shop", seen), format!("|{written}\n"));
    }
}

/// Does any row of the answer hold these bytes?
fn says(answer: &[message::Message], text: &str) -> bool {
    let mut rows = answer.iter().filter(|message| message.kind == b'D');
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    rows.any(|message| holds(&message.body))
}

/// A client that sets its zone itself, and what looks as if it did and does not: it sees the rows of none, not those of the
/// default that its role has, and so do functions that it calls before.
#[test]
fn who_has_set_no_zone_yet_has_not_that_of_its_role() {
    const CALL: &str = "set_config('app.tenant_id', 'acme', true)";
    let unreached = [
        format!("EXPLAIN SELECT {CALL}"),
        format!("SELECT CASE WHEN 1 > 2 THEN {CALL} END"),
        format!("SELECT {CALL} WHERE 1 > 2"),
        format!("DECLARE c CURSOR FOR SELECT {CALL}"),
    ];
    for stack in stacks() {
        for login in ["picky", "own"] {
            let mut wire = Wire::login(&stack.login(login, "shop"));
            let sees = |wire: &mut Wire, wanted: &[&str], what: &str| {
                assert_eq!(column(&wire.query(SEEN)), wanted, "{login} {what}");
                let answer = wire.batch(&extended(SEEN, &[]));
                assert_eq!(column(&answer), wanted, "{login} {what}");
            };
            for text in &unreached {
                fine(&wire.query("BEGIN"));
                fine(&wire.query(text));
                sees(&mut wire, &[], text);
                fine(&wire.query("END"));
                fine(&wire.query("BEGIN"));
                fine(&wire.batch(&extended(text, &[])));
                sees(&mut wire, &[], text);
                fine(&wire.query("END"));
                let several = [
                    extended("BEGIN", &[]),
                    extended(text, &[]),
                    extended(SEEN, &[]),
                ];
                let answer = wire.batch(&[several.concat(), extended("END", &[])].concat());
                assert_eq!(message::kinds(&answer).matches('E').count(), 0, "{text}");
                assert!(!says(&answer, "globex"), "{login} {text}");
                if !text.starts_with("DECLARE") {
                    let answer = wire.query(&format!("{text}; {SEEN}"));
                    fine(&answer);
                    assert!(!says(&answer, "globex"), "{login} {text}");
                }
            }
            // NULL, and the name of what it is for is bound as well.
            for local in [true, false] {
                let null = format!("SELECT set_config($1, $2, {local})");
                let null = extended(&null, &[Some("app.tenant_id"), None]);
                fine(&wire.query("BEGIN"));
                wire.batch(&null);
                let answer = wire.query(SEEN);
                assert!(!says(&answer, "globex"), "{login} {local}");
                wire.query("ROLLBACK");
            }
            for _ in 0..2 {
                let answer = wire.query("SELECT zone_seen()");
                assert_eq!(column(&answer), [""], "{login} {answer:?}");
                let answer = wire.batch(&extended("SELECT zone_seen()", &[]));
                assert_eq!(column(&answer), [""], "{login}");
            }
            // What it sets it has: for a transaction, and for its session.
            for text in [
                "SET LOCAL app.tenant_id = 'acme'",
                &format!("SELECT {CALL}"),
            ] {
                fine(&wire.query("BEGIN"));
                fine(&wire.query(text));
                sees(&mut wire, &["acme"], text);
                fine(&wire.query("END"));
                assert_eq!(failed(&wire.query(SEEN)).0, "42501");
                let several = ["BEGIN", text, SEEN, "END"].map(|text| extended(text, &[]));
                let answer = wire.batch(&several.concat());
                assert!(says(&answer, "acme"), "{login} {text}");
            }
            fine(&wire.query("SET app.tenant_id = 'acme'"));
            sees(&mut wire, &["acme"], "for its session");
            fine(&wire.query("RESET app.tenant_id"));
            assert_eq!(column(&wire.query("SELECT zone_seen()")), [""], "{login}");
        }
    }
}

/// SET LOCAL behind a BEGIN that has not come about sets nothing: what is sent behind it waits to know that.
#[test]
fn a_zone_for_a_transaction_that_did_not_begin_is_none() {
    const SET: &str = "SET LOCAL app.tenant_id = 'acme'";
    let begins: [&[&str]; 3] = [
        &["SELECT 1/0; BEGIN"],
        &["ROLLBACK AND CHAIN"],
        &["COMMIT AND CHAIN"],
    ];
    for stack in stacks() {
        for login in ["picky", "own"] {
            for begin in begins {
                for extended_ones in [false, true] {
                    let mut wire = Wire::login(&stack.login(login, "shop"));
                    let mut sent: Vec<u8> =
                        begin.iter().flat_map(|it| message::query(it)).collect();
                    for text in [SET, SEEN] {
                        sent.extend(match extended_ones {
                            true => [extended(text, &[]), message::sync()].concat(),
                            false => message::query(text),
                        });
                    }
                    wire.send(&sent);
                    wire.states(begin.len() + 1);
                    let answer = wire.receive_until(b'Z');
                    let wanted = Some("zone-required".to_owned());
                    let guard = error(&answer).and_then(|error| error.field(b'R'));
                    assert_eq!(
                        guard,
                        wanted,
                        "{login} {begin:?} {extended_ones} {:?} {}",
                        column(&answer),
                        message::kinds(&answer)
                    );
                }
            }
        }
    }
}

//! What a token opens, for whom, and for how long.

use portcullis::zone::signed::Key;

use crate::support::message::fine;
use crate::support::signed::{DATABASES, MINUTE, each, key, token_of};
use crate::support::{Shared, Wire};
use crate::{
    NOTES, acme, attempt, enter, options, shows_nothing_of_others, stacks, straight, token,
};

const VECTORS: &str = include_str!("../../deploy/sql/vectors.tsv");

#[test]
fn a_token_shows_its_zone_for_one_transaction() {
    each(stacks(), |stack, database| {
        for port in [stack.transaction_port, stack.cluster.port] {
            let mut login = stack.login_at(port, "shop_acme", database);
            if port == stack.cluster.port {
                login.sslmode = "disable";
            }
            let script = format!(
                "BEGIN;\n{}{NOTES}SELECT portcullis.zone();COMMIT;\n{NOTES}SELECT portcullis.zone() IS NULL;",
                acme(database)
            );
            assert_eq!(
                stack.psql(&login, &script).ok(),
                "anvil,skates\nacme\n\nt\n"
            );
            // An implicit transaction of one Query.
            let script = format!(
                "{}\\; {NOTES}\n{NOTES}",
                acme(database).trim_end().trim_end_matches(';')
            );
            assert_eq!(stack.psql(&login, &script).ok(), "anvil,skates\n\n");
        }
    });
}

#[test]
fn the_vectors_are_verified_by_postgresql() {
    for stack in stacks() {
        for line in VECTORS.lines().filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [_, secret, zone, role, database, _, _, token] = fields[..] else {
                panic!("not eight fields: {line}");
            };
            // The SQL side's own HMAC over its own reading of the token; names are the line's.
            let zone = zone.replace('\'', "''");
            let audience = [role, database]
                .map(|name| format!("encode('{}', 'hex')", name.replace('\'', "''")));
            let sql = format!(
                "BEGIN;
SELECT portcullis.add_key('vector', decode('{secret}', 'hex')) = '{secret}';
SELECT encode(portcullis.mac(inner_pad, outer_pad, left('{token}', -64) || {} || '.' || {}), 'hex') = right('{token}', 64)
    FROM portcullis.key WHERE id = 'vector';
SELECT convert_from(decode(split_part('{token}', '.', 5), 'hex'), 'UTF8') = '{zone}';
ROLLBACK;",
                audience[0], audience[1]
            );
            assert_eq!(stack.direct("shop", &sql), "t\nt\nt\n", "{line}");
        }
    }
}

#[test]
fn tokens_that_are_not_for_this_moment_login_and_database_are_refused() {
    each(stacks(), |stack, database| {
        let other = if database == "shop" { "ported" } else { "shop" };
        let good = token("acme", "shop_acme", database);
        let swap = good.replace("61636d65", "676c6f626578");
        let (head, mac) = good.rsplit_once('.').expect("a dot");
        let flipped = match mac.strip_prefix('0') {
            Some(rest) => format!("1{rest}"),
            None => format!("0{}", &mac[1..]),
        };
        let k1 = key("k1", 7);
        let at = |offset| token_of(&k1, "globex", "shop_acme", database, offset);
        let refused = [
            ("another zone under the same MAC", swap),
            ("one digit of the MAC", format!("{head}.{flipped}")),
            ("no MAC", format!("{head}.")),
            ("the MAC of nothing", format!("{head}.{}", "0".repeat(64))),
            (
                "another secret",
                token_of(&key("k1", 8), "globex", "shop_acme", database, 0),
            ),
            (
                "an unknown key",
                token_of(&key("k9", 7), "globex", "shop_acme", database, 0),
            ),
            ("another login", token("globex", "shop_globex", database)),
            ("another database", token("globex", "shop_acme", other)),
            ("expired", at(-MINUTE - 1)),
            ("not yet valid", at(MINUTE)),
            ("empty", String::new()),
            ("dots", ".....".into()),
            ("quotes", "''; SELECT ''".into()),
            ("very long", good.clone() + &"0".repeat(100_000)),
            ("a version to come", good.replacen("pz1", "pz2", 1)),
            ("not hex", format!("{head}.{}", "zz".repeat(32))),
        ];
        for (what, token) in refused {
            let answer = attempt(
                stack,
                database,
                &format!("BEGIN;\n{}{NOTES}COMMIT;", enter(&token)),
            );
            shows_nothing_of_others(&answer, what);
            assert_eq!(answer.stdout, "\n", "{what}: {answer:?}");
            let state = ["42501", "22023"]
                .iter()
                .any(|state| answer.stderr.contains(state));
            assert!(state, "{what}: {answer:?}");
        }
        let none = format!("BEGIN; SELECT FROM portcullis.enter(NULL); {NOTES} COMMIT;");
        assert_eq!(attempt(stack, database, &none).stdout.trim(), "");
        // Beside them: what is good, a little old, or a little ahead, enters.
        for offset in [0, -MINUTE + 10_000_000, 2_000_000] {
            let token = token_of(&k1, "acme", "shop_acme", database, offset);
            let script = format!("BEGIN;\n{}{NOTES}COMMIT;", enter(&token));
            assert_eq!(
                attempt(stack, database, &script).stdout.trim(),
                "anvil,skates"
            );
        }
    });
}

#[test]
fn zones_of_odd_characters_are_exact() {
    each(stacks(), |stack, database| {
        for zone in [
            "*",
            "a'b\"c\\d",
            "Zürich 日本",
            "portcullis_00",
            "%_",
            " acme",
            "ACME",
            &"z".repeat(200),
        ] {
            let quoted = zone.replace('\'', "''");
            let note = format!("INSERT INTO orders (tenant_id, note) VALUES ('{quoted}', 'odd');");
            let script = format!(
                "BEGIN;\n{}SELECT portcullis.zone() = '{quoted}';{note}{NOTES}ROLLBACK;",
                enter(&token(zone, "shop_acme", database))
            );
            assert_eq!(
                attempt(stack, database, &script).stdout.trim(),
                "t\nodd",
                "{zone}"
            );
        }
    });
}

#[test]
fn the_first_zone_of_a_transaction_stays() {
    each(stacks(), |stack, database| {
        let globex = enter(&token("globex", "shop_acme", database));
        for between in [
            "",
            "SAVEPOINT a;",
            "SET LOCAL search_path = evil;",
            "SET CONSTRAINTS ALL IMMEDIATE;",
        ] {
            let script = format!(
                "BEGIN;\n{}{between}\n{globex}SET search_path = public; {NOTES}COMMIT;",
                acme(database)
            );
            let answer = attempt(stack, database, &script);
            assert!(answer.stderr.contains("in another zone"), "{answer:?}");
            assert_eq!(answer.stdout.trim(), "anvil,skates");
        }
        // Again for the same zone: nothing changes.
        let script = format!("BEGIN;\n{}{}{NOTES}COMMIT;", acme(database), acme(database));
        let answer = attempt(stack, database, &script);
        assert_eq!(
            (answer.stdout.trim(), answer.stderr.as_str()),
            ("anvil,skates", "")
        );
    });
}

/// What the README says about a stolen token: not beside its transaction; after it while it is fresh;
/// and RESET ALL lets it in, unless the key says `once`.
#[test]
fn a_stolen_token_does_what_the_readme_says() {
    each(stacks(), |stack, database| {
        let stolen = token("globex", "shop_acme", database);
        let login = straight(stack, "shop_acme", database);
        let mut owner = Wire::login_with(&login, crate::support::Transport::Plain, &[]);
        fine(&owner.query("BEGIN"));
        fine(&owner.query(&enter(&stolen)));
        let replay = format!("BEGIN;\n{}{NOTES}COMMIT;", enter(&stolen));
        let answer = attempt(stack, database, &replay);
        assert!(answer.stderr.contains("in use"), "{answer:?}");
        shows_nothing_of_others(&answer, "a token in use");
        fine(&owner.query("COMMIT"));
        assert_eq!(
            attempt(stack, database, &replay).stdout.trim(),
            "beta,hammock"
        );
        let again = format!(
            "BEGIN;\n{}RESET ALL;\n{NOTES}{}{NOTES}COMMIT;",
            acme(database),
            enter(&token("globex", "shop_acme", database))
        );
        assert_eq!(attempt(stack, database, &again).stdout, "\nbeta,hammock\n");
    });
}

#[test]
fn a_key_that_says_once_closes_reset_all() {
    static OWN: Shared = Shared::new();
    let stack = OWN.get(options);
    for database in DATABASES {
        stack.direct(database, "UPDATE portcullis.key SET once = true");
        let globex = enter(&token("globex", "shop_acme", database));
        for reset in [
            "RESET ALL;",
            "SAVEPOINT a; RESET ALL;",
            "DO 'begin reset all; end';",
        ] {
            let script = format!(
                "BEGIN;\n{}{NOTES}{reset}\n{globex}{NOTES}COMMIT;",
                acme(database)
            );
            let answer = attempt(&stack, database, &script);
            assert_eq!(answer.stdout, "anvil,skates\n\n", "{answer:?}");
            assert!(answer.stderr.contains("has entered a zone"), "{answer:?}");
        }
        let rolled = format!(
            "BEGIN;\nSAVEPOINT a;\n{}ROLLBACK TO a;\n{globex}{NOTES}COMMIT;",
            acme(database)
        );
        assert_eq!(attempt(&stack, database, &rolled).stdout, "\n");
        // A read-only transaction enters all the same.
        let read = format!("BEGIN READ ONLY;\n{}{NOTES}COMMIT;", acme(database));
        assert_eq!(attempt(&stack, database, &read).stdout, "anvil,skates\n");
    }
}

#[test]
fn keys_change_without_a_gap_and_a_dropped_one_ends() {
    static OWN: Shared = Shared::new();
    let stack = OWN.get(options);
    for database in DATABASES {
        let seen = |key: &Key| {
            let token = token_of(key, "acme", "shop_acme", database, 0);
            attempt(
                &stack,
                database,
                &format!("BEGIN;\n{}{NOTES}COMMIT;", enter(&token)),
            )
            .stdout
        };
        let old = key("k1", 7);
        assert_eq!(seen(&old), "anvil,skates\n");
        let secret = stack.direct(database, "SELECT portcullis.add_key('k2')");
        let bytes: Vec<u8> = (0..32)
            .map(|at| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).expect("hex"))
            .collect();
        let new = Key::new("k2", &bytes).expect("a key");
        // Both live.
        assert_eq!(
            (seen(&old), seen(&new)),
            ("anvil,skates\n".into(), "anvil,skates\n".into())
        );
        stack.direct(database, "SELECT portcullis.retire_key('k1')");
        assert_eq!(seen(&old), "anvil,skates\n", "a token on its way");
        stack.direct(
            database,
            "UPDATE portcullis.key SET not_after = clock_timestamp() WHERE id = 'k1'",
        );
        assert_eq!(
            (seen(&old), seen(&new)),
            ("\n".into(), "anvil,skates\n".into())
        );
        stack.direct(database, "UPDATE portcullis.key SET not_before = clock_timestamp() + '1 h', not_after = NULL WHERE id = 'k1'");
        assert_eq!(seen(&old), "\n");
        assert_eq!(
            stack.direct(database, "SELECT portcullis.drop_key('k2')"),
            "t\n"
        );
        assert_eq!(seen(&new), "\n");
    }
}

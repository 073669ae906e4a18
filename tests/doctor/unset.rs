//! Policies that let everybody through while no zone is set, which is how every pooled connection begins and what a
//! transaction leaves. They are found, whatever the words, and what is printed closes them and nothing else.

use super::common::*;
use crate::support::{self, Login, OnEveryVersion, Stack, StackOptions};

const A: &str = "00000000-0000-0000-0000-00000000000a";
const B: &str = "00000000-0000-0000-0000-00000000000b";

/// A table of each name, with this policy. `OWN`: its column is the parameter's value, `READ`: that value.
const OPEN: [(&str, &str); 11] = [
    (
        "bypassed",
        "current_setting('app.bypass', true) IS DISTINCT FROM 'off' OR OWN",
    ),
    ("coalesced", "coalesce(READ, '') = '' OR OWN"),
    ("empty", "READ = '' OR OWN"),
    (
        "first_of_two",
        "deleted_at IS NULL AND (READ IS NULL OR OWN)",
    ),
    ("is_null", "READ IS NULL OR OWN"),
    (
        "longer",
        "OWN OR note = 'shared' OR length(btrim(coalesce(READ, ''))) = 0",
    ),
    ("not_set", "NOT (READ <> '') OR OWN"),
    ("nullified", "nullif(READ, '') IS NULL OR OWN"),
    (
        "strict",
        "current_setting('app.tenant_id') IN ('', 'none') OR OWN",
    ),
    ("two_in_one", "(READ IS NULL OR READ = '') OR OWN"),
    (
        "uuids",
        "nullif(READ, '')::uuid IS NULL OR tenant_id = nullif(READ, '')::uuid::text",
    ),
];

/// None of these lets through to every zone, or nothing shows that it does.
const CLOSED: [(&str, &str); 9] = [
    ("asked_first", "OWN AND (READ IS NULL OR note = 'shared')"),
    (
        "by_admins",
        "current_setting('app.bypass', true) = 'on' OR OWN",
    ),
    (
        "by_constant",
        "coalesce(nullif(READ, ''), 'nobody') = 'everybody' OR OWN",
    ),
    ("ordinary", "OWN"),
    ("ordinary_too", "note = 'shared' OR OWN"),
    (
        "owned",
        "owner = current_setting('app.owner', true) AND (READ IS NULL OR OWN)",
    ),
    ("public_ones", "(READ IS NULL AND note = 'shared') OR OWN"),
    ("set_first", "READ IS NOT NULL AND READ <> '' AND OWN"),
    ("spied", "spy() IS NOT NULL OR OWN"),
];

static STACKS: OnEveryVersion = OnEveryVersion::new();

fn options() -> StackOptions {
    let mut sql = support::fixture::SQL.to_owned()
        + "\\connect shop\n\
           CREATE FUNCTION spy() RETURNS text LANGUAGE plpgsql \
             AS $$ BEGIN RAISE LOG 'the doctor was here'; RETURN NULL; END $$;\n";
    for (name, using) in OPEN.iter().chain(&CLOSED) {
        let using = using.replace("OWN", "tenant_id = READ");
        let using = using.replace("READ", "current_setting('app.tenant_id', true)");
        sql += &format!(
            "CREATE TABLE {name} (tenant_id text, note text, owner text, deleted_at timestamptz);\n\
             INSERT INTO {name} (tenant_id) VALUES ('{A}'), ('{B}');\n\
             ALTER TABLE {name} ENABLE ROW LEVEL SECURITY;\n\
             CREATE POLICY tenant ON {name} USING ({using});\n\
             GRANT SELECT, INSERT ON {name} TO shop_plain;\n"
        );
    }
    // Half of one, and one that a restrictive policy keeps back.
    sql += "CREATE POLICY written ON ordinary FOR INSERT \
              WITH CHECK (current_setting('app.tenant_id', true) IS NULL OR tenant_id = current_setting('app.tenant_id', true));\n\
            CREATE TABLE walled AS TABLE is_null;\n\
            ALTER TABLE walled ENABLE ROW LEVEL SECURITY;\n\
            CREATE POLICY tenant ON walled USING (current_setting('app.tenant_id', true) IS NULL OR tenant_id = 'x');\n\
            CREATE POLICY wall ON walled AS RESTRICTIVE USING (tenant_id = current_setting('app.tenant_id', true));\n";
    StackOptions {
        sql,
        proxy: false,
        ..StackOptions::default()
    }
}

/// How many zones' rows are seen: where the parameter was never mentioned, and where it is this.
fn seen(stack: &Stack, login: &Login, table: &str, zone: Option<&str>) -> usize {
    let set = zone.map_or_else(String::new, |zone| {
        format!("SET app.tenant_id = '{zone}'; ")
    });
    let said = stack.psql(login, &format!("{set}SELECT tenant_id FROM {table}"));
    // An error shows no row.
    said.stdout.lines().count()
}

#[test]
fn policies_that_open_while_no_zone_is_set_are_found_and_closed() {
    for stack in STACKS.get(options) {
        let (boss, plain) = (superuser(&stack), direct(&stack, "shop_plain"));
        let unset = |table: &str| {
            [None, Some("")]
                .map(|zone| seen(&stack, &plain, table, zone))
                .into_iter()
                .max()
        };
        for (table, _) in OPEN {
            assert_eq!(unset(table), Some(2), "{table}");
        }
        let written = "INSERT INTO ordinary VALUES ('of another')";
        assert_eq!(stack.psql(&plain, written).status, 0);
        let report = examined(&boss, &["--read-only"]);
        let mut expected: Vec<String> = OPEN
            .iter()
            .map(|(table, _)| format!("tenant on public.{table}"))
            .collect();
        expected.push("written on public.ordinary".to_owned());
        expected.sort_by_key(|shown| shown.rsplit('.').next().map(str::to_owned));
        assert_eq!(objects(&report, "policy-open"), expected);
        let texts: Vec<&str> = found(&report, "policy-open")
            .into_iter()
            .filter_map(|finding| finding["text"].as_str())
            .collect();
        for text in &texts {
            let words = match text.contains("written on") {
                true => " lets everybody write into every zone while none is set: WITH CHECK (",
                false => " lets everybody through to every zone while none is set: USING (",
            };
            assert!(text.contains(words), "{text}");
        }
        assert!(found(&report, "not-seen").is_empty(), "{report}");

        let sql = doctor(&boss, &["--read-only", "--sql"]).stdout;
        stack.direct("shop", &sql);
        assert_eq!(
            objects(&examined(&boss, &["--read-only"]), "policy-open"),
            [""; 0]
        );
        for (table, _) in OPEN {
            assert_eq!(unset(table), Some(0), "{table}");
            assert_eq!(seen(&stack, &plain, table, Some(A)), 1, "{table}");
        }
        assert_ne!(stack.psql(&plain, written).status, 0);
        // What stood beside the alternative still stands.
        let using = |table: &str| {
            let sql = format!(
                "SELECT pg_get_expr(polqual, polrelid) FROM pg_policy WHERE polrelid = '{table}'::regclass"
            );
            stack.direct("shop", &sql)
        };
        let own = "(tenant_id = current_setting('app.tenant_id'::text, true))";
        assert_eq!(
            using("first_of_two"),
            format!("((deleted_at IS NULL) AND {own})\n")
        );
        assert_eq!(
            using("longer"),
            format!("({own} OR (note = 'shared'::text))\n")
        );
        assert_eq!(using("is_null"), format!("{own}\n"));
    }
}

/// What a policy calls runs with the rights of whoever asks, and nobody knows what it does.
#[test]
fn nothing_that_a_policy_calls_is_called() {
    for stack in STACKS.get(options) {
        let boss = superuser(&stack);
        doctor(&boss, &["--read-only"]);
        doctor(&direct(&stack, "shop_plain"), &[]);
        assert!(!stack.cluster.server.log().contains("the doctor was here"));
        stack.psql(&boss, "SELECT spy()").ok();
        support::process::wait_until("it would be told", || {
            stack.cluster.server.log().contains("the doctor was here")
        });
    }
}

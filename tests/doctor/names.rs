//! Hostile names: what is printed is one line, does what it says and nothing else, and mends. And long lists.

use super::common::*;
use crate::support::{self, NEW, OLD, Stack, StackOptions};

/// Quotes, blanks, line ends, a bell, a right-to-left mark, a comma, upper case, backslashes, SQL.
const SQL: &str = r#"
CREATE ROLE "a, b" LOGIN;
CREATE ROLE U&"line\000aend \\" LOGIN IN ROLE migrator;
CREATE ROLE "Upper ""Case""" LOGIN BYPASSRLS;
CREATE ROLE U&"bell\0007" LOGIN;
ALTER ROLE U&"bell\0007" SET app.tenant_id = 'x';
CREATE ROLE "long 123456789 123456789 123456789 123456789 123456789 12345" LOGIN;

\connect shop
CREATE SCHEMA U&"S\000a\\! ""x""";
GRANT USAGE, CREATE ON SCHEMA U&"S\000a\\! ""x""" TO PUBLIC;
CREATE TABLE U&"S\000a\\! ""x"""."order" (tenant_id text);
CREATE TABLE U&"S\000a\\! ""x""".U&"T'; DROP TABLE orders; --\202e" (tenant_id text, U&"new\000aline" serial);
ALTER TABLE U&"S\000a\\! ""x""".U&"T'; DROP TABLE orders; --\202e" OWNER TO "a, b";
CREATE TABLE U&"tab\0009le" (tenant_id text);
ALTER TABLE U&"tab\0009le" ENABLE ROW LEVEL SECURITY;
CREATE POLICY U&"pol\000dicy" ON U&"tab\0009le" USING (true);
ALTER TABLE U&"tab\0009le" OWNER TO "a, b";
CREATE TABLE of_long (tenant_id text);
ALTER TABLE of_long OWNER TO "long 123456789 123456789 123456789 123456789 123456789 12345";
CREATE TYPE U&"S\000a\\! ""x""".U&"ty\000ape" AS (a int);
CREATE FUNCTION U&"S\000a\\! ""x""".U&"f\000a"(a U&"S\000a\\! ""x""".U&"ty\000ape", "B" text DEFAULT 'x''')
    RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION U&"S\000a\\! ""x""".U&"i\202e\000a"(a U&"S\000a\\! ""x""".U&"ty\000ape") RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT current_setting('app.tenant_id', true) $$;
CREATE POLICY kept ON U&"tab\0009le" FOR DELETE USING (tenant_id = U&"S\000a\\! ""x""".U&"i\202e\000a"(NULL));
CREATE FUNCTION pathed() RETURNS int SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION pathed() SET search_path = U&"S\000a\\! ""x""", "A,b";
CREATE VIEW U&"v\000a" AS SELECT * FROM orders;
GRANT SELECT ON U&"v\000a" TO U&"line\000aend \\";
CREATE MATERIALIZED VIEW U&"m\000a" AS SELECT tenant_id FROM orders;
GRANT SELECT ON U&"m\000a" TO U&"line\000aend \\", PUBLIC;
"#;

/// The statements behind `fix`, as somebody would copy them from the screen.
fn fixes(screen: &str) -> Vec<String> {
    let fixes = screen.lines();
    let fixes = fixes.filter_map(|line| line.strip_prefix("         fix  "));
    let fixes = fixes.map(|fix| fix.split("   (and ").next().unwrap_or(fix));
    let statements = fixes.filter(|fix| fix.ends_with(';'));
    statements.map(str::to_owned).collect()
}

#[test]
fn statements_with_hostile_names_are_right_and_safe_to_paste() {
    for (version, pooler) in [OLD, NEW] {
        let stack = Stack::start(StackOptions {
            version,
            pooler,
            proxy: false,
            sql: format!("{}{SQL}", support::fixture::SQL),
            ..StackOptions::default()
        });
        let boss = superuser(&stack);
        let report = examined(&boss, &["--read-only"]);
        let expected = set(&[
            "default-zone",
            "definer-search-path",
            "definer-temp-schema",
            "login-bypassrls",
            "login-owns-tables",
            "login-superuser",
            "owner-not-bound",
            "policy-immutable-function",
            "policy-open",
            "public-connect",
            "public-create",
            "public-execute",
            "relation-unprotected",
            "table-without-policy",
            "view-owner-rights",
        ]);
        assert_eq!(ids(&report, "open"), expected, "{version:?}: {report}");
        let screen = doctor(&boss, &["--read-only"]).stdout;
        let script = doctor(&boss, &["--read-only", "--sql"]).stdout;
        for text in [&screen, &script] {
            let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(obeyed), "{text:?}");
        }
        let printed: Vec<&str> = script
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with("-- "))
            .collect();
        let findings = report["findings"].as_array().expect("findings");
        let sql = findings
            .iter()
            .flat_map(|finding| finding["sql"].as_array().expect("statements"));
        let sql: Vec<String> = sql
            .map(|statement| format!("{};", statement.as_str().expect("a statement")))
            .collect();
        assert_eq!(printed, sql, "one line for each");
        let on_screen = fixes(&screen);
        assert!(on_screen.len() > 8, "{screen}");
        for fix in on_screen {
            assert!(sql.contains(&fix), "{fix}\n{script}");
        }
        stack.direct("shop", &script);
        let report = examined(&boss, &["--read-only"]);
        // The owner whose name leaves no room for another is mended by hand.
        assert_eq!(
            ids(&report, "open"),
            set(&["login-owns-tables", "login-superuser"]),
            "{version:?}: {report}"
        );
        assert_eq!(objects(&report, "login-owns-tables"), ["public.of_long"]);
        assert_eq!(stack.direct("shop", "SELECT count(*) FROM orders"), "5\n");
    }
}

/// However many there are: the screen stays a screen.
#[test]
fn long_lists_are_cut() {
    let mut sql = support::fixture::SQL.to_owned() + "\\connect shop\n";
    let long = ["tenant_id = 'x'"; 40].join(" OR ");
    for at in 0..40 {
        sql += &format!(
            "CREATE TABLE many_{at:02} (tenant_id text); ALTER TABLE many_{at:02} ENABLE ROW LEVEL SECURITY;\n\
             CREATE POLICY any_{at:02} ON many_{at:02} USING (true OR {long});\n\
             CREATE TABLE bare_{at:02} (tenant_id text); CREATE ROLE boss_{at:02} LOGIN SUPERUSER;\n",
        );
    }
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql,
        ..StackOptions::default()
    });
    let screen = doctor(&superuser(&stack), &["--read-only"]).stdout;
    for line in [
        "40 tables have tenant_id and no row-level security: public.bare_00, public.bare_01, public.bare_02 and 37 more\n",
        "OPEN   and 35 more of policy-open: --json\n",
        "OPEN   and 36 more of login-superuser: --json\n",
    ] {
        assert!(screen.contains(line), "{line}{screen}");
    }
    assert!(screen.lines().count() < 70, "{screen}");
    assert!(
        screen.lines().all(|line| line.chars().count() < 500),
        "{screen}"
    );
    let report = examined(&superuser(&stack), &["--read-only"]);
    assert_eq!(objects(&report, "policy-open").len(), 40, "JSON has all");
}

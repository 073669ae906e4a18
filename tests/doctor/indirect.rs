//! Holes one step away: by SET ROLE, by a grant to one role, by a function that a policy calls. Each is shown, found,
//! and closed by what is printed.

use serde_json::Value;

use super::common::*;
use crate::support::{self, OnEveryVersion, StackOptions, User, password};

const SQL: &str = r#"
CREATE ROLE keeper NOLOGIN;
CREATE ROLE pair NOLOGIN;
CREATE ROLE apps NOLOGIN;
CREATE ROLE nobodys NOLOGIN;
GRANT keeper TO lodger;
GRANT pair TO lodger, shop_globex;
GRANT apps TO shop_globex;

\connect shop
CREATE TABLE vault (tenant_id text);
CREATE TABLE shelf (tenant_id text);
INSERT INTO vault VALUES ('acme'), ('globex');
ALTER TABLE vault ENABLE ROW LEVEL SECURITY;
ALTER TABLE shelf ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON vault USING (tenant_id = current_setting('app.tenant_id', true));
CREATE POLICY tenant ON shelf USING (tenant_id = current_setting('app.tenant_id', true));
GRANT SELECT ON vault TO lodger;
ALTER TABLE vault OWNER TO keeper;
ALTER TABLE shelf OWNER TO pair;

CREATE FUNCTION enters(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', t, false) $$;
CREATE FUNCTION enters_too(t text) RETURNS void LANGUAGE plpgsql
    AS $$ BEGIN EXECUTE format('SET app.tenant_id = %L', t); END $$;
CREATE FUNCTION for_all(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', t, false) $$;
GRANT EXECUTE ON FUNCTION for_all(text) TO apps;
CREATE FUNCTION its_owners(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', t, false) $$;
CREATE FUNCTION for_nobody(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', t, false) $$;
CREATE FUNCTION for_boss(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('app.tenant_id', t, false) $$;
CREATE FUNCTION of_another(t text) RETURNS text LANGUAGE sql AS $$ SELECT set_config('work_mem', t, false) $$;
CREATE FUNCTION on_change() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN PERFORM set_config('app.tenant_id', 'x', true); RETURN NEW; END $$;
REVOKE EXECUTE ON FUNCTION enters, enters_too, its_owners, for_nobody, for_boss, of_another, on_change FROM PUBLIC;
GRANT EXECUTE ON FUNCTION enters TO apps;
GRANT EXECUTE ON FUNCTION enters_too TO lodger, apps;
ALTER FUNCTION its_owners OWNER TO shop_globex;
GRANT EXECUTE ON FUNCTION for_nobody TO nobodys;
GRANT EXECUTE ON FUNCTION for_boss TO boss;
GRANT EXECUTE ON FUNCTION of_another, on_change TO apps;
"#;

static STACKS: OnEveryVersion = OnEveryVersion::new();

fn options() -> StackOptions {
    let user = |name: &str, attributes: &str| User {
        attributes: attributes.into(),
        ..User::new(name, &password(name))
    };
    StackOptions {
        sql: format!("{}{SQL}", support::fixture::SQL),
        users: vec![user("lodger", "NOINHERIT"), user("boss", "SUPERUSER")],
        proxy: false,
        ..StackOptions::default()
    }
}

/// The finding of this kind that is about exactly these.
fn finding<'r>(report: &'r Value, id: &str, about: &[&str]) -> Option<&'r Value> {
    let about = serde_json::json!(about);
    let mut found = found(report, id).into_iter();
    found.find(|finding| finding["id"] == id && finding["objects"] == about)
}

fn statements(finding: &Value) -> String {
    let sql = finding["sql"].as_array().expect("statements").iter();
    let sql = sql.map(|statement| statement.as_str().expect("a text").to_owned() + ";");
    sql.collect()
}

#[test]
fn who_may_set_role_to_an_owner_is_told_and_bound() {
    for stack in STACKS.get(options) {
        let (boss, lodger) = (superuser(&stack), direct(&stack, "lodger"));
        let count = "SET app.tenant_id = 'acme'; SELECT count(*) FROM vault;";
        let script = format!("{count} SET ROLE keeper; SELECT count(*) FROM vault");
        assert_eq!(stack.psql(&lodger, &script).ok(), "1\n2\n");
        // From PostgreSQL 16 on it may be a member that can do nothing, or grant itself what it needs.
        let report = examined(&boss, &["--read-only"]);
        let version = report["server"]["postgresql"].as_str().expect("a version");
        let mut who = "lodger (by SET ROLE keeper) owns";
        if !version.starts_with("15.") {
            stack.direct(
                "shop",
                "GRANT keeper TO shop_acme WITH INHERIT FALSE, SET FALSE; \
                 GRANT keeper TO migrator WITH INHERIT FALSE, SET FALSE, ADMIN TRUE",
            );
            who = "lodger, migrator (by SET ROLE keeper) own";
        }
        let report = examined(&boss, &["--read-only"]);
        let unbound = finding(&report, "owner-not-bound", &["public.vault"]);
        let unbound = unbound.unwrap_or_else(|| panic!("{version}: {report}"));
        let text = format!("{who} 1 table: row-level security does not bind that role");
        assert_eq!(unbound["text"], text, "{version}");
        let mixed = finding(&report, "owner-not-bound", &["public.shelf"]);
        let text = "lodger, shop_globex (by membership in pair or SET ROLE) own 1 table: row-level security does not bind it";
        assert_eq!(mixed.expect("a finding")["text"], text, "{version}");
        let owns = finding(&report, "login-owns-tables", &["public.vault"]).expect("a finding");

        stack.direct("shop", &statements(unbound));
        assert_eq!(stack.psql(&lodger, &script).ok(), "1\n1\n", "{version}");
        stack.direct("shop", &statements(owns));
        let refused = stack.psql(&lodger, "SET ROLE keeper");
        refused.refused("permission denied to set role");
        let report = examined(&boss, &["--read-only"]);
        for id in ["owner-not-bound", "login-owns-tables"] {
            assert!(!objects(&report, id).contains(&"public.vault".into()));
        }
    }
}

#[test]
fn what_sets_the_zone_for_some_is_told_and_taken_from_them() {
    for stack in STACKS.get(options) {
        let (boss, globex) = (superuser(&stack), direct(&stack, "shop_globex"));
        let entered = "SELECT enters('acme'); SELECT count(*) FROM orders";
        assert_eq!(stack.psql(&globex, entered).ok(), "acme\n3\n");
        let report = examined(&boss, &["--read-only"]);
        let for_some = [
            "public.enters(text)",
            "public.enters_too(text)",
            "public.for_all(text)",
        ];
        let granted = finding(&report, "function-may-set-zone", &for_some);
        let granted = granted.unwrap_or_else(|| panic!("{report}"));
        assert_eq!(
            granted["text"],
            format!(
                "3 functions that logins may call by a grant to apps, lodger may set app.tenant_id inside: {}",
                for_some.join(", ")
            )
        );
        let for_all = finding(&report, "function-may-set-zone", &["public.for_all(text)"]);
        let for_all = for_all.expect("what everybody may call is a finding of its own");

        stack.direct("shop", &(statements(granted) + &statements(for_all)));
        let refused = stack.psql(&globex, entered);
        refused.refused("permission denied for function enters");
        let report = examined(&boss, &["--read-only"]);
        assert_eq!(objects(&report, "function-may-set-zone"), [""; 0]);
    }
}

const WRAPPERS: &str = r#"
\connect shop
CREATE FUNCTION in_sql() RETURNS text STABLE LANGUAGE sql AS $$ SELECT current_setting('app.tenant_id', true) $$;
CREATE FUNCTION in_plpgsql() RETURNS text STABLE LANGUAGE plpgsql
    AS $$ BEGIN RETURN pg_catalog.current_setting ( 'App.Tenant_ID'::text, true); END $$;
CREATE FUNCTION in_standard_sql() RETURNS text STABLE LANGUAGE sql RETURN current_setting('app.tenant_id', true);
CREATE FUNCTION constant() RETURNS text STABLE LANGUAGE plpgsql AS $$ BEGIN
    -- current_setting('app.tenant_id', true)
    RETURN 'current_setting(''app.tenant_id'')'; END $$;
CREATE FUNCTION of_another() RETURNS text STABLE LANGUAGE sql AS $$ SELECT current_setting('work_mem') $$;
DROP POLICY tenant ON orders;
CREATE POLICY by_sql ON orders FOR SELECT USING (tenant_id = (SELECT in_sql()));
CREATE POLICY by_plpgsql ON orders FOR UPDATE USING (tenant_id = in_plpgsql());
CREATE POLICY by_standard_sql ON orders FOR INSERT WITH CHECK (tenant_id = in_standard_sql());
CREATE TABLE quiet (tenant_id text);
ALTER TABLE quiet ENABLE ROW LEVEL SECURITY;
CREATE POLICY quiet ON quiet USING (tenant_id IN (constant(), of_another(), current_user));

\connect app
CREATE FUNCTION customer() RETURNS text STABLE LANGUAGE sql RETURN current_setting('app.customer_id', true);
CREATE TABLE letters (customer_id text);
ALTER TABLE letters ENABLE ROW LEVEL SECURITY;
CREATE POLICY customer ON letters USING (customer_id = customer());
"#;

static WRAPPED: OnEveryVersion = OnEveryVersion::new();

fn wrapped() -> StackOptions {
    StackOptions {
        sql: format!("{}{WRAPPERS}", support::fixture::SQL),
        proxy: false,
        ..StackOptions::default()
    }
}

#[test]
fn policies_that_read_by_a_function_what_everybody_can_set_are_told() {
    for stack in WRAPPED.get(wrapped) {
        // The policy's function says whatever the client's SET says.
        let acme = direct(&stack, "shop_acme");
        let script = "SET app.tenant_id = 'globex'; SELECT count(*) FROM orders";
        assert_eq!(stack.psql(&acme, script).ok(), "2\n");
        let mut boss = superuser(&stack);
        let report = examined(&boss, &["--read-only"]);
        let called = [
            "by_plpgsql on public.orders",
            "by_sql on public.orders",
            "by_standard_sql on public.orders",
        ];
        assert_eq!(objects(&report, "policy-unsigned"), called);
        let text = found(&report, "policy-unsigned")[0]["text"].as_str();
        let text = text.expect("a text");
        assert!(text.starts_with("3 policies read "), "{text}");
        assert!(text.contains("app.tenant_id"), "{text}");
        assert!(found(&report, "not-seen").is_empty(), "{report}");
        // A parameter that nothing but a body without a source names.
        boss.database = "app".to_owned();
        let report = examined(&boss, &["--read-only"]);
        assert_eq!(
            report["zone"]["parameters"],
            serde_json::json!(["app.customer_id"])
        );
        assert_eq!(
            found(&report, "policy-unsigned")[0]["text"],
            "1 policy reads app.customer_id, which every SQL statement can set"
        );
        // Of another parameter that was asked for nothing is said.
        let other = ["--read-only", "--zone-parameter", "app.other"];
        assert!(found(&examined(&boss, &other), "policy-unsigned").is_empty());
    }
}

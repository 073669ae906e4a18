//! Functions that are declared IMMUTABLE and read a parameter: a plan that is kept has the zone of whoever
//! planned it. They are found, the worst first, and the SQL that is printed mends them.

use super::common::*;
use crate::support::{self, OnEveryVersion, Stack, StackOptions};

const IDS: [&str; 2] = ["policy-immutable-function", "immutable-reads-parameter"];

const SQL: &str = r#"
\connect shop
CREATE FUNCTION zone_now() RETURNS text IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN RETURN current_setting('app.tenant_id', true); END $$;
DROP POLICY tenant ON orders;
CREATE POLICY tenant ON orders USING (tenant_id = zone_now());
CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM orders); END $$;

CREATE TABLE lines (tenant_id text);
ALTER TABLE lines ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION zone_atomic() RETURNS text IMMUTABLE LANGUAGE sql RETURN current_setting('app.tenant_id', true);
CREATE FUNCTION zone_block() RETURNS text IMMUTABLE LANGUAGE sql
    BEGIN ATOMIC SELECT current_setting('app.tenant_id', true); END;
CREATE FUNCTION zone_in_c(text, bool) RETURNS text IMMUTABLE LANGUAGE internal AS 'show_config_by_name_missing_ok';
CREATE FUNCTION "Zone, ""Of"""(a int, "B" text DEFAULT 'app.tenant_id') RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT current_setting("B", true) $$;
CREATE POLICY atomic ON lines FOR SELECT USING (tenant_id = (SELECT zone_atomic()));
CREATE POLICY block ON lines FOR INSERT WITH CHECK (tenant_id = zone_block());
CREATE POLICY of_c ON lines FOR DELETE USING (tenant_id = zone_in_c('app.tenant_id', true));
CREATE POLICY odd ON lines FOR UPDATE USING (tenant_id = "Zone, ""Of"""(1));

CREATE FUNCTION by_settings() RETURNS text IMMUTABLE LANGUAGE sql
    AS $$ SELECT setting FROM pg_settings WHERE name = 'app.tenant_id' $$;
CREATE FUNCTION by_text(q text) RETURNS text IMMUTABLE LANGUAGE plpgsql
    AS $$ DECLARE x text; BEGIN EXECUTE 'SELECT current_setting($1, true)' INTO x USING q; RETURN x; END $$;
REVOKE EXECUTE ON FUNCTION by_text(text) FROM PUBLIC;
CREATE FUNCTION by_token() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN portcullis.zone(); END $$;

CREATE TABLE quiet (tenant_id text);
ALTER TABLE quiet ENABLE ROW LEVEL SECURITY;
CREATE FUNCTION zone_stable() RETURNS text STABLE LANGUAGE sql AS $$ SELECT current_setting('app.tenant_id', true) $$;
CREATE FUNCTION zone_volatile() RETURNS text LANGUAGE sql RETURN current_setting('app.tenant_id', true);
CREATE FUNCTION constant() RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN
    -- current_setting('app.tenant_id')
    /* pg_settings */
    RETURN 'current_setting(''app.tenant_id'')'; END $$;
CREATE FUNCTION plain(t text DEFAULT current_setting('app.tenant_id', true)) RETURNS text IMMUTABLE LANGUAGE sql
    RETURN lower(t);
CREATE FUNCTION of_an_extension() RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT current_setting('app.x', true) $$;
ALTER EXTENSION plpgsql ADD FUNCTION of_an_extension();
CREATE FUNCTION on_change() RETURNS trigger IMMUTABLE LANGUAGE plpgsql
    AS $$ BEGIN NEW.tenant_id = current_setting('app.tenant_id', true); RETURN NEW; END $$;
CREATE POLICY quiet ON quiet USING (tenant_id IN (zone_stable(), zone_volatile(), constant(), plain(), of_an_extension()));
"#;

static STACKS: OnEveryVersion = OnEveryVersion::new();

fn declared() -> StackOptions {
    StackOptions {
        sql: format!("{}{SQL}", support::fixture::SQL),
        pool_size: 1,
        proxy: false,
        ..StackOptions::default()
    }
}

/// The signed level does not keep it: what is in the plan is not asked for.
#[test]
fn a_wrapper_of_the_signed_zone_is_found_and_mended() {
    let kit = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/sql/zone.sql");
    let sql = format!(
        "{}\\connect shop\n\\i {kit}\n\
         CREATE FUNCTION zone_of_ours() RETURNS text IMMUTABLE LANGUAGE sql RETURN portcullis.zone();\n\
         ALTER POLICY tenant ON orders USING (tenant_id = zone_of_ours());\n\
         CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN RETURN (SELECT count(*) FROM orders); END $$;\n\
         GRANT SET ON PARAMETER backtrace_functions TO shop_acme;",
        support::fixture::SQL
    );
    let stack = Stack::start(StackOptions {
        proxy: false,
        sql,
        ..StackOptions::default()
    });
    // The mark of each zone, by one who may set it, in the place of two tokens.
    let counts = || {
        let entered = |zone: &str| {
            format!(
                "BEGIN; SELECT set_config('backtrace_functions', 'portcullis_' || encode('{zone}', 'hex'), true) IS NULL; \
                 SELECT counted(); COMMIT;"
            )
        };
        let script = entered("acme") + &entered("globex");
        stack.psql(&direct(&stack, "shop_acme"), &script).ok()
    };
    assert_eq!(counts(), "f\n3\nf\n3\n", "globex has two: the hole is one");
    let report = examined(&superuser(&stack), &["--read-only"]);
    assert_eq!(objects(&report, IDS[0]), ["public.zone_of_ours()"]);
    let mend = &found(&report, IDS[0])[0]["sql"][0];
    stack.direct("shop", mend.as_str().expect("a statement"));
    let report = examined(&superuser(&stack), &["--read-only"]);
    assert!(found(&report, IDS[0]).is_empty(), "{report}");
    assert_eq!(counts(), "f\n3\nf\n2\n");
}

/// What two clients with the same plan see, one behind the other on one server connection.
fn counts(stack: &Stack) -> [String; 2] {
    let login = stack.login_at(stack.transaction_port, "shop_acme", "shop");
    ["acme", "globex"].map(|zone| {
        let script =
            format!("BEGIN; SET LOCAL app.tenant_id = '{zone}'; SELECT counted(); COMMIT;");
        stack.psql(&login, &script).ok().trim().to_owned()
    })
}

#[test]
fn what_is_immutable_and_reads_a_parameter_is_found_and_mended() {
    for stack in STACKS.get(declared) {
        assert_eq!(
            counts(&stack),
            ["3", "3"],
            "globex has two: the hole is one"
        );
        let boss = superuser(&stack);
        let report = examined(&boss, &["--read-only"]);
        let version = &report["server"]["postgresql"];
        let called = [
            "public.\"Zone, \"\"Of\"\"\"(integer, text)",
            "public.zone_atomic()",
            "public.zone_block()",
            "public.zone_in_c(text, boolean)",
            "public.zone_now()",
        ];
        assert_eq!(
            objects(&report, "policy-immutable-function"),
            called,
            "{version}"
        );
        let others = [
            "public.by_settings()",
            "public.by_text(text)",
            "public.by_token()",
        ];
        assert_eq!(
            objects(&report, "immutable-reads-parameter"),
            others,
            "{version}"
        );
        let finding = found(&report, "policy-immutable-function")[0];
        assert_eq!(finding["word"], "open");
        assert_eq!(finding["closed_by_portcullis"], false);
        assert_eq!(finding["sql"][4], "ALTER FUNCTION public.zone_now() STABLE");
        assert_eq!(
            found(&report, "immutable-reads-parameter")[0]["word"],
            "note"
        );
        assert!(found(&report, "not-seen").is_empty(), "{version}: {report}");
        let screen = doctor(&boss, &["--read-only"]).stdout;
        for line in [
            "OPEN   5 functions of policies declared IMMUTABLE, but a parameter is read inside",
            "note   3 functions declared IMMUTABLE, but a parameter is read inside",
        ] {
            assert!(screen.contains(line), "{screen}");
        }

        // Not the other statements: some revoke what the clients need here.
        let printed = doctor(&boss, &["--read-only", "--sql"]).stdout;
        let mended: Vec<&str> = printed
            .lines()
            .filter(|line| line.starts_with("ALTER FUNCTION ") && line.ends_with(" STABLE;"))
            .collect();
        assert_eq!(mended.len(), called.len() + others.len(), "{printed}");
        stack.direct("shop", &mended.join("\n"));
        let report = examined(&boss, &["--read-only"]);
        for id in IDS {
            assert!(found(&report, id).is_empty(), "{version}: {report}");
            let fine = report["fine"].as_array().expect("a list");
            assert!(fine.contains(&id.into()), "{version}: {report}");
        }
        assert_eq!(counts(&stack), ["3", "2"], "{version}");
    }
}

/// They need no superuser to be found.
#[test]
fn every_login_finds_them() {
    let stack = Stack::start(declared());
    let report = examined(&direct(&stack, "shop_acme"), &["--read-only"]);
    assert_eq!(objects(&report, IDS[0]).len(), 5, "{report}");
    assert_eq!(objects(&report, IDS[1]).len(), 3, "{report}");
}

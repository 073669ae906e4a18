//! `[guards.ID]`, and the keys of logins that guards go by.

use super::super::pattern::NamePattern;
use super::*;
use crate::sql::Depth;

/// The problems of the complete file with this at its end.
fn added(text: &str) -> Vec<String> {
    let text = COMPLETE.replace("[migrations]", &format!("{text}\n[migrations]"));
    match parse(&text) {
        Ok((_, warnings)) => warnings.iter().map(line_of).collect(),
        Err(problems) => problems.iter().map(line_of).collect(),
    }
}

/// The policy of the complete file with this at its end.
fn with(text: &str) -> Policy {
    let text = COMPLETE.replace("[migrations]", &format!("{text}\n[migrations]"));
    parse(&text)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .0
}

#[test]
fn a_guard_is_told_by_a_word_or_a_table() {
    let policy = with(
        "[guards.missing-where]\nmode = \"observe\"\n[guards.parameters]\nceilings = { work_mem = \"64MB\" }",
    );
    assert_eq!(policy.mode(Guard::MissingWhere), Mode::Observe);
    assert_eq!(policy.guards[Guard::MissingWhere as usize].line, 26);
    assert_eq!(policy.mode(Guard::Parameters), Mode::Enforce);
    assert_eq!(policy.guards[Guard::Parameters as usize].line, 28);
    assert_eq!(policy.options.parameters.ceilings.len(), 1);
    assert_eq!(
        added("[guards.fast-path]\nmode = \"off\""),
        ["27: guard \"fast-path\" is always enforced | the others stand on it; remove the line"]
    );
    assert_eq!(
        added("[guards.missing-where]\nrelations = []"),
        ["27: unknown key \"guards.missing-where.relations\""]
    );
}

#[test]
fn ceilings_name_a_parameter_that_can_have_one_and_its_unit() {
    let told = |ceiling: &str| added(&format!("[guards.parameters]\nceilings = {{ {ceiling} }}"));
    assert_eq!(
        told("Work_Mem = \"64MB\", max_parallel_workers = 4"),
        [] as [String; 0]
    );
    assert_eq!(
        told("work_men = \"64MB\""),
        ["27: parameter \"work_men\" cannot have a ceiling | did you mean \"work_mem\"?"]
    );
    assert_eq!(
        told("search_path = \"x\""),
        [
            "27: parameter \"search_path\" cannot have a ceiling | [guards.parameters] denied = [...] forbids to set it at all"
        ]
    );
    assert_eq!(
        told("work_mem = 64"),
        ["27: \"64\" is not a ceiling of \"work_mem\" | a number and a unit: B kB MB GB TB"]
    );
    assert_eq!(
        told("statement_timeout = \"0s\""),
        [
            "27: \"0s\" is not a ceiling of \"statement_timeout\" | a number and a unit, more than 0: us ms s min h d"
        ]
    );
    assert_eq!(
        told("work_mem = true"),
        [
            "27: \"guards.parameters.ceilings.work_mem\" must be a string or a whole number, not a boolean"
        ]
    );
}

#[test]
fn lists_are_read_and_checked() {
    let policy = with(
        "[guards.extensions]\napproved = [\"pgcrypto\"]\nremoved = { age = \"gone\" }\n\
         [guards.append-only]\nrelations = \"public.audit\"\n[guards.functions]\nallow = []",
    );
    assert!(policy.options.extensions.is_limited());
    assert_eq!(
        policy.options.append_only,
        [NamePattern::new("public.audit").unwrap()]
    );
    assert_eq!(policy.options.functions, Some(Vec::new()));
    assert_eq!(
        added("[guards.extensions]\nremoved = { age = \"\" }"),
        ["27: the reason is one line of at most 300 bytes"]
    );
    assert_eq!(
        added(
            "[guards.extensions]\napproved = [\"citext\", \"vector\"]\nby_approval = [\"pgvector\", \"age\"]\nremoved = { age = \"gone\" }"
        ),
        [
            "28: extension \"pgvector\" is in both approved and by_approval | approved goes before the other; remove one",
            "29: extension \"age\" is in both by_approval and removed | removed goes before the other; remove one",
        ]
    );
    assert_eq!(
        added("[guards.append-only]\nrelations = [\"a.b.c\"]"),
        [
            "27: \"a.b.c\" is not a name with or without a schema | as PostgreSQL stores it, without quotes: \"public.orders\", \"orders\" or \"audit.*\""
        ]
    );
    // It would fit nothing: PostgreSQL has no such name.
    let [fits, long] = [63, 64].map(|letters| "a".repeat(letters));
    let named = |name: &str| {
        added(&format!(
            "[guards.append-only]\nrelations = [\"public.{name}\"]"
        ))
    };
    assert_eq!(named(&format!("{fits}*")), [""; 0]);
    assert_eq!(
        named(&long),
        [format!(
            "27: PostgreSQL cuts \"{long}\" to 63 bytes | as PostgreSQL stores it: \"{fits}\""
        )]
    );
    assert_eq!(
        added("[guards.append-only]\nrelations = [\"audit.*\"]"),
        [
            "27: every relation that is named without its schema could be meant | name the relations: \"vault.keys\", \"vault.secret_*\""
        ]
    );
    assert_eq!(
        added("[guards.dangerous-functions]\nallow = [\"pg_cancel_backends\"]"),
        [
            "27: function \"pg_cancel_backends\" is not one that this guard refuses | did you mean \"pg_cancel_backend\"?"
        ]
    );
}

#[test]
fn what_is_denied_is_kept_with_the_logins_it_concerns() {
    let policy = with("[guards.denied-relations]\nall = [\"vault.keys\"]\nhuman = [\"cards\"]");
    let denied = |login: &str| policy.logins[login].denied_relations.len();
    assert_eq!(
        (denied("boris"), denied("shop_acme"), denied("migrator")),
        (2, 1, 1)
    );
}

#[test]
fn statements_are_looked_at_closely_only_where_a_guard_asks() {
    let depth = |text: &str| with(text).depth();
    for text in [
        "",
        "[guards.parameters]\nceilings = { work_mem = \"64MB\" }",
        "[guards.extensions]\napproved = []",
        "[guards.append-only]\nrelations = []",
        "[guards.append-only]\nmode = \"off\"\nrelations = [\"audit\"]",
        "[guards.denied-relations]\nhuman = []",
        "[[rule]]\nid = \"x\"\nmessage = \"m\"\nwhen = { tag = \"COPY\" }",
        "rule = \"off\"\n[[rule]]\nid = \"x\"\nmessage = \"m\"\nwhen = { relation = \"t\" }",
    ] {
        assert_eq!(depth(text), Depth::Surface, "{text}");
    }
    for text in [
        "[guards.append-only]\nrelations = [\"audit\"]",
        "[guards.append-only]\nmode = \"observe\"\nrelations = [\"audit\"]",
        "[guards.denied-relations]\nhuman = [\"cards\"]",
        "[guards.functions]\nallow = []",
        "[guards.dangerous-functions]\ndeny = [\"run\"]",
        "[[rule]]\nid = \"x\"\nmessage = \"m\"\nwhen = { relation = \"t\" }",
        "[[rule]]\nid = \"x\"\nmessage = \"m\"\nwhen = { function = \"f\" }",
        "[login.jobs]\nkind = \"service\"\ndatabases = [\"tools\"]\ndenied_relations = [\"t\"]",
    ] {
        assert_eq!(depth(text), Depth::Names, "{text}");
    }
}

#[test]
fn a_login_comes_from_its_networks() {
    let text = COMPLETE.replace(
        "console = \"dba\"",
        "networks = [\"10.20.0.0/16\", \"::1\"]",
    );
    let (policy, _) = parse(&text).unwrap();
    let admits = |login: &str, address: &str| policy.logins[login].admits(address.parse().unwrap());
    assert!(admits("boris", "10.20.3.4") && admits("boris", "::1"));
    assert!(!admits("boris", "10.21.3.4") && !admits("boris", "::2"));
    assert!(admits("shop_acme", "192.0.2.1"));
    assert_eq!(
        told("console = \"dba\"", "networks = []"),
        [
            "19: \"networks\" names no network | networks = [\"10.20.0.0/16\"], or no such key: it may then come from anywhere"
        ]
    );
    assert_eq!(
        told("console = \"dba\"", "networks = [\"10.20.0.0/33\"]"),
        [
            "19: \"10.20.0.0/33\" is not a network | for example \"10.20.0.0/16\", \"2001:db8::/32\" or one address"
        ]
    );
}

#[test]
fn roles_are_named_one_by_one() {
    let text = COMPLETE.replace("console = \"dba\"", "roles = [\"api\"]");
    assert_eq!(
        parse(&text).unwrap().0.logins["boris"].roles,
        ["api".into()]
    );
    for role in ["none", "*"] {
        assert_eq!(
            told("console = \"dba\"", &format!("roles = [\"{role}\"]")),
            [format!(
                "19: \"{role}\" is not a role | name each role; going back to the login itself is always granted"
            )]
        );
    }
}

#[test]
fn temporary_tables_are_named_without_a_schema() {
    let told = |names: &str| {
        added(&format!(
            "[guards.ddl-outside-migration]\ntemporary_tables = {names}"
        ))
    };
    assert_eq!(told("[]"), [""; 0]);
    assert_eq!(told("[\"tmp_*\", \"staging\"]"), [""; 0]);
    assert_eq!(
        told("[\"public.tmp\"]"),
        [
            "27: \"public.tmp\" is not a name without a schema | as in CREATE TEMPORARY TABLE: \"tmp_*\""
        ]
    );
    assert_eq!(told("[\"\"]").len(), 1);
    assert_eq!(
        told("false"),
        [
            "27: \"guards.ddl-outside-migration.temporary_tables\" must be a list of strings, not a boolean"
        ]
    );
    let text = "[guards.ddl-outside-migration]\nmode = \"observe\"\ntemporary_tables = []";
    let policy = with(text);
    assert_eq!(policy.mode(Guard::DdlOutsideMigration), Mode::Observe);
    assert_eq!(policy.options.temporary_tables.as_deref(), Some(&[][..]));
    assert_eq!(with("").options.temporary_tables, None);
}

#[test]
fn what_protects_nothing_is_told() {
    let extensions = |text: &str| added(&format!("[guards.extensions]\n{text}"));
    assert_eq!(
        extensions("approved = [\"pgcrypto\"]\nmin_version = { pgcrypt = \"1.3\" }"),
        ["28: extension \"pgcrypt\" is in min_version only | did you mean \"pgcrypto\"?"]
    );
    assert_eq!(
        extensions("approved = [\"pgcrypto\"]\nmin_version = { age = \"x\" }"),
        [
            "28: extension \"age\" is in min_version only | name it in approved, too: it is refused in every version",
            "28: \"x\" is no version: every number is newer | for example \"1.3\"",
        ]
    );
    for fine in [
        "min_version = { age = \"1.3\" }",
        "approved = [\"vector\"]\nmin_version = { pgvector = \"0.5\" }",
        "approved = []\nby_approval = [\"age\"]\nmin_version = { age = \"1.3\" }",
    ] {
        assert_eq!(extensions(fine), [""; 0], "{fine}");
    }
    let help = "its name alone, as PostgreSQL stores it: \"f\", \"schema.f\" or \"f_*\"";
    for (table, key) in [("dangerous-functions", "deny"), ("functions", "allow")] {
        let named = |name: &str| added(&format!("[guards.{table}]\n{key} = [\"f\", {name}]"));
        for (name, told) in [("\"f()\"", "f()"), ("'x y'", "x y")] {
            let message = format!("27: no function is called \"{told}\" | {help}");
            assert_eq!(named(name), [message], "{name}");
        }
        assert_eq!(named("\"s.f_*\""), [""; 0]);
    }
    let nothing = |line| {
        format!(
            "{line}: guard \"append-only\" names no relation: nothing is append-only | relations = [\"public.audit_events\"]"
        )
    };
    assert_eq!(added("[guards.append-only]"), [nothing(26)]);
    assert_eq!(added("[guards.append-only]\nrelations = []"), [nothing(26)]);
    assert_eq!(added("[guards.append-only]\nrelations = [\"a\"]"), [""; 0]);
}

#[test]
fn what_has_no_effect_on_a_login_is_told() {
    let migrator = "[login.migrator]\nkind = \"migrator\"";
    assert_eq!(
        warned(migrator, &format!("{migrator}\nroles = [\"a\"]")),
        [
            "22: in its session a migrator may act as any role that PostgreSQL lets it | remove roles"
        ]
    );
    assert_eq!(
        warned(
            "databases = [\"tools\"]",
            "databases = [\"tools\", \"shop*\"]"
        ),
        [
            "18: \"shop*\" is one database of that name | name each database: * stands for nothing else here"
        ]
    );
}

//! What a policy file may say, and what each mistake is told.

mod guards;
mod isolation;
mod observing;
mod rules;
mod verdicts;
mod zones;

use std::time::Duration;

use super::file::{ConsoleRole, Kind, Mode, Policy, RouteName};
use super::guards::server_role::Power;
use super::*;
use crate::config::Problem;

const COMPLETE: &str = r#"schema = 1
environment = "production"
mode = "enforce"
[zone]
parameter = "app.Tenant_ID"
protection = "plain"
databases = ["shop"]
noun = "tenant"
[login.shop_acme]
kind = "service"
databases = ["shop", "tools"]
route = "session"
zone = "acme"
server_role = "shop"
max_connections = 200
[login.boris]
kind = "human"
databases = ["tools"]
console = "dba"
[login.migrator]
kind = "migrator"
databases = ["shop"]
[guards]
maintenance = "observe"
copy-file = "off"
[migrations]
max_ttl = "2h"
lock_timeout = "5s"
"#;

fn parse(text: &str) -> Result<(Policy, Vec<Problem>), Vec<Problem>> {
    Policy::parse(text, "policies/production.toml")
}

fn line_of(problem: &Problem) -> String {
    let help = problem
        .help
        .as_ref()
        .map(|help| format!(" | {help}"))
        .unwrap_or_default();
    format!("{}: {}{help}", problem.line, problem.message)
}

/// The problems when `from` of the complete file is replaced: `line: message | help`.
fn told(from: &str, to: &str) -> Vec<String> {
    assert!(COMPLETE.contains(from), "{from}");
    parse(&COMPLETE.replacen(from, to, 1))
        .expect_err(to)
        .iter()
        .map(line_of)
        .collect()
}

/// The warnings of a valid file.
fn warned(from: &str, to: &str) -> Vec<String> {
    assert!(COMPLETE.contains(from), "{from}");
    parse(&COMPLETE.replacen(from, to, 1))
        .expect(to)
        .1
        .iter()
        .map(line_of)
        .collect()
}

#[test]
fn a_complete_file_is_read() {
    let (policy, warnings) = parse(COMPLETE).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(
        (&*policy.file, &*policy.environment),
        ("production.toml", "production")
    );
    let zone = policy.zone.as_ref().unwrap();
    assert_eq!((&*zone.parameter, &*zone.noun), ("app.tenant_id", "tenant"));
    let acme = &policy.logins["shop_acme"];
    assert_eq!(
        (acme.kind, acme.route, acme.line),
        (Kind::Service, RouteName::Session, 9)
    );
    assert_eq!(
        (&acme.zone, acme.server_role.as_deref()),
        (&Some(ZoneSource::Fixed("acme".into())), Some("shop"))
    );
    assert_eq!(acme.max_connections, Some(200));
    let boris = &policy.logins["boris"];
    assert_eq!(
        (boris.kind, boris.route, boris.console),
        (Kind::Human, RouteName::Transaction, Some(ConsoleRole::Dba))
    );
    assert_eq!(policy.logins["migrator"].route, RouteName::Session);
    let setting = |guard: Guard| policy.guards[guard as usize];
    assert_eq!(
        (
            setting(Guard::Maintenance).mode,
            setting(Guard::Maintenance).line
        ),
        (Mode::Observe, 24)
    );
    assert_eq!(
        (setting(Guard::CopyFile).mode, setting(Guard::CopyFile).line),
        (Mode::Off, 25)
    );
    assert_eq!(
        (setting(Guard::FastPath).mode, setting(Guard::FastPath).line),
        (Mode::Enforce, 23)
    );
    assert_eq!(
        (policy.migrations.max_ttl, &*policy.migrations.lock_timeout),
        (Duration::from_secs(7200), "5s")
    );
}

#[test]
fn the_rest_has_defaults() {
    let (policy, _) = parse("schema = 1\nenvironment = \"x\"\nmode = \"enforce\"\n").unwrap();
    assert!(policy.zone.is_none() && policy.logins.is_empty());
    for guard in Guard::ALL {
        let setting = &policy.guards[guard as usize];
        let expected = match guard {
            Guard::MultiStatement => Mode::Off,
            _ => Mode::Enforce,
        };
        assert_eq!(
            (setting.mode, setting.line),
            (expected, 3),
            "{}",
            guard.id()
        );
    }
    assert_eq!(
        (policy.migrations.max_ttl, &*policy.migrations.lock_timeout),
        (Duration::from_secs(14_400), "3s")
    );
}

#[test]
fn the_shipped_policies_warn_of_what_they_do_not_keep_and_of_nothing_else() {
    for (name, text) in [
        (
            "production",
            include_str!("../../../policies/production.toml"),
        ),
        ("staging", include_str!("../../../policies/staging.toml")),
        (
            "development",
            include_str!("../../../policies/development.toml"),
        ),
    ] {
        let (policy, warnings) = Policy::parse(text, name).unwrap();
        assert_eq!(&*policy.environment, name);
        let warned: Vec<&str> = warnings
            .iter()
            .map(|problem| problem.message.split(':').next().unwrap_or_default())
            .collect();
        let relaxed = [
            "guard \"ddl-outside-migration\" only observes",
            "guard \"procedural\" only observes",
            "guard \"server-role\" only observes",
        ];
        match name {
            "development" => assert_eq!(warned, relaxed),
            _ => assert_eq!(warned, [""; 0], "{name}"),
        }
        let observing = policy
            .guards
            .iter()
            .filter(|setting| setting.mode != Mode::Enforce)
            .count();
        let expected = match name {
            "development" => 7,
            _ => 2,
        };
        assert_eq!(observing, expected, "{name}");
    }
}

#[test]
fn unknown_keys_are_told_what_was_meant() {
    assert_eq!(
        told("environment", "enviroment")[1],
        "2: unknown key \"enviroment\" | did you mean \"environment\"?"
    );
    assert_eq!(
        told("noun", "nouns"),
        ["8: unknown key \"zone.nouns\" | did you mean \"noun\"?"]
    );
    assert_eq!(
        told("max_connections", "max_connection"),
        ["15: unknown key \"login.shop_acme.max_connection\" | did you mean \"max_connections\"?"]
    );
    assert_eq!(
        told("maintenance", "maintenancex"),
        ["24: unknown key \"guards.maintenancex\" | did you mean \"maintenance\"?"]
    );
    assert_eq!(
        told("max_ttl", "max_tll"),
        ["27: unknown key \"migrations.max_tll\" | did you mean \"max_ttl\"?"]
    );
    assert_eq!(
        told("maintenance = \"observe\"", "maintenance = \"obsurve\""),
        ["24: \"obsurve\" is not known | did you mean \"observe\"?"]
    );
    assert_eq!(
        told("\"human\"", "\"person\""),
        ["17: \"person\" is not known | one of: service, human, migrator, replication"]
    );
}

#[test]
fn keys_of_later_versions_are_named() {
    let later = |line: u32, key: &str| {
        vec![format!(
            "{line}: \"{key}\" is not supported in this version | remove it"
        )]
    };
    assert_eq!(
        told("console = \"dba\"", "functions = [\"t\"]"),
        later(19, "login.boris.functions")
    );
    assert_eq!(
        told("copy-file = \"off\"", "large-table = \"observe\""),
        later(25, "guards.large-table")
    );
    assert_eq!(
        told("max_ttl = \"2h\"", "approvals = 1"),
        later(27, "migrations.approvals")
    );
    assert_eq!(
        told("max_ttl = \"2h\"", "on_error = \"latch\""),
        later(27, "migrations.on_error")
    );
}

#[test]
fn what_must_be_there_is_told() {
    assert_eq!(
        told("schema = 1\n", "\n"),
        ["0: missing key \"schema\" | schema = 1"]
    );
    assert_eq!(
        told("schema = 1", "schema = 2"),
        ["1: schema 2 is not known to this version | schema = 1"]
    );
    assert_eq!(
        told("environment = \"production\"\n", "\n"),
        ["0: missing key \"environment\" | environment = \"production\""]
    );
    assert_eq!(
        told("parameter = \"app.Tenant_ID\"\n", ""),
        ["4: missing key \"parameter\" in [zone] | parameter = \"app.tenant_id\""]
    );
    assert_eq!(
        told("kind = \"human\"\n", ""),
        ["16: missing key \"kind\" in [login.boris] | kind = \"service\""]
    );
    assert_eq!(
        told("databases = [\"tools\"]\n", ""),
        ["16: missing key \"databases\" in [login.boris] | databases = [\"shop\"]"]
    );
}

#[test]
fn the_zone_parameter_has_a_grammar() {
    let help = "two words with a dot, of letters, digits and _: \"app.tenant_id\"";
    for name in ["tenant", "role", "app.", "app.1x", "app.a b", "a.b;"] {
        assert_eq!(
            told("app.Tenant_ID", name),
            [format!(
                "5: \"{name}\" cannot be the zone parameter | {help}"
            )]
        );
    }
    assert_eq!(
        told("app.Tenant_ID", "Portcullis.zone"),
        [
            "5: \"Portcullis.zone\" cannot be the zone parameter | another name: those that begin with \"portcullis.\" are Portcullis's own"
        ]
    );
    assert_eq!(
        told("\"tenant\"", "\"ten ant\""),
        ["8: \"ten ant\" is not a noun | one word of letters: \"tenant\""]
    );
}

#[test]
fn logins_have_names_of_their_own() {
    let form = "16: login \"migrator.mig_4k7qz2hd\" has the form of a migration session's login | choose another name";
    assert_eq!(
        told("[login.boris]", "[login.\"migrator.mig_4k7qz2hd\"]"),
        [form]
    );
    assert_eq!(
        told("[login.boris]", "[login.\"\"]"),
        ["16: the name of a login must not be empty"]
    );
    assert_eq!(
        told("[login.boris]", "[login.\"a\\tb\"]"),
        ["16: the name of a login must not contain control characters"]
    );
    let long = format!("[login.{}]", "x".repeat(64));
    assert_eq!(
        told("[login.boris]", &long),
        ["16: the name of a login has at most 63 bytes"]
    );
}

#[test]
fn databases_are_named_one_by_one() {
    let reserved = "18: \"portcullis\" is the name of the admin console, not of a database | console = \"viewer\", \"operator\" or \"dba\" grants the console";
    assert_eq!(told("[\"tools\"]", "[\"portcullis\"]"), [reserved]);
    assert_eq!(
        told("[\"tools\"]", "[\"*\"]"),
        ["18: \"*\" would grant every database | name each database"]
    );
    assert_eq!(
        told("[\"tools\"]", "[]"),
        ["18: \"databases\" names no database | databases = [\"shop\"]"]
    );
    assert_eq!(
        told("[\"tools\"]", "[\"a\", \"a\"]"),
        ["18: database \"a\" is named twice"]
    );
    assert_eq!(
        told("[\"tools\"]", "[1]"),
        ["18: \"login.boris.databases\" must be a list of strings, not an integer"]
    );
}

#[test]
fn migrators_are_migrators() {
    assert_eq!(
        told("[guards]", "route = \"transaction\"\n[guards]"),
        ["23: a migrator works on the session route | remove route"]
    );
    assert_eq!(
        told("[guards]", "zone = \"acme\"\n[guards]"),
        ["23: a migrator has no zone: migrations see all rows their role may see | remove zone"]
    );
    let console = "23: a migrator cannot use the console | grant the console to the people who open migration sessions";
    assert_eq!(told("[guards]", "console = \"dba\"\n[guards]"), [console]);
    let allowed = "allow_server_role = [\"owner\"]\n[guards]";
    let why = "23: the server role of a migrator is not looked at | remove allow_server_role";
    assert_eq!(told("[guards]", allowed), [why]);
}

#[test]
fn what_a_server_role_may_be_is_said_in_three_words() {
    let with = |list: &str| format!("allow_server_role = {list}\nconsole = \"dba\"");
    let text = COMPLETE.replacen("console = \"dba\"", &with("[\"owner\", \"bypassrls\"]"), 1);
    let (policy, warnings) = parse(&text).unwrap();
    assert_eq!(warnings, []);
    let allowed = |login: &str| policy.logins[login].allow_server_role.clone();
    assert_eq!(allowed("boris"), [Power::Owner, Power::Bypassrls]);
    assert_eq!(allowed("shop_acme"), []);
    let wrong = told("console = \"dba\"", &with("[\"superusr\"]"));
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].starts_with("19: "), "{wrong:?}");
    assert!(
        wrong[0].ends_with("| did you mean \"superuser\"?"),
        "{wrong:?}"
    );
    assert_eq!(
        told("console = \"dba\"", &with("\"owner\"")).len(),
        1,
        "a list, so that a second word has its place"
    );
}

#[test]
fn some_guards_cannot_be_relaxed() {
    for id in [
        "fast-path",
        "unknown-statement",
        "statement-bounds",
        "unknown-name",
    ] {
        for mode in ["observe", "off"] {
            let told = told("copy-file = \"off\"", &format!("{id} = \"{mode}\""));
            assert_eq!(
                told,
                [format!(
                    "25: guard \"{id}\" is always enforced | the others stand on it; remove the line"
                )]
            );
        }
        assert_eq!(
            warned("copy-file = \"off\"", &format!("{id} = \"enforce\"")),
            [] as [String; 0]
        );
    }
}

#[test]
fn migration_settings_have_bounds() {
    assert_eq!(
        told("\"2h\"", "2"),
        ["27: \"migrations.max_ttl\" needs a unit | write max_ttl = \"2h\" or another unit"]
    );
    assert_eq!(
        told("\"2h\"", "\"1s\""),
        ["27: \"1s\" is out of bounds: 1min to 7d"]
    );
    assert_eq!(
        told("\"5s\"", "\"0s\""),
        ["28: \"0s\" is out of bounds: 1ms to 1h"]
    );
    assert_eq!(
        told("\"5s\"", "\"5 sec\""),
        ["28: \"5 sec\" is not a duration | the units are us ms s min h d"]
    );
}

#[test]
fn zones_and_logins_must_fit() {
    let zone = "[zone]\nparameter = \"app.Tenant_ID\"\nprotection = \"plain\"\ndatabases = [\"shop\"]\nnoun = \"tenant\"\n";
    assert_eq!(
        told(zone, ""),
        [
            "4: login \"shop_acme\" has a zone, but there is no [zone] | [zone] names the parameter that row-level security reads"
        ]
    );
    assert_eq!(
        warned("[\"tools\"]", "[\"tools\", \"shop\"]"),
        [
            "16: login \"boris\" has no tenant and can do nothing on database \"shop\" | give it zone = \"...\""
        ]
    );
    assert_eq!(
        warned(
            "databases = [\"shop\"]\nnoun",
            "databases = [\"shop\", \"other\"]\nnoun"
        ),
        ["7: no login may reach database \"other\" | add it to a login, or remove it here"]
    );
}

#[test]
fn warnings_are_told_beside_errors_and_lines_in_order() {
    let text = COMPLETE.replace("\"acme\"", "\"*\"").replace("\"2h\"", "2");
    let lines: Vec<u32> = parse(&text)
        .unwrap_err()
        .iter()
        .map(|problem| problem.line)
        .collect();
    assert_eq!(lines, [13, 27]);
}

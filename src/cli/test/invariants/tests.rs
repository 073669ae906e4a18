use super::super::tests::tested;
use crate::policy::{Guard, always_enforced};

/// What every guard keeps that can be turned off: one of the names of what is let through without it.
const KEEPS: [(&str, &str); 23] = [
    ("append-only", "DELETE from an append-only relation"),
    ("bulk-export", "more rows than max_rows"),
    ("copy-file", "COPY TO a file"),
    ("copy-program", "COPY TO PROGRAM"),
    ("dangerous-functions", "query_to_xml"),
    ("ddl-outside-migration", "CREATE TABLE"),
    ("denied-relations", "a denied relation"),
    ("extensions", "an extension that is not listed"),
    ("functions", "a function that is not listed"),
    ("human-write", "INSERT by a person"),
    ("lexing-parameters", "standard_conforming_strings"),
    ("maintenance", "VACUUM FULL"),
    ("missing-where", "UPDATE without WHERE"),
    ("parameters", "work_mem above its ceiling"),
    ("phase-expand", "DROP COLUMN in an expand session"),
    ("procedural", "CALL, DO"),
    ("role-change", "SET LOCAL ROLE"),
    ("rule", "what [[rule]] refuses"),
    ("server-role", "a login whose role is a superuser"),
    ("session-state", "LISTEN"),
    ("zone-not-granted", "SET of every zone"),
    ("zone-parameter", "RESET of the zone"),
    ("zone-required", "a table before the zone is set"),
];

#[test]
fn with_each_guard_turned_off_an_invariant_fails_that_names_it() {
    let production = include_str!("../../../../policies/production.toml")
        .replace("missing-where = \"observe\"", "# no more");
    for guard in Guard::ALL {
        let keeps = KEEPS.iter().find(|(id, _)| *id == guard.id());
        let asked = keeps.is_some() || guard.id() == "multi-statement";
        assert_eq!(asked, !always_enforced(guard), "{}", guard.id());
    }
    let (strict, _) = tested(&production, CASE_OF_PRODUCTION, false);
    assert_eq!(strict.code, 0, "{}", strict.stdout);
    let mut wrong = Vec::new();
    for (id, name) in KEEPS {
        for (mode, word) in [("off", "is off"), ("observe", "only observes")] {
            let table = format!("\n[guards.{id}]");
            let lists = LISTS.iter().find(|(guard, _)| *guard == id);
            let policy = match (lists, production.contains(&table)) {
                (Some((_, lists)), _) => {
                    format!("{production}\n[guards.{id}]\nmode = \"{mode}\"\n{lists}\n")
                }
                (None, true) => {
                    production.replace(&table, &format!("{table} \nmode = \"{mode}\" #"))
                }
                (None, false) => {
                    production.replace("# no more", &format!("{id} = \"{mode}\"\n# no more"))
                }
            };
            assert_ne!(policy, production);
            let (answer, _) = tested(&policy, CASE_OF_PRODUCTION, false);
            let told = format!("FAILED p.toml: guard \"{id}\" {word} (line ");
            let mut failed = answer
                .stdout
                .lines()
                .filter(|line| line.starts_with("FAILED "));
            let is_it = failed
                .next()
                .is_some_and(|line| line.starts_with(&told) && line.contains(name));
            // What another guard keeps as well is no failure, and nothing else breaks.
            if !is_it || failed.next().is_some() || answer.code != 1 {
                wrong.push(format!("{id} {mode}: {}", answer.stdout));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What guards are told that production has no lists for.
const LISTS: [(&str, &str); 3] = [
    ("append-only", "relations = [\"public.audit_*\"]"),
    ("denied-relations", "all = [\"cards\"]"),
    ("functions", "allow = [\"f\"]"),
];

const CASE_OF_PRODUCTION: &str = "[[case]]\nname = \"a\"\nlogin = \"shop_report\"\nsql = \"SELECT 1\"\nexpect = { allowed = true }\n";

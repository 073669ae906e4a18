//! Guards that keep zones and the clients of a pool apart, where they do not refuse.

use super::*;

/// The guard, and whether it is missed where there are zones, and where connections are shared.
const KEPT_APART: [(&str, bool, bool); 11] = [
    ("zone-not-granted", true, false),
    ("zone-parameter", true, false),
    ("zone-required", true, false),
    ("server-role", true, false),
    ("role-change", true, true),
    ("lexing-parameters", true, true),
    ("dangerous-functions", true, true),
    ("procedural", true, true),
    ("ddl-outside-migration", true, true),
    ("copy-program", true, false),
    ("session-state", false, true),
];

#[test]
fn a_guard_that_keeps_apart_and_is_not_enforced_is_warned_of_with_its_line() {
    for (id, zones, pool) in KEPT_APART {
        for (mode, word) in [("observe", "only observes"), ("off", "is off")] {
            let told = warned("copy-file = \"off\"", &format!("{id} = \"{mode}\""));
            let [told] = &told[..] else {
                panic!("{id}: {told:?}")
            };
            assert!(
                told.starts_with(&format!("25: guard \"{id}\" {word}: ")),
                "{told}"
            );
            assert_eq!(told.contains("tenant"), zones, "{told}");
            assert!(!told.contains("{noun}"), "{told}");
            let shared = ["next client", "pooled connection"];
            let shared = shared.iter().any(|words| told.contains(words));
            assert_eq!(shared, pool, "{told}");
        }
    }
}

#[test]
fn nobody_is_warned_of_what_there_is_nothing_to_lose_by() {
    let nothing = [] as [String; 0];
    for id in ["missing-where", "extensions", "human-write", "copy-file"] {
        let told = warned("copy-file = \"off\"", &format!("{id} = \"off\""));
        assert_eq!(told, nothing, "{id}");
    }
    // Limits that there are not.
    assert_eq!(
        warned("copy-file = \"off\"", "parameters = \"off\""),
        nothing
    );
    let limits = "parameters = { mode = \"off\", denied = [\"x.y\"] }";
    let told = warned("copy-file = \"off\"", limits);
    assert!(
        told[0].starts_with("25: guard \"parameters\" is off: "),
        "{told:?}"
    );
    // A connection of one's own, and no zone.
    let alone = COMPLETE
        .replace("[zone]\nparameter = \"app.Tenant_ID\"\nprotection = \"plain\"\ndatabases = [\"shop\"]\nnoun = \"tenant\"\n", "")
        .replace("zone = \"acme\"\n", "")
        .replace("kind = \"human\"", "kind = \"human\"\nroute = \"session\"");
    for (id, ..) in KEPT_APART {
        let text = alone.replace("copy-file", id);
        let (_, warnings) = parse(&text).unwrap();
        assert_eq!(warnings, [], "{id}");
    }
}

//! `extensions`: a database has the extensions that somebody answers for, and no older ones.

use std::cmp::Ordering;

use crate::policy::objection::quoted;
use crate::policy::options::Extensions;
use crate::policy::{Objection, State, Who};
use crate::sql::{ExtensionAct, ExtensionTouch, Facts};

/// Objects to extensions that the policy does not approve, to CASCADE, which brings others in
/// unnamed, and to versions older than `min_version`. DROP EXTENSION passes. In migration sessions too.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    let policy = &who.policy.options.extensions;
    facts.statements.iter().find_map(|statement| {
        let objection = statement
            .details
            .extensions
            .iter()
            .find_map(|touch| touched(touch, policy))?;
        Some(objection.at(statement.position))
    })
}

fn touched(touch: &ExtensionTouch, policy: &Extensions) -> Option<Objection> {
    if touch.act == ExtensionAct::Drop {
        return None;
    }
    not_approved(&touch.name, policy)
        .or_else(|| cascade(touch, policy))
        .or_else(|| too_old(touch, policy))
}

fn not_approved(name: &str, policy: &Extensions) -> Option<Objection> {
    if !policy.is_limited() {
        return None;
    }
    let shown = quoted(name);
    let is = |other: &str| same(name, other);
    if let Some((_, why)) = policy.removed.iter().find(|(other, _)| is(other)) {
        return Some(
            Objection::new(format!("extension \"{shown}\" has been removed"))
                .detail(why.trim_end_matches('.'))
                .hint("Do without it"),
        );
    }
    let listed = |list: &[Box<str>]| list.iter().any(|other| is(other));
    if listed(policy.approved.as_deref().unwrap_or_default()) {
        return None;
    }
    if listed(&policy.by_approval) {
        return Some(
            Objection::new(format!("extension \"{shown}\" needs an approval"))
                .hint("Ask a DBA to approve it in the policy"),
        );
    }
    Some(
        Objection::new(format!("extension \"{shown}\" is not approved"))
            .detail("The policy lists the extensions that may be used")
            .hint("Use one of the approved extensions, or ask a DBA to approve this one"),
    )
}

fn cascade(touch: &ExtensionTouch, policy: &Extensions) -> Option<Objection> {
    let cascades = matches!(touch.act, ExtensionAct::Create { cascade: true, .. });
    (cascades && policy.is_limited()).then(|| {
        Objection::new(format!(
            "extension \"{}\" cannot be created with CASCADE",
            quoted(&touch.name)
        ))
        .detail("It would create extensions that the statement does not name")
        .hint("Create the extensions that it needs first, each by its name")
    })
}

fn too_old(touch: &ExtensionTouch, policy: &Extensions) -> Option<Objection> {
    let (ExtensionAct::Create { version, .. } | ExtensionAct::Update { version }) = &touch.act
    else {
        return None;
    };
    let version = version.as_deref()?;
    let (_, least) = policy
        .min_version
        .iter()
        .find(|(other, _)| same(&touch.name, other))?;
    (by_version(version, least) == Ordering::Less).then(|| {
        Objection::new(format!(
            "version \"{}\" of extension \"{}\" is older than {least}",
            quoted(version),
            quoted(&touch.name)
        ))
        .detail("The policy names that as its oldest version")
        .hint("Leave the version out: the server takes its own default")
    })
}

/// Names people use for an extension, and what PostgreSQL calls it.
const ALIASES: [(&str, &str); 2] = [("pgvector", "vector"), ("apache_age", "age")];

/// Do two names mean the same extension? Upper and lower case do not matter: no two differ only there.
pub(in crate::policy) fn same(name: &str, other: &str) -> bool {
    canonical(name).eq_ignore_ascii_case(canonical(other))
}

fn canonical(name: &str) -> &str {
    let alias = ALIASES
        .iter()
        .find(|(alias, _)| name.eq_ignore_ascii_case(alias));
    alias.map_or(name, |(_, name)| name)
}

/// Compares versions: both are cut into runs of digits and of letters, whatever is between them being
/// left out; digits compare as numbers, letters as text, a number comes after letters, and what has
/// more of them is newer: 0.8.1 < 0.10 < 0.10.1, 13.2-1 < 13.10, 1.0beta2 < 1.0.1.
fn by_version(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (parts(a), parts(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(a), Some(b)) => by_part(a, b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn parts(version: &str) -> impl Iterator<Item = &str> {
    version
        .split(|c: char| !c.is_ascii_alphanumeric())
        .flat_map(|word| {
            word.as_bytes()
                .chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit())
        })
        .filter_map(|part| std::str::from_utf8(part).ok())
        .filter(|part| !part.is_empty())
}

fn by_part(a: &str, b: &str) -> Ordering {
    let is_number = |part: &str| part.starts_with(|c: char| c.is_ascii_digit());
    match (is_number(a), is_number(b)) {
        (true, true) => {
            let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;
    use crate::policy::{Guard, Who};
    use crate::sql::{Class, Details, Statement};

    const GUARDS: &str = r#"
[guards.extensions]
approved = ["pgcrypto", "uuid-ossp", "citus"]
by_approval = ["postgis", "pgvector"]
removed = { age = "No longer in our image, see the platform's page." }
min_version = { citus = "13.2-1" }
"#;

    fn touches(name: &str, act: ExtensionAct) -> Facts {
        message(vec![Statement {
            details: Details {
                extensions: Box::new([ExtensionTouch {
                    name: name.into(),
                    act,
                }]),
                ..Details::default()
            },
            ..statement("CREATE EXTENSION", &[Class::Ddl])
        }])
    }

    fn create(name: &str) -> Facts {
        touches(
            name,
            ExtensionAct::Create {
                cascade: false,
                version: None,
            },
        )
    }

    fn update(version: Option<&str>) -> Facts {
        let version = version.map(Into::into);
        touches("citus", ExtensionAct::Update { version })
    }

    fn migrating() -> Who {
        who_under(&policy(GUARDS), "migrator", "shop")
    }

    #[test]
    fn only_approved_extensions_are_created_altered_or_updated() {
        for name in ["pgcrypto", "uuid-ossp", "citus"] {
            assert_allowed(&create(name), &migrating(), OPEN);
        }
        for (name, message) in [
            ("hstore", "extension \"hstore\" is not approved"),
            ("uuid_ossp", "extension \"uuid_ossp\" is not approved"),
            ("postgis", "extension \"postgis\" needs an approval"),
            ("vector", "extension \"vector\" needs an approval"),
            ("age", "extension \"age\" has been removed"),
        ] {
            for act in [
                ExtensionAct::Create {
                    cascade: false,
                    version: None,
                },
                ExtensionAct::Update { version: None },
                ExtensionAct::Alter,
            ] {
                assert_refused(
                    &touches(name, act),
                    &migrating(),
                    OPEN,
                    Guard::Extensions,
                    message,
                );
            }
            assert_allowed(&touches(name, ExtensionAct::Drop), &migrating(), OPEN);
        }
        let refusal = refused(&create("age"), &migrating(), OPEN);
        let why = "No longer in our image, see the platform's page. Login \"migrator\"";
        assert!(refusal.detail.starts_with(why), "{}", refusal.detail);
    }

    #[test]
    fn cascade_names_nothing() {
        let act = || ExtensionAct::Create {
            cascade: true,
            version: None,
        };
        let message = "extension \"citus\" cannot be created with CASCADE";
        assert_refused(
            &touches("citus", act()),
            &migrating(),
            OPEN,
            Guard::Extensions,
            message,
        );
        assert_allowed(&touches("citus", act()), &migrator(), OPEN);
    }

    #[test]
    fn without_a_list_every_extension_may_be_created() {
        assert_allowed(&create("hstore"), &migrator(), OPEN);
        let none = "[guards.extensions]\napproved = []";
        let who = who_under(&policy(none), "migrator", "shop");
        refused(&create("pgcrypto"), &who, OPEN);
    }

    #[test]
    fn nothing_is_downgraded() {
        let message = "version \"13.1-2\" of extension \"citus\" is older than 13.2-1";
        assert_refused(
            &update(Some("13.1-2")),
            &migrating(),
            OPEN,
            Guard::Extensions,
            message,
        );
        for version in [None, Some("13.2-1"), Some("13.10"), Some("14")] {
            assert_allowed(&update(version), &migrating(), OPEN);
        }
    }

    #[test]
    fn outside_a_migration_another_guard_is_first() {
        let refusal = refused(&create("pgcrypto"), &acme(), CLOSED);
        assert_eq!(refusal.guard, Guard::DdlOutsideMigration);
    }

    #[test]
    fn versions_have_an_order() {
        let rising = [
            "0.8", "0.8.1", "0.10", "0.10.1", "1.0beta2", "1.0.1", "13.2-1", "13.2-2", "13.10",
            "20240101",
        ];
        for (at, a) in rising.iter().enumerate() {
            for (other, b) in rising.iter().enumerate() {
                assert_eq!(by_version(a, b), at.cmp(&other), "{a} {b}");
            }
        }
        assert_eq!(by_version("1.02", "1.2"), Ordering::Equal);
        assert_eq!(by_version("1_0", "1.0"), Ordering::Equal);
    }
}

//! What logins of kind replication say beside other logins.

use super::super::file::{Kind, Replicates, RouteName};
use super::super::pattern::{NamePattern, Pattern};
use super::super::zone::ZoneSource;
use super::names::{name, name_pattern, pattern, values};
use crate::config::reader::{Located, Reader, Table};

type List<T> = Option<Located<Vec<Located<T>>>>;

/// The lists of `[login.NAME]`, as they stand there.
pub(super) struct Lists {
    relations: List<NamePattern>,
    slots: List<Pattern>,
    plugins: List<Box<str>>,
    publications: List<Pattern>,
}

/// Takes the lists, whatever the kind of the login is.
pub(super) fn lists(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Lists {
    Lists {
        relations: reader.list(table, "relations", name_pattern),
        slots: reader.list(table, "slots", pattern),
        plugins: reader.list(table, "plugins", |text| {
            name(text, "the name of an output plugin")
        }),
        publications: reader.list(table, "publications", pattern),
    }
}

impl Lists {
    pub(super) fn into_value(self) -> Replicates {
        Replicates {
            relations: values(self.relations).unwrap_or_default(),
            slots: values(self.slots),
            plugins: values(self.plugins).unwrap_or_else(|| vec!["pgoutput".into()]),
            publications: values(self.publications),
        }
    }
}

/// The kind, its route and its lists go together.
pub(super) fn fits(
    reader: &mut Reader<'_>,
    kind: Kind,
    route: Option<&Located<RouteName>>,
    zone: Option<&Located<ZoneSource>>,
    lists: &Lists,
) {
    let replicates = kind == Kind::Replication;
    if let Some(route) = route
        && replicates != (route.value == RouteName::Replication)
    {
        let (message, help) = match replicates {
            true => (
                "a replication login works on the replication route",
                "remove route",
            ),
            false => (
                "the replication route is for logins of kind \"replication\"",
                "kind = \"replication\", or another route",
            ),
        };
        reader.error_with_help(route.span.clone(), message, help);
    }
    if let Some(zone) = zone.filter(|_| replicates) {
        let message = "a replication login has no zone: what it streams has the rows of all";
        reader.error_with_help(zone.span.clone(), message, "remove zone");
    }
    if replicates {
        return;
    }
    let spans = [
        ("relations", lists.relations.as_ref().map(|it| &it.span)),
        ("slots", lists.slots.as_ref().map(|it| &it.span)),
        ("plugins", lists.plugins.as_ref().map(|it| &it.span)),
        (
            "publications",
            lists.publications.as_ref().map(|it| &it.span),
        ),
    ];
    for (key, span) in spans {
        if let Some(span) = span {
            let message = format!("\"{key}\" is for logins of kind \"replication\"");
            reader.error_with_help(span.clone(), message, "remove it");
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::{Policy, RouteName};

    const CDC: &str = r#"schema = 1
environment = "test"
[login.cdc]
kind = "replication"
databases = ["shop"]
"#;

    fn parsed(lines: &str) -> Result<Policy, Vec<String>> {
        let read = Policy::parse(&format!("{CDC}{lines}"), "p.toml");
        let words = |problems: Vec<crate::config::Problem>| {
            problems.iter().map(|it| it.message.clone()).collect()
        };
        read.map(|(policy, _)| policy).map_err(words)
    }

    #[test]
    fn a_login_says_what_it_replicates() {
        let policy = parsed("").unwrap();
        let login = &policy.logins["cdc"];
        assert_eq!(login.route, RouteName::Replication);
        assert_eq!(login.replicates.plugins, ["pgoutput".into()]);
        assert!(login.replicates.relations.is_empty() && login.replicates.slots.is_none());
        let lists = "relations = [\"public.a\"]\nslots = []\nplugins = []\npublications = [\"b*\"]\nroute = \"replication\"";
        let policy = parsed(lists).unwrap();
        let replicates = &policy.logins["cdc"].replicates;
        assert_eq!(replicates.relations.len(), 1);
        assert_eq!(replicates.slots.as_deref(), Some(&[][..]));
        assert!(replicates.plugins.is_empty());
    }

    #[test]
    fn kind_route_and_lists_go_together() {
        let told = |lines: &str| parsed(lines).unwrap_err();
        assert_eq!(
            told("route = \"session\""),
            ["a replication login works on the replication route"]
        );
        assert_eq!(
            told(
                "[zone]\nparameter = \"a.b\"\ndatabases = [\"shop\"]\n[login.a]\nkind = \"replication\"\ndatabases = [\"shop\"]\nzone = \"x\""
            ),
            ["a replication login has no zone: what it streams has the rows of all"]
        );
        assert_eq!(
            told(
                "[login.a]\nkind = \"service\"\ndatabases = [\"shop\"]\nroute = \"replication\"\nslots = [\"x\"]"
            ),
            [
                "the replication route is for logins of kind \"replication\"",
                "\"slots\" is for logins of kind \"replication\""
            ]
        );
        assert_eq!(
            told("relations = [\"a.b.c\"]"),
            ["\"a.b.c\" is not a name with or without a schema"]
        );
    }
}

//! `[login.NAME]`.

use super::super::file::{ConsoleRole, Kind, Login, RouteName};
use super::super::guards::server_role::Power;
use super::super::network::Network;
use super::super::watch::Watch;
use super::super::zone::ZoneSource;
use super::names::{databases, name, relations, values};
use super::source;
use crate::config::reader::{Located, Reader, Span, Table, Wrong, one_of};
use crate::migration::token::split_login;

/// The words for `kind`.
pub(in crate::policy) const KINDS: [(&str, Kind); 4] = [
    ("service", Kind::Service),
    ("human", Kind::Human),
    ("migrator", Kind::Migrator),
    ("replication", Kind::Replication),
];
/// The words for `route`.
pub(in crate::policy) const ROUTES: [(&str, RouteName); 3] = [
    ("transaction", RouteName::Transaction),
    ("session", RouteName::Session),
    ("replication", RouteName::Replication),
];
/// The words for `console`.
pub(in crate::policy) const CONSOLE_ROLES: [(&str, ConsoleRole); 3] = [
    ("viewer", ConsoleRole::Viewer),
    ("operator", ConsoleRole::Operator),
    ("dba", ConsoleRole::Dba),
];
/// The words for `allow_server_role`.
pub(in crate::policy) const POWERS: [(&str, Power); 3] = [
    ("superuser", Power::Superuser),
    ("bypassrls", Power::Bypassrls),
    ("owner", Power::Owner),
];

/// Reads every login, with its place.
pub(super) fn logins(reader: &mut Reader<'_>, mut table: Table<'_>) -> Vec<(Login, Span)> {
    let mut logins = Vec::new();
    for name in table.names() {
        if let Some(inner) = reader.named_table(&mut table, name) {
            logins.extend(login(reader, name, inner));
        }
    }
    logins
}

/// A list of none is a mistake, and no more than that is certain: it would be everywhere, or nowhere.
fn networks(reader: &mut Reader<'_>, table: &mut Table<'_>) -> Option<Vec<Network>> {
    let list = reader.list(table, "networks", network)?;
    if list.value.is_empty() {
        reader.error_with_help(
            list.span.clone(),
            "\"networks\" names no network",
            "networks = [\"10.20.0.0/16\"], or no such key: it may then come from anywhere",
        );
    }
    values(Some(list))
}

fn login(reader: &mut Reader<'_>, login_name: &str, mut table: Table<'_>) -> Option<(Login, Span)> {
    let span = table.span.clone();
    let name = match self::login_name(login_name) {
        Ok(name) => Some(name),
        Err(wrong) => {
            reader.wrong(span.clone(), wrong);
            None
        }
    };
    reader.require(&table, "kind", "kind = \"service\"");
    reader.require(&table, "databases", "databases = [\"shop\"]");
    let kind = reader.parsed(&mut table, "kind", kind);
    let databases = databases(reader, &mut table);
    let route = reader.parsed(&mut table, "route", route);
    let zone = source::zone(reader, &mut table);
    let server_role = reader.parsed(&mut table, "server_role", |text| {
        self::name(text, "the name of a role")
    });
    let allow_server_role = reader.list(&mut table, "allow_server_role", |text| {
        one_of(text, &POWERS)
    });
    let console = reader.parsed(&mut table, "console", |text| one_of(text, &CONSOLE_ROLES));
    let max_connections = reader.integer(&mut table, "max_connections", 1..=1_000_000);
    let max_rows = reader.integer(&mut table, "max_rows", 1..=1_000_000_000);
    let networks = networks(reader, &mut table);
    let roles = reader.list(&mut table, "roles", role);
    let denied_relations = relations(reader, &mut table, "denied_relations");
    let fast_path = reader.list(&mut table, "fast_path", |text| {
        one_of(text, &[("large-objects", ())])
    });
    let ceilings = reader.table(&mut table, "ceilings");
    let ceilings = ceilings.map(|table| super::guards::ceilings(reader, table));
    let lists = super::replication::lists(reader, &mut table);
    for key in ["functions", "allow"] {
        reader.not_yet(&mut table, key);
    }
    reader.finish(table);
    let kind = kind?.value;
    if let Some(functions) = fast_path.as_ref().filter(|_| kind != Kind::Service) {
        reader.error_with_help(
            functions.span.clone(),
            "only a service may call functions by the fast path: of others every statement is read",
            "remove fast_path",
        );
    }
    if kind == Kind::Migrator {
        migrator_fits(reader, route.as_ref(), zone.as_ref(), console.as_ref());
        if let Some(allowed) = &allow_server_role {
            let help = "remove allow_server_role";
            let message = "the server role of a migrator is not looked at";
            reader.error_with_help(allowed.span.clone(), message, help);
        }
        if let Some(roles) = &roles {
            let message = "in its session a migrator may act as any role that PostgreSQL lets it";
            reader.warning(roles.span.clone(), message, "remove roles");
        }
    }
    super::replication::fits(reader, kind, route.as_ref(), zone.as_ref(), &lists);
    let default_route = match kind {
        Kind::Migrator => RouteName::Session,
        Kind::Replication => RouteName::Replication,
        Kind::Service | Kind::Human => RouteName::Transaction,
    };
    let login = Login {
        name: name?,
        kind,
        databases: databases?
            .into_iter()
            .map(|database| database.value)
            .collect(),
        route: route.map_or(default_route, |route| route.value),
        zone: zone.map(|zone| zone.value),
        server_role: server_role.map(|role| role.value),
        allow_server_role: values(allow_server_role).unwrap_or_default(),
        console: console.map(|console| console.value),
        max_connections: max_connections.and_then(|number| usize::try_from(number.value).ok()),
        max_rows: max_rows.and_then(|number| u64::try_from(number.value).ok()),
        networks: networks.unwrap_or_default(),
        roles: values(roles).unwrap_or_default(),
        ceilings,
        fast_path: fast_path.is_some_and(|functions| !functions.value.is_empty()),
        denied_relations: denied_relations.unwrap_or_default(),
        replicates: lists.into_value(),
        watch: Watch::default(),
        line: reader.source.line(span.start),
    };
    Some((login, span))
}

fn login_name(text: &str) -> Result<Box<str>, Wrong> {
    if split_login(text).is_some() {
        return Err(Wrong::new(format!(
            "login \"{text}\" has the form of a migration session's login"
        ))
        .help("choose another name"));
    }
    name(text, "the name of a login")
}

fn network(text: &str) -> Result<Network, Wrong> {
    Network::new(text).ok_or_else(|| {
        Wrong::new(format!("\"{text}\" is not a network"))
            .help("for example \"10.20.0.0/16\", \"2001:db8::/32\" or one address")
    })
}

/// A role that `SET LOCAL ROLE` may name.
fn role(text: &str) -> Result<Box<str>, Wrong> {
    match text {
        "none" | "*" => Err(Wrong::new(format!("\"{text}\" is not a role"))
            .help("name each role; going back to the login itself is always granted")),
        _ => name(text, "the name of a role"),
    }
}

pub(super) fn kind(text: &str) -> Result<Kind, Wrong> {
    one_of(text, &KINDS)
}

pub(super) fn route(text: &str) -> Result<RouteName, Wrong> {
    one_of(text, &ROUTES)
}

fn migrator_fits(
    reader: &mut Reader<'_>,
    route: Option<&Located<RouteName>>,
    zone: Option<&Located<ZoneSource>>,
    console: Option<&Located<ConsoleRole>>,
) {
    if let Some(Located {
        value: RouteName::Transaction,
        span,
    }) = route
    {
        reader.error_with_help(
            span.clone(),
            "a migrator works on the session route",
            "remove route",
        );
    }
    if let Some(zone) = zone {
        reader.error_with_help(
            zone.span.clone(),
            "a migrator has no zone: migrations see all rows their role may see",
            "remove zone",
        );
    }
    if let Some(console) = console {
        let help = "grant the console to the people who open migration sessions";
        reader.error_with_help(
            console.span.clone(),
            "a migrator cannot use the console",
            help,
        );
    }
}

//! `replication`: what a login of kind replication may do, and that no other may ask for replication.

use super::functions;
use crate::error::SqlState;
use crate::policy::objection::quoted;
use crate::policy::pattern::{NamePattern, cut};
use crate::policy::rule::may_name;
use crate::policy::{Kind, Objection, State, Who};
use crate::sql::walsender::{Command, Malformed, Setting, Walsender};
use crate::sql::{
    Class, ClassSet, Facts, ParameterName, ParameterTouch, ParameterUse, RelationAct,
    RelationTouch, Statement, is_catalog,
};

/// What such a login may do by SQL: read, with all that a snapshot needs around it.
const READS: ClassSet = ClassSet::of(Class::Read)
    .with(Class::Transaction)
    .with(Class::Parameter)
    .with(Class::Show)
    .with(Class::Cursor)
    .with(Class::CopyOut)
    .with(Class::Explain)
    .with(Class::Deallocate);

/// Functions of PostgreSQL's that change something, beside those that are guarded for everybody.
const WRITES: [&str; 2] = ["nextval", "pg_notify"];

/// The option of `pgoutput` that says what is streamed.
const PUBLICATIONS: &str = "publication_names";

/// Objects to everything but reads of the relations that the login lists and of PostgreSQL's own
/// catalogs, for logins of kind replication.
pub fn judge(facts: &Facts, who: &Who, _state: State) -> Option<Objection> {
    if who.login.kind != Kind::Replication {
        return None;
    }
    facts
        .statements
        .iter()
        .find_map(|statement| Some(of_sql(statement, who)?.at(statement.position)))
}

fn of_sql(statement: &Statement, who: &Who) -> Option<Objection> {
    let details = &statement.details;
    if details.row_lock || !statement.classes.minus(READS).is_empty() {
        let what = match details.row_lock {
            true => "SELECT FOR UPDATE",
            false => statement.tag,
        };
        return Some(
            Objection::new(format!("cannot execute {what} as a replication login"))
                .detail("It reads what it replicates, and nothing else")
                .hint("Have a migration session or the application do it"),
        );
    }
    if let Some(name) = statement.parameters.iter().find_map(finds_names) {
        return Some(cannot_set(name));
    }
    let allowed = &who.policy.options.allowed_functions;
    let listed = |name: &&str| *name == "set_config" || allowed.contains(name);
    if let Some(name) = statement.functions.iter().find(|name| !listed(name)) {
        return Some(
            Objection::new(format!("cannot call {name}() as a replication login"))
                .hint("Use the replication protocol for slots, or leave the call out"),
        );
    }
    let mut calls = details.calls.iter().flatten();
    if calls.any(|call| WRITES.contains(&&*call.name)) {
        let what = "a function that changes something";
        return Some(Objection::new(format!(
            "cannot call {what} as a replication login"
        )));
    }
    relations(statement, &who.login.replicates.relations).or_else(|| {
        functions::unlisted(
            statement,
            who.policy.options.functions.as_deref().unwrap_or(&[]),
        )
    })
}

fn cannot_set(name: &str) -> Objection {
    Objection::new(format!("a replication login cannot set {name}"))
        .detail("It decides which relations names without a schema mean")
        .hint("Write relations with their schema")
}

/// The name of a parameter that decides what names mean, or of any. An empty search_path leaves only
/// PostgreSQL's own: pg_recvlogical and its kind set that.
fn finds_names(touch: &ParameterTouch) -> Option<&'static str> {
    if touch.how == ParameterUse::Reset || touch.value.as_deref() == Some("") {
        return None;
    }
    match &touch.name {
        ParameterName::Named(name) => (**name == *"search_path").then_some("\"search_path\""),
        ParameterName::Dynamic => Some("a parameter whose name is computed"),
        ParameterName::All => None,
    }
}

fn relations(statement: &Statement, listed: &[NamePattern]) -> Option<Objection> {
    let may_read = |touch: &RelationTouch| {
        let name = &touch.relation;
        touch.act == RelationAct::Read
            && (is_catalog(name) || listed.iter().any(|one| one.admits(name)))
    };
    match &statement.details.relations {
        None if may_name(statement) => Some(Objection::unknown_names(
            statement,
            "the relations that it reads are not known",
        )),
        None => None,
        Some(touches) => {
            let touch = touches.iter().find(|touch| !may_read(touch))?;
            Some(
                Objection::new(format!(
                    "relation \"{}\" is not listed for this replication login",
                    touch.relation
                ))
                .detail("The policy lists the relations that its snapshot may read")
                .hint(
                    "Ask a DBA to add it to \"relations\" of the login; write it with its schema",
                ),
            )
        }
    }
}

/// Objects to a request for replication in the startup packet. `physical`: of the WAL as it is, of no
/// database.
pub fn at_startup(who: &Who, physical: bool) -> Option<Objection> {
    let objection = |message: String| Objection::new(message).sqlstate(SqlState::POLICY);
    match (who.login.kind, physical) {
        (Kind::Replication, false) => None,
        (Kind::Replication, true) => Some(
            objection("physical replication is not allowed through Portcullis".to_owned())
                .detail("It is a copy of the whole cluster, whatever a login may read")
                .hint("Use replication=database, for logical decoding"),
        ),
        _ => Some(
            objection(format!(
                "login \"{}\" may not use replication",
                who.login.name
            ))
            .hint("Connect as a login of kind = \"replication\": portcullis help replication"),
        ),
    }
}

/// Objects to a parameter of the startup packet.
pub fn parameter_at_startup(who: &Who, name: &str) -> Option<Objection> {
    let forbidden = who.login.kind == Kind::Replication && name == "search_path";
    forbidden.then(|| cannot_set("\"search_path\""))
}

/// Objects to walsender commands that go beyond logical decoding, and beyond the slots, plugins and
/// publications that the login lists.
pub fn command(walsender: &Walsender, who: &Who) -> Option<Objection> {
    let login = &who.login;
    let tag = walsender.tag;
    if login.kind != Kind::Replication {
        return Some(Objection::new(format!("cannot execute {tag}")));
    }
    if matches!(tag, "BASE_BACKUP" | "UPLOAD_MANIFEST" | "TIMELINE_HISTORY") {
        return Some(physical(tag));
    }
    match &walsender.command {
        Err(Malformed) => Some(
            Objection::new(format!("syntax error in {tag}"))
                .sqlstate(SqlState::SYNTAX)
                .detail("A replication command is the whole message, without comments")
                .hint("Send SQL in a message of its own"),
        ),
        Ok(Command::IdentifySystem | Command::Show) => None,
        Ok(Command::CreatePhysicalSlot(_)) => Some(physical("CREATE_REPLICATION_SLOT PHYSICAL")),
        Ok(Command::StartPhysical) => Some(physical("START_REPLICATION PHYSICAL")),
        Ok(Command::TimelineHistory | Command::BaseBackup | Command::UploadManifest) => {
            Some(physical(tag))
        }
        Ok(Command::ReadSlot(name) | Command::AlterSlot(name) | Command::DropSlot(name)) => {
            slot(name, who)
        }
        Ok(Command::CreateLogicalSlot { slot: name, plugin }) => {
            slot(name, who).or_else(|| self::plugin(plugin, who))
        }
        Ok(Command::StartLogical {
            slot: name,
            options,
        }) => slot(name, who).or_else(|| publications(options, who)),
    }
}

fn physical(what: &str) -> Objection {
    Objection::new(format!("cannot execute {what} through Portcullis"))
        .detail("It copies the whole cluster, whatever the login may read")
        .hint("Backups and standbys go to PostgreSQL directly")
}

fn slot(name: &str, who: &Who) -> Option<Objection> {
    let slots = who.login.replicates.slots.as_ref()?;
    // Other names are none of a slot, in any version.
    let valid = !name.is_empty()
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    let name = cut(name);
    if valid && slots.iter().any(|pattern| pattern.fits(name)) {
        return None;
    }
    Some(unlisted("replication slot", name, "slots"))
}

fn plugin(name: &str, who: &Who) -> Option<Objection> {
    let plugins = &who.login.replicates.plugins;
    (!plugins.iter().any(|plugin| **plugin == *name))
        .then(|| unlisted("output plugin", name, "plugins"))
}

/// Where publications are listed, all that are streamed must be named, and listed. Another plugin than
/// `pgoutput` does not know the option, and ends with an error.
fn publications(options: &[Setting], who: &Who) -> Option<Objection> {
    let listed = who.login.replicates.publications.as_ref()?;
    let named = options.iter().filter(|(name, _)| name == PUBLICATIONS);
    let mut none = true;
    for (_, value) in named {
        none = false;
        let value = value.as_deref().unwrap_or_default();
        let Some(names) = split_names(value) else {
            return Some(unlisted("publication", value, "publications"));
        };
        let strange = |name: &&String| !listed.iter().any(|pattern| pattern.fits(cut(name)));
        if let Some(name) = names.iter().find(strange) {
            return Some(unlisted("publication", name, "publications"));
        }
    }
    none.then(|| {
        Objection::new("cannot execute START_REPLICATION without publication_names")
            .detail("The policy lists the publications of this login")
            .hint("Name them: (proto_version '1', publication_names '...')")
    })
}

fn unlisted(what: &str, name: &str, key: &str) -> Objection {
    let name = quoted(name);
    Objection::new(format!("{what} \"{name}\" is not listed for this login"))
        .hint(format!("Ask a DBA to add it to \"{key}\" of the login"))
}

/// A list of names with commas between, as PostgreSQL reads it (`SplitIdentifierString`). `None`: it is
/// not one, or has more quotes than a name needs.
fn split_names(list: &str) -> Option<Vec<String>> {
    let one = |name: &str| {
        let name = name.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        match name.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').map(str::to_owned),
            None => Some(name.to_ascii_lowercase()),
        }
        .filter(|name| !name.is_empty() && !name.contains(['"', ' ']))
    };
    list.split(',').map(one).collect()
}

#[cfg(test)]
mod tests;

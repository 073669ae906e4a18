//! The details that the top of a statement shows, from PostgreSQL's tree: temporary objects, INTO,
//! row locks, extensions, what SHOW shows.

use pg_raw_parse::raw::ObjectType::*;
use pg_raw_parse::{Node, nodes};

use super::{Details, ExtensionAct, ExtensionTouch, ParameterName, settings};

/// `relpersistence` of what is temporary (PostgreSQL's `catalog/pg_class.h`).
pub(super) const TEMPORARY: u8 = b't';

/// Extensions named by one statement; one without a name stands for all further ones.
const MAX_EXTENSIONS: usize = 100;

/// Characters kept of an extension's version.
const MAX_VERSION: usize = 100;

/// Adds what a SELECT shows; true if it has an INTO.
pub(super) fn select(select: &nodes::SelectStmt, details: &mut Details) -> bool {
    details.row_lock |= !select.locking_clause().is_empty();
    let Some(into) = select.into_clause() else {
        return false;
    };
    details.into = true;
    details.temporary |= into.rel().is_none_or(is_temporary);
    true
}

/// Adds what any other statement shows.
pub(super) fn utility(node: Node<'_>, details: &mut Details) {
    let temporary = match node {
        Node::CreateTableAsStmt(table) => {
            details.into |= table.objtype == OBJECT_TABLE;
            table.into().and_then(|into| into.rel()).map(is_temporary)
        }
        Node::CreateStmt(table) => table.relation().map(is_temporary),
        Node::ViewStmt(view) => view.view().map(is_temporary),
        Node::CreateSeqStmt(sequence) => sequence.sequence().map(is_temporary),
        Node::CompositeTypeStmt(kind) => kind.typevar().map(is_temporary),
        Node::CreateFunctionStmt(function) => Some(in_temporary(function.funcname().first())),
        Node::CreateEnumStmt(kind) => Some(named_temporary(kind.type_name().iter())),
        Node::CreateRangeStmt(kind) => Some(named_temporary(kind.type_name().iter())),
        Node::CreateDomainStmt(domain) => Some(named_temporary(domain.domainname().iter())),
        Node::DefineStmt(define) => Some(named_temporary(define.defnames().iter())),
        Node::AlterObjectSchemaStmt(alter) => alter.newschema().map(is_temporary_schema),
        _ => None,
    };
    details.temporary |= temporary == Some(true);
    if let Node::VariableShowStmt(show) = node {
        details.shows = show.name().map(shown).map(Box::new);
    }
    extension(node, details);
}

fn shown(name: &str) -> ParameterName {
    match name.eq_ignore_ascii_case("all") {
        true => ParameterName::All,
        false => settings::named(name.to_owned()),
    }
}

fn is_temporary(relation: &nodes::RangeVar) -> bool {
    relation.relpersistence as u8 == TEMPORARY
        || relation.schemaname().is_some_and(is_temporary_schema)
}

/// `pg_temp`, and `pg_temp_3`, which it is an alias of.
fn is_temporary_schema(name: &str) -> bool {
    name.starts_with("pg_temp")
}

fn in_temporary(first: Option<Node<'_>>) -> bool {
    first
        .and_then(Node::as_str)
        .is_some_and(is_temporary_schema)
}

fn named_temporary<'a>(mut names: impl Iterator<Item = &'a nodes::String>) -> bool {
    names
        .next()
        .and_then(nodes::String::sval)
        .is_some_and(is_temporary_schema)
}

fn extension(node: Node<'_>, details: &mut Details) {
    let mut found = Vec::new();
    let mut add = |name: Option<&str>, act| {
        let name = match found.len() {
            0..MAX_EXTENSIONS => name.unwrap_or_default(),
            MAX_EXTENSIONS => "",
            _ => return,
        };
        found.push(ExtensionTouch {
            name: name.into(),
            act,
        });
    };
    match node {
        Node::CreateExtensionStmt(create) => {
            let cascade = create
                .options()
                .iter()
                .any(|option| option.defname() == Some("cascade"));
            let version = version(create.options().iter());
            add(create.extname(), ExtensionAct::Create { cascade, version });
        }
        Node::AlterExtensionStmt(alter) => {
            let version = version(alter.options().iter());
            add(alter.extname(), ExtensionAct::Update { version });
        }
        Node::AlterExtensionContentsStmt(alter) => add(alter.extname(), ExtensionAct::Alter),
        Node::AlterObjectSchemaStmt(alter) if alter.object_type == OBJECT_EXTENSION => {
            add(alter.object().as_str(), ExtensionAct::Alter);
        }
        Node::DropStmt(drop) if drop.remove_type == OBJECT_EXTENSION => {
            for name in drop.objects() {
                add(name.as_str(), ExtensionAct::Drop);
            }
        }
        _ => return,
    }
    details.extensions = found.into();
}

fn version<'a>(options: impl Iterator<Item = &'a nodes::DefElem>) -> Option<Box<str>> {
    options
        .filter(|option| option.defname() == Some("new_version"))
        .find_map(|option| option.arg().as_str())
        .map(|version| version.chars().take(MAX_VERSION).collect())
}

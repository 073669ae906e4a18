//! What a statement takes away from code that still runs, by PostgreSQL's tree: the question of a
//! migration session that may only add (`phase-expand`). A list of what adds; whatever is not on it
//! takes away, so that a statement of a newer grammar is refused until somebody has thought about it.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::raw::NodeTag;
use pg_raw_parse::raw::ObjectType::{self, *};
use pg_raw_parse::raw::ViewCheckOption::NO_CHECK_OPTION;
use pg_raw_parse::{Node, nodes};

use super::takes_away_by_alter::{domain, enumeration, sequence, table};

/// Longest name in the words, in characters: PostgreSQL's names are no longer.
const MAX_NAME: usize = 63;

/// Something that running code could miss, or stumble over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakesAway {
    /// What would be done, in words that go after "cannot": `drop column "note" of table "orders"`.
    /// Names only, no constants. Empty: the words are those of the statement's tag.
    pub what: Box<str>,
    /// How running code would feel it.
    pub loss: Loss,
}

/// How running code feels what a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Something that it may use is gone, is called otherwise or works otherwise.
    Gone,
    /// Rows that it may write are refused.
    Stricter,
    /// Rows that it writes lack a value.
    NoValue,
    /// The statement is not known to add only.
    Unknown,
}

impl TakesAway {
    pub(super) fn new(loss: Loss, what: impl Into<Box<str>>) -> Self {
        let what = what.into();
        Self { what, loss }
    }

    pub(super) fn gone(what: impl Into<Box<str>>) -> Option<Self> {
        Some(Self::new(Loss::Gone, what))
    }

    pub(super) fn stricter(what: impl Into<Box<str>>) -> Option<Self> {
        Some(Self::new(Loss::Stricter, what))
    }

    pub(super) fn unknown() -> Option<Self> {
        Some(Self::new(Loss::Unknown, ""))
    }
}

/// What a statement that is no query takes away. DO and CALL, whose code cannot be seen, are unknown.
pub(super) fn utility(node: Node<'_>) -> Option<TakesAway> {
    match node {
        _ if changes_no_definition(node) || creates(node) => None,
        Node::AlterTableStmt(alter) => table(alter),
        Node::AlterDomainStmt(alter) => domain(alter),
        Node::AlterEnumStmt(alter) => enumeration(alter),
        Node::AlterSeqStmt(alter) => sequence(alter),
        Node::DropStmt(drop) => dropped(drop),
        Node::RenameStmt(rename) => renamed(rename),
        Node::AlterObjectSchemaStmt(alter) => {
            let what = named(alter.object_type, alter.relation(), alter.object());
            TakesAway::gone(verb("move", what, " to another schema"))
        }
        Node::AlterOwnerStmt(alter) => {
            let what = named(alter.object_type, alter.relation(), alter.object());
            TakesAway::gone(verb("change the owner of", what, ""))
        }
        Node::TruncateStmt(truncate) => {
            let first = truncate.relations().first();
            TakesAway::gone(match first {
                Some(Node::RangeVar(first)) => format!("truncate table {}", relation(Some(first))),
                _ => String::new(),
            })
        }
        Node::DropRoleStmt(_)
        | Node::DropOwnedStmt(_)
        | Node::DropTableSpaceStmt(_)
        | Node::DropUserMappingStmt(_)
        | Node::DropSubscriptionStmt(_)
        | Node::DropdbStmt(_) => TakesAway::gone(""),
        // Whoever owns a table is not bound by its policies, and may alter it.
        Node::ReassignOwnedStmt(_) => TakesAway::gone(""),
        _ => granted(node),
    }
}

/// Statements that leave every definition as it is. What they do to rows is no matter of the schema.
fn changes_no_definition(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        TransactionStmt(_)
            | ConstraintsSetStmt(_)
            | VariableShowStmt(_)
            | DiscardStmt(_)
            | LoadStmt(_)
            | LockStmt(_)
            | FetchStmt(_)
            | ClosePortalStmt(_)
            | ExecuteStmt(_)
            | DeallocateStmt(_)
            | NotifyStmt(_)
            | ListenStmt(_)
            | UnlistenStmt(_)
            | ExplainStmt(_)
            | VacuumStmt(_)
            | ClusterStmt(_)
            | ReindexStmt(_)
            | CheckPointStmt(_)
            | CommentStmt(_)
            | AlterStatsStmt(_)
    )
}

/// Statements that only make something new, or make more of what is there. OR REPLACE is among them:
/// PostgreSQL keeps the names, types and columns that callers rely on.
fn creates(node: Node<'_>) -> bool {
    use Node::*;
    match node {
        CreateStmt(_)
        | CreateSeqStmt(_)
        | CreateExtensionStmt(_)
        | CreateFdwStmt(_)
        | CreateForeignServerStmt(_)
        | CreateUserMappingStmt(_)
        | CreateAmStmt(_)
        | CreateTrigStmt(_)
        | CreatePLangStmt(_)
        | CreateDomainStmt(_)
        | CreateOpClassStmt(_)
        | CreateOpFamilyStmt(_)
        | CreateStatsStmt(_)
        | CreateFunctionStmt(_)
        | CreateEnumStmt(_)
        | CreateRangeStmt(_)
        | CreateTableSpaceStmt(_)
        | CreateConversionStmt(_)
        | CreateCastStmt(_)
        | CreateTransformStmt(_)
        | CreateRoleStmt(_)
        | CreatedbStmt(_)
        | CompositeTypeStmt(_)
        | DefineStmt(_)
        | ImportForeignSchemaStmt(_) => true,
        // A restrictive one takes rows away from everybody.
        CreatePolicyStmt(policy) => policy.permissive,
        // DO INSTEAD takes away what the statement of running code did.
        RuleStmt(rule) => !rule.instead,
        // Duplicates that running code writes would be refused.
        IndexStmt(index) => !index.unique,
        // WITH NO DATA makes it unreadable.
        RefreshMatViewStmt(refresh) => !refresh.skip_data,
        // Options can bind writers (check_option) and readers (security_invoker) of a view that is there.
        ViewStmt(view) => {
            !view.replace
                || (view.options().is_empty() && view.with_check_option == NO_CHECK_OPTION)
        }
        // The library has no type for this one.
        Invalid(node) => node.type_ == NodeTag::T_CreateForeignTableStmt,
        _ => false,
    }
}

/// Privileges and members are given; nothing is taken. The words for what is left of CREATE.
fn granted(node: Node<'_>) -> Option<TakesAway> {
    match node {
        Node::GrantStmt(grant) if grant.is_grant => None,
        Node::GrantStmt(_) => TakesAway::gone(""),
        // WITH INHERIT FALSE takes from a member what it had.
        Node::GrantRoleStmt(grant) if grant.is_grant && grant.opt().iter().all(is_given) => None,
        Node::GrantRoleStmt(_) => TakesAway::gone(""),
        Node::AlterDefaultPrivilegesStmt(alter) => match alter.action() {
            Some(action) if action.is_grant => None,
            _ => TakesAway::gone(""),
        },
        // ALTER GROUP ... ADD USER
        Node::AlterRoleStmt(alter) if alter.action > 0 && adds_members(alter) => None,
        Node::IndexStmt(index) => TakesAway::stricter(format!(
            "create a unique index on table {}",
            relation(index.relation())
        )),
        Node::CreatePolicyStmt(policy) => TakesAway::gone(format!(
            "create restrictive policy {} on table {}",
            quoted(policy.policy_name()),
            relation(policy.table())
        )),
        Node::RuleStmt(rule) => TakesAway::gone(format!(
            "create rule {} with INSTEAD on table {}",
            quoted(rule.rulename()),
            relation(rule.relation())
        )),
        Node::RefreshMatViewStmt(refresh) => TakesAway::gone(format!(
            "empty materialized view {}",
            relation(refresh.relation())
        )),
        Node::ViewStmt(view) => TakesAway::stricter(format!(
            "replace view {} with options",
            relation(view.view())
        )),
        _ => TakesAway::unknown(),
    }
}

fn is_given(option: Node<'_>) -> bool {
    match option {
        Node::DefElem(option) => match option.arg() {
            Node::None => true,
            Node::Boolean(value) => value.boolval,
            _ => false,
        },
        _ => false,
    }
}

fn adds_members(alter: &nodes::AlterRoleStmt) -> bool {
    let mut options = alter.options().iter();
    options.all(|option| option.defname() == Some("rolemembers"))
}

fn dropped(drop: &nodes::DropStmt) -> Option<TakesAway> {
    let first = drop.objects().first().unwrap_or(Node::None);
    TakesAway::gone(verb("drop", named(drop.remove_type, None, first), ""))
}

fn renamed(rename: &nodes::RenameStmt) -> Option<TakesAway> {
    let part = match rename.rename_type {
        OBJECT_COLUMN => Some("column"),
        OBJECT_ATTRIBUTE => Some("attribute"),
        OBJECT_TABCONSTRAINT | OBJECT_DOMCONSTRAINT => Some("constraint"),
        OBJECT_TRIGGER => Some("trigger"),
        OBJECT_POLICY => Some("policy"),
        OBJECT_RULE => Some("rule"),
        _ => None,
    };
    let of = || match rename.relation() {
        Some(whole) => format!(
            " of {} {}",
            word(rename.relation_type).unwrap_or("table"),
            relation(Some(whole))
        ),
        None => String::new(),
    };
    let what = match part {
        Some(part) => format!("{part} {}{}", quoted(rename.subname()), of()),
        // Schemas, roles and databases have their name there.
        None => match (word(rename.rename_type), rename.relation(), rename.object()) {
            (Some(word), None, Node::None) => format!("{word} {}", quoted(rename.subname())),
            (_, relation, object) => named(rename.rename_type, relation, object),
        },
    };
    TakesAway::gone(verb("rename", what, ""))
}

/// Nothing where it is not known what to name: the statement's tag says enough.
fn verb(verb: &str, what: String, behind: &str) -> String {
    match what.is_empty() {
        true => what,
        false => format!("{verb} {what}{behind}"),
    }
}

/// `table "orders"`, `policy "p" of table "orders"`; empty for kinds without a word of their own.
fn named(kind: ObjectType::Type, whole: Option<&nodes::RangeVar>, object: Node<'_>) -> String {
    let Some(word) = word(kind) else {
        return String::new();
    };
    if whole.is_some() {
        return format!("{word} {}", relation(whole));
    }
    let mut names = names(object);
    let of_relation = matches!(kind, OBJECT_TRIGGER | OBJECT_RULE | OBJECT_POLICY);
    match names.pop() {
        None => String::new(),
        Some(last) if of_relation && !names.is_empty() => {
            format!("{word} {} of table {}", quoted(Some(last)), joined(&names))
        }
        Some(last) => {
            names.push(last);
            format!("{word} {}", joined(&names))
        }
    }
}

fn names(object: Node<'_>) -> Vec<&str> {
    match object {
        Node::String(name) => name.sval().into_iter().collect(),
        Node::NodeList(list) => all_of(list),
        Node::ObjectWithArgs(function) => all_of(function.objname()),
        Node::TypeName(kind) => {
            let names = kind.names().iter();
            names.filter_map(nodes::String::sval).collect()
        }
        _ => Vec::new(),
    }
}

fn all_of(list: &NodeList) -> Vec<&str> {
    list.iter().filter_map(Node::as_str).collect()
}

/// The kinds of objects that have a word here; the others are called by the statement's tag.
fn word(kind: ObjectType::Type) -> Option<&'static str> {
    Some(match kind {
        OBJECT_TABLE => "table",
        OBJECT_VIEW => "view",
        OBJECT_MATVIEW => "materialized view",
        OBJECT_INDEX => "index",
        OBJECT_SEQUENCE => "sequence",
        OBJECT_FOREIGN_TABLE => "foreign table",
        OBJECT_SCHEMA => "schema",
        OBJECT_TYPE => "type",
        OBJECT_DOMAIN => "domain",
        OBJECT_FUNCTION => "function",
        OBJECT_PROCEDURE => "procedure",
        OBJECT_ROUTINE => "routine",
        OBJECT_AGGREGATE => "aggregate",
        OBJECT_EXTENSION => "extension",
        OBJECT_TRIGGER => "trigger",
        OBJECT_POLICY => "policy",
        OBJECT_RULE => "rule",
        OBJECT_ROLE => "role",
        OBJECT_DATABASE => "database",
        _ => return None,
    })
}

/// `"orders"`, `"sales.orders"`.
pub(super) fn relation(relation: Option<&nodes::RangeVar>) -> String {
    let Some(relation) = relation else {
        return quoted(None);
    };
    let parts = relation.schemaname().into_iter().chain(relation.relname());
    joined(&parts.collect::<Vec<_>>())
}

/// The name in double quotes, fit for one line.
pub(super) fn quoted(name: Option<&str>) -> String {
    joined(name.as_slice())
}

pub(super) fn joined(names: &[&str]) -> String {
    let plain = |c: char| if c.is_control() { '?' } else { c };
    let short = |name: &&str| -> String { name.chars().take(MAX_NAME).map(plain).collect() };
    let names: Vec<String> = names.iter().map(short).collect();
    format!("\"{}\"", names.join("."))
}

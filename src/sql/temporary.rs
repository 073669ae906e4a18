//! Temporary tables that need no migration session: who makes one, indexes one or drops one changes nothing
//! that another client could see. Both opinions must find the same; anything out of the ordinary is DDL
//! like any other.
//!
//! Not: what hangs on a table that stays (INHERITS, PARTITION OF, OF, REFERENCES), and what is kept in another way
//! (TABLESPACE, WITH, USING). What is called in a query, DEFAULT or CHECK is found as in every statement.

use pg_raw_parse::list::NodeList;
use pg_raw_parse::raw::DropBehavior::DROP_RESTRICT;
use pg_raw_parse::raw::ObjectType::OBJECT_TABLE;
use pg_raw_parse::raw::{ConstrType::*, OnCommitAction};
use pg_raw_parse::{Node, nodes};

use super::surface::TEMPORARY;
use super::token::Kind;
use super::view::View;

/// The schema of the session's temporary objects, however it is called in the catalog.
const SCHEMA: &str = "pg_temp";

/// What becomes of a temporary table when its transaction commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCommit {
    /// ON COMMIT DROP: it is gone.
    Drop,
    /// ON COMMIT DELETE ROWS: it stays, empty.
    DeleteRows,
    /// ON COMMIT PRESERVE ROWS, or nothing said: it stays.
    PreserveRows,
}

impl OnCommit {
    /// As SQL says it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Drop => "ON COMMIT DROP",
            Self::DeleteRows => "ON COMMIT DELETE ROWS",
            Self::PreserveRows => "ON COMMIT PRESERVE ROWS",
        }
    }

    fn of(action: OnCommitAction::Type) -> Self {
        match action {
            OnCommitAction::ONCOMMIT_DROP => Self::Drop,
            OnCommitAction::ONCOMMIT_DELETE_ROWS => Self::DeleteRows,
            _ => Self::PreserveRows,
        }
    }
}

/// What is done to a temporary table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemporaryAct {
    /// CREATE TEMPORARY TABLE, also AS; CREATE TABLE in `pg_temp`.
    Create(OnCommit),
    /// CREATE INDEX on a table that is named with `pg_temp`.
    Index,
    /// DROP TABLE of tables that are all named with `pg_temp`.
    Drop,
}

/// A temporary table, and what a statement does to it and to nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemporaryTable {
    /// What is done.
    pub act: TemporaryAct,
    /// Its name without the schema, as PostgreSQL stores it, and behind it those that its constraints and indexes are
    /// given. Each hides what else has that name and is not named with its schema.
    pub names: Vec<Box<str>>,
}

impl TemporaryTable {
    fn new(act: TemporaryAct, name: impl Into<Box<str>>) -> Self {
        Self {
            act,
            names: vec![name.into()],
        }
    }

    /// Is it gone when its transaction is over?
    pub fn is_dropped_at_commit(&self) -> bool {
        self.act == TemporaryAct::Create(OnCommit::Drop)
    }

    /// Does the other opinion mean the same?
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.act == other.act && self.names.first() == other.names.first()
    }
}

/// What PostgreSQL's tree says.
pub(super) fn of_tree(node: Node<'_>) -> Option<TemporaryTable> {
    match node {
        Node::CreateStmt(table) => created(table),
        Node::CreateTableAsStmt(table) => created_as(table),
        Node::IndexStmt(index) => indexed(index),
        Node::DropStmt(drop) => dropped(drop),
        _ => None,
    }
}

fn created(table: &nodes::CreateStmt) -> Option<TemporaryTable> {
    let of_its_own = table.inh_relations().is_empty()
        && table.partbound().is_none()
        && table.partspec().is_none()
        && table.of_typename().is_none();
    let plain = table.options().is_empty()
        && table.tablespacename().is_none()
        && table.access_method().is_none();
    if !of_its_own || !plain {
        return None;
    }
    let name = made(table.relation()?)?;
    let act = TemporaryAct::Create(OnCommit::of(table.oncommit));
    let mut found = TemporaryTable::new(act, name);
    for element in table.table_elts() {
        match element {
            Node::ColumnDef(column) if column.fdwoptions().is_empty() => {
                all_plain(column.constraints(), &mut found.names)?;
            }
            Node::Constraint(constraint) => is_plain(constraint, &mut found.names)?,
            Node::TableLikeClause(_) => {}
            _ => return None,
        }
    }
    Some(found)
}

fn all_plain(constraints: &NodeList, names: &mut Vec<Box<str>>) -> Option<()> {
    constraints.iter().try_for_each(|it| match it {
        Node::Constraint(constraint) => is_plain(constraint, names),
        _ => None,
    })
}

/// A foreign key locks the other table, even if that is none that it may reference; an exclusion names operators.
fn is_plain(constraint: &nodes::Constraint, names: &mut Vec<Box<str>>) -> Option<()> {
    let plain = match constraint.contype {
        CONSTR_FOREIGN | CONSTR_EXCLUSION => false,
        CONSTR_IDENTITY => constraint.options().iter().all(is_of_own_sequence),
        _ => constraint.options().is_empty() && !constraint.without_overlaps,
    };
    let kept_as_any = constraint.indexname().is_none()
        && constraint.indexspace().is_none()
        && constraint.access_method().is_none();
    names.extend(constraint.conname().map(Into::into));
    (plain && kept_as_any).then_some(())
}

/// START WITH and the like; not the name of the sequence, nor whose it is.
fn is_of_own_sequence(option: Node<'_>) -> bool {
    match option {
        Node::DefElem(option) => {
            !matches!(option.defname(), None | Some("sequence_name" | "owned_by"))
        }
        _ => false,
    }
}

fn created_as(table: &nodes::CreateTableAsStmt) -> Option<TemporaryTable> {
    let into = table.into()?;
    let plain = into.options().is_empty()
        && into.table_space_name().is_none()
        && into.access_method().is_none();
    // What EXECUTE runs is not known here; SELECT INTO makes another table.
    let query = matches!(table.query(), Node::SelectStmt(select) if select.into_clause().is_none());
    if !plain || !query || table.objtype != OBJECT_TABLE || table.is_select_into {
        return None;
    }
    let act = TemporaryAct::Create(OnCommit::of(into.on_commit));
    Some(TemporaryTable::new(act, made(into.rel()?)?))
}

fn indexed(index: &nodes::IndexStmt) -> Option<TemporaryTable> {
    let plain = index.options().is_empty()
        && index.table_space().is_none()
        && index.exclude_op_names().is_empty()
        && !index.concurrent;
    let relation = index.relation()?;
    if !plain || relation.catalogname().is_some() || relation.schemaname() != Some(SCHEMA) {
        return None;
    }
    let mut found = TemporaryTable::new(TemporaryAct::Index, relation.relname()?);
    found.names.extend(index.idxname().map(Into::into));
    Some(found)
}

fn dropped(drop: &nodes::DropStmt) -> Option<TemporaryTable> {
    if drop.remove_type != OBJECT_TABLE || drop.behavior != DROP_RESTRICT || drop.concurrent {
        return None;
    }
    let names = drop.objects().iter().map(|name| match name {
        Node::NodeList(path) if path.len() == 2 => {
            let part = |at| path.get(at).and_then(Node::as_str);
            part(1).filter(|_| part(0) == Some(SCHEMA)).map(Into::into)
        }
        _ => None,
    });
    let names: Vec<Box<str>> = names.collect::<Option<_>>()?;
    let act = TemporaryAct::Drop;
    (!names.is_empty()).then_some(TemporaryTable { act, names })
}

/// The name of a table that is made, if that is a temporary one of this session.
fn made(relation: &nodes::RangeVar) -> Option<&str> {
    let by_word = relation.relpersistence as u8 == TEMPORARY;
    let is_temporary = match relation.schemaname() {
        None => by_word,
        Some(schema) => schema == SCHEMA && (by_word || relation.relpersistence as u8 == PERMANENT),
    };
    let name = relation.relname()?;
    (is_temporary && relation.catalogname().is_none()).then_some(name)
}

/// `relpersistence` where no word says it.
const PERMANENT: u8 = b'p';

/// What the tokens say of a statement that begins with CREATE or DROP.
pub(super) fn of_tokens(view: View<'_>) -> Option<TemporaryTable> {
    if view.is(0, "drop") {
        return drop_table(view);
    }
    let index = 1 + usize::from(view.is(1, "unique"));
    match view.is(index, "index") {
        true => create_index(view, index + 1),
        false => create_table(view),
    }
}

fn create_table(view: View<'_>) -> Option<TemporaryTable> {
    let mut at = 1 + usize::from(view.is_any(1, &["local", "global"]));
    let by_word = view.is_any(at, &["temporary", "temp"]);
    at += usize::from(by_word);
    if !view.is(at, "table") || (!by_word && at > 1) {
        return None;
    }
    let name = Name::at(view, behind_if_exists(view, at + 1, true))?;
    if !(name.in_schema || (by_word && name.alone)) {
        return None;
    }
    at = name.behind;
    let columns = view.is_kind(at, Kind::Open);
    if columns {
        let end = view.behind_parens(at);
        if (at..end).any(|n| view.is_any(n, &["references", "foreign"])) {
            return None;
        }
        at = end;
    }
    let (on_commit, behind) = on_commit(view, at)?;
    let ends = match view.is(behind, "as") {
        true => {
            view.is_any(behind + 1, &["select", "with", "values", "table"])
                || view.is_kind(behind + 1, Kind::Open)
        }
        false => columns && behind == view.tokens.len(),
    };
    let act = TemporaryAct::Create(on_commit);
    ends.then(|| TemporaryTable::new(act, name.name))
}

/// ON COMMIT, if it stands there, and what is behind it; none: it says something unknown.
fn on_commit(view: View<'_>, at: usize) -> Option<(OnCommit, usize)> {
    if !view.is(at, "on") {
        return Some((OnCommit::PreserveRows, at));
    }
    let rows = view.is(at + 3, "rows");
    match () {
        () if !view.is(at + 1, "commit") => None,
        () if view.is(at + 2, "drop") => Some((OnCommit::Drop, at + 3)),
        () if view.is(at + 2, "delete") && rows => Some((OnCommit::DeleteRows, at + 4)),
        () if view.is(at + 2, "preserve") && rows => Some((OnCommit::PreserveRows, at + 4)),
        () => None,
    }
}

fn create_index(view: View<'_>, at: usize) -> Option<TemporaryTable> {
    let on = view.find_outside_parens(at, &["on"])?;
    let concurrently = view.is(at, "concurrently");
    let name = Name::at(view, on + 1 + usize::from(view.is(on + 1, "only")))?;
    let stored = view.find_outside_parens(name.behind, &["tablespace", "with"]);
    let plain = name.in_schema && !concurrently && stored.is_none();
    plain.then(|| TemporaryTable::new(TemporaryAct::Index, name.name))
}

fn drop_table(view: View<'_>) -> Option<TemporaryTable> {
    if !view.is(1, "table") {
        return None;
    }
    let first = behind_if_exists(view, 2, false);
    let mut at = first;
    loop {
        let name = Name::at(view, at).filter(|name| name.in_schema)?;
        if !view.is_kind(name.behind, Kind::Comma) {
            let end = name.behind + usize::from(view.is(name.behind, "restrict"));
            if end != view.tokens.len() {
                return None;
            }
            break;
        }
        at = name.behind + 1;
    }
    let name = Name::at(view, first)?.name;
    Some(TemporaryTable::new(TemporaryAct::Drop, name))
}

/// Behind IF EXISTS or (`not`) IF NOT EXISTS, if it stands there.
fn behind_if_exists(view: View<'_>, at: usize, not: bool) -> usize {
    let words: &[&str] = match not {
        true => &["if", "not", "exists"],
        false => &["if", "exists"],
    };
    let all = words
        .iter()
        .enumerate()
        .all(|(n, word)| view.is(at + n, word));
    at + if all { words.len() } else { 0 }
}

/// The name of a table.
struct Name {
    name: String,
    /// There is no schema before it.
    alone: bool,
    /// There is one, and it is that of temporary tables.
    in_schema: bool,
    behind: usize,
}

impl Name {
    fn at(view: View<'_>, at: usize) -> Option<Self> {
        let alone = !view.is_kind(at + 1, Kind::Dot);
        let last = if alone { at } else { at + 2 };
        if !view.is_name(at) || !view.is_name(last) || view.is_kind(last + 1, Kind::Dot) {
            return None;
        }
        Some(Self {
            name: view.name(last)?,
            alone,
            in_schema: !alone && view.name(at)? == SCHEMA,
            behind: last + 1,
        })
    }
}

//! `t.f`: a column of t, or a call of the function f with t.
//!
//! PostgreSQL looks for a column first, and then for a function of one argument. Which columns a
//! table has only the catalog knows; of a function in FROM the statement says it more often.

use std::collections::{HashMap, HashSet};

use pg_raw_parse::{Node, nodes};

use super::once::Once;
use super::{FieldTouch, QualifiedName};

/// Functions in FROM that a statement may have; with more, its calls are not told.
const MAX_ITEMS: usize = 100;

/// The fields that a walk has met, and the functions in FROM that they may be of.
#[derive(Default)]
pub(super) struct Fields<'a> {
    /// Each once: qualifier, where it can be the alias of a function in FROM, and name.
    read: Vec<(Option<&'a str>, &'a str)>,
    known: Once<(Option<&'a str>, &'a str)>,
    items: HashMap<&'a str, Vec<Item<'a>>>,
    count: usize,
    /// The name of an item cannot be told.
    nameless: bool,
}

/// A function in FROM, or several of ROWS FROM.
struct Item<'a> {
    functions: Vec<QualifiedName>,
    /// The columns that the statement gives it.
    columns: HashSet<&'a str>,
    renamed: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn read(&mut self, column: &'a nodes::ColumnRef) {
        let path = column.fields();
        let part = |from_end: usize| path.get(path.len().checked_sub(from_end)?)?.as_str();
        // `*` is no string.
        let (Some(name), true) = (part(1), path.len() >= 2) else {
            return;
        };
        let qualifier = part(2).filter(|_| path.len() == 2);
        if self.known.insert((qualifier, name)) {
            self.read.push((qualifier, name));
        }
    }

    pub(super) fn item(&mut self, item: &'a nodes::RangeFunction) {
        let mut functions = Vec::new();
        let mut columns: HashSet<&str> = HashSet::new();
        let mut own = Vec::new();
        for entry in item.functions() {
            // An expression, and a list of columns or nothing.
            let Node::NodeList(entry) = entry else {
                self.nameless = true;
                continue;
            };
            functions.push(match entry.get(0) {
                Some(Node::FuncCall(call)) => {
                    own.extend(call.funcname().iter().next_back().and_then(Node::as_str));
                    name_of(call)
                }
                _ => syntax(),
            });
            if let Some(Node::NodeList(definitions)) = entry.get(1) {
                columns.extend(definitions.iter().filter_map(defined));
            }
        }
        let alias = item.alias();
        let name = alias.and_then(nodes::Alias::aliasname);
        let names = alias.map(nodes::Alias::colnames);
        columns.extend(names.into_iter().flatten().filter_map(Node::as_str));
        let renamed = !columns.is_empty();
        columns.extend(
            item.coldeflist()
                .iter()
                .filter_map(|column| column.colname()),
        );
        if !renamed {
            // What returns one value has one column, of its alias' or its own name.
            match name {
                Some(name) if functions.len() == 1 => columns.extend([name]),
                _ => columns.extend(own.iter().copied()),
            }
        }
        if item.ordinality {
            columns.insert("ordinality");
        }
        let Some(name) = name.or(own.first().copied()) else {
            self.nameless = true;
            return;
        };
        self.count += 1;
        if self.count <= MAX_ITEMS {
            self.items.entry(name).or_default().push(Item {
                functions,
                columns,
                renamed,
            });
        }
    }

    /// Every field once for each function in FROM that it may be of; none where there are more than
    /// `most`, or functions in FROM that have no name.
    pub(super) fn told(self, most: usize) -> Option<Vec<FieldTouch>> {
        if self.count > MAX_ITEMS || (self.nameless && !self.read.is_empty()) {
            return None;
        }
        let mut list = Vec::new();
        for (qualifier, name) in self.read {
            let items = qualifier.and_then(|qualifier| self.items.get(qualifier));
            let open = items
                .into_iter()
                .flatten()
                .filter(|item| !item.columns.contains(name));
            let before = list.len();
            list.extend(open.map(|item| FieldTouch {
                name: name.into(),
                of: item.functions.clone(),
                renamed: item.renamed,
            }));
            if list.len() == before {
                list.push(FieldTouch {
                    name: name.into(),
                    of: Vec::new(),
                    renamed: false,
                });
            }
            if list.len() > most {
                return None;
            }
        }
        Some(list)
    }
}

fn defined(node: Node<'_>) -> Option<&str> {
    match node {
        Node::ColumnDef(column) => column.colname(),
        _ => None,
    }
}

/// COALESCE, CAST and the like in the place of a function: PostgreSQL's own.
fn syntax() -> QualifiedName {
    QualifiedName {
        schema: Some("pg_catalog".into()),
        name: Box::default(),
    }
}

fn name_of(call: &nodes::FuncCall) -> QualifiedName {
    let mut parts = call.funcname().iter().rev().map(Node::as_str);
    let name = parts.next().flatten().unwrap_or_default();
    let schema = parts.next().flatten();
    QualifiedName {
        schema: schema.map(Box::from),
        name: name.into(),
    }
}

//! What in FROM has a column called as the function that takes a row (`http`): PostgreSQL looks for a column first,
//! so `x.http` is none of its calls there.

use std::collections::HashSet;

use pg_raw_parse::{Node, nodes};

use super::functions;

/// Is it the name of that function?
fn is(name: Option<&str>) -> bool {
    name == Some(functions::TYPED)
}

/// Has what the query returns a column called as the function that it could be given to? `given`: what its columns
/// are called from outside.
pub(super) fn by_query<'a>(query: Node<'a>, given: impl Iterator<Item = &'a str>) -> bool {
    let mut given = given.peekable();
    if given.peek().is_some() {
        return given.any(|name| is(Some(name)));
    }
    let of_target = |target: &nodes::ResTarget| match target.val() {
        _ if target.name().is_some() => is(target.name()),
        Node::ColumnRef(column) => is(column.fields().iter().next_back().and_then(Node::as_str)),
        _ => false,
    };
    let returning = match query {
        Node::SelectStmt(mut select) => {
            // The first of several says what columns are called.
            while let Some(first) = select.larg() {
                select = first;
            }
            return select.target_list().iter().any(of_target);
        }
        Node::InsertStmt(it) => it.returning_clause(),
        Node::UpdateStmt(it) => it.returning_clause(),
        Node::DeleteStmt(it) => it.returning_clause(),
        Node::MergeStmt(it) => it.returning_clause(),
        _ => None,
    };
    let mut returned = returning.into_iter().flat_map(|it| it.exprs().iter());
    returned.any(|it| match it {
        Node::ResTarget(target) => of_target(target),
        _ => false,
    })
}

/// Has XMLTABLE such a column?
pub(super) fn by_xmltable(table: &nodes::RangeTableFunc) -> bool {
    by_alias(table.alias()).unwrap_or_else(|| {
        let mut columns = table.columns().iter();
        columns.any(|column| is(column.colname()))
    })
}

/// Has JSON_TABLE?
pub(super) fn by_json_table(table: &nodes::JsonTable) -> bool {
    by_alias(table.alias()).unwrap_or_else(|| {
        let mut open: Vec<&nodes::JsonTableColumn> = table.columns().iter().collect();
        while let Some(column) = open.pop() {
            if is(column.name()) {
                return true;
            }
            open.extend(column.columns().iter().filter_map(|it| match it {
                Node::JsonTableColumn(nested) => Some(nested),
                _ => None,
            }));
        }
        false
    })
}

/// Has an alias that names columns? It may leave out the last ones, which then count as none.
fn by_alias(alias: Option<&nodes::Alias>) -> Option<bool> {
    let names = alias.map(nodes::Alias::colnames)?;
    (!names.is_empty()).then(|| names.iter().any(|it| is(it.as_str())))
}

/// The columns that the statement gives to a function in FROM.
pub(super) fn columns_of(item: &nodes::RangeFunction) -> HashSet<&str> {
    let names = item.alias().map(nodes::Alias::colnames);
    let names = names.into_iter().flatten().filter_map(Node::as_str);
    let defined = item.coldeflist().iter();
    names
        .chain(defined.filter_map(|column| column.colname()))
        .collect()
}

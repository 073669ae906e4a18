//! One step down PostgreSQL's tree. The library's own descent would use stack for every level.

use std::ops::ControlFlow;

use pg_raw_parse::list::NodeList;
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, nodes};

/// Has it nothing below, as the library walks? The names in a column's path are not nodes to it.
pub(super) fn is_leaf(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        None | A_Const(_)
            | A_Star(_)
            | Alias(_)
            | BitString(_)
            | Boolean(_)
            | ColumnRef(_)
            | Float(_)
            | Integer(_)
            | ParamRef(_)
            | SQLValueFunction(_)
            | SetToDefault(_)
            | String(_)
    )
}

/// Shows the nodes right below one, in the order of the text; leaves need not be among them.
///
/// Each step of the library's saves a jump buffer, in case PostgreSQL's code raises an error, and
/// crosses to C and back (60 ns). The kinds that most of a query consists of are read here instead,
/// in the same order (7 ns).
pub(super) fn children<'a>(node: Node<'a>, mut see: impl FnMut(Node<'a>)) {
    match node {
        _ if is_leaf(node) => {}
        Node::NodeList(list) => list.iter().for_each(see),
        Node::A_Expr(expression) => {
            see(expression.lexpr());
            see(expression.rexpr());
        }
        Node::BoolExpr(expression) => expression.args().iter().for_each(see),
        Node::ResTarget(target) => {
            target.indirection().iter().for_each(&mut see);
            see(target.val());
        }
        Node::FuncCall(call) => {
            call.args().iter().for_each(&mut see);
            let order = call.agg_order().iter().map(Node::SortBy);
            order.for_each(&mut see);
            see(call.agg_filter());
            call.over().map(Node::WindowDef).into_iter().for_each(see);
        }
        Node::JoinExpr(join) => {
            see(join.larg());
            see(join.rarg());
            see(join.quals());
        }
        Node::NullTest(test) => see(test.arg()),
        Node::SortBy(sort) => see(sort.node()),
        Node::TypeCast(cast) => {
            see(cast.arg());
            cast.type_name()
                .map(Node::TypeName)
                .into_iter()
                .for_each(see);
        }
        _ => of_query(node, see),
    }
}

/// Those of the kinds that a query is built of: its statements and what is around a subquery.
fn of_query<'a>(node: Node<'a>, mut see: impl FnMut(Node<'a>)) {
    match node {
        Node::SelectStmt(select) => of_select(select, true, see),
        Node::InsertStmt(insert) => {
            see_some(insert.relation().map(Node::RangeVar), &mut see);
            insert.cols().iter().for_each(&mut see);
            see(insert.select_stmt());
            let conflict = insert.on_conflict_clause().map(Node::OnConflictClause);
            see_some(conflict, &mut see);
            let returning = insert.returning_clause().map(Node::ReturningClause);
            see_some(returning, &mut see);
            see_some(insert.with_clause().map(Node::WithClause), &mut see);
        }
        Node::UpdateStmt(update) => {
            see_some(update.relation().map(Node::RangeVar), &mut see);
            let targets = update.target_list().iter().map(Node::ResTarget);
            targets.for_each(&mut see);
            see(update.where_clause());
            update.from_clause().iter().for_each(&mut see);
            let returning = update.returning_clause().map(Node::ReturningClause);
            see_some(returning, &mut see);
            see_some(update.with_clause().map(Node::WithClause), &mut see);
        }
        Node::DeleteStmt(delete) => {
            see_some(delete.relation().map(Node::RangeVar), &mut see);
            delete.using_clause().iter().for_each(&mut see);
            see(delete.where_clause());
            let returning = delete.returning_clause().map(Node::ReturningClause);
            see_some(returning, &mut see);
            see_some(delete.with_clause().map(Node::WithClause), &mut see);
        }
        Node::SubLink(link) => {
            see(link.testexpr());
            see(link.subselect());
        }
        _ => {
            walk_manual::<()>(node, |child| {
                see(child);
                ControlFlow::Continue(Recurse::No)
            });
        }
    }
}

/// As [`children`] of a SELECT, without those in FROM.
pub(super) fn outside_from<'a>(select: &'a nodes::SelectStmt, see: impl FnMut(Node<'a>)) {
    of_select(select, false, see);
}

fn of_select<'a>(select: &'a nodes::SelectStmt, from: bool, mut see: impl FnMut(Node<'a>)) {
    see_list(select.distinct_clause(), &mut see);
    see_some(select.into_clause().map(Node::IntoClause), &mut see);
    let targets = select.target_list().iter().map(Node::ResTarget);
    targets.for_each(&mut see);
    if from {
        select.from_clause().iter().for_each(&mut see);
    }
    see(select.where_clause());
    see_list(select.group_clause(), &mut see);
    see(select.having_clause());
    select.window_clause().iter().for_each(&mut see);
    select.values_lists().iter().for_each(&mut see);
    let order = select.sort_clause().iter().map(Node::SortBy);
    order.for_each(&mut see);
    see(select.limit_offset());
    see(select.limit_count());
    let locks = select.locking_clause().iter().map(Node::LockingClause);
    locks.for_each(&mut see);
    see_some(select.with_clause().map(Node::WithClause), &mut see);
    see_some(select.larg().map(Node::SelectStmt), &mut see);
    see_some(select.rarg().map(Node::SelectStmt), &mut see);
}

/// A list as one node: whoever reads columns at once still meets them behind those before it.
fn see_list<'a>(list: &'a NodeList, mut see: impl FnMut(Node<'a>)) {
    if !list.is_empty() {
        see(Node::NodeList(list));
    }
}

fn see_some<'a>(node: Option<Node<'a>>, see: impl FnMut(Node<'a>)) {
    node.into_iter().for_each(see);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes that are not leaves, lists opened, in order: by [`children`] or the library alone.
    fn below<'a>(node: Node<'a>, quick: bool, list: &mut Vec<Node<'a>>) {
        let mut found = Vec::new();
        if quick {
            children(node, |child| found.push(child));
        } else if !matches!(node, Node::None) {
            walk_manual::<()>(node, |child| {
                found.push(child);
                ControlFlow::Continue(Recurse::No)
            });
        }
        for child in found {
            if !is_leaf(child) && !matches!(child, Node::NodeList(_)) {
                list.push(child);
            }
            below(child, quick, list);
        }
    }

    #[test]
    fn the_quick_way_sees_what_the_library_sees() {
        for text in [
            "select a.b, c.*, 1, 1.5, 'x', b'1', true, null, $1, now(), current_date from t",
            "select (x).y[1].z, a[1:2], array[1, f(2)], row(1, g(3)), (select 1) from a, b as c(d)",
            "select x::numeric(1, 2)[], cast(f(y) as text), z collate \"C\", -n, not b, a is null",
            "select sum(distinct a order by b desc, f(c)) filter (where d > h(1)) \
             over (partition by e, g(2) order by k(3) rows between 1 preceding and l(4) following) from t",
            "select f(variadic a), g(x => h(1)), percentile_cont(i(0.5)) within group (order by j(b)) from t",
            "select 1 from a join (b left join c on f(b.x) = g(c.x)) using (y) as z natural join d \
             where a.x between h(1) and i(2) and b.y in (1, j(2), 3) or c.z = any(k(4)) \
             group by l(1), rollup (m(2)) having n(3) > 1 window w as (order by o(1)) \
             order by p(4) nulls first, 2 using < limit q(5) offset r(6)",
            "with recursive a as (select 1 union all select f(n) from a) insert into t (a, b[g(1)], c.d) \
             select * from a on conflict (h(x)) where i(1) do update set y = j(2) where k(3) returning l(4), *",
            "update t set (a, b) = (select f(1), 2), c[g(1)] = default from u where case h(1) when 1 then i(2) else j(3) end",
            "values (1, f(2)), (default, coalesce(g(3), greatest(h(4), nullif(i(5), 1))))",
            "merge into t using u on f(t.a) = u.a when matched and g(1) then update set b = h(2) \
             when not matched then insert (a) values (i(3))",
            "with a as (select 1) select distinct on (f(1)) b into c from d, lateral (select g(2)) e, h(3) \
             where i(4) in (select j(5)) group by grouping sets (k(6)), l(7) having m(8) \
             window w as (partition by n(9)), v as (w order by o(1)) order by p(2) \
             limit q(3) offset r(4) for update of d nowait for share",
            "(select f(1) order by 1 limit 2) union all (values (g(2)), (h(3))) except select i(4) from j order by k(5)",
            "with a as (delete from b using c, f(1) d where g(2) returning h(3), old.*) \
             delete from e using i(4) where j(5) = any (select k(6)) returning with (old as o) l(7)",
            "with a as (select 1) update only b c set d = f(1), (e, g) = row(h(2), 3) from i, j(4) \
             where not exists (select k(5)) returning l(6)",
            "insert into a default values returning f(1)",
            "with b as (select 1) insert into a as c (d, e[f(1)]) overriding user value table g \
             on conflict do nothing returning h(2)",
            "select array(select f(1)), (select g(2)) in (select h(3)), i(4) > all (select 5)",
        ] {
            let tree = pg_raw_parse::parse(text).unwrap();
            for statement in tree.stmts() {
                let [mut quick, mut library] = [Vec::new(), Vec::new()];
                below(statement, true, &mut quick);
                below(statement, false, &mut library);
                let [quick, library] = [quick, library].map(|list| format!("{list:#?}"));
                assert_eq!(quick, library, "{text}");
            }
        }
    }
}

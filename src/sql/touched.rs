//! Which relations a statement names, what it does to each, and which functions it calls: a walk of
//! PostgreSQL's whole tree.
//!
//! What the walk cannot reach makes the list none: DO, EXECUTE, CASCADE, kinds of node that
//! are not known here. The walk keeps a list of what is still to be looked at and does not recurse.

use std::ptr;

use pg_raw_parse::raw::CmdType::*;
use pg_raw_parse::raw::OnConflictAction::ONCONFLICT_UPDATE;
use pg_raw_parse::{Node, nodes};

use super::fields::Fields;
use super::once::Once;
use super::scopes::{Scope, Scopes};
use super::{Details, HiddenCalls, QualifiedName, RelationAct, RelationTouch};
use super::{touched_by_utility, tree};

/// Different relations, and different functions, that a statement may name; more are not told.
const MAX_NAMES: usize = 1000;

/// Nodes that wait to be looked at, in most statements.
const ROOM: usize = 16;

/// Fills in the relations and calls of a statement.
pub(super) fn names(statement: Node<'_>, details: &mut Details) {
    let mut walk = Walk {
        open: Vec::with_capacity(ROOM),
        ..Walk::default()
    };
    walk.see(statement);
    while let Some(place) = walk.open.pop() {
        walk.place = place.surroundings;
        let behind = walk.open.len();
        walk.node(place.node);
        // In the order of the text.
        walk.open[behind..].reverse();
    }
    details.relations = walk.relations.list;
    details.calls = walk.calls.list;
    match (walk.fields.told(MAX_NAMES), walk.operators.list) {
        (Some(fields), Some(operators)) => {
            let any = !fields.is_empty() || !operators.is_empty();
            details.hidden = any.then(|| Box::new(HiddenCalls { fields, operators }));
        }
        _ => details.calls = None,
    }
}

/// A node to be looked at.
struct Place<'a> {
    node: Node<'a>,
    surroundings: Surroundings,
}

/// What a node inherits from those above it.
#[derive(Clone, Copy, Default)]
struct Surroundings {
    /// The CTEs that can be named there.
    scope: Option<Scope>,
    /// It is in the FROM of a SELECT ... FOR UPDATE or the like.
    locked: bool,
}

/// Names found so far, each once; none when they cannot all be told.
struct Found<'a, Act, Entry> {
    list: Option<Vec<Entry>>,
    known: Once<(Option<&'a str>, &'a str, Act)>,
}

impl<Act, Entry> Default for Found<'_, Act, Entry> {
    fn default() -> Self {
        Self {
            list: Some(Vec::new()),
            known: Once::default(),
        }
    }
}

impl<'a, Act: Copy + Eq + std::hash::Hash, Entry> Found<'a, Act, Entry> {
    fn add(
        &mut self,
        schema: Option<&'a str>,
        name: Option<&'a str>,
        act: Act,
        entry: impl Fn(QualifiedName, Act) -> Entry,
    ) {
        let (Some(list), Some(name)) = (&mut self.list, name) else {
            self.list = None;
            return;
        };
        if !self.known.insert((schema, name, act)) {
            return;
        }
        if list.len() == MAX_NAMES {
            self.list = None;
            return;
        }
        let name = QualifiedName {
            schema: schema.map(Box::from),
            name: name.into(),
        };
        list.push(entry(name, act));
    }
}

#[derive(Default)]
pub(super) struct Walk<'a> {
    open: Vec<Place<'a>>,
    /// Of the node that is being looked at.
    place: Surroundings,
    scopes: Scopes<'a>,
    relations: Found<'a, RelationAct, RelationTouch>,
    calls: Found<'a, (), QualifiedName>,
    operators: Found<'a, (), QualifiedName>,
    fields: Fields<'a>,
}

impl<'a> Walk<'a> {
    /// Leaves a node to be looked at. Constants and columns, which are most of them, have nothing to see.
    pub(super) fn see(&mut self, node: Node<'a>) {
        // Nothing is below a column, but it may be a call itself: nobody waits for its place.
        let mut node = node;
        // What most lists hold is only around an expression.
        if let Node::ResTarget(target) = node
            && target.indirection().is_empty()
        {
            node = target.val();
        }
        if let Node::ColumnRef(column) = node {
            self.fields.read(column);
            return;
        }
        if tree::is_leaf(node) {
            return;
        }
        let surroundings = self.place;
        self.open.push(Place { node, surroundings });
    }

    pub(super) fn see_all(&mut self, nodes: impl IntoIterator<Item = Node<'a>>) {
        for node in nodes {
            self.see(node);
        }
    }

    /// Relations are touched that the statement does not name.
    pub(super) fn lose_relations(&mut self) {
        self.relations.list = None;
    }

    /// Text is run that the statement does not hold.
    pub(super) fn lose_all(&mut self) {
        self.relations.list = None;
        self.calls.list = None;
    }

    pub(super) fn touch(&mut self, relation: Option<&'a nodes::RangeVar>, act: RelationAct) {
        if let Some(relation) = relation {
            self.touch_named(relation.schemaname(), relation.relname(), act);
        }
    }

    pub(super) fn touch_named(
        &mut self,
        schema: Option<&'a str>,
        name: Option<&'a str>,
        act: RelationAct,
    ) {
        self.relations
            .add(schema, name, act, |relation, act| RelationTouch {
                relation,
                act,
            });
    }

    /// A function, by the parts of its name.
    pub(super) fn call(&mut self, name: &'a pg_raw_parse::list::NodeList) {
        let (mut schema, mut last) = (None, None);
        for part in name {
            schema = last;
            last = part.as_str();
        }
        self.calls.add(schema, last, (), |name, ()| name);
    }

    /// An operator, by the parts of its name; those without a schema cannot be told.
    fn operator(&mut self, name: &'a pg_raw_parse::list::NodeList) {
        let part = |from_end: usize| name.get(name.len().checked_sub(from_end)?)?.as_str();
        let schema = part(2);
        if name.len() > 1 && schema != Some("pg_catalog") {
            self.operators.add(schema, part(1), (), |name, ()| name);
        }
    }

    fn node(&mut self, node: Node<'a>) {
        match node {
            Node::NodeList(list) => self.see_all(list),
            Node::RangeVar(relation) => self.read(relation),
            Node::SelectStmt(select) => self.select(select),
            Node::InsertStmt(insert) => {
                self.touch(insert.relation(), RelationAct::Insert);
                let conflict = insert.on_conflict_clause();
                if conflict.is_some_and(|clause| clause.action == ONCONFLICT_UPDATE) {
                    self.touch(insert.relation(), RelationAct::Update);
                }
                self.query(node, insert.with_clause(), insert.relation());
            }
            Node::UpdateStmt(update) => {
                self.touch(update.relation(), RelationAct::Update);
                self.query(node, update.with_clause(), update.relation());
            }
            Node::DeleteStmt(delete) => {
                self.touch(delete.relation(), RelationAct::Delete);
                self.query(node, delete.with_clause(), delete.relation());
            }
            Node::MergeStmt(merge) => {
                self.merge(merge);
                self.query(node, merge.with_clause(), merge.relation());
            }
            Node::IntoClause(into) => self.touch(into.rel(), RelationAct::Define),
            // Its names are aliases; the relations behind them are known to be locked.
            Node::LockingClause(_) => {}
            Node::FuncCall(call) => {
                self.call(call.funcname());
                self.children(node);
            }
            Node::RangeTableSample(sample) => {
                // The method is a function of that name.
                self.call(sample.method());
                self.children(node);
            }
            Node::A_Indirection(path) => {
                // `(x).f` can be a call of f.
                for step in path.indirection() {
                    if let Node::String(name) = step {
                        self.calls.add(None, name.sval(), (), |name, ()| name);
                    }
                }
                self.children(node);
            }
            Node::RangeFunction(item) => {
                self.fields.item(item);
                self.children(node);
            }
            Node::A_Expr(expression) => {
                self.operator(expression.name());
                self.children(node);
            }
            Node::SubLink(link) => {
                self.operator(link.oper_name());
                self.children(node);
            }
            Node::SortBy(sort) => {
                self.operator(sort.use_op());
                self.children(node);
            }
            Node::ColumnDef(column) => {
                self.see_all(column.constraints());
                self.children(node);
            }
            _ if is_expression(node) => self.children(node),
            _ => touched_by_utility::utility(self, node),
        }
    }

    /// A relation in FROM, or the query of a CTE that has its name.
    fn read(&mut self, relation: &'a nodes::RangeVar) {
        let query = relation.schemaname().is_none()
            && relation
                .relname()
                .is_some_and(|name| self.scopes.has(self.place.scope, name));
        if query {
            return;
        }
        self.touch(Some(relation), RelationAct::Read);
        if self.place.locked {
            self.touch(Some(relation), RelationAct::Lock);
        }
    }

    fn select(&mut self, select: &'a nodes::SelectStmt) {
        let locked = self.place.locked || !select.locking_clause().is_empty();
        self.place.locked = false;
        self.with(select.with_clause());
        let outside = self.place;
        tree::outside_from(select, |child| self.see_but_with(child));
        // A lock reaches the subqueries in FROM, not those in expressions or in WITH.
        self.place.locked = locked;
        self.see_all(select.from_clause());
        self.place = outside;
    }

    fn merge(&mut self, merge: &'a nodes::MergeStmt) {
        self.touch(merge.relation(), RelationAct::Read);
        for when in merge.merge_when_clauses() {
            let act = match when.command_type {
                CMD_INSERT => RelationAct::Insert,
                CMD_UPDATE => RelationAct::Update,
                CMD_DELETE => RelationAct::Delete,
                CMD_NOTHING => continue,
                _ => return self.lose_relations(),
            };
            self.touch(merge.relation(), act);
        }
    }

    /// Everything in a statement but its target, which is never a CTE.
    fn query(
        &mut self,
        node: Node<'a>,
        with: Option<&'a nodes::WithClause>,
        target: Option<&'a nodes::RangeVar>,
    ) {
        self.place.locked = false;
        self.with(with);
        tree::children(node, |child| match (child, target) {
            (Node::RangeVar(relation), Some(target)) if ptr::eq(relation, target) => {}
            _ => self.see_but_with(child),
        });
    }

    /// Opens the scope of a WITH, and leaves its queries to be looked at.
    fn with(&mut self, with: Option<&'a nodes::WithClause>) {
        let Some(with) = with else { return };
        let outer = self.place;
        let names = with.ctes().iter().map(|cte| cte.ctename());
        let scope = self.scopes.open(names, outer.scope);
        for (at, cte) in with.ctes().iter().enumerate() {
            // Without RECURSIVE a query sees those before it.
            self.place.scope = Some(scope.first(if with.recursive { usize::MAX } else { at }));
            self.see(cte.ctequery());
        }
        self.place = Surroundings {
            scope: Some(scope),
            ..outer
        };
    }

    fn children(&mut self, node: Node<'a>) {
        tree::children(node, |child| self.see_but_with(child));
    }

    /// A WITH is looked at by its statement.
    fn see_but_with(&mut self, node: Node<'a>) {
        if !matches!(node, Node::WithClause(_)) {
            self.see(node);
        }
    }
}

/// Is it a part of a query that the library can walk?
fn is_expression(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        A_ArrayExpr(_)
            | A_Const(_)
            | A_Indices(_)
            | A_Star(_)
            | Alias(_)
            | BitString(_)
            | BoolExpr(_)
            | Boolean(_)
            | BooleanTest(_)
            | CaseExpr(_)
            | CoalesceExpr(_)
            | CollateClause(_)
            | CommonTableExpr(_)
            | CurrentOfExpr(_)
            | Float(_)
            | GroupingFunc(_)
            | GroupingSet(_)
            | IndexElem(_)
            | InferClause(_)
            | Integer(_)
            | JoinExpr(_)
            | MergeSupportFunc(_)
            | MergeWhenClause(_)
            | MinMaxExpr(_)
            | MultiAssignRef(_)
            | NamedArgExpr(_)
            | NullTest(_)
            | OnConflictClause(_)
            | ParamRef(_)
            | RangeSubselect(_)
            | RangeTableFunc(_)
            | RangeTableFuncCol(_)
            | ResTarget(_)
            | ReturningClause(_)
            | ReturningOption(_)
            | RowExpr(_)
            | SQLValueFunction(_)
            | SetToDefault(_)
            | String(_)
            | TypeCast(_)
            | TypeName(_)
            | WindowDef(_)
            | XmlExpr(_)
            | XmlSerialize(_)
    ) || is_json(node)
}

fn is_json(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        JsonAggConstructor(_)
            | JsonArgument(_)
            | JsonArrayAgg(_)
            | JsonArrayConstructor(_)
            | JsonArrayQueryConstructor(_)
            | JsonBehavior(_)
            | JsonFormat(_)
            | JsonFuncExpr(_)
            | JsonIsPredicate(_)
            | JsonKeyValue(_)
            | JsonObjectAgg(_)
            | JsonObjectConstructor(_)
            | JsonOutput(_)
            | JsonParseExpr(_)
            | JsonReturning(_)
            | JsonScalarExpr(_)
            | JsonSerializeExpr(_)
            | JsonTable(_)
            | JsonTableColumn(_)
            | JsonTablePathSpec(_)
            | JsonValueExpr(_)
    )
}

//! Names of guarded functions that are no calls: `FROM (VALUES (1)) AS crosstab (n)`, `SELECT t.crosstab FROM t`,
//! `COPY crosstab (n) FROM STDIN`, `INSERT INTO duckdb.orders (n) VALUES (1)`.
//!
//! To the tokens an alias with columns looks like a call, and so does a name behind a dot, PostgreSQL's
//! other way to write one. They are none if both opinions say so: all that the tokens show are
//! lists of plain names in parentheses, and names behind a dot; and the tree has as many aliases with columns of that
//! name, and as many relations and columns of rows. Where anything else is in the way the name counts as a call.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;

use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, nodes};

use super::functions::{self, ByDot};
use super::giving::{by_json_table, by_query, by_xmltable, columns_of};
use super::scan;
use super::token::Kind;
use super::view::View;
use super::{FunctionGroup, group};

/// How often each looks like a call and may be none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    /// `f (a, b)`
    aliases: usize,
    /// `x.f`
    dotted: usize,
}

/// The same of several guarded functions.
type Counts = HashMap<&'static str, Count>;

/// How often each of these guarded functions seems to be called in the statement; none if one of these must be a
/// call. All in one pass: a text can name every one of them, thousands of times.
/// What sets parameters is not told from an alias.
fn seen(view: View<'_>, functions: &Counts) -> HashMap<&'static str, Option<Count>> {
    let mut counts = HashMap::new();
    for at in 0..view.tokens.len() {
        let called = scan::called(view, at).filter(|it| functions.contains_key(it));
        let Some(function) = called else {
            continue;
        };
        let place: &mut Option<Count> = counts.entry(function).or_insert(Some(Count::default()));
        let Some(count) = place else {
            continue;
        };
        let behind_dot = at > 0 && view.is_kind(at - 1, Kind::Dot);
        match (behind_dot, view.is_kind(at + 1, Kind::Open)) {
            _ if group(function) == Some(FunctionGroup::Settings) => *place = None,
            (true, false) => count.dotted += 1,
            (true, true) if is_target(view, at) && holds_names(view, at + 1) => count.dotted += 1,
            (false, true) if at > 0 && holds_names(view, at + 1) => count.aliases += 1,
            _ => *place = None,
        }
    }
    counts
}

/// Is it the `f` of `INSERT INTO s.f (a, b)` or `COPY s.f (a, b)`?
fn is_target(view: View<'_>, at: usize) -> bool {
    let mut first = at;
    while first >= 2 && view.is_kind(first - 1, Kind::Dot) && view.is_name(first - 2) {
        first -= 2;
    }
    let copied = || view.is(0, "copy") && (first == 1 || (first == 2 && view.is(1, "binary")));
    copied() || (first >= 2 && view.is(first - 1, "into") && view.is(first - 2, "insert"))
}

/// Does `(a, b)` stand there?
fn holds_names(view: View<'_>, open: usize) -> bool {
    let mut at = open + 1;
    loop {
        if !view.is_name(at) {
            return false;
        }
        match view.kind(at + 1) {
            Some(Kind::Comma) => at += 2,
            Some(Kind::Close) => return true,
            _ => return false,
        }
    }
}

/// The guarded function of that name, where a name behind a dot may be something else.
fn guarded(name: &str) -> Option<&'static str> {
    // What a view shows is what its function does.
    let is_view = functions::view(name.as_bytes()).is_some();
    functions::find(name.as_bytes()).filter(|_| !is_view)
}

/// What the name of a table with columns behind it looks like because of its schema.
fn of_guarded_schema(relation: &nodes::RangeVar) -> Option<&'static str> {
    let (schema, name) = (relation.schemaname()?, relation.relname()?);
    // By its own name it is met as a relation.
    match functions::find(name.as_bytes()) {
        None => functions::in_schema(schema, name),
        Some(_) => None,
    }
}

/// What a query calls its tables and columns, as far as these are names of guarded functions.
#[derive(Default)]
pub(super) struct Names {
    /// Aliases with columns, each as often as it is there.
    aliases: Vec<&'static str>,
    /// Relations with their schema, and columns of rows: each as often as it is there.
    dotted: Vec<&'static str>,
}

/// What a walk has met.
#[derive(Default)]
struct Found<'a> {
    names: Names,
    known: HashSet<*const ()>,
    /// Columns, with a qualifier that may be that of a function in FROM: qualifier, name, and which function it may call.
    columns: Vec<(&'a str, &'a str, &'static str)>,
    /// What functions in FROM are called, and how many are called so.
    values: HashMap<&'a str, usize>,
    /// How many of them have a column of that name, which the statement gives them: what is qualified by them
    /// and is none of these may be of any type. Counted, as a text can have thousands of both.
    given: HashMap<(&'a str, &'a str), usize>,
    /// One of them has a name that cannot be told.
    nameless: bool,
    /// Columns of tables, or calls of what a query returns: qualifier, and which function.
    typed: Vec<(&'a str, &'static str)>,
    tables: Tables<'a>,
}

/// What tables are called, and what else may be called so.
#[derive(Default)]
struct Tables<'a> {
    /// The name that columns go by, and the table's own where it has no schema.
    named: HashSet<(&'a str, Option<&'a str>)>,
    /// Where tables have an alias.
    theirs: HashSet<*const ()>,
    /// Every alias, and where it is.
    aliases: Vec<(&'a str, *const ())>,
    /// Queries of WITH without a column of that name.
    queries: HashSet<&'a str>,
    /// Queries of WITH that have one.
    giving: HashSet<&'a str>,
    /// Relations whose columns FROM renames: how columns are qualified, and the name.
    renamed: Vec<(&'a str, &'a str)>,
}

impl<'a> Tables<'a> {
    fn meet(&mut self, node: Node<'a>) {
        match node {
            Node::RangeVar(table) => {
                let alone = table.schemaname().is_none();
                let alias = table.alias();
                self.theirs
                    .extend(alias.map(|it| std::ptr::from_ref(it).cast()));
                let name = alias.and_then(nodes::Alias::aliasname).or(table.relname());
                let own = table.relname().filter(|_| alone);
                self.named.extend(name.map(|name| (name, own)));
                if alias.is_some_and(|it| !it.colnames().is_empty()) {
                    self.renamed.extend(name.zip(own));
                }
            }
            Node::RangeSubselect(item) => {
                let alias = item.alias();
                let given = alias.map(|it| it.colnames().iter().filter_map(Node::as_str));
                if by_query(item.subquery(), given.into_iter().flatten()) {
                    self.give(alias);
                }
            }
            Node::RangeFunction(item) if columns_of(item).contains(functions::TYPED) => {
                self.give(item.alias());
            }
            Node::RangeTableFunc(item) if by_xmltable(item) => {
                self.give(item.alias());
            }
            Node::JsonTable(item) if by_json_table(item) => {
                self.give(item.alias());
            }
            Node::Alias(alias) => {
                let place = std::ptr::from_ref(alias).cast();
                self.aliases
                    .extend(alias.aliasname().map(|name| (name, place)));
            }
            // Without an alias they are called so.
            Node::RangeTableFunc(item) if item.alias().is_none() => {
                self.aliases
                    .push(("xmltable", std::ptr::from_ref(item).cast()));
            }
            Node::JsonTable(item) if item.alias().is_none() => {
                self.aliases
                    .push(("json_table", std::ptr::from_ref(item).cast()));
            }
            Node::CommonTableExpr(query) => {
                let given = query.aliascolnames().iter().filter_map(Node::as_str);
                match by_query(query.ctequery(), given) {
                    true => self.giving.extend(query.ctename()),
                    false => self.queries.extend(query.ctename()),
                }
            }
            _ => {}
        }
    }

    /// What is called so has a column of the name that it is about, as a table may.
    fn give(&mut self, alias: Option<&'a nodes::Alias>) {
        self.theirs
            .extend(alias.map(|it| std::ptr::from_ref(it).cast()));
        let name = alias.and_then(nodes::Alias::aliasname);
        self.named.extend(name.map(|name| (name, None)));
    }

    /// What only tables are called, and queries that have a column of the name that it is about: no other query,
    /// nor anything else that has an alias.
    fn told(&self) -> HashSet<&'a str> {
        let mut names: HashSet<&str> = self.named.iter().map(|(name, _)| *name).collect();
        if !names.is_empty() {
            names.extend(OF_WRITTEN);
        }
        for (name, own) in &self.named {
            if own.is_some_and(|own| self.queries.contains(own)) {
                names.remove(name);
            }
        }
        for (name, place) in &self.aliases {
            if !self.theirs.contains(place) {
                names.remove(name);
            }
        }
        for name in &self.queries {
            names.remove(name);
        }
        for (name, own) in &self.renamed {
            if self.giving.contains(own) {
                names.remove(name);
            }
        }
        names
    }
}

/// What ON CONFLICT and RETURNING call the rows that are there and those that are not yet.
const OF_WRITTEN: [&str; 3] = ["excluded", "new", "old"];

impl<'a> Found<'a> {
    /// Is it met for the first time? What counts must not count twice.
    fn is_new<T>(&mut self, node: &T) -> bool {
        self.known.insert(std::ptr::from_ref(node).cast())
    }

    fn meet(&mut self, node: Node<'a>) {
        self.tables.meet(node);
        if let Node::InsertStmt(insert) = node {
            self.inserted(insert);
        }
        match node {
            Node::Alias(alias) if !alias.colnames().is_empty() && self.is_new(alias) => {
                let name = alias.aliasname().map(str::as_bytes);
                self.names.aliases.extend(name.and_then(functions::find));
            }
            Node::InsertStmt(insert) if !insert.cols().is_empty() && self.is_new(insert) => {
                self.names
                    .dotted
                    .extend(insert.relation().and_then(of_guarded_schema));
            }
            Node::CopyStmt(copy) if !copy.attlist().is_empty() && self.is_new(copy) => {
                self.copied(copy.relation());
            }
            Node::RangeVar(relation)
                if relation.schemaname().is_some() && self.is_new(relation) =>
            {
                self.names
                    .dotted
                    .extend(relation.relname().and_then(guarded));
            }
            Node::CommonTableExpr(query)
                if !query.aliascolnames().is_empty() && self.is_new(query) =>
            {
                let name = query.ctename().map(str::as_bytes);
                self.names.aliases.extend(name.and_then(functions::find));
            }
            // `SET a.f = 1` and `INSERT INTO t (a.f)`: what is written to is not called.
            Node::ResTarget(target) if !target.indirection().is_empty() && self.is_new(target) => {
                let fields = target.indirection().iter().filter_map(Node::as_str);
                self.names.dotted.extend(fields.filter_map(guarded));
            }
            Node::RangeFunction(item) if self.is_new(item) => self.value(item),
            Node::ColumnRef(column) if self.is_new(column) => self.column(column),
            _ => {}
        }
    }

    /// `INSERT INTO crosstab (a, b)`: to the tokens it is an alias with columns.
    fn inserted(&mut self, insert: &'a nodes::InsertStmt) {
        let is_bare = |it: &&nodes::RangeVar| it.schemaname().is_none() && it.alias().is_none();
        let table = insert.relation().filter(is_bare);
        let Some(table) = table.filter(|_| !insert.cols().is_empty()) else {
            return;
        };
        if self.is_new(table) {
            self.names.aliases.extend(table.relname().and_then(guarded));
        }
    }

    /// The table of COPY with columns.
    fn copied(&mut self, relation: Option<&'a nodes::RangeVar>) {
        let alone = relation.filter(|it| it.schemaname().is_none());
        let name = alone.and_then(nodes::RangeVar::relname);
        self.names.aliases.extend(name.and_then(guarded));
        self.names
            .dotted
            .extend(relation.and_then(of_guarded_schema));
    }

    fn value(&mut self, item: &'a nodes::RangeFunction) {
        let Some(name) = name_of(item) else {
            self.nameless = true;
            return;
        };
        *self.values.entry(name).or_default() += 1;
        for column in columns_of(item) {
            *self.given.entry((name, column)).or_default() += 1;
        }
    }

    fn column(&mut self, column: &'a nodes::ColumnRef) {
        let path = column.fields();
        let part = |at: usize| path.get(at).and_then(Node::as_str);
        let last = path.len().saturating_sub(1);
        // The relation, and its schema behind a database.
        let relation = (1..last).filter_map(|at| part(at).and_then(guarded));
        self.names.dotted.extend(relation);
        let (Some(qualifier), Some(name)) = (part(0), part(last).filter(|_| last > 0)) else {
            return;
        };
        let not_of_rows = |it: &&str| functions::by_dot(it) != ByDot::OfRow;
        match guarded(name).filter(not_of_rows) {
            Some(function) if last == 1 && functions::by_dot(function) == ByDot::OfQuery => {
                self.typed.push((qualifier, function));
            }
            Some(function) if last == 1 => self.columns.push((qualifier, name, function)),
            // With its schema it can only be a relation.
            Some(function) => self.names.dotted.push(function),
            None => {}
        }
    }

    fn told(mut self) -> Names {
        if !self.nameless {
            // All that are called so have it, or none is called so.
            let is_column = |qualifier: &str, name: &str| {
                self.values.get(qualifier) == self.given.get(&(qualifier, name))
            };
            let columns = self.columns.iter();
            let columns = columns.filter(|(qualifier, name, _)| is_column(qualifier, name));
            self.names
                .dotted
                .extend(columns.map(|(.., function)| function));
            if !self.typed.is_empty() {
                let tables = self.tables.told();
                let of_table =
                    |it: &&(&str, _)| tables.contains(it.0) && is_column(it.0, functions::TYPED);
                let columns = self.typed.iter().filter(of_table);
                self.names
                    .dotted
                    .extend(columns.map(|(_, function)| *function));
            }
        }
        self.names
    }
}

/// What a function in FROM is called: by its alias, or by its own name.
fn name_of(item: &nodes::RangeFunction) -> Option<&str> {
    if let Some(alias) = item.alias() {
        return alias.aliasname();
    }
    match item.functions().get(0)? {
        Node::NodeList(entry) => match entry.get(0)? {
            Node::FuncCall(call) => call.funcname().iter().next_back()?.as_str(),
            _ => None,
        },
        _ => None,
    }
}

/// Those of SET, RESET and SHOW, which call nothing: `SET my.http = 1`.
pub(super) fn of_parameter(name: Option<&str>) -> Names {
    let behind_dots = name.into_iter().flat_map(|name| name.split('.').skip(1));
    Names {
        dotted: behind_dots.filter_map(guarded).collect(),
        ..Names::default()
    }
}

/// Those of COMMENT ON, which calls nothing: its column behind its table, its table behind a schema.
pub(super) fn of_comment(comment: &nodes::CommentStmt) -> Names {
    let Node::NodeList(path) = comment.object() else {
        return Names::default();
    };
    let behind_dots = path.iter().skip(1).filter_map(Node::as_str);
    Names {
        dotted: behind_dots.filter_map(guarded).collect(),
        ..Names::default()
    }
}

/// Those of CREATE VIEW: of its query, and its own name. CREATE RECURSIVE VIEW has the latter in its query, as that of a
/// WITH that nobody wrote.
pub(super) fn of_view(view: &nodes::ViewStmt) -> Names {
    let mut names = named(view.query());
    let own = view.view();
    let name = own.and_then(nodes::RangeVar::relname).and_then(guarded);
    let alone = own.is_some_and(|it| it.schemaname().is_none());
    let is_there = name.is_some_and(|name| names.aliases.contains(&name));
    match (alone, view.aliases().is_empty()) {
        (true, false) if !is_there => names.aliases.extend(name),
        (false, true) => names.dotted.extend(name),
        _ => {}
    }
    names
}

/// Those anywhere in a query, COPY or LOCK TABLE.
pub(super) fn named(query: Node<'_>) -> Names {
    let mut found = Found::default();
    let mut open = vec![query];
    while let Some(node) = open.pop() {
        match node {
            // The library reads through the pointer behind these.
            Node::None => continue,
            Node::NodeList(list) if list.is_empty() => continue,
            Node::Invalid(..) => return Names::default(),
            _ => found.meet(node),
        }
        // These are not for the library to walk.
        match node {
            Node::CopyStmt(copy) => {
                open.extend(copy.relation().map(Node::RangeVar));
                open.push(copy.where_clause());
                continue;
            }
            Node::LockStmt(lock) => {
                open.extend(lock.relations());
                continue;
            }
            // The library does not come to this one.
            Node::JsonTable(table) => open.extend(table.alias().map(Node::Alias)),
            _ => {}
        }
        // One level at a time: the library's own descent would use stack for every level.
        walk_manual::<()>(node, |child| {
            open.push(child);
            ControlFlow::Continue(Recurse::No)
        });
    }
    found.told()
}

/// Takes from the functions that a statement seems to call those that are none in it; `names`: by [`named`].
pub(super) fn not_calls(view: View<'_>, names: &Names, calls: &mut Vec<&'static str>) {
    let mut named = Counts::new();
    for name in &names.aliases {
        named.entry(name).or_default().aliases += 1;
    }
    for name in &names.dotted {
        named.entry(name).or_default().dotted += 1;
    }
    if named.is_empty() {
        return;
    }
    let seen = seen(view, &named);
    calls.retain(|function| match named.get(function) {
        Some(count) => seen.get(function) != Some(&Some(*count)),
        None => true,
    });
}

//! What PostgreSQL's own tree says about a statement: a second, simple reading of it, written
//! without a look at that of the gate. It descends by recursion, which generated texts may have.

use std::collections::BTreeSet;

use pg_raw_parse::raw::OnCommitAction::ONCOMMIT_DROP;
use pg_raw_parse::raw::VariableSetKind;
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{ConstValue, Node, nodes};

/// What must be known about one statement.
#[derive(Debug, Default)]
pub struct Truth {
    /// It may only run in a migration session, or nowhere.
    pub restricted: bool,
    /// It calls `set_config` with the name of a role parameter.
    pub sets_role: bool,
    /// It makes a temporary table that is gone when its transaction is over.
    pub dropped_at_commit: bool,
    /// It can write rows.
    pub writes: bool,
    /// It runs an UPDATE or DELETE without WHERE.
    pub missing_where: bool,
    /// Relations that queries in it name, by any name that no CTE of the statement has.
    pub relations: BTreeSet<String>,
    /// Functions that queries in it call.
    pub calls: BTreeSet<String>,
}

/// Of each statement of a text; none if PostgreSQL does not read it.
pub fn of(text: &str) -> Option<Vec<Truth>> {
    let tree = pg_raw_parse::parse(text).ok()?;
    Some(tree.stmts().map(statement).collect())
}

fn statement(node: Node<'_>) -> Truth {
    use Node::*;
    match node {
        SelectStmt(_) | InsertStmt(_) | UpdateStmt(_) | DeleteStmt(_) | MergeStmt(_) => query(node),
        TransactionStmt(_)
        | ConstraintsSetStmt(_)
        | VariableShowStmt(_)
        | FetchStmt(_)
        | ClosePortalStmt(_)
        | ExecuteStmt(_)
        | DeallocateStmt(_)
        | NotifyStmt(_)
        | ListenStmt(_)
        | UnlistenStmt(_)
        | LockStmt(_) => Truth::default(),
        VariableSetStmt(set) => Truth {
            restricted: set.kind != VariableSetKind::VAR_SET_MULTI && is_role(set.name()),
            ..Truth::default()
        },
        ExplainStmt(explain) if runs(explain) => statement(explain.query()),
        ExplainStmt(_) => Truth::default(),
        PrepareStmt(prepare) => statement(prepare.query()),
        DeclareCursorStmt(declare) => {
            let mut truth = statement(declare.query());
            // WITH HOLD
            truth.restricted |= declare.options & 0x20 != 0;
            truth
        }
        CopyStmt(copy) => {
            let mut truth = match copy.query() {
                Node::None => Truth::default(),
                query => statement(query),
            };
            truth.restricted |= copy.is_program || copy.filename().is_some();
            truth
        }
        _ => Truth {
            restricted: true,
            dropped_at_commit: dropped_at_commit(node),
            ..Truth::default()
        },
    }
}

fn dropped_at_commit(node: Node<'_>) -> bool {
    let (relation, action) = match node {
        Node::CreateStmt(table) => (table.relation(), table.oncommit),
        Node::CreateTableAsStmt(table) => match table.into() {
            Some(into) => (into.rel(), into.on_commit),
            None => return false,
        },
        _ => return false,
    };
    let temporary = relation.is_some_and(|relation| {
        relation.schemaname() == Some("pg_temp") || relation.relpersistence as u8 == b't'
    });
    temporary && action == ONCOMMIT_DROP
}

fn is_role(name: Option<&str>) -> bool {
    name.is_some_and(|name| {
        ["role", "session_authorization"]
            .iter()
            .any(|role| name.eq_ignore_ascii_case(role))
    })
}

fn runs(explain: &nodes::ExplainStmt) -> bool {
    let analyze = |option: &nodes::DefElem| {
        option.defname() == Some("analyze")
            && match option.arg() {
                Node::None => true,
                Node::Integer(value) => value.ival != 0,
                Node::String(word) => !matches!(
                    word.sval().map(str::to_ascii_lowercase).as_deref(),
                    Some("off" | "false")
                ),
                _ => true,
            }
    };
    explain.options().iter().any(analyze)
}

fn query(top: Node<'_>) -> Truth {
    let mut truth = Truth::default();
    let mut ctes = BTreeSet::new();
    look(top, &mut truth, &mut ctes);
    walk_manual::<()>(top, |node| {
        look(node, &mut truth, &mut ctes);
        // Behind FOR UPDATE OF stand aliases.
        Recurse::recurse_unless(matches!(node, Node::LockingClause(_)))
    });
    truth.relations.retain(|name| !ctes.contains(name));
    truth
}

fn look(node: Node<'_>, truth: &mut Truth, ctes: &mut BTreeSet<String>) {
    match node {
        Node::SelectStmt(select) => truth.restricted |= select.into_clause().is_some(),
        Node::InsertStmt(_) | Node::MergeStmt(_) => truth.writes = true,
        Node::UpdateStmt(update) => {
            truth.writes = true;
            truth.missing_where |= matches!(update.where_clause(), Node::None);
        }
        Node::DeleteStmt(delete) => {
            truth.writes = true;
            truth.missing_where |= matches!(delete.where_clause(), Node::None);
        }
        Node::CommonTableExpr(cte) => {
            ctes.insert(cte.ctename().unwrap_or_default().to_owned());
        }
        Node::RangeVar(relation) => {
            let name = relation.relname().unwrap_or_default();
            truth.relations.insert(name.to_owned());
        }
        Node::FuncCall(call) => {
            let name = call.funcname().iter().next_back().and_then(Node::as_str);
            let name = name.unwrap_or_default();
            truth.calls.insert(name.to_owned());
            truth.sets_role |= name == "set_config" && call.args().len() == 3 && sets_role(call);
        }
        _ => {}
    }
}

/// Is the first argument, a constant, the name of a role?
fn sets_role(call: &nodes::FuncCall) -> bool {
    let mut name = call.args().first();
    // `N'role'` is a cast.
    while let Some(Node::TypeCast(cast)) = name {
        name = Some(cast.arg());
    }
    match name {
        Some(Node::A_Const(name)) => match name.val() {
            Some(ConstValue::String(name)) => is_role(Some(name)),
            _ => false,
        },
        _ => false,
    }
}

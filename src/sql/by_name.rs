//! Prepared statements and cursors that SQL calls by their names: PREPARE and EXECUTE, DECLARE and FETCH.
//! From PostgreSQL's tree, where names are folded, decoded and cut as on the server.

use pg_raw_parse::{Node, nodes};

/// What is done to a prepared statement or cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameAct {
    /// PREPARE.
    Prepare,
    /// EXECUTE, also in EXPLAIN and CREATE TABLE AS.
    Execute,
    /// DEALLOCATE.
    Deallocate,
    /// DECLARE.
    Declare {
        /// WITH HOLD: it may outlive its transaction.
        hold: bool,
    },
    /// FETCH, MOVE.
    Fetch,
    /// CLOSE.
    Close,
}

/// A prepared statement or cursor that a statement names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameTouch {
    /// What is done.
    pub act: NameAct,
    /// Its name as PostgreSQL stores it (at most 63 bytes); none: all of them.
    pub name: Option<Box<str>>,
}

/// WITH HOLD (PostgreSQL's `nodes/parsenodes.h`).
const CURSOR_OPT_HOLD: i32 = 0x20;

/// Does the cursor outlive its transaction?
pub(super) fn holds(declare: &nodes::DeclareCursorStmt) -> bool {
    declare.options & CURSOR_OPT_HOLD != 0
}

/// The EXECUTE that an EXPLAIN is about, also behind CREATE TABLE AS: without ANALYZE, too, the server plans
/// the prepared statement, shows its constants, and computes the arguments.
pub(super) fn explained_execute(explain: &nodes::ExplainStmt) -> Option<Node<'_>> {
    let query = match explain.query() {
        Node::CreateTableAsStmt(table) => table.query(),
        query => query,
    };
    matches!(query, Node::ExecuteStmt(_)).then_some(query)
}

/// What the top of a statement does to one of them.
pub(super) fn touch(node: Node<'_>) -> Option<Box<NameTouch>> {
    let (act, name) = match node {
        Node::PrepareStmt(it) => (NameAct::Prepare, it.name()),
        Node::ExecuteStmt(it) => (NameAct::Execute, it.name()),
        Node::DeallocateStmt(it) => (NameAct::Deallocate, it.name()),
        Node::DeclareCursorStmt(it) => (NameAct::Declare { hold: holds(it) }, it.portalname()),
        Node::FetchStmt(it) => (NameAct::Fetch, it.portalname()),
        Node::ClosePortalStmt(it) => (NameAct::Close, it.portalname()),
        // Not run, but planned, and its arguments are computed.
        Node::ExplainStmt(it) => return touch(explained_execute(it)?),
        _ => return None,
    };
    let name = name.map(Into::into);
    Some(Box::new(NameTouch { act, name }))
}

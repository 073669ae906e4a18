//! The second opinion: what a statement does, by PostgreSQL's own grammar (libpg_query).
//!
//! The text must have passed the bounds of the lexer: the grammar cannot be interrupted.
//! Nothing here recurses with the depth of the text: libpg_query keeps its parser's stack on the
//! heap and bounds it (10,000 entries, then a syntax error), and trees are walked with a list.
//!
//! libpg_query rejects some texts that a server takes: see `ahead`.

use std::ops::ControlFlow;
use std::panic::catch_unwind;

use pg_raw_parse::raw::{NodeTag, VariableSetKind};
use pg_raw_parse::walk::{Recurse, walk_manual};
use pg_raw_parse::{Node, nodes};

use super::{
    Class, ClassSet, Depth, Details, Undescribed, aliases, by_name, catalogs, surface, takes_away,
    temporary, touched,
};

/// Statements inside statements (EXPLAIN, PREPARE, DECLARE, COPY) deeper than this are unknown.
const MAX_NESTING: u32 = 4;

/// How PostgreSQL's message ends where it wants more.
pub(super) const END: &str = "at end of input";

/// Why there is no opinion.
#[derive(Debug)]
pub(super) enum Failure {
    /// PostgreSQL's message; where it points is not told.
    Syntax(String),
    /// A panic, or an error that is not about the text.
    Internal,
}

impl From<Failure> for Undescribed {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Syntax(message) => Undescribed::Syntax {
                message,
                position: 0,
            },
            Failure::Internal => Undescribed::Internal,
        }
    }
}

/// How closely to look at a text.
#[derive(Clone, Copy)]
pub(super) struct Look {
    /// It has the word WITH, so that statements may hide below the surface, or FOR UPDATE and the
    /// like, which a subquery can have.
    pub(super) below: bool,
    /// It seems to call guarded functions, some of which may be aliases or columns.
    pub(super) aliases: bool,
    pub(super) depth: Depth,
}

/// What one statement does.
pub(super) struct Opinion {
    pub(super) classes: ClassSet,
    /// All but the role, which only the tokens tell.
    pub(super) details: Details,
    /// Names that may look like calls, if they were asked for; of what `aliases_of` knows.
    pub(super) aliases: aliases::Names,
}

/// The opinion about each statement.
pub(super) fn opinions(text: &str, look: Look) -> Result<Vec<Opinion>, Failure> {
    let opinion = catch_unwind(|| match pg_raw_parse::parse(text) {
        Ok(tree) => Ok(tree
            .stmts()
            .map(|node| {
                let mut details = Details::default();
                let classes = of_statement(node, look.below, MAX_NESTING, &mut details);
                details.temporary_table = temporary::of_tree(node).map(Box::new);
                if look.depth == Depth::Names {
                    touched::names(node, &mut details);
                }
                let aliases = match look.aliases {
                    true => aliases_of(node),
                    false => aliases::Names::default(),
                };
                Opinion {
                    classes,
                    details,
                    aliases,
                }
            })
            .collect()),
        Err(pg_raw_parse::Error::Parse(error)) => Err(Failure::Syntax(error.to_string())),
        Err(_) => Err(Failure::Internal),
    });
    opinion.unwrap_or(Err(Failure::Internal))
}

/// Is there nothing in it but white space and comments?
pub(super) fn is_nothing(text: &str) -> bool {
    matches!(pg_raw_parse::parse(text), Ok(tree) if tree.is_empty())
}

/// Does the lexer come to the end of `text` with whole tokens, whatever is missing behind it?
pub(super) fn is_read_to_its_end(text: &str) -> bool {
    match pg_raw_parse::parse(text) {
        Ok(_) => true,
        // What quotes a token ends with a quote.
        Err(pg_raw_parse::Error::Parse(error)) => error.to_string().ends_with(END),
        Err(_) => false,
    }
}

/// Is `text` in the grammar? Not if that cannot be told.
pub(super) fn takes(text: &str) -> bool {
    catch_unwind(|| pg_raw_parse::parse(text).is_ok()).unwrap_or(false)
}

/// PostgreSQL's message if `text` is not in its grammar.
pub(super) fn syntax_error(text: &str) -> Option<String> {
    match pg_raw_parse::parse(text) {
        Err(pg_raw_parse::Error::Parse(error)) => Some(error.to_string()),
        _ => None,
    }
}

fn aliases_of(node: Node<'_>) -> aliases::Names {
    use Node::*;
    // The grammar allows three of these in each other.
    let mut node = node;
    for _ in 0..MAX_NESTING {
        node = match node {
            ExplainStmt(it) => it.query(),
            PrepareStmt(it) => it.query(),
            DeclareCursorStmt(it) => it.query(),
            CopyStmt(it) if !matches!(it.query(), None) => it.query(),
            CreateTableAsStmt(it) => it.query(),
            _ => break,
        };
    }
    match node {
        VariableSetStmt(it) => aliases::of_parameter(it.name()),
        VariableShowStmt(it) => aliases::of_parameter(it.name()),
        CommentStmt(it) => aliases::of_comment(it),
        ViewStmt(it) => aliases::of_view(it),
        SelectStmt(_) | InsertStmt(_) | UpdateStmt(_) | DeleteStmt(_) | MergeStmt(_)
        | CopyStmt(_) | LockStmt(_) => aliases::named(node),
        _ => aliases::Names::default(),
    }
}

fn of_statement(node: Node<'_>, below: bool, nesting: u32, details: &mut Details) -> ClassSet {
    if nesting == 0 {
        return ClassSet::of(Class::Unknown);
    }
    if let Some(touch) = by_name::touch(node) {
        details.by_name = Some(touch);
    }
    let mut inner = |node, class| of_statement(node, below, nesting - 1, details).with(class);
    match node {
        Node::SelectStmt(_) => query(node, Class::Read, below, details),
        Node::InsertStmt(_) | Node::UpdateStmt(_) | Node::DeleteStmt(_) | Node::MergeStmt(_) => {
            query(node, Class::Write, below, details)
        }
        Node::ExplainStmt(explain) if analyzes(explain) => inner(explain.query(), Class::Explain),
        // Without ANALYZE it plans only; whose statement that is matters all the same.
        Node::ExplainStmt(explain) if by_name::explained_execute(explain).is_some() => {
            ClassSet::of(Class::Explain).with(Class::Execute)
        }
        Node::PrepareStmt(prepare) => inner(prepare.query(), Class::Prepare),
        Node::DeclareCursorStmt(declare) if by_name::holds(declare) => {
            inner(declare.query(), Class::Cursor).with(Class::SessionState)
        }
        Node::DeclareCursorStmt(declare) => inner(declare.query(), Class::Cursor),
        Node::CopyStmt(copy) => match copy.query() {
            Node::None if copy.is_from => {
                ClassSet::of(of_copy(copy)).union(catalogs::written(copy.relation(), details))
            }
            Node::None => ClassSet::of(of_copy(copy)),
            query => inner(query, of_copy(copy)),
        },
        Node::VariableSetStmt(set) => of_set(set),
        Node::CreateSchemaStmt(schema) => {
            let parts = schema.schema_elts();
            parts.iter().fold(ClassSet::of(Class::Ddl), |all, part| {
                all.union(inner(part, Class::Ddl))
            })
        }
        Node::CreateTableAsStmt(table) => {
            // That it reads goes without saying; that a CTE of it writes does not.
            let query = inner(table.query(), Class::Ddl).minus(ClassSet::of(Class::Read));
            surface::utility(node, details);
            query
        }
        other => {
            surface::utility(other, details);
            if details.takes_away.is_none() {
                details.takes_away = takes_away::utility(other).map(Box::new);
            }
            ClassSet::of(of_utility(other))
        }
    }
}

/// Statements whose kind says it all. What is not listed is unknown.
fn of_utility(node: Node<'_>) -> Class {
    use Node::*;
    match node {
        TransactionStmt(_) | ConstraintsSetStmt(_) => Class::Transaction,
        VariableShowStmt(_) => Class::Show,
        DiscardStmt(_) | LoadStmt(_) => Class::SessionState,
        LockStmt(_) => Class::Lock,
        FetchStmt(_) | ClosePortalStmt(_) => Class::Cursor,
        ExecuteStmt(_) => Class::Execute,
        DeallocateStmt(_) => Class::Deallocate,
        NotifyStmt(_) | ListenStmt(_) | UnlistenStmt(_) => Class::Notify,
        DoStmt(_) | CallStmt(_) => Class::Procedural,
        ExplainStmt(_) => Class::Explain,
        _ if maintains(node) => Class::Maintenance,
        _ if is_about_roles(node) => Class::Role,
        _ if creates(node) || marks(node) || alters(node) || drops(node) => Class::Ddl,
        _ => Class::Unknown,
    }
}

fn maintains(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        VacuumStmt(_) | ClusterStmt(_) | ReindexStmt(_) | CheckPointStmt(_) | AlterSystemStmt(_)
    )
}

fn is_about_roles(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        CreateRoleStmt(_)
            | AlterRoleStmt(_)
            | AlterRoleSetStmt(_)
            | DropRoleStmt(_)
            | GrantStmt(_)
            | GrantRoleStmt(_)
            | AlterDefaultPrivilegesStmt(_)
            | DropOwnedStmt(_)
            | ReassignOwnedStmt(_)
    )
}

fn creates(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        CreateStmt(_)
            | CreateTableAsStmt(_)
            | CreateSeqStmt(_)
            | CreateExtensionStmt(_)
            | CreateFdwStmt(_)
            | CreateForeignServerStmt(_)
            | CreateUserMappingStmt(_)
            | CreatePolicyStmt(_)
            | CreateAmStmt(_)
            | CreateTrigStmt(_)
            | CreateEventTrigStmt(_)
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
            | CreatePublicationStmt(_)
            | CreateSubscriptionStmt(_)
            | CreatedbStmt(_)
            | CompositeTypeStmt(_)
            | DefineStmt(_)
            | IndexStmt(_)
            | RuleStmt(_)
            | ViewStmt(_)
            | ImportForeignSchemaStmt(_)
    ) || is_foreign_table(node)
}

/// CREATE FOREIGN TABLE: the library has no type for it.
fn is_foreign_table(node: Node<'_>) -> bool {
    matches!(node, Node::Invalid(node) if node.type_ == NodeTag::T_CreateForeignTableStmt)
}

/// What is done to objects that stay: their rows, their descriptions.
fn marks(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        RefreshMatViewStmt(_) | TruncateStmt(_) | CommentStmt(_) | SecLabelStmt(_)
    )
}

fn alters(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        AlterTableStmt(_)
            | AlterCollationStmt(_)
            | AlterDomainStmt(_)
            | AlterTableSpaceOptionsStmt(_)
            | AlterTableMoveAllStmt(_)
            | AlterExtensionStmt(_)
            | AlterExtensionContentsStmt(_)
            | AlterFdwStmt(_)
            | AlterForeignServerStmt(_)
            | AlterUserMappingStmt(_)
            | AlterPolicyStmt(_)
            | AlterEventTrigStmt(_)
            | AlterSeqStmt(_)
            | AlterOpFamilyStmt(_)
            | AlterStatsStmt(_)
            | AlterFunctionStmt(_)
            | AlterObjectDependsStmt(_)
            | AlterObjectSchemaStmt(_)
            | AlterOwnerStmt(_)
            | AlterOperatorStmt(_)
            | AlterTypeStmt(_)
            | AlterEnumStmt(_)
            | AlterDatabaseStmt(_)
            | AlterDatabaseRefreshCollStmt(_)
            | AlterDatabaseSetStmt(_)
            | AlterTSDictionaryStmt(_)
            | AlterTSConfigurationStmt(_)
            | AlterPublicationStmt(_)
            | AlterSubscriptionStmt(_)
            | RenameStmt(_)
    )
}

fn drops(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        DropStmt(_)
            | DropTableSpaceStmt(_)
            | DropUserMappingStmt(_)
            | DropSubscriptionStmt(_)
            | DropdbStmt(_)
    )
}

fn of_copy(copy: &nodes::CopyStmt) -> Class {
    match (copy.is_program, copy.filename(), copy.is_from) {
        (true, ..) => Class::CopyProgram,
        (false, Some(_), _) => Class::CopyFile,
        (false, None, true) => Class::CopyIn,
        (false, None, false) => Class::CopyOut,
    }
}

fn of_set(set: &nodes::VariableSetStmt) -> ClassSet {
    match set.name() {
        Some("SESSION CHARACTERISTICS") if set.kind == VariableSetKind::VAR_SET_MULTI => {
            ClassSet::of(Class::Transaction).with(Class::Parameter)
        }
        _ if set.kind == VariableSetKind::VAR_SET_MULTI => ClassSet::of(Class::Transaction),
        Some(name)
            if name.eq_ignore_ascii_case("role")
                || name.eq_ignore_ascii_case("session_authorization") =>
        {
            ClassSet::of(Class::RoleChange)
        }
        _ => ClassSet::of(Class::Parameter),
    }
}

/// Does EXPLAIN run the statement? As in PostgreSQL's `defGetBoolean`, only that any ANALYZE counts.
fn analyzes(explain: &nodes::ExplainStmt) -> bool {
    explain.options().iter().any(|option| {
        let off = match option.arg() {
            Node::Integer(value) => value.ival == 0,
            Node::String(value) => value.sval().is_some_and(|word| {
                ["off", "false"]
                    .iter()
                    .any(|off| word.eq_ignore_ascii_case(off))
            }),
            Node::Boolean(value) => !value.boolval,
            _ => false,
        };
        option.defname() == Some("analyze") && !off
    })
}

/// The classes of a query: those of its top, and with `below` those of every statement inside.
fn query(top: Node<'_>, class: Class, below: bool, details: &mut Details) -> ClassSet {
    let mut classes = ClassSet::of(class);
    let mut open = vec![top];
    while let Some(node) = open.pop() {
        match node {
            Node::SelectStmt(select) => {
                if surface::select(select, details) {
                    classes = classes.with(Class::Ddl);
                }
                if !below {
                    open.extend(
                        select
                            .larg()
                            .into_iter()
                            .chain(select.rarg())
                            .map(Node::SelectStmt),
                    );
                }
            }
            Node::InsertStmt(insert) => {
                classes = classes.with(Class::Write);
                classes = classes.union(catalogs::written(insert.relation(), details));
                if !below {
                    open.push(insert.select_stmt());
                }
            }
            Node::UpdateStmt(update) => {
                classes = classes.with(Class::Write);
                classes = classes.union(catalogs::written(update.relation(), details));
                details.missing_where |= matches!(update.where_clause(), Node::None);
            }
            Node::DeleteStmt(delete) => {
                classes = classes.with(Class::Write);
                classes = classes.union(catalogs::written(delete.relation(), details));
                details.missing_where |= matches!(delete.where_clause(), Node::None);
            }
            Node::MergeStmt(merge) => {
                classes = classes.with(Class::Write);
                classes = classes.union(catalogs::written(merge.relation(), details));
            }
            Node::Invalid(..) => return classes.with(Class::Unknown),
            // The library reads through the pointer behind these.
            Node::None => continue,
            Node::NodeList(list) if list.is_empty() => continue,
            _ => {}
        }
        if below {
            // One level at a time: the library's own descent would use stack for every level.
            walk_manual::<()>(node, |child| {
                open.push(child);
                ControlFlow::Continue(Recurse::No)
            });
        }
    }
    classes
}

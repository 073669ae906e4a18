//! Relations and calls of statements that are no queries. What is created, altered or dropped by a
//! name counts as defined; privileges and comments on a relation count, too.

use pg_raw_parse::Node;
use pg_raw_parse::list::NodeList;
use pg_raw_parse::nodes;
use pg_raw_parse::raw::DropBehavior::DROP_CASCADE;
use pg_raw_parse::raw::GrantTargetType::ACL_TARGET_OBJECT;
use pg_raw_parse::raw::ObjectType::{self, *};

use super::RelationAct::{Define, Insert, Lock, Read, Truncate};
use super::touched::Walk;

pub(super) fn utility<'a>(walk: &mut Walk<'a>, node: Node<'a>) {
    match node {
        Node::ExplainStmt(explain) => walk.see(explain.query()),
        Node::PrepareStmt(prepare) => walk.see(prepare.query()),
        Node::DeclareCursorStmt(declare) => walk.see(declare.query()),
        Node::CreateSchemaStmt(schema) => walk.see_all(schema.schema_elts()),
        Node::CopyStmt(copy) => {
            walk.touch(copy.relation(), if copy.is_from { Insert } else { Read });
            walk.see_all([copy.query(), copy.where_clause()]);
        }
        Node::TruncateStmt(truncate) => {
            define_all(walk, truncate.relations(), Truncate);
            // It reaches every table with a foreign key to these.
            if truncate.behavior == DROP_CASCADE {
                walk.lose_relations();
            }
        }
        Node::LockStmt(lock) => define_all(walk, lock.relations(), Lock),
        Node::CallStmt(call) => walk.see_all(call.funccall().map(Node::FuncCall)),
        Node::VacuumStmt(vacuum) => {
            for relation in vacuum.rels() {
                walk.touch(relation.relation(), Read);
            }
        }
        Node::ClusterStmt(cluster) => target_or_all(walk, cluster.relation()),
        Node::ReindexStmt(reindex) => target_or_all(walk, reindex.relation()),
        Node::GrantStmt(grant) => granted(walk, grant),
        Node::CommentStmt(comment) => object(walk, comment.objtype, comment.object()),
        Node::SecLabelStmt(label) => object(walk, label.objtype, label.object()),
        Node::AlterExtensionContentsStmt(alter) => object(walk, alter.objtype, alter.object()),
        _ if names_none(node) => {}
        _ => definition(walk, node),
    }
}

/// CREATE, ALTER and DROP.
fn definition<'a>(walk: &mut Walk<'a>, node: Node<'a>) {
    match node {
        Node::CreateStmt(table) => {
            walk.touch(table.relation(), Define);
            define_all(walk, table.inh_relations(), Define);
            walk.see_all(table.table_elts());
            walk.see_all(table.partbound().map(Node::PartitionBoundSpec));
            walk.see_all(table.partspec().map(Node::PartitionSpec));
        }
        Node::AlterTableStmt(alter) => {
            walk.touch(alter.relation(), Define);
            walk.see_all(alter.cmds());
        }
        Node::CreateTableAsStmt(table) => {
            walk.see_all(table.into().map(Node::IntoClause));
            walk.see(table.query());
        }
        Node::ViewStmt(view) => {
            walk.touch(view.view(), Define);
            walk.see(view.query());
        }
        Node::RefreshMatViewStmt(refresh) => walk.touch(refresh.relation(), Define),
        Node::IndexStmt(index) => {
            walk.touch(index.relation(), Define);
            walk.see_all(index.index_params().iter().map(Node::IndexElem));
            walk.see(index.where_clause());
        }
        Node::CreateSeqStmt(sequence) => {
            walk.touch(sequence.sequence(), Define);
            walk.see_all(sequence.options());
        }
        Node::AlterSeqStmt(sequence) => {
            walk.touch(sequence.sequence(), Define);
            walk.see_all(sequence.options());
        }
        Node::CreatePolicyStmt(policy) => {
            walk.touch(policy.table(), Define);
            walk.see_all([policy.qual(), policy.with_check()]);
        }
        Node::AlterPolicyStmt(policy) => {
            walk.touch(policy.table(), Define);
            walk.see_all([policy.qual(), policy.with_check()]);
        }
        Node::CreateTrigStmt(trigger) => {
            walk.touch(trigger.relation(), Define);
            walk.touch(trigger.constrrel(), Read);
            walk.call(trigger.funcname());
            walk.see(trigger.when_clause());
        }
        Node::RuleStmt(rule) => {
            walk.touch(rule.relation(), Define);
            walk.see(rule.where_clause());
            walk.see_all(rule.actions());
        }
        Node::CreateFunctionStmt(function) => {
            for parameter in function.parameters() {
                walk.see(parameter.defexpr());
            }
            walk.see(function.sql_body());
        }
        Node::CreateDomainStmt(domain) => {
            walk.see_all(domain.constraints().iter().map(Node::Constraint));
        }
        Node::AlterDomainStmt(domain) => walk.see(domain.def()),
        Node::DropStmt(drop) => dropped(walk, drop),
        Node::RenameStmt(rename) => renamed(walk, rename),
        Node::AlterObjectSchemaStmt(alter) => {
            walk.touch(alter.relation(), Define);
            let relation = alter.relation().and_then(nodes::RangeVar::relname);
            if relation.is_some() {
                walk.touch_named(alter.newschema(), relation, Define);
            }
        }
        Node::CreatePublicationStmt(publication) => {
            walk.see_all(publication.pubobjects());
            if publication.for_all_tables {
                walk.lose_relations();
            }
        }
        Node::AlterPublicationStmt(publication) => walk.see_all(publication.pubobjects()),
        Node::AlterOwnerStmt(alter) => walk.touch(alter.relation(), Define),
        Node::AlterObjectDependsStmt(alter) => walk.touch(alter.relation(), Define),
        _ => part(walk, node),
    }
}

/// Parts of definitions.
fn part<'a>(walk: &mut Walk<'a>, node: Node<'a>) {
    match node {
        Node::AlterTableCmd(command) => walk.see(command.def()),
        Node::ATAlterConstraint(_) | Node::ReplicaIdentityStmt(_) | Node::RoleSpec(_) => {}
        Node::Constraint(constraint) => {
            walk.touch(constraint.pktable(), Read);
            walk.see_all([constraint.raw_expr(), constraint.where_clause()]);
            walk.see_all(constraint.exclusions());
            walk.see_all(constraint.options());
        }
        Node::TableLikeClause(like) => walk.touch(like.relation(), Read),
        Node::PartitionSpec(partition) => {
            walk.see_all(partition.part_params().iter().map(|part| part.expr()));
        }
        Node::PartitionBoundSpec(bound) => {
            walk.see_all(bound.listdatums());
            walk.see_all(bound.lowerdatums());
            walk.see_all(bound.upperdatums());
        }
        Node::PartitionCmd(partition) => {
            walk.touch(partition.name(), Define);
            walk.see_all(partition.bound().map(Node::PartitionBoundSpec));
        }
        Node::PublicationObjSpec(published) => match published.pubtable() {
            Some(table) => {
                walk.touch(table.relation(), Read);
                walk.see(table.where_clause());
            }
            // All tables of a schema.
            None => walk.lose_relations(),
        },
        // OWNED BY t.c
        Node::DefElem(option) if option.defname() == Some("owned_by") => {
            if let Node::NodeList(column) = option.arg() {
                define_named(walk, column, 1);
            }
        }
        Node::DefElem(_) => {}
        Node::ReturnStmt(body) => walk.see(body.returnval()),
        // DO and EXECUTE, and what is not known.
        _ => walk.lose_all(),
    }
}

fn define_all<'a>(walk: &mut Walk<'a>, relations: &'a NodeList, act: super::RelationAct) {
    for relation in relations {
        match relation {
            Node::RangeVar(relation) => walk.touch(Some(relation), act),
            _ => walk.lose_relations(),
        }
    }
}

fn target_or_all<'a>(walk: &mut Walk<'a>, relation: Option<&'a nodes::RangeVar>) {
    match relation {
        Some(_) => walk.touch(relation, Define),
        None => walk.lose_relations(),
    }
}

/// The relation named by all parts of `name` but the last `besides`.
fn define_named<'a>(walk: &mut Walk<'a>, name: &'a NodeList, besides: usize) {
    let part = |from_end: usize| {
        let at = name.len().checked_sub(besides + from_end)?;
        name.get(at).and_then(Node::as_str)
    };
    if let Some(relation) = part(1) {
        walk.touch_named(part(2), Some(relation), Define);
    }
}

const fn is_relation(kind: ObjectType::Type) -> bool {
    matches!(
        kind,
        OBJECT_TABLE
            | OBJECT_VIEW
            | OBJECT_MATVIEW
            | OBJECT_INDEX
            | OBJECT_SEQUENCE
            | OBJECT_FOREIGN_TABLE
    )
}

/// What is named behind the name of its relation.
const fn is_of_relation(kind: ObjectType::Type) -> bool {
    matches!(
        kind,
        OBJECT_COLUMN | OBJECT_TRIGGER | OBJECT_RULE | OBJECT_POLICY | OBJECT_TABCONSTRAINT
    )
}

fn object<'a>(walk: &mut Walk<'a>, kind: ObjectType::Type, object: Node<'a>) {
    match object {
        Node::NodeList(name) if is_relation(kind) => define_named(walk, name, 0),
        Node::NodeList(name) if is_of_relation(kind) => define_named(walk, name, 1),
        _ if is_relation(kind) || is_of_relation(kind) => walk.lose_relations(),
        _ => {}
    }
}

fn dropped<'a>(walk: &mut Walk<'a>, drop: &'a nodes::DropStmt) {
    for name in drop.objects() {
        object(walk, drop.remove_type, name);
    }
    if drop.behavior == DROP_CASCADE {
        walk.lose_relations();
    }
}

fn renamed<'a>(walk: &mut Walk<'a>, rename: &'a nodes::RenameStmt) {
    walk.touch(rename.relation(), Define);
    if rename.rename_type == OBJECT_SCHEMA {
        walk.lose_relations();
    }
    if is_relation(rename.rename_type) {
        let schema = rename.relation().and_then(nodes::RangeVar::schemaname);
        walk.touch_named(schema, rename.newname(), Define);
    }
}

fn granted<'a>(walk: &mut Walk<'a>, grant: &'a nodes::GrantStmt) {
    if !matches!(grant.objtype, OBJECT_TABLE | OBJECT_SEQUENCE) {
        return;
    }
    if grant.targtype != ACL_TARGET_OBJECT {
        return walk.lose_relations();
    }
    for relation in grant.objects() {
        walk.touch(Some(relation), Define);
    }
}

/// Statements that name no relation and call no function. What an extension's script or a
/// function's text does is not part of the statement that creates it.
fn names_none(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        TransactionStmt(_)
            | ConstraintsSetStmt(_)
            | VariableSetStmt(_)
            | VariableShowStmt(_)
            | DiscardStmt(_)
            | FetchStmt(_)
            | ClosePortalStmt(_)
            | DeallocateStmt(_)
            | NotifyStmt(_)
            | ListenStmt(_)
            | UnlistenStmt(_)
            | CheckPointStmt(_)
            | AlterSystemStmt(_)
            | CreateRoleStmt(_)
            | AlterRoleStmt(_)
            | AlterRoleSetStmt(_)
            | DropRoleStmt(_)
            | GrantRoleStmt(_)
            | AlterDefaultPrivilegesStmt(_)
            | CreateExtensionStmt(_)
            | AlterExtensionStmt(_)
            | CreateFdwStmt(_)
            | CreateForeignServerStmt(_)
            | CreateUserMappingStmt(_)
            | CreateAmStmt(_)
            | CreateEventTrigStmt(_)
            | CreatePLangStmt(_)
            | CreateOpClassStmt(_)
            | CreateOpFamilyStmt(_)
            | CreateEnumStmt(_)
            | CreateRangeStmt(_)
            | CreateTableSpaceStmt(_)
            | CreateConversionStmt(_)
            | CreateCastStmt(_)
            | CreateTransformStmt(_)
            | CreatedbStmt(_)
            | CompositeTypeStmt(_)
            | DefineStmt(_)
    ) || alters_none(node)
}

fn alters_none(node: Node<'_>) -> bool {
    use Node::*;
    matches!(
        node,
        AlterCollationStmt(_)
            | AlterTableSpaceOptionsStmt(_)
            | AlterFdwStmt(_)
            | AlterForeignServerStmt(_)
            | AlterUserMappingStmt(_)
            | AlterEventTrigStmt(_)
            | AlterOpFamilyStmt(_)
            | AlterStatsStmt(_)
            | AlterFunctionStmt(_)
            | AlterOperatorStmt(_)
            | AlterTypeStmt(_)
            | AlterEnumStmt(_)
            | AlterDatabaseStmt(_)
            | AlterDatabaseRefreshCollStmt(_)
            | AlterDatabaseSetStmt(_)
            | AlterTSDictionaryStmt(_)
            | AlterTSConfigurationStmt(_)
            | DropTableSpaceStmt(_)
            | DropUserMappingStmt(_)
            | DropSubscriptionStmt(_)
            | DropdbStmt(_)
    )
}

//! The guards, one per file, and the order in which they are asked.
//!
//! A guard is a small pure function: facts, who, state -> an objection or none. It does not know its
//! own mode. [`replication`] judges walsender commands as well, which are no SQL. Two guards judge messages
//! that carry no text ([`fast_path`], [`unknown_name`]); the conversation asks them by name. One judges the
//! role behind a login ([`server_role`]), at login, and one counts what comes back ([`bulk_export`]).

pub mod append_only;
pub mod bulk_export;
pub mod copy_file;
pub mod copy_program;
pub mod dangerous_functions;
pub mod ddl_outside_migration;
pub mod denied_relations;
pub mod extensions;
pub mod fast_path;
pub mod functions;
pub mod human_write;
pub mod lexing_parameters;
pub mod maintenance;
pub mod missing_where;
pub mod multi_statement;
pub mod parameters;
pub mod phase_expand;
pub mod procedural;
pub mod replication;
pub mod role_change;
pub mod rule;
pub mod server_role;
pub mod session_state;
pub mod statement_bounds;
pub mod unknown_name;
pub mod unknown_statement;
pub mod zone_not_granted;
pub mod zone_parameter;
pub mod zone_required;

#[cfg(test)]
pub(crate) mod fixture;

use super::{Guard, Objection, State, Who};
use crate::sql::{Class, ClassSet, Facts, Statement};

/// What a guard is: an objection, or none.
pub type Judge = fn(&Facts, &Who, State) -> Option<Objection>;

/// The guards that judge texts, in the order in which they are asked: first whether the text can be
/// judged at all, then what it does, then whose rows it could see and what it leaves behind, then the
/// operator's own rules.
pub const TABLE: [(Guard, Judge); 25] = [
    (Guard::StatementBounds, statement_bounds::judge),
    (Guard::UnknownStatement, unknown_statement::judge),
    (Guard::MultiStatement, multi_statement::judge),
    (Guard::DdlOutsideMigration, ddl_outside_migration::judge),
    (Guard::PhaseExpand, phase_expand::judge),
    (Guard::Maintenance, maintenance::judge),
    (Guard::Procedural, procedural::judge),
    (Guard::CopyProgram, copy_program::judge),
    (Guard::CopyFile, copy_file::judge),
    (Guard::DangerousFunctions, dangerous_functions::judge),
    (Guard::RoleChange, role_change::judge),
    (Guard::Extensions, extensions::judge),
    (Guard::AppendOnly, append_only::judge),
    (Guard::HumanWrite, human_write::judge),
    (Guard::MissingWhere, missing_where::judge),
    (Guard::DeniedRelations, denied_relations::judge),
    (Guard::Replication, replication::judge),
    (Guard::Functions, functions::judge),
    (Guard::ZoneNotGranted, zone_not_granted::judge),
    (Guard::ZoneParameter, zone_parameter::judge),
    (Guard::LexingParameters, lexing_parameters::judge),
    (Guard::Parameters, parameters::judge),
    (Guard::ZoneRequired, zone_required::judge),
    (Guard::SessionState, session_state::judge),
    (Guard::Rule, rule::judge),
];

/// The page of a guard: what, why, how to do without, what it does not see.
pub const fn page(guard: Guard) -> &'static str {
    match guard {
        Guard::DdlOutsideMigration => {
            include_str!("../../../policies/guards/ddl-outside-migration.md")
        }
        Guard::Procedural => include_str!("../../../policies/guards/procedural.md"),
        Guard::CopyFile => include_str!("../../../policies/guards/copy-file.md"),
        Guard::CopyProgram => include_str!("../../../policies/guards/copy-program.md"),
        Guard::DangerousFunctions => {
            include_str!("../../../policies/guards/dangerous-functions.md")
        }
        Guard::FastPath => include_str!("../../../policies/guards/fast-path.md"),
        Guard::RoleChange => include_str!("../../../policies/guards/role-change.md"),
        Guard::LexingParameters => include_str!("../../../policies/guards/lexing-parameters.md"),
        Guard::Maintenance => include_str!("../../../policies/guards/maintenance.md"),
        Guard::UnknownStatement => include_str!("../../../policies/guards/unknown-statement.md"),
        Guard::StatementBounds => include_str!("../../../policies/guards/statement-bounds.md"),
        Guard::MultiStatement => include_str!("../../../policies/guards/multi-statement.md"),
        Guard::ZoneParameter => include_str!("../../../policies/guards/zone-parameter.md"),
        Guard::ZoneRequired => include_str!("../../../policies/guards/zone-required.md"),
        Guard::ZoneNotGranted => include_str!("../../../policies/guards/zone-not-granted.md"),
        Guard::UnknownName => include_str!("../../../policies/guards/unknown-name.md"),
        Guard::ServerRole => include_str!("../../../policies/guards/server-role.md"),
        Guard::MissingWhere => include_str!("../../../policies/guards/missing-where.md"),
        Guard::HumanWrite => include_str!("../../../policies/guards/human-write.md"),
        Guard::SessionState => include_str!("../../../policies/guards/session-state.md"),
        Guard::Parameters => include_str!("../../../policies/guards/parameters.md"),
        Guard::Extensions => include_str!("../../../policies/guards/extensions.md"),
        Guard::AppendOnly => include_str!("../../../policies/guards/append-only.md"),
        Guard::DeniedRelations => include_str!("../../../policies/guards/denied-relations.md"),
        Guard::Functions => include_str!("../../../policies/guards/functions.md"),
        Guard::Rule => include_str!("../../../policies/guards/rule.md"),
        Guard::PhaseExpand => include_str!("../../../policies/guards/phase-expand.md"),
        Guard::Replication => include_str!("../../../policies/guards/replication.md"),
        Guard::BulkExport => include_str!("../../../policies/guards/bulk-export.md"),
    }
}

/// The first statement that does something of these classes.
fn first_of(facts: &Facts, classes: ClassSet) -> Option<&Statement> {
    facts
        .statements
        .iter()
        .find(|statement| statement.classes.intersects(classes))
}

/// The first statement of a class.
fn first(facts: &Facts, class: Class) -> Option<&Statement> {
    first_of(facts, ClassSet::of(class))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::always_enforced;
    use crate::policy::exception::EXEMPTIBLE;

    #[test]
    fn every_guard_judges_once_or_is_asked_by_name() {
        for guard in Guard::ALL {
            let judged = TABLE.iter().filter(|(judged, _)| *judged == guard).count();
            let by_name = matches!(
                guard,
                Guard::FastPath | Guard::UnknownName | Guard::ServerRole | Guard::BulkExport
            );
            assert_eq!(judged, usize::from(!by_name), "{}", guard.id());
        }
    }

    #[test]
    fn every_guard_has_its_page() {
        for guard in Guard::ALL {
            assert!(
                page(guard).starts_with(&format!("# {}\n", guard.id())),
                "{}",
                guard.id()
            );
            for chapter in ["## Why", "## Instead", "## What it does not see"] {
                assert!(page(guard).contains(chapter), "{}: {chapter}", guard.id());
            }
        }
    }

    #[test]
    fn a_page_says_how_to_exempt() {
        for guard in Guard::ALL {
            let (page, id) = (page(guard), guard.id());
            if !always_enforced(guard) {
                assert!(page.contains("\"observe\""), "{id}: its mode");
            }
            if EXEMPTIBLE.contains(&guard) {
                assert!(page.contains("[[exception]]"), "{id}: exceptions");
            }
        }
    }

    #[test]
    fn ids_and_numbers_agree() {
        for (at, guard) in Guard::ALL.into_iter().enumerate() {
            assert_eq!(guard as usize, at);
            assert_eq!(Guard::from_id(guard.id()), Some(guard));
        }
        assert_eq!(Guard::from_id("ddl"), None);
    }
}

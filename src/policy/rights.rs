//! The class rights that a `kind` carries. What is neither granted here nor the business of a guard
//! of its own is refused by `unknown-statement`: default deny.

use super::{Kind, Phase, State, Who};
use crate::sql::{Class, ClassSet};

/// What services and people may do without anybody looking twice.
const ORDINARY: ClassSet = ClassSet::EMPTY
    .with(Class::Read)
    .with(Class::Write)
    .with(Class::Transaction)
    .with(Class::Parameter)
    .with(Class::SessionState)
    .with(Class::CopyIn)
    .with(Class::CopyOut)
    .with(Class::Lock)
    .with(Class::Cursor)
    .with(Class::Prepare)
    .with(Class::Execute)
    .with(Class::Deallocate)
    .with(Class::Notify)
    .with(Class::Explain)
    .with(Class::Show);

/// Classes that a guard of their own judges, so that its mode decides alone.
const GUARDED: ClassSet = ClassSet::EMPTY
    .with(Class::Ddl)
    .with(Class::Role)
    .with(Class::RoleChange)
    .with(Class::Procedural)
    .with(Class::Maintenance)
    .with(Class::CopyFile)
    .with(Class::CopyProgram);

/// [`ORDINARY`] without COPY FROM STDIN, which must stand alone in its message, and without what stays
/// behind a transaction: a statement of these classes that sets no parameter and calls no guarded
/// function interests no guard.
pub(super) const QUIET: ClassSet =
    ORDINARY.minus(ClassSet::of(Class::CopyIn).with(Class::SessionState));

/// Every class.
pub(super) const ALL: ClassSet = {
    let mut all = ClassSet::EMPTY;
    let mut at = 0;
    while at < Class::ALL.len() {
        all = all.with(Class::ALL[at]);
        at += 1;
    }
    all
};

/// Classes that nobody may use, whatever the mode of any guard but `unknown-statement`.
pub(super) const NOBODY: ClassSet = ALL.minus(ORDINARY).minus(GUARDED);

/// A migrator inside its open migration session.
pub(super) fn in_migration_session(who: &Who, state: State) -> bool {
    who.login.kind == Kind::Migrator && state.migration_open
}

/// A migrator inside an open migration session that may only add to the schema.
pub(super) fn in_expand_session(who: &Who, state: State) -> bool {
    in_migration_session(who, state) && state.phase == Some(Phase::Expand)
}

/// Kinds that may work without a migration session.
pub(super) fn works_alone(kind: Kind) -> bool {
    kind != Kind::Migrator
}

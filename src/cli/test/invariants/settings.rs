//! What the settings of a policy promise: its ceilings, lists and limits.

use super::{Invariants, outside, refused};
use crate::cli::judged;
use crate::policy::{Guard, Kind, Who};

/// More than any ceiling, in every unit that a bare number can have.
const TOO_MUCH: &str = "2147483647";
/// An extension, or a function, that nobody lists.
const UNLISTED: &str = "portcullis_unlisted";

/// Tries what the guards were told beside their modes.
pub(super) fn kept(who: &Who, found: &mut Invariants) {
    let options = &who.policy.options;
    let judged_at_login = matches!(who.login.kind, Kind::Service | Kind::Human);
    if judged_at_login {
        limits(who, found);
        let name = "a login whose role is more than its grants";
        found.not_kept(who, Guard::ServerRole, name);
    }
    if who.login.max_rows.is_some() {
        found.not_kept(who, Guard::BulkExport, "more rows than max_rows");
    }
    if !who.policy.rules.is_empty() {
        found.not_kept(who, Guard::Rule, "what [[rule]] refuses");
    }
    let inside = judged::state(true);
    if who.login.kind == Kind::Migrator && options.extensions.is_limited() {
        let text = format!("CREATE EXTENSION {UNLISTED}");
        refused(who, inside, "an extension that is not listed", &text, found);
    }
    if judged_at_login && options.functions.is_some() {
        let text = format!("SELECT {UNLISTED}()");
        refused(
            who,
            outside(),
            "a function that is not listed",
            &text,
            found,
        );
    }
    for relation in &options.append_only {
        let text = format!("DELETE FROM {} WHERE id = 1", relation.example());
        let name = "DELETE from an append-only relation";
        refused(who, outside(), name, &text, found);
        if who.login.kind == Kind::Migrator {
            refused(who, inside, name, &text, found);
        }
    }
    for relation in &who.login.denied_relations {
        let text = format!("SELECT 1 FROM {}", relation.example());
        refused(who, outside(), "a denied relation", &text, found);
    }
}

/// `[guards.parameters]`
fn limits(who: &Who, found: &mut Invariants) {
    let parameters = &who.policy.options.parameters;
    let own = who.login.ceilings.as_ref();
    for ceiling in own.unwrap_or(&parameters.ceilings) {
        if ceiling.is_passed_by(TOO_MUCH).is_some() {
            let name = format!("{} above its ceiling", ceiling.parameter.name);
            let text = format!("SET {} = {TOO_MUCH}", ceiling.parameter.name);
            refused(who, outside(), &name, &text, found);
        }
    }
    let lists = [
        ("a denied parameter", &parameters.denied),
        (
            "for longer than a transaction",
            &parameters.transaction_only,
        ),
    ];
    for (what, patterns) in lists {
        for pattern in patterns {
            let parameter = pattern.as_str().replace('*', "x");
            let text = format!("SET {} = 'x'", quoted(&parameter));
            refused(
                who,
                outside(),
                &format!("{parameter}, {what}"),
                &text,
                found,
            );
        }
    }
}

/// Each part of a name with a dot in quotes.
fn quoted(parameter: &str) -> String {
    let parts = parameter.split('.').map(|part| format!("\"{part}\""));
    parts.collect::<Vec<_>>().join(".")
}

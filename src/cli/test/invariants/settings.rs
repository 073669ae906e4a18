//! What the settings of a policy promise: its ceilings, lists and limits.

use super::super::player::{messages, play_rows};
use super::super::server::ROWS;
use super::{Invariants, one_of, outside, refused};
use crate::cli::judged;
use crate::policy::guards::server_role::{self, Owned, Power, ServerRole};
use crate::policy::{Guard, Kind, Mode, Who};

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
        server_roles(who, found);
    }
    too_many_rows(who, found);
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

/// Server roles that are more than the login's grants, as the server would tell of them.
fn server_roles(who: &Who, found: &mut Invariants) {
    let plain = ServerRole {
        name: who.login.name.clone(),
        superuser: false,
        bypassrls: false,
        owned: None,
    };
    let owned = Owned {
        table: "public.orders".into(),
        owner: plain.name.clone(),
        bypassed: true,
    };
    let superuser = ServerRole {
        superuser: true,
        ..plain.clone()
    };
    let bypassrls = ServerRole {
        bypassrls: true,
        ..plain.clone()
    };
    let owner = ServerRole {
        owned: Some(owned),
        ..plain
    };
    let allowed = &who.login.allow_server_role;
    for (power, role, is) in [
        (Power::Superuser, superuser, "is a superuser"),
        (Power::Bypassrls, bypassrls, "has BYPASSRLS"),
        (Power::Owner, owner, "owns a table"),
    ] {
        if allowed.contains(&power) || allowed.contains(&Power::Superuser) {
            continue;
        }
        let enforced = judged::mode(Guard::ServerRole, who) == Mode::Enforce;
        let looked_at = enforced && server_role::is_looked_at(who);
        if looked_at && server_role::judge(&role, who).is_some() {
            found.held += 1;
        } else {
            let name = format!("a login whose role {is}");
            let what = format!("gets in with a role that {is}");
            found.missed(who, Guard::ServerRole, &name, &what);
        }
    }
}

/// One row more than `max_rows`. Whatever that is, it is tried with a few.
fn too_many_rows(who: &Who, found: &mut Invariants) {
    const FEW: u64 = 3;
    let Some(limit) = who.login.max_rows.map(|limit| limit.min(FEW)) else {
        return;
    };
    let mut login = (*who.login).clone();
    login.max_rows = Some(limit);
    let limited = Who {
        login: login.into(),
        ..who.clone()
    };
    let chosen = who.grant().map(one_of);
    for extended in [false, true] {
        let steps = messages(ROWS, extended);
        let played = play_rows(&limited, chosen.as_deref(), outside(), &steps, limit + 1);
        let by = played.refusal.map(|refusal| refusal.guard);
        if by == Some(Guard::BulkExport) && !played.errors.is_empty() {
            found.held += 1;
        } else {
            let name = "more rows than max_rows";
            found.missed(
                who,
                Guard::BulkExport,
                name,
                "reads more rows than max_rows",
            );
        }
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

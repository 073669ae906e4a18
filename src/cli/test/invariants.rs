//! What every policy must keep, whatever else it says: tried for each of its logins on each of its
//! databases. A guard that would keep it and is not enforced is a failure, unless the cases say that this
//! is meant.

mod rules;
mod settings;
#[cfg(test)]
mod tests;
mod texts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::player::{messages, play, play_in};
use super::step::{Step, bind, execute, function_call, parse, query};
use crate::cli::judged::{self, Finding, findings};
use crate::policy::zone::{ALL_ZONES, Values};
use crate::policy::{Grant, Guard, Kind, Mode, Phase, Policy, RouteName, State, Who};
use texts::{REFUSED, Tried};

/// What came of a policy's invariants.
#[derive(Debug, Default)]
pub(super) struct Invariants {
    /// How many were tried and held.
    pub held: usize,
    /// What was let through and is not meant to be: a sentence each.
    pub broken: Vec<String>,
    /// What is let through because guards are off or observe: those guards in words, and what.
    pub open: BTreeMap<String, Open>,
}

/// What is let through because guards are not enforced.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Names of what was tried.
    pub statements: BTreeSet<String>,
    /// The guards; those that an exception lets it past are not among them.
    guards: BTreeSet<Guard>,
}

/// Tries them all, and says what is let through. [`Invariants::meant`] has to follow.
pub(super) fn invariants(policy: &Arc<Policy>) -> Invariants {
    let mut found = Invariants::default();
    for login in judged::logins(policy) {
        for database in &login.databases {
            if let Ok(who) = judged::who(policy, &login.name, Some(database)) {
                one(&who, &mut found);
            }
        }
    }
    found
}

fn one(who: &Who, found: &mut Invariants) {
    let zone = who.policy.zone.as_ref().map_or("", |zone| &zone.parameter);
    let grant = who.grant();
    // No zone can be called so: that is granted to nobody. (The empty text gives the zone back.)
    let another = if grant.is_some() { "\t" } else { "another" };
    let guarded = !zone.is_empty() && who.zone_is_guarded();
    let kind = who.login.kind;
    let shared = kind != Kind::Migrator && who.login.route == RouteName::Transaction;
    for (name, text, tried) in REFUSED {
        let text = text.replace("{zone}", zone).replace("{another}", another);
        let is_tried = match tried {
            Tried::Outside | Tried::Always => true,
            Tried::Shared => shared,
            Tried::People => kind == Kind::Human,
            Tried::Expand => false,
            Tried::Zoned => guarded,
            Tried::Fixed => guarded && grant.is_none(),
            Tried::NotAll => guarded && !grant.is_some_and(|grant| grant.all_zones),
        };
        if is_tried {
            refused(who, outside(), name, &text, found);
        }
        let inside = match tried {
            _ if kind != Kind::Migrator => continue,
            Tried::Always => judged::state(true),
            Tried::Expand => State {
                phase: Some(Phase::Expand),
                ..judged::state(true)
            },
            _ => continue,
        };
        refused(who, inside, name, &text, found);
    }
    fast_path(who, found);
    settings::kept(who, found);
    rules::kept(who, found);
    match kind {
        Kind::Migrator => {
            refused(who, outside(), "SELECT", "SELECT 1", found);
            ends_with_its_session(who, found);
        }
        _ => carries_its_zone(who, found),
    }
}

/// In every way in which a client can send it.
pub(super) fn refused(who: &Who, state: State, name: &str, text: &str, found: &mut Invariants) {
    let facts = judged::facts(text.as_bytes());
    let one = facts.statements.len() <= 1;
    let through = [false, true]
        .into_iter()
        .filter(|extended| one || !extended)
        .any(|extended| {
            let played = play(who, state, &messages(text, extended));
            played.refused_at.is_none()
        });
    if !through {
        found.held += 1;
        return;
    }
    let lax: Vec<Finding> = findings(&facts, who, state)
        .into_iter()
        .filter(|finding| !finding.refuses(who) && finding.guard != Guard::MultiStatement)
        .collect();
    if lax.is_empty() {
        let inside = if state.migration_open {
            " in a migration session"
        } else {
            ""
        };
        let (login, database) = (&who.login.name, &who.database);
        found.broken.push(format!(
            "login \"{login}\" on \"{database}\"{inside} gets {name} through: {text}"
        ));
        return;
    }
    let words = lax
        .iter()
        .map(|finding| format!("{} ({})", finding.id(), finding.word(who)));
    let words: Vec<String> = words.collect();
    let open = found.open.entry(words.join(" and ")).or_default();
    open.statements.insert(name.to_owned());
    let meant = lax.iter().filter(|finding| !finding.exempt);
    open.guards.extend(meant.map(|finding| finding.guard));
}

/// Outside a migration session.
fn outside() -> State {
    judged::state(false)
}

fn fast_path(who: &Who, found: &mut Invariants) {
    let call = [Step::Send(function_call())];
    match play(who, outside(), &call).refused_at {
        Some(_) => found.held += 1,
        None => {
            let what = "gets a FunctionCall through";
            found.missed(who, Guard::FastPath, "FunctionCall", what);
        }
    }
}

/// What was prepared, and even bound, while the session was open is not run once it is closed.
fn ends_with_its_session(who: &Who, found: &mut Invariants) {
    let close = || Step::Migration { open: false };
    let [parse, bind, execute] =
        [parse("s", "DROP TABLE orders"), bind("s", ""), execute("")].map(Step::Send);
    for (steps, at) in [
        (
            vec![parse.clone(), close(), bind.clone(), execute.clone()],
            "bind",
        ),
        (vec![parse, bind, close(), execute], "execute"),
    ] {
        match play(who, judged::state(true), &steps).refused_at {
            Some(refused) if refused == at => found.held += 1,
            _ => {
                let what = format!("goes on after its migration session, at {at}");
                let name = "the end of a migration session";
                found.missed(who, Guard::DdlOutsideMigration, name, &what);
            }
        }
    }
}

/// Whatever runs for a login with a zone runs with it; and nothing of a table before it has one.
fn carries_its_zone(who: &Who, found: &mut Invariants) {
    let chosen = who.grant().map(one_of);
    let (Some(zone), Some(_)) = (who.zone().or(chosen.as_deref()), &who.policy.zone) else {
        return;
    };
    let set = format!("set zone {zone}");
    let block = ["BEGIN", "SELECT 1", "COMMIT"].map(|text| Step::Send(query(text)));
    let ways = [
        messages("SELECT 1", false),
        messages("SELECT 1", true),
        block.into(),
    ];
    for steps in ways {
        let played = play_in(who, chosen.as_deref(), outside(), &steps);
        if played.errors.is_empty() && played.upstream.words.contains(&set) {
            found.held += 1;
        } else {
            let what = format!("runs SELECT 1 without its {}", who.noun());
            found.missed(
                who,
                Guard::ZoneRequired,
                "statements without their zone",
                &what,
            );
        }
    }
    if chosen.is_some() && who.zone_is_required() {
        let name = "a table before the zone is set";
        refused(who, outside(), name, "SELECT * FROM orders", found);
    }
}

/// A zone that is granted.
fn one_of(grant: &Grant) -> String {
    match &grant.values {
        Values::Any => "acme".to_owned(),
        Values::Listed(all) => match all.first() {
            Some(pattern) => pattern.as_str().replace('*', "1"),
            None => ALL_ZONES.to_owned(),
        },
    }
}

impl Invariants {
    /// Something that a single guard should have kept; `name`: of it, `what` the login does.
    fn missed(&mut self, who: &Who, guard: Guard, name: &str, what: &str) {
        match judged::mode(guard, who) {
            Mode::Enforce => {
                let (login, database) = (&who.login.name, &who.database);
                self.broken
                    .push(format!("login \"{login}\" on \"{database}\" {what}"));
            }
            mode => self.let_through(guard, mode, name),
        }
    }

    /// The same where nothing is played while the guard is not enforced.
    fn not_kept(&mut self, who: &Who, guard: Guard, name: &str) {
        let mode = judged::mode(guard, who);
        if mode != Mode::Enforce {
            self.let_through(guard, mode, name);
        }
    }

    fn let_through(&mut self, guard: Guard, mode: Mode, name: &str) {
        let words = format!("{} ({})", guard.id(), mode.id());
        let open = self.open.entry(words).or_default();
        open.statements.insert(name.to_owned());
        open.guards.insert(guard);
    }

    /// A guard that is not enforced and of which the cases do not say that this is meant breaks what it
    /// should keep. Where the whole file observes, the file itself says so.
    pub fn meant(&mut self, policy: &Policy, not_enforced: &BTreeSet<Guard>) {
        if policy.observes {
            return;
        }
        let mut missing: BTreeMap<Guard, BTreeSet<String>> = BTreeMap::new();
        self.open.retain(|_, open| {
            let slips = open.guards.difference(not_enforced);
            let slips: Vec<Guard> = slips.copied().collect();
            for guard in &slips {
                let statements = missing.entry(*guard).or_default();
                statements.extend(open.statements.iter().cloned());
            }
            slips.is_empty()
        });
        for (guard, statements) in missing {
            let (id, line) = (guard.id(), policy.guards[guard as usize].line);
            let word = match policy.mode(guard) {
                Mode::Off => "is off",
                _ => "only observes",
            };
            let statements: Vec<String> = statements.into_iter().collect();
            self.broken.push(format!(
                "guard \"{id}\" {word} (line {line}), which lets through: {}; \
                 enforce it, or say in the cases that it is meant: not_enforced = [\"{id}\"]",
                statements.join(", ")
            ));
        }
    }
}

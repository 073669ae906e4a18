//! What the statements of a login are looked at for, worked out once for a policy, so that most of
//! them pass after a few tests of integers.

use std::collections::HashMap;
use std::sync::Arc;

use super::file::{Kind, Login, Mode, Policy, RouteName};
use super::guards::zone_required;
use super::rights::QUIET;
use super::rule::NAMING;
use super::sieve::Sieve;
use super::{Guard, State, Who, zone};
use crate::sql::{Class, ClassSet, Depth, Facts};

/// For one login.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// A statement of these classes that has no parameters, guarded functions or remarkable details
    /// interests no guard and no rule.
    quiet: ClassSet,
    /// A second statement of a message interests `multi-statement`.
    alone: bool,
    /// The rules that can hold for the login.
    pub(super) rules: Arc<Sieve>,
}

/// What can change or lock rows; a SELECT can, by FOR UPDATE.
const WRITING: ClassSet = ClassSet::of(Class::Write)
    .with(Class::CopyIn)
    .with(Class::Lock)
    .with(Class::Read);
/// What can stay on a pooled connection, beside the classes that are looked at anyway.
const STAYING: ClassSet = ClassSet::of(Class::Prepare)
    .with(Class::Execute)
    .with(Class::Notify);

impl Watch {
    /// What `policy` has to look at in the statements of `login`, for which these rules can hold.
    fn new(policy: &Policy, login: &Login, rules: Arc<Sieve>) -> Self {
        let on = |guard: Guard| policy.guards[guard as usize].mode != Mode::Off;
        let mut loud = rules.rules().iter().fold(ClassSet::EMPTY, |loud, rule| {
            loud.union(rule.when.classes())
        });
        let options = &policy.options;
        let watched = [
            (on(Guard::HumanWrite) && login.kind == Kind::Human, WRITING),
            (
                on(Guard::SessionState) && login.route == RouteName::Transaction,
                STAYING,
            ),
            (
                on(Guard::AppendOnly) && !options.append_only.is_empty(),
                ClassSet::of(Class::Write),
            ),
            (
                on(Guard::DeniedRelations) && !login.denied_relations.is_empty(),
                NAMING,
            ),
            (on(Guard::Functions) && options.functions.is_some(), NAMING),
            (
                on(Guard::DangerousFunctions) && !options.denied_functions.is_empty(),
                NAMING,
            ),
        ];
        for (_, classes) in watched.iter().filter(|(on, _)| *on) {
            loud = loud.union(*classes);
        }
        // Such a login may do so little that all it does is looked at.
        let loud = match login.kind {
            Kind::Replication => QUIET,
            _ => loud,
        };
        Self {
            quiet: QUIET.minus(loud),
            alone: on(Guard::MultiStatement),
            rules,
        }
    }
}

/// Reads, writes and the like, which no guard and no rule has an opinion on: nearly all traffic.
pub(super) fn is_plain(facts: &Facts, who: &Who, state: State) -> bool {
    let quiet = who.login.watch.quiet;
    let is_quiet = |classes: ClassSet| !classes.is_empty() && classes.minus(quiet).is_empty();
    facts.undescribed.is_none()
        && (facts.statements.len() < 2 || !who.login.watch.alone)
        && is_quiet(facts.classes)
        && facts.statements.iter().all(|statement| {
            is_quiet(statement.classes)
                && statement.parameters.is_empty()
                && statement.functions.is_empty()
                && statement.details.is_quiet()
                && !matches!(
                    statement.transaction,
                    Some(crate::sql::TransactionControl::TwoPhase)
                )
        })
        && zone_required::has_zone(who, state)
}

/// Works out what a policy that has just been read looks at.
pub(super) fn prepare(policy: &mut Policy) {
    policy.depth = depth(policy);
    // Most logins have the same rules: those that say nothing about logins.
    let mut sieves: HashMap<Vec<usize>, Arc<Sieve>> = HashMap::new();
    let logins = policy.logins.values().map(|login| {
        let places = rules_for(policy, login);
        let sieve = sieves.entry(places).or_insert_with_key(|places| {
            let rules = places.iter().map(|at| policy.rules[*at].clone());
            Arc::new(Sieve::new(rules.collect()))
        });
        let watch = Watch::new(policy, login, sieve.clone());
        let login = Login {
            watch,
            ..Login::clone(login)
        };
        (login.name.clone(), Arc::new(login))
    });
    policy.logins = logins.collect();
}

/// The rules that can hold for a login, by their places in the file.
fn rules_for(policy: &Policy, login: &Login) -> Vec<usize> {
    if policy.guards[Guard::Rule as usize].mode == Mode::Off {
        return Vec::new();
    }
    let can_hold = |at: &usize| policy.rules[*at].when.can_hold(login, &policy.environment);
    (0..policy.rules.len()).filter(can_hold).collect()
}

fn depth(policy: &Policy) -> Depth {
    let on = |guard: Guard| policy.guards[guard as usize].mode != Mode::Off;
    let options = &policy.options;
    let denied = policy
        .logins
        .values()
        .any(|login| !login.denied_relations.is_empty());
    let replicates = policy
        .logins
        .values()
        .any(|login| login.kind == Kind::Replication);
    let asked = replicates
        || (on(Guard::AppendOnly) && !options.append_only.is_empty())
        || (on(Guard::DeniedRelations) && denied)
        || (on(Guard::Functions) && options.functions.is_some())
        || (on(Guard::DangerousFunctions) && !options.denied_functions.is_empty())
        || (on(Guard::Rule) && policy.rules.iter().any(|rule| rule.when.asks_names()))
        // What a client asks before it has chosen its zone may name nothing that has one.
        || (on(Guard::ZoneRequired) && policy.logins.values().any(|it| chooses(it)));
    // An exception knows a statement by its fingerprint, which plain writes have only so.
    let writes = [Guard::HumanWrite, Guard::Rule, Guard::SessionState];
    let excepted = policy
        .exceptions
        .iter()
        .any(|one| writes.contains(&one.guard));
    match asked || excepted {
        true => Depth::Names,
        false => Depth::Surface,
    }
}

fn chooses(login: &Login) -> bool {
    matches!(login.zone, Some(zone::ZoneSource::Client(_)))
}

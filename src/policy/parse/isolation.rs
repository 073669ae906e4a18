//! Guards that keep zones and the clients of a pooled connection apart, and what is lost where one of
//! them does not refuse.

use super::super::Guard;
use super::super::file::{GuardSetting, Kind, Login, Mode, RouteName};
use super::super::options::Options;
use super::zone::LocatedZone;
use crate::config::reader::{Reader, Span};

/// What a login can do while a guard does not refuse; `{noun}` is the team's word for a zone.
struct Kept {
    guard: Guard,
    /// Where there is a zone.
    zones: Option<&'static str>,
    /// Where a login shares the connections of a pool.
    pool: Option<&'static str>,
}

const fn kept(guard: Guard, zones: Option<&'static str>, pool: Option<&'static str>) -> Kept {
    Kept { guard, zones, pool }
}

/// Those that are always enforced are not here: no policy can turn them off.
const KEPT: [Kept; 12] = [
    kept(
        Guard::ZoneNotGranted,
        Some("a login can set a {noun} that is not granted to it"),
        None,
    ),
    kept(
        Guard::ZoneParameter,
        Some("a login can leave its {noun}, or set another one out of sight"),
        None,
    ),
    kept(
        Guard::ZoneRequired,
        Some("statements run without a {noun}, and row-level security alone decides what they see"),
        None,
    ),
    kept(
        Guard::ServerRole,
        Some(
            "a login whose role is a superuser, has BYPASSRLS or owns the tables sees every {noun}",
        ),
        None,
    ),
    kept(
        Guard::RoleChange,
        Some("a login can act as a role that its {noun} does not bind"),
        Some("the role stays on the pooled connection for the next client"),
    ),
    kept(
        Guard::LexingParameters,
        Some("a login can make the server read a text as something else, and leave its {noun}"),
        Some("how SQL is read changes for the next client of a pooled connection"),
    ),
    kept(
        Guard::DangerousFunctions,
        Some("a function can run a text that leaves the {noun}"),
        Some("a function can run a text that stays on the pooled connection"),
    ),
    kept(
        Guard::Procedural,
        Some("DO and CALL can leave the {noun}: what they run is not seen"),
        Some("what DO and CALL leave on a pooled connection is not seen"),
    ),
    kept(
        Guard::DdlOutsideMigration,
        Some("a login that owns tables can switch off row-level security and see every {noun}"),
        Some("temporary tables stay on the pooled connection for the next client"),
    ),
    kept(
        Guard::CopyProgram,
        Some("a program on the database server is bound by no {noun}"),
        None,
    ),
    kept(
        Guard::SessionState,
        None,
        Some(
            "what a client leaves on a pooled connection (locks, LISTEN, prepared statements, \
             cursors WITH HOLD) meets the next one",
        ),
    ),
    kept(
        Guard::Parameters,
        None,
        Some("the limits of [guards.parameters] are not kept"),
    ),
];

/// Warns of each guard that the policy's zones or pooled connections stand on and that does not refuse.
pub(super) fn kept_apart(
    reader: &mut Reader<'_>,
    zone: Option<&LocatedZone>,
    logins: &[(Login, Span)],
    guards: &[GuardSetting],
    options: &Options,
) {
    let shares = |(login, _): &(Login, Span)| {
        matches!(login.kind, Kind::Service | Kind::Human) && login.route == RouteName::Transaction
    };
    let pooled = logins.iter().any(shares);
    let noun = zone.map(|(zone, _)| &*zone.noun);
    for Kept { guard, zones, pool } in &KEPT {
        let GuardSetting { mode, line, .. } = guards[*guard as usize];
        let without_limits = *guard == Guard::Parameters && !has_limits(logins, options);
        let word = match mode {
            Mode::Enforce => continue,
            _ if without_limits => continue,
            Mode::Observe => "only observes",
            Mode::Off => "is off",
        };
        let zones = zones
            .zip(noun)
            .map(|(lost, noun)| lost.replace("{noun}", noun));
        let lost: Vec<String> = zones
            .into_iter()
            .chain(pool.filter(|_| pooled).map(str::to_owned))
            .collect();
        if !lost.is_empty() {
            let message = format!("guard \"{}\" {word}: {}", guard.id(), lost.join("; "));
            let help = match noun {
                Some(_) => "enforce it where rows must stay apart",
                None => "enforce it where clients share connections",
            };
            reader.warning_on_line(line, message, help);
        }
    }
}

fn has_limits(logins: &[(Login, Span)], options: &Options) -> bool {
    let of_login =
        |(login, _): &(Login, Span)| login.ceilings.as_ref().is_some_and(|it| !it.is_empty());
    let parameters = &options.parameters;
    !parameters.ceilings.is_empty()
        || !parameters.denied.is_empty()
        || !parameters.transaction_only.is_empty()
        || logins.iter().any(of_login)
}

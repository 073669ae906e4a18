//! What must not get through. Every attack of `tests/attacks/*.toml` is first proven to have its
//! effect through PgBouncer alone, then run through Portcullis by both protocols: what a superuser,
//! the next client of the server connection and the file system see afterwards is what they saw
//! before, the guard that the attack names has refused it, and the connection goes on.
//!
//! An attack that is `pending` has its effect still; the guard it names is missing. The test fails
//! when it has none any more, so that the list cannot be forgotten.

mod support;

mod attacks {
    pub mod data;
    pub mod evidence;
    pub mod migration;
    pub mod run;
    pub mod script;
}

use attacks::{data, run};
use support::{NEW, OLD};

/// One test and one stack per family.
macro_rules! families {
    ($($name:ident)*) => {
        const OLDER: &[&str] = &[$(stringify!($name)),*];
        $(#[test]
        fn $name() {
            run::family(&data::family(stringify!($name)), OLD);
        })*
    };
}

families! {
    calls catalogs ddl disguises dots extensions files kinds lexing locks places primed protocol relations resources roles server session
    startup statistics temporary text_as_sql treat zone
}

/// On a server connection of one's own the guards of what stays on it are relaxed, and no others. What the next
/// client finds is asked of PgBouncer's session pool, which clears up between two.
#[test]
fn nothing_more_gets_through_on_the_session_route() {
    let mut runs = 0;
    for name in [
        "catalogs",
        "disguises",
        "dots",
        "files",
        "places",
        "primed",
        "protocol",
        "roles",
        "text_as_sql",
        "zone",
    ] {
        let mut family = data::family(name);
        family.session = true;
        runs += run::family(&family, OLD).runs;
    }
    println!("{runs} runs on the session route");
    assert!(runs > 700, "{runs} runs");
}

/// What has nothing to attack on the older versions.
const NEWER: &[&str] = &["planned"];

// PostgreSQL 17 reads SQL a little differently than 15, and PgBouncer 1.24 follows named statements.

#[test]
fn catalogs_newer() {
    run::family(&data::family("catalogs"), NEW);
}

#[test]
fn extensions_newer() {
    run::family(&data::family("extensions"), NEW);
}

#[test]
fn lexing_newer() {
    run::family(&data::family("lexing"), NEW);
}

#[test]
fn locks_newer() {
    run::family(&data::family("locks"), NEW);
}

#[test]
fn planned_newer() {
    run::family(&data::family("planned"), NEW);
}

#[test]
fn places_newer() {
    run::family(&data::family("places"), NEW);
}

#[test]
fn protocol_newer() {
    run::family(&data::family("protocol"), NEW);
}

#[test]
fn treat_newer() {
    run::family(&data::family("treat"), NEW);
}

/// Of a client that has set its zone itself and may set no other.
#[test]
fn zone_chosen() {
    for versions in [OLD, NEW] {
        let mut family = data::family("zone");
        family.chosen = Some("acme");
        run::family(&family, versions);
    }
}

#[test]
fn zone_newer() {
    run::family(&data::family("zone"), NEW);
}

#[test]
fn every_file_is_run_and_the_pending_are_told() {
    let files = support::files::cases("attacks", ".toml");
    let mut run = [OLDER, NEWER].concat();
    run.sort_unstable();
    assert_eq!(files, run);
    let attacks: Vec<_> = files
        .iter()
        .flat_map(|name| data::family(name).attacks)
        .collect();
    for attack in &attacks {
        if let Some(guard) = &attack.pending {
            println!("pending for {guard}: {}", attack.name());
        }
    }
    let pending = attacks.iter().filter(|attack| attack.pending.is_some());
    let (all, pending) = (attacks.len(), pending.count());
    println!("{all} attacks, {pending} of them pending");
    assert!(all - pending >= 1_050, "{all} attacks, {pending} pending");
}

//! A client that sets its zone itself, and a server that sends what they like: no zone reaches the server that is not
//! granted. The empty text and NULL are no zone: with them the client gives back its own.
#![no_main]

#[path = "../../conversing/mod.rs"]
mod conversing;
#[path = "../common/input.rs"]
mod input;
#[path = "../common/play.rs"]
mod play;
#[path = "../common/seeds.rs"]
mod seeds;

use std::collections::HashMap;

use conversing::frames::{self, Frame};
use conversing::who::{GRANTED, Login, PARAMETER, PREFIX_NAME, zone_of};
use play::{check_same, play};
use portcullis::protocol::bind;
use portcullis::protocol::frame::cstr;
use portcullis::sql::{Facts, ParameterName, ParameterTouch, ParameterUse, describe};

libfuzzer_sys::fuzz_target!(init: seeds::write(|_| seeds::choosers()), |bytes: &[u8]| {
    let (_, acts) = input::read(bytes);
    let whole = play(Login::Chooser, &acts, usize::MAX);
    check_zones(&whole.driver.to_server);
    let cut = play(Login::Chooser, &acts, 1 + bytes.len() % 7);
    check_same(&whole, &cut);
});

/// Looks at each zone that the server is given: in a text, bound, and by a prefix.
fn check_zones(to_server: &[u8]) {
    let mut statements: HashMap<&[u8], Facts> = HashMap::new();
    for frame in frames::split(to_server).0 {
        match frame.kind {
            b'Q' => {
                let (text, _) = cstr(frame.body).expect("a text");
                check_text(&describe(text));
            }
            b'P' => {
                let (name, rest) = cstr(frame.body).expect("a name");
                let (text, _) = cstr(rest).expect("a text");
                let facts = describe(text);
                check_text(&facts);
                statements.insert(name, facts);
            }
            b'B' => {
                let (_, rest) = cstr(frame.body).expect("a portal");
                let (name, _) = cstr(rest).expect("a name");
                match statements.get(name) {
                    _ if name == PREFIX_NAME.as_bytes() => check_prefix(&frame),
                    Some(facts) => check_bound(facts, &frame),
                    None => {}
                }
            }
            _ => {}
        }
    }
}

/// What a prefix enters in the place of a token where the client has given its zone back: of no zone, and the transaction
/// fails if it has entered one.
const NO_TOKEN: &str = "....-.";

/// What a prefix enters must be a zone.
fn check(zone: Option<&str>) {
    let granted = zone.is_some_and(|zone| GRANTED.contains(&zone));
    assert!(
        granted,
        "a zone that is not granted reached the server: {zone:?}"
    );
}

/// What the client sets may be no zone, too, and what it begins with is none.
fn check_set(value: Option<&str>) {
    if value != Some("") {
        check(value);
    }
}

/// Does it set the zone under this name?
fn sets(touch: &ParameterTouch, name: Option<&str>) -> bool {
    let set = matches!(touch.how, ParameterUse::Local | ParameterUse::Session);
    set && name.is_some_and(|name| name.eq_ignore_ascii_case(PARAMETER))
}

fn named(touch: &ParameterTouch) -> Option<&str> {
    match &touch.name {
        ParameterName::Named(name) => Some(name),
        _ => None,
    }
}

fn check_text(facts: &Facts) {
    let touches = facts.statements.iter().flat_map(|it| &it.parameters);
    for touch in touches.filter(|touch| sets(touch, named(touch))) {
        if touch.value.is_some() {
            check_set(touch.value.as_deref());
        }
    }
}

/// What a Bind gives to `set_config`.
fn check_bound(facts: &Facts, frame: &Frame<'_>) {
    // NULL sets the empty text, as PostgreSQL has it.
    let text =
        |number| std::str::from_utf8(bind::value(frame.body, number)?.unwrap_or_default()).ok();
    let Some(statement) = facts.statements.first() else {
        return;
    };
    for bound in statement.details.bound.iter().flat_map(|it| it.0.iter()) {
        let touch = &statement.parameters[usize::from(bound.touch)];
        let name = match bound.name {
            Some(number) => text(number),
            None => named(touch),
        };
        if !sets(touch, name) {
            continue;
        }
        match bound.value {
            Some(number) => check_set(text(number)),
            None => check_set(touch.value.as_deref()),
        }
    }
}

/// What a prefix sets and enters: two arrays of texts.
fn check_prefix(frame: &Frame<'_>) {
    let array = |number| {
        let value = bind::value(frame.body, number)
            .flatten()
            .unwrap_or_default();
        let value = String::from_utf8_lossy(value).into_owned();
        let inside = value.trim_start_matches("{\"").trim_end_matches("\"}");
        inside.split("\",\"").map(str::to_owned).collect::<Vec<_>>()
    };
    for (name, value) in array(1).iter().zip(array(2)) {
        match &**name {
            PARAMETER => check_set(Some(&value)),
            name if name.starts_with('=') && value == NO_TOKEN => {}
            name if name.is_empty() || name.starts_with('=') => check(zone_of(&value).as_deref()),
            _ => {}
        }
    }
}

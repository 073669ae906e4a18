//! What a text holds a worker: one call of the conversation at a time, with everything that it does besides
//! describing, under the production policy that is shipped. What others do (long texts are described on
//! threads of their own) is not counted.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::conversation::splice::Splice;
use portcullis::conversation::{Context, Conversation, Next, Origins, Setup};
use portcullis::policy::{Policy, State, Who};
use portcullis::protocol::frame::{message, put_cstr};
use portcullis::sql::{Depth, FactsCache, LONG_TEXT, describe_at};
use portcullis::zone::Prefix;
use portcullis::zone::signed::Unsigned;

use crate::counting::Counting;

/// The most that a worker may be held.
const BOUND: Duration = Duration::from_millis(5);

/// Texts that are no shape: so many statements, or parameters, as a message may have here.
fn texts() -> Vec<(&'static str, String)> {
    let many = |number: usize, text: &dyn Fn(usize) -> String| (0..number).map(text).collect();
    let numbers: Vec<String> = (1..=64).map(|number| format!("${number}")).collect();
    vec![
        (
            "500 statements of 60 bytes",
            many(500, &|number| {
                format!(
                    "{:59};",
                    format!("update orders set note = 'n{number}' where id = {number}")
                )
            }),
        ),
        (
            "500 statements that are refused",
            many(500, &|number| {
                format!("{:59};", format!("drop table orders_{number}"))
            }),
        ),
        (
            "64 parameters, SET",
            many(64, &|number| {
                format!("set a.p{number} = '{}';", "x".repeat(200))
            }),
        ),
        (
            "64 parameters, set_config",
            "select 1".to_owned()
                + &many(64, &|number| {
                    format!(", set_config('a.p{number}', '{}', false)", "x".repeat(200))
                }),
        ),
        (
            "64 parameters, bound",
            format!("select * from orders where id in ({})", numbers.join(",")),
        ),
    ]
}

/// The longest that a worker is held by each shape and each of the texts above, as one message and among others.
pub fn table(shapes: impl Iterator<Item = (&'static str, String)>) {
    println!(
        "\nthe longest call of a worker for texts of up to {} kB, milliseconds: \
         as Query / as Parse / in pieces / as Parse twice",
        LONG_TEXT >> 10
    );
    let mut worst = (Duration::ZERO, "");
    for (name, text) in shapes.chain(texts()) {
        let times = [
            longest(&query(&text)),
            longest(&parse(&text)),
            longest(&query(&format!("{text};begin;commit"))),
            longest(&parse(&text).repeat(2)),
        ];
        let figures = times.map(|time| format!("{:.2}", time.as_secs_f64() * 1000.0));
        let longest = times.into_iter().max().unwrap_or_default();
        let mark = if longest > BOUND { "  over 5 ms" } else { "" };
        println!("{name:34}{}{mark}", figures.join(" / "));
        worst = worst.max((longest, name));
    }
    let (time, name) = worst;
    println!(
        "the longest that a worker is held: {time:?} ({name}); at most {BOUND:?} are allowed\n"
    );
}

/// The longest of the calls that take `read`; the least of several tries: whatever else runs makes it longer.
fn longest(read: &[u8]) -> Duration {
    let policy = include_str!("../../policies/production.toml");
    let (policy, _) = Policy::parse(policy, "production.toml").expect("the policy is valid");
    let who = Who {
        login: Arc::clone(&policy.logins["shop_acme"]),
        policy: Arc::new(policy),
        database: "shop".into(),
    };
    let started = Instant::now();
    let mut least = Duration::MAX;
    for _ in 0..5 {
        least = least.min(calls(read, &who));
        if started.elapsed() > Duration::from_secs(1) {
            break;
        }
    }
    least
}

/// The longest of the calls of a client that has sent nothing before.
fn calls(read: &[u8], who: &Who) -> Duration {
    let zone = who.zone().unwrap_or_default();
    let parameter = who.zone_parameter().unwrap_or_default();
    let mut conversation = Conversation::new(&Setup {
        connection: 1,
        random: [1, 2],
        zone: Some(Arc::new(Prefix::new(&[(parameter, zone)], None))),
        chooses: None,
        max_statement_bytes: 1 << 20,
        record: false,
        replaceable: true,
        origins: Arc::new(Origins {
            kept: Vec::new(),
            pooled: Vec::new(),
        }),
        reported: Vec::new(),
        observes: false,
        walsender: false,
    });
    let mut facts = FactsCache::new(16 << 20, 1);
    facts.set_depth(Depth::Names);
    let observer = Counting::new();
    let (mut scratch, mut own) = (Vec::new(), Vec::new());
    let (mut at, mut described, mut longest) = (0, None, Duration::ZERO);
    loop {
        let input = &read[at..];
        let begun = Instant::now();
        let mut context = Context {
            who,
            state: State::default(),
            facts: &mut facts,
            described: described.take(),
            busy: false,
            observer: &observer,
            signer: &Unsigned,
        };
        let mut out = Splice::new(input, &mut scratch);
        let taken = conversation.from_client(input, &mut context, &mut out, &mut own);
        black_box(out.finish());
        longest = longest.max(begun.elapsed());
        let taken = taken.expect("no protocol error");
        at += taken.consumed;
        match taken.next {
            Next::Describe(text) => {
                let text = &input[text];
                described = Some(Arc::new(describe_at(text, Depth::Names)));
            }
            Next::Pause => {}
            // It has been read, or waits for answers.
            _ => return longest,
        }
    }
}

fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'Q', |body| put_cstr(body, text.as_bytes()));
    out
}

fn parse(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'P', |body| {
        put_cstr(body, b"");
        put_cstr(body, text.as_bytes());
        body.extend_from_slice(&[0, 0]);
    });
    out
}

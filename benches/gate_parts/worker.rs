//! What a text holds a worker: one call of the conversation at a time, with everything that it does besides
//! describing, under the production policy that is shipped. What others do (long texts are described on
//! threads of their own) is not counted. What goes to the server is answered, so that all pieces of a text are tried.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::conversation::splice::Splice;
use portcullis::conversation::{Context, Conversation, Next, Origins, Setup};
use portcullis::policy::{Policy, State, Who};
use portcullis::protocol::frame::{self, message, put_cstr};
use portcullis::sql::{Depth, FactsCache, LONG_TEXT, MANY_STATEMENTS, MAX_STATEMENTS, describe_at};
use portcullis::zone::signed::Unsigned;
use portcullis::zone::{Prefix, QUERY_GUARD};
use rustix::time::{ClockId, clock_gettime};

use crate::counting::Counting;

/// The most that a worker may be held.
const BOUND: Duration = Duration::from_millis(5);

/// Texts that are no shape: so many statements, or parameters, as a message may have here.
fn texts() -> Vec<(&'static str, String)> {
    let many = |number: usize, text: &dyn Fn(usize) -> String| (0..number).map(text).collect();
    let numbers: Vec<String> = (1..=64).map(|number| format!("${number}")).collect();
    vec![
        (
            "as many statements as go in 32 kB",
            many(LONG_TEXT / 7 - 16, &|_| "select;".to_owned()),
        ),
        (
            "as many statements as one piece has",
            many(MANY_STATEMENTS, &|_| "select;".to_owned()),
        ),
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

/// Texts of more than a worker describes, up to the longest that is taken.
fn long_texts() -> Vec<(&'static str, String)> {
    let many = |number: usize, text: &dyn Fn(usize) -> String| (0..number).map(text).collect();
    vec![
        (
            "10000 small statements",
            many(MAX_STATEMENTS, &|_| "select;".to_owned()),
        ),
        (
            "10000 statements of 60 bytes",
            many(MAX_STATEMENTS, &|number| {
                format!(
                    "{:59};",
                    format!("update orders set note = 'n{number}' where id = {number}")
                )
            }),
        ),
        (
            "10000 statements that are refused",
            many(MAX_STATEMENTS, &|number| {
                format!("drop table orders_{number};")
            }),
        ),
        (
            "100 functions of 1000 settings",
            many(100, &|number| {
                let settings = " set a=1".repeat(1000);
                format!("create function f{number}() returns int{settings} language sql as '';")
            }),
        ),
        (
            "25 queries of 1000 set_config",
            many(25, &|_| {
                let calls = vec!["set_config('a.b','1',false)"; 1000].join(",");
                format!("select {calls};")
            }),
        ),
        (
            "25 queries of 1000 others",
            many(25, &|number| {
                let call = |at: usize| format!("set_config('a.{number}_{at}','1',true)");
                let calls: Vec<String> = (0..1000).map(call).collect();
                format!("select {};", calls.join(","))
            }),
        ),
        (
            "1000 queries of 25 set_config",
            many(1000, &|_| {
                let calls = vec!["set_config('a.b','1',false)"; 25].join(",");
                format!("select {calls};")
            }),
        ),
    ]
}

/// The longest that a worker is held by each of `shapes` and each of the texts above: as one message and among
/// others, and where they are `long` (up to a megabyte).
pub fn table(shapes: &[(&'static str, [String; 2])]) {
    println!(
        "\nthe longest call of a worker for texts of up to {} kB, milliseconds: \
         as Query / as Parse / ahead of a transaction / in one / as Parse twice",
        LONG_TEXT >> 10
    );
    let mut worst = (Duration::ZERO, "");
    let mut line = |name: &'static str, messages: &[Vec<u8>]| {
        let times: Vec<Duration> = messages.iter().map(|read| longest(read)).collect();
        let figures = times
            .iter()
            .map(|time| format!("{:.2}", time.as_secs_f64() * 1000.0));
        let figures: Vec<String> = figures.collect();
        let longest = times.into_iter().max().unwrap_or_default();
        let mark = if longest > BOUND { "  over 5 ms" } else { "" };
        println!("{name:36}{}{mark}", figures.join(" / "));
        worst = worst.max((longest, name));
    };
    let short = shapes.iter().map(|(name, [text, _])| (*name, text.clone()));
    for (name, text) in short.chain(texts()) {
        let messages = [
            query(&text),
            parse(&text),
            query(&format!("{text};begin;commit")),
            query(&format!("begin;{text};commit")),
            parse(&text).repeat(2),
        ];
        line(name, &messages);
    }
    println!(
        "\nthe same of texts of up to a megabyte: as Query / as Parse / as Query, begun and committed"
    );
    let long = shapes.iter().map(|(name, [_, text])| (*name, text.clone()));
    for (name, text) in long.chain(long_texts()) {
        let messages = [
            query(&text),
            parse(&text),
            query(&format!("begin;{text};commit")),
        ];
        line(name, &messages);
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

/// The thread's time on a core: what else runs on the machine takes none of it.
fn spent() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec as u32)
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
        spelling: Arc::default(),
    });
    let mut facts = FactsCache::new(16 << 20, 1);
    facts.set_depth(Depth::Names);
    let observer = Counting::new();
    let (mut scratch, mut own) = (Vec::new(), Vec::new());
    let (mut at, mut described, mut longest) = (0, None, Duration::ZERO);
    let mut status = b'I';
    loop {
        let input = &read[at..];
        let begun = spent();
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
        let sent = black_box(out.finish());
        longest = longest.max(spent() - begun);
        let answers = answers(sent, &mut status);
        let taken = taken.expect("no protocol error");
        at += taken.consumed;
        match taken.next {
            Next::Describe { text, .. } => {
                described = Some(Arc::new(describe_at(&text, Depth::Names)));
            }
            Next::Pause => {}
            // It has been read.
            Next::Read { .. } | Next::Terminate => return longest,
            Next::Hold if answers.is_empty() => return longest,
            Next::Hold => {}
        }
        let begun = spent();
        let mut out = Splice::new(&answers, &mut scratch);
        let used = conversation.from_server(&answers, &observer, &mut out, &mut own);
        black_box(out.finish());
        longest = longest.max(spent() - begun);
        assert_eq!(
            used,
            Ok(answers.len()),
            "{:?}",
            String::from_utf8_lossy(&answers)
        );
    }
}

/// What a server says to the messages that were sent, and in which `status` it is then.
fn answers(mut sent: &[u8], status: &mut u8) -> Vec<u8> {
    let mut answers = Vec::new();
    let mut bound = false;
    while let Ok(Some(header)) = frame::header(sent) {
        let text = &sent[5..header.total];
        match header.kind {
            b'P' => message(&mut answers, b'1', |_| {}),
            b'C' => message(&mut answers, b'3', |_| {}),
            b'B' => {
                bound = true;
                message(&mut answers, b'2', |_| {});
            }
            // Of no portal: it was refused, and takes its batch with it.
            b'E' if !bound => message(&mut answers, b'E', |body| {
                body.extend_from_slice(b"SERROR\0C26000\0Mgone\0\0")
            }),
            b'E' => message(&mut answers, b'C', |body| put_cstr(body, b"SELECT 1")),
            b'Q' => {
                if text.starts_with(QUERY_GUARD) {
                    message(&mut answers, b'T', |body| body.extend_from_slice(&[0, 0]));
                    message(&mut answers, b'C', |body| put_cstr(body, b"SELECT 0"));
                }
                let last = text.trim_ascii_start();
                *status = match (
                    last.starts_with(b"commit"),
                    text.windows(5).any(|it| it == b"begin"),
                ) {
                    (true, _) => b'I',
                    (_, true) => b'T',
                    _ => *status,
                };
                message(&mut answers, b'C', |body| put_cstr(body, b"SELECT 1"));
            }
            _ => {}
        }
        if matches!(header.kind, b'Q' | b'S') {
            message(&mut answers, b'Z', |body| body.push(*status));
        }
        sent = &sent[header.total..];
    }
    answers
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

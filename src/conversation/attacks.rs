//! Attacks on the gate that need no server: what a client sends, and what must not come out.

mod pieces;

use std::cell::Cell;
use std::sync::Arc;

use super::splice::Splice;
use super::{Change, Context, Conversation, Next, Observer, Origins, Setup};
use crate::error::SqlState;
use crate::policy::{Decision, Policy, Refusal, State, Who};
use crate::protocol::frame::{self, SYNC, message, put_cstr};
use crate::sql::{Facts, FactsCache, LONG_TEXT, MANY_STATEMENTS, describe};
use crate::zone::signed::Unsigned;

const POLICY: &str = r#"
schema = 1
environment = "production"

[login.app]
kind = "service"
databases = ["shop"]
"#;

#[derive(Default)]
struct Watching {
    judged: Cell<usize>,
    refused: Cell<usize>,
}

impl Observer for Watching {
    fn judged(&self, _: &Facts, _: &Decision, _: &[u8]) {
        self.judged.set(self.judged.get() + 1);
    }
    fn refused(&self, _: &Refusal, _: &[u8]) {
        self.refused.set(self.refused.get() + 1);
    }
    fn observed(&self, _: &Refusal, _: &[u8]) {}
    fn foreseen(&self, _: Change, _: Option<&Facts>, _: &[u8]) {}
    fn injected(&self) {}
    fn injection_failed(&self) {}
    fn server_error(&self, _: &[u8]) {}
    fn started(&self, _: Option<&Facts>, _: &[u8]) {}
    fn ended(&self, _: SqlState) {}
}

/// A client's connection; `described` is what the shell hands in and gets back.
pub(super) struct Attack {
    pub(super) conversation: Conversation,
    who: Who,
    facts: FactsCache,
    pub(super) described: Option<Arc<Facts>>,
    busy: bool,
    watching: Watching,
    /// What the client was told without the server.
    reply: Vec<u8>,
}

impl Attack {
    pub(super) fn new() -> Self {
        Self::beginning_with(Origins::default())
    }

    fn beginning_with(origins: Origins) -> Self {
        let (policy, _) = Policy::parse(POLICY, "production.toml").expect("the policy is valid");
        let login = Arc::clone(&policy.logins["app"]);
        let setup = Setup {
            connection: 1,
            random: [1, 2],
            zone: None,
            chooses: None,
            max_statement_bytes: 1 << 20,
            record: false,
            replaceable: true,
            origins: Arc::new(origins),
            reported: Vec::new(),
            observes: false,
            walsender: false,
            spelling: Arc::default(),
        };
        Self {
            conversation: Conversation::new(&setup),
            who: Who {
                policy: Arc::new(policy),
                login,
                database: "shop".into(),
            },
            facts: FactsCache::new(1 << 20, 1),
            described: None,
            busy: false,
            watching: Watching::default(),
            reply: Vec::new(),
        }
    }

    /// Messages that were refused.
    pub(super) fn refused(&self) -> usize {
        self.watching.refused.get()
    }

    /// What goes to the server, the bytes used up, and what is waited for.
    pub(super) fn client(&mut self, input: &[u8]) -> (Vec<u8>, usize, Next) {
        let mut scratch = Vec::new();
        let mut context = Context {
            who: &self.who,
            state: State::default(),
            facts: &mut self.facts,
            described: self.described.take(),
            busy: std::mem::take(&mut self.busy),
            observer: &self.watching,
            signer: &Unsigned,
        };
        let mut out = Splice::new(input, &mut scratch);
        let taken = self
            .conversation
            .from_client(input, &mut context, &mut out, &mut self.reply)
            .expect("no protocol error");
        self.described = context.described;
        (out.finish().to_vec(), taken.consumed, taken.next)
    }

    pub(super) fn server(&mut self, input: &[u8]) {
        let (mut scratch, mut own) = (Vec::new(), Vec::new());
        let mut out = Splice::new(input, &mut scratch);
        let used = self
            .conversation
            .from_server(input, &self.watching, &mut out, &mut own);
        assert_eq!(used, Ok(input.len()));
    }
}

fn parse(out: &mut Vec<u8>, text: &str) {
    parse_named(out, "", text);
}

fn parse_named(out: &mut Vec<u8>, name: &str, text: &str) {
    message(out, b'P', |body| {
        put_cstr(body, name.as_bytes());
        put_cstr(body, text.as_bytes());
        body.extend_from_slice(&[0, 0]);
    });
}

pub(super) fn query(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    message(&mut out, b'Q', |body| put_cstr(body, text.as_bytes()));
    out
}

/// A long Parse waits for its description; meanwhile the server fails the batch, and the Parse is
/// left out. Its description must not be taken for that of the next text.
#[test]
fn the_description_of_a_text_that_was_left_out_is_not_for_the_next_text() {
    for text in ["drop table orders", "create role thief superuser"] {
        let mut attack = Attack::new();
        let long = format!("select 1 -- {}", "x".repeat(LONG_TEXT));
        let mut input = Vec::new();
        parse(&mut input, "select * from nowhere");
        parse(&mut input, &long);
        input.extend_from_slice(SYNC);
        input.extend_from_slice(&query(text));

        let (_, first, next) = attack.client(&input);
        assert_eq!(next, Next::Pause);
        let (_, used, next) = attack.client(&input[first..]);
        assert!(matches!(next, Next::Describe { .. }), "{next:?}");
        let used = first + used;
        let mut error = Vec::new();
        message(&mut error, b'E', |body| {
            body.extend_from_slice(b"SERROR\0VERROR\0C42P01\0Mno such relation\0\0");
        });
        attack.server(&error);
        attack.described = Some(Arc::new(describe(long.as_bytes())));

        let (out, _, _) = attack.client(&input[used..]);
        assert_eq!(attack.watching.refused.get(), 1, "{text}");
        let kinds: Vec<u8> = kinds(&out);
        assert!(!kinds.contains(&b'Q'), "{kinds:?}");
        // Nor may the cache have learnt it.
        let facts = attack.facts.describe(text.as_bytes());
        assert_eq!(*facts, describe(text.as_bytes()));
    }
}

/// More long texts than can be waited for: the one too many is refused, alone, and its client stays.
#[test]
fn a_long_text_too_many_is_refused_and_nothing_else() {
    let long = format!("select 1 -- {}", "x".repeat(LONG_TEXT));
    let mut attack = Attack::new();
    let input = [query(&long), query(&long), query("select 2")].concat();
    let (_, used, next) = attack.client(&input);
    assert!(matches!(next, Next::Describe { .. }), "{next:?}");
    attack.busy = true;
    let (out, more, next) = attack.client(&input[used..]);
    let reply = String::from_utf8_lossy(&attack.reply).into_owned();
    assert!(
        reply.contains("C53000\0Mtoo many long statements"),
        "{reply}"
    );
    assert_eq!(
        (kinds(&attack.reply), kinds(&out)),
        (b"EZ".to_vec(), vec![])
    );
    // Only the one that nobody could take; the next one may be lucky.
    assert_eq!(next, Next::Pause);
    let rest = &input[used + more..];
    let (_, _, next) = attack.client(rest);
    assert!(matches!(next, Next::Describe { .. }), "{next:?}");
    attack.described = Some(Arc::new(describe(long.as_bytes())));
    let (out, _, _) = attack.client(rest);
    assert_eq!(
        (kinds(&out), attack.watching.refused.get()),
        (b"QQ".to_vec(), 1)
    );

    // In a batch: the rest of it is left out, and the server fails the transaction.
    let mut attack = Attack::new();
    let mut batch = Vec::new();
    parse(&mut batch, &long);
    batch.extend_from_slice(SYNC);
    attack.busy = true;
    let (out, used, _) = attack.client(&batch);
    assert_eq!(
        (kinds(&out), used),
        (b"E".to_vec(), batch.len() - SYNC.len())
    );
    assert_eq!(attack.client(SYNC).0, SYNC);
    // Being busy is nothing to a text that is short.
    let mut attack = Attack::new();
    attack.busy = true;
    let (out, _, _) = attack.client(&query("select 1"));
    assert_eq!(kinds(&out), b"Q");
}

/// Long texts under many names: they are counted in bytes, too, and given back with Close.
#[test]
fn a_hoard_of_long_texts_is_bounded() {
    const PARSED: &[u8] = b"1\0\0\0\x04Z\0\0\0\x05I";
    const CLOSED: &[u8] = b"3\0\0\0\x04Z\0\0\0\x05I";
    let mut attack = Attack::new();
    let name = |number: usize| format!("{number:08}");
    let text = format!("select 1 --{}", "x".repeat(8000));
    let ask = |attack: &mut Attack, number: usize| {
        let mut batch = Vec::new();
        parse_named(&mut batch, &name(number), &text);
        batch.extend_from_slice(SYNC);
        attack.client(&batch).0
    };
    let mut held = 0;
    // The pool is asked whether it follows names, and does.
    assert_eq!(kinds(&ask(&mut attack, held)), b"CPBECS");
    let empty = [(b'3', &b""[..]), (b'1', b""), (b'2', b"")];
    let end = [(b'C', &b"SELECT 0\0"[..]), (b'3', b""), (b'Z', b"I")];
    let mut followed = Vec::new();
    for (kind, body) in empty.into_iter().chain(end) {
        message(&mut followed, kind, |out| out.extend_from_slice(body));
    }
    attack.server(&followed);
    while kinds(&ask(&mut attack, held)) == b"PS" {
        attack.server(PARSED);
        held += 1;
        assert!(held < 10_000, "without bounds");
    }
    assert!((900..1100).contains(&held), "{held}");
    assert_eq!(attack.watching.refused.get(), 1);
    let mut error = Vec::new();
    message(&mut error, b'E', |body| {
        body.extend_from_slice(b"SERROR\0VERROR\0C34000\0Mno such portal\0\0");
    });
    attack.server(&[&error[..], b"Z\0\0\0\x05I"].concat());
    // The unnamed one, and one in the place of another, always.
    let mut batch = Vec::new();
    parse(&mut batch, "select 1");
    batch.extend_from_slice(SYNC);
    assert_eq!(kinds(&attack.client(&batch).0), b"PS");
    attack.server(PARSED);
    let mut batch = Vec::new();
    message(&mut batch, b'C', |body| {
        body.push(b'S');
        put_cstr(body, name(0).as_bytes());
    });
    batch.extend_from_slice(SYNC);
    assert_eq!(kinds(&attack.client(&batch).0), b"CS");
    attack.server(CLOSED);
    assert_eq!(kinds(&ask(&mut attack, held)), b"PS");
}

/// Each Bind of a name makes a description of its own of a text that may be long; some bytes are enough for one.
#[test]
fn a_hoard_of_bound_names_is_bounded() {
    let mut attack = Attack::new();
    let mut text = "select set_config($1, '', true)".to_owned();
    while text.len() < 300_000 {
        text += &format!(", set_config('a.b', '{}', true)", "x".repeat(400));
    }
    let mut batch = Vec::new();
    parse(&mut batch, &text);
    // It is long: described elsewhere, and handed in.
    assert_eq!(attack.client(&batch).1, 0);
    attack.described = Some(Arc::new(describe(text.as_bytes())));
    assert_eq!(attack.client(&batch).1, batch.len());
    let mut bind = Vec::new();
    message(&mut bind, b'B', |body| {
        body.extend_from_slice(b"\0\0\0\0\0\x01\0\0\0\x03x.y\0\0");
    });
    let mut sent = 0;
    while attack.client(&bind).1 == bind.len() {
        sent += 1;
        assert!(sent < 10_000, "without bounds");
    }
    let bytes = attack.conversation.in_flight.pending_bytes();
    assert!((1 << 20..9 << 20).contains(&bytes), "{sent}: {bytes}");
}

/// What a RESET or NULL returns to is said to the server, be it thousands of bytes for ten of the client's.
#[test]
fn a_text_does_not_grow_by_what_it_resets() {
    let origins = || Origins {
        kept: vec![("my.p".to_owned(), "x".repeat(9000))],
        pooled: vec![("my.q".to_owned(), "y".repeat(5000))],
    };
    let nulls = |times| vec!["set_config('my.p',NULL,false)"; times].join(",");
    for (text, passes) in [
        ("RESET my.p;".repeat(9900), false),
        ("RESET my.q;".repeat(9900), false),
        ("RESET ALL;".repeat(3000), false),
        (format!("select {}", nulls(900)), false),
        ("RESET my.p;".repeat(10), true),
        ("RESET ALL;".repeat(5), true),
        ("RESET work_mem;".repeat(2000), true),
        (format!("select {}", nulls(10)), true),
    ] {
        let mut parsed = Vec::new();
        parse(&mut parsed, &text);
        for (input, is_one) in [(query(&text), true), (parsed, text.starts_with("select"))] {
            let mut attack = Attack::beginning_with(origins());
            attack.described = Some(Arc::new(describe(text.as_bytes())));
            let (out, used, _) = attack.client(&input);
            let refused = attack.refused() == 1;
            assert_eq!(used, input.len());
            assert!(out.len() < input.len() + 150_000, "{}", out.len());
            assert!(!is_one || refused != passes, "{:.40}: {refused}", text);
        }
    }
}

/// A Query that fails in a block leaves an unnamed portal at the server whose statements are in memory that is freed:
/// PostgreSQL crashes at its Execute. To the client its own is gone with any Query.
#[test]
fn the_unnamed_portal_is_gone_with_a_query() {
    let mut bound = Vec::new();
    parse_named(&mut bound, "", "select generate_series(1, 9)");
    message(&mut bound, b'B', |body| body.extend_from_slice(&[0; 8]));
    let mut execute = Vec::new();
    message(&mut execute, b'E', |body| {
        body.extend_from_slice(&[0, 0, 0, 0, 1]);
    });
    let mut describe = Vec::new();
    message(&mut describe, b'D', |body| body.extend_from_slice(b"P\0"));
    let answered = |answers: &[(u8, &[u8])]| {
        let mut out = Vec::new();
        for (kind, body) in answers {
            message(&mut out, *kind, |out| out.extend_from_slice(body));
        }
        out
    };
    let begun = || {
        let mut attack = Attack::new();
        attack.client(&query("begin"));
        attack.server(&answered(&[(b'C', b"BEGIN\0"), (b'Z', b"T")]));
        let (out, _, _) = attack.client(&[&bound[..], &execute, SYNC].concat());
        assert_eq!(kinds(&out), b"PBES");
        attack
    };
    let suspended = answered(&[(b'1', b""), (b'2', b""), (b's', b""), (b'Z', b"T")]);
    let error = b"SERROR\0VERROR\0C22012\0Mdivision by zero\0\0";
    let failed = answered(&[(b'E', error), (b'Z', b"E")]);
    for late in [&execute, &describe] {
        let late = [&late[..], SYNC].concat();
        // Without a Query it goes on.
        let mut attack = begun();
        attack.server(&suspended);
        assert_eq!(attack.client(&late).0, late);
        // The Query is answered, on its way, or on its way like all before it.
        for settled in [2, 1, 0] {
            let mut attack = begun();
            if settled > 0 {
                attack.server(&suspended);
            }
            assert_eq!(kinds(&attack.client(&query("select 1/0")).0), b"Q");
            if settled > 1 {
                attack.server(&failed);
            }
            let (mut out, used, _) = attack.client(&late);
            if used == 0 {
                attack.server(&[&suspended[..], &failed].concat());
                out = attack.client(&late).0;
            }
            assert_eq!(attack.refused(), 1, "{settled}");
            assert!(!out.starts_with(&late[..8]), "{}", out.escape_ascii());
        }
    }
}

fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Ok(Some(header)) = frame::header(bytes) {
        kinds.push(header.kind);
        bytes = &bytes[header.total..];
    }
    kinds
}

/// A refusal is words, which are made anew for each: thousands of refused messages in one read are several steps.
#[test]
fn refusals_beyond_number_are_no_single_step() {
    let mut call = Vec::new();
    message(&mut call, b'F', |body| body.extend_from_slice(&[0; 10]));
    for refused in [call, query("drop table t")] {
        let mut attack = Attack::new();
        let input = refused.repeat(5000);
        let (mut used, mut most) = (0, 0);
        while used < input.len() {
            let before = attack.refused();
            used += attack.client(&input[used..]).1;
            most = most.max(attack.refused() - before);
        }
        assert_eq!(attack.refused(), 5000);
        assert!(most < 1000, "{most} in one step");
    }
}

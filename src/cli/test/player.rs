//! Plays a case: the client's messages go, one after the other, through the conversation that the
//! proxy runs, with a scripted server behind it. What upstream saw is what the conversation wrote.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use super::server::{Seen, Server, errors};
use super::step::{Message, Step, sync};
use super::upstream::{self, Upstream};
use crate::conversation::splice::Splice;
use crate::conversation::{Change, Context, Conversation, Next, Observer, Origins, Setup};
use crate::error::SqlState;
use crate::policy::guards::human_write::READS;
use crate::policy::{Decision, GuardSet, Kind, Refusal, RouteName, State, Who};
use crate::sql::{Facts, FactsCache, describe_at};
use crate::zone::Prefix;
use crate::zone::signed::Unsigned;

/// Longest text of one message, bytes: the largest that `max_statement_bytes` allows.
const MAX_STATEMENT: usize = 64 << 20;
/// What the conversation's own names on the server are made of.
pub(super) const RANDOM: [u64; 2] = [0x7e57, 0x7e58];
/// Rounds between client and server over one message: far more than any message needs.
const MAX_ROUNDS: usize = 1000;

/// What came of a case.
#[derive(Debug)]
pub(in crate::cli) struct Played {
    /// Errors that the client got, in order.
    pub errors: Vec<Seen>,
    /// The first refusal.
    pub refusal: Option<Refusal>,
    /// At which message it fell.
    pub refused_at: Option<&'static str>,
    /// Guards that observe and would have refused.
    pub observed: GuardSet,
    /// What the server got.
    pub upstream: Upstream,
    /// Why the conversation did not come to its end.
    pub broken: Option<String>,
}

/// Plays the steps; a batch that is left open gets its Sync. `state`: at the beginning.
pub(in crate::cli) fn play(who: &Who, state: State, steps: &[Step]) -> Played {
    play_in(who, None, state, steps)
}

/// The same for a client that has set its zone; `zone`: of a login that may.
pub(in crate::cli) fn play_in(
    who: &Who,
    zone: Option<&str>,
    state: State,
    steps: &[Step],
) -> Played {
    Player::new(who, zone, state).play(steps)
}

/// The same where the server answers [`ROWS`](super::server::ROWS) with so many rows.
pub(in crate::cli) fn play_rows(
    who: &Who,
    zone: Option<&str>,
    state: State,
    steps: &[Step],
    rows: u64,
) -> Played {
    let mut player = Player::new(who, zone, state);
    player.server.rows = rows;
    player.play(steps)
}

/// What the conversation reports.
#[derive(Default)]
struct Reports {
    refused: Cell<usize>,
    refusal: RefCell<Option<Refusal>>,
    observed: RefCell<GuardSet>,
}

impl Observer for Reports {
    fn judged(&self, _: &Facts, decision: &Decision, _: &[u8]) {
        let mut observed = self.observed.borrow_mut();
        *observed = decision.observed.iter().fold(*observed, GuardSet::with);
    }

    fn refused(&self, refusal: &Refusal, _: &[u8]) {
        self.refusal
            .borrow_mut()
            .get_or_insert_with(|| refusal.clone());
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

struct Player<'w> {
    who: &'w Who,
    state: State,
    conversation: Conversation,
    facts: FactsCache,
    reports: Reports,
    server: Server,
    prefix: Option<Arc<Prefix>>,
    /// Of every transaction, if the login has one.
    zone: Option<String>,
    /// Every message of the client, and whether it was refused.
    sent: Vec<(Vec<u8>, bool)>,
    /// Of the message at hand, not taken yet.
    from_client: Vec<u8>,
    /// Of the server, not taken yet.
    from_server: Vec<u8>,
    /// Written to the server, and how much of it was delivered.
    to_server: Vec<u8>,
    delivered: usize,
    to_client: Vec<u8>,
    refused_at: Option<&'static str>,
    broken: Option<String>,
}

impl<'w> Player<'w> {
    fn new(who: &'w Who, chosen: Option<&str>, state: State) -> Self {
        let parameter = who.zone_parameter().unwrap_or_default();
        let value = who.zone().or(chosen.filter(|_| who.grant().is_some()));
        // A policy that observes injects nothing.
        let value = value.filter(|_| !parameter.is_empty() && !who.observes());
        let own = value.filter(|_| who.grant().is_some());
        let fixed = value
            .filter(|_| own.is_none())
            .map(|value| (parameter, value));
        let reads = who.only_reads(state.today).then_some(READS);
        let fixed: Vec<_> = fixed.into_iter().chain(reads).collect();
        let prefix = (!fixed.is_empty()).then(|| Arc::new(Prefix::new(&fixed, None)));
        let kept = own.map(|value| (parameter.to_owned(), value.to_owned()));
        let setup = Setup {
            connection: 1,
            random: RANDOM,
            zone: prefix.clone(),
            chooses: who.chosen_parameter().map(|_| who.clone()),
            max_statement_bytes: MAX_STATEMENT,
            record: false,
            origins: Arc::new(Origins {
                kept: kept.into_iter().collect(),
                pooled: Vec::new(),
            }),
            reported: Vec::new(),
            replaceable: who.login.route == RouteName::Transaction,
            observes: who.observes(),
            walsender: who.login.kind == Kind::Replication,
            spelling: Arc::default(),
        };
        let mut facts = FactsCache::new(1 << 16, 1);
        facts.set_depth(who.policy.depth());
        Self {
            who,
            state,
            conversation: Conversation::new(&setup),
            facts,
            reports: Reports::default(),
            server: Server::new(),
            prefix,
            zone: value.filter(|_| own.is_none()).map(str::to_owned),
            sent: Vec::new(),
            from_client: Vec::new(),
            from_server: Vec::new(),
            to_server: Vec::new(),
            delivered: 0,
            to_client: Vec::new(),
            refused_at: None,
            broken: None,
        }
    }

    fn play(mut self, steps: &[Step]) -> Played {
        let mut open_batch = false;
        for step in steps {
            match step {
                Step::Migration { open } => self.state.migration_open = *open,
                Step::Send(message) => {
                    open_batch = match message.bytes.first() {
                        Some(b'P' | b'B' | b'D' | b'E' | b'C' | b'H') => true,
                        Some(b'd' | b'c' | b'f') => open_batch,
                        _ => false,
                    };
                    self.send(message);
                }
            }
        }
        if open_batch {
            self.send(&sync());
        }
        self.finish()
    }

    /// Sends one message, and lets both sides talk until they rest.
    fn send(&mut self, message: &Message) {
        if self.broken.is_some() {
            return;
        }
        let before = self.reports.refused.get();
        self.from_client.extend_from_slice(&message.bytes);
        if let Err(why) = self.settle() {
            self.broken = Some(why);
        }
        let refused = self.reports.refused.get() > before;
        if refused && self.refused_at.is_none() {
            self.refused_at = Some(message.at);
        }
        self.sent.push((message.bytes.clone(), refused));
    }

    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..MAX_ROUNDS {
            self.ask()?;
            if self.delivered == self.to_server.len() {
                return match self.from_client.is_empty() {
                    true => Ok(()),
                    false => Err("the message waits for an answer that never comes".to_owned()),
                };
            }
            let answer = self.server.receive(&self.to_server[self.delivered..]);
            self.delivered = self.to_server.len();
            self.answer(&answer)?;
        }
        Err("client and server never come to rest".to_owned())
    }

    /// Lets the conversation look at what the client sent.
    fn ask(&mut self) -> Result<(), String> {
        let mut described = None;
        let mut scratch = Vec::new();
        loop {
            let mut splice = Splice::new(&self.from_client, &mut scratch);
            let mut context = Context {
                who: self.who,
                state: self.state,
                facts: &mut self.facts,
                described: described.take(),
                busy: false,
                observer: &self.reports,
                signer: &Unsigned,
            };
            let taken = self.conversation.from_client(
                &self.from_client,
                &mut context,
                &mut splice,
                &mut self.to_client,
            );
            self.to_server.extend_from_slice(splice.finish());
            let taken = taken.map_err(|fatal| fatal.message)?;
            if let Next::Describe { text, .. } = &taken.next {
                let facts = describe_at(text, self.facts.depth());
                described = Some(Arc::new(facts));
            }
            self.from_client.drain(..taken.consumed);
            if matches!(taken.next, Next::Read { .. } | Next::Hold | Next::Terminate) {
                return Ok(());
            }
        }
    }

    /// Lets it look at what the server answered.
    fn answer(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.from_server.extend_from_slice(bytes);
        let mut scratch = Vec::new();
        let mut splice = Splice::new(&self.from_server, &mut scratch);
        let used = self.conversation.from_server(
            &self.from_server,
            &self.reports,
            &mut splice,
            &mut self.to_server,
        );
        self.to_client.extend_from_slice(splice.finish());
        self.from_server
            .drain(..used.map_err(|fatal| fatal.message)?);
        Ok(())
    }

    fn finish(self) -> Played {
        let prefix = self.prefix.as_deref();
        let zone = self.zone.as_deref();
        Played {
            errors: errors(&self.to_client),
            refusal: self.reports.refusal.take(),
            refused_at: self.refused_at,
            observed: *self.reports.observed.borrow(),
            upstream: upstream::read(
                &self.to_server,
                prefix,
                zone,
                self.who.zone_parameter(),
                &self.sent,
            ),
            broken: self.broken,
        }
    }
}

/// The messages that prepare a text.
pub(in crate::cli) fn prepared(sql: &str) -> Vec<Step> {
    use super::step::{parse, sync};
    vec![Step::Send(parse("", sql)), Step::Send(sync())]
}

/// The messages of a text: as a simple Query, or as Parse, Bind, Execute, Sync.
pub(in crate::cli) fn messages(sql: &str, extended: bool) -> Vec<Step> {
    use super::step::{bind, execute, parse, query};
    let messages = match extended {
        true => vec![parse("", sql), bind("", ""), execute(""), sync()],
        false => vec![query(sql)],
    };
    messages.into_iter().map(Step::Send).collect()
}

//! Query, Parse and Bind, judged as they would be where the policy enforces.

use std::sync::Arc;

use super::foresight::Meaning;
use super::{Change, MAX_BESIDE_TEXT, Onlooker};
use crate::conversation::bound::{Read, Types, bound_otherwise, read_bound, without_what_is_bound};
use crate::conversation::client::Message;
use crate::conversation::judge::reaches_for_others;
use crate::conversation::{Context, Next, Observer, prepared};
use crate::policy::guards::zone_not_granted;
use crate::policy::{Chosen, Guard, Objection, Refusal, State, decide, decide_command, guards};
use crate::protocol::TransactionStatus;
use crate::protocol::frame::{HEADER, cstr};
use crate::sql::{Class, Facts, is_long, walsender};

/// No types are declared.
const NO_TYPES: &[u8] = &[0, 0];

/// Why a text is not described here.
enum Unread {
    /// It is long: to be described elsewhere first.
    Long,
    /// Nobody has the time.
    Never,
}

/// Name, text and types of a Parse; of a Query, its text.
struct Parts<'m> {
    name: &'m [u8],
    text: &'m [u8],
    /// `None`: a Query.
    types: Option<&'m [u8]>,
}

impl<'m> Parts<'m> {
    fn of(kind: u8, body: &'m [u8]) -> Option<Self> {
        if kind == b'Q' {
            let (text, _) = cstr(body)?;
            return Some(Self {
                name: b"",
                text,
                types: None,
            });
        }
        let (name, rest) = cstr(body)?;
        let (text, _) = cstr(rest)?;
        let types = prepared::parts(body).map_or(NO_TYPES, |(_, _, types)| types);
        Some(Self {
            name,
            text,
            types: Some(types),
        })
    }
}

impl Onlooker {
    /// Query or Parse. `None`: it can go on.
    pub(super) fn text<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
    ) -> Option<Next> {
        let (kind, total) = (message.header.kind, message.header.total);
        let beside = if kind == b'Q' { 1 } else { MAX_BESIDE_TEXT };
        if total > HEADER + self.max_statement_bytes + beside {
            self.is_too_long(message, cx);
            return None;
        }
        let Some(body) = message.body() else {
            return Some(Next::Read { total });
        };
        let parts = Parts::of(kind, body)?;
        if parts.text.len() > self.max_statement_bytes {
            self.is_too_long(message, cx);
            return None;
        }
        if self.walsender
            && let Some(command) = walsender::read(parts.text)
        {
            let facts = command.facts(parts.text);
            let decision = decide_command(&command, &facts, cx.who);
            cx.observer.judged(&facts, &decision, parts.text);
            return None;
        }
        match described(&parts, cx) {
            Ok(facts) => self.judge(&parts, &facts, cx),
            Err(Unread::Long) => return Some(Next::describe(parts.text)),
            // What nobody has read may be anything: its name is known, and nothing else of it.
            Err(Unread::Never) if kind == b'P' => {
                let _ = self.foresight.parsed(parts.name, None);
            }
            Err(Unread::Never) => {}
        }
        None
    }

    /// Carried unread.
    fn is_too_long<O: Observer>(&mut self, message: Message<'_>, cx: &Context<'_, O>) {
        let refusal = guards::statement_bounds::too_long(cx.who, self.max_statement_bytes);
        cx.observer.observed(&refusal, b"");
        if message.header.kind == b'P'
            && let Some((name, _)) = message.bytes.get(HEADER..).and_then(cstr)
        {
            let _ = self.foresight.parsed(name, None);
        }
    }

    /// Judges what was described, and counts what would be done with it.
    fn judge<O: Observer>(&mut self, parts: &Parts<'_>, facts: &Arc<Facts>, cx: &Context<'_, O>) {
        let text = parts.text;
        let state = self.state(cx, parts.types.is_none());
        let without = parts
            .types
            .and_then(|types| without_what_is_bound(facts, self.types(types), cx.who));
        let decision = decide(without.as_ref().unwrap_or(facts), cx.who, state);
        cx.observer.judged(facts, &decision, text);
        let otherwise = parts
            .types
            .and_then(|types| bound_otherwise(facts, self.types(types), cx.who));
        let other = otherwise
            .or_else(|| self.reaches_for_names(facts, cx))
            .or_else(|| self.deallocates_nothing(facts, cx))
            .or_else(|| {
                let cut = parts.types.is_none() && self.foresight.cannot_be_cut(facts, text.len());
                cut.then(|| Box::new(guards::zone_required::among_others(cx.who, facts)))
            });
        if let Some(refusal) = &other {
            cx.observer.observed(refusal, text);
        }
        let refused = other.is_some() || !decision.observed.is_empty();
        let tell = |change: Change| {
            // What is set ahead of a transaction belongs to no statement.
            let facts = (!change.is_injection()).then_some(&**facts);
            cx.observer.foreseen(change, facts, text);
        };
        match parts.types {
            Some(types) => self
                .foresight
                .parsed(
                    parts.name,
                    Some(Meaning {
                        facts: Arc::clone(facts),
                        types: (types != NO_TYPES).then(|| types.into()),
                        refused,
                    }),
                )
                .for_each(tell),
            None => self.foresight.queried(facts, refused).for_each(tell),
        }
        if let Some(name) = self.foresight.deallocates(facts) {
            self.foresight.closed(name.as_bytes());
        }
    }

    fn reaches_for_names<O: Observer>(
        &self,
        facts: &Facts,
        cx: &Context<'_, O>,
    ) -> Option<Box<Refusal>> {
        let classes = [Class::Prepare, Class::Execute, Class::Deallocate];
        let by_sql = classes.iter().any(|class| facts.classes.has(*class));
        let guarded = self.foresight.is_pooled() && cx.who.zone_is_guarded();
        if !by_sql || !guarded || self.foresight.deallocates(facts).is_some() {
            return None;
        }
        reaches_for_others(facts, cx.who)
    }

    /// DEALLOCATE of a name that the client has not prepared.
    fn deallocates_nothing<O: Observer>(
        &self,
        facts: &Facts,
        cx: &Context<'_, O>,
    ) -> Option<Box<Refusal>> {
        let name = self.foresight.deallocates(facts)?;
        let unknown = self.foresight.is_unknown(name.as_bytes());
        unknown.then(|| Box::new(guards::unknown_name::statement(cx.who, name)))
    }

    /// As they would be remembered for Bind.
    fn types<'t>(&self, all: &'t [u8]) -> Types<'t> {
        let remembered = self.foresight.is_pooled();
        Types { all, remembered }
    }

    /// With what is known about the client's zone. `runs`: the statement is about to.
    fn state<O: Observer>(&self, cx: &Context<'_, O>, runs: bool) -> State {
        State {
            chosen: self.foresight.choice(runs),
            first: self.is_first(),
            ..cx.state
        }
    }

    /// Has nothing run before it in its transaction?
    fn is_first(&self) -> bool {
        !self.has_run && self.due == 0 && self.status == TransactionStatus::Idle
    }

    /// Bind: the statement runs, as far as anybody can tell. `None`: it can go on.
    pub(super) fn bind<O: Observer>(
        &mut self,
        message: Message<'_>,
        cx: &mut Context<'_, O>,
    ) -> Option<Next> {
        let there = message.bytes.len().min(message.header.total);
        let body = &message.bytes[HEADER..there];
        let Some((name, _)) = cstr(body).and_then(|(_, rest)| cstr(rest)) else {
            let waits = there < message.header.total && there < HEADER + 2 * MAX_BESIDE_TEXT;
            return waits.then_some(Next::Read { total: there + 1 });
        };
        let Some(meaning) = self.foresight.statement(name).cloned() else {
            self.is_known(name, cx);
            return None;
        };
        let types = meaning.types.as_deref().unwrap_or(NO_TYPES);
        let (facts, mut refused) = (meaning.facts, meaning.refused);
        let mut bound = None;
        let (max, refuse) = (self.max_statement_bytes, zone_not_granted::foreseen);
        match read_bound(&facts, message, cx.who, max, refuse, types) {
            Read::Nothing => {}
            Read::Facts(facts) => bound = Some(facts),
            Read::More(total) => return Some(Next::Read { total }),
            Read::Refused(refusal) => {
                cx.observer.observed(&refusal, b"");
                refused = true;
            }
        }
        let chosen = self.foresight.choice(true);
        let asked = cx.who.chosen_parameter().is_some() && chosen == Chosen::No;
        if bound.is_some() || asked {
            refused |= self.judge_again(&facts, types, bound.as_deref(), cx);
        }
        let facts = bound.unwrap_or(facts);
        let change = self.foresight.runs(&facts, refused);
        if let Some(change) = change {
            cx.observer.foreseen(change, None, b"");
        }
        None
    }

    /// Judges what is bound with its values and at this moment, and counts what nobody objected to when
    /// it was prepared. Did anybody?
    fn judge_again<O: Observer>(
        &self,
        facts: &Facts,
        types: &[u8],
        bound: Option<&Facts>,
        cx: &Context<'_, O>,
    ) -> bool {
        let without = without_what_is_bound(facts, self.types(types), cx.who);
        let before = State {
            chosen: Chosen::Later,
            ..cx.state
        };
        let before = decide(without.as_ref().unwrap_or(facts), cx.who, before);
        let now = decide(bound.unwrap_or(facts), cx.who, self.state(cx, true));
        let is_new = |guard: &Guard| !before.observed.iter().any(|it| it == *guard);
        for guard in now.observed.iter().filter(is_new) {
            let objection = Objection::new("refused once it is bound");
            let refusal = objection.refuse(guard, cx.who, facts.fingerprint());
            cx.observer.observed(&refusal, b"");
        }
        !now.observed.is_empty()
    }
}

fn described<O: Observer>(
    parts: &Parts<'_>,
    cx: &mut Context<'_, O>,
) -> Result<Arc<Facts>, Unread> {
    let text = parts.text;
    if let Some(facts) = cx.described.take() {
        cx.facts.admit(text, &facts);
        return Ok(facts);
    }
    if !is_long(text) {
        return Ok(cx.facts.describe(text));
    }
    match cx.facts.get(text) {
        Some(facts) => Ok(facts),
        None if cx.busy => Err(Unread::Never),
        None => Err(Unread::Long),
    }
}

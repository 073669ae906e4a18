//! Prepared statements and cursors that the client has named by SQL (PREPARE, DECLARE), so that EXECUTE
//! and FETCH are judged by what they run, as the policy is at that moment.
//!
//! A name stands for *everything it may stand for*: what is sent is added at once, and taken away only when
//! everything has been answered without an error since DEALLOCATE, CLOSE or DISCARD ALL was sent, or
//! (cursors) when the transaction is over. So an error, a rollback to a savepoint or a PREPARE of
//! a name that is taken can only make the judgement stricter.

use std::collections::HashMap;
use std::sync::Arc;

use super::bound::unread_zone;
use super::extended::{Lookup, taken_name, unknown_statement};
use super::in_flight::Space;
use super::names::too_many_names;
use super::splice::Splice;
use super::{Context, Conversation, Observer};
use crate::policy::{Refusal, Who};
use crate::sql::{Facts, NameAct, NameTouch, Statement, weight};

/// Meanings of names that one client may have at a time.
const MAX_MEANINGS: usize = 1024;
/// What they may take, bytes.
const MAX_BYTES: usize = 1024 * 1024;
/// From this length on a name may be one that PostgreSQL has cut (at 63 bytes, or before a character).
const MAYBE_CUT: usize = 60;

/// One thing that a name may stand for.
#[derive(Debug)]
struct Meaning {
    facts: Arc<Facts>,
    /// When it was sent: the later, the higher.
    sent: u64,
    /// A cursor that may outlive its transaction.
    hold: bool,
}

/// A name, and when it was last taken back by a statement that is not known to have worked.
#[derive(Debug, Default)]
struct Entry {
    meanings: Vec<Meaning>,
    taken_back: u64,
}

/// The names of one space.
type Map = HashMap<Box<[u8]>, Entry>;

/// What one client has named.
#[derive(Debug, Default)]
pub(super) struct BySql {
    statements: Map,
    cursors: Map,
    /// Counts what was sent.
    sent: u64,
    /// Something was taken back, and is not answered.
    takes_back: bool,
    /// There are cursors that end with their transaction.
    passing: bool,
    count: usize,
    bytes: usize,
}

/// What a meaning takes, bytes: a little more than it really does.
fn bytes_of(name: &[u8], facts: &Facts) -> usize {
    2 * size_of::<Entry>() + size_of::<Meaning>() + name.len() + weight(facts)
}

impl BySql {
    fn map(&mut self, space: Space) -> &mut Map {
        match space {
            Space::Statement => &mut self.statements,
            Space::Portal => &mut self.cursors,
        }
    }

    /// What a name may stand for.
    fn meanings(&self, space: Space, name: &[u8]) -> &[Meaning] {
        let map = match space {
            Space::Statement => &self.statements,
            Space::Portal => &self.cursors,
        };
        map.get(name).map_or(&[], |entry| &entry.meanings)
    }

    /// Is there room for a name of a text, and as many more as it has statements?
    fn has_room(&self, name: &[u8], facts: &Facts) -> bool {
        let count = self.count + facts.statements.len();
        count <= MAX_MEANINGS && self.bytes + bytes_of(name, facts) <= MAX_BYTES
    }

    /// PREPARE or DECLARE was sent.
    fn add(&mut self, space: Space, name: &[u8], facts: Arc<Facts>, hold: bool) {
        self.sent += 1;
        let sent = self.sent;
        self.passing |= space == Space::Portal && !hold;
        let entry = self.map(space).entry(name.into()).or_default();
        let mut meanings = entry.meanings.iter_mut();
        if let Some(same) = meanings.find(|it| Arc::ptr_eq(&it.facts, &facts)) {
            same.sent = sent;
            same.hold |= hold;
            return;
        }
        let bytes = bytes_of(name, &facts);
        entry.meanings.push(Meaning { facts, sent, hold });
        self.count += 1;
        self.bytes += bytes;
    }

    /// DEALLOCATE, CLOSE or DISCARD ALL was sent; `name`: of one only.
    fn take_back(&mut self, space: Space, name: Option<&[u8]>) {
        self.sent += 1;
        let sent = self.sent;
        self.takes_back = true;
        let map = self.map(space);
        match name {
            Some(name) => map
                .get_mut(name)
                .into_iter()
                .for_each(|entry| entry.taken_back = sent),
            None => map.values_mut().for_each(|entry| entry.taken_back = sent),
        }
    }

    /// Something failed: nobody knows what else did not run.
    fn failed(&mut self) {
        if !std::mem::take(&mut self.takes_back) {
            return;
        }
        let all = self
            .statements
            .values_mut()
            .chain(self.cursors.values_mut());
        all.for_each(|entry| entry.taken_back = 0);
    }

    /// Everything is answered. `idle`: no transaction is open.
    fn settled(&mut self, idle: bool) {
        let ends = idle && self.passing;
        if !self.takes_back && !ends {
            return;
        }
        self.takes_back = false;
        self.passing &= !idle;
        let (mut count, mut bytes) = (0, 0);
        for (map, ends) in [(&mut self.statements, false), (&mut self.cursors, idle)] {
            map.retain(|name, entry| {
                let taken_back = std::mem::take(&mut entry.taken_back);
                let stays = |it: &Meaning| it.sent > taken_back && (it.hold || !ends);
                entry.meanings.retain(stays);
                let left = entry.meanings.iter();
                count += entry.meanings.len();
                bytes += left.map(|it| bytes_of(name, &it.facts)).sum::<usize>();
                !entry.meanings.is_empty()
            });
        }
        self.count = count;
        self.bytes = bytes;
    }

    /// Is there a cursor that may outlive its transaction?
    pub(super) fn holds(&self) -> bool {
        let mut meanings = self.cursors.values().flat_map(|entry| &entry.meanings);
        meanings.any(|meaning| meaning.hold)
    }
}

/// What is to be done with a text that runs what a name stands for.
pub(super) enum Named {
    Allowed,
    Wait,
    Refused(Box<Refusal>),
}

impl Conversation {
    /// Judges what the EXECUTE, FETCH and MOVE of a text run, and whether the names that it makes can be
    /// kept.
    pub(super) fn judge_named<O: Observer>(
        &mut self,
        facts: &Facts,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Named {
        for (at, statement) in facts.statements.iter().enumerate() {
            let Some(touch) = &statement.details.by_name else {
                continue;
            };
            let named = match touch.act {
                NameAct::Execute => {
                    let before = &facts.statements[..at];
                    self.judge_execute(statement, touch, before, cx, out)
                }
                NameAct::Fetch => self.judge_fetch(statement, touch, cx, out),
                NameAct::Prepare | NameAct::Declare { .. } => self.judge_room(facts, touch, cx.who),
                NameAct::Deallocate | NameAct::Close => Named::Allowed,
            };
            if !matches!(named, Named::Allowed) {
                return named;
            }
        }
        Named::Allowed
    }

    /// What was never seen prepared is not run: on a connection of one's own it could be anything, also
    /// what somebody else has left. (On a pooled one a pool may bring statements of its own; EXECUTE
    /// there is a matter of `session-state` as a whole.)
    fn judge_execute<O: Observer>(
        &mut self,
        statement: &Statement,
        touch: &NameTouch,
        before: &[Statement],
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Named {
        let name = name_of(touch);
        let (mut known, refusal) = self.judge_meanings(Space::Statement, name, cx);
        if refusal.is_some() {
            return refused_at(refusal, statement);
        }
        if self.remembers() {
            // Statements of the protocol have other names there.
            return Named::Allowed;
        }
        match self.lookup(name, out) {
            Lookup::Wait => return Named::Wait,
            Lookup::Unknown => {}
            Lookup::Known(prepared) => {
                known = true;
                let refusal = self.judge_again(&prepared.facts, cx);
                let refusal = refusal.or_else(|| unread_zone(&prepared.facts, cx.who));
                if refusal.is_some() {
                    return refused_at(refusal, statement);
                }
            }
        }
        let prepares = |it: &Statement| {
            let touch = it.details.by_name.as_ref();
            touch.is_some_and(|it| it.act == NameAct::Prepare && name_of(it) == name)
        };
        match known || before.iter().any(prepares) {
            true => Named::Allowed,
            false => refused_at(Some(unknown_statement(cx.who, name)), statement),
        }
    }

    /// A cursor that was not declared here is one that a function has opened, which was judged when it
    /// was called. Not so where it could be a portal under a name that PostgreSQL has cut.
    fn judge_fetch<O: Observer>(
        &mut self,
        statement: &Statement,
        touch: &NameTouch,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Named {
        let name = name_of(touch);
        let (mut known, refusal) = self.judge_meanings(Space::Portal, name, cx);
        if refusal.is_some() {
            return refused_at(refusal, statement);
        }
        match self.lookup_portal(name, out) {
            Lookup::Wait => return Named::Wait,
            Lookup::Unknown => {}
            Lookup::Known(portal) => {
                known = true;
                let refusal = self.judge_again(&portal.facts, cx);
                if refusal.is_some() {
                    return refused_at(refusal, statement);
                }
            }
        }
        match known || name.len() < MAYBE_CUT {
            true => Named::Allowed,
            false => {
                let text = String::from_utf8_lossy(name);
                let refusal = crate::policy::guards::unknown_name::portal(cx.who, &text);
                refused_at(Some(Box::new(refusal)), statement)
            }
        }
    }

    /// Judges the portal of an Execute that no Bind has made: a cursor.
    pub(super) fn judge_cursor<O: Observer>(
        &mut self,
        portal: &[u8],
        cx: &Context<'_, O>,
    ) -> Option<Box<Refusal>> {
        self.judge_meanings(Space::Portal, portal, cx).1
    }

    /// Judges what SQL has prepared under a statement's name: behind DEALLOCATE the name may stand for that,
    /// and no longer for what was parsed under it.
    pub(super) fn judge_prepared_by_sql<O: Observer>(
        &mut self,
        name: &[u8],
        cx: &Context<'_, O>,
    ) -> Option<Box<Refusal>> {
        self.judge_meanings(Space::Statement, name, cx).1
    }

    /// Is the name known, and is anything that it may stand for refused by now?
    fn judge_meanings<O: Observer>(
        &mut self,
        space: Space,
        name: &[u8],
        cx: &Context<'_, O>,
    ) -> (bool, Option<Box<Refusal>>) {
        let Some(by_sql) = self.by_sql.take() else {
            return (false, None);
        };
        let meanings = by_sql.meanings(space, name);
        let mut each = meanings.iter();
        let refusal = each.find_map(|meaning| self.judge_again(&meaning.facts, cx));
        let known = !meanings.is_empty();
        self.by_sql = Some(by_sql);
        (known, refusal)
    }

    fn judge_room(&self, facts: &Facts, touch: &NameTouch, who: &Who) -> Named {
        if touch.act == NameAct::Prepare && self.owns(name_of(touch)) {
            return Named::Refused(taken_name(who, name_of(touch)));
        }
        let by_sql = self.by_sql.as_ref();
        match by_sql.is_none_or(|it| it.has_room(name_of(touch), facts)) {
            true => Named::Allowed,
            false => Named::Refused(too_many_names(who)),
        }
    }

    /// A text was sent to run: the names that it makes and takes back.
    pub(super) fn note_names(&mut self, facts: &Arc<Facts>) {
        for statement in &facts.statements {
            if statement.tag == "DISCARD ALL" {
                self.take_back(Space::Statement, None);
                self.take_back(Space::Portal, None);
            }
            let Some(touch) = &statement.details.by_name else {
                continue;
            };
            let name = touch.name.as_ref().map(|name| name.as_bytes());
            let (space, hold) = match touch.act {
                NameAct::Prepare => (Space::Statement, false),
                NameAct::Declare { hold } => (Space::Portal, hold),
                NameAct::Deallocate => {
                    self.take_back(Space::Statement, name);
                    continue;
                }
                NameAct::Close => {
                    self.take_back(Space::Portal, name);
                    continue;
                }
                NameAct::Execute | NameAct::Fetch => continue,
            };
            let alone = match facts.statements.len() {
                1 => Arc::clone(facts),
                _ => Arc::new(Facts {
                    statements: vec![statement.clone()],
                    classes: statement.classes,
                    undescribed: None,
                    fingerprint: facts.fingerprint.clone(),
                }),
            };
            let by_sql = self.by_sql.get_or_insert_default();
            by_sql.add(space, name.unwrap_or_default(), alone, hold);
        }
    }

    fn take_back(&mut self, space: Space, name: Option<&[u8]>) {
        if let Some(by_sql) = &mut self.by_sql {
            by_sql.take_back(space, name);
        }
    }

    /// The server answered with an error.
    pub(super) fn names_by_sql_failed(&mut self) {
        if let Some(by_sql) = &mut self.by_sql {
            by_sql.failed();
        }
    }

    /// Everything is answered. `idle`: no transaction is open.
    pub(super) fn names_by_sql_settled(&mut self, idle: bool) {
        if let Some(by_sql) = &mut self.by_sql {
            by_sql.settled(idle);
            if by_sql.count == 0 {
                self.by_sql = None;
            }
        }
    }
}

fn name_of(touch: &NameTouch) -> &[u8] {
    touch.name.as_ref().map_or(b"", |name| name.as_bytes())
}

/// The refusal points at the statement that runs what was refused.
fn refused_at(refusal: Option<Box<Refusal>>, statement: &Statement) -> Named {
    match refusal {
        None => Named::Allowed,
        Some(mut refusal) => {
            refusal.position = statement.position;
            Named::Refused(refusal)
        }
    }
}

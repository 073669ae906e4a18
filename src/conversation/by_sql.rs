//! Prepared statements and cursors that the client has named by SQL (PREPARE, DECLARE), so that EXECUTE
//! and FETCH are judged by what they run, as the policy is at that moment.
//!
//! A name stands for *everything it may stand for*: what is sent is added at once, and taken away only when
//! everything has been answered without an error since DEALLOCATE, CLOSE or DISCARD ALL was sent, or
//! (cursors) when the transaction is over. So an error, a rollback to a savepoint or a PREPARE of
//! a name that is taken can only make the judgement stricter.

use std::collections::{HashMap, HashSet};
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
/// Of these, under one name: each is judged again where the name is used.
const MAX_OF_NAME: usize = 64;
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
    /// When all statements, and all cursors, were last taken back, as of one name.
    all_taken_back: [u64; 2],
    /// Counts what was sent.
    sent: u64,
    /// Something was taken back, and is not answered.
    takes_back: bool,
    /// There are cursors that end with their transaction.
    passing: bool,
    count: usize,
    bytes: usize,
}

/// What a meaning takes, bytes: a little more than it really does. `weight`: of its facts.
fn bytes_of(name: &[u8], weight: usize) -> usize {
    2 * size_of::<Entry>() + size_of::<Meaning>() + name.len() + weight
}

/// The names of a text that were looked at: the next statement that has one of them tells nothing new.
#[derive(Default)]
struct Seen<'f> {
    executed: HashSet<&'f [u8]>,
    fetched: HashSet<&'f [u8]>,
    prepared: HashSet<&'f [u8]>,
    /// How often each is given a meaning; statements apart from cursors.
    given: [HashMap<&'f [u8], usize>; 2],
    /// And all of them.
    meanings: usize,
    /// What the text weighs, once anybody has asked.
    weight: Option<usize>,
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

    /// Is there room for a name of a text that weighs so much?
    fn has_room(&self, name: &[u8], weight: usize) -> bool {
        self.bytes + bytes_of(name, weight) <= MAX_BYTES
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
        let bytes = bytes_of(name, weight(&facts));
        entry.meanings.push(Meaning { facts, sent, hold });
        self.count += 1;
        self.bytes += bytes;
    }

    /// DEALLOCATE, CLOSE or DISCARD ALL was sent; `name`: of one only.
    fn take_back(&mut self, space: Space, name: Option<&[u8]>) {
        self.sent += 1;
        let sent = self.sent;
        self.takes_back = true;
        match name {
            Some(name) => {
                if let Some(entry) = self.map(space).get_mut(name) {
                    entry.taken_back = sent;
                }
            }
            None => self.all_taken_back[space as usize] = sent,
        }
    }

    /// Something failed: nobody knows what else did not run.
    fn failed(&mut self) {
        if !std::mem::take(&mut self.takes_back) {
            return;
        }
        self.all_taken_back = [0; 2];
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
        let [statements, cursors] = std::mem::take(&mut self.all_taken_back);
        let maps = [
            (&mut self.statements, statements, false),
            (&mut self.cursors, cursors, idle),
        ];
        for (map, all, ends) in maps {
            map.retain(|name, entry| {
                let taken_back = std::mem::take(&mut entry.taken_back).max(all);
                let stays = |it: &Meaning| it.sent > taken_back && (it.hold || !ends);
                entry.meanings.retain(stays);
                let left = entry.meanings.iter();
                count += entry.meanings.len();
                bytes += left
                    .map(|it| bytes_of(name, weight(&it.facts)))
                    .sum::<usize>();
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
        let mut seen = Seen::default();
        for statement in &facts.statements {
            let Some(touch) = &statement.details.by_name else {
                continue;
            };
            let name = name_of(touch);
            let named = match touch.act {
                NameAct::Execute if seen.executed.insert(name) => {
                    let prepared = seen.prepared.contains(name);
                    self.judge_execute(statement, name, prepared, cx, out)
                }
                NameAct::Fetch if seen.fetched.insert(name) => {
                    self.judge_fetch(statement, name, cx, out)
                }
                NameAct::Prepare => {
                    seen.prepared.insert(name);
                    self.judge_room(facts, touch, &mut seen, cx.who)
                }
                NameAct::Declare { .. } => self.judge_room(facts, touch, &mut seen, cx.who),
                NameAct::Execute | NameAct::Fetch | NameAct::Deallocate | NameAct::Close => {
                    Named::Allowed
                }
            };
            if !matches!(named, Named::Allowed) {
                return named;
            }
        }
        Named::Allowed
    }

    /// What was never seen prepared is not run: on a connection of one's own it could be anything, also
    /// what somebody else has left. (On a pooled one a pool may bring statements of its own; EXECUTE
    /// there is a matter of `session-state` as a whole.) `prepared`: it is, ahead of it in the same text.
    fn judge_execute<O: Observer>(
        &mut self,
        statement: &Statement,
        name: &[u8],
        prepared: bool,
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Named {
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
        match known || prepared {
            true => Named::Allowed,
            false => refused_at(Some(unknown_statement(cx.who, name)), statement),
        }
    }

    /// A cursor that was not declared here is one that a function has opened, which was judged when it
    /// was called. Not so where it could be a portal under a name that PostgreSQL has cut.
    fn judge_fetch<O: Observer>(
        &mut self,
        statement: &Statement,
        name: &[u8],
        cx: &Context<'_, O>,
        out: &mut Splice<'_>,
    ) -> Named {
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

    /// Is there room for what a statement of a text names?
    fn judge_room<'f>(
        &self,
        facts: &Facts,
        touch: &'f NameTouch,
        seen: &mut Seen<'f>,
        who: &Who,
    ) -> Named {
        let name = name_of(touch);
        let space = match touch.act {
            NameAct::Prepare => Space::Statement,
            _ => Space::Portal,
        };
        if space == Space::Statement && self.owns(name) {
            return Named::Refused(taken_name(who, name));
        }
        seen.meanings += 1;
        let given = seen.given[space as usize].entry(name).or_default();
        *given += 1;
        let (mut all, mut of_name, mut room) = (seen.meanings, *given, true);
        if let Some(by_sql) = &self.by_sql {
            let weight = *seen.weight.get_or_insert_with(|| weight(facts));
            all += by_sql.count;
            of_name += by_sql.meanings(space, name).len();
            room = by_sql.has_room(name, weight);
        }
        match room && all <= MAX_MEANINGS && of_name <= MAX_OF_NAME {
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

#[cfg(test)]
mod tests;

//! The parameters that one client has set for its session, as the server has confirmed them, and how
//! the running transaction changed them: what it takes back when it is rolled back, wholly or to a
//! savepoint.

use std::collections::HashSet;

use crate::policy::guards::lexing_parameters::PINNED;

/// Parameters that one client may have: those of its startup packet and those that it set.
pub const MAX_NAMES: usize = 64;
/// What their names and values may take, bytes; and again what a transaction may have to give back.
pub const MAX_BYTES: usize = 16 * 1024;
/// Savepoints that are followed in a transaction that has changed parameters.
const MAX_SAVEPOINTS: usize = 1000;

/// A name, as PostgreSQL compares it, and a value, as PostgreSQL shows it.
type Pair = (Box<str>, Box<str>);

/// A value from the startup packet: RESET returns to it.
#[derive(Debug)]
struct Origin {
    name: Box<str>,
    value: Box<str>,
    /// The pool sets it on every server connection that it leads this client to.
    pooled: bool,
}

/// What undoes one step of the running transaction.
#[derive(Debug)]
enum Step {
    /// The parameter had this value.
    Had(Box<str>, Option<Box<str>>),
    /// A savepoint; set so many times with nothing in between.
    Savepoint(Box<str>, u32),
}

/// The record of one client.
#[derive(Debug, Default)]
pub struct Record {
    origins: Vec<Origin>,
    session: Vec<Pair>,
    /// The running transaction's steps, in order. Begins with a change of a value, if there is any.
    log: Vec<Step>,
    /// How often a value may have changed.
    stamp: u64,
}

impl Record {
    /// For a client with these startup parameters. `pooled`: those that the pool keeps for it.
    pub fn new(kept: &[(String, String)], pooled: &[(String, String)]) -> Self {
        let all = [(kept, false), (pooled, true)];
        let origins = all.into_iter().flat_map(|(pairs, pooled)| {
            pairs.iter().map(move |(name, value)| Origin {
                name: name.as_str().into(),
                value: value.as_str().into(),
                pooled,
            })
        });
        Self {
            origins: origins.collect(),
            ..Self::default()
        }
    }

    /// The value that the client gave the parameter, for its session or in its startup packet; not
    /// one that the pool sets.
    pub fn value(&self, name: &str) -> Option<&str> {
        let set = self.session.iter().find(|(it, _)| **it == *name);
        set.map(|(_, value)| &**value)
            .or_else(|| self.origin(name).map(|origin| &*origin.value))
    }

    /// The value before the running transaction.
    pub fn value_before(&self, name: &str) -> Option<&str> {
        let first = self.log.iter().find_map(|step| match step {
            Step::Had(it, value) if **it == *name => Some(value),
            _ => None,
        });
        match first {
            Some(Some(value)) => Some(value),
            Some(None) => self.origin(name).map(|origin| &*origin.value),
            None => self.value(name),
        }
    }

    fn origin(&self, name: &str) -> Option<&Origin> {
        let mut origins = self.origins.iter().filter(|origin| !origin.pooled);
        origins.find(|origin| *origin.name == *name)
    }

    /// The values of the startup packet that RESET returns to: of this parameter, or of all. Each with
    /// its name, and whether the pool keeps it.
    pub fn origins(&self, name: Option<&str>) -> impl Iterator<Item = (&str, &str, bool)> {
        let origins = self.origins.iter();
        let origins = origins.filter(move |origin| name.is_none_or(|name| *origin.name == *name));
        origins.map(|origin| (&*origin.name, &*origin.value, origin.pooled))
    }

    /// Another value, another stamp.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// The values that the client's statements run under, as far as it has given any; the pool's as well.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let set = |name: &str| self.session.iter().any(|(it, _)| **it == *name);
        let pooled = self.origins.iter().filter(|origin| origin.pooled);
        let pooled = pooled.filter(move |origin| !set(&origin.name));
        let pooled = pooled.map(|origin| (&*origin.name, &*origin.value));
        self.applied().chain(pooled)
    }

    /// What has to be set in every transaction: each name and value once.
    pub fn applied(&self) -> impl Iterator<Item = (&str, &str)> {
        let set = |name: &str| self.session.iter().any(|(it, _)| **it == *name);
        let origins = self.origins.iter();
        let origins = origins.filter(move |origin| !origin.pooled && !set(&origin.name));
        origins
            .map(|origin| (&*origin.name, &*origin.value))
            .chain(self.session.iter().map(|(name, value)| (&**name, &**value)))
    }

    /// Is there nothing to set?
    pub fn is_empty(&self) -> bool {
        self.applied().next().is_none()
    }

    /// Has the running transaction changed anything?
    pub fn is_changed(&self) -> bool {
        !self.log.is_empty()
    }

    /// Is there room for these more, whatever their values are? Each is looked at once, and no more than there may
    /// be with those that are there.
    pub fn has_room_for<'n>(&self, names: impl Iterator<Item = &'n str>) -> bool {
        let mut seen = HashSet::new();
        let names = names.filter(|name| seen.insert(*name)).take(MAX_NAMES + 1);
        let new = names.filter(|name| !self.session.iter().any(|(it, _)| **it == **name));
        let savepoints = self
            .log
            .iter()
            .filter(|step| matches!(step, Step::Savepoint(..)));
        // Every client has these, whether or not it has said so.
        let is_everybodys = |it: &&Origin| {
            *it.name == *"application_name" || PINNED.iter().any(|(name, _)| **name == *it.name)
        };
        let everybodys = self.origins.iter().filter(is_everybodys).count();
        self.session.len() + self.origins.len() - everybodys + new.count() <= MAX_NAMES
            && self.bytes() <= MAX_BYTES
            && self.bytes_of_log() <= MAX_BYTES
            && savepoints.count() <= MAX_SAVEPOINTS
    }

    /// Is there room for this value?
    pub fn fits(&self, name: &str, value: &str) -> bool {
        let old = self.session.iter().find(|(it, _)| **it == *name);
        let old = old.map_or(0, |(name, value)| name.len() + value.len());
        self.bytes() - old + name.len() + value.len() <= MAX_BYTES
    }

    fn bytes(&self) -> usize {
        let origins = self.origins.iter().map(|it| it.name.len() + it.value.len());
        let session = self
            .session
            .iter()
            .map(|(name, value)| name.len() + value.len());
        origins.chain(session).sum()
    }

    fn bytes_of_log(&self) -> usize {
        let bytes = self.log.iter().map(|step| match step {
            Step::Had(name, value) => name.len() + value.as_ref().map_or(0, |value| value.len()),
            Step::Savepoint(name, _) => name.len(),
        });
        bytes.sum()
    }

    /// The server has confirmed that the session's value is this, if the transaction ends well.
    pub fn set(&mut self, name: &str, value: &str) {
        self.change(name, Some(value));
    }

    /// The session's value is the startup packet's again, or the server's.
    pub fn reset(&mut self, name: &str) {
        self.change(name, None);
    }

    /// RESET ALL, DISCARD ALL.
    pub fn reset_all(&mut self) {
        let names: Vec<Box<str>> = self.session.iter().map(|(name, _)| name.clone()).collect();
        names.iter().for_each(|name| self.change(name, None));
    }

    /// The pool has learnt that every parameter has the server's own default, and keeps that for the
    /// client from now on.
    pub fn forgotten_by_pool(&mut self) {
        self.stamp += 1;
        self.origins
            .iter_mut()
            .for_each(|origin| origin.pooled = false);
    }

    fn change(&mut self, name: &str, value: Option<&str>) {
        let place = self.session.iter().position(|(it, _)| **it == *name);
        let old = place.map(|place| self.session.swap_remove(place).1);
        if let Some(value) = value {
            self.session.push((name.into(), value.into()));
        }
        if old.as_deref() == value {
            return;
        }
        self.stamp += 1;
        // What was logged since the last savepoint undoes this, too.
        let since = self.log.iter().rev();
        let mut since = since.take_while(|step| matches!(step, Step::Had(..)));
        if !since.any(|step| matches!(step, Step::Had(it, _) if **it == *name)) {
            self.log.push(Step::Had(name.into(), old));
        }
    }

    /// SAVEPOINT. With nothing changed there is nothing to be kept apart.
    pub fn savepoint(&mut self, name: &str) {
        match self.log.last_mut() {
            None => {}
            Some(Step::Savepoint(last, times)) if **last == *name => *times += 1,
            Some(_) => self.log.push(Step::Savepoint(name.into(), 1)),
        }
    }

    /// RELEASE: what was changed behind the savepoint belongs to what is around it. One that is not
    /// known is older than every change.
    pub fn release(&mut self, name: &str) {
        let from = self.place(name);
        let mut kept = 0;
        if let Some(Step::Savepoint(_, times)) = from.and_then(|from| self.log.get_mut(from)) {
            *times -= 1;
            kept = usize::from(*times > 0);
        }
        let first = from.map_or(0, |from| from + kept);
        let mut at = 0;
        self.log.retain(|step| {
            at += 1;
            at <= first || matches!(step, Step::Had(..))
        });
    }

    /// ROLLBACK TO: the savepoint stays.
    pub fn roll_back_to(&mut self, name: &str) {
        let keep = self.place(name).map_or(0, |at| at + 1);
        self.undo(keep);
    }

    fn place(&self, name: &str) -> Option<usize> {
        let is = |step: &Step| matches!(step, Step::Savepoint(it, _) if **it == *name);
        self.log.iter().rposition(is)
    }

    /// The transaction is rolled back.
    pub fn roll_back(&mut self) {
        self.undo(0);
        self.log = Vec::new();
    }

    /// The transaction is committed.
    pub fn commit(&mut self) {
        self.log = Vec::new();
    }

    fn undo(&mut self, keep: usize) {
        self.stamp += 1;
        while self.log.len() > keep {
            if let Some(Step::Had(name, value)) = self.log.pop() {
                self.session.retain(|(it, _)| *it != name);
                self.session.extend(value.map(|value| (name, value)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(record: &Record) -> String {
        let mut all: Vec<String> = record.applied().map(|(n, v)| format!("{n}={v}")).collect();
        all.sort();
        all.join(" ")
    }

    #[test]
    fn a_transaction_takes_back_what_it_changed_and_nothing_else() {
        let mut record = Record::default();
        record.set("a", "1");
        record.commit();
        record.set("a", "2");
        record.set("b", "1");
        record.set("a", "3");
        assert_eq!(record.value_before("a"), Some("1"));
        assert_eq!(record.value_before("b"), None);
        record.reset("a");
        assert_eq!((record.value("a"), shown(&record)), (None, "b=1".into()));
        record.roll_back();
        assert_eq!(shown(&record), "a=1");
        record.reset_all();
        record.roll_back();
        assert_eq!(shown(&record), "a=1");
        record.reset_all();
        record.commit();
        record.roll_back();
        assert!(record.is_empty() && !record.is_changed());
    }

    #[test]
    fn savepoints_shadow_each_other_as_in_postgresql() {
        let mut record = Record::default();
        record.savepoint("before");
        record.set("a", "1");
        record.savepoint("s");
        record.savepoint("s");
        record.set("a", "2");
        record.savepoint("s");
        record.set("a", "3");
        record.roll_back_to("s");
        assert_eq!(shown(&record), "a=2");
        record.roll_back_to("s");
        assert_eq!(shown(&record), "a=2");
        record.release("s");
        record.set("a", "4");
        // The one before the second change.
        record.roll_back_to("s");
        assert_eq!(shown(&record), "a=1");
        record.release("s");
        record.set("a", "5");
        record.roll_back_to("s");
        assert_eq!(shown(&record), "a=1");
        record.release("s");
        record.set("a", "6");
        // Older than every change.
        record.roll_back_to("before");
        assert_eq!(shown(&record), "");
    }

    #[test]
    fn what_is_released_belongs_to_what_is_around_it() {
        let mut record = Record::default();
        record.set("a", "1");
        record.savepoint("out");
        record.set("a", "2");
        record.savepoint("in");
        record.set("a", "3");
        record.release("in");
        assert_eq!(shown(&record), "a=3");
        record.roll_back_to("out");
        assert_eq!(shown(&record), "a=1");
        record.set("a", "4");
        record.savepoint("in");
        record.release("before");
        record.roll_back_to("out");
        assert_eq!(shown(&record), "", "unknown: all of it is undone");
    }

    #[test]
    fn a_reset_returns_to_the_startup_packet() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut record = Record::new(&[pair("jit", "off")], &[pair("timezone", "UTC")]);
        assert_eq!(shown(&record), "jit=off");
        record.set("jit", "on");
        record.set("timezone", "Asia/Tokyo");
        assert_eq!(shown(&record), "jit=on timezone=Asia/Tokyo");
        record.reset("jit");
        assert_eq!(shown(&record), "jit=off timezone=Asia/Tokyo");
        record.reset("timezone");
        assert_eq!(
            (shown(&record), record.value("timezone")),
            ("jit=off".into(), None)
        );
        let origins: Vec<_> = record.origins(Some("timezone")).collect();
        assert_eq!(origins, [("timezone", "UTC", true)]);
        assert_eq!(record.origins(None).count(), 2);
        record.forgotten_by_pool();
        assert_eq!(shown(&record), "jit=off timezone=UTC");
    }

    #[test]
    fn a_name_that_is_set_again_needs_no_more_room_and_those_too_many_are_not_looked_at() {
        let record = Record::default();
        assert!(record.has_room_for(["a.b"; 1000].into_iter()));
        let names: Vec<String> = (0..1000).map(|number| format!("a.b{number}")).collect();
        let mut looked_at = 0;
        let names = names.iter().map(|name| &**name);
        assert!(!record.has_room_for(names.inspect(|_| looked_at += 1)));
        assert_eq!(looked_at, MAX_NAMES + 1);
    }

    #[test]
    fn there_is_an_end_to_it() {
        let mut record = Record::default();
        for number in 0..MAX_NAMES {
            let name = format!("a.b{number}");
            assert!(record.has_room_for([&*name].into_iter()), "{number}");
            record.set(&name, "x");
        }
        assert!(!record.has_room_for(["a.c"].into_iter()));
        assert!(record.has_room_for(["a.b1"].into_iter()));
        assert!(record.has_room_for(["a.b1"; 1000].into_iter()));
        assert!(!record.fits("a.b1", &"x".repeat(MAX_BYTES)));
        assert!(record.fits("a.b1", &"x".repeat(MAX_BYTES / 2)));
        // Over and over: what undoes it does not grow.
        for number in 0..100_000 {
            record.set("a.b1", &number.to_string());
            record.savepoint("s");
            record.release("s");
        }
        assert!(record.has_room_for(["a.b1"].into_iter()));
        for number in 0..2000 {
            record.savepoint(&number.to_string());
        }
        assert!(!record.has_room_for(["a.b1"].into_iter()));
        record.commit();
        assert!(record.has_room_for(["a.b1"].into_iter()));
    }
}

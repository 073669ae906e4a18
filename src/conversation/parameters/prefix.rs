//! The prefix that sets the parameters of a client.

use super::Parameters;
use super::touched::add;
use crate::conversation::entering::{Enter, Entering};
use crate::zone::Prefix;

/// How long a transaction may take, from PostgreSQL 17 on. The time that role, database or server gives it runs from
/// its beginning, and PostgreSQL leaves a running time alone, unless it is set to 0.
const TIMER: &str = "transaction_timeout";

/// What sets the value as if the transaction had begun with it.
fn begun_anew<'v>(pair: (&'v str, &'v str)) -> impl Iterator<Item = (&'v str, &'v str)> {
    let ends = (pair.0 == TIMER).then_some((TIMER, "0"));
    ends.into_iter().chain([pair])
}

impl Parameters {
    /// The prefix is being sent. `zone`: what is to be set beside the parameters.
    pub fn put_prefix(&mut self, zone: Option<&Prefix>, put: impl FnOnce(&Prefix)) {
        let entry = || zone.and_then(Prefix::entry).cloned();
        let values = zone.map_or(&[][..], Prefix::values);
        self.put(values, |values| Prefix::new(values, entry()), put);
    }

    /// The same for a client that sets its zone itself, where zones are signed: it is among the
    /// parameters. `enter`: what it enters; `fixed`: what is to be set beside.
    pub fn put_prefix_of(
        &mut self,
        entering: &Entering,
        enter: &Enter,
        fixed: Option<&Prefix>,
        put: impl FnOnce(&Prefix),
    ) {
        self.prefix = self.prefix.take().filter(|prefix| enter.is_of(prefix));
        let fixed = fixed.map_or(&[][..], Prefix::values);
        self.put(fixed, |values| entering.prefix(enter, values), put);
        if *enter == Enter::Nothing {
            self.prefix = None;
        }
    }

    fn put(
        &mut self,
        zone: &[(Box<str>, Box<str>)],
        make: impl FnOnce(&[(&str, &str)]) -> Prefix,
        put: impl FnOnce(&Prefix),
    ) {
        // They are set: what is said in this transaction from here on is not about them.
        let named = self.modes.set().access;
        let timed = !self.is_touched(TIMER) && self.record.value(TIMER).is_some();
        self.put_values(zone, named, make, put);
        // Its time runs: that a later prefix of the same transaction would set it again must not begin it anew.
        if timed {
            add(&mut self.touched, TIMER);
        }
    }

    fn put_values(
        &mut self,
        zone: &[(Box<str>, Box<str>)],
        named: bool,
        make: impl FnOnce(&[(&str, &str)]) -> Prefix,
        put: impl FnOnce(&Prefix),
    ) {
        let zone = zone.iter().map(|(name, value)| (&**name, &**value));
        if !self.touched.is_empty() || named {
            let all = zone.chain(self.to_set().flat_map(begun_anew));
            let read_only = self.read_only_but(named);
            let all: Vec<_> = all.chain(read_only).collect();
            return put(&make(&all));
        }
        let read_only = self.read_only_but(named);
        let record = &self.record;
        put(self.prefix.get_or_insert_with(|| {
            let values = zone.chain(record.applied().flat_map(begun_anew));
            let values: Vec<_> = values.chain(read_only).collect();
            make(&values)
        }));
    }
}

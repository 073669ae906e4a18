//! The modes that the defaults of the client's transactions give to the running one (see `modes`).

use super::{Parameters, contains};
use crate::conversation::modes;
use crate::conversation::reading::Behind;

impl Parameters {
    /// The default has no effect on a transaction that has begun. `named`: the client has said otherwise.
    pub(super) fn read_only_but(&self, named: bool) -> Option<(&'static str, &'static str)> {
        let set = self.mode(modes::READ_ONLY, named) == Some("on");
        set.then_some(("transaction_read_only", "on"))
    }

    /// The value of a default for transactions, where it decides about the running one.
    fn mode(&self, name: &str, named: bool) -> Option<&str> {
        let decides = !named && !contains(&self.touched, name);
        self.record.value(name).filter(|_| decides)
    }

    /// What has to be said ahead of the prefix: modes that a transaction has from its beginning.
    pub fn modes(&self) -> Option<Behind<'static>> {
        let isolation = self.mode(modes::ISOLATION, self.modes.named.isolation);
        let deferrable = self.mode(modes::DEFERRABLE, self.modes.named.deferrable);
        let read_only = self.mode(modes::READ_ONLY, self.modes.named.access);
        let read_only = read_only.filter(|value| *value == "on" || self.reads_only);
        modes::statement(isolation, deferrable, read_only)
    }

    /// A procedure was sent that may end the transaction and begin another, which has the server's modes; what
    /// was set is set again.
    pub fn may_go_on_in_another(&mut self) {
        self.modes.lose();
        self.doubted = self.covered;
        let record = &self.record;
        self.touched.retain(|name| record.value(name).is_none());
    }

    /// Is it unknown what to set there? Modes that such another transaction may no longer take; or a value of the
    /// transaction's own that is gone with it, if it is another one.
    pub fn are_doubted(&self) -> bool {
        self.doubted || (self.modes.are_lost() && self.modes().is_some())
    }
}

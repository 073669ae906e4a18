//! The zone of a client that sets it itself, at the signed level: a transaction enters it with a token,
//! behind the statement that has set it and ahead of the next one that a zone matters for. So a transaction
//! has one zone; PostgreSQL refuses another.
//!
//! What the client has said in the running transaction is entered where the server has it, too: behind a
//! call that was not reached there is nothing to enter, and no row is seen. Where the transaction has entered
//! a zone before and the parameter says another by then, it fails: no row is seen under another zone's name.

use std::sync::Arc;

use crate::policy::Who;
use crate::zone::signed::Audience;
use crate::zone::{Entry, Prefix};

/// What a prefix enters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enter {
    /// Nothing.
    No,
    /// The zone that is kept, which the same prefix sets.
    Kept,
    /// This one, where the server has it.
    Said(Arc<str>),
    /// None: the transaction fails if it has entered another than the parameter says.
    Nothing,
}

impl Enter {
    /// Does a prefix that was made before enter the same? What is said is looked at each time.
    pub fn is_of(&self, prefix: &Prefix) -> bool {
        match (self, prefix.entry()) {
            (Self::No, None) => true,
            (Self::Kept, Some(entry)) => entry.parameter.is_none(),
            (_, _) => false,
        }
    }
}

/// In the place of a token: of no zone that a parameter could say, so that the other one is asked for.
const NO_TOKEN: &str = "....-.";

/// What is known about the running transaction.
#[derive(Debug)]
pub struct Entering {
    parameter: Arc<str>,
    /// None: a name that PostgreSQL cannot have, and so no connection.
    audience: Option<Arc<Audience>>,
    /// It has entered what it can.
    entered: bool,
    /// A zone was entered in it, which a ROLLBACK TO may have taken back.
    may_be_in: bool,
    /// The zone was set since something was entered: a portal from before would run with another.
    behind: bool,
    /// What enters and sets nothing else; made when it is needed and until it is another zone.
    prefix: Option<Prefix>,
}

impl Entering {
    /// Where the zones of this client are signed.
    pub fn new(who: &Who, parameter: &Arc<str>) -> Option<Self> {
        let role = who.login.server_role.as_ref().unwrap_or(&who.login.name);
        who.zone_is_signed().then(|| Self {
            parameter: Arc::clone(parameter),
            audience: Audience::new(role, &who.database).ok().map(Arc::new),
            entered: false,
            may_be_in: false,
            behind: false,
            prefix: None,
        })
    }

    /// Is there nothing to enter until something changes?
    pub fn has_entered(&self) -> bool {
        self.entered
    }

    /// May the transaction be in a zone, or a portal from before?
    pub fn may_be_in(&self) -> bool {
        self.may_be_in || self.behind
    }

    /// Would a portal that was bound before run without its zone, or with another?
    pub fn is_behind(&self) -> bool {
        self.behind
    }

    /// The mark may be gone; to enter the same zone again changes nothing.
    pub fn leave(&mut self) {
        self.entered = false;
    }

    /// The client's statement sets the zone.
    pub fn set(&mut self) {
        self.entered = false;
        self.behind = true;
    }

    /// The transaction that was thought to be over goes on.
    pub fn go_back(&mut self) {
        self.entered = false;
        self.may_be_in = true;
    }

    /// Another transaction follows.
    pub fn transaction_ended(&mut self) {
        self.entered = false;
        self.may_be_in = false;
        self.behind = false;
    }

    /// A prefix was sent.
    pub fn sent(&mut self, enter: &Enter) {
        if *enter != Enter::No {
            self.entered = true;
            self.may_be_in |= *enter != Enter::Nothing;
            self.behind = false;
        }
    }

    /// What sets these values, and enters.
    pub fn prefix(&self, enter: &Enter, values: &[(&str, &str)]) -> Prefix {
        if *enter != Enter::Nothing {
            return Prefix::of_choice(values, self.entry(enter, values));
        }
        let name = format!("={}", self.parameter);
        let values = values.iter().copied().chain([(&*name, NO_TOKEN)]);
        Prefix::of_choice(&values.collect::<Vec<_>>(), None)
    }

    fn entry(&self, enter: &Enter, values: &[(&str, &str)]) -> Option<Entry> {
        let audience = self.audience.clone()?;
        let (zone, parameter) = match enter {
            Enter::No | Enter::Nothing => return None,
            Enter::Kept => {
                let mut values = values.iter();
                (values.find(|(name, _)| **name == *self.parameter)?.1, None)
            }
            Enter::Said(zone) => (&**zone, Some(Arc::clone(&self.parameter))),
        };
        Some(Entry {
            zone: zone.into(),
            audience,
            parameter,
        })
    }

    /// The prefix that enters and sets nothing.
    pub fn put_prefix(&mut self, enter: &Enter, put: impl FnOnce(&Prefix)) {
        let known = self.prefix.as_ref().and_then(Prefix::entry);
        let same = match (enter, known) {
            (Enter::Said(zone), Some(known)) => *known.zone == **zone,
            (_, _) => false,
        };
        if !same {
            self.prefix = Some(self.prefix(enter, &[]));
        }
        if let Some(prefix) = &self.prefix {
            put(prefix);
        }
    }
}

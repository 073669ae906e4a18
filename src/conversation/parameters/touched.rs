//! What the client has touched in the running transaction. Kept in order, so that a long text full of names is no
//! more work than as many short ones; and not more of them than [`MAX_TOUCHED`], since those that a failed transaction
//! refuses are touched as well as others.

use std::collections::HashSet;

use super::Parameters;
use crate::conversation::modes::Running;
use crate::sql::{Facts, ParameterName, ParameterTouch, ParameterUse};

/// Names that one transaction may touch. Of those that are kept there are fewer.
pub(super) const MAX_TOUCHED: usize = 256;

/// What was touched in a transaction, to be known again if the statement that ends it is skipped.
#[derive(Debug)]
pub struct Touched {
    pub names: Vec<Box<str>>,
    pub(super) reset: Vec<Box<str>>,
    pub(super) covered: bool,
    pub(super) modes: Running,
}

pub(super) fn contains(names: &[Box<str>], name: &str) -> bool {
    names.binary_search_by(|it| (**it).cmp(name)).is_ok()
}

/// Adds a name, if it is not there.
pub(super) fn add(names: &mut Vec<Box<str>>, name: &str) {
    if let Err(place) = names.binary_search_by(|it| (**it).cmp(name)) {
        names.insert(place, name.into());
    }
}

/// Takes all of the others: the fewer go to the more.
pub(super) fn append(names: &mut Vec<Box<str>>, others: &mut Vec<Box<str>>) {
    if names.len() < others.len() {
        std::mem::swap(names, others);
    }
    for name in others.drain(..) {
        if let Err(place) = names.binary_search(&name) {
            names.insert(place, name);
        }
    }
}

impl Parameters {
    /// The parameter that has to be remembered as touched, if the client touches one so. What has been reset has been
    /// set as well, and a prefix sets what it has set.
    pub(super) fn of_interest<'f>(&self, touch: &'f ParameterTouch) -> Option<&'f str> {
        let ParameterName::Named(name) = &touch.name else {
            return None;
        };
        // Where values of one alone are kept, the server keeps the others.
        let only = self.only.as_deref();
        let is_set = touch.how == ParameterUse::Session && only.is_none_or(|only| *only == **name);
        (is_set || self.record.value(name).is_some()).then_some(name)
    }

    /// Is there room for what a text touches?
    pub(super) fn can_touch(&self, facts: &Facts) -> bool {
        let touches = || facts.statements.iter().flat_map(|it| &it.parameters);
        let there = self.touched.len() + self.reset.len();
        if there + touches().count() <= MAX_TOUCHED {
            return true;
        }
        let there = self.touched.iter().chain(&self.reset);
        let mut all: HashSet<&str> = there.map(|name| &**name).collect();
        touches().all(|touch| {
            let new = self.of_interest(touch);
            new.is_none_or(|name| !all.insert(name) || all.len() <= MAX_TOUCHED)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::record::Record;
    use crate::sql::describe;

    fn is_in_order(names: &[Box<str>]) -> bool {
        names.is_sorted_by(|one, next| one < next)
    }

    /// In a transaction that has failed the server refuses all of it, and nothing is read back.
    #[test]
    fn what_is_touched_has_an_end() {
        let mut parameters = Parameters::default();
        let set = |from: usize, to: usize| {
            let all = (from..to).map(|number| format!("SET a.n{number}=1;"));
            describe(all.collect::<String>().as_bytes())
        };
        let mut refused = 0;
        for round in 0..400 {
            for text in ["RESET ALL", "ROLLBACK TO s"] {
                let sets = set(round * 60, round * 60 + 60);
                for facts in [&sets, &describe(text.as_bytes())] {
                    match parameters.can_touch(facts) {
                        true => parameters.sent(facts),
                        false => refused += 1,
                    }
                }
                let (touched, reset) = (&parameters.touched, &parameters.reset);
                assert!(touched.len() <= MAX_TOUCHED && reset.len() <= MAX_TOUCHED);
                assert!(is_in_order(touched) && is_in_order(reset));
            }
        }
        assert_eq!(refused, 2 * 396);
        assert!(parameters.is_touched("a.n239") && !parameters.is_touched("a.n240"));
        // Those that are there may be touched again, and as many as there is room for.
        assert!(parameters.can_touch(&set(0, 240)));
        assert!(parameters.can_touch(&set(0, MAX_TOUCHED)));
        assert!(!parameters.can_touch(&set(0, MAX_TOUCHED + 1)));
        assert!(!parameters.have_room_for(&set(240, 240 + 17)));
        // What is not kept is no matter of it, however much there is.
        let local = (0..9000).map(|number| format!("SET LOCAL b.n{number}=1;"));
        let local = describe(local.collect::<String>().as_bytes());
        assert!(parameters.can_touch(&local));
        parameters.sent(&local);
        assert_eq!(parameters.touched.len(), 240);
        parameters.transaction_ended(crate::conversation::modes::Ended::Whole);
        assert!(parameters.can_touch(&set(240, 300)));
    }

    #[test]
    fn what_a_reset_of_all_takes_back_a_rollback_brings_again() {
        let mut parameters = Parameters::default();
        let mut send = |text: &str| {
            parameters.sent(&describe(text.as_bytes()));
            ["a.a", "a.b", "jit"].map(|name| parameters.is_touched(name))
        };
        assert_eq!(send("SET a.b = 1; SET jit = off"), [false, true, true]);
        assert_eq!(send("RESET ALL"), [false, false, false]);
        assert_eq!(send("SET a.a = 1; SET jit = on"), [true, false, true]);
        assert_eq!(send("ROLLBACK TO s"), [true, true, true]);
        assert_eq!(send("RESET ALL; SET a.a = 1"), [true, false, false]);
    }

    #[test]
    fn what_was_reset_ahead_of_a_skipped_commit_a_rollback_brings_again() {
        let mut parameters = Parameters::default();
        parameters.sent(&describe(b"SET a.b = 1; RESET ALL"));
        let before = parameters.touched();
        parameters.transaction_ended(crate::conversation::modes::Ended::Whole);
        parameters.sent(&describe(b"SET jit = off"));
        parameters.touch_again(before);
        assert!(!parameters.is_touched("a.b") && !parameters.is_touched("jit"));
        parameters.sent(&describe(b"ROLLBACK TO s"));
        assert!(parameters.is_touched("a.b"));
    }

    /// On a server connection of its own: the server keeps what is not the zone.
    #[test]
    fn where_one_parameter_is_kept_the_others_are_no_matter() {
        let zone = Some("app.tenant_id".into());
        let mut parameters = Parameters::new(Record::default(), zone, false, 0);
        let sets = (0..999).map(|number| format!("SET a.n{number}=1;"));
        let sets = sets.collect::<String>() + "SET app.tenant_id = 'acme'";
        let sets = describe(sets.as_bytes());
        assert!(parameters.have_room_for(&sets));
        parameters.sent(&sets);
        assert_eq!(*parameters.touched, ["app.tenant_id".into()]);
    }
}

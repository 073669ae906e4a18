//! A migration session tells the others that what they have prepared may be something else by now.

use super::Pump;
use crate::net::schema::Moving;

impl Pump {
    /// Asked ahead of what is sent to the server, and behind what it has answered.
    pub(super) fn tell_of_migration(&mut self) {
        if self.session.is_none() {
            return;
        }
        match (self.conversation.is_idle(), &self.moving) {
            (false, None) => self.moving = Some(Moving::begin(&self.worker.shared)),
            (true, Some(_)) => self.moving = None,
            _ => {}
        }
    }
}

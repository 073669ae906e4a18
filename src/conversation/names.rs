//! Prepared statements and portals of one client: name -> what it runs.
//!
//! The map changes only when the server has confirmed a Parse, Bind or Close, in order. So one that
//! fails cannot give a name another meaning.

use std::collections::HashMap;
use std::sync::Arc;

use super::in_flight::Space;
use crate::sql::Facts;

/// Prepared statements that one client may hold.
pub const MAX_NAMES: usize = 20_000;

/// What a prepared statement runs.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What it does.
    pub facts: Arc<Facts>,
    /// Its text, kept only on connections whose statements are recorded.
    pub text: Option<Arc<[u8]>>,
}

/// The names of one client.
#[allow(
    clippy::box_collection,
    reason = "most connections have no names: 8 bytes of an idle one instead of 48"
)]
#[derive(Debug, Default)]
pub struct Names {
    /// The unnamed statement: by far the most used.
    unnamed: Option<Prepared>,
    /// Allocated with the first name.
    statements: Option<Box<HashMap<Box<[u8]>, Prepared>>>,
    /// The unnamed portal.
    portal: Option<Prepared>,
    portals: Option<Box<HashMap<Box<[u8]>, Prepared>>>,
}

impl Names {
    /// The server confirmed a Parse, Bind or Close: what the name stands for from now on. Not sooner:
    /// what the name stood for before is still there if the message failed (a portal behind
    /// ROLLBACK TO, too).
    pub fn change(&mut self, space: Space, name: Box<[u8]>, meaning: Option<Prepared>) {
        let (unnamed, named) = match space {
            Space::Statement => (&mut self.unnamed, &mut self.statements),
            Space::Portal => (&mut self.portal, &mut self.portals),
        };
        match meaning {
            meaning if name.is_empty() => *unnamed = meaning,
            Some(prepared) => {
                named.get_or_insert_default().insert(name, prepared);
            }
            None => {
                if let Some(named) = named {
                    named.remove(&name);
                }
            }
        }
    }

    /// A zone prefix takes the unnamed portal.
    pub fn drop_unnamed_portal(&mut self) {
        self.portal = None;
    }

    /// A simple Query drops the unnamed statement.
    pub fn drop_unnamed(&mut self) {
        self.unnamed = None;
    }

    /// What a confirmed statement runs.
    pub fn statement(&self, name: &[u8]) -> Option<&Prepared> {
        if name.is_empty() {
            self.unnamed.as_ref()
        } else {
            self.statements.as_ref()?.get(name)
        }
    }

    /// What a portal runs; `None` for cursors that SQL declared.
    pub fn portal(&self, name: &[u8]) -> Option<&Prepared> {
        if name.is_empty() {
            self.portal.as_ref()
        } else {
            self.portals.as_ref()?.get(name)
        }
    }

    /// The transaction ended: portals end with it.
    pub fn transaction_ended(&mut self) {
        self.portal = None;
        self.portals = None;
    }

    /// Statements and portals held.
    pub fn count(&self) -> usize {
        self.statements.as_ref().map_or(0, |map| map.len())
            + self.portals.as_ref().map_or(0, |map| map.len())
    }
}

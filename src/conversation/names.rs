//! Prepared statements and portals of one client: name -> what it runs.
//!
//! The map changes only when the server has confirmed a Parse, Bind or Close, in order. So one that
//! fails cannot give a name another meaning.

use std::collections::HashMap;
use std::sync::Arc;

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
    /// The server confirmed a Parse.
    pub fn parsed(&mut self, name: Box<[u8]>, prepared: Prepared) {
        if name.is_empty() {
            self.unnamed = Some(prepared);
        } else {
            self.statements
                .get_or_insert_default()
                .insert(name, prepared);
        }
    }

    /// The server confirmed a Close.
    pub fn closed(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.unnamed = None;
        } else if let Some(statements) = &mut self.statements {
            statements.remove(name);
        }
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

    /// The server confirmed a Bind. Not sooner: behind ROLLBACK TO an older portal of the name of one
    /// that failed may still be there.
    pub fn bound(&mut self, portal: Box<[u8]>, prepared: Prepared) {
        if portal.is_empty() {
            self.portal = Some(prepared);
        } else {
            self.portals
                .get_or_insert_default()
                .insert(portal, prepared);
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

    /// The server confirmed the Close of a portal, or a zone prefix takes it.
    pub fn portal_closed(&mut self, name: &[u8]) {
        if name.is_empty() {
            self.portal = None;
        } else if let Some(portals) = &mut self.portals {
            portals.remove(name);
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

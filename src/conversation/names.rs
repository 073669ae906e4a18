//! Prepared statements and portals of one client: name -> what it runs.
//!
//! The map changes only when the server has confirmed a Parse, Bind or Close, in order. So one that
//! fails cannot give a name another meaning.

use std::collections::HashMap;
use std::sync::Arc;

use super::in_flight::Space;
use super::prepared::Source;
use super::reading::Moves;
use crate::error::SqlState;
use crate::policy::{Guard, Objection, Refusal, Who};
use crate::sql::{Facts, weight};

/// Prepared statements and portals that one client may hold.
pub const MAX_NAMES: usize = 20_000;
/// What they may take, bytes: names, descriptions (counted for each name, though they are shared), and
/// texts where they are recorded. As many as [`MAX_NAMES`] of ordinary statements fit.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What may be kept here whatever other connections keep, bytes.
pub const ALWAYS_KEPT: usize = 64 * 1024;

/// PostgreSQL keeps so many bytes of a name: two that are longer may be the same there, and are others here.
const LONGEST_NAME: usize = 63;

/// What a prepared statement runs.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What it does.
    pub facts: Arc<Facts>,
    /// Its text, kept only on connections whose statements are recorded.
    pub text: Option<Arc<Vec<u8>>>,
    /// What says it to another server connection, of statements, where the connection is pooled; elsewhere what
    /// says it once more where only its Bind tells what it sets (see `bound`).
    pub source: Option<Arc<Source>>,
    /// What stands in its text on the server that the client has not sent.
    pub moves: Moves,
    /// The pool knows the statement, and says it again by itself.
    pub followed: bool,
    /// It is a DEALLOCATE that goes to the server as something else: see `prepared::deallocated`.
    pub deallocates: bool,
}

impl Prepared {
    /// Its number where the pool follows it.
    pub fn number_at_pool(&self) -> Option<u64> {
        let source = self.source.as_ref().filter(|_| self.followed);
        source.map(|source| source.number())
    }

    /// How many types its Parse has declared, and these; nothing where that is not remembered.
    pub fn types(&self) -> &[u8] {
        self.source.as_ref().map_or(&[], |source| source.types())
    }

    /// What is kept of its text.
    pub fn text_bytes(&self) -> usize {
        let text = self.text.as_ref().map_or(0, |text| text.len());
        text + self.source.as_ref().map_or(0, |source| source.bytes())
    }
}

/// Would PostgreSQL cut the name behind so many bytes?
pub fn is_cut_behind(bytes: usize, name: &[u8]) -> bool {
    bytes + name.len() > LONGEST_NAME
}

/// Would PostgreSQL cut it?
pub fn is_cut(name: &[u8]) -> bool {
    name.len() > LONGEST_NAME
}

/// The refusal of such a name.
pub fn name_too_long(who: &Who) -> Box<Refusal> {
    let message = format!("name of a prepared statement or portal exceeds {LONGEST_NAME} bytes");
    let objection = Objection::new(message)
        .sqlstate(SqlState::NAME_TOO_LONG)
        .detail("PostgreSQL cuts names there, so that two of them could be the same")
        .hint("Use a shorter name");
    Box::new(objection.refuse(Guard::StatementBounds, who, None))
}

/// The refusal of one more name.
pub fn too_many_names(who: &Who) -> Box<Refusal> {
    let objection = Objection::new("too many prepared statements and portals on this connection")
        .sqlstate(SqlState::PROGRAM_LIMIT)
        .detail(format!(
            "A connection may hold {MAX_NAMES}, and {} MB of their names, texts and descriptions",
            MAX_BYTES >> 20
        ))
        .hint("Close statements that are no longer used");
    Box::new(objection.refuse(Guard::StatementBounds, who, None))
}

/// The refusal of a statement or portal for which other connections leave no memory.
pub fn no_memory_left(who: &Who) -> Box<Refusal> {
    let objection = Objection::new("no memory is left for prepared statements and portals")
        .sqlstate(SqlState::OUT_OF_MEMORY)
        .detail("What is kept of them for all connections together has reached max_prepared_bytes")
        .hint("Close statements that are no longer used, here or on other connections");
    Box::new(objection.refuse(Guard::StatementBounds, who, None))
}

/// What a name and its meaning take, bytes: a little more than they really do.
pub fn bytes_of(name: &[u8], meaning: Option<&Prepared>) -> usize {
    const ENTRY: usize = size_of::<(Box<[u8]>, Prepared)>() + 2 * size_of::<usize>();
    let meaning = meaning.map_or(0, |prepared| {
        weight(&prepared.facts)
            + prepared.text_bytes()
            + prepared.moves.as_ref().map_or(0, |it| size_of_val(&it[..]))
    });
    ENTRY + name.len() + meaning
}

/// Names other than the empty one.
#[derive(Debug, Default)]
struct Map {
    entries: HashMap<Box<[u8]>, Prepared>,
    /// What they take.
    bytes: usize,
}

impl Map {
    fn insert(&mut self, name: Box<[u8]>, prepared: Prepared) {
        self.remove(&name);
        self.bytes += bytes_of(&name, Some(&prepared));
        self.entries.insert(name, prepared);
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(prepared) = self.entries.remove(name) {
            self.bytes -= bytes_of(name, Some(&prepared));
        }
    }
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
    statements: Option<Box<Map>>,
    /// The unnamed portal.
    portal: Option<Prepared>,
    portals: Option<Box<Map>>,
}

impl Names {
    /// The server confirmed a Parse, Bind or Close: what the name stands for from now on. Not sooner:
    /// what the name stood for before is still there if the message failed (a portal behind
    /// ROLLBACK TO, too).
    ///
    /// Gives back what the unnamed statement or portal stood for.
    pub fn change(
        &mut self,
        space: Space,
        name: Box<[u8]>,
        meaning: Option<Prepared>,
    ) -> Option<Prepared> {
        let (unnamed, named) = match space {
            Space::Statement => (&mut self.unnamed, &mut self.statements),
            Space::Portal => (&mut self.portal, &mut self.portals),
        };
        match meaning {
            meaning if name.is_empty() => return std::mem::replace(unnamed, meaning),
            Some(prepared) => {
                named.get_or_insert_default().insert(name, prepared);
            }
            None => {
                if let Some(named) = named {
                    named.remove(&name);
                }
            }
        }
        None
    }

    /// DEALLOCATE ALL: of the statements only the unnamed one is left.
    pub fn deallocate_all(&mut self) {
        self.statements = None;
    }

    /// The same for one name.
    pub fn unfollow_one(&mut self, name: &[u8]) {
        let entries = self.statements.as_mut().map(|map| &mut map.entries);
        if let Some(prepared) = entries.and_then(|entries| entries.get_mut(name)) {
            prepared.followed = false;
        }
    }

    /// The pool has forgotten what it followed; what is kept here of the statements stays.
    pub fn unfollow(&mut self) {
        let all = self.statements.iter_mut();
        let all = all.flat_map(|map| map.entries.values_mut());
        all.for_each(|prepared| prepared.followed = false);
    }

    /// A zone prefix or Query takes the unnamed portal.
    pub fn drop_unnamed_portal(&mut self) {
        self.portal = None;
    }

    /// A simple Query drops the unnamed statement, and so does a Parse of it that fails.
    pub fn drop_unnamed(&mut self) -> Option<Prepared> {
        self.unnamed.take()
    }

    /// What a confirmed statement runs.
    pub fn statement(&self, name: &[u8]) -> Option<&Prepared> {
        if name.is_empty() {
            self.unnamed.as_ref()
        } else {
            self.statements.as_ref()?.entries.get(name)
        }
    }

    /// What a portal runs; `None` for cursors that SQL declared.
    pub fn portal(&self, name: &[u8]) -> Option<&Prepared> {
        if name.is_empty() {
            self.portal.as_ref()
        } else {
            self.portals.as_ref()?.entries.get(name)
        }
    }

    /// The transaction ended: portals end with it.
    pub fn transaction_ended(&mut self) {
        self.portal = None;
        self.portals = None;
    }

    /// Statements and portals held.
    pub fn count(&self) -> usize {
        self.maps().map(|map| map.entries.len()).sum()
    }

    /// What they take, as [`bytes_of`] counts.
    pub fn bytes(&self) -> usize {
        self.maps().map(|map| map.bytes).sum()
    }

    /// What is kept of the text of the unnamed statement. The unnamed portal has its statement's.
    pub fn unnamed_bytes(&self) -> usize {
        self.unnamed.as_ref().map_or(0, Prepared::text_bytes)
    }

    fn maps(&self) -> impl Iterator<Item = &Map> {
        let both = [&self.statements, &self.portals];
        both.into_iter().filter_map(|map| map.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::describe;

    #[test]
    fn what_names_take_is_given_back_with_them() {
        let select = Prepared {
            facts: Arc::new(describe(b"select 1")),
            text: None,
            source: None,
            moves: None,
            followed: false,
            deallocates: false,
        };
        let mut names = Names::default();
        let one = |name: &str| bytes_of(name.as_bytes(), Some(&select));
        let mut change = |space, name: &str, set: bool| {
            let meaning = set.then(|| select.clone());
            names.change(space, name.as_bytes().into(), meaning);
            (names.count(), names.bytes())
        };
        assert_eq!(change(Space::Statement, "", true), (0, 0));
        assert_eq!(change(Space::Statement, "a", true), (1, one("a")));
        assert_eq!(change(Space::Statement, "a", true), (1, one("a")));
        let both = one("a") + one("portal");
        assert_eq!(change(Space::Portal, "portal", true), (2, both));
        assert_eq!(change(Space::Statement, "b", false), (2, both));
        assert_eq!(change(Space::Statement, "a", false), (1, one("portal")));
        names.transaction_ended();
        assert_eq!((names.count(), names.bytes()), (0, 0));
        assert!(one(&"x".repeat(1000)) >= one("x") + 999);
        assert!(MAX_NAMES * one(&"x".repeat(32)) <= MAX_BYTES, "{}", one(""));
    }
}

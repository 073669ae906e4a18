//! A statement that a pool follows is prepared anew by each server connection that meets it first, unseen. If a table has
//! changed since the client was told what it takes and gives, another one than the client knows would run: values of other
//! types would be read and stored. Migration sessions tell that something may have changed. From then on each statement is
//! sent once more in the form in which its description is compared, and is left to the pool again if it is the same.

use super::Source;
use crate::conversation::Conversation;

/// What migration sessions have done to the schema: how often one of their transactions has ended, and whether anything of
/// one runs, in the lowest bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Schema(u32);

impl Schema {
    /// Of so many ended transactions, of which 31 bits count; `moves`: one runs.
    pub fn new(version: u32, moves: bool) -> Self {
        Self(version << 1 | u32::from(moves))
    }

    /// How many have ended.
    pub fn version(self) -> u32 {
        self.0 >> 1
    }

    fn moves(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Conversation {
    /// This is read of the client, and judged, under this.
    pub fn schema_is(&mut self, schema: Schema) {
        self.statements.schema = schema;
    }

    /// May what is parsed now be of another schema than what is parsed in a moment?
    pub(super) fn schema_moves(&self) -> bool {
        self.statements.schema.moves()
    }

    /// Will every server connection prepare what the client was told, as far as it relies on that? `anew`: its columns are
    /// described to the client before it sees any.
    pub(super) fn is_up_to_date(&self, source: &Source, anew: bool) -> bool {
        let schema = self.statements.schema;
        let known = || !schema.moves() && source.version() == schema.version();
        !source.given.is_relied_upon(anew) || known()
    }

    /// The description of a statement is compared, and is what the client was told.
    /// (It still has to be left to the pool anew: a server connection may have a plan of it from before.)
    pub(super) fn is_same_under(&self, schema: Schema, source: &Source) {
        if !schema.moves() {
            source.is_of(schema.version());
        }
    }
}

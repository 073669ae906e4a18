//! PURE. Text in, [`Facts`] out: what a statement really does, by two independent opinions
//! (Portcullis's own lexer and classifier; PostgreSQL's grammar). The stricter one wins.
//!
//! [`describe`] reads a text in this order:
//!
//! 1. `lexer`: `token`s, within the limits of `bounds`.
//! 2. `view`: statements, cut at semicolons, and the `words` that make a closer look necessary.
//! 3. `classify`: the first opinion, by leading keywords (`nested`: EXPLAIN, PREPARE and
//!    others that hold a statement; `objects`: CREATE, ALTER, DROP; `settings`: SET, RESET and `set_config`, with `cast_to_text`; `scan`: what any place in a statement can do, with
//!    the [`FUNCTIONS`] of `functions`; `recalls`: what asks for a number of a sequence before there can be one; `names`: what is behind a spelling).
//! 4. `grammar`: the second opinion, by libpg_query. From its tree come the [`Details`], too:
//!    `surface`, `takes_away` (with `takes_away_by_alter`), and where they are asked for ([`Depth`]) `touched`, `touched_by_utility`, `fields`, `scopes` and `tree`;
//!    `catalogs` knows PostgreSQL's own relations; `by_name` the prepared statements and cursors that SQL names.
//!    What it rejects for a comment where it looks ahead is given to it again: `ahead`.
//!    What looked like a call of a guarded function may be none: `aliases`. What makes a temporary table and no more: `temporary`.
//!    What names mean where capital letters beyond ASCII are folded: `folded`.
//! 5. `fingerprint`: a name for what may be refused (`constants`: which of them are part of it), taken when it is asked for where that is seldom (`late`).
//!
//! `bound` says what is in the Bind message instead of the text;
//! `localized` says what turns a SET for the session into one for its transaction.
//! [`walsender`] reads the commands of replication connections, which are no SQL.
//! [`redact`] makes a text that may be kept; `withheld` says which values may be secret though they are no constants; `quote` writes names.
//! [`labels`] (sqlparser) adds names for people, off the path and without a say.
//! [`FactsCache`] remembers the facts of texts seen before.

mod ahead;
mod aliases;
mod alone;
mod blank;
mod bound;
mod bounds;
mod by_name;
mod cache;
mod cast_to_text;
mod catalogs;
mod classify;
mod constants;
mod describe;
mod details;
mod facts;
mod fields;
mod fingerprint;
mod folded;
mod functions;
mod giving;
mod grammar;
pub mod labels;
mod late;
mod lexer;
mod localized;
mod names;
mod nested;
mod objects;
mod once;
mod pairs;
pub(crate) mod quote;
mod recalls;
mod redact;
mod scan;
mod scopes;
mod set_config;
mod settings;
mod surface;
mod tags;
mod takes_away;
mod takes_away_by_alter;
mod temporary;
mod token;
mod touched;
mod touched_by_utility;
mod tree;
mod view;
pub mod walsender;
mod withheld;
mod words;

#[cfg(test)]
mod tests;

pub use bound::{Bound, Bounds, Said, resolve, resolve_pairs, without_bounds};
pub use bounds::{
    LONG_TEXT, MANY_STATEMENTS, MAX_COMMENT_DEPTH, MAX_NAME_PARTS, MAX_OPERATOR_RUN,
    MAX_STATEMENTS, is_long,
};
pub use by_name::{NameAct, NameTouch};
pub use cache::{FactsCache, weight};
pub use catalogs::{is_catalog, is_type};
pub(crate) use describe::characters;
pub use describe::{describe, describe_at, first_opinion_alone, starts};
pub use details::*;
pub use facts::*;
pub use fingerprint::{Fingerprint, NotAFingerprint, fingerprint};
pub use functions::{ByDot, FUNCTIONS, FunctionGroup, by_dot, group};
pub use late::LateFingerprint;
pub use localized::{Edit, EditKind, Localized, Unset};
pub use pairs::{JSON, pairs};
pub use redact::{MAX_REDACTED, redact};
pub use settings::{current_name, other_name};
pub use tags::tags;
pub use takes_away::{Loss, TakesAway};
pub use temporary::{OnCommit, TemporaryAct, TemporaryTable};

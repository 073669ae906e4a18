//! Prepared statements that a pool which follows names gives to several clients. PgBouncer tells them by their text and
//! their types alone, and PostgreSQL reads constants, chooses operators and plans by the parameters of whoever is the
//! first to parse it on a server connection: `date '01/02/2024'` is another day under another DateStyle.
//!
//! So the text that is left to the pool ends with a comment that tells the parameters of its client by a hash, where
//! it has any that matter, and nothing is left to it in a transaction that sets one for itself, or may have by DO or
//! CALL. What a function sets inside of a query is not seen.

use ring::digest::{Context, SHA256};

use super::Injection;
use crate::conversation::reading::Moves;
use crate::policy::guards::lexing_parameters::PINNED;
use crate::sql::{Facts, ParameterName, ParameterUse, characters};

/// By what parameters a text is read and planned; 0: by the server's own.
pub type ReadUnder = u64;

/// Those that decide nothing about how a text is read, nor much about how it is planned. Names with a dot are an
/// extension's or nobody's, and the zone's.
const HARMLESS: [&str; 22] = [
    "application_name",
    "client_connection_check_interval",
    "client_min_messages",
    "commit_delay",
    "commit_siblings",
    "default_transaction_deferrable",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "jit",
    "lc_messages",
    "lock_timeout",
    "row_security",
    "seed",
    "statement_timeout",
    "synchronous_commit",
    "transaction_deferrable",
    "transaction_isolation",
    "transaction_read_only",
    "transaction_timeout",
    "work_mem",
];

/// Does it matter to others under which value of this parameter a text was read?
pub fn decides(name: &str) -> bool {
    let is = |it: &str| it.eq_ignore_ascii_case(name);
    let pinned = PINNED.iter().any(|(it, _)| is(it));
    !name.contains('.') && !pinned && !HARMLESS.iter().any(|it| is(it))
}

/// Does the statement set such a parameter, or one that nobody knows?
pub fn reads_otherwise(facts: &Facts) -> bool {
    let mut touches = facts.statements.iter().flat_map(|it| &it.parameters);
    touches.any(|touch| {
        touch.how != ParameterUse::Stored
            && match &touch.name {
                ParameterName::Named(name) => decides(name),
                ParameterName::All | ParameterName::Dynamic => true,
            }
    })
}

impl Injection {
    /// By what a text of this client is read now.
    pub fn read_under(&self) -> ReadUnder {
        if let Some(parameters) = &self.parameters {
            let record = parameters.record();
            return parameters.read_under(|| hashed(record.all().collect()));
        }
        let origins = self.origins.iter();
        let pairs = origins.flat_map(|it| it.kept.iter().chain(&it.pooled));
        hashed(pairs.map(|(name, value)| (&**name, &**value)).collect())
    }
}

fn hashed(mut all: Vec<(&str, &str)>) -> ReadUnder {
    all.retain(|(name, _)| decides(name));
    all.sort_unstable();
    if all.is_empty() { 0 } else { hash(&all) }
}

fn hash(all: &[(&str, &str)]) -> ReadUnder {
    let mut hash = Context::new(&SHA256);
    for (name, value) in all {
        for part in [name.to_ascii_lowercase().as_bytes(), value.as_bytes()] {
            hash.update(&part.len().to_be_bytes());
            hash.update(part);
        }
    }
    let hash = hash.finish();
    let first = hash.as_ref().first_chunk().copied().unwrap_or_default();
    ReadUnder::from_be_bytes(first).max(1)
}

/// Does the text hold what looks like a mark, be it a client's own? It is not left to the pool: it would be another's.
pub fn is_marked(text: &[u8]) -> bool {
    text.windows(MARK.len()).any(|it| it == MARK.as_bytes())
}

const MARK: &str = "/* read under ";

/// What stands behind the text then; nothing for 0. `version`: of the schema, so that nobody is given a plan from before.
pub fn mark(under: ReadUnder, version: u32) -> String {
    match (under, version) {
        (0, 0) => String::new(),
        (_, 0) => format!("\n{MARK}{under:016x} */"),
        _ => format!("\n{MARK}{under:016x} {version} */"),
    }
}

/// What was inserted into a text that goes to the server as `text`, and with this mark.
pub fn moves_with(moves: &Moves, text: &[u8], mark: &str) -> Moves {
    if mark.is_empty() {
        return moves.clone();
    }
    let mut all = moves.as_deref().cloned().unwrap_or_default();
    all.push((characters(text), characters(mark.as_bytes())));
    Some(all.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::describe;

    #[test]
    fn what_decides_how_a_text_is_read_is_told_from_the_rest() {
        for (text, otherwise) in [
            ("set datestyle = 'ISO, DMY'", true),
            ("set local \"TimeZone\" = 'UTC'", true),
            ("select set_config('search_path', 'x', true)", true),
            ("select set_config($1, $2, true)", true),
            ("reset all", true),
            ("set enable_seqscan = off", true),
            ("set statement_timeout = 0", false),
            ("set local app.tenant_id = 'acme'", false),
            ("alter role x set datestyle = 'ISO'", false),
            ("select 1", false),
        ] {
            assert_eq!(
                reads_otherwise(&describe(text.as_bytes())),
                otherwise,
                "{text}"
            );
        }
    }

    #[test]
    fn a_hash_tells_values_and_not_their_order_of_letters() {
        let one = hash(&[("datestyle", "ISO, DMY")]);
        assert_eq!(one, hash(&[("DateStyle", "ISO, DMY")]));
        assert_ne!(one, hash(&[("datestyle", "ISO, MDY")]));
        assert_ne!(hash(&[("a", "bc")]), hash(&[("ab", "c")]));
        assert_eq!(mark(0, 0), "");
        assert!(is_marked(format!("select 1{}", mark(0, 7)).as_bytes()));
        assert!(!is_marked(b"select 1 /* read */") && !is_marked(b""));
        assert_eq!(mark(1, 0), "\n/* read under 0000000000000001 */");
        assert_eq!(mark(0, 3), "\n/* read under 0000000000000000 3 */");
    }
}

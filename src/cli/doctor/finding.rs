//! What the doctor may find. One table says what each id means and whether Portcullis closes it; a test
//! holds the leaks' column against a running Portcullis.

use super::sql::on_one_line;

/// How a finding is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Word {
    /// Something of one client reaches another.
    Leak,
    /// Nothing keeps somebody from doing it.
    Open,
    /// A version with known holes.
    Old,
    /// Good to know; does not count.
    Note,
}

impl Word {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Leak => "LEAK",
            Self::Open => "OPEN",
            Self::Old => "OLD",
            Self::Note => "note",
        }
    }

    /// Does it make the exit status 1?
    pub(super) fn counts(self) -> bool {
        self != Self::Note
    }
}

/// A kind of finding.
pub(super) struct Kind {
    /// Stable: docs and scripts use it.
    pub id: &'static str,
    pub word: Word,
    /// Would it be closed with Portcullis in front, by itself?
    pub closed: bool,
}

const fn kind(id: &'static str, word: Word, closed: bool) -> Kind {
    Kind { id, word, closed }
}

const CLOSED: bool = true;
const STAYS: bool = false;

/// Every kind.
pub(super) const KINDS: &[Kind] = &[
    // Proved by the probes.
    kind("leak-setting", Word::Leak, CLOSED),
    kind("leak-search-path", Word::Leak, CLOSED),
    kind("leak-role", Word::Leak, CLOSED),
    kind("leak-advisory-lock", Word::Leak, CLOSED),
    kind("leak-named-statement", Word::Leak, CLOSED),
    kind("leak-sql-prepare", Word::Leak, CLOSED),
    kind("leak-temp-table", Word::Leak, CLOSED),
    kind("leak-listen", Word::Leak, CLOSED),
    // Met on pooled connections.
    kind("carried-zone", Word::Leak, CLOSED),
    kind("carried-parameter", Word::Leak, CLOSED),
    kind("carried-session-state", Word::Leak, CLOSED),
    // Row-level security.
    kind("table-without-policy", Word::Open, STAYS),
    kind("owner-not-bound", Word::Open, STAYS),
    kind("policy-open", Word::Open, STAYS),
    kind("policy-unsigned", Word::Note, CLOSED),
    kind("view-owner-rights", Word::Open, STAYS),
    kind("relation-unprotected", Word::Open, STAYS),
    // Roles.
    kind("login-superuser", Word::Open, CLOSED),
    kind("login-bypassrls", Word::Open, CLOSED),
    kind("login-may-become", Word::Open, CLOSED),
    kind("login-owns-tables", Word::Open, CLOSED),
    kind("password-md5", Word::Open, STAYS),
    kind("verifier-differs", Word::Open, STAYS),
    kind("auth-file-line", Word::Open, STAYS),
    // What connections start with.
    kind("default-zone", Word::Open, CLOSED),
    kind("default-setting", Word::Open, STAYS),
    kind("default-search-path", Word::Open, STAYS),
    // Functions.
    kind("definer-search-path", Word::Open, STAYS),
    kind("definer-temp-schema", Word::Open, STAYS),
    kind("definer-dynamic-sql", Word::Note, STAYS),
    kind("function-sets-zone", Word::Open, STAYS),
    kind("function-set-clause", Word::Open, STAYS),
    kind("function-may-set-zone", Word::Open, STAYS),
    kind("function-dynamic-sql", Word::Open, STAYS),
    kind("policy-immutable-function", Word::Open, STAYS),
    kind("immutable-reads-parameter", Word::Note, STAYS),
    kind("relation-sets-parameters", Word::Open, STAYS),
    // What PUBLIC may do.
    kind("public-execute", Word::Open, CLOSED),
    kind("public-create", Word::Open, CLOSED),
    kind("public-connect", Word::Open, CLOSED),
    // The connection itself.
    kind("connection-plaintext", Word::Open, CLOSED),
    kind("connection-trust", Word::Open, CLOSED),
    kind("advisory-locks", Word::Open, STAYS),
    // PgBouncer.
    kind("pgbouncer-auth-type", Word::Open, CLOSED),
    kind("pgbouncer-client-tls", Word::Open, CLOSED),
    kind("pgbouncer-ignored-parameters", Word::Open, CLOSED),
    kind("pgbouncer-forced-user", Word::Note, STAYS),
    kind("pgbouncer-no-reset", Word::Open, STAYS),
    kind("pgbouncer-reset-not-run", Word::Note, CLOSED),
    kind("pgbouncer-server-tls", Word::Open, STAYS),
    kind("pgbouncer-prepared", Word::Note, STAYS),
    kind("pgbouncer-version", Word::Old, STAYS),
    // What applications do today.
    kind("ddl-sent", Word::Note, CLOSED),
    // Through a Portcullis.
    kind("zone-not-kept", Word::Open, STAYS),
    // Talk.
    kind("not-shown", Word::Note, STAYS),
    kind("left-behind", Word::Note, STAYS),
    kind("not-seen", Word::Note, STAYS),
];

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// One of [`KINDS`].
    pub id: &'static str,
    /// One line.
    pub text: String,
    /// How it is known, where that is more than the catalog.
    pub proof: Option<String>,
    /// The objects it is about, all of them.
    pub objects: Vec<String>,
    /// Statements that mend it, in order, without their semicolons, each on one line.
    pub sql: Vec<String>,
    /// What mends it where SQL does not; beside SQL, when to leave it.
    pub advice: Option<String>,
}

impl Finding {
    pub(super) fn new(id: &'static str, text: impl Into<String>) -> Self {
        Self {
            id,
            text: text.into(),
            proof: None,
            objects: Vec::new(),
            sql: Vec::new(),
            advice: None,
        }
    }

    pub(super) fn proved(mut self, proof: impl Into<String>) -> Self {
        self.proof = Some(proof.into());
        self
    }

    pub(super) fn about(mut self, objects: Vec<String>) -> Self {
        self.objects = objects;
        self
    }

    pub(super) fn mended_by(mut self, sql: Vec<String>) -> Self {
        self.sql = sql.iter().map(|statement| on_one_line(statement)).collect();
        self
    }

    pub(super) fn advised(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    fn kind(&self) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.id == self.id)
    }

    pub(super) fn word(&self) -> Word {
        self.kind().map_or(Word::Note, |kind| kind.word)
    }

    pub(super) fn closed(&self) -> bool {
        self.kind().is_some_and(|kind| kind.closed)
    }
}

/// `3 tables`, `3 policies`, `3 ways`; `1 table`.
pub(super) fn counted(count: usize, one: &str) -> String {
    let stem = one.strip_suffix('y');
    match (count, stem.filter(|stem| !stem.ends_with('a'))) {
        (1, _) => format!("1 {one}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {one}s"),
    }
}

/// The first few, and how many more.
pub(super) fn some(objects: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = objects.get(..SHOWN).unwrap_or(objects).join(", ");
    match objects.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// The beginning of what a database says, so that a line stays a line.
pub(super) fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_there_once_and_spelled_as_guards_are() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(
                kind.id
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'-' | b'5'))
            );
            assert!(KINDS[at + 1..].iter().all(|other| other.id != kind.id));
        }
    }

    /// The page says of each what the table says.
    #[test]
    fn every_kind_is_on_the_page() {
        let rows = crate::cli::doctor::FINDINGS.lines();
        let rows: Vec<&str> = rows.filter(|line| line.starts_with("| `")).collect();
        assert_eq!(rows.len(), KINDS.len());
        let mut heading = "";
        for line in crate::cli::doctor::FINDINGS.lines() {
            if let Some(title) = line.strip_prefix("## ") {
                heading = title.split(':').next().unwrap();
            }
            let Some(id) = line
                .strip_prefix("| `")
                .and_then(|row| row.split('`').next())
            else {
                continue;
            };
            let kind = KINDS.iter().find(|kind| kind.id == id);
            let kind = kind.unwrap_or_else(|| panic!("there is no {id}"));
            assert_eq!(heading, kind.word.text(), "{id}");
            let closed = if kind.closed { "| yes |" } else { "| no |" };
            assert!(line.ends_with(closed), "{line}");
        }
    }

    #[test]
    fn counting() {
        assert_eq!(counted(1, "policy"), "1 policy");
        assert_eq!(counted(2, "policy"), "2 policies");
        assert_eq!(counted(0, "table"), "0 tables");
        assert_eq!(counted(9, "way"), "9 ways");
        let four = ["a", "b", "c", "d"].map(str::to_owned);
        assert_eq!(some(&four), "a, b, c and 1 more");
        assert_eq!(some(&four[..3]), "a, b, c");
        assert_eq!(shortened("true"), "true");
        assert_eq!(
            shortened(&"ä".repeat(300)),
            format!("{}...", "ä".repeat(200))
        );
    }
}

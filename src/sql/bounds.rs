//! Limits on a text before PostgreSQL's grammar sees it.
//!
//! The server's lexer, and libpg_query's copy of it, re-reads a run of operator characters for
//! every operator token and every comment opener in that run, and a nested comment for every
//! level. 400 KB of such text hold a server for minutes, deaf to `pg_terminate_backend`.

use super::Undescribed;
use super::token::{Kind, Token};

/// Comments nested deeper than this are refused.
pub const MAX_COMMENT_DEPTH: u32 = 32;

/// Runs of operator characters longer than this (bytes) are refused: PostgreSQL's operators are at
/// most `NAMEDATALEN - 1` bytes long.
pub const MAX_OPERATOR_RUN: usize = 63;

/// Texts longer than this (bytes) must not be described on a worker: the caller hands them to a
/// thread that may take its time.
pub const LONG_TEXT: usize = 32 * 1024;

/// So many statements are as long as that: each is judged beside being described.
pub const MANY_STATEMENTS: usize = 500;

/// Must somebody else describe it than a worker?
pub fn is_long(text: &[u8]) -> bool {
    let ends = || {
        text.iter()
            .map(|byte| usize::from(*byte == b';'))
            .sum::<usize>()
    };
    text.len() > LONG_TEXT || (text.len() > 4 * MANY_STATEMENTS && ends() > MANY_STATEMENTS)
}

/// Texts of more statements are refused: each is judged on the worker, and takes room.
pub const MAX_STATEMENTS: usize = 10_000;

/// Names of more parts (`a.b.c`) are refused. Of a parameter's name the grammar makes a new copy with each part that it
/// reads: one of 32 kB took 260 MB and 0.4 s, and one of a megabyte would take more than any machine has.
pub const MAX_NAME_PARTS: usize = 64;

/// Scan cost that any text may have, besides [`COST_PER_BYTE`].
const COST_BASE: u64 = 64 * 1024;

/// Scan cost allowed per byte of text.
const COST_PER_BYTE: u64 = 8;

/// The characters PostgreSQL allows in operators (`op_chars` in its `scan.l`).
pub(super) const fn is_operator(byte: u8) -> bool {
    matches!(
        byte,
        b'~' | b'!'
            | b'@'
            | b'#'
            | b'^'
            | b'&'
            | b'|'
            | b'`'
            | b'?'
            | b'+'
            | b'-'
            | b'*'
            | b'/'
            | b'%'
            | b'<'
            | b'>'
            | b'='
    )
}

/// Is there a name of more than [`MAX_NAME_PARTS`] parts?
pub(super) fn dotted(tokens: &[Token]) -> bool {
    if tokens.len() < 2 * MAX_NAME_PARTS {
        return false;
    }
    let (mut dots, mut behind_dot) = (0, false);
    tokens.iter().any(|token| {
        match token.kind {
            Kind::Dot => dots += 1,
            kind if kind.is_name() && behind_dot => {}
            _ => dots = 0,
        }
        behind_dot = token.kind == Kind::Dot;
        dots >= MAX_NAME_PARTS
    })
}

/// Adds up what PostgreSQL's lexer would re-read.
pub(super) struct Meter {
    spent: u64,
    limit: u64,
    /// End of the run of operator characters measured last: each run is measured once.
    run_end: usize,
}

impl Meter {
    pub(super) fn new(length: usize) -> Self {
        Self {
            spent: 0,
            limit: COST_PER_BYTE * length as u64 + COST_BASE,
            run_end: 0,
        }
    }

    /// Charges for the operator characters from `at` on. Calls must come in the order of the text.
    pub(super) fn charge(&mut self, text: &[u8], at: usize) -> Result<(), Undescribed> {
        if at >= self.run_end {
            self.run_end = at
                + text[at..]
                    .iter()
                    .take_while(|byte| is_operator(**byte))
                    .count();
        }
        self.spent += (self.run_end - at) as u64;
        if self.spent > self.limit {
            Err(Undescribed::ScanCost)
        } else {
            Ok(())
        }
    }
}

//! The statements that the model of a server knows, and what the policy says to them: written anew
//! here, so that a mistake of the product is not repeated by its oracle.

use super::who::Login;

/// One statement of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// Two rows.
    Select,
    /// `select where false`: what goes ahead of a simple Query.
    Guard,
    Insert,
    Begin,
    Commit {
        chain: bool,
    },
    Rollback {
        chain: bool,
    },
    Savepoint(String),
    RollbackTo(String),
    SetTransaction,
    /// Takes no snapshot, and no zone matters for it.
    SetLocal,
    /// Sets a parameter of the client's.
    Choose(Choose),
    /// RESET of it; none: of all.
    Reset(Option<String>),
    Show(String),
    CopyIn,
    Ddl,
    DeallocateAll,
    /// The text that sets a zone.
    SetZone,
    /// The text that asks for a name.
    Question,
    /// Fails when it is analysed, bound or run.
    Fails(At),
    /// Nothing that the model knows: a syntax error.
    Unknown,
}

/// How it is asked for behind `set_config`.
const CURRENT: &str = "pg_catalog.current_setting('";

/// When a statement fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Parse,
    Bind,
    Execute,
}

/// SET, or a SELECT of `set_config`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choose {
    pub name: Arg,
    pub value: Arg,
    pub local: bool,
    pub by_set: bool,
    /// Not `where false`.
    pub reached: bool,
}

/// What stands in the text, or which bound value it is (from 0).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arg {
    Text(String),
    Bound(usize),
}

impl Arg {
    fn read(text: &str) -> Self {
        let text = text.trim();
        match text
            .strip_prefix('$')
            .and_then(|number| number.parse().ok())
        {
            Some(number) => Self::Bound(usize::saturating_sub(number, 1)),
            None => Self::Text(text.trim_matches('\'').to_owned()),
        }
    }
}

impl Choose {
    fn read(text: &str) -> Option<Self> {
        if let Some(call) = text.strip_prefix("select set_config(") {
            // The proxy's own, for NULL, which is not bound here.
            let call = call.replace("coalesce(", "").replace(",'')", "");
            let (args, behind) = call.split_once(')')?;
            let [name, value, local] = args.split(',').collect::<Vec<_>>()[..] else {
                return None;
            };
            return Some(Self {
                name: Arg::read(name),
                value: Arg::read(value),
                local: local.trim() == "true",
                by_set: false,
                reached: behind.trim().is_empty(),
            });
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        let (local, name, value) = match words[..] {
            ["set", "local", name, "=", value] => (true, name, value),
            ["set", name, "=", value] => (false, name, value),
            _ => return None,
        };
        Some(Self {
            name: Arg::read(name),
            value: Arg::read(value),
            local,
            by_set: true,
            reached: true,
        })
    }

    /// Is anything of it bound?
    pub fn is_bound(&self) -> bool {
        matches!(self.name, Arg::Bound(_)) || matches!(self.value, Arg::Bound(_))
    }
}

impl Statement {
    fn read(text: &str) -> Self {
        if let Some(choose) = Choose::read(text) {
            return Self::Choose(choose);
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            ["select", "where", "false"] => Self::Guard,
            ["select", "fail_parse"] => Self::Fails(At::Parse),
            ["select", "fail_bind"] => Self::Fails(At::Bind),
            ["select", "fail_execute"] => Self::Fails(At::Execute),
            ["select", "1", "from", text, ..] if text.starts_with("unnest(") => Self::SetZone,
            [
                "select",
                "1",
                "from",
                "pg_catalog.pg_prepared_statements",
                ..,
            ] => Self::Question,
            ["reset", "all"] => Self::Reset(None),
            ["reset", name] => Self::Reset(Some(name.to_owned())),
            ["show", name] => Self::Show(name.replace('"', "")),
            ["select", call] if call.starts_with(CURRENT) => {
                let name = call[CURRENT.len()..].split('\'').next();
                Self::Show(name.unwrap_or_default().to_owned())
            }
            ["select", ..] => Self::Select,
            ["insert", ..] => Self::Insert,
            ["begin"] => Self::Begin,
            ["commit"] => Self::Commit { chain: false },
            ["commit", "and", "chain"] => Self::Commit { chain: true },
            ["rollback"] => Self::Rollback { chain: false },
            ["rollback", "and", "chain"] => Self::Rollback { chain: true },
            ["rollback", "to", name] => Self::RollbackTo(name.to_owned()),
            ["savepoint", name] => Self::Savepoint(name.to_owned()),
            ["set", "transaction", ..] => Self::SetTransaction,
            ["set", "local", ..] => Self::SetLocal,
            ["copy", _, "from", "stdin"] => Self::CopyIn,
            ["deallocate", "all"] => Self::DeallocateAll,
            ["drop" | "create" | "truncate", ..] => Self::Ddl,
            _ => Self::Unknown,
        }
    }

    /// Ends a transaction that has failed, or a part of it?
    pub fn is_exit(&self) -> bool {
        matches!(
            self,
            Self::Commit { .. } | Self::Rollback { .. } | Self::RollbackTo(_)
        )
    }

    /// May it see or change rows, so that it must not run without its zone?
    pub fn needs_zone(&self) -> bool {
        matches!(
            self,
            Self::Select
                | Self::Insert
                | Self::CopyIn
                | Self::Savepoint(_)
                | Self::DeallocateAll
                | Self::Fails(_)
        )
    }

    /// Comes SET TRANSACTION too late behind it? (True of some that take no snapshot themselves:
    /// the prefix ahead of them does.)
    pub fn takes_snapshot(&self) -> bool {
        let sets = matches!(self, Self::Choose(choose) if choose.by_set);
        !self.is_transaction_control() && !sets && !matches!(self, Self::SetLocal | Self::Reset(_))
    }

    /// Does PostgreSQL take a snapshot to analyse it?
    pub fn is_analyzed(&self) -> bool {
        self.has_rows() || *self == Self::Insert
    }

    /// Does it answer with rows?
    pub fn has_rows(&self) -> bool {
        let call = matches!(self, Self::Choose(choose) if !choose.by_set);
        call || matches!(
            self,
            Self::Select
                | Self::Guard
                | Self::SetZone
                | Self::Question
                | Self::Show(_)
                | Self::Fails(_)
        )
    }

    /// Is what stands before it outside of a block in one transaction with it?
    fn joins(&self) -> bool {
        matches!(
            self,
            Self::Begin | Self::Commit { chain: false } | Self::Rollback { chain: false }
        )
    }

    /// Is a block open behind it?
    fn leaves_open(&self, open: bool) -> bool {
        match self {
            Self::Begin | Self::Commit { chain: true } | Self::Rollback { chain: true } => true,
            Self::Commit { chain: false } | Self::Rollback { chain: false } => false,
            _ => open,
        }
    }

    fn is_transaction_control(&self) -> bool {
        matches!(
            self,
            Self::Begin | Self::Commit { .. } | Self::Rollback { .. } | Self::SetTransaction
        )
    }
}

/// The statements of a text; comments (`/*...*/`) are nothing.
pub fn read(text: &str) -> Vec<Statement> {
    let mut plain = text.to_ascii_lowercase();
    while let Some(start) = plain.find("/*") {
        let end = plain[start..].find("*/").map(|end| start + end + 2);
        plain.replace_range(start..end.unwrap_or(plain.len()), " ");
    }
    let parts = plain
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(Statement::read).collect()
}

/// Could it read or write rows of somebody's?
pub fn reads_rows(text: &str) -> bool {
    let statements = read(text);
    let mut all = statements.iter();
    all.any(|it| matches!(it, Statement::Insert | Statement::CopyIn))
        || (statements.contains(&Statement::Select) && text.contains(" from t"))
}

/// The SQLSTATE that the policy refuses a text with.
pub fn refusal(text: &str, login: Login, migration_open: bool) -> Option<&'static str> {
    let statements = read(text);
    if statements.is_empty() {
        return None;
    }
    let forbidden = match login {
        Login::Migrator => !migration_open,
        Login::Plain | Login::Session | Login::Zoned | Login::Chooser => {
            statements.contains(&Statement::Ddl)
        }
        // Only transcripts are about it.
        Login::Replication => true,
    };
    forbidden.then_some("42501")
}

/// The same for the text of a simple Query. Where zones are, transaction control stands beside other
/// statements only where they are one transaction, or can be sent in pieces. `open`: in a transaction block; `unsynced`: behind
/// messages without Sync.
pub fn query_refusal(
    text: &str,
    login: Login,
    migration_open: bool,
    open: bool,
    unsynced: bool,
) -> Option<&'static str> {
    let statements = read(text);
    let mixed = statements.len() > 1 && statements.iter().any(Statement::is_transaction_control);
    let in_one = pieces(&statements, open).len() == 1;
    let refused = mixed && !in_one && (unsynced || !could_be_cut(&statements, open));
    refusal(text, login, migration_open)
        .or_else(|| (matches!(login, Login::Zoned | Login::Chooser) && refused).then_some("0A000"))
}

/// Nothing depends on a block that is not there.
fn could_be_cut(statements: &[Statement], mut open: bool) -> bool {
    for statement in statements {
        match statement {
            Statement::SetTransaction
            | Statement::Commit { chain: true }
            | Statement::Rollback { chain: true }
                if !open =>
            {
                return false;
            }
            Statement::CopyIn => return false,
            _ => open = statement.leaves_open(open),
        }
    }
    true
}

/// Where each piece of a text begins: transaction control stands alone, but for what ends or takes in what stands
/// outside of a block before it.
fn pieces(statements: &[Statement], mut open: bool) -> Vec<usize> {
    let mut starts = Vec::new();
    let mut loose = false;
    for (at, statement) in statements.iter().enumerate() {
        let control = statement.is_transaction_control();
        let joins = loose && !open && statement.joins();
        if !(joins || (loose && !control)) {
            starts.push(at);
        }
        loose = !control;
        open = statement.leaves_open(open);
    }
    starts
}

/// The first statement of the last piece of a text; behind all of them where that is transaction control alone.
pub fn last_piece(statements: &[Statement], open: bool) -> usize {
    let start = pieces(statements, open).pop().unwrap_or(0);
    let control = |statement: &Statement| statement.is_transaction_control();
    start + usize::from(statements.get(start).is_some_and(control))
}

/// Every message of a program carries a mark `m<number>`, in a comment or as a bound value.
pub fn mark(bytes: &[u8]) -> Option<u32> {
    let text = String::from_utf8_lossy(bytes);
    let start = text.rfind("<m")? + 2;
    let end = start + text[start..].find('>')?;
    text[start..end].parse().ok()
}

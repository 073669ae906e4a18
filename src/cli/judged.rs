//! What explain, test and lint share: a policy from its file, a login of it, and the opinion of
//! every guard. Everything that these commands ask of the engine goes through here.

use std::path::Path;
use std::sync::Arc;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::config::{Problem, read, read_given};
use crate::policy::exception::exempt;
use crate::policy::{
    Chosen, Guard, Kind, Login, Mode, Objection, Phase, Policy, State, Who, guards, with_zone,
};
use crate::sql::walsender::{self, Walsender};
use crate::sql::{Depth, Facts, Fingerprint, Statement, describe_at};

/// A valid policy, and what is worth a look although it is valid.
///
/// # Errors
/// Every problem of the file.
pub(super) fn policy(path: &Path) -> Result<(Arc<Policy>, Vec<Problem>), Vec<Problem>> {
    parsed(path, &read(path)?)
}

/// The same of a file that the command line names, which may be a pipe.
///
/// # Errors
/// Every problem of the file.
pub(super) fn given_policy(path: &Path) -> Result<(Arc<Policy>, Vec<Problem>), Vec<Problem>> {
    parsed(path, &read_given(path)?)
}

fn parsed(path: &Path, text: &str) -> Result<(Arc<Policy>, Vec<Problem>), Vec<Problem>> {
    let (policy, warnings) = Policy::parse(text, &path.display().to_string())?;
    Ok((Arc::new(policy), warnings))
}

/// The same, for commands that can do nothing without it.
///
/// # Errors
/// Every problem of the file, as one text.
pub(super) fn valid_policy(path: &Path) -> Result<Arc<Policy>, String> {
    valid(path, policy(path)).map(|(policy, _)| policy)
}

/// The same of a file that the command line names, and what is worth a look in it.
///
/// # Errors
/// Every problem of the file, as one text.
pub(super) fn valid_given_policy(path: &Path) -> Result<(Arc<Policy>, Vec<Problem>), String> {
    valid(path, given_policy(path))
}

fn valid(
    path: &Path,
    read: Result<(Arc<Policy>, Vec<Problem>), Vec<Problem>>,
) -> Result<(Arc<Policy>, Vec<Problem>), String> {
    read.map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let what = match path.exists() {
            true => "the policy is not valid",
            false => "there is no such policy",
        };
        format!("{what}\n{}", problems.join("\n"))
    })
}

/// A login of the policy on one of its databases; `None`: the first that it may reach.
///
/// # Errors
/// There is no such login, or it may not reach that database.
pub(super) fn who(
    policy: &Arc<Policy>,
    login: &str,
    database: Option<&str>,
) -> Result<Who, String> {
    let Some(login) = policy.logins.get(login).cloned() else {
        let mut names: Vec<&str> = policy.logins.keys().map(|name| &**name).collect();
        names.sort_unstable();
        return Err(format!(
            "{} has no login \"{login}\"; it has {}",
            policy.file,
            names.join(", ")
        ));
    };
    let database = database
        .or(login.databases.first().map(|name| &**name))
        .unwrap_or_default();
    if !login.databases.iter().any(|name| **name == *database) {
        return Err(format!(
            "login \"{}\" may reach {} only, not \"{database}\"",
            login.name,
            login.databases.join(", ")
        ));
    }
    Ok(Who {
        database: database.into(),
        // Nobody has connected: any certificate stands for those that say a zone.
        login: with_zone(&login, Some("certificate".into())),
        policy: Arc::clone(policy),
    })
}

/// The logins in alphabetical order.
pub(super) fn logins(policy: &Policy) -> Vec<&Arc<Login>> {
    let mut logins: Vec<&Arc<Login>> = policy.logins.values().collect();
    logins.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    logins
}

/// Migration sessions are for migrators.
///
/// # Errors
/// The login is none.
pub(super) fn has_sessions(login: &Login) -> Result<(), String> {
    match login.kind {
        Kind::Migrator => Ok(()),
        _ => Err(format!(
            "login \"{}\" is not a migrator: it has no migration sessions",
            login.name
        )),
    }
}

/// What may have changed since the last statement: is the migration session open?
pub(super) fn state(migration_open: bool) -> State {
    State {
        migration_open,
        phase: None,
        today: Some(crate::clock::today()),
        chosen: Chosen::No,
        first: true,
    }
}

/// Has a client that sets its zone itself said one in its startup packet?
pub(super) fn chosen(zone: Option<&str>) -> Chosen {
    match zone {
        Some(_) => Chosen::FromStartup,
        None => Chosen::No,
    }
}

/// Reads a phase on the command line.
pub(super) fn phases() -> impl TypedValueParser<Value = Phase> {
    PossibleValuesParser::new(Phase::ALL.map(Phase::id))
        .try_map(|id| Phase::from_id(&id).ok_or("no phase"))
}

/// The facts about the text of one message, as close as can be.
pub(super) fn facts(text: &[u8]) -> Facts {
    describe_at(text, Depth::Names)
}

/// The walsender command that the text is on a replication connection of the login.
pub(super) fn command(text: &[u8], who: &Who) -> Option<Walsender> {
    match who.login.kind {
        Kind::Replication => walsender::read(text),
        _ => None,
    }
}

/// What is objected to a walsender command.
pub(super) fn of_command(command: &Walsender, who: &Who) -> Vec<Finding> {
    let objection = guards::replication::command(command, who);
    let finding = |objection| Finding {
        guard: Guard::Replication,
        objection,
        exempt: false,
        by_conversation: false,
    };
    objection.into_iter().map(finding).collect()
}

/// The mode of a guard for a login. An ended migration session is no matter of modes.
pub(super) fn mode(guard: Guard, who: &Who) -> Mode {
    let of_session = who.login.kind == Kind::Migrator && guard == Guard::DdlOutsideMigration;
    match of_session && !who.observes() {
        true => Mode::Enforce,
        false => who.policy.mode(guard),
    }
}

/// A guard that objects, in whatever mode.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub guard: Guard,
    pub objection: Objection,
    /// An exception lets the statement past the guard.
    pub exempt: bool,
    /// The conversation refused, which asks no mode.
    pub by_conversation: bool,
}

impl Finding {
    /// The mode of its guard; what the conversation refuses is refused.
    pub fn mode(&self, who: &Who) -> Mode {
        match self.by_conversation {
            true => Mode::Enforce,
            false => mode(self.guard, who),
        }
    }

    /// The id of the guard, or of the rule.
    pub fn id(&self) -> &str {
        let rule = self.objection.rule.as_ref();
        rule.map_or(self.guard.id(), |rule| &rule.id)
    }

    /// Does it refuse?
    pub fn refuses(&self, who: &Who) -> bool {
        self.mode(who) == Mode::Enforce && !self.exempt
    }

    /// The word for its mode.
    pub fn word(&self, who: &Who) -> &'static str {
        match self.mode(who) {
            Mode::Off => "off",
            _ if self.exempt => "exempt",
            Mode::Enforce => "refuse",
            Mode::Observe => "observe",
        }
    }

    /// The policy's line that says so.
    pub fn line(&self, who: &Who) -> u32 {
        let line = who.policy.guards[self.guard as usize].line;
        self.objection.rule.as_ref().map_or(line, |rule| rule.line)
    }
}

/// The guard that refuses: the first of them that enforces.
pub(super) fn enforced<'f>(findings: &'f [Finding], who: &Who) -> Option<&'f Finding> {
    findings.iter().find(|finding| finding.refuses(who))
}

/// Every guard that objects, whatever its mode, in the order in which they are asked.
pub(super) fn findings(facts: &Facts, who: &Who, state: State) -> Vec<Finding> {
    if who.login.kind == Kind::Migrator && !state.migration_open && !facts.is_empty_query() {
        let objection = guards::ddl_outside_migration::ended(facts);
        return vec![Finding {
            guard: Guard::DdlOutsideMigration,
            objection,
            exempt: false,
            by_conversation: false,
        }];
    }
    guards::TABLE
        .iter()
        .filter_map(|(guard, judge)| {
            Some(Finding {
                guard: *guard,
                objection: judge(facts, who, state)?,
                exempt: exempt(*guard, who, state, facts.fingerprint()),
                by_conversation: false,
            })
        })
        .collect()
}

/// Does the guard object, as among [`findings`]?
pub(super) fn objects(guard: Guard, facts: &Facts, who: &Who, state: State) -> bool {
    let ended = who.login.kind == Kind::Migrator && !state.migration_open;
    let mut table = guards::TABLE.iter();
    let judge = table.find(|(of, _)| *of == guard);
    ended || judge.is_none_or(|(_, judge)| judge(facts, who, state).is_some())
}

/// The facts as if the statement were the only one of its message; `fingerprint`: of the message.
pub(super) fn alone(statement: &Statement, fingerprint: Option<Fingerprint>) -> Facts {
    Facts {
        statements: vec![statement.clone()],
        classes: statement.classes,
        undescribed: None,
        fingerprint: fingerprint.into(),
    }
}

/// A text from a file or pipe without the mark (UTF-8's byte order mark) that some editors put at its beginning:
/// psql and migration tools drop it.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// Where each statement begins, in bytes: its first token. Positions rise from statement to statement.
pub(super) fn starts(text: &str, facts: &Facts) -> Vec<usize> {
    let mut starts = Vec::with_capacity(facts.statements.len());
    let (mut at, mut passed) = (0, 1);
    for statement in &facts.statements {
        let ahead = statement.position.saturating_sub(passed) as usize;
        let rest = &text[at..];
        at += rest
            .char_indices()
            .nth(ahead)
            .map_or(rest.len(), |(bytes, _)| bytes);
        passed = passed.max(statement.position);
        starts.push(at);
    }
    starts
}

/// The text of each statement: from its first token to the next one's.
pub(super) fn cut<'t>(text: &'t str, facts: &Facts) -> Vec<&'t str> {
    let starts = starts(text, facts);
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &text[*start..end.max(*start)])
        .collect()
}

/// Words with single spaces, without the closing semicolon, at most 120 characters, nothing that a
/// terminal obeys.
pub(super) fn one_line(text: &str) -> String {
    const MOST: usize = 120;
    let words = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    let line = line.trim_end_matches([';', ' ']);
    match line.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line.to_owned(),
    }
}

/// `1 case`, `2 cases`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

//! The verbs, done.

use std::sync::Arc;
use std::time::Duration;

use super::reply::{Answer, Column, Refused, Rest, Type};
use super::verb::{HELP, OpenMigration, Verb};
use super::{ConsoleState, Person, report};
use crate::config::{Config, SslMode};
use crate::error::SqlState;
use crate::migration::Session;
use crate::migration::registry::{RegistryError, STATEMENTS_READ, SessionRow, State, StatementRow};
use crate::migration::sessions::{Opening, Sessions, now};
use crate::migration::span::{show, time_of_day, timestamp};
use crate::migration::token::{SessionId, Token, login_of};
use crate::policy::{ConsoleRole, Kind, Phase, Policy};

/// A session's life when nobody says: one hour, or the policy's `max_ttl` if that is shorter.
const DEFAULT_TTL: Duration = Duration::from_secs(3600);
/// Shorter would end before a tool has connected.
const MIN_TTL: Duration = Duration::from_secs(1);
/// How many sessions `SHOW MIGRATIONS` lists.
const SESSIONS_SHOWN: usize = 100;

const UNDEFINED: SqlState = SqlState(*b"42704");
const WRONG_STATE: SqlState = SqlState(*b"55000");
const IO_ERROR: SqlState = SqlState(*b"58030");
const INVALID_VALUE: SqlState = SqlState(*b"22023");
const CONFIG_FILE: SqlState = SqlState(*b"F0000");

const VERSION: &[Column] = &[("version", Type::Text)];
const HELP_COLUMNS: &[Column] = &[("verb", Type::Text), ("meaning", Type::Text)];
const SESSIONS: &[Column] = &[
    ("id", Type::Text),
    ("database", Type::Text),
    ("phase", Type::Text),
    ("role", Type::Text),
    ("state", Type::Text),
    ("statements", Type::Number),
    ("ends", Type::Text),
    ("reason", Type::Text),
    ("by", Type::Text),
    ("opened_at", Type::Text),
    ("ended_at", Type::Text),
    ("note", Type::Text),
];
const STATEMENTS: &[Column] = &[
    ("number", Type::Number),
    ("statement", Type::Text),
    ("ms", Type::Number),
    ("sqlstate", Type::Text),
    ("fingerprint", Type::Text),
    ("at", Type::Text),
];
const OPENED: &[Column] = &[
    ("id", Type::Text),
    ("login", Type::Text),
    ("token", Type::Text),
    ("database", Type::Text),
    ("ends", Type::Text),
    ("host", Type::Text),
    ("port", Type::Number),
    ("sslmode", Type::Text),
    ("sslrootcert", Type::Text),
    ("phase", Type::Text),
];

/// Root and the proxy's own user may do everything; members of the socket's group what the policy
/// grants the login of their name.
fn permit(policy: &Policy, person: &Person, needed: ConsoleRole) -> Result<(), Refused> {
    let login = policy.logins.get(&*person.name);
    let granted = login.and_then(|login| login.console);
    if person.owner || granted.is_some_and(|granted| granted >= needed) {
        return Ok(());
    }
    let needed = needed.id();
    let mut refused = Refused::new(
        SqlState::POLICY,
        format!("permission denied for \"{}\" on the console", person.name),
    );
    refused.detail = Some(format!("The verb needs console = \"{needed}\"."));
    refused.hint = Some(format!(
        "Give login \"{}\" console = \"{needed}\" in the policy.",
        person.name
    ));
    Err(refused)
}

/// Does one verb for one person.
pub(super) async fn execute(
    state: &ConsoleState,
    person: &Person,
    verb: Verb,
) -> Result<Answer, Refused> {
    permit(&state.proxy.policy(), person, verb.needs())?;
    match verb {
        Verb::ShowVersion => Ok(rows(
            "SHOW",
            VERSION,
            vec![vec![Some(
                concat!("Portcullis ", env!("CARGO_PKG_VERSION")).into(),
            )]],
        )),
        Verb::ShowHelp => Ok(rows(
            "SHOW",
            HELP_COLUMNS,
            HELP.iter()
                .map(|(verb, meaning)| vec![text(verb), text(meaning)])
                .collect(),
        )),
        Verb::ShowMigrations => {
            let found = sessions(state)?
                .list(SESSIONS_SHOWN)
                .await
                .map_err(refused)?;
            Ok(rows(
                "SHOW",
                SESSIONS,
                found.iter().map(session_row).collect(),
            ))
        }
        Verb::ShowMigration(id) => statements(state, Rest { id, behind: 0 }).await,
        Verb::ShowReport => Ok(report::rows(state)),
        Verb::ShowGuards => Ok(report::guards(state)),
        Verb::ShowLogins => Ok(report::logins(state)),
        Verb::OpenMigration(asked) => open(state, person, asked).await,
        Verb::CloseMigration { id, note } => {
            sessions(state)?
                .close(id, &person.name, note.as_deref())
                .await
                .map_err(refused)?;
            tracing::info!(session = %id, by = %person.name, "migration session closed");
            Ok(done("CLOSE MIGRATION"))
        }
        Verb::Reload => {
            state.proxy.reload().await.map_err(|problems| {
                Refused::new(CONFIG_FILE, "nothing was reloaded")
                    .detail(problems)
                    .hint("Check both files: portcullis check")
            })?;
            Ok(done("RELOAD"))
        }
        Verb::Shutdown => {
            tracing::info!(by = %person.name, "shutdown asked for on the console");
            state.proxy.shutdown();
            Ok(done("SHUTDOWN"))
        }
    }
}

/// Some of a session's statements, and where they go on.
pub(super) async fn statements(state: &ConsoleState, from: Rest) -> Result<Answer, Refused> {
    let shown = sessions(state)?.show(from.id, from.behind).await;
    let (_, shown) = shown.map_err(refused)?;
    let rest = shown.last().map(|last| Rest {
        id: from.id,
        behind: last.number,
    });
    Ok(Answer {
        columns: STATEMENTS,
        rows: shown.iter().map(statement_row).collect(),
        tag: "SHOW",
        rest: rest.filter(|_| shown.len() == STATEMENTS_READ),
    })
}

async fn open(
    state: &ConsoleState,
    person: &Person,
    asked: OpenMigration,
) -> Result<Answer, Refused> {
    let sessions = sessions(state)?;
    let (policy, config) = (state.proxy.policy(), state.proxy.config());
    let opening = judge(&policy, &config, asked, person)?;
    let (role, by) = (opening.role.clone(), opening.by.clone());
    let (session, token) = sessions.open(opening).await.map_err(refused)?;
    let phase = session.phase.map_or("none", Phase::id);
    tracing::info!(session = %session.id, database = %session.database, phase, role, by, "migration session opened");
    Ok(rows(
        "OPEN MIGRATION",
        OPENED,
        vec![opened_row(&session, &token, &config)],
    ))
}

/// May it be opened at all? Everything but the lease, which only the registry knows.
fn judge(
    policy: &Policy,
    config: &Config,
    asked: OpenMigration,
    person: &Person,
) -> Result<Opening, Refused> {
    if config.session.is_none() {
        return Err(Refused::new(
            SqlState::UNSUPPORTED,
            "migration sessions need a session route",
        )
        .hint("Add [route.session] to the configuration."));
    }
    let role = role(policy, &asked)?;
    let max_ttl = policy.migrations.max_ttl;
    let ttl = asked.ttl.unwrap_or(DEFAULT_TTL.min(max_ttl));
    if ttl < MIN_TTL || ttl > max_ttl {
        return Err(Refused::new(
            INVALID_VALUE,
            format!("TTL is out of bounds: 1s to {}", show(max_ttl)),
        )
        .detail("The upper one is max_ttl in [migrations] of the policy."));
    }
    Ok(Opening {
        database: asked.database,
        role,
        reason: asked.reason,
        phase: asked.phase,
        ttl,
        by: person.name.clone(),
    })
}

/// The migrator login asked for, or the only one there is for the database.
fn role(policy: &Policy, asked: &OpenMigration) -> Result<String, Refused> {
    let database = asked.database.as_str();
    let mut migrators: Vec<&str> = policy
        .logins
        .values()
        .filter(|login| {
            login.kind == Kind::Migrator
                && login.databases.iter().any(|granted| **granted == *database)
        })
        .map(|login| &*login.name)
        .collect();
    migrators.sort_unstable();
    match (&asked.role, migrators.as_slice()) {
        (Some(role), names) if names.contains(&role.as_str()) => Ok(role.clone()),
        (None, [only]) => Ok((*only).to_owned()),
        (_, []) => Err(Refused::new(
            SqlState::POLICY,
            format!("no login of kind migrator reaches database \"{database}\""),
        )
        .hint(format!("Add one to {}.", policy.file))),
        (Some(role), names) => Err(Refused::new(
            SqlState::POLICY,
            format!("login \"{role}\" cannot run migrations on database \"{database}\""),
        )
        .hint(format!("Use ROLE '{}'.", names.join("' or '")))),
        (None, names) => Err(Refused::new(
            INVALID_VALUE,
            format!("several logins can run migrations on database \"{database}\""),
        )
        .hint(format!("Use ROLE '{}'.", names.join("' or '")))),
    }
}

fn sessions(state: &ConsoleState) -> Result<&Arc<Sessions>, Refused> {
    state.sessions.as_ref().ok_or_else(|| {
        Refused::new(SqlState::UNSUPPORTED, "migration sessions need a registry")
            .hint("Add [registry] path to the configuration.")
    })
}

fn opened_row(session: &Session, token: &Token, config: &Config) -> Vec<Option<String>> {
    let listen = &config.listen;
    let (host, port) = match &listen.advertise {
        Some(endpoint) => (endpoint.host.clone(), endpoint.port),
        None if listen.postgres.ip().is_unspecified() => {
            ("localhost".to_owned(), listen.postgres.port())
        }
        None => (listen.postgres.ip().to_string(), listen.postgres.port()),
    };
    let sslmode = if config.client_tls.sslmode == SslMode::Disable {
        "disable"
    } else {
        "verify-full"
    };
    vec![
        Some(session.id.to_string()),
        Some(login_of(&session.role, session.id)),
        text(token.reveal()),
        text(&session.database),
        Some(timestamp(session.ends_at)),
        Some(host),
        Some(port.to_string()),
        text(sslmode),
        listen
            .advertise_sslrootcert
            .as_ref()
            .map(|path| path.display().to_string()),
        session.phase.map(|phase| phase.id().to_owned()),
    ]
}

fn session_row(row: &SessionRow) -> Vec<Option<String>> {
    let left = Duration::from_millis(u64::try_from(row.ends_at.saturating_sub(now())).unwrap_or(0));
    let state = if row.complete {
        row.state.id().to_owned()
    } else {
        format!("{}, record incomplete", row.state.id())
    };
    vec![
        Some(row.id.to_string()),
        text(&row.database),
        row.phase.map(|phase| phase.id().to_owned()),
        text(&row.role),
        Some(state),
        Some(row.statements.to_string()),
        (row.state == State::Open).then(|| show(left)),
        text(&row.reason),
        text(&row.opened_by),
        Some(timestamp(row.opened_at)),
        row.closed_at.map(timestamp),
        row.note.clone(),
    ]
}

fn statement_row(row: &StatementRow) -> Vec<Option<String>> {
    vec![
        Some(row.number.to_string()),
        Some(row.text.clone().unwrap_or_else(|| row.tag.clone())),
        Some(row.duration.as_millis().to_string()),
        text(&row.outcome),
        row.fingerprint.clone(),
        Some(timestamp(row.started_at)),
    ]
}

fn rows(tag: &'static str, columns: &'static [Column], rows: Vec<Vec<Option<String>>>) -> Answer {
    Answer {
        columns,
        rows,
        tag,
        rest: None,
    }
}

fn done(tag: &'static str) -> Answer {
    Answer {
        tag,
        ..Answer::default()
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// The registry's refusal in the console's words.
fn refused(error: RegistryError) -> Refused {
    match &error {
        RegistryError::Held(holder) => Refused::new(
            SqlState::LOCK_NOT_AVAILABLE,
            format!(
                "database \"{}\" has an open migration session",
                holder.database
            ),
        )
        .detail(format!(
            "Session {} of \"{}\" holds the lease until {}.",
            holder.id,
            holder.by,
            time_of_day(holder.until)
        ))
        .hint(format!("portcullis migration show {}", holder.id)),
        RegistryError::NoSession(_) => {
            Refused::new(UNDEFINED, error.to_string()).hint("portcullis migration list")
        }
        RegistryError::Ended(id) => Refused::new(WRONG_STATE, error.to_string())
            .hint(format!("portcullis migration show {id}")),
        RegistryError::Full | RegistryError::Late | RegistryError::Gone => {
            Refused::new(SqlState::NOT_READY, error.to_string())
        }
        RegistryError::File { .. } | RegistryError::Verifier(_) | RegistryError::NoRandomness => {
            Refused::new(IO_ERROR, error.to_string())
        }
    }
}

/// The sessions whose secrets an answer carries: when it cannot be delivered, nobody has them.
pub(super) fn opened_in(answer: &Answer) -> Option<SessionId> {
    (answer.columns == OPENED).then(|| answer.rows.first()?.first()?.as_deref()?.parse().ok())?
}

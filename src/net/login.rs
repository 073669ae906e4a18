//! Who is asking: SCRAM with the client, then what the policy grants them.

use std::rc::Rc;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::handshake::Hello;
use super::shared::Snapshot;
use super::stream::Stream;
use super::worker::{Worker, random};
use crate::auth::scram::{self, Keys, ScramError, ServerExchange, mock_verifier};
use crate::clock;
use crate::config::shell::keys_add;
use crate::error::SqlState;
use crate::migration::Session;
use crate::migration::token::split_login;
use crate::policy::guards::human_write::READS;
use crate::policy::{Guard, Kind, Login, NoZone, RouteName, Who, ZoneSource, with_zone};
use crate::protocol::frame::{self, HEADER, cstr};
use crate::protocol::reply::{self, ErrorReply};
use crate::protocol::startup::{self, Packet, Startup};
use crate::telemetry::labels::LoginOutcome;
use crate::tls::names::names;
use crate::zone::Prefix;

/// The largest password message.
const MAX_MESSAGE: usize = 16 * 1024;

/// A client that has proved who it is.
#[derive(Clone)]
pub struct Identity {
    /// For the policy.
    pub who: Who,
    /// The PostgreSQL role behind.
    pub role: Box<str>,
    /// The role's keys.
    pub keys: Keys,
    /// Which pool.
    pub route: RouteName,
    /// The migration session whose token it showed.
    pub session: Option<Arc<Session>>,
    /// What sets its zone.
    pub prefix: Option<Arc<Prefix>>,
    /// The generation of the files by which it was let in.
    pub generation: u64,
}

/// Why it is not let in.
pub struct Refused {
    /// For the counters.
    pub outcome: LoginOutcome,
    /// For the log.
    pub why: String,
    /// For the client; `None` when it is gone.
    pub reply: Option<Box<ErrorReply>>,
}

impl Refused {
    /// Refused with the same words for the client and the log.
    pub fn new(outcome: LoginOutcome, reply: impl Into<Box<ErrorReply>>) -> Self {
        let reply = reply.into();
        Self {
            outcome,
            why: reply.message.clone(),
            reply: Some(reply),
        }
    }

    /// Refused for its startup packet. `zones`: the log may name the zone that it asks for.
    pub fn settings(reply: Box<ErrorReply>, zones: bool) -> Self {
        let by = reply.decided.as_ref().map(|(by, ..)| by.to_string());
        let by = by.filter(|by| !zones && by.starts_with("zone-"));
        let refused = Self::new(LoginOutcome::Protocol, reply);
        match by {
            Some(guard) => Self {
                why: format!("refused by guard \"{guard}\""),
                ..refused
            },
            None => refused,
        }
    }

    fn gone(why: impl ToString) -> Self {
        Self {
            outcome: LoginOutcome::Protocol,
            why: why.to_string(),
            reply: None,
        }
    }
}

/// Who a name stands for.
struct Candidate {
    login: Arc<Login>,
    verifier: scram::Verifier,
    session: Option<Arc<Session>>,
}

/// Proves who the client is. On success AuthenticationOk has been sent.
pub async fn authenticate(
    hello: &mut Hello,
    startup: &Startup<'_>,
    worker: &Rc<Worker>,
) -> Result<Identity, Refused> {
    let generation = worker.shared.generation();
    let snapshot = worker.shared.snapshot();
    let user = startup.get("user").filter(|user| !user.is_empty());
    let Some(user) = user else {
        let reply = ErrorReply::fatal(
            SqlState::IDENTITY,
            "no user name specified in startup packet",
        );
        return Err(Refused::new(LoginOutcome::Protocol, reply));
    };
    let database = startup.get("database").filter(|name| !name.is_empty());
    let database = database.unwrap_or(user);

    let candidate = find(user, &snapshot, worker);
    // Made for everybody, so that the time it takes tells nothing.
    let secret = &worker.shared.mock_secret;
    let mut mock = mock_verifier(secret, user);
    mock.iterations = snapshot.mock_iterations.of(secret, user);
    let verifier = match &candidate {
        Some(candidate) => candidate.verifier.clone(),
        None => mock,
    };
    let proved = exchange(hello, verifier, candidate.is_some()).await;
    let (client_key, server_final) = proved.map_err(|failure| match failure {
        Failure::Gone(why) => Refused::gone(why),
        Failure::Scram(error) => wrong(user, candidate.is_none(), &error),
    })?;
    let Some(candidate) = candidate else {
        // The mock exchange cannot succeed; if it ever did, this is still a stranger.
        return Err(wrong(user, true, &ScramError::WrongProof));
    };
    let stream = &hello.stream;
    let mut identity = admit(candidate, &client_key, database, stream, &snapshot)?;
    identity.generation = generation;
    let mut out = Vec::new();
    reply::put_sasl_final(&mut out, &server_final);
    reply::put_authentication_ok(&mut out);
    let written = hello.stream.write_all(&out).await;
    written.map_err(Refused::gone)?;
    Ok(identity)
}

fn find(user: &str, snapshot: &Snapshot, worker: &Worker) -> Option<Candidate> {
    if let Some((role, id)) = split_login(user) {
        let session = worker.shared.sessions.as_ref()?.lookup(id)?;
        let login = snapshot.files.policy.logins.get(role)?;
        let same = *session.role == *role && login.kind == Kind::Migrator;
        return same.then(|| Candidate {
            login: Arc::clone(login),
            verifier: session.verifier.clone(),
            session: Some(session),
        });
    }
    Some(Candidate {
        login: Arc::clone(snapshot.files.policy.logins.get(user)?),
        verifier: snapshot.files.users.get(user)?.clone(),
        session: None,
    })
}

/// The login that somebody wanted to be, if the policy has it, and whether by the token of a migration session. Other
/// names are not told: people type passwords there.
pub fn attempted(packet: &[u8], worker: &Worker) -> Option<(String, bool)> {
    let Ok(Packet::Startup(startup)) = startup::parse(packet) else {
        return None;
    };
    let user = startup.get("user")?;
    let session = split_login(user);
    let name = session.map_or(user, |(role, _)| role);
    let snapshot = worker.shared.snapshot();
    let login = snapshot.files.policy.logins.get(name)?;
    Some((login.name.to_string(), session.is_some()))
}

/// One answer for a wrong password and for a name that nobody has.
fn wrong(user: &str, unknown: bool, error: &ScramError) -> Refused {
    let outcome = match (unknown, error) {
        (true, _) => LoginOutcome::Unknown,
        (false, ScramError::WrongProof) => LoginOutcome::WrongPassword,
        (false, _) => LoginOutcome::Protocol,
    };
    let message = format!("password authentication failed for user \"{user}\"");
    Refused {
        outcome,
        why: error.to_string(),
        reply: Some(Box::new(ErrorReply::fatal(error.client_state(), message))),
    }
}

/// What the policy grants somebody who has proved who they are.
fn admit(
    candidate: Candidate,
    client_key: &[u8; 32],
    database: &str,
    stream: &Stream,
    snapshot: &Snapshot,
) -> Result<Identity, Refused> {
    let (address, certificate) = (stream.peer_address(), stream.peer_certificate());
    let Candidate {
        login,
        verifier,
        session,
    } = candidate;
    if !login.admits_peer(address) {
        return Err(not_from_there(&login));
    }
    let granted = login.databases.iter().any(|name| **name == *database);
    let open = session
        .as_ref()
        .is_none_or(|session| *session.database == *database);
    if !granted || !open {
        let elsewhere = session.as_deref().filter(|_| granted);
        return Err(not_there(&login, elsewhere, database));
    }
    if login.kind == Kind::Migrator && session.is_none() {
        return Err(without_session(&login, database));
    }
    let login = in_zone(login, certificate, snapshot)?;
    let role = login
        .server_role
        .clone()
        .unwrap_or_else(|| login.name.clone());
    let keys = if session.is_some() || *role != *login.name {
        let keys = snapshot.files.keys.get(&role).cloned();
        keys.ok_or_else(|| no_key(&role))?
    } else {
        Keys::proved(&verifier, client_key)
    };
    let route = match session {
        Some(_) => RouteName::Session,
        None => login.route,
    };
    let zone = snapshot.prefix(&login, database);
    let who = Who {
        policy: Arc::clone(&snapshot.files.policy),
        login,
        database: database.into(),
    };
    Ok(Identity {
        prefix: prefix(zone.filter(|_| who.zone_is_guarded()), &who),
        who,
        role,
        keys,
        route,
        session,
        generation: 0,
    })
}

/// What each transaction begins with: the zone, and that it only reads.
fn prefix(zone: Option<Arc<Prefix>>, who: &Who) -> Option<Arc<Prefix>> {
    if !who.only_reads(Some(clock::today())) {
        return zone;
    }
    Some(Arc::new(match zone {
        Some(zone) => zone.with(READS),
        None => Prefix::new(&[READS], None),
    }))
}

/// Told only to who knows the password: to others it looks like any wrong one.
fn not_from_there(login: &Login) -> Refused {
    let message = format!("login \"{}\" may not connect from this address", login.name);
    let reply = ErrorReply::fatal(SqlState::IDENTITY, message)
        .detail("The policy names the networks it may come from.".to_owned());
    Refused::new(LoginOutcome::NotGranted, reply)
}

/// The database is not granted, or the session that would do is open on another one.
fn not_there(login: &Login, elsewhere: Option<&Session>, database: &str) -> Refused {
    let message = format!("permission denied for database \"{database}\"");
    let detail = match elsewhere {
        Some(session) => format!(
            "Migration session {} is open on database \"{}\".",
            session.id, session.database
        ),
        None => format!("The policy does not grant it to login \"{}\".", login.name),
    };
    let reply = ErrorReply::fatal(SqlState::POLICY, message).detail(detail);
    Refused::new(LoginOutcome::NotGranted, reply)
}

fn without_session(login: &Login, database: &str) -> Refused {
    let message = format!(
        "login \"{}\" exists only inside a migration session",
        login.name
    );
    let hint = format!(
        "Run: portcullis migration run --database {database} --reason \"...\" -- <your tool>"
    );
    let reply = ErrorReply::fatal(SqlState::IDENTITY, message).hint(hint);
    Refused::new(LoginOutcome::MigrationClosed, reply)
}

/// The login, with the zone that the certificate says where it is to. Whatever the mode of the guard: without
/// one it could do nothing. Not where the whole policy observes.
fn in_zone(
    login: Arc<Login>,
    certificate: Option<&[u8]>,
    snapshot: &Snapshot,
) -> Result<Arc<Login>, Refused> {
    let source = login.zone.as_ref().and_then(ZoneSource::certificate);
    let Some(source) = source.filter(|_| login.kind != Kind::Migrator) else {
        return Ok(login);
    };
    let policy = &snapshot.files.policy;
    let found = match certificate {
        Some(certificate) => source.read(&names(certificate, source.field)).map_err(Some),
        None => Err(None),
    };
    match found {
        Ok(zone) => Ok(with_zone(&login, Some(zone))),
        Err(_) if policy.observes => Ok(login),
        Err(why) => {
            let noun = policy.zone.as_ref().map_or("zone", |zone| &zone.noun);
            Err(without_zone(&login, noun, why))
        }
    }
}

/// None of the names is told: others may read the log.
fn without_zone(login: &Login, noun: &str, why: Option<NoZone>) -> Refused {
    let (detail, hint) = match why {
        None => (
            "The client has shown no certificate.".to_owned(),
            "Set sslcert and sslkey (with a TLS connection).",
        ),
        Some(NoZone::NoName) => (
            format!("No name in the client's certificate fits the pattern of the {noun}."),
            "Connect with a certificate that names one.",
        ),
        Some(NoZone::Several) => (
            format!("The names in the client's certificate say more than one {noun}."),
            "Connect with a certificate that names one.",
        ),
        Some(NoZone::NotGranted) => (
            format!("The policy does not grant it the {noun} in the client's certificate."),
            "Name it in \"values\" of the login's zone, or connect with another certificate.",
        ),
    };
    let message = format!("login \"{}\" has no {noun} on this connection", login.name);
    let mut reply = ErrorReply::fatal(SqlState::IDENTITY, message)
        .detail(detail)
        .hint(hint);
    reply.decided = Some((Guard::ZoneNotGranted.id().into(), String::new(), 0));
    Refused::new(LoginOutcome::NotGranted, reply)
}

/// The files are not named: the client reads this.
fn no_key(role: &str) -> Refused {
    let message = format!("no server key for role \"{role}\"");
    let keys_add = keys_add("KEY_FILE", role, "AUTH_FILE");
    let hint = format!("{keys_add}, with the files of [auth]");
    let reply = ErrorReply::fatal(SqlState::IDENTITY, message).hint(hint);
    Refused::new(LoginOutcome::NoServerKey, reply)
}

enum Failure {
    Gone(String),
    Scram(ScramError),
}

/// The SCRAM exchange; gives the client's key and the message that proves us to the client.
async fn exchange(
    hello: &mut Hello,
    verifier: scram::Verifier,
    genuine: bool,
) -> Result<(zeroize::Zeroizing<[u8; 32]>, Vec<u8>), Failure> {
    let over_tls = matches!(hello.stream, Stream::Tls(_));
    let mechanisms: &[&str] = if hello.end_point.is_some() {
        &[scram::MECHANISM_PLUS, scram::MECHANISM]
    } else {
        &[scram::MECHANISM]
    };
    let mut out = Vec::new();
    reply::put_sasl(&mut out, mechanisms);
    let message = ask(&mut hello.stream, &out).await?;
    let (mechanism, first) = initial_response(&message)
        .ok_or(Failure::Scram(ScramError::Malformed("SASLInitialResponse")))?;

    let nonce = random().ok_or_else(|| Failure::Gone("no randomness".to_owned()))?;
    let end_point = hello.end_point.clone();
    let exchange = ServerExchange::new(verifier, genuine, end_point, over_tls, nonce);
    let (exchange, answer) = exchange.first(mechanism, first).map_err(Failure::Scram)?;
    out.clear();
    reply::put_sasl_continue(&mut out, &answer);
    let message = ask(&mut hello.stream, &out).await?;
    let proved = exchange.finish(&message).map_err(Failure::Scram)?;
    Ok((proved.client_key, proved.server_final))
}

/// Sends `question` and reads one password message.
async fn ask(stream: &mut Stream, question: &[u8]) -> Result<Vec<u8>, Failure> {
    let gone = |error: std::io::Error| Failure::Gone(error.to_string());
    stream.write_all(question).await.map_err(gone)?;
    stream.flush().await.map_err(gone)?;
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).await.map_err(gone)?;
    let header = frame::header(&head).ok().flatten();
    let header = header.filter(|header| header.kind == b'p' && header.total <= MAX_MESSAGE);
    let header = header.ok_or(Failure::Scram(ScramError::Malformed(
        "password message expected",
    )))?;
    let mut body = vec![0; header.total - HEADER];
    stream.read_exact(&mut body).await.map_err(gone)?;
    Ok(body)
}

/// Mechanism and data of a SASLInitialResponse.
fn initial_response(body: &[u8]) -> Option<(&str, &[u8])> {
    let (mechanism, rest) = cstr(body)?;
    let (length, data) = rest.split_first_chunk::<4>()?;
    let fits = u32::from_be_bytes(*length) as usize == data.len();
    Some((std::str::from_utf8(mechanism).ok()?, fits.then_some(data)?))
}

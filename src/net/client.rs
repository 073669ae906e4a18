//! One client's life, from its first byte to its last. Read it from top to bottom.

use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::arrivals::Arrival;
use super::cancel::{self, CancelKey};
use super::connect::{connect, dial};
use super::exit::Exit;
use super::failures;
use super::farewell::{leave, say};
use super::handshake::{self, Ended, Hello, Wish};
use super::login::{self, Identity, Refused};
use super::observer::Watcher;
use super::peers::Request;
use super::pump::{self, Pump};
use super::server::{NoServer, Server};
use super::server_role;
use super::settings::{self, Settings};
use super::share::{Seat, Share};
use super::standing::Standing;
use super::stream::{Backlog, Stream};
use super::worker::{Place, Worker, random};
use crate::conversation::{Conversation, Origins, Setup, put_reports};
use crate::error::SqlState;
use crate::policy::RouteName;
use crate::protocol::reply::{self, ErrorReply};
use crate::protocol::startup::{self, Packet, Startup};
use crate::telemetry::labels::{HandshakeKind, HandshakeOutcome, LoginOutcome, Rejected};
use crate::telemetry::log::ConnectionId;

/// Serves one client.
pub async fn serve(socket: TcpStream, worker: Rc<Worker>, place: Place, arrival: Arrival) {
    let _place = place;
    worker.counters.client_opened();
    let connection = arrival.connection;
    // The futures of the login are large: boxed, they are gone once the client is in.
    let arriving = unless_displaced(arrival, socket, &worker);
    if let Some(ready) = Box::pin(arriving).await {
        stay(ready, &worker, connection).await;
    }
    worker.counters.client_closed();
}

/// Arrives, unless another one takes its place among those who do.
async fn unless_displaced(
    arrival: Arrival,
    socket: TcpStream,
    worker: &Rc<Worker>,
) -> Option<Box<Ready>> {
    let arriving = measured(worker, arrive(socket, worker, arrival.connection));
    tokio::select! {
        biased;
        arrived = arriving => arrived,
        () = arrival.displaced() => None,
    }
}

/// Runs `future`; how long each step of it holds the worker is measured, as [`Pump`] does its own.
async fn measured<F: Future>(worker: &Worker, future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| {
        let began = Instant::now();
        let polled = future.as_mut().poll(cx);
        worker.counters.poll(began.elapsed());
        polled
    })
    .await
}

/// A client that is logged in on both sides. Boxed: a future has room for everything that is moved into it,
/// and again where it is moved to.
pub(super) struct Ready {
    pub pump: Pump,
    pub identity: Identity,
    settings: Settings,
    pub key: CancelKey,
    _seat: Seat,
    _share: Option<Share>,
}

/// TLS, identity, server: in `client_login_timeout`.
async fn arrive(socket: TcpStream, worker: &Rc<Worker>, connection: u32) -> Option<Box<Ready>> {
    let deadline = tokio::time::Instant::now() + worker.shared.config.limits.client_login_timeout;
    let negotiated = tokio::time::timeout_at(deadline, handshake::negotiate(socket, worker)).await;
    let wish = match negotiated {
        Ok(Ok(wish)) => wish,
        Ok(Err(ended)) => {
            turn_away(ended, worker, connection).await;
            return None;
        }
        Err(_) => {
            worker
                .counters
                .handshake(HandshakeKind::Bad, HandshakeOutcome::Timeout);
            return None;
        }
    };
    match wish {
        Wish::Cancel {
            process,
            secret,
            mut stream,
        } => {
            worker
                .counters
                .handshake(HandshakeKind::Cancel, HandshakeOutcome::Ok);
            worker.arrivals.borrow_mut().leave(connection);
            let request = Request {
                process,
                secret: &secret,
                from: stream.peer_address(),
            };
            let outcome = cancel::carry(&worker.shared, request).await;
            worker.counters.cancel(outcome);
            let _ = stream.shutdown().await;
            None
        }
        Wish::Login(hello) => {
            worker.counters.handshake(hello.kind, HandshakeOutcome::Ok);
            enter(hello, worker, connection, deadline).await
        }
    }
}

async fn turn_away(ended: Ended, worker: &Rc<Worker>, connection: u32) {
    worker.counters.handshake(ended.kind, ended.outcome);
    tracing::debug!(connection = %ConnectionId(connection.into()), why = ended.why, "no handshake");
    if let Some(farewell) = ended.farewell {
        let (mut stream, reply) = *farewell;
        say(&mut stream, Backlog::default(), &reply).await;
    }
}

async fn enter(
    mut hello: Hello,
    worker: &Rc<Worker>,
    connection: u32,
    deadline: tokio::time::Instant,
) -> Option<Box<Ready>> {
    let packet = std::mem::take(&mut hello.packet);
    let entered = log_in(&mut hello, &packet, worker, connection);
    let refused = match tokio::time::timeout_at(deadline, entered).await {
        Ok(Ok(admitted)) => {
            worker.counters.login(LoginOutcome::Ok);
            return Some(admitted.ready(hello.stream, worker, connection));
        }
        Ok(Err(refused)) => refused,
        Err(_) => {
            let reply = ErrorReply::fatal(SqlState::IDENTITY, "client_login_timeout expired");
            Refused::new(LoginOutcome::Timeout, reply)
        }
    };
    worker.counters.login(refused.outcome);
    let client = hello.stream.peer_address();
    failures::note(worker, connection, &packet, &refused, client);
    if let Some(reply) = refused.reply {
        say(&mut hello.stream, Backlog::default(), &reply).await;
    }
    None
}

/// What a login leaves behind.
struct Admitted {
    identity: Identity,
    origins: Arc<Origins>,
    settings: Settings,
    server: Server,
    key: CancelKey,
    random: [u64; 2],
    seat: Seat,
    share: Option<Share>,
}

async fn log_in(
    hello: &mut Hello,
    packet: &[u8],
    worker: &Rc<Worker>,
    connection: u32,
) -> Result<Admitted, Refused> {
    let Ok(Packet::Startup(startup)) = startup::parse(packet) else {
        let reply = ErrorReply::fatal(SqlState::PROTOCOL, "invalid startup packet layout");
        return Err(Refused::new(LoginOutcome::Protocol, reply));
    };
    if let Some(reply) = handshake::not_ready(worker) {
        return Err(Refused::new(LoginOutcome::NotReady, reply));
    }
    if let Some(unknown) = startup.negotiate() {
        let mut out = Vec::new();
        reply::put_negotiate(&mut out, startup.minor, &unknown);
        send(&mut hello.stream, &out).await?;
    }
    let identity = login::authenticate(hello, &startup, worker).await?;
    let seat = take_seat(worker)?;
    worker.arrivals.borrow_mut().leave(connection);
    let share = Share::take(&identity, worker)?;
    let mut settings = sort(&startup, &identity, worker)?;
    let connected = connect(worker, &identity, &mut settings, connection).await;
    let (server, values) = connected.map_err(no_server)?;
    let names = std::mem::take(&mut settings.kept).into_iter();
    let kept: Vec<_> = names.map(|(name, _)| name).zip(values).collect();
    let (key, random) = mint(worker, startup.minor, &hello.stream)?;
    key.lead_to(Some(server.target.clone()));
    let mut out = Vec::new();
    put_reports(&mut out, &server.parameters, &kept);
    reply::put_key(&mut out, key.process, key.secret());
    out.extend_from_slice(reply::READY_IDLE);
    send(&mut hello.stream, &out).await?;
    Ok(Admitted {
        origins: Arc::new(Origins {
            kept,
            pooled: match identity.route {
                RouteName::Transaction => settings.startup.clone(),
                RouteName::Session | RouteName::Replication => Vec::new(),
            },
        }),
        identity,
        settings,
        server,
        key,
        random,
        seat,
        share,
    })
}

/// What becomes of the startup parameters; in a migration session locks are not waited for without an end.
fn sort(startup: &Startup<'_>, identity: &Identity, worker: &Worker) -> Result<Settings, Refused> {
    let sorted = settings::sort(startup, &identity.who, identity.route);
    let zones = worker.shared.config.log.zones;
    let mut settings = sorted.map_err(|reply| Refused::settings(reply, zones))?;
    if identity.session.is_some() {
        let timeout = identity.who.policy.migrations.lock_timeout.to_string();
        settings
            .session
            .insert(0, ("lock_timeout".to_owned(), timeout));
    }
    Ok(settings)
}

/// The client's key for cancel requests, and the random numbers of its conversation.
fn mint(worker: &Worker, minor: u16, stream: &Stream) -> Result<(CancelKey, [u64; 2]), Refused> {
    let key = CancelKey::mint(&worker.shared, minor, stream.peer_address());
    let Some((random, key)) = random::<16>().zip(key) else {
        let reply = ErrorReply::fatal(SqlState::INTERNAL, "no randomness");
        return Err(Refused::new(LoginOutcome::NoServer, reply));
    };
    let (left, right) = random.split_at(8);
    let number = |half: &[u8]| half.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    Ok((key, [number(left), number(right)]))
}

fn take_seat(worker: &Worker) -> Result<Seat, Refused> {
    Seat::take(&worker.shared).ok_or_else(|| {
        worker.counters.client_rejected(Rejected::MaxClientConn);
        let reply = ErrorReply::fatal(SqlState::TOO_MANY, "sorry, too many clients already")
            .detail("max_client_conn is reached.");
        Refused::new(LoginOutcome::LimitReached, reply)
    })
}

async fn send(stream: &mut Stream, bytes: &[u8]) -> Result<(), Refused> {
    let sent = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    sent.await.map_err(|error: io::Error| Refused {
        outcome: LoginOutcome::Protocol,
        why: error.to_string(),
        reply: None,
    })
}

fn no_server(error: NoServer) -> Refused {
    let outcome = if error.mismatch {
        LoginOutcome::VerifierMismatch
    } else if error.refusal.is_some() {
        LoginOutcome::ServerRole
    } else if error.sqlstate == SqlState::NO_SERVER {
        LoginOutcome::NoServer
    } else {
        LoginOutcome::ServerRefused
    };
    Refused {
        outcome,
        why: error.cause.clone(),
        reply: Some(Box::new(error.reply())),
    }
}

impl Admitted {
    fn ready(self, client: Stream, worker: &Rc<Worker>, connection: u32) -> Box<Ready> {
        let Self {
            identity,
            origins,
            settings,
            server,
            key,
            random,
            seat,
            share,
        } = self;
        let setup = Setup {
            connection,
            random,
            zone: identity.prefix.clone(),
            chooses: identity
                .who
                .chosen_parameter()
                .map(|_| identity.who.clone()),
            max_statement_bytes: worker.shared.config.limits.max_statement_bytes,
            record: identity.session.is_some(),
            replaceable: identity.route == RouteName::Transaction,
            origins,
            reported: server.parameters,
            observes: identity.who.observes() && identity.session.is_none(),
            walsender: settings.walsender,
            spelling: Arc::clone(&worker.shared.spelling),
        };
        let session = identity.session.clone();
        let counts = Rc::clone(worker);
        let watcher = Watcher::new(counts, connection, &identity.who, session.clone());
        let (endpoint, walsender) = (&server.target.endpoint, settings.walsender);
        server_role::aside::look(&identity, endpoint, walsender, worker, connection);
        let mut conversation = Conversation::new(&setup);
        if let Some(foreseen) = &settings.foreseen {
            watcher.startup_foreseen(foreseen);
            conversation.would_begin_with(&foreseen.origins);
        }
        let pump = Pump::new(pump::Parts {
            worker: Rc::clone(worker),
            client,
            server: server.stream,
            conversation,
            who: identity.who.clone(),
            watcher,
            session,
            interrupt: key.interrupt(),
            standing: Standing::new(identity.generation),
        });
        Box::new(Ready {
            pump,
            identity,
            settings,
            key,
            _seat: seat,
            _share: share,
        })
    }
}

/// The client works until one side ends.
async fn stay(mut ready: Box<Ready>, worker: &Rc<Worker>, connection: u32) {
    let id = ConnectionId(connection.into());
    let login = &*ready.identity.who.login.name;
    tracing::debug!(connection = %id, login, database = &*ready.identity.who.database, "logged in");
    worker
        .interrupts
        .borrow_mut()
        .insert(connection, ready.key.interrupt());
    if worker.draining.get() {
        ready.key.interrupt().drain();
    }
    worker.counters.route_entered(ready.identity.route);
    let watch = ready.identity.session.as_ref().map(|session| {
        let (session, interrupt) = (Arc::clone(session), ready.key.interrupt());
        tokio::task::spawn_local(async move {
            session.ended().await;
            interrupt.end();
        })
    });
    let exit = loop {
        let exit = ready.pump.run().await;
        if !matches!(exit, Exit::NeedServer) {
            break Ok(exit);
        }
        ready.key.lead_to(None);
        // The role behind is judged again, by the policy that is in force now.
        ready.identity.who = ready.pump.who().clone();
        // Boxed, as a login is: who is idle keeps no room for it.
        let dialed = Box::pin(dial(worker, &ready.identity, &ready.settings, connection));
        match dialed.await {
            Ok(server) => {
                ready.key.lead_to(Some(server.target));
                ready.pump.replace_server(server.stream);
            }
            Err(error) => break Err(error),
        }
    };
    if let Some(watch) = watch {
        watch.abort();
    }
    worker.interrupts.borrow_mut().remove(&connection);
    worker.counters.server_closed();
    worker.counters.route_left(ready.identity.route);
    // Boxed for the same reason.
    Box::pin(leave(&mut ready, exit, worker, connection)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, B, C, D, F: Future>(_: impl FnOnce(A, B, C, D) -> F) -> usize {
        size_of::<F>()
    }

    /// What every idle connection holds, beside what tokio and TLS keep for its two sockets. A future
    /// that is not boxed where it is awaited, or something large that is moved into one by value, has
    /// its room in the task for as long as the client stays: it took 6 KB once.
    #[test]
    fn an_idle_connection_is_small() {
        let task = size_of_future(serve);
        assert!(task <= 256, "the task of a client: {task} bytes");
        let stay = size_of_future(|it, worker: &'static Rc<Worker>, id, ()| stay(it, worker, id));
        assert!(stay <= 160, "the part of it that stays: {stay} bytes");
        let ready = size_of::<Ready>();
        assert!(ready <= 1352, "what it works on: {ready} bytes");
        let conversation = size_of::<Conversation>();
        assert!(
            conversation <= 504,
            "the conversation in it: {conversation} bytes"
        );
    }
}

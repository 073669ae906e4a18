//! The last words to each side, in the way that fits how it ended.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use super::cancel;
use super::client::Ready;
use super::exit::Exit;
use super::pump::Pump;
use super::server::NoServer;
use super::stream::{Backlog, Stream};
use super::worker::Worker;
use crate::error::SqlState;
use crate::migration::Session;
use crate::policy::RouteName;
use crate::protocol::reply::ErrorReply;
use crate::telemetry::log::ConnectionId;

/// To write the last words to a peer that may not read.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends both sides in the way that fits.
pub(super) async fn leave(
    ready: &mut Ready,
    exit: Result<Exit, NoServer>,
    worker: &Rc<Worker>,
    connection: u32,
) {
    tracing::debug!(connection = %ConnectionId(connection.into()), ?exit, "left");
    ready.pump.watcher().cut_off();
    let farewell = match exit {
        Ok(Exit::NeedServer | Exit::ServerGone { told: true }) => None,
        Ok(Exit::Goodbye | Exit::ClientGone) if ready.identity.session.is_some() => {
            stop_server(ready, worker).await;
            None
        }
        // Not a byte that the client did not send, be it the Terminate that it owes.
        Ok(Exit::ClientGone) if ready.pump.only_looks_on() => None,
        Ok(Exit::ClientGone) if ready.identity.route == RouteName::Session => {
            stop_server(ready, worker).await;
            None
        }
        Ok(Exit::Goodbye) => None,
        Ok(Exit::ClientGone) => {
            goodbye_to_server(&mut ready.pump).await;
            None
        }
        Ok(Exit::ServerGone { told: false }) => Some(
            ErrorReply::fatal(
                SqlState::CONNECTION_FAILURE,
                "server closed the connection unexpectedly",
            )
            .detail("The connection between Portcullis and the server was lost."),
        ),
        Ok(Exit::Fatal(fatal)) => {
            if ready.identity.session.is_some() {
                // What runs there must not end behind the session.
                stop_server(ready, worker).await;
            }
            Some(ErrorReply::fatal(fatal.sqlstate, fatal.message))
        }
        Ok(Exit::Drained) => {
            goodbye_to_server(&mut ready.pump).await;
            let message = "terminating connection due to administrator command";
            Some(ErrorReply::fatal(SqlState::ADMIN_SHUTDOWN, message))
        }
        Ok(Exit::Idle(idling)) => {
            // In a transaction the server's connection ends with this one: it is rolled back.
            goodbye_to_server(&mut ready.pump).await;
            let last = idling.last_words();
            Some(ErrorReply::fatal(last.sqlstate, last.message))
        }
        Ok(Exit::LetGo) => {
            goodbye_to_server(&mut ready.pump).await;
            let_go(ready, worker, connection)
        }
        Ok(Exit::Ended) => {
            stop_server(ready, worker).await;
            let_go(ready, worker, connection)
                .or_else(|| ready.identity.session.as_deref().map(session_ended))
        }
        Err(error) => Some(error.reply()),
    };
    if let Some(reply) = farewell
        && ready.pump.can_speak()
    {
        let owed = ready.pump.owed_to_client();
        say(ready.pump.client(), owed, &reply).await;
    }
}

/// The client was admitted with something that a reload has changed.
fn let_go(ready: &Ready, worker: &Worker, connection: u32) -> Option<ErrorReply> {
    let why = ready.pump.why_let_go()?;
    let id = ConnectionId(connection.into());
    let version = worker.snapshot().files.policy.version;
    tracing::info!(
        connection = %id,
        login = &*ready.identity.who.login.name,
        policy = version.map(tracing::field::display),
        why,
        "let go after a reload"
    );
    let at = version.map_or_else(String::new, |version| format!(", policy {version}"));
    let message = "terminating connection due to administrator command";
    let reply = ErrorReply::fatal(SqlState::ADMIN_SHUTDOWN, message)
        .detail(format!(
            "{} (connection {id}{at}).",
            why.trim_end_matches('.')
        ))
        .hint("Connect again to work by what is in force now.");
    Some(reply)
}

fn session_ended(session: &Session) -> ErrorReply {
    let Some(end) = session.how_it_ended() else {
        return ErrorReply::fatal(SqlState::ADMIN_SHUTDOWN, "terminating connection");
    };
    let (message, detail, hint) = session.farewell(&end);
    ErrorReply::fatal(SqlState::ADMIN_SHUTDOWN, message)
        .detail(detail)
        .hint(hint)
}

/// Terminate, if the server connection can be given back in good order. Otherwise it is simply
/// closed: PgBouncer then closes the server's, dirty as it is.
async fn goodbye_to_server(pump: &mut Pump) {
    if pump.is_idle()
        && let Some(server) = pump.server()
    {
        let told = server.write_all(crate::protocol::frame::TERMINATE);
        let _ = tokio::time::timeout(PATIENCE, told).await;
    }
}

/// A migration session has ended, or one of its clients has left: what runs is cancelled, what is
/// open is rolled back. PostgreSQL would go on with the statement of a client that is gone, and
/// commit it when the session may be long over. Nor must the locks of any client on the session route
/// be held as long as its last statement runs.
async fn stop_server(ready: &mut Ready, worker: &Rc<Worker>) {
    if ready.pump.is_idle() {
        goodbye_to_server(&mut ready.pump).await;
    } else if let Some(target) = ready.key.target() {
        let outcome = cancel::deliver(&worker.shared, &target).await;
        worker.counters.cancel(outcome);
    }
}

/// What is owed, then the last words.
pub(super) async fn say(stream: &mut Stream, mut owed: Backlog, reply: &ErrorReply) {
    let mut bytes = Vec::new();
    reply.put(&mut bytes);
    let said = async {
        while !owed.is_empty() {
            std::future::poll_fn(|cx| owed.poll_drain(stream, cx)).await?;
        }
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    // A client that does not read its error misses it.
    let _ = tokio::time::timeout(PATIENCE, said).await;
}

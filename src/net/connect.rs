//! The server connection of a client that has logged in: one to the pool of its route, whose role was judged.

use std::rc::Rc;

use super::login::Identity;
use super::server::{self, NoServer, Server, ServerLogin};
use super::server_role;
use super::settings::Settings;
use super::worker::Worker;
use crate::telemetry::log::ConnectionId;

/// A server connection, and what the server makes of the parameters that are kept.
pub async fn connect(
    worker: &Rc<Worker>,
    identity: &Identity,
    settings: &mut Settings,
    connection: u32,
) -> Result<(Server, Vec<String>), NoServer> {
    let accepted = &worker.shared.accepted;
    let untried = accepted.take_untried(settings, identity);
    let mut server = dial(worker, identity, settings, connection).await?;
    let asked = [&settings.kept[..], &untried].concat();
    let tried = server.try_out(&asked).await;
    if tried.is_err() || !untried.is_empty() {
        worker.counters.server_closed();
    }
    let mut values = tried?;
    if untried.is_empty() {
        return Ok((server, values));
    }
    drop(server);
    let shown = values.split_off(settings.kept.len());
    accepted.give_back(settings, identity, untried, shown);
    let server = dial(worker, identity, settings, connection).await?;
    Ok((server, values))
}

/// Another one, for a client that is logged in.
pub async fn dial(
    worker: &Rc<Worker>,
    identity: &Identity,
    settings: &Settings,
    connection: u32,
) -> Result<Server, NoServer> {
    let startup: Vec<(&str, &str)> = settings.startup.iter().map(|(n, v)| (&**n, &**v)).collect();
    let login = ServerLogin {
        role: &identity.role,
        database: &identity.who.database,
        keys: &identity.keys,
        parameters: &startup,
        pinned: settings.pinned,
        route: identity.route,
    };
    let dialed = async {
        let server = server::dial(&worker.shared, &login).await?;
        let judged = server_role::judge(server, identity, worker, connection).await?;
        let mut server = match judged {
            Some(server) => server,
            None => server::dial(&worker.shared, &login).await?,
        };
        server.apply(&settings.session).await?;
        Ok::<_, NoServer>(server)
    };
    let dialed = dialed.await;
    let (mismatches, health) = (&worker.shared.mismatches, &worker.shared.health);
    match &dialed {
        Ok(_) => {
            mismatches.mended(&identity.role, health);
            worker.counters.server_opened();
        }
        // The server is well, and the role got in; it is said elsewhere what was refused.
        Err(error) if error.refusal.is_some() => mismatches.mended(&identity.role, health),
        Err(error) => {
            if error.mismatch {
                mismatches.found(&identity.role, &error.message, health);
            }
            worker.counters.server_failed();
            let id = ConnectionId(connection.into());
            tracing::warn!(connection = %id, cause = error.cause, "no server connection");
        }
    }
    dialed
}

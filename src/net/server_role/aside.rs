//! Where the whole policy observes, the client's connection carries the client's bytes alone: the role behind
//! it is looked at on a connection of Portcullis's own, to the same pool and with the same keys. Nobody
//! waits for it; one look at a time for each role, and none while what was found is not older than
//! `server_role_max_age`, be it that nothing could be found.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use super::answers::{Answer, Key, Slot, Turn};
use super::{GOODBYE, Sight, ask, object};
use crate::config::Endpoint;
use crate::net::login::Identity;
use crate::net::server::{self, ServerLogin};
use crate::net::settings::PINNED;
use crate::net::worker::Worker;
use crate::policy::guards::server_role as guard;
use crate::protocol::frame;

/// Counts what is found of the role behind a login, now or soon. `endpoint`: of the client's connection;
/// `walsender`: that is one for replication, and so is ours, as pg_hba.conf may let in no other.
pub(in crate::net) fn look(
    identity: &Identity,
    endpoint: &Endpoint,
    walsender: bool,
    worker: &Rc<Worker>,
    connection: u32,
) {
    if identity.session.is_some() || !guard::is_looked_at_aside(&identity.who) {
        return;
    }
    let slot = worker.shared.server_roles.slot(Key {
        route: identity.route,
        endpoint: endpoint.clone(),
        database: Arc::clone(&identity.who.database),
        role: identity.role.clone(),
    });
    if tell(&slot, identity, worker, connection) {
        return;
    }
    // Somebody asks: what is found counts for the logins that come then.
    let Some(turn) = slot.try_turn() else { return };
    let (identity, worker) = (identity.clone(), Rc::clone(worker));
    tokio::task::spawn_local(async move {
        find(&slot, turn, &identity, walsender, &worker).await;
        tell(&slot, &identity, &worker, connection);
    });
}

/// Goes by what is known and not too old; false: nothing is.
fn tell(slot: &Slot, identity: &Identity, worker: &Worker, connection: u32) -> bool {
    let max_age = worker.shared.config.limits.server_role_max_age;
    let mut answer = slot.answer();
    let Some(answer) = answer.as_mut().filter(|it| it.is_younger(max_age)) else {
        return false;
    };
    let sight = Sight::of(answer, identity);
    if let Some(objection) = sight.objection {
        let news = sight.news.then_some(connection);
        // What observes gives no refusal.
        let _ = object(objection, identity, worker, news);
    }
    true
}

/// Asks on a connection that is there for nothing else.
async fn find(slot: &Arc<Slot>, turn: Turn, identity: &Identity, walsender: bool, worker: &Worker) {
    let asked = Instant::now();
    let replication = walsender.then_some(("replication", "database"));
    let parameters: Vec<_> = PINNED.into_iter().chain(replication).collect();
    let login = ServerLogin {
        role: &identity.role,
        database: &identity.who.database,
        keys: &identity.keys,
        parameters: &parameters,
        pinned: true,
        route: identity.route,
    };
    match server::dial(&worker.shared, &login).await {
        Ok(server) => {
            worker.counters.server_opened();
            let limit = worker.shared.config.limits.server_connect_timeout;
            if let Some(mut server) = ask(server, Arc::clone(slot), turn, limit).await {
                let _ = timeout(GOODBYE, server.send(frame::TERMINATE)).await;
            }
            worker.counters.server_closed();
        }
        Err(error) => {
            tracing::debug!(cause = error.cause, "a server role could not be looked at");
            let why = "No connection to look on could be had".to_owned();
            *slot.answer() = Some(Answer::new(asked, Err(why)));
        }
    }
}

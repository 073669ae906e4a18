//! Looks at the role behind a login, on the connection that is being opened for it and before the
//! client may send anything: one query in the catalogs. What it answers is remembered for a while, for
//! all workers, and is asked by one connection at a time. While the pool has no connection to ask on, an
//! older answer will do: else a full pool would turn away who has only come to wait in it. Where the whole
//! policy observes, see `aside`.

mod answers;
pub(super) mod aside;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::timeout;

pub use self::answers::Looks;
use self::answers::{Answer, Found, Key, Slot, Turn};
use super::login::Identity;
use super::server::{NoServer, Server};
use super::settings::at_login;
use super::worker::Worker;
use crate::clock;
use crate::policy::guards::server_role::{self as guard, Owned, ServerRole};
use crate::policy::{Guard, Mode, Objection};
use crate::protocol::error_fields;
use crate::protocol::frame::{self, message, put_cstr};
use crate::telemetry::log::ConnectionId;
use crate::telemetry::report::{Key as Row, Outcome};

/// How long a login waits for the server's word while an old answer would do. In a pool that moves a
/// connection is free sooner; in one that is full or paused it goes by the old one.
const PATIENCE: Duration = Duration::from_millis(500);

/// One row for each role that acts: `current_user`, and `session_user` and who logged in (`usesysid`)
/// in case somebody left another role set on the pooled connection. A superuser is a member of everything: there is nothing to look for.
///
/// Every name and operator is pg_catalog's, whatever the connection's search_path is; the forms that
/// take an operator from it (IN, BETWEEN, NULLIF) are not used. ORDER BY goes by the type.
const QUERY: &str = "\
select r.rolname, r.rolsuper, r.rolbypassrls, t.name, t.owner, t.bypassed \
from pg_catalog.pg_roles r \
left join lateral (\
select pg_catalog.format('%I.%I', n.nspname, c.relname) as name, w.rolname as owner, \
c.relrowsecurity and not c.relforcerowsecurity as bypassed \
from pg_catalog.pg_class c \
join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) c.relnamespace \
join pg_catalog.pg_roles w on w.oid operator(pg_catalog.=) c.relowner \
where c.relkind operator(pg_catalog.=) any (array['r', 'p']::pg_catalog.\"char\"[]) \
and c.relpersistence operator(pg_catalog.<>) 't' \
and not r.rolsuper and pg_catalog.pg_has_role(r.oid, c.relowner, 'USAGE') \
order by 3 desc limit 1) t on true \
where r.rolname operator(pg_catalog.=) any (array[current_user, session_user]) \
or r.oid operator(pg_catalog.=) (select a.usesysid \
from pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a)";
/// Its columns.
const COLUMNS: usize = 6;
/// Its rows at most.
const MAX_ROWS: usize = 3;
/// To say goodbye to a server that is refused.
const GOODBYE: Duration = Duration::from_secs(1);

/// Lets a login have this server, if the role behind may serve it. `None`: it may, and another connection
/// must take the place of this one.
///
/// # Errors
/// The refusal. The server has been told goodbye.
pub(super) async fn judge(
    server: Server,
    identity: &Identity,
    worker: &Rc<Worker>,
    connection: u32,
) -> Result<Option<Server>, NoServer> {
    if identity.session.is_some() || !guard::is_looked_at(&identity.who) {
        return Ok(Some(server));
    }
    let (sight, server) = see(server, identity, worker).await;
    let Some(objection) = sight.objection else {
        return Ok(server);
    };
    let news = sight.news.then_some(connection);
    let Some(refusal) = object(objection, identity, worker, news) else {
        return Ok(server);
    };
    if let Some(mut server) = server {
        // A server that takes nothing is closed without a word.
        let _ = timeout(GOODBYE, server.send(frame::TERMINATE)).await;
    }
    Err(refusal)
}

/// What is to be said of a server.
struct Sight {
    objection: Option<Objection>,
    /// Has the log not had it yet?
    news: bool,
}

impl Sight {
    fn of(answer: &mut Answer, identity: &Identity) -> Self {
        let who = &identity.who;
        let objection = match &answer.found {
            Ok(roles) => roles.iter().find_map(|role| guard::judge(role, who)),
            Err(why) => Some(guard::unseen(&identity.role, why)),
        };
        Self {
            news: objection.is_some() && answer.is_news(&who.login.name),
            objection,
        }
    }

    /// There is none.
    fn missing(identity: &Identity) -> Self {
        Self {
            objection: Some(guard::unseen(&identity.role, TIMED_OUT)),
            news: false,
        }
    }
}

/// Goes by the answer that is kept, or by a new one. The server comes back if it is fit for use.
async fn see(server: Server, identity: &Identity, worker: &Worker) -> (Sight, Option<Server>) {
    let came = Instant::now();
    let limits = &worker.shared.config.limits;
    let (max_age, limit) = (limits.server_role_max_age, limits.server_connect_timeout);
    let slot = worker.shared.server_roles.slot(Key {
        route: identity.route,
        endpoint: server.target.endpoint.clone(),
        database: Arc::clone(&identity.who.database),
        role: identity.role.clone(),
    });
    let kept = |is: &dyn Fn(&Answer) -> bool| {
        let mut answer = slot.answer();
        let answer = answer.as_mut().filter(|answer| is(answer))?;
        Some(Sight::of(answer, identity))
    };
    let turn = match slot.try_turn() {
        Some(turn) => turn,
        None => {
            // Somebody asks.
            if let Some(sight) = kept(&Answer::is_good) {
                return (sight, Some(server));
            }
            match timeout(limit, slot.turn()).await {
                Ok(turn) => turn,
                Err(_) => return (Sight::missing(identity), Some(server)),
            }
        }
    };
    if let Some(sight) = kept(&|answer| answer.is_new(max_age, came)) {
        return (sight, Some(server));
    }
    let old = slot.answer().as_ref().is_some_and(Answer::is_good);
    let patience = if old { PATIENCE } else { limit + PATIENCE };
    // It goes on when the login does not wait for it any more: PgBouncer keeps the place of a client that
    // leaves its queue, and there would be one for each that came to ask.
    let asking = tokio::task::spawn_local(ask(server, Arc::clone(&slot), turn, limit));
    let asked = timeout(patience, asking).await;
    let server = asked.ok().and_then(Result::ok).flatten();
    let sight = kept(&|answer| answer.is_good() || answer.is_new(max_age, came));
    (sight.unwrap_or_else(|| Sight::missing(identity)), server)
}

/// Asks in one's turn, and keeps what is found. The server comes back if it is fit for use.
async fn ask(mut server: Server, slot: Arc<Slot>, turn: Turn, limit: Duration) -> Option<Server> {
    let asked = Instant::now();
    let looked = timeout(limit, look(&mut server)).await;
    let silent = looked.is_err();
    let found = looked.unwrap_or_else(|_| Err(TIMED_OUT.into()));
    let usable = found.is_ok();
    let mut answer = slot.answer();
    // Silence says nothing against what is known.
    if !(silent && answer.as_ref().is_some_and(Answer::is_good)) {
        *answer = Some(Answer::new(asked, found));
    }
    drop(answer);
    drop(turn);
    usable.then_some(server)
}

/// Counts the objection, and tells the log where it is news from a connection; the refusal, if the guard enforces.
fn object(
    objection: Objection,
    identity: &Identity,
    worker: &Worker,
    news: Option<u32>,
) -> Option<NoServer> {
    let who = &identity.who;
    let enforces = who.policy.mode(Guard::ServerRole) == Mode::Enforce;
    let refusal = objection.refuse(Guard::ServerRole, who, None);
    let outcome = if enforces {
        worker.counters.refusal(Guard::ServerRole);
        Outcome::Refused
    } else {
        worker.counters.observed(Guard::ServerRole);
        Outcome::Observed
    };
    let row = Row {
        login: (&*who.login.name).into(),
        database: Arc::clone(&who.database),
        guard: Some(Guard::ServerRole),
        rule: None,
        fingerprint: None,
        parameter: None,
        outcome,
    };
    let said = || Some(refusal.message.as_str().into());
    worker.tally.note(row, clock::now(), said);
    if let Some(connection) = news {
        tracing::warn!(
            connection = %ConnectionId(connection.into()),
            login = &*who.login.name,
            database = &*who.database,
            guard = Guard::ServerRole.id(),
            sqlstate = refusal.sqlstate.as_str(),
            policy = refusal.policy_version.map(tracing::field::display),
            outcome = outcome.id(),
            why = refusal.message,
            detail = refusal.detail,
            "server role"
        );
    }
    enforces.then(|| NoServer::refused(at_login(refusal)))
}

const TIMED_OUT: &str = "The server did not say in time what it is";
const ODD: &str = "The server did not say what it is";

/// Asks. Only an answer that is understood as a whole leaves the connection fit for use.
async fn look(server: &mut Server) -> Found {
    let lost = |error: NoServer| {
        tracing::debug!(cause = error.cause, "a server role could not be looked at");
        "The connection to the server was lost".to_owned()
    };
    let mut out = Vec::new();
    message(&mut out, b'Q', |out| put_cstr(out, QUERY.as_bytes()));
    server.send(&out).await.map_err(lost)?;
    let mut roles = Vec::new();
    loop {
        let (kind, body) = server.next().await.map_err(lost)?;
        match kind {
            b'D' if roles.len() < MAX_ROWS => roles.push(read(&body).ok_or(ODD)?),
            b'Z' if body == b"I" && !roles.is_empty() => return Ok(roles),
            b'E' => {
                let said = String::from_utf8_lossy(error_fields::read(&body).message);
                let said: String = said.chars().take(200).collect();
                return Err(format!("The server answered: {said}"));
            }
            b'T' | b'C' | b'N' | b'A' => {}
            _ => return Err(ODD.to_owned()),
        }
    }
}

/// A DataRow of [`QUERY`]; `None`: it is not one.
fn read(body: &[u8]) -> Option<ServerRole> {
    let (count, mut rest) = body.split_first_chunk::<2>()?;
    if usize::from(u16::from_be_bytes(*count)) != COLUMNS {
        return None;
    }
    let mut values: [Option<&str>; COLUMNS] = [None; COLUMNS];
    for value in &mut values {
        let (length, tail) = rest.split_first_chunk::<4>()?;
        rest = tail;
        // -1: NULL.
        if let Ok(length) = usize::try_from(i32::from_be_bytes(*length)) {
            let (text, tail) = rest.split_at_checked(length)?;
            *value = Some(std::str::from_utf8(text).ok()?);
            rest = tail;
        }
    }
    let [name, superuser, bypassrls, table, owner, bypassed] = values;
    let is = |value: &str| match value {
        "t" => Some(true),
        "f" => Some(false),
        _ => None,
    };
    let owned = match (table, owner, bypassed) {
        (None, None, None) => None,
        (Some(table), Some(owner), Some(bypassed)) => Some(Owned {
            table: table.into(),
            owner: owner.into(),
            bypassed: is(bypassed)?,
        }),
        _ => return None,
    };
    rest.is_empty().then_some(ServerRole {
        name: name?.into(),
        superuser: is(superuser?)?,
        bypassrls: is(bypassrls?)?,
        owned,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(values: &[Option<&str>]) -> Vec<u8> {
        let mut body = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
        for value in values {
            let length = value.map_or(-1, |value| i32::try_from(value.len()).unwrap());
            body.extend(length.to_be_bytes());
            body.extend(value.unwrap_or_default().as_bytes());
        }
        body
    }

    #[test]
    fn a_row_is_read_as_a_whole_or_not_at_all() {
        let plain = [Some("app"), Some("f"), Some("t"), None, None, None];
        let role = read(&row(&plain)).unwrap();
        assert_eq!(
            (&*role.name, role.superuser, role.bypassrls),
            ("app", false, true)
        );
        assert_eq!(role.owned, None);
        let mut owner = plain;
        owner[3..].copy_from_slice(&[Some("public.t"), Some("dba"), Some("t")]);
        let owned = read(&row(&owner)).unwrap().owned.unwrap();
        assert_eq!(
            (&*owned.table, &*owned.owner, owned.bypassed),
            ("public.t", "dba", true)
        );

        let whole = row(&owner);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), None, "{end}");
        }
        assert_eq!(read(&[&whole[..], b"x"].concat()), None);
        assert_eq!(read(&row(&owner[..5])), None);
        for (at, value) in [
            (0, None),
            (1, None),
            (1, Some("true")),
            (2, Some("")),
            (4, None),
            (5, None),
            (5, Some("1")),
        ] {
            let mut odd = owner;
            odd[at] = value;
            assert_eq!(read(&row(&odd)), None, "{at} {value:?}");
        }
        let mut long = whole;
        long[2..6].copy_from_slice(&i32::MAX.to_be_bytes());
        assert_eq!(read(&long), None);
    }
}

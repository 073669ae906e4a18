//! Looks at the role behind a login, on the connection that is being opened for it and before the
//! client may send anything: one query in the catalogs. What it answers is remembered for a while, for
//! all workers, and is asked by one connection at a time.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

use super::login::Identity;
use super::server::{NoServer, Server};
use super::settings::at_login;
use super::worker::Worker;
use crate::clock;
use crate::config::Endpoint;
use crate::policy::guards::server_role::{self as guard, Owned, ServerRole};
use crate::policy::{Guard, Mode, Objection, RouteName};
use crate::protocol::error_fields;
use crate::protocol::frame::{self, message, put_cstr};
use crate::telemetry::log::ConnectionId;
use crate::telemetry::report::{Key as Row, Outcome};

/// How long an answer is good.
const GOOD_FOR: Duration = Duration::from_secs(60);
/// Answers kept. There are as many as the policy has servers, databases and roles; if those are more,
/// the server is asked more often.
const MAX_KEPT: usize = 10_000;
/// Logins of one answer whose objection is written to the log.
const MAX_TOLD: usize = 32;

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

/// What is asked once for all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    route: RouteName,
    endpoint: Endpoint,
    database: Arc<str>,
    role: Box<str>,
}

/// What a server said of the roles that act on a connection, or why it is not known.
type Found = Result<Vec<ServerRole>, String>;

#[derive(Debug)]
struct Answer {
    /// When it was asked: what has changed since then is not in it.
    asked: Instant,
    answered: Instant,
    found: Found,
    /// Logins whose objection was written to the log.
    told: Vec<Box<str>>,
}

/// Locked while somebody asks.
type Slot = tokio::sync::Mutex<Option<Answer>>;

/// What servers said.
#[derive(Debug, Default)]
pub struct Looks(Mutex<HashMap<Key, Arc<Slot>>>);

impl Looks {
    /// Forgets all of it. Who asks at this moment keeps what they are told.
    pub fn forget(&self) {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.clear();
    }

    fn slot(&self, key: Key) -> Arc<Slot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= MAX_KEPT && !slots.contains_key(&key) {
            slots.clear();
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

impl Answer {
    /// Is it one for somebody who came at `came`? An answer that came since then is, whatever it says:
    /// of many that wait, each would fail as the first did, one after the other.
    fn serves(&self, came: Instant) -> bool {
        let good = self.found.is_ok() && self.asked.elapsed() < GOOD_FOR;
        good || self.answered >= came
    }

    /// Is this login's objection news?
    fn is_news(&mut self, login: &str) -> bool {
        let news = self.told.len() < MAX_TOLD && !self.told.iter().any(|told| **told == *login);
        if news {
            self.told.push(login.into());
        }
        news
    }
}

/// Lets a login have this server, if the role behind may serve it. False: it may, and the connection is
/// not fit for use any more.
///
/// # Errors
/// The refusal. The server has been told goodbye.
pub(super) async fn judge(
    server: &mut Server,
    identity: &Identity,
    worker: &Rc<Worker>,
    connection: u32,
) -> Result<bool, NoServer> {
    if identity.session.is_some() || !guard::is_looked_at(&identity.who) {
        return Ok(true);
    }
    let sight = see(server, identity, worker).await;
    let Some(objection) = sight.objection else {
        return Ok(sight.usable);
    };
    let refusal = object(
        objection,
        identity,
        worker,
        sight.news.then_some(connection),
    );
    let Some(refusal) = refusal else {
        return Ok(sight.usable);
    };
    if sight.usable {
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
    /// Is the connection as it was?
    usable: bool,
}

/// Goes by the answer that is kept, or by a new one.
async fn see(server: &mut Server, identity: &Identity, worker: &Worker) -> Sight {
    let who = &identity.who;
    let limit = worker.shared.config.limits.server_connect_timeout;
    let slot = worker.shared.server_roles.slot(Key {
        route: identity.route,
        endpoint: server.target.endpoint.clone(),
        database: Arc::clone(&who.database),
        role: identity.role.clone(),
    });
    let came = Instant::now();
    let Ok(mut kept) = timeout(limit, slot.lock()).await else {
        return Sight {
            objection: Some(guard::unseen(&identity.role, TIMED_OUT)),
            news: false,
            usable: true,
        };
    };
    let mut usable = true;
    let answer = match kept.take().filter(|answer| answer.serves(came)) {
        Some(answer) => answer,
        None => {
            let asked = Instant::now();
            let looked = timeout(limit, look(server)).await;
            let found = looked.unwrap_or_else(|_| Err(TIMED_OUT.into()));
            usable = found.is_ok();
            Answer {
                asked,
                answered: Instant::now(),
                found,
                told: Vec::new(),
            }
        }
    };
    let answer = kept.insert(answer);
    let objection = match &answer.found {
        Ok(roles) => roles.iter().find_map(|role| guard::judge(role, who)),
        Err(why) => Some(guard::unseen(&identity.role, why)),
    };
    Sight {
        news: objection.is_some() && answer.is_news(&who.login.name),
        objection,
        usable,
    }
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
        guard: Guard::ServerRole,
        rule: None,
        fingerprint: None,
        outcome,
    };
    worker.tally.note(row, clock::now(), || None);
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

    #[test]
    fn an_answer_is_good_for_a_minute_and_a_failure_for_those_who_waited_for_it() {
        let now = Instant::now();
        let ago = |age| now.checked_sub(age).unwrap();
        let answer = |age, found| Answer {
            asked: ago(age),
            answered: ago(age),
            found,
            told: Vec::new(),
        };
        let second = Duration::from_secs(1);
        assert!(answer(second * 59, Ok(Vec::new())).serves(now));
        assert!(!answer(GOOD_FOR, Ok(Vec::new())).serves(now));
        let failed = || Err(ODD.to_owned());
        assert!(!answer(second, failed()).serves(now));
        assert!(answer(second, failed()).serves(ago(second * 2)));
    }

    #[test]
    fn what_is_kept_and_told_is_bounded() {
        let looks = Looks::default();
        let key = |number: usize| Key {
            route: RouteName::Transaction,
            endpoint: Endpoint {
                host: "localhost".to_owned(),
                port: 6432,
            },
            database: "shop".into(),
            role: number.to_string().into(),
        };
        for number in 0..=MAX_KEPT {
            let slot = looks.slot(key(number));
            assert!(Arc::ptr_eq(&slot, &looks.slot(key(number))));
            assert!(looks.0.lock().unwrap().len() <= MAX_KEPT);
        }
        let slot = looks.slot(key(MAX_KEPT));
        looks.forget();
        assert!(!Arc::ptr_eq(&slot, &looks.slot(key(MAX_KEPT))));

        let mut answer = Answer {
            asked: Instant::now(),
            answered: Instant::now(),
            found: Ok(Vec::new()),
            told: Vec::new(),
        };
        assert!(answer.is_news("a"));
        assert!(!answer.is_news("a"));
        let news = (0..100).filter(|login| answer.is_news(&login.to_string()));
        assert_eq!(news.count(), MAX_TOLD - 1);
    }
}

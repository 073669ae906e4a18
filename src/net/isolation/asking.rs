//! A connection on which tables are asked: as the login's server role, in the pool and on the route of its
//! clients.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::Cause;
use super::answers::{Asker, Table, judge, pair, put_question, sight};
use crate::auth::scram::Keys;
use crate::config::Isolation;
use crate::config::isolation::MAX_TABLES;
use crate::net::server::{NoServer, Server, ServerLogin};
use crate::net::settings::PINNED;
use crate::net::shared::Snapshot;
use crate::net::signer::{Nonces, Signing};
use crate::net::worker::random;
use crate::policy::{Protection, RouteName};
use crate::protocol::{error_fields, frame};
use crate::telemetry::labels::IsolationFailure;
use crate::zone::signed::Audience;
use crate::zone::{self, Entry, Form, NAME_LENGTH, Prefix};

/// To say goodbye to the server.
const GOODBYE: Duration = Duration::from_secs(1);
/// PostgreSQL's `query_canceled`: what a statement_timeout says.
const QUERY_CANCELED: &[u8; 5] = b"57014";

/// What it asks with: all of it from the files in force.
pub(super) struct Means<'a> {
    role: &'a str,
    keys: &'a Keys,
    route: RouteName,
    /// In the order of [`Asker::ALL`].
    prefixes: [Prefix; 3],
}

impl<'a> Means<'a> {
    /// Of a login of the policy.
    ///
    /// # Errors
    /// The policy or the server keys do not have what is needed.
    pub(super) fn new(
        snapshot: &'a Snapshot,
        settings: &Isolation,
        login: &str,
    ) -> Result<Self, Cause> {
        let policy = &snapshot.files.policy;
        let missing = |what: &str| Cause::setup(what.to_owned());
        let login = policy.logins.get(login);
        let login = login.ok_or_else(|| missing("the policy has no such login"))?;
        let zone = policy.zone.as_ref();
        let zone = zone.ok_or_else(|| missing("the policy has no [zone]"))?;
        let role = login.server_role.as_ref().unwrap_or(&login.name);
        let keys = snapshot.files.keys.get(role);
        let keys =
            keys.ok_or_else(|| Cause::setup(format!("no server key for role \"{role}\"")))?;
        // The server gives up when we do: nobody would read its answer.
        let limit = format!("{}ms", settings.timeout.as_millis());
        let limit = ("statement_timeout", limit.as_str());
        let parameter = &*zone.parameter;
        let of = |value: &str| match zone.protection {
            Protection::Plain => Ok(Prefix::new(&[(parameter, value), limit], None)),
            Protection::Signed => {
                let audience = Audience::new(role, &settings.database);
                let audience = audience.map_err(|error| Cause::setup(error.to_string()))?;
                let entry = Entry {
                    zone: value.into(),
                    audience: Arc::new(audience),
                    parameter: None,
                };
                Ok(Prefix::new(&[(parameter, value), limit], Some(entry)))
            }
        };
        let [first, second] = &settings.zones;
        let nobody = Prefix::new(&[limit], None);
        Ok(Self {
            role,
            keys,
            route: login.route,
            prefixes: [of(first)?, of(second)?, nobody],
        })
    }

    /// As whom it logs in at the server.
    pub(super) fn login(&self, settings: &'a Isolation) -> ServerLogin<'_> {
        ServerLogin {
            role: self.role,
            database: &settings.database,
            keys: self.keys,
            parameters: &PINNED,
            pinned: true,
            route: self.route,
        }
    }

    fn prefix(&self, asker: Asker) -> &Prefix {
        let [first, second, nobody] = &self.prefixes;
        match asker {
            Asker::Zone(0) => first,
            Asker::Zone(_) => second,
            Asker::Nobody => nobody,
        }
    }
}

/// The connection.
pub(super) struct Talk<'a> {
    server: Server,
    name: [u8; NAME_LENGTH],
    snapshot: &'a Snapshot,
    means: Means<'a>,
}

impl<'a> Talk<'a> {
    pub(super) fn new(server: Server, snapshot: &'a Snapshot, means: Means<'a>) -> Self {
        Self {
            server,
            name: zone::name(random().map_or(0, u64::from_ne_bytes)),
            snapshot,
            means,
        }
    }

    /// Asks one table.
    ///
    /// # Errors
    /// Whatever is not the answer that proves isolation.
    pub(super) async fn look(
        &mut self,
        asker: Asker,
        table: &Table,
        zones: &[Box<str>; 2],
    ) -> Result<(), Cause> {
        let values = [&*zones[0], &*zones[1]];
        let rows = self.ask(asker, &sight(table), &values).await?;
        judge(asker, &rows)
    }

    /// Asks in a transaction of its own, behind the prefix that a client's would get. The rows have two
    /// columns, and there are at most one more than tables may be.
    ///
    /// # Errors
    /// An error of the server's, or that there is no answer; then it [`Cause::ends`].
    pub(super) async fn ask(
        &mut self,
        asker: Asker,
        sql: &str,
        values: &[&str],
    ) -> Result<Vec<[String; 2]>, Cause> {
        let batch = self.batch(asker, sql, values);
        let sent = self.server.send(&batch).await;
        sent.map_err(|error| Cause::lost(&error))?;
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            let next = self.server.next().await;
            let (kind, body) = next.map_err(|error: NoServer| Cause::lost(&error))?;
            match kind {
                b'D' => match pair(&body) {
                    Some(row) if rows.len() <= MAX_TABLES => rows.push(row),
                    Some(_) => {}
                    // The prefix answers no row either.
                    None => failed = failed.or(Some(Cause::odd())),
                },
                b'E' => failed = failed.or(Some(error(&body))),
                b'Z' if body == b"I" => return failed.map_or(Ok(rows), Err),
                b'1' | b'2' | b'3' | b'C' | b'N' | b'A' => {}
                _ => {
                    let cause = Cause::odd();
                    return Err(Cause {
                        ends: true,
                        ..cause
                    });
                }
            }
        }
    }

    fn batch(&self, asker: Asker, sql: &str, values: &[&str]) -> Vec<u8> {
        let nonces = Nonces::default();
        let signing = Signing {
            keys: &self.snapshot.files.zone_keys,
            nonces: &nonces,
        };
        let mut batch = Vec::new();
        let prefix = self.means.prefix(asker);
        prefix.put(&mut batch, &self.name, Form::Whole, &signing);
        put_question(&mut batch, sql, values);
        batch
    }

    /// Ends the connection in good order; a server that takes nothing is closed without a word.
    pub(super) async fn goodbye(mut self) {
        let _ = timeout(GOODBYE, self.server.send(frame::TERMINATE)).await;
    }
}

/// An ErrorResponse. Its message may quote a zone: the log gets the SQLSTATE.
fn error(body: &[u8]) -> Cause {
    let sqlstate = error_fields::read(body).sqlstate;
    let reason = match sqlstate == QUERY_CANCELED {
        true => IsolationFailure::Timeout,
        false => IsolationFailure::Error,
    };
    Cause {
        detail: format!("SQLSTATE {}", String::from_utf8_lossy(sqlstate)),
        ..Cause::of(reason)
    }
}

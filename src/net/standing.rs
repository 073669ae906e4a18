//! What a reload means for a connection that is logged in: it goes on under the new policy, or what
//! it was admitted with is no longer so and it must end.
//!
//! Route, server role, zone and kind are fixed at login: a connection that kept working across a
//! change of them would be in two states at once, one transaction half in each zone. The file's mode
//! is not: where it begins to observe, no guard refuses anything from the next statement on (a zone
//! that was injected goes on being injected, and what could not be set as it should is refused as
//! before). Where it begins to enforce, whoever was connected while it observed must end: the running
//! transaction may be in a zone, and the connection in a state, that enforcing would have refused.
//! Migration sessions go on; each of their connections has a server connection of its own. (A single
//! guard that begins to enforce ends nobody: what it let pass before is still there.)
//!
//! What the client has begun as one batch is judged by one policy: a new one waits for the Sync, but
//! not longer than [`PATIENCE`], and not where it ends the connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::shared::Snapshot;
use super::worker::Worker;
use crate::policy::guards::server_role;
use crate::policy::{Kind, Login, Who, ZoneSource, with_zone};
use crate::sql::Depth;

/// A batch that stays open keeps the policy it began under for so long after a new one was noticed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a client is in the middle of.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// It belongs to a migration session, which proves itself with a token of its own.
    pub in_session: bool,
    /// It has sent messages that wait for its Sync.
    pub in_batch: bool,
    /// The client's address, where it is still there.
    pub address: Option<IpAddr>,
}

/// Where a connection stands with what was read from files last.
#[derive(Debug)]
pub struct Standing {
    generation: u64,
    /// When a new policy was noticed that waits for the end of a batch.
    noticed: Option<Instant>,
    /// Why the client may begin nothing any more.
    let_go: Option<Box<str>>,
}

impl Standing {
    /// Admitted by the files of this generation.
    pub fn new(generation: u64) -> Self {
        Self {
            generation,
            noticed: None,
            let_go: None,
        }
    }

    /// Is there nothing to renew? Who was let go stays so, whatever is read later.
    pub fn is_of(&self, generation: u64) -> bool {
        self.generation == generation || self.let_go.is_some()
    }

    /// Goes by what the worker has taken up, at once or after the batch. False: the client must be let
    /// go.
    pub fn renew(&mut self, who: &mut Who, client: &Circumstances, worker: &Worker) -> bool {
        let generation = worker.generation();
        match reconsider(who, client.in_session, client.address, &worker.snapshot()) {
            Ok(new) if client.in_batch && self.may_wait(who, &new, Instant::now()) => {}
            Ok(new) => {
                *who = new;
                self.generation = generation;
                self.noticed = None;
            }
            Err(why) => {
                self.generation = generation;
                self.let_go = Some(why.into());
                worker.counters.let_go();
                return false;
            }
        }
        true
    }

    /// May a batch go on under the old policy? Statements are described as closely as the new one asks:
    /// an old one that asks for more would not see what it needs.
    fn may_wait(&mut self, old: &Who, new: &Who, now: Instant) -> bool {
        let noticed = *self.noticed.get_or_insert(now);
        now.duration_since(noticed) < PATIENCE && old.policy.depth() == new.policy.depth()
    }

    /// Why the client was let go, if it was.
    pub fn why_let_go(&self) -> Option<&str> {
        self.let_go.as_deref()
    }
}

/// Who asks under what was read last, or why the connection must end (a sentence, for DETAIL and log).
/// `in_session`: it belongs to a migration session, which proves itself with a token of its own.
fn reconsider(
    who: &Who,
    in_session: bool,
    address: Option<IpAddr>,
    snapshot: &Snapshot,
) -> Result<Who, String> {
    let files = &snapshot.files;
    let name = &*who.login.name;
    let Some(login) = files.policy.logins.get(name) else {
        return Err(format!("Login \"{name}\" is no longer in the policy."));
    };
    if !in_session && !files.users.contains_key(name) {
        return Err(format!("Login \"{name}\" can no longer log in: auth_file."));
    }
    if !login
        .databases
        .iter()
        .any(|granted| **granted == *who.database)
    {
        return Err(format!(
            "The policy no longer grants database \"{}\" to login \"{name}\".",
            who.database
        ));
    }
    if !login.admits_peer(address) {
        return Err(format!(
            "The policy no longer admits login \"{name}\" from this address."
        ));
    }
    // The certificate of a connection does not change.
    let certificate = who.login.zone.as_ref().and_then(ZoneSource::certificate);
    let new = Who {
        policy: Arc::clone(&files.policy),
        login: with_zone(login, certificate.and_then(|it| it.zone.clone())),
        database: Arc::clone(&who.database),
    };
    if who.observes() && !new.observes() && !in_session {
        return Err("The policy enforces now, and did not while this connection was open.".into());
    }
    let closer = who.policy.depth() == Depth::Surface && new.policy.depth() == Depth::Names;
    if closer && !who.observes() {
        // What was prepared before would be refused for ever: nobody knows what it names.
        return Err("The policy asks what statements name, which it did not before.".into());
    }
    match changed(who, &new) {
        Some(what) => Err(format!(
            "The policy has given login \"{name}\" another {what}."
        )),
        None => Ok(new),
    }
}

/// What is fixed at login and is another now.
fn changed<'a>(old: &'a Who, new: &'a Who) -> Option<&'a str> {
    let (was, is) = (&*old.login, &*new.login);
    if was.kind != is.kind {
        Some("kind")
    } else if was.route != is.route && is.kind != Kind::Migrator {
        Some("route")
    } else if role(was) != role(is) {
        Some("server_role")
    } else if server_role::is_looked_at(new) && lost(was, is) {
        Some("allow_server_role")
    } else if !zone_carries_on(old, new) {
        Some(new.noun())
    } else if is.kind == Kind::Replication && was.replicates != is.replicates {
        // What streams was begun with the old lists.
        Some("list of what it replicates")
    } else {
        None
    }
}

/// Was the role behind let in for something that it may not be any more?
fn lost(was: &Login, is: &Login) -> bool {
    let kept = |power| is.allow_server_role.contains(power);
    !was.allow_server_role.iter().all(kept)
}

fn role(login: &Login) -> &str {
    login.server_role.as_deref().unwrap_or(&login.name)
}

/// Is the zone, or what the client may choose from, what it was? More may be granted, never less: the
/// client may be in the zone that is taken away.
fn zone_carries_on(old: &Who, new: &Who) -> bool {
    let set = |who: &Who| {
        let source = who.login.zone.clone()?;
        let parameter: Box<str> = who.zone_parameter()?.into();
        Some((parameter, who.policy.zone.as_ref()?.protection, source))
    };
    match (set(old), set(new)) {
        (None, None) => true,
        (Some((was, protected, old)), Some((is, protection, new))) => {
            was == is && protected == protection && new.carries_on(&old)
        }
        (None, Some(_)) | (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::auth::keys::ServerKeys;
    use crate::net::shared::Files;
    use crate::policy::Policy;

    const POLICY: &str = r#"schema = 1
environment = "test"
[zone]
parameter = "app.tenant_id"
databases = ["shop"]
noun = "tenant"
[login.acme]
kind = "service"
databases = ["shop", "app"]
zone = "acme"
"#;
    const VERIFIER: &str = "SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn snapshot(policy: &str, users: &[&str]) -> Snapshot {
        let (policy, _) = Policy::parse(policy, "p.toml").unwrap();
        let users = users
            .iter()
            .map(|name| ((*name).into(), VERIFIER.parse().unwrap()));
        Snapshot::new(Files {
            policy: Arc::new(policy),
            policy_text: "".into(),
            users: Arc::new(users.collect::<HashMap<_, _>>()),
            keys: Arc::new(ServerKeys::parse("").unwrap()),
            zone_keys: Arc::default(),
            client_tls: None,
            server_tls: None,
            peer_tls: None,
        })
    }

    fn acme() -> Who {
        let files = snapshot(POLICY, &[]).files;
        Who {
            login: Arc::clone(&files.policy.logins["acme"]),
            policy: files.policy,
            database: "shop".into(),
        }
    }

    #[test]
    fn a_batch_keeps_its_policy_for_a_while_unless_that_would_be_blind() {
        let (old, began) = (acme(), Instant::now());
        let later = |seconds| began + Duration::from_secs(seconds);
        let mut standing = Standing::new(1);
        assert!(standing.may_wait(&old, &acme(), later(0)));
        assert!(standing.may_wait(&old, &acme(), later(4)));
        assert!(!standing.may_wait(&old, &acme(), later(5)));
        // Noticed once, however many more are loaded meanwhile.
        assert!(!standing.may_wait(&old, &acme(), later(6)));
        let names = "[guards.append-only]\nrelations = [\"public.log\"]\n[login.acme]";
        let names = snapshot(&POLICY.replacen("[login.acme]", names, 1), &[]).files;
        let closer = Who {
            login: Arc::clone(&names.policy.logins["acme"]),
            policy: names.policy,
            database: "shop".into(),
        };
        assert!(!Standing::new(1).may_wait(&closer, &acme(), later(0)));
    }

    #[test]
    fn a_login_goes_on_under_another_policy() {
        for (old, new) in [
            ("", ""),
            ("[zone]", "mode = \"enforce\"\n[zone]"),
            ("[zone]", "mode = \"observe\"\n[zone]"),
            ("\"shop\", \"app\"", "\"shop\""),
            ("zone = \"acme\"", "zone = \"acme\"\nmax_connections = 3"),
            (
                "zone = \"acme\"",
                "zone = \"acme\"\nnetworks = [\"127.0.0.0/8\"]",
            ),
        ] {
            let new = snapshot(&POLICY.replace(old, new), &["acme"]);
            let who = reconsider(&acme(), false, HERE, &new).unwrap();
            assert!(Arc::ptr_eq(&who.policy, &new.files.policy));
        }
        assert!(reconsider(&acme(), true, HERE, &snapshot(POLICY, &[])).is_ok());
    }

    #[test]
    fn who_was_there_while_the_policy_observed_ends_where_it_enforces() {
        let observing = POLICY.replace("[zone]", "mode = \"observe\"\n[zone]");
        let files = snapshot(&observing, &["acme"]).files;
        let who = Who {
            login: Arc::clone(&files.policy.logins["acme"]),
            policy: files.policy,
            database: "shop".into(),
        };
        let enforcing = snapshot(POLICY, &["acme"]);
        let why = reconsider(&who, false, HERE, &enforcing).unwrap_err();
        assert!(why.contains("enforces now"), "{why}");
        assert!(reconsider(&who, true, HERE, &enforcing).is_ok());
        let still = snapshot(&observing, &["acme"]);
        assert!(reconsider(&who, false, HERE, &still).is_ok());
    }

    #[test]
    fn a_client_that_chooses_its_zone_may_be_granted_more_and_not_less() {
        let from = |values: &str| POLICY.replace("zone = \"acme\"", &format!("zone = {values}"));
        let old = from("{ from = \"client\", values = [\"a\", \"b\"] }");
        let files = snapshot(&old, &["acme"]).files;
        let who = Who {
            login: Arc::clone(&files.policy.logins["acme"]),
            policy: files.policy,
            database: "shop".into(),
        };
        for (values, goes_on) in [
            ("{ from = \"client\", values = [\"a\", \"b\"] }", true),
            (
                "{ from = \"client\", values = [\"a\", \"b\", \"c\"] }",
                true,
            ),
            (
                "{ from = \"client\", values = \"any\", all_zones = true }",
                true,
            ),
            ("{ from = \"client\", values = [\"a\"] }", false),
            ("{ from = \"client\", all_zones = true }", false),
            ("{ from = \"database\", pattern = \"s*\" }", false),
            ("\"a\"", false),
        ] {
            let new = snapshot(&from(values), &["acme"]);
            let said = reconsider(&who, false, HERE, &new);
            assert_eq!(said.is_ok(), goes_on, "{values}");
        }
    }

    #[test]
    fn what_was_fixed_at_login_ends_the_connection_when_it_changes() {
        let other = "[login.acme]\nserver_role = \"x\"";
        for (old, new, why) in [
            ("[login.acme]", "[login.other]", "no longer in the policy"),
            ("\"shop\", ", "", "no longer grants database \"shop\""),
            ("\"acme\"\n", "\"globex\"\n", "another tenant"),
            ("zone = \"acme\"\n", "", "another tenant"),
            ("app.tenant_id", "app.other", "another tenant"),
            (
                "[zone]",
                "[zone]\nprotection = \"signed\"",
                "another tenant",
            ),
            ("\"service\"", "\"human\"", "another kind"),
            ("[login.acme]", other, "another server_role"),
            (
                "zone = \"acme\"",
                "zone = \"acme\"\nnetworks = [\"10.0.0.0/8\"]",
                "from this address",
            ),
            (
                "[login.acme]",
                "[guards.append-only]\nrelations = [\"public.log\"]\n[login.acme]",
                "asks what statements name",
            ),
            (
                "zone = \"acme\"",
                "zone = \"acme\"\nroute = \"session\"",
                "another route",
            ),
        ] {
            let new = snapshot(&POLICY.replacen(old, new, 1), &["acme"]);
            let said = reconsider(&acme(), false, HERE, &new).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let said = reconsider(&acme(), false, HERE, &snapshot(POLICY, &[])).unwrap_err();
        assert!(said.contains("auth_file"), "{said}");
    }
}

//! Reading files again while the proxy runs: on SIGHUP and by RELOAD all of them, or those that have
//! changed. What is asked for at once is taken up as a whole or not at all.

mod known;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::difference::difference;
use super::load::{self, PolicyFile, Tls, Users};
use super::shared::{Files as Parts, Shared, Snapshot};
use super::unproved;
use super::worker::WorkerHandle;
use crate::auth::userlist;
use crate::config::{Config, Problem, Severity};
use crate::migration::span::{Millis, timestamp};
use crate::policy::{Policy, check_zone_keys};
use crate::telemetry::Counters;
use crate::telemetry::health::State;
use crate::telemetry::labels::{Files, Reload};
use known::{Beside, GROUPS, Known, Look};

/// Between two looks at the files. A change is read when it has rested for one such time: a file may
/// be in the middle of being written, and half a userlist would end connections.
const WATCH: Duration = Duration::from_secs(1);

/// Files that are asked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Which {
    policy: bool,
    users: bool,
    tls: bool,
}

impl Which {
    /// All that can be read while running.
    pub const ALL: Self = Self {
        policy: true,
        users: true,
        tls: true,
    };

    const fn only(files: Files) -> Self {
        Self {
            policy: matches!(files, Files::Policy),
            users: matches!(files, Files::Users),
            tls: matches!(files, Files::Tls),
        }
    }

    const fn with(self, files: Files) -> Self {
        let more = Self::only(files);
        Self {
            policy: self.policy || more.policy,
            users: self.users || more.users,
            tls: self.tls || more.tls,
        }
    }

    fn has(self, files: Files) -> bool {
        match files {
            Files::Policy => self.policy,
            Files::Users => self.users,
            Files::Tls => self.tls,
        }
    }
}

/// The checks' names on `/health/ready`. The first and the last are there only while what is on disk is not in
/// force.
const fn check(files: Files) -> &'static str {
    match files {
        Files::Policy => "policy",
        Files::Users => "auth_file",
        Files::Tls => "certificates",
    }
}

/// Reads files again.
pub struct Reloader {
    shared: Arc<Shared>,
    workers: Arc<Vec<WorkerHandle>>,
    counters: Mutex<Counters>,
    known: Known,
}

/// What was read, of what was asked for.
#[derive(Default)]
struct Found {
    policy: Option<PolicyFile>,
    users: Option<Users>,
    tls: Option<Tls>,
}

impl Reloader {
    /// For a proxy that has just read everything.
    pub fn new(shared: Arc<Shared>, workers: Arc<Vec<WorkerHandle>>) -> Self {
        Self {
            counters: Mutex::new(shared.telemetry.counters()),
            known: Known::new(&shared.config),
            shared,
            workers,
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.shared.snapshot().files.policy)
    }

    /// Reads what is asked for. When it returns, every statement is judged by it, on every connection,
    /// those of a batch that is open excepted (see `standing`); connections that rest and must end are told soon after. Only on the control runtime.
    ///
    /// # Errors
    /// Every problem, which the log has too; nothing has changed.
    pub fn reload(&self, which: Which) -> Result<(), String> {
        if which == Which::ALL {
            self.look_at_config();
        }
        self.known.look_at(&self.shared.config, which);
        if which == Which::ALL {
            self.shared.server_roles.forget();
        }
        let found = self.read(which);
        let outcome = match &found {
            Ok(_) => Reload::Ok,
            Err(_) => Reload::Failed,
        };
        for files in GROUPS.into_iter().filter(|files| which.has(*files)) {
            lock(&self.counters).reload(files, outcome);
        }
        let found = found.inspect_err(|_| tracing::error!("nothing was reloaded"))?;
        if self.put_in_force(found) {
            let workers = Arc::clone(&self.workers);
            // A worker that is busy is not waited for.
            tokio::spawn(async move {
                for worker in workers.iter() {
                    worker.take_up().await;
                }
            });
        }
        Ok(())
    }

    /// The configuration itself is read at start only: whoever asks for everything should know.
    fn look_at_config(&self) {
        let config = &self.shared.config;
        match Config::load(&config.path) {
            Ok(now) if format!("{now:?}") == format!("{config:?}") => {}
            Ok(_) => tracing::warn!(
                file = %config.path.display(),
                "the configuration has changed: it takes effect with the next start"
            ),
            Err(problems) => note(&problems),
        }
    }

    /// All problems of all files are told.
    fn read(&self, which: Which) -> Result<Found, String> {
        let config = &self.shared.config;
        let mut found = Found::default();
        let mut wrong = Vec::new();
        let beside = self.beside();
        if which.policy {
            let version = self.policy().version;
            let number = version.map_or(1, |version| version.number + 1);
            match load::policy(config, number) {
                Ok(policy) => found.policy = Some(policy),
                Err(invalid) => {
                    note(&invalid.problems);
                    let why = "the file on disk is not valid: see the log, or portcullis check";
                    let lacks = invalid.lacks_keys.then_some(&beside);
                    self.refuse(Files::Policy, why, lacks);
                    wrong.push(load::told(&invalid.problems));
                }
            }
        }
        if which.users {
            let policy = found.policy.as_ref().map(|file| &file.policy);
            let signs = |users: Users| signs(config, policy.unwrap_or(&self.policy()), users);
            let none_before = self.shared.snapshot().files.users.is_empty();
            let complete = |users| complete(users, none_before);
            let users = load::users(config).and_then(complete);
            let lacks = users.is_ok().then_some(&beside);
            match users.and_then(signs) {
                Ok(users) => found.users = Some(users),
                Err(problem) => {
                    self.refuse(Files::Users, &problem, lacks);
                    tracing::error!(problem, "users and server keys are not loaded");
                    wrong.push(problem);
                }
            }
        }
        if which.tls {
            match load::tls(config) {
                Ok(tls) => found.tls = Some(tls),
                Err(problem) => {
                    self.refuse(Files::Tls, &problem, None);
                    tracing::error!(problem, "certificates are not loaded");
                    wrong.push(problem);
                }
            }
        }
        if wrong.is_empty() {
            return Ok(found);
        }
        self.hold(&found);
        Err(wrong.join("\n"))
    }

    /// What of it is valid stays out of force with what is not.
    fn hold(&self, found: &Found) {
        let text = &self.shared.snapshot().files.policy_text;
        let policy = found.policy.as_ref();
        if policy.is_some_and(|file| file.text == *text) {
            self.policy_is_in_force();
        }
        let valid = [
            (Files::Policy, policy.is_some()),
            (Files::Users, found.users.is_some()),
            (Files::Tls, found.tls.is_some()),
        ];
        let valid = valid.into_iter().filter(|(_, is_valid)| *is_valid);
        for (files, _) in valid {
            if let Some(since) = self.known.is_held(files, crate::clock::now()) {
                let are = match files {
                    Files::Tls => "the files on disk are",
                    _ => "the file on disk is",
                };
                let why = format!("{are} valid, but another one that was read with it is not");
                self.tell(files, &why, since);
            }
        }
    }

    /// `lacks`: it would be valid beside other keys, or another policy, than these.
    fn refuse(&self, files: Files, why: &str, lacks: Option<&Beside>) {
        let now = crate::clock::now();
        let since = self.known.is_wrong(files, now, lacks.cloned());
        self.tell(files, why, since);
    }

    /// Tells whoever asks for health that what is on disk is not in force, since when and what is.
    fn tell(&self, files: Files, why: &str, since: Millis) {
        let kept = match (files, self.policy().version) {
            (Files::Policy, Some(version)) => format!("policy {version}"),
            (Files::Policy, None) => "the earlier policy".to_owned(),
            _ => "what was read before".to_owned(),
        };
        let text = format!("{why} (since {}); {kept} stays in force", timestamp(since));
        let health = &self.shared.health;
        health.set(check(files), false, State::Degraded, text);
    }

    fn policy_is_in_force(&self) {
        self.known.is_in_force(Files::Policy);
        self.shared.health.remove(check(Files::Policy));
    }

    /// Swaps what is in force as a whole; false: nothing is new.
    fn put_in_force(&self, found: Found) -> bool {
        let old = self.shared.snapshot();
        let mut parts: Parts = old.files.clone();
        let mut new = false;
        let mut news: Vec<Box<dyn FnOnce()>> = Vec::new();
        let other_users = found.users.is_some();
        if found.policy.is_some() {
            self.policy_is_in_force();
        }
        if let Some(file) = found.policy
            && file.text != parts.policy_text
        {
            news.push(policy_news(&parts, &file));
            parts.policy = Arc::new(file.policy);
            parts.policy_text = file.text;
            new = true;
        }
        if let Some(users) = found.users {
            self.known.is_in_force(Files::Users);
            note_user_problems(&self.shared, &users.problems);
            let users_now = users.users.len();
            news.push(Box::new(move || {
                tracing::info!(users = users_now, "users and server keys are loaded");
            }));
            parts.users = users.users;
            parts.keys = users.keys;
            parts.zone_keys = users.zone_keys;
            new = true;
        }
        if let Some(tls) = found.tls {
            self.known.is_in_force(Files::Tls);
            self.shared.health.remove(check(Files::Tls));
            news.push(Box::new(|| tracing::info!("certificates are loaded")));
            parts.client_tls = tls.client;
            parts.server_tls = tls.server;
            parts.peer_tls = tls.peers;
            new = true;
        }
        if new {
            unproved::note(&parts.policy, &parts.users, &parts.keys);
            self.shared.telemetry.set_policy(parts.policy.version);
            self.shared.swap(Snapshot::new(parts));
        }
        // Whoever reads that it is loaded finds it in force.
        news.into_iter().for_each(|tell| tell());
        if other_users {
            self.shared.mismatches.forget(&self.shared.health);
        }
        new
    }

    /// What policy and users are checked against.
    fn beside(&self) -> Beside {
        Beside::now(&self.shared.config, self.policy().version)
    }

    /// Reads each group of files when it has changed, for ever.
    pub async fn watch(self: Arc<Self>) {
        let config = &self.shared.config;
        let mut before = self.known.looks();
        loop {
            tokio::time::sleep(WATCH).await;
            for (files, before) in GROUPS.into_iter().zip(&mut before) {
                let now = Look::at(config, files);
                let rests = *before == now;
                let known = self.known.is(files, &now);
                *before = now;
                if rests && !known {
                    // What is wrong is in the log.
                    let _ = self.reload(self.known.to_read(config, files));
                    if let Some(which) = self.known.again(config, &self.beside()) {
                        let _ = self.reload(which);
                    }
                }
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Without the key of a database nobody could enter a zone there.
fn signs(config: &Config, policy: &Policy, users: Users) -> Result<Users, String> {
    let problems = check_zone_keys(config, policy, &users.zone_keys);
    match problems.is_empty() {
        true => Ok(users),
        false => Err(load::told(&problems)),
    }
}

/// A userlist that is empty, or read only to its middle, says nothing about those behind, and who is not in it
/// loses their connections: while running, such a file changes nothing. `none_before`: nobody could be lost.
fn complete(users: Users, none_before: bool) -> Result<Users, String> {
    match users.problems.iter().find(|problem| problem.user.is_none()) {
        // As it looks between truncating it and writing it.
        None if users.users.is_empty() && !none_before => Err(
            "error: auth_file has no user that could log in: it is not taken while running; to let nobody in, remove their logins from the policy"
                .to_owned(),
        ),
        None => Ok(users),
        Some(problem) => Err(format!(
            "error: auth_file, line {}: {}",
            problem.line, problem.message
        )),
    }
}

/// What is to be told of the policy once it is in force.
fn policy_news(old: &Parts, new: &PolicyFile) -> Box<dyn FnOnce()> {
    let warnings = new.warnings.clone();
    let (version, before) = (new.policy.version, old.policy.version);
    let changes = difference(&old.policy_text, &new.text);
    let changes = match changes.is_empty() {
        true => "comments and layout".to_owned(),
        false => changes.join("; "),
    };
    Box::new(move || {
        note(&warnings);
        tracing::info!(
            policy = version.map(tracing::field::display),
            before = before.map(tracing::field::display),
            changes,
            "policy loaded"
        );
    })
}

/// Each problem of a configuration or policy file as a line of its own.
pub fn note(problems: &[Problem]) {
    for problem in problems {
        let Problem {
            message,
            file,
            line,
            help,
            ..
        } = problem;
        match problem.severity {
            Severity::Error => tracing::error!(file, line, help, problem = message, "not valid"),
            Severity::Warning => {
                tracing::warn!(file, line, help, problem = message, "worth a look")
            }
        }
    }
}

/// Names the lines of `auth_file` that keep somebody from logging in.
pub fn note_user_problems(shared: &Shared, problems: &[userlist::Problem]) {
    for problem in problems {
        let userlist::Problem {
            line,
            message,
            hint,
            ..
        } = problem;
        let file = shared.config.auth.auth_file.display();
        tracing::warn!(%file, line, hint, problem = message, "auth_file");
    }
    let (state, text) = match problems.len() {
        0 => (State::Healthy, "every line is usable".to_owned()),
        count => (
            State::Degraded,
            format!("{count} lines cannot be used; see the log"),
        ),
    };
    shared.health.set(check(Files::Users), false, state, text);
}

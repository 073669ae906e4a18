//! What is known of the files that are read again: what they looked like, and whether what is on disk is in
//! force.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Which;
use crate::config::Config;
use crate::migration::span::Millis;
use crate::policy::Version;
use crate::telemetry::labels::Files;

/// Everything that is read together when one of it changes.
pub(super) const GROUPS: [Files; 3] = [Files::Policy, Files::Users, Files::Tls];

/// When a file was changed, how long it is and which it is; none: it cannot be seen.
type Stamp = Option<(i64, i64, i64, i64, u64, u64)>;

/// What a group of files looked like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look(Vec<Stamp>);

impl Look {
    pub(super) fn at(config: &Config, files: Files) -> Self {
        Self(paths(config, files).into_iter().map(stamp).collect())
    }
}

/// Links are followed: Kubernetes mounts files as links.
fn stamp(path: &Path) -> Stamp {
    let file = std::fs::metadata(path).ok()?;
    let modified = (file.mtime(), file.mtime_nsec());
    let changed = (file.ctime(), file.ctime_nsec());
    Some((
        modified.0,
        modified.1,
        changed.0,
        changed.1,
        file.len(),
        file.ino(),
    ))
}

fn paths(config: &Config, files: Files) -> Vec<&Path> {
    let (auth, tls) = (&config.auth, &config.client_tls);
    let optional = match files {
        Files::Policy => vec![Some(&config.policy)],
        Files::Users => vec![
            Some(&auth.auth_file),
            auth.key_file.as_ref(),
            auth.zone_key_file.as_ref(),
        ],
        Files::Tls => vec![
            tls.cert_file.as_ref(),
            tls.key_file.as_ref(),
            tls.ca_file.as_ref(),
            config.server_tls.ca_file.as_ref(),
            config.peers.as_ref().and_then(|it| it.tls.ca_file.as_ref()),
        ],
    };
    optional.into_iter().flatten().map(|path| &**path).collect()
}

/// What policy and users are checked against, beside their own files: the policy against the zones' keys, those
/// against the policy in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Beside {
    zone_keys: Stamp,
    policy: Option<Version>,
}

impl Beside {
    /// Looked at before anything is read: a change in between is noticed later.
    pub(super) fn now(config: &Config, policy: Option<Version>) -> Self {
        let zone_keys = config.auth.zone_key_file.as_deref();
        Self {
            zone_keys: zone_keys.and_then(stamp),
            policy,
        }
    }
}

/// What is on disk, next to what is in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// The same.
    #[default]
    InForce,
    /// It has changed since, or was never found valid. Only while it is read.
    Changed,
    /// It is not valid.
    Wrong,
    /// It is valid, and was read with one that is not.
    Held,
}

/// What is known of a group.
#[derive(Default)]
struct Group {
    /// What it looked like when it was read last.
    look: Look,
    standing: Standing,
    /// Since when what is on disk is not what is in force.
    since: Option<Millis>,
    /// While it is wrong: it would not be, beside other keys or another policy than these.
    lacks: Option<Beside>,
}

impl Group {
    fn is_wrong(&self) -> bool {
        self.standing == Standing::Wrong
    }

    /// It was wrong only because of what is beside it, and that is another one now.
    fn may_be_right(&self, changed: impl Fn(&Beside) -> bool) -> bool {
        self.is_wrong() && self.lacks.as_ref().is_some_and(changed)
    }
}

/// What is known of all groups.
pub(super) struct Known(Mutex<[Group; GROUPS.len()]>);

impl Known {
    /// All of it has just been read, and is in force.
    pub(super) fn new(config: &Config) -> Self {
        Self(Mutex::new(GROUPS.map(|files| Group {
            look: Look::at(config, files),
            ..Group::default()
        })))
    }

    fn lock(&self) -> MutexGuard<'_, [Group; GROUPS.len()]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn looks(&self) -> [Look; GROUPS.len()] {
        self.lock().each_ref().map(|group| group.look.clone())
    }

    pub(super) fn is(&self, files: Files, look: &Look) -> bool {
        self.lock()[files as usize].look == *look
    }

    /// Looked at before they are read: a change in between is noticed later.
    pub(super) fn look_at(&self, config: &Config, which: Which) {
        let mut groups = self.lock();
        for (group, files) in groups.iter_mut().zip(GROUPS) {
            let look = Look::at(config, files);
            if which.has(files) && group.look != look {
                (group.look, group.standing) = (look, Standing::Changed);
            }
        }
    }

    /// It is in force.
    pub(super) fn is_in_force(&self, files: Files) {
        let group = &mut self.lock()[files as usize];
        (group.standing, group.since) = (Standing::InForce, None);
    }

    /// It is not valid: since when what is on disk is not in force. `lacks`: only because of this.
    pub(super) fn is_wrong(&self, files: Files, now: Millis, lacks: Option<Beside>) -> Millis {
        let group = &mut self.lock()[files as usize];
        group.standing = Standing::Wrong;
        group.lacks = lacks;
        *group.since.get_or_insert(now)
    }

    /// It is valid, and was read with one that is not; none: it is in force all the same.
    pub(super) fn is_held(&self, files: Files, now: Millis) -> Option<Millis> {
        let group = &mut self.lock()[files as usize];
        if group.standing == Standing::InForce {
            return None;
        }
        group.standing = Standing::Held;
        Some(*group.since.get_or_insert(now))
    }

    /// What to read where this group has changed: it alone, unless it was wrong and others were held because
    /// of it. They come with it, but for those that are changing themselves.
    pub(super) fn to_read(&self, config: &Config, files: Files) -> Which {
        with_held(&self.lock(), config, Which::only(files))
    }

    /// What to read once more, although it has not changed: what was wrong only because of something beside it that
    /// has changed now and is in force, or could be together with it. What is wrong by itself is not read again before
    /// it changes: it would be told of at every change of another file.
    pub(super) fn again(&self, config: &Config, now: &Beside) -> Option<Which> {
        let groups = self.lock();
        let (policy, users) = (
            &groups[Files::Policy as usize],
            &groups[Files::Users as usize],
        );
        let other_keys = policy.may_be_right(|lacked| lacked.zone_keys != now.zone_keys);
        let other_policy = users.may_be_right(|lacked| lacked.policy != now.policy);
        // Keys that are being written are nobody's yet.
        let users_rest = users.look == Look::at(config, Files::Users);
        let which = match (other_keys, users.standing) {
            _ if !users_rest => return None,
            (true, Standing::InForce) => Which::only(Files::Policy),
            // Each would be right with the other.
            (true, Standing::Wrong) if users.lacks.is_some() => {
                Which::only(Files::Policy).with(Files::Users)
            }
            _ if other_policy => Which::only(Files::Users),
            _ => return None,
        };
        Some(with_held(&groups, config, which))
    }
}

/// With all that is held because of it; where yet another one is wrong they go on waiting for that.
fn with_held(groups: &[Group; GROUPS.len()], config: &Config, which: Which) -> Which {
    let of = |standing| {
        let all = groups.iter().zip(GROUPS);
        all.filter(move |(group, _)| group.standing == standing)
    };
    let mut wrong = of(Standing::Wrong).map(|(_, files)| which.has(files));
    let any = wrong.next();
    if any != Some(true) || !wrong.all(|is_read| is_read) {
        return which;
    }
    let rests = |(group, files): &(&Group, Files)| group.look == Look::at(config, *files);
    let held = of(Standing::Held).filter(rests);
    held.fold(which, |which, (_, files)| which.with(files))
}

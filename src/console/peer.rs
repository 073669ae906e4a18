//! Who is at the other end of the unix socket: asked of the kernel (SO_PEERCRED), named by
//! `/etc/passwd`, and let in as root, as the proxy's own user or as a member of the socket's group.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use tokio::net::unix::UCred;

/// Longest `/etc/passwd` or `/etc/group` that is read.
const MAX_FILE: u64 = 4 << 20;
/// The socket's group may connect.
const GROUP_WRITE: u32 = 0o020;

/// A person on the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The operating system's name, or `uid 1234` where it has none.
    pub name: String,
    /// Root or the proxy's own user: may do everything. Others need `console` in the policy.
    pub owner: bool,
}

/// Who may use the socket, by its owner, group and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    own_uid: u32,
    group: Option<u32>,
}

impl Access {
    /// Reads the socket's group and mode; they are the operator's to change before the start.
    pub fn of(socket: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(socket)?;
        let group = (metadata.mode() & GROUP_WRITE != 0).then(|| metadata.gid());
        Ok(Self {
            own_uid: rustix::process::geteuid().as_raw(),
            group,
        })
    }

    /// Root, or the proxy's own user?
    pub(super) fn is_owner(self, uid: u32) -> bool {
        uid == 0 || uid == self.own_uid
    }

    /// The person, or None for a peer that may not use the console. Reads two small files.
    pub(super) fn admit(self, peer: &UCred) -> Option<Person> {
        let passwd = read(Path::new("/etc/passwd"));
        let name = name_of(&passwd, peer.uid());
        let member = || {
            self.group.is_some_and(|group| {
                peer.gid() == group || is_member(&read(Path::new("/etc/group")), group, name)
            })
        };
        let owner = self.is_owner(peer.uid());
        (owner || member()).then(|| Person {
            name: name.map_or_else(|| format!("uid {}", peer.uid()), Into::into),
            owner,
        })
    }
}

/// The file's text; nothing when it cannot be read, so that nobody is let in by it.
fn read(path: &Path) -> String {
    let mut text = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE).read_to_end(&mut text)) {
        Ok(_) => String::from_utf8_lossy(&text).into_owned(),
        Err(_) => String::new(),
    }
}

/// The name of a user id in the text of `/etc/passwd` (passwd(5): name:password:uid:...).
fn name_of(passwd: &str, uid: u32) -> Option<&str> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })
}

/// Is the user a member of a group by the text of `/etc/group` (group(5): name:password:gid:members)?
fn is_member(groups: &str, gid: u32, user: Option<&str>) -> bool {
    // `root:x:0:` would list one member without a name.
    let Some(user) = user.filter(|user| !user.is_empty()) else {
        return false;
    };
    groups.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        matches!(fields[..], [_, _, id, members] if id.parse() == Ok(gid) && members.split(',').any(|member| member == user))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\nbroken\nboris:x:1000:1000::/srv/boris:/bin/sh\n:x:7:7::/:\n";
        assert_eq!(name_of(passwd, 0), Some("root"));
        assert_eq!(name_of(passwd, 1000), Some("boris"));
        assert_eq!(
            (name_of(passwd, 100), name_of(passwd, 7), name_of("", 0)),
            (None, None, None)
        );
    }

    #[test]
    fn members_are_whole_names_of_that_group() {
        let groups = "root:x:0:\nportcullis:x:990:boris,yoanna\nother:x:99:bor\n";
        assert!(is_member(groups, 990, Some("boris")) && is_member(groups, 990, Some("yoanna")));
        for (gid, user) in [
            (990, Some("bor")),
            (990, Some("")),
            (99, Some("boris")),
            (0, Some("")),
            (990, None),
            (1, Some("boris")),
        ] {
            assert!(!is_member(groups, gid, user), "{gid} {user:?}");
        }
    }
}

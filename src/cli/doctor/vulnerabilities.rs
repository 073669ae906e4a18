//! Known holes of PgBouncer's versions.
//!
//! From the records of the CVE Program, whose CNA for PgBouncer is the PostgreSQL project
//! (<https://www.cve.org/CVERecord?id=CVE-2025-2291> and so on), and PgBouncer's own change log
//! (<https://www.pgbouncer.org/changelog.html>). As of 1.26.1, 2026-10-14.

use std::fmt;

/// A version of PgBouncer: `1.18.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub u16, pub u16, pub u16);

impl Version {
    /// Reads the first thing that looks like a version: `PgBouncer 1.18.0`, `1.24.1-1.pgdg12+1`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let from = text.find(|c: char| c.is_ascii_digit())?;
        let end = |c: char| !c.is_ascii_digit() && c != '.';
        let text = text.get(from..)?.split(end).next()?;
        let mut parts = text.split('.').map(str::parse);
        let mut part = || parts.next().unwrap_or(Ok(0)).ok();
        Some(Self(part()?, part()?, part()?))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The newest version that this table knows.
pub(super) const CURRENT: Version = Version(1, 26, 1);

/// One hole.
pub(super) struct Hole {
    pub cve: &'static str,
    /// The first version that has it.
    since: Version,
    /// The first version that has it no more.
    fixed: Version,
    /// Completes "PgBouncer ...".
    pub what: &'static str,
}

const ALWAYS: Version = Version(0, 0, 0);

/// The worst first.
const HOLES: &[Hole] = &[
    Hole {
        cve: "CVE-2026-107350",
        since: Version(1, 17, 0),
        fixed: Version(1, 26, 1),
        what: "lets one SCRAM user log in as another",
    },
    Hole {
        cve: "CVE-2025-12819",
        since: ALWAYS,
        fixed: Version(1, 25, 1),
        what: "runs strangers' SQL before login where track_extra_parameters has search_path and auth_query is used",
    },
    Hole {
        cve: "CVE-2025-2291",
        since: ALWAYS,
        fixed: Version(1, 24, 1),
        what: "accepts expired passwords through auth_query",
    },
    Hole {
        cve: "CVE-2021-3935",
        since: ALWAYS,
        fixed: Version(1, 16, 1),
        what: "takes SQL from before the TLS handshake where auth_type is cert",
    },
    Hole {
        cve: "CVE-2015-6817",
        since: Version(1, 6, 0),
        fixed: Version(1, 6, 1),
        what: "lets unknown users in as auth_user",
    },
    Hole {
        cve: "CVE-2026-6664",
        since: ALWAYS,
        fixed: Version(1, 25, 2),
        what: "can be crashed before login by a SCRAM message",
    },
    Hole {
        cve: "CVE-2026-6668",
        since: ALWAYS,
        fixed: Version(1, 26, 0),
        what: "can be stopped before login by a long message",
    },
    Hole {
        cve: "CVE-2026-107349",
        since: Version(1, 20, 0),
        fixed: Version(1, 26, 1),
        what: "can be stopped before login by startup options",
    },
    Hole {
        cve: "CVE-2026-107348",
        since: Version(1, 21, 0),
        fixed: Version(1, 26, 1),
        what: "can be stopped by a long message where max_packet_size is 2 GB or more",
    },
    Hole {
        cve: "CVE-2026-6665",
        since: ALWAYS,
        fixed: Version(1, 25, 2),
        what: "can be overwritten by a malicious server behind it",
    },
    Hole {
        cve: "CVE-2026-6666",
        since: ALWAYS,
        fixed: Version(1, 25, 2),
        what: "can be crashed by a server behind it",
    },
    Hole {
        cve: "CVE-2026-6669",
        since: ALWAYS,
        fixed: Version(1, 26, 0),
        what: "can be kept busy by a server behind it",
    },
    Hole {
        cve: "CVE-2026-6667",
        // KILL_CLIENT is there since 1.24.
        since: Version(1, 24, 0),
        fixed: Version(1, 25, 2),
        what: "lets stats_users disconnect clients",
    },
];

/// The holes of a version, the worst first.
pub(super) fn holes(version: Version) -> Vec<&'static Hole> {
    let has = |hole: &&Hole| hole.since <= version && version < hole.fixed;
    HOLES.iter().filter(has).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_wherever_they_stand() {
        for (text, version) in [
            ("PgBouncer 1.18.0", Version(1, 18, 0)),
            ("PgBouncer version 1.9", Version(1, 9, 0)),
            ("1.24.1-1.pgdg12+1", Version(1, 24, 1)),
        ] {
            assert_eq!(Version::read(text), Some(version), "{text}");
        }
        assert_eq!(Version::read("PgBouncer"), None);
        assert_eq!(Version::read("99999999.1"), None);
        assert!(Version(1, 9, 0) < Version(1, 18, 0));
    }

    #[test]
    fn each_version_has_its_holes_and_the_current_one_has_none() {
        let found = |version| -> Vec<&str> { holes(version).iter().map(|hole| hole.cve).collect() };
        assert!(found(CURRENT).is_empty());
        assert_eq!(
            found(Version(1, 26, 0)),
            ["CVE-2026-107350", "CVE-2026-107349", "CVE-2026-107348"]
        );
        let old = found(Version(1, 18, 0));
        assert!(old.contains(&"CVE-2025-2291") && !old.contains(&"CVE-2021-3935"));
        assert!(!old.contains(&"CVE-2026-107349") && !old.contains(&"CVE-2026-6667"));
        assert!(!found(Version(1, 24, 1)).contains(&"CVE-2025-2291"));
        assert!(found(Version(1, 16, 0)).contains(&"CVE-2021-3935"));
        for hole in HOLES {
            assert!(
                hole.since < hole.fixed && hole.fixed <= CURRENT,
                "{}",
                hole.cve
            );
        }
    }
}

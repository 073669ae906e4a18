//! Room on the disk for the ends of sessions, kept for when there is no other: an end that cannot be written
//! is one that the next process does not know of.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// For some dozen ends, in SQLite's pages.
const SIZE: usize = 128 * 1024;

/// A file beside the registry that is there to be removed.
pub(super) struct Reserve(PathBuf);

impl Reserve {
    /// Of the registry at `path`.
    pub fn of(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push(".reserve");
        Self(name.into())
    }

    /// Takes the room, if it is not taken already.
    pub fn keep(&self) -> io::Result<()> {
        let known = std::fs::symlink_metadata(&self.0);
        if known.is_ok_and(|it| it.is_file() && it.len() == SIZE as u64) {
            return Ok(());
        }
        self.take().inspect_err(|_| {
            self.release();
        })
    }

    fn take(&self) -> io::Result<()> {
        // Whatever is there is not followed: it may be a link.
        self.release();
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&self.0)?;
        // Not zeros: a file system may keep those without room.
        file.write_all(&[b'.'; SIZE])?;
        file.sync_all()
    }

    /// Gives the room up. False: there was none.
    pub fn release(&self) -> bool {
        std::fs::remove_file(&self.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_taken_once_and_again_when_it_was_given_up() {
        let directory = tempfile::tempdir().expect("a directory");
        let reserve = Reserve::of(&directory.path().join("registry.db"));
        assert!(!reserve.release());
        for _ in 0..2 {
            reserve.keep().expect("room");
            let taken = directory.path().join("registry.db.reserve");
            assert_eq!(taken.metadata().expect("a file").len(), SIZE as u64);
        }
        assert!(reserve.release() && !reserve.release());
        // Half of it is none, nor is a link.
        std::fs::write(&reserve.0, "..").expect("written");
        reserve.keep().expect("room");
        reserve.release();
        let other = directory.path().join("other");
        std::fs::write(&other, "of somebody").expect("written");
        std::os::unix::fs::symlink(&other, &reserve.0).expect("a link");
        reserve.keep().expect("room");
        assert_eq!(
            std::fs::read_to_string(&other).expect("there"),
            "of somebody"
        );
    }
}

//! The tool's password file: mode 0600, a name nobody can guess, gone when it is dropped.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};

pub(super) struct Passfile(PathBuf);

impl Passfile {
    /// Writes it: in the user's own runtime directory where there is one, which is in memory.
    pub fn write(line: &str) -> io::Result<Self> {
        let directory = std::env::var_os("XDG_RUNTIME_DIR")
            .map(PathBuf::from)
            .filter(|path| path.is_dir())
            .unwrap_or_else(std::env::temp_dir);
        Self::write_in(&directory, line)
    }

    fn write_in(directory: &Path, line: &str) -> io::Result<Self> {
        let mut random = [0; 8];
        SystemRandom::new()
            .fill(&mut random)
            .map_err(|_| io::Error::other("the system gave no random bytes"))?;
        let path = directory.join(format!(
            "portcullis-{:016x}.pgpass",
            u64::from_be_bytes(random)
        ));
        // create_new: an existing file, or a link that somebody laid, is never written to.
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let passfile = Self(path);
        file.write_all(line.as_bytes())?;
        file.write_all(b"\n")?;
        Ok(passfile)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Passfile {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            crate::cli::output::tell(&format!(
                "portcullis: {} is still there: {error}",
                self.0.display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn private_while_it_lives_and_gone_afterwards() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let passfile = Passfile::write_in(directory.path(), "a:b:c:d:e").expect("written");
        let path = passfile.path().to_owned();
        assert_eq!(
            std::fs::read_to_string(&path).expect("readable"),
            "a:b:c:d:e\n"
        );
        assert_eq!(
            std::fs::metadata(&path)
                .expect("there")
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        drop(passfile);
        assert!(!path.exists());
    }
}

//! The temporary directory of a stack, and files in it.

use std::fs::{DirEntry, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::server_account;

const PREFIX: &str = "portcullis-test-";

/// A directory below the system's temporary directory, removed on drop. Short: a unix socket's
/// path has at most 107 bytes.
pub struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// A new directory, mode 0711 so that the servers' account can reach its own directories in it.
    pub fn new() -> Self {
        remove_abandoned();
        let path = tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir()
            .expect("create a directory")
            .keep();
        let lock = File::open(&path).expect("open the new directory");
        lock.lock().expect("lock the new directory");
        set_mode(&path, 0o711);
        Self { path, _lock: lock }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A directory in it, owned by the servers' account, mode 0700.
    pub fn for_server(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        std::fs::create_dir(&path).expect("create a server's directory");
        set_mode(&path, 0o700);
        give_to_server(&path);
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes what killed runs left behind: directories that nobody has locked. A young one may be
/// about to be locked.
fn remove_abandoned() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    let is_ours = |entry: &DirEntry| entry.file_name().to_string_lossy().starts_with(PREFIX);
    for entry in entries.flatten().filter(is_ours) {
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > Duration::from_secs(60))
            && let Ok(directory) = File::open(entry.path())
            && directory.try_lock().is_ok()
        {
            // What cannot be removed belongs to another account, or to a later run.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set the mode");
}

/// Hands a file or directory to the servers' account.
pub fn give_to_server(path: &Path) {
    if let Some(account) = server_account() {
        std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid))
            .expect("change the owner");
    }
}

/// Writes a file of mode 0600.
pub fn write_secret(path: &Path, text: &str) {
    OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap_or_else(|error| panic!("could not write {}: {error}", path.display()));
}

/// The files of cases in a directory of `tests`, without their ending; in order.
pub fn cases(directory: &str, ending: &str) -> Vec<String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(directory);
    let entries = std::fs::read_dir(directory).expect("the directory of the cases");
    let name = |entry: DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        name.strip_suffix(ending).map(str::to_owned)
    };
    let mut files: Vec<String> = entries.flatten().filter_map(name).collect();
    files.sort();
    files
}

/// Copies a tree with owners and modes; shares the blocks where the file system can.
pub fn copy_tree(from: &Path, to: &Path) {
    let mut command = Command::new("cp");
    command.args(["-a", "--reflink=auto"]).arg(from).arg(to);
    super::process::must_run(command);
}

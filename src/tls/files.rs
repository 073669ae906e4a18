//! Files that hold secrets: TLS keys, `userlist.txt`, server keys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Largest secret file that is read, in bytes: some 60,000 users.
pub const MAX_SECRET_FILE: u64 = 16 * 1024 * 1024;

/// Reads a file that nobody but its owner and group may read, and nobody but its owner may write.
///
/// The rights are those of the file that is opened (links are followed: Kubernetes mounts secrets as
/// links), so it cannot be exchanged in between.
///
/// # Errors
/// `PermissionDenied` with the `chmod` that mends it; `InvalidData` for what is no regular file, is
/// larger than [`MAX_SECRET_FILE`] or is not UTF-8; whatever the system says.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    // Without NONBLOCK, opening a named pipe would wait for a writer.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    check(path, &file)?;
    let invalid = |what: &str| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("\"{}\" {what}", path.display()),
        )
    };
    // Capacity for all of it at once: a buffer that grows leaves copies behind.
    let expected = file.metadata()?.len().min(MAX_SECRET_FILE);
    let capacity = usize::try_from(expected)
        .map_err(io::Error::other)?
        .saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SECRET_FILE {
        return Err(invalid(&format!("is larger than {MAX_SECRET_FILE} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(invalid("is not UTF-8")),
    }
}

fn check(path: &Path, file: &File) -> io::Result<()> {
    let metadata = file.metadata()?;
    let path = path.display();
    if !metadata.is_file() {
        let message = format!("\"{path}\" is not a regular file");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mode = metadata.permissions().mode() & 0o777;
    let who = match () {
        () if mode & 0o007 != 0 => "everybody can read, write or run",
        () if mode & 0o020 != 0 => "its group can write",
        () => return Ok(()),
    };
    let message =
        format!("\"{path}\" is a secret that {who} (mode {mode:04o}): run chmod 0640 '{path}'");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// Replaces a secret file, or makes it, with mode 0600. Readers see the old text or the new one, and
/// a crash leaves one of them: the text is written beside it, flushed, and renamed.
///
/// # Errors
/// Whatever the system says. Nothing is left behind then.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let target = match path.canonicalize() {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let beside = beside(&target)?;
    let written = write_new(&beside, text).and_then(|()| std::fs::rename(&beside, &target));
    if let Err(error) = written {
        // An existing file is not ours to remove: another command is writing.
        if error.kind() != io::ErrorKind::AlreadyExists {
            let _ = std::fs::remove_file(&beside);
        }
        return Err(error);
    }
    match target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

/// `.<name>.new` in the same directory. Only one can exist: it is the lock against a second writer.
fn beside(target: &Path) -> io::Result<PathBuf> {
    let name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut beside = std::ffi::OsString::from(".");
    beside.push(name);
    beside.push(".new");
    Ok(target.with_file_name(beside))
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

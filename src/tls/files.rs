//! Files that hold secrets (TLS keys, `userlist.txt`, server keys), and how others that are read again are opened.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Largest secret file that is read, in bytes: some 60,000 users.
pub const MAX_SECRET_FILE: u64 = 16 * 1024 * 1024;

/// Largest file of certificates that is read, in bytes.
pub const MAX_PUBLIC_FILE: u64 = 16 * 1024 * 1024;

/// Reads a file that nobody but its owner and group may read, and nobody but its owner may write.
///
/// The rights are those of the file that is opened (links are followed: Kubernetes mounts secrets as
/// links), so it cannot be exchanged in between.
///
/// # Errors
/// `PermissionDenied` with the `chmod` that mends it; `InvalidData` for what is no regular file, is
/// larger than [`MAX_SECRET_FILE`] or is not UTF-8; whatever the system says.
pub fn read_secret(path: &Path) -> io::Result<Zeroizing<String>> {
    read(path).map_err(|error| named(path, &error))
}

/// Every error names the file.
fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("\"{}\": {error}", path.display()))
}

fn invalid(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Opens a regular file, links followed. Nothing else: a named pipe would wait for its writer, a device has no end.
///
/// # Errors
/// `InvalidData` for what is no regular file; whatever the system says.
pub fn open_regular(path: &Path) -> io::Result<(File, Metadata)> {
    regular(open(path)?)
}

fn regular((file, metadata): (File, Metadata)) -> io::Result<(File, Metadata)> {
    match metadata.is_file() {
        true => Ok((file, metadata)),
        false => Err(invalid("not a regular file; write what it says to one")),
    }
}

/// Opens a regular file, or the reading end of a pipe: whoever has the other end is waited for, and without anybody it
/// ends at once.
///
/// # Errors
/// `InvalidData` for what is neither; whatever the system says.
pub fn open_regular_or_pipe(path: &Path) -> io::Result<File> {
    let (file, metadata) = open(path)?;
    if metadata.file_type().is_fifo() {
        rustix::fs::fcntl_setfl(&file, rustix::fs::OFlags::empty())?;
        return Ok(file);
    }
    regular((file, metadata)).map(|(file, _)| file)
}

fn open(path: &Path) -> io::Result<(File, Metadata)> {
    // Without NONBLOCK, opening a named pipe would wait for a writer.
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// Reads a regular file of at most `longest` bytes.
///
/// # Errors
/// `InvalidData` for what is no regular file or is longer; whatever the system says.
pub fn read_regular(path: &Path, longest: u64) -> io::Result<Vec<u8>> {
    let (file, _) = open_regular(path)?;
    let mut bytes = Vec::new();
    file.take(longest.saturating_add(1))
        .read_to_end(&mut bytes)?;
    match bytes.len() as u64 <= longest {
        true => Ok(bytes),
        false => Err(invalid(format!("larger than {longest} bytes"))),
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    let (file, metadata) = open_regular(path)?;
    check(path, &metadata)?;
    // Capacity for all of it at once: a buffer that grows leaves copies behind.
    let expected = metadata.len().min(MAX_SECRET_FILE);
    let capacity = usize::try_from(expected).map_err(io::Error::other)? + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.take(MAX_SECRET_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_SECRET_FILE {
        return Err(invalid(format!("larger than {MAX_SECRET_FILE} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(_) => Err(invalid("not UTF-8")),
    }
}

fn check(path: &Path, metadata: &Metadata) -> io::Result<()> {
    let mode = metadata.mode() & 0o777;
    let who = if mode & 0o007 != 0 {
        "everybody"
    } else if mode & 0o020 != 0 {
        "its group"
    } else {
        return Ok(());
    };
    let message = format!(
        "a secret with mode {mode:04o} is open to {who}: run chmod 0640 '{}'",
        path.display()
    );
    Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
}

/// Rewrites a secret file, or makes it with mode 0600; `change` gets the text there is, empty if there
/// is none. An existing file keeps its owner and mode. Readers see the old text or the new one, and
/// a crash leaves one of them: the text is written beside it, flushed, and renamed. A second writer
/// is refused, so no change is lost.
///
/// # Errors
/// What [`read_secret`] or `change` says, or the system; then the file is as it was.
pub fn update_secret(
    path: &Path,
    change: impl FnOnce(&str) -> io::Result<Zeroizing<String>>,
) -> io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let target = match path.canonicalize() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(path.to_owned()),
        found => found,
    };
    target
        .and_then(|target| replace(&target, change))
        .map_err(|error| named(path, &error))
}

fn replace(
    target: &Path,
    change: impl FnOnce(&str) -> io::Result<Zeroizing<String>>,
) -> io::Result<()> {
    let beside = beside(target)?;
    let new = create(&beside)?;
    let written = write(target, new, change).and_then(|()| std::fs::rename(&beside, target));
    if let Err(error) = written {
        // The first error is the one to report; a file left behind is named by the next command.
        let _ = std::fs::remove_file(&beside);
        return Err(error);
    }
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
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

fn create(beside: &Path) -> io::Result<File> {
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(beside);
    new.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::new(
            error.kind(),
            format!(
                "another command is writing, or one was interrupted and left {}",
                beside.display()
            ),
        ),
        _ => error,
    })
}

fn write(
    target: &Path,
    mut new: File,
    change: impl FnOnce(&str) -> io::Result<Zeroizing<String>>,
) -> io::Result<()> {
    let old = match read(target) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Zeroizing::default(),
        found => {
            let old = found?;
            keep_owner(target, &new)?;
            old
        }
    };
    new.write_all(change(&old)?.as_bytes())?;
    new.sync_all()
}

/// Gives the new file the owner and mode of the old one: root may add a key for a service.
fn keep_owner(target: &Path, new: &File) -> io::Result<()> {
    let old = std::fs::metadata(target)?;
    let made = new.metadata()?;
    if (old.uid(), old.gid()) != (made.uid(), made.gid()) {
        std::os::unix::fs::fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    new.set_permissions(std::fs::Permissions::from_mode(old.mode() & 0o777))
}

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use zeroize::Zeroizing;

use super::super::files::*;

fn with_mode(path: &Path, text: &[u8], mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn set(path: &Path, text: &str) -> std::io::Result<()> {
    update_secret(path, |_| Ok(Zeroizing::new(text.to_owned())))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn secrets_are_read_only_where_nobody_else_can() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    for allowed in [0o600, 0o400, 0o640, 0o440] {
        with_mode(&path, b"secret", allowed);
        assert_eq!(*read_secret(&path).unwrap(), "secret", "{allowed:o}");
    }
    for (refused, who) in [
        (0o644, "everybody"),
        (0o604, "everybody"),
        (0o602, "everybody"),
        (0o601, "everybody"),
        (0o666, "everybody"),
        (0o660, "its group"),
        (0o620, "its group"),
    ] {
        with_mode(&path, b"secret", refused);
        let error = read_secret(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        let path = path.display();
        let expected = format!(
            "\"{path}\": a secret with mode {refused:04o} is open to {who}: run chmod 0640 '{path}'"
        );
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn links_count_as_what_they_point_to() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (
        directory.path().join("secret"),
        directory.path().join("link"),
    );
    symlink(&path, &link).unwrap();
    with_mode(&path, b"secret", 0o600);
    assert_eq!(*read_secret(&link).unwrap(), "secret");
    set(&link, "new").unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(*read_secret(&path).unwrap(), "new");
    with_mode(&path, b"secret", 0o644);
    assert!(read_secret(&link).is_err());
}

/// A named pipe would hold the reader for ever.
#[test]
fn only_regular_files_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("pipe");
    let mode = rustix::fs::Mode::from_bits_truncate(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for path in [pipe.as_path(), directory.path(), Path::new("/dev/zero")] {
        assert_eq!(
            read_secret(path).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }
    let missing = read_secret(&directory.path().join("missing")).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    assert!(missing.to_string().contains("missing\""), "{missing}");
}

#[test]
fn large_and_binary_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    with_mode(&path, b"\xff", 0o600);
    assert_eq!(
        read_secret(&path).unwrap_err().kind(),
        ErrorKind::InvalidData
    );
    // Sparse: no disk is used.
    fs::File::create(&path)
        .unwrap()
        .set_len(MAX_SECRET_FILE + 1)
        .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(
        read_secret(&path).unwrap_err().kind(),
        ErrorKind::InvalidData
    );
}

#[test]
fn a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    set(&path, "one").unwrap();
    assert_eq!(
        (mode(&path), fs::read_to_string(&path).unwrap().as_str()),
        (0o600, "one")
    );
    with_mode(&path, b"one", 0o640);
    update_secret(&path, |old| Ok(Zeroizing::new(format!("{old} two")))).unwrap();
    assert_eq!(
        (mode(&path), fs::read_to_string(&path).unwrap().as_str()),
        (0o640, "one two")
    );
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn after_an_error_the_file_is_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    set(&path, "one").unwrap();
    update_secret(&path, |_| Err(std::io::Error::other("no"))).unwrap_err();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    // A file that others can read is not rewritten as if all were well.
    with_mode(&path, b"one", 0o644);
    assert_eq!(
        set(&path, "two").unwrap_err().kind(),
        ErrorKind::PermissionDenied
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_second_writer_is_refused_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    set(&path, "one").unwrap();
    update_secret(&path, |_| {
        assert_eq!(
            set(&path, "other").unwrap_err().kind(),
            ErrorKind::AlreadyExists
        );
        Ok(Zeroizing::new("two".to_owned()))
    })
    .unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    set(&path, "three").unwrap();
}

//! Files that cannot be a registry, and what is said of them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{ONE, TWO, directory, id, new, statement};
use crate::migration::registry::{NewSession, Statement, Store};
use crate::policy::Phase;

/// The problem that opening the file reports.
fn refused(path: &Path) -> String {
    match Store::open(path) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_file_and_its_companions_are_private() {
    let (directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    for entry in std::fs::read_dir(directory.path()).expect("a directory") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", entry.path().display());
    }
    drop(store);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).expect("chmod");
    assert!(refused(&path).ends_with(&format!(
        "has mode 0644, so others can use it: chmod 0600 {}",
        path.display()
    )));
}

#[test]
fn a_second_process_is_refused() {
    let (_directory, path) = directory();
    let store = Store::open(&path).expect("a new file");
    assert_eq!(
        refused(&path),
        format!(
            "the registry {} is in use by another Portcullis process",
            path.display()
        )
    );
    drop(store);
    Store::open(&path).expect("free again");
}

#[test]
fn a_locked_file_is_a_refusal_that_names_it() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    let other = rusqlite::Connection::open(&path).expect("another program");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let error = store.open_session(&new(ONE, "shop")).expect_err("locked");
    assert_eq!(
        error.to_string(),
        format!(
            "the registry {} is locked by another process",
            path.display()
        )
    );
    other.execute_batch("ROLLBACK").expect("unlocked");
    store.open_session(&new(ONE, "shop")).expect("opened");
}

#[test]
fn a_full_disk_is_a_refusal_that_names_the_file() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    store.limit_pages(1); // SQLite takes it as "no more than now"
    let long = Statement {
        text: Some("x".repeat(20_000).into()),
        ..statement("CREATE TABLE")
    };
    let error = store
        .record([(id(ONE), &long)].into_iter())
        .expect_err("no room");
    assert_eq!(
        error.to_string(),
        format!(
            "the registry {} cannot be written: the disk is full",
            path.display()
        )
    );
    store.limit_pages(1_000_000);
    store
        .record([(id(ONE), &long)].into_iter())
        .expect("room again");
}

#[test]
fn damage_is_found_at_the_start() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    for n in 0..200 {
        let name = format!("mig_{n:08}");
        store
            .open_session(&new(&name, &format!("db{n}")))
            .expect("opened");
    }
    drop(store);
    let mut bytes = std::fs::read(&path).expect("readable");
    let page = bytes.len() / 2 / 4096 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    std::fs::write(&path, bytes).expect("writable");
    assert_eq!(
        refused(&path),
        format!(
            "the registry {} is damaged; restore it from a backup",
            path.display()
        )
    );
}

#[test]
fn other_files_are_left_alone() {
    let (_directory, path) = directory();
    std::fs::write(
        &path,
        "not a database, but more than a hundred bytes of text ".repeat(20),
    )
    .expect("writable");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("chmod");
    assert_eq!(
        refused(&path),
        format!(
            "the registry {} is not a registry: it is not an SQLite file",
            path.display()
        )
    );
    std::fs::remove_file(&path).expect("removed");

    rusqlite::Connection::open(&path)
        .expect("a database")
        .execute_batch("CREATE TABLE bookmarks (url TEXT)")
        .expect("created");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).expect("chmod");
    assert_eq!(
        refused(&path),
        format!(
            "the registry {} is some other program's SQLite file",
            path.display()
        )
    );
}

#[test]
fn a_newer_schema_is_refused_and_an_older_one_is_brought_forward() {
    let (_directory, path) = directory();
    drop(Store::open(&path).expect("a new file"));
    let by_hand = rusqlite::Connection::open(&path).expect("readable");
    by_hand
        .execute_batch("UPDATE schema_version SET version = 99")
        .expect("written");
    assert!(
        refused(&path).ends_with("was written by a newer Portcullis (schema 99; this one knows 3)")
    );
    by_hand
        .execute_batch("DROP TABLE last_run; DROP TABLE migration_statement; DROP TABLE migration_session; UPDATE schema_version SET version = 0")
        .expect("written");
    let mut store = Store::open(&path).expect("brought forward");
    store.open_session(&new(ONE, "shop")).expect("opened");
}

/// A file of schema 1, as the first releases wrote it, with a session that is open.
#[test]
fn a_file_without_phases_is_brought_forward_with_its_sessions() {
    let (_directory, path) = directory();
    drop(Store::open(&path).expect("a new file"));
    let by_hand = rusqlite::Connection::open(&path).expect("readable");
    by_hand
        .execute_batch(
            "DROP TABLE last_run; ALTER TABLE migration_session DROP COLUMN phase; UPDATE schema_version SET version = 1;
             INSERT INTO migration_session (id, database, role, reason, verifier, opened_by, opened_at, ends_at, state)
             VALUES ('mig_00000001', 'shop', 'migrator', 'SHOP-298', 'x', 'boris', 1000, 2000, 'open')",
        )
        .expect("written");
    drop(by_hand);
    let mut store = Store::open(&path).expect("brought forward");
    let old = store.session(id(ONE)).expect("readable").expect("there");
    assert_eq!((old.phase, old.reason.as_str()), (None, "SHOP-298"));
    for (name, database, phase) in [
        (TWO, "crm", Some(Phase::Expand)),
        ("mig_00000003", "tools", Some(Phase::Contract)),
        ("mig_00000004", "other", None),
    ] {
        let new = NewSession {
            phase,
            ..new(name, database)
        };
        store.open_session(&new).expect("opened");
        let row = store.session(id(name)).expect("readable").expect("there");
        assert_eq!(row.phase, phase);
    }
}

/// What a phase forbids that this release does not know is not known either.
#[test]
fn a_phase_that_is_not_known_is_no_session_without_one() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    let by_hand = rusqlite::Connection::open(&path).expect("readable");
    by_hand
        .execute_batch(
            "PRAGMA ignore_check_constraints = on; UPDATE migration_session SET phase = 'shrink'",
        )
        .expect("written");
    assert!(store.session(id(ONE)).is_err());
    assert!(store.open_sessions().is_err());
}

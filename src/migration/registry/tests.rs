mod files;

use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::error::SqlState;
use crate::sql::Fingerprint;

const ONE: &str = "mig_00000001";
const TWO: &str = "mig_00000002";

fn directory() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("registry.db");
    (directory, path)
}

fn id(text: &str) -> SessionId {
    text.parse().expect("an id")
}

fn new(name: &str, database: &str) -> NewSession {
    NewSession {
        id: id(name),
        database: database.into(),
        role: "migrator".into(),
        reason: "SHOP-298".into(),
        phase: None,
        verifier: "SCRAM-SHA-256$4096:...".into(),
        opened_by: "boris".into(),
        opened_at: 1_000,
        ends_at: 2_000,
    }
}

fn statement(tag: &'static str) -> Statement {
    Statement {
        tag,
        text: Some("create table t (id int default $1)".into()),
        fingerprint: Some(Fingerprint::new(*b"the 16 of a name")),
        started_at: 1_500,
        duration: Duration::from_micros(18_250),
        outcome: SqlState(*b"00000"),
    }
}

fn by(name: &str, at: i64) -> Closing {
    Closing {
        by: Some(name.into()),
        note: Some("wrong window".into()),
        at,
        complete: true,
    }
}

#[test]
fn a_session_and_its_statements_survive_the_process() {
    let (_directory, path) = directory();
    {
        let mut store = Store::open(&path).expect("a new file");
        store.open_session(&new(ONE, "shop")).expect("opened");
        store
            .record(
                [
                    (id(ONE), &statement("CREATE TABLE")),
                    (id(ONE), &statement("ALTER TABLE")),
                ]
                .into_iter(),
            )
            .expect("recorded");
    }
    let mut store = Store::open(&path).expect("the same file");
    let row = store.session(id(ONE)).expect("readable").expect("there");
    assert_eq!(
        (
            row.state,
            row.statements,
            row.opened_by.as_str(),
            row.reason.as_str()
        ),
        (State::Open, 2, "boris", "SHOP-298")
    );
    assert_eq!(row.verifier.as_deref(), Some("SCRAM-SHA-256$4096:..."));
    let statements = store.statements(id(ONE), 0).expect("readable");
    assert_eq!(
        statements
            .iter()
            .map(|s| (s.number, s.tag.as_str()))
            .collect::<Vec<_>>(),
        [(1, "CREATE TABLE"), (2, "ALTER TABLE")]
    );
    assert_eq!(statements[0].duration, Duration::from_micros(18_250));
    assert_eq!(
        statements[0].fingerprint.as_deref(),
        Some("746865203136206f662061206e616d65")
    );
    store
        .record([(id(ONE), &statement("DROP TABLE"))].into_iter())
        .expect("recorded");
    assert_eq!(store.statements(id(ONE), 0).expect("readable")[2].number, 3);
}

#[test]
fn a_run_that_did_not_come_to_its_end_leaves_records_that_may_lack_something() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    let whole = |store: &Store, name| {
        let row = store.session(id(name)).expect("readable").expect("there");
        row.complete
    };
    store.open_session(&new(ONE, "shop")).expect("opened");
    store.end_run().expect("written");
    drop(store);
    let mut store = Store::open(&path).expect("the same file");
    assert!(whole(&store, ONE));
    store.open_session(&new(TWO, "app")).expect("opened");
    store
        .close_session(id(TWO), &by("boris", 2_000))
        .expect("closed");
    drop(store);
    let mut store = Store::open(&path).expect("the same file");
    // Of one that had been closed everything was written first.
    assert!(!whole(&store, ONE) && whole(&store, TWO));
    store
        .close_session(id(ONE), &by("boris", 2_000))
        .expect("closed");
    assert!(!whole(&store, ONE));
}

#[test]
fn one_session_per_database_holds_the_lease() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    store
        .open_session(&new(TWO, "crm"))
        .expect("another database is free");
    let held = store
        .open_session(&new("mig_00000003", "shop"))
        .expect_err("held");
    assert_eq!(
        held,
        RegistryError::Held(Box::new(Holder {
            database: "shop".into(),
            id: id(ONE),
            by: "boris".into(),
            until: 2_000
        }))
    );
    assert_eq!(
        held.to_string(),
        "migration session mig_00000001 of \"boris\" holds the lease on database \"shop\" until 00:00:02 UTC"
    );
    store
        .close_session(id(ONE), &by("yoanna", 1_200))
        .expect("closed");
    store
        .open_session(&new("mig_00000003", "shop"))
        .expect("the lease is free again");
}

#[test]
fn the_lease_holds_in_the_file_itself() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    store
        .close_session(id(ONE), &by("yoanna", 1_200))
        .expect("closed");
    store.open_session(&new(TWO, "shop")).expect("opened");
    let by_hand = rusqlite::Connection::open(&path).expect("readable");
    let reopened = by_hand.execute("UPDATE migration_session SET state = 'open', closed_at = NULL, verifier = 'x' WHERE id = ?1", [ONE]);
    assert!(
        reopened
            .expect_err("a second open session")
            .to_string()
            .contains("UNIQUE")
    );
}

#[test]
fn closing_forgets_the_verifier_and_happens_once() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    store
        .close_session(id(ONE), &by("yoanna", 1_200))
        .expect("closed");
    let row = store.session(id(ONE)).expect("readable").expect("there");
    assert_eq!(
        (
            row.state,
            row.closed_at,
            row.closed_by.as_deref(),
            row.note.as_deref()
        ),
        (
            State::Closed,
            Some(1_200),
            Some("yoanna"),
            Some("wrong window")
        )
    );
    assert_eq!(row.verifier, None);
    assert_eq!(
        store.close_session(id(ONE), &by("boris", 1_300)),
        Err(RegistryError::Ended(id(ONE)))
    );
    assert_eq!(
        store.close_session(id(TWO), &by("boris", 1_300)),
        Err(RegistryError::NoSession(id(TWO)))
    );
}

#[test]
fn only_sessions_whose_time_is_over_expire() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    store
        .open_session(&NewSession {
            ends_at: 9_000,
            ..new(TWO, "crm")
        })
        .expect("opened");
    assert_eq!(store.expire(1_999), Ok(0));
    assert_eq!(store.expire(2_000), Ok(1));
    let states: Vec<_> = store
        .sessions(10)
        .expect("readable")
        .iter()
        .map(|row| (row.id, row.state))
        .collect();
    assert_eq!(states, [(id(TWO), State::Open), (id(ONE), State::Expired)]);
    assert_eq!(store.open_sessions().expect("readable").len(), 1);
}

#[test]
fn a_statement_of_no_session_is_not_recorded_and_takes_its_batch_with_it() {
    let (_directory, path) = directory();
    let mut store = Store::open(&path).expect("a new file");
    store.open_session(&new(ONE, "shop")).expect("opened");
    let batch = [
        (id(ONE), &statement("CREATE TABLE")),
        (id(TWO), &statement("CREATE TABLE")),
    ];
    let error = store.record(batch.into_iter()).expect_err("a foreign key");
    assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
    assert_eq!(store.statements(id(ONE), 0).expect("readable"), []);
}

#[tokio::test]
async fn work_whose_caller_has_gone_is_undone() {
    let (_directory, path) = directory();
    let registry = RegistryHandle::start(&path).expect("started");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (begins, begun) = tokio::sync::oneshot::channel::<()>();
    let blocked = registry.clone();
    let task = tokio::spawn(async move {
        let work = move |store: &mut Store| {
            begins.send(()).expect("the test waits");
            wait.recv().expect("released");
            store.open_session(&new(ONE, "shop"))
        };
        blocked
            .run_or_undo(work, |store| forget(store, id(ONE), 1_100))
            .await
    });
    begun.await.expect("the work begins");
    task.abort(); // its caller goes away
    assert!(task.await.expect_err("aborted").is_cancelled());
    go.send(()).expect("the thread waits");
    let row = registry
        .run(|store| store.session(id(ONE)))
        .await
        .expect("answered")
        .expect("there");
    assert_eq!(
        (row.state, row.note.as_deref()),
        (State::Closed, Some("the opener had gone"))
    );
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let (_directory, path) = directory();
    let registry = RegistryHandle::start(&path).expect("started");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    registry
        .send(Job::Work(Box::new(move |_| wait.recv().unwrap_or(()))))
        .expect("queued");
    while registry.send(Job::Work(Box::new(|_| ()))).is_ok() {}
    assert_eq!(registry.run(|_| Ok(())).await, Err(RegistryError::Full));
    go.send(()).expect("the thread waits");
    while registry.run(|_| Ok(())).await == Err(RegistryError::Full) {
        tokio::task::yield_now().await;
    }
}

use std::path::Path;
use std::time::Duration;

use super::*;
use crate::error::SqlState;
use crate::migration::registry::{RECORDS, State, Store};

struct Fixture {
    _directory: tempfile::TempDir,
    path: std::path::PathBuf,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("registry.db");
        Self {
            _directory: directory,
            path,
        }
    }

    async fn start(&self) -> Arc<Sessions> {
        start(&self.path).await
    }
}

/// Starts on the file; the thread of a registry that was just dropped may still hold it.
async fn start(path: &Path) -> Arc<Sessions> {
    for _ in 0..100 {
        match RegistryHandle::start(path) {
            Ok(registry) => return Sessions::load(registry).await.expect("loaded"),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    panic!("the registry stays locked");
}

fn opening(ttl: Duration) -> Opening {
    Opening {
        phase: None,
        database: "shop".into(),
        role: "migrator".into(),
        reason: "SHOP-298".into(),
        ttl,
        by: "boris".into(),
    }
}

fn statement() -> Statement {
    Statement {
        tag: "CREATE TABLE",
        text: None,
        fingerprint: None,
        started_at: 0,
        duration: Duration::from_millis(3),
        outcome: SqlState(*b"00000"),
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn opened_looked_up_recorded_closed() {
    let sessions = Fixture::new();
    let sessions = sessions.start().await;
    let (session, token) = sessions.open(opening(HOUR)).await.expect("opened");
    assert!(token.reveal().parse::<Token>().is_ok());
    let keys = Keys::derive(
        token.reveal(),
        &session.verifier.salt,
        session.verifier.iterations,
    );
    assert!(keys.fit(&session.verifier), "the token logs in");
    assert!(
        !Keys::derive("pcm_", &session.verifier.salt, session.verifier.iterations)
            .fit(&session.verifier)
    );
    assert!(session.is_open());
    assert!(Arc::ptr_eq(
        &sessions.lookup(session.id).expect("found"),
        &session
    ));
    sessions.record(&session, statement()).expect("queued");

    let watcher = tokio::spawn({
        let session = session.clone();
        async move { session.ended().await }
    });
    sessions
        .close(session.id, "yoanna", Some("wrong window"))
        .await
        .expect("closed");
    let end = watcher.await.expect("told");
    assert!(!session.is_open());
    assert!(sessions.lookup(session.id).is_none());
    let (message, detail, hint) = session.farewell(&end);
    assert!(
        message.starts_with(&format!("migration session {} ended at ", session.id)),
        "{message}"
    );
    assert_eq!(
        detail,
        "It was closed by \"yoanna\" with the note \"wrong window\"."
    );
    assert_eq!(hint, format!("portcullis migration show {}", session.id));
    assert_eq!(*session.ended().await, *end); // at once, for who comes late

    let (row, statements) = sessions.show(session.id, 0).await.expect("shown");
    assert_eq!(
        (row.state, row.statements, statements.len()),
        (State::Closed, 1, 1)
    );
    assert_eq!(
        sessions.close(session.id, "boris", None).await,
        Err(RegistryError::Ended(session.id))
    );
    let nobody = "mig_zzzzzzzz".parse().expect("an id");
    assert_eq!(
        sessions.close(nobody, "boris", None).await,
        Err(RegistryError::NoSession(nobody))
    );
}

#[tokio::test]
async fn the_second_opening_of_a_database_waits_for_the_first_to_end() {
    let fixture = Fixture::new();
    let sessions = fixture.start().await;
    let (first, _) = sessions.open(opening(HOUR)).await.expect("opened");
    match sessions.open(opening(HOUR)).await {
        Err(RegistryError::Held(holder)) => assert_eq!(
            (holder.id, holder.by.as_str(), holder.until),
            (first.id, "boris", first.ends_at)
        ),
        other => panic!("{other:?}"),
    }
    assert!(
        sessions
            .open(Opening {
                database: "crm".into(),
                ..opening(HOUR)
            })
            .await
            .is_ok()
    );
    sessions
        .close(first.id, "boris", None)
        .await
        .expect("closed");
    assert!(sessions.open(opening(HOUR)).await.is_ok());
}

#[tokio::test]
async fn a_session_expires_on_time_and_its_connections_are_told() {
    let fixture = Fixture::new();
    let sessions = fixture.start().await;
    let timer = tokio::spawn({
        let sessions = sessions.clone();
        async move { sessions.keep_time().await }
    });
    let (session, _) = sessions
        .open(opening(Duration::from_millis(300)))
        .await
        .expect("opened");
    let end = tokio::time::timeout(Duration::from_secs(5), session.ended())
        .await
        .expect("told");
    assert_eq!(end.why, Why::Expired);
    assert!(!session.is_open());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(
        sessions.show(session.id, 0).await.expect("shown").0.state,
        State::Expired
    );
    timer.abort();
}

#[tokio::test]
async fn a_session_is_over_at_its_time_even_if_no_timer_runs() {
    let fixture = Fixture::new();
    let sessions = fixture.start().await;
    let (session, _) = sessions
        .open(opening(Duration::from_millis(1)))
        .await
        .expect("opened");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert!(!session.is_open());
    assert!(sessions.lookup(session.id).is_none());
    sessions
        .open(opening(HOUR))
        .await
        .expect("the lease is free without a timer, too");
}

#[tokio::test]
async fn open_sessions_are_taken_up_after_a_restart_and_expired_ones_are_not() {
    let fixture = Fixture::new();
    let sessions = fixture.start().await;
    let (lasting, _) = sessions.open(opening(HOUR)).await.expect("opened");
    let (short, _) = sessions
        .open(Opening {
            database: "crm".into(),
            ..opening(Duration::from_millis(20))
        })
        .await
        .expect("opened");
    sessions.finish().await.expect("finished");
    sessions.shut_down();
    assert_eq!(lasting.ended().await.why, Why::Shutdown);
    drop(sessions);
    tokio::time::sleep(Duration::from_millis(30)).await;

    let sessions = fixture.start().await;
    let again = sessions.lookup(lasting.id).expect("taken up");
    assert_eq!(
        (again.verifier.to_string(), again.ends_at, &again.role),
        (lasting.verifier.to_string(), lasting.ends_at, &lasting.role)
    );
    assert!(again.time_left() > HOUR - Duration::from_secs(60) && again.time_left() <= HOUR);
    assert!(sessions.lookup(short.id).is_none());
    assert_eq!(
        sessions.show(short.id, 0).await.expect("shown").0.state,
        State::Expired
    );
}

#[tokio::test]
async fn what_cannot_be_recorded_ends_the_session() {
    let fixture = Fixture::new();
    let store = Store::open(&fixture.path).expect("a new file");
    store.limit_pages(1_000);
    let registry = RegistryHandle::start_with(store).expect("started");
    let sessions = Sessions::load(registry.clone()).await.expect("loaded");
    let (session, _) = sessions.open(opening(HOUR)).await.expect("opened");
    registry
        .run(|store| {
            store.limit_pages(1);
            Ok(())
        })
        .await
        .expect("the disk fills up");
    let long = Statement {
        text: Some("x".repeat(50_000).into()),
        ..statement()
    };
    sessions.record(&session, long).expect("queued");
    let end = tokio::time::timeout(Duration::from_secs(5), session.ended())
        .await
        .expect("told");
    assert!(
        matches!(&end.why, Why::Unrecorded { problem } if problem.ends_with("the disk is full")),
        "{end:?}"
    );
    assert!(!session.is_open());
    sessions.sweep().await;
    let (row, _) = sessions.show(session.id, 0).await.expect("shown");
    assert_eq!(
        (row.state, row.complete, row.closed_by.as_deref()),
        (State::Closed, false, Some("portcullis"))
    );
}

#[tokio::test]
async fn an_overflow_of_records_ends_the_session_and_blocks_nobody() {
    let fixture = Fixture::new();
    let registry = RegistryHandle::start(&fixture.path).expect("started");
    let sessions = Sessions::load(registry.clone()).await.expect("loaded");
    let (session, _) = sessions.open(opening(HOUR)).await.expect("opened");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let stalled = tokio::spawn(async move {
        registry
            .run(move |_| {
                wait.recv().unwrap_or(());
                Ok(())
            })
            .await
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    for _ in 0..RECORDS {
        sessions.record(&session, statement()).expect("room");
    }
    assert!(session.is_open());
    assert_eq!(
        sessions.record(&session, statement()),
        Err(RegistryError::Full)
    );
    assert!(!session.is_open());
    go.send(()).expect("the thread waits");
    stalled.await.expect("joined").expect("answered");
    sessions.sweep().await;
    let (row, _) = sessions.show(session.id, 0).await.expect("shown");
    assert_eq!((row.statements, row.complete), (RECORDS as u64, false));
}

#[tokio::test]
async fn closing_cuts_off_at_once_even_if_the_registry_cannot_be_written() {
    let fixture = Fixture::new();
    let sessions = fixture.start().await;
    let (session, _) = sessions.open(opening(HOUR)).await.expect("opened");
    let other = rusqlite::Connection::open(&fixture.path).expect("another program");
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let error = sessions
        .close(session.id, "boris", None)
        .await
        .expect_err("locked");
    assert!(
        error.to_string().ends_with("is locked by another process"),
        "{error}"
    );
    assert!(!session.is_open());
    other.execute_batch("ROLLBACK").expect("unlocked");
    sessions.sweep().await;
    assert_eq!(
        sessions.show(session.id, 0).await.expect("shown").0.state,
        State::Closed
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_gives_no_extra_time() {
    let fixture = Fixture::new();
    let sessions = fixture.start().await;
    let (session, _) = sessions.open(opening(HOUR)).await.expect("opened");
    let (row, _) = sessions.show(session.id, 0).await.expect("shown");
    let before = row.opened_at - 86_400_000;
    let again = Session::from_row(row, before, Instant::now()).expect("usable");
    assert!(again.time_left() <= HOUR);
}

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

use super::*;
use crate::telemetry::health::{Phase, State};

struct Server {
    address: SocketAddr,
    health: Arc<Health>,
    shutdown: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

async fn start() -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (health, (shutdown, end)) = (Arc::new(Health::default()), oneshot::channel());
    let telemetry = Arc::new(Telemetry::new(Arc::default()));
    let served = serve(listener, telemetry, Arc::clone(&health), async {
        let _ = end.await;
    });
    Server {
        address,
        health,
        shutdown,
        task: tokio::spawn(served),
    }
}

impl Server {
    /// Sends one request and reads until the server closes.
    async fn ask(&self, request_line: &str) -> String {
        let mut socket = TcpStream::connect(self.address).await.unwrap();
        let request = format!("{request_line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn routes() {
    let server = start().await;
    let metrics = server.ask("GET /metrics").await;
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n"), "{metrics}");
    assert!(
        metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nportcullis_client_connections 0\n"),
        "{metrics}"
    );
    assert!(
        server
            .ask("GET /health/live")
            .await
            .ends_with("\r\n\r\nlive\n")
    );
    assert!(
        server
            .ask("GET /health/live?x=1")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    assert!(server.ask("GET /").await.starts_with("HTTP/1.1 404 "));
    assert!(
        server
            .ask("GET /metrics/")
            .await
            .starts_with("HTTP/1.1 404 ")
    );
    let head = server.ask("HEAD /metrics").await;
    assert!(
        head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let post = server.ask("POST /metrics").await;
    assert!(
        post.starts_with("HTTP/1.1 405 ") && post.contains("allow: GET, HEAD\r\n"),
        "{post}"
    );
}

#[tokio::test]
async fn readiness_follows_the_health() {
    let server = start().await;
    let starting = server.ask("GET /health/ready").await;
    assert!(
        starting.starts_with("HTTP/1.1 503 ") && starting.contains(r#"{"status":"starting""#),
        "{starting}"
    );
    assert!(
        server
            .ask("GET /health/live")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    server.health.enter(Phase::Ready);
    server.health.set(
        "route.transaction",
        true,
        State::Healthy,
        "127.0.0.1:6432 answers",
    );
    let ready = server.ask("GET /health/ready").await;
    assert!(
        ready.starts_with("HTTP/1.1 200 ") && ready.contains("content-type: application/json\r\n"),
        "{ready}"
    );
    server.health.set(
        "route.transaction",
        true,
        State::Unhealthy,
        "connection refused",
    );
    assert!(
        server
            .ask("GET /health/ready")
            .await
            .starts_with("HTTP/1.1 503 ")
    );
}

#[tokio::test]
async fn silent_connections_do_not_keep_others_out_for_ever_and_the_end_is_clean() {
    let server = start().await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(TcpStream::connect(server.address).await.unwrap());
    }
    // All places are taken: the next one waits until one of them leaves.
    let waits =
        tokio::time::timeout(Duration::from_millis(200), server.ask("GET /health/live")).await;
    assert!(waits.is_err());
    drop(silent.pop());
    assert!(
        server
            .ask("GET /health/live")
            .await
            .starts_with("HTTP/1.1 200 ")
    );
    server.shutdown.send(()).unwrap();
    tokio::time::timeout(GRACE + Duration::from_secs(1), server.task)
        .await
        .unwrap()
        .unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut slow = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (socket, _) = listener.accept().await.unwrap();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nhost")
        .await
        .unwrap();
    let (_ending, ended) = watch::channel(());
    let telemetry = Arc::new(Telemetry::new(Arc::default()));
    let served = connection(
        socket,
        telemetry,
        Arc::default(),
        ended,
        Duration::from_millis(50),
    );
    tokio::time::timeout(Duration::from_secs(5), served)
        .await
        .unwrap();
    let mut rest = String::new();
    slow.read_to_string(&mut rest).await.unwrap();
    assert!(!rest.contains("200 OK"), "{rest}");
}

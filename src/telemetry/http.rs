//! GET or HEAD:
//!
//! * `/metrics`: Prometheus' text format
//! * `/health/live`: 200 while the process runs
//! * `/health/ready`: 200 to get traffic, 503 while starting, draining or without a required part; JSON
//!
//! For the control runtime, never for a worker. There is no authentication: it listens where
//! `[listen] http` says, on loopback by default, and tells nothing about data or people.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::{Health, Telemetry};

/// Connections served at a time; more wait in the listen queue.
const MAX_CONNECTIONS: usize = 64;
/// To send a request's head, and between two requests of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// A connection's whole life, so that one who reads nothing does not hold its place for ever.
const MAX_LIFE: Duration = Duration::from_secs(600);
/// To finish the answer in progress when the server ends.
const GRACE: Duration = Duration::from_secs(5);
/// The largest request head, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// After a failed accept (no descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROMETHEUS: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Serves until `shutdown` is done (or its sender is dropped), then finishes what is being answered,
/// for at most 5 s.
pub async fn serve(
    listener: TcpListener,
    telemetry: Arc<Telemetry>,
    health: Arc<Health>,
    shutdown: impl Future<Output = ()>,
) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let (ending, ended) = watch::channel(());
    tokio::pin!(shutdown);
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, socket) = tokio::select! {
            () = &mut shutdown => break,
            accepted = accepted => accepted,
        };
        match (place, socket) {
            (Ok(place), Ok((socket, _))) => {
                let (telemetry, health, ended) =
                    (Arc::clone(&telemetry), Arc::clone(&health), ended.clone());
                tokio::spawn(async move {
                    connection(socket, telemetry, health, ended, HEADER_TIMEOUT).await;
                    drop(place);
                });
            }
            (_, accepted) => {
                if let Err(error) = accepted {
                    crate::limited!(warn, %error, "cannot accept a connection on the http address");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(ending);
    // Every connection gives its place back when it has ended.
    let all = u32::try_from(MAX_CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(GRACE, places.acquire_many(all)).await;
}

/// One connection's life. Its errors are the peer's business.
async fn connection(
    socket: TcpStream,
    telemetry: Arc<Telemetry>,
    health: Arc<Health>,
    mut ended: watch::Receiver<()>,
    header_timeout: Duration,
) {
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), &telemetry, &health);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = ended.changed() => {}
        () = tokio::time::sleep(MAX_LIFE) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(GRACE, connection).await;
}

/// The answer to one request; hyper leaves the body out for HEAD.
fn answer(
    method: &Method,
    path: &str,
    telemetry: &Telemetry,
    health: &Health,
) -> Response<Full<Bytes>> {
    if !matches!(path, "/metrics" | "/health/live" | "/health/ready") {
        let routes = "not found; try /metrics, /health/live or /health/ready\n";
        return response(StatusCode::NOT_FOUND, TEXT, routes.into());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = response(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "only GET and HEAD\n".into(),
        );
        refused
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => response(StatusCode::OK, PROMETHEUS, telemetry.render()),
        "/health/live" => response(StatusCode::OK, TEXT, "live\n".into()),
        _ => {
            let (ready, body) = health.report();
            let status = if ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            response(status, JSON, body)
        }
    }
}

fn response(status: StatusCode, content_type: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;

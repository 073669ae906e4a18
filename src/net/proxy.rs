//! The process's life: start the workers, accept, serve probes and the console, drain, end.

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use super::acceptor;
use super::isolation;
use super::reload::{Reloader, Which};
use super::shared::Shared;
use super::worker::{WorkerHandle, most_arriving};
use crate::config::Config;
use crate::console::{self, Access, ConsoleState};
use crate::policy::{Policy, RouteName};
use crate::telemetry::health::{Phase, State};
use crate::telemetry::http;
use crate::telemetry::report::Report;

/// Between two looks at the routes.
const WATCH: Duration = Duration::from_secs(2);
/// A route that a client reached this long ago needs no probe.
const FRESH: Duration = Duration::from_secs(10);
/// To connect to a route's host.
const PROBE: Duration = Duration::from_secs(3);

/// A proxy that accepts connections.
pub struct Proxy {
    shared: Arc<Shared>,
    workers: Arc<Vec<WorkerHandle>>,
    stop: Arc<AtomicBool>,
    http: Option<TcpListener>,
}

/// What the console may ask of the process.
struct Control {
    reloader: Arc<Reloader>,
    config: Arc<Config>,
    shutdown: Arc<Notify>,
    report: Arc<Report>,
}

impl Proxy {
    /// Opens the ports and starts the threads. Clients are told 57P03 until [`Self::run`].
    pub fn start(shared: Arc<Shared>) -> io::Result<Self> {
        raise_descriptor_limit(&shared);
        let listen = &shared.config.listen;
        let named =
            |what: &str, error: io::Error| io::Error::new(error.kind(), format!("{what}: {error}"));
        let listener = acceptor::listen(listen.postgres)
            .map_err(|error| named(&listen.postgres.to_string(), error))?;
        let http = match listen.http {
            Some(address) => {
                let listener = acceptor::listen(address)
                    .map_err(|error| named(&address.to_string(), error))?;
                listener.set_nonblocking(true)?;
                Some(listener)
            }
            None => None,
        };
        let workers = (0..listen.workers)
            .map(|number| WorkerHandle::start(number, Arc::clone(&shared)))
            .collect::<io::Result<Vec<_>>>()?;
        shared.telemetry.workers.set(listen.workers as u64);
        shared.telemetry.config_version.set(1);
        shared
            .telemetry
            .set_policy(shared.snapshot().files.policy.version);
        let workers = Arc::new(workers);
        let stop = Arc::new(AtomicBool::new(false));
        let (accepting, stopping) = (Arc::clone(&workers), Arc::clone(&stop));
        std::thread::Builder::new()
            .name("acceptor".into())
            .spawn(move || acceptor::run(&listener, &accepting, &stopping))?;
        Ok(Self {
            shared,
            workers,
            stop,
            http,
        })
    }

    /// Serves until SIGTERM, SIGINT or SHUTDOWN, then drains.
    pub async fn run(self) -> io::Result<()> {
        let shared = &self.shared;
        let shutdown = Arc::new(Notify::new());
        self.serve_http()?;
        let reloader = Arc::new(Reloader::new(Arc::clone(shared), Arc::clone(&self.workers)));
        self.serve_console(&reloader, &shutdown)?;
        if let Some(sessions) = shared.sessions.clone() {
            let telemetry = Arc::clone(&shared.telemetry);
            let counted = Arc::clone(&sessions);
            tokio::spawn(async move { sessions.keep_time().await });
            tokio::spawn(async move {
                loop {
                    telemetry.migrations_open.set(counted.open_count() as u64);
                    telemetry.migrations_opened.set(counted.opened_count());
                    telemetry.migrations_closed.set(counted.ended_count());
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
        }
        check_routes(shared).await;
        tokio::spawn(watch_routes(Arc::clone(shared)));
        tokio::spawn(Arc::clone(&reloader).watch());
        if let Some(settings) = shared.config.isolation.clone() {
            isolation::start(shared, &Arc::new(settings));
        }
        shared.health.enter(Phase::Ready);
        tracing::info!(
            postgres = %shared.config.listen.postgres,
            http = shared.config.listen.http.map(tracing::field::display),
            workers = shared.config.listen.workers,
            version = env!("CARGO_PKG_VERSION"),
            policy = shared.snapshot().files.policy.version.map(tracing::field::display),
            "ready"
        );
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = shutdown.notified() => break,
                _ = hangup.recv() => {
                    // What is wrong is in the log.
                    let _ = reloader.reload(Which::ALL);
                }
            }
        }
        tokio::select! {
            () = self.drain() => {}
            _ = terminate.recv() => tracing::warn!("told twice: ending without waiting"),
            _ = interrupt.recv() => tracing::warn!("told twice: ending without waiting"),
        }
        self.stop.store(true, Ordering::Release);
        if let Some(socket) = &shared.config.listen.console {
            console::unbind(socket);
        }
        Ok(())
    }

    fn serve_http(&self) -> io::Result<()> {
        if let Some(listener) = &self.http {
            let listener = tokio::net::TcpListener::from_std(listener.try_clone()?)?;
            let (telemetry, health) = (&self.shared.telemetry, &self.shared.health);
            let forever = std::future::pending();
            tokio::spawn(http::serve(
                listener,
                Arc::clone(telemetry),
                Arc::clone(health),
                forever,
            ));
        }
        Ok(())
    }

    fn serve_console(&self, reloader: &Arc<Reloader>, shutdown: &Arc<Notify>) -> io::Result<()> {
        let Some(path) = &self.shared.config.listen.console else {
            return Ok(());
        };
        let listener = console::bind(path)?;
        let state = ConsoleState {
            access: Access::of(path)?,
            sessions: self.shared.sessions.clone(),
            proxy: Arc::new(Control {
                config: Arc::new(self.shared.config.clone()),
                reloader: Arc::clone(reloader),
                shutdown: Arc::clone(shutdown),
                report: Arc::clone(&self.shared.telemetry.report),
            }),
        };
        tokio::spawn(console::serve(listener, Arc::new(state)));
        Ok(())
    }

    /// New clients are told 57P03, idle ones end, others after their transaction; at most
    /// `drain_timeout`.
    async fn drain(&self) {
        let clients = || self.shared.clients.load(Ordering::Relaxed);
        tracing::info!(clients = clients(), "draining");
        self.shared.health.enter(Phase::Draining);
        for worker in self.workers.iter() {
            worker.drain().await;
        }
        let until = Instant::now() + self.shared.config.limits.drain_timeout;
        while clients() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Some(sessions) = &self.shared.sessions {
            sessions.shut_down();
            if let Err(error) = sessions.finish().await {
                tracing::error!(%error, "the last statements may be missing from the registry");
            }
        }
        tracing::info!(clients = clients(), "ended");
    }
}

impl console::Proxy for Control {
    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.config)
    }

    fn policy(&self) -> Arc<Policy> {
        self.reloader.policy()
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        Box::pin(async { self.reloader.reload(Which::ALL) })
    }

    fn shutdown(&self) {
        self.shutdown.notify_one();
    }

    fn report(&self) -> Arc<Report> {
        Arc::clone(&self.report)
    }
}

async fn watch_routes(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(WATCH).await;
        check_routes(&shared).await;
    }
}

/// Can each route be reached?
async fn check_routes(shared: &Shared) {
    let routes = [
        (RouteName::Transaction, "route.transaction", true),
        (RouteName::Session, "route.session", false),
        (RouteName::Replication, "route.replication", false),
    ];
    for (name, check, required) in routes {
        let Some(route) = shared.route(name) else {
            continue;
        };
        if shared
            .since_reached(name)
            .is_some_and(|since| since < FRESH)
        {
            shared
                .health
                .set(check, required, State::Healthy, "reached");
            continue;
        }
        let mut found = (State::Unhealthy, String::new());
        for host in &route.hosts {
            let connect = tokio::net::TcpStream::connect((host.host.as_str(), host.port));
            let problem = match tokio::time::timeout(PROBE, connect).await {
                Ok(Ok(_)) => {
                    found = (
                        State::Healthy,
                        format!("{}:{} accepts connections", host.host, host.port),
                    );
                    break;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => "timed out".to_owned(),
            };
            found.1 = format!("{}:{}: {problem}", host.host, host.port);
        }
        shared.health.set(check, required, found.0, found.1);
    }
}

/// Two descriptors a client, one for each socket that has not logged in, those for cancel requests, and some.
fn raise_descriptor_limit(shared: &Shared) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let clients = shared.config.listen.max_client_conn;
    let cancels = shared.cancels.sockets();
    let clients = 2 * clients + most_arriving(clients) + 256;
    let wanted = clients.saturating_add(cancels) as u64;
    if limit.current.is_some_and(|current| current < wanted) {
        let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
        let new = Rlimit {
            current: Some(raised),
            maximum: limit.maximum,
        };
        let had = match setrlimit(Resource::Nofile, new) {
            Ok(()) => Some(raised),
            Err(_) => limit.current,
        };
        if had.is_some_and(|had| had < wanted) {
            tracing::warn!(had, wanted, "{}", too_few(clients, cancels));
        }
    }
}

/// Names the setting that asks for most: what the kernel gives one process at most (`fs.nr_open`) may be less than
/// `max_cancels` can ask for.
fn too_few(clients: usize, cancels: usize) -> &'static str {
    match cancels > clients {
        true => "too few file descriptors for max_cancels: lower it or raise LimitNOFILE",
        false => "too few file descriptors for max_client_conn: raise LimitNOFILE",
    }
}

#[cfg(test)]
mod tests {
    use super::super::cancel::Room;
    use super::*;

    #[test]
    fn the_setting_that_asks_for_most_is_named() {
        let asked = |clients: usize, cancels| {
            let clients = 2 * clients + most_arriving(clients) + 256;
            let words = too_few(clients, Room::new(cancels).sockets());
            words.split(':').next().unwrap()
        };
        let (of_clients, of_cancels) = (
            "too few file descriptors for max_client_conn",
            "too few file descriptors for max_cancels",
        );
        assert_eq!(asked(100, 64), of_clients);
        assert_eq!(asked(10_000, 64), of_clients);
        assert_eq!(asked(10_000, 65_536), of_cancels);
        assert_eq!(Room::new(65_536).sockets(), 17 * 65_536);
    }
}

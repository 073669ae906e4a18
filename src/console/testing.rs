//! A console served in the test's process, on a real socket and a real registry.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use super::{Access, ConsoleState, Proxy, bind, serve};
use crate::config::Config;
use crate::migration::Sessions;
use crate::migration::registry::RegistryHandle;
use crate::policy::Policy;
use crate::telemetry::report::Report;

const CONFIG: &str = r#"
schema = 1
policy = "policy.toml"
[listen]
postgres = "0.0.0.0:6432"
advertise = "db.example.com:6432"
advertise_sslrootcert = "ca.crt"
console = ".s.PGSQL.6432"
[client_tls]
sslmode = "require"
cert_file = "server.crt"
key_file = "server.key"
[server_tls]
sslmode = "disable"
[auth]
auth_file = "userlist.txt"
[route.transaction]
hosts = ["127.0.0.1:6433"]
[route.session]
hosts = ["127.0.0.1:6434"]
[registry]
path = "registry.db"
"#;

const POLICY: &str = r#"
schema = 1
environment = "production"
mode = "enforce"
[login.shop_api]
kind = "service"
databases = ["shop"]
[login.nobody]
kind = "human"
databases = ["shop"]
console = "dba"
[login.daemon]
kind = "human"
databases = ["shop"]
console = "viewer"
[login.migrator]
kind = "migrator"
databases = ["shop", "crm"]
[login.crm_migrator]
kind = "migrator"
databases = ["crm"]
[migrations]
max_ttl = "4h"
"#;

/// Stands in for the running proxy; everything else is real.
pub(crate) struct TestProxy {
    config: Arc<Config>,
    policy: Arc<Policy>,
    pub reloads: AtomicUsize,
    pub shutdowns: AtomicUsize,
    pub report: Arc<Report>,
}

impl Proxy for TestProxy {
    fn config(&self) -> Arc<Config> {
        self.config.clone()
    }

    fn policy(&self) -> Arc<Policy> {
        self.policy.clone()
    }

    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + '_>> {
        let broken = self.reloads.fetch_add(1, Ordering::Relaxed) == 1;
        Box::pin(async move {
            if broken {
                Err("error: unknown key \"x\"".into())
            } else {
                Ok(())
            }
        })
    }

    fn shutdown(&self) {
        self.shutdowns.fetch_add(1, Ordering::Relaxed);
    }

    fn report(&self) -> Arc<Report> {
        self.report.clone()
    }
}

/// A running console; everything goes when it is dropped.
pub(crate) struct TestConsole {
    pub directory: tempfile::TempDir,
    pub socket: PathBuf,
    pub sessions: Arc<Sessions>,
    pub proxy: Arc<TestProxy>,
    control: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl TestConsole {
    /// Starts one; `edit` may change the configuration's text.
    pub fn start_with(edit: impl FnOnce(&str) -> String) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = |name: &str| directory.path().join(name);
        let config_path = path("portcullis.toml");
        let text = edit(CONFIG);
        std::fs::write(&config_path, &text).expect("written");
        let config = Config::parse(&text, &config_path, 1).expect("a valid configuration");
        let (policy, _) = Policy::parse(POLICY, "policy.toml").expect("a valid policy");
        let proxy = Arc::new(TestProxy {
            config: Arc::new(config),
            policy: Arc::new(policy),
            reloads: AtomicUsize::new(0),
            shutdowns: AtomicUsize::new(0),
            report: Arc::new(Report::new(0)),
        });
        let socket = path(".s.PGSQL.6432");
        let registry = RegistryHandle::start(&path("registry.db")).expect("a registry");
        let (stop, stopped) = oneshot::channel();
        let (started, sessions) = std::sync::mpsc::channel();
        let control = std::thread::spawn({
            let (socket, proxy) = (socket.clone(), proxy.clone());
            move || control(registry, &socket, proxy, &started, stopped)
        });
        let sessions = sessions.recv().expect("started");
        Self {
            socket,
            sessions,
            proxy,
            control: Some((stop, control)),
            directory,
        }
    }

    pub fn start() -> Self {
        Self::start_with(str::to_owned)
    }
}

impl Drop for TestConsole {
    fn drop(&mut self) {
        if let Some((stop, control)) = self.control.take() {
            drop(stop);
            drop(control.join());
        }
    }
}

/// The control runtime, as the proxy has one.
fn control(
    registry: RegistryHandle,
    socket: &Path,
    proxy: Arc<TestProxy>,
    started: &Sender<Arc<Sessions>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let sessions = Sessions::load(registry).await.expect("loaded");
        let listener = bind(socket).expect("bound");
        let access = Access::of(socket).expect("readable");
        started.send(sessions.clone()).expect("awaited");
        let state = Arc::new(ConsoleState {
            access,
            sessions: Some(sessions.clone()),
            proxy,
        });
        tokio::select! {
            () = serve(listener, state) => {}
            () = sessions.keep_time() => {}
            _ = stopped => {}
        }
    });
}

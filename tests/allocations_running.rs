//! The running program, its sockets included: in steady state it asks the heap for nothing, and with TLS only what rustls
//! takes, one buffer for each record that comes or goes. Every call of malloc and its like is counted, by a library that
//! is preloaded in the place of glibc's.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::message::{self, bind, column, execute, fine, sync};
use support::process::must_run;
use support::wire::Transport;
use support::{Stack, StackOptions, Wire, proxy};

/// Round trips that are counted, and those ahead of them.
const ROUNDS: u64 = 2000;
const AHEAD: u64 = 300;
/// What else the process may do in that time: timers, the answers to a question about its health.
const ASIDE: u64 = ROUNDS / 4;

struct Counted {
    file: PathBuf,
}

impl Counted {
    /// Starts the proxy anew, counted.
    fn start(stack: &mut Stack) -> Self {
        let library = stack.file("counting.so");
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/allocations_running/counting.c");
        let mut compile = Command::new("cc");
        compile
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source);
        must_run(compile);
        let file = stack.file("allocations");
        std::fs::write(&file, [0; 8]).expect("write");
        stack.proxy = None;
        let environment = [("LD_PRELOAD", &*library), ("ALLOCATIONS", &*file)];
        let mut again = proxy::serve_with(stack.directory(), &environment);
        proxy::wait(&mut again, stack.http_port);
        stack.proxy = Some(again);
        let counted = Self { file };
        assert!(counted.calls() > 1000, "nothing is counted");
        counted
    }

    fn calls(&self) -> u64 {
        let bytes = std::fs::read(&self.file).expect("read");
        u64::from_ne_bytes(bytes.try_into().expect("eight bytes"))
    }
}

/// Calls while a prepared statement runs so often.
fn calls(
    stack: &Stack,
    counted: &Counted,
    user: &str,
    database: &str,
    transport: Transport,
) -> u64 {
    let mut wire = Wire::login_with(&stack.login(user, database), transport, &[]);
    fine(&wire.batch(&message::parse("s", "SELECT $1::text")));
    let round = [bind("", "s", &[Some("value")]), execute("", 0), sync()].concat();
    let mut before = 0;
    for number in 0..AHEAD + ROUNDS {
        if number == AHEAD {
            before = counted.calls();
        }
        assert_eq!(column(&wire.ask(&round)), ["value"]);
    }
    counted.calls() - before
}

#[test]
fn a_prepared_workload_allocates_nothing() {
    for server_tls in ["disable", "verify-full"] {
        let mut stack = Stack::start(StackOptions {
            client_tls: "allow",
            server_tls,
            ..StackOptions::default()
        });
        let counted = Counted::start(&mut stack);
        for transport in [Transport::Plain, Transport::SslRequest] {
            for (user, database) in [("shop_plain", "app"), ("shop_acme", "shop")] {
                let calls = calls(&stack, &counted, user, database, transport);
                // There and back, on each leg that is encrypted.
                let legs =
                    u64::from(transport != Transport::Plain) + u64::from(server_tls != "disable");
                let most = 2 * legs * ROUNDS + ASIDE;
                assert!(
                    calls < most,
                    "{calls} calls: {server_tls} {transport:?} {user}"
                );
            }
        }
    }
}

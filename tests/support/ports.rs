//! Free TCP ports that no other stack on this machine takes at the same time.

use std::fs::File;
use std::net::TcpListener;

/// Ports of one block.
const BLOCK: u16 = 8;
/// Below 32768: from there on the kernel hands out ephemeral ports.
const RANGE: std::ops::Range<u16> = 10_000..32_000;

/// A block of free ports on 127.0.0.1, locked as long as this lives.
pub struct Ports {
    base: u16,
    given: u16,
    _lock: File,
}

impl Ports {
    /// Locks a block that nobody listens on.
    pub fn lock() -> Self {
        let uid = rustix::process::getuid().as_raw();
        let directory = std::env::temp_dir().join(format!("portcullis-ports-{uid}"));
        std::fs::create_dir_all(&directory).expect("create the directory of port locks");
        let blocks = (RANGE.end - RANGE.start) / BLOCK;
        // Different accounts have different lock directories: they start apart.
        let first = (std::process::id() as u16).wrapping_mul(37) % blocks;
        for step in 0..blocks {
            let base = RANGE.start + (first + step) % blocks * BLOCK;
            let lock = File::create(directory.join(base.to_string())).expect("create a port lock");
            if lock.try_lock().is_ok() && (base..base + BLOCK).all(is_free) {
                return Self {
                    base,
                    given: 0,
                    _lock: lock,
                };
            }
        }
        panic!("no {BLOCK} free ports in {RANGE:?}");
    }

    /// The next port of the block.
    pub fn next(&mut self) -> u16 {
        assert!(self.given < BLOCK, "a stack has {BLOCK} ports");
        self.given += 1;
        self.base + self.given - 1
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

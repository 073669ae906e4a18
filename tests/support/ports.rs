//! Free TCP ports that no other stack on this machine takes at the same time.

use std::fs::{DirBuilder, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

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
        let uid = rustix::process::geteuid().as_raw();
        let directory = std::env::temp_dir().join(format!("portcullis-ports-{uid}"));
        Self::lock_in(&directory).unwrap_or_else(|problem| panic!("{problem}"))
    }

    /// The same, with the locks in this directory, which is made if need be.
    pub fn lock_in(directory: &Path) -> Result<Self, String> {
        let named = |error| format!("port locks in {}: {error}", directory.display());
        make_our_own(directory).map_err(named)?;
        let blocks = (RANGE.end - RANGE.start) / BLOCK;
        // Different accounts have different lock directories: they start apart.
        let first = (std::process::id() as u16).wrapping_mul(37) % blocks;
        for step in 0..blocks {
            let base = RANGE.start + (first + step) % blocks * BLOCK;
            let lock = File::options()
                .create(true)
                .append(true)
                .open(directory.join(base.to_string()))
                .map_err(|error| named(error.to_string()))?;
            if lock.try_lock().is_ok() && (base..base + BLOCK).all(is_free) {
                return Ok(Self {
                    base,
                    given: 0,
                    _lock: lock,
                });
            }
        }
        Err(format!("no {BLOCK} free ports in {RANGE:?}"))
    }

    /// The next port of the block.
    pub fn next(&mut self) -> u16 {
        assert!(self.given < BLOCK, "a stack has {BLOCK} ports");
        self.given += 1;
        self.base + self.given - 1
    }
}

/// Makes the directory, or finds it as one that nobody else can write to: everybody knows its name, and what
/// others lay in it could lead to any file.
fn make_our_own(directory: &Path) -> Result<(), String> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.to_string()),
        _ => {}
    }
    let is = std::fs::symlink_metadata(directory).map_err(|error| error.to_string())?;
    let ours = is.is_dir() && is.uid() == rustix::process::geteuid().as_raw();
    if ours && is.mode() & 0o022 == 0 {
        Ok(())
    } else {
        Err("not a directory that is ours and that only we can write to; remove it".to_owned())
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

//! Ctrl-C while something of ours lies on a pooled connection: the probe at hand ends first, with its
//! cleaning up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use tokio::signal::unix::{SignalKind, signal};

/// Set when somebody wants us to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT and SIGTERM do not end us: who watches them must ask [`Interrupt::asked`].
    ///
    /// # Errors
    /// They cannot be caught.
    pub(super) fn watch() -> Result<Self, String> {
        let interrupt = Self::default();
        let asked = interrupt.clone();
        let (sender, caught) = mpsc::channel();
        std::thread::spawn(move || {
            let caught = catch(&asked, &sender);
            // Nobody listens any more where it was caught in time.
            drop(caught.map_err(|error| sender.send(Err(error))));
        });
        let failed = |error: String| format!("signals cannot be caught: {error}");
        match caught.recv() {
            Ok(Ok(())) => Ok(interrupt),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    pub(super) fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

fn catch(interrupt: &Interrupt, caught: &mpsc::Sender<std::io::Result<()>>) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut int = signal(SignalKind::interrupt())?;
        let mut term = signal(SignalKind::terminate())?;
        // They wait for it: from here on nothing is lost.
        let _ = caught.send(Ok(()));
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
        }
        interrupt.0.store(true, Ordering::Relaxed);
        Ok(())
    })
}

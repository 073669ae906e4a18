//! Signals that ask us to end: they go to the tool, and we end when it does. What was ignored when we
//! started (`nohup`, a script's background) stays so, for the tool too: a handler would end that.

use std::fs::File;
use std::io;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{SignalKind, signal};

/// Those that are not ignored.
pub(super) struct Signals {
    hangup: Option<tokio::signal::unix::Signal>,
    interrupt: Option<tokio::signal::unix::Signal>,
    quit: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    pub fn catch() -> io::Result<Self> {
        // Before the first handler. Without /proc nothing counts as ignored.
        let ignored = ignored(&std::fs::read_to_string("/proc/self/status").unwrap_or_default());
        let unless_ignored = |kind: SignalKind| {
            let bit = 1_u64 << (kind.as_raw_value() - 1);
            (ignored & bit == 0).then(|| signal(kind)).transpose()
        };
        Ok(Self {
            hangup: unless_ignored(SignalKind::hangup())?,
            interrupt: unless_ignored(SignalKind::interrupt())?,
            quit: unless_ignored(SignalKind::quit())?,
            terminate: unless_ignored(SignalKind::terminate())?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            () = comes(&mut self.hangup) => Signal::HUP,
            () = comes(&mut self.interrupt) => Signal::INT,
            () = comes(&mut self.quit) => Signal::QUIT,
            () = comes(&mut self.terminate) => Signal::TERM,
        }
    }
}

async fn comes(signal: &mut Option<tokio::signal::unix::Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// The mask of ignored signals in `/proc/self/status`: signal n is bit n - 1.
fn ignored(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Sends the signal to the tool, unless the terminal has done so already: keys reach the whole
/// foreground process group, and a second SIGINT makes many tools give up their clean end.
pub(super) fn pass_on(signal: Signal, tool: Option<u32>) {
    let from_keys = matches!(signal, Signal::INT | Signal::QUIT) && in_foreground();
    let tool = tool
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let (false, Some(tool)) = (from_keys, tool)
        && let Err(error) = kill_process(tool, signal)
    {
        crate::cli::output::tell(&format!("portcullis: the tool could not be told: {error}"));
    }
}

fn in_foreground() -> bool {
    File::open("/dev/tty")
        .is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp()))
}

#[cfg(test)]
mod tests {
    use super::ignored;

    #[test]
    fn the_mask_of_ignored_signals_is_read() {
        let status =
            "SigBlk:\t0000000000000002\nSigIgn:\t8000000000001001\nSigCgt:\t0000000000000004\n";
        assert_eq!(ignored(status), 1 << 63 | 1 << 12 | 1);
        for odd in [
            "",
            "SigIgn:",
            "SigIgn:\tx\n",
            "SigIgn:\t10000000000000000\n",
        ] {
            assert_eq!(ignored(odd), 0, "{odd:?}");
        }
    }
}

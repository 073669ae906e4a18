//! Signals that ask us to end: they go to the tool, and we end when it does.

use std::fs::File;
use std::io;

use rustix::process::{Pid, Signal, getpgrp, kill_process};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{SignalKind, signal};

pub(super) struct Signals {
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub fn catch() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.hangup.recv() => Signal::HUP,
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
        }
    }
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

//! Ends a client that is idle for longer than it has asked for, where no server does that.

use std::future::Future;
use std::pin::Pin;
use std::task::Context;

use tokio::time::{Instant, Sleep};

use super::{Exit, Pump, Waiting};
use crate::conversation::Idling;

/// How long the client has been idle. Its timer is made at the first limit and kept.
#[derive(Debug, Default)]
pub(super) struct Idle {
    stage: Stage,
    timer: Option<Pin<Box<Sleep>>>,
}

/// What has become of the rest that the client is in.
#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    /// It has not begun, or was not looked at.
    #[default]
    New,
    /// It may last.
    Free,
    /// The timer runs.
    Limited(Idling),
}

impl Idle {
    /// The client has sent a message: the rest behind it is another one.
    pub(super) fn is_over(&mut self) {
        self.stage = Stage::New;
    }
}

impl Pump {
    /// To be asked whenever the connection waits. The limit begins when everything is answered, and a message
    /// that is not whole is none: as in PostgreSQL.
    pub(super) fn idled(&mut self, cx: &mut Context<'_>) -> Result<(), Exit> {
        // The server's last words may be those very ones.
        let told = self.server.is_some() && self.conversation.server_said_goodbye();
        let rests = matches!(self.waiting, Waiting::Bytes)
            && self.to_client.is_empty()
            && self.conversation.is_at_rest()
            && !told;
        let Idle { stage, timer } = &mut self.idle;
        if !rests {
            *stage = Stage::New;
            return Ok(());
        }
        if let Stage::New = *stage {
            *stage = match self.conversation.may_idle() {
                None => Stage::Free,
                Some((idling, limit)) => {
                    let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
                    timer.as_mut().reset(Instant::now() + limit);
                    Stage::Limited(idling)
                }
            };
        }
        let (Stage::Limited(idling), Some(timer)) = (*stage, timer) else {
            return Ok(());
        };
        match timer.as_mut().poll(cx).is_ready() {
            true => Err(Exit::Idle(idling)),
            false => Ok(()),
        }
    }
}

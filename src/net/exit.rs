//! Why a connection's work is over.

use crate::conversation::{Fatal, Idling};

/// Why a pump stopped.
#[derive(Debug)]
pub enum Exit {
    /// The client said goodbye, and the server has been told.
    Goodbye,
    /// The client is gone; whatever the server connection is in the middle of must not be handed on.
    ClientGone,
    /// The client wants something and the server connection was lost while idle: a new one is needed.
    NeedServer,
    /// The server connection was lost; `told`: the client has had the server's last words.
    ServerGone {
        /// The server's FATAL went to the client.
        told: bool,
    },
    /// The client broke the protocol, or the server did.
    Fatal(Fatal),
    /// The proxy is draining, and no transaction is open.
    Drained,
    /// What the client was admitted with is no longer so, and nothing of it is running.
    LetGo,
    /// The client was idle for longer than it has asked for.
    Idle(Idling),
    /// The connection was ended from outside.
    Ended,
}

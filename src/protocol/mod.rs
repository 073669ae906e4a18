//! PURE. Bytes <-> messages: framing, the startup packets, and the few messages that must be
//! understood. Everything else is carried unread.
//!
//! Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol", section "Message Formats".

pub mod bind;
pub mod error_fields;
pub mod frame;
pub mod parameter_status;
pub mod reply;
pub mod startup;

/// The transaction status that ReadyForQuery reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionStatus {
    /// `I`: not in a transaction block.
    Idle,
    /// `T`: in a transaction block.
    Transaction,
    /// `E`: in a failed transaction block.
    Failed,
}

impl TransactionStatus {
    /// Reads the one byte of ReadyForQuery.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Transaction),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }
}

//! Why an exchange ended: precise for the log, one of two answers for the client.

use std::fmt;

use crate::error::SqlState;

/// Why an exchange ended. `Display` is for the log and holds no secret; a client learns nothing but
/// [`ScramError::client_state`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScramError {
    /// A message longer than [`super::MAX_MESSAGE`].
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A message that does not follow the grammar; which part of it.
    Malformed(&'static str),
    /// A mechanism that was not offered.
    Mechanism,
    /// -PLUS was chosen, but the message binds no channel.
    BindingMissing,
    /// The client says that we do not offer -PLUS (`y`), but we did: somebody removed it on the way.
    Downgrade,
    /// The message binds a channel, but the mechanism chosen has no binding.
    BindingUnexpected,
    /// A channel binding type other than tls-server-end-point.
    BindingType,
    /// The client saw another certificate than ours, or another header than it sent before:
    /// somebody sits between the two.
    BindingMismatch,
    /// An authorization identity (`a=`): to act as somebody else is not supported.
    AuthorizationIdentity,
    /// A mandatory extension (`m=`).
    MandatoryExtension,
    /// A nonce that is not the one of this exchange.
    Nonce,
    /// The proof does not fit the verifier: a wrong password, or no such user.
    WrongProof,
    /// The server behind holds another verifier than the one our keys were made from. Not a wrong
    /// password: two verifiers of one password differ too.
    VerifierMismatch {
        /// Iterations of our keys.
        ours: u32,
        /// Iterations that the server named.
        theirs: u32,
        /// Whether the salts differ.
        salt_differs: bool,
    },
    /// The server ended the exchange with `e=`; its reason, at most 64 printable characters.
    Refused(String),
    /// The server does not know our verifier: it cannot be the server it claims to be.
    ServerSignature,
}

impl ScramError {
    /// What the client is told: 28P01 for a proof that does not fit, 28000 for all the rest.
    pub fn client_state(&self) -> SqlState {
        match self {
            Self::WrongProof => SqlState::PASSWORD,
            _ => SqlState::IDENTITY,
        }
    }
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { len } => {
                write!(
                    f,
                    "SCRAM message of {len} bytes exceeds {} bytes",
                    super::MAX_MESSAGE
                )
            }
            Self::Malformed(part) => write!(f, "malformed SCRAM message: {part}"),
            Self::Mechanism => f.write_str("the SASL mechanism was not offered"),
            Self::BindingMissing => {
                f.write_str("SCRAM-SHA-256-PLUS was chosen without channel binding data")
            }
            Self::Downgrade => f.write_str(
                "the client supports channel binding and was not shown that this server does too",
            ),
            Self::BindingUnexpected => {
                f.write_str("SCRAM-SHA-256 was chosen with channel binding data")
            }
            Self::BindingType => f.write_str("channel binding type is not tls-server-end-point"),
            Self::BindingMismatch => f.write_str("SCRAM channel binding check failed"),
            Self::AuthorizationIdentity => {
                f.write_str("SCRAM authorization identity is not supported")
            }
            Self::MandatoryExtension => f.write_str("SCRAM extension is not supported"),
            Self::Nonce => f.write_str("SCRAM nonce does not match"),
            Self::WrongProof => f.write_str("SCRAM proof does not match the verifier"),
            Self::VerifierMismatch {
                ours,
                theirs,
                salt_differs,
            } => {
                f.write_str("the server behind holds another verifier for this role: ")?;
                match (salt_differs, ours == theirs) {
                    (true, true) => f.write_str("the salt differs"),
                    (true, false) => {
                        write!(
                            f,
                            "the salt differs, and {theirs} iterations instead of {ours}"
                        )
                    }
                    (false, _) => write!(f, "{theirs} iterations instead of {ours}"),
                }
            }
            Self::Refused(reason) => {
                write!(f, "the server behind refused the SCRAM exchange: {reason}")
            }
            Self::ServerSignature => f.write_str("the server behind could not prove its identity"),
        }
    }
}

impl std::error::Error for ScramError {}

//! Our side towards PgBouncer: the SCRAM client, which holds keys instead of a password.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::message::{self, Attributes};
use super::{Keys, MAX_ITERATIONS, MAX_SALT, NONCE_BYTES, ScramError, hmac_sha256, sha256, xor};

/// An exchange that waits for the server's first message.
pub struct ClientExchange {
    keys: Keys,
    nonce: String,
}

/// The same exchange of somebody who has the password itself: the server says which salt and how many
/// iterations.
pub struct PasswordExchange {
    password: Zeroizing<String>,
    nonce: String,
}

/// An exchange that waits for the server's signature.
pub struct ClientExchangeFinal {
    server_signature: [u8; 32],
}

impl ClientExchange {
    /// Starts an exchange; gives the client's first message (SASLInitialResponse, mechanism
    /// [`super::MECHANISM`]). `nonce` is fresh random bytes. No name is sent: the startup packet did.
    ///
    /// The channel is not bound (`n`): TLS with verify-full has proved the server already.
    pub fn new(keys: &Keys, nonce: [u8; NONCE_BYTES]) -> (Self, Vec<u8>) {
        let nonce = message::encode_nonce(nonce);
        let client_first = format!("n,,n=,r={nonce}").into_bytes();
        (
            Self {
                keys: keys.clone(),
                nonce,
            },
            client_first,
        )
    }

    /// Takes the server's first message (AuthenticationSASLContinue); gives the proof (SASLResponse).
    ///
    /// # Errors
    /// [`ScramError::VerifierMismatch`] where the server's salt or iterations are not those of our
    /// keys: no proof that we could give would fit. A malformed message; a nonce that is not ours.
    pub fn server_first(
        self,
        server_first: &[u8],
    ) -> Result<(ClientExchangeFinal, Vec<u8>), ScramError> {
        let text = message::text(server_first)?;
        let (nonce, salt, iterations) = read_server_first(text)?;
        match nonce.strip_prefix(&self.nonce) {
            Some(theirs) if !theirs.is_empty() => {}
            _ => return Err(ScramError::Nonce),
        }
        let salt_differs = salt != self.keys.salt;
        if salt_differs || iterations != self.keys.iterations {
            let ours = self.keys.iterations;
            return Err(ScramError::VerifierMismatch {
                ours,
                theirs: iterations,
                salt_differs,
            });
        }

        let without_proof = format!("c=biws,r={nonce}");
        let auth_message = format!("n=,r={},{text},{without_proof}", self.nonce);
        let stored_key = sha256(&self.keys.client_key);
        let signature = Zeroizing::new(hmac_sha256(&stored_key, auth_message.as_bytes()));
        let proof = STANDARD.encode(xor(&self.keys.client_key, &signature));
        let next = ClientExchangeFinal {
            server_signature: hmac_sha256(&self.keys.server_key, auth_message.as_bytes()),
        };
        Ok((next, format!("{without_proof},p={proof}").into_bytes()))
    }
}

impl PasswordExchange {
    /// Starts an exchange, as [`ClientExchange::new`] does.
    pub fn new(password: &str, nonce: [u8; NONCE_BYTES]) -> (Self, Vec<u8>) {
        let nonce = message::encode_nonce(nonce);
        let client_first = format!("n,,n=,r={nonce}").into_bytes();
        let password = Zeroizing::new(password.to_owned());
        (Self { password, nonce }, client_first)
    }

    /// Takes the server's first message; gives the proof. Derives keys first: this takes milliseconds,
    /// and some seconds with [`MAX_ITERATIONS`].
    ///
    /// # Errors
    /// A malformed message; a nonce that is not ours.
    pub fn server_first(
        self,
        server_first: &[u8],
    ) -> Result<(ClientExchangeFinal, Vec<u8>), ScramError> {
        let (nonce, salt, iterations) = read_server_first(message::text(server_first)?)?;
        // Before the work: who does not repeat our nonce gets none of it.
        if !nonce.starts_with(&self.nonce) {
            return Err(ScramError::Nonce);
        }
        let keys = Keys::derive(&self.password, &salt, iterations);
        let nonce = self.nonce;
        ClientExchange { keys, nonce }.server_first(server_first)
    }
}

impl ClientExchangeFinal {
    /// Takes the server's last message (AuthenticationSASLFinal). Only after this is the server the
    /// one that holds our verifier.
    ///
    /// # Errors
    /// A signature that does not fit, the server's own refusal (`e=`), a malformed message.
    pub fn server_final(self, server_final: &[u8]) -> Result<(), ScramError> {
        let text = message::text(server_final)?;
        if let Some(reason) = text.strip_prefix("e=") {
            let reason = reason
                .chars()
                .take_while(char::is_ascii_graphic)
                .take(64)
                .collect();
            return Err(ScramError::Refused(reason));
        }
        let mut attributes = Attributes::new(text);
        let signature = message::key(attributes.expect('v', "signature expected")?, "signature")?;
        attributes.skip_extensions()?;
        match bool::from(signature.ct_eq(&self.server_signature)) {
            true => Ok(()),
            false => Err(ScramError::ServerSignature),
        }
    }
}

/// `r=nonce,s=salt,i=iterations[,extensions]`
fn read_server_first(text: &str) -> Result<(&str, Vec<u8>, u32), ScramError> {
    let mut attributes = Attributes::new(text);
    let nonce = message::nonce(attributes.expect('r', "nonce expected")?)?;
    let salt = attributes.expect('s', "salt expected")?;
    let iterations = attributes.expect('i', "iterations expected")?;
    attributes.skip_extensions()?;
    let salt = STANDARD
        .decode(salt)
        .ok()
        .filter(|salt| (1..=MAX_SALT).contains(&salt.len()))
        .ok_or(ScramError::Malformed("salt"))?;
    let iterations = super::verifier::iterations(iterations)
        .filter(|iterations| *iterations <= MAX_ITERATIONS)
        .ok_or(ScramError::Malformed("iterations"))?;
    Ok((nonce, salt, iterations))
}

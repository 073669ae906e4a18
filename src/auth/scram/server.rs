//! Our side towards applications: the SCRAM server.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use super::message::{self, Attributes};
use super::{
    MECHANISM, MECHANISM_PLUS, NONCE_BYTES, ScramError, Verifier, hmac_sha256, sha256, xor,
};

/// An exchange that waits for the client's first message.
pub struct ServerExchange {
    verifier: Verifier,
    genuine: bool,
    end_point: Option<Vec<u8>>,
    nonce: [u8; NONCE_BYTES],
}

/// An exchange that waits for the client's proof.
pub struct ServerExchangeFinal {
    verifier: Verifier,
    genuine: bool,
    /// The client's header and our channel's data, in base64: what `c=` must be.
    binding: String,
    /// The client's nonce, then ours.
    nonce: String,
    /// `client-first-message-bare,server-first-message,`
    auth_message: String,
    channel_bound: bool,
}

/// The client knows the password.
pub struct Proved {
    /// The last message of the exchange (AuthenticationSASLFinal): it proves us to the client.
    pub server_final: Vec<u8>,
    /// The client's key: as good as its password towards every server with the same verifier.
    pub client_key: Zeroizing<[u8; 32]>,
    /// Whether the client has proved that it saw our certificate.
    pub channel_bound: bool,
}

impl ServerExchange {
    /// Starts an exchange.
    ///
    /// `genuine` is false for [`super::mock_verifier`]: everything then happens as for a user who
    /// exists, and the proof does not match. `end_point` is the certificate's tls-server-end-point
    /// data where -PLUS was offered; outside TLS there is no channel to bind, whatever it says.
    /// `nonce` is fresh random bytes.
    pub fn new(
        verifier: Verifier,
        genuine: bool,
        end_point: Option<Vec<u8>>,
        over_tls: bool,
        nonce: [u8; NONCE_BYTES],
    ) -> Self {
        let end_point = end_point.filter(|_| over_tls);
        Self {
            verifier,
            genuine,
            end_point,
            nonce,
        }
    }

    /// What to offer (AuthenticationSASL), in PostgreSQL's order: the strongest first. Exactly these
    /// are taken.
    pub fn mechanisms(&self) -> &'static [&'static str] {
        match self.end_point {
            Some(_) => &[MECHANISM_PLUS, MECHANISM],
            None => &[MECHANISM],
        }
    }

    /// Takes the mechanism and the first message (SASLInitialResponse); gives the first answer
    /// (AuthenticationSASLContinue).
    ///
    /// # Errors
    /// A mechanism that was not offered, a header that does not fit it, a malformed message.
    pub fn first(
        self,
        mechanism: &str,
        client_first: &[u8],
    ) -> Result<(ServerExchangeFinal, Vec<u8>), ScramError> {
        let data = match (mechanism, &self.end_point) {
            (MECHANISM, _) => None,
            (MECHANISM_PLUS, Some(data)) => Some(data.as_slice()),
            _ => return Err(ScramError::Mechanism),
        };
        let text = message::text(client_first)?;
        let (header, bare) = split_header(text)?;
        check_flag(header, data.is_some(), self.end_point.is_some())?;
        let client_nonce = read_bare(bare)?;

        let nonce = format!("{client_nonce}{}", message::encode_nonce(self.nonce));
        let salt = STANDARD.encode(&self.verifier.salt);
        let server_first = format!("r={nonce},s={salt},i={}", self.verifier.iterations);
        let binding = STANDARD.encode([header.as_bytes(), data.unwrap_or_default()].concat());
        let next = ServerExchangeFinal {
            binding,
            nonce,
            auth_message: format!("{bare},{server_first},"),
            channel_bound: data.is_some(),
            verifier: self.verifier,
            genuine: self.genuine,
        };
        Ok((next, server_first.into_bytes()))
    }
}

impl ServerExchangeFinal {
    /// Takes the client's last message (SASLResponse).
    ///
    /// # Errors
    /// In PostgreSQL's order: a malformed message, another channel, another nonce, a wrong proof.
    pub fn finish(self, client_final: &[u8]) -> Result<Proved, ScramError> {
        let text = message::text(client_final)?;
        // The proof is the last attribute, and base64 has no comma.
        let (without_proof, proof) = text
            .rsplit_once(",p=")
            .ok_or(ScramError::Malformed("proof expected"))?;
        let mut attributes = Attributes::new(without_proof);
        let binding = attributes.expect('c', "channel binding expected")?;
        let nonce = attributes.expect('r', "nonce expected")?;
        attributes.skip_extensions()?;
        let proof = Zeroizing::new(message::key(proof, "proof")?);

        if !bool::from(binding.as_bytes().ct_eq(self.binding.as_bytes())) {
            return Err(ScramError::BindingMismatch);
        }
        if !bool::from(nonce.as_bytes().ct_eq(self.nonce.as_bytes())) {
            return Err(ScramError::Nonce);
        }
        let auth_message = format!("{}{without_proof}", self.auth_message);
        self.check_proof(&proof, auth_message.as_bytes())
    }

    fn check_proof(&self, proof: &[u8; 32], auth_message: &[u8]) -> Result<Proved, ScramError> {
        let signature = hmac_sha256(&self.verifier.stored_key, auth_message);
        let client_key = Zeroizing::new(xor(proof, &signature));
        let fits = sha256(client_key.as_slice()).ct_eq(&self.verifier.stored_key);
        // Computed for a mock as well, so that both take the same time.
        let server_signature = hmac_sha256(&self.verifier.server_key, auth_message);
        if !bool::from(fits & Choice::from(u8::from(self.genuine))) {
            return Err(ScramError::WrongProof);
        }
        Ok(Proved {
            server_final: format!("v={}", STANDARD.encode(server_signature)).into_bytes(),
            client_key,
            channel_bound: self.channel_bound,
        })
    }
}

/// Splits `gs2-header` (flag, comma, authorization identity, comma) from the rest.
fn split_header(text: &str) -> Result<(&str, &str), ScramError> {
    let malformed = ScramError::Malformed("GS2 header");
    let Some((_, after_flag)) = text.split_once(',') else {
        return Err(malformed);
    };
    match after_flag.as_bytes().first() {
        Some(b',') => {
            let bare = &after_flag[1..];
            Ok((&text[..text.len() - bare.len()], bare))
        }
        Some(b'a') => Err(ScramError::AuthorizationIdentity),
        _ => Err(malformed),
    }
}

/// The flag must fit what was offered and chosen (RFC 5802, section 6).
fn check_flag(header: &str, plus: bool, offered: bool) -> Result<(), ScramError> {
    match header.trim_end_matches(',') {
        "n" | "y" if plus => Err(ScramError::BindingMissing),
        "n" => Ok(()),
        "y" if offered => Err(ScramError::Downgrade),
        "y" => Ok(()),
        flag if flag.starts_with("p=") => match flag {
            _ if !plus => Err(ScramError::BindingUnexpected),
            "p=tls-server-end-point" => Ok(()),
            _ => Err(ScramError::BindingType),
        },
        _ => Err(ScramError::Malformed("channel binding flag")),
    }
}

/// `n=name,r=nonce[,extensions]`: the nonce. The name is ignored as in PostgreSQL, where the startup
/// packet has said it; libpq sends none.
fn read_bare(bare: &str) -> Result<&str, ScramError> {
    let mut attributes = Attributes::new(bare);
    attributes.expect('n', "user name expected")?;
    let nonce = message::nonce(attributes.expect('r', "nonce expected")?)?;
    attributes.skip_extensions()?;
    Ok(nonce)
}

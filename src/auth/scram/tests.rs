//! Both sides against each other, against an independent client, and against tampering.

mod binding;
mod client;
mod server;
mod vectors;

use postgres_protocol::authentication::sasl::{ChannelBinding, ScramSha256};

use super::*;

const PASSWORD: &str = "pencil";
const END_POINT: &[u8] = &[0xAB; 32];

fn keys() -> Keys {
    Keys::derive(PASSWORD, b"0123456789abcdef", 4096)
}

/// A server that knows the user; `offered` is the certificate's end point where -PLUS is offered.
fn server(offered: Option<&[u8]>) -> ServerExchange {
    ServerExchange::new(
        keys().verifier(),
        true,
        offered.map(<[u8]>::to_vec),
        true,
        [7; NONCE_BYTES],
    )
}

/// What an honest client sends last, built by hand so that each part can be bent.
struct Final<'a> {
    binding: &'a [u8],
    nonce: Option<&'a str>,
    extension: &'a str,
    bare: &'a str,
}

impl Default for Final<'_> {
    fn default() -> Self {
        Self {
            binding: b"n,,",
            nonce: None,
            extension: "",
            bare: "n=,r=abc",
        }
    }
}

impl Final<'_> {
    /// The message, with a right proof over exactly what it says.
    fn answer(&self, server_first: &[u8], keys: &Keys) -> Vec<u8> {
        use base64::{Engine as _, engine::general_purpose::STANDARD};
        let server_first = std::str::from_utf8(server_first).unwrap();
        let (nonce, _) = server_first[2..].split_once(',').unwrap();
        let without_proof = format!(
            "c={},r={}{}",
            STANDARD.encode(self.binding),
            self.nonce.unwrap_or(nonce),
            self.extension
        );
        let message = format!("{},{server_first},{without_proof}", self.bare);
        let signature = hmac_sha256(&sha256(&keys.client_key), message.as_bytes());
        let proof = STANDARD.encode(xor(&keys.client_key, &signature));
        format!("{without_proof},p={proof}").into_bytes()
    }
}

/// Runs tokio-postgres's client against a server of ours.
fn run(
    server: ServerExchange,
    mechanism: &str,
    password: &str,
    binding: ChannelBinding,
) -> Result<Proved, ScramError> {
    let mut client = ScramSha256::new(password.as_bytes(), binding);
    let (server, first) = server.first(mechanism, client.message())?;
    client.update(&first).unwrap();
    let proved = server.finish(client.message())?;
    client.finish(&proved.server_final).unwrap();
    Ok(proved)
}

fn error<T>(result: Result<T, ScramError>) -> ScramError {
    result.err().unwrap()
}

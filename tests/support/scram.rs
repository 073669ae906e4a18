//! The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), written apart from the code under test.

use std::num::NonZeroU32;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SecureRandom;
use ring::{digest, hmac, pbkdf2};

use super::message;
use super::wire::{Transport, Wire};

/// The client's side of one exchange.
pub struct Scram {
    password: String,
    /// `n,,`, `y,,` or `p=tls-server-end-point,,`.
    header: String,
    binding: Vec<u8>,
    nonce: String,
    expected_signature: Vec<u8>,
}

impl Scram {
    /// `end_point` is the hash of the server's certificate: with it the exchange is -PLUS.
    pub fn new(password: &str, end_point: Option<Vec<u8>>) -> Self {
        let header = if end_point.is_some() {
            "p=tls-server-end-point,,"
        } else {
            "n,,"
        };
        let mut random = [0; 18];
        ring::rand::SystemRandom::new()
            .fill(&mut random)
            .expect("random bytes");
        Self {
            password: password.into(),
            header: header.into(),
            binding: end_point.unwrap_or_default(),
            nonce: BASE64_STANDARD.encode(random),
            expected_signature: Vec::new(),
        }
    }

    /// The mechanism's name.
    pub fn mechanism(&self) -> &'static str {
        if self.binding.is_empty() {
            "SCRAM-SHA-256"
        } else {
            "SCRAM-SHA-256-PLUS"
        }
    }

    /// client-first-message. The user name is empty: PostgreSQL takes it from the startup packet.
    pub fn first(&self) -> String {
        format!("{}n=,r={}", self.header, self.nonce)
    }

    /// client-final-message for server-first-message.
    pub fn last(&mut self, server_first: &str) -> String {
        let part = |index: usize| {
            server_first
                .split(',')
                .nth(index)
                .and_then(|part| part.get(2..))
                .unwrap_or("")
        };
        let (nonce, salt, iterations) = (
            part(0),
            BASE64_STANDARD.decode(part(1)).expect("a salt"),
            part(2),
        );
        assert!(
            nonce.starts_with(&self.nonce),
            "the server changed our nonce"
        );
        let iterations = iterations.parse::<NonZeroU32>().expect("iterations");

        let mut salted = [0; digest::SHA256_OUTPUT_LEN];
        pbkdf2::derive(
            pbkdf2::PBKDF2_HMAC_SHA256,
            iterations,
            &salt,
            self.password.as_bytes(),
            &mut salted,
        );
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);

        let binding = BASE64_STANDARD.encode([self.header.as_bytes(), &self.binding].concat());
        let without_proof = format!("c={binding},r={nonce}");
        let signed = format!("n=,r={},{server_first},{without_proof}", self.nonce);
        let signature = sign(stored_key.as_ref(), signed.as_bytes());
        let proof: Vec<u8> = client_key
            .iter()
            .zip(&signature)
            .map(|(key, bits)| key ^ bits)
            .collect();
        self.expected_signature = sign(&sign(&salted, b"Server Key"), signed.as_bytes());
        format!("{without_proof},p={}", BASE64_STANDARD.encode(proof))
    }

    /// Checks server-final-message: panics if the server does not know the password either.
    pub fn check(&self, server_final: &str) {
        let signature = server_final
            .strip_prefix("v=")
            .expect("the server's signature");
        assert_eq!(
            BASE64_STANDARD.decode(signature).expect("base64"),
            self.expected_signature
        );
    }
}

fn sign(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text)
        .as_ref()
        .to_vec()
}

/// The salt and the iterations with which whoever listens at `port` asks `user` for a password.
pub fn question(port: u16, authority: &Path, user: &str) -> String {
    let mut wire = Wire::open_with(port, Transport::SslRequest, authority);
    let parameters = [("user", user), ("database", "app")];
    wire.send(&message::startup((3, 0), &parameters));
    assert_eq!(wire.receive().expect("an offer").kind, b'R');
    let first = "n,,n=,r=clientnonce";
    let length = u32::try_from(first.len()).expect("short").to_be_bytes();
    let body = [b"SCRAM-SHA-256\0", &length[..], first.as_bytes()].concat();
    wire.send(&message::framed(b'p', &body));
    let question = wire.receive().expect("a question").body;
    let question = String::from_utf8(question[4..].to_vec()).expect("text");
    let (_, salt) = question.split_once(',').expect("a nonce and a salt");
    salt.to_owned()
}

use super::*;

fn first_exchange() -> (ClientExchange, Vec<u8>) {
    ClientExchange::new(&keys(), [1; NONCE_BYTES])
}

const NONCE: &str = "AQEBAQEBAQEBAQEBAQEBAQEB";
const SALT: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";

fn answer(server_first: &str) -> Result<(ClientExchangeFinal, Vec<u8>), ScramError> {
    let (client, _) = first_exchange();
    client.server_first(server_first.as_bytes())
}

/// An exchange of both sides up to the server's last message.
fn until_final() -> (ClientExchangeFinal, Vec<u8>) {
    let (client, first) = first_exchange();
    let (server, server_first) = server(None).first(MECHANISM, &first).unwrap();
    let (client, last) = client.server_first(&server_first).unwrap();
    (client, server.finish(&last).unwrap().server_final)
}

#[test]
fn both_sides_agree() {
    let (client, server_final) = until_final();
    assert_eq!(client.server_final(&server_final), Ok(()));
}

#[test]
fn who_has_the_password_needs_no_keys() {
    let (client, first) = PasswordExchange::new(PASSWORD, [1; NONCE_BYTES]);
    let (server, server_first) = server(None).first(MECHANISM, &first).unwrap();
    let (client, last) = client.server_first(&server_first).unwrap();
    let server_final = server.finish(&last).unwrap().server_final;
    assert_eq!(client.server_final(&server_final), Ok(()));
    let (client, _) = PasswordExchange::new(PASSWORD, [1; NONCE_BYTES]);
    let another = format!("r=AAAA{NONCE},s={SALT},i=4096");
    let error = client.server_first(another.as_bytes()).err();
    assert_eq!(error, Some(ScramError::Nonce));
}

/// The whole way of a login: the application proves itself, and its key opens the server behind.
#[test]
fn the_key_of_a_proof_opens_a_server_with_the_same_verifier() {
    let (client, first) = first_exchange();
    let (waiting, server_first) = server(None).first(MECHANISM, &first).unwrap();
    let (_, last) = client.server_first(&server_first).unwrap();
    let proved = waiting.finish(&last).unwrap();

    let passed_on = Keys::proved(&keys().verifier(), &proved.client_key);
    let (client, first) = ClientExchange::new(&passed_on, [2; NONCE_BYTES]);
    let (behind, server_first) = server(None).first(MECHANISM, &first).unwrap();
    let (client, last) = client.server_first(&server_first).unwrap();
    let server_final = behind.finish(&last).unwrap().server_final;
    assert_eq!(client.server_final(&server_final), Ok(()));
}

/// The same password under another salt: no wrong password, but another verifier.
#[test]
fn another_verifier_behind_is_named() {
    let cases = [
        ("c2FsdA==", 4096, true, "the salt differs"),
        (SALT, 8192, false, "8192 iterations instead of 4096"),
        (
            "c2FsdA==",
            1,
            true,
            "the salt differs, and 1 iterations instead of 4096",
        ),
    ];
    for (salt, theirs, salt_differs, text) in cases {
        let error = answer(&format!("r={NONCE}srv,s={salt},i={theirs}"))
            .err()
            .unwrap();
        assert_eq!(
            error,
            ScramError::VerifierMismatch {
                ours: 4096,
                theirs,
                salt_differs
            }
        );
        let expected = format!("the server behind holds another verifier for this role: {text}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn first_answers_that_are_refused() {
    let malformed = ScramError::Malformed;
    let long = format!("r={NONCE}{},s={SALT},i=4096", "x".repeat(MAX_MESSAGE));
    let salt = "QUJD".repeat(50);
    let cases = [
        (format!("r={NONCE},s={SALT},i=4096"), ScramError::Nonce),
        (format!("r=srv{NONCE},s={SALT},i=4096"), ScramError::Nonce),
        (format!("r=,s={SALT},i=4096"), malformed("nonce")),
        (
            format!("m=x,r={NONCE}srv,s={SALT},i=4096"),
            ScramError::MandatoryExtension,
        ),
        (
            format!("r={NONCE}srv,s={SALT},i=4096,m=x"),
            ScramError::MandatoryExtension,
        ),
        (
            format!("r={NONCE}srv,i=4096,s={SALT}"),
            malformed("salt expected"),
        ),
        (format!("r={NONCE}srv,s=,i=4096"), malformed("salt")),
        (format!("r={NONCE}srv,s=!,i=4096"), malformed("salt")),
        (format!("r={NONCE}srv,s={salt},i=4096"), malformed("salt")),
        (
            format!("r={NONCE}srv,s={SALT}"),
            malformed("iterations expected"),
        ),
        (
            format!("r={NONCE}srv,s={SALT},i=0"),
            malformed("iterations"),
        ),
        (
            format!("r={NONCE}srv,s={SALT},i=-4096"),
            malformed("iterations"),
        ),
        (
            format!("r={NONCE}srv,s={SALT},i=4096x"),
            malformed("iterations"),
        ),
        (
            format!("r={NONCE}srv,s={SALT},i=10000001"),
            malformed("iterations"),
        ),
        (
            format!("r={NONCE}srv,s={SALT},i=4294967296"),
            malformed("iterations"),
        ),
        (String::new(), malformed("attribute expected")),
        (long.clone(), ScramError::TooLong { len: long.len() }),
    ];
    for (text, expected) in cases {
        assert_eq!(answer(&text).err(), Some(expected), "{text}");
    }
    for text in [
        format!("r={NONCE}srv,s={SALT},i=4096"),
        format!("r={NONCE}srv,s={SALT},i=4096,x=optional"),
    ] {
        assert!(answer(&text).is_ok(), "{text}");
    }
}

#[test]
fn a_server_that_does_not_know_the_verifier_is_refused() {
    let (client, honest) = until_final();
    assert_eq!(client.server_final(&honest), Ok(()));
    for place in 0..honest.len() {
        let mut bent = honest.clone();
        bent[place] ^= 0x01;
        let (client, _) = until_final();
        assert!(
            client.server_final(&bent).is_err(),
            "{}",
            bent.escape_ascii()
        );
    }
    let malformed = ScramError::Malformed;
    for (text, expected) in [
        (
            format!("v={}", "A".repeat(43) + "="),
            ScramError::ServerSignature,
        ),
        ("v=AAAA".to_owned(), malformed("signature")),
        ("v=".to_owned(), malformed("signature")),
        (String::new(), malformed("attribute expected")),
        (
            "e=invalid-proof".to_owned(),
            ScramError::Refused("invalid-proof".to_owned()),
        ),
        (
            format!("e={}", "x".repeat(500)),
            ScramError::Refused("x".repeat(64)),
        ),
    ] {
        let (client, _) = until_final();
        assert_eq!(
            client.server_final(text.as_bytes()),
            Err(expected),
            "{text}"
        );
    }
}

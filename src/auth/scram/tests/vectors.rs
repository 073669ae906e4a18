use super::*;

/// RFC 7677, section 3: user "user", password "pencil".
const RFC_CLIENT_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const RFC_SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const RFC_CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const RFC_SERVER_SIGNATURE: &str = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

#[test]
fn rfc_7677_example() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = Keys::derive("pencil", &salt, 4096);
    let (without_proof, proof) = RFC_CLIENT_FINAL.rsplit_once(",p=").unwrap();
    let bare = std::str::from_utf8(&RFC_CLIENT_FIRST[3..]).unwrap();
    let message = format!("{bare},{RFC_SERVER_FIRST},{without_proof}");
    let signature = hmac_sha256(&sha256(&keys.client_key), message.as_bytes());
    assert_eq!(STANDARD.encode(xor(&keys.client_key, &signature)), proof);
    let server = hmac_sha256(&keys.server_key, message.as_bytes());
    assert_eq!(STANDARD.encode(server), RFC_SERVER_SIGNATURE);
}

/// Made by PostgreSQL 15 (`SELECT rolpassword FROM pg_authid`). The passwords tell SASLprep apart
/// from its absence: from the fifth on PostgreSQL cannot prepare them, and takes them as they are.
const POSTGRESQL: [(&str, &str); 8] = [
    (
        "pencil",
        "SCRAM-SHA-256$4096:bUCX4mTNlV1cAIu9xRHxUQ==$DQIRSkGcor89iDy7y0OSlVvcXI7YsauePEqxmdmU9AQ=:f3fvO5qE9LkAwzsUaHW9Z0e705lVSof527q/Bkqtpvw=",
    ),
    (
        "I\u{ad}X",
        "SCRAM-SHA-256$4096:Qm25u8Gyn+DjtiCgZ6U8dQ==$9KD+pAPmOp/FE2tZ8LydH9MCcghOunJ8DpyncayVOUo=:VPsiAhl+s+9QKU1VtRxhNEgdvfE6uYebXMR+PlPGT0E=",
    ),
    (
        "\u{2168}",
        "SCRAM-SHA-256$4096:8Iyz5e7CJePsR65UWRxpvA==$zDyIjoUMecpuYNT0fCOehSPXtpLp1Wh2KlPagzAjZR0=:VSGaLeaf8QUwNKTYlY5u7EE1ezpfAgAPxspf/4smGdw=",
    ),
    (
        "a\u{a0}b",
        "SCRAM-SHA-256$4096:aUSrVSQ9wwDJ6WdyJcabKQ==$pmUBUn/bb31c6Bi05QZE6hSMDK323DEsmKGdtq+esZ4=:VaNbgSbyNzIwrRbp4yqYPkTCNtGmGjVKB/Ojtf7q4W8=",
    ),
    (
        "tab\there\u{2168}",
        "SCRAM-SHA-256$4096:U2sn10FoMAMovP3t3g8QdQ==$73fKekQxygPpz6lP3izhdnxlm3Xq4HK2/m6Bl7e3gAw=:8wT4/hnMbtLD9M3JsfT82vY9Njsd+qK/j7YUA2CsvEA=",
    ),
    (
        "\u{627}1\u{2168}x",
        "SCRAM-SHA-256$4096:fPGmz7hb0TjCISGZ9TBdjw==$Q6Djl1akzkUpeaV2UsPKl22kDJv5Zg3ZsatyLCcFXxc=:X3OqEFmMrEWBUiGBZcOuVldxGqU1zOn/bfF4g/7qHpY=",
    ),
    (
        "p\u{e4}ssw\u{f6}rd",
        "SCRAM-SHA-256$4096:hQJHh2woARunQsdW+2lhIQ==$qGodTjw17Ak8GsYBoPqTIfx+fKzgthOfZ99arPSJo/I=:+vn5t56VKjo0hxAOUl/qClZ2WnIvnsZXqit/PogQ3aE=",
    ),
    (
        "\u{221}",
        "SCRAM-SHA-256$4096:leW4lx8piG+B4emjFzsgJg==$InUqCKWAqC/VJlJ4TzHSBzrXcyUoBllHJqH7foLq3jY=:VXIlo+RSCBlv0YDVxqgPMwfzyR6bqk/n9+CA3+gNSm4=",
    ),
];

#[test]
fn derives_the_verifiers_that_postgresql_makes() {
    for (password, text) in POSTGRESQL {
        let verifier: Verifier = text.parse().unwrap();
        let keys = Keys::derive(password, &verifier.salt, verifier.iterations);
        assert!(keys.fit(&verifier), "{password:?}");
        assert!(keys.verifier() == verifier, "{password:?}");
        assert_eq!(verifier.to_string(), text);
        let other = Keys::derive("pencil2", &verifier.salt, verifier.iterations);
        assert!(!other.fit(&verifier), "{password:?}");
    }
}

#[test]
fn a_verifier_must_be_whole() {
    let good = POSTGRESQL[0].1;
    let bad = [
        (
            good.replace("SCRAM-SHA-256$", "md5"),
            VerifierError::NotScram,
        ),
        (
            good.replace("SCRAM-SHA-256$", "scram-sha-256$"),
            VerifierError::NotScram,
        ),
        (String::new(), VerifierError::NotScram),
        (good.replace("4096:", "0:"), VerifierError::Iterations),
        (good.replace("4096:", "-1:"), VerifierError::Iterations),
        (good.replace("4096:", "+4096:"), VerifierError::Iterations),
        (good.replace("4096:", "04096:"), VerifierError::Iterations),
        (
            good.replace("4096:", "10000001:"),
            VerifierError::Iterations,
        ),
        (
            good.replace("4096:", "99999999999:"),
            VerifierError::Iterations,
        ),
        (good.replace("4096:", "4096"), VerifierError::Salt),
        (
            good.replace("bUCX4mTNlV1cAIu9xRHxUQ==", ""),
            VerifierError::Salt,
        ),
        (good.replace("bUCX", "b!CX"), VerifierError::Salt),
        (
            good.replace("bUCX", &"bUCX".repeat(40)),
            VerifierError::Salt,
        ),
        (good.replace("$DQIR", "DQIR"), VerifierError::Key),
        (good.replace("$DQIR", "$"), VerifierError::Key),
        (good.replace("pvw=", "pvw"), VerifierError::Key),
        (good.replace("pvw=", "pvw= "), VerifierError::Key),
        (format!("{good}:x"), VerifierError::Key),
    ];
    assert!(good.parse::<Verifier>().is_ok());
    for (text, error) in bad {
        assert_eq!(text.parse::<Verifier>().err(), Some(error), "{text}");
    }
}

#[test]
fn debug_prints_no_key() {
    let keys = keys();
    for text in [format!("{keys:?}"), format!("{:?}", keys.verifier())] {
        assert!(text.ends_with("{ iterations: 4096, .. }"), "{text}");
    }
}

#[test]
fn keys_survive_their_text() {
    let keys = keys();
    let again = Keys::from_text(&keys.to_text()).unwrap();
    assert_eq!(again.client_key, keys.client_key);
    assert!(again.fit(&keys.verifier()));
    assert!(Keys::from_text(&keys.verifier().to_string()).is_err());
}

#[test]
fn a_mock_is_stable_for_a_name_and_differs_between_names_and_secrets() {
    let mock = mock_verifier(b"secret", "nobody");
    assert!(mock == mock_verifier(b"secret", "nobody"));
    assert_ne!(mock.salt, mock_verifier(b"secret", "somebody").salt);
    assert_ne!(mock.salt, mock_verifier(b"other", "nobody").salt);
    // In the shape of a real one.
    assert_eq!((mock.iterations, mock.salt.len()), (4096, 16));
    assert!(mock.to_string().parse::<Verifier>().is_ok());
}

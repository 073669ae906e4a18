use postgres_protocol::authentication::sasl::ChannelBinding;

use super::*;
use crate::error::SqlState;

#[test]
fn an_independent_client_logs_in_and_gives_its_key() {
    for (mechanism, offered, binding) in [
        (MECHANISM, None, ChannelBinding::unsupported()),
        (MECHANISM, None, ChannelBinding::unrequested()),
        (MECHANISM, Some(END_POINT), ChannelBinding::unsupported()),
        (
            MECHANISM_PLUS,
            Some(END_POINT),
            ChannelBinding::tls_server_end_point(END_POINT.to_vec()),
        ),
    ] {
        let proved = run(server(offered), mechanism, PASSWORD, binding).unwrap();
        assert_eq!(*proved.client_key, keys().client_key);
        assert_eq!(proved.channel_bound, mechanism == MECHANISM_PLUS);
        let own = Keys::proved(&keys().verifier(), &proved.client_key);
        assert!(own.fit(&keys().verifier()));
    }
}

#[test]
fn a_wrong_password_is_28p01() {
    let wrong = error(run(
        server(None),
        MECHANISM,
        "pencil2",
        ChannelBinding::unsupported(),
    ));
    assert_eq!(wrong, ScramError::WrongProof);
    assert_eq!(wrong.client_state(), SqlState::PASSWORD);
}

/// Even the right password of a mock fails, at the point where a wrong password fails.
#[test]
fn a_mock_fails_where_a_wrong_password_fails() {
    let verifier = keys().verifier();
    let mock = ServerExchange::new(verifier, false, None, true, [7; NONCE_BYTES]);
    let refused = error(run(
        mock,
        MECHANISM,
        PASSWORD,
        ChannelBinding::unsupported(),
    ));
    assert_eq!(refused, ScramError::WrongProof);

    let mock = mock_verifier(b"secret", "nobody");
    let mock = ServerExchange::new(mock, false, None, true, [7; NONCE_BYTES]);
    let refused = error(run(
        mock,
        MECHANISM,
        PASSWORD,
        ChannelBinding::unsupported(),
    ));
    assert_eq!(refused, ScramError::WrongProof);
}

/// The first message ends the exchange, and the client learns no more than 28000.
fn refuses(mechanism: &str, offered: Option<&[u8]>, first: &[u8], expected: ScramError) {
    let refused = error(server(offered).first(mechanism, first));
    assert_eq!(refused, expected, "{mechanism} {}", first.escape_ascii());
    assert_eq!(refused.client_state(), SqlState::IDENTITY);
}

fn passes(mechanism: &str, offered: Option<&[u8]>, first: &[u8]) {
    let (_, answer) = server(offered).first(mechanism, first).unwrap();
    let salt = "MDEyMzQ1Njc4OWFiY2RlZg==";
    let expected = format!("r=abcBwcHBwcHBwcHBwcHBwcHBwcH,s={salt},i=4096");
    assert_eq!(String::from_utf8(answer).unwrap(), expected);
}

#[test]
fn the_flag_must_fit_what_was_offered_and_chosen() {
    const BOUND: &[u8] = b"p=tls-server-end-point,,n=,r=abc";
    let plus = Some(END_POINT);
    refuses(
        MECHANISM_PLUS,
        plus,
        b"n,,n=,r=abc",
        ScramError::BindingMissing,
    );
    refuses(
        MECHANISM_PLUS,
        plus,
        b"y,,n=,r=abc",
        ScramError::BindingMissing,
    );
    refuses(MECHANISM, plus, b"y,,n=,r=abc", ScramError::Downgrade);
    refuses(MECHANISM, plus, BOUND, ScramError::BindingUnexpected);
    refuses(MECHANISM, None, BOUND, ScramError::BindingUnexpected);
    refuses(MECHANISM_PLUS, None, BOUND, ScramError::Mechanism);
    refuses(
        MECHANISM_PLUS,
        plus,
        b"p=tls-unique,,n=,r=abc",
        ScramError::BindingType,
    );
    refuses(
        MECHANISM_PLUS,
        plus,
        b"p=,,n=,r=abc",
        ScramError::BindingType,
    );
    for other in ["SCRAM-SHA-1", "scram-sha-256", ""] {
        refuses(other, plus, b"n,,n=,r=abc", ScramError::Mechanism);
    }
    passes(MECHANISM, None, b"n,,n=,r=abc");
    passes(MECHANISM, None, b"y,,n=,r=abc");
    passes(MECHANISM, plus, b"n,,n=,r=abc");
    passes(MECHANISM_PLUS, plus, BOUND);
}

#[test]
fn first_messages_out_of_the_grammar() {
    let cases: [(&[u8], &str); 18] = [
        (b"p,,n=,r=abc", "channel binding flag"),
        (b"x,,n=,r=abc", "channel binding flag"),
        (b",,n=,r=abc", "channel binding flag"),
        (b"nn,,n=,r=abc", "channel binding flag"),
        (b"n,n=,r=abc", "GS2 header"),
        (b"n", "GS2 header"),
        (b"", "GS2 header"),
        (b"n,,", "attribute expected"),
        (b"n,,r=abc,n=", "user name expected"),
        (b"n,,n=", "nonce expected"),
        (b"n,,n=,r=", "nonce"),
        (b"n,,n=,r=a b", "nonce"),
        (b"n,,n=,r=\xc3\xa9", "nonce"),
        (b"n,,n=,r=abc,r=abc", "attribute out of place"),
        (b"n,,n=,r=abc,", "attribute expected"),
        (b"n,,n=,r=abc,=x", "attribute expected"),
        (b"n,,n=a\0b,r=abc", "control character"),
        (b"n,,n=\xff,r=abc", "not UTF-8"),
    ];
    for (first, part) in cases {
        refuses(MECHANISM, None, first, ScramError::Malformed(part));
    }
    passes(MECHANISM, None, b"n,,n=user,r=abc");
    passes(MECHANISM, None, b"n,,n=,r=abc,x=optional");
}

#[test]
fn first_messages_that_ask_too_much() {
    for first in ["n,,m=x,n=,r=abc", "n,,n=,m=x,r=abc", "n,,n=,r=abc,m=x"] {
        refuses(
            MECHANISM,
            None,
            first.as_bytes(),
            ScramError::MandatoryExtension,
        );
    }
    let identity = b"n,a=root,n=,r=abc";
    refuses(MECHANISM, None, identity, ScramError::AuthorizationIdentity);
    let long = [b"n,,n=,r=".as_slice(), &[b'x'; MAX_MESSAGE]].concat();
    refuses(
        MECHANISM,
        None,
        &long,
        ScramError::TooLong { len: long.len() },
    );
    assert!(server(None).first(MECHANISM, &long[..MAX_MESSAGE]).is_ok());
}

#[test]
fn last_messages_bent_in_one_place() {
    let honest = Final::default();
    let bound = [b"p=tls-server-end-point,,".as_slice(), END_POINT].concat();
    let cases = [
        (
            Final {
                binding: b"y,,",
                ..honest
            },
            ScramError::BindingMismatch,
        ),
        (
            Final {
                binding: b"",
                ..Final::default()
            },
            ScramError::BindingMismatch,
        ),
        (
            Final {
                binding: &bound,
                ..Final::default()
            },
            ScramError::BindingMismatch,
        ),
        (
            Final {
                nonce: Some("abc"),
                ..Final::default()
            },
            ScramError::Nonce,
        ),
        (
            Final {
                nonce: Some(""),
                ..Final::default()
            },
            ScramError::Nonce,
        ),
        (
            Final {
                extension: ",m=x",
                ..Final::default()
            },
            ScramError::MandatoryExtension,
        ),
        (
            Final {
                extension: ",p=x",
                ..Final::default()
            },
            ScramError::Malformed("attribute out of place"),
        ),
        (
            Final {
                bare: "n=,r=abd",
                ..Final::default()
            },
            ScramError::WrongProof,
        ),
    ];
    for (bent, expected) in cases {
        let (waiting, first) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
        assert_eq!(
            error(waiting.finish(&bent.answer(&first, &keys()))),
            expected
        );
    }
    for extension in ["", ",x=optional"] {
        let (waiting, first) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
        let last = Final {
            extension,
            ..Final::default()
        }
        .answer(&first, &keys());
        assert!(waiting.finish(&last).is_ok());
    }
}

/// Every byte of an honest last message counts; whatever is changed, the exchange fails.
#[test]
fn no_byte_of_the_last_message_can_be_changed() {
    let (_, first) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
    let honest = Final::default().answer(&first, &keys());
    for place in 0..honest.len() {
        for flip in [0x01, 0x20, 0x80] {
            let mut bent = honest.clone();
            bent[place] ^= flip;
            let (waiting, _) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
            assert!(waiting.finish(&bent).is_err(), "{}", bent.escape_ascii());
        }
        let (waiting, _) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
        assert!(waiting.finish(&honest[..place]).is_err());
    }
}

#[test]
fn an_old_proof_does_not_fit_a_new_nonce() {
    let (_, first) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
    let old = Final::default().answer(&first, &keys());
    let fresh = ServerExchange::new(keys().verifier(), true, None, true, [8; NONCE_BYTES]);
    let (waiting, _) = fresh.first(MECHANISM, b"n,,n=,r=abc").unwrap();
    assert_eq!(error(waiting.finish(&old)), ScramError::Nonce);
}

#[test]
fn long_last_messages_are_not_read() {
    let (waiting, _) = server(None).first(MECHANISM, b"n,,n=,r=abc").unwrap();
    let refused = error(waiting.finish(&vec![b'x'; 1 << 20]));
    assert_eq!(refused, ScramError::TooLong { len: 1 << 20 });
}

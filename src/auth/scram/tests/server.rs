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

#[test]
fn first_messages_that_are_refused() {
    let plus = Some(END_POINT);
    let long = [b"n,,n=,r=".as_slice(), &[b'x'; MAX_MESSAGE]].concat();
    let malformed = ScramError::Malformed;
    let cases: Vec<(&str, Option<&[u8]>, &[u8], ScramError)> = vec![
        (
            MECHANISM_PLUS,
            plus,
            b"n,,n=,r=abc",
            ScramError::BindingMissing,
        ),
        (
            MECHANISM_PLUS,
            plus,
            b"y,,n=,r=abc",
            ScramError::BindingMissing,
        ),
        (MECHANISM, plus, b"y,,n=,r=abc", ScramError::Downgrade),
        (
            MECHANISM,
            plus,
            b"p=tls-server-end-point,,n=,r=abc",
            ScramError::BindingUnexpected,
        ),
        (
            MECHANISM,
            None,
            b"p=tls-server-end-point,,n=,r=abc",
            ScramError::BindingUnexpected,
        ),
        (
            MECHANISM_PLUS,
            plus,
            b"p=tls-unique,,n=,r=abc",
            ScramError::BindingType,
        ),
        (
            MECHANISM_PLUS,
            plus,
            b"p=,,n=,r=abc",
            ScramError::BindingType,
        ),
        (
            MECHANISM_PLUS,
            plus,
            b"p,,n=,r=abc",
            malformed("channel binding flag"),
        ),
        (
            MECHANISM,
            None,
            b"x,,n=,r=abc",
            malformed("channel binding flag"),
        ),
        (
            MECHANISM,
            None,
            b",,n=,r=abc",
            malformed("channel binding flag"),
        ),
        (
            MECHANISM,
            None,
            b"nn,,n=,r=abc",
            malformed("channel binding flag"),
        ),
        (
            MECHANISM,
            None,
            b"n,a=root,n=,r=abc",
            ScramError::AuthorizationIdentity,
        ),
        (MECHANISM, None, b"n,n=,r=abc", malformed("GS2 header")),
        (MECHANISM, None, b"n", malformed("GS2 header")),
        (MECHANISM, None, b"", malformed("GS2 header")),
        (
            MECHANISM,
            None,
            b"n,,m=x,n=,r=abc",
            ScramError::MandatoryExtension,
        ),
        (
            MECHANISM,
            None,
            b"n,,n=,m=x,r=abc",
            ScramError::MandatoryExtension,
        ),
        (
            MECHANISM,
            None,
            b"n,,n=,r=abc,m=x",
            ScramError::MandatoryExtension,
        ),
        (
            MECHANISM,
            None,
            b"n,,r=abc,n=",
            malformed("user name expected"),
        ),
        (MECHANISM, None, b"n,,n=", malformed("nonce expected")),
        (MECHANISM, None, b"n,,n=,r=", malformed("nonce")),
        (MECHANISM, None, b"n,,n=,r=a b", malformed("nonce")),
        (
            MECHANISM,
            None,
            b"n,,n=,r=abc,r=abc",
            malformed("attribute out of place"),
        ),
        (
            MECHANISM,
            None,
            b"n,,n=,r=abc,",
            malformed("attribute expected"),
        ),
        (
            MECHANISM,
            None,
            b"n,,n=,r=abc,=x",
            malformed("attribute expected"),
        ),
        (
            MECHANISM,
            None,
            b"n,,n=a\0b,r=abc",
            malformed("control character"),
        ),
        (MECHANISM, None, b"n,,n=\xff,r=abc", malformed("not UTF-8")),
        (
            MECHANISM,
            None,
            &long,
            ScramError::TooLong {
                len: MAX_MESSAGE + 8,
            },
        ),
        ("SCRAM-SHA-1", None, b"n,,n=,r=abc", ScramError::Mechanism),
        ("scram-sha-256", None, b"n,,n=,r=abc", ScramError::Mechanism),
        ("", None, b"n,,n=,r=abc", ScramError::Mechanism),
    ];
    for (mechanism, offered, first, expected) in cases {
        let refused = error(server(offered).first(mechanism, first));
        assert_eq!(refused, expected, "{}", first.escape_ascii());
        assert_eq!(refused.client_state(), SqlState::IDENTITY);
    }
}

#[test]
fn first_messages_that_pass() {
    let cases: [(&str, Option<&[u8]>, &[u8]); 6] = [
        (MECHANISM, None, b"n,,n=,r=abc"),
        (MECHANISM, None, b"y,,n=,r=abc"),
        (MECHANISM, Some(END_POINT), b"n,,n=,r=abc"),
        (MECHANISM, None, b"n,,n=user,r=abc"),
        (MECHANISM, None, b"n,,n=,r=abc,x=optional"),
        (
            MECHANISM_PLUS,
            Some(END_POINT),
            b"p=tls-server-end-point,,n=,r=abc",
        ),
    ];
    for (mechanism, offered, first) in cases {
        let (_, answer) = server(offered).first(mechanism, first).unwrap();
        let salt = "MDEyMzQ1Njc4OWFiY2RlZg==";
        let expected = format!("r=abcBwcHBwcHBwcHBwcHBwcHBwcH,s={salt},i=4096");
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
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

//! Somebody in the middle, who has a certificate of his own or takes -PLUS away.

use postgres_protocol::authentication::sasl::ChannelBinding;

use super::*;
use crate::error::SqlState;

/// Somebody in the middle, with a certificate of his own, passes the messages on.
#[test]
fn another_certificate_in_the_middle_is_found() {
    let seen = ChannelBinding::tls_server_end_point(vec![0xCD; 32]);
    let refused = error(run(server(Some(END_POINT)), MECHANISM_PLUS, PASSWORD, seen));
    assert_eq!(refused, ScramError::BindingMismatch);
    assert_eq!(refused.client_state(), SqlState::IDENTITY);
}

/// Somebody in the middle removes -PLUS from the list: the client says `y`.
#[test]
fn a_removed_plus_is_found() {
    let refused = error(run(
        server(Some(END_POINT)),
        MECHANISM,
        PASSWORD,
        ChannelBinding::unrequested(),
    ));
    assert_eq!(refused, ScramError::Downgrade);

    // And if he writes `n` for the client's `y`, the header that the client proves is still `y`.
    let (waiting, first) = server(Some(END_POINT))
        .first(MECHANISM, b"n,,n=,r=abc")
        .unwrap();
    let last = Final {
        binding: b"y,,",
        ..Final::default()
    }
    .answer(&first, &keys());
    assert_eq!(error(waiting.finish(&last)), ScramError::BindingMismatch);
}

#[test]
fn there_is_no_plus_outside_tls_or_without_an_end_point() {
    let plain = ServerExchange::new(
        keys().verifier(),
        true,
        Some(END_POINT.to_vec()),
        false,
        [7; NONCE_BYTES],
    );
    for server in [plain, server(None)] {
        assert_eq!(server.mechanisms(), [MECHANISM]);
        let first = b"p=tls-server-end-point,,n=,r=abc";
        assert_eq!(
            error(server.first(MECHANISM_PLUS, first)),
            ScramError::Mechanism
        );
    }
}

#[test]
fn plus_is_offered_first_where_there_is_a_channel() {
    let offered = server(Some(END_POINT)).mechanisms();
    assert_eq!(offered, [MECHANISM_PLUS, MECHANISM]);
}

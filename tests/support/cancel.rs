//! Cancel requests from elsewhere.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::message::{self, column, failed};
use super::wire::{PATIENCE, Wire};

/// Sends one to 127.0.0.1 from another address of this machine, and waits until it is dealt with.
pub fn cancel_from(address: [u8; 4], port: u16, key: &[u8]) {
    let kind = socket2::Type::STREAM;
    let socket = socket2::Socket::new(socket2::Domain::IPV4, kind, None).expect("a socket");
    let socket_address = |address, port| SocketAddr::from((address, port)).into();
    socket.bind(&socket_address(address, 0)).expect("bind");
    let proxy = socket_address([127, 0, 0, 1], port);
    socket.connect(&proxy).expect("connect");
    let mut stream = TcpStream::from(socket);
    stream.write_all(&message::cancel(key)).expect("send");
    stream.set_read_timeout(Some(PATIENCE)).expect("a deadline");
    // Closed, be it with a reset.
    let _ = stream.read(&mut [0]);
}

/// That what runs was cancelled, and that the connection can be used.
///
/// PostgreSQL signals the process and then its group: where the answer to the first signal is quicker, the second
/// finds the next statement.
#[track_caller]
pub fn is_cancelled(wire: &mut Wire) {
    assert_eq!(failed(&wire.receive_until(b'Z')), ("57014".into(), 'I'));
    let mut answer = wire.query("SELECT 'usable'");
    if message::error(&answer).is_some() {
        assert_eq!(failed(&answer), ("57014".into(), 'I'));
        answer = wire.query("SELECT 'usable'");
    }
    assert_eq!(column(&answer), ["usable"]);
}

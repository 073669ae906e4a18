//! One thread accepts and hands each socket, before TLS, to the least loaded worker.
//! (SO_REUSEPORT hashes addresses: twenty long-lived connections end up unevenly for life.)

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};

use super::worker::WorkerHandle;

/// Connections waiting to be accepted.
const BACKLOG: i32 = 4096;
/// After a failed accept (no descriptors left).
const PAUSE: Duration = Duration::from_millis(50);

/// Whoever vanished without a word while nothing was on its way is noticed after two minutes: what a client held
/// is free again, and the next statement gets another server connection. (No TCP_USER_TIMEOUT: it would end the
/// connection of a client that reads nothing for as long, too.)
pub(super) fn keepalive() -> TcpKeepalive {
    TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(10))
        .with_retries(6)
}

/// Opens the listening socket.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Accepts until `stop` is set and one more connection has arrived.
pub fn run(listener: &TcpListener, workers: &[WorkerHandle], stop: &Arc<AtomicBool>) {
    loop {
        let accepted = listener.accept();
        if stop.load(Ordering::Acquire) {
            return;
        }
        match accepted.and_then(|(socket, _)| prepare(socket)) {
            Ok(socket) => {
                if let Some(worker) = workers.iter().min_by_key(|worker| worker.load()) {
                    worker.serve(socket);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                crate::limited!(warn, %error, "a connection could not be accepted");
                std::thread::sleep(PAUSE);
            }
        }
    }
}

fn prepare(socket: std::net::TcpStream) -> io::Result<std::net::TcpStream> {
    socket.set_nonblocking(true)?;
    socket.set_nodelay(true)?;
    let socket = Socket::from(socket);
    socket.set_tcp_keepalive(&keepalive())?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_vanished_is_noticed_after_two_minutes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let socket = Socket::from(prepare(socket).unwrap());
        let time = socket.tcp_keepalive_time().unwrap();
        let probes =
            socket.tcp_keepalive_interval().unwrap() * socket.tcp_keepalive_retries().unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(time + probes, Duration::from_secs(120));
    }
}

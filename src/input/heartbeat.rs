//! Step 1, input: answers the datagrams by which Fluentd's older senders ask whether a forward
//! listener lives. Must not know what is sent over TCP.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::UdpSocket;

/// The whole of an answer.
const ALIVE: &[u8] = &[0];
/// How long answering rests after the system refused it.
const REST: Duration = Duration::from_millis(100);

/// Listens for datagrams where frames are listened for.
///
/// # Errors
///
/// The operating system's error; frames can be read all the same.
pub(super) async fn bind(beside: SocketAddr) -> io::Result<UdpSocket> {
    UdpSocket::bind(beside).await
}

/// Answers until it is dropped.
pub(super) async fn answer(socket: UdpSocket) {
    let own_port = socket.local_addr().map_or(0, |address| address.port());
    loop {
        // What is in it does not matter, and more than this is cut off.
        match socket.recv_from(&mut [0; 1]).await {
            // Two listeners must not answer each other for ever.
            Ok((_, from)) if from.port() == own_port => {}
            Ok((_, from)) => {
                // Whoever does not hear it asks again.
                let _ = socket.try_send_to(ALIVE, from);
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

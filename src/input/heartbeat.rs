//! Step 1, input: answers the datagrams by which Fluentd's older senders ask whether a forward
//! listener lives. Must not know what is sent over TCP.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;

use crate::clock;

/// The whole of an answer.
const ALIVE: &[u8] = &[0];
/// How long answering rests after the system refused it.
const REST: Duration = Duration::from_millis(100);
/// Most answers of a second: senders ask once in one, and whoever forges their addresses gets no more
/// out of us than this.
const ANSWERS_MAX: u32 = 1_000;
/// The time they are counted over.
const SECOND: Duration = Duration::from_secs(1);

/// Answers in the running second.
#[derive(Debug)]
struct Allowance {
    since: Instant,
    answers: u32,
}

impl Allowance {
    /// Whether one more may be given now, which is counted.
    fn allows(&mut self, now: Instant) -> bool {
        if now.saturating_duration_since(self.since) >= SECOND {
            *self = Self { since: now, answers: 0 };
        }
        let is_allowed = self.answers < ANSWERS_MAX;
        self.answers += u32::from(is_allowed);
        is_allowed
    }
}

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
    let mut allowance = Allowance { since: clock::now(), answers: 0 };
    loop {
        // What is in it does not matter, and more than this is cut off.
        match socket.recv_from(&mut [0; 1]).await {
            // Two listeners must not answer each other for ever.
            Ok((_, from)) if from.port() == own_port => {}
            Ok(_) if !allowance.allows(clock::now()) => {}
            Ok((_, from)) => {
                // Whoever does not hear it asks again.
                let _ = socket.try_send_to(ALIVE, from);
            }
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_bounded_number_of_answers() {
        let start = clock::now();
        let mut allowance = Allowance { since: start, answers: 0 };
        let mut given = |after: Duration| {
            let asked = 0..=ANSWERS_MAX;
            asked.filter(|_| allowance.allows(start + after)).count()
        };
        assert_eq!(given(Duration::ZERO), 1_000);
        assert_eq!(given(SECOND - Duration::from_nanos(1)), 0);
        assert_eq!(given(SECOND), 1_000);
    }
}

//! Step 1, input: the secure-forward handshake of a connection, before its first frame.
//!
//! Must not know how keys and users are checked; that is [`crate::handshake`]'s.

use std::sync::Arc;

use tokio::time::timeout_at;

use super::connection::Connection;
use super::end::End;
use crate::clock;
use crate::handshake::server::{Answer, PING_BYTES_MAX, Server, Settings};
use crate::tls;

impl Connection {
    /// Says HELO at once and answers PING. What came behind it is left in the buffer.
    pub(super) async fn greet(&mut self, settings: Arc<Settings>) -> Result<(), End> {
        let mut server = Server::new(settings, random()?, random()?);
        self.socket.write_all(&server.helo()).await?;
        loop {
            match server.read(&self.buffer) {
                Answer::More => self.hear().await?,
                Answer::Welcome { taken, pong } => {
                    self.socket.write_all(&pong).await?;
                    drop(self.buffer.split_to(taken));
                    return Ok(());
                }
                Answer::Refused { refusal, pong } => {
                    self.socket.write_all(&pong).await?;
                    return Err(End::Handshake(refusal));
                }
            }
        }
    }

    /// Reads more of a PING, never more than one can be long.
    async fn hear(&mut self) -> Result<(), End> {
        match self.greeted_by {
            Some(end) => {
                let ready = timeout_at(end, self.ready()).await;
                ready.unwrap_or(Err(End::Late { is_warning: self.warns_of_timeout }))?
            }
            None => self.ready().await?,
        };
        let bytes_max = PING_BYTES_MAX.saturating_sub(self.buffer.len());
        let mut ending = self.intake.ending();
        let mut room = tokio::select! {
            biased;
            room = self.intake.take(bytes_max) => room,
            () = ending.ended() => return Err(End::Stopped),
        };
        self.buffer.reserve(bytes_max);
        match self.socket.try_read(&mut self.buffer, bytes_max) {
            Ok(0) => Err(End::Closed),
            Ok(read) => {
                room.shrink_to(read);
                self.share.join(room);
                self.intake.activity.read(clock::now());
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(End::Failed(error)),
        }
    }
}

fn random<const BYTES: usize>() -> Result<[u8; BYTES], End> {
    tls::random().map_err(|error| End::Failed(std::io::Error::other(error)))
}

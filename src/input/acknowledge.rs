//! Step 1, input: the acks of a connection, written when they are due.
//!
//! Must not know what makes them due; that is [`Owed`](super::owed::Owed)'s.

use std::sync::Arc;

use tokio::time::{Instant, timeout};

use super::connection::Connection;
use super::end::{ACK_WAIT, End};

impl Connection {
    /// Writes the acks that are due, each in one piece. A peer that does not read them is waited for
    /// only so long.
    pub(super) async fn acknowledge(&mut self) -> Result<(), End> {
        let mut ending = self.intake.ending();
        let acknowledged = tokio::select! {
            biased;
            acknowledged = self.write_due() => acknowledged,
            () = ending.ended() => {
                // One may be written in part.
                self.owed.clear();
                Err(End::Stopped)
            }
        };
        if self.io_timeout.is_some() {
            // The peer may have waited for us meanwhile.
            self.heard = Instant::now();
        }
        acknowledged
    }

    async fn write_due(&mut self) -> Result<(), End> {
        while let Some(ack) = self.owed.pop_due() {
            match timeout(ACK_WAIT, self.socket.write_all(&ack)).await {
                Ok(written) => written?,
                Err(_) => return Err(End::Deaf),
            }
        }
        Ok(())
    }

    /// A peer that is not read any more, and may listen, still hears what becomes due: until all is
    /// over, or for a while where it was the first to close.
    pub(super) async fn settle(&mut self, end: &End) {
        let patience = match end {
            End::Stopped => None,
            End::Closed => Some(ACK_WAIT),
            End::Failed(_)
            | End::Forward(_)
            | End::Tcp(_)
            | End::Silent { .. }
            | End::Handshake(_)
            | End::Late { .. }
            | End::Deaf
            | End::Idle => return,
        };
        let (activity, mut ending) = (Arc::clone(&self.intake.activity), self.intake.ending());
        let _owes = activity.owes();
        let over = async {
            match patience {
                Some(patience) => tokio::time::sleep(patience).await,
                None => ending.over().await,
            }
        };
        tokio::pin!(over);
        let mut is_over = false;
        while !is_over && !self.owed.is_empty() {
            tokio::select! {
                biased;
                () = self.owed.due() => {}
                () = &mut over => is_over = true,
            }
            if self.write_due().await.is_err() {
                return;
            }
        }
    }
}

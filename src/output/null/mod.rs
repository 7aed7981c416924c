//! Output `null`: takes everything and keeps nothing.

pub mod config;

use std::pin::pin;
use std::sync::Arc;

use super::deadline::{deadline, reserve};
use crate::buffer::Buffer;
use crate::lifecycle::StopReceiver;

/// Takes chunks out of the buffer until it is closed and empty, or until shortly before the deadline
/// of a stop: what waits on disk may never come.
pub async fn run(buffer: Arc<Buffer>, stop: StopReceiver) {
    let mut deadline = pin!(deadline(stop, reserve(&buffer)));
    loop {
        tokio::select! {
            biased;
            () = &mut deadline => break,
            chunk = buffer.pop() => match chunk {
                Some(chunk) => chunk.delivered(),
                None => break,
            },
        }
    }
    buffer.leave([]).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::clock;
    use crate::ledger::Account;
    use crate::lifecycle::stop_channel;

    #[tokio::test(start_paused = true)]
    async fn all_is_taken_until_the_deadline_and_the_rest_is_left() {
        let (buffer, account) = (Arc::new(Buffer::default()), Arc::new(Account::default()));
        let (stop, stopping) = stop_channel();
        let running = tokio::spawn(run(Arc::clone(&buffer), stopping));
        buffer.push(chunk(&account, "a", &[&[], &[]]));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(account.balance().delivered, 2);
        let since = clock::now();
        stop.stop(since, Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(9_900)).await;
        buffer.push(chunk(&account, "a", &[&[]]));
        buffer.close();
        running.await.expect("no panic");
        assert_eq!((account.balance().delivered, account.balance().left()), (2, 1));
    }
}

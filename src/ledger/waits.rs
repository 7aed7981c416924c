//! Who waits for memory, and since when.
//!
//! Only those are entered who find none free: it costs nothing while there is enough.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Those who wait. As many as there are readers at most.
#[derive(Debug, Default)]
pub(super) struct Waits {
    begun: Mutex<Begun>,
    /// Told when somebody begins to wait.
    news: Notify,
}

#[derive(Debug, Default)]
struct Begun {
    /// The number of the next one.
    next: u64,
    since: BTreeMap<u64, Instant>,
}

/// One who waits, until this is dropped.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    waits: &'a Waits,
    number: u64,
}

impl Waits {
    /// Somebody begins to wait.
    pub(super) fn begin(&self) -> Wait<'_> {
        let number = self.with(|begun| {
            let number = begun.next;
            begun.next = number.wrapping_add(1);
            begun.since.insert(number, Instant::now());
            number
        });
        self.news.notify_waiters();
        Wait { waits: self, number }
    }

    /// Returns once somebody has waited for so long.
    pub(super) async fn last(&self, time: Duration) {
        loop {
            // Before the look: what comes after it is told.
            let news = self.news.notified();
            match self.with(|begun| begun.since.values().next().copied()) {
                None => news.await,
                Some(since) if since.elapsed() >= time => return,
                Some(since) => sleep_until(since + time).await,
            }
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Begun) -> T) -> T {
        act(&mut self.begun.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waits.with(|begun| begun.since.remove(&self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_millis(24);

    #[tokio::test(start_paused = true)]
    async fn it_is_told_when_one_has_waited_for_the_time_and_no_sooner() {
        let waits = Waits::default();
        let began = Instant::now();
        let waiting = async {
            let _short = waits.begin();
            tokio::time::sleep(TIME / 2).await;
            let _long = waits.begin();
            drop(_short);
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = waits.last(TIME) => {}
            () = waiting => {}
        }
        assert_eq!(began.elapsed(), TIME + TIME / 2, "the first did not wait so long");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_told_of_waits_that_are_over() {
        let waits = Waits::default();
        for _ in 0..100 {
            let _short = waits.begin();
            tokio::time::sleep(TIME / 2).await;
        }
        let long = tokio::time::timeout(TIME * 100, waits.last(TIME)).await;
        assert!(long.is_err());
        assert!(waits.with(|begun| begun.since.is_empty()));
    }
}

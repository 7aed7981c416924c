//! Filter `throttle`: drops records that are more than an average allows.
//!
//! Meaning as in Fluent Bit (`plugins/filter_throttle`): records are counted in panes of one interval;
//! while the panes of the window hold rate times window records, further ones are dropped. So after a
//! pause a burst of that many may pass. Fluent Bit has a thread that opens panes; here they follow
//! from `now`.

pub mod config;

use std::time::{Duration, Instant};

use crate::chunk::Chunk;

use config::Config;

/// The filter, ready to run.
#[derive(Debug)]
pub struct Throttle {
    config: Config,
    /// Records that passed, an interval each. The window is a ring.
    panes: Vec<u64>,
    /// The pane that is open.
    open: usize,
    /// When it was opened.
    opened: Instant,
    /// Sum of the panes.
    total: u64,
}

impl Throttle {
    /// A filter whose first interval begins now.
    #[must_use]
    pub fn new(config: Config, now: Instant) -> Self {
        Self { panes: vec![0; config.window], open: 0, opened: now, total: 0, config }
    }

    /// Drops what is too much.
    #[must_use]
    pub fn apply(&mut self, chunk: Chunk, now: Instant) -> Option<Chunk> {
        self.open_panes(now);
        chunk.retain(|_| self.admits())
    }

    /// When the next interval begins, if somebody wants to know of it.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.config.print_status.then(|| self.opened.checked_add(self.config.interval)).flatten()
    }

    /// Logs limit and rate where a new interval has begun.
    pub fn tell(&mut self, now: Instant) {
        if self.open_panes(now) > 0 && self.config.print_status {
            let Config { rate, window, interval, .. } = self.config;
            let passed = self.total / u64::try_from(window).unwrap_or(u64::MAX).max(1);
            tracing::info!(
                "throttle: limit is {rate:.2} per {} s with a window of {window} intervals, \
                 current rate is {passed} per interval",
                interval.as_secs()
            );
        }
    }

    fn admits(&mut self) -> bool {
        if self.average() >= self.config.rate {
            return false;
        }
        if let Some(pane) = self.panes.get_mut(self.open) {
            *pane += 1;
            self.total += 1;
        }
        true
    }

    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    fn average(&self) -> f64 {
        self.total as f64 / self.panes.len() as f64
    }

    /// Opens a pane for each interval that has begun since, in place of the oldest. Returns how many.
    fn open_panes(&mut self, now: Instant) -> u128 {
        let interval = self.config.interval.as_nanos().max(1);
        let elapsed = now.saturating_duration_since(self.opened).as_nanos();
        let (begun, into) = (elapsed / interval, elapsed % interval);
        if begun == 0 {
            return 0;
        }
        // Of more intervals than the window has panes, all are empty after one round.
        for _ in 0..begun.min(self.panes.len() as u128) {
            self.open = (self.open + 1) % self.panes.len();
            if let Some(pane) = self.panes.get_mut(self.open) {
                self.total -= std::mem::take(pane);
            }
        }
        let into = Duration::from_nanos(u64::try_from(into).unwrap_or(u64::MAX));
        self.opened = now.checked_sub(into).unwrap_or(now);
        begun
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::{Account, Reason};

    const CONFIG: Config =
        Config { rate: 2.0, window: 3, interval: Duration::from_secs(1), print_status: false };

    fn start() -> Instant {
        crate::clock::now()
    }

    /// How many of `records` pass at a time, in milliseconds from the start.
    fn passed(filter: &mut Throttle, start: Instant, at_ms: u64, records: usize) -> u64 {
        let account = Arc::new(Account::default());
        let chunk = chunk(&account, "t", &vec![&[][..]; records]);
        let kept = filter.apply(chunk, start + Duration::from_millis(at_ms));
        let kept_records = kept.as_ref().map_or(0, Chunk::records);
        kept.into_iter().for_each(Chunk::delivered);
        let balance = account.balance();
        assert_eq!(balance.dropped_for(Reason::Filtered) + kept_records, records as u64);
        assert_eq!(balance.held, 0);
        kept_records
    }

    #[test]
    fn as_many_as_rate_times_window_pass_at_once_and_no_more() {
        let now = start();
        let mut filter = Throttle::new(CONFIG, now);
        assert_eq!(passed(&mut filter, now, 0, 10), 6);
        assert_eq!(passed(&mut filter, now, 999, 1), 0);
    }

    #[test]
    fn what_passed_an_interval_counts_until_the_window_has_moved_over_it() {
        let now = start();
        let mut filter = Throttle::new(CONFIG, now);
        assert_eq!(passed(&mut filter, now, 500, 4), 4);
        assert_eq!(passed(&mut filter, now, 1_000, 4), 2);
        assert_eq!(passed(&mut filter, now, 2_999, 4), 0, "the first pane still counts");
        assert_eq!(passed(&mut filter, now, 3_000, 9), 4);
        assert_eq!(passed(&mut filter, now, 4_000, 9), 2);
    }

    #[test]
    fn after_a_long_pause_the_window_is_empty() {
        let now = start();
        let mut filter = Throttle::new(CONFIG, now);
        assert_eq!(passed(&mut filter, now, 0, 9), 6);
        assert_eq!(passed(&mut filter, now, 86_400_000, 9), 6);
    }

    #[test]
    fn only_a_filter_that_prints_its_status_asks_to_be_woken() {
        let now = start();
        assert_eq!(Throttle::new(CONFIG, now).wakes_at(), None);
        let mut filter = Throttle::new(Config { print_status: true, ..CONFIG }, now);
        assert_eq!(filter.wakes_at(), Some(now + CONFIG.interval));
        let later = now + Duration::from_millis(2_500);
        filter.tell(later);
        assert_eq!(filter.wakes_at(), Some(now + 3 * CONFIG.interval));
    }

    proptest! {
        /// Against the definition: a record passes where those that passed in its window's
        /// intervals are fewer than rate times window.
        #[test]
        fn a_record_passes_unless_its_window_is_full(
            steps in prop::collection::vec((0..2_500_u64, 0..9_usize), 0..40),
            window in 2..5_usize,
        ) {
            let now = start();
            let mut filter = Throttle::new(Config { window, ..CONFIG }, now);
            let (mut at_ms, mut seen) = (0, Vec::<(u64, u64)>::new());
            for (pause_ms, records) in steps {
                at_ms += pause_ms;
                let interval = at_ms / 1_000;
                let in_window = seen.iter().filter(|(at, _)| at + window as u64 > interval);
                let before: u64 = in_window.map(|(_, records)| records).sum();
                let expected = (2 * window as u64).saturating_sub(before).min(records as u64);
                let passed = passed(&mut filter, now, at_ms, records);
                prop_assert_eq!(passed, expected);
                seen.push((interval, passed));
            }
        }
    }
}

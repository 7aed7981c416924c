//! Wiring: what is waited for when all that is behind the ring has ended.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::timeout_at;

use crate::buffer::Buffer;
use crate::clock;
use crate::console;
use crate::input::tail::offsets;
use crate::lifecycle::Stop;

/// How long lines that filters have printed are waited for at the end.
const PRINT_WAIT: Duration = Duration::from_millis(500);
/// How long all disks together are waited for at the end: outputs keep a part of the time to stop for
/// them.
const DISK_WAIT: Duration = Duration::from_secs(2);
/// How long the last offsets of files are waited for at the end: some are told only when the disks have
/// what is left.
const STORE_WAIT: Duration = DISK_WAIT.saturating_add(Duration::from_secs(1));
/// Waited in any case, also where the time to stop was up before: what answers does so by then.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// Kept of the time to stop, so that the account is told before the process is killed.
const STOP_RESERVE: Duration = Duration::from_millis(200);

/// What may still be at work: all of it at once, so that one that hangs costs the others no time.
#[derive(Debug)]
pub(super) struct Ending {
    /// What outputs have left is to be on disk.
    pub(super) buffers: Vec<Arc<Buffer>>,
    /// Those who print have ended: what they printed is nearly always written by now.
    pub(super) printed: Option<console::Ended>,
    /// What outputs have done is stored at the latest when the last chunk has gone.
    pub(super) stored: Vec<offsets::Ended>,
}

impl Ending {
    /// Waits, but not longer than the time to stop lasts.
    pub(super) async fn wait(self, stop: Option<Stop>) {
        let until = |wait| until(stop, clock::now(), wait).into();
        let mut ends: JoinSet<()> = JoinSet::new();
        for buffer in self.buffers {
            ends.spawn(async move { buffer.end().await });
        }
        let disks = async { while ends.join_next().await.is_some() {} };
        let printed = async {
            if let Some(printed) = self.printed {
                printed.wait().await;
            }
        };
        let stored = async {
            for stored in self.stored {
                stored.wait().await;
            }
        };
        let (disks, _printed, _stored) = tokio::join!(
            timeout_at(until(DISK_WAIT), disks),
            timeout_at(until(PRINT_WAIT), printed),
            timeout_at(until(STORE_WAIT), stored),
        );
        if disks.is_err() {
            tracing::error!("the disk does not answer: what was to be written is left");
        }
    }
}

/// The end of a wait that begins `now`: before the deadline of the stop.
fn until(stop: Option<Stop>, now: Instant, wait: Duration) -> Instant {
    let after = |wait| now.checked_add(wait).unwrap_or(now);
    let Some(Stop { since, deadline: Some(deadline) }) = stop else { return after(wait) };
    // Of a short time outputs use a half: then this is half of the rest.
    let most = deadline.saturating_duration_since(since) / 4 * 3;
    let latest = deadline.checked_sub(STOP_RESERVE).max(since.checked_add(most));
    latest.map_or(after(wait), |latest| latest.min(after(wait))).max(after(WAIT_MIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buffer::{LaneRule, Surroundings};
    use crate::ledger::{Account, Budget};
    use crate::spill::{Disk, Log, Settings, SimulatedDisk};

    #[test]
    fn a_wait_ends_before_the_deadline_and_is_never_nothing() {
        let since = clock::now();
        let ends = |grace_ms: u64, now_ms: u64, wait_ms: u64| {
            let ms = Duration::from_millis;
            let stop = Stop { since, deadline: Some(since + ms(grace_ms)) };
            let end = until(Some(stop), since + ms(now_ms), ms(wait_ms));
            end.duration_since(since).as_millis()
        };
        assert_eq!(ends(10_000, 1_000, 2_000), 3_000, "there is time");
        assert_eq!(ends(10_000, 8_800, 2_000), 9_800);
        assert_eq!(ends(400, 200, 2_000), 300);
        assert_eq!(ends(10_000, 9_900, 2_000), 10_000);
        let endless = Stop { since, deadline: None };
        for stop in [None, Some(endless)] {
            assert_eq!(until(stop, since, DISK_WAIT), since + DISK_WAIT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn disks_that_hang_are_waited_for_at_once_and_not_beyond_the_deadline() {
        let settings = Settings { bytes_max: 1_000, segment_bytes_max: 100, syncs: false };
        let mut keepers = Vec::new();
        let buffers = (0..5).map(|_| {
            let log = Log::open(Disk::Simulated(SimulatedDisk::default()), settings);
            let around = Surroundings {
                log: log.expect("a folder"),
                left: None,
                account: Arc::new(Account::default()),
                name: "out".to_owned(),
                window_bytes: 1_000,
                counters: Arc::default(),
            };
            let (buffer, keeper) =
                Buffer::with_store(Budget::new(1_000), 500, LaneRule::One, around);
            // At work, and no answer comes.
            keepers.push(keeper);
            Arc::new(buffer)
        });
        let buffers = buffers.collect();
        let now = clock::now();
        let stop = Stop { since: now, deadline: now.checked_add(Duration::from_secs(1)) };
        Ending { buffers, printed: None, stored: Vec::new() }.wait(Some(stop)).await;
        assert_eq!(clock::now().duration_since(now), Duration::from_millis(800));
    }
}

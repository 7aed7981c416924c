//! What `dummy` makes, and when. Pure: the present is an argument.
//!
//! What was due while there was no memory or no processor is made up for, but not more than
//! [`CATCH_UP`]: whoever was stopped for an hour does not want that hour at once.

use std::time::{Duration, Instant};

use super::config::Config;
use crate::chunk::CHUNK_OVERHEAD_BYTES;
use crate::input::item::CHUNK_ENTRIES_MAX;
use crate::input::ticks::Ticks;
use crate::record::chunk::{Entries, Entry};
use crate::record::edit::EntriesWriter;
use crate::record::time::EventTime;

/// Most bytes of the records of a chunk; one record may be larger.
const CHUNK_BYTES_MAX: usize = 256 * 1_024;
/// How far back ticks that were missed are made up for.
const CATCH_UP: Duration = Duration::from_secs(1);

/// The records of one `dummy` input.
#[derive(Debug)]
pub struct Generator {
    config: Config,
    ticks: Ticks,
    begun: EventTime,
    samples_left: Option<u64>,
    /// Records that are due and not made.
    due: u64,
    /// The time of those.
    time: EventTime,
    /// The place of the next one among the records of a copy.
    at: usize,
    largest_bytes: usize,
}

impl Generator {
    /// Begins now.
    #[must_use]
    pub fn new(config: Config, now: Instant, time: EventTime) -> Self {
        let mut generator = Self {
            ticks: Ticks::every(config.period, now),
            begun: time,
            samples_left: config.samples,
            due: 0,
            time,
            at: 0,
            largest_bytes: config.records.iter().map(Vec::len).max().unwrap_or_default(),
            config,
        };
        if generator.config.is_early {
            generator.pass(1, time);
        }
        generator
    }

    /// When [`Self::tick`] is to be called; `None`: never again.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        (self.samples_left != Some(0)).then(|| self.ticks.next())
    }

    /// Counts what is due by now.
    pub fn tick(&mut self, now: Instant, time: EventTime) {
        let most = CATCH_UP.as_nanos() / self.config.period.as_nanos().max(1);
        let most = u64::try_from(most).unwrap_or(u64::MAX).max(1);
        let due = self.ticks.take(now).min(most);
        if due > 0 {
            self.pass(due, time);
        }
    }

    fn pass(&mut self, ticks: u64, time: EventTime) {
        let ticks = self.samples_left.map_or(ticks, |left| left.min(ticks));
        self.samples_left = self.samples_left.map(|left| left - ticks);
        let copies = u64::from(self.config.copies);
        let records = copies.saturating_mul(self.config.records.len() as u64);
        self.due = self.due.saturating_add(records.saturating_mul(ticks));
        let passed = time.as_nanos().saturating_sub(self.begun.as_nanos());
        self.time = match (self.config.start, self.config.is_time_fixed) {
            (Some(start), true) => start,
            (None, true) => self.begun,
            (Some(start), false) => EventTime::from_nanos(start.as_nanos().saturating_add(passed)),
            (None, false) => time,
        };
    }

    /// Most bytes of memory that the next chunk costs besides its tag; `None`: nothing is due.
    #[must_use]
    pub fn next_cost_bytes(&self) -> Option<usize> {
        let records = self.next_records();
        let record = self.largest_bytes + size_of::<Entry>();
        (records > 0).then(|| records * record + CHUNK_OVERHEAD_BYTES)
    }

    /// The next chunk of what is due; nothing if nothing is.
    pub fn next_entries(&mut self) -> Entries {
        let records = self.next_records();
        self.due = self.due.saturating_sub(records as u64);
        let mut entries = EntriesWriter::default();
        for _ in 0..records {
            if let Some(record) = self.config.records.get(self.at) {
                entries.copy(self.time, record);
            }
            self.at = (self.at + 1) % self.config.records.len().max(1);
        }
        entries.finish()
    }

    fn next_records(&self) -> usize {
        let most = (CHUNK_BYTES_MAX / self.largest_bytes.max(1)).clamp(1, CHUNK_ENTRIES_MAX);
        usize::try_from(self.due).unwrap_or(usize::MAX).min(most)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::Chunk;
    use crate::clock;

    fn config() -> Config {
        Config {
            records: vec![b"\x81\xa1a\x01".to_vec()],
            period: Duration::from_secs(1),
            copies: 1,
            samples: None,
            start: None,
            is_time_fixed: false,
            is_early: false,
        }
    }

    fn at(seconds: i64) -> EventTime {
        EventTime::from_parts(seconds, 0)
    }

    /// The times of all records that are made by `tick`s at these seconds.
    fn times(config: Config, seconds: &[u64]) -> Vec<i64> {
        let start = clock::now();
        let mut generator = Generator::new(config, start, at(1_000));
        let mut times = Vec::new();
        let mut drain = |generator: &mut Generator| {
            while generator.next_cost_bytes().is_some() {
                let entries = generator.next_entries();
                times.extend(entries.iter().map(|(time, _)| time.as_nanos() / 1_000_000_000));
            }
        };
        drain(&mut generator);
        for second in seconds {
            let time = at(1_000 + i64::try_from(*second).expect("small"));
            generator.tick(start + Duration::from_secs(*second), time);
            drain(&mut generator);
        }
        times
    }

    #[test]
    fn a_record_has_the_present_or_the_time_since_a_set_start_or_one_fixed_time() {
        let (start, fixed) = (Some(at(50)), true);
        assert_eq!(times(config(), &[1, 2]), [1_001, 1_002]);
        assert_eq!(times(Config { start, ..config() }, &[1, 2]), [51, 52]);
        let config = Config { is_time_fixed: fixed, ..config() };
        assert_eq!(times(Config { start, ..config.clone() }, &[1, 2]), [50, 50]);
        assert_eq!(times(config, &[1, 2]), [1_000, 1_000]);
    }

    #[test]
    fn an_early_one_makes_its_first_record_at_once_and_counts_it() {
        let config = Config { is_early: true, samples: Some(2), ..config() };
        assert_eq!(times(config, &[1, 2]), [1_000, 1_001]);
    }

    #[test]
    fn after_its_samples_it_wakes_no_more() {
        let start = clock::now();
        let mut generator = Generator::new(Config { samples: Some(1), ..config() }, start, at(0));
        assert_eq!(generator.wakes_at(), Some(start + Duration::from_secs(1)));
        generator.tick(start + Duration::from_secs(1), at(1));
        assert_eq!(generator.wakes_at(), None);
    }

    #[test]
    fn what_was_missed_for_longer_than_a_second_is_not_made_up_for() {
        assert_eq!(times(config(), &[100]), [1_100]);
        let fast = Config { period: Duration::from_millis(100), ..config() };
        assert_eq!(times(fast, &[100]).len(), 10);
    }

    proptest! {
        #[test]
        fn every_copy_of_every_record_is_made_in_chunks_that_cost_no_more_than_was_said(
            sizes in prop::collection::vec(0_usize..40_000, 1..4),
            copies in 0_u32..9_000,
        ) {
            let record = |size: usize| [&b"\x81\xa1a\xc6"[..],
                &u32::try_from(size).expect("small").to_be_bytes(), &vec![0; size]].concat();
            let records: Vec<_> = sizes.into_iter().map(record).collect();
            let copies = if records.iter().map(Vec::len).sum::<usize>() > 1_000 { copies % 64 } else { copies };
            let start = clock::now();
            let config = Config { records: records.clone(), copies, ..config() };
            let mut generator = Generator::new(config, start, at(0));
            generator.tick(start + Duration::from_secs(1), at(1));
            let mut made = 0;
            while let Some(cost) = generator.next_cost_bytes() {
                let entries = generator.next_entries();
                prop_assert!(!entries.is_empty() && entries.len() <= CHUNK_ENTRIES_MAX);
                prop_assert!(Chunk::cost_bytes(&"".into(), &entries) <= cost);
                for (_, found) in entries.iter() {
                    prop_assert_eq!(found, &*records[made % records.len()]);
                    made += 1;
                }
            }
            prop_assert_eq!(made, records.len() * copies as usize);
        }
    }
}

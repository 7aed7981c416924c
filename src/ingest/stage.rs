//! A filter in its place: the condition it stands under, and what it counts.
//!
//! Must not know what comes before or after it.

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::filter::condition::Condition;
use crate::filter::{Filter, Pass};
use crate::record::chunk::Entries;
use crate::record::edit::EntriesWriter;
use crate::telemetry::FilterCounters;

/// A filter and what it counts.
#[derive(Debug)]
pub struct Stage {
    /// The filter.
    pub filter: Filter,
    /// If there is one, the filter sees only records for which it holds.
    pub condition: Option<Condition>,
    /// Its counters.
    pub counters: Arc<FilterCounters>,
}

impl Stage {
    /// Applies the filter to the records that are for it.
    pub(super) fn apply(&mut self, chunk: Chunk, pass: &mut Pass) -> Option<Chunk> {
        let Some(condition) = self.condition.take() else {
            return self.filter(chunk, pass);
        };
        let runs = runs(&condition, chunk);
        self.condition = Some(condition);
        let filtered = runs
            .into_iter()
            .filter_map(|(holds, run)| if holds { self.filter(run, pass) } else { Some(run) });
        joined(filtered.collect())
    }

    fn filter(&mut self, chunk: Chunk, pass: &mut Pass) -> Option<Chunk> {
        let before = chunk.records();
        let emitted_before = pass.emitted.len();
        let kept = self.filter.apply(chunk, pass);
        self.counters.failed_records.add(self.filter.take_failures());
        if !self.filter.is_holding() {
            let emitted = pass.emitted.iter().skip(emitted_before).map(Chunk::records);
            let after = kept.as_ref().map_or(0, Chunk::records) + emitted.sum::<u64>();
            self.counters.dropped(before.saturating_sub(after));
            self.counters.added(after.saturating_sub(before));
        }
        kept
    }
}

/// The runs of one chunk, put together again in their order: each chunk of its own costs memory
/// that nobody pays for. A filter that appends shared fields did so for some of them only, so these
/// become their records' own.
fn joined(runs: Vec<Chunk>) -> Option<Chunk> {
    if runs.len() < 2 {
        return runs.into_iter().next();
    }
    let is_alike = runs.windows(2).all(|pair| match pair {
        [one, other] => one.shared.is_same(&other.shared),
        _ => true,
    });
    let own = |run: Chunk| if is_alike { run } else { run.with_own_fields() };
    let mut runs = runs.into_iter().map(own);
    let mut whole = runs.next()?;
    let mut records = EntriesWriter::like(&whole.entries);
    let mut append = |run: &Chunk| {
        run.entries.iter().for_each(|(time, record)| records.copy(time, record));
    };
    append(&whole);
    for run in runs {
        append(&run);
        whole.permit.absorb(run.permit);
    }
    whole.entries = Arc::new(records.finish());
    Some(whole)
}

/// The chunk cut where the condition begins or ceases to hold.
fn runs(condition: &Condition, mut chunk: Chunk) -> Vec<(bool, Chunk)> {
    let records = Arc::clone(&chunk.entries);
    let holds = |record: &[u8]| condition.holds(record, &chunk.shared);
    let marks: Vec<bool> = records.iter().map(|(_, record)| holds(record)).collect();
    let mut runs = Vec::new();
    let (mut at, mut left) = (0, marks.as_slice());
    while let Some(first) = left.first().copied() {
        let count = left.iter().take_while(|mark| **mark == first).count();
        left = left.get(count..).unwrap_or_default();
        if left.is_empty() && at == 0 {
            return vec![(first, chunk)];
        }
        let entries = records.entries.get(at..at + count).unwrap_or_default().to_vec();
        runs.push((first, chunk.split(Entries { data: records.data.clone(), entries })));
        at += count;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::fixture::{chunk, lines};
    use crate::filter::condition::{Negated, Rule, Test};
    use crate::filter::record_modifier::RecordModifier;
    use crate::filter::record_modifier::config::Config;
    use crate::ledger::Account;
    use crate::record::accessor::Accessor;

    fn stage() -> Stage {
        let config = Config {
            records: vec![("b".to_owned(), "1".to_owned())],
            remove_keys: Vec::new(),
            allow_keys: Vec::new(),
            uuid_key: None,
        };
        let rule = Rule {
            field: Accessor::parse("$a").expect("a path"),
            is_metadata: false,
            test: Test::Equals("x".to_owned(), Negated::No),
        };
        Stage {
            filter: Filter::RecordModifier(RecordModifier::new(config)),
            condition: Some(Condition { any: false, rules: vec![rule] }),
            counters: Arc::default(),
        }
    }

    fn applied(values: &[&str]) -> Vec<String> {
        let account = Arc::new(Account::default());
        let records: Vec<_> = values.iter().map(|value| [("a", *value)]).collect();
        let records: Vec<&[_]> = records.iter().map(|record| record.as_slice()).collect();
        let mut pass = Pass::new(crate::clock::now());
        let Some(chunk) = stage().apply(chunk(&account, "t", &records), &mut pass) else {
            return Vec::new();
        };
        let lines = lines(chunk);
        assert_eq!(account.balance().held, 0);
        lines
    }

    #[test]
    fn records_for_which_the_condition_does_not_hold_go_on_as_they_are_and_in_order() {
        let lines = applied(&["x", "y", "x", "x", "z"]);
        assert_eq!(lines, ["a=x b=1", "a=y", "a=x b=1", "a=x b=1", "a=z"]);
    }

    #[test]
    fn a_chunk_that_is_all_alike_stays_one() {
        assert_eq!(applied(&["x", "x"]), ["a=x b=1", "a=x b=1"]);
        assert_eq!(applied(&["y", "y"]), ["a=y", "a=y"]);
    }
}

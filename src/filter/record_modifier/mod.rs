//! Filter `record_modifier`: adds fields, removes fields.
//!
//! Meaning as in Fluent Bit (`plugins/filter_record_modifier`): keys are removed first, then the
//! fields are appended to every record. Appended fields are stored once a chunk.

pub mod config;

use std::sync::Arc;

use bytes::Bytes;
use fastrand::Rng;

use crate::chunk::Chunk;
use crate::ledger::Reason;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::{Appended, SharedField, SharedFields};
use crate::record::map;
use crate::record::msgpack::Writer;

use config::Config;

/// The filter, ready to run.
#[derive(Debug)]
pub struct RecordModifier {
    config: Config,
    appended: Appended,
    /// What ids are made of.
    chance: Rng,
}

impl RecordModifier {
    /// A filter that does what the configuration says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let field =
            |(key, value): &(String, String)| SharedField::text(key.as_bytes(), value.as_bytes());
        let fields = SharedFields::new(config.records.iter().map(field).collect());
        Self { config, appended: Appended::new(fields), chance: Rng::new() }
    }

    /// Removes and appends. A record that is empty then is dropped.
    #[must_use]
    pub fn apply(&mut self, mut chunk: Chunk) -> Option<Chunk> {
        if self.removes() {
            chunk.shared = chunk.shared.retain(|key| self.keeps(key));
            chunk = self.remove(chunk)?;
        }
        if let Some(key) = self.config.uuid_key.clone() {
            chunk.entries = Arc::new(self.identify(&chunk.entries, key.as_bytes()));
        }
        chunk.shared = self.appended.after(&chunk.shared);
        Some(chunk)
    }

    /// Writes the records anew, each with an id of its own.
    fn identify(&mut self, records: &Entries, key: &[u8]) -> Entries {
        let mut data = Vec::with_capacity(records.data.len());
        let mut entries = Vec::with_capacity(records.len());
        for (time, record) in records.iter() {
            let start = data.len();
            let pairs = map::pairs(record).into_iter().flatten();
            let count = u32::try_from(pairs.clone().count()).unwrap_or(u32::MAX);
            let mut writer = Writer::new(&mut data);
            writer.map_header(count.saturating_add(1));
            for pair in pairs {
                writer.raw(pair.key);
                writer.raw(pair.value);
            }
            writer.str(key);
            writer.str(uuid(self.chance.u128(..)).as_bytes());
            // A chunk stays far below 4 GiB: an id has some 50 bytes.
            if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(data.len())) {
                entries.push(Entry { time, start, end });
            }
        }
        Entries { data: Bytes::from(data), entries }
    }

    fn removes(&self) -> bool {
        !self.config.remove_keys.is_empty() || !self.config.allow_keys.is_empty()
    }

    fn keeps(&self, key: &[u8]) -> bool {
        let listed = |keys: &[config::KeyPattern]| keys.iter().any(|pattern| pattern.matches(key));
        if self.config.allow_keys.is_empty() {
            !listed(&self.config.remove_keys)
        } else {
            listed(&self.config.allow_keys)
        }
    }

    /// Writes the records anew without the removed keys.
    fn remove(&self, mut chunk: Chunk) -> Option<Chunk> {
        let added = self.appended.fields().as_slice().len()
            + chunk.shared.as_slice().len()
            + usize::from(self.config.uuid_key.is_some());
        let mut data = Vec::with_capacity(chunk.entries.data.len());
        let mut entries = Vec::with_capacity(chunk.entries.len());
        for (time, record) in chunk.entries.iter() {
            let start = data.len();
            let pairs = self.write_kept(record, &mut data);
            if pairs == 0 && added == 0 {
                data.truncate(start);
                chunk.permit.receipt.dropped(1, Reason::Filtered);
                continue;
            }
            // The records got smaller, so what fitted into `u32` still does.
            if let (Ok(start), Ok(end)) = (u32::try_from(start), u32::try_from(data.len())) {
                entries.push(Entry { time, start, end });
            }
        }
        chunk.entries = Arc::new(Entries { data: Bytes::from(data), entries });
        (!chunk.entries.is_empty()).then_some(chunk)
    }

    fn write_kept(&self, record: &[u8], data: &mut Vec<u8>) -> u32 {
        let kept = || {
            let pairs = map::pairs(record).into_iter().flatten();
            pairs.filter(|pair| pair.key_text().is_none_or(|key| self.keeps(key)))
        };
        let count = u32::try_from(kept().count()).unwrap_or(u32::MAX);
        let mut writer = Writer::new(data);
        writer.map_header(count);
        for pair in kept() {
            writer.raw(pair.key);
            writer.raw(pair.value);
        }
        count
    }
}

/// A random UUID (RFC 9562, version 4) of these bits.
fn uuid(bits: u128) -> String {
    const VERSION: u128 = 0xf << 76;
    const VARIANT: u128 = 0b11 << 62;
    let bits = bits & !(VERSION | VARIANT) | 4 << 76 | 0b10 << 62;
    let (high, low) = (bits >> 64, bits & u128::from(u64::MAX));
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::fixture::{Fields, chunk, lines};
    use crate::ledger::Account;

    fn modified(config: Config, records: &[Fields<'_>]) -> (Vec<String>, u64) {
        let account = Arc::new(Account::default());
        let mut filter = RecordModifier::new(config);
        let lines = filter.apply(chunk(&account, "t", records)).map(lines).unwrap_or_default();
        (lines, account.balance().dropped_for(Reason::Filtered))
    }

    fn config(records: &[(&str, &str)], remove: &[&str], allow: &[&str]) -> Config {
        let keys = |keys: &[&str]| keys.iter().map(|key| config::KeyPattern::new(key)).collect();
        let records = records.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config { records, remove_keys: keys(remove), allow_keys: keys(allow), uuid_key: None }
    }

    #[test]
    fn fields_are_appended_to_every_record_without_touching_its_bytes() {
        let (lines, _) =
            modified(config(&[("a", "1"), ("b", "2")], &[], &[]), &[&[("log", "x")], &[]]);
        assert_eq!(lines, ["log=x a=1 b=2", "a=1 b=2"]);
    }

    #[test]
    fn two_chunks_alike_share_one_list_of_fields() {
        let account = Arc::new(Account::default());
        let mut filter = RecordModifier::new(config(&[("a", "1")], &[], &[]));
        let chunks = [(); 2].map(|()| filter.apply(chunk(&account, "t", &[&[]])).expect("kept"));
        assert!(chunks[0].shared.is_same(&chunks[1].shared));
        chunks.into_iter().for_each(Chunk::delivered);
    }

    #[test]
    fn keys_are_removed_before_fields_are_appended() {
        let removed = config(&[("a", "new")], &["a", "tmp*"], &[]);
        let (lines, _) = modified(removed, &[&[("A", "old"), ("tmp1", "x"), ("log", "y")]]);
        assert_eq!(lines, ["log=y a=new"]);
        let allowed = config(&[], &[], &["log"]);
        assert_eq!(modified(allowed, &[&[("a", "1"), ("log", "y")]]).0, ["log=y"]);
    }

    #[test]
    fn every_record_gets_an_id_of_its_own() {
        let config = Config { uuid_key: Some("id".to_owned()), ..config(&[("a", "1")], &[], &[]) };
        let (lines, _) = modified(config, &[&[("log", "x")], &[("log", "x")]]);
        assert_ne!(lines[0], lines[1]);
        for line in lines {
            let id = line.strip_prefix("log=x id=").and_then(|line| line.strip_suffix(" a=1"));
            let id = id.expect("after the record's own fields");
            assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{id}");
            assert!(id.chars().all(|c| c == '-' || c.is_ascii_hexdigit()), "{id}");
        }
    }

    #[test]
    fn an_id_says_that_it_is_of_version_4() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn a_record_that_is_empty_then_is_dropped() {
        assert_eq!(modified(config(&[], &["log"], &[]), &[&[("log", "x")], &[("k", "v")]]), {
            (vec!["k=v".to_owned()], 1)
        });
    }
}

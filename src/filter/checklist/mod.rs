//! Filter `checklist`: marks records whose value is on a list.
//!
//! Meaning as in Fluent Bit (`plugins/filter_checklist`). In mode `partial` a value is found if it
//! begins with a text of the list; signs with a meaning for SQL, which Fluent Bit asks, have none
//! here.

pub mod config;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::map;
use crate::record::msgpack::Writer;
use crate::record::pair_list::PairList;

use super::rewrite::rewrite;
use config::{Config, Value};

/// Largest file of a list, inclusive. It is in memory as long as the process runs.
pub const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The filter, ready to run.
#[derive(Debug)]
pub struct Checklist {
    config: Config,
    list: HashSet<Box<[u8]>>,
    /// How long the texts of the list are, the shortest first.
    lengths: Vec<usize>,
    /// Keys and values of the fields to add, packed once for all records.
    added: Vec<Field>,
}

/// A field to add.
#[derive(Debug)]
struct Field {
    key: Box<[u8]>,
    packed_key: Box<[u8]>,
    value: Box<[u8]>,
}

impl Checklist {
    /// A filter over the texts of a file: one a line, without empty lines and those that begin with
    /// `#`.
    #[must_use]
    pub fn new(config: Config, file: &[u8]) -> Self {
        let lines = file.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let texts = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
        let list: HashSet<Box<[u8]>> = texts
            .map(|text| if config.ignore_case { text.to_ascii_lowercase() } else { text.to_vec() })
            .map(Into::into)
            .collect();
        let lengths: BTreeSet<usize> = list.iter().map(|text| text.len()).collect();
        let added = config.records.iter().map(|(key, value)| Field::new(key, value)).collect();
        Self { config, list, lengths: lengths.into_iter().collect(), added }
    }

    /// Marks the records whose value is found.
    #[must_use]
    pub fn apply(&self, chunk: Chunk) -> Chunk {
        // What is added comes to stand behind all other fields.
        let mut chunk = chunk.with_own_fields();
        let entries = Arc::clone(&chunk.entries);
        let (mut pairs, mut lower) = (PairList::default(), Vec::new());
        let rewritten = rewrite(&entries, |record, out| {
            let value = self.config.lookup_key.get(record).and_then(map::text);
            if !value.is_some_and(|value| self.finds(value, &mut lower)) {
                return false;
            }
            pairs.read(record);
            for field in &self.added {
                pairs.remove_key(&field.key);
            }
            for field in &self.added {
                pairs.push(&field.packed_key, &field.value);
            }
            pairs.write(out);
            true
        });
        if let Some(rewritten) = rewritten {
            chunk.entries = Arc::new(rewritten);
        }
        chunk
    }

    /// `lower` is room for the value in small letters.
    fn finds(&self, value: &[u8], lower: &mut Vec<u8>) -> bool {
        let value = if self.config.ignore_case {
            lower.clear();
            lower.extend(value.iter().map(u8::to_ascii_lowercase));
            lower.as_slice()
        } else {
            value
        };
        if !self.config.is_partial {
            return self.list.contains(value);
        }
        let starts = self.lengths.iter().map_while(|length| value.get(..*length));
        starts.into_iter().any(|start| self.list.contains(start))
    }
}

impl Field {
    fn new(key: &str, value: &Value) -> Self {
        let (mut packed_key, mut packed) = (Vec::new(), Vec::new());
        Writer::new(&mut packed_key).str(key.as_bytes());
        let mut writer = Writer::new(&mut packed);
        match value {
            Value::Bool(value) => writer.bool(*value),
            Value::Null => writer.nil(),
            Value::Text(text) => writer.str(text.as_bytes()),
        }
        Self { key: key.as_bytes().into(), packed_key: packed_key.into(), value: packed.into() }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::fixture::{Fields, chunk, lines};
    use crate::ledger::Account;
    use crate::option::{Options, Policy, section};

    const LIST: &[u8] = b"# names\nbob\r\n\nAlice\na_b";

    fn checklist(options: &[(&str, &str)]) -> Checklist {
        let options = [&[("file", "list"), ("record", "hit yes")], options].concat();
        let mut options = Options::read(section(&options), config::OPTIONS, &[], Policy::Plugin);
        Checklist::new(Config::from_options(&mut options).expect("options"), LIST)
    }

    fn checked(options: &[(&str, &str)], records: &[Fields<'_>]) -> Vec<String> {
        let account = Arc::new(Account::default());
        let lines = lines(checklist(options).apply(chunk(&account, "t", records)));
        assert_eq!(account.balance().held, 0);
        lines
    }

    fn finds(options: &[(&str, &str)], value: &str) -> bool {
        checklist(options).finds(value.as_bytes(), &mut Vec::new())
    }

    #[test]
    fn a_value_is_a_line_of_the_file() {
        assert!(finds(&[], "bob") && finds(&[], "Alice") && finds(&[], "a_b"));
        assert!(!finds(&[], "alice") && !finds(&[], "bobby") && !finds(&[], "# names"));
        assert!(!finds(&[], "") && !finds(&[], "axb"));
        assert!(finds(&[("ignore_case", "on")], "aLICE"));
    }

    #[test]
    fn in_mode_partial_a_value_begins_with_a_line() {
        let partial = [("mode", "partial")];
        assert!(finds(&partial, "bob") && finds(&partial, "bobby") && finds(&partial, "a_bc"));
        assert!(!finds(&partial, "bo") && !finds(&partial, "x bob") && !finds(&partial, "axb"));
    }

    #[test]
    fn a_record_that_is_found_gets_its_fields_in_place_of_its_own() {
        let records: [Fields<'_>; 3] =
            [&[("log", "bob"), ("hit", "no")], &[("log", "eve"), ("hit", "no")], &[("x", "bob")]];
        assert_eq!(checked(&[], &records), ["log=bob hit=yes", "log=eve hit=no", "x=bob"]);
        assert_eq!(checked(&[("lookup_key", "x")], &records[2..]), ["x=bob hit=yes"]);
    }

    #[test]
    fn a_chunk_in_which_nothing_is_found_keeps_its_memory() {
        let account = Arc::new(Account::default());
        let chunk = chunk(&account, "t", &[&[("log", "eve")]]);
        let before = Arc::clone(&chunk.entries);
        let after = checklist(&[]).apply(chunk);
        assert!(Arc::ptr_eq(&before, &after.entries));
        after.delivered();
    }

    proptest! {
        #[test]
        fn a_value_is_found_as_by_looking_at_every_line(
            list in prop::collection::vec("[abA]{1,3}", 0..6),
            value in "[abA]{0,4}",
            mode in prop::sample::select(&["exact", "partial"][..]),
        ) {
            let mut filter = checklist(&[("mode", mode)]);
            filter = Checklist::new(filter.config, list.join("\n").as_bytes());
            let mut lines = list.iter();
            let expected = match mode {
                "exact" => lines.any(|line| *line == value),
                _ => lines.any(|line| value.starts_with(line)),
            };
            prop_assert_eq!(filter.finds(value.as_bytes(), &mut Vec::new()), expected);
        }
    }
}

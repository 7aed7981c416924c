//! Processor `content_modifier`: does one thing to one field.
//!
//! Meaning as in Fluent Bit (`plugins/processor_content_modifier`), but record by record: there, a
//! record whose field cannot be extracted from or converted keeps all that follow it from being
//! looked at.

pub mod config;
mod transform;

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::edit::MapWriter;
use crate::record::map;
use crate::record::msgpack::Writer;
use crate::record::pair_list::PairList;
use crate::record::pattern::Pattern;

use super::rewrite::rewrite;
use config::{Action, Config, Type};
use transform::{convert, digest};

/// The processor, ready to run.
#[derive(Debug)]
pub struct ContentModifier {
    action: Action,
    key: Box<[u8]>,
    /// The key as msgpack.
    packed_key: Box<[u8]>,
    /// The action's value as msgpack; empty where it has none.
    packed_value: Box<[u8]>,
    /// The named groups of the pattern, each once.
    names: Vec<(String, usize)>,
}

impl ContentModifier {
    /// A processor that does what the configuration says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let packed_value = match &config.action {
            Action::Insert(value) | Action::Upsert(value) | Action::Rename(value) => packed(value),
            Action::Delete | Action::Hash | Action::Extract(_) | Action::Convert(_) => {
                Box::default()
            }
        };
        let names = if let Action::Extract(pattern) = &config.action {
            names_of(pattern)
        } else {
            Vec::new()
        };
        let (key, packed_key) = (config.key.as_bytes().into(), packed(&config.key));
        Self { action: config.action, key, packed_key, packed_value, names }
    }

    /// Does it to every record.
    #[must_use]
    pub fn apply(&self, chunk: Chunk) -> Chunk {
        // Most actions put something behind all other fields, or may meet any of them.
        let mut chunk = chunk.with_own_fields();
        let entries = Arc::clone(&chunk.entries);
        let mut pairs = PairList::default();
        let rewritten = rewrite(&entries, |record, out| {
            pairs.read(record);
            self.edit(&mut pairs, out)
        });
        if let Some(rewritten) = rewritten {
            chunk.entries = Arc::new(rewritten);
        }
        chunk
    }

    /// Appends what becomes of the record, if anything does.
    fn edit<'a>(&'a self, pairs: &mut PairList<'a>, out: &mut Vec<u8>) -> bool {
        let is_there = pairs.has(&self.key);
        match &self.action {
            Action::Insert(_) if is_there => return false,
            Action::Insert(_) => pairs.push(&self.packed_key, &self.packed_value),
            Action::Upsert(_) => {
                pairs.remove_key(&self.key);
                pairs.push(&self.packed_key, &self.packed_value);
            }
            _ if !is_there => return false,
            Action::Delete => {
                pairs.remove_key(&self.key);
            }
            Action::Rename(_) => pairs.rename(&self.key, &self.packed_value),
            Action::Hash => return self.hash(pairs, out),
            Action::Extract(pattern) => return self.extract(pairs, pattern, out),
            Action::Convert(to) => return self.convert(pairs, *to, out),
        }
        pairs.write(out);
        true
    }

    fn hash(&self, pairs: &PairList<'_>, out: &mut Vec<u8>) -> bool {
        let mut fields = MapWriter::begin(out);
        for pair in pairs.iter() {
            let hashed = (pair.key_text() == Some(&self.key)).then(|| digest(pair.value)).flatten();
            match hashed {
                Some(digest) => fields.text(&self.key, digest.as_bytes()),
                None => fields.pair_raw(pair.key, pair.value),
            }
        }
        fields.end();
        true
    }

    fn extract(&self, pairs: &PairList<'_>, pattern: &Pattern, out: &mut Vec<u8>) -> bool {
        let Some(text) = pairs.get(&self.key).and_then(map::text) else { return false };
        // Given up counts as not found.
        let Ok(Some(captures)) = pattern.captures(text) else { return false };
        let is_named = |key: Option<&[u8]>| {
            self.names.iter().any(|(name, _)| key.is_some_and(|key| name.as_bytes() == key))
        };
        let mut fields = MapWriter::begin(out);
        for pair in pairs.iter().filter(|pair| !is_named(pair.key_text())) {
            fields.pair_raw(pair.key, pair.value);
        }
        for (name, group) in &self.names {
            fields.text(name.as_bytes(), captures.get(*group).unwrap_or_default());
        }
        fields.end();
        true
    }

    fn convert(&self, pairs: &mut PairList<'_>, to: Type, out: &mut Vec<u8>) -> bool {
        let mut value = Vec::new();
        let converted = pairs.get(&self.key).and_then(|found| convert(found, to, &mut value));
        if converted.is_none() {
            return false;
        }
        pairs.remove_key(&self.key);
        let mut fields = MapWriter::begin(out);
        for pair in pairs.iter() {
            fields.pair_raw(pair.key, pair.value);
        }
        fields.pair_raw(&self.packed_key, &value);
        fields.end();
        true
    }
}

/// Of groups of the same name the last one counts.
fn names_of(pattern: &Pattern) -> Vec<(String, usize)> {
    let mut names: Vec<(String, usize)> = Vec::new();
    for (name, group) in pattern.names() {
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some(known) => known.1 = group,
            None => names.push((name, group)),
        }
    }
    names
}

fn packed(text: &str) -> Box<[u8]> {
    let mut out = Vec::new();
    Writer::new(&mut out).str(text.as_bytes());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::fixture::{Fields, chunk, lines};
    use crate::ledger::Account;
    use crate::option::{Options, Policy, section};

    fn modifier(options: &[(&str, &str)]) -> ContentModifier {
        let mut options = Options::read(section(options), config::OPTIONS, &[], Policy::Plugin);
        ContentModifier::new(Config::from_options(&mut options).expect("options"))
    }

    fn modified(options: &[(&str, &str)], record: Fields<'_>) -> String {
        let account = Arc::new(Account::default());
        let lines = lines(modifier(options).apply(chunk(&account, "t", &[record])));
        assert_eq!(account.balance().held, 0);
        lines.concat()
    }

    fn one(action: &str, key: &str, value: &str, record: Fields<'_>) -> String {
        modified(&[("action", action), ("key", key), ("value", value)], record)
    }

    const AB: Fields<'_> = &[("a", "1"), ("b", "2")];

    #[test]
    fn insert_leaves_a_field_that_is_there_and_upsert_takes_its_place() {
        assert_eq!(one("insert", "c", "3", AB), "a=1 b=2 c=3");
        assert_eq!(one("insert", "a", "3", AB), "a=1 b=2");
        assert_eq!(one("upsert", "a", "3", AB), "b=2 a=3");
        assert_eq!(one("upsert", "c", "3", AB), "a=1 b=2 c=3");
    }

    #[test]
    fn a_field_is_deleted_or_renamed_where_it_stands() {
        assert_eq!(one("delete", "a", "-", AB), "b=2");
        assert_eq!(one("rename", "a", "c", AB), "c=1 b=2");
        assert_eq!(one("rename", "x", "c", AB), "a=1 b=2");
    }

    #[test]
    fn a_value_becomes_its_hash_where_it_stands() {
        let hashed = one("hash", "a", "-", AB);
        let expected = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
        assert_eq!(hashed, format!("a={expected} b=2"));
    }

    #[test]
    fn named_groups_become_fields_at_the_end_in_place_of_others() {
        let extract = |record| {
            let pattern = "^(?<b>\\w+)(?: (?<c>\\d+))?";
            modified(&[("action", "extract"), ("key", "a"), ("pattern", pattern)], record)
        };
        assert_eq!(extract(&[("b", "old"), ("a", "x 5")]), "a=x 5 b=x c=5");
        assert_eq!(extract(&[("a", "x")]), "a=x b=x c=");
        assert_eq!(extract(&[("a", "-")]), "a=-");
        assert_eq!(extract(&[("x", "y")]), "x=y");
    }

    #[test]
    fn a_value_that_cannot_be_converted_leaves_the_record_and_the_others_are_converted() {
        let account = Arc::new(Account::default());
        let options = [("action", "convert"), ("key", "a"), ("converted_type", "int")];
        let records: [Fields<'_>; 3] = [&[("a", "x")], &[("b", "5")], &[("a", "7"), ("b", "8")]];
        let chunk = modifier(&options).apply(chunk(&account, "t", &records));
        let records: Vec<_> = chunk.entries.iter().map(|(_, record)| record.to_vec()).collect();
        let expected: [&[u8]; 3] =
            [b"\x81\xa1a\xa1x", b"\x81\xa1b\xa15", b"\x82\xa1b\xa18\xa1a\x07"];
        assert_eq!(records, expected);
        chunk.delivered();
    }

    #[test]
    fn a_chunk_in_which_nothing_is_touched_keeps_its_memory() {
        let account = Arc::new(Account::default());
        for action in ["delete", "hash"] {
            let chunk = chunk(&account, "t", &[AB]);
            let before = Arc::clone(&chunk.entries);
            let after = modifier(&[("action", action), ("key", "absent")]).apply(chunk);
            assert!(Arc::ptr_eq(&before, &after.entries));
            after.delivered();
        }
    }

    proptest::proptest! {
        #[test]
        fn no_record_makes_it_panic(
            record in proptest::collection::vec(proptest::num::u8::ANY, 0..32),
            action in 0..7_usize,
        ) {
            let actions = ["insert", "upsert", "delete", "rename", "hash", "extract", "convert"];
            let options = [
                ("action", actions[action]),
                ("key", "a"),
                ("value", "b"),
                ("pattern", "(?<x>.)"),
                ("converted_type", "double"),
            ];
            let mut pairs = PairList::default();
            pairs.read(&record);
            let _ = modifier(&options).edit(&mut pairs, &mut Vec::new());
        }
    }
}

//! Filter `nest`: moves fields into a map, or out of one.
//!
//! Meaning as in Fluent Bit (`plugins/filter_nest`): what is moved stands at the end of the record.
//! A map of that key that is there already stays beside the new one. A record without a field to
//! move, or whose value to lift is no map, is left as it is.

pub mod config;

use std::borrow::Cow;
use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::map::{self, Pair};
use crate::record::msgpack::{Reader, Token, Writer};
use crate::record::pair_list::PairList;

use super::rewrite::rewrite;
use config::{Config, KeyPattern, Operation, Prefix};

/// The filter, ready to run.
#[derive(Debug)]
pub struct Nest {
    config: Config,
}

impl Nest {
    /// A filter that does what the configuration says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Moves the fields of every record that has such.
    #[must_use]
    pub fn apply(&self, chunk: Chunk) -> Chunk {
        // What is moved comes to stand behind all other fields.
        let mut chunk = chunk.with_own_fields();
        let entries = Arc::clone(&chunk.entries);
        let mut pairs = PairList::default();
        let rewritten = rewrite(&entries, |record, out| {
            pairs.read(record);
            match &self.config.operation {
                Operation::Nest { keys, under } => self.nest(&pairs, keys, under, out),
                Operation::Lift { under: Some(under) } => self.lift(&pairs, under, out),
                Operation::Lift { under: None } => false,
            }
        });
        if let Some(rewritten) = rewritten {
            chunk.entries = Arc::new(rewritten);
        }
        chunk
    }

    fn nest(
        &self,
        pairs: &PairList<'_>,
        keys: &[KeyPattern],
        under: &str,
        out: &mut Vec<u8>,
    ) -> bool {
        let is_meant = |pair: &&Pair<'_>| {
            pair.key_text().is_some_and(|key| keys.iter().any(|pattern| pattern.matches(key)))
        };
        let nested = pairs.iter().filter(is_meant).count();
        if nested == 0 {
            return false;
        }
        let mut writer = Writer::new(out);
        writer.map_header(count(pairs.len() - nested + 1));
        for pair in pairs.iter().filter(|pair| !is_meant(pair)) {
            writer.raw(pair.key);
            writer.raw(pair.value);
        }
        writer.str(under.as_bytes());
        writer.map_header(count(nested));
        pairs.iter().filter(is_meant).for_each(|pair| self.write_moved(*pair, &mut writer));
        true
    }

    fn lift(&self, pairs: &PairList<'_>, under: &str, out: &mut Vec<u8>) -> bool {
        let children = |pair: &Pair<'_>| match Reader::new(pair.value).token() {
            Ok(Token::Map(children)) if pair.key_text() == Some(under.as_bytes()) => Some(children),
            Ok(_) | Err(_) => None,
        };
        let lifted = || pairs.iter().filter_map(|pair| Some((pair, children(pair)?)));
        let maps = lifted().count();
        if maps == 0 {
            return false;
        }
        let moved = lifted().map(|(_, children)| children).fold(0, u32::saturating_add);
        let mut writer = Writer::new(out);
        writer.map_header(count(pairs.len() - maps).saturating_add(moved));
        for pair in pairs.iter().filter(|pair| children(pair).is_none()) {
            writer.raw(pair.key);
            writer.raw(pair.value);
        }
        let moved = lifted().flat_map(|(pair, _)| map::pairs(pair.value).into_iter().flatten());
        moved.for_each(|pair| self.write_moved(pair, &mut writer));
        true
    }

    /// A key that is no text has no prefix, and keeps what it is.
    fn write_moved(&self, pair: Pair<'_>, writer: &mut Writer<'_>) {
        let renamed = pair.key_text().and_then(|key| match &self.config.prefix {
            Prefix::Keep => None,
            Prefix::Add(prefix) => Some(Cow::Owned([prefix.as_bytes(), key].concat())),
            Prefix::Remove(prefix) => key.strip_prefix(prefix.as_bytes()).map(Cow::Borrowed),
        });
        match renamed {
            Some(key) => writer.str(&key),
            None => writer.raw(pair.key),
        }
        writer.raw(pair.value);
    }
}

/// A record's bytes, and so its pairs, are far fewer than 4 Gi.
fn count(pairs: usize) -> u32 {
    u32::try_from(pairs).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::fixture::{chunk, lines};
    use crate::ledger::Account;
    use crate::record::fields::{SharedField, SharedFields};
    use crate::record::json_out;

    fn nest(keys: &[&str], under: &str, prefix: Prefix) -> Nest {
        let keys = keys.iter().map(|key| KeyPattern::new(key)).collect();
        Nest::new(Config { operation: Operation::Nest { keys, under: under.to_owned() }, prefix })
    }

    fn lift(under: &str, prefix: Prefix) -> Nest {
        let operation = Operation::Lift { under: Some(under.to_owned()) };
        Nest::new(Config { operation, prefix })
    }

    fn json(chunk: Chunk) -> Vec<String> {
        let json = |record| {
            let mut out = Vec::new();
            json_out::write(record, &mut out).expect("a whole map");
            String::from_utf8(out).expect("text")
        };
        let texts = chunk.entries.iter().map(|(_, record)| json(record)).collect();
        chunk.delivered();
        texts
    }

    fn add(prefix: &str) -> Prefix {
        Prefix::Add(prefix.to_owned())
    }

    fn remove(prefix: &str) -> Prefix {
        Prefix::Remove(prefix.to_owned())
    }

    const RECORD: &[(&str, &str)] = &[("log", "x"), ("m.a", "1"), ("m.b", "2"), ("s", "3")];

    fn of_record(filter: &Nest) -> String {
        let account = Arc::new(Account::default());
        json(filter.apply(chunk(&account, "t", &[RECORD]))).concat()
    }

    #[test]
    fn fields_go_into_a_map_at_the_end() {
        let filter = nest(&["m.*", "s"], "n", Prefix::Keep);
        assert_eq!(of_record(&filter), r#"{"log":"x","n":{"m.a":"1","m.b":"2","s":"3"}}"#);
        let filter = nest(&["m.*", "s"], "n", remove("m."));
        assert_eq!(of_record(&filter), r#"{"log":"x","n":{"a":"1","b":"2","s":"3"}}"#);
        let filter = nest(&["m.*"], "log", add("x_"));
        let expected = r#"{"log":"x","s":"3","log":{"x_m.a":"1","x_m.b":"2"}}"#;
        assert_eq!(of_record(&filter), expected, "a field of that key stays");
    }

    #[test]
    fn fields_of_a_map_come_out_at_the_end() {
        let account = Arc::new(Account::default());
        let filter = nest(&["m.*"], "n", Prefix::Keep);
        let lifted = |prefix| {
            let nested = filter.apply(chunk(&account, "t", &[RECORD]));
            json(lift("n", prefix).apply(nested)).concat()
        };
        assert_eq!(lifted(Prefix::Keep), r#"{"log":"x","s":"3","m.a":"1","m.b":"2"}"#);
        assert_eq!(lifted(add("n_")), r#"{"log":"x","s":"3","n_m.a":"1","n_m.b":"2"}"#);
        assert_eq!(lifted(remove("m.")), r#"{"log":"x","s":"3","a":"1","b":"2"}"#);
    }

    #[test]
    fn a_record_without_such_a_field_is_left_as_it_is() {
        let account = Arc::new(Account::default());
        for filter in [
            nest(&["absent*"], "n", Prefix::Keep),
            lift("absent", Prefix::Keep),
            lift("log", Prefix::Keep),
        ] {
            let chunk = chunk(&account, "t", &[RECORD]);
            let before = Arc::clone(&chunk.entries);
            let after = filter.apply(chunk);
            assert!(Arc::ptr_eq(&before, &after.entries), "{filter:?}");
            after.delivered();
        }
    }

    #[test]
    fn a_key_that_is_no_text_is_lifted_as_it_is() {
        // {"n": {5: "x"}}
        let mut pairs = PairList::default();
        pairs.read(b"\x81\xa1n\x81\x05\xa1x");
        let mut out = Vec::new();
        assert!(lift("n", add("p")).lift(&pairs, "n", &mut out));
        assert_eq!(out, b"\x81\x05\xa1x");
    }

    #[test]
    fn fields_that_all_records_share_are_nested_too() {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[RECORD]);
        let field = SharedField { key: (*b"m.c").into(), value: (*b"4").into(), yields: false };
        chunk.shared = SharedFields::new(vec![field]);
        let nested = nest(&["m.*"], "n", Prefix::Keep).apply(chunk);
        let expected = r#"{"log":"x","s":"3","n":{"m.a":"1","m.b":"2","m.c":"4"}}"#;
        assert_eq!(json(nested).concat(), expected);
    }

    fn any_prefix() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            Just(Prefix::Keep),
            "[ab]{0,2}".prop_map(Prefix::Add),
            "[ab]{0,2}".prop_map(Prefix::Remove),
        ]
    }

    proptest! {
        #[test]
        fn what_is_nested_and_lifted_again_is_there_with_its_value(
            record in prop::collection::vec(("[abc]{1,2}", "[xy]"), 0..6),
            pattern in "[abc]\\*?",
        ) {
            let account = Arc::new(Account::default());
            let record: Vec<_> = record.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            let before = chunk(&account, "t", &[&record]);
            let nested = nest(&[&pattern], "n", Prefix::Keep).apply(before);
            let mut after: Vec<_> = lines(lift("n", Prefix::Keep).apply(nested)).concat()
                .split(' ').map(str::to_owned).collect();
            let mut expected: Vec<_> = record.iter().map(|(k, v)| format!("{k}={v}")).collect();
            after.retain(|field| !field.is_empty());
            after.sort();
            expected.sort();
            prop_assert_eq!(after, expected);
            prop_assert_eq!(account.balance().held, 0);
        }

        #[test]
        fn no_record_makes_it_panic(
            record in prop::collection::vec(any::<u8>(), 0..32),
            prefix in any_prefix(),
        ) {
            let mut pairs = PairList::default();
            pairs.read(&record);
            let keys = [KeyPattern::new("*")];
            let _ = nest(&[], "n", prefix.clone()).nest(&pairs, &keys, "n", &mut Vec::new());
            let _ = lift("a", prefix).lift(&pairs, "a", &mut Vec::new());
        }
    }
}

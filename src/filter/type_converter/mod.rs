//! Filter `type_converter`: puts values at the end of the record once more, as another type.
//!
//! Meaning as in Fluent Bit (`flb_typecast.c`): every rule reads the record as it came. A value that
//! cannot be converted is put there as it is, unless no rule can convert anything: then the record
//! is left as it is.

pub mod config;
mod typecast;

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::edit::MapWriter;
use crate::record::map;
use crate::record::msgpack::Writer;

use super::rewrite::rewrite;
use config::Config;
use typecast::convert;

/// The filter, ready to run.
#[derive(Debug)]
pub struct TypeConverter {
    config: Config,
}

impl TypeConverter {
    /// A filter with these rules.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Converts the values of every record that has such.
    #[must_use]
    pub fn apply(&self, chunk: Chunk) -> Chunk {
        // What is added comes to stand behind all other fields.
        let mut chunk = chunk.with_own_fields();
        let entries = Arc::clone(&chunk.entries);
        let mut added = Vec::new();
        let rewritten = rewrite(&entries, |record, out| {
            let Some(count) = self.add(record, &mut added) else { return false };
            let mut fields = MapWriter::begin(out);
            for pair in map::pairs(record).into_iter().flatten() {
                fields.pair_raw(pair.key, pair.value);
            }
            fields.pairs_raw(&added, count);
            fields.end();
            true
        });
        if let Some(rewritten) = rewritten {
            chunk.entries = Arc::new(rewritten);
        }
        chunk
    }

    /// Writes the fields that are added and says how many there are. `None`: nothing is converted.
    fn add(&self, record: &[u8], added: &mut Vec<u8>) -> Option<u32> {
        added.clear();
        let (mut count, mut is_converted) = (0, false);
        for rule in &self.config.rules {
            let Some(value) = rule.from.get(record) else { continue };
            count += 1;
            let mut writer = Writer::new(added);
            writer.str(rule.to.as_bytes());
            match convert(value, rule.source, rule.target, &mut writer) {
                Some(()) => is_converted = true,
                None => writer.raw(value),
            }
        }
        is_converted.then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;
    use crate::option::{Options, Policy, section};
    use crate::record::json_out;

    fn filter(options: &[(&str, &str)]) -> TypeConverter {
        let mut options = Options::read(section(options), config::OPTIONS, &[], Policy::Plugin);
        TypeConverter::new(Config::from_options(&mut options).expect("options that can be used"))
    }

    fn converted(options: &[(&str, &str)], record: &[(&str, &str)]) -> String {
        let account = Arc::new(Account::default());
        let chunk = filter(options).apply(chunk(&account, "t", &[record]));
        let mut out = Vec::new();
        for (_, record) in chunk.entries.iter() {
            json_out::write(record, &mut out).expect("a whole map");
        }
        chunk.delivered();
        assert_eq!(account.balance().held, 0);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn values_are_added_at_the_end_under_their_new_keys() {
        let rules = [("str_key", "n n_int int"), ("str_key", "n n int"), ("str_key", "x y int")];
        assert_eq!(converted(&rules, &[("n", "12"), ("a", "b")]), {
            r#"{"n":"12","a":"b","n_int":12,"n":12}"#
        });
    }

    #[test]
    fn a_value_that_cannot_be_converted_is_added_as_it_is_beside_one_that_can() {
        let rules = [("str_key", "a a_int int"), ("str_key", "n n_int int")];
        let expected = r#"{"a":"text","n":"3","a_int":"text","n_int":3}"#;
        assert_eq!(converted(&rules, &[("a", "text"), ("n", "3")]), expected);
    }

    #[test]
    fn a_record_in_which_nothing_can_be_converted_is_left_as_it_is() {
        let account = Arc::new(Account::default());
        let chunk = chunk(&account, "t", &[&[("n", "text")], &[("m", "1")]]);
        let before = Arc::clone(&chunk.entries);
        let after = filter(&[("str_key", "n n_int int")]).apply(chunk);
        assert!(Arc::ptr_eq(&before, &after.entries));
        after.delivered();
    }

    proptest! {
        #[test]
        fn no_record_makes_it_panic(record in prop::collection::vec(any::<u8>(), 0..32)) {
            let rules = [("str_key", "a b int"), ("float_key", "$a[0] b string")];
            let _ = filter(&rules).add(&record, &mut Vec::new());
        }
    }
}

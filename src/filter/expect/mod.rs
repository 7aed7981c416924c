//! Filter `expect`: says where records are not as expected.
//!
//! Meaning as in Fluent Bit (`plugins/filter_expect`). Records go on in any case. The first that is
//! not as expected is logged, with its fields; a chunk is one line, so that a wrong configuration
//! does not fill a disk.

pub mod config;

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::edit::{EntriesWriter, MapWriter};
use crate::record::fields::SharedFields;
use crate::record::msgpack::{Reader, Token};
use crate::record::{json_out, map};

use super::Pass;
use config::{Action, Config, Rule, Test};

/// Most bytes of a record that a log line shows.
const SHOWN_BYTES_MAX: usize = 1_024;

/// The filter, ready to run.
#[derive(Debug)]
pub struct Expect {
    config: Config,
}

impl Expect {
    /// A filter with these expectations.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Looks at every record.
    #[must_use]
    pub fn apply(&self, chunk: Chunk, pass: &mut Pass) -> Chunk {
        let mut chunk = if self.sees(&chunk.shared) { chunk.with_own_fields() } else { chunk };
        if let Action::ResultKey(key) = &self.config.action {
            let mut marked = EntriesWriter::like(&chunk.entries);
            for (time, record) in chunk.entries.iter() {
                let is_expected = self.failed(record).is_none();
                marked.write(time, |out| mark(record, key, is_expected, out));
            }
            chunk.entries = Arc::new(marked.finish());
            return chunk;
        }
        pass.must_end |= self.tell(&chunk) && self.config.action == Action::Exit;
        chunk
    }

    /// Logs what is not as expected, and says whether there was anything.
    fn tell(&self, chunk: &Chunk) -> bool {
        let records = chunk.entries.iter().map(|(_, record)| record);
        let mut failed = records.filter_map(|record| Some((self.failed(record)?, record)));
        let Some((rule, record)) = failed.next() else { return false };
        let (count, all) = (1 + failed.count(), chunk.entries.len());
        tracing::warn!(
            "expect: {count} of {all} records of {} are not as expected, the first because not \
             {rule}: {}",
            chunk.tag,
            shown(record)
        );
        true
    }

    /// The first expectation that the record does not meet.
    fn failed(&self, record: &[u8]) -> Option<&Rule> {
        self.config.rules.iter().find(|rule| !rule.is_met(record))
    }

    fn sees(&self, shared: &SharedFields) -> bool {
        let mut rules = self.config.rules.iter();
        rules.any(|rule| shared.get(rule.key.key().as_bytes()).is_some())
    }
}

impl Rule {
    fn is_met(&self, record: &[u8]) -> bool {
        let value = self.key.get(record);
        let is_null = |value| Reader::new(value).token() == Ok(Token::Nil);
        match &self.test {
            Test::Exists => value.is_some(),
            Test::DoesNotExist => value.is_none(),
            Test::IsNull => value.is_some_and(is_null),
            Test::IsNotNull => value.is_some_and(|value| !is_null(value)),
            Test::Equals(wanted) => value
                .is_some_and(|value| map::text(value).is_none_or(|text| text == wanted.as_bytes())),
        }
    }
}

/// The record with one more field, at its start.
fn mark(record: &[u8], key: &str, is_expected: bool, out: &mut Vec<u8>) {
    let mut fields = MapWriter::begin(out);
    fields.key(key.as_bytes()).bool(is_expected);
    for pair in map::pairs(record).into_iter().flatten() {
        fields.pair_raw(pair.key, pair.value);
    }
    fields.end();
}

fn shown(record: &[u8]) -> String {
    let mut json = Vec::new();
    // Decoders check records whole; of another, what there is is shown.
    let _ = json_out::write(record, &mut json);
    json.truncate(SHOWN_BYTES_MAX);
    String::from_utf8_lossy(&json).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::fixture::{Fields, chunk};
    use crate::ledger::Account;
    use crate::option::{Options, Policy, section};
    use crate::record::fields::SharedField;

    fn expect(options: &[(&str, &str)]) -> Expect {
        let mut options = Options::read(section(options), config::OPTIONS, &[], Policy::Plugin);
        Expect::new(Config::from_options(&mut options).expect("options that can be used"))
    }

    /// The records as JSON, and whether the process has to end.
    fn passed(options: &[(&str, &str)], records: &[Fields<'_>]) -> (Vec<String>, bool) {
        let account = Arc::new(Account::default());
        let mut pass = Pass::new(crate::clock::now());
        let chunk = expect(options).apply(chunk(&account, "t", records), &mut pass);
        let records = chunk.entries.iter().map(|(_, record)| shown(record)).collect();
        chunk.delivered();
        assert_eq!(account.balance().held, 0);
        (records, pass.must_end)
    }

    /// `{"a": "x", "n": nil, "l": [5], "i": 5}`
    const RECORD: &[u8] = b"\x84\xa1a\xa1x\xa1n\xc0\xa1l\x91\x05\xa1i\x05";

    #[test]
    fn a_record_is_as_expected_or_not() {
        let is_met = |option, value| expect(&[(option, value)]).failed(RECORD).is_none();
        assert!(is_met("key_exists", "a") && is_met("key_exists", "$l[0]"));
        assert!(is_met("key_exists", "l") && is_met("key_exists", "n"));
        assert!(!is_met("key_exists", "b") && is_met("key_not_exists", "b"));
        assert!(!is_met("key_not_exists", "a"));
        assert!(is_met("key_val_is_null", "n") && !is_met("key_val_is_null", "a"));
        assert!(!is_met("key_val_is_null", "b") && !is_met("key_val_is_not_null", "b"));
        assert!(is_met("key_val_is_not_null", "a") && !is_met("key_val_is_not_null", "n"));
        assert!(is_met("key_val_eq", "a x") && !is_met("key_val_eq", "a xy"));
        assert!(is_met("key_val_eq", "i 6"), "only texts are compared, as in Fluent Bit");
        assert!(!is_met("key_val_eq", "b x"));
    }

    #[test]
    fn records_go_on_as_they_are_and_only_exit_ends_the_process() {
        let records: [Fields<'_>; 2] = [&[("a", "1")], &[("b", "2")]];
        let expected = vec![r#"{"a":"1"}"#.to_owned(), r#"{"b":"2"}"#.to_owned()];
        let rule = ("key_exists", "a");
        assert_eq!(passed(&[rule], &records), (expected.clone(), false));
        assert_eq!(passed(&[rule, ("action", "exit")], &records), (expected.clone(), true));
        let (_, must_end) = passed(&[rule, ("action", "exit")], &records[..1]);
        assert!(!must_end);
    }

    #[test]
    fn with_result_key_every_record_says_whether_it_is_as_expected() {
        let options = [("key_exists", "a"), ("action", "result_key"), ("result_key", "ok")];
        let (records, must_end) = passed(&options, &[&[("a", "1")], &[("b", "2")]]);
        assert_eq!(records, [r#"{"ok":true,"a":"1"}"#, r#"{"ok":false,"b":"2"}"#]);
        assert!(!must_end);
    }

    #[test]
    fn fields_that_all_records_share_are_expected_too() {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[("a", "1")]]);
        let field = SharedField { key: (*b"s").into(), value: (*b"x").into(), yields: false };
        chunk.shared = SharedFields::new(vec![field]);
        let mut pass = Pass::new(crate::clock::now());
        let filter = expect(&[("key_val_eq", "s x"), ("action", "exit")]);
        filter.apply(chunk, &mut pass).delivered();
        assert!(!pass.must_end);
    }

    proptest::proptest! {
        #[test]
        fn no_record_makes_it_panic(
            record in proptest::collection::vec(proptest::num::u8::ANY, 0..32),
        ) {
            let _ = expect(&[("key_val_eq", "$a[0] x")]).failed(&record);
            mark(&record, "k", true, &mut Vec::new());
            let _ = shown(&record);
        }
    }
}

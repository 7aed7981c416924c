//! Filter `grep`: keeps or drops records by what is in their fields.
//!
//! Meaning as in Fluent Bit (`plugins/filter_grep`): in its legacy mode the rules are tried in the
//! order of the file and the first that decides is the answer.

pub mod config;

use crate::chunk::Chunk;
use crate::record::fields::SharedFields;
use crate::record::pattern::Outcome;

use config::{Config, LogicalOp, Rule};

/// The filter, ready to run.
#[derive(Debug)]
pub struct Grep {
    config: Config,
}

impl Grep {
    /// A filter with these rules.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// Drops what the rules do not keep.
    #[must_use]
    pub fn apply(&self, chunk: Chunk) -> Option<Chunk> {
        let shared = chunk.shared.clone();
        chunk.retain(|record| self.keeps(record, &shared))
    }

    fn keeps(&self, record: &[u8], shared: &SharedFields) -> bool {
        let mut hits = self.config.rules.iter().map(|rule| (rule, hit(rule, record, shared)));
        match self.config.logical_op {
            LogicalOp::Legacy => hits
                .find_map(|(rule, hit)| match (rule.keep, hit) {
                    (true, hit) => Some(hit),
                    (false, true) => Some(false),
                    (false, false) => None,
                })
                .unwrap_or(true),
            // The rules are all of one kind there; the configuration makes sure of it.
            LogicalOp::And => hits.all(|(_, hit)| hit) == self.hits_keep(),
            LogicalOp::Or => hits.any(|(_, hit)| hit) == self.hits_keep(),
        }
    }

    fn hits_keep(&self) -> bool {
        self.config.rules.first().is_none_or(|rule| rule.keep)
    }
}

/// Whether the rule's pattern is found in its field. A field that is missing or no text never hits.
fn hit(rule: &Rule, record: &[u8], shared: &SharedFields) -> bool {
    let Some(text) = rule.key.text(record, shared) else { return false };
    match rule.pattern.is_match(text) {
        Outcome::Match => true,
        // Given up counts as not found, as in Fluent Bit.
        Outcome::NoMatch | Outcome::StepLimit => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chunk::fixture::{chunk, lines};
    use crate::ledger::{Account, Reason};
    use crate::record::accessor::Accessor;
    use crate::record::pattern::Pattern;

    fn grep(logical_op: LogicalOp, rules: &[(bool, &str, &str)]) -> Grep {
        let rule = |&(keep, key, pattern): &(bool, &str, &str)| Rule {
            keep,
            key: Accessor::parse(key).expect("a path"),
            pattern: Pattern::new(pattern).expect("a pattern"),
        };
        Grep::new(Config { rules: rules.iter().map(rule).collect(), logical_op })
    }

    fn kept(grep: &Grep, logs: &[&str]) -> Vec<String> {
        let account = Arc::new(Account::default());
        let records: Vec<_> = logs.iter().map(|log| [("log", *log)]).collect();
        let records: Vec<&[_]> = records.iter().map(|one| one.as_slice()).collect();
        let kept = grep.apply(chunk(&account, "t", &records)).map(lines).unwrap_or_default();
        let dropped = account.balance().dropped_for(Reason::Filtered);
        assert_eq!(dropped + kept.len() as u64, logs.len() as u64);
        kept
    }

    #[test]
    fn a_regex_keeps_what_it_hits_and_an_exclude_drops_it() {
        let regex = grep(LogicalOp::Legacy, &[(true, "log", "err")]);
        assert_eq!(kept(&regex, &["an error", "fine"]), ["log=an error"]);
        let exclude = grep(LogicalOp::Legacy, &[(false, "log", "err")]);
        assert_eq!(kept(&exclude, &["an error", "fine"]), ["log=fine"]);
    }

    #[test]
    fn in_legacy_mode_the_first_rule_that_decides_is_the_answer() {
        let rules =
            grep(LogicalOp::Legacy, &[(false, "log", "b"), (true, "log", "a"), (true, "log", "c")]);
        assert_eq!(kept(&rules, &["ab", "a", "c"]), ["log=a"]);
    }

    #[test]
    fn and_wants_all_hits_and_or_wants_one() {
        let both = [(true, "log", "a"), (true, "log", "b")];
        assert_eq!(kept(&grep(LogicalOp::And, &both), &["a", "ab"]), ["log=ab"]);
        assert_eq!(kept(&grep(LogicalOp::Or, &both), &["a", "c"]), ["log=a"]);
        let neither = [(false, "log", "a"), (false, "log", "b")];
        assert_eq!(kept(&grep(LogicalOp::And, &neither), &["a", "ab"]), ["log=a"]);
        assert_eq!(kept(&grep(LogicalOp::Or, &neither), &["a", "c"]), ["log=c"]);
    }

    #[test]
    fn a_path_leads_into_maps_and_arrays_and_into_a_text_it_is_the_text() {
        /// `{"k": {"l": ["info", "error"]}, "log": "an error"}`
        const RECORD: &[u8] = b"\x82\xa1k\x81\xa1l\x92\xa4info\xa5error\xa3log\xa8an error";
        let keeps = |key: &str| {
            let rules = grep(LogicalOp::Legacy, &[(true, key, "error$")]);
            rules.keeps(RECORD, &SharedFields::default())
        };
        assert!(keeps("$k['l'][1]") && keeps("$log['x']") && keeps("$log"));
        assert!(!keeps("$k['l'][0]") && !keeps("$k['l'][2]") && !keeps("$k['x']") && !keeps("$k"));
    }

    #[test]
    fn a_field_that_is_missing_never_hits() {
        assert_eq!(kept(&grep(LogicalOp::Legacy, &[(true, "other", ".*")]), &["a"]), [""; 0]);
        assert_eq!(kept(&grep(LogicalOp::Legacy, &[(false, "other", ".*")]), &["a"]), ["log=a"]);
    }
}

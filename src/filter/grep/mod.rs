//! Filter `grep`: keeps or drops records by what is in their fields.
//!
//! Meaning as in Fluent Bit (`plugins/filter_grep`): in its legacy mode the rules are tried in the
//! order of the file and the first that decides is the answer.

pub mod config;

use crate::chunk::Chunk;
use crate::record::fields::SharedFields;
use crate::record::map;
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
    let added = match rule.key.as_slice() {
        [key] => shared.get(key.as_bytes()),
        [..] => None,
    };
    let own = map::get_path(record, &rule.key).and_then(map::text);
    let text = match (own, added) {
        (Some(own), None) => own,
        (Some(own), Some(field)) if field.yields => own,
        (_, Some(field)) => &field.value,
        (None, None) => return false,
    };
    match rule.pattern.is_match(text) {
        Outcome::Match => true,
        // Given up counts as not found, as in Fluent Bit.
        Outcome::NoMatch | Outcome::StepLimit => false,
    }
}

//! Filter `modify`: rules that put, take away, rename, copy and move fields.
//!
//! Meaning as in Fluent Bit (`plugins/filter_modify`): every rule works on what the one before it
//! left; conditions are asked once, before the first rule, and all must hold.

mod condition;
pub mod config;

use std::sync::Arc;

use crate::chunk::Chunk;
use crate::record::fields::SharedFields;
use crate::record::map::Pair;
use crate::record::msgpack::Writer;
use crate::record::pair_list::PairList;
use crate::record::pattern::Pattern;

use super::rewrite::rewrite;
use condition::matches;
use config::{Condition, Config, Rule};

/// The filter, ready to run.
#[derive(Debug)]
pub struct Modify {
    conditions: Vec<Condition>,
    steps: Vec<Step>,
}

/// A rule whose texts are packed once for all records.
#[derive(Debug)]
enum Step {
    Put { key: Name, value: Box<[u8]>, hard: bool },
    Remove(Keys),
    Rename { from: Name, to: Name, hard: bool },
    Copy { from: Name, to: Name, hard: bool },
    MoveToStart(Keys),
    MoveToEnd(Keys),
}

/// A key, as text and as msgpack.
#[derive(Debug)]
struct Name {
    text: Box<[u8]>,
    packed: Box<[u8]>,
}

/// Which keys are meant.
#[derive(Debug)]
enum Keys {
    Named(Box<[u8]>),
    Prefixed(Box<[u8]>),
    Matching(Pattern),
}

impl Modify {
    /// A filter that does what the configuration says.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let steps = config.rules.into_iter().map(Step::new).collect();
        Self { conditions: config.conditions, steps }
    }

    /// Modifies the records for which all conditions hold.
    #[must_use]
    pub fn apply(&self, chunk: Chunk) -> Chunk {
        let mut chunk =
            if self.leaves_alone(&chunk.shared) { chunk } else { chunk.with_own_fields() };
        let entries = Arc::clone(&chunk.entries);
        let mut pairs = PairList::default();
        let rewritten = rewrite(&entries, |record, out| {
            let is_touched = self.edit(record, &mut pairs);
            if is_touched {
                pairs.write(out);
            }
            is_touched
        });
        if let Some(rewritten) = rewritten {
            chunk.entries = Arc::new(rewritten);
        }
        chunk
    }

    /// Says whether a rule did anything. `pairs` then holds what the record becomes.
    fn edit<'a>(&'a self, record: &'a [u8], pairs: &mut PairList<'a>) -> bool {
        if !self.conditions.iter().all(|condition| condition.holds(record)) {
            return false;
        }
        pairs.read(record);
        self.steps.iter().fold(false, |is_touched, step| step.apply(pairs) | is_touched)
    }

    /// Whether the outcome is the same if these fields stay apart, behind the records' own: nothing
    /// asks for them, changes them or comes to stand behind them.
    fn leaves_alone(&self, shared: &SharedFields) -> bool {
        shared.as_slice().iter().all(|field| {
            let sees = self.conditions.iter().any(|condition| condition.sees(&field.key));
            !sees && self.steps.iter().all(|step| step.leaves_alone(&field.key))
        })
    }
}

impl Step {
    fn new(rule: Rule) -> Self {
        let keys = |text: String| text.into_bytes().into();
        match rule {
            Rule::Put { key, value, hard } => {
                Self::Put { key: Name::new(&key), value: packed(&value), hard }
            }
            Rule::Remove(key) => Self::Remove(Keys::Named(keys(key))),
            Rule::RemovePrefix(prefix) => Self::Remove(Keys::Prefixed(keys(prefix))),
            Rule::RemovePattern(pattern) => Self::Remove(Keys::Matching(pattern)),
            Rule::Rename { from, to, hard } => {
                Self::Rename { from: Name::new(&from), to: Name::new(&to), hard }
            }
            Rule::Copy { from, to, hard } => {
                Self::Copy { from: Name::new(&from), to: Name::new(&to), hard }
            }
            Rule::MoveToStart(prefix) => Self::MoveToStart(Keys::Prefixed(keys(prefix))),
            Rule::MoveToEnd(prefix) => Self::MoveToEnd(Keys::Prefixed(keys(prefix))),
        }
    }

    /// Does it, and says whether there was anything to do.
    fn apply<'a>(&'a self, pairs: &mut PairList<'a>) -> bool {
        match self {
            Self::Put { key, value, hard } => {
                if *hard {
                    pairs.remove_key(&key.text);
                } else if pairs.has(&key.text) {
                    return false;
                }
                pairs.push(&key.packed, value);
                true
            }
            Self::Remove(keys) => pairs.remove(|pair| keys.include(pair)),
            Self::Rename { from, to, hard } => rename(pairs, from, to, *hard),
            Self::Copy { from, to, hard } => copy(pairs, from, to, *hard),
            Self::MoveToStart(keys) => pairs.move_to_start(|pair| keys.include(pair)),
            Self::MoveToEnd(keys) => pairs.move_to_end(|pair| keys.include(pair)),
        }
    }

    /// Whether it neither touches a field of this key, which stands last, nor puts one behind it.
    fn leaves_alone(&self, key: &[u8]) -> bool {
        match self {
            Self::Put { .. } | Self::MoveToEnd(_) => false,
            Self::Remove(keys) | Self::MoveToStart(keys) => !keys.include_text(key),
            Self::Rename { from, to, .. } | Self::Copy { from, to, .. } => {
                *from.text != *key && *to.text != *key
            }
        }
    }
}

fn rename<'a>(pairs: &mut PairList<'a>, from: &Name, to: &'a Name, hard: bool) -> bool {
    // Renamed to itself, Fluent Bit loses the field; it must stay.
    let is_other = from.text != to.text;
    if !is_other || !pairs.has(&from.text) || !hard && pairs.has(&to.text) {
        return false;
    }
    pairs.remove_key(&to.text);
    pairs.rename(&from.text, &to.packed);
    true
}

/// Of a key that is there twice, nobody can say which field is meant: nothing is copied then.
fn copy<'a>(pairs: &mut PairList<'a>, from: &Name, to: &'a Name, hard: bool) -> bool {
    let in_the_way = pairs.count(&to.text);
    let is_free = in_the_way == 0 || hard && in_the_way == 1;
    if from.text == to.text || pairs.count(&from.text) != 1 || !is_free {
        return false;
    }
    pairs.remove_key(&to.text);
    pairs.copy(&from.text, &to.packed);
    true
}

impl Name {
    fn new(text: &str) -> Self {
        Self { text: text.as_bytes().into(), packed: packed(text) }
    }
}

impl Keys {
    fn include(&self, pair: &Pair<'_>) -> bool {
        match self {
            // Patterns look at keys that are no bytes, as in Fluent Bit.
            Self::Matching(pattern) => matches(pattern, pair.key),
            Self::Named(_) | Self::Prefixed(_) => {
                pair.key_text().is_some_and(|key| self.include_text(key))
            }
        }
    }

    fn include_text(&self, key: &[u8]) -> bool {
        match self {
            Self::Named(name) => **name == *key,
            Self::Prefixed(prefix) => key.starts_with(prefix),
            Self::Matching(pattern) => matches(pattern, &packed_bytes(key)),
        }
    }
}

fn packed(text: &str) -> Box<[u8]> {
    packed_bytes(text.as_bytes())
}

fn packed_bytes(text: &[u8]) -> Box<[u8]> {
    let mut out = Vec::new();
    Writer::new(&mut out).str(text);
    out.into()
}

#[cfg(test)]
mod tests;

//! Steps 1 and 3, parser: `Format regex`, a field for each named group of a pattern.

use super::Rules;
use super::fields::Fields;
use super::types::{Type, Types};
use crate::record::pattern::Pattern;

/// A pattern and what its groups stand for.
#[derive(Clone, Debug)]
pub(super) struct Regex {
    pattern: Pattern,
    groups: Vec<Group>,
    skip_empty_values: bool,
}

#[derive(Clone, Debug)]
struct Group {
    number: usize,
    key: Box<[u8]>,
    kind: Option<Type>,
    is_time: bool,
    /// There is another of this name.
    is_one_of_several: bool,
}

impl Regex {
    pub(super) fn new(
        pattern: Pattern,
        time_key: Option<&[u8]>,
        types: &Types,
        skip_empty_values: bool,
    ) -> Self {
        let names = pattern.names();
        let count = |name: &str| names.iter().filter(|(other, _)| other == name).count();
        let groups = names.iter().map(|(name, number)| Group {
            number: *number,
            key: name.as_bytes().into(),
            kind: types.get(name.as_bytes()),
            is_time: time_key == Some(name.as_bytes()),
            is_one_of_several: count(name) > 1,
        });
        let groups = groups.collect();
        Self { pattern, groups, skip_empty_values }
    }

    /// Whether there is a group that can become a field.
    pub(super) const fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// A pattern that is found, but none of whose named groups took part, is of no use: as if it
    /// were not found. So is one for which the search was given up.
    pub(super) fn parse(
        &self,
        text: &[u8],
        rules: &Rules<'_>,
        fields: &mut Fields<'_>,
    ) -> Option<()> {
        // The pattern's `.` is a character; to Onigmo a byte that is part of none is one, too.
        let substituted;
        let captures = match self.pattern.captures(text).ok()? {
            Some(captures) => captures,
            None if str::from_utf8(text).is_ok() => return None,
            None => {
                substituted = substitute(text);
                self.pattern.captures(&substituted).ok()??
            }
        };
        let mut took_part = false;
        for group in &self.groups {
            let found = captures.range(group.number).and_then(|range| text.get(range));
            took_part |= found.is_some();
            let value = found.unwrap_or_default();
            let is_other = found.is_none() && group.is_one_of_several;
            if is_other || (value.is_empty() && self.skip_empty_values) {
                continue;
            }
            if let Some(rule) = rules.time.filter(|_| group.is_time) {
                fields.take_time(rule, value, rules.now);
                if !rule.keeps() {
                    continue;
                }
            }
            fields.typed(&group.key, value, group.kind);
        }
        took_part.then_some(())
    }
}

/// The text with U+001A in the place of each byte that is no part of a character: of the same
/// length, so that places in it are places in the text.
fn substitute(text: &[u8]) -> Vec<u8> {
    let mut substituted = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        substituted.extend_from_slice(chunk.valid().as_bytes());
        substituted.extend(chunk.invalid().iter().map(|_| 0x1a));
    }
    substituted
}

//! Step 0, record: what the groups of a pattern matched.
//!
//! Not known here: how the pattern is written, and who asks.

use std::ops::Range;

use super::{BACKTRACK_STEPS_MAX, Lossy, Matcher, Pattern};

/// A search was given up at [`BACKTRACK_STEPS_MAX`] steps back.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("gave up after {BACKTRACK_STEPS_MAX} steps back")]
pub struct StepLimit;

/// What the groups of a pattern matched in a value.
#[derive(Debug)]
pub struct Captures<'t>(Found<'t>);

#[derive(Debug)]
enum Found<'t> {
    Whole(usize, &'t [u8]),
    Groups(fancy_regex::Captures<'t, [u8]>),
    /// Places in a value that is no UTF-8.
    Places(Vec<Option<Range<usize>>>, &'t [u8]),
}

impl Pattern {
    /// Searches the value, and tells what each group matched.
    ///
    /// # Errors
    ///
    /// The search took too many steps.
    pub fn captures<'t>(&self, value: &'t [u8]) -> Result<Option<Captures<'t>>, StepLimit> {
        match &self.matcher {
            Matcher::Literal(finder) => {
                let Some(start) = finder.find(value) else { return Ok(None) };
                let whole = value.get(start..start + finder.needle().len());
                Ok(whole.map(|whole| Captures(Found::Whole(start, whole))))
            }
            Matcher::Regex(search) => {
                if let Some(lossy) = Lossy::of(value) {
                    let text = lossy.as_bytes();
                    let found = search.regex(text).captures(text).map_err(|_| StepLimit)?;
                    let ranges = |found: fancy_regex::Captures<'_, [u8]>| {
                        let groups = found.iter().map(|group| {
                            group.map(|at| lossy.place(at.start())..lossy.place(at.end()))
                        });
                        groups.collect()
                    };
                    return Ok(found.map(|found| Captures(Found::Places(ranges(found), value))));
                }
                let found = search.regex(value).captures(value).map_err(|_| StepLimit)?;
                Ok(found.map(|found| Captures(Found::Groups(found))))
            }
        }
    }

    /// The named groups with their numbers, in the order of the numbers. A name may stand for
    /// several.
    #[must_use]
    pub fn names(&self) -> Vec<(String, usize)> {
        let Matcher::Regex(search) = &self.matcher else { return Vec::new() };
        let names = search.exact.capture_names().enumerate();
        names.filter_map(|(group, name)| Some((name?.to_owned(), group))).collect()
    }

    /// How many groups there are, the whole match not counted.
    #[must_use]
    pub fn groups(&self) -> usize {
        match &self.matcher {
            Matcher::Literal(_) => 0,
            Matcher::Regex(search) => search.exact.captures_len().saturating_sub(1),
        }
    }
}

impl<'t> Captures<'t> {
    /// What a group matched; the whole match for 0. `None`: there is no such group, or it took no
    /// part.
    #[must_use]
    pub fn get(&self, group: usize) -> Option<&'t [u8]> {
        match &self.0 {
            Found::Whole(_, whole) => (group == 0).then_some(*whole),
            Found::Groups(found) => found.get(group).map(|group| group.as_bytes()),
            Found::Places(_, value) => value.get(self.range(group)?),
        }
    }

    /// Where in the value a group matched, as [`Captures::get`].
    #[must_use]
    pub fn range(&self, group: usize) -> Option<Range<usize>> {
        match &self.0 {
            Found::Whole(start, whole) => (group == 0).then_some(*start..start + whole.len()),
            Found::Groups(found) => found.get(group).map(|group| group.start()..group.end()),
            Found::Places(places, _) => places.get(group)?.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups<'t>(pattern: &str, value: &'t str) -> Option<Vec<Option<&'t str>>> {
        let pattern = Pattern::new(pattern).expect("a pattern");
        let captures = pattern.captures(value.as_bytes()).expect("few steps")?;
        let text = |group| captures.get(group).map(|bytes| str::from_utf8(bytes).expect("text"));
        Some((0..=pattern.groups()).map(text).collect())
    }

    #[test]
    fn groups_are_counted_from_the_whole_match_on() {
        let found = groups(r"(\w+)=(\d+)?", "a=1 b=");
        assert_eq!(found, Some(vec![Some("a=1"), Some("a"), Some("1")]));
        assert_eq!(groups(r"(a)|(b)", "b"), Some(vec![Some("b"), None, Some("b")]));
        assert_eq!(groups("literal", "a literal."), Some(vec![Some("literal")]));
        assert_eq!((groups("literal", ""), groups(r"\d+", "x")), (None, None));
    }

    #[test]
    fn a_group_is_where_its_text_is() {
        for pattern in [r"b(c)?", "b"] {
            let pattern = Pattern::new(pattern).expect("a pattern");
            let captures = pattern.captures(b"abd").expect("few steps").expect("found");
            let range = captures.range(0).expect("the whole");
            assert_eq!((range.clone(), captures.get(0)), (1..2, b"abd".get(range)));
            assert_eq!(captures.range(1), None);
        }
    }

    #[test]
    fn a_value_that_is_no_utf_8_gives_its_own_bytes() {
        let pattern = Pattern::new("(?<a>caf.) (?!x)(?<b>.*)").expect("a pattern");
        let captures = pattern.captures(b"a caf\xe9 \xfcb\xe4").expect("few steps").expect("found");
        assert_eq!(captures.get(1), Some(b"caf\xe9".as_slice()));
        assert_eq!(captures.get(2), Some(b"\xfcb\xe4".as_slice()));
        assert_eq!(captures.range(2), Some(7..10));
    }

    #[test]
    fn where_groups_have_names_the_others_do_not_count() {
        let found = groups(r"(?<key>\w)(=)(?<value>\w)", "a=1");
        assert_eq!(found, Some(vec![Some("a=1"), Some("a"), Some("1")]));
        let names = Pattern::new(r"(?<key>\w)(=)(?<value>\w)").expect("a pattern").names();
        assert_eq!(names, [("key".to_owned(), 1), ("value".to_owned(), 2)]);
    }

    #[test]
    fn a_search_that_steps_back_too_often_is_given_up() {
        let pattern = Pattern::new("(?:(x+x+)+)(?=y)z").expect("a pattern");
        let value = format!("{} yz", "x".repeat(40));
        assert_eq!(pattern.captures(value.as_bytes()).map(|_| ()), Err(StepLimit));
    }
}

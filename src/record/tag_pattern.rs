//! Step 0, record: which tags a filter or an output wants (`Match`, `Match_Regex`).
//!
//! Pure. Not known here: who asks, and what happens to chunks that nobody wants.

use memchr::memmem::Finder;

use super::pattern::{Outcome, Pattern, PatternError};

/// A `Match` pattern: `*` stands for any run of bytes, also none, and there is no other wildcard.
/// Case counts, the whole tag must match, and `**` is the same as `*`.
#[derive(Clone, Debug)]
pub struct TagPattern {
    text: String,
    shape: Shape,
}

#[derive(Clone, Debug)]
enum Shape {
    Exact,
    /// The text up to the first `*`, what must follow in this order, and the text after the last.
    Wild {
        start: Box<[u8]>,
        middle: Box<[Finder<'static>]>,
        end: Box<[u8]>,
    },
}

impl TagPattern {
    /// Every text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut parts: Vec<&[u8]> = text.split('*').map(str::as_bytes).collect();
        let shape = match (parts.len(), parts.pop()) {
            (2.., Some(end)) => {
                let (start, middle) =
                    parts.split_first().map_or((&[][..], &[][..]), |(s, m)| (*s, m));
                let middle = middle.iter().filter(|part| !part.is_empty());
                Shape::Wild {
                    start: start.into(),
                    middle: middle.map(|part| Finder::new(*part).into_owned()).collect(),
                    end: end.into(),
                }
            }
            _ => Shape::Exact,
        };
        Self { text: text.to_owned(), shape }
    }

    /// Whether the pattern covers the whole of `tag`. Each byte of the tag is looked at once, but
    /// for the part that the end shares with the last search.
    #[must_use]
    pub fn matches(&self, tag: &[u8]) -> bool {
        match &self.shape {
            Shape::Exact => tag == self.text.as_bytes(),
            Shape::Wild { start, middle, end } => {
                let inner = tag.strip_prefix(&**start).and_then(|rest| rest.strip_suffix(&**end));
                let Some(mut rest) = inner else { return false };
                for part in middle {
                    // The leftmost place leaves the most for the parts that follow.
                    let found = part.find(rest).and_then(|at| rest.get(at + part.needle().len()..));
                    let Some(after) = found else { return false };
                    rest = after;
                }
                true
            }
        }
    }

    /// The pattern as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The tags that a filter or an output wants: those of its `Match` and those of its `Match_Regex`.
#[derive(Clone, Debug, Default)]
pub struct TagMatch {
    pattern: Option<TagPattern>,
    regex: Option<Pattern>,
}

impl TagMatch {
    /// Takes `Match` and `Match_Regex`; with both, either suffices; with neither, no tag is wanted.
    ///
    /// # Errors
    ///
    /// The regular expression is none.
    pub fn new(pattern: Option<&str>, regex: Option<&str>) -> Result<Self, PatternError> {
        let regex = regex.map(Pattern::anchored).transpose()?;
        Ok(Self { pattern: pattern.map(TagPattern::new), regex })
    }

    /// Wants every tag.
    #[must_use]
    pub fn everything() -> Self {
        Self { pattern: Some(TagPattern::new("*")), regex: None }
    }

    /// Wants none.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Whether `tag` is wanted. A regular expression must match at the start of the tag and take
    /// at least one byte of it; one that is given up ([`Outcome::StepLimit`]) does not match.
    #[must_use]
    pub fn matches(&self, tag: &[u8]) -> bool {
        self.pattern.as_ref().is_some_and(|pattern| pattern.matches(tag))
            || self.regex.as_ref().is_some_and(|regex| regex.is_prefix(tag) == Outcome::Match)
    }

    /// Whether no tag can match.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.pattern.is_none() && self.regex.is_none()
    }

    /// The wildcard pattern, as it was given.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.pattern.as_ref().map(TagPattern::as_str)
    }

    /// The regular expression, as it was given.
    #[must_use]
    pub fn regex(&self) -> Option<&str> {
        self.regex.as_ref().map(Pattern::as_str)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(pattern: &str, tag: &str) -> bool {
        TagPattern::new(pattern).matches(tag.as_bytes())
    }

    #[test]
    fn a_star_stands_for_any_run_anywhere() {
        assert!(
            covers("app-firelens*", "app-firelens-3de392")
                && covers("*", "")
                && covers("**", "x.y")
        );
        assert!(covers("a*c", "abc") && covers("a*c", "ac") && covers("*.web.*", "x.web.y"));
        assert!(!covers("a*c", "abcd") && !covers("a*a", "a") && !covers("*.web.*", "x.web"));
        assert!(covers("*a*a*", "aa") && !covers("*a*a*", "a"), "no byte counts twice");
    }

    #[test]
    fn case_counts_and_the_whole_tag_must_match() {
        assert!(covers("app", "app") && !covers("app", "App") && !covers("app", "app.x"));
        assert!(!covers("", "a") && covers("", ""), "an empty pattern is an empty tag");
        assert!(!covers("a?c", "abc") && covers("a?c", "a?c"), "no other wildcard");
    }

    #[test]
    fn with_match_and_match_regex_either_suffices() {
        let both = TagMatch::new(Some("app*"), Some("^web")).unwrap();
        assert!(both.matches(b"app.1") && both.matches(b"web.1") && !both.matches(b"x.web"));
        assert!(!TagMatch::nothing().matches(b"") && TagMatch::everything().matches(b"\xFF"));
        assert!(TagMatch::new(None, Some("(")).is_err());
    }

    /// The naive twin: tries every length for each star.
    fn slow(pattern: &[u8], tag: &[u8]) -> bool {
        match pattern.split_first() {
            None => tag.is_empty(),
            Some((b'*', rest)) => (0..=tag.len()).any(|n| slow(rest, &tag[n..])),
            Some((c, rest)) => tag.first() == Some(c) && slow(rest, &tag[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_trying_every_length(pattern in "[ab*]{0,8}", tag in "[ab]{0,10}") {
            prop_assert_eq!(covers(&pattern, &tag), slow(pattern.as_bytes(), tag.as_bytes()));
        }
    }
}

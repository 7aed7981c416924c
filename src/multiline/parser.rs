//! Around the path, multiline: what a multiline parser is, and how it joins lines.

use std::sync::Arc;
use std::time::Duration;

use super::rules::{Rules, Step};
use crate::parser as fields;

/// How long lines wait where the parser has no `flush_timeout`. Fluent Bit's
/// `FLB_ML_FLUSH_TIMEOUT`. The filter `multiline` has a time of its own.
pub const FLUSH_TIMEOUT: Duration = Duration::from_millis(4_000);

/// A multiline parser: built in, or a `[MULTILINE_PARSER]`.
#[derive(Clone, Debug)]
pub struct Parser {
    /// Its name as written; names are compared without case.
    pub name: String,
    /// How it tells which lines belong together.
    pub kind: Kind,
    /// What takes a line apart first: the record is what comes of that, and the line is a field
    /// of it. A line that it does not take is none of this parser's.
    pub fields: Option<Arc<fields::Parser>>,
    /// The key whose text is a line, unless whoever uses the parser names another one.
    pub key_content: Option<String>,
    /// The key whose text is looked at instead of the line's, by `endswith` and `equal`.
    pub key_pattern: Option<String>,
    /// The key whose text tells apart lines that come mixed, such as `stream`.
    pub key_group: Option<String>,
    /// How long lines wait for the next one where the user of the parser has no such option.
    pub flush_timeout: Duration,
}

/// How a parser tells which lines belong together.
#[derive(Clone, Debug)]
pub enum Kind {
    /// `regex`: by states and what the lines in them look like.
    Regex(Rules),
    /// `endswith`: a line that ends so is the last one.
    EndsWith(Mark),
    /// `equal`: a line, or the text under `key_pattern`, that is this is the last one.
    Equal(Mark),
}

/// What is compared with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Mark {
    /// `match_string`.
    pub text: String,
    /// `negate`: what does not compare is the last line.
    pub negate: bool,
}

/// How a line is put behind those before it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Join {
    /// With a newline between them, unless there is one.
    Lines,
    /// As it is: the parts of a line that was cut.
    Parts,
}

impl Kind {
    /// What a line of this text is to the group before it. `pattern` is the text under
    /// `key_pattern`. `None`: the parser does not take it.
    #[must_use]
    pub(super) fn step(
        &self,
        before: Before,
        content: &[u8],
        pattern: Option<&[u8]>,
    ) -> Option<Step> {
        let compared = pattern.unwrap_or(content);
        let step = |ends| Step { rule: 0, begins: !before.is_open, ends };
        match self {
            Self::Regex(rules) => rules.step(before.state, content),
            Self::EndsWith(Mark { text, negate }) => (compared.len() >= text.len())
                .then(|| step(compared.ends_with(text.as_bytes()) != *negate)),
            Self::Equal(Mark { text, negate }) => {
                Some(step((compared == text.as_bytes()) != *negate))
            }
        }
    }

    /// How it joins the lines of records.
    #[must_use]
    pub fn join(&self) -> Join {
        match self {
            Self::Regex(_) => Join::Lines,
            Self::EndsWith(_) | Self::Equal(_) => Join::Parts,
        }
    }
}

/// What was before a line.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Before {
    /// The rule that the last line matched.
    pub(super) state: Option<usize>,
    /// Lines wait for this one.
    pub(super) is_open: bool,
}

impl Join {
    /// Puts `line` behind `text`.
    pub fn append(self, text: &mut Vec<u8>, line: &[u8]) {
        if self == Self::Lines {
            if text.last().is_some_and(|last| *last != b'\n') {
                text.push(b'\n');
            }
            // An empty line is a newline of its own, also where nothing follows it.
            if line.is_empty() {
                text.push(b'\n');
            }
        }
        text.extend_from_slice(line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(join: Join, lines: &[&str]) -> String {
        let mut text = Vec::new();
        if let Some((first, rest)) = lines.split_first() {
            text.extend_from_slice(first.as_bytes());
            rest.iter().for_each(|line| join.append(&mut text, line.as_bytes()));
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn lines_are_joined_by_one_newline_and_an_empty_one_is_kept() {
        assert_eq!(joined(Join::Lines, &["a", "b"]), "a\nb");
        assert_eq!(joined(Join::Lines, &["a\n", "b\n", "c"]), "a\nb\nc");
        assert_eq!(joined(Join::Lines, &["a", "", "b"]), "a\n\nb");
        assert_eq!(joined(Join::Lines, &["a", "", "", "b"]), "a\n\n\nb");
        assert_eq!(joined(Join::Parts, &["a", "", "b"]), "ab");
    }

    fn step(
        kind: &Kind,
        is_open: bool,
        content: &str,
        pattern: Option<&str>,
    ) -> Option<(bool, bool)> {
        let before = Before { state: None, is_open };
        let step = kind.step(before, content.as_bytes(), pattern.map(str::as_bytes))?;
        Some((step.begins, step.ends))
    }

    #[test]
    fn endswith_ends_where_the_text_ends_so_and_does_not_take_what_is_shorter() {
        let mark = |negate| Kind::EndsWith(Mark { text: "\\\n".to_owned(), negate });
        assert_eq!(step(&mark(false), false, "x\\\n", None), Some((true, true)));
        assert_eq!(step(&mark(false), true, "xy", None), Some((false, false)));
        assert_eq!(step(&mark(true), true, "x\\\n", None), Some((false, false)));
        assert_eq!(step(&mark(true), true, "xy", None), Some((false, true)));
        assert_eq!(step(&mark(true), true, "x", None), None);
    }

    #[test]
    fn equal_looks_at_the_key_for_the_pattern_where_there_is_one() {
        let kind = Kind::Equal(Mark { text: "F".to_owned(), negate: false });
        assert_eq!(step(&kind, false, "F", Some("P")), Some((true, false)));
        assert_eq!(step(&kind, true, "x", Some("F")), Some((false, true)));
        assert_eq!(step(&kind, true, "F", None), Some((false, true)));
    }
}

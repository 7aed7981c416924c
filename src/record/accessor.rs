//! Where in a record a value is: `$log['level'][0]`.
//!
//! Reference: Fluent Bit's manual, "Record Accessor"; `flb_record_accessor.c`, `ra.y`. Must not know
//! who asks, or what the value is for.

use std::fmt;

use super::fields::SharedFields;
use super::map;
use super::msgpack::Reader;

/// Most keys and indexes in a path, inclusive.
pub const PATH_STEPS_MAX: usize = 32;

/// What ends the first key, outside of quotes.
const KEY_ENDS: [char; 6] = ['.', ' ', ',', '"', '[', '\t'];

/// A path to a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accessor {
    root: Box<str>,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Key(Box<str>),
    Index(u32),
}

/// Where a value was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Found<'a> {
    /// In the record, as msgpack.
    Own(&'a [u8]),
    /// Among the fields that follow it, which are text.
    Shared(&'a [u8]),
}

/// Why a text is no path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AccessorError {
    /// Nothing where the first key should be.
    #[error("expected a key such as log or $log['level']")]
    Empty,
    /// A bracket that holds neither a name in quotes nor a number.
    #[error("expected ['name'] or [0] after the key, from byte {position} on")]
    Unclosed {
        /// From the start of the text.
        position: usize,
    },
    /// More steps than [`PATH_STEPS_MAX`].
    #[error("more than {max} keys in one path")]
    TooDeep {
        /// The limit.
        max: usize,
    },
}

impl Accessor {
    /// Reads `log`, `$log` and `$log['a'][0]`. A dot, a comma, a blank or a quote ends the first
    /// key, and the path with it; `''` within the quotes is a quote.
    ///
    /// # Errors
    ///
    /// The text does not begin with a path.
    pub fn parse(text: &str) -> Result<Self, AccessorError> {
        let plain = text.strip_prefix('$').unwrap_or(text);
        let end = plain.find(KEY_ENDS).unwrap_or(plain.len());
        Self::begin(plain, end).map(|(accessor, _)| accessor).map_err(|error| match error {
            AccessorError::Unclosed { position } => {
                AccessorError::Unclosed { position: position + text.len() - plain.len() }
            }
            AccessorError::Empty | AccessorError::TooDeep { .. } => error,
        })
    }

    /// Reads `$log['a'][0]` as [`Accessor::parse`] does. Without the `$` the whole text is the key,
    /// its dots and brackets too: so `modify`, `type_converter` and `expect` take their keys.
    ///
    /// # Errors
    ///
    /// The text begins with a `$` and not with a path, or is empty.
    pub fn plain_or_path(text: &str) -> Result<Self, AccessorError> {
        match text {
            "" => Err(AccessorError::Empty),
            text if text.starts_with('$') => Self::parse(text),
            text => Ok(Self { root: text.into(), steps: Vec::new() }),
        }
    }

    /// Takes `key_bytes` of `text` as the first key; the brackets that follow belong to the path.
    /// What is left of the text comes back with it.
    pub(super) fn begin(text: &str, key_bytes: usize) -> Result<(Self, &str), AccessorError> {
        let (root, mut rest) = text.split_at_checked(key_bytes).unwrap_or((text, ""));
        if root.is_empty() {
            return Err(AccessorError::Empty);
        }
        let mut steps = Vec::new();
        while let Some(inside) = rest.strip_prefix('[') {
            let position = text.len() - rest.len();
            let (step, after) = step(inside).ok_or(AccessorError::Unclosed { position })?;
            if steps.len() + 1 == PATH_STEPS_MAX {
                return Err(AccessorError::TooDeep { max: PATH_STEPS_MAX });
            }
            steps.push(step);
            rest = after;
        }
        Ok((Self { root: root.into(), steps }, rest))
    }

    /// The first key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.root
    }

    /// Whether it leads into the value of the first key.
    #[must_use]
    pub fn is_nested(&self) -> bool {
        !self.steps.is_empty()
    }

    /// The value, as msgpack. Of equal keys the last one counts. Where the first key's value is
    /// neither map nor array, it is the value, whatever steps follow: so Fluent Bit has it
    /// (`flb_ra_key.c`).
    #[must_use]
    pub fn get<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let value = map::get(record, self.root.as_bytes())?;
        let is_container = matches!(value.first()?, 0x80..=0x9f | 0xdc..=0xdf);
        if !is_container {
            return Some(value);
        }
        self.steps.iter().try_fold(value, |value, step| match step {
            Step::Key(key) => map::get(value, key.as_bytes()),
            Step::Index(index) => element(value, *index),
        })
    }

    /// The value, of a record that is followed by these fields.
    #[must_use]
    pub fn find<'a>(&self, record: &'a [u8], shared: &'a SharedFields) -> Option<Found<'a>> {
        // Shared fields are text: a path into one is the text, as in `get`.
        match (self.get(record), shared.get(self.root.as_bytes())) {
            (_, Some(field)) if !field.yields => Some(Found::Shared(&field.value)),
            (None, Some(field)) => Some(Found::Shared(&field.value)),
            (own, _) => own.map(Found::Own),
        }
    }

    /// The value if it is text, of a record that is followed by these fields.
    #[must_use]
    pub fn text<'a>(&self, record: &'a [u8], shared: &'a SharedFields) -> Option<&'a [u8]> {
        match self.find(record, shared)? {
            Found::Own(value) => map::text(value),
            Found::Shared(text) => Some(text),
        }
    }
}

/// As it is written: `log['level'][0]`.
impl fmt::Display for Accessor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Key(key) => write!(f, "['{}']", key.replace('\'', "''")),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

/// `'name']` or `0]`: what it says, and what follows.
fn step(text: &str) -> Option<(Step, &str)> {
    if let Some((digits, after)) = text.split_once(']')
        && let Ok(index) = digits.parse()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some((Step::Index(index), after));
    }
    let (key, after) = quoted(text)?;
    Some((Step::Key(key.into()), after.strip_prefix(']')?))
}

/// `'name'`: the name, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut key = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        key.push_str(part);
        let Some(more) = after.strip_prefix('\'') else { return Some((key, after)) };
        key.push('\'');
        rest = more;
    }
}

/// An element of an array.
fn element(value: &[u8], index: u32) -> Option<&[u8]> {
    let mut reader = Reader::new(value);
    let elements = reader.array_header().ok()?;
    if index >= elements {
        return None;
    }
    for _ in 0..index {
        reader.skip_value().ok()?;
    }
    reader.skip_value().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fields::SharedField;

    /// `{"a": "x", "m": {"l": ["p", "q"], "it's": "y"}}`
    const RECORD: &[u8] = b"\x82\xa1a\xa1x\xa1m\x82\xa1l\x92\xa1p\xa1q\xa4it's\xa1y";

    fn found(text: &str) -> Option<&'static [u8]> {
        Accessor::parse(text).expect("a path").get(RECORD).and_then(map::text)
    }

    #[test]
    fn a_path_leads_through_keys_and_elements() {
        assert_eq!(found("a"), Some(b"x".as_slice()));
        assert_eq!(found("$m['l'][1]"), Some(b"q".as_slice()));
        assert_eq!(found("$m['it''s']"), Some(b"y".as_slice()));
        let written = Accessor::parse("$m['it''s'][0]").expect("a path").to_string();
        assert_eq!(written, "m['it''s'][0]");
        assert_eq!(
            (found("$m['l'][2]"), found("$m[0]"), found("$m['l']['x']")),
            (None, None, None)
        );
    }

    #[test]
    fn a_path_into_a_text_is_the_text_but_only_behind_the_first_key() {
        assert_eq!(found("$a['b'][0]"), Some(b"x".as_slice()));
        assert_eq!(found("$m['it''s']['b']"), None);
    }

    #[test]
    fn without_a_dollar_the_whole_text_may_be_the_key() {
        let key = |text| Accessor::plain_or_path(text).map(|path| path.key().to_owned());
        assert_eq!(key("a.b['c']").as_deref(), Ok("a.b['c']"));
        assert_eq!(key("$a.b").as_deref(), Ok("a"));
        assert_eq!((key(""), key("$")), (Err(AccessorError::Empty), Err(AccessorError::Empty)));
    }

    #[test]
    fn a_dot_a_comma_a_blank_or_a_quote_ends_the_path() {
        for text in ["$a.b", "$a,b", "a b", "$a\"b"] {
            assert_eq!(Accessor::parse(text).expect("a path").key(), "a", "{text}");
        }
        assert_eq!(Accessor::parse("my-key/1").expect("a path").key(), "my-key/1");
    }

    #[test]
    fn what_is_no_path_is_refused_with_its_place() {
        for text in ["", "$", "['a']", "$['a']"] {
            assert_eq!(Accessor::parse(text), Err(AccessorError::Empty), "{text}");
        }
        let unclosed = |position| Err(AccessorError::Unclosed { position });
        assert_eq!(Accessor::parse("$k['a'][\"b\"]"), unclosed(7));
        assert_eq!(Accessor::parse("k[-1]"), unclosed(1));
        assert_eq!(Accessor::parse("k[4294967296]"), unclosed(1));
        let deep = |steps: usize| Accessor::parse(&format!("k{}", "['a']".repeat(steps - 1)));
        assert!(deep(PATH_STEPS_MAX).is_ok() && deep(PATH_STEPS_MAX + 1).is_err());
    }

    #[test]
    fn a_shared_field_counts_for_the_last_unless_it_yields() {
        let shared = |yields| {
            SharedFields::new(vec![SharedField {
                key: (*b"a").into(),
                value: (*b"shared").into(),
                yields,
            }])
        };
        let path = Accessor::parse("a").expect("a path");
        assert_eq!(path.text(RECORD, &shared(false)), Some(b"shared".as_slice()));
        assert_eq!(path.text(RECORD, &shared(true)), Some(b"x".as_slice()));
        assert_eq!(path.text(b"\x80", &shared(true)), Some(b"shared".as_slice()));
        assert_eq!(path.text(b"\x81\xa1a\x05", &shared(true)), None, "a number is no text");
        let nested = Accessor::parse("$a['b']").expect("a path");
        assert_eq!(nested.text(b"\x80", &shared(false)), Some(b"shared".as_slice()));
    }

    proptest::proptest! {
        #[test]
        fn no_path_and_no_record_make_it_panic(
            text in "[$a\\['\\]0é]{0,12}",
            record in proptest::collection::vec(proptest::num::u8::ANY, 0..24),
        ) {
            if let Ok(path) = Accessor::parse(&text) {
                let _ = path.get(&record);
            }
        }
    }
}

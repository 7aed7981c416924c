//! Steps 1 and 3, parser: `Decode_Field_As` and `Decode_Field`, which read the text of a field once more.
//!
//! The first puts what it reads in the field's place; the second leaves the field and appends what
//! it reads to the record. Meaning as in Fluent Bit (`src/flb_parser_decoder.c`). Not known here:
//! how the fields were found.

use std::borrow::Cow;

use super::{escape, json};
use crate::record::map;
use crate::record::msgpack::{Reader, Writer};

/// What is done with which fields.
#[derive(Clone, Debug, Default)]
pub(super) struct Decoders(Vec<(Box<[u8]>, Vec<Rule>)>);

/// One line of the configuration.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Rule {
    target: Target,
    encoding: Encoding,
    then: Then,
}

/// Where the fields go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Target {
    /// `Decode_Field_As`: in the place of the text.
    InPlace,
    /// `Decode_Field`: to the end of the record.
    Appended,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Encoding {
    Json,
    Escaped,
    EscapedUtf8,
    MysqlQuoted,
}

/// When the next rule of the same field is applied.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Then {
    /// Never.
    Stop,
    /// If this one failed.
    TryNext,
    /// In any case.
    DoNext,
}

/// Why a line has no effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Oddity {
    /// Fewer than two words.
    #[error("has no effect, expected DECODER FIELD")]
    Incomplete,
    /// No such decoder.
    #[error("has no effect, expected one of json, escaped, escaped_utf8, mysql_quoted as decoder")]
    Unknown,
    /// Text that would be appended.
    #[error("has no effect, only json can be appended; expected Decode_Field_As")]
    NotAppendable,
}

/// A text that was read once more.
#[derive(Debug)]
enum Decoded {
    Text(Vec<u8>),
    Object { pairs: Vec<u8>, count: u32 },
}

impl Decoders {
    /// Adds a rule: `DECODER FIELD`, with `try_next` or `do_next` behind it.
    ///
    /// # Errors
    ///
    /// The text is no rule, and nothing was added.
    pub(super) fn add(&mut self, target: Target, text: &str) -> Result<(), Oddity> {
        let mut words = text.split_ascii_whitespace();
        let (Some(encoding), Some(key)) = (words.next(), words.next()) else {
            return Err(Oddity::Incomplete);
        };
        let encoding = Encoding::parse(encoding).ok_or(Oddity::Unknown)?;
        if target == Target::Appended && encoding != Encoding::Json {
            return Err(Oddity::NotAppendable);
        }
        let then = match words.next() {
            Some(word) if word.eq_ignore_ascii_case("try_next") => Then::TryNext,
            Some(word) if word.eq_ignore_ascii_case("do_next") => Then::DoNext,
            _ => Then::Stop,
        };
        let rule = Rule { target, encoding, then };
        match self.0.iter_mut().find(|(known, _)| **known == *key.as_bytes()) {
            Some((_, rules)) => rules.push(rule),
            None => self.0.push((key.as_bytes().into(), vec![rule])),
        }
        Ok(())
    }

    fn rules(&self, key: &[u8]) -> Option<&[Rule]> {
        self.0.iter().find(|(known, _)| **known == *key).map(|(_, rules)| rules.as_slice())
    }

    /// Decodes the pairs in `out` from `start` on and returns how many they are then.
    pub(super) fn decode(&self, out: &mut Vec<u8>, start: usize, pairs: u32) -> u32 {
        if self.0.is_empty() {
            return pairs;
        }
        // Nothing is decoded without a copy: a record that has such a field pays for it.
        let parsed = out.split_off(start.min(out.len()));
        let (mut appended, mut added) = (Vec::new(), 0_u32);
        let mut reader = Reader::new(&parsed);
        while let Some(pair) = map::next_pair(&mut reader) {
            out.extend_from_slice(pair.key);
            let rules = pair.key_text().and_then(|key| self.rules(key));
            let Some((rules, text)) = rules.zip(map::text(pair.value)) else {
                out.extend_from_slice(pair.value);
                continue;
            };
            let (in_place, extra) = apply(rules, text);
            match in_place {
                None => out.extend_from_slice(pair.value),
                Some(Decoded::Text(text)) => Writer::new(out).str(&text),
                Some(Decoded::Object { pairs, count }) => {
                    let mut writer = Writer::new(out);
                    writer.map_header(count);
                    writer.raw(&pairs);
                }
            }
            if let Some((pairs, count)) = extra {
                appended.extend_from_slice(&pairs);
                added = added.saturating_add(count);
            }
        }
        out.extend_from_slice(&appended);
        pairs.saturating_add(added)
    }
}

/// Applies the rules of a field to its text: what takes its place, and what is appended.
fn apply(rules: &[Rule], text: &[u8]) -> (Option<Decoded>, Option<(Vec<u8>, u32)>) {
    let mut text = Cow::Borrowed(text);
    let (mut in_place, mut appended) = (None, None);
    for rule in rules {
        let is_done = rule.target == Target::Appended && rule.then == Then::DoNext;
        if (is_done && appended.is_some()) || matches!(in_place, Some(Decoded::Object { .. })) {
            continue;
        }
        let Some(decoded) = rule.encoding.decode(&text) else {
            if rule.then == Then::Stop {
                break;
            }
            continue;
        };
        match (rule.target, decoded) {
            (Target::InPlace, decoded) => {
                if let Decoded::Text(decoded) = &decoded {
                    text = Cow::Owned(decoded.clone());
                }
                in_place = Some(decoded);
            }
            (Target::Appended, Decoded::Object { pairs, count }) => appended = Some((pairs, count)),
            (Target::Appended, Decoded::Text(_)) => {}
        }
        if rule.then != Then::DoNext {
            break;
        }
    }
    (in_place, appended)
}

impl Encoding {
    fn parse(text: &str) -> Option<Self> {
        let encodings = [
            ("json", Self::Json),
            ("escaped", Self::Escaped),
            ("escaped_utf8", Self::EscapedUtf8),
            ("mysql_quoted", Self::MysqlQuoted),
        ];
        let found = encodings.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
        found.map(|(_, encoding)| *encoding)
    }

    fn decode(self, text: &[u8]) -> Option<Decoded> {
        let mut out = Vec::new();
        match self {
            Self::Json => {
                let count = json::object(text, &mut out)?;
                return Some(Decoded::Object { pairs: out, count });
            }
            Self::Escaped => escape::undo(text, &mut out),
            Self::EscapedUtf8 => escape::undo_utf8(text, &mut out),
            Self::MysqlQuoted => escape::undo_mysql(text, &mut out),
        }
        Some(Decoded::Text(out))
    }
}

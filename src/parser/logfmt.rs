//! Steps 1 and 3, parser: `Format logfmt`, `key=value key="a value" key`
//! (<https://brandur.org/logfmt>).
//!
//! Fluent Bit drops what follows the first line; here a text of several lines is none of the
//! format.

use super::Rules;
use super::escape;
use super::fields::Fields;
use super::ltsv::line;

/// What stands behind a key.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    /// Nothing at all.
    Bare,
    /// `=` and text up to the next blank.
    Plain(&'a [u8]),
    /// `=` and text in quotes.
    Quoted(&'a [u8]),
}

pub(super) fn parse(
    text: &[u8],
    takes_bare_keys: bool,
    rules: &Rules<'_>,
    fields: &mut Fields<'_>,
) -> Option<()> {
    let mut rest = line(text)?;
    loop {
        let garbage = rest.iter().take_while(|byte| !is_word(byte)).count();
        let (key, after) = word(rest.get(garbage..)?);
        if key.is_empty() {
            break;
        }
        let (value, after) = value(after);
        rest = after;
        if matches!(value, Value::Bare) && !takes_bare_keys {
            return None;
        }
        let told = value.text();
        if let Some(rule) = rules.time.filter(|rule| rule.key() == key && !told.is_empty()) {
            if !fields.take_time(rule, told, rules.now) {
                return None;
            }
            if !rule.keeps() {
                continue;
            }
        }
        if rules.types.is_empty() {
            write(key, value, fields);
        } else {
            // Once one field has a type, Fluent Bit takes all others as they are written.
            fields.typed(key, told, rules.types.get(key));
        }
    }
    (fields.pairs > 0).then_some(())
}

fn write(key: &[u8], value: Value<'_>, fields: &mut Fields<'_>) {
    let mut writer = fields.key(key);
    match value {
        Value::Bare | Value::Plain([]) => writer.bool(true),
        Value::Quoted(text) if text.contains(&b'\\') => {
            writer.str_with(|out| escape::undo_utf8(text, out));
        }
        Value::Quoted(text) | Value::Plain(text) => writer.str(text),
    }
}

impl<'a> Value<'a> {
    const fn text(self) -> &'a [u8] {
        match self {
            Self::Bare => b"",
            Self::Plain(text) | Self::Quoted(text) => text,
        }
    }
}

/// The value behind a key, and what follows it.
fn value(text: &[u8]) -> (Value<'_>, &[u8]) {
    let Some(text) = text.strip_prefix(b"=") else { return (Value::Bare, text) };
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (plain, rest) = word(text);
        return (Value::Plain(plain), rest);
    };
    let mut end = 0;
    loop {
        let rest = quoted.get(end..).unwrap_or_default();
        let Some(next) = memchr::memchr2(b'"', b'\\', rest) else {
            break (Value::Quoted(quoted), b"");
        };
        end += next;
        if quoted.get(end) == Some(&b'"') {
            let (text, rest) = quoted.split_at_checked(end).unwrap_or((quoted, b""));
            break (Value::Quoted(text), rest.get(1..).unwrap_or_default());
        }
        end += 2;
    }
}

/// The word at the start, and what follows it.
fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let length = text.iter().take_while(|byte| is_word(byte)).count();
    text.split_at_checked(length).unwrap_or((text, b""))
}

const fn is_word(byte: &u8) -> bool {
    *byte > b' ' && !matches!(byte, b'=' | b'"')
}

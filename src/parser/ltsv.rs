//! Steps 1 and 3, parser: `Format ltsv`, `label:value` with tabs between (<http://ltsv.org>).
//!
//! Fluent Bit drops what follows the first part that is no such field; here such a text is none of
//! the format.

use super::Rules;
use super::fields::Fields;

pub(super) fn parse(text: &[u8], rules: &Rules<'_>, fields: &mut Fields<'_>) -> Option<()> {
    for part in line(text)?.split(|byte| *byte == b'\t').filter(|part| !part.is_empty()) {
        let (label, value) = part.split_at_checked(memchr::memchr(b':', part)?)?;
        let value = value.get(1..)?;
        if label.is_empty() || !label.iter().all(is_label) || memchr::memchr(0, value).is_some() {
            return None;
        }
        if let Some(rule) = rules.time.filter(|rule| rule.key() == label && !value.is_empty()) {
            if !fields.take_time(rule, value, rules.now) {
                return None;
            }
            if !rule.keeps() {
                continue;
            }
        }
        fields.typed(label, value, rules.types.get(label));
    }
    (fields.pairs > 0).then_some(())
}

/// The first line, if nothing but white space follows.
pub(super) fn line(text: &[u8]) -> Option<&[u8]> {
    let end = memchr::memchr2(b'\r', b'\n', text).unwrap_or(text.len());
    let (line, rest) = text.split_at_checked(end)?;
    rest.iter().all(u8::is_ascii_whitespace).then_some(line)
}

const fn is_label(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

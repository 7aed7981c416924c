//! Steps 1 and 3, parser: `Format json`, a text that is one JSON object and nothing else.
//!
//! Fluent Bit drops what follows the object; here such a text is none of the format.

use super::Rules;
use super::fields::Fields;
use crate::record::chunk::RECORD_DEPTH_MAX;
use crate::record::json_in::Transcoder;
use crate::record::map;
use crate::record::msgpack::Reader;

pub(super) fn parse(text: &[u8], fields: &mut Fields<'_>) -> Option<()> {
    fields.pairs = object(text, fields.out)?;
    Some(())
}

/// Appends the pairs of an object as msgpack and returns how many they are. `None`: the text is
/// not one object, and `out` is as before.
pub(super) fn object(text: &[u8], out: &mut Vec<u8>) -> Option<u32> {
    let start = out.len();
    let object = Transcoder::strict(RECORD_DEPTH_MAX).transcode_pairs(text, out).ok()?;
    let rest = text.get(object.end..)?;
    if !rest.iter().all(u8::is_ascii_whitespace) {
        out.truncate(start);
        return None;
    }
    Some(object.pairs)
}

/// Reads the time of the first field of its name, and takes that away unless it is to be kept. A
/// time that is no text is none.
pub(super) fn take_time(start: usize, rules: &Rules<'_>, fields: &mut Fields<'_>) {
    let Some(rule) = rules.time else { return };
    let msgpack = std::mem::take(fields.out);
    let mut reader = Reader::new(msgpack.get(start..).unwrap_or_default());
    let mut place = start;
    let mut found = None;
    while let Some(pair) = map::next_pair(&mut reader) {
        let end = msgpack.len() - reader.rest().len();
        if pair.key_text() == Some(rule.key()) {
            let fits = map::text(pair.value).map(|text| fields.take_time(rule, text, rules.now));
            found = fits.filter(|fits| *fits).map(|_| place..end);
            break;
        }
        place = end;
    }
    *fields.out = msgpack;
    if let Some(range) = found.filter(|_| !rule.keeps()) {
        fields.out.drain(range);
        fields.pairs = fields.pairs.saturating_sub(1);
    }
}

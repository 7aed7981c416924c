//! The fields that all records of a chunk share, escaped once for all of them.

use crate::record::fields::SharedFields;
use crate::record::map::Pair;

use super::json::Json;

/// The shared fields of the last record, escaped once for all records that have the same.
#[derive(Debug, Default)]
pub(super) struct SharedText {
    pub(super) of: SharedFields,
    pub(super) fields: Vec<FieldText>,
    /// All of `fields`, where none repeats another's key and none yields.
    pub(super) joined: Option<FieldText>,
}

/// `"key":"value"` as it stands in the body, and how many bytes it has in the message.
#[derive(Clone, Debug, Default)]
pub(super) struct FieldText {
    pub(super) body: Vec<u8>,
    pub(super) bytes: usize,
}

impl SharedText {
    /// Whether it is new: it was of other fields.
    pub(super) fn make(&mut self, shared: &SharedFields) -> bool {
        if self.of.is_same(shared) {
            return false;
        }
        let text = |key: &[u8], value: &[u8]| {
            let mut field = FieldText::default();
            let mut json = Json::new(&mut field.body);
            json.string(key);
            json.raw(b":");
            json.string(value);
            field.bytes = json.bytes();
            field
        };
        let slice = shared.as_slice();
        self.fields = slice.iter().map(|field| text(&field.key, &field.value)).collect();
        let plain = slice.iter().enumerate().all(|(at, field)| {
            !field.yields && slice.iter().skip(at + 1).all(|later| later.key != field.key)
        });
        self.joined = (plain && !slice.is_empty()).then(|| self.join());
        self.of = shared.clone();
        true
    }

    fn join(&self) -> FieldText {
        let mut joined = FieldText::default();
        for field in &self.fields {
            if !joined.body.is_empty() {
                joined.body.push(b',');
                joined.bytes += 1;
            }
            joined.body.extend_from_slice(&field.body);
            joined.bytes += field.bytes;
        }
        joined
    }

    /// Whether a shared field takes the place of this one of a record's own.
    pub(super) fn replaces_key_of(&self, pair: &Pair<'_>) -> bool {
        let replaces =
            |key: &[u8]| self.of.as_slice().iter().any(|field| !field.yields && *field.key == *key);
        pair.key_text().is_some_and(replaces)
    }
}

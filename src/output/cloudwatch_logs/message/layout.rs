//! The keys of a record, escaped once for all records that have the same ones in the same order.
//!
//! The records of a container have the same keys, and so do most of those beside them. What stands
//! between their values in the body is then always the same: found by one comparison a key, it is
//! copied. Which of equal keys counts and which shared field takes a key's place is decided once.

use crate::record::map::{self, Pair};
use crate::record::msgpack::Reader;

use super::json::{Json, PAIRS_INLINE};
use super::shared::SharedText;

/// Layouts that are kept: containers of a task write few kinds of records.
pub(super) const LAYOUTS_MAX: usize = 4;
/// A layout of more bytes is not kept: 1 MB of keys is no kind of record.
const LAYOUT_BYTES_MAX: usize = 16_384;

/// The layouts of the last kinds of records, all with the same shared fields.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    layouts: Vec<Layout>,
    /// The place of the one that was right for the last record.
    last: usize,
}

/// One kind of record.
#[derive(Debug, Default)]
struct Layout {
    keys: Vec<Key>,
    /// The keys as they are packed, one behind the other.
    packed: Vec<u8>,
    /// What stands before each value in the body, one behind the other, and behind the last one: the
    /// shared fields, and the end of the map.
    text: Vec<u8>,
    /// Bytes of the message that are no values.
    bytes: usize,
}

/// One key of a layout: where its bytes and its text end.
#[derive(Clone, Copy, Debug)]
struct Key {
    packed_end: usize,
    text_end: usize,
    /// Whether its value is written: not that of a key that comes again, or that a shared field replaces.
    is_written: bool,
}

impl Layouts {
    /// Forgets all of them: the shared fields are others.
    pub(super) fn clear(&mut self) {
        self.layouts.clear();
    }

    /// Writes a map of at most [`PAIRS_INLINE`] pairs whose header was read. `None`: its bytes are no whole map.
    pub(super) fn write(
        &mut self,
        pairs: &Reader<'_>,
        count: usize,
        shared: &SharedText,
        json: &mut Json<'_>,
    ) -> Option<()> {
        let start = json.place();
        let kept = self.layouts.len();
        for step in 0..kept {
            let at = (self.last + step) % kept;
            let layout = self.layouts.get(at)?;
            if layout.keys.len() == count && layout.write(pairs.clone(), json).is_some() {
                self.last = at;
                return Some(());
            }
            json.take_back(start);
        }
        self.last = if kept < LAYOUTS_MAX { kept } else { (self.last + 1) % LAYOUTS_MAX };
        if self.last == kept {
            self.layouts.push(Layout::default());
        }
        let layout = self.layouts.get_mut(self.last)?;
        let made = layout.make(pairs.clone(), count, shared);
        let written = made.and_then(|()| layout.write(pairs.clone(), json));
        if written.is_none() || layout.text.len() + layout.packed.len() > LAYOUT_BYTES_MAX {
            self.layouts.swap_remove(self.last);
            self.last = 0;
        }
        written
    }
}

impl Layout {
    /// `None`: the record has other keys, or its bytes are no whole map.
    fn write(&self, mut pairs: Reader<'_>, json: &mut Json<'_>) -> Option<()> {
        let (mut packed, mut text) = (0, 0);
        for key in &self.keys {
            pairs.skip_bytes(self.packed.get(packed..key.packed_end)?)?;
            packed = key.packed_end;
            if key.is_written {
                json.copy(self.text.get(text..key.text_end)?);
                text = key.text_end;
                json.value(&mut pairs, 1)?;
            } else {
                pairs.skip_value().ok()?;
            }
        }
        json.copy(self.text.get(text..)?);
        json.count(self.bytes);
        Some(())
    }

    fn make(&mut self, mut reader: Reader<'_>, count: usize, shared: &SharedText) -> Option<()> {
        let Self { keys, packed, text, bytes } = self;
        keys.clear();
        packed.clear();
        text.clear();
        let mut inline = [Pair { key: &[], value: &[] }; PAIRS_INLINE];
        let pairs = inline.get_mut(..count)?;
        for pair in pairs.iter_mut() {
            *pair = map::next_pair(&mut reader)?;
        }
        let mut json = Json::new(text);
        json.raw(b"{");
        let empty = json.bytes();
        for (at, pair) in pairs.iter().enumerate() {
            let is_last = pairs.iter().skip(at + 1).all(|later| later.key != pair.key);
            let is_written = is_last && !shared.replaces_key_of(pair);
            if is_written {
                json.comma(empty);
                json.key(pair.key)?;
                json.raw(b":");
            }
            packed.extend_from_slice(pair.key);
            keys.push(Key { packed_end: packed.len(), text_end: json.place(), is_written });
        }
        json.shared(shared, pairs, empty);
        json.raw(b"}");
        *bytes = json.bytes();
        Some(())
    }
}

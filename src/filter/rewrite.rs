//! Step 3, filter: the records of a chunk with those written anew that a filter touches.
//!
//! Where none is touched, nothing is allocated and the chunk keeps its memory. Must not know which
//! filter it is.

use crate::record::chunk::Entries;
use crate::record::edit::EntriesWriter;

/// Offers every record to `touch`, which appends what becomes of it and says `true`, or says
/// `false` where the record stays as it is. `None`: all stay.
pub(super) fn rewrite<'e>(
    entries: &'e Entries,
    mut touch: impl FnMut(&'e [u8], &mut Vec<u8>) -> bool,
) -> Option<Entries> {
    let mut written: Option<EntriesWriter> = None;
    for (place, (time, record)) in entries.iter().enumerate() {
        let touch = |out: &mut Vec<u8>| touch(record, out).then_some(());
        if let Some(written) = &mut written {
            if written.try_write(time, touch).is_none() {
                written.copy(time, record);
            }
            continue;
        }
        let mut first = EntriesWriter::default();
        if first.try_write(time, touch).is_some() {
            let mut all = EntriesWriter::like(entries);
            let before = entries.iter().take(place);
            before.for_each(|(time, record)| all.copy(time, record));
            first.finish().iter().for_each(|(time, record)| all.copy(time, record));
            written = Some(all);
        }
    }
    written.map(EntriesWriter::finish)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::record::chunk::Entry;
    use crate::record::time::EventTime;

    /// Records `{}` and `{"a": 1}` in turn, with a byte between them that belongs to none.
    fn entries(records: usize) -> Entries {
        let mut writer = Vec::new();
        let mut places = Vec::new();
        for at in 0..records {
            writer.push(0xff);
            let start = u32::try_from(writer.len()).unwrap();
            writer.extend_from_slice(if at % 2 == 0 { b"\x80" } else { b"\x81\xa1a\x01" });
            let end = u32::try_from(writer.len()).unwrap();
            places.push(Entry { time: EventTime::from_nanos(at as i64), start, end });
        }
        Entries { data: Bytes::from(writer), entries: places }
    }

    proptest::proptest! {
        #[test]
        fn records_keep_their_order_and_time_and_those_not_touched_their_bytes(
            touched in proptest::collection::vec(proptest::bool::ANY, 0..9),
        ) {
            let before = entries(touched.len());
            let mut turns = touched.iter();
            let after = rewrite(&before, |_, out| {
                let is_touched = *turns.next().unwrap();
                if is_touched {
                    out.extend_from_slice(b"\x81\xa1n\xc0");
                }
                is_touched
            });
            proptest::prop_assert_eq!(after.is_some(), touched.contains(&true));
            let Some(after) = after else { return Ok(()) };
            proptest::prop_assert_eq!(after.len(), before.len());
            for ((is_touched, old), new) in touched.iter().zip(before.iter()).zip(after.iter()) {
                proptest::prop_assert_eq!(new.0, old.0);
                let expected = if *is_touched { b"\x81\xa1n\xc0".as_slice() } else { old.1 };
                proptest::prop_assert_eq!(new.1, expected);
            }
        }
    }
}

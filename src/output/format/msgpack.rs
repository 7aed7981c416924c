//! Events as Fluent Bit holds them: `[[time, {}], record]`, one after the other.
//!
//! Reference: Fluent Bit's manual, "Event Format"; the time is the extension type 0 of the Forward
//! protocol. Must not know where the bytes go.

use crate::chunk::Chunk;
use crate::record::msgpack::Writer;
use crate::record::time::EventTime;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// The extension type of a time.
const EVENT_TIME: i8 = 0;

/// Appends the events of these chunks.
pub fn write<'a>(chunks: impl IntoIterator<Item = &'a Chunk>, out: &mut Vec<u8>) {
    for chunk in chunks {
        for (time, record) in chunk.entries.iter() {
            let mut writer = Writer::new(out);
            writer.array_header(2);
            writer.array_header(2);
            writer.ext(EVENT_TIME, &event_time(time));
            writer.map_header(0);
            if chunk.shared.is_empty() {
                writer.raw(record);
            } else {
                chunk.write_whole(record, out);
            }
        }
    }
}

/// Seconds and nanoseconds, 32 bits each; a time beyond them is the nearest that fits.
fn event_time(time: EventTime) -> [u8; 8] {
    let seconds = time.as_nanos().div_euclid(NANOS_PER_SECOND).clamp(0, i64::from(u32::MAX));
    let nanos = time.as_nanos().rem_euclid(NANOS_PER_SECOND);
    let [seconds, nanos] = [seconds, nanos].map(|part| u64::try_from(part).unwrap_or_default());
    (seconds << 32 | nanos).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::chunk::fixture::chunk;
    use crate::ledger::Account;
    use crate::record::fields::{SharedField, SharedFields};

    #[test]
    fn an_event_is_its_time_with_no_metadata_and_its_record() {
        let account = Arc::new(Account::default());
        let chunk = chunk(&account, "t", &[&[("a", "x")], &[]]);
        let mut out = Vec::new();
        write([&chunk], &mut out);
        chunk.delivered();
        let expected = [
            b"\x92\x92\xd7\x00\x65\x53\xf1\x00\0\0\0\0\x80\x81\xa1a\xa1x".as_slice(),
            b"\x92\x92\xd7\x00\x65\x53\xf1\x01\0\0\0\0\x80\x80",
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn fields_that_all_records_share_become_the_records_own() {
        let account = Arc::new(Account::default());
        let mut chunk = chunk(&account, "t", &[&[("a", "x")]]);
        let field = SharedField { key: (*b"s").into(), value: (*b"y").into(), yields: false };
        chunk.shared = SharedFields::new(vec![field]);
        let mut out = Vec::new();
        write([&chunk], &mut out);
        chunk.delivered();
        assert!(out.ends_with(b"\x80\x82\xa1a\xa1x\xa1s\xa1y"), "{out:x?}");
    }

    #[test]
    fn a_time_that_does_not_fit_is_the_nearest_that_does() {
        assert_eq!(event_time(EventTime::from_parts(-5, 0)), [0; 8]);
        let late = event_time(EventTime::from_parts(5_000_000_000, 7));
        assert_eq!(late, [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 7]);
    }
}

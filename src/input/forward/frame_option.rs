//! Reads the option map at the end of a frame. Must not know what the frame holds.

use bytes::Bytes;

use crate::record::msgpack::{Reader, Token};

/// `fluent_signal` of logs (Forward protocol v1.5, "Option").
const SIGNAL_LOGS: u64 = 0;

/// What a peer asks for beside its entries. An option of an odd type is as good as none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct FrameOption<'a> {
    /// The chunk id as msgpack, if the peer waits for an ack.
    pub(super) chunk: Option<&'a [u8]>,
    /// What `compressed` claims. The first bytes of the entries know better.
    pub(super) compressed: Option<Codec>,
    /// Metrics, traces, or what nobody knows.
    pub(super) is_not_logs: bool,
}

/// A compression that the protocol knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Codec {
    Gzip,
    Zstd,
}

impl<'a> FrameOption<'a> {
    /// Reads the option element; what is no map gives no options. The first of equal keys counts.
    pub(super) fn read(value: &'a [u8]) -> Self {
        let mut option = Self::default();
        let (mut has_chunk, mut has_signal, mut has_compressed) = (false, false, false);
        let mut reader = Reader::new(value);
        for _ in 0..reader.map_header().unwrap_or(0) {
            let (Ok(key), Ok(value)) = (reader.skip_value(), reader.skip_value()) else { break };
            match Reader::new(key).text().unwrap_or_default() {
                b"chunk" if !has_chunk => {
                    has_chunk = true;
                    option.chunk = is_chunk_id(value).then_some(value);
                }
                b"compressed" if !has_compressed => {
                    has_compressed = true;
                    option.compressed = codec(value);
                }
                b"fluent_signal" if !has_signal => {
                    has_signal = true;
                    option.is_not_logs = is_not_logs(value);
                }
                _ => {}
            }
        }
        option
    }

    /// The bytes of the ack that the peer waits for: `{"ack": chunk}`, the id as it came.
    pub(super) fn ack(&self, as_json: bool) -> Option<Bytes> {
        let chunk = self.chunk?;
        if !as_json {
            return Some([b"\x81\xa3ack", chunk].concat().into());
        }
        let id = match Reader::new(chunk).token().ok()? {
            Token::UInt(number) => number.to_string(),
            Token::Int(number) => number.to_string(),
            Token::Str(text) | Token::Bin(text) => {
                serde_json::to_string(&String::from_utf8_lossy(text)).ok()?
            }
            Token::Nil
            | Token::Bool(_)
            | Token::F32(_)
            | Token::F64(_)
            | Token::Ext(..)
            | Token::Array(_)
            | Token::Map(_) => return None,
        };
        Some(format!("{{\"ack\":{id}}}").into())
    }
}

/// Longest id of a chunk: senders take some 24 characters. A longer one is none, and gets no ack: acks wait
/// in memory that nobody pays for.
pub(in crate::input) const CHUNK_ID_BYTES_MAX: usize = 256;

/// Whether peers could know their chunk again by it: str by the specification, bin or a number.
fn is_chunk_id(value: &[u8]) -> bool {
    if value.len() > CHUNK_ID_BYTES_MAX {
        return false;
    }
    let token = Reader::new(value).token();
    matches!(token, Ok(Token::Str(_) | Token::Bin(_) | Token::UInt(_) | Token::Int(_)))
}

fn codec(value: &[u8]) -> Option<Codec> {
    match Reader::new(value).text() {
        Ok(b"gzip") => Some(Codec::Gzip),
        Ok(b"zstd") => Some(Codec::Zstd),
        // `text` is plain, and v1 says to ignore what is not known.
        _ => None,
    }
}

/// A number as text counts as the number; other types say nothing.
fn is_not_logs(value: &[u8]) -> bool {
    match Reader::new(value).token() {
        Ok(Token::UInt(signal)) => signal != SIGNAL_LOGS,
        Ok(Token::Int(_)) => true,
        Ok(Token::Str(text)) => {
            let signal = str::from_utf8(text).ok().and_then(|text| text.parse::<u64>().ok());
            signal.is_some_and(|signal| signal != SIGNAL_LOGS)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_id_is_echoed_with_its_type_and_width() {
        for chunk in
            [b"\xa1x".as_slice(), b"\xda\x00\x01x", b"\xc4\x02\x00\xff", b"\x07", b"\xd0\xff"]
        {
            let option = [b"\x81\xa5chunk", chunk].concat();
            let ack = FrameOption::read(&option).ack(false).expect("an ack");
            assert_eq!(ack, [b"\x81\xa3ack", chunk].concat());
        }
    }

    #[test]
    fn a_json_ack_is_json_text() {
        let ack = |option| FrameOption::read(option).ack(true).expect("an ack");
        assert_eq!(ack(b"\x81\xa5chunk\xa3a\"\n"), r#"{"ack":"a\"\n"}"#);
        assert_eq!(ack(b"\x81\xa5chunk\x07"), r#"{"ack":7}"#);
    }

    #[test]
    fn the_first_of_equal_keys_counts_and_nil_asks_for_no_ack() {
        let option = FrameOption::read(b"\x82\xa5chunk\xa1a\xa5chunk\xa1b");
        assert_eq!(option.chunk, Some(b"\xa1a".as_slice()));
        assert_eq!(FrameOption::read(b"\x82\xa5chunk\xc0\xa5chunk\xa1b").chunk, None);
    }

    #[test]
    fn a_chunk_id_has_a_bound_with_its_head_and_a_longer_one_is_none() {
        let id = |bytes: usize| {
            let text = [b"\x81\xa5chunk\xda\x00\xfd".as_slice(), &vec![b'x'; 0xfd]].concat();
            let longer = [b"\x81\xa5chunk\xda\x00\xfe".as_slice(), &vec![b'x'; 0xfe]].concat();
            FrameOption::read(if bytes == 0xfd { &text } else { &longer }).chunk.map(<[u8]>::len)
        };
        assert_eq!((id(0xfd), id(0xfe)), (Some(CHUNK_ID_BYTES_MAX), None));
    }

    #[test]
    fn odd_options_are_no_options() {
        for option in [b"\x05".as_slice(), b"\xc0", b"\x91\x01", b"\x81\x01\x02", b"\x83\xa5chunk"]
        {
            assert_eq!(FrameOption::read(option), FrameOption::default(), "{option:02x?}");
        }
    }

    #[test]
    fn signals_but_logs_are_told_apart_by_number_or_its_text() {
        let signal = |value: &[u8]| {
            FrameOption::read(&[b"\x81\xadfluent_signal", value].concat()).is_not_logs
        };
        assert_eq!([b"\x00".as_slice(), b"\xa10", b"\xa4logs", b"\xc0"].map(signal), [false; 4]);
        assert_eq!([b"\x01".as_slice(), b"\x09", b"\xff", b"\xa11"].map(signal), [true; 4]);
    }
}

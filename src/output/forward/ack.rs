//! Step 6, output `forward`: the acks of a node.
//!
//! Pure. Not known here: the connection they come on, and how long one may take.

use bytes::BytesMut;

use crate::record::msgpack::{Reader, SkipError, Skipper};

/// Most bytes of one ack, inclusive: ours take 31.
pub const ACK_BYTES_MAX: usize = 1_024;
/// Most bytes that are shown of an id that is not ours.
const SHOWN_BYTES_MAX: usize = 64;

/// Why what came is not the ack.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AckError {
    /// Something that does not end.
    #[error("expected an ack of at most {ACK_BYTES_MAX} bytes, found more")]
    TooLong,
    /// Something else.
    #[error("expected an ack, found something else")]
    NoAck,
    /// The ack of something else.
    #[error("expected the ack of {expected}, found that of {found}")]
    Other {
        /// Our id.
        expected: String,
        /// The id that came.
        found: String,
    },
}

/// Takes `{"ack": id}` out of the buffer. `false`: it is not whole yet.
///
/// # Errors
///
/// The connection cannot be used any more.
pub fn take(buffer: &mut BytesMut, id: &str) -> Result<bool, AckError> {
    let end = match Skipper::new(0, 1).advance(buffer) {
        Ok(end) if end <= ACK_BYTES_MAX => end,
        Ok(_) => return Err(AckError::TooLong),
        Err(SkipError::NeedMore { .. }) if buffer.len() < ACK_BYTES_MAX => return Ok(false),
        Err(SkipError::NeedMore { .. }) => return Err(AckError::TooLong),
        Err(SkipError::Illegal { .. }) => return Err(AckError::NoAck),
    };
    let answer = buffer.split_to(end);
    let found = acknowledged(&answer).ok_or(AckError::NoAck)?;
    if found == id.as_bytes() {
        return Ok(true);
    }
    let found = found.get(..SHOWN_BYTES_MAX).unwrap_or(found).escape_ascii().to_string();
    Err(AckError::Other { expected: id.to_owned(), found })
}

/// The value of the first key `ack`.
fn acknowledged(answer: &[u8]) -> Option<&[u8]> {
    let mut reader = Reader::new(answer);
    for _ in 0..reader.map_header().ok()? {
        let (key, value) = (reader.skip_value().ok()?, reader.skip_value().ok()?);
        if Reader::new(key).text() == Ok(b"ack") {
            return Reader::new(value).text().ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACK: &[u8] = b"\x81\xa3ack\xa2id";

    #[test]
    fn an_ack_may_come_in_pieces_and_the_next_behind_it() {
        for cut in 0..ACK.len() {
            let mut buffer = BytesMut::from(&ACK[..cut]);
            assert_eq!(take(&mut buffer, "id"), Ok(false), "{cut}");
            buffer.extend_from_slice(&ACK[cut..]);
            buffer.extend_from_slice(ACK);
            assert_eq!(take(&mut buffer, "id"), Ok(true));
            assert_eq!(take(&mut buffer, "id"), Ok(true));
            assert_eq!(take(&mut buffer, "id"), Ok(false));
        }
    }

    #[test]
    fn an_ack_may_have_other_keys_and_be_bytes() {
        let mut buffer = BytesMut::from(b"\x82\xa1x\x01\xc4\x03ack\xc4\x02id".as_slice());
        assert_eq!(take(&mut buffer, "id"), Ok(true));
    }

    #[test]
    fn the_ack_of_something_else_is_refused_and_shown() {
        let error = take(&mut BytesMut::from(ACK), "i").unwrap_err();
        assert_eq!(error.to_string(), "expected the ack of i, found that of id");
        for other in [b"\x80".as_slice(), b"\xc1", b"\x90", b"\xa3ack", b"\x81\xa3ack\xc0"] {
            assert_eq!(take(&mut BytesMut::from(other), "id"), Err(AckError::NoAck), "{other:?}");
        }
    }

    #[test]
    fn an_ack_that_does_not_end_is_refused() {
        let padded = |bytes: usize| {
            let mut answer = b"\x82\xa1x\xda".to_vec();
            let padding = bytes - ACK.len() - 5;
            answer.extend_from_slice(&u16::try_from(padding).expect("small").to_be_bytes());
            answer.resize(answer.len() + padding, b'x');
            answer.extend_from_slice(&ACK[1..]);
            answer
        };
        let whole = padded(ACK_BYTES_MAX);
        assert_eq!(whole.len(), ACK_BYTES_MAX);
        assert_eq!(take(&mut BytesMut::from(&whole[..]), "id"), Ok(true));
        let long = padded(ACK_BYTES_MAX + 1);
        assert_eq!(take(&mut BytesMut::from(&long[..]), "id"), Err(AckError::TooLong));
        assert_eq!(take(&mut BytesMut::from(&long[..ACK_BYTES_MAX]), "id"), Err(AckError::TooLong));
    }
}

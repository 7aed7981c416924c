//! Inflates gzip bodies up to a cap. Must not know what is inside.

use std::io::Read;

use flate2::bufread::MultiGzDecoder;

/// Why a body was not inflated.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum InflateError {
    #[error("gzip stream is broken")]
    Broken,
    #[error("inflates to more than {max_bytes} bytes")]
    TooLarge { max_bytes: usize },
}

/// Inflates all members of a gzip stream; never holds more than `max_bytes` and one.
///
/// # Errors
///
/// When the stream is cut, has anything after its last member, or is larger than the cap.
pub(super) fn gunzip(body: &[u8], max_bytes: usize) -> Result<Vec<u8>, InflateError> {
    let cap = u64::try_from(max_bytes).unwrap_or(u64::MAX).saturating_add(1);
    let mut inflated = Vec::new();
    MultiGzDecoder::new(body)
        .take(cap)
        .read_to_end(&mut inflated)
        .map_err(|_| InflateError::Broken)?;
    if inflated.len() > max_bytes {
        return Err(InflateError::TooLarge { max_bytes });
    }
    Ok(inflated)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_body_inflates_to_exactly_the_cap_and_not_beyond() {
        let body = gzip(&[b'x'; 1_000]);
        assert_eq!(gunzip(&body, 1_000).unwrap(), [b'x'; 1_000]);
        assert_eq!(gunzip(&body, 999), Err(InflateError::TooLarge { max_bytes: 999 }));
    }

    #[test]
    fn two_members_are_one_body() {
        let body = [gzip(b"ab"), gzip(b"cd")].concat();
        assert_eq!(gunzip(&body, 10).unwrap(), b"abcd");
    }

    #[test]
    fn a_cut_or_changed_stream_is_broken() {
        let body = gzip(b"some text");
        for length in 0..body.len() {
            assert_eq!(gunzip(&body[..length], 100), Err(InflateError::Broken), "{length}");
        }
        assert_eq!(gunzip(&[body, b"?".to_vec()].concat(), 100), Err(InflateError::Broken));
    }
}

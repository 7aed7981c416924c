//! Step 6, output: bodies made smaller. Pure.
//!
//! The same bytes in give the same bytes out, so that a body that is sent again is the same. Must not
//! know what a body holds.

use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Codec {
    /// RFC 1952.
    Gzip,
    /// Snappy's raw format, as Fluent Bit sends it: one block without a frame around it.
    Snappy,
    /// RFC 8878.
    Zstd,
}

/// A body that cannot be compressed; it is sent as it is.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// By gzip, which fails only where writing to memory does.
    #[error("gzip failed")]
    Gzip(#[from] io::Error),
    /// By snappy, which takes no more than 4 GiB.
    #[error("snappy failed")]
    Snappy(#[from] snap::Error),
}

impl Codec {
    /// The codec of that name, in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.to_ascii_lowercase().as_str() {
            "gzip" => Some(Self::Gzip),
            "snappy" => Some(Self::Snappy),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Its name in `Content-Encoding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Zstd => "zstd",
        }
    }

    /// The body compressed.
    ///
    /// # Errors
    ///
    /// [`CompressError`], where it is too long.
    pub fn compress(self, body: &[u8]) -> Result<Vec<u8>, CompressError> {
        Ok(match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
                encoder.write_all(body)?;
                encoder.finish()?
            }
            Self::Snappy => snap::raw::Encoder::new().compress_vec(body)?,
            Self::Zstd => compress_to_vec(body, CompressionLevel::Fastest),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn inflate(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match codec {
            Codec::Gzip => {
                flate2::bufread::GzDecoder::new(bytes).read_to_end(&mut out).expect("gzip");
            }
            Codec::Snappy => out = snap::raw::Decoder::new().decompress_vec(bytes).expect("snappy"),
            Codec::Zstd => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(bytes);
                decoder.expect("a frame").read_to_end(&mut out).expect("zstd");
            }
        }
        out
    }

    const ALL: [Codec; 3] = [Codec::Gzip, Codec::Snappy, Codec::Zstd];

    #[test]
    fn every_codec_has_a_name_that_reads_back_in_any_case() {
        for codec in ALL {
            assert_eq!(Codec::parse(&codec.as_str().to_uppercase()), Some(codec));
        }
        assert_eq!(Codec::parse("lz4"), None);
    }

    #[test]
    fn a_body_beyond_a_block_of_any_codec_reads_back() {
        let line = b"{\"date\":1700000000.25,\"log\":\"GET /index.html 200\"},";
        for length in [0, 65_536, 131_072, 131_073, 2_048_000] {
            let body: Vec<u8> = line.iter().copied().cycle().take(length).collect();
            for codec in ALL {
                let compressed = codec.compress(&body).expect("compressed");
                assert!(length == 0 || compressed.len() < length / 4, "{codec:?} of {length}");
                assert!(inflate(codec, &compressed) == body, "{codec:?} of {length}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_body_reads_back_and_gives_the_same_bytes_again(
            body in prop::collection::vec(any::<u8>(), 0..3_000),
        ) {
            for codec in ALL {
                let compressed = codec.compress(&body).expect("compressed");
                prop_assert_eq!(inflate(codec, &compressed), body.clone());
                prop_assert_eq!(codec.compress(&body).expect("compressed"), compressed);
            }
        }
    }
}

//! gzip: members in a row, each with its own checksum. Must not know what is in them.

use flate2::{Crc, Decompress, Status};

use super::deflate::run;
use super::{InflateError, Step};

const MAGIC: &[u8] = b"\x1f\x8b";

/// A walk over members.
#[derive(Debug)]
pub(super) struct Members {
    inflater: Decompress,
    /// Of what came out of the member, which is within one.
    crc: Option<Crc>,
}

impl Default for Members {
    fn default() -> Self {
        Self { inflater: Decompress::new(false), crc: None }
    }
}

impl Members {
    pub(super) fn step(
        &mut self,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, InflateError> {
        let mut crc = match self.crc.take() {
            Some(crc) => crc,
            None if rest.is_empty() => return Ok(Step::Done),
            None => {
                *rest = body(rest).ok_or(InflateError::Corrupt)?;
                self.inflater.reset(false);
                Crc::new()
            }
        };
        let start = out.len();
        let status = run(&mut self.inflater, rest, out)?;
        crc.update(out.get(start..).unwrap_or_default());
        if status != Status::StreamEnd {
            self.crc = Some(crc);
            return Ok(Step::More);
        }
        let (footer, behind) = rest.split_first_chunk::<8>().ok_or(InflateError::Corrupt)?;
        // The length is modulo 2^32, as `Crc::amount` is.
        let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()];
        if footer.as_slice() != expected.as_flattened() {
            return Err(InflateError::Corrupt);
        }
        *rest = behind;
        Ok(Step::More)
    }
}

/// What follows a member's header.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    const DEFLATE: u8 = 8;
    const HEADER_CRC: u8 = 1 << 1;
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const RESERVED: u8 = 0b1110_0000;
    let ([_, _, DEFLATE, flags, ..], mut rest) =
        bytes.strip_prefix(MAGIC).and(bytes.split_first_chunk::<10>())?
    else {
        return None;
    };
    if flags & RESERVED != 0 {
        return None;
    }
    if flags & EXTRA != 0 {
        let (length, extra) = rest.split_first_chunk::<2>()?;
        rest = extra.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            rest = rest.get(memchr::memchr(0, rest)? + 1..)?;
        }
    }
    if flags & HEADER_CRC != 0 { rest.get(2..) } else { Some(rest) }
}

//! deflate: one stream, with the header and checksum of zlib or without. Must not know what is in
//! it.

use flate2::{Decompress, FlushDecompress, Status};

use super::{InflateError, STEP_BYTES, Step};

/// One stream.
#[derive(Debug)]
pub(super) struct Stream(Decompress);

impl Stream {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(Decompress::new(is_zlib(bytes)))
    }

    pub(super) fn step(
        &mut self,
        rest: &mut &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Step, InflateError> {
        match run(&mut self.0, rest, out)? {
            Status::StreamEnd if rest.is_empty() => Ok(Step::Done),
            Status::StreamEnd => Err(InflateError::Corrupt),
            Status::Ok | Status::BufError => Ok(Step::More),
        }
    }
}

/// Whether the bytes begin with a header of zlib. A bare stream that did would begin with a stored
/// block whose padding is not zero, which nobody writes.
fn is_zlib(bytes: &[u8]) -> bool {
    const DEFLATE: u8 = 8;
    match bytes {
        [method, check, ..] => {
            method & 0x0f == DEFLATE && u16::from_be_bytes([*method, *check]).is_multiple_of(31)
        }
        _ => false,
    }
}

/// Appends what the next bytes give, as much as there is room for.
///
/// # Errors
///
/// The bytes are damaged or cut off.
pub(super) fn run(
    inflater: &mut Decompress,
    rest: &mut &[u8],
    out: &mut Vec<u8>,
) -> Result<Status, InflateError> {
    if out.len() == out.capacity() {
        out.reserve(STEP_BYTES);
    }
    let (read, written) = (inflater.total_in(), inflater.total_out());
    let status = inflater.decompress_vec(rest, out, FlushDecompress::None);
    let read = usize::try_from(inflater.total_in() - read).unwrap_or(usize::MAX);
    *rest = rest.get(read..).unwrap_or_default();
    match status {
        Ok(Status::StreamEnd) => Ok(Status::StreamEnd),
        Ok(status) if read > 0 || inflater.total_out() > written => Ok(status),
        Ok(_) | Err(_) => Err(InflateError::Corrupt),
    }
}

//! Decompresses what inputs were sent: gzip, deflate, zstd and snappy, several members, frames or
//! blocks in a row, checked and capped.
//!
//! In steps, so that whoever asks can pay for what comes out before there is more of it, and others
//! have their turn in between. Must not know what is in it.
//!
//! Sources: RFC 1952 (gzip), RFC 1950 and 1951 (deflate), RFC 8878 (zstd), google/snappy's
//! `format_description.txt` and `framing_format.txt`.

mod deflate;
mod gzip;
mod snappy;
mod zstd;

/// How much room is made at a time: no allocation follows a size that the peer claims.
pub const STEP_BYTES: usize = 64 * 1_024;

/// What bytes are compressed with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Codec {
    /// Members of RFC 1952 in a row.
    Gzip,
    /// One stream of RFC 1950, or of RFC 1951 without its header: HTTP means the former, and
    /// clients send both.
    Deflate,
    /// Frames of RFC 8878 in a row.
    Zstd,
    /// Snappy: framed if it begins with the identifier of a stream, else one block.
    Snappy,
}

impl Codec {
    /// Whether all of the bytes come out in one step.
    #[must_use]
    pub fn is_at_once(self, bytes: &[u8]) -> bool {
        self == Self::Snappy && !bytes.starts_with(snappy::IDENTIFIER)
    }
}

/// Why nothing comes out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InflateError {
    /// More than the cap would come out.
    TooLarge,
    /// Cut off, damaged, or not of this codec.
    Corrupt,
}

/// Compressed bytes on their way out.
#[derive(Debug)]
pub struct Inflater<'a> {
    rest: &'a [u8],
    state: State<'a>,
    bytes_max: usize,
}

#[derive(Debug)]
enum State<'a> {
    Gzip(gzip::Members),
    Deflate(deflate::Stream),
    Zstd(zstd::Frames),
    Framed(snappy::Framed<'a>),
    Block(snappy::Block),
}

/// What a step found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    More,
    Done,
}

impl<'a> Inflater<'a> {
    /// Will decompress all of the bytes to at most `bytes_max`.
    #[must_use]
    pub fn new(codec: Codec, bytes: &'a [u8], bytes_max: usize) -> Self {
        let state = match codec {
            Codec::Gzip => State::Gzip(gzip::Members::default()),
            Codec::Deflate => State::Deflate(deflate::Stream::new(bytes)),
            Codec::Zstd => State::Zstd(zstd::Frames::new(bytes_max)),
            Codec::Snappy if codec.is_at_once(bytes) => State::Block(snappy::Block::default()),
            Codec::Snappy => State::Framed(snappy::Framed::new(bytes)),
        };
        Self { rest: bytes, state, bytes_max }
    }

    /// Bytes that the next step needs room for at least.
    ///
    /// # Errors
    ///
    /// [`InflateError`], where the bytes say how much they are and that cannot be.
    pub fn room_bytes(&self) -> Result<usize, InflateError> {
        match &self.state {
            State::Block(block) => block.bytes(self.rest, self.bytes_max),
            State::Gzip(_) | State::Deflate(_) | State::Zstd(_) | State::Framed(_) => Ok(0),
        }
    }

    /// About how much memory it holds itself.
    #[must_use]
    pub const fn own_bytes(&self) -> usize {
        match &self.state {
            State::Zstd(frames) => frames.held_bytes() + STEP_BYTES,
            State::Gzip(_) | State::Deflate(_) | State::Framed(_) | State::Block(_) => STEP_BYTES,
        }
    }

    /// Appends some of what comes out, about as much as there is room for or [`STEP_BYTES`], and
    /// says whether there may be more. `out` was empty before the first step.
    ///
    /// # Errors
    ///
    /// [`InflateError`]: then nothing of it may be used, as nobody can say what is missing.
    pub fn step(&mut self, out: &mut Vec<u8>) -> Result<bool, InflateError> {
        let step = match &mut self.state {
            State::Gzip(members) => members.step(&mut self.rest, out)?,
            State::Deflate(stream) => stream.step(&mut self.rest, out)?,
            State::Zstd(frames) => frames.step(&mut self.rest, self.bytes_max, out)?,
            State::Framed(framed) => framed.step(out)?,
            State::Block(block) => block.step(self.rest, self.bytes_max, out)?,
        };
        if out.len() > self.bytes_max {
            return Err(InflateError::TooLarge);
        }
        Ok(step == Step::More)
    }
}

/// Decompresses all of the bytes to at most `bytes_max`, at once.
///
/// # Errors
///
/// [`InflateError`]: then nothing of it may be used, as nobody can say what is missing.
pub fn inflate(codec: Codec, bytes: &[u8], bytes_max: usize) -> Result<Vec<u8>, InflateError> {
    let (mut inflater, mut out) = (Inflater::new(codec, bytes, bytes_max), Vec::new());
    while inflater.step(&mut out)? {
        if out.len() == out.capacity() {
            out.reserve(STEP_BYTES);
        }
    }
    // What is kept is what is counted.
    out.shrink_to_fit();
    Ok(out)
}

#[cfg(test)]
mod tests;

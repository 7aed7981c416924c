//! Finds where a frame ends and where the elements of its array begin, in one pass that can stop
//! and go on anywhere. Must not know what the elements mean.

use super::error::ConnectionError;
use crate::record::msgpack::{SkipError, Skipper};

/// Elements whose place is kept: tag, time, record, option is the most a frame has. Peers may send
/// more; they are skipped.
const ELEMENTS_KEPT: u32 = 4;

/// The type of a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Root {
    /// An array: what the protocol wants.
    Array,
    /// nil or 0: a sign of life.
    Heartbeat,
    /// A map, a str or a bin: a frame, but of no use.
    Other,
}

/// A walk over one frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FrameScan {
    skipper: Skipper,
    /// `None` until the frame's header is there.
    root: Option<Root>,
    starts: [usize; 5],
    /// Elements of the frame's array, and how many of them were begun.
    elements: u32,
    begun: u32,
}

impl FrameScan {
    /// Offset of the next byte of the frame that is not walked yet.
    pub(super) const fn at(&self) -> usize {
        self.skipper.at()
    }

    /// What the frame is, once that is known.
    pub(super) const fn root(&self) -> Option<Root> {
        self.root
    }

    /// Elements of the frame's array.
    pub(super) const fn elements(&self) -> u32 {
        self.elements
    }

    /// Where the first elements of a whole frame begin, and behind the last of them its end.
    pub(super) const fn starts(&self) -> [usize; 5] {
        self.starts
    }

    /// No value in a whole frame is nested deeper than this.
    pub(super) const fn containers(&self) -> u32 {
        self.skipper.containers()
    }

    /// Forgets the frame: the next begins.
    pub(super) const fn reset(&mut self) {
        (self.root, self.elements, self.begun) = (None, 0, 0);
        self.skipper = Skipper::new(0, 0);
    }

    /// Goes on to the end of the frame: its length. `Ok(None)`: more bytes are needed.
    ///
    /// # Errors
    ///
    /// [`ConnectionError`]: where the next frame begins cannot be known, or lies beyond the limit.
    #[inline]
    pub(super) fn advance(
        &mut self,
        bytes: &[u8],
        bytes_max: usize,
    ) -> Result<Option<usize>, ConnectionError> {
        if self.root.is_none() && !self.begin(bytes)? {
            return Ok(None);
        }
        let end = self.walk(bytes);
        let needed = match end {
            Ok(end) => end,
            Err(SkipError::NeedMore { needed }) => needed,
            Err(SkipError::Illegal { at }) => {
                return Err(ConnectionError::IllegalByte { offset: at });
            }
        };
        if needed > bytes_max {
            return Err(ConnectionError::FrameTooLarge { bytes: needed, bytes_max });
        }
        Ok(end.ok())
    }

    /// Reads the frame's own header, if it is there.
    #[inline]
    fn begin(&mut self, bytes: &[u8]) -> Result<bool, ConnectionError> {
        let Some((&first_byte, rest)) = bytes.split_first() else { return Ok(false) };
        let (root, elements, header_len) = match first_byte {
            0x90..=0x9f => (Root::Array, u32::from(first_byte & 0x0f), 1),
            0xdc => match rest.first_chunk() {
                Some(digits) => (Root::Array, u16::from_be_bytes(*digits).into(), 3),
                None => return Ok(false),
            },
            0xdd => match rest.first_chunk() {
                Some(digits) => (Root::Array, u32::from_be_bytes(*digits), 5),
                None => return Ok(false),
            },
            0x00 | 0xc0 => (Root::Heartbeat, 0, 0),
            0x80..=0x8f | 0xa0..=0xbf | 0xc4..=0xc6 | 0xd9..=0xdb | 0xde | 0xdf => {
                (Root::Other, 0, 0)
            }
            0xc1 => return Err(ConnectionError::IllegalByte { offset: 0 }),
            0x01..=0x7f | 0xc2 | 0xc3 | 0xc7..=0xd8 | 0xe0..=0xff => {
                return Err(ConnectionError::NotForward { first_byte });
            }
        };
        self.skipper = Skipper::new(header_len, u64::from(root != Root::Array));
        (self.root, self.elements) = (Some(root), elements);
        Ok(true)
    }

    #[inline]
    fn walk(&mut self, bytes: &[u8]) -> Result<usize, SkipError> {
        let Self { mut skipper, mut begun, elements, .. } = *self;
        let result = loop {
            let to_begin = elements - begun;
            let at = match skipper.advance(bytes) {
                Ok(at) => at,
                Err(error) => break Err(claim(error, to_begin)),
            };
            let start = usize::try_from(begun).ok().and_then(|index| self.starts.get_mut(index));
            if let Some(start) = start {
                *start = at;
            }
            if to_begin == 0 {
                break Ok(at);
            }
            // One by one as long as their places are kept, the rest at once.
            let count = if begun < ELEMENTS_KEPT { 1 } else { to_begin };
            begun += count;
            skipper.expect(count.into());
        };
        (self.skipper, self.begun) = (skipper, begun);
        result
    }
}

/// Each element that is still to begin takes a byte at least.
fn claim(error: SkipError, elements: u32) -> SkipError {
    match error {
        SkipError::NeedMore { needed } => SkipError::NeedMore {
            needed: needed.saturating_add(usize::try_from(elements).unwrap_or(usize::MAX)),
        },
        SkipError::Illegal { .. } => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 1_000;

    fn scan(bytes: &[u8]) -> Result<Option<usize>, ConnectionError> {
        FrameScan::default().advance(bytes, BYTES_MAX)
    }

    fn starts(bytes: &[u8]) -> ([usize; 5], usize) {
        let mut scan = FrameScan::default();
        let end = scan.advance(bytes, BYTES_MAX).expect("legal").expect("whole");
        (scan.starts(), end)
    }

    #[test]
    fn the_elements_begin_where_they_begin_wherever_the_frame_is_cut() {
        let bytes = b"\x96\xa2ab\xd7\x00\0\0\0\0\0\0\0\0\x81\x01\x02\x80\x01\x92\x01\x02\xc0";
        for cut in 0..bytes.len() - 1 {
            let mut scan = FrameScan::default();
            assert_eq!(scan.advance(&bytes[..cut], BYTES_MAX), Ok(None));
            assert_eq!(scan.advance(bytes, BYTES_MAX), Ok(Some(bytes.len() - 1)), "cut at {cut}");
            assert_eq!((scan.root(), scan.elements()), (Some(Root::Array), 6));
            assert_eq!((scan.starts(), scan.containers()), ([1, 4, 14, 17, 18], 3));
        }
    }

    #[test]
    fn behind_the_last_element_stands_its_end() {
        assert_eq!(starts(b"\x93\xa1a\x00\x80\xc0"), ([1, 3, 4, 5, 0], 5));
        assert_eq!(starts(b"\xdc\x00\x02\xa1a\x00"), ([3, 5, 6, 0, 0], 6));
    }

    #[test]
    fn what_is_no_frame_at_all_is_told_by_its_first_byte() {
        for first_byte in *b"G\x16\x01\xc2\xca\xd0\xd7\xff" {
            assert_eq!(scan(&[first_byte]), Err(ConnectionError::NotForward { first_byte }));
        }
        assert_eq!(scan(b"\xc1"), Err(ConnectionError::IllegalByte { offset: 0 }));
        assert_eq!(scan(b"\x92\xa1a\xc1"), Err(ConnectionError::IllegalByte { offset: 3 }));
    }

    #[test]
    fn a_frame_may_have_its_most_bytes_and_not_one_more() {
        let frame = |len: u16| [b"\x92\xa1a\xc5", &(len - 6).to_be_bytes()[..]].concat();
        assert_eq!(scan(&frame(1_000)), Ok(None));
        let refusal = ConnectionError::FrameTooLarge { bytes: 1_001, bytes_max: 1_000 };
        assert_eq!(scan(&frame(1_001)), Err(refusal));
    }

    #[test]
    fn a_frame_that_claims_more_than_its_most_bytes_is_refused_before_they_come() {
        for bytes in
            [b"\xdd\xff\xff\xff\xff".as_slice(), b"\x92\xa1a\xdc\x04\x00", b"\x92\xa1a\xde\x02\x00"]
        {
            assert!(
                matches!(scan(bytes), Err(ConnectionError::FrameTooLarge { .. })),
                "{bytes:x?}"
            );
        }
    }
}

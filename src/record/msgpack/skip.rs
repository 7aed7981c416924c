//! Finds where msgpack values end without decoding them. The innermost loop of the router.
//!
//! To skip a value its nesting need not be kept: a count of the values still to come is enough, as
//! every header adds its children and every value takes one away. So the whole state of a half
//! read value is three integers, whatever a peer sends. Must not know what the values mean.

/// Where and why a walk stopped.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SkipError {
    /// The value goes on behind the end of the bytes. Not an error of the peer.
    #[error("value needs at least {needed} bytes")]
    NeedMore {
        /// The least length of the bytes at which the value can be whole, by what it claims so far.
        needed: usize,
    },
    /// 0xc1, the one byte that begins no msgpack value.
    #[error("illegal byte 0xc1 at offset {at}")]
    Illegal {
        /// Its offset.
        at: usize,
    },
}

/// A walk over msgpack values that can stop anywhere and go on when more bytes are there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Skipper {
    /// Offset of the next header to look at. Bytes before it are not looked at again.
    at: usize,
    /// Values still to come. Cannot overflow: a header of 5 bytes adds at most 2^33.
    left: u64,
    /// Arrays and maps met, which is never less than the depth.
    containers: u32,
}

impl Skipper {
    /// Will skip that many values from the offset on.
    #[must_use]
    pub const fn new(at: usize, values: u64) -> Self {
        Self { at, left: values, containers: 0 }
    }

    /// Will skip that many values more.
    pub const fn expect(&mut self, values: u64) {
        self.left += values;
    }

    /// Offset of the next byte that is not walked yet.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Arrays and maps met so far: no value walked is nested deeper than this.
    #[must_use]
    pub const fn containers(&self) -> u32 {
        self.containers
    }

    /// Goes on to the end of the last value and returns the offset behind it.
    ///
    /// # Errors
    ///
    /// After [`SkipError::NeedMore`] call again with the same bytes and more behind them.
    #[inline]
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, SkipError> {
        let Self { mut at, mut left, mut containers } = *self;
        let outcome = loop {
            if left == 0 {
                break Ok(at);
            }
            match head(bytes, at) {
                Ok(head) => {
                    at = head.end;
                    left = left - 1 + head.children;
                    containers = containers.saturating_add(u32::from(head.is_container));
                }
                Err(SkipError::NeedMore { needed }) => {
                    let claimed = usize::try_from(left).unwrap_or(usize::MAX);
                    let needed = needed.max(at.saturating_add(claimed));
                    break Err(SkipError::NeedMore { needed });
                }
                Err(illegal @ SkipError::Illegal { .. }) => break Err(illegal),
            }
        };
        *self = Self { at, left, containers };
        outcome
    }
}

/// Whether the value at the start of the bytes has more than `depth_max` containers in each other.
///
/// Costs a stack of at most `depth_max`; so ask [`Skipper::containers`] first.
#[must_use]
pub fn exceeds_depth(bytes: &[u8], depth_max: usize) -> bool {
    let (mut at, mut open) = (0, Vec::new());
    while let Ok(head) = head(bytes, at) {
        at = head.end;
        if head.is_container {
            if open.len() >= depth_max {
                return true;
            }
            open.push(head.children);
        }
        while open.pop_if(|children| *children == 0).is_some() {}
        match open.last_mut() {
            Some(children) => *children -= 1,
            None => return false,
        }
    }
    false
}

/// One value's header: where the header and its text end, how many values belong below it.
struct Head {
    end: usize,
    children: u64,
    is_container: bool,
}

/// Short text is most of what records are made of. Told by branches that are predicted well, its
/// end is known without waiting for the table: that is what a walk over log records waits for.
#[inline]
fn head(bytes: &[u8], at: usize) -> Result<Head, SkipError> {
    let end = match bytes.get(at..) {
        Some([first @ 0xa0..=0xbf, ..]) => at + 1 + usize::from(first & 0x1f),
        Some([0xd9, length, ..]) => at + 2 + usize::from(*length),
        _ => return any_head(bytes, at),
    };
    if end > bytes.len() {
        return Err(SkipError::NeedMore { needed: end });
    }
    Ok(Head { end, children: 0, is_container: false })
}

#[inline]
fn any_head(bytes: &[u8], at: usize) -> Result<Head, SkipError> {
    let needed = at.saturating_add(1);
    let first = bytes.get(at).ok_or(SkipError::NeedMore { needed })?;
    let shape = SHAPES.get(usize::from(*first)).copied().unwrap_or(ILLEGAL);
    let (size, children) = match shape.kind {
        Kind::Whole => (usize::from(shape.size), u64::from(shape.children)),
        Kind::Length8 => (usize::from(shape.size) + to_usize(length::<1>(bytes, at)?), 0),
        Kind::Length16 => (usize::from(shape.size) + to_usize(length::<2>(bytes, at)?), 0),
        Kind::Length32 => {
            (to_usize(length::<4>(bytes, at)?).saturating_add(usize::from(shape.size)), 0)
        }
        Kind::Count16 => (3, u64::from(length::<2>(bytes, at)?) * u64::from(shape.children)),
        Kind::Count32 => (5, u64::from(length::<4>(bytes, at)?) * u64::from(shape.children)),
        Kind::Illegal => return Err(SkipError::Illegal { at }),
    };
    let end = at.saturating_add(size);
    if end > bytes.len() {
        return Err(SkipError::NeedMore { needed: end });
    }
    Ok(Head { end, children, is_container: shape.is_container })
}

/// The big-endian number of `N` bytes behind the header byte.
#[inline]
fn length<const N: usize>(bytes: &[u8], at: usize) -> Result<u32, SkipError> {
    let digits = bytes.get(at + 1..).and_then(|rest| rest.first_chunk::<N>());
    let digits = digits.ok_or(SkipError::NeedMore { needed: at + 1 + N })?;
    Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
}

#[inline]
fn to_usize(length: u32) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}

/// How the size of a value and its children follow from its first byte.
#[derive(Clone, Copy)]
enum Kind {
    /// From the first byte alone.
    Whole,
    /// `size` and the number in the next 1, 2 or 4 bytes.
    Length8,
    Length16,
    Length32,
    /// `children` times the number in the next 2 or 4 bytes.
    Count16,
    Count32,
    Illegal,
}

#[derive(Clone, Copy)]
struct Shape {
    kind: Kind,
    size: u8,
    children: u8,
    is_container: bool,
}

const ILLEGAL: Shape = Shape { kind: Kind::Illegal, size: 0, children: 0, is_container: false };

static SHAPES: [Shape; 256] = shapes();

#[expect(clippy::indexing_slicing, reason = "no u8 is beyond an array of 256")]
const fn shapes() -> [Shape; 256] {
    let mut shapes = [ILLEGAL; 256];
    let mut first: u8 = 0;
    loop {
        shapes[first as usize] = shape(first);
        if first == u8::MAX {
            return shapes;
        }
        first += 1;
    }
}

const fn shape(first: u8) -> Shape {
    const fn value(kind: Kind, size: u8) -> Shape {
        Shape { kind, size, children: 0, is_container: false }
    }
    const fn container(kind: Kind, children: u8) -> Shape {
        Shape { kind, size: 1, children, is_container: true }
    }
    match first {
        0x80..=0x8f => container(Kind::Whole, (first & 0x0f) * 2),
        0x90..=0x9f => container(Kind::Whole, first & 0x0f),
        0xa0..=0xbf => value(Kind::Whole, 1 + (first & 0x1f)),
        0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff => value(Kind::Whole, 1),
        0xc1 => ILLEGAL,
        // bin and str: header byte and length; ext: a type byte more.
        0xc4 | 0xd9 => value(Kind::Length8, 2),
        0xc5 | 0xda => value(Kind::Length16, 3),
        0xc6 | 0xdb => value(Kind::Length32, 5),
        0xc7 => value(Kind::Length8, 3),
        0xc8 => value(Kind::Length16, 4),
        0xc9 => value(Kind::Length32, 6),
        0xcc | 0xd0 => value(Kind::Whole, 2),
        0xcd | 0xd1 => value(Kind::Whole, 3),
        0xca | 0xce | 0xd2 => value(Kind::Whole, 5),
        0xcb | 0xcf | 0xd3 => value(Kind::Whole, 9),
        0xd4 => value(Kind::Whole, 3),
        0xd5 => value(Kind::Whole, 4),
        0xd6 => value(Kind::Whole, 6),
        0xd7 => value(Kind::Whole, 10),
        0xd8 => value(Kind::Whole, 18),
        0xdc => container(Kind::Count16, 1),
        0xdd => container(Kind::Count32, 1),
        0xde => container(Kind::Count16, 2),
        0xdf => container(Kind::Count32, 2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skip(bytes: &[u8]) -> Result<usize, SkipError> {
        Skipper::new(0, 1).advance(bytes)
    }

    #[test]
    fn every_width_of_every_type_ends_where_the_specification_says() {
        let cases: [(&[u8], usize); 22] = [
            (b"\x7f", 1),
            (b"\x80", 1),
            (b"\x92\x01\x02", 3),
            (b"\xbf", 32),
            (b"\xc0", 1),
            (b"\xc4\x02", 4),
            (b"\xc5\x01\x00", 259),
            (b"\xc6\x00\x00\x00\x01", 6),
            (b"\xc7\x02\x00", 5),
            (b"\xc8\x00\x02\x00", 6),
            (b"\xc9\x00\x00\x00\x02\x00", 8),
            (b"\xca", 5),
            (b"\xcb", 9),
            (b"\xcd", 3),
            (b"\xd3", 9),
            (b"\xd6", 6),
            (b"\xd8", 18),
            (b"\xda\x00\x03", 6),
            (b"\xdc\x00\x02\x01\x02", 5),
            (b"\xdd\x00\x00\x00\x01\xc0", 6),
            (b"\xde\x00\x01\x01\x02", 5),
            (b"\xdf\x00\x00\x00\x00", 5),
        ];
        for (head, size) in cases {
            let mut bytes = head.to_vec();
            bytes.resize(size + 3, 0);
            assert_eq!(skip(&bytes), Ok(size), "{head:02x?}");
            for cut in 0..size {
                assert!(matches!(skip(&bytes[..cut]), Err(SkipError::NeedMore { .. })), "{cut}");
            }
        }
    }

    #[test]
    fn a_walk_that_stopped_goes_on_where_it_was() {
        let bytes = b"\x82\xa1a\x93\x01\xd9\x02xx\xc4\x01y\xa1b\xdc\x00\x01\xc0";
        let mut skipper = Skipper::new(0, 1);
        for end in 0..bytes.len() {
            assert!(matches!(skipper.advance(&bytes[..end]), Err(SkipError::NeedMore { .. })));
            assert!(skipper.at() <= end && end - skipper.at() < 5);
        }
        assert_eq!(skipper.advance(bytes), Ok(bytes.len()));
        assert_eq!(skipper.containers(), 3);
    }

    #[test]
    fn a_header_tells_how_many_bytes_it_will_take_at_least() {
        assert_eq!(
            skip(b"\xdd\xff\xff\xff\xff"),
            Err(SkipError::NeedMore { needed: 4_294_967_300 })
        );
        assert_eq!(
            skip(b"\xc6\x7f\xff\xff\xff"),
            Err(SkipError::NeedMore { needed: 2_147_483_652 })
        );
        assert_eq!(skip(b"\x93\x01\xc1"), Err(SkipError::Illegal { at: 2 }));
    }

    #[test]
    fn depth_counts_containers_in_each_other_and_not_beside_each_other() {
        let nested = [[0x91; 5].as_slice(), b"\x90"].concat();
        assert!(!exceeds_depth(&nested, 6) && exceeds_depth(&nested, 5));
        let beside = b"\x94\x90\x80\x91\x01\x81\x01\x02";
        assert!(!exceeds_depth(beside, 2) && exceeds_depth(beside, 1));
        assert!(!exceeds_depth(b"\x01", 0) && !exceeds_depth(b"", 0));
    }
}

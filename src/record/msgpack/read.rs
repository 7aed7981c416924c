//! Reads msgpack values one by one out of a slice. Must not know what the values mean.

use super::skip::{SkipError, Skipper};

/// Why a value could not be read. The reader stays where it was.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ReadError {
    /// The value goes on behind the end of the slice.
    #[error("value goes on behind the end of the bytes")]
    NeedMore,
    /// 0xc1 begins no value.
    #[error("illegal byte 0xc1")]
    Malformed,
    /// A value of another type than the one asked for.
    #[error("value is of another type, first byte 0x{first_byte:02x}")]
    Unexpected {
        /// The first byte of the value found.
        first_byte: u8,
    },
}

/// One value, or the header of a container: its children are the values that follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Token<'a> {
    /// nil
    Nil,
    /// false or true
    Bool(bool),
    /// An integer of zero or more, however it was encoded.
    UInt(u64),
    /// A negative integer.
    Int(i64),
    /// A float of 4 bytes.
    F32(f32),
    /// A float of 8 bytes.
    F64(f64),
    /// Text: UTF-8 by the specification, any bytes in practice.
    Str(&'a [u8]),
    /// Bytes.
    Bin(&'a [u8]),
    /// An extension type and its bytes.
    Ext(i8, &'a [u8]),
    /// That many values follow.
    Array(u32),
    /// That many pairs of key and value follow.
    Map(u32),
}

/// Reads values from the start of a slice on.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first byte on.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is not read yet.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The first byte of the next value.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Reads a value, or the header of a container.
    ///
    /// # Errors
    ///
    /// [`ReadError::NeedMore`] or [`ReadError::Malformed`].
    #[inline]
    pub fn token(&mut self) -> Result<Token<'a>, ReadError> {
        if let Some(text) = self.short_text() {
            return Ok(Token::Str(text));
        }
        let mut reader = self.clone();
        let token = reader.read()?;
        *self = reader;
        Ok(token)
    }

    /// Reads the header of a map: how many pairs follow.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unexpected`] for another type.
    pub fn map_header(&mut self) -> Result<u32, ReadError> {
        self.expect(|token| if let Token::Map(pairs) = token { Some(pairs) } else { None })
    }

    /// Reads the header of an array: how many values follow.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unexpected`] for another type.
    pub fn array_header(&mut self) -> Result<u32, ReadError> {
        self.expect(|token| if let Token::Array(values) = token { Some(values) } else { None })
    }

    /// Reads a str or a bin: its bytes.
    ///
    /// # Errors
    ///
    /// [`ReadError::Unexpected`] for another type.
    #[inline]
    pub fn text(&mut self) -> Result<&'a [u8], ReadError> {
        if let Some(text) = self.short_text() {
            return Ok(text);
        }
        self.expect(|token| match token {
            Token::Str(bytes) | Token::Bin(bytes) => Some(bytes),
            Token::Nil
            | Token::Bool(_)
            | Token::UInt(_)
            | Token::Int(_)
            | Token::F32(_)
            | Token::F64(_)
            | Token::Ext(..)
            | Token::Array(_)
            | Token::Map(_) => None,
        })
    }

    /// Reads over these bytes, if they are the next ones. As no msgpack value begins with another one,
    /// those of whole values are found only where the same values stand.
    #[inline]
    #[must_use]
    pub fn skip_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.rest = self.rest.strip_prefix(bytes)?;
        Some(())
    }

    /// Reads over one value with all that is in it and returns its bytes.
    ///
    /// # Errors
    ///
    /// [`ReadError::NeedMore`] or [`ReadError::Malformed`].
    pub fn skip_value(&mut self) -> Result<&'a [u8], ReadError> {
        let end = Skipper::new(0, 1).advance(self.rest).map_err(|error| match error {
            SkipError::NeedMore { .. } => ReadError::NeedMore,
            SkipError::Illegal { .. } => ReadError::Malformed,
        })?;
        self.take(end)
    }

    /// Text of at most 255 bytes, which most of what records are made of is: told by two branches,
    /// inline, without the table of all types. `None`: anything else, or it is cut off.
    #[inline]
    fn short_text(&mut self) -> Option<&'a [u8]> {
        let (length, behind) = match self.rest {
            [first @ 0xa0..=0xbf, behind @ ..] => (first & 0x1f, behind),
            [0xd9, length, behind @ ..] => (*length, behind),
            _ => return None,
        };
        let (text, rest) = behind.split_at_checked(length.into())?;
        self.rest = rest;
        Some(text)
    }

    #[inline]
    fn expect<T>(&mut self, wanted: impl Fn(Token<'a>) -> Option<T>) -> Result<T, ReadError> {
        let mut reader = self.clone();
        let first_byte = reader.peek().ok_or(ReadError::NeedMore)?;
        let value = wanted(reader.read()?).ok_or(ReadError::Unexpected { first_byte })?;
        *self = reader;
        Ok(value)
    }

    fn read(&mut self) -> Result<Token<'a>, ReadError> {
        let [first] = self.array()?;
        Ok(match first {
            0x00..=0x7f => Token::UInt(first.into()),
            0x80..=0x8f => Token::Map(u32::from(first & 0x0f)),
            0x90..=0x9f => Token::Array(u32::from(first & 0x0f)),
            0xa0..=0xbf => Token::Str(self.take(usize::from(first & 0x1f))?),
            0xc0 => Token::Nil,
            0xc1 => return Err(ReadError::Malformed),
            0xc2 | 0xc3 => Token::Bool(first == 0xc3),
            0xc4 => Token::Bin(self.counted::<1>()?),
            0xc5 => Token::Bin(self.counted::<2>()?),
            0xc6 => Token::Bin(self.counted::<4>()?),
            0xc7..=0xc9 | 0xd4..=0xd8 => self.ext(first)?,
            0xca => Token::F32(f32::from_be_bytes(self.array()?)),
            0xcb => Token::F64(f64::from_be_bytes(self.array()?)),
            0xcc => Token::UInt(u8::from_be_bytes(self.array()?).into()),
            0xcd => Token::UInt(u16::from_be_bytes(self.array()?).into()),
            0xce => Token::UInt(u32::from_be_bytes(self.array()?).into()),
            0xcf => Token::UInt(u64::from_be_bytes(self.array()?)),
            0xd0 => signed(i8::from_be_bytes(self.array()?).into()),
            0xd1 => signed(i16::from_be_bytes(self.array()?).into()),
            0xd2 => signed(i32::from_be_bytes(self.array()?).into()),
            0xd3 => signed(i64::from_be_bytes(self.array()?)),
            0xd9 => Token::Str(self.counted::<1>()?),
            0xda => Token::Str(self.counted::<2>()?),
            0xdb => Token::Str(self.counted::<4>()?),
            0xdc => Token::Array(self.number::<2>()?),
            0xdd => Token::Array(self.number::<4>()?),
            0xde => Token::Map(self.number::<2>()?),
            0xdf => Token::Map(self.number::<4>()?),
            0xe0..=0xff => Token::Int(i8::from_be_bytes([first]).into()),
        })
    }

    fn ext(&mut self, first: u8) -> Result<Token<'a>, ReadError> {
        let length = match first {
            0xc7 => self.number::<1>()?,
            0xc8 => self.number::<2>()?,
            0xc9 => self.number::<4>()?,
            // 0xd4 to 0xd8 stand for 1, 2, 4, 8 and 16 bytes.
            fixed => 1 << fixed.saturating_sub(0xd4).min(4),
        };
        let kind = i8::from_be_bytes(self.array()?);
        Ok(Token::Ext(kind, self.take(length.try_into().unwrap_or(usize::MAX))?))
    }

    fn counted<const N: usize>(&mut self) -> Result<&'a [u8], ReadError> {
        let length = self.number::<N>()?;
        self.take(length.try_into().unwrap_or(usize::MAX))
    }

    fn number<const N: usize>(&mut self) -> Result<u32, ReadError> {
        let digits: [u8; N] = self.array()?;
        Ok(digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let (array, rest) = self.rest.split_first_chunk::<N>().ok_or(ReadError::NeedMore)?;
        self.rest = rest;
        Ok(*array)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ReadError::NeedMore)?;
        self.rest = rest;
        Ok(taken)
    }
}

fn signed<'a>(number: i64) -> Token<'a> {
    u64::try_from(number).map_or(Token::Int(number), Token::UInt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_positive_number_reads_the_same_in_a_signed_and_an_unsigned_width() {
        for bytes in [b"\xd2\x65\x53\xf1\x00".as_slice(), b"\xce\x65\x53\xf1\x00"] {
            assert_eq!(Reader::new(bytes).token(), Ok(Token::UInt(1_700_000_000)));
        }
        assert_eq!(Reader::new(b"\xd0\xff").token(), Ok(Token::Int(-1)));
        assert_eq!(Reader::new(b"\xe0").token(), Ok(Token::Int(-32)));
    }

    #[test]
    fn what_cannot_be_read_leaves_the_reader_where_it_was() {
        let mut reader = Reader::new(b"\xa3ab");
        assert_eq!(reader.token(), Err(ReadError::NeedMore));
        assert_eq!(reader.map_header(), Err(ReadError::NeedMore));
        let mut reader = Reader::new(b"\x05\xc1");
        assert_eq!(reader.text(), Err(ReadError::Unexpected { first_byte: 5 }));
        assert_eq!(reader.token(), Ok(Token::UInt(5)));
        assert_eq!(reader.token(), Err(ReadError::Malformed));
        assert_eq!(reader.rest(), b"\xc1");
    }

    #[test]
    fn text_of_every_length_reads_the_same_whole_and_not_at_all_when_it_is_cut() {
        for length in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
            let mut bytes = Vec::new();
            super::super::Writer::new(&mut bytes).str(&vec![b'x'; length]);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.text().map(<[u8]>::len), Ok(length));
            assert_eq!(reader.rest(), b"");
            let mut cut = Reader::new(&bytes[..bytes.len() - 1]);
            assert_eq!(cut.token(), Err(ReadError::NeedMore));
            assert_eq!(cut.text(), Err(ReadError::NeedMore));
            assert_eq!(cut.rest().len(), bytes.len() - 1);
        }
    }

    #[test]
    fn every_fixed_extension_has_its_own_length() {
        for (first, length) in [(0xd4, 1), (0xd5, 2), (0xd6, 4), (0xd7, 8), (0xd8, 16)] {
            let bytes = [[first, 0xff].as_slice(), &[7; 20]].concat();
            assert_eq!(Reader::new(&bytes).token(), Ok(Token::Ext(-1, &[7; 20][..length])));
        }
    }

    #[test]
    fn skipping_returns_the_value_whole() {
        let mut reader = Reader::new(b"\x81\xa1k\x92\x01\x02\xc0");
        assert_eq!(reader.skip_value(), Ok(b"\x81\xa1k\x92\x01\x02".as_slice()));
        assert_eq!(reader.rest(), b"\xc0");
    }
}

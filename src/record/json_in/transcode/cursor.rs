//! A place in a text, and what may stand there: white space, digits, the inside of a string.

use super::JsonError;

/// The text and the offset of the byte to look at.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    /// Control characters cannot stand in strings.
    pub(super) is_strict: bool,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a [u8], is_strict: bool) -> Self {
        Self { text, at: 0, is_strict }
    }

    pub(super) fn peek(&self) -> Result<u8, JsonError> {
        self.text.get(self.at).copied().ok_or(JsonError::Truncated)
    }

    /// The next byte that is no white space.
    pub(super) fn significant(&mut self) -> Result<u8, JsonError> {
        while matches!(self.peek()?, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        self.peek()
    }

    pub(super) const fn malformed(&self) -> JsonError {
        JsonError::Malformed { at: self.at }
    }

    pub(super) fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.malformed());
        }
        while self.peek().is_ok_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    /// The bytes before the next quote or backslash.
    pub(super) fn plain(&mut self) -> Result<&'a [u8], JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = memchr::memchr2(b'"', b'\\', rest).ok_or(JsonError::Truncated)?;
        let plain = rest.get(..length).unwrap_or_default();
        if self.is_strict && plain.iter().any(|byte| *byte < b' ') {
            return Err(self.malformed());
        }
        self.at += length;
        Ok(plain)
    }

    /// From a backslash to the end of the string.
    pub(super) fn escaped(&mut self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        while self.peek()? == b'\\' {
            self.at += 1;
            self.escape(text)?;
            text.extend_from_slice(self.plain()?);
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        let byte = self.peek()?;
        text.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => return self.unicode(text),
            _ => return Err(self.malformed()),
        });
        self.at += 1;
        Ok(())
    }

    /// Reads `uXXXX`, and the second half of a pair; half a pair alone becomes U+FFFD.
    fn unicode(&mut self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        let unit = self.unit()?;
        let mut code = u32::from(unit);
        if (0xd800..0xdc00).contains(&unit) && self.text.get(self.at..).is_some_and(is_low_half) {
            self.at += 1;
            let low = u32::from(self.unit()?);
            code = 0x1_0000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        }
        let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(())
    }

    fn unit(&mut self) -> Result<u16, JsonError> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).ok_or_else(|| self.malformed())?;
            unit = unit << 4 | digit;
            self.at += 1;
        }
        u16::try_from(unit).map_err(|_| self.malformed())
    }
}

/// Whether the text goes on with the escape of a pair's second half, `\uDC00` to `\uDFFF`.
fn is_low_half(text: &[u8]) -> bool {
    let half = text.strip_prefix(b"\\u").and_then(|rest| rest.first_chunk::<4>());
    half.is_some_and(|[a, b, c, d]| {
        matches!(a, b'd' | b'D')
            && matches!(b, b'c'..=b'f' | b'C'..=b'F')
            && c.is_ascii_hexdigit()
            && d.is_ascii_hexdigit()
    })
}

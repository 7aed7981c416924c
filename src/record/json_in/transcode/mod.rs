//! Turns JSON text into msgpack, in one pass, without recursion and without a tree in between.
//!
//! Grammar: RFC 8259, but control characters and bytes that are not UTF-8 may stand in strings as
//! they are: a log line is worth more than a rule.

use crate::record::msgpack::Writer;

/// Why text is no JSON value that can be a record. Nothing was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum JsonError {
    /// The value goes on behind the end of the text.
    #[error("json ends within a value")]
    Truncated,
    /// A byte that cannot stand there.
    #[error("byte at offset {at} cannot stand there in json")]
    Malformed {
        /// Its offset in the text.
        at: usize,
    },
    /// More containers in each other than allowed.
    #[error("json is nested deeper than {depth_max} containers")]
    TooDeep {
        /// The most that are allowed.
        depth_max: usize,
    },
}

/// A key and its text, to be added to an object.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub text: &'a [u8],
}

/// Transcodes values one after the other; keeps its stack between them.
#[derive(Debug)]
pub struct Transcoder {
    depth_max: usize,
    open: Vec<Open>,
}

/// A container whose end was not met yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    is_object: bool,
    /// Where its header lies in the output.
    header_at: usize,
    /// Values in it so far; in an object, values with their keys.
    count: usize,
}

/// What the grammar asks for next.
#[derive(Clone, Copy)]
enum Expect {
    /// A key or, in an object just opened, its end.
    Key { or_end: bool },
    /// A value or, in an array just opened, its end.
    Value { or_end: bool },
    /// A comma or the end of the container; at the top: nothing more.
    Next,
}

impl Transcoder {
    /// Takes values of at most that many containers in each other.
    #[must_use]
    pub const fn new(depth_max: usize) -> Self {
        Self { depth_max, open: Vec::new() }
    }

    /// Appends the first value of the text as msgpack to `out`, with `extra` as its last pair if it
    /// is an object. Returns the offset behind it in the text.
    ///
    /// # Errors
    ///
    /// [`JsonError`]; `out` is as before then.
    pub fn transcode(
        &mut self,
        text: &[u8],
        extra: Option<Pair<'_>>,
        out: &mut Vec<u8>,
    ) -> Result<usize, JsonError> {
        let length = out.len();
        self.open.clear();
        let mut run = Run { text, at: 0, extra, out, open: &mut self.open };
        let result = run.value(self.depth_max);
        if result.is_err() {
            out.truncate(length);
        }
        result
    }
}

/// One pass over one text.
struct Run<'a> {
    text: &'a [u8],
    at: usize,
    extra: Option<Pair<'a>>,
    out: &'a mut Vec<u8>,
    open: &'a mut Vec<Open>,
}

impl Run<'_> {
    fn value(&mut self, depth_max: usize) -> Result<usize, JsonError> {
        let mut expect = Expect::Value { or_end: false };
        loop {
            if matches!(expect, Expect::Next) && self.open.is_empty() {
                return Ok(self.at);
            }
            let byte = self.significant()?;
            expect = match (expect, byte) {
                (Expect::Value { .. }, b'{' | b'[') => {
                    if self.open.len() >= depth_max {
                        return Err(JsonError::TooDeep { depth_max });
                    }
                    self.begin(byte == b'{')
                }
                (Expect::Key { or_end: true }, b'}')
                | (Expect::Value { or_end: true }, b']')
                | (Expect::Next, b'}' | b']') => self.end(byte == b'}')?,
                (Expect::Value { .. }, _) => {
                    self.scalar(byte)?;
                    Expect::Next
                }
                (Expect::Key { .. }, b'"') => {
                    self.string()?;
                    if self.significant()? != b':' {
                        return Err(self.malformed());
                    }
                    self.at += 1;
                    Expect::Value { or_end: false }
                }
                (Expect::Next, b',') => self.next(),
                (Expect::Key { .. } | Expect::Next, _) => return Err(self.malformed()),
            };
        }
    }

    fn begin(&mut self, is_object: bool) -> Expect {
        self.at += 1;
        self.open.push(Open { is_object, header_at: self.out.len(), count: 0 });
        // The count comes at the end; 16 bits hold nearly every one.
        self.out.extend_from_slice(&[if is_object { 0xde } else { 0xdc }, 0, 0]);
        if is_object { Expect::Key { or_end: true } } else { Expect::Value { or_end: true } }
    }

    fn next(&mut self) -> Expect {
        self.at += 1;
        match self.open.last_mut() {
            Some(open) => {
                open.count += 1;
                if open.is_object {
                    Expect::Key { or_end: false }
                } else {
                    Expect::Value { or_end: false }
                }
            }
            None => Expect::Next,
        }
    }

    fn end(&mut self, is_object: bool) -> Result<Expect, JsonError> {
        let open = self.open.last().copied().filter(|open| open.is_object == is_object);
        let Some(Open { header_at, count, .. }) = open else { return Err(self.malformed()) };
        self.at += 1;
        self.open.pop();
        // A container with anything in it has one value more than commas.
        let is_empty = self.out.len() == header_at + 3;
        let mut count = if is_empty { 0 } else { count + 1 };
        if let Some(pair) = self.extra.filter(|_| is_object && self.open.is_empty()) {
            let mut writer = Writer::new(self.out);
            writer.str(pair.key);
            writer.str(pair.text);
            count += 1;
        }
        self.set_count(header_at, is_object, count);
        Ok(Expect::Next)
    }

    fn set_count(&mut self, header_at: usize, is_object: bool, count: usize) {
        let counted = header_at..header_at + 3;
        if let Ok(count) = u16::try_from(count) {
            if let Some(header) = self.out.get_mut(counted.start + 1..counted.end) {
                header.copy_from_slice(&count.to_be_bytes());
            }
        } else {
            // Each value has a byte at least, and no text of 4 GiB gets here.
            let [a, b, c, d] = u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes();
            let header = [if is_object { 0xdf } else { 0xdd }, a, b, c, d];
            self.out.splice(counted, header);
        }
    }

    fn scalar(&mut self, first: u8) -> Result<(), JsonError> {
        match first {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true", 0xc3),
            b'f' => self.word(b"false", 0xc2),
            b'n' => self.word(b"null", 0xc0),
            _ => Err(self.malformed()),
        }
    }

    fn word(&mut self, word: &[u8], code: u8) -> Result<(), JsonError> {
        for byte in word {
            if self.peek()? != *byte {
                return Err(self.malformed());
            }
            self.at += 1;
        }
        self.out.push(code);
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.at += usize::from(self.peek()? == b'-');
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.digits()?,
            _ => return Err(self.malformed()),
        }
        let mut is_integer = true;
        if self.peek().is_ok_and(|byte| byte == b'.') {
            is_integer = false;
            self.at += 1;
            self.digits()?;
        }
        if self.peek().is_ok_and(|byte| matches!(byte, b'e' | b'E')) {
            is_integer = false;
            self.at += 1;
            self.at += usize::from(matches!(self.peek()?, b'+' | b'-'));
            self.digits()?;
        }
        let text = self.text.get(start..self.at).and_then(|text| str::from_utf8(text).ok());
        let text = text.ok_or_else(|| self.malformed())?;
        let mut writer = Writer::new(self.out);
        // `-0` is no integer: its sign would be lost.
        match (text.parse::<u64>(), text.parse::<i64>()) {
            (Ok(number), _) if is_integer => writer.uint(number),
            (_, Ok(number)) if is_integer && number != 0 => writer.int(number),
            // Never refuses: what is beyond the range reads as infinite.
            _ => writer.f64(text.parse::<f64>().unwrap_or(f64::NAN)),
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.malformed());
        }
        while self.peek().is_ok_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let length = self.plain()?;
        let plain = self.text.get(self.at..self.at + length).unwrap_or_default();
        self.at += length;
        if self.peek()? == b'"' {
            self.at += 1;
            Writer::new(self.out).str(plain);
            return Ok(());
        }
        let mut text = plain.to_vec();
        while self.peek()? == b'\\' {
            self.at += 1;
            self.escape(&mut text)?;
            let length = self.plain()?;
            text.extend_from_slice(self.text.get(self.at..self.at + length).unwrap_or_default());
            self.at += length;
        }
        self.at += 1;
        Writer::new(self.out).str(&text);
        Ok(())
    }

    /// How many bytes there are before the next quote or backslash.
    fn plain(&self) -> Result<usize, JsonError> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        memchr::memchr2(b'"', b'\\', rest).ok_or(JsonError::Truncated)
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

    fn significant(&mut self) -> Result<u8, JsonError> {
        while matches!(self.peek()?, b' ' | b'\t' | b'\r' | b'\n') {
            self.at += 1;
        }
        self.peek()
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.text.get(self.at).copied().ok_or(JsonError::Truncated)
    }

    const fn malformed(&self) -> JsonError {
        JsonError::Malformed { at: self.at }
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

#[cfg(test)]
mod tests;

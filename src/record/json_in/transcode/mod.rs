//! Turns JSON text into msgpack, in one pass, without recursion and without a tree in between.
//!
//! Grammar: RFC 8259, but control characters and bytes that are not UTF-8 may stand in strings as
//! they are: a log line is worth more than a rule. Where the line is kept in any case, a strict
//! transcoder leaves control characters and numbers beyond any double to it.

mod cursor;

use smallvec::SmallVec;

use crate::record::msgpack::Writer;
use cursor::Cursor;

/// Containers in each other for which the stack needs no memory of its own.
const OPEN_INLINE: usize = 8;

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

/// What became of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Object {
    /// Offset behind it in the text.
    pub end: usize,
    /// Pairs of key and value that were written.
    pub pairs: u32,
}

/// Transcodes values one after the other; keeps its stack between them.
#[derive(Debug)]
pub struct Transcoder {
    depth_max: usize,
    is_strict: bool,
    open: Stack,
}

type Stack = SmallVec<[Open; OPEN_INLINE]>;

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
        Self { depth_max, is_strict: false, open: SmallVec::new_const() }
    }

    /// As [`Transcoder::new`], and refuses control characters in strings and numbers that no double
    /// holds.
    #[must_use]
    pub const fn strict(depth_max: usize) -> Self {
        Self { depth_max, is_strict: true, open: SmallVec::new_const() }
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
        let mut run =
            Run { cursor: Cursor::new(text, self.is_strict), extra, out, open: &mut self.open };
        let result = run.value(self.depth_max);
        if result.is_err() {
            out.truncate(length);
        }
        result
    }

    /// Appends the pairs of the object that the text begins with, without a header before them.
    ///
    /// # Errors
    ///
    /// [`JsonError`], also where the text begins with another value; `out` is as before then.
    pub fn transcode_pairs(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<Object, JsonError> {
        let length = out.len();
        self.open.clear();
        let mut run = Run {
            cursor: Cursor::new(text, self.is_strict),
            extra: None,
            out,
            open: &mut self.open,
        };
        let result = run.pairs(self.depth_max);
        if result.is_err() {
            out.truncate(length);
        }
        result
    }
}

/// One pass over one text.
struct Run<'a> {
    cursor: Cursor<'a>,
    extra: Option<Pair<'a>>,
    out: &'a mut Vec<u8>,
    open: &'a mut Stack,
}

impl Run<'_> {
    fn pairs(&mut self, depth_max: usize) -> Result<Object, JsonError> {
        if self.cursor.significant()? != b'{' {
            return Err(self.cursor.malformed());
        }
        // The object is one container itself.
        let Some(within_max) = depth_max.checked_sub(1) else {
            return Err(JsonError::TooDeep { depth_max });
        };
        self.cursor.at += 1;
        let mut pairs = 0;
        if self.cursor.significant()? == b'}' {
            self.cursor.at += 1;
            return Ok(Object { end: self.cursor.at, pairs });
        }
        loop {
            self.key()?;
            self.value(within_max).map_err(|error| match error {
                JsonError::TooDeep { .. } => JsonError::TooDeep { depth_max },
                JsonError::Truncated | JsonError::Malformed { .. } => error,
            })?;
            pairs += 1;
            match self.cursor.significant()? {
                b'}' => {
                    self.cursor.at += 1;
                    return Ok(Object { end: self.cursor.at, pairs });
                }
                b',' => {
                    self.cursor.at += 1;
                    self.cursor.significant()?;
                }
                _ => return Err(self.cursor.malformed()),
            }
        }
    }

    fn value(&mut self, depth_max: usize) -> Result<usize, JsonError> {
        let mut expect = Expect::Value { or_end: false };
        loop {
            if matches!(expect, Expect::Next) && self.open.is_empty() {
                return Ok(self.cursor.at);
            }
            let byte = self.cursor.significant()?;
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
                    self.key()?;
                    Expect::Value { or_end: false }
                }
                (Expect::Next, b',') => self.next(),
                (Expect::Key { .. } | Expect::Next, _) => return Err(self.cursor.malformed()),
            };
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Result<(), JsonError> {
        if self.cursor.peek()? != b'"' {
            return Err(self.cursor.malformed());
        }
        self.string()?;
        if self.cursor.significant()? != b':' {
            return Err(self.cursor.malformed());
        }
        self.cursor.at += 1;
        Ok(())
    }

    fn begin(&mut self, is_object: bool) -> Expect {
        self.cursor.at += 1;
        self.open.push(Open { is_object, header_at: self.out.len(), count: 0 });
        // The count comes at the end; 16 bits hold nearly every one.
        self.out.extend_from_slice(&[if is_object { 0xde } else { 0xdc }, 0, 0]);
        if is_object { Expect::Key { or_end: true } } else { Expect::Value { or_end: true } }
    }

    fn next(&mut self) -> Expect {
        self.cursor.at += 1;
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
        let Some(Open { header_at, count, .. }) = open else { return Err(self.cursor.malformed()) };
        self.cursor.at += 1;
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
            _ => Err(self.cursor.malformed()),
        }
    }

    fn word(&mut self, word: &[u8], code: u8) -> Result<(), JsonError> {
        for byte in word {
            if self.cursor.peek()? != *byte {
                return Err(self.cursor.malformed());
            }
            self.cursor.at += 1;
        }
        self.out.push(code);
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.cursor.at;
        self.cursor.at += usize::from(self.cursor.peek()? == b'-');
        match self.cursor.peek()? {
            b'0' => self.cursor.at += 1,
            b'1'..=b'9' => self.cursor.digits()?,
            _ => return Err(self.cursor.malformed()),
        }
        let mut is_integer = true;
        if self.cursor.peek().is_ok_and(|byte| byte == b'.') {
            is_integer = false;
            self.cursor.at += 1;
            self.cursor.digits()?;
        }
        if self.cursor.peek().is_ok_and(|byte| matches!(byte, b'e' | b'E')) {
            is_integer = false;
            self.cursor.at += 1;
            self.cursor.at += usize::from(matches!(self.cursor.peek()?, b'+' | b'-'));
            self.cursor.digits()?;
        }
        let text =
            self.cursor.text.get(start..self.cursor.at).and_then(|text| str::from_utf8(text).ok());
        let text = text.ok_or_else(|| self.cursor.malformed())?;
        let mut writer = Writer::new(self.out);
        match (text.parse::<u64>(), text.parse::<i64>()) {
            (Ok(number), _) if is_integer => writer.uint(number),
            (_, Ok(number)) if is_integer => writer.int(number),
            // Never refuses: what is beyond the range reads as infinite.
            _ => {
                let number = text.parse::<f64>().unwrap_or(f64::NAN);
                if self.cursor.is_strict && !number.is_finite() {
                    return Err(self.cursor.malformed());
                }
                writer.f64(number);
            }
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.cursor.at += 1;
        let plain = self.cursor.plain()?;
        let mut writer = Writer::new(self.out);
        if self.cursor.peek()? == b'"' {
            self.cursor.at += 1;
            writer.str(plain);
            return Ok(());
        }
        writer.str_with(|text| {
            text.extend_from_slice(plain);
            self.cursor.escaped(text)
        })
    }
}

#[cfg(test)]
mod tests;

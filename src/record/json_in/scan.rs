//! Finds where a JSON object or array ends, over any number of reads.
//!
//! Looks at brackets, strings and what may stand before them; the grammar in full is the
//! transcoder's. The checks there are serve one end: that a line which lacks its end is noticed at
//! the next line and does not swallow the stream.

/// Brackets whose kind is remembered. Deeper ones are counted only.
const KINDS_MAX: u32 = u128::BITS;

/// A byte that cannot stand where it is: the text from the value's start on is not JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("byte at offset {0} cannot stand there in JSON")]
pub struct DisorderAt(pub usize);

/// A walk over one JSON object or array that can stop anywhere and go on with more bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct JsonScanner {
    /// Offset of the next byte to look at.
    at: usize,
    depth: u32,
    /// One bit a level, the outermost lowest: 1 for an object, 0 for an array.
    kinds: u128,
    within: Within,
    /// The last byte that was neither white space nor in a string; `"` after a string.
    last: u8,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Within {
    #[default]
    Structure,
    Text,
    Escape,
}

impl JsonScanner {
    /// Will walk the value that begins at the offset with `{` or `[`.
    #[must_use]
    pub fn new(at: usize) -> Self {
        Self { at, ..Self::default() }
    }

    /// Offset of the next byte that is not walked yet.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.at
    }

    /// Goes on and returns the offset behind the value, or `None` where it goes on behind the text.
    ///
    /// # Errors
    ///
    /// [`DisorderAt`]: this is no JSON and its end cannot be known.
    pub fn advance(&mut self, text: &[u8]) -> Result<Option<usize>, DisorderAt> {
        while let Some(rest) = text.get(self.at..).filter(|rest| !rest.is_empty()) {
            match self.within {
                Within::Structure => {
                    if self.structure(rest)? {
                        return Ok(Some(self.at));
                    }
                }
                Within::Text => self.text(rest)?,
                Within::Escape => {
                    self.at += 1;
                    self.within = Within::Text;
                }
            }
        }
        Ok(None)
    }

    /// Walks up to the next string, or to the end of the value: then true.
    fn structure(&mut self, rest: &[u8]) -> Result<bool, DisorderAt> {
        for byte in rest {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b'{' | b'[' => self.open(*byte)?,
                b'}' | b']' => self.close(*byte)?,
                b'"' => {
                    self.check(self.may_begin_text())?;
                    self.within = Within::Text;
                }
                other => self.last = *other,
            }
            self.at += 1;
            if self.depth == 0 {
                return Ok(true);
            }
            if self.within == Within::Text {
                break;
            }
        }
        Ok(false)
    }

    fn text(&mut self, rest: &[u8]) -> Result<(), DisorderAt> {
        let Some(length) = memchr::memchr3(b'"', b'\\', b'\n', rest) else {
            self.at += rest.len();
            return Ok(());
        };
        self.at += length;
        match rest.get(length) {
            Some(b'"') => {
                self.within = Within::Structure;
                self.last = b'"';
            }
            Some(b'\\') => self.within = Within::Escape,
            // A newline must be escaped in JSON: here a line ended within a string.
            _ => return Err(DisorderAt(self.at)),
        }
        self.at += 1;
        Ok(())
    }

    fn open(&mut self, bracket: u8) -> Result<(), DisorderAt> {
        self.check(self.depth == 0 || self.may_begin_container())?;
        if self.depth < KINDS_MAX {
            let bit = 1 << self.depth;
            self.kinds = if bracket == b'{' { self.kinds | bit } else { self.kinds & !bit };
        }
        self.depth = self.depth.saturating_add(1);
        self.last = bracket;
        Ok(())
    }

    fn close(&mut self, bracket: u8) -> Result<(), DisorderAt> {
        self.check(self.in_object().is_none_or(|in_object| in_object == (bracket == b'}')))?;
        self.depth = self.depth.saturating_sub(1);
        self.last = bracket;
        Ok(())
    }

    fn may_begin_text(&self) -> bool {
        match self.in_object() {
            Some(true) => matches!(self.last, b'{' | b',' | b':'),
            Some(false) => matches!(self.last, b'[' | b','),
            None => true,
        }
    }

    fn may_begin_container(&self) -> bool {
        match self.in_object() {
            Some(true) => self.last == b':',
            Some(false) => matches!(self.last, b'[' | b','),
            None => true,
        }
    }

    /// Whether the innermost bracket is an object's; `None` where that is too deep to remember.
    fn in_object(&self) -> Option<bool> {
        let level = self.depth.checked_sub(1).filter(|level| *level < KINDS_MAX)?;
        Some(self.kinds >> level & 1 == 1)
    }

    fn check(&self, holds: bool) -> Result<(), DisorderAt> {
        if holds { Ok(()) } else { Err(DisorderAt(self.at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(text: &str) -> Result<Option<usize>, DisorderAt> {
        JsonScanner::new(0).advance(text.as_bytes())
    }

    #[test]
    fn a_value_ends_at_its_last_bracket_wherever_the_text_is_cut() {
        let text = r#"{"a}":[1,{"b":"]\"\\"}, "x" ],"c":{}}{"next":1}"#;
        let length = text.len() - r#"{"next":1}"#.len();
        assert_eq!(end(text), Ok(Some(length)));
        for cut in 0..length {
            let mut scanner = JsonScanner::new(0);
            assert_eq!(scanner.advance(&text.as_bytes()[..cut]), Ok(None));
            assert_eq!(scanner.at(), cut, "nothing is left to be walked twice");
            assert_eq!(scanner.advance(text.as_bytes()), Ok(Some(length)));
        }
    }

    #[test]
    fn a_line_that_lacks_its_end_is_noticed_at_the_next_line() {
        assert_eq!(end("{\"a\":\"cut\n{\"b\":1}\n"), Err(DisorderAt(9)));
        assert_eq!(end("{\"a\":1\n{\"b\":1}\n"), Err(DisorderAt(7)));
        assert_eq!(end("{\"a\":1,\n{\"b\":1}\n"), Err(DisorderAt(8)));
        assert_eq!(end("{\"a\":[1,2}\n"), Err(DisorderAt(9)));
        assert_eq!(end("[1 \"x\"]"), Err(DisorderAt(3)));
    }

    #[test]
    fn the_end_is_found_below_the_deepest_bracket_that_is_remembered() {
        let text = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert_eq!(end(&text), Ok(Some(2_000)));
        let mixed = format!("{{\"a\":{}{},\"b\":1}}", "[".repeat(300), "]".repeat(300));
        assert_eq!(end(&mixed), Ok(Some(mixed.len())));
    }
}

//! JSON: objects and arrays of them, one after the other. Must not know what is in them.

use super::{Fault, STEP_BYTES};
use crate::input::http::tagged::Tagged;
use crate::record::chunk::RECORD_DEPTH_MAX;
use crate::record::json_in::{JsonError, Transcoder};

const FORM: &str = "json";

/// A walk over a body.
#[derive(Debug)]
pub(in crate::input::http) struct Json<'a> {
    body: &'a [u8],
    /// Offset of the next byte to look at.
    at: usize,
    expect: Expect,
    has_value: bool,
    transcoder: Transcoder,
    /// For values that are no records: they are walked, not kept.
    scratch: Vec<u8>,
}

/// What may come next.
#[derive(Clone, Copy, Debug)]
enum Expect {
    /// An object, an array, or the end of the body.
    Value,
    /// An element of an array or, in one just opened, its end.
    Element { or_end: bool },
    /// A comma or the end of the array.
    Next,
}

impl<'a> Json<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self {
            body,
            at: 0,
            expect: Expect::Value,
            has_value: false,
            transcoder: Transcoder::new(RECORD_DEPTH_MAX),
            scratch: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, out: &mut Tagged<'_>) -> Result<bool, Fault> {
        let end = self.at.saturating_add(STEP_BYTES);
        while self.at < end {
            let blank = self.rest().iter().take_while(|byte| is_blank(**byte)).count();
            self.at += blank;
            let Some(byte) = self.rest().first().copied() else { return self.ended() };
            self.expect = match (self.expect, byte) {
                (Expect::Value, b'{') => {
                    self.has_value = true;
                    self.record(out)?;
                    Expect::Value
                }
                (Expect::Value, b'[') => {
                    self.has_value = true;
                    self.at += 1;
                    Expect::Element { or_end: true }
                }
                (Expect::Value, byte) => {
                    return Err(Fault::NotObject { line: self.line(self.at), at: self.at, byte });
                }
                (Expect::Element { or_end: true }, b']') | (Expect::Next, b']') => {
                    self.at += 1;
                    Expect::Value
                }
                (Expect::Element { .. }, b'{') => {
                    self.record(out)?;
                    Expect::Next
                }
                (Expect::Element { .. }, _) => {
                    self.no_record()?;
                    out.skip();
                    Expect::Next
                }
                (Expect::Next, b',') => {
                    self.at += 1;
                    Expect::Element { or_end: false }
                }
                (Expect::Next, byte) => {
                    return Err(Fault::NotJson { line: self.line(self.at), at: self.at, byte });
                }
            };
        }
        Ok(true)
    }

    fn rest(&self) -> &'a [u8] {
        self.body.get(self.at..).unwrap_or_default()
    }

    /// The body ends here.
    fn ended(&self) -> Result<bool, Fault> {
        match self.expect {
            Expect::Value if self.has_value => Ok(false),
            Expect::Value => Err(Fault::Empty),
            Expect::Element { .. } | Expect::Next => Err(self.truncated()),
        }
    }

    fn record(&mut self, out: &mut Tagged<'_>) -> Result<(), Fault> {
        let (rest, transcoder) = (self.rest(), &mut self.transcoder);
        let mut end = 0;
        let pushed = out.push(|data, pair| {
            end = transcoder.transcode(rest, pair, data)?;
            Ok(())
        });
        pushed.map_err(|error| self.fault(error))?;
        self.at += end;
        Ok(())
    }

    fn no_record(&mut self) -> Result<(), Fault> {
        self.scratch.clear();
        let walked = self.transcoder.transcode(self.rest(), None, &mut self.scratch);
        self.at += walked.map_err(|error| self.fault(error))?;
        Ok(())
    }

    fn fault(&self, error: JsonError) -> Fault {
        match error {
            JsonError::Truncated => self.truncated(),
            JsonError::Malformed { at } => {
                let at = self.at + at;
                let byte = self.body.get(at).copied().unwrap_or_default();
                Fault::NotJson { line: self.line(at), at, byte }
            }
            JsonError::TooDeep { depth_max } => Fault::TooDeep { at: self.at, depth_max },
        }
    }

    const fn truncated(&self) -> Fault {
        Fault::Truncated { form: FORM, at: self.body.len() }
    }

    /// The line of a byte, the first being 1.
    fn line(&self, at: usize) -> usize {
        1 + memchr::memchr_iter(b'\n', self.body.get(..at).unwrap_or_default()).count()
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

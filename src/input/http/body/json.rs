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
    /// Bytes that are looked at for one value: more, once it was seen to be larger.
    window: usize,
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
            window: STEP_BYTES,
            transcoder: Transcoder::new(RECORD_DEPTH_MAX),
            scratch: Vec::new(),
        }
    }

    /// Bytes that the next step looks at, at most.
    pub(super) fn window_bytes(&self) -> usize {
        self.rest().len().min(self.window)
    }

    pub(super) fn step(&mut self, out: &mut Tagged<'_>, bytes_max: usize) -> Result<bool, Fault> {
        let (end, window) = (self.at.saturating_add(STEP_BYTES), self.window);
        // A value that is larger than was paid for is for the next step.
        while self.at < end && self.window == window && out.bytes() < bytes_max {
            let blank = self.rest().iter().take(end - self.at);
            self.at += blank.take_while(|byte| is_blank(**byte)).count();
            let Some(byte) = self.rest().first().copied() else { return self.ended() };
            if self.at == end {
                break;
            }
            self.expect = match (self.expect, byte) {
                (Expect::Value, b'{') => {
                    self.has_value |= self.record(out)?;
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
                (Expect::Element { .. }, b'{') if self.record(out)? => Expect::Next,
                (Expect::Element { .. }, b'{') => self.expect,
                (Expect::Element { .. }, _) if self.no_record()? => {
                    out.skip();
                    Expect::Next
                }
                (Expect::Element { .. }, _) => self.expect,
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

    /// `false`: it is larger than the window, which was made larger.
    fn record(&mut self, out: &mut Tagged<'_>) -> Result<bool, Fault> {
        let (seen, transcoder) = (self.seen(), &mut self.transcoder);
        let mut end = 0;
        let pushed = out.push(|data, pair| {
            end = transcoder.transcode(seen, pair, data)?;
            Ok(())
        });
        self.walked(pushed.map(|()| end))
    }

    /// As [`Json::record`].
    fn no_record(&mut self) -> Result<bool, Fault> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        let walked = self.transcoder.transcode(self.seen(), None, &mut scratch);
        // A large one is not kept, as nobody pays for it.
        if scratch.capacity() <= STEP_BYTES {
            self.scratch = scratch;
        }
        // A number that ends with the window may go on behind it.
        let is_cut = walked == Ok(self.seen().len()) && self.seen().len() < self.rest().len();
        self.walked(if is_cut { Err(JsonError::Truncated) } else { walked })
    }

    fn walked(&mut self, walked: Result<usize, JsonError>) -> Result<bool, Fault> {
        match walked {
            Ok(bytes) => {
                self.at += bytes;
                self.window = STEP_BYTES;
                Ok(true)
            }
            Err(JsonError::Truncated) if self.window < self.rest().len() => {
                self.window = self.window.saturating_mul(2);
                Ok(false)
            }
            Err(error) => Err(self.fault(error)),
        }
    }

    /// What may be looked at.
    fn seen(&self) -> &'a [u8] {
        self.rest().get(..self.window).unwrap_or(self.rest())
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

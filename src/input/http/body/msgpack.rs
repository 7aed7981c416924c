//! msgpack: maps and arrays of them, one after the other. Must not know what is in them.

use super::{Fault, STEP_BYTES};
use crate::input::http::tagged::Tagged;
use crate::record::chunk::RECORD_DEPTH_MAX;
use crate::record::msgpack::{ReadError, Reader, exceeds_depth};

const FORM: &str = "msgpack";

/// A walk over a body.
#[derive(Debug)]
pub(in crate::input::http) struct Msgpack<'a> {
    reader: Reader<'a>,
    body_bytes: usize,
    /// Elements that are left of an array.
    elements: u32,
    /// Bytes of the next record, where it is larger than a step.
    large: usize,
}

impl<'a> Msgpack<'a> {
    pub(super) const fn new(body: &'a [u8]) -> Self {
        Self { reader: Reader::new(body), body_bytes: body.len(), elements: 0, large: 0 }
    }

    /// Bytes that the next step takes, at most.
    pub(super) fn window_bytes(&self) -> usize {
        self.reader.rest().len().min(self.large.max(STEP_BYTES))
    }

    pub(super) fn step(&mut self, out: &mut Tagged<'_>, bytes_max: usize) -> Result<bool, Fault> {
        let end = self.at().saturating_add(STEP_BYTES);
        while self.at() < end && out.bytes() < bytes_max {
            match (self.reader.peek(), self.elements.checked_sub(1)) {
                (None, None) if self.body_bytes == 0 => return Err(Fault::Empty),
                (None, None) => return Ok(false),
                (None, Some(_)) => return Err(self.fault(ReadError::NeedMore)),
                (Some(0x80..=0x8f | 0xde | 0xdf), left) => {
                    if !self.record(out)? {
                        return Ok(true);
                    }
                    self.elements = left.unwrap_or_default();
                }
                (Some(_), Some(left)) => {
                    self.reader.skip_value().map_err(|error| self.fault(error))?;
                    out.skip();
                    self.elements = left;
                }
                (Some(0x90..=0x9f | 0xdc | 0xdd), None) => {
                    let header = self.reader.array_header();
                    self.elements = header.map_err(|error| self.fault(error))?;
                }
                (Some(0xc1), None) => return Err(self.fault(ReadError::Malformed)),
                (Some(byte), None) => return Err(Fault::NotMap { at: self.at(), byte }),
            }
        }
        Ok(true)
    }

    /// `false`: it is larger than what is paid for, and is for the next step.
    fn record(&mut self, out: &mut Tagged<'_>) -> Result<bool, Fault> {
        let (at, before) = (self.at(), self.reader.clone());
        let record = self.reader.skip_value().map_err(|error| self.fault(error))?;
        if record.len() > self.large.max(STEP_BYTES) {
            self.large = record.len();
            self.reader = before;
            return Ok(false);
        }
        self.large = 0;
        if exceeds_depth(record, RECORD_DEPTH_MAX) {
            return Err(Fault::TooDeep { at, depth_max: RECORD_DEPTH_MAX });
        }
        out.push_map(record);
        Ok(true)
    }

    /// Offset of the next byte to look at.
    const fn at(&self) -> usize {
        self.body_bytes - self.reader.rest().len()
    }

    fn fault(&self, error: ReadError) -> Fault {
        match error {
            ReadError::NeedMore => Fault::Truncated { form: FORM, at: self.body_bytes },
            ReadError::Malformed | ReadError::Unexpected { .. } => {
                Fault::NotMsgpack { at: self.at() }
            }
        }
    }
}

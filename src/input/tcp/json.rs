//! `Format json`: objects and arrays one after the other. Must not know whose they are.
//!
//! What is no JSON is left behind at the first newline after its start. So a line that is cut off
//! costs only itself, although JSON may have newlines within. How often a byte is walked again for
//! that is bounded: see [`Resync`].

use super::decode::{ConnectionError, OddReason, Progress, Records};
use crate::record::{
    json_in::{JsonError, JsonScanner, Pair, Transcoder},
    msgpack::Writer,
};

const ARRAY_KEY: &[u8] = b"msg";
/// How often the same bytes may be walked to find out which of their lines are JSON.
const RESYNCS_MAX: u32 = 8;

/// A walk over JSON values.
#[derive(Debug)]
pub(super) struct JsonLines {
    state: State,
    resync: Resync,
    objects: Transcoder,
    arrays: Transcoder,
    walked_bytes: u64,
}

/// What the buffer begins with.
#[derive(Debug)]
enum State {
    /// What is between values, or the next value.
    Between,
    /// A value that is not whole.
    Value(JsonScanner),
    /// The rest of a line that was dropped and counted.
    Dropped,
}

/// What to do next.
enum Step {
    /// Go on behind so many bytes.
    Taken(usize, State),
    /// More bytes are needed.
    NeedMore(State),
}

impl JsonLines {
    pub(super) const fn new(depth_max: usize) -> Self {
        // The map around an array is a container of the record, too.
        let arrays = Transcoder::new(depth_max.saturating_sub(1));
        let resync = Resync { doubtful_bytes: 0, count: 0 };
        let objects = Transcoder::new(depth_max);
        Self { state: State::Between, resync, objects, arrays, walked_bytes: 0 }
    }

    pub(super) const fn walked_bytes(&self) -> u64 {
        self.walked_bytes
    }

    /// Returns how many bytes are done with.
    pub(super) fn decode(
        &mut self,
        buffer: &[u8],
        bytes_max: usize,
        records: &mut Records<'_>,
    ) -> (usize, Result<Progress, ConnectionError>) {
        let mut taken = 0;
        loop {
            let rest = buffer.get(taken..).unwrap_or_default();
            let step = match std::mem::replace(&mut self.state, State::Between) {
                State::Between => between(rest, records),
                State::Dropped => dropped(rest),
                State::Value(scanner) => match self.value(rest, scanner, bytes_max, records) {
                    Ok(step) => step,
                    Err(error) => return (taken, Err(error)),
                },
            };
            match step {
                Step::Taken(bytes, state) => {
                    taken += bytes;
                    self.resync.taken(bytes);
                    self.state = state;
                    if records.has_enough() {
                        return (taken, Ok(Progress::More));
                    }
                }
                Step::NeedMore(state) => {
                    self.state = state;
                    return (taken, Ok(Progress::Drained));
                }
            }
        }
    }

    /// A value that is not whole now will never be.
    pub(super) fn end(&mut self, _buffer: &[u8], records: &mut Records<'_>) {
        if matches!(self.state, State::Value(_)) {
            records.drop_one(OddReason::LineTruncated);
        }
        self.state = State::Between;
    }

    fn value(
        &mut self,
        rest: &[u8],
        mut scanner: JsonScanner,
        bytes_max: usize,
        records: &mut Records<'_>,
    ) -> Result<Step, ConnectionError> {
        let walked_before = scanner.at();
        let end = scanner.advance(rest);
        let walked = scanner.at() - walked_before;
        self.walked_bytes += u64::try_from(walked).unwrap_or(u64::MAX);
        let bytes = match end {
            Ok(Some(end)) => end,
            Ok(None) => rest.len(),
            Err(disorder) => disorder.0,
        };
        if bytes > bytes_max {
            return Err(ConnectionError::ObjectTooLarge { bytes, bytes_max });
        }
        let text = match end {
            Ok(Some(end)) => rest.get(..end).unwrap_or_default(),
            Ok(None) => return Ok(Step::NeedMore(State::Value(scanner))),
            Err(disorder) => {
                records.drop_one(OddReason::LineNotJson);
                return Ok(self.resync.drop_line(rest, disorder.0, rest.len()));
            }
        };
        Ok(match self.record(text, records) {
            Ok(()) => Step::Taken(text.len(), State::Between),
            Err(JsonError::TooDeep { .. }) => {
                records.drop_one(OddReason::RecordTooDeep);
                Step::Taken(text.len(), State::Between)
            }
            Err(JsonError::Malformed { .. } | JsonError::Truncated) => {
                records.drop_one(OddReason::LineNotJson);
                self.resync.drop_line(rest, text.len(), text.len())
            }
        })
    }

    fn record(&mut self, text: &[u8], records: &mut Records<'_>) -> Result<(), JsonError> {
        records.push(|data, source| {
            if text.starts_with(b"{") {
                return self.objects.transcode(text, source, data).map(|_| ());
            }
            let mut writer = Writer::new(data);
            writer.map_header(if source.is_some() { 2 } else { 1 });
            writer.str(ARRAY_KEY);
            self.arrays.transcode(text, None, data)?;
            if let Some(Pair { key, text }) = source {
                let mut writer = Writer::new(data);
                writer.str(key);
                writer.str(text);
            }
            Ok(())
        })
    }
}

fn between(rest: &[u8], records: &mut Records<'_>) -> Step {
    let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    match rest.get(blank) {
        None if blank == 0 => Step::NeedMore(State::Between),
        None => Step::Taken(blank, State::Between),
        Some(b'{' | b'[') => Step::Taken(blank, State::Value(JsonScanner::new(0))),
        Some(_) => {
            records.drop_one(OddReason::LineNotObject);
            Step::Taken(blank, State::Dropped)
        }
    }
}

fn dropped(rest: &[u8]) -> Step {
    match memchr::memchr(b'\n', rest) {
        None if rest.is_empty() => Step::NeedMore(State::Dropped),
        None => Step::Taken(rest.len(), State::Dropped),
        Some(newline) => Step::Taken(newline + 1, State::Between),
    }
}

/// Where to go on behind a value that is no JSON.
///
/// Its second line may begin a good value, but may as well be a part of the bad one, and so the
/// third: a value of n lines could be walked n times. So after [`RESYNCS_MAX`] times all its lines
/// but the last are given up at once.
#[derive(Debug)]
struct Resync {
    /// Bytes from here on that were walked already.
    doubtful_bytes: usize,
    /// How often.
    count: u32,
}

impl Resync {
    const fn taken(&mut self, bytes: usize) {
        self.doubtful_bytes = self.doubtful_bytes.saturating_sub(bytes);
        if self.doubtful_bytes == 0 {
            self.count = 0;
        }
    }

    /// Goes on behind a newline; if that is still to come, behind so many bytes for now. That far
    /// the bytes were walked.
    fn drop_line(&mut self, rest: &[u8], walked: usize, otherwise: usize) -> Step {
        self.doubtful_bytes = self.doubtful_bytes.max(walked);
        self.count += 1;
        let last = if self.count > RESYNCS_MAX {
            rest.get(..walked).and_then(|walked| memchr::memrchr(b'\n', walked))
        } else {
            None
        };
        match last.or_else(|| memchr::memchr(b'\n', rest)) {
            Some(newline) => Step::Taken(newline + 1, State::Between),
            None => Step::Taken(otherwise, State::Dropped),
        }
    }
}

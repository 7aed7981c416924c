//! Forward frames as Docker's `fluentd` log driver writes them, numbered so that a receiver can
//! prove order and completeness. Must not know who reads them.

use std::str::FromStr;
use std::time::Duration;

use firelane::record::msgpack::Writer;

/// The tag that the ECS agent sets for a container `app`.
pub(crate) const TAG: &str = "app-firelens-0123456789abcdef0123456789abcdef";
/// Entries of one frame in the modes that hold several.
pub(crate) const FRAME_ENTRIES: u32 = 100;

const CONTAINER_ID: &str = "43481a6ce4842eec8fe72fc28500c6b52edcc0917f105b83379f88cac1ff3946";
const CONTAINER_NAME: &str = "/ecs-web-42-app-8cd7b1d6e0a3f5b21c00";
/// Lines of a stack trace, the first with the number of the trace.
pub(crate) const TRACE_LINES: u64 = 10;
/// What fills a line up to its length.
const FILL: &str = "GET /api/v1/orders/8471/items?page:2 200 in 12 ms, 1843 bytes to 10.0.31.7; ";
/// Digits of a sequence number.
const NUMBER_DIGITS: usize = 9;
const NUMBER: &str = "000000000";
/// A msgpack `EventTime`: fixext 8 of type 0, then seconds and nanoseconds.
const TIME: [u8; 10] = [0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// How entries are put into frames.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// `[tag, time, record, {}]`, what Docker sends.
    Message,
    /// `[tag, [[time, record], …], {}]`
    Forward,
    /// `[tag, bin of [time, record]…, {}]`
    Packed,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "message" => Ok(Self::Message),
            "forward" => Ok(Self::Forward),
            "packed" => Ok(Self::Packed),
            other => Err(format!("no mode {other:?}: message, forward or packed")),
        }
    }
}

/// What a line holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lines {
    /// A text.
    Plain,
    /// A JSON object.
    Json,
    /// A line of a stack trace of Java, [`TRACE_LINES`] to a trace.
    Trace,
}

impl FromStr for Lines {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "plain" => Ok(Self::Plain),
            "json" => Ok(Self::Json),
            "trace" => Ok(Self::Trace),
            other => Err(format!("no lines {other:?}: plain, json or trace")),
        }
    }
}

/// What all frames of one sender have in common.
#[derive(Clone, Debug)]
pub(crate) struct Frames {
    mode: Mode,
    /// What comes before the length of packed entries.
    head: Vec<u8>,
    first: Entry,
    /// The lines after the first of a trace.
    rest: Option<Entry>,
}

/// The bytes of an entry, and where in them its time and its number stand.
#[derive(Clone, Debug)]
struct Entry {
    bytes: Vec<u8>,
    time_at: usize,
    number_at: Option<usize>,
}

impl Frames {
    /// Frames of lines of `line_bytes`, at least long enough for their number.
    #[must_use]
    pub(crate) fn new(mode: Mode, id: &str, line_bytes: usize, lines: Lines) -> Self {
        let numbered = format!("id={id} seq={NUMBER} ");
        let (first, rest) = match lines {
            Lines::Plain => (filled(&format!("INFO {numbered}"), "", line_bytes), None),
            Lines::Json => {
                let fields =
                    r#"{"level":"info","status":200,"path":"/api/v1/orders","msg":"order "#;
                (filled(&format!("{fields}{numbered}"), "\"}", line_bytes), None)
            }
            Lines::Trace => {
                let first = format!("ERROR {numbered}java.lang.IllegalStateException: no order ");
                let frame = "\tat com.example.orders.Checkout.pay(Checkout.java:112) ";
                (filled(&first, "", line_bytes), Some(filled(frame, "", line_bytes)))
            }
        };
        let mut head = Vec::new();
        let mut writer = Writer::new(&mut head);
        writer.array_header(if mode == Mode::Message { 4 } else { 3 });
        writer.str(TAG.as_bytes());
        let entry = |line: &String| Entry::new(mode, line);
        Self { mode, head, first: entry(&first), rest: rest.as_ref().map(entry) }
    }

    /// Appends the frame that holds the events from `first` on, at most `events_max`, and returns
    /// how many it holds. All are of the time `since_1970`.
    pub(crate) fn append(
        &self,
        first: u64,
        events_max: u64,
        since_1970: Duration,
        out: &mut Vec<u8>,
    ) -> u64 {
        out.extend_from_slice(&self.head);
        let events = match self.mode {
            Mode::Message => 1,
            Mode::Forward | Mode::Packed => events_max.min(FRAME_ENTRIES.into()),
        };
        let entries = u32::try_from(events).unwrap_or(FRAME_ENTRIES);
        let numbers = first..first + events;
        match self.mode {
            Mode::Message => {}
            Mode::Forward => Writer::new(out).array_header(entries),
            Mode::Packed => {
                let bytes: usize =
                    numbers.clone().map(|number| self.entry(number).bytes.len()).sum();
                out.push(0xc6);
                out.extend_from_slice(&u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes());
            }
        }
        for number in numbers {
            let lines = if self.rest.is_some() { TRACE_LINES } else { 1 };
            self.entry(number).append(number / lines, since_1970, out);
        }
        out.push(0x80);
        events
    }

    fn entry(&self, number: u64) -> &Entry {
        let rest = self.rest.as_ref().filter(|_| !number.is_multiple_of(TRACE_LINES));
        rest.unwrap_or(&self.first)
    }
}

impl Entry {
    fn new(mode: Mode, line: &str) -> Self {
        let mut bytes = Vec::new();
        if mode != Mode::Message {
            bytes.push(0x92);
        }
        let time_at = bytes.len() + 2;
        bytes.extend_from_slice(&TIME);
        let mut writer = Writer::new(&mut bytes);
        writer.map_header(4);
        for text in ["container_id", CONTAINER_ID, "container_name", CONTAINER_NAME] {
            writer.str(text.as_bytes());
        }
        for text in ["source", "stdout", "log", line] {
            writer.str(text.as_bytes());
        }
        let line_at = bytes.len() - line.len();
        let number_at = line.find(NUMBER).map(|at| line_at + at);
        Self { bytes, time_at, number_at }
    }

    fn append(&self, number: u64, since_1970: Duration, out: &mut Vec<u8>) {
        let at = out.len();
        out.extend_from_slice(&self.bytes);
        let seconds = u32::try_from(since_1970.as_secs()).unwrap_or(u32::MAX);
        let nanos = since_1970.subsec_nanos();
        let stamp = (u64::from(seconds) << 32 | u64::from(nanos)).to_be_bytes();
        put(out, at + self.time_at, &stamp);
        let Some(number_at) = self.number_at else { return };
        let mut digits = [b'0'; NUMBER_DIGITS];
        let mut rest = number;
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(rest % 10).unwrap_or_default();
            rest /= 10;
        }
        put(out, at + number_at, &digits);
    }
}

/// A line of that length, at least of what it begins and ends with.
fn filled(before: &str, after: &str, line_bytes: usize) -> String {
    let fill = line_bytes.saturating_sub(before.len() + after.len());
    let fill = FILL.chars().cycle().take(fill);
    before.chars().chain(fill).chain(after.chars()).collect()
}

fn put(out: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(place) = out.get_mut(at..at + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

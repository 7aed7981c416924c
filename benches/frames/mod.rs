//! Forward frames as Docker's `fluentd` log driver writes them, numbered so that a receiver can
//! prove order and completeness. Must not know who reads them.

use std::str::FromStr;
use std::time::Duration;

use fastrand::Rng;
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
/// Lines that differ, after which they come again.
const VARIED_LINES: usize = 4_096;
const VARIED_SEED: u64 = 7;
const WORDS: [&str; 48] = [
    "order",
    "item",
    "cart",
    "stock",
    "price",
    "account",
    "payment",
    "card",
    "refund",
    "shipment",
    "address",
    "invoice",
    "customer",
    "session",
    "token",
    "cache",
    "queue",
    "worker",
    "retry",
    "timeout",
    "database",
    "connection",
    "pool",
    "index",
    "query",
    "result",
    "page",
    "search",
    "filter",
    "product",
    "catalog",
    "image",
    "upload",
    "download",
    "report",
    "export",
    "import",
    "batch",
    "schedule",
    "job",
    "event",
    "topic",
    "partition",
    "offset",
    "consumer",
    "producer",
    "message",
    "discount",
];
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
    /// A text, the same in every line but for its number.
    Plain,
    /// Lines of a web shop, each its own: see [`varied`].
    Varied,
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
            "varied" => Ok(Self::Varied),
            "json" => Ok(Self::Json),
            "trace" => Ok(Self::Trace),
            other => Err(format!("no lines {other:?}: plain, varied, json or trace")),
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
    /// The entries after it, before it comes again.
    rest: Vec<Entry>,
    /// Lines that have one number together.
    lines_of_number: u64,
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
        let texts = match lines {
            Lines::Plain => vec![filled(&format!("INFO {numbered}"), "", line_bytes)],
            Lines::Varied => {
                let mut chance = Rng::with_seed(VARIED_SEED);
                (0..VARIED_LINES).map(|_| varied(&numbered, line_bytes, &mut chance)).collect()
            }
            Lines::Json => {
                let fields =
                    r#"{"level":"info","status":200,"path":"/api/v1/orders","msg":"order "#;
                vec![filled(&format!("{fields}{numbered}"), "\"}", line_bytes)]
            }
            Lines::Trace => {
                let first = format!("ERROR {numbered}java.lang.IllegalStateException: no order ");
                let frame = "\tat com.example.orders.Checkout.pay(Checkout.java:112) ";
                let rest = (1..TRACE_LINES).map(|_| filled(frame, "", line_bytes));
                std::iter::once(filled(&first, "", line_bytes)).chain(rest).collect()
            }
        };
        let mut head = Vec::new();
        let mut writer = Writer::new(&mut head);
        writer.array_header(if mode == Mode::Message { 4 } else { 3 });
        writer.str(TAG.as_bytes());
        let mut entries = texts.iter().map(|line| Entry::new(mode, line));
        let first = entries.next().unwrap_or_else(|| Entry::new(mode, ""));
        let rest = entries.collect();
        let lines_of_number = if lines == Lines::Trace { TRACE_LINES } else { 1 };
        Self { mode, head, first, rest, lines_of_number }
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
            self.entry(number).append(number / self.lines_of_number, since_1970, out);
        }
        out.push(0x80);
        events
    }

    fn entry(&self, number: u64) -> &Entry {
        let at = number % (self.rest.len() as u64 + 1);
        let rest = at.checked_sub(1).and_then(|at| self.rest.get(usize::try_from(at).ok()?));
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

/// A line as web servers, services and workers write them: words come again, ids, addresses, times
/// and amounts do not. Among the lines of a batch none is twice: gzip looks back 32 KiB, some 50 lines.
fn varied(numbered: &str, line_bytes: usize, chance: &mut Rng) -> String {
    let word = |chance: &mut Rng| chance.choice(WORDS).unwrap_or_default();
    let (noun, verb) = (word(chance), word(chance));
    let address = format!("10.{}.{}.{}", chance.u8(..), chance.u8(..), chance.u8(..));
    let id = chance.u64(..);
    let (millis, bytes, user) = (chance.u32(..3_000), chance.u32(..90_000), chance.u32(..100_000));
    let mut line = match chance.u8(..4) {
        0 => format!(
            "web {numbered}{address} - - \"GET /api/v1/{noun}s/{user}/{verb}?page={} HTTP/1.1\" {} \
             {bytes} \"-\" \"Mozilla/5.0 (X11; Linux x86_64)\" ",
            chance.u8(..50),
            chance.choice([200, 200, 200, 201, 304, 404, 500]).unwrap_or_default(),
        ),
        1 => format!(
            "INFO {numbered}request_id={id:016x} method=POST path=/api/v1/{noun}s status=200 \
             duration_ms={millis} bytes={bytes} client={address} user={user} "
        ),
        2 => format!(
            "DEBUG {numbered}[worker-{}] com.example.shop.{noun}.{verb}.Service - {noun} {user} \
             took {millis} ms ",
            chance.u8(..16),
        ),
        _ => format!(
            "WARN {numbered}trace={:032x} span={id:016x} slow {noun}: {millis} ms for {verb} ",
            chance.u128(..),
        ),
    };
    while line.len() < line_bytes {
        line.push_str(word(chance));
        line.push(' ');
    }
    // Not within the number, which stands in front.
    line.truncate(line_bytes.max("DEBUG ".len() + numbered.len()));
    line
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

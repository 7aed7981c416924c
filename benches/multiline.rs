//! One stage alone, for counting instructions: records through a `multiline` filter with `java`.
//!
//! `multiline plain|after|trace LINE_BYTES EVENTS` filters so many records and does nothing else
//! after its start. `plain` has no trace at all, `after` one before everything, `trace` nothing
//! else. `benches/instructions` runs it.
#![expect(clippy::print_stdout, reason = "says what it did")]

mod frames;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use firelane::chunk::{Chunk, Storage};
use firelane::clock;
use firelane::filter::multiline::Multiline;
use firelane::filter::multiline::config::{Config, Mode as FilterMode};
use firelane::input::forward::decode::{DecodeOptions, Decoder};
use firelane::input::item::Item;
use firelane::ledger::{Account, Permit, Share};
use firelane::multiline::builtin;
use firelane::record::chunk::Entries;
use firelane::record::fields::SharedFields;
use firelane::record::time::EventTime;

use frames::{Frames, Lines, Mode, TRACE_LINES};

/// Records of a chunk, all of whole traces.
const RECORDS: u64 = 10 * TRACE_LINES;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(stage) = arguments.next() else { return Ok(()) };
    let line_bytes = arguments.next().ok_or("line bytes are missing")?.parse()?;
    let events: u64 = arguments.next().ok_or("the number of events is missing")?.parse()?;
    let (first, then) = match stage.as_str() {
        "plain" => (Lines::Plain, Lines::Plain),
        "after" => (Lines::Trace, Lines::Plain),
        "trace" => (Lines::Trace, Lines::Trace),
        other => return Err(format!("no stage {other:?}").into()),
    };
    let account = Arc::new(Account::default());
    let mut filter = Multiline::new(Config {
        key_content: Some("log".to_owned()),
        mode: FilterMode::Parser {
            parsers: vec![Arc::new(builtin("java").ok_or("no parser")?)],
            across_chunks: true,
            bytes_max: 2 * 1_024 * 1_024,
        },
        wait: Duration::from_secs(2),
    });
    let (first, then) = (entries(line_bytes, first)?, entries(line_bytes, then)?);
    let (now, mut filtered) = (clock::now(), 0);
    let mut next = first;
    while filtered < events {
        filtered += next.len() as u64;
        if let Some(chunk) = filter.apply(chunk(&next, &account), now) {
            chunk.delivered();
        }
        next = Arc::clone(&then);
    }
    while let Some(chunk) = filter.pending() {
        chunk.delivered();
    }
    println!("{filtered} events become {}", account.balance().delivered);
    Ok(())
}

fn chunk(entries: &Arc<Entries>, account: &Arc<Account>) -> Chunk {
    Chunk {
        tag: "web-firelens-1".into(),
        entries: Arc::clone(entries),
        shared: SharedFields::default(),
        input: 0,
        rewrites: 0,
        storage: Storage::Memory,
        arrived: clock::now(),
        permit: Permit::new(account.receive(entries.len() as u64), Share::empty()),
    }
}

fn entries(line_bytes: usize, lines: Lines) -> Result<Arc<Entries>, Box<dyn Error>> {
    let frames = Frames::new(Mode::Message, "w0", line_bytes, lines);
    let mut read = Vec::new();
    for number in 0..RECORDS {
        frames.append(number, 1, Duration::from_secs(1), &mut read);
    }
    let mut items = Vec::new();
    let mut buffer = BytesMut::from(read.as_slice());
    let mut decoder = Decoder::new(DecodeOptions::default());
    let _drained = decoder.decode(&mut buffer, EventTime::default(), &mut items)?;
    match items.pop() {
        Some(Item::Entries(tagged)) => Ok(Arc::new(tagged.entries)),
        _ => Err("the frames hold no entries".into()),
    }
}

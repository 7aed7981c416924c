//! One stage alone, for counting instructions: forward frames become items.
//!
//! `decode MODE LINE_BYTES EVENTS` decodes so many events and does nothing else after its start.
//! `benches/instructions` runs it.
#![expect(clippy::print_stdout, reason = "says what it did")]

mod frames;

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use firelane::input::forward::decode::{DecodeOptions, Decoder};
use firelane::input::item::{Item, Progress};
use firelane::record::time::EventTime;

use frames::{Frames, Lines, Mode};

/// Bytes that come with one read.
const READ_BYTES: usize = 64 * 1_024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(mode) = arguments.next() else { return Ok(()) };
    let mode: Mode = mode.parse()?;
    let line_bytes = arguments.next().ok_or("line bytes are missing")?.parse()?;
    let events: u64 = arguments.next().ok_or("the number of events is missing")?.parse()?;
    let frames = Frames::new(mode, "w0", line_bytes, Lines::Plain);
    let mut read = Vec::new();
    let mut events_read = 0;
    while read.len() < READ_BYTES {
        events_read += frames.append(events_read, u64::MAX, Duration::from_secs(1), &mut read);
    }
    let mut decoder = Decoder::new(DecodeOptions::default());
    let mut items = Vec::new();
    let mut decoded = 0;
    while decoded < events {
        let mut buffer = BytesMut::from(read.as_slice());
        while decoder.decode(&mut buffer, EventTime::default(), &mut items)? == Progress::More {}
        for item in items.drain(..) {
            if let Item::Entries(tagged) = black_box(item) {
                decoded += tagged.entries.len() as u64;
            }
        }
    }
    println!("{decoded} events");
    Ok(())
}

//! One stage alone, for counting instructions: a request body is compressed.
//!
//! `gzip LEVEL LINE_BYTES EVENTS` makes one full body of lines that differ (`--lines varied` of
//! `end_to_end`), compresses it again and again until that is so many events, and says how long one
//! took and how much smaller it is. `benches/instructions` runs it.
#![expect(clippy::print_stdout, reason = "says what it did")]
#![expect(clippy::disallowed_methods, reason = "a program that measures time")]

mod frames;
mod records;

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use firelane::output::cloudwatch_logs::batch::BatchBuilder;
use firelane::output::cloudwatch_logs::gzip::Gzip;
use firelane::output::cloudwatch_logs::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use firelane::output::cloudwatch_logs::message::{Dialect, MessageWriter};
use firelane::output::cloudwatch_logs::target::Target;

use frames::Lines;

/// More records than a body holds.
const RECORDS: u64 = 4_096;
/// Bytes that are compressed at once, as in the output.
const PIECE_BYTES: usize = 32 * 1_024;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(level) = arguments.next() else { return Ok(()) };
    let mut gzip = Gzip::new(level.parse()?);
    let line_bytes = arguments.next().ok_or("line bytes are missing")?.parse()?;
    let events: usize = arguments.next().ok_or("the number of events is missing")?.parse()?;
    let (body, in_body) = body(line_bytes)?;
    let (mut done, mut compressed) = (0, Bytes::new());
    let begun = Instant::now();
    while done < events {
        gzip.begin(body.len());
        for piece in body.chunks(PIECE_BYTES) {
            gzip.push(piece)?;
        }
        compressed = black_box(gzip.finish()?);
        done += in_body;
    }
    let took = begun.elapsed();
    println!(
        "level {level}: {in_body} events, {} bytes become {}, {:.2} times fewer; {:.0} ns an event, \
         {:.0} MB/s",
        body.len(),
        compressed.len(),
        body.len() as f64 / compressed.len() as f64,
        took.as_secs_f64() * 1e9 / done as f64,
        (body.len() * done / in_body) as f64 / took.as_secs_f64() / 1e6,
    );
    Ok(())
}

/// A full body, and the events in it.
fn body(line_bytes: usize) -> Result<(Bytes, usize), Box<dyn Error>> {
    let (entries, added) =
        (records::entries(RECORDS, line_bytes, Lines::Varied)?, records::added());
    let target = Target::new("/ecs/web", "bench");
    let mut batch = BatchBuilder::new(&target, BATCH_EVENTS_MAX, BATCH_BYTES_MAX);
    let mut writer = MessageWriter::new(None, Dialect::FluentBit);
    for (time, record) in entries.iter() {
        if batch.push(time.as_millis(), 1, |body| writer.write(record, &added, body)).is_err() {
            break;
        }
    }
    let events = batch.len();
    Ok((batch.seal().ok_or("no events")?.body, events))
}

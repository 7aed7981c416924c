//! One stage alone, for counting instructions: records become messages, or batches of messages.
//!
//! `message message|batch LINE_BYTES EVENTS` writes so many messages and does nothing else after
//! its start. `benches/instructions` runs it.
#![expect(clippy::print_stdout, reason = "says what it did")]

mod frames;
mod records;

use std::error::Error;
use std::hint::black_box;

use firelane::output::cloudwatch_logs::batch::BatchBuilder;
use firelane::output::cloudwatch_logs::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use firelane::output::cloudwatch_logs::message::{Dialect, MessageWriter};
use firelane::output::cloudwatch_logs::target::Target;
use firelane::record::chunk::Entries;
use firelane::record::fields::SharedFields;

use frames::Lines;

/// Records that are written again and again.
const RECORDS: u64 = 100;
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let Some(stage) = arguments.next() else { return Ok(()) };
    let line_bytes = arguments.next().ok_or("line bytes are missing")?.parse()?;
    let events: u64 = arguments.next().ok_or("the number of events is missing")?.parse()?;
    let entries = records::entries(RECORDS, line_bytes, Lines::Plain)?;
    let added = records::added();
    let written = match stage.as_str() {
        "message" => messages(&entries, &added, events),
        "batch" => batches(&entries, &added, events),
        other => return Err(format!("no stage {other:?}").into()),
    };
    println!("{written} events");
    Ok(())
}

fn messages(entries: &Entries, added: &SharedFields, events: u64) -> u64 {
    let mut writer = MessageWriter::new(None, Dialect::FluentBit);
    let mut body = Vec::with_capacity(BATCH_BYTES_MAX);
    let mut written = 0;
    while written < events {
        body.clear();
        for (_, record) in entries.iter() {
            written += u64::from(writer.write(record, added, &mut body).is_ok());
        }
        black_box(&body);
    }
    written
}

fn batches(entries: &Entries, added: &SharedFields, events: u64) -> u64 {
    let target = Target::new("/ecs/web", "bench");
    let builder = || BatchBuilder::new(&target, BATCH_EVENTS_MAX, BATCH_BYTES_MAX);
    let mut writer = MessageWriter::new(None, Dialect::FluentBit);
    let mut batch = builder();
    let mut written = 0;
    while written < events {
        for (time, record) in entries.iter() {
            let added = batch.push(time.as_millis(), 1, |body| writer.write(record, added, body));
            match added {
                Ok(()) => written += 1,
                // The event that did not fit is left out: its cost is part of every batch's.
                Err(_) => {
                    let full = std::mem::replace(&mut batch, builder());
                    black_box(full.seal());
                }
            }
        }
    }
    written
}

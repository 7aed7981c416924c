//! The load: senders that write numbered frames, each over a connection of its own. Must not know
//! how the other side is measured.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use firelane::clock;

use super::frames::{Frames, Lines, TRACE_LINES};
use super::options::{Filter, Options};

/// Bytes of one write, where the rate does not ask for less.
const WRITE_BYTES: usize = 64 * 1_024;
/// How often a sender with a rate looks what is due.
const PACE: Duration = Duration::from_millis(1);

/// The id that the sender of this number gives its lines.
#[must_use]
pub(crate) fn id(sender: u32) -> String {
    format!("w{sender}")
}

/// How many of the events a sender sends.
#[must_use]
pub(crate) fn events_of(sender: u32, options: &Options) -> u64 {
    let senders = u64::from(options.connections);
    options.events / senders + u64::from(u64::from(sender) < options.events % senders)
}

/// How many events are to arrive of those that a sender sends.
#[must_use]
pub(crate) fn arriving(events: u64, options: &Options) -> u64 {
    let is_joined = options.filter == Some(Filter::Multiline) && options.lines == Lines::Trace;
    if is_joined { events.div_ceil(TRACE_LINES) } else { events }
}

/// How many of these events have a number of their own.
#[must_use]
pub(crate) fn numbered(events: u64, options: &Options) -> u64 {
    match options.lines {
        Lines::Plain | Lines::Varied | Lines::Json => events,
        Lines::Trace => events.div_ceil(TRACE_LINES),
    }
}

/// Starts all senders.
///
/// # Errors
///
/// A connection cannot be made.
pub(crate) fn start(
    options: &Options,
    line_bytes: usize,
    address: SocketAddr,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let senders = 0..options.connections;
    let mut started = Vec::new();
    for sender in senders {
        let socket = TcpStream::connect(address)?;
        let frames = Frames::new(options.mode, &id(sender), line_bytes, options.lines);
        let events = events_of(sender, options);
        let rate = options.rate.map(|rate| rate as f64 / f64::from(options.connections));
        started.push(thread::spawn(move || send(socket, &frames, events, rate)));
    }
    Ok(started)
}

fn send(mut socket: TcpStream, frames: &Frames, events: u64, rate: Option<f64>) -> io::Result<()> {
    let begun = Instant::now();
    let mut buffer = Vec::with_capacity(2 * WRITE_BYTES);
    let mut sent = 0;
    while sent < events {
        let due = rate.map_or(events, |rate| due(begun.elapsed(), rate).min(events));
        let now = clock::unix_now();
        buffer.clear();
        while sent < due && buffer.len() < WRITE_BYTES {
            sent += frames.append(sent, due - sent, now, &mut buffer);
        }
        socket.write_all(&buffer)?;
        if sent >= due && sent < events {
            thread::sleep(PACE);
        }
    }
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "a number of events, and positive")]
#[expect(clippy::cast_sign_loss, reason = "a number of events, and positive")]
fn due(elapsed: Duration, rate: f64) -> u64 {
    (elapsed.as_secs_f64() * rate) as u64
}

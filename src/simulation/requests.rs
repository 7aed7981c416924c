//! What a peer that speaks HTTP hears: each request has its answer before the next is sent.

use super::books::{Books, Shared};
use super::check::check;
use crate::input::memory_socket::Channel;

/// What an answer says of the records of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Said {
    /// All were taken in.
    Taken,
    /// None was.
    Refused,
    /// Some may have been.
    Unknown,
}

/// Hears the answer to the last request. `false`: the connection has ended, or does now.
pub(super) async fn hear(number: usize, books: &Shared, from_reader: &Channel) -> bool {
    let mut bytes = Vec::new();
    loop {
        if let Some((status, text)) = answer(&bytes) {
            let mut books = books.lock();
            if books.is_down {
                return false;
            }
            let goes_on = book(number, &mut books, status, &text);
            check(&mut books);
            return goes_on;
        }
        from_reader.readable().await;
        match from_reader.take(usize::MAX) {
            Some(read) if read.is_empty() => {
                let mut books = books.lock();
                let may_end = books.is_down || books.before.is_some() || books.stopped_at.is_some();
                if !may_end {
                    books.wrong(format!("peer {number} has no answer to its request"));
                }
                return false;
            }
            Some(read) => bytes.extend(read),
            None => {}
        }
    }
}

/// The status and the text of an answer that is whole.
fn answer(bytes: &[u8]) -> Option<(u16, String)> {
    let head = memchr::memmem::find(bytes, b"\r\n\r\n")?;
    let (head, text) = (String::from_utf8_lossy(&bytes[..head]), &bytes[head + 4..]);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    let text = text.get(..length)?;
    let status = head.split(' ').nth(1)?.parse().expect("a status");
    Some((status, String::from_utf8_lossy(text).into_owned()))
}

/// The books of an answer; whether the connection goes on.
fn book(number: usize, books: &mut Books, status: u16, text: &str) -> bool {
    let said = match status {
        201 => Said::Taken,
        503 if text.contains("nothing of the request was kept") => Said::Refused,
        // There is less memory than the request needs.
        413 if text.contains("raise Mem_Buf_Limit") => Said::Refused,
        503 => Said::Unknown,
        _ => {
            books.wrong(format!("peer {number}: answer {status}: {text}"));
            Said::Unknown
        }
    };
    books.trace.say(format_args!("peer {number}: answer {status}"));
    let peer = &mut books.peers[number];
    let frame = peer.ack_frames[peer.acked];
    let lines = peer.frames[frame].1.len() as u64;
    peer.acked += 1;
    match said {
        Said::Taken => {
            peer.acked_lines += lines;
            if frame >= peer.whole && books.peers[number].frames[frame].0 > books.taken_of(number) {
                books.wrong(format!("peer {number} has an answer to a request that was not read"));
            }
            books.acked();
        }
        Said::Refused => peer.refuse(frame),
        Said::Unknown => {
            peer.unknown.insert(frame);
        }
    }
    let is_busy = text.contains("memory is short");
    said == Said::Taken || is_busy
}

//! Frames of the forward protocol, written by hand: an encoder of its own notices mistakes of ours.

/// When something was logged, as the peer says it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Time {
    /// `EventTime`, in milliseconds since 1970.
    At(i64),
    /// None: the time of receipt holds.
    None,
}

/// A line to send.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) time: Time,
    pub(super) text: String,
    /// The field that may choose a stream.
    pub(super) field: String,
}

/// The modes of the protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mode {
    Message,
    Forward,
    Packed,
}

/// A frame with these lines; one in the mode `Message`. With the id of a chunk it asks for an ack.
pub(super) fn frame(mode: Mode, tag: &str, lines: &[Line], chunk: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let elements = usize::from(mode == Mode::Message) + 2 + usize::from(chunk.is_some());
    array(elements, &mut out);
    text(tag, &mut out);
    match mode {
        Mode::Message => lines.iter().take(1).for_each(|line| entry(line, &mut out)),
        Mode::Forward => {
            array(lines.len(), &mut out);
            for line in lines {
                array(2, &mut out);
                entry(line, &mut out);
            }
        }
        Mode::Packed => {
            let mut packed = Vec::new();
            for line in lines {
                array(2, &mut packed);
                entry(line, &mut packed);
            }
            out.push(0xc6);
            out.extend_from_slice(&u32::try_from(packed.len()).expect("small").to_be_bytes());
            out.extend_from_slice(&packed);
        }
    }
    if let Some(chunk) = chunk {
        out.push(0x81);
        text("chunk", &mut out);
        text(chunk, &mut out);
    }
    out
}

/// A request of HTTP with these lines, as an array of JSON.
pub(super) fn request(tag: &str, lines: &[Line]) -> Vec<u8> {
    let records = lines.iter().map(|line| serde_json::json!({"log": line.text, "s": line.field}));
    let body = serde_json::Value::from_iter(records).to_string();
    let length = body.len();
    format!(
        "POST /{tag} HTTP/1.1\r\nHost: peer\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The ack of a chunk.
pub(super) fn ack(chunk: &str) -> Vec<u8> {
    let mut out = vec![0x81];
    text("ack", &mut out);
    text(chunk, &mut out);
    out
}

fn entry(line: &Line, out: &mut Vec<u8>) {
    match line.time {
        Time::None => out.push(0xc0),
        Time::At(ms) => {
            let seconds = u32::try_from(ms / 1_000).expect("a time of this century");
            let nanos = u32::try_from(ms % 1_000).expect("below a second") * 1_000_000;
            out.extend_from_slice(&[0xd7, 0x00]);
            out.extend_from_slice(&seconds.to_be_bytes());
            out.extend_from_slice(&nanos.to_be_bytes());
        }
    }
    out.push(0x82);
    text("log", out);
    text(&line.text, out);
    text("s", out);
    text(&line.field, out);
}

fn array(items: usize, out: &mut Vec<u8>) {
    out.push(0xdc);
    out.extend_from_slice(&u16::try_from(items).expect("few").to_be_bytes());
}

fn text(text: &str, out: &mut Vec<u8>) {
    match u8::try_from(text.len()) {
        Ok(bytes @ 0..32) => out.push(0xa0 | bytes),
        _ => {
            out.push(0xdb);
            out.extend_from_slice(&u32::try_from(text.len()).expect("small").to_be_bytes());
        }
    }
    out.extend_from_slice(text.as_bytes());
}

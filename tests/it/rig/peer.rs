//! A peer that logs: numbered records in the shape of Docker's `fluentd` driver, or of an
//! application's own library.

use std::io;
use std::path::Path;
use std::time::Duration;

use firelane::clock;
use firelane::record::msgpack::Writer;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// The tag that the ECS agent gives a container `app`.
pub const TAG: &str = "app-firelens-0123456789abcdef0123456789abcdef";

/// A connected peer that numbers its records.
pub struct Peer<S> {
    pub socket: S,
    pub tag: String,
    pub id: String,
    pub number: u64,
    /// Bytes of the line that follow its number.
    pub padding: usize,
    /// The time of all its records: sorting a batch by time must not put right what went wrong.
    pub time: Duration,
}

impl Peer<TcpStream> {
    pub async fn tcp(address: &str, id: &str) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection"), id)
    }
}

impl Peer<UnixStream> {
    pub async fn unix(path: impl AsRef<Path>, id: &str) -> Self {
        Self::over(UnixStream::connect(path).await.expect("a connection"), id)
    }
}

impl<S: AsyncWrite + Unpin> Peer<S> {
    pub fn over(socket: S, id: &str) -> Self {
        Self {
            socket,
            tag: TAG.to_owned(),
            id: id.to_owned(),
            number: 0,
            padding: 60,
            time: clock::unix_now(),
        }
    }

    pub fn tagged(mut self, tag: &str) -> Self {
        tag.clone_into(&mut self.tag);
        self
    }

    pub fn padded(mut self, padding: usize) -> Self {
        self.padding = padding;
        self
    }

    /// Sends this many records, each a message of its own as the driver does it.
    pub async fn send(&mut self, records: u64) -> io::Result<()> {
        /// Frames go out in writes of about this size.
        const WRITE_BYTES: usize = 32_000;
        let mut bytes = Vec::new();
        for _ in 0..records {
            let frame = self.frame();
            bytes.extend_from_slice(&frame);
            if bytes.len() >= WRITE_BYTES {
                self.socket.write_all(&bytes).await?;
                bytes.clear();
            }
        }
        self.socket.write_all(&bytes).await
    }

    /// The next record's frame.
    pub fn frame(&mut self) -> Vec<u8> {
        let line = format!("t id={} seq={} {}", self.id, self.number, "x".repeat(self.padding));
        self.number += 1;
        docker_frame(&self.tag, self.time, &line)
    }
}

/// `[tag, time, record, {}]`, as Docker's driver writes it.
pub fn docker_frame(tag: &str, time: Duration, line: &str) -> Vec<u8> {
    let fields = [
        ("container_id", "5d6f0a1b2c3d4e5f60718293a4b5c6d7e8f901234567890abcdef0123456789a"),
        ("container_name", "/ecs-app-1-app-c0ffee"),
        ("source", "stdout"),
        ("log", line),
    ];
    frame(tag, time, &fields, None)
}

/// `[tag, time, record, option]` with any fields, and `chunk` where an ack is asked for.
pub fn frame(tag: &str, time: Duration, fields: &[(&str, &str)], chunk: Option<&str>) -> Vec<u8> {
    let seconds = u32::try_from(time.as_secs()).expect("before 2106");
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.array_header(4);
    writer.str(tag.as_bytes());
    writer.ext(0, &[seconds.to_be_bytes(), time.subsec_nanos().to_be_bytes()].concat());
    writer.map_header(u32::try_from(fields.len()).expect("a few fields"));
    for (key, value) in fields {
        writer.str(key.as_bytes());
        writer.str(value.as_bytes());
    }
    writer.map_header(u32::from(chunk.is_some()));
    if let Some(chunk) = chunk {
        writer.str(b"chunk");
        writer.str(chunk.as_bytes());
    }
    out
}

/// Asks over HTTP and returns status and body.
pub async fn get(address: impl tokio::net::ToSocketAddrs, path: &str) -> (u16, String) {
    let mut socket = TcpStream::connect(address).await.expect("a connection");
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("a request");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (status.expect("a status"), body.to_owned())
}

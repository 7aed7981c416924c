//! The demo's application: writes what applications write, in the shape in which Docker's
//! `fluentd` driver sends it (moby, `daemon/logger/fluentd/fluentd.go`), and now and then an event by
//! HTTP.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::clock;
use crate::record::msgpack::Writer;

const CONTAINER_ID: &[u8] = b"5d6f0a1b2c3d4e5f60718293a4b5c6d7e8f901234567890abcdef0123456789a";
const CONTAINER_NAME: &[u8] = b"/ecs-app-1-app-c0ffee";
/// Where Docker cuts a line.
const PART_BYTES: usize = 16 * 1_024;
const LONG_LINE_BYTES: usize = 40 * 1_024;
/// Every so many lines the long one comes, the stack trace, and the event by HTTP.
const ROUND: u64 = 20;

/// Most bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 4_096;

const STACK_TRACE: [&str; 4] = [
    "java.lang.IllegalStateException: cart is empty",
    "\tat com.example.Cart.checkout(Cart.java:42)",
    "\tat com.example.Shop.main(Shop.java:7)",
    "Caused by: java.util.NoSuchElementException",
];

/// A connected application.
#[derive(Debug)]
pub(super) struct Application {
    socket: UnixStream,
    http_port: u16,
    tag: Vec<u8>,
    lines: u64,
}

impl Application {
    /// Connects as the log driver does: to the router's socket.
    pub(super) async fn connect(socket: &Path, http_port: u16, task_id: &str) -> io::Result<Self> {
        let tag = format!("app-firelens-{task_id}").into_bytes();
        Ok(Self { socket: UnixStream::connect(socket).await?, http_port, tag, lines: 0 })
    }

    /// Logs at a rate until it is dropped or the router has gone.
    pub(super) async fn run(mut self, lines_per_second: u32) -> io::Result<()> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / lines_per_second.max(1));
        loop {
            ticks.tick().await;
            self.log_next().await?;
        }
    }

    async fn log_next(&mut self) -> io::Result<()> {
        let number = self.lines;
        self.lines += 1;
        match number % ROUND {
            3 => self.log_long(number).await,
            7 => {
                for line in STACK_TRACE {
                    self.log("stderr", line, &[]).await?;
                }
                Ok(())
            }
            12 => self.post(number).await,
            odd if odd % 2 == 1 => {
                let json = format!(r#"{{"level":"info","request":{number},"ms":{}}}"#, number % 50);
                self.log("stdout", &json, &[]).await
            }
            _even => self.log("stdout", &format!("GET /items/{number} 200"), &[]).await,
        }
    }

    /// One event by HTTP, and its answer, which comes once the router has it.
    async fn post(&self, number: u64) -> io::Result<()> {
        let body = format!(r#"{{"log":"checkout {number} by HTTP","amount":{}}}"#, number % 100);
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.http_port)).await?;
        let request = format!(
            "POST / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok(())
    }

    /// One line in the parts that Docker makes of it.
    async fn log_long(&mut self, number: u64) -> io::Result<()> {
        let mut line = format!("a line of 40 KB, number {number}: ");
        while line.len() < LONG_LINE_BYTES {
            line.push_str("lorem ipsum ");
        }
        let parts: Vec<_> = line.as_bytes().chunks(PART_BYTES).collect();
        for (at, part) in parts.iter().enumerate() {
            let last = if at + 1 == parts.len() { "true" } else { "false" };
            let (id, ordinal) = (format!("{number:064x}"), (at + 1).to_string());
            let fields = [
                ("partial_message", "true"),
                ("partial_id", &id),
                ("partial_ordinal", &ordinal),
                ("partial_last", last),
            ];
            self.log("stdout", &String::from_utf8_lossy(part), &fields).await?;
        }
        Ok(())
    }

    /// One message, as the driver writes it: `[tag, time, record, {}]`.
    async fn log(&mut self, source: &str, line: &str, more: &[(&str, &str)]) -> io::Result<()> {
        let now = clock::unix_now();
        // 32 bits of seconds last until 2106.
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let time = [seconds.to_be_bytes(), now.subsec_nanos().to_be_bytes()].concat();
        let mut frame = Vec::with_capacity(line.len() + 256);
        let mut writer = Writer::new(&mut frame);
        writer.array_header(4);
        writer.str(&self.tag);
        writer.ext(0, &time);
        writer.map_header(u32::try_from(4 + more.len()).unwrap_or(4));
        let fields: [(&[u8], &[u8]); 4] = [
            (b"log", line.as_bytes()),
            (b"source", source.as_bytes()),
            (b"container_name", CONTAINER_NAME),
            (b"container_id", CONTAINER_ID),
        ];
        let more = more.iter().map(|(key, value)| (key.as_bytes(), value.as_bytes()));
        for (key, value) in fields.into_iter().chain(more) {
            writer.str(key);
            writer.str(value);
        }
        writer.map_header(0);
        self.socket.write_all(&frame).await
    }
}

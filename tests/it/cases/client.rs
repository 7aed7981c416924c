//! A peer of the router: connects, writes, and waits until everything has been taken in.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use firelane::record::msgpack::Reader;

use super::format::Post;

/// Where a step's bytes go.
pub(super) enum Target {
    Tcp(u16),
    Unix(PathBuf),
}

/// Whether somebody listens there.
pub(super) async fn connect(target: &Target) -> io::Result<()> {
    match target {
        Target::Tcp(port) => TcpStream::connect((Ipv4Addr::LOCALHOST, *port)).await.map(drop),
        Target::Unix(path) => UnixStream::connect(path).await.map(drop),
    }
}

/// Writes the bytes, ends the connection, and gives what was answered. The router closes its end
/// once it has taken in all that came before the end.
pub(super) async fn deliver(target: Target, bytes: &[u8]) -> Vec<u8> {
    match target {
        Target::Tcp(port) => {
            exchange(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap(), bytes).await
        }
        Target::Unix(path) => exchange(UnixStream::connect(path).await.unwrap(), bytes).await,
    }
}

async fn exchange(mut socket: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Vec<u8> {
    socket.write_all(bytes).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    answer
}

/// Sends one request over a connection of its own, and gives the status of the answer.
pub(super) async fn request(port: u16, post: &Post) -> u16 {
    let Post { path, body, headers, method } = post;
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{headers}\r\n{body}"
    );
    let answer = deliver(Target::Tcp(port), request.as_bytes()).await;
    let status = answer.get(9..12).and_then(|status| std::str::from_utf8(status).ok());
    status.and_then(|status| status.parse().ok()).expect("a status")
}

/// The answers of a forward peer: maps of texts.
pub(super) fn acks(answer: &[u8]) -> Vec<Value> {
    let mut reader = Reader::new(answer);
    let mut acks = Vec::new();
    while !reader.rest().is_empty() {
        let mut ack = serde_json::Map::new();
        for _ in 0..reader.map_header().unwrap() {
            let mut text = || String::from_utf8(reader.text().unwrap().to_vec()).unwrap();
            let (key, value) = (text(), text());
            ack.insert(key, json!(value));
        }
        acks.push(Value::Object(ack));
    }
    acks
}

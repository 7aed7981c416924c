//! A peer of the router: connects, writes, and waits until everything has been taken in.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use firelane::record::msgpack::Reader;

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

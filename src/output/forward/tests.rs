//! Nodes that answer, are silent, go away, and say the wrong thing.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixListener};

use super::config::Node;
use super::connection::Connection;
use super::*;

use crate::chunk::fixture::chunk;
use crate::input::forward::decode::{DecodeOptions, Decoder, Item, Progress};
use crate::ledger::Account;
use crate::option::{Options, Policy, RetryLimit, section};
use crate::record::time::EventTime;
use crate::telemetry::OutputCounters;

/// What the output's options come to, with these beside them.
fn config(lines: &[(&str, &str)], nodes: &[&[(&str, &str)]]) -> Config {
    let shared = &[config::ADDRESS, config::NET_OPTIONS, crate::tls::CLIENT_OPTIONS];
    let mut options = Options::read(section(lines), config::OPTIONS, shared, Policy::Plugin);
    let nodes = nodes.iter().map(|node| section(node)).collect();
    Config::from_options(&mut options, |_| Ok(nodes)).expect("right options")
}

fn output(config: Config) -> Nodes {
    let counters = Arc::new(OutputCounters::new("forward.0"));
    let settings = Settings::new(Duration::ZERO, RetryLimit::Unlimited, 1_000_000, 7);
    let around = Around { counters };
    Nodes(Forward::new(config, settings, around).expect("an output").shared)
}

fn load(records: usize) -> Load {
    let account = Arc::new(Account::default());
    let chunk = chunk(&account, "t", &vec![&[("a", "1")][..]; records]);
    let load = Load::new(&"t".into(), std::slice::from_ref(&chunk));
    chunk.delivered();
    load
}

/// A node on a port of its own.
struct Fake(TcpListener);

impl Fake {
    async fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.expect("a free port"))
    }

    fn port(&self) -> String {
        self.0.local_addr().expect("an address").port().to_string()
    }

    /// Takes one connection and answers so many frames on it; the records it got.
    async fn answer(&self, frames: usize) -> usize {
        let (socket, _) = self.0.accept().await.expect("a connection");
        answer(socket, frames, |ack| ack).await
    }
}

async fn answer(
    mut socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    frames: usize,
    change: impl Fn(Vec<u8>) -> Vec<u8>,
) -> usize {
    let mut decoder = Decoder::new(DecodeOptions::default());
    let (mut buffer, mut records, mut answered) = (BytesMut::new(), 0, 0);
    while answered < frames {
        if socket.read_buf(&mut buffer).await.expect("readable") == 0 {
            break;
        }
        let mut items = Vec::new();
        let now = EventTime::from_nanos(0);
        while decoder.decode(&mut buffer, now, &mut items).expect("frames") == Progress::More {}
        for item in items {
            match item {
                Item::Entries(tagged) => records += tagged.entries.len(),
                Item::Ack(ack) => {
                    socket.write_all(&change(ack.to_vec())).await.expect("writable");
                    answered += 1;
                }
                Item::Odd(reason, _) => panic!("{reason:?}"),
            }
        }
    }
    records
}

const ACK: (&str, &str) = ("require_ack_response", "on");

#[tokio::test]
async fn a_connection_is_used_again_and_one_that_was_closed_meanwhile_is_replaced() {
    let fake = Fake::new().await;
    let port = fake.port();
    let nodes = output(config(&[("port", &port), ACK], &[]));
    let sending = async {
        for _ in 0..3 {
            nodes.clone().send(load(2)).await.expect("an ack");
        }
    };
    let answering = async {
        let first = fake.answer(2).await;
        (first, fake.answer(1).await)
    };
    assert_eq!(tokio::join!(sending, answering).1, (4, 2));
}

#[tokio::test]
async fn a_connection_is_used_once_where_it_is_not_to_be_kept() {
    for line in [("net.keepalive", "off"), ("net.keepalive_idle_timeout", "0")] {
        let fake = Fake::new().await;
        let port = fake.port();
        let nodes = output(config(&[("port", &port), ACK, line], &[]));
        let sending = async {
            for _ in 0..2 {
                nodes.clone().send(load(1)).await.expect("an ack");
            }
        };
        let answering = async { (fake.answer(9).await, fake.answer(1).await) };
        assert_eq!(tokio::join!(sending, answering).1, (1, 1), "{line:?}");
    }
}

#[tokio::test]
async fn a_wrong_ack_is_a_failure_that_may_have_arrived() {
    let fake = Fake::new().await;
    let port = fake.port();
    let nodes = output(config(&[("port", &port), ACK], &[]));
    let answering = async {
        let (socket, _) = fake.0.accept().await.expect("a connection");
        answer(socket, 1, |mut ack| {
            *ack.last_mut().expect("an id") ^= 1;
            ack
        })
        .await
    };
    let (sent, _) = tokio::join!(nodes.clone().send(load(1)), answering);
    let failure = sent.expect_err("another id");
    assert!(failure.why.contains("expected the ack of"), "{}", failure.why);
    let again = FailureKind::Again { after: None, is_ambiguous: true };
    assert_eq!(failure.kind, again);
    let (sent, records) = tokio::join!(nodes.send(load(1)), fake.answer(1));
    assert!(sent.is_ok() && records == 1, "on another connection");
}

#[tokio::test]
async fn a_node_that_is_silent_is_given_up_in_time() {
    let fake = Fake::new().await;
    let port = fake.port();
    let nodes = output(config(&[("port", &port), ACK, ("net.io_timeout", "0.05")], &[]));
    let failure = nodes.send(load(1)).await.expect_err("no ack");
    assert!(failure.why.ends_with("no ack within 0.05 s (net.io_timeout)"), "{}", failure.why);
}

#[tokio::test]
async fn the_acks_of_a_frame_have_one_limit() {
    let fake = Fake::new().await;
    let port = fake.port();
    let lines = [("port", &*port), ACK, ("tag", "$a"), ("net.io_timeout", "0.2")];
    let nodes = output(config(&lines, &[]));
    // Each ack comes in time, if one counts from the last; all of them together do not.
    let slowly = async {
        let (mut socket, _) = fake.0.accept().await.expect("a connection");
        let mut decoder = Decoder::new(DecodeOptions::default());
        let (mut buffer, mut items) = (BytesMut::new(), Vec::new());
        let now = EventTime::from_nanos(0);
        while items.len() < 20 {
            socket.read_buf(&mut buffer).await.expect("readable");
            while decoder.decode(&mut buffer, now, &mut items).expect("frames") == Progress::More {}
        }
        for item in items {
            let Item::Ack(ack) = item else { continue };
            sleep(Duration::from_millis(50)).await;
            let _ = socket.write_all(&ack).await;
        }
        socket
    };
    let (sent, _socket) = tokio::join!(nodes.send(load(10)), slowly);
    let failure = sent.expect_err("half a second of acks");
    assert!(failure.why.ends_with("no ack within 0.2 s (net.io_timeout)"), "{}", failure.why);
}

#[tokio::test]
async fn what_was_sent_on_a_kept_connection_may_have_arrived_though_none_replaces_it() {
    let fake = Fake::new().await;
    let port = fake.port();
    let nodes = output(config(&[("port", &port), ACK], &[]));
    let answering = async {
        let (mut socket, _) = fake.0.accept().await.expect("a connection");
        answer(&mut socket, 1, |ack| ack).await;
        let fake = fake;
        // Nobody else is let in, and the second frame is read but not answered.
        drop(fake);
        answer(&mut socket, 1, |_| Vec::new()).await
    };
    let sending = async {
        nodes.clone().send(load(1)).await.expect("an ack");
        nodes.clone().send(load(1)).await.expect_err("no ack")
    };
    let (records, failure) = tokio::join!(answering, sending);
    assert_eq!(records, 1);
    assert!(failure.why.contains("cannot connect: "), "{}", failure.why);
    assert_eq!(failure.kind, FailureKind::Again { after: None, is_ambiguous: true });
}

#[tokio::test]
async fn what_was_acknowledged_is_not_sent_again_when_the_parcel_comes_again() {
    let fake = Fake::new().await;
    let port = fake.port();
    let nodes = output(config(&[("port", &port), ACK, ("tag", "$a")], &[]));
    let parcel = load(frame::MESSAGES_UNACKED_MAX * 5 / 2);
    let (sent, _) =
        tokio::join!(nodes.clone().send(parcel.clone()), fake.answer(frame::MESSAGES_UNACKED_MAX));
    assert!(sent.is_err(), "the node went away");
    let rest = frame::MESSAGES_UNACKED_MAX * 3 / 2;
    let (sent, records) = tokio::join!(nodes.send(parcel), fake.answer(rest));
    assert!(sent.is_ok());
    assert_eq!(records, rest);
}

#[tokio::test]
async fn where_nobody_listens_nothing_can_have_arrived() {
    let fake = Fake::new().await;
    let port = fake.port();
    drop(fake);
    let failure = output(config(&[("port", &port), ACK], &[])).send(load(1)).await;
    let failure = failure.expect_err("nobody is there");
    assert_eq!(failure.kind, FailureKind::Again { after: None, is_ambiguous: false });
    assert!(failure.why.contains(&format!("127.0.0.1:{port}: cannot connect: ")));
}

#[tokio::test]
async fn what_one_node_did_not_acknowledge_goes_to_the_next_at_once() {
    let (left, right) = (Fake::new().await, Fake::new().await);
    let (left_port, right_port) = (left.port(), right.port());
    let node = |name, port| [("name", name), ("host", "127.0.0.1"), ("port", port)];
    let lines = [("upstream", "u"), ACK, ("tag", "$a")];
    let (a, b) = (node("left", left_port.as_str()), node("right", right_port.as_str()));
    let nodes = output(config(&lines, &[&a, &b]));
    // Of messages, 128 go before an ack is waited for: two groups and a half.
    let records = frame::MESSAGES_UNACKED_MAX * 5 / 2;
    let answering = async {
        let left = left.answer(frame::MESSAGES_UNACKED_MAX).await;
        (left, right.answer(records - frame::MESSAGES_UNACKED_MAX).await)
    };
    let (sent, taken) = tokio::join!(nodes.clone().send(load(records)), answering);
    assert!(sent.is_ok());
    assert_eq!(taken.1, records - frame::MESSAGES_UNACKED_MAX, "from the first without an ack on");
    assert_eq!(nodes.0.turns().balance.well(), 1);
}

#[tokio::test]
async fn a_unix_socket_and_a_handshake_go_together() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let path = path.display().to_string();
    let nodes = output(config(&[("unix_path", &path), ("shared_key", "k")], &[]));
    let refusing = async {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        socket.write_all(b"\x92\xa4HELO\x81\xa5nonce\xa1n").await.expect("writable");
        let mut ping = vec![0; 1_024];
        let read = socket.read(&mut ping).await.expect("a PING");
        socket.write_all(b"\x95\xa4PONG\xc2\xa3bad\xa0\xa0").await.expect("writable");
        ping.truncate(read);
        ping
    };
    let (sent, ping) = tokio::join!(nodes.send(load(1)), refusing);
    assert!(ping.starts_with(b"\x96\xa4PING\xa8firelane\xd9\x20"));
    let failure = sent.expect_err("refused");
    assert!(failure.why.contains("the server refuses the handshake: bad"), "{}", failure.why);
    assert_eq!(failure.kind, FailureKind::Again { after: None, is_ambiguous: false });
}

#[tokio::test]
async fn without_acks_what_is_written_counts() {
    let fake = Fake::new().await;
    let port = fake.port();
    let nodes = output(config(&[("port", &port)], &[]));
    let reading = async {
        let (mut socket, _) = fake.0.accept().await.expect("a connection");
        let mut bytes = [0; 64];
        (socket.read(&mut bytes).await.expect("readable"), socket)
    };
    let (sent, (read, _socket)) = tokio::join!(nodes.clone().send(load(1)), reading);
    assert_eq!(sent.map(|sent| sent.bytes).ok(), u64::try_from(read).ok());
}

#[tokio::test]
async fn a_connection_that_has_ended_or_was_spoken_on_unasked_is_not_open() {
    let connection = || {
        let (ours, theirs) = tokio::io::duplex(64);
        (Connection::new(Box::new(ours), clock::now()), theirs)
    };
    let (mut silent, _theirs) = connection();
    assert!(silent.is_open().await && silent.is_open().await);
    let (mut ended, theirs) = connection();
    drop(theirs);
    assert!(!ended.is_open().await);
    let (mut spoken, mut theirs) = connection();
    theirs.write_all(b"x").await.expect("writable");
    assert!(!spoken.is_open().await);
}

#[test]
fn a_node_is_called_by_its_name_and_address() {
    let node = [("name", "a"), ("host", "h"), ("port", "1")];
    let Config { nodes, net } = config(&[("upstream", "u")], &[&node]);
    let title = |node: &Node| Peer::new(node.clone(), net.clone(), None).title();
    assert_eq!(title(&nodes[0]), "a (h:1)");
    let alone = config(&[], &[]);
    assert_eq!(title(&alone.nodes[0]), "127.0.0.1:24224");
}

//! Peers that speak TLS, should and do not, or never come to it; handshakes by a key.

use std::fs;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use firelane::clock;
use firelane::handshake::digest::hex_digest;
use firelane::record::msgpack::{Reader, Token, Writer};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::rig::peer::{self, Peer, TAG};
use crate::rig::{Running, World, all_arrived, in_time, wait_for};

const OUTPUT: &str = "
[SERVICE]
    Flush 0.05
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_name s
    auto_create_group on
";
const FORWARD: &str = "
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
";
const TCP: &str = "
[INPUT]
    Name tcp
    Tag app
    Listen 127.0.0.1
    Port 0
    Format none
";
const TLS: &str = "    tls on
    tls.crt_file @DIR@/server.pem
    tls.key_file @DIR@/server.key
";
const MUTUAL: &str = "    tls.verify_client_cert on
    tls.ca_file @DIR@/ca.pem
";
const SECURE: &str = "    shared_key sk-secret
    self_hostname server.local
    security.users alice wonder land
";

/// Writes an authority, a server's identity and a peer's into the folder.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    fs::write(folder.join("ca.pem"), params.self_signed(&key).expect("signed").pem()).expect("ca");
    let issuer = Issuer::new(params, key);
    for (file, name) in [("server", "localhost"), ("peer", "peer")] {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let pem = params.signed_by(&key, &issuer).expect("signed").pem();
        fs::write(folder.join(format!("{file}.pem")), pem).expect("a certificate");
        fs::write(folder.join(format!("{file}.key")), key.serialize_pem()).expect("a key");
    }
}

async fn run(inputs: &str) -> Running {
    let world = World::start().await;
    certificates(world.folder.path());
    world.run(&format!("{OUTPUT}{inputs}")).await
}

/// Connects to the first input, with a certificate of its own or without.
async fn connect(running: &Running, has_certificate: bool) -> io::Result<TlsStream<Wire>> {
    let folder = running.world.folder.path();
    let read =
        |name: &str| CertificateDer::from_pem_file(folder.join(name)).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(read("ca.pem")).expect("an authority");
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots);
    let config = if has_certificate {
        let key = PrivateKeyDer::from_pem_file(folder.join("peer.key")).expect("a key");
        builder.with_client_auth_cert(vec![read("peer.pem")], key).expect("an identity")
    } else {
        builder.with_no_client_auth()
    };
    let wire = Wire::connect(running).await;
    let name = ServerName::try_from("localhost").expect("a name");
    in_time("TLS", TlsConnector::from(Arc::new(config)).connect(name, wire)).await
}

/// A connection that remembers what came over it.
struct Wire {
    socket: TcpStream,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Wire {
    async fn connect(running: &Running) -> Self {
        let socket = TcpStream::connect(running.address(0)).await.expect("it listens");
        Self { socket, heard: Arc::default() }
    }

    /// What came since the last call, as the types of TLS records.
    fn records(&self) -> Vec<u8> {
        let bytes = std::mem::take(&mut *self.heard.lock().expect("one thread"));
        let (mut rest, mut types) = (bytes.as_slice(), Vec::new());
        while let [kind, _, _, high, low, after @ ..] = rest {
            types.push(*kind);
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            rest = after.get(length..).expect("whole records");
        }
        types
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(context, buffer);
        let heard = buffer.filled().get(before..).unwrap_or_default();
        self.heard.lock().expect("one thread").extend_from_slice(heard);
        polled
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

fn errors(running: &Running) -> u64 {
    running.telemetry.inputs.first().expect("an input").connection_errors.get()
}

#[tokio::test]
async fn what_is_sent_over_tls_arrives_whole_and_in_order() {
    let running = run(&format!("{FORWARD}{TLS}")).await;
    let mut polite = Peer::over(connect(&running, false).await.expect("TLS"), "a").padded(900);
    let mut rude = Peer::over(connect(&running, false).await.expect("TLS"), "b").padded(40);
    for _ in 0..4 {
        polite.send(300).await.expect("connected");
        rude.send(300).await.expect("connected");
    }
    polite.socket.shutdown().await.expect("connected");
    let mut rest = Vec::new();
    in_time("a goodbye", polite.socket.read_to_end(&mut rest)).await.expect("with close_notify");
    rude.socket.flush().await.expect("connected");
    drop(rude);
    running.arrived(2_400).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["a", "b"], 1_200), 0);
}

#[tokio::test]
async fn an_ack_is_one_record_of_tls_and_leaves_at_once() {
    let running = run(&format!("{FORWARD}{TLS}")).await;
    let mut stream = connect(&running, false).await.expect("TLS");
    for number in 0..5 {
        let chunk = format!("chunk-{number}");
        let line = [("log", "t id=a seq=0")];
        let frame = peer::frame(TAG, clock::unix_now(), &line, Some(&chunk));
        stream.write_all(&frame).await.expect("connected");
        let mut expected = b"\x81\xa3ack".to_vec();
        Writer::new(&mut expected).str(chunk.as_bytes());
        let mut ack = vec![0; expected.len()];
        in_time("an ack", stream.read_exact(&mut ack)).await.expect("connected");
        assert_eq!(ack, expected);
        let records = stream.get_ref().0.records();
        // The first comes behind what the handshake still had to say.
        assert!(number == 0 || records == [23], "{records:?}");
    }
    running.stop_well().await;
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_kept_out_where_one_is_asked_for() {
    let running = run(&format!("{FORWARD}{TLS}{MUTUAL}")).await;
    let mut known = Peer::over(connect(&running, true).await.expect("TLS"), "a");
    known.send(3).await.expect("connected");
    running.arrived(3).await;
    // In TLS 1.3 a client is through before its certificate is looked at.
    let mut stranger = connect(&running, false).await.expect("not yet refused");
    let refused = in_time("the end", stranger.read_to_end(&mut Vec::new())).await;
    let refused = refused.expect_err("an alert").to_string();
    assert!(refused.contains("CertificateRequired"), "{refused}");
    wait_for("the stranger to be counted", || errors(&running) == 1).await;
    known.send(3).await.expect("still connected");
    running.arrived(6).await;
    running.stop_well().await;
}

#[tokio::test]
async fn bytes_that_are_no_tls_end_only_their_own_connection() {
    let running = run(&format!("{FORWARD}{TLS}")).await;
    let mut known = Peer::over(connect(&running, false).await.expect("TLS"), "a");
    let mut plain = Peer::tcp(running.address(0), "b").await;
    plain.send(1).await.expect("the system takes it");
    in_time("the end", plain.socket.read_to_end(&mut Vec::new())).await.ok();
    wait_for("it to be counted", || errors(&running) == 1).await;
    known.send(2).await.expect("connected");
    running.arrived(2).await;
    running.stop_well().await;
}

#[tokio::test]
async fn peers_that_never_finish_a_handshake_keep_nobody_out_and_are_let_go() {
    let timeout = "    net.accept_timeout 0.5\n    net.accept_timeout_log_error off\n";
    let running = run(&format!("{FORWARD}{TLS}{SECURE}{timeout}")).await;
    let mut silent = Vec::new();
    for number in 0..10 {
        let mut socket = TcpStream::connect(running.address(0)).await.expect("it listens");
        // Half say nothing, half begin.
        let hello = &b"\x16\x03\x01\x02\x00\x01"[..number % 2 * 6];
        socket.write_all(hello).await.expect("connected");
        silent.push(socket);
    }
    let mut stream = connect(&running, false).await.expect("TLS");
    shake_hands(&mut stream, "sk-secret", "wonder land", &[]).await.expect("welcome");
    let mut known = Peer::over(stream, "a");
    known.send(2).await.expect("connected");
    running.arrived(2).await;
    for socket in &mut silent {
        in_time("the end", socket.read_to_end(&mut Vec::new())).await.ok();
    }
    // One that speaks TLS and then says nothing is let go too.
    let mut mute = connect(&running, false).await.expect("TLS");
    in_time("the end", mute.read_to_end(&mut Vec::new())).await.ok();
    known.send(2).await.expect("welcome once is welcome");
    running.arrived(4).await;
    running.stop_well().await;
}

#[tokio::test]
async fn lines_come_over_tls_to_the_input_tcp() {
    let running = run(&format!("{TCP}{TLS}")).await;
    let mut stream = connect(&running, false).await.expect("TLS");
    stream.write_all(b"t id=a seq=0\nt id=a seq=1\nt id=a").await.expect("connected");
    stream.write_all(b" seq=2").await.expect("connected");
    stream.shutdown().await.expect("connected");
    running.arrived(3).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["a"], 3), 0);
}

/// Answers HELO; the frames are sent behind PING in the same write. An error is the reason given.
async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    key: &str,
    password: &str,
    frames: &[u8],
) -> Result<(), String> {
    let mut helo = [0; 65];
    in_time("HELO", stream.read_exact(&mut helo)).await.expect("at once");
    let mut reader = Reader::new(&helo);
    let tokens: Vec<_> = std::iter::from_fn(|| reader.token().ok()).collect();
    let [Token::Array(2), Token::Str(b"HELO"), Token::Map(3), rest @ ..] = tokens.as_slice() else {
        panic!("{tokens:?}");
    };
    let [Token::Str(b"nonce"), Token::Bin(nonce), Token::Str(b"auth"), Token::Bin(auth), ..] = rest
    else {
        panic!("{tokens:?}");
    };
    let mut ping = Vec::new();
    let mut out = Writer::new(&mut ping);
    out.array_header(6);
    out.str(b"PING");
    out.str(b"client.local");
    out.bin(b"salt");
    out.str(hex_digest(&[b"salt", b"client.local", nonce, key.as_bytes()]).as_bytes());
    out.str(b"alice");
    out.str(hex_digest(&[auth, b"alice", password.as_bytes()]).as_bytes());
    ping.extend_from_slice(frames);
    stream.write_all(&ping).await.expect("connected");
    let expected = hex_digest(&[b"salt", b"server.local", nonce, key.as_bytes()]);
    let mut pong = [0; 151];
    let mut read = 0;
    while read < pong.len() {
        let more = in_time("PONG", stream.read(&mut pong[read..])).await.expect("an answer");
        if more == 0 {
            break;
        }
        read += more;
    }
    let mut reader = Reader::new(&pong[..read]);
    let tokens: Vec<_> = std::iter::from_fn(|| reader.token().ok()).collect();
    match tokens.as_slice() {
        [Token::Array(5), Token::Str(b"PONG"), Token::Bool(true), _, name, digest] => {
            assert_eq!(*name, Token::Str(b"server.local"));
            assert_eq!(*digest, Token::Str(expected.as_bytes()));
            Ok(())
        }
        [Token::Array(5), Token::Str(b"PONG"), Token::Bool(false), Token::Str(reason), ..] => {
            Err(String::from_utf8_lossy(reason).into_owned())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_knows_key_and_password_may_send_and_nobody_else() {
    let running = run(&format!("{FORWARD}{SECURE}")).await;
    let wrong = [
        ("another", "wonder land", "shared_key mismatch"),
        ("sk-secret", "wonder", "username/password mismatch"),
    ];
    for (refused, (key, password, reason)) in (1..).zip(wrong) {
        let mut socket = TcpStream::connect(running.address(0)).await.expect("it listens");
        let answer = shake_hands(&mut socket, key, password, &[]).await;
        assert_eq!(answer, Err(reason.to_owned()));
        in_time("the end", socket.read_to_end(&mut Vec::new())).await.ok();
        wait_for("it to be counted", || errors(&running) == refused).await;
    }
    let mut stranger = Peer::tcp(running.address(0), "stranger").await;
    stranger.send(1).await.expect("the system takes it");
    in_time("the end", stranger.socket.read_to_end(&mut Vec::new())).await.ok();
    let mut socket = TcpStream::connect(running.address(0)).await.expect("it listens");
    let mut peer = Peer::over(Vec::new(), "a");
    let early = [peer.frame(), peer.frame()].concat();
    shake_hands(&mut socket, "sk-secret", "wonder land", &early).await.expect("welcome");
    running.arrived(2).await;
    for _ in 0..3 {
        socket.write_all(&peer.frame()).await.expect("connected");
    }
    running.arrived(5).await;
    let received = running.stop_well().await.received();
    assert_eq!((received.events, all_arrived(&received, &["a"], 5)), (5, 0));
}

#[tokio::test]
async fn a_connection_that_says_nothing_for_too_long_is_closed_where_that_is_asked_for() {
    let running = run(&format!("{TCP}    net.io_timeout 0.3\n")).await;
    let mut socket = TcpStream::connect(running.address(0)).await.expect("it listens");
    socket.write_all(b"t id=a seq=0\nt id=a seq=1").await.expect("connected");
    in_time("the end", socket.read_to_end(&mut Vec::new())).await.expect("closed, not reset");
    running.arrived(2).await;
    assert_eq!(errors(&running), 0);
    running.stop_well().await;
}

#[tokio::test]
async fn two_inputs_may_share_a_port_where_both_say_so() {
    let probe = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = probe.local_addr().expect("an address").port();
    drop(probe);
    let input = TCP.replace("Port 0", &format!("Port {port}\n    net.share_port on"));
    let running = run(&format!("{input}{input}")).await;
    assert_eq!(running.address(0), running.address(1));
    running.stop_well().await;
}

#[tokio::test]
async fn no_more_connections_wait_to_be_accepted_than_the_backlog() {
    let running = run(&format!("{FORWARD}    connections_max 1\n    net.backlog 1\n")).await;
    let connect = || TcpStream::connect(running.address(0));
    let mut held = Vec::new();
    // One is served, the system keeps one more than it is told; of the others none comes through.
    for _ in 0..3 {
        held.push(in_time("a place", connect()).await.expect("it listens"));
    }
    wait_for("one to be served", || {
        running.telemetry.inputs.iter().all(|input| input.connections.get() == 1)
    })
    .await;
    let mut waits = 0;
    for _ in 0..2 {
        waits +=
            usize::from(tokio::time::timeout(Duration::from_millis(200), connect()).await.is_err());
    }
    assert!(waits > 0, "the queue has an end");
    drop(held);
    running.stop_well().await;
}

#[tokio::test]
async fn a_heartbeat_over_udp_is_answered_with_a_zero() {
    let running = run(FORWARD).await;
    let asking = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    for heartbeat in [&b"\0"[..], b""] {
        asking.send_to(heartbeat, running.address(0)).await.expect("sent");
        let mut answer = [9; 8];
        let (bytes, from) =
            in_time("an answer", asking.recv_from(&mut answer)).await.expect("received");
        assert_eq!((bytes, answer[0], from.to_string().as_str()), (1, 0, running.address(0)));
    }
    running.stop_well().await;
}

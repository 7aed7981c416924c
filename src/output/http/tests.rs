//! The output against a server that answers whatever a test wants.

use std::future::Future;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::chunk::Chunk;
use crate::chunk::fixture::{Fields, chunk};
use crate::ledger::Account;
use crate::option::{Options, Policy, RetryLimit, section, tables};
use crate::output::courier::{Courier as _, Failure, Sent};
use crate::output::dispatch::FailureKind;
use crate::record::tag::Tag;
use crate::telemetry::OutputCounters;

const PATIENCE: Duration = Duration::from_secs(30);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A request as it came over the wire.
#[derive(Clone, Debug)]
struct Seen {
    /// Number of the connection, from 0.
    connection: usize,
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| *found == name).map(|(_, value)| value).next()
    }
}

/// What a server does with a request.
#[derive(Clone, Debug)]
enum Reply {
    Say(Vec<u8>),
    SayAndClose(Vec<u8>),
    Close,
    Nothing,
    /// The head, and bytes without end.
    Endless(&'static [u8]),
}

struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Answers the n-th request, from 0, over all connections.
    async fn start(reply: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let (seen, reply) = (Arc::<Mutex<Vec<Seen>>>::default(), Arc::new(reply));
        let entered = Arc::clone(&seen);
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.expect("a connection");
                tokio::spawn(serve(stream, connection, Arc::clone(&entered), Arc::clone(&reply)));
            }
        });
        Self { port, seen }
    }

    async fn saying(answer: &'static str) -> Self {
        Self::start(move |_| Reply::Say(answer.into())).await
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    connection: usize,
    seen: Arc<Mutex<Vec<Seen>>>,
    reply: Arc<impl Fn(usize) -> Reply>,
) {
    while let Some((head, body)) = read_request(&mut stream).await {
        let number = {
            let mut seen = seen.lock().expect("no panic");
            seen.push(Seen { connection, head, body });
            seen.len() - 1
        };
        match reply(number) {
            Reply::Say(answer) => stream.write_all(&answer).await.expect("connected"),
            Reply::SayAndClose(answer) => {
                stream.write_all(&answer).await.expect("connected");
                return;
            }
            Reply::Close => return,
            Reply::Nothing => return std::future::pending().await,
            Reply::Endless(head) => {
                stream.write_all(head).await.expect("connected");
                while stream.write_all(&[b'x'; 8_192]).await.is_ok() {}
                return;
            }
        }
    }
}

/// Head and body; `None` when the peer has closed.
async fn read_request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a number"))];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn config(port: u16, lines: &[(&str, &str)]) -> Config {
    let port = port.to_string();
    let lines = [&[("host", "127.0.0.1"), ("port", port.as_str())], lines].concat();
    let shared = [config::ADDRESS, config::NET, tables::OUTPUT, crate::tls::CLIENT_OPTIONS];
    let mut options = Options::read(section(&lines), config::OPTIONS, &shared, Policy::Plugin);
    let config = Config::from_options(&mut options, config::Defaults::default());
    config.unwrap_or_else(|| panic!("{:?}", options.into_report()))
}

async fn courier(port: u16, lines: &[(&str, &str)]) -> HttpCourier {
    let counters = Arc::new(OutputCounters::new("http.0"));
    let around = Around { counters };
    let settings = Settings::new(Duration::ZERO, RetryLimit::default(), 1_000_000, 7);
    let surroundings = Surroundings { around, settings, escape_unicode: true, keys: None };
    let made = Http::new(config(port, lines), surroundings).await;
    made.expect("an output").courier
}

/// Sends these records, under the tag `t`.
async fn send_records(courier: &HttpCourier, records: &[Fields<'_>]) -> Result<Sent, Failure> {
    let account = Arc::new(Account::default());
    let chunks = [chunk(&account, "t", records)];
    let requests = courier.composer.compose(&Tag::from("t"), &chunks);
    chunks.into_iter().for_each(Chunk::delivered);
    in_time(courier.clone().send(requests)).await
}

async fn send(courier: &HttpCourier) -> Result<Sent, Failure> {
    send_records(courier, &[&[("log", "x")]]).await
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("an end in time")
}

fn again(failure: &Failure) -> (Option<Duration>, bool) {
    match failure.kind {
        FailureKind::Again { after, is_ambiguous } => (after, is_ambiguous),
        FailureKind::Refused | FailureKind::Closed => panic!("{failure:?}"),
    }
}

#[tokio::test]
async fn a_request_looks_as_fluent_bits_does() {
    let server = Server::saying("HTTP/1.1 204 No Content\r\n\r\n").await;
    let lines = [("uri", "/v1?a=b"), ("header", "X-P-Key k1 k2"), ("header_tag", "x-tag")];
    let sent = send(&courier(server.port, &lines).await).await.expect("delivered");
    let seen = server.seen();
    let [seen] = seen.as_slice() else { panic!("{seen:?}") };
    let body = br#"[{"date":1700000000.0,"log":"x"}]"#;
    let head = format!(
        "POST /v1?a=b HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
         X-Tag: t\r\nUser-Agent: Fluent-Bit\r\nX-P-Key: k1 k2\r\nConnection: keep-alive\r\n\
         Content-Length: {}\r\n\r\n",
        server.port,
        body.len()
    );
    assert_eq!(seen.head, head);
    assert_eq!(seen.body, body);
    assert_eq!(sent, Sent { bytes: body.len() as u64, refused: 0 });
}

#[tokio::test]
async fn put_is_sent_where_it_is_asked_for() {
    let server = Server::start(|_| Reply::Say(OK.into())).await;
    send(&courier(server.port, &[("http_method", "put")]).await).await.expect("delivered");
    assert_eq!(server.seen()[0].line(), "PUT / HTTP/1.1");
}

#[tokio::test]
async fn a_status_decides_what_becomes_of_records() {
    let answers = [200_u16, 205, 400, 404, 408, 413, 429, 301, 500, 503];
    let server = Server::start(move |number| {
        let status = answers[number];
        Reply::Say(format!("HTTP/1.1 {status} x\r\nContent-Length: 4\r\n\r\nwhy?").into())
    })
    .await;
    let courier = courier(server.port, &[]).await;
    for status in answers {
        let sent = send(&courier).await;
        match status {
            200..=205 => assert!(sent.is_ok(), "{status}"),
            400 | 404 | 413 => {
                let failure = sent.expect_err("refused");
                assert_eq!(failure.kind, FailureKind::Refused, "{status}");
                let why = format!("127.0.0.1:{} answered status {status}: why?", server.port);
                assert_eq!(failure.why, why);
            }
            status => {
                let failure = sent.expect_err("to be sent again");
                assert_eq!(again(&failure), (None, status == 500), "{status}");
            }
        }
    }
    assert!(server.seen().iter().all(|seen| seen.connection == 0), "one connection for all");
}

#[tokio::test]
async fn a_server_can_ask_for_a_wait() {
    let answer = "HTTP/1.1 429 x\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let server = Server::saying(answer).await;
    let failure = send(&courier(server.port, &[]).await).await.expect_err("not delivered");
    assert_eq!(again(&failure), (Some(Duration::from_secs(7)), false));
}

#[tokio::test]
async fn what_a_server_answers_is_shown_unless_told_otherwise() {
    let server = Server::saying("HTTP/1.1 400 x\r\nContent-Length: 6\r\n\r\nsecret").await;
    let courier = courier(server.port, &[("log_response_payload", "off")]).await;
    let why = send(&courier).await.expect_err("refused").why;
    assert!(why.ends_with("answered status 400"), "{why}");
}

#[tokio::test]
async fn connections_are_used_again_as_often_and_as_far_as_options_say() {
    type Lines = &'static [(&'static str, &'static str)];
    let cases: [(Lines, [usize; 4]); 4] = [
        (&[], [0, 0, 0, 0]),
        (&[("net.keepalive", "off")], [0, 1, 2, 3]),
        (&[("net.keepalive_max_recycle", "2")], [0, 0, 1, 1]),
        (&[("net.keepalive_idle_timeout", "0.000001")], [0, 1, 2, 3]),
    ];
    for (lines, expected) in cases {
        let server = Server::start(|_| Reply::Say(OK.into())).await;
        let courier = courier(server.port, lines).await;
        for _ in expected {
            send(&courier).await.expect("delivered");
        }
        let seen = server.seen();
        let found: Vec<_> = seen.iter().map(|seen| seen.connection).collect();
        assert_eq!(found, expected, "{lines:?}");
        let is_kept = lines.iter().all(|(name, _)| *name != "net.keepalive");
        let connection = if is_kept { "keep-alive" } else { "close" };
        assert!(seen.iter().all(|seen| seen.header("Connection") == Some(connection)));
    }
}

#[tokio::test]
async fn a_connection_that_waits_too_long_is_closed_without_a_further_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_request(&mut stream).await.expect("a request");
        stream.write_all(OK).await.expect("connected");
        // The end of the stream, which is there only once the other side has closed.
        stream.read(&mut [0]).await
    });
    let courier = courier(port, &[("net.keepalive_idle_timeout", "0.01")]).await;
    send(&courier).await.expect("delivered");
    let end = in_time(server).await.expect("no panic");
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
}

#[tokio::test]
async fn a_kept_connection_that_closes_unanswered_costs_no_attempt() {
    let server = Server::start(|number| match number {
        1 => Reply::Close,
        _ => Reply::Say(OK.into()),
    })
    .await;
    let courier = courier(server.port, &[]).await;
    for _ in 0..2 {
        send(&courier).await.expect("delivered");
    }
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1]);
}

#[tokio::test]
async fn it_is_sent_again_at_once_only_once_and_not_after_a_byte_of_an_answer() {
    let server = Server::start(|number| match number {
        0 => Reply::Say(OK.into()),
        _ => Reply::Close,
    })
    .await;
    let kept = courier(server.port, &[]).await;
    send(&kept).await.expect("delivered");
    let failure = send(&kept).await.expect_err("closed twice");
    assert_eq!(again(&failure), (None, true));
    assert_eq!(server.seen().len(), 3);

    let server = Server::start(|number| match number {
        0 => Reply::Say(OK.into()),
        _ => Reply::SayAndClose(b"HTTP/1.1 20".into()),
    })
    .await;
    let kept = courier(server.port, &[]).await;
    send(&kept).await.expect("delivered");
    let failure = send(&kept).await.expect_err("an answer that is cut short");
    assert_eq!(again(&failure), (None, true));
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn answers_may_be_chunked_and_those_cut_short_count_by_their_status() {
    let chunked =
        b"HTTP/1.1 400 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n1\r\n!\r\n0\r\n\r\n";
    let server = Server::start(move |number| match number {
        0 => Reply::Say(chunked.into()),
        1 => Reply::SayAndClose(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nhal".into()),
        2 => Reply::SayAndClose(b"HTTP/1.1 400 x\r\n\r\nuntil the end".into()),
        _ => Reply::Say(OK.into()),
    })
    .await;
    let courier = courier(server.port, &[]).await;
    let why = send(&courier).await.expect_err("refused").why;
    assert!(why.ends_with("status 400: no!"), "{why}");
    send(&courier).await.expect("the status is there");
    let why = send(&courier).await.expect_err("refused").why;
    assert!(why.ends_with("status 400: until the end"), "{why}");
    send(&courier).await.expect("delivered");
    let connections: Vec<_> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 1, 2]);
}

#[tokio::test]
async fn answers_without_end_are_not_read_to_their_end() {
    let server = Server::start(|number| match number {
        0 => Reply::Endless(b"HTTP/1.1 400 x\r\nContent-Length: 99999999999\r\n\r\n"),
        1 => Reply::Endless(b"HTTP/1.1 200 x\r\n\r\n"),
        _ => Reply::Endless(b"HTTP/1.1 200 x\r\nX-Head: "),
    })
    .await;
    let courier = courier(server.port, &[]).await;
    let failure = send(&courier).await.expect_err("refused");
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(failure.why.len() < 1_200, "{} bytes", failure.why.len());
    send(&courier).await.expect("the status is there");
    assert_eq!(again(&send(&courier).await.expect_err("no head")), (None, true));
}

#[tokio::test]
async fn what_is_not_http_is_no_answer() {
    let server = Server::start(|_| Reply::SayAndClose(b"220 smtp ready\r\n\r\n".into())).await;
    let failure = send(&courier(server.port, &[]).await).await.expect_err("no answer");
    assert_eq!(again(&failure), (None, true));
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_after_the_time_that_options_say() {
    for (name, told) in [
        ("http.response_timeout", "no whole answer within 0.05 s"),
        ("net.io_timeout", "nothing was sent or received for 0.05 s"),
        ("http.read_idle_timeout", "nothing was sent or received for 0.05 s"),
    ] {
        let server = Server::start(|_| Reply::Nothing).await;
        let failure = send(&courier(server.port, &[(name, "0.05")]).await).await;
        let failure = failure.expect_err("no answer");
        assert_eq!(again(&failure), (None, true), "it may have arrived");
        assert!(failure.why.ends_with(told), "{}", failure.why);
    }
}

#[tokio::test]
async fn where_nobody_listens_nothing_has_arrived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let failure = send(&courier(port, &[]).await).await.expect_err("no connection");
    assert_eq!(again(&failure), (None, false));
    assert!(
        failure.why.contains(&format!("cannot connect to 127.0.0.1:{port}")),
        "{}",
        failure.why
    );
}

#[tokio::test]
async fn connecting_has_an_end_and_a_source() {
    let server = Server::start(|_| Reply::Nothing).await;
    // TLS that is never answered, and an address that is not ours.
    let lines = [("tls", "on"), ("tls.verify", "off"), ("net.connect_timeout", "0.05")];
    let failure = send(&courier(server.port, &lines).await).await.expect_err("no TLS");
    assert_eq!(again(&failure), (None, false));
    assert!(failure.why.contains("within 0.05 s"), "{}", failure.why);
    let lines = [("net.source_address", "192.0.2.1")];
    let failure = send(&courier(server.port, &lines).await).await.expect_err("not ours");
    assert_eq!(again(&failure), (None, false));
    let lines = [("net.source_address", "127.0.0.1"), ("http.response_timeout", "0.05")];
    let failure = send(&courier(server.port, &lines).await).await.expect_err("no answer");
    assert!(failure.why.ends_with("within 0.05 s"), "{}", failure.why);
}

#[tokio::test]
async fn a_proxy_forwards_what_is_in_the_clear() {
    let proxy = Server::start(|_| Reply::Say(OK.into())).await;
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let lines = [("host", "logs.invalid"), ("uri", "/x"), ("proxy", address.as_str())];
    send(&courier(7, &lines).await).await.expect("delivered");
    let seen = &proxy.seen()[0];
    assert_eq!(seen.line(), "POST http://logs.invalid:7/x HTTP/1.1");
    assert_eq!(seen.header("Host"), Some("logs.invalid:7"));
    assert_eq!(seen.header("Proxy-Connection"), Some("KeepAlive"));
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_named() {
    let proxy = Server::saying("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let lines = [
        ("host", "logs.invalid"),
        ("tls", "on"),
        ("tls.verify", "off"),
        ("proxy", address.as_str()),
    ];
    let failure = send(&courier(443, &lines).await).await.expect_err("no tunnel");
    assert_eq!(again(&failure), (None, false));
    let why = "the proxy opens no tunnel to logs.invalid:443: \
               HTTP/1.1 407 Proxy Authentication Required";
    assert!(failure.why.ends_with(why), "{}", failure.why);
    assert_eq!(proxy.seen()[0].line(), "CONNECT logs.invalid:443 HTTP/1.1");
}

#[tokio::test]
async fn each_record_is_a_request_of_its_own_where_it_has_body_and_headers() {
    use crate::record::msgpack::Writer;

    let server = Server::start(|number| match number {
        1 => Reply::Say(b"HTTP/1.1 400 x\r\nContent-Length: 0\r\n\r\n".into()),
        _ => Reply::Say(OK.into()),
    })
    .await;
    let lines = [("body_key", "$b"), ("headers_key", "h"), ("header_tag", "X-Tag")];
    let courier = courier(server.port, &lines).await;
    let account = Arc::new(Account::default());
    let mut chunk = chunk(&account, "t", &[&[], &[], &[("b", "no headers")]]);
    let (mut data, mut entries) = (Vec::new(), chunk.entries.entries.clone());
    for (at, entry) in entries.iter_mut().enumerate() {
        entry.start = u32::try_from(data.len()).expect("small");
        let mut writer = Writer::new(&mut data);
        writer.map_header(if at == 2 { 1 } else { 2 });
        writer.str(b"b");
        writer.str(format!("body {at}").as_bytes());
        if at < 2 {
            writer.str(b"h");
            writer.map_header(3);
            writer.str(b"Content-Type");
            writer.str(b"text/plain");
            writer.str(b"Content-Length");
            writer.str(b"99");
            writer.str(b"number");
            writer.uint(1);
        }
        entry.end = u32::try_from(data.len()).expect("small");
    }
    let data = bytes::Bytes::from(data);
    chunk.entries = Arc::new(crate::record::chunk::Entries { data, entries });
    let requests = courier.composer.compose(&Tag::from("t"), std::slice::from_ref(&chunk));
    chunk.delivered();
    let sent = in_time(courier.clone().send(requests)).await.expect("delivered");
    assert_eq!(sent, Sent { bytes: 6, refused: 2 }, "one refused, one without headers");
    let seen = server.seen();
    let bodies: Vec<_> = seen.iter().map(|seen| seen.body.as_slice()).collect();
    assert_eq!(bodies, [b"body 0", b"body 1"]);
    assert_eq!(seen[0].header("Content-Type"), Some("text/plain"));
    assert_eq!(seen[0].header("X-Tag"), Some("t"));
    assert_eq!(seen[0].header("Number"), None);
}

#[tokio::test]
async fn gelf_without_a_short_message_is_refused_alone() {
    let server = Server::start(|_| Reply::Say(OK.into())).await;
    let courier = courier(server.port, &[("format", "gelf")]).await;
    let (with, without): (Fields<'_>, Fields<'_>) = (&[("short_message", "m")], &[("log", "m")]);
    let sent = send_records(&courier, &[without, with, without]).await.expect("delivered");
    assert_eq!(sent.refused, 2);
    let sent = send_records(&courier, &[without]).await.expect("nothing to send");
    assert_eq!(sent, Sent { bytes: 0, refused: 1 });
    assert_eq!(server.seen().len(), 1);
}

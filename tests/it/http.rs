//! The `http` input of the real binary, over raw sockets.

use std::fmt::Write as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::rig::process::{Process, firelane};
use crate::rig::{World, in_time};

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
    Grace 20
[INPUT]
    Name tcp
    Listen 127.0.0.1
    Port 0
[INPUT]
    Name http
    Listen 127.0.0.1
    Port 0
    Mem_Buf_Limit @LIMIT@
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
";

/// A router, and where its inputs listen.
struct Router {
    world: World,
    process: Process,
    http: String,
    tcp: String,
}

impl Router {
    async fn start(limit: &str) -> Self {
        let world = World::start().await;
        let file = world.write("fluent-bit.conf", &CONFIG.replace("@LIMIT@", limit));
        let process = Process::spawn(&mut firelane(["-c".as_ref(), file.as_os_str()]));
        let (http, tcp) = (process.address("http.1").await, process.address("tcp.0").await);
        Self { world, process, http, tcp }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.http).await.expect("a connection")
    }

    /// Stops it, and gives how many events arrived.
    async fn stop(self) -> u64 {
        self.process.signal("TERM");
        let (status, said) = self.process.end().await;
        assert_eq!(status, Some(0), "{said}");
        self.world.received().events
    }
}

fn post(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /app HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The status of the next answer. Answers of success have no body.
async fn status(stream: &mut TcpStream) -> u16 {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let byte = in_time("an answer", stream.read_u8()).await.expect("an answer");
        head.push(char::from(byte));
    }
    head[9..12].parse().expect("a status")
}

#[tokio::test]
async fn many_connections_are_held_and_each_is_served_again_and_again() {
    const CONNECTIONS: u64 = 200;
    let router = Router::start("20M").await;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        streams.push(router.connect().await);
    }
    for round in 0..2 {
        for (at, stream) in streams.iter_mut().enumerate() {
            let sent = post(&format!("{{\"round\":{round},\"at\":{at}}}"));
            stream.write_all(sent.as_bytes()).await.expect("it reads");
        }
        for stream in &mut streams {
            assert_eq!(status(stream).await, 201);
        }
    }
    drop(streams);
    assert_eq!(router.stop().await, 2 * CONNECTIONS);
}

#[tokio::test]
async fn a_slow_sender_disturbs_nobody_and_loses_nothing() {
    let router = Router::start("20M").await;
    let mut slow = router.connect().await;
    let mut sent = post("{\"slow\":true}").into_bytes();
    let last = sent.split_off(60);
    // Byte by byte, and another is served after each.
    for byte in sent {
        slow.write_all(&[byte]).await.expect("it reads");
        let mut other = router.connect().await;
        other.write_all(post("{}{\"a\":1}").as_bytes()).await.expect("it reads");
        assert_eq!(status(&mut other).await, 201);
    }
    slow.write_all(&last).await.expect("it reads");
    assert_eq!(status(&mut slow).await, 201);
    drop(slow);
    // Records without a field become no event.
    assert_eq!(router.stop().await, 61);
}

#[tokio::test]
async fn pipelined_requests_and_chunks_arrive_in_order() {
    let router = Router::start("20M").await;
    let mut stream = router.connect().await;
    let mut sent = String::new();
    for number in 0..50 {
        sent += &post(&format!("{{\"n\":{number}}}"));
    }
    sent += "POST /app HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for byte in "{\"n\":50}".chars() {
        write!(sent, "1\r\n{byte}\r\n").expect("memory");
    }
    sent += "0\r\n\r\n";
    stream.write_all(sent.as_bytes()).await.expect("it reads");
    for _ in 0..51 {
        assert_eq!(status(&mut stream).await, 201);
    }
    drop(stream);
    let world = &router.world;
    crate::rig::wait_for("all events", || world.received().events == 51).await;
    let messages = world.cloudwatch().events("g", "s-app");
    let expected: Vec<_> = (0..51).map(|number| format!("{{\"n\":{number}}}")).collect();
    let found: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
    assert_eq!(found, expected);
    router.stop().await;
}

#[tokio::test]
async fn broken_requests_and_bombs_end_only_themselves() {
    let router = Router::start("4M").await;
    let bomb = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut gzip, &vec![b' '; 8_000_000]).expect("memory");
        gzip.finish().expect("memory")
    };
    let head = format!(
        "POST /b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        bomb.len()
    );
    let mut stream = router.connect().await;
    stream.write_all(&[head.as_bytes(), &bomb].concat()).await.expect("it reads");
    assert_eq!(status(&mut stream).await, 413);
    for broken in
        ["\u{16}\u{3}\u{1}", "GET\r\n\r\n", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"]
    {
        let mut stream = router.connect().await;
        stream.write_all(broken.as_bytes()).await.expect("a connection");
        stream.shutdown().await.expect("a connection");
        let mut answer = Vec::new();
        in_time("its end", stream.read_to_end(&mut answer)).await.expect("an end");
        assert!(!String::from_utf8_lossy(&answer).contains(" 201 "), "{broken:?}");
    }
    let mut stream = router.connect().await;
    stream.write_all(post("{\"a\":1}").as_bytes()).await.expect("it reads");
    assert_eq!(status(&mut stream).await, 201);
    drop(stream);
    assert_eq!(router.stop().await, 1);
}

#[tokio::test]
async fn a_health_check_goes_on_while_bodies_wait_for_their_end() {
    let router = Router::start("1M").await;
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        let mut stream = router.connect().await;
        let mut sent = post(&format!("{{\"a\":\"{}\"}}", "x".repeat(200_000)));
        sent.pop();
        waiting.spawn(async move {
            // What there is no room for is not read.
            let _ = stream.write_all(sent.as_bytes()).await;
            std::future::pending::<()>().await;
        });
    }
    let mut check = TcpStream::connect(&router.tcp).await.expect("a connection");
    check.write_all(b"{\"check\":1}\n").await.expect("it reads");
    crate::rig::wait_for("the check", || router.world.received().events == 1).await;
    drop((waiting, check));
    assert_eq!(router.stop().await, 1);
}

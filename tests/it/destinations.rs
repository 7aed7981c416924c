//! Several outputs, of which one is dead: what the others do is not its business.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use firelane::ledger::Reason;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::rig::peer::Peer;
use crate::rig::{Running, World, in_time, wait_for};

/// Each record goes to both and to what is at `@DEAD@`.
const CONFIG: &str = "
[SERVICE]
    Flush 0.05
[INPUT]
    Name forward
    Mem_Buf_Limit 1000000
    Listen 127.0.0.1
    Port 0
[OUTPUT]
    Name http
    Match *
    Port @FIRST@
    Format json_lines
[OUTPUT]
    Name http
    Match *
    Port @SECOND@
    Format json_lines
    Compress gzip
[OUTPUT]
    Name http
    Match *
    Port @DEAD@
    storage.total_limit_size 300000
@MORE@
";
/// All of these together are ten times the memory budget.
const RECORDS: u64 = 4_000;
const IDS: [&str; 3] = ["a", "b", "c"];

/// A web server that reads lines of JSON.
struct Collector {
    port: u16,
    /// The numbers that came, by the id of who sent them.
    came: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let came = Arc::<Mutex<BTreeMap<String, Vec<u64>>>>::default();
        let entered = Arc::clone(&came);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let came = Arc::clone(&entered);
                let service = service_fn(move |request| take(request, Arc::clone(&came)));
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        Self { port, came }
    }

    fn records(&self) -> u64 {
        self.came.lock().expect("no panic").values().map(|numbers| numbers.len() as u64).sum()
    }

    /// Every record of every peer came once, in order.
    fn has_all(&self) {
        let came = self.came.lock().expect("no panic");
        for id in IDS {
            assert!(came[id].iter().copied().eq(0..RECORDS), "{id}: {:?}", came[id].len());
        }
    }
}

async fn take(
    request: Request<Incoming>,
    came: Arc<Mutex<BTreeMap<String, Vec<u64>>>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_gzip = request.headers().contains_key("content-encoding");
    let mut body = request.into_body().collect().await.expect("a whole body").to_bytes().to_vec();
    if is_gzip {
        let mut plain = Vec::new();
        let mut reader = flate2::bufread::GzDecoder::new(body.as_slice());
        std::io::Read::read_to_end(&mut reader, &mut plain).expect("gzip");
        body = plain;
    }
    for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let record: serde_json::Value = serde_json::from_slice(line).expect("JSON");
        let log = record["log"].as_str().expect("a line");
        let value = |name| log.split(' ').find_map(|word| word.strip_prefix(name)).expect("there");
        let number = value("seq=").parse().expect("a number");
        came.lock().expect("no panic").entry(value("id=").to_owned()).or_default().push(number);
    }
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    Ok(answer)
}

/// Accepts every connection, reads nothing, and never answers.
async fn dead() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            held.extend(listener.accept().await);
        }
    });
    port
}

async fn flood(running: &Running) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for id in IDS {
        let mut peer = Peer::tcp(running.address(0), id).await.tagged(id).padded(600);
        senders.spawn(async move {
            peer.send(RECORDS).await.expect("a sender is made to wait, not cut off");
            tokio::io::AsyncWriteExt::shutdown(&mut peer.socket).await.expect("still connected");
        });
    }
    senders
}

/// Sends ten times what fits into memory to two that take it and to one that is dead.
async fn two_of_three(dead: u16, more: &str) -> (Collector, Collector, Running) {
    let (first, second) = (Collector::start().await, Collector::start().await);
    let config = CONFIG.replace("@FIRST@", &first.port.to_string());
    let config = config.replace("@SECOND@", &second.port.to_string());
    let config = config.replace("@DEAD@", &dead.to_string()).replace("@MORE@", more);
    let running = World::start().await.run(&config).await;
    let senders = flood(&running).await;
    in_time("all senders", senders.join_all()).await;
    let all = RECORDS * IDS.len() as u64;
    wait_for("all records at both", || {
        running.look();
        first.records() >= all && second.records() >= all
    })
    .await;
    (first, second, running)
}

/// What the dead one has: nothing is delivered, and what is gone went to make room.
async fn ended(first: &Collector, second: &Collector, running: Running) {
    first.has_all();
    second.has_all();
    let all = RECORDS * IDS.len() as u64;
    let (account, _) = running.stop(Duration::from_secs(1)).await;
    let [(_, one), (_, two), (_, dead)] = account.outputs.as_slice() else { panic!("three") };
    assert_eq!((one.delivered, two.delivered, dead.delivered), (all, all, 0));
    let given_up = dead.dropped_for(Reason::RetriesExhausted);
    assert!(given_up > all / 2, "{dead:?}");
    assert_eq!(given_up + dead.dropped_for(Reason::Stopped), all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_never_answers_makes_room_for_the_others() {
    let (first, second, running) = two_of_three(dead().await, "").await;
    ended(&first, &second, running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_that_fails_soon_makes_room_sooner() {
    let more = "    http.response_timeout 0.2";
    let (first, second, running) = two_of_three(dead().await, more).await;
    ended(&first, &second, running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_where_nobody_listens_makes_room_for_the_others() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let (first, second, running) = two_of_three(port, "").await;
    ended(&first, &second, running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signatures_hold_before_an_endpoint_that_checks_them() {
    const SIGNED: &str = "
[SERVICE]
    Flush 0.05
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
[FILTER]
    Name nest
    Match *
    Operation nest
    Wildcard X-Amz-Target
    Wildcard Content-Type
    Nest_under headers
[OUTPUT]
    Name http
    Match *
    Port @PORT@
    Body_Key $body
    Headers_Key $headers
    aws_auth on
    aws_service logs
    aws_region us-east-1
";
    let world = World::start().await;
    let endpoint = world.endpoint();
    let port = endpoint.rsplit(':').next().expect("a port").trim_end_matches('/');
    let config = SIGNED.replace("@PORT@", port);
    let running = world.run(&config).await;
    let mut peer = Peer::tcp(running.address(0), "a").await;
    let fields = [
        ("X-Amz-Target", "Logs_20140328.CreateLogGroup"),
        ("Content-Type", "application/x-amz-json-1.1"),
        ("body", r#"{"logGroupName":"signed"}"#),
    ];
    let frame = crate::rig::peer::frame("t", peer.time, &fields, None);
    tokio::io::AsyncWriteExt::write_all(&mut peer.socket, &frame).await.expect("connected");
    wait_for("an answer", || running.output(0).held == 0 && running.output(0).received == 1).await;
    assert_eq!(running.output(0).delivered, 1, "{}", running.output(0));
    let received = running.world.received();
    assert!(received.groups.iter().any(|group| group.group == "signed"), "{:?}", received.groups);
    assert!(received.violations.is_empty(), "{:?}", received.violations);
    running.stop_well().await;
}

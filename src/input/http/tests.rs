//! Connections without a socket: what is answered, and what is taken in.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;
use crate::chunk::{Chunk, Storage};
use crate::input::socket::Peer;
use crate::input::{Intake, admission};
use crate::ledger::{Account, Budget, Reason};
use crate::option::{Options, Policy, section};
use crate::ring::Ring;
use crate::telemetry::InputCounters;
use crate::tls::SERVER_OPTIONS;

/// An input without a socket.
struct Stand {
    settings: Settings,
    intake: Intake,
    counters: Arc<InputCounters>,
}

/// Records with their times.
type Timed = Vec<(i64, Vec<u8>)>;

/// What came of a connection: the answers, and the chunks as tag, times and records.
#[derive(Debug)]
struct Outcome {
    answers: String,
    chunks: Vec<(String, Timed)>,
}

impl Stand {
    fn new(lines: &[(&str, &str)]) -> Self {
        Self::with_budget(lines, 100_000_000)
    }

    fn with_budget(lines: &[(&str, &str)], bytes: u64) -> Self {
        let shared = &[config::ADDRESS, admission::OPTIONS, SERVER_OPTIONS];
        let mut options = Options::read(section(lines), config::OPTIONS, shared, Policy::Plugin);
        let config = config::Config::from_options(&mut options).unwrap();
        let mut settings = Settings::new(config, "http.0".into());
        settings.pressure_wait = Duration::from_millis(20);
        let account = Arc::new(Account::default());
        let mut intake = Intake::new(Arc::new(Ring::new(1_024)), Budget::new(bytes), account);
        // No reserve: the budget is all there is.
        intake.reserve = Budget::reserve(0);
        Self { settings, intake, counters: Arc::new(InputCounters::new("http.0")) }
    }

    /// Serves one connection over which these bytes come, and then nothing more.
    async fn serve(&self, bytes: &[u8]) -> Outcome {
        let (ours, mut theirs) = duplex(1 << 16);
        let peer = Peer::Tcp(SocketAddr::from(([127, 0, 0, 1], 1)));
        let (intake, counters) = (self.intake.clone(), Arc::clone(&self.counters));
        let settings = Arc::new(self.settings.clone());
        let served = tokio::spawn(connection::serve(ours, peer, settings, intake, counters));
        let (mut reader, mut writer) = tokio::io::split(&mut theirs);
        let mut answers = Vec::new();
        let writes = async {
            // A server that has said its last word does not read the rest.
            let _ = writer.write_all(bytes).await;
            let _ = writer.shutdown().await;
        };
        let (read, ()) = tokio::join!(reader.read_to_end(&mut answers), writes);
        read.unwrap();
        served.await.unwrap();
        let answers = String::from_utf8(answers).unwrap();
        Outcome { answers, chunks: self.taken().await }
    }

    /// What is in the ring; each chunk gets its outcome.
    async fn taken(&self) -> Vec<(String, Vec<(i64, Vec<u8>)>)> {
        let mut chunks = Vec::new();
        for _ in 0..1_024 {
            let popped = tokio::select! {
                biased;
                chunk = self.intake.ring.pop() => chunk,
                () = std::future::ready(()) => None,
            };
            let Some(chunk) = popped else { break };
            let chunk: Chunk = chunk;
            let records =
                chunk.entries.iter().map(|(time, record)| (time.as_nanos(), record.to_vec()));
            chunks.push((chunk.tag.to_string(), records.collect()));
            chunk.delivered();
        }
        chunks
    }
}

impl Outcome {
    fn statuses(&self) -> Vec<u16> {
        let lines = self.answers.split("HTTP/1.").skip(1);
        lines.map(|line| line[2..5].parse().unwrap()).collect()
    }

    fn records(&self) -> Vec<Vec<u8>> {
        let records = self.chunks.iter().flat_map(|(_, records)| records);
        records.map(|(_, record)| record.clone()).collect()
    }

    fn tags(&self) -> Vec<&str> {
        self.chunks.iter().map(|(tag, _)| tag.as_str()).collect()
    }
}

fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    request(path, "Content-Type: application/json\r\n", body.as_bytes())
}

fn chunked(parts: &[&[u8]]) -> Vec<u8> {
    let head = "POST /c HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut bytes = head.as_bytes().to_vec();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        bytes.extend_from_slice(format!("{:x}\r\n", part.len()).as_bytes());
        bytes.extend_from_slice(part);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_by_one_in_their_order() {
    let all = [post("/a", "{\"n\":1}"), post("/b", "{bad"), post("/c", "[{\"n\":2},{\"n\":3}]")];
    let outcome = Stand::new(&[]).serve(&all.concat()).await;
    assert_eq!(outcome.statuses(), [201, 400, 201]);
    assert_eq!(outcome.tags(), ["a", "c"]);
    assert_eq!(outcome.records().len(), 3);
}

#[tokio::test]
async fn a_body_gives_the_same_records_wherever_it_is_cut() {
    let body = "[{\"a\":\"\\u00e9\"},{\"b\":[1,2]}]\n{\"c\":null}".as_bytes();
    let whole = Stand::new(&[]).serve(&chunked(&[body])).await.records();
    assert_eq!(whole.len(), 3);
    for cut in 0..body.len() {
        let (head, tail) = body.split_at(cut);
        let outcome = Stand::new(&[]).serve(&chunked(&[head, tail])).await;
        assert_eq!((outcome.statuses(), outcome.records()), (vec![201], whole.clone()));
    }
    let bytes: Vec<_> = body.chunks(1).collect();
    assert_eq!(Stand::new(&[]).serve(&chunked(&bytes)).await.records(), whole);
}

#[tokio::test]
async fn every_encoding_gives_what_the_plain_body_gives() {
    let body = "{\"log\":\"a line\"}\n".repeat(20_000);
    let plain = Stand::new(&[]).serve(&post("/x", &body)).await.records();
    assert_eq!(plain.len(), 20_000);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(body.as_bytes()).unwrap();
    let packed = [
        ("gzip", gzip.finish().unwrap()),
        ("snappy", snap::raw::Encoder::new().compress_vec(body.as_bytes()).unwrap()),
        ("identity", body.into_bytes()),
    ];
    for (encoding, bytes) in packed {
        let headers = format!("Content-Type: application/json\r\nContent-Encoding: {encoding}\r\n");
        let outcome = Stand::new(&[]).serve(&request("/x", &headers, &bytes)).await;
        assert_eq!(outcome.statuses(), [201], "{encoding}");
        assert_eq!(outcome.records(), plain, "{encoding}");
        let chunks: Vec<_> = outcome.chunks.iter().map(|(_, records)| records.len()).collect();
        assert!(chunks.iter().all(|records| *records <= 4_096), "{chunks:?}");
    }
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let outcome = Stand::new(&[]).serve(&request("/x", headers, b"{\"a\":1}")).await;
    assert_eq!((outcome.statuses(), outcome.records().len()), (vec![400], 0));
}

#[tokio::test]
async fn a_body_may_be_as_large_as_the_limit_and_no_larger() {
    let body = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    let stand = Stand::new(&[("buffer_max_size", "50000")]);
    for (bytes, status, records) in [(50_000, 201, 1), (50_001, 413, 0)] {
        for sent in [post("/x", &body(bytes)), chunked(&[body(bytes).as_bytes()])] {
            let outcome = stand.serve(&sent).await;
            assert_eq!((outcome.statuses(), outcome.records().len()), (vec![status], records));
            assert_eq!(outcome.answers.contains("connection: close"), status == 413);
        }
    }
}

#[tokio::test]
async fn what_unpacks_to_more_than_there_can_be_is_413() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&vec![b' '; 3_000_000]).unwrap();
    let headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n";
    let sent = request("/x", headers, &gzip.finish().unwrap());
    let stand = Stand::with_budget(&[], 1_000_000);
    let outcome = stand.serve(&sent).await;
    assert_eq!(outcome.statuses(), [413]);
    assert!(outcome.answers.contains("raise Mem_Buf_Limit"), "{}", outcome.answers);
    assert_eq!(stand.intake.budget.used_bytes(), 0);
    assert_eq!(Stand::new(&[]).serve(&sent).await.statuses(), [400], "there is nothing in it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// What is answered with success is there as a whole, and of anything else there is nothing:
    /// a client that sends it again makes no double.
    #[test]
    fn a_request_is_taken_in_as_a_whole_or_not_at_all(
        requests in prop::collection::vec((1..60_usize, 0..400_usize), 1..6),
        budget in 1_000..60_000_u64,
        occupied in 0..50_000_usize,
    ) {
        runtime().block_on(async {
            let stand = Stand::with_budget(&[("tag_key", "t")], budget);
            let occupied = stand.intake.try_take(occupied.min(usize::try_from(budget).unwrap()));
            let before = stand.intake.budget.used_bytes();
            let mut sent = Vec::new();
            for (at, (records, bytes)) in requests.iter().enumerate() {
                let record = |n| format!("{{\"t\":\"{at}.{}\",\"a\":\"{}\"}}", n % 3, "x".repeat(*bytes));
                let body: String = (0..*records).map(record).collect();
                sent.extend(post("/x", &body));
            }
            let outcome = stand.serve(&sent).await;
            let statuses = outcome.statuses();
            assert!(!statuses.is_empty());
            for (at, (records, _)) in requests.iter().enumerate() {
                let of = |tag: &&(String, Vec<_>)| tag.0.starts_with(&format!("{at}."));
                let found: usize = outcome.chunks.iter().filter(of).map(|(_, all)| all.len()).sum();
                match statuses.get(at) {
                    Some(201) => assert_eq!(found, *records),
                    Some(413 | 503) | None => assert_eq!(found, 0),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(outcome.answers.matches("retry-after: 1").count(),
                statuses.iter().filter(|status| **status == 503).count());
            // All chunks have their outcome: nothing is left of what was taken for them.
            assert_eq!(stand.intake.budget.used_bytes(), before);
            drop(occupied);
            assert_eq!(stand.intake.budget.used_bytes(), 0);
        });
    }
}

#[tokio::test]
async fn a_request_that_waits_goes_on_when_there_is_room() {
    let mut stand = Stand::with_budget(&[], 10_000);
    stand.settings.pressure_wait = Duration::from_secs(600);
    let occupied = stand.intake.try_take(10_000);
    let sent = post("/x", "{\"a\":1}");
    let waits = Arc::clone(&stand.counters);
    let frees = async {
        while waits.waits.get() == 0 {
            tokio::task::yield_now().await;
        }
        drop(occupied);
    };
    let (outcome, ()) = tokio::join!(stand.serve(&sent), frees);
    assert_eq!((outcome.statuses(), outcome.records().len()), (vec![201], 1));
}

#[tokio::test]
async fn an_answer_of_400_says_where_the_fault_is() {
    let outcome = Stand::new(&[]).serve(&post("/x", "{\"a\":1}\n{\"b\" 2}")).await;
    let text =
        "error: unable to process records: line 2, byte 13: '2' cannot stand there in json\n";
    assert!(outcome.answers.ends_with(text), "{}", outcome.answers);
}

#[tokio::test]
async fn success_is_said_as_the_options_want_it() {
    let options = [("successful_response_code", "204"), ("success_header", "X-Ok yes")];
    let outcome = Stand::new(&options).serve(&post("/x", "{}")).await;
    assert_eq!(outcome.statuses(), [204]);
    assert!(outcome.answers.contains("x-ok: yes\r\n"), "{}", outcome.answers);
    let outcome = Stand::new(&options).serve(&post("/x", "{")).await;
    assert!(!outcome.answers.contains("x-ok"), "{}", outcome.answers);
}

#[tokio::test]
async fn a_field_may_be_the_tag() {
    let body = "[{\"t\":\"a-b\",\"n\":1},{\"n\":2},{\"t\":\"a-b\",\"n\":3},{\"t\":4}]";
    let outcome = Stand::new(&[("tag_key", "$t")]).serve(&post("/p", body)).await;
    assert_eq!(outcome.tags(), ["p", "a_b"]);
    let outcome = Stand::new(&[]).serve(&post("/", body)).await;
    assert_eq!(outcome.tags(), ["http.0"]);
}

#[tokio::test]
async fn the_address_of_the_first_sender_is_added() {
    let options = [("add_remote_addr", "on"), ("remote_addr_key", "ip")];
    let headers = "Content-Type: application/json\r\nX-Forwarded-For: ::1, 10.0.0.1\r\n";
    let stand = Stand::new(&options);
    let outcome = stand.serve(&request("/x", headers, b"{\"a\":1}{\"ip\":2}")).await;
    let expected = [b"\xde\0\x02\xa1a\x01\xa2ip\xa3::1".to_vec(), b"\xde\0\x01\xa2ip\x02".to_vec()];
    assert_eq!(outcome.records(), expected);
    let headers = headers.replace("application/json", "application/x-www-form-urlencoded");
    let outcome = stand.serve(&request("/x", &headers, b"a=1")).await;
    assert_eq!(outcome.records(), [b"\x82\xa1a\xa11\xa2ip\xa3::1".to_vec()]);
}

#[tokio::test]
async fn all_records_of_a_request_have_one_time_which_the_query_may_say() {
    let body = "{}\n".repeat(3);
    let times = |outcome: &Outcome| -> Vec<i64> {
        let records = outcome.chunks.iter().flat_map(|(_, records)| records);
        records.map(|(time, _)| *time).collect()
    };
    let outcome = Stand::new(&[]).serve(&post("/x?time=5.25", &body)).await;
    assert_eq!(times(&outcome), [5_250_000_000; 3]);
    let outcome = Stand::new(&[]).serve(&post("/x", &body)).await;
    let times = times(&outcome);
    assert!(times.iter().all(|time| *time == times[0] && *time > 1_600_000_000_000_000_000));
}

#[tokio::test]
async fn records_in_the_query_need_no_body() {
    let sent = request("/x?json=%5B%7B%7D,%7B%7D%5D", "", b"");
    let outcome = Stand::new(&[]).serve(&sent).await;
    assert_eq!((outcome.statuses(), outcome.records().len()), (vec![201], 2));
}

#[tokio::test]
async fn a_client_that_waits_for_a_word_gets_it() {
    let headers = "Content-Type: application/json\r\nExpect: 100-continue\r\n";
    let outcome = Stand::new(&[]).serve(&request("/x", headers, b"{}")).await;
    assert_eq!(outcome.statuses(), [100, 201]);
    let headers = "Content-Type: text/plain\r\nExpect: 100-continue\r\n";
    let outcome = Stand::new(&[]).serve(&request("/x", headers, b"{}")).await;
    assert_eq!(outcome.statuses(), [400]);
}

#[tokio::test]
async fn a_body_that_falls_silent_is_408_and_costs_nothing_more() {
    let stand = Stand::new(&[("http_server.idle_timeout", "0.05")]);
    let (ours, mut theirs) = duplex(1 << 16);
    let (intake, counters) = (stand.intake.clone(), Arc::clone(&stand.counters));
    let settings = Arc::new(stand.settings.clone());
    let served = tokio::spawn(connection::serve(ours, Peer::Unix, settings, intake, counters));
    let sent = post("/x", "{\"a\":1}");
    theirs.write_all(&sent[..sent.len() - 1]).await.unwrap();
    let mut answer = String::new();
    theirs.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    served.await.unwrap();
    assert_eq!((stand.taken().await.len(), stand.intake.budget.used_bytes()), (0, 0));
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let stand = Stand::new(&[("http_server.idle_timeout", "0.05")]);
    for sent in [b"".to_vec(), b"POST /x HT".to_vec(), post("/x", "{}")] {
        let (ours, mut theirs) = duplex(1 << 16);
        let (intake, counters) = (stand.intake.clone(), Arc::clone(&stand.counters));
        let settings = Arc::new(stand.settings.clone());
        let served = tokio::spawn(connection::serve(ours, Peer::Unix, settings, intake, counters));
        theirs.write_all(&sent).await.unwrap();
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).await.unwrap();
        served.await.unwrap();
    }
    assert_eq!(stand.taken().await.len(), 1);
    assert!(stand.intake.activity.is_alone());
}

#[tokio::test]
async fn bytes_that_are_no_http_end_only_their_connection() {
    let stand = Stand::new(&[]);
    for bad in [b"\x16\x03\x01\x02\0\x01\0".as_slice(), b"\r\n\r\nGARBAGE\r\n\r\n", b"", b"\0"] {
        assert!(!stand.serve(bad).await.answers.contains(" 201 "));
    }
    assert_eq!(stand.serve(&post("/x", "{}")).await.statuses(), [201]);
    assert!(stand.counters.connection_errors.get() > 0);
}

#[tokio::test]
async fn nothing_is_taken_in_once_the_process_ends() {
    let mut stand = Stand::with_budget(&[], 10_000);
    stand.settings.pressure_wait = Duration::from_secs(600);
    let occupied = stand.intake.try_take(10_000);
    let (intake, counters) = (stand.intake.clone(), Arc::clone(&stand.counters));
    let ends = async {
        while counters.waits.get() == 0 {
            tokio::task::yield_now().await;
        }
        intake.end_reading();
    };
    let sent = post("/x", "{\"a\":1}");
    let (outcome, ()) = tokio::join!(stand.serve(&sent), ends);
    assert_eq!((outcome.statuses(), outcome.records().len()), (vec![503], 0));
    drop(occupied);
    assert_eq!(stand.intake.budget.used_bytes(), 0);
}

#[tokio::test]
async fn http_2_is_spoken_where_that_is_wanted() {
    for (wanted, is_spoken) in [("on", true), ("off", false)] {
        let stand = Stand::new(&[("http2", wanted)]);
        let (ours, theirs) = duplex(1 << 16);
        let (intake, counters) = (stand.intake.clone(), Arc::clone(&stand.counters));
        let settings = Arc::new(stand.settings.clone());
        tokio::spawn(connection::serve(ours, Peer::Unix, settings, intake, counters));
        let executor = hyper_util::rt::TokioExecutor::new();
        let io = hyper_util::rt::TokioIo::new(theirs);
        let shaken = hyper::client::conn::http2::handshake(executor, io).await;
        let (mut sender, connection) = shaken.unwrap();
        tokio::spawn(connection);
        let body = format!("{{\"a\":\"{}\"}}", "x".repeat(300_000));
        let body = http_body_util::Full::new(Bytes::from(body));
        let request =
            hyper::Request::post("http://x/h2").header("content-type", "application/json");
        let answer = sender.send_request(request.body(body).unwrap()).await;
        assert_eq!(answer.is_ok_and(|answer| answer.status() == 201), is_spoken);
        assert_eq!(stand.taken().await.len(), usize::from(is_spoken));
    }
}

#[tokio::test]
async fn a_request_cut_by_the_end_has_an_outcome_for_all_its_records_and_says_what_may_be_double() {
    let mut stand = Stand::new(&[("tag_key", "t")]);
    stand.intake.ring = Arc::new(Ring::new(1));
    let intake = stand.intake.clone();
    let ends = async {
        // The first is in the ring, the second waits for its place.
        while intake.account.balance().received < 2 {
            tokio::task::yield_now().await;
        }
        intake.close();
    };
    let body = "{\"t\":\"a\"}{\"t\":\"b\"}{\"t\":\"c\"}";
    let sent = post("/x", body);
    let (outcome, ()) = tokio::join!(stand.serve(&sent), ends);
    assert_eq!((outcome.statuses(), outcome.tags()), (vec![503], vec!["a"]));
    assert!(outcome.answers.contains("only a part of the request"), "{}", outcome.answers);
    assert!(!outcome.answers.contains("nothing"), "{}", outcome.answers);
    let ledger = stand.intake.account.balance();
    assert_eq!((ledger.received, ledger.dropped_for(Reason::Stopped)), (3, 2));
    assert_eq!(stand.intake.budget.used_bytes(), 0);
}

#[tokio::test]
async fn a_request_whose_records_are_to_be_stored_is_answered_once_they_are() {
    for reason in [None, Some(Reason::Refused), Some(Reason::Stopped)] {
        let mut stand = Stand::new(&[]);
        stand.intake.storage = Storage::Filesystem;
        if reason == Some(Reason::Stopped) {
            stand.settings.stored_wait = Duration::from_millis(20);
        }
        let (ours, mut theirs) = duplex(1 << 16);
        let peer = Peer::Tcp(SocketAddr::from(([127, 0, 0, 1], 1)));
        let (intake, counters) = (stand.intake.clone(), Arc::clone(&stand.counters));
        let settings = Arc::new(stand.settings.clone());
        let served = tokio::spawn(connection::serve(ours, peer, settings, intake, counters));
        theirs.write_all(&post("/a", r#"[{"a":1},{"a":2}]"#)).await.unwrap();
        let chunk = stand.intake.ring.pop().await.unwrap();
        assert_eq!(chunk.storage, Storage::Filesystem);
        let mut answer = [0; 12];
        let at_once = async {
            tokio::task::yield_now().await;
        };
        tokio::select! {
            biased;
            _ = theirs.read_exact(&mut answer) => panic!("answered before they were stored"),
            () = at_once => {}
        }
        match reason {
            None => chunk.delivered(),
            Some(reason) => chunk.dropped(reason),
        }
        theirs.read_exact(&mut answer).await.unwrap();
        let expected: &[u8; 12] = match reason {
            Some(Reason::Stopped) => b"HTTP/1.1 503",
            _ => b"HTTP/1.1 201",
        };
        assert_eq!(answer, *expected, "{reason:?}");
        drop(theirs);
        served.await.unwrap();
    }
}

//! Recorded and made traffic of `http` inputs (`tests/vectors/http.json`), replayed over a
//! connection: what is answered, what is taken in, and whether the connection goes on.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use firelane::input::http::{Settings, config, connection};
use firelane::input::socket::Peer;
use firelane::input::{Intake, admission};
use firelane::ledger::{Account, Budget};
use firelane::option::{Options, Place, Policy, Section, Setting};
use firelane::record::msgpack::Reader;
use firelane::ring::Ring;
use firelane::telemetry::InputCounters;
use firelane::tls::SERVER_OPTIONS;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

use crate::rig::in_time;
use crate::vectors::{Msgpack, is_text};

/// A request whose answer shows that a connection still serves.
const PROBE: &[u8] = b"POST /probe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

#[derive(Deserialize)]
struct File {
    profiles: BTreeMap<String, BTreeMap<String, String>>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    profile: String,
    #[serde(default)]
    segments: Vec<usize>,
    expect: Expect,
    #[serde(default)]
    expect_headers: BTreeMap<String, String>,
    #[serde(default)]
    http2: bool,
}

#[derive(Deserialize)]
struct Expect {
    events: Vec<Event>,
    http_status: Option<u16>,
    connection: String,
}

#[derive(Deserialize)]
struct Event {
    tag: Value,
    record: Value,
    time: String,
}

/// Records by tag, in order.
type Records = BTreeMap<Vec<u8>, VecDeque<Vec<u8>>>;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn settings(profile: &BTreeMap<String, String>) -> Settings {
    let place = || Place { file: Arc::from("vectors"), line: 1 };
    let lines = profile.iter().filter(|(key, _)| *key != "plugin" && *key != "tag");
    let settings = lines.map(|(key, value)| Setting {
        key: key.clone(),
        value: value.clone(),
        written: value.clone(),
        place: place(),
    });
    let settings = settings.collect();
    let section = Section { title: "[INPUT] http".to_owned(), place: place(), settings };
    let shared = &[config::ADDRESS, admission::OPTIONS, SERVER_OPTIONS];
    let mut options = Options::read(section, config::OPTIONS, shared, Policy::Plugin);
    let config = config::Config::from_options(&mut options).expect("right options");
    let tag = profile.get("tag").map_or("http.0", String::as_str);
    // Whatever is silent for ever would make the test hang, and that shows.
    Settings { idle: None, ..Settings::new(config, tag.into()) }
}

/// The bytes as they were recorded, in writes of their own; then `more`; then the answers.
async fn replay(vector: &Vector, settings: Settings, more: Option<&[u8]>) -> (Vec<u8>, Records) {
    let account = Arc::new(Account::default());
    let intake = Intake::new(Arc::new(Ring::new(64)), Budget::new(50_000_000), account);
    let (ours, theirs) = duplex(1 << 16);
    let counters = Arc::new(InputCounters::new("http.0"));
    let (settings, door) = (Arc::new(settings), intake.clone());
    let served = tokio::spawn(connection::serve(ours, Peer::Unix, settings, door, counters));
    let bytes = fs::read(folder().join(format!("{}.bin", vector.name))).expect("the bytes");
    let (mut reader, mut writer) = split(theirs);
    let mut answers = Vec::new();
    let writes = async {
        let mut rest = bytes.as_slice();
        for length in &vector.segments {
            let segment = rest.split_off(..*length).expect("within the bytes");
            writer.write_all(segment).await.expect("it reads");
            // The server has its turns before the next write.
            for _ in 0..32 {
                tokio::task::yield_now().await;
            }
        }
        // A server that has refused a request for good does not read on.
        let _ = writer.write_all(rest).await;
        if let Some(more) = more {
            let _ = writer.write_all(more).await;
        }
        // In HTTP/2 there is no half of a connection: who closes gets no answer any more.
        if vector.expect.connection == "any" && !vector.http2 {
            let _ = writer.shutdown().await;
        }
    };
    let reads = async {
        if !vector.http2 {
            reader.read_to_end(&mut answers).await.expect("answers");
        }
        while vector.http2 && !has_status(&answers) {
            let read = reader.read_buf(&mut answers).await.expect("answers");
            assert!(read > 0, "{}: {answers:02x?}", vector.name);
        }
    };
    let ((), ()) = tokio::join!(reads, writes);
    if vector.http2 {
        let _ = writer.shutdown().await;
        reader.read_to_end(&mut answers).await.expect("answers");
    }
    served.await.expect("it ends");
    intake.close();
    let mut records = Records::new();
    while let Some(chunk) = intake.ring.pop().await {
        let of_tag = records.entry(chunk.tag.as_bytes().to_vec()).or_default();
        of_tag.extend(chunk.entries.iter().map(|(_, record)| record.to_vec()));
        chunk.delivered();
    }
    (answers, records)
}

/// Whether there is `:status: 201` in HTTP/2, its value in Huffman code.
fn has_status(answers: &[u8]) -> bool {
    let status = [0x82, 0x10, 0x03];
    answers.windows(status.len()).any(|bytes| bytes == status)
}

fn statuses(answers: &str) -> Vec<u16> {
    let answers = answers.split("HTTP/1.").skip(1);
    answers.filter_map(|answer| answer.get(2..5)?.parse().ok()).collect()
}

fn check(name: &str, events: &[Event], mut records: Records) {
    for Event { tag, record, time } in events {
        assert_eq!(time, "now");
        let of_tag = records.iter_mut().find(|(found, _)| is_text(tag, found));
        let found = of_tag.and_then(|(_, records)| records.pop_front());
        let found = found.unwrap_or_else(|| panic!("{name}: no {record} of {tag}"));
        let found = Msgpack::read(&mut Reader::new(&found));
        assert!(found.is(record), "{name}: {found:?}, not {record}");
    }
    assert!(records.values().all(VecDeque::is_empty), "{name}: too much: {records:?}");
}

#[tokio::test]
async fn every_vector_gives_its_answers_events_and_end_of_connection() {
    let text = fs::read_to_string(folder().join("http.json")).expect("http.json");
    let File { profiles, vectors } = serde_json::from_str(&text).expect("http.json");
    assert!(vectors.len() > 50, "the vectors are there");
    for vector in &vectors {
        let (name, expect) = (&vector.name, &vector.expect);
        let settings = settings(&profiles[&vector.profile]);
        let success = settings.success;
        let is_open = expect.connection == "open" && !vector.http2;
        let (answers, mut records) =
            in_time(name, replay(vector, settings, is_open.then_some(PROBE))).await;
        if vector.http2 {
            assert!(has_status(&answers), "{answers:02x?}");
        } else {
            let text = String::from_utf8_lossy(&answers);
            let mut found = statuses(&text);
            // 100 is no answer.
            found.retain(|status| *status >= 200);
            if is_open {
                assert_eq!(found.pop(), Some(success), "{name}: it goes on: {text}");
                records.remove(b"probe".as_slice());
            }
            match expect.http_status {
                Some(status) => {
                    assert!(!found.is_empty(), "{name}: {text}");
                    assert!(found.iter().all(|found| *found == status), "{name}: {text}");
                }
                None => assert!(found.iter().all(|found| *found >= 400), "{name}: {text}"),
            }
            for (header, value) in &vector.expect_headers {
                assert!(text.contains(&format!("{header}: {value}\r\n")), "{name}: {text}");
            }
        }
        check(name, &expect.events, records);
    }
}

//! One case: the strict local endpoint and the router in this process, the steps, and what came of
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use fancy_regex::RegexBuilder;
use firelane::clock;
use firelane::config::{self, Disk, Environment};
use firelane::http_get::{self, Limits};
use firelane::lifecycle::stop_channel;
use firelane::local::cloudwatch_logs::{self, AccountSummary, Handle};
use firelane::local::{self, Running, TlsOptions};
use firelane::pipeline::Enrichment;
use firelane::sidecar::Sidecar;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Target, acks, deliver};
use super::compare::{compare, compare_refusal};
use super::events::{bytes_of, frames};
use super::format::{self, Case, Exit, Expected, Get, Step};

/// A case that takes longer is stuck.
const CASE_TIME_MAX: Duration = Duration::from_secs(60);
/// How long events are waited for.
const WAIT_MAX: Duration = Duration::from_secs(20);
/// How long an answer of the monitoring server may be another than in the end.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(8);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);
const GET_LIMITS: Limits = Limits { timeout: Duration::from_secs(5), body_bytes_max: 1_000_000 };

/// What came of a case's steps.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) account: AccountSummary,
    /// "group stream" → times in milliseconds since 1970 and messages.
    pub(super) streams: BTreeMap<String, Vec<(i64, String)>>,
    pub(super) acks: Vec<Value>,
    pub(super) gets: BTreeMap<String, Value>,
    /// When the case began and ended, since 1970.
    pub(super) times: (Duration, Duration),
}

/// Runs a case and panics unless what is expected came of it, and nothing else.
pub(super) async fn check(name: &str) {
    let (case, expected) = format::read(name);
    let differences = tokio::time::timeout(CASE_TIME_MAX, play(name, &case, &expected)).await;
    let differences = differences.unwrap_or_else(|_| vec!["it is stuck".to_owned()]);
    assert!(differences.is_empty(), "{name}: {}\n{}", case.about, differences.join("\n"));
}

async fn play(name: &str, case: &Case, expected: &Expected) -> Vec<String> {
    let stage = Stage::set(name, case).await;
    let config = config::load(&stage.main_file(), &Disk, &stage.environment);
    let config = match (config, expected.exit) {
        (Ok(config), _) => config,
        (Err(_), Some(Exit::Error)) => return compare_refusal(&stage.endpoint().account()),
        (Err(errors), None) => return vec![format!("it is refused: {errors}")],
    };
    let grace = config.service.grace;
    let sidecar = Sidecar::start(config, Enrichment::Off, &stage.environment, clock::now()).await;
    let sidecar = match (sidecar, expected.exit) {
        (Ok(sidecar), None) => sidecar,
        (Err(_), Some(Exit::Error)) => return compare_refusal(&stage.endpoint().account()),
        (Ok(_), Some(Exit::Error)) => return vec!["it is not refused".to_owned()],
        (Err(error), None) => return vec![format!("it cannot start: {error}")],
    };
    let begin = clock::unix_now();
    let (stop, stopping) = stop_channel();
    let router = tokio::spawn(sidecar.run(stopping));
    let (mut acks, mut gets) = (Vec::new(), BTreeMap::new());
    for step in &case.steps {
        if let Step::Get { get } = step {
            let answer = stage.get(get, expected.gets.get(&get.path)).await;
            gets.insert(get.path.clone(), answer);
        } else {
            acks.extend(stage.act(step).await);
        }
    }
    stop.stop(clock::now(), grace);
    router.await.expect("the router ends by itself");
    let times = (begin, clock::unix_now());
    let (account, streams) = stage.received();
    compare(case, expected, &Outcome { account, streams, acks, gets, times })
}

/// The endpoint, the work folder and the ports of a case.
struct Stage {
    folder: TempDir,
    local: Running,
    ports: Ports,
    environment: Environment,
}

struct Ports {
    forward: u16,
    http: u16,
    tcp: u16,
    admin: u16,
}

impl Stage {
    async fn set(name: &str, case: &Case) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port()));
        let ca_file = Some(folder.path().join("ca.pem"));
        let options = local::Options {
            cloudwatch_logs: Some(cloudwatch_logs::Options {
                any_age: true,
                ..cloudwatch_logs::Options::new(address)
            }),
            tls: Some(TlsOptions { names: Vec::new(), ca_file }),
            task_metadata: None,
        };
        let local = local::start(options).await.unwrap();
        let ports = Ports { forward: port(), http: port(), tcp: port(), admin: port() };
        let stand_ins = [
            ("@DIR@", folder.path().to_str().unwrap().to_owned()),
            ("@PORT@", ports.forward.to_string()),
            ("@HTTP@", ports.http.to_string()),
            ("@TCP@", ports.tcp.to_string()),
            ("@ADMIN@", ports.admin.to_string()),
            ("@CWL@", address.port().to_string()),
        ];
        format::install(name, folder.path(), &stand_ins);
        let environment = environment(folder.path(), case);
        Self { folder, local, ports, environment }
    }

    fn main_file(&self) -> PathBuf {
        self.folder.path().join("fluent-bit.conf")
    }

    fn endpoint(&self) -> &Handle {
        self.local.cloudwatch_logs().unwrap()
    }

    /// Does a step and gives the acks that it brought.
    async fn act(&self, step: &Step) -> Vec<Value> {
        match step {
            Step::Forward { forward, mode, unix, ack } => {
                let (bytes, sent) = frames(forward, *mode, ack.as_deref());
                let target = if *unix {
                    Target::Unix(self.folder.path().join("fluent.sock"))
                } else {
                    Target::Tcp(self.ports.forward)
                };
                let acks = acks(&deliver(target, &bytes).await);
                let asked = if ack.is_some() { sent } else { 0 };
                assert_eq!(acks.len(), asked, "one ack for each frame that asks for one");
                acks
            }
            Step::Hex { hex } => {
                deliver(Target::Tcp(self.ports.forward), &bytes_of(hex)).await;
                Vec::new()
            }
            Step::Tcp { tcp, to } => {
                let port = match to.as_deref() {
                    None | Some("TCP") => self.ports.tcp,
                    Some("HTTP") => self.ports.http,
                    Some(other) => panic!("no such port: {other}"),
                };
                deliver(Target::Tcp(port), tcp.as_bytes()).await;
                Vec::new()
            }
            Step::Wait { wait } => {
                let arrived = || self.endpoint().account().events >= *wait;
                let deadline = clock::now() + WAIT_MAX;
                while !arrived() && clock::now() < deadline {
                    tokio::time::sleep(LOOK).await;
                }
                Vec::new()
            }
            Step::Sleep { .. } | Step::Get { .. } => Vec::new(),
        }
    }

    /// Asks until the answer is the expected one, as what it tells of may be under way; the last
    /// answer in the end.
    async fn get(&self, get: &Get, expected: Option<&Value>) -> Value {
        let uri = format!("http://127.0.0.1:{}{}", self.ports.admin, get.path).parse().unwrap();
        let deadline = clock::now() + ANSWER_WAIT_MAX;
        loop {
            let answer = http_get::get(&uri, GET_LIMITS).await.unwrap();
            let answer = match &get.find {
                None => json!(answer.status),
                Some(find) => json!([answer.status, found(find, &answer.body)]),
            };
            if Some(&answer) == expected || clock::now() >= deadline {
                return answer;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn received(&self) -> (AccountSummary, BTreeMap<String, Vec<(i64, String)>>) {
        let account = self.endpoint().account();
        let streams = account.streams.iter().map(|stream| {
            let (group, stream) = (&stream.group, &stream.stream);
            (format!("{group} {stream}"), self.endpoint().events(group, stream))
        });
        let streams = streams.collect();
        (account, streams)
    }
}

fn environment(folder: &Path, case: &Case) -> Environment {
    let fixed = [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", folder.to_str().unwrap()),
        ("HOSTNAME", "host-1"),
        ("TZ", "UTC"),
        ("AWS_ACCESS_KEY_ID", cloudwatch_logs::ACCESS_KEY_ID),
        ("AWS_SECRET_ACCESS_KEY", cloudwatch_logs::SECRET_ACCESS_KEY),
        ("AWS_REGION", "us-east-1"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ];
    let fixed = fixed.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Environment::new(fixed.into_iter().chain(case.env.clone()), None)
}

/// What `find` matches in the body: sorted, each once.
fn found(find: &str, body: &[u8]) -> BTreeSet<String> {
    let body = std::str::from_utf8(body).unwrap();
    let find = RegexBuilder::new(&format!("(?m){find}")).build().unwrap();
    find.find_iter(body).map(|found| found.unwrap().as_str().to_owned()).collect()
}

/// A free port that no other case of this process was given: it is free again until it is bound.
fn port() -> u16 {
    static GIVEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

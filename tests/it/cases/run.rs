//! One case: the strict local endpoint, the real binary, the steps, and what came of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use fancy_regex::RegexBuilder;
use firelane::clock;
use firelane::http_request::{self, Limits};
use firelane::local::cloudwatch_logs::{self, AccountSummary, Handle};
use firelane::local::task_metadata::{self, Task};
use firelane::local::{self, Running, TlsOptions};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rig::process::{Process, firelane};

use super::client::{Target, acks, connect, deliver, request};
use super::compare::{compare, compare_refusal};
use super::events::{bytes_of, frames};
use super::format::{self, Case, Exit, Expected, Get, Step};

/// A case that takes longer is stuck.
const CASE_TIME_MAX: Duration = Duration::from_secs(240);
/// How long events are waited for.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How long an answer of the monitoring server may be another than in the end.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(60);
/// How often is looked meanwhile.
const LOOK: Duration = Duration::from_millis(20);
/// How long a configuration that must be refused may take to be.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(60);
/// The status of a Rust program that panicked.
const PANICKED: i32 = 101;
/// The status of a router that could not deliver everything in its time, as some cases want it.
const LEFT: i32 = 2;
/// The file that standard output goes to.
const STDOUT: &str = "stdout";
const GET_LIMITS: Limits = Limits { timeout: Duration::from_secs(5), body_bytes_max: 1_000_000 };

/// What came of a case's steps.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) account: AccountSummary,
    /// "group stream" → times in milliseconds since 1970 and messages.
    pub(super) streams: BTreeMap<String, Vec<(i64, String)>>,
    pub(super) acks: Vec<Value>,
    pub(super) gets: BTreeMap<String, Value>,
    pub(super) http: Vec<u16>,
    pub(super) stdout: Vec<String>,
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
    let mut router = stage.start();
    if expected.exit == Some(Exit::Error) {
        return stage.refused(router).await;
    }
    if let Err(status) = stage.listens(&mut router).await {
        return vec![format!("it ended with {status:?}: {}", router.said())];
    }
    let begin = clock::unix_now();
    let (mut acks, mut gets, mut http) = (Vec::new(), BTreeMap::new(), Vec::new());
    for (at, step) in case.steps.iter().enumerate() {
        let feeds = |step: &Step| !matches!(step, Step::Sleep { .. } | Step::Get { .. });
        if let Step::Get { get } = step {
            let answer = stage.get(get, expected.gets.get(&get.path)).await;
            gets.insert(get.path.clone(), answer);
        } else if let Step::Http { http: post } = step {
            http.push(request(stage.ports.http, post).await);
        } else if !matches!(step, Step::Sleep { .. }) || case.steps.iter().skip(at).any(feeds) {
            acks.extend(stage.act(step).await);
        }
    }
    // As on a machine with time: what is expected may arrive before the router has to end.
    stage.act(&Step::Wait { wait: expected.events() }).await;
    router.signal("TERM");
    let (status, said) = router.end().await;
    if !matches!(status, Some(0 | LEFT)) {
        return vec![format!("it ended with {status:?}: {said}")];
    }
    let times = (begin, clock::unix_now());
    let (account, streams) = stage.received();
    let stdout = stage.stdout(case);
    compare(case, expected, &Outcome { account, streams, acks, gets, http, stdout, times })
}

/// The endpoint, the work folder and the ports of a case.
struct Stage {
    folder: TempDir,
    local: Running,
    ports: Ports,
    environment: BTreeMap<String, String>,
    /// What the configuration listens on.
    listening: Vec<Target>,
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
            task_metadata: case.task.map(|shape| task_metadata::Options {
                task: Task::new(shape),
                ..task_metadata::Options::new(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            }),
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
        let named = format::install(name, folder.path(), &stand_ins);
        let all = [
            ("@PORT@", ports.forward),
            ("@HTTP@", ports.http),
            ("@TCP@", ports.tcp),
            ("@ADMIN@", ports.admin),
        ];
        let tcp = all.into_iter().filter(|(stand_in, _)| named.contains(*stand_in));
        let mut listening: Vec<_> = tcp.map(|(_, port)| Target::Tcp(port)).collect();
        if named.contains("fluent.sock") {
            listening.push(Target::Unix(folder.path().join("fluent.sock")));
        }
        let environment = environment(folder.path(), case, &local);
        Self { folder, local, ports, environment, listening }
    }

    /// Starts the router, with its folder as the current directory.
    fn start(&self) -> Process {
        let yaml = self.folder.path().join("fluent-bit.yaml");
        let main = if yaml.exists() { yaml } else { self.folder.path().join("fluent-bit.conf") };
        let stdout = File::create(self.folder.path().join(STDOUT)).unwrap();
        let mut command = firelane(["-c".as_ref(), main.as_os_str()]);
        command.env_clear().envs(&self.environment);
        command.current_dir(self.folder.path()).stdout(stdout);
        Process::spawn(&mut command)
    }

    /// Waits until everything listens; the status if it ends before.
    async fn listens(&self, router: &mut Process) -> Result<(), Option<i32>> {
        for target in &self.listening {
            while connect(target).await.is_err() {
                if let Some(status) = router.status() {
                    return Err(status);
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        while !router.catches_sigterm() && router.status().is_none() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// A configuration that must be refused ends the process with a status, and sends nothing.
    async fn refused(&self, router: Process) -> Vec<String> {
        match tokio::time::timeout(REFUSAL_TIME_MAX, router.end()).await {
            Err(_) => vec!["it is not refused".to_owned()],
            Ok((Some(0 | PANICKED) | None, said)) => vec![format!("it is not refused: {said}")],
            Ok((Some(_), _)) => compare_refusal(&self.endpoint().account()),
        }
    }

    /// The lines of standard output that the case asks for.
    fn stdout(&self, case: &Case) -> Vec<String> {
        let Some(wanted) = &case.stdout else { return Vec::new() };
        let wanted = RegexBuilder::new(wanted).build().unwrap();
        let text = fs::read_to_string(self.folder.path().join(STDOUT)).unwrap();
        let lines = text.lines().filter(|line| wanted.is_match(line).unwrap());
        lines.map(str::to_owned).collect()
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
            Step::File { file, text } => {
                let path = self.folder.path().join(file);
                let mut file = File::options().create(true).append(true).open(path).unwrap();
                file.write_all(text.as_bytes()).unwrap();
                Vec::new()
            }
            Step::Rename { rename, to } => {
                let folder = self.folder.path();
                fs::rename(folder.join(rename), folder.join(to)).unwrap();
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
            // Only where something is fed later, to a router that is to have had this time.
            Step::Sleep { seconds } => {
                tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
                Vec::new()
            }
            Step::Get { .. } | Step::Http { .. } => Vec::new(),
        }
    }

    /// Asks until the answer is the expected one, as what it tells of may be under way; the last
    /// answer in the end.
    async fn get(&self, get: &Get, expected: Option<&Value>) -> Value {
        let uri = format!("http://127.0.0.1:{}{}", self.ports.admin, get.path).parse().unwrap();
        let deadline = clock::now() + ANSWER_WAIT_MAX;
        loop {
            let answer = http_request::get(&uri, GET_LIMITS).await.unwrap();
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

fn environment(folder: &Path, case: &Case, local: &Running) -> BTreeMap<String, String> {
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
    let metadata = local.task_metadata_address().map(|address| {
        let path = local.task_metadata().unwrap().path("log_router").unwrap();
        ("ECS_CONTAINER_METADATA_URI_V4".to_owned(), format!("http://{address}{path}"))
    });
    fixed.into_iter().chain(metadata).chain(case.env.clone()).collect()
}

/// What `find` matches in the body: sorted, each once.
fn found(find: &str, body: &[u8]) -> BTreeSet<String> {
    let body = std::str::from_utf8(body).unwrap();
    let find = RegexBuilder::new(&format!("(?m){find}")).build().unwrap();
    find.find_iter(body).map(|found| found.unwrap().as_str().to_owned()).collect()
}

/// A free port that no other case of this process was given: it is free again until it is bound. None of those that the
/// system gives out by itself (from 32,768 on): what other tests connect from could take it meanwhile.
fn port() -> u16 {
    static GIVEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let port = fastrand::u16(10_000..32_768);
        let is_free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free && GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

//! `firelane demo`: the main job on one machine, with nothing else installed.
//!
//! Starts the local CloudWatch Logs and task metadata endpoints, the router with the configuration
//! that the ECS agent writes for a container `app`, and a small [`application`] that logs; shows
//! the log events as they arrive, until Ctrl-C; then stops the way a task stops.

mod application;

use std::fmt::Write as _;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use tokio::sync::broadcast::error::RecvError;

use crate::cli::DemoOptions;
use crate::clock;
use crate::config::{self, Disk, Environment, Errors};
use crate::ledger::Balance;
use crate::lifecycle::signal::Signals;
use crate::lifecycle::stop_channel;
use crate::local::cloudwatch_logs::{self, Accepted};
use crate::local::{self, task_metadata};
use crate::pipeline::{Account, Enrichment};
use crate::sidecar::{Sidecar, StartError};

use application::Application;

/// The task that is made up.
const TASK_ID: &str = "0123456789abcdef0123456789abcdef";
const FORWARD_PORT: u16 = 24_224;
const HTTP_PORT: u16 = 9_880;
/// Characters of a message that are shown.
const SHOWN_CHARS_MAX: usize = 400;
/// The time to stop: whoever tries it waits for it.
const GRACE: Duration = Duration::from_secs(5);
/// How often the local endpoint is looked at for the last events while the process ends.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// Why the demo cannot run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The local endpoints.
    #[error("local endpoints: {0}")]
    Local(#[from] local::StartError),
    /// The configuration.
    #[error("configuration: {0}")]
    Config(#[from] Errors),
    /// The router.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The built-in application, the terminal or the folder for the socket.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs until Ctrl-C, SIGTERM, or for as long as the options say. Returns the closing account.
///
/// # Errors
///
/// What keeps the demo from running.
pub async fn run(
    options: &DemoOptions,
    out: &mut impl io::Write,
    started: Instant,
) -> Result<Account, DemoError> {
    let mut signals = Signals::install()?;
    let local = local::start(endpoints()).await?;
    let folder = Folder::make()?;
    let ports = Ports { forward: free_port(FORWARD_PORT), http: free_port(HTTP_PORT) };
    let text = agent_configuration(&folder, ports, local.cloudwatch_logs_url().unwrap_or_default());
    let file = folder.0.join("fluent-bit.conf");
    std::fs::write(&file, &text)?;
    let environment = environment(local.task_metadata().and_then(|handle| handle.path("app")), {
        local.task_metadata_address()
    });
    let config = config::load(&file, &Disk, &environment)?;
    let sidecar = Sidecar::start(config, Enrichment::Off, &environment, started).await?;
    let mut accepted = local.cloudwatch_logs().map(cloudwatch_logs::Handle::subscribe);
    greet(out, ports)?;

    let (stop, stopping) = stop_channel();
    let router = tokio::spawn(sidecar.run(stopping));
    let application = Application::connect(&folder.socket(), ports.http, TASK_ID).await?;
    let working = tokio::spawn(application.run(options.events_per_second));
    let end = tokio::time::sleep(Duration::from_secs(options.seconds.unwrap_or(u64::MAX / 4)));
    tokio::pin!(end);
    loop {
        tokio::select! {
            event = next(&mut accepted) => show(out, &event)?,
            _ = signals.next() => break,
            () = &mut end => break,
        }
    }
    writeln!(out, "\nstopping as ECS stops a task: first the application, then the router")?;
    working.abort();
    let _ = working.await;
    stop.stop(clock::now(), GRACE);
    while !router.is_finished() {
        tokio::select! {
            event = next(&mut accepted) => show(out, &event)?,
            () = tokio::time::sleep(LAST_LOOK) => {}
        }
    }
    let account = router.await.map_err(io::Error::other)?;
    let taken = local.cloudwatch_logs().map(|handle| handle.account().events).unwrap_or_default();
    close(out, &account, taken)?;
    local.shutdown().await;
    Ok(account)
}

fn endpoints() -> local::Options {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    local::Options {
        cloudwatch_logs: Some(cloudwatch_logs::Options::new(any)),
        tls: None,
        task_metadata: Some(task_metadata::Options::new(any)),
    }
}

/// What ECS would set, with the keys that the local endpoint knows.
fn environment(metadata_path: Option<String>, metadata: Option<SocketAddr>) -> Environment {
    let uri = metadata.zip(metadata_path).map(|(at, path)| format!("http://{at}{path}"));
    let mut variables = vec![
        ("AWS_ACCESS_KEY_ID".to_owned(), cloudwatch_logs::ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY".to_owned(), cloudwatch_logs::SECRET_ACCESS_KEY.to_owned()),
    ];
    variables.extend(uri.map(|uri| ("ECS_CONTAINER_METADATA_URI_V4".to_owned(), uri)));
    Environment::new(variables, None)
}

/// Where applications reach the router.
#[derive(Clone, Copy, Debug)]
struct Ports {
    forward: u16,
    http: u16,
}

/// What the ECS agent generates in network mode `awsvpc` for a container `app` with the log options
/// of AWS's examples, and an input for HTTP, which users add with a file of their own.
fn agent_configuration(folder: &Folder, ports: Ports, endpoint: String) -> String {
    let socket = folder.socket();
    let Ports { forward, http } = ports;
    format!(
        "
[INPUT]
    Name forward
    Mem_Buf_Limit 25MB
    unix_path {socket}

[INPUT]
    Name forward
    Listen 127.0.0.1
    Port {forward}

[INPUT]
    Name http
    Tag app-firelens-http
    Listen 127.0.0.1
    Port {http}

[FILTER]
    Name record_modifier
    Match *
    Record ecs_cluster demo
    Record ecs_task_arn arn:aws:ecs:us-east-1:123456789012:task/demo/{TASK_ID}
    Record ecs_task_definition app:1

[OUTPUT]
    Name cloudwatch_logs
    Match app-firelens*
    auto_create_group true
    endpoint {endpoint}
    log_group_name /ecs/app
    log_stream_prefix demo-
    region us-east-1
",
        socket = socket.display(),
    )
}

/// The port, or any other if that is taken.
fn free_port(port: u16) -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    let any = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|one| one.local_addr());
    if free { port } else { any().map_or(port, |at| at.port()) }
}

fn greet(out: &mut impl io::Write, ports: Ports) -> io::Result<()> {
    let Ports { forward, http } = ports;
    writeln!(
        out,
        "A router with the ECS agent's configuration and an input for HTTP, an application that\n\
         logs, and a local CloudWatch Logs, whose log events are shown below. Send something of\n\
         your own:\n\n\
         \x20 curl --json '{{\"log\":\"hello\"}}' http://127.0.0.1:{http}\n\
         \x20 echo '[\"app-firelens-own\",null,{{\"log\":\"hello\"}}]' | \
         curl -s --max-time 1 telnet://127.0.0.1:{forward}\n\
         \x20 docker run --rm --log-driver fluentd --log-opt fluentd-address=127.0.0.1:{forward} \\\n\
         \x20   --log-opt tag=app-firelens-own alpine echo hello\n\n\
         Ctrl-C stops as a task stops.\n"
    )
}

async fn next(accepted: &mut Option<tokio::sync::broadcast::Receiver<Accepted>>) -> Shown {
    let Some(receiver) = accepted else { return std::future::pending().await };
    match receiver.recv().await {
        Ok(event) => Shown::Event(event),
        Err(RecvError::Lagged(events)) => Shown::Skipped(events),
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

/// What there is to show.
enum Shown {
    Event(Accepted),
    /// The terminal is slower than the events; they did arrive.
    Skipped(u64),
}

fn show(out: &mut impl io::Write, shown: &Shown) -> io::Result<()> {
    let event = match shown {
        Shown::Event(event) => event,
        Shown::Skipped(events) => return writeln!(out, "({events} more events, not shown)"),
    };
    let nanos = i128::from(event.timestamp) * 1_000_000;
    let at = OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
    let mut message: String = event.message.chars().take(SHOWN_CHARS_MAX).collect();
    if message.len() < event.message.len() {
        // Writing to a `String` cannot fail.
        let _ = write!(message, "… ({} bytes)", event.message.len());
    }
    writeln!(out, "{hour:02}:{minute:02}:{second:02}.{milli:03} {} {}", event.group, event.stream)?;
    writeln!(out, "    {message}")
}

fn close(out: &mut impl io::Write, account: &Account, taken: u64) -> io::Result<()> {
    let Balance { received, merged, .. } = account.ingest;
    writeln!(out, "\nclosing account")?;
    writeln!(
        out,
        "  read from the application: {received} records, of which {merged} were parts of a long line"
    )?;
    for (output, balance) in &account.outputs {
        writeln!(out, "  {output}: {balance}")?;
    }
    writeln!(out, "  events in CloudWatch Logs: {taken}")
}

/// A folder for the socket, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn make() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("firelane-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    fn socket(&self) -> PathBuf {
        self.0.join("fluent.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let folder: &Path = &self.0;
        // Left over, it would be in nobody's way.
        let _ = std::fs::remove_dir_all(folder);
    }
}

//! The whole router, measured from outside: the real program alone on one core, the load and a
//! strict CloudWatch Logs over TLS on the other.
//!
//! A program that prints a table, not a timed test: what counts is the CPU time of the router's
//! process, which a busy machine changes little. `benches/README.md` says how it is used.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]
#![expect(clippy::disallowed_methods, reason = "a program that measures time and waits")]

#[path = "../frames/mod.rs"]
mod frames;
mod load;
mod options;
mod report;
mod router;

use std::error::Error;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use firelane::local::cloudwatch_logs::{self, AccountSummary, Handle, Keep};
use firelane::local::{self, Running, TlsOptions};
use tokio::runtime::Builder;

use options::{Options, USAGE};
use report::{HEAD, Row, median};
use router::{Router, pin};

/// The router's core and everybody else's.
const CORES: (usize, usize) = (0, 1);
/// How long the router is left alone before its idle memory is read.
const IDLE: Duration = Duration::from_secs(1);
/// How often the account is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// A run ends when nothing was accepted for so long.
const STALLED: Duration = Duration::from_secs(30);

fn main() -> Result<(), Box<dyn Error>> {
    let Some(options) = options::parse()? else {
        print!("{USAGE}");
        return Ok(());
    };
    let is_pinned = thread::available_parallelism()?.get() > 1;
    if is_pinned {
        pin(&std::process::id().to_string(), CORES.1)?;
    } else {
        println!("one core only: router, load and endpoint share it");
    }
    let core = is_pinned.then_some(CORES.0);
    println!(
        "{} events in {:?} mode, {} connections, {:?} lines, filter: {:?}, gzip: {}\n\n{HEAD}",
        options.events,
        options.mode,
        options.connections,
        options.lines,
        options.filter,
        options.gzip,
    );
    for line_bytes in &options.line_bytes {
        let mut rows = Vec::new();
        for _ in 0..options.runs {
            let row = run(&options, *line_bytes, core)?;
            println!("{row}");
            rows.push(row);
        }
        if options.runs > 1 {
            println!("{} median", median(&rows));
        }
    }
    Ok(())
}

fn run(options: &Options, line_bytes: usize, core: Option<usize>) -> Result<Row, Box<dyn Error>> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let ca_file = folder.join("end_to_end-ca.pem");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let endpoint = runtime.block_on(local::start(endpoint(ca_file.clone())))?;
    let handle = endpoint.cloudwatch_logs().ok_or("no endpoint")?.clone();
    let input = free_address()?;
    let config = folder.join("end_to_end.conf");
    write_config(&config, options, input, &endpoint, &ca_file)?;
    let words = options.prefix.iter().cloned().chain([
        options.router.to_string_lossy().into_owned(),
        "-c".to_owned(),
        config.to_string_lossy().into_owned(),
    ]);
    let log = folder.join("end_to_end.log");
    let mut router = Router::start(words.collect(), &log, core, input)?;
    thread::sleep(IDLE);
    let idle_mb = router.memory_mb("VmRSS")?;
    let before = router.cpu()?;
    let begun = Instant::now();
    let senders = load::start(options, line_bytes, input)?;
    let arriving = (0..options.connections).map(|sender| load::events_of(sender, options));
    let arriving = arriving.map(|events| load::arriving(events, options)).sum();
    let ended = wait_for(arriving, &handle, begun);
    let after = router.cpu()?;
    let peak_mb = router.memory_mb("VmHWM")?;
    let status = router.stop()?;
    for sender in senders {
        sender.join().map_err(|_| "a sender panicked")??;
    }
    if !status.success() {
        println!("the router ended with {status}; its log: {}", log.display());
    }
    let account = handle.account();
    runtime.block_on(endpoint.shutdown());
    let millions = options.events as f64 / 1e6;
    let row = Row {
        line_bytes,
        events_per_second: account.events as f64 / ended.duration_since(begun).as_secs_f64(),
        cpu: (after.user + after.system - before.user - before.system) / millions,
        cpu_system: (after.system - before.system) / millions,
        peak_mb,
        idle_mb,
        listening_ms: router.started_in.as_secs_f64() * 1e3,
        ..Row::default()
    };
    Ok(counted(row, options, &account))
}

/// Adds what the endpoint's account says.
fn counted(row: Row, options: &Options, account: &AccountSummary) -> Row {
    let puts: u64 = account.streams.iter().map(|stream| stream.puts).sum();
    let events = account.events.max(1) as f64;
    let mut row = Row {
        wire_bytes: account.wire_bytes as f64 / events,
        smaller: account.body_bytes as f64 / account.wire_bytes.max(1) as f64,
        events_per_request: events / puts.max(1) as f64,
        violations: account.violations.values().map(|violation| violation.count).sum(),
        ..row
    };
    for sender in 0..options.connections {
        let sent = load::numbered(load::events_of(sender, options), options);
        let Some(count) = account.sequences.get(&load::id(sender)) else {
            row.missing += sent;
            continue;
        };
        row.duplicates += count.duplicates;
        row.inversions += count.inversions;
        row.missing += sent.saturating_sub(count.received - count.duplicates);
    }
    row
}

/// When the last event was accepted.
fn wait_for(events: u64, handle: &Handle, begun: Instant) -> Instant {
    let (mut accepted, mut at) = (0, begun);
    while accepted < events && at.elapsed() < STALLED {
        thread::sleep(LOOK);
        let now = handle.account().events;
        if now > accepted {
            (accepted, at) = (now, Instant::now());
        }
    }
    at
}

fn endpoint(ca_file: PathBuf) -> local::Options {
    let keep = Keep { events: false, bytes_max: 0, sequence: true };
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let cloudwatch_logs = cloudwatch_logs::Options {
        keep,
        existing: vec![("/ecs/web".to_owned(), "bench".to_owned())],
        ..cloudwatch_logs::Options::new(address)
    };
    local::Options {
        cloudwatch_logs: Some(cloudwatch_logs),
        tls: Some(TlsOptions { names: Vec::new(), ca_file: Some(ca_file) }),
        task_metadata: None,
    }
}

/// A port that was free a moment ago.
fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}

/// What the ECS agent generates, but for the port and the endpoint.
fn write_config(
    path: &Path,
    options: &Options,
    input: SocketAddr,
    endpoint: &Running,
    ca_file: &Path,
) -> Result<(), Box<dyn Error>> {
    let logs = endpoint.cloudwatch_logs_address().ok_or("no endpoint")?;
    let filter = options.filter.map(|filter| {
        let parsers = "[PARSER]\n    Name json\n    Format json\n";
        std::fs::write(path.with_extension("parsers"), parsers)?;
        let parsers = path.with_extension("parsers");
        let (parsers, section) = (parsers.display(), filter.section());
        Ok::<_, std::io::Error>(format!(
            "[SERVICE]\n    Parsers_File {parsers}\n[FILTER]\n    Match *\n    {section}\n"
        ))
    });
    let filter = filter.transpose()?.unwrap_or_default();
    let mut file = std::fs::File::create(path)?;
    write!(
        file,
        "
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port {}
    Mem_Buf_Limit 25MB

[FILTER]
    Name record_modifier
    Match *
    Record ec2_instance_id i-0123456789abcdef0
    Record ecs_cluster production
    Record ecs_task_arn \
         arn:aws:ecs:eu-west-1:123456789012:task/production/0123456789abcdef0123456789abcdef
    Record ecs_task_definition web:42

{}
[OUTPUT]
    Name cloudwatch_logs
    Match app-firelens*
    region eu-west-1
    endpoint {}
    port {}
    tls.ca_file {}
    log_group_name /ecs/web
    log_stream_name bench
    compress {}
",
        input.port(),
        filter,
        logs.ip(),
        logs.port(),
        ca_file.display(),
        if options.gzip { "gzip" } else { "off" },
    )?;
    Ok(())
}

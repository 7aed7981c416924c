//! The input `exec` with real processes: what they print, and that none of them outlives the stop.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use firelane::chunk::Chunk;
use firelane::clock;
use firelane::input::Intake;
use firelane::input::exec::Exec;
use firelane::input::exec::config::{Afterwards, Config, Schedule};
use firelane::ledger::{Account, Budget};
use firelane::lifecycle::{Alarm, Ending, StopSender, stop_channel};
use firelane::record::msgpack::Reader;
use firelane::ring::Ring;
use firelane::telemetry::InputCounters;
use tokio::task::JoinHandle;

use crate::rig::{in_time, wait_for};

const BUDGET_BYTES: u64 = 1_000_000;
/// As long as it takes.
const GRACE: Duration = Duration::from_secs(600);

/// An `exec` input at work, without a pipeline behind it.
struct Bench {
    ring: Arc<Ring<Chunk>>,
    budget: Budget,
    counters: Arc<InputCounters>,
    alarm: Alarm,
    stop: StopSender,
    running: JoinHandle<()>,
    /// Lines that came.
    lines: Vec<Vec<u8>>,
}

fn run(command: &str, schedule: Schedule) -> Bench {
    let config =
        Config { command: command.to_owned(), parser: None, line_bytes_max: 4_095, schedule };
    let ring = Arc::new(Ring::new(1_024));
    let budget = Budget::new(BUDGET_BYTES);
    let account: Arc<Account> = Arc::default();
    let intake = Intake::new(Arc::clone(&ring), budget.clone(), account);
    let counters = Arc::new(InputCounters::new("exec.0"));
    let (alarm, (stop, stopped)) = (Alarm::default(), stop_channel());
    let exec = Exec::new(config, "e".into(), Arc::clone(&counters), alarm.clone());
    let running = tokio::spawn(exec.run(intake, stopped));
    Bench { ring, budget, counters, alarm, stop, running, lines: Vec::new() }
}

fn run_once(command: &str) -> Bench {
    run(command, Schedule::Once(Afterwards::GoOn))
}

impl Bench {
    fn take(&mut self, chunk: Chunk) {
        for (_, record) in chunk.entries.iter() {
            let mut record = Reader::new(record);
            assert_eq!((record.map_header(), record.text()), (Ok(1), Ok(&b"exec"[..])));
            self.lines.push(record.text().expect("a text").to_vec());
        }
        chunk.delivered();
    }

    /// Waits until so many lines have come.
    async fn come(&mut self, lines: usize) {
        while self.lines.len() < lines {
            let chunk = in_time("a line", self.ring.pop()).await.expect("an open ring");
            self.take(chunk);
        }
    }

    /// The number that the line is.
    fn number(&self, line: usize) -> u32 {
        let text = std::str::from_utf8(&self.lines[line]).expect("text");
        text.parse().expect("a number")
    }

    fn stop(&self) {
        self.stop.stop(clock::now(), GRACE);
    }

    /// Waits for the end of the input; all lines that came.
    async fn end(mut self) -> Vec<Vec<u8>> {
        let ring = Arc::clone(&self.ring);
        let closing = tokio::spawn(async move {
            let ended = self.running.await;
            ring.close();
            ended
        });
        self.running = tokio::spawn(async {});
        while let Some(chunk) = in_time("the end of the input", self.ring.pop()).await {
            self.take(chunk);
        }
        closing.await.expect("no panic").expect("no panic");
        assert_eq!(self.budget.used_bytes(), 0, "all memory was given back");
        self.lines
    }
}

/// Whether a process has gone, or waits only for its parent to see that.
fn is_gone(process: u32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    // The state comes behind the name in parentheses.
    status.map_or(true, |text| text.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

#[tokio::test]
async fn every_line_is_a_record_also_empty_ones_zero_bytes_and_a_last_one_without_an_end() {
    let lines = run_once(r"printf 'one\n\ntwo {x}\n\0a\0b\nlast'").end().await;
    assert_eq!(lines, [&b"one"[..], b"", b"two {x}", b"\0a\0b", b"last"]);
}

#[tokio::test]
async fn what_a_command_says_on_standard_error_is_no_record_and_it_has_nothing_to_read() {
    let lines = run_once("echo no >&2; cat; echo yes").end().await;
    assert_eq!(lines, [b"yes"]);
}

#[tokio::test]
async fn a_command_that_is_asked_to_end_may_say_its_last_words() {
    let command = "trap 'echo last; exit' TERM; echo first; while :; do sleep 0.01; done";
    let mut bench = run_once(command);
    bench.come(1).await;
    bench.stop();
    assert_eq!(bench.end().await, [&b"first"[..], b"last"]);
}

#[tokio::test]
async fn a_command_that_ignores_sigterm_is_killed_and_nothing_it_said_is_lost() {
    let command = "trap '' TERM; echo $$; echo said; while :; do sleep 0.01; done";
    let mut bench = run_once(command);
    bench.come(1).await;
    let shell = bench.number(0);
    bench.stop();
    let lines = bench.end().await;
    assert_eq!((lines.len(), lines[1].as_slice()), (2, &b"said"[..]));
    assert!(is_gone(shell));
}

#[tokio::test]
async fn a_process_in_the_background_ends_with_its_group() {
    let mut bench = run_once("sleep 1000 & echo $!");
    bench.come(1).await;
    let sleeper = bench.number(0);
    assert!(!is_gone(sleeper));
    bench.stop();
    bench.end().await;
    wait_for("the end of the sleeper", || is_gone(sleeper)).await;
}

#[tokio::test]
async fn a_process_that_left_the_group_with_the_pipe_holds_nobody_up() {
    let mut bench = run_once("setsid sleep 1000 & echo $!");
    bench.come(1).await;
    let sleeper = bench.number(0);
    bench.stop();
    bench.end().await;
    let killed = std::process::Command::new("kill").args(["-KILL", &sleeper.to_string()]).status();
    assert!(killed.expect("kill").success(), "nobody else has ended it");
}

#[tokio::test]
async fn a_flood_waits_in_its_pipe_while_there_is_no_memory() {
    let mut bench = run_once("yes | tr -d '\\n' | fold -w 1000");
    let (counters, budget) = (Arc::clone(&bench.counters), bench.budget.clone());
    wait_for("a full memory", || counters.waits.get() > 0).await;
    assert!(budget.used_bytes() <= BUDGET_BYTES);
    assert!(counters.bytes.get() <= BUDGET_BYTES + 2 * 128 * 1_024, "with the input's reserve");
    let came = usize::try_from(counters.records.get()).expect("few");
    bench.come(came + 1).await;
    bench.stop();
    let lines = bench.end().await;
    assert_eq!(lines.len() as u64, counters.records.get());
}

#[tokio::test]
async fn a_run_that_outlasts_its_interval_is_not_started_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let lock = folder.path().join("lock").display().to_string();
    let command = format!("mkdir {lock} || echo twice; sleep 0.02; echo ran; rmdir {lock}");
    let mut bench = run(&command, Schedule::Every(Duration::from_millis(1)));
    bench.come(3).await;
    assert!(bench.lines.iter().all(|line| line == b"ran"), "{:?}", bench.lines);
    bench.stop();
    bench.end().await;
}

#[tokio::test]
async fn a_oneshot_ends_the_process_with_its_status_if_it_is_to() {
    for (command, afterwards, ending) in [
        ("exit 3", Afterwards::EndAsCommand, Some(Ending::Done(3))),
        ("kill -9 $$", Afterwards::EndAsCommand, Some(Ending::Done(137))),
        ("exit 3", Afterwards::End, Some(Ending::Done(0))),
        ("exit 3", Afterwards::GoOn, None),
    ] {
        let bench = run(command, Schedule::Once(afterwards));
        let alarm = bench.alarm.clone();
        bench.end().await;
        assert_eq!(alarm.ending(), ending, "{command} {afterwards:?}");
    }
}

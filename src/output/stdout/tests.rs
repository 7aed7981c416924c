//! What is printed, and what becomes of records that are not.

use std::io::{self, PipeReader};

use super::*;
use crate::chunk::fixture::{Fields, chunk};
use crate::clock;
use crate::console::Ended;
use crate::ledger::Balance;
use crate::lifecycle::{StopSender, stop_channel};
use crate::option::{Options, Policy, section};

/// An output that prints into a pipe.
struct Rig {
    output: Stdout,
    buffer: Arc<Buffer>,
    counters: Arc<OutputCounters>,
    reader: PipeReader,
    ended: Ended,
    stop: (StopSender, StopReceiver),
}

impl Rig {
    fn new(options: &[(&str, &str)], flush: Duration) -> Self {
        let mut options = Options::read(section(options), config::OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options).expect("options that can be used");
        Self::with(flush, |around| Stdout::new(config, around))
    }

    fn with(flush: Duration, output: impl FnOnce(Surroundings) -> Stdout) -> Self {
        let (reader, writer) = io::pipe().expect("a pipe");
        let (console, ended) = Console::start(writer).expect("a thread");
        let counters = Arc::new(OutputCounters::new("stdout.0"));
        let around =
            Surroundings { counters: Arc::clone(&counters), flush, escape_unicode: true, console };
        let output = output(around);
        Self { output, buffer: Arc::default(), counters, reader, ended, stop: stop_channel() }
    }

    fn push(&self, tag: &str, records: &[Fields<'_>]) {
        self.buffer.push(chunk(&self.counters.account, tag, records));
    }

    /// Runs to its end, and gives what was printed and the account.
    async fn printed(self) -> (String, Balance) {
        self.buffer.close();
        let Self { output, buffer, counters, reader, ended, stop } = self;
        let read = tokio::task::spawn_blocking(move || io::read_to_string(reader).expect("text"));
        output.run(buffer, stop.1).await;
        ended.wait().await;
        (read.await.expect("no panic"), counters.account.balance())
    }
}

/// Longer than any test takes.
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn records_of_a_tag_are_numbered_over_the_chunks_of_a_flush() {
    let rig = Rig::new(&[], NEVER);
    rig.push("a", &[&[("log", "1")]]);
    rig.push("b", &[&[("log", "2")]]);
    rig.push("a", &[&[("log", "3")], &[]]);
    let (printed, balance) = rig.printed().await;
    let expected = "\
[0] a: [[1700000000.000000000, {}], {\"log\"=>\"1\"}]
[1] a: [[1700000000.000000000, {}], {\"log\"=>\"3\"}]
[2] a: [[1700000001.000000000, {}], {}]
[0] b: [[1700000000.000000000, {}], {\"log\"=>\"2\"}]
";
    assert_eq!(printed, expected);
    assert_eq!((balance.delivered, balance.held), (4, 0));
}

#[tokio::test]
async fn json_is_an_array_a_flush_or_lines() {
    let printed = async |format| {
        let rig = Rig::new(&[("format", format), ("json_date_format", "epoch")], NEVER);
        rig.push("a", &[&[("l", "1")], &[("l", "2")]]);
        rig.printed().await.0
    };
    let expected = "[{\"date\":1700000000,\"l\":\"1\"},{\"date\":1700000001,\"l\":\"2\"}]\n";
    assert_eq!(printed("json").await, expected);
    let expected = "{\"date\":1700000000,\"l\":\"1\"}\n{\"date\":1700000001,\"l\":\"2\"}\n";
    assert_eq!(printed("json_lines").await, expected);
    let expected = "{\"date\":1700000000,\"l\":\"1\"}{\"date\":1700000001,\"l\":\"2\"}\n";
    assert_eq!(printed("json_stream").await, expected);
}

#[tokio::test]
async fn a_counter_prints_how_many_records_of_a_tag_a_flush_has() {
    let rig = Rig::with(NEVER, Stdout::counting);
    rig.push("a", &[&[("l", "1")], &[("l", "2")]]);
    rig.push("b", &[&[("l", "3")]]);
    rig.push("a", &[&[("l", "4")]]);
    let (printed, balance) = rig.printed().await;
    let numbers: Vec<_> =
        printed.lines().map(|line| line.split_once(',').expect("two").1).collect();
    let numbers_of = |records| {
        format!("\"serialized_events\":{records},\"log_records\":{records},\"total\":{records}}}")
    };
    assert_eq!(numbers, [numbers_of(3), numbers_of(1)]);
    assert_eq!(balance.delivered, 4);
}

#[tokio::test]
async fn what_is_gathered_is_printed_when_it_is_due_and_not_before_the_end_only() {
    let rig = Rig::new(&[("format", "json_lines"), ("json_date_key", "off")], Duration::ZERO);
    rig.push("a", &[&[("l", "1")]]);
    let Rig { output, buffer, counters, reader, ended, stop } = rig;
    let running = tokio::spawn(output.run(Arc::clone(&buffer), stop.1.clone()));
    let line = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        let mut reader = io::BufReader::new(reader);
        io::BufRead::read_line(&mut reader, &mut line).map(|_| (line, reader))
    });
    // The buffer is open still.
    let (line, reader) = line.await.expect("no panic").expect("a line");
    assert_eq!(line, "{\"l\":\"1\"}\n");
    buffer.close();
    running.await.expect("no panic");
    ended.wait().await;
    drop(reader);
    assert_eq!(counters.account.balance().delivered, 1);
}

#[tokio::test]
async fn records_for_a_reader_that_is_gone_are_dropped_and_counted() {
    let rig = Rig::new(&[], NEVER);
    rig.push("a", &[&[("l", "1")], &[("l", "2")]]);
    rig.buffer.close();
    let Rig { output, buffer, counters, reader, stop, .. } = rig;
    drop(reader);
    output.run(buffer, stop.1).await;
    let balance = counters.account.balance();
    assert_eq!((balance.dropped_for(Reason::Closed), balance.held), (2, 0));
    assert_eq!(counters.errors.get(), 1);
}

#[tokio::test]
async fn records_that_a_reader_does_not_take_in_time_are_left() {
    let rig = Rig::new(&[], NEVER);
    // More than a pipe holds.
    let long = "x".repeat(1 << 20);
    rig.push("a", &[&[("l", &long)]]);
    rig.push("b", &[&[("l", "1")]]);
    rig.buffer.close();
    let Rig { output, buffer, counters, reader, stop, .. } = rig;
    stop.0.stop(clock::now(), Duration::ZERO);
    output.run(buffer, stop.1).await;
    let balance = counters.account.balance();
    assert_eq!((balance.dropped_for(Reason::Stopped), balance.held), (2, 0));
    drop(reader);
}

//! What goes to standard output, whoever reads it, and the filter that ends the process.

use std::fs::File;
use std::io::{self, PipeReader, Read as _};
use std::process::Stdio;

use crate::rig::peer::Peer;
use crate::rig::process::{Process, firelane};
use crate::rig::{World, wait_for};

/// Seconds that no test here may take.
const GRACE_LONG: &str = "600";
const INPUT: &str = "
[SERVICE]
    Flush 0.1
    Grace @GRACE@
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
";
const CLOUDWATCH: &str = "
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
";

/// Starts it with these sections, and waits until it listens.
async fn start(
    world: &World,
    sections: &str,
    grace: &str,
    stdout: impl Into<Stdio>,
) -> (Process, String) {
    let text = format!("{INPUT}{sections}").replace("@GRACE@", grace);
    let file = world.write("fluent-bit.conf", &text);
    let mut command = firelane(["-c".as_ref(), file.as_os_str()]);
    let process = Process::spawn(command.stdout(stdout));
    let address = process.address("forward.0").await;
    (process, address)
}

/// Starts it with standard output into a pipe.
async fn start_piped(world: &World, sections: &str, grace: &str) -> (Process, String, PipeReader) {
    let (reader, writer) = io::pipe().expect("a pipe");
    let (process, address) = start(world, sections, grace, writer).await;
    (process, address, reader)
}

#[tokio::test]
async fn a_record_that_is_not_as_expected_ends_the_process_with_255_and_is_delivered() {
    let world = World::start().await;
    let sections = "
[FILTER]
    Name expect
    Match *
    key_exists absent
    action exit
[OUTPUT]
    Name stdout
    Match *
    Format json_lines
";
    let (process, address, mut reader) = start_piped(&world, sections, GRACE_LONG).await;
    Peer::tcp(&address, "a").await.send(3).await.expect("connected");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(255), "{said}");
    assert!(said.contains("are not as expected, the first because not absent is there"), "{said}");
    let mut printed = String::new();
    reader.read_to_string(&mut printed).expect("text");
    assert_eq!(printed.lines().filter(|line| line.contains("seq=")).count(), 3, "{printed}");
}

#[tokio::test]
async fn a_filter_prints_every_record_and_lets_it_go_on() {
    let world = World::start().await;
    let path = world.folder.path().join("stdout");
    let file = File::create(&path).expect("a file");
    let sections = "[FILTER]\n    Name stdout\n    Match *\n[OUTPUT]\n    Name null\n    Match *\n";
    let (process, address) = start(&world, sections, GRACE_LONG, file).await;
    Peer::tcp(&address, "a").await.tagged("t").send(5).await.expect("connected");
    let lines = || std::fs::read_to_string(&path).expect("text").lines().count();
    wait_for("all lines", || lines() == 5).await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("account: received=5 delivered=5 dropped=0 left=0 lost=0"), "{said}");
    let printed = std::fs::read_to_string(&path).expect("text");
    assert!(printed.starts_with("[0] t: ["), "{printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_is_gone_costs_its_records_and_those_of_no_other_output() {
    let world = World::start().await;
    let sections = format!("{CLOUDWATCH}[OUTPUT]\n    Name stdout\n    Match *\n");
    let sections = sections.replace("@ENDPOINT@", &world.endpoint());
    let (process, address, reader) = start_piped(&world, &sections, GRACE_LONG).await;
    drop(reader);
    Peer::tcp(&address, "a").await.send(3).await.expect("connected");
    wait_for("the events", || world.received().events == 3).await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    let account = "account of stdout.1: received=3 delivered=0 dropped=3 dropped_closed=3 left=0";
    assert!(said.contains(account), "{said}");
    assert_eq!(said.matches("cannot write to standard output").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_does_not_read_holds_up_no_other_output() {
    let world = World::start().await;
    let sections = format!("{CLOUDWATCH}[OUTPUT]\n    Name stdout\n    Match *\n");
    let sections = sections.replace("@ENDPOINT@", &world.endpoint());
    let (process, address, reader) = start_piped(&world, &sections, "1").await;
    // More than a pipe holds.
    Peer::tcp(&address, "a").await.padded(10_000).send(20).await.expect("connected");
    wait_for("the events", || world.received().events == 20).await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(2), "what nobody read is left: {said}");
    let account = said.lines().find(|line| line.contains("account of stdout.1: received=20 "));
    // How much of it the pipe took before it was full depends on when it came.
    assert!(account.is_some_and(|line| !line.contains(" left=0")), "{said}");
    drop(reader);
}

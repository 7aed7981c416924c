//! The program as a whole: what it says, how it ends, and with which status.

use std::time::Duration;

use firelane::local::cloudwatch_logs::{Fault, Rule};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::rig::peer::Peer;
use crate::rig::process::{Process, outcome};
use crate::rig::{World, all_arrived, in_time};

const CONFIG: &str = "
[SERVICE]
    Flush 0.1
    Grace @GRACE@
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
    Retry_Limit no_limits
";
/// Seconds that no test here may take.
const GRACE_LONG: &str = "600";

/// Starts it, and waits until it listens.
async fn start(world: &World, grace: &str) -> (Process, String) {
    let file = world.write("fluent-bit.conf", &CONFIG.replace("@GRACE@", grace));
    let process = Process::start(["-c".as_ref(), file.as_os_str()]);
    let address = process.address("forward.0").await;
    (process, address)
}

/// The last line of a log, without its time.
fn last_line(said: &str) -> &str {
    let line = said.lines().last().expect("a line");
    line.split("] ").last().expect("a text")
}

#[tokio::test]
async fn a_wrong_configuration_ends_with_64_and_all_its_errors() {
    let world = World::start().await;
    let text = "
[INPUT]
    Name forward
    Prot 24224
[FILTER]
    Name grap
    Match *
[OUTPUT]
    Name cloudwatch_logs
    Match *
    log_retention_days many
";
    let file = world.write("wrong.conf", text);
    let path = file.to_str().expect("text");
    let (status, stdout, stderr) = outcome(["-c", path]);
    assert_eq!((status, stdout.as_str()), (Some(64), ""));
    for part in ["wrong.conf:4", "Prot", "wrong.conf:6", "grap", "wrong.conf:11", "many"] {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
    assert_eq!(outcome(["check", path]).0, Some(64));
    assert_eq!(outcome(["-c", path, "--dry-run"]).0, Some(64));
}

#[tokio::test]
async fn a_configuration_that_is_not_there_ends_with_64_and_its_path() {
    let (status, _, stderr) = outcome(["-c", "/nowhere/at/all.conf"]);
    assert_eq!(status, Some(64));
    assert!(stderr.contains("/nowhere/at/all.conf"), "{stderr}");
}

#[tokio::test]
async fn the_command_line_of_the_fluent_bit_images_is_taken() {
    let world = World::start().await;
    let file = world.write("fluent-bit.conf", &CONFIG.replace("@GRACE@", "5"));
    let path = file.to_str().expect("text");
    let (status, stdout, stderr) = outcome([
        "-e",
        "/fluent-bit/firehose.so",
        "-e",
        "/fluent-bit/cloudwatch.so",
        "-e",
        "/fluent-bit/kinesis.so",
        "-c",
        path,
        "--dry-run",
    ]);
    assert_eq!(status, Some(0), "{stderr}");
    assert_eq!(stdout, "");
    assert!(stderr.ends_with("configuration test is successful\n"), "{stderr}");
    assert!(stderr.contains("/fluent-bit/kinesis.so"), "{stderr}");
}

#[tokio::test]
async fn commands_that_only_tell_end_with_0_and_unknown_ones_with_1_and_the_usage() {
    let world = World::start().await;
    let file = world.write("fluent-bit.conf", &CONFIG.replace("@GRACE@", "5"));
    let path = file.to_str().expect("text");
    for arguments in [
        &["-V"][..],
        &["--help"],
        &["check"],
        &["check", path],
        &["check", "--json", path],
        &["check", "--format", "text", "--tag", "x", path],
    ] {
        let (status, stdout, stderr) = outcome(arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {stderr}");
        assert!(!stdout.is_empty(), "{arguments:?}");
    }
    let version = concat!("Firelane v", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(outcome(["-V"]).1, version);
    for arguments in [
        &["--nonsense"][..],
        &["nonsense"],
        &["-c"],
        &["check", "--format", "xml"],
        &["check", "--launch-type", "MOON"],
    ] {
        let (status, stdout, stderr) = outcome(arguments);
        assert_eq!(status, Some(1), "{arguments:?}");
        assert!(!stderr.is_empty() && stdout.contains("--dry-run"), "{arguments:?}");
    }
}

#[tokio::test]
async fn check_ends_with_1_for_warnings_only_if_they_are_to_count() {
    let world = World::start().await;
    let text = "[INPUT]\nName forward\n[OUTPUT]\nName cloudwatch_logs\nMatch *\nregion r\n\
                log_group_name g\nlog_stream_prefix s\nauto_create_group on\n";
    let file = world.write("warned.conf", text);
    let path = file.to_str().expect("text");
    let (status, stdout, _) = outcome(["check", path]);
    assert_eq!(status, Some(0));
    assert!(stdout.contains("[group-never-expires]"), "{stdout}");
    assert_eq!(outcome(["check", "--strict", path]).0, Some(1));
    let retained = world.write("kept.conf", &format!("{text}log_retention_days 7\n"));
    assert_eq!(outcome(["check", "--strict", retained.to_str().expect("text")]).0, Some(0));
}

#[tokio::test]
async fn check_prints_the_configuration_of_a_task_definition_alone() {
    let world = World::start().await;
    let task = r#"{"containerDefinitions": [
        {"name": "log_router", "firelensConfiguration": {"type": "fluentbit"}},
        {"name": "app", "logConfiguration": {"logDriver": "awsfirelens", "options": {"Name": "null"}}}]}"#;
    let file = world.write("task.json", task);
    let path = file.to_str().expect("text");
    let (status, stdout, stderr) = outcome(["check", "--print-config", path]);
    assert_eq!((status, stderr.as_str()), (Some(0), ""));
    assert!(stdout.starts_with("\n[INPUT]\n") && stdout.ends_with("Match app-firelens*\n"));
    let file = world.write("task.json", &task.replace("null", "nul"));
    let (status, stdout, stderr) =
        outcome(["check", "--print-config", file.to_str().expect("text")]);
    assert_eq!(status, Some(64));
    assert!(stdout.contains("Name nul\n") && stderr.contains("did you mean 'null'?"), "{stderr}");
    let file = world.write("f.conf", "");
    assert_eq!(outcome(["check", "--print-config", file.to_str().expect("text")]).0, Some(1));
}

#[tokio::test]
async fn a_healthcheck_fails_where_nobody_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port().to_string();
    drop(listener);
    assert_eq!(outcome(["healthcheck", "--port", &port]).0, Some(1));
}

#[tokio::test]
async fn without_anything_to_deliver_it_ends_at_once() {
    for signal in ["TERM", "INT"] {
        let world = World::start().await;
        let (process, address) = start(&world, GRACE_LONG).await;
        // A peer that is there and silent does not keep it.
        let _silent = Peer::tcp(&address, "a").await;
        process.signal(signal);
        let (status, said) = process.end().await;
        assert_eq!(status, Some(0), "{said}");
        assert!(said.contains(&format!("caught signal (SIG{signal})")), "{said}");
        assert_eq!(last_line(&said), "account: received=0 delivered=0 dropped=0 left=0 lost=0");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_under_load_delivers_everything_and_the_account_says_so() {
    const RECORDS: u64 = 20_000;
    let world = World::start().await;
    let (process, address) = start(&world, GRACE_LONG).await;
    let mut senders = tokio::task::JoinSet::new();
    for id in ["a", "b"] {
        let mut peer = Peer::tcp(&address, id).await.tagged(id);
        senders.spawn(async move {
            for _ in 0..100 {
                peer.send(RECORDS / 100).await.expect("reading goes on after the signal");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            peer.socket.shutdown().await.expect("still connected");
        });
    }
    crate::rig::wait_for("the first events", || world.received().events > 0).await;
    process.signal("TERM");
    in_time("the senders", senders.join_all()).await;
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    let received = world.received();
    assert_eq!(all_arrived(&received, &["a", "b"], RECORDS), 0);
    let all = 2 * RECORDS;
    let line = format!("account: received={all} delivered={all} dropped=0 left=0 lost=0");
    assert_eq!(last_line(&said), line);
    let output = format!("account of cloudwatch_logs.0: received={all} delivered={all} ");
    assert!(said.contains(&output), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_senders_that_never_end_all_that_was_read_is_delivered() {
    let world = World::start().await;
    let (process, address) = start(&world, "2").await;
    let mut senders = tokio::task::JoinSet::new();
    for id in ["a", "b"] {
        let mut peer = Peer::tcp(&address, id).await.tagged(id);
        senders.spawn(async move {
            while peer.send(20).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
    }
    crate::rig::wait_for("the first events", || world.received().events > 0).await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    let all = world.received().events;
    let line = format!("account: received={all} delivered={all} dropped=0 left=0 lost=0");
    assert_eq!(last_line(&said), line);
    in_time("the senders", senders.join_all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_changes_nothing() {
    let world = World::start().await;
    world.faults(vec![Rule { delay_ms: 1_500, ..Rule::always(Fault::Slow) }]);
    let (process, address) = start(&world, GRACE_LONG).await;
    let mut peer = Peer::tcp(&address, "a").await;
    peer.send(1_000).await.expect("connected");
    drop(peer);
    for _ in 0..3 {
        process.signal("TERM");
        tokio::time::sleep(Duration::from_millis(100)).await;
        process.signal("INT");
    }
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(all_arrived(&world.received(), &["a"], 1_000), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dead_endpoint_left_is_counted_exactly_when_the_time_is_up() {
    for fault in [Fault::ResetBefore, Fault::NeverAnswer, Fault::Throttle] {
        let world = World::start().await;
        world.faults(vec![Rule { skip: 2, ..Rule::always(fault) }]);
        let (process, address) = start(&world, "2").await;
        let mut peer = Peer::tcp(&address, "a").await;
        peer.send(10).await.expect("connected");
        crate::rig::wait_for("the first events", || world.received().events == 10).await;
        peer.send(3_000).await.expect("connected");
        drop(peer);
        process.signal("TERM");
        let (status, said) = process.end().await;
        assert_eq!(status, Some(2), "{fault:?}: {said}");
        let account = "received=3010 delivered=10 dropped=0 left=3000";
        let output = format!("account of cloudwatch_logs.0: {account}");
        assert!(said.contains(&output), "{fault:?}: {said}");
        assert_eq!(last_line(&said), format!("account: {account} lost=3000"), "{fault:?}");
        assert_eq!(world.received().events, 10);
    }
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() {
    let world = World::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let config = CONFIG.replace("@GRACE@", "5");
    let input = config.replace("Port 0", &format!("Port {port}"));
    let admin = format!(
        "[SERVICE]\n    HTTP_Server On\n    HTTP_Listen 127.0.0.1\n    HTTP_Port {port}\n{config}"
    );
    for text in [input, admin] {
        let file = world.write("fluent-bit.conf", &text);
        let (status, said) = Process::start(["-c".as_ref(), file.as_os_str()]).end().await;
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

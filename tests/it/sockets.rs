//! The sockets themselves: files of unix sockets, permissions, limits, and peers that say nothing
//! or only little.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use firelane::clock;
use firelane::pipeline::Enrichment;
use firelane::sidecar::Sidecar;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use crate::rig::peer::{self, Peer, TAG};
use crate::rig::process::Process;
use crate::rig::{Running, World, all_arrived, in_time, wait_for};

const OUTPUT: &str = "
[SERVICE]
    Flush 0.05
[OUTPUT]
    Name cloudwatch_logs
    Match app-*
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_name s
    auto_create_group on
";
const UNIX: &str = "
[INPUT]
    Name forward
    unix_path @DIR@/fluent.sock
";
const TCP: &str = "
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
";
const HEALTH: &str = "
[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 0
[OUTPUT]
    Name null
    Match firelens-healthcheck
";

async fn run(inputs: &str) -> Running {
    World::start().await.run(&format!("{OUTPUT}{inputs}")).await
}

/// Why a start fails.
async fn refusal(world: &World, inputs: &str) -> String {
    let config = world.config(&format!("{OUTPUT}{inputs}"));
    let environment = world.environment(&[]);
    let started = Sidecar::start(config, Enrichment::Off, &environment, clock::now()).await;
    started.map(|_| ()).expect_err("a start that fails").to_string()
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

async fn logs_over(path: &Path, running: &Running) {
    let mut peer = Peer::unix(path, "a").await;
    peer.send(10).await.expect("connected");
    running.arrived(10).await;
}

#[tokio::test]
async fn a_stale_socket_file_is_replaced_and_ours_is_gone_at_the_end() {
    let world = World::start().await;
    let path = world.socket();
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket that nobody serves"));
    assert!(is_socket(&path));
    let running = world.run(&format!("{OUTPUT}{UNIX}")).await;
    logs_over(&path, &running).await;
    let world = running.stop_well().await;
    assert!(!path.exists());
    let left: Vec<_> = fs::read_dir(world.folder.path()).expect("a folder").flatten().collect();
    assert_eq!(left.len(), 1, "only the configuration: {left:?}");
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_refused_and_kept() {
    let world = World::start().await;
    fs::write(world.socket(), "somebody's").expect("a file");
    let error = refusal(&world, UNIX).await;
    assert!(error.contains("fluent.sock") && error.contains("no socket"), "{error}");
    assert_eq!(fs::read_to_string(world.socket()).expect("still there"), "somebody's");
}

#[tokio::test]
async fn a_socket_with_a_live_owner_is_refused_and_goes_on_working() {
    let running = run(UNIX).await;
    let path = running.world.socket();
    let error = refusal(&running.world, UNIX).await;
    assert!(error.contains("another process listens"), "{error}");
    logs_over(&path, &running).await;
    running.stop_well().await;
}

#[tokio::test]
async fn a_missing_folder_is_one_error_that_names_the_path() {
    let world = World::start().await;
    let inputs = UNIX.replace("fluent.sock", "not/there/fluent.sock");
    let error = refusal(&world, &inputs).await;
    assert!(error.contains("/not/there/fluent.sock"), "{error}");
    assert!(error.contains("directory must exist"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[tokio::test]
async fn a_start_that_fails_leaves_no_socket_behind() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("an address").port();
    let world = World::start().await;
    let inputs = format!("{UNIX}{}", TCP.replace("Port 0", &format!("Port {port}")));
    let error = refusal(&world, &inputs).await;
    assert!(error.contains(&format!("127.0.0.1:{port}")), "{error}");
    assert!(!world.socket().exists());
}

#[tokio::test]
async fn permissions_are_as_configured() {
    for (option, mode) in [("0666", 0o666), ("600", 0o600), ("0777", 0o777)] {
        let running = run(&format!("{UNIX}    unix_perm {option}\n")).await;
        let path = running.world.socket();
        let found = fs::metadata(&path).expect("a socket").permissions().mode();
        assert_eq!(found & 0o7777, mode, "{option}");
        logs_over(&path, &running).await;
        running.stop_well().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_removes_its_socket_at_the_end() {
    let world = World::start().await;
    let file = world.write("fluent-bit.conf", &format!("{OUTPUT}{UNIX}"));
    let process = Process::start(["-c".as_ref(), file.as_os_str()]);
    process.address("forward.0").await;
    assert!(is_socket(&world.socket()));
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    assert!(!world.socket().exists());
}

#[tokio::test]
async fn a_socket_that_somebody_has_put_in_the_place_of_ours_is_left_alone() {
    let running = run(UNIX).await;
    let path = running.world.socket();
    fs::remove_file(&path).expect("ours");
    let theirs = std::os::unix::net::UnixListener::bind(&path).expect("a free path");
    let world = running.stop_well().await;
    assert!(is_socket(&world.socket()));
    drop(theirs);
}

#[tokio::test]
async fn unix_and_tcp_work_side_by_side() {
    let running = run(&format!("{UNIX}{TCP}")).await;
    let mut unix = Peer::unix(running.address(0), "u").await;
    let mut tcp = Peer::tcp(running.address(1), "t").await;
    unix.send(200).await.expect("connected");
    tcp.send(200).await.expect("connected");
    running.arrived(400).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["u", "t"], 200), 0);
}

#[tokio::test]
async fn a_health_check_is_closed_at_once_and_is_no_event() {
    let running = run(&format!("{TCP}{HEALTH}")).await;
    for _ in 0..20 {
        let mut check = TcpStream::connect(running.address(1)).await.expect("it listens");
        check.write_all(b"{\"health\": \"check\"}\n").await.expect("it reads");
        check.shutdown().await.expect("as nc does at the end of its input");
        let mut answer = Vec::new();
        in_time("the end", check.read_to_end(&mut answer)).await.expect("closed, not reset");
        assert!(answer.is_empty());
    }
    wait_for("the checks", || running.telemetry.intake.balance().delivered == 20).await;
    let (account, world) = running.stop(Duration::from_secs(30)).await;
    assert_eq!(account.lost(), 0, "{account:?}");
    assert_eq!(world.received().events, 0);
    assert_eq!(world.received().operations.len(), 0, "the service was not even asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_health_check_is_answered_while_the_other_inputs_wait() {
    use firelane::local::cloudwatch_logs::{Fault, Rule};
    let limited = format!("{TCP}    Mem_Buf_Limit 200000\n{HEALTH}");
    let world = World::start().await;
    world.faults(vec![Rule::always(Fault::ResetBefore)]);
    let endless = OUTPUT.replace("auto_create", "Retry_Limit no_limits\n    auto_create");
    let running = world.run(&format!("{endless}{limited}")).await;
    let mut flood = Peer::tcp(running.address(0), "a").await.padded(1_000);
    let sending = tokio::spawn(async move { flood.send(2_000).await });
    let input = running.telemetry.inputs.first().cloned().expect("an input");
    wait_for("a reader that waits", || input.waits.get() > 0).await;
    let mut check = TcpStream::connect(running.address(1)).await.expect("it listens");
    check.write_all(b"{\"health\": \"check\"}\n").await.expect("it takes bytes");
    check.shutdown().await.expect("connected");
    let ended = in_time("the end", check.read_to_end(&mut Vec::new())).await;
    ended.expect("closed, not reset");
    running.world.faults(Vec::new());
    in_time("the sender", sending).await.expect("no panic").expect("not cut off");
    running.arrived(2_000).await;
    running.stop_well().await;
}

#[tokio::test]
async fn a_connection_without_a_byte_is_no_error_and_no_event() {
    let running = run(&format!("{UNIX}{TCP}")).await;
    for _ in 0..20 {
        drop(TcpStream::connect(running.address(1)).await.expect("it listens"));
        drop(UnixStream::connect(running.address(0)).await.expect("it listens"));
    }
    wait_for("connections to come and go", || {
        running.telemetry.inputs.iter().all(|input| input.connections.get() == 0)
    })
    .await;
    running.telemetry.inputs.iter().for_each(|input| assert_eq!(input.connection_errors.get(), 0));
    let (account, world) = running.stop(Duration::from_secs(30)).await;
    assert_eq!((account.ingest.received, world.received().events), (0, 0));
}

#[tokio::test]
async fn bytes_of_another_protocol_end_only_their_own_connection() {
    let running = run(TCP).await;
    let mut peer = Peer::tcp(running.address(0), "a").await;
    peer.send(5).await.expect("connected");
    let mut stranger = TcpStream::connect(running.address(0)).await.expect("it listens");
    stranger.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.expect("it reads");
    in_time("the end of the stranger", stranger.read_to_end(&mut Vec::new())).await.ok();
    peer.send(5).await.expect("still connected");
    running.arrived(10).await;
    let input = running.telemetry.inputs.first().cloned().expect("an input");
    assert_eq!(input.connection_errors.get(), 1);
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["a"], 10), 0);
}

#[tokio::test]
async fn an_ack_is_the_chunk_and_comes_once_the_records_are_taken() {
    let running = run(TCP).await;
    let mut socket = TcpStream::connect(running.address(0)).await.expect("it listens");
    for number in 0..20 {
        let chunk = format!("chunk-{number}");
        let line = format!("t id=a seq={number}");
        let frame = peer::frame(TAG, clock::unix_now(), &[("log", &line)], Some(&chunk));
        socket.write_all(&frame).await.expect("connected");
        // {"ack": chunk}, packed: a map of one, a text of three, a text.
        let mut expected = b"\x81\xa3ack".to_vec();
        firelane::record::msgpack::Writer::new(&mut expected).str(chunk.as_bytes());
        let mut ack = vec![0; expected.len()];
        in_time("an ack", socket.read_exact(&mut ack)).await.expect("connected");
        assert_eq!(ack, expected);
        let taken = running.telemetry.intake.balance().received;
        assert_eq!(taken, number + 1, "acked, so taken in");
    }
    running.arrived(20).await;
    running.stop_well().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_acks_holds_up_nobody_else() {
    let running = run(TCP).await;
    let mut deaf = TcpStream::connect(running.address(0)).await.expect("it listens");
    // Acks as large as their frames: the buffers on the way are soon full.
    let chunk = "c".repeat(60_000);
    let frame = peer::frame(TAG, clock::unix_now(), &[("log", "t id=deaf seq=0")], Some(&chunk));
    let flood = tokio::spawn(async move {
        for _ in 0..1_000 {
            deaf.write_all(&frame).await?;
        }
        std::io::Result::Ok(())
    });
    let input = running.telemetry.inputs.first().cloned().expect("an input");
    // It is stuck once no more of it is read.
    let mut before = u64::MAX;
    while before != input.records.get() || before == 0 {
        before = input.records.get();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mut other = Peer::tcp(running.address(0), "b").await;
    other.send(10).await.expect("connected");
    running.arrived(before + 10).await;
    flood.abort();
    running.stop_well().await;
}

#[tokio::test]
async fn a_peer_beyond_the_limit_of_connections_waits_and_is_served_then() {
    let running = run(&format!("{TCP}    connections_max 2\n")).await;
    let mut first = Peer::tcp(running.address(0), "a").await;
    let mut second = Peer::tcp(running.address(0), "b").await;
    first.send(1).await.expect("connected");
    second.send(1).await.expect("connected");
    running.arrived(2).await;
    let mut third = Peer::tcp(running.address(0), "c").await;
    third.send(1).await.expect("the system takes it");
    second.send(100).await.expect("connected");
    running.arrived(102).await;
    let input = running.telemetry.inputs.first().cloned().expect("an input");
    assert_eq!((input.connections.get(), input.records.get()), (2, 102), "the third waits");
    drop(first);
    running.arrived(103).await;
    assert_eq!(input.connections.get(), 2);
    running.stop_well().await;
}

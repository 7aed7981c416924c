//! More comes than can go: senders wait, memory stays within its budget, and nobody is cut off.

use std::time::Duration;

use firelane::clock;
use firelane::input::RESERVE_BYTES;
use firelane::local::cloudwatch_logs::{Fault, Rule};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::rig::peer::{Peer, TAG, docker_frame};
use crate::rig::{LOOK, Running, World, all_arrived, in_time, wait_for};

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
[INPUT]
    Name forward
    Mem_Buf_Limit @LIMIT@
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
    storage.total_limit_size 300000
";
/// What may be in memory over the budget: the largest frame that these peers send, and the read in
/// which its end came.
const OVER_BYTES: u64 = 1_000 + 64 * 1_024;
/// What the disk takes before the senders wait.
const DISK_BYTES: u64 = 300_000;
/// Records that went into the socket at once are more than the budget.
const RECORDS: u64 = 6_000;
const IDS: [&str; 3] = ["a", "b", "c"];

fn with_limit(bytes: u64) -> String {
    CONFIG.replace("@LIMIT@", &bytes.to_string())
}

/// Peers that send all they have; each returns once everything is written.
async fn flood(running: &Running) -> JoinSet<()> {
    let mut senders = JoinSet::new();
    for id in IDS {
        let mut peer = Peer::tcp(running.address(0), id).await.tagged(id).padded(600);
        senders.spawn(async move {
            peer.send(RECORDS).await.expect("a sender is made to wait, not cut off");
            // Whoever closes a socket that holds unread bytes would reset it.
            peer.socket.shutdown().await.expect("still connected");
        });
    }
    senders
}

/// Waits until nothing more is read; looks at the memory meanwhile.
async fn stalled(running: &Running) {
    /// Looks without a change after which nothing is about to come.
    const QUIET_LOOKS: u32 = 60;
    let (mut before, mut quiet) = (0, 0);
    wait_for("readers that wait", || {
        running.look();
        let input = running.telemetry.inputs.first().expect("an input");
        let records = input.records.get();
        quiet = if records == before && input.waits.get() > 0 { quiet + 1 } else { 0 };
        before = records;
        quiet >= QUIET_LOOKS
    })
    .await;
}

/// What was taken in fits into the budget and the input's reserve, but for one frame, see
/// [`OVER_BYTES`].
fn assert_within_budget(running: &Running) {
    let budget = &running.telemetry.budget;
    let taken = running.telemetry.inputs.first().map_or(0, |input| input.bytes.get());
    assert!(budget.used_bytes() <= budget.bytes_max());
    assert!(
        taken <= budget.bytes_max() + DISK_BYTES + RESERVE_BYTES + OVER_BYTES,
        "{taken} bytes were taken in, the budget is {}",
        budget.bytes_max()
    );
}

async fn an_endpoint_fails_and_heals(fault: Fault) {
    let world = World::start().await;
    world.faults(vec![Rule::always(fault)]);
    let running = world.run(&with_limit(1_000_000)).await;
    let senders = flood(&running).await;
    stalled(&running).await;
    assert_within_budget(&running);
    running.world.faults(Vec::new());
    in_time("senders that go on", senders.join_all()).await;
    running.arrived(RECORDS * 3).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &IDS, RECORDS), 0, "nothing twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_resets_every_connection_makes_senders_wait() {
    an_endpoint_fails_and_heals(Fault::ResetBefore).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_never_answers_makes_senders_wait() {
    an_endpoint_fails_and_heals(Fault::NeverAnswer).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_dies_within_a_frame_does_not_stop_the_others() {
    let running = World::start().await.run(&with_limit(300_000)).await;
    let mut dead = TcpStream::connect(running.address(0)).await.expect("a connection");
    let frame = docker_frame(TAG, clock::unix_now(), &"x".repeat(900_000));
    dead.write_all(&frame[..600_000]).await.expect("half a frame");
    let budget = running.telemetry.budget.clone();
    wait_for("the budget in the hands of half a frame", || budget.used_bytes() > 200_000).await;
    let mut peer = Peer::tcp(running.address(0), "a").await;
    in_time("the other peer", peer.send(500)).await.expect("connected");
    running.arrived(500).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["a"], 500), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn incomplete_frames_that_use_the_budget_up_do_not_wait_for_each_other() {
    const LINE_BYTES: usize = 200_000;
    let running = World::start().await.run(&with_limit(400_000)).await;
    let mut senders = JoinSet::new();
    let ids: Vec<String> = (0..8).map(|number| format!("c{number}")).collect();
    for id in &ids {
        let mut peer = Peer::tcp(running.address(0), id).await.padded(LINE_BYTES);
        senders.spawn(async move {
            for _ in 0..3 {
                for part in peer.frame().chunks(LINE_BYTES / 5) {
                    peer.socket.write_all(part).await.expect("not cut off");
                    tokio::time::sleep(LOOK).await;
                }
            }
        });
    }
    in_time("all senders", senders.join_all()).await;
    running.arrived(8 * 3).await;
    let received = running.stop_well().await.received();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    assert_eq!(all_arrived(&received, &ids, 3), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_idle_connections_cost_no_memory_of_the_budget() {
    let running = World::start().await.run(&with_limit(1_000_000)).await;
    let mut idle = Vec::new();
    for number in 0..1_000 {
        let mut peer = Peer::tcp(running.address(0), &format!("i{number}")).await;
        peer.send(1).await.expect("connected");
        idle.push(peer);
    }
    let mut peer = Peer::tcp(running.address(0), "a").await;
    peer.send(2_000).await.expect("connected");
    running.arrived(3_000).await;
    let input = running.telemetry.inputs.first().cloned().expect("an input");
    assert_eq!(input.connections.get(), 1_001);
    wait_for("memory to come free", || running.telemetry.budget.used_bytes() == 0).await;
    drop((idle, peer));
    wait_for("connections to end", || input.connections.get() == 0).await;
    assert_eq!(input.connection_errors.get(), 0);
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["a"], 2_000), 0);
}

/// An address where nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    format!("http://{}", listener.local_addr().expect("an address"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_output_that_is_dead_does_not_hold_up_the_first() {
    let second = "
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @NOBODY@
    log_group_name g
    log_stream_name dead
";
    let config = with_limit(1_000_000) + &second.replace("@NOBODY@", &nobody().await);
    let running = World::start().await.run(&config).await;
    let senders = flood(&running).await;
    in_time("all senders", senders.join_all()).await;
    running.arrived(RECORDS * 3).await;
    assert!(running.output(1).delivered == 0, "{}", running.output(1));
    let (account, world) = running.stop(Duration::from_secs(1)).await;
    assert_eq!(all_arrived(&world.received(), &IDS, RECORDS), 0);
    let [(_, first), (_, dead)] = account.outputs.as_slice() else { panic!("two outputs") };
    assert_eq!((first.delivered, first.lost()), (RECORDS * 3, 0));
    assert_eq!((dead.received, dead.lost(), dead.held), (RECORDS * 3, RECORDS * 3, 0));
}

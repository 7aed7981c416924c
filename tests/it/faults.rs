//! An endpoint that goes wrong: nothing is lost, nothing overtakes, and what comes twice was in
//! doubt. Every account balances at every look meanwhile.

use std::collections::BTreeSet;
use std::time::Duration;

use firelane::local::cloudwatch_logs::{Fault, OperationName, Rule};

use crate::rig::peer::Peer;
use crate::rig::{Running, World, all_arrived, next, wait_for};

/// Containers, each with a log stream of its own.
const IDS: [&str; 3] = ["a", "b", "c"];
/// Records of each.
const RECORDS: u64 = 1_500;
/// They come in so many bursts, so that batches follow each other.
const BURSTS: u64 = 15;
const BURST_DISTANCE: Duration = Duration::from_millis(60);

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
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
    auto_create_group @CREATE@
    Retry_Limit no_limits
    compress @COMPRESS@
";

async fn logged(running: &Running) {
    let mut peers = Vec::new();
    for id in IDS {
        peers.push(Peer::tcp(running.address(0), id).await.tagged(id));
    }
    for _ in 0..BURSTS {
        for peer in &mut peers {
            peer.send(RECORDS / BURSTS).await.expect("a sender is never cut off");
        }
        running.look();
        tokio::time::sleep(BURST_DISTANCE).await;
    }
}

/// Runs against an endpoint with these faults. Returns how many records arrived twice, and how many
/// were counted as in doubt.
async fn run_with(world: World, create: &str, rules: Vec<Rule>) -> (u64, u64) {
    run_encoded(world, (create, "off"), rules).await
}

/// The same, with requests that are compressed or not.
async fn run_encoded(
    world: World,
    (create, compress): (&str, &str),
    rules: Vec<Rule>,
) -> (u64, u64) {
    let faults: BTreeSet<Fault> = rules.iter().map(|rule| rule.fault).collect();
    world.faults(rules);
    let running =
        world.run(&CONFIG.replace("@CREATE@", create).replace("@COMPRESS@", compress)).await;
    logged(&running).await;
    wait_for("all records", || {
        running.look();
        let received = running.world.received();
        let came = received.sequences.values().map(|count| count.received - count.duplicates);
        came.sum::<u64>() == RECORDS * 3
    })
    .await;
    let counters = running.telemetry.outputs.first().cloned().expect("an output");
    let received = running.stop_well().await.received();
    let happened: BTreeSet<Fault> = received.faults.keys().copied().collect();
    assert_eq!(happened, faults, "every fault was met");
    (all_arrived(&received, &IDS, RECORDS), counters.ambiguous_records.get())
}

async fn run(rules: Vec<Rule>) -> (u64, u64) {
    run_with(World::start().await, "on", rules).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_requests_a_second_lose_nothing_and_make_batches_grow() {
    let rule = Rule { above_per_s: Some(2.0), ..Rule::always(Fault::Throttle) };
    let (twice, _) = run(vec![rule]).await;
    assert_eq!(twice, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_500_and_503_for_a_while_lose_nothing() {
    let until = |ms| move |fault| Rule { for_ms: Some(ms), ..Rule::always(fault) };
    let failing = Rule { probability: Some(0.5), ..until(1_200)(Fault::InternalFailure) };
    let (twice, _) = run(vec![failing, until(1_000)(Fault::ServiceUnavailable)]).await;
    assert_eq!(twice, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_before_the_events_are_taken_brings_nothing_twice() {
    let (twice, _) = run(vec![Rule { skip: 2, ..next(5, Fault::ResetBefore) }]).await;
    assert_eq!(twice, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reset_after_the_events_are_taken_brings_only_the_batches_in_doubt_twice() {
    // Beyond the first of each stream, which finds the stream missing, and takes nothing.
    let (twice, in_doubt) = run(vec![Rule { skip: 6, ..next(5, Fault::ResetAfter) }]).await;
    assert!(twice > 0, "the fault was met");
    assert_eq!(twice, in_doubt, "each record in doubt was taken and sent once more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_of_every_kind_at_random_lose_nothing() {
    let some = |fault| Rule { probability: Some(0.2), ..Rule::always(fault) };
    let (twice, in_doubt) = run(vec![some(Fault::ResetBefore), some(Fault::ResetAfter)]).await;
    assert!(twice <= in_doubt, "{twice} came twice, {in_doubt} were in doubt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_loses_nothing() {
    assert_eq!(run(vec![Rule { skip: 3, ..next(3, Fault::ExpiredToken) }]).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_that_is_denied_for_a_while_loses_nothing() {
    let rule = Rule { for_ms: Some(800), ..Rule::always(Fault::AccessDenied) };
    assert_eq!(run(vec![rule]).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_without_a_request_id_is_somebody_elses_and_does_not_count() {
    let (twice, in_doubt) = run(vec![Rule { skip: 6, ..next(4, Fault::NoRequestId) }]).await;
    assert!(twice > 0, "the fault was met");
    assert_eq!(twice, in_doubt, "each record in doubt was taken and sent once more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_endpoint_loses_nothing() {
    let rule = Rule { delay_ms: 300, ..Rule::always(Fault::Slow) };
    assert_eq!(run(vec![rule]).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_compression_gets_every_record_once_and_in_order() {
    for fault in [Fault::RefuseGzip, Fault::MisreadGzip] {
        let (world, rules) = (World::start().await, vec![Rule::always(fault)]);
        assert_eq!(run_encoded(world, ("on", "gzip"), rules).await, (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compressed_batches_are_sent_again_as_plain_ones_are() {
    let some = |fault| Rule { probability: Some(0.2), ..Rule::always(fault) };
    let rules = vec![some(Fault::ResetBefore), some(Fault::ResetAfter), some(Fault::Throttle)];
    let world = World::start().await;
    let (twice, in_doubt) = run_encoded(world, ("on", "gzip"), rules).await;
    assert!(twice <= in_doubt, "{twice} came twice, {in_doubt} were in doubt");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_vanishes_is_made_again() {
    let vanishes = Rule { skip: 4, ..next(2, Fault::GroupVanishes) };
    assert_eq!(run(vec![vanishes]).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_vanishes_is_made_again_without_the_right_to_make_groups() {
    let vanishes = Rule { skip: 4, ..next(3, Fault::StreamVanishes) };
    let world = World::with(|options| options.existing = vec![("g".into(), "s-a".into())]).await;
    assert_eq!(run_with(world, "off", vec![vanishes]).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_is_throttled_is_tried_again() {
    let create = vec![OperationName::CreateLogGroup, OperationName::CreateLogStream];
    let throttled = Rule { operations: create, ..next(4, Fault::Throttle) };
    assert_eq!(run(vec![throttled]).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_wait_for_a_group_that_may_not_be_made() {
    let world = World::with(|options| options.existing = vec![("g".into(), "x".into())]).await;
    world.faults(vec![next(1, Fault::GroupVanishes)]);
    let config = CONFIG.replace("@CREATE@", "off").replace("@COMPRESS@", "off");
    let running = world.run(&config).await;
    logged(&running).await;
    let retries = || running.telemetry.outputs.first().map_or(0, |output| output.retries.get());
    wait_for("another attempt", || retries() >= 6).await;
    wait_for("all of them", || running.output(0).held == RECORDS * 3).await;
    // Somebody makes the group.
    running.world.cloudwatch().reset();
    running.arrived(RECORDS * 3).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &IDS, RECORDS), 0);
}

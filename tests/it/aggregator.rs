//! Sidecars that pass their records on to aggregators: what a stop, a kill and a pause cost.

use std::time::Duration;

use firelane::local::cloudwatch_logs::AccountSummary;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::rig::peer::Peer;
use crate::rig::process::{Process, outcome};
use crate::rig::{World, in_time, wait_for};

const AGGREGATOR: &str = "
[SERVICE]
    Flush 0.1
    Grace 60
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port @PORT@
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
const SENDER: &str = "
[SERVICE]
    Flush 0.05
    Grace 60
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
[OUTPUT]
    Name forward
    Match *
    Upstream upstream.conf
    Require_ack_response on
    Retry_Limit no_limits
";
const IDS: [&str; 3] = ["a", "b", "c"];

/// Two aggregators, three senders, and somebody who logs to each of them.
struct Chain {
    world: World,
    aggregators: Vec<Option<Process>>,
    senders: Vec<Process>,
    peers: Vec<Peer<TcpStream>>,
}

impl Chain {
    async fn start(more: &str) -> Self {
        let world = World::start().await;
        let (mut aggregators, mut nodes) = (Vec::new(), "[UPSTREAM]\n    Name all\n".to_owned());
        for name in ["left", "right"] {
            let text = AGGREGATOR.replace("@PORT@", "0");
            let file = world.write(&format!("{name}.conf"), &text);
            let process = Process::start(["-c".as_ref(), file.as_os_str()]);
            let address = process.address("forward.0").await;
            let (host, port) = address.rsplit_once(':').expect("a port");
            nodes += &format!("[NODE]\n    Name {name}\n    Host {host}\n    Port {port}\n");
            aggregators.push(Some(process));
        }
        world.write("upstream.conf", &nodes);
        let file = world.write("sender.conf", &format!("{SENDER}{more}"));
        let (mut senders, mut peers) = (Vec::new(), Vec::new());
        for id in IDS {
            let process = Process::start(["-c".as_ref(), file.as_os_str()]);
            let address = process.address("forward.0").await;
            peers.push(Peer::tcp(&address, id).await.tagged(id));
            senders.push(process);
        }
        Self { world, aggregators, senders, peers }
    }

    /// Each peer logs this many records more.
    async fn send(&mut self, records: u64) {
        for peer in &mut self.peers {
            peer.send(records).await.expect("connected");
        }
    }

    /// Waits until each sender's records up to now are at the endpoint.
    async fn arrived(&self) {
        let records = self.peers[0].number;
        let is_there = |received: &AccountSummary| {
            let count = |id: &&str| received.sequences.get(*id).map(|n| n.received - n.duplicates);
            IDS.iter().all(|id| count(id) == Some(records))
        };
        wait_for("all records at the endpoint", || is_there(&self.world.received())).await;
    }

    fn duplicates(&self) -> u64 {
        self.world.received().sequences.values().map(|count| count.duplicates).sum()
    }

    /// Stops the senders and what is left of the aggregators; each says that nothing is left.
    async fn stop_well(mut self) -> World {
        for peer in &mut self.peers {
            let _ = peer.socket.shutdown().await;
        }
        for process in self.senders.into_iter().chain(self.aggregators.into_iter().flatten()) {
            process.signal("TERM");
            let (status, said) = process.end().await;
            assert_eq!(status, Some(0), "{said}");
            assert!(said.trim_end().ends_with("dropped=0 left=0 lost=0"), "{said}");
        }
        self.world
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_all_senders_arrive_once_through_two_aggregators() {
    let mut chain = Chain::start("").await;
    for _ in 0..10 {
        chain.send(200).await;
        chain.arrived().await;
    }
    assert_eq!(chain.duplicates(), 0);
    for aggregator in chain.aggregators.iter().flatten() {
        assert!(!aggregator.said().contains("[ warn]"), "{}", aggregator.said());
    }
    chain.stop_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregator_that_is_stopped_while_records_flow_costs_none() {
    let mut chain = Chain::start("").await;
    chain.send(500).await;
    chain.arrived().await;
    let left = chain.aggregators[0].take().expect("an aggregator");
    left.signal("TERM");
    for _ in 0..20 {
        chain.send(100).await;
        tokio::task::yield_now().await;
    }
    let (status, said) = left.end().await;
    assert_eq!(status, Some(0), "{said}");
    chain.send(500).await;
    chain.arrived().await;
    assert_eq!(chain.duplicates(), 0, "a stop leaves no ack outstanding");
    chain.stop_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregator_that_is_killed_before_it_acknowledges_costs_none() {
    let mut chain = Chain::start("").await;
    chain.send(500).await;
    chain.arrived().await;
    // It holds nothing now, and takes nothing more: what it is sent has no ack when it dies.
    let left = chain.aggregators[0].take().expect("an aggregator");
    left.signal("STOP");
    chain.send(500).await;
    left.signal("KILL");
    let (status, _) = left.end().await;
    assert_eq!(status, None, "killed");
    chain.send(500).await;
    chain.arrived().await;
    let told = |process: &Process| process.said().contains("node left (127.0.0.1:");
    // Whoever chose the other one by chance finds out when it sends again.
    while !chain.senders.iter().any(told) {
        chain.send(50).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    chain.arrived().await;
    chain.stop_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregator_that_hangs_is_left_out_and_comes_back() {
    let mut chain = Chain::start("    net.io_timeout 1\n").await;
    chain.send(100).await;
    chain.arrived().await;
    let left = chain.aggregators[0].as_ref().expect("an aggregator");
    left.signal("STOP");
    let is_told = |text: &'static str| move |process: &Process| process.said().contains(text);
    let mut out = false;
    while !out {
        chain.send(50).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        out = chain
            .senders
            .iter()
            .all(is_told("is left out and tried again later: no ack within 1 s"));
    }
    chain.arrived().await;
    chain.aggregators[0].as_ref().expect("an aggregator").signal("CONT");
    let mut back = false;
    while !back {
        chain.send(50).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        back = chain.senders.iter().all(is_told("takes records again"));
    }
    chain.arrived().await;
    in_time("the end", chain.stop_well()).await;
}

#[test]
fn the_task_definitions_of_the_documents_are_accepted_with_the_files_beside_them() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/aggregator");
    let file = |name: &str| folder.join(name).display().to_string();
    let (task, upstream) = (file("sidecar-task.json"), file("upstream.conf"));
    let external = format!("/etc/firelane/upstream.conf={upstream}");
    let own = file("sidecar.conf");
    let arguments = ["check", &task, "--external", &own, "--external", &external];
    let (status, stdout, stderr) = outcome(arguments);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
    // Its certificate and key are in its image, and nowhere here.
    let (task, own) = (file("aggregator-task.json"), file("aggregator.conf"));
    let (status, stdout, stderr) = outcome(["check", &task, "--external", &own]);
    assert_eq!(status, Some(0), "{stdout}{stderr}");
}

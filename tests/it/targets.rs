//! Log groups and streams that are named by fields of records, and by the task.

use std::time::Duration;

use firelane::clock;
use firelane::local::cloudwatch_logs::{Fault, OperationName, Rule};
use firelane::local::task_metadata::{self, MetadataFault};
use firelane::pipeline::Enrichment;
use tokio::io::AsyncWriteExt;

use crate::rig::peer::{self, Peer};
use crate::rig::process::{Process, firelane};
use crate::rig::{World, wait_for};

const INPUT: &str = "
[SERVICE]
    Flush 0.1
    Grace 1
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
";

/// Frames with a field that names the stream, of records that are numbered in it.
fn frames(streams: &[String], number: u64) -> Vec<u8> {
    let frame = |stream: &String| {
        let line = format!("t id={stream} seq={number} x");
        peer::frame("t", clock::unix_now(), &[("log", &line), ("s", stream)], None)
    };
    streams.iter().flat_map(frame).collect()
}

const GO_OUTPUT: &str = "
[OUTPUT]
    Name cloudwatch
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g-$(ecs_task_id)
    log_stream_name $(s)
    log_key log
    auto_create_group true
    Retry_Limit no_limits
";

#[tokio::test]
async fn records_wait_for_the_name_of_a_task_that_is_late() {
    let world = World::start().await;
    let metadata = world.local.task_metadata().expect("the endpoint");
    let fault = task_metadata::Fault::InternalError;
    metadata.set_fault(Some(MetadataFault { fault, next: 3 }));
    let address = world.local.task_metadata_address().expect("the endpoint");
    let uri = format!("http://{address}{}", metadata.path("app").expect("a container"));
    let config = world.config(&format!("{INPUT}{GO_OUTPUT}"));
    let variables = [("ECS_CONTAINER_METADATA_URI_V4", uri.as_str())];
    let running = world.run_config(config, Enrichment::Off, &variables).await;
    let mut peer = Peer::tcp(running.address(0), "p").await;
    let streams = ["a", "b"].map(str::to_owned);
    peer.socket.write_all(&frames(&streams, 0)).await.expect("reading does not wait");
    running.arrived(2).await;
    let received = running.stop_well().await.received();
    let names: Vec<_> = received
        .streams
        .iter()
        .map(|stream| format!("{} {}", stream.group, stream.stream))
        .collect();
    let group = "g-0123456789abcdef0123456789abcdef";
    assert_eq!(names, [format!("{group} a"), format!("{group} b")]);
}

#[tokio::test]
async fn records_of_a_task_that_is_never_known_arrive_by_the_default_names_at_a_stop() {
    let world = World::start().await;
    let metadata = world.local.task_metadata().expect("the endpoint");
    let fault = task_metadata::Fault::InternalError;
    metadata.set_fault(Some(MetadataFault { fault, next: u64::MAX }));
    let address = world.local.task_metadata_address().expect("the endpoint");
    let uri = format!("http://{address}{}", metadata.path("app").expect("a container"));
    let config = world.config(&format!("{INPUT}{GO_OUTPUT}"));
    let variables = [("ECS_CONTAINER_METADATA_URI_V4", uri.as_str())];
    let running = world.run_config(config, Enrichment::Off, &variables).await;
    let mut peer = Peer::tcp(running.address(0), "p").await;
    peer.socket.write_all(&frames(&["a".to_owned()], 0)).await.expect("connected");
    wait_for("the record at the output", || running.output(0).held == 1).await;
    drop(peer);
    let received = running.stop_well().await.received();
    let [stream] = received.streams.as_slice() else { panic!("{:?}", received.streams) };
    assert_eq!((stream.group.as_str(), stream.stream.as_str()), ("fluentbit-default", "a"));
}

#[tokio::test]
async fn a_stream_is_not_created_where_that_is_not_wanted_though_its_group_is() {
    let world = World::start().await;
    let output = GO_OUTPUT.replace("$(ecs_task_id)", "x") + "    auto_create_stream false\n";
    let running = world.run(&format!("{INPUT}{output}")).await;
    let mut peer = Peer::tcp(running.address(0), "p").await;
    peer.socket.write_all(&frames(&["a".to_owned()], 0)).await.expect("connected");
    let groups = || running.world.received().groups;
    wait_for("the group", || groups().iter().any(|group| group.group == "g-x")).await;
    wait_for("an attempt with it", || running.telemetry.outputs[0].retries.get() >= 2).await;
    let (account, world) = running.stop(Duration::from_millis(500)).await;
    assert_eq!(account.left(), 1, "{account:?}");
    let operations = world.received().operations;
    assert!(!operations.contains_key(&OperationName::CreateLogStream), "{operations:?}");
    assert_eq!(operations[&OperationName::CreateLogGroup].requests, 1);
}

#[tokio::test]
async fn the_process_stops_after_as_long_without_success_as_the_go_plugin_is_told() {
    let world = World::start().await;
    world.faults(vec![Rule::always(Fault::ServiceUnavailable)]);
    let output = GO_OUTPUT.replace("$(ecs_task_id)", "x");
    let file = world.write("fluent-bit.conf", &format!("{INPUT}{output}"));
    let mut command = firelane(["-c".as_ref(), file.as_os_str()]);
    let process = Process::spawn(command.env("SEND_FAILURE_TIMEOUT", "300ms"));
    let mut peer = Peer::tcp(&process.address("forward.0").await, "p").await;
    peer.socket.write_all(&frames(&["a".to_owned()], 0)).await.expect("connected");
    drop(peer);
    let (status, said) = process.end().await;
    assert_eq!(status, Some(255), "{said}");
    assert!(said.contains("left=1"), "{said}");
    assert!(said.contains("nothing could be sent for 0.3 s (SEND_FAILURE_TIMEOUT)"), "{said}");
}

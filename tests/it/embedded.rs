//! Without a configuration file: names and fields come from what ECS says of the task, and logs
//! flow whether it says anything or not. And the example files, for those who want one.

use std::fs;
use std::path::PathBuf;

use firelane::clock;
use firelane::config::{self, Disk, Environment};
use firelane::local::task_metadata::{CREDENTIALS_PATH, Fault, MetadataFault};
use firelane::pipeline::Enrichment;
use serde_json::{Value, json};

use crate::rig::peer::{self, Peer, TAG};
use crate::rig::process::{Process, firelane};
use crate::rig::{Running, World, all_arrived};

const TASK_ARN: &str =
    "arn:aws:ecs:us-west-2:123456789012:task/local/0123456789abcdef0123456789abcdef";
const GROUP: &str = "/ecs/demo";
const STREAM: &str = "app/0123456789abcdef0123456789abcdef";

/// What ECS sets, and what a test needs to stand beside others.
fn variables(world: &World, more: &[(&str, &str)]) -> Vec<(String, String)> {
    let metadata = world.local.task_metadata().expect("the endpoint");
    let address = world.local.task_metadata_address().expect("the endpoint");
    let path = metadata.path("app").expect("a container");
    let own = [
        ("ECS_CONTAINER_METADATA_URI_V4", format!("http://{address}{path}")),
        ("FIRELANE_UNIX_PATH", world.socket().display().to_string()),
        ("FIRELANE_LISTEN", "127.0.0.1".to_owned()),
        ("FIRELANE_PORT", "0".to_owned()),
        ("FIRELANE_HTTP_SERVER", "off".to_owned()),
        ("FIRELANE_FLUSH", "0.1".to_owned()),
        ("FIRELANE_ENDPOINT", world.endpoint()),
    ];
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    own.into_iter().chain(more).map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn run(world: World, more: &[(&str, &str)]) -> Running {
    let variables = variables(&world, more);
    let variables: Vec<_> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let config = config::embedded(&world.environment(&variables)).expect("right variables");
    world.run_config(config, Enrichment::On, &variables).await
}

async fn run_with_fault(fault: Fault, next: u64, more: &[(&str, &str)]) -> Running {
    let world = World::start().await;
    let metadata = world.local.task_metadata().expect("the endpoint");
    metadata.set_fault(Some(MetadataFault { fault, next }));
    run(world, more).await
}

fn messages(world: &World, group: &str, stream: &str) -> Vec<Value> {
    let events = world.cloudwatch().events(group, stream);
    events.iter().map(|(_, message)| serde_json::from_str(message).expect("JSON")).collect()
}

#[tokio::test]
async fn every_record_says_which_task_and_container_it_is_from() {
    let running = run(World::start().await, &[]).await;
    let mut docker = Peer::unix(running.address(0), "d").await;
    // The names are the task's from the first record on; the fields once they are known.
    docker.send(1).await.expect("connected");
    running.arrived(1).await;
    docker.send(1).await.expect("connected");
    running.arrived(2).await;
    let mut library = Peer::tcp(running.address(1), "l").await;
    let fields = [("level", "info"), ("log", "from a library")];
    let frame = peer::frame(TAG, clock::unix_now(), &fields, None);
    tokio::io::AsyncWriteExt::write_all(&mut library.socket, &frame).await.expect("connected");
    running.arrived(3).await;
    let world = running.stop_well().await;
    let found = messages(&world, GROUP, STREAM);
    let [_, docker, library] = found.as_slice() else { panic!("three events: {found:?}") };
    for record in [docker, library] {
        assert_eq!(record["ecs_cluster"], "local");
        assert_eq!(record["ecs_task_arn"], TASK_ARN);
        assert_eq!(record["ecs_task_definition"], "demo:1");
    }
    assert_eq!(docker["container_name"], "/ecs-app-1-app-c0ffee", "what Docker says stays");
    assert!(docker["container_id"].as_str().is_some_and(|id| id.starts_with("5d6f0a1b")));
    assert_eq!((&library["log"], &library["level"]), (&json!("from a library"), &json!("info")));
    assert_eq!(library["container_name"], "app", "known by its tag");
    let id = library["container_id"].as_str().expect("an id");
    assert!(id.starts_with("0123456789abcdef0123456789abcdef-"), "{id}");
    for record in [docker, library] {
        let text = record.to_string();
        let fields = record.as_object().map_or(0, |fields| fields.len());
        assert_eq!(text.matches("\":").count(), fields, "no field twice: {text}");
    }
}

#[tokio::test]
async fn a_metadata_endpoint_that_comes_late_still_gives_the_names() {
    for (fault, requests) in
        [(Fault::NotFound, 3), (Fault::InternalError, 3), (Fault::NeverAnswer, 1)]
    {
        let running = run_with_fault(fault, requests, &[]).await;
        let mut peer = Peer::unix(running.address(0), "a").await;
        peer.send(50).await.expect("reading does not wait for metadata");
        running.arrived(50).await;
        let world = running.stop_well().await;
        assert_eq!(all_arrived(&world.received(), &["a"], 50), 0);
        assert_eq!(messages(&world, GROUP, STREAM).len(), 50, "{fault:?}");
    }
}

#[tokio::test]
async fn without_any_metadata_logs_flow_to_where_they_can_be_found() {
    let running =
        run_with_fault(Fault::InternalError, u64::MAX, &[("FIRELANE_REGION", "us-east-1")]).await;
    let mut peer = Peer::unix(running.address(0), "a").await;
    peer.send(50).await.expect("reading does not wait for metadata");
    running.arrived(50).await;
    let world = running.stop_well().await;
    assert_eq!(messages(&world, "/ecs/firelane", TAG).len(), 50);
}

#[tokio::test]
async fn names_that_are_given_do_not_wait_for_metadata() {
    let more = [
        ("FIRELANE_REGION", "us-east-1"),
        ("FIRELANE_LOG_GROUP", "mine"),
        ("FIRELANE_LOG_STREAM_PREFIX", "p-"),
        ("FIRELANE_LOG_RETENTION_DAYS", "7"),
    ];
    let running = run_with_fault(Fault::NeverAnswer, u64::MAX, &more).await;
    let mut peer = Peer::unix(running.address(0), "a").await;
    peer.send(50).await.expect("connected");
    running.arrived(50).await;
    let world = running.stop_well().await;
    assert_eq!(messages(&world, "mine", &format!("p-{TAG}")).len(), 50);
    let received = world.received();
    let [group] = received.groups.as_slice() else { panic!("one group") };
    assert_eq!(group.retention_days, Some(7));
}

#[tokio::test]
async fn the_binary_needs_nothing_but_what_ecs_sets() {
    let world = World::start().await;
    let mut command = firelane::<&str>([]);
    command.envs(variables(&world, &[("FIRELANE_LOG_STREAM", "one")]));
    // The keys come from the task's role.
    let address = world.local.task_metadata_address().expect("the endpoint");
    let credentials = format!("http://{address}{CREDENTIALS_PATH}");
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", credentials);
    let process = Process::spawn(&mut command);
    process.address("unix").await;
    let mut peer = Peer::unix(world.socket(), "a").await;
    peer.send(50).await.expect("connected");
    drop(peer);
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(messages(&world, GROUP, "one").len(), 50, "{said}");
    assert_eq!(world.received().violations.len(), 0);
}

#[test]
fn a_variable_with_a_wrong_value_is_named() {
    let pairs = [("FIRELANE_PORT", "many"), ("FIRELANE_FLUSH", "soon"), ("FIRELANE_PROT", "1")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let error = config::embedded(&Environment::new(pairs, None)).expect_err("two are wrong");
    let text = error.to_string();
    for part in ["FIRELANE_PORT", "many", "FIRELANE_FLUSH", "soon"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn every_shipped_example_is_right_and_has_no_warnings() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut names = Vec::new();
    for file in fs::read_dir(folder).expect("the examples").flatten() {
        let path = file.path();
        let text = fs::read_to_string(&path).expect("text");
        assert!(text.starts_with("# "), "{} says what it is for", path.display());
        let environment = Environment::new([("AWS_REGION".into(), "us-east-1".into())], None);
        match config::load(&path, &Disk, &environment) {
            Ok(config) => {
                assert_eq!(config.notes.len(), 0, "{}: {:?}", path.display(), config.notes)
            }
            Err(errors) => panic!("{}: {errors}", path.display()),
        }
        names.push(file.file_name());
    }
    names.sort();
    let expected = [
        "agent-awsvpc.conf",
        "agent-bridge.conf",
        "agent-host.conf",
        "cross-account.conf",
        "health-check.conf",
        "http.conf",
        "minimal.conf",
    ];
    assert_eq!(names, expected);
}

//! Filters that ask for metadata: what they learn stands in the records, and whoever answers, late,
//! wrongly or never, no record is lost or out of order.

use std::sync::{Arc, Mutex};

use firelane::pipeline::Enrichment;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::rig::metadata::{Asked, Metadata, instance};
use crate::rig::peer::Peer;
use crate::rig::{Running, World, all_arrived, wait_for};

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
[FILTER]
    Match *
@FILTER@
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
";
const AWS: &str = "    Name aws\n";
/// An endpoint that is not asked.
const NOBODY: &str = "http://127.0.0.1:1";
const TOKEN_PATH: &str = "PUT /latest/api/token";
const A: &str = "d-aaaaaaaaaaaa";
const B: &str = "d-bbbbbbbbbbbb";

async fn run(filter: &str, imds: &str, more: &[(&str, &str)]) -> Running {
    let world = World::start().await;
    let config = world.config(&CONFIG.replace("@FILTER@", filter));
    let variables = [&[("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds)], more].concat();
    world.run_config(config, Enrichment::Off, &variables).await
}

/// Sends this many records of a tag.
async fn send(running: &Running, tag: &str, records: u64) {
    let mut peer = Peer::tcp(running.address(0), tag).await.tagged(tag);
    peer.send(records).await.expect("connected");
}

/// Stops, and returns what arrived of a tag; all of it did, in order, and every account balances.
async fn arrived(running: Running, tags: &[&str], records: u64) -> Vec<Vec<Value>> {
    running.arrived(records * tags.len() as u64).await;
    running.look();
    let world = running.stop_well().await;
    assert_eq!(all_arrived(&world.received(), tags, records), 0);
    let stream = |tag: &&str| {
        let events = world.cloudwatch().events("g", &format!("s-{tag}"));
        let messages = events.iter().map(|(_, message)| serde_json::from_str(message));
        messages.collect::<Result<Vec<Value>, _>>().expect("JSON")
    };
    tags.iter().map(stream).collect()
}

/// How many have the value under the key.
fn having(messages: &[Value], key: &str, value: &str) -> usize {
    messages
        .iter()
        .filter(|message| message.get(key).and_then(Value::as_str) == Some(value))
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_that_come_at_once_have_the_instances_fields() {
    let imds = Metadata::start(instance).await;
    let running = run(AWS, &imds.url(), &[]).await;
    send(&running, "a", 300).await;
    let messages = arrived(running, &["a"], 300).await.remove(0);
    assert_eq!(having(&messages, "az", "eu-west-1a"), 300);
    assert_eq!(having(&messages, "ec2_instance_id", "i-0123"), 300);
    let asked = imds.asked();
    assert_eq!(asked.iter().filter(|line| *line == TOKEN_PATH).count(), 1, "{asked:?}");
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_never_answers_loses_nothing_and_adds_nothing() {
    let silent = Metadata::silent().await;
    let running = run(AWS, &silent.url(), &[]).await;
    send(&running, "a", 300).await;
    let messages = arrived(running, &["a"], 300).await.remove(0);
    assert!(messages.iter().all(|message| message.get("az").is_none()));
    assert_eq!(silent.asked(), [TOKEN_PATH], "once in the interval");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_there_or_answers_nonsense_loses_nothing() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let absent = format!("http://{}", nobody.local_addr().expect("an address"));
    drop(nobody);
    let page = Metadata::start(|_| (200, "<html>\n<body>\n".to_owned())).await;
    let huge = Metadata::start(|asked: Asked<'_>| match asked.method {
        "PUT" => instance(asked),
        _ => (200, "x".repeat(1_000_000)),
    })
    .await;
    let refusing = Metadata::start(|_| (403, String::new())).await;
    for url in [absent, page.url(), huge.url(), refusing.url()] {
        let running = run(AWS, &url, &[]).await;
        send(&running, "a", 50).await;
        let messages = arrived(running, &["a"], 50).await.remove(0);
        assert!(messages.iter().all(|message| message.get("az").is_none()), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_switched_off_is_not_asked() {
    let imds = Metadata::start(instance).await;
    let running = run(AWS, &imds.url(), &[("AWS_EC2_METADATA_DISABLED", "true")]).await;
    send(&running, "a", 50).await;
    let messages = arrived(running, &["a"], 50).await.remove(0);
    assert_eq!(having(&messages, "az", "eu-west-1a"), 0);
    assert_eq!(imds.asked(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_known_at_first_is_asked_for_again() {
    // Nothing but the zone at first: the instance's id comes with the second attempt.
    let failing = Arc::new(Mutex::new(1));
    let imds = Metadata::start(move |asked| {
        let mut failing = failing.lock().expect("no panic");
        match asked.path {
            "/latest/meta-data/instance-id" if *failing > 0 => {
                *failing -= 1;
                (500, String::new())
            }
            _ => instance(asked),
        }
    })
    .await;
    let filter = format!("{AWS}    retry_interval_s 1\n");
    let running = run(&filter, &imds.url(), &[]).await;
    wait_for("a second attempt", || imds.asked().len() >= 4).await;
    let id = "GET /latest/meta-data/instance-id";
    assert_eq!(imds.asked().iter().filter(|line| *line == id).count(), 2);
    let zone = "GET /latest/meta-data/placement/availability-zone";
    assert_eq!(imds.asked().iter().filter(|line| *line == zone).count(), 1, "that was known");
    send(&running, "a", 10).await;
    let messages = arrived(running, &["a"], 10).await.remove(0);
    assert_eq!(having(&messages, "az", "eu-west-1a"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_no_answer_and_what_is_held_arrives() {
    for filter in [AWS.to_owned(), "    Name ecs\n    Add cluster $ClusterName\n".to_owned()] {
        let silent = Metadata::silent().await;
        let filter = if filter == AWS { filter } else { agent(&filter, &silent) };
        let running = run(&filter, &silent.url(), &[]).await;
        send(&running, "a", 100).await;
        wait_for("records that are read", || running.telemetry.intake.balance().received == 100)
            .await;
        let world = running.stop_well().await;
        assert_eq!(all_arrived(&world.received(), &["a"], 100), 0);
    }
}

fn agent(filter: &str, agent: &Metadata) -> String {
    format!("{filter}    ECS_Meta_Port {}\n", agent.port)
}

/// An agent on whose instance there is the container of [`A`].
fn ecs_agent(asked: Asked<'_>) -> (u16, String) {
    let text = match asked.path {
        "/v1/metadata" => {
            r#"{"Cluster": "prod", "Version": "Amazon ECS Agent - v1.2",
                "ContainerInstanceArn": "arn:aws:ecs:eu-west-1:1:container-instance/prod/0ab"}"#
        }
        "/v1/tasks?dockerid=aaaaaaaaaaaa" => {
            r#"{"Arn": "arn:aws:ecs:eu-west-1:1:task/prod/e01d", "Family": "web", "Version": "2",
                "Containers": [{"DockerId": "aaaaaaaaaaaa1234", "DockerName": "ecs-web-2-app",
                "Name": "app"}]}"#
        }
        _ => return (400, "NOT FOUND".to_owned()),
    };
    (200, text.to_owned())
}

const ECS: &str = "    Name ecs
    ECS_Tag_Prefix d-
    Add from $ClusterName.$TaskDefinitionFamily.$ECSContainerName
    Add ecs_task_id $TaskID
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_have_the_fields_of_their_container_or_of_the_cluster_alone() {
    let server = Metadata::start(ecs_agent).await;
    let running = run(&agent(ECS, &server), NOBODY, &[]).await;
    for tag in [A, B, "other"] {
        send(&running, tag, 200).await;
    }
    let messages = arrived(running, &[A, B, "other"], 200).await;
    assert_eq!(having(&messages[0], "from", "prod.web.app"), 200);
    assert_eq!(having(&messages[0], "ecs_task_id", "e01d"), 200);
    assert_eq!(having(&messages[1], "from", "prod.."), 200);
    assert_eq!(having(&messages[1], "ecs_task_id", ""), 200);
    assert_eq!(having(&messages[2], "from", "prod.."), 200);
    let asked = server.asked();
    let of =
        |path: &str| asked.iter().filter(|line| line.as_str() == format!("GET {path}")).count();
    assert_eq!((of("/v1/metadata"), of("/v1/tasks?dockerid=aaaaaaaaaaaa")), (1, 1), "{asked:?}");
    assert!(of("/v1/tasks?dockerid=bbbbbbbbbbbb") <= 2, "{asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_agent_records_go_on_as_they_are() {
    let page = Metadata::start(|_| (200, "<html>".to_owned())).await;
    let silent = Metadata::silent().await;
    for server in [page, silent] {
        let running = run(&agent(ECS, &server), NOBODY, &[]).await;
        send(&running, A, 50).await;
        let messages = arrived(running, &[A], 50).await.remove(0);
        assert!(messages.iter().all(|message| message.get("from").is_none()));
    }
}

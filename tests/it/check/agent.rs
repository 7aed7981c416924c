//! What the ECS agent makes of a task definition, held against what it did make.

use std::path::PathBuf;

use firelane::check::{self, Request, Surroundings};

use super::{Folder, environment, folder, folders, read_folder, run};

/// The examples that have a task definition: name and files.
fn examples() -> Vec<(String, Folder)> {
    let names = folders(&folder("firelens")).into_iter();
    let all = names.map(|name| {
        let files = read_folder(&folder("firelens").join(&name));
        (name, files)
    });
    all.filter(|(_, files)| files.contains_key(&PathBuf::from("task-definition.json"))).collect()
}

/// Of the agent that made the samples.
fn surroundings() -> Surroundings {
    Surroundings {
        cluster: "mycluster".to_owned(),
        task_arn: "arn:aws:ecs:us-east-2:01234567891011:task/mycluster/3de392df-6bfa-470b-97ed-aa6f482cd7a".to_owned(),
        instance_id: "i-123456789a".to_owned(),
        revision: "1".to_owned(),
    }
}

/// A generated configuration as the samples have it.
fn as_sample(text: &str) -> String {
    let text = text
        .replace("/var/run/fluent.sock", "@DIR@/fluent.sock")
        .replace("Listen 0.0.0.0\n", "Listen 127.0.0.1\n")
        .replace("Listen 127.0.0.1\n    Port 24224", "Listen 127.0.0.1\n    Port @PORT@")
        .replace("Port 8877", "Port @TCP@");
    let line = |line: &str| match line.strip_prefix("@INCLUDE ") {
        Some(path) => format!("@INCLUDE @DIR@/{}", path.rsplit('/').next().expect("a name")),
        None => line.to_owned(),
    };
    text.trim_end().lines().map(line).collect::<Vec<_>>().join("\n")
}

/// A sample without the lines that lead to the local endpoint.
fn without_endpoint(text: &str) -> String {
    let added = ["    endpoint 127.0.0.1", "    port @CWL@", "    tls.ca_file @DIR@/ca.pem"];
    let lines = text.trim_end().lines().filter(|line| !added.contains(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_configuration_is_the_one_that_the_agent_makes() {
    let examples = examples();
    assert_eq!(examples.len(), 28);
    for (name, files) in examples {
        let request = Request {
            file: Some(PathBuf::from("task-definition.json")),
            surroundings: surroundings(),
            ..Request::default()
        };
        let report = check::run(&request, &files, &environment(&[]));
        let made = as_sample(&report.generated.unwrap_or_default());
        // The init image includes the agent's configuration in one of its own.
        let original = files.get(&PathBuf::from("original.conf"));
        let sample = original.or_else(|| files.get(&PathBuf::from("fluent-bit.conf")));
        let sample = sample.expect("a sample");
        let sample = without_endpoint(std::str::from_utf8(sample).expect("text"));
        assert_eq!(made, sample, "{name}");
    }
}

/// The agent's own test, `firelensconfig_unix_test.go`: patterns, S3, and half of 100 MiB.
const AGENTS_OWN: &str = r#"{"family": "taskdefinition", "containerDefinitions": [
    {"name": "log_router", "memoryReservation": 100, "firelensConfiguration": {"type": "fluentbit",
        "options": {"enable-ecs-log-metadata": "true", "config-file-type": "s3",
        "config-file-value": "arn:aws:s3:::bucket/key"}}},
    {"name": "container", "logConfiguration": {"logDriver": "awsfirelens", "options": {
        "Name": "kinesis_firehose", "region": "us-west-2", "deliver_stream_name": "my-stream",
        "include-pattern": "*failure*", "exclude-pattern": "*success*"}}}]}"#;

const AGENTS_OWN_CONFIG: &str = "
[INPUT]
    Name forward
    Mem_Buf_Limit 50MB
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 0.0.0.0
    Port 24224

[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877

[FILTER]
    Name   grep
    Match container-firelens*
    Regex  log *failure*

[FILTER]
    Name   grep
    Match container-firelens*
    Exclude log *success*

[FILTER]
    Name record_modifier
    Match *
    Record ec2_instance_id i-123456789a
    Record ecs_cluster mycluster
    Record ecs_task_arn arn:aws:ecs:us-east-2:01234567891011:task/mycluster/3de392df-6bfa-470b-97ed-aa6f482cd7a
    Record ecs_task_definition taskdefinition:1

@INCLUDE /fluent-bit/etc/external.conf

[OUTPUT]
    Name null
    Match firelens-healthcheck

[OUTPUT]
    Name kinesis_firehose
    Match container-firelens*
    deliver_stream_name my-stream
    region us-west-2
";

fn generated(document: &str) -> String {
    let files: Folder = [(PathBuf::from("t.json"), document.as_bytes().to_vec())].into();
    let request = Request {
        file: Some(PathBuf::from("t.json")),
        surroundings: surroundings(),
        ..Request::default()
    };
    check::run(&request, &files, &environment(&[])).generated.expect("a configuration")
}

#[test]
fn the_agents_own_test_gives_the_same_bytes() {
    assert_eq!(generated(AGENTS_OWN), AGENTS_OWN_CONFIG);
}

#[test]
fn without_memory_the_buffer_is_25_megabytes_and_a_reservation_comes_before_a_limit() {
    let line = |memory: &str| {
        let text = generated(&AGENTS_OWN.replace("\"memoryReservation\": 100", memory));
        text.lines().find(|line| line.contains("Mem_Buf_Limit")).expect("a limit").trim().to_owned()
    };
    for (memory, expected) in [
        ("\"cpu\": 1", "Mem_Buf_Limit 25MB"),
        ("\"memory\": 65", "Mem_Buf_Limit 32MB"),
        ("\"memory\": 512, \"memoryReservation\": 60", "Mem_Buf_Limit 30MB"),
        ("\"memory\": 1", "Mem_Buf_Limit 25MB"),
    ] {
        assert_eq!(line(memory), expected, "{memory}");
    }
}

#[test]
fn the_network_mode_decides_which_inputs_there_are() {
    let inputs = |mode: &str| {
        let mode = format!("\"networkMode\": \"{mode}\", \"containerDefinitions\"");
        let text = generated(&AGENTS_OWN.replace("\"containerDefinitions\"", &mode));
        let listen = text.lines().filter_map(|line| line.trim().strip_prefix("Listen "));
        (listen.map(str::to_owned).collect::<Vec<_>>(), text.contains("firelens-healthcheck"))
    };
    assert_eq!(inputs("bridge").0, ["0.0.0.0", "127.0.0.1"]);
    assert_eq!(inputs("awsvpc").0, ["127.0.0.1", "127.0.0.1"]);
    assert_eq!(inputs("host"), (vec![], false));
}

#[test]
fn on_fargate_there_is_no_instance_and_metadata_can_be_left_out() {
    let fargate =
        AGENTS_OWN.replace("\"family\"", "\"requiresCompatibilities\": [\"FARGATE\"], \"family\"");
    assert!(!generated(&fargate).contains("ec2_instance_id"));
    assert!(generated(&fargate).contains("Record ecs_cluster mycluster"));
    for value in ["false", "0", "F", "maybe"] {
        let value = format!("\"enable-ecs-log-metadata\": \"{value}\"");
        let without = AGENTS_OWN.replace("\"enable-ecs-log-metadata\": \"true\"", &value);
        assert!(!generated(&without).contains("record_modifier"), "{value}");
    }
}

#[test]
fn secret_options_are_variables_with_the_number_of_the_container() {
    let document = AGENTS_OWN.replace(
        "\"logDriver\": \"awsfirelens\",",
        "\"logDriver\": \"awsfirelens\", \"secretOptions\": [{\"name\": \"apikey\", \"valueFrom\": \"arn\"}],",
    );
    assert!(generated(&document).contains("\n    apikey ${apikey_1}\n    deliver_stream_name"));
}

#[test]
fn every_example_is_judged_with_its_external_configuration() {
    for (name, files) in examples() {
        let external = ["external.conf", "extra.conf", "parse_envoy.conf"];
        let external = external.into_iter().find(|file| files.contains_key(&PathBuf::from(file)));
        let report = run("task-definition.json", external, &files);
        assert!(!report.text().is_empty() && report.json().starts_with('{'), "{name}");
        let unseen = report.findings.iter().any(|one| one.rule.id() == "external-config-unseen");
        assert!(!unseen, "{name}: {}", report.text());
    }
}

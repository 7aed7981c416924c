//! Every kind of finding: a task definition that has it, in `tests/golden/findings/cases.json`. The
//! one without it is the same for all: it has none.

use std::path::PathBuf;

use firelane::check::{Report, Rule, Severity};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Folder, run};

const ROUTER: &str = "/containerDefinitions/0";
const APP: &str = "/containerDefinitions/1";

/// A task definition about which there is nothing to say.
fn good() -> Value {
    json!({
        "family": "web",
        "taskRoleArn": "arn:aws:iam::123456789012:role/web",
        "executionRoleArn": "arn:aws:iam::123456789012:role/ecs",
        "requiresCompatibilities": ["FARGATE"],
        "networkMode": "awsvpc",
        "cpu": "512",
        "memory": "1024",
        "containerDefinitions": [
            {
                "name": "log_router",
                "image": "registry.example/firelane:0.1.0",
                "essential": true,
                "memory": 128,
                "stopTimeout": 32,
                "readonlyRootFilesystem": true,
                "firelensConfiguration": {"type": "fluentbit", "options": {
                    "enable-ecs-log-metadata": "true",
                    "config-file-type": "file",
                    "config-file-value": "/fluent-bit/configs/output-metrics-healthcheck.conf",
                }},
                "healthCheck": {"command":
                    ["CMD-SHELL", "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1"]},
                "logConfiguration": {"logDriver": "awslogs", "options": {
                    "awslogs-group": "/ecs/router", "awslogs-region": "eu-west-1",
                    "awslogs-stream-prefix": "router",
                }},
            },
            {
                "name": "app",
                "image": "nginx",
                "memory": 512,
                "portMappings": [{"containerPort": 80}],
                "dependsOn": [{"containerName": "log_router", "condition": "HEALTHY"}],
                "logConfiguration": {"logDriver": "awsfirelens", "options": {
                    "Name": "cloudwatch_logs",
                    "region": "eu-west-1",
                    "log_group_name": "/ecs/web",
                    "log_stream_prefix": "web/",
                    "auto_create_group": "true",
                    "log_retention_days": "30",
                    "log-driver-buffer-limit": "1048576",
                }},
            },
        ],
    })
}

/// Checks a task definition, with an external configuration in place of the image's if it is given.
fn check(task: &Value, external: Option<&str>) -> Report {
    let mut files = Folder::from([(PathBuf::from("t.json"), task.to_string().into_bytes())]);
    files.insert(PathBuf::from("e.conf"), external.unwrap_or_default().as_bytes().to_vec());
    run("t.json", external.map(|_| "e.conf"), &files)
}

/// A value set at a JSON pointer whose parent is there; `null` takes it away.
fn set(task: &mut Value, pointer: &str, value: Value) {
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = task.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
    match (parent, value) {
        (Value::Object(fields), Value::Null) => _ = fields.remove(name),
        (Value::Object(fields), value) => _ = fields.insert(name.to_owned(), value),
        (Value::Array(list), value) => list.push(value),
        _ => panic!("{pointer} is in neither an object nor a list"),
    }
}

/// What is changed of the good task definition, and what is found then.
#[derive(Deserialize)]
struct Case {
    /// The name of the kind.
    rule: String,
    severity: String,
    /// Where it is found.
    at: String,
    /// A part of what is said.
    said: String,
    /// JSON pointers, and what is put there; `null` takes it away.
    changes: Vec<(String, Value)>,
    /// The lines of an external configuration.
    #[serde(default)]
    external: Option<Vec<String>>,
}

/// The table; every kind of finding has its case in it.
fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../golden/findings/cases.json")).expect("cases")
}

const OPTIONS: &str = "/containerDefinitions/1/logConfiguration/options";
const FIRELENS: &str = "/containerDefinitions/0/firelensConfiguration/options";

impl Case {
    fn report(&self) -> Report {
        let mut task = good();
        for (pointer, value) in &self.changes {
            set(&mut task, pointer, value.clone());
        }
        let external = self.external.as_ref().map(|lines| lines.join("\n"));
        check(&task, external.as_deref())
    }
}

#[test]
fn about_a_good_task_definition_there_is_nothing_to_say() {
    let report = check(&good(), None);
    assert_eq!(report.findings, [], "{}", report.text());
    assert!(report.is_accepted());
}

#[test]
fn each_finding_is_found_where_it_is_and_nowhere_else() {
    let mut wrong = Vec::new();
    for case in cases() {
        let report = case.report();
        let found = report.findings.iter().any(|finding| {
            finding.rule.id() == case.rule
                && finding.severity.to_string() == case.severity
                && finding.at.to_string() == case.at
                && finding.what.contains(&case.said)
        });
        if !found {
            let findings = report.text();
            let findings = findings.split("\nRoutes\n").next().unwrap_or_default().to_owned();
            wrong.push(format!("{} at {}:\n{findings}", case.rule, case.at));
        }
    }
    assert!(wrong.is_empty(), "{} are not found:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_kind_of_finding_has_a_case() {
    let cases = cases();
    let without: Vec<_> =
        Rule::all().filter(|rule| !cases.iter().any(|case| case.rule == rule.id())).collect();
    assert_eq!(without, []);
}

#[test]
fn the_verdict_is_that_of_the_worst_finding() {
    for case in cases() {
        let report = case.report();
        let worst = report.findings.iter().map(|finding| finding.severity).min();
        assert_eq!(report.is_accepted(), worst != Some(Severity::Error), "{}", case.rule);
        let mut sorted = report.findings.clone();
        sorted.sort_by_key(|finding| finding.severity);
        assert_eq!(sorted, report.findings, "worst first");
    }
}

/// Findings of a kind after changes.
fn found(rule: Rule, changes: &[(&str, &str, Value)], external: Option<&str>) -> Vec<String> {
    let mut task = good();
    for (of, name, value) in changes {
        set(&mut task, &format!("{of}/{name}"), value.clone());
    }
    let report = check(&task, external);
    let findings = report.findings.into_iter().filter(|finding| finding.rule == rule);
    findings.map(|finding| format!("{} {}", finding.severity, finding.what)).collect()
}

#[test]
fn stop_timeout_and_grace_are_held_against_each_other() {
    let with = |stop: Value, grace: &str| {
        let external = format!("[SERVICE]\nHTTP_Server On\n{grace}\n");
        found(Rule::StopTimeout, &[(ROUTER, "stopTimeout", stop)], Some(&external)).concat()
    };
    assert_eq!(with(json!(32), "Grace 30"), "");
    assert_eq!(with(json!(120), "Grace 118"), "");
    assert!(with(json!(31), "Grace 30").starts_with("note "));
    assert!(with(json!(30), "Grace 30").starts_with("note "));
    assert!(with(json!(29), "Grace 30").contains("killed"));
    assert!(with(json!(29), "Grace -1").contains("no end"));
    assert!(with(json!(60), "Grace 30").starts_with("warning "));
    assert_eq!(with(Value::Null, "Flush 1"), "", "the defaults fit");
    assert!(with(Value::Null, "Grace 24").starts_with("note Grace is 24 s"), "much shorter");
    assert!(with(json!(121), "Grace 119").contains("stopTimeout of log_router is 121 s"));
}

#[test]
fn health_checks_are_followed_to_who_answers() {
    let with = |command: &str, external: &str| {
        let command = json!(["CMD-SHELL", command]);
        let changes = [(ROUTER, "healthCheck/command", command)];
        found(Rule::HealthCheckUnanswered, &changes, Some(external)).concat()
    };
    let server = "[SERVICE]\nGrace 30\nHTTP_Server On\nHTTP_Port 2021\n";
    assert_eq!(with("curl http://127.0.0.1:2021/api/v1/uptime", server), "");
    assert_eq!(with("firelane healthcheck --port 2021", server), "");
    assert_eq!(with("echo x | nc 127.0.0.1 8877 || exit 1", server), "");
    assert_eq!(with("nc -z localhost 24224", server), "");
    assert!(with("curl http://127.0.0.1:2020/api/v1/uptime", server).contains("HTTP_Port is 2021"));
    assert!(with("curl http://127.0.0.1:2021/api/v1/health", server).contains("Health_Check"));
    assert!(with("curl http://127.0.0.1:2021/healthz", server).contains("/healthz"));
    assert!(with("nc -z localhost 9880", server).contains("port 9880"));
}

#[test]
fn in_host_mode_nobody_listens_on_8877() {
    let changes = [
        ("", "networkMode", json!("host")),
        ("", "requiresCompatibilities", json!(["EC2"])),
        (ROUTER, "healthCheck/command", json!(["CMD-SHELL", "echo x | nc 127.0.0.1 8877"])),
    ];
    let said = found(Rule::HealthCheckUnanswered, &changes, None).concat();
    assert!(said.contains("port 8877"), "{said}");
}

#[test]
fn external_configurations_that_cannot_work_are_told() {
    let with = |kind: &str, value: &str| {
        let changes = [
            (FIRELENS, "config-file-type", json!(kind)),
            (FIRELENS, "config-file-value", json!(value)),
            ("", "requiresCompatibilities", json!(["EC2"])),
        ];
        found(Rule::ExternalConfig, &changes, Some("[SERVICE]\nGrace 30\nHTTP_Server On\n"))
            .concat()
    };
    assert_eq!((with("file", "/own.conf"), with("s3", "arn:aws:s3:::b/k/x.conf")), <_>::default());
    for (kind, value) in [
        ("file", "s3://bucket/key"),
        ("file", "arn:aws:s3:::bucket/key"),
        ("file", "/var/run/own.conf"),
        ("file", "/etc/"),
        ("s3", "arn:aws:s3:::bucket"),
        ("s3", "s3://bucket/key"),
        ("S3", "arn:aws:s3:::bucket/key"),
    ] {
        assert!(with(kind, value).starts_with("error "), "{kind} {value}");
    }
    assert!(with("file", "own.conf").starts_with("warning "));
    let alone = [(FIRELENS, "config-file-value", Value::Null)];
    assert!(found(Rule::ExternalConfig, &alone, None).concat().starts_with("error "));
    let alone = [(FIRELENS, "config-file-type", Value::Null)];
    assert!(found(Rule::ExternalConfig, &alone, None).concat().starts_with("warning "));
}

#[test]
fn options_that_belong_elsewhere_are_told_once_and_with_where() {
    for (option, advice) in [
        ("awslogs-group", "write log_group_name"),
        ("config-file-type", "put it into the firelensConfiguration"),
        ("Exclude_Pattern", "write exclude-pattern"),
    ] {
        let mut task = good();
        set(&mut task, &format!("{OPTIONS}/{option}"), json!("x"));
        let report = check(&task, None);
        let [finding] = report.findings.as_slice() else { panic!("{}", report.text()) };
        assert_eq!((finding.rule, finding.severity), (Rule::OptionSpelling, Severity::Error));
        assert_eq!(finding.advice, advice);
    }
}

#[test]
fn a_buffer_limit_is_a_number_of_events() {
    let with = |limit: &str| {
        found(Rule::DriverBufferLimit, &[(OPTIONS, "log-driver-buffer-limit", json!(limit))], None)
            .concat()
    };
    assert_eq!((with("65536"), with("536870912")), <_>::default());
    assert!(with("65535").starts_with("warning ") && with("0").starts_with("warning "));
    assert!(with("536870913").starts_with("error ") && with("2MB").starts_with("error "));
}

#[test]
fn on_instances_of_ones_own_less_is_wrong() {
    let on_ec2 = ("", "requiresCompatibilities", json!(["EC2"]));
    for (rule, change) in [
        (Rule::TaskRole, ("", "taskRoleArn", Value::Null)),
        (Rule::RouterUnseen, (ROUTER, "logConfiguration", Value::Null)),
    ] {
        let on_fargate = found(rule, std::slice::from_ref(&change), None);
        let on_ec2 = found(rule, &[change, on_ec2.clone()], None);
        let severity = |said: &[String]| said.concat().split(' ').next().map(str::to_owned);
        assert!(severity(&on_fargate) != severity(&on_ec2) && !on_ec2.is_empty(), "{}", rule.id());
    }
    let without_execution_role = [("", "executionRoleArn", Value::Null), on_ec2];
    assert_eq!(found(Rule::ExecutionRole, &without_execution_role, None), Vec::<String>::new());
}

#[test]
fn what_the_roles_need_is_named() {
    let mut task = good();
    set(&mut task, &format!("{OPTIONS}/role_arn"), json!("arn:aws:iam::2:role/logs"));
    let secrets = json!([{"name": "extra_user_agent", "valueFrom": "arn"}]);
    set(&mut task, &format!("{APP}/logConfiguration/secretOptions"), secrets);
    let report = check(&task, None);
    let lines: Vec<_> = report
        .permissions
        .iter()
        .map(|one| format!("{}: {} on {}", one.role, one.actions.join(" "), one.resource))
        .collect();
    let expected = [
        "task role: sts:AssumeRole on arn:aws:iam::2:role/logs",
        "arn:aws:iam::2:role/logs: logs:CreateLogStream logs:PutLogEvents logs:CreateLogGroup \
         logs:PutRetentionPolicy on log group /ecs/web",
        "execution role: secretsmanager:GetSecretValue ssm:GetParameters on the secrets that the \
         task names",
        "execution role: logs:CreateLogStream logs:PutLogEvents on the groups of the log driver \
         awslogs",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn text_that_is_no_task_definition_is_told_with_its_line() {
    let files =
        Folder::from([(PathBuf::from("t.json"), b"{\"family\": \"x\",\n \"a\" 1}".to_vec())]);
    let report = run("t.json", None, &files);
    assert!(report.text().contains("error: t.json:2: not JSON: expected `:`"), "{}", report.text());
}

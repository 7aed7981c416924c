//! The paths of the endpoint and what each answers. Pure: path and time go in. Must not know
//! sockets.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::task::{Container, Shape, Task, to_v3};
use super::{ACCESS_KEY_ID, SESSION_TOKEN, stats};
use crate::local::date;

/// Secret of the access key; the one that the CloudWatch Logs endpoint knows for it.
const SECRET_ACCESS_KEY: &str = "testsecret";

/// What goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 404, as for a container that the agent does not know yet.
    NotFound,
    /// 500, as when the agent cannot get at the data.
    InternalError,
    /// 429, as beyond the agent's rate.
    TooManyRequests,
    /// No answer.
    NeverAnswer,
}

/// A fault and how often it happens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataFault {
    /// What goes wrong.
    pub fault: Fault,
    /// Number of requests.
    pub next: u64,
}

/// What is to be done with a request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reply {
    Answer { status: u16, body: Value },
    NeverAnswer,
}

/// The task and what was asked so far.
#[derive(Debug)]
pub(super) struct Metadata {
    task: Task,
    credentials_lifetime: Duration,
    /// When the task started, since 1970.
    started: Duration,
    fault: Option<MetadataFault>,
    requests: u64,
}

impl Metadata {
    pub(super) fn new(task: Task, credentials_lifetime: Duration, started: Duration) -> Self {
        Self { task, credentials_lifetime, started, fault: None, requests: 0 }
    }

    pub(super) fn set_containers(&mut self, containers: Vec<Container>) {
        self.task.containers = containers;
    }

    pub(super) fn set_fault(&mut self, fault: Option<MetadataFault>) {
        self.fault = fault;
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    pub(super) fn path(&self, container: &str) -> Option<String> {
        let found = self.task.containers.iter().find(|known| known.name == container)?;
        Some(format!("/v4/{}", self.task.docker_id(found)))
    }

    /// Answers a `GET`.
    pub(super) fn answer(&mut self, path: &str, now: Duration) -> Reply {
        self.requests += 1;
        if let Some(fault) = self.next_fault() {
            return failed(fault);
        }
        let mut segments = path.trim_start_matches('/').split('/');
        let (version, id) = (segments.next().unwrap_or_default(), segments.next());
        let rest: Vec<&str> = segments.collect();
        let body = match (version, id, rest.as_slice()) {
            ("v2", Some("credentials"), [_]) => Some(self.credentials(now)),
            ("v4", Some(id), rest) => self.metadata(id, rest, now),
            ("v3", Some(id), rest) => self.metadata(id, rest, now).map(|found| match rest {
                [] | ["task" | "taskWithTags"] => to_v3(found),
                ["task", "stats"] => each_without_rates(found),
                _ => without_rates(found),
            }),
            _ => None,
        };
        match body {
            Some(body) => Reply::Answer { status: 200, body },
            None => failed(Fault::NotFound),
        }
    }

    fn next_fault(&mut self) -> Option<Fault> {
        let fault = self.fault.as_mut()?;
        fault.next = fault.next.checked_sub(1)?;
        Some(fault.fault)
    }

    /// `id` is the id of any container of the task, or its name.
    fn metadata(&self, id: &str, rest: &[&str], now: Duration) -> Option<Value> {
        let task = &self.task;
        let is_asked = |known: &&Container| known.name == id || task.docker_id(known) == id;
        let container = task.containers.iter().find(is_asked)?;
        let started = date::rfc3339(self.started);
        match rest {
            [] => Some(task.container_v4(container, &started)),
            ["task"] => Some(task.task_v4(&started)),
            ["taskWithTags"] => Some(self.with_tags(task.task_v4(&started))),
            ["stats"] => Some(self.stats(container, now)),
            ["task", "stats"] => {
                let all = task.containers.iter();
                let stats: Map<String, Value> =
                    all.map(|known| (task.docker_id(known), self.stats(known, now))).collect();
                Some(Value::Object(stats))
            }
            _ => None,
        }
    }

    fn with_tags(&self, mut task: Value) -> Value {
        if let Some(members) = task.as_object_mut() {
            members.insert("TaskTags".to_owned(), json!({"stage": "local"}));
            if self.task.shape == Shape::Ec2 {
                members.insert("ContainerInstanceTags".to_owned(), json!({"pool": "local"}));
            }
        }
        task
    }

    fn stats(&self, container: &Container, now: Duration) -> Value {
        let interface = match self.task.shape {
            Shape::Ec2 => "eth0",
            Shape::Fargate => "eth1",
        };
        let id = self.task.docker_id(container);
        stats::sample(&id, &container.name, interface, self.started, now)
            .unwrap_or_else(|| json!({}))
    }

    fn credentials(&self, now: Duration) -> Value {
        json!({
            "RoleArn": "arn:aws:iam::123456789012:role/local",
            "AccessKeyId": ACCESS_KEY_ID,
            "SecretAccessKey": SECRET_ACCESS_KEY,
            "Token": SESSION_TOKEN,
            "Expiration": date::rfc3339(now.saturating_add(self.credentials_lifetime)),
        })
    }
}

fn failed(fault: Fault) -> Reply {
    let answer = |status, text: &str| Reply::Answer { status, body: json!(text) };
    match fault {
        Fault::NotFound => answer(404, "unable to find the task or container of this request"),
        Fault::InternalError => answer(500, "failed to get the metadata"),
        Fault::TooManyRequests => answer(429, "too many requests"),
        Fault::NeverAnswer => Reply::NeverAnswer,
    }
}

/// Version 3 says null where there is no sample yet.
fn without_rates(mut stats: Value) -> Value {
    let Some(members) = stats.as_object_mut() else { return stats };
    members.remove("network_rate_stats");
    if members.is_empty() { Value::Null } else { stats }
}

fn each_without_rates(mut stats: Value) -> Value {
    if let Some(containers) = stats.as_object_mut() {
        for container in containers.values_mut() {
            *container = without_rates(container.take());
        }
    }
    stats
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STARTED: Duration = Duration::from_secs(1_767_225_600);
    const NOW: Duration = Duration::from_secs(1_767_225_660);

    fn metadata() -> Metadata {
        Metadata::new(Task::new(Shape::Fargate), Duration::from_secs(60), STARTED)
    }

    fn get(path: &str) -> Option<Value> {
        match metadata().answer(path, NOW) {
            Reply::Answer { status: 200, body } => Some(body),
            Reply::Answer { status: 404, body } if body.is_string() => None,
            other @ (Reply::Answer { .. } | Reply::NeverAnswer) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_container_is_found_by_its_id_and_its_name() {
        let path = metadata().path("app").unwrap();
        assert_eq!(get(&path).unwrap()["Name"], "app");
        assert_eq!(get("/v4/app"), get(&path));
        assert_eq!(metadata().path("none"), None);
    }

    #[test]
    fn every_container_leads_to_the_whole_task() {
        let task = get("/v4/app/task").unwrap();
        assert_eq!(get("/v4/log_router/task").unwrap(), task);
        assert_eq!(task["Containers"].as_array().unwrap().len(), 2);
        assert_eq!(get("/v4/app/taskWithTags").unwrap()["TaskTags"]["stage"], "local");
    }

    #[test]
    fn statistics_are_by_container() {
        let stats = get("/v4/app/stats").unwrap();
        assert_eq!(stats["network_rate_stats"]["rx_bytes_per_sec"], 1_000);
        let id = stats["id"].as_str().unwrap().to_owned();
        assert_eq!(get("/v4/log_router/task/stats").unwrap()[&id], stats);
    }

    #[test]
    fn version_3_has_no_rates_and_says_null_without_a_sample() {
        assert!(get("/v3/app/stats").unwrap().get("network_rate_stats").is_none());
        assert!(get("/v3/app/task").unwrap().get("ServiceName").is_none());
        let mut metadata = metadata();
        let mut early = |path| metadata.answer(path, STARTED);
        assert_eq!(early("/v3/app/stats"), Reply::Answer { status: 200, body: Value::Null });
        assert_eq!(early("/v4/app/stats"), Reply::Answer { status: 200, body: json!({}) });
    }

    #[test]
    fn what_does_not_exist_is_404_with_a_json_string() {
        for path in ["/", "/v4", "/v4/none", "/v4/app/x", "/v2/credentials", "/v5/app", "//"] {
            assert_eq!(get(path), None, "{path}");
        }
    }

    #[test]
    fn credentials_end_after_their_lifetime() {
        let credentials = get("/v2/credentials/any").unwrap();
        assert_eq!(credentials["Expiration"], "2026-01-01T00:02:00Z");
        assert_eq!(credentials["AccessKeyId"], ACCESS_KEY_ID);
    }

    #[test]
    fn a_fault_happens_as_often_as_said() {
        let mut metadata = metadata();
        let fault = |fault| Some(MetadataFault { fault, next: 2 });
        let faults =
            [(Fault::NotFound, 404), (Fault::InternalError, 500), (Fault::TooManyRequests, 429)];
        for (kind, expected) in faults {
            metadata.set_fault(fault(kind));
            let mut status = || match metadata.answer("/v4/app", NOW) {
                Reply::Answer { status, .. } => status,
                Reply::NeverAnswer => 0,
            };
            assert_eq!([status(), status(), status()], [expected, expected, 200]);
        }
        metadata.set_fault(fault(Fault::NeverAnswer));
        assert_eq!(metadata.answer("/v4/app", NOW), Reply::NeverAnswer);
        assert_eq!(metadata.requests(), 10);
    }

    proptest! {
        #[test]
        fn no_path_panics(path: String, seconds: u64) {
            metadata().answer(&path, Duration::from_secs(seconds));
        }
    }
}

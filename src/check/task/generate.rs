//! Around the path, check: a task definition → the configuration that the ECS agent makes of it.
//!
//! Byte for byte, so that what is judged is what will run. Where the agent takes containers in any
//! order, theirs in the document is kept. After amazon-ecs-agent 1.105,
//! `agent/taskresource/firelens/firelensconfig_unix.go`, and the template of
//! `go-config-generator-for-fluentd-and-fluentbit`. Not known here: whether it is right.

use std::collections::BTreeMap;

use super::document::{Container, Task};
use super::node::join;
use super::{GENERATED, Launch, Network, Surroundings};
use crate::config::Problem;

/// Where the router's socket is.
const SOCKET: &str = "/var/run/fluent.sock";
/// Where the agent puts an external configuration that it fetched from S3.
pub(super) const EXTERNAL_FROM_S3: &str = "/fluent-bit/etc/external.conf";
/// Megabytes of `Mem_Buf_Limit` for a router without memory limits.
const BUFFER_MB_DEFAULT: u64 = 25;

/// The options of the agent, which are no options of an output.
pub(super) const OUTPUT_NAME: &str = "Name";
pub(super) const INCLUDE_PATTERN: &str = "include-pattern";
pub(super) const EXCLUDE_PATTERN: &str = "exclude-pattern";
pub(super) const DRIVER_BUFFER_LIMIT: &str = "log-driver-buffer-limit";
pub(super) const METADATA: &str = "enable-ecs-log-metadata";
pub(super) const EXTERNAL_TYPE: &str = "config-file-type";
pub(super) const EXTERNAL_VALUE: &str = "config-file-value";

/// A configuration, and where in the task definition each of its lines comes from.
#[derive(Clone, Debug, Default)]
pub(super) struct Generated {
    pub(super) text: String,
    /// Of each line, the first at 0; `None` where the agent alone is to blame.
    pub(super) paths: Vec<Option<String>>,
}

impl Generated {
    /// The configuration without the lines that are at fault, and without the whole section where
    /// that is its plugin. Lines keep their numbers.
    pub(super) fn without(&self, problems: &[Problem]) -> String {
        let at_fault = problems.iter().filter(|problem| &*problem.place.file == GENERATED);
        let at_fault: Vec<usize> = at_fault
            .filter_map(|problem| usize::try_from(problem.place.line).ok()?.checked_sub(1))
            .collect();
        let mut lines: Vec<&str> = self.text.split('\n').collect();
        for fault in at_fault {
            let is_plugin = lines.get(fault).is_some_and(|line| line.starts_with("    Name "));
            let is_title = lines.get(fault).is_some_and(|line| line.starts_with('['));
            let from = if is_plugin { fault.saturating_sub(1) } else { fault };
            for (index, line) in lines.iter_mut().enumerate().skip(from) {
                if index > fault && (line.is_empty() || !(is_plugin || is_title)) {
                    break;
                }
                *line = "";
            }
        }
        lines.join("\n")
    }

    fn line(&mut self, text: &str, path: Option<&str>) {
        self.text += text;
        self.text.push('\n');
        // A value may hold line ends; the agent copies them.
        for _ in text.split('\n') {
            self.paths.push(path.map(str::to_owned));
        }
    }

    fn section(&mut self, title: &str, path: Option<&str>, lines: &[String]) {
        self.line("", path);
        self.line(&format!("[{title}]"), path);
        lines.iter().for_each(|line| self.line(&format!("    {line}"), path));
    }

    fn input(&mut self, name: &str, path: Option<&str>, options: &[String]) {
        let lines: Vec<String> =
            std::iter::once(format!("Name {name}")).chain(options.iter().cloned()).collect();
        self.section("INPUT", path, &lines);
    }
}

/// The value of an option of a container's log configuration.
#[derive(Clone, Debug)]
pub(super) struct LogOption {
    pub(super) value: String,
    pub(super) path: String,
}

/// The name of the variable that holds a secret option.
pub(super) fn secret_variable(option: &str, container: &Container) -> String {
    format!("{option}_{}", container.index)
}

/// The options of a container that the agent looks at, sorted as it writes them. Secret ones hold a
/// variable.
pub(super) fn log_options(container: &Container) -> BTreeMap<String, LogOption> {
    let Some(log) = container.routed() else { return BTreeMap::new() };
    let of_options = join(&log.path, "options");
    let mut options: BTreeMap<_, _> = log
        .options
        .iter()
        .filter(|(option, _)| *option != DRIVER_BUFFER_LIMIT)
        .map(|(option, value)| {
            let path = join(&of_options, option);
            (option.clone(), LogOption { value: value.clone(), path })
        })
        .collect();
    for (option, path) in &log.secrets {
        let value = format!("${{{}}}", secret_variable(option, container));
        options.insert(option.clone(), LogOption { value, path: path.clone() });
    }
    options
}

/// Megabytes of `Mem_Buf_Limit`, and the path of what they come from.
pub(super) fn buffer(router: &Container) -> (u64, Option<String>) {
    let (memory, field) = match (router.memory_reservation_mib, router.memory_mib) {
        (Some(reservation), _) => (reservation, Some("memoryReservation")),
        (None, Some(memory)) => (memory, Some("memory")),
        (None, None) => (0, None),
    };
    let megabytes = if memory / 2 == 0 { BUFFER_MB_DEFAULT } else { memory / 2 };
    (megabytes, field.map(|field| router.at(field)))
}

/// Whether the agent adds fields for the task, and whether it could read what it was told.
pub(super) fn has_metadata(router: &Container) -> (bool, bool) {
    let option = router.firelens.as_ref().and_then(|firelens| firelens.options.get(METADATA));
    // As Go's `strconv.ParseBool` reads it.
    match option.map(String::as_str) {
        None | Some("1" | "t" | "T" | "TRUE" | "true" | "True") => (true, true),
        Some("0" | "f" | "F" | "FALSE" | "false" | "False") => (false, true),
        Some(_) => (false, false),
    }
}

/// The path of the external configuration in the router's container, if there is one.
pub(super) fn external_path(router: &Container) -> Option<String> {
    let options = &router.firelens.as_ref()?.options;
    match (options.get(EXTERNAL_TYPE)?.as_str(), options.get(EXTERNAL_VALUE)) {
        ("s3", Some(_)) => Some(EXTERNAL_FROM_S3.to_owned()),
        ("file", Some(path)) => Some(path.clone()),
        _ => None,
    }
}

/// What the agent writes.
pub(super) fn generate(
    task: &Task,
    router: &Container,
    (launch, network): (Launch, Network),
    surroundings: &Surroundings,
) -> Generated {
    let mut made = Generated::default();
    inputs(router, network, &mut made);
    patterns(task, &mut made);
    if has_metadata(router).0 {
        metadata(task, launch, surroundings, &mut made);
    }
    if let Some(path) = external_path(router) {
        let at = router.firelens.as_ref().map(|firelens| join(&firelens.path, "options"));
        let at = at.map(|path| join(&path, EXTERNAL_VALUE));
        made.line("", at.as_deref());
        made.line(&format!("@INCLUDE {path}"), at.as_deref());
    }
    if network.has_inputs() {
        let lines = ["Name null".to_owned(), "Match firelens-healthcheck".to_owned()];
        made.section("OUTPUT", None, &lines);
    }
    outputs(task, &mut made);
    made
}

fn inputs(router: &Container, network: Network, made: &mut Generated) {
    let (megabytes, path) = buffer(router);
    made.input("forward", None, &[]);
    made.line(&format!("    Mem_Buf_Limit {megabytes}MB"), path.as_deref());
    made.line(&format!("    unix_path {SOCKET}"), None);
    if let Some(listen) = network.listen() {
        let options = [format!("Listen {listen}"), "Port 24224".to_owned()];
        made.input("forward", None, &options);
        let options = ["Tag firelens-healthcheck", "Listen 127.0.0.1", "Port 8877"];
        made.input("tcp", None, &options.map(str::to_owned));
    }
}

/// First what is to be kept, then what is to be left out, container by container.
fn patterns(task: &Task, made: &mut Generated) {
    for (option, word) in [(INCLUDE_PATTERN, "Regex "), (EXCLUDE_PATTERN, "Exclude")] {
        for container in &task.containers {
            let options = log_options(container);
            let Some(LogOption { value, path }) = options.get(option) else { continue };
            let lines = [
                "Name   grep".to_owned(),
                format!("Match {}", pattern(container)),
                format!("{word} log {value}"),
            ];
            made.section("FILTER", Some(path), &lines);
        }
    }
}

fn metadata(task: &Task, launch: Launch, surroundings: &Surroundings, made: &mut Generated) {
    let mut lines = vec!["Name record_modifier".to_owned(), "Match *".to_owned()];
    if launch == Launch::Ec2 {
        lines.push(format!("Record ec2_instance_id {}", surroundings.instance_id));
    }
    let family = task.family.as_deref().unwrap_or("FAMILY");
    let revision = task.revision.map(|revision| revision.to_string());
    let revision = revision.unwrap_or_else(|| surroundings.revision.clone());
    lines.push(format!("Record ecs_cluster {}", surroundings.cluster));
    lines.push(format!("Record ecs_task_arn {}", surroundings.task_arn));
    lines.push(format!("Record ecs_task_definition {family}:{revision}"));
    made.section("FILTER", None, &lines);
}

fn outputs(task: &Task, made: &mut Generated) {
    for container in &task.containers {
        let mut options = log_options(container);
        let Some(name) = options.remove(OUTPUT_NAME) else { continue };
        made.section("OUTPUT", Some(&name.path), &[format!("Name {}", name.value)]);
        made.line(&format!("    Match {}", pattern(container)), None);
        for (option, LogOption { value, path }) in options {
            if option != INCLUDE_PATTERN && option != EXCLUDE_PATTERN {
                made.line(&format!("    {option} {value}"), Some(&path));
            }
        }
    }
}

fn pattern(container: &Container) -> String {
    format!("{}-firelens*", container.name)
}

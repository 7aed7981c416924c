//! Around the path, check: the log group and the log stream of a tag.
//!
//! For every output with the options of CloudWatch Logs, whatever its plugin. Not known here: the
//! service.

use std::fmt;

use super::pipeline::Scene;
use super::{sample, words};
use crate::config::SectionOrigins;
use crate::ecs::snapshot::name_in_tag;
use crate::option::{Value, parse};
use crate::output::cloudwatch_logs::target::Target as Names;

/// Where an output puts the records of a tag.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Target {
    /// The log group; what is open in it stands in angle brackets.
    pub group: String,
    /// The log stream.
    pub stream: String,
    /// A template that gives the group where the record has its fields.
    pub group_template: Option<ByTemplate>,
    /// A template that gives the stream where the record has its fields.
    pub stream_template: Option<ByTemplate>,
    /// The region; `None` is the task's.
    pub region: Option<String>,
    /// In place of the region's own endpoint.
    pub endpoint: Option<String>,
    /// The role that is assumed.
    pub role: Option<String>,
    /// Whether the group is made where it is missing.
    pub creates_group: bool,
    /// Days for which a group that is made keeps its events; `None` is for ever.
    pub retention_days: Option<u64>,
    /// The field whose value alone is sent.
    pub log_key: Option<String>,
    /// How often a batch is sent again before it may make room.
    pub retry_limit: String,
}

/// A name that a template gives.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ByTemplate {
    /// The template.
    pub template: String,
    /// What it gives; fields of the record stand in angle brackets.
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            ("group", &self.group_template, &self.group),
            (", stream", &self.stream_template, &self.stream),
        ];
        for (what, by_template, name) in names {
            match by_template {
                Some(by_template) => write!(f, "{what} {}, else {name}", by_template.name)?,
                None => write!(f, "{what} {name}")?,
            }
        }
        write!(f, ", {}", self.region.as_deref().unwrap_or("region of the task"))?;
        if let Some(endpoint) = &self.endpoint {
            write!(f, " at {endpoint}")?;
        }
        if let Some(role) = &self.role {
            write!(f, ", as {role}")?;
        }
        if let Some(key) = &self.log_key {
            write!(f, ", only {key}")?;
        }
        f.write_str(match (self.creates_group, self.retention_days) {
            (false, _) => ", group must exist",
            (true, None) => ", makes the group",
            (true, Some(_)) => ", makes the group for ",
        })?;
        if let (true, Some(days)) = (self.creates_group, self.retention_days) {
            let days = usize::try_from(days).unwrap_or(usize::MAX);
            f.write_str(&words::counted(days, "day"))?;
        }
        write!(f, ", retry limit {}", self.retry_limit)
    }
}

/// Where an output puts the records of a tag; `None` if it knows no log groups.
pub(super) fn of(scene: &Scene<'_>, output: &SectionOrigins, tag: &str) -> Option<Target> {
    if !output.plugin.starts_with("cloudwatch") {
        return None;
    }
    let get = |option| scene.shown.get(output, option);
    let stream = match (get("log_stream_name"), get("log_stream_prefix")) {
        (Some(name), _) => of_go_template(&name, tag),
        (None, Some(prefix)) => format!("{prefix}{tag}"),
        (None, None) => format!("{}/<task id>", name_in_tag(tag).unwrap_or(tag)),
    };
    let group = get("log_group_name").map(|name| of_go_template(&name, tag));
    let group = group.unwrap_or_else(|| "/ecs/<family>".to_owned());
    let group = cleaned(&sample::shown(&group), |part| Names::new(part, "").group);
    let stream = cleaned(&sample::shown(&stream), |part| Names::new("", part).stream);
    let by_template = |option, clean: &dyn Fn(&str) -> String| {
        let template = get(option)?;
        let name = sample::filled(&template, tag, |path| format!("<{path}>"));
        Some(ByTemplate { name: cleaned(&sample::shown(&name), clean), template })
    };
    Some(Target {
        group,
        stream,
        group_template: by_template("log_group_template", &|part| Names::new(part, "").group),
        stream_template: by_template("log_stream_template", &|part| Names::new("", part).stream),
        region: get("region"),
        endpoint: get("endpoint"),
        role: get("role_arn"),
        creates_group: flag(output, "auto_create_group"),
        retention_days: number(output, "log_retention_days").filter(|days| *days > 0),
        log_key: get("log_key"),
        retry_limit: get("retry_limit").unwrap_or_default(),
    })
}

/// Whether a boolean option of a section is on.
pub(super) fn flag(section: &SectionOrigins, option: &str) -> bool {
    let held = section.get(option);
    let value = held.and_then(|held| parse(held.row.kind, &held.value));
    value.is_some_and(|parsed| parsed.value == Value::Bool(true))
}

/// The value of an option that is a whole number.
pub(super) fn number(section: &SectionOrigins, option: &str) -> Option<u64> {
    let held = section.get(option)?;
    match parse(held.row.kind, &held.value)?.value {
        Value::Integer(number) => u64::try_from(number).ok(),
        Value::Bytes(number) => Some(number),
        Value::Bool(_) | Value::Seconds(_) | Value::Text(_) | Value::List(_) => None,
        Value::RetryLimit(_) => None,
    }
}

/// `$(tag)` and what else the Go plugin `cloudwatch` knows, as far as it is known beforehand.
fn of_go_template(name: &str, tag: &str) -> String {
    let known = [
        ("$(tag)", tag),
        ("$(ecs_task_id)", "<task id>"),
        ("$(ecs_cluster)", "<cluster>"),
        ("$(ecs_task_arn)", "<task arn>"),
        ("$(uuid)", "<random id>"),
    ];
    known.iter().fold(name.to_owned(), |text, (variable, value)| text.replace(variable, value))
}

/// The name as the service gets it. What is open stands in brackets and stays as it is.
fn cleaned(name: &str, clean: impl Fn(&str) -> String) -> String {
    let clean = |part: &str| if part.is_empty() { String::new() } else { clean(part) };
    let mut text = String::new();
    let mut rest = name;
    while let Some(start) = rest.find("<").into_iter().chain(rest.find("${")).min() {
        let (before, open) = rest.split_at_checked(start).unwrap_or((rest, ""));
        let Some(end) = open.find(['>', '}']) else { break };
        let (kept, after) = open.split_at_checked(end + 1).unwrap_or((open, ""));
        text += &clean(before);
        text += kept;
        rest = after;
    }
    text + &clean(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_the_service_gets_them_and_what_is_open_stays() {
        let stream = |name| cleaned(name, |part| Names::new("", part).stream);
        assert_eq!(stream("a:b/<task id>/${A:B}*"), "a.b/<task id>/${A:B}.");
        assert_eq!(stream("a<b:c"), "a<b.c", "no closing bracket");
        let group = |name| cleaned(name, |part| Names::new(part, "").group);
        assert_eq!(group("<cluster> x"), "<cluster>.x");
    }

    #[test]
    fn what_the_go_plugin_knows_of_the_tag_is_put_in() {
        assert_eq!(of_go_template("/x/$(tag)/$(ecs_task_id)", "a.b"), "/x/a.b/<task id>");
    }
}

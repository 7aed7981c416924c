//! Around the path, check: the log group and the log stream of a tag.
//!
//! For every output with the options of CloudWatch Logs, whatever its plugin. Not known here: the
//! service.

use std::fmt;

use super::pipeline::Scene;
use super::{sample, words};
use crate::config::SectionOrigins;
use crate::ecs::snapshot::name_in_tag;
use crate::option::{Held, Value, parse};
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
    let of_group = |name: &str| cleaned(&sample::shown(name), |part| Names::new(part, "").group);
    let of_stream = |name: &str| cleaned(&sample::shown(name), |part| Names::new("", part).stream);
    let (group, group_template) = match (get("log_group_name"), get("log_group_template")) {
        (Some(name), None) if is_open(&name) => {
            (get("default_log_group_name").unwrap_or_default(), Some(name))
        }
        (name, template) => (name.unwrap_or_else(|| "/ecs/<family>".to_owned()), template),
    };
    let of_tag = || match get("log_stream_prefix") {
        Some(prefix) => format!("{prefix}{tag}"),
        None => format!("{}/<task id>", name_in_tag(tag).unwrap_or(tag)),
    };
    let (stream, stream_template) = match (get("log_stream_name"), get("log_stream_template")) {
        (Some(name), None) if is_open(&name) => {
            (get("default_log_stream_name").unwrap_or_default(), Some(name))
        }
        (name, template) => (name.unwrap_or_else(of_tag), template),
    };
    let by_template = |template: Option<String>, clean: &dyn Fn(&str) -> String| {
        let template = template?;
        let name = sample::filled(&template, tag, |path| format!("<{path}>"));
        Some(ByTemplate { name: clean(&of_go_template(&name, tag)), template })
    };
    Some(Target {
        group: of_group(&of_go_template(&group, tag)),
        stream: of_stream(&of_go_template(&stream, tag)),
        group_template: by_template(group_template, &of_group),
        stream_template: by_template(stream_template, &of_stream),
        region: get("region"),
        endpoint: get("endpoint"),
        role: get("role_arn"),
        creates_group: flag(output, "auto_create_group"),
        retention_days: number(output, "log_retention_days").filter(|days| *days > 0),
        log_key: get("log_key"),
        retry_limit: get("retry_limit").unwrap_or_default(),
    })
}

/// Whether a name of the plugin `cloudwatch` has a part that may have no value.
pub(super) fn is_open(name: &str) -> bool {
    let parts = name.split("$(").skip(1);
    let mut names = parts.map(|part| part.split([')', '[']).next().unwrap_or_default());
    names.any(|name| !["tag", "uuid"].contains(&name))
}

/// Whether an option of a section is on. The plugin `cloudwatch` reads all of its own as text.
pub(super) fn flag(section: &SectionOrigins, option: &str) -> bool {
    match section.get(option).and_then(value) {
        Some(Value::Bool(is_on)) => is_on,
        Some(Value::Text(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// The value of an option that is a whole number.
pub(super) fn number(section: &SectionOrigins, option: &str) -> Option<u64> {
    match section.get(option).and_then(value)? {
        Value::Integer(number) => u64::try_from(number).ok(),
        Value::Bytes(number) => Some(number),
        Value::Text(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Seconds(_) | Value::List(_) | Value::RetryLimit(_) => None,
    }
}

fn value(held: &Held) -> Option<Value> {
    parse(held.row.kind, &held.value).map(|parsed| parsed.value)
}

/// `$(tag)` and what else the plugin `cloudwatch` knows. What is not known beforehand stands in
/// angle brackets.
fn of_go_template(name: &str, tag: &str) -> String {
    let mut text = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("$(") {
        let Some((inside, after)) = after.split_once(')') else { break };
        text += before;
        text += &match inside.split_once('[') {
            None if inside == "tag" => tag.to_owned(),
            None if inside == "uuid" => "<random id>".to_owned(),
            None => format!("<{}>", inside.trim_start_matches("ecs_").replace('_', " ")),
            Some(("tag", index)) => sample::part(tag, index).to_owned(),
            Some(_) => format!("<{inside}>"),
        };
        rest = after;
    }
    text + rest
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
        let filled = |name| of_go_template(name, "a.b");
        assert_eq!(filled("/x/$(tag)/$(tag[1])/$(ecs_task_id)"), "/x/a.b/b/<task id>");
        assert_eq!(
            filled("$(ecs_cluster)-$(k['x'])-$(uuid)$("),
            "<cluster>-<k['x']>-<random id>$("
        );
        assert!(is_open("$(tag)-$(ecs_cluster)") && is_open("$(k['x'])"));
        assert!(!is_open("$(tag[1])-$(uuid)") && !is_open("plain"));
    }
}

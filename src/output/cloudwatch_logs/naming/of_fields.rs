//! The names of `cloudwatch_logs`: fixed ones, of the tag, of the task, or of fields of the record.
//!
//! Pure. A template that has no value for a record gives way to the name that is configured beside
//! it. Source: `get_log_stream` in Fluent Bit's `plugins/out_cloudwatch_logs/cloudwatch_api.c`.

use crate::ecs::snapshot::{Snapshot, name_in_tag};
use crate::record::tag::Tag;
use crate::record::template::{self, Template};

use super::super::config::{LogGroupName, StreamName};
use super::{Miss, Misses, Name, Scene};

/// The log group of a task whose name is not to be had.
pub(super) const GROUP_WITHOUT_TASK: &str = "/ecs/firelane";

/// Names of log groups and log streams.
#[derive(Clone, Debug)]
pub struct Names {
    /// Log group, also where its template has no value.
    pub group: LogGroupName,
    /// Log stream, also where its template has no value.
    pub stream: StreamName,
    /// `log_group_template`
    pub group_template: Option<Template>,
    /// `log_stream_template`
    pub stream_template: Option<Template>,
}

impl Names {
    pub(super) fn needs_task(&self) -> bool {
        self.group == LogGroupName::FromTask || self.stream == StreamName::FromTask
    }

    pub(super) fn reads_records(&self) -> bool {
        let templates = [&self.group_template, &self.stream_template];
        templates.into_iter().flatten().any(|template| template.keys().next().is_some())
    }

    /// What a container's name in the tag is cut to may be the same for two tags.
    pub(super) fn is_of_tag(&self) -> bool {
        matches!(self.stream, StreamName::Prefix(_))
            && self.stream_template.is_none()
            && !self.reads_records()
    }

    pub(super) fn write(&self, scene: &Scene<'_>, name: &mut Name, misses: &mut Misses) {
        let template = self.group_template.as_ref();
        name.group(|out| {
            if !fill(template, "log_group_template", scene, out, misses) {
                group(&self.group, scene.task, out);
            }
        });
        let template = self.stream_template.as_ref();
        name.stream(|out| {
            if !fill(template, "log_stream_template", scene, out, misses) {
                stream(&self.stream, scene, out);
            }
        });
    }
}

/// `false`: there is no template, it has no value, or an empty one.
fn fill(
    template: Option<&Template>,
    option: &'static str,
    scene: &Scene<'_>,
    out: &mut Vec<u8>,
    misses: &mut Misses,
) -> bool {
    let Some(template) = template else { return false };
    let start = out.len();
    let filled = template.render_with(
        &template::Scene { tag: scene.tag.as_bytes(), record: scene.record, captures: &[] },
        scene.shared,
        out,
    );
    match filled {
        Ok(()) if out.len() > start => return true,
        Ok(()) => misses.add(Miss { option, key: template.keys().next().unwrap_or_default() }),
        Err(missing) => misses.add(Miss { option, key: missing.key }),
    }
    out.truncate(start);
    false
}

/// Of a task `/ecs/<family>`, as the consoles of ECS name the groups they make.
fn group(group: &LogGroupName, task: Option<&Snapshot>, out: &mut Vec<u8>) {
    match (group, task.and_then(|task| task.family.as_deref())) {
        (LogGroupName::Fixed(name), _) => out.extend_from_slice(name.as_bytes()),
        (LogGroupName::FromTask, None) => out.extend_from_slice(GROUP_WITHOUT_TASK.as_bytes()),
        (LogGroupName::FromTask, Some(family)) => {
            out.extend_from_slice(b"/ecs/");
            out.extend_from_slice(family.as_bytes());
        }
    }
}

fn stream(stream: &StreamName, scene: &Scene<'_>, out: &mut Vec<u8>) {
    match stream {
        StreamName::Fixed(name) => out.extend_from_slice(name.as_bytes()),
        StreamName::Prefix(prefix) => {
            out.extend_from_slice(prefix.as_bytes());
            out.extend_from_slice(scene.tag.as_bytes());
        }
        StreamName::FromTask => {
            let name = stream_of_task(scene.task, scene.tag);
            out.extend_from_slice(name.as_bytes());
        }
    }
}

/// `<container>/<task id>`, as the `awslogs` driver names its streams behind a prefix.
fn stream_of_task(task: Option<&Snapshot>, tag: &Tag) -> String {
    let tag = tag.to_string();
    let container = name_in_tag(&tag).unwrap_or(&tag);
    match task.and_then(|task| task.task_id.as_deref()) {
        Some(task_id) => format!("{container}/{task_id}"),
        None => tag,
    }
}

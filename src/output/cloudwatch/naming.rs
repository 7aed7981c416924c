//! Step 6, output: the names of groups and streams of `cloudwatch`.
//!
//! Pure. Where a `$(...)` has no value, or all of them together none, the default name holds.
//! Source: `setGroupStreamNames` in `cloudwatch/cloudwatch.go` of
//! <https://github.com/aws/amazon-cloudwatch-logs-for-fluent-bit>.

use crate::output::cloudwatch_logs::naming::{Miss, Misses, Name, Scene};

use super::config::{self, StreamName};
use super::template::{self, NameTemplate, Purpose};

/// Names of log groups and log streams.
#[derive(Clone, Debug)]
pub struct Names {
    names: config::Names,
    /// What `$(uuid)` stands for.
    uuid: String,
}

impl Names {
    /// Names as configured; `uuid` is this output's.
    #[must_use]
    pub fn new(names: config::Names, uuid: String) -> Self {
        Self { names, uuid }
    }

    pub(crate) fn needs_task(&self) -> bool {
        self.templates().any(NameTemplate::needs_task)
    }

    pub(crate) fn reads_records(&self) -> bool {
        self.templates().any(NameTemplate::reads_records)
    }

    pub(crate) fn is_of_tag(&self) -> bool {
        matches!(self.names.stream, StreamName::Prefix(_)) && !self.reads_records()
    }

    pub(crate) fn write(&self, scene: &Scene<'_>, name: &mut Name, misses: &mut Misses) {
        let config::Names { group, default_group, stream, default_stream } = &self.names;
        let mut fill = |template: &NameTemplate, purpose, default: &str, out: &mut Vec<u8>| {
            let start = out.len();
            if let Err(miss) = self.fill(template, purpose, scene, out) {
                misses.add(miss);
            }
            if out.len() == start {
                out.extend_from_slice(default.as_bytes());
            }
        };
        name.group(|out| fill(group, Purpose::Group, default_group, out));
        name.stream(|out| match stream {
            StreamName::Template(stream) => fill(stream, Purpose::Stream, default_stream, out),
            StreamName::Prefix(prefix) => {
                out.extend_from_slice(prefix.as_bytes());
                out.extend_from_slice(scene.tag.as_bytes());
            }
        });
    }

    fn fill<'a>(
        &'a self,
        template: &'a NameTemplate,
        purpose: Purpose,
        scene: &Scene<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Miss<'a>> {
        let Scene { tag, record, shared, task } = *scene;
        let scene = template::Scene { tag, record, shared, task, uuid: &self.uuid };
        let option = match purpose {
            Purpose::Group => "log_group_name",
            Purpose::Stream => "log_stream_name",
        };
        template.render(&scene, purpose, out).map_err(|missing| Miss { option, key: missing.0 })
    }

    fn templates(&self) -> impl Iterator<Item = &NameTemplate> {
        let stream = match &self.names.stream {
            StreamName::Template(template) => Some(template),
            StreamName::Prefix(_) => None,
        };
        std::iter::once(&self.names.group).chain(stream)
    }
}

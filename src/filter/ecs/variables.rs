//! Step 3, filter: what the templates of `ecs` may name, and the fields they make.
//!
//! Made once a container, not once a record. Must not know when what is known.

use crate::ecs::introspection::{Container, Instance, Task};
use crate::record::edit::MapWriter;
use crate::record::fields::{SharedField, SharedFields};
use crate::record::template::{Scene, Template};

/// Names of all variables: those of the instance first, then those of task and container.
pub const NAMES: [&str; 11] = [
    "ClusterName",
    "ContainerInstanceArn",
    "ContainerInstanceID",
    "ECSAgentVersion",
    "TaskARN",
    "TaskID",
    "TaskDefinitionFamily",
    "TaskDefinitionVersion",
    "ContainerID",
    "DockerContainerName",
    "ECSContainerName",
];

/// The fields, for a container whose task is known, or for the instance alone: what is not known is
/// empty then.
pub(super) fn fields(
    adds: &[(String, Template)],
    instance: &Instance,
    container: Option<(&Task, &Container)>,
) -> SharedFields {
    let record = record(instance, container);
    // Fluent Bit hands its templates neither tag nor captures: $TAG and $1 are empty.
    let scene = Scene { tag: b"", record: &record, captures: &[] };
    let field = |(key, template): &(String, Template)| {
        let mut value = Vec::new();
        template.render_or_empty(&scene, &mut value);
        SharedField::text(key.as_bytes(), &value)
    };
    SharedFields::new(adds.iter().map(field).collect())
}

/// The variables as a record.
fn record(instance: &Instance, container: Option<(&Task, &Container)>) -> Vec<u8> {
    let Instance { cluster, arn, id, agent_version } = instance;
    let mut values = vec![cluster, arn, id, agent_version];
    if let Some((Task { arn, id, family, version, .. }, container)) = container {
        let Container { docker_id, docker_name, name } = container;
        values.extend([arn, id, family, version, docker_id, docker_name, name]);
    }
    let mut record = Vec::new();
    let mut map = MapWriter::begin(&mut record);
    for (name, value) in NAMES.iter().zip(values) {
        map.text(name.as_bytes(), value.as_bytes());
    }
    map.end();
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::ecs::fixture::{instance, task};

    fn made(text: &str, of_container: bool) -> String {
        let adds = [("k".to_owned(), Template::parse(text).expect("a template"))];
        let task = task("79c796ed2a7f");
        let container = of_container.then(|| (&task, &task.containers[0]));
        let fields = fields(&adds, &instance(), container);
        String::from_utf8(fields.as_slice()[0].value.to_vec()).expect("text")
    }

    #[test]
    fn every_variable_has_its_value() {
        let all = NAMES.map(|name| format!("${name}")).join(",");
        let expected = "c,arn:i/0ab,0ab,agent v1,arn:t/e01d,e01d,web,2,79c796ed2a7f,ecs-web-2,app";
        assert_eq!(made(&all, true), expected);
    }

    #[test]
    fn without_a_container_what_is_of_the_task_is_empty() {
        assert_eq!(made("$ClusterName.$TaskID.$ECSContainerName", false), "c..");
        assert_eq!(made("$TaskARN", false), "");
    }

    #[test]
    fn tag_captures_and_unknown_variables_are_empty() {
        assert_eq!(made("<$TAG|$TAG[1]|$1|$Nope>", true), "<|||>");
        assert_eq!(made("$ClusterName['x']", true), "c", "a path into a text is the text");
    }
}

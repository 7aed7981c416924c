//! Around the path, check: a task definition in JSON → the fields that matter to its log router.
//!
//! Takes what `aws ecs register-task-definition` takes, what `describe-task-definition` answers, and
//! a bare list of container definitions. Fields that are not known are left alone. Reference:
//! "RegisterTaskDefinition" and "ContainerDefinition", Amazon ECS API Reference.

use std::collections::BTreeMap;

use serde_json::Value;

use super::node::{Misfits, Node};

/// The log driver that leads to the router.
pub(super) const AWSFIRELENS: &str = "awsfirelens";

/// A task definition.
#[derive(Clone, Debug, Default)]
pub(super) struct Task {
    /// Path of the list of containers.
    pub(super) path: String,
    pub(super) family: Option<String>,
    pub(super) revision: Option<u64>,
    pub(super) arn: Option<String>,
    pub(super) network_mode: Option<String>,
    pub(super) compatibilities: Vec<String>,
    pub(super) operating_system: Option<String>,
    /// Memory of the whole task, in MiB.
    pub(super) memory_mib: Option<u64>,
    pub(super) task_role: Option<String>,
    pub(super) execution_role: Option<String>,
    pub(super) containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug, Default)]
pub(super) struct Container {
    pub(super) path: String,
    /// Its place in the list, which is in the names of variables for secrets.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) is_essential: bool,
    pub(super) memory_mib: Option<u64>,
    pub(super) memory_reservation_mib: Option<u64>,
    pub(super) stop_timeout_s: Option<u64>,
    pub(super) user: Option<String>,
    pub(super) is_read_only: bool,
    pub(super) command: Vec<String>,
    pub(super) entry_point: Vec<String>,
    pub(super) health_check: Option<Vec<String>>,
    pub(super) is_restarted: bool,
    pub(super) environment: BTreeMap<String, String>,
    /// Names of variables whose values are secrets.
    pub(super) secrets: Vec<String>,
    pub(super) mounts: Vec<String>,
    pub(super) ports: Vec<u64>,
    pub(super) depends_on: Vec<Dependency>,
    pub(super) log: Option<LogConfiguration>,
    pub(super) firelens: Option<Firelens>,
}

/// A container that another one waits for.
#[derive(Clone, Debug)]
pub(super) struct Dependency {
    pub(super) path: String,
    pub(super) container: String,
    pub(super) condition: String,
}

/// A `logConfiguration`.
#[derive(Clone, Debug, Default)]
pub(super) struct LogConfiguration {
    pub(super) path: String,
    pub(super) driver: String,
    pub(super) options: BTreeMap<String, String>,
    /// Names of options whose values are secrets, each with its path.
    pub(super) secrets: BTreeMap<String, String>,
}

/// A `firelensConfiguration`.
#[derive(Clone, Debug, Default)]
pub(super) struct Firelens {
    pub(super) path: String,
    pub(super) kind: Option<String>,
    pub(super) options: BTreeMap<String, String>,
}

impl Container {
    /// The log configuration, if it leads to the router.
    pub(super) fn routed(&self) -> Option<&LogConfiguration> {
        self.log.as_ref().filter(|log| log.driver == AWSFIRELENS)
    }

    /// The path of a field, or of a field of a field.
    pub(super) fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }
}

/// Reads a document.
pub(super) fn read(document: &Value, misfits: &mut Misfits) -> Task {
    let root = Node::root(document);
    if document.is_array() {
        // The list alone, as Terraform's `container_definitions` has it.
        let containers = root.elements(misfits);
        let containers = containers.iter().enumerate();
        let containers = containers.map(|(index, node)| container(index, node, misfits)).collect();
        return Task { containers, ..Task::default() };
    }
    let root = root.object("taskDefinition", misfits).unwrap_or(root);
    let containers = root.objects("containerDefinitions", misfits);
    if root.field("containerDefinitions").is_none() {
        let what =
            if root.field("ContainerDefinitions").is_some() || root.field("Resources").is_some() {
                "this is CloudFormation's spelling, expected the task definition as \
             `aws ecs describe-task-definition` prints it"
            } else {
                "expected a list containerDefinitions"
            };
        misfits.add(&root.path, what.to_owned());
    }
    let platform = root.object("runtimePlatform", misfits);
    Task {
        path: super::node::join(&root.path, "containerDefinitions"),
        family: root.text("family", misfits),
        revision: root.integer("revision", misfits),
        arn: root.text("taskDefinitionArn", misfits),
        network_mode: root.text("networkMode", misfits),
        compatibilities: root.texts("requiresCompatibilities", misfits),
        operating_system: platform.and_then(|node| node.text("operatingSystemFamily", misfits)),
        memory_mib: root.text("memory", misfits).and_then(|text| {
            let memory = mebibytes(&text);
            if memory.is_none() {
                let path = super::node::join(&root.path, "memory");
                misfits
                    .add(&path, "expected MiB such as \"512\", or GB such as \"1 GB\"".to_owned());
            }
            memory
        }),
        task_role: role(&root, "taskRoleArn", misfits),
        execution_role: role(&root, "executionRoleArn", misfits),
        containers: containers
            .iter()
            .enumerate()
            .map(|(index, node)| container(index, node, misfits))
            .collect(),
    }
}

fn role(node: &Node<'_>, name: &str, misfits: &mut Misfits) -> Option<String> {
    node.text(name, misfits).filter(|role| !role.trim().is_empty())
}

/// `512`, `1 GB`, `.5GB`.
fn mebibytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    if let Some(gigabytes) = lower.strip_suffix("gb") {
        let mebibytes = gigabytes.trim().parse::<f64>().ok()? * 1_024.0;
        let is_sound = mebibytes >= 0.0 && mebibytes <= f64::from(u32::MAX);
        return is_sound.then(|| std::time::Duration::from_secs_f64(mebibytes).as_secs());
    }
    text.parse().ok()
}

fn container(index: usize, node: &Node<'_>, misfits: &mut Misfits) -> Container {
    let health = node.object("healthCheck", misfits);
    let restart = node.object("restartPolicy", misfits);
    Container {
        path: node.path.clone(),
        index,
        name: node.text("name", misfits).unwrap_or_default(),
        image: node.text("image", misfits).unwrap_or_default(),
        is_essential: node.flag("essential", misfits).unwrap_or(true),
        memory_mib: node.integer("memory", misfits).filter(|memory| *memory > 0),
        memory_reservation_mib: node.integer("memoryReservation", misfits).filter(|mib| *mib > 0),
        stop_timeout_s: node.integer("stopTimeout", misfits),
        user: node.text("user", misfits).filter(|user| !user.is_empty()),
        is_read_only: node.flag("readonlyRootFilesystem", misfits).unwrap_or(false),
        command: node.texts("command", misfits),
        entry_point: node.texts("entryPoint", misfits),
        health_check: health.map(|node| node.texts("command", misfits)),
        is_restarted: restart.and_then(|node| node.flag("enabled", misfits)).unwrap_or(false),
        environment: pairs(node, "environment", "value", misfits),
        secrets: pairs(node, "secrets", "valueFrom", misfits).into_keys().collect(),
        mounts: listed(node, "mountPoints", misfits, |node, misfits| {
            node.text("containerPath", misfits)
        }),
        ports: listed(node, "portMappings", misfits, |node, misfits| {
            node.integer("containerPort", misfits)
        }),
        depends_on: listed(node, "dependsOn", misfits, |node, misfits| {
            Some(Dependency {
                path: node.path.clone(),
                container: node.text("containerName", misfits)?,
                condition: node.text("condition", misfits)?,
            })
        }),
        log: node.object("logConfiguration", misfits).map(|node| log(&node, misfits)),
        firelens: node.object("firelensConfiguration", misfits).map(|node| Firelens {
            path: node.path.clone(),
            kind: node.text("type", misfits),
            options: node.map("options", misfits),
        }),
    }
}

fn log(node: &Node<'_>, misfits: &mut Misfits) -> LogConfiguration {
    let secrets = listed(node, "secretOptions", misfits, |node, misfits| {
        Some((node.text("name", misfits)?, node.path.clone()))
    });
    LogConfiguration {
        path: node.path.clone(),
        driver: node.text("logDriver", misfits).unwrap_or_default(),
        options: node.map("options", misfits),
        secrets: secrets.into_iter().collect(),
    }
}

/// What is read of each object of a list.
fn listed<T>(
    node: &Node<'_>,
    name: &str,
    misfits: &mut Misfits,
    read: impl Fn(&Node<'_>, &mut Misfits) -> Option<T>,
) -> Vec<T> {
    let objects = node.objects(name, misfits);
    objects.iter().filter_map(|object| read(object, misfits)).collect()
}

/// A list of `{"name": …, "<value>": …}`.
fn pairs(
    node: &Node<'_>,
    name: &str,
    value: &str,
    misfits: &mut Misfits,
) -> BTreeMap<String, String> {
    let pair = |node: &Node<'_>, misfits: &mut Misfits| {
        Some((node.text("name", misfits)?, node.text(value, misfits).unwrap_or_default()))
    };
    listed(node, name, misfits, pair).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn task(document: Value) -> (Task, Vec<String>) {
        let mut misfits = Misfits::default();
        let task = read(&document, &mut misfits);
        let told = misfits.0.into_iter().map(|misfit| format!("{}: {}", misfit.path, misfit.what));
        (task, told.collect())
    }

    #[test]
    fn all_three_forms_of_a_task_definition_are_read() {
        let containers = json!([{"name": "app", "image": "nginx"}]);
        let registered = json!({"family": "f", "containerDefinitions": containers});
        let described =
            json!({"taskDefinition": {"revision": 7, "containerDefinitions": containers}});
        for (document, path) in [
            (registered, "containerDefinitions[0]"),
            (described, "taskDefinition.containerDefinitions[0]"),
            (containers.clone(), "[0]"),
        ] {
            let (task, told) = task(document);
            assert_eq!((task.containers[0].path.as_str(), told.len()), (path, 0));
            assert!(task.containers[0].is_essential, "unless it says otherwise");
        }
    }

    #[test]
    fn what_is_not_known_is_left_alone_and_what_is_wrong_is_told() {
        let (_, told) = task(json!({"containerDefinitions": [
            {"name": "app", "image": "x", "gpu": [], "logConfiguration":
                {"logDriver": "awsfirelens", "options": {"retry_limit": 2}}},
            "app",
        ], "memory": "lots"}));
        let expected = [
            "containerDefinitions[1]: found a text, expected an object",
            "memory: expected MiB such as \"512\", or GB such as \"1 GB\"",
            "containerDefinitions[0].logConfiguration.options.retry_limit: found 2, expected a text \
             such as \"2\"",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_template_of_cloud_formation_is_known_as_such() {
        let (_, told) = task(json!({"Resources": {}}));
        assert!(told[0].contains("CloudFormation"), "{told:?}");
        let (_, told) = task(json!({}));
        assert_eq!(told, [": expected a list containerDefinitions"]);
    }

    #[test]
    fn memory_of_a_task_is_in_mebibytes_or_gigabytes() {
        let cases = [("512", Some(512)), ("1 GB", Some(1_024)), (".5gb", Some(512)), ("x", None)];
        for (text, expected) in cases {
            assert_eq!(mebibytes(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_document_makes_it_panic(text in "[\\[\\]{}:,\"a-z0-9.]{0,64}") {
            if let Ok(document) = serde_json::from_str::<Value>(&text) {
                let _ = task(document);
            }
        }
    }
}

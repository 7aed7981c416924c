//! The agent's answers.
//!
//! Pure: bytes in, values out. Not known here: where the bytes come from.

use serde_json::{Map, Value};

/// Longest text that is taken out of an answer. It would stand in every record; ARNs have at most
/// 2,048 characters.
const TEXT_BYTES_MAX: usize = 2_048;
/// Most containers of a task that are taken in. A task definition has at most 10.
const CONTAINERS_MAX: usize = 100;
/// Hex digits of Docker's short form of an id, by which the agent finds a container too.
const SHORT_DIGITS: usize = 12;
/// Hex digits of Docker's ids.
const LONG_DIGITS: usize = 64;

/// Docker's id of a container, in its short or in its long form: 12 or 64 hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ContainerId<'a>(&'a str);

/// The short form of an id, by which containers are told apart.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ShortId([u8; SHORT_DIGITS]);

/// The container instance and its agent: the answer to `/v1/metadata`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Instance {
    /// Name of the cluster.
    pub cluster: String,
    /// ARN of the container instance.
    pub arn: String,
    /// Last segment of the ARN.
    pub id: String,
    /// `Amazon ECS Agent - v1.30.0 (02ff320c)`
    pub agent_version: String,
}

/// A task on the instance: the answer to `/v1/tasks?dockerid=…`. Texts that are not given are empty.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Task {
    /// ARN of the task.
    pub arn: String,
    /// Last segment of the ARN.
    pub id: String,
    /// Family of the task definition.
    pub family: String,
    /// Revision of the task definition.
    pub version: String,
    /// Containers that have an id, at most 100.
    pub containers: Vec<Container>,
}

/// A container of a task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Container {
    /// Docker's id.
    pub docker_id: String,
    /// Docker's name.
    pub docker_name: String,
    /// Name in the task definition.
    pub name: String,
}

/// The answer is not what was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum AnswerError {
    /// No JSON, or no object.
    #[error("expected a JSON object")]
    NoObject,
    /// An agent that is not registered yet has no container instance.
    #[error("expected a text under '{0}'")]
    Missing(&'static str),
    /// Another task than the one that was asked for.
    #[error("expected a task with a container of this id")]
    OtherTask,
}

impl<'a> ContainerId<'a> {
    /// The id that `text` begins with: its first 64 characters if these are all the hex digits
    /// there are, else the first 12.
    #[must_use]
    pub fn begin(text: &'a [u8]) -> Option<Self> {
        let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let digits = if digits == LONG_DIGITS { LONG_DIGITS } else { SHORT_DIGITS.min(digits) };
        let id = text.get(..digits).filter(|id| id.len() >= SHORT_DIGITS)?;
        std::str::from_utf8(id).ok().map(Self)
    }

    /// The digits.
    #[must_use]
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// The short form.
    #[must_use]
    pub fn short(self) -> ShortId {
        // No id has fewer digits.
        ShortId(*self.0.as_bytes().first_chunk().unwrap_or(&[b'0'; SHORT_DIGITS]))
    }
}

impl Instance {
    /// Reads the answer to `/v1/metadata`.
    ///
    /// # Errors
    ///
    /// [`AnswerError`]: every field has to be there.
    pub fn parse(body: &[u8]) -> Result<Self, AnswerError> {
        let object = object(body)?;
        let arn = needed(&object, "ContainerInstanceArn")?;
        Ok(Self {
            cluster: needed(&object, "Cluster")?,
            id: last_segment(&arn).ok_or(AnswerError::Missing("ContainerInstanceArn"))?,
            arn,
            agent_version: needed(&object, "Version")?,
        })
    }
}

impl Task {
    /// Reads the answer to `/v1/tasks?dockerid=…` for the container of that id.
    ///
    /// # Errors
    ///
    /// [`AnswerError`], where there is no ARN, or no such container.
    pub fn parse(body: &[u8], asked: ContainerId<'_>) -> Result<Self, AnswerError> {
        let object = object(body)?;
        let arn = needed(&object, "Arn")?;
        let containers = object.get("Containers").and_then(Value::as_array);
        let containers = containers.into_iter().flatten().filter_map(Value::as_object);
        let containers = containers.filter_map(Container::read).take(CONTAINERS_MAX);
        let task = Self {
            id: last_segment(&arn).ok_or(AnswerError::Missing("Arn"))?,
            arn,
            family: text(&object, "Family").unwrap_or_default(),
            version: text(&object, "Version").unwrap_or_default(),
            containers: containers.collect(),
        };
        let is_asked = |container: &Container| container.docker_id.starts_with(asked.as_str());
        let has_asked = task.containers.iter().any(is_asked);
        has_asked.then_some(task).ok_or(AnswerError::OtherTask)
    }
}

impl Container {
    /// `None` without an id by which it could be found.
    fn read(object: &Map<String, Value>) -> Option<Self> {
        let docker_id = text(object, "DockerId")?;
        ContainerId::begin(docker_id.as_bytes())?;
        Some(Self {
            docker_id,
            docker_name: text(object, "DockerName").unwrap_or_default(),
            name: text(object, "Name").unwrap_or_default(),
        })
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, AnswerError> {
    serde_json::from_slice(body).map_err(|_| AnswerError::NoObject)
}

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    let text = object.get(key)?.as_str()?;
    (!text.is_empty() && text.len() <= TEXT_BYTES_MAX).then(|| text.to_owned())
}

fn needed(object: &Map<String, Value>, key: &'static str) -> Result<String, AnswerError> {
    text(object, key).ok_or(AnswerError::Missing(key))
}

/// The text after the last `/`; `None` where it is empty.
fn last_segment(arn: &str) -> Option<String> {
    arn.rsplit('/').next().filter(|segment| !segment.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As Fluent Bit's tests have it.
    const LONG: &str = "79c796ed2a7f864f485c76f83f3165488097279d296a7c05bd5201a1c69b2920";
    const INSTANCE: &str = r#"{"Cluster": "c", "ContainerInstanceArn":
        "arn:aws:ecs:eu-west-1:1:container-instance/c/0ab", "Version": "Amazon ECS Agent - v1"}"#;

    fn id(text: &str) -> Option<&str> {
        ContainerId::begin(text.as_bytes()).map(ContainerId::as_str)
    }

    fn task(containers: &str) -> Result<Task, AnswerError> {
        let body = format!(
            r#"{{"Arn": "arn:aws:ecs:eu-west-1:1:task/c/e01d", "Containers": {containers},
                "Family": "web", "Version": "2", "KnownStatus": "RUNNING"}}"#
        );
        Task::parse(body.as_bytes(), ContainerId::begin(LONG.as_bytes()).expect("an id"))
    }

    #[test]
    fn an_id_has_12_or_64_hex_digits() {
        assert_eq!(id("79c796ed2a7f"), Some("79c796ed2a7f"));
        assert_eq!(id("79c796ed2a7f.stdout"), Some("79c796ed2a7f"));
        assert_eq!(id(&LONG[..63]), Some("79c796ed2a7f"));
        assert_eq!(id(LONG), Some(LONG));
        assert_eq!(id(&format!("{LONG}.log")), Some(LONG));
        assert_eq!(id(&format!("{LONG}0")), Some("79c796ed2a7f"));
        for none in ["", "79c796ed2a7", "app-firelens-0", "79c796ed2a7/../../", "é9c796ed2a7f"] {
            assert_eq!(id(none), None, "{none}");
        }
        let short = |text: &str| ContainerId::begin(text.as_bytes()).map(ContainerId::short);
        assert_eq!(short(LONG), short("79c796ed2a7f"));
        assert_ne!(short(LONG), short("79c796ed2a70"));
    }

    #[test]
    fn an_instance_has_a_cluster_an_arn_and_an_agent() {
        let instance = Instance::parse(INSTANCE.as_bytes()).expect("an instance");
        assert_eq!((instance.cluster.as_str(), instance.id.as_str()), ("c", "0ab"));
        assert_eq!(instance.agent_version, "Amazon ECS Agent - v1");
    }

    #[test]
    fn an_agent_that_is_not_registered_has_no_instance_yet() {
        for (from, to, missing) in [
            (r#""c","#, r#""","#, "Cluster"),
            ("0ab", "", "ContainerInstanceArn"),
            (r#""Version""#, r#""Other""#, "Version"),
        ] {
            let body = INSTANCE.replacen(from, to, 1);
            let error = Instance::parse(body.as_bytes()).expect_err("not complete");
            assert_eq!(error, AnswerError::Missing(missing), "{body}");
        }
        for body in ["", "null", "[1]", "<html>"] {
            assert_eq!(Instance::parse(body.as_bytes()), Err(AnswerError::NoObject), "{body}");
        }
    }

    #[test]
    fn a_task_comes_with_all_its_containers() {
        let containers = format!(
            r#"[{{"DockerId": "{LONG}", "DockerName": "ecs-web-2-nginx", "Name": "nginx"}},
                {{"DockerId": "000000000000{}"}}, {{"Name": "no id"}}, 7]"#,
            &LONG[12..]
        );
        let task = task(&containers).expect("a task");
        assert_eq!((task.id.as_str(), task.family.as_str()), ("e01d", "web"));
        assert_eq!(task.version, "2");
        let names: Vec<_> = task.containers.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["nginx", ""]);
    }

    #[test]
    fn a_task_without_the_container_that_was_asked_for_is_another_one() {
        let other = format!(r#"[{{"DockerId": "0{LONG}"}}]"#);
        for containers in ["[]", "null", "{}", &other] {
            assert_eq!(task(containers), Err(AnswerError::OtherTask), "{containers}");
        }
        let asked = ContainerId::begin(LONG.as_bytes()).expect("an id");
        let error = Task::parse(br#"{"Tasks": []}"#, asked);
        assert_eq!(error, Err(AnswerError::Missing("Arn")));
    }

    #[test]
    fn a_text_beyond_its_bound_is_as_good_as_missing() {
        let named = |bytes: usize| {
            let name = "x".repeat(bytes);
            let containers = format!(r#"[{{"DockerId": "{LONG}", "Name": "{name}"}}]"#);
            task(&containers).expect("a task").containers[0].name.len()
        };
        assert_eq!((named(TEXT_BYTES_MAX), named(TEXT_BYTES_MAX + 1)), (TEXT_BYTES_MAX, 0));
    }

    proptest! {
        #[test]
        fn no_answer_and_no_tag_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let asked = ContainerId::begin(LONG.as_bytes()).expect("an id");
            let _ = (Instance::parse(&bytes), Task::parse(&bytes, asked));
            let is_start = |id: ContainerId<'_>| bytes.starts_with(id.as_str().as_bytes());
            prop_assert!(ContainerId::begin(&bytes).is_none_or(is_start));
        }
    }
}

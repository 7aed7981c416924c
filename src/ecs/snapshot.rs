//! The task and its containers, as the task metadata endpoint describes them.
//!
//! Pure: bytes in, an immutable value out. Every field may be missing, null or of another type than
//! documented; then it is `None`. Not known here: where the bytes come from.
//! Source: "Amazon ECS task metadata endpoint version 4",
//! <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-response.html>.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// What stands between container name and task id in a tag that the ECS agent makes.
const TAG_SEPARATOR: &str = "-firelens-";
/// What a task's `Group` starts with where a service started the task.
const SERVICE_GROUP_PREFIX: &str = "service:";

/// The task at one moment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Snapshot {
    /// The cluster as the endpoint gives it: its name (EC2) or its ARN (Fargate).
    pub cluster: Option<String>,
    /// Short name of the cluster, also where the endpoint gives its ARN (Fargate).
    pub cluster_name: Option<String>,
    /// ARN of the cluster; made from the task's ARN where the endpoint gives a name (EC2).
    pub cluster_arn: Option<String>,
    /// ARN of the task.
    pub task_arn: Option<String>,
    /// Last segment of the task's ARN.
    pub task_id: Option<String>,
    /// Family of the task definition.
    pub family: Option<String>,
    /// Revision of the task definition.
    pub revision: Option<String>,
    /// Name of the service; `None` for a task started on its own.
    pub service: Option<String>,
    /// `EC2`, `FARGATE`, `EXTERNAL`, `MANAGED_INSTANCES`, or what comes later.
    pub launch_type: Option<String>,
    /// Partition of the task's ARN: `aws`, `aws-cn`.
    pub partition: Option<String>,
    /// Region of the task's ARN.
    pub region: Option<String>,
    /// Account id of the task's ARN.
    pub account_id: Option<String>,
    /// Zone the task runs in.
    pub availability_zone: Option<String>,
    /// Containers of the task, in the endpoint's order.
    pub containers: Vec<Container>,
}

/// One container of the task.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Container {
    /// Docker's id: 64 hex digits on EC2, `<32 hex digits>-<10 digits>` on Fargate.
    pub docker_id: Option<String>,
    /// Name in the task definition.
    pub name: Option<String>,
    /// Docker's name, `ecs-<family>-<revision>-<name>-<random>` on EC2.
    pub docker_name: Option<String>,
    /// Image as written in the task definition.
    pub image: Option<String>,
}

/// The body is not JSON of an object.
#[derive(Debug, thiserror::Error)]
#[error("task metadata is not a JSON object")]
pub struct ParseError(#[from] serde_json::Error);

impl Snapshot {
    /// Reads the answer of `<endpoint>/task`, version 3 or 4.
    ///
    /// # Errors
    ///
    /// [`ParseError`], where the body is no JSON object. Odd or missing fields are no error.
    pub fn parse(body: &[u8]) -> Result<Self, ParseError> {
        // Read as a map first: a derived struct would also take an array for its fields.
        let object: serde_json::Map<String, Value> = serde_json::from_slice(body)?;
        let task = Task::deserialize(Value::Object(object))?;
        Ok(Self::from_task(task))
    }

    fn from_task(task: Task) -> Self {
        let arn = task.task_arn.as_deref().map(Arn::parse).unwrap_or_default();
        let cluster_name = task.cluster.as_deref().and_then(last_segment);
        let cluster_arn = match &task.cluster {
            Some(cluster) if cluster.starts_with("arn:") => Some(cluster.clone()),
            _other => cluster_name.as_deref().and_then(|name| arn.cluster(name)),
        };
        let service = task
            .service_name
            .or_else(|| Some(task.group?.strip_prefix(SERVICE_GROUP_PREFIX)?.to_owned()));
        let containers = task.containers.into_iter().map(|raw| Container {
            docker_id: raw.docker_id,
            name: raw.name,
            docker_name: raw.docker_name,
            image: raw.image,
        });
        Self {
            cluster: task.cluster,
            cluster_name,
            cluster_arn,
            task_id: task.task_arn.as_deref().and_then(last_segment),
            family: task.family,
            revision: task.revision,
            service,
            launch_type: task.launch_type,
            partition: arn.partition.map(str::to_owned),
            region: arn.region.map(str::to_owned),
            account_id: arn.account_id.map(str::to_owned),
            availability_zone: task.availability_zone,
            containers: containers.collect(),
            task_arn: task.task_arn,
        }
    }

    /// The container a record came from: by Docker's id, else by Docker's name (with or without its
    /// leading slash), else by the name in the task definition, else by the tag of the ECS agent.
    #[must_use]
    pub fn container(
        &self,
        container_id: Option<&str>,
        container_name: Option<&str>,
        tag: &str,
    ) -> Option<&Container> {
        let name = container_name.map(|name| name.strip_prefix('/').unwrap_or(name));
        let find = |field: fn(&Container) -> Option<&str>, wanted: Option<&str>| {
            let wanted = wanted.filter(|wanted| !wanted.is_empty())?;
            self.containers.iter().find(|container| field(container) == Some(wanted))
        };
        find(|container| container.docker_id.as_deref(), container_id)
            .or_else(|| find(|container| container.docker_name.as_deref(), name))
            .or_else(|| find(|container| container.name.as_deref(), name))
            .or_else(|| find(|container| container.name.as_deref(), name_in_tag(tag)))
    }

    /// Whether a container of this id is in the snapshot. One that is not may have been started
    /// since: then the snapshot is worth fetching again.
    #[must_use]
    pub fn knows(&self, container_id: &str) -> bool {
        self.containers.iter().any(|container| container.docker_id.as_deref() == Some(container_id))
    }
}

/// The container's name in `<container name>-firelens-<task id>`; `None` for any other tag.
#[must_use]
pub fn name_in_tag(tag: &str) -> Option<&str> {
    // From the right: the container's own name may contain the separator, a task id cannot.
    tag.rsplit_once(TAG_SEPARATOR).map(|(name, _task_id)| name)
}

/// The text after the last `/`; `None` where it is empty.
fn last_segment(text: &str) -> Option<String> {
    text.rsplit('/').next().filter(|segment| !segment.is_empty()).map(str::to_owned)
}

/// `arn:<partition>:ecs:<region>:<account id>:…`
#[derive(Debug, Default)]
struct Arn<'a> {
    partition: Option<&'a str>,
    region: Option<&'a str>,
    account_id: Option<&'a str>,
}

impl<'a> Arn<'a> {
    fn parse(text: &'a str) -> Self {
        let mut fields = text.split(':');
        if fields.next() != Some("arn") {
            return Self::default();
        }
        let mut field = || fields.next().filter(|field| !field.is_empty());
        let (partition, _service) = (field(), field());
        Self { partition, region: field(), account_id: field() }
    }

    fn cluster(&self, name: &str) -> Option<String> {
        let (partition, region, account) = (self.partition?, self.region?, self.account_id?);
        Some(format!("arn:{partition}:ecs:{region}:{account}:cluster/{name}"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Task {
    #[serde(default, deserialize_with = "text")]
    cluster: Option<String>,
    #[serde(default, deserialize_with = "text", rename = "TaskARN")]
    task_arn: Option<String>,
    #[serde(default, deserialize_with = "text")]
    family: Option<String>,
    #[serde(default, deserialize_with = "text")]
    revision: Option<String>,
    #[serde(default, deserialize_with = "text")]
    service_name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    group: Option<String>,
    #[serde(default, deserialize_with = "text")]
    launch_type: Option<String>,
    #[serde(default, deserialize_with = "text")]
    availability_zone: Option<String>,
    #[serde(default, deserialize_with = "containers")]
    containers: Vec<RawContainer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RawContainer {
    #[serde(default, deserialize_with = "text")]
    docker_id: Option<String>,
    #[serde(default, deserialize_with = "text")]
    name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    docker_name: Option<String>,
    #[serde(default, deserialize_with = "text")]
    image: Option<String>,
}

/// A text that is not empty, a number as text; anything else is as good as missing.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    })
}

/// The objects of a list; anything else is as good as missing.
fn containers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RawContainer>, D::Error> {
    let Value::Array(values) = Value::deserialize(deserializer)? else { return Ok(Vec::new()) };
    let objects = values.into_iter().filter(Value::is_object);
    Ok(objects.filter_map(|object| RawContainer::deserialize(object).ok()).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EC2: &str = include_str!("testdata/task_ec2.json");
    const FARGATE: &str = include_str!("testdata/task_fargate.json");
    const EC2_ID: &str = "9f1e6c1d4d3f4a0b8a7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b9c8d7e6f5a";
    const FARGATE_ID: &str = "cd189a933e5849daa93386466019ab50-1117626119";

    fn snapshot(body: &str) -> Snapshot {
        Snapshot::parse(body.as_bytes()).unwrap()
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn ec2_gives_the_cluster_by_name_and_the_arn_is_made() {
        let task = snapshot(EC2);
        assert_eq!((task.cluster, task.cluster_name), (some("prod"), some("prod")));
        assert_eq!(task.cluster_arn, some("arn:aws:ecs:us-west-2:111111111111:cluster/prod"));
        assert_eq!(task.task_id, some("0123456789abcdef0123456789abcdef"));
        assert_eq!((task.partition, task.region), (some("aws"), some("us-west-2")));
        assert_eq!(task.account_id, some("111111111111"));
        assert_eq!((task.family, task.revision), (some("api"), some("7")));
        assert_eq!((task.service, task.launch_type), (some("api"), some("EC2")));
        assert_eq!(task.containers.len(), 2);
    }

    #[test]
    fn fargate_gives_the_cluster_by_arn_and_the_name_is_cut_out() {
        let task = snapshot(FARGATE);
        assert_eq!(task.cluster_name, some("prod"));
        assert_eq!(task.cluster_arn, some("arn:aws-cn:ecs:cn-north-1:111111111111:cluster/prod"));
        assert_eq!(task.cluster, task.cluster_arn);
        assert_eq!((task.partition, task.region), (some("aws-cn"), some("cn-north-1")));
        assert_eq!(task.launch_type, some("FARGATE"));
        assert_eq!(task.availability_zone, some("cn-north-1b"));
    }

    #[test]
    fn an_arn_of_the_old_format_still_gives_the_task_id() {
        let task = snapshot(r#"{"TaskARN":"arn:aws:ecs:eu-west-1:1:task/0a1b-2c"}"#);
        assert_eq!((task.task_id, task.region), (some("0a1b-2c"), some("eu-west-1")));
        assert_eq!((task.cluster_arn, task.cluster_name), (None, None));
    }

    #[test]
    fn the_service_is_taken_from_the_group_where_no_name_is_given() {
        assert_eq!(snapshot(r#"{"Group":"service:web"}"#).service, some("web"));
        assert_eq!(snapshot(r#"{"Group":"family:web"}"#).service, None);
        let both = r#"{"Group":"service:web","ServiceName":"api"}"#;
        assert_eq!(snapshot(both).service, some("api"));
    }

    #[test]
    fn ec2_records_are_matched_by_id_and_by_docker_name_with_its_slash() {
        let task = snapshot(EC2);
        let app = Some(&task.containers[0]);
        assert_eq!(task.container(Some(EC2_ID), None, ""), app);
        assert_eq!(task.container(None, Some("/ecs-api-7-app-a4eafbb3d4c7f1e16e00"), ""), app);
        assert_eq!(task.container(Some("f00"), Some("/ecs-api-7-app-other"), ""), None);
    }

    #[test]
    fn fargate_records_are_matched_by_id_and_by_name() {
        let task = snapshot(FARGATE);
        let app = Some(&task.containers[0]);
        assert_eq!(task.container(Some(FARGATE_ID), Some("wrong"), ""), app);
        assert_eq!(task.container(None, Some("app"), ""), app);
    }

    #[test]
    fn a_record_without_container_fields_is_matched_by_its_tag() {
        let task = snapshot(FARGATE);
        let by_tag = |tag| task.container(None, None, tag).map(|container| &container.name);
        assert_eq!(by_tag("app-firelens-cd189a933e58"), Some(&some("app")));
        assert_eq!(by_tag("app-firelens-x-firelens-cd189a933e58"), None);
        assert_eq!(by_tag("app"), None);
        assert_eq!(task.container(Some(""), Some("/"), "-firelens-1"), None);
    }

    #[test]
    fn an_id_that_is_not_listed_is_unknown() {
        assert!(snapshot(EC2).knows(EC2_ID));
        assert!(!snapshot(EC2).knows(FARGATE_ID));
    }

    #[test]
    fn fields_of_the_wrong_type_are_as_good_as_missing() {
        let odd = r#"{"Cluster":["a"],"TaskARN":{},"Family":null,"Revision":7,"Limits":3,
            "Containers":[null,1,{"DockerId":5,"Name":[]},"x"]}"#;
        let task = snapshot(odd);
        assert_eq!((task.cluster_name, task.task_arn, task.family), (None, None, None));
        assert_eq!(task.revision, some("7"));
        assert_eq!(task.containers.len(), 1);
        assert_eq!(snapshot(r#"{"Containers":{"a":1}}"#), Snapshot::default());
        assert_eq!(snapshot("{}"), Snapshot::default());
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for body in ["", "null", "[]", r#""no such task""#, "{", "{\"a\":1", "\u{fffd}"] {
            assert!(Snapshot::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Snapshot::parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_body_cut_anywhere_never_panics() {
        for end in 0..FARGATE.len() {
            assert!(
                Snapshot::parse(&FARGATE.as_bytes()[..end]).is_err() || end + 2 > FARGATE.len()
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_and_no_record_makes_it_panic(body in ".{0,80}", arn in ".{0,40}", name in ".{0,20}") {
            let _ = Snapshot::parse(body.as_bytes());
            let body = serde_json::json!({"TaskARN": arn, "Cluster": name, "Containers": [{"Name": name}]});
            let task = Snapshot::parse(body.to_string().as_bytes()).unwrap();
            let _ = task.container(Some(&name), Some(&name), &name);
        }
    }
}

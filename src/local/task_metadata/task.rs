//! The made-up task and its containers, as JSON of the metadata endpoint. Must not know paths, and
//! no requests.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Account number in every ARN.
const ACCOUNT_ID: &str = "123456789012";
/// Members of a container that version 3 lacks.
const CONTAINER_V4_ONLY: [&str; 4] = ["LogDriver", "LogOptions", "ContainerARN", "Snapshotter"];
/// Members of a task that version 3 lacks.
const TASK_V4_ONLY: [&str; 6] = [
    "ServiceName",
    "VPCID",
    "LaunchType",
    "ClockDrift",
    "EphemeralStorageMetrics",
    "AvailabilityZoneID",
];

/// What the task runs on, which decides about some members and about how ids look.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// An EC2 instance, network mode `bridge`.
    Ec2,
    /// Fargate, network mode `awsvpc`.
    Fargate,
}

/// A task.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it runs on.
    pub shape: Shape,
    /// Name of the cluster.
    pub cluster: String,
    /// Name of the service; `None` for a task that was run by itself.
    pub service: Option<String>,
    /// Family of the task definition.
    pub family: String,
    /// Revision of the task definition.
    pub revision: String,
    /// Region of the ARNs.
    pub region: String,
    /// 32 hexadecimal digits.
    pub id: String,
    /// Its containers.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// Name in the task definition.
    pub name: String,
    /// Image.
    #[serde(default = "default_image")]
    pub image: String,
    /// `NORMAL`, or `CNI_PAUSE` as for the container that ECS adds.
    #[serde(default = "default_kind")]
    pub kind: String,
    /// Members to set or put in place, named as in the metadata (`DockerId`, `ExitCode`, ...); null
    /// takes a member away.
    #[serde(default)]
    pub members: Map<String, Value>,
}

impl Container {
    /// A normal container.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let name = name.to_owned();
        Self { name, image: default_image(), kind: default_kind(), members: Map::new() }
    }
}

impl Task {
    /// A task of the service `demo` with the containers `app` and `log_router`.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            cluster: "local".to_owned(),
            service: Some("demo".to_owned()),
            family: "demo".to_owned(),
            revision: "1".to_owned(),
            region: "us-west-2".to_owned(),
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            containers: vec![Container::new("app"), Container::new("log_router")],
        }
    }

    /// The id that Docker or Fargate gives a container.
    pub(super) fn docker_id(&self, container: &Container) -> String {
        if let Some(Value::String(given)) = container.members.get("DockerId") {
            return given.clone();
        }
        let digest = Sha256::digest(format!("{}/{}", self.id, container.name));
        match self.shape {
            Shape::Ec2 => digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            Shape::Fargate => {
                let number =
                    digest.iter().take(5).fold(0_u64, |sum, byte| sum * 256 + u64::from(*byte));
                format!("{}-{:010}", self.id, number % 10_000_000_000)
            }
        }
    }

    /// The container object of version 4.
    pub(super) fn container_v4(&self, container: &Container, started: &str) -> Value {
        let mut object = json!({
            "DockerId": self.docker_id(container),
            "Name": container.name,
            "DockerName": self.docker_name(container),
            "Image": container.image,
            "ImageID": format!("sha256:{}", "0".repeat(64)),
            "Labels": self.labels(container),
            "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING",
            "Limits": {"CPU": 128, "Memory": 256},
            "CreatedAt": started,
            "StartedAt": started,
            "Type": container.kind,
            "LogDriver": "awslogs",
            "LogOptions": {"awslogs-region": self.region},
            "ContainerARN": format!("{}/{}", self.arn("container"), container.name),
            "Networks": [self.network()],
        });
        if self.shape == Shape::Fargate {
            set(&mut object, "Snapshotter", json!("overlayfs"));
        }
        for (name, value) in &container.members {
            set(&mut object, name, value.clone());
        }
        object
    }

    /// The task object of version 4.
    pub(super) fn task_v4(&self, started: &str) -> Value {
        let containers: Vec<Value> =
            self.containers.iter().map(|container| self.container_v4(container, started)).collect();
        let mut object = json!({
            "Cluster": self.cluster_as_shown(),
            "TaskARN": self.arn("task"),
            "Family": self.family,
            "Revision": self.revision,
            "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING",
            "PullStartedAt": started,
            "PullStoppedAt": started,
            "AvailabilityZone": format!("{}a", self.region),
            "Containers": containers,
        });
        if let Some(service) = &self.service {
            set(&mut object, "ServiceName", json!(service));
        }
        let more = match self.shape {
            Shape::Ec2 => vec![
                ("LaunchType", json!("EC2")),
                ("VPCID", json!("vpc-0123456789abcdef0")),
                ("FaultInjectionEnabled", json!(false)),
            ],
            Shape::Fargate => vec![
                ("LaunchType", json!("FARGATE")),
                ("AvailabilityZoneID", json!("usw2-az1")),
                ("Limits", json!({"CPU": 0.25, "Memory": 512})),
                ("EphemeralStorageMetrics", json!({"Utilized": 261, "Reserved": 20_496})),
                (
                    "ClockDrift",
                    json!({
                        "ClockErrorBound": 0.44,
                        "ReferenceTimestamp": started,
                        "ClockSynchronizationStatus": "SYNCHRONIZED",
                    }),
                ),
            ],
        };
        more.into_iter().for_each(|(name, value)| set(&mut object, name, value));
        object
    }

    fn docker_name(&self, container: &Container) -> String {
        match self.shape {
            Shape::Ec2 => {
                let random: String = self.docker_id(container).chars().take(20).collect();
                format!("ecs-{}-{}-{}-{random}", self.family, self.revision, container.name)
            }
            Shape::Fargate => container.name.clone(),
        }
    }

    fn labels(&self, container: &Container) -> Value {
        json!({
            "com.amazonaws.ecs.cluster": self.cluster_as_shown(),
            "com.amazonaws.ecs.container-name": container.name,
            "com.amazonaws.ecs.task-arn": self.arn("task"),
            "com.amazonaws.ecs.task-definition-family": self.family,
            "com.amazonaws.ecs.task-definition-version": self.revision,
        })
    }

    fn network(&self) -> Value {
        match self.shape {
            Shape::Ec2 => json!({"NetworkMode": "bridge", "IPv4Addresses": ["172.17.0.2"]}),
            Shape::Fargate => json!({
                "NetworkMode": "awsvpc",
                "IPv4Addresses": ["10.0.0.5"],
                "AttachmentIndex": 0,
                "MACAddress": "0e:9e:32:c7:48:85",
                "IPv4SubnetCIDRBlock": "10.0.0.0/24",
                "DomainNameServers": ["10.0.0.2"],
                "PrivateDNSName": format!("ip-10-0-0-5.{}.compute.internal", self.region),
                "SubnetGatewayIpv4Address": "10.0.0.1/24",
            }),
        }
    }

    /// A name on EC2 and an ARN on Fargate, as seen there.
    fn cluster_as_shown(&self) -> String {
        match self.shape {
            Shape::Ec2 => self.cluster.clone(),
            Shape::Fargate => {
                format!("arn:aws:ecs:{}:{ACCOUNT_ID}:cluster/{}", self.region, self.cluster)
            }
        }
    }

    fn arn(&self, kind: &str) -> String {
        format!("arn:aws:ecs:{}:{ACCOUNT_ID}:{kind}/{}/{}", self.region, self.cluster, self.id)
    }
}

/// Takes away what version 3 does not have, from a task or a container.
pub(super) fn to_v3(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        let v4_only: &[&str] =
            if members.contains_key("TaskARN") { &TASK_V4_ONLY } else { &CONTAINER_V4_ONLY };
        members.retain(|name, _| !v4_only.contains(&name.as_str()));
        if let Some(Value::Array(networks)) = members.get_mut("Networks") {
            let kept = |name: &String| {
                ["NetworkMode", "IPv4Addresses", "IPv6Addresses"].contains(&name.as_str())
            };
            networks
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(|network| network.retain(|name, _| kept(name)));
        }
        if let Some(Value::Array(containers)) = members.get_mut("Containers") {
            for container in containers {
                *container = to_v3(container.take());
            }
        }
    }
    object
}

fn set(object: &mut Value, name: &str, value: Value) {
    let Some(members) = object.as_object_mut() else { return };
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}

fn default_image() -> String {
    "public.ecr.aws/docker/library/busybox:latest".to_owned()
}

fn default_kind() -> String {
    "NORMAL".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARTED: &str = "2026-01-01T00:00:00Z";

    #[test]
    fn ids_names_and_clusters_look_as_on_their_platform() {
        let ec2 = Task::new(Shape::Ec2).task_v4(STARTED);
        let container = &ec2["Containers"][0];
        assert_eq!(container["DockerId"].as_str().unwrap().len(), 64);
        assert!(container["DockerName"].as_str().unwrap().starts_with("ecs-demo-1-app-"));
        assert_eq!((&ec2["Cluster"], &ec2["LaunchType"]), (&json!("local"), &json!("EC2")));
        assert!(ec2.get("EphemeralStorageMetrics").is_none());

        let fargate = Task::new(Shape::Fargate).task_v4(STARTED);
        let container = &fargate["Containers"][0];
        let id = container["DockerId"].as_str().unwrap();
        assert_eq!(id.split_once('-').map(|(a, b)| (a.len(), b.len())), Some((32, 10)));
        assert_eq!(container["DockerName"], "app");
        assert_eq!(fargate["Cluster"], "arn:aws:ecs:us-west-2:123456789012:cluster/local");
        assert_eq!(fargate["EphemeralStorageMetrics"]["Reserved"], 20_496);
    }

    #[test]
    fn version_3_lacks_what_version_4_added() {
        let task = to_v3(Task::new(Shape::Fargate).task_v4(STARTED));
        assert!(task.get("ServiceName").is_none() && task.get("TaskARN").is_some());
        let container = &task["Containers"][0];
        assert!(container.get("LogDriver").is_none() && container.get("Name").is_some());
        let network = container["Networks"][0].as_object().unwrap();
        assert_eq!(network.keys().collect::<Vec<_>>(), ["IPv4Addresses", "NetworkMode"]);
    }

    #[test]
    fn members_of_a_container_can_be_set_and_taken_away() {
        let json = r#"{"name":"x","members":{"ExitCode":1,"StartedAt":null,"DockerId":"d"}}"#;
        let container: Container = serde_json::from_str(json).unwrap();
        let object = Task::new(Shape::Ec2).container_v4(&container, STARTED);
        assert_eq!((&object["ExitCode"], &object["DockerId"]), (&json!(1), &json!("d")));
        assert!(object.get("StartedAt").is_none());
    }
}

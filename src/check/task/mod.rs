//! Around the path, check: a task definition → the report on its log router.
//!
//! [`document`] reads it, [`generate`] makes the agent's configuration, the reader and `pipeline`
//! judge that like any other, and the modules of [`find`] look for what hurts around it. Not known
//! here: AWS; nothing is asked for, and what a role may do is not seen.

mod document;
mod find;
mod generate;
mod image;
mod node;
mod shipped;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use self::document::{Container, Task};
use self::generate::Generated;
use self::image::Image;
use self::node::Misfits;
use super::Request;
use super::finding::{At, Finding};
use super::pipeline::{self, Scene, Source};
use super::report::{Kind, Report};
use super::rule::Rule;
use super::shown::Shown;
use crate::config::{self, Config, Fault, Files, Place, Problem};
use crate::memory::cost::MIB;

/// Where the agent puts the configuration that it makes.
const GENERATED: &str = "/fluent-bit/etc/fluent-bit.conf";
/// Endings of files in a format in which a `{` at the start means something else.
const YAML: [&str; 2] = ["yaml", "yml"];

/// A file here in the place of one of the task.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct External {
    /// Its path in the router's container; `None` is that of the external configuration.
    pub path: Option<String>,
    /// The file here.
    pub file: PathBuf,
}

/// Where a task runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Launch {
    /// On instances of one's own.
    Ec2,
    /// On AWS Fargate.
    Fargate,
    /// On machines outside of AWS.
    External,
    /// On instances that ECS manages.
    ManagedInstances,
}

impl Launch {
    /// Every launch type by its name in a task definition; [`crate::cli::LAUNCH_TYPES`] are the
    /// names.
    pub const ALL: [(&str, Self); 4] = [
        ("EC2", Self::Ec2),
        ("FARGATE", Self::Fargate),
        ("EXTERNAL", Self::External),
        ("MANAGED_INSTANCES", Self::ManagedInstances),
    ];

    /// The launch type of a name, in any case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, one)| *one)
    }

    /// Its name in a task definition.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }

    /// The only one a task definition allows; where it allows several, EC2.
    fn of_task(task: &Task) -> Self {
        match task.compatibilities.as_slice() {
            [only] => Self::of(only).unwrap_or(Self::Ec2),
            _ => Self::Ec2,
        }
    }
}

/// What the ECS agent knows of a task when it runs, and a task definition does not say.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Surroundings {
    /// The cluster's name.
    pub cluster: String,
    /// ARN of the task.
    pub task_arn: String,
    /// The instance, for tasks on EC2.
    pub instance_id: String,
    /// Revision of a task definition that is not registered yet.
    pub revision: String,
}

impl Default for Surroundings {
    /// Words that say what will stand in their place.
    fn default() -> Self {
        Self {
            cluster: "CLUSTER".to_owned(),
            task_arn: "arn:aws:ecs:REGION:ACCOUNT:task/CLUSTER/TASK_ID".to_owned(),
            instance_id: "INSTANCE_ID".to_owned(),
            revision: "REVISION".to_owned(),
        }
    }
}

/// The network mode of a task, as the agent tells them apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Network {
    Bridge,
    Awsvpc,
    Other,
}

impl Network {
    fn of_task(task: &Task, launch: Launch) -> Self {
        match task.network_mode.as_deref() {
            Some("awsvpc") => Self::Awsvpc,
            None if launch == Launch::Fargate => Self::Awsvpc,
            None | Some("bridge") => Self::Bridge,
            Some(_) => Self::Other,
        }
    }

    fn name(self, task: &Task) -> &str {
        match self {
            Self::Bridge => "bridge",
            Self::Awsvpc => "awsvpc",
            Self::Other => task.network_mode.as_deref().unwrap_or_default(),
        }
    }

    /// Where the TCP input of the agent listens.
    fn listen(self) -> Option<&'static str> {
        match self {
            Self::Bridge => Some("0.0.0.0"),
            Self::Awsvpc => Some("127.0.0.1"),
            Self::Other => None,
        }
    }

    fn has_inputs(self) -> bool {
        self.listen().is_some()
    }
}

/// A task definition and what was made of it, for those who look for what hurts.
struct TaskScene<'a> {
    task: &'a Task,
    router: &'a Container,
    launch: Launch,
    network: Network,
    /// The pipeline, if the configuration can be used.
    pipeline: Option<&'a Scene<'a>>,
    /// Whether the external configuration, if there is one, is here.
    is_complete: bool,
}

impl TaskScene<'_> {
    fn config(&self) -> Option<&Config> {
        self.pipeline.map(|scene| scene.config)
    }

    /// The path of a field of the task definition.
    fn at_task(&self, field: &str) -> String {
        let root = self.task.path.strip_suffix("containerDefinitions").unwrap_or_default();
        format!("{root}{field}")
    }

    /// The containers that log through the router; the router itself is none of them.
    fn sources(&self) -> impl Iterator<Item = &Container> {
        let others = self.task.containers.iter().filter(|one| one.index != self.router.index);
        others.filter(|container| container.routed().is_some())
    }
}

/// The bytes of a file that is a task definition; `None` of any other, and of one that cannot be
/// read.
pub(super) fn document_bytes(path: &Path, files: &dyn Files) -> Option<Vec<u8>> {
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if YAML.iter().any(|yaml| yaml.eq_ignore_ascii_case(ending)) {
        return None;
    }
    let bytes = files.read(path, config::BYTES_MAX).ok()?;
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    // A section of a configuration starts as a list does.
    let is_list = first == Some(&b'[') && ending.eq_ignore_ascii_case("json");
    (first == Some(&b'{') || is_list).then(|| text.to_vec())
}

/// The report on a task definition.
pub(super) fn report(path: &Path, bytes: &[u8], files: &dyn Files, request: &Request) -> Report {
    let file = path.display().to_string();
    let mut report = Report { file, kind: Kind::TaskDefinition, ..Report::default() };
    let document: Value = match serde_json::from_slice(bytes) {
        Ok(document) => document,
        Err(error) => {
            report.findings.push(not_json(&report.file, &error));
            return report;
        }
    };
    let mut misfits = Misfits::default();
    let task = document::read(&document, &mut misfits);
    report.findings = misfits.0.into_iter().map(misfit).collect();
    if let Some(router) = find::router_of(&task, &mut report.findings) {
        judge(&task, router, files, request, &mut report);
    } else {
        report.finish(&Shown::default());
    }
    report
}

fn not_json(file: &str, error: &serde_json::Error) -> Finding {
    let line = u32::try_from(error.line()).unwrap_or(0);
    let place = Place { file: file.into(), line };
    Finding::error(Rule::TaskDefinition, At::Place(place), format!("not JSON: {error}"))
}

fn misfit(misfit: node::Misfit) -> Finding {
    let at = if misfit.path.is_empty() { At::Whole } else { At::Path(misfit.path) };
    Finding::error(Rule::TaskDefinition, at, misfit.what)
}

/// Adds all that is to be said of a task with a router.
fn judge(
    task: &Task,
    router: &Container,
    files: &dyn Files,
    request: &Request,
    report: &mut Report,
) {
    let launch = request.launch.unwrap_or_else(|| Launch::of_task(task));
    let network = Network::of_task(task, launch);
    report.launch_type = Some(launch.name());
    report.network_mode = Some(network.name(task).to_owned());
    let surroundings = surroundings(task, &request.surroundings);
    let generated = generate::generate(task, router, (launch, network), &surroundings);
    let mut image = Image::new(router, generated.text.as_bytes(), (files, &request.externals));
    report.findings.append(&mut image.unreadable);
    let (environment, secrets) = image::environment(task, router, launch);
    let shown = Shown::new(&environment, &secrets);
    let load = |image: &Image| config::load(Path::new(GENERATED), image, &environment);
    let outcome = load(&image);
    let located = |place: &Place| locate(place, &generated, &image);
    let mut read = pipeline::read(&outcome, &shown, &located);
    if let Err(errors) = &outcome {
        advise(&mut read, &errors.problems);
    }
    report.findings.append(&mut read);
    let is_refused = outcome.is_err();
    let sound = outcome.or_else(|errors| {
        // So that all that is wrong comes back from one run.
        image.replace_generated(&generated.without(&errors.problems));
        load(&image)
    });
    let located = |place: &Place| locate(place, &generated, &image);

    let containers = containers(task, router);
    let is_complete = image.is_complete;
    let shown = match &sound {
        Ok(config) => shown.with_set(&config.origins),
        Err(_) => shown,
    };
    let pipeline = sound.as_ref().ok().map(|config| Scene {
        config,
        shown: &shown,
        locate: &located,
        tags: &request.tags,
        containers: Some(&containers),
        is_complete: is_complete && !is_refused,
        memory_bytes: router.memory_mib.or(task.memory_mib).map(|mib| mib.saturating_mul(MIB)),
    });
    if let Some(scene) = &pipeline {
        pipeline::describe(scene, report);
    }
    let pipeline = pipeline.as_ref();
    find::all(&TaskScene { task, router, launch, network, pipeline, is_complete }, report);
    report.generated = Some(generated.text);
    report.finish(&shown);
}

/// Says of files that are not here how to give them. The findings begin with those of the problems.
fn advise(findings: &mut [Finding], problems: &[Problem]) {
    for (finding, problem) in findings.iter_mut().zip(problems) {
        if let Fault::Unreadable { path, .. } = &problem.fault {
            finding.advice = format!("give it with --external {path}=FILE");
        }
    }
}

/// With what the ARN of a registered task definition tells.
fn surroundings(task: &Task, given: &Surroundings) -> Surroundings {
    let fields: Vec<&str> = task.arn.iter().flat_map(|arn| arn.split(':')).collect();
    let [_, partition, _, region, account, ..] = fields.as_slice() else { return given.clone() };
    if *given != Surroundings::default() {
        return given.clone();
    }
    let task_arn = format!("arn:{partition}:ecs:{region}:{account}:task/CLUSTER/TASK_ID");
    Surroundings { task_arn, ..given.clone() }
}

fn containers(task: &Task, router: &Container) -> Vec<Source> {
    let others = task.containers.iter().filter(|container| container.index != router.index);
    let source = |container: &Container| {
        let log = container.routed()?;
        Some(Source { name: container.name.clone(), at: At::Path(log.path.clone()) })
    };
    others.filter_map(source).collect()
}

/// A line of the generated configuration is a path of the task definition.
fn locate(place: &Place, generated: &Generated, image: &Image) -> At {
    if &*place.file != GENERATED {
        return At::Place(image.locate(place));
    }
    let line = usize::try_from(place.line).ok().and_then(|line| line.checked_sub(1));
    match line.and_then(|line| generated.paths.get(line)) {
        Some(Some(path)) => At::Path(path.clone()),
        Some(None) => At::Place(Place::file("ECS agent")),
        None => At::Place(place.clone()),
    }
}

/// The names of variables that hold secrets.
type Secrets = BTreeSet<String>;

//! Chooses the target of a chunk: by the configuration, or by what ECS says of the task.
//!
//! Must not know records: names from fields of a record would be chosen a record, not a chunk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::ecs::snapshot::{Snapshot, name_in_tag};
use crate::record::tag::Tag;

use super::config::{LogGroupName, StreamName};
use super::target::Target;

/// Most tags whose target is kept; beyond it they are made anew.
const TARGETS_MAX: usize = 4_096;
/// Longest tag whose target is kept.
const TARGET_TAG_BYTES_MAX: usize = 512;
/// How long events wait for the task's name, before they go where they can be found without it.
const TASK_WAIT: Duration = Duration::from_secs(10);
/// The log group of a task whose name is not to be had.
const GROUP_WITHOUT_TASK: &str = "/ecs/firelane";

/// Names of log groups and log streams.
#[derive(Debug)]
pub struct Naming {
    group: LogGroupName,
    stream: StreamName,
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Whether chunks wait for the task although their names do not need it: its fields are added.
    is_enriched: bool,
    /// When chunks that need the task stop to wait for it.
    give_up_at: Instant,
    targets: HashMap<Tag, Arc<Target>>,
}

impl Naming {
    /// Names as configured; where they are the task's, from the newest snapshot.
    #[must_use]
    pub fn new(
        (group, stream): (LogGroupName, StreamName),
        snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
        is_enriched: bool,
        now: Instant,
    ) -> Self {
        let give_up_at = now.checked_add(TASK_WAIT).unwrap_or(now);
        Self { group, stream, snapshot, is_enriched, give_up_at, targets: HashMap::new() }
    }

    /// Where chunks of a tag go. `None`: the task's name is needed and not known yet.
    pub fn target(&mut self, tag: &Tag, now: Instant) -> Option<Arc<Target>> {
        if let Some(target) = self.targets.get(tag) {
            return Some(Arc::clone(target));
        }
        let target = Arc::new(self.name(tag, now)?);
        // Not kept: what no chunk pays for, and a name that was given without the task.
        if tag.as_bytes().len() > TARGET_TAG_BYTES_MAX || self.waits_for_task() {
            return Some(target);
        }
        if self.targets.len() == TARGETS_MAX {
            self.targets.clear();
        }
        self.targets.insert(tag.clone(), Arc::clone(&target));
        Some(target)
    }

    /// When names that are not known yet are given up; `None`: they never have to wait.
    #[must_use]
    pub fn gives_up_at(&self) -> Option<Instant> {
        self.waits_for_task().then_some(self.give_up_at)
    }

    fn waits_for_task(&self) -> bool {
        let of_task = self.group == LogGroupName::FromTask || self.stream == StreamName::FromTask;
        // Where nobody is left to bring a snapshot, this is no task of ECS.
        let may_come = self.snapshot.has_changed().is_ok();
        (of_task || self.is_enriched) && may_come && self.snapshot.borrow().is_none()
    }

    fn name(&self, tag: &Tag, now: Instant) -> Option<Target> {
        if self.waits_for_task() && now < self.give_up_at {
            return None;
        }
        let snapshot = self.snapshot.borrow().clone();
        let snapshot = snapshot.as_deref();
        let group = match &self.group {
            LogGroupName::Fixed(name) => name.clone(),
            LogGroupName::FromTask => group_of_task(snapshot),
        };
        let stream = match &self.stream {
            StreamName::Fixed(name) => name.clone(),
            StreamName::Prefix(prefix) => format!("{prefix}{tag}"),
            StreamName::FromTask => stream_of_task(snapshot, &tag.to_string()),
        };
        Some(Target::new(&group, &stream))
    }
}

/// `/ecs/<family>`, as the consoles of ECS name the groups they make.
fn group_of_task(snapshot: Option<&Snapshot>) -> String {
    let family = snapshot.and_then(|snapshot| snapshot.family.as_deref());
    family.map_or_else(|| GROUP_WITHOUT_TASK.to_owned(), |family| format!("/ecs/{family}"))
}

/// `<container>/<task id>`, as the `awslogs` driver names its streams behind a prefix.
fn stream_of_task(snapshot: Option<&Snapshot>, tag: &str) -> String {
    let container = name_in_tag(tag).unwrap_or(tag);
    match snapshot.and_then(|snapshot| snapshot.task_id.as_deref()) {
        Some(task_id) => format!("{container}/{task_id}"),
        None => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_task(now: Instant) -> (Naming, watch::Sender<Option<Arc<Snapshot>>>) {
        let (sender, receiver) = watch::channel(None);
        let names = (LogGroupName::FromTask, StreamName::FromTask);
        (Naming::new(names, receiver, false, now), sender)
    }

    fn task() -> Arc<Snapshot> {
        let body = br#"{"Cluster":"c","TaskARN":"arn:aws:ecs:eu-west-1:1:task/c/0ab","Family":"web","Revision":"3"}"#;
        Arc::new(Snapshot::parse(body).expect("a task"))
    }

    #[test]
    fn a_prefix_is_followed_by_the_tag() {
        let (_sender, receiver) = watch::channel(None);
        let mut naming = Naming::new(fixed(), receiver, false, clock_now());
        let target = naming.target(&"app-firelens-1".into(), clock_now()).expect("known");
        assert_eq!(*target, Target::new("g", "p-app-firelens-1"));
        assert_eq!(naming.gives_up_at(), None);
    }

    fn fixed() -> (LogGroupName, StreamName) {
        (LogGroupName::Fixed("g".to_owned()), StreamName::Prefix("p-".to_owned()))
    }

    #[test]
    fn records_that_are_enriched_wait_for_the_task_if_it_may_come() {
        let (sender, receiver) = watch::channel(None);
        let mut naming = Naming::new(fixed(), receiver, true, clock_now());
        assert_eq!(naming.target(&"app".into(), clock_now()), None);
        drop(sender);
        assert!(naming.target(&"app".into(), clock_now()).is_some(), "this is no task of ECS");
    }

    #[test]
    fn names_of_the_task_wait_for_its_metadata() {
        let now = clock_now();
        let (mut naming, sender) = from_task(now);
        let tag: Tag = "app-firelens-0ab".into();
        assert_eq!(naming.target(&tag, now), None);
        sender.send_replace(Some(task()));
        assert_eq!(naming.target(&tag, now).as_deref(), Some(&Target::new("/ecs/web", "app/0ab")));
    }

    #[test]
    fn and_not_for_ever() {
        let now = clock_now();
        let (mut naming, _sender) = from_task(now);
        let tag: Tag = "app-firelens-0ab".into();
        let late = naming.gives_up_at().expect("it waits");
        assert_eq!(late, now + TASK_WAIT);
        let target = naming.target(&tag, late).expect("without the task");
        assert_eq!(*target, Target::new(GROUP_WITHOUT_TASK, "app-firelens-0ab"));
    }

    fn clock_now() -> Instant {
        crate::clock::now()
    }
}

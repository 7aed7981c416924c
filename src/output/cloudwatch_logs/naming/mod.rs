//! Chooses the targets of a chunk: by the configuration, by what ECS says of the task, or by fields
//! of its records.
//!
//! Where names are the same for all records of a tag, nothing is done for a record. Must not know
//! what becomes of a chunk.

mod of_fields;
mod parts;
mod remembered;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::chunk::Chunk;
use crate::ecs::snapshot::Snapshot;
use crate::output::cloudwatch;
use crate::record::fields::SharedFields;
use crate::record::tag::Tag;
use crate::telemetry::OutputCounters;

use super::target::Target;
pub use of_fields::Names;
pub use parts::{Assigned, Unassigned};
use remembered::Remembered;

/// Most tags whose target is kept; beyond it they are made anew.
const TARGETS_MAX: usize = 1_024;
/// Most bytes of these tags and the names made of them.
const TARGETS_BYTES_MAX: usize = 524_288;
/// Most bytes of the table of them, with what it has free, and of the targets.
pub const TABLE_BYTES_MAX: usize = TARGETS_BYTES_MAX
    + TARGETS_MAX * (2 * size_of::<(Tag, Arc<Target>)>() + size_of::<Target>() + 64);
/// Longest tag whose target is kept.
const TARGET_TAG_BYTES_MAX: usize = 512;
/// How long events wait for the task's name, before they go where they can be found without it.
const TASK_WAIT: Duration = Duration::from_secs(10);
/// Bytes of names that are kept from one record to the next.
const NAME_CAPACITY_MAX: usize = 16 * 1_024;

/// How an output names groups and streams.
#[derive(Clone, Debug)]
pub enum Rule {
    /// As `cloudwatch_logs` does.
    OfFields(Names),
    /// As `cloudwatch` does.
    OfTemplates(cloudwatch::naming::Names),
}

impl Rule {
    fn needs_task(&self) -> bool {
        match self {
            Self::OfFields(names) => names.needs_task(),
            Self::OfTemplates(names) => names.needs_task(),
        }
    }

    fn reads_records(&self) -> bool {
        match self {
            Self::OfFields(names) => names.reads_records(),
            Self::OfTemplates(names) => names.reads_records(),
        }
    }

    /// Whether no two tags have the same target.
    fn is_of_tag(&self) -> bool {
        match self {
            Self::OfFields(names) => names.is_of_tag(),
            Self::OfTemplates(names) => names.is_of_tag(),
        }
    }

    /// How long the task's name is waited for; `None`: as long as it takes, as `cloudwatch` does.
    fn patience(&self) -> Option<Duration> {
        match self {
            Self::OfFields(_) => Some(TASK_WAIT),
            Self::OfTemplates(_) => None,
        }
    }

    fn write(&self, scene: &Scene<'_>, name: &mut Name, misses: &mut Misses) {
        match self {
            Self::OfFields(names) => names.write(scene, name, misses),
            Self::OfTemplates(names) => names.write(scene, name, misses),
        }
    }
}

/// What names are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene<'a> {
    pub(crate) tag: &'a Tag,
    pub(crate) record: &'a [u8],
    pub(crate) shared: &'a SharedFields,
    pub(crate) task: Option<&'a Snapshot>,
}

/// The name of a group and that of a stream, as they came out, one behind the other.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct Name {
    bytes: Vec<u8>,
    /// Where the group's name ends.
    group_end: usize,
}

impl Name {
    /// Begins anew, with the group's name.
    pub(crate) fn group(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.clear();
        self.bytes.shrink_to(NAME_CAPACITY_MAX);
        write(&mut self.bytes);
        self.group_end = self.bytes.len();
    }

    /// Goes on with the stream's.
    pub(crate) fn stream(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
    }

    /// Becomes the other one, in the memory it has.
    fn copy(&mut self, other: &Self) {
        self.bytes.clone_from(&other.bytes);
        self.group_end = other.group_end;
    }

    fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn target(&self) -> Target {
        let (group, stream) = self.bytes.split_at_checked(self.group_end).unwrap_or_default();
        Target::new(&String::from_utf8_lossy(group), &String::from_utf8_lossy(stream))
    }
}

/// A template that had no value for a record.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Miss<'a> {
    /// The option.
    pub(crate) option: &'static str,
    /// The first key of what was not there, or was empty.
    pub(crate) key: &'a str,
}

/// Counts names for which a template had no value, and tells of each key once.
#[derive(Debug)]
pub(crate) struct Misses {
    counters: Arc<OutputCounters>,
    /// Those that are not in the counters yet.
    uncounted: u64,
    /// Keys of the configuration, so there are few.
    told: Vec<(&'static str, Box<str>)>,
}

impl Misses {
    pub(crate) fn add(&mut self, miss: Miss<'_>) {
        self.uncounted += 1;
        let Miss { option, key } = miss;
        if !self.told.iter().any(|(told, known)| *told == option && **known == *key) {
            self.told.push((option, key.into()));
            let output = &self.counters.name;
            tracing::warn!(
                "{output}: {option}: translation failed, root key={key}: another name holds for \
                 such records; this is told once"
            );
        }
    }

    /// Takes those of a chunk, or of a tag, into the counters.
    fn count(&mut self) {
        self.counters.template_misses.add(std::mem::take(&mut self.uncounted));
    }
}

/// The names of one output's groups and streams.
#[derive(Debug)]
pub struct Naming {
    rule: Rule,
    splits: bool,
    needs_task: bool,
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// When chunks that need the task stop to wait for it.
    give_up_at: Option<Instant>,
    of_tags: HashMap<Tag, Arc<Target>>,
    /// Of the tags and names in there.
    of_tags_bytes: usize,
    of_records: Remembered,
    /// Written anew for each record.
    name: Name,
    misses: Misses,
}

impl Naming {
    /// Names by a rule; where they are the task's, from the newest snapshot. Chunks that are to be
    /// enriched wait for that even if their names do not need it.
    #[must_use]
    pub fn new(
        rule: Rule,
        snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
        is_enriched: bool,
        counters: Arc<OutputCounters>,
        now: Instant,
    ) -> Self {
        let give_up_at = rule.patience().and_then(|patience| now.checked_add(patience));
        Self {
            splits: rule.reads_records(),
            needs_task: rule.needs_task() || is_enriched,
            rule,
            snapshot,
            give_up_at,
            of_tags: HashMap::new(),
            of_tags_bytes: 0,
            of_records: Remembered::default(),
            name: Name::default(),
            misses: Misses { counters, uncounted: 0, told: Vec::new() },
        }
    }

    /// Whether chunks have to wait: the task's name is needed and not known yet.
    #[must_use]
    pub fn is_waiting(&self, now: Instant) -> bool {
        self.lacks_task() && self.give_up_at.is_none_or(|give_up_at| now < give_up_at)
    }

    /// When names that are not known yet are given up; `None`: there is nothing to give up.
    #[must_use]
    pub fn gives_up_at(&self) -> Option<Instant> {
        self.give_up_at.filter(|_| self.lacks_task())
    }

    /// The task's name is not waited for any longer than until then.
    pub fn give_up(&mut self, at: Instant) {
        self.give_up_at = Some(self.give_up_at.map_or(at, |give_up_at| give_up_at.min(at)));
    }

    /// Whether records of one chunk may have different targets.
    #[must_use]
    pub fn splits(&self) -> bool {
        self.splits
    }

    /// Whether each tag has a target of its own.
    #[must_use]
    pub fn is_of_tag(&self) -> bool {
        self.rule.is_of_tag()
    }

    /// The target of all records of a tag, for a rule that does not split.
    pub fn of_tag(&mut self, tag: &Tag) -> Arc<Target> {
        if let Some(target) = self.of_tags.get(tag) {
            return Arc::clone(target);
        }
        let snapshot = self.snapshot.borrow().clone();
        let (shared, task) = (SharedFields::default(), snapshot.as_deref());
        let scene = Scene { tag, record: &[], shared: &shared, task };
        self.rule.write(&scene, &mut self.name, &mut self.misses);
        self.misses.count();
        let target = Arc::new(self.name.target());
        // Not kept: what no chunk pays for, and a name that was given without the task.
        if tag.as_bytes().len() > TARGET_TAG_BYTES_MAX || self.lacks_task() {
            return target;
        }
        let bytes = tag.as_bytes().len() + target.group.len() + target.stream.len();
        if self.of_tags.len() == TARGETS_MAX || self.of_tags_bytes + bytes > TARGETS_BYTES_MAX {
            self.of_tags.clear();
            self.of_tags_bytes = 0;
        }
        self.of_tags_bytes += bytes;
        self.of_tags.insert(tag.clone(), Arc::clone(&target));
        target
    }

    /// Gives the records of a chunk their targets, up to one that `has_room` does not take.
    pub fn assign(&mut self, chunk: Unassigned, has_room: impl FnMut(&Target) -> bool) -> Assigned {
        let snapshot = self.snapshot.borrow().clone();
        let task = snapshot.as_deref();
        // A name that was given without the task is not kept.
        let is_kept = !self.lacks_task();
        let target = |chunk: &Chunk, record: &[u8]| {
            let scene = Scene { tag: &chunk.tag, record, shared: &chunk.shared, task };
            self.rule.write(&scene, &mut self.name, &mut self.misses);
            if is_kept { self.of_records.target(&self.name) } else { Arc::new(self.name.target()) }
        };
        let assigned = chunk.assign(target, has_room);
        self.misses.count();
        assigned
    }

    /// Whether the task is needed, not known, and may become known.
    fn lacks_task(&self) -> bool {
        // Where nobody is left to bring a snapshot, this is no task of ECS.
        let may_come = || self.snapshot.has_changed().is_ok();
        self.needs_task && may_come() && self.snapshot.borrow().is_none()
    }
}

#[cfg(test)]
mod tests;

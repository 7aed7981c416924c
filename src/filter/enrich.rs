//! Enrichment without a configuration file: what ECS knows of the task, on every record.
//!
//! With the agent's configuration its `record_modifier` does this and no such filter is made. The
//! metadata arrives in the background: until then records go on without it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::chunk::Chunk;
use crate::ecs::snapshot::Snapshot;
use crate::record::fields::{SharedField, SharedFields};
use crate::record::map;
use crate::record::tag::Tag;

/// Adds `ecs_cluster`, `ecs_task_arn` and `ecs_task_definition`; `container_id` and
/// `container_name` where the log driver did not send them.
#[derive(Debug)]
pub struct Enrich {
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// What was made last, and for which snapshot and tag.
    made: Option<Made>,
}

#[derive(Debug)]
struct Made {
    snapshot: Option<Arc<Snapshot>>,
    tag: Tag,
    container_id: Option<Vec<u8>>,
    fields: SharedFields,
}

impl Enrich {
    /// A filter that takes the newest snapshot at each chunk.
    #[must_use]
    pub fn new(snapshot: watch::Receiver<Option<Arc<Snapshot>>>) -> Self {
        Self { snapshot, made: None }
    }

    /// Adds the fields.
    #[must_use]
    pub fn apply(&mut self, mut chunk: Chunk) -> Chunk {
        let first = chunk.entries.iter().next().map(|(_, record)| record);
        let container_id = first.and_then(|record| map::get(record, b"container_id"));
        let fields = self.fields(&chunk.tag, container_id.and_then(map::text));
        chunk.shared = chunk.shared.followed_by(&fields);
        chunk
    }

    fn fields(&mut self, tag: &Tag, container_id: Option<&[u8]>) -> SharedFields {
        let snapshot = self.snapshot.borrow().clone();
        if let Some(made) = &self.made
            && made.tag == *tag
            && made.container_id.as_deref() == container_id
            && same(made.snapshot.as_ref(), snapshot.as_ref())
        {
            return made.fields.clone();
        }
        let fields = snapshot.as_deref().map_or_else(SharedFields::default, |snapshot| {
            SharedFields::new(fields(snapshot, tag, container_id))
        });
        let made = Made {
            snapshot,
            tag: tag.clone(),
            container_id: container_id.map(<[u8]>::to_vec),
            fields: fields.clone(),
        };
        self.made = Some(made);
        fields
    }
}

fn same(ours: Option<&Arc<Snapshot>>, theirs: Option<&Arc<Snapshot>>) -> bool {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

fn fields(snapshot: &Snapshot, tag: &Tag, container_id: Option<&[u8]>) -> Vec<SharedField> {
    let id = container_id.map(String::from_utf8_lossy);
    let container = snapshot.container(id.as_deref(), None, &tag.to_string());
    let definition = snapshot.family.as_ref().zip(snapshot.revision.as_ref());
    let task = [
        ("ecs_cluster", snapshot.cluster_name.clone(), false),
        ("ecs_task_arn", snapshot.task_arn.clone(), false),
        ("ecs_task_definition", definition.map(|(family, rev)| format!("{family}:{rev}")), false),
        ("container_id", container.and_then(|one| one.docker_id.clone()), true),
        ("container_name", container.and_then(|one| one.name.clone()), true),
    ];
    let field = |(key, value, yields): (&str, Option<String>, bool)| {
        let value = value?.into_bytes().into();
        Some(SharedField { key: key.as_bytes().into(), value, yields })
    };
    task.into_iter().filter_map(field).collect()
}

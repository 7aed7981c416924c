//! Enrichment without a configuration file: what ECS knows of the task, on every record.
//!
//! With the agent's configuration its `record_modifier` does this, and nothing is enriched here.
//! The metadata arrives in the background; whoever enriches decides how long records wait for it.

use std::sync::Arc;

use tokio::sync::{Notify, watch};

use crate::chunk::Chunk;
use crate::record::fields::{SharedField, SharedFields};
use crate::record::map;
use crate::record::tag::Tag;

use super::snapshot::Snapshot;

/// Adds `ecs_cluster`, `ecs_task_arn` and `ecs_task_definition`; `container_id` and
/// `container_name` where the log driver did not send them.
#[derive(Debug)]
pub struct Enrich {
    snapshot: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Asks for a newer snapshot: a container that started later is in none of the older ones.
    refetch: Arc<Notify>,
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
    /// Takes the newest snapshot at each chunk.
    #[must_use]
    pub fn new(snapshot: watch::Receiver<Option<Arc<Snapshot>>>, refetch: Arc<Notify>) -> Self {
        Self { snapshot, refetch, made: None }
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
            let id = container_id.map(String::from_utf8_lossy);
            if id.as_deref().is_some_and(|id| !snapshot.knows(id)) {
                self.refetch.notify_one();
            }
            SharedFields::new(fields(snapshot, tag, id.as_deref()))
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

fn fields(snapshot: &Snapshot, tag: &Tag, container_id: Option<&str>) -> Vec<SharedField> {
    let container = snapshot.container(container_id, None, &tag.to_string());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::fixture::{Fields, chunk, lines};
    use crate::ledger::Account;

    const TASK: &[u8] = br#"{"Cluster":"c","TaskARN":"arn:aws:ecs:eu-west-1:1:task/c/0ab",
        "Family":"web","Revision":"3","Containers":[{"DockerId":"d1","Name":"app"}]}"#;

    fn enriched(records: &[Fields<'_>]) -> (Vec<String>, Arc<Notify>) {
        let snapshot = Arc::new(Snapshot::parse(TASK).expect("a task"));
        let (_sender, receiver) = watch::channel(Some(snapshot));
        let refetch = Arc::new(Notify::new());
        let mut filter = Enrich::new(receiver, Arc::clone(&refetch));
        let account = Arc::new(Account::default());
        let chunk = chunk(&account, "app-firelens-0ab", records);
        (lines(filter.apply(chunk)), refetch)
    }

    fn is_asked(refetch: &Notify) -> bool {
        let asked = std::pin::pin!(refetch.notified());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        asked.poll(&mut context).is_ready()
    }

    #[test]
    fn every_record_gets_what_is_known_of_its_task_and_container() {
        let (lines, refetch) = enriched(&[&[("log", "x")]]);
        let expected = "log=x ecs_cluster=c ecs_task_arn=arn:aws:ecs:eu-west-1:1:task/c/0ab \
                        ecs_task_definition=web:3 container_id=d1 container_name=app";
        assert_eq!(lines, [expected]);
        assert!(!is_asked(&refetch));
    }

    #[test]
    fn a_container_that_is_not_known_is_asked_for() {
        let (_, refetch) = enriched(&[&[("log", "x"), ("container_id", "d2")]]);
        assert!(is_asked(&refetch));
    }
}

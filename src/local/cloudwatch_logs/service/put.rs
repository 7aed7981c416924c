//! A batch of events becomes part of its stream. Must not know faults.

use std::sync::Arc;

use super::super::account::Put;
use super::super::events::Event;
use super::super::response::RejectedLogEventsInfo;
use super::super::state::{Taken, check_span, judge_ages};
use super::{Accepted, Denied, Service};

impl Service {
    pub(super) fn put(
        &mut self,
        put: Put<'_>,
        events: &[Event<'_>],
    ) -> Result<RejectedLogEventsInfo, Denied> {
        let group = self.groups.group_mut(put.group)?;
        let retention_days = group.retention_days;
        let stream = group.stream_mut(put.stream)?;
        let taken = if self.behaviour.any_age {
            check_span(events)?;
            Taken { range: 0..events.len(), info: RejectedLogEventsInfo::default() }
        } else {
            judge_ages(events, retention_days, put.now_ms)?
        };
        let accepted = events.get(taken.range.clone()).unwrap_or_default();
        if let (Some(first), Some(last)) = (accepted.first(), accepted.last()) {
            let (first, last) = (first.timestamp, last.timestamp);
            stream.first_event_ms = Some(stream.first_event_ms.map_or(first, |at| at.min(first)));
            stream.last_event_ms = Some(stream.last_event_ms.map_or(last, |at| at.max(last)));
            stream.last_ingestion_ms = Some(put.now_ms);
        }
        self.account.take(put, events, &taken);
        self.tell(put, accepted);
        Ok(taken.info)
    }

    fn tell(&self, put: Put<'_>, accepted: &[Event<'_>]) {
        if self.watchers.receiver_count() == 0 {
            return;
        }
        let (group, stream): (Arc<str>, Arc<str>) = (put.group.into(), put.stream.into());
        for event in accepted {
            // Fails only if the last watcher has just left.
            let _ = self.watchers.send(Accepted {
                group: Arc::clone(&group),
                stream: Arc::clone(&stream),
                timestamp: event.timestamp,
                message: (*event.message).into(),
            });
        }
    }
}

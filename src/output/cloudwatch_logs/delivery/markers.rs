//! Which streams are to be told what became of their records, and when.
//!
//! A marker goes before the next batch of its stream; alone where none comes. What became of records
//! since the last marker waits and is told in one. Pure. Must not know how a marker is written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::mishap::Mishaps;
use super::super::target::Target;

/// Most streams that something is noted of: what the one that was used least lately has is forgotten
/// beyond it, and only the counters know. Each costs some hundred bytes and its names, up to 3 KB.
pub(super) const MARKED_STREAMS_MAX: usize = 1_024;
/// Shortest time between two markers of one stream.
pub(super) const MARKER_INTERVAL: Duration = Duration::from_secs(30);
/// How long a marker waits for a batch to go with.
pub(super) const ALONE_WAIT: Duration = Duration::from_secs(5);

/// What is noted of all streams of one output.
#[derive(Debug, Default)]
pub(super) struct Markers {
    is_on: bool,
    is_stopping: bool,
    noted: HashMap<Arc<Target>, Noted>,
    /// Streams by when they are looked at again. The number keeps equal times apart.
    agenda: BTreeMap<(Instant, u64), Arc<Target>>,
    /// Streams by when they were used last, least lately first.
    uses: BTreeMap<u64, Arc<Target>>,
    number: u64,
    /// Streams with something to tell.
    owed: usize,
}

/// What is noted of one stream.
#[derive(Debug)]
struct Noted {
    mishaps: Mishaps,
    /// When the last marker was accepted.
    told: Option<Instant>,
    place: (Instant, u64),
    used: u64,
}

impl Noted {
    fn new(now: Instant) -> Self {
        Self { mishaps: Mishaps::default(), told: None, place: (now, 0), used: 0 }
    }

    /// From when on there may be a marker.
    fn free_at(&self) -> Option<Instant> {
        self.told?.checked_add(MARKER_INTERVAL)
    }
}

impl Markers {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// Whether nothing waits to be told.
    pub(super) fn is_empty(&self) -> bool {
        self.owed == 0
    }

    /// Notes what became of records of a stream, or what could not be told.
    pub(super) fn note(&mut self, target: &Arc<Target>, mishaps: Mishaps, now: Instant) {
        if !self.is_on || mishaps.is_empty() {
            return;
        }
        let mut noted = self.remove(target).unwrap_or_else(|| Noted::new(now));
        noted.mishaps.join(mishaps);
        let due = self.due(&noted, now);
        self.insert(Arc::clone(target), noted, due);
    }

    /// Takes what is to be told before a batch of the stream.
    pub(super) fn take(&mut self, target: &Arc<Target>, now: Instant) -> Mishaps {
        let Some(noted) = self.noted.get_mut(target) else { return Mishaps::default() };
        if !self.is_stopping && noted.free_at().is_some_and(|free| free > now) {
            return Mishaps::default();
        }
        let mishaps = std::mem::take(&mut noted.mishaps);
        self.owed -= usize::from(!mishaps.is_empty());
        mishaps
    }

    /// A marker arrived.
    pub(super) fn told(&mut self, target: &Arc<Target>, now: Instant) {
        let noted = self.remove(target).unwrap_or_else(|| Noted::new(now));
        let noted = Noted { told: Some(now), ..noted };
        let due = self.due(&noted, now);
        self.insert(Arc::clone(target), noted, due);
    }

    /// A stream whose marker has waited long enough, and that has no batch to go with.
    pub(super) fn next_alone(
        &mut self,
        now: Instant,
        has_batches: impl Fn(&Arc<Target>) -> bool,
    ) -> Option<Arc<Target>> {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let target = Arc::clone(entry.get());
            let Some(noted) = self.remove(&target) else { continue };
            if noted.mishaps.is_empty() {
                // Its time has passed: there is nothing to remember any more.
                continue;
            }
            // One that goes with a batch is looked at later, and when its stream has no more.
            let due = now.checked_add(ALONE_WAIT).unwrap_or(now);
            self.insert(Arc::clone(&target), noted, due);
            if !has_batches(&target) {
                return Some(target);
            }
        }
        None
    }

    /// The stream has no batch any more.
    pub(super) fn left_alone(&mut self, target: &Arc<Target>, now: Instant) {
        if self.is_stopping
            && let Some(noted) = self.remove(target)
        {
            self.insert(Arc::clone(target), noted, now);
        }
    }

    /// When [`Markers::next_alone`] is worth asking.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.agenda.first_key_value().map(|((due, _), _)| *due)
    }

    /// The process stops: markers wait for nothing.
    pub(super) fn stop(&mut self, now: Instant) {
        self.is_stopping = true;
        let targets: Vec<_> = self.noted.keys().cloned().collect();
        targets.iter().for_each(|target| self.left_alone(target, now));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self { is_on: self.is_on, is_stopping: self.is_stopping, ..Self::default() };
    }

    /// When a stream is looked at again after something happened to it.
    fn due(&self, noted: &Noted, now: Instant) -> Instant {
        if self.is_stopping {
            return now;
        }
        let due = now.checked_add(ALONE_WAIT).unwrap_or(now);
        noted.free_at().map_or(due, |free| free.max(due))
    }

    fn remove(&mut self, target: &Arc<Target>) -> Option<Noted> {
        let noted = self.noted.remove(target)?;
        self.agenda.remove(&noted.place);
        self.uses.remove(&noted.used);
        self.owed -= usize::from(!noted.mishaps.is_empty());
        Some(noted)
    }

    fn insert(&mut self, target: Arc<Target>, noted: Noted, due: Instant) {
        self.number += 1;
        let noted = Noted { place: (due, self.number), used: self.number, ..noted };
        self.owed += usize::from(!noted.mishaps.is_empty());
        self.agenda.insert(noted.place, Arc::clone(&target));
        self.uses.insert(noted.used, Arc::clone(&target));
        self.noted.insert(target, noted);
        if self.noted.len() > MARKED_STREAMS_MAX
            && let Some((_, least)) = self.uses.pop_first()
        {
            self.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::mishap::{Extent, Mishap};
    use super::*;
    use crate::record::time::EventTime;

    fn target(stream: usize) -> Arc<Target> {
        Arc::new(Target::new("g", &format!("s{stream}")))
    }

    fn one() -> Mishaps {
        let mut mishaps = Mishaps::default();
        mishaps.add(Mishap::Split, Extent::one(EventTime::default()));
        mishaps
    }

    fn records(mishaps: &Mishaps) -> u64 {
        mishaps.iter().map(|(_, extent)| extent.records).sum()
    }

    #[test]
    fn a_stream_is_told_at_once_and_then_no_more_often_than_the_interval() {
        let (mut markers, now, stream) = (Markers::new(true), crate::clock::now(), target(0));
        markers.note(&stream, one(), now);
        assert_eq!(records(&markers.take(&stream, now)), 1);
        markers.told(&stream, now);
        markers.note(&stream, one(), now);
        markers.note(&stream, one(), now);
        let almost = now + MARKER_INTERVAL - Duration::from_nanos(1);
        assert!(markers.take(&stream, almost).is_empty() && !markers.is_empty());
        assert_eq!(records(&markers.take(&stream, now + MARKER_INTERVAL)), 2);
        assert!(markers.is_empty());
    }

    #[test]
    fn a_marker_goes_alone_after_its_wait_unless_its_stream_has_batches() {
        let (mut markers, now, stream) = (Markers::new(true), crate::clock::now(), target(0));
        markers.note(&stream, one(), now);
        let due = now + ALONE_WAIT;
        assert_eq!(markers.wake_at(), Some(due));
        assert_eq!(markers.next_alone(due - Duration::from_nanos(1), |_| false), None);
        assert_eq!(markers.next_alone(due, |_| true), None);
        assert!(markers.wake_at() > Some(due), "nobody asks in vain");
        assert_eq!(markers.next_alone(due + ALONE_WAIT, |_| false), Some(stream));
    }

    #[test]
    fn a_process_that_stops_has_its_markers_go_alone_as_soon_as_their_streams_have_no_batches() {
        let (mut markers, now, stream) = (Markers::new(true), crate::clock::now(), target(0));
        markers.told(&stream, now);
        markers.note(&stream, one(), now);
        markers.stop(now);
        assert_eq!(markers.next_alone(now, |_| true), None);
        assert!(markers.wake_at() > Some(now), "nobody asks in vain");
        markers.left_alone(&stream, now);
        assert_eq!(markers.next_alone(now, |_| false), Some(Arc::clone(&stream)));
        assert_eq!(records(&markers.take(&stream, now)), 1);
    }

    #[test]
    fn streams_are_forgotten_least_lately_used_first_beyond_the_most() {
        let (mut markers, now) = (Markers::new(true), crate::clock::now());
        for stream in 0..MARKED_STREAMS_MAX {
            markers.note(&target(stream), one(), now);
        }
        markers.note(&target(0), one(), now);
        markers.note(&target(MARKED_STREAMS_MAX), one(), now);
        let lens = [markers.noted.len(), markers.agenda.len(), markers.uses.len(), markers.owed];
        assert_eq!(lens, [MARKED_STREAMS_MAX; 4]);
        assert!(markers.take(&target(1), now).is_empty());
        let kept = [0, 2, MARKED_STREAMS_MAX].map(|at| records(&markers.take(&target(at), now)));
        assert_eq!(kept, [2, 1, 1]);
    }

    #[test]
    fn what_has_nothing_to_tell_is_forgotten_when_its_time_has_passed() {
        let (mut markers, now, stream) = (Markers::new(true), crate::clock::now(), target(0));
        markers.told(&stream, now);
        assert_eq!(markers.next_alone(now + MARKER_INTERVAL, |_| false), None);
        assert!(markers.noted.is_empty() && markers.wake_at().is_none());
    }

    #[test]
    fn nothing_is_noted_where_markers_are_off() {
        let (mut markers, now) = (Markers::new(false), crate::clock::now());
        markers.note(&target(0), one(), now);
        assert!(markers.is_empty() && markers.wake_at().is_none());
    }
}

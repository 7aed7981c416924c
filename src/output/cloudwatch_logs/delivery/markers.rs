//! Which streams are to be told what became of their records, and when.
//!
//! A marker goes before the next batch of its stream; alone where none comes. What became of records
//! since the last marker waits and is told in one. One that goes alone is a request like any other: it
//! waits for a place among those of failing streams where its own fails, and longer after each failure.
//! Pure. Must not know how a marker is written.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::super::mishap::{Extent, Mishap, Mishaps};
use super::super::target::Target;
use crate::output::retry::Backoff;

/// Most streams that something is noted of: what the one that was used least lately has is forgotten
/// beyond it, and only the counters know. Fewer where there may be fewer streams.
pub(super) const MARKED_STREAMS_MAX: usize = 1_024;
/// Most bytes of what is noted of one, without its names: its places in the three tables, each twice for
/// what they have free, and its kinds of mishaps.
pub(super) const NOTED_BYTES_MAX: usize = 1_536;
/// Shortest time between two markers of one stream.
pub(super) const MARKER_INTERVAL: Duration = Duration::from_secs(30);
/// How long a marker waits for a batch to go with.
pub(super) const ALONE_WAIT: Duration = Duration::from_secs(5);
/// Most attempts to tell a stream without a batch: from then on what there is to tell waits for one. With
/// the waits between them that is some two minutes.
pub(super) const ALONE_ATTEMPTS_MAX: u32 = 8;

/// What is noted of all streams of one output.
#[derive(Debug, Default)]
pub(super) struct Markers {
    is_on: bool,
    streams_max: usize,
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
    /// Of the stream when it was seen last, or of the markers that went alone since.
    backoff: Backoff,
    /// How often markers went alone since something arrived in the stream.
    attempts: u32,
    /// Until when none goes alone after a failure.
    rests_until: Option<Instant>,
    place: (Instant, u64),
    used: u64,
}

impl Noted {
    fn new(now: Instant) -> Self {
        Self {
            mishaps: Mishaps::default(),
            told: None,
            backoff: Backoff::default(),
            attempts: 0,
            rests_until: None,
            place: (now, 0),
            used: 0,
        }
    }

    fn is_failing(&self) -> bool {
        self.backoff.failures() > 0
    }

    /// From when on there may be a marker.
    fn free_at(&self) -> Option<Instant> {
        self.told?.checked_add(MARKER_INTERVAL)
    }
}

const _: () = assert!(
    2 * size_of::<(Arc<Target>, Noted)>()
        + 2 * size_of::<((Instant, u64), Arc<Target>)>()
        + 2 * size_of::<(u64, Arc<Target>)>()
        + size_of::<Target>()
        + 8 * size_of::<(Mishap, Extent)>()
        + 2 * size_of::<usize>()
        <= NOTED_BYTES_MAX
);

/// How a stream can be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// With its next batch.
    WithBatch,
    /// Alone, at once.
    Alone,
    /// Alone, once a request comes back.
    NoPlace,
}

impl Markers {
    pub(super) fn new(is_on: bool, streams_max: usize) -> Self {
        Self { is_on, streams_max, ..Self::default() }
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
        let noted = Noted { told: Some(now), mishaps: noted.mishaps, ..Noted::new(now) };
        let due = self.due(&noted, now);
        self.insert(Arc::clone(target), noted, due);
    }

    /// Markers that went alone were not taken: they go again after `wait`, and while the process stops
    /// not at all.
    pub(super) fn not_told(
        &mut self,
        target: &Arc<Target>,
        mishaps: Mishaps,
        wait: Duration,
        now: Instant,
    ) {
        if self.is_stopping {
            return;
        }
        if let Some(noted) = self.noted.get_mut(target) {
            noted.rests_until = now.checked_add(wait);
        }
        self.note(target, mishaps, now);
    }

    /// A stream whose marker has waited long enough and goes alone, and how that went before. `way`: how a
    /// stream can be told, of which it is said whether it fails.
    pub(super) fn next_alone(
        &mut self,
        now: Instant,
        way: impl Fn(&Arc<Target>, bool) -> Way,
    ) -> Option<(Arc<Target>, Backoff)> {
        let later = |wait| now.checked_add(wait).unwrap_or(now);
        let (mut from, until) = (Bound::Unbounded, Bound::Included((now, u64::MAX)));
        while let Some((place, target)) = self.agenda.range((from, until)).next() {
            from = Bound::Excluded(*place);
            let target = Arc::clone(target);
            let is_failing = self.noted.get(&target).is_some_and(Noted::is_failing);
            let way = way(&target, is_failing);
            if self.stays(way, is_failing) {
                continue;
            }
            let Some(noted) = self.remove(&target) else { continue };
            let is_used_up = noted.attempts >= ALONE_ATTEMPTS_MAX;
            match way {
                // It is looked at later, and when its stream has no batch any more.
                Way::WithBatch => self.insert(target, noted, later(ALONE_WAIT)),
                // Its time has passed: there is nothing to remember any more.
                _ if noted.mishaps.is_empty() => {}
                // Nobody waits for a stream that fails while the process stops.
                Way::NoPlace => {}
                Way::Alone if is_used_up && self.is_stopping => {}
                Way::Alone if is_used_up => self.insert(target, noted, later(MARKER_INTERVAL)),
                Way::Alone => {
                    let (backoff, attempts) = (noted.backoff, noted.attempts.saturating_add(1));
                    let noted = Noted { attempts, ..noted };
                    self.insert(Arc::clone(&target), noted, later(ALONE_WAIT));
                    return Some((target, backoff));
                }
            }
        }
        None
    }

    /// Whether a marker that is due waits for a request to come back.
    fn stays(&self, way: Way, is_failing: bool) -> bool {
        way == Way::NoPlace && !(self.is_stopping && is_failing)
    }

    /// The stream has no batch any more; how its attempts went.
    pub(super) fn left_alone(&mut self, target: &Arc<Target>, backoff: Backoff, now: Instant) {
        let Some(noted) = self.noted.get_mut(target) else { return };
        noted.backoff = backoff;
        if backoff.failures() == 0 {
            noted.attempts = 0;
        }
        if self.is_stopping {
            self.look_now(target, now);
        }
    }

    fn look_now(&mut self, target: &Arc<Target>, now: Instant) {
        if let Some(noted) = self.remove(target) {
            self.insert(Arc::clone(target), noted, now);
        }
    }

    /// When [`Markers::next_alone`] is worth asking.
    pub(super) fn wake_at(&self, way: impl Fn(&Arc<Target>, bool) -> Way) -> Option<Instant> {
        let stays = |target: &Arc<Target>| {
            let is_failing = self.noted.get(target).is_some_and(Noted::is_failing);
            self.stays(way(target, is_failing), is_failing)
        };
        self.agenda.iter().find(|(_, target)| !stays(target)).map(|((due, _), _)| *due)
    }

    /// The process stops: markers wait for nothing but a place.
    pub(super) fn stop(&mut self, now: Instant) {
        self.is_stopping = true;
        let targets: Vec<_> = self.uses.values().cloned().collect();
        targets.iter().for_each(|target| self.look_now(target, now));
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        let Self { is_on, streams_max, is_stopping, .. } = *self;
        *self = Self { is_on, streams_max, is_stopping, ..Self::default() };
    }

    /// When a stream is looked at again after something happened to it.
    fn due(&self, noted: &Noted, now: Instant) -> Instant {
        if self.is_stopping {
            return now;
        }
        let due = now.checked_add(ALONE_WAIT);
        [due, noted.free_at(), noted.rests_until].into_iter().flatten().max().unwrap_or(now)
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
        if self.noted.len() > self.streams_max
            && let Some((_, least)) = self.uses.pop_first()
        {
            self.remove(&least);
        }
    }
}

#[cfg(test)]
mod tests {
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

    const ALONE: fn(&Arc<Target>, bool) -> Way = |_, _| Way::Alone;

    fn alone(markers: &mut Markers, now: Instant, way: Way) -> Option<Arc<Target>> {
        markers.next_alone(now, |_, _| way).map(|(target, _)| target)
    }

    fn records(mishaps: &Mishaps) -> u64 {
        mishaps.iter().map(|(_, extent)| extent.records).sum()
    }

    #[test]
    fn a_stream_is_told_at_once_and_then_no_more_often_than_the_interval() {
        let (mut markers, now, stream) =
            (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now(), target(0));
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
        let (mut markers, now, stream) =
            (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now(), target(0));
        markers.note(&stream, one(), now);
        let due = now + ALONE_WAIT;
        assert_eq!(markers.wake_at(ALONE), Some(due));
        assert_eq!(alone(&mut markers, due - Duration::from_nanos(1), Way::Alone), None);
        assert_eq!(alone(&mut markers, due, Way::WithBatch), None);
        assert!(markers.wake_at(ALONE) > Some(due), "nobody asks in vain");
        assert_eq!(alone(&mut markers, due + ALONE_WAIT, Way::Alone), Some(stream));
    }

    #[test]
    fn a_process_that_stops_has_its_markers_go_alone_as_soon_as_their_streams_have_no_batches() {
        let (mut markers, now, stream) =
            (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now(), target(0));
        markers.told(&stream, now);
        markers.note(&stream, one(), now);
        markers.stop(now);
        assert_eq!(alone(&mut markers, now, Way::WithBatch), None);
        assert!(markers.wake_at(ALONE) > Some(now), "nobody asks in vain");
        markers.left_alone(&stream, Backoff::default(), now);
        assert_eq!(alone(&mut markers, now, Way::Alone), Some(Arc::clone(&stream)));
        assert_eq!(records(&markers.take(&stream, now)), 1);
    }

    #[test]
    fn streams_are_forgotten_least_lately_used_first_beyond_the_most() {
        let (mut markers, now) = (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now());
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
        let (mut markers, now, stream) =
            (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now(), target(0));
        markers.told(&stream, now);
        assert_eq!(alone(&mut markers, now + MARKER_INTERVAL, Way::Alone), None);
        assert!(markers.noted.is_empty() && markers.wake_at(ALONE).is_none());
    }

    #[test]
    fn a_stream_that_cannot_be_told_is_tried_less_often_and_then_not_alone() {
        let (mut markers, mut now, stream) =
            (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now(), target(0));
        let (mut backoff, mut chance) = (Backoff::default(), fastrand::Rng::with_seed(7));
        markers.note(&stream, one(), now);
        for attempt in 0..ALONE_ATTEMPTS_MAX {
            let due = markers.wake_at(ALONE).expect("it is to be told");
            assert!(due >= now + ALONE_WAIT, "{attempt}");
            now = due;
            assert_eq!(alone(&mut markers, now, Way::Alone).as_ref(), Some(&stream));
            let mishaps = markers.take(&stream, now);
            let wait = backoff.fail(&mut chance);
            markers.not_told(&stream, mishaps, wait, now);
            markers.left_alone(&stream, backoff, now);
            assert!(markers.wake_at(ALONE) >= Some(now + wait), "{attempt}");
        }
        for _ in 0..100 {
            now = markers.wake_at(ALONE).expect("it is remembered");
            assert_eq!(alone(&mut markers, now, Way::Alone), None);
        }
        assert_eq!(records(&markers.take(&stream, now)), 1, "its next batch tells it");
        markers.note(&stream, one(), now);
        markers.stop(now);
        assert_eq!(alone(&mut markers, now, Way::Alone), None);
        assert!(markers.is_empty(), "a stop does not wait for it");
    }

    #[test]
    fn a_marker_without_a_place_wakes_nobody_and_keeps_no_other_from_going() {
        let (mut markers, now) = (Markers::new(true, MARKED_STREAMS_MAX), crate::clock::now());
        let (mut failed, mut chance) = (Backoff::default(), fastrand::Rng::with_seed(7));
        failed.fail(&mut chance);
        for stream in 0..3 {
            markers.note(&target(stream), one(), now);
        }
        (0..2).for_each(|stream| markers.left_alone(&target(stream), failed, now));
        let of_healthy = |_: &Arc<Target>, is_failing| match is_failing {
            true => Way::NoPlace,
            false => Way::Alone,
        };
        let due = now + ALONE_WAIT;
        let next = |markers: &mut Markers, now| markers.next_alone(now, of_healthy);
        assert_eq!(next(&mut markers, due).map(|(target, _)| target), Some(target(2)));
        assert!(next(&mut markers, due).is_none());
        assert_eq!(markers.wake_at(of_healthy), Some(due + ALONE_WAIT), "the one that went");
        assert_eq!(alone(&mut markers, due, Way::Alone), Some(target(0)));
        assert!(!markers.take(&target(0), due).is_empty());
        assert!(!markers.take(&target(2), due).is_empty());
        markers.stop(due);
        assert!(next(&mut markers, due).is_none());
        assert!(markers.is_empty(), "a stop waits for no place among those that fail");
    }

    #[test]
    fn nothing_is_noted_where_markers_are_off() {
        let (mut markers, now) = (Markers::new(false, MARKED_STREAMS_MAX), crate::clock::now());
        markers.note(&target(0), one(), now);
        assert!(markers.is_empty() && markers.wake_at(ALONE).is_none());
    }
}

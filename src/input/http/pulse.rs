//! Whether a connection lives: when something was heard of it last, and whether it is being served.
//! Pure.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The life of one connection. Its lock is held for a few instructions, on one thread.
#[derive(Debug)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug)]
struct State {
    last: Instant,
    requests: usize,
}

impl Pulse {
    pub(super) const fn new(now: Instant) -> Self {
        Self(Mutex::new(State { last: now, requests: 0 }))
    }

    /// Bytes went in or out.
    pub(super) fn beat(&self, now: Instant) {
        self.state().last = now;
    }

    /// A request is being served: its silence is looked after by whoever reads its body.
    pub(super) fn begin(&self) {
        self.state().requests += 1;
    }

    /// A request was served.
    pub(super) fn end(&self, now: Instant) {
        let mut state = self.state();
        state.requests = state.requests.saturating_sub(1);
        state.last = now;
    }

    /// Since when nothing was heard; `None`: a request is being served.
    pub(super) fn quiet_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.requests == 0).then_some(state.last)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_connection_is_quiet_from_its_last_sign_of_life_and_never_while_it_is_served() {
        let start = crate::clock::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let pulse = Pulse::new(start);
        pulse.beat(at(1));
        assert_eq!(pulse.quiet_since(), Some(at(1)));
        pulse.begin();
        pulse.begin();
        pulse.end(at(2));
        assert_eq!(pulse.quiet_since(), None);
        pulse.end(at(3));
        assert_eq!(pulse.quiet_since(), Some(at(3)));
    }
}

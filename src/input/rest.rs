//! The reading thread's short rests, in which lines gather.
//!
//! Docker's driver writes each line by itself. A reader that is woken for each costs more than the
//! reading: a switch of threads for the reader, and the wake-up in the middle of the driver's own
//! write, which then falls behind its container and throws its queue away when that exits. A rest
//! that is short beside the time in which a unix socket's buffer fills (about 200 lines) makes one
//! wake-up of many. It only follows a pass that read something: an idle thread sleeps in the
//! kernel, undisturbed.

use std::cell::Cell;
use std::time::Duration;

/// A pass that read this much is followed by the next at once: the senders are fast.
const PASS_BYTES_MAX: usize = 16 * 1_024;
/// How long a rest is.
const REST: Duration = Duration::from_micros(100);

thread_local! {
    static PASS_BYTES: Cell<usize> = const { Cell::new(0) };
}

/// Notes what was read on this thread.
pub(super) fn read(bytes: usize) {
    PASS_BYTES.set(PASS_BYTES.get().saturating_add(bytes));
}

/// Rests if there is reason to. To be called by the reading thread's runtime before it parks.
#[expect(clippy::disallowed_methods, reason = "the thread has nothing else to do, see above")]
pub fn before_park() {
    let bytes = PASS_BYTES.replace(0);
    if bytes > 0 && bytes < PASS_BYTES_MAX {
        std::thread::sleep(REST);
    }
}

//! Panics on the threads of simulations: tasks hide theirs, and these belong to a seed.

use std::cell::{Cell, RefCell};
use std::panic;
use std::sync::Once;

thread_local! {
    /// Whether what panics is none of the seed's.
    static IGNORES: Cell<bool> = const { Cell::new(false) };
    /// What panicked first on this thread; `None`: this thread is not watched.
    static FIRST: RefCell<Option<Option<String>>> = const { RefCell::new(None) };
}

/// Watches this thread from now on.
pub(super) fn watch() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let is_watched = FIRST.with_borrow_mut(|first| {
                let Some(first) = first else { return false };
                if IGNORES.get() {
                    return true;
                }
                first.get_or_insert_with(|| {
                    format!("{info}\n{}", std::backtrace::Backtrace::capture())
                });
                true
            });
            if !is_watched {
                before(info);
            }
        }));
    });
    IGNORES.set(false);
    FIRST.set(Some(None));
}

/// Panics from now on are none of the seed's.
pub(super) fn ignore() {
    IGNORES.set(true);
}

/// They are again.
pub(super) fn watch_again() {
    IGNORES.set(false);
}

/// What panicked first since then, if anything did; the thread is not watched any longer.
pub(super) fn taken() -> Option<String> {
    FIRST.take().flatten()
}

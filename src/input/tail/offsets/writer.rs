//! The thread that writes offsets: all that changed, in one transaction, at most ten a second.
//!
//! Nobody waits for it: what changes while it writes, or while it cannot, is in the table.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::database::Database;
use super::head::{Head, Sight};
use super::table::{Change, Table};
use crate::clock;

/// From the start of a transaction to that of the next: an outcome is stored no later than this after
/// it is known.
pub(super) const PERIOD: Duration = Duration::from_millis(100);
/// How long to wait until what could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How long to sleep where nothing is to be done: any time will do.
const LONG: Duration = Duration::from_secs(3_600);

/// What handles, marks and the thread share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    inner: Mutex<Inner>,
    wake: Condvar,
}

/// Held for moments only: never while something is read or written.
#[derive(Debug, Default)]
pub(super) struct Inner {
    pub(super) table: Table,
    /// Files of the database that nobody has met are to be looked for.
    is_scanned: bool,
    /// No handle and no mark is left.
    is_closed: bool,
}

impl Shared {
    pub(super) fn new(table: Table) -> Self {
        let inner = Inner { table, ..Inner::default() };
        Self { inner: Mutex::new(inner), wake: Condvar::new() }
    }

    pub(super) fn table(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked was in a test: the table is whole between its calls.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to write.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) fn scanned(&self) {
        self.table().is_scanned = true;
        self.wake();
    }

    pub(super) fn close(&self) {
        self.table().is_closed = true;
        self.wake();
    }

    /// Waits for something to do, and until it is due. `None`: all is done.
    fn work(&self, due: Option<Instant>) -> Option<Work> {
        let mut inner = self.table();
        loop {
            let is_work = inner.table.is_dirty() || inner.is_scanned;
            if inner.is_closed && !is_work {
                return None;
            }
            let wait =
                due.map_or(Duration::ZERO, |due| due.saturating_duration_since(clock::now()));
            if is_work && (inner.is_closed || wait.is_zero()) {
                break;
            }
            // With nothing to do there is no end to the wait but a call.
            let wait = if is_work { wait } else { LONG };
            let waited = self.wake.wait_timeout(inner, wait);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        let unmet = match std::mem::take(&mut inner.is_scanned) {
            true => inner.table.unmet(),
            false => Vec::new(),
        };
        Some(Work { unmet, changes: inner.table.take(), is_last: inner.is_closed })
    }
}

/// What is to be done at once.
struct Work {
    unmet: Vec<(u64, PathBuf, u64)>,
    changes: Vec<Change>,
    /// There will be no other time.
    is_last: bool,
}

/// Writes until nobody is left who could have something to write.
pub(super) fn run(mut database: Database, shared: &Shared, path: &Path) {
    let (mut due, mut is_failing) = (None, false);
    while let Some(mut work) = shared.work(due) {
        let now = clock::now();
        forget_gone(shared, work.unmet);
        work.changes.iter_mut().for_each(look_again);
        let created = i64::try_from(clock::unix_now().as_secs()).unwrap_or(i64::MAX);
        let written = database.write(&work.changes, created);
        let mut inner = shared.table();
        match written {
            Ok(ids) => {
                let changes = work.changes.iter().zip(ids);
                changes.for_each(|(change, id)| inner.table.written(change, id));
                drop(inner);
                if std::mem::take(&mut is_failing) {
                    tracing::info!("{} can be written again", path.display());
                }
            }
            Err(error) => {
                work.changes.iter().for_each(|change| inner.table.failed(change));
                drop(inner);
                if !std::mem::replace(&mut is_failing, true) {
                    let path = path.display();
                    tracing::error!("cannot write {path}, offsets are kept in memory: {error}");
                }
                if work.is_last {
                    let files = work.changes.len();
                    tracing::error!(
                        "offsets of {files} files are not stored: read again next time"
                    );
                    return;
                }
            }
        }
        due = now.checked_add(if is_failing { RETRY } else { PERIOD });
    }
}

/// Removes files of the database that nobody has met and that are not there any more.
fn forget_gone(shared: &Shared, unmet: Vec<(u64, PathBuf, u64)>) {
    for (key, path, inode) in unmet {
        let is_there = std::fs::metadata(&path).is_ok_and(|found| found.ino() == inode);
        if !is_there {
            shared.table().table.forget_unmet(key);
        }
    }
}

/// Looks at the start of a file again that was too short for a whole fingerprint. One that is under
/// another name by now keeps what is known of it.
fn look_again(change: &mut Change) {
    let Some(content) = &mut change.to else { return };
    if !content.head.is_short() || content.offset <= content.head.bytes as u64 {
        return;
    }
    if let Ok(sight) = Sight::of_path(&content.name)
        && sight.inode == content.inode
        && content.device == Some(sight.device)
        && content.head.fits(&sight.start)
    {
        content.head = Head::of(&sight.start);
    }
}

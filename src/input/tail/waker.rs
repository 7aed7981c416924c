//! Step 1, input: tells when something was written to a folder, where the system can.
//!
//! inotify only wakes the reader earlier than its next look: files on network drives, which it does
//! not see, are read all the same. Folders are watched, not files: there are fewer of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use inotify::{Inotify, WatchDescriptor, WatchMask};
use tokio::io::unix::AsyncFd;

/// Most folders that are watched, inclusive; each takes memory of the system.
const FOLDERS_MAX: usize = 1_000;
/// Bytes of events that are read at once.
const EVENTS_BYTES: usize = 16 * 1_024;

/// Watches folders.
#[derive(Debug)]
pub struct Waker {
    inotify: Option<AsyncFd<Inotify>>,
    folders: BTreeMap<PathBuf, WatchDescriptor>,
}

impl Waker {
    /// Wakes nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self { inotify: None, folders: BTreeMap::new() }
    }

    /// Asks the system.
    ///
    /// # Errors
    ///
    /// The system has no inotify, or no more of it.
    #[expect(deprecated, reason = "the other way is unsafe; what is asked owns its descriptor")]
    pub fn new() -> io::Result<Self> {
        let inotify = AsyncFd::new(Inotify::init()?)?;
        Ok(Self { inotify: Some(inotify), folders: BTreeMap::new() })
    }

    /// Watches the folders of these files, and no others. What cannot be watched is looked at
    /// as often as without.
    pub fn watch<'a>(&mut self, files: impl Iterator<Item = &'a Path>) {
        let Some(inotify) = &self.inotify else { return };
        let mut before = std::mem::take(&mut self.folders);
        for file in files {
            // The folder of the file that a link leads to.
            let Ok(file) = std::fs::canonicalize(file) else { continue };
            let Some(folder) = file.parent() else { continue };
            if self.folders.contains_key(folder) || self.folders.len() >= FOLDERS_MAX {
                continue;
            }
            let mask = WatchMask::MODIFY | WatchMask::CREATE | WatchMask::MOVED_TO;
            let watch = match before.remove(folder) {
                Some(watch) => Ok(watch),
                None => inotify.get_ref().watches().add(folder, mask),
            };
            match watch {
                Ok(watch) => drop(self.folders.insert(folder.to_owned(), watch)),
                Err(error) => tracing::debug!("cannot watch {}: {error}", folder.display()),
            }
        }
        for (_, watch) in before {
            // It may have gone with its folder.
            let _ = inotify.get_ref().watches().remove(watch);
        }
    }

    /// Returns when something was written; never where nothing is watched.
    pub async fn woken(&mut self) {
        let Some(inotify) = &mut self.inotify else { return std::future::pending().await };
        let Ok(mut ready) = inotify.readable_mut().await else {
            return std::future::pending().await;
        };
        let mut events = [0; EVENTS_BYTES];
        // What the events say is seen at the look that follows.
        while ready
            .get_inner_mut()
            .read_events(&mut events)
            .is_ok_and(|mut found| found.next().is_some())
        {}
        ready.clear_ready();
    }
}

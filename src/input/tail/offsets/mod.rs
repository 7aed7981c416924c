//! Step 1, input: how far each followed file has its outcome, kept in a database.
//!
//! [`Tracked`] makes a [`Mark`] for every chunk of a file; when its records have their outcome, the
//! file's longest prefix without a gap is committed ([`prefix`]). [`table`] keeps the newest offset of
//! each file, and a thread of its own ([`writer`]) puts what changed into the [`database`]. So a
//! process that is killed reads again what had no outcome, and loses nothing. Must not know how files
//! are found and read.

mod database;
mod head;
mod prefix;
mod settings;
mod table;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use tokio::sync::watch;

use crate::ledger::{Mark, Marked};
use database::Database;
use head::Sight;
pub use settings::{Durability, JournalMode, Settings};
pub use table::Known;
use table::Table;
use writer::Shared;

/// The offsets of one input, of a database or of none. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Offsets(Option<Open>);

/// One followed file. Let go of without [`removed`](Self::removed), its offset stays known.
#[derive(Debug)]
pub struct Tracked(Option<Arc<Followed>>);

/// Tells when all that was to be stored is stored.
#[derive(Clone, Debug)]
pub struct Ended(watch::Receiver<()>);

/// Why a database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Where it should be there is no directory.
    #[error(
        "cannot open the database {path}: there is no directory {folder}; make it, or change db"
    )]
    NoFolder {
        /// The database.
        path: PathBuf,
        /// Its directory.
        folder: PathBuf,
    },
    /// Somebody else has it.
    #[error(
        "the database {path} is locked by another process; end that one, or give each a db of its own"
    )]
    Locked {
        /// The database.
        path: PathBuf,
    },
    /// It is no database, or not any more.
    #[error(
        "{path} is damaged or no SQLite database; remove it, and files are read as if they were new"
    )]
    Damaged {
        /// The database.
        path: PathBuf,
    },
    /// Anything else.
    #[error("cannot use the database {path}: {source}")]
    Sqlite {
        /// The database.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// No thread for it.
    #[error("cannot start the thread that stores offsets")]
    Thread(#[from] io::Error),
}

#[derive(Clone, Debug)]
struct Open {
    handle: Arc<Handle>,
    ended: Ended,
}

/// Held by all that can change an offset, which marks can too.
#[derive(Debug)]
struct Handle(Arc<Shared>);

#[derive(Debug)]
struct Followed {
    handle: Arc<Handle>,
    key: u64,
}

impl Offsets {
    /// Opens the database, reads what it knows, and starts the thread that writes it. Waits for the
    /// disk, and for another process half a second.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which names the file and what to do.
    pub fn open(settings: &Settings) -> Result<Self, OpenError> {
        let database = Database::open(settings)?;
        let rows = database.rows(&settings.path)?;
        let shared = Arc::new(Shared::new(Table::new(rows, settings.compare_filename)));
        let (end, ended) = watch::channel(());
        let (theirs, path) = (Arc::clone(&shared), settings.path.clone());
        let thread = thread::Builder::new().name("firelane-offset".to_owned());
        thread.spawn(move || {
            writer::run(database, &theirs, &path);
            drop(end);
        })?;
        Ok(Self(Some(Open { handle: Arc::new(Handle(shared)), ended: Ended(ended) })))
    }

    /// No database: nothing is known, and nothing kept.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// What is known of the file. Looks at its first bytes; does not move its position.
    ///
    /// # Errors
    ///
    /// The operating system's: the file cannot be read.
    pub fn find(&self, name: &Path, inode: u64, file: &File) -> io::Result<Known> {
        let Some(open) = &self.0 else { return Ok(Known::Unknown) };
        let sight = Sight { inode, ..Sight::of(file)? };
        Ok(open.handle.0.table().table.find(name, &sight))
    }

    /// Follows a file, all of which before `offset` is done with.
    #[must_use]
    pub fn track(&self, name: &Path, inode: u64, file: &File, offset: u64) -> Tracked {
        let Some(open) = &self.0 else { return Tracked(None) };
        // A file that cannot be looked at is followed without a fingerprint.
        let sight = Sight::of(file).map(|sight| Sight { inode, ..sight });
        let sight = sight.unwrap_or_else(|_| Sight::unseen(inode, offset));
        let handle = Arc::clone(&open.handle);
        let key = handle.0.table().table.track(name, &sight, offset);
        handle.0.wake();
        Tracked(Some(Arc::new(Followed { handle, key })))
    }

    /// All files that are there at the start are followed now: what the database knows besides, and
    /// is not there any more, is removed.
    pub fn scanned(&self) {
        if let Some(open) = &self.0 {
            open.handle.0.scanned();
        }
    }

    /// Tells when all is stored, which is after every clone, every file and every mark has gone.
    #[must_use]
    pub fn ended(&self) -> Ended {
        match &self.0 {
            Some(open) => open.ended.clone(),
            None => Ended(watch::channel(()).1),
        }
    }

    /// Lets go, and waits until all is stored: until the last mark has gone, so not before outputs
    /// are done.
    pub async fn close(self) {
        let ended = self.ended();
        drop(self);
        ended.wait().await;
    }
}

impl Tracked {
    /// A mark for the chunk whose last byte ends at `end`. Marks are made in the order of the file.
    pub fn mark(&mut self, end: u64) -> Mark {
        let Some(followed) = &self.0 else { return Mark::none() };
        let number = followed.handle.0.table().table.mark(followed.key, end);
        Mark::new(Arc::clone(followed) as Arc<dyn Marked>, number)
    }

    /// Bytes up to `end` became no record.
    pub fn passed(&mut self, end: u64) {
        self.change(|table, key| table.passed(key, end));
    }

    /// The file has another name.
    pub fn renamed(&mut self, name: &Path) {
        self.change(|table, key| table.renamed(key, name));
    }

    /// The file was cut: it starts anew at 0, and marks made before do not count.
    pub fn truncated(&mut self) {
        self.change(Table::truncated);
    }

    /// The file is gone: so is its offset.
    pub fn removed(self) {
        self.change(Table::removed);
    }

    fn change(&self, what: impl FnOnce(&mut Table, u64) -> bool) {
        if let Some(followed) = &self.0 {
            followed.change(what);
        }
    }
}

impl Followed {
    fn change(&self, what: impl FnOnce(&mut Table, u64) -> bool) {
        let shared = &self.handle.0;
        let is_first = what(&mut shared.table().table, self.key);
        if is_first {
            shared.wake();
        }
    }
}

impl Marked for Followed {
    fn ended(&self, number: u64) {
        self.change(|table, key| table.ended(key, number));
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(followed) = &self.0 {
            followed.handle.0.table().table.left(followed.key);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Ended {
    /// Waits for it.
    pub async fn wait(mut self) {
        // Nothing is ever sent: the other end goes with the thread, however that ends.
        while self.0.changed().await.is_ok() {}
    }
}

//! Step 1, input: which files are followed, and whose turn it is.
//!
//! Looks at paths and sizes when it is told to, and reads one piece of one file a turn, so that a
//! large file keeps nobody waiting. Blocks while it reads; the time is an argument. Must not know
//! who waits for memory or how records go on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::begin;
use super::followed::{Batch, Followed, Id, Leads, modified};
use super::lines::{Lines, Now, Out};
use super::offsets::{Ended, Offsets};
use super::past::Pasts;
use super::paths::Found;
use super::plan::Plan;
use crate::telemetry::InputCounters;

/// Most paths of which it was said that they cannot be read, inclusive.
const TOLD_MAX: usize = 1_000;
/// Memory of the read buffer beyond a piece is given back when a line was longer than this.
const BUFFER_KEPT_BYTES: usize = 1_024 * 1_024;

/// The files of one input.
#[derive(Debug)]
pub struct Set {
    plan: Plan,
    offsets: Offsets,
    counters: Arc<InputCounters>,
    files: Vec<Followed>,
    /// Whose turn it is.
    next: usize,
    scanned: Option<Instant>,
    /// Their places in `files`.
    places: BTreeMap<Id, usize>,
    /// Those that are not followed now.
    pasts: Pasts,
    /// Counts files that came or went.
    changes: u64,
    /// Files that the last scan met.
    met: BTreeSet<Id>,
    /// Paths of which it was said that they cannot be read.
    told: BTreeSet<PathBuf>,
    /// It was said that there are more files than may be open.
    is_full: bool,
    buffer: Vec<u8>,
    out: Out,
    /// What files had left when they were closed.
    ready: VecDeque<Batch>,
}

/// How a file came to be followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Finding {
    /// It was there at the start.
    First,
    /// It was found later.
    Later,
    /// It took the place of one that was followed.
    Successor,
}

impl Set {
    /// Follows nothing yet.
    #[must_use]
    pub fn new(plan: Plan, offsets: Offsets, counters: Arc<InputCounters>) -> Self {
        Self {
            plan,
            offsets,
            counters,
            files: Vec::new(),
            next: 0,
            scanned: None,
            places: BTreeMap::new(),
            pasts: Pasts::default(),
            changes: 0,
            met: BTreeSet::new(),
            told: BTreeSet::new(),
            is_full: false,
            buffer: Vec::new(),
            out: Out::default(),
            ready: VecDeque::new(),
        }
    }

    /// The files that are followed.
    #[must_use]
    pub fn files(&self) -> &[Followed] {
        &self.files
    }

    /// Tells when all offsets are stored.
    #[must_use]
    pub fn stored(&self) -> Ended {
        self.offsets.ended()
    }

    /// How many files came or went.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Looks at all files, and at the paths when that is due.
    pub fn look(&mut self, now: Now) {
        let refresh = self.plan.refresh;
        let is_due = |scanned| now.at.saturating_duration_since(scanned) >= refresh;
        self.look_at(now, self.scanned.is_none_or(is_due));
    }

    /// Looks at all files and paths: what comes after that is nothing to us.
    pub fn last_look(&mut self, now: Now) {
        self.look_at(now, true);
    }

    fn look_at(&mut self, now: Now, is_scan_due: bool) {
        let (mut successors, mut has_rotated, mut broken) = (Vec::new(), false, Vec::new());
        for at in 0..self.files.len() {
            let Some(file) = self.files.get_mut(at) else { break };
            let was_there = file.rotated().is_none();
            match file.look(now.at, &mut self.out) {
                Ok(Leads::There) => {}
                Ok(leads) => {
                    has_rotated |= was_there;
                    if leads == Leads::Elsewhere {
                        successors.push(file.path().to_owned());
                    }
                }
                Err(error) => {
                    tracing::warn!("{}: {error}; it is closed", file.path().display());
                    broken.push(at);
                }
            }
            if !self.out.records.is_empty() {
                let cut = self.batch(at);
                self.ready.extend(cut);
            }
        }
        for at in broken.into_iter().rev() {
            self.leave(at);
        }
        for path in successors {
            self.find(path, Finding::Successor, now);
        }
        // Of a file that was rotated, the new name may be one that is followed, too.
        if has_rotated || is_scan_due {
            self.scan(now);
        }
        self.close(now);
    }

    /// Bytes of memory that the next turn needs. `None`: all files are read to their ends.
    #[must_use]
    pub fn needs(&self) -> Option<usize> {
        let file = self.files.get(self.whose_turn()?)?;
        file.needs(self.plan.piece, self.plan.rules.line_bytes_max)
    }

    /// Reads one piece of one file.
    pub fn turn(&mut self, now: Now) -> Option<Batch> {
        let at = self.whose_turn()?;
        let (piece, most) = (self.plan.piece, self.plan.rules.line_bytes_max);
        let file = self.files.get_mut(at)?;
        let position = file.cursor().position();
        let done = file.turn(piece, most, &mut self.buffer, now, &mut self.out);
        self.counters.bytes.add(file.cursor().position().saturating_sub(position));
        self.next = at + 1;
        if self.buffer.capacity() > BUFFER_KEPT_BYTES {
            self.buffer = Vec::new();
        }
        let batch = self.batch(at);
        if let Err(error) = done {
            let path = self.files.get(at).map(|file| file.path().display().to_string());
            tracing::warn!("{}: {error}; it is closed", path.unwrap_or_default());
            self.leave(at);
        }
        batch
    }

    /// Lines that have waited long enough for the next one, and what closed files had left.
    pub fn expired(&mut self, now: Instant) -> Option<Batch> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        let is_due = |file: &Followed| file.wakes_at().is_some_and(|at| at <= now);
        loop {
            let at = self.files.iter().position(is_due)?;
            self.files.get_mut(at)?.expired(now, &mut self.out);
            if let Some(batch) = self.batch(at) {
                return Some(batch);
            }
        }
    }

    /// Lines that wait for the next one, when no more are waited for.
    pub fn end(&mut self) -> Option<Batch> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        loop {
            let at = self.files.iter().position(|file| file.wakes_at().is_some())?;
            self.files.get_mut(at)?.end(&mut self.out);
            if let Some(batch) = self.batch(at) {
                return Some(batch);
            }
        }
    }

    /// When [`Self::expired`] is to be called.
    #[must_use]
    pub fn wakes_at(&self) -> Option<Instant> {
        self.files.iter().filter_map(Followed::wakes_at).min()
    }

    /// Bytes of all lines that wait for the next one.
    #[must_use]
    pub fn waiting_bytes(&self) -> usize {
        self.files.iter().map(Followed::waiting_bytes).sum()
    }

    fn whose_turn(&self) -> Option<usize> {
        if let Some(first) = self.files.iter().position(Followed::goes_first) {
            return Some(first);
        }
        let (before, from) = self.files.split_at_checked(self.next).unwrap_or((&self.files, &[]));
        let later = from.iter().position(Followed::is_behind).map(|at| at + self.next);
        later.or_else(|| before.iter().position(Followed::is_behind))
    }

    /// What came out for the file, and counts what was odd.
    fn batch(&mut self, at: usize) -> Option<Batch> {
        let file = self.files.get_mut(at)?;
        for reason in self.out.odd.drain(..) {
            self.counters.odd(reason, 1);
        }
        if let Some((start, bytes)) = self.out.long.take()
            && file.tells()
        {
            let path = file.path().display();
            let most = self.plan.rules.line_bytes_max;
            tracing::warn!(
                "{path}: the line at byte {start} is {bytes} bytes long and left out, as all beyond \
                 Buffer_Max_Size ({most}) are; raise it, set Truncate_Long_Lines to have their start, \
                 or Skip_Long_Lines to have this not said"
            );
        }
        let batch = file.batch(&mut self.out)?;
        self.counters.records.add(batch.tagged.entries.len() as u64);
        Some(batch)
    }

    /// Looks for files that are not followed yet.
    fn scan(&mut self, now: Now) {
        let finding = if self.scanned.is_none() { Finding::First } else { Finding::Later };
        self.scanned = Some(now.at);
        let mut found = Found::default();
        self.plan.walks.iter().for_each(|walk| walk.walk(&mut found));
        if found.is_cut && self.told.insert(PathBuf::new()) {
            let input = &self.counters.name;
            let most = found.paths.len();
            tracing::warn!(
                "{input}: more files than are followed; the first {most} are, narrow Path"
            );
        }
        self.met.clear();
        for path in found.paths {
            self.find(path, finding, now);
        }
        if !found.is_cut {
            self.pasts.keep(&self.met);
        }
        // What could not be opened may be known, and is tried again.
        if finding == Finding::First && self.told.is_empty() && !self.is_full {
            self.offsets.scanned();
        }
    }

    /// Follows what is at the path, unless it is followed already or not to be.
    fn find(&mut self, path: PathBuf, finding: Finding, now: Now) {
        if self.plan.excluded.holds(&path) {
            return;
        }
        let Ok(metadata) = std::fs::metadata(&path) else { return };
        if !metadata.is_file() {
            return;
        }
        let id = Id::of(&metadata);
        self.met.insert(id);
        if let Some(at) = self.places.get(&id) {
            if let Some(file) = self.files.get_mut(*at)
                && file.rotated().is_some()
                && file.path() != path
            {
                file.renamed(&path);
            }
            return;
        }
        if self.plan.is_too_old(modified(&metadata), now.time) {
            return self.pasts.too_old(id, metadata.len());
        }
        if self.files.len() >= self.plan.files_max {
            if !std::mem::replace(&mut self.is_full, true) {
                let (input, most) = (&self.counters.name, self.plan.files_max);
                tracing::warn!(
                    "{input}: {most} files are followed, as many as the limit of open files allows; \
                     others wait for one that is closed; raise the limit (nofile), or narrow Path"
                );
            }
            return;
        }
        if let Err(error) = self.open(&path, finding)
            && self.told.len() < TOLD_MAX
            && self.told.insert(path.clone())
        {
            let path = path.display();
            tracing::warn!("{path}: {error}; it is tried again every Refresh_Interval");
        }
    }

    fn open(&mut self, path: &Path, finding: Finding) -> io::Result<()> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let id = Id::of(&metadata);
        // Another file may be there by now.
        if self.places.contains_key(&id) {
            return Ok(());
        }
        let from_head = match finding {
            Finding::First => self.plan.from_head,
            Finding::Later => self.plan.from_head || self.plan.later_from_head,
            Finding::Successor => true,
        };
        let known = || self.offsets.find(path, id.inode, &file);
        let cursor = begin::cursor((&file, metadata.len()), self.pasts.of(id), known, from_head)?;
        let tracked = self.offsets.track(path, id.inode, &file, cursor.position());
        let tag = self.plan.tagging.tag(path);
        let name = path.as_os_str().as_encoded_bytes();
        let lines = Lines::new(Arc::clone(&self.plan.rules), name);
        let file = (path.to_owned(), file, &metadata);
        let mut followed = Followed::new(file, tag, lines, cursor, (tracked, self.offsets.clone()));
        tracing::debug!(
            "{} is followed from byte {}",
            path.display(),
            followed.cursor().position()
        );
        followed.sized(metadata.len(), &mut self.out);
        self.pasts.forget(id);
        self.places.insert(id, self.files.len());
        self.files.push(followed);
        self.changes += 1;
        self.told.remove(path);
        Ok(())
    }

    /// Closes files that were rotated long enough ago, and those that are too old.
    fn close(&mut self, now: Now) {
        let wait = self.plan.rotate_wait;
        let is_over = |since: Instant| now.at.saturating_duration_since(since) >= wait;
        for at in (0..self.files.len()).rev() {
            let Some(file) = self.files.get_mut(at) else { continue };
            let is_old = self.plan.ends_reading(file.modified(), now.time);
            let is_gone = file.rotated().is_some_and(is_over);
            if file.is_behind() || !(is_gone || is_old) {
                continue;
            }
            if is_gone && file.cursor().is_within_line() {
                file.close_line();
            } else {
                self.leave(at);
            }
        }
    }

    /// Follows the file no longer; remembers how far it was read.
    fn leave(&mut self, at: usize) {
        if let Some(file) = self.files.get_mut(at) {
            file.end(&mut self.out);
        }
        let left = self.batch(at);
        self.ready.extend(left);
        let file = self.files.swap_remove(at);
        self.changes += 1;
        tracing::debug!("{} is closed", file.path().display());
        self.places.remove(&file.id);
        if let Some(moved) = self.files.get(at) {
            self.places.insert(moved.id, at);
        }
        if !file.is_deleted() {
            self.pasts.read(file.id, file.cursor().clone());
        }
        file.close();
    }
}

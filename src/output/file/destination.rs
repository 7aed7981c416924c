//! Which file an event goes to: one for all, one a tag, or one that its fields and its time name.
//!
//! Pure. Must not know what is written there, and whether it can be.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::name;
use super::pattern::{Pattern, Unusable};
use crate::record::template::Scene;
use crate::record::time::EventTime;

/// A file that is unused so long makes room for another: names with times in them are not used again.
const FORGET_AFTER: Duration = Duration::from_secs(4 * 3_600);
/// How exactly it is known when a file was last used, and how often it is looked for unused ones: to
/// write or read all that at each event would cost more than the event.
const USE_GRAIN: Duration = Duration::from_secs(60);

/// Which file an event goes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Destination {
    /// This one.
    Fixed(PathBuf),
    /// One with the name of the tag.
    OfTag {
        /// The folder, else the working directory.
        folder: Option<PathBuf>,
    },
    /// One that fields and times name.
    Named(Box<Named>),
}

/// Names of files with fields and times in them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Named {
    /// The folder, else the working directory.
    pub folder: Option<Pattern>,
    /// The file in it, else the tag.
    pub file: Option<Pattern>,
    /// What becomes of events without a name, or whose name is not safe.
    pub missing: Action,
    /// What becomes of events for one file more than there may be.
    pub beyond: Action,
    /// Most files that are named; `None` for any number.
    pub files_max: Option<usize>,
    /// The files that were named.
    pub known: Known,
}

/// Files that were named, and when each was last used.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Known {
    /// Behind an `Arc`, because an output is cloned for each thing it sends.
    files: Arc<HashMap<PathBuf, Instant>>,
    /// When unused ones were last looked for.
    looked: Option<Instant>,
}

/// What becomes of an event that has no file of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// It is given up, which is an error.
    Refuse,
    /// It is given up as wanted.
    Drop,
    /// It goes to this file.
    Fallback(PathBuf),
}

/// Where an event goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Place {
    /// To this file.
    File(PathBuf),
    /// Nowhere.
    Nowhere(Unplaced),
}

/// Why an event goes nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unplaced {
    /// Its fields give no name.
    #[error("{0}")]
    Unusable(#[from] Unusable),
    /// There are as many files as there may be.
    #[error("max_dynamic_files is reached")]
    TooMany,
}

impl Destination {
    /// The file that all events of a tag go to; `None` where each has one of its own.
    #[must_use]
    pub fn of_tag(&self, tag: &[u8]) -> Option<PathBuf> {
        match self {
            Self::Fixed(path) => Some(path.clone()),
            Self::OfTag { folder } => {
                Some(folder.clone().unwrap_or_default().join(name::of_tag(tag)))
            }
            Self::Named(_) => None,
        }
    }
}

impl Named {
    /// Where this event goes that has not come before.
    pub fn admit(&mut self, time: EventTime, scene: &Scene<'_>, now: Instant) -> Place {
        let path = match self.name(time, scene) {
            Ok(path) => path,
            Err(reason) => return self.missing.place(reason.into()),
        };
        let Some(max) = self.files_max else { return Place::File(path) };
        if self.known.uses(&path, now) || self.known.adds(&path, max, now) {
            return Place::File(path);
        }
        self.beyond.place(Unplaced::TooMany)
    }

    /// Where this event goes that was admitted; the same each time, but that its file may have been
    /// forgotten since: where it would be given up now, it has that file all the same.
    pub fn place(&mut self, time: EventTime, scene: &Scene<'_>, now: Instant) -> Place {
        let path = match self.name(time, scene) {
            Ok(path) => path,
            Err(reason) => return self.missing.place(reason.into()),
        };
        if self.files_max.is_none() || self.known.uses(&path, now) {
            return Place::File(path);
        }
        match &self.beyond {
            Action::Fallback(rest) => Place::File(rest.clone()),
            Action::Refuse | Action::Drop => Place::File(path),
        }
    }

    fn name(&mut self, time: EventTime, scene: &Scene<'_>) -> Result<PathBuf, Unusable> {
        let mut whole = Vec::new();
        if let Some(folder) = &mut self.folder {
            folder.render(time, scene, &mut whole)?;
            if folder.is_dynamic() && !name::is_safe_path(&whole, folder.fixed_bytes()) {
                return Err(Unusable::Unsafe);
            }
            whole.push(b'/');
        }
        match &mut self.file {
            None => whole.extend_from_slice(name::of_tag(scene.tag).as_bytes()),
            Some(file) => {
                let start = whole.len();
                file.render(time, scene, &mut whole)?;
                let name = whole.get(start..).unwrap_or_default();
                if file.is_dynamic() && !name::is_safe_file(name) {
                    return Err(Unusable::Unsafe);
                }
            }
        }
        // Folder and file may each be short enough.
        if !name::is_short(&whole) {
            return Err(Unusable::Unsafe);
        }
        Ok(PathBuf::from(OsString::from_vec(whole)))
    }
}

impl Known {
    /// Whether a file is known. It is used now then.
    fn uses(&mut self, path: &Path, now: Instant) -> bool {
        let Some(used) = self.files.get(path) else { return false };
        if now.saturating_duration_since(*used) >= USE_GRAIN
            && let Some(used) = Arc::make_mut(&mut self.files).get_mut(path)
        {
            *used = now;
        }
        true
    }

    /// Adds a file, if there is room or one has not been used for long.
    fn adds(&mut self, path: &Path, max: usize, now: Instant) -> bool {
        let is_looked = |looked| now.saturating_duration_since(looked) < USE_GRAIN;
        if self.files.len() >= max && !self.looked.is_some_and(is_looked) {
            self.looked = Some(now);
            let is_in_use = |used: &Instant| now.saturating_duration_since(*used) < FORGET_AFTER;
            if !self.files.values().all(is_in_use) {
                Arc::make_mut(&mut self.files).retain(|_, used| is_in_use(used));
            }
        }
        let has_room = self.files.len() < max;
        if has_room {
            Arc::make_mut(&mut self.files).insert(path.to_owned(), now);
        }
        has_room
    }
}

impl Action {
    fn place(&self, reason: Unplaced) -> Place {
        match self {
            Self::Refuse | Self::Drop => Place::Nowhere(reason),
            Self::Fallback(path) => Place::File(path.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    /// `{"app": "web", "bad": "..", "n": 5}`
    const RECORD: &[u8] = b"\x83\xa3app\xa3web\xa3bad\xa2..\xa1n\x05";

    fn named(folder: Option<&str>, file: Option<&str>) -> Named {
        let pattern = |text: &str| Pattern::parse(text, true).expect("a pattern");
        Named {
            folder: folder.map(pattern),
            file: file.map(pattern),
            missing: Action::Refuse,
            beyond: Action::Fallback("/f/rest".into()),
            files_max: Some(2),
            known: Known::default(),
        }
    }

    fn place(named: &mut Named, tag: &str, seconds: i64) -> Place {
        place_at(named, tag, seconds, clock::now())
    }

    fn place_at(named: &mut Named, tag: &str, seconds: i64, now: Instant) -> Place {
        let scene = Scene { tag: tag.as_bytes(), record: RECORD, captures: &[] };
        named.admit(EventTime::from_parts(seconds, 0), &scene, now)
    }

    fn file(path: &str) -> Place {
        Place::File(path.into())
    }

    #[test]
    fn a_destination_without_names_is_one_or_that_of_the_tag() {
        assert_eq!(Destination::Fixed("/a/b".into()).of_tag(b"t"), Some("/a/b".into()));
        let of_tag = |folder: Option<&str>, tag: &str| {
            Destination::OfTag { folder: folder.map(Into::into) }.of_tag(tag.as_bytes())
        };
        assert_eq!(of_tag(Some("/a"), "../t/x y"), Some("/a/_/t/x_y".into()));
        assert_eq!(of_tag(None, "/etc/passwd"), Some("etc/passwd".into()));
    }

    #[test]
    fn fields_tags_and_times_name_folders_and_files() {
        let at = 1_700_000_000;
        assert_eq!(
            place(&mut named(Some("/l/%Y/$app"), Some("$n.%d.log")), "t", at),
            file("/l/2023/web/5.14.log")
        );
        assert_eq!(place(&mut named(Some("/l/$app"), None), "a/../b", at), file("/l/web/a/_/b"));
        assert_eq!(place(&mut named(None, Some("$TAG[1].log")), "a.b", at), file("b.log"));
    }

    #[test]
    fn a_name_that_is_missing_or_leads_elsewhere_is_no_name() {
        let nowhere = |folder, file| match place(&mut named(folder, file), "t/..", 0) {
            Place::Nowhere(Unplaced::Unusable(why)) => why,
            other @ (Place::File(_) | Place::Nowhere(_)) => panic!("{other:?}"),
        };
        assert_eq!(nowhere(Some("/l/$zz"), None), Unusable::Missing);
        assert_eq!(nowhere(Some("/l/$bad"), None), Unusable::Unsafe);
        assert_eq!(nowhere(None, Some("$bad")), Unusable::Unsafe);
        assert_eq!(nowhere(Some("/l"), Some("$TAG")), Unusable::Unsafe);
        let deep = "/xxxxxxx".repeat(511);
        assert_eq!(nowhere(Some(&deep), Some("$TAG[0].2345678")), Unusable::Unsafe);
        let mut fallback = named(Some("/l/$zz"), None);
        fallback.missing = Action::Fallback("/f/x".into());
        assert_eq!(place(&mut fallback, "t", 0), file("/f/x"));
    }

    #[test]
    fn there_are_no_more_files_than_may_be_and_known_ones_stay() {
        let mut named = named(Some("/l"), Some("$TAG.log"));
        assert_eq!(place(&mut named, "a", 0), file("/l/a.log"));
        assert_eq!(place(&mut named, "b", 0), file("/l/b.log"));
        assert_eq!(place(&mut named, "c", 0), file("/f/rest"));
        assert_eq!(place(&mut named, "a", 0), file("/l/a.log"));
        named.beyond = Action::Drop;
        assert_eq!(place(&mut named, "c", 0), Place::Nowhere(Unplaced::TooMany));
        named.files_max = None;
        assert_eq!(place(&mut named, "c", 0), file("/l/c.log"));
        assert_eq!(named.known.files.len(), 2, "nothing is remembered where nothing is bounded");
    }

    #[test]
    fn a_file_that_is_unused_for_hours_makes_room_for_another() {
        let mut named = named(Some("/l"), Some("$TAG.log"));
        let (start, rest) = (clock::now(), file("/f/rest"));
        let mut at = |tag: &str, after| place_at(&mut named, tag, 0, start + after);
        at("a", Duration::ZERO);
        at("b", Duration::ZERO);
        at("b", USE_GRAIN);
        let moment = Duration::from_nanos(1);
        assert_eq!(at("c", FORGET_AFTER - moment), rest);
        assert_eq!(at("c", FORGET_AFTER), rest, "a moment ago none was unused");
        assert_eq!(at("c", FORGET_AFTER - moment + USE_GRAIN), file("/l/c.log"));
        assert_eq!(at("a", FORGET_AFTER - moment + USE_GRAIN), rest, "b is still in use");
    }

    #[test]
    fn an_event_that_was_admitted_has_a_file_even_if_that_was_forgotten_since() {
        let mut named = named(Some("/l"), Some("$TAG.log"));
        named.beyond = Action::Refuse;
        let start = clock::now();
        let late = start + FORGET_AFTER;
        place_at(&mut named, "a", 0, start);
        for tag in ["b", "c", "d"] {
            place_at(&mut named, tag, 0, late);
        }
        assert_eq!(place_at(&mut named, "a", 0, late), Place::Nowhere(Unplaced::TooMany));
        let scene = Scene { tag: b"a", record: RECORD, captures: &[] };
        assert_eq!(named.place(EventTime::from_parts(0, 0), &scene, late), file("/l/a.log"));
    }
}

//! Which file an event goes to: one for all, one a tag, or one that its fields and its time name.
//!
//! Pure. Must not know what is written there, and whether it can be.

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::name;
use super::pattern::{Pattern, Unusable};
use crate::record::template::Scene;
use crate::record::time::EventTime;

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
    /// The files that were named. Only grows, so that an event has the same place each time. Behind
    /// an `Arc`, because an output is cloned for each thing it sends.
    pub known: Arc<HashSet<PathBuf>>,
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
    /// Where this event goes.
    pub fn place(&mut self, time: EventTime, scene: &Scene<'_>) -> Place {
        match self.name(time, scene) {
            Err(reason) => self.missing.place(reason.into()),
            Ok(path) if self.known.contains(&path) => Place::File(path),
            Ok(_) if self.files_max.is_some_and(|max| self.known.len() >= max) => {
                self.beyond.place(Unplaced::TooMany)
            }
            Ok(path) => {
                if self.files_max.is_some() {
                    Arc::make_mut(&mut self.known).insert(path.clone());
                }
                Place::File(path)
            }
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
        Ok(PathBuf::from(OsString::from_vec(whole)))
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
            known: Arc::default(),
        }
    }

    fn place(named: &mut Named, tag: &str, seconds: i64) -> Place {
        let scene = Scene { tag: tag.as_bytes(), record: RECORD, captures: &[] };
        named.place(EventTime::from_parts(seconds, 0), &scene)
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
        assert_eq!(named.known.len(), 2, "nothing is remembered where nothing is bounded");
    }
}

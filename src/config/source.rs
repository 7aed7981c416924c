//! Around the path, config: reading the files of a configuration, each once, all within limits.
//!
//! What the readers of both formats have in common: opening a file, and a place to put what is in
//! it. Not known here: either format.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::env::{Environment, TooLong, expand};
use super::include::{FILES_MAX, Files, unreadable};
use super::raw::{Entry, RawConfig, RawSection};
use crate::option::{Fault, Place, Remark, Report, Subject};

/// Most bytes of all files together, inclusive.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most sections, inclusive, those within others included.
pub const SECTIONS_MAX: usize = 10_000;
/// Most options of all sections together, inclusive.
pub const ENTRIES_MAX: usize = 100_000;

/// Where a configuration is read from, and what has been read.
pub(super) struct Source<'a> {
    pub(super) files: &'a dyn Files,
    pub(super) environment: &'a Environment,
    pub(super) report: &'a mut Report,
    pub(super) raw: RawConfig,
    /// Files that were read.
    seen: BTreeSet<PathBuf>,
    bytes_left: usize,
    sections_left: usize,
    entries_left: usize,
}

/// Which sections a file may have.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Role {
    /// Those of the pipeline: the main file, and what it includes.
    Pipeline,
    /// Parsers or stream tasks: a file that an option names.
    Definitions,
}

/// There is no room for more: whoever reads stops.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Full;

impl<'a> Source<'a> {
    pub(super) fn new(
        files: &'a dyn Files,
        environment: &'a Environment,
        report: &'a mut Report,
    ) -> Self {
        Self {
            files,
            environment,
            report,
            raw: RawConfig::default(),
            seen: BTreeSet::new(),
            bytes_left: BYTES_MAX,
            sections_left: SECTIONS_MAX,
            entries_left: ENTRIES_MAX,
        }
    }

    /// Takes out what was read. Files may be read again from here on, the limits hold for all.
    pub(super) fn take(&mut self) -> RawConfig {
        self.forget_files();
        std::mem::take(&mut self.raw)
    }

    /// Files that were read may be read again.
    pub(super) fn forget_files(&mut self) {
        self.seen.clear();
    }

    /// The bytes of a file that was not read before.
    pub(super) fn open(&mut self, path: &Path) -> Result<Vec<u8>, Fault> {
        let identity = self.files.identity(path).map_err(|error| unreadable(path, error))?;
        if self.seen.len() == FILES_MAX {
            return Err(Fault::TooMany { what: "files", max: FILES_MAX });
        }
        if !self.seen.insert(identity) {
            return Err(Fault::IncludedTwice { path: path.display().to_string() });
        }
        let read = self.files.read(path, self.bytes_left);
        let bytes = read.map_err(|error| {
            if error.kind() == std::io::ErrorKind::FileTooLarge {
                Fault::TooMany { what: "bytes of configuration", max: BYTES_MAX }
            } else {
                unreadable(path, error)
            }
        })?;
        self.bytes_left = self.bytes_left.saturating_sub(bytes.len());
        Ok(bytes)
    }

    /// A path with its variables replaced.
    pub(super) fn path(&mut self, place: &Place, subject: &Subject, text: &str) -> Option<String> {
        match expand(text, &self.raw.variables, self.environment) {
            Ok(path) => {
                for name in path.unset {
                    let remark = Remark::UnsetVariable { name };
                    self.report.remark(place.clone(), subject.clone(), remark);
                }
                Some(path.text)
            }
            Err(TooLong) => {
                let max = super::VALUE_BYTES_MAX;
                let fault = Fault::TooMany { what: "bytes in a value", max };
                self.report.refuse(place.clone(), subject.clone(), fault);
                None
            }
        }
    }

    pub(super) fn refuse(&mut self, place: Place, subject: Subject, fault: Fault) {
        self.report.refuse(place, subject, fault);
    }

    pub(super) fn remark(&mut self, place: Place, subject: Subject, remark: Remark) {
        self.report.remark(place, subject, remark);
    }

    /// Counts a section.
    pub(super) fn count_section(&mut self, place: &Place) -> Result<(), Full> {
        let left = self.sections_left.checked_sub(1);
        let left = left.ok_or_else(|| self.full(place, "sections", SECTIONS_MAX))?;
        self.sections_left = left;
        Ok(())
    }

    /// Adds an option to a section.
    pub(super) fn add(&mut self, section: &mut RawSection, entry: Entry) -> Result<(), Full> {
        let left = self.entries_left.checked_sub(1);
        self.entries_left = left.ok_or_else(|| self.full(&entry.place, "options", ENTRIES_MAX))?;
        section.entries.push(entry);
        Ok(())
    }

    fn full(&mut self, place: &Place, what: &'static str, max: usize) -> Full {
        self.refuse(place.clone(), Subject::default(), Fault::TooMany { what, max });
        Full
    }
}

//! Around the path, config: the classic format (`.conf`) → sections.
//!
//! More liberal than Fluent Bit: any indentation or none, tabs as separators, blank lines of any
//! width, blanks at the end. Lines are taken one by one, included files from a stack, so neither a
//! long file nor a deep one costs more than its bytes. Not known here: which options there are.
//! Reference: Fluent Bit's manual, "Format and schema" of the classic mode.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::env::{Environment, expand};
use super::include::{FILES_MAX, Files, resolve, unreadable};
use super::raw::{Entry, RawConfig, RawSection, SectionKind};
use crate::option::{Fault, Place, Remark, Report, Subject};

/// Longest line, inclusive.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;
/// Most bytes of all files together, inclusive.
pub const BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most sections, inclusive.
pub const SECTIONS_MAX: usize = 10_000;
/// Most options of all sections together, inclusive.
pub const ENTRIES_MAX: usize = 100_000;

/// Reads `main` and what it includes. Whatever is wrong goes into `report`; the rest comes back.
pub(super) fn read(
    main: &Path,
    files: &dyn Files,
    environment: &Environment,
    report: &mut Report,
) -> RawConfig {
    let mut reader = Reader {
        main,
        files,
        environment,
        report,
        raw: RawConfig::default(),
        stack: Vec::new(),
        seen: BTreeSet::new(),
        bytes_left: BYTES_MAX,
        entries_left: ENTRIES_MAX,
        in_group: false,
    };
    let extension = main.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    let place = Place::file(&main.display().to_string());
    if extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml") {
        reader.report.refuse(place, Subject::default(), Fault::Yaml);
        return reader.raw;
    }
    match reader.open(main) {
        Ok(text) => reader.stack.push(text),
        Err(fault) => reader.report.refuse(place, Subject::default(), fault),
    }
    reader.run();
    reader.raw
}

struct Reader<'a> {
    main: &'a Path,
    files: &'a dyn Files,
    environment: &'a Environment,
    report: &'a mut Report,
    raw: RawConfig,
    /// Files that are being read, the innermost last.
    stack: Vec<Text>,
    /// Files that were read.
    seen: BTreeSet<PathBuf>,
    bytes_left: usize,
    entries_left: usize,
    /// Within a group that was refused: its lines are not those of the section.
    in_group: bool,
}

/// The rest of a file.
struct Text {
    file: Arc<str>,
    bytes: Vec<u8>,
    at: usize,
    line: u32,
}

impl Text {
    /// The next line, without its newline.
    fn next_line(&mut self) -> Option<(Place, &[u8])> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let line = rest.split(|byte| *byte == b'\n').next().unwrap_or_default();
        self.at += line.len() + 1;
        self.line = self.line.saturating_add(1);
        let line =
            if self.line == 1 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        Some((Place { file: Arc::clone(&self.file), line: self.line }, line))
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{FEFF}".as_bytes();

impl Reader<'_> {
    fn run(&mut self) {
        while let Some(text) = self.stack.last_mut() {
            let Some((place, line)) = text.next_line() else {
                self.stack.pop();
                continue;
            };
            if line.len() > LINE_BYTES_MAX {
                let fault = Fault::TooMany { what: "bytes in a line", max: LINE_BYTES_MAX };
                self.report.refuse(place, Subject::default(), fault);
                continue;
            }
            let is_utf8 = std::str::from_utf8(line).is_ok();
            let line = String::from_utf8_lossy(line).into_owned();
            let content = line.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if !is_utf8 {
                self.report.remark(place.clone(), Subject::default(), Remark::NotUtf8);
            }
            match content.split_at_checked(1) {
                Some(("@", directive)) => self.directive(place, directive),
                Some(("[", name)) => self.section(place, name, line.starts_with('[')),
                _ => self.entry(place, content),
            }
        }
    }

    fn open(&mut self, path: &Path) -> Result<Text, Fault> {
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
        Ok(Text { file: Arc::from(path.display().to_string()), bytes, at: 0, line: 0 })
    }

    fn directive(&mut self, place: Place, text: &str) {
        let (name, value) = text.split_once(BLANKS).unwrap_or((text, ""));
        let value = value.trim();
        let subject =
            Subject { key: format!("@{name}"), value: value.to_owned(), ..Subject::default() };
        if name.eq_ignore_ascii_case("INCLUDE") {
            self.include(&place, &subject, value);
        } else if name.eq_ignore_ascii_case("SET") {
            match value.split_once('=') {
                Some((name, value)) => {
                    self.raw.variables.insert(name.trim().to_owned(), value.trim().to_owned());
                }
                None => self.report.refuse(place, subject, Fault::SetWithoutValue),
            }
        } else {
            self.report.remark(place, subject, Remark::UnknownDirective);
        }
    }

    fn include(&mut self, place: &Place, subject: &Subject, value: &str) {
        let Ok(path) = expand(value, &self.raw.variables, self.environment) else {
            let fault = Fault::TooMany { what: "bytes in a value", max: super::VALUE_BYTES_MAX };
            self.report.refuse(place.clone(), subject.clone(), fault);
            return;
        };
        for name in path.unset {
            self.report.remark(place.clone(), subject.clone(), Remark::UnsetVariable { name });
        }
        let paths = resolve(&path.text, self.main, self.files).unwrap_or_else(|fault| {
            self.report.refuse(place.clone(), subject.clone(), fault);
            Vec::new()
        });
        let mut texts = Vec::new();
        for path in paths {
            match self.open(&path) {
                Ok(text) => texts.push(text),
                Err(fault) => self.report.refuse(place.clone(), subject.clone(), fault),
            }
        }
        // The first of them is the next to be read.
        self.stack.extend(texts.into_iter().rev());
    }

    fn section(&mut self, place: Place, text: &str, is_at_line_start: bool) {
        let Some((name, _)) = text.split_once(']') else {
            self.report.refuse(place, Subject::default(), Fault::UnclosedSection);
            return;
        };
        let name = name.trim();
        if !is_at_line_start && !SectionKind::is_full_name(name) {
            let subject = Subject { section: format!("[{name}]"), ..Subject::default() };
            self.report.refuse(place, subject, Fault::Group);
            self.in_group = true;
            return;
        }
        self.in_group = false;
        if self.raw.sections.len() == SECTIONS_MAX {
            let fault = Fault::TooMany { what: "sections", max: SECTIONS_MAX };
            self.report.refuse(place, Subject::default(), fault);
            self.stack.clear();
            return;
        }
        let kind = SectionKind::of(name);
        self.raw.sections.push(RawSection {
            kind,
            name: name.to_owned(),
            place,
            entries: Vec::new(),
        });
    }

    fn entry(&mut self, place: Place, content: &str) {
        let (key, value) = content.split_once(BLANKS).unwrap_or((content, ""));
        let value = value.trim();
        if self.in_group {
            return;
        }
        let Some(section) = self.raw.sections.last_mut() else {
            let subject = Subject { key: key.to_owned(), ..Subject::default() };
            self.report.refuse(place, subject, Fault::OutsideSection);
            return;
        };
        if value.is_empty() {
            let section = format!("[{}]", section.name.to_ascii_uppercase());
            let subject = Subject { section, key: key.to_owned(), value: String::new() };
            self.report.refuse(place, subject, Fault::NoValue);
            return;
        }
        if self.entries_left == 0 {
            let fault = Fault::TooMany { what: "options", max: ENTRIES_MAX };
            self.report.refuse(place, Subject::default(), fault);
            self.stack.clear();
            return;
        }
        self.entries_left -= 1;
        section.entries.push(Entry { key: key.to_owned(), value: value.to_owned(), place });
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests;

//! Around the path, config: the classic format (`.conf`) → sections.
//!
//! More liberal than Fluent Bit: any indentation or none, tabs as separators, blank lines of any
//! width, blanks at the end. Lines are taken one by one, included files from a stack, so neither a
//! long file nor a deep one costs more than its bytes. Not known here: which options there are.
//! Reference: Fluent Bit's manual, "Format and schema" of the classic mode.

use std::path::Path;
use std::sync::Arc;

use super::include::resolve;
use super::raw::{Entry, RawSection, SectionKind};
use super::source::{Full, Role, Source};
use crate::option::{Fault, Place, Remark, Subject};

/// Longest line, inclusive.
pub const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Reads the file `main`, whose `bytes` these are, and what it includes into `source`, where
/// whatever is wrong is reported too.
pub(super) fn read(main: &Path, bytes: Vec<u8>, role: Role, source: &mut Source<'_>) {
    let stack = vec![Text::new(main, bytes)];
    Reader { main, role, source, stack, section: None, in_group: false }.run();
}

struct Reader<'a, 's> {
    main: &'a Path,
    role: Role,
    source: &'a mut Source<'s>,
    /// Files that are being read, the innermost last.
    stack: Vec<Text>,
    /// The section that the next lines belong to.
    section: Option<RawSection>,
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
    fn new(path: &Path, bytes: Vec<u8>) -> Self {
        Self { file: Arc::from(path.display().to_string()), bytes, at: 0, line: 0 }
    }

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

impl Reader<'_, '_> {
    fn run(&mut self) {
        while let Some(text) = self.stack.last_mut() {
            let Some((place, line)) = text.next_line() else {
                self.stack.pop();
                continue;
            };
            if line.len() > LINE_BYTES_MAX {
                let fault = Fault::TooMany { what: "bytes in a line", max: LINE_BYTES_MAX };
                self.source.refuse(place, Subject::default(), fault);
                continue;
            }
            let is_utf8 = std::str::from_utf8(line).is_ok();
            let line = String::from_utf8_lossy(line).into_owned();
            let content = line.trim();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if !is_utf8 {
                self.source.remark(place.clone(), Subject::default(), Remark::NotUtf8);
            }
            match content.split_at_checked(1) {
                Some(("@", directive)) => self.directive(place, directive),
                Some(("[", name)) => self.section(place, name, line.starts_with('[')),
                _ => self.entry(place, content),
            }
        }
        self.end_section();
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
                    self.source
                        .raw
                        .variables
                        .insert(name.trim().to_owned(), value.trim().to_owned());
                }
                None => self.source.refuse(place, subject, Fault::SetWithoutValue),
            }
        } else {
            self.source.remark(place, subject, Remark::UnknownDirective);
        }
    }

    fn include(&mut self, place: &Place, subject: &Subject, value: &str) {
        let Some(path) = self.source.path(place, subject, value) else { return };
        let paths = resolve(&path, self.main, self.source.files).unwrap_or_else(|fault| {
            self.source.refuse(place.clone(), subject.clone(), fault);
            Vec::new()
        });
        let mut texts = Vec::new();
        for path in paths {
            match self.open(&path) {
                Ok(bytes) => texts.push(Text::new(&path, bytes)),
                Err(fault) => self.source.refuse(place.clone(), subject.clone(), fault),
            }
        }
        // The first of them is the next to be read.
        self.stack.extend(texts.into_iter().rev());
    }

    fn open(&mut self, path: &Path) -> Result<Vec<u8>, Fault> {
        if super::is_yaml(path) { Err(Fault::YamlInClassic) } else { self.source.open(path) }
    }

    fn section(&mut self, place: Place, text: &str, is_at_line_start: bool) {
        let Some((name, _)) = text.split_once(']') else {
            self.source.refuse(place, Subject::default(), Fault::UnclosedSection);
            return;
        };
        let name = name.trim();
        if !is_at_line_start && !SectionKind::is_full_name(name) {
            let subject = Subject { section: format!("[{name}]"), ..Subject::default() };
            self.source.refuse(place, subject, Fault::Group);
            self.in_group = true;
            return;
        }
        self.in_group = false;
        self.end_section();
        if self.source.count_section(&place) == Err(Full) {
            self.stack.clear();
            return;
        }
        self.section = Some(RawSection::new(SectionKind::of(name), name, place));
    }

    /// The section is whole.
    fn end_section(&mut self) {
        let Some(section) = self.section.take() else { return };
        let is_parser = matches!(section.kind, SectionKind::Parser | SectionKind::MultilineParser);
        if is_parser && self.role == Role::Pipeline {
            let subject = Subject { section: format!("[{}]", section.name), ..Subject::default() };
            self.source.refuse(section.place, subject, Fault::ParserInMainFile);
        } else {
            self.source.raw.sections.push(section);
        }
    }

    fn entry(&mut self, place: Place, content: &str) {
        let (key, value) = content.split_once(BLANKS).unwrap_or((content, ""));
        let value = value.trim();
        if self.in_group {
            return;
        }
        let Some(section) = &mut self.section else {
            let subject = Subject { key: key.to_owned(), ..Subject::default() };
            self.source.refuse(place, subject, Fault::OutsideSection);
            return;
        };
        if value.is_empty() {
            let section = format!("[{}]", section.name.to_ascii_uppercase());
            let subject = Subject { section, key: key.to_owned(), value: String::new() };
            self.source.refuse(place, subject, Fault::NoValue);
            return;
        }
        let entry = Entry { key: key.to_owned(), value: value.to_owned(), place };
        if self.source.add(section, entry) == Err(Full) {
            self.stack.clear();
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests;

//! Around the path, config: the YAML format → sections.
//!
//! The same sections that the classic format gives, so that nothing behind this knows which of the
//! two it was. Files that are included stand where `includes` does, and paths in it start at the
//! file that says it. Keys may be written in camel case; a list of texts is an option that is there
//! several times. Not known here: which options there are. Reference: Fluent Bit's manual, "YAML
//! configuration", and `src/config_format/flb_cf_yaml.c`.

mod item;
mod rule;
mod tree;

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use super::include::{beside, unreadable};
use super::raw::{RawSection, SectionKind};
use super::source::{Full, Source};
use crate::option::{Fault, Place, Remark, Subject};
use tree::{Broken, Content, Key, Node};

/// Most files that include each other in a row, inclusive: each is on the stack.
const INCLUDES_MAX: usize = 32;
/// Start of the value of an `env` variable that is in a file.
const FILE_SCHEME: &str = "file://";

/// Reads the file `main`, whose `bytes` these are, and what it includes into `source`, where
/// whatever is wrong is reported too.
pub(super) fn read(main: &Path, bytes: &[u8], source: &mut Source<'_>) {
    // Whoever finds no more room has reported it.
    let _ = Reader { source, service: None, within: 0 }.file(main, bytes);
}

struct Reader<'a, 's> {
    source: &'a mut Source<'s>,
    /// Where `service` stands, which may be there once in all files.
    service: Option<Place>,
    /// How many files are being read.
    within: usize,
}

/// Why YAML is no configuration.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("{0}")]
    Tree(#[source] tree::Reason),
    #[error("{0}; a YAML configuration can include YAML files only")]
    IncludedTree(#[source] tree::Reason),
    #[error("not UTF-8 at byte {at} of the file")]
    NotUtf8 { at: usize },
    #[error("expected {expected}, found {found}")]
    Shape { expected: &'static str, found: &'static str },
    #[error("expected inputs, filters or outputs")]
    NotInPipeline,
    #[error("expected logs, metrics, traces or profiles")]
    NoSignal,
    #[error("the file of the variable is empty")]
    EmptyFile,
    #[error("expected a key 'name'")]
    NoName,
    #[error("expected keys state, regex and next_state")]
    NoRule,
    #[error("expected a state without quotes or '\\' at its end")]
    State,
}

/// What to know about YAML that works.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Oddity {
    #[error("is read once, when the router starts")]
    ReadOnce,
    #[error("has no effect here: only inputs and outputs have processors")]
    NoProcessors,
    #[error("has no effect here: there are only logs")]
    OnlyLogs,
}

type Done = Result<(), Full>;

impl Reader<'_, '_> {
    fn file(&mut self, path: &Path, bytes: &[u8]) -> Done {
        let file: Arc<str> = Arc::from(path.display().to_string());
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.strip_prefix('\u{FEFF}').unwrap_or(text),
            Err(error) => {
                let refusal = Refusal::NotUtf8 { at: error.valid_up_to() };
                self.source.refuse(Place { file, line: 0 }, Subject::default(), fault(refusal));
                return Ok(());
            }
        };
        match tree::read(text) {
            Ok(roots) => roots.iter().try_for_each(|root| self.document(path, &file, root)),
            Err(Broken { line, reason }) => {
                let is_classic = self.within > 0 && !super::is_yaml(path);
                let refusal =
                    if is_classic { Refusal::IncludedTree(reason) } else { Refusal::Tree(reason) };
                self.source.refuse(Place { file, line }, Subject::default(), fault(refusal));
                Ok(())
            }
        }
    }

    fn document(&mut self, path: &Path, file: &Arc<str>, root: &Node) -> Done {
        let Some(sections) = self.map(file, root, "", "a map of sections") else { return Ok(()) };
        for (key, value) in sections {
            match key.text.to_ascii_lowercase().as_str() {
                "env" => self.env(file, value),
                "includes" => self.includes(path, file, value)?,
                "service" => self.service(file, key, value)?,
                "pipeline" => self.pipeline(file, value)?,
                "parsers" => self.items(file, value, SectionKind::Parser)?,
                "multiline_parsers" => {
                    self.items(file, value, SectionKind::MultilineParser)?;
                }
                "stream_processor" => {
                    self.items(file, value, SectionKind::StreamTask)?;
                }
                "plugins" => self.plugins(file, key, value)?,
                "upstream_servers" => self.upstreams(file, key, value)?,
                "customs" | "extensions" => {
                    self.push(RawSection::new(
                        SectionKind::WithoutEffect,
                        &key.text,
                        at(file, key.line),
                    ))?;
                }
                _ => {
                    self.push(RawSection::new(SectionKind::Unknown, &key.text, at(file, key.line)))?
                }
            }
        }
        Ok(())
    }

    /// Variables: a map, or a list of maps with `name` and `value` or `uri`.
    fn env(&mut self, file: &Arc<str>, value: &Node) {
        if let Content::List(items) = &value.content {
            for item in items {
                self.env_item(file, item);
            }
            return;
        }
        for (key, value) in
            self.map(file, value, "env", "a map or a list of variables").unwrap_or_default()
        {
            let Some(text) = self.text(file, &key.text, value) else { continue };
            self.set(&at(file, value.line), &key.text, text);
        }
    }

    fn env_item(&mut self, file: &Arc<str>, item: &Node) {
        let pairs = self.map(file, item, "env", "a map of name and value").unwrap_or_default();
        let (mut name, mut content, mut uri) = (None, None, None);
        for (key, value) in pairs {
            let Some(text) = self.text(file, &key.text, value) else { continue };
            match key.text.to_ascii_lowercase().as_str() {
                "name" => name = Some(text),
                "value" => content = Some(text),
                "uri" => uri = Some(text),
                "refresh_interval" => {
                    let subject = subject("env", &key.text, text);
                    let remark = Remark::plugin(Oddity::ReadOnce);
                    self.source.remark(at(file, key.line), subject, remark);
                }
                // `- NAME: value`.
                _ if name.is_none() => (name, content) = (Some(key.text.as_str()), Some(text)),
                _ => {}
            }
        }
        match name {
            Some(name) => self.set(&at(file, item.line), name, uri.or(content).unwrap_or_default()),
            None => self.refuse(file, item.line, "env", Refusal::NoName),
        }
    }

    /// Sets a variable to the text, or to what is in the file that it names.
    fn set(&mut self, place: &Place, name: &str, text: &str) {
        let value = match text.strip_prefix(FILE_SCHEME).filter(|path| !path.is_empty()) {
            None => text.to_owned(),
            Some(path) => match self.read_value(Path::new(path)) {
                Ok(value) => {
                    self.source.raw.file_variables.insert(name.to_owned());
                    value
                }
                Err(fault) => {
                    self.source.refuse(place.clone(), subject("env", name, text), fault);
                    return;
                }
            },
        };
        self.source.raw.variables.insert(name.to_owned(), value);
    }

    /// What is in a file, without the end of its last line.
    fn read_value(&self, path: &Path) -> Result<String, Fault> {
        let read = self.source.files.read(path, super::VALUE_BYTES_MAX);
        let bytes = read.map_err(|error| unreadable(path, error))?;
        let text = String::from_utf8(bytes)
            .map_err(|error| fault(Refusal::NotUtf8 { at: error.utf8_error().valid_up_to() }))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() { Err(fault(Refusal::EmptyFile)) } else { Ok(text.to_owned()) }
    }

    fn includes(&mut self, path: &Path, file: &Arc<str>, value: &Node) -> Done {
        for item in self.list(file, value, "includes", "a list of paths") {
            let Some(text) = self.text(file, "includes", item) else { continue };
            let (place, subject) = (at(file, item.line), subject("", "includes", text));
            let Some(text) = self.source.path(&place, &subject, text) else { continue };
            if self.within == INCLUDES_MAX {
                let fault = Fault::TooMany { what: "files within each other", max: INCLUDES_MAX };
                self.source.refuse(place, subject, fault);
                continue;
            }
            let paths = beside(&text, path, self.source.files).unwrap_or_else(|fault| {
                self.source.refuse(place.clone(), subject.clone(), fault);
                Vec::new()
            });
            self.within += 1;
            let done = paths.iter().try_for_each(|path| match self.source.open(path) {
                Ok(bytes) => self.file(path, &bytes),
                Err(fault) => {
                    self.source.refuse(place.clone(), subject.clone(), fault);
                    Ok(())
                }
            });
            self.within -= 1;
            done?;
        }
        Ok(())
    }

    fn service(&mut self, file: &Arc<str>, key: &Key, value: &Node) -> Done {
        let place = at(file, key.line);
        if let Some(first) = self.service.clone() {
            self.source.refuse(place, subject("", &key.text, ""), Fault::Repeated { first });
            return Ok(());
        }
        self.service = Some(place.clone());
        let mut section = RawSection::new(SectionKind::Service, "SERVICE", place);
        for (key, value) in self.map(file, value, "service", "a map of options").unwrap_or_default()
        {
            if matches!(value.content, Content::Map(_)) && key.text == "telemetry" {
                self.source.remark(
                    at(file, key.line),
                    subject("[SERVICE]", &key.text, ""),
                    Remark::NoEffect,
                );
            } else {
                self.option(file, &mut section, key, value)?;
            }
        }
        self.push(section)
    }

    fn pipeline(&mut self, file: &Arc<str>, value: &Node) -> Done {
        let parts = self.map(file, value, "pipeline", "a map of inputs, filters and outputs");
        for (key, value) in parts.unwrap_or_default() {
            match key.text.to_ascii_lowercase().as_str() {
                "inputs" => self.items(file, value, SectionKind::Input)?,
                "filters" => self.items(file, value, SectionKind::Filter)?,
                "outputs" => self.items(file, value, SectionKind::Output)?,
                _ => {
                    let place = at(file, key.line);
                    let subject = subject("pipeline", &key.text, "");
                    self.source.refuse(place, subject, fault(Refusal::NotInPipeline));
                }
            }
        }
        Ok(())
    }

    /// A section for each item of a list.
    fn items(&mut self, file: &Arc<str>, value: &Node, kind: SectionKind) -> Done {
        for item in self.list(file, value, kind.title(), "a list") {
            if let Some(section) = self.item(file, item, kind)? {
                self.push(section)?;
            }
        }
        Ok(())
    }

    fn plugins(&mut self, file: &Arc<str>, key: &Key, value: &Node) -> Done {
        let mut section = RawSection::new(SectionKind::Plugins, "PLUGINS", at(file, key.line));
        for item in self.list(file, value, "plugins", "a list of paths") {
            let key = Key { text: "path".to_owned(), line: item.line };
            self.option(file, &mut section, &key, item)?;
        }
        self.push(section)
    }

    fn push(&mut self, section: RawSection) -> Done {
        self.source.count_section(&section.place)?;
        self.source.raw.sections.push(section);
        Ok(())
    }

    /// The pairs of a map; none of what is empty.
    fn map<'n>(
        &mut self,
        file: &Arc<str>,
        node: &'n Node,
        about: &str,
        expected: &'static str,
    ) -> Option<&'n [(Key, Rc<Node>)]> {
        match &node.content {
            Content::Map(pairs) => Some(pairs),
            Content::Text(_) if node.is_nothing() => None,
            Content::Text(_) | Content::List(_) => {
                self.refuse(
                    file,
                    node.line,
                    about,
                    Refusal::Shape { expected, found: node.what() },
                );
                None
            }
        }
    }

    /// The items of a list; none of what is empty.
    fn list<'n>(
        &mut self,
        file: &Arc<str>,
        node: &'n Node,
        about: &str,
        expected: &'static str,
    ) -> &'n [Rc<Node>] {
        match &node.content {
            Content::List(items) => items,
            Content::Text(_) if node.is_nothing() => &[],
            Content::Text(_) | Content::Map(_) => {
                self.refuse(
                    file,
                    node.line,
                    about,
                    Refusal::Shape { expected, found: node.what() },
                );
                &[]
            }
        }
    }

    fn text<'n>(&mut self, file: &Arc<str>, about: &str, node: &'n Node) -> Option<&'n str> {
        if let Content::Text(text) = &node.content {
            return Some(text);
        }
        let refusal = Refusal::Shape { expected: "a text", found: node.what() };
        self.refuse(file, node.line, about, refusal);
        None
    }

    fn refuse(&mut self, file: &Arc<str>, line: u32, about: &str, refusal: Refusal) {
        self.source.refuse(at(file, line), subject("", about, ""), fault(refusal));
    }
}

fn fault(refusal: Refusal) -> Fault {
    Fault::invalid(refusal)
}

fn at(file: &Arc<str>, line: u32) -> Place {
    Place { file: Arc::clone(file), line }
}

fn subject(section: &str, key: &str, value: &str) -> Subject {
    Subject { section: section.to_owned(), key: key.to_owned(), value: value.to_owned() }
}

/// The name of an option as the tables have it. As in Fluent Bit, what starts with a small letter
/// and has no underscore may be in camel case.
fn option_name(key: &str) -> String {
    if !key.starts_with(|first: char| first.is_ascii_lowercase()) || key.contains('_') {
        return key.to_owned();
    }
    let mut name = String::with_capacity(key.len() + 2);
    for letter in key.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests;

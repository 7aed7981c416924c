//! Around the path, config: what the command line says → sections.
//!
//! A pipeline of `-i`, `-F` and `-o` is what a file would say, and so are settings of the process.
//! They come before the file, which therefore has the last word on the process, as in Fluent Bit.
//! Not known here: which flags there are. Reference: `src/fluent-bit.c`.

use std::sync::Arc;

use super::raw::{Entry, RawConfig, RawSection, SectionKind};
use crate::option::Place;

/// The name of the command line where files have theirs.
const FILE: &str = "command line";

/// Sections of the command line. Each is at home at the place of an argument, counted from 1.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CommandLine {
    service: Vec<Entry>,
    tasks: Vec<RawSection>,
    /// Plugins in their order; options belong to the last.
    plugins: Vec<RawSection>,
}

impl CommandLine {
    /// Adds a setting of the process.
    pub fn set(&mut self, argument: u32, key: &str, value: &str) {
        self.service.push(entry(argument, key, value));
    }

    /// Begins a section for the plugin `name`.
    pub fn plugin(&mut self, argument: u32, kind: SectionKind, name: &str) {
        let mut section = RawSection::new(kind, kind.title(), place(argument));
        section.entries.push(entry(argument, "name", name));
        self.plugins.push(section);
    }

    /// Adds an option to the last plugin; false if there is none.
    pub fn option(&mut self, argument: u32, key: &str, value: &str) -> bool {
        let plugin = self.plugins.last_mut();
        plugin.map(|section| section.entries.push(entry(argument, key, value))).is_some()
    }

    /// What the last plugin is.
    #[must_use]
    pub fn last_kind(&self) -> Option<SectionKind> {
        self.plugins.last().map(|section| section.kind)
    }

    /// Adds a stream task.
    pub fn stream_task(&mut self, argument: u32, sql: &str) {
        let name = format!("flb-console:{}", self.tasks.len());
        let mut section = RawSection::new(SectionKind::StreamTask, "STREAM_TASK", place(argument));
        section.entries = vec![entry(argument, "name", &name), entry(argument, "exec", sql)];
        self.tasks.push(section);
    }

    /// Whether it says anything of inputs, filters or outputs.
    #[must_use]
    pub fn has_pipeline(&self) -> bool {
        !self.plugins.is_empty()
    }

    /// The settings of the process.
    pub(super) fn service(&self) -> &[Entry] {
        &self.service
    }

    /// All of it as the sections of a file.
    pub(super) fn into_raw(self) -> RawConfig {
        let Self { service, tasks, plugins } = self;
        let mut sections = Vec::new();
        if let Some(first) = service.first() {
            let mut section = RawSection::new(SectionKind::Service, "SERVICE", first.place.clone());
            section.entries = service;
            sections.push(section);
        }
        sections.extend(tasks);
        sections.extend(plugins);
        RawConfig { sections, ..RawConfig::default() }
    }
}

fn entry(argument: u32, key: &str, value: &str) -> Entry {
    Entry { key: key.to_owned(), value: value.to_owned(), place: place(argument) }
}

fn place(argument: u32) -> Place {
    Place { file: Arc::from(FILE), line: argument }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(line: CommandLine) -> Vec<String> {
        let sections = line.into_raw().sections.into_iter();
        sections
            .map(|section| {
                let entries = section.entries.iter().map(|Entry { key, value, place }| {
                    assert_eq!(&*place.file, FILE);
                    format!("{key}={value}@{}", place.line)
                });
                format!("{} {}", section.name, entries.collect::<Vec<_>>().join(" "))
            })
            .collect()
    }

    #[test]
    fn options_belong_to_the_last_plugin_and_settings_to_the_process() {
        let mut line = CommandLine::default();
        assert!(!line.option(1, "a", "b"), "there is no plugin yet");
        line.plugin(1, SectionKind::Input, "tcp");
        line.set(2, "flush", "2");
        line.stream_task(3, "SELECT 1");
        assert!(line.option(4, "port", "5170"));
        line.plugin(5, SectionKind::Output, "null");
        assert!(line.option(6, "match", "*"));
        assert_eq!(line.last_kind(), Some(SectionKind::Output));
        let expected = [
            "SERVICE flush=2@2",
            "STREAM_TASK name=flb-console:0@3 exec=SELECT 1@3",
            "INPUT name=tcp@1 port=5170@4",
            "OUTPUT name=null@5 match=*@6",
        ];
        assert!(line.has_pipeline());
        assert_eq!(drawn(line), expected);
    }

    #[test]
    fn settings_alone_are_no_pipeline() {
        let mut line = CommandLine::default();
        line.set(1, "flush", "2");
        line.stream_task(2, "SELECT 1");
        assert!(!line.has_pipeline() && !CommandLine::default().has_pipeline());
        assert!(drawn(CommandLine::default()).is_empty());
    }
}

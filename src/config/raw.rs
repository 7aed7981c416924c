//! Around the path, config: sections as they stand in the files, every line with its place.
//!
//! What the classic format, YAML and the command line come to: behind this nobody knows which of
//! them it was. Values are as written, variables not replaced. Not known here: which options there
//! are.

use std::collections::{BTreeMap, BTreeSet};

use crate::option::Place;

/// The sections of a configuration, all files together.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RawConfig {
    /// In the order they are read.
    pub sections: Vec<RawSection>,
    /// Variables of `@SET` and `env`; the last of a name counts, and an empty one is not set.
    pub variables: BTreeMap<String, String>,
    /// Those of them whose values were read from files of their own.
    pub file_variables: BTreeSet<String>,
}

/// A section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RawSection {
    /// What it is about.
    pub kind: SectionKind,
    /// Its name as written, without brackets.
    pub name: String,
    /// Where it starts.
    pub place: Place,
    /// Its lines.
    pub entries: Vec<Entry>,
    /// Sections within it: processors, their conditions, the rules of those.
    pub groups: Vec<RawSection>,
}

impl RawSection {
    /// A section without lines, of this name.
    #[must_use]
    pub fn new(kind: SectionKind, name: &str, place: Place) -> Self {
        Self { kind, name: name.to_owned(), place, entries: Vec::new(), groups: Vec::new() }
    }
}

/// A line of a section.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Up to the first blank.
    pub key: String,
    /// The rest, without blanks around it.
    pub value: String,
    /// Where it stands.
    pub place: Place,
}

/// What a section is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SectionKind {
    /// `[SERVICE]`.
    Service,
    /// `[INPUT]`.
    Input,
    /// `[FILTER]`.
    Filter,
    /// `[OUTPUT]`.
    Output,
    /// `[PARSER]`. Of the classic files, only those that `Parsers_File` names may have it.
    Parser,
    /// `[MULTILINE_PARSER]`, as [`SectionKind::Parser`].
    MultilineParser,
    /// `[STREAM_TASK]` of a `Streams_File`, an item of `stream_processor`, `-T`.
    StreamTask,
    /// `[PLUGINS]`: plugins of Fluent Bit to load.
    Plugins,
    /// A section of Fluent Bit that does nothing here.
    WithoutEffect,
    /// Any other.
    Unknown,
    /// Within an input or an output: a filter of its own, an item of `processors.logs`.
    Processor,
    /// Within a filter: which records it works on.
    Condition,
    /// Within a condition: what is asked of a record.
    Rule,
}

/// The sections of Fluent Bit. Of several that start with the same letters, the first is meant.
const KNOWN: [(&str, SectionKind); 16] = [
    ("SERVICE", SectionKind::Service),
    ("PARSER", SectionKind::Parser),
    ("MULTILINE_PARSER", SectionKind::MultilineParser),
    ("STREAM_PROCESSOR", SectionKind::StreamTask),
    ("STREAM_TASK", SectionKind::StreamTask),
    ("PLUGINS", SectionKind::Plugins),
    ("UPSTREAM_SERVERS", SectionKind::WithoutEffect),
    ("CUSTOM", SectionKind::WithoutEffect),
    ("CUSTOMS", SectionKind::WithoutEffect),
    ("INPUT", SectionKind::Input),
    ("INPUTS", SectionKind::Input),
    ("FILTER", SectionKind::Filter),
    ("FILTERS", SectionKind::Filter),
    ("OUTPUT", SectionKind::Output),
    ("OUTPUTS", SectionKind::Output),
    ("ENV", SectionKind::WithoutEffect),
];

impl SectionKind {
    /// Reads a name in any case; the first letters of a known one suffice, as in Fluent Bit.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let is_start = |known: &str| {
            !name.is_empty()
                && known.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
        };
        let found = KNOWN.iter().find(|(known, _)| is_start(known));
        found.map_or(Self::Unknown, |(_, kind)| *kind)
    }

    /// What messages call a section of this kind that has no brackets of its own.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Service => "SERVICE",
            Self::Input => "INPUT",
            Self::Filter => "FILTER",
            Self::Output => "OUTPUT",
            Self::Parser => "PARSER",
            Self::MultilineParser => "MULTILINE_PARSER",
            Self::StreamTask => "STREAM_TASK",
            Self::Plugins => "PLUGINS",
            Self::WithoutEffect => "CUSTOM",
            Self::Unknown => "OTHER",
            Self::Processor => "PROCESSOR",
            Self::Condition => "CONDITION",
            Self::Rule => "RULE",
        }
    }

    /// Whether `name` is a known one in full.
    #[must_use]
    pub fn is_full_name(name: &str) -> bool {
        KNOWN.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letters_of_a_section_suffice() {
        for name in ["INPUT", "input", "IN", "i", "Inputs"] {
            assert_eq!(SectionKind::of(name), SectionKind::Input, "{name}");
        }
        assert_eq!(SectionKind::of("OUT"), SectionKind::Output);
        assert_eq!(SectionKind::of("S"), SectionKind::Service);
        for kind in [SectionKind::Service, SectionKind::StreamTask, SectionKind::Plugins] {
            assert_eq!(SectionKind::of(kind.title()), kind);
        }
        for name in ["", "INPUTSS", "X", "é"] {
            assert_eq!(SectionKind::of(name), SectionKind::Unknown, "{name}");
        }
        assert!(SectionKind::is_full_name("Filter") && !SectionKind::is_full_name("PROCESSORS"));
    }
}

//! Step 3, filter: the options of `multiline`.
//!
//! Reference: Fluent Bit's manual, "Multiline" filter. Not known here: records.

use std::sync::Arc;
use std::time::Duration;

use crate::filter::partial_message;
use crate::multiline::Parser;
use crate::multiline::config::{Registry, UnknownParser};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};

/// Least `flush_ms` of mode `parser`, inclusive: Fluent Bit does not start with less.
const FLUSH_MS_MIN: u64 = 500;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new(
        "multiline.parser",
        Kind::Text,
        "Multiline parsers with commas, tried in this order: docker, cri, go, java, python, ruby or one of a file",
    )
    .many(),
    Row::new("multiline.key_content", Kind::Text, "Key whose text is the line"),
    Row::new(
        "mode",
        Kind::Choice(&["parser", "partial_message"]),
        "Whether lines are joined by parsers, or the parts of lines that Docker cut",
    )
    .or("parser"),
    Row::new("buffer", Kind::Bool, "Whether lines wait for those that arrive later").or("true"),
    Row::new(
        "flush_ms",
        Kind::Integer { min: 0, max: 86_400_000 },
        "Milliseconds that lines wait for the next one",
    )
    .or("2000"),
    Row::new("emitter_name", Kind::Text, "Name of the input that lines came back through")
        .without_effect(),
    Row::new(
        "emitter_storage.type",
        Kind::Choice(&["memory", "filesystem"]),
        "Where the records of that input waited, which is where they waited before",
    )
    .without_effect(),
    Row::new("emitter_mem_buf_limit", Kind::Bytes, "Most bytes of that input in memory")
        .without_effect(),
    Row::new("debug_flush", Kind::Bool, "Whether joined records are also printed").without_effect(),
];

/// A `multiline` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key whose text is the line.
    pub key_content: Option<String>,
    /// What is joined.
    pub mode: Mode,
    /// How long lines, or parts of one, wait for the next.
    pub wait: Duration,
}

/// What is joined.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Lines, by multiline parsers.
    Parser {
        /// The parsers, in the order they are tried.
        parsers: Vec<Arc<Parser>>,
        /// Lines may wait for those of a later chunk.
        across_chunks: bool,
        /// Most bytes of a record's text.
        bytes_max: usize,
    },
    /// Parts of lines that Docker cut.
    PartialMessage,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A name that is no parser's.
    #[error(transparent)]
    UnknownParser(#[from] UnknownParser),
    /// A wait that Fluent Bit does not take.
    #[error("expected at least {FLUSH_MS_MIN} milliseconds")]
    TooShort,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// No key.
    #[error(
        "the parser has no key of its own and joins nothing; say which text is the line, such as multiline.key_content log"
    )]
    NoKey,
    /// `buffer off` with `partial_message`.
    #[error("does not hold for partial_message: parts always wait for the rest of their line")]
    AlwaysBuffered,
}

impl Config {
    /// How long the parts of lines wait that are joined before any filter, as this filter has it.
    #[must_use]
    pub fn wait_for_parts(&self) -> Option<Duration> {
        let is_first = self.key_content.as_deref() == Some(partial_message::TEXT_KEY);
        (matches!(self.mode, Mode::PartialMessage) && is_first).then_some(self.wait)
    }

    /// Reads the options; `None` after a problem was reported. `bytes_max` is the service's
    /// `multiline_buffer_limit`.
    pub fn from_options(
        options: &mut Options,
        registry: &Registry,
        bytes_max: usize,
    ) -> Option<Self> {
        let key_content = options.text("multiline.key_content");
        let flush_ms = options.integer("flush_ms").unwrap_or_default();
        let across_chunks = options.bool("buffer");
        let mode = if options.text("mode").as_deref() == Some("partial_message") {
            if key_content.is_none() {
                options.refuse("multiline.key_content", Fault::Missing("multiline.key_content"));
            }
            if !across_chunks {
                options.remark("buffer", Remark::plugin(Advice::AlwaysBuffered));
            }
            Mode::PartialMessage
        } else {
            if across_chunks && flush_ms < FLUSH_MS_MIN {
                options.refuse("flush_ms", Fault::invalid(Refusal::TooShort));
            }
            let parsers = parsers(options, registry, key_content.is_some());
            Mode::Parser { parsers, across_chunks, bytes_max }
        };
        let config = Self { key_content, mode, wait: Duration::from_millis(flush_ms) };
        (!options.is_refused()).then_some(config)
    }
}

fn parsers(options: &mut Options, registry: &Registry, has_key: bool) -> Vec<Arc<Parser>> {
    let settings = options.all("multiline.parser");
    let mut parsers = Vec::new();
    for setting in &settings {
        for found in registry.list(&setting.value) {
            let parser = match found {
                Ok(parser) => parser,
                Err(unknown) => {
                    options.refuse_setting(setting, Fault::invalid(Refusal::from(unknown)));
                    continue;
                }
            };
            if !has_key && parser.key_content.is_none() {
                options.remark_setting(setting, Remark::plugin(Advice::NoKey));
            }
            parsers.push(parser);
        }
    }
    if parsers.is_empty() && !options.is_refused() {
        options.refuse("multiline.parser", Fault::Missing("multiline.parser"));
    }
    parsers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options, &Registry::default(), 1_000);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| problem.to_string());
        let notes = report.notes.iter().map(|note| note.to_string());
        (config, problems.chain(notes).collect::<Vec<_>>().join("; "))
    }

    fn refused(lines: &[(&str, &str)]) -> String {
        let (config, said) = read(lines);
        assert!(config.is_none(), "{said}");
        said
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn parsers_come_in_the_order_of_the_lists() {
        let lines = [
            ("multiline.key_content", "log"),
            ("multiline.parser", "go, Java,"),
            ("multiline.parser", "ruby"),
        ];
        let (config, said) = read(&lines);
        let config = config.expect("right");
        let Mode::Parser { parsers, across_chunks, bytes_max } = config.mode else {
            panic!("the mode is parser")
        };
        let names: Vec<_> = parsers.iter().map(|parser| parser.name.as_str()).collect();
        assert_eq!((names.as_slice(), said.as_str()), (["go", "java", "ruby"].as_slice(), ""));
        assert_eq!((across_chunks, bytes_max, config.wait.as_millis()), (true, 1_000, 2_000));
    }

    #[test]
    fn a_parser_that_is_not_there_is_refused_with_its_line_and_the_nearest_name() {
        let said = refused(&[("multiline.key_content", "log"), ("multiline.parser", "go, jawa")]);
        let expected = "test.conf:2: [TEST] test: multiline.parser = \"go, jawa\": no multiline parser \
                        'jawa' is defined (did you mean 'java'?); name its file with Parsers_File \
                        in [SERVICE]";
        assert_eq!(said, expected);
        let said = refused(&[("multiline.key_content", "log")]);
        assert_eq!(said, "test.conf: [TEST] test: expected an option multiline.parser");
    }

    #[test]
    fn partial_message_needs_a_key_and_always_buffers() {
        let said = refused(&[("mode", "partial_message")]);
        assert_eq!(said, "test.conf: [TEST] test: expected an option multiline.key_content");
        let lines = [
            ("Mode", "Partial_Message"),
            ("multiline.key_content", "log"),
            ("flush_ms", "100"),
            ("buffer", "off"),
        ];
        let (config, said) = read(&lines);
        let config = config.expect("right");
        assert!(matches!(config.mode, Mode::PartialMessage) && config.wait.as_millis() == 100);
        assert!(said.ends_with("parts always wait for the rest of their line"), "{said}");
    }

    #[test]
    fn lines_wait_for_half_a_second_at_least_unless_they_do_not_wait_at_all() {
        let read = |flush_ms, buffer| {
            read(&[
                ("multiline.key_content", "log"),
                ("multiline.parser", "go"),
                ("flush_ms", flush_ms),
                ("buffer", buffer),
            ])
        };
        assert!(read("499", "on").1.ends_with("expected at least 500 milliseconds"));
        assert!(read("500", "on").0.is_some() && read("499", "off").0.is_some());
    }

    #[test]
    fn a_parser_without_a_key_joins_nothing_and_is_told_of() {
        let (config, said) = read(&[("multiline.parser", "go")]);
        assert!(config.is_some() && said.contains("has no key of its own"), "{said}");
    }
}

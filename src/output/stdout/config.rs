//! Step 6, output: the options of `stdout`.
//!
//! Reference: Fluent Bit's manual, "Standard Output"; `plugins/out_stdout`. Not known here: records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::output::format::date::{self, DateFormat};
use crate::output::format::json::Layout;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("format", Kind::Text, "Form of the text: msgpack, json, json_lines or json_stream")
        .or("msgpack"),
    Row::new("json_date_key", Kind::Text, "Key of the time in JSON, false for no time").or("date"),
    Row::new("json_date_format", Kind::Text, "Form of the time in JSON").or("double"),
];

/// A `stdout` output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// The form of the text.
    pub format: Format,
}

/// The form of the text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Format {
    /// As Fluent Bit shows msgpack to people.
    Text,
    /// JSON.
    Json {
        /// How events follow each other.
        layout: Layout,
        /// The key of the time and its form, if it is written.
        date: Option<(String, DateFormat)>,
    },
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this format is not supported by this version of Firelane")]
struct UnsupportedFormat;

/// What to know about a value for which another one holds.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Advice {
    #[error("is no format, msgpack holds; expected msgpack, json, json_lines or json_stream")]
    Format,
    #[error("is no format, double holds; expected {}", date::NAMES)]
    DateFormat,
}

impl Config {
    /// Reads the options; `None` after a problem was reported. Unknown formats are told of and
    /// replaced, as in Fluent Bit.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let date = date(options);
        let format = options.text("format").unwrap_or_default().to_ascii_lowercase();
        let layout = match format.as_str() {
            "msgpack" => None,
            "json" => Some(Layout::Array),
            "json_lines" => Some(Layout::Lines),
            "json_stream" => Some(Layout::Stream),
            "otlp_json" | "otlp_json_pretty" => {
                options.refuse("format", Fault::invalid(UnsupportedFormat));
                None
            }
            _ => {
                options.remark("format", Remark::plugin(Advice::Format));
                None
            }
        };
        let format = layout.map_or(Format::Text, |layout| Format::Json { layout, date });
        (!options.is_refused()).then_some(Self { format })
    }
}

/// The key of the time and its form, if it is written. Other outputs have the same options.
pub(in crate::output) fn date(options: &mut Options) -> Option<(String, DateFormat)> {
    let format = options.text("json_date_format").and_then(|text| DateFormat::parse(&text));
    if format.is_none() {
        options.remark("json_date_format", Remark::plugin(Advice::DateFormat));
    }
    let key = options.text("json_date_key")?;
    let is_off = ["false", "off", "no"].iter().any(|word| key.eq_ignore_ascii_case(word));
    (!is_off).then(|| (key, format.unwrap_or_default()))
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.format {
            Format::Text => "printed as text",
            Format::Json { layout: Layout::Array, .. } => "printed as arrays of JSON",
            Format::Json { layout: Layout::Lines, .. } => "printed as lines of JSON",
            Format::Json { layout: Layout::Stream, .. } => "printed as JSON",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| problem.fault.to_string());
        (config, problems.chain(report.notes.iter().map(|note| note.remark.to_string())).collect())
    }

    fn format(lines: &[(&str, &str)]) -> Format {
        let (config, said) = read(lines);
        assert_eq!(said, "");
        config.expect("a configuration").format
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn without_options_it_is_text_and_json_has_a_date() {
        assert_eq!(format(&[]), Format::Text);
        let date = Some(("date".to_owned(), DateFormat::Double));
        let expected = Format::Json { layout: Layout::Lines, date };
        assert_eq!(format(&[("Format", "JSON_lines")]), expected);
        let lines = [("format", "json"), ("json_date_key", "t"), ("json_date_format", "Iso8601")];
        let date = Some(("t".to_owned(), DateFormat::Iso8601));
        assert_eq!(format(&lines), Format::Json { layout: Layout::Array, date });
        let lines = [("format", "json_stream"), ("json_date_key", "False")];
        assert_eq!(format(&lines), Format::Json { layout: Layout::Stream, date: None });
    }

    #[test]
    fn a_format_that_is_none_is_told_of_and_one_of_other_versions_is_refused() {
        let (config, said) = read(&[("format", "xml")]);
        assert_eq!(config.map(|config| config.format), Some(Format::Text));
        assert!(said.starts_with("is no format, msgpack holds"), "{said}");
        let (_, said) = read(&[("json_date_format", "unix")]);
        assert!(said.starts_with("is no format, double holds; expected one of double, "), "{said}");
        assert_eq!(read(&[("format", "otlp_json")]).0, None);
    }
}

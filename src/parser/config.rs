//! Steps 1 and 3, parser: the options of a `[PARSER]` section.
//!
//! Reference: Fluent Bit's manual, "Parsers"; `src/flb_parser.c`. Not known here: the files they
//! stand in, and who uses the parser.

use super::decode::{self, Decoders, Target};
use super::regex::Regex;
use super::time::{FORMAT_BYTES_MAX, NameError, OffsetError, TimeRule, Zone};
use super::types::{self, Types};
use super::{Format, Parser};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::record::pattern::{Pattern, PatternError};

/// Options of a parser.
pub const OPTIONS: Table = &[
    Row::new("name", Kind::Text, "Name that filters and inputs call it by"),
    Row::new("format", FORMATS, "How a text is taken apart"),
    Row::new("regex", Kind::Text, "With format regex: a field for each group that has a name"),
    Row::new("skip_empty_values", Kind::Bool, "With format regex: leave out fields without a text")
        .or("on"),
    Row::new(
        "logfmt_no_bare_keys",
        Kind::Bool,
        "With format logfmt: a key without = makes the text none of the format",
    )
    .or("off"),
    Row::new("types", Kind::Text, "KEY:TYPE ...: fields that are no text; not with format json"),
    Row::new("time_key", Kind::Text, "Field that tells the time").or("time"),
    Row::new("time_format", Kind::Text, "How the time is written, as for strptime and %L"),
    Row::new("time_keep", Kind::Bool, "Whether the field stays where its time was read").or("off"),
    Row::new("time_strict", Kind::Bool, "Whether a time has to fit the whole format").or("on"),
    Row::new("time_offset", Kind::Text, "Zone of times that do not say theirs: +0200"),
    Row::new("time_zone", Kind::Text, "Zone of times that do not say theirs: Europe/Berlin"),
    Row::new(
        "time_system_timezone",
        Kind::Bool,
        "Whether times that do not say their zone are of this machine's",
    )
    .or("off"),
    Row::new("decode_field", Kind::Text, "DECODER FIELD: append what is read of the field's text")
        .many(),
    Row::new("decode_field_as", Kind::Text, "DECODER FIELD: read the field's text once more")
        .many(),
];

const FORMATS: Kind = Kind::Choice(&["json", "regex", "ltsv", "logfmt"]);

/// Options whose value has to be right; a bad value of the others is a warning.
pub const STRICT: &[&str] = &["format"];

/// Why the options cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// A pattern that is none.
    #[error("not a regular expression: {0}")]
    Pattern(#[from] PatternError),
    /// No difference from UTC.
    #[error(transparent)]
    Offset(#[from] OffsetError),
    /// No zone of that name.
    #[error(transparent)]
    Zone(#[from] NameError),
    /// A zone without a format.
    #[error("expected time_format as well")]
    NoTimeFormat,
    /// Longer than [`FORMAT_BYTES_MAX`].
    #[error("{bytes} bytes long, limit {}", FORMAT_BYTES_MAX)]
    FormatTooLong {
        /// Bytes found.
        bytes: usize,
    },
}

/// What to know about options that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// A part of `Time_Format` that is no conversion.
    #[error("'{0}' is no part of a time, so that no time fits")]
    Conversion(String),
    /// A pattern without names.
    #[error("has no group with a name such as (?<key>...) and parses nothing")]
    NoGroups,
    /// A word of `Types`.
    #[error(transparent)]
    Type(#[from] types::Oddity),
    /// A decoder.
    #[error(transparent)]
    Decoder(#[from] decode::Oddity),
}

impl Parser {
    /// Reads the options; `None` after a problem was reported. `tz` is the variable `TZ`, for
    /// `Time_System_Timezone`.
    pub fn from_options(options: &mut Options, tz: Option<&str>) -> Option<Self> {
        let name = required(options, "name");
        let format = required(options, "format");
        let time = time_rule(options, tz);
        let types = types(options);
        let decoders = decoders(options);
        let format = match format.as_deref() {
            Some("json") => Some(Format::Json),
            Some("ltsv") => Some(Format::Ltsv),
            Some("logfmt") => {
                Some(Format::Logfmt { takes_bare_keys: !options.bool("logfmt_no_bare_keys") })
            }
            Some(_) => {
                let time_key = time.as_ref().map(TimeRule::key);
                regex(options, time_key, &types).map(|regex| Format::Regex(Box::new(regex)))
            }
            None => None,
        };
        if options.is_refused() {
            return None;
        }
        Some(Self { name: name?, format: format?, time, types, decoders })
    }
}

fn required(options: &mut Options, name: &'static str) -> Option<String> {
    let text = options.text(name);
    // What was refused already is not missing.
    if text.is_none() && !options.is_refused() {
        options.refuse(name, Fault::Missing(name));
    }
    text
}

fn regex(options: &mut Options, time_key: Option<&[u8]>, types: &Types) -> Option<Regex> {
    let text = required(options, "regex")?;
    match Pattern::new(&text) {
        Ok(pattern) => {
            let regex = Regex::new(pattern, time_key, types, options.bool("skip_empty_values"));
            if !regex.has_groups() {
                options.remark("regex", Remark::plugin(Advice::NoGroups));
            }
            Some(regex)
        }
        Err(error) => {
            options.refuse("regex", Fault::invalid(Refusal::Pattern(error)));
            None
        }
    }
}

fn time_rule(options: &mut Options, tz: Option<&str>) -> Option<TimeRule> {
    let Some(format) = options.text("time_format") else {
        if options.is_set("time_zone") {
            options.refuse("time_zone", Fault::invalid(Refusal::NoTimeFormat));
        }
        return None;
    };
    if format.len() > FORMAT_BYTES_MAX {
        let refusal = Refusal::FormatTooLong { bytes: format.len() };
        options.refuse("time_format", Fault::invalid(refusal));
        return None;
    }
    let zone = zone(options, tz)?;
    let key = options.text("time_key")?;
    let (keep, strict) = (options.bool("time_keep"), options.bool("time_strict"));
    let (rule, unknown) = TimeRule::new(&key, &format, zone, keep, strict);
    if let Some(unknown) = unknown {
        options.remark("time_format", Remark::plugin(Advice::Conversion(unknown)));
    }
    Some(rule)
}

/// The zone of times that do not say theirs; `None` after a problem was reported.
fn zone(options: &mut Options, tz: Option<&str>) -> Option<Zone> {
    let is_system = options.bool("time_system_timezone");
    let (name, offset) = (options.text("time_zone"), options.text("time_offset"));
    let (option, found) = match (name, offset) {
        (Some(_), _) if is_system => {
            options.refuse("time_zone", Fault::Exclusive("time_zone", "time_system_timezone"));
            return None;
        }
        (Some(_), Some(_)) => {
            options.refuse("time_zone", Fault::Exclusive("time_zone", "time_offset"));
            return None;
        }
        // With the machine's own zone Fluent Bit does not look at the offset.
        _ if is_system => return Some(Zone::system(tz)),
        (Some(name), None) => ("time_zone", Zone::named(&name).map_err(Refusal::Zone)),
        (None, Some(offset)) => ("time_offset", Zone::offset(&offset).map_err(Refusal::Offset)),
        (None, None) => return Some(Zone::UTC),
    };
    found.map_err(|refusal| options.refuse(option, Fault::invalid(refusal))).ok()
}

fn types(options: &mut Options) -> Types {
    let (types, odd) = Types::parse(&options.text("types").unwrap_or_default());
    for oddity in odd {
        options.remark("types", Remark::plugin(Advice::Type(oddity)));
    }
    types
}

fn decoders(options: &mut Options) -> Decoders {
    let mut decoders = Decoders::default();
    for (name, setting) in options.all_of(&["decode_field", "decode_field_as"]) {
        let target = if name == "decode_field" { Target::Appended } else { Target::InPlace };
        if let Err(oddity) = decoders.add(target, &setting.value) {
            options.remark_setting(&setting, Remark::plugin(Advice::Decoder(oddity)));
        }
    }
    decoders
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    /// The parser, and all that was said.
    fn read(lines: &[(&str, &str)]) -> (Option<Parser>, String) {
        let policy = Policy::Service { strict: STRICT };
        let mut options = Options::read(section(lines), OPTIONS, &[], policy);
        let parser = Parser::from_options(&mut options, None);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| format!("E {}", problem.fault));
        let notes = report.notes.iter().map(|note| format!("W {}", note.remark));
        (parser, problems.chain(notes).collect::<Vec<_>>().join("; "))
    }

    /// What is said of a JSON parser with these options as well.
    fn said(lines: &[(&str, &str)]) -> String {
        let (parser, said) = read(&[&[("name", "p"), ("format", "JSON")], lines].concat());
        assert_eq!(parser.is_none(), said.starts_with('E'));
        said
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn a_parser_has_a_name_and_a_format_and_a_pattern_where_it_needs_one() {
        assert_eq!(read(&[("Name", "p"), ("Format", "json")]).1, "");
        assert_eq!(read(&[("Format", "json")]).1, "E expected an option name");
        assert_eq!(read(&[("Name", "p")]).1, "E expected an option format");
        assert_eq!(read(&[("Name", "p"), ("Format", "regex")]).1, "E expected an option regex");
        assert_eq!(
            read(&[("Name", "p"), ("Format", "xml")]).1,
            "E expected one of json, regex, ltsv, logfmt"
        );
        let (_, said) = read(&[("name", "p"), ("format", "regex"), ("regex", "*")]);
        assert!(said.starts_with("E not a regular expression: at byte 0: '*'"), "{said}");
    }

    #[test]
    fn a_pattern_without_named_groups_is_told_of() {
        let (parser, said) = read(&[("name", "p"), ("format", "regex"), ("regex", "^(a)$")]);
        assert!(parser.is_some());
        assert_eq!(said, "W has no group with a name such as (?<key>...) and parses nothing");
    }

    #[test]
    fn a_zone_is_named_once_and_needs_a_format() {
        let with_format =
            |lines: &[(&str, &str)]| said(&[&[("time_format", "%T")], lines].concat());
        assert_eq!(with_format(&[("time_offset", "+0200")]), "");
        assert_eq!(with_format(&[("time_zone", "Europe/Berlin")]), "");
        assert_eq!(
            with_format(&[("time_zone", "UTC"), ("time_offset", "+0200")]),
            "E time_zone and time_offset exclude each other, expected one of them"
        );
        assert_eq!(
            with_format(&[("time_zone", "UTC"), ("time_system_timezone", "on")]),
            "E time_zone and time_system_timezone exclude each other, expected one of them"
        );
        assert_eq!(with_format(&[("time_system_timezone", "on"), ("time_offset", "x")]), "");
        assert_eq!(
            with_format(&[("time_offset", "2 hours")]),
            "E expected a difference from UTC such as +0200 or -03:30"
        );
        assert_eq!(
            with_format(&[("time_zone", "Moon")]),
            "E expected a time zone such as Europe/Berlin"
        );
        assert_eq!(said(&[("time_zone", "UTC")]), "E expected time_format as well");
        assert_eq!(said(&[("time_offset", "2 hours")]), "", "nothing reads it");
    }

    #[test]
    fn what_is_odd_is_a_warning() {
        assert_eq!(
            said(&[("time_format", "%FT%T.%f")]),
            "W '%f' is no part of a time, so that no time fits"
        );
        assert_eq!(said(&[("types", "a")]), "W 'a' has no effect, expected KEY:TYPE");
        assert_eq!(
            said(&[("decode_field", "escaped log")]),
            "W has no effect, only json can be appended; expected Decode_Field_As"
        );
        assert_eq!(said(&[("decode_field_as", "json")]), "W has no effect, expected DECODER FIELD");
        assert_eq!(
            said(&[("time_keep", "1")]),
            "W ignored, expected true, on, yes, false, off or no"
        );
        assert_eq!(
            said(&[("time_kepp", "on")]),
            "W unknown option, ignored, did you mean 'time_keep'?"
        );
    }

    #[test]
    fn a_time_format_has_up_to_1024_bytes() {
        let format = "x".repeat(FORMAT_BYTES_MAX);
        assert_eq!(said(&[("time_format", &format)]), "");
        assert_eq!(said(&[("time_format", &(format + "x"))]), "E 1025 bytes long, limit 1024");
    }
}

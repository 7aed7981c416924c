//! Steps 1 and 3, parser: the text of a field → fields, and the time it tells.
//!
//! Pure: text and the present in, msgpack out. What a parser makes of its format is Fluent Bit's
//! (`src/flb_parser*.c`); where that loses a part of the text, the text is left as it is. Not known
//! here: where the text comes from, and what becomes of the fields.

pub mod config;
mod decode;
mod escape;
mod fields;
mod json;
mod logfmt;
mod ltsv;
mod regex;
mod time;
mod types;

use crate::record::time::EventTime;
use decode::Decoders;
use fields::Fields;
use regex::Regex;
use time::TimeRule;
use types::Types;

/// A parser with a name.
#[derive(Clone, Debug)]
pub struct Parser {
    name: String,
    format: Format,
    time: Option<TimeRule>,
    types: Types,
    decoders: Decoders,
}

/// How a text is taken apart.
#[derive(Clone, Debug)]
enum Format {
    Json,
    Regex(Box<Regex>),
    Ltsv,
    Logfmt { takes_bare_keys: bool },
}

/// What a text came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parsed {
    /// The time it tells. Fluent Bit takes the first instant of 1970 for none, and so do we.
    pub time: Option<EventTime>,
    /// How many pairs of key and value there are.
    pub pairs: u32,
    /// It has a time that does not fit `Time_Format`.
    pub is_time_odd: bool,
}

/// What holds for all fields of one text.
#[derive(Clone, Copy, Debug)]
struct Rules<'a> {
    time: Option<&'a TimeRule>,
    types: &'a Types,
    now: EventTime,
}

impl Parser {
    /// The name that filters and inputs call it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes the text apart: its pairs go to the end of `out` as msgpack, without a map's header.
    /// `None`: the text is not of the format, and `out` is as before. `now` says which year it is
    /// where the text does not.
    pub fn parse(&self, text: &[u8], now: EventTime, out: &mut Vec<u8>) -> Option<Parsed> {
        let start = out.len();
        let rules = Rules { time: self.time.as_ref(), types: &self.types, now };
        let mut fields = Fields::new(out);
        let parsed = match &self.format {
            Format::Json => json::parse(text, &mut fields),
            Format::Regex(regex) => regex.parse(text, &rules, &mut fields),
            Format::Ltsv => ltsv::parse(text, &rules, &mut fields),
            Format::Logfmt { takes_bare_keys } => {
                logfmt::parse(text, *takes_bare_keys, &rules, &mut fields)
            }
        };
        if parsed.is_none() {
            out.truncate(start);
            return None;
        }
        fields.pairs = self.decoders.decode(fields.out, start, fields.pairs);
        if matches!(self.format, Format::Json) {
            json::take_time(start, &rules, &mut fields);
        }
        Some(fields.finish())
    }
}

/// Of one name there is one parser in a configuration.
impl PartialEq for Parser {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Parser {}

/// Parsers for tests.
#[cfg(test)]
pub(crate) mod fixture {
    use super::*;
    use crate::option::{Options, Policy, section};

    /// A parser of these options.
    pub(crate) fn parser(name: &str, options: &[(&str, &str)]) -> Parser {
        let lines = [&[("name", name)], options].concat();
        let policy = Policy::Service { strict: config::STRICT };
        let mut options = Options::read(section(&lines), config::OPTIONS, &[], policy);
        Parser::from_options(&mut options, None).expect("a parser")
    }
}

#[cfg(test)]
mod tests;

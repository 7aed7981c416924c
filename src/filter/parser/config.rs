//! Step 3, filter: the options of `parser`.
//!
//! Reference: Fluent Bit's manual, "Parser" filter. Not known here: records, and where parsers are
//! defined.

use std::sync::Arc;

use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::parser::Parser;
use crate::record::accessor::{Accessor, AccessorError};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("key_name", Kind::Text, "Field whose text is taken apart; $a['b'] for one within"),
    Row::new("parser", Kind::Text, "Parser to use; of several the first that can").many(),
    Row::new("reserve_data", Kind::Bool, "Whether the record's other fields stay").or("false"),
    Row::new("preserve_key", Kind::Bool, "Whether the field that is taken apart stays").or("false"),
    Row::new("unescape_key", Kind::Bool, "Whether to read escapes first; Decode_Field_As does")
        .without_effect(),
];

/// A `parser` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The field to take apart.
    pub key: Key,
    /// The parsers, in the order they are tried; at least one.
    pub parsers: Vec<Arc<Parser>>,
    /// The other fields stay, behind those that were found.
    pub reserve_data: bool,
    /// So does the field that was taken apart.
    pub preserve_key: bool,
}

/// Where the text is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Key {
    /// In the field of that name.
    Field(Box<[u8]>),
    /// Where a path leads. The field it begins with has more in it and stays with the others.
    Path(Accessor),
}

/// Why the options cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A path that is none.
    #[error("{0}")]
    Path(#[from] AccessorError),
    /// A parser that nobody defines.
    #[error("no parser '{0}' is defined; name its file with Parsers_File in [SERVICE]")]
    NoParser(String),
}

impl Config {
    /// Reads the options; `None` after a problem was reported. `find` knows the parsers by name.
    pub fn from_options(
        options: &mut Options,
        find: impl Fn(&str) -> Option<Arc<Parser>>,
    ) -> Option<Self> {
        let key = key(options);
        let parsers = parsers(options, find);
        (!options.is_refused()).then_some(())?;
        Some(Self {
            key: key?,
            parsers,
            reserve_data: options.bool("reserve_data"),
            preserve_key: options.bool("preserve_key"),
        })
    }
}

fn key(options: &mut Options) -> Option<Key> {
    let Some(text) = options.text("key_name") else {
        options.refuse("key_name", Fault::Missing("key_name"));
        return None;
    };
    if !text.starts_with('$') {
        return Some(Key::Field(text.as_bytes().into()));
    }
    match Accessor::parse(&text) {
        Ok(path) => Some(Key::Path(path)),
        Err(error) => {
            options.refuse("key_name", Fault::invalid(Refusal::Path(error)));
            None
        }
    }
}

/// One that is not defined is told of, and is a problem where there is no other.
fn parsers(options: &mut Options, find: impl Fn(&str) -> Option<Arc<Parser>>) -> Vec<Arc<Parser>> {
    let settings = options.all("parser");
    if settings.is_empty() {
        options.refuse("parser", Fault::Missing("parser"));
    }
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for setting in settings {
        match find(&setting.value) {
            Some(parser) => found.push(parser),
            None => missing.push(setting),
        }
    }
    for setting in missing {
        let refusal = Refusal::NoParser(setting.value.clone());
        if found.is_empty() {
            options.refuse_setting(&setting, Fault::invalid(refusal));
        } else {
            options.remark_setting(&setting, Remark::plugin(refusal));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};
    use crate::parser::fixture::parser;

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let known = Arc::new(parser("known", &[("format", "json")]));
        let find = |name: &str| (name == "known").then(|| Arc::clone(&known));
        let config = Config::from_options(&mut options, find);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| format!("E {}", problem.fault));
        let notes = report.notes.iter().map(|note| format!("W {}", note.remark));
        (config, problems.chain(notes).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn a_key_is_a_name_or_a_path() {
        let key =
            |text| read(&[("key_name", text), ("parser", "known")]).0.map(|config| config.key);
        assert_eq!(key("my key.x"), Some(Key::Field((*b"my key.x").into())));
        let path = Accessor::parse("$k['log']").expect("a path");
        assert_eq!(key("$k['log']"), Some(Key::Path(path)));
        assert_eq!(key("$"), None);
        assert_eq!(read(&[("parser", "known")]).1, "E expected an option key_name");
    }

    #[test]
    fn a_parser_that_is_not_defined_is_told_of_and_a_problem_where_there_is_no_other() {
        let said = |lines: &[(&str, &str)]| read(&[&[("key_name", "log")], lines].concat()).1;
        let missing = "no parser 'x' is defined; name its file with Parsers_File in [SERVICE]";
        assert_eq!(said(&[("parser", "x"), ("Parser", "known")]), format!("W {missing}"));
        assert_eq!(said(&[("parser", "x")]), format!("E {missing}"));
        assert_eq!(said(&[("parser", "Known")]), format!("E {}", missing.replace('x', "Known")));
        assert_eq!(said(&[]), "E expected an option parser");
    }
}

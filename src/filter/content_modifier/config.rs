//! Step 3, filter: the options of `content_modifier`, which stands among processors only.
//!
//! Reference: Fluent Bit's manual, "Content Modifier" processor; `plugins/processor_content_modifier`.
//! Not known here: records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Row, Table};
use crate::record::pattern::{Pattern, PatternError};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new(
        "action",
        Kind::Choice(&["insert", "upsert", "delete", "rename", "hash", "extract", "convert"]),
        "What is done",
    ),
    Row::new("context", Kind::Text, "What it is done to: body, message and record are the record"),
    Row::new("key", Kind::Text, "Key of the field"),
    Row::new("value", Kind::Text, "Value to insert or upsert, or the new key to rename to"),
    Row::new("pattern", Kind::Text, "Pattern whose named groups become fields, to extract"),
    Row::new(
        "converted_type",
        Kind::Choice(&["string", "boolean", "int", "double"]),
        "Type to convert to",
    ),
];

/// Names of the record among the contexts.
const BODY: [&str; 3] = ["body", "message", "record"];
/// Contexts of Fluent Bit that records have not here.
const ELSEWHERE: [&str; 7] = [
    "metadata",
    "attributes",
    "otel_resource_attributes",
    "otel_scope_attributes",
    "otel_scope_name",
    "otel_scope_version",
    "otel_log_attributes",
];

/// A `content_modifier` processor.
#[derive(Clone, Debug)]
pub struct Config {
    /// The key of the field.
    pub key: String,
    /// What is done to it.
    pub action: Action,
}

/// What is done to a field.
#[derive(Clone, Debug)]
pub enum Action {
    /// It is put at the end if it is not there.
    Insert(String),
    /// It is put at the end, in place of what is there.
    Upsert(String),
    /// It is taken away.
    Delete,
    /// It gets this key.
    Rename(String),
    /// Its value becomes its SHA-256, in hexadecimal digits.
    Hash,
    /// The named groups of the pattern become fields.
    Extract(Pattern),
    /// It is put at the end as another type.
    Convert(Type),
}

/// What a value is converted to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Type {
    /// A text.
    Text,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Int,
    /// A float.
    Double,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("events have nothing but their record in this version of Firelane; leave it out")]
    ContextElsewhere,
    #[error("unknown context, expected body")]
    UnknownContext,
    #[error("not a regular expression: {0}")]
    Pattern(#[source] PatternError),
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let context = options.text("context").unwrap_or_default();
        let is_one_of = |names: &[&str]| names.iter().any(|it| it.eq_ignore_ascii_case(&context));
        if is_one_of(&ELSEWHERE) {
            options.refuse("context", Fault::invalid(Refusal::ContextElsewhere));
        } else if !context.is_empty() && !is_one_of(&BODY) {
            options.refuse("context", Fault::invalid(Refusal::UnknownContext));
        }
        let action = needed("action", options)?;
        let key = needed("key", options);
        let action = match action.as_str() {
            "insert" => needed("value", options).map(Action::Insert),
            "upsert" => needed("value", options).map(Action::Upsert),
            "rename" => needed("value", options).map(Action::Rename),
            "hash" => Some(Action::Hash),
            "extract" => needed("pattern", options)
                .and_then(|text| pattern(&text, options))
                .map(Action::Extract),
            "convert" => {
                needed("converted_type", options).map(|text| Action::Convert(Type::named(&text)))
            }
            _delete => Some(Action::Delete),
        };
        let config = Self { key: key?, action: action? };
        (!options.is_refused()).then_some(config)
    }
}

/// The option, which has to be there. A bad value is reported already.
fn needed(name: &'static str, options: &mut Options) -> Option<String> {
    let text = options.text(name);
    if text.is_none() && !options.is_refused() {
        options.refuse(name, Fault::Missing(name));
    }
    text
}

fn pattern(text: &str, options: &mut Options) -> Option<Pattern> {
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            options.refuse("pattern", Fault::invalid(Refusal::Pattern(error)));
            None
        }
    }
}

impl Type {
    /// Of one of the words that the table takes.
    fn named(text: &str) -> Self {
        match text {
            "boolean" => Self::Bool,
            "int" => Self::Int,
            "double" => Self::Double,
            _string => Self::Text,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Bool => "a truth value",
            Self::Int => "a whole number",
            Self::Double => "a float",
        }
    }
}

/// What it does, without values.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.action {
            Action::Insert(_) => write!(f, "adds {key}"),
            Action::Upsert(_) => write!(f, "sets {key}"),
            Action::Delete => write!(f, "removes {key}"),
            Action::Rename(to) => write!(f, "renames {key} to {to}"),
            Action::Hash => write!(f, "hashes {key}"),
            Action::Extract(pattern) => write!(f, "takes /{}/ out of {key}", pattern.as_str()),
            Action::Convert(to) => write!(f, "makes {key} {}", to.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> Result<String, String> {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let problems = options.into_report().problems;
        let problems = problems.iter().map(|problem| problem.fault.to_string());
        config.map(|config| config.to_string()).ok_or_else(|| problems.collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn every_action_has_what_it_needs() {
        let with = |action, option: (&str, &str)| {
            read(&[("action", action), ("key", "k"), ("context", "Body"), option])
        };
        let value = ("value", "v");
        assert_eq!(with("insert", value).as_deref(), Ok("adds k"));
        assert_eq!(with("UPSERT", value).as_deref(), Ok("sets k"));
        assert_eq!(with("rename", value).as_deref(), Ok("renames k to v"));
        assert_eq!(with("delete", value).as_deref(), Ok("removes k"));
        assert_eq!(with("hash", value).as_deref(), Ok("hashes k"));
        assert_eq!(
            with("extract", ("pattern", "(?<a>.)")).as_deref(),
            Ok("takes /(?<a>.)/ out of k")
        );
        assert_eq!(
            with("convert", ("converted_type", "INT")).as_deref(),
            Ok("makes k a whole number")
        );
    }

    #[test]
    fn what_an_action_lacks_is_named() {
        let lacks = |lines| read(lines).unwrap_err();
        assert_eq!(lacks(&[("key", "k")]), "expected an option action");
        assert_eq!(lacks(&[("action", "delete")]), "expected an option key");
        assert_eq!(lacks(&[("action", "insert"), ("key", "k")]), "expected an option value");
        assert_eq!(lacks(&[("action", "extract"), ("key", "k")]), "expected an option pattern");
        let lines = [("action", "extract"), ("key", "k"), ("pattern", "(")];
        assert!(lacks(&lines).starts_with("not a regular expression"));
        let lines = [("action", "convert"), ("key", "k")];
        assert_eq!(lacks(&lines), "expected an option converted_type");
    }

    #[test]
    fn events_have_nothing_but_their_record() {
        let context = |context| {
            read(&[("action", "delete"), ("key", "k"), ("context", context)]).unwrap_err()
        };
        assert!(context("Metadata").starts_with("events have nothing but their record"));
        assert_eq!(context("head"), "unknown context, expected body");
    }
}

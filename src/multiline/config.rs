//! Around the path, multiline: the options of a `[MULTILINE_PARSER]`.
//!
//! Reference: Fluent Bit's manual, "Multiline Parsing", and `src/flb_parser.c`. Not known here:
//! files, and which section of them this is.

use std::sync::Arc;
use std::time::Duration;

use super::builtin::{BUILTIN, builtin};
use super::parser::{FLUSH_TIMEOUT, Kind as ParserKind, Mark, Parser};
use super::rules::{RuleError, RuleText, Rules};
use crate::option::{Fault, Kind, Options, Remark, Row, Table, nearest, tokens};
use crate::parser as fields;

/// Options of the section.
pub const OPTIONS: Table = &[
    Row::new("name", Kind::Text, "Name by which multiline.parser refers to it"),
    Row::new(
        "type",
        Kind::Choice(&["regex", "endswith", "equal", "eq"]),
        "How it tells which lines belong together",
    ),
    Row::new("match_string", Kind::Text, "What the last line of a record ends with or is"),
    Row::new("negate", Kind::Bool, "Whether what does not match match_string is the last line")
        .or("false"),
    Row::new("key_content", Kind::Text, "Key whose text is the line"),
    Row::new("key_pattern", Kind::Text, "Key whose text is compared instead of the line"),
    Row::new("key_group", Kind::Text, "Key whose text tells lines apart that come mixed"),
    Row::new("parser", Kind::Text, "Parser that reads a line first"),
    Row::new(
        "flush_timeout",
        Kind::Integer { min: 0, max: 86_400_000 },
        "Milliseconds that an input waits for the next line",
    )
    .or("4000"),
    Row::new("rule", Kind::Text, "STATES REGEX NEXT: lines that may follow in these states").many(),
];

/// Options whose value has to be right; a bad value of the others is a warning.
pub const STRICT: &[&str] = &["type"];

/// Words of a rule.
const RULE_WORDS: usize = 3;

/// Multiline parsers by name.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    /// Those of the configuration, in its order.
    own: Vec<Arc<Parser>>,
}

/// A name that is no multiline parser's.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "no multiline parser '{name}' is defined{}; name its file with Parsers_File in [SERVICE]",
    hint(.nearest.as_deref())
)]
pub struct UnknownParser {
    /// The name.
    pub name: String,
    /// The nearest that there is.
    pub nearest: Option<String>,
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean '{name}'?)")).unwrap_or_default()
}

/// Why a section cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// A rule without an expression.
    #[error(r#"expected "STATES" "REGEX" "NEXT STATE""#)]
    Incomplete,
    /// A name that is no parser's.
    #[error("no parser is called '{name}'")]
    UnknownParser {
        /// The name.
        name: String,
    },
    /// A rule that does not work.
    #[error("{0}")]
    Rule(#[from] RuleError),
}

/// What to know about a section that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// `type regex` without a rule.
    #[error("has no rule, so no line matches and nothing is joined")]
    NoRule,
    /// A name that is taken.
    #[error("the name is taken, and the parser that had it first is the one that works")]
    NameTaken,
}

impl Registry {
    /// The parser of that name, in any case. A built-in one comes before one of the configuration.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<Parser>> {
        let own = || self.own.iter().find(|parser| parser.name.eq_ignore_ascii_case(name));
        builtin(name).map(Arc::new).or_else(|| own().cloned())
    }

    /// The names of all.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        BUILTIN.into_iter().chain(self.own.iter().map(|parser| parser.name.as_str()))
    }

    /// The parsers of a list of names with commas, in its order.
    pub fn list(&self, names: &str) -> impl Iterator<Item = Result<Arc<Parser>, UnknownParser>> {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(|name| {
            self.get(name).ok_or_else(|| {
                let nearest = nearest::nearest(name, self.names()).map(str::to_owned);
                UnknownParser { name: name.to_owned(), nearest }
            })
        })
    }

    /// Reads a section and adds its parser; what is wrong with it is reported there. `find` knows
    /// the parsers of fields.
    pub fn add(
        &mut self,
        options: &mut Options,
        find: impl Fn(&str) -> Option<Arc<fields::Parser>>,
    ) {
        let Some(parser) = read(options, find) else { return };
        if self.get(&parser.name).is_some() {
            options.remark("name", Remark::plugin(Advice::NameTaken));
        } else {
            self.own.push(Arc::new(parser));
        }
    }
}

/// The parser that the options describe; `None` after a problem was reported.
fn read(
    options: &mut Options,
    find: impl Fn(&str) -> Option<Arc<fields::Parser>>,
) -> Option<Parser> {
    let name = options.text("name");
    if name.is_none() {
        options.refuse("name", Fault::Missing("name"));
    }
    let kind = match options.text("type").as_deref() {
        Some("regex") => rules(options).map(ParserKind::Regex),
        Some("endswith") => mark(options).map(ParserKind::EndsWith),
        Some(_) => mark(options).map(ParserKind::Equal),
        None => {
            if !options.is_refused() {
                options.refuse("type", Fault::Missing("type"));
            }
            None
        }
    };
    let fields = options.text("parser").map(|name| (find(&name), name));
    if let Some((None, name)) = &fields {
        options.refuse("parser", Fault::invalid(Refusal::UnknownParser { name: name.clone() }));
    }
    let timeout = options.integer("flush_timeout").filter(|millis| *millis > 0);
    let parser = Parser {
        name: name?,
        kind: kind?,
        fields: fields.and_then(|(fields, _)| fields),
        key_content: options.text("key_content"),
        key_pattern: options.text("key_pattern"),
        key_group: options.text("key_group"),
        flush_timeout: timeout.map_or(FLUSH_TIMEOUT, Duration::from_millis),
    };
    (!options.is_refused()).then_some(parser)
}

fn mark(options: &mut Options) -> Option<Mark> {
    let text = options.text("match_string");
    if text.is_none() {
        options.refuse("match_string", Fault::Missing("match_string"));
    }
    Some(Mark { text: text?, negate: options.bool("negate") })
}

fn rules(options: &mut Options) -> Option<Rules> {
    let settings = options.all("rule");
    let words: Vec<Vec<String>> =
        settings.iter().map(|rule| tokens::split(&rule.value, RULE_WORDS)).collect();
    let mut texts = Vec::with_capacity(words.len());
    for (setting, words) in settings.iter().zip(&words) {
        // What follows the third word counts for nothing, as in Fluent Bit.
        let [states, pattern, rest @ ..] = words.as_slice() else {
            options.refuse_setting(setting, Fault::invalid(Refusal::Incomplete));
            continue;
        };
        let next = rest.first().map(String::as_str);
        texts.push(RuleText { states, pattern, next, needs: &[] });
    }
    if texts.len() < settings.len() {
        return None;
    }
    if texts.is_empty() {
        options.remark("type", Remark::plugin(Advice::NoRule));
    }
    match Rules::new(&texts) {
        Ok(rules) => Some(rules),
        Err(error) => {
            let fault = Fault::invalid(Refusal::Rule(error.clone()));
            match settings.get(error.at) {
                Some(setting) => options.refuse_setting(setting, fault),
                None => options.refuse("rule", fault),
            }
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};
    use crate::parser::fixture;

    fn add(registry: &mut Registry, lines: &[(&str, &str)]) -> String {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        registry.add(&mut options, |name| {
            (name == "json").then(|| Arc::new(fixture::parser("json", &[("format", "json")])))
        });
        let report = options.into_report();
        let problems = report.problems.iter().map(ToString::to_string);
        let notes = report.notes.iter().map(ToString::to_string);
        problems.chain(notes).collect::<Vec<_>>().join("; ")
    }

    fn said(lines: &[(&str, &str)]) -> String {
        add(&mut Registry::default(), lines)
    }

    const DATE: [(&str, &str); 5] = [
        ("name", "date"),
        ("type", "regex"),
        ("flush_timeout", "1000"),
        ("rule", r#""start_state" "/^\d{4}-/" "cont""#),
        ("rule", r#""cont" "/^(?!\d{4}-)/" "cont""#),
    ];

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn a_parser_is_found_by_its_name_in_any_case() {
        let mut registry = Registry::default();
        assert_eq!(add(&mut registry, &DATE), "");
        let parser = registry.get("Date").expect("it is there");
        assert_eq!((parser.name.as_str(), parser.flush_timeout.as_millis()), ("date", 1_000));
        assert!(registry.get("JAVA").is_some() && registry.get("nope").is_none());
        assert!(registry.names().any(|name| name == "date"));
    }

    #[test]
    fn a_name_that_is_taken_stays_with_the_first() {
        let mut registry = Registry::default();
        let lines = [("name", "JAVA"), ("type", "endswith"), ("match_string", "\\")];
        let expected = "test.conf:1: [TEST] test: name = \"JAVA\": the name is taken, and the parser \
                        that had it first is the one that works";
        assert_eq!(add(&mut registry, &lines), expected);
        assert!(matches!(registry.get("java").expect("built in").kind, ParserKind::Regex(_)));
    }

    #[test]
    fn endswith_and_equal_compare_with_match_string() {
        let mut registry = Registry::default();
        for (name, kind) in [("a", "EndsWith"), ("b", "eq"), ("c", "equal")] {
            let lines =
                [("name", name), ("type", kind), ("match_string", "\\"), ("negate", "true")];
            assert_eq!(add(&mut registry, &lines), "");
            let mark = Mark { text: "\\".to_owned(), negate: true };
            match &registry.get(name).expect("added").kind {
                ParserKind::EndsWith(found) => assert!(name == "a" && *found == mark),
                ParserKind::Equal(found) => assert!(name != "a" && *found == mark),
                ParserKind::Regex(_) => panic!("{name}"),
            }
        }
        let expected = "test.conf: [TEST] test: expected an option match_string";
        assert_eq!(said(&[("name", "a"), ("type", "eq")]), expected);
    }

    #[test]
    fn what_fluent_bit_refuses_is_refused_with_file_and_line() {
        let refused = |rules: &[&str]| {
            let mut lines = vec![("name", "x"), ("type", "regex")];
            lines.extend(rules.iter().map(|rule| ("rule", *rule)));
            said(&lines)
        };
        let begins = |said: String, start: &str| assert!(said.starts_with(start), "{said}");
        begins(
            said(&[("type", "regex"), DATE[3], DATE[4]]),
            "test.conf: [TEST] test: expected an option name",
        );
        begins(said(&[("name", "x")]), "test.conf: [TEST] test: expected an option type");
        begins(
            said(&[("name", "x"), ("type", "json")]),
            "test.conf:2: [TEST] test: type = \"json\": expected one of",
        );
        assert!(refused(&[r#""cont" "/x/" "cont""#]).starts_with("test.conf:3: "));
        assert!(
            refused(&[r#""cont" "/x/" "cont""#])
                .ends_with("expected start_state among the states of the first rule")
        );
        let lost = refused(&[DATE[3].1, r#""other" "/x/" "lost""#]);
        assert!(
            lost.starts_with("test.conf:3: ") && lost.contains("no rule has the state \"cont\""),
            "{lost}"
        );
        let bad = refused(&[r#""start_state" "/(/" "start_state""#]);
        assert!(
            bad.starts_with("test.conf:3: ") && bad.contains("not a regular expression"),
            "{bad}"
        );
        assert!(refused(&["start_state"]).ends_with(r#"expected "STATES" "REGEX" "NEXT STATE""#));
    }

    #[test]
    fn a_parser_of_fields_has_to_be_there() {
        let lines =
            |parser| [("name", "x"), ("type", "eq"), ("match_string", "F"), ("parser", parser)];
        assert_eq!(said(&lines("json")), "");
        let expected = "test.conf:4: [TEST] test: parser = \"JSON\": no parser is called 'JSON'";
        assert_eq!(said(&lines("JSON")), expected);
    }

    #[test]
    fn a_regex_parser_without_a_rule_joins_nothing_and_is_told_of() {
        let expected = "test.conf:2: [TEST] test: type = \"regex\": has no rule, so no line matches \
                        and nothing is joined";
        assert_eq!(said(&[("name", "x"), ("type", "regex")]), expected);
    }

    #[test]
    fn a_rule_may_have_two_words_and_what_follows_the_third_counts_for_nothing() {
        let mut registry = Registry::default();
        let lines = [
            ("name", "x"),
            ("type", "regex"),
            ("rule", r"start_state ^x cont more words"),
            ("rule", r"cont ^y"),
        ];
        assert_eq!(add(&mut registry, &lines), "");
        assert!(registry.get("x").is_some());
    }
}

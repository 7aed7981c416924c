//! Around the path, multiline: the parsers that every configuration has.
//!
//! Those of languages have their rules from Fluent Bit's `flb_ml_parser_{go,java,python,ruby}.c`,
//! which has them from the detectors of Fluentd's `detect_exceptions`. Those of containers read a
//! line of Docker's files or of the CRI's first (`flb_ml_parser_{docker,cri}.c`).

use std::sync::Arc;

use super::parser::{FLUSH_TIMEOUT, Kind, Mark, Parser};
use super::rules::{RuleText, Rules, START};
use crate::option::{Options, Place, Policy, Section, Setting};
use crate::parser as fields;

/// A rule: states, expression, next state.
type Row = (&'static str, &'static str, &'static str);

/// The names of the built-in parsers.
pub const BUILTIN: [&str; 6] = ["docker", "cri", "go", "java", "python", "ruby"];

/// What takes the lines of Docker's files apart.
const DOCKER_FIELDS: &[(&str, &str)] = &[
    ("name", "docker"),
    ("format", "json"),
    ("time_format", "%Y-%m-%dT%H:%M:%S.%L"),
    ("time_keep", "on"),
    ("time_strict", "off"),
];
/// What takes the lines of the CRI's files apart.
const CRI_FIELDS: &[(&str, &str)] = &[
    ("name", "cri"),
    ("format", "regex"),
    ("regex", r"^(?<time>.+?) (?<stream>stdout|stderr) (?<_p>F|P) (?<log>.*)$"),
    ("skip_empty_values", "off"),
    ("time_format", "%Y-%m-%dT%H:%M:%S.%L%z"),
    ("time_keep", "on"),
    ("time_strict", "off"),
];

const GO: &[Row] = &[
    (START, GO_START, "go_after_panic"),
    (START, r"/http: panic serving/", "go_goroutine"),
    ("go_after_panic", r"/^$/", "go_goroutine"),
    ("go_after_panic, go_after_signal, go_frame_1", r"/^$/", "go_goroutine"),
    ("go_after_panic", r"/^\[signal /", "go_after_signal"),
    ("go_goroutine", r"/^goroutine \d+ \[[^\]]+\]:$/", "go_frame_1"),
    ("go_frame_1", r"/^(?:[^\s.:]+\.)*[^\s.():]+\(|^created by /", "go_frame_2"),
    ("go_frame_2", r"/^\s/", "go_frame_1"),
];

const JAVA: &[Row] = &[
    ("start_state, java_start_exception", JAVA_START, "java_after_exception"),
    ("java_after_exception", r"/^[\t ]*nested exception is:[\t ]*/", "java_start_exception"),
    ("java_after_exception", r"/^[\r\n]*$/", "java_after_exception"),
    ("java_after_exception, java", r"/^[\t ]+(?:eval )?at /", "java"),
    // Of C#: an exception within another, and one of asynchronous code.
    ("java_after_exception, java", r"/^[\t ]+--- End of inner exception stack trace ---$/", "java"),
    (
        "java_after_exception, java",
        r"/^--- End of stack trace from previous (?x:)location where exception was thrown ---$/",
        "java",
    ),
    ("java_after_exception, java", r"/^[\t ]*(?:Caused by|Suppressed):/", "java_after_exception"),
    ("java_after_exception, java", r"/^[\t ]*... \d+ (?:more|common frames omitted)/", "java"),
];

const PYTHON: &[Row] = &[
    (START, r"/^Traceback \(most recent call last\):$/", "python"),
    ("python", r"/^[\t ]+File /", "python_code"),
    ("python_code", r"/[^\t ]/", "python"),
    ("python", r"/^(?:[^\s.():]+\.)*[^\s.():]+:/", START),
];

const RUBY: &[Row] = &[
    ("start_state, ruby_start_exception", RUBY_START, "ruby_after_exception"),
    ("ruby_after_exception, ruby", r"/^\s+from\s+.*:\d+:in\s+.*/", "ruby"),
];

const GO_START: &str = r"/\bpanic: /";
const JAVA_START: &str = r"/(.)(?:Exception|Error|Throwable|V8 errors stack trace)[:\r\n]/";
const RUBY_START: &str = r"/^.+:\d+:in\s+.*/";

/// Texts of which one stands in every line that the expression matches.
const NEEDS: [(&str, &[&str]); 3] = [
    (GO_START, &["panic: "]),
    (JAVA_START, &["Exception", "Error", "Throwable", "V8 errors stack trace"]),
    (RUBY_START, &[":in"]),
];

/// The built-in parser of that name, in any case.
#[must_use]
pub fn builtin(name: &str) -> Option<Parser> {
    let name = BUILTIN.iter().find(|known| known.eq_ignore_ascii_case(name))?;
    let rows = match *name {
        "docker" => return container(name, DOCKER_FIELDS, Kind::EndsWith(mark("\n")), None),
        "cri" => return container(name, CRI_FIELDS, Kind::Equal(mark("F")), Some("_p")),
        "go" => GO,
        "java" => JAVA,
        "python" => PYTHON,
        "ruby" => RUBY,
        _ => return None,
    };
    let text = |&(states, pattern, next): &Row| {
        let needs = NEEDS.iter().find(|(known, _)| *known == pattern);
        RuleText { states, pattern, next: Some(next), needs: needs.map_or(&[], |(_, texts)| texts) }
    };
    let rules = Rules::new(&rows.iter().map(text).collect::<Vec<_>>()).ok()?;
    Some(Parser {
        name: (*name).to_owned(),
        kind: Kind::Regex(rules),
        fields: None,
        key_content: None,
        key_pattern: None,
        key_group: None,
        flush_timeout: FLUSH_TIMEOUT,
    })
}

/// A parser of a container runtime's files: a line says of what stream it is, and whether it is
/// whole.
fn container(
    name: &str,
    fields: &[(&str, &str)],
    kind: Kind,
    key_pattern: Option<&str>,
) -> Option<Parser> {
    let place = Place::file("built in");
    let setting = |&(key, value): &(&str, &str)| Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        written: value.to_owned(),
        place: place.clone(),
    };
    let settings = fields.iter().map(setting).collect();
    let section = Section { title: name.to_owned(), place: place.clone(), settings };
    let mut options = Options::read(section, fields::config::OPTIONS, &[], Policy::Plugin);
    Some(Parser {
        name: name.to_owned(),
        kind,
        fields: Some(Arc::new(fields::Parser::from_options(&mut options, None)?)),
        key_content: Some("log".to_owned()),
        key_pattern: key_pattern.map(str::to_owned),
        key_group: Some("stream".to_owned()),
        flush_timeout: FLUSH_TIMEOUT,
    })
}

fn mark(text: &str) -> Mark {
    Mark { text: text.to_owned(), negate: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern::{Outcome, Pattern};

    proptest::proptest! {
        #[test]
        fn what_an_expression_matches_holds_one_of_the_texts_it_needs(
            text in "([a :\n1]|panic|Exception|Error|Throwable|V8 errors stack trace|in){0,8}",
        ) {
            for (pattern, needs) in NEEDS {
                let is_match = Pattern::new(pattern).expect("compiles").is_match(text.as_bytes());
                let holds = needs.iter().any(|need| text.contains(need));
                proptest::prop_assert!(holds || is_match == Outcome::NoMatch, "{}", pattern);
            }
        }
    }

    #[test]
    fn every_built_in_parser_is_there_in_any_case() {
        for name in BUILTIN {
            assert_eq!(builtin(&name.to_ascii_uppercase()).expect("compiles").name, name);
        }
        assert!(builtin("perl").is_none());
    }
}

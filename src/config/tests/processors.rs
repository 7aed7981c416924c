//! Filters of one input or one output, and conditions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Config, Environment, Errors, FilterKind, Note, load};

fn load_yaml(text: &str) -> Result<Config, Errors> {
    let files = BTreeMap::from([(PathBuf::from("f.yaml"), text.as_bytes().to_vec())]);
    load(Path::new("f.yaml"), &files, &Environment::default())
}

fn errors(text: &str) -> String {
    load_yaml(text).map_or_else(|errors| errors.to_string(), |_| "accepted".to_owned())
}

const PROCESSORS: &str = "
pipeline:
  inputs:
    - name: tcp
      processors:
        logs:
          - name: grep
            exclude: log drop
            match: overlooked
          - name: record_modifier
            alias: mine
            record: [a b, c d]
            condition: {rules: [{field: $k, op: eq, value: v}]}
          - name: grep
            regex: a b
            active: off
  filters:
    - name: grep
      match: '*'
      regex: a b
      condition: {op: or, rules: [{field: $k, op: eq, value: v}]}
  outputs:
    - name: 'null'
      match: '*'
      alias: nowhere
      processors: {logs: [{name: grep, regex: a b}]}
";

#[test]
fn inputs_and_outputs_have_filters_of_their_own() {
    let config = load_yaml(PROCESSORS).unwrap_or_else(|errors| panic!("{errors}"));
    let processors = &config.inputs[0].processors;
    let names: Vec<_> = processors.iter().map(|filter| filter.name.as_str()).collect();
    assert_eq!(names, ["tcp.0.grep.0", "mine"], "the last is not active");
    assert!(processors.iter().all(|filter| filter.matches.matches(b"any")));
    assert!(processors[0].condition.is_none() && processors[1].condition.is_some());
    assert!(matches!(processors[1].kind, FilterKind::RecordModifier(_)));
    assert_eq!(config.outputs[0].processors[0].name, "nowhere.grep.0");
    assert!(config.filters[0].condition.as_ref().is_some_and(|condition| condition.any));
    let notes: Vec<_> = config.notes.iter().map(Note::to_string).collect();
    let expected = [
        "f.yaml:9: [PROCESSOR] grep: match = \"overlooked\": has no effect in Firelane",
        "f.yaml:16: [PROCESSOR] grep: active = \"off\": is not active and left out",
    ];
    assert_eq!(notes, expected);
}

#[test]
fn a_processor_that_cannot_be_used_is_named_with_its_line() {
    let with = |line: &str| {
        format!(
            "pipeline:\n  inputs:\n    - name: tcp\n      processors:\n        logs:\n          - {line}\n"
        )
    };
    let cases = [
        ("{name: grepp}", "f.yaml:6: [PROCESSOR]: unknown plugin 'grepp', did you mean 'grep'?"),
        (
            "{exclude: log x}",
            "f.yaml:6: [PROCESSOR]: expected an option Name that says which plugin it is",
        ),
        (
            "{name: grep, exclud: a b}",
            "f.yaml:6: [PROCESSOR] grep: exclud: unknown option, did you mean 'exclude'?",
        ),
        (
            "{name: grep, regex: a b, condition: {rules: []}}",
            "f.yaml:6: condition: expected at least one rule",
        ),
        (
            "{name: grep, regex: a b, condition: x}",
            "f.yaml:6: [PROCESSOR] grep: condition = \"x\": this option is not supported by this version of Firelane",
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(errors(&with(line)), expected);
    }
}

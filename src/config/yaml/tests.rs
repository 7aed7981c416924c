//! YAML → sections with file and line, and what is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use super::*;
use crate::config::{BYTES_MAX, Environment, RawConfig, SECTIONS_MAX};
use crate::option::Report;

fn parse_files(files: &[(&str, &[u8])]) -> (RawConfig, Report) {
    let files: BTreeMap<PathBuf, Vec<u8>> =
        files.iter().map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec())).collect();
    let environment = Environment::new([("DIR".to_owned(), "sub".to_owned())], None);
    let mut report = Report::default();
    let mut source = Source::new(&files, &environment, &mut report);
    let bytes = source.open(Path::new("m.yaml")).unwrap_or_default();
    read(Path::new("m.yaml"), &bytes, &mut source);
    (source.take(), report)
}

/// `NAME@line{key=value@line …}`, with the sections within it behind its options.
fn drawn_section(section: &RawSection, text: &mut String) {
    let RawSection { name, place, entries, groups, .. } = section;
    let _ = write!(text, "{name}@{}{{", place.line);
    for (index, entry) in entries.iter().enumerate() {
        let blank = if index == 0 { "" } else { " " };
        let _ = write!(text, "{blank}{}={}@{}", entry.key, entry.value, entry.place.line);
    }
    for group in groups {
        text.push(' ');
        drawn_section(group, text);
    }
    text.push('}');
}

/// Each section on a line, then what was said.
fn drawn(files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    let (raw, report) = parse_files(&files);
    let mut lines: Vec<String> = Vec::new();
    for section in &raw.sections {
        let mut text = String::new();
        drawn_section(section, &mut text);
        lines.push(text);
    }
    lines.extend(raw.variables.iter().map(|(name, value)| format!("${name}={value}")));
    lines.extend(report.problems.iter().map(|problem| format!("E {problem}")));
    lines.extend(report.notes.iter().map(|note| format!("W {note}")));
    lines.join("\n")
}

fn drawn_one(text: &str) -> String {
    drawn(&[("m.yaml", text)])
}

#[test]
fn a_file_is_the_sections_of_its_pipeline() {
    let text = "\
service:
  flush: 1
  parsers_file: [a.conf, b.conf]
Pipeline:
  inputs:
    - name: forward
      port: 24224
  filters:
    - Name: grep
      Match: '*'
      regex:
        - log ^a
        - log b$
  outputs:
    - {name: 'null', match: \"x\"}
";
    let expected = "\
SERVICE@1{flush=1@2 parsers_file=a.conf@3 parsers_file=b.conf@3}
INPUT@6{name=forward@6 port=24224@7}
FILTER@9{Name=grep@9 Match=*@10 regex=log ^a@12 regex=log b$@13}
OUTPUT@15{name=null@15 match=x@15}";
    assert_eq!(drawn_one(text), expected);
    assert_eq!(drawn_one(&format!("\u{FEFF}{}", text.replace('\n', "\r\n"))), expected);
}

#[test]
fn texts_stay_as_they_are_written() {
    let text = "service: {a: 0x1F, b: on, c: ~, d: 1.50, e: , f: \"x\\ty\", g: 'it''s'}";
    let expected = "SERVICE@1{a=0x1F@1 b=on@1 c=~@1 d=1.50@1 e=@1 f=x\ty@1 g=it's@1}";
    assert_eq!(drawn_one(text), expected);
    let text = "service:\n  a: >\n    one\n    two\n  b: |\n    three\n    four\n";
    assert_eq!(drawn_one(text), "SERVICE@1{a=one two\n@2 b=three\nfour\n@5}");
}

#[test]
fn what_libyaml_reads_is_read_the_same() {
    let cases = [
        ("service:\n  a: 1\t# note", "SERVICE@1{a=1@2}"),
        ("%YAML 1.1\n---\nservice:\n  a: 1\n...\n", "SERVICE@3{a=1@4}"),
        ("service:\n    a: !!str 1\n    b: yes", "SERVICE@1{a=1@2 b=yes@3}"),
        ("service: {a: 'x', b: http://h:80/p?q=1#f}", "SERVICE@1{a=x@1 b=http://h:80/p?q=1#f@1}"),
        (
            "service:\n  a: ${X}\n  b: $k['x']\n  c: x'y\"z",
            "SERVICE@1{a=${X}@2 b=$k['x']@3 c=x'y\"z@4}",
        ),
        ("service:\n  a: one\n    two\n  \"b\": \"x\\\n    y\"", "SERVICE@1{a=one two@2 b=xy@4}"),
        ("plugins:\n- a\n- b\n", "PLUGINS@1{path=a@2 path=b@3}"),
        ("? plugins\n: - a", "PLUGINS@1{path=a@2}"),
        (
            "service:\n  a: -1\n  b: - 1",
            "E m.yaml:3: not YAML at column 6: block sequence entries are not allowed in this context",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(drawn_one(text), expected, "{text}");
    }
}

#[test]
fn keys_may_be_in_camel_case() {
    let cases = [
        ("logGroupName", "log_group_name"),
        ("tls.caFile", "tls.ca_file"),
        ("Match", "Match"),
        ("log_groupName", "log_groupName"),
        ("storage.maxChunksUp", "storage.max_chunks_up"),
        ("", ""),
    ];
    for (written, name) in cases {
        assert_eq!(option_name(written), name);
    }
    assert_eq!(drawn_one("service: {httpServer: on}"), "SERVICE@1{http_server=on@1}");
}

#[test]
fn a_key_that_is_there_twice_is_an_option_twice() {
    let text = "pipeline:\n  inputs:\n    - name: a\n      name: b";
    assert_eq!(drawn_one(text), "INPUT@3{name=a@3 name=b@4}");
}

#[test]
fn processors_are_sections_within_inputs_and_outputs() {
    let text = "\
pipeline:
  inputs:
    - name: forward
      processors:
        logs:
          - name: grep
            exclude: log drop
            condition:
              op: or
              rules:
                - {field: $a, op: eq, value: x}
                - field: $b
                  op: in
                  value: [y, z]
          - name: modify
            condition: Key_Exists a
        metrics: [{name: x}]
";
    let expected = "\
INPUT@3{name=forward@3 PROCESSOR@6{name=grep@6 exclude=log drop@7 condition@8{op=or@9 \
RULE@11{field=$a@11 op=eq@11 value=x@11} RULE@12{field=$b@12 op=in@13 value=y@14 value=z@14}}} \
PROCESSOR@15{name=modify@15 condition=Key_Exists a@16}}
W m.yaml:17: processors: metrics: has no effect here: there are only logs";
    assert_eq!(drawn_one(text), expected);
}

#[test]
fn parsers_and_stream_tasks_are_sections() {
    let text = "\
parsers:
  - name: j
    format: json
multiline_parsers:
  - name: m
    type: regex
    rules:
      - state: start_state
        regex: '/^say \"x\"/'
        next_state: cont
      - {state: cont, regex: '/^\\s/', next_state: cont}
    flush_timeout: 1000
stream_processor:
  - name: t
    exec: CREATE STREAM a AS SELECT * FROM TAG:'b';
plugins:
  - /path/x.so
";
    let expected = "\
PARSER@2{name=j@2 format=json@3}
MULTILINE_PARSER@5{name=m@5 type=regex@6 rule=\"start_state\" \"/^say \\\"x\\\"/\" \"cont\"@8 \
rule=\"cont\" \"/^\\s/\" \"cont\"@11 flush_timeout=1000@12}
STREAM_TASK@14{name=t@14 exec=CREATE STREAM a AS SELECT * FROM TAG:'b';@15}
PLUGINS@16{path=/path/x.so@17}";
    assert_eq!(drawn_one(text), expected);
}

#[test]
fn variables_are_a_map_or_a_list() {
    let text = "\
env:
  A: 1
  B: file://secret
  A: 2
";
    let files = [("m.yaml", text), ("secret", "$x\n")];
    assert_eq!(drawn(&files), "$A=2\n$B=$x");
    let text = "\
env:
  - name: A
    value: ${B}
  - {name: B, uri: file://secret, refresh_interval: 60}
  - C: c
  - value: x
";
    let expected = "$A=${B}\n$B=$x\n$C=c\nE m.yaml:6: env: expected a key 'name'\n\
        W m.yaml:4: env: refresh_interval = \"60\": is read once, when the router starts";
    assert_eq!(drawn(&[("m.yaml", text), ("secret", "$x\r\n")]), expected);
}

#[test]
fn the_file_of_a_variable_has_to_be_there_and_hold_something() {
    let text = "env:\n  A: file://no\n  B: file://empty\n  C: file://\n";
    let expected = "$C=file://\n\
        E m.yaml:2: env: A = \"file://no\": cannot read \"no\": entity not found\n\
        E m.yaml:3: env: B = \"file://empty\": the file of the variable is empty";
    assert_eq!(drawn(&[("m.yaml", text), ("empty", "\n")]), expected);
}

#[test]
fn includes_stand_where_they_are_named_and_start_at_the_file_that_names_them() {
    let main = "service: {a: 1}\nincludes: [sub/one.yaml, '${DIR}/d/*.yaml']\npipeline: {inputs: [{name: z}]}";
    let files = [
        ("m.yaml", main),
        ("sub/one.yaml", "includes:\n  - two.yml"),
        ("sub/two.yml", "pipeline:\n  filters:\n    - name: two"),
        ("sub/d/b.yaml", "pipeline: {filters: [{name: b}]}"),
        ("sub/d/a.yaml", "pipeline: {filters: [{name: a}]}"),
        ("two.yml", "not: this"),
    ];
    let expected = "SERVICE@1{a=1@1}\nFILTER@3{name=two@3}\nFILTER@1{name=a@1}\nFILTER@1{name=b@1}\nINPUT@3{name=z@3}";
    assert_eq!(drawn(&files), expected);
}

#[test]
fn an_include_that_is_missing_or_classic_or_read_before_is_an_error() {
    let main = "includes:\n  - no.yaml\n  - no/*.yaml\n  - c.conf\n  - a.yaml\n  - a.yaml\n  - m.yaml\n  - [x]";
    let files = [("m.yaml", main), ("a.yaml", ""), ("c.conf", "[FILTER]\n    Name grep")];
    let expected = "\
E m.yaml:2: includes = \"no.yaml\": cannot read \"no.yaml\": entity not found
E m.yaml:3: includes = \"no/*.yaml\": no file matches \"no/*.yaml\"
E c.conf:2: not YAML at column 5: did not find expected <document start>; a YAML configuration can include YAML files only
E m.yaml:6: includes = \"a.yaml\": \"a.yaml\" is included twice
E m.yaml:7: includes = \"m.yaml\": \"m.yaml\" is included twice
E m.yaml:8: includes: expected a text, found a list";
    assert_eq!(drawn(&files), expected);
}

#[test]
fn files_include_each_other_32_deep_and_no_further() {
    let texts: Vec<_> =
        (1..=40).map(|n| (format!("{n}.yaml"), format!("includes: [{}.yaml]", n + 1))).collect();
    let mut files: Vec<_> =
        texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    files.push(("m.yaml", "includes: [1.yaml]"));
    let expected = "E 32.yaml:1: includes = \"33.yaml\": more than 32 files within each other";
    assert_eq!(drawn(&files), expected);
}

#[test]
fn the_service_is_defined_once_in_all_files() {
    let files =
        [("m.yaml", "includes: [a.yaml]\nservice: {b: 2}"), ("a.yaml", "\nservice: {a: 1}")];
    let expected = "SERVICE@2{a=1@2}\nE m.yaml:2: service: set more than once, first at a.yaml:2";
    assert_eq!(drawn(&files), expected);
}

#[test]
fn sections_that_do_nothing_are_kept_with_their_names() {
    let text = "whatever: {a: [1]}\ncustoms:\n  - name: x\nupstream_servers: []\nservice:\n  telemetry: {a: b}\n";
    let expected = "whatever@1{}\ncustoms@2{}\nupstream_servers@4{}\nSERVICE@5{}\n\
        W m.yaml:6: [SERVICE]: telemetry: has no effect in Firelane";
    assert_eq!(drawn_one(text), expected);
    assert_eq!(
        drawn_one("service:\npipeline:\n  inputs:\n  outputs: ~\nenv:\nincludes:"),
        "SERVICE@1{}"
    );
}

#[test]
fn what_has_another_shape_is_named_with_its_line_and_the_rest_is_read() {
    let text = "\
env: text
includes: a.yaml
service:
  flush: {a: b}
  grace: [[1]]
pipeline:
  inputs:
    tail: {path: x}
  filters:
    - text
    - name: grep
      processors: {}
  outputs:
    - name: x
      processors: [a]
  others: []
  inputs:
    - name: tcp
      routes: [{a: b}]
      processors: {log: []}
multiline_parsers:
  - name: m
    rules: [{state: a}, {state: 'a\"', regex: x, next_state: b}]
";
    let expected = "\
SERVICE@3{}
FILTER@11{name=grep@11}
OUTPUT@14{name=x@14}
INPUT@18{name=tcp@18}
MULTILINE_PARSER@22{name=m@22}
E m.yaml:1: env: expected a map or a list of variables, found a text
E m.yaml:2: includes: expected a list of paths, found a text
E m.yaml:4: [SERVICE]: flush: expected a text or a list of texts, found a map
E m.yaml:5: [SERVICE]: grace: expected a text or a list of texts, found a list of other things
E m.yaml:8: INPUT: expected a list, found a map
E m.yaml:10: FILTER: expected a map of options, found a text
E m.yaml:15: processors: expected a map with logs, found a list
E m.yaml:16: pipeline: others: expected inputs, filters or outputs
E m.yaml:19: [INPUT]: routes: this option is not supported by this version of Firelane
E m.yaml:20: log: expected logs, metrics, traces or profiles
E m.yaml:23: rules: expected keys state, regex and next_state
E m.yaml:23: rules: expected a state without quotes or '\\' at its end
W m.yaml:12: [FILTER]: processors: has no effect here: only inputs and outputs have processors";
    assert_eq!(drawn_one(text), expected);
    assert_eq!(drawn_one("[a]"), "E m.yaml:1: expected a map of sections, found a list");
}

#[test]
fn a_text_that_is_no_yaml_or_no_utf_8_is_named() {
    let expected = "E m.yaml:2: not YAML at column 6: while scanning a quoted scalar, found unexpected end of stream";
    assert_eq!(drawn_one("service:\n  a: 'x\n"), expected);
    let (_, report) = parse_files(&[("m.yaml", b"a: \xFF")]);
    assert_eq!(report.problems[0].to_string(), "m.yaml: not UTF-8 at byte 3 of the file");
}

#[test]
fn sections_and_options_are_counted() {
    let items = |count| format!("pipeline: {{inputs: [{}]}}", vec!["{name: x}"; count].join(","));
    let (raw, report) = parse_files(&[("m.yaml", items(SECTIONS_MAX).as_bytes())]);
    assert_eq!((raw.sections.len(), report.problems.len()), (10_000, 0));
    let (_, report) = parse_files(&[("m.yaml", items(SECTIONS_MAX + 1).as_bytes())]);
    assert_eq!(report.problems[0].to_string(), "m.yaml:1: more than 10000 sections");
    let options = |count| format!("service: {{a: [{}]}}", vec!["x"; count].join(","));
    assert!(parse_files(&[("m.yaml", options(100_000).as_bytes())]).1.problems.is_empty());
    let (_, report) = parse_files(&[("m.yaml", options(100_001).as_bytes())]);
    assert_eq!(report.problems[0].to_string(), "m.yaml:1: more than 100000 options");
    let large = vec![b'#'; BYTES_MAX];
    let files = [("m.yaml", b"includes: [large]".as_slice()), ("large", &large)];
    let fault = parse_files(&files).1.problems[0].to_string();
    assert_eq!(fault, "m.yaml:1: includes = \"large\": more than 16777216 bytes of configuration");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        parse_files(&[("m.yaml", &bytes)]);
    }

    #[test]
    fn no_sections_make_it_panic(text in "(env|includes|service|pipeline|inputs|filters|outputs|parsers|multiline_parsers|plugins|processors|logs|condition|rules|name|m.yaml|: |- |\n|\n  |\n    |\n      |\\{|\\}|\\[|\\]|, |~|&a |\\*a|x|file://m.yaml){0,60}") {
        parse_files(&[("m.yaml", text.as_bytes()), ("a.yaml", text.as_bytes())]);
    }
}

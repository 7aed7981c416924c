//! One configuration, three ways to write it: the classic format, YAML and the command line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use proptest::prelude::{Strategy, any};
use proptest::{collection::vec, prop_oneof};

use super::{BRIDGE, environment};
use crate::config::{CommandLine, Config, Errors, Files, SectionKind, load, load_with};

/// A section: its kind, and its options.
type Section = (SectionKind, Vec<(String, String)>);

fn classic(sections: &[Section]) -> String {
    let mut text = String::new();
    for (kind, options) in sections {
        let _ = writeln!(text, "[{}]", kind.title());
        options.iter().for_each(|(key, value)| _ = writeln!(text, "    {key} {value}"));
    }
    text
}

/// Inputs, filters and outputs have a list each, so that only sections of one kind keep their order.
fn yaml(sections: &[Section]) -> String {
    let mut text = String::new();
    let quoted = |value: &str| format!("'{}'", value.replace('\'', "''"));
    let of = |wanted| sections.iter().filter(move |(kind, _)| *kind == wanted);
    if of(SectionKind::Service).count() > 0 {
        text += "service:\n";
    }
    for (key, value) in of(SectionKind::Service).flat_map(|(_, options)| options) {
        let _ = writeln!(text, "  {key}: {}", quoted(value));
    }
    text += "pipeline:\n";
    for (kind, title) in [
        (SectionKind::Input, "inputs"),
        (SectionKind::Filter, "filters"),
        (SectionKind::Output, "outputs"),
    ] {
        let _ = writeln!(text, "  {title}:");
        for (_, options) in of(kind) {
            let mut dash = "-";
            for (key, value) in options {
                let _ = writeln!(text, "  {dash} {key}: {}", quoted(value));
                dash = " ";
            }
        }
    }
    text
}

fn command_line(sections: &[Section]) -> CommandLine {
    let mut line = CommandLine::default();
    for (kind, options) in sections {
        for (key, value) in options {
            if *kind == SectionKind::Service {
                line.set(1, key, value);
            } else if key == "name" {
                line.plugin(1, *kind, value);
            } else {
                assert!(line.option(1, key, value));
            }
        }
    }
    line
}

fn load_one(name: &str, text: String) -> Result<Config, Errors> {
    let files = BTreeMap::from([(PathBuf::from(name), text.into_bytes())]);
    load(Path::new(name), &files, &environment(&[("A", "b c")]))
}

/// All that there is to a configuration but the places.
fn drawn(outcome: Result<Config, Errors>) -> String {
    let (config, errors) = match outcome {
        Ok(config) => (Some(config), None),
        Err(errors) => (None, Some(errors)),
    };
    let mut text = String::new();
    if let Some(Config { service, inputs, filters, outputs, notes, origins: _ }) = config {
        let _ = writeln!(text, "{service:#?}\n{inputs:#?}\n{filters:#?}\n{outputs:#?}");
        notes.iter().for_each(|note| _ = writeln!(text, "W {} {}", note.subject, note.remark));
    }
    for problem in errors.iter().flat_map(|errors| &errors.problems) {
        let _ = writeln!(text, "E {} {}", problem.subject, problem.fault);
    }
    // What one says of another names its place.
    text.lines().map(|line| line.split(" at f.").next().unwrap_or(line).to_owned() + "\n").collect()
}

fn sections() -> impl Strategy<Value = Vec<Section>> {
    let value = || {
        prop_oneof![
            "(on|off|5|25MB|x|\\*|app\\*|a b|log \\^a|\\$\\{A\\}|\\$log\\['x'\\] y|\"q r\"|it's|a: b|- c|# d|\\[e\\]|\\{f|&g|@h)",
            "[!-~]([ -~]{0,10}[!-~])?",
        ]
    };
    let options = |names: &'static str| vec((names, value()), 0..5);
    let plugin = |kind, names: &'static str, keys: &'static str| {
        (names, options(keys)).prop_map(move |(name, options)| {
            let name = [("name".to_owned(), name)];
            (kind, name.into_iter().chain(options).collect::<Vec<_>>())
        })
    };
    let service = options("(flush|grace|log_level|http_server|http_port|daemon)");
    let service = service.prop_map(|options| (SectionKind::Service, options));
    let input = plugin(
        SectionKind::Input,
        "(forward|tcp)",
        "(listen|port|tag|alias|mem_buf_limit|format|tls)",
    );
    let filter = plugin(
        SectionKind::Filter,
        "(grep|record_modifier)",
        "(match|match_regex|regex|exclude|record|remove_key|active|alias)",
    );
    let output = plugin(
        SectionKind::Output,
        "(null|cloudwatch_logs)",
        "(match|match_regex|log_group_name|log_stream_prefix|log_stream_name|retry_limit|region)",
    );
    (service, vec(input, 0..3), vec(filter, 0..3), vec(output, 0..3), any::<bool>()).prop_map(
        |(service, inputs, filters, outputs, has_service)| {
            let service = has_service.then_some(service);
            service.into_iter().chain(inputs).chain(filters).chain(outputs).collect()
        },
    )
}

proptest::proptest! {
    #[test]
    fn a_configuration_is_the_same_in_every_format(sections in sections()) {
        let classic = drawn(load_one("f.conf", classic(&sections)));
        proptest::prop_assert_eq!(&drawn(load_one("f.yaml", yaml(&sections))), &classic);
        let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
        let line = command_line(&sections);
        let given = load_with(line, None, &files as &dyn Files, &environment(&[("A", "b c")]));
        let without_places: String = drawn(given)
            .lines()
            .map(|line| line.split(" at command line").next().unwrap_or(line).to_owned() + "\n")
            .collect();
        proptest::prop_assert_eq!(without_places, classic);
    }
}

#[test]
fn the_agents_configuration_is_the_same_in_yaml() {
    let mut sections: Vec<Section> = Vec::new();
    for line in BRIDGE.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let kind = match line {
            "[INPUT]" => SectionKind::Input,
            "[FILTER]" => SectionKind::Filter,
            "[OUTPUT]" => SectionKind::Output,
            option => {
                let (key, value) = option.split_once(' ').unwrap();
                let (_, options) = sections.last_mut().unwrap();
                options.push((key.to_ascii_lowercase(), value.trim().to_owned()));
                continue;
            }
        };
        sections.push((kind, Vec::new()));
    }
    let classic = drawn(load_one("f.conf", BRIDGE.to_owned()));
    assert_eq!(drawn(load_one("f.yaml", yaml(&sections))), classic);
    assert!(!classic.contains("E ") && classic.contains("firelens-healthcheck"));
}

fn load_both(line: CommandLine, text: &str) -> Config {
    let files = BTreeMap::from([(PathBuf::from("f.conf"), text.as_bytes().to_vec())]);
    let path = Some(Path::new("f.conf"));
    load_with(line, path, &files, &environment(&[])).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_file_has_the_last_word_on_the_process_and_both_have_their_plugins() {
    let mut line = CommandLine::default();
    line.set(1, "flush", "0.2");
    line.set(3, "grace", "9");
    line.plugin(5, SectionKind::Input, "tcp");
    line.plugin(7, SectionKind::Output, "null");
    line.option(9, "match", "b");
    let config =
        load_both(line, "[SERVICE]\n Flush 2\n[INPUT]\n Name tcp\n[OUTPUT]\n Name null\n Match a");
    assert_eq!((config.service.flush.as_secs(), config.service.grace.as_secs()), (2, 9));
    let names: Vec<_> = config.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["tcp.0", "tcp.1"]);
    let tags = config.outputs.iter().map(|output| output.matches.pattern().unwrap());
    assert!(tags.eq(["b", "a"]), "the command line comes first");
    let note = config.notes[0].to_string();
    assert_eq!(note, "f.conf:2: [SERVICE]: Flush = \"2\": replaces the value at command line:1");
}

#[test]
fn a_mistake_on_the_command_line_is_named_with_its_argument() {
    let mut line = CommandLine::default();
    line.plugin(1, SectionKind::Input, "tcp");
    line.option(3, "prot", "1");
    let files: BTreeMap<PathBuf, Vec<u8>> = BTreeMap::new();
    let errors = load_with(line, None, &files, &environment(&[])).unwrap_err();
    let expected = "command line:3: [INPUT] tcp: prot: unknown option, did you mean 'port'?";
    assert_eq!(errors.to_string(), expected);
}

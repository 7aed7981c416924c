//! What the image holds beside the program: parsers and configurations, at the paths users write.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use firelane::config::{Config, Environment, Errors, FilterKind, load};
use firelane::parser::Parser;
use firelane::record::json_out;
use firelane::record::msgpack::Writer;
use firelane::record::time::EventTime;
use serde::Deserialize;
use serde_json::Value;

/// Folders of this repository, and where the Dockerfile puts what is in them.
const PLACES: [(&str, &str); 5] = [
    ("packaging/etc", "/fluent-bit/etc"),
    ("packaging/parsers", "/fluent-bit/etc"),
    ("packaging/parsers", "/fluent-bit/parsers"),
    ("packaging/configs", "/fluent-bit/configs"),
    ("packaging/ecs", "/ecs"),
];

/// The parsers of `parsers.conf`, which configurations name.
const NAMES: [&str; 18] = [
    "apache",
    "apache2",
    "apache_error",
    "cri",
    "docker",
    "docker-daemon",
    "envoy",
    "istio-envoy-proxy",
    "json",
    "k8s-nginx-ingress",
    "kmsg-netfilter-log",
    "kube-custom",
    "logfmt",
    "mongodb",
    "nginx",
    "syslog-rfc3164",
    "syslog-rfc3164-local",
    "syslog-rfc5424",
];

type Image = BTreeMap<PathBuf, Vec<u8>>;

/// A line of a log and what becomes of it.
#[derive(Deserialize)]
struct Line {
    parser: String,
    text: String,
    /// `None`: the parser leaves it as it is.
    fields: Option<Value>,
    /// Milliseconds since 1970, if it tells a time.
    time: Option<i64>,
}

fn image() -> Image {
    let mut image = BTreeMap::new();
    for (from, to) in PLACES {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(from);
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("a file").path();
            let name = path.file_name().expect("a name");
            image.insert(Path::new(to).join(name), fs::read(&path).expect("text"));
        }
    }
    image
}

fn load_at(path: &str, image: &Image) -> Result<Config, Errors> {
    let variables = [
        ("AWS_REGION", "eu-west-1"),
        ("ECS_CLUSTER", "c"),
        ("ECS_TASK_ARN", "a"),
        ("ECS_TASK_DEFINITION", "d"),
        ("FLUENT_BIT_METRICS_LOG_REGION", "eu-west-1"),
        ("FLUENT_BIT_METRICS_LOG_GROUP", "g"),
        ("PARSER_NAME", "json"),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let environment = Environment::new(variables, Some("host-1".to_owned()));
    load(Path::new(path), image, &environment)
}

/// The parsers of these files, by their names.
fn parsers(files: &[&Path]) -> BTreeMap<String, Arc<Parser>> {
    let mut image = image();
    let mut main = String::from("[SERVICE]\n");
    files.iter().for_each(|file| main += &format!("    Parsers_File {}\n", file.display()));
    main += "[FILTER]\n    Name parser\n    Match *\n    Key_Name log\n";
    for file in files {
        let text = String::from_utf8(image[*file].clone()).expect("text");
        let sections = text.split("[PARSER]").skip(1);
        let names = sections.filter_map(|section| section.split_once("Name")?.1.lines().next());
        names.for_each(|name| main += &format!("    Parser {}\n", name.trim()));
    }
    image.insert("/main.conf".into(), main.into_bytes());
    let config = load_at("/main.conf", &image).unwrap_or_else(|errors| panic!("{errors}"));
    let FilterKind::Parser(filter) = &config.filters[0].kind else { panic!("another filter") };
    filter.parsers.iter().map(|parser| (parser.name().to_owned(), Arc::clone(parser))).collect()
}

fn all_parsers() -> BTreeMap<String, Arc<Parser>> {
    let image = image();
    let files = image.keys().filter(|path| path.starts_with("/fluent-bit/parsers"));
    parsers(&files.map(PathBuf::as_path).collect::<Vec<_>>())
}

fn lines() -> Vec<Line> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/parsers.json");
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("lines")
}

/// What a parser makes of a text that is read in November 2023.
fn parsed(parser: &Parser, text: &str) -> (Option<Value>, Option<i64>) {
    let mut pairs = Vec::new();
    let now = EventTime::from_parts(1_700_000_000, 0);
    let Some(parsed) = parser.parse(text.as_bytes(), now, &mut pairs) else { return (None, None) };
    let mut record = Vec::new();
    Writer::new(&mut record).map_header(parsed.pairs);
    record.extend_from_slice(&pairs);
    let mut json = Vec::new();
    json_out::write(&record, &mut json).expect("a whole map");
    (serde_json::from_slice(&json).ok(), parsed.time.map(EventTime::as_millis))
}

#[test]
fn every_shipped_parser_reads_the_lines_of_its_format() {
    let parsers = all_parsers();
    for line in lines() {
        let found = parsed(&parsers[&line.parser], &line.text);
        assert_eq!(found, (line.fields, line.time), "{} {:?}", line.parser, line.text);
    }
}

#[test]
fn every_shipped_parser_has_a_line_that_it_can_read() {
    let read = lines().into_iter().filter(|line| line.fields.is_some()).map(|line| line.parser);
    let read: BTreeSet<_> = read.collect();
    let missing: Vec<_> = all_parsers().into_keys().filter(|name| !read.contains(name)).collect();
    assert_eq!(missing, [""; 0]);
}

#[test]
fn the_parsers_that_configurations_name_are_in_one_file() {
    let names = parsers(&[Path::new("/fluent-bit/parsers/parsers.conf")]).into_keys();
    assert_eq!(names.collect::<Vec<_>>(), NAMES);
}

#[test]
fn every_shipped_configuration_can_be_read() {
    let image = image();
    for path in image.keys().map(|path| path.to_str().expect("text")) {
        // Parsers are for files of their own, and this one uses some that the user names.
        if path.contains("parser") {
            continue;
        }
        let problems = load_at(path, &image).err().map_or(Vec::new(), |errors| errors.problems);
        let bad = problems.iter().map(ToString::to_string);
        // A plugin that this version has not is told of, as in any configuration.
        let bad: Vec<_> =
            bad.filter(|problem| !problem.contains("is not supported by this version")).collect();
        assert_eq!(bad, [""; 0], "{path}");
    }
}

#[test]
fn json_lines_are_taken_apart_by_the_shipped_configuration() {
    let config = load_at("/fluent-bit/configs/parse-json.conf", &image()).expect("it loads");
    let FilterKind::Parser(filter) = &config.filters[0].kind else { panic!("another filter") };
    assert!(filter.reserve_data);
    assert_eq!(filter.parsers[0].name(), "json");
}

#[test]
fn the_router_s_own_metrics_are_read_by_their_shipped_parser() {
    let path = Path::new("/fluent-bit/configs/plugin-metrics-parser.conf");
    let parsers = parsers(&[path]);
    let text = r#"fluentbit_output_proc_records_total{name="cloudwatch_logs.0"} 57 1700000000000"#;
    let (fields, _) = parsed(&parsers["fluentbit_prom_metrics_to_json"], text);
    let expected = serde_json::json!({
        "metric": "fluentbit_output_proc_records_total",
        "plugin": "cloudwatch_logs.0",
        "value": "57",
        "time": "1700000000000",
    });
    assert_eq!(fields, Some(expected));
}

//! Options as the plugin takes them.

use super::*;
use crate::option::{Policy, first_bad_row, section, tables};
use crate::output::cloudwatch_logs::config::ADDRESS;

const NAMES: [(&str, &str); 2] = [("log_group_name", "g"), ("log_stream_prefix", "s-")];

fn read_with(lines: &[(&str, &str)], defaults: &Defaults) -> (Option<Config>, Vec<String>) {
    let shared = &[ADDRESS, tables::OUTPUT, tables::TLS];
    let mut options = Options::read(section(lines), OPTIONS, shared, Policy::Proxy);
    let config = Config::from_options(&mut options, defaults);
    let report = options.into_report();
    let problems = report.problems.iter().map(|problem| format!("E {}", problem.fault));
    (config, problems.chain(report.notes.iter().map(|note| format!("W {}", note.remark))).collect())
}

fn region() -> Defaults {
    Defaults { region: Some("eu-west-1".to_owned()), ..Defaults::default() }
}

/// Reads `lines` besides a group and a prefix.
fn read(lines: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
    read_with(&[&NAMES, lines].concat(), &region())
}

fn config(lines: &[(&str, &str)]) -> Config {
    let (config, said) = read(lines);
    assert!(said.is_empty(), "{said:?}");
    config.unwrap()
}

fn said(lines: &[(&str, &str)]) -> String {
    read(lines).1.join("; ")
}

const CREATE: (&str, &str) = ("auto_create_group", "True");

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[OPTIONS, ADDRESS]), None);
}

#[test]
fn group_and_stream_are_enough() {
    let config = config(&[]);
    assert_eq!(config.names.group.as_str(), "g");
    assert_eq!(config.names.stream, StreamName::Prefix("s-".to_owned()));
    assert_eq!(config.names.default_group, "fluentbit-default");
    assert_eq!(config.names.default_stream, "/fluentbit-default");
    assert_eq!(config.connection.region.as_deref(), Some("eu-west-1"));
    assert!(config.connection.tls_verify && config.connection.endpoint.is_none());
    assert!(!config.auto_create_group && config.auto_create_stream);
    assert!(config.new_log_group_tags.is_empty() && config.log_key.is_none());
    assert_eq!((config.log_retention_days, config.send_failure_timeout), (None, None));
}

#[test]
fn every_option_arrives_where_it_belongs() {
    let config = config(&[
        ("region", "us-west-2"),
        ("default_log_group_name", "dg"),
        ("default_log_stream_name", "ds"),
        ("log_key", "log"),
        ("log_format", "json/emf"),
        ("role_arn", "arn:aws:iam::1:role/r"),
        ("external_id", "id"),
        CREATE,
        ("auto_create_stream", "FALSE"),
        ("new_log_group_tags", "a=b"),
        ("log_retention_days", "14"),
        ("endpoint", "http://localhost:4580"),
        ("sts_endpoint", "https://sts"),
        ("credentials_endpoint", "http://169.254.170.2/v2/credentials/x"),
        ("extra_user_agent", "x"),
        ("tls.verify", "off"),
    ]);
    let connection = &config.connection;
    let texts = [
        connection.region.as_deref(),
        Some(config.names.default_group.as_str()),
        Some(config.names.default_stream.as_str()),
        config.log_key.as_deref(),
        connection.log_format.as_deref(),
        connection.role_arn.as_deref(),
        connection.external_id.as_deref(),
        connection.sts_endpoint.as_deref(),
        connection.credentials_endpoint.as_deref(),
        connection.extra_user_agent.as_deref(),
        connection.profile.as_deref(),
    ];
    let expected = [
        "us-west-2",
        "dg",
        "ds",
        "log",
        "json/emf",
        "arn:aws:iam::1:role/r",
        "id",
        "https://sts",
        "http://169.254.170.2/v2/credentials/x",
        "x",
    ];
    assert_eq!(texts[..10], expected.map(Some));
    assert_eq!(texts[10], None);
    assert!(config.auto_create_group && !config.auto_create_stream && !connection.tls_verify);
    assert_eq!(config.log_retention_days, Some(14));
    assert_eq!(connection.endpoint.as_ref().unwrap().to_string(), "http://localhost:4580");
}

#[test]
fn a_boolean_is_true_or_false_and_anything_else_its_default() {
    for text in ["On", "yes", "1", "maybe"] {
        let (config, said) = read(&[("auto_create_group", text), ("auto_create_stream", text)]);
        let config = config.unwrap();
        assert!(!config.auto_create_group && config.auto_create_stream, "{text}");
        let expected =
            ["W is neither true nor false, false holds", "W is neither true nor false, true holds"];
        assert_eq!(said, expected);
    }
}

#[test]
fn there_is_exactly_one_of_stream_name_and_prefix() {
    let both = "E log_stream_name and log_stream_prefix exclude each other, expected one of them";
    assert_eq!(said(&[("log_stream_name", "x")]), both);
    let missing = |lines| read_with(lines, &region()).1.join("; ");
    assert_eq!(
        missing(&[("log_group_name", "g")]),
        "E expected an option log_stream_name or log_stream_prefix"
    );
    assert_eq!(missing(&[("log_stream_name", "x")]), "E expected an option log_group_name");
}

#[test]
fn a_template_without_its_end_is_refused() {
    let lines = [("log_group_name", "a$(b"), ("log_stream_name", "x$(tag")];
    let expected = ["E expected ) behind \"$(b\"", "E expected ) behind \"$(tag\""];
    assert_eq!(read_with(&lines, &region()).1, expected);
}

#[test]
fn tags_are_pairs_and_what_has_no_key_is_left_out() {
    let text = " key1 =value , key2=value2,,key4=, key7==v, k8, k9,key1=value1,space key = a b,=x";
    let tags = config(&[CREATE, ("new_log_group_tags", text)]).new_log_group_tags;
    let tags: Vec<_> = tags.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let expected = [
        ("k8", ""),
        ("k9", ""),
        ("key1", "value1"),
        ("key2", "value2"),
        ("key4", ""),
        ("key7", "=v"),
        ("space key", "a b"),
    ];
    assert_eq!(tags, expected);
    let note = "W has no effect without auto_create_group";
    assert_eq!(said(&[("new_log_group_tags", "a=b")]), note);
}

#[test]
fn tags_that_the_service_refuses_are_refused_at_the_start() {
    let many = |count| (0..count).map(|key| format!("{key}=v")).collect::<Vec<_>>().join(",");
    let said = |text: String| said(&[CREATE, ("new_log_group_tags", &text)]);
    assert_eq!(said(many(50)), "");
    assert!(said(many(51)).starts_with("E expected at most 50 tags"));
    assert_eq!(said(format!("{}={}", "k".repeat(128), "v".repeat(256))), "");
    assert!(said("k".repeat(129)).starts_with("E expected at most"));
    assert!(said(format!("k={}", "v".repeat(257))).starts_with("E expected at most"));
}

#[test]
fn retention_is_one_of_the_days_of_the_service_where_groups_are_created() {
    let days = |text| [CREATE, ("log_retention_days", text)];
    assert_eq!(config(&days("3653")).log_retention_days, Some(3_653));
    assert_eq!(config(&days("-5")).log_retention_days, None);
    assert!(said(&days("2")).starts_with("E expected one of the days"));
    assert_eq!(said(&days("two")), "W is no whole number, events are kept for ever");
    assert_eq!(said(&[("log_retention_days", "2")]), "W has no effect without auto_create_group");
}

#[test]
fn unknown_options_are_ignored_and_of_repeated_ones_the_first_counts() {
    let (config, said) = read(&[("log_group_nam", "x"), ("log_group_name", "h"), ("apikey", "x")]);
    assert_eq!(config.unwrap().names.group.as_str(), "g");
    let expected = [
        "W unknown option, ignored, did you mean 'log_group_name'?",
        "W has no effect, the value at test.conf:1 counts",
        "W unknown option, ignored",
    ];
    assert_eq!(said, expected);
}

#[test]
fn the_time_without_success_comes_from_the_environment() {
    let with = |text: &str| {
        let send_failure_timeout = Some(text.to_owned());
        read_with(&NAMES, &Defaults { send_failure_timeout, ..region() })
    };
    let timeout = with("5m30s").0.unwrap().send_failure_timeout;
    assert_eq!(timeout, Some(Duration::from_secs(330)));
    let expected = "E environment variable SEND_FAILURE_TIMEOUT: expected a length of time as Go \
                    writes it, such as 5m30s";
    assert_eq!(with("5 minutes").1, [expected]);
}

#[test]
fn a_bad_endpoint_is_refused() {
    assert!(said(&[("endpoint", "http://")]).starts_with("E expected a host"));
    assert_eq!(said(&[("tls.verify", "maybe")]), "E expected true, on, yes, false, off or no");
}

//! Options as Fluent Bit takes them.

use std::path::PathBuf;

use super::*;
use crate::option::{Policy, first_bad_row, section, tables};

const NAMES: [(&str, &str); 2] = [("log_group_name", "g"), ("log_stream_prefix", "s-")];

fn read_with(lines: &[(&str, &str)], defaults: &Defaults) -> (Option<Config>, Vec<String>) {
    let shared = &[ADDRESS, tables::TLS];
    let mut options = Options::read(section(lines), OPTIONS, shared, Policy::Plugin);
    let config = Config::from_options(&mut options, defaults);
    let report = options.into_report();
    let problems = report.problems.iter().map(|problem| format!("E {}", problem.fault));
    (config, problems.chain(report.notes.iter().map(|note| format!("W {}", note.remark))).collect())
}

/// Reads `lines` besides a group and a prefix.
fn read(lines: &[(&str, &str)]) -> (Option<Config>, Vec<String>) {
    let defaults = Defaults {
        region: Some("eu-west-1".to_owned()),
        names_from_task: false,
        ..Defaults::default()
    };
    read_with(&[&NAMES, lines].concat(), &defaults)
}

fn said(lines: &[(&str, &str)]) -> String {
    read(lines).1.join("; ")
}

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[OPTIONS, ADDRESS]), None);
}

#[test]
fn defaults_are_those_of_fluent_bit() {
    let expected = [
        ("auto_create_group", "false"),
        ("log_retention_days", "0"),
        ("auto_retry_requests", "true"),
        ("metric_namespace", "fluent-bit-metrics"),
        ("add_entity", "false"),
        ("loss_markers", "false"),
        ("compress", "off"),
    ];
    let set = OPTIONS.iter().filter_map(|row| Some((row.name, row.default?)));
    assert_eq!(set.collect::<Vec<_>>(), expected);
    let options = OPTIONS.iter().map(|row| row.name).collect::<Vec<_>>();
    let others = "region log_group_name log_stream_name log_stream_prefix log_group_template \
                  log_stream_template log_key log_format log_group_class endpoint role_arn \
                  external_id sts_endpoint profile extra_user_agent metric_dimensions";
    for name in others.split_whitespace() {
        assert!(options.contains(&name), "{name}");
    }
    assert_eq!(options.len(), expected.len() + others.split_whitespace().count());
}

#[test]
fn group_and_stream_are_enough() {
    let (config, said) = read(&[]);
    let config = config.unwrap();
    assert_eq!(config.log_group_name, LogGroupName::Fixed("g".to_owned()));
    assert_eq!(config.stream, StreamName::Prefix("s-".to_owned()));
    assert_eq!(config.connection.region.as_deref(), Some("eu-west-1"));
    assert!(config.connection.tls_verify && !config.auto_create_group);
    assert_eq!((config.connection.endpoint, config.log_retention_days), (None, None));
    assert_eq!((config.log_group_template, config.log_stream_template), (None, None));
    assert_eq!((config.log_key, config.log_group_class), (None, None));
    assert_eq!((config.connection.log_format, config.connection.profile), (None, None));
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn there_is_exactly_one_of_stream_name_and_prefix() {
    let both = "E log_stream_name and log_stream_prefix exclude each other, expected one of them";
    assert_eq!(said(&[("log_stream_name", "x")]), both);
    let (config, said) =
        read_with(&[("log_group_name", "g"), ("region", "x")], &Defaults::default());
    assert_eq!(config, None);
    assert_eq!(said, ["E expected an option log_stream_name or log_stream_prefix"]);
}

#[test]
fn names_may_come_from_the_task_where_that_is_allowed() {
    let from_task = Defaults { region: None, names_from_task: true, ..Defaults::default() };
    let (config, said) = read_with(&[], &from_task);
    let config = config.unwrap();
    assert_eq!(
        (config.log_group_name, config.stream),
        (LogGroupName::FromTask, StreamName::FromTask)
    );
    assert_eq!(said, ["W no region is set, it is taken from the metadata of the task"]);
    let (config, said) =
        read_with(&[("log_stream_name", "x"), ("region", "x")], &Defaults::default());
    assert_eq!((config, said), (None, vec!["E expected an option log_group_name".to_owned()]));
}

#[test]
fn retention_is_one_of_the_days_of_the_service() {
    let create = ("auto_create_group", "true");
    for days in RETENTION_DAYS {
        let (config, notes) = read(&[create, ("log_retention_days", &days.to_string())]);
        assert_eq!((config.unwrap().log_retention_days, notes.len()), (Some(days), 0));
    }
    assert_eq!(read(&[("log_retention_days", "0")]).0.unwrap().log_retention_days, None);
    assert!(said(&[create, ("log_retention_days", "2")]).starts_with("E expected one of the days"));
    assert_eq!(said(&[("log_retention_days", "14")]), "W has no effect without auto_create_group");
    assert_eq!(RETENTION_DAYS[RETENTION_DAYS.len() - 1], 3_653);
}

#[test]
fn a_class_is_checked_only_where_groups_are_created() {
    let create = ("auto_create_group", "true");
    assert_eq!(
        said(&[create, ("log_group_class", "CHEAP")]),
        "E expected STANDARD or INFREQUENT_ACCESS"
    );
    assert_eq!(said(&[("log_group_class", "CHEAP")]), "W has no effect without auto_create_group");
    let class =
        read(&[create, ("log_group_class", "infrequent_access")]).0.unwrap().log_group_class;
    assert_eq!(class, Some(LogGroupClass::InfrequentAccess));
}

#[test]
fn an_endpoint_is_a_host_with_the_port_option_or_a_url() {
    let (config, notes) =
        read(&[("endpoint", "127.0.0.1"), ("port", "4580"), ("tls.ca_file", "/ca.pem")]);
    let config = config.unwrap();
    let connection = config.connection;
    assert_eq!(connection.endpoint.unwrap().to_string(), "https://127.0.0.1:4580");
    assert_eq!(connection.tls_ca_file, Some(PathBuf::from("/ca.pem")));
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(said(&[("port", "4580")]), "W has no effect without endpoint");
    assert_eq!(said(&[("port", "443")]), "");
    assert!(said(&[("endpoint", "http://")]).starts_with("E expected a host"));
}

#[test]
fn a_group_name_that_the_service_refuses_is_only_a_warning() {
    assert_eq!(said(&[]), "");
    for name in ["arn:aws:x".to_owned(), "a".repeat(513)] {
        let lines = [("log_group_name", name.as_str()), ("log_stream_name", "x")];
        let defaults = Defaults {
            region: Some("x".to_owned()),
            names_from_task: false,
            ..Defaults::default()
        };
        let (config, said) = read_with(&lines, &defaults);
        assert!(config.is_some() && said[0].starts_with("W holds characters"), "{said:?}");
    }
    let lines = [("log_group_name", "aws/x"), ("log_stream_name", "x"), ("region", "x")];
    let said = read_with(&lines, &Defaults::default()).1;
    assert!(said[0].starts_with("W begins with aws/"), "{said:?}");
}

#[test]
fn a_bad_boolean_and_a_repeated_option_are_refused() {
    assert_eq!(
        said(&[("auto_create_group", "maybe")]),
        "E expected true, on, yes, false, off or no"
    );
    assert_eq!(said(&[("log_group_name", "h")]), "E set more than once, first at test.conf:1");
}

#[test]
fn every_option_arrives_where_it_belongs() {
    let (config, notes) = read(&[
        ("region", "us-west-2"),
        ("log_group_template", "/x/$a"),
        ("log_stream_template", "$b['c']"),
        ("log_key", "log"),
        ("log_format", "json/emf"),
        ("role_arn", "arn:aws:iam::1:role/r"),
        ("external_id", "id"),
        ("sts_endpoint", "https://sts"),
        ("profile", "logs"),
        ("extra_user_agent", "x"),
        ("tls.verify", "off"),
    ]);
    assert!(notes.is_empty(), "{notes:?}");
    let config = config.unwrap();
    let connection = config.connection;
    let texts = [
        connection.region.as_deref(),
        config.log_group_template.as_ref().map(Template::as_str),
        config.log_stream_template.as_ref().map(Template::as_str),
        config.log_key.as_deref(),
        connection.log_format.as_deref(),
        connection.role_arn.as_deref(),
        connection.external_id.as_deref(),
        connection.sts_endpoint.as_deref(),
        connection.profile.as_deref(),
        connection.extra_user_agent.as_deref(),
    ];
    let expected = [
        "us-west-2",
        "/x/$a",
        "$b['c']",
        "log",
        "json/emf",
        "arn:aws:iam::1:role/r",
        "id",
        "https://sts",
        "logs",
        "x",
    ];
    assert_eq!(texts, expected.map(Some));
    assert!(!connection.tls_verify && connection.credentials_endpoint.is_none());
}

#[test]
fn a_template_with_a_bracket_that_is_not_closed_is_refused() {
    for name in ["log_group_template", "log_stream_template"] {
        let said = said(&[(name, "$a['b'")]);
        assert!(said.starts_with("E expected ['name'] or [0] after the key"), "{said}");
    }
}

#[test]
fn numbers_booleans_and_ports_that_are_none_are_refused() {
    for (name, value) in [
        ("log_retention_days", "long"),
        ("log_retention_days", "-1"),
        ("port", "65536"),
        ("add_entity", "maybe"),
        ("auto_retry_requests", "maybe"),
        ("tls.verify", "maybe"),
    ] {
        assert!(said(&[(name, value)]).starts_with("E expected"), "{name} {value}");
    }
}

#[test]
fn options_of_metrics_and_entities_are_accepted_and_have_no_effect() {
    let metrics = "W has no effect: it concerns the inputs cpu and mem and metrics, of which there \
                   are none";
    assert_eq!(said(&[("metric_namespace", "n")]), metrics);
    assert_eq!(said(&[("metric_dimensions", "a,b;c")]), metrics);
    let entity = "W has no effect: an entity is made of what the filter kubernetes adds";
    assert_eq!(
        (said(&[("add_entity", "on")]), said(&[("add_entity", "off")])),
        (entity.to_owned(), String::new(),)
    );
    assert_eq!(said(&[("auto_retry_requests", "off")]), "W has no effect in Firelane");
}

#[test]
fn workers_and_tls_off_are_accepted() {
    assert_eq!(said(&[("tls", "off")]), "W has no effect in Firelane");
}

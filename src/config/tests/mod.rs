//! Whole configurations: recorded cases, AWS's examples, and the exact text of errors.
//!
//! The files are in `tests/golden/config/<name>/`; `@PORT@` and the like stand for what the runner
//! of the cases puts there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::filter::grep::config::LogicalOp;
use crate::input::forward::config::Listener;
use crate::output::cloudwatch_logs::config::{LogGroupName, StreamName};
use crate::output::cloudwatch_logs::sender::Encoding;

mod examples;
mod formats;
mod golden;
mod multiline_parsers;
mod options;
mod parsers;
mod processors;
mod scripts;
mod streams;
mod upstreams;

fn environment(extra: &[(&str, &str)]) -> Environment {
    let fixed = [("AWS_REGION", "us-east-1"), ("HOSTNAME", "host-1")];
    let variables = fixed.iter().chain(extra);
    Environment::new(variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())), None)
}

/// The text as `f.conf`, beside a `parsers.conf` with a parser `p`.
fn load_text(text: &str, extra: &[(&str, &str)]) -> Result<Config, Errors> {
    let parser = "[PARSER]\n    Name p\n    Format json\n";
    let files = [("f.conf", text), ("parsers.conf", parser)];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    let files = BTreeMap::from(files);
    load(Path::new("f.conf"), &files, &environment(extra))
}

fn errors(text: &str) -> String {
    load_text(text, &[]).map(|_| String::new()).unwrap_or_else(|errors| errors.to_string())
}

fn notes(text: &str) -> Vec<String> {
    let config = load_text(text, &[]).unwrap_or_else(|errors| panic!("{errors}"));
    config.notes.iter().map(Note::to_string).collect()
}

fn cloudwatch(config: &Config, index: usize) -> &output::cloudwatch_logs::config::Config {
    match &config.outputs[index].kind {
        OutputKind::CloudwatchLogs(config) => config,
        OutputKind::Counter
        | OutputKind::File(_)
        | OutputKind::Http(_)
        | OutputKind::Null
        | OutputKind::Forward(_)
        | OutputKind::Stdout(_)
        | OutputKind::Cloudwatch(_) => {
            panic!("output {index} is another")
        }
    }
}

/// What the ECS agent writes for a task in bridge mode, on EC2.
const BRIDGE: &str = "
[INPUT]
    Name forward
    Mem_Buf_Limit 50MB
    unix_path /var/run/fluent.sock

[INPUT]
    Name forward
    Listen 0.0.0.0
    Port 24224

[INPUT]
    Name tcp
    Tag firelens-healthcheck
    Listen 127.0.0.1
    Port 8877

[FILTER]
    Name   grep
    Match app-firelens*
    Regex  log .*failure.* again

[FILTER]
    Name   grep
    Match app-firelens*
    Exclude log success

[FILTER]
    Name record_modifier
    Match *
    Record ec2_instance_id i-123456789a
    Record ecs_cluster mycluster
    Record ecs_task_arn arn:aws:ecs:us-east-2:01234567891011:task/mycluster/3de392df
    Record ecs_task_definition taskdefinition:1

[OUTPUT]
    Name null
    Match firelens-healthcheck

[OUTPUT]
    Name cloudwatch_logs
    Match app-firelens*
    Retry_Limit 2
    auto_create_group true
    log_group_name /ecs/app
    log_stream_prefix app-
    region us-west-2
";

#[test]
fn the_agents_bridge_configuration_is_taken_without_a_warning() {
    let config = load_text(BRIDGE, &[]).unwrap();
    assert_eq!(config.notes.iter().map(Note::to_string).collect::<Vec<_>>(), Vec::<String>::new());
    assert_eq!(config.service, Service::default());
    let names: Vec<_> = config.inputs.iter().map(|input| input.name.as_str()).collect();
    assert_eq!(names, ["forward.0", "forward.1", "tcp.2"]);
    assert_eq!(config.inputs[0].mem_buf_limit_bytes, Some(50_000_000));
    assert_eq!(config.inputs[2].tag.as_deref(), Some("firelens-healthcheck"));
    let FilterKind::Grep(grep) = &config.filters[0].kind else { panic!("not grep") };
    assert_eq!(grep.rules[0].pattern.as_str(), ".*failure.* again", "the rest of the line");
    assert_eq!(grep.logical_op, LogicalOp::Legacy);
    assert_eq!(config.outputs[1].name, "cloudwatch_logs.1");
    assert_eq!(config.outputs[1].retry_limit, RetryLimit::Retries(2));
    assert_eq!(cloudwatch(&config, 1).connection.region.as_deref(), Some("us-west-2"));
    assert!(config.outputs[1].matches.matches(b"app-firelens-3de392df"));
}

#[test]
fn the_agents_awsvpc_and_host_configurations_are_taken_without_a_warning() {
    let awsvpc = BRIDGE.replace("Listen 0.0.0.0", "Listen 127.0.0.1");
    assert_eq!(notes(&awsvpc), Vec::<String>::new());
    // Host mode: only the unix socket, and no health check.
    let tcp = BRIDGE.find("[INPUT]\n    Name forward\n    Listen").unwrap();
    let filters = BRIDGE.find("[FILTER]").unwrap();
    let null = "[OUTPUT]\n    Name null\n    Match firelens-healthcheck\n\n";
    let host = format!("{}{}", &BRIDGE[..tcp], &BRIDGE[filters..]).replace(null, "");
    let config = load_text(&host, &[]).unwrap();
    assert_eq!((config.inputs.len(), config.outputs.len(), config.notes.len()), (1, 1, 0));
    let InputKind::Forward(forward) = &config.inputs[0].kind else { panic!("not forward") };
    let path = PathBuf::from("/var/run/fluent.sock");
    assert_eq!(forward.listener, Listener::Unix { path, mode: None });
}

#[test]
fn a_match_among_the_users_options_comes_last_and_counts() {
    let text = BRIDGE.replace("    Retry_Limit 2\n", "    Match other*\n    Retry_Limit 2\n");
    let config = load_text(&text, &[]).unwrap();
    assert_eq!(config.outputs[1].matches.pattern(), Some("other*"));
    let expected =
        "f.conf:43: [OUTPUT] cloudwatch_logs: Match = \"other*\": replaces the value at f.conf:42";
    assert_eq!(config.notes[0].to_string(), expected);
}

#[test]
fn all_errors_of_a_file_come_from_one_run() {
    let text = "\
[SERVICE]
    Log_Level loud
    storag.path /x
[INPUT]
    Name forward
    Port 65536
    storage.type filesystem
[INPUT]
    Name syslog
[INPUT]
    Name forwrd
[FILTER]
    Name grep
    Match *
    Regexp log x
    Regex log *failure*
[FILTER]
    Name record_modifier
    Match_Regex (
    Remove_key a
    Whitelist_key b
[OUTPUT]
    Match *
[OUTPUT]
    Name cloudwatch_logs
    Match *
    log_group_name g
    log_group_name h
    auto_create_group maybe
    api_key hunter2
[PARSER]
    Name x
";
    let expected = "\
f.conf:31: [PARSER]: a parser cannot stand here; put it into a file of its own and name that with \
Parsers_File in [SERVICE]
f.conf:2: [SERVICE]: Log_Level = \"loud\": expected one of off, error, warn, warning, info, debug, trace
f.conf:6: [INPUT] forward: Port = \"65536\": expected a whole number from 0 to 65535
f.conf:7: [INPUT] forward: storage.type = \"filesystem\": expected storage.path in [SERVICE] as well
f.conf:9: [INPUT]: plugin 'syslog' is not supported by this version of Firelane
f.conf:11: [INPUT]: unknown plugin 'forwrd', did you mean 'forward'?
f.conf:15: [FILTER] grep: Regexp: unknown option, did you mean 'regex'?
f.conf:16: [FILTER] grep: Regex = \"log *failure*\": not a regular expression: at byte 0: '*' has nothing \
before it to repeat; for any text write '.*', for the sign itself '\\*'
f.conf:19: [FILTER] record_modifier: Match_Regex = \"(\": not a regular expression: at byte 0: opening \
parenthesis without closing parenthesis
f.conf:21: [FILTER] record_modifier: Whitelist_key = \"b\": remove_key and allowlist_key exclude each other, \
expected one of them
f.conf:22: [OUTPUT]: expected an option Name that says which plugin it is
f.conf:28: [OUTPUT] cloudwatch_logs: log_group_name = \"h\": set more than once, first at f.conf:27
f.conf:29: [OUTPUT] cloudwatch_logs: auto_create_group = \"maybe\": expected true, on, yes, false, off or no
f.conf:30: [OUTPUT] cloudwatch_logs: api_key: unknown option
f.conf:24: [OUTPUT] cloudwatch_logs: expected an option log_stream_name or log_stream_prefix";
    assert_eq!(errors(text), expected);
    let errors = load_text(text, &[]).unwrap_err();
    let expected =
        "f.conf:3: [SERVICE]: storag.path: unknown option, ignored, did you mean 'storage.path'?";
    assert_eq!(errors.notes[0].to_string(), expected);
}

#[test]
fn warnings_name_their_place_and_do_not_stop_anything() {
    let text = "\
[SERVICE]
    Flush 1 # often
    HTTP_Port 99999
[OTHER]
    a b
[CUSTOM]
    Name x
[INPUT]
    Name tcp
    Mem_Buf_Limit ${LIMIT}
    net.keepalive on
[FILTER]
    Name record_modifier
    Record a 1
[FILTER]
    Name grep
    Match *
    Active off
[OUTPUT]
    Name null
    Retry_Limit often
[OUTPUT]
    Name null
    Match *
";
    let expected = "\
f.conf:10: [INPUT]: Mem_Buf_Limit: variable ${LIMIT} is used but not set, replaced by nothing
f.conf:2: [SERVICE]: Flush = \"1 # often\": the comment after the value is left out
f.conf:3: [SERVICE]: HTTP_Port = \"99999\": ignored, expected a whole number from 0 to 65535
f.conf:4: [OTHER]: unknown section, ignored with all that is in it
f.conf:6: [CUSTOM]: this section has no effect in this version of Firelane
f.conf:10: [INPUT] tcp: Mem_Buf_Limit = \"${LIMIT}\": is empty and counts as not set
f.conf:11: [INPUT] tcp: net.keepalive = \"on\": has no effect in Firelane
f.conf:12: [FILTER] record_modifier: has neither Match nor Match_Regex and gets no records
f.conf:18: [FILTER] grep: Active = \"off\": is not active and left out
f.conf:21: [OUTPUT] null: Retry_Limit = \"often\": is no retry limit, 1 retry holds; expected a number of at \
least 1, no_limits or no_retries
f.conf:19: [OUTPUT] null: has neither Match nor Match_Regex and gets no records";
    assert_eq!(notes(text).join("\n"), expected);
}

#[test]
fn records_wait_where_their_input_says_else_where_the_service_does() {
    use crate::chunk::Storage::{Filesystem, Memory};
    let places = |service: &str| {
        let inputs = ["", "filesystem", "memory", "memrb"].map(|word| {
            let line =
                if word.is_empty() { String::new() } else { format!(" storage.type {word}\n") };
            format!("[INPUT]\n name dummy\n{line}")
        });
        let text = format!("[SERVICE]\n storage.path /var/x\n{service}{}", inputs.concat());
        let config = load_text(&text, &[]).unwrap();
        config.inputs.iter().map(|input| input.storage).collect::<Vec<_>>()
    };
    assert_eq!(places(""), [Memory, Filesystem, Memory, Memory]);
    assert_eq!(places(" storage.type filesystem\n"), [Memory, Filesystem, Memory, Memory]);
    assert_eq!(
        places(" storage.type filesystem\n storage.inherit on\n"),
        [Filesystem, Filesystem, Memory, Memory]
    );
    let ring = "[INPUT]\n name dummy\n storage.type memrb\n[OUTPUT]\n name null\n match *\n";
    let expected = "f.conf:3: [INPUT] dummy: storage.type = \"memrb\": counts as memory: nothing is \
                    dropped for newer records, readers wait";
    assert_eq!(notes(ring), [expected]);
}

#[test]
fn a_place_on_disk_that_inputs_inherit_needs_a_folder_too() {
    let text = "[SERVICE]\n storage.type filesystem\n storage.inherit on\n[INPUT]\n name dummy\n";
    let expected = "f.conf:4: [INPUT] dummy: expected storage.path in [SERVICE] as well";
    assert_eq!(errors(text), expected);
}

#[test]
fn the_limit_on_disk_of_an_output_is_its_own_none_or_not_said() {
    let limit = |line: &str| {
        let text = format!("[OUTPUT]\n name null\n match *\n{line}");
        load_text(&text, &[]).unwrap().outputs[0].storage_bytes_max
    };
    assert_eq!(limit(""), None);
    assert_eq!(limit(" storage.total_limit_size 1G\n"), Some(1_000_000_000));
    for none in ["off", "false", "0"] {
        assert_eq!(limit(&format!(" storage.total_limit_size {none}\n")), Some(u64::MAX), "{none}");
    }
}

#[test]
fn the_time_to_stop_comes_from_the_file_then_from_the_environment() {
    let seconds = |text: &str, value: &str| {
        let config = load_text(text, &[("FIRELANE_GRACE", value)]).unwrap();
        let held = config.origins.section(Part::Service, 0).unwrap().get("grace").unwrap();
        let notes: Vec<_> = config.notes.iter().map(ToString::to_string).collect();
        (config.service.grace.as_secs(), held.value.clone(), notes.join("\n"))
    };
    let of = |seconds, held: &str| (seconds, held.to_owned(), String::new());
    assert_eq!(seconds("[SERVICE]\n Flush 1\n", "9"), of(9, "9"));
    assert_eq!(seconds("[SERVICE]\n Grace 7\n", "9"), of(7, "7"));
    let (grace, held, said) = seconds("[SERVICE]\n Flush 1\n", "soon");
    assert_eq!((grace, held.as_str()), (25, "25"));
    let expected = "environment: FIRELANE_GRACE: ignored, expected seconds such as 5, 30s or 1m, or \
                    -1 to wait for ever";
    assert_eq!(said, expected);
}

#[test]
fn a_region_comes_from_the_file_then_from_the_environment() {
    let text = |region| {
        format!(
            "[OUTPUT]\n Name cloudwatch_logs\n Match *\n log_group_name g\n log_stream_name s\n{region}"
        )
    };
    let region = |text: &str, variables: &[(&str, &str)]| {
        let files = BTreeMap::from([(PathBuf::from("f.conf"), text.as_bytes().to_vec())]);
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = load(Path::new("f.conf"), &files, &Environment::new(variables, None)).unwrap();
        cloudwatch(&config, 0).connection.region.clone()
    };
    let both = [("AWS_DEFAULT_REGION", "b"), ("AWS_REGION", "a")];
    assert_eq!(region(&text(" region ${AWS_REGION}x"), &both).as_deref(), Some("ax"));
    assert_eq!(region(&text(""), &both).as_deref(), Some("a"));
    assert_eq!(region(&text(" region ${NOT_SET}"), &both[..1]).as_deref(), Some("b"));
    assert_eq!(region(&text(""), &[]), None);
}

#[test]
fn an_input_with_tls_needs_a_certificate() {
    let tls =
        |value: &str| errors(&format!("[INPUT]\n Name tcp\n TLS {value}\n[OUTPUT]\n Name null"));
    let expected =
        "f.conf:3: [INPUT] tcp: TLS = \"on\": expected an option tls.crt_file and tls.key_file";
    assert_eq!((tls("on").as_str(), tls("off").as_str()), (expected, ""));
}

#[test]
fn values_grow_to_64_mebibytes_in_all() {
    let text = format!("[FILTER]\n Name grep\n{}", " Regex ${A}\n".repeat(65));
    let error = load_text(&text, &[("A", &"x".repeat(1024 * 1024))]).unwrap_err();
    let last = error
        .problems
        .iter()
        .map(|problem| problem.fault.to_string())
        .find(|text| text.contains("all"));
    assert_eq!(last.as_deref(), Some("more than 67108864 bytes in all values"));
}

#[test]
fn a_file_full_of_mistakes_is_reported_up_to_a_thousand() {
    let text = format!("[INPUT]\n Name tcp\n{}", " listem x\n".repeat(90_000));
    assert_eq!(load_text(&text, &[]).unwrap_err().problems.len(), 1_000);
}

#[test]
fn one_input_and_one_output_need_no_match() {
    let config = load_text("[INPUT]\n Name tcp\n[OUTPUT]\n Name null", &[]).unwrap();
    assert!(config.outputs[0].matches.matches(b"tcp.0") && config.notes.is_empty());
    let config = load_text("[INPUT]\n Name tcp\n[OUTPUT]\n Name null\n Match x", &[]).unwrap();
    assert!(!config.outputs[0].matches.matches(b"tcp.0"));
}

#[test]
fn sections_are_numbered_by_kind_and_an_alias_changes_the_name_but_not_the_tag() {
    let text = "[INPUT]\n Name tcp\n[INPUT]\n Name forward\n[INPUT]\n Name TCP\n Alias mine\n[FILTER]\n Name grep\n Match *";
    let config = load_text(text, &[]).unwrap();
    let inputs: Vec<_> =
        config.inputs.iter().map(|i| (i.name.as_str(), i.tag.as_deref())).collect();
    assert_eq!(inputs, [("tcp.0", Some("tcp.0")), ("forward.1", None), ("mine", Some("tcp.2"))]);
    assert_eq!(config.filters[0].name, "grep.0");
}

#[test]
fn the_level_of_the_environment_comes_before_that_of_the_file() {
    let text = "[SERVICE]\n Log_Level error\n[SERVICE]\n Grace 30";
    let level = |value| load_text(text, &[("FLB_LOG_LEVEL", value)]).unwrap();
    assert_eq!(level("debug").service.log_level, LogLevel::Debug);
    let config = level("loud");
    assert_eq!(config.service.log_level, LogLevel::Error);
    assert_eq!(config.service.grace.as_secs(), 30, "both sections count");
    assert!(
        config.notes[0]
            .to_string()
            .starts_with("environment: FLB_LOG_LEVEL: ignored, expected one of")
    );
}

#[test]
fn a_secret_of_the_environment_is_used_once_and_never_shown() {
    let text = "[FILTER]\n Name record_modifier\n Match *\n Record k ${apikey_1}\n";
    let config = load_text(text, &[("apikey_1", "$x${HOME}{}")]).unwrap();
    let FilterKind::RecordModifier(filter) = &config.filters[0].kind else { panic!("not that") };
    assert_eq!(filter.records, [("k".to_owned(), "$x${HOME}{}".to_owned())]);
    let bad = load_text("[INPUT]\n Name tcp\n Port ${apikey_1}", &[("apikey_1", "hunter2")]);
    let shown = format!("{}", bad.unwrap_err());
    assert_eq!(
        shown,
        "f.conf:3: [INPUT] tcp: Port = \"${apikey_1}\": expected a whole number from 0 to 65535"
    );
}

#[test]
fn a_parsers_file_has_to_be_there() {
    let text = "[SERVICE]\n Parsers_File p.conf\n Parsers_File f.conf";
    let expected =
        "f.conf:2: [SERVICE]: Parsers_File = \"p.conf\": cannot read \"p.conf\": entity not found";
    assert_eq!(errors(text), expected);
}

#[test]
fn without_a_file_everything_goes_to_the_log_group_of_the_task() {
    let config = embedded(&Environment::default()).unwrap();
    let listeners = config.inputs.iter().map(|input| {
        let InputKind::Forward(config) = &input.kind else { panic!("not forward") };
        config.listener.clone()
    });
    let listeners: Vec<_> = listeners.collect();
    let unix = Listener::Unix { path: PathBuf::from("/var/run/fluent.sock"), mode: None };
    assert_eq!(listeners, [unix, Listener::Tcp { listen: "0.0.0.0".to_owned(), port: 24_224 }]);
    let output = cloudwatch(&config, 0);
    assert_eq!(
        (&output.log_group_name, &output.stream),
        (&LogGroupName::FromTask, &StreamName::FromTask)
    );
    assert!(output.auto_create_group && config.outputs[0].retry_limit == RetryLimit::Unlimited);
    assert!(config.service.http_server.unwrap().health_check.is_some());
}

#[test]
fn variables_change_what_holds_without_a_file() {
    let values = [
        ("FIRELANE_UNIX_PATH", "/tmp/f.sock"),
        ("FIRELANE_LISTEN", "127.0.0.1"),
        ("FIRELANE_PORT", "24225"),
        ("FIRELANE_MEM_BUF_LIMIT", "25MB"),
        ("FIRELANE_LOG_GROUP", "/g"),
        ("FIRELANE_LOG_STREAM_PREFIX", "s-"),
        ("FIRELANE_REGION", "eu-west-1"),
        ("FIRELANE_ENDPOINT", "http://localhost:4580"),
        ("FIRELANE_LOG_RETENTION_DAYS", "14"),
        ("FIRELANE_LOSS_MARKERS", "off"),
        ("FIRELANE_COMPRESS", "off"),
        ("FIRELANE_TLS_CA_FILE", "/ca.pem"),
        ("FIRELANE_FLUSH", "0.5"),
        ("FIRELANE_GRACE", "30"),
        ("FIRELANE_HTTP_SERVER", "off"),
        ("FIRELANE_LOG_LEVEL", "debug"),
    ];
    let config = embedded(&environment(&values)).unwrap();
    assert_eq!(config.notes.len(), 0);
    assert!(config.inputs.iter().all(|input| input.mem_buf_limit_bytes == Some(25_000_000)));
    let output = cloudwatch(&config, 0);
    assert_eq!(output.log_group_name, LogGroupName::Fixed("/g".to_owned()));
    assert_eq!(output.stream, StreamName::Prefix("s-".to_owned()));
    assert_eq!(output.connection.endpoint.as_ref().unwrap().to_string(), "http://localhost:4580");
    assert_eq!(
        (output.log_retention_days, output.connection.region.as_deref()),
        (Some(14), Some("eu-west-1"))
    );
    assert_eq!(output.connection.tls_ca_file, Some(PathBuf::from("/ca.pem")));
    assert!(!output.loss_markers);
    assert_eq!(output.compress, Encoding::Plain);
    let marked = embedded(&environment(&[])).unwrap();
    assert!(cloudwatch(&marked, 0).loss_markers, "on without a file");
    assert_eq!(cloudwatch(&marked, 0).compress, Encoding::Gzip, "on without a file");
    let Service { flush, grace, log_level, log_file, http_server, escape_unicode, .. } =
        config.service;
    assert_eq!(log_file, None);
    assert_eq!((flush.as_millis(), grace.as_secs()), (500, 30));
    assert_eq!((log_level, http_server, escape_unicode), (LogLevel::Debug, None, true));
    let used: Vec<_> = VARIABLES.iter().map(|variable| variable.name).collect();
    let tested = values.map(|(name, _)| name);
    assert!(used.iter().all(|name| tested.contains(name) || *name == "FIRELANE_LOG_STREAM"));
    assert!(VARIABLES.iter().all(|variable| variable.doc.len() > 10));
}

#[test]
fn a_bad_variable_is_named() {
    let errors =
        embedded(&environment(&[("FIRELANE_PORT", "x"), ("FIRELANE_PROT", "1")])).unwrap_err();
    let expected = "environment variable FIRELANE_PORT: [INPUT] forward: port = \"x\": \
        expected a whole number from 0 to 65535";
    assert_eq!(errors.to_string(), expected);
    let expected =
        "environment: FIRELANE_PROT: unknown option, ignored, did you mean 'FIRELANE_PORT'?";
    assert_eq!(errors.notes[0].to_string(), expected);
}

proptest::proptest! {
    #[test]
    fn no_file_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let files = BTreeMap::from([(PathBuf::from("f.conf"), bytes)]);
        let _ = load(Path::new("f.conf"), &files, &Environment::default());
    }

    #[test]
    fn no_options_make_it_panic(
        lines in proptest::collection::vec(
            ("(name|listen|port|regex|record|match|match_regex|endpoint|log_key|Retry_Limit|[a-z.]{1,9})",
             "(forward|tcp|grep|null|cloudwatch_logs|record_modifier|\\$\\{A\\}|[ -~]{1,20})"), 0..12),
        section in "(SERVICE|INPUT|FILTER|OUTPUT)",
        plugin in "(forward|tcp|grep|null|cloudwatch_logs|record_modifier)",
    ) {
        let lines: String = lines.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
        let text = format!("[{section}]\nName {plugin}\n{lines}");
        let _ = load_text(&text, &[("A", "1")]);
    }
}

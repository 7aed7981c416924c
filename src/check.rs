//! Around the path, check: a configuration → text that says what is wrong with it and what it does.
//!
//! Values that may be secrets are not shown: of fields that are added only the names. Not known
//! here: how a configuration is read.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::config::{
    Config, Errors, FilterConfig, FilterKind, InputConfig, InputKind, Note, OutputConfig,
    OutputKind, Problem, Service,
};
use crate::ec2::Tags;
use crate::filter::aws::config::KEYS;
use crate::filter::grep::config::{LogicalOp, Rule};
use crate::filter::multiline::config::{Config as Multiline, Mode};
use crate::filter::parser::config::{Config as Parser, Key};
use crate::input::forward::config::Listener;
use crate::input::tcp::config::Format;
use crate::output::cloudwatch::config::{self as cloudwatch, Config as Cloudwatch};
use crate::output::cloudwatch::template::NameTemplate;
use crate::output::cloudwatch_logs::config::{
    Config as CloudwatchLogs, Connection, LogGroupName, StreamName,
};
use crate::record::tag_pattern::TagMatch;

/// The report for people. `path` is how they call the configuration.
#[must_use]
pub fn report(path: &Path, outcome: &Result<Config, Errors>) -> String {
    let (problems, notes) = found(outcome);
    let counts = (counted(problems.len(), "error"), counted(notes.len(), "warning"));
    let mut text = format!("{}: {}, {}\n", path.display(), counts.0, counts.1);
    // Writing to a `String` cannot fail.
    for problem in problems {
        let _ = writeln!(text, "error: {problem}");
    }
    for note in notes {
        let _ = writeln!(text, "warning: {note}");
    }
    if let Ok(config) = outcome {
        for (kind, name, does) in plan(config) {
            let _ = writeln!(text, "{kind:<8}{name:<20} {does}");
        }
    }
    text
}

/// The report for programs: `errors`, `warnings`, and what the configuration does as `plan`.
#[must_use]
pub fn report_json(path: &Path, outcome: &Result<Config, Errors>) -> String {
    let (problems, notes) = found(outcome);
    let plan = outcome.as_ref().map(plan).unwrap_or_default();
    let plan: Vec<_> = plan
        .into_iter()
        .map(|(kind, name, does)| serde_json::json!({"kind": kind, "name": name, "does": does}))
        .collect();
    let report = serde_json::json!({
        "file": path.display().to_string(),
        "errors": problems.iter().map(Problem::to_string).collect::<Vec<_>>(),
        "warnings": notes.iter().map(Note::to_string).collect::<Vec<_>>(),
        "plan": plan,
    });
    format!("{report}\n")
}

fn found(outcome: &Result<Config, Errors>) -> (&[Problem], &[Note]) {
    match outcome {
        Ok(config) => (&[], &config.notes),
        Err(errors) => (&errors.problems, &errors.notes),
    }
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}

/// Kind, name and what happens, for the process and for each section, in the order records meet
/// them.
fn plan(config: &Config) -> Vec<(&'static str, String, String)> {
    let mut lines = vec![("service", String::new(), service(&config.service))];
    lines.extend(config.inputs.iter().map(|input_| ("input", input_.name.clone(), input(input_))));
    lines.extend(
        config.filters.iter().map(|filter_| ("filter", filter_.name.clone(), filter(filter_))),
    );
    lines.extend(
        config.outputs.iter().map(|output_| ("output", output_.name.clone(), output(output_))),
    );
    lines
}

fn service(service: &Service) -> String {
    let Service {
        flush,
        grace,
        log_level,
        log_file,
        multiline_bytes_max: _,
        http_server,
        escape_unicode: _,
    } = service;
    let mut text = format!("sends after {}, ", seconds(*flush));
    text += &match *grace {
        Duration::MAX => "delivers after SIGTERM without end, ".to_owned(),
        grace => format!("delivers for at most {} after SIGTERM, ", seconds(grace)),
    };
    text += &format!("logs at level {log_level}");
    if let Some(file) = log_file {
        text += &format!(" to {}", file.display());
    }
    if let Some(server) = http_server {
        let judged = if server.health_check.is_some() { " with health check" } else { "" };
        text += &format!(", answers HTTP on {}:{}{judged}", server.listen, server.port);
    }
    text
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn input(input: &InputConfig) -> String {
    let mut text = match &input.kind {
        InputKind::Forward(config) => match &config.listener {
            Listener::Unix { path, .. } => format!("forward protocol on {}", path.display()),
            Listener::Tcp { listen, port } => format!("forward protocol on {listen}:{port}"),
        },
        InputKind::Tcp(config) => {
            let format = match config.format {
                Format::Json => "JSON objects",
                Format::None => "lines",
            };
            format!("{format} on {}:{}", config.listen, config.port)
        }
    };
    match &input.tag {
        Some(tag) => text += &format!(", tag {tag}"),
        None => text += ", tag from the peer",
    }
    if let Some(bytes) = input.mem_buf_limit_bytes {
        text += &format!(", at most {bytes} bytes in memory");
    }
    text
}

fn filter(filter: &FilterConfig) -> String {
    let tags = tags(&filter.matches);
    match &filter.kind {
        FilterKind::Aws(config) => {
            let wanted = KEYS.iter().filter(|(_, item)| config.wanted.items.contains(item));
            let mut added: Vec<_> = wanted.map(|(key, _)| *key).collect();
            if config.wanted.tags != Tags::None {
                added.push("tags of the instance");
            }
            format!("{tags}: adds {}", added.join(", "))
        }
        FilterKind::Ecs(config) => {
            let added: Vec<_> = config.adds.iter().map(|(key, _)| key.as_str()).collect();
            format!("{tags}: adds {}, asks {}", added.join(", "), config.agent.as_str())
        }
        FilterKind::Checklist(config) => format!("{tags}: {config}"),
        FilterKind::ContentModifier(config) => format!("{tags}: {config}"),
        FilterKind::Expect(config) => format!("{tags}: {config}"),
        FilterKind::Nest(config) => format!("{tags}: {config}"),
        FilterKind::Stdout => format!("{tags}: printed"),
        FilterKind::Throttle(config) => format!("{tags}: {config}"),
        FilterKind::TypeConverter(config) => format!("{tags}: {config}"),
        FilterKind::Grep(config) => {
            let joint = match config.logical_op {
                LogicalOp::Legacy => ", then ",
                LogicalOp::And => " and ",
                LogicalOp::Or => " or ",
            };
            let rules: Vec<_> = config.rules.iter().map(rule).collect();
            format!("{tags}: {}", rules.join(joint))
        }
        FilterKind::Modify(config) => format!("{tags}: {config}"),
        FilterKind::Multiline(config) => format!("{tags}: {}", multiline(config)),
        FilterKind::Parser(config) => format!("{tags}: {}", parser(config)),
        FilterKind::RecordModifier(config) => {
            let mut acts = Vec::new();
            if !config.remove_keys.is_empty() {
                acts.push(format!("removes {}", counted(config.remove_keys.len(), "key")));
            }
            if !config.allow_keys.is_empty() {
                acts.push(format!("keeps {} only", counted(config.allow_keys.len(), "key")));
            }
            let added = config.records.iter().map(|(key, _)| key).chain(&config.uuid_key);
            let added: Vec<_> = added.map(String::as_str).collect();
            if !added.is_empty() {
                acts.push(format!("adds {}", added.join(", ")));
            }
            format!("{tags}: {}", acts.join(", "))
        }
    }
}

fn multiline(config: &Multiline) -> String {
    let key = config.key_content.as_deref().map(|key| format!(" of {key}")).unwrap_or_default();
    match &config.mode {
        Mode::Parser { parsers, across_chunks, .. } => {
            let names: Vec<_> = parsers.iter().map(|parser| parser.name.as_str()).collect();
            let wait = if *across_chunks {
                format!("lines wait {} for the next", seconds(config.wait))
            } else {
                "within what arrives together".to_owned()
            };
            format!("joins lines{key} as {} has them, {wait}", names.join(" or "))
        }
        Mode::PartialMessage => {
            format!(
                "joins parts{key} that Docker cut, they wait {} for the next",
                seconds(config.wait)
            )
        }
    }
}

fn parser(config: &Parser) -> String {
    let key = match &config.key {
        Key::Field(key) => String::from_utf8_lossy(key).into_owned(),
        Key::Path(path) => path.to_string(),
    };
    let names: Vec<_> = config.parsers.iter().map(|parser| parser.name()).collect();
    let others = if config.reserve_data { "keeps" } else { "drops" };
    format!("takes {key} apart by {}, {others} the other fields", names.join(", else "))
}

fn rule(rule: &Rule) -> String {
    let act = if rule.keep { "keeps" } else { "leaves out" };
    format!("{act} {} that matches {}", rule.key, rule.pattern.as_str())
}

fn output(output: &OutputConfig) -> String {
    let tags = tags(&output.matches);
    match &output.kind {
        OutputKind::Null => format!("{tags}: thrown away"),
        OutputKind::Stdout(config) => format!("{tags}: {config}"),
        OutputKind::Cloudwatch(config) => {
            format!("{tags}: {}, {}", cloudwatch(config), output.retry_limit)
        }
        OutputKind::CloudwatchLogs(config) => {
            format!("{tags}: {}, {}", cloudwatch_logs(config), output.retry_limit)
        }
    }
}

fn cloudwatch_logs(config: &CloudwatchLogs) -> String {
    let mut text = match &config.log_group_name {
        LogGroupName::Fixed(name) => format!("log group {name}"),
        LogGroupName::FromTask => "log group of the task".to_owned(),
    };
    text += &match &config.stream {
        StreamName::Fixed(name) => format!(", stream {name}"),
        StreamName::Prefix(prefix) => format!(", stream {prefix}<tag>"),
        StreamName::FromTask => ", stream of the task".to_owned(),
    };
    let templates =
        [("group", &config.log_group_template), ("stream", &config.log_stream_template)];
    for (what, template) in templates {
        if let Some(template) = template {
            text += &format!(", {what} {} where the record has it", template.as_str());
        }
    }
    text += &sent(&config.connection, config.log_key.as_deref());
    text + &kept(config.auto_create_group, config.log_retention_days, &config.connection)
}

fn cloudwatch(config: &Cloudwatch) -> String {
    let names = &config.names;
    let with_default = |name: &NameTemplate, default: &str| {
        let may_miss = name.needs_task() || name.reads_records();
        let default = if may_miss { format!(" (else {default})") } else { String::new() };
        format!("{}{default}", name.as_str())
    };
    let mut text = format!("log group {}", with_default(&names.group, &names.default_group));
    text += &match &names.stream {
        cloudwatch::StreamName::Template(name) => {
            format!(", stream {}", with_default(name, &names.default_stream))
        }
        cloudwatch::StreamName::Prefix(prefix) => format!(", stream {prefix}<tag>"),
    };
    text += &sent(&config.connection, config.log_key.as_deref());
    if !config.auto_create_stream {
        text += ", never creates the stream";
    }
    text + &kept(config.auto_create_group, config.log_retention_days, &config.connection)
}

fn sent(connection: &Connection, log_key: Option<&str>) -> String {
    let mut text = match &connection.region {
        Some(region) => format!(", region {region}"),
        None => ", region of the task".to_owned(),
    };
    if let Some(endpoint) = &connection.endpoint {
        text += &format!(", at {endpoint}");
    }
    if let Some(key) = log_key {
        text += &format!(", only the value of {key}");
    }
    text
}

fn kept(creates: bool, days: Option<i32>, connection: &Connection) -> String {
    let mut text = String::new();
    if creates {
        text += ", creates the group";
    }
    if let Some(days) = days {
        text += &format!(", kept for {}", counted(usize::try_from(days).unwrap_or(0), "day"));
    }
    if !connection.tls_verify {
        text += ", WITHOUT checking who the server is";
    }
    text
}

fn tags(matches: &TagMatch) -> String {
    match (matches.pattern(), matches.regex()) {
        (Some(pattern), Some(regex)) => format!("{pattern} or /{regex}/"),
        (Some(pattern), None) => pattern.to_owned(),
        (None, Some(regex)) => format!("/{regex}/"),
        (None, None) => "no tag".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::config::{Environment, load};

    fn read(text: &str) -> Result<Config, Errors> {
        let files = BTreeMap::from([(PathBuf::from("f.conf"), text.as_bytes().to_vec())]);
        let variables = [("AWS_REGION", "eu-west-1"), ("KEY", "hunter2")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        load(Path::new("f.conf"), &files, &Environment::new(variables, None))
    }

    const GOOD: &str = "\
[SERVICE]
  Grace 30
  HTTP_Server On
  Daemon off
[INPUT]
  Name forward
  Mem_Buf_Limit 25MB
  unix_path /var/run/fluent.sock
[INPUT]
  Name tcp
[FILTER]
  Name grep
  Match app*
  Regex $log['level'] ^E
[FILTER]
  Name record_modifier
  Match_Regex ^a
  Record api_key ${KEY}
[OUTPUT]
  Name cloudwatch_logs
  Match *
  log_group_name /ecs/app
  log_stream_prefix s-
  endpoint localhost
  port 4580
  Retry_Limit False
";

    #[test]
    fn the_report_has_a_line_for_every_section() {
        let expected = "\
f.conf: 0 errors, 1 warning
warning: f.conf:4: [SERVICE]: Daemon = \"off\": has no effect in Firelane
service                      sends after 1 s, delivers for at most 30 s after SIGTERM, logs at level info, answers HTTP on 0.0.0.0:2020
input   forward.0            forward protocol on /var/run/fluent.sock, tag from the peer, at most 25000000 bytes in memory
input   tcp.1                JSON objects on 0.0.0.0:5170, tag tcp.1
filter  grep.0               app*: keeps log['level'] that matches ^E
filter  record_modifier.1    /^a/: adds api_key
output  cloudwatch_logs.0    *: log group /ecs/app, stream s-<tag>, region eu-west-1, at https://localhost:4580, unlimited retries
";
        assert_eq!(report(Path::new("f.conf"), &read(GOOD)), expected);
    }

    #[test]
    fn names_of_records_and_of_the_task_are_shown_with_what_holds_beside_them() {
        let text = "\
[INPUT]
  Name forward
[OUTPUT]
  Name cloudwatch_logs
  Match a
  log_group_name g
  log_stream_name s
  log_group_template $a['b']
[OUTPUT]
  Name cloudwatch
  Match b
  log_group_name g-$(ecs_cluster)
  log_stream_prefix p-
  auto_create_group true
  log_retention_days 7
[OUTPUT]
  Name cloudwatch
  Match c
  log_group_name g
  log_stream_name $(tag)/$(x)
  log_key log
  auto_create_stream false
";
        let report = report(Path::new("f.conf"), &read(text));
        let expected = "\
output  cloudwatch_logs.0    a: log group g, stream s, group $a['b'] where the record has it, region eu-west-1, 1 retry
output  cloudwatch.1         b: log group g-$(ecs_cluster) (else fluentbit-default), stream p-<tag>, region eu-west-1, creates the group, kept for 7 days, 1 retry
output  cloudwatch.2         c: log group g, stream $(tag)/$(x) (else /fluentbit-default), region eu-west-1, only the value of log, never creates the stream, 1 retry
";
        assert!(report.ends_with(expected), "{report}");
    }

    #[test]
    fn the_report_shows_every_error_and_no_secret() {
        let text = GOOD
            .replace("Record api_key ${KEY}", "Record ${KEY}")
            .replace("Grace", "Flush 0\nGrace");
        let report = report(Path::new("f.conf"), &read(&text));
        let expected = "\
f.conf: 2 errors, 1 warning
error: f.conf:2: [SERVICE]: Flush = \"0\": expected more than 0 seconds
error: f.conf:19: [FILTER] record_modifier: Record = \"${KEY}\": expected KEY VALUE
warning: f.conf:5: [SERVICE]: Daemon = \"off\": has no effect in Firelane
";
        assert_eq!(report, expected);
        assert!(!report.contains("hunter2"));
    }

    #[test]
    fn the_json_report_says_the_same() {
        let json = report_json(Path::new("f.conf"), &read(GOOD));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["errors"].as_array().unwrap().len(), 0);
        assert_eq!(json["plan"][1]["name"], "forward.0");
        assert!(!json.to_string().contains("hunter2"));
    }
}

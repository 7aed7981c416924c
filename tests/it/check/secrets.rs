//! No report holds a secret, wherever in a configuration or a task definition it stands.

use std::path::PathBuf;

use firelane::check::{self, Request};
use proptest::prelude::*;
use serde_json::json;

use super::{Folder, environment, run};

/// What no report may hold.
const SECRET: &str = "hunter2-hunter2";

fn says_nothing(report: &check::Report) {
    for text in [report.text(), report.json()] {
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// Options under whose names secrets are written out.
const LITERAL: [&str; 6] = [
    "Record api_key @",
    "Record Authorization Bearer @",
    "Record auth_token @ x",
    "Shared_Key @",
    "HTTP_Passwd @",
    "endpoint https://user:@@host",
];

/// Options whose value a variable gives, in places where any text may stand.
const FROM_VARIABLE: [&str; 5] =
    ["Record key @", "Regex log @", "log_key @", "extra_user_agent @", "external_id @"];

/// Options that are names: what a variable gives is shown there, unless it sounds like a secret.
const NAMES: [&str; 5] =
    ["Tag t-@", "Alias a-@", "Match @*", "log_group_template $k-@", "Match_Regex ^@"];

fn configuration(lines: &[String]) -> String {
    let mut text = "[INPUT]\n  Name forward\n".to_owned();
    for line in lines {
        let section = match line.split(' ').next().unwrap_or_default() {
            "Record" => "[FILTER]\n  Name record_modifier\n  Match *\n",
            "Regex" => "[FILTER]\n  Name grep\n  Match *\n",
            "Shared_Key" | "Tag" => "[INPUT]\n  Name forward\n  Port 24225\n",
            _ => {
                "[OUTPUT]\n  Name cloudwatch_logs\n  Match *\n  log_group_name g\n  \
                 log_stream_prefix s\n"
            }
        };
        text += &format!("{section}  {line}\n");
    }
    text
}

#[test]
fn no_secret_of_a_file_that_yaml_reads_is_in_the_report() {
    let text = "
env: {NOTE: 'file:///secret', API_TOKEN: hunter2-hunter2}
pipeline:
  inputs: [{name: forward, processors: {logs: [
    {name: content_modifier, action: upsert, key: api_key, value: hunter2-hunter2}]}}]
  filters: [{name: record_modifier, match: '*', record: ['a ${NOTE}', 'b ${API_TOKEN}']}]
  outputs: [{name: cloudwatch_logs, match: '*', log_group_name: g, log_stream_prefix: '${NOTE}-'}]
";
    let files = Folder::from([
        (PathBuf::from("f.yaml"), text.as_bytes().to_vec()),
        (PathBuf::from("/secret"), SECRET.as_bytes().to_vec()),
    ]);
    let request = Request { file: Some(PathBuf::from("f.yaml")), ..Request::default() };
    let report = check::run(&request, &files, &environment(&[]));
    assert!(report.text().contains("upsert"), "{}", report.text());
    says_nothing(&report);
}

proptest! {
    #[test]
    fn no_secret_of_a_configuration_is_in_the_report(
        literal in prop::sample::subsequence(&LITERAL[..], 0..=LITERAL.len()),
        variable in prop::sample::subsequence(&FROM_VARIABLE[..], 0..=FROM_VARIABLE.len()),
        name in "(DB_PASSWORD|API_TOKEN|[a-z]{1,8}_[0-9]|PLAIN)",
        names in prop::sample::subsequence(&NAMES[..], 0..=NAMES.len()),
        broken in "(Retry_Limit|Nonsense [a-z]{0,4}|Flush x|)",
    ) {
        let mut lines: Vec<String> =
            literal.iter().map(|line| line.replace("@@", &format!("{SECRET}@"))).collect();
        lines.iter_mut().for_each(|line| *line = line.replace(" @", &format!(" {SECRET}")));
        let names = names.into_iter().filter(|_| name != "PLAIN");
        let variable = variable.into_iter().chain(names);
        let from_variable = variable.map(|line| line.replace('@', &format!("${{{name}}}")));
        lines.extend(from_variable);
        let text = configuration(&lines) + "  " + &broken + "\n";
        let files = Folder::from([(PathBuf::from("f.conf"), text.into_bytes())]);
        let request = Request { file: Some(PathBuf::from("f.conf")), ..Request::default() };
        says_nothing(&check::run(&request, &files, &environment(&[(&name, SECRET)])));
    }

    #[test]
    fn no_secret_of_a_task_definition_is_in_the_report(
        option in "(apikey|http_passwd|Authorization|shared_key|aws_secret)",
        variable in "(API_KEY|DB_PASSWORD|AWS_SECRET_ACCESS_KEY|MY_TOKEN)",
        is_number in any::<bool>(),
    ) {
        let secret = if is_number { json!([SECRET]) } else { json!(SECRET) };
        let task = json!({"containerDefinitions": [
            {"name": "log_router", "image": "x", "firelensConfiguration": {"type": "fluentbit"},
                "environment": [{"name": variable, "value": SECRET}]},
            {"name": "app", "logConfiguration": {"logDriver": "awsfirelens", "options": {
                "Name": "cloudwatch_logs", option: secret,
                "log_group_name": format!("/g/${{{variable}}}"), "log_stream_prefix": "s"}}},
        ]});
        let files = Folder::from([(PathBuf::from("t.json"), task.to_string().into_bytes())]);
        says_nothing(&run("t.json", None, &files));
    }
}

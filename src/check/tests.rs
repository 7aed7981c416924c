//! What no input may do to a check.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;

fn checked(name: &str, bytes: Vec<u8>, tags: Vec<String>) -> Report {
    let files = BTreeMap::from([(PathBuf::from(name), bytes)]);
    let request = Request { file: Some(PathBuf::from(name)), tags, ..Request::default() };
    let variables = [("A".to_owned(), "1".to_owned())];
    let report = run(&request, &files, &Environment::new(variables, None));
    assert!(report.text().ends_with('\n') && report.json().ends_with("}\n"));
    report
}

/// Lines of a section.
fn lines() -> impl Strategy<Value = String> {
    let line = (
        "(name|listen|port|regex|record|match|match_regex|endpoint|log_key|Retry_Limit|tag|alias|\
         log_group_name|log_stream_prefix|log_stream_name|log_group_template|[a-z.]{1,9})",
        "(forward|tcp|grep|null|cloudwatch_logs|record_modifier|\\$\\{A\\}|[ -~é]{1,20})",
    );
    let line = line.prop_map(|(key, value)| format!("{key} {value}\n"));
    prop::collection::vec(line, 0..8).prop_map(|lines| lines.concat())
}

fn sections() -> impl Strategy<Value = String> {
    let plugin = "(forward|tcp|grep|null|cloudwatch_logs|record_modifier)";
    let section = ("(SERVICE|INPUT|FILTER|OUTPUT)", plugin, lines());
    let section =
        section.prop_map(|(section, plugin, lines)| format!("[{section}]\nName {plugin}\n{lines}"));
    prop::collection::vec(section, 0..5).prop_map(|sections| sections.concat())
}

proptest! {
    #[test]
    fn no_configuration_makes_it_panic(text in sections(), tag in "[ -~é*]{0,12}") {
        checked("f.conf", text.into_bytes(), vec![tag]);
    }

    #[test]
    fn no_task_definition_makes_it_panic(
        name in "[ -~é]{0,8}",
        option in "(Name|Match|include-pattern|exclude-pattern|log-driver-buffer-limit|[ -~é]{0,8})",
        value in "[ -~é\n]{0,16}",
        command in "[ -~é]{0,24}",
        number in any::<u64>(),
    ) {
        let task = serde_json::json!({"containerDefinitions": [
            {"name": name, "memory": number, "memoryReservation": number, "stopTimeout": number,
                "healthCheck": {"command": [command]}, "user": value, "dependsOn": [
                    {"containerName": name, "condition": value}],
                "firelensConfiguration": {"type": "fluentbit", "options":
                    {"config-file-type": "file", "config-file-value": value}}},
            {"name": name, "logConfiguration": {"logDriver": "awsfirelens", "options":
                {"Name": "cloudwatch_logs", option.as_str(): value},
                "secretOptions": [{"name": value, "valueFrom": "x"}]}},
        ], "memory": number.to_string()});
        checked("t.json", task.to_string().into_bytes(), vec![]);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        checked("t.json", bytes.clone(), vec![]);
        checked("f.conf", bytes, vec![]);
    }
}

#[test]
fn a_list_is_a_task_definition_only_in_a_file_that_says_so() {
    let document = b"[{\"name\": \"app\"}]".to_vec();
    assert_eq!(checked("t.json", document.clone(), vec![]).kind, Kind::TaskDefinition);
    assert_eq!(checked("t.conf", document, vec![]).kind, Kind::Configuration);
    assert_eq!(checked("t.yaml", b"{}".to_vec(), vec![]).kind, Kind::Configuration);
    assert_eq!(checked("t", b"\xEF\xBB\xBF {}".to_vec(), vec![]).kind, Kind::TaskDefinition);
}

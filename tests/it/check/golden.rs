//! Whole reports. Each folder of `tests/golden/check` has a `fluent-bit.conf`, a `fluent-bit.yaml`
//! or a `task-definition.json`, perhaps an `external.conf`, and the report as `report.txt` or
//! `report.json`.
//!
//! Lines of defaults are left out, so that a new option of a plugin does not change every report.

use std::path::PathBuf;

use firelane::check::{self, Request};
use serde_json::Value;

use super::{environment, folder, folders, read_folder, run};

/// Variables of the configurations.
const VARIABLES: [(&str, &str); 3] =
    [("AWS_REGION", "eu-west-1"), ("STAGE", "prod"), ("API_KEY", "hunter2-hunter2")];

fn text(report: &str) -> String {
    let lines = report.lines().filter(|line| !line.starts_with("    default: "));
    lines.map(|line| format!("{line}\n")).collect()
}

fn json(report: &str) -> Value {
    let mut report: Value = serde_json::from_str(report).expect("JSON");
    for section in report["sections"].as_array_mut().expect("a list") {
        let settings = section["settings"].as_array_mut().expect("a list");
        settings.retain(|setting| setting["default"] == false);
    }
    report
}

#[test]
fn reports_are_as_they_were() {
    let mut wrong = Vec::new();
    for name in folders(&folder("golden/check")) {
        let path = folder("golden/check").join(&name);
        let files = read_folder(&path);
        let has = |file: &str| files.contains_key(&PathBuf::from(file));
        let report = if has("task-definition.json") {
            run("task-definition.json", has("external.conf").then_some("external.conf"), &files)
        } else {
            let file = ["fluent-bit.conf", "fluent-bit.yaml"].into_iter().find(|file| has(file));
            let file = file.map(PathBuf::from);
            let request = Request { file, ..Request::default() };
            check::run(&request, &files, &environment(&VARIABLES))
        };
        if has("report.json") {
            let expected = json(&String::from_utf8_lossy(&files[&PathBuf::from("report.json")]));
            if json(&report.json()) != expected {
                wrong.push(format!("{name}/report.json:\n{}", report.json()));
            }
        }
        if has("report.txt") {
            let expected =
                String::from_utf8_lossy(&files[&PathBuf::from("report.txt")]).into_owned();
            if text(&report.text()) != expected {
                wrong.push(format!("{name}/report.txt:\n{}", text(&report.text())));
            }
        }
        assert!(has("report.json") || has("report.txt"), "{name} has no report");
    }
    assert!(wrong.is_empty(), "{} reports are others:\n{}", wrong.len(), wrong.join("\n\n"));
}

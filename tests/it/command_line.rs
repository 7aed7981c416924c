//! The options of Fluent Bit on the real binary: pipelines without a file, settings, help.

use std::fs;

use tempfile::tempdir;

use crate::rig::process::{Process, outcome};
use crate::rig::wait_for;

/// A pipeline that any machine can run.
const PIPELINE: [&str; 8] = ["-i", "tcp", "-p", "listen=127.0.0.1", "-p", "port=0", "-o", "null"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    PIPELINE.iter().chain(more).copied().collect()
}

#[tokio::test]
async fn a_pipeline_of_the_command_line_runs_until_sigterm() {
    let process = Process::start(with(&["-m", "*", "-f", "0.1"]));
    process.address("tcp.0").await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
}

#[test]
fn a_dry_run_says_what_fluent_bit_says() {
    let (status, stdout, stderr) = outcome(with(&["--dry-run"]));
    assert_eq!((status, stdout.as_str()), (Some(0), ""));
    assert_eq!(stderr, "configuration test is successful\n");
    let (status, _, stderr) = outcome(with(&["-p", "nonsense=1", "-D"]));
    assert_ne!(status, Some(0));
    assert!(
        stderr.starts_with("command line:9: [OUTPUT] null: nonsense: unknown option"),
        "{stderr}"
    );
}

#[test]
fn what_has_no_effect_is_told_of() {
    let (status, _, stderr) = outcome(with(&["-d", "-S", "-e", "/x.so", "-D"]));
    assert_eq!(status, Some(0), "{stderr}");
    for part in [
        "command line:9: [SERVICE]: daemon",
        "option -S has no effect",
        "plugin /x.so is not loaded",
    ] {
        assert!(stderr.contains(part), "{part:?} is not in\n{stderr}");
    }
    let (_, _, stderr) = outcome(with(&["-d", "-S", "-q", "-D"]));
    assert_eq!(stderr, "configuration test is successful\n", "-q is quiet");
}

#[tokio::test]
async fn the_log_goes_to_the_end_of_a_file_in_the_working_folder() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("router.log");
    fs::write(&file, "before\n").expect("a file");
    let path = folder.path().to_str().expect("text");
    let process = Process::start(with(&["-w", path, "-l", "router.log"]));
    let log = || fs::read_to_string(&file).expect("text");
    wait_for("a line in the file", || log().contains("tcp.0: listening on ")).await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!((status, said.as_str()), (Some(0), ""));
    assert!(log().starts_with("before\n[") && log().contains("account: "), "{}", log());
}

#[test]
fn a_log_file_that_cannot_be_opened_leaves_the_log_where_it_was() {
    let (status, _, stderr) = outcome(with(&["-l", "/nowhere/at/all.log", "-D"]));
    assert_eq!(status, Some(0));
    assert!(stderr.contains("cannot log to the file"), "{stderr}");
}

#[test]
fn a_folder_to_work_in_has_to_be_there() {
    let (status, _, stderr) = outcome(with(&["-w", "/nowhere/at/all"]));
    assert_eq!(status, Some(1));
    assert!(stderr.contains("/nowhere/at/all"), "{stderr}");
}

#[test]
fn help_and_schema_are_about_all_or_about_one_plugin() {
    let (status, stdout, _) = outcome(["-o", "null", "-h"]);
    assert_eq!(status, Some(0));
    assert!(stdout.starts_with("null output plugin\n"), "{stdout}");
    let (status, stdout, _) = outcome(["-J"]);
    let schema: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((status, schema["outputs"].is_array()), (Some(0), true));
    let (status, _, stderr) = outcome(["-o", "nulll", "-J"]);
    assert_eq!((status, stderr.as_str()), (Some(1), "firelane: unknown plugin 'nulll'\n"));
}

#[test]
fn a_configuration_in_yaml_is_checked_like_any_other() {
    let folder = tempdir().expect("a folder");
    let file = folder.path().join("router.yaml");
    let text =
        "pipeline:\n  inputs:\n    - name: tcp\n      prot: 1\n  outputs:\n    - name: 'null'\n";
    fs::write(&file, text).expect("a file");
    let path = file.to_str().expect("text");
    let (status, stdout, _) = outcome(["check", path]);
    assert_eq!(status, Some(64));
    let expected = format!("{path}:4: [INPUT] tcp: prot: unknown option, did you mean 'port'?");
    assert!(stdout.contains(&expected), "{stdout}");
    fs::write(&file, text.replace("prot: 1", "port: 0")).expect("a file");
    assert_eq!(outcome(["check", path]).0, Some(0));
}

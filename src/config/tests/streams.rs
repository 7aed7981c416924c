//! Stream tasks, from a file of their own and from YAML.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::FilterKind;
use crate::filter::stream_task::config::Origin;

const MAIN: &str = "\
[SERVICE]
    Streams_File s.conf
[INPUT]
    Name tcp
    Alias web
[FILTER]
    Name record_modifier
    Match *
    Record a 1
[INPUT]
    Name tcp
    Port 5171
";

const TASKS: &str = "\
[STREAM_TASK]
    Name one
    Exec CREATE STREAM errors WITH (tag='logs.${STAGE}') AS SELECT * FROM TAG:'app*' WHERE level = 'error';
[STREAM_TASK]
    Name two
    Exec CREATE STREAM again AS SELECT * FROM STREAM:errors;
[STREAM_TASK]
    Name three
    Exec CREATE STREAM tcp AS SELECT * FROM STREAM:tcp.1;
";

fn load_tasks(tasks: &str) -> Result<Config, Errors> {
    let files = [("f.conf", MAIN), ("s.conf", tasks)];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    load(Path::new("f.conf"), &BTreeMap::from(files), &environment(&[("STAGE", "prod")]))
}

#[test]
fn tasks_stand_behind_all_filters_in_their_order() {
    let config = load_tasks(TASKS).unwrap();
    let names: Vec<_> = config.filters.iter().map(|filter| filter.name.as_str()).collect();
    assert_eq!(names, ["record_modifier.0", "one", "two", "three"]);
    let origins = config.filters.iter().filter_map(|filter| {
        let FilterKind::StreamTask(task) = &filter.kind else { return None };
        Some((task.origin.clone(), task.emitter))
    });
    let origins: Vec<_> = origins.collect();
    assert_eq!(origins[0].0, Origin::Tag("app*".to_owned()));
    assert_eq!(origins[1].0, Origin::Input(origins[0].1), "the stream of the first task");
    assert_eq!(origins[2].0, Origin::Input(1));
}

#[test]
fn a_task_that_cannot_be_run_is_named_in_its_file() {
    let said = load_tasks(
        "[STREAM_TASK]\n Name a\n Exec CREATE STREAM s AS SELECT SUM(x) FROM TAG:'a';\n",
    );
    let said = said.unwrap_err().to_string();
    let expected = "s.conf:3: [STREAM_TASK] a: Exec = \"CREATE STREAM s AS SELECT SUM(x) FROM TAG:'a';\": \
                    at byte 26: SUM makes one record of many";
    assert!(said.contains(expected), "{said}");
}

#[test]
fn tasks_of_yaml_are_tasks_as_well() {
    let yaml = "\
stream_processor:
  - name: t
    exec: \"CREATE STREAM s AS SELECT * FROM TAG:'a';\"
pipeline:
  inputs:
    - name: tcp
";
    let files = BTreeMap::from([(PathBuf::from("f.yaml"), yaml.as_bytes().to_vec())]);
    let config = load(Path::new("f.yaml"), &files, &environment(&[])).unwrap();
    assert_eq!(config.filters.len(), 1);
    assert_eq!(config.filters[0].matches.pattern(), Some("a"));
}

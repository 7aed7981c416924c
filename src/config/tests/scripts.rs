//! Scripts of filters, and the files they stand in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::config::FilterKind;

const FILTER: &str = "[FILTER]\n    Name lua\n    Match *\n    call f\n    script x.lua\n";

fn load_files(files: &[(&str, &str)]) -> Result<Config, Errors> {
    let files = files.iter();
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    let files: BTreeMap<_, _> = files.collect();
    load(Path::new("/etc/f.conf"), &files, &environment(&[("HOSTNAME", "host-1")]))
}

fn said(files: &[(&str, &str)]) -> String {
    match load_files(files) {
        Ok(config) => config.notes.iter().map(|note| format!("W {note}\n")).collect(),
        Err(errors) => errors.problems.iter().map(|problem| format!("E {problem}\n")).collect(),
    }
}

#[test]
fn a_script_is_sought_here_then_beside_the_main_file() {
    let script = "function f() end";
    for path in ["x.lua", "/etc/x.lua"] {
        let config = load_files(&[("/etc/f.conf", FILTER), (path, script)]).unwrap();
        let [FilterConfig { kind: FilterKind::Lua(lua), .. }] = config.filters.as_slice() else {
            panic!("one filter")
        };
        assert_eq!(lua.program.names(), (path, "f"));
    }
}

#[test]
fn a_script_that_cannot_be_used_is_named_with_its_option() {
    let at = "E /etc/f.conf:5: [FILTER] lua: script = \"x.lua\": ";
    let missing = format!("{at}cannot read \"x.lua\": entity not found\n");
    assert_eq!(said(&[("/etc/f.conf", FILTER)]), missing);
    let wrong = said(&[("/etc/f.conf", FILTER), ("/etc/x.lua", "function f(")]);
    assert!(wrong.starts_with(&format!("{at}/etc/x.lua:1: ")), "{wrong}");
    let other = said(&[("/etc/f.conf", FILTER), ("/etc/x.lua", "function g() end")]);
    assert!(other.starts_with("E /etc/f.conf:4: [FILTER] lua: call = \"f\": "), "{other}");
}

#[test]
fn several_filters_may_run_one_script_each_with_its_own_variables() {
    let main = format!("{FILTER}{FILTER}{}", FILTER.replace("x.lua", "./x.lua"));
    let script = "assert(n == nil) n = 1 function f() end";
    let config = load_files(&[("/etc/f.conf", &main), ("/etc/x.lua", script)]).unwrap();
    assert_eq!(config.filters.len(), 3);
}

#[test]
fn a_script_sees_the_variables_of_the_configuration() {
    let main = format!("@SET region=eu\n{FILTER}");
    let script = "assert(FLB_ENV.region == 'eu' and FLB_ENV.HOSTNAME == 'host-1') function f() end";
    assert_eq!(said(&[("/etc/f.conf", &main), ("/etc/x.lua", script)]), "");
}

#[test]
fn a_script_of_a_processor_is_read_as_well() {
    let yaml = "\
pipeline:
  inputs:
    - name: tcp
      processors:
        logs:
          - name: lua
            call: f
            script: x.lua
";
    let files = [("/etc/f.yaml", yaml), ("/etc/x.lua", "function f() end")];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    let config = load(Path::new("/etc/f.yaml"), &BTreeMap::from(files), &environment(&[]));
    assert_eq!(config.unwrap().inputs[0].processors.len(), 1);
}

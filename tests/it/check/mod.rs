//! `firelane check`: what it says of configurations and of task definitions.

mod agent;
mod findings;
mod golden;
mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use firelane::check::{self, External, Report, Request};
use firelane::config::Environment;

/// Files by name.
type Folder = BTreeMap<PathBuf, Vec<u8>>;

/// A folder of the tests.
fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(path)
}

/// The files of a folder.
fn read_folder(path: &Path) -> Folder {
    let entries = std::fs::read_dir(path).expect("a folder").flatten();
    let files = entries.filter(|entry| entry.path().is_file());
    let read = |entry: std::fs::DirEntry| {
        (PathBuf::from(entry.file_name()), std::fs::read(entry.path()).expect("a file"))
    };
    files.map(read).collect()
}

/// The names of the folders in a folder, sorted.
fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).expect("a folder").flatten();
    let names = entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name());
    let mut names: Vec<_> = names.map(|name| name.to_str().expect("text").to_owned()).collect();
    names.sort();
    names
}

fn environment(variables: &[(&str, &str)]) -> Environment {
    let pairs = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Environment::new(pairs, None)
}

/// Checks one of these files; `external` stands for the external configuration.
fn run(file: &str, external: Option<&str>, files: &Folder) -> Report {
    let externals = external.map(|file| External { path: None, file: PathBuf::from(file) });
    let request = Request {
        file: Some(PathBuf::from(file)),
        externals: externals.into_iter().collect(),
        ..Request::default()
    };
    check::run(&request, files, &environment(&[]))
}

//! The options.

use super::*;
use crate::input::tail::config::OPTIONS;
use crate::option::first_bad_row;

fn said(lines: &[(&str, &str)]) -> String {
    read(&[&[("path", "/a/*.log")], lines].concat()).1
}

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[OPTIONS]), None);
}

#[test]
fn a_path_is_needed_and_its_patterns_have_an_end() {
    assert_eq!(read(&[]).1, "expected an option path");
    assert_eq!(read(&[("path", " , ")]).1, "expected an option path");
    assert!(read(&[("path", "/a/[")]).1.contains("bracket"));
    assert!(said(&[("exclude_path", "[")]).contains("bracket"));
    assert_eq!(read(&[("path", "a.log, b.log")]).0.unwrap().plan("t").walks.len(), 2);
}

#[test]
fn without_options_files_are_read_as_fluent_bit_reads_them() {
    let config = read(&[("path", "a")]).0.unwrap();
    let plan = config.plan("t");
    assert!(!plan.from_head && plan.later_from_head && config.inotify && !config.exits);
    assert_eq!((plan.refresh.as_secs(), plan.rotate_wait.as_secs()), (60, 5));
    assert_eq!((plan.piece, plan.rules.line_bytes_max), (32_768, 32_768));
    assert_eq!((plan.older, config.db, plan.rules.key.as_slice()), (None, None, &b"log"[..]));
}

#[test]
fn the_database_is_used_as_the_options_say() {
    use crate::input::tail::offsets::{Durability, JournalMode};
    let db = |lines: &[(&str, &str)]| {
        let lines = [&[("path", "a"), ("db", "/d.db")], lines].concat();
        read(&lines).0.unwrap().db.unwrap()
    };
    let plain = db(&[]);
    assert_eq!((plain.sync, plain.journal_mode), (Durability::Normal, JournalMode::Wal));
    assert!(!plain.locking && !plain.compare_filename && plain.path == Path::new("/d.db"));
    assert_eq!(db(&[("db.sync", "Full")]).sync, Durability::Full);
    assert_eq!(db(&[("DB.journal_mode", "DELETE")]).journal_mode, JournalMode::Delete);
    assert!(db(&[("db.locking", "true")]).locking);
    assert!(db(&[("db.compare_filename", "true")]).compare_filename);
}

#[test]
fn sizes_and_times_have_limits() {
    let plan = |lines: &[(&str, &str)]| {
        read(&[&[("path", "a")], lines].concat()).0.map(|config| config.plan("t"))
    };
    assert!(plan(&[("buffer_max_size", "0")]).is_none());
    assert!(plan(&[("buffer_max_size", "268435457")]).is_none());
    assert!(plan(&[("buffer_max_size", "268435456")]).is_some());
    assert_eq!(plan(&[("buffer_chunk_size", "1")]).unwrap().piece, 4_096);
    assert_eq!(plan(&[("buffer_chunk_size", "1g")]).unwrap().piece, 1_048_576);
    assert!(plan(&[("refresh_interval", "0")]).is_none());
    assert_eq!(
        plan(&[("ignore_older", "2m")]).unwrap().older,
        Some((Duration::from_secs(120), false))
    );
}

#[test]
fn parsers_have_to_be_defined() {
    assert_eq!(said(&[("parser", "json")]), "");
    assert!(said(&[("parser", "x")]).starts_with("no parser of this name is defined"));
    assert!(said(&[("multiline.parser", "docker, jawa")]).contains("did you mean 'java'?"));
    assert!(said(&[("tag_regex", "(")]).starts_with("not a regular expression"));
}

#[test]
fn the_old_ways_to_join_lines_are_refused_with_the_new_one() {
    assert_eq!(said(&[("multiline", "off"), ("docker_mode", "off")]), "");
    assert!(said(&[("multiline", "on")]).contains("multiline.parser"));
    assert!(said(&[("docker_mode", "on")]).contains("multiline.parser docker"));
}

#[test]
fn what_has_no_effect_is_told() {
    let (config, said) = read(&[("path", "a"), ("multiline.parser", "go"), ("parser", "json")]);
    assert!(config.is_some() && said.starts_with("has no effect with multiline.parser"), "{said}");
    let (config, said) = read(&[("path", "a"), ("ignore_active_older_files", "on")]);
    assert!(config.is_some() && said == "has no effect without ignore_older", "{said}");
}

//! Sections with file and line, and what is wrong with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::config::{BYTES_MAX, Environment, RawConfig};
use crate::option::Report;

fn parse_files(files: &[(&str, &[u8])]) -> (RawConfig, Report) {
    parse_role(files, Role::Pipeline)
}

fn parse_role(files: &[(&str, &[u8])], role: Role) -> (RawConfig, Report) {
    let main = files.iter().find(|(path, _)| *path == "main.conf").map(|(_, bytes)| bytes.to_vec());
    let files: BTreeMap<PathBuf, Vec<u8>> =
        files.iter().map(|(path, bytes)| (PathBuf::from(path), bytes.to_vec())).collect();
    let variables = [("DIR".to_owned(), "sub".to_owned())];
    let environment = Environment::new(variables, None);
    let mut report = Report::default();
    let mut source = Source::new(&files, &environment, &mut report);
    // The main file counts as read.
    let bytes = source.open(Path::new("main.conf")).ok();
    assert_eq!(bytes, main.filter(|main| main.len() <= BYTES_MAX));
    read(Path::new("main.conf"), bytes.unwrap_or_default(), role, &mut source);
    (source.take(), report)
}

/// What the files come to: `NAME{key=value@file:line …}` for each section, then what was said.
fn drawn(files: &[(&str, &str)]) -> String {
    let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    let (raw, report) = parse_files(&files);
    let mut drawn: Vec<String> = Vec::new();
    for section in raw.sections {
        let entries = section
            .entries
            .iter()
            .map(|Entry { key, value, place }| format!("{key}={value}@{place}"));
        drawn.push(format!("{}{{{}}}", section.name, entries.collect::<Vec<_>>().join(" ")));
    }
    drawn.extend(report.problems.iter().map(|problem| format!("E {problem}")));
    drawn.extend(report.notes.iter().map(|note| format!("W {note}")));
    drawn.join("\n")
}

fn drawn_one(text: &str) -> String {
    drawn(&[("main.conf", text)])
}

#[test]
fn a_file_is_sections_of_keys_and_values() {
    let expected =
        "INPUT{Name=forward@main.conf:2}\nOUTPUT{Name=null@main.conf:5 Match=a b@main.conf:6}";
    let text = "[INPUT]\n    Name forward\n\n[OUTPUT]\n    Name   null\n    Match a b";
    assert_eq!(drawn_one(text), expected);
    assert_eq!(drawn_one(&text.replace('\n', "\r\n")), expected);
    assert_eq!(drawn_one(&format!("\u{FEFF}{text}  \t ")), expected);
}

#[test]
fn indentation_tabs_blank_lines_and_comments_may_be_as_they_like() {
    let text = "# head\n[IN]\n   Name\tforward  \n  \n      # note\n\tport \t 1\nlisten x\n \t\n#";
    let expected = "IN{Name=forward@main.conf:3 port=1@main.conf:6 listen=x@main.conf:7}";
    assert_eq!(drawn_one(text), expected);
    assert_eq!(drawn_one(""), "");
    assert_eq!(drawn_one("  [INPUT]  # here\n  Name x # y"), "INPUT{Name=x # y@main.conf:2}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line_and_the_rest_is_read() {
    let text =
        "Name x\n[INPUT\n[INPUT]\n  Name\n  Port 1\n  [processors]\n  a b\n[OUTPUT]\n  Name y";
    let expected = "INPUT{Port=1@main.conf:5}\nOUTPUT{Name=y@main.conf:9}\n\
        E main.conf:1: Name: option outside of a section, expected a line such as [INPUT] before it\n\
        E main.conf:2: expected ']' at the end of the section's name\n\
        E main.conf:4: [INPUT]: Name: expected a value after the option's name\n\
        E main.conf:6: [processors]: a section cannot have groups in the classic format; processors need YAML";
    assert_eq!(drawn_one(text), expected);
}

#[test]
fn an_include_stands_where_it_is_and_the_section_goes_on_after_it() {
    let main = "@include  svc.conf \n[INPUT]\n  Name a\n@INCLUDE ${DIR}/*.conf\n  Port 1\n";
    let files = [
        ("main.conf", main),
        ("svc.conf", "[SERVICE]\n  Flush 1"),
        ("sub/b.conf", "  Tag t\n"),
        ("sub/a.conf", "  Listen x\n@INCLUDE more.conf"),
        ("more.conf", "  More y"),
    ];
    let expected = "SERVICE{Flush=1@svc.conf:2}\nINPUT{Name=a@main.conf:3 Listen=x@sub/a.conf:1 \
        More=y@more.conf:1 Tag=t@sub/b.conf:1 Port=1@main.conf:5}";
    assert_eq!(drawn(&files), expected);
}

#[test]
fn an_include_that_is_missing_or_read_before_is_an_error() {
    let main = "@INCLUDE no.conf\n@INCLUDE no/*.conf\n@INCLUDE a.conf\n@INCLUDE ./a.conf\n@INCLUDE main.conf";
    let expected = "E main.conf:1: @INCLUDE = \"no.conf\": cannot read \"no.conf\": entity not found\n\
        E main.conf:2: @INCLUDE = \"no/*.conf\": no file matches \"no/*.conf\"\n\
        E main.conf:4: @INCLUDE = \"./a.conf\": \"./a.conf\" is included twice\n\
        E main.conf:5: @INCLUDE = \"main.conf\": \"main.conf\" is included twice";
    assert_eq!(drawn(&[("main.conf", main), ("a.conf", "")]), expected);
}

#[test]
fn set_takes_a_name_and_a_value_with_blanks_around_them() {
    let text = "@SET app=myapp\n@SET  spaced = a b \n@SET x\n@other y";
    let (raw, report) = parse_files(&[("main.conf", text.as_bytes())]);
    let pairs = [("app", "myapp"), ("spaced", "a b")];
    assert!(
        raw.variables
            .into_iter()
            .eq(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
    );
    assert_eq!(
        report.problems[0].to_string(),
        "main.conf:3: @SET = \"x\": expected NAME=VALUE after @SET"
    );
    assert_eq!(
        report.notes[0].to_string(),
        "main.conf:4: @other = \"y\": unknown directive, ignored"
    );
}

#[test]
fn bytes_that_are_not_utf_8_are_a_warning() {
    let (raw, report) = parse_files(&[("main.conf", b"# \xFF\n[INPUT]\n Tag a\xFFb\n")]);
    assert_eq!(raw.sections[0].entries[0].value, "a\u{FFFD}b");
    assert_eq!(report.notes.len(), 1, "none for the comment");
}

#[test]
fn a_classic_file_cannot_include_yaml() {
    let files = [("main.conf", "@INCLUDE a.YAML\n@INCLUDE *.yml"), ("a.YAML", ""), ("b.yml", "")];
    let expected = "a classic configuration can include classic files only, not YAML";
    let expected = format!(
        "E main.conf:1: @INCLUDE = \"a.YAML\": {expected}\nE main.conf:2: @INCLUDE = \"*.yml\": {expected}"
    );
    assert_eq!(drawn(&files), expected);
}

#[test]
fn parsers_belong_into_files_of_their_own() {
    let text = b"[PARSER]\n Name x\n[MULTI]\n Name y\n[INPUT]\n Name z";
    let (raw, report) = parse_role(&[("main.conf", text)], Role::Pipeline);
    assert_eq!((raw.sections.len(), report.problems.len()), (1, 2));
    assert!(
        report.problems[0]
            .to_string()
            .starts_with("main.conf:1: [PARSER]: a parser cannot stand here")
    );
    let (raw, report) = parse_role(&[("main.conf", text)], Role::Definitions);
    assert_eq!((raw.sections.len(), report.problems.len()), (3, 0));
}

#[test]
fn a_line_has_up_to_a_mebibyte() {
    let line = |bytes: usize| format!("[INPUT]\nTag {}", "x".repeat(bytes - 4));
    assert!(!drawn_one(&line(1_048_576)).contains("E "));
    assert!(
        drawn_one(&line(1_048_577)).ends_with("E main.conf:2: more than 1048576 bytes in a line")
    );
}

#[test]
fn files_sections_and_options_are_counted() {
    let includes: String = (0..1_000).map(|n| format!("@INCLUDE {n}\n")).collect();
    let names: Vec<String> = (0..1_000).map(|n| n.to_string()).collect();
    let files: Vec<_> =
        names.iter().map(|name| (name.as_str(), "")).chain([("main.conf", &*includes)]).collect();
    let expected = "E main.conf:1000: @INCLUDE = \"999\": more than 1000 files";
    assert_eq!(drawn(&files), expected, "the main file is one of the 1,000");
    let sections = |count| drawn_one(&"[S]\n".repeat(count));
    assert!(
        !sections(10_000).contains("E ") && sections(10_001).contains("more than 10000 sections")
    );
    let options = |count| {
        parse_files(&[("main.conf", format!("[S]\n{}", "a b\n".repeat(count)).as_bytes())]).1
    };
    assert!(options(100_000).problems.is_empty());
    assert_eq!(
        options(100_001).problems[0].to_string(),
        "main.conf:100002: more than 100000 options"
    );
    let large = vec![b'\n'; 16 * 1024 * 1024];
    let files = [("main.conf", b"@INCLUDE large".as_slice()), ("large", &large)];
    let fault = parse_files(&files).1.problems[0].to_string();
    assert_eq!(
        fault,
        "main.conf:1: @INCLUDE = \"large\": more than 16777216 bytes of configuration"
    );
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        parse_files(&[("main.conf", &bytes)]);
    }

    #[test]
    fn no_text_makes_it_panic(text in "(\\[|\\]|@INCLUDE |@SET |=|\\$\\{|\\}|[ \t\r\n#a*/.]|main.conf){0,40}") {
        parse_files(&[("main.conf", text.as_bytes()), ("a", text.as_bytes())]);
    }
}

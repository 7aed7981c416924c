//! Parsers of files of their own, and what is wrong with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

/// A filter with these parsers, whose files are `a.conf` and `b.conf` beside the main one.
fn load_parsers(names: &[&str], a: &str, b: &str) -> Result<Config, Errors> {
    let names = names.iter().map(|name| format!("    Parser {name}\n")).collect::<String>();
    let main = format!(
        "[SERVICE]\n    Parsers_File a.conf\n    Parsers_File /etc/b.conf\n\
         [FILTER]\n    Name parser\n    Match *\n    Key_Name log\n{names}"
    );
    let files = [("/etc/main.conf", main.as_str()), ("/etc/a.conf", a), ("/etc/b.conf", b)];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    let variables = [("FORMAT", "json"), ("TZ", "Asia/Tokyo")];
    load(Path::new("/etc/main.conf"), &BTreeMap::from(files), &environment(&variables))
}

fn said(names: &[&str], a: &str, b: &str) -> String {
    match load_parsers(names, a, b) {
        Ok(config) => config.notes.iter().map(|note| format!("W {note}\n")).collect(),
        Err(errors) => errors.problems.iter().map(|problem| format!("E {problem}\n")).collect(),
    }
}

#[test]
fn parsers_come_from_all_files_in_the_order_of_the_filter() {
    let a = "[PARSER]\n    Name one\n    Format ${FORMAT}\n    Time_Format ${UNSET}\n[INPUT]\n    Name none\n";
    let b = "[PARSER]\n    Name two\n    Format regex\n    Regex (?<a>x)\n";
    let config = load_parsers(&["two", "one"], a, b).unwrap_or_else(|errors| panic!("{errors}"));
    let FilterKind::Parser(filter) = &config.filters[0].kind else { panic!("another filter") };
    let names = filter.parsers.iter().map(|parser| parser.name());
    assert_eq!(names.collect::<Vec<_>>(), ["two", "one"]);
}

#[test]
fn a_bad_parser_is_told_of_with_its_file_and_line() {
    let bad = "[PARSER]\n    Name b\n    Format xml\n";
    assert_eq!(
        said(&["b"], bad, ""),
        "E /etc/a.conf:3: [PARSER] b: Format = \"xml\": expected one of json, regex, ltsv, logfmt\n\
         E /etc/main.conf:8: [FILTER] parser: Parser = \"b\": no parser 'b' is defined; name its \
         file with Parsers_File in [SERVICE]\n"
    );
    assert_eq!(
        said(&["p"], "[PARSER]\n    Name p\n    Format json\n[PARSER]\n    Format json\n", ""),
        "E /etc/a.conf:4: [PARSER]: expected an option name\n"
    );
}

#[test]
fn a_name_is_that_of_one_parser() {
    let one = "[PARSER]\n    Name p\n    Format json\n";
    assert_eq!(
        said(&["p"], one, one),
        "E /etc/b.conf:2: [PARSER] p: Name = \"p\": there is a parser of this name already, at \
         /etc/a.conf:1\n"
    );
    let other = "[PARSER]\n    Name P\n    Format json\n";
    assert_eq!(said(&["p", "P"], one, other), "");
}

#[test]
fn of_two_values_of_a_parser_the_first_counts() {
    let twice = "[PARSER]\n    Name p\n    Format json\n    format xml\n    Decode_Field_As json a\n    Decode_Field_As json b\n";
    assert_eq!(
        said(&["p"], twice, ""),
        "W /etc/a.conf:4: [PARSER]: format = \"xml\": has no effect, the value at /etc/a.conf:3 \
         holds\n"
    );
}

#[test]
fn the_zone_of_the_machine_is_that_of_its_environment() {
    let local = "[PARSER]\n    Name p\n    Format json\n    Time_Format %FT%T\n    Time_System_Timezone on\n";
    let config = load_parsers(&["p"], local, "").unwrap_or_else(|errors| panic!("{errors}"));
    let FilterKind::Parser(filter) = &config.filters[0].kind else { panic!("another filter") };
    let now = crate::record::time::EventTime::default();
    let text = br#"{"time":"2023-11-15T07:13:20"}"#;
    let parsed = filter.parsers[0].parse(text, now, &mut Vec::new()).expect("json");
    let expected = crate::record::time::EventTime::from_parts(1_700_000_000, 0);
    assert_eq!(parsed.time, Some(expected));
}

//! Multiline parsers of files of their own, and the filter that uses them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::filter::multiline::config::Mode;

/// What is said of a filter with these multiline parsers, whose files are `a.conf` and `b.conf`.
fn load_parsers(names: &str, a: &str, b: &str) -> Result<Config, Errors> {
    let main = format!(
        "[SERVICE]\n    Parsers_File a.conf\n    Parsers_File b.conf\n    Multiline_Buffer_Limit 1k\n\
         [FILTER]\n    Name multiline\n    Match *\n    multiline.key_content log\n    \
         multiline.parser {names}\n"
    );
    let files = [("main.conf", main.as_str()), ("a.conf", a), ("b.conf", b)];
    let files = files.map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()));
    load(Path::new("main.conf"), &BTreeMap::from(files), &environment(&[("START", "^a")]))
}

fn said(names: &str, a: &str, b: &str) -> String {
    match load_parsers(names, a, b) {
        Ok(config) => config.notes.iter().map(|note| format!("W {note}\n")).collect(),
        Err(errors) => errors.problems.iter().map(|problem| format!("E {problem}\n")).collect(),
    }
}

const ONE: &str = "[MULTILINE_PARSER]\n    name one\n    type regex\n    rule \"start_state\" \"/${START}/\" \"c\"\n    \
     rule \"c\" \"/^b/\" \"c\"\n";

#[test]
fn multiline_parsers_come_from_all_files_in_the_order_of_the_filter() {
    let b = "[PARSER]\n    Name j\n    Format json\n[MULTILINE_PARSER]\n    Name Two\n    Type endswith\n    \
             match_string x\n    parser j\n";
    let config = load_parsers("two, java, ONE", ONE, b).unwrap_or_else(|errors| panic!("{errors}"));
    let FilterKind::Multiline(filter) = &config.filters[0].kind else { panic!("another filter") };
    let Mode::Parser { parsers, bytes_max, .. } = &filter.mode else { panic!("another mode") };
    let names: Vec<_> = parsers.iter().map(|parser| parser.name.as_str()).collect();
    assert_eq!((names.as_slice(), *bytes_max), (["Two", "java", "one"].as_slice(), 1_024));
    assert!(parsers[0].fields.is_some() && config.notes.is_empty());
}

#[test]
fn a_bad_multiline_parser_is_told_of_with_its_file_and_line() {
    let bad = ONE.replace("\"c\" \"/^b/\" \"c\"", "\"c\" \"/^b/\" \"lost\"");
    assert_eq!(
        said("one", &bad, ""),
        "E a.conf:5: [MULTILINE_PARSER] one: rule = \"\\\"c\\\" \\\"/^b/\\\" \\\"lost\\\"\": no rule has \
         the state \"lost\" that this one leads to; states: start_state, c\n\
         E main.conf:9: [FILTER] multiline: multiline.parser = \"one\": no multiline parser 'one' is \
         defined; name its file with Parsers_File in [SERVICE]\n"
    );
    let unknown =
        "[MULTILINE_PARSER]\n    name one\n    type eq\n    match_string x\n    parser none\n";
    assert!(said("one", unknown, "").starts_with(
        "E a.conf:5: [MULTILINE_PARSER] one: parser = \"none\": no parser is called 'none'\n"
    ));
}

#[test]
fn of_an_option_that_is_there_again_the_first_counts_and_unknown_ones_are_told_of() {
    let again = ONE.replace("    type regex\n", "    type regex\n    type eq\n    flush 5\n");
    assert_eq!(
        said("one", &again, ""),
        "W a.conf:4: [MULTILINE_PARSER]: type = \"eq\": has no effect, the value at a.conf:3 holds\n\
         W a.conf:5: [MULTILINE_PARSER] one: flush: unknown option, ignored\n"
    );
}

#[test]
fn a_second_multiline_parser_of_a_name_is_never_used_and_told_of() {
    let expected = "W b.conf:2: [MULTILINE_PARSER] one: name = \"one\": the name is taken, and the \
                    parser that had it first is the one that works\n";
    assert_eq!(said("one", ONE, ONE), expected);
}

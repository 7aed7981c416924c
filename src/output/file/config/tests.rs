//! Each option row, and what it comes to.

use super::*;
use crate::option::{Policy, first_bad_row, section};

fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
    let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
    let config = Config::from_options(&mut options);
    let report = options.into_report();
    let problems = report.problems.iter().map(|problem| problem.fault.to_string());
    (config, problems.chain(report.notes.iter().map(|note| note.remark.to_string())).collect())
}

fn config(lines: &[(&str, &str)]) -> Config {
    let (config, said) = read(lines);
    assert_eq!(said, "");
    config.expect("a configuration")
}

fn refused(lines: &[(&str, &str)]) -> String {
    let (config, said) = read(lines);
    assert_eq!(config, None, "{said}");
    said
}

#[test]
fn every_row_has_a_sentence_and_a_default_that_parses() {
    assert_eq!(first_bad_row(&[OPTIONS]), None);
}

#[test]
fn without_options_it_is_a_file_a_tag_with_tags_in_its_lines() {
    let expected = Config {
        destination: Destination::OfTag { folder: None },
        format: Format::Tagged,
        makes_folders: false,
        rotation: None,
    };
    assert_eq!(config(&[]), expected);
}

#[test]
fn path_and_file_say_where() {
    let to = |lines: &[_]| config(lines).destination;
    assert_eq!(to(&[("path", "/l")]), Destination::OfTag { folder: Some("/l".into()) });
    assert_eq!(to(&[("file", "a")]), Destination::Fixed("a".into()));
    assert_eq!(to(&[("path", "/l"), ("file", "/a")]), Destination::Fixed("/l/a".into()));
    assert_eq!(to(&[("path", "/l"), ("file", "%Y")]), Destination::Fixed("/l/%Y".into()));
}

#[test]
fn every_format_has_its_delimiters() {
    let of = |lines: &[_]| config(lines).format;
    let csv = |delimiter| Format::Csv { delimiter, column_names: false };
    assert_eq!(of(&[("format", "out_file")]), Format::Tagged);
    assert_eq!(of(&[("format", "Plain")]), Format::Plain);
    assert_eq!(of(&[("format", "msgpack")]), Format::Msgpack);
    assert_eq!(of(&[("format", "csv")]), csv(Delimiter::Comma));
    for (text, delimiter) in [
        ("\\t", Delimiter::Tab),
        ("TAB", Delimiter::Tab),
        ("space", Delimiter::Space),
        ("comma", Delimiter::Comma),
    ] {
        assert_eq!(of(&[("format", "csv"), ("delimiter", text)]), csv(delimiter));
    }
    let named = Format::Csv { delimiter: Delimiter::Comma, column_names: true };
    assert_eq!(of(&[("format", "csv"), ("csv_column_names", "on")]), named);
    let ltsv = |delimiter, label_delimiter| Format::Ltsv { delimiter, label_delimiter };
    assert_eq!(of(&[("format", "ltsv")]), ltsv(Delimiter::Tab, Delimiter::Colon));
    let lines = [("format", "ltsv"), ("delimiter", "space"), ("label_delimiter", "comma")];
    assert_eq!(of(&lines), ltsv(Delimiter::Space, Delimiter::Comma));
    let template = |text| Format::Template(LineTemplate::parse(text));
    assert_eq!(of(&[("format", "template")]), template("{time} {message}"));
    assert_eq!(of(&[("format", "template"), ("template", "{a}")]), template("{a}"));
}

#[test]
fn a_delimiter_that_is_none_is_told_of_and_passed_over() {
    let (config, said) = read(&[("format", "csv"), ("delimiter", "|")]);
    assert!(said.starts_with("is no delimiter, the format's own holds"), "{said}");
    let expected = Format::Csv { delimiter: Delimiter::Comma, column_names: false };
    assert_eq!(config.map(|config| config.format), Some(expected));
    let (_, said) = read(&[("label_delimiter", ":")]);
    assert!(said.starts_with("is no delimiter"), "{said}");
}

#[test]
fn fields_and_times_name_files_and_need_another_one_to_fall_back_to() {
    let named = |lines: &[(&'static str, &'static str)]| {
        let lines = [&[("fallback_path", "/f"), ("fallback_file", "x")], lines].concat();
        match config(&lines).destination {
            Destination::Named(named) => *named,
            other @ (Destination::Fixed(_) | Destination::OfTag { .. }) => panic!("{other:?}"),
        }
    };
    let pattern = |text, times| Pattern::parse(text, times).ok();
    let one = named(&[("path", "/l/$TAG")]);
    assert_eq!((one.folder, one.file), (pattern("/l/$TAG", false), None));
    assert_eq!((one.missing, one.beyond), (Action::Refuse, Action::Refuse));
    assert_eq!(one.files_max, Some(1_024));
    let one = named(&[("file", "%Y"), ("enable_strftime", "on"), ("max_dynamic_files", "0")]);
    assert_eq!((one.file, one.files_max), (pattern("%Y", true), None));
    let one = named(&[
        ("path", "/l"),
        ("file", "$a"),
        ("max_dynamic_files", "5"),
        ("on_missing_field", "drop"),
        ("on_limit_reached", "Fallback"),
    ]);
    assert_eq!((one.missing, one.beyond), (Action::Drop, Action::Fallback("/f/x".into())));
    assert_eq!(one.files_max, Some(5));
}

#[test]
fn names_that_could_lead_anywhere_or_nowhere_are_refused() {
    assert!(
        refused(&[("path", "$a"), ("fallback_file", "x")]).starts_with("must begin with a folder")
    );
    assert!(refused(&[("path", "/l/$a")]).starts_with("is needed where path or file has fields"));
    assert!(refused(&[("on_limit_reached", "fallback")]).starts_with("is needed where"));
    assert!(refused(&[("on_missing_field", "fallback")]).starts_with("is needed where"));
    let unclosed = [("file", "$a['b"), ("fallback_file", "x")];
    assert!(refused(&unclosed).contains("from byte"), "{}", refused(&unclosed));
    assert!(refused(&[("file", "a\0b")]).contains("byte 0"));
}

#[test]
fn rotation_has_its_limits_only_where_it_is_on() {
    let rotation = |lines: &[(&'static str, &'static str)]| {
        config(&[&[("rotate", "on")], lines].concat()).rotation
    };
    let expected = Rotation { bytes_max: 100_000_000, files_max: 7, gzip: true };
    assert_eq!(rotation(&[]), Some(expected));
    let lines = [("rotate_max_size", "5k"), ("rotate_max_files", "1"), ("rotate_gzip", "off")];
    assert_eq!(rotation(&lines), Some(Rotation { bytes_max: 5_000, files_max: 1, gzip: false }));
    for (name, _) in &lines[..2] {
        assert_eq!(refused(&[("rotate", "on"), (name, "0")]), "must be at least 1");
        assert_eq!(config(&[(name, "0")]).rotation, None);
    }
}

#[test]
fn folders_are_made_only_if_that_is_wanted() {
    assert!(config(&[("mkdir", "on")]).makes_folders);
}

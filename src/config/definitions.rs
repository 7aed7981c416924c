//! Around the path, config: the files that `[SERVICE]` names → their sections.
//!
//! Parsers, stream tasks and plugins have files of their own, in either format. Sections of other
//! kinds in them do not count, as in Fluent Bit. Not known here: what is done with them.

use std::path::{Path, PathBuf};

use super::include::resolve;
use super::raw::{RawSection, SectionKind};
use super::source::{Role, Source};
use crate::option::{Fault, Options, Remark, Setting, Subject};

/// What an option of `[SERVICE]` names a file for.
struct Definitions {
    option: &'static str,
    kinds: &'static [SectionKind],
    /// Whether a file that cannot be read is a problem, or a warning as in Fluent Bit 1.9.
    must_be_there: bool,
}

const ALL: [Definitions; 3] = [
    Definitions {
        option: "parsers_file",
        kinds: &[SectionKind::Parser, SectionKind::MultilineParser],
        must_be_there: true,
    },
    Definitions { option: "streams_file", kinds: &[SectionKind::StreamTask], must_be_there: false },
    Definitions { option: "plugins_file", kinds: &[SectionKind::Plugins], must_be_there: false },
];

/// The sections of all files that `service` names, in the order of the options.
pub(super) fn read(service: &Options, main: &Path, source: &mut Source<'_>) -> Vec<RawSection> {
    let mut sections = Vec::new();
    for Definitions { option, kinds, must_be_there } in ALL {
        for setting in service.all(option) {
            match open(&setting, main, source) {
                Ok((path, bytes)) => {
                    super::read_file(&path, bytes, Role::Definitions, source);
                    let read = source.take().sections.into_iter();
                    sections.extend(read.filter(|section| kinds.contains(&section.kind)));
                }
                Err(fault) => refuse(setting, fault, must_be_there, source),
            }
        }
    }
    sections
}

fn open(
    setting: &Setting,
    main: &Path,
    source: &mut Source<'_>,
) -> Result<(PathBuf, Vec<u8>), Fault> {
    let paths = resolve(&setting.value, main, source.files)?;
    let path = paths.into_iter().next().unwrap_or_default();
    let bytes = source.open(&path)?;
    Ok((path, bytes))
}

fn refuse(setting: Setting, fault: Fault, must_be_there: bool, source: &mut Source<'_>) {
    let Setting { key, written, place, .. } = setting;
    let subject = Subject { section: "[SERVICE]".to_owned(), key, value: written };
    if must_be_there {
        source.refuse(place, subject, fault);
    } else {
        source.remark(place, subject, Remark::plugin(fault));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{Environment, load};

    /// What was said of a main file and the files beside it.
    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let files: BTreeMap<PathBuf, Vec<u8>> = files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
            .collect();
        match load(Path::new("etc/f.conf"), &files, &Environment::default()) {
            Ok(config) => config.notes.iter().map(|note| format!("W {note}")).collect(),
            Err(errors) => errors.problems.iter().map(|problem| format!("E {problem}")).collect(),
        }
    }

    #[test]
    fn plugins_and_streams_are_read_from_their_files_in_either_format() {
        let main = "[SERVICE]\n Plugins_File p.conf\n plugins_file p.yaml\n Streams_File s.conf\n";
        let files = [
            ("etc/f.conf", main),
            ("etc/p.conf", "[PLUGINS]\n Path /x.so\n[INPUT]\n Name nobody asks"),
            ("etc/p.yaml", "plugins: [/y.so]\npipeline: {inputs: [{name: no one}]}"),
            ("etc/s.conf", "[STREAM_TASK]\n Name a\n Exec SELECT * FROM TAG:'x';\n"),
        ];
        let said = said(&files);
        assert!(said[0].starts_with("W etc/p.conf:1: [PLUGINS]: nothing is loaded"), "{said:?}");
        assert!(said[1].starts_with("W etc/p.yaml:1: [PLUGINS]: nothing is loaded"), "{said:?}");
        assert!(said[2].starts_with("W etc/s.conf:3: [STREAM_TASK] a: Exec"), "{said:?}");
        assert_eq!(said.len(), 3);
    }

    #[test]
    fn a_missing_file_is_an_error_for_parsers_and_a_warning_for_the_rest() {
        let text = |option| format!("[SERVICE]\n {option} no.conf\n");
        let said = |option| said(&[("etc/f.conf", &text(option))]);
        let fault = "= \"no.conf\": cannot read \"no.conf\": entity not found";
        assert_eq!(
            said("Parsers_File"),
            [format!("E etc/f.conf:2: [SERVICE]: Parsers_File {fault}")]
        );
        assert_eq!(
            said("Plugins_File"),
            [format!("W etc/f.conf:2: [SERVICE]: Plugins_File {fault}")]
        );
        assert_eq!(
            said("Streams_File"),
            [format!("W etc/f.conf:2: [SERVICE]: Streams_File {fault}")]
        );
    }

    #[test]
    fn what_is_wrong_in_such_a_file_is_named_there() {
        let files =
            [("etc/f.conf", "[SERVICE]\n Parsers_File p.conf\n"), ("etc/p.conf", "[PARSER\n")];
        assert_eq!(said(&files), ["E etc/p.conf:1: expected ']' at the end of the section's name"]);
    }
}

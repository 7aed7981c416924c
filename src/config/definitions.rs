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

//! Around the path, config: sections as written → sections whose variables are replaced.
//!
//! Not known here: which options there are.

use std::collections::BTreeMap;

use super::env::{Environment, expand as expand_text};
use super::raw::{Entry, RawSection, SectionKind};
use crate::option::{Fault, Place, Remark, Report, Setting, Subject};

/// Most bytes of all values together after variables are replaced, inclusive.
const VALUES_BYTES_MAX: usize = 64 * 1024 * 1024;

/// A section with its variables replaced.
#[derive(Clone, Debug)]
pub(super) struct Expanded {
    pub(super) kind: SectionKind,
    pub(super) name: String,
    pub(super) place: Place,
    pub(super) settings: Vec<Setting>,
    /// Sections within it.
    pub(super) groups: Vec<Expanded>,
}

/// Replaces the variables of every section.
pub(super) fn expand(
    sections: Vec<RawSection>,
    variables: &BTreeMap<String, String>,
    environment: &Environment,
    report: &mut Report,
) -> Vec<Expanded> {
    let bytes_left = VALUES_BYTES_MAX;
    Expander { variables, environment, report, bytes_left, is_full: false }.sections(sections)
}

struct Expander<'a> {
    variables: &'a BTreeMap<String, String>,
    environment: &'a Environment,
    report: &'a mut Report,
    bytes_left: usize,
    /// There was no room for a value: the rest is left out.
    is_full: bool,
}

impl Expander<'_> {
    fn sections(&mut self, sections: Vec<RawSection>) -> Vec<Expanded> {
        sections.into_iter().map(|section| self.section(section)).collect()
    }

    fn section(&mut self, section: RawSection) -> Expanded {
        let RawSection { kind, name, place, entries, groups } = section;
        let title = format!("[{}]", name.to_ascii_uppercase());
        let settings = entries.into_iter().filter_map(|entry| self.setting(&title, entry));
        Expanded { kind, settings: settings.collect(), groups: self.sections(groups), name, place }
    }

    fn setting(&mut self, title: &str, entry: Entry) -> Option<Setting> {
        let Entry { key, value: written, place } = entry;
        if self.is_full {
            return None;
        }
        let subject =
            || Subject { section: title.to_owned(), key: key.clone(), value: String::new() };
        let Ok(expansion) = expand_text(&written, self.variables, self.environment) else {
            let fault = Fault::TooMany { what: "bytes in a value", max: super::VALUE_BYTES_MAX };
            self.report.refuse(place, subject(), fault);
            return None;
        };
        let Some(left) = self.bytes_left.checked_sub(expansion.text.len()) else {
            let fault = Fault::TooMany { what: "bytes in all values", max: VALUES_BYTES_MAX };
            self.report.refuse(place, subject(), fault);
            self.is_full = true;
            return None;
        };
        self.bytes_left = left;
        for name in expansion.unset {
            self.report.remark(place.clone(), subject(), Remark::UnsetVariable { name });
        }
        let value = expansion.text.trim().to_owned();
        Some(Setting { key, value, written, place })
    }
}

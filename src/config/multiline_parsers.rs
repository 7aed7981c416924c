//! Around the path, config: the `[MULTILINE_PARSER]` sections → the multiline parsers, by their
//! names.
//!
//! Not known here: the files the sections stand in, and who uses the parsers.

use super::expand::Expanded;
use super::parsers::{Parsers, first_of_each};
use super::raw::SectionKind;
use crate::multiline::config::{OPTIONS, Registry, STRICT};
use crate::option::{Options, Policy, Report};

/// Takes the multiline parsers out of `sections` and reads them. What cannot be used is in `report`.
pub(super) fn take(
    sections: &mut Vec<Expanded>,
    parsers: &Parsers,
    report: &mut Report,
) -> Registry {
    let mut registry = Registry::default();
    let is_parser = |section: &mut Expanded| section.kind == SectionKind::MultilineParser;
    for section in sections.extract_if(.., is_parser) {
        let section = first_of_each(section, "[MULTILINE_PARSER]", OPTIONS, report);
        let policy = Policy::Service { strict: STRICT };
        let mut options = Options::read(section, OPTIONS, &[], policy);
        registry.add(&mut options, |name| parsers.get(name));
        report.append(options.into_report());
    }
    registry
}

//! Around the path, config: the `[PARSER]` sections → the parsers, by their names.
//!
//! Not known here: the files the sections stand in, and who uses the parsers.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::expand::Expanded;
use super::raw::SectionKind;
use crate::option::{
    Fault, Options, Place, Policy, Remark, Report, Section, Setting, Subject, Table,
};
use crate::parser::{Parser, config};

/// The parsers of a configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Parsers {
    by_name: BTreeMap<String, (Arc<Parser>, Place)>,
}

/// Why a parser cannot be used, beyond what its options say.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("there is a parser of this name already, at {first}")]
    Known { first: Place },
}

/// What to know about a parser that can be used.
#[derive(Clone, Debug, thiserror::Error)]
enum Advice {
    #[error("has no effect, the value at {first} holds")]
    Again { first: Place },
}

impl Parsers {
    /// Takes the parsers out of `sections` and reads them. `tz` is the variable `TZ`. What cannot
    /// be used is in `report`; of multiline parsers the sections stay, in their order.
    pub(super) fn take(
        sections: &mut Vec<Expanded>,
        tz: Option<&str>,
        report: &mut Report,
    ) -> Self {
        let mut parsers = Self::default();
        let is_parser = |section: &mut Expanded| section.kind == SectionKind::Parser;
        for section in sections.extract_if(.., is_parser) {
            parsers.add(section, tz, report);
        }
        parsers
    }

    /// The parser of that name, in its own case.
    pub(super) fn get(&self, name: &str) -> Option<Arc<Parser>> {
        self.by_name.get(name).map(|(parser, _)| Arc::clone(parser))
    }

    fn add(&mut self, section: Expanded, tz: Option<&str>, report: &mut Report) {
        let section = first_of_each(section, "[PARSER]", config::OPTIONS, report);
        let place = section.place.clone();
        let policy = Policy::Service { strict: config::STRICT };
        let mut options = Options::read(section, config::OPTIONS, &[], policy);
        let parser = Parser::from_options(&mut options, tz);
        if let Some(parser) = parser {
            if let Some((_, first)) = self.by_name.get(parser.name()) {
                let first = first.clone();
                options.refuse("name", Fault::invalid(Refusal::Known { first }));
            } else {
                self.by_name.insert(parser.name().to_owned(), (Arc::new(parser), place));
            }
        }
        report.append(options.into_report());
    }
}

/// Of an option that is there again the first counts: so does Fluent Bit take parsers, but nothing
/// else.
pub(super) fn first_of_each(
    section: Expanded,
    kind: &str,
    options: Table,
    report: &mut Report,
) -> Section {
    let Expanded { place, mut settings, .. } = section;
    let mut first: BTreeMap<String, Place> = BTreeMap::new();
    settings.retain(|Setting { key, value, written, place }| {
        let row = options.iter().find(|row| row.is_called(key));
        if value.is_empty() || row.is_none_or(|row| row.multi) {
            return true;
        }
        let known = first.entry(key.to_ascii_lowercase());
        if let std::collections::btree_map::Entry::Occupied(known) = known {
            let section = kind.to_owned();
            let subject = Subject { section, key: key.clone(), value: written.clone() };
            let advice = Advice::Again { first: known.get().clone() };
            report.remark(place.clone(), subject, Remark::plugin(advice));
            return false;
        }
        known.or_insert_with(|| place.clone());
        true
    });
    let name = settings.iter().find(|setting| setting.key.eq_ignore_ascii_case("name"));
    let title = name.map_or_else(|| kind.to_owned(), |name| format!("{kind} {}", name.value));
    Section { title, place, settings }
}

//! Around the path, config: the `[SERVICE]` sections and the variables beside them, as one.
//!
//! Not known here: the sections of plugins.

use super::context::Context;
use super::expand::Expanded;
use super::origins::Given;
use super::raw::SectionKind;
use super::service::{self, LogLevel, Service};
use crate::option::{Kind, Options, Place, Policy, Remark, Report, Section, Subject, Value, parse};

/// The option that `FIRELANE_GRACE` stands for where no file sets it.
const GRACE: &str = "grace";

/// What `[SERVICE]` says.
#[derive(Debug)]
pub(super) struct ServiceSection {
    pub(super) service: Service,
    pub(super) options: Options,
}

/// Takes the `[SERVICE]` sections out, which are one.
pub(super) fn service(
    sections: &mut Vec<Expanded>,
    context: &Context,
    report: &mut Report,
) -> ServiceSection {
    let is_service = |section: &mut Expanded| section.kind == SectionKind::Service;
    let mut options = service_options(sections.extract_if(.., is_service).collect());
    let mut service = Service::from_options(&mut options);
    override_log_level(&mut service, context, report);
    if let Some(given) = context.grace.as_ref().filter(|_| !options.is_set(GRACE)) {
        match read_given(given) {
            Ok(Value::Seconds(grace)) => service.grace = grace,
            Ok(_) => {}
            Err(kind) => refuse_given(given, kind, report),
        }
    }
    ServiceSection { service, options }
}

/// All `[SERVICE]` sections as one.
fn service_options(sections: Vec<Expanded>) -> Options {
    let place = sections.first().map_or_else(|| Place::file(""), |section| section.place.clone());
    let settings = sections.into_iter().flat_map(|section| section.settings).collect();
    let section = Section { title: "[SERVICE]".to_owned(), place, settings };
    Options::read(section, service::OPTIONS, &[], Policy::Service { strict: service::STRICT })
}

fn override_log_level(service: &mut Service, context: &Context, report: &mut Report) {
    let Some(text) = &context.log_level else { return };
    match (LogLevel::parse(&text.value), kind_of(text)) {
        (Some(level), _) => service.log_level = level,
        (None, Some(kind)) => refuse_given(text, kind, report),
        (None, None) => {}
    }
}

fn kind_of(given: &Given) -> Option<Kind> {
    service::OPTIONS.iter().find(|row| row.name == given.option).map(|row| row.kind)
}

/// What a variable gives in the place of an option of `[SERVICE]`, or what was expected of it.
pub(super) fn read_given(given: &Given) -> Result<Value, Kind> {
    let kind = kind_of(given).unwrap_or(Kind::Text);
    parse(kind, &given.value).map(|parsed| parsed.value).ok_or(kind)
}

fn refuse_given(given: &Given, kind: Kind, report: &mut Report) {
    let subject = Subject { key: given.variable.to_owned(), ..Subject::default() };
    report.remark(Place::file("environment"), subject, Remark::Ignored(kind));
}

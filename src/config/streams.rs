//! Around the path, config: the `[STREAM_TASK]` sections → filters behind all others.
//!
//! They stand in the file that `Streams_File` names, under `stream_processor` of YAML, or come from
//! the command line. Not known here: what their queries say.

use super::expand::Expanded;
use super::origins::{Part, SectionOrigins};
use super::raw::SectionKind;
use super::{Config, FilterConfig, FilterKind};
use crate::filter::stream_task::config::{self, Known, Origin};
use crate::option::{Options, Policy, Report, Section};
use crate::record::tag_pattern::TagMatch;

/// Takes the tasks out of `sections`, in their order.
pub(super) fn take(sections: &mut Vec<Expanded>) -> Vec<Expanded> {
    let is_task = |section: &mut Expanded| section.kind == SectionKind::StreamTask;
    sections.extract_if(.., is_task).collect()
}

/// The model with the tasks behind its filters.
pub(super) fn add(tasks: Vec<Expanded>, mut config: Config, report: &mut Report) -> Config {
    let inputs = (0..).zip(&config.inputs);
    let mut known: Vec<_> =
        inputs.map(|(input, one)| Known { name: one.name.clone(), input }).collect();
    for (place, task) in (0..).zip(tasks) {
        let mut options = read(task);
        let name = options.text("name").unwrap_or_default();
        let task = config::Config::from_options(&mut options, place, &known);
        let at = (Part::Filter, config.filters.len());
        let origins = SectionOrigins::new(at, &name, &options, None);
        report.append(options.into_report());
        let Some(task) = task else { continue };
        known.push(Known { name: task.query.stream.clone(), input: task.emitter });
        let pattern = match &task.origin {
            Origin::Tag(pattern) => Some(pattern.as_str()),
            Origin::Input(_) | Origin::Nothing => None,
        };
        // Without a regular expression there is nothing that could be wrong.
        let matches = TagMatch::new(pattern, None).ok().filter(|_| pattern.is_some());
        let plugin = "stream_task".to_owned();
        config.origins.sections.push(SectionOrigins { plugin, ..origins });
        config.filters.push(FilterConfig {
            name,
            matches: matches.unwrap_or_else(TagMatch::everything),
            condition: None,
            kind: FilterKind::StreamTask(task),
        });
    }
    config
}

fn read(section: Expanded) -> Options {
    let Expanded { place, settings, .. } = section;
    let name = settings.iter().rev().find(|setting| setting.key.eq_ignore_ascii_case("name"));
    let title = match name {
        Some(name) => format!("[STREAM_TASK] {}", name.value),
        None => "[STREAM_TASK]".to_owned(),
    };
    let section = Section { title, place, settings };
    Options::read(section, config::OPTIONS, &[], Policy::Service { strict: &[] })
}

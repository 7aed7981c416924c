//! Around the path, check: what a configuration that was read does, and what about it will hurt.
//!
//! Not known here: how it was read, and task definitions beyond the names of their containers.

use std::collections::BTreeSet;

use super::finding::{At, Finding, Severity};
use super::report::{Kind, Report};
use super::route::{self, Way};
use super::rule::Rule;
use super::sample::Reason;
use super::section::Section;
use super::shown::Shown;
use super::target::{self, Target, flag};
use super::{Request, limit, permission, sample, socket, words};
use crate::config::{Config, Environment, Errors, Part, Place, SectionOrigins};
use crate::record::tag_pattern::TagMatch;

/// A configuration that can be used, and what is known around it.
pub(super) struct Scene<'a> {
    pub(super) config: &'a Config,
    pub(super) shown: &'a Shown,
    /// Where a user finds a place.
    pub(super) locate: &'a dyn Fn(&Place) -> At,
    /// Tags that the user asks for.
    pub(super) tags: &'a [String],
    /// The containers that log through the router; `None` where no task definition names them.
    pub(super) containers: Option<&'a [Source]>,
    /// Whether all of the configuration is here.
    pub(super) is_complete: bool,
    /// The memory that the router may use, where that is known.
    pub(super) memory_bytes: Option<u64>,
}

/// A container that logs through the router.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) name: String,
    /// Where its log configuration is.
    pub(super) at: At,
}

impl Scene<'_> {
    /// The outputs that write to log groups.
    pub(super) fn outputs_of_cloudwatch(&self) -> impl Iterator<Item = &SectionOrigins> {
        let sections = self.config.origins.sections.iter();
        sections.filter(|section| {
            section.part == Part::Output && section.plugin.starts_with("cloudwatch")
        })
    }

    fn at(&self, part: Part, index: usize) -> At {
        let section = self.config.origins.section(part, index);
        section.map_or(At::Whole, |section| (self.locate)(&section.place))
    }

    fn at_option(&self, section: &SectionOrigins, option: &str) -> At {
        let place = section.get(option).and_then(|held| held.place.as_ref());
        (self.locate)(place.unwrap_or(&section.place))
    }
}

/// The report on a configuration that no task definition makes.
pub(super) fn report(
    (kind, file): (Kind, &str),
    outcome: &Result<Config, Errors>,
    environment: &Environment,
    request: &Request,
) -> Report {
    let mut report = Report { file: file.to_owned(), kind, ..Report::default() };
    let mut shown = Shown::new(environment, &BTreeSet::new());
    let locate = |place: &Place| At::Place(place.clone());
    report.findings = read(outcome, &shown, &locate);
    if let Ok(config) = outcome {
        shown = shown.with_set(&config.origins);
        let scene = Scene {
            config,
            shown: &shown,
            locate: &locate,
            tags: &request.tags,
            containers: None,
            is_complete: true,
            memory_bytes: None,
        };
        describe(&scene, &mut report);
    }
    report.finish(&shown);
    report
}

/// What the reader of the configuration says.
pub(super) fn read(
    outcome: &Result<Config, Errors>,
    shown: &Shown,
    locate: &dyn Fn(&Place) -> At,
) -> Vec<Finding> {
    let (problems, notes) = match outcome {
        Ok(config) => (&[][..], &config.notes),
        Err(errors) => (errors.problems.as_slice(), &errors.notes),
    };
    let problems = problems.iter().map(|problem| {
        let said = shown.message(&problem.subject, &problem.fault.to_string());
        Finding::error(Rule::Configuration, locate(&problem.place), said)
    });
    let notes = notes.iter().map(|note| {
        let said = shown.message(&note.subject, &note.remark.to_string());
        Finding::warning(Rule::Configuration, locate(&note.place), said)
    });
    problems.chain(notes).collect()
}

/// Adds to a report what a configuration does, and what about it will hurt.
pub(super) fn describe(scene: &Scene<'_>, report: &mut Report) {
    let sections = scene.config.origins.sections.iter();
    report.sections =
        sections.map(|section| Section::new(section, scene.shown, scene.locate)).collect();
    let ways = route::ways(scene);
    report.routes = route::routes(scene, &ways, &report.sections);
    report.limits = limit::limits(scene);
    report.permissions = permission::of_outputs(scene);
    unrouted(scene, &ways, &mut report.findings);
    if scene.is_complete {
        unused(scene, &ways, &mut report.findings);
    }
    twice(scene, &ways, &mut report.findings);
    groups(scene, &mut report.findings);
    socket::taken_twice(scene, &mut report.findings);
}

/// Tags that no output wants.
fn unrouted(scene: &Scene<'_>, ways: &[Way], findings: &mut Vec<Finding>) {
    for way in ways.iter().filter(|way| way.outputs.is_empty()) {
        let tag = sample::shown(&way.sample.tag);
        let what =
            |whose: &str| format!("no output matches {tag}, the records of {whose} are dropped");
        let finding = match (way.sample.reason, &way.sample.container) {
            (Reason::Asked, _) => Finding::warning(Rule::InputUnrouted, At::Whole, what("the tag"))
                .advise("give an output a Match for it"),
            (Reason::Container, Some(name)) if scene.is_complete => {
                let sources = scene.containers.unwrap_or_default();
                let source = sources.iter().find(|source| source.name == *name);
                let at = source.map_or(At::Whole, |source| source.at.clone());
                let what = what(&format!("container {name}"));
                Finding::error(Rule::ContainerUnrouted, at, what).advise(
                    "give it log options with a Name, or an external configuration with an output \
                     that matches it",
                )
            }
            (Reason::Input(index), _) if scene.is_complete => {
                let name = scene.config.inputs.get(index).map_or("", |input| &input.name);
                let at = scene.at(Part::Input, index);
                Finding::warning(Rule::InputUnrouted, at, what(&format!("input {name}")))
                    .advise("give an output a Match for it, or send it to the output null")
            }
            (Reason::Rewritten, _) if scene.is_complete && !sample::is_open(&way.sample.tag) => {
                let what = what(&words::listed(&way.sample.from));
                Finding::warning(Rule::InputUnrouted, at_filter(scene, &way.sample.from), what)
                    .advise("give an output a Match for it")
            }
            _ => continue,
        };
        findings.push(finding);
    }
}

/// Where the first of some filters is.
fn at_filter(scene: &Scene<'_>, names: &[String]) -> At {
    let mut filters = scene.config.filters.iter();
    let index = filters.position(|filter| names.contains(&filter.name));
    index.map_or(At::Whole, |index| scene.at(Part::Filter, index))
}

/// Filters and outputs that no tag meets.
fn unused(scene: &Scene<'_>, ways: &[Way], findings: &mut Vec<Finding>) {
    let is_open = scene.containers.is_none() && scene.config.inputs.iter().any(|i| i.tag.is_none());
    for (index, filter) in scene.config.filters.iter().enumerate() {
        if !ways.iter().any(|way| way.filters.contains(&index)) {
            let at = scene.at(Part::Filter, index);
            let subject = (Rule::FilterUnused, at, format!("filter {}", filter.name));
            findings.extend(unmatched(scene, subject, &filter.matches, is_open));
        }
    }
    for (index, output) in scene.config.outputs.iter().enumerate() {
        if !ways.iter().any(|way| way.outputs.contains(&index)) {
            let at = scene.at(Part::Output, index);
            let subject = (Rule::OutputUnused, at, format!("output {}", output.name));
            findings.extend(unmatched(scene, subject, &output.matches, is_open));
        }
    }
}

fn unmatched(
    scene: &Scene<'_>,
    (rule, at, who): (Rule, At, String),
    matches: &TagMatch,
    is_open: bool,
) -> Option<Finding> {
    // Of one without pattern the reader has said so; one with a regular expression may match what
    // a peer sends.
    let pattern = matches.pattern()?;
    if is_open && matches.regex().is_some() {
        return None;
    }
    // Peers may send other tags than those that are known.
    let severity = if is_open { Severity::Note } else { Severity::Warning };
    let what = format!("{who} matches {pattern}, and no tag that is known is like that");
    let mut known: Vec<String> = scene
        .containers
        .unwrap_or_default()
        .iter()
        .map(|source| format!("{}-firelens*", source.name))
        .collect();
    known.extend(scene.config.inputs.iter().filter_map(|input| input.tag.clone()));
    known.dedup();
    let advice = format!("tags that are known match {}", words::listed(&known));
    let finding = Finding { severity, ..Finding::warning(rule, at, what) };
    Some(if known.is_empty() { finding } else { finding.advise(advice) })
}

/// Outputs that write the records of one tag to the same place.
fn twice(scene: &Scene<'_>, ways: &[Way], findings: &mut Vec<Finding>) {
    let mut told = Vec::new();
    for way in ways {
        let place = |index: &usize| {
            let section = scene.config.origins.section(Part::Output, *index)?;
            let target = target::of(scene, section, &way.sample.tag)?;
            let Target { group, group_template, stream, stream_template, .. } = &target;
            let names = (group_template.clone(), stream_template.clone());
            let where_to = (target.region.clone(), target.endpoint.clone(), target.role.clone());
            Some((*index, (group.clone(), stream.clone(), names, where_to)))
        };
        let places: Vec<_> = way.outputs.iter().filter_map(place).collect();
        for (number, (second, target)) in places.iter().enumerate() {
            let first = places.iter().take(number).find(|(_, other)| other == target);
            let Some((first, _)) = first else { continue };
            if told.contains(&(*first, *second)) {
                continue;
            }
            told.push((*first, *second));
            let name = |index: usize| {
                scene.config.outputs.get(index).map_or("", |output| output.name.as_str())
            };
            let what = format!(
                "{} and {} both write {} to log group {}, stream {}",
                name(*first),
                name(*second),
                sample::shown(&way.sample.tag),
                target.0,
                target.1,
            );
            let at = scene.at(Part::Output, *second);
            let advice = "narrow the Match of one of them";
            findings.push(Finding::warning(Rule::DeliveredTwice, at, what).advise(advice));
        }
    }
}

/// What will hurt about log groups and streams.
fn groups(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    for output in scene.outputs_of_cloudwatch() {
        let name = &output.name;
        let creates = flag(output, "auto_create_group");
        let days = target::number(output, "log_retention_days").unwrap_or(0);
        if creates && days == 0 {
            let at = scene.at_option(output, "auto_create_group");
            let what = format!("{name} makes its log group without a retention");
            let advice = "set log_retention_days, for example 30, or make the group beforehand";
            findings.push(Finding::warning(Rule::GroupNeverExpires, at, what).advise(advice));
        }
        let is_fixed =
            output.get("log_stream_name").is_some_and(|held| !held.written.contains('$'));
        if is_fixed && output.get("log_stream_template").is_none() {
            let at = scene.at_option(output, "log_stream_name");
            let stream = scene.shown.get(output, "log_stream_name").unwrap_or_default();
            let what = format!("{name} writes everything to the one log stream {stream}");
            let advice = "use log_stream_prefix, which puts the tag and so the task's id behind it";
            findings.push(Finding::note(Rule::StreamShared, at, what).advise(advice));
        }
        if output.get("tls.verify").is_some() && !flag(output, "tls.verify") {
            let at = scene.at_option(output, "tls.verify");
            let what = format!("{name} does not check who the server is");
            let advice = "name the authority in tls.ca_file and leave tls.verify on";
            findings.push(Finding::warning(Rule::ServerUnverified, at, what).advise(advice));
        }
    }
}

//! Around the path, config: sections → the typed model, by the tables of each plugin.
//!
//! Variables are replaced first. A section that cannot be used is reported and left out, so that
//! all others are checked too. Not known here: files, and the grammar of the format.

use super::condition;
use super::context::Context;
use super::expand::Expanded;
use super::kinds::{self, Registries};
use super::multiline_parsers;
use super::origins::{Origins, Part, SectionOrigins};
use super::parsers::Parsers;
use super::plugins::{self, Filter, Input, Output, Tables};
use super::process::{self, ServiceSection};
use super::raw::SectionKind;
use super::service::LogLevel;
use super::storage::place_of;
use super::streams;
use super::{Config, FilterConfig, InputConfig, OutputConfig};
use crate::chunk;
use crate::multiline::config::Registry;
use crate::option::{Fault, Options, Policy, Remark, Report, Section, Setting, Subject};
use crate::record::pattern::PatternError;
use crate::record::tag_pattern::TagMatch;

/// Why a section cannot be used, beyond what its plugin says.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("not a regular expression: {0}")]
    MatchRegex(#[source] PatternError),
    #[error("expected storage.path in [SERVICE] as well")]
    NoStoragePath,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Advice {
    #[error("counts as memory: nothing is dropped for newer records, readers wait")]
    Ring,
}

/// Builds the model. What cannot be used is in `report` and left out.
pub(super) fn build(
    mut sections: Vec<Expanded>,
    service: ServiceSection,
    context: &Context,
    report: &mut Report,
) -> Config {
    let ServiceSection { service, options } = service;
    let level = context.log_level.as_ref().filter(|level| LogLevel::parse(&level.value).is_some());
    let grace = context.grace.as_ref().filter(|given| process::read_given(given).is_ok());
    let given = [level, grace].into_iter().flatten();
    let origins = SectionOrigins::new((Part::Service, 0), "", &options, given);
    let origins = Origins { sections: vec![origins], ..Origins::default() };
    report.append(options.into_report());
    let tasks = streams::take(&mut sections);
    let parsers = Parsers::take(&mut sections, context.tz.as_deref(), report);
    let multiline_parsers = multiline_parsers::take(&mut sections, &parsers, report);
    let config = Config {
        service,
        inputs: vec![],
        filters: vec![],
        outputs: vec![],
        notes: vec![],
        origins,
    };
    let count = |kind| sections.iter().filter(|section| section.kind == kind).count();
    let is_lone_pair = count(SectionKind::Input) == 1 && count(SectionKind::Output) == 1;
    let mut builder = Builder {
        config,
        parsers,
        context,
        report,
        is_lone_pair,
        multiline_parsers,
        inputs: 0,
        filters: 0,
        outputs: 0,
    };
    for section in sections {
        builder.section(section);
    }
    streams::add(tasks, builder.config, report)
}

struct Builder<'a> {
    config: Config,
    parsers: Parsers,
    context: &'a Context,
    report: &'a mut Report,
    /// One input and one output belong together, even if no `Match` says so. Fluent Bit's rule for
    /// pipelines of the command line holds for files too.
    is_lone_pair: bool,
    multiline_parsers: Registry,
    /// Sections seen of each kind, also those that cannot be used.
    inputs: usize,
    filters: usize,
    outputs: usize,
}

impl Builder<'_> {
    fn section(&mut self, section: Expanded) {
        match section.kind {
            SectionKind::Input => self.input(section),
            SectionKind::Filter => self.filter(section),
            SectionKind::Output => self.output(section),
            SectionKind::Plugins => {
                let subject = title_only(format!("[{}]", section.name));
                self.report.remark(section.place, subject, Remark::NothingLoaded);
            }
            SectionKind::Parser
            | SectionKind::MultilineParser
            | SectionKind::StreamTask
            | SectionKind::WithoutEffect => {
                let subject = title_only(format!("[{}]", section.name));
                self.report.remark(section.place, subject, Remark::SectionWithoutEffect);
            }
            SectionKind::Unknown => {
                let subject = title_only(format!("[{}]", section.name));
                self.report.remark(section.place, subject, Remark::UnknownSection);
            }
            SectionKind::Service
            | SectionKind::Processor
            | SectionKind::Condition
            | SectionKind::Rule => {}
        }
    }

    fn registries(&self) -> Registries<'_> {
        Registries {
            parsers: &self.parsers,
            multiline_parsers: &self.multiline_parsers,
            multiline_bytes_max: self.config.service.multiline_bytes_max,
            scripts: &self.context.scripts,
            hostname: self.context.hostname.as_deref(),
        }
    }

    fn input(&mut self, mut section: Expanded) {
        let index = self.inputs;
        self.inputs += 1;
        let groups = std::mem::take(&mut section.groups);
        let Some((plugin, section)) = self.plugin("INPUT", section, Input::ALL, Input::ELSEWHERE)
        else {
            return;
        };
        let mut options = read(section, plugin.tables());
        if self.context.is_elsewhere {
            options.set_elsewhere();
        }
        let default_name = format!("{}.{index}", plugin.name());
        let kind = kinds::input(plugin, &mut options, &self.registries());
        let storage = self.storage_of(&mut options);
        // A record of `forward` has a tag of its own.
        let own_tag = (plugin != Input::Forward).then(|| default_name.clone());
        if let Some(kind) = kind {
            let name = options.text("alias").unwrap_or(default_name);
            let place = (Part::Input, self.config.inputs.len());
            self.origins(SectionOrigins::new(place, &name, &options, None));
            let processors = self.processors(groups, &name);
            self.config.inputs.push(InputConfig {
                name,
                tag: options.text("tag").or(own_tag),
                mem_buf_limit_bytes: options.bytes("mem_buf_limit").filter(|bytes| *bytes > 0),
                storage,
                processors,
                kind,
            });
        }
        self.report.append(options.into_report());
    }

    /// Where records of an input wait: as it says, else as the service says.
    fn storage_of(&self, options: &mut Options) -> chunk::Storage {
        let word = options.text("storage.type").filter(|_| options.is_set("storage.type"));
        if word.as_deref() == Some("memrb") {
            options.remark("storage.type", Remark::plugin(Advice::Ring));
        }
        let of_service = &self.config.service.storage;
        let storage = word.as_deref().map_or(of_service.inherited, place_of);
        if storage == chunk::Storage::Filesystem && of_service.path.is_none() {
            options.refuse("storage.type", Fault::invalid(Refusal::NoStoragePath));
        }
        storage
    }

    fn filter(&mut self, mut section: Expanded) {
        let index = self.filters;
        self.filters += 1;
        let groups = std::mem::take(&mut section.groups);
        let Some((plugin, section)) =
            self.plugin("FILTER", section, Filter::ALL, Filter::ELSEWHERE)
        else {
            return;
        };
        let mut options = read(section, plugin.tables());
        let matches = tag_match(&mut options);
        if matches.as_ref().is_some_and(TagMatch::is_nothing) && options.bool("active") {
            options.remark("match", Remark::NoMatch);
        }
        let name = format!("{}.{index}", plugin.name());
        let place = (Part::Filter, self.config.filters.len());
        let filter = self.filter_config(plugin, (options, place), matches, name, groups);
        self.config.filters.extend(filter);
    }

    /// The filters of an input or an output alone.
    fn processors(&mut self, groups: Vec<Expanded>, owner: &str) -> Vec<FilterConfig> {
        let here = [Filter::ALL, Filter::PROCESSORS].concat();
        let elsewhere = [Filter::ELSEWHERE, Filter::PROCESSORS_ELSEWHERE].concat();
        let mut processors = Vec::new();
        for (index, mut section) in groups.into_iter().enumerate() {
            let groups = std::mem::take(&mut section.groups);
            let Some((plugin, section)) = self.plugin("PROCESSOR", section, &here, &elsewhere)
            else {
                continue;
            };
            let mut options = read(section, plugin.tables());
            for option in ["match", "match_regex"] {
                if options.is_set(option) {
                    options.remark(option, Remark::NoEffect);
                }
            }
            let name = format!("{owner}.{}.{index}", plugin.name());
            let matches = Some(TagMatch::everything());
            let options = (options, (Part::Processor, processors.len()));
            processors.extend(self.filter_config(plugin, options, matches, name, groups));
        }
        processors
    }

    /// The filter, unless it cannot be used or is not active.
    fn filter_config(
        &mut self,
        plugin: Filter,
        (mut options, place): (Options, (Part, usize)),
        matches: Option<TagMatch>,
        default_name: String,
        groups: Vec<Expanded>,
    ) -> Option<FilterConfig> {
        let kind = kinds::filter(plugin, &mut options, &self.registries());
        let is_active = options.bool("active");
        if !is_active {
            options.remark("active", Remark::Inactive);
        }
        let name = options.text("alias").unwrap_or(default_name);
        let origins = SectionOrigins::new(place, &name, &options, None);
        self.report.append(options.into_report());
        let condition = match condition::read(groups, self.report) {
            Ok(condition) => condition,
            Err(condition::Refused) => return None,
        };
        match (kind, matches, is_active) {
            (Some(kind), Some(matches), true) => {
                self.origins(origins);
                Some(FilterConfig { name, matches, condition, kind })
            }
            _ => None,
        }
    }

    fn output(&mut self, mut section: Expanded) {
        let index = self.outputs;
        self.outputs += 1;
        let groups = std::mem::take(&mut section.groups);
        let Some((plugin, section)) =
            self.plugin("OUTPUT", section, Output::ALL, Output::ELSEWHERE)
        else {
            return;
        };
        // Fluent Bit does not look at the options of a plugin written in Go.
        let policy = if plugin == Output::Cloudwatch { Policy::Proxy } else { Policy::Plugin };
        let Tables { own, shared } = plugin.tables();
        let mut options = Options::read(section, own, shared, policy);
        let default_name = format!("{}.{index}", plugin.name());
        let kind = kinds::output(plugin, &mut options, self.context);
        if let (Some(kind), Some(mut matches)) = (kind, tag_match(&mut options)) {
            match (matches.is_nothing(), self.is_lone_pair) {
                (true, true) => matches = TagMatch::everything(),
                (true, false) => options.remark("match", Remark::NoMatch),
                (false, _) => {}
            }
            let name = options.text("alias").unwrap_or(default_name);
            let retry_limit = options.retry_limit("retry_limit");
            let place = (Part::Output, self.config.outputs.len());
            let region = self.context.region.as_ref();
            // No limit is more than there can be.
            let storage_bytes_max = options
                .bytes("storage.total_limit_size")
                .map(|bytes| if bytes == 0 { u64::MAX } else { bytes });
            self.origins(SectionOrigins::new(place, &name, &options, region));
            let processors = self.processors(groups, &name);
            self.config.outputs.push(OutputConfig {
                name,
                matches,
                retry_limit,
                storage_bytes_max,
                processors,
                kind,
            });
        }
        self.report.append(options.into_report());
    }

    /// Notes down where the values of a section that is in use come from.
    fn origins(&mut self, section: SectionOrigins) {
        self.config.origins.sections.push(section);
    }

    /// The plugin that the section names, and the section under its name.
    fn plugin<T: Copy>(
        &mut self,
        kind: &str,
        section: Expanded,
        here: &[(&'static str, T)],
        elsewhere: &[&'static str],
    ) -> Option<(T, Section)> {
        let Expanded { place, settings, .. } = section;
        let is_name = |setting: &&Setting| setting.key.eq_ignore_ascii_case("name");
        let Some(name) = settings.iter().rev().filter(is_name).find(|name| !name.value.is_empty())
        else {
            self.report.refuse(place, title_only(format!("[{kind}]")), Fault::NoName);
            return None;
        };
        match plugins::find(&name.value, here, elsewhere) {
            Ok(plugin) => {
                let title = format!("[{kind}] {}", name.value.to_ascii_lowercase());
                Some((plugin, Section { title, place, settings }))
            }
            Err(fault) => {
                self.report.refuse(name.place.clone(), title_only(format!("[{kind}]")), fault);
                None
            }
        }
    }
}

fn read(section: Section, tables: Tables) -> Options {
    Options::read(section, tables.own, tables.shared, Policy::Plugin)
}

fn tag_match(options: &mut Options) -> Option<TagMatch> {
    let (pattern, regex) = (options.text("match"), options.text("match_regex"));
    match TagMatch::new(pattern.as_deref(), regex.as_deref()) {
        Ok(matches) => Some(matches),
        Err(error) => {
            options.refuse("match_regex", Fault::invalid(Refusal::MatchRegex(error)));
            None
        }
    }
}

fn title_only(section: String) -> Subject {
    Subject { section, ..Subject::default() }
}

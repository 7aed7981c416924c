//! Around the path, check: the way of each tag: which filters work on it, which outputs get it, and
//! where they put it.
//!
//! Matches tags as the router does. Not known here: which tags there are.

use super::pipeline::Scene;
use super::sample::{self, Reason, Sample, Samples, Telling};
use super::section::Section;
use super::target;
use crate::config::{FilterConfig, Part};
use crate::option::Held;

/// The way of a tag.
#[derive(Clone, Debug)]
pub struct Route {
    /// The tag; what is open in it stands in angle brackets.
    pub tag: String,
    /// The container, if it is one's.
    pub container: Option<String>,
    /// Names of the inputs it may come from, and of filters that make it of other tags.
    pub from: Vec<String>,
    /// The filters that work on it, in their order.
    pub filters: Vec<Step>,
    /// The outputs that get it.
    pub outputs: Vec<Step>,
}

/// A filter or an output on the way.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// Its plugin.
    pub plugin: String,
    /// What it does.
    pub does: String,
    /// Filters of its own, which work before it.
    pub processors: Vec<Step>,
    /// Where an output puts records, if it has log groups and streams.
    pub target: Option<target::Target>,
}

impl Step {
    /// Looks at every text that comes out of a configuration.
    pub(super) fn each_text(&mut self, look: &mut impl FnMut(&mut String)) {
        look(&mut self.name);
        look(&mut self.does);
        if let Some(target) = &mut self.target {
            let by_template = [&mut target.group_template, &mut target.stream_template];
            for one in by_template.into_iter().flatten() {
                look(&mut one.template);
                look(&mut one.name);
            }
            look(&mut target.group);
            look(&mut target.stream);
            let more = [&mut target.region, &mut target.endpoint, &mut target.role];
            more.into_iter().chain([&mut target.log_key]).flatten().for_each(&mut *look);
        }
        self.processors.iter_mut().for_each(|step| step.each_text(look));
    }
}

/// Whom a tag meets, by places.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) sample: Sample,
    pub(super) filters: Vec<usize>,
    pub(super) outputs: Vec<usize>,
}

/// Whom each tag meets.
pub(super) fn ways(scene: &Scene<'_>) -> Vec<Way> {
    let mut samples = sample::known(scene);
    let mut ways: Vec<Way> = Vec::new();
    explore(scene, &mut samples, &mut ways);
    for telling in Telling::ALL {
        sample::add_waited_for(telling, scene, &mut samples);
        explore(scene, &mut samples, &mut ways);
    }
    // Who gives a tag may have become known after its way.
    for (way, sample) in ways.iter_mut().zip(samples.0) {
        way.sample = sample;
    }
    ways.sort_by_key(|way| way.sample.reason);
    ways
}

/// Adds the ways of tags that have none yet, and of those that filters make of them.
fn explore(scene: &Scene<'_>, samples: &mut Samples, ways: &mut Vec<Way>) {
    // Each tag may make others, of which there is a most.
    while let Some(sample) = samples.0.get(ways.len()).cloned() {
        let way = way(scene, &sample.tag);
        rewritten(scene, &way, &sample).into_iter().for_each(|new| samples.add(new));
        ways.push(Way { sample, ..way });
    }
}

/// The tags that the filters on a way make.
fn rewritten(scene: &Scene<'_>, way: &Way, sample: &Sample) -> Vec<Sample> {
    let filters = way.filters.iter();
    let filters = filters.filter_map(|index| scene.config.origins.section(Part::Filter, *index));
    let mut found = Vec::new();
    for filter in filters {
        let tag = |held: &Held| match (filter.plugin.as_str(), held.row.name) {
            ("rewrite_tag", "rule") => sample::rewritten(&held.value, &sample.tag),
            ("stream_task", "exec") => sample::of_query(&held.value),
            _ => None,
        };
        for tag in filter.held.iter().filter_map(tag) {
            let (from, reason) = (vec![filter.name.clone()], Reason::Rewritten);
            found.push(Sample { tag, container: None, from, reason });
        }
    }
    found
}

fn way(scene: &Scene<'_>, tag: &str) -> Way {
    let tag = tag.as_bytes();
    let filters = scene.config.filters.iter().enumerate();
    let filters = filters.filter(|(_, filter)| filter.matches.matches(tag));
    let outputs = scene.config.outputs.iter().enumerate();
    let outputs = outputs.filter(|(_, output)| output.matches.matches(tag));
    Way {
        filters: filters.map(|(index, _)| index).collect(),
        outputs: outputs.map(|(index, _)| index).collect(),
        sample: Sample::default(),
    }
}

/// The ways, to be shown.
pub(super) fn routes(scene: &Scene<'_>, ways: &[Way], sections: &[Section]) -> Vec<Route> {
    ways.iter().map(|way| route(scene, way, sections)).collect()
}

fn route(scene: &Scene<'_>, way: &Way, sections: &[Section]) -> Route {
    let Way { sample, filters, outputs } = way;
    let inputs = scene.config.inputs.iter().filter(|input| sample.from.contains(&input.name));
    let of_inputs = inputs.flat_map(|input| processors(&input.processors, sections));
    let filters = filters.iter().filter_map(|index| {
        let config = scene.config.filters.get(*index)?;
        Some(filter(config, find(scene, sections, Part::Filter, *index)?))
    });
    let outputs = outputs.iter().filter_map(|index| {
        let config = scene.config.outputs.get(*index)?;
        let section = find(scene, sections, Part::Output, *index)?;
        let origins = scene.config.origins.section(Part::Output, *index)?;
        let target = target::of(scene, origins, &sample.tag);
        let does = match &target {
            Some(target) => target.to_string(),
            None if section.plugin == "null" => "thrown away".to_owned(),
            None => section.summary(),
        };
        let processors = processors(&config.processors, sections);
        Some(Step { target, processors, ..step(section, does) })
    });
    Route {
        tag: sample::shown(&sample.tag),
        container: sample.container.clone(),
        from: sample.from.clone(),
        filters: of_inputs.chain(filters).collect(),
        outputs: outputs.collect(),
    }
}

/// The filters of an input or an output alone.
fn processors(configs: &[FilterConfig], sections: &[Section]) -> Vec<Step> {
    let of_config = configs.iter().filter_map(|config| {
        let is_it =
            |section: &&Section| section.part == Part::Processor && section.name == config.name;
        Some(filter(config, sections.iter().find(is_it)?))
    });
    of_config.collect()
}

fn filter(config: &FilterConfig, section: &Section) -> Step {
    let mut does = section.summary();
    if config.condition.is_some() {
        does += if does.is_empty() {
            "where its condition holds"
        } else {
            "; where its condition holds"
        };
    }
    step(section, does)
}

fn step(section: &Section, does: String) -> Step {
    let (name, plugin) = (section.name.clone(), section.plugin.clone());
    Step { name, plugin, does, processors: Vec::new(), target: None }
}

fn find<'a>(
    scene: &Scene<'_>,
    sections: &'a [Section],
    part: Part,
    index: usize,
) -> Option<&'a Section> {
    let mut origins = scene.config.origins.sections.iter();
    let at = origins.position(|origins| origins.part == part && origins.index == index)?;
    sections.get(at)
}

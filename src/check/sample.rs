//! Around the path, check: the tags that records will have, as far as that can be told beforehand.
//!
//! Tags of inputs are in the configuration. Those of containers are made by the ECS agent,
//! `<container>-firelens-<task id>`; a task definition names the containers, and else the patterns
//! of outputs tell which are expected. Not known here: where the records go.

use super::pipeline::Scene;
use crate::config::{Config, InputConfig};
use crate::option::tokens;
use crate::record::tag_pattern::TagPattern;

/// Most tags whose way is told.
const SAMPLES_MAX: usize = 200;
/// What the ECS agent puts between the container's name and the task's id.
const AGENT_SEPARATOR: &str = "-firelens-";
/// A task's id, as they look.
const TASK_ID: &str = "0123456789abcdef0123456789abcdef";
/// How it is shown.
const TASK_ID_SHOWN: &str = "<task id>";
/// Stands for what a wildcard leaves open.
const OPEN: &str = "0any0";
/// How it is shown.
const OPEN_SHOWN: &str = "<any>";
/// Stands for a container that nothing names.
const CONTAINER: &str = "0container0";
/// How it is shown.
const CONTAINER_SHOWN: &str = "<container>";

/// A tag, or one for many.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Sample {
    /// The tag, to be matched.
    pub(super) tag: String,
    /// The container, if it is one's.
    pub(super) container: Option<String>,
    /// Names of the inputs and filters that may give it.
    pub(super) from: Vec<String>,
    /// Why it is expected.
    pub(super) reason: Reason,
}

/// Why a tag is expected, in the order in which they are shown.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Reason {
    /// The user asks for it.
    #[default]
    Asked,
    /// The ECS agent makes it for a container of the task.
    Container,
    /// An output waits for it.
    Pattern,
    /// A filter gives it.
    Rewritten,
    /// An input gives it, by its place.
    Input(usize),
}

/// What is shown in place of what stands for something else.
pub(super) fn shown(text: &str) -> String {
    text.replace(TASK_ID, TASK_ID_SHOWN)
        .replace(OPEN, OPEN_SHOWN)
        .replace(CONTAINER, CONTAINER_SHOWN)
}

/// Whether a part of a tag is not known.
pub(super) fn is_open(tag: &str) -> bool {
    tag.contains(OPEN)
}

/// The tag that the ECS agent makes for a container.
pub(super) fn of_container(name: &str) -> String {
    format!("{name}{AGENT_SEPARATOR}{TASK_ID}")
}

/// The tags that are known: without those that filters make of them.
pub(super) fn known(scene: &Scene<'_>) -> Samples {
    let config = scene.config;
    let peers = peers(config);
    let mut found = Samples::default();
    for tag in scene.tags {
        let (tag, from) = (tag.clone(), peers.clone());
        found.add(Sample { tag, container: None, from, reason: Reason::Asked });
    }
    for container in scene.containers.unwrap_or_default() {
        found.add(Sample {
            tag: of_container(&container.name),
            container: Some(container.name.clone()),
            from: peers.clone(),
            reason: Reason::Container,
        });
    }
    for (index, InputConfig { tag, name, .. }) in config.inputs.iter().enumerate() {
        if let Some(tag) = tag {
            // `tail` puts the file's path there.
            let (tag, from) = (tag.replace('*', OPEN), vec![name.clone()]);
            found.add(Sample { tag, container: None, from, reason: Reason::Input(index) });
        }
    }
    found
}

/// The inputs whose peers choose the tag.
fn peers(config: &Config) -> Vec<String> {
    let inputs = config.inputs.iter().filter(|input| input.tag.is_none());
    inputs.map(|input| input.name.clone()).collect()
}

/// A kind of pattern, in the order in which they tell of tags.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Telling {
    /// `app-firelens*` names a container.
    Container,
    /// Any other with a text in it.
    Text,
    /// `*` tells nothing, and stands for some container where no other tag is known.
    Nothing,
}

impl Telling {
    /// Every kind. What one tells may be what another waits for, so they are asked in turn.
    pub(super) const ALL: [Self; 3] = [Self::Container, Self::Text, Self::Nothing];

    fn of(pattern: &str) -> Self {
        match tag_of_pattern(pattern) {
            _ if pattern.chars().all(|c| c == '*') => Self::Nothing,
            (_, Some(_)) => Self::Container,
            (_, None) => Self::Text,
        }
    }
}

/// Adds a tag for each output's pattern of a kind that no tag matches yet. Of a task the containers
/// are known; else those that are waited for show what is expected.
pub(super) fn add_waited_for(telling: Telling, scene: &Scene<'_>, samples: &mut Samples) {
    let peers = peers(scene.config);
    if scene.containers.is_some() || peers.is_empty() {
        return;
    }
    let patterns = scene.config.outputs.iter().filter_map(|output| output.matches.pattern());
    for pattern in patterns.filter(|pattern| Telling::of(pattern) == telling) {
        let matcher = TagPattern::new(pattern);
        // The tags of inputs are all that those give; peers give others.
        let counts = |sample: &&Sample| {
            telling != Telling::Nothing || !matches!(sample.reason, Reason::Input(_))
        };
        let mut told = samples.0.iter().filter(counts);
        if !told.any(|sample| matcher.matches(sample.tag.as_bytes())) {
            samples.add(of_pattern(pattern, &peers));
        }
    }
}

fn of_pattern(pattern: &str, peers: &[String]) -> Sample {
    let (tag, container) = tag_of_pattern(pattern);
    Sample { tag, container, from: peers.to_vec(), reason: Reason::Pattern }
}

fn tag_of_pattern(pattern: &str) -> (String, Option<String>) {
    let before_star = pattern.strip_suffix('*').filter(|start| !start.contains('*'));
    let container = before_star.and_then(|start| {
        let name = start.strip_suffix('-').unwrap_or(start).strip_suffix("-firelens")?;
        (!name.is_empty()).then_some(name)
    });
    if let Some(name) = container {
        return (of_container(name), Some(name.to_owned()));
    }
    if pattern.chars().all(|c| c == '*') {
        return (of_container(CONTAINER), None);
    }
    (pattern.replace('*', OPEN), None)
}

/// What a rule of `rewrite_tag`, `KEY REGEX NEW_TAG KEEP`, makes of a tag; what it takes from the
/// record stays open.
pub(super) fn rewritten(rule: &str, tag: &str) -> Option<String> {
    let words = tokens::split(rule, 4);
    Some(filled(words.get(2)?, tag, |_path| OPEN.to_owned()))
}

/// The tag that a stream task gives its records: `CREATE STREAM s WITH (tag='new') AS SELECT …`.
pub(super) fn of_query(query: &str) -> Option<String> {
    let lower = query.to_ascii_lowercase();
    let (before, _) = lower.split_once("tag")?;
    let after = query.get(before.len() + "tag".len()..)?;
    let value = after.trim_start().strip_prefix('=')?.trim_start();
    let quoted = value.strip_prefix('\'').or_else(|| value.strip_prefix('"'))?;
    quoted.split(['\'', '"']).next().map(str::to_owned)
}

/// A template with the tag in it: `$TAG`, `$TAG[1]`. What `open` makes of a path stands in the place
/// of that field.
pub(super) fn filled(template: &str, tag: &str, open: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('$') {
        text += before;
        let (name, path, after) = accessor(after);
        text += &match (name, path) {
            ("", _) => "$".to_owned(),
            ("TAG", "") => tag.to_owned(),
            ("TAG", index) => part(tag, index).to_owned(),
            (name, path) => open(&format!("{name}{path}")),
        };
        rest = after;
    }
    text + rest
}

/// A name, the brackets behind it, and what follows.
fn accessor(text: &str) -> (&str, &str, &str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, behind) = text.split_at_checked(end).unwrap_or((text, ""));
    let mut after = behind;
    while let Some((_, rest)) = after.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        after = rest;
    }
    let path = behind.get(..behind.len() - after.len()).unwrap_or_default();
    (name, if name.is_empty() { "" } else { path }, if name.is_empty() { behind } else { after })
}

/// The part of a tag between dots that `[1]` names.
pub(super) fn part<'a>(tag: &'a str, index: &str) -> &'a str {
    let index = index.trim_matches(['[', ']']).parse().ok();
    index.and_then(|index| tag.split('.').nth(index)).unwrap_or_default()
}

/// Tags, each once.
#[derive(Debug, Default)]
pub(super) struct Samples(pub(super) Vec<Sample>);

impl Samples {
    /// Adds a tag, or who gives it to the tag that is there already.
    pub(super) fn add(&mut self, sample: Sample) {
        if let Some(known) = self.0.iter_mut().find(|known| known.tag == sample.tag) {
            let new = sample.from.into_iter().filter(|name| !known.from.contains(name));
            let new: Vec<_> = new.collect();
            known.from.extend(new);
        } else if self.0.len() < SAMPLES_MAX {
            self.0.push(sample);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_the_agent_names_its_container() {
        let tag = |pattern| {
            let (tag, container) = tag_of_pattern(pattern);
            (shown(&tag), container)
        };
        let app = ("app-firelens-<task id>".to_owned(), Some("app".to_owned()));
        assert_eq!((tag("app-firelens*"), tag("app-firelens-*")), (app.clone(), app));
        assert_eq!(tag("*"), ("<container>-firelens-<task id>".to_owned(), None));
        assert_eq!(tag("a.*.b"), ("a.<any>.b".to_owned(), None));
        assert_eq!(tag("-firelens*").1, None);
    }

    #[test]
    fn a_rule_that_rewrites_tags_tells_the_new_one() {
        let cases = [
            ("$level ^E$ errors false", "errors"),
            ("$level ^E$ e.$TAG.x true", "e.a.b.x"),
            ("$level ^E$ $TAG[1].$level.$1 true", "b.0any0.0any0"),
            ("$level ^E$ $TAG[7]x true", "x"),
            ("$level \"^two words$\" new false", "new"),
        ];
        for (rule, expected) in cases {
            assert_eq!(rewritten(rule, "a.b").as_deref(), Some(expected), "{rule}");
        }
        assert_eq!(rewritten("$level ^E$", "a"), None);
    }

    #[test]
    fn a_template_shows_the_tag_and_names_the_fields_it_takes() {
        let filled = |template| filled(template, "a.b", |path| format!("<{path}>"));
        assert_eq!(filled("/$TAG[1]/$k['x'][0].log"), "/b/<k['x'][0]>.log");
        assert_eq!(filled("$$ $"), "$$ $");
    }

    #[test]
    fn a_stream_task_names_its_tag() {
        let query = "CREATE STREAM s WITH (Tag = 'new.tag') AS SELECT * FROM TAG:'app*';";
        assert_eq!(of_query(query).as_deref(), Some("new.tag"));
        assert_eq!(of_query("SELECT * FROM TAG:'app*';"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_rule_makes_it_panic(rule in "[$a-zTAG0-9\\[\\] =\"'.é]{0,24}") {
            let _ = (rewritten(&rule, "a.b"), of_query(&rule));
        }
    }
}

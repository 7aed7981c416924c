//! Around the path, config: the upstream files that outputs name → the sections of their nodes.
//!
//! Read before the options are, which know no files. Not known here: what a node says.

use std::collections::BTreeMap;
use std::path::Path;

use super::env::Environment;
use super::expand::{Expanded, expand};
use super::include::resolve;
use super::raw::{Entry, RawSection, SectionKind};
use super::source::{Role, Source};
use crate::option::{Fault, Section};

/// The nodes of each file, by what the option says.
#[derive(Clone, Debug, Default)]
pub(super) struct Upstreams(BTreeMap<String, Result<Vec<Section>, Fault>>);

/// Why a file names no nodes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refusal {
    #[error("expected a section [UPSTREAM], or upstream_servers in YAML")]
    Upstream,
    #[error("expected an option Name in [UPSTREAM]")]
    Name,
    #[error("expected at least one section [NODE], or one of nodes in YAML")]
    Nodes,
}

impl Upstreams {
    /// Reads the files of all outputs in `sections`.
    pub(super) fn read(
        sections: &[Expanded],
        main: &Path,
        variables: &BTreeMap<String, String>,
        environment: &Environment,
        source: &mut Source<'_>,
    ) -> Self {
        let mut upstreams = BTreeMap::new();
        for section in sections.iter().filter(|section| section.kind == SectionKind::Output) {
            let named = |name: &str| {
                let settings = section.settings.iter();
                let found = settings.filter(|setting| setting.key.eq_ignore_ascii_case(name));
                found.map(|setting| setting.value.clone()).collect::<Vec<_>>()
            };
            if !named("name").iter().any(|name| name.eq_ignore_ascii_case("forward")) {
                continue;
            }
            for path in named("upstream") {
                let nodes = || open(&path, main, variables, environment, source);
                upstreams.entry(path.clone()).or_insert_with(nodes);
            }
        }
        Self(upstreams)
    }

    /// The nodes of the file that an option names.
    pub(super) fn nodes(&self, path: &str) -> Result<Vec<Section>, Fault> {
        self.0.get(path).cloned().unwrap_or_else(|| Err(Fault::invalid(Refusal::Upstream)))
    }
}

fn open(
    text: &str,
    main: &Path,
    variables: &BTreeMap<String, String>,
    environment: &Environment,
    source: &mut Source<'_>,
) -> Result<Vec<Section>, Fault> {
    let path = resolve(text, main, source.files)?.into_iter().next().unwrap_or_default();
    // The main file may hold them, and two options may name one file in two ways.
    source.forget_files();
    let bytes = source.open(&path)?;
    super::read_file(&path, bytes, Role::Definitions, source);
    let raw = source.take();
    let mut known = variables.clone();
    known.extend(raw.variables);
    let (upstream, nodes) = upstream(raw.sections).ok_or(Fault::invalid(Refusal::Upstream))?;
    if !upstream.entries.iter().any(is_name) {
        return Err(Fault::invalid(Refusal::Name));
    }
    let nodes = expand(nodes, &known, environment, source.report);
    if nodes.is_empty() {
        return Err(Fault::invalid(Refusal::Nodes));
    }
    Ok(nodes.into_iter().map(section).collect())
}

/// The first `[UPSTREAM]` and all `[NODE]` of a classic file; of YAML, where each upstream has nodes
/// of its own, the last.
fn upstream(sections: Vec<RawSection>) -> Option<(RawSection, Vec<RawSection>)> {
    let is = |section: &RawSection, name| section.name.eq_ignore_ascii_case(name);
    let (mut first, mut last, mut nodes) = (None, None, Vec::new());
    for mut section in sections {
        if is(&section, "node") {
            nodes.push(section);
        } else if is(&section, "upstream") {
            first.get_or_insert(section);
        } else if is(&section, "upstream_servers") {
            last = section.groups.pop().or(last);
        }
    }
    match (first, last) {
        (Some(upstream), _) => Some((upstream, nodes)),
        (None, Some(mut upstream)) => {
            let nodes = std::mem::take(&mut upstream.groups);
            Some((upstream, nodes))
        }
        (None, None) => None,
    }
}

fn is_name(entry: &Entry) -> bool {
    entry.key.eq_ignore_ascii_case("name")
}

fn section(node: Expanded) -> Section {
    let Expanded { place, settings, .. } = node;
    let name = settings.iter().find(|setting| setting.key.eq_ignore_ascii_case("name"));
    let title = match name {
        Some(name) => format!("[NODE] {}", name.value),
        None => "[NODE]".to_owned(),
    };
    Section { title, place, settings }
}

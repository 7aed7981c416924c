//! Around the path, config: the scripts that filters name → their texts.
//!
//! Read before the options are, which know no files. Not known here: what is in them.

use std::collections::BTreeMap;
use std::path::Path;

use super::env::Environment;
use super::expand::Expanded;
use super::include::resolve;
use super::raw::SectionKind;
use super::source::Source;
use crate::filter::lua::config::{Config, Surroundings};
use crate::filter::lua::program::Script;
use crate::option::{Fault, Options};

/// The texts, and what scripts see of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Scripts {
    /// By what the option says.
    by_path: BTreeMap<String, Result<Script, Fault>>,
    /// Variables of `@SET` and `env`, and the host's name: a script's `FLB_ENV`.
    variables: Vec<(String, String)>,
}

impl Scripts {
    /// Reads the scripts of all filters in `sections`, those of processors included.
    pub(super) fn read(
        sections: &[Expanded],
        main: &Path,
        variables: &BTreeMap<String, String>,
        environment: &Environment,
        source: &mut Source<'_>,
    ) -> Self {
        let mut scripts = Self::default();
        let set = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let host = environment.get("HOSTNAME").map(|value| ("HOSTNAME", value));
        let seen = host.into_iter().chain(set).filter(|(_, value)| !value.is_empty());
        scripts.variables = seen.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        scripts.add(sections, main, source);
        scripts
    }

    /// The filter `lua` of these options.
    pub(super) fn filter(&self, options: &mut Options) -> Option<Config> {
        let read = |path: &str| {
            let none = || Err(Fault::Missing("script"));
            self.by_path.get(path).cloned().unwrap_or_else(none)
        };
        Config::from_options(options, &Surroundings { read: &read, variables: &self.variables })
    }

    fn add(&mut self, sections: &[Expanded], main: &Path, source: &mut Source<'_>) {
        for section in sections {
            self.add(&section.groups, main, source);
            if !matches!(section.kind, SectionKind::Filter | SectionKind::Processor) {
                continue;
            }
            let named = |name: &str| {
                let settings = section.settings.iter();
                let found = settings.filter(|setting| setting.key.eq_ignore_ascii_case(name));
                found.map(|setting| setting.value.clone()).collect::<Vec<_>>()
            };
            if named("name").iter().any(|name| name.eq_ignore_ascii_case("lua")) {
                for path in named("script") {
                    let script = || open(&path, main, source);
                    self.by_path.entry(path.clone()).or_insert_with(script);
                }
            }
        }
    }
}

fn open(text: &str, main: &Path, source: &mut Source<'_>) -> Result<Script, Fault> {
    let path = resolve(text, main, source.files)?.into_iter().next().unwrap_or_default();
    // Two options may name one file in two ways.
    source.forget_files();
    let text = source.open(&path)?;
    Ok(Script { name: path.display().to_string(), text })
}

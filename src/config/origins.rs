//! Around the path, config: where the values of a configuration come from.
//!
//! Kept beside the model for people who ask (`firelane check`); whoever routes records does not
//! look at it. Not known here: which values may be shown.

use std::collections::BTreeSet;

use super::env::Environment;
use crate::option::{Held, Options, Place};

/// Where the values of a configuration come from.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    /// What holds in each section that is in use, in the order of the files; `[SERVICE]` first.
    pub sections: Vec<SectionOrigins>,
    /// Variables that the files themselves set with `@SET` or `env`.
    pub set_variables: BTreeSet<String>,
    /// Variables whose values were read from files of their own, which are secrets as a rule.
    pub file_variables: Vec<(String, String)>,
}

/// What holds in a section.
#[derive(Clone, Debug)]
pub struct SectionOrigins {
    /// What it configures.
    pub part: Part,
    /// Its place in the list of the model: the first input is 0, and so is each owner's first
    /// processor.
    pub index: usize,
    /// The plugin; empty for the service.
    pub plugin: String,
    /// The instance's name; empty for the service.
    pub name: String,
    /// Where it starts.
    pub place: Place,
    /// What holds for each option.
    pub held: Vec<Held>,
}

/// What a section configures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part {
    /// The process.
    Service,
    /// An input.
    Input,
    /// A filter.
    Filter,
    /// An output.
    Output,
    /// A filter of an input or an output alone, whose name its own begins with.
    Processor,
}

impl Part {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Input => "input",
            Self::Filter => "filter",
            Self::Output => "output",
            Self::Processor => "processor",
        }
    }
}

/// A value that a variable gives beside the files: the option, the variable, the value.
#[derive(Clone, Debug)]
pub(super) struct Given {
    pub(super) option: &'static str,
    pub(super) variable: &'static str,
    pub(super) value: String,
    /// Whether it also comes before what the file says.
    pub(super) overrides: bool,
}

/// The first of `variables` that is set, as a value of `option`.
pub(super) fn given(
    option: &'static str,
    variables: &[&'static str],
    overrides: bool,
    environment: &Environment,
) -> Option<Given> {
    variables.iter().find_map(|variable| {
        let value = environment.get(variable)?.to_owned();
        Some(Given { option, variable, value, overrides })
    })
}

impl Origins {
    /// The section of an input, a filter or an output by its place in the model.
    #[must_use]
    pub fn section(&self, part: Part, index: usize) -> Option<&SectionOrigins> {
        self.sections.iter().find(|section| section.part == part && section.index == index)
    }
}

impl SectionOrigins {
    /// What holds in a section by its options and by variables beside them.
    pub(super) fn new<'a>(
        (part, index): (Part, usize),
        name: &str,
        options: &Options,
        given: impl IntoIterator<Item = &'a Given>,
    ) -> Self {
        let plugin = options.title().rsplit_once("] ").map_or("", |(_, plugin)| plugin);
        let mut held = options.held();
        for given in given {
            let row = options.rows().find(|row| row.name == given.option);
            let is_set = options.is_set(given.option);
            if let Some(row) = row.filter(|_| given.overrides || !is_set) {
                held.retain(|held| held.row != row);
                let place = Place::file(&format!("environment variable {}", given.variable));
                let (value, written) = (given.value.clone(), given.value.clone());
                held.push(Held { row, value, written, place: Some(place) });
            }
        }
        let (plugin, name) = (plugin.to_owned(), name.to_owned());
        Self { part, index, plugin, name, place: options.place().clone(), held }
    }

    /// What holds for an option, the last where it is given several times.
    #[must_use]
    pub fn get(&self, option: &str) -> Option<&Held> {
        self.held.iter().rev().find(|held| held.row.name == option)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::super::{Config, embedded, load};
    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::new(pairs, None)
    }

    fn read(text: &str, pairs: &[(&str, &str)]) -> Config {
        let files = BTreeMap::from([(PathBuf::from("f.conf"), text.as_bytes().to_vec())]);
        load(Path::new("f.conf"), &files, &environment(pairs)).unwrap()
    }

    fn said(config: &Config, part: Part, index: usize, option: &str) -> String {
        let held = config.origins.section(part, index).unwrap().get(option).unwrap();
        let place = held.place.as_ref().map_or_else(|| "default".to_owned(), Place::to_string);
        format!("{} {place}", held.value)
    }

    const TEXT: &str = "\
@SET group=/ecs/app
[SERVICE]
  Grace 30
[INPUT]
  Name forward
  Alias main
[FILTER]
  Name grep
  Match *
  Active off
  Regex log x
[FILTER]
  Name grep
  Match *
  Regex log y
[OUTPUT]
  Name cloudwatch_logs
  Match *
  log_group_name ${group}
  log_stream_prefix ${PREFIX}
";

    #[test]
    fn every_value_knows_where_it_was_said() {
        let variables = [("AWS_DEFAULT_REGION", "eu-west-1"), ("PREFIX", "p-")];
        let config = read(TEXT, &variables);
        assert_eq!(said(&config, Part::Service, 0, "grace"), "30 f.conf:3");
        assert_eq!(said(&config, Part::Service, 0, "flush"), "1 default");
        assert_eq!(said(&config, Part::Input, 0, "port"), "24224 default");
        assert_eq!(said(&config, Part::Output, 0, "log_group_name"), "/ecs/app f.conf:19");
        let region = "eu-west-1 environment variable AWS_DEFAULT_REGION";
        assert_eq!(said(&config, Part::Output, 0, "region"), region);
        let prefix = config.origins.section(Part::Output, 0).unwrap().get("log_stream_prefix");
        assert_eq!(prefix.unwrap().written, "${PREFIX}");
        assert!(config.origins.set_variables.contains("group"));
    }

    #[test]
    fn a_section_that_is_not_in_use_is_left_out_and_does_not_count() {
        let config = read(TEXT, &[("PREFIX", "p-")]);
        assert_eq!(said(&config, Part::Filter, 0, "regex"), "log y f.conf:15");
        let input = config.origins.section(Part::Input, 0).unwrap();
        assert_eq!((input.plugin.as_str(), input.name.as_str()), ("forward", "main"));
        assert_eq!(input.place.to_string(), "f.conf:4");
    }

    #[test]
    fn a_level_of_the_environment_comes_before_that_of_the_file_if_it_is_one() {
        let text = format!("[SERVICE]\nLog_Level error\n{TEXT}");
        let level = |level| {
            let config = read(&text, &[("FLB_LOG_LEVEL", level), ("PREFIX", "p")]);
            said(&config, Part::Service, 0, "log_level")
        };
        assert_eq!(level("debug"), "debug environment variable FLB_LOG_LEVEL");
        assert_eq!(level("loud"), "error f.conf:2");
    }

    #[test]
    fn without_a_file_values_are_built_in_or_of_a_variable() {
        let config = embedded(&environment(&[("FIRELANE_PORT", "24225")])).unwrap();
        assert_eq!(
            said(&config, Part::Input, 1, "port"),
            "24225 environment variable FIRELANE_PORT"
        );
        assert_eq!(said(&config, Part::Input, 1, "listen"), "0.0.0.0 built in");
        assert_eq!(said(&config, Part::Input, 1, "buffer_max_size"), "6144000 default");
    }
}

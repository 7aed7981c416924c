//! Step 3, filter: the options of `ecs`.
//!
//! Reference: Fluent Bit's manual, "ECS Metadata"; `plugins/filter_ecs/ecs.c`. Not known here:
//! records.

use std::time::Duration;

use crate::ecs::introspection::{Agent, AgentError};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::record::template::{Template, TemplateError};

use super::variables;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("add", Kind::Text, "KEY TEMPLATE: a field to add, with variables such as $TaskID")
        .many(),
    Row::new("ecs_tag_prefix", Kind::Text, "What stands in the tag before the container's id"),
    Row::new("cluster_metadata_only", Kind::Bool, "Whether to ask for no container's task")
        .or("false"),
    Row::new("ecs_meta_cache_ttl", Kind::Seconds, "Time for which a container's task is kept")
        .or("3600"),
    Row::new("ecs_meta_host", Kind::Text, "Host on which the ECS agent answers").or("127.0.0.1"),
    Row::new(
        "ecs_meta_port",
        Kind::Integer { min: 1, max: 65_535 },
        "Port on which the ECS agent answers",
    )
    .or("51678"),
    Row::new(
        "agent_endpoint_retries",
        Kind::Integer { min: 0, max: 1_000_000 },
        "How often the agent is asked for a container whose task it does not know",
    )
    .or("2"),
];

/// Least time for which a container is kept, where less is set: asked for anew with every chunk,
/// each of its records would wait.
const TTL_MIN: Duration = Duration::from_secs(1);

/// An `ecs` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// Fields to add, in the order of the file.
    pub adds: Vec<(String, Template)>,
    /// What stands before the container's id in a tag.
    pub tag_prefix: String,
    /// No container is asked for.
    pub cluster_only: bool,
    /// How long a container's task, or that it has none, is kept.
    pub ttl: Duration,
    /// Who is asked.
    pub agent: Agent,
    /// How often for one container, at least once.
    pub attempts_max: u32,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// More than a key and a template.
    #[error("expected KEY TEMPLATE, without blanks in either")]
    NotTwoWords,
    /// A template that is none.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A host that is none.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// What to know about options that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// A filter without fields.
    #[error("has no option add and adds nothing")]
    NothingToAdd,
    /// A key without a template.
    #[error("has no template and adds the key's own name as its value")]
    NoTemplate,
    /// A variable that nobody fills.
    #[error("${name} is none of ${} and stands for nothing", variables::NAMES.join(", $"))]
    UnknownVariable {
        /// Its name.
        name: String,
    },
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let adds = adds(options);
        let host = options.text("ecs_meta_host").unwrap_or_default();
        let agent = Agent::new(&host, options.integer("ecs_meta_port").unwrap_or(51_678));
        if let Err(error) = agent {
            options.refuse("ecs_meta_host", Fault::invalid(Refusal::Agent(error)));
        }
        let config = Self {
            tag_prefix: options.text("ecs_tag_prefix").unwrap_or_default(),
            cluster_only: options.bool("cluster_metadata_only") || adds.is_empty(),
            ttl: options.seconds("ecs_meta_cache_ttl").unwrap_or_default().max(TTL_MIN),
            agent: agent.ok()?,
            attempts_max: options.integer("agent_endpoint_retries").unwrap_or(2).max(1),
            adds,
        };
        (!options.is_refused()).then_some(config)
    }
}

fn adds(options: &mut Options) -> Vec<(String, Template)> {
    let settings = options.all("add");
    if settings.is_empty() {
        options.remark("add", Remark::plugin(Advice::NothingToAdd));
    }
    let mut adds = Vec::with_capacity(settings.len());
    for setting in settings {
        let words: Vec<&str> = setting.value.split_ascii_whitespace().collect();
        let (key, template) = match words.as_slice() {
            [key, template] => (*key, *template),
            [key] => {
                options.remark_setting(&setting, Remark::plugin(Advice::NoTemplate));
                (*key, *key)
            }
            _ => {
                options.refuse_setting(&setting, Fault::invalid(Refusal::NotTwoWords));
                continue;
            }
        };
        match Template::parse(template) {
            Ok(template) => {
                for name in template.keys().filter(|name| !variables::NAMES.contains(name)) {
                    let advice = Advice::UnknownVariable { name: name.to_owned() };
                    options.remark_setting(&setting, Remark::plugin(advice));
                }
                adds.push((key.to_owned(), template));
            }
            Err(error) => {
                options.refuse_setting(&setting, Fault::invalid(Refusal::Template(error)));
            }
        }
    }
    adds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| problem.fault.to_string());
        (config, problems.chain(report.notes.iter().map(|note| note.remark.to_string())).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn what_is_not_set_is_as_in_fluent_bit() {
        let (config, said) = read(&[("add", "a b")]);
        let config = config.unwrap();
        assert_eq!(said, "");
        assert_eq!(config.agent.as_str(), "http://127.0.0.1:51678");
        assert_eq!((config.ttl, config.attempts_max), (Duration::from_secs(3_600), 2));
        assert!(!config.cluster_only && config.tag_prefix.is_empty());
    }

    #[test]
    fn a_filter_without_fields_is_told_of_and_asks_for_no_container() {
        let (config, said) = read(&[]);
        assert!(config.unwrap().cluster_only);
        assert_eq!(said, "has no option add and adds nothing");
    }

    #[test]
    fn a_field_is_a_key_and_a_template() {
        let (config, said) = read(&[("Add", "resource  $ClusterName.$TaskID"), ("ADD", "a b")]);
        let adds: Vec<_> = config.unwrap().adds;
        let shown: Vec<_> =
            adds.iter().map(|(key, template)| format!("{key}={}", template.as_str())).collect();
        assert_eq!((shown.join(" ").as_str(), said.as_str()), {
            ("resource=$ClusterName.$TaskID a=b", "")
        });
    }

    #[test]
    fn a_key_alone_and_a_variable_that_nobody_fills_are_told_of() {
        let (config, said) = read(&[("add", "alone"), ("add", "a $Cluster")]);
        assert_eq!(config.unwrap().adds.len(), 2);
        assert!(said.starts_with("has no template"), "{said}");
        assert!(said.contains("$Cluster is none of $ClusterName, "), "{said}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert_eq!(read(&[("add", "a b c")]).1, "expected KEY TEMPLATE, without blanks in either");
        assert!(read(&[("add", "a $b['c")]).0.is_none());
        assert!(read(&[("add", "a b"), ("ecs_meta_host", "http://h")]).1.starts_with("expected"));
        assert!(read(&[("ecs_meta_port", "0")]).0.is_none());
    }

    #[test]
    fn a_container_is_asked_for_once_at_least_and_kept_for_a_second() {
        let (config, _) = read(&[("agent_endpoint_retries", "0"), ("ecs_meta_cache_ttl", "0")]);
        let config = config.unwrap();
        assert_eq!((config.attempts_max, config.ttl), (1, TTL_MIN));
    }
}

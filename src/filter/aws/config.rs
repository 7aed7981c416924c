//! Step 3, filter: the options of `aws`.
//!
//! Reference: Fluent Bit's manual, "AWS Metadata"; `plugins/filter_aws/aws.c`. Not known here:
//! records.

use std::time::Duration;

use crate::ec2::{Item, Tags, Version, Wanted};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new(
        "imds_version",
        Kind::Choice(&["v1", "v2"]),
        "Version of the instance metadata service's protocol",
    )
    .or("v2"),
    Row::new("az", Kind::Bool, "Whether to add the availability zone").or("true"),
    Row::new("ec2_instance_id", Kind::Bool, "Whether to add the instance's id").or("true"),
    Row::new("ec2_instance_type", Kind::Bool, "Whether to add the instance's type").or("false"),
    Row::new("private_ip", Kind::Bool, "Whether to add the instance's private address").or("false"),
    Row::new("vpc_id", Kind::Bool, "Whether to add the id of the instance's VPC").or("false"),
    Row::new("ami_id", Kind::Bool, "Whether to add the id of the instance's image").or("false"),
    Row::new("account_id", Kind::Bool, "Whether to add the account's id").or("false"),
    Row::new("hostname", Kind::Bool, "Whether to add the instance's host name").or("false"),
    Row::new("tags_enabled", Kind::Bool, "Whether to add the instance's tags").or("false"),
    Row::new("tags_include", Kind::Text, "Keys of the tags to add, with commas between them"),
    Row::new("tags_exclude", Kind::Text, "Keys of the tags not to add, with commas between them"),
    Row::new(
        "retry_interval_s",
        Kind::Integer { min: 0, max: 31_536_000 },
        "Seconds until what is not known is asked for again",
    )
    .or("300"),
    Row::new("enable_entity", Kind::Bool, "Whether to add what CloudWatch calls an entity")
        .or("false")
        .without_effect(),
];

/// Names of the options that ask for an item: also the keys that the filter adds, in this order.
pub const KEYS: [(&str, Item); 8] = [
    ("az", Item::AvailabilityZone),
    ("ec2_instance_id", Item::InstanceId),
    ("ec2_instance_type", Item::InstanceType),
    ("private_ip", Item::PrivateIp),
    ("vpc_id", Item::VpcId),
    ("ami_id", Item::AmiId),
    ("account_id", Item::AccountId),
    ("hostname", Item::Hostname),
];

/// An `aws` filter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How the service is asked.
    pub version: Version,
    /// What is added.
    pub wanted: Wanted,
    /// When what is not known is asked for again.
    pub retry_after: Duration,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// A choice of tags where there are none.
    #[error("has no effect without tags_enabled true")]
    NoTags,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let version = match options.text("imds_version").as_deref() {
            Some("v1") => Version::V1,
            Some(_) | None => Version::V2,
        };
        let items = KEYS.iter().filter(|(key, _)| options.bool(key)).map(|(_, item)| *item);
        let items = items.collect();
        let tags = tags(options);
        let retry_after = Duration::from_secs(options.integer("retry_interval_s").unwrap_or(300));
        let config = Self { version, wanted: Wanted { items, tags }, retry_after };
        (!options.is_refused()).then_some(config)
    }
}

fn tags(options: &mut Options) -> Tags {
    let keys = |text: String| {
        text.split(',').map(str::trim).filter(|key| !key.is_empty()).map(str::to_owned).collect()
    };
    let [only, all_but] = ["tags_include", "tags_exclude"].map(|name| options.text(name).map(keys));
    if only.is_some() && all_but.is_some() {
        options.refuse("tags_exclude", Fault::Exclusive("tags_include", "tags_exclude"));
    }
    let tags = match (only, all_but) {
        (Some(keys), _) => Tags::Only(keys),
        (None, Some(keys)) => Tags::AllBut(keys),
        (None, None) => Tags::All,
    };
    if options.bool("tags_enabled") {
        return tags;
    }
    for name in ["tags_include", "tags_exclude"] {
        if options.is_set(name) {
            options.remark(name, Remark::plugin(Advice::NoTags));
        }
    }
    Tags::None
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
    fn without_options_zone_and_instance_are_asked_for_over_version_2() {
        let items = vec![Item::AvailabilityZone, Item::InstanceId];
        let expected = Config {
            version: Version::V2,
            wanted: Wanted { items, tags: Tags::None },
            retry_after: Duration::from_secs(300),
        };
        assert_eq!(read(&[]), (Some(expected), String::new()));
    }

    #[test]
    fn items_are_added_in_one_order_whatever_that_of_the_file() {
        let all = KEYS.map(|(key, _)| (key, "on"));
        let reversed: Vec<_> = all.iter().rev().copied().collect();
        let config = read(&[&reversed[..], &[("imds_version", "V1")]].concat()).0.unwrap();
        assert_eq!(config.wanted.items, KEYS.map(|(_, item)| item));
        assert_eq!(config.version, Version::V1);
        let none = read(&[("az", "off"), ("ec2_instance_id", "off")]).0.unwrap();
        assert_eq!(none.wanted.items, []);
    }

    #[test]
    fn tags_are_all_of_them_or_those_that_are_named() {
        let tags = |lines: &[(&str, &str)]| {
            read(&[lines, &[("tags_enabled", "true")]].concat()).0.unwrap().wanted.tags
        };
        assert_eq!(tags(&[]), Tags::All);
        let keys = ["Name".to_owned(), "a:b".to_owned()];
        assert_eq!(tags(&[("tags_include", "Name, a:b,")]), Tags::Only(keys.to_vec()));
        assert_eq!(tags(&[("tags_exclude", "Name,a:b")]), Tags::AllBut(keys.to_vec()));
    }

    #[test]
    fn a_choice_of_tags_without_tags_is_told_of() {
        let (config, said) = read(&[("tags_include", "Name")]);
        assert_eq!(config.unwrap().wanted.tags, Tags::None);
        assert_eq!(said, "has no effect without tags_enabled true");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let (config, said) = read(&[("tags_include", "a"), ("tags_exclude", "b")]);
        assert_eq!(config, None);
        assert!(said.starts_with("tags_include and tags_exclude exclude each other"), "{said}");
        assert_eq!(read(&[("imds_version", "v3")]).0, None);
        assert_eq!(read(&[("retry_interval_s", "-1")]).0, None);
    }
}

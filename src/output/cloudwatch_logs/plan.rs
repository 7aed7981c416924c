//! What an output of CloudWatch Logs does, by whichever name it is configured.
//!
//! Pure. Must not know how it is done.

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::{Config, Connection, LogGroupClass};
use super::message::Dialect;
use super::naming::{Names, Rule};
use super::sender::Encoding;

/// An output, as its configuration wants it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How groups and streams are named.
    pub names: Rule,
    /// What messages are made of.
    pub messages: Messages,
    /// What may be created, and how.
    pub creation: CreationRules,
    /// How the service is reached.
    pub connection: Connection,
    /// How requests are encoded where that makes them smaller.
    pub compress: Encoding,
    /// Whether a stream is told what became of its records.
    pub loss_markers: bool,
    /// After how long without success the process is stopped; `None`: it never is.
    pub send_failure_timeout: Option<Duration>,
}

/// What the messages of log events are made of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Messages {
    /// The key whose value alone is sent; `None`: all of the record.
    pub log_key: Option<String>,
    /// How they are written.
    pub dialect: Dialect,
}

/// What of the service may be created where it is missing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CreationRules {
    /// Whether log groups are.
    pub groups: bool,
    /// Whether log streams are.
    pub streams: bool,
    /// Retention of a group that is created, in days.
    pub retention_days: Option<i32>,
    /// Class of a group that is created.
    pub class: Option<LogGroupClass>,
    /// Tags of a group that is created.
    pub tags: BTreeMap<String, String>,
}

impl From<Config> for Plan {
    fn from(config: Config) -> Self {
        Self {
            names: Rule::OfFields(Names {
                group: config.log_group_name,
                stream: config.stream,
                group_template: config.log_group_template,
                stream_template: config.log_stream_template,
            }),
            messages: Messages { log_key: config.log_key, dialect: Dialect::FluentBit },
            creation: CreationRules {
                groups: config.auto_create_group,
                streams: true,
                retention_days: config.log_retention_days,
                class: config.log_group_class,
                tags: BTreeMap::new(),
            },
            connection: config.connection,
            compress: config.compress,
            loss_markers: config.loss_markers,
            send_failure_timeout: None,
        }
    }
}

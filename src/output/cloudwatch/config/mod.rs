//! Step 6, output: the options of `cloudwatch`.
//!
//! The plugin reads every option as text and says little: a boolean is `true` or `false`, in any
//! case, and anything else its default. Not known here: the service, tags, records.
//! Source: `fluent-bit-cloudwatch.go` of <https://github.com/aws/amazon-cloudwatch-logs-for-fluent-bit>.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::output::cloudwatch_logs::config::{Advice, Connection, Defaults, RETENTION_DAYS};
use crate::output::cloudwatch_logs::config::{
    COMPRESS, LOSS_MARKERS, REGION_DOC, Refusal, compress,
};
use crate::output::cloudwatch_logs::sender::Encoding;

use super::duration::{self, DurationError};
use super::template::{NameTemplate, TemplateError};

/// Most tags of a log group, and most characters of a tag's key and value.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>
const TAGS_MAX: usize = 50;
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("region", Kind::Text, REGION_DOC),
    Row::new("log_group_name", Kind::Text, "Log group to write to, may have $(...) in it"),
    Row::new("log_stream_name", Kind::Text, "Log stream to write to, may have $(...) in it"),
    Row::new("log_stream_prefix", Kind::Text, "Start of the log stream's name, the tag follows"),
    Row::new(
        "default_log_group_name",
        Kind::Text,
        "Log group where a $(...) of log_group_name has no value",
    )
    .or("fluentbit-default"),
    Row::new(
        "default_log_stream_name",
        Kind::Text,
        "Log stream where a $(...) of log_stream_name has no value",
    )
    .or("/fluentbit-default"),
    Row::new("log_key", Kind::Text, "Key whose value alone is sent"),
    Row::new("log_format", Kind::Text, "Value of the header x-amzn-logs-format, such as json/emf"),
    Row::new("role_arn", Kind::Text, "Role to assume"),
    Row::new("external_id", Kind::Text, "External ID for the role"),
    Row::new(
        "auto_create_group",
        Kind::Text,
        "Whether to create a log group that does not exist, true or false",
    )
    .or("false"),
    Row::new(
        "auto_create_stream",
        Kind::Text,
        "Whether to create a log stream that does not exist, true or false",
    )
    .or("true"),
    Row::new("new_log_group_tags", Kind::Text, "Tags of a group it creates, key=value,key=value"),
    Row::new("log_retention_days", Kind::Text, "Days to keep events in a group it creates").or("0"),
    Row::new("endpoint", Kind::Text, "URL, or host, in place of the region's own"),
    Row::new("sts_endpoint", Kind::Text, "Endpoint that gives the role's credentials"),
    Row::new("credentials_endpoint", Kind::Text, "Address to get the credentials from"),
    Row::new("extra_user_agent", Kind::Text, "Text to add to the User-Agent"),
    LOSS_MARKERS,
    COMPRESS,
];

/// A `cloudwatch` output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How the service is reached.
    pub connection: Connection,
    /// The names of groups and streams.
    pub names: Names,
    /// Key whose value alone is sent.
    pub log_key: Option<String>,
    /// Whether to create a log group that does not exist.
    pub auto_create_group: bool,
    /// Whether to create a log stream that does not exist.
    pub auto_create_stream: bool,
    /// Tags of a group it creates.
    pub new_log_group_tags: BTreeMap<String, String>,
    /// Retention of a group it creates: one of [`RETENTION_DAYS`].
    pub log_retention_days: Option<i32>,
    /// After how long without success the process is stopped.
    pub send_failure_timeout: Option<Duration>,
    /// Whether a stream is told what became of its records.
    pub loss_markers: bool,
    /// How requests are encoded where that makes them smaller.
    pub compress: Encoding,
}

/// How groups and streams are named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Names {
    /// The log group.
    pub group: NameTemplate,
    /// The log group where that has no value.
    pub default_group: String,
    /// The log stream.
    pub stream: StreamName,
    /// The log stream where that has no value.
    pub default_stream: String,
}

/// A log stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamName {
    /// A name with `$(...)` in it.
    Template(NameTemplate),
    /// This text and the tag.
    Prefix(String),
}

/// Why the options cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(
        "expected at most {TAGS_MAX} tags, with keys of up to {TAG_KEY_CHARS_MAX} characters and \
         values of up to {TAG_VALUE_CHARS_MAX}"
    )]
    Tags,
    #[error("environment variable SEND_FAILURE_TIMEOUT: {0}")]
    Timeout(#[from] DurationError),
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
enum Odd {
    #[error("is neither true nor false, {0} holds")]
    Bool(bool),
    #[error("is no whole number, events are kept for ever")]
    Retention,
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options, defaults: &Defaults) -> Option<Self> {
        let connection = Connection::from_options(options, defaults);
        let auto_create_group = boolean(options, "auto_create_group");
        let group = template(options, "log_group_name");
        if group.is_none() && !options.is_set("log_group_name") {
            options.refuse("log_group_name", Fault::Missing("log_group_name"));
        }
        let stream = stream_name(options);
        let config = Self {
            connection: Connection {
                credentials_endpoint: options.text("credentials_endpoint"),
                ..connection
            },
            names: Names {
                group: group?,
                default_group: options.text("default_log_group_name").unwrap_or_default(),
                stream: stream?,
                default_stream: options.text("default_log_stream_name").unwrap_or_default(),
            },
            log_key: options.text("log_key"),
            auto_create_group,
            auto_create_stream: boolean(options, "auto_create_stream"),
            new_log_group_tags: tags(options, auto_create_group),
            log_retention_days: retention(options, auto_create_group),
            send_failure_timeout: send_failure_timeout(options, defaults),
            loss_markers: options.bool(LOSS_MARKERS.name),
            compress: compress(options),
        };
        (!options.is_refused()).then_some(config)
    }
}

/// Only `true` and `false` count.
fn boolean(options: &mut Options, name: &'static str) -> bool {
    let text = options.text(name).unwrap_or_default();
    if let Ok(value) = text.to_ascii_lowercase().parse() {
        return value;
    }
    let default = OPTIONS.iter().any(|row| row.name == name && row.default == Some("true"));
    options.remark(name, Remark::plugin(Odd::Bool(default)));
    default
}

fn template(options: &mut Options, name: &'static str) -> Option<NameTemplate> {
    match NameTemplate::parse(&options.text(name)?) {
        Ok(template) => Some(template),
        Err(error) => {
            options.refuse(name, Fault::invalid(Unusable::Template(error)));
            None
        }
    }
}

fn stream_name(options: &mut Options) -> Option<StreamName> {
    match (options.is_set("log_stream_name"), options.text("log_stream_prefix")) {
        (true, None) => template(options, "log_stream_name").map(StreamName::Template),
        (false, Some(prefix)) => Some(StreamName::Prefix(prefix)),
        (true, Some(_)) => {
            let fault = Fault::Exclusive("log_stream_name", "log_stream_prefix");
            options.refuse("log_stream_prefix", fault);
            None
        }
        (false, None) => {
            let missing = Fault::Missing("log_stream_name or log_stream_prefix");
            options.refuse("log_stream_name", missing);
            None
        }
    }
}

/// `key=value,key2=value2`. Space around is left out, and so is what has no key; of equal keys the
/// last counts.
fn tags(options: &mut Options, auto_create_group: bool) -> BTreeMap<String, String> {
    let text = options.text("new_log_group_tags").unwrap_or_default();
    let pairs = text.split(',').map(|tag| tag.split_once('=').unwrap_or((tag, "")));
    let pairs = pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()));
    let tags: BTreeMap<_, _> = pairs.filter(|(key, _)| !key.is_empty()).collect();
    let is_long = |text: &str, most| text.chars().count() > most;
    let are_bad = tags.len() > TAGS_MAX
        || tags.iter().any(|(key, value)| {
            is_long(key, TAG_KEY_CHARS_MAX) || is_long(value, TAG_VALUE_CHARS_MAX)
        });
    if !auto_create_group && !tags.is_empty() {
        options.remark("new_log_group_tags", Remark::plugin(Advice::OnlyWithCreate));
    } else if are_bad {
        options.refuse("new_log_group_tags", Fault::invalid(Unusable::Tags));
    }
    tags
}

fn retention(options: &mut Options, auto_create_group: bool) -> Option<i32> {
    let Ok(days) = options.text("log_retention_days").unwrap_or_default().parse::<i32>() else {
        options.remark("log_retention_days", Remark::plugin(Odd::Retention));
        return None;
    };
    if days < 1 {
        return None;
    }
    if !auto_create_group {
        options.remark("log_retention_days", Remark::plugin(Advice::OnlyWithCreate));
    } else if !RETENTION_DAYS.contains(&days) {
        options.refuse("log_retention_days", Fault::invalid(Refusal::Retention));
    }
    Some(days)
}

fn send_failure_timeout(options: &mut Options, defaults: &Defaults) -> Option<Duration> {
    match duration::parse(defaults.send_failure_timeout.as_deref()?) {
        Ok(timeout) => Some(timeout),
        Err(error) => {
            options.refuse("", Fault::invalid(Unusable::Timeout(error)));
            None
        }
    }
}

#[cfg(test)]
mod tests;

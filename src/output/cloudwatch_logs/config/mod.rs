//! Step 6, output: the options of `cloudwatch_logs`.
//!
//! Reference: Fluent Bit's manual, "Amazon CloudWatch" output, and the API references of
//! `CreateLogGroup` and `PutRetentionPolicy`. Not known here: the service, tags, records.

mod endpoint;

use std::path::PathBuf;

use self::endpoint::DEFAULT_PORT;
pub use self::endpoint::{Endpoint, EndpointError, Scheme};
use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Remark, Row, Table};

/// Longest name of a log group or a log stream, in characters.
pub const NAME_CHARS_MAX: usize = 512;
/// Days that `PutRetentionPolicy` takes.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
pub const RETENTION_DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557,
    2_922, 3_288, 3_653,
];

/// The port to connect to. Of a repeated one the last counts.
pub const ADDRESS: Table = &[Row::new("port", PORT, "Port of the endpoint").or("443")];

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("region", Kind::Text, "AWS region; from the environment or the task if not set"),
    Row::new("log_group_name", Kind::Text, "Log group to write to"),
    Row::new("log_stream_name", Kind::Text, "Log stream to write to"),
    Row::new("log_stream_prefix", Kind::Text, "Start of the log stream's name, the tag follows"),
    Row::new("log_group_template", Kind::Text, "Log group from fields of the record"),
    Row::new("log_stream_template", Kind::Text, "Log stream from fields of the record"),
    Row::new("log_key", Kind::Text, "Key whose value alone is sent"),
    Row::new("log_format", Kind::Text, "Value of the header x-amzn-logs-format, such as json/emf"),
    Row::new("auto_create_group", Kind::Bool, "Whether to create a log group that does not exist")
        .or("false"),
    Row::new(
        "log_retention_days",
        Kind::Integer { min: 0, max: 3_653 },
        "Days to keep events in a group it creates",
    )
    .or("0"),
    Row::new(
        "log_group_class",
        Kind::Text,
        "Class of a group it creates, STANDARD or INFREQUENT_ACCESS",
    ),
    Row::new("endpoint", Kind::Text, "Host, or URL, in place of the region's own"),
    Row::new("role_arn", Kind::Text, "Role to assume"),
    Row::new("external_id", Kind::Text, "External ID for the role"),
    Row::new("sts_endpoint", Kind::Text, "Endpoint that gives the role's credentials"),
    Row::new("profile", Kind::Text, "Profile of the credentials file"),
    Row::new("extra_user_agent", Kind::Text, "Text to add to the User-Agent"),
    Row::new(
        "auto_retry_requests",
        Kind::Bool,
        "Whether to send again at once where a connection breaks",
    )
    .or("true")
    .without_effect(),
    Row::new("metric_namespace", Kind::Text, "Namespace of metrics sent as EMF")
        .or("fluent-bit-metrics"),
    Row::new("metric_dimensions", Kind::Text, "Dimensions of metrics sent as EMF"),
    Row::new("add_entity", Kind::Bool, "Whether to add the Kubernetes entity").or("false"),
];

/// A `cloudwatch_logs` output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Region; `None` leaves it to the metadata of the task.
    pub region: Option<String>,
    /// Where events go, and where those go for which a template gives nothing.
    pub log_group_name: LogGroupName,
    /// The same for the stream.
    pub stream: StreamName,
    /// Log group from fields of the record.
    pub log_group_template: Option<String>,
    /// Log stream from fields of the record.
    pub log_stream_template: Option<String>,
    /// Key whose value alone is sent.
    pub log_key: Option<String>,
    /// Value of the header `x-amzn-logs-format`.
    pub log_format: Option<String>,
    /// Whether to create a log group that does not exist.
    pub auto_create_group: bool,
    /// Retention of a group it creates: one of [`RETENTION_DAYS`].
    pub log_retention_days: Option<i32>,
    /// Class of a group it creates.
    pub log_group_class: Option<LogGroupClass>,
    /// In place of the region's own endpoint.
    pub endpoint: Option<Endpoint>,
    /// Whether the server must prove who it is.
    pub tls_verify: bool,
    /// PEM file of the authorities to trust.
    pub tls_ca_file: Option<PathBuf>,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External ID for the role.
    pub external_id: Option<String>,
    /// Endpoint that gives the role's credentials.
    pub sts_endpoint: Option<String>,
    /// Profile of the credentials file.
    pub profile: Option<String>,
    /// Text to add to the User-Agent.
    pub extra_user_agent: Option<String>,
    /// Namespace of metrics sent as EMF.
    pub metric_namespace: Option<String>,
    /// Dimensions of metrics sent as EMF.
    pub metric_dimensions: Option<String>,
    /// Whether to add the Kubernetes entity.
    pub add_entity: bool,
}

/// A log group.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LogGroupName {
    /// This one.
    Fixed(String),
    /// One named after the task, once its metadata is known.
    FromTask,
}

/// A log stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamName {
    /// This one.
    Fixed(String),
    /// This text and the tag.
    Prefix(String),
    /// One named after the tag and the task, once its metadata is known.
    FromTask,
}

/// Class of a log group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogGroupClass {
    /// `STANDARD`.
    Standard,
    /// `INFREQUENT_ACCESS`.
    InfrequentAccess,
}

/// What holds where an option is not set.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Defaults {
    /// Region of the environment.
    pub region: Option<String>,
    /// Whether group and stream may be named after the task.
    pub names_from_task: bool,
}

/// Why the options cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Days that the service does not know.
    #[error("expected one of the days that CloudWatch Logs knows: {}", RetentionDays)]
    Retention,
    /// A class that the service does not know.
    #[error("expected STANDARD or INFREQUENT_ACCESS")]
    Class,
    /// An endpoint that is none.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// No region anywhere.
    #[error("no region is set, it is taken from the metadata of the task")]
    RegionFromTask,
    /// A group name with characters that the service refuses.
    #[error("holds characters that a log group cannot have, or too many; a dot stands for each")]
    GroupName,
    /// Names, metrics or entities that are made of a record's fields.
    #[error("is not supported by this version of Firelane and has no effect")]
    Unsupported,
    /// A class or a retention for a group that is never created.
    #[error("has no effect without auto_create_group")]
    OnlyWithCreate,
    /// A port without an endpoint.
    #[error("has no effect without endpoint")]
    OnlyWithEndpoint,
}

struct RetentionDays;

impl std::fmt::Display for RetentionDays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&RETENTION_DAYS.map(|days| days.to_string()).join(", "))
    }
}

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options, defaults: &Defaults) -> Option<Self> {
        let region = options.text("region").or_else(|| defaults.region.clone());
        if region.is_none() {
            options.remark("region", Remark::plugin(Advice::RegionFromTask));
        }
        for name in
            ["log_group_template", "log_stream_template", "metric_namespace", "metric_dimensions"]
        {
            if options.is_set(name) {
                options.remark(name, Remark::plugin(Advice::Unsupported));
            }
        }
        if options.bool("add_entity") {
            options.remark("add_entity", Remark::plugin(Advice::Unsupported));
        }
        let log_group_name = log_group_name(options, defaults);
        let stream = stream_name(options, defaults);
        let log_retention_days = retention(options);
        let log_group_class = class(options);
        let endpoint = endpoint(options);
        let config = Self {
            region,
            log_group_name: log_group_name?,
            stream: stream?,
            log_group_template: options.text("log_group_template"),
            log_stream_template: options.text("log_stream_template"),
            log_key: options.text("log_key"),
            log_format: options.text("log_format"),
            auto_create_group: options.bool("auto_create_group"),
            log_retention_days,
            log_group_class,
            endpoint,
            tls_verify: options.bool("tls.verify"),
            tls_ca_file: options.text("tls.ca_file").map(PathBuf::from),
            role_arn: options.text("role_arn"),
            external_id: options.text("external_id"),
            sts_endpoint: options.text("sts_endpoint"),
            profile: options.text("profile"),
            extra_user_agent: options.text("extra_user_agent"),
            metric_namespace: options.text("metric_namespace"),
            metric_dimensions: options.text("metric_dimensions"),
            add_entity: options.bool("add_entity"),
        };
        (!options.is_refused()).then_some(config)
    }
}

fn log_group_name(options: &mut Options, defaults: &Defaults) -> Option<LogGroupName> {
    let Some(name) = options.text("log_group_name") else {
        if !defaults.names_from_task {
            options.refuse("log_group_name", Fault::Missing("log_group_name"));
            return None;
        }
        return Some(LogGroupName::FromTask);
    };
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-/.#".contains(c);
    if name.chars().count() > NAME_CHARS_MAX || !name.chars().all(is_good) {
        options.remark("log_group_name", Remark::plugin(Advice::GroupName));
    }
    Some(LogGroupName::Fixed(name))
}

fn stream_name(options: &mut Options, defaults: &Defaults) -> Option<StreamName> {
    match (options.text("log_stream_name"), options.text("log_stream_prefix")) {
        (Some(_), Some(_)) => {
            let fault = Fault::Exclusive("log_stream_name", "log_stream_prefix");
            options.refuse("log_stream_prefix", fault);
            None
        }
        (Some(name), None) => Some(StreamName::Fixed(name)),
        (None, Some(prefix)) => Some(StreamName::Prefix(prefix)),
        (None, None) if defaults.names_from_task => Some(StreamName::FromTask),
        (None, None) => {
            let missing = Fault::Missing("log_stream_name or log_stream_prefix");
            options.refuse("log_stream_name", missing);
            None
        }
    }
}

fn retention(options: &mut Options) -> Option<i32> {
    let days = options.integer("log_retention_days").filter(|days| *days != 0)?;
    if !RETENTION_DAYS.contains(&days) {
        options.refuse("log_retention_days", Fault::invalid(Refusal::Retention));
    } else if !options.bool("auto_create_group") {
        options.remark("log_retention_days", Remark::plugin(Advice::OnlyWithCreate));
    }
    Some(days)
}

/// Without `auto_create_group` Fluent Bit does not look at the class, so a bad one is no problem.
fn class(options: &mut Options) -> Option<LogGroupClass> {
    let text = options.text("log_group_class")?;
    let class = match text.to_ascii_uppercase().as_str() {
        "STANDARD" => Some(LogGroupClass::Standard),
        "INFREQUENT_ACCESS" => Some(LogGroupClass::InfrequentAccess),
        _ => None,
    };
    if !options.bool("auto_create_group") {
        options.remark("log_group_class", Remark::plugin(Advice::OnlyWithCreate));
    } else if class.is_none() {
        options.refuse("log_group_class", Fault::invalid(Refusal::Class));
    }
    class
}

fn endpoint(options: &mut Options) -> Option<Endpoint> {
    let Some(text) = options.text("endpoint") else {
        if options.is_set("port") && options.integer("port") != Some(DEFAULT_PORT) {
            options.remark("port", Remark::plugin(Advice::OnlyWithEndpoint));
        }
        return None;
    };
    let port = if options.is_set("port") { options.integer("port") } else { None };
    match Endpoint::parse(&text, port) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            options.refuse("endpoint", Fault::invalid(Refusal::Endpoint(error)));
            None
        }
    }
}

#[cfg(test)]
mod tests;

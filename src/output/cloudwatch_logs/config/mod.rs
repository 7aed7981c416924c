//! Step 6, output: the options of `cloudwatch_logs`.
//!
//! Reference: Fluent Bit's manual, "Amazon CloudWatch" output, and the API references of
//! `CreateLogGroup` and `PutRetentionPolicy`. Not known here: the service, tags, records.

mod connection;
mod endpoint;

pub use self::connection::Connection;
pub use self::endpoint::{Endpoint, EndpointError, Scheme};
use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::record::template::{Template, TemplateError};

use super::limits::{NAME_CHARS_MAX, RESERVED_PREFIX};
use super::sender::Encoding;

/// Days that `PutRetentionPolicy` takes.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>
pub const RETENTION_DAYS: [i32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1_096, 1_827, 2_192, 2_557,
    2_922, 3_288, 3_653,
];

/// The port to connect to. Of a repeated one the last counts.
pub const ADDRESS: Table = &[Row::new("port", PORT, "Port of the endpoint").or("443")];

/// What `region` says of itself.
pub const REGION_DOC: &str = "AWS region; from the environment or the task if not set";

/// An option that both outputs have beside those of Fluent Bit.
pub const LOSS_MARKERS: Row = Row::new(
    "loss_markers",
    Kind::Bool,
    "Whether a log stream is told of records of its own that were dropped, split or shortened",
)
.or("false");

/// How requests are encoded, which both outputs have beside the options of Fluent Bit. Its own outputs
/// of CloudWatch Logs never compress.
pub const COMPRESS: Row = Row::new(
    "compress",
    Kind::Choice(&["gzip", "off"]),
    "Whether requests are compressed where that makes them smaller",
)
.or("off");

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("region", Kind::Text, REGION_DOC),
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
    LOSS_MARKERS,
    COMPRESS,
];

/// A `cloudwatch_logs` output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// How the service is reached.
    pub connection: Connection,
    /// Where events go, and where those go for which a template gives nothing.
    pub log_group_name: LogGroupName,
    /// The same for the stream.
    pub stream: StreamName,
    /// Log group from fields of the record.
    pub log_group_template: Option<Template>,
    /// Log stream from fields of the record.
    pub log_stream_template: Option<Template>,
    /// Key whose value alone is sent.
    pub log_key: Option<String>,
    /// Whether to create a log group that does not exist.
    pub auto_create_group: bool,
    /// Retention of a group it creates: one of [`RETENTION_DAYS`].
    pub log_retention_days: Option<i32>,
    /// Class of a group it creates.
    pub log_group_class: Option<LogGroupClass>,
    /// Whether a stream is told what became of its records.
    pub loss_markers: bool,
    /// How requests are encoded where that makes them smaller.
    pub compress: Encoding,
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
    /// `SEND_FAILURE_TIMEOUT` of the environment, which concerns only `cloudwatch`.
    pub send_failure_timeout: Option<String>,
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
    /// A template that is none.
    #[error("{0}")]
    Template(#[from] TemplateError),
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
    /// A group name that CloudWatch Logs keeps for itself.
    #[error("begins with aws/, which CloudWatch Logs refuses; a dot stands for the slash")]
    ReservedGroup,
    /// Options of metrics.
    #[error(
        "has no effect: it concerns the inputs cpu and mem and metrics, of which there are none"
    )]
    OnlyMetrics,
    /// An option of entities.
    #[error("has no effect: an entity is made of what the filter kubernetes adds")]
    OnlyKubernetes,
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
        let connection = Connection::from_options(options, defaults);
        for name in ["metric_namespace", "metric_dimensions"] {
            if options.is_set(name) {
                options.remark(name, Remark::plugin(Advice::OnlyMetrics));
            }
        }
        if options.bool("add_entity") {
            options.remark("add_entity", Remark::plugin(Advice::OnlyKubernetes));
        }
        let log_group_name = log_group_name(options, defaults);
        let stream = stream_name(options, defaults);
        let config = Self {
            connection: Connection { profile: options.text("profile"), ..connection },
            log_group_name: log_group_name?,
            stream: stream?,
            log_group_template: template(options, "log_group_template"),
            log_stream_template: template(options, "log_stream_template"),
            log_key: options.text("log_key"),
            auto_create_group: options.bool("auto_create_group"),
            log_retention_days: retention(options),
            log_group_class: class(options),
            loss_markers: options.bool(LOSS_MARKERS.name),
            compress: compress(options),
        };
        (!options.is_refused()).then_some(config)
    }
}

/// Reads [`COMPRESS`].
pub fn compress(options: &mut Options) -> Encoding {
    match options.text(COMPRESS.name).as_deref() {
        Some("gzip") => Encoding::Gzip,
        Some(_) | None => Encoding::Plain,
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
    if name.starts_with(RESERVED_PREFIX) {
        options.remark("log_group_name", Remark::plugin(Advice::ReservedGroup));
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

fn template(options: &mut Options, name: &str) -> Option<Template> {
    match Template::parse(&options.text(name)?) {
        Ok(template) => Some(template),
        Err(error) => {
            options.refuse(name, Fault::invalid(Refusal::Template(error)));
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

#[cfg(test)]
mod tests;

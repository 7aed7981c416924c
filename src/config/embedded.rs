//! Around the path, config: what holds without any file.
//!
//! `forward` on the unix socket of FireLens and on TCP, everything to CloudWatch Logs, group and
//! stream named after the task. The variables in [`VARIABLES`] change it; they go through the same
//! tables as the options of a file.

use super::context::Context;
use super::env::Environment;
use super::expand::Expanded;
use super::meaning;
use super::process;
use super::raw::{Entry, SectionKind};
use super::{CommandLine, Config, Errors, error};
use crate::option::{Place, Remark, Report, Setting, Subject, nearest};

/// Start of the names of all [`VARIABLES`].
const PREFIX: &str = "FIRELANE_";

/// A variable that changes the configuration without a file.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// What holds where it is not set.
    pub default: Option<&'static str>,
    sections: &'static [Part],
    key: &'static str,
}

/// A section of the configuration without a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Service,
    Unix,
    Tcp,
    Output,
}

/// Every variable.
pub const VARIABLES: &[Variable] = &[
    unix(
        "FIRELANE_UNIX_PATH",
        "unix_path",
        "Path of the unix socket",
        Some("/var/run/fluent.sock"),
    ),
    tcp("FIRELANE_LISTEN", "listen", "Address to listen on", Some("0.0.0.0")),
    tcp("FIRELANE_PORT", "port", "TCP port to listen on", Some("24224")),
    Variable {
        name: "FIRELANE_MEM_BUF_LIMIT",
        doc: "Most bytes of each input in memory, 0 for no limit of its own",
        default: None,
        sections: &[Part::Unix, Part::Tcp],
        key: "mem_buf_limit",
    },
    output("FIRELANE_LOG_GROUP", "log_group_name", "Log group, else one named after the task"),
    output(
        "FIRELANE_LOG_STREAM",
        "log_stream_name",
        "Log stream, else one named after tag and task",
    ),
    output(
        "FIRELANE_LOG_STREAM_PREFIX",
        "log_stream_prefix",
        "Start of the log stream's name, the tag follows",
    ),
    output("FIRELANE_REGION", "region", "AWS region, else AWS_REGION, else that of the task"),
    output("FIRELANE_ENDPOINT", "endpoint", "Host or URL in place of the region's own"),
    output(
        "FIRELANE_LOG_RETENTION_DAYS",
        "log_retention_days",
        "Days to keep events in a group it creates",
    ),
    Variable {
        name: "FIRELANE_LOSS_MARKERS",
        doc: "Whether a log stream is told of records of its own that were dropped, split or shortened",
        default: Some("on"),
        sections: &[Part::Output],
        key: "loss_markers",
    },
    Variable {
        name: "FIRELANE_COMPRESS",
        doc: "Whether requests are compressed: gzip or off",
        default: Some("gzip"),
        sections: &[Part::Output],
        key: "compress",
    },
    output("FIRELANE_TLS_CA_FILE", "tls.ca_file", "PEM file of the authorities to trust"),
    service(
        "FIRELANE_FLUSH",
        "flush",
        "Seconds after which records are sent at the latest",
        Some("1"),
    ),
    service(
        "FIRELANE_GRACE",
        "grace",
        "Most seconds to go on delivering after SIGTERM",
        Some("25"),
    ),
    service(
        "FIRELANE_HTTP_SERVER",
        "http_server",
        "Whether to answer about health and metrics on port 2020",
        Some("on"),
    ),
    service("FIRELANE_LOG_LEVEL", "log_level", "How much to log", Some("info")),
];

const fn unix(
    name: &'static str,
    key: &'static str,
    doc: &'static str,
    default: Option<&'static str>,
) -> Variable {
    Variable { name, doc, default, sections: &[Part::Unix], key }
}

const fn tcp(
    name: &'static str,
    key: &'static str,
    doc: &'static str,
    default: Option<&'static str>,
) -> Variable {
    Variable { name, doc, default, sections: &[Part::Tcp], key }
}

const fn output(name: &'static str, key: &'static str, doc: &'static str) -> Variable {
    Variable { name, doc, default: None, sections: &[Part::Output], key }
}

const fn service(
    name: &'static str,
    key: &'static str,
    doc: &'static str,
    default: Option<&'static str>,
) -> Variable {
    Variable { name, doc, default, sections: &[Part::Service], key }
}

/// Options and their values.
type Lines = &'static [(&'static str, &'static str)];

/// What stands in each section whatever the variables say.
const FIXED: [(Part, SectionKind, Lines); 4] = [
    (Part::Service, SectionKind::Service, &[("health_check", "on")]),
    (Part::Unix, SectionKind::Input, &[("name", "forward"), ("alias", "unix")]),
    (Part::Tcp, SectionKind::Input, &[("name", "forward"), ("alias", "tcp")]),
    (
        Part::Output,
        SectionKind::Output,
        &[
            ("name", "cloudwatch_logs"),
            ("match", "*"),
            ("auto_create_group", "true"),
            ("retry_limit", "no_limits"),
        ],
    ),
];

/// The configuration that holds without a file.
///
/// # Errors
///
/// A variable has a value that cannot be used.
pub fn embedded(environment: &Environment) -> Result<Config, Errors> {
    embedded_with(&CommandLine::default(), environment)
}

/// The configuration that holds without a file, with the settings of the process that the command
/// line gives.
///
/// # Errors
///
/// One of them, or a variable, has a value that cannot be used.
pub fn embedded_with(
    command_line: &CommandLine,
    environment: &Environment,
) -> Result<Config, Errors> {
    let mut report = Report::default();
    for name in environment.names().filter(|name| name.starts_with(PREFIX)) {
        if !VARIABLES.iter().any(|variable| variable.name == name) {
            let nearest = nearest::nearest(name, VARIABLES.iter().map(|variable| variable.name));
            let subject = Subject { key: name.to_owned(), ..Subject::default() };
            report.remark(
                Place::file("environment"),
                subject,
                Remark::UnknownServiceKey { nearest },
            );
        }
    }
    let mut context = Context::new(environment);
    context.cloudwatch_logs.names_from_task = true;
    let mut sections = FIXED.map(|(part, kind, fixed)| section(part, kind, fixed, environment));
    let [service, ..] = &mut sections;
    override_settings(&mut service.settings, command_line);
    let mut sections = Vec::from(sections);
    let service = process::service(&mut sections, &context, &mut report);
    let config = meaning::build(sections, service, &context, &mut report);
    error::finish(config, report)
}

/// What the command line says takes the place of what the variables say.
fn override_settings(settings: &mut Vec<Setting>, command_line: &CommandLine) {
    for Entry { key, value, place } in command_line.service() {
        settings.retain(|setting| !setting.key.eq_ignore_ascii_case(key));
        settings.push(Setting {
            key: key.clone(),
            value: value.trim().to_owned(),
            written: value.clone(),
            place: place.clone(),
        });
    }
}

fn section(part: Part, kind: SectionKind, fixed: Lines, environment: &Environment) -> Expanded {
    let mut settings: Vec<_> = fixed.iter().map(|(key, value)| setting(key, value)).collect();
    for variable in VARIABLES.iter().filter(|variable| variable.sections.contains(&part)) {
        if let Some(value) = environment.get(variable.name) {
            let place = Place::file(&format!("environment variable {}", variable.name));
            settings.push(Setting { place, ..setting(variable.key, value.trim()) });
        } else if let Some(value) = variable.default {
            settings.push(setting(variable.key, value));
        }
    }
    Expanded { kind, name: String::new(), place: built_in(), settings, groups: Vec::new() }
}

fn setting(key: &str, value: &str) -> Setting {
    Setting {
        key: key.to_owned(),
        value: value.to_owned(),
        written: value.to_owned(),
        place: built_in(),
    }
}

fn built_in() -> Place {
    Place::file("built in")
}

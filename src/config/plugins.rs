//! Around the path, config: which plugins there are, here and in Fluent Bit, and their tables.

use crate::option::{Fault, Table, nearest, tables};
use crate::{filter, input, output};

/// Inputs of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Input {
    Forward,
    Tcp,
}

/// Filters of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Filter {
    Aws,
    Ecs,
    Grep,
    Multiline,
    Parser,
    RecordModifier,
}

/// Outputs of this version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Output {
    Null,
    CloudwatchLogs,
}

/// A plugin's own options and those it shares with others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tables {
    pub(super) own: Table,
    pub(super) shared: &'static [Table],
}

impl Input {
    pub(super) const ALL: &[(&'static str, Self)] =
        &[("forward", Self::Forward), ("tcp", Self::Tcp)];

    /// Inputs that only Fluent Bit has.
    pub(super) const ELSEWHERE: &[&'static str] = &[
        "blob",
        "calyptia_fleet",
        "collectd",
        "cpu",
        "disk",
        "docker",
        "docker_events",
        "dummy",
        "elasticsearch",
        "emitter",
        "event_test",
        "event_type",
        "exec",
        "exec_wasi",
        "fluentbit_logs",
        "fluentbit_metrics",
        "gpu_metrics",
        "head",
        "health",
        "http",
        "kafka",
        "kmsg",
        "kubernetes_events",
        "lib",
        "mem",
        "mqtt",
        "netif",
        "nginx_metrics",
        "node_exporter_metrics",
        "opentelemetry",
        "podman_metrics",
        "proc",
        "process_exporter_metrics",
        "prometheus_remote_write",
        "prometheus_scrape",
        "random",
        "serial",
        "splunk",
        "statsd",
        "stdin",
        "storage_backlog",
        "stream_processor",
        "syslog",
        "systemd",
        "tail",
        "thermal",
        "udp",
        "unix_socket",
        "winevtlog",
        "winlog",
        "winstat",
        "windows_exporter_metrics",
    ];

    pub(super) const fn tables(self) -> Tables {
        match self {
            Self::Forward => Tables {
                own: input::forward::config::OPTIONS,
                shared: &[
                    input::forward::config::ADDRESS,
                    tables::SECTION,
                    tables::INPUT,
                    tables::NET,
                    tables::TLS_INPUT,
                ],
            },
            Self::Tcp => Tables {
                own: input::tcp::config::OPTIONS,
                shared: &[
                    input::tcp::config::ADDRESS,
                    tables::SECTION,
                    tables::INPUT,
                    tables::NET,
                    tables::TLS_INPUT,
                ],
            },
        }
    }
}

impl Filter {
    /// Its name, in lower case.
    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, plugin)| *plugin == self);
        found.map_or("", |(name, _)| name)
    }

    pub(super) const ALL: &[(&'static str, Self)] = &[
        ("aws", Self::Aws),
        ("ecs", Self::Ecs),
        ("grep", Self::Grep),
        ("multiline", Self::Multiline),
        ("parser", Self::Parser),
        ("record_modifier", Self::RecordModifier),
    ];

    /// Filters that only Fluent Bit has.
    pub(super) const ELSEWHERE: &[&'static str] = &[
        "alter_size",
        "checklist",
        "expect",
        "geoip2",
        "kubernetes",
        "log_to_metrics",
        "lookup",
        "lua",
        "modify",
        "nest",
        "nightfall",
        "rewrite_tag",
        "stdout",
        "sysinfo",
        "tensorflow",
        "throttle",
        "throttle_size",
        "type_converter",
        "wasm",
    ];

    pub(super) const fn tables(self) -> Tables {
        let shared = &[tables::SECTION, tables::FILTER];
        match self {
            Self::Aws => Tables { own: filter::aws::config::OPTIONS, shared },
            Self::Ecs => Tables { own: filter::ecs::config::OPTIONS, shared },
            Self::Grep => Tables { own: filter::grep::config::OPTIONS, shared },
            Self::Multiline => Tables { own: filter::multiline::config::OPTIONS, shared },
            Self::Parser => Tables { own: filter::parser::config::OPTIONS, shared },
            Self::RecordModifier => {
                Tables { own: filter::record_modifier::config::OPTIONS, shared }
            }
        }
    }
}

impl Output {
    pub(super) const ALL: &[(&'static str, Self)] =
        &[("null", Self::Null), ("cloudwatch_logs", Self::CloudwatchLogs)];

    /// Outputs that only Fluent Bit has, those of AWS's image included.
    pub(super) const ELSEWHERE: &[&'static str] = &[
        "azure",
        "azure_blob",
        "azure_kusto",
        "azure_logs_ingestion",
        "bigquery",
        "calyptia",
        "chronicle",
        "cloudwatch",
        "counter",
        "datadog",
        "elasticsearch",
        "es",
        "exit",
        "file",
        "firehose",
        "flowcounter",
        "forward",
        "gelf",
        "http",
        "influxdb",
        "kafka",
        "kafka-rest",
        "kinesis",
        "kinesis_firehose",
        "kinesis_streams",
        "lib",
        "logdna",
        "loki",
        "nats",
        "newrelic",
        "nrlogs",
        "opensearch",
        "opentelemetry",
        "oracle_log_analytics",
        "pgsql",
        "plot",
        "prometheus_exporter",
        "prometheus_remote_write",
        "retry",
        "s3",
        "signalfx",
        "skywalking",
        "slack",
        "splunk",
        "stackdriver",
        "stdout",
        "syslog",
        "tcp",
        "td",
        "udp",
        "vivo_exporter",
        "websocket",
        "zig_demo",
    ];

    pub(super) const fn tables(self) -> Tables {
        match self {
            Self::Null => Tables {
                own: output::null::config::OPTIONS,
                shared: &[tables::SECTION, tables::OUTPUT, tables::HOST, tables::NET, tables::TLS],
            },
            Self::CloudwatchLogs => Tables {
                own: output::cloudwatch_logs::config::OPTIONS,
                shared: &[
                    output::cloudwatch_logs::config::ADDRESS,
                    tables::SECTION,
                    tables::OUTPUT,
                    tables::HOST,
                    tables::NET,
                    tables::TLS,
                ],
            },
        }
    }
}

/// The plugin of that name, in any case.
pub(super) fn find<T: Copy>(
    name: &str,
    here: &[(&'static str, T)],
    elsewhere: &[&'static str],
) -> Result<T, Fault> {
    if let Some((_, plugin)) = here.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Ok(*plugin);
    }
    let name = name.to_owned();
    if elsewhere.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
        return Err(Fault::UnsupportedPlugin { name });
    }
    let known = here.iter().map(|(known, _)| *known).chain(elsewhere.iter().copied());
    let nearest = nearest::nearest(&name, known);
    Err(Fault::UnknownPlugin { name, nearest })
}

/// The names of all plugins of this version, by what they are.
#[must_use]
pub fn plugin_names() -> [(&'static str, Vec<&'static str>); 3] {
    [
        ("inputs", Input::ALL.iter().map(|(name, _)| *name).collect()),
        ("filters", Filter::ALL.iter().map(|(name, _)| *name).collect()),
        ("outputs", Output::ALL.iter().map(|(name, _)| *name).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::first_bad_row;

    #[test]
    fn no_plugin_has_an_option_twice() {
        let all = Input::ALL.iter().map(|(name, plugin)| (*name, plugin.tables()));
        let all = all.chain(Filter::ALL.iter().map(|(name, plugin)| (*name, plugin.tables())));
        let all = all.chain(Output::ALL.iter().map(|(name, plugin)| (*name, plugin.tables())));
        for (name, Tables { own, shared }) in all {
            assert_eq!(first_bad_row(&[&[own], shared].concat()), None, "{name}");
        }
    }

    #[test]
    fn a_plugin_is_here_or_elsewhere_or_unknown() {
        let output = |name| find(name, Output::ALL, Output::ELSEWHERE);
        assert_eq!(output("CloudWatch_Logs").ok(), Some(Output::CloudwatchLogs));
        let fault = output("S3").unwrap_err().to_string();
        assert_eq!(fault, "plugin 'S3' is not supported by this version of Firelane");
        let fault = output("cloudwatch_log").unwrap_err().to_string();
        assert_eq!(fault, "unknown plugin 'cloudwatch_log', did you mean 'cloudwatch_logs'?");
        assert_eq!(output("zzz").unwrap_err().to_string(), "unknown plugin 'zzz'");
    }

    #[test]
    fn no_plugin_is_both_here_and_elsewhere() {
        assert!(Input::ALL.iter().all(|(name, _)| !Input::ELSEWHERE.contains(name)));
        assert!(Filter::ALL.iter().all(|(name, _)| !Filter::ELSEWHERE.contains(name)));
        assert!(Output::ALL.iter().all(|(name, _)| !Output::ELSEWHERE.contains(name)));
    }
}

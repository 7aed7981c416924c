//! Around the path, config: the options of `[SERVICE]`.
//!
//! Fluent Bit ignores what it does not know here, and so do we, with a warning. Reference: Fluent
//! Bit's manual, "Service" section, "Monitoring", "Buffering & Storage".

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::storage::Storage;
use crate::option::tables::{COUNT, PORT};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};

/// Options of the section.
pub(super) const OPTIONS: Table = &[
    Row::new("flush", Kind::Seconds, "Seconds after which records are sent at the latest").or("1"),
    Row::new(
        "grace",
        Kind::SecondsOrForever,
        "Seconds to go on delivering after SIGTERM, -1 without end",
    )
    .or("25"),
    Row::new("log_level", LEVELS, "How much to log").or("info"),
    Row::new("http_server", Kind::Bool, "Whether to answer about health and metrics over HTTP")
        .or("off"),
    Row::new("http_listen", Kind::Text, "Address of the HTTP server").or("0.0.0.0"),
    Row::new("http_port", PORT, "Port of the HTTP server").or("2020"),
    Row::new("health_check", Kind::Bool, "Whether /api/v1/health judges the outputs").or("off"),
    Row::new(
        "hc_errors_count",
        COUNT,
        "Output errors within hc_period above which it is unhealthy",
    )
    .or("5"),
    Row::new("hc_retry_failure_count", COUNT, "Exhausted retries above which it is unhealthy")
        .or("5"),
    Row::new("hc_period", Kind::Seconds, "Seconds that the health check looks back").or("60"),
    Row::new("parsers_file", Kind::Text, "File with parsers").many(),
    Row::new("plugins_file", Kind::Text, "File with plugins to load, of which none is").many(),
    Row::new("streams_file", Kind::Text, "File with stream tasks").many(),
    Row::new(
        "storage.path",
        Kind::Text,
        "Folder for records that wait on disk, and are there after a restart; without it the first \
         that can be written to, and what is left in it at the end is lost",
    ),
    Row::new("daemon", Kind::Bool, "Whether to run in the background").without_effect(),
    Row::new("log_file", Kind::Text, "File to log to, else standard error"),
    Row::new(
        "storage.sync",
        Kind::Choice(&["normal", "full"]),
        "Whether what is written is forced to disk before it is acknowledged",
    )
    .or("normal"),
    Row::new(
        "storage.checksum",
        Kind::Bool,
        "Whether records on disk have a checksum, which they always have",
    )
    .or("on"),
    Row::new("storage.max_chunks_up", Kind::Text, "Chunks in memory").without_effect(),
    Row::new(
        "storage.backlog.mem_limit",
        Kind::Bytes,
        "Memory of each output for records that are read back from disk",
    ),
    Row::new("storage.backlog.flush_on_shutdown", Kind::Text, "Whether to send them at the end")
        .without_effect(),
    Row::new("storage.metrics", Kind::Bool, "Whether /api/v1/storage answers").or("on"),
    Row::new(
        "storage.delete_irrecoverable_chunks",
        Kind::Bool,
        "Whether to delete what on disk cannot be read",
    )
    .or("off"),
    Row::new("storage.trim_files", Kind::Text, "Whether to shrink files").without_effect(),
    Row::new(
        "storage.type",
        Kind::Choice(&["memory", "filesystem", "memrb"]),
        "Where records of inputs wait that do not say so, if storage.inherit is on",
    ),
    Row::new("storage.inherit", Kind::Bool, "Whether such inputs take over storage.type").or("off"),
    Row::new("storage.keep.rejected", Kind::Text, "Whether to keep what is refused")
        .without_effect(),
    Row::new("storage.rejected.path", Kind::Text, "Folder for what is refused").without_effect(),
    Row::new("storage.rejected.limit", Kind::Text, "Most bytes of it").without_effect(),
    Row::new("scheduler.base", Kind::Text, "Shortest wait before a retry").without_effect(),
    Row::new("scheduler.cap", Kind::Text, "Longest wait before a retry").without_effect(),
    Row::new(
        "multiline_buffer_limit",
        Kind::Text,
        "Most bytes of a record of several lines; k, m, g are powers of 1,024, false is no limit",
    )
    .or("2M"),
    Row::new(
        "json.escape_unicode",
        Kind::Bool,
        "Whether JSON that is printed has \\u for what is not ASCII",
    )
    .or("true"),
    Row::new("json.convert_nan_to_null", Kind::Text, "Whether NaN becomes null").without_effect(),
    Row::new("dns.mode", Kind::Text, "UDP or TCP for name look-ups").without_effect(),
    Row::new("dns.resolver", Kind::Text, "How names are looked up").without_effect(),
    Row::new("dns.prefer_ipv4", Kind::Text, "Whether IPv4 addresses come first").without_effect(),
    Row::new("dns.prefer_ipv6", Kind::Text, "Whether IPv6 addresses come first").without_effect(),
    Row::new("coro_stack_size", Kind::Text, "Stack of a coroutine").without_effect(),
    Row::new("enable_chunk_trace", Kind::Text, "Whether chunks can be traced").without_effect(),
    Row::new("hot_reload", Kind::Text, "Whether the configuration can be read again")
        .without_effect(),
    Row::new("hot_reload.ensure_thread_safety", Kind::Text, "How careful that is").without_effect(),
    Row::new("hot_reload.timeout", Kind::Text, "How long that may take").without_effect(),
    Row::new("sp.convert_from_str_to_num", Kind::Text, "Whether stream tasks read numbers")
        .without_effect(),
    Row::new("flush.adaptive", Kind::Text, "Whether flush follows the load").without_effect(),
    Row::new("flush.adaptive.min_interval", Kind::Text, "Shortest time between two flushes")
        .without_effect(),
    Row::new("flush.adaptive.max_interval", Kind::Text, "Longest time between two flushes")
        .without_effect(),
    Row::new("flush.adaptive.low_pressure", Kind::Text, "Load that counts as low").without_effect(),
    Row::new("flush.adaptive.medium_pressure", Kind::Text, "Load that counts as medium")
        .without_effect(),
    Row::new("flush.adaptive.high_pressure", Kind::Text, "Load that counts as high")
        .without_effect(),
    Row::new("flush.adaptive.up_steps", Kind::Text, "How slowly it becomes longer")
        .without_effect(),
    Row::new("flush.adaptive.down_steps", Kind::Text, "How slowly it becomes shorter")
        .without_effect(),
    Row::new("windows.maxstdio", Kind::Text, "Open files on Windows").without_effect(),
    Row::new("security.fips_mode", Kind::Text, "Whether only FIPS ciphers are used")
        .without_effect(),
];

/// Options whose value has to be right; a bad value of the others is a warning.
pub(super) const STRICT: &[&str] = &["flush", "log_level"];

const LEVELS: Kind = Kind::Choice(&["off", "error", "warn", "warning", "info", "debug", "trace"]);

/// Settings of the process.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Service {
    /// Time after which records are sent at the latest; more than zero.
    pub flush: Duration,
    /// Time to go on delivering after SIGTERM; [`Duration::MAX`] is without end.
    pub grace: Duration,
    /// How much to log.
    pub log_level: LogLevel,
    /// Where to log to; `None` is standard error.
    pub log_file: Option<PathBuf>,
    /// Most bytes of a record of several lines.
    pub multiline_bytes_max: usize,
    /// What waits on disk, and how.
    pub storage: Storage,
    /// The HTTP server, if it is wanted.
    pub http_server: Option<HttpServer>,
    /// Whether JSON that is printed has `\u` for what is not ASCII. Messages of CloudWatch Logs have
    /// the characters themselves.
    pub escape_unicode: bool,
}

/// How much to log.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What was lost.
    Error,
    /// And what was mended.
    Warn,
    /// And what happens.
    Info,
    /// And why.
    Debug,
    /// And everything else.
    Trace,
}

/// The HTTP server for health and metrics.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpServer {
    /// Address or host name to listen on.
    pub listen: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// How health is judged, if it is.
    pub health_check: Option<HealthCheck>,
}

/// When the outputs count as unhealthy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthCheck {
    /// Most output errors within `period` that are still healthy.
    pub errors_max: u64,
    /// Most exhausted retries within `period` that are still healthy.
    pub retry_failures_max: u64,
    /// How far it looks back.
    pub period: Duration,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("expected more than 0 seconds")]
    NoFlush,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Advice {
    #[error("is no number of bytes, 2M holds")]
    NoBytes,
}

/// What `multiline_buffer_limit` is where it is not set. Fluent Bit's `FLB_ML_BUFFER_LIMIT_DEFAULT`.
const MULTILINE_BYTES_DEFAULT: usize = 2 * 1_024 * 1_024;
/// The most it can be, and what `false` stands for: a record lies within 4 GiB.
const MULTILINE_BYTES_MAX: usize = 1 << 30;

/// The time to stop where nothing is said: less than the 30 s after which ECS kills, by as much as
/// the last words take on a busy machine. It is a most: who has nothing left ends at once.
const GRACE: Duration = Duration::from_secs(25);

impl Default for Service {
    fn default() -> Self {
        Self {
            flush: Duration::from_secs(1),
            grace: GRACE,
            log_level: LogLevel::Info,
            log_file: None,
            multiline_bytes_max: MULTILINE_BYTES_DEFAULT,
            storage: Storage::default(),
            http_server: None,
            escape_unicode: true,
        }
    }
}

impl Service {
    /// Reads the options; what is wrong with them is reported there.
    pub(super) fn from_options(options: &mut Options) -> Self {
        let default = Self::default();
        let flush = options.seconds("flush").unwrap_or(default.flush);
        if flush.is_zero() {
            options.refuse("flush", Fault::invalid(Refusal::NoFlush));
        }
        let limit = options.text("multiline_buffer_limit").unwrap_or_default();
        let multiline_bytes_max = binary_bytes(&limit).unwrap_or_else(|| {
            options.remark("multiline_buffer_limit", Remark::plugin(Advice::NoBytes));
            MULTILINE_BYTES_DEFAULT
        });
        let log_level = options.text("log_level").and_then(|level| LogLevel::parse(&level));
        Self {
            flush,
            grace: options.seconds("grace").unwrap_or(default.grace),
            log_level: log_level.unwrap_or(default.log_level),
            log_file: options.text("log_file").map(PathBuf::from),
            multiline_bytes_max,
            storage: Storage::from_options(options),
            http_server: options.bool("http_server").then(|| HttpServer::from_options(options)),
            escape_unicode: options.bool("json.escape_unicode"),
        }
    }
}

/// Bytes with `k`, `m` and `g` as powers of 1,024, as Fluent Bit has it for this option alone
/// (`flb_utils_size_to_binary_bytes`).
fn binary_bytes(text: &str) -> Option<usize> {
    if text.eq_ignore_ascii_case("false") {
        return Some(MULTILINE_BYTES_MAX);
    }
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match text.get(digits.len()..)?.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return None,
    };
    let bytes = digits.trim().parse::<u64>().ok()?.saturating_mul(factor);
    let bytes = usize::try_from(bytes).unwrap_or(usize::MAX).min(MULTILINE_BYTES_MAX);
    Some(if bytes == 0 { MULTILINE_BYTES_MAX } else { bytes })
}

impl HttpServer {
    fn from_options(options: &Options) -> Self {
        let health_check = options.bool("health_check").then(|| HealthCheck {
            errors_max: options.integer("hc_errors_count").unwrap_or_default(),
            retry_failures_max: options.integer("hc_retry_failure_count").unwrap_or_default(),
            period: options.seconds("hc_period").unwrap_or_default(),
        });
        Self {
            listen: options.text("http_listen").unwrap_or_default(),
            port: options.integer("http_port").unwrap_or_default(),
            health_check,
        }
    }
}

impl LogLevel {
    /// Reads a level's name in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.trim().to_ascii_lowercase().as_str() {
            "off" => Self::Off,
            "error" => Self::Error,
            "warn" | "warning" => Self::Warn,
            "info" => Self::Info,
            "debug" => Self::Debug,
            "trace" => Self::Trace,
            _ => return None,
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Service, String) {
        let policy = Policy::Service { strict: STRICT };
        let mut options = Options::read(section(lines), OPTIONS, &[], policy);
        let service = Service::from_options(&mut options);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| format!("E {}", problem.fault));
        let notes = report.notes.iter().map(|note| format!("W {}", note.remark));
        (service, problems.chain(notes).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn the_defaults_are_fluent_bits() {
        assert_eq!(read(&[]), (Service::default(), String::new()));
        let expected = HttpServer {
            listen: "0.0.0.0".to_owned(),
            port: 2_020,
            health_check: Some(HealthCheck {
                errors_max: 5,
                retry_failures_max: 5,
                period: Duration::from_secs(60),
            }),
        };
        let (service, _) = read(&[("HTTP_Server", "On"), ("Health_Check", "On")]);
        assert_eq!(service.http_server, Some(expected));
    }

    #[test]
    fn flush_and_grace_are_seconds() {
        let (service, said) = read(&[("Flush", "0.2"), ("Grace", "-1"), ("Log_Level", "warning")]);
        assert_eq!((service.flush, service.grace), (Duration::from_millis(200), Duration::MAX));
        assert_eq!((service.log_level, said), (LogLevel::Warn, String::new()));
        assert_eq!(read(&[("flush", "0")]).1, "E expected more than 0 seconds");
        assert_eq!(read(&[("flush", "soon")]).1, "E expected seconds such as 5, 0.5, 30s or 1m");
        assert!(read(&[("log_level", "loud")]).1.starts_with("E expected one of off, error"));
    }

    #[test]
    fn the_largest_record_of_several_lines_is_told_in_powers_of_1024() {
        let cases = [
            ("2M", 2_097_152),
            ("64kb", 65_536),
            ("1 KiB", 1_024),
            ("100", 100),
            ("false", MULTILINE_BYTES_MAX),
            ("0", MULTILINE_BYTES_MAX),
            ("9g", MULTILINE_BYTES_MAX),
        ];
        for (text, bytes) in cases {
            let (service, said) = read(&[("multiline_buffer_limit", text)]);
            assert_eq!((service.multiline_bytes_max, said.as_str()), (bytes, ""), "{text}");
        }
        for text in ["many", "2x", "-1"] {
            let (service, said) = read(&[("multiline_buffer_limit", text)]);
            assert_eq!(service.multiline_bytes_max, 2_097_152);
            assert_eq!(said, "W is no number of bytes, 2M holds");
        }
    }

    #[test]
    fn what_fluent_bit_ignores_here_is_a_warning() {
        let cases = [
            ("http_servr", "W unknown option, ignored, did you mean 'http_server'?"),
            ("http_server", "W ignored, expected true, on, yes, false, off or no"),
            ("storage.max_chunks_up", "W has no effect in Firelane"),
        ];
        for (key, expected) in cases {
            assert_eq!(read(&[(key, "perhaps")]).1, expected);
        }
        let (service, said) = read(&[("grace", "3"), ("Grace", "30")]);
        assert_eq!(
            (service.grace, said.as_str()),
            (Duration::from_secs(30), "W replaces the value at test.conf:1")
        );
    }
}

//! Turns counters into the bodies of the monitoring paths.
//!
//! Pure: a path and a moment in, status and body out. The shapes are those of Fluent Bit's built-in
//! HTTP server, so that health checks, dashboards and the Prometheus rules AWS publishes for
//! FireLens go on working. Not known here: sockets and headers.
//! Source: <https://docs.fluentbit.io/manual/administration/monitoring>.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde::ser::{Serialize, SerializeMap, Serializer};

use time::OffsetDateTime;

use super::Plugins;
use super::health::{HealthLimits, Verdict};
use super::storage::{self, Gauge};
use crate::telemetry::Telemetry;

/// The Fluent Bit whose shapes these are. Programs that read the version expect one of Fluent Bit's.
pub const FLUENT_BIT_VERSION: &str = "5.1.1";
/// Tells who really answers, where Fluent Bit names its edition.
pub const EDITION: &str = "Firelane";
/// Content type of JSON bodies.
pub const JSON: &str = "application/json";
/// Content type of Prometheus bodies.
pub const PROMETHEUS: &str = "text/plain; version=0.0.4";
/// Content type of the health answer.
pub const TEXT: &str = "text/plain";

const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// Status, type and text of an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Status code.
    pub status: u16,
    /// Content type; `None` without a body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: String,
}

impl Reply {
    fn ok(content_type: &'static str, body: String) -> Self {
        Self { status: 200, content_type: Some(content_type), body }
    }

    /// A path that does not exist.
    #[must_use]
    pub fn not_found() -> Self {
        Self { status: 404, content_type: None, body: String::new() }
    }
}

/// What the bodies tell.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The counters.
    pub telemetry: &'a Telemetry,
    /// The present.
    pub now: Instant,
    /// `None` where no health check is configured; such a server has no `/api/v1/health`.
    pub health: Option<Verdict>,
    /// Names of all plugins.
    pub plugins: &'a Plugins,
    /// Whether there is `/api/v1/storage`.
    pub shows_storage: bool,
}

/// The answer for a path, without its query.
#[must_use]
pub fn reply(path: &str, facts: &Facts<'_>) -> Reply {
    let Facts { telemetry, now, health, plugins, shows_storage } = *facts;
    match path {
        "/" => Reply::ok(JSON, about()),
        "/api/v1/uptime" => Reply::ok(JSON, uptime(telemetry.uptime(now))),
        "/api/v1/health" => health.map_or_else(Reply::not_found, health_text),
        "/api/v1/plugins" => Reply::ok(JSON, plugins_json(plugins)),
        "/api/v1/storage" if shows_storage => Reply::ok(JSON, storage::body(telemetry)),
        "/api/v1/metrics" => Reply::ok(JSON, metrics_json(telemetry)),
        "/api/v1/metrics/prometheus" => {
            Reply::ok(PROMETHEUS, metrics_text(telemetry, now, Stamps::Milliseconds))
        }
        "/api/v2/health" => health_json(health),
        "/api/v2/metrics" => Reply::ok(TEXT, metrics_lines(telemetry, now)),
        "/api/v2/metrics/prometheus" => {
            Reply::ok(PROMETHEUS, metrics_text(telemetry, now, Stamps::None))
        }
        // Never reloaded: the agent replaces the task where its configuration changes.
        "/api/v2/reload" => Reply::ok(JSON, r#"{"hot_reload_count":0}"#.to_owned()),
        "/metrics" => Reply::ok(PROMETHEUS, telemetry.prometheus()),
        _unknown => Reply::not_found(),
    }
}

fn about() -> String {
    let version = FLUENT_BIT_VERSION;
    format!(r#"{{"fluent-bit":{{"version":"{version}","edition":"{EDITION}","flags":[]}}}}"#)
}

fn health_text(verdict: Verdict) -> Reply {
    let (status, body) = if verdict.is_healthy() { (200, "ok\n") } else { (500, "error\n") };
    Reply { status, content_type: Some(TEXT), body: body.to_owned() }
}

/// Exists without a health check too, and is well then.
fn health_json(verdict: Option<Verdict>) -> Reply {
    let Some(verdict) = verdict else { return Reply::ok(JSON, r#"{"status":"ok"}"#.to_owned()) };
    let (status, word) = if verdict.is_healthy() { (200, "ok") } else { (500, "error") };
    let Verdict { limits, errors, retries_failed } = verdict;
    let HealthLimits { errors_max, retries_failed_max, period_samples } = limits;
    let body = format!(
        concat!(
            r#"{{"status":"{word}","errors":{errors},"retries_failed":{retries_failed},"#,
            r#""error_limit":{errors_max},"retry_failure_limit":{retries_failed_max},"#,
            r#""period_limit":{period_samples}}}"#,
        ),
        word = word,
        errors = errors,
        retries_failed = retries_failed,
        errors_max = errors_max,
        retries_failed_max = retries_failed_max,
        period_samples = period_samples,
    );
    Reply { status, content_type: Some(JSON), body }
}

fn plugins_json(plugins: &Plugins) -> String {
    let lists = plugins.iter().map(|(what, names)| format!(r#""{what}":{names:?}"#));
    format!(r#"{{"plugins":{{{}}}}}"#, lists.collect::<Vec<_>>().join(","))
}

fn uptime(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    let count =
        |number: u64, unit: &str| format!("{number} {unit}{}", if number > 1 { "s" } else { "" });
    // Two spaces after the colon, as programs that read this text know it.
    let text = format!(
        "Fluent Bit has been running:  {}, {}, {} and {}",
        count(seconds / DAY_S, "day"),
        count(seconds % DAY_S / HOUR_S, "hour"),
        count(seconds % HOUR_S / MINUTE_S, "minute"),
        count(seconds % MINUTE_S, "second"),
    );
    format!(r#"{{"uptime_sec":{seconds},"uptime_hr":"{text}"}}"#)
}

/// The counters of one input, filter or output, in the order in which they are shown.
struct Instance {
    name: String,
    counters: Vec<(&'static str, u64)>,
}

/// Sections of `/api/v1/metrics` in their order there.
fn sections(telemetry: &Telemetry) -> [(&'static str, Vec<Instance>); 3] {
    let inputs = telemetry.inputs().into_iter().map(|input| Instance {
        name: input.name,
        counters: vec![("records", input.records), ("bytes", input.bytes)],
    });
    let filters = telemetry.filters().into_iter().map(|filter| Instance {
        name: filter.name,
        counters: vec![("drop_records", filter.drop_records), ("add_records", filter.add_records)],
    });
    let outputs = telemetry.outputs().into_iter().map(|output| Instance {
        name: output.name,
        counters: vec![
            ("proc_records", output.proc_records),
            ("proc_bytes", output.proc_bytes),
            ("errors", output.errors),
            ("retries", output.retries),
            ("retries_failed", output.retries_failed),
            ("dropped_records", output.dropped_records),
            ("retried_records", output.retried_records),
        ],
    });
    [("input", inputs.collect()), ("filter", filters.collect()), ("output", outputs.collect())]
}

/// A JSON object of pairs in their order; a map of `serde_json` would sort them.
struct Object<'a, T>(&'a [T]);

impl Serialize for Object<'_, (&'static str, u64)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl Serialize for Object<'_, Instance> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.iter();
        serializer.collect_map(entries.map(|one| (&one.name, Object(&one.counters))))
    }
}

impl Serialize for Object<'_, (&'static str, Vec<Instance>)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (section, instances) in self.0 {
            map.serialize_entry(section, &Object(instances))?;
        }
        map.end()
    }
}

#[expect(clippy::expect_used, reason = "maps of text to numbers always become JSON")]
fn metrics_json(telemetry: &Telemetry) -> String {
    serde_json::to_string(&Object(&sections(telemetry))).expect("text and numbers are JSON")
}

/// One counter over all its instances.
struct Family {
    metric: String,
    /// Instance and value.
    values: Vec<(String, u64)>,
}

/// Whether a sample says when it was taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stamps {
    /// Milliseconds since 1970 behind each counter, as the rules AWS ships expect.
    Milliseconds,
    None,
}

fn metrics_text(telemetry: &Telemetry, now: Instant, stamps: Stamps) -> String {
    let uptime = telemetry.uptime(now);
    let start_s = telemetry.start_unix();
    let now_ms = u128::from(start_s).saturating_mul(1_000).saturating_add(uptime.as_millis());
    let stamp = match stamps {
        Stamps::Milliseconds => format!(" {now_ms}"),
        Stamps::None => String::new(),
    };
    let mut text = String::new();
    for Family { metric, values } in families(telemetry) {
        head(&mut text, &metric, "counter", &metric_help(&metric));
        for (name, value) in values {
            let name = escape_label(&name);
            push(&mut text, format_args!("{metric}{{name=\"{name}\"}} {value}{stamp}\n"));
        }
    }
    if stamps == Stamps::None {
        for Gauge { metric, help, values } in storage::gauges(telemetry) {
            head(&mut text, metric, "gauge", help);
            for (name, value) in values {
                push(&mut text, format_args!("{metric}{} {value}\n", labels(name.as_deref())));
            }
        }
    }
    let seconds = uptime.as_secs();
    head(&mut text, "fluentbit_uptime", "counter", "Seconds since the start of the process.");
    push(&mut text, format_args!("fluentbit_uptime {seconds}\n"));
    let metric = "process_start_time_seconds";
    head(&mut text, metric, "gauge", "Start of the process, in seconds since 1970.");
    push(&mut text, format_args!("{metric} {start_s}\n"));
    head(&mut text, "fluentbit_build_info", "gauge", "Version of Fluent Bit that this imitates.");
    let labels = format!("version=\"{FLUENT_BIT_VERSION}\",edition=\"{EDITION}\"");
    push(&mut text, format_args!("fluentbit_build_info{{{labels}}} 1\n"));
    text
}

/// Each counter on a line of its own behind the time, as the text format of cmetrics has it.
fn metrics_lines(telemetry: &Telemetry, now: Instant) -> String {
    let since_1970 = Duration::from_secs(telemetry.start_unix()) + telemetry.uptime(now);
    let time = rfc3339(since_1970);
    let mut text = String::new();
    for Family { metric, values } in families(telemetry) {
        for (name, value) in values {
            let name = escape_label(&name);
            push(&mut text, format_args!("{time} {metric}{{name=\"{name}\"}} = {value}\n"));
        }
    }
    for Gauge { metric, values, .. } in storage::gauges(telemetry) {
        for (name, value) in values {
            let labels = labels(name.as_deref());
            push(&mut text, format_args!("{time} {metric}{labels} = {value}\n"));
        }
    }
    text
}

/// A time like `2023-11-14T22:13:20.000000000Z`.
fn rfc3339(since_1970: Duration) -> String {
    let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    let nanos = since_1970.subsec_nanos();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
}

/// Families sorted by metric, instances within them by name.
fn families(telemetry: &Telemetry) -> Vec<Family> {
    let mut lines = Vec::new();
    for (section, instances) in sections(telemetry) {
        for instance in instances {
            lines.extend(instance.counters.iter().map(|(counter, value)| {
                let metric = format!("fluentbit_{section}_{counter}_total");
                (metric, instance.name.clone(), *value)
            }));
        }
    }
    lines.sort();
    let mut families: Vec<Family> = Vec::new();
    for (metric, name, value) in lines {
        match families.last_mut() {
            Some(family) if family.metric == metric => family.values.push((name, value)),
            _first_or_another => families.push(Family { metric, values: vec![(name, value)] }),
        }
    }
    families
}

/// `fluentbit_output_retries_failed_total` → `Number of output retries failed.`
fn metric_help(metric: &str) -> String {
    let words = metric.trim_start_matches("fluentbit_").trim_end_matches("_total");
    format!("Number of {}.", words.replace('_', " "))
}

fn head(text: &mut String, metric: &str, kind: &str, help: &str) {
    push(text, format_args!("# HELP {metric} {help}\n# TYPE {metric} {kind}\n"));
}

/// The label of what is of one input; nothing for what is of the process.
fn labels(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("{{name=\"{}\"}}", escape_label(name)))
}

fn escape_label(name: &str) -> String {
    name.replace('\\', r"\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // A `String` takes whatever is written.
    let _infallible = text.write_fmt(line);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::ledger::Budget;
    use crate::telemetry::{FilterCounters, InputCounters, OutputCounters};

    use super::*;

    /// What AWS's FireLens image ships to turn these lines into metrics; the braces are escaped,
    /// because this engine does not take a lone one as itself.
    const AWS_REGEX: &str =
        r#"^(?<metric>[^ {}]*)\{name="(?<plugin>[^ {}"]*)"\} (?<value>[^ ]*) (?<time>[^ ]*)"#;

    fn start() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn telemetry(started: Instant) -> Telemetry {
        let since_1970 = Duration::from_secs(1_700_000_000);
        let mut telemetry = Telemetry::new(Budget::new(1), started, since_1970);
        let input = InputCounters::new("forward.0");
        input.records.add(9);
        input.bytes.add(252);
        let output = OutputCounters::new("http.1");
        output.retries.add(8);
        output.retried_records.add(8);
        telemetry.inputs.push(Arc::new(input));
        for name in ["grep.0", "a\"b\\"] {
            telemetry.filters.push(Arc::new(FilterCounters::new(name)));
        }
        telemetry.outputs.push(Arc::new(output));
        telemetry
    }

    const HEALTHY: Verdict = Verdict {
        limits: HealthLimits { errors_max: 5, retries_failed_max: 4, period_samples: 60 },
        errors: 5,
        retries_failed: 4,
    };
    const PLUGINS: Plugins =
        [("inputs", Vec::new()), ("filters", Vec::new()), ("outputs", Vec::new())];

    fn asked(path: &str, after: Duration, health: Option<Verdict>) -> Reply {
        let started = start();
        let telemetry = telemetry(started);
        let now = started + after;
        let plugins = &PLUGINS;
        reply(path, &Facts { telemetry: &telemetry, now, health, plugins, shows_storage: true })
    }

    fn body(path: &str, after: Duration) -> String {
        let reply = asked(path, after, Some(HEALTHY));
        assert_eq!(reply.status, 200, "{path}");
        reply.body
    }

    #[test]
    fn uptime_is_told_in_words() {
        let told = |seconds| body("/api/v1/uptime", Duration::from_secs(seconds));
        assert_eq!(
            told(10),
            r#"{"uptime_sec":10,"uptime_hr":"Fluent Bit has been running:  0 day, 0 hour, 0 minute and 10 seconds"}"#
        );
        assert_eq!(
            told(2 * 86_400 + 3_600 + 2 * 60 + 1),
            r#"{"uptime_sec":176521,"uptime_hr":"Fluent Bit has been running:  2 days, 1 hour, 2 minutes and 1 second"}"#
        );
    }

    #[test]
    fn the_root_names_the_version_that_is_imitated() {
        let about: serde_json::Value = serde_json::from_str(&body("/", Duration::ZERO)).unwrap();
        assert_eq!(about["fluent-bit"]["version"], "5.1.1");
        assert_eq!(about["fluent-bit"]["edition"], "Firelane");
        assert!(about["fluent-bit"]["flags"].is_array());
    }

    #[test]
    fn metrics_keep_the_order_of_fluent_bit() {
        assert_eq!(
            body("/api/v1/metrics", Duration::ZERO),
            concat!(
                r#"{"input":{"forward.0":{"records":9,"bytes":252}},"#,
                r#""filter":{"grep.0":{"drop_records":0,"add_records":0},"#,
                r#""a\"b\\":{"drop_records":0,"add_records":0}},"#,
                r#""output":{"http.1":{"proc_records":0,"proc_bytes":0,"errors":0,"retries":8,"#,
                r#""retries_failed":0,"dropped_records":0,"retried_records":8}}}"#,
            )
        );
    }

    #[test]
    fn prometheus_lines_carry_one_label_and_the_time_in_ms() {
        let text = body("/api/v1/metrics/prometheus", Duration::from_millis(1_500));
        let expected = concat!(
            "# HELP fluentbit_input_records_total Number of input records.\n",
            "# TYPE fluentbit_input_records_total counter\n",
            "fluentbit_input_records_total{name=\"forward.0\"} 9 1700000001500\n",
        );
        assert!(text.contains(expected), "{text}");
        let tail = concat!(
            "# TYPE fluentbit_uptime counter\n",
            "fluentbit_uptime 1\n",
            "# HELP process_start_time_seconds Start of the process, in seconds since 1970.\n",
            "# TYPE process_start_time_seconds gauge\n",
            "process_start_time_seconds 1700000000\n",
            "# HELP fluentbit_build_info Version of Fluent Bit that this imitates.\n",
            "# TYPE fluentbit_build_info gauge\n",
            "fluentbit_build_info{version=\"5.1.1\",edition=\"Firelane\"} 1\n",
        );
        assert!(text.ends_with(tail), "{text}");
    }

    #[test]
    fn version_2_has_the_same_lines_without_the_time() {
        let text = body("/api/v2/metrics/prometheus", Duration::ZERO);
        assert!(text.contains("\nfluentbit_input_records_total{name=\"forward.0\"} 9\n"), "{text}");
        let first = body("/api/v1/metrics/prometheus", Duration::ZERO);
        let is_of_storage = |line: &&str| line.contains("_storage_");
        let of_both = text.lines().filter(|line| !is_of_storage(line));
        let first = first.replace(" 1700000000000\n", "\n");
        assert_eq!(first.lines().collect::<Vec<_>>(), of_both.collect::<Vec<_>>());
        let gauge = "# TYPE fluentbit_storage_chunks gauge\nfluentbit_storage_chunks 0\n";
        assert!(text.contains(gauge), "{text}");
        let line = "\nfluentbit_input_storage_overlimit{name=\"forward.0\"} 0\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn prometheus_families_are_sorted_and_headed_once() {
        let text = body("/api/v1/metrics/prometheus", Duration::ZERO);
        let lines = |kind| text.lines().filter(move |line: &&str| line.starts_with(kind));
        let metrics: Vec<&str> =
            lines("fluentbit_").filter(|line| line.contains("_total")).collect();
        assert!(metrics.is_sorted(), "{text}");
        assert_eq!(metrics.len(), 2 + 2 * 2 + 7);
        assert_eq!(lines("# TYPE").count(), 2 + 2 + 7 + 3);
        assert!(text.contains(r#"fluentbit_filter_add_records_total{name="a\"b\\"} 0 "#), "{text}");
    }

    #[test]
    fn the_regex_that_aws_ships_takes_every_counter() {
        let regex = fancy_regex::Regex::new(AWS_REGEX).unwrap();
        let text = body("/api/v1/metrics/prometheus", Duration::ZERO);
        let lines = text.lines().filter(|line| line.contains("{name=") && !line.contains('\\'));
        let mut matched = 0;
        for line in lines {
            let found = regex.captures(line).unwrap().unwrap();
            assert!(found["metric"].ends_with("_total"), "{line}");
            assert!(found["value"].parse::<u64>().is_ok(), "{line}");
            assert_eq!(&found["time"], "1700000000000");
            matched += 1;
        }
        assert_eq!(matched, 2 + 2 + 7);
    }

    #[test]
    fn health_exists_only_where_it_is_configured() {
        let asked = |health| asked("/api/v1/health", Duration::ZERO, health);
        let sick = Verdict { errors: 6, ..HEALTHY };
        assert_eq!(asked(None), Reply::not_found());
        assert_eq!((asked(Some(HEALTHY)).status, asked(Some(HEALTHY)).body), (200, "ok\n".into()));
        assert_eq!((asked(Some(sick)).status, asked(Some(sick)).body), (500, "error\n".into()));
    }

    #[test]
    fn health_of_version_2_gives_numbers_and_is_always_there() {
        let asked = |health| asked("/api/v2/health", Duration::ZERO, health);
        let sick = asked(Some(Verdict { retries_failed: 5, ..HEALTHY }));
        let expected = concat!(
            r#"{"status":"error","errors":5,"retries_failed":5,"#,
            r#""error_limit":5,"retry_failure_limit":4,"period_limit":60}"#,
        );
        assert_eq!((sick.status, sick.body.as_str()), (500, expected));
        assert_eq!(asked(Some(HEALTHY)).status, 200);
        assert_eq!(asked(None).status, 200);
    }

    #[test]
    fn the_storage_is_told_of_unless_its_metrics_are_switched_off() {
        assert!(body("/api/v1/storage", Duration::ZERO).starts_with('{'));
        let (telemetry, now) = (telemetry(start()), start());
        let plugins = &PLUGINS;
        let facts =
            Facts { telemetry: &telemetry, now, health: None, plugins, shows_storage: false };
        assert_eq!(reply("/api/v1/storage", &facts), Reply::not_found());
    }

    #[test]
    fn plugins_are_listed_by_what_they_are() {
        let names = [("inputs", vec!["a", "b"]), ("filters", vec![]), ("outputs", vec!["null"])];
        let expected = r#"{"plugins":{"inputs":["a", "b"],"filters":[],"outputs":["null"]}}"#;
        assert_eq!(plugins_json(&names), expected);
    }

    #[test]
    fn metrics_of_version_2_have_a_line_each() {
        let text = body("/api/v2/metrics", Duration::from_millis(1_500));
        let line = "2023-11-14T22:13:21.500000000Z fluentbit_input_records_total{name=\"forward.0\"} = 9\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn any_other_path_is_not_found_and_empty() {
        for path in ["", "*", "//", "/api/v1/uptime/", "/api/v1", "/API/v1/uptime", "/metrics/"] {
            assert_eq!(asked(path, Duration::ZERO, Some(HEALTHY)), Reply::not_found());
        }
    }

    #[test]
    fn our_own_metrics_are_shown_as_they_are() {
        let body = body("/metrics", Duration::ZERO);
        let line = "\nfirelane_received_records_total{account=\"ingest\"} 0\n";
        assert!(body.contains(line), "{body}");
    }
}

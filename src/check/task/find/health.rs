//! Around the path, check: the router's health check: whether somebody answers what it asks.
//!
//! The command is looked at for what it calls, not run: URLs, `nc`, `/dev/tcp`, and Firelane's own
//! `healthcheck`.

use super::super::TaskScene;
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::socket::{Address, sockets};
use crate::config::HttpServer;

/// Paths that the monitoring server answers, beside those of the health check.
const PATHS: [&str; 10] = [
    "/",
    "/api/v1/uptime",
    "/api/v1/plugins",
    "/api/v1/metrics",
    "/api/v1/metrics/prometheus",
    "/api/v2/health",
    "/api/v2/metrics",
    "/api/v2/metrics/prometheus",
    "/api/v2/reload",
    "/metrics",
];
/// The path that judges the outputs, and is there with `Health_Check On` only.
const HEALTH_PATHS: [&str; 2] = ["/api/v1/health", "/api/v2/health"];
/// Programs of health checks that Firelane's image does not have.
const TOOLS_MISSING: [&str; 7] = ["wget", "netcat", "telnet", "pgrep", "pidof", "ps", "python3"];
/// Names of this host.
const LOCAL: [&str; 5] = ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "::1"];
/// Options of `nc` that are followed by a value.
const NC_OPTIONS_WITH_VALUE: [&str; 4] = ["-w", "-i", "-p", "-s"];
/// Most questions of one command that are looked at.
const QUESTIONS_MAX: usize = 16;

/// What a health check asks.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Question {
    /// A path of a server on this host.
    Http { port: u64, path: String },
    /// Whether somebody listens on a port of this host.
    Tcp { port: u64 },
}

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(command) = &scene.router.health_check else { return };
    let at = || At::Path(scene.router.at("healthCheck.command"));
    if let Some((what, advice)) = form(command) {
        findings.push(Finding::warning(Rule::HealthCheckForm, at(), what).advise(advice));
    }
    let text = command.iter().skip(1).cloned().collect::<Vec<_>>().join(" ");
    let text = if text.is_empty() { command.concat() } else { text };
    for tool in TOOLS_MISSING.iter().filter(|tool| calls(&text, tool)) {
        let what =
            format!("the health check calls {tool}, which the image of Firelane does not have");
        let finding = Finding::warning(Rule::HealthCheckTool, at(), what);
        findings.push(finding.advise("call curl or nc, or `firelane healthcheck`"));
    }
    // The external configuration may turn the server on.
    if scene.pipeline.is_none() || !scene.is_complete {
        return;
    }
    for question in questions(&text) {
        if let Some((what, advice)) = unanswered(scene, &question) {
            let finding = Finding::error(Rule::HealthCheckUnanswered, at(), what);
            findings.push(finding.advise(advice));
        } else if asks_outputs(&question) && scene.router.is_essential {
            let what =
                "the health check fails when CloudWatch Logs does, and the router is essential";
            let finding = Finding::note(Rule::HealthCheckOfOutputs, at(), what);
            findings
                .push(finding.advise("ask /api/v1/uptime, and watch the outputs by their metrics"));
        }
    }
}

fn form(command: &[String]) -> Option<(String, &'static str)> {
    let shell = "write [\"CMD-SHELL\", \"the whole command\"]";
    match command {
        [] => Some(("the health check has no command".to_owned(), shell)),
        [first, ..] if !["CMD", "CMD-SHELL", "NONE"].contains(&first.as_str()) => {
            // Not what: it may be the whole command, with secrets in it.
            Some(("the health check starts with neither CMD nor CMD-SHELL".to_owned(), shell))
        }
        [first, rest @ ..] if first == "CMD" && rest.iter().any(|word| is_of_shell(word)) => {
            Some(("the health check has words of a shell behind CMD".to_owned(), shell))
        }
        [first, _, more @ ..] if first == "CMD-SHELL" && !more.is_empty() => {
            Some(("the health check has several texts behind CMD-SHELL".to_owned(), shell))
        }
        _ => None,
    }
}

fn is_of_shell(word: &str) -> bool {
    ["||", "&&", "|", ";"].contains(&word.trim()) || word.contains(" || ") || word.contains(" | ")
}

/// Whether a command starts with a program: at its start or behind `|`, `;`, `&`, `(`.
fn calls(text: &str, program: &str) -> bool {
    text.split(['|', ';', '&', '(', '`']).any(|part| {
        let first = part.split_whitespace().next().unwrap_or_default();
        first == program || first.ends_with(&format!("/{program}"))
    })
}

fn questions(text: &str) -> Vec<Question> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("http://") {
        found.extend(url(after));
        rest = after;
    }
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || "|;&()'\"`".contains(c))
        .filter(|word| !word.is_empty())
        .collect();
    for (index, word) in words.iter().enumerate() {
        let after = words.get(index + 1..).unwrap_or_default();
        let program = word.rsplit('/').next().unwrap_or_default();
        match program {
            "nc" | "ncat" | "netcat" => found.extend(nc(after)),
            "healthcheck" => found.push(Question::Http {
                port: option(after, "--port").unwrap_or(u64::from(crate::cli::HEALTH_PORT)),
                path: "/api/v1/uptime".to_owned(),
            }),
            _ => {}
        }
        if let Some((_, rest)) = word.split_once("/dev/tcp/") {
            let mut parts = rest.splitn(2, '/');
            found.extend(tcp(parts.next(), parts.next()));
        }
    }
    found.truncate(QUESTIONS_MAX);
    found
}

/// What follows `http://`.
fn url(text: &str) -> Option<Question> {
    let end =
        text.find(|c: char| c.is_whitespace() || "'\"|;&)`".contains(c)).unwrap_or(text.len());
    let url = text.get(..end)?;
    let (authority, path) = match url.find('/') {
        Some(slash) => url.split_at_checked(slash)?,
        None => (url, "/"),
    };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, 80),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().to_owned();
    LOCAL.contains(&host).then_some(Question::Http { port, path })
}

/// The words behind `nc`.
fn nc(words: &[&str]) -> Option<Question> {
    let mut operands = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if NC_OPTIONS_WITH_VALUE.contains(word) {
            words.next();
        } else if !word.starts_with('-') {
            operands.push(*word);
        }
    }
    tcp(operands.first().copied(), operands.get(1).copied())
}

fn tcp(host: Option<&str>, port: Option<&str>) -> Option<Question> {
    let port = port?.parse().ok()?;
    LOCAL.contains(&host?).then_some(Question::Tcp { port })
}

fn option(words: &[&str], name: &str) -> Option<u64> {
    let at = words.iter().position(|word| *word == name)?;
    words.get(at + 1)?.parse().ok()
}

fn asks_outputs(question: &Question) -> bool {
    matches!(question, Question::Http { path, .. } if HEALTH_PATHS.contains(&path.as_str()))
}

/// Why a question gets no answer, and what to do; `None` if it gets one.
fn unanswered(scene: &TaskScene<'_>, question: &Question) -> Option<(String, String)> {
    let pipeline = scene.pipeline?;
    let server = pipeline.config.service.http_server.as_ref();
    match question {
        Question::Http { port, path } => of_server(server, *port, path),
        Question::Tcp { port } => {
            let sockets = sockets(pipeline);
            let mut ports = sockets.iter().filter_map(|socket| match &socket.address {
                Address::Tcp { port, .. } => Some(*port),
                Address::Unix(_) => None,
            });
            if ports.any(|listening| listening == *port) {
                return None;
            }
            let what = format!("the health check connects to port {port}, on which nobody listens");
            let advice = match (*port, scene.network.has_inputs()) {
                (8_877, false) => {
                    "in this network mode the agent makes no input there; ask the \
                                   monitoring server instead"
                }
                _ => "name a port that an input listens on",
            };
            Some((what, advice.to_owned()))
        }
    }
}

fn of_server(server: Option<&HttpServer>, port: u64, path: &str) -> Option<(String, String)> {
    let Some(server) = server else {
        let what = format!("the health check asks port {port}, and HTTP_Server is off");
        let advice = "use the external configuration \
                      /fluent-bit/configs/output-metrics-healthcheck.conf, or set HTTP_Server On in one";
        return Some((what, advice.to_owned()));
    };
    if u64::from(server.port) != port {
        let what = format!("the health check asks port {port}, and HTTP_Port is {}", server.port);
        return Some((what, format!("ask port {}", server.port)));
    }
    if !LOCAL.contains(&server.listen.as_str()) && server.listen != "::" {
        let what = format!("the health check asks this host, and HTTP_Listen is {}", server.listen);
        return Some((what, "set HTTP_Listen 127.0.0.1".to_owned()));
    }
    if path == "/api/v1/health" && server.health_check.is_none() {
        let what = format!("the health check asks {path}, which is not there without Health_Check");
        return Some((what, "set Health_Check On in [SERVICE]".to_owned()));
    }
    if !PATHS.contains(&path) && !HEALTH_PATHS.contains(&path) {
        let what = format!("the health check asks {path}, which is not there");
        return Some((what, "ask /api/v1/uptime".to_owned()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(port: u64, path: &str) -> Question {
        Question::Http { port, path: path.to_owned() }
    }

    #[test]
    fn what_a_command_asks_is_read_out_of_it() {
        let cases = [
            (
                "curl -f http://127.0.0.1:2020/api/v1/uptime || exit 1",
                vec![http(2020, "/api/v1/uptime")],
            ),
            (
                "curl -s 'http://localhost:2020/api/v1/health?x=1'|grep ok",
                vec![http(2020, "/api/v1/health")],
            ),
            ("curl http://localhost", vec![http(80, "/")]),
            ("curl http://example.com:2020/", vec![]),
            (
                "echo '{\"health\": \"check\"}' | nc 127.0.0.1 8877 || exit 1",
                vec![Question::Tcp { port: 8877 }],
            ),
            ("/bin/nc -z -w 2 localhost 24224", vec![Question::Tcp { port: 24224 }]),
            ("timeout 1 bash -c '</dev/tcp/127.0.0.1/8877'", vec![Question::Tcp { port: 8877 }]),
            ("/fluent-bit/bin/fluent-bit healthcheck --port 9", vec![http(9, "/api/v1/uptime")]),
            ("firelane healthcheck", vec![http(2020, "/api/v1/uptime")]),
            ("true", vec![]),
        ];
        for (text, expected) in cases {
            assert_eq!(questions(text), expected, "{text}");
        }
    }

    #[test]
    fn a_program_is_called_where_a_command_starts() {
        assert!(calls("wget -q x", "wget") && calls("true || /usr/bin/wget x", "wget"));
        assert!(!calls("echo wget", "wget") && !calls("wget2 x", "wget"));
    }

    #[test]
    fn the_form_is_that_of_docker() {
        let form = |words: &[&str]| {
            form(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>()).is_some()
        };
        assert!(!form(&["CMD-SHELL", "curl x || exit 1"]) && !form(&["CMD", "curl", "x"]));
        assert!(!form(&["NONE"]));
        assert!(form(&[]) && form(&["CMD-SHELL, curl x"]) && form(&["curl x"]));
        assert!(form(&["CMD", "curl", "x", "||", "exit 1"]) && form(&["CMD-SHELL", "curl", "x"]));
    }

    #[test]
    fn the_paths_are_those_that_the_monitoring_server_answers() {
        use crate::admin::routes::{Facts, reply};
        use crate::ledger::Budget;
        use crate::telemetry::Telemetry;
        let now = crate::clock::now();
        let telemetry = Telemetry::new(Budget::new(1), now, std::time::Duration::ZERO);
        let plugins = crate::config::plugin_names();
        let plugins = &plugins;
        let facts =
            Facts { telemetry: &telemetry, now, health: None, plugins, shows_storage: true };
        let is_there = |path: &str| reply(path, &facts).status != 404;
        assert!(PATHS.iter().all(|path| is_there(path)));
        assert!(!is_there("/api/v1/health"), "without Health_Check");
        assert!(!is_there("/healthz"));
    }

    proptest::proptest! {
        #[test]
        fn no_command_makes_it_panic(text in "[a-z0-9:/ |;&'\"é.-]{0,48}") {
            let _ = (questions(&text), calls(&text, "nc"));
        }
    }
}

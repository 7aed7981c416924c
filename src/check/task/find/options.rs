//! Around the path, check: the log options of the containers that use the router.

use super::super::TaskScene;
use super::super::document::{Container, LogConfiguration};
use super::super::generate::{
    DRIVER_BUFFER_LIMIT, EXCLUDE_PATTERN, EXTERNAL_TYPE, EXTERNAL_VALUE, INCLUDE_PATTERN, METADATA,
    OUTPUT_NAME,
};
use super::super::node::join;
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::shown::{is_secret_name, variables};
use crate::check::words::grouped;

/// Options that are for the agent and not for the output.
const OF_AGENT: [&str; 3] = [INCLUDE_PATTERN, EXCLUDE_PATTERN, DRIVER_BUFFER_LIMIT];
/// Options that belong into the router's `firelensConfiguration`.
const OF_ROUTER: [&str; 3] = [EXTERNAL_TYPE, EXTERNAL_VALUE, METADATA];
/// Options of the log driver `awslogs`, and what an output of CloudWatch Logs has in their place.
const OF_AWSLOGS: [(&str, &str); 4] = [
    ("awslogs-group", "log_group_name"),
    ("awslogs-region", "region"),
    ("awslogs-stream-prefix", "log_stream_prefix"),
    ("awslogs-create-group", "auto_create_group"),
];
/// Most events that `log-driver-buffer-limit` may name, see "FireLens example:
/// log-driver-buffer-limit" of aws-samples/amazon-ecs-firelens-examples.
pub(super) const DRIVER_BUFFER_EVENTS_MAX: u64 = 536_870_912;
/// Events below which a burst overflows the driver's buffer within its first second or so.
const DRIVER_BUFFER_EVENTS_MIN: u64 = 65_536;
/// Events of the driver's buffer where nothing is said.
const DRIVER_BUFFER_EVENTS_DEFAULT: u64 = 1_048_576;

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    for container in &scene.task.containers {
        let Some(log) = container.routed() else { continue };
        name(container, log, findings);
        spelling(log, findings);
        matching(container, log, findings);
        buffer_limit(container, log, findings);
        secrets(container, log, findings);
    }
}

fn at(log: &LogConfiguration, option: &str) -> At {
    At::Path(join(&join(&log.path, "options"), option))
}

fn name(container: &Container, log: &LogConfiguration, findings: &mut Vec<Finding>) {
    let options = log.options.keys().chain(log.secrets.keys());
    let of_output = options.filter(|option| !OF_AGENT.contains(&option.as_str()));
    let of_output: Vec<&String> = of_output.collect();
    if of_output.is_empty() || of_output.iter().any(|option| *option == OUTPUT_NAME) {
        return;
    }
    let like = of_output
        .iter()
        .find(|option| option.eq_ignore_ascii_case(OUTPUT_NAME) || option.as_str() == "@type");
    let finding = match like {
        Some(option) => {
            let what = format!("{} has an option {option}, and none {OUTPUT_NAME}", container.name);
            Finding::error(Rule::OptionName, at(log, option), what)
                .advise(format!("write {OUTPUT_NAME}, with a capital letter"))
        }
        None => {
            let what =
                format!("{} has options for an output, and no {OUTPUT_NAME}", container.name);
            Finding::error(Rule::OptionName, At::Path(join(&log.path, "options")), what)
                .advise(format!("add \"{OUTPUT_NAME}\": \"cloudwatch_logs\""))
        }
    };
    findings.push(finding);
}

/// Options that are meant for the agent, or for another log driver.
fn spelling(log: &LogConfiguration, findings: &mut Vec<Finding>) {
    let plain = |name: &str| -> String {
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|c| c.to_ascii_lowercase()).collect()
    };
    for option in log.options.keys().filter(|option| !OF_AGENT.contains(&option.as_str())) {
        let meant = OF_AGENT.iter().find(|known| plain(known) == plain(option)).copied();
        let of_awslogs =
            OF_AWSLOGS.iter().find(|(known, _)| known == option).map(|(_, ours)| *ours);
        let (what, advice) = match (meant, of_awslogs) {
            (Some(known), _) => {
                (format!("the agent knows no option {option}"), format!("write {known}"))
            }
            (None, Some(ours)) => {
                let what = format!("{option} is an option of the log driver awslogs");
                (what, format!("write {ours}"))
            }
            (None, None) if OF_ROUTER.contains(&option.as_str()) => {
                let what = format!("{option} is an option of the router");
                (what, "put it into the firelensConfiguration".to_owned())
            }
            (None, None) => continue,
        };
        findings.push(Finding::error(Rule::OptionSpelling, at(log, option), what).advise(advice));
    }
}

fn matching(container: &Container, log: &LogConfiguration, findings: &mut Vec<Finding>) {
    for (option, value) in &log.options {
        if option.eq_ignore_ascii_case("match") && *value != format!("{}-firelens*", container.name)
        {
            let what =
                format!("the option {option} of {} leads {value} to its output", container.name);
            let finding = Finding::warning(Rule::MatchOption, at(log, option), what);
            findings.push(finding.advise("leave it out"));
        }
    }
}

/// Events that the driver of a container may hold, if that is said and right.
pub(super) fn buffer_events(log: &LogConfiguration) -> Option<u64> {
    let limit = log.options.get(DRIVER_BUFFER_LIMIT)?.parse().ok()?;
    (limit <= DRIVER_BUFFER_EVENTS_MAX).then_some(limit)
}

fn buffer_limit(container: &Container, log: &LogConfiguration, findings: &mut Vec<Finding>) {
    let Some(text) = log.options.get(DRIVER_BUFFER_LIMIT) else { return };
    let at = at(log, DRIVER_BUFFER_LIMIT);
    match buffer_events(log) {
        None => {
            let what = format!("{DRIVER_BUFFER_LIMIT} of {} is {text:?}", container.name);
            let finding = Finding::error(Rule::DriverBufferLimit, at, what);
            let max = grouped(DRIVER_BUFFER_EVENTS_MAX);
            findings.push(finding.advise(format!("it is a whole number from 0 to {max}")));
        }
        Some(events) if events < DRIVER_BUFFER_EVENTS_MIN => {
            let what = format!(
                "the log driver of {} holds {} events, not bytes",
                container.name,
                grouped(events)
            );
            let finding = Finding::warning(Rule::DriverBufferLimit, at, what);
            let default = grouped(DRIVER_BUFFER_EVENTS_DEFAULT);
            findings.push(finding.advise(format!("leave it out for {default}, or name more")));
        }
        Some(_) => {}
    }
}

fn secrets(container: &Container, log: &LogConfiguration, findings: &mut Vec<Finding>) {
    for (option, value) in &log.options {
        if is_secret_name(option) && variables(value).is_empty() && !is_word(value) {
            let what = format!("the option {option} of {} is written out", container.name);
            let finding = Finding::warning(Rule::PlainSecret, at(log, option), what);
            findings.push(finding.advise("put it into secretOptions"));
        }
    }
}

/// `On` and the like: a switch that sounds like a secret, such as `Aws_Auth`.
fn is_word(value: &str) -> bool {
    ["true", "false", "on", "off", "yes", "no"].iter().any(|word| word.eq_ignore_ascii_case(value))
}

//! Around the path, check: the time between SIGTERM and SIGKILL.

use std::time::Duration;

use super::super::{Launch, TaskScene};
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::words::seconds;

/// Seconds that ECS waits unless `stopTimeout` says otherwise (`ECS_CONTAINER_STOP_TIMEOUT`).
const STOP_TIMEOUT_S_DEFAULT: u64 = 30;
/// Most seconds of `stopTimeout` on Fargate.
const STOP_TIMEOUT_S_MAX: u64 = 120;
/// What is kept of `stopTimeout` for the end itself.
const RESERVE: Duration = Duration::from_secs(2);
/// How much of `stopTimeout` may go unused: the default of `Grace` leaves as much of ECS' default.
const UNUSED_MAX: Duration = Duration::from_secs(5);

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let at = || At::Path(router.at("stopTimeout"));
    if let (Launch::Fargate, Some(stop)) = (scene.launch, router.stop_timeout_s)
        && stop > STOP_TIMEOUT_S_MAX
    {
        let what = format!("stopTimeout of {} is {stop} s", router.name);
        let finding = Finding::error(Rule::StopTimeout, at(), what);
        findings.push(finding.advise(format!("on Fargate it is at most {STOP_TIMEOUT_S_MAX}")));
    }
    // The external configuration may set Grace.
    let (Some(config), true) = (scene.config(), scene.is_complete) else { return };
    let grace = config.service.grace;
    let stop = Duration::from_secs(router.stop_timeout_s.unwrap_or(STOP_TIMEOUT_S_DEFAULT));
    let is_default = router.stop_timeout_s.is_none();
    let stop_shown = match is_default {
        true => format!("stopTimeout is {}, the default", seconds(stop)),
        false => format!("stopTimeout is {}", seconds(stop)),
    };
    let grace_shown = match grace {
        Duration::MAX => "Grace has no end".to_owned(),
        grace => format!("Grace is {}", seconds(grace)),
    };
    let fitting = stop.saturating_sub(RESERVE).max(Duration::from_secs(1));
    let set_grace =
        format!("set Grace {} in [SERVICE] of an external configuration", fitting.as_secs());
    if grace > stop {
        let what =
            format!("{grace_shown} and {stop_shown}: the router is killed while it delivers");
        findings.push(Finding::warning(Rule::StopTimeout, at(), what).advise(set_grace));
    } else if grace + RESERVE > stop {
        let what = format!("{grace_shown} and {stop_shown}: nothing is left for its last words");
        findings.push(Finding::note(Rule::StopTimeout, at(), what).advise(set_grace));
    } else if grace + UNUSED_MAX < stop && grace < fitting {
        let what = format!("{grace_shown} and {stop_shown}: what is not delivered by then is lost");
        let finding = match is_default {
            true => Finding::note(Rule::StopTimeout, at(), what),
            false => Finding::warning(Rule::StopTimeout, at(), what),
        };
        findings.push(finding.advise(set_grace));
    }
}

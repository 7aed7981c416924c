//! Around the path, check: what hurts about a task definition, one file a subject.
//!
//! Each function looks at the whole and adds what it finds; they do not know of each other.

mod containers;
mod external;
mod health;
mod memory;
mod options;
mod order;
mod place;
mod role;
mod router;
mod stop;

use super::TaskScene;
use super::document::{Container, Task};
use crate::check::finding::{At, Finding};
use crate::check::report::Report;
use crate::check::rule::Rule;
use crate::check::words::listed;

/// The container that routes logs, if there is one.
pub(super) fn router_of<'a>(task: &'a Task, findings: &mut Vec<Finding>) -> Option<&'a Container> {
    let routers: Vec<&Container> =
        task.containers.iter().filter(|container| container.firelens.is_some()).collect();
    let at = At::Path(task.path.clone());
    if routers.is_empty() {
        let sources: Vec<&str> = task
            .containers
            .iter()
            .filter(|container| container.routed().is_some())
            .map(|container| container.name.as_str())
            .collect();
        let what = match sources.as_slice() {
            [] => "no container has a firelensConfiguration: this task routes no logs".to_owned(),
            names => format!(
                "{} log through awsfirelens, but no container has a firelensConfiguration",
                listed(names)
            ),
        };
        let advice = "add a container with \"firelensConfiguration\": {\"type\": \"fluentbit\"}";
        findings.push(Finding::error(Rule::RouterMissing, at, what).advise(advice));
    } else if routers.len() > 1 {
        let names: Vec<&str> = routers.iter().map(|router| router.name.as_str()).collect();
        let what = format!("{} each have a firelensConfiguration", listed(&names));
        findings.push(Finding::error(Rule::RouterRepeated, at, what).advise("keep one of them"));
    }
    routers.first().copied()
}

/// Adds all that is found around the configuration.
pub(super) fn all(scene: &TaskScene<'_>, report: &mut Report) {
    let findings = &mut report.findings;
    place::find(scene, findings);
    router::find(scene, findings);
    external::find(scene, findings);
    options::find(scene, findings);
    memory::find(scene, findings);
    stop::find(scene, findings);
    health::find(scene, findings);
    order::find(scene, findings);
    containers::find(scene, findings);
    role::find(scene, report);
}

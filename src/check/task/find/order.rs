//! Around the path, check: which container waits for which.

use super::super::TaskScene;
use super::super::node::join;
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::words::listed;

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    for container in &scene.task.containers {
        for dependency in container.depends_on.iter().filter(|one| one.container == router.name) {
            let at = At::Path(join(&dependency.path, "condition"));
            let condition = dependency.condition.as_str();
            let (what, advice) = match condition {
                "HEALTHY" if router.health_check.is_none() => (
                    format!(
                        "{} waits until {} is healthy, which has no health check",
                        container.name, router.name
                    ),
                    "give it a healthCheck, or wait for START",
                ),
                "COMPLETE" | "SUCCESS" => (
                    format!("{} waits until {} has ended", container.name, router.name),
                    "wait for START or HEALTHY",
                ),
                _ => continue,
            };
            findings.push(Finding::error(Rule::DependsOn, at, what).advise(advice));
        }
    }
    if router.depends_on.is_empty() {
        return;
    }
    let unordered = scene.sources().filter(|container| {
        !container.depends_on.iter().any(|dependency| dependency.container == router.name)
    });
    let unordered: Vec<&str> = unordered.map(|container| container.name.as_str()).collect();
    if !unordered.is_empty() {
        let awaited: Vec<&str> =
            router.depends_on.iter().map(|dependency| dependency.container.as_str()).collect();
        let what = format!(
            "{} waits for {}, and {} does not wait for it",
            router.name,
            listed(&awaited),
            listed(&unordered)
        );
        let advice = format!(
            "give them \"dependsOn\": [{{\"containerName\": {:?}, \"condition\": \"START\"}}], or let \
             the router wait for nobody",
            router.name
        );
        let at = At::Path(router.at("dependsOn"));
        findings.push(Finding::warning(Rule::RouterDependsOn, at, what).advise(advice));
    }
}

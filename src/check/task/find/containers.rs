//! Around the path, check: containers whose logs are not routed.

use super::super::{Launch, TaskScene};
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let others = scene.task.containers.iter().filter(|one| one.index != scene.router.index);
    for container in others.filter(|container| container.log.is_none()) {
        let at = At::Path(container.at("logConfiguration"));
        let what = format!("{} has no log configuration", container.name);
        let finding = match scene.launch {
            Launch::Fargate => Finding::warning(Rule::ContainerWithoutLogs, at, what),
            // There Docker keeps them on the instance.
            Launch::Ec2 | Launch::External | Launch::ManagedInstances => {
                Finding::note(Rule::ContainerWithoutLogs, at, what)
            }
        };
        findings.push(finding.advise("give it the log driver awsfirelens or awslogs"));
    }
}

//! Around the path, check: what the roles of a task must be allowed.
//!
//! Names of actions: "Actions, resources, and condition keys for Amazon CloudWatch Logs", Service
//! Authorization Reference. Not known here: what the roles are allowed.

use super::pipeline::Scene;
use super::target::{flag, is_open, number};

/// Actions on a resource that a role must be allowed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission {
    /// `task role`, `execution role`, or the ARN of a role that is assumed.
    pub role: String,
    /// The actions.
    pub actions: Vec<&'static str>,
    /// What they are done to.
    pub resource: String,
}

/// The role that the processes of a task have.
pub(super) const TASK_ROLE: &str = "task role";
/// The role that the agent has when it prepares a task.
pub(super) const EXECUTION_ROLE: &str = "execution role";

impl Permission {
    pub(super) fn new(role: &str, actions: &[&'static str], resource: impl Into<String>) -> Self {
        Self { role: role.to_owned(), actions: actions.to_vec(), resource: resource.into() }
    }
}

/// What the outputs need.
pub(super) fn of_outputs(scene: &Scene<'_>) -> Vec<Permission> {
    let mut all = Vec::new();
    for output in scene.outputs_of_cloudwatch() {
        let get = |option| scene.shown.get(output, option);
        let role = match get("role_arn") {
            Some(role) => {
                add(&mut all, Permission::new(TASK_ROLE, &["sts:AssumeRole"], role.clone()));
                role
            }
            None => TASK_ROLE.to_owned(),
        };
        let mut actions = vec!["logs:PutLogEvents"];
        // Only `cloudwatch` has the option; the other always creates its streams.
        if output.get("auto_create_stream").is_none() || flag(output, "auto_create_stream") {
            actions.insert(0, "logs:CreateLogStream");
        }
        if flag(output, "auto_create_group") {
            actions.push("logs:CreateLogGroup");
            if number(output, "log_retention_days").is_some_and(|days| days > 0) {
                actions.push("logs:PutRetentionPolicy");
            }
            if get("new_log_group_tags").is_some() {
                actions.push("logs:TagResource");
            }
        }
        // Where a template or a $(...) gives nothing, the name beside it holds.
        let name = get("log_group_name").unwrap_or_else(|| "/ecs/<family>".to_owned());
        let beside = get("default_log_group_name").filter(|_| is_open(&name));
        for group in get("log_group_template").into_iter().chain([name]).chain(beside) {
            add(&mut all, Permission::new(&role, &actions, format!("log group {group}")));
        }
    }
    all
}

/// Adds what is new.
pub(super) fn add(all: &mut Vec<Permission>, permission: Permission) {
    let same = |known: &&mut Permission| {
        known.role == permission.role && known.resource == permission.resource
    };
    match all.iter_mut().find(same) {
        Some(known) => {
            let new =
                permission.actions.into_iter().filter(|action| !known.actions.contains(action));
            let new: Vec<_> = new.collect();
            known.actions.extend(new);
        }
        None => all.push(permission),
    }
}

//! Around the path, check: the task's roles, and secrets that make them needless or public.

use super::super::generate::{EXTERNAL_TYPE, EXTERNAL_VALUE};
use super::super::{Launch, TaskScene};
use super::external::object;
use crate::check::finding::{At, Finding};
use crate::check::permission::{EXECUTION_ROLE, Permission, TASK_ROLE, add};
use crate::check::report::Report;
use crate::check::rule::Rule;
use crate::check::shown::is_secret_name;
use crate::check::words::listed;

/// Variables that the SDK looks at before it asks for those of the task's role.
const CREDENTIALS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
/// The log driver whose group the agent's or Fargate's role writes to.
const AWSLOGS: &str = "awslogs";

pub(super) fn find(scene: &TaskScene<'_>, report: &mut Report) {
    let has_credentials = credentials(scene, &mut report.findings);
    let needs_role = report.permissions.iter().any(|permission| permission.role == TASK_ROLE);
    if scene.task.task_role.is_none() && needs_role && !has_credentials {
        report.findings.push(no_task_role(scene));
    }
    let needed = of_execution(scene);
    if scene.task.execution_role.is_none() && !needed.is_empty() {
        let reasons: Vec<&str> = needed.iter().map(|(reason, _)| reason.as_str()).collect();
        let at = At::Path(scene.at_task("executionRoleArn"));
        let what = format!("the task has no execution role, for {}", listed(&reasons));
        let finding = Finding::error(Rule::ExecutionRole, at, what);
        report.findings.push(finding.advise("set executionRoleArn"));
    }
    for permission in needed.into_iter().map(|(_, permission)| permission) {
        add(&mut report.permissions, permission);
    }
    plain(scene, &mut report.findings);
}

fn no_task_role(scene: &TaskScene<'_>) -> Finding {
    let at = At::Path(scene.at_task("taskRoleArn"));
    let advice = "set taskRoleArn to a role with the permissions below";
    let finding = match scene.launch {
        Launch::Ec2 => {
            let what = "the task has no role; the router gets that of the instance, if it is let";
            Finding::warning(Rule::TaskRole, at, what)
        }
        Launch::Fargate | Launch::External | Launch::ManagedInstances => {
            Finding::error(Rule::TaskRole, at, "the task has no role")
        }
    };
    finding.advise(advice)
}

/// What the agent needs before the task starts, and for what.
fn of_execution(scene: &TaskScene<'_>) -> Vec<(String, Permission)> {
    let mut needed = Vec::new();
    let options = scene.router.firelens.as_ref().map(|firelens| &firelens.options);
    let external =
        options.filter(|options| options.get(EXTERNAL_TYPE).is_some_and(|kind| kind == "s3"));
    if let Some(arn) = external.and_then(|options| options.get(EXTERNAL_VALUE)) {
        let reason = "the external configuration on S3".to_owned();
        let bucket = object(arn).map(|(bucket, _)| bucket).unwrap_or("BUCKET");
        let actions = ["s3:GetObject"];
        needed.push((reason.clone(), Permission::new(EXECUTION_ROLE, &actions, arn.clone())));
        let bucket = format!("arn:aws:s3:::{bucket}");
        needed.push((reason, Permission::new(EXECUTION_ROLE, &["s3:GetBucketLocation"], bucket)));
        needed.dedup_by(|one, other| one.1 == other.1);
    }
    let of_options = scene.task.containers.iter().filter_map(|one| one.log.as_ref());
    let has_secret_options = of_options.into_iter().any(|log| !log.secrets.is_empty());
    if has_secret_options || scene.task.containers.iter().any(|one| !one.secrets.is_empty()) {
        let actions = ["secretsmanager:GetSecretValue", "ssm:GetParameters"];
        let resource = "the secrets that the task names";
        needed.push(("secrets".to_owned(), Permission::new(EXECUTION_ROLE, &actions, resource)));
    }
    let mut drivers = scene.task.containers.iter().filter_map(|one| one.log.as_ref());
    if scene.launch == Launch::Fargate && drivers.any(|log| log.driver == AWSLOGS) {
        let actions = ["logs:CreateLogStream", "logs:PutLogEvents"];
        let resource = "the groups of the log driver awslogs";
        needed.push((
            "the log driver awslogs".to_owned(),
            Permission::new(EXECUTION_ROLE, &actions, resource),
        ));
    }
    needed
}

/// Whether the router has credentials of its own; they are a finding.
fn credentials(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) -> bool {
    let router = scene.router;
    let names = router.environment.keys().chain(&router.secrets);
    let found: Vec<&String> = names.filter(|name| CREDENTIALS.contains(&name.as_str())).collect();
    if !found.is_empty() {
        let at = At::Path(router.at("environment"));
        let what = format!("{} has {}", router.name, listed(&found));
        let finding = Finding::warning(Rule::StaticCredentials, at, what);
        findings.push(finding.advise("leave them out, and give the task a role"));
    }
    !found.is_empty()
}

/// Secrets of the router that are written out.
fn plain(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let names = router.environment.iter().filter(|(_, value)| !value.is_empty());
    let names: Vec<&String> =
        names.map(|(name, _)| name).filter(|name| is_secret_name(name)).collect();
    if !names.is_empty() {
        let at = At::Path(router.at("environment"));
        let what = format!("{} of {} is written out", listed(&names), router.name);
        let finding = Finding::warning(Rule::PlainSecret, at, what);
        findings.push(finding.advise("put it into secrets"));
    }
}

//! Around the path, check: the router's own container.

use super::super::TaskScene;
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::words::listed;
use crate::config::Part;

use super::super::GENERATED;
use super::super::Launch;

/// Parts of the names of images that hold Fluent Bit.
const FLUENT_BIT: [&str; 3] = ["fluent-bit", "fluentbit", "fluentd"];
/// Starts of the variables that the init image of AWS reads, in lower case.
const INIT: [&str; 2] = ["aws_fluent_bit_init_s3", "aws_fluent_bit_init_file"];
/// The folder of the router's socket.
const SOCKET_FOLDER: &str = "/var/run";
/// Options that name files or folders to write to.
const WRITTEN: [&str; 4] = ["storage.path", "storage.rejected.path", "db", "log_file"];
/// The first release of the agent that gives the socket's folder to another user than root, see
/// <https://github.com/aws/amazon-ecs-agent/blob/master/CHANGELOG.md>.
const AGENT_WITH_USERS: &str = "1.96.0";

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    kind(scene, findings);
    image(scene, findings);
    essential(scene, findings);
    own_log(scene, findings);
    idle(scene, findings);
    command(scene, findings);
    mounts(scene, findings);
    user(scene, findings);
    read_only(scene, findings);
}

fn kind(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(firelens) = &scene.router.firelens else { return };
    let kind = firelens.kind.as_deref();
    if kind != Some("fluentbit") {
        let at = At::Path(format!("{}.type", firelens.path));
        let what = match kind {
            Some(kind) => format!("the log router is of type {kind}"),
            None => "the log router has no type".to_owned(),
        };
        let finding = Finding::error(Rule::RouterType, at, what);
        findings.push(finding.advise("set \"type\": \"fluentbit\""));
    }
}

fn image(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let name = router.image.to_ascii_lowercase();
    if FLUENT_BIT.iter().any(|part| name.contains(part)) {
        let at = At::Path(router.at("image"));
        let what = format!("{} still runs {}", router.name, router.image);
        let finding = Finding::warning(Rule::RouterImage, at, what);
        findings.push(finding.advise("put the image of Firelane there"));
    }
    let variables = router.environment.keys().chain(&router.secrets);
    let variables: Vec<&String> = variables
        .filter(|name| {
            let name = name.to_ascii_lowercase();
            INIT.iter().any(|start| name.contains(start))
        })
        .collect();
    if !variables.is_empty() {
        let at = At::Path(router.at("environment"));
        let what = format!("{} name files of the init image", listed(&variables));
        let finding = Finding::warning(Rule::InitImage, at, what);
        let advice = "make one external configuration of them, and name it with config-file-value";
        findings.push(finding.advise(advice));
    }
}

fn essential(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    if !router.is_essential && !router.is_restarted {
        let at = At::Path(router.at("essential"));
        let what = format!("{} is not essential and has no restart policy", router.name);
        let finding = Finding::warning(Rule::RouterNotEssential, at, what);
        let advice = "set \"restartPolicy\": {\"enabled\": true}, or \"essential\": true";
        findings.push(finding.advise(advice));
    }
}

fn own_log(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let advice = "give it the log driver awslogs";
    match (&router.log, router.routed()) {
        (_, Some(log)) => {
            let at = At::Path(log.path.clone());
            let what = format!("{} sends its own log lines to itself", router.name);
            findings.push(Finding::warning(Rule::RouterLoop, at, what).advise(advice));
        }
        (None, None) => {
            let at = At::Path(router.at("logConfiguration"));
            let what = format!("{} has no log configuration", router.name);
            let finding = match scene.launch {
                Launch::Fargate => Finding::warning(Rule::RouterUnseen, at, what),
                // There Docker keeps them on the instance.
                Launch::Ec2 | Launch::External | Launch::ManagedInstances => {
                    Finding::note(Rule::RouterUnseen, at, what)
                }
            };
            findings.push(finding.advise(advice));
        }
        (Some(_), None) => {}
    }
}

/// Without containers that use it, it needs an input of its own.
fn idle(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(config) = scene.config() else { return };
    let generated = if scene.network.has_inputs() { 3 } else { 1 };
    if scene.is_complete && scene.sources().next().is_none() && config.inputs.len() <= generated {
        let at = At::Path(scene.task.path.clone());
        let what = "no container has the log driver awsfirelens";
        let advice = "set \"logDriver\": \"awsfirelens\" where logs are to be routed";
        findings.push(Finding::warning(Rule::RouterIdle, at, what).advise(advice));
    }
}

fn command(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let field = match (router.entry_point.as_slice(), router.command.as_slice()) {
        ([], []) => return,
        ([], _) => "command",
        (_, _) => "entryPoint",
    };
    let reads = |words: &[String]| words.iter().any(|word| word.contains(GENERATED));
    if reads(&router.command) || reads(&router.entry_point) {
        return;
    }
    // Not which: there may be secrets in it.
    let what = format!("{} has a {field} of its own", router.name);
    let finding = Finding::warning(Rule::CommandReplaced, At::Path(router.at(field)), what);
    let advice =
        format!("leave it out, or name {GENERATED} in it; check the other configuration too");
    findings.push(finding.advise(advice));
}

fn mounts(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    for path in &router.mounts {
        let plain = path.trim_end_matches('/');
        if plain == SOCKET_FOLDER || plain == "/run" || plain == GENERATED {
            let at = At::Path(router.at("mountPoints"));
            let what = format!("a volume is mounted at {path}, where the agent mounts its own");
            let finding = Finding::error(Rule::SocketHidden, at, what);
            findings.push(finding.advise("mount it elsewhere"));
        }
    }
}

fn user(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(user) = &scene.router.user else { return };
    let at = At::Path(scene.router.at("user"));
    let id = user.split(':').next().unwrap_or_default();
    match id.parse::<u32>() {
        Ok(0) => {}
        Ok(id) => {
            let what = format!(
                "the router runs as user {id}, which agents before {AGENT_WITH_USERS} cannot"
            );
            findings.push(Finding::note(Rule::RouterUser, at, what));
        }
        Err(_) => {
            let what = format!("the router's user is {user}");
            let finding = Finding::error(Rule::RouterUser, at, what);
            findings.push(finding.advise("name it by its number, as in \"1000\" or \"1000:1000\""));
        }
    }
}

fn read_only(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let (router, Some(pipeline)) = (scene.router, scene.pipeline) else { return };
    if !router.is_read_only {
        return;
    }
    let is_mounted = |path: &str| {
        let mut mounts = router.mounts.iter().map(String::as_str).chain([SOCKET_FOLDER]);
        mounts.any(|mount| {
            let rest = path.strip_prefix(mount.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    for section in &pipeline.config.origins.sections {
        let written = section.held.iter().filter(|held| WRITTEN.contains(&held.row.name));
        for held in written.filter(|held| held.place.is_some() && !is_mounted(&held.value)) {
            let name = match section.part {
                Part::Service => "the service",
                Part::Input | Part::Filter | Part::Output | Part::Processor => &section.name,
            };
            let what = format!(
                "{name} writes to {} {}, on a file system that is read-only",
                held.row.name,
                pipeline.shown.value(held)
            );
            let at = At::Path(router.at("readonlyRootFilesystem"));
            let finding = Finding::warning(Rule::ReadOnlyFileSystem, at, what);
            findings.push(finding.advise("mount a volume there"));
        }
    }
}

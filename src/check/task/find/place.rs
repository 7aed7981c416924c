//! Around the path, check: where the task runs: platform, network, ports.

use super::super::document::Container;
use super::super::{Launch, Network, TaskScene};
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::socket::{Address, Socket, sockets};

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    platform(scene, findings);
    network(scene, findings);
    ports(scene, findings);
}

fn platform(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let system = scene.task.operating_system.as_deref().unwrap_or_default();
    if system.to_ascii_uppercase().starts_with("WINDOWS") {
        let at = At::Path(scene.at_task("runtimePlatform.operatingSystemFamily"));
        let what = format!("the task runs on {system}");
        findings.push(Finding::error(Rule::Platform, at, what));
    }
}

fn network(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let at = At::Path(scene.at_task("networkMode"));
    let mode = scene.task.network_mode.as_deref();
    let shown = mode.unwrap_or("bridge, which is the default");
    if scene.launch == Launch::Fargate && mode != Some("awsvpc") {
        let what = format!("the task runs on Fargate with the network mode {shown}");
        let finding = Finding::error(Rule::FargateNetwork, at, what);
        findings.push(finding.advise("set \"networkMode\": \"awsvpc\""));
    } else if scene.network == Network::Other {
        let what = format!(
            "in the network mode {shown} the router has neither the input on port 24224 nor that on \
             8877, and applications get no FLUENT_HOST"
        );
        findings.push(Finding::note(Rule::NetworkWithoutInputs, at, what));
    }
}

/// Ports of other containers on which the router listens.
fn ports(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(pipeline) = scene.pipeline else { return };
    if scene.network != Network::Awsvpc {
        return;
    }
    let others = scene.task.containers.iter().filter(|one| one.index != scene.router.index);
    for (container, port) in others.flat_map(|one| one.ports.iter().map(move |port| (one, *port))) {
        for Socket { of, address, .. } in sockets(pipeline) {
            if matches!(&address, Address::Tcp { port: taken, .. } if *taken == port) {
                findings.push(taken(scene, container, port, &of));
            }
        }
    }
}

fn taken(scene: &TaskScene<'_>, container: &Container, port: u64, of: &str) -> Finding {
    let at = At::Path(container.at("portMappings"));
    let name = &container.name;
    let what = format!("{name} has port {port}, on which {of} of {} listens", scene.router.name);
    Finding::error(Rule::PortTaken, at, what).advise("give one of them another port")
}

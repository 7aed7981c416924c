//! Around the path, check: memory limits against what the router may need.

use super::super::TaskScene;
use super::super::document::Container;
use super::super::generate::buffer;
use super::options::buffer_events;
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::words::grouped;
use crate::config::Config;
use crate::memory::cost::MIB;
use crate::memory::worst_case;

/// More than any task has, in MiB.
const ENOUGH_MIB_MAX: u64 = 1 << 24;
/// A reservation that is this part of the limit, or less, is worth a word.
const SMALL_PARTS: u64 = 4;

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    limit(scene, findings);
    size(scene, findings);
    task(scene, findings);
}

/// The least limit with which all is buffered that the configuration allows.
fn enough_mib(config: &Config) -> u64 {
    let wanted = worst_case(config, None).budget_bytes;
    let is_enough = |mib: u64| {
        let case = worst_case(config, Some(mib.saturating_mul(MIB)));
        case.is_within_limit() && case.budget_bytes >= wanted
    };
    let (mut short, mut enough) = (0, ENOUGH_MIB_MAX);
    while enough - short > 1 {
        let middle = short + (enough - short) / 2;
        if is_enough(middle) { enough = middle } else { short = middle }
    }
    enough
}

fn limit(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(config) = scene.config() else { return };
    let router = scene.router;
    let (limit_mib, at, of) = match (router.memory_mib, scene.task.memory_mib) {
        (Some(memory), _) => (memory, router.at("memory"), "the container"),
        (None, Some(memory)) => (memory, scene.at_task("memory"), "the task"),
        (None, None) => return,
    };
    let enough = enough_mib(config);
    if limit_mib < enough {
        let case = worst_case(config, Some(limit_mib.saturating_mul(MIB)));
        let end = match case.is_within_limit() {
            true => format!("it buffers no more than {} bytes", grouped(case.budget_bytes)),
            false => "it may be killed".to_owned(),
        };
        let name = &router.name;
        let what = format!("{name} may need {enough} MiB, and {of} has {limit_mib} MiB: {end}");
        let advice = format!("give it at least {enough} MiB, or a smaller Mem_Buf_Limit");
        findings.push(Finding::warning(Rule::MemoryLimit, At::Path(at), what).advise(advice));
    }
}

/// The agent makes the buffer half of the reservation, however much more the container may use.
fn size(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let (megabytes, _) = buffer(router);
    // The external configuration may have an input with a larger one.
    let inputs = scene.config().map(|config| config.inputs.as_slice()).unwrap_or_default();
    let largest = inputs.iter().filter_map(|input| input.mem_buf_limit_bytes).max().unwrap_or(0);
    if !scene.is_complete || largest > megabytes.saturating_mul(1_000_000) {
        return;
    }
    let name = &router.name;
    let at = || At::Path(router.at("memoryReservation"));
    match (router.memory_reservation_mib, router.memory_mib) {
        (Some(reservation), Some(memory)) if reservation <= memory / SMALL_PARTS => {
            let what = format!(
                "{name} buffers {megabytes} MB, half of memoryReservation {reservation}, and may use \
                 {memory} MiB"
            );
            let finding = Finding::note(Rule::BufferSize, at(), what);
            findings.push(finding.advise(format!("set memoryReservation to {memory}")));
        }
        (None, None) => {
            let what = format!(
                "{name} buffers {megabytes} MB, because it has neither memoryReservation nor memory"
            );
            let finding = Finding::note(Rule::BufferSize, at(), what);
            findings.push(finding.advise("set memoryReservation to twice what it is to buffer"));
        }
        _ => {}
    }
}

/// The log drivers' buffers count too.
fn task(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(memory) = scene.task.memory_mib else { return };
    let wanted = |container: &Container| {
        container.memory_mib.or(container.memory_reservation_mib).unwrap_or(0)
    };
    let drivers: u64 = scene
        .sources()
        .filter_map(Container::routed)
        .filter_map(buffer_events)
        .map(|limit| limit.div_ceil(MIB))
        .sum();
    let containers = scene.task.containers.iter().map(wanted).fold(0, u64::saturating_add);
    if drivers > 0 && containers.saturating_add(drivers) > memory {
        let what = format!(
            "the containers want {containers} MiB and the buffers of their log drivers {drivers} MiB, \
             the task has {memory} MiB"
        );
        let at = At::Path(scene.at_task("memory"));
        let finding = Finding::warning(Rule::TaskMemory, at, what);
        findings.push(finding.advise("give the task more, or set log-driver-buffer-limit lower"));
    }
}

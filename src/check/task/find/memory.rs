//! Around the path, check: memory limits against what the router may need.

use super::super::TaskScene;
use super::super::document::Container;
use super::super::generate::buffer;
use super::options::buffer_events;
use crate::check::finding::{At, Finding};
use crate::check::rule::Rule;
use crate::check::words::grouped;
use crate::config::Config;
use crate::output::cloudwatch_logs::delivery::IN_FLIGHT_MAX;
use crate::output::cloudwatch_logs::limits::BATCH_BYTES_MAX;

const MIB: u64 = 1_024 * 1_024;
/// What the program itself takes, as `benches/README.md` measures it.
const PROGRAM_BYTES: u64 = 10_000_000;
/// A reservation that is this part of the limit, or less, is worth a word.
const SMALL_PARTS: u64 = 4;

pub(super) fn find(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    limit(scene, findings);
    size(scene, findings);
    task(scene, findings);
}

/// What the router may need at most: what waits, what is on its way, and itself.
fn needed_bytes(scene: &TaskScene<'_>) -> Option<u64> {
    let pipeline = scene.pipeline?;
    let outputs = u64::try_from(pipeline.outputs_of_cloudwatch().count()).ok()?;
    let on_its_way = u64::try_from(IN_FLIGHT_MAX * BATCH_BYTES_MAX).ok()?;
    let waiting = pipeline.config.budget_bytes();
    Some(waiting.saturating_add(outputs.saturating_mul(on_its_way)).saturating_add(PROGRAM_BYTES))
}

fn limit(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let Some(needed) = needed_bytes(scene) else { return };
    let router = scene.router;
    let (limit_mib, at, of) = match (router.memory_mib, scene.task.memory_mib) {
        (Some(memory), _) => (memory, router.at("memory"), "the container"),
        (None, Some(memory)) => (memory, scene.at_task("memory"), "the task"),
        (None, None) => return,
    };
    if needed > limit_mib.saturating_mul(MIB) {
        let what = format!(
            "{} may need {} bytes, and {of} has {limit_mib} MiB",
            router.name,
            grouped(needed)
        );
        let enough = needed.div_ceil(MIB);
        let advice = format!("give it at least {enough} MiB, or a smaller Mem_Buf_Limit");
        findings.push(Finding::warning(Rule::MemoryLimit, At::Path(at), what).advise(advice));
    }
}

/// The agent makes the buffer half of the reservation, however much more the container may use.
fn size(scene: &TaskScene<'_>, findings: &mut Vec<Finding>) {
    let router = scene.router;
    let (megabytes, _) = buffer(router);
    // The external configuration may have an input with a larger one.
    let budget = scene.config().map_or(0, Config::budget_bytes);
    if !scene.is_complete || budget > megabytes.saturating_mul(1_000_000) {
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

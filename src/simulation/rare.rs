//! What a seed has besides: several inputs, limits of theirs, markers, long runs, disks that stay as
//! they are, crashes at an ack.
//!
//! Drawn from a chance of its own, so that what is drawn here leaves the rest of a seed as it is.

use std::time::Duration;

use fastrand::Rng;

use super::scenario::{BUDGETS_BYTES, Dead, STORE_AMPLE_BYTES, Scenario, ms, one_in};
use super::store_plan::{CrashTime, DiskFault, StorePlan};
use crate::option::RetryLimit;
use crate::output::cloudwatch_logs::delivery::Limits;
use crate::spill::Crash;

/// Frames of a peer in a long run.
const LONG_FRAMES: usize = 300;
/// Acks of a run until it crashes, at most.
const CRASH_ACKS_MAX: usize = 12;

/// An input.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputPlan {
    pub(super) speaks: Speaks,
    /// Its `Mem_Buf_Limit`.
    pub(super) bytes_max: Option<u64>,
    /// Whether all that it reads is written before it is acknowledged.
    pub(super) is_durable: bool,
}

/// What is spoken to an input.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Speaks {
    Forward,
    Http,
}

/// Draws it for a scenario that has the rest.
pub(super) fn add(scenario: &mut Scenario, seed: u64) {
    let chance = &mut Rng::with_seed(!seed);
    let is_durable = scenario.store.as_ref().is_some_and(|store| store.is_durable);
    scenario.inputs = vec![InputPlan { is_durable, ..input(scenario, chance) }];
    if chance.bool() {
        let speaks = if chance.bool() { Speaks::Http } else { Speaks::Forward };
        scenario.inputs.push(InputPlan { speaks, ..input(scenario, chance) });
    }
    for peer in &mut scenario.peers {
        peer.input = chance.usize(..scenario.inputs.len());
    }
    for output in &mut scenario.outputs {
        output.has_markers = one_in(chance, 3);
    }
    if one_in(chance, 40)
        && let Some(peer) = scenario.peers.first_mut()
    {
        peer.frames = LONG_FRAMES;
        peer.pause_ms_max = peer.pause_ms_max.min(1_000);
    }
    if one_in(chance, 10) {
        press(scenario, chance.bool());
    }
    let is_durable = scenario.inputs.iter().any(|input| input.is_durable);
    if let Some(store) = &mut scenario.store {
        damage(store, is_durable, chance);
    }
}

fn input(scenario: &Scenario, chance: &mut Rng) -> InputPlan {
    let bytes_max = one_in(chance, 3).then(|| chance.choice(BUDGETS_BYTES).expect("some"));
    let is_durable = scenario.store.is_some() && chance.bool();
    InputPlan { speaks: Speaks::Forward, bytes_max, is_durable }
}

/// A flood, little memory, and a service that is not there for longer than attempts are made: nothing
/// may be given up while the disk has room, and what waits for one that takes nothing goes on without.
fn press(scenario: &mut Scenario, is_dead: bool) {
    let Some(store) = &mut scenario.store else { return };
    (store.bytes_max, store.faults) = (STORE_AMPLE_BYTES, Vec::new());
    scenario.budget_bytes = BUDGETS_BYTES[0];
    if is_dead {
        store.faults.push((Duration::ZERO, DiskFault::Dies));
        scenario.retry_limit = RetryLimit::Unlimited;
    } else {
        scenario.retry_limit = RetryLimit::Retries(1);
        // What is given up and taken all the same afterwards comes out of order.
        scenario.service.shares.late = 0.0;
    }
    scenario.service.dead = Some((Duration::ZERO, scenario.service.until, Dead::Refusing));
    scenario.inputs.iter_mut().for_each(|input| input.bytes_max = None);
    scenario.outputs.iter_mut().for_each(|output| output.limits = Limits::default());
    if let Some(peer) = scenario.peers.first_mut() {
        (peer.frames, peer.lines_max, peer.burst) = (40, 6, 8);
        peer.text_bytes_max = peer.text_bytes_max.max(1_000);
    }
}

fn damage(store: &mut StorePlan, is_durable: bool, chance: &mut Rng) {
    if one_in(chance, 4) {
        store.faults.retain(|(_, fault)| *fault != DiskFault::Heals);
    }
    // What an ack promises is there from that moment on.
    if store.survives && is_durable && one_in(chance, 3) {
        let crash = if chance.bool() { Crash::Unsynced } else { Crash::Within(usize::MAX) };
        store.crash = Some((CrashTime::AfterAcks(chance.usize(1..=CRASH_ACKS_MAX)), crash));
        if chance.bool() {
            let healed = ms(chance.u64(500..10_000));
            store.faults.extend([(Duration::ZERO, DiskFault::Dies), (healed, DiskFault::Heals)]);
            store.faults.sort_by_key(|(at, _)| *at);
        }
    }
}

//! Around the path, check: the numbers that bound what is held, what is sent, and how long it takes.
//!
//! Not known here: who keeps to them.

use std::time::Duration;

use super::finding::At;
use super::pipeline::Scene;
use super::section::{Origin, origin};
use crate::config::Part;
use crate::memory;
use crate::output::cloudwatch_logs::delivery::IN_FLIGHT_MAX;
use crate::output::cloudwatch_logs::limits::{
    BATCH_BYTES_MAX, BATCH_EVENTS_MAX, MESSAGE_BYTES_MAX,
};

/// Where the limits of the service come from.
const OF_THE_SERVICE: &str = "CloudWatch Logs";
/// Where the limits of Firelane itself come from.
const OF_FIRELANE: &str = "Firelane";

/// A number that bounds something.
#[derive(Clone, Debug)]
pub struct Limit {
    /// Its name in the report for programs.
    pub name: &'static str,
    /// What it bounds, for people.
    pub what: &'static str,
    /// The number; `None` is without end.
    pub value: Option<u64>,
    /// What it counts: `bytes`, `seconds`, or nothing.
    pub unit: &'static str,
    /// Who says so.
    pub origin: String,
}

/// The limits of a configuration.
pub(super) fn limits(scene: &Scene<'_>) -> Vec<Limit> {
    let memory = memory::worst_case(scene.config, scene.memory_bytes);
    let mut limits = vec![
        Limit {
            name: "memory_bytes",
            what: "records that wait in memory",
            value: Some(memory.budget_bytes),
            unit: "bytes",
            origin: budget_origin(scene),
        },
        Limit {
            name: "resident_bytes",
            what: "all that is in memory",
            value: Some(memory.bytes()),
            unit: "bytes",
            origin: OF_FIRELANE.to_owned(),
        },
    ];
    if scene.outputs_of_cloudwatch().next().is_some() {
        let of = |name, what, value, unit, origin: &str| {
            let value = u64::try_from(value).ok();
            Limit { name, what, value, unit, origin: origin.to_owned() }
        };
        limits.extend([
            of("event_bytes", "a log event", MESSAGE_BYTES_MAX, "bytes", OF_THE_SERVICE),
            of("batch_bytes", "a request", BATCH_BYTES_MAX, "bytes", OF_THE_SERVICE),
            of("batch_events", "log events of a request", BATCH_EVENTS_MAX, "", OF_THE_SERVICE),
            of("requests_on_their_way", "requests on their way", IN_FLIGHT_MAX, "", OF_FIRELANE),
        ]);
    }
    let grace = scene.config.service.grace;
    limits.push(Limit {
        name: "grace_seconds",
        what: "delivering after SIGTERM",
        value: (grace != Duration::MAX).then_some(grace.as_secs()),
        unit: "seconds",
        origin: setting_origin(scene, Part::Service, 0, "grace"),
    });
    limits
}

/// The input whose `Mem_Buf_Limit` counts, if it is one.
fn budget_origin(scene: &Scene<'_>) -> String {
    let limits = scene.config.inputs.iter().enumerate();
    let mut limits = limits.filter(|(_, input)| input.mem_buf_limit_bytes.is_some());
    match (limits.next(), limits.next()) {
        (Some((index, _)), None) => setting_origin(scene, Part::Input, index, "mem_buf_limit"),
        (Some(_), Some(_)) => "Mem_Buf_Limit of the inputs".to_owned(),
        (None, _) => "default".to_owned(),
    }
}

fn setting_origin(scene: &Scene<'_>, part: Part, index: usize, option: &str) -> String {
    let section = scene.config.origins.section(part, index);
    let held = section.and_then(|section| section.get(option));
    match held.and_then(|held| origin(held, scene.locate)) {
        Some(Origin { at: At::Whole, .. }) | None => "default".to_owned(),
        Some(origin) => origin.to_string(),
    }
}

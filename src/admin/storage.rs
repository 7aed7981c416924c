//! Turns what is said of memory and disk into the bodies of the monitoring paths. Pure.
//!
//! Shapes and names are Fluent Bit's (`src/http_server/api/v1/storage.c`, and the metrics of
//! `src/flb_storage.c`). Chunks are counted where they wait, which is at the outputs; of an input its
//! memory is known, and the numbers of its chunks are 0.

use serde_json::Value;

use crate::telemetry::{InputMemory, Telemetry};

/// A number that goes up and down, of the process or of inputs.
pub(super) struct Gauge {
    pub(super) metric: &'static str,
    pub(super) help: &'static str,
    /// Each with the input it is of, if it is of one.
    pub(super) values: Vec<(Option<String>, u64)>,
}

/// Chunks of all outputs by where they are.
#[derive(Clone, Copy, Debug, Default)]
struct Chunks {
    memory: u64,
    disk: u64,
    /// Of those on disk the ones that are in memory, too.
    up: u64,
}

impl Chunks {
    fn of(telemetry: &Telemetry) -> Self {
        telemetry.outputs.iter().fold(Self::default(), |sum, output| {
            let storage = &output.storage;
            let disk = storage.chunks.get();
            Self {
                memory: sum.memory + storage.memory_chunks.get(),
                disk: sum.disk + disk,
                // Written one after the other: never more are up than there are.
                up: sum.up + storage.chunks_up.get().min(disk),
            }
        })
    }

    const fn total(self) -> u64 {
        self.memory + self.disk
    }

    const fn down(self) -> u64 {
        self.disk - self.up
    }
}

/// The body of `/api/v1/storage`, in the order of Fluent Bit's; a map of `serde_json` would sort.
pub(super) fn body(telemetry: &Telemetry) -> String {
    let Chunks { memory, disk, up } = Chunks::of(telemetry);
    let (total, down) = (memory + disk, disk - up);
    let none = size(0);
    let inputs = telemetry.inputs.iter().map(|input| {
        let memory = input.memory();
        let (name, is_over) = (Value::from(input.name.as_str()), memory.is_over);
        let (held, limit) = (size(memory.bytes), size(memory.bytes_max.unwrap_or(0)));
        format!(
            concat!(
                r#"{name}:{{"status":{{"overlimit":{is_over},"mem_size":"{held}","#,
                r#""mem_limit":"{limit}"}},"chunks":{{"total":0,"up":0,"down":0,"busy":0,"#,
                r#""busy_size":"{none}"}}}}"#,
            ),
            name = name,
            is_over = is_over,
            held = held,
            limit = limit,
            none = none,
        )
    });
    let inputs = inputs.collect::<Vec<_>>().join(",");
    format!(
        concat!(
            r#"{{"storage_layer":{{"chunks":{{"total_chunks":{total},"mem_chunks":{memory},"#,
            r#""fs_chunks":{disk},"fs_chunks_up":{up},"fs_chunks_down":{down}}}}},"#,
            r#""input_chunks":{{{inputs}}}}}"#,
        ),
        total = total,
        memory = memory,
        disk = disk,
        up = up,
        down = down,
        inputs = inputs,
    )
}

/// The metrics of version 2.
pub(super) fn gauges(telemetry: &Telemetry) -> Vec<Gauge> {
    let chunks = Chunks::of(telemetry);
    let of_all = |metric, help, value| Gauge { metric, help, values: vec![(None, value)] };
    let of_inputs = |metric, help, value: fn(InputMemory) -> u64| {
        let inputs = telemetry.inputs.iter();
        let values = inputs.map(|input| (Some(input.name.clone()), value(input.memory())));
        Gauge { metric, help, values: values.collect() }
    };
    vec![
        of_inputs(
            "fluentbit_input_storage_memory_bytes",
            "Memory bytes used by the chunks.",
            |one| one.bytes,
        ),
        of_inputs(
            "fluentbit_input_storage_overlimit",
            "Is the input memory usage overlimit ?.",
            |one| u64::from(one.is_over),
        ),
        of_all(
            "fluentbit_storage_chunks",
            "Total number of chunks in the storage layer.",
            chunks.total(),
        ),
        of_all("fluentbit_storage_fs_chunks", "Total number of filesystem chunks.", chunks.disk),
        of_all(
            "fluentbit_storage_fs_chunks_down",
            "Total number of filesystem chunks down.",
            chunks.down(),
        ),
        of_all(
            "fluentbit_storage_fs_chunks_up",
            "Total number of filesystem chunks up.",
            chunks.up,
        ),
        of_all("fluentbit_storage_mem_chunks", "Total number of memory chunks.", chunks.memory),
    ]
}

/// Bytes as Fluent Bit writes them for people: `252b`, then one digit behind the point, of powers of
/// 1,024 (`flb_utils_bytes_to_human_readable_size`).
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["K", "M", "G", "T", "P", "E"];
    if bytes < 1_024 {
        return format!("{bytes}b");
    }
    let (mut unit, mut whole) = (UNITS[0], 1_024_u64);
    for next in UNITS.into_iter().skip(1) {
        if bytes / whole < 1_024 {
            break;
        }
        (unit, whole) = (next, whole.saturating_mul(1_024));
    }
    let tenths = (u128::from(bytes) * 10 + u128::from(whole) / 2) / u128::from(whole);
    format!("{}.{}{unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::clock;
    use crate::ledger::Budget;
    use crate::telemetry::{InputCounters, OutputCounters};

    fn telemetry() -> Telemetry {
        let budget = Budget::new(1_000_000);
        let mut telemetry = Telemetry::new(budget.clone(), clock::now(), Duration::ZERO);
        for (name, limit) in [("forward.0", Some(200_000)), ("tcp.1", None)] {
            let mut input = InputCounters::new(name);
            input.budget = Some(budget.within(0, limit.unwrap_or(1_000_000)));
            input.bytes_max = limit;
            telemetry.inputs.push(Arc::new(input));
        }
        for (memory, disk, up) in [(1, 9, 4), (2, 0, 0)] {
            let output = OutputCounters::new("http.0");
            output.storage.memory_chunks.set(memory);
            output.storage.chunks.set(disk);
            output.storage.chunks_up.set(up);
            telemetry.outputs.push(Arc::new(output));
        }
        telemetry
    }

    #[test]
    fn the_storage_layer_is_told_as_fluent_bit_tells_it() {
        let telemetry = telemetry();
        let part = telemetry.inputs[0].budget.clone().expect("it has one");
        let share = part.try_take(150_000).expect("free");
        let found: Value = serde_json::from_str(&body(&telemetry)).expect("JSON");
        let chunks = json!({"total": 0, "up": 0, "down": 0, "busy": 0, "busy_size": "0b"});
        let expected = json!({
            "storage_layer": {"chunks": {"total_chunks": 12, "mem_chunks": 3, "fs_chunks": 9,
                "fs_chunks_up": 4, "fs_chunks_down": 5}},
            "input_chunks": {
                "forward.0": {"status": {"overlimit": true, "mem_size": "146.5K",
                    "mem_limit": "195.3K"}, "chunks": chunks},
                "tcp.1": {"status": {"overlimit": false, "mem_size": "0b", "mem_limit": "0b"},
                    "chunks": chunks},
            },
        });
        assert_eq!(found, expected);
        drop(share);
        assert!(!body(&telemetry).contains("true"));
    }

    #[test]
    fn gauges_have_the_names_of_version_2() {
        let gauges = gauges(&telemetry());
        let value = |metric| {
            let found = gauges.iter().find(|gauge| gauge.metric == metric).expect(metric);
            found.values.clone()
        };
        assert_eq!(value("fluentbit_storage_fs_chunks_down"), [(None, 5)]);
        assert_eq!(value("fluentbit_storage_chunks"), [(None, 12)]);
        let inputs = value("fluentbit_input_storage_memory_bytes");
        assert_eq!(inputs[0], (Some("forward.0".to_owned()), 0));
        assert!(gauges.iter().map(|gauge| gauge.metric).is_sorted());
    }

    #[test]
    fn sizes_have_one_digit_behind_the_point_and_powers_of_1024() {
        for (bytes, text) in [
            (0, "0b"),
            (1_023, "1023b"),
            (1_024, "1.0K"),
            (1_536, "1.5K"),
            (25_000_000, "23.8M"),
            (1 << 30, "1.0G"),
            (u64::MAX, "16.0E"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }
}

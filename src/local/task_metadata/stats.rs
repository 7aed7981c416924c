//! Docker statistics of a made-up container: counters that grow with time, so that rates can be
//! taken between two samples. Must not know tasks.

use std::time::Duration;

use serde_json::{Value, json};

use crate::local::date;

/// Time between two samples: the agent caches one that long.
const SAMPLE_NANOS: u128 = 10_000_000_000;
/// CPU time used per second of life: a tenth of a core.
const CPU_NANOS_PER_SECOND: u64 = 100_000_000;
/// Bytes received per second of life.
const RECEIVED_BYTES_PER_SECOND: u64 = 1_000;
const CORES: u64 = 2;

/// The statistics at `now` of a container that started at `started`, in the form of cgroup v2;
/// `None` before the first sample.
pub(super) fn sample(
    id: &str,
    name: &str,
    interface: &str,
    started: Duration,
    now: Duration,
) -> Option<Value> {
    let samples = now.checked_sub(started)?.as_nanos() / SAMPLE_NANOS;
    let at = |number: u128| -> Option<(Duration, u64)> {
        let nanos = u64::try_from(number.checked_mul(SAMPLE_NANOS)?).ok()?;
        let age = Duration::from_nanos(nanos);
        Some((started + age, age.as_secs()))
    };
    let (read, seconds) = at(samples)?;
    let (preread, earlier) = at(samples.checked_sub(1)?)?;
    let received = seconds * RECEIVED_BYTES_PER_SECOND;
    Some(json!({
        "read": date::rfc3339(read),
        "preread": date::rfc3339(preread),
        "name": name,
        "id": id,
        "num_procs": 0,
        "pids_stats": {"current": 3},
        "cpu_stats": cpu(seconds),
        "precpu_stats": cpu(earlier),
        "memory_stats": {
            "usage": 20_971_520,
            "limit": 9_223_372_036_854_771_712_u64,
            "stats": {"inactive_file": 4_194_304, "active_file": 1_048_576, "anon": 12_582_912},
        },
        "blkio_stats": {
            "io_service_bytes_recursive": [
                {"major": 259, "minor": 0, "op": "read", "value": 4_096},
                {"major": 259, "minor": 0, "op": "write", "value": seconds * 512},
            ],
        },
        "networks": {
            interface: {
                "rx_bytes": received, "rx_packets": seconds, "rx_errors": 0, "rx_dropped": 0,
                "tx_bytes": received / 2, "tx_packets": seconds, "tx_errors": 0, "tx_dropped": 0,
            },
        },
        "network_rate_stats": {
            "rx_bytes_per_sec": RECEIVED_BYTES_PER_SECOND,
            "tx_bytes_per_sec": RECEIVED_BYTES_PER_SECOND / 2,
        },
    }))
}

fn cpu(seconds: u64) -> Value {
    let used = seconds * CPU_NANOS_PER_SECOND;
    json!({
        "cpu_usage": {
            "total_usage": used,
            "usage_in_kernelmode": used / 4,
            "usage_in_usermode": used - used / 4,
        },
        "system_cpu_usage": seconds * 1_000_000_000 * CORES,
        "online_cpus": CORES,
        "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_cached_and_grow() {
        let started = Duration::from_secs(1_000);
        let take =
            |seconds| sample("i", "n", "eth0", started, started + Duration::from_secs(seconds));
        assert_eq!(take(9), None);
        assert_eq!(sample("i", "n", "eth0", started, Duration::ZERO), None);
        assert_eq!(take(10), take(19));
        let (first, second) = (take(10).unwrap(), take(20).unwrap());
        assert_eq!(first["read"], second["preread"]);
        let used =
            |sample: &Value| sample["cpu_stats"]["cpu_usage"]["total_usage"].as_u64().unwrap();
        assert_eq!(used(&second) - used(&first), 10 * CPU_NANOS_PER_SECOND);
    }
}

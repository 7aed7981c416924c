//! Samples → records in CloudWatch's embedded metric format, one a sample. Pure.
//!
//! The fields, their order and the dimensions are those in which Fluent Bit's `cloudwatch_logs` sends
//! metrics (`cmt_encode_cloudwatch_emf.c`); only its unit, "Counter", is one that CloudWatch has not.
//! Reference: CloudWatch's user guide, "Specification: Embedded metric format".

use crate::record::chunk::Entries;
use crate::record::edit::EntriesWriter;
use crate::record::msgpack::Writer;
use crate::record::time::EventTime;
use crate::telemetry::sample::{MetricKind, Sample};

const NAMESPACE: &[u8] = b"fluentbit";
/// Seconds for which CloudWatch keeps one number.
const RESOLUTION_S: u64 = 60;

/// The records of these samples; a sample of the process has the machine's name, if there is one.
#[must_use]
pub fn records(samples: &[Sample], hostname: Option<&str>, now: EventTime) -> Entries {
    let mut entries = EntriesWriter::default();
    for sample in samples {
        entries.write(now, |out| record(sample, hostname, now, out));
    }
    entries.finish()
}

fn record(sample: &Sample, hostname: Option<&str>, now: EventTime, out: &mut Vec<u8>) {
    let Sample { metric, kind, instance, value } = sample;
    let dimension = match instance {
        Some(name) => Some(("name", name.as_str())),
        None => hostname.map(|name| ("hostname", name)),
    };
    let mut record = Writer::new(out);
    record.map_header(3 + u32::from(dimension.is_some()));
    record.str(b"_aws");
    record.map_header(2);
    record.str(b"Timestamp");
    record.int(now.as_millis());
    record.str(b"CloudWatchMetrics");
    record.array_header(1);
    record.map_header(3);
    record.str(b"Namespace");
    record.str(NAMESPACE);
    record.str(b"Dimensions");
    record.array_header(1);
    record.array_header(u32::from(dimension.is_some()));
    if let Some((key, _)) = dimension {
        record.str(key.as_bytes());
    }
    record.str(b"Metrics");
    record.array_header(1);
    let is_counter = *kind == MetricKind::Counter;
    record.map_header(2 + u32::from(is_counter));
    record.str(b"Name");
    record.str(metric.as_bytes());
    if is_counter {
        record.str(b"Unit");
        record.str(b"Count");
    }
    record.str(b"StorageResolution");
    record.uint(RESOLUTION_S);
    if let Some((key, name)) = dimension {
        record.str(key.as_bytes());
        record.str(name.as_bytes());
    }
    record.str(b"prom_metric_type");
    record.str(if is_counter { b"counter" } else { b"gauge" });
    record.str(metric.as_bytes());
    // Metrics are doubles to CloudWatch: counters beyond 2^53 may be off by a few.
    record.f64(*value as f64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::json_out;

    fn texts(samples: &[Sample], hostname: Option<&str>) -> Vec<String> {
        let entries = records(samples, hostname, EventTime::from_nanos(1_700_000_000_123_456_789));
        let text = |(time, record): (EventTime, &[u8])| {
            assert_eq!(time.as_millis(), 1_700_000_000_123);
            let mut out = Vec::new();
            json_out::write(record, &mut out).expect("a record");
            String::from_utf8(out).expect("text")
        };
        entries.iter().map(text).collect()
    }

    fn sample(metric: &'static str, kind: MetricKind, instance: Option<&str>) -> Sample {
        Sample { metric, kind, instance: instance.map(str::to_owned), value: 12 }
    }

    #[test]
    fn a_counter_of_an_instance_is_what_fluent_bit_sends_but_for_the_unit() {
        let counter = sample("fluentbit_input_records_total", MetricKind::Counter, Some("tcp.0"));
        let expected = concat!(
            r#"{"_aws":{"Timestamp":1700000000123,"CloudWatchMetrics":[{"Namespace":"fluentbit","#,
            r#""Dimensions":[["name"]],"Metrics":[{"Name":"fluentbit_input_records_total","#,
            r#""Unit":"Count","StorageResolution":60}]}]},"name":"tcp.0","#,
            r#""prom_metric_type":"counter","fluentbit_input_records_total":12.0}"#,
        );
        assert_eq!(texts(&[counter], Some("h")), [expected]);
    }

    #[test]
    fn a_number_of_the_process_has_the_name_of_its_machine_if_there_is_one() {
        let gauge = [sample("g", MetricKind::Gauge, None)];
        let expected = |dimensions: &str, name: &str| {
            format!(
                concat!(
                    r#"{{"_aws":{{"Timestamp":1700000000123,"CloudWatchMetrics":[{{"#,
                    r#""Namespace":"fluentbit","Dimensions":[{}],"Metrics":[{{"Name":"g","#,
                    r#""StorageResolution":60}}]}}]}},{}"prom_metric_type":"gauge","g":12.0}}"#,
                ),
                dimensions, name
            )
        };
        assert_eq!(
            texts(&gauge, Some("host-1")),
            [expected(r#"["hostname"]"#, r#""hostname":"host-1","#)]
        );
        assert_eq!(texts(&gauge, None), [expected("[]", "")]);
    }
}

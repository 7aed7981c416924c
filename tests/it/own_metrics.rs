//! The input `fluentbit_metrics`: our counters at CloudWatch Logs, past all filters.

use serde_json::{Value, json};

use crate::rig::{World, wait_for};

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
[INPUT]
    Name dummy
    Tag d
    Samples 1
    Flush_On_Startup on
[INPUT]
    Name fluentbit_metrics
    Tag m
    scrape_interval 1
[FILTER]
    Name grep
    Match m
    Exclude prom_metric_type .
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
";

fn metrics(world: &World) -> Vec<Value> {
    let events = world.cloudwatch().events("g", "s-m");
    events.iter().map(|(_, message)| serde_json::from_str(message).expect("JSON")).collect()
}

#[tokio::test]
async fn our_counters_arrive_in_the_embedded_metric_format_whatever_filters_say() {
    let running = World::start().await.run(CONFIG).await;
    let records = |metric: &Value| metric.get("fluentbit_input_records_total").cloned();
    wait_for("the count of the other input", || {
        let all = metrics(&running.world);
        all.iter().any(|one| one["name"] == "dummy.0" && records(one) == Some(json!(1.0)))
    })
    .await;
    let world = running.stop_well().await;
    let all = metrics(&world);
    let uptime = all.iter().find(|one| one.get("fluentbit_uptime").is_some()).expect("an uptime");
    let expected = json!([{
        "Namespace": "fluentbit",
        "Dimensions": [[]],
        "Metrics": [{"Name": "fluentbit_uptime", "Unit": "Count", "StorageResolution": 60}],
    }]);
    assert_eq!(uptime["_aws"]["CloudWatchMetrics"], expected, "without a host name");
    let scrapes = |one: &&Value| one.get("fluentbit_input_metrics_scrapes_total").is_some();
    assert!(all.iter().any(|one| scrapes(&one)));
}

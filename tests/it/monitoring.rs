//! What health checks and scrapers ask: answered whatever the data path does, and true at every
//! moment.

use std::collections::BTreeMap;

use firelane::local::cloudwatch_logs::{Fault, Rule};

use crate::rig::peer::{Peer, get};
use crate::rig::{Running, World, all_arrived, in_time, wait_for};

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
    HTTP_Server On
    HTTP_Listen 127.0.0.1
    HTTP_Port 0
    Health_Check On
    HC_Errors_Count 1
    HC_Retry_Failure_Count 1
    HC_Period 5
[INPUT]
    Name forward
    Mem_Buf_Limit 1000000
    Listen 127.0.0.1
    Port 0
[FILTER]
    Name grep
    Match *
    Exclude log seq=[0-9]*7\\s
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
    Retry_Limit no_limits
[OUTPUT]
    Name null
    Match b
";
/// Everything that is asked here.
const PATHS: [&str; 6] = [
    "/",
    "/api/v1/uptime",
    "/api/v1/health",
    "/api/v1/metrics",
    "/api/v1/metrics/prometheus",
    "/metrics",
];

/// The samples of a scrape by name and labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

async fn ask(running: &Running, path: &str) -> (u16, String) {
    let address = running.admin.expect("a monitoring server");
    in_time(path, get(address, path)).await
}

async fn scrape(running: &Running) -> Samples {
    let (status, text) = ask(running, "/metrics").await;
    assert_eq!(status, 200);
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

/// `name{label="value",…} 7`
fn sample(line: &str) -> ((String, BTreeMap<String, String>), f64) {
    let (series, value) = line.rsplit_once(' ').expect("a value");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').expect("closed");
    let pairs = labels.split(',').filter_map(|pair| pair.split_once('='));
    let labels = pairs.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()));
    ((name.to_owned(), labels.collect()), value.parse().expect("a number"))
}

/// The sum of a family over one account.
fn sum(samples: &Samples, name: &str, account: &str) -> f64 {
    let of =
        |labels: &BTreeMap<String, String>| labels.get("account").is_some_and(|a| a == account);
    let found = samples.iter().filter(|((family, labels), _)| family == name && of(labels));
    found.map(|(_, value)| value).sum()
}

fn account_balances(samples: &Samples, account: &str) -> f64 {
    let of = |name| sum(samples, name, account);
    let received = of("firelane_received_records_total");
    let ended = of("firelane_delivered_records_total")
        + of("firelane_merged_records_total")
        + of("firelane_dropped_records_total");
    let held = of("firelane_held_records");
    assert_eq!(received, ended + held, "{account}");
    received
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_that_health_checks_use_is_answered() {
    let running = World::start().await.run(CONFIG).await;
    for path in PATHS {
        let (status, body) = ask(&running, path).await;
        assert_eq!(status, 200, "{path}");
        assert!(!body.is_empty(), "{path}");
    }
    let (_, uptime) = ask(&running, "/api/v1/uptime").await;
    let uptime: serde_json::Value = serde_json::from_str(&uptime).expect("JSON");
    assert!(uptime["uptime_sec"].is_u64() && uptime["uptime_hr"].is_string(), "{uptime}");
    assert_eq!(ask(&running, "/api/v1/health").await.1, "ok\n");
    assert_eq!(ask(&running, "/nothing").await.0, 404);
    running.stop_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_fluent_bits_prometheus_path_are_as_its_users_parse_them() {
    let running = World::start().await.run(CONFIG).await;
    let mut peer = Peer::tcp(running.address(0), "a").await.tagged("b");
    peer.send(100).await.expect("connected");
    wait_for("the answer", || running.output(0).delivered == 90).await;
    let (_, text) = ask(&running, "/api/v1/metrics/prometheus").await;
    for line in text.lines().filter(|line| line.contains("{name=")) {
        // name{name="plugin"} value time
        let (name, rest) = line.split_once("{name=\"").expect("one label");
        let (plugin, rest) = rest.split_once("\"} ").expect("its end");
        let numbers: Vec<u64> =
            rest.split(' ').map(|number| number.parse().expect("a number")).collect();
        assert!(name.starts_with("fluentbit_") && !plugin.is_empty(), "{line}");
        assert_eq!(numbers.len(), 2, "{line}");
    }
    for start in [
        "fluentbit_input_records_total{name=\"forward.0\"} 100 ",
        "fluentbit_output_proc_records_total{name=\"cloudwatch_logs.0\"} 90 ",
    ] {
        assert!(text.contains(start), "{start} is not in\n{text}");
    }
    running.stop_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_of_every_scrape_under_load_balances() {
    const RECORDS: u64 = 10_000;
    const SCRAPES: usize = 50;
    let world = World::start().await;
    let failing = Rule { probability: Some(0.3), ..Rule::always(Fault::InternalFailure) };
    world.faults(vec![failing, Rule { delay_ms: 30, ..Rule::always(Fault::Slow) }]);
    let running = world.run(CONFIG).await;
    let mut senders = tokio::task::JoinSet::new();
    for id in ["a", "b"] {
        let mut peer = Peer::tcp(running.address(0), id).await.tagged(id);
        senders.spawn(async move {
            for _ in 0..100 {
                peer.send(RECORDS / 100).await.expect("not cut off");
                tokio::time::sleep(crate::rig::LOOK).await;
            }
        });
    }
    let (mut scrapes, mut in_between) = (0, 0);
    let mut before = 0.0;
    while scrapes < SCRAPES || !senders.is_empty() {
        let samples = scrape(&running).await;
        let received = account_balances(&samples, "ingest");
        for account in ["cloudwatch_logs.0", "null.1"] {
            account_balances(&samples, account);
        }
        assert!(received >= before, "a counter only grows");
        before = received;
        scrapes += 1;
        let held = sum(&samples, "firelane_held_records", "cloudwatch_logs.0");
        in_between += usize::from(held > 0.0 && received < 2.0 * RECORDS as f64);
        while senders.try_join_next().is_some_and(|ended| ended.is_ok()) {}
    }
    assert!(in_between > SCRAPES / 10, "most were under load: {in_between} of {scrapes}");
    // One number in ten ends with a 7.
    let wanted = 2 * RECORDS / 10 * 9;
    running.arrived(wanted).await;
    wait_for("the answers", || running.output(0).held == 0).await;
    let samples = scrape(&running).await;
    assert_eq!(account_balances(&samples, "ingest"), 2.0 * RECORDS as f64);
    assert_eq!(
        sum(&samples, "firelane_delivered_records_total", "cloudwatch_logs.0"),
        wanted as f64
    );
    let filtered = ("account".to_owned(), "ingest".to_owned());
    let reason = ("reason".to_owned(), "filtered".to_owned());
    let series = ("firelane_dropped_records_total".to_owned(), [filtered, reason].into());
    assert_eq!(samples.get(&series), Some(&(2.0 * RECORDS as f64 / 10.0)));
    running.stop_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_answered_while_every_input_waits() {
    const RECORDS: u64 = 3_000;
    let world = World::start().await;
    world.faults(vec![Rule::always(Fault::ResetBefore)]);
    let running =
        world.run(&CONFIG.replace("Exclude log seq=[0-9]*7\\s", "Exclude log nothing")).await;
    let mut peer = Peer::tcp(running.address(0), "a").await.padded(1_000);
    let sending = tokio::spawn(async move { peer.send(RECORDS).await });
    let input = running.telemetry.inputs.first().cloned().expect("an input");
    wait_for("a reader that waits", || input.waits.get() > 0).await;
    for path in PATHS {
        assert_eq!(ask(&running, path).await.0, 200, "{path}");
    }
    let samples = scrape(&running).await;
    let used = samples.get(&("firelane_budget_used_bytes".to_owned(), BTreeMap::new()));
    assert!(used.is_some_and(|used| *used > 800_000.0), "{used:?}");
    running.world.faults(Vec::new());
    in_time("the sender", sending).await.expect("no panic").expect("not cut off");
    running.arrived(RECORDS).await;
    let received = running.stop_well().await.received();
    assert_eq!(all_arrived(&received, &["a"], RECORDS), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_turns_bad_with_what_is_refused_and_good_again_after_its_period() {
    let text = CONFIG.replace("Retry_Limit no_limits", "Retry_Limit no_retries");
    let world = World::start().await;
    world.faults(vec![Rule { skip: 1, next: Some(3), ..Rule::always(Fault::InternalFailure) }]);
    let running = world.run(&text).await;
    let health = async |status| {
        in_time("health", async {
            while ask(&running, "/api/v1/health").await.0 != status {
                tokio::time::sleep(crate::rig::LOOK).await;
            }
        })
        .await;
    };
    health(200).await;
    for stream in ["a", "b", "c", "d", "e"] {
        let mut peer = Peer::tcp(running.address(0), stream).await.tagged(stream);
        peer.send(1).await.expect("connected");
    }
    health(500).await;
    health(200).await;
    let output = running.output(0);
    assert!(output.lost() >= 3, "given up, and the account says so: {output}");
    let (account, _) = running.stop(std::time::Duration::from_secs(30)).await;
    assert_eq!(account.lost(), output.lost());
}

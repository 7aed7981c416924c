//! The output as a whole, against the strict local endpoint.

use std::net::{Ipv4Addr, SocketAddr};

use super::config::{Config, Defaults};
use super::delivery::Limits;
use super::sender::Encoding;
use super::*;
use crate::chunk::fixture::{Fields, chunk};
use crate::lifecycle::stop_channel;
use crate::local;
use crate::local::cloudwatch_logs::{
    ACCESS_KEY_ID, Fault, FaultPlan, OperationName, Options as Endpoint, Rule, SECRET_ACCESS_KEY,
};
use crate::option::{Options, Policy, RetryLimit, section, tables};

/// Records are of the present: the endpoint takes no others.
fn endpoint() -> local::Options {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let cloudwatch_logs = Some(Endpoint { any_age: true, ..Endpoint::new(address) });
    local::Options { cloudwatch_logs, ..local::Options::default() }
}

/// An output that compresses its requests.
async fn compressing(url: &str) -> (CloudwatchLogs, Arc<OutputCounters>) {
    let (output, counters) = output(url, Limits::default()).await;
    (CloudwatchLogs { encoder: Arc::new(Encoder::new(Encoding::Gzip)), ..output }, counters)
}

fn plan(url: &str) -> Plan {
    let lines = [
        ("region", "eu-west-1"),
        ("endpoint", url),
        ("log_group_name", "g"),
        ("log_stream_name", "other"),
        ("log_stream_template", "$s"),
        ("log_key", "n"),
        ("auto_create_group", "true"),
    ];
    let shared = &[config::ADDRESS, tables::TLS];
    let mut options = Options::read(section(&lines), config::OPTIONS, shared, Policy::Plugin);
    Plan::from(Config::from_options(&mut options, &Defaults::default()).expect("right options"))
}

async fn output(url: &str, limits: Limits) -> (CloudwatchLogs, Arc<OutputCounters>) {
    let counters = Arc::new(OutputCounters::new("out"));
    let around = Surroundings {
        counters: Arc::clone(&counters),
        snapshot: watch::channel(None).1,
        flush: Duration::from_millis(10),
        alarm: Alarm::default(),
        retry_limit: RetryLimit::Unlimited,
        enrich: None,
        keys: Some(Keys {
            id: ACCESS_KEY_ID.to_owned(),
            secret: SECRET_ACCESS_KEY.to_owned(),
            token: None,
        }),
        seed: 7,
    };
    let mut output =
        CloudwatchLogs::new(plan(url), around, Limits::default()).await.expect("right settings");
    output.delivery = Delivery::new(
        Settings {
            flush: Duration::from_millis(10),
            retry_limit: RetryLimit::Unlimited,
            messages: plan(url).messages,
            limits,
            loss_markers: false,
            seed: 7,
        },
        Arc::clone(&counters),
    );
    (output, counters)
}

/// However few parts and streams may wait: every record arrives in its stream, in order, and the
/// buffer is emptied.
#[tokio::test]
async fn what_finds_no_room_is_sent_when_there_is_some() {
    for (parts, streams) in [(1, 1), (3, 100), (100, 3), (5, 4)] {
        let running = local::start(endpoint()).await.expect("the local endpoint");
        let url = running.cloudwatch_logs_url().expect("the endpoint");
        let (output, counters) = output(&url, Limits { parts, streams }).await;
        let buffer = Arc::new(Buffer::default());
        let names: Vec<String> = (0..7).map(|stream| format!("s{stream}")).collect();
        for round in 0..3_usize {
            let numbers: Vec<_> = (0..20).map(|record| (round * 20 + record).to_string()).collect();
            let pairs: Vec<_> = numbers
                .iter()
                .enumerate()
                .map(|(at, number)| [("s", names[at % 7].as_str()), ("n", number.as_str())])
                .collect();
            let records: Vec<Fields<'_>> = pairs.iter().map(<[_; 2]>::as_slice).collect();
            buffer.push(chunk(&counters.account, "t", &records));
        }
        buffer.close();
        let (_sender, stop) = stop_channel();
        output.run(Arc::clone(&buffer), stop).await;
        let handle = running.cloudwatch_logs().expect("the endpoint");
        for (at, name) in names.iter().enumerate() {
            let events = handle.events("g", name).into_iter();
            let mut found: Vec<usize> =
                events.map(|(_, message)| message.parse().expect("a number")).collect();
            let expected: Vec<_> = (0..60).filter(|number| number % 20 % 7 == at).collect();
            // Within a request events are in the order of their time, which starts anew with each
            // chunk.
            found.sort_unstable();
            assert_eq!(found, expected, "{name} with {parts} parts and {streams} streams");
        }
        let balance = counters.account.balance();
        assert_eq!((balance.received, balance.delivered, balance.held), (60, 60, 0));
        running.shutdown().await;
    }
}

#[tokio::test]
async fn what_waits_for_room_at_the_end_is_counted_as_left() {
    // Nobody answers there.
    let (output, counters) = output("http://127.0.0.1:1", Limits { parts: 1, streams: 1 }).await;
    let buffer = Arc::new(Buffer::default());
    let records: [Fields<'_>; 3] =
        [&[("s", "a"), ("n", "1")], &[("s", "b"), ("n", "2")], &[("s", "c"), ("n", "3")]];
    buffer.push(chunk(&counters.account, "t", &records));
    buffer.push(chunk(&counters.account, "t", &records));
    buffer.close();
    let (sender, stop) = stop_channel();
    sender.stop(clock::now(), Duration::from_millis(600));
    output.run(buffer, stop).await;
    let balance = counters.account.balance();
    assert_eq!((balance.received, balance.left(), balance.held), (6, 6, 0));
}

/// Three records for one stream.
fn three(counters: &OutputCounters) -> Arc<Buffer> {
    let records: [Fields<'_>; 3] =
        [&[("s", "a"), ("n", "1")], &[("s", "a"), ("n", "2")], &[("s", "a"), ("n", "3")]];
    let buffer = Arc::new(Buffer::default());
    buffer.push(chunk(&counters.account, "t", &records));
    buffer.close();
    buffer
}

#[tokio::test]
async fn what_is_on_its_way_at_the_deadline_is_in_doubt_once_it_was_written() {
    let running = local::start(endpoint()).await.expect("the local endpoint");
    let handle = running.cloudwatch_logs().expect("the endpoint");
    let rules = vec![Rule::always(Fault::NeverAnswer)];
    handle.set_faults(FaultPlan { seed: 1, rules }).expect("a valid plan");
    // A handshake that nobody answers is not a request.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = (format!("https://{}", silent.local_addr().expect("an address")), silent);
    let url = running.cloudwatch_logs_url().expect("the endpoint");
    for (url, in_doubt) in [(silent.0, 0), (url, 3)] {
        let (output, counters) = output(&url, Limits::default()).await;
        let buffer = three(&counters);
        let (sender, stop) = stop_channel();
        let running = tokio::spawn(output.run(buffer, stop));
        while counters.requests.get() == 0 || (in_doubt > 0 && handle.account().faults.is_empty()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        sender.stop(clock::now(), Duration::from_millis(200));
        running.await.expect("no panic");
        assert_eq!(counters.account.balance().left(), 3);
        assert_eq!(counters.ambiguous_records.get(), in_doubt, "{url}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn a_creation_whose_answer_is_lost_leaves_no_record_in_doubt() {
    for fault in [Fault::ResetAfter, Fault::NoRequestId] {
        let mut options = endpoint();
        if let Some(endpoint) = &mut options.cloudwatch_logs {
            endpoint.existing = vec![("g".to_owned(), "x".to_owned())];
        }
        let running = local::start(options).await.expect("the local endpoint");
        let operations = vec![OperationName::CreateLogStream];
        let lost = Rule { operations, next: Some(1), ..Rule::always(fault) };
        let handle = running.cloudwatch_logs().expect("the endpoint");
        handle.set_faults(FaultPlan { seed: 1, rules: vec![lost] }).expect("a valid plan");
        let url = running.cloudwatch_logs_url().expect("the endpoint");
        let (output, counters) = output(&url, Limits::default()).await;
        let (_sender, stop) = stop_channel();
        output.run(three(&counters), stop).await;
        assert_eq!(counters.retries.get(), 1, "the stream was there at the second attempt");
        assert_eq!(counters.account.balance().delivered, 3);
        assert_eq!(counters.ambiguous_records.get(), 0, "{fault:?}");
        running.shutdown().await;
    }
}

/// Records of a stream that is there, whose body is worth compressing.
fn long(counters: &OutputCounters) -> Arc<Buffer> {
    let texts: Vec<_> = (0..40).map(|number| format!("{number} {}", "order ".repeat(20))).collect();
    let pairs: Vec<_> = texts.iter().map(|text| [("s", "a"), ("n", text.as_str())]).collect();
    let records: Vec<Fields<'_>> = pairs.iter().map(<[_; 2]>::as_slice).collect();
    let buffer = Arc::new(Buffer::default());
    buffer.push(chunk(&counters.account, "t", &records));
    buffer.close();
    buffer
}

/// An endpoint with these rules whose only requests are batches.
async fn endpoint_with(rules: Vec<Rule>) -> local::Running {
    let mut options = endpoint();
    if let Some(endpoint) = &mut options.cloudwatch_logs {
        endpoint.existing = vec![("g".to_owned(), "a".to_owned())];
    }
    let running = local::start(options).await.expect("the local endpoint");
    let handle = running.cloudwatch_logs().expect("the endpoint");
    handle.set_faults(FaultPlan { seed: 1, rules }).expect("a valid plan");
    running
}

#[tokio::test]
async fn the_bytes_that_are_counted_are_those_on_the_wire_and_what_compression_saved() {
    for is_compressing in [true, false] {
        let running = endpoint_with(Vec::new()).await;
        let url = running.cloudwatch_logs_url().expect("the endpoint");
        let (output, counters) = match is_compressing {
            true => compressing(&url).await,
            false => output(&url, Limits::default()).await,
        };
        let (_sender, stop) = stop_channel();
        output.run(long(&counters), stop).await;
        let account = running.cloudwatch_logs().expect("the endpoint").account();
        let (sent, saved) = (counters.bytes.get(), counters.saved_bytes.get());
        assert_eq!((account.events, account.violations.len()), (40, 0));
        assert_eq!((account.wire_bytes, account.body_bytes), (sent, sent + saved));
        assert_eq!(is_compressing, sent < saved, "{sent} sent, {saved} saved");
        assert!(is_compressing || saved == 0);
        running.shutdown().await;
    }
}

#[tokio::test]
async fn an_endpoint_that_refuses_compression_gets_the_same_batch_plain_and_nothing_else_any_more()
{
    for fault in [Fault::RefuseGzip, Fault::MisreadGzip] {
        let running = endpoint_with(vec![Rule::always(fault)]).await;
        let url = running.cloudwatch_logs_url().expect("the endpoint");
        let (output, counters) = compressing(&url).await;
        let encoder = Arc::clone(&output.encoder);
        let (_sender, stop) = stop_channel();
        output.run(long(&counters), stop).await;
        let account = running.cloudwatch_logs().expect("the endpoint").account();
        assert_eq!((account.events, account.faults.get(&fault)), (40, Some(&1)));
        assert_eq!((counters.account.balance().delivered, counters.retries.get()), (40, 0));
        assert_eq!((counters.ambiguous_records.get(), counters.saved_bytes.get()), (0, 0));
        let next = encoder.encode(vec![b'x'; 10_000].into(), clock::now()).await;
        assert_eq!(next.encoding, Encoding::Plain);
        running.shutdown().await;
    }
}

#[tokio::test]
async fn a_refusal_does_not_count_against_compression_unless_the_batch_is_taken_plain() {
    let throttled = Rule { next: Some(1), ..Rule::always(Fault::Throttle) };
    let running = endpoint_with(vec![Rule::always(Fault::MisreadGzip), throttled]).await;
    let url = running.cloudwatch_logs_url().expect("the endpoint");
    let (output, counters) = compressing(&url).await;
    let (_sender, stop) = stop_channel();
    output.run(long(&counters), stop).await;
    let account = running.cloudwatch_logs().expect("the endpoint").account();
    assert_eq!((account.events, account.faults.get(&Fault::MisreadGzip)), (40, Some(&2)));
    assert_eq!((counters.account.balance().delivered, counters.throttled.get()), (40, 1));
    running.shutdown().await;
}

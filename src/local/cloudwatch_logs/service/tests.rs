//! Whole requests, signed, against the pure service.

use hyper::http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::faults::Rule;
use super::super::sigv4::{self, AccessKey};
use super::super::test_keys;
use super::super::violation::Violation;
use super::*;

const NOW: Duration = Duration::from_secs(1_767_225_600);
const NOW_MS: i64 = 1_767_225_600_000;

fn key() -> AccessKey {
    test_keys().swap_remove(0)
}

struct Endpoint {
    trust: Trust,
    service: Mutex<Service>,
    now: Duration,
}

impl Endpoint {
    fn new(behaviour: Behaviour) -> Self {
        let trust = Trust { keys: test_keys(), region: Some("us-west-2".to_owned()) };
        let service = Mutex::new(Service::new(behaviour, NOW).expect("a valid plan"));
        Self { trust, service, now: NOW }
    }

    fn with_faults(rules: Vec<Rule>) -> Self {
        let existing = vec![("g".to_owned(), "s".to_owned())];
        let faults = FaultPlan { seed: 1, rules };
        Self::new(Behaviour { existing, faults, ..Behaviour::default() })
    }

    fn send_as(&self, target: &str, body: &[u8], change: impl FnOnce(&mut Parts)) -> Reply {
        let mut parts = request(target, body);
        sigv4::sign(&mut parts, body, &key(), "us-west-2", self.now);
        change(&mut parts);
        exchange(&self.trust, &self.service, &parts, body, self.now)
    }

    fn send(&self, operation: &str, body: &Value) -> (u16, Value) {
        let body = serde_json::to_vec(body).unwrap();
        answer(self.send_as(&format!("Logs_20140328.{operation}"), &body, |_| ()))
    }

    fn put(&self, events: &Value) -> (u16, Value) {
        let body = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
        self.send("PutLogEvents", &body)
    }

    fn put_one(&self) -> Reply {
        let body = put_body("x");
        self.send_as("Logs_20140328.PutLogEvents", &body, |_| ())
    }

    fn summary(&self) -> AccountSummary {
        lock(&self.service).summary()
    }

    fn violations(&self) -> Vec<Violation> {
        self.summary().violations.into_keys().collect()
    }
}

fn put_body(message: &str) -> Vec<u8> {
    let events = json!([{"timestamp": NOW_MS, "message": message}]);
    let body = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
    serde_json::to_vec(&body).unwrap()
}

fn request(target: &str, body: &[u8]) -> Parts {
    let request = Request::post("/")
        .header("host", "logs.test")
        .header("content-type", "application/x-amz-json-1.1")
        .header("content-length", body.len())
        .header("x-amz-target", target);
    request.body(()).unwrap().into_parts().0
}

fn answer(reply: Reply) -> (u16, Value) {
    let Reply::Answer { response, .. } = reply else { panic!("{reply:?}") };
    assert_eq!(response.request_id.map(|id| id.len()), Some(36));
    (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
}

fn kind(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["__type"].as_str().unwrap_or_default())
}

#[test]
fn events_go_in_and_come_back() {
    let endpoint = Endpoint::new(Behaviour::default());
    let group = json!({"logGroupName": "g"});
    let stream = json!({"logGroupName": "g", "logStreamName": "s"});
    let missing = endpoint.send("CreateLogStream", &stream);
    assert_eq!(kind(&missing), (400, "ResourceNotFoundException"));
    assert_eq!(missing.1["message"], "The specified log group does not exist.");
    assert_eq!(endpoint.send("CreateLogGroup", &group).0, 200);
    assert_eq!(kind(&endpoint.send("CreateLogGroup", &group)).1, "ResourceAlreadyExistsException");
    let events =
        json!([{"timestamp": NOW_MS, "message": "a"}, {"timestamp": NOW_MS, "message": "b"}]);
    let missing = endpoint.put(&events);
    assert_eq!(missing.1["message"], "The specified log stream does not exist.");
    assert_eq!(endpoint.send("CreateLogStream", &stream).0, 200);
    let taken = endpoint.put(&events);
    assert_eq!(taken.0, 200);
    assert!(taken.1.get("rejectedLogEventsInfo").is_none());
    let (_, back) = endpoint.send("GetLogEvents", &stream);
    assert_eq!(back["events"][1]["message"], "b");
    assert_eq!(endpoint.violations(), [], "a missing stream is no violation");
}

#[test]
fn what_exists_is_described() {
    let endpoint = Endpoint::new(Behaviour::default());
    let group =
        json!({"logGroupName": "/a/b", "logGroupClass": "INFREQUENT_ACCESS", "tags": {"k": "v"}});
    assert_eq!(endpoint.send("CreateLogGroup", &group).0, 200);
    let retention = json!({"logGroupName": "/a/b", "retentionInDays": 7});
    assert_eq!(endpoint.send("PutRetentionPolicy", &retention).0, 200);
    let arn = "arn:aws:logs:us-west-2:123456789012:log-group:/a/b";
    let tags = json!({"resourceArn": arn, "tags": {"k2": "v2"}});
    assert_eq!(endpoint.send("TagResource", &tags).0, 200);
    let (_, groups) = endpoint.send("DescribeLogGroups", &json!({"logGroupNamePrefix": "/a"}));
    let group = &groups["logGroups"][0];
    assert_eq!((&group["retentionInDays"], &group["logGroupArn"]), (&json!(7), &json!(arn)));
    assert_eq!(group["logGroupClass"], "INFREQUENT_ACCESS");
    let (_, none) = endpoint.send("DescribeLogGroups", &json!({"logGroupNamePrefix": "/b"}));
    assert_eq!(none["logGroups"], json!([]));
    let stream = json!({"logGroupName": "/a/b", "logStreamName": "s"});
    endpoint.send("CreateLogStream", &stream);
    let (_, streams) = endpoint.send("DescribeLogStreams", &json!({"logGroupName": "/a/b"}));
    assert_eq!(streams["logStreams"][0]["logStreamName"], "s");
    let summary = endpoint.summary();
    let group = summary.groups.first().unwrap();
    assert_eq!((group.retention_days, group.tags.len()), (Some(7), 2));
}

#[test]
fn rejected_events_are_told_by_index_and_not_taken() {
    let endpoint = Endpoint::with_faults(vec![]);
    let day = 86_400_000;
    let events: Vec<Value> = [NOW_MS - 15 * day, NOW_MS, NOW_MS + day / 8]
        .iter()
        .map(|at| json!({"timestamp": at, "message": "x"}))
        .collect();
    let (status, taken) = endpoint.put(&json!(events));
    assert_eq!(status, 200);
    let info = json!({"tooOldLogEventEndIndex": 1, "tooNewLogEventStartIndex": 2});
    assert_eq!(taken["rejectedLogEventsInfo"], info);
    assert_eq!(endpoint.summary().events, 1);
}

#[test]
fn with_any_age_only_the_span_counts() {
    let existing = vec![("g".to_owned(), "s".to_owned())];
    let endpoint = Endpoint::new(Behaviour { any_age: true, existing, ..Behaviour::default() });
    let two = |apart: i64| json!([{"timestamp": 5, "message": "a"}, {"timestamp": 5 + apart, "message": "b"}]);
    assert_eq!(endpoint.put(&two(86_400_000)).0, 200);
    let refused = endpoint.put(&two(86_400_001));
    assert_eq!(kind(&refused), (400, "InvalidParameterException"));
    assert_eq!((endpoint.summary().events, endpoint.violations()), (2, vec![Violation::Span]));
}

#[test]
fn a_refused_batch_takes_nothing_and_is_recorded() {
    let endpoint = Endpoint::with_faults(vec![]);
    let events = json!([{"timestamp": 2, "message": "a"}, {"timestamp": 1, "message": "b"}]);
    let refused = endpoint.put(&events);
    assert_eq!(
        refused.1["message"],
        "Log events in a single PutLogEvents request must be in chronological order."
    );
    let summary = endpoint.summary();
    assert_eq!((summary.events, endpoint.violations()), (0, vec![Violation::Order]));
    let puts = summary.operations.get(&OperationName::PutLogEvents).unwrap();
    assert_eq!(puts.outcomes.get("InvalidParameterException"), Some(&1));
}

/// What is changed after signing, the status, the error and the rule.
type EnvelopeCase = (fn(&mut Parts), u16, &'static str, Violation);

#[test]
fn the_envelope_is_checked() {
    const UNKNOWN: &str = "com.amazon.coral.service#UnknownOperationException";
    const BROKEN: &str = "com.amazon.coral.service#SerializationException";
    fn set(parts: &mut Parts, name: &'static str, value: &'static str) {
        parts.headers.insert(name, value.parse().unwrap());
    }
    fn remove(parts: &mut Parts, name: &str) {
        parts.headers.remove(name);
    }
    let cases: [EnvelopeCase; 11] = [
        (|p| p.method = hyper::Method::PUT, 404, UNKNOWN, Violation::MethodOrPath),
        (|p| p.uri = "/x".parse().unwrap(), 404, UNKNOWN, Violation::MethodOrPath),
        (|p| p.uri = "/?x=1".parse().unwrap(), 404, UNKNOWN, Violation::MethodOrPath),
        (|p| remove(p, "x-amz-target"), 400, UNKNOWN, Violation::TargetMissing),
        (|p| set(p, "x-amz-target", "Logs_20140328.X"), 400, UNKNOWN, Violation::UnknownOperation),
        (|p| set(p, "content-type", "application/json"), 400, UNKNOWN, Violation::ContentType),
        (|p| remove(p, "content-length"), 400, BROKEN, Violation::ContentLength),
        (|p| set(p, "content-length", "3"), 400, BROKEN, Violation::ContentLength),
        (|p| set(p, "content-encoding", "br"), 400, BROKEN, Violation::ContentEncoding),
        (
            |p| remove(p, "authorization"),
            400,
            "MissingAuthenticationTokenException",
            Violation::SignatureMissing,
        ),
        (
            |p| set(p, "x-amz-target", "Logs_20140328.CreateLogGroup"),
            400,
            "InvalidSignatureException",
            Violation::SignatureMismatch,
        ),
    ];
    for (change, status, error, violation) in cases {
        let endpoint = Endpoint::with_faults(vec![]);
        let refused =
            answer(endpoint.send_as("Logs_20140328.PutLogEvents", &put_body("x"), change));
        assert_eq!(kind(&refused), (status, error));
        assert_eq!((endpoint.violations(), endpoint.summary().events), (vec![violation], 0));
    }
}

#[test]
fn a_gzip_body_is_signed_as_sent_and_counted_both_ways() {
    use std::io::Write as _;
    let body = put_body(&"x".repeat(1_000));
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&body).unwrap();
    let wire = encoder.finish().unwrap();
    let endpoint = Endpoint::with_faults(vec![]);
    let mut parts = request("Logs_20140328.PutLogEvents", &wire);
    parts.headers.insert("content-encoding", "gzip".parse().unwrap());
    sigv4::sign(&mut parts, &wire, &key(), "us-west-2", NOW);
    let reply = exchange(&endpoint.trust, &endpoint.service, &parts, &wire, NOW);
    assert_eq!(answer(reply).0, 200);
    let summary = endpoint.summary();
    assert_eq!((summary.wire_bytes, summary.body_bytes), (wire.len() as u64, body.len() as u64));
}

#[test]
fn the_format_header_is_recorded() {
    let endpoint = Endpoint::with_faults(vec![]);
    let body = put_body("{}");
    let mut parts = request("Logs_20140328.PutLogEvents", &body);
    parts.headers.insert("x-amzn-logs-format", "json/emf".parse().unwrap());
    sigv4::sign(&mut parts, &body, &key(), "us-west-2", NOW);
    exchange(&endpoint.trust, &endpoint.service, &parts, &body, NOW);
    let summary = endpoint.summary();
    let stream = summary.streams.first().unwrap();
    assert_eq!((stream.logs_format.as_deref(), stream.logs_format_puts), (Some("json/emf"), 1));
}

#[test]
fn errors_on_demand_take_nothing() {
    for (fault, status, error) in [
        (Fault::Throttle, 400, "ThrottlingException"),
        (Fault::InternalFailure, 500, "InternalFailure"),
        (Fault::ServiceUnavailable, 503, "ServiceUnavailableException"),
        (Fault::ExpiredToken, 400, "ExpiredTokenException"),
        (Fault::AccessDenied, 400, "AccessDeniedException"),
    ] {
        let rule = Rule { next: Some(1), ..Rule::always(fault) };
        let endpoint = Endpoint::with_faults(vec![rule]);
        let refused = answer(endpoint.put_one());
        assert_eq!((kind(&refused), endpoint.summary().events), ((status, error), 0));
        assert_eq!(answer(endpoint.put_one()).0, 200);
        assert_eq!((endpoint.summary().events, endpoint.violations()), (1, vec![]));
    }
}

#[test]
fn broken_connections_take_the_events_or_not() {
    for (fault, reply, events) in [
        (Fault::NeverAnswer, Reply::NeverAnswer, 0),
        (Fault::ResetBefore, Reply::Reset, 0),
        (Fault::ResetAfter, Reply::Reset, 1),
        (Fault::NeverAnswerAfter, Reply::NeverAnswer, 1),
    ] {
        let endpoint = Endpoint::with_faults(vec![Rule::always(fault)]);
        assert_eq!(endpoint.put_one(), reply);
        assert_eq!(endpoint.summary().events, events);
        assert_eq!(endpoint.summary().faults.get(&fault), Some(&1));
    }
}

#[test]
fn a_group_or_stream_that_vanishes_is_gone() {
    let stream = json!({"logGroupName": "g", "logStreamName": "s"});
    for (fault, created) in [(Fault::StreamVanishes, 200), (Fault::GroupVanishes, 400)] {
        let rule = Rule { skip: 1, next: Some(1), ..Rule::always(fault) };
        let endpoint = Endpoint::with_faults(vec![rule]);
        assert_eq!(answer(endpoint.put_one()).0, 200);
        for _ in 0..2 {
            assert_eq!(kind(&answer(endpoint.put_one())), (400, "ResourceNotFoundException"));
        }
        assert_eq!(endpoint.send("CreateLogStream", &stream).0, created);
    }
}

#[test]
fn a_stream_created_again_is_empty_but_the_account_is_not() {
    let rule = Rule { skip: 1, next: Some(1), ..Rule::always(Fault::StreamVanishes) };
    let endpoint = Endpoint::with_faults(vec![rule]);
    let stream = json!({"logGroupName": "g", "logStreamName": "s"});
    endpoint.put_one();
    endpoint.put_one();
    endpoint.send("CreateLogStream", &stream);
    endpoint.put_one();
    let (_, back) = endpoint.send("GetLogEvents", &stream);
    assert_eq!(back["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(endpoint.summary().events, 2);
}

#[test]
fn an_answer_is_slow_or_without_request_id_on_demand() {
    let slow = Rule { delay_ms: 20, ..Rule::always(Fault::Slow) };
    let endpoint = Endpoint::with_faults(vec![slow, Rule::always(Fault::NoRequestId)]);
    let Reply::Answer { response, delay } = endpoint.put_one() else { panic!("an answer") };
    assert_eq!((response.status, response.request_id), (200, None));
    assert_eq!((delay, endpoint.summary().events), (Duration::from_millis(20), 1));
}

#[test]
fn request_ids_are_all_different() {
    let endpoint = Endpoint::with_faults(vec![]);
    let ids: std::collections::BTreeSet<_> = (0..100)
        .map(|_| match endpoint.put_one() {
            Reply::Answer { response, .. } => response.request_id,
            Reply::NeverAnswer | Reply::Reset => None,
        })
        .collect();
    assert_eq!(ids.len(), 100);
}

#[test]
fn watchers_are_told_what_was_accepted() {
    let endpoint = Endpoint::with_faults(vec![]);
    let mut watcher = lock(&endpoint.service).subscribe();
    endpoint.put_one();
    let expected =
        Accepted { group: "g".into(), stream: "s".into(), timestamp: NOW_MS, message: "x".into() };
    assert_eq!(watcher.try_recv(), Ok(expected));
    assert!(watcher.try_recv().is_err());
}

#[test]
fn a_reset_leads_back_to_the_start() {
    let rule = Rule { next: Some(1), ..Rule::always(Fault::Throttle) };
    let endpoint = Endpoint::with_faults(vec![rule]);
    endpoint.put_one();
    endpoint.put_one();
    lock(&endpoint.service).reset(NOW);
    let summary = endpoint.summary();
    assert_eq!((summary.events, summary.groups.len(), summary.operations.len()), (0, 1, 0));
    assert_eq!(kind(&answer(endpoint.put_one())).1, "ThrottlingException");
}

proptest! {
    #[test]
    fn no_signed_body_panics(operation in "[A-Za-z]{0,20}", body: Vec<u8>, gzip: bool) {
        let endpoint = Endpoint::with_faults(vec![]);
        for name in ["PutLogEvents", "GetLogEvents", &operation] {
            let mut parts = request(&format!("Logs_20140328.{name}"), &body);
            if gzip {
                parts.headers.insert("content-encoding", "gzip".parse().unwrap());
            }
            sigv4::sign(&mut parts, &body, &key(), "us-west-2", NOW);
            exchange(&endpoint.trust, &endpoint.service, &parts, &body, NOW);
        }
    }

    #[test]
    fn no_headers_panic(authorization: String, date: String, target: String) {
        let endpoint = Endpoint::with_faults(vec![]);
        let mut parts = request("Logs_20140328.PutLogEvents", b"{}");
        for (name, text) in
            [("authorization", authorization), ("x-amz-date", date), ("x-amz-target", target)]
        {
            if let Ok(value) = text.parse() {
                parts.headers.insert(name, value);
            }
        }
        exchange(&endpoint.trust, &endpoint.service, &parts, b"{}", NOW);
    }
}

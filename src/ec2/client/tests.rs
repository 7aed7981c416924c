//! Against a small HTTP server that stands in for IMDS.

use std::convert::Infallible;
use std::sync::Mutex;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use super::super::metadata::{Item, Tags};
use super::*;
use crate::http_request::GetError;

const MAC: &str = "0e:49:61:0f:c3:11";
/// Ends a test that hangs; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was asked: method, path, token.
type Asked = Arc<Mutex<Vec<String>>>;

/// Answers each request with what `answer` makes of its method, path and token.
async fn server(
    answer: impl Fn(&str, &str, Option<&str>) -> (u16, Vec<u8>) + Clone + Send + 'static,
) -> (Endpoint, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let entered = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (answer, asked) = (answer.clone(), Arc::clone(&entered));
            let service = service_fn(move |request: Request<Incoming>| {
                let token = request.headers().get("x-aws-ec2-metadata-token");
                let token = token.map(|token| token.to_str().unwrap());
                let (method, path) = (request.method().as_str(), request.uri().path());
                let line = format!("{method} {path} {}", token.unwrap_or("-"));
                asked.lock().unwrap().push(line);
                let (status, body) = answer(method, path, token);
                let body = Full::new(Bytes::from(body));
                let answer = Response::builder().status(status).body(body).unwrap();
                async { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    (Endpoint { base }, asked)
}

/// An instance that knows the token `t`.
fn instance(method: &str, path: &str, token: Option<&str>) -> (u16, Vec<u8>) {
    let found = |text: &str| (200, text.as_bytes().to_vec());
    match (method, path, token) {
        ("PUT", "/latest/api/token", _) => found("t"),
        (_, path, Some("t")) => match path {
            "/latest/meta-data/placement/availability-zone" => found("eu-west-1a"),
            "/latest/meta-data/instance-id" => found("i-0"),
            "/latest/meta-data/instance-type" => found("m7g.large"),
            "/latest/meta-data/local-ipv4" => found("10.0.0.1"),
            "/latest/meta-data/mac" => found(MAC),
            "/latest/meta-data/network/interfaces/macs/0e:49:61:0f:c3:11/vpc-id" => found("vpc-0"),
            "/latest/meta-data/ami-id" => found("ami-0"),
            "/latest/dynamic/instance-identity/document" => found(r#"{"accountId":"12"}"#),
            "/latest/meta-data/hostname" => found("ip-10-0-0-1.ec2.internal"),
            "/latest/meta-data/tags/instance" => found("Name\nempty\ngone"),
            "/latest/meta-data/tags/instance/Name" => found("web one"),
            "/latest/meta-data/tags/instance/empty" => found(""),
            _ => (404, b"Not Found".to_vec()),
        },
        _ => (401, b"Unauthorized".to_vec()),
    }
}

fn everything() -> Wanted {
    Wanted { items: Item::ALL.to_vec(), tags: Tags::All }
}

fn zone() -> Wanted {
    Wanted { items: vec![Item::AvailabilityZone], tags: Tags::None }
}

/// What is learnt in one attempt, and whether it was all.
async fn attempt(endpoint: Endpoint, version: Version, wanted: &Wanted) -> (Metadata, String) {
    let mut metadata = Metadata::default();
    let mut imds = Imds::new(endpoint.base, version);
    let outcome = imds.fill(&mut metadata, wanted).await;
    (metadata, outcome.map_or_else(|error| error.to_string(), |()| String::new()))
}

fn known(metadata: &Metadata) -> Vec<String> {
    let items = Item::ALL.iter().filter_map(|item| metadata.get(*item)).map(str::to_owned);
    items.chain(metadata.tags().map(|(key, value)| format!("{key}={value}"))).collect()
}

#[tokio::test]
async fn everything_is_learnt_with_one_token() {
    let (endpoint, asked) = server(instance).await;
    let (metadata, said) = attempt(endpoint, Version::V2, &everything()).await;
    assert_eq!(said, "");
    let expected = ["eu-west-1a", "i-0", "m7g.large", "10.0.0.1", "vpc-0", "ami-0", "12"];
    let rest = ["ip-10-0-0-1.ec2.internal", "Name=web one", "empty="];
    assert_eq!(known(&metadata), [&expected[..], &rest[..]].concat());
    let asked = asked.lock().unwrap();
    assert_eq!(asked.iter().filter(|line| line.starts_with("PUT ")).count(), 1);
    assert_eq!(asked.first().map(String::as_str), Some("PUT /latest/api/token -"));
}

#[tokio::test]
async fn only_the_wanted_tags_are_asked_for() {
    let (endpoint, asked) = server(instance).await;
    let wanted = Wanted { items: Vec::new(), tags: Tags::Only(vec!["empty".to_owned()]) };
    let (metadata, _) = attempt(endpoint, Version::V2, &wanted).await;
    assert_eq!(known(&metadata), ["empty="]);
    assert_eq!(asked.lock().unwrap().len(), 3, "token, list, one tag");
}

#[tokio::test]
async fn an_instance_that_shows_no_tags_has_none() {
    let (endpoint, _) = server(|method, path, token| match path.contains("/tags/") {
        true => (404, Vec::new()),
        false => instance(method, path, token),
    })
    .await;
    let wanted = Wanted { items: Vec::new(), tags: Tags::All };
    let (metadata, said) = attempt(endpoint, Version::V2, &wanted).await;
    assert_eq!((said.as_str(), metadata.lacks_tags(&wanted)), ("", false));
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_once() {
    // The first token is of no use; neither is the second where `path` is refused for ever.
    let tokens = Arc::new(Mutex::new(0));
    let (endpoint, asked) = server(move |method, path, token| match (method, path) {
        ("PUT", _) => {
            *tokens.lock().unwrap() += 1;
            (200, format!("t{}", tokens.lock().unwrap()).into_bytes())
        }
        (_, "/latest/meta-data/ami-id") => (401, Vec::new()),
        _ => instance(method, path, token.filter(|token| *token != "t1").map(|_| "t")),
    })
    .await;
    let wanted = Wanted { items: vec![Item::InstanceId, Item::AmiId], tags: Tags::None };
    let (metadata, said) = attempt(endpoint, Version::V2, &wanted).await;
    assert_eq!(known(&metadata), ["i-0"]);
    assert_eq!(said, "/latest/meta-data/ami-id answered 401, expected 200");
    let expected = [
        "PUT /latest/api/token -",
        "GET /latest/meta-data/instance-id t1",
        "PUT /latest/api/token -",
        "GET /latest/meta-data/instance-id t2",
        "GET /latest/meta-data/ami-id t2",
        "PUT /latest/api/token -",
        "GET /latest/meta-data/ami-id t3",
    ];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[tokio::test]
async fn version_1_asks_without_a_token() {
    let (endpoint, asked) = server(|method, path, _| instance(method, path, Some("t"))).await;
    let (metadata, _) = attempt(endpoint, Version::V1, &zone()).await;
    assert_eq!(known(&metadata), ["eu-west-1a"]);
    let expected = ["GET /latest/meta-data/placement/availability-zone -"];
    assert_eq!(*asked.lock().unwrap(), expected);
}

#[tokio::test]
async fn what_cannot_be_learnt_keeps_nothing_else_from_being_learnt() {
    let huge = |path: &str| path.ends_with("instance-id").then(|| (200, vec![b'x'; 16_385]));
    let garbage = |path: &str| path.ends_with("/mac").then(|| (200, b"../../x".to_vec()));
    let gone = |path: &str| path.ends_with("ami-id").then(|| (404, Vec::new()));
    let (endpoint, _) = server(move |method, path, token| {
        let odd = huge(path).or_else(|| garbage(path)).or_else(|| gone(path));
        odd.unwrap_or_else(|| instance(method, path, token))
    })
    .await;
    let wanted = Wanted { items: Item::ALL.to_vec(), tags: Tags::None };
    let (metadata, said) = attempt(endpoint, Version::V2, &wanted).await;
    assert_eq!(metadata.missing(&wanted), [Item::InstanceId, Item::VpcId, Item::AmiId]);
    assert_eq!(said, "asking /latest/meta-data/instance-id failed");
}

#[tokio::test]
async fn a_token_request_that_is_not_answered_ends_the_attempt_and_names_the_hop_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut imds = Imds::new(base, Version::V2).within(Duration::from_millis(5));
    let outcome = imds.fill(&mut Metadata::default(), &everything()).await;
    let error = outcome.unwrap_err();
    assert!(matches!(error, AskError::Token { source: GetError::Timeout { .. } }), "{error}");
    assert!(error.to_string().contains("http-put-response-hop-limit"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_no_token_ends_the_attempt() {
    for (status, body) in [(200, &b""[..]), (200, b"<p>\n</p>"), (403, b"t"), (200, b"\xc3\xa9")] {
        let (endpoint, asked) = server(move |_, _, _| (status, body.to_vec())).await;
        let (_, said) = attempt(endpoint, Version::V2, &everything()).await;
        assert_eq!(said, format!("/latest/api/token answered {status} and no token"));
        assert_eq!(asked.lock().unwrap().len(), 1);
    }
}

fn inquire(endpoint: Endpoint, wanted: Wanted) -> (Latest, Inquiry, Arc<Notify>) {
    let news = Arc::new(Notify::new());
    let day = Duration::from_secs(86_400);
    let (latest, inquiry) = inquiry(Some(endpoint), Version::V2, wanted, day, Arc::clone(&news));
    (latest, inquiry.unwrap(), news)
}

#[tokio::test]
async fn an_inquiry_ends_when_everything_is_known_and_what_it_learnt_stays() {
    let (endpoint, _) = server(instance).await;
    let (mut latest, inquiry, news) = inquire(endpoint, zone());
    assert_eq!(latest.news(), None);
    tokio::time::timeout(PATIENCE, inquiry.run()).await.unwrap();
    tokio::time::timeout(PATIENCE, news.notified()).await.unwrap();
    assert_eq!(known(&latest.news().unwrap()), ["eu-west-1a"]);
    assert_eq!(latest.news(), None, "told once");
}

#[tokio::test]
async fn an_attempt_in_which_nobody_answers_is_news_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (mut latest, inquiry, news) = inquire(Endpoint { base }, zone());
    let running = tokio::spawn(inquiry.run());
    tokio::time::timeout(PATIENCE, news.notified()).await.unwrap();
    assert_eq!(latest.news().as_deref(), Some(&Metadata::default()));
    drop(latest);
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_known_is_asked_for_again() {
    let asked = Arc::new(Mutex::new(0));
    let (endpoint, _) = server(move |method, path, token| {
        *asked.lock().unwrap() += 1;
        // Token, the two items: the second one is there from the second attempt on.
        match *asked.lock().unwrap() {
            3 => (500, Vec::new()),
            _ => instance(method, path, token),
        }
    })
    .await;
    let wanted = Wanted { items: vec![Item::AvailabilityZone, Item::InstanceId], tags: Tags::None };
    let (mut latest, inquiry, news) = inquire(endpoint, wanted);
    let running = tokio::spawn(Inquiry { retry_after: Duration::ZERO, ..inquiry }.run());
    tokio::time::timeout(PATIENCE, running).await.unwrap().unwrap();
    tokio::time::timeout(PATIENCE, news.notified()).await.unwrap();
    assert_eq!(known(&latest.news().unwrap()), ["eu-west-1a", "i-0"]);
}

#[test]
fn without_an_endpoint_there_is_no_task_and_nothing_to_wait_for() {
    let (mut latest, inquiry) =
        inquiry(None, Version::V2, everything(), Duration::ZERO, Arc::default());
    assert!(inquiry.is_none());
    assert_eq!(latest.news().as_deref(), Some(&Metadata::default()));
}

#[test]
fn the_least_time_between_attempts_is_a_second() {
    let endpoint = Endpoint { base: "http://h".to_owned() };
    let zero = Duration::ZERO;
    let (_, inquiry) = inquiry(Some(endpoint), Version::V2, zone(), zero, Arc::default());
    assert_eq!(inquiry.unwrap().retry_after, Duration::from_secs(1));
}

#[test]
fn the_environment_names_the_endpoint_or_switches_it_off() {
    let read = |variables: &[(&str, &str)]| {
        let found = Endpoint::from_environment(|name| {
            let found = variables.iter().find(|(variable, _)| *variable == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        found.map(|endpoint| endpoint.map(|endpoint| endpoint.base))
    };
    let base = |base: &str| Ok(Some(base.to_owned()));
    assert_eq!(read(&[]), base("http://169.254.169.254"));
    assert_eq!(read(&[(VARIABLE_MODE, "IPv6")]), base("http://[fd00:ec2::254]"));
    let endpoint = (VARIABLE_ENDPOINT, "http://127.0.0.1:1338/");
    assert_eq!(read(&[endpoint, (VARIABLE_MODE, "IPv6")]), base("http://127.0.0.1:1338"));
    assert_eq!(read(&[endpoint, (VARIABLE_DISABLED, "True")]), Ok(None));
    assert_eq!(read(&[(VARIABLE_DISABLED, "false")]), base("http://169.254.169.254"));
    for bad in ["https://h", "169.254.169.254", "http://"] {
        assert_eq!(read(&[(VARIABLE_ENDPOINT, bad)]).unwrap_err().value, bad);
    }
}

//! Against a small HTTP server that answers by a script.

use std::collections::VecDeque;
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

use super::*;

const FARGATE: &str = include_str!("../testdata/task_fargate.json");

/// Answers each request with the next line of the script, the last one for ever; counts paths.
async fn server(script: &[(u16, &'static str)]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let script = Arc::new(Mutex::new(VecDeque::from(script.to_vec())));
    let paths = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&paths);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, asked) = (Arc::clone(&script), Arc::clone(&asked));
            let service = service_fn(move |request: Request<Incoming>| {
                asked.lock().unwrap().push(request.uri().path().to_owned());
                let mut script = script.lock().unwrap();
                let (status, body) = match script.len() {
                    1 => script[0],
                    _ => script.pop_front().unwrap(),
                };
                let body = Full::new(Bytes::from_static(body.as_bytes()));
                let answer = Response::builder().status(status).body(body).unwrap();
                async { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    (base, paths)
}

fn endpoint(variables: &[(&str, &str)]) -> Result<Option<Endpoint>, EndpointError> {
    Endpoint::from_environment(|name| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn v4(base: &str) -> Endpoint {
    endpoint(&[(VARIABLE_V4, base)]).unwrap().unwrap()
}

#[test]
fn version_4_is_asked_before_version_3() {
    let both = [(VARIABLE_V3, "http://h/v3/i"), (VARIABLE_V4, "http://h/v4/i/")];
    let addresses = endpoint(&both).unwrap().unwrap().addresses;
    assert_eq!(addresses, ["http://h/v4/i/task", "http://h/v3/i/task"]);
}

#[test]
fn outside_of_ecs_there_is_no_endpoint() {
    assert_eq!(endpoint(&[]), Ok(None));
    assert_eq!(endpoint(&[(VARIABLE_V4, "")]), Ok(None));
}

#[test]
fn a_variable_that_is_no_address_is_named() {
    for value in ["https://h/v4", "169.254.170.2", "http:// h", "http://", "/v4/x"] {
        let error = endpoint(&[(VARIABLE_V4, value)]).unwrap_err();
        assert_eq!(error.variable, VARIABLE_V4, "{value}");
    }
}

#[tokio::test]
async fn the_task_is_fetched() {
    let (base, paths) = server(&[(200, FARGATE)]).await;
    let snapshot = fetch(&v4(&format!("{base}/v4/id"))).await.unwrap();
    assert_eq!(snapshot, Snapshot::parse(FARGATE.as_bytes()).unwrap());
    assert_eq!(*paths.lock().unwrap(), ["/v4/id/task"]);
}

#[tokio::test]
async fn version_3_is_asked_where_version_4_has_none() {
    let (base, paths) = server(&[(404, r#""no such task""#), (200, FARGATE)]).await;
    let (newer, older) = (format!("{base}/v4/id"), format!("{base}/v3/id"));
    let both = endpoint(&[(VARIABLE_V4, &newer), (VARIABLE_V3, &older)]).unwrap().unwrap();
    assert!(fetch(&both).await.is_ok());
    assert_eq!(*paths.lock().unwrap(), ["/v4/id/task", "/v3/id/task"]);
}

#[tokio::test]
async fn any_other_status_is_an_error_with_that_status() {
    for code in [204, 302, 404, 429, 500] {
        let (base, _) = server(&[(code, "")]).await;
        let error = fetch(&v4(&base)).await.unwrap_err();
        assert!(matches!(error, FetchError::Status { status, .. } if status == code), "{error}");
    }
}

#[tokio::test]
async fn garbage_is_an_error() {
    for body in ["", "null", "<html>", "[1]", "{\"Cluster\":"] {
        let (base, _) = server(&[(200, body)]).await;
        assert!(matches!(fetch(&v4(&base)).await, Err(FetchError::Parse { .. })), "{body}");
    }
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = v4(&format!("http://{}", listener.local_addr().unwrap()));
    let error = fetch_within(&endpoint, Duration::from_millis(5)).await.unwrap_err();
    assert!(matches!(error, FetchError::Get { source: GetError::Timeout { .. }, .. }), "{error}");
}

#[tokio::test]
async fn the_endpoint_is_asked_until_it_answers() {
    let script = [(500, ""), (429, ""), (200, "garbage"), (404, ""), (500, ""), (500, "")];
    let (base, paths) = server(&[&script[..], &[(200, FARGATE)]].concat()).await;
    let (sender, mut receiver) = watch::channel(None);
    tokio::spawn(watch_at(Pace::NO_WAIT, v4(&base), Arc::default(), sender));
    receiver.wait_for(Option::is_some).await.unwrap();
    assert_eq!(paths.lock().unwrap().len(), 7);
}

#[tokio::test]
async fn an_unknown_container_makes_it_ask_again() {
    let (base, _) = server(&[(200, "{}"), (200, FARGATE)]).await;
    let (sender, mut receiver) = watch::channel(None);
    let unknown = Arc::new(Notify::new());
    tokio::spawn(watch_at(Pace::NO_WAIT, v4(&base), Arc::clone(&unknown), sender));
    receiver.wait_for(Option::is_some).await.unwrap();
    unknown.notify_one();
    let newer = |held: &Option<Arc<Snapshot>>| held.as_ref().is_some_and(|s| s.family.is_some());
    receiver.wait_for(newer).await.unwrap();
}

#[tokio::test]
async fn while_every_container_is_known_it_does_not_ask_again() {
    let (base, paths) = server(&[(200, FARGATE)]).await;
    let (sender, mut receiver) = watch::channel(None);
    let watched = v4(&format!("{base}/watched"));
    tokio::spawn(watch_at(Pace::NO_WAIT, watched, Arc::default(), sender));
    receiver.wait_for(Option::is_some).await.unwrap();
    // Time enough for it to ask, on the only clock there is here: other requests.
    for _ in 0..5 {
        fetch(&v4(&base)).await.unwrap();
    }
    let asked = paths.lock().unwrap().iter().filter(|path| *path == "/watched/task").count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_snapshot_once_had_is_kept_where_a_later_answer_fails() {
    let (base, paths) = server(&[(200, FARGATE), (500, ""), (200, "{}")]).await;
    let (sender, mut receiver) = watch::channel(None);
    let unknown = Arc::new(Notify::new());
    tokio::spawn(watch_at(Pace::NO_WAIT, v4(&base), Arc::clone(&unknown), sender));
    receiver.wait_for(Option::is_some).await.unwrap();
    unknown.notify_one();
    while paths.lock().unwrap().len() < 2 {
        tokio::task::yield_now().await;
    }
    assert!(receiver.borrow().as_ref().unwrap().family.is_some());
    unknown.notify_one();
    receiver.wait_for(|held| held.as_ref().is_some_and(|s| s.family.is_none())).await.unwrap();
}

#[tokio::test]
async fn it_ends_with_its_last_receiver() {
    let (base, _) = server(&[(500, "")]).await;
    let (sender, receiver) = watch::channel(None);
    drop(receiver);
    watch(v4(&base), Arc::default(), sender).await;
}

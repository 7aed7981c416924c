//! Whole endpoints, asked over real connections by a bare HTTP client.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};

use super::cloudwatch_logs::testing::signed;
use super::cloudwatch_logs::{Fault, FaultPlan, Rule};
use super::task_metadata::{Container, MetadataFault};
use super::*;
use crate::clock;

type Client = SendRequest<Full<Bytes>>;

const ANY: ([u8; 4], u16) = ([127, 0, 0, 1], 0);

async fn started(tls: Option<TlsOptions>) -> Running {
    let existing = vec![("g".to_owned(), "s".to_owned())];
    let logs = cloudwatch_logs::Options {
        existing,
        ..cloudwatch_logs::Options::new(SocketAddr::from(ANY))
    };
    let metadata = task_metadata::Options::new(SocketAddr::from(ANY));
    let options = Options { cloudwatch_logs: Some(logs), tls, task_metadata: Some(metadata) };
    start(options).await.expect("free ports")
}

async fn client<S>(stream: S) -> Client
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (client, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn logs_client(running: &Running) -> Client {
    let address = running.cloudwatch_logs_address().unwrap();
    client(TcpStream::connect(address).await.unwrap()).await
}

async fn send(client: &mut Client, request: Request<Full<Bytes>>) -> (StatusCode, String) {
    client.ready().await.unwrap();
    let answer = client.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn get(client: &mut Client, uri: &str) -> (StatusCode, Value) {
    let request = Request::get(uri).header("host", "localhost").body(Full::default()).unwrap();
    let (status, body) = send(client, request).await;
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

async fn post(client: &mut Client, uri: &str, body: &Value) -> StatusCode {
    let body = Full::from(serde_json::to_vec(body).unwrap());
    let request = Request::post(uri).header("host", "localhost").body(body).unwrap();
    send(client, request).await.0
}

fn put(messages: &[&str]) -> Request<Full<Bytes>> {
    let now = u64::try_from(clock::unix_now().as_millis()).unwrap();
    let event = |message: &&str| json!({"timestamp": now, "message": message});
    let events: Vec<Value> = messages.iter().map(event).collect();
    let body = json!({"logGroupName": "g", "logStreamName": "s", "logEvents": events});
    signed("PutLogEvents", &serde_json::to_vec(&body).unwrap())
}

#[tokio::test]
async fn puts_on_one_connection_arrive_in_the_account() {
    let running = started(None).await;
    let mut client = logs_client(&running).await;
    for message in ["a", "b"] {
        assert_eq!(send(&mut client, put(&[message])).await.0, StatusCode::OK);
    }
    let account = running.cloudwatch_logs().unwrap().account();
    assert_eq!((account.events, account.violations.len()), (2, 0));
    let (_, served) = get(&mut client, "/_local/account").await;
    assert_eq!(served, serde_json::to_value(&account).unwrap());
    running.shutdown().await;
}

#[tokio::test]
async fn an_answer_carries_the_request_id_and_its_type() {
    let running = started(None).await;
    let mut client = logs_client(&running).await;
    let answer = client.send_request(put(&["a"])).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
    assert_eq!(answer.headers()["x-amzn-requestid"].len(), 36);
}

#[tokio::test]
async fn a_long_list_of_events_is_streamed_in_order() {
    let running = started(None).await;
    let mut client = logs_client(&running).await;
    let messages: Vec<String> = (0..5_000).map(|number| format!("{number:050}")).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    assert_eq!(send(&mut client, put(&messages)).await.0, StatusCode::OK);
    let uri = "/_local/events?group=g&stream=s";
    let request = Request::get(uri).header("host", "localhost").body(Full::default()).unwrap();
    let (_, lines) = send(&mut client, request).await;
    let read: Vec<(i64, String)> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(read.iter().map(|(_, message)| message).eq(messages.iter()));
    assert_eq!(read, running.cloudwatch_logs().unwrap().events("g", "s"));
}

#[tokio::test]
async fn a_request_whose_length_is_not_its_bodys_is_refused_or_never_ends() {
    let running = started(None).await;
    let mut client = logs_client(&running).await;
    let mut request = put(&["a"]);
    request.headers_mut().remove("content-length");
    request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
    let (status, body) = send(&mut client, request).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert_eq!(running.cloudwatch_logs().unwrap().account().events, 0);
}

#[tokio::test]
async fn a_body_beyond_the_cap_is_refused() {
    let running = started(None).await;
    let mut client = logs_client(&running).await;
    let body = vec![b'x'; 16 * 1_048_576 + 1];
    let (status, _) = send(&mut client, signed("PutLogEvents", &body)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_connection_is_really_reset() {
    let running = started(None).await;
    let handle = running.cloudwatch_logs().unwrap();
    for (fault, events) in [(Fault::ResetBefore, 0), (Fault::ResetAfter, 1)] {
        let plan = FaultPlan { seed: 0, rules: vec![Rule::always(fault)] };
        handle.set_faults(plan).unwrap();
        let address = running.cloudwatch_logs_address().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&on_the_wire(put(&["a"])).await).await.unwrap();
        let error = stream.read(&mut [0; 1]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(handle.account().events, events);
    }
}

async fn on_the_wire(request: Request<Full<Bytes>>) -> Vec<u8> {
    let (parts, body) = request.into_parts();
    let mut wire = b"POST / HTTP/1.1\r\n".to_vec();
    for (name, value) in &parts.headers {
        wire.extend_from_slice(format!("{name}: {}\r\n", value.to_str().unwrap()).as_bytes());
    }
    wire.extend_from_slice(b"\r\n");
    wire.extend_from_slice(&body.collect().await.unwrap().to_bytes());
    wire
}

#[tokio::test]
async fn stopping_ends_a_request_that_is_never_answered() {
    let running = started(None).await;
    let handle = running.cloudwatch_logs().unwrap().clone();
    let plan = FaultPlan { seed: 0, rules: vec![Rule::always(Fault::NeverAnswer)] };
    handle.set_faults(plan).unwrap();
    let mut client = logs_client(&running).await;
    let pending = tokio::spawn(client.send_request(put(&["a"])));
    while handle.account().operations.is_empty() {
        tokio::task::yield_now().await;
    }
    running.shutdown().await;
    assert!(pending.await.unwrap().is_err());
    assert_eq!(handle.account().events, 0);
}

#[tokio::test]
async fn an_endpoint_that_is_away_refuses_and_comes_back_with_its_account() {
    let running = started(None).await;
    let mut client = logs_client(&running).await;
    assert_eq!(send(&mut client, put(&["a"])).await.0, StatusCode::OK);
    let address = running.cloudwatch_logs_address().unwrap();
    let body = Full::from(r#"{"for_ms":100}"#);
    let request = Request::post("/_local/away").header("host", "localhost").body(body).unwrap();
    // The answer may come before the connection ends, or not.
    drop(client.send_request(request).await);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    while TcpStream::connect(address).await.is_err() {
        tokio::task::yield_now().await;
    }
    let mut client = logs_client(&running).await;
    assert_eq!(send(&mut client, put(&["b"])).await.0, StatusCode::OK);
    assert_eq!(running.cloudwatch_logs().unwrap().account().events, 2);
    let (_, notes) = get(&mut client, "/_local/puts?group=g&stream=s").await;
    let answers: Vec<&Value> = notes.as_array().unwrap().iter().map(|n| &n["answer"]).collect();
    assert_eq!(answers, ["sent", "sent"]);
}

#[tokio::test]
async fn dropping_frees_the_port() {
    let running = started(None).await;
    let address = running.cloudwatch_logs_address().unwrap();
    drop(running);
    while TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let running = started(None).await;
    let address = running.cloudwatch_logs_address().unwrap();
    let logs = Some(cloudwatch_logs::Options::new(address));
    let result = start(Options { cloudwatch_logs: logs, ..Options::default() }).await;
    assert!(matches!(result, Err(StartError::Listen { .. })));
}

#[tokio::test]
async fn over_tls_the_authority_in_the_file_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let names = vec!["logs.test".to_owned()];
    let running = started(Some(TlsOptions { names, ca_file: Some(path.clone()) })).await;
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&path).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let address = running.cloudwatch_logs_address().unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "logs.test"] {
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name).unwrap();
        let mut client = client(connector.connect(name, stream).await.unwrap()).await;
        assert_eq!(send(&mut client, put(&["a"])).await.0, StatusCode::OK);
    }
    let stream = TcpStream::connect(address).await.unwrap();
    let other = ServerName::try_from("other.test").unwrap();
    assert!(connector.connect(other, stream).await.is_err());
    assert_eq!(running.cloudwatch_logs().unwrap().account().events, 4);
}

#[tokio::test]
async fn containers_and_faults_of_the_metadata_are_set_over_http() {
    let running = started(None).await;
    let address = running.task_metadata_address().unwrap();
    let mut client = client(TcpStream::connect(address).await.unwrap()).await;
    let containers = json!([Container::new("web")]);
    assert_eq!(post(&mut client, "/_local/containers", &containers).await, StatusCode::OK);
    let path = running.task_metadata().unwrap().path("web").unwrap();
    let (_, task) = get(&mut client, &format!("{path}/task")).await;
    assert_eq!(task["Containers"].as_array().map(Vec::len), Some(1));
    let fault = MetadataFault { fault: task_metadata::Fault::InternalError, next: 1 };
    assert_eq!(post(&mut client, "/_local/faults", &json!(fault)).await, StatusCode::OK);
    assert_eq!(get(&mut client, &path).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get(&mut client, &path).await.0, StatusCode::OK);
    assert_eq!(get(&mut client, task_metadata::CREDENTIALS_PATH).await.0, StatusCode::OK);
    assert_eq!(running.task_metadata().unwrap().requests(), 4);
    assert_eq!(
        post(&mut client, "/_local/containers", &json!([{}])).await,
        StatusCode::BAD_REQUEST
    );
}

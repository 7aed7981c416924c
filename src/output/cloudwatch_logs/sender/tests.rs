//! Against a server that reads whole requests and answers by a script.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_sdk_cloudwatchlogs::config::{Credentials, SharedCredentialsProvider};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const BODY: &[u8] =
    br#"{"logGroupName":"g","logStreamName":"s","logEvents":[{"timestamp":1,"message":"\u00e9"}]}"#;
const TAKEN: &str = "{}";
const LONG: Duration = Duration::from_secs(20);

/// What the server does after it has read a request.
#[derive(Clone)]
enum Act {
    /// Answers with a request id.
    Answer(u16, String),
    /// Sends these bytes and closes.
    Raw(Vec<u8>),
    /// Resets the connection.
    Reset,
    /// Says nothing, for ever.
    Hang,
}

fn answer(status: u16, body: impl Into<String>) -> Act {
    Act::Answer(status, body.into())
}

fn refusal(status: u16, code: &str) -> Act {
    answer(status, format!(r#"{{"__type":"com.amazonaws.logs#{code}","message":"why"}}"#))
}

#[derive(Clone, Debug)]
struct Seen {
    /// Number of the connection, from 0.
    connection: usize,
    /// Lower-case names.
    head: String,
    body: Vec<u8>,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

struct Server {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Does the next act of the script for each request, the last one for ever.
    async fn start(script: Vec<Act>) -> Self {
        Self::start_with(script, |stream: TcpStream| async { stream }).await
    }

    async fn start_with<S, F, Fut>(script: Vec<Act>, wrap: F) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = S> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, script) = (Arc::clone(&seen), Arc::new(script));
        tokio::spawn(async move {
            for connection in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                // So that dropping the stream early is a reset, not an orderly end.
                stream.set_zero_linger().unwrap();
                let stream = wrap(stream).await;
                tokio::spawn(serve(stream, connection, Arc::clone(&script), Arc::clone(&log)));
            }
        });
        Self { address, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    connection: usize,
    script: Arc<Vec<Act>>,
    log: Arc<Mutex<Vec<Seen>>>,
) {
    while let Some((head, body)) = read_request(&mut stream).await {
        let act = {
            let mut log = log.lock().unwrap();
            log.push(Seen { connection, head, body });
            script[(log.len() - 1).min(script.len() - 1)].clone()
        };
        match act {
            Act::Answer(status, body) => {
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} x\r\nx-amzn-RequestId: 1\r\ncontent-length: {length}\r\n\r\n"
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            }
            Act::Raw(bytes) => {
                // The client may hang up before all of a long answer is written.
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
            Act::Reset => return,
            Act::Hang => std::future::pending().await,
        }
    }
}

/// Head with lower-case names, and body; `None` at the end of the connection.
async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let lower = head.lines().map(|line| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_lowercase()),
        None => line.to_owned(),
    });
    let head = lower.collect::<Vec<_>>().join("\n");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

fn settings(endpoint: &str) -> Settings {
    Settings {
        region: Some("eu-west-1".to_owned()),
        endpoint_url: Some(endpoint.to_owned()),
        tls_verify: true,
        tls_ca_file: None,
        role_arn: None,
        external_id: None,
        sts_endpoint: None,
        profile: None,
        credentials_endpoint: None,
        extra_user_agent: None,
        log_format: None,
        keys: None,
        connect_timeout: LONG,
        attempt_timeout: LONG,
    }
}

async fn sender_with(settings: Settings) -> Sender {
    let credentials = Credentials::new("AKID", "secret", None, None, "test");
    let credentials = SharedCredentialsProvider::new(credentials);
    let shared = client::Shared::connect(settings, Some(credentials)).await.unwrap();
    Sender::of(shared)
}

async fn sender(server: &Server) -> Sender {
    sender_with(settings(&format!("http://{}", server.address))).await
}

async fn put(sender: &Sender) -> Result<Put, SendError> {
    sender.put(Bytes::from_static(BODY), Encoding::Plain, Written::default()).await
}

/// What a put says after the server did `act`.
async fn put_after(act: Act) -> Result<Put, SendError> {
    let server = Server::start(vec![act]).await;
    let answer = put(&sender(&server).await).await;
    assert_eq!(server.seen().len(), 1, "the SDK must not retry");
    answer
}

#[tokio::test]
async fn the_body_arrives_byte_for_byte() {
    let server = Server::start(vec![answer(200, TAKEN)]).await;
    assert_eq!(put(&sender(&server).await).await, Ok(Put::default()));
    let seen = &server.seen()[0];
    assert_eq!(seen.body, BODY);
    assert!(seen.head.starts_with("POST / HTTP/1.1\n"), "{}", seen.head);
    assert_eq!(seen.header("x-amz-target"), Some("Logs_20140328.PutLogEvents"));
    assert_eq!(seen.header("content-type"), Some("application/x-amz-json-1.1"));
    assert_eq!(seen.header("content-length"), Some(BODY.len().to_string().as_str()));
    assert_eq!(seen.header("content-encoding"), None);
    assert_eq!(seen.header("x-amzn-logs-format"), None);
    let user_agent = seen.header("user-agent").unwrap();
    assert!(user_agent.starts_with("aws-sdk-rust/"), "{user_agent}");
}

#[tokio::test]
async fn compression_format_and_user_agent_are_named_and_all_but_the_last_signed() {
    let server = Server::start(vec![answer(200, TAKEN)]).await;
    let sender = sender_with(Settings {
        log_format: Some("json/emf".to_owned()),
        extra_user_agent: Some("ecs".to_owned()),
        ..settings(&format!("http://{}", server.address))
    });
    let body = Bytes::from_static(b"\x1f\x8b\x00\xff");
    sender.await.put(body.clone(), Encoding::Gzip, Written::default()).await.unwrap();
    let seen = &server.seen()[0];
    assert_eq!(seen.body, body);
    assert_eq!(seen.header("content-encoding"), Some("gzip"));
    assert_eq!(seen.header("x-amzn-logs-format"), Some("json/emf"));
    assert_eq!(seen.header("user-agent"), Some("aws-fluent-bit-plugin-ecs"));
    let signed = seen.header("authorization").unwrap();
    for header in ["content-encoding;content-length;", "x-amzn-logs-format,", ";host;"] {
        assert!(signed.contains(header), "{signed}");
    }
}

#[cfg(feature = "local")]
#[tokio::test]
async fn the_signature_covers_the_body_that_was_sent() {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};

    fn hex(bytes: impl AsRef<[u8]>) -> String {
        bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
    fn keyed(key: &[u8], text: &str) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    let server = Server::start(vec![answer(200, TAKEN)]).await;
    put(&sender(&server).await).await.unwrap();
    let seen = &server.seen()[0];
    let authorization = seen.header("authorization").unwrap();
    let (rest, signature) = authorization.rsplit_once("Signature=").unwrap();
    let names = rest.split("SignedHeaders=").nth(1).unwrap().split(',').next().unwrap();
    let headers: String =
        names.split(';').map(|name| format!("{name}:{}\n", seen.header(name).unwrap())).collect();
    let body_hash = hex(Sha256::digest(&seen.body));
    let canonical = format!("POST\n/\n\n{headers}\n{names}\n{body_hash}");
    let time = seen.header("x-amz-date").unwrap();
    let (day, scope) = (&time[..8], format!("{}/eu-west-1/logs/aws4_request", &time[..8]));
    let canonical_hash = hex(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{canonical_hash}");
    let key = ["eu-west-1", "logs", "aws4_request"]
        .iter()
        .fold(keyed(b"AWS4secret", day), |key, part| keyed(&key, part));
    assert_eq!(signature, hex(keyed(&key, &text)));
}

#[tokio::test]
async fn rejected_events_are_told() {
    let info = r#"{"nextSequenceToken":"x","rejectedEntityInfo":{"errorType":"InvalidEntity"},
        "rejectedLogEventsInfo":{"tooNewLogEventStartIndex":7,"tooOldLogEventEndIndex":2,
        "expiredLogEventEndIndex":-1}}"#;
    let put = put_after(answer(200, info)).await.unwrap();
    let rejected = Rejected { too_old_end: Some(2), expired_end: None, too_new_start: Some(7) };
    assert_eq!(put, Put { rejected, is_entity_rejected: true });
}

#[tokio::test]
async fn each_refusal_keeps_its_code_and_gets_its_class() {
    for (status, code, class) in [
        (400, "ThrottlingException", Class::Throttled),
        (503, "ServiceUnavailableException", Class::Transient),
        (500, "InternalFailure", Class::Transient),
        (400, "ResourceNotFoundException", Class::NotFound),
        (400, "InvalidParameterException", Class::Invalid),
        (400, "AccessDeniedException", Class::AccessDenied),
        (400, "UnrecognizedClientException", Class::Credentials),
        (400, "ExpiredTokenException", Class::Credentials),
        (400, "RequestTimeTooSkewed", Class::Clock),
        (413, "", Class::TooLarge),
        (429, "Unheard", Class::Throttled),
    ] {
        let error = put_after(refusal(status, code)).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code));
        assert_eq!((error.status, error.message.as_str()), (Some(status), "why"));
        assert!(!error.is_ambiguous, "{code}");
    }
}

#[tokio::test]
async fn events_that_were_taken_before_are_taken() {
    let answer = put_after(refusal(400, "DataAlreadyAcceptedException")).await;
    assert_eq!(answer, Ok(Put::default()));
}

#[tokio::test]
async fn a_gateway_that_lost_the_service_leaves_it_open() {
    for (status, is_ambiguous) in [(500, false), (502, true), (503, false), (504, true)] {
        let error = put_after(answer(status, "<html>")).await.unwrap_err();
        assert_eq!((error.class, error.is_ambiguous), (Class::Transient, is_ambiguous), "{status}");
    }
}

#[tokio::test]
async fn an_answer_of_somebody_else_is_not_trusted() {
    let login = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_vec();
    let error = put_after(Act::Raw(login)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Transient, codes::NO_REQUEST_ID));
    assert!(error.is_ambiguous);
}

#[tokio::test]
async fn a_200_of_the_service_counts_whatever_follows() {
    for body in ["", "{", "[]", "null", r#"{"rejectedLogEventsInfo":7}"#, "<html>", "\u{0}"] {
        assert_eq!(put_after(answer(200, body)).await, Ok(Put::default()), "{body}");
    }
    let odd = r#"{"rejectedLogEventsInfo":{"tooNewLogEventStartIndex":"x"}}"#;
    assert_eq!(put_after(answer(200, odd)).await, Ok(Put::default()));
    let cut = b"HTTP/1.1 200 OK\r\nx-amzn-requestid: 1\r\ncontent-length: 9\r\n\r\n{".to_vec();
    assert_eq!(put_after(Act::Raw(cut)).await, Ok(Put::default()));
}

#[tokio::test]
async fn garbage_in_place_of_a_refusal_is_transient() {
    let bodies = ["", "{", "[]", "7", r#"{"__type":7}"#, "<html>", r#"{"message":{}}"#, "\u{0}"];
    for status in [301, 400, 404, 500] {
        for body in bodies {
            let error = put_after(answer(status, body)).await.unwrap_err();
            assert_eq!((error.class, error.status), (Class::Transient, Some(status)), "{body}");
            assert!(!error.is_ambiguous, "{status} {body}");
            assert_eq!(error.may_be_the_encoding(), status == 400, "{body}: {error:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_http_leaves_it_open() {
    for bytes in [&b""[..], b"\x00\xff", b"HTTP/1.1 200", b"HTTP/1.1 999999 x\r\n\r\n"] {
        let error = put_after(Act::Raw(bytes.to_vec())).await.unwrap_err();
        assert_eq!((error.class, error.is_ambiguous), (Class::Transient, true), "{bytes:?}");
    }
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let body = "x".repeat(call::ANSWER_BYTES_MAX + 1);
    let error = put_after(answer(400, body.clone())).await.unwrap_err();
    assert_eq!(error.code, codes::RESPONSE);
    assert!(error.message.contains("length limit exceeded"), "{error}");
    assert_eq!(put_after(answer(200, body)).await, Ok(Put::default()));
    let message = "y".repeat(60_000);
    let refusal = format!(r#"{{"__type":"X","message":"{message}"}}"#);
    let error = put_after(answer(400, refusal)).await.unwrap_err();
    assert_eq!(error.message.len(), 1_024);
}

#[tokio::test]
async fn the_service_may_ask_to_wait() {
    let head = "HTTP/1.1 503 x\r\nx-amzn-requestid: 1\r\nretry-after: 7\r\n\r\n";
    let error = put_after(Act::Raw(head.into())).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let head = "HTTP/1.1 503 x\r\nretry-after: 99999999999\r\n\r\n";
    let error = put_after(Act::Raw(head.into())).await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(300)));
}

#[tokio::test]
async fn after_a_refusal_for_the_clock_the_next_call_has_the_services_time() {
    let body = r#"{"__type":"InvalidSignatureException","message":"Signature expired: now"}"#;
    let date = "date: Thu, 01 Jan 2099 00:00:00 GMT";
    let length = body.len();
    let skewed = format!("HTTP/1.1 400 x\r\n{date}\r\ncontent-length: {length}\r\n\r\n{body}");
    let server = Server::start(vec![Act::Raw(skewed.into()), answer(200, TAKEN)]).await;
    let sender = sender(&server).await;
    assert_eq!(put(&sender).await.unwrap_err().class, Class::Clock);
    put(&sender).await.unwrap();
    let signed = server.seen()[1].header("x-amz-date").unwrap().to_owned();
    assert!(signed.starts_with("20990101T0000"), "{signed}");
}

#[tokio::test]
async fn a_server_that_never_answers_leaves_it_open() {
    let server = Server::start(vec![answer(200, TAKEN), Act::Hang]).await;
    let endpoint = format!("http://{}", server.address);
    let attempt_timeout = Duration::from_millis(300);
    let sender = sender_with(Settings { attempt_timeout, ..settings(&endpoint) }).await;
    // The first call loads the system's certificates; the second has its connection at once.
    let _ = put(&sender).await;
    let error = put(&sender).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Transient, codes::TIMEOUT));
    assert!(error.is_ambiguous, "{error}");
}

#[tokio::test]
async fn a_reset_after_the_request_leaves_it_open() {
    let error = put_after(Act::Reset).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Transient, codes::CONNECTION));
    assert!(error.is_ambiguous);
}

#[tokio::test]
async fn a_refused_connection_does_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    for tls_verify in [true, false] {
        let sender = sender_with(Settings { tls_verify, ..settings(&endpoint) }).await;
        let error = put(&sender).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Transient, codes::CONNECT));
        assert!(!error.is_ambiguous && error.message.contains("refused"), "{error}");
    }
}

#[tokio::test]
async fn without_verification_lost_answers_leave_it_open_too() {
    let acts = [Act::Reset, Act::Raw(b"\x00".to_vec()), Act::Raw(b"HTTP/1.1 200 OK\r\n".to_vec())];
    for act in acts {
        let server = Server::start(vec![act]).await;
        let endpoint = format!("http://{}", server.address);
        let sender = sender_with(Settings { tls_verify: false, ..settings(&endpoint) }).await;
        let error = put(&sender).await.unwrap_err();
        assert_eq!((error.class, error.is_ambiguous), (Class::Transient, true), "{error}");
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn after_a_server_error_the_next_call_has_another_connection() {
    for tls_verify in [true, false] {
        let server = Server::start(vec![refusal(503, ""), answer(200, TAKEN)]).await;
        let endpoint = format!("http://{}", server.address);
        let sender = sender_with(Settings { tls_verify, ..settings(&endpoint) }).await;
        let _ = put(&sender).await;
        put(&sender).await.unwrap();
        let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
        assert_eq!(connections, [0, 1], "{tls_verify}");
    }
}

#[tokio::test]
async fn neither_does_a_connection_that_takes_too_long() {
    // The system takes the connection, and nobody ever answers the handshake.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("https://{}", listener.local_addr().unwrap());
    for tls_verify in [true, false] {
        let connect_timeout = Duration::from_millis(5);
        let settings = Settings { tls_verify, connect_timeout, ..settings(&endpoint) };
        let error = put(&sender_with(settings).await).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Transient, codes::TIMEOUT));
        assert!(!error.is_ambiguous, "{error}");
    }
}

#[tokio::test]
async fn a_connection_serves_one_call_after_the_other() {
    let server = Server::start(vec![refusal(400, "ThrottlingException"), answer(200, "{}")]).await;
    for tls_verify in [true, false] {
        let endpoint = format!("http://{}", server.address);
        let sender = sender_with(Settings { tls_verify, ..settings(&endpoint) }).await;
        for _ in 0..3 {
            let _ = put(&sender.clone()).await;
        }
    }
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 0, 0, 1, 1, 1]);
}

#[tokio::test]
async fn streams_and_groups_that_exist_are_as_good() {
    let exists = refusal(400, "ResourceAlreadyExistsException");
    let script = vec![answer(200, ""), exists.clone(), answer(200, ""), exists, answer(200, "")];
    let server = Server::start(script).await;
    let sender = sender(&server).await;
    assert_eq!(sender.create_stream("g", "s").await, Ok(()));
    assert_eq!(sender.create_stream("g", "s").await, Ok(()));
    let (none, tags) = (BTreeMap::new(), BTreeMap::from([("k".to_owned(), "v".to_owned())]));
    let created = sender.create_group("g", Some("INFREQUENT_ACCESS"), &tags).await;
    assert_eq!(created, Ok(Created::New));
    assert_eq!(sender.create_group("g", None, &none).await, Ok(Created::Existed));
    assert_eq!(sender.put_retention("g", 30).await, Ok(()));
    let seen = server.seen();
    let called = |index: usize| {
        let body: serde_json::Value = serde_json::from_slice(&seen[index].body).unwrap();
        (seen[index].header("x-amz-target").unwrap().to_owned(), body)
    };
    let call = |name: &str, body| (format!("Logs_20140328.{name}"), body);
    let json = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let stream = json(r#"{"logGroupName":"g","logStreamName":"s"}"#);
    assert_eq!(called(0), call("CreateLogStream", stream));
    let group =
        json(r#"{"logGroupName":"g","logGroupClass":"INFREQUENT_ACCESS","tags":{"k":"v"}}"#);
    assert_eq!(called(2), call("CreateLogGroup", group));
    assert_eq!(called(3), call("CreateLogGroup", json(r#"{"logGroupName":"g"}"#)));
    let retention = json(r#"{"logGroupName":"g","retentionInDays":30}"#);
    assert_eq!(called(4), call("PutRetentionPolicy", retention));
}

#[tokio::test]
async fn a_stream_without_its_group_is_not_found() {
    let server = Server::start(vec![refusal(400, "ResourceNotFoundException")]).await;
    let sender = sender(&server).await;
    assert_eq!(sender.create_stream("g", "s").await.unwrap_err().class, Class::NotFound);
    assert_eq!(sender.put_retention("g", 1).await.unwrap_err().class, Class::NotFound);
}

/// The answer of STS to AssumeRole.
fn assumed(key: &str) -> Act {
    answer(
        200,
        format!(
            "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><Credentials><AccessKeyId>{key}</AccessKeyId>\
             <SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
             <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult>\
             </AssumeRoleResponse>"
        ),
    )
}

async fn sender_in_role(logs: &Server, sts: &Server) -> Sender {
    sender_with(Settings {
        role_arn: Some("arn:aws:iam::111111111111:role/logs".to_owned()),
        external_id: Some("ext/1".to_owned()),
        sts_endpoint: Some(format!("http://{}", sts.address)),
        ..settings(&format!("http://{}", logs.address))
    })
    .await
}

fn key(seen: &Seen) -> &str {
    let authorization = seen.header("authorization").unwrap();
    authorization.split("Credential=").nth(1).unwrap().split('/').next().unwrap()
}

#[tokio::test]
async fn a_role_is_assumed_with_the_credentials_found() {
    let logs = Server::start(vec![answer(200, TAKEN)]).await;
    let sts = Server::start(vec![assumed("ROLE")]).await;
    let sender = sender_in_role(&logs, &sts).await;
    assert!(sts.seen().is_empty(), "connecting must not ask for credentials");
    put(&sender).await.unwrap();
    put(&sender).await.unwrap();
    let asked = sts.seen();
    assert_eq!(asked.len(), 1, "credentials are kept until they expire");
    assert_eq!(key(&asked[0]), "AKID");
    let form = String::from_utf8_lossy(&asked[0].body).into_owned();
    for part in ["Action=AssumeRole", "ExternalId=ext%2F1", "role%2Flogs", "firelane"] {
        assert!(form.contains(part), "{form}");
    }
    assert_eq!(key(&logs.seen()[0]), "ROLE");
    assert_eq!(logs.seen()[0].header("x-amz-security-token"), Some("t"));
}

#[tokio::test]
async fn credentials_that_the_service_refuses_are_loaded_anew() {
    let logs = Server::start(vec![refusal(400, "ExpiredTokenException"), answer(200, "{}")]).await;
    let sts = Server::start(vec![assumed("OLD"), assumed("NEW")]).await;
    let sender = sender_in_role(&logs, &sts).await;
    assert_eq!(put(&sender).await.unwrap_err().class, Class::Credentials);
    put(&sender.clone()).await.unwrap();
    let keys: Vec<String> = logs.seen().iter().map(|seen| key(seen).to_owned()).collect();
    assert_eq!(keys, ["OLD", "NEW"]);
}

#[tokio::test]
async fn a_role_that_cannot_be_assumed_is_tried_again_at_the_next_call() {
    let denied = "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>";
    let logs = Server::start(vec![answer(200, TAKEN)]).await;
    let sts = Server::start(vec![answer(403, denied), assumed("ROLE")]).await;
    let sender = sender_in_role(&logs, &sts).await;
    let error = put(&sender).await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Credentials, codes::CREDENTIALS));
    assert!(!error.is_ambiguous);
    assert!(logs.seen().is_empty());
    put(&sender).await.unwrap();
}

/// A client that asks `credentials` and no other place.
async fn sender_asking(logs: &Server, credentials: &Server) -> Sender {
    let settings = Settings {
        credentials_endpoint: Some(format!("http://{}/v2/x?y", credentials.address)),
        keys: Some(Keys { id: "KEYS".to_owned(), secret: "s".to_owned(), token: None }),
        ..settings(&format!("http://{}", logs.address))
    };
    Sender::connect(settings).await.unwrap()
}

#[tokio::test]
async fn credentials_come_from_the_address_that_is_set_for_them() {
    let logs = Server::start(vec![answer(200, TAKEN)]).await;
    let body = r#"{"AccessKeyId":"ASKED","SecretAccessKey":"s","Token":"t",
        "Expiration":"2999-01-01T00:00:00Z"}"#;
    let credentials = Server::start(vec![answer(200, body)]).await;
    let sender = sender_asking(&logs, &credentials).await;
    assert!(credentials.seen().is_empty(), "connecting must not ask for credentials");
    put(&sender).await.unwrap();
    put(&sender).await.unwrap();
    let asked = credentials.seen();
    assert_eq!(asked.len(), 1, "credentials are kept until they expire");
    assert!(asked[0].head.starts_with("GET /v2/x?y HTTP/1.1\n"), "{}", asked[0].head);
    assert_eq!(key(&logs.seen()[0]), "ASKED");
    assert_eq!(logs.seen()[0].header("x-amz-security-token"), Some("t"));
}

#[tokio::test]
async fn an_address_that_gives_no_credentials_is_asked_again_at_the_next_call() {
    let logs = Server::start(vec![answer(200, TAKEN)]).await;
    let body = r#"{"AccessKeyId":"ASKED","SecretAccessKey":"s"}"#;
    let script = vec![answer(500, "{}"), answer(200, "no"), answer(200, body)];
    let credentials = Server::start(script).await;
    let sender = sender_asking(&logs, &credentials).await;
    for said in ["answered 500, expected 200", "something else than credentials"] {
        let error = put(&sender).await.unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Credentials, codes::CREDENTIALS));
        assert!(error.message.contains(said), "{error}");
    }
    assert!(logs.seen().is_empty());
    put(&sender).await.unwrap();
}

#[tokio::test]
async fn without_credentials_nothing_is_sent() {
    let server = Server::start(vec![answer(200, TAKEN)]).await;
    // Nobody sets the variables of the container's endpoint in a test.
    let none = SharedCredentialsProvider::new(EcsCredentialsProvider::builder().build());
    let settings = settings(&format!("http://{}", server.address));
    let shared = client::Shared::connect(settings, Some(none)).await.unwrap();
    let sender = Sender::of(shared);
    let error = sender.create_stream("g", "s").await.unwrap_err();
    assert_eq!((error.class, error.code.as_str()), (Class::Credentials, codes::CREDENTIALS));
    assert!(error.message.contains("ECS provider not configured"), "{error}");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let connect = |settings| async { Sender::connect(settings).await.unwrap_err().to_string() };
    let good = || settings("http://127.0.0.1:1");
    let text = connect(Settings { log_format: Some("a\nb".to_owned()), ..good() }).await;
    assert!(text.starts_with(r#"log_format "a\nb""#), "{text}");
    let text = connect(Settings { extra_user_agent: Some("é".to_owned()), ..good() }).await;
    assert!(text.starts_with("extra_user_agent"), "{text}");
    let text = connect(Settings { endpoint_url: Some("a b".to_owned()), ..good() }).await;
    assert!(text.starts_with("endpoint"), "{text}");
    let ca_file = Some(PathBuf::from("/nowhere/ca.pem"));
    let text = connect(Settings { tls_ca_file: ca_file, ..good() }).await;
    assert!(text.contains("/nowhere/ca.pem"), "{text}");
}

#[tokio::test]
async fn without_a_region_there_is_no_client() {
    let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
    let is_set = names.iter().any(|name| std::env::var_os(name).is_some());
    let connected = Sender::connect(Settings { region: None, ..settings("http://h") }).await;
    assert_eq!(matches!(connected, Err(ConnectError::NoRegion)), !is_set);
}

#[cfg(feature = "local")]
mod tls {
    use std::io::Write as _;

    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::aws_lc_rs;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;

    trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
    impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

    /// A server whose certificate nobody knows, and that certificate.
    async fn server() -> (Server, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let server = Server::start_with(vec![answer(200, TAKEN)], move |stream| {
            let accepting = acceptor.accept(stream);
            async {
                // Where the client refuses the certificate there is nothing to serve.
                let stream: Box<dyn Stream> = match accepting.await {
                    Ok(stream) => Box::new(stream),
                    Err(_refused) => Box::new(tokio::io::empty()),
                };
                stream
            }
        })
        .await;
        let port = server.address.rsplit(':').next().unwrap();
        let address = format!("localhost:{port}");
        (Server { address, ..server }, made.cert.pem())
    }

    #[tokio::test]
    async fn a_certificate_nobody_knows_is_refused_before_anything_is_sent() {
        let (server, _) = server().await;
        let (_, another) = self::server().await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(another.as_bytes()).unwrap();
        let tls_ca_file = Some(file.path().to_owned());
        let error = put(&sender_with(Settings { tls_ca_file, ..settings(&server.address) }).await)
            .await
            .unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (Class::Transient, codes::CONNECT));
        assert!(!error.is_ambiguous && error.message.contains("certificate"), "{error}");
        assert!(server.seen().is_empty());
    }

    #[tokio::test]
    async fn a_certificate_of_the_ca_file_is_taken() {
        let (server, certificate) = server().await;
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(certificate.as_bytes()).unwrap();
        let tls_ca_file = Some(file.path().to_owned());
        let sender = sender_with(Settings { tls_ca_file, ..settings(&server.address) }).await;
        assert_eq!(put(&sender).await, Ok(Put::default()));
    }

    #[tokio::test]
    async fn any_certificate_is_taken_where_verification_is_off() {
        let (server, _) = server().await;
        let sender = sender_with(Settings { tls_verify: false, ..settings(&server.address) }).await;
        assert_eq!(put(&sender).await, Ok(Put::default()));
        let by_number = server.address.replace("localhost", "https://127.0.0.1");
        let sender = sender_with(Settings { tls_verify: false, ..settings(&by_number) }).await;
        assert_eq!(put(&sender).await, Ok(Put::default()));
        assert_eq!(server.seen()[0].body, BODY);
    }
}

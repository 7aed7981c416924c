//! An HTTP client that takes any certificate, for `tls.verify off`.
//!
//! The SDK's own client always verifies. This one speaks HTTP/1.1 over rustls with aws-lc and keeps a
//! few connections. It uses no proxy. Not known here: requests.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use aws_sdk_cloudwatchlogs::config::{HttpClient, RuntimeComponents};
use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderValue};
use hyper::rt::{Read, Write};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;

use super::call::ANSWER_BYTES_MAX;
use super::transport::{IDLE_CONNECTIONS_MAX, IDLE_TIMEOUT};
use crate::tls::AnyCertificate;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The client; clones share its connections.
#[derive(Clone)]
pub(super) struct Unverified {
    tls: TlsConnector,
    connect_timeout: Duration,
    idle: Arc<Mutex<Vec<Idle>>>,
}

/// A connection that waits for its next request.
struct Idle {
    /// Scheme and authority of the endpoint.
    origin: String,
    since: Instant,
    connection: Connection,
}

struct Connection {
    sender: SendRequest<SdkBody>,
    /// Set where the SDK thinks that another connection may do better.
    is_poisoned: Arc<OnceLock<()>>,
}

impl Unverified {
    #[expect(clippy::expect_used, reason = "aws-lc has the protocol versions that rustls asks for")]
    pub(super) fn new(connect_timeout: Duration) -> Self {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("aws-lc supports TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate::new(provider)))
            .with_no_client_auth();
        Self { tls: TlsConnector::from(Arc::new(config)), connect_timeout, idle: Arc::default() }
    }

    async fn exchange(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let mut request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        let captured = request.extensions().get::<CaptureSmithyConnection>().cloned();
        let uri = to_origin_form(&mut request).map_err(ConnectorError::user)?;
        let origin = format!("{}://{}", uri.scheme_str().unwrap_or_default(), host_header(&uri));
        let mut connection = match self.take_idle(&origin).await {
            Some(connection) => connection,
            None => timeout(self.connect_timeout, self.connect(&uri))
                .await
                .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?
                .map_err(ConnectorError::io)?,
        };
        if let Some(captured) = captured {
            // From here on the service may have read the request.
            let is_poisoned = Arc::clone(&connection.is_poisoned);
            captured.set_connection_retriever(move || Some(metadata(&is_poisoned)));
        }
        let response = connection.sender.send_request(request).await;
        let (head, body) = response.map_err(|e| ConnectorError::io(e.into()))?.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(ConnectorError::io)?.to_bytes();
        self.keep(origin, connection);
        let response = hyper::Response::from_parts(head, SdkBody::from(body));
        HttpResponse::try_from(response).map_err(|e| ConnectorError::other(e.into(), None))
    }

    async fn connect(&self, uri: &Uri) -> Result<Connection, BoxError> {
        let is_tls = uri.scheme_str() == Some("https");
        let host = uri.host().ok_or("address without a host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_tls { HTTPS_PORT } else { HTTP_PORT });
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        if is_tls {
            let name = ServerName::try_from(host.to_owned())?;
            handshake(TokioIo::new(self.tls.connect(name, stream).await?)).await
        } else {
            handshake(TokioIo::new(stream)).await
        }
    }

    /// A connection that is still open; closes those that waited too long.
    async fn take_idle(&self, origin: &str) -> Option<Connection> {
        loop {
            let mut connection = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                let now = Instant::now();
                idle.retain(|one| {
                    one.connection.is_open() && now.duration_since(one.since) < IDLE_TIMEOUT
                });
                let index = idle.iter().rposition(|one| one.origin == origin)?;
                idle.swap_remove(index).connection
            };
            if connection.sender.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, origin: String, connection: Connection) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_CONNECTIONS_MAX && connection.is_open() {
            idle.push(Idle { origin, since: Instant::now(), connection });
        }
    }
}

impl Connection {
    fn is_open(&self) -> bool {
        !self.sender.is_closed() && self.is_poisoned.get().is_none()
    }
}

fn metadata(is_poisoned: &Arc<OnceLock<()>>) -> ConnectionMetadata {
    let is_poisoned = Arc::clone(is_poisoned);
    let poison = move || {
        let _again = is_poisoned.set(());
    };
    ConnectionMetadata::builder().proxied(false).poison_fn(poison).build()
}

async fn handshake<S>(stream: S) -> Result<Connection, BoxError>
where
    S: Read + Write + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(stream).await?;
    // Ends with its sender, or when the other side closes.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the endpoint failed");
        }
    });
    Ok(Connection { sender, is_poisoned: Arc::default() })
}

/// Leaves path and query in the request line and names the host in its header; gives the whole.
fn to_origin_form(request: &mut Request<SdkBody>) -> Result<Uri, BoxError> {
    let uri = request.uri().clone();
    *request.uri_mut() = uri.path_and_query().map_or("/", |target| target.as_str()).parse()?;
    if !request.headers().contains_key(HOST) {
        request.headers_mut().insert(HOST, HeaderValue::from_str(&host_header(&uri))?);
    }
    Ok(uri)
}

/// Host and port as they were signed: without the scheme's own port.
fn host_header(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    match (uri.scheme_str(), uri.port_u16()) {
        (_, None) | (Some("http"), Some(HTTP_PORT)) | (Some("https"), Some(HTTPS_PORT)) => {
            host.to_owned()
        }
        (_, Some(port)) => format!("{host}:{port}"),
    }
}

impl HttpConnector for Unverified {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().exchange(request))
    }
}

impl HttpClient for Unverified {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").finish_non_exhaustive()
    }
}

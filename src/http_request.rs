//! One plain HTTP/1.1 request without a body, bounded in time and in bytes.
//!
//! For endpoints on this host or link: metadata of the task and of the instance, and our own admin
//! server. No TLS, no redirects, no pool, one connection a request. Not known here: what the answer
//! means.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Port of `http://` where the address names none.
const HTTP_PORT: u16 = 80;
/// Most bytes of an answer's head; hyper takes no smaller buffer.
const HEAD_BYTES_MAX: usize = 8_192;

/// How long and how much a request may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From connecting to the last byte of the answer.
    pub timeout: Duration,
    /// Most bytes of the body, inclusive.
    pub body_bytes_max: usize,
}

/// What the server said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The body, at most [`Limits::body_bytes_max`] bytes.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum GetError {
    /// The address is not `http://host[:port]/path`, or a header holds what none may.
    #[error("address is not http://host/path")]
    Address,
    /// No connection.
    #[error("connecting failed")]
    Connect(#[source] std::io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("exchange failed")]
    Exchange(#[source] hyper::Error),
    /// The body broke off or was longer than allowed.
    #[error("reading the body failed, limit {body_bytes_max} bytes")]
    Body {
        /// [`Limits::body_bytes_max`].
        body_bytes_max: usize,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// [`Limits::timeout`] passed.
    #[error("no complete answer within {timeout:?}")]
    Timeout {
        /// [`Limits::timeout`].
        timeout: Duration,
    },
}

/// Gets `uri`, whatever status it answers with.
///
/// # Errors
///
/// [`GetError`], where no complete answer came within the limits.
pub async fn get(uri: &Uri, limits: Limits) -> Result<Answer, GetError> {
    ask(Method::GET, uri, &[], limits).await
}

/// Asks `uri` by another method or with headers of one's own, whatever status it answers with.
///
/// # Errors
///
/// [`GetError`], where no complete answer came within the limits.
pub async fn ask(
    method: Method,
    uri: &Uri,
    headers: &[(&'static str, &str)],
    limits: Limits,
) -> Result<Answer, GetError> {
    let timeout = limits.timeout;
    let request = request(method, uri, headers)?;
    tokio::time::timeout(timeout, exchange(uri, request, limits.body_bytes_max))
        .await
        .unwrap_or(Err(GetError::Timeout { timeout }))
}

async fn exchange(
    uri: &Uri,
    request: Request<Empty<Bytes>>,
    body_bytes_max: usize,
) -> Result<Answer, GetError> {
    let host = uri.host().ok_or(GetError::Address)?;
    // `Uri::host` keeps the brackets of an IPv6 address, the resolver takes it without.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(HTTP_PORT);
    let stream = TcpStream::connect((host, port)).await.map_err(GetError::Connect)?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(GetError::Exchange)?;
    let reading = async move {
        let response = sender.send_request(request).await.map_err(GetError::Exchange)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), body_bytes_max).collect().await;
        let body = body.map_err(|source| GetError::Body { body_bytes_max, source })?.to_bytes();
        Ok(Answer { status, body })
    };
    tokio::pin!(reading, connection);
    // Driven here and not in a task of its own: dropping this future closes the connection.
    tokio::select! {
        answer = &mut reading => answer,
        ended = &mut connection => match ended {
            Ok(()) => reading.await,
            Err(error) => Err(GetError::Exchange(error)),
        },
    }
}

fn request(
    method: Method,
    uri: &Uri,
    headers: &[(&'static str, &str)],
) -> Result<Request<Empty<Bytes>>, GetError> {
    let authority = uri.authority().ok_or(GetError::Address)?;
    if uri.scheme_str() != Some("http") {
        return Err(GetError::Address);
    }
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::builder().method(method).uri(target).header(HOST, authority.as_str());
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Empty::new()).map_err(|_| GetError::Address)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LIMITS: Limits = Limits { timeout: Duration::from_secs(20), body_bytes_max: 5 };

    /// Serves one connection with `answer`, then closes it; gives the address.
    async fn server(answer: &'static [u8]) -> Uri {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 1_024];
            let _ = stream.read(&mut head).await.unwrap();
            stream.write_all(answer).await.unwrap();
        });
        format!("http://{address}/x?y").parse().unwrap()
    }

    #[tokio::test]
    async fn a_body_as_long_as_the_limit_is_read() {
        let uri = server(b"HTTP/1.1 404\r\ncontent-length: 5\r\n\r\nhello").await;
        let answer = get(&uri, LIMITS).await.unwrap();
        assert_eq!(answer, Answer { status: 404, body: Bytes::from_static(b"hello") });
    }

    #[tokio::test]
    async fn a_body_one_byte_longer_is_an_error() {
        let uri = server(b"HTTP/1.1 200\r\ncontent-length: 6\r\n\r\nhello!").await;
        assert!(matches!(get(&uri, LIMITS).await, Err(GetError::Body { .. })));
    }

    #[tokio::test]
    async fn a_body_without_a_length_ends_with_the_connection() {
        let uri = server(b"HTTP/1.1 200 OK\r\n\r\nhi").await;
        assert_eq!(get(&uri, LIMITS).await.unwrap().body, Bytes::from_static(b"hi"));
    }

    #[tokio::test]
    async fn what_is_not_http_or_breaks_off_is_an_error() {
        for answer in [&b""[..], b"\x00\xff\xfe", b"HTTP/1.1 200 OK\r\ncont", b"SSH-2.0-x\r\n"] {
            let uri = server(answer).await;
            assert!(matches!(get(&uri, LIMITS).await, Err(GetError::Exchange(_))), "{answer:?}");
        }
        let uri = server(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhi").await;
        assert!(matches!(get(&uri, LIMITS).await, Err(GetError::Body { .. })));
    }

    #[tokio::test]
    async fn a_server_that_never_answers_is_given_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let limits = Limits { timeout: Duration::from_millis(5), ..LIMITS };
        assert!(matches!(get(&uri, limits).await, Err(GetError::Timeout { .. })));
    }

    #[tokio::test]
    async fn a_request_has_its_method_and_its_headers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/x", listener.local_addr().unwrap()).parse().unwrap();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 1_024];
            let bytes = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            head.truncate(bytes);
            String::from_utf8(head).unwrap()
        });
        ask(Method::PUT, &uri, &[("x-ttl", "60")], LIMITS).await.unwrap();
        let head = asked.await.unwrap();
        assert!(
            head.starts_with("PUT /x HTTP/1.1\r\n") && head.contains("x-ttl: 60\r\n"),
            "{head}"
        );
        let unfit = ask(Method::GET, &uri, &[("x", "a\nb")], LIMITS).await;
        assert!(matches!(unfit, Err(GetError::Address)), "{unfit:?}");
    }

    #[tokio::test]
    async fn only_http_addresses_are_asked() {
        for address in ["/relative", "https://127.0.0.1/", "ftp://127.0.0.1/"] {
            let answer = get(&address.parse().unwrap(), LIMITS).await;
            assert!(matches!(answer, Err(GetError::Address)), "{address}");
        }
    }
}

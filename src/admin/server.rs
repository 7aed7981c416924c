//! Serves the monitoring paths on a thread of its own.
//!
//! Bound before it is spawned, so that a taken port is an error at start. Every connection is
//! bounded: in number, in the size of its head, in the time to send a head and in its whole life;
//! request bodies are never read. Not known here: what the bodies say ([`routes`](super::routes)).

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, SERVER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::View;
use super::health::Health;
use super::routes::{Facts, Reply, reply};

/// Connections served at once; the next one waits in the backlog.
const CONNECTIONS_MAX: usize = 64;
/// Most bytes of a request's head; hyper takes no smaller buffer.
const HEAD_BYTES_MAX: usize = 8_192;
/// Most headers of a request.
const HEADERS_MAX: usize = 64;
/// Longest wait for a whole head, also between two requests of a connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest life of a connection, so that a peer that reads slowly does not keep its place.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);
/// Wait after the system could not give a connection (out of file descriptors).
const ACCEPT_RETRY_AFTER: Duration = Duration::from_millis(100);
/// The health check counts in seconds.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);
const THREAD_NAME: &str = "admin";

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("listening for monitoring on {addr} failed")]
pub struct BindError {
    /// `HTTP_Listen` and `HTTP_Port`.
    pub addr: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

/// The system gives no thread or no event queue.
#[derive(Debug, thiserror::Error)]
#[error("starting the monitoring thread failed")]
pub struct SpawnError(#[from] io::Error);

/// A bound socket that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    addr: SocketAddr,
}

/// The running server; dropping it stops the server.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    /// Dropped to stop the server.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Takes the port.
    ///
    /// # Errors
    ///
    /// [`BindError`], where the address is taken or not ours.
    pub fn bind(addr: SocketAddr) -> Result<Bound, BindError> {
        let bound = TcpListener::bind(addr).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(Bound { addr: listener.local_addr()?, listener })
        });
        bound.map_err(|source| BindError { addr, source })
    }

    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the monitoring thread panicked");
        }
    }
}

impl Bound {
    /// Where it listens; the port is a real one also where port 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Starts to serve.
    ///
    /// # Errors
    ///
    /// [`SpawnError`], where there is no thread or runtime for it.
    pub fn spawn(self, view: View) -> Result<Admin, SpawnError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            tokio::net::TcpListener::from_std(self.listener)?
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let shown = Arc::new(Shown::new(view));
        let serving = async move {
            tokio::select! {
                () = accept(listener, &shown) => {}
                () = sample(&shown) => {}
                _dropped = stopped => {}
            }
        };
        let thread = std::thread::Builder::new().name(THREAD_NAME.to_owned());
        let thread = thread.spawn(move || runtime.block_on(serving))?;
        Ok(Admin { addr: self.addr, stop: Some(stop), thread: Some(thread) })
    }
}

/// What every connection shows.
struct Shown {
    view: View,
    /// Locked for a few instructions, on one thread.
    health: Option<Mutex<Health>>,
}

impl Shown {
    fn new(view: View) -> Self {
        let health = view.health.map(|limits| Mutex::new(Health::new(limits)));
        Self { view, health }
    }

    fn with_health<T>(&self, act: impl FnOnce(&mut Health) -> T) -> Option<T> {
        let health = self.health.as_ref()?;
        Some(act(&mut health.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    fn reply(&self, path: &str) -> Reply {
        let View { telemetry, now, plugins, shows_storage, .. } = &self.view;
        let shows_storage = *shows_storage;
        let health = self.with_health(|health| health.verdict());
        reply(path, &Facts { telemetry, now: now(), health, plugins, shows_storage })
    }

    fn sample(&self) {
        let outputs = self.view.telemetry.outputs();
        let errors = outputs.iter().fold(0_u64, |sum, output| sum.saturating_add(output.errors));
        let retries_failed =
            outputs.iter().fold(0_u64, |sum, output| sum.saturating_add(output.retries_failed));
        self.with_health(|health| health.sample(errors, retries_failed));
    }
}

async fn accept(listener: tokio::net::TcpListener, shown: &Arc<Shown>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // A place first: without one the peer waits in the backlog, it is not turned away.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _peer)) => {
                let shown = Arc::clone(shown);
                tokio::spawn(async move {
                    serve(stream, shown).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::debug!(%error, "accepting a monitoring connection failed");
                tokio::time::sleep(ACCEPT_RETRY_AFTER).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, shown: Arc<Shown>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = response(shown.reply(request.uri().path()));
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        // A peer that has asked may close its half and wait, as `nc` does.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    match timeout(CONNECTION_TIMEOUT, pin!(connection)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a monitoring connection failed"),
        Err(_elapsed) => tracing::debug!("a monitoring connection lived too long"),
    }
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(SERVER, HeaderValue::from_static("Firelane"));
    if let Some(content_type) = reply.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    response
}

async fn sample(shown: &Shown) {
    if shown.health.is_none() {
        return std::future::pending().await;
    }
    let mut seconds = interval(SAMPLE_INTERVAL);
    // A second missed is a sample missed; catching up would shorten the window.
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        seconds.tick().await;
        shown.sample();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};
    use std::time::Instant;

    use crate::admin::{HealthLimits, Plugins};
    use crate::ledger::Budget;
    use crate::telemetry::{OutputCounters, Telemetry};

    use super::*;

    const HEALTH: HealthLimits =
        HealthLimits { errors_max: 5, retries_failed_max: 5, period_samples: 60 };

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn telemetry() -> Arc<Telemetry> {
        let mut telemetry = Telemetry::new(Budget::new(1), now(), Duration::from_secs(1));
        for name in ["one", "two"] {
            telemetry.outputs.push(Arc::new(OutputCounters::new(name)));
        }
        Arc::new(telemetry)
    }

    fn view(health: Option<HealthLimits>) -> View {
        let plugins = Plugins::default();
        View { telemetry: telemetry(), now, health, plugins, shows_storage: true }
    }

    fn admin(health: Option<HealthLimits>) -> Admin {
        let bound = Admin::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        bound.spawn(view(health)).unwrap()
    }

    /// Everything the server says to `request`, until it closes.
    fn exchange(admin: &Admin, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(admin.local_addr()).unwrap();
        // A server that closes early may reset the rest of a long request.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(admin: &Admin, path: &str) -> String {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        exchange(admin, request.as_bytes())
    }

    #[test]
    fn a_path_is_answered_with_length_and_type() {
        let answer = get(&admin(Some(HEALTH)), "/api/v1/health?x=1");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        for header in ["content-type: text/plain\r\n", "content-length: 3\r\n"] {
            assert!(answer.contains(header), "{answer}");
        }
        assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
    }

    #[test]
    fn an_unknown_path_is_404_and_empty() {
        let answer = get(&admin(None), "/api/v1/health");
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(
            answer.contains("content-length: 0\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }

    #[test]
    fn head_gives_the_length_without_the_body() {
        let request = b"HEAD /api/v1/uptime HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        let answer = exchange(&admin(None), request);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("content-length: 9") && answer.ends_with("\r\n\r\n"), "{answer}");
    }

    #[test]
    fn http_1_0_and_pipelined_requests_are_answered() {
        let server = admin(None);
        assert!(exchange(&server, b"GET / HTTP/1.0\r\n\r\n").contains(" 200 "));
        let two = b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n";
        assert_eq!(exchange(&server, two).matches("HTTP/1.1 200").count(), 2);
    }

    #[test]
    fn a_head_that_is_too_long_or_no_http_ends_only_its_own_connection() {
        let server = admin(None);
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(2 * HEAD_BYTES_MAX));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(HEADERS_MAX + 1));
        for request in [long.as_bytes(), many.as_bytes(), b"\x16\x03\x01\x02\x00", b"", b"\r\n\r\n"]
        {
            assert!(!exchange(&server, request).contains(" 200 "));
        }
        assert!(get(&server, "/").contains(" 200 "));
    }

    #[test]
    fn a_peer_beyond_the_limit_is_served_when_another_leaves() {
        let server = admin(None);
        let connect = |_| TcpStream::connect(server.local_addr()).unwrap();
        let mut silent: Vec<TcpStream> = (0..CONNECTIONS_MAX).map(connect).collect();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| get(&server, "/"));
            drop(silent.pop());
            assert!(waiting.join().unwrap().contains(" 200 "));
        });
    }

    #[test]
    fn a_body_is_not_read() {
        let post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\nabc";
        let server = admin(None);
        let _ = exchange(&server, post);
        assert!(get(&server, "/").contains(" 200 "));
    }

    #[test]
    fn a_taken_port_is_an_error_that_names_it() {
        let first = Admin::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = Admin::bind(first.local_addr()).unwrap_err();
        assert_eq!(error.addr, first.local_addr());
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn the_port_is_free_again_when_the_server_is_dropped() {
        let server = admin(None);
        let addr = server.local_addr();
        let _open = TcpStream::connect(addr).unwrap();
        drop(server);
        assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }

    #[test]
    fn errors_of_all_outputs_are_summed_and_make_it_unhealthy() {
        let shown = Shown::new(view(Some(HEALTH)));
        shown.sample();
        shown.view.telemetry.outputs.iter().for_each(|output| output.errors.add(3));
        assert_eq!(shown.reply("/api/v1/health").status, 200);
        shown.sample();
        assert_eq!(shown.reply("/api/v1/health").status, 500);
    }
}

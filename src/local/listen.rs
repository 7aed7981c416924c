//! Listeners: accept connections, with TLS or without, and speak HTTP/1.1 on each until it ends.
//! Must not know what is served.

use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Most connections of one listener at the same time.
const CONNECTIONS_MAX: usize = 4_096;
/// Longest TLS handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept, such as when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The body of an answer.
pub(super) type Body = UnsyncBoxBody<Bytes, std::convert::Infallible>;

/// What happens to a request: an answer, or the connection is reset.
pub(super) type Answer = Result<Response<Body>, Reset>;

/// The connection is to be reset instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset on purpose")]
pub(super) struct Reset;

/// Answers requests.
pub(super) trait Respond: Send + Sync + 'static {
    /// Answers one request.
    fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> impl Future<Output = Answer> + Send + 'static;

    /// Waits until nobody is to listen for a while, and says for how long.
    fn absent(self: Arc<Self>) -> impl Future<Output = Duration> + Send + 'static {
        std::future::pending()
    }
}

/// A listener at work. Dropping it ends the listener and all its connections at once.
#[derive(Debug)]
pub(super) struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Where it listens, with the real port.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends the listener and all its connections.
    pub(super) async fn shutdown(mut self) {
        drop(self.stop.take());
        // It only fails if the task panicked, and then it has ended too.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens on `address` and has every request answered by `responder`.
///
/// # Errors
///
/// When the address cannot be bound.
pub(super) async fn listen<R: Respond>(
    address: SocketAddr,
    tls: Option<Arc<ServerConfig>>,
    responder: Arc<R>,
) -> io::Result<Listening> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let (stop, stopped) = oneshot::channel();
    let tls = tls.map(TlsAcceptor::from);
    let task = tokio::spawn(accept(listener, address, tls, responder, stopped));
    Ok(Listening { address, stop: Some(stop), task })
}

async fn accept<R: Respond>(
    mut listener: TcpListener,
    address: SocketAddr,
    tls: Option<TlsAcceptor>,
    responder: Arc<R>,
    mut stopped: oneshot::Receiver<()>,
) {
    while let Some(away) = accept_until_away(&listener, &tls, &responder, &mut stopped).await {
        drop(listener);
        tokio::select! {
            _ = &mut stopped => return,
            back = come_back(address, away) => listener = back,
        }
    }
}

/// `None` when it was stopped.
async fn accept_until_away<R: Respond>(
    listener: &TcpListener,
    tls: &Option<TlsAcceptor>,
    responder: &Arc<R>,
    stopped: &mut oneshot::Receiver<()>,
) -> Option<Duration> {
    let mut connections = JoinSet::new();
    let absent = Arc::clone(responder).absent();
    tokio::pin!(absent);
    let away = loop {
        tokio::select! {
            _ = &mut *stopped => break None,
            away = &mut absent => break Some(away),
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connect(stream, tls.clone(), Arc::clone(responder)));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    };
    connections.shutdown().await;
    away
}

async fn come_back(address: SocketAddr, away: Duration) -> TcpListener {
    sleep(away).await;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => tracing::warn!(%error, "cannot listen again"),
        }
        sleep(ACCEPT_PAUSE).await;
    }
}

async fn connect<R: Respond>(stream: TcpStream, tls: Option<TlsAcceptor>, responder: Arc<R>) {
    // Answers are written in one go: waiting for more would only delay them.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return serve(stream, |stream| stream.set_zero_linger(), responder).await;
    };
    match timeout(HANDSHAKE_MAX, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            serve(stream, |stream| stream.get_ref().0.set_zero_linger(), responder).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "no TLS handshake"),
        Err(_) => tracing::debug!("no TLS handshake in time"),
    }
}

/// `hard_close` has the stream reset the connection when it is dropped.
async fn serve<S, R>(stream: S, hard_close: fn(&S) -> io::Result<()>, responder: Arc<R>)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    R: Respond,
{
    let service = service_fn(move |request| -> Pin<Box<dyn Future<Output = Answer> + Send>> {
        Box::pin(Arc::clone(&responder).respond(request))
    });
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let result = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    match result {
        Ok(()) => {
            let _ = stream.shutdown().await;
        }
        Err(error) if error.source().is_some_and(<dyn Error>::is::<Reset>) => {
            if let Err(error) = hard_close(&stream) {
                tracing::warn!(%error, "a connection is closed instead of reset");
            }
        }
        Err(error) => tracing::debug!(%error, "a connection ended"),
    }
}

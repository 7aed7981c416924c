//! One connection: HTTP/1.1 and HTTP/2 by hyper, bounded in what it holds and in how long it may be
//! silent. Must not know what requests mean.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};

use super::Settings;
use super::pulse::Pulse;
use super::request::Visit;
use super::stream::Watched;
use crate::clock;
use crate::input::Intake;
use crate::input::socket::Peer;
use crate::telemetry::InputCounters;

/// Most bytes of a request's head over HTTP/1.1: they are in memory before anybody can pay for them,
/// and one of 70 kB is recorded as taken (`tests/vectors`, `http_header_oversize`). Bodies are read in less, see [`Watched`].
const HEAD_BYTES_MAX: usize = 80 * 1_024;
/// The same over HTTP/2, where several come at once: what others take there by default.
const STREAM_HEAD_BYTES_MAX: u32 = 16 * 1_024;
/// Longest time in which a head may come, from the first byte that is waited for: a sender of one
/// byte a second has time for one of the usual size.
const HEAD_TIME_MAX: Duration = Duration::from_secs(120);
/// Requests of one HTTP/2 connection that are served at once.
const STREAMS_MAX: u32 = 4;
/// Bytes of all bodies of a connection that may come over HTTP/2 before they are read.
const STREAMS_BYTES_MAX: u32 = 64 * 1_024;
/// The same for one of them: while it waits for memory, there is room for another.
const STREAM_BYTES_MAX: u32 = STREAMS_BYTES_MAX / 2;
/// Bytes of an answer that wait to be sent over HTTP/2: there are none of more.
const SEND_BYTES_MAX: usize = 4 * 1_024;
/// Most bytes of the two tables of names and values of an HTTP/2 connection (RFC 7541 section 4.2).
const TABLES_BYTES_MAX: usize = 2 * 4_096;
/// Most bytes that a connection holds over HTTP/1.1 and nobody pays for: a head, and what it answers.
pub const PLAIN_BYTES_MAX: usize = HEAD_BYTES_MAX + 16 * 1_024;
/// The same where HTTP/2 is spoken too: the heads of all its requests, their answers, and bodies that are
/// not read yet.
pub const STREAMED_BYTES_MAX: usize = STREAMS_MAX as usize
    * (STREAM_HEAD_BYTES_MAX as usize + SEND_BYTES_MAX)
    + STREAMS_BYTES_MAX as usize
    + TABLES_BYTES_MAX;

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// Its peer closed it, or it was asked to end.
    Closed,
    /// It was silent for too long.
    Idle,
    /// Its bytes cannot be followed, or reading or writing failed.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

/// Serves a peer until it has gone, was silent for too long, or cannot be followed.
pub async fn serve<S>(
    stream: S,
    peer: Peer,
    settings: Arc<Settings>,
    intake: Intake,
    counters: Arc<InputCounters>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    counters.connections.add(1);
    intake.activity.opened();
    let activity = Arc::clone(&intake.activity);
    let pulse = Arc::new(Pulse::new(clock::now()));
    let visit = Visit { settings, peer, intake, counters, pulse };
    let visit = Arc::new(visit);
    let end = Box::pin(talk(stream, Arc::clone(&visit))).await;
    activity.closed();
    let (input, peer) = (&visit.counters.name, &visit.peer);
    visit.counters.connections.sub(1);
    match end {
        End::Closed => tracing::debug!("{input}: {peer}: closed"),
        End::Idle => tracing::debug!("{input}: {peer}: closed, as it was silent for too long"),
        End::Failed(error) if is_broken(error.as_ref()) => {
            visit.counters.connection_errors.add(1);
            tracing::warn!("{input}: connection of {peer} closed: {error}");
        }
        End::Failed(error) => tracing::debug!("{input}: {peer}: connection failed: {error}"),
    }
}

async fn talk<S>(stream: S, visit: Arc<Visit>) -> End
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (pulse, idle) = (Arc::clone(&visit.pulse), visit.settings.idle);
    let mut ending = visit.intake.ending();
    let stream = Watched::new(stream, Arc::clone(&pulse), Arc::clone(&visit.intake.activity));
    let builder = builder(&visit.settings);
    let service = service_fn(move |request: Request<Incoming>| {
        let visit = Arc::clone(&visit);
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut quiet = pin!(silence(&pulse, idle));
    let mut is_ending = false;
    loop {
        tokio::select! {
            served = connection.as_mut() => return match served {
                Ok(()) => End::Closed,
                Err(error) => End::Failed(error),
            },
            () = quiet.as_mut() => return End::Idle,
            () = ending.ended(), if !is_ending => {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}

fn builder(settings: &Settings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.idle.map(|idle| idle.max(HEAD_TIME_MAX)))
        .max_buf_size(HEAD_BYTES_MAX)
        // A peer that has sent all may close its half and wait for the answer.
        .half_close(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(STREAM_BYTES_MAX)
        .initial_connection_window_size(STREAMS_BYTES_MAX)
        .max_header_list_size(STREAM_HEAD_BYTES_MAX)
        .max_send_buf_size(SEND_BYTES_MAX);
    if settings.has_http2 { builder } else { builder.http1_only() }
}

/// Returns once the connection was silent, and not being served, for so long.
async fn silence(pulse: &Pulse, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    let mut wait = idle;
    loop {
        tokio::time::sleep(wait).await;
        wait = match pulse.quiet_since() {
            None => idle,
            Some(since) => idle.saturating_sub(clock::now().saturating_duration_since(since)),
        };
        if wait.is_zero() {
            return;
        }
    }
}

/// Whether its bytes cannot be followed, unlike where the network failed or the peer went away.
fn is_broken(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    let hyper = error.downcast_ref::<hyper::Error>();
    let network = error.downcast_ref::<io::Error>().is_some();
    !network && hyper.is_none_or(|error| error.is_parse() && !error.is_timeout())
}

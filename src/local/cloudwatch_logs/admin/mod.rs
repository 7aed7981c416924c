//! The account and the faults over HTTP, under `/_local/` and unsigned. Must not know how they come
//! about.
//!
//! `GET /_local/health`, `GET /_local/account`, `GET /_local/events?group=..&stream=..` (a JSON line
//! `[timestamp, message]` an event, in order of acceptance), `GET /_local/puts?group=..&stream=..` (a
//! list of [`PutNote`](super::note::PutNote), in the same order), `GET` and `POST /_local/faults` (a
//! [`FaultPlan`]), `POST /_local/reset`, `POST /_local/away` (`{"for_ms":..}`: nobody listens for that
//! long and every connection ends, perhaps this one before its answer).

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;

use super::faults::{DELAY_MS_MAX, FaultPlan};
use super::service::{Service, lock};
use crate::local::answer::{error, json_answer, query};
use crate::local::listen::Body;

/// Most bytes of a body: a fault plan has far less.
pub(super) const BODY_BYTES_MAX: usize = 1_048_576;
/// Bytes from which a piece of the list of events is sent.
const PIECE_BYTES: usize = 65_536;
const PREFIX: &str = "/_local/";

/// Whether a request is for these routes and not for the service.
pub(super) fn is_for(parts: &Parts) -> bool {
    parts.uri.path().starts_with(PREFIX)
}

/// Answers a request for these routes.
pub(super) fn answer(
    service: &Arc<Mutex<Service>>,
    parts: &Parts,
    body: &[u8],
    now: Duration,
    away: &watch::Sender<Duration>,
) -> Response<Body> {
    let route = parts.uri.path().strip_prefix(PREFIX).unwrap_or_default();
    match (&parts.method, route) {
        (&Method::GET, "health") => json_answer(&json!({"status": "ok"})),
        (&Method::GET, "account") => json_answer(&lock(service).summary()),
        (&Method::GET, "faults") => json_answer(lock(service).faults()),
        (&Method::GET, "events") => events(service, parts),
        (&Method::GET, "puts") => puts(service, parts),
        (&Method::POST, "away") => go_away(away, body),
        (&Method::POST, "faults") => set_faults(service, body, now),
        (&Method::POST, "reset") => {
            lock(service).reset(now);
            json_answer(&json!({}))
        }
        (_, "health" | "account" | "faults" | "events" | "puts" | "away" | "reset") => {
            error(StatusCode::METHOD_NOT_ALLOWED, "this route has another method")
        }
        _ => error(StatusCode::NOT_FOUND, "no such route"),
    }
}

fn set_faults(service: &Mutex<Service>, body: &[u8], now: Duration) -> Response<Body> {
    let plan = match serde_json::from_slice::<FaultPlan>(body) {
        Ok(plan) => plan,
        Err(wrong) => return error(StatusCode::BAD_REQUEST, &wrong.to_string()),
    };
    match lock(service).set_faults(plan, now) {
        Ok(()) => json_answer(&json!({})),
        Err(wrong) => error(StatusCode::BAD_REQUEST, &wrong.to_string()),
    }
}

/// How long nobody is to listen.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Away {
    for_ms: u64,
}

fn go_away(away: &watch::Sender<Duration>, body: &[u8]) -> Response<Body> {
    match serde_json::from_slice::<Away>(body) {
        Ok(Away { for_ms }) if for_ms <= DELAY_MS_MAX => {
            // Without a listener there is nobody to tell.
            let _ = away.send(Duration::from_millis(for_ms));
            json_answer(&json!({}))
        }
        Ok(Away { for_ms }) => {
            let wrong = format!("`for_ms` is {for_ms}, expected at most {DELAY_MS_MAX}");
            error(StatusCode::BAD_REQUEST, &wrong)
        }
        Err(wrong) => error(StatusCode::BAD_REQUEST, &wrong.to_string()),
    }
}

fn puts(service: &Mutex<Service>, parts: &Parts) -> Response<Body> {
    let Some((group, stream)) = asked_stream(parts) else { return no_stream_asked() };
    match lock(service).account().notes(&group, &stream) {
        Some(notes) => json_answer(&notes),
        None => never_received(),
    }
}

fn asked_stream(parts: &Parts) -> Option<(String, String)> {
    query(parts, "group").zip(query(parts, "stream"))
}

fn no_stream_asked() -> Response<Body> {
    error(StatusCode::BAD_REQUEST, "expected ?group=..&stream=..")
}

fn never_received() -> Response<Body> {
    error(StatusCode::NOT_FOUND, "the stream never received an event")
}

fn events(service: &Arc<Mutex<Service>>, parts: &Parts) -> Response<Body> {
    let Some((group, stream)) = asked_stream(parts) else { return no_stream_asked() };
    let Some(end) = lock(service).account().kept(&group, &stream).map(<[_]>::len) else {
        return never_received();
    };
    let lines = EventLines { service: Arc::clone(service), group, stream, next: 0, end };
    Response::new(lines.boxed_unsync())
}

/// The events of a stream, read off the account piece by piece as the client takes them.
#[derive(Debug)]
struct EventLines {
    service: Arc<Mutex<Service>>,
    group: String,
    stream: String,
    next: usize,
    /// Events that there were when the list was asked for.
    end: usize,
}

impl EventLines {
    fn piece(&mut self) -> BytesMut {
        let mut piece = BytesMut::with_capacity(PIECE_BYTES);
        let service = lock(&self.service);
        let kept = service.account().kept(&self.group, &self.stream).unwrap_or_default();
        for event in kept.get(self.next..self.end).unwrap_or_default() {
            let line = (event.timestamp, &event.message);
            if serde_json::to_writer((&mut piece).writer(), &line).is_ok() {
                piece.put_u8(b'\n');
            }
            self.next += 1;
            if piece.len() >= PIECE_BYTES {
                break;
            }
        }
        piece
    }
}

impl HttpBody for EventLines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.piece();
        // Nothing is left, or a reset took it away.
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece.freeze()))))
    }
}

#[cfg(test)]
mod tests;

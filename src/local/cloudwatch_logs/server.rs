//! The endpoint on the wire: collects a request, has `service` decide, and does what it says. Must
//! not know any rule of the service.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Request, StatusCode};
use tokio::sync::watch;
use tokio::time::sleep;

use super::admin;
use super::request::{BODY_BYTES_MAX, Trust, too_large};
use super::response::Response;
use super::service::{Reply, Service, exchange, lock};
use crate::clock;
use crate::local::listen::{Answer, Reset, Respond};

/// The endpoint without its listener.
#[derive(Debug)]
pub(in crate::local) struct Server {
    trust: Trust,
    service: Arc<Mutex<Service>>,
    away: watch::Sender<Duration>,
}

impl Server {
    pub(super) fn new(trust: Trust, service: Arc<Mutex<Service>>) -> Self {
        Self { trust, service, away: watch::Sender::new(Duration::ZERO) }
    }
}

impl Respond for Server {
    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let cap = if admin::is_for(&parts) { admin::BODY_BYTES_MAX } else { BODY_BYTES_MAX };
        let body = match Limited::new(body, cap).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                let reply = lock(&self.service).refuse(None, &too_large(), cap);
                return carry_out(reply).await;
            }
            // The client is gone or breaks the framing: there is nobody to answer.
            Err(_) => return Err(Reset),
        };
        if admin::is_for(&parts) {
            let now = clock::unix_now();
            return Ok(admin::answer(&self.service, &parts, &body, now, &self.away));
        }
        let reply = exchange(&self.trust, &self.service, &parts, &body, clock::unix_now());
        carry_out(reply).await
    }

    async fn absent(self: Arc<Self>) -> Duration {
        let mut away = self.away.subscribe();
        // The sender lives as long as the server.
        let _ = away.changed().await;
        *away.borrow()
    }
}

async fn carry_out(reply: Reply) -> Answer {
    match reply {
        Reply::Answer { response, delay } => {
            if !delay.is_zero() {
                sleep(delay).await;
            }
            Ok(write(response))
        }
        // Ends when the client hangs up or the endpoint stops.
        Reply::NeverAnswer => std::future::pending().await,
        Reply::Reset => Err(Reset),
    }
}

fn write(response: Response) -> hyper::Response<crate::local::listen::Body> {
    let mut answer = hyper::Response::new(Full::new(Bytes::from(response.body)).boxed_unsync());
    *answer.status_mut() = StatusCode::from_u16(response.status).unwrap_or_default();
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    let request_id = response.request_id.and_then(|id| HeaderValue::try_from(id).ok());
    if let Some(request_id) = request_id {
        headers.insert("x-amzn-requestid", request_id);
    }
    answer
}

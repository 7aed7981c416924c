//! The endpoint on the wire, and its own routes under `/_local/`. Must not know what a task is.
//!
//! `GET /_local/health`, `POST /_local/containers` (a list of [`Container`]), `POST /_local/faults` (a
//! [`MetadataFault`] or null), `GET /_local/account` (the number of requests).

use std::sync::{Arc, Mutex};

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::lock;
use super::routes::{Metadata, MetadataFault, Reply};
use super::task::Container;
use crate::clock;
use crate::local::answer::{error, json_answer};
use crate::local::listen::{Answer, Body, Reset, Respond};

/// Most bytes of a body: far more than a task with many containers has.
const BODY_BYTES_MAX: usize = 1_048_576;
const PREFIX: &str = "/_local/";

/// The endpoint without its listener.
#[derive(Debug)]
pub(in crate::local) struct Server {
    metadata: Arc<Mutex<Metadata>>,
}

impl Server {
    pub(super) fn new(metadata: Arc<Mutex<Metadata>>) -> Self {
        Self { metadata }
    }

    fn set(&self, route: &str, parts: &Parts, body: &[u8]) -> Response<Body> {
        match (&parts.method, route) {
            (&Method::GET, "health") => json_answer(&json!({"status": "ok"})),
            (&Method::GET, "account") => {
                json_answer(&json!({"requests": lock(&self.metadata).requests()}))
            }
            (&Method::POST, "containers") => read::<Vec<Container>>(body, |containers| {
                lock(&self.metadata).set_containers(containers);
            }),
            (&Method::POST, "faults") => read::<Option<MetadataFault>>(body, |fault| {
                lock(&self.metadata).set_fault(fault);
            }),
            _ => error(StatusCode::NOT_FOUND, "no such route"),
        }
    }
}

impl Respond for Server {
    async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, BODY_BYTES_MAX).collect().await else {
            return Err(Reset);
        };
        if let Some(route) = parts.uri.path().strip_prefix(PREFIX) {
            return Ok(self.set(route, &parts, &body.to_bytes()));
        }
        if parts.method != Method::GET {
            return Ok(error(StatusCode::METHOD_NOT_ALLOWED, "expected GET"));
        }
        let reply = lock(&self.metadata).answer(parts.uri.path(), clock::unix_now());
        match reply {
            Reply::Answer { status, body } => {
                let mut answer = json_answer(&body);
                *answer.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
                Ok(answer)
            }
            // Ends when the client hangs up or the endpoint stops.
            Reply::NeverAnswer => std::future::pending().await,
        }
    }
}

fn read<T: DeserializeOwned>(body: &[u8], take: impl FnOnce(T)) -> Response<Body> {
    match serde_json::from_slice(body) {
        Ok(value) => {
            take(value);
            json_answer(&json!({}))
        }
        Err(wrong) => error(StatusCode::BAD_REQUEST, &wrong.to_string()),
    }
}

//! A server of metadata: stands in for the instance metadata service and for the ECS agent.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The token it gives.
pub const TOKEN: &str = "token-1";

/// A request: method, path with query, the token that came with it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub token: Option<&'a str>,
}

/// A server at work.
pub struct Metadata {
    pub port: u16,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Metadata {
    /// Takes every request and never answers.
    pub async fn silent() -> Self {
        Self::serve(None::<fn(Asked<'_>) -> (u16, String)>).await
    }

    /// Answers each request.
    pub async fn start(
        answer: impl Fn(Asked<'_>) -> (u16, String) + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Some(answer)).await
    }

    async fn serve(
        answer: Option<impl Fn(Asked<'_>) -> (u16, String) + Clone + Send + Sync + 'static>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let entered = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (answer, asked) = (answer.clone(), Arc::clone(&entered));
                let service = service_fn(move |request: Request<Incoming>| {
                    let answer = answer.clone();
                    let (method, path) = (request.method().to_string(), request.uri().to_string());
                    asked.lock().expect("no panic").push(format!("{method} {path}"));
                    async move {
                        let Some(answer) = answer else { return std::future::pending().await };
                        let token = request.headers().get("x-aws-ec2-metadata-token");
                        let token = token.and_then(|token| token.to_str().ok());
                        let (status, body) = answer(Asked { method: &method, path: &path, token });
                        let response = Response::builder().status(status);
                        let response = response.body(Full::new(Bytes::from(body)));
                        Ok::<_, Infallible>(response.expect("a response"))
                    }
                });
                let served = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                tokio::spawn(served);
            }
        });
        Self { port, asked }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What was asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("no panic").clone()
    }
}

/// An instance in `eu-west-1a` that wants tokens.
pub fn instance(asked: Asked<'_>) -> (u16, String) {
    let found = |text: &str| (200, text.to_owned());
    match asked {
        Asked { method: "PUT", path: "/latest/api/token", .. } => found(TOKEN),
        Asked { token: Some(TOKEN), path, .. } => match path {
            "/latest/meta-data/placement/availability-zone" => found("eu-west-1a"),
            "/latest/meta-data/instance-id" => found("i-0123"),
            _ => (404, String::new()),
        },
        Asked { .. } => (401, String::new()),
    }
}

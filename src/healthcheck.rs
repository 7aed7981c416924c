//! What `firelane healthcheck` does: asks the running process whether it is well.
//!
//! An image without a shell and without `curl` needs its own health check command. Not known here:
//! what is healthy (the admin server decides) and exit codes.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use hyper::Uri;

use crate::http_request::{Answer, GetError, Limits, get};

/// Below the 5 s that ECS gives a health check command unless told otherwise.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(4);
const ANSWER_BYTES_MAX: usize = 65_536;
const STATUS_OK: u16 = 200;
const STATUS_NOT_FOUND: u16 = 404;

/// Whether the process whose admin server listens on `port` of this host is well.
///
/// Where no health check is configured (`/api/v1/health` is 404) it is enough that it answers.
pub async fn run(port: u16) -> bool {
    is_healthy_at(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), ANSWER_TIMEOUT).await
}

async fn is_healthy_at(addr: SocketAddr, timeout: Duration) -> bool {
    let asking = async {
        match ask(addr, "/api/v1/health", timeout).await {
            Ok(Answer { status: STATUS_NOT_FOUND, .. }) => {
                ask(addr, "/api/v1/uptime", timeout).await
            }
            answer => answer,
        }
    };
    // One limit over both questions.
    match tokio::time::timeout(timeout, asking).await {
        Ok(Ok(Answer { status, .. })) => status == STATUS_OK,
        Ok(Err(error)) => {
            tracing::debug!(%error, %addr, "no answer to the health check");
            false
        }
        Err(_elapsed) => false,
    }
}

async fn ask(addr: SocketAddr, path: &str, timeout: Duration) -> Result<Answer, GetError> {
    let uri: Uri = format!("http://{addr}{path}").parse().map_err(|_| GetError::Address)?;
    get(&uri, Limits { timeout, body_bytes_max: ANSWER_BYTES_MAX }).await
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Answers each path by its status, any other path by 404.
    async fn server(paths: &[(&'static str, u16)]) -> SocketAddr {
        let paths: HashMap<&str, u16> = paths.iter().copied().collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 1_024];
                let read = stream.read(&mut head).await.unwrap();
                let head = String::from_utf8_lossy(&head[..read]).into_owned();
                let path = head.split(' ').nth(1).unwrap();
                let status = paths.get(path).unwrap_or(&404);
                let answer = format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        addr
    }

    #[tokio::test]
    async fn ok_is_healthy_and_an_error_is_not() {
        let addr = server(&[("/api/v1/health", 200)]).await;
        assert!(is_healthy_at(addr, LONG).await);
        let addr = server(&[("/api/v1/health", 500), ("/api/v1/uptime", 200)]).await;
        assert!(!is_healthy_at(addr, LONG).await);
    }

    #[tokio::test]
    async fn without_a_health_check_an_answer_is_enough() {
        let addr = server(&[("/api/v1/uptime", 200)]).await;
        assert!(is_healthy_at(addr, LONG).await);
        let addr = server(&[]).await;
        assert!(!is_healthy_at(addr, LONG).await);
    }

    #[tokio::test]
    async fn nobody_there_or_no_answer_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        assert!(!is_healthy_at(addr, Duration::from_millis(5)).await);
        drop(listener);
        assert!(!is_healthy_at(addr, LONG).await);
    }
}

//! Signed requests for the tests of the whole endpoint. Must not know how they are answered.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

use super::{sigv4, test_keys};
use crate::clock;

/// A signed request of the operation `operation`, dated now.
pub(in crate::local) fn signed(operation: &str, body: &[u8]) -> Request<Full<Bytes>> {
    let request = Request::post("/")
        .header("host", "localhost")
        .header("content-type", "application/x-amz-json-1.1")
        .header("content-length", body.len())
        .header("x-amz-target", format!("Logs_20140328.{operation}"));
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let key = test_keys().swap_remove(0);
    sigv4::sign(&mut parts, body, &key, "us-west-2", clock::unix_now());
    Request::from_parts(parts, Full::new(Bytes::copy_from_slice(body)))
}

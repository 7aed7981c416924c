//! Answers and query strings of the routes that are this product's own. Must not know the routes.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use super::listen::Body;

/// `value` as JSON with status 200.
pub(super) fn json_answer<T: Serialize>(value: &T) -> Response<Body> {
    // The types of this module have string keys only, so that writing them cannot fail.
    let body = serde_json::to_vec(value).unwrap_or_default();
    let mut answer = Response::new(Full::new(Bytes::from(body)).boxed_unsync());
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An error as JSON.
pub(super) fn error(status: StatusCode, text: &str) -> Response<Body> {
    let mut answer = json_answer(&json!({"error": text}));
    *answer.status_mut() = status;
    answer
}

/// The first value of a parameter of the query, without its percent encoding.
pub(super) fn query(parts: &Parts, name: &str) -> Option<String> {
    parts.uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        (key == name).then(|| decode(value))?
    })
}

/// `None` if what is encoded is not UTF-8, or a `%` is not followed by two digits.
fn decode(value: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(uri: &str, name: &str) -> Option<String> {
        query(&hyper::Request::get(uri).body(()).unwrap().into_parts().0, name)
    }

    #[test]
    fn a_parameter_is_found_and_decoded() {
        let uri = "/x?group=/a%2Fb&stream=%C3%a9+%2B";
        assert_eq!(ask(uri, "group").as_deref(), Some("/a/b"));
        assert_eq!(ask(uri, "stream").as_deref(), Some("\u{e9} +"));
        assert_eq!(ask(uri, "other"), None);
        for bad in ["/x?a=%", "/x?a=%2", "/x?a=%zz", "/x?a=%ff", "/x?a", "/x"] {
            assert_eq!(ask(bad, "a"), None, "{bad}");
        }
    }
}

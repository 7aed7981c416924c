//! What a request's head says: what it wants, and what its body is. Pure.
//!
//! Must not know what becomes of the records.

use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue,
};
use hyper::http::request::Parts;
use hyper::{Method, Version};

use super::answer::Refusal;
use super::body::Form;
use super::params;
use crate::input::inflate::Codec;
use crate::record::time::EventTime;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The path of the health check.
const HEALTH: &str = "/health";

/// Most bytes that a body unpacks to: as much as Fluent Bit takes out of gzip, whatever it is
/// packed with. Each is a limit of its own, so that one can be changed without the others.
const GZIP_BYTES_MAX: usize = 100_000_000;
const DEFLATE_BYTES_MAX: usize = 100_000_000;
const ZSTD_BYTES_MAX: usize = 100_000_000;
const SNAPPY_BYTES_MAX: usize = 100_000_000;

/// What a request wants.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Wish {
    /// To know whether the input lives.
    Health,
    /// To have records taken in.
    Records(Content),
}

/// Where a request's records are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Content {
    /// What they are written in.
    pub(super) form: Form,
    /// What the body is compressed with.
    pub(super) codec: Option<Codec>,
    /// The records where the query holds them, as fluentd takes them; there is no body then.
    pub(super) param: Option<Vec<u8>>,
    /// The time of the records, where the query says one.
    pub(super) time: Option<EventTime>,
}

/// What a request wants, in the order in which Fluent Bit looks.
pub(super) fn wish(head: &Parts, has_body: bool, has_health: bool) -> Result<Wish, Refusal> {
    if head.version == Version::HTTP_11 && !head.headers.contains_key(HOST) {
        return Err(Refusal::NoHost);
    }
    if has_health && head.method == Method::GET && head.uri.path() == HEALTH {
        return Ok(Wish::Health);
    }
    if head.method != Method::POST {
        return Err(Refusal::Method);
    }
    let query = head.uri.query().unwrap_or_default().as_bytes();
    let time = params::pairs(query).find(|(name, _)| name.as_ref() == b"time");
    let time = time.and_then(|(_, seconds)| params::time(&seconds));
    // Without a body Fluent Bit has nothing but a refusal, so this takes nothing from it.
    if let Some((form, param)) = param(query).filter(|_| !has_body) {
        return Ok(Wish::Records(Content { form, codec: None, param: Some(param), time }));
    }
    let form = form(&head.headers)?;
    let codec = codec(&head.headers)?;
    Ok(Wish::Records(Content { form, codec, param: None, time }))
}

/// `json=`, `ndjson=` or `msgpack=` of a query.
fn param(query: &[u8]) -> Option<(Form, Vec<u8>)> {
    params::pairs(query).find_map(|(name, value)| {
        let form = match name.as_ref() {
            b"json" | b"ndjson" => Form::Json,
            b"msgpack" => Form::Msgpack,
            _ => return None,
        };
        Some((form, value.into_owned()))
    })
}

/// `application/msgpack` is not among them: Fluent Bit refuses it, and so do we.
fn form(headers: &HeaderMap) -> Result<Form, Refusal> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Err(Refusal::NoContentType) };
    let value = value.as_bytes();
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let name = value.get(..end).unwrap_or_default().trim_ascii().to_ascii_lowercase();
    match name.as_slice() {
        b"" => Err(Refusal::NoContentType),
        b"application/json" | b"application/x-ndjson" | b"application/ndjson" => Ok(Form::Json),
        b"application/x-www-form-urlencoded" => Ok(Form::Fields),
        b"application/vnd.msgpack" | b"application/x-msgpack" => Ok(Form::Msgpack),
        _ => Err(Refusal::ContentType),
    }
}

fn codec(headers: &HeaderMap) -> Result<Option<Codec>, Refusal> {
    let mut values = headers.get_all(CONTENT_ENCODING).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let name = value.as_bytes().trim_ascii().to_ascii_lowercase();
    let codec = match name.as_slice() {
        b"" | b"identity" => None,
        b"gzip" | b"x-gzip" => Some(Codec::Gzip),
        b"deflate" | b"zlib" => Some(Codec::Deflate),
        b"zstd" => Some(Codec::Zstd),
        b"snappy" => Some(Codec::Snappy),
        _ => return Err(unknown(value)),
    };
    match values.next() {
        // One within another: nobody sends it, and nobody could say how much comes out.
        Some(second) => Err(unknown(second)),
        None => Ok(codec),
    }
}

fn unknown(encoding: &HeaderValue) -> Refusal {
    Refusal::Encoding { found: String::from_utf8_lossy(encoding.as_bytes()).into_owned() }
}

impl Content {
    /// Most bytes that this body may unpack to. What cannot be done in steps is no larger than what
    /// may come unpacked.
    pub(super) fn unpacked_bytes_max(
        &self,
        codec: Codec,
        packed: &[u8],
        body_bytes_max: usize,
    ) -> usize {
        let bytes_max = codec_bytes_max(codec);
        let is_at_once = self.form == Form::Fields || codec.is_at_once(packed);
        if is_at_once { bytes_max.min(body_bytes_max) } else { bytes_max }
    }
}

const fn codec_bytes_max(codec: Codec) -> usize {
    match codec {
        Codec::Gzip => GZIP_BYTES_MAX,
        Codec::Deflate => DEFLATE_BYTES_MAX,
        Codec::Zstd => ZSTD_BYTES_MAX,
        Codec::Snappy => SNAPPY_BYTES_MAX,
    }
}

/// How long the body is to be; `None`: that is not said. A missing length of a request that is not
/// chunked is no body, and hyper says so.
pub(super) fn claimed_bytes(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// Whether the client waits for a word before it sends the body.
pub(super) fn expects_word(headers: &HeaderMap) -> bool {
    headers.contains_key(EXPECT)
}

/// Where the request came from, by the first address in `X-Forwarded-For`.
pub(super) fn remote_addr(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(FORWARDED_FOR)?.as_bytes();
    let first = value.split(|byte| *byte == b',').next()?.trim_ascii();
    (!first.is_empty()).then_some(first)
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn post(path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::post(path).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn content(path: &str, headers: &[(&str, &str)]) -> Result<Content, u16> {
        let has_body = !headers.contains(&("content-length", "0"));
        match wish(&post(path, headers), has_body, false) {
            Ok(Wish::Records(content)) => Ok(content),
            Ok(Wish::Health) => panic!("no health"),
            Err(refusal) => Err(refusal.status()),
        }
    }

    #[test]
    fn a_content_type_may_have_parameters_and_be_in_any_case() {
        let cases = [
            ("application/json", Ok(Form::Json)),
            ("Application/JSON ; charset=utf-8", Ok(Form::Json)),
            ("application/x-ndjson", Ok(Form::Json)),
            ("application/x-www-form-urlencoded", Ok(Form::Fields)),
            ("application/vnd.msgpack", Ok(Form::Msgpack)),
            ("application/x-msgpack", Ok(Form::Msgpack)),
            ("application/msgpack", Err(400)),
            ("application/jsonx", Err(400)),
            ("text/plain", Err(400)),
            ("", Err(400)),
        ];
        for (value, form) in cases {
            let found = content("/x", &[("content-type", value)]).map(|content| content.form);
            assert_eq!(found, form, "{value}");
        }
        assert_eq!(content("/x", &[]), Err(400));
    }

    #[test]
    fn an_unknown_encoding_is_415() {
        let cases = [
            ("gzip", Ok(Some(Codec::Gzip))),
            ("x-gzip", Ok(Some(Codec::Gzip))),
            ("DEFLATE", Ok(Some(Codec::Deflate))),
            ("zstd", Ok(Some(Codec::Zstd))),
            ("snappy", Ok(Some(Codec::Snappy))),
            ("identity", Ok(None)),
            ("br", Err(415)),
            ("gzip, gzip", Err(415)),
        ];
        for (value, codec) in cases {
            let headers = [("content-type", "application/json"), ("content-encoding", value)];
            assert_eq!(content("/x", &headers).map(|content| content.codec), codec, "{value}");
        }
    }

    #[test]
    fn what_fluentd_takes_from_the_query_is_taken_where_there_is_no_body() {
        let none = [("content-length", "0")];
        let found = content("/x?time=5&json=%7B%7D", &none).unwrap();
        let time = Some(EventTime::from_parts(5, 0));
        let param = Some(b"{}".to_vec());
        assert_eq!(found, Content { form: Form::Json, codec: None, param, time });
        let found = content("/x?msgpack=%80", &none).unwrap();
        assert_eq!((found.form, found.param), (Form::Msgpack, Some(vec![0x80])));
        assert_eq!(content("/x?other=1", &none), Err(400));
        let body = [("content-length", "2"), ("content-type", "application/json")];
        assert_eq!(content("/x?json=1", &body).unwrap().param, None);
    }

    #[test]
    fn health_is_answered_where_that_is_asked_for() {
        let get =
            |path: &str| Request::get(path).header("host", "x").body(()).unwrap().into_parts().0;
        assert_eq!(wish(&get("/health"), false, true), Ok(Wish::Health));
        assert_eq!(wish(&get("/health"), false, false), Err(Refusal::Method));
        assert_eq!(wish(&get("/other"), false, true), Err(Refusal::Method));
        assert_eq!(wish(&post("/health", &[]), true, true), Err(Refusal::NoContentType));
    }

    #[test]
    fn a_host_is_asked_for_in_http_1_1_only() {
        let head = |version| {
            let request = Request::post("/x").version(version);
            request.header("content-type", "application/json").body(()).unwrap().into_parts().0
        };
        assert_eq!(wish(&head(Version::HTTP_11), true, false), Err(Refusal::NoHost));
        assert!(wish(&head(Version::HTTP_10), true, false).is_ok());
        assert!(wish(&head(Version::HTTP_2), true, false).is_ok());
    }

    #[test]
    fn the_first_address_counts() {
        let cases = [
            ("203.0.113.7, 10.0.0.1", Some("203.0.113.7")),
            (" ::1 ", Some("::1")),
            (", 10.0.0.1", None),
            ("", None),
        ];
        for (value, expected) in cases {
            let head = post("/x", &[("x-forwarded-for", value)]);
            assert_eq!(remote_addr(&head.headers), expected.map(str::as_bytes), "{value:?}");
        }
        assert_eq!(remote_addr(&post("/x", &[]).headers), None);
    }
}

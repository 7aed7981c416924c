//! What requests hold.

use super::*;
use crate::chunk::fixture::{Fields, chunk};
use crate::ledger::Account;
use crate::option::{Options, Policy, section, tables};
use crate::output::http::config;

fn composer(lines: &[(&str, &str)]) -> Composer {
    let shared = [config::ADDRESS, config::NET, tables::OUTPUT, crate::tls::CLIENT_OPTIONS];
    let mut options = Options::read(section(lines), config::OPTIONS, &shared, Policy::Plugin);
    let config = Config::from_options(&mut options, config::Defaults::default());
    Composer::new(&config.expect("a configuration"), true)
}

fn request(lines: &[(&str, &str)], tag: &[u8]) -> Request {
    let account = Arc::new(Account::default());
    let fields: [Fields<'_>; 2] = [&[("short_message", "a")], &[("short_message", "b")]];
    let chunks = [chunk(&account, "t", &fields)];
    let composed = composer(lines).compose(&Tag::from(tag), &chunks);
    chunks.into_iter().for_each(Chunk::delivered);
    let Requests::One { request: Some(request), left_out: 0 } = composed else {
        panic!("{composed:?}")
    };
    request
}

fn values<'a>(request: &'a Request, name: &str) -> Vec<&'a str> {
    let values = request.headers.get_all(name).iter();
    values.map(|value| value.to_str().expect("text")).collect()
}

#[test]
fn every_format_has_its_body_and_its_type() {
    let of = |format| request(&[("format", format), ("json_date_key", "false")], b"t");
    let cases: [(&str, &str, &[u8]); 4] = [
        ("json", "application/json", br#"[{"short_message":"a"},{"short_message":"b"}]"#),
        (
            "json_lines",
            "application/x-ndjson",
            b"{\"short_message\":\"a\"}\n{\"short_message\":\"b\"}\n",
        ),
        ("json_stream", "application/json", br#"{"short_message":"a"}{"short_message":"b"}"#),
        (
            "gelf",
            "application/json",
            b"{\"version\":\"1.1\", \"short_message\":\"a\", \"timestamp\":1700000000.000}\n\
              {\"version\":\"1.1\", \"short_message\":\"b\", \"timestamp\":1700000001.000}\n",
        ),
    ];
    for (format, kind, body) in cases {
        let request = of(format);
        assert_eq!(request.body, body, "{format}");
        assert_eq!(values(&request, "content-type"), [kind], "{format}");
    }
    let request = of("msgpack");
    assert!(request.body.starts_with(b"\x92\x92\xd7\x00\x65\x53\xf1\x00"), "{:?}", request.body);
    assert_eq!(values(&request, "content-type"), ["application/msgpack"]);
}

#[test]
fn a_compressed_body_says_so() {
    for (name, codec) in [("gzip", Codec::Gzip), ("snappy", Codec::Snappy), ("zstd", Codec::Zstd)] {
        let compressed = request(&[("compress", name)], b"t");
        let expected = codec.compress(&request(&[], b"t").body).expect("compressed");
        assert_eq!(compressed.body, expected, "{name}");
        assert_eq!(values(&compressed, "content-encoding"), [name]);
    }
    assert!(values(&request(&[], b"t"), "content-encoding").is_empty());
}

#[test]
fn headers_of_the_user_stand_beside_ours_or_take_their_place() {
    let own = [("header", "Content-Type text/plain"), ("header", "Host h")];
    let both = request(&own, b"t");
    assert_eq!(values(&both, "content-type"), ["application/json", "text/plain"]);
    assert_eq!(values(&both, "host"), ["h"], "never two");
    let alone = [own.as_slice(), &[("allow_duplicated_headers", "off")]].concat();
    assert_eq!(values(&request(&alone, b"t"), "content-type"), ["text/plain"]);
}

#[test]
fn the_tag_is_a_header_whatever_bytes_it_has() {
    let lines = [("header_tag", "X-Tag")];
    assert_eq!(values(&request(&lines, b"app.log"), "x-tag"), ["app.log"]);
    let bad = request(&lines, b"a\r\nEvil: 1\x7f");
    assert_eq!(values(&bad, "x-tag"), ["a__Evil: 1_"]);
    assert!(values(&request(&lines, b""), "x-tag").is_empty());
    let bytes = request(&lines, b"\xff\xc3\xa9");
    assert_eq!(bytes.headers.get("x-tag").map(HeaderValue::as_bytes), Some(&b"\xff\xc3\xa9"[..]));
}

#[test]
fn a_login_is_sent_as_basic_authorization() {
    let lines = [("http_user", "Aladdin"), ("http_passwd", "open sesame")];
    let request = request(&lines, b"t");
    assert_eq!(values(&request, "authorization"), ["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]);
    assert!(!format!("{request:?}").contains("QWxhZGRpbj"));
}

#[test]
fn the_host_has_its_port_unless_it_is_that_of_tls() {
    let of = |lines: &[(&str, &str)]| values(&request(lines, b"t"), "host").join(",");
    assert_eq!(of(&[("host", "h")]), "h:80");
    assert_eq!(of(&[("host", "h"), ("port", "443"), ("tls", "on")]), "h");
}

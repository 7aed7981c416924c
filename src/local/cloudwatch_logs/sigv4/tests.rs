//! Signatures published by AWS, and what a change does to one.

use hyper::http::Request;

use super::*;

/// Of the published test suite, 2015-08-30T12:36:00Z.
const NOW: Duration = Duration::from_secs(1_440_938_160);
const SUITE: ExpectedScope<'static> =
    ExpectedScope { region: Some("us-east-1"), service: "service" };
const LOGS: ExpectedScope<'static> = ExpectedScope { region: Some("us-west-2"), service: "logs" };

fn suite_key() -> AccessKey {
    AccessKey {
        id: "AKIDEXAMPLE".to_owned(),
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        session_token: None,
    }
}

fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn suite(
    method: &str,
    uri: &str,
    service: &str,
    headers: &[(&str, &str)],
    body: &str,
    signature: &str,
) -> Result<String, SignatureError> {
    let mut parts = parts(method, uri, headers);
    let mut names: Vec<&str> = parts.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/{service}/aws4_request, \
         SignedHeaders={}, Signature={signature}",
        names.join(";")
    );
    parts.headers.insert("authorization", authorization.parse().unwrap());
    let scope = ExpectedScope { service, ..SUITE };
    verify(&parts, body.as_bytes(), &[suite_key()], scope, NOW).map(str::to_owned)
}

const HOST: (&str, &str) = ("host", "example.amazonaws.com");
const DATE: (&str, &str) = ("x-amz-date", "20150830T123600Z");

#[test]
fn the_published_signatures_hold() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    assert_eq!(suite("GET", "/", "service", &[HOST, DATE], "", vanilla), Ok("us-east-1".into()));
    let post = "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b";
    assert_eq!(suite("POST", "/", "service", &[HOST, DATE], "", post), Ok("us-east-1".into()));
    let form = [HOST, DATE, ("content-type", "application/x-www-form-urlencoded")];
    let signature = "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a";
    assert!(suite("POST", "/", "service", &form, "Param1=value1", signature).is_ok());
    assert_eq!(
        suite("POST", "/", "service", &form, "Param1=value2", signature),
        Err(SignatureError::Mismatch)
    );
    let list_users = [
        ("host", "iam.amazonaws.com"),
        DATE,
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
    ];
    let signature = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7";
    let uri = "/?Action=ListUsers&Version=2010-05-08";
    assert!(suite("GET", uri, "iam", &list_users, "", signature).is_ok());
}

#[test]
fn blanks_in_a_header_are_folded() {
    let mut canonical = Vec::new();
    push_trimmed(&mut canonical, b"  a   b  c ");
    assert_eq!(canonical, b"a b c");
}

const BODY: &[u8] = br#"{"logGroupName":"g"}"#;

fn signed(key: &AccessKey) -> Parts {
    let headers = [
        ("host", "logs.test"),
        ("content-type", "application/x-amz-json-1.1"),
        ("content-length", "20"),
        ("x-amz-target", "Logs_20140328.CreateLogGroup"),
    ];
    let mut parts = parts("POST", "/", &headers);
    sign(&mut parts, BODY, key, "us-west-2", NOW);
    parts
}

fn check(parts: &Parts, body: &[u8], now: Duration) -> Result<(), SignatureError> {
    verify(parts, body, &[suite_key()], LOGS, now).map(|_| ())
}

#[test]
fn one_changed_byte_of_the_body_breaks_the_signature() {
    let parts = signed(&suite_key());
    assert_eq!(check(&parts, BODY, NOW), Ok(()));
    for at in 0..BODY.len() {
        let mut body = BODY.to_vec();
        body[at] ^= 1;
        assert_eq!(check(&parts, &body, NOW), Err(SignatureError::Mismatch), "byte {at}");
    }
    assert_eq!(check(&parts, &BODY[1..], NOW), Err(SignatureError::Mismatch));
}

#[test]
fn one_changed_byte_of_any_header_breaks_the_signature() {
    let original = signed(&suite_key());
    for (name, value) in &original.headers {
        for at in 0..value.len() {
            let mut bytes = value.as_bytes().to_vec();
            bytes[at] ^= 1;
            let mut parts = original.clone();
            let Ok(changed) = hyper::header::HeaderValue::from_bytes(&bytes) else { continue };
            parts.headers.insert(name, changed);
            assert!(check(&parts, BODY, NOW).is_err(), "{name} byte {at}");
        }
    }
}

#[test]
fn another_method_or_path_breaks_the_signature() {
    let mut parts = signed(&suite_key());
    parts.uri = "/x".parse().unwrap();
    assert_eq!(check(&parts, BODY, NOW), Err(SignatureError::Mismatch));
    let mut parts = signed(&suite_key());
    parts.method = hyper::Method::PUT;
    assert_eq!(check(&parts, BODY, NOW), Err(SignatureError::Mismatch));
}

#[test]
fn a_signature_is_good_for_five_minutes_either_way() {
    let parts = signed(&suite_key());
    let (limit, second) = (Duration::from_secs(SKEW_SECONDS_MAX), Duration::from_secs(1));
    assert_eq!(SKEW_SECONDS_MAX, 300);
    assert_eq!(check(&parts, BODY, NOW + limit), Ok(()));
    assert_eq!(check(&parts, BODY, NOW - limit), Ok(()));
    let late = check(&parts, BODY, NOW + limit + second);
    assert!(matches!(late, Err(SignatureError::Expired { .. })), "{late:?}");
    let early = check(&parts, BODY, NOW - limit - second);
    assert!(matches!(early, Err(SignatureError::NotYetCurrent { .. })), "{early:?}");
}

#[test]
fn every_amz_header_host_and_content_type_must_be_signed() {
    let mut parts = signed(&suite_key());
    parts.headers.insert("user-agent", "any".parse().unwrap());
    assert_eq!(check(&parts, BODY, NOW), Ok(()));
    parts.headers.insert("x-amz-extra", "1".parse().unwrap());
    let name = "x-amz-extra".to_owned();
    assert_eq!(check(&parts, BODY, NOW), Err(SignatureError::UnsignedHeader { name }));
}

#[test]
fn region_service_and_day_of_the_scope_must_fit() {
    let parts = signed(&suite_key());
    let other = |region, service| {
        let scope = ExpectedScope { region, service };
        verify(&parts, BODY, &[suite_key()], scope, NOW).map(str::to_owned)
    };
    assert_eq!(other(None, "logs"), Ok("us-west-2".to_owned()));
    assert_eq!(other(Some("eu-west-1"), "logs"), Err(SignatureError::Region));
    let expected = "s3".to_owned();
    assert_eq!(other(None, "s3"), Err(SignatureError::Service { expected }));
}

#[test]
fn a_key_must_be_known_and_its_token_sent() {
    let with_token = AccessKey { session_token: Some("t".to_owned()), ..suite_key() };
    let ask =
        |parts: &Parts, keys: &[AccessKey]| verify(parts, BODY, keys, LOGS, NOW).map(str::to_owned);
    let (plain, token) = (signed(&suite_key()), signed(&with_token));
    assert!(ask(&token, std::slice::from_ref(&with_token)).is_ok());
    assert_eq!(ask(&plain, &[with_token]), Err(SignatureError::SessionToken));
    assert_eq!(ask(&token, &[suite_key()]), Err(SignatureError::SessionToken));
    assert_eq!(ask(&plain, &[]), Err(SignatureError::UnknownAccessKey));
}

#[test]
fn an_authorization_without_one_of_its_parts_is_incomplete() {
    let whole = signed(&suite_key());
    let header = text(&whole.headers, "authorization").unwrap().to_owned();
    for part in ["AWS4-HMAC-SHA256 ", "Credential=", "SignedHeaders=", "Signature=", "/logs"] {
        let mut parts = whole.clone();
        parts.headers.insert("authorization", header.replacen(part, "", 1).parse().unwrap());
        let result = check(&parts, BODY, NOW);
        assert!(matches!(result, Err(SignatureError::Incomplete { .. })), "{part}: {result:?}");
    }
    let mut parts = whole;
    parts.headers.remove("authorization");
    assert_eq!(check(&parts, BODY, NOW), Err(SignatureError::Missing));
}

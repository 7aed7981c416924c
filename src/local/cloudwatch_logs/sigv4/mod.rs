//! Checks signatures of version 4 as the service does. Written from the specification, on purpose
//! without the library that signs for the product: two mistakes do not cancel each other.
//!
//! Source: "Signature Version 4 signing process", IAM User Guide. Must not know operations or logs.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use hyper::http::HeaderMap;
use hyper::http::request::Parts;
use sha2::{Digest, Sha256};

use crate::local::date;

/// Most seconds between the date of a signature and now: 5 minutes, inclusive.
pub(super) const SKEW_SECONDS_MAX: u64 = 300;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATION: &str = "aws4_request";

/// An access key that is known to the endpoint.
#[derive(Clone, Eq, PartialEq)]
pub struct AccessKey {
    /// The access key id, sent in clear.
    pub id: String,
    /// The secret that signs.
    pub secret: String,
    /// The token that every request must carry; `None` for a key without one.
    pub session_token: Option<String>,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What the credential scope of a signature must say.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedScope<'a> {
    /// `None` takes any region.
    pub(super) region: Option<&'a str>,
    pub(super) service: &'a str,
}

/// Why a signature does not hold.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum SignatureError {
    Missing,
    Incomplete { what: &'static str },
    Region,
    Service { expected: String },
    ScopeDate { scope: String, signed: String },
    Expired { signed: String, oldest: String },
    NotYetCurrent { signed: String, newest: String },
    UnknownAccessKey,
    SessionToken,
    UnsignedHeader { name: String },
    Mismatch,
}

/// The parts of an `authorization` header.
#[derive(Debug)]
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    /// As sent: names in lower case and in order, separated by `;`.
    signed_headers: &'a str,
    signature: &'a str,
}

/// Checks that `parts` and `body` are signed with one of `keys`; answers the region of the scope.
///
/// # Errors
///
/// The first rule that the signature breaks, in the order in which the service looks.
pub(super) fn verify<'a>(
    parts: &'a Parts,
    body: &[u8],
    keys: &[AccessKey],
    expected: ExpectedScope<'_>,
    now: Duration,
) -> Result<&'a str, SignatureError> {
    let header = text(&parts.headers, "authorization").ok_or(SignatureError::Missing)?;
    let authorization = parse(header)?;
    let signed_at = text(&parts.headers, "x-amz-date")
        .ok_or(SignatureError::Incomplete { what: "X-Amz-Date" })?;
    check_date(signed_at, now)?;
    check_scope(&authorization, expected, signed_at)?;
    check_signed_headers(&parts.headers, authorization.signed_headers)?;
    let key = keys
        .iter()
        .find(|key| key.id == authorization.access_key_id)
        .ok_or(SignatureError::UnknownAccessKey)?;
    if text(&parts.headers, "x-amz-security-token") != key.session_token.as_deref() {
        return Err(SignatureError::SessionToken);
    }
    let payload = hex(&Sha256::digest(body));
    if text(&parts.headers, "x-amz-content-sha256").is_some_and(|claimed| claimed != payload) {
        return Err(SignatureError::Mismatch);
    }
    let canonical = canonical_request(parts, authorization.signed_headers, &payload);
    if signature(&canonical, signed_at, &authorization, &key.secret) == authorization.signature {
        Ok(authorization.region)
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn parse(header: &str) -> Result<Authorization<'_>, SignatureError> {
    let incomplete = |what| move || SignatureError::Incomplete { what };
    let parts = header
        .strip_prefix(ALGORITHM)
        .and_then(|rest| rest.strip_prefix(' '))
        .ok_or_else(incomplete("AWS4-HMAC-SHA256"))?;
    let part = |name: &'static str| {
        parts
            .split(',')
            .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(incomplete(name))
    };
    let credential = part("Credential")?;
    let mut scope = credential.split('/');
    let (Some(access_key_id), Some(date), Some(region), Some(service), Some(TERMINATION), None) =
        (scope.next(), scope.next(), scope.next(), scope.next(), scope.next(), scope.next())
    else {
        return Err(SignatureError::Incomplete { what: "Credential" });
    };
    let signed_headers = part("SignedHeaders")?;
    let signature = part("Signature")?;
    Ok(Authorization { access_key_id, date, region, service, signed_headers, signature })
}

fn check_date(signed_at: &str, now: Duration) -> Result<(), SignatureError> {
    let seconds =
        date::parse_basic(signed_at).ok_or(SignatureError::Incomplete { what: "X-Amz-Date" })?;
    let oldest = now.as_secs().saturating_sub(SKEW_SECONDS_MAX);
    let newest = now.as_secs().saturating_add(SKEW_SECONDS_MAX);
    let signed = signed_at.to_owned();
    if seconds < oldest {
        return Err(SignatureError::Expired { signed, oldest: date::basic(oldest) });
    }
    if seconds > newest {
        return Err(SignatureError::NotYetCurrent { signed, newest: date::basic(newest) });
    }
    Ok(())
}

fn check_scope(
    authorization: &Authorization<'_>,
    expected: ExpectedScope<'_>,
    signed_at: &str,
) -> Result<(), SignatureError> {
    let Authorization { date, region, service, .. } = authorization;
    if region.is_empty() || expected.region.is_some_and(|expected| expected != *region) {
        return Err(SignatureError::Region);
    }
    if *service != expected.service {
        return Err(SignatureError::Service { expected: expected.service.to_owned() });
    }
    match signed_at.split_once('T') {
        Some((day, _)) if day == *date => Ok(()),
        _ => Err(SignatureError::ScopeDate {
            scope: (*date).to_owned(),
            signed: signed_at.to_owned(),
        }),
    }
}

/// The list must be in order and name what exists; `host`, `content-type` and every `x-amz-` header
/// that was sent must be in it.
fn check_signed_headers(headers: &HeaderMap, signed: &str) -> Result<(), SignatureError> {
    let names: Vec<&str> = signed.split(';').collect();
    let in_order = names.is_sorted_by(|a, b| a < b);
    let known = names.iter().all(|name| {
        headers.contains_key(*name) && !name.bytes().any(|byte| byte.is_ascii_uppercase())
    });
    if !in_order || !known {
        return Err(SignatureError::Incomplete { what: "SignedHeaders" });
    }
    let must_be_signed =
        |name: &str| name == "host" || name == "content-type" || name.starts_with("x-amz-");
    std::iter::once("host")
        .chain(headers.keys().map(hyper::header::HeaderName::as_str))
        .find(|name| must_be_signed(name) && !names.contains(name))
        .map_or(Ok(()), |name| Err(SignatureError::UnsignedHeader { name: name.to_owned() }))
}

/// The path and query of the services with this protocol are `/` and nothing, which are canonical
/// as they stand.
fn canonical_request(parts: &Parts, signed_headers: &str, payload_hex: &str) -> Vec<u8> {
    let mut canonical = Vec::with_capacity(1_024);
    for line in [parts.method.as_str(), parts.uri.path(), parts.uri.query().unwrap_or_default()] {
        canonical.extend_from_slice(line.as_bytes());
        canonical.push(b'\n');
    }
    for name in signed_headers.split(';') {
        canonical.extend_from_slice(name.as_bytes());
        canonical.push(b':');
        for (position, value) in parts.headers.get_all(name).iter().enumerate() {
            if position > 0 {
                canonical.push(b',');
            }
            push_trimmed(&mut canonical, value.as_bytes());
        }
        canonical.push(b'\n');
    }
    for line in ["\n", signed_headers, "\n", payload_hex] {
        canonical.extend_from_slice(line.as_bytes());
    }
    canonical
}

/// Blanks at both ends go, and those in between become one.
fn push_trimmed(canonical: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    for (position, word) in words.enumerate() {
        if position > 0 {
            canonical.push(b' ');
        }
        canonical.extend_from_slice(word);
    }
}

fn signature(
    canonical: &[u8],
    signed_at: &str,
    authorization: &Authorization<'_>,
    secret: &str,
) -> String {
    let Authorization { date, region, service, .. } = authorization;
    let string_to_sign = format!(
        "{ALGORITHM}\n{signed_at}\n{date}/{region}/{service}/{TERMINATION}\n{}",
        hex(&Sha256::digest(canonical))
    );
    let mut key = hmac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    for part in [*region, *service, TERMINATION] {
        key = hmac(&key, part.as_bytes());
    }
    hex(&hmac(&key, string_to_sign.as_bytes()))
}

fn hmac(key: &[u8], data: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Signs `parts` and `body` in place, for the tests of the modules around.
#[cfg(test)]
pub(super) fn sign(parts: &mut Parts, body: &[u8], key: &AccessKey, region: &str, now: Duration) {
    let signed_at = date::basic(now.as_secs());
    let value = |text: &str| hyper::header::HeaderValue::from_str(text).unwrap();
    parts.headers.remove("authorization");
    parts.headers.insert("x-amz-date", value(&signed_at));
    if let Some(token) = &key.session_token {
        parts.headers.insert("x-amz-security-token", value(token));
    }
    let mut names: Vec<&str> = parts.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    let signed_headers = names.join(";");
    let (day, _) = signed_at.split_once('T').unwrap();
    let scope = Authorization {
        access_key_id: &key.id,
        date: day,
        region,
        service: "logs",
        signed_headers: &signed_headers,
        signature: "",
    };
    let canonical = canonical_request(parts, &signed_headers, &hex(&Sha256::digest(body)));
    let signature = signature(&canonical, &signed_at, &scope, &key.secret);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{day}/{region}/logs/{TERMINATION}, \
         SignedHeaders={signed_headers}, Signature={signature}",
        key.id
    );
    parts.headers.insert("authorization", value(&authorization));
}

#[cfg(test)]
mod tests;

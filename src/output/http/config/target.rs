//! Step 6, output: texts of users that become part of a request's first lines.
//!
//! Reference: RFC 9112 section 3; `flb_http_client.c`. Not known here: sockets.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use hyper::Uri;

/// Port of `http://` where a proxy names none.
const HTTP_PORT: u16 = 80;
/// Port of HTTPS, which is not named in `Host`.
const HTTPS_PORT: u16 = 443;
/// ASCII characters that no request may hold as they are; a server reads them escaped as the same.
const ESCAPED: &[u8] = b" \"#<>\\^`";

/// Path and query as they go over the wire; `None`: they are none.
///
/// Fluent Bit sends what users write as it is. What HTTP does not allow is escaped here, which
/// servers read as the same.
#[must_use]
pub fn request_target(uri: &str) -> Option<String> {
    let mut target = String::with_capacity(uri.len() + 1);
    if !uri.starts_with('/') {
        target.push('/');
    }
    for byte in uri.bytes() {
        if byte.is_ascii_graphic() && !ESCAPED.contains(&byte) {
            target.push(char::from(byte));
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(target, "%{byte:02X}");
        }
    }
    target.parse::<Uri>().is_ok().then_some(target)
}

/// The value of `Host`: with the port, also where it is the usual one, as Fluent Bit has it, but for
/// the one of HTTPS.
#[must_use]
pub fn host_header(host: &str, port: u16, is_tls: bool) -> String {
    let bare = host.split_once('%').map_or(host, |(address, _zone)| address);
    let host = match bare.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    };
    if is_tls && port == HTTPS_PORT { host } else { format!("{host}:{port}") }
}

/// An HTTP proxy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proxy {
    /// Its host; an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Why a text names no proxy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ProxyError {
    /// It is no `http://host:port`.
    #[error("is no proxy, expected http://host:port")]
    Address,
    /// It is `https://`.
    #[error("asks for TLS to the proxy itself, which is not supported; expected http://host:port")]
    Tls,
}

impl Proxy {
    /// Reads `http://host:port`; what follows does not matter.
    ///
    /// # Errors
    ///
    /// There is another scheme, no host, or a bad port.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let uri: Uri = text.parse().map_err(|_| ProxyError::Address)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(ProxyError::Tls),
            _ => return Err(ProxyError::Address),
        }
        let authority = uri.authority().ok_or(ProxyError::Address)?;
        let has_login = authority.as_str().contains('@');
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let has_bad_port = uri.port_u16().is_none() && authority.as_str() != authority.host();
        if has_login || host.is_empty() || has_bad_port {
            return Err(ProxyError::Address);
        }
        Ok(Self { host: host.to_owned(), port: uri.port_u16().unwrap_or(HTTP_PORT) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_begins_with_a_slash_and_is_escaped_where_http_asks_for_it() {
        let of = |uri| request_target(uri).expect("a target");
        assert_eq!(of("/v1/logs?a=b&c=%20"), "/v1/logs?a=b&c=%20");
        assert_eq!(of("inputs/${TOKEN}/tag/x"), "/inputs/${TOKEN}/tag/x");
        assert_eq!(of("/a b#c\u{e9}\n"), "/a%20b%23c%C3%A9%0A");
        assert_eq!(of(""), "/");
    }

    #[test]
    fn a_host_has_its_port_but_for_the_one_of_https() {
        assert_eq!(host_header("h", 80, false), "h:80");
        assert_eq!(host_header("h", 443, false), "h:443");
        assert_eq!(host_header("h", 443, true), "h");
        assert_eq!(host_header("h", 8443, true), "h:8443");
        assert_eq!(host_header("::1", 80, false), "[::1]:80");
        assert_eq!(host_header("fe80::1%eth0", 443, true), "[fe80::1]");
    }

    #[test]
    fn a_proxy_is_a_host_and_a_port_without_tls() {
        let proxy = |host: &str, port| Ok(Proxy { host: host.to_owned(), port });
        assert_eq!(Proxy::parse("http://proxy:3128"), proxy("proxy", 3_128));
        assert_eq!(Proxy::parse("http://[::1]:3128/x"), proxy("::1", 3_128));
        assert_eq!(Proxy::parse("HTTP://proxy"), proxy("proxy", 80));
        assert_eq!(Proxy::parse("https://proxy:3128"), Err(ProxyError::Tls));
        for text in ["", "proxy:3128", "http://", "http://h:99999", "http://u:p@h", "socks5://h"] {
            assert_eq!(Proxy::parse(text), Err(ProxyError::Address), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_target_that_http_takes(uri in ".*") {
            let target = request_target(&uri).expect("a target");
            prop_assert!(target.starts_with('/'));
            prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic()));
            let read: Uri = target.parse().expect("read above");
            prop_assert_eq!(read.to_string(), target);
        }
    }
}

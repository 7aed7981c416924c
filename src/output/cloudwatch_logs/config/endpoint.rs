//! Step 6, output: an endpoint as a user writes it, a host or a URL.

use std::fmt;

/// Port of an endpoint with TLS that names none.
pub(super) const DEFAULT_PORT: u16 = 443;
/// Port of an endpoint without TLS that names none.
const CLEAR_PORT: u16 = 80;

/// Where requests go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// With or without TLS.
    pub scheme: Scheme,
    /// Host name or address; an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How requests travel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Why a text is no endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a host, host:port, or a URL such as https://host:port without a path")]
pub struct EndpointError;

impl Endpoint {
    /// Reads `host`, `host:port`, `https://host`, `http://host:port`; without a scheme it is TLS.
    /// `port` holds where the text names none.
    ///
    /// # Errors
    ///
    /// There is no host, a bad port, or a path.
    pub fn parse(text: &str, port: Option<u16>) -> Result<Self, EndpointError> {
        let (scheme, address) = match text.split_once("://") {
            Some((scheme, address)) if scheme.eq_ignore_ascii_case("http") => {
                (Scheme::Http, address)
            }
            Some((scheme, address)) if scheme.eq_ignore_ascii_case("https") => {
                (Scheme::Https, address)
            }
            Some(_) => return Err(EndpointError),
            None => (Scheme::Https, text),
        };
        let address = address.strip_suffix('/').unwrap_or(address);
        let (host, own_port) = split_port(address)?;
        let is_good = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || !host.chars().all(is_good) {
            return Err(EndpointError);
        }
        let default = match scheme {
            Scheme::Http => CLEAR_PORT,
            Scheme::Https => DEFAULT_PORT,
        };
        let port = own_port.or(port).unwrap_or(default);
        Ok(Self { scheme, host: host.to_owned(), port })
    }
}

fn split_port(address: &str) -> Result<(&str, Option<u16>), EndpointError> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(EndpointError)?;
        return match port.strip_prefix(':') {
            Some(port) => Ok((host, Some(port.parse().map_err(|_| EndpointError)?))),
            None if port.is_empty() => Ok((host, None)),
            None => Err(EndpointError),
        };
    }
    match address.split_once(':') {
        // An IPv6 address without brackets.
        Some((_, rest)) if rest.contains(':') => Ok((address, None)),
        Some((host, port)) => Ok((host, Some(port.parse().map_err(|_| EndpointError)?))),
        None => Ok((address, None)),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        if self.host.contains(':') {
            write!(f, "{scheme}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{scheme}://{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, port: Option<u16>) -> Option<String> {
        Endpoint::parse(text, port).ok().map(|endpoint| endpoint.to_string())
    }

    #[test]
    fn a_host_is_reached_over_tls() {
        assert_eq!(parsed("logs.example", None).as_deref(), Some("https://logs.example:443"));
        assert_eq!(parsed("127.0.0.1", Some(4_580)).as_deref(), Some("https://127.0.0.1:4580"));
        assert_eq!(parsed("https://h/", Some(1)).as_deref(), Some("https://h:1"));
    }

    #[test]
    fn a_url_may_ask_for_the_clear_and_its_port_comes_first() {
        assert_eq!(
            parsed("http://localhost:4580", Some(1)).as_deref(),
            Some("http://localhost:4580")
        );
        assert_eq!(parsed("HTTP://h", None).as_deref(), Some("http://h:80"));
        assert_eq!(parsed("h:99", Some(1)).as_deref(), Some("https://h:99"));
    }

    #[test]
    fn an_ipv6_address_has_brackets_where_a_port_follows() {
        assert_eq!(parsed("http://[::1]:99", None).as_deref(), Some("http://[::1]:99"));
        assert_eq!(parsed("::1", Some(7)).as_deref(), Some("https://[::1]:7"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in
            ["", "http://", "ftp://h", "h/path", "h:x", "h:65536", "[::1", "[::1]x", "a b", "u@h"]
        {
            assert_eq!(parsed(text, None), None, "{text}");
        }
    }
}

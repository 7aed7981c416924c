//! Step 1, input: how peers are let in, whatever they speak: the queue before accepting, TLS, and
//! how long all that may take.
//!
//! Must not know a protocol. Reference: Fluent Bit's manual, "Networking", "Transport Security".

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;

use super::socket::{Peer, Socket, TlsSocket};
use crate::option::{Kind, Options, Row, Table};
use crate::telemetry::InputCounters;
use crate::tls::{ServerSettings, TlsError};

/// Connections of inputs that listen. Of a repeated one the last counts.
pub const OPTIONS: Table = &[
    Row::new(
        "net.backlog",
        Kind::Integer { min: 1, max: 65_535 },
        "Connections that wait to be accepted",
    )
    .or("1024"),
    Row::new("net.share_port", Kind::Bool, "Whether others may listen on the port too").or("off"),
    Row::new(
        "net.accept_timeout",
        Kind::Seconds,
        "Time for TLS and the secure-forward handshake of a new connection, 0 for no limit",
    )
    .or("10"),
    Row::new("net.accept_timeout_log_error", Kind::Bool, "Whether to warn that it passed").or("on"),
    Row::new(
        "net.io_timeout",
        Kind::Seconds,
        "Time a connection may say nothing before it is closed, 0 for no limit",
    )
    .or("0"),
    Row::new("net.keepalive", Kind::Text, "Whether connections are used again").without_effect(),
    Row::new("net.connect_timeout", Kind::Text, "Time to connect").without_effect(),
    Row::new("net.connect_timeout_log_error", Kind::Text, "Whether to log that it passed")
        .without_effect(),
    Row::new("net.dns.mode", Kind::Text, "UDP or TCP for name look-ups").without_effect(),
    Row::new("net.dns.prefer_ipv4", Kind::Text, "Whether IPv4 addresses come first")
        .without_effect(),
    Row::new("net.dns.prefer_ipv6", Kind::Text, "Whether IPv6 addresses come first")
        .without_effect(),
    Row::new("net.dns.resolver", Kind::Text, "How names are looked up").without_effect(),
    Row::new("net.keepalive_idle_timeout", Kind::Text, "Time an unused connection stays open")
        .without_effect(),
    Row::new("net.keepalive_max_recycle", Kind::Text, "Uses of one connection").without_effect(),
    Row::new("net.max_worker_connections", Kind::Text, "Connections of one thread")
        .without_effect(),
    Row::new("net.proxy_env_ignore", Kind::Text, "Whether to leave HTTP_PROXY out")
        .without_effect(),
    Row::new("net.source_address", Kind::Text, "Address to connect from").without_effect(),
    Row::new("net.tcp_keepalive", Kind::Text, "Whether the kernel probes connections")
        .without_effect(),
    Row::new("net.tcp_keepalive_interval", Kind::Text, "Seconds between two probes")
        .without_effect(),
    Row::new("net.tcp_keepalive_probes", Kind::Text, "Probes before a connection is given up")
        .without_effect(),
    Row::new("net.tcp_keepalive_time", Kind::Text, "Seconds until the first probe")
        .without_effect(),
];

/// What the options say about letting peers in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// Whether others may listen on the port too.
    pub shares_port: bool,
    /// Time for all handshakes of a connection.
    pub accept_timeout: Option<Duration>,
    /// Whether it is a warning that it passed.
    pub warns_of_timeout: bool,
    /// Time a connection may say nothing.
    pub io_timeout: Option<Duration>,
    /// TLS, which every peer has to speak then.
    pub tls: Option<ServerSettings>,
}

impl Config {
    /// Reads the options and the files they name; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let tls = ServerSettings::from_options(options);
        if let Some(Some(settings)) = &tls
            && !options.is_elsewhere()
        {
            settings.verify(options);
        }
        Self::in_the_clear(options).and_then(|config| Some(Self { tls: tls?, ..config }))
    }

    /// Reads the options but for those of TLS; `None` after a problem was reported.
    pub fn in_the_clear(options: &mut Options) -> Option<Self> {
        let limit = |name| options.seconds(name).filter(|limit| !limit.is_zero());
        Some(Self {
            backlog: options.integer("net.backlog")?,
            shares_port: options.bool("net.share_port"),
            accept_timeout: limit("net.accept_timeout"),
            warns_of_timeout: options.bool("net.accept_timeout_log_error"),
            io_timeout: limit("net.io_timeout"),
            tls: None,
        })
    }
}

/// Lets peers in.
#[derive(Clone)]
pub struct Admission {
    tls: Option<TlsAcceptor>,
    accept_timeout: Option<Duration>,
    warns_of_timeout: bool,
    io_timeout: Option<Duration>,
}

/// A peer that was let in.
#[derive(Debug)]
pub struct Admitted {
    /// Its connection.
    pub socket: Socket,
    /// Who it is.
    pub peer: Peer,
    /// Until when it has to be through with the handshake of its protocol.
    pub greeted_by: Option<Instant>,
    /// Whether it is a warning if it is not.
    pub warns_of_timeout: bool,
    /// How long it may say nothing after that.
    pub io_timeout: Option<Duration>,
}

impl Admission {
    /// Reads the files that the options name. `alpn`: what a peer may choose from.
    ///
    /// # Errors
    ///
    /// [`TlsError`] names the file.
    pub fn new(config: &Config, alpn: Vec<Vec<u8>>) -> Result<Self, TlsError> {
        let tls = config.tls.as_ref().map(ServerSettings::config).transpose()?;
        let acceptor = |tls: Arc<rustls::ServerConfig>| {
            let mut tls = Arc::unwrap_or_clone(tls);
            tls.alpn_protocols = alpn;
            TlsAcceptor::from(Arc::new(tls))
        };
        Ok(Self {
            tls: tls.map(acceptor),
            accept_timeout: config.accept_timeout,
            warns_of_timeout: config.warns_of_timeout,
            io_timeout: config.io_timeout,
        })
    }

    /// Does what a new connection needs before its protocol begins. `None`: it did not come to that,
    /// which was said.
    pub async fn admit(
        self,
        (socket, peer): (Socket, Peer),
        counters: Arc<InputCounters>,
    ) -> Option<Admitted> {
        let greeted_by = self.accept_timeout.and_then(|limit| Instant::now().checked_add(limit));
        let (warns_of_timeout, io_timeout) = (self.warns_of_timeout, self.io_timeout);
        let admitted =
            |socket, peer| Admitted { socket, peer, greeted_by, warns_of_timeout, io_timeout };
        let (stream, acceptor) = match (socket, self.tls) {
            (Socket::Tcp(stream), Some(acceptor)) => (stream, acceptor),
            (socket, _) => return Some(admitted(socket, peer)),
        };
        let accepted = match greeted_by {
            Some(end) => timeout_at(end, acceptor.accept(stream)).await,
            None => Ok(acceptor.accept(stream).await),
        };
        let input = &counters.name;
        match accepted {
            Ok(Ok(stream)) => match TlsSocket::new(stream) {
                Ok(socket) => return Some(admitted(Socket::Tls(Box::new(socket)), peer)),
                Err(error) => tracing::warn!("{input}: TLS with {peer} failed: {error}"),
            },
            // A peer that looks whether somebody listens, as health checks do.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                tracing::debug!("{input}: {peer} closed before TLS was set up");
                return None;
            }
            Ok(Err(error)) if is_no_tls(&error) => tracing::warn!(
                "{input}: connection of {peer} closed: it does not speak TLS, which tls on asks for; \
                 set tls on for the sender, or tls off here"
            ),
            Ok(Err(error)) => {
                tracing::warn!("{input}: connection of {peer} closed: no TLS with it: {error}");
            }
            Err(_) if warns_of_timeout => {
                tracing::warn!(
                    "{input}: connection of {peer} closed: {}",
                    late(self.accept_timeout)
                );
            }
            Err(_) => {
                tracing::debug!(
                    "{input}: connection of {peer} closed: {}",
                    late(self.accept_timeout)
                );
            }
        }
        counters.connection_errors.add(1);
        None
    }
}

fn late(limit: Option<Duration>) -> String {
    let limit = limit.unwrap_or_default();
    format!("TLS was not set up within {limit:?}, the net.accept_timeout")
}

/// Whether the bytes that came are no TLS at all.
fn is_no_tls(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(_)))
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admission").field("tls", &self.tls.is_some()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};
    use crate::tls::SERVER_OPTIONS;

    fn read(lines: &[(&str, &str)]) -> Config {
        let mut options = Options::read(section(lines), OPTIONS, &[SERVER_OPTIONS], Policy::Plugin);
        Config::from_options(&mut options).unwrap()
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn handshakes_have_ten_seconds_and_silence_is_allowed_unless_options_say_else() {
        let expected = Config {
            backlog: 1_024,
            shares_port: false,
            accept_timeout: Some(Duration::from_secs(10)),
            warns_of_timeout: true,
            io_timeout: None,
            tls: None,
        };
        assert_eq!(read(&[]), expected);
        let all = [
            ("net.backlog", "7"),
            ("net.share_port", "on"),
            ("net.accept_timeout", "0"),
            ("net.accept_timeout_log_error", "off"),
            ("net.io_timeout", "1.5s"),
        ];
        let expected = Config {
            backlog: 7,
            shares_port: true,
            accept_timeout: None,
            warns_of_timeout: false,
            io_timeout: Some(Duration::from_millis(1_500)),
            tls: None,
        };
        assert_eq!(read(&all), expected);
    }

    #[test]
    fn certificates_that_cannot_be_read_are_a_problem_of_the_options() {
        let lines = [("tls", "on"), ("tls.crt_file", "/not/there"), ("tls.key_file", "/not/there")];
        let mut options =
            Options::read(section(&lines), OPTIONS, &[SERVER_OPTIONS], Policy::Plugin);
        let _config = Config::from_options(&mut options);
        let problems = options.into_report().problems;
        let text = problems.iter().map(ToString::to_string).collect::<String>();
        assert!(text.starts_with("test.conf:2: ") && text.contains("/not/there: reading failed"));
    }
}

//! What is spoken on the connections of a listener. Must not know addresses.

use std::sync::Arc;

use super::admission::Admitted;
use super::connection::{Connection, Decoder};
use super::socket::{Peer, Socket};
use super::{Intake, forward, http, tcp};
use crate::handshake::server::Settings;
use crate::telemetry::InputCounters;

/// What is spoken. Cheap to clone: each connection has its own.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// Fluent Forward, after a handshake if there is a key.
    Forward(forward::decode::DecodeOptions, Option<Arc<Settings>>),
    /// JSON objects or lines.
    Tcp(tcp::decode::DecodeOptions),
    /// Requests of HTTP.
    Http(Arc<http::Settings>),
}

impl Protocol {
    /// What a peer may choose from while TLS is set up (RFC 7301); nothing: it is not asked.
    #[must_use]
    pub fn alpn(&self) -> Vec<Vec<u8>> {
        match self {
            Self::Forward(..) | Self::Tcp(_) => Vec::new(),
            Self::Http(settings) => settings.alpn(),
        }
    }

    /// Serves a peer until it has gone.
    pub async fn serve(self, peer: Admitted, intake: Intake, counters: Arc<InputCounters>) {
        match self {
            Self::Forward(options, handshake) => {
                let decoder = forward::decode::Decoder::new(options);
                let decoder = Decoder::Forward(Box::new(decoder));
                Connection::new(peer, decoder, intake, counters).serve(handshake).await;
            }
            Self::Tcp(options) => {
                let decoder = lines(options, &peer.peer);
                Connection::new(peer, decoder, intake, counters).serve(None).await;
            }
            Self::Http(settings) => requests(peer, settings, intake, counters).await,
        }
    }
}

fn lines(mut options: tcp::decode::DecodeOptions, peer: &Peer) -> Decoder {
    if let Some(field) = &mut options.source_address {
        field.address = peer.to_string().into();
    }
    Decoder::Tcp(Box::new(tcp::decode::Decoder::new(options)))
}

async fn requests(
    Admitted { socket, peer, .. }: Admitted,
    settings: Arc<http::Settings>,
    intake: Intake,
    counters: Arc<InputCounters>,
) {
    use http::connection::serve;
    match socket {
        Socket::Tcp(stream) => serve(stream, peer, settings, intake, counters).await,
        Socket::Unix(stream) => serve(stream, peer, settings, intake, counters).await,
        Socket::Tls(socket) => {
            serve(socket.into_stream(), peer, settings, intake, counters).await;
        }
        #[cfg(test)]
        Socket::Memory(socket) => serve(socket, peer, settings, intake, counters).await,
    }
}

//! What is spoken on the connections of a listener. Must not know addresses.

use std::sync::Arc;

use super::admission::Admitted;
use super::connection::{Connection, Decoder};
use super::socket::Peer;
use super::{Intake, forward, tcp};
use crate::handshake::server::Settings;
use crate::telemetry::InputCounters;

/// What is spoken. Cheap to clone: each connection has its own.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// Fluent Forward, after a handshake if there is a key.
    Forward(forward::decode::DecodeOptions, Option<Arc<Settings>>),
    /// JSON objects or lines.
    Tcp(tcp::decode::DecodeOptions),
}

impl Protocol {
    /// Serves a peer until it has gone.
    pub async fn serve(self, peer: Admitted, intake: Intake, counters: Arc<InputCounters>) {
        let handshake = match &self {
            Self::Forward(_, handshake) => handshake.clone(),
            Self::Tcp(_) => None,
        };
        let decoder = self.decoder(&peer.peer);
        Connection::new(peer, decoder, intake, counters).serve(handshake).await;
    }

    fn decoder(self, peer: &Peer) -> Decoder {
        match self {
            Self::Forward(options, _) => {
                Decoder::Forward(Box::new(forward::decode::Decoder::new(options)))
            }
            Self::Tcp(mut options) => {
                if let Some(field) = &mut options.source_address {
                    field.address = peer.to_string().into();
                }
                Decoder::Tcp(Box::new(tcp::decode::Decoder::new(options)))
            }
        }
    }
}

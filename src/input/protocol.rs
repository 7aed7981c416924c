//! What is spoken on the connections of a listener. Must not know addresses.

use std::sync::Arc;

use super::connection::{Connection, Decoder};
use super::socket::{Peer, Socket};
use super::{Intake, forward, tcp};
use crate::telemetry::InputCounters;

/// What is spoken. Cheap to clone: each connection has its own.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// Fluent Forward.
    Forward(forward::decode::DecodeOptions),
    /// JSON objects or lines.
    Tcp(tcp::decode::DecodeOptions),
}

impl Protocol {
    /// Serves a peer until it has gone.
    pub async fn serve(self, peer: (Socket, Peer), intake: Intake, counters: Arc<InputCounters>) {
        let decoder = self.decoder(&peer.1);
        Connection::new(peer, decoder, intake, counters).serve().await;
    }

    fn decoder(self, peer: &Peer) -> Decoder {
        match self {
            Self::Forward(options) => {
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

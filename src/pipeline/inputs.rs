//! Wiring: an input of the configuration, ready to be read.

use std::sync::Arc;

use bytes::Bytes;

use super::BuildError;
use super::stages::stages;
use crate::config::{InputConfig, InputKind};
use crate::ingest::Stage;
use crate::input::dummy::Dummy;
use crate::input::exec::Exec;
use crate::input::fluentbit_metrics::Metrics;
use crate::input::listener::{Address, Listener, default_tag};
use crate::input::protocol::Protocol;
use crate::input::source::Source;
use crate::input::tail::offsets::Offsets;
use crate::input::tail::reader::Tail;
use crate::input::tail::set::Set;
use crate::input::{Terms, forward, http, tcp};
use crate::inquiries::Inquiries;
use crate::ledger::Budget;
use crate::lifecycle::Alarm;
use crate::memory::InputPart;
use crate::record::tag::Tag;
use crate::telemetry::{InputCounters, Telemetry};

/// The inputs with their sockets bound, and the filters of each.
pub(super) async fn bind(
    inputs: Vec<(InputConfig, &InputPart)>,
    budget: &Budget,
    alarm: &Alarm,
    inquiries: &mut Inquiries,
    telemetry: &mut Telemetry,
) -> Result<(Vec<Vec<Stage>>, Vec<(Source, Terms)>), BuildError> {
    let (mut processors, mut sources) = (Vec::new(), Vec::new());
    for (place, (mut input, part)) in (0..).zip(inputs) {
        let (counters, terms) = terms(&input, place, part.bytes_max, budget);
        telemetry.inputs.push(Arc::clone(&counters));
        let own = std::mem::take(&mut input.processors);
        processors.push(stages(own, inquiries, telemetry)?);
        let source = source(input, counters, alarm, part.connections_max).await?;
        sources.push((source, terms));
    }
    Ok((processors, sources))
}

/// What an input may hold of the budget, and what is to be seen of it.
fn terms(
    input: &InputConfig,
    place: u16,
    bytes_max: Option<u64>,
    budget: &Budget,
) -> (Arc<InputCounters>, Terms) {
    let part = bytes_max.map_or_else(|| budget.clone(), |bytes| budget.within(place, bytes));
    let counters =
        InputCounters { budget: Some(part.clone()), bytes_max, ..InputCounters::new(&input.name) };
    (Arc::new(counters), Terms { storage: input.storage, budget: Some(part) })
}

/// Makes an input, with its socket bound where it has one, for so many connections at once.
async fn source(
    input: InputConfig,
    counters: Arc<InputCounters>,
    alarm: &Alarm,
    connections_max: usize,
) -> Result<Source, BuildError> {
    let tag = default_tag(input.tag.as_deref(), &input.name);
    let listener = match input.kind {
        InputKind::Dummy(config) => {
            return Ok(Source::Dummy(Box::new(Dummy::new(config, tag, counters))));
        }
        InputKind::Exec(config) => {
            return Ok(Source::Exec(Box::new(Exec::new(config, tag, counters, alarm.clone()))));
        }
        InputKind::FluentbitMetrics(config) => {
            return Ok(Source::Metrics(Box::new(Metrics::new(config, tag, counters))));
        }
        InputKind::Forward(config) => {
            let address = match config.listener {
                forward::config::Listener::Tcp { listen, port } => Address::Tcp(listen, port),
                forward::config::Listener::Unix { path, mode } => Address::Unix(path, mode),
            };
            let handshake = config.handshake.map(Arc::new);
            let options = forward::decode::DecodeOptions {
                json: handshake.is_none(),
                frame_bytes_max: config.frame_bytes_max,
                tag: input.tag.as_deref().map(Into::into),
                tag_prefix: config.tag_prefix.as_deref().map(Into::into),
                ..forward::decode::DecodeOptions::default()
            };
            let protocol = Protocol::Forward(options, handshake);
            let admission = &config.admission;
            Listener::bind(address, admission, protocol, connections_max, counters).await
        }
        InputKind::Tail(config) => {
            let plan = config.plan(input.tag.as_deref().unwrap_or(&input.name));
            let alarm = config.exits.then(|| alarm.clone());
            let offsets = config.db.as_ref().map_or(Ok(Offsets::none()), Offsets::open);
            let offsets = offsets.map_err(|source| BuildError::Offsets {
                input: input.name.clone(),
                source: Box::new(source),
            })?;
            let set = Set::new(plan, offsets, Arc::clone(&counters));
            let tail = Tail::new(set, counters, config.inotify, alarm);
            return Ok(Source::Tail(Box::new(tail)));
        }
        InputKind::Tcp(config) => {
            let address = Address::Tcp(config.listen.clone(), config.port);
            let admission = config.admission.clone();
            let protocol = Protocol::Tcp(lines(config, tag));
            Listener::bind(address, &admission, protocol, connections_max, counters).await
        }
        InputKind::Http(config) => {
            let address = Address::Tcp(config.listen.clone(), config.port);
            let admission = config.admission.clone();
            let protocol = Protocol::Http(Arc::new(http::Settings::new(config, tag)));
            Listener::bind(address, &admission, protocol, connections_max, counters).await
        }
    }?;
    Ok(Source::Listener(Box::new(listener)))
}

fn lines(config: tcp::config::Config, tag: Tag) -> tcp::decode::DecodeOptions {
    let format = match config.format {
        tcp::config::Format::Json => tcp::decode::Format::Json,
        tcp::config::Format::None => {
            tcp::decode::Format::None { separator: config.separator.into() }
        }
    };
    // The address is filled in for each peer.
    let source_address = config
        .source_address_key
        .map(|key| tcp::decode::SourceAddress { key: key.into(), address: Bytes::new() });
    tcp::decode::DecodeOptions {
        object_bytes_max: config.object_bytes_max,
        source_address,
        parser: config.parser,
        ..tcp::decode::DecodeOptions::new(format, tag)
    }
}

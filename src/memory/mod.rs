//! Around the path: how much memory the process may hold at most, and how it is dealt out.
//!
//! Pure but for [`cgroup::limit`]. What grows with traffic is paid out of the budget, or is bounded by
//! a constant and stands in the sum of [`worst_case`]:
//!
//! ```text
//! worst case = program
//!            + budget                                    records that wait, wherever they wait
//!            + outputs   × (bodies in flight + window)   see `in_flight_bytes`, with what compresses
//!                                                        them; what is read back from disk
//!            + outputs   × log streams                   their queues, names and markers
//!            + inputs    × (reserve + what is decoded)   reads, and small frames over the budget
//!            + 2 × one frame                             a large one over the budget: packed and unpacked
//!            + connections × (task, buffers, TLS, acks)  of all inputs that listen, at their limits
//!            + scripts   × their limit
//! ```
//!
//! # The budget
//!
//! It is what the inputs want: the sum of their `Mem_Buf_Limit`s, and [`OTHERS_BYTES`] more where one
//! has none, but not less than [`BUDGET_BYTES_DEFAULT`] where one
//! has none. Of the container's limit it is at most what the rest of the sum leaves, at least
//! [`BUDGET_BYTES_MIN`]. Connections get at most a sixteenth of that limit, in equal parts for the inputs that listen;
//! peers beyond wait to be accepted.
//!
//! An input with a `Mem_Buf_Limit` holds at most that much of the budget, in proportion where the
//! budget is less than what is wanted: so a flood on one input leaves the others their part. It takes
//! its own part first and then of the budget, each in the order of asking; it holds nothing of
//! the budget while it waits for its own, and its own is nobody else's, so that no two wait for each
//! other. The reserve and the turn of [`crate::input`] go beside both, as before.
//!
//! Not in the sum, as it is not bounded by a constant but by the budget times what a configuration asks
//! for: copies that `rewrite_tag`, stream tasks and scripts make of records are not paid for before
//! they are made.

pub mod cgroup;
pub mod cost;

use std::fmt;

use crate::chunk::Storage;
use crate::config::{
    BUDGET_BYTES_DEFAULT, Config, FilterKind, InputConfig, InputKind, OutputConfig, OutputKind,
};
use crate::filter::lua;
use crate::input::{self, http};
use crate::output::cloudwatch_logs::config::StreamName;
use crate::output::cloudwatch_logs::sender::Encoding;
use crate::output::cloudwatch_logs::{delivery, naming};
use crate::output::dispatch;
use cost::{KIB, MIB};

/// Bytes of the budget for all inputs without a `Mem_Buf_Limit` beside those that have one.
pub const OTHERS_BYTES: u64 = 1_000_000;
/// Least budget: a few reads of each connection that sends, and one batch.
pub const BUDGET_BYTES_MIN: u64 = 2 * MIB;
/// What an input holds at least, however small its part: two reads.
const INPUT_BYTES_MIN: u64 = 128 * KIB;
/// The part of a container's limit for its connections.
const CONNECTIONS_SHARE: u64 = 16;
/// What connections may cost where the container has no limit: 10,000 that send.
const CONNECTIONS_BYTES: u64 = 64 * MIB;
/// Connections that an input may have, however little memory there is: hundreds of containers do not
/// run on a machine that small.
const CONNECTIONS_MIN: usize = 64;
/// What is kept of a container's limit for what nobody counts: the page cache of files being
/// written, and buffers of sockets in the kernel. A sixteenth.
const MARGIN_SHARE: u64 = 16;

/// How memory is dealt out, and what that comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WorstCase {
    /// The limit of the container, if it has one.
    pub limit_bytes: Option<u64>,
    /// Bytes of records that wait.
    pub budget_bytes: u64,
    /// What each input may hold of them, by its place; `None`: all.
    pub inputs: Vec<InputPart>,
    /// What the sum is made of.
    pub parts: Vec<Part>,
}

/// The part of one input.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct InputPart {
    /// Bytes of the budget that it may hold; `None`: all.
    pub bytes_max: Option<u64>,
    /// Connections at once; 0 where nobody connects.
    pub connections_max: usize,
}

/// A part of the sum.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Part {
    /// What it is, for people.
    pub what: &'static str,
    /// Its bytes.
    pub bytes: u64,
}

impl WorstCase {
    /// Most bytes in memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).fold(0, u64::saturating_add)
    }

    /// Whether that is within the limit of the container.
    #[must_use]
    pub fn is_within_limit(&self) -> bool {
        self.limit_bytes.is_none_or(|limit| self.bytes() <= limit)
    }
}

/// `61.3 MB at most: program 16.8, waiting records 25.0, …`, in millions of bytes.
impl fmt::Display for WorstCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} MB resident:", Millions(self.bytes()))?;
        for (at, part) in self.parts.iter().filter(|part| part.bytes > 0).enumerate() {
            let before = if at == 0 { "" } else { "," };
            write!(f, "{before} {} {}", part.what, Millions(part.bytes))?;
        }
        match self.limit_bytes {
            Some(limit) => write!(f, "; the container has {}", Millions(limit)),
            None => f.write_str("; the container has no limit"),
        }
    }
}

/// Bytes in millions, with one digit behind the point.
struct Millions(u64);

impl fmt::Display for Millions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = self.0.saturating_add(50_000) / 100_000;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// What a configuration comes to in a container with this limit.
#[must_use]
pub fn worst_case(config: &Config, limit_bytes: Option<u64>) -> WorstCase {
    let wanted = wanted_bytes(config);
    let connections = connections(config, limit_bytes);
    let of = |budget_bytes: u64| {
        let parts = parts(config, budget_bytes, &connections);
        WorstCase { limit_bytes, budget_bytes, inputs: Vec::new(), parts }
    };
    let room = limit_bytes.map_or(u64::MAX, |limit| limit - limit / MARGIN_SHARE);
    // More budget is never less in all, so the largest that fits is found by halving.
    let (mut fits, mut beyond) = (BUDGET_BYTES_MIN.min(wanted), wanted.saturating_add(1));
    while beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        if of(middle).bytes() <= room { fits = middle } else { beyond = middle }
    }
    let share = |input: &InputConfig| {
        let limit = u128::from(input.mem_buf_limit_bytes?);
        let part = limit * u128::from(fits) / u128::from(wanted.max(1));
        Some(u64::try_from(part).unwrap_or(fits).max(INPUT_BYTES_MIN.min(fits)))
    };
    let inputs = config.inputs.iter().zip(&connections).map(|(input, connections)| InputPart {
        bytes_max: share(input),
        connections_max: connections.count,
    });
    WorstCase { inputs: inputs.collect(), ..of(fits) }
}

/// The budget that the inputs want.
fn wanted_bytes(config: &Config) -> u64 {
    let limits = || config.inputs.iter().filter_map(|input| input.mem_buf_limit_bytes);
    let sum = limits().fold(0, u64::saturating_add);
    let all_have_one = !config.inputs.is_empty() && limits().count() == config.inputs.len();
    let wanted = match (all_have_one, sum) {
        (true, sum) => sum,
        (false, 0) => BUDGET_BYTES_DEFAULT,
        (false, sum) => sum.saturating_add(OTHERS_BYTES).max(BUDGET_BYTES_DEFAULT),
    };
    // More than the budget's counter holds is never given out.
    wanted.min(u64::from(u32::MAX))
}

/// The connections of an input.
#[derive(Clone, Copy, Debug, Default)]
struct Connections {
    count: usize,
    /// What each costs.
    bytes: u64,
}

fn connections(config: &Config, limit_bytes: Option<u64>) -> Vec<Connections> {
    let wanted: Vec<_> = config.inputs.iter().map(wanted_connections).collect();
    let listening = wanted.iter().filter(|one| one.count > 0).count().max(1) as u64;
    let pool = limit_bytes.map_or(CONNECTIONS_BYTES, |limit| limit / CONNECTIONS_SHARE);
    let fitting = |wanted: Connections| {
        let most = usize::try_from(pool / listening / wanted.bytes.max(1)).unwrap_or(usize::MAX);
        // Without a limit, a number that somebody chose holds.
        let is_chosen = wanted.count != input::forward::config::CONNECTIONS_MAX;
        match limit_bytes {
            None if is_chosen => wanted,
            _ => Connections { count: wanted.count.min(most.max(CONNECTIONS_MIN)), ..wanted },
        }
    };
    wanted.into_iter().map(fitting).collect()
}

fn wanted_connections(input: &InputConfig) -> Connections {
    let tls = |has_tls: bool| if has_tls { cost::TLS_CONNECTION_BYTES } else { 0 };
    // Elsewhere acks are due at once.
    let acks = match input.storage {
        Storage::Memory => 0,
        Storage::Filesystem => input::OWED_BYTES_MAX as u64,
    };
    match &input.kind {
        InputKind::Forward(config) => Connections {
            count: config.connections_max,
            bytes: cost::CONNECTION_BYTES + acks + tls(config.admission.tls.is_some()),
        },
        InputKind::Tcp(config) => Connections {
            count: input::forward::config::CONNECTIONS_MAX,
            bytes: cost::CONNECTION_BYTES + tls(config.admission.tls.is_some()),
        },
        InputKind::Http(config) => Connections {
            count: config.connections_max,
            bytes: http_bytes(config.has_http2) + tls(config.admission.tls.is_some()),
        },
        InputKind::Tail(_)
        | InputKind::Dummy(_)
        | InputKind::Exec(_)
        | InputKind::FluentbitMetrics(_) => Connections::default(),
    }
}

/// A connection of `http`, whose heads are in memory before anybody can pay for them.
fn http_bytes(has_http2: bool) -> u64 {
    let plain = http::connection::PLAIN_BYTES_MAX;
    let most = if has_http2 { plain.max(http::connection::STREAMED_BYTES_MAX) } else { plain };
    cost::CONNECTION_BYTES + most as u64
}

fn parts(config: &Config, budget_bytes: u64, connections: &[Connections]) -> Vec<Part> {
    let part = |what, bytes| Part { what, bytes };
    let sum = |bytes: &mut dyn Iterator<Item = u64>| bytes.fold(0, u64::saturating_add);
    let of_connection = |one: &Connections| one.bytes.saturating_mul(one.count as u64);
    let frames = || config.inputs.iter().map(|input| frame_bytes(&input.kind));
    let decoded = |frame: u64| {
        let over = cost::FRAMES_OVER * frame.min(input::LARGE_BYTES as u64);
        over + cost::DECODING_BYTES + input::RESERVE_BYTES
    };
    let large = frames().max().filter(|frame| *frame > input::LARGE_BYTES as u64).unwrap_or(0);
    let outputs = || config.outputs.iter();
    let window = |output: &OutputConfig| match output.kind {
        OutputKind::Null | OutputKind::Counter => 0,
        OutputKind::File(_)
        | OutputKind::Forward(_)
        | OutputKind::Stdout(_)
        | OutputKind::Http(_)
        | OutputKind::Cloudwatch(_)
        | OutputKind::CloudwatchLogs(_) => {
            window_bytes(config.service.storage.backlog_bytes, budget_bytes) + cost::STORE_BYTES
        }
    };
    let filters = config.filters.iter();
    let filters = filters.chain(config.inputs.iter().flat_map(|input| &input.processors));
    let filters = filters.chain(outputs().flat_map(|output| &output.processors));
    let scripts = filters.filter(|filter| matches!(filter.kind, FilterKind::Lua(_))).count() as u64;
    vec![
        part("program", cost::PROGRAM_BYTES),
        part("records that wait", budget_bytes),
        part(
            "bodies on their way",
            sum(&mut outputs().map(|one| in_flight_bytes(&one.kind, budget_bytes))),
        ),
        part("log streams", sum(&mut outputs().map(|one| streams_bytes(&one.kind, budget_bytes)))),
        part("read back from disk", sum(&mut outputs().map(window))),
        part(
            "being decoded",
            sum(&mut frames().map(decoded)).saturating_add(large.saturating_mul(2)),
        ),
        part("connections", sum(&mut connections.iter().map(of_connection))),
        part("scripts", scripts.saturating_mul(lua::MEMORY_BYTES_MAX as u64)),
    ]
}

/// The window into which an output reads back what waits on disk: as configured, or a part of the
/// budget.
#[must_use]
pub fn window_bytes(configured: Option<u64>, budget_bytes: u64) -> u64 {
    let part = budget_bytes / cost::WINDOW_PART;
    configured.unwrap_or(part).clamp(*cost::WINDOW_BYTES.start(), *cost::WINDOW_BYTES.end())
}

/// What an input unpacks at once, which is also the most it may read over the budget.
fn frame_bytes(kind: &InputKind) -> u64 {
    let bytes = match kind {
        InputKind::Forward(config) => config.frame_bytes_max,
        InputKind::Tcp(config) => config.object_bytes_max,
        // A body is paid for before it is there.
        InputKind::Http(_) => 0,
        InputKind::Tail(_)
        | InputKind::Dummy(_)
        | InputKind::Exec(_)
        | InputKind::FluentbitMetrics(_) => 0,
    };
    bytes as u64
}

/// What an output has on its way at once, encoded: requests of a batch each, or parcels.
fn in_flight_bytes(kind: &OutputKind, budget_bytes: u64) -> u64 {
    let heads = delivery::IN_FLIGHT_MAX as u64 * cost::REQUEST_BYTES;
    let batches = delivery::BODIES_BYTES_MAX as u64 + heads;
    let parcel = dispatch::parcel_bytes_max(budget_bytes) as u64;
    let parcels =
        dispatch::IN_FLIGHT_MAX as u64 * (cost::ENCODED_FACTOR * parcel + cost::REQUEST_BYTES);
    let gzip = |compress| match compress {
        Encoding::Plain => 0,
        Encoding::Gzip => cost::GZIP_BYTES,
    };
    match kind {
        OutputKind::Null | OutputKind::Counter => 0,
        OutputKind::CloudwatchLogs(config) => batches + gzip(config.compress),
        OutputKind::Cloudwatch(config) => batches + gzip(config.compress),
        OutputKind::File(_)
        | OutputKind::Forward(_)
        | OutputKind::Http(_)
        | OutputKind::Stdout(_) => parcels,
    }
}

/// What an output holds of its log streams beside their records: none of it is paid for.
fn streams_bytes(kind: &OutputKind, budget_bytes: u64) -> u64 {
    let streams = delivery::Limits::beside_budget(budget_bytes).streams_bytes_max() as u64;
    let names = naming::TABLE_BYTES_MAX as u64;
    match kind {
        OutputKind::CloudwatchLogs(config) => {
            let is_split =
                config.log_group_template.is_some() || config.log_stream_template.is_some();
            match config.stream {
                _ if is_split => cost::SPLIT_BYTES.max(streams),
                StreamName::Prefix(_) | StreamName::FromTask => streams + names,
                StreamName::Fixed(_) => names,
            }
        }
        OutputKind::Cloudwatch(_) => cost::SPLIT_BYTES.max(streams),
        OutputKind::File(_)
        | OutputKind::Forward(_)
        | OutputKind::Http(_)
        | OutputKind::Stdout(_)
        | OutputKind::Null
        | OutputKind::Counter => 0,
    }
}

#[cfg(test)]
mod tests;

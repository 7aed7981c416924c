//! Firelane, a log router for Amazon ECS: the sidecar that takes the place of the FireLens image.
//!
//! Container logs come in over the Fluent Forward protocol, HTTP or from files, get what ECS knows of
//! their task, and go to CloudWatch Logs: in order, with bounded memory, losing nothing that can be
//! kept.
//!
//! # The way of a record
//!
//! ```text
//!  docker fluentd driver / app           CloudWatch Logs
//!         │ unix, tcp, http, files             ▲
//!         ▼                                    │
//!  1 input        bytes → frame → chunk        │  6 output    encode → batch → send → settle
//!         │  (a task a connection)             │       (a stream in order, streams in parallel)
//!         ▼                                    │
//!  2 ring   bounded, lock-free                 │
//!         ▼                                    │
//!  3 ingest  filters → 4 router  (one owner, pure) ──▶ 5 buffer, one an output
//!                                                         │ ▲
//!                                                         ▼ │  under pressure, and to survive
//!                                                       spill on disk
//! ```
//!
//! A [`chunk::Chunk`] flows: records of one tag as they came, and a [`ledger::Permit`] that says
//! what is owed for them. The permit ends in exactly one outcome a record, so that at any moment
//! received = delivered + held + dropped by reason.
//!
//! # Reading order
//!
//! [`input::connection`] → [`input::forward::decode`] → [`ring`] → [`ingest`] → [`filter`] (with
//! [`parser`]) → [`router`] → [`buffer`] (with [`spill`]) → [`output::cloudwatch_logs`] → its
//! `naming`, `delivery`, `stream`, `batch`, `message`, `escape`, `sender` → [`ledger`].
//!
//! # Who may import whom
//!
//! Imports run the way of the data: `input` knows the ring, not the filters; `output` knows the
//! buffer, not the ingest; [`record`] and [`ledger`] know nothing of ours. [`config`] knows the
//! options of every plugin, no plugin knows [`config`]. [`pipeline`] wires, and holds no code that
//! is run for a record. `tests/it/tidy.rs` holds the sources to this.

// Step 0: what flows.
pub mod chunk;
pub mod ledger;
pub mod record;

// Steps 1 to 6: the way.
pub mod input;
pub mod ring;

pub mod filter;
pub mod ingest;
pub mod multiline;
pub mod parser;
pub mod router;

pub mod buffer;
pub mod output;
pub mod spill;

// Around the way.
pub mod admin;
pub mod check;
pub mod cli;
pub mod config;
pub mod console;
pub mod ec2;
pub mod ecs;
pub mod handshake;
pub mod healthcheck;
pub mod http_request;
pub mod inquiries;
pub mod lifecycle;
pub mod memory;
pub mod option;
pub mod pipeline;
pub mod sidecar;
pub mod telemetry;
pub mod tls;

// A service to try it with.
#[cfg(feature = "local")]
pub mod demo;
#[cfg(feature = "local")]
pub mod local;

// Doors to the outside.
pub mod clock;
mod hash;
mod sync;

// The whole way at once, in time that is made up.
#[cfg(all(test, feature = "local"))]
#[allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    reason = "all of it is a test"
)]
mod simulation;

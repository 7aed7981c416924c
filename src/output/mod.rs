//! Step 6, output: chunks out of a buffer, to the world.
//!
//! Each output owns its retries and its order; a slow one holds up no other. Must not know ingest
//! or inputs.

pub mod cloudwatch;
pub mod cloudwatch_logs;
pub mod connect;
pub mod counter;
pub mod courier;
mod deadline;
pub mod dispatch;
pub mod file;
pub mod format;
pub mod forward;
pub mod group;
pub mod http;
pub mod incident;
pub mod losses;
pub mod null;
pub mod retry;
pub mod stdout;

use std::sync::Arc;

use crate::buffer::{Buffer, LaneRule};
use crate::lifecycle::StopReceiver;

/// A configured output.
#[derive(Debug)]
pub enum Output {
    /// Appends to files.
    File(Box<file::File>),
    /// Takes everything and keeps nothing.
    Null,
    /// Other routers and Fluentd.
    Forward(Box<forward::Forward>),
    /// Prints records or their numbers to standard output.
    Stdout(Box<stdout::Stdout>),
    /// Sends to a web server.
    Http(Box<http::Http>),
    /// Amazon CloudWatch Logs, configured as `cloudwatch_logs` or as `cloudwatch`.
    CloudwatchLogs(Box<cloudwatch_logs::CloudwatchLogs>),
}

impl Output {
    /// What of its records has to keep its order.
    #[must_use]
    pub fn lane_rule(&self) -> LaneRule {
        match self {
            Self::CloudwatchLogs(output) => output.lane_rule(),
            Self::File(_) | Self::Null | Self::Forward(_) | Self::Stdout(_) | Self::Http(_) => {
                LaneRule::OfTag
            }
        }
    }

    /// Delivers what comes out of the buffer until that is closed and empty, or the deadline of a
    /// stop is reached.
    pub async fn run(self, buffer: Arc<Buffer>, stop: StopReceiver) {
        match self {
            Self::File(output) => output.run(buffer, stop).await,
            Self::Null => null::run(buffer, stop).await,
            Self::Forward(output) => output.run(buffer, stop).await,
            Self::Stdout(output) => output.run(buffer, stop).await,
            Self::Http(output) => output.run(buffer, stop).await,
            Self::CloudwatchLogs(output) => output.run(buffer, stop).await,
        }
    }
}

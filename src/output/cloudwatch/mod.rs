//! Step 6, output: `cloudwatch`, the name of AWS's older plugin, which is written in Go.
//!
//! It delivers as [`cloudwatch_logs`](super::cloudwatch_logs) does, by the same code. What differs
//! is here: its options ([`config`]), its names with `$(...)` in them ([`template`]), and its
//! messages, which are Go's JSON ([`json`]). Must not know how anything is sent.
//! Source: <https://github.com/aws/amazon-cloudwatch-logs-for-fluent-bit>.

pub mod config;
mod duration;
pub(crate) mod json;
pub mod ksuid;
pub(crate) mod message;
pub mod naming;
pub mod template;

use fastrand::Rng;

use crate::clock;

use super::cloudwatch_logs::message::Dialect;
use super::cloudwatch_logs::naming::Rule;
use super::cloudwatch_logs::plan::{CreationRules, Messages, Plan};
use config::Config;
use ksuid::ksuid;

impl From<Config> for Plan {
    /// Each has a `$(uuid)` of its own.
    fn from(config: Config) -> Self {
        let uuid = ksuid(clock::unix_now(), Rng::new().u128(..));
        Self {
            names: Rule::OfTemplates(naming::Names::new(config.names, uuid)),
            messages: Messages { log_key: config.log_key, dialect: Dialect::Go },
            creation: CreationRules {
                groups: config.auto_create_group,
                streams: config.auto_create_stream,
                retention_days: config.log_retention_days,
                class: None,
                tags: config.new_log_group_tags,
            },
            connection: config.connection,
            compress: config.compress,
            loss_markers: config.loss_markers,
            send_failure_timeout: config.send_failure_timeout,
        }
    }
}

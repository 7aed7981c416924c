//! Wiring: an output of the configuration, ready to run.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::{BuildError, SnapshotReceiver};
use crate::config::{OutputConfig, OutputKind, RetryLimit};
use crate::console::Console;
use crate::ecs::enrich::Enrich;
use crate::ledger::Budget;
use crate::lifecycle::Alarm;
use crate::output::cloudwatch_logs::delivery::Limits;
use crate::output::cloudwatch_logs::plan::Plan;
use crate::output::cloudwatch_logs::sender::Keys;
use crate::output::cloudwatch_logs::{self, CloudwatchLogs};
use crate::output::dispatch::Settings;
use crate::output::file::{self, File};
use crate::output::forward::Forward;
use crate::output::http::{self, Http};
use crate::output::stdout::{self, Stdout};
use crate::output::{Output, courier};
use crate::telemetry::OutputCounters;

/// What outputs need of the pipeline.
#[derive(Debug)]
pub(super) struct Around {
    pub(super) counters: Arc<OutputCounters>,
    pub(super) budget: Budget,
    pub(super) snapshot: SnapshotReceiver,
    /// Asks for newer metadata, where records get the task's metadata from us.
    pub(super) refetch: Option<Arc<Notify>>,
    pub(super) keys: Option<Keys>,
    pub(super) flush: Duration,
    pub(super) retry_limit: RetryLimit,
    pub(super) escape_unicode: bool,
    pub(super) alarm: Alarm,
    /// Standard output, if something prints.
    pub(super) console: Option<Console>,
    pub(super) seed: u64,
}

/// Makes an output; nothing is sent yet.
pub(super) async fn output(output: OutputConfig, around: Around) -> Result<Output, BuildError> {
    let plan = match output.kind {
        OutputKind::Null => return Ok(Output::Null),
        // There is a console wherever there is an output that prints.
        OutputKind::Counter => {
            let Some(around) = around.printing() else { return Ok(Output::Null) };
            return Ok(Output::Stdout(Box::new(Stdout::counting(around))));
        }
        OutputKind::File(config) => return Ok(around.file(&config)),
        OutputKind::Forward(config) => {
            let made = Forward::new(*config, around.settings(), around.courier());
            let made = made.map_err(|source| {
                let source = Box::new(source);
                BuildError::Tls { output: output.name, source }
            })?;
            return Ok(Output::Forward(Box::new(made)));
        }
        OutputKind::Stdout(config) => {
            let Some(around) = around.printing() else { return Ok(Output::Null) };
            return Ok(Output::Stdout(Box::new(Stdout::new(config, around))));
        }
        OutputKind::Http(config) => {
            let made = Http::new(*config, around.http()).await;
            let made = made.map_err(|source| {
                let source = Box::new(source);
                BuildError::Http { output: output.name, source }
            })?;
            return Ok(Output::Http(Box::new(made)));
        }
        OutputKind::Cloudwatch(config) => Plan::from(*config),
        OutputKind::CloudwatchLogs(config) => Plan::from(*config),
    };
    let limits = Limits::beside_budget(around.budget.bytes_max());
    let made = CloudwatchLogs::new(plan, around.cloudwatch_logs(), limits).await;
    let made = made.map_err(|source| BuildError::Output { output: output.name, source })?;
    Ok(Output::CloudwatchLogs(Box::new(made)))
}

impl Around {
    fn file(self, config: &file::config::Config) -> Output {
        let (escape_unicode, settings) = (self.escape_unicode, self.settings());
        Output::File(Box::new(File::new(config, escape_unicode, settings, self.courier())))
    }

    fn settings(&self) -> Settings {
        Settings::new(self.flush, self.retry_limit, self.budget.bytes_max(), self.seed)
    }

    fn courier(self) -> courier::Around {
        courier::Around { counters: self.counters }
    }

    fn printing(self) -> Option<stdout::Surroundings> {
        Some(stdout::Surroundings {
            counters: self.counters,
            flush: self.flush,
            escape_unicode: self.escape_unicode,
            console: self.console?,
        })
    }

    fn http(self) -> http::Surroundings {
        http::Surroundings {
            settings: self.settings(),
            escape_unicode: self.escape_unicode,
            keys: self.keys.clone(),
            around: self.courier(),
        }
    }

    fn cloudwatch_logs(self) -> cloudwatch_logs::Surroundings {
        let enrich = self.refetch.map(|refetch| Enrich::new(self.snapshot.clone(), refetch));
        cloudwatch_logs::Surroundings {
            counters: self.counters,
            snapshot: self.snapshot,
            flush: self.flush,
            alarm: self.alarm,
            retry_limit: self.retry_limit,
            enrich,
            keys: self.keys,
            seed: self.seed,
        }
    }
}

//! Around the path, config: the variables that count beside the files.
//!
//! Not known here: what the files say.

use super::env::Environment;
use super::origins::{Given, given};
use super::scripts::Scripts;
use super::upstreams::Upstreams;
use crate::output::cloudwatch_logs::config::Defaults;

/// What the environment says beside the files.
#[derive(Clone, Debug, Default)]
pub(super) struct Context {
    pub(super) cloudwatch_logs: Defaults,
    /// `FLB_LOG_LEVEL`, which comes before `Log_Level`.
    pub(super) log_level: Option<Given>,
    /// `FIRELANE_GRACE`, which holds where no `Grace` is set.
    pub(super) grace: Option<Given>,
    /// The region of outputs that name none.
    pub(super) region: Option<Given>,
    /// `TZ`, the zone of this machine.
    pub(super) tz: Option<String>,
    /// The name of this machine.
    pub(super) hostname: Option<String>,
    /// The files that filters run.
    pub(super) scripts: Scripts,
    /// Whether the configuration is another machine's.
    pub(super) is_elsewhere: bool,
    /// The files of nodes that outputs name.
    pub(super) upstreams: Upstreams,
}

impl Context {
    pub(super) fn new(environment: &Environment) -> Self {
        let region = given("region", &["AWS_REGION", "AWS_DEFAULT_REGION"], false, environment);
        Self {
            cloudwatch_logs: Defaults {
                region: region.as_ref().map(|given| given.value.clone()),
                names_from_task: false,
                send_failure_timeout: environment.get("SEND_FAILURE_TIMEOUT").map(str::to_owned),
            },
            log_level: given("log_level", &["FLB_LOG_LEVEL"], true, environment),
            grace: given("grace", &["FIRELANE_GRACE"], false, environment),
            region,
            tz: environment.get("TZ").map(str::to_owned),
            hostname: environment.get("HOSTNAME").map(str::to_owned),
            scripts: Scripts::default(),
            is_elsewhere: false,
            upstreams: Upstreams::default(),
        }
    }
}

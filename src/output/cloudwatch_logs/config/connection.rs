//! Step 6, output: how the service is reached, as both outputs of CloudWatch Logs say it.

use std::path::PathBuf;

use crate::option::{Fault, Options, Remark};

use super::endpoint::{DEFAULT_PORT, Endpoint};
use super::{Advice, Defaults, Refusal};

/// The options that concern connections, identity and headers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Connection {
    /// Region; `None` leaves it to the metadata of the task.
    pub region: Option<String>,
    /// In place of the region's own endpoint.
    pub endpoint: Option<Endpoint>,
    /// Whether the server must prove who it is.
    pub tls_verify: bool,
    /// PEM file of the authorities to trust.
    pub tls_ca_file: Option<PathBuf>,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External ID for the role.
    pub external_id: Option<String>,
    /// Endpoint that gives the role's credentials.
    pub sts_endpoint: Option<String>,
    /// Profile of the credentials file; only `cloudwatch_logs` has it.
    pub profile: Option<String>,
    /// Address to get the credentials from; only `cloudwatch` has it.
    pub credentials_endpoint: Option<String>,
    /// Text to add to the User-Agent.
    pub extra_user_agent: Option<String>,
    /// Value of the header `x-amzn-logs-format`.
    pub log_format: Option<String>,
}

impl Connection {
    /// Reads what both outputs have; problems are reported.
    pub fn from_options(options: &mut Options, defaults: &Defaults) -> Self {
        let region = options.text("region").or_else(|| defaults.region.clone());
        if region.is_none() {
            options.remark("region", Remark::plugin(Advice::RegionFromTask));
        }
        Self {
            region,
            endpoint: endpoint(options),
            tls_verify: options.bool("tls.verify"),
            tls_ca_file: options.text("tls.ca_file").map(PathBuf::from),
            role_arn: options.text("role_arn"),
            external_id: options.text("external_id"),
            sts_endpoint: options.text("sts_endpoint"),
            profile: None,
            credentials_endpoint: None,
            extra_user_agent: options.text("extra_user_agent"),
            log_format: options.text("log_format"),
        }
    }
}

fn endpoint(options: &mut Options) -> Option<Endpoint> {
    let Some(text) = options.text("endpoint") else {
        if options.is_set("port") && options.integer("port") != Some(DEFAULT_PORT) {
            options.remark("port", Remark::plugin(Advice::OnlyWithEndpoint));
        }
        return None;
    };
    let port = if options.is_set("port") { options.integer("port") } else { None };
    match Endpoint::parse(&text, port) {
        Ok(endpoint) => Some(endpoint),
        Err(error) => {
            options.refuse("endpoint", Fault::invalid(Refusal::Endpoint(error)));
            None
        }
    }
}

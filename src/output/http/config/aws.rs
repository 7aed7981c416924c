//! Step 6, output: as whom requests to AWS are signed. Not known here: credentials.

use super::Defaults;
use crate::option::{Fault, Options};

/// As whom requests are signed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Aws {
    /// The service's name in signatures, such as `es`.
    pub service: String,
    /// The region in signatures.
    pub region: String,
    /// Role to assume.
    pub role_arn: Option<String>,
    /// External ID for the role.
    pub external_id: Option<String>,
    /// Endpoint that gives the role's credentials.
    pub sts_endpoint: Option<String>,
    /// Profile of the credentials file.
    pub profile: Option<String>,
}

impl Aws {
    /// `None`: requests are not signed, or a problem was reported.
    pub(super) fn from_options(options: &mut Options, defaults: Defaults<'_>) -> Option<Self> {
        if !options.bool("aws_auth") {
            return None;
        }
        let service = options.text("aws_service");
        if service.is_none() {
            options.refuse("aws_auth", Fault::Missing("aws_service"));
        }
        let region = options.text("aws_region").or(defaults.region.map(str::to_owned));
        if region.is_none() {
            options.refuse("aws_auth", Fault::Missing("aws_region"));
        }
        Some(Self {
            service: service?,
            region: region?,
            role_arn: options.text("aws_role_arn"),
            external_id: options.text("aws_external_id"),
            sts_endpoint: options.text("aws_sts_endpoint"),
            profile: options.text("aws_profile"),
        })
    }
}

//! A strict CloudWatch Logs endpoint: takes what the service takes, refuses what it refuses with the
//! same words, checks every signature, goes wrong on demand, and keeps an exact account.
//!
//! `server` reads requests off the wire and hands them to `service`, where everything is decided
//! without a socket or a clock: `request` and `sigv4` check the envelope, `operation` and `events`
//! the body, `limits` holds the rules, `state` what exists, `faults` what goes wrong, `account`
//! what was received. `admin` serves the account and the faults over HTTP. Must not know the rest of
//! the product: it would not notice its mistakes otherwise.

mod account;
mod admin;
mod events;
mod faults;
mod inflate;
mod limits;
mod note;
mod operation;
mod read;
mod request;
mod response;
mod sequence;
mod server;
mod service;
mod sigv4;
mod state;
#[cfg(test)]
pub(super) mod testing;
mod unique;
mod violation;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::broadcast;

pub use account::{
    AccountSummary, GroupSummary, Keep, OperationCount, Rejected, StreamSummary, ViolationCount,
};
pub use faults::{DELAY_MS_MAX, Fault, FaultPlan, FaultPlanError, RULES_MAX, Rule};
pub use note::{PutAnswer, PutNote};
pub use operation::OperationName;
pub use sequence::SequenceCount;
pub use service::Accepted;
#[cfg(test)]
pub(crate) use service::in_process;
pub use sigv4::AccessKey;
pub use violation::Violation;

use service::{Behaviour, Service, lock};

use crate::clock;

pub(super) use server::Server;

/// The id of the access key that every endpoint knows unless it is given others.
pub const ACCESS_KEY_ID: &str = "AKIDTEST";
/// The secret of [`ACCESS_KEY_ID`].
pub const SECRET_ACCESS_KEY: &str = "testsecret";

/// How the endpoint is to behave.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub address: SocketAddr,
    /// The only region that signatures may be for; `None` takes every region.
    pub region: Option<String>,
    /// Keys whose signatures hold.
    pub keys: Vec<AccessKey>,
    /// Take events of any age, as for records with times of long ago.
    pub any_age: bool,
    /// What the account keeps.
    pub keep: Keep,
    /// Faults from the start on.
    pub faults: FaultPlan,
    /// Groups and streams that exist from the start.
    pub existing: Vec<(String, String)>,
}

impl Options {
    /// Listens on `address`, knows the test keys and does nothing special.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            region: None,
            keys: test_keys(),
            any_age: false,
            keep: Keep::default(),
            faults: FaultPlan::default(),
            existing: Vec::new(),
        }
    }
}

/// The key that is known without a token, and the one that the task metadata endpoint hands out.
#[must_use]
pub fn test_keys() -> Vec<AccessKey> {
    let key = |id: &str, token: Option<&str>| AccessKey {
        id: id.to_owned(),
        secret: SECRET_ACCESS_KEY.to_owned(),
        session_token: token.map(str::to_owned),
    };
    vec![
        key(ACCESS_KEY_ID, None),
        key(super::task_metadata::ACCESS_KEY_ID, Some(super::task_metadata::SESSION_TOKEN)),
    ]
}

/// The account and the faults of an endpoint at work.
#[derive(Clone, Debug)]
pub struct Handle {
    service: Arc<Mutex<Service>>,
}

impl Handle {
    /// What was received so far, without the events.
    #[must_use]
    pub fn account(&self) -> AccountSummary {
        lock(&self.service).summary()
    }

    /// Timestamps and messages that are kept of a stream, in order of acceptance.
    #[must_use]
    pub fn events(&self, group: &str, stream: &str) -> Vec<(i64, String)> {
        let service = lock(&self.service);
        let kept = service.account().kept(group, stream).unwrap_or_default();
        kept.iter().map(|event| (event.timestamp, event.message.to_string())).collect()
    }

    /// Accepted events from now on, in order of acceptance. A receiver that is too slow misses the
    /// oldest, and is told how many.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        lock(&self.service).subscribe()
    }

    /// Puts another plan in place of the present one; its times start now.
    ///
    /// # Errors
    ///
    /// When the plan has a number out of its range; the present one stays then.
    pub fn set_faults(&self, plan: FaultPlan) -> Result<(), FaultPlanError> {
        lock(&self.service).set_faults(plan, clock::unix_now())
    }

    /// Back to the start: the groups, streams and faults of the options, and an empty account.
    pub fn reset(&self) {
        lock(&self.service).reset(clock::unix_now());
    }
}

/// Makes the endpoint, without a listener yet.
///
/// # Errors
///
/// When the fault plan has a number out of its range.
pub(super) fn build(options: Options) -> Result<(Arc<Server>, Handle), FaultPlanError> {
    let trust = request::Trust { keys: options.keys, region: options.region };
    let behaviour = Behaviour {
        any_age: options.any_age,
        keep: options.keep,
        faults: options.faults,
        existing: options.existing,
    };
    let service = Arc::new(Mutex::new(Service::new(behaviour, clock::unix_now())?));
    let handle = Handle { service: Arc::clone(&service) };
    Ok((Arc::new(Server::new(trust, service)), handle))
}

//! The service itself: state, account and faults in one, and the answer to every request. Pure: the
//! request and the time go in, the answer comes out. Must not know sockets.

#[cfg(test)]
pub(crate) mod in_process;
mod injection;
mod put;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::http::request::Parts;
use tokio::sync::broadcast;

use injection::{injected, target};

use super::account::{Account, AccountSummary, GroupSummary, Keep, Put};
use super::faults::{Fault, FaultPlan, FaultPlanError, Faults, scramble};
use super::note::Fate;
use super::operation::{self, Operation, OperationName};
use super::read;
use super::request::{self, Trust};
use super::response::{PutLogEventsAnswer, RejectedLogEventsInfo, Response, ServiceError, json};
use super::state::{Groups, milliseconds};
use super::violation::Refusal;

/// Most accepted events that wait for a subscriber; a slower one misses the oldest.
const SUBSCRIBER_EVENTS_MAX: usize = if cfg!(test) { 4_096 } else { 16_384 };

/// An event that was accepted, for those who watch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Accepted {
    /// Log group.
    pub group: Arc<str>,
    /// Log stream.
    pub stream: Arc<str>,
    /// Milliseconds since 1970.
    pub timestamp: i64,
    /// Message.
    pub message: Arc<str>,
}

/// What is to be done with a request.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Reply {
    Answer { response: Response, delay: Duration },
    NeverAnswer,
    Reset,
}

/// How a service is to behave from its start on.
#[derive(Clone, Debug, Default)]
pub(super) struct Behaviour {
    /// Take events of any age.
    pub(super) any_age: bool,
    pub(super) keep: Keep,
    pub(super) faults: FaultPlan,
    /// Groups and streams that exist from the start.
    pub(super) existing: Vec<(String, String)>,
}

/// The whole state behind an endpoint.
#[derive(Debug)]
pub(super) struct Service {
    behaviour: Behaviour,
    groups: Groups,
    account: Account,
    faults: Faults,
    /// State of the generator of request ids.
    ids: u64,
    watchers: broadcast::Sender<Accepted>,
}

/// What is known of a request besides its operation.
#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    region: &'a str,
    logs_format: Option<&'a str>,
    is_compressed: bool,
    now: Duration,
    fate: Fate,
}

/// Why an operation was not carried out.
#[derive(Debug)]
enum Denied {
    Error(ServiceError),
    Refusal(Refusal),
}

impl From<ServiceError> for Denied {
    fn from(error: ServiceError) -> Self {
        Self::Error(error)
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self::Refusal(refusal)
    }
}

/// Answers one request. All that does not depend on the state happens before `service` is locked.
pub(super) fn exchange(
    trust: &Trust,
    service: &Mutex<Service>,
    parts: &Parts,
    body: &[u8],
    now: Duration,
) -> Reply {
    let name = match request::operation_name(parts) {
        Ok(name) => name,
        Err(refusal) => return lock(service).refuse(None, &refusal, body.len()),
    };
    let opened = match request::open(parts, body, trust, now) {
        Ok(opened) => opened,
        Err(refusal) => return lock(service).refuse(Some(name), &refusal, body.len()),
    };
    match operation::parse(name, &opened.body) {
        Ok(operation) => {
            let context = Context {
                region: opened.region,
                logs_format: opened.logs_format,
                is_compressed: matches!(opened.body, Cow::Owned(_)),
                now,
                fate: Fate::default(),
            };
            let mut service = lock(service);
            service.account.count_bytes(body.len(), opened.body.len());
            service.carry_out(name, operation, context)
        }
        Err(refusal) => lock(service).refuse(Some(name), &refusal, body.len()),
    }
}

/// Every change of the state is complete in itself, so a panic elsewhere does not spoil it.
pub(super) fn lock(service: &Mutex<Service>) -> MutexGuard<'_, Service> {
    service.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Service {
    /// Starts with what `behaviour` says exists.
    ///
    /// # Errors
    ///
    /// When its fault plan has a number out of its range.
    pub(super) fn new(behaviour: Behaviour, now: Duration) -> Result<Self, FaultPlanError> {
        let mut service = Self {
            groups: Groups::default(),
            account: Account::new(behaviour.keep),
            faults: Faults::new(behaviour.faults.clone(), now)?,
            ids: behaviour.faults.seed,
            watchers: broadcast::Sender::new(SUBSCRIBER_EVENTS_MAX),
            behaviour,
        };
        service.create_existing(now);
        Ok(service)
    }

    /// Back to the start: the groups, streams and faults that were given there, an empty account.
    pub(super) fn reset(&mut self, now: Duration) {
        self.groups = Groups::default();
        self.account = Account::new(self.account.keep());
        if let Ok(faults) = Faults::new(self.behaviour.faults.clone(), now) {
            self.faults = faults;
        }
        self.create_existing(now);
    }

    /// Puts another plan in place of the present one.
    ///
    /// # Errors
    ///
    /// When the plan has a number out of its range; the present one stays then.
    pub(super) fn set_faults(
        &mut self,
        plan: FaultPlan,
        now: Duration,
    ) -> Result<(), FaultPlanError> {
        self.faults = Faults::new(plan, now)?;
        Ok(())
    }

    /// The plan that is in force.
    pub(super) fn faults(&self) -> &FaultPlan {
        self.faults.plan()
    }

    /// What was received so far.
    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// Watches accepted events from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Accepted> {
        self.watchers.subscribe()
    }

    /// The account with the groups that exist and the faults that happened.
    pub(super) fn summary(&self) -> AccountSummary {
        let groups = self.groups.iter().map(|(name, group)| GroupSummary {
            group: name.to_owned(),
            class: group.class.clone(),
            retention_days: group.retention_days,
            tags: group.tags.clone(),
            streams: group.streams.keys().cloned().collect(),
        });
        AccountSummary {
            groups: groups.collect(),
            faults: self.faults.happened().clone(),
            ..self.account.summary()
        }
    }

    /// Answers a request that broke a rule.
    pub(super) fn refuse(
        &mut self,
        name: Option<OperationName>,
        refusal: &Refusal,
        wire_bytes: usize,
    ) -> Reply {
        self.account.count_bytes(wire_bytes, wire_bytes);
        self.account.count_violation(refusal);
        if let Some(name) = name {
            self.account.count_outcome(name, refusal.error.name());
        }
        let response = self.response(Err(refusal.error.clone()));
        Reply::Answer { response, delay: Duration::ZERO }
    }

    fn create_existing(&mut self, now: Duration) {
        let now_ms = milliseconds(now);
        for (group, stream) in self.behaviour.existing.clone() {
            // A group is named once for each of its streams.
            let _ = self.groups.create_group(group.clone(), None, Default::default(), now_ms);
            let _ = self.groups.create_stream(&group, stream, 0, now_ms);
        }
    }

    fn carry_out(
        &mut self,
        name: OperationName,
        operation: Operation<'_>,
        context: Context<'_>,
    ) -> Reply {
        let decision = self.faults.decide(name, context.is_compressed, context.now);
        let context = Context { fate: Fate::from(decision), ..context };
        let result = match decision.fault {
            Some(Fault::NeverAnswer) => {
                self.account.count_outcome(name, "NeverAnswered");
                return Reply::NeverAnswer;
            }
            Some(Fault::ResetBefore) => {
                self.account.count_outcome(name, "Reset");
                return Reply::Reset;
            }
            Some(Fault::ResetAfter) => {
                let _ = self.perform(operation, context);
                self.account.count_outcome(name, "Reset");
                return Reply::Reset;
            }
            Some(Fault::NeverAnswerAfter) => {
                let _ = self.perform(operation, context);
                self.account.count_outcome(name, "NeverAnswered");
                return Reply::NeverAnswer;
            }
            Some(Fault::GroupVanishes) => {
                self.groups.remove_group(target(&operation).0);
                self.perform(operation, context)
            }
            Some(Fault::StreamVanishes) => {
                let (group, stream) = target(&operation);
                self.groups.remove_stream(group, stream);
                self.perform(operation, context)
            }
            Some(fault) => match injected(fault) {
                Some(error) => Err(error.into()),
                None => self.perform(operation, context),
            },
            None => self.perform(operation, context),
        };
        let result = result.map_err(|denied| self.count_denied(denied));
        self.account.count_outcome(name, result.as_ref().map_or_else(ServiceError::name, |_| "OK"));
        let mut response = self.response(result);
        if decision.omit_request_id {
            response.request_id = None;
        }
        Reply::Answer { response, delay: decision.delay }
    }

    fn count_denied(&mut self, denied: Denied) -> ServiceError {
        match denied {
            Denied::Error(error) => error,
            Denied::Refusal(refusal) => {
                self.account.count_violation(&refusal);
                refusal.error
            }
        }
    }

    fn perform(
        &mut self,
        operation: Operation<'_>,
        context: Context<'_>,
    ) -> Result<Vec<u8>, Denied> {
        let now_ms = milliseconds(context.now);
        match operation {
            Operation::CreateLogGroup { group, class, tags } => {
                self.groups.create_group(group, class, tags, now_ms)?;
                Ok(Vec::new())
            }
            Operation::CreateLogStream { group, stream } => {
                let earlier = self.account.kept(&group, &stream).map_or(0, <[_]>::len);
                self.groups.create_stream(&group, stream, earlier, now_ms)?;
                Ok(Vec::new())
            }
            Operation::PutRetentionPolicy { group, days } => {
                self.groups.group_mut(&group)?.retention_days = Some(days);
                Ok(Vec::new())
            }
            Operation::TagResource { group, tags } => {
                self.groups.group_mut(&group)?.tags.extend(tags);
                Ok(Vec::new())
            }
            Operation::DescribeLogGroups { prefix, page } => {
                Ok(json(&read::describe_groups(&self.groups, &prefix, &page, context.region)))
            }
            Operation::DescribeLogStreams { group, prefix, by_time, page } => {
                let found = (group.as_str(), self.groups.group(&group)?);
                Ok(json(&read::describe_streams(found, &prefix, by_time, &page, context.region)))
            }
            Operation::GetLogEvents(request) => {
                let earlier =
                    self.groups.group(&request.group)?.stream(&request.stream)?.earlier_events;
                let kept = self.account.kept(&request.group, &request.stream).unwrap_or_default();
                Ok(json(&read::get_events(kept.get(earlier..).unwrap_or_default(), &request)))
            }
            Operation::PutLogEvents { group, stream, batch } => {
                let put = Put {
                    group: &group,
                    stream: &stream,
                    logs_format: context.logs_format,
                    now_ms,
                    fate: context.fate,
                };
                let info = self.put(put, &batch.events)?;
                let next_sequence_token = format!("{:056}", self.ids);
                let info = (info != RejectedLogEventsInfo::default()).then_some(info);
                Ok(json(&PutLogEventsAnswer {
                    next_sequence_token,
                    rejected_log_events_info: info,
                }))
            }
        }
    }

    fn response(&mut self, result: Result<Vec<u8>, ServiceError>) -> Response {
        let (high, low) = (scramble(&mut self.ids), scramble(&mut self.ids));
        let digits = format!("{high:016x}{low:016x}");
        let mut request_id = String::with_capacity(36);
        for (position, digit) in digits.chars().enumerate() {
            if [8, 12, 16, 20].contains(&position) {
                request_id.push('-');
            }
            request_id.push(digit);
        }
        let (status, body) = match result {
            Ok(body) => (200, body),
            Err(error) => (error.status, error.body()),
        };
        Response { status, request_id: Some(request_id), body }
    }
}

#[cfg(test)]
mod tests;

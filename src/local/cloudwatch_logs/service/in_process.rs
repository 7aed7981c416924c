//! The service without sockets and signatures, for a simulation that calls it directly.
//!
//! What it decides is what the endpoint decides; what becomes of its answer is the caller's.

use std::time::Duration;

use tokio::sync::broadcast;

use super::super::{FaultPlan, Keep, OperationName};
use super::{Accepted, Behaviour, Context, Fate, Reply, Service, operation};

/// The service and what it accepts.
#[derive(Debug)]
pub(crate) struct InProcess {
    service: Service,
    accepted: broadcast::Receiver<Accepted>,
}

/// What the service does with a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It answers, after this delay.
    Answer { status: u16, body: Vec<u8>, has_request_id: bool, delay: Duration },
    /// It never answers.
    Never,
    /// The connection breaks.
    Reset,
}

impl InProcess {
    /// A service without groups, whose faults begin now.
    pub(crate) fn new(faults: FaultPlan, now: Duration) -> Self {
        let keep = Keep { events: false, bytes_max: 0, sequence: false };
        let behaviour = Behaviour { keep, faults, ..Behaviour::default() };
        let service = Service::new(behaviour, now).expect("a right plan of faults");
        Self { accepted: service.subscribe(), service }
    }

    /// Takes a request, and says what it accepted of its events.
    pub(crate) fn call(
        &mut self,
        name: OperationName,
        body: &[u8],
        now: Duration,
    ) -> (Outcome, Vec<Accepted>) {
        let reply = match operation::parse(name, body) {
            Ok(operation) => {
                let fate = Fate::default();
                let context = Context {
                    region: "eu-west-1",
                    logs_format: None,
                    is_compressed: false,
                    now,
                    fate,
                };
                self.service.carry_out(name, operation, context)
            }
            Err(refusal) => self.service.refuse(Some(name), &refusal, body.len()),
        };
        let mut accepted = Vec::new();
        loop {
            match self.accepted.try_recv() {
                Ok(event) => accepted.push(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => panic!("a smaller batch"),
                Err(_) => break,
            }
        }
        let outcome = match reply {
            Reply::Answer { response, delay } => Outcome::Answer {
                status: response.status,
                has_request_id: response.request_id.is_some(),
                body: response.body,
                delay,
            },
            Reply::NeverAnswer => Outcome::Never,
            Reply::Reset => Outcome::Reset,
        };
        (outcome, accepted)
    }

    /// Rules of the service that were broken, each with the answer to the first such request.
    pub(crate) fn violations(&self) -> Vec<String> {
        let summary = self.service.summary();
        summary.violations.values().map(|violation| violation.first.clone()).collect()
    }
}

//! Step 6, output: the async shell around [`dispatch`](super::dispatch), for every way to send a parcel.
//!
//! Must not know what is sent, nor where to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use super::deadline::{deadline, reserve, until};
use super::dispatch::{Dispatch, FailureKind, Parcel, Settings};
use crate::buffer::Buffer;
use crate::chunk::Chunk;
use crate::clock;
use crate::ledger::Shortage;
use crate::lifecycle::StopReceiver;
use crate::telemetry::OutputCounters;

/// How often a failing output looks whether it has to make room for others.
const ROOM_LOOK: Duration = Duration::from_millis(100);

/// Takes parcels to where they belong. Clones share their connections.
pub trait Courier: Clone + Send + 'static {
    /// What is sent.
    type Request: Send + 'static;

    /// Takes the records out of a chunk that must not be sent, and settles these. `None`: none is left.
    fn admit(&mut self, chunk: Chunk) -> Option<Chunk> {
        Some(chunk)
    }

    /// Makes of a parcel what is sent. A parcel that is sent again gives the same again.
    fn prepare(&mut self, parcel: &Parcel) -> Self::Request;

    /// Sends it, once.
    fn send(
        self,
        request: Self::Request,
    ) -> impl Future<Output = Result<Sent, Failure>> + Send + 'static;
}

/// A parcel arrived.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sent {
    /// Bytes that were sent, without what is around them on the wire.
    pub bytes: u64,
    /// Records of it that were refused for good, each for itself, and told of.
    pub refused: u64,
}

/// A parcel did not arrive, as far as is known.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// What follows from it.
    pub kind: FailureKind,
    /// What happened, where, and what can be done, for a log line.
    pub why: String,
}

/// What an output needs of its surroundings.
#[derive(Clone, Debug)]
pub struct Around {
    /// The counters of this output.
    pub counters: Arc<OutputCounters>,
}

/// A parcel and its answer; `None`: the time to stop was up before one came.
type Answer = (Parcel, Option<Result<Sent, Failure>>);

/// Sends until the buffer is closed and everything has its outcome, or until shortly before the
/// deadline of a stop.
pub async fn run<C: Courier>(
    mut courier: C,
    settings: Settings,
    around: Around,
    buffer: Arc<Buffer>,
    stop: StopReceiver,
) {
    let mut dispatch = Dispatch::new(settings, Arc::clone(&around.counters));
    let mut answers: JoinSet<Answer> = JoinSet::new();
    let (mut is_open, mut is_last) = (true, false);
    while is_open || !dispatch.is_empty() {
        dispatch.crowded(buffer.is_crowded());
        make_room(&mut dispatch, &buffer);
        send_due(&mut courier, &mut dispatch, &mut answers, (&stop, reserve(&buffer)));
        tokio::select! {
            biased;
            Some(answer) = answers.join_next() => {
                answered(&mut dispatch, answer, &buffer.needs_room());
            }
            chunk = buffer.pop(), if is_open => match chunk {
                Some(chunk) => {
                    let next = std::iter::from_fn(|| buffer.try_pop());
                    for chunk in std::iter::once(chunk).chain(next) {
                        courier.admit(chunk).into_iter().for_each(|chunk| dispatch.push(chunk));
                    }
                }
                None => is_open = false,
            },
            () = buffer.closed(), if !is_last => {
                is_last = true;
                dispatch.stop(clock::now());
            }
            () = until(wake_at(&dispatch)) => {}
            () = deadline(stop.clone(), reserve(&buffer)) => break,
        }
    }
    while let Some(answer) = answers.join_next().await {
        answered(&mut dispatch, answer, &buffer.needs_room());
    }
    buffer.leave(dispatch.abandon()).await;
}

/// When there is something to do if nothing comes.
fn wake_at(dispatch: &Dispatch) -> Option<Instant> {
    let now = clock::now();
    let look = match dispatch.may_give_up(now) {
        true => now.checked_add(ROOM_LOOK),
        false => dispatch.stalls_at().filter(|at| *at > now),
    };
    [dispatch.wake_at(), look].into_iter().flatten().min()
}

fn make_room(dispatch: &mut Dispatch, buffer: &Buffer) {
    while dispatch.make_room(&buffer.needs_room(), clock::now()) {}
}

fn send_due<C: Courier>(
    courier: &mut C,
    dispatch: &mut Dispatch,
    answers: &mut JoinSet<Answer>,
    (stop, reserve): (&StopReceiver, Duration),
) {
    while let Some(parcel) = dispatch.next_parcel(clock::now()) {
        let request = courier.prepare(&parcel);
        let (courier, stop) = (courier.clone(), stop.clone());
        answers.spawn(async move {
            // A task of its own: a defect in there must cost an attempt, not the records.
            let mut attempt = AbortOnDrop(tokio::spawn(courier.send(request)));
            let answer = tokio::select! {
                answer = &mut attempt.0 => Some(answer.unwrap_or_else(|error| Err(panicked(&error)))),
                () = deadline(stop, reserve) => None,
            };
            (parcel, answer)
        });
    }
}

fn answered(dispatch: &mut Dispatch, answer: Result<Answer, JoinError>, shortage: &Shortage) {
    let now = clock::now();
    match answer {
        Ok((mut parcel, Some(Ok(sent)))) => {
            parcel.refused(sent.refused);
            dispatch.delivered(parcel, sent.bytes, now);
        }
        Ok((parcel, Some(Err(Failure { kind, why })))) => {
            let needs_room = shortage.is_eased_by(parcel.input);
            dispatch.failed(parcel, (kind, &why), needs_room, now);
        }
        Ok((parcel, None)) => dispatch.abandon_parcel(parcel),
        Err(error) => {
            tracing::error!("a request's task ended early, its records are lost: {error}")
        }
    }
}

fn panicked(error: &JoinError) -> Failure {
    let kind = FailureKind::Again { after: None, is_ambiguous: true };
    Failure { kind, why: format!("sending failed by a defect: {error}") }
}

/// Ends the task when nobody waits for it any more.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! A CloudWatch Logs that is played: what it takes is decided by the strict one of `local`; here is
//! what happens to requests and answers on their way.

use std::time::Duration;

use fastrand::Rng;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::books::{Books, Ending, Kind, Shared};
use super::check::check;
use super::scenario::{Dead, ms};
use super::told::{Marker, is_marker, markers};
use crate::ledger::Reason;
use crate::local::cloudwatch_logs::OperationName;
use crate::local::cloudwatch_logs::in_process::Outcome;
use crate::output::cloudwatch_logs::sender::simulated::{Asked, Operation};
use crate::output::cloudwatch_logs::sender::{Put, Rejected, SendError, codes};

/// How long the service asks to wait at most.
const TOLD_WAIT_MS_MAX: u64 = 3_000;
/// How much later than its client's patience a late request is taken.
const LATE_MS_MAX: u64 = 20_000;

/// What happens to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    /// It comes to the service and its answer comes back.
    Answered,
    /// No connection can be made.
    Refused,
    /// Not taken, no answer.
    Swallowed,
    /// Taken, no answer.
    Unanswered,
    /// Taken when nobody waits for the answer any more.
    Late,
    /// A gateway answers; whether it is taken.
    Gateway(bool),
    /// Refused for the clock of this host.
    Clock,
    /// Throttled, with a time to wait.
    Told,
    /// Refused for the rights of this host.
    Denied,
}

/// A request as it was read.
#[derive(Debug)]
struct Request {
    output: usize,
    name: OperationName,
    body: Vec<u8>,
    stream: String,
    /// The lines of a `PutLogEvents`, in its order.
    lines: Vec<usize>,
    /// Its events, in their order.
    events: Vec<Event>,
}

/// An event of a request.
#[derive(Clone, Copy, Debug)]
enum Event {
    Line(usize),
    Marker(Marker),
}

/// Answers the calls of one output for as long as there is one.
pub(super) async fn serve(books: Shared, output: usize, mut calls: mpsc::Receiver<Asked>) {
    let seed = books.lock().scenario.service.seed ^ output as u64;
    let mut chance = Rng::with_seed(seed);
    let mut number = 0;
    while let Some(asked) = calls.recv().await {
        let request = Request::read(output, &asked.operation);
        let (fate, before, after) = {
            let mut books = books.lock();
            if request.name == OperationName::PutLogEvents {
                books.ask(output, &request.stream, &request.lines, asked.waits.clone());
                number += 1;
            }
            let drawn = draw(&books, &request, number, &mut chance);
            books.trace.say(format_args!(
                "output {output}: {:?} {} {:?}: {:?}",
                request.name, request.stream, request.lines, drawn.0
            ));
            check(&mut books);
            drawn
        };
        let seed = chance.u64(..);
        tokio::spawn(handle(books.clone(), request, asked, (fate, before, after), seed));
    }
}

fn draw(
    books: &Books,
    request: &Request,
    number: u64,
    chance: &mut Rng,
) -> (Fate, Duration, Duration) {
    let (plan, now) = (&books.scenario.service, books.now());
    // Drawn always, so that the next request meets the same chance whatever the time.
    let latency_ms_max = plan.latency_ms_max;
    let mut latency = || ms(chance.u64(..=latency_ms_max));
    let (before, after) = (latency(), latency());
    let mut meets = |share: f64| chance.f64() < share;
    let shares = plan.shares;
    let fates = [
        (meets(shares.swallowed), Fate::Swallowed),
        (meets(shares.taken_unanswered), Fate::Unanswered),
        (meets(shares.late), Fate::Late),
        (meets(shares.gateway), Fate::Gateway(meets(0.5))),
        (meets(shares.clock), Fate::Clock),
        (meets(shares.told_to_wait), Fate::Told),
    ];
    let is_put = request.name == OperationName::PutLogEvents;
    let within = |from, until| (from..until).contains(&now);
    let is_denied = plan
        .denied
        .is_some_and(|(output, from, until)| output == request.output && within(from, until));
    let fate = match plan.dead {
        Some((from, until, Dead::Refusing)) if within(from, until) => Fate::Refused,
        Some((from, until, Dead::Swallowing)) if within(from, until) => Fate::Swallowed,
        _ if is_denied => Fate::Denied,
        _ if now >= plan.until => Fate::Answered,
        _ if is_put && plan.unanswered == Some(number) => Fate::Swallowed,
        _ => fates.iter().find(|(met, _)| *met).map_or(Fate::Answered, |(_, fate)| *fate),
    };
    (fate, before, after)
}

async fn handle(
    books: Shared,
    request: Request,
    mut asked: Asked,
    (fate, before, after): (Fate, Duration, Duration),
    seed: u64,
) {
    let mut chance = Rng::with_seed(seed);
    sleep(before).await;
    let refused = match fate {
        Fate::Answered => None,
        Fate::Refused => Some(SendError::broken(codes::CONNECT, false)),
        Fate::Swallowed => return asked.answer.closed().await,
        Fate::Unanswered => {
            carry_out(&books, &request);
            return asked.answer.closed().await;
        }
        Fate::Late => {
            asked.answer.closed().await;
            sleep(ms(chance.u64(..LATE_MS_MAX))).await;
            carry_out(&books, &request);
            return;
        }
        Fate::Gateway(is_taken) => {
            if is_taken {
                carry_out(&books, &request);
            }
            Some(SendError::answered("", "", 502))
        }
        Fate::Clock => {
            Some(SendError::answered("InvalidSignatureException", "Signature expired: x", 400))
        }
        Fate::Told => {
            let error = SendError::answered("ThrottlingException", "Rate exceeded", 400);
            let retry_after = Some(ms(chance.u64(..TOLD_WAIT_MS_MAX)));
            Some(SendError { retry_after, ..error })
        }
        Fate::Denied => Some(SendError::answered("AccessDeniedException", "no", 400)),
    };
    if let Some(refused) = refused {
        sleep(after).await;
        let _ = asked.answer.send(Err(refused));
        return;
    }
    let Some((delay, answer)) = carry_out(&books, &request) else {
        return asked.answer.closed().await;
    };
    sleep(delay + after).await;
    let told = answer.clone();
    let mut books = books.lock();
    match answer {
        // The connection breaks.
        None => drop(asked.answer),
        Some(answer) => {
            let is_heard = asked.answer.send(answer).is_ok();
            if is_heard && request.name == OperationName::PutLogEvents {
                book(&mut books, &request, told.as_ref());
            }
        }
    }
    books.trace.say(format_args!("output {}: answer {:?}", request.output, told));
    check(&mut books);
}

/// An answer, or a connection that breaks; `None`: it is never given.
type Answer = Option<Result<Put, SendError>>;

/// The service does what is asked.
fn carry_out(books: &Shared, request: &Request) -> Option<(Duration, Answer)> {
    let mut books = books.lock();
    let refused = |line: &&usize| books.lines[**line].kind == Kind::Refused;
    if request.lines.iter().find(refused).is_some() {
        let error = SendError::answered("InvalidParameterException", "odd", 400);
        return Some((Duration::ZERO, Some(Err(error))));
    }
    let now = books.unix_now();
    let (outcome, accepted) = books.service.call(request.name, &request.body, now);
    let line = |text: &str| numbers(text.as_bytes()).next().expect("a line has a number").1;
    let lines = accepted.iter().filter(|event| !is_marker(&event.message));
    let events: Vec<_> = lines.map(|event| (event.timestamp, line(&event.message))).collect();
    books.take(request.output, &request.stream, &events);
    books.trace.say(format_args!(
        "output {}: took {:?}: {outcome:?}",
        request.output,
        events.len()
    ));
    check(&mut books);
    match outcome {
        Outcome::Never => None,
        Outcome::Reset => Some((Duration::ZERO, None)),
        Outcome::Answer { has_request_id: false, delay, .. } => {
            Some((delay, Some(Err(SendError::unnamed()))))
        }
        Outcome::Answer { status, body, delay, .. } => Some((delay, Some(read(status, &body)))),
    }
}

/// The books of what an answer says of its lines.
fn book(books: &mut Books, request: &Request, answer: Option<&Result<Put, SendError>>) {
    match answer {
        Some(Ok(put)) => {
            let counts = put.rejected.counts(request.events.len());
            let last = request.events.len() - counts.too_new;
            for (at, event) in request.events.iter().enumerate() {
                let end = match at {
                    at if at < counts.too_old => Ending::Dropped(Reason::TooOld),
                    at if at >= last => Ending::Dropped(Reason::TooNew),
                    _ => Ending::Delivered,
                };
                match event {
                    Event::Line(line) => books.end(request.output, *line, end),
                    Event::Marker(marker) if end == Ending::Delivered => {
                        let told = &mut books.outputs[request.output].told;
                        *told.entry(marker.reason.as_str()).or_default() += marker.records;
                    }
                    Event::Marker(_) => {}
                }
            }
        }
        Some(Err(error)) if error.code == "InvalidParameterException" => {
            if let [Event::Line(line)] = request.events.as_slice() {
                books.end(request.output, *line, Ending::Dropped(Reason::Refused));
            }
        }
        Some(Err(_)) | None => {}
    }
}

/// An answer as it is on the wire.
fn read(status: u16, body: &[u8]) -> Result<Put, SendError> {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    if status != 200 {
        let text = |name: &str| json.get(name).and_then(|text| text.as_str()).unwrap_or_default();
        let code = text("__type").rsplit('#').next().unwrap_or_default().to_owned();
        return Err(SendError::answered(&code, text("message"), status));
    }
    let info = json.get("rejectedLogEventsInfo");
    let index = |name: &str| {
        info.and_then(|info| info.get(name)?.as_u64()).and_then(|index| u32::try_from(index).ok())
    };
    let rejected = Rejected {
        too_old_end: index("tooOldLogEventEndIndex"),
        expired_end: index("expiredLogEventEndIndex"),
        too_new_start: index("tooNewLogEventStartIndex"),
    };
    Ok(Put { rejected, is_entity_rejected: false })
}

impl Request {
    fn read(output: usize, operation: &Operation) -> Self {
        use serde_json::json;
        let (name, stream, body) = match operation {
            Operation::Put(body) => {
                let name = field(body, b"\"logStreamName\":\"");
                (OperationName::PutLogEvents, name, body.to_vec())
            }
            Operation::CreateStream { group, stream } => {
                let body = json!({"logGroupName": group, "logStreamName": stream});
                (OperationName::CreateLogStream, stream.clone(), body.to_string().into_bytes())
            }
            Operation::CreateGroup { group } => {
                let body = json!({"logGroupName": group}).to_string();
                (OperationName::CreateLogGroup, String::new(), body.into_bytes())
            }
            Operation::PutRetention { group } => {
                let body = json!({"logGroupName": group, "retentionInDays": 1}).to_string();
                (OperationName::PutRetentionPolicy, String::new(), body.into_bytes())
            }
        };
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        if name == OperationName::PutLogEvents {
            lines = numbers(&body).map(|(_, line)| line).collect();
            let of_lines = numbers(&body).map(|(at, line)| (at, Event::Line(line)));
            let of_markers = markers(&body).map(|(at, marker)| (at, Event::Marker(marker)));
            let mut placed: Vec<_> = of_lines.chain(of_markers).collect();
            placed.sort_unstable_by_key(|(at, _)| *at);
            events = placed.into_iter().map(|(_, event)| event).collect();
        }
        Self { output, name, body, stream, lines, events }
    }
}

/// A text of the body, which has no quotes in it.
fn field(body: &[u8], name: &[u8]) -> String {
    let at = memchr::memmem::find(body, name).expect("a member of the request") + name.len();
    let text = body[at..].split(|byte| *byte == b'"').next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

/// The numbers of the lines in a text, in their order, and where they stand.
fn numbers(text: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    memchr::memmem::find_iter(text, NUMBER).map(|at| {
        let digits = text[at + NUMBER.len()..].iter().take_while(|byte| byte.is_ascii_digit());
        (at, digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
    })
}

/// What stands before the number of a line.
pub(super) const NUMBER: &[u8] = b"id=";

//! Markers, as whoever reads a stream finds them: what they say of records that did not arrive.

use super::books::Books;
use super::scenario::StreamRule;
use crate::ledger::Reason;
use crate::option::RetryLimit;

/// What a marker in a request begins with.
const MARKER: &[u8] = b"{\\\"firelane\\\":";
/// The same where it was read.
const MARKER_READ: &str = "{\"firelane\":";
/// Reasons that are told of.
const TOLD: [Reason; 5] =
    [Reason::TooOld, Reason::TooNew, Reason::Expired, Reason::Refused, Reason::RetriesExhausted];

/// A marker of records that were dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Marker {
    pub(super) reason: Reason,
    pub(super) records: u64,
}

/// Whether a message that was accepted is a marker.
pub(super) fn is_marker(message: &str) -> bool {
    message.starts_with(MARKER_READ)
}

/// The markers of a request, and where they stand.
pub(super) fn markers(body: &[u8]) -> impl Iterator<Item = (usize, Marker)> + '_ {
    memchr::memmem::find_iter(body, MARKER).map(|at| (at, Marker::read(&body[at..])))
}

impl Marker {
    fn read(text: &[u8]) -> Self {
        let reason = after(text, b"\\\"reason\\\":\\\"");
        let reason = reason.split(|byte| *byte == b'\\').next().unwrap_or_default();
        let reason = Reason::ALL.into_iter().find(|one| one.as_str().as_bytes() == reason);
        let digits =
            after(text, b"\\\"records\\\":").iter().take_while(|byte| byte.is_ascii_digit());
        Self {
            reason: reason.expect("nothing else happens to records here"),
            records: digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')),
        }
    }
}

fn after<'a>(text: &'a [u8], name: &[u8]) -> &'a [u8] {
    let at = memchr::memmem::find(text, name).expect("a marker has it");
    &text[at + name.len()..]
}

/// Markers tell of no more than was dropped; `is_all`: and of all of it.
pub(super) fn mistold(books: &Books, is_all: bool) -> Option<String> {
    let outputs = books.telemetry.outputs.iter().zip(&books.outputs).zip(&books.scenario.outputs);
    outputs.filter(|(_, plan)| plan.has_markers).find_map(|((output, book), plan)| {
        // Of several streams, markers of those that failed last find no place at the end.
        let is_all = is_all && matches!(plan.stream, StreamRule::Fixed);
        let balance = output.account.balance();
        TOLD.into_iter().find_map(|reason| {
            let dropped = balance.dropped_for(reason);
            let told = book.told.get(reason.as_str()).copied().unwrap_or_default();
            let is_wrong = told > dropped || (is_all && told < dropped);
            let name = reason.as_str();
            is_wrong.then(|| format!("{}: {dropped} dropped as {name}, {told} told", output.name))
        })
    })
}

/// Whether everything must have been told of when the router ended: nothing went wrong any more when
/// it was asked to stop, there was time, and its clock was right: the service refuses markers of
/// another day.
pub(super) fn must_all_be_told(books: &Books, is_forced: bool) -> bool {
    let scenario = &books.scenario;
    let was_well = books.stopped_at.is_some_and(|at| at >= scenario.service.until);
    // A marker that fails from then on is not tried again.
    let was_well = was_well && !books.was_asking_at_stop;
    let gives_up = scenario.retry_limit == RetryLimit::NoRetries;
    was_well && scenario.jumps.is_empty() && !is_forced && !gives_up
}

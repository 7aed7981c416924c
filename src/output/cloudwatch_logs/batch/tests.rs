//! The builder against the service's limits, and against a model.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const DAY_MS: i64 = BATCH_SPAN_MS_MAX;

fn builder() -> BatchBuilder {
    builder_of(BATCH_EVENTS_MAX)
}

fn builder_of(events_max: usize) -> BatchBuilder {
    BatchBuilder::new(&Target::new("g", "s"), events_max, 0)
}

/// Pushes a message of so many bytes, all `x`.
fn push(builder: &mut BatchBuilder, at: i64, bytes: usize) -> Result<(), NotAdded<()>> {
    builder.push(at, 1, |body| {
        body.extend(std::iter::repeat_n(b'x', bytes));
        Ok(bytes)
    })
}

fn events(builder: BatchBuilder) -> Vec<(i64, String)> {
    let sealed = builder.seal().expect("events");
    let body: Value = serde_json::from_slice(&sealed.body).expect("the body is JSON");
    let event = |event: &Value| {
        let message = event["message"].as_str().expect("text").to_owned();
        (event["timestamp"].as_i64().expect("number"), message)
    };
    body["logEvents"].as_array().expect("list").iter().map(event).collect()
}

#[test]
fn a_batch_takes_exactly_its_bytes_and_leaves_the_next_event_out() {
    let half = BATCH_BYTES_MAX / 2 - EVENT_OVERHEAD_BYTES;
    let mut full = builder();
    assert_eq!((push(&mut full, 0, half), push(&mut full, 0, half)), (Ok(()), Ok(())));
    assert_eq!(push(&mut full, 0, 1), Err(NotAdded::Full(Limit::Bytes)));
    assert_eq!(events(full).len(), 2, "the body is whole without it");
}

#[test]
fn a_message_that_fills_a_batch_alone_is_the_longest() {
    assert_eq!(push(&mut builder(), 0, MESSAGE_BYTES_MAX), Ok(()));
    let bytes = MESSAGE_BYTES_MAX + 1;
    assert_eq!(push(&mut builder(), 0, bytes), Err(NotAdded::TooLong { bytes }));
}

#[test]
fn a_batch_takes_10_000_events() {
    let mut full = builder();
    (0..BATCH_EVENTS_MAX).for_each(|_| push(&mut full, 0, 1).expect("within the limit"));
    assert_eq!(push(&mut full, 0, 1), Err(NotAdded::Full(Limit::Events)));
}

#[test]
fn a_batch_made_for_fewer_events_takes_no_more() {
    let mut full = builder_of(1);
    push(&mut full, 0, 1).expect("the first");
    assert_eq!(push(&mut full, 0, 1), Err(NotAdded::Full(Limit::Events)));
}

#[test]
fn a_batch_spans_24_hours_whichever_end_comes_first() {
    for (first, last, beyond) in [(DAY_MS, 2 * DAY_MS, 2 * DAY_MS + 1), (2 * DAY_MS, DAY_MS, 0)] {
        let mut full = builder();
        assert_eq!((push(&mut full, first, 1), push(&mut full, last, 1)), (Ok(()), Ok(())));
        assert_eq!(push(&mut full, beyond, 1), Err(NotAdded::Full(Limit::Span)));
    }
}

#[test]
fn events_leave_oldest_first_and_by_arrival_within_a_millisecond() {
    let mut mixed = builder();
    for (at, bytes) in [(5, 1), (3, 2), (5, 3), (3, 4)] {
        push(&mut mixed, at, bytes).expect("fits");
    }
    let order: Vec<_> = events(mixed).into_iter().map(|(at, text)| (at, text.len())).collect();
    assert_eq!(order, [(3, 2), (3, 4), (5, 1), (5, 3)]);
}

#[test]
fn records_follow_their_events_when_these_are_sorted() {
    let mut mixed = builder();
    for (at, records) in [(9, 1), (1, 0)] {
        mixed
            .push::<()>(at, records, |body| {
                body.push(b'x');
                Ok(1)
            })
            .expect("fits");
    }
    assert_eq!(mixed.seal().expect("events").records, [0, 1]);
}

#[test]
fn an_event_that_cannot_be_written_leaves_no_trace() {
    let mut clean = builder();
    let unwritten = clean.push(7, 1, |body| {
        body.extend_from_slice(b"half");
        Err("no")
    });
    assert_eq!(unwritten, Err(NotAdded::Unwritten("no")));
    push(&mut clean, 8, 1).expect("fits");
    assert_eq!(events(clean), [(8, "x".to_owned())]);
}

#[test]
fn a_body_is_cut_where_escapes_make_it_too_long_but_never_a_single_event() {
    let mut batch = builder();
    let escaped = |body: &mut Vec<u8>, bytes: usize| {
        body.resize(body.len() + 6 * bytes, b'x');
        Ok::<_, ()>(bytes)
    };
    let third = BODY_BYTES_MAX / 18;
    let added = (0..5).take_while(|_| batch.push(7, 1, |body| escaped(body, third)).is_ok());
    assert_eq!(added.count(), 2, "the third has no room for what is around it");
    let beyond = batch.push(7, 1, |body| escaped(body, third));
    assert_eq!(beyond, Err(NotAdded::Full(Limit::Body)));
    assert!(batch.seal().expect("events").body.len() <= BODY_BYTES_MAX);
    assert_eq!(builder().push(7, 1, |body| escaped(body, 500_000)), Ok(()));
}

#[test]
fn a_time_before_1970_is_sent_as_1970() {
    let mut old = builder();
    push(&mut old, i64::MIN, 1).expect("fits");
    assert_eq!(events(old), [(0, "x".to_owned())]);
}

#[test]
fn names_are_escaped_in_the_body() {
    let target = Target::new("g", "quo\"te");
    let mut named = BatchBuilder::new(&target, 1, 0);
    push(&mut named, 0, 1).expect("fits");
    let sealed = named.seal().expect("events");
    let body: Value = serde_json::from_slice(&sealed.body).expect("JSON");
    assert_eq!(body["logStreamName"], "quo\"te");
}

proptest! {
    /// A model: whatever is offered, each event is either in the batch or refused for a limit that
    /// the naive sum confirms, and the batch holds its limits.
    #[test]
    fn a_batch_holds_every_limit_and_takes_what_fits(
        offers in proptest::collection::vec((0..3 * DAY_MS, 0..400_000_usize), 0..40),
        events_max in 1..20_usize,
    ) {
        let mut real = builder_of(events_max);
        let mut model: Vec<(i64, usize)> = Vec::new();
        for (at, bytes) in offers {
            let with = || model.iter().copied().chain([(at, bytes)]);
            let sum: usize = with().map(|(_, bytes)| bytes + EVENT_OVERHEAD_BYTES).sum();
            let span = with().map(|(at, _)| at).max().unwrap_or(0)
                - with().map(|(at, _)| at).min().unwrap_or(0);
            let expected = if model.len() == events_max {
                Err(NotAdded::Full(Limit::Events))
            } else if span > DAY_MS {
                Err(NotAdded::Full(Limit::Span))
            } else if sum > BATCH_BYTES_MAX {
                Err(NotAdded::Full(Limit::Bytes))
            } else {
                Ok(())
            };
            prop_assert_eq!(push(&mut real, at, bytes), expected);
            if expected.is_ok() {
                model.push((at, bytes));
            }
        }
        model.sort_by_key(|(at, _)| *at);
        if !model.is_empty() {
            let sent: Vec<_> = events(real).into_iter().map(|(at, text)| (at, text.len())).collect();
            prop_assert_eq!(sent, model);
        }
    }
}

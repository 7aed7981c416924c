//! The reading operations: what exists, and the events back. Must not know how events came in.

use serde_json::{Value, json};

use super::account::KeptEvent;
use super::operation::{GetLogEvents, Page, ReadFrom};
use super::state::{Group, Groups, Stream};

/// Most bytes of messages in an answer of `GetLogEvents`, unless one event alone has more: 1 MiB.
const ANSWER_BYTES_MAX: usize = 1_048_576;
/// The account number in every ARN.
const ACCOUNT_ID: &str = "123456789012";

/// The answer to `DescribeLogGroups`.
pub(super) fn describe_groups(groups: &Groups, prefix: &str, page: &Page, region: &str) -> Value {
    let found: Vec<Value> = groups
        .iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, group)| describe_group(name, group, region))
        .collect();
    paged("logGroups", found, page)
}

/// The answer to `DescribeLogStreams`.
pub(super) fn describe_streams(
    group: (&str, &Group),
    prefix: &str,
    by_time: bool,
    page: &Page,
    region: &str,
) -> Value {
    let (group_name, group) = group;
    let mut found: Vec<(&String, &Stream)> =
        group.streams.iter().filter(|(name, _)| name.starts_with(prefix)).collect();
    if by_time {
        found.sort_by_key(|(_, stream)| stream.last_event_ms);
    }
    let arn = group_arn(group_name, region);
    let found = found.into_iter().map(|(name, stream)| describe_stream(name, stream, &arn));
    paged("logStreams", found.collect(), page)
}

/// The answer to `GetLogEvents`; `events` are in order of acceptance.
pub(super) fn get_events(events: &[KeptEvent], request: &GetLogEvents) -> Value {
    let asked = |event: &&KeptEvent| (request.start..request.end).contains(&event.timestamp);
    let mut found: Vec<&KeptEvent> = events.iter().filter(asked).collect();
    found.sort_by_key(|event| event.timestamp);
    let (start, end) = match request.from {
        ReadFrom::Head => (0, forward(&found, 0, request.limit)),
        ReadFrom::Forward(from) => {
            let from = from.min(found.len());
            (from, forward(&found, from, request.limit))
        }
        ReadFrom::Tail => (backward(&found, found.len(), request.limit), found.len()),
        ReadFrom::Backward(to) => {
            let to = to.min(found.len());
            (backward(&found, to, request.limit), to)
        }
    };
    let events: Vec<Value> = found
        .get(start..end)
        .unwrap_or_default()
        .iter()
        .map(|event| {
            json!({
                "timestamp": event.timestamp,
                "message": event.message,
                "ingestionTime": event.ingested_ms,
            })
        })
        .collect();
    json!({
        "events": events,
        "nextForwardToken": format!("f/{end}"),
        "nextBackwardToken": format!("b/{start}"),
    })
}

fn forward(events: &[&KeptEvent], from: usize, limit: usize) -> usize {
    from + fitting(events.iter().skip(from), limit)
}

fn backward(events: &[&KeptEvent], to: usize, limit: usize) -> usize {
    to - fitting(events.iter().take(to).rev(), limit)
}

/// How many of the first `events` an answer holds.
fn fitting<'a>(events: impl Iterator<Item = &'a &'a KeptEvent>, limit: usize) -> usize {
    let mut bytes = 0;
    let fits = |(position, event): &(usize, &&KeptEvent)| {
        bytes += event.message.len();
        *position == 0 || bytes <= ANSWER_BYTES_MAX
    };
    events.take(limit).enumerate().take_while(fits).count()
}

fn describe_group(name: &str, group: &Group, region: &str) -> Value {
    let arn = group_arn(name, region);
    let mut described = json!({
        "logGroupName": name,
        "creationTime": group.created_ms,
        "metricFilterCount": 0,
        "arn": format!("{arn}:*"),
        "storedBytes": 0,
        "logGroupClass": group.class,
        "logGroupArn": arn,
    });
    if let (Some(days), Some(members)) = (group.retention_days, described.as_object_mut()) {
        members.insert("retentionInDays".to_owned(), days.into());
    }
    described
}

fn describe_stream(name: &str, stream: &Stream, group_arn: &str) -> Value {
    let mut described = json!({
        "logStreamName": name,
        "creationTime": stream.created_ms,
        "arn": format!("{group_arn}:log-stream:{name}"),
        "storedBytes": 0,
    });
    let times = [
        ("firstEventTimestamp", stream.first_event_ms),
        ("lastEventTimestamp", stream.last_event_ms),
        ("lastIngestionTime", stream.last_ingestion_ms),
    ];
    if let Some(members) = described.as_object_mut() {
        for (member, time) in times {
            if let Some(time) = time {
                members.insert(member.to_owned(), time.into());
            }
        }
    }
    described
}

fn group_arn(name: &str, region: &str) -> String {
    format!("arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{name}")
}

fn paged(member: &str, mut found: Vec<Value>, page: &Page) -> Value {
    if page.descending {
        found.reverse();
    }
    let end = page.skip.saturating_add(page.limit);
    let more = found.len() > end;
    let found: Vec<Value> = found.into_iter().skip(page.skip).take(page.limit).collect();
    if more {
        json!({ member: found, "nextToken": end.to_string() })
    } else {
        json!({ member: found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(from: ReadFrom, limit: usize) -> GetLogEvents {
        let (group, stream) = ("g".to_owned(), "s".to_owned());
        GetLogEvents { group, stream, start: 0, end: i64::MAX, limit, from }
    }

    fn kept(timestamps: &[i64], bytes: usize) -> Vec<KeptEvent> {
        let message: Box<str> = "x".repeat(bytes).into();
        let event =
            |at: &i64| KeptEvent { timestamp: *at, ingested_ms: 0, message: message.clone() };
        timestamps.iter().map(event).collect()
    }

    fn times(answer: &Value) -> Vec<i64> {
        let events = answer["events"].as_array().unwrap();
        events.iter().map(|event| event["timestamp"].as_i64().unwrap()).collect()
    }

    #[test]
    fn events_are_read_in_order_of_time_and_page_by_page() {
        let events = kept(&[3, 1, 2], 1);
        let head = get_events(&events, &request(ReadFrom::Head, 2));
        assert_eq!((times(&head), &head["nextForwardToken"]), (vec![1, 2], &json!("f/2")));
        let next = get_events(&events, &request(ReadFrom::Forward(2), 2));
        assert_eq!((times(&next), &next["nextForwardToken"]), (vec![3], &json!("f/3")));
        let end = get_events(&events, &request(ReadFrom::Forward(3), 2));
        assert_eq!((times(&end), &end["nextForwardToken"]), (vec![], &json!("f/3")));
        let tail = get_events(&events, &request(ReadFrom::Tail, 2));
        assert_eq!((times(&tail), &tail["nextBackwardToken"]), (vec![2, 3], &json!("b/1")));
        let before = get_events(&events, &request(ReadFrom::Backward(1), 2));
        assert_eq!(times(&before), [1]);
    }

    #[test]
    fn an_answer_has_at_most_a_mebibyte_but_one_event_at_least() {
        let half = kept(&[1, 2, 3], ANSWER_BYTES_MAX / 2);
        assert_eq!(times(&get_events(&half, &request(ReadFrom::Head, 10))), [1, 2]);
        assert_eq!(times(&get_events(&half, &request(ReadFrom::Tail, 10))), [2, 3]);
        let large = kept(&[1, 2], ANSWER_BYTES_MAX + 1);
        assert_eq!(times(&get_events(&large, &request(ReadFrom::Head, 10))), [1]);
    }

    #[test]
    fn start_is_inclusive_and_end_exclusive() {
        let request = GetLogEvents { start: 2, end: 4, ..request(ReadFrom::Head, 10) };
        assert_eq!(times(&get_events(&kept(&[1, 2, 3, 4], 1), &request)), [2, 3]);
    }

    #[test]
    fn a_list_is_paged() {
        let page = |skip| Page { limit: 2, skip, descending: true };
        let list = |skip| paged("x", vec![json!(1), json!(2), json!(3)], &page(skip));
        assert_eq!(list(0), json!({"x": [3, 2], "nextToken": "2"}));
        assert_eq!(list(2), json!({"x": [1]}));
    }
}

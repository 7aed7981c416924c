//! The operations of the service that this endpoint knows: their names, and their bodies read and
//! checked against the service's model. Must not know what exists: that is `state`'s.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::events::{Batch, InputLogEvents, Text};
use super::limits::{
    check_class, check_group_name, check_new_group_name, check_retention, check_stream_name,
    check_tags, constraint, missing,
};
use super::response::ServiceError;
use super::unique::{DUPLICATE, Unique, UniqueTexts};
use super::violation::{Refusal, Violation};

/// What the header `x-amz-target` starts with.
const TARGET_PREFIX: &str = "Logs_20140328.";
/// Most groups or streams in one answer of a Describe operation.
pub(super) const DESCRIBE_LIMIT_MAX: usize = 50;
/// Most events in one answer of `GetLogEvents`.
pub(super) const GET_EVENTS_MAX: usize = 10_000;

/// An operation by its name in the service's API.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum OperationName {
    /// Creates a log group.
    CreateLogGroup,
    /// Creates a log stream.
    CreateLogStream,
    /// Lists log groups.
    DescribeLogGroups,
    /// Lists the streams of a group.
    DescribeLogStreams,
    /// Reads events back.
    GetLogEvents,
    /// Takes events.
    PutLogEvents,
    /// Sets how long a group keeps its events.
    PutRetentionPolicy,
    /// Tags a log group.
    TagResource,
}

impl OperationName {
    /// The operation that a header `x-amz-target` asks for.
    pub(super) fn from_target(target: &str) -> Option<Self> {
        Some(match target.strip_prefix(TARGET_PREFIX)? {
            "CreateLogGroup" => Self::CreateLogGroup,
            "CreateLogStream" => Self::CreateLogStream,
            "DescribeLogGroups" => Self::DescribeLogGroups,
            "DescribeLogStreams" => Self::DescribeLogStreams,
            "GetLogEvents" => Self::GetLogEvents,
            "PutLogEvents" => Self::PutLogEvents,
            "PutRetentionPolicy" => Self::PutRetentionPolicy,
            "TagResource" => Self::TagResource,
            _ => return None,
        })
    }
}

/// A request whose body keeps to the service's model.
#[derive(Debug)]
pub(super) enum Operation<'a> {
    CreateLogGroup { group: String, class: Option<String>, tags: BTreeMap<String, String> },
    CreateLogStream { group: String, stream: String },
    DescribeLogGroups { prefix: String, page: Page },
    DescribeLogStreams { group: String, prefix: String, by_time: bool, page: Page },
    GetLogEvents(GetLogEvents),
    PutLogEvents { group: Cow<'a, str>, stream: Cow<'a, str>, batch: Batch<'a> },
    PutRetentionPolicy { group: String, days: i64 },
    TagResource { group: String, tags: BTreeMap<String, String> },
}

/// Which part of a list is asked for.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) limit: usize,
    /// Number of items to leave out; the `nextToken` of this endpoint.
    pub(super) skip: usize,
    pub(super) descending: bool,
}

/// A checked `GetLogEvents`.
#[derive(Debug)]
pub(super) struct GetLogEvents {
    pub(super) group: String,
    pub(super) stream: String,
    /// Inclusive, milliseconds since 1970.
    pub(super) start: i64,
    /// Exclusive, milliseconds since 1970.
    pub(super) end: i64,
    pub(super) limit: usize,
    pub(super) from: ReadFrom,
}

/// Where reading starts; positions count the events in order of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum ReadFrom {
    /// The oldest event.
    Head,
    /// The newest events that fit into the answer.
    Tail,
    /// Forward from a position.
    Forward(usize),
    /// The events before a position.
    Backward(usize),
}

/// Reads and checks the body of a request.
///
/// # Errors
///
/// The first rule of JSON or of the service's model that the body breaks.
pub(super) fn parse(name: OperationName, body: &[u8]) -> Result<Operation<'_>, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let message = format!("Invalid UTF-8 at byte {}", error.valid_up_to());
        serialization(Violation::InvalidUtf8, &message)
    })?;
    match name {
        OperationName::CreateLogGroup => create_log_group(read(text)?),
        OperationName::CreateLogStream => create_log_stream(read(text)?),
        OperationName::DescribeLogGroups => describe_log_groups(read(text)?),
        OperationName::DescribeLogStreams => describe_log_streams(read(text)?),
        OperationName::GetLogEvents => get_log_events(read(text)?),
        OperationName::PutLogEvents => put_log_events(read(text)?),
        OperationName::PutRetentionPolicy => put_retention_policy(read(text)?),
        OperationName::TagResource => tag_resource(read(text)?),
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Refusal> {
    serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let violation = if message.starts_with(DUPLICATE) {
            Violation::DuplicateMember
        } else {
            Violation::InvalidJson
        };
        serialization(violation, &message)
    })
}

fn serialization(violation: Violation, message: &str) -> Refusal {
    let kind = "com.amazon.coral.service#SerializationException";
    Refusal { violation, error: ServiceError::client(kind, message) }
}

/// Members of all bodies but that of `PutLogEvents`. The service ignores members that it does not
/// know, so an operation ignores those of the others.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members {
    descending: Option<bool>,
    end_time: Option<i64>,
    limit: Option<i64>,
    log_group_class: Option<String>,
    log_group_identifier: Option<String>,
    log_group_name: Option<String>,
    log_group_name_prefix: Option<String>,
    log_stream_name: Option<String>,
    log_stream_name_prefix: Option<String>,
    next_token: Option<String>,
    order_by: Option<String>,
    resource_arn: Option<String>,
    retention_in_days: Option<i64>,
    start_from_head: Option<bool>,
    start_time: Option<i64>,
    tags: Option<UniqueTexts>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutLogEventsMembers<'a> {
    #[serde(borrow)]
    log_group_name: Option<Text<'a>>,
    #[serde(borrow)]
    log_stream_name: Option<Text<'a>>,
    #[serde(borrow)]
    log_events: Option<InputLogEvents<'a>>,
    #[serde(rename = "sequenceToken")]
    _sequence_token: Option<Unique>,
    #[serde(rename = "entity")]
    _entity: Option<Unique>,
}

fn create_log_group(members: Members) -> Result<Operation<'static>, Refusal> {
    let group = required(members.log_group_name, "logGroupName")?;
    check_new_group_name(&group)?;
    members.log_group_class.as_deref().map_or(Ok(()), check_class)?;
    let tags = match members.tags {
        Some(UniqueTexts(tags)) => check_tags(tags.iter()).map(|()| tags)?,
        None => BTreeMap::new(),
    };
    Ok(Operation::CreateLogGroup { group, class: members.log_group_class, tags })
}

fn create_log_stream(members: Members) -> Result<Operation<'static>, Refusal> {
    let group = required(members.log_group_name, "logGroupName")?;
    check_group_name(&group)?;
    let stream = required(members.log_stream_name, "logStreamName")?;
    check_stream_name(&stream)?;
    Ok(Operation::CreateLogStream { group, stream })
}

fn describe_log_groups(members: Members) -> Result<Operation<'static>, Refusal> {
    let page = page(&members)?;
    let prefix = members.log_group_name_prefix.unwrap_or_default();
    if !prefix.is_empty() {
        check_group_name(&prefix)?;
    }
    Ok(Operation::DescribeLogGroups { prefix, page })
}

fn describe_log_streams(members: Members) -> Result<Operation<'static>, Refusal> {
    let page = page(&members)?;
    let group = group_or_identifier(members.log_group_name, members.log_group_identifier)?;
    let prefix = members.log_stream_name_prefix.unwrap_or_default();
    let by_time = match members.order_by.as_deref() {
        None | Some("LogStreamName") => false,
        Some("LastEventTime") => true,
        Some(other) => {
            let text = "Member must satisfy enum value set: [LogStreamName, LastEventTime]";
            return Err(constraint(Violation::Paging, other, "orderBy", text));
        }
    };
    if by_time && !prefix.is_empty() {
        let text = "Cannot order by LastEventTime with a logStreamNamePrefix.";
        let error = ServiceError::invalid_parameter(text);
        return Err(Refusal { violation: Violation::Paging, error });
    }
    Ok(Operation::DescribeLogStreams { group, prefix, by_time, page })
}

fn get_log_events(members: Members) -> Result<Operation<'static>, Refusal> {
    let group = group_or_identifier(members.log_group_name, members.log_group_identifier)?;
    let stream = required(members.log_stream_name, "logStreamName")?;
    check_stream_name(&stream)?;
    let from = match members.next_token.as_deref() {
        Some(token) => position(token).ok_or_else(invalid_token)?,
        None if members.start_from_head.unwrap_or(false) => ReadFrom::Head,
        None => ReadFrom::Tail,
    };
    Ok(Operation::GetLogEvents(GetLogEvents {
        group,
        stream,
        start: members.start_time.unwrap_or(0),
        end: members.end_time.unwrap_or(i64::MAX),
        limit: limit(members.limit, GET_EVENTS_MAX)?,
        from,
    }))
}

fn put_log_events(members: PutLogEventsMembers<'_>) -> Result<Operation<'_>, Refusal> {
    let Text(group) = members.log_group_name.ok_or_else(|| missing("logGroupName"))?;
    check_group_name(&group)?;
    let Text(stream) = members.log_stream_name.ok_or_else(|| missing("logStreamName"))?;
    check_stream_name(&stream)?;
    let batch = Batch::new(members.log_events.ok_or_else(|| missing("logEvents"))?)?;
    Ok(Operation::PutLogEvents { group, stream, batch })
}

fn put_retention_policy(members: Members) -> Result<Operation<'static>, Refusal> {
    let group = required(members.log_group_name, "logGroupName")?;
    check_group_name(&group)?;
    let days = members.retention_in_days.ok_or_else(|| missing("retentionInDays"))?;
    check_retention(days)?;
    Ok(Operation::PutRetentionPolicy { group, days })
}

fn tag_resource(members: Members) -> Result<Operation<'static>, Refusal> {
    let arn = required(members.resource_arn, "resourceArn")?;
    let group = group_of(&arn);
    check_group_name(group)?;
    let UniqueTexts(tags) = members.tags.ok_or_else(|| missing("tags"))?;
    check_tags(tags.iter())?;
    Ok(Operation::TagResource { group: group.to_owned(), tags })
}

fn required(member: Option<String>, name: &str) -> Result<String, Refusal> {
    member.ok_or_else(|| missing(name))
}

fn group_or_identifier(
    name: Option<String>,
    identifier: Option<String>,
) -> Result<String, Refusal> {
    let group = match identifier {
        Some(identifier) => group_of(&identifier).to_owned(),
        None => required(name, "logGroupName")?,
    };
    check_group_name(&group)?;
    Ok(group)
}

/// The name in `arn:aws:logs:us-west-2:123456789012:log-group:name`; a name stays as it is.
fn group_of(identifier: &str) -> &str {
    identifier.rsplit_once(":log-group:").map_or(identifier, |(_, name)| name)
}

fn page(members: &Members) -> Result<Page, Refusal> {
    let skip = match members.next_token.as_deref() {
        Some(token) => token.parse().map_err(|_| invalid_token())?,
        None => 0,
    };
    let limit = limit(members.limit, DESCRIBE_LIMIT_MAX)?;
    Ok(Page { limit, skip, descending: members.descending.unwrap_or(false) })
}

fn limit(limit: Option<i64>, max: usize) -> Result<usize, Refusal> {
    let Some(given) = limit else { return Ok(max) };
    match usize::try_from(given) {
        Ok(limit) if (1..=max).contains(&limit) => Ok(limit),
        _ => {
            let text = format!("Member must have value between 1 and {max}");
            Err(constraint(Violation::Paging, &given.to_string(), "limit", &text))
        }
    }
}

fn position(token: &str) -> Option<ReadFrom> {
    match token.split_once('/')? {
        ("f", position) => position.parse().ok().map(ReadFrom::Forward),
        ("b", position) => position.parse().ok().map(ReadFrom::Backward),
        _ => None,
    }
}

fn invalid_token() -> Refusal {
    let error = ServiceError::invalid_parameter("The specified nextToken is invalid.");
    Refusal { violation: Violation::Paging, error }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn broken(name: OperationName, body: &str) -> Option<Violation> {
        parse(name, body.as_bytes()).err().map(|refusal| refusal.violation)
    }

    #[test]
    fn a_target_names_an_operation_and_its_version() {
        let name = OperationName::from_target("Logs_20140328.PutLogEvents");
        assert_eq!(name, Some(OperationName::PutLogEvents));
        for target in ["PutLogEvents", "Logs_20140328.DeleteLogGroup", "Logs_20140328.", ""] {
            assert_eq!(OperationName::from_target(target), None, "{target}");
        }
    }

    #[test]
    fn what_is_no_json_object_is_a_serialization_exception() {
        for body in ["", "x", "[]x", "1", "{\"logGroupName\":1}", "{}{}", "{\"logGroupName\":"] {
            let refusal = parse(OperationName::CreateLogGroup, body.as_bytes()).unwrap_err();
            assert_eq!(refusal.violation, Violation::InvalidJson, "{body}");
            assert_eq!(refusal.error.name(), "SerializationException");
        }
    }

    #[test]
    fn invalid_utf_8_is_a_violation_of_its_own() {
        let refusal = parse(OperationName::PutLogEvents, b"{\"a\":\"\xff\"}").unwrap_err();
        assert_eq!(refusal.violation, Violation::InvalidUtf8);
    }

    #[test]
    fn a_member_given_twice_is_a_violation_of_its_own() {
        let name = OperationName::PutLogEvents;
        for body in [
            r#"{"logGroupName":"a","logGroupName":"b"}"#,
            r#"{"logEvents":[{"message":"a","message":"b"}]}"#,
            r#"{"entity":{"attributes":{"a":"1","a":"1"}}}"#,
        ] {
            assert_eq!(broken(name, body), Some(Violation::DuplicateMember), "{body}");
        }
        let tags = r#"{"logGroupName":"g","tags":{"a":"1","a":"1"}}"#;
        assert_eq!(broken(OperationName::CreateLogGroup, tags), Some(Violation::DuplicateMember));
    }

    #[test]
    fn a_member_that_the_service_does_not_know_is_ignored() {
        let body = r#"{"logGroupName":"g","logStreamName":"s","later":[1,{}],
            "logEvents":[{"timestamp":1,"message":"x","later":null}]}"#;
        assert_eq!(broken(OperationName::PutLogEvents, body), None);
    }

    #[test]
    fn a_member_that_the_service_requires_is_missed() {
        use OperationName as Name;
        for (name, body) in [
            (Name::CreateLogGroup, "{}"),
            (Name::CreateLogStream, r#"{"logGroupName":"g"}"#),
            (Name::PutRetentionPolicy, r#"{"logGroupName":"g"}"#),
            (Name::PutLogEvents, r#"{"logGroupName":"g","logStreamName":"s"}"#),
            (Name::PutLogEvents, r#"{"logGroupName":"g","logEvents":[]}"#),
            (Name::GetLogEvents, r#"{"logGroupName":"g"}"#),
            (Name::TagResource, r#"{"resourceArn":"g"}"#),
        ] {
            assert_eq!(broken(name, body), Some(Violation::MissingMember), "{body}");
        }
    }

    #[test]
    fn a_limit_is_from_1_to_what_the_operation_offers() {
        let limited = |limit: i64| broken_limit(OperationName::DescribeLogGroups, limit);
        assert_eq!((limited(0), limited(51)), (Some(Violation::Paging), Some(Violation::Paging)));
        assert_eq!((limited(1), limited(50)), (None, None));
        let limited = |limit: i64| broken_limit(OperationName::GetLogEvents, limit);
        assert_eq!((limited(10_000), limited(10_001)), (None, Some(Violation::Paging)));
    }

    fn broken_limit(name: OperationName, limit: i64) -> Option<Violation> {
        let body = format!(r#"{{"limit":{limit},"logGroupName":"g","logStreamName":"s"}}"#);
        broken(name, &body)
    }

    #[test]
    fn a_group_is_named_or_identified_by_its_arn() {
        let arn = "arn:aws:logs:us-west-2:123456789012:log-group:/a/b";
        let body = format!(r#"{{"resourceArn":"{arn}","tags":{{"k":"v"}}}}"#);
        let Ok(Operation::TagResource { group, .. }) =
            parse(OperationName::TagResource, body.as_bytes())
        else {
            panic!("a valid request")
        };
        assert_eq!(group, "/a/b");
    }

    fn any_name() -> impl Strategy<Value = OperationName> {
        prop::sample::select(vec![
            OperationName::CreateLogGroup,
            OperationName::CreateLogStream,
            OperationName::DescribeLogGroups,
            OperationName::DescribeLogStreams,
            OperationName::GetLogEvents,
            OperationName::PutLogEvents,
            OperationName::PutRetentionPolicy,
            OperationName::TagResource,
        ])
    }

    proptest! {
        #[test]
        fn no_bytes_make_parsing_panic(name in any_name(), body: Vec<u8>) {
            let _ = parse(name, &body);
        }

        #[test]
        fn no_change_of_a_valid_body_makes_parsing_panic(
            name in any_name(),
            at in 0_usize..150,
            byte: u8,
            cut in 0_usize..150,
        ) {
            let mut body = br#"{"logGroupName":"g","logStreamName":"s","tags":{"k":"v"},"limit":5,
                "nextToken":"f/1","logEvents":[{"timestamp":1,"message":"a\u00e9b"}]}"#.to_vec();
            if let Some(old) = body.get_mut(at) {
                *old = byte;
            }
            let _ = parse(name, &body);
            body.truncate(cut);
            let _ = parse(name, &body);
        }
    }
}

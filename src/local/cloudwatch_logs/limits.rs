//! The limits of CloudWatch Logs and the words with which the service refuses what breaks them.
//!
//! Sources: the PutLogEvents, CreateLogGroup, CreateLogStream and PutRetentionPolicy pages of the
//! API reference, and "CloudWatch Logs quotas". The numbers stand here a second time, apart from
//! those that the sender keeps to: this side would not notice a wrong one otherwise. Must not know
//! JSON, and no state.

use super::response::ServiceError;
use super::violation::{Refusal, Violation};

/// Most bytes in a batch: UTF-8 bytes of the messages and [`EVENT_OVERHEAD_BYTES`] for each.
pub(super) const BATCH_BYTES_MAX: usize = 1_048_576;
/// Bytes that the service adds to each message when it sums up a batch.
pub(super) const EVENT_OVERHEAD_BYTES: usize = 26;
/// Longest message: one event fills a batch.
pub(super) const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES;
/// Most events in a batch.
pub(super) const BATCH_EVENTS_MAX: usize = 10_000;
/// Most milliseconds from the oldest valid event of a batch to its newest, inclusive: 24 h.
pub(super) const BATCH_SPAN_MS_MAX: i64 = DAY_MS;
/// Most milliseconds that an event may lie in the future, inclusive: 2 h.
pub(super) const EVENT_LEAD_MS_MAX: i64 = 2 * 60 * 60 * 1_000;
/// Most milliseconds that an event may lie in the past, inclusive: 14 days.
pub(super) const EVENT_AGE_MS_MAX: i64 = 14 * DAY_MS;
/// Milliseconds of a day of retention.
pub(super) const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most characters of the name of a group or stream.
const NAME_CHARS_MAX: usize = 512;
/// Days for which the service keeps events.
const RETENTION_DAYS: [i64; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
/// Classes of log groups.
const LOG_GROUP_CLASSES: [&str; 4] = ["STANDARD", "INFREQUENT_ACCESS", "DELIVERY", "ESSENTIALS"];
/// Most tags of a log group.
const TAGS_MAX: usize = 50;
/// Most characters of a tag's key and value.
const TAG_KEY_CHARS_MAX: usize = 128;
const TAG_VALUE_CHARS_MAX: usize = 256;

/// A value that breaks the service's model, in the words of its validation.
pub(super) fn constraint(
    violation: Violation,
    value: &str,
    member: &str,
    constraint: &str,
) -> Refusal {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{member}' failed to satisfy \
         constraint: {constraint}"
    );
    Refusal { violation, error: ServiceError::invalid_parameter(message) }
}

/// A required member that is missing, in the words of the service's validation.
pub(super) fn missing(member: &str) -> Refusal {
    let message = format!(
        "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
         Member must not be null"
    );
    let error = ServiceError::invalid_parameter(message);
    Refusal { violation: Violation::MissingMember, error }
}

/// Checks the name of a log group.
pub(super) fn check_group_name(name: &str) -> Result<(), Refusal> {
    let (violation, member) = (Violation::GroupName, "logGroupName");
    check_name_length(violation, name, member)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_/#".contains(&byte);
    if !name.bytes().all(allowed) {
        let pattern = "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+";
        return Err(constraint(violation, name, member, pattern));
    }
    Ok(())
}

/// Checks what holds for the name of a log group that is being created.
pub(super) fn check_new_group_name(name: &str) -> Result<(), Refusal> {
    check_group_name(name)?;
    if name.starts_with("aws/") {
        let error = ServiceError::invalid_parameter("Log groups starting with aws/ are reserved.");
        return Err(Refusal { violation: Violation::GroupName, error });
    }
    Ok(())
}

/// Checks the name of a log stream.
pub(super) fn check_stream_name(name: &str) -> Result<(), Refusal> {
    let (violation, member) = (Violation::StreamName, "logStreamName");
    check_name_length(violation, name, member)?;
    if name.contains([':', '*']) {
        let pattern = "Member must satisfy regular expression pattern: [^:*]*";
        return Err(constraint(violation, name, member, pattern));
    }
    Ok(())
}

fn check_name_length(violation: Violation, name: &str, member: &str) -> Result<(), Refusal> {
    if name.is_empty() {
        let text = "Member must have length greater than or equal to 1";
        return Err(constraint(violation, name, member, text));
    }
    if name.chars().count() > NAME_CHARS_MAX {
        let text = "Member must have length less than or equal to 512";
        return Err(constraint(violation, name, member, text));
    }
    Ok(())
}

/// Checks a retention.
pub(super) fn check_retention(days: i64) -> Result<(), Refusal> {
    if RETENTION_DAYS.contains(&days) {
        return Ok(());
    }
    let text = format!("Member must satisfy enum value set: {RETENTION_DAYS:?}");
    Err(constraint(Violation::RetentionDays, &days.to_string(), "retentionInDays", &text))
}

/// Checks the class of a log group.
pub(super) fn check_class(class: &str) -> Result<(), Refusal> {
    if LOG_GROUP_CLASSES.contains(&class) {
        return Ok(());
    }
    let text = format!("Member must satisfy enum value set: [{}]", LOG_GROUP_CLASSES.join(", "));
    Err(constraint(Violation::LogGroupClass, class, "logGroupClass", &text))
}

/// Checks number and lengths of tags.
pub(super) fn check_tags<'a>(
    tags: impl ExactSizeIterator<Item = (&'a String, &'a String)>,
) -> Result<(), Refusal> {
    let length = tags.len();
    if length == 0 || length > TAGS_MAX {
        let text = format!("Member must have length between 1 and {TAGS_MAX}");
        return Err(constraint(Violation::Tags, &length.to_string(), "tags", &text));
    }
    for (key, value) in tags {
        let key_chars = key.chars().count();
        if key_chars == 0 || key_chars > TAG_KEY_CHARS_MAX {
            let text = format!("Member must have length between 1 and {TAG_KEY_CHARS_MAX}");
            return Err(constraint(Violation::Tags, key, "tags", &text));
        }
        if value.chars().count() > TAG_VALUE_CHARS_MAX {
            let text =
                format!("Member must have length less than or equal to {TAG_VALUE_CHARS_MAX}");
            return Err(constraint(Violation::Tags, value, "tags", &text));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn broken(result: Result<(), Refusal>) -> Option<Violation> {
        result.err().map(|refusal| refusal.violation)
    }

    /// The other tests lean on the constants; this one holds them to the service's pages.
    #[test]
    fn the_limits_are_those_of_the_service() {
        assert_eq!(
            (BATCH_BYTES_MAX, EVENT_OVERHEAD_BYTES, MESSAGE_BYTES_MAX, BATCH_EVENTS_MAX),
            (1_048_576, 26, 1_048_550, 10_000)
        );
        assert_eq!(BATCH_SPAN_MS_MAX, 86_400_000);
        assert_eq!((EVENT_LEAD_MS_MAX, EVENT_AGE_MS_MAX), (7_200_000, 1_209_600_000));
    }

    #[test]
    fn a_name_has_from_1_to_512_characters() {
        for check in [check_group_name, check_stream_name, check_new_group_name] {
            assert!(check("").is_err());
            assert!(check("a").is_ok());
            assert!(check(&"a".repeat(512)).is_ok());
            assert!(check(&"a".repeat(513)).is_err());
        }
        assert!(check_stream_name(&"\u{e9}".repeat(512)).is_ok(), "characters, not bytes");
    }

    #[test]
    fn a_group_name_has_letters_digits_and_five_signs() {
        assert!(check_group_name("/aws/ecs_A-Z.9#x").is_ok());
        for name in ["a b", "a:b", "a*b", "a@b", "gr\u{fc}n", "a\nb"] {
            assert_eq!(broken(check_group_name(name)), Some(Violation::GroupName), "{name}");
        }
        assert!(check_group_name("aws/x").is_ok(), "only creating one is forbidden");
        assert_eq!(broken(check_new_group_name("aws/x")), Some(Violation::GroupName));
        assert!(check_new_group_name("/aws/x").is_ok());
    }

    #[test]
    fn a_stream_name_has_anything_but_colon_and_star() {
        assert!(check_stream_name("a b/\u{fc} #1").is_ok());
        for name in ["a:b", "*"] {
            assert_eq!(broken(check_stream_name(name)), Some(Violation::StreamName), "{name}");
        }
    }

    #[test]
    fn only_the_offered_retentions_are_taken() {
        let taken = (-10..4_000).filter(|days| check_retention(*days).is_ok());
        assert_eq!(taken.collect::<Vec<_>>(), RETENTION_DAYS);
        assert_eq!(broken(check_retention(2)), Some(Violation::RetentionDays));
    }

    #[test]
    fn only_the_offered_classes_are_taken() {
        assert!(check_class("INFREQUENT_ACCESS").is_ok());
        assert_eq!(broken(check_class("standard")), Some(Violation::LogGroupClass));
    }

    #[test]
    fn tags_are_1_to_50_with_keys_to_128_and_values_to_256_characters() {
        let many = |count: usize| -> BTreeMap<String, String> {
            (0..count).map(|key| (key.to_string(), String::new())).collect()
        };
        let one = |key: usize, value: usize| BTreeMap::from([("k".repeat(key), "v".repeat(value))]);
        for good in [many(1), many(50), one(128, 256)] {
            assert_eq!(broken(check_tags(good.iter())), None);
        }
        for bad in [many(0), many(51), one(0, 1), one(129, 1), one(1, 257)] {
            assert_eq!(broken(check_tags(bad.iter())), Some(Violation::Tags));
        }
    }
}

//! The limits of `PutLogEvents`, from
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html> and
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html>.
//!
//! All are inclusive. JSON syntax, escaping and compression do not count.

/// Most bytes of a batch: the sum over its events of message bytes and [`EVENT_OVERHEAD_BYTES`].
pub const BATCH_BYTES_MAX: usize = 1_048_576;
/// Bytes the service adds to each message when it sums up a batch.
pub const EVENT_OVERHEAD_BYTES: usize = 26;
/// Longest message: the one that fills a batch alone.
pub const MESSAGE_BYTES_MAX: usize = BATCH_BYTES_MAX - EVENT_OVERHEAD_BYTES;
/// Most events of a batch.
pub const BATCH_EVENTS_MAX: usize = 10_000;
/// Most milliseconds from a batch's oldest event to its newest: 24 h.
pub const BATCH_SPAN_MS_MAX: i64 = 24 * 60 * 60 * 1_000;
/// Longest name of a log group or a log stream, in characters.
pub const NAME_CHARS_MAX: usize = 512;

/// What the name of a log group must not begin with.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>
pub const RESERVED_PREFIX: &str = "aws/";

// An empty batch takes any message that is not too long. If it did not, sealing would go on for
// ever.
const _: () = assert!(MESSAGE_BYTES_MAX + EVENT_OVERHEAD_BYTES <= BATCH_BYTES_MAX);

#[cfg(test)]
mod tests {
    use super::*;

    /// The other tests lean on the constants; this one holds the constants to the service's page.
    #[test]
    fn the_limits_are_those_of_put_log_events() {
        assert_eq!((BATCH_BYTES_MAX, EVENT_OVERHEAD_BYTES), (1_048_576, 26));
        assert_eq!((MESSAGE_BYTES_MAX, BATCH_EVENTS_MAX), (1_048_550, 10_000));
        assert_eq!((BATCH_SPAN_MS_MAX, NAME_CHARS_MAX), (86_400_000, 512));
    }
}

//! Records as the decoder gives them, and what the agent's filter adds. Must not know what becomes
//! of them.

use std::error::Error;
use std::time::Duration;

use bytes::BytesMut;
use firelane::input::forward::decode::{DecodeOptions, Decoder};
use firelane::input::item::Item;
use firelane::record::chunk::Entries;
use firelane::record::fields::{SharedField, SharedFields};
use firelane::record::time::EventTime;

use super::frames::{Frames, Lines, Mode};

/// What the agent's `record_modifier` adds.
const ADDED: [(&str, &str); 4] = [
    ("ec2_instance_id", "i-0123456789abcdef0"),
    ("ecs_cluster", "production"),
    (
        "ecs_task_arn",
        "arn:aws:ecs:eu-west-1:123456789012:task/production/0123456789abcdef0123456789abcdef",
    ),
    ("ecs_task_definition", "web:42"),
];

/// The fields that the filter adds.
#[must_use]
pub(crate) fn added() -> SharedFields {
    let added = ADDED.map(|(key, value)| SharedField {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        yields: false,
    });
    SharedFields::new(added.into())
}

/// So many records of such lines.
///
/// # Errors
///
/// The frames cannot be decoded.
pub(crate) fn entries(
    records: u64,
    line_bytes: usize,
    lines: Lines,
) -> Result<Entries, Box<dyn Error>> {
    let frames = Frames::new(Mode::Message, "w0", line_bytes, lines);
    let mut read = Vec::new();
    for number in 0..records {
        frames.append(number, 1, Duration::from_secs(1), &mut read);
    }
    let mut items = Vec::new();
    let mut buffer = BytesMut::from(read.as_slice());
    let mut decoder = Decoder::new(DecodeOptions::default());
    let _drained = decoder.decode(&mut buffer, EventTime::default(), &mut items)?;
    match items.pop() {
        Some(Item::Entries(tagged)) => Ok(tagged.entries),
        _ => Err("the frames hold no entries".into()),
    }
}

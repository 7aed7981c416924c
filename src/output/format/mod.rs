//! Step 6, output: events as text, for outputs that write text.
//!
//! Pure: chunks in, bytes out. Must not know where the text goes. CloudWatch Logs, whose text stands
//! within another text, has an encoder of its own.

pub mod date;
pub mod gelf;
pub mod json;
pub mod msgpack;

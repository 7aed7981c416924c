//! Step 0, the thing itself: the types that flow from an input to an output.
//!
//! Bytes in, views out. Must not know of sockets, clocks or configuration.

pub mod chunk;
pub mod fields;
pub mod json_in;
pub mod map;
pub mod msgpack;
pub mod pattern;
pub mod tag;
pub mod tag_pattern;
pub mod time;

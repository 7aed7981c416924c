//! Step 0, the thing itself: the types that flow from an input to an output.
//!
//! Bytes in, views out. Must not know of sockets, clocks or configuration.

pub mod accessor;
pub mod chunk;
pub mod edit;
pub mod fields;
pub mod json_in;
pub mod json_out;
pub mod map;
pub mod msgpack;
pub mod number;
pub mod pair_list;
pub mod pattern;
pub mod tag;
pub mod tag_pattern;
pub mod template;
pub mod text_out;
pub mod time;

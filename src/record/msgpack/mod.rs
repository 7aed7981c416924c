//! Reads and writes msgpack: the format of records inside Firelane and on the Forward wire.
//!
//! Source: <https://github.com/msgpack/msgpack/blob/master/spec.md>. Text may hold any bytes, map
//! keys may be of any type and repeat. Everything here is iterative and allocates nothing by a
//! length that the wire claims. Must not know what a record, a frame or a tag is.

mod read;
mod skip;
mod write;

pub use read::{ReadError, Reader, Token};
pub use skip::{SkipError, Skipper, exceeds_depth};
pub use write::Writer;

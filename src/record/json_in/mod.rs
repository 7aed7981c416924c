//! JSON text in: finds where a JSON value ends in a stream, and turns it into a msgpack record.
//!
//! Written by hand because a record must survive what a JSON library refuses as a whole: escapes of
//! half a surrogate pair, numbers beyond the range of a double, text that is not UTF-8. Order and
//! repetition of keys are kept. Must not know whose text it is.

mod scan;
mod transcode;

pub use scan::{DisorderAt, JsonScanner};
pub use transcode::{JsonError, Object, Pair, Transcoder};

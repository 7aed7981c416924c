//! Around the path, multiline: which lines belong together.
//!
//! The engine of `multiline.parser`, for the filter `multiline` and for inputs that read lines. It
//! says of a line whether it begins a group, goes on with one, ends it, or stands alone; whoever
//! asks holds the text. Meaning as in Fluent Bit (`src/multiline/flb_ml.c`, `flb_ml_rule.c`). Pure:
//! must not know chunks, tags, clocks or who asks.

mod builtin;
pub mod chain;
pub mod config;
mod line_start;
pub mod parser;
pub mod rules;

pub use builtin::{BUILTIN, builtin};
pub use chain::{Chain, Group, Line, Place, Stream, Taken};
pub use parser::{Join, Kind, Parser};

#[cfg(test)]
pub(crate) mod tests;

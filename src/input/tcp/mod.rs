//! The `tcp` input: lines of text or JSON, as Fluent Bit's `in_tcp` takes them.

pub mod config;
pub mod decode;
mod json;
mod lines;

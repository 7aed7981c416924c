//! Step 1, input: `tail`, lines that are written to files.
//!
//! Reading a file blocks, so a thread of its own reads all files of an input ([`reader`]). What it
//! does in a step is decided without waiting and without a clock: [`set`] knows which files are
//! followed, [`followed`] one of them, [`cursor`] how far it was read, [`lines`] what becomes of
//! its bytes. A file is never read ahead of the memory for it, and nothing of it is kept between
//! two reads: what is no whole line yet is read again. Must not know filters and outputs.

pub mod begin;
pub mod config;
pub mod cursor;
pub mod followed;
pub mod joined;
pub mod lines;
pub mod names;
pub mod offsets;
pub mod past;
pub mod paths;
pub mod plan;
pub mod reader;
pub mod set;
pub mod waker;

#[cfg(test)]
mod tests;

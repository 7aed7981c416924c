//! Step 1, input: follows files.

pub mod offsets;

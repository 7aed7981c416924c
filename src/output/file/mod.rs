//! Output `file`: appends events to files, gathered by tag for a flush interval.

pub mod append;
pub mod config;
pub mod destination;
pub mod format;
pub mod name;
pub mod pattern;
pub mod plan;
pub mod rotate;
pub mod template;

//! Around the path, config: everything that is wrong with a configuration, at once.

use std::error::Error;
use std::fmt;

use super::{Config, Note, Problem};
use crate::option::Report;

/// Why a configuration cannot be used: at least one problem, and the warnings beside it.
#[derive(Clone, Debug)]
pub struct Errors {
    /// What keeps it from being used, in the order of the files as far as they were read.
    pub problems: Vec<Problem>,
    /// Warnings.
    pub notes: Vec<Note>,
}

impl fmt::Display for Errors {
    /// One line a problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            let end_of_last = if index == 0 { "" } else { "\n" };
            write!(f, "{end_of_last}{problem}")?;
        }
        Ok(())
    }
}

impl Error for Errors {}

/// The configuration with its warnings, unless a problem was found.
pub(super) fn finish(config: Config, report: Report) -> Result<Config, Errors> {
    let Report { problems, notes } = report;
    if problems.is_empty() {
        Ok(Config { notes, ..config })
    } else {
        Err(Errors { problems, notes })
    }
}

//! Step 3, filter: what can go wrong in a script.
//!
//! Must not know records.

use mlua::Error;

use super::machine::MEMORY_BYTES_MAX;
use super::to_record::{DEPTH_MAX, RECORD_BYTES_MAX, RECORDS_MAX};

/// Most bytes of a script's own words that are told.
const WORDS_BYTES_MAX: usize = 400;

/// Why a call has no result that can be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Failure {
    /// The script's own error, with its file and line.
    #[error("{0}")]
    Script(Box<str>),
    /// It did not come to an end.
    #[error("stopped, it took longer than {seconds} s")]
    Time {
        /// The limit.
        seconds: u64,
    },
    /// It wants too much memory.
    #[error("stopped, it needs more than {} MiB of memory", MEMORY_BYTES_MAX >> 20)]
    Memory,
    /// Its first result is none of -1, 0, 1 and 2.
    #[error("returned the code {code}, expected -1, 0, 1 or 2")]
    Code {
        /// What it returned.
        code: i64,
    },
    /// Its third result is no record.
    #[error("returned {found} in place of the record, expected a table")]
    NoTable {
        /// Lua's name of its type.
        found: &'static str,
    },
    /// Its second result is no time, where it says that the time has changed.
    #[error("returned code 1 and no time")]
    NoTime,
    /// A function, a coroutine or the like within the record.
    #[error("returned a record with a {found} in it, which cannot be written")]
    Unwritable {
        /// Lua's name of its type.
        found: &'static str,
    },
    /// Tables within one another, perhaps without end.
    #[error("returned a record with more than {DEPTH_MAX} tables within one another")]
    TooDeep,
    /// A record that is too large.
    #[error("returned a record of more than {} MiB", RECORD_BYTES_MAX >> 20)]
    TooLarge,
    /// More records than one may become.
    #[error("returned more than {RECORDS_MAX} records for one")]
    TooMany,
    /// The records that were made of one chunk take too much memory.
    #[error("not called, the records before it have grown by more than {} MiB", .bytes_max >> 20)]
    Grown {
        /// The limit.
        bytes_max: usize,
    },
}

impl Failure {
    /// What becomes of the record.
    pub(super) fn consequence(&self) -> &'static str {
        match self {
            Self::NoTime => "the record keeps its time",
            Self::Script(_)
            | Self::Time { .. }
            | Self::Memory
            | Self::Code { .. }
            | Self::NoTable { .. }
            | Self::Unwritable { .. }
            | Self::TooDeep
            | Self::TooLarge
            | Self::TooMany
            | Self::Grown { .. } => "the record goes on as it is",
        }
    }

    /// In the words of the script, of which the first line counts: the rest is its stack.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::CallbackError { cause, .. } => Self::of(cause),
            Error::MemoryError(_) => Self::Memory,
            Error::RuntimeError(text) | Error::SyntaxError { message: text, .. } => {
                Self::said(text)
            }
            other => Self::said(&other.to_string()),
        }
    }

    fn said(text: &str) -> Self {
        let line = text.lines().next().unwrap_or_default().trim();
        if line.ends_with("not enough memory") {
            return Self::Memory;
        }
        let end = (0..=line.len().min(WORDS_BYTES_MAX)).rev().find(|at| line.is_char_boundary(*at));
        Self::Script(line.get(..end.unwrap_or(0)).unwrap_or_default().into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::of(&error)
    }
}

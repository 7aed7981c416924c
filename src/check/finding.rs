//! Around the path, check: something a user should know: how bad, where, what, and what to do.
//!
//! Not known here: when it is found.

use std::fmt;

use super::rule::Rule;
use crate::config::Place;

/// How bad it is, worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// The task or the router does not start, or records get lost for certain.
    Error,
    /// It works, and will hurt.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// Where it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum At {
    /// All of it.
    #[default]
    Whole,
    /// A line of a file, or another place of a value.
    Place(Place),
    /// A JSON path of the task definition: `containerDefinitions[1].image`.
    Path(String),
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => Ok(()),
            Self::Place(place) => place.fmt(f),
            Self::Path(path) => f.write_str(path),
        }
    }
}

/// Something a user should know.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// Of which kind it is, which also says why it matters.
    pub rule: Rule,
    /// How bad it is here.
    pub severity: Severity,
    /// Where.
    pub at: At,
    /// What was found.
    pub what: String,
    /// What to do about it; empty where that is plain.
    pub advice: String,
}

impl Finding {
    /// A finding that keeps something from working.
    pub(super) fn error(rule: Rule, at: At, what: impl Into<String>) -> Self {
        Self { rule, severity: Severity::Error, at, what: what.into(), advice: String::new() }
    }

    /// A finding that will hurt.
    pub(super) fn warning(rule: Rule, at: At, what: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(rule, at, what) }
    }

    /// A finding that is good to know.
    pub(super) fn note(rule: Rule, at: At, what: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(rule, at, what) }
    }

    /// With what to do.
    #[must_use]
    pub(super) fn advise(self, advice: impl Into<String>) -> Self {
        Self { advice: advice.into(), ..self }
    }
}

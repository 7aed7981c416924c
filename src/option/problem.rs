//! Around the path, option: what is wrong with a configuration, and where.
//!
//! A [`Problem`] keeps Firelane from starting; a [`Note`] is a warning. Both say file, line,
//! section, key and value. Values are shown as they are written in the file, before variables are
//! replaced, so that a secret from the environment never reaches the log.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use super::Kind;

/// Most problems, and most notes, that are kept of one configuration.
pub const PROBLEMS_MAX: usize = 1_000;
/// Most bytes of a value that a message shows.
const SHOWN_BYTES_MAX: usize = 80;

/// A line of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// The file as the user named it, or where else the text comes from.
    pub file: Arc<str>,
    /// The line, from 1; 0 stands for the whole of it.
    pub line: u32,
}

impl Place {
    /// All of `file`.
    #[must_use]
    pub fn file(file: &str) -> Self {
        Self { file: Arc::from(file), line: 0 }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => f.write_str(&self.file),
            line => write!(f, "{}:{line}", self.file),
        }
    }
}

/// What a message is about, apart from its place; parts that do not apply are empty.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject {
    /// `[OUTPUT] cloudwatch_logs`.
    pub section: String,
    /// The option as the user wrote it.
    pub key: String,
    /// Its value as the user wrote it, unless it may be a secret.
    pub value: String,
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.section.is_empty() {
            write!(f, "{}: ", self.section)?;
        }
        match (self.key.is_empty(), self.value.is_empty()) {
            (true, _) => Ok(()),
            (false, true) => write!(f, "{}: ", shown(&self.key)),
            (false, false) => write!(f, "{} = {:?}: ", shown(&self.key), shown(&self.value)),
        }
    }
}

fn shown(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    let end = (0..=SHOWN_BYTES_MAX).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// Why a configuration cannot be used.
#[derive(Clone, Debug)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What it is about.
    pub subject: Subject,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.place, self.subject, self.fault)
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

/// What is wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Fault {
    /// A file that cannot be read.
    #[error("cannot read {path:?}: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        error: Arc<io::Error>,
    },
    /// An `@INCLUDE` with a wildcard for which there is no file.
    #[error("no file matches {pattern:?}")]
    NothingMatches {
        /// The path with its wildcards.
        pattern: String,
    },
    /// A file that was read before.
    #[error("{path:?} is included twice")]
    IncludedTwice {
        /// The file.
        path: String,
    },
    /// More of something than a limit allows.
    #[error("more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The limit, inclusive.
        max: usize,
    },
    /// A classic file that includes a YAML one.
    #[error("a classic configuration can include classic files only, not YAML")]
    YamlInClassic,
    /// `[INPUT` without `]`.
    #[error("expected ']' at the end of the section's name")]
    UnclosedSection,
    /// An option before the first section.
    #[error("option outside of a section, expected a line such as [INPUT] before it")]
    OutsideSection,
    /// An option without a value.
    #[error("expected a value after the option's name")]
    NoValue,
    /// A group within a section.
    #[error("a section cannot have groups in the classic format; processors need YAML")]
    Group,
    /// A parser in the main file.
    #[error(
        "a parser cannot stand here; put it into a file of its own and name that with Parsers_File in [SERVICE]"
    )]
    ParserInMainFile,
    /// `@SET` without `=`.
    #[error("expected NAME=VALUE after @SET")]
    SetWithoutValue,
    /// A section without `Name`.
    #[error("expected an option Name that says which plugin it is")]
    NoName,
    /// A plugin that Fluent Bit has and Firelane has not.
    #[error("plugin '{name}' is not supported by this version of Firelane")]
    UnsupportedPlugin {
        /// The plugin.
        name: String,
    },
    /// A plugin that nobody knows.
    #[error("unknown plugin '{name}'{}", DidYouMean(*.nearest))]
    UnknownPlugin {
        /// The plugin.
        name: String,
        /// The nearest known one.
        nearest: Option<&'static str>,
    },
    /// An option that nobody knows.
    #[error("unknown option{}", DidYouMean(*.nearest))]
    UnknownOption {
        /// The nearest known one.
        nearest: Option<&'static str>,
    },
    /// An option of Fluent Bit whose work is not done here.
    #[error("this option is not supported by this version of Firelane")]
    UnsupportedOption,
    /// A value of the wrong kind.
    #[error("expected {0}")]
    Expected(Kind),
    /// An option that counts once and is there twice.
    #[error("set more than once, first at {first}")]
    Repeated {
        /// Where it stands first.
        first: Place,
    },
    /// An option that has to be there.
    #[error("expected an option {0}")]
    Missing(&'static str),
    /// Two options that exclude each other.
    #[error("{0} and {1} exclude each other, expected one of them")]
    Exclusive(&'static str, &'static str),
    /// What the plugin itself says.
    #[error("{0}")]
    Invalid(#[source] Arc<dyn Error + Send + Sync>),
}

impl Fault {
    /// A plugin's own reason.
    pub fn invalid(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Invalid(Arc::new(error))
    }
}

struct DidYouMean(Option<&'static str>);

impl fmt::Display for DidYouMean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |name| write!(f, ", did you mean '{name}'?"))
    }
}

/// A warning about a configuration.
#[derive(Clone, Debug)]
pub struct Note {
    /// Where.
    pub place: Place,
    /// What it is about.
    pub subject: Subject,
    /// What to know.
    pub remark: Remark,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}{}", self.place, self.subject, self.remark)
    }
}

/// What to know about a configuration that works.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Remark {
    /// An option without meaning here.
    #[error("has no effect in Firelane")]
    NoEffect,
    /// An option that is there again.
    #[error("replaces the value at {first}")]
    Overwrites {
        /// Where the value stands that no longer counts.
        first: Place,
    },
    /// A section that nobody knows.
    #[error("unknown section, ignored with all that is in it")]
    UnknownSection,
    /// Plugins of Fluent Bit to load.
    #[error("nothing is loaded: plugins of Fluent Bit cannot be, its outputs are built in")]
    NothingLoaded,
    /// A section whose work is not done here.
    #[error("this section has no effect in this version of Firelane")]
    SectionWithoutEffect,
    /// An `@` line that is neither `@INCLUDE` nor `@SET`.
    #[error("unknown directive, ignored")]
    UnknownDirective,
    /// A variable that is not set.
    #[error("variable ${{{name}}} is used but not set, replaced by nothing")]
    UnsetVariable {
        /// The variable.
        name: String,
    },
    /// An option that has no effect, where an option before it counts.
    #[error("has no effect, the value at {first} counts")]
    Overlooked {
        /// Where the value stands that counts.
        first: Place,
    },
    /// An option that nobody knows, of a plugin whose options Fluent Bit does not look at.
    #[error("unknown option, ignored{}", DidYouMean(*.nearest))]
    IgnoredOption {
        /// The nearest known one.
        nearest: Option<&'static str>,
    },
    /// A `[SERVICE]` key that nobody knows.
    #[error("unknown option, ignored{}", DidYouMean(*.nearest))]
    UnknownServiceKey {
        /// The nearest known one.
        nearest: Option<&'static str>,
    },
    /// A `[SERVICE]` value of the wrong kind.
    #[error("ignored, expected {0}")]
    Ignored(Kind),
    /// An option whose value is empty.
    #[error("is empty and counts as not set")]
    Empty,
    /// A comment behind a value.
    #[error("the comment after the value is left out")]
    Comment,
    /// Text behind a number.
    #[error("only the number at the start counts")]
    Trailing,
    /// A retry limit that is none.
    #[error("is no retry limit, 1 retry holds; expected {}", Kind::RetryLimit)]
    RetryLimit,
    /// Bytes that are not UTF-8.
    #[error("is not UTF-8, each wrong byte counts as U+FFFD")]
    NotUtf8,
    /// No `Match`.
    #[error("has neither Match nor Match_Regex and gets no records")]
    NoMatch,
    /// A filter that is switched off.
    #[error("is not active and left out")]
    Inactive,
    /// What the plugin itself says.
    #[error("{0}")]
    Plugin(#[source] Arc<dyn Error + Send + Sync>),
}

impl Remark {
    /// A plugin's own remark.
    pub fn plugin(remark: impl Error + Send + Sync + 'static) -> Self {
        Self::Plugin(Arc::new(remark))
    }
}

/// Everything found in one run, in the order it was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What keeps it from being used; at most [`PROBLEMS_MAX`].
    pub problems: Vec<Problem>,
    /// Warnings; at most [`PROBLEMS_MAX`].
    pub notes: Vec<Note>,
}

impl Report {
    /// Whether nothing more is kept.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.problems.len().max(self.notes.len()) >= PROBLEMS_MAX
    }

    /// Adds a problem.
    pub fn refuse(&mut self, place: Place, subject: Subject, fault: Fault) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(Problem { place, subject, fault });
        }
    }

    /// Adds a warning.
    pub fn remark(&mut self, place: Place, subject: Subject, remark: Remark) {
        if self.notes.len() < PROBLEMS_MAX {
            self.notes.push(Note { place, subject, remark });
        }
    }

    /// Adds all of another report.
    pub fn append(&mut self, other: Self) {
        for Problem { place, subject, fault } in other.problems {
            self.refuse(place, subject, fault);
        }
        for Note { place, subject, remark } in other.notes {
            self.remark(place, subject, remark);
        }
    }
}

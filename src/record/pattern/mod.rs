//! Step 0, record: a regular expression with Onigmo's meaning, searched for in the bytes of a value.
//!
//! `ruby` rewrites the text into the dialect of `fancy-regex`; this module compiles it within
//! limits and runs it. Not known here: records, options, who asks.

mod captures;
mod lossy;
mod ruby;
mod signs;

use std::fmt;

use fancy_regex::{BytesMode, CompileError, Error as EngineError, Regex, RegexBuilder};
use memchr::memmem::Finder;

pub use self::captures::{Captures, StepLimit};
use self::lossy::Lossy;
use self::ruby::Translation;

/// Longest text of a pattern, inclusive.
pub const PATTERN_BYTES_MAX: usize = 64 * 1024;
/// Most steps back that one search may take before it is given up. Only patterns with look-around,
/// back-references or atomic groups step back at all; the others take linear time.
pub const BACKTRACK_STEPS_MAX: usize = 1_000_000;
/// Most bytes one compiled piece of a pattern may take.
pub const COMPILED_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most bytes a piece may take while it runs, for states that are found as it goes.
pub const CACHE_BYTES_MAX: usize = 1024 * 1024;
/// Most instructions of a compiled pattern that steps back.
pub const PROGRAM_STEPS_MAX: usize = 100_000;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    matcher: Matcher,
}

/// What a search came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The pattern occurs in the value.
    Match,
    /// It does not.
    NoMatch,
    /// Given up after [`BACKTRACK_STEPS_MAX`] steps: neither is known.
    StepLimit,
}

/// Why a text is not a pattern, and where.
#[derive(Clone, Debug, thiserror::Error)]
#[error("at byte {position}: {fault}")]
pub struct PatternError {
    /// Byte of the text, from 0, at which it goes wrong.
    pub position: usize,
    /// What is wrong there.
    #[source]
    pub fault: PatternFault,
}

/// What is wrong with a pattern.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PatternFault {
    /// `*failure*`: a repeat at the start, after `(` or after `|`.
    #[error(
        "'{0}' has nothing before it to repeat; for any text write '.*', for the sign itself '\\{0}'"
    )]
    NothingToRepeat(char),
    /// `[abc`.
    #[error("'[' is not closed by ']'")]
    UnclosedClass,
    /// `[[:letters:]]`.
    #[error("no such class of characters")]
    UnknownClass,
    /// Brackets within brackets, too many.
    #[error("more than {max} brackets within one another")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// Longer than [`PATTERN_BYTES_MAX`].
    #[error("{bytes} bytes long, limit {max}")]
    TooLong {
        /// Bytes found.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The engine refuses it.
    #[error("{}", Engine(.0))]
    Refused(Box<EngineError>),
}

#[derive(Clone, Debug)]
enum Matcher {
    /// No sign of the pattern has a meaning of its own.
    Literal(Box<Finder<'static>>),
    Regex(Box<Search>),
}

#[derive(Clone, Debug)]
struct Search {
    /// Onigmo's meaning in every value.
    exact: Regex,
    /// The same in values that do not end with a newline, which is nearly all of them. Only there
    /// if the pattern has a `^`: Onigmo's does not match behind a last newline, and the engine
    /// takes some twenty times longer to see to that.
    without_last_newline: Option<Regex>,
}

impl Search {
    fn regex(&self, value: &[u8]) -> &Regex {
        let plain = self.without_last_newline.as_ref().filter(|_| !value.ends_with(b"\n"));
        plain.unwrap_or(&self.exact)
    }
}

impl Pattern {
    /// Compiles `text`, which may stand between slashes with flags behind them (`/fail(ed)?/i`).
    ///
    /// # Errors
    ///
    /// [`PatternError`] where Onigmo would refuse the text as well, and where it exceeds a limit.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        Self::compile(text, Anchor::None)
    }

    /// As [`Pattern::new`], for [`Pattern::is_prefix`].
    ///
    /// # Errors
    ///
    /// As [`Pattern::new`].
    pub fn anchored(text: &str) -> Result<Self, PatternError> {
        Self::compile(text, Anchor::Start)
    }

    /// Looks for the pattern anywhere in `value`, which need not be UTF-8.
    #[must_use]
    pub fn is_match(&self, value: &[u8]) -> Outcome {
        match &self.matcher {
            Matcher::Literal(finder) => Outcome::of(finder.find(value).is_some()),
            Matcher::Regex(search) => {
                let lossy = Lossy::of(value);
                let value = lossy.as_ref().map_or(value, Lossy::as_bytes);
                let found = search.regex(value).is_match(value);
                found.map_or(Outcome::StepLimit, Outcome::of)
            }
        }
    }

    /// Whether an [anchored](Pattern::anchored) pattern takes at least one byte at the start of
    /// `value`. What follows does not matter.
    #[must_use]
    pub fn is_prefix(&self, value: &[u8]) -> Outcome {
        match &self.matcher {
            Matcher::Literal(finder) => {
                let needle = finder.needle();
                Outcome::of(!needle.is_empty() && value.starts_with(needle))
            }
            Matcher::Regex(search) => {
                let lossy = Lossy::of(value);
                let value = lossy.as_ref().map_or(value, Lossy::as_bytes);
                search.regex(value).find(value).map_or(Outcome::StepLimit, |found| {
                    Outcome::of(found.is_some_and(|found| found.start() == 0 && found.end() > 0))
                })
            }
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    fn compile(text: &str, anchor: Anchor) -> Result<Self, PatternError> {
        let bytes = text.len();
        if bytes > PATTERN_BYTES_MAX {
            let fault = PatternFault::TooLong { bytes, max: PATTERN_BYTES_MAX };
            return Err(PatternError { position: PATTERN_BYTES_MAX, fault });
        }
        let translation = ruby::translate(text)?;
        let matcher = match &translation.literal {
            Some(literal) => Matcher::Literal(Box::new(Finder::new(literal).into_owned())),
            None => Matcher::Regex(Box::new(search(&translation, anchor)?)),
        };
        Ok(Self { text: text.to_owned(), matcher })
    }
}

fn search(translation: &Translation, anchor: Anchor) -> Result<Search, PatternError> {
    let Translation { regex, origins, .. } = translation;
    let (regex, shift) = match (anchor, translation.extended) {
        (Anchor::None, _) => (regex.clone(), 0),
        (Anchor::Start, false) => (format!("\\A(?:{regex})"), ANCHOR_BYTES),
        // The newline ends a comment that the pattern may end with.
        (Anchor::Start, true) => (format!("\\A(?:{regex}\n)"), ANCHOR_BYTES),
    };
    let build = |oniguruma_mode| {
        RegexBuilder::new(&regex)
            .oniguruma_mode(oniguruma_mode)
            .multi_line(true)
            .case_insensitive(translation.ignore_case)
            .dot_matches_new_line(translation.any_newline)
            .ignore_whitespace(translation.extended)
            .ignore_numbered_groups_when_named_groups_exist(true)
            .bytes_mode(BytesMode::UnicodeBytes)
            .backtrack_limit(BACKTRACK_STEPS_MAX)
            .delegate_size_limit(COMPILED_BYTES_MAX)
            .delegate_dfa_size_limit(CACHE_BYTES_MAX)
            .max_prog_size(PROGRAM_STEPS_MAX)
            .build()
    };
    let exact = build(true).map_err(|error| refused(error, origins, shift))?;
    let is_wanted = translation.has_line_start && !translation.has_repeated_interval;
    let without_last_newline = if is_wanted { build(false).ok() } else { None };
    Ok(Search { exact, without_last_newline })
}

impl Outcome {
    fn of(found: bool) -> Self {
        if found { Self::Match } else { Self::NoMatch }
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Anchor {
    None,
    Start,
}

/// Bytes that stand before the pattern when it is anchored.
const ANCHOR_BYTES: usize = "\\A(?:".len();

fn refused(error: EngineError, origins: &ruby::Origins, shift: usize) -> PatternError {
    // An error without a position concerns the pattern as a whole.
    let position = if let EngineError::ParseError(position, _) = &error {
        origins.of(position.saturating_sub(shift))
    } else {
        0
    };
    PatternError { position, fault: PatternFault::Refused(Box::new(error)) }
}

/// The engine's message without the lines that repeat the pattern.
struct Engine<'a>(&'a EngineError);

impl fmt::Display for Engine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let EngineError::ParseError(_, error) = self.0 {
            return write!(f, "{}", error.to_string().to_lowercase());
        }
        let EngineError::CompileError(error) = self.0 else { return write!(f, "{}", self.0) };
        let CompileError::InnerError(error) = &**error else { return write!(f, "{error}") };
        match (error.size_limit(), error.syntax_error()) {
            (Some(limit), _) => write!(f, "compiled larger than {limit} bytes"),
            // The lines before the last draw the rewritten pattern.
            (None, Some(error)) => f.write_str(&last_line(&error.to_string())),
            (None, None) => write!(f, "{error}"),
        }
    }
}

fn last_line(text: &str) -> String {
    let line = text.lines().next_back().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests;

//! Step 1, input: the options of `tail`.
//!
//! Reference: Fluent Bit's manual, "Tail" input, and `plugins/in_tail/tail.c`. Not known here:
//! files.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glob::PatternError;

use super::joined::Joining;
use super::lines::{Long, Rules};
use super::names::Tagging;
use super::offsets::{self, Durability, JournalMode};
use super::paths::{self, Excluded, Walk};
use super::plan::Plan;
use crate::multiline::Chain;
use crate::multiline::config::{Registry, UnknownParser};
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::parser::Parser;
use crate::record::pattern::{Pattern, PatternError as RegexError};

/// Largest `Buffer_Max_Size` that is honoured: offsets in chunks have 32 bits, and a line may grow
/// where a parser reads it.
const LINE_BYTES_CEILING: u64 = 1 << 28;
/// Bytes of a read: small ones cost more than they save, and a larger one would keep other files
/// waiting.
const PIECE_BYTES: std::ops::RangeInclusive<u64> = 4_096..=1_048_576;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("path", Kind::Text, "Files to follow: paths with commas between them, * ? [] in names"),
    Row::new("exclude_path", Kind::Text, "Files not to follow: such patterns with commas, * also for /"),
    Row::new("key", Kind::Text, "Key of a line that no parser takes apart").or("log"),
    Row::new("path_key", Kind::Text, "Key under which to add the path of the file"),
    Row::new("offset_key", Kind::Text, "Key under which to add where the record begins in the file"),
    Row::new("tag_regex", Kind::Text, "Expression for the path; <name> in Tag stands for its group"),
    Row::new(
        "read_from_head",
        Kind::Bool,
        "Whether files of which no offset is known at the start are read from their first byte",
    )
    .or("false"),
    Row::new(
        "read_newly_discovered_files_from_head",
        Kind::Bool,
        "Whether files that are found later are",
    )
    .or("true"),
    Row::new("refresh_interval", Kind::Seconds, "How often to look for new files").or("60"),
    Row::new("rotate_wait", Kind::Seconds, "How long a file is read on after its path leads elsewhere")
        .or("5"),
    Row::new("ignore_older", Kind::Seconds, "Files that were not written for so long are not read; 0 for all")
        .or("0"),
    Row::new(
        "ignore_active_older_files",
        Kind::Bool,
        "Whether ignore_older also ends the reading of a file",
    )
    .or("false"),
    Row::new("buffer_chunk_size", Kind::Bytes, "Bytes to read of a file at once, 4,096 to 1,048,576")
        .or("32768"),
    Row::new("buffer_max_size", Kind::Bytes, "Most bytes of a line, at most 268,435,456").or("32768"),
    Row::new("skip_long_lines", Kind::Bool, "Whether longer lines are left out without a warning")
        .or("false"),
    Row::new("truncate_long_lines", Kind::Bool, "Whether the start of longer lines goes on").or("false"),
    Row::new("skip_empty_lines", Kind::Bool, "Whether empty lines are left out").or("false"),
    Row::new("parser", Kind::Text, "Parser for each line"),
    Row::new(
        "multiline.parser",
        Kind::Text,
        "Multiline parsers with commas, tried in this order: docker, cri, go, java, python, ruby or one of a file",
    )
    .many(),
    Row::new("inotify_watcher", Kind::Bool, "Whether the system is asked to tell of new lines at once")
        .or("true"),
    Row::new("exit_on_eof", Kind::Bool, "End when all files are read to their ends").or("false"),
    Row::new("db", Kind::Text, "File that keeps how far files were read"),
    Row::new("db.sync", Kind::Choice(&["extra", "full", "normal", "off"]), "How surely it is written")
        .or("normal"),
    Row::new("db.locking", Kind::Bool, "Whether no other process may open it").or("false"),
    Row::new(
        "db.journal_mode",
        Kind::Choice(&["delete", "truncate", "persist", "memory", "wal", "off"]),
        "How it is kept whole; WAL is not for network drives",
    )
    .or("wal"),
    Row::new("db.compare_filename", Kind::Bool, "Whether a renamed file is another one").or("false"),
    Row::new("multiline", Kind::Bool, "Joins lines by parser_firstline; only false is supported")
        .or("false"),
    Row::new("multiline_flush", Kind::Seconds, "How long multiline waited for a line").without_effect(),
    Row::new("parser_firstline", Kind::Text, "What multiline took for a first line").without_effect(),
    Row::new("docker_mode", Kind::Bool, "Joins parts of Docker's lines; only false is supported")
        .or("false"),
    Row::new("docker_mode_flush", Kind::Seconds, "How long docker_mode waited").without_effect(),
    Row::new("docker_mode_parser", Kind::Text, "What docker_mode took for a first line")
        .without_effect(),
    Row::new("watcher_interval", Kind::Seconds, "How often links were looked at").without_effect(),
    Row::new("progress_check_interval", Kind::Seconds, "How often files were looked at besides")
        .without_effect(),
    Row::new("progress_check_interval_nsec", Kind::Integer { min: 0, max: 999_999_999 }, "As many nanoseconds more")
        .without_effect(),
    Row::new("static_batch_size", Kind::Bytes, "Bytes of old files to read at a time").without_effect(),
    Row::new("event_batch_size", Kind::Bytes, "Bytes of new lines to read at a time").without_effect(),
    Row::new("file_cache_advise", Kind::Bool, "Whether what was read leaves the system's cache")
        .without_effect(),
    Row::new("unicode.encoding", Kind::Text, "Encoding of the files, if it is not UTF-8").unsupported(),
    Row::new("generic.encoding", Kind::Text, "Encoding of the files, if it is not UTF-8").unsupported(),
];

/// A `tail` input.
#[derive(Clone, Debug)]
pub struct Config {
    walks: Vec<Walk>,
    excluded: Excluded,
    tag_regex: Option<Pattern>,
    rules: Arc<Rules>,
    from_head: bool,
    later_from_head: bool,
    refresh: Duration,
    rotate_wait: Duration,
    older: Option<(Duration, bool)>,
    piece: usize,
    /// Whether inotify is asked.
    pub inotify: bool,
    /// Whether the process ends when all is read.
    pub exits: bool,
    /// Where offsets are kept.
    pub db: Option<offsets::Settings>,
}

/// What the configuration has besides the options.
#[derive(Clone, Copy, Debug)]
pub struct Registries<'a> {
    /// The multiline parsers.
    pub multiline: &'a Registry,
    /// Most bytes of a record's text (`multiline_buffer_limit`).
    pub multiline_bytes_max: usize,
}

/// Why the options cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// No pattern.
    #[error("{0}; write [[] for a bracket")]
    Glob(#[from] PatternError),
    /// No expression.
    #[error("not a regular expression: {0}")]
    Regex(#[from] RegexError),
    /// A parser that nobody defines.
    #[error("no parser of this name is defined; name its file with Parsers_File in [SERVICE]")]
    NoParser,
    /// A multiline parser that nobody defines.
    #[error(transparent)]
    NoMultilineParser(#[from] UnknownParser),
    /// Looking for files without a pause.
    #[error("expected more than 0 seconds")]
    ZeroSeconds,
    /// Lines without a byte.
    #[error("expected 1 to {LINE_BYTES_CEILING} bytes")]
    LineBytes,
    /// The old way to join lines.
    #[error(
        "is not supported; name a [MULTILINE_PARSER] with multiline.parser, whose first rule says \
         what parser_firstline did, and take fields with a filter parser"
    )]
    Multiline,
    /// The old way to join Docker's lines.
    #[error("is not supported; multiline.parser docker joins the parts of Docker's lines")]
    DockerMode,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// Both.
    #[error("has no effect with multiline.parser; use a filter parser for what it joined")]
    ParserBesideMultiline,
    /// A time of files without a limit.
    #[error("has no effect without ignore_older")]
    NoLimit,
}

impl Config {
    /// Reads the options; `None` after a problem was reported. `find` knows the parsers by name.
    pub fn from_options(
        options: &mut Options,
        find: impl Fn(&str) -> Option<Arc<Parser>>,
        registries: Registries<'_>,
    ) -> Option<Self> {
        refuse_old_ways(options);
        let walks = walks(options);
        let excluded = excluded(options);
        let tag_regex = tag_regex(options);
        let rules = rules(options, find, registries);
        let refresh = options.seconds("refresh_interval").unwrap_or_default();
        if refresh.is_zero() {
            options.refuse("refresh_interval", Fault::invalid(Refusal::ZeroSeconds));
        }
        let older = options.seconds("ignore_older").filter(|older| !older.is_zero());
        let is_active_too = options.bool("ignore_active_older_files");
        if is_active_too && older.is_none() {
            options.remark("ignore_active_older_files", Remark::plugin(Advice::NoLimit));
        }
        let piece = options.bytes("buffer_chunk_size")?;
        let piece = piece.clamp(*PIECE_BYTES.start(), *PIECE_BYTES.end());
        let config = Self {
            walks,
            excluded,
            tag_regex,
            rules: Arc::new(rules?),
            from_head: options.bool("read_from_head"),
            later_from_head: options.bool("read_newly_discovered_files_from_head"),
            refresh,
            rotate_wait: options.seconds("rotate_wait")?,
            older: older.map(|older| (older, is_active_too)),
            piece: usize::try_from(piece).ok()?,
            inotify: options.bool("inotify_watcher"),
            exits: options.bool("exit_on_eof"),
            db: db(options),
        };
        (!options.is_refused()).then_some(config)
    }

    /// What is to be followed. `tag` is that of the section, or the name of the instance.
    #[must_use]
    pub fn plan(&self, tag: &str) -> Plan {
        Plan {
            walks: self.walks.clone(),
            excluded: self.excluded.clone(),
            tagging: Tagging { tag: tag.to_owned(), regex: self.tag_regex.clone() },
            rules: Arc::clone(&self.rules),
            from_head: self.from_head,
            later_from_head: self.later_from_head,
            refresh: self.refresh,
            rotate_wait: self.rotate_wait,
            older: self.older,
            piece: self.piece,
            files_max: paths::files_max(),
        }
    }
}

fn refuse_old_ways(options: &mut Options) {
    if options.bool("multiline") {
        options.refuse("multiline", Fault::invalid(Refusal::Multiline));
    }
    if options.bool("docker_mode") {
        options.refuse("docker_mode", Fault::invalid(Refusal::DockerMode));
    }
}

/// The texts of a list with commas.
fn list(options: &Options, name: &str) -> Vec<String> {
    let text = options.text(name).unwrap_or_default();
    let texts = text.split(',').map(str::trim).filter(|text| !text.is_empty());
    texts.map(str::to_owned).collect()
}

fn walks(options: &mut Options) -> Vec<Walk> {
    let mut walks = Vec::new();
    for text in list(options, "path") {
        match Walk::new(&text) {
            Ok(walk) => walks.push(walk),
            Err(error) => options.refuse("path", Fault::invalid(Refusal::Glob(error))),
        }
    }
    if walks.is_empty() && !options.is_refused() {
        options.refuse("path", Fault::Missing("path"));
    }
    walks
}

fn excluded(options: &mut Options) -> Excluded {
    let mut excluded = Excluded::default();
    for text in list(options, "exclude_path") {
        if let Err(error) = excluded.add(&text) {
            options.refuse("exclude_path", Fault::invalid(Refusal::Glob(error)));
        }
    }
    excluded
}

fn tag_regex(options: &mut Options) -> Option<Pattern> {
    match Pattern::new(&options.text("tag_regex")?) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            options.refuse("tag_regex", Fault::invalid(Refusal::Regex(error)));
            None
        }
    }
}

fn rules(
    options: &mut Options,
    find: impl Fn(&str) -> Option<Arc<Parser>>,
    registries: Registries<'_>,
) -> Option<Rules> {
    let name = options.text("parser");
    let parser = name.as_deref().and_then(find);
    if name.is_some() && parser.is_none() {
        options.refuse("parser", Fault::invalid(Refusal::NoParser));
    }
    let joining = joining(options, registries);
    if joining.is_some() && name.is_some() {
        options.remark("parser", Remark::plugin(Advice::ParserBesideMultiline));
    }
    let line_bytes_max = options.bytes("buffer_max_size")?;
    if !(1..=LINE_BYTES_CEILING).contains(&line_bytes_max) {
        options.refuse("buffer_max_size", Fault::invalid(Refusal::LineBytes));
    }
    let long = match (options.bool("truncate_long_lines"), options.bool("skip_long_lines")) {
        (true, _) => Long::Truncate,
        (false, true) => Long::Skip,
        (false, false) => Long::SkipLoudly,
    };
    let key = |name| options.text(name).map(String::into_bytes);
    Some(Rules {
        key: key("key")?,
        path_key: key("path_key"),
        offset_key: key("offset_key"),
        parser,
        joining,
        skip_empty: options.bool("skip_empty_lines"),
        line_bytes_max,
        long,
    })
}

fn joining(options: &mut Options, registries: Registries<'_>) -> Option<Arc<Joining>> {
    let mut parsers = Vec::new();
    for setting in options.all("multiline.parser") {
        for found in registries.multiline.list(&setting.value) {
            match found {
                Ok(parser) => parsers.push(parser),
                Err(unknown) => {
                    let refusal = Refusal::NoMultilineParser(unknown);
                    options.refuse_setting(&setting, Fault::invalid(refusal));
                }
            }
        }
    }
    // Fluent Bit looks for lines that wait at the shortest of the parsers' times.
    let wait = parsers.iter().map(|parser| parser.flush_timeout).min()?;
    let chain = Chain::new(parsers, None);
    Some(Arc::new(Joining { chain, wait, bytes_max: registries.multiline_bytes_max }))
}

fn db(options: &Options) -> Option<offsets::Settings> {
    let path = PathBuf::from(options.text("db")?);
    let is = |name: &str, word: &str| {
        options.text(name).is_some_and(|text| text.eq_ignore_ascii_case(word))
    };
    let sync = Durability::ALL.into_iter().find(|one| is("db.sync", one.as_str()));
    let journal = JournalMode::ALL.into_iter().find(|one| is("db.journal_mode", one.as_str()));
    Some(offsets::Settings {
        path,
        sync: sync.unwrap_or_default(),
        locking: options.bool("db.locking"),
        journal_mode: journal.unwrap_or_default(),
        compare_filename: options.bool("db.compare_filename"),
    })
}

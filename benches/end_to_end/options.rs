//! The options of the program. Must not know what is done with them.

use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::prelude::*;

use super::frames::{Lines, Mode};

/// How to use it.
pub(crate) const USAGE: &str = "\
cargo bench --bench end_to_end -- [options]

  --events N        events of each run (default 1000000)
  --bytes N[,N...]  bytes of a line (default 200,1000)
  --runs N          runs of each; with more than one, medians are printed too (default 1)
  --connections N   connections that share the events (default 1)
  --rate N          events a second, all connections together (default: as fast as it goes)
  --mode MODE       message, forward or packed (default message)
  --lines KIND      plain: the same but for its number; varied: of a web shop, each its own; json;
                    trace: ten to a stack trace of Java (default plain, with --gzip varied)
  --gzip            requests are compressed (compress gzip)
  --filter KIND     json or multiline: a filter beside those of the agent
  --router FILE     the program to measure (default: the one built with this bench)
  --prefix COMMAND  runs the router under a command, such as 'perf record -g -o FILE'
";

/// What is to be measured.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// Events of each run.
    pub(crate) events: u64,
    /// Bytes of a line, for each group of runs.
    pub(crate) line_bytes: Vec<usize>,
    /// Runs of each group.
    pub(crate) runs: u32,
    /// Connections that share the events.
    pub(crate) connections: u32,
    /// Events a second over all connections; `None`: no limit.
    pub(crate) rate: Option<u64>,
    /// How entries are put into frames.
    pub(crate) mode: Mode,
    /// What a line holds.
    pub(crate) lines: Lines,
    /// A filter beside those of the agent.
    pub(crate) filter: Option<Filter>,
    /// Whether requests are compressed.
    pub(crate) gzip: bool,
    /// The program to measure.
    pub(crate) router: PathBuf,
    /// Words before the program.
    pub(crate) prefix: Vec<String>,
}

/// A filter beside those of the agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Filter {
    /// Lines that are JSON become fields.
    Json,
    /// Lines of a stack trace become one event.
    Multiline,
}

impl Filter {
    /// The section of the configuration.
    #[must_use]
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Json => "Name parser\n    Key_Name log\n    Parser json\n    Reserve_Data on",
            Self::Multiline => {
                "Name multiline\n    multiline.key_content log\n    multiline.parser java"
            }
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "json" => Ok(Self::Json),
            "multiline" => Ok(Self::Multiline),
            other => Err(format!("no filter {other:?}: json or multiline")),
        }
    }
}

/// Reads the command line; `None`: help was asked for.
///
/// # Errors
///
/// What cannot be understood.
pub(crate) fn parse() -> Result<Option<Options>, Box<dyn Error>> {
    let mut options = Options {
        events: 1_000_000,
        line_bytes: vec![200, 1_000],
        runs: 1,
        connections: 1,
        rate: None,
        mode: Mode::Message,
        lines: Lines::Plain,
        filter: None,
        gzip: false,
        router: env!("CARGO_BIN_EXE_firelane").into(),
        prefix: Vec::new(),
    };
    let mut lines = None;
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("events") => options.events = parser.value()?.parse()?,
            Long("bytes") => {
                let list = parser.value()?.string()?;
                options.line_bytes = list.split(',').map(str::parse).collect::<Result<_, _>>()?;
            }
            Long("runs") => options.runs = parser.value()?.parse()?,
            Long("connections") => options.connections = parser.value()?.parse()?,
            Long("rate") => options.rate = Some(parser.value()?.parse()?),
            Long("mode") => options.mode = parser.value()?.parse()?,
            Long("lines") => lines = Some(parser.value()?.parse()?),
            Long("filter") => options.filter = Some(parser.value()?.parse()?),
            Long("gzip") => options.gzip = true,
            Long("router") => options.router = parser.value()?.into(),
            Long("prefix") => {
                let words = parser.value()?.string()?;
                options.prefix = words.split_whitespace().map(str::to_owned).collect();
            }
            // Cargo says so to every bench.
            Long("bench") => {}
            Short('h') | Long("help") => return Ok(None),
            other @ (Short(_) | Long(_) | Value(_)) => return Err(other.unexpected().into()),
        }
    }
    // What is all the same says nothing about compression.
    options.lines = lines.unwrap_or(if options.gzip { Lines::Varied } else { Lines::Plain });
    if options.connections == 0 || options.runs == 0 || options.line_bytes.is_empty() {
        return Err("connections, runs and bytes must be 1 or more".into());
    }
    Ok(Some(options))
}

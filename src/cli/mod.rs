//! Around the path, cli: the command line → what to do.
//!
//! `firelane` alone runs, with Fluent Bit's options (`run`), because images and task definitions
//! name them. Not known here: what the commands do.

mod run;
mod usage;

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use lexopt::{Arg, Parser, ValueExt as _};

pub use run::{Plugin, RunOptions};
pub use usage::USAGE;

/// Exit status for a configuration that cannot be used: `EX_USAGE` of `sysexits.h`.
pub const EXIT_USAGE: u8 = 64;
/// Where `firelane local` answers as CloudWatch Logs.
pub const LOCAL_PORT: u16 = 4580;
/// Port that `firelane healthcheck` asks at.
pub const HEALTH_PORT: u16 = 2020;
/// Bytes of events that `firelane local` keeps to show.
pub const LOCAL_KEEP_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Where a task may run, by the names of the ECS API.
pub const LAUNCH_TYPES: [&str; 4] = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];
/// Events that `firelane demo` sends a second.
pub const DEMO_EVENTS_PER_SECOND: u32 = 10;

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Command {
    /// Route logs.
    Run(RunOptions),
    /// Show the whole way on one machine.
    Demo(DemoOptions),
    /// Judge a configuration.
    Check(CheckOptions),
    /// Ask a running router for its health.
    Healthcheck(HealthcheckOptions),
    /// Answer as CloudWatch Logs.
    Local(LocalOptions),
    /// Print the version.
    Version,
    /// Print [`USAGE`].
    Help,
    /// Print the options of a plugin.
    HelpPlugin(Plugin),
    /// Print the options of a plugin, or of all, as JSON.
    Schema(Option<Plugin>),
}

/// What to judge.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CheckOptions {
    /// The configuration or the task definition; `None` is what holds without one.
    pub file: Option<PathBuf>,
    /// Whether to print JSON.
    pub json: bool,
    /// Tags to say the way of.
    pub tags: Vec<String>,
    /// Whether warnings count.
    pub strict: bool,
    /// Files that stand for files of the router's container: its path there, if it is given, and
    /// the file here.
    pub externals: Vec<(Option<String>, PathBuf)>,
    /// Where the task runs, as its definition would name it.
    pub launch_type: Option<&'static str>,
    /// Whether to print the generated configuration only.
    pub print_config: bool,
}

/// What to show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DemoOptions {
    /// Events a second, at least one.
    pub events_per_second: u32,
    /// When to end; `None` is at a signal.
    pub seconds: Option<u64>,
}

/// Whom to ask.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthcheckOptions {
    /// The port of its monitoring server on this host.
    pub port: u16,
}

/// How to answer as CloudWatch Logs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LocalOptions {
    /// Where to listen.
    pub cloudwatch_logs: SocketAddr,
    /// Whether to use TLS.
    pub tls: bool,
    /// Names in the certificate.
    pub tls_names: Vec<String>,
    /// Where to write the authority to trust.
    pub ca_file: Option<PathBuf>,
    /// Where to answer as the task metadata endpoint.
    pub task_metadata: Option<SocketAddr>,
    /// Whether to accept events of any age.
    pub any_age: bool,
    /// Most bytes of events to keep.
    pub keep_bytes_max: u64,
    /// Whether to check the order of numbered messages.
    pub sequence: bool,
    /// Where to write what was received.
    pub account_file: Option<PathBuf>,
}

impl Default for LocalOptions {
    fn default() -> Self {
        Self {
            cloudwatch_logs: SocketAddr::from((Ipv4Addr::LOCALHOST, LOCAL_PORT)),
            tls: false,
            tls_names: Vec::new(),
            ca_file: None,
            task_metadata: None,
            any_age: false,
            keep_bytes_max: LOCAL_KEEP_BYTES_MAX,
            sequence: false,
            account_file: None,
        }
    }
}

/// Why a command line cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// An unknown option, a missing or a bad value.
    #[error("{0}")]
    Usage(#[from] lexopt::Error),
    /// An option that is not text.
    #[error("expected text after option {option}")]
    NotText {
        /// The option with its dashes.
        option: String,
    },
    /// An option of a plugin before any plugin.
    #[error("expected -i, -F or -o before option {option}")]
    NoPlugin {
        /// The option with its dashes.
        option: String,
    },
    /// `-p` without `=`.
    #[error("expected KEY=VALUE after option -p")]
    NoProperty,
    /// A format that is none.
    #[error("expected --format text or --format json")]
    Format,
    /// A launch type that is none.
    #[error("expected one of {}", LAUNCH_TYPES.join(", "))]
    LaunchType,
    /// A rate of nothing.
    #[error("expected a rate of at least 1")]
    NoRate,
}

/// Reads the arguments, without the program's name.
///
/// # Errors
///
/// [`CliError`]: print it, and [`USAGE`], and exit with 1, as Fluent Bit does.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, CliError> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut parser = Parser::from_args(arguments.iter().cloned());
    if let Some(argument) = parser.next()?
        && let Arg::Value(command) = argument
    {
        return match command.to_str() {
            Some("check") => check(&mut parser),
            Some("demo") => demo(&mut parser),
            Some("healthcheck") => healthcheck(&mut parser),
            Some("local") => local(&mut parser),
            _ => Err(Arg::Value(command).unexpected().into()),
        };
    }
    run::read(arguments)
}

fn check(parser: &mut Parser) -> Result<Command, CliError> {
    let mut options = CheckOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("json") => options.json = true,
            Arg::Long("format") => {
                options.json = match parser.value()?.to_str() {
                    Some("json") => true,
                    Some("text") => false,
                    _ => return Err(CliError::Format),
                }
            }
            Arg::Long("tag") => options.tags.push(parser.value()?.string()?),
            Arg::Long("strict") => options.strict = true,
            Arg::Long("external") => options.externals.push(external(parser.value()?)),
            Arg::Long("launch-type") => {
                let name = parser.value()?.string()?;
                let known = LAUNCH_TYPES.iter().find(|known| known.eq_ignore_ascii_case(&name));
                options.launch_type = Some(known.copied().ok_or(CliError::LaunchType)?);
            }
            Arg::Long("print-config") => options.print_config = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            Arg::Short('c') | Arg::Long("config") => options.file = Some(path(parser)?),
            Arg::Value(value) if options.file.is_none() => options.file = Some(value.into()),
            argument @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(argument.unexpected().into());
            }
        }
    }
    Ok(Command::Check(options))
}

/// `[PATH=]FILE`; the path is absolute, so that a file here may have `=` in its name.
fn external(value: OsString) -> (Option<String>, PathBuf) {
    let parts = value.to_str().filter(|text| text.starts_with('/'));
    match parts.and_then(|text| text.split_once('=')) {
        Some((path, file)) => (Some(path.to_owned()), PathBuf::from(file)),
        None => (None, PathBuf::from(value)),
    }
}

fn demo(parser: &mut Parser) -> Result<Command, CliError> {
    let mut options = DemoOptions { events_per_second: DEMO_EVENTS_PER_SECOND, seconds: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("rate") => options.events_per_second = parser.value()?.parse()?,
            Arg::Long("seconds") => options.seconds = Some(parser.value()?.parse()?),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            argument @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(argument.unexpected().into());
            }
        }
    }
    if options.events_per_second == 0 { Err(CliError::NoRate) } else { Ok(Command::Demo(options)) }
}

fn healthcheck(parser: &mut Parser) -> Result<Command, CliError> {
    let mut port = HEALTH_PORT;
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("port") => port = parser.value()?.parse()?,
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            argument @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(argument.unexpected().into());
            }
        }
    }
    Ok(Command::Healthcheck(HealthcheckOptions { port }))
}

fn local(parser: &mut Parser) -> Result<Command, CliError> {
    let mut options = LocalOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("cloudwatch-logs") => options.cloudwatch_logs = parser.value()?.parse()?,
            Arg::Long("task-metadata") => options.task_metadata = Some(parser.value()?.parse()?),
            Arg::Long("tls") => options.tls = true,
            Arg::Long("tls-name") => options.tls_names.push(parser.value()?.string()?),
            Arg::Long("ca-file") => options.ca_file = Some(path(parser)?),
            Arg::Long("any-age") => options.any_age = true,
            Arg::Long("keep-bytes") => options.keep_bytes_max = parser.value()?.parse()?,
            Arg::Long("sequence") => options.sequence = true,
            Arg::Long("account-file") => options.account_file = Some(path(parser)?),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help),
            argument @ (Arg::Short(_) | Arg::Long(_) | Arg::Value(_)) => {
                return Err(argument.unexpected().into());
            }
        }
    }
    Ok(Command::Local(options))
}

fn path(parser: &mut Parser) -> Result<PathBuf, lexopt::Error> {
    Ok(PathBuf::from(parser.value()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_nobody_knows_is_an_error() {
        assert_eq!(read("--confg f"), Err("invalid option '--confg'".to_owned()));
        assert_eq!(read("-z"), Err("invalid option '-z'".to_owned()));
        assert_eq!(read("-g 5"), Err("invalid option '-g'".to_owned()));
        assert_eq!(read("run"), Err("unexpected argument \"run\"".to_owned()));
        assert_eq!(read("-c"), Err("missing argument for option '-c'".to_owned()));
        assert!(read("-c f check g").is_err(), "a command comes first");
    }

    #[test]
    fn check_takes_a_file_or_none() {
        let file = Some(PathBuf::from("f"));
        let options = |json| {
            Ok(Command::Check(CheckOptions { file: file.clone(), json, ..CheckOptions::default() }))
        };
        assert_eq!((read("check f"), read("check --json f")), (options(false), options(true)));
        assert_eq!(read("check f --format text"), options(false));
        assert_eq!(read("check -c f --format json"), options(true));
        assert_eq!(read("check"), Ok(Command::Check(CheckOptions::default())));
        assert!(read("check f g").is_err() && read("check f --format xml").is_err());
    }

    #[test]
    fn check_takes_what_a_task_definition_leaves_open() {
        let line = "check t.json --tag a --tag b --strict --external e.conf --external /p/x=y=z \
            --launch-type FARGATE --print-config";
        let expected = CheckOptions {
            file: Some(PathBuf::from("t.json")),
            json: false,
            tags: vec!["a".to_owned(), "b".to_owned()],
            strict: true,
            externals: vec![
                (None, PathBuf::from("e.conf")),
                (Some("/p/x".to_owned()), PathBuf::from("y=z")),
            ],
            launch_type: Some("FARGATE"),
            print_config: true,
        };
        assert_eq!(read(line), Ok(Command::Check(expected)));
    }

    #[test]
    fn healthcheck_asks_the_usual_port_unless_told_otherwise() {
        let at = |port| Ok(Command::Healthcheck(HealthcheckOptions { port }));
        assert_eq!((read("healthcheck"), read("healthcheck --port 9")), (at(2020), at(9)));
        assert!(read("healthcheck --port 65536").is_err());
    }

    #[test]
    fn local_listens_on_4580_of_this_host() {
        assert_eq!(read("local"), Ok(Command::Local(LocalOptions::default())));
        assert_eq!(LocalOptions::default().cloudwatch_logs.to_string(), "127.0.0.1:4580");
        let line = "local --cloudwatch-logs 0.0.0.0:1 --task-metadata 127.0.0.1:2 --tls --tls-name a \
            --tls-name b --ca-file ca.pem --any-age --keep-bytes 9 --sequence --account-file a.json";
        let expected = LocalOptions {
            cloudwatch_logs: SocketAddr::from(([0, 0, 0, 0], 1)),
            tls: true,
            tls_names: vec!["a".to_owned(), "b".to_owned()],
            ca_file: Some(PathBuf::from("ca.pem")),
            task_metadata: Some(SocketAddr::from(([127, 0, 0, 1], 2))),
            any_age: true,
            keep_bytes_max: 9,
            sequence: true,
            account_file: Some(PathBuf::from("a.json")),
        };
        assert_eq!(read(line), Ok(Command::Local(expected)));
    }

    #[test]
    fn demo_has_a_rate_of_at_least_one() {
        let options = DemoOptions { events_per_second: 10, seconds: None };
        assert_eq!(read("demo"), Ok(Command::Demo(options)));
        let options = DemoOptions { events_per_second: 1, seconds: Some(2) };
        assert_eq!(read("demo --rate 1 --seconds 2"), Ok(Command::Demo(options)));
        assert_eq!(read("demo --rate 0"), Err("expected a rate of at least 1".to_owned()));
    }
}

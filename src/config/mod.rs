//! Around the path, config: the files of a user → one typed model.
//!
//! Two steps. *Syntax* (`classic`, `yaml`, `command_line`) gives sections with file and line and
//! knows no option. *Meaning* (`meaning`, `service`, and the tables beside each plugin) replaces variables
//! and checks every value. Neither has effects beyond reading the files that are named, through
//! [`Files`]; the environment is an argument. All that is wrong comes back from one run.

mod classic;
mod command_line;
mod condition;
mod context;
mod definitions;
mod elsewhere;
mod embedded;
mod env;
mod error;
mod expand;
mod include;
mod kinds;
mod manual;
mod meaning;
mod multiline_parsers;
mod origins;
mod parsers;
mod plugins;
mod process;
mod raw;
mod schema;
mod scripts;
mod service;
mod source;
mod storage;
mod streams;
mod upstreams;
mod yaml;

use std::path::Path;

pub use crate::option::{Fault, Note, Place, Problem, Remark, RetryLimit};
pub use classic::LINE_BYTES_MAX;
pub use command_line::CommandLine;
pub use embedded::{VARIABLES, Variable, embedded, embedded_with};
pub use env::{Environment, VALUE_BYTES_MAX};
pub use error::Errors;
pub use include::{Disk, FILES_MAX, Files};
pub use manual::manual;
pub use origins::{Origins, Part, SectionOrigins};
pub use plugins::plugin_names;
pub use raw::{Entry, RawConfig, RawSection, SectionKind};
pub use schema::{plugin_help, plugin_schema, schema};
pub use service::{HealthCheck, HttpServer, LogLevel, Service};
pub use source::{BYTES_MAX, ENTRIES_MAX, SECTIONS_MAX};
pub use storage::Storage;

use crate::option::{Report, Subject};
use crate::record::tag_pattern::TagMatch;
use crate::{chunk, filter, input, output};
use source::{Role, Source};

/// All that a configuration says.
#[derive(Clone, Debug)]
pub struct Config {
    /// Settings of the process.
    pub service: Service,
    /// Inputs, in the order of the file.
    pub inputs: Vec<InputConfig>,
    /// Filters, in the order of the file, which is the order they work in.
    pub filters: Vec<FilterConfig>,
    /// Outputs, in the order of the file.
    pub outputs: Vec<OutputConfig>,
    /// Warnings.
    pub notes: Vec<Note>,
    /// Where all this comes from.
    pub origins: Origins,
}

/// Most bytes that wait in memory where no `Mem_Buf_Limit` says otherwise: what the ECS agent
/// writes for a container without a memory limit.
pub const BUDGET_BYTES_DEFAULT: u64 = 25_000_000;

/// An input.
#[derive(Clone, Debug)]
pub struct InputConfig {
    /// Alias, else `plugin.N`, where N counts the inputs of the file.
    pub name: String,
    /// Tag of the records; `None` (only `forward`) leaves it to the peer.
    pub tag: Option<String>,
    /// Most bytes of this input in memory.
    pub mem_buf_limit_bytes: Option<u64>,
    /// Where its records wait.
    pub storage: chunk::Storage,
    /// Filters for its records alone; their `matches` is everything.
    pub processors: Vec<FilterConfig>,
    /// The plugin and its options.
    pub kind: InputKind,
}

/// The plugin of an input.
#[derive(Clone, Debug)]
pub enum InputKind {
    /// `forward`.
    Forward(input::forward::config::Config),
    /// `tail`.
    Tail(Box<input::tail::config::Config>),
    /// `tcp`.
    Tcp(input::tcp::config::Config),
    /// `dummy`.
    Dummy(input::dummy::config::Config),
    /// `exec`.
    Exec(input::exec::config::Config),
    /// `fluentbit_metrics`.
    FluentbitMetrics(input::fluentbit_metrics::config::Config),
    /// `http`.
    Http(input::http::config::Config),
}

/// A filter.
#[derive(Clone, Debug)]
pub struct FilterConfig {
    /// Alias, else `plugin.N`, where N counts the filters of the file.
    pub name: String,
    /// Tags of the records it works on.
    pub matches: TagMatch,
    /// If there is one, the filter sees only records for which it holds.
    pub condition: Option<filter::condition::Condition>,
    /// The plugin and its options.
    pub kind: FilterKind,
}

/// The plugin of a filter.
#[derive(Clone, Debug)]
pub enum FilterKind {
    /// `aws`.
    Aws(filter::aws::config::Config),
    /// `ecs`.
    Ecs(filter::ecs::config::Config),
    /// `checklist`.
    Checklist(filter::checklist::config::Config),
    /// `content_modifier`, a processor.
    ContentModifier(filter::content_modifier::config::Config),
    /// `expect`.
    Expect(filter::expect::config::Config),
    /// `grep`.
    Grep(filter::grep::config::Config),
    /// `lua`.
    Lua(filter::lua::config::Config),
    /// `modify`.
    Modify(filter::modify::config::Config),
    /// `nest`.
    Nest(filter::nest::config::Config),
    /// `multiline`.
    Multiline(filter::multiline::config::Config),
    /// `parser`.
    Parser(filter::parser::config::Config),
    /// `record_modifier`.
    RecordModifier(filter::record_modifier::config::Config),
    /// `rewrite_tag`.
    RewriteTag(filter::rewrite_tag::config::Config),
    /// `stdout`.
    Stdout,
    /// A stream task, which stands behind all filters.
    StreamTask(filter::stream_task::config::Config),
    /// `throttle`.
    Throttle(filter::throttle::config::Config),
    /// `type_converter`.
    TypeConverter(filter::type_converter::config::Config),
}

/// An output.
#[derive(Clone, Debug)]
pub struct OutputConfig {
    /// Alias, else `plugin.N`, where N counts the outputs of the file.
    pub name: String,
    /// Tags of the records it gets.
    pub matches: TagMatch,
    /// Retries before a batch may be dropped to make room.
    pub retry_limit: RetryLimit,
    /// Most bytes on disk for it; [`u64::MAX`] where there is to be no limit, `None` where nothing
    /// is said.
    pub storage_bytes_max: Option<u64>,
    /// Filters for its records alone; their `matches` is everything.
    pub processors: Vec<FilterConfig>,
    /// The plugin and its options.
    pub kind: OutputKind,
}

/// The plugin of an output.
#[derive(Clone, Debug)]
pub enum OutputKind {
    /// `counter`.
    Counter,
    /// `file`.
    File(Box<output::file::config::Config>),
    /// `null`.
    Null,
    /// `forward`.
    Forward(Box<output::forward::config::Config>),
    /// `stdout`.
    Stdout(output::stdout::config::Config),
    /// `http`.
    Http(Box<output::http::config::Config>),
    /// `cloudwatch`.
    Cloudwatch(Box<output::cloudwatch::config::Config>),
    /// `cloudwatch_logs`.
    CloudwatchLogs(Box<output::cloudwatch_logs::config::Config>),
}

/// Reads the configuration that starts with the file `path`.
///
/// # Errors
///
/// Everything that keeps the configuration from being used, and the warnings beside it.
pub fn load(path: &Path, files: &dyn Files, environment: &Environment) -> Result<Config, Errors> {
    load_with(CommandLine::default(), Some(path), files, environment)
}

/// Reads the configuration of the command line and of the file `path`, if there is one.
///
/// # Errors
///
/// As [`load`].
pub fn load_with(
    command_line: CommandLine,
    path: Option<&Path>,
    files: &dyn Files,
    environment: &Environment,
) -> Result<Config, Errors> {
    let mut report = Report::default();
    let mut source = Source::new(files, environment, &mut report);
    source.raw = command_line.into_raw();
    let main = path.unwrap_or(Path::new(""));
    if let Some(path) = path {
        match source.open(path) {
            Ok(bytes) => read_file(path, bytes, Role::Pipeline, &mut source),
            Err(fault) => {
                source.refuse(Place::file(&path.display().to_string()), Subject::default(), fault);
            }
        }
    }
    let raw = source.take();
    let mut sections = expand::expand(raw.sections, &raw.variables, environment, source.report);
    let mut context = context::Context::new(environment);
    context.is_elsewhere = files.is_elsewhere();
    let service = process::service(&mut sections, &context, source.report);
    let definitions = definitions::read(&service.options, main, &mut source);
    let definitions = expand::expand(definitions, &raw.variables, environment, source.report);
    sections.extend(definitions);
    context.scripts =
        scripts::Scripts::read(&sections, main, &raw.variables, environment, &mut source);
    context.upstreams =
        upstreams::Upstreams::read(&sections, main, &raw.variables, environment, &mut source);
    let mut config = meaning::build(sections, service, &context, &mut report);
    let (of_files, set): (Vec<_>, Vec<_>) =
        raw.variables.into_iter().partition(|(name, _)| raw.file_variables.contains(name));
    config.origins.set_variables = set.into_iter().map(|(name, _)| name).collect();
    config.origins.file_variables = of_files;
    error::finish(config, report)
}

/// Whether a file of that name is in the YAML format.
fn is_yaml(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml")
}

/// Reads a file, whose `bytes` these are, into `source`.
fn read_file(path: &Path, bytes: Vec<u8>, role: Role, source: &mut Source<'_>) {
    if is_yaml(path) {
        yaml::read(path, &bytes, source);
    } else {
        classic::read(path, bytes, role, source);
    }
}

#[cfg(test)]
mod tests;

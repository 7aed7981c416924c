//! Around the path, cli: the options of Fluent Bit → a configuration, and how to run it.
//!
//! Reference: `flb_main_run` in `src/fluent-bit.c`.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::{Arg, Parser};

use super::{CliError, Command};
use crate::config::{CommandLine, SectionKind};

/// Levels of the log, each with more in it than the one before.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// The level from which `-v` counts.
const LEVEL_DEFAULT: usize = 3;

/// How to route logs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RunOptions {
    /// The configuration, beside that of the command line.
    pub config_file: Option<PathBuf>,
    /// What the command line says itself.
    pub command_line: CommandLine,
    /// Plugins of Fluent Bit that were to be loaded.
    pub plugins_ignored: Vec<PathBuf>,
    /// Other options that do nothing here.
    pub without_effect: Vec<String>,
    /// The folder to work in.
    pub workdir: Option<PathBuf>,
    /// Whether to end once the configuration is read.
    pub dry_run: bool,
}

/// A plugin that is asked about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Plugin {
    /// Whether it is an input, a filter or an output.
    pub kind: SectionKind,
    /// Its name.
    pub name: String,
}

/// What an option does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Config,
    DryRun,
    Workdir,
    Help,
    Schema,
    Version,
    /// Names a plugin of Fluent Bit to load.
    Load,
    /// Begins a plugin.
    Plugin(SectionKind),
    /// Is an option of the last plugin.
    Option(&'static str),
    /// Names and sets an option of the last plugin.
    Property,
    /// Gives the tags of the last plugin.
    Match,
    /// Is a stream task.
    Task,
    /// Gives a setting of the process.
    Set(&'static str),
    /// Gives a setting of the process this value.
    Switch(&'static str, &'static str),
    /// Logs more.
    More,
    /// Logs nothing.
    Quiet,
    /// Does nothing here.
    Nothing,
    /// Does nothing here, and has a value.
    NothingWith,
}

/// An option: its letter, its long names, and what it does.
type Flag = (Option<char>, &'static [&'static str], Act);

const FLAGS: [Flag; 34] = [
    (Some('c'), &["config"], Act::Config),
    (Some('D'), &["dry-run"], Act::DryRun),
    (Some('w'), &["workdir"], Act::Workdir),
    (Some('h'), &["help"], Act::Help),
    (Some('J'), &["help-json"], Act::Schema),
    (Some('V'), &["version"], Act::Version),
    (Some('e'), &["plugin"], Act::Load),
    (Some('i'), &["input"], Act::Plugin(SectionKind::Input)),
    (Some('F'), &["filter"], Act::Plugin(SectionKind::Filter)),
    (Some('o'), &["output"], Act::Plugin(SectionKind::Output)),
    (Some('C'), &["custom"], Act::Plugin(SectionKind::WithoutEffect)),
    (Some('t'), &["tag"], Act::Option("tag")),
    (Some('p'), &["prop"], Act::Property),
    (Some('m'), &["match"], Act::Match),
    (Some('T'), &["sp-task"], Act::Task),
    (Some('b'), &["storage_path"], Act::Set("storage.path")),
    (Some('f'), &["flush"], Act::Set("flush")),
    (Some('l'), &["log_file"], Act::Set("log_file")),
    (Some('R'), &["parser"], Act::Set("parsers_file")),
    (Some('L'), &["http_listen"], Act::Set("http_listen")),
    (Some('P'), &["http_port", "port"], Act::Set("http_port")),
    (Some('s'), &["coro_stack_size"], Act::Set("coro_stack_size")),
    (Some('H'), &["http_server", "http"], Act::Switch("http_server", "on")),
    (Some('d'), &["daemon"], Act::Switch("daemon", "on")),
    (Some('Y'), &["enable-hot-reload"], Act::Switch("hot_reload", "on")),
    (Some('Z'), &["enable-chunk-trace"], Act::Switch("enable_chunk_trace", "on")),
    (
        Some('W'),
        &["disable-thread-safety-on-hot-reload"],
        Act::Switch("hot_reload.ensure_thread_safety", "off"),
    ),
    (None, &["enable-fips"], Act::Switch("security.fips_mode", "on")),
    (Some('v'), &["verbose"], Act::More),
    (Some('q'), &["quiet"], Act::Quiet),
    (Some('S'), &["sosreport"], Act::Nothing),
    (None, &["supervisor"], Act::Nothing),
    (None, &["trace", "trace-input"], Act::NothingWith),
    (None, &["trace-output", "trace-output-property"], Act::NothingWith),
];

/// Reads the options.
pub(super) fn read(arguments: Vec<OsString>) -> Result<Command, CliError> {
    let mut reader = Reader {
        total: arguments.len(),
        parser: Parser::from_args(arguments),
        at: 0,
        options: RunOptions::default(),
        plugin: None,
        level: None,
    };
    while let Some((act, shown)) = reader.next()? {
        if let Some(command) = reader.act(act, shown)? {
            return Ok(command);
        }
    }
    Ok(Command::Run(reader.options()))
}

struct Reader {
    parser: Parser,
    /// All arguments.
    total: usize,
    /// The argument that is being read, from 1.
    at: u32,
    options: RunOptions,
    /// The last plugin.
    plugin: Option<Plugin>,
    /// How much to log, if the command line says so.
    level: Option<usize>,
}

impl Reader {
    /// The next option, and how the user has written it.
    fn next(&mut self) -> Result<Option<(Act, String)>, CliError> {
        if let Some(left) = self.parser.try_raw_args().map(|left| left.as_slice().len()) {
            self.at = u32::try_from(self.total - left + 1).unwrap_or(u32::MAX);
        }
        let Some(argument) = self.parser.next()? else { return Ok(None) };
        let found = FLAGS.iter().find(|(short, long, _)| match &argument {
            Arg::Short(letter) => *short == Some(*letter),
            Arg::Long(name) => long.contains(name),
            Arg::Value(_) => false,
        });
        let shown = match &argument {
            Arg::Short(letter) => format!("-{letter}"),
            Arg::Long(name) => format!("--{name}"),
            Arg::Value(_) => String::new(),
        };
        match found {
            Some((_, _, act)) => Ok(Some((*act, shown))),
            None => Err(argument.unexpected().into()),
        }
    }

    /// Does what an option says; a command if that is all there is to do.
    fn act(&mut self, act: Act, shown: String) -> Result<Option<Command>, CliError> {
        match act {
            Act::Help => {
                let plugin = self.plugin.take();
                return Ok(Some(plugin.map_or(Command::Help, Command::HelpPlugin)));
            }
            Act::Schema => return Ok(Some(Command::Schema(self.plugin.take()))),
            Act::Version => return Ok(Some(Command::Version)),
            Act::Config => self.options.config_file = Some(self.path()?),
            Act::Workdir => self.options.workdir = Some(self.path()?),
            Act::DryRun => self.options.dry_run = true,
            Act::Load => {
                let path = self.path()?;
                self.options.plugins_ignored.push(path);
            }
            Act::Plugin(kind) => {
                let name = self.text(&shown)?;
                self.options.command_line.plugin(self.at, kind, &name);
                self.plugin = Some(Plugin { kind, name });
            }
            Act::Option(key) => {
                let value = self.text(&shown)?;
                self.option(shown, key, &value)?;
            }
            Act::Property => {
                let property = self.text(&shown)?;
                let (key, value) = property.split_once('=').ok_or(CliError::NoProperty)?;
                self.option(shown, key, value)?;
            }
            Act::Match => {
                let pattern = self.text(&shown)?;
                // Fluent Bit overlooks the tags of an input too.
                if self.plugin.as_ref().is_none_or(|plugin| plugin.kind != SectionKind::Input) {
                    self.option(shown, "match", &pattern)?;
                }
            }
            Act::Task => {
                let sql = self.text(&shown)?;
                self.options.command_line.stream_task(self.at, &sql);
            }
            Act::Set(key) => {
                let value = self.text(&shown)?;
                self.options.command_line.set(self.at, key, &value);
            }
            Act::Switch(key, value) => self.options.command_line.set(self.at, key, value),
            Act::More => {
                let level = self.level.unwrap_or(LEVEL_DEFAULT) + 1;
                self.level = Some(level.min(LEVELS.len() - 1));
            }
            Act::Quiet => self.level = Some(0),
            Act::Nothing => self.options.without_effect.push(shown),
            Act::NothingWith => {
                self.text(&shown)?;
                self.options.without_effect.push(shown);
            }
        }
        Ok(None)
    }

    fn options(mut self) -> RunOptions {
        if let Some(level) = self.level.and_then(|level| LEVELS.get(level)) {
            self.options.command_line.set(self.at, "log_level", level);
        }
        self.options
    }

    fn option(&mut self, shown: String, key: &str, value: &str) -> Result<(), CliError> {
        let is_there = self.options.command_line.option(self.at, key, value);
        if is_there { Ok(()) } else { Err(CliError::NoPlugin { option: shown }) }
    }

    fn path(&mut self) -> Result<PathBuf, CliError> {
        Ok(PathBuf::from(self.parser.value()?))
    }

    fn text(&mut self, shown: &str) -> Result<String, CliError> {
        let value = self.parser.value()?;
        value.into_string().map_err(|_| CliError::NotText { option: shown.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::parse;

    fn read(arguments: &[&str]) -> Result<Command, String> {
        parse(arguments.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn run(line: &str) -> RunOptions {
        let arguments: Vec<_> = line.split_whitespace().collect();
        match read(&arguments) {
            Ok(Command::Run(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn settings(settings: &[(u32, &str, &str)]) -> CommandLine {
        let mut line = CommandLine::default();
        settings.iter().for_each(|(at, key, value)| line.set(*at, key, value));
        line
    }

    #[test]
    fn the_command_line_of_the_image_runs() {
        let options = run("-e /fluent-bit/firehose.so -e /fluent-bit/cloudwatch.so \
            -c /fluent-bit/etc/fluent-bit.conf -R /init/parsers.conf");
        assert_eq!(options.config_file, Some(PathBuf::from("/fluent-bit/etc/fluent-bit.conf")));
        assert_eq!(options.plugins_ignored.len(), 2);
        assert_eq!(options.command_line, settings(&[(7, "parsers_file", "/init/parsers.conf")]));
        assert!(!options.dry_run && options.workdir.is_none());
        assert_eq!(run(""), RunOptions::default());
    }

    #[test]
    fn a_pipeline_is_plugins_with_their_options() {
        let mut expected = CommandLine::default();
        expected.plugin(1, SectionKind::Input, "dummy");
        expected.option(3, "tag", "a");
        expected.plugin(5, SectionKind::Filter, "grep");
        expected.option(7, "match", "*");
        expected.option(9, "regex", "log a=b");
        expected.plugin(11, SectionKind::Output, "stdout");
        expected.option(13, "format", "json");
        expected.option(15, "match", "*");
        let arguments = [
            "-i",
            "dummy",
            "-t",
            "a",
            "-F",
            "grep",
            "-m",
            "*",
            "-p",
            "regex=log a=b",
            "-o",
            "stdout",
            "-p",
            "format=json",
            "-m",
            "*",
        ];
        let Ok(Command::Run(options)) = read(&arguments) else { panic!("it runs") };
        assert_eq!(options.command_line, expected);
        let long = [
            "--input=dummy",
            "--tag",
            "a",
            "--filter",
            "grep",
            "--match=*",
            "--prop",
            "regex=log a=b",
            "--output=stdout",
            "--prop=format=json",
            "--match",
            "*",
        ];
        let Ok(Command::Run(long)) = read(&long) else { panic!("it runs") };
        assert!(long.command_line.has_pipeline());
    }

    #[test]
    fn settings_of_the_process_have_fluent_bits_letters() {
        let options = run("-f 2 -b /buf -l f.log -HL 127.0.0.1 -P 80 -ds 4096 -YZW -w / -D");
        let expected = [
            (1, "flush", "2"),
            (3, "storage.path", "/buf"),
            (5, "log_file", "f.log"),
            (7, "http_server", "on"),
            (7, "http_listen", "127.0.0.1"),
            (9, "http_port", "80"),
            (11, "daemon", "on"),
            (11, "coro_stack_size", "4096"),
            (13, "hot_reload", "on"),
            (13, "enable_chunk_trace", "on"),
            (13, "hot_reload.ensure_thread_safety", "off"),
        ];
        assert_eq!(options.command_line, settings(&expected));
        assert_eq!((options.workdir, options.dry_run), (Some(PathBuf::from("/")), true));
        let long = run("--flush=2 --storage_path /buf --log_file f.log --http_server \
            --http_listen 127.0.0.1 --http_port 80 --daemon --coro_stack_size 4096 \
            --enable-hot-reload --enable-chunk-trace --disable-thread-safety-on-hot-reload");
        let keys = |line: CommandLine| format!("{line:?}").matches("key:").count();
        assert_eq!(keys(long.command_line), expected.len());
    }

    #[test]
    fn more_words_and_none_change_the_level_of_the_log() {
        for (line, level) in [
            ("-v", "debug"),
            ("-vv", "trace"),
            ("-vvvvv", "trace"),
            ("-q", "off"),
            ("-qv", "error"),
            ("--verbose --quiet", "off"),
        ] {
            let shown = format!("{:?}", run(line).command_line);
            assert!(shown.contains(&format!("\"{level}\"")), "{line}: {shown}");
        }
    }

    #[test]
    fn what_does_nothing_here_is_kept_to_be_told_of() {
        let options = run("-S --supervisor --trace x --trace-input y --enable-fips");
        assert_eq!(options.without_effect, ["-S", "--supervisor", "--trace", "--trace-input"]);
        assert_eq!(options.command_line, settings(&[(7, "security.fips_mode", "on")]));
        let mut expected = CommandLine::default();
        expected.plugin(1, SectionKind::WithoutEffect, "calyptia");
        assert_eq!(run("-C calyptia").command_line, expected);
    }

    #[test]
    fn an_option_needs_a_plugin_before_it() {
        let expected = Err("expected -i, -F or -o before option -p".to_owned());
        assert_eq!(read(&["-p", "a=b", "-i", "tcp"]), expected);
        assert_eq!(
            read(&["-i", "tcp", "-p", "a"]),
            Err("expected KEY=VALUE after option -p".to_owned())
        );
        assert_eq!(
            run("-i tcp -m x").command_line,
            run("-i tcp").command_line,
            "an input has no tags to match"
        );
    }

    #[test]
    fn help_is_about_the_plugin_before_it() {
        let plugin = |kind, name: &str| Plugin { kind, name: name.to_owned() };
        assert_eq!(read(&["-h"]), Ok(Command::Help));
        assert_eq!(read(&["--help"]), Ok(Command::Help));
        let expected = Command::HelpPlugin(plugin(SectionKind::Output, "null"));
        assert_eq!(read(&["-i", "tcp", "-o", "null", "-h"]), Ok(expected));
        assert_eq!(read(&["-J"]), Ok(Command::Schema(None)));
        let expected = Command::Schema(Some(plugin(SectionKind::Filter, "grep")));
        assert_eq!(read(&["-F", "grep", "-J"]), Ok(expected));
        assert_eq!(read(&["-V"]), Ok(Command::Version));
    }

    proptest::proptest! {
        #[test]
        fn no_arguments_make_it_panic(arguments in proptest::collection::vec(
            "-[a-zA-Z]{1,3}|--[a-z_-]{1,12}(=x)?|[a-z=*]{0,4}|check|local", 0..8)) {
            let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
            let _ = read(&arguments);
        }
    }
}

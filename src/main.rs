//! The program: reads the command line, does what it says, ends with an exit status.
//!
//! Of a sidecar: log → configuration → sockets → run → signal → drain → account.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use firelane::check::{self, External, Launch, Request, Severity};
use firelane::cli::{self, CheckOptions, Command, EXIT_USAGE, RunOptions};
use firelane::config::{self, Config, Disk, Environment, Errors, LogLevel, Service};
use firelane::lifecycle::signal::Signals;
use firelane::lifecycle::{Ending, StopReceiver, StopSender, stop_channel};
use firelane::memory::WorstCase;
use firelane::pipeline::{Account, Enrichment, reading_runtime};
use firelane::sidecar::Sidecar;
use firelane::telemetry::log;
use firelane::{clock, healthcheck};
use tokio::runtime;

use tracing::level_filters::LevelFilter;

/// Exit status of a sidecar that could not deliver all it held.
const EXIT_LEFT: u8 = 2;
/// Exit status of a sidecar that ended itself: at a record that a filter `expect` is to end it for, as
/// Fluent Bit's, or after `SEND_FAILURE_TIMEOUT`.
const EXIT_UNEXPECTED: u8 = 255;

fn main() -> ExitCode {
    let started = clock::now();
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            print(cli::USAGE);
            return fail(&error.to_string());
        }
    };
    // One thread reads and waits; what delivers has its own.
    let runtime = match reading_runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}")),
    };
    match command {
        Command::Run(options) => run(&runtime, options, started),
        Command::Check(options) => check(options),
        Command::Healthcheck(options) => {
            ExitCode::from(u8::from(!runtime.block_on(healthcheck::run(options.port))))
        }
        #[cfg(feature = "local")]
        Command::Local(options) => local(&runtime, options),
        #[cfg(feature = "local")]
        Command::Demo(options) => demo(&runtime, options, started),
        #[cfg(not(feature = "local"))]
        Command::Local(_) | Command::Demo(_) => {
            fail("this build leaves out the local endpoints; build with the feature local")
        }
        Command::Version => print(concat!("Firelane v", env!("CARGO_PKG_VERSION"), "\n")),
        Command::Help => print(cli::USAGE),
        Command::HelpPlugin(plugin) => {
            tell(&plugin, config::plugin_help(plugin.kind, &plugin.name))
        }
        Command::Schema(None) => print(&config::schema()),
        Command::Schema(Some(plugin)) => {
            tell(&plugin, config::plugin_schema(plugin.kind, &plugin.name))
        }
    }
}

fn run(runtime: &runtime::Runtime, options: RunOptions, started: Instant) -> ExitCode {
    if let Some(folder) = &options.workdir
        && let Err(error) = std::env::set_current_dir(folder)
    {
        return fail(&format!("cannot work in {}: {error}", folder.display()));
    }
    let environment = environment();
    let RunOptions { config_file, command_line, plugins_ignored, without_effect, dry_run, .. } =
        options;
    let (config, enrichment) = if config_file.is_some() || command_line.has_pipeline() {
        let path = config_file.as_deref();
        (config::load_with(command_line, path, &Disk, &environment), Enrichment::Off)
    } else {
        (config::embedded_with(&command_line, &environment), Enrichment::On)
    };
    let config = match config {
        Ok(config) => config,
        Err(errors) => return refuse(&errors),
    };
    let Service { log_level, log_file, .. } = &config.service;
    if let Err(error) = log::start(filter(*log_level), log_file.as_deref()) {
        tracing::warn!("cannot log to the file of log_file: {error}");
    }
    config.notes.iter().for_each(|note| tracing::warn!("{note}"));
    for plugin in plugins_ignored {
        tracing::info!("plugin {} is not loaded: its outputs are built in", plugin.display());
    }
    for option in without_effect {
        tracing::warn!("option {option} has no effect in Firelane");
    }
    if dry_run {
        complain("configuration test is successful");
        return ExitCode::SUCCESS;
    }
    runtime.block_on(serve(config, enrichment, &environment, started))
}

async fn serve(
    config: Config,
    enrichment: Enrichment,
    environment: &Environment,
    started: Instant,
) -> ExitCode {
    let grace = config.service.grace;
    // Caught from here on: a signal that comes while sockets are bound is not lost.
    let signals = match Signals::install() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot catch signals: {error}")),
    };
    let sidecar = match Sidecar::start(config, enrichment, environment, started).await {
        Ok(sidecar) => sidecar,
        Err(error) => return fail(&error.to_string()),
    };
    for (input, address) in sidecar.addresses() {
        tracing::info!("{input}: listening on {address}");
    }
    tell_memory(sidecar.memory());
    let (sender, receiver) = stop_channel();
    let alarm = sidecar.alarm();
    let account = run_until_signal(sidecar, signals, grace, (sender, receiver)).await;
    let status = close(&account);
    match alarm.ending() {
        Some(Ending::Unexpected) => ExitCode::from(EXIT_UNEXPECTED),
        // A command that failed says more than that records were left.
        Some(Ending::Done(failed @ 1..)) => ExitCode::from(failed),
        Some(Ending::Done(0)) | None => status,
    }
}

/// One line says what the process may hold at most, and what for.
fn tell_memory(memory: &WorstCase) {
    if memory.is_within_limit() {
        tracing::info!("memory: {memory}");
    } else {
        tracing::warn!(
            "memory: {memory}: it may be killed; raise the limit, or lower Buffer_Max_Size of forward \
             inputs and the number of outputs"
        );
    }
}

async fn run_until_signal(
    sidecar: Sidecar,
    mut signals: Signals,
    grace: Duration,
    (sender, receiver): (StopSender, StopReceiver),
) -> Account {
    let alarm = sidecar.alarm();
    let mut is_alarmed = false;
    let running = sidecar.run(receiver);
    tokio::pin!(running);
    loop {
        tokio::select! {
            account = &mut running => return account,
            () = alarm.raised(), if !is_alarmed => {
                is_alarmed = true;
                if alarm.ending() == Some(Ending::Unexpected) {
                    tracing::error!("ending, as the configuration wants it now");
                }
                tracing::info!("delivering what is held");
                sender.stop(clock::now(), grace);
            }
            name = signals.next() => {
                tracing::info!("caught signal ({name}); delivering what is held");
                sender.stop(clock::now(), grace);
            }
        }
    }
}

/// The last line says exactly what was delivered and what was not, and so does the exit status.
fn close(account: &Account) -> ExitCode {
    for (output, balance) in &account.outputs {
        tracing::info!("account of {output}: {balance}");
    }
    tracing::info!("account: {} lost={}", account.total(), account.lost());
    status(account)
}

fn status(account: &Account) -> ExitCode {
    if account.left() == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_LEFT) }
}

#[cfg(feature = "local")]
fn local(runtime: &runtime::Runtime, options: cli::LocalOptions) -> ExitCode {
    use firelane::local::command::run;
    let _ = log::start(tracing::Level::INFO, None);
    let ended = runtime.block_on(async {
        let mut signals = Signals::install().map_err(|error| error.to_string())?;
        let stopped = async move {
            signals.next().await;
        };
        run(options, stopped).await.map_err(|error| error.to_string())
    });
    ended.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

#[cfg(feature = "local")]
fn demo(runtime: &runtime::Runtime, options: cli::DemoOptions, started: Instant) -> ExitCode {
    let _ = log::start(tracing::Level::WARN, None);
    match runtime.block_on(firelane::demo::run(&options, &mut io::stdout(), started)) {
        Ok(account) => status(&account),
        Err(error) => fail(&error.to_string()),
    }
}

fn check(options: CheckOptions) -> ExitCode {
    let CheckOptions { file, json, tags, strict, externals, launch_type, print_config } = options;
    let launch = launch_type.and_then(Launch::of);
    let externals = externals.into_iter().map(|(path, file)| External { path, file }).collect();
    let request = Request { file, tags, externals, launch, ..Request::default() };
    let report = check::run(&request, &Disk, &environment());
    if print_config {
        let errors = report.findings.iter().filter(|one| one.severity == Severity::Error);
        errors.for_each(|error| complain(&error.to_string()));
    }
    let printed = match (&report.generated, print_config, json) {
        (Some(generated), true, _) => print(generated),
        (None, true, _) => fail("there is no generated configuration; is it a task definition?"),
        (_, false, true) => print(&report.json()),
        (_, false, false) => print(&report.text()),
    };
    if !report.is_accepted() {
        ExitCode::from(EXIT_USAGE)
    } else if strict && report.count(Severity::Warning) > 0 {
        ExitCode::FAILURE
    } else {
        printed
    }
}

/// Prints every error of a configuration.
fn refuse(errors: &Errors) -> ExitCode {
    complain(&errors.to_string());
    complain("the configuration cannot be used; `firelane check FILE` says more");
    ExitCode::from(EXIT_USAGE)
}

/// The variables that are text; others cannot stand in a configuration.
fn environment() -> Environment {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let hostname = hostname.map(|name| name.trim().to_owned());
    Environment::new(std::env::vars_os().filter_map(text), hostname)
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Prints what there is to say of a plugin.
fn tell(plugin: &cli::Plugin, text: Option<String>) -> ExitCode {
    match text {
        Some(text) => print(&text),
        None => fail(&format!("unknown plugin '{}'", plugin.name)),
    }
}

fn fail(text: &str) -> ExitCode {
    complain(&format!("firelane: {text}"));
    ExitCode::FAILURE
}

/// There is nobody left to tell if this fails.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

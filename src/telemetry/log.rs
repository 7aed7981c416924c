//! The process's own log: one line an incident, on standard error or in a file.
//!
//! In the shape that Fluent Bit's users look for: `[2026/11/21 13:05:59.123] [ info] [text]`, in
//! UTC.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use time::OffsetDateTime;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock;

/// Sets the process's log up: at the end of a file, or on standard error. A second call changes
/// nothing.
///
/// # Errors
///
/// The file cannot be opened; the log goes to standard error.
pub fn start(level: impl Into<LevelFilter>, file: Option<&Path>) -> io::Result<()> {
    let opened = file.map(|path| OpenOptions::new().create(true).append(true).open(path));
    let (file, opened) = match opened.transpose() {
        Ok(file) => (file, Ok(())),
        Err(error) => (None, Err(error)),
    };
    let log = tracing_subscriber::fmt().with_max_level(level).event_format(Line);
    // An error says that there is a log already: a test's, which keeps it.
    let _ = match file {
        Some(file) => log.with_writer(file).try_init(),
        None => log.with_writer(io::stderr).try_init(),
    };
    opened
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let since_1970 = i128::try_from(clock::unix_now().as_nanos()).unwrap_or_default();
        let at = OffsetDateTime::from_unix_timestamp_nanos(since_1970)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (year, month, day) = (at.year(), u8::from(at.month()), at.day());
        let (hour, minute, second, milli) = (at.hour(), at.minute(), at.second(), at.millisecond());
        write!(writer, "[{year:04}/{month:02}/{day:02} {hour:02}:{minute:02}:{second:02}.")?;
        write!(writer, "{milli:03}] [{}] ", padded(*event.metadata().level()))?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

fn padded(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => " warn",
        Level::INFO => " info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

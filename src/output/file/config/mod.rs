//! Step 6, output: the options of `file`.
//!
//! Reference: Fluent Bit's manual, "File"; `plugins/out_file`. Not known here: records and files.

use std::fmt;
use std::path::{Path, PathBuf};

use super::destination::{Action, Destination, Known, Named};
use super::format::{Delimiter, Format};
use super::pattern::Pattern;
use super::template::LineTemplate;
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::record::template::TemplateError;

/// What `on_missing_field` and `on_limit_reached` take.
const ACTIONS: Kind = Kind::Choice(&["error", "drop", "fallback"]);
/// A number of files.
const FILES: Kind = Kind::Integer { min: 0, max: 1_000_000 };

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("path", Kind::Text, "Folder of the files, else the working directory"),
    Row::new("file", Kind::Text, "Name of the file, else the tag of the records"),
    Row::new("enable_strftime", Kind::Bool, "Whether path and file hold times such as %Y")
        .or("false"),
    Row::new("max_dynamic_files", FILES, "Most files that fields and times name, 0 for any number")
        .or("1024"),
    Row::new("on_missing_field", ACTIONS, "What becomes of records that name no safe file")
        .or("error"),
    Row::new("on_limit_reached", ACTIONS, "What becomes of records for one file too many")
        .or("error"),
    Row::new("fallback_path", Kind::Text, "Folder of the file for records that have none"),
    Row::new("fallback_file", Kind::Text, "File for records that have none"),
    Row::new(
        "format",
        Kind::Choice(&["out_file", "plain", "csv", "ltsv", "template", "msgpack"]),
        "Form of the lines",
    )
    .or("out_file"),
    Row::new("delimiter", Kind::Text, "What parts fields: comma, tab or space; of csv and ltsv"),
    Row::new("label_delimiter", Kind::Text, "What parts keys and values: comma, tab or space"),
    Row::new("template", Kind::Text, "Lines of the format template").or("{time} {message}"),
    Row::new("csv_column_names", Kind::Bool, "Whether a file of csv begins with the keys")
        .or("false"),
    Row::new("mkdir", Kind::Bool, "Whether folders are made that are not there").or("false"),
    Row::new("rotate", Kind::Bool, "Whether a file that is full gets another name").or("false"),
    Row::new("rotate_max_size", Kind::Bytes, "Bytes from which on a file is full").or("100M"),
    Row::new("rotate_max_files", FILES, "Full files that are kept").or("7"),
    Row::new("rotate_gzip", Kind::Bool, "Whether full files are compressed").or("true"),
];

/// A `file` output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Where events go.
    pub destination: Destination,
    /// The form of their lines.
    pub format: Format,
    /// Whether folders are made that are not there.
    pub makes_folders: bool,
    /// When a file is full, and what becomes of it then.
    pub rotation: Option<Rotation>,
}

/// When a file is full, and what becomes of it then.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rotation {
    /// Bytes from which on it is full, at least one.
    pub bytes_max: u64,
    /// Full files that are kept, at least one.
    pub files_max: usize,
    /// Whether they are compressed.
    pub gzip: bool,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Refusal {
    #[error("must begin with a folder of its own, such as /logs/$TAG")]
    NoPrefix,
    #[error("is needed where path or file has fields or times in it, and for the word fallback")]
    NoFallback,
    #[error(transparent)]
    Pattern(TemplateError),
    #[error("must be at least 1")]
    Zero,
    #[error("holds a byte 0, which no name of a file can")]
    Nul,
}

/// What to know about a value for which another one holds.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("is no delimiter, the format's own holds; expected comma, tab, \\t or space")]
struct NoDelimiter;

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let format = format(options);
        let destination = destination(options);
        let rotation = options.bool("rotate").then(|| rotation(options)).flatten();
        let makes_folders = options.bool("mkdir");
        let config = Self { destination: destination?, format, makes_folders, rotation };
        (!options.is_refused()).then_some(config)
    }
}

fn format(options: &mut Options) -> Format {
    let delimiter = delimiter(options, "delimiter");
    let label_delimiter = self::delimiter(options, "label_delimiter");
    match options.text("format").unwrap_or_default().as_str() {
        "plain" => Format::Plain,
        "csv" => Format::Csv {
            delimiter: delimiter.unwrap_or(Delimiter::Comma),
            column_names: options.bool("csv_column_names"),
        },
        "ltsv" => Format::Ltsv {
            delimiter: delimiter.unwrap_or(Delimiter::Tab),
            label_delimiter: label_delimiter.unwrap_or(Delimiter::Colon),
        },
        "template" => {
            let text = options.text("template").unwrap_or_default();
            Format::Template(LineTemplate::parse(&text))
        }
        "msgpack" => Format::Msgpack,
        _ => Format::Tagged,
    }
}

/// Unknown delimiters are told of and passed over, as in Fluent Bit.
fn delimiter(options: &mut Options, name: &str) -> Option<Delimiter> {
    let text = options.text(name)?;
    let found = match text.to_ascii_lowercase().as_str() {
        "\\t" | "tab" => Some(Delimiter::Tab),
        "space" => Some(Delimiter::Space),
        "comma" => Some(Delimiter::Comma),
        _ => None,
    };
    if found.is_none() {
        options.remark(name, Remark::plugin(NoDelimiter));
    }
    found
}

fn destination(options: &mut Options) -> Option<Destination> {
    for name in ["path", "file", "fallback_path", "fallback_file"] {
        if options.text(name).is_some_and(|text| text.contains('\0')) {
            options.refuse(name, Fault::invalid(Refusal::Nul));
            return None;
        }
    }
    let (path, file) = (options.text("path"), options.text("file"));
    let is_named = [&path, &file]
        .into_iter()
        .flatten()
        .any(|text| text.contains('$') || (options.bool("enable_strftime") && text.contains('%')));
    let fallback =
        options.text("fallback_file").map(|file| join(options.text("fallback_path"), &file));
    let missing = action(options, "on_missing_field", fallback.as_ref());
    let beyond = action(options, "on_limit_reached", fallback.as_ref());
    let (missing, beyond) = (missing?, beyond?);
    if !is_named {
        return Some(match file {
            Some(file) => Destination::Fixed(join(path, &file)),
            None => Destination::OfTag { folder: path.map(PathBuf::from) },
        });
    }
    if path.as_ref().is_some_and(|path| path.starts_with('$')) {
        options.refuse("path", Fault::invalid(Refusal::NoPrefix));
    }
    if fallback.is_none() {
        options.refuse("fallback_file", Fault::invalid(Refusal::NoFallback));
    }
    let files_max = options.integer("max_dynamic_files").filter(|count| *count > 0);
    let folder = pattern(options, "path", path);
    let file = pattern(options, "file", file);
    let known = Known::default();
    let named = Named { folder, file, missing, beyond, files_max, known };
    (!options.is_refused()).then(|| Destination::Named(Box::new(named)))
}

fn pattern(options: &mut Options, name: &str, text: Option<String>) -> Option<Pattern> {
    match Pattern::parse(&text?, options.bool("enable_strftime")) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            options.refuse(name, Fault::invalid(Refusal::Pattern(error)));
            None
        }
    }
}

/// As Fluent Bit joins them: the file's name stands behind the folder's even if it begins with `/`.
fn join(folder: Option<String>, file: &str) -> PathBuf {
    match folder {
        Some(folder) => Path::new(&folder).join(file.trim_start_matches('/')),
        None => PathBuf::from(file),
    }
}

fn action(options: &mut Options, name: &str, fallback: Option<&PathBuf>) -> Option<Action> {
    match (options.text(name).unwrap_or_default().as_str(), fallback) {
        ("drop", _) => Some(Action::Drop),
        ("fallback", Some(path)) => Some(Action::Fallback(path.clone())),
        ("fallback", None) => {
            options.refuse("fallback_file", Fault::invalid(Refusal::NoFallback));
            None
        }
        _ => Some(Action::Refuse),
    }
}

fn rotation(options: &mut Options) -> Option<Rotation> {
    let bytes_max = options.bytes("rotate_max_size").filter(|bytes| *bytes > 0);
    let files_max = options.integer("rotate_max_files").filter(|count| *count > 0);
    for (name, is_good) in
        [("rotate_max_size", bytes_max.is_some()), ("rotate_max_files", files_max.is_some())]
    {
        if !is_good {
            options.refuse(name, Fault::invalid(Refusal::Zero));
        }
    }
    let gzip = options.bool("rotate_gzip");
    Some(Rotation { bytes_max: bytes_max?, files_max: files_max?, gzip })
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.destination {
            Destination::Fixed(path) => write!(f, "file {}", path.display()),
            Destination::OfTag { folder: Some(folder) } => {
                write!(f, "a file a tag in {}", folder.display())
            }
            Destination::OfTag { folder: None } => f.write_str("a file a tag"),
            Destination::Named(_) => f.write_str("files named by records"),
        }
    }
}

#[cfg(test)]
mod tests;

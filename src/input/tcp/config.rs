//! Step 1, input: the options of `tcp`.
//!
//! Reference: Fluent Bit's manual, "TCP" input. Not known here: sockets.

use std::sync::Arc;

use crate::input::admission;
use crate::option::tables::PORT;
use crate::option::{Fault, Kind, Options, Remark, Row, Table};
use crate::parser::Parser;

/// Where it listens. Of a repeated one the last counts.
pub const ADDRESS: Table = &[
    Row::new("listen", Kind::Text, "Address to listen on").or("0.0.0.0"),
    Row::new("port", PORT, "TCP port to listen on").or("5170"),
    Row::new("host", Kind::Text, "Host of the input").without_effect(),
];

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new(
        "format",
        Kind::Choice(&["json", "none"]),
        "What is sent: JSON objects, or lines of text",
    )
    .or("json"),
    Row::new("separator", Kind::Text, "What ends a line with format none").or("\\n"),
    Row::new("chunk_size", Kind::Kibibytes, "Kilobytes to read at once").or("32"),
    Row::new(
        "buffer_size",
        Kind::Kibibytes,
        "Kilobytes of the largest object or line; as chunk_size if not set",
    ),
    Row::new("source_address_key", Kind::Text, "Key under which to add the peer's address"),
    Row::new("parser", Kind::Text, "Parser for each line; with it the format is none"),
    Row::new("workers", Kind::Text, "Threads of the input").without_effect(),
];

/// A `tcp` input.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
    /// Address or host name to listen on.
    pub listen: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// What peers send.
    pub format: Format,
    /// What ends a line with [`Format::None`]; never empty.
    pub separator: Vec<u8>,
    /// Largest object or line, inclusive.
    pub object_bytes_max: usize,
    /// Key under which the peer's address is added to each record.
    pub source_address_key: Option<String>,
    /// What takes each line apart, with [`Format::None`] only.
    pub parser: Option<Arc<Parser>>,
    /// How peers are let in.
    pub admission: admission::Config,
}

/// What peers of a `tcp` input send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// JSON objects one after the other.
    Json,
    /// Lines of text.
    None,
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// A size of nothing.
    #[error("expected a size of at least 1 kilobyte")]
    ZeroBytes,
    /// A parser that nobody defines.
    #[error("no parser of this name is defined; name its file with Parsers_File in [SERVICE]")]
    NoParser,
}

/// What to know about options that can be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// A parser for lines beside a format of JSON.
    #[error("takes lines, so that the format is none")]
    Lines,
}

impl Config {
    /// Reads the options; `None` after a problem was reported. `find` knows the parsers by name.
    pub fn from_options(
        options: &mut Options,
        find: impl Fn(&str) -> Option<Arc<Parser>>,
    ) -> Option<Self> {
        let name = if options.is_set("buffer_size") { "buffer_size" } else { "chunk_size" };
        let object_bytes_max = options.bytes(name).and_then(|bytes| usize::try_from(bytes).ok())?;
        if object_bytes_max == 0 {
            options.refuse(name, Fault::invalid(Refusal::ZeroBytes));
        }
        let name = options.text("parser");
        let parser = name.as_deref().and_then(find);
        if name.is_some() && parser.is_none() {
            options.refuse("parser", Fault::invalid(Refusal::NoParser));
        }
        let is_json = options.text("format").as_deref() == Some("json");
        if is_json && parser.is_some() {
            options.remark("parser", Remark::plugin(Advice::Lines));
        }
        let config = Self {
            listen: options.text("listen")?,
            port: options.integer("port")?,
            format: if is_json && parser.is_none() { Format::Json } else { Format::None },
            separator: unescaped(&options.text("separator")?),
            object_bytes_max,
            source_address_key: options.text("source_address_key"),
            parser,
            admission: admission::Config::from_options(options)?,
        };
        (!options.is_refused()).then_some(config)
    }
}

/// `\n`, `\r`, `\t`, `\0`, `\\` and `\xHH` stand for a byte; other backslashes for themselves.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after.split_first()) {
            (b'\\', Some((b'n', after))) => (b'\n', after),
            (b'\\', Some((b'r', after))) => (b'\r', after),
            (b'\\', Some((b't', after))) => (b'\t', after),
            (b'\\', Some((b'0', after))) => (0, after),
            (b'\\', Some((b'\\', after))) => (b'\\', after),
            (b'\\', Some((b'x', after))) => match hex(after) {
                Some(found) => found,
                None => (*first, rest.get(1..).unwrap_or_default()),
            },
            (first, _) => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    bytes
}

fn hex(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, after) = text.split_at_checked(2)?;
    let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
    Some((u8::from_str_radix(digits, 16).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};
    use crate::parser::fixture;
    use crate::tls::SERVER_OPTIONS;

    fn read(lines: &[(&str, &str)]) -> Option<Config> {
        let shared = &[ADDRESS, admission::OPTIONS, SERVER_OPTIONS];
        let mut options = Options::read(section(lines), OPTIONS, shared, Policy::Plugin);
        let known = Arc::new(fixture::parser("known", &[("format", "json")]));
        Config::from_options(&mut options, |name| (name == "known").then(|| Arc::clone(&known)))
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS, ADDRESS]), None);
    }

    #[test]
    fn without_options_it_reads_json_of_32_kib_on_5170() {
        let expected = Config {
            listen: "0.0.0.0".to_owned(),
            port: 5_170,
            format: Format::Json,
            separator: vec![b'\n'],
            object_bytes_max: 32_768,
            source_address_key: None,
            parser: None,
            admission: read(&[]).unwrap().admission,
        };
        assert_eq!(read(&[]), Some(expected));
    }

    #[test]
    fn a_buffer_size_is_in_kilobytes() {
        let config =
            read(&[("Chunk_Size", "32"), ("Buffer_Size", "64"), ("Format", "NONE")]).unwrap();
        assert_eq!((config.object_bytes_max, config.format), (65_536, Format::None));
        assert_eq!(read(&[("chunk_size", "64")]).unwrap().object_bytes_max, 65_536);
        assert_eq!(read(&[("buffer_size", "0")]), None);
    }

    #[test]
    fn a_separator_may_be_escaped() {
        let cases: [(&str, &[u8]); 6] = [
            ("|", b"|"),
            (r"\r\n", b"\r\n"),
            (r"\x00a", b"\0a"),
            (r"\q", b"\\q"),
            (r"a\", b"a\\"),
            (r"\xZ", b"\\xZ"),
        ];
        for (text, bytes) in cases {
            assert_eq!(read(&[("separator", text)]).unwrap().separator, bytes, "{text}");
        }
    }

    #[test]
    fn a_parser_takes_lines_and_has_to_be_defined() {
        let config = read(&[("parser", "known"), ("format", "json")]).unwrap();
        assert_eq!((config.format, config.parser.is_some()), (Format::None, true));
        assert_eq!(read(&[("parser", "json"), ("format", "none")]), None);
    }
}

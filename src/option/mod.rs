//! Around the path, option: the kit for declaring options, one row an option.
//!
//! From the rows come parsing (`reader`), the hint at the nearest name (`nearest`) and the reference
//! for users. Not known here: which plugins there are, and the files options come from.

mod held;
pub mod nearest;
mod problem;
mod reader;
pub mod tables;
pub mod tokens;
mod value;

pub use held::Held;
pub use problem::{Fault, Note, PROBLEMS_MAX, Place, Problem, Remark, Report, Subject};
pub use reader::{Options, Policy, Section, Setting};
pub use value::{Leniency, Parsed, RetryLimit, Value, parse};

/// The options of a plugin, or of several.
pub type Table = &'static [Row];

/// One option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// The name, in lower case; users may write it in any.
    pub name: &'static str,
    /// Other names of the same option.
    pub aliases: &'static [&'static str],
    /// What its value has to be.
    pub kind: Kind,
    /// What holds where the option is not set, written as a user would write it.
    pub default: Option<&'static str>,
    /// One sentence for the reference.
    pub doc: &'static str,
    /// May be given more than once, and each counts.
    pub multi: bool,
    /// What becomes of it here.
    pub effect: Effect,
}

/// What a value has to be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `true`, `on`, `yes`, `false`, `off`, `no`.
    Bool,
    /// A whole number within limits, both inclusive.
    Integer {
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// A file mode: `0660`.
    Octal,
    /// A number of bytes; `k`, `m`, `g` (also `kb`, `mb`, `gb`) are powers of 1,000; `false` is 0.
    Bytes,
    /// A number of KiB without a suffix; with one as [`Kind::Bytes`].
    Kibibytes,
    /// Seconds, also fractions; `s`, `m`, `h`, `d` may follow.
    Seconds,
    /// As [`Kind::Seconds`]; `-1` never ends.
    SecondsOrForever,
    /// Any text.
    Text,
    /// Any text, which is never shown.
    Secret,
    /// Texts with commas between them.
    List,
    /// One of these words, in any case.
    Choice(&'static [&'static str]),
    /// How often a batch that could not be sent may be sent again.
    RetryLimit,
}

/// What becomes of an option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effect {
    /// It does what its text says.
    Full,
    /// Accepted, because configurations for Fluent Bit have it, and of no meaning here.
    None,
    /// Refused: leaving it out would change what happens to records or who may read them.
    Unsupported,
}

impl Row {
    /// A row with an effect, without default and aliases, given at most once.
    #[must_use]
    pub const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, aliases: &[], kind, default: None, doc, multi: false, effect: Effect::Full }
    }

    /// The row with a default.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// The row with further names.
    #[must_use]
    pub const fn also(self, aliases: &'static [&'static str]) -> Self {
        Self { aliases, ..self }
    }

    /// The row, which may be given several times.
    #[must_use]
    pub const fn many(self) -> Self {
        Self { multi: true, ..self }
    }

    /// The row, accepted and without meaning here.
    #[must_use]
    pub const fn without_effect(self) -> Self {
        Self { effect: Effect::None, ..self }
    }

    /// The row, refused wherever it is set.
    #[must_use]
    pub const fn unsupported(self) -> Self {
        Self { effect: Effect::Unsupported, ..self }
    }

    /// Whether `key` is one of the option's names.
    #[must_use]
    pub fn is_called(&self, key: &str) -> bool {
        self.names().any(|name| name.eq_ignore_ascii_case(key))
    }

    /// The option's names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

/// Checks a table as the tests of each plugin do: names are unique and in lower case, every row has
/// a sentence, every default is a value of the row's kind. The first row that fails comes back.
#[cfg(test)]
pub(crate) fn first_bad_row(tables: &[Table]) -> Option<&'static str> {
    let mut names = Vec::new();
    for row in tables.iter().flat_map(|table| table.iter()) {
        let is_good = row.doc.len() > 10
            && row.doc.starts_with(char::is_uppercase)
            && !row.doc.ends_with('.')
            && row.names().all(|name| name == name.to_ascii_lowercase() && !names.contains(&name))
            && row.default.is_none_or(|text| {
                parse(row.kind, text).is_some_and(|parsed| parsed.leniency.is_none())
            });
        if !is_good {
            return Some(row.name);
        }
        names.extend(row.names());
    }
    None
}

/// A section of these lines, the first at `test.conf:1`.
#[cfg(test)]
pub(crate) fn section(lines: &[(&str, &str)]) -> Section {
    let file: std::sync::Arc<str> = std::sync::Arc::from("test.conf");
    let settings = (1..).zip(lines).map(|(line, (key, value))| Setting {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        written: (*value).to_owned(),
        place: Place { file: file.clone(), line },
    });
    let settings = settings.collect();
    Section {
        title: "[TEST] test".to_owned(),
        place: Place { file: file.clone(), line: 0 },
        settings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: Table = &[
        Row::new("listen", Kind::Text, "Address to listen on").or("0.0.0.0").also(&["host"]),
        Row::new("workers", Kind::Text, "Threads of the input").without_effect(),
    ];

    #[test]
    fn a_row_answers_to_each_of_its_names_in_any_case() {
        assert!(
            ROWS[0].is_called("LISTEN") && ROWS[0].is_called("host") && !ROWS[0].is_called("hos")
        );
    }

    #[test]
    fn a_bad_row_is_found() {
        const BAD_DEFAULT: Table =
            &[Row::new("flag", Kind::Bool, "A flag of some kind").or("maybe")];
        const NO_DOC: Table = &[Row::new("flag", Kind::Bool, "")];
        assert_eq!(first_bad_row(&[ROWS]), None);
        assert_eq!(first_bad_row(&[BAD_DEFAULT]), Some("flag"));
        assert_eq!(first_bad_row(&[NO_DOC]), Some("flag"));
        assert_eq!(first_bad_row(&[ROWS, ROWS]), Some("listen"), "the same name twice");
    }

    #[test]
    fn the_shared_tables_are_sound() {
        for table in tables::ALL {
            assert_eq!(first_bad_row(&[table]), None);
        }
    }
}

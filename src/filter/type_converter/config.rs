//! Step 3, filter: the options of `type_converter`.
//!
//! Reference: Fluent Bit's manual, "Type Converter" filter; `plugins/filter_type_converter` and
//! `flb_typecast.c`. Not known here: records.

use std::fmt;

use crate::option::{Fault, Kind, Options, Remark, Row, Table, tokens};
use crate::record::accessor::{Accessor, AccessorError};

/// Words of a rule: the key to read, the key to write, the type.
const WORDS: usize = 3;

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("str_key", Kind::Text, "KEY NEW_KEY TYPE: a text as a value of another type").many(),
    Row::new("int_key", Kind::Text, "KEY NEW_KEY TYPE: a whole number as a value of another type")
        .many(),
    Row::new("uint_key", Kind::Text, "KEY NEW_KEY TYPE: as int_key, never below 0").many(),
    Row::new("float_key", Kind::Text, "KEY NEW_KEY TYPE: a float as a value of another type")
        .many(),
];

/// A `type_converter` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// What is converted: texts first, then whole numbers, then floats, as Fluent Bit orders them.
    pub rules: Vec<Rule>,
}

/// One conversion.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The value to read.
    pub from: Accessor,
    /// What it has to be.
    pub source: Source,
    /// The key of the new field.
    pub to: String,
    /// What the new value is.
    pub target: Target,
}

/// What a value has to be to be converted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// `str_key`
    Text,
    /// `int_key`
    Int,
    /// `uint_key`
    Uint,
    /// `float_key`
    Float,
}

/// What a value is converted to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// A whole number.
    Int,
    /// A whole number of 0 or more.
    Uint,
    /// A float.
    Float,
    /// A whole number, of hexadecimal digits.
    Hex,
    /// A text.
    Text,
    /// `true` or `false`.
    Bool,
}

/// What to know about a rule that converts nothing.
#[derive(Clone, Debug, thiserror::Error)]
enum Advice {
    #[error("converts nothing: expected KEY NEW_KEY TYPE")]
    Words,
    #[error("converts nothing: unknown type '{0}', expected int, uint, float, hex, string or bool")]
    UnknownType(String),
    #[error("converts nothing: {0}")]
    Key(#[from] AccessorError),
}

/// Why the options cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected at least one str_key, int_key, uint_key or float_key that can be used")]
struct NoRules;

impl Config {
    /// Reads the options; `None` after a problem was reported.
    pub fn from_options(options: &mut Options) -> Option<Self> {
        let sources = [
            ("str_key", Source::Text),
            ("int_key", Source::Int),
            ("uint_key", Source::Uint),
            ("float_key", Source::Float),
        ];
        let mut rules = Vec::new();
        for (name, source) in sources {
            for setting in options.all(name) {
                match rule(source, &setting.value) {
                    Ok(rule) => rules.push(rule),
                    // Fluent Bit leaves such a rule out and goes on.
                    Err(advice) => options.remark_setting(&setting, Remark::plugin(advice)),
                }
            }
        }
        if rules.is_empty() {
            options.refuse("str_key", Fault::invalid(NoRules));
        }
        (!options.is_refused()).then_some(Self { rules })
    }
}

fn rule(source: Source, text: &str) -> Result<Rule, Advice> {
    let words = tokens::split(text, WORDS);
    let [from, to, target] = <[String; WORDS]>::try_from(words).map_err(|_| Advice::Words)?;
    let from = Accessor::plain_or_path(&from)?;
    let target = Target::parse(&target).ok_or(Advice::UnknownType(target))?;
    Ok(Rule { from, source, to, target })
}

impl Target {
    const NAMES: [(&'static str, Self); 6] = [
        ("int", Self::Int),
        ("uint", Self::Uint),
        ("float", Self::Float),
        ("hex", Self::Hex),
        ("string", Self::Text),
        ("bool", Self::Bool),
    ];

    /// The type of that name, in any case. The start of a name is enough, as in Fluent Bit, so that
    /// `str` is `string`.
    fn parse(text: &str) -> Option<Self> {
        let is_start = |name: &str| {
            name.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
        };
        Self::NAMES.iter().find(|(name, _)| is_start(name)).map(|(_, target)| *target)
    }

    fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, target)| *target == self);
        named.map_or("", |(name, _)| *name)
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = |rule: &Rule| format!("{} as {} {}", rule.from, rule.target.name(), rule.to);
        let rules: Vec<_> = self.rules.iter().map(rule).collect();
        write!(f, "adds {}", rules.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let config = Config::from_options(&mut options);
        let report = options.into_report();
        let problems = report.problems.iter().map(|problem| problem.fault.to_string());
        (config, problems.chain(report.notes.iter().map(|note| note.remark.to_string())).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn rules_are_ordered_by_what_they_read() {
        let lines = [
            ("float_key", "f f_int int"),
            ("Int_Key", "i i_str STR"),
            ("str_key", "$k['n'] n hex"),
            ("str_key", "\"two words\" b bool"),
        ];
        let (config, said) = read(&lines);
        assert_eq!(said, "");
        assert_eq!(
            config.unwrap().to_string(),
            "adds k['n'] as hex n, two words as bool b, i as string i_str, f as int f_int"
        );
    }

    #[test]
    fn a_rule_that_cannot_be_used_is_left_out_and_told_of() {
        let lines = [("str_key", "a b integer"), ("str_key", "a b"), ("str_key", "a b int c")];
        for line in lines {
            let (config, said) = read(&[line, ("int_key", "i s string")]);
            assert_eq!(config.unwrap().rules.len(), 1, "{line:?}");
            assert!(said.starts_with("converts nothing: "), "{said}");
        }
        let (config, said) = read(&[lines[0]]);
        assert!(config.is_none() && said.starts_with("expected at least one"), "{said}");
    }
}

//! Step 3, filter: the options of `lua`.
//!
//! Reference: Fluent Bit's manual, "Lua" filter. Not known here: records, and where files are.

use std::fmt;

use super::program::{CODE, Manner, Program, Script, StartError};
use crate::clock;
use crate::option::{Fault, Kind, Options, Row, Table};

/// Options of its own.
pub const OPTIONS: Table = &[
    Row::new("script", Kind::Text, "File with the script"),
    Row::new("code", Kind::Text, "The script itself, in place of a file"),
    Row::new("call", Kind::Text, "Function of the script that is called for each record"),
    Row::new("type_int_key", Kind::Text, "Keys whose numbers become integers, with blanks between"),
    Row::new("type_array_key", Kind::Text, "Keys whose tables become arrays, with blanks between"),
    Row::new(
        "protected_mode",
        Kind::Bool,
        "Whether an error ends only the call, which it always does",
    )
    .or("true")
    .without_effect(),
    Row::new("time_as_table", Kind::Bool, "Whether times are tables of sec and nsec").or("false"),
    Row::new("enable_flb_null", Kind::Bool, "Whether null is flb_null and not nil").or("false"),
];

/// A `lua` filter.
#[derive(Clone, Debug)]
pub struct Config {
    /// The script, which has begun.
    pub program: Program,
}

/// What the options do not say.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Finds and reads the file that `script` names.
    pub read: &'a dyn Fn(&str) -> Result<Script, Fault>,
    /// Variables of the configuration, for the script.
    pub variables: &'a [(String, String)],
}

/// What it does, for people.
impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (script, call) = self.program.names();
        write!(f, "calls {call} of {script}")
    }
}

impl fmt::Debug for Surroundings<'_> {
    /// Without the values of variables, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.variables.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

impl Config {
    /// Reads the options and begins the script; `None` after a problem was reported.
    pub fn from_options(options: &mut Options, around: &Surroundings<'_>) -> Option<Self> {
        let call = options.text("call");
        if call.is_none() {
            options.refuse("call", Fault::Missing("call"));
        }
        let words = |name| {
            let text = options.text(name).unwrap_or_default();
            text.split_whitespace().map(str::to_owned).collect()
        };
        let manner = Manner {
            call: call.unwrap_or_default(),
            integers: words("type_int_key"),
            arrays: words("type_array_key"),
            time_as_table: options.bool("time_as_table"),
            has_null: options.bool("enable_flb_null"),
        };
        let script = Self::script(options, around)?;
        if options.is_refused() {
            return None;
        }
        match Program::start(&script, manner, around.variables, clock::now) {
            Ok(program) => Some(Self { program }),
            Err(error) => {
                let at = match error {
                    StartError::NoFunction { .. } => "call",
                    StartError::Script(_) if script.name == CODE => "code",
                    StartError::Script(_) => "script",
                };
                options.refuse(at, Fault::invalid(error));
                None
            }
        }
    }

    /// With both options `code` counts, as in Fluent Bit.
    fn script(options: &mut Options, around: &Surroundings<'_>) -> Option<Script> {
        if let Some(code) = options.text("code") {
            return Some(Script { name: CODE.to_owned(), text: code.into_bytes() });
        }
        let Some(path) = options.text("script") else {
            options.refuse("script", Fault::Missing("script or code"));
            return None;
        };
        match (around.read)(&path) {
            Ok(script) => Some(script),
            Err(fault) => {
                options.refuse("script", fault);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;
    use crate::option::{Policy, first_bad_row, section};

    fn read(lines: &[(&str, &str)], file: &str) -> Result<Config, String> {
        let mut options = Options::read(section(lines), OPTIONS, &[], Policy::Plugin);
        let read = |path: &str| match path {
            "a.lua" => Ok(Script { name: "dir/a.lua".to_owned(), text: file.into() }),
            _ => Err(Fault::Unreadable {
                path: path.to_owned(),
                error: Arc::new(io::ErrorKind::NotFound.into()),
            }),
        };
        let around = Surroundings { read: &read, variables: &[] };
        let config = Config::from_options(&mut options, &around);
        let problems = options.into_report().problems;
        config.ok_or_else(|| problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_row_has_a_sentence_and_a_default_that_parses() {
        assert_eq!(first_bad_row(&[OPTIONS]), None);
    }

    #[test]
    fn a_script_comes_from_a_file_or_from_the_configuration() {
        let file = "function f() return 0 end";
        let config = read(&[("script", "a.lua"), ("call", "f")], file).expect("a script");
        assert_eq!(config.program.names(), ("dir/a.lua", "f"));
        let lines = [("script", "a.lua"), ("code", "function g() end"), ("call", "g")];
        assert_eq!(read(&lines, file).expect("code counts").program.names(), ("code", "g"));
    }

    #[test]
    fn what_is_wrong_with_a_script_names_its_line() {
        let cases = [
            ("a.lua", "f", "\nx y", "[TEST] test: script = \"a.lua\": dir/a.lua:2: '=' expected"),
            ("a.lua", "f", "\n\nnil.x = 1", "dir/a.lua:3: "),
            ("a.lua", "g", "function f() end\ng = 5", "dir/a.lua has no function g, but something"),
            ("a.lua", "h", "function f() end", "call = \"h\": dir/a.lua has no function h"),
            ("b.lua", "f", "", "script = \"b.lua\": cannot read \"b.lua\": entity not found"),
        ];
        for (script, call, text, expected) in cases {
            let said = read(&[("script", script), ("call", call)], text).expect_err("refused");
            assert!(said.contains(expected), "{text}: {said}");
        }
        let said = read(&[("code", "x y"), ("call", "f")], "").expect_err("refused");
        assert!(said.contains("code = \"x y\": code:1: "), "{said}");
    }

    #[test]
    fn a_script_and_a_function_have_to_be_named() {
        assert!(read(&[("call", "f")], "").expect_err("no script").contains("script or code"));
        let said = read(&[("code", "function f() end")], "").expect_err("no function");
        assert!(said.ends_with("expected an option call"), "{said}");
    }
}

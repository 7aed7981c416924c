//! Around the path, config: the reference of all options, in Markdown, from their tables.
//!
//! `docs/options.md` is this text. Not known here: what any option does.

use std::fmt::Write as _;

use super::plugins::{Filter, Input, Output, Tables};
use crate::input::admission;
use crate::option::tables::{self};
use crate::option::{Effect, Kind, Row, Table};
use crate::tls;

const INTRODUCTION: &str = "\
# Options

Every option of this version, from the tables that the program itself reads. Sections and options
may be written in upper or lower case. A value that is not of its kind is an error that names file
and line; `firelane check FILE` shows all of them at once, and what each section comes to.

- *no effect*: taken, so that configurations written for Fluent Bit work, and without meaning here;
  a warning says so where it is set.
- *refused*: not in this version; an error says so where it is set.
- *many*: may stand several times in a section.
";

/// A heading and the options below it.
type Section = (String, Vec<Table>);

/// Every section, every plugin and every option of this version.
#[must_use]
pub fn manual() -> String {
    let mut text = INTRODUCTION.to_owned();
    for (title, rows) in sections() {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n## {title}\n\n| Option | Value | Default | Meaning |\n");
        text.push_str("|---|---|---|---|\n");
        for row in rows.into_iter().flatten() {
            let _ = writeln!(text, "{}", line(row));
        }
    }
    text
}

/// All sections of the reference, in its order. Tables that several plugins share come last.
pub(super) fn sections() -> Vec<Section> {
    let mut sections = vec![
        ("[SERVICE]".to_owned(), vec![super::service::OPTIONS]),
        ("[PARSER]".to_owned(), vec![crate::parser::config::OPTIONS]),
        ("[MULTILINE_PARSER]".to_owned(), vec![crate::multiline::config::OPTIONS]),
        ("[STREAM_TASK]".to_owned(), vec![crate::filter::stream_task::config::OPTIONS]),
    ];
    let mut add = |kind: &str, name: &str, Tables { own, shared }: Tables| {
        let several = [tls::CLIENT_OPTIONS, tls::SERVER_OPTIONS, admission::OPTIONS];
        let other = |table: &&Table| !tables::ALL.contains(table) && !several.contains(table);
        let tables = std::iter::once(own).chain(shared.iter().filter(other).copied());
        sections.push((format!("[{kind}] {name}"), tables.collect()));
    };
    Input::ALL.iter().for_each(|(name, plugin)| add("INPUT", name, plugin.tables()));
    Filter::ALL.iter().for_each(|(name, plugin)| add("FILTER", name, plugin.tables()));
    Filter::PROCESSORS.iter().for_each(|(name, one)| add("PROCESSOR", name, one.tables()));
    Output::ALL.iter().for_each(|(name, plugin)| add("OUTPUT", name, plugin.tables()));
    let node = crate::output::forward::config::NODE_OPTIONS;
    sections.extend([
        ("[NODE] of an upstream file".to_owned(), vec![node]),
        ("Every input, filter and output".to_owned(), vec![tables::SECTION]),
        ("Every input".to_owned(), vec![tables::INPUT]),
        ("Every filter".to_owned(), vec![tables::FILTER, tables::CONDITION]),
        ("Every output".to_owned(), vec![tables::OUTPUT, tables::HOST, tables::TLS]),
        (
            "Every input that listens on a port".to_owned(),
            vec![admission::OPTIONS, tls::SERVER_OPTIONS],
        ),
        ("Every output that connects to a host".to_owned(), vec![tls::CLIENT_OPTIONS]),
        ("Every connection of an output".to_owned(), vec![tables::NET]),
    ]);
    sections
}

fn line(row: &Row) -> String {
    let names: Vec<_> = row.names().map(|name| format!("`{name}`")).collect();
    let effect = match row.effect {
        Effect::Full => "",
        Effect::None => "*no effect*: ",
        Effect::Unsupported => "*refused*: ",
    };
    let many = if row.multi { " *many*" } else { "" };
    let default = row.default.map(|default| format!("`{default}`")).unwrap_or_default();
    let value = if let Kind::Choice(words) = row.kind {
        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    } else {
        row.kind.to_string()
    };
    let line =
        format!("| {} | {value}{many} | {default} | {effect}{} |", names.join(", "), row.doc);
    // A bar within a cell would end it.
    let bars = line.matches('|').count();
    debug_assert_eq!(bars, 5, "{line}");
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_names_every_plugin_and_its_options() {
        let text = manual();
        for (title, _) in sections() {
            assert!(text.contains(&format!("\n## {title}\n")), "{title}");
        }
        assert!(
            text.contains("| `retry_limit` | a number of at least 1, no_limits or no_retries |")
        );
    }
}

//! Every option of every plugin: its default is what its table says, and a bad value is told of.

use super::{errors, load_text};
use crate::config::plugins::{Filter, Input, Output, Tables};
use crate::option::{Effect, Kind, Row};

/// What a plugin cannot do without.
fn needed(plugin: &str) -> &'static str {
    match plugin {
        "cloudwatch" | "cloudwatch_logs" => "region r\nlog_group_name g\nlog_stream_prefix p",
        "checklist" => "file a.txt",
        "exec" => "command true",
        "nest" => "operation lift\nnested_under k",
        "type_converter" => "int_key a b string",
        "multiline" => "multiline.parser java\nmultiline.key_content log",
        "lua" => "code function f() end\ncall f",
        "tail" => "path a.log",
        "parser" => "key_name log\nparser p",
        _ => "",
    }
}

/// Options whose default depends on other options that are not set.
const DEPENDENT: [(&str, &str); 0] = [];

struct Plugin {
    kind: &'static str,
    name: &'static str,
    rows: Vec<Row>,
}

fn plugins() -> Vec<Plugin> {
    let plugin = |kind, name, Tables { own, shared }: Tables| Plugin {
        kind,
        name,
        rows: own.iter().chain(shared.iter().copied().flatten()).copied().collect(),
    };
    let inputs = Input::ALL.iter().map(|(name, one)| plugin("INPUT", *name, one.tables()));
    let filters = Filter::ALL.iter().map(|(name, one)| plugin("FILTER", *name, one.tables()));
    let outputs = Output::ALL.iter().map(|(name, one)| plugin("OUTPUT", *name, one.tables()));
    inputs.chain(filters).chain(outputs).collect()
}

/// A section of the plugin with one more line, which is the third.
fn section(plugin: &Plugin, line: &str) -> String {
    let Plugin { kind, name, .. } = plugin;
    let tags = if *kind == "INPUT" { "" } else { "Match *" };
    let lines = [line, tags].into_iter().chain(needed(name).lines());
    let lines = lines.map(|line| format!("    {line}\n")).collect::<String>();
    let parsers = "[SERVICE]\n    Parsers_File parsers.conf\n";
    format!("[{kind}]\n    Name {name}\n{lines}{parsers}")
}

/// What a text comes to, without the places of its lines.
fn model(text: &str) -> String {
    let config = load_text(text, &[]).unwrap_or_else(|errors| panic!("{text}\n{errors}"));
    format!("{:?} {:?} {:?}", config.inputs, config.filters, config.outputs)
}

/// A text that is no value of the kind; `None` where every text is one.
fn bad_value(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Bool
        | Kind::Integer { .. }
        | Kind::Octal
        | Kind::Bytes
        | Kind::Kibibytes
        | Kind::Seconds
        | Kind::SecondsOrForever
        | Kind::Choice(_) => Some("nonsense"),
        // One that is none is the default, with a warning.
        Kind::RetryLimit | Kind::Text | Kind::Secret | Kind::List => None,
    }
}

#[test]
fn a_default_that_is_written_out_changes_nothing() {
    for plugin in plugins() {
        let expected = model(&section(&plugin, "Alias a"));
        for row in plugin.rows.iter().filter(|row| row.effect == Effect::Full) {
            let Some(default) = row.default else { continue };
            if DEPENDENT.contains(&(plugin.name, row.name))
                || needed(plugin.name).contains(row.name)
            {
                continue;
            }
            let lines = format!("Alias a\n    {} {default}", row.name);
            assert_eq!(model(&section(&plugin, &lines)), expected, "{} {lines}", plugin.name);
        }
    }
}

#[test]
fn a_value_that_is_not_of_its_kind_is_an_error_with_its_line() {
    for plugin in plugins() {
        for row in &plugin.rows {
            for name in row.names() {
                let Some(bad) = bad_value(row.kind) else { continue };
                let said = errors(&section(&plugin, &format!("{name} {bad}")));
                let expected = format!("f.conf:3: [{}] {}: {name} ", plugin.kind, plugin.name);
                assert!(said.contains(&expected), "{} {name}: {said}", plugin.name);
            }
        }
    }
}

#[test]
fn an_option_that_is_refused_says_so_with_its_line() {
    for plugin in plugins() {
        for row in plugin.rows.iter().filter(|row| row.effect == Effect::Unsupported) {
            let said = errors(&section(&plugin, &format!("{} x", row.name)));
            assert!(said.contains("f.conf:3: "), "{} {}: {said}", plugin.name, row.name);
        }
    }
}

#[test]
fn a_service_value_that_is_not_of_its_kind_is_told_of_with_its_line() {
    for row in crate::config::service::OPTIONS {
        let Some(bad) = bad_value(row.kind) else { continue };
        let text = format!("[SERVICE]\n    {} {bad}\n", row.name);
        let said = match load_text(&text, &[]) {
            Ok(config) => config.notes.iter().map(ToString::to_string).collect(),
            Err(errors) => errors.to_string(),
        };
        assert!(said.contains(&format!("f.conf:2: [SERVICE]: {} ", row.name)), "{said}");
    }
}

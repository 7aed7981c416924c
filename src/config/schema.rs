//! Around the path, config: the options of plugins for `-h` and `-J`, as text and as JSON.
//!
//! The JSON has the shape of Fluent Bit's, for tools that read it. Not known here: what any option
//! does. Reference: `src/flb_help.c`.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::plugins::{Filter, Input, Output, Tables};
use super::raw::SectionKind;
use crate::option::{Effect, Kind, Row, Table, tables};
use crate::tls;

/// The version of the shape, as Fluent Bit counts it.
const SCHEMA_VERSION: &str = "1";

/// A plugin and its tables.
type Plugin = (&'static str, &'static str, Tables);

/// The options of all plugins, as JSON.
#[must_use]
pub fn schema() -> String {
    let list = |kind| -> Vec<Value> {
        plugins().filter(|(its, ..)| *its == kind).map(|plugin| described(&plugin)).collect()
    };
    let schema = json!({
        "firelane": {
            "version": env!("CARGO_PKG_VERSION"),
            "schema_version": SCHEMA_VERSION,
            "os": std::env::consts::OS,
        },
        "customs": [],
        "inputs": list("input"),
        "processors": [],
        "filters": list("filter"),
        "outputs": list("output"),
    });
    format!("{schema}\n")
}

/// The options of one plugin, as JSON.
#[must_use]
pub fn plugin_schema(kind: SectionKind, name: &str) -> Option<String> {
    find(kind, name).map(|plugin| format!("{}\n", described(&plugin)))
}

/// The options of one plugin, as text.
#[must_use]
pub fn plugin_help(kind: SectionKind, name: &str) -> Option<String> {
    let plugin = find(kind, name)?;
    let (kind, name, _) = plugin;
    let mut text = format!("{name} {kind} plugin\n");
    let groups = groups(&plugin);
    let rows = groups.iter().flat_map(|(_, rows)| rows);
    let width = rows.map(|row| row.name.len()).max().unwrap_or_default();
    for (title, rows) in &groups {
        // Writing to a `String` cannot fail.
        let _ = write!(text, "\n{}\n", title.to_ascii_uppercase());
        for row in rows {
            let default = row.default.map(|default| format!(" [{default}]")).unwrap_or_default();
            let _ = writeln!(text, "  {:width$}  {}{default}", row.name, doc(row));
        }
    }
    Some(text)
}

fn find(kind: SectionKind, name: &str) -> Option<Plugin> {
    let wanted = match kind {
        SectionKind::Input => "input",
        SectionKind::Filter | SectionKind::Processor => "filter",
        SectionKind::Output => "output",
        SectionKind::Service
        | SectionKind::Parser
        | SectionKind::MultilineParser
        | SectionKind::StreamTask
        | SectionKind::Plugins
        | SectionKind::WithoutEffect
        | SectionKind::Unknown
        | SectionKind::Condition
        | SectionKind::Rule => return None,
    };
    plugins().find(|(kind, known, _)| *kind == wanted && known.eq_ignore_ascii_case(name))
}

fn plugins() -> impl Iterator<Item = Plugin> {
    let inputs = Input::ALL.iter().map(|(name, plugin)| ("input", *name, plugin.tables()));
    let filters = Filter::ALL.iter().map(|(name, plugin)| ("filter", *name, plugin.tables()));
    let outputs = Output::ALL.iter().map(|(name, plugin)| ("output", *name, plugin.tables()));
    inputs.chain(filters).chain(outputs)
}

fn described(plugin: &Plugin) -> Value {
    let (kind, name, _) = *plugin;
    let properties: serde_json::Map<_, _> = groups(plugin)
        .into_iter()
        .map(|(title, rows)| (title.to_owned(), rows.into_iter().map(entry).collect()))
        .collect();
    json!({"type": kind, "name": name, "description": "", "properties": properties})
}

fn entry(row: &Row) -> Value {
    json!({"name": row.name, "description": doc(row), "default": row.default, "type": type_name(row)})
}

fn doc(row: &Row) -> String {
    let effect = if row.effect == Effect::None { " (no effect here)" } else { "" };
    format!("{}{effect}", row.doc)
}

/// The rows that may be set, by what they are about.
fn groups(plugin: &Plugin) -> Vec<(&'static str, Vec<&'static Row>)> {
    let Tables { own, shared } = plugin.2;
    let is_of = |table: &Table, several: &[Table]| several.contains(table);
    let connection = [tables::NET, tables::HOST, crate::input::admission::OPTIONS];
    let tls = [tables::TLS, tls::CLIENT_OPTIONS, tls::SERVER_OPTIONS];
    let every = [tables::SECTION, tables::INPUT, tables::FILTER, tables::OUTPUT];
    let title = |table: &Table| match table {
        table if is_of(table, &every) => "global_options",
        table if is_of(table, &connection) => "networking",
        table if is_of(table, &tls) => "network_tls",
        _ => "options",
    };
    let tables = || std::iter::once(own).chain(shared.iter().copied());
    let titles = ["options", "global_options", "networking", "network_tls"];
    let rows = |wanted| -> Vec<_> {
        let rows = tables().filter(|table| title(table) == wanted).flatten();
        rows.filter(|row| row.effect != Effect::Unsupported).collect()
    };
    titles
        .map(|title| (title, rows(title)))
        .into_iter()
        .filter(|(_, rows)| !rows.is_empty())
        .collect()
}

/// Fluent Bit's name for what a value has to be.
fn type_name(row: &Row) -> &'static str {
    match row.kind {
        Kind::Bool => "boolean",
        Kind::Integer { .. } => "integer",
        Kind::Bytes | Kind::Kibibytes => "size",
        Kind::Seconds | Kind::SecondsOrForever => "time",
        Kind::List => "multiple comma delimited strings",
        Kind::Octal | Kind::Text | Kind::Secret | Kind::Choice(_) | Kind::RetryLimit => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_has_every_plugin_with_its_options() {
        let schema: Value = serde_json::from_str(&schema()).expect("JSON");
        assert_eq!(schema["filters"].as_array().map(Vec::len), Some(Filter::ALL.len()));
        let tcp =
            schema["inputs"].as_array().expect("a list").iter().find(|it| it["name"] == "tcp");
        let properties = &tcp.expect("tcp")["properties"];
        for (group, name) in [
            ("options", "port"),
            ("global_options", "tag"),
            ("networking", "net.keepalive"),
            ("network_tls", "tls"),
        ] {
            let rows = properties[group].as_array().expect(group);
            assert!(rows.iter().any(|row| row["name"] == name), "{group} {name}");
        }
    }

    #[test]
    fn one_plugin_is_told_of_by_its_name_in_any_case() {
        let text = plugin_help(SectionKind::Output, "CloudWatch_Logs").expect("it is there");
        assert!(text.starts_with("cloudwatch_logs output plugin\n\nOPTIONS\n"), "{text}");
        assert!(text.contains("\n  log_group_name ") && text.contains("(no effect here)"));
        let json = plugin_schema(SectionKind::Filter, "grep").expect("it is there");
        let json: Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((&json["type"], &json["name"]), (&json!("filter"), &json!("grep")));
        assert_eq!(plugin_help(SectionKind::Input, "grep"), None);
        assert_eq!(plugin_schema(SectionKind::WithoutEffect, "grep"), None);
    }
}

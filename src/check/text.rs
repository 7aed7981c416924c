//! Around the path, check: a report for people.
//!
//! What is wrong first, then what happens, then the numbers. Columns are aligned; nothing is
//! coloured, because it is pasted into tickets. Not known here: how anything was found.

use std::fmt::{self, Write as _};

use super::finding::{At, Finding, Severity};
use super::limit::Limit;
use super::report::{Kind, Report};
use super::route::{Route, Step};
use super::rule::Rule;
use super::section::{Section, Setting};
use super::words::{counted, cut, grouped, listed};

/// Longest value that is shown, and widest column.
const VALUE_CHARS_MAX: usize = 48;
/// Longest text of what a filter does.
const DOES_CHARS_MAX: usize = 120;
/// Longest line of settings that have no place of their own.
const GENERAL_CHARS_MAX: usize = 240;
/// Who sets values without a line of a file to show for it.
const GENERAL: [&str; 2] = ["ECS agent", "built in"];

impl Report {
    /// The report for people.
    #[must_use]
    pub fn text(&self) -> String {
        // Writing to a `String` cannot fail.
        let mut text = String::new();
        let _ = writeln!(text, "{}", self.verdict());
        if !self.findings.is_empty() {
            text.push('\n');
        }
        for finding in &self.findings {
            let _ = writeln!(text, "{finding}");
        }
        add_routes(&mut text, &self.routes);
        self.add_permissions(&mut text);
        add_limits(&mut text, &self.limits);
        add_sections(&mut text, &self.sections);
        text
    }

    /// What was checked and how it is.
    fn verdict(&self) -> String {
        let mut text = match self.kind {
            Kind::BuiltIn => self.kind.name().to_owned(),
            Kind::Configuration | Kind::TaskDefinition => self.file.clone(),
        };
        if let (Some(launch), Some(network)) = (self.launch_type, &self.network_mode) {
            text += &format!(", a task on {launch} in network mode {network}");
        }
        text += if self.is_accepted() { ": accepted" } else { ": refused" };
        for severity in [Severity::Error, Severity::Warning, Severity::Note] {
            match self.count(severity) {
                0 => {}
                count => text += &format!(", {}", counted(count, &severity.to_string())),
            }
        }
        text
    }

    fn add_permissions(&self, text: &mut String) {
        if self.permissions.is_empty() {
            return;
        }
        text.push_str("\nPermissions\n");
        let width = column(self.permissions.iter().map(|permission| permission.role.as_str()));
        for permission in &self.permissions {
            let (role, actions) = (&permission.role, listed(&permission.actions));
            let _ = writeln!(text, "  {role:width$}  {actions} on {}", permission.resource);
        }
    }
}

impl fmt::Display for Finding {
    /// What, then why, then what to do, a line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, severity, at, what, advice } = self;
        let at = at.to_string();
        let colon = if at.is_empty() { "" } else { ": " };
        write!(f, "{severity}: {at}{colon}{what}")?;
        if *rule != Rule::Configuration {
            write!(f, " [{}]", rule.id())?;
        }
        if !rule.why().is_empty() {
            write!(f, "\n    {}", rule.why())?;
        }
        if !advice.is_empty() {
            write!(f, "\n    to do: {advice}")?;
        }
        Ok(())
    }
}

fn add_routes(text: &mut String, routes: &[Route]) {
    if routes.is_empty() {
        return;
    }
    text.push_str("\nRoutes\n");
    let steps = routes.iter().flat_map(|route| route.filters.iter().chain(&route.outputs));
    let steps = steps.flat_map(|step| std::iter::once(step).chain(&step.processors));
    let width = column(steps.map(|step| step.name.as_str()));
    for Route { tag, container: _, from, filters, outputs } in routes {
        let from = if from.is_empty() { String::new() } else { format!("  from {}", listed(from)) };
        let _ = writeln!(text, "  {tag}{from}");
        for Step { name, does, .. } in filters {
            line(text, &format!("     {name:width$}  {}", cut(does, DOES_CHARS_MAX)));
        }
        for Step { name, does, processors, .. } in outputs {
            for Step { name, does, .. } in processors {
                line(text, &format!("     {name:width$}  {}", cut(does, DOES_CHARS_MAX)));
            }
            line(text, &format!("  -> {name:width$}  {does}"));
        }
        if outputs.is_empty() {
            text.push_str("  -> dropped: no output matches\n");
        }
    }
}

fn add_limits(text: &mut String, limits: &[Limit]) {
    if limits.is_empty() {
        return;
    }
    text.push_str("\nLimits\n");
    let value = |limit: &Limit| limit.value.map_or_else(|| "no end".to_owned(), grouped);
    let names = column(limits.iter().map(|limit| limit.what));
    let values: Vec<String> = limits.iter().map(value).collect();
    let numbers = column(values.iter().map(String::as_str));
    let units = column(limits.iter().map(|limit| limit.unit));
    for (Limit { what, unit, origin, .. }, value) in limits.iter().zip(values) {
        line(text, &format!("  {what:names$}  {value:>numbers$} {unit:units$}  {origin}"));
    }
}

fn add_sections(text: &mut String, sections: &[Section]) {
    if sections.is_empty() {
        return;
    }
    text.push_str("\nSettings\n");
    let written = sections.iter().flat_map(|section| section.settings.iter().filter(has_place));
    let names = column(written.clone().map(|setting| setting.option));
    let values: Vec<String> = written.map(|setting| cut(&setting.value, VALUE_CHARS_MAX)).collect();
    let values = column(values.iter().map(String::as_str));
    for section in sections {
        line(text, &format!("  {} {}", section.part.name(), section.name));
        for Setting { option, value, origin, has_effect } in
            section.settings.iter().filter(has_place)
        {
            let Some(origin) = origin else { continue };
            let value = cut(value, VALUE_CHARS_MAX);
            let effect = if *has_effect { "" } else { ", no effect" };
            line(text, &format!("    {option:names$}  {value:values$}  {origin}{effect}"));
        }
        add_general(text, section);
    }
}

/// Whether a setting has a place of its own, worth a line.
fn has_place(setting: &&Setting) -> bool {
    let Some(origin) = &setting.origin else { return false };
    let is_general =
        matches!(&origin.at, At::Place(place) if GENERAL.contains(&place.file.as_ref()));
    setting.option != "name" && !is_general
}

/// What is said in general of a section, a line for each who says it.
fn add_general(text: &mut String, section: &Section) {
    for who in GENERAL.iter().copied().map(Some).chain([None]) {
        let by_them = section.settings.iter().filter(|setting| {
            let by = setting.origin.as_ref().map(|origin| origin.at.to_string());
            setting.has_effect && by.as_deref() == who && setting.option != "name"
        });
        let said: Vec<_> =
            by_them.map(|setting| format!("{} {}", setting.option, setting.value)).collect();
        if !said.is_empty() {
            let said = cut(&listed(&said), GENERAL_CHARS_MAX);
            line(text, &format!("    {}: {said}", who.unwrap_or("default")));
        }
    }
}

/// A line without blanks at its end.
fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The width of a column that holds these.
fn column<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0).min(VALUE_CHARS_MAX)
}

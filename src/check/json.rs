//! Around the path, check: a report for programs, as one JSON object.
//!
//! Its shape is described in `docs/check.md` and does not change within a `version`: fields may be
//! added, none is renamed or taken away. Not known here: how anything was found.

use serde_json::{Value, json};

use super::finding::{At, Finding, Severity};
use super::limit::Limit;
use super::permission::Permission;
use super::report::Report;
use super::route::{Route, Step};
use super::section::{Section, Setting};
use super::target::ByTemplate;

/// Of the shape of the report.
const VERSION: u32 = 1;

impl Report {
    /// The report for programs.
    #[must_use]
    pub fn json(&self) -> String {
        let report = json!({
            "version": VERSION,
            "file": self.file,
            "kind": self.kind.name(),
            "launch_type": self.launch_type,
            "network_mode": self.network_mode,
            "accepted": self.is_accepted(),
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "notes": self.count(Severity::Note),
            "findings": self.findings.iter().map(finding).collect::<Vec<_>>(),
            "routes": self.routes.iter().map(route).collect::<Vec<_>>(),
            "permissions": self.permissions.iter().map(permission).collect::<Vec<_>>(),
            "limits": self.limits.iter().map(limit).collect::<Vec<_>>(),
            "sections": self.sections.iter().map(section).collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }
}

fn finding(finding: &Finding) -> Value {
    let Finding { rule, severity, at, what, advice } = finding;
    json!({
        "severity": severity.to_string(),
        "rule": rule.id(),
        "at": at_json(at),
        "what": what,
        "why": rule.why(),
        "to_do": advice,
    })
}

/// `{"file", "line"}`, `{"path"}`, `{"place"}` or `null`.
fn at_json(at: &At) -> Value {
    match at {
        At::Whole => Value::Null,
        At::Place(place) if place.line == 0 => json!({"place": &*place.file}),
        At::Place(place) => json!({"file": &*place.file, "line": place.line}),
        At::Path(path) => json!({"path": path}),
    }
}

fn route(route: &Route) -> Value {
    let Route { tag, container, from, filters, outputs } = route;
    json!({
        "tag": tag,
        "container": container,
        "from": from,
        "filters": filters.iter().map(step_json).collect::<Vec<_>>(),
        "outputs": outputs.iter().map(step_json).collect::<Vec<_>>(),
    })
}

fn step_json(step: &Step) -> Value {
    let Step { name, plugin, does, processors, target } = step;
    let processors: Vec<_> = processors.iter().map(step_json).collect();
    let mut value = json!({"name": name, "plugin": plugin, "does": does, "processors": processors});
    if let (Some(target), Some(fields)) = (target, value.as_object_mut()) {
        fields.insert("log_group".to_owned(), json!(target.group));
        fields.insert("log_stream".to_owned(), json!(target.stream));
        let by_template = |name: &Option<ByTemplate>| {
            name.as_ref().map(|one| json!({"template": one.template, "name": one.name}))
        };
        fields
            .insert("log_group_by_template".to_owned(), json!(by_template(&target.group_template)));
        fields.insert(
            "log_stream_by_template".to_owned(),
            json!(by_template(&target.stream_template)),
        );
        fields.insert("region".to_owned(), json!(target.region));
        fields.insert("creates_group".to_owned(), json!(target.creates_group));
        fields.insert("retention_days".to_owned(), json!(target.retention_days));
        fields.insert("retry_limit".to_owned(), json!(target.retry_limit));
    }
    value
}

fn permission(permission: &Permission) -> Value {
    let Permission { role, actions, resource } = permission;
    json!({"role": role, "actions": actions, "resource": resource})
}

fn limit(limit: &Limit) -> Value {
    let Limit { name, what: _, value, unit, origin } = limit;
    json!({"name": name, "value": value, "unit": unit, "origin": origin})
}

fn section(section: &Section) -> Value {
    let Section { part, plugin, name, at, settings } = section;
    json!({
        "part": part.name(),
        "plugin": plugin,
        "name": name,
        "at": at_json(at),
        "settings": settings.iter().map(setting).collect::<Vec<_>>(),
    })
}

fn setting(setting: &Setting) -> Value {
    let Setting { option, value, origin, has_effect } = setting;
    json!({
        "option": option,
        "value": value,
        "default": origin.is_none(),
        "at": origin.as_ref().map_or(Value::Null, |origin| at_json(&origin.at)),
        "variables": origin.as_ref().map(|origin| &origin.variables),
        "has_effect": has_effect,
    })
}

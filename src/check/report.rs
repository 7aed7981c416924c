//! Around the path, check: everything a check says, ready to be shown.
//!
//! Texts in here hold no secret: whoever fills it in masks them ([`super::shown`]). Not known here:
//! how it is printed.

use super::finding::{At, Finding, Severity};
use super::limit::Limit;
use super::permission::Permission;
use super::route::Route;
use super::rule::Rule;
use super::section::Section;
use super::shown::Shown;

/// What a check says.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What was checked, as the user calls it.
    pub file: String,
    /// What that is.
    pub kind: Kind,
    /// Where the task runs, if it is one.
    pub launch_type: Option<&'static str>,
    /// The task's network mode, if it is one.
    pub network_mode: Option<String>,
    /// What the user should know, worst first.
    pub findings: Vec<Finding>,
    /// The way of each tag. Empty, as limits and sections, if the configuration cannot be used.
    pub routes: Vec<Route>,
    /// Numbers that bound something.
    pub limits: Vec<Limit>,
    /// What roles must be allowed.
    pub permissions: Vec<Permission>,
    /// What holds in each section.
    pub sections: Vec<Section>,
    /// The configuration that the ECS agent makes of the task definition.
    pub generated: Option<String>,
}

/// What is checked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Kind {
    /// A configuration file.
    #[default]
    Configuration,
    /// What holds without one.
    BuiltIn,
    /// A task definition.
    TaskDefinition,
}

impl Kind {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::BuiltIn => "built-in configuration",
            Self::TaskDefinition => "task definition",
        }
    }
}

impl Report {
    /// How many findings are of a severity.
    #[must_use]
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }

    /// Whether nothing keeps it from being used.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// Ends the report. What slipped through is hidden. If the configuration cannot be used, it does nothing. Puts findings in their
    /// order: worst first, else as they were found. What the reader of the
    /// configuration says of a place about which a rule says more is left out.
    pub(super) fn finish(&mut self, shown: &Shown) {
        self.each_text(&mut |text| {
            let hidden = shown.without_values(text);
            *text = hidden;
        });
        let is_refused = |finding: &Finding| {
            finding.rule == Rule::Configuration && finding.severity == Severity::Error
        };
        if self.findings.iter().any(is_refused) {
            self.routes.clear();
            self.limits.clear();
            self.sections.clear();
        }
        let told = self.findings.iter().filter(|finding| finding.rule.explains_options());
        let told: Vec<(At, Severity)> =
            told.map(|finding| (finding.at.clone(), finding.severity)).collect();
        let is_told = |finding: &Finding| {
            told.iter().any(|(at, severity)| *at == finding.at && *severity <= finding.severity)
        };
        self.findings.retain(|finding| finding.rule != Rule::Configuration || !is_told(finding));
        self.findings.sort_by_key(|finding| finding.severity);
    }

    /// Looks at every text that comes out of a configuration.
    fn each_text(&mut self, look: &mut impl FnMut(&mut String)) {
        for finding in &mut self.findings {
            look(&mut finding.what);
            look(&mut finding.advice);
        }
        for route in &mut self.routes {
            look(&mut route.tag);
            route.container.iter_mut().for_each(&mut *look);
            route.from.iter_mut().for_each(&mut *look);
            let steps = route.filters.iter_mut().chain(&mut route.outputs);
            steps.for_each(|step| step.each_text(look));
        }
        for permission in &mut self.permissions {
            look(&mut permission.role);
            look(&mut permission.resource);
        }
        for section in &mut self.sections {
            look(&mut section.name);
            section.settings.iter_mut().for_each(|setting| look(&mut setting.value));
        }
    }
}

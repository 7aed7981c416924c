//! Around the path, check: what holds in a section, value by value, and where each comes from.
//!
//! Works for any plugin: it reads the tables of options. Not known here: what the options do.

use super::finding::At;
use super::shown::{HIDDEN, Shown, is_secret_name, variables};
use crate::config::{Part, Place, SectionOrigins};
use crate::option::{Effect, Held};

/// Options that a section is found by; what it does is in the others.
const ADDRESSING: [&str; 5] = ["alias", "match", "match_regex", "name", "tag"];

/// A section that is in use.
#[derive(Clone, Debug)]
pub struct Section {
    /// What it configures.
    pub part: Part,
    /// The plugin; empty for the service.
    pub plugin: String,
    /// The instance's name; empty for the service.
    pub name: String,
    /// Where it starts.
    pub at: At,
    /// What holds: first what is set, then the defaults.
    pub settings: Vec<Setting>,
}

/// What holds for an option.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The option.
    pub option: &'static str,
    /// Its value, or what may be shown of it.
    pub value: String,
    /// Where it was set; `None` is the default.
    pub origin: Option<Origin>,
    /// Whether it does anything.
    pub has_effect: bool,
}

/// Where a value was set.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The place.
    pub at: At,
    /// Variables that are in it.
    pub variables: Vec<String>,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.at.fmt(f)?;
        for (index, variable) in self.variables.iter().enumerate() {
            let before = if index == 0 { " from " } else { ", " };
            write!(f, "{before}${{{variable}}}")?;
        }
        Ok(())
    }
}

impl Section {
    pub(super) fn new(
        origins: &SectionOrigins,
        shown: &Shown,
        locate: &dyn Fn(&Place) -> At,
    ) -> Self {
        // `content_modifier` names the field in one option and its value in another.
        let names_secret = origins.get("key").is_some_and(|key| is_secret_name(&key.value));
        let hides = |option| names_secret && option == "value";
        let settings = origins.held.iter().map(|held| Setting {
            option: held.row.name,
            value: if hides(held.row.name) { HIDDEN.to_owned() } else { shown.value(held) },
            origin: origin(held, locate),
            has_effect: held.row.effect == Effect::Full,
        });
        Self {
            part: origins.part,
            plugin: origins.plugin.clone(),
            name: origins.name.clone(),
            at: locate(&origins.place),
            settings: settings.collect(),
        }
    }

    /// What it does, in the words of its options.
    pub(super) fn summary(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        let does = |setting: &&Setting| {
            setting.origin.is_some() && setting.has_effect && !ADDRESSING.contains(&setting.option)
        };
        for Setting { option, value, .. } in self.settings.iter().filter(does) {
            let repeated = *option == last;
            text += match (text.is_empty(), repeated) {
                (true, _) => "",
                (false, true) => " | ",
                (false, false) => "; ",
            };
            if !repeated {
                text += option;
                text += " ";
            }
            text += value;
            last = option;
        }
        text
    }
}

/// Where a value was set, as a user finds it.
pub(super) fn origin(held: &Held, locate: &dyn Fn(&Place) -> At) -> Option<Origin> {
    let place = held.place.as_ref()?;
    let variables = variables(&held.written).into_iter().map(str::to_owned).collect();
    Some(Origin { at: locate(place), variables })
}

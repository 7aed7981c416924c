//! Around the path, option: the lines of one section + the tables of its plugin → typed values.
//!
//! A plugin asks for its options by name and finds the table's default where one is not set.
//! Whatever is wrong goes into one report, so that a user sees all of it at once. Not known here:
//! files, and which plugin asks.

use std::time::Duration;

use super::problem::{Fault, Place, Remark, Report, Subject};
use super::value::{Leniency, Parsed, RetryLimit, Value, parse};
use super::{Effect, Kind, Row, Table, nearest};

/// A line of a section, after variables are replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting {
    /// The option's name as written.
    pub key: String,
    /// Its value.
    pub value: String,
    /// Its value as written, with the names of variables.
    pub written: String,
    /// Where it stands.
    pub place: Place,
}

/// A section, after variables are replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Section {
    /// How messages call it: `[OUTPUT] cloudwatch_logs`.
    pub title: String,
    /// Where it starts.
    pub place: Place,
    /// Its lines.
    pub settings: Vec<Setting>,
}

/// What to do about lines that are not as they should be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Policy {
    /// Unknown options and bad values are problems.
    Plugin,
    /// Unknown options are warnings, and of a repeated one the first counts: Fluent Bit does not
    /// look at the options of plugins written in Go.
    Proxy,
    /// They are warnings, but for bad values of these options. So is `[SERVICE]` to Fluent Bit.
    Service {
        /// Options whose value has to be right.
        strict: &'static [&'static str],
    },
}

/// The options of one section.
#[derive(Debug)]
pub struct Options {
    title: String,
    place: Place,
    tables: Vec<Table>,
    pub(super) found: Vec<Found>,
    is_elsewhere: bool,
    report: Report,
}

/// A setting that counts.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) row: &'static Row,
    value: Value,
    pub(super) setting: Setting,
}

impl Options {
    /// Reads `section` by the plugin's `own` table and those it `shares` with others.
    ///
    /// An own option that is repeated is a problem unless its row says `multi` or the policy is
    /// another; of a shared one the last counts, as in Fluent Bit.
    #[must_use]
    pub fn read(section: Section, own: Table, shared: &[Table], policy: Policy) -> Self {
        let tables = std::iter::once(own).chain(shared.iter().copied()).collect();
        let Section { title, place, settings } = section;
        let found = Vec::new();
        let mut options =
            Self { title, place, tables, found, is_elsewhere: false, report: Report::default() };
        for setting in settings {
            options.take(setting, own, policy);
        }
        options
    }

    /// These are options of another machine: what files they name is not to be looked at here.
    pub fn set_elsewhere(&mut self) {
        self.is_elsewhere = true;
    }

    /// Whether these are options of another machine.
    #[must_use]
    pub const fn is_elsewhere(&self) -> bool {
        self.is_elsewhere
    }

    fn take(&mut self, setting: Setting, own: Table, policy: Policy) {
        let Some(row) = self.rows().find(|row| row.is_called(&setting.key)) else {
            self.unknown(&setting, policy);
            return;
        };
        if setting.value.is_empty() {
            self.note(&setting, row, Remark::Empty);
            return;
        }
        if row.effect == Effect::Unsupported {
            self.problem(&setting, row, Fault::UnsupportedOption);
            return;
        }
        let Some(Parsed { value, leniency }) = parse(row.kind, &setting.value) else {
            match policy {
                Policy::Service { strict } if !strict.contains(&row.name) => {
                    self.note(&setting, row, Remark::Ignored(row.kind));
                }
                Policy::Plugin | Policy::Proxy | Policy::Service { .. } => {
                    self.problem(&setting, row, Fault::Expected(row.kind));
                }
            }
            return;
        };
        match leniency {
            Some(Leniency::Comment) => self.note(&setting, row, Remark::Comment),
            Some(Leniency::Trailing) => self.note(&setting, row, Remark::Trailing),
            Some(Leniency::RetryLimit) => self.note(&setting, row, Remark::RetryLimit),
            None => {}
        }
        if row.effect == Effect::None {
            self.note(&setting, row, Remark::NoEffect);
        }
        if !row.multi
            && let Some(first) = self.find(row.name).map(|found| found.setting.place.clone())
        {
            match policy {
                Policy::Plugin if own.contains(row) => {
                    self.problem(&setting, row, Fault::Repeated { first });
                    return;
                }
                Policy::Proxy if own.contains(row) => {
                    self.note(&setting, row, Remark::Overlooked { first });
                    return;
                }
                Policy::Plugin | Policy::Proxy | Policy::Service { .. } => {
                    self.note(&setting, row, Remark::Overwrites { first });
                }
            }
        }
        self.found.push(Found { row, value, setting });
    }

    fn unknown(&mut self, setting: &Setting, policy: Policy) {
        if self.report.is_full() {
            return; // To seek the nearest name is dear.
        }
        // The value stays out of the message: nobody knows whether it is a secret.
        let subject = self.subject(&setting.key, "");
        let nearest = nearest::nearest(&setting.key, self.rows().flat_map(Row::names));
        let place = setting.place.clone();
        match policy {
            Policy::Plugin => {
                self.report.refuse(place, subject, Fault::UnknownOption { nearest });
            }
            Policy::Proxy => {
                self.report.remark(place, subject, Remark::IgnoredOption { nearest });
            }
            Policy::Service { .. } => {
                self.report.remark(place, subject, Remark::UnknownServiceKey { nearest });
            }
        }
    }

    /// The rows of all its tables.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        self.tables.clone().into_iter().flatten()
    }

    fn find(&self, name: &str) -> Option<&Found> {
        self.found.iter().rev().find(|found| found.row.name == name)
    }

    fn subject(&self, key: &str, value: &str) -> Subject {
        Subject { section: self.title.clone(), key: key.to_owned(), value: value.to_owned() }
    }

    fn subject_of(&self, setting: &Setting, row: &Row) -> Subject {
        let value = if row.kind == Kind::Secret { "" } else { &setting.written };
        self.subject(&setting.key, value)
    }

    fn subject_of_line(&self, setting: &Setting) -> Subject {
        match self.rows().find(|row| row.is_called(&setting.key)) {
            Some(row) => self.subject_of(setting, row),
            None => self.subject(&setting.key, &setting.written),
        }
    }

    fn problem(&mut self, setting: &Setting, row: &Row, fault: Fault) {
        self.report.refuse(setting.place.clone(), self.subject_of(setting, row), fault);
    }

    fn note(&mut self, setting: &Setting, row: &Row, remark: Remark) {
        self.report.remark(setting.place.clone(), self.subject_of(setting, row), remark);
    }

    /// The option's value, else its default.
    fn value(&self, name: &str) -> Option<Value> {
        if let Some(found) = self.find(name) {
            return Some(found.value.clone());
        }
        let row = self.rows().find(|row| row.name == name);
        debug_assert!(row.is_some(), "no table has a row '{name}'");
        let row = row?;
        row.default.and_then(|text| parse(row.kind, text)).map(|parsed| parsed.value)
    }

    /// How messages call the section.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Where the section starts.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Whether the user has set the option.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of a [`Kind::Bool`]; without value and default `false`.
    #[must_use]
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.value(name), Some(Value::Bool(true)))
    }

    /// The value of a [`Kind::Integer`] or a [`Kind::Octal`], if it fits into `T`.
    #[must_use]
    pub fn integer<T: TryFrom<i64>>(&self, name: &str) -> Option<T> {
        let Some(Value::Integer(value)) = self.value(name) else { return None };
        T::try_from(value).ok()
    }

    /// The value of a [`Kind::Bytes`] or a [`Kind::Kibibytes`].
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<u64> {
        let Some(Value::Bytes(value)) = self.value(name) else { return None };
        Some(value)
    }

    /// The value of a [`Kind::Seconds`] or a [`Kind::SecondsOrForever`].
    #[must_use]
    pub fn seconds(&self, name: &str) -> Option<Duration> {
        let Some(Value::Seconds(value)) = self.value(name) else { return None };
        Some(value)
    }

    /// The value of a [`Kind::Text`], a [`Kind::Secret`] or a [`Kind::Choice`].
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let Some(Value::Text(value)) = self.value(name) else { return None };
        Some(value)
    }

    /// The value of a [`Kind::RetryLimit`]; without value and default one retry.
    #[must_use]
    pub fn retry_limit(&self, name: &str) -> RetryLimit {
        let Some(Value::RetryLimit(value)) = self.value(name) else { return RetryLimit::default() };
        value
    }

    /// All that the user has set of a `multi` option, in order.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<Setting> {
        let found = self.found.iter().filter(|found| found.row.name == name);
        found.map(|found| found.setting.clone()).collect()
    }

    /// All that the user has set of these options, in the order of the file, with the row's name.
    #[must_use]
    pub fn all_of(&self, names: &[&str]) -> Vec<(&'static str, Setting)> {
        let found = self.found.iter().filter(|found| names.contains(&found.row.name));
        found.map(|found| (found.row.name, found.setting.clone())).collect()
    }

    /// Reports a problem with the option `name`, or with the section where the option is not set.
    pub fn refuse(&mut self, name: &str, fault: Fault) {
        let (place, subject) = self.locate(name);
        self.report.refuse(place, subject, fault);
    }

    /// Reports a warning about the option `name`, or the section where the option is not set.
    pub fn remark(&mut self, name: &str, remark: Remark) {
        let (place, subject) = self.locate(name);
        self.report.remark(place, subject, remark);
    }

    /// Reports a problem with one line of a `multi` option.
    pub fn refuse_setting(&mut self, setting: &Setting, fault: Fault) {
        let subject = self.subject_of_line(setting);
        self.report.refuse(setting.place.clone(), subject, fault);
    }

    /// Reports a warning about one line of a `multi` option.
    pub fn remark_setting(&mut self, setting: &Setting, remark: Remark) {
        let subject = self.subject_of_line(setting);
        self.report.remark(setting.place.clone(), subject, remark);
    }

    /// Adds what was found in sections that an option names.
    pub fn append(&mut self, report: Report) {
        self.report.append(report);
    }

    /// Whether a problem was found up to now.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        !self.report.problems.is_empty()
    }

    /// Everything found.
    #[must_use]
    pub fn into_report(self) -> Report {
        self.report
    }

    fn locate(&self, name: &str) -> (Place, Subject) {
        self.find(name).map_or_else(
            || (self.place.clone(), self.subject("", "")),
            |found| (found.setting.place.clone(), self.subject_of(&found.setting, found.row)),
        )
    }
}

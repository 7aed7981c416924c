//! Around the path, check: which values may be shown.
//!
//! Reports are pasted into tickets. Hidden are values of secret options, values under a name that
//! sounds like a secret, and passwords in URLs. A value that a variable gives is shown as it is
//! written, `${NAME}`, unless the variable is one that ECS, the image or the file itself sets, or
//! the option is a name that is sent anyway. What is not known to be harmless stays hidden.

use std::collections::BTreeSet;

use crate::config::{Environment, Origins, SectionOrigins};
use crate::option::{Held, Kind, Subject, tokens};

/// In place of what is hidden.
pub(super) const HIDDEN: &str = "***";

/// Parts of names that sound like secrets, in lower case and without separators.
const SECRET_PARTS: [&str; 16] = [
    "accesskey",
    "apikey",
    "auth",
    "bearer",
    "cookie",
    "credential",
    "dsn",
    "licensekey",
    "passphrase",
    "passw",
    "private",
    "pwd",
    "secret",
    "sharedkey",
    "signature",
    "token",
];
/// Starts of variables that ECS, AWS's images and Firelane know, and that are no secrets.
const PLAIN_STARTS: [&str; 6] = ["AWS_", "ECS_", "FIRELANE_", "FLB_", "FLUENT_", "HOSTNAME"];
/// Options that are names which others see anyway.
const NAMES: [&str; 12] = [
    "alias",
    "endpoint",
    "log_group_name",
    "log_group_template",
    "log_stream_name",
    "log_stream_prefix",
    "log_stream_template",
    "match",
    "match_regex",
    "name",
    "region",
    "tag",
];
/// Shortest value of a secret variable that is sought in messages: a shorter one stands in words
/// that have nothing to do with it.
const SOUGHT_BYTES_MIN: usize = 6;

/// Decides what may be shown of one configuration.
#[derive(Clone, Default)]
pub(super) struct Shown {
    /// Variables that the files themselves set.
    set_variables: BTreeSet<String>,
    /// Variables that hold secrets, with their values.
    secrets: Vec<(String, String)>,
}

/// Whether a name sounds like that of a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let plain: String =
        name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_PARTS.iter().any(|part| plain.contains(part))
}

/// Whether the ECS agent may have made the variable for an entry of `secretOptions`: the option, and
/// the number of the container.
fn is_of_secret_option(variable: &str) -> bool {
    variable.rsplit_once('_').is_some_and(|(name, number)| {
        !name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The names of `${NAME}` and `${NAME:-text}` in a value as written.
pub(super) fn variables(written: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = written;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else { break };
        names.push(inside.split_once(":-").map_or(inside, |(name, _)| name));
        rest = after;
    }
    names
}

impl Shown {
    /// Takes the variables of the environment. Those in `secret` hold secrets whatever their names.
    pub(super) fn new(environment: &Environment, secret: &BTreeSet<String>) -> Self {
        let is_secret = |name: &&str| {
            secret.contains(*name) || is_secret_name(name) || is_of_secret_option(name)
        };
        let secrets = environment
            .names()
            .filter(is_secret)
            .map(|name| (name.to_owned(), environment.get(name).unwrap_or_default().to_owned()));
        Self { set_variables: BTreeSet::new(), secrets: secrets.collect() }
    }

    /// Takes the variables that the files themselves set, which hold what anyone can read there, and
    /// those whose values are in files of their own, which nobody else is to read.
    pub(super) fn with_set(mut self, origins: &Origins) -> Self {
        self.secrets.extend(origins.file_variables.iter().cloned());
        Self { set_variables: origins.set_variables.clone(), ..self }
    }

    /// The value of an option as it may be shown.
    pub(super) fn value(&self, held: &Held) -> String {
        let row = held.row;
        let is_text = matches!(row.kind, Kind::Text | Kind::List);
        let sounds_secret = is_text && held.place.is_some() && is_secret_name(row.name);
        if row.kind == Kind::Secret || sounds_secret {
            return HIDDEN.to_owned();
        }
        let may_be_anyones = is_text && !NAMES.contains(&row.name);
        let may_expand = variables(&held.written).iter().all(|variable| {
            !self.is_secret(variable) && (!may_be_anyones || self.is_plain(variable))
        });
        let value = if may_expand { &held.value } else { &held.written };
        if is_text { without_secrets(value) } else { value.clone() }
    }

    /// The value of an option of a section, if it holds.
    pub(super) fn get(&self, section: &SectionOrigins, option: &str) -> Option<String> {
        section.get(option).map(|held| self.value(held))
    }

    /// What the reader says of an option.
    pub(super) fn message(&self, subject: &Subject, said: &str) -> String {
        let is_hidden = is_secret_name(&subject.key) && !subject.value.is_empty();
        let value = if is_hidden { HIDDEN.to_owned() } else { without_secrets(&subject.value) };
        self.without_values(&format!("{}{said}", Subject { value, ..subject.clone() }))
    }

    /// The text with the names of secret variables in place of their values.
    pub(super) fn without_values(&self, text: &str) -> String {
        let long = self.secrets.iter().filter(|(_, value)| value.len() >= SOUGHT_BYTES_MIN);
        long.fold(text.to_owned(), |text, (name, value)| {
            // Most texts hold none.
            if text.contains(value) { text.replace(value, &format!("${{{name}}}")) } else { text }
        })
    }

    fn is_plain(&self, variable: &str) -> bool {
        self.set_variables.contains(variable)
            || PLAIN_STARTS.iter().any(|start| variable.starts_with(start))
    }

    fn is_secret(&self, variable: &str) -> bool {
        self.secrets.iter().any(|(name, _)| name == variable) || is_secret_name(variable)
    }
}

/// The text without a password in a URL, and without what follows a first word that sounds like a
/// secret, as in `Authorization Bearer x`.
fn without_secrets(text: &str) -> String {
    if let [name, value] = tokens::split(text, 1).as_slice()
        && is_secret_name(name)
        && !value.trim().is_empty()
    {
        return format!("{name} {HIDDEN}");
    }
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (host, path) =
        rest.split_at_checked(rest.find('/').unwrap_or(rest.len())).unwrap_or((rest, ""));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://{HIDDEN}@{host}{path}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::{Place, Row};

    const TEXT: Row = Row::new("uri", Kind::Text, "A path of some server");
    const SECRET: Row = Row::new("http_passwd", Kind::Secret, "A password of some server");
    const NAME: Row = Row::new("log_group_name", Kind::Text, "A name that others see");
    const PORT: Row = Row::new("port", Kind::Integer { min: 0, max: 9 }, "A port of some server");
    const KEYED: Row = Row::new("api_key", Kind::Text, "A key whose kind nobody thought of");

    fn shown() -> Shown {
        let variables = [
            ("APP", "shop"),
            ("DB_PASSWORD", "hunter2"),
            ("uri_1", "hunter2"),
            ("ECS_CLUSTER", "blue"),
            ("PORT", "7"),
            ("HUSH", "hunter2"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let environment = Environment::new(variables, None);
        Shown::new(&environment, &BTreeSet::from(["HUSH".to_owned()]))
    }

    fn value(row: &'static Row, written: &str, value: &str) -> String {
        let place = Some(Place::file("f.conf"));
        shown().value(&Held { row, value: value.to_owned(), written: written.to_owned(), place })
    }

    #[test]
    fn what_is_or_sounds_secret_is_hidden() {
        assert_eq!(value(&SECRET, "hunter2", "hunter2"), HIDDEN);
        assert_eq!(value(&KEYED, "hunter2", "hunter2"), HIDDEN);
        let header = "Authorization Bearer hunter2";
        assert_eq!(value(&TEXT, header, header), "Authorization ***");
        let quoted = r#""my api key" hunter2"#;
        assert_eq!(value(&TEXT, quoted, quoted), "my api key ***");
        let url = "https://me:hunter2@host/path@x";
        assert_eq!(value(&TEXT, url, url), "https://***@host/path@x");
        assert_eq!(value(&TEXT, "/path plain", "/path plain"), "/path plain");
    }

    #[test]
    fn a_variable_is_replaced_only_where_it_is_known_to_be_harmless() {
        assert_eq!(value(&TEXT, "/${APP}", "/shop"), "/${APP}");
        assert_eq!(value(&TEXT, "/${ECS_CLUSTER}", "/blue"), "/blue");
        assert_eq!(value(&NAME, "/${APP}", "/shop"), "/shop");
        assert_eq!(value(&PORT, "${PORT}", "7"), "7");
        for secret in ["${DB_PASSWORD}", "${uri_1}", "${HUSH}", "${HUSH:-x}"] {
            for row in [&TEXT, &NAME, &PORT] {
                assert_eq!(value(row, secret, "hunter2"), secret);
            }
        }
    }

    #[test]
    fn messages_hold_no_value_of_a_secret_variable() {
        let subject = Subject {
            section: "[FILTER] grep".to_owned(),
            key: "Regex".to_owned(),
            value: "log ${HUSH}".to_owned(),
        };
        let said = shown().message(&subject, "not a pattern: hunter2");
        assert!(!said.contains("hunter2") && said.contains("not a pattern: ${"), "{said}");
        let subject =
            Subject { key: "Record".to_owned(), value: "api_key hunter2 x".to_owned(), ..subject };
        assert!(!shown().message(&subject, "expected KEY VALUE").contains("hunter2"));
    }

    #[test]
    fn names_of_variables_are_read_out_of_a_value() {
        assert_eq!(variables("${A}/${B:-x}$C${D"), ["A", "B"]);
    }
}

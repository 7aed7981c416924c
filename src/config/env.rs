//! Around the path, config: the environment, as an argument, and `${NAME}` in values.
//!
//! Replaced once: what a variable holds is never looked at again, so a secret may hold `$` and
//! braces. `${NAME:-text}` gives the text where the variable is not set. An empty variable counts
//! as not set. `$NAME` without braces is left alone. Reference: Fluent Bit's manual, "Variables".

use std::collections::BTreeMap;

/// Longest value after variables are replaced, inclusive.
pub const VALUE_BYTES_MAX: usize = 1024 * 1024;

/// The variables of the process.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

impl Environment {
    /// Takes all variables, and the host's name for `HOSTNAME` if that is not among them.
    #[must_use]
    pub fn new(
        variables: impl IntoIterator<Item = (String, String)>,
        hostname: Option<String>,
    ) -> Self {
        let mut variables: BTreeMap<_, _> = variables.into_iter().collect();
        variables.retain(|_, value| !value.is_empty());
        if let Some(hostname) = hostname.filter(|name| !name.is_empty()) {
            variables.entry("HOSTNAME".to_owned()).or_insert(hostname);
        }
        Self { variables }
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The names of the variables that are set and not empty.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

/// A value with its variables replaced.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Expansion {
    pub(super) text: String,
    /// Variables that are neither set nor have a default, in order.
    pub(super) unset: Vec<String>,
}

/// The value grew beyond [`VALUE_BYTES_MAX`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TooLong;

/// Replaces each `${NAME}` in `text`: by a variable of `@SET`, else by one of the environment.
pub(super) fn expand(
    text: &str,
    set: &BTreeMap<String, String>,
    environment: &Environment,
) -> Result<Expansion, TooLong> {
    let mut expansion = Expansion { text: String::new(), unset: Vec::new() };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((inside, after)) = after.split_once('}') else { break };
        let (name, default) =
            inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        let of_set = set.get(name).map(String::as_str).filter(|value| !value.is_empty());
        let value = of_set.or_else(|| environment.get(name));
        expansion.text.push_str(before);
        match value.or(default) {
            Some(value) => expansion.text.push_str(value),
            None => expansion.unset.push(name.to_owned()),
        }
        if expansion.text.len() > VALUE_BYTES_MAX {
            return Err(TooLong);
        }
        rest = after;
    }
    expansion.text.push_str(rest);
    if expansion.text.len() > VALUE_BYTES_MAX { Err(TooLong) } else { Ok(expansion) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        let variables =
            [("STAGE", "prod"), ("EMPTY", ""), ("SECRET", "$x${STAGE}{}"), ("a-b_1", "odd")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Environment::new(variables, Some("host-1".to_owned()))
    }

    fn expanded(text: &str) -> String {
        let set = BTreeMap::from([("grp".to_owned(), "/ecs".to_owned())]);
        expand(text, &set, &environment()).unwrap().text
    }

    #[test]
    fn variables_are_replaced_anywhere_and_once() {
        let cases = [
            ("${grp}/${STAGE}", "/ecs/prod"),
            ("{x}-${STAGE}", "{x}-prod"),
            ("${STAGE}-{x}-${STAGE}", "prod-{x}-prod"),
            ("${SECRET}", "$x${STAGE}{}"),
            ("${a-b_1}", "odd"),
            ("$STAGE ${STAGE", "$STAGE ${STAGE"),
            ("${HOSTNAME}-", "host-1-"),
            ("x${NOT_SET}y", "xy"),
        ];
        for (text, expected) in cases {
            assert_eq!(expanded(text), expected, "{text}");
        }
    }

    #[test]
    fn a_default_stands_in_for_what_is_unset_or_empty() {
        let cases = [
            ("${NOT_SET:-fallback}", "fallback"),
            ("${EMPTY:-was-empty}", "was-empty"),
            ("${STAGE:-other}", "prod"),
            ("${URL:-http://x:80/a}", "http://x:80/a"),
            ("x${NOT_SET:-}y", "xy"),
        ];
        for (text, expected) in cases {
            assert_eq!(expanded(text), expected, "{text}");
        }
    }

    #[test]
    fn set_comes_before_the_environment_unless_it_is_empty() {
        let stage = |value: &str| {
            let set = BTreeMap::from([("STAGE".to_owned(), value.to_owned())]);
            expand("${STAGE}", &set, &environment()).unwrap().text
        };
        assert_eq!((stage("mine").as_str(), stage("").as_str()), ("mine", "prod"));
    }

    #[test]
    fn what_is_not_set_is_named() {
        let expansion = expand("${A}${EMPTY}${B:-}", &BTreeMap::new(), &environment()).unwrap();
        assert_eq!(expansion.unset, ["A", "EMPTY"]);
    }

    #[test]
    fn a_hostname_of_the_environment_comes_first() {
        let variables = [("HOSTNAME".to_owned(), "mine".to_owned())];
        assert_eq!(Environment::new(variables, Some("x".to_owned())).get("HOSTNAME"), Some("mine"));
        assert_eq!(Environment::new([], None).get("HOSTNAME"), None);
        assert!(!format!("{:?}", environment()).contains("prod"), "values stay hidden");
    }

    #[test]
    fn a_value_grows_to_a_mebibyte_and_no_further() {
        let big = |bytes| Environment::new([("B".to_owned(), "x".repeat(bytes))], None);
        assert!(expand("${B}", &BTreeMap::new(), &big(1_048_576)).is_ok());
        assert_eq!(expand("${B}x", &BTreeMap::new(), &big(1_048_576)), Err(TooLong));
        assert_eq!(expand(&"${B}".repeat(10_000), &BTreeMap::new(), &big(100_000)), Err(TooLong));
    }
}

//! Around the path, check: a JSON value that knows its path, and what is not as ECS takes it.
//!
//! A value of another type than expected is reported and counts as missing, so that all that is
//! wrong comes back from one run. Not known here: what the fields mean.

use std::collections::BTreeMap;

use serde_json::Value;

/// Most values that are reported.
const MISFITS_MAX: usize = 100;
/// Most characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 40;

/// A value that is not as ECS takes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Misfit {
    /// Its path.
    pub(super) path: String,
    /// What it is and what is expected.
    pub(super) what: String,
}

/// A value of a document.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    value: &'a Value,
    /// `containerDefinitions[0].image`; empty for the document.
    pub(super) path: String,
}

/// What was found to be wrong.
#[derive(Debug, Default)]
pub(super) struct Misfits(pub(super) Vec<Misfit>);

impl Misfits {
    pub(super) fn add(&mut self, path: &str, what: String) {
        if self.0.len() < MISFITS_MAX {
            self.0.push(Misfit { path: path.to_owned(), what });
        }
    }

    fn unexpected(&mut self, node: &Node<'_>, expected: &str) {
        // Of a text only its length: it may be a secret.
        let found = match node.value {
            Value::String(_) => "a text".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            Value::Null => "null".to_owned(),
            value @ (Value::Bool(_) | Value::Number(_)) => {
                super::super::words::cut(&value.to_string(), SHOWN_CHARS_MAX)
            }
        };
        self.add(&node.path, format!("found {found}, expected {expected}"));
    }
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A field of an object; `None` where it is missing or null.
    pub(super) fn field(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { value, path: join(&self.path, name) })
    }

    pub(super) fn is_object(&self) -> bool {
        self.value.is_object()
    }

    /// The elements of a list.
    pub(super) fn elements(&self, misfits: &mut Misfits) -> Vec<Self> {
        let Some(list) = self.value.as_array() else {
            misfits.unexpected(self, "a list");
            return Vec::new();
        };
        let elements = list.iter().enumerate();
        let element = |(index, value)| Self { value, path: format!("{}[{index}]", self.path) };
        elements.map(element).collect()
    }

    /// The elements of a field that is a list of objects.
    pub(super) fn objects(&self, name: &str, misfits: &mut Misfits) -> Vec<Self> {
        let elements = self.field(name).map(|list| list.elements(misfits)).unwrap_or_default();
        let is_object = |element: &Self| {
            if !element.is_object() {
                misfits.unexpected(element, "an object");
            }
            element.is_object()
        };
        elements.into_iter().filter(is_object).collect()
    }

    /// A field that is an object.
    pub(super) fn object(&self, name: &str, misfits: &mut Misfits) -> Option<Self> {
        let field = self.field(name)?;
        if !field.is_object() {
            misfits.unexpected(&field, "an object");
            return None;
        }
        Some(field)
    }

    pub(super) fn text(&self, name: &str, misfits: &mut Misfits) -> Option<String> {
        self.field(name)?.as_text(misfits)
    }

    pub(super) fn as_text(&self, misfits: &mut Misfits) -> Option<String> {
        if let Some(text) = self.value.as_str() {
            return Some(text.to_owned());
        }
        match self.value {
            value @ (Value::Bool(_) | Value::Number(_)) => {
                misfits.unexpected(self, &format!("a text such as \"{value}\""));
            }
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                misfits.unexpected(self, "a text");
            }
        }
        None
    }

    pub(super) fn texts(&self, name: &str, misfits: &mut Misfits) -> Vec<String> {
        let elements = self.field(name).map(|list| list.elements(misfits)).unwrap_or_default();
        elements.iter().filter_map(|element| element.as_text(misfits)).collect()
    }

    pub(super) fn integer(&self, name: &str, misfits: &mut Misfits) -> Option<u64> {
        let field = self.field(name)?;
        let number = field.value.as_u64();
        if number.is_none() {
            misfits.unexpected(&field, "a whole number");
        }
        number
    }

    pub(super) fn flag(&self, name: &str, misfits: &mut Misfits) -> Option<bool> {
        let field = self.field(name)?;
        let flag = field.value.as_bool();
        if flag.is_none() {
            misfits.unexpected(&field, "true or false");
        }
        flag
    }

    /// The fields of a field that is an object of texts, each with its path.
    pub(super) fn map(&self, name: &str, misfits: &mut Misfits) -> BTreeMap<String, String> {
        let Some(field) = self.object(name, misfits) else { return BTreeMap::new() };
        let names = field.value.as_object().into_iter().flat_map(|object| object.keys());
        let pair = |name: &String| {
            let text = field.field(name)?.as_text(misfits)?;
            Some((name.clone(), text))
        };
        names.filter_map(pair).collect()
    }
}

/// The path of a field: `a.b`, or `a["b.c"]` where the name has other characters.
pub(in super::super) fn join(path: &str, name: &str) -> String {
    let is_plain =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    match (path.is_empty(), is_plain) {
        (true, true) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}[{name:?}]"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_of_another_type_is_told_with_its_path_and_counts_as_missing() {
        let value = json!({"a": {"n": "5", "t": 5, "f": "yes", "m": {"x.y": true}}, "l": [1, {}]});
        let (root, mut misfits) = (Node::root(&value), Misfits::default());
        let a = root.object("a", &mut misfits).unwrap();
        assert_eq!(a.integer("n", &mut misfits), None);
        assert_eq!(a.text("t", &mut misfits), None);
        assert_eq!(a.flag("f", &mut misfits), None);
        assert!(a.map("m", &mut misfits).is_empty());
        assert_eq!(root.objects("l", &mut misfits).len(), 1);
        let told: Vec<_> =
            misfits.0.iter().map(|misfit| format!("{}: {}", misfit.path, misfit.what)).collect();
        let expected = [
            "a.n: found a text, expected a whole number",
            "a.t: found 5, expected a text such as \"5\"",
            "a.f: found a text, expected true or false",
            "a.m[\"x.y\"]: found true, expected a text such as \"true\"",
            "l[0]: found 1, expected an object",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn null_is_the_same_as_missing() {
        let value = json!({"a": null});
        assert!(Node::root(&value).field("a").is_none());
    }
}

//! Around the path, config: `condition` of a filter → the condition under which it works.
//!
//! ```yaml
//! condition: {op: and, rules: [{field: $level, op: eq, value: error}]}
//! ```
//!
//! Not known here: which filter has it. Reference: Fluent Bit's manual, "Conditional processing";
//! `flb_processor_unit_set_condition` in `src/flb_processor.c`.

use super::expand::Expanded;
use super::raw::SectionKind;
use crate::filter::condition::{Condition, Negated, Rule, Test};
use crate::option::{Fault, Kind, Options, Policy, Report, Row, Section, Table};
use crate::record::accessor::{Accessor, AccessorError};
use crate::record::pattern::{Pattern, PatternError};

const CONDITION: Table =
    &[Row::new("op", Kind::Choice(&["and", "or"]), "Whether all rules have to hold, or one")
        .or("and")];

const RULE: Table = &[
    Row::new("field", Kind::Text, "Field of the record"),
    Row::new("op", OPERATORS, "What is asked of it"),
    Row::new("value", Kind::Text, "What it is compared with").many(),
    Row::new("context", Kind::Text, "Whether the field is one of the metadata").or("body"),
];

const OPERATORS: Kind =
    Kind::Choice(&["eq", "neq", "gt", "gte", "lt", "lte", "regex", "not_regex", "in", "not_in"]);

/// As Fluent Bit, which asks for the keys it knows and overlooks all others.
const POLICY: Policy = Policy::Service { strict: &["op"] };

/// The condition cannot be used; why is reported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refused;

/// Why a rule cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
enum Refusal {
    #[error("expected at least one rule")]
    NoRules,
    #[error("expected a number")]
    NoNumber,
    #[error("expected one value, several are for in and not_in")]
    Several,
    #[error("not a regular expression: {0}")]
    Pattern(#[source] PatternError),
    #[error(transparent)]
    Field(AccessorError),
}

/// The condition among the sections within a filter; the last counts.
pub(super) fn read(
    groups: Vec<Expanded>,
    report: &mut Report,
) -> Result<Option<Condition>, Refused> {
    let is_condition = |group: &Expanded| group.kind == SectionKind::Condition;
    let Some(condition) = groups.into_iter().rev().find(is_condition) else { return Ok(None) };
    let Expanded { place, settings, groups, .. } = condition;
    let section = Section { title: "condition".to_owned(), place, settings };
    let mut options = Options::read(section, CONDITION, &[], POLICY);
    if groups.is_empty() {
        options.refuse("rules", Fault::invalid(Refusal::NoRules));
    }
    let any = options.text("op").as_deref() == Some("or");
    let mut is_refused = options.is_refused();
    report.append(options.into_report());
    let mut rules = Vec::with_capacity(groups.len());
    for Expanded { place, settings, .. } in groups {
        let section = Section { title: "rule".to_owned(), place, settings };
        let mut options = Options::read(section, RULE, &[], POLICY);
        rules.extend(rule(&mut options));
        is_refused |= options.is_refused();
        report.append(options.into_report());
    }
    if is_refused { Err(Refused) } else { Ok(Some(Condition { any, rules })) }
}

/// The rule; what is wrong with it is reported there.
fn rule(options: &mut Options) -> Option<Rule> {
    let field = options.text("field").map(|field| Accessor::parse(&field));
    let field = match field {
        Some(Ok(field)) => Some(field),
        Some(Err(error)) => {
            options.refuse("field", Fault::invalid(Refusal::Field(error)));
            None
        }
        None => {
            options.refuse("field", Fault::Missing("field"));
            None
        }
    };
    let test = test(options);
    let is_metadata = options.text("context").is_some_and(|c| c.eq_ignore_ascii_case("metadata"));
    Some(Rule { field: field?, is_metadata, test: test? })
}

fn test(options: &mut Options) -> Option<Test> {
    let Some(operator) = options.text("op") else {
        // A bad one is reported by its row.
        if !options.is_refused() {
            options.refuse("op", Fault::Missing("op"));
        }
        return None;
    };
    let mut values: Vec<_> = options.all("value").into_iter().map(|value| value.value).collect();
    match operator.as_str() {
        _ if values.is_empty() => {
            options.refuse("value", Fault::Missing("value"));
            None
        }
        "in" => Some(Test::OneOf(values, Negated::No)),
        "not_in" => Some(Test::OneOf(values, Negated::Yes)),
        _ if values.len() > 1 => {
            options.refuse("value", Fault::invalid(Refusal::Several));
            None
        }
        operator => compare(operator, values.pop()?, options),
    }
}

/// A test with one value.
fn compare(operator: &str, value: String, options: &mut Options) -> Option<Test> {
    let order: fn(f64) -> Test = match operator {
        "neq" => return Some(Test::Equals(value, Negated::Yes)),
        "regex" => return pattern(&value, options).map(|it| Test::Matches(it, Negated::No)),
        "not_regex" => return pattern(&value, options).map(|it| Test::Matches(it, Negated::Yes)),
        "gt" => Test::Greater,
        "gte" => Test::GreaterOrEqual,
        "lt" => Test::Less,
        "lte" => Test::LessOrEqual,
        _ => return Some(Test::Equals(value, Negated::No)),
    };
    let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
    if number.is_none() {
        options.refuse("value", Fault::invalid(Refusal::NoNumber));
    }
    number.map(order)
}

fn pattern(text: &str, options: &mut Options) -> Option<Pattern> {
    match Pattern::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            options.refuse("value", Fault::invalid(Refusal::Pattern(error)));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::config::{Config, Environment, Errors, load};

    /// A filter with this condition, in flow style.
    fn load_condition(condition: &str) -> Result<Config, Errors> {
        let text = format!(
            "pipeline:\n  filters:\n    - name: grep\n      match: '*'\n      regex: a b\n      \
             condition: {condition}"
        );
        let files = BTreeMap::from([(PathBuf::from("f.yaml"), text.into_bytes())]);
        load(Path::new("f.yaml"), &files, &Environment::default())
    }

    fn condition(text: &str) -> Condition {
        let mut config = load_condition(text).unwrap_or_else(|errors| panic!("{errors}"));
        config.filters.remove(0).condition.expect("a condition")
    }

    fn refused(text: &str) -> String {
        load_condition(text).expect_err("it is refused").to_string()
    }

    #[test]
    fn rules_are_joined_by_and_unless_or_is_asked_for() {
        let rules = "rules: [{field: $a, op: eq, value: x}, {field: b, op: LT, value: '1.5'}]";
        let read = condition(&format!("{{{rules}}}"));
        assert!(!read.any && read.rules.len() == 2);
        assert!(matches!(read.rules[1].test, Test::Less(limit) if (limit - 1.5).abs() < 1e-9));
        assert!(condition(&format!("{{op: Or, {rules}}}")).any);
    }

    #[test]
    fn every_operator_is_known() {
        let test = |op: &str, value: &str| {
            let text = format!("{{rules: [{{field: $a, op: {op}, value: {value}}}]}}");
            format!("{:?}", condition(&text).rules[0].test)
        };
        assert_eq!(test("eq", "5"), "Equals(\"5\", No)");
        assert_eq!(test("neq", "x"), "Equals(\"x\", Yes)");
        assert_eq!(test("in", "[x, y]"), "OneOf([\"x\", \"y\"], No)");
        assert_eq!(test("not_in", "x"), "OneOf([\"x\"], Yes)");
        assert!(
            test("regex", "^a").starts_with("Matches(") && test("regex", "^a").ends_with("No)")
        );
        assert!(test("not_regex", "'^a'").ends_with("Yes)"));
        for (op, expected) in [("gt", "Greater"), ("gte", "GreaterOrEqual"), ("lte", "LessOrEqual")]
        {
            assert_eq!(test(op, "-3"), format!("{expected}(-3.0)"));
        }
    }

    #[test]
    fn what_cannot_be_asked_is_named_with_its_line() {
        let one = |rule: &str| refused(&format!("{{rules: [{{{rule}}}]}}"));
        let cases = [
            ("field: $a, op: eq", "f.yaml:6: rule: expected an option value"),
            ("op: eq, value: x", "f.yaml:6: rule: expected an option field"),
            ("field: $a, value: x", "f.yaml:6: rule: expected an option op"),
            (
                "field: $a, op: gt, value: many",
                "f.yaml:6: rule: value = \"many\": expected a number",
            ),
            ("field: $a, op: gt, value: inf", "f.yaml:6: rule: value = \"inf\": expected a number"),
            (
                "field: $a, op: eq, value: [x, y]",
                "f.yaml:6: rule: value = \"y\": expected one value, several are for in and not_in",
            ),
            (
                "field: \"$a['\", op: eq, value: x",
                "f.yaml:6: rule: field = \"$a['\": expected ['name'] or [0] after the key, from byte 2 on",
            ),
        ];
        for (rule, expected) in cases {
            assert_eq!(one(rule), expected);
        }
        assert!(
            one("field: $a, op: like, value: x").contains("op = \"like\": expected one of eq, neq")
        );
        assert!(one("field: $a, op: regex, value: (").contains("not a regular expression"));
        assert_eq!(refused("{op: and}"), "f.yaml:6: condition: expected at least one rule");
        let xor = refused("{op: xor, rules: [{field: a, op: eq, value: x}]}");
        assert_eq!(xor, "f.yaml:6: condition: op = \"xor\": expected one of and, or");
    }
}

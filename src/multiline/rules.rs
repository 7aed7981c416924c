//! Around the path, multiline: the states of a `regex` parser, and which line may follow which.
//!
//! Reference: Fluent Bit's `src/multiline/flb_ml_rule.c`. Not known here: where lines come from.

use memchr::memmem::Finder;

use super::line_start::{self, OneLine};
use crate::record::pattern::{Outcome, Pattern, PatternError};

/// Most rules of a parser, inclusive: far more than any parser has (`java` has eight), so that a
/// line is never tried against an endless list.
pub const RULES_MAX: usize = 256;
/// The state before the first line.
pub const START: &str = "start_state";

/// The rules of one parser.
#[derive(Clone, Debug)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// A rule as it is written: `rule "states" "regex" "next"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RuleText<'a> {
    /// The states in which the rule is tried, with commas between them.
    pub states: &'a str,
    /// The expression that a line must match.
    pub pattern: &'a str,
    /// The state after such a line; without one only a new start can follow.
    pub next: Option<&'a str>,
    /// Texts of which a line must hold one to match. Empty: any line may. To look for a text is far
    /// faster than to try an expression that does not begin with one.
    pub needs: &'a [&'a str],
}

#[derive(Clone, Debug)]
struct Rule {
    pattern: Pattern,
    /// The same for the start of a text alone, if the pattern matches only at the start of a line:
    /// to find that it does not match, no more than the first bytes of a line are looked at then.
    at_start: Option<Pattern>,
    /// A line has to hold one of these to match, if there are any.
    needs: Box<[Finder<'static>]>,
    /// [`START`] is among its states.
    is_start: bool,
    /// The rules that a line behind it may match to go on, in their order. Rules with [`START`]
    /// are none of them: a line that matches those begins anew.
    next: Box<[usize]>,
    /// Any of these rules, where that can be asked at once: nearly all lines match none.
    any_next: Option<Pattern>,
    /// A start may follow, so the line is the last of its group.
    ends: bool,
}

/// What a line is by the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The rule that it matches, which is the state behind it.
    pub rule: usize,
    /// It is a first line.
    pub begins: bool,
    /// It is a last line.
    pub ends: bool,
}

/// Why rules cannot be used: the place of the one at fault, from 0, and what is wrong with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{fault}")]
pub struct RuleError {
    /// The rule.
    pub at: usize,
    /// What is wrong.
    #[source]
    pub fault: RuleFault,
}

/// What is wrong with a rule.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RuleFault {
    /// `rule "" "x" "y"`.
    #[error("expected the name of a state before the regular expression")]
    NoState,
    /// The first rule cannot begin anything.
    #[error("expected start_state among the states of the first rule")]
    NoStart,
    /// No rule is tried in the state.
    #[error("no rule has the state {state:?} that this one leads to; states: {known}")]
    UnknownNext {
        /// The state.
        state: String,
        /// Those there are.
        known: String,
    },
    /// A pattern that is none.
    #[error("not a regular expression: {0}")]
    Pattern(#[from] PatternError),
    /// More than [`RULES_MAX`].
    #[error("more than {max} rules")]
    TooMany {
        /// The limit.
        max: usize,
    },
}

impl Rules {
    /// Compiles the rules and finds which may follow which.
    ///
    /// # Errors
    ///
    /// [`RuleError`] where Fluent Bit refuses them too: the first rule has no [`START`], a state
    /// leads nowhere, an expression is none.
    pub fn new(texts: &[RuleText<'_>]) -> Result<Self, RuleError> {
        let fail = |at, fault| RuleError { at, fault };
        if texts.len() > RULES_MAX {
            return Err(fail(RULES_MAX, RuleFault::TooMany { max: RULES_MAX }));
        }
        let states: Vec<Vec<&str>> = texts.iter().map(|text| names(text.states)).collect();
        let is_start: Vec<bool> = states.iter().map(|names| names.contains(&START)).collect();
        let mut rules = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            if states.get(at).is_none_or(Vec::is_empty) {
                return Err(fail(at, RuleFault::NoState));
            }
            if at == 0 && is_start.first() != Some(&true) {
                return Err(fail(at, RuleFault::NoStart));
            }
            let pattern = Pattern::new(text.pattern).map_err(|error| fail(at, error.into()))?;
            let after: Vec<usize> = text.next.map_or_else(Vec::new, |next| {
                let has = |names: &Vec<&str>| names.contains(&next);
                states
                    .iter()
                    .enumerate()
                    .filter(|(_, names)| has(names))
                    .map(|(at, _)| at)
                    .collect()
            });
            if let (Some(next), true) = (text.next, after.is_empty()) {
                let fault = RuleFault::UnknownNext { state: next.to_owned(), known: all(&states) };
                return Err(fail(at, fault));
            }
            let starts = |at: &usize| is_start.get(*at).copied().unwrap_or_default();
            let ends = after.iter().any(starts);
            let next: Box<[usize]> = after.into_iter().filter(|at| !starts(at)).collect();
            let patterns = next.iter().filter_map(|at| texts.get(*at)).map(|text| text.pattern);
            rules.push(Rule {
                pattern,
                at_start: line_start::at_start(text.pattern),
                any_next: line_start::any(&patterns.collect::<Vec<_>>()),
                needs: text.needs.iter().map(|need| Finder::new(need).into_owned()).collect(),
                is_start: starts(&at),
                ends,
                next,
            });
        }
        Ok(Self { rules })
    }

    /// Whether there are none: then no line matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// What `line` is behind a line that matched rule `state`. `None`: no rule takes it.
    #[must_use]
    pub fn step(&self, state: Option<usize>, line: &[u8]) -> Option<Step> {
        let step = |rule: usize, begins, ends| Step { rule, begins, ends };
        let line = OneLine::new(line);
        let before = state.and_then(|state| self.rules.get(state));
        for at in before.filter(|rule| rule.may_go_on(&line)).map_or(&[][..], |rule| &rule.next) {
            if let Some(rule) = self.rules.get(*at).filter(|rule| rule.takes(&line)) {
                return Some(step(*at, false, rule.ends));
            }
        }
        let mut starts = self.rules.iter().enumerate().filter(|(_, rule)| rule.is_start);
        starts.find(|(_, rule)| rule.takes(&line)).map(|(at, rule)| step(at, true, rule.ends))
    }
}

impl Rule {
    /// Whether a line behind may match any of the next rules.
    fn may_go_on(&self, line: &OneLine<'_>) -> bool {
        let any = self.any_next.as_ref().filter(|_| line.is_one);
        any.is_none_or(|any| any.is_match(line.text) != Outcome::NoMatch)
    }

    fn takes(&self, line: &OneLine<'_>) -> bool {
        let is_missing = |need: &Finder<'static>| need.find(line.text).is_none();
        if !self.needs.is_empty() && self.needs.iter().all(is_missing) {
            return false;
        }
        let pattern = self.at_start.as_ref().filter(|_| line.is_one).unwrap_or(&self.pattern);
        match pattern.is_match(line.text) {
            Outcome::Match => true,
            // Given up counts as not found, as in Fluent Bit.
            Outcome::NoMatch | Outcome::StepLimit => false,
        }
    }
}

fn names(states: &str) -> Vec<&str> {
    states.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}

fn all(states: &[Vec<&str>]) -> String {
    let mut known: Vec<&str> = Vec::new();
    for name in states.iter().flatten().copied() {
        if !known.contains(&name) {
            known.push(name);
        }
    }
    known.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text<'a>(states: &'a str, pattern: &'a str, next: &'a str) -> RuleText<'a> {
        RuleText { states, pattern, next: Some(next), needs: &[] }
    }

    fn refused(texts: &[RuleText<'_>]) -> (usize, String) {
        let error = Rules::new(texts).unwrap_err();
        (error.at, error.to_string())
    }

    #[test]
    fn a_line_is_tried_by_the_rules_of_the_next_state_before_those_of_a_start() {
        let rules = [text("start_state", "/^[ab]/", "cont"), text("cont", "/^b/", "cont")];
        let rules = Rules::new(&rules).unwrap();
        let begin = Step { rule: 0, begins: true, ends: false };
        let go_on = Step { rule: 1, begins: false, ends: false };
        assert_eq!(rules.step(None, b"b"), Some(begin), "nothing is open");
        assert_eq!(rules.step(Some(0), b"b"), Some(go_on));
        assert_eq!(rules.step(Some(0), b"a"), Some(begin));
        assert_eq!(rules.step(Some(0), b"c"), None);
    }

    #[test]
    fn a_rule_that_leads_to_the_start_ends_the_group() {
        let rules = [
            text("start_state", "^begin", "more"),
            text("more", "^more", "more"),
            text("more", "^end", "start_state"),
        ];
        let rules = Rules::new(&rules).unwrap();
        assert_eq!(rules.step(Some(1), b"end"), Some(Step { rule: 2, begins: false, ends: true }));
        assert_eq!(rules.step(Some(2), b"more"), None, "only a start may follow");
    }

    #[test]
    fn a_rule_with_start_state_among_others_never_goes_on_with_a_group() {
        let rules = [text("start_state, other", "^x", "more"), text("more", "^y", "other")];
        let rules = Rules::new(&rules).unwrap();
        assert_eq!(rules.step(Some(0), b"y"), Some(Step { rule: 1, begins: false, ends: true }));
        assert_eq!(rules.step(Some(1), b"x"), Some(Step { rule: 0, begins: true, ends: false }));
    }

    #[test]
    fn a_rule_without_a_next_state_is_followed_by_starts_only() {
        let rules = [RuleText { states: START, pattern: "^x", next: None, needs: &[] }];
        let rules = Rules::new(&rules).unwrap();
        assert_eq!(rules.step(Some(0), b"y"), None);
        assert_eq!(rules.step(Some(0), b"x"), Some(Step { rule: 0, begins: true, ends: false }));
    }

    #[test]
    fn the_first_rule_has_to_begin_and_every_state_has_to_lead_somewhere() {
        let (at, said) = refused(&[text("cont", "x", "cont")]);
        assert_eq!(
            (at, said.as_str()),
            (0, "expected start_state among the states of the first rule")
        );
        let (at, said) = refused(&[text(START, "x", "cont"), text("cont, other", "y", "nowhere")]);
        let expected = "no rule has the state \"nowhere\" that this one leads to; states: \
                        start_state, cont, other";
        assert_eq!((at, said.as_str()), (1, expected));
        assert_eq!(refused(&[text(START, "x", START), text(" , ", "y", START)]).0, 1);
        let (at, said) = refused(&[text(START, "x", START), text("a", "*", START)]);
        assert!(at == 1 && said.starts_with("not a regular expression: at byte 0"), "{said}");
    }

    #[test]
    fn there_may_be_as_many_rules_as_the_limit_says_and_not_one_more() {
        let rule = text(START, "x", START);
        assert!(Rules::new(&vec![rule; RULES_MAX]).is_ok());
        assert_eq!(refused(&vec![rule; RULES_MAX + 1]).1, "more than 256 rules");
        assert!(Rules::new(&[]).unwrap().is_empty());
    }
}

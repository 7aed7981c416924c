//! Faults on demand: which requests are to go wrong, and how. Pure and repeatable: the same plan,
//! the same requests and times give the same faults. Must not know what a fault does to a request.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operation::OperationName;

/// Most rules of a plan.
pub const RULES_MAX: usize = 64;
/// Longest delay of an answer: one hour.
pub const DELAY_MS_MAX: u64 = 3_600_000;

/// What goes wrong.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 400 `ThrottlingException`.
    Throttle,
    /// 500 `InternalFailure`.
    InternalFailure,
    /// 503 `ServiceUnavailableException`.
    ServiceUnavailable,
    /// No answer; nothing is taken.
    NeverAnswer,
    /// The connection is reset; nothing is taken.
    ResetBefore,
    /// The request is carried out, then the connection is reset.
    ResetAfter,
    /// The request is carried out; no answer.
    NeverAnswerAfter,
    /// The request is carried out, the answer comes [`Rule::delay_ms`] later. Does not stop
    /// further rules from being looked at.
    Slow,
    /// 400 `ExpiredTokenException`.
    ExpiredToken,
    /// The answer lacks `x-amzn-RequestId`. Does not stop further rules from being looked at.
    NoRequestId,
    /// 400 `AccessDeniedException`.
    AccessDenied,
    /// 415 `UnsupportedMediaTypeException` to a compressed request, as of an endpoint that does not undo compression;
    /// others are not concerned.
    RefuseGzip,
    /// 400 `SerializationException` to a compressed request, as of an endpoint that reads it as it
    /// is; others are not concerned.
    MisreadGzip,
    /// The log group is deleted, then 400 `ResourceNotFoundException`.
    GroupVanishes,
    /// The log stream is deleted, then 400 `ResourceNotFoundException`.
    StreamVanishes,
}

/// When a fault happens. All conditions that are given must hold; without any it always does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// Requests that are concerned; none means `PutLogEvents`.
    #[serde(default)]
    pub operations: Vec<OperationName>,
    /// Requests to let through first.
    #[serde(default)]
    pub skip: u64,
    /// Number of faults after which the rule is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
    /// Milliseconds from the setting of the plan after which the rule is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_ms: Option<u64>,
    /// Only requests beyond this rate, which must be above 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_per_s: Option<f64>,
    /// Share of the requests, from 0 to 1, drawn from the plan's seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Of [`Fault::Slow`].
    #[serde(default)]
    pub delay_ms: u64,
}

impl Rule {
    /// A rule without conditions.
    #[must_use]
    pub fn always(fault: Fault) -> Self {
        Self {
            fault,
            operations: Vec::new(),
            skip: 0,
            next: None,
            for_ms: None,
            above_per_s: None,
            probability: None,
            delay_ms: 0,
        }
    }
}

/// Rules in the order in which they are looked at; the first that applies decides.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    /// Where the drawing for `probability` starts.
    #[serde(default)]
    pub seed: u64,
    /// At most [`RULES_MAX`].
    pub rules: Vec<Rule>,
}

/// Why a plan is not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaultPlanError {
    /// Too many rules.
    #[error("{count} rules, at most {RULES_MAX} are taken")]
    Rules {
        /// Number of rules.
        count: usize,
    },
    /// A number out of its range.
    #[error("rule {position}: `{member}` is {value}, expected {expected}")]
    Number {
        /// Counted from 0.
        position: usize,
        /// Name of the member.
        member: &'static str,
        /// What was given.
        value: f64,
        /// The range.
        expected: &'static str,
    },
}

/// What is to happen to one request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Decision {
    /// Neither [`Fault::Slow`] nor [`Fault::NoRequestId`].
    pub(super) fault: Option<Fault>,
    pub(super) delay: Duration,
    pub(super) omit_request_id: bool,
}

/// A plan and how far it has come.
#[derive(Debug)]
pub(super) struct Faults {
    plan: FaultPlan,
    set_at: Duration,
    random: u64,
    progress: Vec<Progress>,
    /// Faults that happened.
    happened: BTreeMap<Fault, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    skipped: u64,
    done: u64,
    /// Requests that the rate still allows; at most one second's worth, and at least one.
    tokens: f64,
    refilled_at: Duration,
}

impl Faults {
    /// Starts with `plan` at `now`.
    ///
    /// # Errors
    ///
    /// When the plan has a number out of its range.
    pub(super) fn new(plan: FaultPlan, now: Duration) -> Result<Self, FaultPlanError> {
        check(&plan)?;
        let start = |rule: &Rule| Progress {
            skipped: 0,
            done: 0,
            tokens: rule.above_per_s.unwrap_or_default().max(1.0),
            refilled_at: now,
        };
        let progress = plan.rules.iter().map(start).collect();
        Ok(Self { random: plan.seed, progress, plan, set_at: now, happened: BTreeMap::new() })
    }

    /// The plan as it was set.
    pub(super) fn plan(&self) -> &FaultPlan {
        &self.plan
    }

    /// How often each fault happened.
    pub(super) fn happened(&self) -> &BTreeMap<Fault, u64> {
        &self.happened
    }

    /// Decides about the next request.
    pub(super) fn decide(
        &mut self,
        operation: OperationName,
        is_compressed: bool,
        now: Duration,
    ) -> Decision {
        let mut decision = Decision::default();
        let age = now.saturating_sub(self.set_at);
        for (rule, progress) in self.plan.rules.iter().zip(&mut self.progress) {
            if !concerns(rule, operation, is_compressed)
                || !applies(rule, progress, age, now, &mut self.random)
            {
                continue;
            }
            progress.done += 1;
            *self.happened.entry(rule.fault).or_default() += 1;
            match rule.fault {
                Fault::Slow => decision.delay += Duration::from_millis(rule.delay_ms),
                Fault::NoRequestId => decision.omit_request_id = true,
                Fault::Throttle
                | Fault::InternalFailure
                | Fault::ServiceUnavailable
                | Fault::NeverAnswer
                | Fault::ResetBefore
                | Fault::ResetAfter
                | Fault::NeverAnswerAfter
                | Fault::ExpiredToken
                | Fault::AccessDenied
                | Fault::RefuseGzip
                | Fault::MisreadGzip
                | Fault::GroupVanishes
                | Fault::StreamVanishes => {
                    decision.fault = Some(rule.fault);
                    break;
                }
            }
        }
        decision
    }
}

fn check(plan: &FaultPlan) -> Result<(), FaultPlanError> {
    if plan.rules.len() > RULES_MAX {
        return Err(FaultPlanError::Rules { count: plan.rules.len() });
    }
    for (position, rule) in plan.rules.iter().enumerate() {
        let wrong = |member, value, expected| {
            Err(FaultPlanError::Number { position, member, value, expected })
        };
        match (rule.probability, rule.above_per_s) {
            (Some(value), _) if !(0.0..=1.0).contains(&value) => {
                return wrong("probability", value, "0 to 1");
            }
            (_, Some(value)) if !(value > 0.0 && value.is_finite()) => {
                return wrong("above_per_s", value, "a number above 0");
            }
            _ => {}
        }
        if rule.delay_ms > DELAY_MS_MAX {
            let value = Duration::from_millis(rule.delay_ms).as_secs_f64() * 1_000.0;
            return wrong("delay_ms", value, "at most 3600000");
        }
    }
    Ok(())
}

fn concerns(rule: &Rule, operation: OperationName, is_compressed: bool) -> bool {
    if matches!(rule.fault, Fault::RefuseGzip | Fault::MisreadGzip) && !is_compressed {
        return false;
    }
    if rule.operations.is_empty() {
        operation == OperationName::PutLogEvents
    } else {
        rule.operations.contains(&operation)
    }
}

fn applies(
    rule: &Rule,
    progress: &mut Progress,
    age: Duration,
    now: Duration,
    random: &mut u64,
) -> bool {
    let over = rule.next.is_some_and(|next| progress.done >= next)
        || rule.for_ms.is_some_and(|for_ms| age >= Duration::from_millis(for_ms));
    if over {
        return false;
    }
    if progress.skipped < rule.skip {
        progress.skipped += 1;
        return false;
    }
    if rule.above_per_s.is_some_and(|rate| progress.within_rate(rate, now)) {
        return false;
    }
    rule.probability.is_none_or(|probability| draw(random) < probability)
}

impl Progress {
    fn within_rate(&mut self, rate: f64, now: Duration) -> bool {
        let passed = now.saturating_sub(self.refilled_at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate).min(rate.max(1.0));
        self.refilled_at = now;
        let within = self.tokens >= 1.0;
        if within {
            self.tokens -= 1.0;
        }
        within
    }
}

/// A number from 0 to 1, without 1.
fn draw(random: &mut u64) -> f64 {
    const STEPS: f64 = 4_294_967_296.0;
    let high = u32::try_from(scramble(random) >> 32).unwrap_or_default();
    f64::from(high) / STEPS
}

/// The next number of the generator `SplitMix64` (Steele, Lea, Flood 2014).
pub(super) fn scramble(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn faults(rules: Vec<Rule>) -> Faults {
        Faults::new(FaultPlan { seed: 7, rules }, NOW).expect("a valid plan")
    }

    fn puts(faults: &mut Faults, count: usize, now: Duration) -> Vec<bool> {
        let mut put = || faults.decide(OperationName::PutLogEvents, false, now).fault.is_some();
        (0..count).map(|_| put()).collect()
    }

    #[test]
    fn skip_and_next_bound_a_fault_to_some_requests() {
        let rule = Rule { skip: 1, next: Some(2), ..Rule::always(Fault::InternalFailure) };
        let mut faults = faults(vec![rule]);
        assert_eq!(puts(&mut faults, 5, NOW), [false, true, true, false, false]);
        assert_eq!(faults.happened().get(&Fault::InternalFailure), Some(&2));
    }

    #[test]
    fn a_rule_ends_with_its_time() {
        let rule = Rule { for_ms: Some(1_000), ..Rule::always(Fault::ServiceUnavailable) };
        let mut faults = faults(vec![rule]);
        assert_eq!(puts(&mut faults, 1, NOW + Duration::from_millis(999)), [true]);
        assert_eq!(puts(&mut faults, 1, NOW + Duration::from_millis(1_000)), [false]);
    }

    #[test]
    fn only_requests_above_the_rate_are_throttled() {
        let rule = Rule { above_per_s: Some(2.0), ..Rule::always(Fault::Throttle) };
        let mut faults = faults(vec![rule]);
        assert_eq!(puts(&mut faults, 4, NOW), [false, false, true, true]);
        let half = NOW + Duration::from_millis(500);
        assert_eq!(puts(&mut faults, 2, half), [false, true]);
        let later = NOW + Duration::from_secs(60);
        assert_eq!(puts(&mut faults, 3, later), [false, false, true]);
    }

    #[test]
    fn a_probability_is_met_and_repeats_with_the_seed() {
        let rule = Rule { probability: Some(0.25), ..Rule::always(Fault::ResetAfter) };
        let one = puts(&mut faults(vec![rule.clone()]), 4_000, NOW);
        let hits = one.iter().filter(|hit| **hit).count();
        assert!((900..1_100).contains(&hits), "{hits}");
        assert_eq!(one, puts(&mut faults(vec![rule]), 4_000, NOW));
        for (probability, hits) in [(0.0, 0), (1.0, 100)] {
            let rule = Rule { probability: Some(probability), ..Rule::always(Fault::ResetAfter) };
            let all = puts(&mut faults(vec![rule]), 100, NOW);
            assert_eq!(all.into_iter().filter(|hit| *hit).count(), hits);
        }
    }

    #[test]
    fn slow_and_no_request_id_go_together_with_another_fault() {
        let mut faults = faults(vec![
            Rule { delay_ms: 50, ..Rule::always(Fault::Slow) },
            Rule::always(Fault::NoRequestId),
            Rule::always(Fault::AccessDenied),
            Rule::always(Fault::Throttle),
        ]);
        let decision = faults.decide(OperationName::PutLogEvents, false, NOW);
        let delay = Duration::from_millis(50);
        let fault = Some(Fault::AccessDenied);
        assert_eq!(decision, Decision { fault, delay, omit_request_id: true });
    }

    #[test]
    fn a_rule_concerns_puts_unless_it_names_other_operations() {
        let named = vec![OperationName::CreateLogStream];
        let mut faults = faults(vec![Rule { operations: named, ..Rule::always(Fault::Throttle) }]);
        assert_eq!(puts(&mut faults, 1, NOW), [false]);
        assert!(faults.decide(OperationName::CreateLogStream, false, NOW).fault.is_some());
    }

    #[test]
    fn an_endpoint_that_takes_no_compression_takes_what_is_plain() {
        for fault in [Fault::RefuseGzip, Fault::MisreadGzip] {
            let mut faults = faults(vec![Rule { skip: 1, ..Rule::always(fault) }]);
            let mut put = |is_compressed| {
                faults.decide(OperationName::PutLogEvents, is_compressed, NOW).fault
            };
            assert_eq!([put(false), put(true), put(true)], [None, None, Some(fault)]);
            assert_eq!(put(false), None);
        }
    }

    #[test]
    fn a_plan_is_read_from_json_and_checked() {
        let json = r#"{"rules":[{"fault":"service_unavailable","for_ms":20}]}"#;
        let plan: FaultPlan = serde_json::from_str(json).unwrap();
        assert_eq!(
            plan.rules,
            [Rule { for_ms: Some(20), ..Rule::always(Fault::ServiceUnavailable) }]
        );
        assert!(serde_json::from_str::<FaultPlan>(r#"{"rules":[{"fault":"x"}]}"#).is_err());
        for (probability, above_per_s) in
            [(Some(1.1), None), (Some(-0.1), None), (None, Some(0.0)), (None, Some(f64::NAN))]
        {
            let rule = Rule { probability, above_per_s, ..Rule::always(Fault::Slow) };
            let plan = FaultPlan { seed: 0, rules: vec![rule] };
            assert!(Faults::new(plan, NOW).is_err());
        }
        let many = |count| FaultPlan { seed: 0, rules: vec![Rule::always(Fault::Slow); count] };
        assert!(Faults::new(many(RULES_MAX), NOW).is_ok());
        assert!(Faults::new(many(RULES_MAX + 1), NOW).is_err());
    }
}

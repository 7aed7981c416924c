//! Step 4, router: which filters and which outputs a tag meets.
//!
//! Patterns are looked at once a tag; the answer is kept. Must not know what filters and outputs
//! do.

use std::collections::HashMap;
use std::sync::Arc;

use crate::record::tag::Tag;
use crate::record::tag_pattern::TagMatch;

/// Most tags whose plan is kept: beyond it the plans are made anew. A task has a handful of tags;
/// a peer that invents one a record must not make the router grow.
const PLANS_MAX: usize = 4_096;

/// Longest tag whose plan is kept: what is kept is not paid for by any chunk.
const PLAN_TAG_BYTES_MAX: usize = 512;

/// What a tag meets, in the order of the configuration, as places in its lists.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Plan {
    /// The filters.
    pub filters: Vec<usize>,
    /// The outputs.
    pub outputs: Vec<usize>,
}

/// Matches tags against the patterns of filters and outputs.
#[derive(Debug)]
pub struct Router {
    filters: Vec<TagMatch>,
    outputs: Vec<TagMatch>,
    plans: HashMap<Tag, Arc<Plan>>,
}

impl Router {
    /// A router over the `Match` of each filter and of each output.
    #[must_use]
    pub fn new(filters: Vec<TagMatch>, outputs: Vec<TagMatch>) -> Self {
        Self { filters, outputs, plans: HashMap::new() }
    }

    /// What a tag meets.
    pub fn plan(&mut self, tag: &Tag) -> Arc<Plan> {
        if let Some(plan) = self.plans.get(tag) {
            return Arc::clone(plan);
        }
        let plan = Arc::new(Plan {
            filters: places(&self.filters, tag),
            outputs: places(&self.outputs, tag),
        });
        if tag.as_bytes().len() > PLAN_TAG_BYTES_MAX {
            return plan;
        }
        if self.plans.len() == PLANS_MAX {
            self.plans.clear();
        }
        self.plans.insert(tag.clone(), Arc::clone(&plan));
        plan
    }
}

fn places(patterns: &[TagMatch], tag: &Tag) -> Vec<usize> {
    let matching = patterns.iter().enumerate().filter(|(_, one)| one.matches(tag.as_bytes()));
    matching.map(|(place, _)| place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> TagMatch {
        TagMatch::new(Some(text), None).expect("a pattern")
    }

    #[test]
    fn a_tag_meets_what_matches_it_in_the_order_of_the_configuration() {
        let outputs = vec![pattern("app*"), pattern("*"), pattern("other")];
        let mut router = Router::new(vec![pattern("*"), pattern("x")], outputs);
        let plan = router.plan(&"app-firelens-1".into());
        assert_eq!((plan.filters.as_slice(), plan.outputs.as_slice()), (&[0][..], &[0, 1][..]));
    }

    #[test]
    fn more_tags_than_plans_are_kept_still_find_their_way() {
        let mut router = Router::new(Vec::new(), vec![pattern("*")]);
        for tag in 0..=PLANS_MAX {
            assert_eq!(router.plan(&tag.to_string().as_str().into()).outputs, [0]);
            assert!(router.plans.len() <= PLANS_MAX);
        }
    }
}

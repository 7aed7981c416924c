//! Step 6, output `forward`: which node gets the next records.
//!
//! Pure: `now` and chance are arguments. Nodes take turns; one that failed is left out for a while
//! and then gets one try. Where all are left out, none is: to leave out the last would keep records
//! from a node that may be there again. Not known here: how a node is reached.

use std::time::{Duration, Instant};

use fastrand::Rng;

/// How long a node is left out after its first failure.
const OUT_BASE: Duration = Duration::from_secs(1);
/// How long at most.
const OUT_MAX: Duration = Duration::from_secs(30);
/// How long others keep from a node that is being tried again.
const TRIAL: Duration = Duration::from_secs(10);

/// The nodes of an output.
#[derive(Debug)]
pub struct Balance {
    nodes: Vec<Health>,
    /// Whose turn it is.
    next: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// Failures in a row.
    failures: u32,
    /// Until when it is left out.
    out_until: Option<Instant>,
}

/// What has changed and is to be told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// A node that took records is left out.
    Left,
    /// A node that was left out takes records again.
    Back,
}

/// Nodes that one parcel was offered to already.
#[derive(Clone, Debug, Default)]
pub struct Tried(Vec<usize>);

impl Tried {
    /// Whether it was this one.
    #[must_use]
    pub fn has(&self, node: usize) -> bool {
        self.0.contains(&node)
    }
}

impl Balance {
    /// So many nodes, all of which are thought to be well.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { nodes: vec![Health::default(); nodes], next: 0 }
    }

    /// The node to offer a parcel to: the next that is well, else the one that is to be tried again
    /// first. `None`: the parcel was offered to all.
    pub fn pick(&mut self, tried: &mut Tried, now: Instant) -> Option<usize> {
        let count = self.nodes.len();
        let turns = (0..count).map(|turn| (self.next + turn) % count.max(1));
        let untried: Vec<usize> = turns.filter(|node| !tried.has(*node)).collect();
        let out_until = |node: &usize| self.nodes.get(*node).and_then(|health| health.out_until);
        let is_in = |node: &&usize| out_until(node).is_none_or(|until| until <= now);
        let well = untried.iter().find(is_in);
        let node = *well.or_else(|| untried.iter().min_by_key(|node| out_until(node)))?;
        self.next = (node + 1) % count;
        if let Some(health) = self.nodes.get_mut(node)
            && health.failures > 0
        {
            health.out_until = now.checked_add(TRIAL);
        }
        tried.0.push(node);
        Some(node)
    }

    /// The node did not take a parcel.
    pub fn failed(&mut self, node: usize, now: Instant, chance: &mut Rng) -> Option<Change> {
        let health = self.nodes.get_mut(node)?;
        let whole = OUT_BASE.saturating_mul(1 << health.failures.min(16)).min(OUT_MAX);
        // Half of it chance: a fleet does not come back in step.
        health.out_until = now.checked_add(whole / 2 + (whole / 2).mul_f64(chance.f64()));
        health.failures = health.failures.saturating_add(1);
        (health.failures == 1).then_some(Change::Left)
    }

    /// The node took a parcel.
    pub fn succeeded(&mut self, node: usize) -> Option<Change> {
        let health = self.nodes.get_mut(node)?;
        let was_out = std::mem::take(health).failures > 0;
        was_out.then_some(Change::Back)
    }

    /// How many nodes are well.
    #[must_use]
    pub fn well(&self) -> usize {
        self.nodes.iter().filter(|health| health.failures == 0).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(balance: &mut Balance, count: usize, now: Instant) -> Vec<usize> {
        (0..count).filter_map(|_| balance.pick(&mut Tried::default(), now)).collect()
    }

    #[test]
    fn nodes_take_turns_and_a_parcel_is_offered_to_each_once() {
        let (mut balance, now) = (Balance::new(3), crate::clock::now());
        assert_eq!(picked(&mut balance, 4, now), [0, 1, 2, 0]);
        let mut tried = Tried::default();
        let offered: Vec<_> = (0..4).filter_map(|_| balance.pick(&mut tried, now)).collect();
        assert_eq!(offered, [1, 2, 0]);
        assert_eq!(Balance::new(0).pick(&mut Tried::default(), now), None);
    }

    #[test]
    fn a_node_that_failed_is_left_out_and_then_gets_one_try() {
        let (mut balance, now) = (Balance::new(2), crate::clock::now());
        let mut chance = Rng::with_seed(7);
        assert_eq!(balance.failed(0, now, &mut chance), Some(Change::Left));
        assert_eq!((picked(&mut balance, 3, now), balance.well()), (vec![1, 1, 1], 1));
        let later = now + OUT_BASE;
        assert_eq!(picked(&mut balance, 3, later), [0, 1, 1], "one try");
        assert_eq!(balance.failed(0, later, &mut chance), None, "told already");
        assert_eq!(picked(&mut balance, 2, later + OUT_BASE / 2), [1, 1]);
        assert_eq!(balance.succeeded(0), Some(Change::Back));
        assert_eq!((picked(&mut balance, 2, later), balance.succeeded(0)), (vec![0, 1], None));
    }

    #[test]
    fn where_all_are_left_out_the_one_that_is_due_first_is_tried_first() {
        let (mut balance, now) = (Balance::new(2), crate::clock::now());
        let mut chance = Rng::with_seed(7);
        let _ = balance.failed(1, now, &mut chance);
        let _ = balance.failed(0, now + OUT_BASE, &mut chance);
        let mut tried = Tried::default();
        let now = now + OUT_BASE / 4;
        assert_eq!(
            (balance.pick(&mut tried, now), balance.pick(&mut tried, now)),
            (Some(1), Some(0))
        );
    }

    #[test]
    fn a_node_is_left_out_longer_each_time_up_to_a_limit() {
        let (mut balance, now) = (Balance::new(1), crate::clock::now());
        let mut chance = Rng::with_seed(7);
        for failures in 0..40_u32 {
            let whole = OUT_BASE.saturating_mul(1 << failures.min(16)).min(OUT_MAX);
            let _ = balance.failed(0, now, &mut chance);
            let out = balance.nodes[0].out_until.expect("left out") - now;
            assert!(whole / 2 <= out && out <= whole, "{out:?} of {whole:?}");
        }
    }
}

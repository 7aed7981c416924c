//! A fleet of routers against one account: it settles without storms, and nobody starves.

use std::time::Duration;

use firelane::clock;

use crate::fleet_simulation::{Policy, Scene, play};

/// After an outage: 200 routers begin at the same moment, none of their streams exists, and the account
/// takes a hundredth of its puts and a tenth of its creations.
const SCENE: Scene = Scene {
    routers: 200,
    streams: 1,
    flush: Duration::from_secs(5),
    backlog: 60,
    chunk_bytes: 50,
    puts_per_s: 50.0,
    creations_per_s: 5.0,
    length: Duration::from_secs(240),
    seed: 1,
};

#[test]
fn a_fleet_that_starts_after_an_outage_settles_near_the_ideal_and_naive_routers_do_not() {
    let report = play(SCENE, Policy::Firelane, clock::now());
    // 200 streams at 5 a second.
    let ideal = Duration::from_secs(40);
    assert!(report.settled.is_some_and(|at| at < ideal * 2), "{:?}", report.settled);
    assert!(report.throttled(0) < 0.7, "{:?}", report.minutes);
    assert!((1..4).all(|minute| report.throttled(minute) < 0.02), "{:?}", report.minutes);
    assert!(report.fairness() > 0.95, "{}", report.fairness());
    assert_eq!(report.created, 200);
    assert!(report.creations < 8 * report.created, "{}", report.creations);
    let naive = play(SCENE, Policy::Naive, clock::now());
    assert!(naive.settled.is_none_or(|at| at > report.settled.unwrap_or_default() * 3));
    assert!(naive.calls_per_gb() > 10.0 * report.calls_per_gb());
}

#[test]
fn a_fleet_that_wants_twelve_times_what_the_account_takes_shares_it_and_few_requests_are_throttled()
{
    let scene = Scene { streams: 3, flush: Duration::from_secs(1), ..SCENE };
    let report = play(scene, Policy::Firelane, clock::now());
    // 600 streams at 5 a second.
    let ideal = Duration::from_secs(120);
    assert!(report.settled.is_some_and(|at| at < ideal * 2), "{:?}", report.settled);
    assert!(report.throttled(3) < 0.2, "{:?}", report.minutes);
    assert!(report.fairness() > 0.9, "{}", report.fairness());
}

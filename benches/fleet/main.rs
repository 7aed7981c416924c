//! Prints what a fleet of routers does to one account, and what naive routers do to it:
//! `cargo bench --bench fleet`.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    missing_docs,
    unreachable_pub,
    reason = "a bench"
)]

mod simulation;

use std::time::Duration;

use simulation::{Policy, Scene, play};

fn main() {
    let scene = Scene {
        routers: 200,
        streams: 1,
        flush: Duration::from_secs(5),
        backlog: 60,
        chunk_bytes: 1_000,
        puts_per_s: 50.0,
        creations_per_s: 5.0,
        length: Duration::from_secs(600),
        seed: 1,
    };
    let busy = Scene { streams: 3, flush: Duration::from_secs(1), ..scene };
    println!(
        "| streams | flush s | policy | settled s | calls per MB | throttled in minute 1, 2, 5, last, % | fairness | creations per stream | left |"
    );
    println!("|---:|---:|---|---:|---:|---|---:|---:|---:|");
    for scene in [scene, busy] {
        for policy in [Policy::Firelane, Policy::Naive] {
            let report = play(scene, policy, firelane::clock::now());
            let settled = report.settled.map_or("never".to_owned(), |at| at.as_secs().to_string());
            let last = report.minutes.len().saturating_sub(2);
            let throttled =
                [0, 1, 4, last].map(|at| format!("{:.0}", 100.0 * report.throttled(at)));
            println!(
                "| {} | {} | {policy:?} | {settled} | {:.1} | {} | {:.2} | {:.2} | {} |",
                scene.routers * scene.streams,
                scene.flush.as_secs(),
                report.calls_per_gb() / 1_000.0,
                throttled.join(", "),
                report.fairness(),
                report.creations as f64 / report.created.max(1) as f64,
                report.left,
            );
        }
    }
}

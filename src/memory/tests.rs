//! Configurations of users in containers of several sizes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::config::{Environment, load};

/// What the ECS agent writes, and an output.
const AGENT: &str = "[INPUT]\n name forward\n unix_path /f.sock\n mem_buf_limit 25MB\n\
    [INPUT]\n name forward\n port 24224\n[INPUT]\n name tcp\n port 8877\n\
    [OUTPUT]\n name cloudwatch_logs\n match *\n region r\n log_group_name g\n log_stream_name s\n";

fn config(text: &str) -> Config {
    let files = BTreeMap::from([(PathBuf::from("f.conf"), text.as_bytes().to_vec())]);
    load(Path::new("f.conf"), &files, &Environment::default()).unwrap()
}

fn inputs(limits: &[u64]) -> Config {
    let input = |limit: &u64| format!("[INPUT]\n name dummy\n mem_buf_limit {limit}\n");
    config(&limits.iter().map(input).collect::<String>())
}

#[test]
fn the_budget_is_what_the_inputs_want() {
    let budget = |limits: &[u64]| worst_case(&inputs(limits), None).budget_bytes;
    assert_eq!(budget(&[]), BUDGET_BYTES_DEFAULT);
    assert_eq!(budget(&[0, 0]), BUDGET_BYTES_DEFAULT);
    assert_eq!(budget(&[5_000_000, 7_000_000]), 12_000_000);
    assert_eq!(budget(&[5_000_000, 0]), BUDGET_BYTES_DEFAULT);
    assert_eq!(budget(&[40_000_000, 0]), 41_000_000, "others have a part of their own");
    assert_eq!(budget(&[u64::MAX / 4; 5]), u64::from(u32::MAX));
}

#[test]
fn an_input_has_its_limit_in_proportion_to_what_there_is() {
    let config = inputs(&[30_000_000, 10_000_000]);
    let all = worst_case(&config, None);
    let parts = |case: &WorstCase| case.inputs.iter().map(|one| one.bytes_max).collect::<Vec<_>>();
    assert_eq!(parts(&all), [Some(30_000_000), Some(10_000_000)]);
    let some = worst_case(&config, Some(all.bytes() - 10_000_000));
    assert!(some.budget_bytes < 40_000_000 && some.is_within_limit());
    let three_quarters = some.budget_bytes * 3 / 4;
    assert_eq!(parts(&some), [Some(three_quarters), Some(some.budget_bytes / 4)]);
    assert_eq!(parts(&worst_case(&inputs(&[0]), None)), [None]);
}

#[test]
fn more_memory_than_there_is_to_use_changes_nothing() {
    let config = config(AGENT);
    let free = worst_case(&config, None);
    let large = worst_case(&config, Some(1 << 40));
    assert_eq!(free.budget_bytes, large.budget_bytes);
    assert!(large.is_within_limit() && free.is_within_limit());
}

#[test]
fn connections_are_as_many_as_their_memory_holds() {
    let most = |text: &str, limit| {
        worst_case(&config(text), limit)
            .inputs
            .iter()
            .map(|one| one.connections_max)
            .collect::<Vec<_>>()
    };
    let one = "[INPUT]\n name forward\n";
    assert_eq!(most(one, None), [10_000]);
    assert_eq!(most("[INPUT]\n name dummy\n", None), [0]);
    let in_small = most(AGENT, Some(32 * MIB));
    let fitting =
        usize::try_from(32 * MIB / CONNECTIONS_SHARE / 3 / cost::CONNECTION_BYTES).unwrap();
    assert_eq!(in_small, [fitting; 3]);
    assert_eq!(most(one, Some(0)), [CONNECTIONS_MIN]);
    let chosen = "[INPUT]\n name http\n max_connections 20000\n";
    assert_eq!(most(chosen, None), [20_000]);
    assert!(most(chosen, Some(64 * MIB))[0] < 100);
}

fn part_of(text: &str, what: &str) -> u64 {
    let case = worst_case(&config(text), None);
    case.parts.iter().find(|part| part.what == what).unwrap().bytes
}

#[test]
fn a_large_frame_is_counted_once_for_all_inputs_and_packed_and_unpacked() {
    let frame = input::forward::decode::FRAME_BYTES_MAX as u64;
    let small =
        |frame: u64| cost::DECODING_BYTES + input::RESERVE_BYTES + cost::FRAMES_OVER * frame;
    let expected = 2 * frame + 2 * small(input::LARGE_BYTES as u64) + small(32 * KIB);
    assert_eq!(part_of(AGENT, "being decoded"), expected);
    let one = "[INPUT]\n name forward\n buffer_max_size 128k\n";
    assert_eq!(part_of(one, "being decoded"), small(128_000));
}

#[test]
fn log_streams_are_counted_where_peers_choose_their_names() {
    let output = |name: &str| {
        let text = format!("[OUTPUT]\n name cloudwatch_logs\n match *\n region r\n{name}");
        part_of(&text, "log streams")
    };
    let names = naming::TABLE_BYTES_MAX as u64;
    let streams = delivery::Limits::beside_budget(BUDGET_BYTES_DEFAULT).streams_bytes_max() as u64;
    let group = " log_group_name g\n";
    assert_eq!(output(&format!("{group} log_stream_name s\n")), names);
    assert_eq!(output(&format!("{group} log_stream_prefix s\n")), names + streams);
    let template = format!("{group} log_stream_prefix s\n log_stream_template $a\n");
    assert_eq!(output(&template), cost::SPLIT_BYTES);
}

#[test]
fn a_connection_costs_the_heads_and_the_acks_that_nobody_pays_for() {
    let each = |text: &str| {
        let bytes = part_of(text, "connections");
        bytes / worst_case(&config(text), None).inputs[0].connections_max as u64
    };
    let forward = each("[INPUT]\n name forward\n");
    let stored =
        each("[SERVICE]\n storage.path /s\n[INPUT]\n name forward\n storage.type filesystem\n");
    assert_eq!(stored - forward, input::OWED_BYTES_MAX as u64);
    let plain = each("[INPUT]\n name http\n http2 off\n");
    assert_eq!(plain, cost::CONNECTION_BYTES + http::connection::PLAIN_BYTES_MAX as u64);
    let both = each("[INPUT]\n name http\n");
    assert_eq!(both, cost::CONNECTION_BYTES + http::connection::STREAMED_BYTES_MAX as u64);
}

#[test]
fn the_line_names_the_sum_and_its_parts() {
    let line = worst_case(&inputs(&[5_000_000]), Some(64 * MIB)).to_string();
    let sum = cost::PROGRAM_BYTES + 5_000_000 + cost::DECODING_BYTES + input::RESERVE_BYTES;
    let expected = format!(
        "at most {} MB resident: program {}, records that wait 5.0, being decoded 0.4; the container \
         has 67.1",
        Millions(sum),
        Millions(cost::PROGRAM_BYTES)
    );
    assert_eq!(line, expected);
}

proptest! {
    /// Whatever a container has: the sum is within it, or the budget is the least there is.
    #[test]
    fn the_sum_is_within_the_limit_or_the_budget_is_least(limit in 0..200 * MIB) {
        let case = worst_case(&config(AGENT), Some(limit));
        prop_assert!(case.is_within_limit() || case.budget_bytes == BUDGET_BYTES_MIN, "{case}");
        prop_assert!(case.budget_bytes >= BUDGET_BYTES_MIN);
        for part in &case.inputs {
            prop_assert!(part.bytes_max.is_none_or(|bytes| bytes <= case.budget_bytes));
        }
    }
}

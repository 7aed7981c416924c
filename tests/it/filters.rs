//! Filters that drop, make, move and copy records, together in a whole process.

use crate::rig::peer::Peer;
use crate::rig::{World, wait_for};

const RECORDS: u64 = 1_000;
const CONFIG: &str = "
[SERVICE]
    Flush 0.05
    Streams_File @DIR@/streams.conf
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
[FILTER]
    Name lua
    Alias script
    Match app*
    script script.lua
    call by_last_digit
[FILTER]
    Name rewrite_tag
    Match app*
    Rule $log seq=[0-9]*[02468]\\s even.$TAG[0] false
[FILTER]
    Name record_modifier
    Match *
    Record seen once
[OUTPUT]
    Name cloudwatch_logs
    Match_Regex ^(app|even)
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
    Retry_Limit no_limits
[OUTPUT]
    Name null
    Match copy
";
const STREAMS: &str = "
[STREAM_TASK]
    Name copies
    Exec CREATE STREAM copy AS SELECT * FROM TAG:'even*' WHERE seen = 'once';
";
/// Of ten records one fails, one is dropped, and one becomes two.
const SCRIPT: &str = "
function by_last_digit(tag, time, record)
  local digit = record.log:match('seq=%d*(%d)%s')
  if digit == '3' then error('no threes') end
  if digit == '5' then return -1, 0, 0 end
  if digit == '7' then return 2, 0, {record, {log = 'one more'}} end
  return 0, 0, 0
end
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_filters_drop_make_move_and_copy_adds_up() {
    let world = World::start().await;
    world.write("streams.conf", STREAMS);
    world.write("script.lua", SCRIPT);
    let running = world.run(CONFIG).await;
    let mut peer = Peer::tcp(running.address(0), "a").await;
    peer.send(RECORDS).await.expect("connected");
    // A tenth is dropped and a tenth made; the even ones are copied.
    running.arrived(RECORDS).await;
    wait_for("the copies", || running.output(1).delivered == RECORDS / 2).await;
    wait_for("the answers", || running.output(0).held == 0).await;
    running.look();
    let ingest = running.telemetry.intake.balance();
    assert_eq!((ingest.received, ingest.made), (RECORDS, RECORDS / 10 + RECORDS / 2));
    assert_eq!(ingest.dropped.iter().sum::<u64>(), RECORDS / 10);
    let filters = &running.telemetry.filters;
    let script = filters.iter().find(|filter| filter.name == "script").expect("the script");
    assert_eq!(script.failed_records.get(), RECORDS / 10);
    let text = running.telemetry.prometheus();
    let sample =
        format!("firelane_filter_failed_records_total{{filter=\"script\"}} {}\n", RECORDS / 10);
    assert!(text.contains(&sample), "{text}");
    let world = running.stop_well().await;
    let received = world.received();
    let count = received.sequences.get("a").expect("records of the peer");
    assert_eq!((count.received, count.duplicates), (RECORDS / 10 * 9, 0));
    let mut streams: Vec<_> = received.streams.iter().map(|one| one.stream.as_str()).collect();
    streams.sort_unstable();
    assert_eq!(
        streams,
        [
            format!("s-{}", crate::rig::peer::TAG).as_str(),
            "s-even.app-firelens-0123456789abcdef0123456789abcdef"
        ]
    );
}

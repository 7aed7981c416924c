//! Files that a whole process follows: it is killed, started again, stopped, and ends by itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;

use serde_json::Value;

use crate::rig::process::Process;
use crate::rig::{World, in_time, wait_for};

const CONFIG: &str = "
[SERVICE]
    Flush 0.05
    Grace 60
[INPUT]
    Name tail
    Path @DIR@/logs/*.log
    Tag t
    Path_Key path
    Refresh_Interval 0.2
    Read_from_Head on
    DB @DIR@/offsets.db
    @MORE@
[OUTPUT]
    Name cloudwatch_logs
    Match *
    region us-east-1
    endpoint @ENDPOINT@
    log_group_name g
    log_stream_prefix s-
    auto_create_group on
    Retry_Limit no_limits
";
const FILES: usize = 3;
/// Lines of each file before the process is killed, while it does not run, and after that.
const LINES: usize = 4_000;

fn start(world: &World, more: &str) -> Process {
    fs::create_dir_all(world.folder.path().join("logs")).unwrap();
    let file = world.write("fluent-bit.conf", &CONFIG.replace("@MORE@", more));
    Process::start(["-c".as_ref(), file.as_os_str()])
}

fn append(world: &World, file: usize, lines: std::ops::Range<usize>) {
    let path = world.folder.path().join(format!("logs/{file}.log"));
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    let text: String = lines.map(|line| format!("line {line}\n")).collect();
    file.write_all(text.as_bytes()).unwrap();
}

/// The numbers of the lines that arrived, by file, in the order of arrival.
fn arrived(world: &World) -> BTreeMap<String, Vec<usize>> {
    let mut arrived: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (_, message) in world.cloudwatch().events("g", "s-t") {
        let message: Value = serde_json::from_str(&message).unwrap();
        let number = message["log"].as_str().unwrap().trim_end().strip_prefix("line ").unwrap();
        let path = message["path"].as_str().unwrap().to_owned();
        arrived.entry(path).or_default().push(number.parse().unwrap());
    }
    arrived
}

async fn stopped(process: Process) {
    process.signal("TERM");
    let (status, said) = in_time("the end", process.end()).await;
    assert_eq!(status, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_loses_no_line_and_reads_again_only_what_was_on_its_way() {
    let world = World::start().await;
    let process = start(&world, "");
    for part in 0..10 {
        let lines = part * LINES / 10..(part + 1) * LINES / 10;
        (0..FILES).for_each(|file| append(&world, file, lines.clone()));
        let some = (part + 1) * FILES * LINES / 20;
        wait_for("some lines", || arrived(&world).values().map(Vec::len).sum::<usize>() >= some)
            .await;
    }
    process.signal("KILL");
    let (status, _) = process.end().await;
    assert_eq!(status, None);
    // While nobody reads, one file is rotated, too.
    (0..FILES).for_each(|file| append(&world, file, LINES..2 * LINES));
    let logs = world.folder.path().join("logs");
    fs::rename(logs.join("0.log"), logs.join("0.1.log")).unwrap();
    let process = start(&world, "");
    (1..FILES).for_each(|file| append(&world, file, 2 * LINES..3 * LINES));
    let all = |arrived: &BTreeMap<String, Vec<usize>>| {
        let has = |name: &str, last: usize| {
            arrived.iter().any(|(path, lines)| path.ends_with(name) && lines.contains(&last))
        };
        has("/0.1.log", 2 * LINES - 1)
            && has("/1.log", 3 * LINES - 1)
            && has("/2.log", 3 * LINES - 1)
    };
    wait_for("all lines", || all(&arrived(&world))).await;
    stopped(process).await;
    let mut arrived = arrived(&world);
    // Lines that were read under both names are of one file.
    let path = |name: &str| logs.join(name).display().to_string();
    let before = arrived.remove(&path("0.log")).unwrap();
    let lines = arrived.entry(path("0.1.log")).or_default();
    lines.splice(0..0, before);
    for (path, lines) in arrived {
        let last = if path.ends_with("/0.1.log") { 2 * LINES } else { 3 * LINES };
        let all: std::collections::BTreeSet<_> = lines.iter().copied().collect();
        assert!(all.iter().copied().eq(0..last), "{path}: {} of {last}", all.len());
        // The second process begins once, somewhere before where the first one was.
        let jumps = lines.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
        assert!(jumps <= 1, "{path}: {jumps}");
        assert!(lines.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_in_the_files_is_read_when_the_process_is_stopped_and_nothing_twice() {
    let world = World::start().await;
    for more in ["", "multiline.parser java", "Inotify_Watcher off"] {
        let process = start(&world, more);
        let had = arrived(&world).values().map(Vec::len).sum::<usize>();
        let from = had / FILES;
        append(&world, 0, from..from + 1);
        wait_for("a line", || arrived(&world).values().map(Vec::len).sum::<usize>() > had).await;
        append(&world, 0, from + 1..from + 20_000);
        (1..FILES).for_each(|file| append(&world, file, from..from + 20_000));
        stopped(process).await;
        for (path, lines) in arrived(&world) {
            let odd = lines.iter().copied().zip(0..).find(|(line, at)| line != at);
            assert_eq!((odd, lines.len()), (None, from + 20_000), "{path} {more}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_reads_files_nobody_has_met_and_ends_while_others_are_written() {
    let world = World::start().await;
    fs::create_dir_all(world.folder.path().join("logs")).unwrap();
    append(&world, 0, 0..1);
    let text = CONFIG.replace("Refresh_Interval 0.2", "Refresh_Interval 60").replace("@MORE@", "");
    let file = world.write("fluent-bit.conf", &text);
    let process = Process::start(["-c".as_ref(), file.as_os_str()]);
    let path = world.folder.path().join("logs/0.log");
    let writer = tokio::spawn(async move {
        let mut file = File::options().append(true).open(path).unwrap();
        let mut ticks = tokio::time::interval(std::time::Duration::from_micros(500));
        for number in 1_u64.. {
            file.write_all(format!("line {number}\n").as_bytes()).unwrap();
            ticks.tick().await;
        }
    });
    wait_for("a line", || !arrived(&world).is_empty()).await;
    append(&world, 1, 0..3);
    process.signal("TERM");
    let (status, said) = in_time("the end", process.end()).await;
    writer.abort();
    assert_eq!(status, Some(0), "{said}");
    assert!(!said.contains("still sending"), "{said}");
    let arrived = arrived(&world);
    let new = arrived.iter().find(|(path, _)| path.ends_with("/1.log"));
    assert_eq!(new.map(|(_, lines)| lines.as_slice()), Some(&[0, 1, 2][..]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_exit_on_eof_the_process_ends_once_all_is_read() {
    let world = World::start().await;
    fs::create_dir_all(world.folder.path().join("logs")).unwrap();
    (0..FILES).for_each(|file| append(&world, file, 0..LINES));
    let process = start(&world, "Exit_on_Eof on");
    let (status, said) = in_time("the end", process.end()).await;
    assert_eq!(status, Some(0), "{said}");
    assert_eq!(arrived(&world).values().map(Vec::len).sum::<usize>(), FILES * LINES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_fits_into_memory_waits_in_its_file() {
    let world = World::start().await;
    let process = start(&world, "Mem_Buf_Limit 300k");
    (0..FILES).for_each(|file| append(&world, file, 0..100_000));
    wait_for("all lines", || {
        arrived(&world).values().map(Vec::len).sum::<usize>() == FILES * 100_000
    })
    .await;
    stopped(process).await;
    for (path, lines) in arrived(&world) {
        assert!(lines.iter().copied().eq(0..100_000), "{path}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_be_used_is_said_with_its_path() {
    let world = World::start().await;
    let text = CONFIG.replace("@DIR@/offsets.db", "@DIR@/none/offsets.db").replace("@MORE@", "");
    let file = world.write("fluent-bit.conf", &text);
    let process = Process::start(["-c".as_ref(), file.as_os_str()]);
    let (status, said) = in_time("the end", process.end()).await;
    assert!(status.is_some_and(|status| status != 0), "{said}");
    assert!(said.contains("none/offsets.db") && said.contains("tail.0"), "{said}");
}

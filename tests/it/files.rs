//! The output `file` of the real binary, on disks that fail, and the output `counter`.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::peer::Peer;
use crate::rig::process::{Process, firelane};
use crate::rig::{World, wait_for};

const INPUT: &str = "
[SERVICE]
    Flush 0.1
    Grace @GRACE@
[INPUT]
    Name forward
    Listen 127.0.0.1
    Port 0
";
/// Seconds that no test here may take.
const GRACE_LONG: &str = "600";
/// Ignores the signal that would end a process whose file gets too large, and lets files have 4 KiB.
const SMALL_FILES: &str = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\"";

/// A world, and a folder for files in it.
async fn world() -> (World, PathBuf) {
    let world = World::start().await;
    let folder = world.folder.path().join("files");
    (world, folder)
}

/// The configuration with this output, whose lines are those of a section.
fn config(world: &World, output: &str, grace: &str) -> PathBuf {
    let text = format!("{INPUT}[OUTPUT]\n    Match *\n{output}").replace("@GRACE@", grace);
    world.write("fluent-bit.conf", &text)
}

fn output(folder: &Path, lines: &[&str]) -> String {
    let lines = lines.iter().map(|line| format!("    {line}\n"));
    format!("    Name file\n    Path {}\n{}", folder.display(), lines.collect::<String>())
}

async fn start(world: &World, output: &str, grace: &str) -> (Process, String) {
    let file = config(world, output, grace);
    let process = Process::spawn(&mut firelane(["-c".as_ref(), file.as_os_str()]));
    let address = process.address("forward.0").await;
    (process, address)
}

/// The lines that have come to a file by now.
fn lines(path: &Path) -> usize {
    fs::read_to_string(path).unwrap_or_default().matches('\n').count()
}

/// The numbers of the records in a file, in its order. Every line is a whole record.
fn numbers(path: &Path) -> Vec<u64> {
    let text = fs::read_to_string(path).unwrap_or_default();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
    let number = |line: &str| {
        let record: serde_json::Value = serde_json::from_str(line).expect(line);
        let log = record["log"].as_str().expect("a line").to_owned();
        let number = log.split("seq=").nth(1).and_then(|rest| rest.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).expect("a number")
    };
    text.lines().map(number).collect()
}

async fn ends_well(process: Process, account: &str) {
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains(account), "{said}");
}

#[tokio::test]
async fn each_tag_has_its_file_and_none_leads_out_of_the_folder() {
    let (world, folder) = world().await;
    let (process, address) = start(&world, &output(&folder, &["mkdir on"]), GRACE_LONG).await;
    let tags = ["plain.tag", "a/b", "../../../out", "/etc/x y"];
    for tag in tags {
        Peer::tcp(&address, "a").await.tagged(tag).send(2).await.expect("connected");
    }
    let files = ["plain.tag", "a/b", "_/_/_/out", "etc/x_y"].map(|name| folder.join(name));
    for (tag, file) in tags.iter().zip(&files) {
        wait_for("two lines", || lines(file) == 2).await;
        let text = fs::read_to_string(file).expect("text");
        assert!(text.lines().all(|line| line.starts_with(&format!("{tag}: [1"))), "{text}");
    }
    ends_well(process, "account of file.0: received=8 delivered=8").await;
}

#[tokio::test]
async fn what_waits_for_its_folder_is_written_once_and_in_order() {
    let (world, folder) = world().await;
    let options = ["File x", "Format plain", "Retry_Limit no_limits"];
    let (process, address) = start(&world, &output(&folder, &options), GRACE_LONG).await;
    let mut peer = Peer::tcp(&address, "a").await;
    peer.send(50).await.expect("connected");
    process.says("; make its folder, or set mkdir on").await;
    peer.send(50).await.expect("connected");
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join("x");
    wait_for("all records", || lines(&path) >= 100).await;
    process.says("delivers again after").await;
    ends_well(process, "account of file.0: received=100 delivered=100").await;
    assert!(numbers(&path).is_sorted_by(|one, next| one + 1 == *next), "{:?}", numbers(&path));
}

#[tokio::test]
async fn a_disk_that_is_full_has_no_half_line_and_a_file_that_is_moved_away_is_made_anew() {
    let (world, folder) = world().await;
    fs::create_dir(&folder).expect("a folder");
    let options = ["File x", "Format plain", "Retry_Limit no_limits"];
    let file = config(&world, &output(&folder, &options), GRACE_LONG);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SMALL_FILES, env!("CARGO_BIN_EXE_firelane"), "-c"]).arg(file);
    let process = Process::spawn(command.env_clear());
    let address = process.address("forward.0").await;
    let mut peer = Peer::tcp(&address, "a").await.padded(1_000);
    let (path, moved) = (folder.join("x"), folder.join("x.1"));
    peer.send(3).await.expect("connected");
    wait_for("what fits", || lines(&path) == 3).await;
    peer.send(3).await.expect("connected");
    process.says("File too large").await;
    fs::rename(&path, &moved).expect("moved");
    wait_for("what did not fit", || lines(&path) == 3).await;
    ends_well(process, "account of file.0: received=6 delivered=6").await;
    let all = [numbers(&moved), numbers(&path)].concat();
    assert!(all.is_sorted_by(|one, next| one + 1 == *next) && all.len() == 6, "{all:?}");
}

#[tokio::test]
async fn what_a_full_disk_does_not_take_is_told_at_the_end() {
    let world = World::start().await;
    let (process, address) = start(&world, &output(Path::new("/dev"), &["File full"]), "1").await;
    Peer::tcp(&address, "a").await.send(3).await.expect("connected");
    process.says("cannot append to '/dev/full': No space left on device").await;
    process.signal("TERM");
    let (status, said) = process.end().await;
    assert_ne!(status, Some(0), "{said}");
    let account = "account of file.0: received=3 delivered=0 dropped=0 left=3";
    assert!(said.contains(account), "{said}");
}

#[tokio::test]
async fn records_name_their_files_and_those_that_cannot_are_dropped_and_counted() {
    let (world, folder) = world().await;
    let options = ["File $source.log", "mkdir on", "fallback_file rest", "Format plain"];
    let (process, address) = start(&world, &output(&folder, &options), GRACE_LONG).await;
    Peer::tcp(&address, "a").await.send(4).await.expect("connected");
    let path = folder.join("stdout.log");
    wait_for("all records", || lines(&path) == 4).await;
    ends_well(process, "account of file.0: received=4 delivered=4").await;

    let options = ["File $absent", "mkdir on", "fallback_file rest"];
    let (process, address) = start(&world, &output(&folder, &options), GRACE_LONG).await;
    Peer::tcp(&address, "a").await.send(4).await.expect("connected");
    process.says("records of ").await;
    let account = "account of file.0: received=4 delivered=0 dropped=4 dropped_refused=4";
    ends_well(process, account).await;
}

#[tokio::test]
async fn a_counter_prints_the_numbers_of_all_records() {
    let world = World::start().await;
    let file = config(&world, "    Name counter\n", GRACE_LONG);
    let (mut reader, writer) = io::pipe().expect("a pipe");
    let mut command = firelane(["-c".as_ref(), file.as_os_str()]);
    let process = Process::spawn(command.stdout(writer));
    drop(command);
    let address = process.address("forward.0").await;
    Peer::tcp(&address, "a").await.send(7).await.expect("connected");
    ends_well(process, "account of counter.0: received=7 delivered=7").await;
    let mut printed = String::new();
    reader.read_to_string(&mut printed).expect("text");
    let total = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(
            (&line["serialized_events"], &line["log_records"]),
            (&line["total"], &line["total"])
        );
        line["total"].as_u64().expect("a number")
    };
    assert_eq!(printed.lines().map(total).sum::<u64>(), 7, "{printed}");
}

//! Files that come, go, grow and are rotated.

use super::*;
use crate::telemetry::odd::OddReason;

const HEAD: (&str, &str) = ("read_from_head", "on");

#[test]
fn lines_are_read_once_they_are_whole() {
    let mut bench = Bench::new("a.log", &[HEAD]);
    bench.append("a.log", "one\ntw");
    assert_eq!(bench.look(), ["one"]);
    assert_eq!(bench.look(), [""; 0]);
    bench.append("a.log", "o\n");
    assert_eq!(bench.look(), ["two"]);
}

#[test]
fn without_read_from_head_only_what_comes_later_is_read() {
    let mut bench = Bench::new("*.log", &[("refresh_interval", "1")]);
    bench.append("a.log", "old\n");
    assert_eq!(bench.look(), [""; 0]);
    bench.append("a.log", "new\n");
    bench.append("b.log", "found later\n");
    assert_eq!(bench.later(1), ["new", "found later"]);
    let later = ("read_newly_discovered_files_from_head", "off");
    let mut bench = Bench::new("*.log", &[("refresh_interval", "1"), later]);
    bench.look();
    bench.append("b.log", "found later\n");
    assert_eq!(bench.later(1), [""; 0]);
}

#[test]
fn new_files_are_looked_for_every_refresh_interval() {
    let mut bench = Bench::new("*.log", &[HEAD, ("refresh_interval", "10")]);
    bench.look();
    bench.append("a.log", "one\n");
    assert_eq!(bench.later(9), [""; 0]);
    assert_eq!(bench.later(1), ["one"]);
}

#[test]
fn a_renamed_file_is_read_for_rotate_wait_and_then_its_last_bytes_are_a_line() {
    let mut bench = Bench::new("a.log", &[HEAD, ("rotate_wait", "3")]);
    bench.append("a.log", "one\n");
    assert_eq!(bench.look(), ["one"]);
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    bench.append("a.log", "new\n");
    bench.append("a.log.1", "late\nunfin");
    assert_eq!(bench.later(1), ["late", "new"]);
    assert_eq!(bench.later(2), [""; 0]);
    bench.append("a.log.1", "ished");
    assert_eq!(bench.later(1), [""; 0]);
    assert_eq!(bench.look(), ["unfinished"]);
    bench.look();
    bench.append("a.log.1", "too late\n");
    bench.append("a.log", "more\n");
    assert_eq!(bench.later(9), ["more"]);
    assert_eq!(bench.set.files().len(), 1);
}

#[test]
fn a_file_renamed_to_a_name_that_is_followed_is_not_read_again() {
    let mut bench = Bench::new("a.log*", &[HEAD]);
    bench.append("a.log", "one\n");
    bench.look();
    fs::rename(bench.path("a.log"), bench.path("a.log.1")).unwrap();
    bench.append("a.log.1", "two\n");
    bench.append("a.log", "new\n");
    assert_eq!(bench.look(), ["two", "new"]);
    assert_eq!(bench.later(100), [""; 0]);
    bench.append("a.log.1", "three\n");
    assert_eq!(bench.look(), ["three"]);
}

#[test]
fn a_file_that_is_cut_begins_anew_also_if_it_has_grown_beyond_what_was_read() {
    let mut bench = Bench::new("a.log", &[HEAD]);
    bench.append("a.log", "one\ntwo\n");
    bench.look();
    fs::write(bench.path("a.log"), "x\n").unwrap();
    assert_eq!(bench.look(), ["x"]);
    fs::write(bench.path("a.log"), "another\nfile\n").unwrap();
    assert_eq!(bench.look(), ["another", "file"]);
}

#[test]
fn what_a_cut_file_holds_before_its_writers_place_is_no_line() {
    let mut bench = Bench::new("a.log", &[HEAD]);
    bench.append("a.log", "one\n");
    bench.look();
    // The writer did not notice that the file was cut.
    fs::write(bench.path("a.log"), "").unwrap();
    bench.look();
    fs::write(bench.path("a.log"), [&[0; 100_000][..], b"two\n"].concat()).unwrap();
    assert_eq!(bench.look(), ["two"]);
}

#[test]
fn a_deleted_file_is_read_to_its_end() {
    let mut bench = Bench::new("a.log", &[HEAD]);
    bench.append("a.log", "one\n");
    bench.look();
    bench.append("a.log", "two\n");
    fs::remove_file(bench.path("a.log")).unwrap();
    assert_eq!(bench.look(), ["two"]);
    bench.later(6);
    assert!(bench.set.files().is_empty());
    bench.append("a.log", "anew\n");
    assert_eq!(bench.later(60), ["anew"]);
}

#[test]
fn a_link_that_leads_elsewhere_is_a_rotation_and_one_that_leads_back_is_not_read_twice() {
    let mut bench = Bench::new("link", &[HEAD]);
    bench.append("a", "a1\n");
    bench.append("b", "b1\n");
    let lead = |bench: &Bench, to: &str| {
        std::os::unix::fs::symlink(bench.path(to), bench.path("new")).unwrap();
        fs::rename(bench.path("new"), bench.path("link")).unwrap();
    };
    lead(&bench, "a");
    assert_eq!(bench.look(), ["a1"]);
    lead(&bench, "b");
    bench.append("a", "a2\n");
    assert_eq!(bench.look(), ["a2", "b1"]);
    assert_eq!(bench.later(6), [""; 0]);
    assert_eq!(bench.set.files().len(), 1);
    bench.append("a", "a3\n");
    lead(&bench, "a");
    assert_eq!(bench.look(), ["a3"]);
}

#[test]
fn a_file_with_two_names_is_read_once() {
    let mut bench = Bench::new("*.log", &[HEAD]);
    bench.append("a.log", "one\n");
    fs::hard_link(bench.path("a.log"), bench.path("b.log")).unwrap();
    std::os::unix::fs::symlink(bench.path("a.log"), bench.path("c.log")).unwrap();
    assert_eq!(bench.look(), ["one"]);
}

#[test]
fn files_that_were_not_written_for_long_are_read_from_where_they_were_when_they_are_again() {
    let mut bench = Bench::new("*.log", &[HEAD, ("ignore_older", "1h"), ("refresh_interval", "1")]);
    bench.append("a.log", "old\n");
    let old = std::time::SystemTime::UNIX_EPOCH + clock::unix_now() - Duration::from_secs(4_000);
    File::options().append(true).open(bench.path("a.log")).unwrap().set_modified(old).unwrap();
    assert_eq!(bench.look(), [""; 0]);
    bench.append("a.log", "new\n");
    assert_eq!(bench.later(1), ["new"]);
    // Two hours later it is still read, unless that is asked for.
    bench.later(7_200);
    assert_eq!(bench.set.files().len(), 1);
    let lines = [HEAD, ("ignore_older", "1h"), ("ignore_active_older_files", "on")];
    let mut bench = Bench::new("*.log", &lines);
    bench.append("a.log", "one\n");
    assert_eq!(bench.later(3_500), ["one"]);
    bench.later(200);
    assert!(bench.set.files().is_empty());
}

#[test]
fn a_thousand_files_are_read_in_turns() {
    let mut bench = Bench::new("*/*.log", &[HEAD]);
    for at in 0..1_000 {
        fs::create_dir_all(bench.path(&format!("{}", at % 10))).unwrap();
        bench.append(&format!("{}/{at}.log", at % 10), &format!("{at} a\n{at} b\n"));
    }
    let long = "x\n".repeat(1_000_000);
    bench.append("0/0.log", &long);
    bench.set.look(bench.now());
    assert_eq!(bench.set.files().len(), 1_000);
    // None waits for the large one.
    let batches: Vec<_> = (0..1_000).filter_map(|_| bench.set.turn(bench.now())).collect();
    let read: std::collections::BTreeSet<_> =
        batches.iter().map(|batch| records(batch)[0].clone()).collect();
    assert_eq!(read.len(), 1_000);
    assert_eq!(
        bench.batches().iter().map(|batch| batch.tagged.entries.len()).sum::<usize>(),
        1_000_000 + 2
            - batches
                .iter()
                .filter(|batch| records(batch)[0] == "0 a")
                .map(|batch| batch.tagged.entries.len())
                .sum::<usize>()
    );
}

#[test]
fn a_line_of_64_mb_is_one_record_where_the_options_allow_it() {
    let mut bench = Bench::new("a.log", &[HEAD, ("buffer_max_size", "64M")]);
    let line = "0123456789abcdef".repeat(4_000_000);
    bench.append("a.log", &format!("before\n{line}"));
    assert_eq!(bench.look(), ["before"]);
    bench.append("a.log", "\nafter\n");
    bench.set.look(bench.now());
    let batches = bench.batches();
    let lines: Vec<String> = batches.iter().flat_map(records).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0] == line && lines[1] == "after");
    assert!(bench.set.needs().is_none());
}

#[test]
fn a_long_line_costs_only_itself_and_is_counted() {
    for piece in ["4096", "100000"] {
        for (options, kept, reason) in [
            (("skip_long_lines", "on"), None, OddReason::LineTooLong),
            (("skip_long_lines", "off"), None, OddReason::LineTooLong),
            (("truncate_long_lines", "on"), Some(9_999), OddReason::LineCut),
        ] {
            let lines = [HEAD, ("buffer_max_size", "10000"), ("buffer_chunk_size", piece), options];
            let mut bench = Bench::new("a.log", &lines);
            let (fits, long) = ("x".repeat(10_000), "y".repeat(10_001));
            bench.append("a.log", &format!("a\n{fits}\n{long}\nb\n"));
            let cut = kept.map(|kept| "y".repeat(kept));
            let expected: Vec<_> = [Some("a".to_owned()), Some(fits), cut, Some("b".to_owned())]
                .into_iter()
                .flatten()
                .collect();
            assert!(bench.look() == expected, "{piece} {options:?}");
            assert_eq!(bench.counters.odd[reason as usize].get(), 1);
        }
    }
}

#[test]
fn a_letter_is_not_cut() {
    let lines = [HEAD, ("buffer_max_size", "6"), ("truncate_long_lines", "on")];
    let mut bench = Bench::new("a.log", &lines);
    bench.append("a.log", "abc\u{e9}\u{e9}\nabcd\u{e9}\u{e9}\nabcde\u{e9}\n");
    assert_eq!(bench.look(), ["abc\u{e9}", "abcd", "abcde"]);
}

#[test]
fn line_ends_of_both_kinds_are_no_part_of_a_line() {
    let text = "one\r\n\r\n\ntwo\nthree\r\r\n\0\0four\n";
    let mut bench = Bench::new("a.log", &[HEAD]);
    bench.append("a.log", text);
    assert_eq!(bench.look(), ["one", "\r", "", "two", "three\r", "four"]);
    let mut bench = Bench::new("a.log", &[HEAD, ("skip_empty_lines", "on")]);
    bench.append("a.log", text);
    assert_eq!(bench.look(), ["one", "two", "three\r", "four"]);
}

#[test]
fn records_say_where_they_come_from_if_that_is_asked_for() {
    let keys = [HEAD, ("path_key", "p"), ("offset_key", "o"), ("key", "k")];
    let mut bench = Bench::new("a.log", &[&keys[..], &[("parser", "json")]].concat());
    bench.append("a.log", "ab\n{\"m\":\"x\"}\n");
    let path = bench.path("a.log").display().to_string();
    assert_eq!(bench.look(), [format!("p={path} o=[0] k=ab"), format!("m=x p={path} o=[3]")]);
}

#[test]
fn excluded_files_and_those_that_are_no_files_are_left_alone() {
    let mut bench = Bench::new("*", &[HEAD, ("exclude_path", "*.gz, @DIR@/no*")]);
    for name in ["a.log", "b.gz", "no.log"] {
        bench.append(name, &format!("{name}\n"));
    }
    fs::create_dir(bench.path("folder")).unwrap();
    assert_eq!(bench.look(), ["a.log"]);
}

#[test]
fn lines_that_belong_together_wait_for_their_end_and_not_for_ever() {
    let mut bench = Bench::new("a.log", &[HEAD, ("multiline.parser", "java")]);
    bench.append("a.log", "x\nE: a.Exception: b\n\tat c\n");
    assert_eq!(bench.look(), ["x\n"]);
    assert!(bench.set.waiting_bytes() > 0);
    bench.append("a.log", "\tat d\ny\n");
    assert_eq!(bench.later(1), ["E: a.Exception: b\n\tat c\n\tat d\n", "y\n"]);
    bench.append("a.log", "E: a.Exception: b\n");
    assert_eq!(bench.look(), [""; 0]);
    assert_eq!(bench.later(3), [""; 0]);
    assert_eq!(bench.later(1), ["E: a.Exception: b\n"]);
}

#[test]
fn dockers_and_the_cris_lines_are_read_and_joined() {
    let mut bench = Bench::new("a.log", &[HEAD, ("multiline.parser", "docker, cri")]);
    bench.append(
        "a.log",
        "{\"log\":\"half \",\"stream\":\"stdout\",\"time\":\"2023-11-14T20:00:00.5Z\"}\n",
    );
    bench.append(
        "a.log",
        "{\"log\":\"line\\n\",\"stream\":\"stdout\",\"time\":\"2023-11-14T20:00:01Z\"}\n",
    );
    bench.append(
        "a.log",
        "2023-11-14T20:00:03.25Z stderr P cri \n2023-11-14T20:00:04Z stderr F end\nplain\n",
    );
    let lines = bench.look();
    assert_eq!(
        lines,
        [
            "half line\n stream=stdout time=2023-11-14T20:00:00.5Z",
            "time=2023-11-14T20:00:03.25Z stream=stderr _p=P cri end",
            "plain",
        ]
    );
}

#[test]
fn lines_that_wait_for_their_group_are_given_out_when_their_file_is_cut() {
    let mut bench = Bench::new("a.log", &[HEAD, ("multiline.parser", "java")]);
    bench.append("a.log", "x\nE: a.Exception: b\n\tat c\n");
    assert_eq!(bench.look(), ["x\n"]);
    fs::write(bench.path("a.log"), "y\n").unwrap();
    assert_eq!(bench.look(), ["E: a.Exception: b\n\tat c\n", "y\n"]);
    assert_eq!(bench.set.waiting_bytes(), 0);
    // As many bytes, of which it is seen as they are read that they are others.
    bench.append("a.log", "E: a.Exception: b\n");
    assert_eq!(bench.look(), [""; 0]);
    fs::write(bench.path("a.log"), "z\n".repeat(12)).unwrap();
    assert_eq!(bench.look().len(), 13);
}

#[test]
fn the_last_look_finds_new_files_before_refresh_interval_is_over() {
    let mut bench = Bench::new("*.log", &[HEAD, ("refresh_interval", "60")]);
    bench.look();
    bench.append("a.log", "one\n");
    assert_eq!(bench.look(), [""; 0]);
    bench.set.last_look(bench.now());
    let batches = bench.batches();
    assert_eq!(batches.iter().flat_map(records).collect::<Vec<_>>(), ["one"]);
}

#[test]
fn a_file_that_is_read_from_its_end_is_known_by_what_stands_before_that() {
    let mut bench = Bench::new("a.log", &[]);
    bench.append("a.log", "old\n");
    assert_eq!(bench.look(), [""; 0]);
    fs::write(bench.path("a.log"), "new\nmore\n").unwrap();
    assert_eq!(bench.look(), ["new", "more"]);
}

#[test]
fn a_file_that_was_written_anew_while_nobody_looked_is_read_from_its_start() {
    for content in ["new\n", "new and longer than what was there before\n"] {
        let lines = [("db", "@DIR@/offsets.db")];
        let mut bench = Bench::new("a.log", &lines);
        bench.append("a.log", "old\nother\n");
        assert_eq!(bench.look(), [""; 0]);
        let Bench { dir, set, .. } = bench;
        let stored = set.stored();
        drop(set);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(stored.wait());
        fs::write(dir.path().join("a.log"), content).unwrap();
        let mut bench = Bench::in_folder(dir, "a.log", &lines);
        assert_eq!(bench.look(), [content.trim_end()]);
    }
}

#[test]
fn a_long_line_is_not_read_of_a_file_that_was_written_anew_since_its_end_was_found() {
    let lines = [HEAD, ("buffer_chunk_size", "4096")];
    let mut bench = Bench::new("a.log", &lines);
    let long = "x".repeat(6_000);
    bench.append("a.log", &format!("first\n{long}\n"));
    bench.set.look(bench.now());
    // Its first lines, the rest of the read, and the search.
    let read: Vec<_> = (0..3).filter_map(|_| bench.set.turn(bench.now())).collect();
    assert_eq!(read.iter().flat_map(records).collect::<Vec<_>>(), ["first"]);
    let other = "y".repeat(6_000);
    fs::write(bench.path("a.log"), format!("other\n{other}\n")).unwrap();
    assert_eq!(bench.look(), ["other".to_owned(), other]);
}

#[test]
fn no_more_files_are_opened_than_the_process_may_have_and_others_follow() {
    let lines = [HEAD, ("refresh_interval", "1"), ("rotate_wait", "1")];
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::planned(dir, "*.log", &lines, |plan| plan.files_max = 2);
    ["a.log", "b.log", "c.log"].iter().for_each(|name| bench.append(name, &format!("{name}\n")));
    assert_eq!(bench.look(), ["a.log", "b.log"]);
    fs::remove_file(bench.path("a.log")).unwrap();
    bench.later(1);
    bench.later(1);
    assert_eq!(bench.later(1), ["c.log"]);
    assert_eq!(bench.set.files().len(), 2);
}

//! Stack traces as programs write them, and the engine against its definition.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::rules::{RuleText, Rules, START};
use super::*;
use crate::record::map;
use crate::record::pattern::{Outcome, Pattern};
use crate::record::time::EventTime;

pub(crate) fn chain(names: &[&str]) -> Chain {
    let parser = |name: &&str| Arc::new(builtin(name).expect("built in"));
    Chain::new(names.iter().map(parser).collect(), None)
}

pub(crate) fn custom(rules: &[(&str, &str, &str)]) -> Chain {
    let text =
        |&(states, pattern, next)| RuleText { states, pattern, next: Some(next), needs: &[] };
    let rules = Rules::new(&rules.iter().map(text).collect::<Vec<_>>()).expect("rules");
    let parser = Parser {
        name: "custom".to_owned(),
        kind: Kind::Regex(rules),
        fields: None,
        key_content: None,
        key_pattern: None,
        key_group: None,
        flush_timeout: parser::FLUSH_TIMEOUT,
    };
    Chain::new(vec![Arc::new(parser)], Some("log"))
}

/// What becomes of the lines of one source: records, each as its lines joined.
fn join<L: AsRef<str>>(chain: &Chain, lines: impl IntoIterator<Item = L>) -> Vec<String> {
    let mut stream: Stream<Vec<u8>> = Stream::default();
    let mut taken = Taken::default();
    let mut records = Vec::new();
    for line in lines {
        let line = line.as_ref().as_bytes();
        let Some(place) =
            chain.place(&mut stream, &Line::Text(line), EventTime::default(), &mut taken)
        else {
            records.extend(stream.end_all());
            records.push(line.to_vec());
            continue;
        };
        let line = match taken.of(place) {
            Some((record, _)) => map::get(record, b"log").and_then(map::text).expect("its line"),
            None => chain.content(place, &Line::Text(line)),
        };
        records.extend(stream.end_before(place));
        let held = stream.held(place).expect("the group is there");
        match held {
            Some(text) => chain.join(place).append(text, line),
            None => *held = Some(line.to_vec()),
        }
        records.extend(held.take_if(|_| place.ends));
    }
    records.extend(stream.end_all());
    assert!(!stream.is_open());
    records.into_iter().map(|text| String::from_utf8(text).expect("text")).collect()
}

/// Traces that each are one record, by the parser that joins them.
const TRACES: [(&str, &str); 13] = [
    (
        "java",
        "Exception in thread \"worker-3\" java.lang.IllegalStateException: queue is closed\n\
         \tat com.example.queue.Queue.offer(Queue.java:88)\n\
         \tat com.example.Worker.run(Worker.java:31)\n\
         Caused by: java.io.IOException: disk full\n\
         \tat java.base/java.io.FileOutputStream.writeBytes(Native Method)\n\
         \t... 12 more\n\
         \tSuppressed: java.lang.RuntimeException: while closing\n\
         \t\tat com.example.queue.Queue.close(Queue.java:97)",
    ),
    (
        "java",
        "javax.servlet.ServletException: Something bad happened:\n\
         \n\
         \tat com.example.Filter.doFilter(Filter.java:9)\n\
         Caused by: com.example.MyError: sign\n\
         \tat com.example.Sign.sign(Sign.java:3)\n\
         \t... 27 common frames omitted",
    ),
    (
        "java",
        "2024-05-01 12:00:00 ERROR request failed java.lang.NullPointerException: x\n\
         \tat a.b.C.d(C.java:1)",
    ),
    (
        "java",
        "System.InvalidOperationException: cannot go on ---> System.Exception: inner\n\
         \u{20}  at Lib.Inner.Call() in C:\\src\\Inner.cs:line 7\n\
         \u{20}  --- End of inner exception stack trace ---\n\
         \u{20}  at Lib.Outer.Call() in C:\\src\\Outer.cs:line 3\n\
         --- End of stack trace from previous location where exception was thrown ---\n\
         \u{20}  at Lib.Program.Main()",
    ),
    (
        "java",
        "TypeError: x is not a function\n    at Object.<anonymous> (/app/index.js:3:1)\n    at eval at run (/app/x.js:1:1)",
    ),
    ("java", "org.Failure: V8 errors stack trace: \n\tat eval at x (y.js:1)"),
    (
        "python",
        "Traceback (most recent call last):\n\
         \u{20} File \"/app/server.py\", line 201, in handle\n\
         \u{20}   result = self.run(request)\n\
         \u{20} File \"/app/run.py\", line 12, in run\n\
         \u{20}   raise ValueError(\"no such thing\")\n\
         ValueError: no such thing",
    ),
    (
        "python",
        "Traceback (most recent call last):\n  File \"x.py\", line 1, in <module>\n    import y\n\
         package.errors.LoadError: y",
    ),
    (
        "go",
        "panic: assignment to entry in nil map\n\
         \n\
         goroutine 1 [running]:\n\
         main.fill(...)\n\
         \t/src/main.go:7\n\
         main.main()\n\
         \t/src/main.go:12 +0x3b\n\
         created by main.start\n\
         \t/src/start.go:5 +0x58\n\
         \n\
         goroutine 18 [select, 4 minutes]:\n\
         net/http.(*persistConn).readLoop(0xc00011e000)\n\
         \t/usr/lib/go/src/net/http/transport.go:2205 +0xd8a",
    ),
    (
        "go",
        "panic: runtime error: invalid memory address or nil pointer dereference\n\
         [signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47b4c2]\n\
         \n\
         goroutine 1 [running]:\n\
         main.main()\n\
         \t/src/main.go:3 +0x19",
    ),
    (
        "go",
        "2024/05/01 12:00:00 http: panic serving 10.0.0.7:51234: boom\n\
         goroutine 24 [running]:\n\
         net/http.(*conn).serve.func1(0xc0000a8000)\n\
         \t/usr/lib/go/src/net/http/server.go:1802 +0xb9",
    ),
    (
        "ruby",
        "/app/lib/job.rb:14:in `perform': no such job (ArgumentError)\n\
         \tfrom /app/lib/queue.rb:88:in `block in work'\n\
         \tfrom /app/bin/work:3:in `<main>'",
    ),
    ("ruby", "app.rb:1:in `/': divided by 0 (ZeroDivisionError)\n\tfrom app.rb:1:in `<main>'"),
];

#[test]
fn a_trace_of_each_language_becomes_one_record() {
    for (parser, trace) in TRACES {
        let lines = ["plain"].into_iter().chain(trace.split('\n')).chain(["also plain"]);
        assert_eq!(join(&chain(&[parser]), lines), ["plain", trace, "also plain"], "{parser}");
    }
}

#[test]
fn a_trace_whose_lines_end_with_newlines_keeps_exactly_these() {
    for (parser, trace) in TRACES {
        let trace = format!("{trace}\n");
        let lines = trace.split_inclusive('\n').chain(["plain\n"]);
        assert_eq!(join(&chain(&[parser]), lines), [trace.as_str(), "plain\n"], "{parser}");
    }
}

#[test]
fn a_trace_follows_another_without_a_line_between() {
    for (parser, trace) in TRACES {
        let lines = trace.split('\n').chain(trace.split('\n'));
        assert_eq!(join(&chain(&[parser]), lines), [trace, trace], "{parser}");
    }
}

#[test]
fn several_parsers_join_the_traces_of_all_their_languages() {
    for names in [["go", "java", "python", "ruby"], ["ruby", "python", "java", "go"]] {
        let mut expected = Vec::new();
        let mut lines = Vec::new();
        for (_, trace) in TRACES {
            lines.extend(trace.split('\n'));
            lines.push("between");
            expected.extend([trace, "between"]);
        }
        assert_eq!(join(&chain(&names), lines), expected, "{names:?}");
    }
}

#[test]
fn a_line_that_another_parser_takes_ends_what_is_open_so_that_the_order_stays() {
    let lines = ["java.lang.Error: a", "\tat b.c(D.java:1)", "panic: e", "", "panic: f", "plain"];
    let java = "java.lang.Error: a\n\tat b.c(D.java:1)";
    let expected = [java, "panic: e\n\n", "panic: f", "plain"];
    assert_eq!(join(&chain(&["go", "java"]), lines), expected);
}

#[test]
fn what_goes_on_behind_a_line_between_is_joined_without_its_beginning() {
    let lines = ["a.Error: x", "\tat b(C.java:1)", "plain", "\tat d(E.java:2)", "\tat f(G.java:3)"];
    let expected = ["a.Error: x\n\tat b(C.java:1)", "plain", "\tat d(E.java:2)\n\tat f(G.java:3)"];
    assert_eq!(join(&chain(&["java"]), lines), expected);
    let lost = ["\tat d(E.java:2)", "\tat f(G.java:3)"];
    assert_eq!(join(&chain(&["java"]), lost), lost, "nothing of the kind was before");
}

#[test]
fn a_record_that_starts_with_a_date_takes_all_lines_up_to_the_next_date() {
    let date =
        [(START, r"/^\d{4}-\d{2}-\d{2}/", "cont"), ("cont", r"/^(?!\d{4}-\d{2}-\d{2})/", "cont")];
    let lines = ["lost", "2024-05-01 a", "more", "", "  and more", "2024-05-01 b", "2024-05-02 c"];
    let expected = ["lost", "2024-05-01 a\nmore\n\n  and more", "2024-05-01 b", "2024-05-02 c"];
    assert_eq!(join(&custom(&date), lines), expected);
}

fn marked(kind: Kind, key_group: Option<&str>, key_pattern: Option<&str>) -> Chain {
    let parser = Parser {
        name: "marked".to_owned(),
        kind,
        fields: None,
        key_content: Some("log".to_owned()),
        key_pattern: key_pattern.map(str::to_owned),
        key_group: key_group.map(str::to_owned),
        flush_timeout: parser::FLUSH_TIMEOUT,
    };
    Chain::new(vec![Arc::new(parser)], None)
}

fn mark(text: &str, negate: bool) -> parser::Mark {
    parser::Mark { text: text.to_owned(), negate }
}

#[test]
fn lines_that_end_with_a_backslash_go_on_and_are_joined_as_parts() {
    let backslash = marked(Kind::EndsWith(mark("\\", true)), None, None);
    assert_eq!(join(&backslash, ["a\\", "b\\", "c", "d"]), ["a\\b\\c", "d"]);
    assert_eq!(join(&backslash, ["a\\", "", "b"]), ["a\\", "", "b"], "too short to look at");
}

#[test]
fn lines_of_dockers_files_are_joined_up_to_their_newline_each_stream_alone() {
    let line = |log: &str, stream: &str| {
        format!(r#"{{"log":"{log}","stream":"{stream}","time":"2024-05-01T12:00:00.123456789Z"}}"#)
    };
    let lines = [
        line(r"a\n", "stdout"),
        line("b1 ", "stdout"),
        line(r"c\n", "stderr"),
        line("d1 ", "stderr"),
        line(r"b2\n", "stdout"),
        "no JSON".to_owned(),
        line(r"d2\n", "stderr"),
    ];
    let expected = ["a\n", "c\n", "b1 b2\n", "d1 ", "no JSON", "d2\n"];
    assert_eq!(join(&chain(&["docker"]), &lines), expected);
    assert_eq!(join(&chain(&["cri", "docker"]), &lines), expected);
}

#[test]
fn lines_of_the_cri_are_joined_up_to_the_full_one_each_stream_alone() {
    let line = |rest: &str| format!("2024-05-01T12:00:00.123456789+02:00 {rest}");
    let lines = [
        line("stdout P a1 "),
        line("stderr P b1 "),
        line("stdout F a2"),
        line("stdout F "),
        line("stderr F b2"),
        line("stdout X no"),
    ];
    let expected = ["a1 a2".to_owned(), String::new(), "b1 b2".to_owned(), line("stdout X no")];
    assert_eq!(join(&chain(&["cri"]), &lines), expected);
    assert_eq!(join(&chain(&["docker", "cri"]), &lines), expected);
}

#[test]
fn a_line_of_a_file_tells_its_time_and_becomes_a_record_of_its_own() {
    let line = b"2024-05-01T12:00:00.5+02:00 stdout F hello";
    let mut taken = Taken::default();
    let mut stream: Stream<()> = Stream::default();
    let cri = chain(&["cri"]);
    let place = cri.place(&mut stream, &Line::Text(line), EventTime::default(), &mut taken);
    let (record, time) = taken.of(place.expect("taken")).expect("a new record");
    assert_eq!(time, Some(EventTime::from_parts(1_714_557_600, 500_000_000)));
    let keys: Vec<_> =
        map::pairs(record).expect("a map").filter_map(|pair| pair.key_text()).collect();
    assert_eq!(keys, [b"time".as_slice(), b"stream", b"_p", b"log"]);
}

fn record(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = crate::record::msgpack::Writer::new(&mut out);
    writer.map_header(u32::try_from(fields.len()).expect("small"));
    for (key, value) in fields {
        writer.str(key.as_bytes());
        writer.str(value.as_bytes());
    }
    out
}

#[test]
fn groups_of_one_parser_do_not_end_each_other_up_to_their_limit() {
    let parts = marked(Kind::Equal(mark("F", false)), Some("stream"), Some("p"));
    let mut stream: Stream<usize> = Stream::default();
    let mut ended = Vec::new();
    for at in 0..=chain::GROUPS_MAX {
        let record = record(&[("log", "x"), ("p", "P"), ("stream", &at.to_string())]);
        let (line, mut taken) = (Line::record(&record), Taken::default());
        let place = parts
            .place(&mut stream, &line, EventTime::default(), &mut taken)
            .expect("equal takes every line");
        assert!(place.begins && !place.ends);
        ended.extend(stream.end_before(place));
        *stream.held(place).expect("the group is there") = Some(at);
    }
    assert_eq!(ended, [0], "the oldest made room");
    assert_eq!(stream.end_all().collect::<Vec<_>>(), (1..=chain::GROUPS_MAX).collect::<Vec<_>>());
}

#[test]
fn a_record_without_the_key_or_without_text_there_is_no_line() {
    let java = Chain::new(vec![Arc::new(builtin("java").expect("built in"))], Some("log"));
    let mut stream: Stream<()> = Stream::default();
    for record in [record(&[("msg", "a.Error: x")]), b"\x81\xa3log\x05".to_vec(), b"\xc0".to_vec()]
    {
        let (line, mut taken) = (Line::record(&record), Taken::default());
        assert_eq!(java.place(&mut stream, &line, EventTime::default(), &mut taken), None);
    }
    assert_eq!(java.key_content(), Some(b"log".as_slice()));
    assert_eq!(chain(&["java"]).key_content(), None, "no parser of its own has one");
}

/// The definition, from the names of states: naive, one rule after the other. Gives the lines of
/// each record.
pub(crate) fn model(rules: &[(&str, &str, &str)], lines: &[String]) -> Vec<Vec<usize>> {
    let has = |states: &str, state: &str| states.split(", ").any(|name| name == state);
    let patterns: Vec<_> =
        rules.iter().map(|(_, pattern, _)| (*pattern, Pattern::new(pattern).unwrap())).collect();
    let takes = |pattern: &str, line: &str| {
        let (_, pattern) = patterns.iter().find(|(text, _)| *text == pattern).expect("compiled");
        pattern.is_match(line.as_bytes()) == Outcome::Match
    };
    let (mut records, mut open): (Vec<Vec<usize>>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut state = String::new();
    for (at, line) in lines.iter().enumerate() {
        let more = rules.iter().find(|(states, pattern, _)| {
            has(states, &state) && !has(states, START) && takes(pattern, line)
        });
        let start =
            rules.iter().find(|(states, pattern, _)| has(states, START) && takes(pattern, line));
        if more.is_none() {
            records.push(std::mem::take(&mut open));
        }
        open.push(at);
        let ends = more.or(start).is_none_or(|(_, _, next)| {
            state = (*next).to_owned();
            rules.iter().any(|(states, _, _)| has(states, next) && has(states, START))
        });
        if ends {
            records.push(std::mem::take(&mut open));
        }
    }
    records.push(open);
    records.retain(|record| !record.is_empty());
    records
}

/// The text of each record of the model.
pub(crate) fn texts(records: &[Vec<usize>], lines: &[String]) -> Vec<String> {
    let text = |record: &Vec<usize>| {
        record.iter().skip(1).fold(lines[record[0]].clone(), |text, at| {
            let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
            let own = if lines[*at].is_empty() { "\n" } else { "" };
            format!("{text}{newline}{own}{}", lines[*at])
        })
    };
    records.iter().map(text).collect()
}

pub(crate) const ANY_RULES: [(&str, &str, &str); 6] = [
    ("start_state, again", "^s", "more"),
    (START, "^t", "again"),
    ("more, tail", "^m", "more"),
    ("more", "^$", "tail"),
    ("tail", "^e", START),
    ("again", "^a", "tail"),
];

/// Compiled once: that takes far longer than to run it.
pub(crate) static ANY: LazyLock<Chain> = LazyLock::new(|| custom(&ANY_RULES));
static ALL: LazyLock<Chain> = LazyLock::new(|| chain(&["go", "java", "python", "ruby"]));

proptest! {
    #[test]
    fn any_lines_become_what_the_definition_says(
        lines in proptest::collection::vec("[stmeax]?[bc]{0,2}", 0..40),
    ) {
        prop_assert_eq!(join(&ANY, &lines), texts(&model(&ANY_RULES, &lines), &lines));
    }

    #[test]
    fn no_lines_make_it_panic_and_every_byte_but_newlines_goes_on_in_its_order(
        lines in proptest::collection::vec(
            prop_oneof![
                "[ -~\t\n]{0,20}",
                proptest::sample::select(
                    TRACES.iter().flat_map(|(_, trace)| trace.split('\n')).collect::<Vec<_>>()
                ).prop_map(str::to_owned),
            ],
            0..40,
        ),
    ) {
        let bytes = |records: &[String]| records.concat().replace('\n', "");
        let joined = join(&ALL, &lines);
        prop_assert_eq!(bytes(&joined), bytes(&lines));
        prop_assert!(joined.len() <= lines.len());
    }
}

//! Lines in every order, cut into chunks in every way, with the ledger looked at.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::chunk::fixture::{Fields, chunk, lines};
use crate::ledger::Account;
use crate::multiline::builtin;
use crate::multiline::tests::{ANY, ANY_RULES, custom, model, texts};
use crate::record::fields::{SharedField, SharedFields};
use crate::record::time::EventTime;

const WAIT: Duration = Duration::from_millis(2_000);
const LIMITS: Limits = Limits { across_chunks: true, wait: WAIT, bytes_max: 2 * 1_024 * 1_024 };

struct Bench {
    filter: Lines,
    account: Arc<Account>,
    now: Instant,
}

fn bench_of(chain: Chain, limits: Limits) -> Bench {
    Bench {
        filter: Lines::new(chain, limits),
        account: Arc::new(Account::default()),
        now: crate::clock::now(),
    }
}

fn bench() -> Bench {
    let java = Arc::new(builtin("java").expect("built in"));
    bench_of(Chain::new(vec![java], Some("log")), LIMITS)
}

impl Bench {
    fn apply(&mut self, records: &[Fields<'_>]) -> Vec<String> {
        self.apply_tag("app", records)
    }

    fn apply_tag(&mut self, tag: &str, records: &[Fields<'_>]) -> Vec<String> {
        let chunk = chunk(&self.account, tag, records);
        let applied = self.filter.apply(chunk, self.now);
        // Each record that goes on is owed for once, by the chunk it goes on in.
        assert!(applied.as_ref().is_none_or(|one| one.records() == one.entries.len() as u64));
        applied.map(lines).unwrap_or_default()
    }

    fn expired(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.filter.expired(self.now)).flat_map(lines).collect()
    }

    fn pending(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.filter.pending()).flat_map(lines).collect()
    }
}

#[test]
fn a_trace_over_several_chunks_becomes_one_record_with_the_first_lines_time_and_fields() {
    let mut bench = bench();
    let begin: Fields<'_> = &[("n", "1"), ("log", "a.Error: x"), ("source", "stderr")];
    assert_eq!(bench.apply(&[begin]), [""; 0]);
    let more: Fields<'_> = &[("log", "\tat b"), ("source", "stderr"), ("n", "2")];
    assert_eq!(bench.apply(&[more]), [""; 0]);
    let chunk = chunk(&bench.account, "app", &[&[("source", "stderr"), ("log", "plain")]]);
    let chunk = bench.filter.apply(chunk, bench.now).expect("it ends the trace");
    assert_eq!(chunk.entries.entries[0].time, EventTime::from_parts(1_700_000_000, 0));
    assert_eq!(
        lines(chunk),
        ["n=1 log=a.Error: x\n\tat b source=stderr", "source=stderr log=plain"]
    );
    let balance = bench.account.balance();
    assert_eq!((balance.delivered, balance.merged, balance.held), (2, 1, 0));
}

#[test]
fn lines_of_two_streams_containers_tags_or_inputs_are_not_mixed() {
    let mut bench = bench();
    let begin = [("log", "a.Error: x")];
    let sources: [(&str, &str, &str, u16); 6] = [
        ("app", "", "stdout", 0),
        ("app", "", "stderr", 0),
        ("app", "c1", "stdout", 0),
        ("app", "c2", "stdout", 0),
        ("other", "", "stdout", 0),
        ("app", "", "stdout", 1),
    ];
    let apply = |bench: &mut Bench, line: &str, (tag, container, source, input)| {
        let fields = [("log", line), ("container_id", container), ("source", source)];
        let mut chunk = chunk(&bench.account, tag, &[&fields]);
        chunk.input = input;
        bench.filter.apply(chunk, bench.now).map(lines).unwrap_or_default()
    };
    for source in sources {
        assert_eq!(apply(&mut bench, begin[0].1, source), [""; 0]);
    }
    for source in sources {
        assert_eq!(apply(&mut bench, &format!("\tat {source:?}"), source), [""; 0]);
    }
    let joined = bench.pending();
    for (source, joined) in sources.iter().zip(&joined) {
        assert!(joined.starts_with(&format!("log=a.Error: x\n\tat {source:?} ")), "{joined}");
    }
    assert_eq!(joined.len(), sources.len());
}

#[test]
fn a_chunk_of_plain_lines_keeps_its_memory() {
    let mut bench = bench();
    let plain: Fields<'_> = &[("log", "plain"), ("source", "stdout")];
    let untouched = |bench: &mut Bench| {
        let chunk = chunk(&bench.account, "app", &[plain, plain]);
        let before = Arc::clone(&chunk.entries);
        let after = bench.filter.apply(chunk, bench.now).expect("goes on");
        let is_same = Arc::ptr_eq(&before, &after.entries);
        after.delivered();
        is_same
    };
    assert!(untouched(&mut bench), "nothing is known of the source");
    let trace = [("log", "a.Error: x"), ("source", "stdout")];
    assert_eq!(bench.apply(&[&trace, plain]).len(), 2);
    assert!(untouched(&mut bench), "nothing is open");
    assert_eq!(bench.apply(&[&trace]), [""; 0]);
    let other: Fields<'_> = &[("log", "plain"), ("source", "stderr")];
    let chunk = chunk(&bench.account, "app", &[other]);
    let before = Arc::clone(&chunk.entries);
    let after = bench.filter.apply(chunk, bench.now).expect("goes on");
    assert!(Arc::ptr_eq(&before, &after.entries), "what is open is another source's");
    after.delivered();
    bench.pending();
}

#[test]
fn a_record_of_one_line_goes_on_byte_by_byte() {
    let mut bench = bench();
    // A key in a longer form than it needs, twice, and a value that is no text.
    let record = b"\x83\xd9\x03log\xa1x\xa3log\xd9\x0aa.Error: x\xa1n\xce\0\0\0\x01";
    let mut one = chunk(&bench.account, "app", &[&[]]);
    let entry = crate::record::chunk::Entry {
        time: EventTime::from_nanos(7),
        start: 1,
        end: 1 + u32::try_from(record.len()).expect("small"),
    };
    let data = [b".", record.as_slice(), b"."].concat().into();
    one.entries = Arc::new(crate::record::chunk::Entries { data, entries: vec![entry] });
    assert!(bench.filter.apply(one, bench.now).is_none(), "it waits for its next line");
    let alone = bench.filter.pending().expect("it waits");
    let expected = (EventTime::from_nanos(7), record.as_slice());
    assert_eq!(alone.entries.iter().collect::<Vec<_>>(), [expected]);
    alone.delivered();
}

#[test]
fn of_equal_keys_the_last_one_is_the_line_and_gets_the_text() {
    let mut bench = bench();
    let begin: Fields<'_> = &[("log", "plain"), ("log", "a.Error: x"), ("n", "1")];
    bench.apply(&[begin, &[("log", "\tat b"), ("log", "\tat c")]]);
    assert_eq!(bench.pending(), ["log=plain log=a.Error: x\n\tat c n=1"]);
}

#[test]
fn a_record_without_the_key_stands_alone_behind_what_was_open() {
    let mut bench = bench();
    let records: [Fields<'_>; 4] =
        [&[("log", "a.Error: x")], &[("log", "\tat b")], &[("msg", "y")], &[("log", "\tat c")]];
    assert_eq!(bench.apply(&records), ["log=a.Error: x\n\tat b", "msg=y"]);
    assert_eq!(bench.pending(), ["log=\tat c"], "the trace goes on behind it");
}

#[test]
fn what_waits_goes_on_after_its_wait_and_each_line_makes_it_wait_anew() {
    let mut bench = bench();
    assert_eq!(bench.filter.wakes_at(), None);
    bench.apply(&[&[("log", "a.Error: x")]]);
    let begun = bench.now;
    assert_eq!(bench.filter.wakes_at(), Some(begun + WAIT));
    bench.now = begun + Duration::from_millis(1_500);
    bench.apply(&[&[("log", "\tat b")]]);
    bench.now = begun + WAIT;
    assert_eq!(bench.expired(), [""; 0]);
    let deadline = begun + Duration::from_millis(3_500);
    assert_eq!(bench.filter.wakes_at(), Some(deadline), "the newest line counts");
    bench.now = deadline - Duration::from_millis(1);
    assert_eq!(bench.expired(), [""; 0]);
    bench.now = deadline;
    assert_eq!(bench.expired(), ["log=a.Error: x\n\tat b"]);
    assert_eq!(bench.filter.wakes_at(), None, "no wake-up while nothing waits");
}

#[test]
fn a_source_whose_lines_never_end_a_record_is_delivered_all_the_same() {
    let mut bench = bench();
    let begun = bench.now;
    bench.apply(&[&[("log", "a.Error: x")]]);
    for second in 1..10 {
        bench.now = begun + Duration::from_secs(second);
        bench.apply(&[&[("log", "\tat b")]]);
        assert_eq!(bench.expired(), [""; 0]);
    }
    bench.now = begun + HOLD_MAX;
    assert_eq!(bench.expired().len(), 1);
    bench.apply(&[&[("log", "\tat c")], &[("log", "\tat d")]]);
    assert_eq!(bench.pending(), ["log=\tat c\n\tat d"], "what comes later is joined again");
}

#[test]
fn what_is_beyond_the_bytes_goes_on_in_further_records_and_nothing_is_cut() {
    // "a.Error: x" and "\n\tat b" are 16 bytes.
    let limited = |bytes_max| {
        let java = Arc::new(builtin("java").expect("built in"));
        bench_of(Chain::new(vec![java], Some("log")), Limits { bytes_max, ..LIMITS })
    };
    let (begin, more) = ([("n", "1"), ("log", "a.Error: x")], [("n", "2"), ("log", "\tat b")]);
    let mut bench = limited(15);
    assert_eq!(bench.apply(&[&begin, &more]), ["n=1 log=a.Error: x"], "one byte too many");
    assert_eq!(bench.pending(), ["n=2 log=\tat b"]);
    let mut bench = limited(16);
    assert_eq!(bench.apply(&[&begin, &more]), [""; 0], "as many as fit");
    assert_eq!(bench.apply(&[&more]), ["n=1 log=a.Error: x\n\tat b"], "and no more");
    let long = "\tat ".to_owned() + &"x".repeat(100);
    assert_eq!(bench.apply(&[&[("log", &long)]]), ["n=2 log=\tat b"]);
    assert_eq!(bench.pending(), [format!("log={long}")], "one line is a record, however long");
    assert_eq!(bench.account.balance().held, 0);
}

#[test]
fn beyond_the_most_sources_the_one_goes_on_that_has_waited_longest() {
    let mut bench = bench();
    let begin = |container: &str| {
        let container = container.to_owned();
        move |bench: &mut Bench| {
            bench.now += Duration::from_nanos(1);
            bench.apply(&[&[("container_id", &container), ("log", "a.Error: x")]])
        }
    };
    for container in 0..STREAMS_MAX {
        assert_eq!(begin(&container.to_string())(&mut bench), [""; 0]);
    }
    assert_eq!(bench.expired(), [""; 0]);
    bench.apply(&[&[("container_id", "0"), ("log", "\tat b")]]);
    assert_eq!(begin("one more")(&mut bench), [""; 0]);
    assert!(bench.filter.wakes_at().is_some_and(|at| at <= bench.now), "to be fetched at once");
    assert_eq!(bench.expired(), ["container_id=1 log=a.Error: x"]);
    assert_eq!(bench.pending().len(), STREAMS_MAX);
    assert_eq!(bench.account.balance().held, 0);
}

#[test]
fn sources_of_which_nothing_is_held_are_forgotten_first() {
    let mut bench = bench();
    for container in 0..STREAMS_MAX {
        let container = container.to_string();
        let trace = [("container_id", container.as_str()), ("log", "a.Error: x")];
        let plain = [("container_id", container.as_str()), ("log", "plain")];
        let records: &[Fields<'_>] = if container == "7" { &[&trace] } else { &[&trace, &plain] };
        bench.apply(records);
    }
    bench.apply(&[&[("container_id", "one more"), ("log", "a.Error: x")]]);
    assert_eq!(bench.expired(), [""; 0]);
    assert_eq!(bench.pending().len(), 2);
}

#[test]
fn without_a_buffer_lines_are_joined_within_a_chunk_only() {
    let mut bench = bench();
    bench.filter = Lines::new(
        Chain::new(vec![Arc::new(builtin("java").expect("built in"))], Some("log")),
        Limits { across_chunks: false, ..LIMITS },
    );
    let trace: [Fields<'_>; 2] = [&[("log", "a.Error: x")], &[("log", "\tat b")]];
    assert_eq!(bench.apply(&trace), ["log=a.Error: x\n\tat b"]);
    assert_eq!(bench.apply(&[&[("log", "\tat c")]]), ["log=\tat c"]);
    assert_eq!((bench.pending(), bench.account.balance().held), (vec![], 0));
}

fn shared(key: &str, value: &str) -> SharedFields {
    SharedFields::new(vec![SharedField {
        key: key.as_bytes().into(),
        value: value.as_bytes().into(),
        yields: false,
    }])
}

#[test]
fn shared_fields_stay_with_joined_records() {
    let mut bench = bench();
    let apply = |bench: &mut Bench, shared: &SharedFields, records: &[Fields<'_>]| {
        let mut chunk = chunk(&bench.account, "app", records);
        chunk.shared = shared.clone();
        bench.filter.apply(chunk, bench.now)
    };
    let (one, two) = (shared("task", "1"), shared("task", "2"));
    assert!(apply(&mut bench, &one, &[&[("log", "a.Error: x")]]).is_none());
    let chunk = apply(&mut bench, &one, &[&[("log", "y")]]).expect("plain");
    assert!(chunk.shared.is_same(&one), "stored once");
    assert_eq!(lines(chunk), ["log=a.Error: x task=1", "log=y task=1"]);
    assert!(apply(&mut bench, &one, &[&[("log", "a.Error: x")], &[("log", "\tat b")]]).is_none());
    let chunk = apply(&mut bench, &two, &[&[("log", "y")]]).expect("plain");
    assert_eq!(lines(chunk), ["log=a.Error: x\n\tat b task=1", "log=y task=2"]);
    assert!(apply(&mut bench, &two, &[&[("log", "a.Error: z")]]).is_none());
    assert_eq!(bench.pending(), ["log=a.Error: z task=2"]);
}

#[test]
fn a_line_that_is_a_shared_field_is_seen() {
    let mut bench = bench();
    let mut chunk = chunk(&bench.account, "app", &[&[("n", "1")], &[("n", "2")]]);
    chunk.shared = shared("log", "a.Error: x");
    let chunk = bench.filter.apply(chunk, bench.now).expect("the second begins anew");
    assert_eq!(lines(chunk), ["n=1 log=a.Error: x"]);
    assert_eq!(bench.pending(), ["n=2 log=a.Error: x"]);
}

#[test]
fn what_waits_at_the_end_goes_on_in_the_order_in_which_it_began() {
    let mut bench = bench();
    for container in ["c", "a", "d", "b"] {
        bench.apply(&[&[("container_id", container), ("log", "a.Error: x")]]);
    }
    let ids: Vec<_> = bench.pending().iter().map(|line| line[13..14].to_owned()).collect();
    assert_eq!(ids, ["c", "a", "d", "b"]);
}

#[test]
fn lines_of_dockers_files_become_the_records_that_they_hold() {
    let docker = Arc::new(builtin("docker").expect("built in"));
    let mut bench = bench_of(Chain::new(vec![docker], Some("log")), LIMITS);
    let line = |log: &str, second| {
        format!(r#"{{"log":"{log}","stream":"stdout","time":"2024-05-01T12:00:0{second}.25Z"}}"#)
    };
    let (one, two) = (line("half ", 1), line(r"and half\n", 2));
    assert_eq!(bench.apply(&[&[("log", &one), ("n", "1")]]), [""; 0]);
    let chunk = chunk(&bench.account, "app", &[&[("log", &two)], &[("log", "no JSON")]]);
    let chunk = bench.filter.apply(chunk, bench.now).expect("the line is whole");
    assert_eq!(
        chunk.entries.entries[0].time,
        EventTime::from_parts(1_714_564_801, 250_000_000),
        "what the first line tells"
    );
    let joined = "log=half and half\n stream=stdout time=2024-05-01T12:00:01.25Z";
    assert_eq!(lines(chunk), [joined, "log=no JSON"]);
    let balance = bench.account.balance();
    assert_eq!((balance.delivered, balance.merged, balance.held), (2, 1, 0));
}

#[test]
fn parts_under_another_key_than_log_are_joined_here() {
    let config = Config {
        key_content: Some("msg".to_owned()),
        mode: Mode::PartialMessage,
        wait: Duration::from_millis(100),
    };
    let mut filter = Multiline::new(config);
    let account = Arc::new(Account::default());
    let now = crate::clock::now();
    let part = |text: &'static str, last: &'static str| {
        [("msg", text), ("partial_message", "true"), ("partial_id", "1"), ("partial_last", last)]
    };
    let mut first = chunk(&account, "app", &[&part("one ", "false")]);
    first.shared = shared("task", "1");
    assert!(filter.apply(first, now).is_none());
    let joined = filter.apply(chunk(&account, "app", &[&part("two", "true")]), now);
    assert_eq!(lines(joined.expect("whole")), ["task=1 msg=one two"]);
    assert!(filter.apply(chunk(&account, "app", &[&part("cut", "false")]), now).is_none());
    let deadline = now + Duration::from_millis(100);
    assert_eq!(filter.expired(deadline - Duration::from_millis(1)).map(lines), None);
    assert_eq!(filter.expired(deadline).map(lines), Some(vec!["msg=cut".to_owned()]));
    assert_eq!(account.balance().held, 0);
}

/// A line, the source it comes from, and whether a chunk ends behind it.
type Event = (usize, String, bool);

const SOURCES: [(&str, &str, &str); 4] =
    [("a", "c1", "stdout"), ("a", "c1", "stderr"), ("a", "c2", "stdout"), ("b", "c1", "stdout")];

/// Feeds the events in chunks, each so much later: one ends where it is said, and where the tag is
/// another.
fn feed(bench: &mut Bench, events: &[Event], step: Duration) -> Vec<String> {
    let mut out = Vec::new();
    let numbers: Vec<String> = (0..events.len()).map(|number| number.to_string()).collect();
    let records: Vec<[(&str, &str); 4]> = events
        .iter()
        .zip(&numbers)
        .map(|((source, line, _), number)| {
            let (_, container, source) = SOURCES[*source];
            [("n", number.as_str()), ("container_id", container), ("source", source), ("log", line)]
        })
        .collect();
    let mut begin = 0;
    for at in 0..events.len() {
        let tag = SOURCES[events[at].0].0;
        let next = events.get(at + 1).map(|next| SOURCES[next.0].0);
        if events[at].2 || next != Some(tag) {
            let fields: Vec<_> = records[begin..=at].iter().map(<[_; 4]>::as_slice).collect();
            out.extend(bench.apply_tag(tag, &fields));
            begin = at + 1;
            bench.now += step;
            out.extend(bench.expired());
        }
    }
    out.extend(bench.pending());
    out
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let line = "[stmeax]?[bc]{0,2}";
    proptest::collection::vec((0..SOURCES.len(), line, any::<bool>()), 0..60)
}

proptest! {
    #[test]
    fn any_interleaving_in_any_chunks_joins_each_source_as_if_it_were_alone(events in events()) {
        let mut bench = bench_of(ANY.clone(), LIMITS);
        let got = feed(&mut bench, &events, Duration::ZERO);
        // By source: the number of the first line and the text.
        let mut by_source: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for line in got {
            let number: usize = line[2..].split(' ').next().unwrap().parse().unwrap();
            let (_, container, source) = SOURCES[events[number].0];
            let head = format!("n={number} container_id={container} source={source} log=");
            let text = line.strip_prefix(&head).expect("the first line's fields");
            by_source.entry(events[number].0).or_default().push(format!("{number} {text}"));
        }
        for source in 0..SOURCES.len() {
            let own = events.iter().enumerate().filter(|(_, event)| event.0 == source);
            let (numbers, own): (Vec<_>, Vec<_>) =
                own.map(|(number, event)| (number, event.1.clone())).unzip();
            let records = model(&ANY_RULES, &own);
            let expected = records.iter().zip(texts(&records, &own));
            let expected: Vec<_> =
                expected.map(|(record, text)| format!("{} {text}", numbers[record[0]])).collect();
            prop_assert_eq!(by_source.remove(&source).unwrap_or_default(), expected);
        }
        let balance = bench.account.balance();
        prop_assert_eq!((balance.received, balance.held), (events.len() as u64, 0));
        prop_assert_eq!(balance.delivered + balance.merged, events.len() as u64);
    }

    #[test]
    fn whatever_the_bounds_no_line_is_lost_or_comes_twice_and_sources_keep_their_order(
        events in events(),
        bytes_max in 1..12_usize,
        across_chunks in any::<bool>(),
        step_ms in 0..1_500_u64,
    ) {
        let mut bench = bench_of(ANY.clone(), Limits { bytes_max, across_chunks, wait: WAIT });
        let got = feed(&mut bench, &events, Duration::from_millis(step_ms));
        for (source, (tag, container, name)) in SOURCES.iter().enumerate() {
            let head = format!(" container_id={container} source={name} log=");
            let of_tag = |line: &&String| {
                let number: usize = line[2..].split(' ').next().unwrap().parse().unwrap();
                SOURCES[events[number].0].0 == *tag
            };
            let texts = got.iter().filter(of_tag).filter_map(|line| line.split_once(&head));
            let texts: String = texts.map(|(_, text)| text.replace('\n', "")).collect();
            let own = events.iter().filter(|event| event.0 == source);
            prop_assert_eq!(texts, own.map(|event| event.1.as_str()).collect::<String>());
        }
        let balance = bench.account.balance();
        prop_assert_eq!((balance.received, balance.held), (events.len() as u64, 0));
        prop_assert_eq!(balance.delivered + balance.merged, events.len() as u64);
    }

    #[test]
    fn no_bytes_make_it_panic(records in proptest::collection::vec(
        proptest::collection::vec(prop_oneof![Just(0x81_u8), Just(0xa3), any::<u8>()], 0..12), 0..6,
    )) {
        let mut bench = bench_of(ANY.clone(), LIMITS);
        let mut one = chunk(&bench.account, "app", &vec![[].as_slice(); records.len()]);
        let mut data = crate::record::edit::EntriesWriter::default();
        records.iter().for_each(|record| data.copy(EventTime::default(), record));
        one.entries = Arc::new(data.finish());
        bench.filter.apply(one, bench.now).into_iter().for_each(Chunk::delivered);
        std::iter::from_fn(|| bench.filter.pending()).for_each(Chunk::delivered);
        prop_assert_eq!(bench.account.balance().held, 0);
    }
}

#[test]
fn a_parser_that_takes_every_line_as_a_first_one_changes_no_record() {
    let every = custom(&[("start_state", ".*", "start_state")]);
    let mut bench = bench_of(every, LIMITS);
    let records: [Fields<'_>; 3] = [&[("log", "a")], &[("log", "")], &[("log", "b")]];
    assert_eq!(bench.apply(&records), ["log=a", "log=", "log=b"]);
    assert_eq!(bench.account.balance().merged, 0);
}

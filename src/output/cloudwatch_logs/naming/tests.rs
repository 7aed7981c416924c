//! Targets of chunks, and that records find their streams.

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::config::{LogGroupName, StreamName};
use super::super::delivery::{Delivery, Limits, Settings};
use super::super::plan::Messages;
use super::super::sender::Put;
use super::of_fields::GROUP_WITHOUT_TASK;
use super::*;
use crate::chunk::Storage;
use crate::chunk::fixture::{chunk, lines};
use crate::ledger::{Permit, Reason, Share};
use crate::option::RetryLimit;
use crate::output::cloudwatch::config::{Names as GoNames, StreamName as GoStream};
use crate::output::cloudwatch::template::NameTemplate;
use crate::record::chunk::{Entries, Entry};
use crate::record::fields::SharedField;
use crate::record::msgpack::Writer;
use crate::record::template::Template;
use crate::record::time::EventTime;

type Sender = watch::Sender<Option<Arc<Snapshot>>>;

struct Bench {
    naming: Naming,
    sender: Sender,
    counters: Arc<OutputCounters>,
    now: Instant,
}

fn bench(rule: Rule, is_enriched: bool) -> Bench {
    let (sender, receiver) = watch::channel(None);
    let (counters, now) = (Arc::new(OutputCounters::new("out")), crate::clock::now());
    let naming = Naming::new(rule, receiver, is_enriched, Arc::clone(&counters), now);
    Bench { naming, sender, counters, now }
}

impl Bench {
    /// Where chunks of a tag go.
    fn target(&mut self, tag: &str) -> (String, String) {
        let target = self.naming.of_tag(&tag.into());
        (target.group.clone(), target.stream.clone())
    }

    /// Gives a chunk its targets, of which there is room for so many.
    fn assign(&mut self, chunk: impl Into<Unassigned>, most: usize) -> Assigned {
        let mut left = most;
        self.naming.assign(chunk.into(), |_| {
            left.checked_sub(1).is_some_and(|fewer| {
                left = fewer;
                true
            })
        })
    }
}

fn of_fields(group: LogGroupName, stream: StreamName, templates: [Option<&str>; 2]) -> Rule {
    let [group_template, stream_template] =
        templates.map(|text| text.map(|text| Template::parse(text).expect("a template")));
    Rule::OfFields(Names { group, stream, group_template, stream_template })
}

fn fixed() -> Rule {
    let (group, prefix) = (LogGroupName::Fixed("g".to_owned()), "p-".to_owned());
    of_fields(group, StreamName::Prefix(prefix), [None, None])
}

fn from_task() -> Rule {
    of_fields(LogGroupName::FromTask, StreamName::FromTask, [None, None])
}

fn of_templates(group: &str, stream: &str) -> Rule {
    let template = |text| NameTemplate::parse(text).expect("a template");
    let names = GoNames {
        group: template(group),
        default_group: "dg".to_owned(),
        stream: GoStream::Template(template(stream)),
        default_stream: "/ds".to_owned(),
    };
    Rule::OfTemplates(cloudwatch::naming::Names::new(names, "uuid".to_owned()))
}

fn task() -> Arc<Snapshot> {
    let body = br#"{"Cluster":"arn:aws:ecs:eu-west-1:1:cluster/c","Family":"web","Revision":"3",
        "TaskARN":"arn:aws:ecs:eu-west-1:1:task/c/0ab"}"#;
    Arc::new(Snapshot::parse(body).expect("a task"))
}

fn pair(group: &str, stream: &str) -> (String, String) {
    (group.to_owned(), stream.to_owned())
}

#[test]
fn a_prefix_is_followed_by_the_tag() {
    let mut bench = bench(fixed(), false);
    assert!(!bench.naming.is_waiting(bench.now));
    assert_eq!(bench.naming.gives_up_at(), None);
    assert_eq!(bench.target("app-firelens-1"), pair("g", "p-app-firelens-1"));
}

#[test]
fn the_targets_of_tags_are_kept_up_to_their_bytes() {
    let mut bench = bench(fixed(), false);
    for tag in 0..TARGETS_MAX {
        bench.target(&format!("{tag}{}", "x".repeat(TARGET_TAG_BYTES_MAX - 8)));
        let kept = bench.naming.of_tags.iter();
        let bytes = kept.map(|(tag, target)| tag.as_bytes().len() + 1 + target.stream.len());
        assert!(bytes.sum::<usize>() == bench.naming.of_tags_bytes);
        assert!(bench.naming.of_tags_bytes <= TARGETS_BYTES_MAX);
    }
    assert!(bench.naming.of_tags.len() < TARGETS_MAX);
}

#[test]
fn records_that_are_enriched_wait_for_the_task_if_it_may_come() {
    let Bench { naming, sender, now, .. } = bench(fixed(), true);
    assert!(naming.is_waiting(now));
    drop(sender);
    assert!(!naming.is_waiting(now), "this is no task of ECS");
}

#[test]
fn names_of_the_task_wait_for_its_metadata() {
    let mut bench = bench(from_task(), false);
    assert!(bench.naming.is_waiting(bench.now));
    bench.sender.send_replace(Some(task()));
    assert!(!bench.naming.is_waiting(bench.now));
    assert_eq!(bench.target("app-firelens-0ab"), pair("/ecs/web", "app/0ab"));
}

#[test]
fn and_not_for_ever() {
    let mut bench = bench(from_task(), false);
    let late = bench.naming.gives_up_at().expect("it waits");
    assert_eq!(late, bench.now + TASK_WAIT);
    assert!(!bench.naming.is_waiting(late));
    assert_eq!(bench.target("app-firelens-0ab"), pair(GROUP_WITHOUT_TASK, "app-firelens-0ab"));
    bench.sender.send_replace(Some(task()));
    assert_eq!(bench.target("app-firelens-0ab"), pair("/ecs/web", "app/0ab"), "not kept");
}

#[test]
fn go_names_of_the_task_wait_until_the_process_stops_and_then_are_the_defaults() {
    let mut bench = bench(of_templates("a:$(ecs_cluster)", "$(ecs_task_id)/$(tag)"), false);
    let late = bench.now + Duration::from_secs(3_600);
    assert!(bench.naming.is_waiting(late) && bench.naming.gives_up_at().is_none());
    bench.naming.give_up(late);
    assert!(!bench.naming.is_waiting(late));
    assert_eq!(bench.target("t"), pair("dg", "/ds"));
    bench.sender.send_replace(Some(task()));
    let named = pair("a.arn.aws.ecs.eu-west-1.1.cluster/c", "0ab/t");
    assert_eq!(bench.target("t"), named);
}

#[test]
fn go_names_that_do_not_need_the_task_do_not_wait_for_it() {
    let mut bench = bench(of_templates("g", "$(uuid)-$(tag[1])"), false);
    assert!(!bench.naming.is_waiting(bench.now) && !bench.naming.splits());
    assert_eq!(bench.target("a.b"), pair("g", "uuid-b"));
    assert_eq!(bench.target("a"), pair("g", "/ds"));
}

#[test]
fn a_template_without_fields_is_filled_once_a_tag() {
    let templates = [Some("$TAG[0]"), Some("$TAG")];
    let group = LogGroupName::Fixed("g".to_owned());
    let rule = of_fields(group, StreamName::Fixed("s".to_owned()), templates);
    let mut bench = bench(rule, false);
    assert!(!bench.naming.splits());
    assert_eq!(bench.target("a.b"), pair("a", "a.b"));
    assert_eq!(bench.target(""), pair("g", "s"), "an empty name gives way");
}

/// A rule that has each record's `s` for its stream.
fn of_s() -> Rule {
    let (group, prefix) = (LogGroupName::Fixed("g".to_owned()), "fb-".to_owned());
    of_fields(group, StreamName::Prefix(prefix), [None, Some("$s")])
}

#[test]
fn a_chunk_of_one_target_stays_as_it_is() {
    let mut bench = bench(of_s(), false);
    let record: &[(&str, &str)] = &[("s", "a")];
    let chunk = chunk(&bench.counters.account, "t", &[record, record, record]);
    let entries = Arc::clone(&chunk.entries);
    let Assigned::Whole(target, chunk) = bench.assign(chunk, 1) else { panic!("it was split") };
    assert_eq!(*target, Target::new("g", "a"));
    assert!(Arc::ptr_eq(&entries, &chunk.entries));
    chunk.delivered();
}

#[test]
fn parts_of_a_chunk_point_into_its_bytes() {
    let mut bench = bench(of_s(), false);
    let account = Arc::clone(&bench.counters.account);
    let chunk = chunk(&account, "t", &[&[("s", "a")], &[("s", "b")], &[("s", "a")], &[("n", "1")]]);
    let data = chunk.entries.data.clone();
    let Assigned::Parts { parts, rest: None } = bench.assign(chunk, 3) else {
        panic!("it was not split")
    };
    let streams: Vec<_> =
        parts.iter().map(|(target, part)| (target.stream.as_str(), part.records())).collect();
    assert_eq!(streams, [("a", 2), ("b", 1), ("fb-t", 1)]);
    assert!(parts.iter().all(|(_, part)| part.entries.data.as_ptr() == data.as_ptr()));
    assert_eq!(bench.counters.template_misses.get(), 1);
    parts.into_iter().for_each(|(_, part)| part.delivered());
    assert_eq!(account.balance().held, 0);
}

/// Which records went to which stream, by the numbers in them.
fn streams(parts: Vec<(Arc<Target>, Chunk)>) -> Vec<(String, Vec<String>)> {
    let streams = parts.into_iter().map(|(target, part)| {
        let lines = lines(part).into_iter();
        let number = |line: String| line.split_once("n=").map(|(_, number)| number.to_owned());
        (target.stream.clone(), lines.filter_map(number).collect())
    });
    streams.collect()
}

#[test]
fn what_finds_no_room_waits_behind_what_did_and_is_not_copied() {
    let mut bench = bench(of_s(), false);
    let account = Arc::clone(&bench.counters.account);
    let records: [&[(&str, &str)]; 6] = [
        &[("s", "a"), ("n", "0")],
        &[("s", "a"), ("n", "1")],
        &[("s", "b"), ("n", "2")],
        &[("s", "a"), ("n", "3")],
        &[("s", "c"), ("n", "4")],
        &[("s", "c"), ("n", "5")],
    ];
    let chunk = chunk(&account, "t", &records);
    let mut rest = Some(Unassigned::from(chunk));
    let mut seen = Vec::new();
    for most in [0, 1, 0, 2, 1] {
        let Assigned::Parts { parts, rest: left } = bench.assign(rest.expect("more"), most) else {
            panic!("parts of a chunk are no whole")
        };
        seen.push(streams(parts));
        rest = left;
    }
    let part = |stream: &str, numbers: &[&str]| {
        (stream.to_owned(), numbers.iter().map(|number| (*number).to_owned()).collect())
    };
    let expected = [
        vec![],
        vec![part("a", &["0", "1"])],
        vec![],
        vec![part("b", &["2"]), part("a", &["3"])],
        vec![part("c", &["4", "5"])],
    ];
    assert_eq!(seen, expected);
    assert!(rest.is_none() && account.balance().delivered == 6);
}

#[test]
fn what_waits_for_room_becomes_a_chunk_of_its_own() {
    let mut bench = bench(of_s(), false);
    let account = Arc::clone(&bench.counters.account);
    let chunk = chunk(&account, "t", &[&[("s", "a")], &[("s", "b")], &[("s", "b")]]);
    let Assigned::Parts { parts, rest: Some(rest) } = bench.assign(chunk, 1) else {
        panic!("everything found room")
    };
    parts.into_iter().for_each(|(_, part)| part.delivered());
    let rest = rest.into_chunk();
    assert_eq!(rest.entries.len(), 2);
    rest.dropped(Reason::Stopped);
    let balance = account.balance();
    assert_eq!((balance.delivered, balance.dropped_for(Reason::Stopped)), (1, 2));
}

/// What stands under a key of a record.
#[derive(Clone, Debug)]
enum Field {
    Missing,
    Text(&'static str),
    Number(u8),
    Array,
}

fn any_field() -> impl Strategy<Value = Field> {
    // Some of these become the same name: the service refuses `:` and `*`, in groups also `#`.
    const TEXTS: [&str; 9] = ["a", "b", "c.d", "a:b", "a*b", "a.b", "", "é", "aws/x"];
    prop_oneof![
        2 => Just(Field::Missing),
        8 => proptest::sample::select(TEXTS.to_vec()).prop_map(Field::Text),
        1 => (0..2_u8).prop_map(Field::Number),
        1 => Just(Field::Array),
    ]
}

impl Field {
    fn write(&self, key: &str, out: &mut Vec<u8>) {
        let mut writer = Writer::new(out);
        if !matches!(self, Self::Missing) {
            writer.str(key.as_bytes());
        }
        match self {
            Self::Missing => {}
            Self::Text(text) => writer.str(text.as_bytes()),
            Self::Number(number) => writer.uint((*number).into()),
            Self::Array => writer.array_header(0),
        }
    }

    /// What a template makes of it that renders numbers, or not.
    fn text(&self, renders_numbers: bool) -> Option<String> {
        match self {
            Self::Text(text) if !text.is_empty() => Some((*text).to_owned()),
            Self::Number(number) if renders_numbers => Some(number.to_string()),
            Self::Text(_) | Self::Number(_) | Self::Missing | Self::Array => None,
        }
    }
}

/// A record: what names its group, what names its stream.
type Record = (Field, Field);

fn packed(
    account: &Arc<crate::ledger::Account>,
    (first, records): (u64, &[Record]),
    shared: &SharedFields,
    now: Instant,
) -> Chunk {
    let (mut data, mut entries) = (Vec::new(), Vec::new());
    for (number, (group, stream)) in (first..).zip(records) {
        let start = u32::try_from(data.len()).expect("small");
        let fields = [group, stream].into_iter().filter(|field| !matches!(field, Field::Missing));
        let mut writer = Writer::new(&mut data);
        writer.map_header(1 + u32::try_from(fields.count()).expect("small"));
        writer.str(b"n");
        writer.uint(number);
        group.write("g", &mut data);
        stream.write("s", &mut data);
        let end = u32::try_from(data.len()).expect("small");
        entries.push(Entry { time: EventTime::from_parts(1_700_000_000, 0), start, end });
    }
    Chunk {
        tag: "t".into(),
        entries: Arc::new(Entries { data: Bytes::from(data), entries }),
        shared: shared.clone(),
        input: 0,
        rewrites: 0,
        storage: Storage::Memory,
        arrived: now,
        permit: Permit::new(account.receive(records.len() as u64), Share::empty()),
    }
}

/// Brings the chunks to a service that takes everything; gives the numbers of the records by the
/// stream in which they arrived.
fn delivered(
    bench: &mut Bench,
    chunks: &[Vec<Record>],
    shared: &SharedFields,
    most: usize,
) -> BTreeMap<(String, String), Vec<u64>> {
    let settings = Settings {
        flush: Duration::from_secs(1),
        retry_limit: RetryLimit::Unlimited,
        messages: Messages::default(),
        limits: Limits::default(),
        loss_markers: false,
        seed: 7,
    };
    let mut delivery = Delivery::new(settings, Arc::clone(&bench.counters));
    let mut first = 0;
    for records in chunks {
        let account = &bench.counters.account;
        let chunk = packed(account, (first, records), shared, bench.now);
        let mut rest = Some(Unassigned::from(chunk));
        first += records.len() as u64;
        while let Some(chunk) = rest.take() {
            assert!(bench.naming.splits(), "both rules of the test read records");
            match bench.assign(chunk, most) {
                Assigned::Whole(target, chunk) => delivery.push(&target, chunk, bench.now),
                Assigned::Parts { parts, rest: left } => {
                    for (target, part) in parts {
                        delivery.push_part(&target, part, bench.now);
                    }
                    rest = left;
                }
            }
        }
    }
    delivery.stop(bench.now);
    let mut arrived: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    while let Some(batch) = delivery.next_batch(bench.now) {
        let body: serde_json::Value = serde_json::from_slice(&batch.sealed.body).expect("JSON");
        let name = pair(&batch.target.group, &batch.target.stream);
        for event in body["logEvents"].as_array().expect("a list") {
            let record: serde_json::Value =
                serde_json::from_str(event["message"].as_str().expect("text")).expect("JSON in it");
            let number = record["n"].as_u64().expect("a number");
            arrived.entry(name.clone()).or_default().push(number);
        }
        delivery.accepted(batch, &Put::default(), bench.now);
    }
    assert!(delivery.is_empty() && delivery.room().is_any());
    arrived
}

/// The same by the definition: each record by itself.
fn expected(
    chunks: &[Vec<Record>],
    name: impl Fn(&Record) -> Target,
) -> BTreeMap<(String, String), Vec<u64>> {
    let mut streams: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for (number, record) in (0..).zip(chunks.iter().flatten()) {
        let target = name(record);
        streams.entry((target.group, target.stream)).or_default().push(number);
    }
    streams
}

proptest! {
    /// Whatever fields records have, and however little room there is: each arrives in the stream
    /// that its own fields name, in each stream in the order in which they came, and the account
    /// says so.
    #[test]
    fn every_record_arrives_in_the_stream_that_its_own_fields_name(
        chunks in proptest::collection::vec(
            proptest::collection::vec((any_field(), any_field()), 1..12), 1..8),
        is_go: bool,
        names_group: bool,
        most in 1..5_usize,
        shared_stream in proptest::option::of(any::<bool>()),
    ) {
        let shared = SharedFields::new(shared_stream.into_iter().map(|yields| SharedField {
            key: b"s".as_slice().into(), value: b"shared".as_slice().into(), yields,
        }).collect());
        // A shared field is the last of equal keys, unless it yields to the record's own.
        let stream_of = |field: &Field| match (shared_stream, field) {
            (Some(false), _) | (Some(true), Field::Missing) => Some("shared".to_owned()),
            (None | Some(true), field) => field.text(!is_go),
        };
        let group_of = |field: &Field| field.text(!is_go).filter(|_| names_group);
        let (rule, group, stream) = if is_go {
            let group = if names_group { "$(g)" } else { "dg" };
            (of_templates(group, "$(s)"), "dg", "/ds")
        } else {
            let (group, prefix) = (LogGroupName::Fixed("g".to_owned()), "fb-".to_owned());
            let templates = [names_group.then_some("$g"), Some("$s")];
            (of_fields(group, StreamName::Prefix(prefix), templates), "g", "fb-t")
        };
        let expected = expected(&chunks, |(of_group, of_stream)| {
            let group = group_of(of_group).unwrap_or_else(|| group.to_owned());
            // Go counts bytes where Fluent Bit counts characters.
            let group = if is_go { group.replace('é', "..") } else { group };
            Target::new(&group, &stream_of(of_stream).unwrap_or_else(|| stream.to_owned()))
        });
        let mut bench = bench(rule, false);
        let arrived = delivered(&mut bench, &chunks, &shared, most);
        prop_assert_eq!(arrived, expected);
        let balance = bench.counters.account.balance();
        let records = chunks.iter().map(Vec::len).sum::<usize>() as u64;
        prop_assert_eq!((balance.received, balance.delivered, balance.held), (records, records, 0));
    }
}

//! The order of filters, of processors and of what they make.

use super::*;
use crate::chunk::EMITTERS;
use crate::chunk::fixture::{chunk, lines};
use crate::ec2::{Item, Latest, Metadata};
use crate::filter::Filter;
use crate::filter::aws::Aws;
use crate::filter::record_modifier::RecordModifier;
use crate::filter::record_modifier::config::{Config, KeyPattern};
use crate::filter::rewrite_tag::RewriteTag;
use crate::filter::rewrite_tag::config as rewrite_tag;
use crate::record::accessor::Accessor;
use crate::record::pattern::Pattern;
use crate::record::tag_pattern::TagMatch;
use crate::record::template::Template;

fn adds(key: &str) -> Stage {
    modifier(vec![(key.to_owned(), "1".to_owned())], Vec::new())
}

fn removes(key: &str) -> Stage {
    modifier(Vec::new(), vec![KeyPattern::new(key)])
}

fn modifier(records: Vec<(String, String)>, remove_keys: Vec<KeyPattern>) -> Stage {
    let config = Config { records, remove_keys, allow_keys: Vec::new(), uuid_key: None };
    let filter = Filter::RecordModifier(RecordModifier::new(config));
    Stage { filter, condition: None, counters: Arc::default() }
}

/// Copies records to a tag, or moves them.
fn rewrites(emitter: u16, new_tag: &str, keeps: bool) -> Stage {
    let rule = rewrite_tag::Rule {
        key: Accessor::parse("log").expect("a key"),
        pattern: Pattern::new(".*").expect("a pattern"),
        new_tag: Template::parse(new_tag).expect("a tag"),
        keeps,
    };
    let config = rewrite_tag::Config { rules: vec![rule] };
    let filter = Filter::RewriteTag(RewriteTag::new(config, EMITTERS + emitter));
    Stage { filter, condition: None, counters: Arc::default() }
}

/// An ingest for two inputs, and what arrives at each of its outputs from a record of input 0.
fn arrived(
    processors: [Vec<Stage>; 2],
    stages: Vec<Stage>,
    outputs: Vec<(&str, Vec<Stage>)>,
) -> Vec<Vec<String>> {
    arrived_of(0, processors, stages, outputs)
}

/// The same for a record of another input.
fn arrived_of(
    input: u16,
    processors: [Vec<Stage>; 2],
    stages: Vec<Stage>,
    outputs: Vec<(&str, Vec<Stage>)>,
) -> Vec<Vec<String>> {
    let account = Arc::new(Account::default());
    let pattern = |text| TagMatch::new(Some(text), None).expect("a pattern");
    let matches = outputs.iter().map(|(text, _)| pattern(text)).collect();
    let router = Router::new(stages.iter().map(|_| pattern("*")).collect(), matches);
    let outlets = outputs.into_iter().map(|(_, processors)| Outlet {
        processors,
        buffer: Arc::default(),
        account: Arc::default(),
    });
    let outlets: Vec<_> = outlets.collect();
    let buffers: Vec<_> = outlets.iter().map(|outlet| Arc::clone(&outlet.buffer)).collect();
    let accounts: Vec<_> = outlets.iter().map(|outlet| Arc::clone(&outlet.account)).collect();
    let mut ingest = Ingest::new(processors.into(), stages, router, outlets);
    let now = clock::now();
    let chunk = Chunk { input, ..chunk(&account, "t", &[&[("log", "x")]]) };
    ingest.process(chunk, now);
    ingest.finish(now);
    let taken = |buffer: &Arc<Buffer>| {
        std::iter::from_fn(|| buffer.try_pop()).flat_map(lines).collect::<Vec<_>>()
    };
    let arrived = buffers.iter().map(taken).collect();
    assert_eq!(account.balance().held, 0);
    assert!(accounts.iter().all(|account| account.balance().held == 0));
    arrived
}

#[test]
fn processors_of_an_input_come_before_the_filters_and_see_its_records_alone() {
    let seen = arrived(
        [vec![adds("mine")], vec![adds("other")]],
        vec![adds("all")],
        vec![("*", Vec::new())],
    );
    assert_eq!(seen, [["log=x mine=1 all=1"]]);
}

#[test]
fn metrics_go_by_all_filters_to_the_outputs_of_their_tag() {
    let seen = arrived_of(
        METRICS,
        [vec![adds("a")], vec![adds("b")]],
        vec![adds("all"), removes("log")],
        vec![("*", vec![adds("own")]), ("t", Vec::new()), ("other", Vec::new())],
    );
    assert_eq!(seen, [vec!["log=x"], vec!["log=x"], vec![]]);
}

#[test]
fn processors_of_an_output_change_its_copy_alone() {
    let outputs = vec![("*", vec![adds("own")]), ("*", Vec::new()), ("other", Vec::new())];
    let seen = arrived([Vec::new(), Vec::new()], Vec::new(), outputs);
    assert_eq!(seen, [vec!["log=x own=1"], vec!["log=x"], vec![]]);
}

#[test]
fn an_output_whose_processors_leave_nothing_gets_nothing() {
    let outputs = vec![("*", vec![removes("log"), adds("late")]), ("*", Vec::new())];
    let seen = arrived([Vec::new(), Vec::new()], Vec::new(), outputs);
    assert_eq!(seen, [vec![], vec!["log=x"]]);
}

/// A chunk that only an answer lets go: its filter's patience ends in a day.
#[tokio::test]
async fn news_let_go_what_filters_hold_for_it() {
    let (sender, latest) = Latest::fixture();
    let day = Duration::from_secs(86_400);
    let stage = Stage {
        filter: Filter::Aws(Aws::new(latest, clock::now() + day)),
        condition: None,
        counters: Arc::default(),
    };
    let everything = || TagMatch::new(Some("*"), None).expect("a pattern");
    let outlet = Outlet { processors: Vec::new(), buffer: Arc::default(), account: Arc::default() };
    let buffer = Arc::clone(&outlet.buffer);
    let router = Router::new(vec![everything()], vec![everything()]);
    let ingest = Ingest::new(Vec::new(), vec![stage], router, vec![outlet]);
    let (ring, news) = (Arc::new(Ring::new(1)), Arc::new(Notify::new()));
    let surroundings = Surroundings { news: Some(Arc::clone(&news)), ..Surroundings::default() };
    let running = tokio::spawn(run(ingest, Arc::clone(&ring), surroundings));
    let account = Arc::new(Account::default());
    ring.push(chunk(&account, "t", &[&[("log", "x")]])).await.expect("open");
    // The one other task of this thread takes the chunk, and waits.
    tokio::task::yield_now().await;
    let mut metadata = Metadata::default();
    metadata.set(Item::AvailabilityZone, "a".into());
    sender.send_replace(Some(Arc::new(metadata)));
    news.notify_one();
    let gone = tokio::time::timeout(Duration::from_secs(20), buffer.pop()).await;
    assert_eq!(lines(gone.expect("in time").expect("open")), ["log=x az=a"]);
    ring.close();
    running.await.expect("no panic");
}

#[test]
fn a_record_with_a_new_tag_passes_all_filters_again_and_gathers_no_fields() {
    let stages = vec![adds("before"), rewrites(0, "u", true), adds("after")];
    let outputs = vec![("t", Vec::new()), ("u", Vec::new())];
    let seen = arrived([Vec::new(), Vec::new()], stages, outputs);
    assert_eq!(seen, [["log=x before=1 after=1"], ["log=x before=1 after=1"]]);
}

#[test]
fn filters_whose_tags_lead_to_one_another_come_to_an_end() {
    let stages = vec![rewrites(0, "$TAG.a", false), rewrites(1, "$TAG.b", false)];
    let seen = arrived([Vec::new(), Vec::new()], stages, vec![("t.a.b*", Vec::new())]);
    assert_eq!(seen, [["log=x"]]);
}

#[test]
fn a_record_that_a_processor_gave_a_new_tag_goes_on_behind_it() {
    let processors = [vec![rewrites(0, "u", false), adds("mine")], Vec::new()];
    let outputs = vec![("u", vec![rewrites(1, "v", false), adds("own")])];
    let seen = arrived(processors, vec![adds("all")], outputs);
    assert_eq!(seen, [["log=x mine=1 all=1 own=1"]]);
}

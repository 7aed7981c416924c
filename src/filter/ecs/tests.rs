//! Chunks that wait for the agent's answers, and what becomes of them.

use std::sync::Arc;

use proptest::prelude::*;
use tokio::sync::mpsc;

use super::*;
use crate::chunk::fixture::{chunk, lines};
use crate::ecs::introspection::Agent;
use crate::ledger::Account;
use crate::record::template::Template;

const MS: Duration = Duration::from_millis(1);
const A: &str = "aaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbb";

struct Bench {
    filter: Ecs,
    questions: mpsc::Receiver<Box<str>>,
    answers: mpsc::Sender<Answer>,
    account: Arc<Account>,
    started: Instant,
    now: Instant,
}

fn bench_with(change: impl FnOnce(&mut Config)) -> Bench {
    let (desk, questions, answers) = Desk::fixture();
    let add = Template::parse("$ClusterName.$TaskID").expect("a template");
    let mut config = Config {
        adds: vec![("from".to_owned(), add)],
        tag_prefix: "d-".to_owned(),
        cluster_only: false,
        ttl: Duration::from_secs(60),
        agent: Agent::new("h", 1).expect("a host"),
        attempts_max: 2,
    };
    change(&mut config);
    let started = crate::clock::now();
    let filter = Ecs::new(config, desk, started);
    Bench { filter, questions, answers, account: Arc::default(), started, now: started }
}

/// One whose instance is known.
fn bench() -> Bench {
    let mut bench = bench_with(|_| {});
    bench.knows_instance();
    bench
}

impl Bench {
    /// A record `n` of a container; what goes on at once.
    fn apply(&mut self, id: &str, n: &str) -> Vec<String> {
        self.apply_tag(&format!("d-{id}"), n)
    }

    fn apply_tag(&mut self, tag: &str, n: &str) -> Vec<String> {
        let chunk = chunk(&self.account, tag, &[&[("n", n)]]);
        self.filter.apply(chunk, self.now).map(lines).unwrap_or_default()
    }

    fn expired(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.filter.expired(self.now)).flat_map(lines).collect()
    }

    fn answers(&mut self, answer: Answer) {
        self.answers.try_send(answer).expect("room");
    }

    fn knows_instance(&mut self) {
        self.answers(Answer::Instance(Some(fixture::instance())));
    }

    fn knows(&mut self, id: &str) {
        let task = fixture::task(&format!("{id}{}", "0".repeat(52)));
        self.answers(Answer::Task { asked: id.into(), task: Some(task) });
    }

    fn fails(&mut self, id: &str) {
        self.answers(Answer::Task { asked: id.into(), task: None });
    }

    fn asked(&mut self) -> String {
        let asked: Vec<_> = std::iter::from_fn(|| self.questions.try_recv().ok()).collect();
        asked.join(" ")
    }
}

#[test]
fn chunks_of_a_container_wait_for_its_task_and_go_on_in_order() {
    let mut bench = bench();
    assert_eq!(bench.apply(A, "1"), [""; 0]);
    assert_eq!(bench.filter.wakes_at(), Some(bench.now + WAIT_MAX));
    bench.now += MS;
    assert_eq!(bench.apply(A, "2"), [""; 0]);
    assert_eq!(bench.asked(), A, "once");
    bench.knows(A);
    assert_eq!(bench.apply(A, "3"), [""; 0], "not before the others");
    assert_eq!(bench.filter.wakes_at(), Some(bench.now), "at once");
    assert_eq!(bench.expired(), ["n=1 from=c.e01d", "n=2 from=c.e01d", "n=3 from=c.e01d"]);
    assert_eq!(bench.apply(A, "4"), ["n=4 from=c.e01d"]);
    assert_eq!((bench.filter.wakes_at(), bench.asked().as_str()), (None, ""));
}

#[test]
fn chunks_of_other_containers_do_not_wait() {
    let mut bench = bench();
    assert_eq!(bench.apply(A, "1"), [""; 0]);
    bench.knows(A);
    assert_eq!(bench.expired(), ["n=1 from=c.e01d"]);
    assert_eq!(bench.apply(B, "2"), [""; 0]);
    assert_eq!(bench.apply(A, "3"), ["n=3 from=c.e01d"]);
    assert_eq!(bench.apply_tag("other", "4"), ["n=4 from=c."]);
    bench.fails(B);
    assert_eq!(bench.expired(), ["n=2 from=c."]);
}

#[test]
fn no_byte_of_a_record_is_copied_and_chunks_alike_share_one_list() {
    let mut bench = bench();
    assert_eq!(bench.apply(A, "1"), [""; 0]);
    bench.knows(A);
    bench.expired();
    let chunks = [(); 2].map(|()| {
        let came = chunk(&bench.account, "d-aaaaaaaaaaaa.log", &[&[("n", "2")]]);
        let entries = Arc::clone(&came.entries);
        let gone = bench.filter.apply(came, bench.now).expect("known");
        assert!(Arc::ptr_eq(&entries, &gone.entries));
        gone
    });
    assert!(chunks[0].shared.is_same(&chunks[1].shared));
    chunks.into_iter().for_each(Chunk::delivered);
}

#[test]
fn all_containers_of_a_task_are_known_with_the_first() {
    let mut bench = bench();
    bench.apply(A, "1");
    let mut task = fixture::task(A);
    task.containers.extend(fixture::task(B).containers);
    bench.answers(Answer::Task { asked: A.into(), task: Some(task) });
    assert_eq!(bench.expired(), ["n=1 from=c.e01d"]);
    assert_eq!(bench.apply(B, "2"), ["n=2 from=c.e01d"]);
    assert_eq!(bench.asked(), A);
}

#[test]
fn without_a_task_the_instance_alone_is_appended_and_the_agent_is_asked_so_often() {
    let mut bench = bench();
    for attempt in ["1", "2"] {
        assert_eq!(bench.apply(A, attempt), [""; 0]);
        assert_eq!(bench.asked(), A);
        bench.fails(A);
        assert_eq!(bench.expired(), [format!("n={attempt} from=c.")]);
    }
    assert_eq!(bench.apply(A, "3"), ["n=3 from=c."], "asked for often enough");
    bench.now += Duration::from_secs(60);
    assert_eq!(bench.apply(A, "4"), [""; 0], "that is forgotten");
    assert_eq!(bench.asked(), A);
    bench.fails(A);
    bench.expired();
}

#[test]
fn a_question_that_is_not_answered_lets_chunks_go_after_their_wait() {
    let mut bench = bench();
    assert_eq!(bench.apply(A, "1"), [""; 0]);
    bench.now += WAIT_MAX - MS;
    assert_eq!(bench.apply(A, "2"), [""; 0]);
    assert_eq!(bench.expired(), [""; 0]);
    bench.now += MS;
    assert_eq!(bench.apply(A, "3"), [""; 0], "not before the others");
    assert_eq!(bench.expired(), ["n=1 from=c.", "n=2 from=c.", "n=3 from=c."]);
    assert_eq!(bench.apply(A, "4"), ["n=4 from=c."], "no chunk waits for it any longer");
    bench.knows(A);
    assert_eq!(bench.apply(A, "5"), ["n=5 from=c.e01d"]);
    assert_eq!(bench.asked(), A, "asked for once");
}

#[test]
fn a_container_is_asked_for_again_when_its_time_is_over() {
    let mut bench = bench();
    bench.apply(A, "1");
    bench.knows(A);
    bench.expired();
    bench.now += Duration::from_secs(60);
    assert_eq!(bench.apply(A, "2"), [""; 0]);
    assert_eq!(bench.asked(), format!("{A} {A}"));
    bench.knows(A);
    bench.expired();
}

#[test]
fn before_the_instance_is_known_chunks_wait_for_it_then_for_their_container() {
    let mut bench = bench_with(|_| {});
    assert_eq!(bench.apply(A, "1"), [""; 0]);
    assert_eq!(bench.apply_tag("other", "2"), [""; 0]);
    assert_eq!(bench.filter.wakes_at(), Some(bench.started + WAIT_MAX));
    assert_eq!(bench.asked(), "");
    bench.now += MS;
    bench.knows_instance();
    assert_eq!(bench.expired(), ["n=2 from=c."]);
    assert_eq!(bench.asked(), A);
    assert_eq!(bench.filter.wakes_at(), Some(bench.now + WAIT_MAX));
    bench.knows(A);
    assert_eq!(bench.expired(), ["n=1 from=c.e01d"]);
}

#[test]
fn without_an_instance_records_go_on_as_they_are() {
    let mut failed = bench_with(|_| {});
    assert_eq!(failed.apply(A, "1"), [""; 0]);
    failed.answers(Answer::Instance(None));
    assert_eq!(failed.expired(), ["n=1"]);
    assert_eq!(failed.apply(A, "2"), ["n=2"]);
    failed.knows_instance();
    assert_eq!(failed.apply_tag("other", "3"), ["n=3 from=c."], "it is known at last");

    let mut late = bench_with(|_| {});
    assert_eq!(late.apply(A, "1"), [""; 0]);
    late.now += WAIT_MAX;
    assert_eq!(late.expired(), ["n=1"]);
    assert_eq!(late.asked(), "");
}

#[test]
fn with_the_cluster_only_no_container_is_asked_for() {
    let mut bench = bench_with(|config| config.cluster_only = true);
    bench.knows_instance();
    assert_eq!(bench.apply(A, "1"), ["n=1 from=c."]);
    assert_eq!(bench.asked(), "");
}

#[test]
fn with_nothing_to_add_no_chunk_waits() {
    let mut bench = bench_with(|config| {
        config.adds.clear();
        config.cluster_only = true;
    });
    assert_eq!(bench.apply(A, "1"), ["n=1"]);
    bench.knows_instance();
    assert_eq!(bench.apply(A, "2"), ["n=2"]);
}

#[test]
fn a_long_id_in_the_tag_is_asked_for_as_it_is() {
    let mut bench = bench();
    let long = "a".repeat(64);
    assert_eq!(bench.apply(&long, "1"), [""; 0]);
    assert_eq!(bench.asked(), long);
    bench.fails(&long);
    assert_eq!(bench.expired(), ["n=1 from=c."]);
}

#[test]
fn where_too_many_questions_wait_the_instance_alone_is_appended() {
    let mut bench = bench();
    let mut waiting = 0;
    loop {
        match bench.apply(&format!("{waiting:012x}"), "x").as_slice() {
            [] => waiting += 1,
            gone => break assert_eq!(gone, ["n=x from=c."]),
        }
        assert!(waiting <= CHUNKS_MAX, "without end");
    }
    assert_eq!(bench.asked().split(' ').count(), waiting);
    assert_eq!(bench.apply(&format!("{waiting:012x}"), "y"), [""; 0], "there is room again");
    while let Some(chunk) = bench.filter.pending() {
        lines(chunk);
    }
}

#[test]
fn no_more_chunks_wait_than_the_bound() {
    let mut bench = bench();
    for _ in 1..CHUNKS_MAX {
        assert_eq!(bench.apply(A, "x"), [""; 0]);
    }
    assert!(bench.expired().is_empty());
    assert_eq!(bench.apply(A, "x"), [""; 0]);
    assert_eq!(bench.filter.wakes_at(), Some(bench.now));
    assert_eq!(bench.expired().len(), CHUNKS_MAX);
}

#[test]
fn at_the_end_everything_that_waits_goes_on_with_what_is_known() {
    let mut bench = bench();
    bench.apply(A, "1");
    bench.apply(B, "2");
    bench.knows(B);
    let gone: Vec<_> = std::iter::from_fn(|| bench.filter.pending()).flat_map(lines).collect();
    assert_eq!(gone, ["n=1 from=c.", "n=2 from=c.e01d"]);
}

proptest! {
    /// Whatever comes in whatever order: no chunk is lost, none of a container overtakes another.
    #[test]
    fn every_chunk_goes_on_once_and_those_of_a_container_in_order(
        steps in proptest::collection::vec((0..9_u8, 0..3_usize, 0..900_u32), 0..60),
    ) {
        let mut bench = bench_with(|config| config.ttl = Duration::from_secs(3));
        let ids = [A, B, "cccccccccccc"];
        let (mut sent, mut got) = ([0; 3], Vec::new());
        for (step, which, ms) in steps {
            bench.now += MS * ms;
            let id = ids[which];
            match step {
                0 => bench.knows_instance(),
                1 => bench.answers(Answer::Instance(None)),
                2 => bench.knows(id),
                3 => bench.fails(id),
                4 => got.extend(bench.expired()),
                _ => {
                    sent[which] += 1;
                    got.extend(bench.apply(id, &format!("{which}:{}", sent[which])));
                }
            }
        }
        got.extend(std::iter::from_fn(|| bench.filter.pending()).flat_map(lines));
        for (which, sent) in sent.into_iter().enumerate() {
            let start = format!("n={which}:");
            let numbers = got.iter().filter_map(|line| line.strip_prefix(&start));
            let numbers: Vec<_> =
                numbers.map(|rest| rest.split(' ').next().unwrap_or_default()).collect();
            let expected: Vec<_> = (1..=sent).map(|n: u32| n.to_string()).collect();
            prop_assert_eq!(numbers, expected);
        }
        prop_assert_eq!(bench.account.balance().held, 0);
    }
}

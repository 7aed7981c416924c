//! The input `tail` over real files.

mod files;
mod model;
mod options;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::{Config, Registries};
use super::followed::Batch;
use super::lines::Now;
use super::offsets::Offsets;
use super::plan::Plan;
use super::set::Set;
use crate::clock;
use crate::multiline::config::Registry;
use crate::option::{Options, Policy, section};
use crate::parser::fixture;
use crate::record::map;
use crate::record::msgpack::Reader;
use crate::record::time::EventTime;
use crate::telemetry::InputCounters;

/// The options, and all that was said of them. `json` is a parser that there is.
fn read(lines: &[(&str, &str)]) -> (Option<Config>, String) {
    let mut options = Options::read(section(lines), super::config::OPTIONS, &[], Policy::Plugin);
    let known = Arc::new(fixture::parser("json", &[("format", "json")]));
    let registries = Registries { multiline: &Registry::default(), multiline_bytes_max: 2_000_000 };
    let find = |name: &str| (name == "json").then(|| Arc::clone(&known));
    let config = Config::from_options(&mut options, find, registries);
    let report = options.into_report();
    let problems = report.problems.iter().map(|problem| problem.fault.to_string());
    let notes = report.notes.iter().map(|note| note.remark.to_string());
    (config, problems.chain(notes).collect::<Vec<_>>().join("; "))
}

/// A folder with files, and the input over them at a time that stands still unless it is moved.
struct Bench {
    dir: tempfile::TempDir,
    set: Set,
    counters: Arc<InputCounters>,
    start: Instant,
    start_time: EventTime,
    passed: Duration,
}

impl Bench {
    /// With these options besides `Path`, which is a pattern within the folder.
    fn new(path: &str, lines: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self::in_folder(dir, path, lines)
    }

    fn in_folder(dir: tempfile::TempDir, path: &str, lines: &[(&str, &str)]) -> Self {
        Self::planned(dir, path, lines, |_| {})
    }

    fn planned(
        dir: tempfile::TempDir,
        path: &str,
        lines: &[(&str, &str)],
        change: impl FnOnce(&mut Plan),
    ) -> Self {
        let root = dir.path().to_str().unwrap().to_owned();
        let path = format!("{root}/{path}");
        let lines: Vec<(String, String)> = std::iter::once(("path".to_owned(), path))
            .chain(
                lines.iter().map(|(key, value)| ((*key).to_owned(), value.replace("@DIR@", &root))),
            )
            .collect();
        let lines: Vec<_> =
            lines.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let (config, said) = read(&lines);
        let config = config.unwrap_or_else(|| panic!("{said}"));
        let counters = Arc::new(InputCounters::new("tail.0"));
        let offsets = config.db.as_ref().map_or(Offsets::none(), |db| Offsets::open(db).unwrap());
        let mut plan = config.plan("t");
        change(&mut plan);
        let set = Set::new(plan, offsets, Arc::clone(&counters));
        let (start, start_time) = (clock::now(), clock::event_now());
        Self { dir, set, counters, start, start_time, passed: Duration::ZERO }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn append(&self, name: &str, text: &str) {
        append(&self.path(name), text);
    }

    fn now(&self) -> Now {
        let passed = i64::try_from(self.passed.as_nanos()).unwrap();
        let time = EventTime::from_nanos(self.start_time.as_nanos() + passed);
        Now { at: self.start + self.passed, time }
    }

    fn batches(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        loop {
            while let Some(batch) = self.set.expired(self.now().at) {
                batches.push(batch);
            }
            if self.set.needs().is_none() {
                return batches;
            }
            batches.extend(self.set.turn(self.now()));
        }
    }

    /// Looks at the files and reads all there is.
    fn look(&mut self) -> Vec<String> {
        self.set.look(self.now());
        let batches = self.batches();
        batches.iter().flat_map(records).collect()
    }

    /// The same so many seconds later.
    fn later(&mut self, seconds: u64) -> Vec<String> {
        self.passed += Duration::from_secs(seconds);
        self.look()
    }
}

fn append(path: &Path, text: &str) {
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// The records of a batch as `key=value`, sign by sign; `log` without its key.
fn records(batch: &Batch) -> Vec<String> {
    let text = |msgpack: &[u8]| match Reader::new(msgpack).text() {
        Ok(text) => String::from_utf8_lossy(text).into_owned(),
        Err(_) => format!("{msgpack:?}"),
    };
    let pair = |pair: map::Pair<'_>| match text(pair.key).as_str() {
        "log" => text(pair.value),
        key => format!("{key}={}", text(pair.value)),
    };
    let record =
        |record: &[u8]| map::pairs(record).unwrap().map(pair).collect::<Vec<_>>().join(" ");
    batch.tagged.entries.iter().map(|(_, one)| record(one)).collect()
}

//! Whatever is done to files, every whole line is delivered once and in order: against a model that
//! knows what was written to each.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::input::tail::lines::{Long, Rules};
use crate::input::tail::names::Tagging;
use crate::input::tail::offsets::{Durability, JournalMode, Settings};
use crate::input::tail::paths::{Excluded, Walk};
use crate::ledger::{Account, Permit, Reason, Share};

/// What is done.
#[derive(Clone, Debug)]
enum Act {
    /// Lines of these lengths, the last of which may lack its end for now.
    Write {
        link: bool,
        lines: Vec<usize>,
        is_open: bool,
    },
    Rename,
    CopyTruncate,
    Delete,
    MoveLink,
    /// Looks at the files so many milliseconds later.
    Look(u64),
    Turns(usize),
    /// So many batches have their outcome.
    Deliver(usize),
    /// All that was read has its outcome, and another process goes on.
    Restart,
    /// What was read and not delivered is gone with the process.
    Kill,
    /// While no process runs, another file takes the place of the first, or the file gets another
    /// content in place.
    Replace,
}

fn act() -> impl Strategy<Value = Act> {
    let lines = proptest::collection::vec(0..60_usize, 1..5);
    prop_oneof![
        6 => (any::<bool>(), lines, any::<bool>())
            .prop_map(|(link, lines, is_open)| Act::Write { link, lines, is_open }),
        2 => Just(Act::Rename),
        1 => Just(Act::CopyTruncate),
        1 => Just(Act::Delete),
        1 => Just(Act::MoveLink),
        4 => (0..7_000_u64).prop_map(Act::Look),
        6 => (1..20_usize).prop_map(Act::Turns),
        4 => (1..5_usize).prop_map(Act::Deliver),
        1 => Just(Act::Restart),
        2 => Just(Act::Kill),
        1 => Just(Act::Replace),
    ]
}

/// A file that is written.
struct Written {
    path: PathBuf,
    number: usize,
    /// The start of a line whose end is not written.
    open: Option<String>,
}

struct World {
    dir: tempfile::TempDir,
    set: Option<Set>,
    now: Now,
    account: Arc<Account>,
    flying: VecDeque<(Permit, Vec<String>)>,
    /// What was written and what was delivered, by number of the file.
    expected: BTreeMap<usize, Vec<String>>,
    delivered: BTreeMap<usize, Vec<String>>,
    files: [Written; 2],
    made: usize,
    renamed: usize,
    from_head: bool,
}

impl World {
    fn new(from_head: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let written =
            |name: &str, number| Written { path: dir.path().join(name), number, open: None };
        let files = [written("app.log", 0), written("target.0", 1)];
        files.iter().for_each(|file| append(&file.path, ""));
        std::os::unix::fs::symlink(&files[1].path, dir.path().join("link")).unwrap();
        let now = Now { at: clock::now(), time: clock::event_now() };
        let mut world = Self {
            dir,
            set: None,
            now,
            account: Arc::default(),
            flying: VecDeque::new(),
            expected: BTreeMap::new(),
            delivered: BTreeMap::new(),
            files,
            made: 2,
            renamed: 0,
            from_head,
        };
        world.start();
        world
    }

    fn start(&mut self) {
        let settings = Settings {
            path: self.dir.path().join("offsets.db"),
            sync: Durability::Off,
            journal_mode: JournalMode::Memory,
            ..Settings::default()
        };
        let walk = |name: &str| Walk::new(self.dir.path().join(name).to_str().unwrap()).unwrap();
        let rules = Rules {
            key: b"log".to_vec(),
            path_key: None,
            offset_key: None,
            parser: None,
            joining: None,
            skip_empty: false,
            line_bytes_max: 1_000,
            long: Long::Skip,
        };
        let plan = Plan {
            walks: vec![walk("app.log*"), walk("link")],
            excluded: Excluded::default(),
            tagging: Tagging { tag: "t".to_owned(), regex: None },
            rules: Arc::new(rules),
            from_head: self.from_head,
            later_from_head: true,
            refresh: Duration::from_secs(2),
            rotate_wait: Duration::from_secs(5),
            older: None,
            // Lines of all kinds: shorter than a read, as long, and longer than several.
            piece: 16,
            files_max: 1_000,
        };
        let counters = Arc::new(InputCounters::new("tail.0"));
        self.account = Arc::default();
        self.set = Some(Set::new(plan, Offsets::open(&settings).unwrap(), counters));
        self.look(0);
    }

    fn stop(&mut self) {
        let ended = self.set.take().unwrap().stored();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(ended.wait());
    }

    fn look(&mut self, millis: u64) {
        self.now.at += Duration::from_millis(millis);
        self.set.as_mut().unwrap().look(self.now);
    }

    fn turns(&mut self, turns: usize) {
        for _ in 0..turns {
            let set = self.set.as_mut().unwrap();
            let batch = set.expired(self.now.at).or_else(|| set.turn(self.now));
            let Some(batch) = batch else { continue };
            let lines = records(&batch);
            let mut share = Share::empty();
            share.follow(batch.mark);
            let permit = Permit::new(self.account.receive(lines.len() as u64), share);
            self.flying.push_back((permit, lines));
        }
    }

    fn deliver(&mut self, batches: usize) {
        for _ in 0..batches {
            let Some((mut permit, lines)) = self.flying.pop_front() else { return };
            permit.receipt.delivered(lines.len() as u64);
            for line in lines {
                let number = line.split(' ').next().and_then(|number| number.parse().ok());
                let number = number.unwrap_or_else(|| panic!("a line that nobody wrote: {line:?}"));
                self.delivered.entry(number).or_default().push(line);
            }
        }
    }

    /// Reads and delivers all there is.
    fn settle(&mut self) {
        loop {
            self.look(0);
            let needs = |set: &Option<Set>| set.as_ref().unwrap().needs().is_some();
            if !needs(&self.set) {
                break;
            }
            while needs(&self.set) {
                self.turns(1);
            }
        }
        self.turns(1);
        self.deliver(usize::MAX);
    }

    fn write(&mut self, at: usize, lengths: &[usize], is_open: bool) {
        let file = &mut self.files[at];
        let mut text = String::new();
        if let Some(open) = file.open.take() {
            text.push_str("end\n");
            self.expected.entry(file.number).or_default().push(open + "end");
        }
        for (place, length) in lengths.iter().enumerate() {
            self.made += 1;
            let line = format!("{} {} {}", file.number, self.made, "x".repeat(*length));
            text.push_str(&line);
            if is_open && place + 1 == lengths.len() {
                file.open = Some(line);
            } else {
                text.push('\n');
                self.expected.entry(file.number).or_default().push(line);
            }
        }
        append(&file.path, &text);
    }

    /// Ends the line that is open.
    fn close(&mut self, at: usize) {
        self.write(at, &[], false);
    }

    fn anew(&mut self, at: usize, name: &str) {
        self.made += 1;
        self.files[at] =
            Written { path: self.dir.path().join(name), number: self.made, open: None };
        append(&self.files[at].path, "");
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Write { link, lines, is_open } => self.write(usize::from(link), &lines, is_open),
            Act::Rename => {
                self.renamed += 1;
                let to = self.dir.path().join(format!("app.log.{}", self.renamed));
                fs::rename(&self.files[0].path, &to).unwrap();
                // Its writer notices later.
                self.files[0].path = to;
                self.close(0);
                self.anew(0, "app.log");
                self.look(0);
            }
            Act::CopyTruncate => {
                self.close(0);
                // What is cut before it is read is lost to everybody.
                self.settle();
                fs::write(&self.files[0].path, "").unwrap();
            }
            Act::Delete => {
                self.close(0);
                fs::remove_file(&self.files[0].path).unwrap();
                self.settle();
                self.anew(0, "app.log");
                self.look(0);
            }
            Act::MoveLink => {
                self.close(1);
                self.look(0);
                let name = format!("target.{}", self.made);
                self.anew(1, &name);
                let new = self.dir.path().join("new");
                std::os::unix::fs::symlink(&self.files[1].path, &new).unwrap();
                fs::rename(new, self.dir.path().join("link")).unwrap();
                self.settle();
            }
            Act::Look(millis) => self.look(millis),
            Act::Turns(turns) => self.turns(turns),
            Act::Deliver(batches) => self.deliver(batches),
            Act::Restart => {
                self.deliver(usize::MAX);
                self.stop();
                self.start();
            }
            Act::Kill => {
                for (mut permit, lines) in self.flying.drain(..) {
                    permit.receipt.dropped(lines.len() as u64, Reason::Stopped);
                }
                self.stop();
                self.start();
            }
            Act::Replace => {
                self.close(0);
                self.settle();
                self.stop();
                if self.from_head {
                    fs::remove_file(&self.files[0].path).unwrap();
                } else {
                    // Another file would be read from its end.
                    fs::write(&self.files[0].path, "").unwrap();
                }
                self.anew(0, "app.log");
                self.write(0, &[3, 20], false);
                self.start();
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_whole_line_is_delivered_once_and_in_order(
        from_head in any::<bool>(),
        acts in proptest::collection::vec(act(), 1..40),
    ) {
        let mut world = World::new(from_head);
        for act in acts {
            world.act(act);
        }
        world.write(0, &[1], false);
        world.write(1, &[1], false);
        world.look(2_000);
        world.settle();
        prop_assert_eq!(&world.delivered, &world.expected);
        world.stop();
    }
}

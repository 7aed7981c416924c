//! Offsets as the rest of the input sees them: real files, a real database, restarts.

use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};

use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;

use super::database::Database;
use super::head::HEAD_BYTES_MAX;
use super::table::Change;
use super::*;
use crate::ledger::{Account, Permit, Reason, Share};

/// What Fluent Bit 5.1 makes of an empty file.
const FLUENT_BIT: &str = "CREATE TABLE IF NOT EXISTS in_tail_files (id INTEGER PRIMARY KEY, \
     name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER, \
     rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, \
     offset_marker_size INTEGER DEFAULT 0);";
/// What 1.9 made, which knew no markers.
const FLUENT_BIT_1: &str = "CREATE TABLE in_tail_files (id INTEGER PRIMARY KEY, \
     name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER, \
     rotated INTEGER DEFAULT 0);";
/// How Fluent Bit asks.
const FLUENT_BIT_GET: &str = "SELECT id, name, offset, inode, offset_marker, offset_marker_size \
     from in_tail_files WHERE inode=?1 order by id desc;";

struct Bench {
    folder: TempDir,
    settings: Settings,
    account: Arc<Account>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let settings = Settings { path: folder.path().join("tail.db"), ..Settings::default() };
        Self { folder, settings, account: Arc::default() }
    }

    /// A file of 4 KiB whose first bytes no other `text` has.
    fn file(&self, name: &str, text: &str) -> Log {
        let path = self.folder.path().join(name);
        let content = format!("{text}\n").repeat(4_096).into_bytes();
        fs::write(&path, &content[..4_096]).expect("written");
        Log::open(path)
    }

    fn open(&self) -> Offsets {
        Offsets::open(&self.settings).expect("a database")
    }

    fn sql(&self) -> Connection {
        Connection::open(&self.settings.path).expect("a database")
    }

    /// Offsets by name as Fluent Bit would read them.
    fn rows(&self) -> Vec<(String, i64)> {
        let sql = self.sql();
        let mut rows =
            sql.prepare("SELECT name, offset FROM in_tail_files ORDER BY id").expect("sql");
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("rows");
        rows.map(|row| row.expect("a row")).collect()
    }

    /// A chunk of one record behind a mark.
    fn chunk(&self, mark: Mark) -> Permit {
        let mut share = Share::empty();
        share.follow(mark);
        Permit::new(self.account.receive(1), share)
    }

    fn delivered(&self, mark: Mark) {
        self.chunk(mark).receipt.delivered(1);
    }
}

struct Log {
    path: PathBuf,
    file: File,
    inode: u64,
}

impl Log {
    fn open(path: PathBuf) -> Self {
        let file = File::options().read(true).write(true).open(&path).expect("a file");
        let inode = file.metadata().expect("metadata").ino();
        Self { path, file, inode }
    }

    fn track(&self, offsets: &Offsets, offset: u64) -> Tracked {
        offsets.track(&self.path, self.inode, &self.file, offset)
    }

    fn find(&self, offsets: &Offsets) -> Known {
        offsets.find(&self.path, self.inode, &self.file).expect("a file that can be read")
    }
}

#[tokio::test]
async fn a_restart_goes_on_where_every_record_has_its_outcome() {
    let bench = Bench::new();
    let log = bench.file("a.log", "a");
    let offsets = bench.open();
    assert_eq!(log.find(&offsets), Known::Unknown);
    let mut tracked = log.track(&offsets, 0);
    let (first, second, third) = (tracked.mark(100), tracked.mark(200), tracked.mark(300));
    bench.delivered(second);
    bench.delivered(first);
    let mut left = bench.chunk(third);
    left.receipt.dropped(1, Reason::Stopped);
    drop((left, tracked));
    offsets.close().await;
    assert_eq!(log.find(&bench.open()), Known::At(200));
}

#[tokio::test]
async fn closing_waits_for_the_last_mark() {
    let bench = Bench::new();
    let log = bench.file("a.log", "a");
    let offsets = bench.open();
    let mut tracked = log.track(&offsets, 0);
    let mut chunk = bench.chunk(tracked.mark(100));
    drop(tracked);
    let closing = tokio::spawn(offsets.close());
    tokio::task::yield_now().await;
    assert!(!closing.is_finished());
    chunk.receipt.delivered(1);
    drop(chunk);
    closing.await.expect("no panic");
    assert_eq!(log.find(&bench.open()), Known::At(100));
}

#[tokio::test]
async fn without_a_database_nothing_is_known_and_nobody_waits() {
    let bench = Bench::new();
    let (log, offsets) = (bench.file("a.log", "a"), Offsets::none());
    let mut tracked = log.track(&offsets, 7);
    bench.delivered(tracked.mark(100));
    assert_eq!(log.find(&offsets), Known::Unknown);
    offsets.close().await;
}

#[tokio::test]
async fn another_file_with_the_inode_of_one_that_is_known_is_new() {
    let bench = Bench::new();
    let log = bench.file("a.log", "a");
    let offsets = bench.open();
    drop(log.track(&offsets, 4_096));
    offsets.close().await;
    assert_eq!(log.find(&bench.open()), Known::At(4_096));
    log.file.set_len(4_095).expect("cut");
    assert_eq!(log.find(&bench.open()), Known::Anew, "shorter than its offset");
    log.file.write_all_at(&[b'b'; 5_000], 0).expect("written");
    assert_eq!(log.find(&bench.open()), Known::Anew, "begins with other bytes");
    let last = HEAD_BYTES_MAX as u64 - 1;
    let log = bench.file("a.log", "a");
    assert_eq!(log.find(&bench.open()), Known::At(4_096));
    log.file.write_all_at(b"!", last).expect("written");
    assert_eq!(log.find(&bench.open()), Known::Anew, "the last byte that is looked at");
}

#[tokio::test]
async fn a_file_that_was_empty_when_it_was_found_gets_its_fingerprint_later() {
    let bench = Bench::new();
    let log = bench.file("a.log", "a");
    log.file.set_len(0).expect("cut");
    let offsets = bench.open();
    let mut tracked = log.track(&offsets, 0);
    log.file.write_all_at(b"first line\n", 0).expect("written");
    bench.delivered(tracked.mark(11));
    drop(tracked);
    offsets.close().await;
    assert_eq!(log.find(&bench.open()), Known::At(11));
    log.file.write_all_at(b"F", 0).expect("written");
    assert_eq!(log.find(&bench.open()), Known::Anew);
}

#[tokio::test]
async fn a_renamed_file_goes_on_under_its_new_name() {
    let mut bench = Bench::new();
    bench.settings.compare_filename = true;
    let mut log = bench.file("a.log", "a");
    let offsets = bench.open();
    let mut tracked = log.track(&offsets, 50);
    log.path = bench.folder.path().join("a.log.1");
    tracked.renamed(&log.path);
    drop(tracked);
    offsets.close().await;
    assert_eq!(log.find(&bench.open()), Known::At(50));
    let sql = bench.sql();
    let row = "SELECT name, rotated FROM in_tail_files";
    let row = sql.query_row(row, [], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)));
    assert_eq!(row.expect("a row"), (log.path.display().to_string(), 1));
}

#[tokio::test]
async fn names_count_only_where_they_are_asked_for() {
    let mut bench = Bench::new();
    let mut log = bench.file("a.log", "a");
    let offsets = bench.open();
    drop(log.track(&offsets, 50));
    offsets.close().await;
    log.path = bench.folder.path().join("b.log");
    assert_eq!(log.find(&bench.open()), Known::At(50));
    bench.settings.compare_filename = true;
    let offsets = bench.open();
    assert_eq!(log.find(&offsets), Known::Unknown);
    drop(log.track(&offsets, 9));
    offsets.close().await;
    assert_eq!(bench.rows(), [(log.path.display().to_string(), 9)], "the other row has gone");
}

#[tokio::test]
async fn rows_of_files_that_are_gone_go() {
    let bench = Bench::new();
    let logs = ["a", "b", "c", "d"].map(|name| bench.file(name, name));
    let offsets = bench.open();
    logs.iter().for_each(|log| drop(log.track(&offsets, 10)));
    offsets.close().await;
    let [a, b, c, _] = &logs;
    fs::remove_file(&c.path).expect("removed");
    let offsets = bench.open();
    let (followed, removed) = (a.track(&offsets, 10), b.track(&offsets, 10));
    removed.removed();
    offsets.scanned();
    drop(followed);
    offsets.close().await;
    let names = bench.rows().into_iter().map(|(name, _)| name);
    let names: Vec<_> = names.filter_map(|name| name.chars().next_back()).collect();
    assert_eq!(names, ['a', 'd'], "b was said to be removed, c is; d is another input's");
}

#[tokio::test]
async fn a_database_of_fluent_bit_is_read_and_continued_both_ways() {
    for schema in [FLUENT_BIT, FLUENT_BIT_1] {
        let bench = Bench::new();
        let log = bench.file("a.log", "a");
        let sql = bench.sql();
        sql.execute_batch(schema).expect("a table");
        let insert =
            "INSERT INTO in_tail_files (name, offset, inode, created) VALUES (?1, ?2, ?3, ?4)";
        let name = log.path.display().to_string();
        sql.execute(insert, (&name, 1_000, log.inode.cast_signed(), 1_700_000_000)).expect("a row");
        if schema == FLUENT_BIT {
            let marker = "UPDATE in_tail_files SET offset_marker = 5, offset_marker_size = 6";
            sql.execute(marker, []).expect("a marker");
        }
        drop(sql);
        let offsets = bench.open();
        assert_eq!(log.find(&offsets), Known::At(1_000));
        let mut tracked = log.track(&offsets, 1_000);
        bench.delivered(tracked.mark(1_500));
        drop(tracked);
        offsets.close().await;

        let sql = bench.sql();
        let get = |at: usize| {
            let row = sql.query_row(FLUENT_BIT_GET, [log.inode.cast_signed()], |row| row.get(at));
            row.expect("a row")
        };
        let row: Vec<i64> = [0, 2, 4, 5].map(get).into();
        assert_eq!(row, [1, 1_500, 0, 0], "the same row, without the marker of another offset");
        // Fluent Bit cuts the file, reads the new one, and knows nothing of our table.
        sql.execute("UPDATE in_tail_files SET offset = 2000 WHERE id = 1", []).expect("updated");
        drop(sql);
        log.file.write_all_at(b"other", 0).expect("written");
        assert_eq!(log.find(&bench.open()), Known::At(2_000));
    }
}

#[test]
fn a_database_that_cannot_be_used_says_what_to_do() {
    let error = |settings: &Settings| Offsets::open(settings).expect_err("an error").to_string();
    let mut bench = Bench::new();
    let path = bench.settings.path.display().to_string();

    let owner = bench.sql();
    owner.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;").expect("locked");
    let expected = format!(
        "the database {path} is locked by another process; end that one, or give each a db of its own"
    );
    assert_eq!(error(&bench.settings), expected);
    drop(owner);

    bench = Bench::new();
    fs::write(&bench.settings.path, [b'?'; 4_096]).expect("written");
    assert!(error(&bench.settings).contains("is damaged or no SQLite database; remove it"));

    bench.settings.path = bench.folder.path().join("missing/tail.db");
    assert!(error(&bench.settings).contains("/missing; make it, or change db"));
    bench.settings.path = bench.folder.path().to_owned();
    assert!(error(&bench.settings).contains("cannot use the database"));
}

#[test]
fn a_database_with_a_damaged_page_is_an_error_and_no_crash() {
    let bench = Bench::new();
    let sql = bench.sql();
    sql.execute_batch(FLUENT_BIT).expect("a table");
    for inode in 0..500 {
        let insert = "INSERT INTO in_tail_files (name, offset, inode) VALUES (?1, 1, ?2)";
        sql.execute(insert, ("x".repeat(100), inode)).expect("a row");
    }
    drop(sql);
    let mut bytes = fs::read(&bench.settings.path).expect("a file");
    bytes[4_096..].fill(0xa5);
    fs::write(&bench.settings.path, bytes).expect("written");
    let error = Offsets::open(&bench.settings).expect_err("an error");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[test]
fn rows_that_make_no_sense_are_left_out_and_names_need_not_be_utf_8() {
    let bench = Bench::new();
    let log = bench.file("a.log", "a");
    let sql = bench.sql();
    sql.execute_batch(FLUENT_BIT).expect("a table");
    let insert = "INSERT INTO in_tail_files (name, offset, inode) VALUES (?1, ?2, ?3)";
    sql.execute(insert, (log.path.to_str(), 100, log.inode.cast_signed())).expect("a row");
    sql.execute(insert, ("b.log", "a text", 1)).expect("a row");
    let name = "INSERT INTO in_tail_files (name, offset, inode) VALUES (CAST(x'ff' AS TEXT), 7, 2)";
    sql.execute(name, ()).expect("a row");
    assert_eq!(log.find(&bench.open()), Known::At(100));
    let database = Database::open(&bench.settings).expect("a database");
    let rows = database.rows(&bench.settings.path).expect("rows");
    assert_eq!(rows.iter().map(|row| row.offset).collect::<Vec<_>>(), [100, 7]);
}

#[tokio::test]
async fn options_of_the_database_have_their_meaning() {
    for journal_mode in JournalMode::ALL {
        let mut bench = Bench::new();
        bench.settings.journal_mode = journal_mode;
        let database = Database::open(&bench.settings).expect("a database");
        let ask = |what: &str| {
            let get = |row: &rusqlite::Row<'_>| row.get::<_, rusqlite::types::Value>(0);
            database.connection().query_row(&format!("PRAGMA {what}"), [], get).expect("a value")
        };
        assert_eq!(ask("journal_mode"), journal_mode.as_str().to_owned().into());
        assert_eq!(ask("synchronous"), 1.into());
        assert_eq!(ask("locking_mode"), "normal".to_owned().into());
    }
    for (number, sync) in [3, 2, 1, 0].into_iter().zip(Durability::ALL) {
        let mut bench = Bench::new();
        (bench.settings.sync, bench.settings.locking) = (sync, true);
        let database = Database::open(&bench.settings).expect("a database");
        let get = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
        let set = database.connection().query_row("PRAGMA synchronous", [], get);
        assert_eq!(set.expect("a value"), number);
        let other = Offsets::open(&bench.settings).expect_err("it is ours alone");
        assert!(matches!(other, OpenError::Locked { .. }));
    }
}

/// Two files at the same offset.
fn changes(bench: &Bench, offset: u64) -> Vec<Change> {
    let mut table = Table::default();
    for name in ["a.log", "b.log"] {
        let log = bench.file(name, name);
        table.track(&log.path, &Sight::of(&log.file).expect("a file"), offset);
    }
    table.take()
}

#[test]
fn what_cannot_be_written_is_written_as_it_is_then() {
    let bench = Bench::new();
    let mut database = Database::open(&bench.settings).expect("a database");
    let log = bench.file("a.log", "a");
    let mut table = Table::default();
    let key = table.track(&log.path, &Sight::of(&log.file).expect("a file"), 0);
    let other = bench.sql();
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let taken = table.take();
    assert!(!table.is_dirty());
    database.write(&taken, 0).expect_err("somebody else writes");
    table.failed(&taken[0]);
    table.passed(key, 30);
    other.execute_batch("ROLLBACK").expect("free");
    let taken = table.take();
    let ids = database.write(&taken, 0).expect("written");
    table.written(&taken[0], ids[0]);
    assert_eq!(bench.rows(), [(log.path.display().to_string(), 30)]);
    assert!(!table.is_dirty());
}

#[test]
fn a_thousand_files_are_one_transaction_whatever_became_of_each() {
    let bench = Bench::new();
    let mut table = Table::default();
    for inode in 0..1_000 {
        let name = PathBuf::from(format!("{inode}.log"));
        let key = table.track(&name, &Sight::unseen(inode, 0), 0);
        for end in 1..=9 {
            table.passed(key, end);
        }
    }
    let taken = table.take();
    assert_eq!((taken.len(), table.is_dirty()), (1_000, false));
    let mut database = Database::open(&bench.settings).expect("a database");
    let before = database.connection().total_changes();
    assert_eq!(database.write(&taken, 0).expect("written").len(), 1_000);
    assert_eq!(database.connection().total_changes() - before, 2_000, "a row in each table");
    assert!(bench.rows().iter().all(|(_, offset)| *offset == 9));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The files of a process that is killed, its last write cut at any byte: the offsets of a whole
    /// transaction, none of half a one.
    #[test]
    fn a_kill_at_any_byte_leaves_whole_transactions(
        transactions in 1..6_u64, cut_permille in 0..=1_000_u64,
    ) {
        let bench = Bench::new();
        let mut database = Database::open(&bench.settings).expect("a database");
        let mut changes = changes(&bench, 0);
        let wal = bench.folder.path().join("tail.db-wal");
        let mut before = 0;
        for number in 1..=transactions {
            before = fs::metadata(&wal).map_or(0, |found| found.len());
            for change in &mut changes {
                change.to.as_mut().expect("content").offset = number * 10;
            }
            let ids = database.write(&changes, 0).expect("written");
            changes.iter_mut().zip(ids).for_each(|(change, id)| change.id = id);
        }
        let copy = Bench::new();
        fs::copy(&bench.settings.path, &copy.settings.path).expect("copied");
        let log = fs::read(&wal).expect("the log");
        let last = log.len() as u64 - before;
        let end = usize::try_from(before + last * cut_permille / 1_000).expect("small");
        fs::write(copy.folder.path().join("tail.db-wal"), &log[..end]).expect("copied");
        let found = Database::open(&copy.settings).expect("a database");
        let rows = found.rows(&copy.settings.path).expect("rows");
        let offsets: Vec<_> = rows.iter().map(|row| row.offset).collect();
        let (older, newest) = ((transactions - 1) * 10, transactions * 10);
        let is_whole = |offset| offsets == [offset; 2] || (offset == 0 && offsets.is_empty());
        prop_assert!(is_whole(newest) || is_whole(older), "{offsets:?}");
        prop_assert!(end < log.len() || is_whole(newest), "what was said to be written is there");
    }

    /// Against a naive model: ranges of a file, each settled or not, and the first record that is
    /// left, after which nothing counts.
    #[test]
    fn what_is_found_after_a_restart_is_the_longest_prefix_that_was_settled(
        steps in proptest::collection::vec((0..24_u8, 0..6_usize), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let mut bench = Bench::new();
        let mut log = bench.file("a.log", "0");
        let mut offsets = bench.open();
        let mut tracked = log.track(&offsets, 0);
        // The model: end and whether it is settled, from `start` on.
        let (mut start, mut ranges, mut end) = (0, Vec::<(u64, bool)>::new(), 0);
        let mut frozen: Option<u64> = None;
        let mut chunks: Vec<(Permit, Option<usize>)> = Vec::new();
        let prefix = |start: u64, ranges: &[(u64, bool)]| {
            ranges.iter().take_while(|range| range.1).last().map_or(start, |range| range.0)
        };
        for (number, (action, which)) in steps.into_iter().enumerate() {
            match action {
                0..8 => {
                    end += 1 + which as u64;
                    chunks.push((bench.chunk(tracked.mark(end)), Some(ranges.len())));
                    ranges.push((end, false));
                }
                8..10 => {
                    end += 1 + which as u64;
                    tracked.passed(end);
                    // Nothing is put behind a range but what the ledger decides about.
                    ranges.push((end, true));
                }
                10..17 if which < chunks.len() => {
                    let (mut chunk, range) = chunks.remove(which);
                    match action {
                        16 => chunk.receipt.dropped(1, Reason::Refused),
                        _ => chunk.receipt.delivered(1),
                    }
                    if let Some(range) = range.filter(|_| frozen.is_none()) {
                        ranges[range].1 = true;
                    }
                }
                17 if which < chunks.len() => {
                    let (mut chunk, _) = chunks.remove(which);
                    chunk.receipt.dropped(1, Reason::Stopped);
                    frozen = Some(0);
                }
                18 if frozen.is_none() => {
                    log.file.set_len(0).expect("cut");
                    log = bench.file("a.log", &number.to_string());
                    tracked.truncated();
                    (start, end) = (0, 0);
                    ranges.clear();
                    chunks.iter_mut().for_each(|(_, range)| *range = None);
                }
                19 => {
                    let to = bench.folder.path().join(format!("{number}.log"));
                    fs::rename(&log.path, &to).expect("renamed");
                    tracked.renamed(&to);
                    fs::rename(&to, &log.path).expect("renamed");
                    tracked.renamed(&log.path);
                }
                20 => {
                    for (mut chunk, _) in chunks.drain(..) {
                        chunk.receipt.dropped(1, Reason::Stopped);
                    }
                    drop(tracked);
                    runtime.block_on(offsets.close());
                    bench.account = Arc::default();
                    frozen = None;
                    offsets = bench.open();
                    start = prefix(start, &ranges);
                    ranges.clear();
                    end = match log.find(&offsets) {
                        Known::At(end) => end,
                        known @ (Known::Anew | Known::Unknown) => panic!("{known:?}"),
                    };
                    prop_assert_eq!(end, start);
                    tracked = log.track(&offsets, start);
                }
                21 => {
                    tracked.removed();
                    tracked = log.track(&offsets, 0);
                    (start, end) = (0, 0);
                    ranges.clear();
                    chunks.iter_mut().for_each(|(_, range)| *range = None);
                }
                _ => {}
            }
        }
        for (mut chunk, _) in chunks {
            chunk.receipt.dropped(1, Reason::Stopped);
        }
        drop(tracked);
        runtime.block_on(offsets.close());
        prop_assert_eq!(log.find(&bench.open()), Known::At(prefix(start, &ranges)));
    }
}

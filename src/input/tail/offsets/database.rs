//! The database: Fluent Bit's table of files, and one of ours beside it.
//!
//! Fluent Bit's table is made and used as Fluent Bit's tail does (`in_tail_files`, schema of 5.1), so
//! that either goes on where the other stopped. What only we know of a file is in a table of its own;
//! it counts as long as the offset beside it is the one we wrote: where it is not, Fluent Bit has been
//! here since. Fluent Bit's own marker of an offset is emptied with the offset, which it takes for
//! "not known".

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, params};

use super::head::Head;
use super::table::{Change, Content, Row};
use super::{OpenError, Settings};

/// How long another process may hold the database until we give up: an image that is replaced lets
/// go of it in less, and nothing of ours waits for the thread that does.
const BUSY: Duration = Duration::from_millis(500);
/// Most files that are taken from a database, the newest: each costs about 300 bytes of memory.
const ROWS_MAX: i64 = 65_536;

const CREATE: &str = "CREATE TABLE IF NOT EXISTS in_tail_files (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, offset INTEGER, inode INTEGER, created INTEGER,
  rotated INTEGER DEFAULT 0, offset_marker INTEGER DEFAULT 0, offset_marker_size INTEGER DEFAULT 0)";
/// Columns that Fluent Bit has added since its first versions.
const ADDED: [&str; 3] = [
    "rotated INTEGER DEFAULT 0",
    "offset_marker INTEGER DEFAULT 0",
    "offset_marker_size INTEGER DEFAULT 0",
];
const CREATE_OURS: &str = "CREATE TABLE IF NOT EXISTS firelane_tail_files (
  id INTEGER PRIMARY KEY, inode INTEGER, offset INTEGER, device INTEGER, head_bytes INTEGER,
  head_hash INTEGER)";
const ROWS: &str = "SELECT f.id, f.name, f.inode, f.offset, o.device, o.head_bytes, o.head_hash
  FROM in_tail_files f LEFT JOIN firelane_tail_files o
  ON o.id = f.id AND o.inode = f.inode AND o.offset = f.offset
  ORDER BY f.id DESC LIMIT ?1";
const INSERT: &str = "INSERT INTO in_tail_files (name, offset, inode, created, rotated)
  VALUES (?1, ?2, ?3, ?4, ?5)";
const UPDATE: &str = "UPDATE in_tail_files SET
  offset_marker = CASE WHEN offset = ?2 THEN offset_marker ELSE 0 END,
  offset_marker_size = CASE WHEN offset = ?2 THEN offset_marker_size ELSE 0 END,
  name = ?1, offset = ?2, rotated = max(rotated, ?4) WHERE id = ?3 AND inode = ?5";
const PUT_OURS: &str = "INSERT OR REPLACE INTO firelane_tail_files
  (id, inode, offset, device, head_bytes, head_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DELETE: &str = "DELETE FROM in_tail_files WHERE id = ?1";
const DELETE_OURS: &str = "DELETE FROM firelane_tail_files WHERE id = ?1";

/// An open database whose tables are there.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
}

impl Database {
    /// Opens the database, or makes it.
    pub(super) fn open(settings: &Settings) -> Result<Self, OpenError> {
        let folder = settings.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let (path, folder) = (settings.path.clone(), folder.to_owned());
            return Err(OpenError::NoFolder { path, folder });
        }
        Self::prepare(settings).map_err(|error| why(&settings.path, error))
    }

    fn prepare(settings: &Settings) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut connection = Connection::open_with_flags(&settings.path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "synchronous", settings.sync.as_str())?;
        if settings.locking {
            connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        }
        let wanted = settings.journal_mode.as_str();
        let set = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
        let mode = connection.pragma_update_and_check(None, "journal_mode", wanted, set)?;
        if !mode.eq_ignore_ascii_case(wanted) {
            let path = settings.path.display();
            tracing::warn!("{path} cannot have db.journal_mode {wanted}, it has {mode}");
        }
        // At once the right to write, so that a database that cannot be written is found here.
        let begin = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        begin.execute(CREATE, [])?;
        for column in ADDED {
            let name = column.split(' ').next().unwrap_or(column);
            let known = "SELECT count(*) FROM pragma_table_info('in_tail_files') WHERE name = ?1";
            if begin.query_row(known, [name], |row| row.get::<_, i64>(0))? == 0 {
                begin.execute(&format!("ALTER TABLE in_tail_files ADD COLUMN {column}"), [])?;
            }
        }
        begin.execute(CREATE_OURS, [])?;
        begin.commit()?;
        Ok(Self { connection })
    }

    /// All files, the oldest first. A row that makes no sense is left out.
    pub(super) fn rows(&self, path: &Path) -> Result<Vec<Row>, OpenError> {
        let read = || -> rusqlite::Result<Vec<Row>> {
            let mut rows = self.connection.prepare(ROWS)?;
            // Whoever wrote a row of other types: it is of no use, and those beside it are.
            let rows = rows.query_map([ROWS_MAX], |found| Ok(row(found).ok()))?;
            let rows: Vec<_> = rows.collect::<rusqlite::Result<_>>()?;
            Ok(rows.into_iter().flatten().rev().collect())
        };
        read().map_err(|error| why(path, error))
    }

    /// Makes all changes in one transaction, or none. Gives the numbers of the rows.
    pub(super) fn write(
        &mut self,
        changes: &[Change],
        created: i64,
    ) -> rusqlite::Result<Vec<Option<i64>>> {
        let begin = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let ids = {
            let (mut insert, mut update) = (begin.prepare(INSERT)?, begin.prepare(UPDATE)?);
            let (mut put_ours, mut delete) = (begin.prepare(PUT_OURS)?, begin.prepare(DELETE)?);
            let mut delete_ours = begin.prepare(DELETE_OURS)?;
            let mut ids = Vec::with_capacity(changes.len());
            for change in changes {
                let Some(content) = &change.to else {
                    if let Some(id) = change.id {
                        delete.execute([id])?;
                        delete_ours.execute([id])?;
                    }
                    ids.push(None);
                    continue;
                };
                let Content { name, inode, offset, device, head, is_renamed } = content;
                let (name, inode) = (name.to_string_lossy(), inode.cast_signed());
                let offset = offset.cast_signed();
                let updated = match change.id {
                    Some(id) => update.execute(params![name, offset, id, is_renamed, inode])?,
                    None => 0,
                };
                // Somebody may have deleted the row: it is made again, as Fluent Bit does.
                let id = match change.id.filter(|_| updated > 0) {
                    Some(id) => id,
                    None => insert.insert(params![name, offset, inode, created, is_renamed])?,
                };
                let device = device.map(u64::cast_signed);
                let bytes = i64::try_from(head.bytes).unwrap_or_default();
                put_ours.execute(params![id, inode, offset, device, bytes, head.hash])?;
                ids.push(Some(id));
            }
            ids
        };
        begin.commit()?;
        Ok(ids)
    }

    /// For tests that ask what a process would find that was killed now.
    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let number = |at| row.get::<_, Option<i64>>(at).map(Option::unwrap_or_default);
    let bytes = usize::try_from(number(5)?).unwrap_or_default();
    Ok(Row {
        id: row.get(0)?,
        // As Fluent Bit wrote it: names need not be UTF-8.
        name: PathBuf::from(OsStr::from_bytes(row.get_ref(1)?.as_bytes()?)),
        inode: number(2)?.cast_unsigned(),
        offset: u64::try_from(number(3)?).unwrap_or_default(),
        device: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
        head: Head { bytes, hash: number(6)? },
    })
}

/// What an operator needs to know of it.
fn why(path: &Path, error: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { path },
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path },
        _ => OpenError::Sqlite { path, source: error },
    }
}

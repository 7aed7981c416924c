//! What the options `db`, `db.sync`, `db.locking`, `db.journal_mode` and `db.compare_filename` say.

use std::path::PathBuf;

/// How a database is used. Apart from `path`, the defaults are Fluent Bit's.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// The database's file.
    pub path: PathBuf,
    /// How much of what was written survives a machine that loses its power.
    pub sync: Durability,
    /// Whether no other process may use it meanwhile.
    pub locking: bool,
    /// What SQLite does so that a transaction is whole.
    pub journal_mode: JournalMode,
    /// Whether a file is only known again under the name it had (without its directories).
    pub compare_filename: bool,
}

/// SQLite's `synchronous`. A process that is killed loses nothing with any of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Durability {
    /// As full, and the directory too.
    Extra,
    /// Waits for the disk at every transaction.
    Full,
    /// Waits for the disk at the moments that count.
    #[default]
    Normal,
    /// Leaves it to the operating system.
    Off,
}

/// SQLite's `journal_mode`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum JournalMode {
    /// A journal that is deleted after each transaction.
    Delete,
    /// A journal that is cut to nothing.
    Truncate,
    /// A journal whose start is overwritten.
    Persist,
    /// A journal in memory: a process that is killed while it writes leaves a damaged database.
    Memory,
    /// A log that is written ahead.
    #[default]
    Wal,
    /// None: as `Memory`, and what fails halfway stays.
    Off,
}

impl Durability {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Extra, Self::Full, Self::Normal, Self::Off];

    /// The value of `db.sync`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extra => "extra",
            Self::Full => "full",
            Self::Normal => "normal",
            Self::Off => "off",
        }
    }
}

impl JournalMode {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Delete, Self::Truncate, Self::Persist, Self::Memory, Self::Wal, Self::Off];

    /// The value of `db.journal_mode`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Truncate => "truncate",
            Self::Persist => "persist",
            Self::Memory => "memory",
            Self::Wal => "wal",
            Self::Off => "off",
        }
    }
}

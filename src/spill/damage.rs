//! What of a segment could not be read back, and why.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A part of a segment that is no whole block.
#[derive(Debug, thiserror::Error)]
#[error("{bytes} bytes at byte {offset} of '{}' cannot be read back: {why}", file.display())]
pub struct Damage {
    /// The segment.
    pub file: PathBuf,
    /// Where it begins.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// The number of the block that it was, if its header is whole.
    pub number: Option<u64>,
    /// How many records are lost with it that had not ended, if that is known.
    pub records: Option<u64>,
    /// Why.
    pub why: Why,
}

/// What was found in place of a block.
#[derive(Debug)]
pub enum Why {
    /// Bytes that no block begins with.
    NoBlock,
    /// The segment ends before the block does: a crash or a full disk cut it short.
    Cut,
    /// A block whose bytes are not those that its checksum was made of.
    Checksum,
    /// A block whose checksum is right and whose parts do not fit together.
    Parts,
    /// The header of the file is not whole. Its blocks are read all the same.
    FileHeader,
    /// A segment that another version of the program wrote. It stays where it is.
    Version(u16),
    /// The disk refused to give it. The segment stays for the next start.
    Disk(io::Error),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBlock => f.write_str("no block begins there"),
            Self::Cut => f.write_str("the file ends before the block does"),
            Self::Checksum => f.write_str("the checksum is that of other bytes"),
            Self::Parts => f.write_str("its parts do not fit together"),
            Self::FileHeader => f.write_str("the header of the file is not whole"),
            Self::Version(found) => write!(
                f,
                "it has format {found}, this program reads {}; \
                 start the version that wrote it, or delete the file",
                super::segment::VERSION
            ),
            Self::Disk(error) => write!(f, "{error}; the file stays for the next start"),
        }
    }
}

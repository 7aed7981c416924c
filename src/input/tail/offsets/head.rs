//! The first bytes of a file, by which it is known again: an inode is given to another file once
//! the first is gone.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Most bytes that are looked at: more than the time that most lines begin with.
pub(super) const HEAD_BYTES_MAX: usize = 256;

/// A fingerprint of a file's first bytes. That of none fits every file.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Head {
    /// Bytes it was made of.
    pub(super) bytes: usize,
    /// The first eight bytes of their SHA-256.
    pub(super) hash: i64,
}

/// What is seen of a file that is looked at.
#[derive(Debug)]
pub(super) struct Sight {
    pub(super) inode: u64,
    pub(super) device: u64,
    pub(super) bytes: u64,
    /// Its first bytes.
    pub(super) start: Vec<u8>,
}

impl Head {
    /// The fingerprint of these first bytes of a file.
    pub(super) fn of(start: &[u8]) -> Self {
        let start = start.get(..HEAD_BYTES_MAX).unwrap_or(start);
        if start.is_empty() {
            return Self::default();
        }
        let digest = Sha256::digest(start);
        let hash = digest.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes));
        Self { bytes: start.len(), hash }
    }

    /// Whether a file that starts so may be the one this was made of.
    pub(super) fn fits(&self, start: &[u8]) -> bool {
        start.get(..self.bytes).is_some_and(|start| Self::of(start) == *self)
    }

    /// Whether the file may tell more of itself.
    pub(super) fn is_short(&self) -> bool {
        self.bytes < HEAD_BYTES_MAX
    }
}

impl Sight {
    /// Looks at an open file; does not move its position.
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let mut start = vec![0; HEAD_BYTES_MAX];
        let mut filled = 0;
        while let Some(rest) = start.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match file.read_at(rest, filled as u64) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        start.truncate(filled);
        let (inode, device, bytes) = (metadata.ino(), metadata.dev(), metadata.len());
        Ok(Self { inode, device, bytes, start })
    }

    /// A file that cannot be looked at; it is on no device.
    pub(super) fn unseen(inode: u64, bytes: u64) -> Self {
        Self { inode, device: 0, bytes, start: Vec::new() }
    }

    /// Looks at the file of a name.
    pub(super) fn of_path(path: &Path) -> io::Result<Self> {
        Self::of(&File::open(path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_fits_what_begins_with_its_bytes_and_nothing_else() {
        let head = Head::of(b"2026-11-21 first line\n");
        assert!(head.fits(b"2026-11-21 first line\nsecond\n"));
        assert!(!head.fits(b"2026-11-21 first lime\nsecond\n"));
        assert!(!head.fits(b"2026-11-21 first line"), "a byte less");
        assert!(Head::default().fits(b"") && Head::default().fits(b"any"));
    }

    #[test]
    fn a_head_is_of_no_more_than_its_most_bytes() {
        let long = [b'x'; HEAD_BYTES_MAX + 1];
        assert_eq!(Head::of(&long), Head::of(&long[..HEAD_BYTES_MAX]));
        assert_ne!(Head::of(&long), Head::of(&long[..HEAD_BYTES_MAX - 1]));
        assert!(!Head::of(&long).is_short() && Head::of(&long[..HEAD_BYTES_MAX - 1]).is_short());
    }
}

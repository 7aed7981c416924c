//! Step 5, behind the buffer: the store on disk, for chunks that memory has no room for and for
//! those that are to survive.
//!
//! One [`Log`] an output, in a folder of its own. Blocks, which are chunks as they lie on disk, are
//! appended to the newest of a row of segments, read back first in, first out, and a segment is
//! deleted once all its records have ended: delivered or dropped. Blocks of one *lane* keep their
//! order; a reader that has enough of one lane passes over its blocks and reads them later, so that
//! one flood does not hold up the others.
//!
//! [`Place`] finds the folder. Must not know who hands blocks in, nor what becomes of them: [`Log`]
//! has no thread, no clock and no ledger.
//!
//! # The files
//!
//! A segment is named `<number of its first block, 16 hex digits>.log`; beside it, with `.done`, lie
//! the notes of what has ended. All numbers are little endian, all checksums CRC-32.
//!
//! ```text
//! segment     0    4  "FLSG"
//!             4    2  version, 1
//!             6    2  zero
//!             8    8  number of the first block, as in the name
//!            16    4  checksum of bytes 0 to 15
//!            20       blocks, to the end of the file
//!
//! block       0    4  "FLBK"
//!             4    4  checksum of: number of the segment, bytes 8 to 51
//!             8    8  number
//!            16    8  lane
//!            24    8  when the chunk was read, nanoseconds since 1970
//!            32    4  how many records
//!            36    4  bytes of the tag
//!            40    4  bytes of the shared fields
//!            44    4  bytes of the records
//!            48    2  place of the input
//!            50    1  how often a filter gave another tag
//!            51    1  zero
//!            52       the tag
//!                     shared fields, each:  1 yields, 4 length of key, 4 of value, key, value
//!                     for each record:      8 time in nanoseconds since 1970, signed, 4 length
//!                     the records, one after the other, as msgpack
//!                  4  checksum of all from 52 on, begun with that of the header
//!
//! notes       0   20  as of a segment, with "FLDN"
//!            20       notes of 24 bytes each, to the end of the file:
//!             0    8  1: number of a block   2: of the first block   3: place in the segment
//!             8    4     its first entry        how many blocks         0
//!            12    4     one past the last      0                       0
//!            16    4  kind: 1 entries have ended, 2 blocks have, 3 the damage there was told of
//!            20    4  checksum of: number of the segment, bytes 0 to 19
//! ```
//!
//! # After a crash
//!
//! Where the folder is `storage.path`. What a process leaves in scratch is deleted by the next start
//! ([`Place`]).
//!
//! - A segment is never written to again by a later process; that begins one with a number above
//!   all that are there. What an earlier one left is read from its beginning, without what is noted
//!   as ended. What had ended without a note is delivered again: at most what was in flight, and what
//!   has ended of a block in more pieces than may be noted (1,024) or of a segment whose notes are long.
//! - A block counts as written when all bytes of it were, with [`Settings::syncs`] when the disk
//!   said so. A write that fails is taken back, and if that fails too, another segment is begun:
//!   numbers of what lies behind the end of the old one are not below that of the new one, and are
//!   passed over.
//! - What is no whole block is told of once, as [`Damage`]. A whole header tells where the next
//!   block begins; where it is not whole either, the next whole header is searched for. Its checksum
//!   has the number of the segment in it, so that what older files left on the disk is none.
//! - A segment is deleted before its notes: notes alone are deleted by the next start, a segment
//!   alone would be delivered again.
//!
//! # Why not a crate
//!
//! Ours must keep a bound on bytes, tell what it could not read instead of stopping there, let
//! blocks end in any order and in parts, and leave a failed write without a trace. Queues like
//! `yaque` remember one place to read on from and write each item by itself; write-ahead logs like
//! `okaywal` (which calls its own format unstable) and `mrecordlog` (which holds all in memory) are
//! replayed to a checkpoint, not consumed.

mod block;
mod damage;
mod disk;
mod done;
mod log;
mod place;
mod ranges;
mod segment;

pub use block::{Block, Header, Position, ReadBlock};
pub use damage::{Damage, Why};
#[cfg(test)]
pub use disk::{Crash, Failure, SimulatedDisk, SimulatedFile};
pub use disk::{Disk, DiskFile, Listed};
pub use log::{
    AppendError, Appended, FileError, Log, MEMORY_BYTES, OpenError, Peeked, Settings, disk_bytes,
};
pub use place::{Place, PlaceError, SCRATCH, Space};
pub use ranges::Ranges;

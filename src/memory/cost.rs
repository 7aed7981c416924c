//! Around the path, memory: the one table of what things cost, and where each number comes from.
//!
//! Measured ones are of the program on Linux x86-64 with glibc; to correct one, change it here.

use crate::output::cloudwatch_logs::gzip;
use crate::spill;

/// Binary, runtime, TLS roots, tables of parsers and time zones, the allocator's slack, and the
/// stacks of all threads, under load: `VmHWM` of the flood in `benches/README.md` without its budget
/// and bodies (idle: 12 MB).
pub const PROGRAM_BYTES: u64 = 16 * MIB;
/// An idle or a reading connection of `forward` and `tcp` without what it has read: its task, its
/// socket and its decoder. Growth of `VmRSS` by 2,000 idle connections, divided.
pub const CONNECTION_BYTES: u64 = 6 * KIB;
/// TLS of a connection beside it: the session, and records that are being read and written (16 KiB
/// each way, RFC 8446 section 5.1).
pub const TLS_CONNECTION_BYTES: u64 = 40 * KIB;
/// What a request on its way holds beside its body: its head, records of TLS and the signature.
pub const REQUEST_BYTES: u64 = 64 * KIB;
/// What a chunk becomes when it is encoded: JSON writes a control character as six bytes, but of
/// text that people read hardly more than twice of what it was.
pub const ENCODED_FACTOR: u64 = 2;
/// What an output that compresses its requests holds for it, one body at a time; what is compressed
/// stays in its place among the bodies on their way, and takes less of it.
pub const GZIP_BYTES: u64 = gzip::BYTES_MAX as u64;
/// What splitting chunks by the names in their fields costs an output at most: see the tests of
/// `output::cloudwatch_logs::naming`.
pub const SPLIT_BYTES: u64 = 11_000_000;
/// The part of the budget that an output's window is as large as, beside the budget: what was read
/// back from disk and has no outcome yet. Where `storage.backlog.mem_limit` says otherwise, that.
pub const WINDOW_PART: u64 = 8;
/// The least and the most that a window is: a request of small records, and a few of them.
pub const WINDOW_BYTES: std::ops::RangeInclusive<u64> = 512 * KIB..=4 * MIB;
/// What the two logs of an output hold while they are written and read: `spill::MEMORY_BYTES` each.
pub const STORE_BYTES: u64 = 2 * spill::MEMORY_BYTES as u64;
/// What of small frames an input may have beside the budget, in frames of `input::LARGE_BYTES`: the one
/// that is read over it; and of that and of the one that is decoded meanwhile, what a call unpacks, which
/// ends with the frame that makes it enough.
pub const FRAMES_OVER: u64 = 5;
/// What an input reads in one go beside its reserve while the last read is decoded.
pub const DECODING_BYTES: u64 = 256 * KIB;

/// 1,024 bytes.
pub const KIB: u64 = 1_024;
/// 1,024 times as many.
pub const MIB: u64 = 1_024 * KIB;

//! The two logs of an output as one: what was written on the way, and what an end had left.
//!
//! What is left at an end was in memory, so it is older than much of what is on disk by then. It has a
//! log of its own; read, the two are merged by their numbers.

use std::collections::HashSet;
use std::ops::Range;

use crate::spill::{Appended, Block, Damage, FileError, Header, Log, Peeked, Position, ReadBlock};

/// Both logs.
#[derive(Debug)]
pub(super) struct Logs {
    log: Log,
    left: Option<Log>,
    /// Blocks of the second that are in somebody's hands.
    of_left: HashSet<u64>,
    /// Where the next block is.
    next: Which,
}

/// One of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Which {
    Log,
    Left,
}

/// What comes next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    Block(Header),
    Damage,
}

/// Where a block lies that was passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    which: Which,
    position: Position,
}

impl Logs {
    pub(super) fn new(log: Log, left: Option<Log>) -> Self {
        Self { log, left, of_left: HashSet::new(), next: Which::Log }
    }

    /// Whether what is written is there at the next start.
    pub(super) fn survives(&self) -> bool {
        self.left.is_some()
    }

    /// The first number that no block has.
    pub(super) fn next_number(&self) -> u64 {
        self.left.as_ref().map_or(0, Log::next_number).max(self.log.next_number())
    }

    pub(super) fn append<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = (&'a Block, bool)>,
    ) -> Appended {
        self.log.append(blocks)
    }

    /// Appends what is left, in the order of its numbers; see [`Log::append`].
    pub(super) fn append_left<'a>(
        &mut self,
        blocks: impl IntoIterator<Item = (&'a Block, bool)>,
    ) -> Appended {
        let Some(left) = &mut self.left else { return Appended { written: 0, end: None } };
        let of_left = &mut self.of_left;
        left.append(blocks.into_iter().inspect(|(block, is_kept)| {
            if *is_kept {
                of_left.insert(block.number);
            }
        }))
    }

    pub(super) fn ended(&mut self, number: u64, entries: Range<u32>) {
        match &mut self.left {
            Some(left) if self.of_left.contains(&number) => left.ended(number, entries),
            Some(_) | None => self.log.ended(number, entries),
        }
    }

    /// The block is in nobody's hands any more.
    pub(super) fn freed(&mut self, number: u64) {
        self.of_left.remove(&number);
    }

    pub(super) fn write_ended(&mut self) -> Result<(), FileError> {
        let of_left = self.left.as_mut().map_or(Ok(()), Log::write_ended);
        self.log.write_ended().and(of_left)
    }

    /// What comes next by its number; damage is told of first.
    pub(super) fn peek(&mut self) -> Option<Next> {
        let left = self.left.as_mut().and_then(|left| left.peek().map(next));
        let log = self.log.peek().map(next);
        let (which, next) = match (left, log) {
            (Some(Next::Block(left)), Some(Next::Block(log))) if log.number < left.number => {
                (Which::Log, Next::Block(log))
            }
            (Some(left), _) => (Which::Left, left),
            (None, log) => (Which::Log, log?),
        };
        self.next = which;
        Some(next)
    }

    /// Reads what was peeked.
    pub(super) fn read(&mut self) -> Option<Result<ReadBlock, Damage>> {
        let read = self.of(self.next)?.read();
        if let (Some(Ok(read)), Which::Left) = (&read, self.next) {
            self.of_left.insert(read.block.number);
        }
        read
    }

    /// Passes over what was peeked.
    pub(super) fn skip(&mut self) -> Option<Place> {
        let which = self.next;
        let position = self.of(which)?.skip()?;
        Some(Place { which, position })
    }

    /// Reads what was passed over.
    pub(super) fn read_at(&mut self, place: Place) -> Option<Result<ReadBlock, Damage>> {
        let Place { which, position } = place;
        let read = self.of(which)?.read_at(position);
        if let (Ok(read), Which::Left) = (&read, which) {
            self.of_left.insert(read.block.number);
        }
        Some(read)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.all().map(Log::bytes).sum()
    }

    pub(super) fn segments(&self) -> usize {
        self.all().map(Log::segments).sum()
    }

    /// Whether a block is in somebody's hands and lies on disk.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.all().any(|log| log.holds(number))
    }

    /// Blocks in somebody's hands.
    pub(super) fn live(&self) -> usize {
        self.all().map(Log::live).sum()
    }

    pub(super) fn has_unread(&self) -> bool {
        self.all().any(Log::has_unread)
    }

    pub(super) fn remove_all(self) -> Result<(), FileError> {
        let left = self.left.map_or(Ok(()), Log::remove_all);
        self.log.remove_all().and(left)
    }

    fn of(&mut self, which: Which) -> Option<&mut Log> {
        match which {
            Which::Log => Some(&mut self.log),
            Which::Left => self.left.as_mut(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Log> {
        self.left.iter().chain([&self.log])
    }
}

fn next(peeked: Peeked<'_>) -> Next {
    match peeked {
        Peeked::Header(header) => Next::Block(header),
        Peeked::Damaged(_) => Next::Damage,
    }
}

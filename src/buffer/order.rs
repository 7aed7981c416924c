//! What a storekeeper is asked to do.

use std::ops::Range;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use crate::chunk::Chunk;
use crate::ledger::{Keeper, Marks, Share};
use crate::spill::Block;

/// One thing to do. They are done in the order they come.
#[derive(Debug)]
pub(super) enum Order {
    /// Write a chunk.
    Store(Stored),
    /// Chunks begin to wait in memory: they are to be written once that keeps somebody waiting.
    Watch,
    /// Write a chunk at the very end, in its place among all.
    Leave(Stored),
    /// A chunk is left that was to be written already.
    LeaveKept(Chunk),
    /// These entries of a block have their outcome.
    Ended(u64, Range<u32>),
    /// The memory of a block is free.
    Freed(u64),
    /// Nothing more comes: say what became of what is on disk.
    Close(oneshot::Sender<()>),
}

/// A chunk on its way to the disk.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) block: Block,
    /// There unless the output has it, too.
    pub(super) chunk: Option<Chunk>,
    /// Of a chunk that the output has, too: the memory of the block stays taken until it is written,
    /// also where the output is faster than the disk.
    pub(super) memory: Vec<Arc<Share>>,
    pub(super) marks: Vec<Arc<Marks>>,
}

impl Stored {
    /// A chunk that nobody else has: its permit holds the memory and the marks.
    pub(super) fn alone(block: Block, chunk: Chunk) -> Self {
        Self { block, chunk: Some(chunk), memory: Vec::new(), marks: Vec::new() }
    }

    /// Marks that are to be kept once its memory is free.
    pub(super) fn marks(&self) -> usize {
        self.chunk.as_ref().map_or(0, |chunk| chunk.permit.marks())
    }
}

/// The way to the storekeeper. Not bounded by itself: what is in there holds its share of the memory
/// budget, or is one word about something that does.
#[derive(Clone, Debug)]
pub(super) struct Orders(pub(super) mpsc::UnboundedSender<Order>);

impl Orders {
    /// Returns the order if nobody is there to do it.
    pub(super) fn give(&self, order: Order) -> Result<(), Box<Order>> {
        self.0.send(order).map_err(|refused| Box::new(refused.0))
    }
}

impl Keeper for Orders {
    fn ended(&self, number: u64, entries: Range<u32>) {
        // Nobody is there: the process is past its end, and the block is delivered once more.
        let _ = self.give(Order::Ended(number, entries));
    }

    fn freed(&self, number: u64) {
        let _ = self.give(Order::Freed(number));
    }
}

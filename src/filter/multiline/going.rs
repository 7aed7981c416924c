//! Step 3, filter: the records of a chunk that go on, where nothing is copied before one is touched.

use std::sync::Arc;

use super::held::Held;
use crate::chunk::{Chunk, write_with};
use crate::multiline::Chain;
use crate::record::chunk::Entries;
use crate::record::edit::EntriesWriter;
use crate::record::fields::SharedFields;
use crate::record::time::EventTime;

/// What goes on of a chunk.
#[derive(Debug)]
pub(super) struct Going<'a> {
    records: &'a Entries,
    /// How many of them were looked at.
    seen: usize,
    /// What goes on, once it is not what came.
    written: Option<EntriesWriter>,
    /// Records from other chunks whose shared fields are not those of this one, by their place.
    foreign: Vec<(usize, SharedFields)>,
}

impl<'a> Going<'a> {
    pub(super) fn new(records: &'a Entries) -> Self {
        Self { records, seen: 0, written: None, foreign: Vec::new() }
    }

    /// The next record goes on as it is.
    pub(super) fn keep(&mut self, time: EventTime, record: &[u8]) {
        if let Some(written) = &mut self.written {
            written.copy(time, record);
        }
        self.seen += 1;
    }

    /// The next record is held back.
    pub(super) fn hold(&mut self) {
        self.written();
        self.seen += 1;
    }

    /// A record that was held goes on.
    pub(super) fn release(&mut self, held: Held, chain: &Chain, chunk: &mut Chunk) {
        let is_foreign = !held.shared.is_same(&chunk.shared)
            && held.shared.as_slice() != chunk.shared.as_slice();
        let written = self.written();
        let place = written.len();
        held.write(chain, written);
        if is_foreign {
            self.foreign.push((place, held.shared.clone()));
        }
        chunk.rewrites = chunk.rewrites.max(held.rewrites());
        chunk.permit.absorb(held.settle());
    }

    /// The chunk with what goes on. `None`: nothing does.
    pub(super) fn finish(self, mut chunk: Chunk) -> Option<Chunk> {
        let Some(written) = self.written else { return Some(chunk) };
        let mut records = written.finish();
        if !self.foreign.is_empty() {
            let shared = std::mem::take(&mut chunk.shared);
            records = with_own_fields(&records, &shared, &self.foreign);
        }
        chunk.entries = Arc::new(records);
        (!chunk.entries.is_empty()).then_some(chunk)
    }

    fn written(&mut self) -> &mut EntriesWriter {
        self.written.get_or_insert_with(|| {
            let mut written = EntriesWriter::like(self.records);
            self.records.iter().take(self.seen).for_each(|(time, one)| written.copy(time, one));
            written
        })
    }
}

/// The records with the fields written in that they shared, which are not the same for all.
fn with_own_fields(
    records: &Entries,
    shared: &SharedFields,
    foreign: &[(usize, SharedFields)],
) -> Entries {
    let mut written = EntriesWriter::like(records);
    let mut foreign = foreign.iter().peekable();
    for (place, (time, record)) in records.iter().enumerate() {
        let own = foreign.next_if(|(at, _)| *at == place).map_or(shared, |(_, own)| own);
        written.write(time, |out| write_with(record, own, out));
    }
    written.finish()
}

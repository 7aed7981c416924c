//! From disk to the output: what there is room for, in the order of its lane.

use std::ops::Range;
use std::sync::Arc;

use super::Storekeeper;
use super::logs::Next;
use super::window::Room;
use crate::buffer::line::State;
use crate::chunk::{Chunk, Storage};
use crate::clock;
use crate::ledger::{Permit, Reason, Receipt, Share, Ticket};
use crate::record::chunk::{Entries, Entry};
use crate::spill::{Block, Damage, ReadBlock};

impl Storekeeper {
    /// Reads back as much as there is room for; lanes that have too much already are passed over.
    pub(super) fn read_back(&mut self) {
        while !self.line.lock().is_abandoned {
            let next = self.deferred.next(|header| self.window.take(header));
            if let Some((lane, place, room)) = next {
                let Some(read) = self.logs.read_at(place) else { return };
                self.came_back(read, room, |state| state.undefer(lane));
            } else if !self.read_next() {
                return;
            }
        }
    }

    /// Reads what comes next on disk, or passes it over. `false`: there is nothing, or no room.
    fn read_next(&mut self) -> bool {
        let header = match self.logs.peek() {
            Some(Next::Block(header)) => header,
            Some(Next::Damage) => {
                let read = self.logs.read();
                read.into_iter().for_each(|read| self.came_back(read, Room::default(), |_| {}));
                return true;
            }
            None => {
                self.all_is_read();
                return false;
            }
        };
        let number = header.number;
        if number >= self.first_own {
            self.pass_backlog();
        }
        let room = match self.deferred.holds(header.lane) {
            true => None,
            false => self.window.take(&header),
        };
        if let Some(room) = room {
            let Some(read) = self.logs.read() else { return false };
            self.came_back(read, room, |state| state.read_up_to(number));
        } else if self.deferred.has_room()
            && (self.deferred.holds(header.lane) || self.window.is_lanes_fault(&header))
        {
            let Some(place) = self.logs.skip() else { return false };
            self.deferred.push(header, place);
            let mut state = self.line.lock();
            state.defer(header.lane);
            state.read_up_to(number);
        } else {
            return false;
        }
        true
    }

    /// Nothing on disk is unread.
    fn all_is_read(&mut self) {
        self.pass_backlog();
        if self.deferred.is_empty()
            && let Some(mut owed) = self.owed.take()
            && owed.records() > 0
        {
            // They lay in what could not be read, and no header said how many they were.
            let records = owed.records();
            tracing::error!("{}: {records} records were lost on disk", self.name);
            owed.dropped(records, Reason::Damaged);
        }
        self.line.lock().read_up_to(self.newest_written);
        self.line.wake();
    }

    fn pass_backlog(&mut self) {
        self.line.lock().has_backlog = false;
    }

    /// What was read goes to the output, or is counted as damaged.
    fn came_back(
        &mut self,
        read: Result<ReadBlock, Damage>,
        room: Room,
        note: impl FnOnce(&mut State),
    ) {
        let chunk = match read {
            Ok(ReadBlock { block, ended }) => self.chunk(block, &ended, room),
            Err(damage) => {
                self.damaged(&damage);
                None
            }
        };
        let mut state = self.line.lock();
        note(&mut state);
        chunk.into_iter().for_each(|chunk| state.push(chunk));
        drop(state);
        self.line.wake();
    }

    fn chunk(&mut self, block: Block, ended: &[Range<u32>], room: Room) -> Option<Chunk> {
        let Block { number, input, rewrites, tag, shared, entries, .. } = block;
        let starts = entries.entries.iter().map(|entry| entry.start).collect();
        let is_left = |place: u32| !ended.iter().any(|range| range.contains(&place));
        let left = (0..).zip(&entries.entries).filter(|(place, _)| is_left(*place));
        let left: Vec<Entry> = left.map(|(_, entry)| *entry).collect();
        let receipt = self.receipt(number, left.len() as u64);
        let ticket = Ticket::new(Arc::clone(&self.keeper), number, starts, self.logs.survives());
        let marks = self.marks.take(number);
        let (share, of_lane) = room.into_shares();
        let mut permit = Permit::read_back(receipt, share, marks, ticket);
        permit.hold([of_lane, Share::empty()], number);
        let entries = match ended.is_empty() {
            true => entries,
            false => Arc::new(Entries { data: entries.data.clone(), entries: left }),
        };
        let age = clock::unix_now().saturating_sub(block.arrived_unix);
        let now = clock::now();
        let arrived = now.checked_sub(age).unwrap_or(now);
        let storage = Storage::Memory;
        Some(Chunk { tag, entries, shared, input, rewrites, arrived, storage, permit })
    }

    /// What is owed for records of a block: by this process, or from now on for an earlier one.
    pub(super) fn receipt(&mut self, number: u64, records: u64) -> Receipt {
        match &mut self.owed {
            Some(owed) if number >= self.first_own => owed.split(records.min(owed.records())),
            Some(_) | None => self.account.replay(records),
        }
    }

    fn damaged(&mut self, damage: &Damage) {
        let name = &self.name;
        tracing::error!("{name}: {damage}");
        self.counters.damaged_bytes.add(damage.bytes);
        // Of a gap nobody knows whose records were in there: what is owed stays until the end.
        if let (Some(number), Some(records)) = (damage.number, damage.records) {
            self.receipt(number, records).dropped(records, Reason::Damaged);
            drop(self.marks.take(number));
        }
    }
}

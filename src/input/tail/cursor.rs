//! Step 1, input: how far a file was read. Pure: sizes and bytes in, what to read out.
//!
//! The position is always the start of a line. Bytes behind it that are no whole line are not
//! kept: they are read again with what follows, so that a thousand files with half a line each
//! cost nothing. Only where a line is longer than one read are its bytes looked through for their
//! end first, and read in one piece once that is found. Not known here: files and records.

/// Bytes before the position that are compared at each read: other ones there mean that the file was
/// written anew. Fluent Bit compares as many when it starts (`FLB_TAIL_DB_OFFSET_MARKER`).
pub const MARKER_BYTES: usize = 64;

/// How far a file was read.
#[derive(Clone, Debug)]
pub struct Cursor {
    /// Start of the first line that was not taken.
    position: u64,
    /// No line ends between the position and here.
    searched: u64,
    /// Bytes of the file when it was looked at last.
    size: u64,
    /// Where the line at the position ends, where that is known before it is read.
    end: Option<End>,
    /// The bytes right before the position, as far as they were read.
    marker: Vec<u8>,
    /// The file was written and has as many bytes as before: the marker is to be compared.
    is_doubted: bool,
}

/// The end of a line.
#[derive(Clone, Copy, Debug)]
struct End {
    /// One past its text.
    text: u64,
    /// One past its newline, if it has one.
    line: u64,
}

/// What to read next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// Lines: so many bytes from here, of which the first `marker` stand before the position.
    Lines {
        /// Where to read.
        at: u64,
        /// How many bytes, at most.
        bytes: usize,
        /// How many of them were read before.
        marker: usize,
    },
    /// Bytes in which only a newline is looked for.
    Search {
        /// Where to read.
        at: u64,
        /// How many bytes, at most.
        bytes: usize,
    },
    /// The text of one long line.
    Line {
        /// Where it begins.
        at: u64,
        /// Its bytes, without a newline.
        bytes: u64,
    },
}

impl Cursor {
    /// A file that is to be read from here on. What stands before it was never seen.
    #[must_use]
    pub const fn new(position: u64) -> Self {
        Self {
            position,
            searched: position,
            size: position,
            end: None,
            marker: Vec::new(),
            is_doubted: false,
        }
    }

    /// These bytes stand right before it.
    #[must_use]
    pub fn behind(self, marker: Vec<u8>) -> Self {
        Self { marker, ..self }
    }

    /// Start of the first line that was not taken.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// No line ends between the position and here.
    #[must_use]
    pub const fn searched(&self) -> u64 {
        self.searched
    }

    /// The bytes right before the position, as far as they were read.
    #[must_use]
    pub fn marker(&self) -> &[u8] {
        &self.marker
    }

    /// The file has so many bytes now. Whether it has fewer than were read, so that it begins anew.
    pub fn sized(&mut self, size: u64) -> bool {
        let is_shorter = size < self.searched || self.end.is_some_and(|end| size < end.line);
        self.size = size;
        if is_shorter {
            self.restart();
        }
        is_shorter
    }

    /// The file is another one: everything is to be read.
    pub fn restart(&mut self) {
        *self = Self { size: self.size, ..Self::new(0) };
    }

    /// The file was written since it was read. If it has as many bytes as before, these may be others.
    pub fn written(&mut self) {
        let is_at_end = self.position == self.size && self.searched == self.size;
        self.is_doubted = is_at_end && !self.marker.is_empty();
    }

    /// Whether there is something to read.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.searched < self.size || self.end.is_some() || self.is_doubted
    }

    /// Whether bytes wait for the end of their line.
    #[must_use]
    pub const fn is_within_line(&self) -> bool {
        self.position < self.size
    }

    /// No more bytes will come: what waits for the end of its line is one.
    pub fn close_line(&mut self) {
        if self.position < self.size && self.end.is_none() {
            self.end = Some(End { text: self.size, line: self.size });
        }
    }

    /// What to read next, in pieces of `piece` bytes. `None`: there is nothing.
    #[must_use]
    pub fn step(&self, piece: usize) -> Option<Step> {
        if let Some(end) = self.end {
            return Some(Step::Line { at: self.position, bytes: end.text - self.position });
        }
        if self.searched >= self.size && !self.is_doubted {
            return None;
        }
        if self.searched - self.position >= piece as u64 {
            return Some(Step::Search { at: self.searched, bytes: piece });
        }
        let marker = self.marker.len();
        let at = self.position.saturating_sub(marker as u64);
        Some(Step::Lines { at, bytes: marker + piece, marker })
    }

    /// Whether these bytes before the position are those that were there.
    #[must_use]
    pub fn is_same(&self, before: &[u8]) -> bool {
        before == self.marker
    }

    /// A read found nothing behind `end`, whatever was said of the size.
    pub fn ends_at(&mut self, end: u64) {
        self.size = self.size.min(end);
    }

    /// Of a block at the position `taken` bytes are whole lines, and the rest holds no newline
    /// unless `has_more`.
    pub fn took(&mut self, block: &[u8], taken: usize, has_more: bool) {
        self.is_doubted = false;
        let lines = block.get(..taken).unwrap_or(block);
        self.remember(lines);
        self.position += taken as u64;
        let rest = if has_more { 0 } else { block.len().saturating_sub(taken) as u64 };
        self.searched = self.position + rest;
    }

    /// These bytes were searched, and the first newline in them stands there.
    pub fn found(&mut self, block: &[u8], newline: Option<usize>) {
        match newline {
            Some(newline) => {
                let text = self.searched + newline as u64;
                self.end = Some(End { text, line: text + 1 });
            }
            None => self.searched += block.len() as u64,
        }
    }

    /// Where the last bytes of the long line are, with its newline, and how many: these are to be
    /// compared later.
    #[must_use]
    pub fn end_of_line(&self) -> Option<(u64, usize)> {
        let end = self.end?.line;
        let bytes = usize::try_from(end - self.position).unwrap_or(MARKER_BYTES).min(MARKER_BYTES);
        Some((end - bytes as u64, bytes))
    }

    /// The long line was taken, which ends with these bytes.
    pub fn took_line(&mut self, last: &[u8]) {
        if let Some(end) = self.end.take() {
            self.position = end.line;
            self.searched = end.line;
            self.marker.clear();
            self.remember(last);
        }
    }

    fn remember(&mut self, lines: &[u8]) {
        self.marker.extend_from_slice(
            lines.get(lines.len().saturating_sub(MARKER_BYTES)..).unwrap_or_default(),
        );
        let excess = self.marker.len().saturating_sub(MARKER_BYTES);
        self.marker.drain(..excess);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_line_is_read_again_with_what_follows() {
        let mut cursor = Cursor::new(0);
        assert!(!cursor.sized(6));
        assert_eq!(cursor.step(100), Some(Step::Lines { at: 0, bytes: 100, marker: 0 }));
        cursor.took(b"ab\ncde", 3, false);
        assert_eq!((cursor.position(), cursor.step(100)), (3, None));
        assert!(cursor.is_within_line());
        assert!(!cursor.sized(7));
        assert_eq!(cursor.step(100), Some(Step::Lines { at: 0, bytes: 103, marker: 3 }));
        assert!(cursor.is_same(b"ab\n") && !cursor.is_same(b"aX\n"));
    }

    #[test]
    fn a_line_longer_than_a_read_is_searched_and_then_read_whole() {
        let mut cursor = Cursor::new(0);
        cursor.sized(12);
        cursor.took(b"abcd", 0, false);
        assert_eq!(cursor.step(4), Some(Step::Search { at: 4, bytes: 4 }));
        cursor.found(b"efgh", None);
        cursor.found(b"ij\nk", Some(2));
        assert_eq!(cursor.step(4), Some(Step::Line { at: 0, bytes: 10 }));
        assert_eq!(cursor.end_of_line(), Some((0, 11)));
        cursor.took_line(b"abcdefghij\n");
        assert!(cursor.is_same(b"abcdefghij\n"));
        assert_eq!(cursor.step(4), Some(Step::Lines { at: 0, bytes: 15, marker: 11 }));
    }

    #[test]
    fn fewer_bytes_than_were_searched_are_a_new_beginning_and_as_many_are_not() {
        let mut cursor = Cursor::new(0);
        cursor.sized(6);
        cursor.took(b"ab\ncde", 3, false);
        assert!(!cursor.sized(6));
        assert!(cursor.sized(5));
        assert_eq!(cursor.step(9), Some(Step::Lines { at: 0, bytes: 9, marker: 0 }));
    }

    #[test]
    fn as_many_bytes_as_before_are_compared_where_the_file_was_written() {
        let mut cursor = Cursor::new(0);
        cursor.sized(3);
        cursor.took(b"ab\n", 3, false);
        cursor.sized(3);
        assert_eq!(cursor.step(9), None);
        cursor.written();
        assert_eq!(cursor.step(9), Some(Step::Lines { at: 0, bytes: 12, marker: 3 }));
        cursor.took(b"", 0, false);
        assert!(!cursor.is_behind());
    }

    #[test]
    fn the_last_bytes_of_a_file_become_a_line_when_no_more_will_come() {
        let mut cursor = Cursor::new(0);
        cursor.sized(2);
        cursor.took(b"ab", 0, false);
        cursor.close_line();
        assert_eq!(cursor.step(9), Some(Step::Line { at: 0, bytes: 2 }));
        cursor.took_line(b"ab");
        assert!(!cursor.is_within_line() && !cursor.is_behind());
    }
}

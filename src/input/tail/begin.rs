//! Step 1, input: where to begin with a file that was found.
//!
//! Must not know how files are found.

use std::fs::File;
use std::io;

use super::cursor::{Cursor, MARKER_BYTES};
use super::followed::read;
use super::offsets::Known;
use super::past::Past;

/// Where to begin. What is known of this file comes before what holds for new ones.
///
/// # Errors
///
/// The file cannot be read.
pub fn cursor(
    (file, size): (&File, u64),
    past: Option<&Past>,
    known: impl FnOnce() -> io::Result<Known>,
    from_head: bool,
) -> io::Result<Cursor> {
    if let Some(Past::Read(cursor)) = past
        && continues(cursor, file, size)?
    {
        return Ok(cursor.clone());
    }
    match (known()?, past) {
        (Known::At(offset), _) => behind(file, offset),
        (Known::Unknown, Some(Past::TooOld(offset))) if *offset <= size => behind(file, *offset),
        // It was cut while nobody looked.
        (Known::Anew, _) | (Known::Unknown, Some(_)) => Ok(Cursor::new(0)),
        (Known::Unknown, None) => behind(file, if from_head { 0 } else { size }),
    }
}

/// Whether a file of this size is the one that was read as far as the cursor stands.
///
/// # Errors
///
/// It cannot be read.
fn continues(cursor: &Cursor, file: &File, size: u64) -> io::Result<bool> {
    if cursor.searched() > size {
        return Ok(false);
    }
    Ok(cursor.is_same(&marker(file, cursor.position(), cursor.marker().len())?))
}

/// Begins at this place of a file, and remembers what stands before it.
///
/// # Errors
///
/// It cannot be read.
fn behind(file: &File, position: u64) -> io::Result<Cursor> {
    Ok(Cursor::new(position).behind(marker(file, position, MARKER_BYTES)?))
}

/// As many bytes before the position, or as there are.
fn marker(file: &File, position: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let from = position.saturating_sub(bytes as u64);
    let bytes = usize::try_from(position - from).unwrap_or(bytes);
    let mut buffer = Vec::new();
    let read = read(file, from, bytes, &mut buffer)?.len();
    buffer.truncate(read);
    Ok(buffer)
}

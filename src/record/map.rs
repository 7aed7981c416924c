//! A record's map, looked at without copying it.
//!
//! Keys may repeat and need not be text; of equal keys the last one counts, as in Fluent Bit
//! (`flb_ra_key.c`). Must not know what the fields mean.

use super::msgpack::{ReadError, Reader, Token};

/// The pairs of a msgpack map: each key and value as its bytes.
///
/// Ends early where the bytes do not hold what the header says.
#[derive(Clone, Debug)]
pub struct Pairs<'a> {
    reader: Reader<'a>,
    left: u32,
}

/// One pair of a map.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// The key as msgpack.
    pub key: &'a [u8],
    /// The value as msgpack.
    pub value: &'a [u8],
}

impl<'a> Pair<'a> {
    /// The key's bytes if it is text.
    #[must_use]
    pub fn key_text(&self) -> Option<&'a [u8]> {
        Reader::new(self.key).text().ok()
    }
}

/// The pairs of the map that `record` begins with.
///
/// # Errors
///
/// [`ReadError`] where `record` is no map.
pub fn pairs(record: &[u8]) -> Result<Pairs<'_>, ReadError> {
    let mut reader = Reader::new(record);
    let left = reader.map_header()?;
    Ok(Pairs { reader, left })
}

/// The value under a text key, as msgpack.
#[must_use]
pub fn get<'a>(record: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let mut found = None;
    for pair in pairs(record).ok()? {
        if pair.key_text() == Some(key) {
            found = Some(pair.value);
        }
    }
    found
}

/// The value under a path of keys: `$kubernetes['labels']` is `["kubernetes", "labels"]`.
#[must_use]
pub fn get_path<'a>(record: &'a [u8], path: &[impl AsRef<[u8]>]) -> Option<&'a [u8]> {
    path.iter().try_fold(record, |map, key| get(map, key.as_ref()))
}

/// The text that a msgpack value is, if it is one.
#[must_use]
pub fn text(value: &[u8]) -> Option<&[u8]> {
    match Reader::new(value).token() {
        Ok(Token::Str(bytes)) => Some(bytes),
        Ok(_) | Err(_) => None,
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        self.left = self.left.checked_sub(1)?;
        next_pair(&mut self.reader)
    }
}

/// The next pair of a map whose header was read. `None`: the bytes end before it does.
#[inline]
#[must_use]
pub fn next_pair<'a>(reader: &mut Reader<'a>) -> Option<Pair<'a>> {
    let key = next_value(reader)?;
    let value = next_value(reader)?;
    Some(Pair { key, value })
}

/// The bytes of the next value. Nearly all are no containers, and need no walk.
#[inline]
fn next_value<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let before = reader.rest();
    match reader.peek()? {
        0x80..=0x9f | 0xdc..=0xdf => reader.skip_value().ok(),
        _scalar => {
            reader.token().ok()?;
            before.get(..before.len() - reader.rest().len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": "x", "m": {"b": "y"}, "a": "z"}`
    const RECORD: &[u8] = b"\x83\xa1a\xa1x\xa1m\x81\xa1b\xa1y\xa1a\xa1z";

    #[test]
    fn of_equal_keys_the_last_one_counts() {
        assert_eq!(get(RECORD, b"a").and_then(text), Some(b"z".as_slice()));
        assert_eq!(get(RECORD, b"c"), None);
    }

    #[test]
    fn a_path_leads_into_maps_and_ends_at_anything_else() {
        assert_eq!(get_path(RECORD, &["m", "b"]).and_then(text), Some(b"y".as_slice()));
        assert_eq!(get_path(RECORD, &["a", "b"]), None);
    }

    #[test]
    fn a_map_that_is_cut_gives_the_whole_pairs_before_the_cut() {
        for cut in 1..RECORD.len() {
            let whole = pairs(&RECORD[..cut]).expect("the header is there").count();
            assert!(whole <= 2, "{whole} pairs of {cut} bytes");
        }
        assert!(pairs(b"\xa1x").is_err() && pairs(b"").is_err());
    }
}

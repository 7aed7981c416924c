//! The routing key of a chunk. Must not know how a tag is matched or where it came from.

use std::fmt;

use bytes::Bytes;

/// The name a chunk carries and by which it is routed, byte for byte as the peer sent it.
///
/// It need not be UTF-8, may be empty and may hold any byte. Cloning shares the bytes.
#[derive(Clone, Default, Eq, Hash, PartialEq)]
pub struct Tag(Bytes);

impl Tag {
    /// A tag of these bytes, shared and not copied.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes of the tag.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Tag {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes())
    }
}

impl From<&[u8]> for Tag {
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::copy_from_slice(bytes))
    }
}

/// For people: what is not UTF-8 is shown as U+FFFD.
impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.utf8_chunks().try_for_each(|chunk| {
            f.write_str(chunk.valid())?;
            if chunk.invalid().is_empty() { Ok(()) } else { f.write_str("\u{fffd}") }
        })
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag(b\"{}\")", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_keeps_bytes_that_are_not_utf_8_and_shows_them_as_replacement() {
        let tag = Tag::from(b"m.\xff\xfex".as_slice());
        assert_eq!(tag.as_bytes(), b"m.\xff\xfex");
        assert_eq!(tag.to_string(), "m.\u{fffd}\u{fffd}x");
        assert_ne!(tag, Tag::from("m."));
    }
}

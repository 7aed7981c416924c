//! A value that is no UTF-8, as the engine has to see it.
//!
//! The engine takes the length of a letter from its first byte, and goes on behind the end of a value
//! in which that is wrong. So what is no UTF-8 becomes U+FFFD for the search, one for each part that
//! is none, and places are mapped back. Logs in Latin-1 have such values, and lines that Docker cut
//! within a letter.

/// U+FFFD, the letter for what is none.
const NO_LETTER: char = char::REPLACEMENT_CHARACTER;

/// The value to search in place of one that is no UTF-8.
#[derive(Debug, Default)]
pub(super) struct Lossy {
    text: String,
    /// Where a part begins, in the text and in the value.
    parts: Vec<(usize, usize)>,
}

impl Lossy {
    /// `None`: the value is UTF-8, and can be searched itself.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        if str::from_utf8(value).is_ok() {
            return None;
        }
        let (mut lossy, mut at) = (Self::default(), 0);
        for chunk in value.utf8_chunks() {
            lossy.parts.push((lossy.text.len(), at));
            lossy.text.push_str(chunk.valid());
            at += chunk.valid().len();
            if !chunk.invalid().is_empty() {
                lossy.parts.push((lossy.text.len(), at));
                lossy.text.push(NO_LETTER);
                at += chunk.invalid().len();
            }
        }
        lossy.parts.push((lossy.text.len(), at));
        Some(lossy)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The place in the value of a place between letters of the text.
    pub(super) fn place(&self, in_text: usize) -> usize {
        let next = self.parts.partition_point(|(text, _)| *text <= in_text);
        let part = next.checked_sub(1).and_then(|part| self.parts.get(part));
        part.map_or(0, |(text, value)| value + (in_text - text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn utf_8_is_searched_itself() {
        assert!(Lossy::of("Grüße".as_bytes()).is_none() && Lossy::of(b"").is_none());
    }

    #[test]
    fn what_is_no_letter_is_one_and_places_are_mapped_back() {
        let lossy = Lossy::of(b"caf\xe9 \xf0\x9f x").unwrap();
        assert_eq!(lossy.text, "caf\u{fffd} \u{fffd} x");
        let places = [0, 3, 6, 7, 10, 12].map(|place| lossy.place(place));
        assert_eq!(places, [0, 3, 4, 5, 7, 9]);
    }

    proptest! {
        #[test]
        fn letters_of_the_text_are_those_of_the_value(
            value in proptest::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xff_u8], 0..20),
        ) {
            let Some(lossy) = Lossy::of(&value) else { return Ok(()) };
            for (at, letter) in lossy.text.char_indices() {
                let range = lossy.place(at)..lossy.place(at + letter.len_utf8());
                let bytes = &value[range];
                prop_assert!(!bytes.is_empty());
                prop_assert!(letter == NO_LETTER || bytes == letter.to_string().as_bytes());
            }
            prop_assert_eq!(lossy.place(lossy.text.len()), value.len());
        }
    }
}

//! The tag of a request: its path. Must not know of records.

use crate::record::tag::Tag;

/// The tag that a path gives; `None`: it is `/`.
///
/// Without the leading slash, and with `_` for every byte that is no letter, digit, `_` or `.`.
/// Escapes are not decoded: `/caf%C3%A9` is `caf_C3_A9`, as in Fluent Bit.
pub(super) fn of_path(path: &str) -> Option<Tag> {
    sanitised(path.strip_prefix('/').unwrap_or(path).as_bytes())
}

/// The tag that a text gives; `None`: it is empty.
pub(super) fn sanitised(text: &[u8]) -> Option<Tag> {
    let is_kept = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    if text.iter().all(is_kept) {
        return (!text.is_empty()).then(|| Tag::from(text));
    }
    let bytes: Vec<u8> = text.iter().map(|byte| if is_kept(byte) { *byte } else { b'_' }).collect();
    Some(Tag::new(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_tag_with_underscores_for_odd_bytes() {
        let cases = [
            ("/app.log", "app.log"),
            ("/a/b-c.d_e", "a_b_c.d_e"),
            ("/caf%C3%A9", "caf_C3_A9"),
            ("//", "_"),
            ("/A9", "A9"),
        ];
        for (path, tag) in cases {
            assert_eq!(of_path(path), Some(tag.into()), "{path}");
        }
        assert_eq!((of_path("/"), of_path("")), (None, None));
    }

    #[test]
    fn every_byte_of_a_text_is_kept_or_becomes_one_underscore() {
        for byte in 0..=u8::MAX {
            let tag = sanitised(&[byte]).unwrap();
            let is_kept = byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.';
            assert_eq!(tag.as_bytes(), [if is_kept { byte } else { b'_' }]);
        }
    }
}

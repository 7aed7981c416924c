//! Around the way, handshake: what proves that somebody knows a secret.

use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;

/// Characters of a digest.
pub const DIGEST_CHARS: usize = 128;

/// SHA-512 of all parts behind each other, in hexadecimal digits of lower case.
#[must_use]
pub fn hex_digest(parts: &[&[u8]]) -> String {
    let mut hash = Sha512::new();
    parts.iter().for_each(|part| hash.update(part));
    let mut text = String::with_capacity(DIGEST_CHARS);
    for byte in hash.finalize() {
        text.extend([byte >> 4, byte & 0xf].map(hex_digit));
    }
    text
}

/// Whether both are the same, found in a time that does not tell where they differ.
#[must_use]
pub fn is_same(expected: &[u8], found: &[u8]) -> bool {
    expected.ct_eq(found).into()
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or_default()
}

//! Step 6, output: the random text that `$(uuid)` stands for, one an output.
//!
//! A KSUID: 4 bytes of seconds and 16 of chance as 27 digits to the base of 62, so that later ones
//! sort behind earlier ones. Pure: time and chance are arguments.
//! Source: <https://github.com/segmentio/ksuid>.

use std::time::Duration;

/// Seconds since 1970 from which a KSUID counts.
const EPOCH_SECONDS: u64 = 1_400_000_000;
/// Characters of a KSUID.
const DIGITS: usize = 27;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The KSUID of this moment since 1970 and these random bits.
#[must_use]
pub fn ksuid(unix: Duration, chance: u128) -> String {
    let seconds = unix.as_secs().saturating_sub(EPOCH_SECONDS);
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    // The whole is a number of 160 bits, here of five digits to the base of 2^32.
    let word = |bits: u32| u64::try_from(chance >> bits & u128::from(u32::MAX)).unwrap_or(0);
    let mut number = [u64::from(seconds), word(96), word(64), word(32), word(0)];
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        let rest = divide(&mut number, ALPHABET.len() as u64);
        *digit =
            usize::try_from(rest).ok().and_then(|at| ALPHABET.get(at)).copied().unwrap_or(b'0');
    }
    digits.iter().map(|digit| char::from(*digit)).collect()
}

/// Divides the number by `divisor` in place and gives what is left over.
fn divide(number: &mut [u64; 5], divisor: u64) -> u64 {
    let mut rest = 0;
    for word in number {
        let whole = rest << 32 | *word;
        (*word, rest) = (whole / divisor, whole % divisor);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, chance: u128) -> String {
        ksuid(Duration::from_secs(seconds), chance)
    }

    /// The first two are constants of the reference, the third is from its README.
    #[test]
    fn the_text_is_that_of_the_reference() {
        assert_eq!(at(EPOCH_SECONDS, 0), "0".repeat(DIGITS));
        assert_eq!(at(u64::MAX, u128::MAX), "aWgEPTl1tmebfsQzFP4bxwgy80V");
        let seconds = EPOCH_SECONDS + 107_608_047;
        let chance = 0xB5A1_CD34_B5F9_9D11_54FB_6853_345C_9735;
        assert_eq!(at(seconds, chance), "0ujtsYcgvSTl8PAuAdqWYSMnLOv");
    }

    #[test]
    fn a_later_one_sorts_behind_an_earlier_one() {
        assert!(at(1_700_000_000, u128::MAX) < at(1_700_000_001, 0));
    }
}

//! Step 3, filter: integers ↔ Lua's numbers, which are doubles.

use crate::record::msgpack::{Reader, Token};

/// From here on doubles do not hold every integer.
const EXACT_BELOW: f64 = 9_007_199_254_740_992.0;

/// The number as Lua has it, if it is one.
#[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
pub(super) fn of(token: &Token<'_>) -> Option<f64> {
    match *token {
        Token::UInt(number) => Some(number as f64),
        Token::Int(number) => Some(number as f64),
        Token::F32(number) => Some(number.into()),
        Token::F64(number) => Some(number),
        Token::Nil
        | Token::Bool(_)
        | Token::Str(_)
        | Token::Bin(_)
        | Token::Ext(..)
        | Token::Array(_)
        | Token::Map(_) => None,
    }
}

/// The whole part; what is beyond 64 bits is the greatest or least of them, and NaN is 0.
#[expect(clippy::cast_possible_truncation, reason = "saturating is what is wanted")]
pub(super) fn truncated(number: f64) -> i64 {
    number as i64
}

/// The integer, if the number is one of 64 bits: as Lua's numbers are written.
pub(super) fn whole(number: f64) -> Option<i64> {
    let integer = truncated(number);
    let token = if integer < 0 { Token::Int(integer) } else { Token::UInt(integer.unsigned_abs()) };
    // 2^63 is as near to the greatest integer as to itself.
    let is_whole = integer != i64::MAX && of(&token).is_some_and(|back| back == number);
    is_whole.then_some(integer)
}

/// The integer `before`, if it is what Lua rounded to `number`: nobody has changed it, and its digits
/// are worth keeping.
pub(super) fn exact(number: f64, before: Option<&[u8]>) -> Option<&[u8]> {
    let before = before.filter(|_| number.abs() >= EXACT_BELOW)?;
    let token = Reader::new(before).token().ok()?;
    let is_integer = matches!(token, Token::UInt(_) | Token::Int(_));
    (is_integer && of(&token) == Some(number)).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_of_64_bits_are_integers_and_all_others_are_not() {
        assert_eq!([2.0, -0.0, -7.0].map(whole), [Some(2), Some(0), Some(-7)]);
        assert_eq!(whole(-9_223_372_036_854_775_808.0), Some(i64::MIN));
        for number in [0.5, 9_223_372_036_854_775_808.0, f64::NAN, f64::INFINITY] {
            assert_eq!(whole(number), None, "{number}");
        }
    }

    #[test]
    fn an_integer_that_lua_rounds_keeps_its_digits() {
        let before = b"\xcf\x00\x20\x00\x00\x00\x00\x00\x01"; // 2^53 + 1
        assert_eq!(exact(9_007_199_254_740_992.0, Some(before)), Some(before.as_slice()));
        assert_eq!(exact(9_007_199_254_740_994.0, Some(before)), None);
        assert_eq!(exact(1.0, Some(b"\x01")), None, "nothing was rounded");
    }
}

//! Numbers as C reads and prints them, which is how Fluent Bit does.
//!
//! Reference: C's `strtoimax`, `strtoumax`, `atof`, and `printf` with `%.16g`. Must not know what the
//! numbers are of.

use std::fmt;

/// A whole number as it stands in a text, before anybody says how wide it may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Whole {
    is_negative: bool,
    /// `None`: beyond what 64 bits hold.
    magnitude: Option<u64>,
}

/// The number that `text` begins with, behind blanks. What follows it does not matter. In base 16 an
/// `0x` may stand before it. `None`: it begins with none.
#[must_use]
pub fn whole(text: &[u8], base: u32) -> Option<Whole> {
    let (is_negative, rest) = sign(blanks(text));
    let rest = match rest {
        [b'0', b'x' | b'X', digits @ ..]
            if base == 16 && digits.first().is_some_and(u8::is_ascii_hexdigit) =>
        {
            digits
        }
        rest => rest,
    };
    let digits = rest.iter().map_while(|byte| char::from(*byte).to_digit(base));
    let mut magnitude = None;
    for digit in digits {
        let before = magnitude.unwrap_or(Some(0_u64));
        let next = before.and_then(|number| number.checked_mul(u64::from(base)));
        magnitude = Some(next.and_then(|number| number.checked_add(u64::from(digit))));
    }
    magnitude.map(|magnitude| Whole { is_negative, magnitude })
}

impl Whole {
    /// As a number with a sign; what is beyond the range is its end.
    #[must_use]
    pub fn signed(self) -> i64 {
        let magnitude = self.magnitude.map(i128::from).unwrap_or(i128::MAX);
        let number = if self.is_negative { -magnitude } else { magnitude };
        let end = if self.is_negative { i64::MIN } else { i64::MAX };
        i64::try_from(number).unwrap_or(end)
    }

    /// As a number without a sign; a negative one counts back from the end of the range.
    #[must_use]
    pub fn unsigned(self) -> u64 {
        match self.magnitude {
            Some(magnitude) if self.is_negative => magnitude.wrapping_neg(),
            Some(magnitude) => magnitude,
            None => u64::MAX,
        }
    }
}

/// The number that `text` begins with, behind blanks. `None`: it begins with none.
#[must_use]
pub fn float(text: &[u8]) -> Option<f64> {
    let text = blanks(text);
    let (_, unsigned) = sign(text);
    let whole = digits(unsigned);
    let mut end = whole;
    if unsigned.get(end) == Some(&b'.') {
        let fraction = digits(unsigned.get(end + 1..)?);
        // A point alone is no number.
        if whole + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if end == 0 {
        return None;
    }
    end += exponent(unsigned.get(end..)?);
    let number = text.get(..text.len() - unsigned.len() + end)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// Bytes of an `e-7` at the start; 0 without digits.
fn exponent(text: &[u8]) -> usize {
    let [b'e' | b'E', rest @ ..] = text else { return 0 };
    let (_, unsigned) = sign(rest);
    match digits(unsigned) {
        0 => 0,
        digits => text.len() - unsigned.len() + digits,
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|byte| byte.is_ascii_digit()).count()
}

fn blanks(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r');
    let blanks = text.iter().take_while(|byte| is_blank(byte)).count();
    text.get(blanks..).unwrap_or_default()
}

fn sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    }
}

/// A float as text: with a point where it is whole, else with as many digits as it takes to read it
/// back, in the form that C's `%g` gives them.
///
/// Fluent Bit prints 16 digits, of which some floats need 17.
#[derive(Clone, Copy, Debug)]
pub struct Decimal(pub f64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Beyond it, whole numbers are no longer written out.
        const WHOLE_MAX: f64 = 9_223_372_036_854_775_808.0;
        /// Below it, the places behind the point are no longer written out.
        const PLAIN_MIN: f64 = 1e-4;
        let number = self.0;
        if number.is_nan() {
            return f.write_str("nan");
        }
        if number.is_infinite() {
            return f.write_str(if number > 0.0 { "inf" } else { "-inf" });
        }
        if number.fract() == 0.0 && number.abs() < WHOLE_MAX {
            return write!(f, "{number:.1}");
        }
        if (PLAIN_MIN..WHOLE_MAX).contains(&number.abs()) {
            return write!(f, "{number}");
        }
        // `1.5e-7` as `1.5e-07`, `1e300` as `1e+300`.
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = match exponent.strip_prefix('-') {
            Some(exponent) => ('-', exponent),
            None => ('+', exponent),
        };
        write!(f, "{digits}e{sign}{exponent:0>2}")
    }
}

/// A float as C's `%.{digits}g` prints it: so many digits, without the zeros at their end.
#[derive(Clone, Copy, Debug)]
pub struct Significant {
    /// The float.
    pub number: f64,
    /// Digits, at least one; 17 are enough for every float.
    pub digits: usize,
}

impl fmt::Display for Significant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, digits } = *self;
        if !number.is_finite() {
            return Decimal(number).fmt(f);
        }
        let behind_first = digits.saturating_sub(1);
        let text = format!("{number:.behind_first$e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or_default();
        let places = i32::try_from(behind_first).unwrap_or(i32::MAX).saturating_sub(exponent);
        match usize::try_from(places) {
            Ok(places) if exponent >= -4 => {
                f.write_str(without_zeros(&format!("{number:.places$}")))
            }
            Ok(_) | Err(_) => {
                let sign = if exponent < 0 { '-' } else { '+' };
                write!(f, "{}e{sign}{:02}", without_zeros(mantissa), exponent.unsigned_abs())
            }
        }
    }
}

/// Without zeros behind the point, and without the point where nothing is left behind it.
fn without_zeros(digits: &str) -> &str {
    if !digits.contains('.') {
        return digits;
    }
    digits.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_ends_where_its_digits_do() {
        let signed = |text: &str| whole(text.as_bytes(), 10).map(Whole::signed);
        assert_eq!(signed(" \t-12x"), Some(-12));
        assert_eq!((signed("+7"), signed("0"), signed("3.9")), (Some(7), Some(0), Some(3)));
        assert_eq!((signed(""), signed("-"), signed("x1")), (None, None, None));
        assert_eq!(signed("9223372036854775808"), Some(i64::MAX));
        assert_eq!(signed("-99999999999999999999999"), Some(i64::MIN));
        let hex = |text: &str| whole(text.as_bytes(), 16).map(Whole::unsigned);
        assert_eq!((hex("0x1F"), hex("1f"), hex("0xg")), (Some(31), Some(31), Some(0)));
        assert_eq!((hex("-1"), hex("fffffffffffffffff")), (Some(u64::MAX), Some(u64::MAX)));
    }

    #[test]
    fn a_float_ends_where_it_can_go_on_no_more() {
        let read = |text: &str| float(text.as_bytes());
        assert_eq!((read(" 2.75kg"), read("-.5"), read("5.")), (Some(2.75), Some(-0.5), Some(5.0)));
        assert_eq!((read("1e3"), read("1e+"), read("1ex")), (Some(1e3), Some(1.0), Some(1.0)));
        assert_eq!((read("."), read("e5"), read(""), read("-")), (None, None, None, None));
    }

    #[test]
    fn a_float_is_written_as_c_writes_it() {
        let written = |number: f64| Decimal(number).to_string();
        assert_eq!(written(1_700_000_000.0), "1700000000.0");
        assert_eq!(written(1_700_000_000.25), "1700000000.25");
        assert_eq!(written(-0.5), "-0.5");
        assert_eq!(written(0.0001), "0.0001");
        assert_eq!(written(0.000_05), "5e-05");
        assert_eq!(written(1.5e-7), "1.5e-07");
        assert_eq!(written(1e300), "1e+300");
        assert_eq!(written(0.1 + 0.2), "0.30000000000000004");
        assert_eq!((written(f64::NAN), written(f64::NEG_INFINITY)), ("nan".into(), "-inf".into()));
    }

    #[test]
    fn seventeen_digits_are_as_many_as_they_need_to_be() {
        let written = |number: f64| Significant { number, digits: 17 }.to_string();
        assert_eq!(
            (written(2.0), written(2.5), written(-0.5)),
            ("2".into(), "2.5".into(), "-0.5".into())
        );
        assert_eq!(
            (written(0.0005), written(0.0001)),
            ("0.00050000000000000001".into(), "0.0001".into())
        );
        assert_eq!(written(0.1), "0.10000000000000001");
        assert_eq!(written(100.0), "100");
        assert_eq!(written(1e16), "10000000000000000");
        assert_eq!(written(1e17), "1e+17");
        assert_eq!(written(0.000_05), "5.0000000000000002e-05");
        assert_eq!((written(0.0), written(f64::INFINITY)), ("0".into(), "inf".into()));
        let short = |number| Significant { number, digits: 3 }.to_string();
        assert_eq!(
            (short(1.999), short(999.9), short(0.0)),
            ("2".into(), "1e+03".into(), "0".into())
        );
    }

    proptest::proptest! {
        #[test]
        fn a_float_that_is_written_reads_back_as_itself(number in proptest::num::f64::NORMAL) {
            let read = float(Decimal(number).to_string().as_bytes());
            proptest::prop_assert_eq!(read.map(f64::to_bits), Some(number.to_bits()));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[ +-]{0,2}[0-9a-fx.eE+-]{0,24}") {
            let _ = (whole(text.as_bytes(), 10), whole(text.as_bytes(), 16));
            let _ = float(text.as_bytes());
        }
    }
}

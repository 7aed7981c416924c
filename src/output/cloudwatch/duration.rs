//! Step 6, output: a length of time as Go writes it, for `SEND_FAILURE_TIMEOUT`.
//!
//! Pure. Source: <https://pkg.go.dev/time#ParseDuration>.

use std::time::Duration;

/// Units and how many nanoseconds they have; longer names stand before those they begin with.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("µs", 1e3),
    ("μs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3_600e9),
];

/// Why a text is no length of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("expected a length of time as Go writes it, such as 5m30s")]
pub(super) struct DurationError;

/// Reads numbers, also with fractions, each with its unit: `5m30s`, `1.5h`, `0`.
///
/// # Errors
///
/// [`DurationError`], also for less than nothing, which Go would take.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanos = 0.0;
    loop {
        let is_digit = |c: char| c.is_ascii_digit() || c == '.';
        let (number, tail) = rest.split_at(rest.find(|c| !is_digit(c)).ok_or(DurationError)?);
        let number: f64 = number.parse().map_err(|_| DurationError)?;
        let known = UNITS.iter().filter(|(unit, _)| tail.starts_with(unit));
        let (unit, factor) = known.max_by_key(|(unit, _)| unit.len()).ok_or(DurationError)?;
        nanos += number * factor;
        rest = tail.strip_prefix(unit).unwrap_or_default();
        if rest.is_empty() {
            return Duration::try_from_secs_f64(nanos / 1e9).map_err(|_| DurationError);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_their_units_add_up() {
        let cases = [
            ("5m30s", 330_000),
            ("1h", 3_600_000),
            ("1.5h", 5_400_000),
            ("90s", 90_000),
            ("+250ms", 250),
            ("2s500000µs", 2_500),
            ("0", 0),
            ("0s", 0),
            (".5s", 500),
        ];
        for (text, millis) in cases {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("1500000ns"), parse("1.5ms"));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "5 m", "-5m", "m", "5x", "5m30", "1e3s", ".s", "1..5s", "9e99h", "+"]
        {
            assert_eq!(parse(text), Err(DurationError), "{text:?}");
        }
        assert_eq!(parse(&format!("{}h", "9".repeat(400))), Err(DurationError));
    }
}

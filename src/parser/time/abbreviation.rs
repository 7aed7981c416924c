//! Steps 1 and 3, parser: zones as log lines name them, `+0200`, `Z`, `CEST`.
//!
//! Which letters mean which zone is ambiguous; the choice is Fluent Bit's (`flb_strptime.c`).

/// Letters and how many minutes they are ahead of UTC. The single ones are the military's.
const ABBREVIATIONS: &[(&str, i32)] = &[
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("Z", 0),
    // North America.
    ("HST", -600),
    ("AKST", -540),
    ("HADT", -540),
    ("AKDT", -480),
    ("PST", -480),
    ("PDT", -420),
    ("MST", -420),
    ("MDT", -360),
    ("CST", -360),
    ("CDT", -300),
    ("EST", -300),
    ("EDT", -240),
    ("AST", -240),
    ("ADT", -180),
    ("NST", -210),
    ("NDT", -150),
    // South America.
    ("CLT", -240),
    ("CLST", -180),
    ("ART", -180),
    ("BRT", -180),
    ("BRST", -120),
    // Europe.
    ("WET", 0),
    ("WEST", 60),
    ("CET", 60),
    ("CEST", 120),
    ("EET", 120),
    ("EEST", 180),
    ("MSK", 180),
    // Africa.
    ("WAT", 60),
    ("CAT", 120),
    ("SAST", 120),
    ("EAT", 180),
    // Asia.
    ("GST", 240),
    ("IST", 330),
    ("NPT", 345),
    ("BDT", 360),
    ("ICT", 420),
    ("WIB", 420),
    ("MYT", 480),
    ("SGT", 480),
    ("WITA", 480),
    ("JST", 540),
    ("KST", 540),
    ("WIT", 540),
    // Oceania.
    ("AWST", 480),
    ("ACST", 570),
    ("AEST", 600),
    ("ACDT", 630),
    ("AEDT", 660),
    ("NZST", 720),
    ("NZDT", 780),
];

/// The zones of Canada and the United States that RFC 822 lets stand where `+hhmm` does.
const RFC_822: [&str; 8] = ["EST", "CST", "MST", "PST", "EDT", "CDT", "MDT", "PDT"];

/// `%Z`: seconds ahead of UTC, and what follows the letters.
pub(super) fn zone(text: &[u8]) -> Option<(i32, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (letters, rest) = text.split_at_checked(length)?;
    let known =
        ABBREVIATIONS.iter().find(|(known, _)| letters.eq_ignore_ascii_case(known.as_bytes()));
    let minutes = match (known, letters) {
        (Some((_, minutes)), _) => *minutes,
        (None, [letter]) => military(letter.to_ascii_uppercase())?,
        (None, _) => return None,
    };
    Some((minutes * 60, rest))
}

/// `A` to `I` and `K` to `M` are 1 to 12 hours ahead of UTC, `N` to `Y` as many behind. `J` is the
/// observer's own.
fn military(letter: u8) -> Option<i32> {
    let hours = match letter {
        b'A'..=b'I' => i32::from(letter - b'A') + 1,
        b'K'..=b'M' => i32::from(letter - b'K') + 10,
        b'N'..=b'Y' => -i32::from(letter - b'N') - 1,
        _ => return None,
    };
    Some(hours * 60)
}

/// `%z`: seconds ahead of UTC, and what follows. `Z`, `+hh`, `+hhmm`, `+hh:mm`, `GMT`, `UT`, `UTC`,
/// and [`RFC_822`].
pub(super) fn offset(text: &[u8]) -> Option<(i32, &[u8])> {
    for utc in [&b"Z"[..], b"UTC", b"UT", b"GMT"] {
        if let Some(rest) = text.strip_prefix(utc) {
            return Some((0, rest));
        }
    }
    if let Some((letters, rest)) = text.split_at_checked(3)
        && RFC_822.iter().any(|known| letters.eq_ignore_ascii_case(known.as_bytes()))
    {
        return Some((zone(letters)?.0, rest));
    }
    let (sign, rest) = text.split_first()?;
    let ahead = match sign {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, rest) = two_digits(rest)?;
    let rest = rest.strip_prefix(b":").unwrap_or(rest);
    let (minutes, rest) = match rest.first() {
        Some(digit) if digit.is_ascii_digit() => two_digits(rest)?,
        _ => (0, rest),
    };
    Some((ahead * (hours * 3_600 + minutes * 60), rest))
}

fn two_digits(text: &[u8]) -> Option<(i32, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<2>()?;
    let [tens, ones] = digits.map(|digit| char::from(digit).to_digit(10));
    Some((i32::try_from(tens? * 10 + ones?).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_looked_up_as_a_whole_and_in_any_case() {
        assert_eq!(zone(b"CEST x"), Some((7_200, &b" x"[..])));
        assert_eq!(zone(b"est"), Some((-18_000, &b""[..])));
        assert_eq!(zone(b"UTC+2"), Some((0, &b"+2"[..])));
        assert_eq!(zone(b"NDT"), Some((-9_000, &b""[..])));
        assert_eq!((zone(b"CESTX"), zone(b""), zone(b"+0200")), (None, None, None));
    }

    #[test]
    fn a_single_letter_is_the_military_s() {
        let hours = |letter| zone(&[letter]).map(|(seconds, _)| seconds / 3_600);
        assert_eq!(
            (hours(b'A'), hours(b'I'), hours(b'K'), hours(b'M')),
            (Some(1), Some(9), Some(10), Some(12))
        );
        assert_eq!(
            (hours(b'N'), hours(b'Y'), hours(b'Z'), hours(b'J')),
            (Some(-1), Some(-12), Some(0), None)
        );
    }

    #[test]
    fn an_offset_has_hours_and_perhaps_minutes() {
        let cases: [(&[u8], i32, &[u8]); 9] = [
            (b"+0200", 7_200, b""),
            (b"-03:30]", -12_600, b"]"),
            (b"+02", 7_200, b""),
            (b"+02:", 7_200, b""),
            (b"Z.", 0, b"."),
            (b"UTC", 0, b""),
            (b"UT ", 0, b" "),
            (b"GMT", 0, b""),
            (b"pdt", -25_200, b""),
        ];
        for (text, seconds, rest) in cases {
            assert_eq!(offset(text), Some((seconds, rest)), "{text:?}");
        }
        for text in [&b"+2"[..], b"+020", b"", b"+", b"0200", b"CEST", b"gmt"] {
            assert_eq!(offset(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_abbreviation_is_there_twice() {
        for (place, (letters, _)) in ABBREVIATIONS.iter().enumerate() {
            assert!(ABBREVIATIONS[..place].iter().all(|(other, _)| other != letters), "{letters}");
        }
    }
}

//! Steps 1 and 3, parser: the text of `Time_Format` → the items that a time is read by.
//!
//! The conversions are those of Fluent Bit's `flb_strptime.c` and `%L`. Names of days and months are
//! English. Not known here: how they are read.

/// Most bytes of a format, inclusive: some ten times those of any that is in use.
pub(in crate::parser) const FORMAT_BYTES_MAX: usize = 1_024;

/// A format.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TimeFormat {
    pub(super) items: Vec<Item>,
    /// It has a zone of its own, so that none is assumed.
    pub(super) has_zone: bool,
    /// It has a date, or a part of one.
    pub(super) has_date: bool,
    /// It has a year.
    pub(super) has_year: bool,
}

/// What stands at one place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Item {
    /// White space, or none.
    Blank,
    /// This byte.
    Byte(u8),
    /// `%a` `%A`: a day's name, which says nothing beside the date.
    DayName,
    /// `%b` `%B` `%h`.
    MonthName,
    /// `%m`.
    Month,
    /// `%d`; `%e` with a blank in the place of its first digit.
    Day { padded: bool },
    /// `%j`.
    DayOfYear,
    /// `%Y`.
    Year,
    /// `%y`.
    YearOfCentury,
    /// `%C`.
    Century,
    /// `%H`; `%k` with a blank in the place of its first digit.
    Hour { padded: bool },
    /// `%I`; `%l` with a blank in the place of its first digit.
    HourOf12 { padded: bool },
    /// `%p`.
    HalfOfDay,
    /// `%M`.
    Minute,
    /// `%S`; 60 is a leap second.
    Second,
    /// `%L`: digits behind a decimal point.
    Fraction,
    /// `%s`: seconds since 1970.
    Epoch,
    /// `%z`.
    Offset,
    /// `%Z`.
    Abbreviation,
    /// `%U`, `%W`, `%V`, `%g`, `%u`, `%w`: a number within limits that says nothing beside the date.
    Number { min: u16, max: u16 },
    /// `%G`: a year that says nothing beside the date, of any length.
    WeekYear,
    /// `%n` `%t`: white space, or none, but not the end of the text.
    Blanks,
    /// No conversion, which nothing fits.
    Never,
}

/// What stands between a percent sign and its letter.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Modifier {
    None,
    /// `%E`: in the way of the era.
    Era,
    /// `%O`: with other digits.
    Other,
}

impl TimeFormat {
    /// Reads the format. What is no conversion comes back with it, as it is written.
    pub(super) fn parse(text: &str) -> (Self, Option<String>) {
        let mut items = Vec::new();
        let mut unknown = None;
        let mut rest = text.as_bytes();
        while let Some((first, after)) = rest.split_first() {
            rest = after;
            match first {
                b'%' => {
                    let (modifier, letter, after) = conversion(rest);
                    if push(&mut items, modifier, letter).is_none() {
                        let length = rest.len() - after.len();
                        let written = rest.get(..length).unwrap_or_default();
                        let written = format!("%{}", String::from_utf8_lossy(written));
                        unknown.get_or_insert(written);
                        items.push(Item::Never);
                    }
                    rest = after;
                }
                blank if is_blank(*blank) => items.push(Item::Blank),
                byte => items.push(Item::Byte(*byte)),
            }
        }
        let has = |wanted: &[Item]| items.iter().any(|item| wanted.contains(item));
        let has_year = has(&[Item::Year, Item::YearOfCentury, Item::Epoch]);
        let parts = [Item::MonthName, Item::Month, Item::DayOfYear];
        let days = [Item::Day { padded: false }, Item::Day { padded: true }];
        let has_zone = has(&[Item::Offset, Item::Abbreviation])
            // A `Z` behind the seconds is UTC's, though it is written as if it were any letter.
            || ["%SZ", "%S.%LZ"].iter().any(|utc| text.contains(utc));
        let has_date = has_year || has(&parts) || has(&days);
        (Self { items, has_zone, has_date, has_year }, unknown)
    }
}

/// What C calls white space.
pub(super) const fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// The modifier and the letter behind a percent sign, and what follows. No letter: the end.
fn conversion(text: &[u8]) -> (Modifier, u8, &[u8]) {
    let (modifier, rest) = match text.split_first() {
        Some((b'E', rest)) => (Modifier::Era, rest),
        Some((b'O', rest)) => (Modifier::Other, rest),
        _ => (Modifier::None, text),
    };
    let (letter, rest) = rest.split_first().unwrap_or((&0, rest));
    (modifier, *letter, rest)
}

fn push(items: &mut Vec<Item>, modifier: Modifier, letter: u8) -> Option<()> {
    let composed: &[u8] = match letter {
        b'c' => b"a b e H:M:S Y",
        b'D' | b'x' => b"m/d/y",
        b'F' => b"Y-m-d",
        b'R' => b"H:M",
        b'r' => b"I:M:S p",
        b'T' | b'X' => b"H:M:S",
        _ => b"",
    };
    let may_have = match letter {
        b'c' | b'C' | b'x' | b'X' | b'Y' => modifier != Modifier::Other,
        b'd' | b'e' | b'H' | b'I' | b'm' | b'M' | b'S' | b'u' | b'U' | b'w' | b'W' => {
            modifier != Modifier::Era
        }
        b'y' => true,
        _ => modifier == Modifier::None,
    };
    if !may_have {
        return None;
    }
    if composed.is_empty() {
        items.push(item(letter)?);
    }
    for part in composed {
        items.push(match part {
            b' ' => Item::Blank,
            b':' | b'/' | b'-' => Item::Byte(*part),
            letter => item(*letter)?,
        });
    }
    Some(())
}

fn item(letter: u8) -> Option<Item> {
    Some(match letter {
        b'%' => Item::Byte(b'%'),
        b'a' | b'A' => Item::DayName,
        b'b' | b'B' | b'h' => Item::MonthName,
        b'C' => Item::Century,
        b'd' => Item::Day { padded: false },
        b'e' => Item::Day { padded: true },
        b'H' => Item::Hour { padded: false },
        b'k' => Item::Hour { padded: true },
        b'I' => Item::HourOf12 { padded: false },
        b'l' => Item::HourOf12 { padded: true },
        b'j' => Item::DayOfYear,
        b'M' => Item::Minute,
        b'm' => Item::Month,
        b'p' => Item::HalfOfDay,
        b'S' => Item::Second,
        b's' => Item::Epoch,
        b'L' => Item::Fraction,
        b'U' | b'W' | b'V' => Item::Number { min: 0, max: 53 },
        b'w' => Item::Number { min: 0, max: 6 },
        b'u' => Item::Number { min: 1, max: 7 },
        b'g' => Item::Number { min: 0, max: 99 },
        b'G' => Item::WeekYear,
        b'Y' => Item::Year,
        b'y' => Item::YearOfCentury,
        b'Z' => Item::Abbreviation,
        b'z' => Item::Offset,
        b'n' | b't' => Item::Blanks,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(text: &str) -> Vec<Item> {
        TimeFormat::parse(text).0.items
    }

    #[test]
    fn composed_conversions_are_what_they_stand_for() {
        let cases = [
            ("%D", "%m/%d/%y"),
            ("%x", "%m/%d/%y"),
            ("%F", "%Y-%m-%d"),
            ("%R", "%H:%M"),
            ("%r", "%I:%M:%S %p"),
            ("%T", "%H:%M:%S"),
            ("%EX", "%H:%M:%S"),
            ("%Ec", "%a %b %e %H:%M:%S %Y"),
            ("%h %OH", "%b %H"),
        ];
        for (text, meaning) in cases {
            assert_eq!(items(text), items(meaning), "{text}");
        }
    }

    #[test]
    fn what_is_no_conversion_is_told_of_and_fits_nothing() {
        for (text, expected) in
            [("a%f", "%f"), ("%N%f", "%N"), ("%", "%"), ("%ES", "%ES"), ("%OY", "%OY")]
        {
            let (format, unknown) = TimeFormat::parse(text);
            assert_eq!(unknown.as_deref(), Some(expected));
            assert!(format.items.contains(&Item::Never), "{text}");
        }
        assert_eq!(TimeFormat::parse("%%").1, None);
    }

    #[test]
    fn a_format_knows_whether_it_has_zone_date_and_year() {
        let has = |text| {
            let (format, _) = TimeFormat::parse(text);
            (format.has_zone, format.has_date, format.has_year)
        };
        assert_eq!(has("%Y-%m-%dT%H:%M:%S.%L%z"), (true, true, true));
        assert_eq!(has("%Y-%m-%dT%H:%M:%SZ"), (true, true, true));
        assert_eq!(has("%b %e %H:%M:%S"), (false, true, false));
        assert_eq!(has("%T"), (false, false, false));
        assert_eq!(has("%s"), (false, true, true));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[%EOa-zA-Z é]{0,12}") {
            let _ = TimeFormat::parse(&text);
        }
    }
}

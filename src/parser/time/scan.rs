//! Steps 1 and 3, parser: a time's text, read by the items of its format.
//!
//! Not known here: zones of names, the present, and what a missing part means.

use super::abbreviation;
use super::format::{Item, is_blank};

/// Most digits of a fraction that are looked at: nanoseconds.
const FRACTION_DIGITS_MAX: usize = 9;
/// Most digits of seconds since 1970: one less than any number of 63 bits has.
const EPOCH_DIGITS_MAX: usize = 18;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
/// Letters of a short name.
const SHORT: usize = 3;

/// What a text says of a time.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Told {
    pub(super) year: Option<i64>,
    pub(super) century: Option<i64>,
    pub(super) year_of_century: Option<i64>,
    /// From 1.
    pub(super) month: Option<i64>,
    /// From 1.
    pub(super) day: Option<i64>,
    /// From 1.
    pub(super) day_of_year: Option<i64>,
    pub(super) hour: Option<i64>,
    pub(super) is_afternoon: Option<bool>,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) nanos: u32,
    /// Seconds since 1970.
    pub(super) epoch: Option<i64>,
    /// Seconds ahead of UTC.
    pub(super) offset: Option<i32>,
}

/// Reads as far as the text fits; whether it fits to the end of the format, is the second. Text
/// behind that does not matter.
pub(super) fn scan(items: &[Item], text: &[u8]) -> (Told, bool) {
    let mut told = Told::default();
    let mut rest = text;
    for item in items {
        match told.take(*item, rest) {
            Some(after) => rest = after,
            None => return (told, false),
        }
    }
    (told, true)
}

impl Told {
    /// Reads one item and returns what follows it.
    fn take<'a>(&mut self, item: Item, text: &'a [u8]) -> Option<&'a [u8]> {
        if item == Item::Blank {
            return Some(skip_blanks(text));
        }
        let first = *text.first()?;
        let unpadded = |padded| if padded { skip_blank(text) } else { text };
        Some(match item {
            Item::Blank | Item::Blanks => skip_blanks(text),
            Item::Byte(byte) => text.get(1..).filter(|_| first == byte)?,
            Item::DayName => name(&DAYS, text)?.1,
            Item::MonthName => store(&mut self.month, name(&MONTHS, text)?),
            Item::Month => store(&mut self.month, number(text, 1, 12)?),
            Item::Day { padded } => store(&mut self.day, number(unpadded(padded), 1, 31)?),
            Item::DayOfYear => store(&mut self.day_of_year, number(text, 1, 366)?),
            Item::Year => {
                self.year_of_century = None;
                store(&mut self.year, number(text, 0, 9_999)?)
            }
            Item::YearOfCentury => store(&mut self.year_of_century, number(text, 0, 99)?),
            Item::Century => store(&mut self.century, number(text, 0, 99)?),
            Item::Hour { padded } => store(&mut self.hour, number(unpadded(padded), 0, 23)?),
            Item::HourOf12 { padded } => store(&mut self.hour, number(unpadded(padded), 1, 12)?),
            Item::HalfOfDay => {
                let (letters, rest) = text.split_at_checked(2)?;
                let is_afternoon = letters.eq_ignore_ascii_case(b"PM");
                self.is_afternoon = Some(is_afternoon);
                (is_afternoon || letters.eq_ignore_ascii_case(b"AM")).then_some(rest)?
            }
            Item::Minute => take(&mut self.minute, number(text, 0, 59)?),
            Item::Second => take(&mut self.second, number(text, 0, 60)?),
            Item::Fraction => take(&mut self.nanos, fraction(text)?),
            Item::Epoch => store(&mut self.epoch, epoch(text)?),
            Item::Offset => store(&mut self.offset, abbreviation::offset(skip_blanks(text))?),
            Item::Abbreviation => store(&mut self.offset, abbreviation::zone(text)?),
            Item::Number { min, max } => number(text, min.into(), max.into())?.1,
            Item::WeekYear => {
                let rest = text.get(1..)?;
                let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
                rest.get(digits..)?
            }
            Item::Never => return None,
        })
    }

    /// The year, of four digits or of two: to 68 they are of this century.
    pub(super) fn full_year(&self) -> Option<i64> {
        let Some(year_of_century) = self.year_of_century else { return self.year };
        let century = self.century.unwrap_or(if year_of_century <= 68 { 20 } else { 19 });
        Some(century * 100 + year_of_century)
    }

    /// The hour of 24. `None`: no clock of 12 hours shows it.
    pub(super) fn hour_of_24(&self) -> Option<i64> {
        let hour = self.hour.unwrap_or_default();
        match self.is_afternoon {
            None => Some(hour),
            Some(_) if hour > 12 => None,
            Some(is_afternoon) => Some(hour % 12 + if is_afternoon { 12 } else { 0 }),
        }
    }
}

fn store<'a, T>(place: &mut Option<T>, (value, rest): (T, &'a [u8])) -> &'a [u8] {
    *place = Some(value);
    rest
}

fn take<'a, T>(place: &mut T, (value, rest): (T, &'a [u8])) -> &'a [u8] {
    *place = value;
    rest
}

fn skip_blanks(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| is_blank(**byte)).count();
    text.get(count..).unwrap_or_default()
}

fn skip_blank(text: &[u8]) -> &[u8] {
    match text.split_first() {
        Some((first, rest)) if is_blank(*first) => rest,
        _ => text,
    }
}

/// A number of at most as many digits as its limit has. A digit that would make it ten times too
/// large belongs to what follows: `%H%M` in `930`.
fn number(text: &[u8], min: i64, max: i64) -> Option<(i64, &[u8])> {
    let (mut value, mut most, mut rest) = (0, max, text);
    while value * 10 <= max
        && most > 0
        && let Some((digit, after)) = rest.split_first()
        && digit.is_ascii_digit()
    {
        value = value * 10 + i64::from(digit - b'0');
        (most, rest) = (most / 10, after);
    }
    let is_number = rest.len() < text.len() && (min..=max).contains(&value);
    is_number.then_some((value, rest))
}

fn epoch(text: &[u8]) -> Option<(i64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(length)?;
    if length > EPOCH_DIGITS_MAX {
        return None;
    }
    Some((str::from_utf8(digits).ok()?.parse().ok()?, rest))
}

/// Nanoseconds of the first digits.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let digits = text.iter().take(FRACTION_DIGITS_MAX).take_while(|byte| byte.is_ascii_digit());
    let (mut nanos, mut count) = (0, 0);
    for digit in digits {
        nanos = nanos * 10 + u32::from(digit - b'0');
        count += 1;
    }
    let missing = u32::try_from(FRACTION_DIGITS_MAX.checked_sub(count)?).ok()?;
    let rest = text.get(count..).filter(|_| count > 0)?;
    Some((nanos * 10_u32.pow(missing), rest))
}

/// A name in full or its first three letters; its place from 1.
fn name<'a>(names: &[&str], text: &'a [u8]) -> Option<(i64, &'a [u8])> {
    let (place, name) = (1..).zip(names).find(|(_, name)| begins(text, name, SHORT))?;
    let length = if begins(text, name, name.len()) { name.len() } else { SHORT };
    Some((place, text.get(length..)?))
}

fn begins(text: &[u8], name: &str, letters: usize) -> bool {
    let (text, name) = (text.get(..letters), name.as_bytes().get(..letters));
    text.zip(name).is_some_and(|(text, name)| text.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::super::format::TimeFormat;
    use super::*;

    fn told(format: &str, text: &str) -> Option<Told> {
        let (told, is_whole) = scan(&TimeFormat::parse(format).0.items, text.as_bytes());
        is_whole.then_some(told)
    }

    fn rest<'a>(format: &str, text: &'a str) -> Option<&'a str> {
        let mut told = Told::default();
        let mut rest = text.as_bytes();
        for item in TimeFormat::parse(format).0.items {
            rest = told.take(item, rest)?;
        }
        Some(str::from_utf8(rest).expect("text"))
    }

    #[test]
    fn every_conversion_takes_what_is_its_own() {
        let cases = [
            ("%Y|%m|%d", "2023|11|14x", "x"),
            ("%A %a", "tuesday TUE.", "."),
            ("%B %b %h", "november May nov-", "-"),
            ("%H:%M:%S", "23:59:60", ""),
            ("%I:%M %p", "12:00 pm", ""),
            ("%e|%e", " 1|31", ""),
            ("%k|%l", " 9|12", ""),
            ("%j", "3660", "0"),
            ("%C%y", "2023", ""),
            ("%s.%L", "1690000000.750", ""),
            ("%L", "1234567890", "0"),
            ("%z %z", "+02:00 -0330]", "]"),
            ("%Z", "CEST 2023", " 2023"),
            ("%U%W%V", "535353", ""),
            ("%u%w", "76", ""),
            ("%G-%g", "2023-23", ""),
            ("a%nb%tc", "a \n\tbc", ""),
            ("%%", "%", ""),
            ("a b", "a   b", ""),
            ("a b", "ab", ""),
            ("a ", "a", ""),
        ];
        for (format, text, expected) in cases {
            assert_eq!(rest(format, text), Some(expected), "{format}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let cases = [
            ("%Y", "x"),
            ("%m", "0"),
            ("%m", "13"),
            ("%d", "32"),
            ("%d", " 1"),
            ("%H", "24"),
            ("%I", "0"),
            ("%I", "13"),
            ("%M", "x"),
            ("%S", "61"),
            ("%j", "367"),
            ("%y", ""),
            ("%p", "xm"),
            ("%p", "P"),
            ("%L", ".5"),
            ("%L", ""),
            ("%s", "-1"),
            ("%s", "1234567890123456789"),
            ("%z", "CEST"),
            ("%Z", "J"),
            ("%b", "No"),
            ("%a", "Mo"),
            ("%u", "8"),
            ("%w", "7"),
            ("a%n", "a"),
            ("%f", "1"),
            ("a", "b"),
            ("a%%", "a"),
        ];
        for (format, text) in cases {
            assert_eq!(told(format, text), None, "{format} {text}");
        }
    }

    #[test]
    fn a_number_leaves_digits_that_it_cannot_hold() {
        let told = told("%Y%m%d%H%M%S", "20231114221320").expect("it fits");
        assert_eq!((told.year, told.month, told.day), (Some(2_023), Some(11), Some(14)));
        assert_eq!((told.hour, told.minute, told.second), (Some(22), 13, 20));
        assert_eq!(rest("%H%M", "9300"), Some("0"), "no hour begins with 93");
    }

    #[test]
    fn a_year_of_two_digits_is_of_this_century_to_68() {
        let year = |format, text| told(format, text).expect("it fits").full_year();
        assert_eq!((year("%y", "68"), year("%y", "69")), (Some(2_068), Some(1_969)));
        assert_eq!(year("%C %y", "19 05"), Some(1_905));
        assert_eq!(year("%y %Y", "05 2023"), Some(2_023));
        assert_eq!(year("%H", "1"), None);
    }

    #[test]
    fn noon_is_12_pm_whichever_stands_first() {
        let hour = |format, text| told(format, text).expect("it fits").hour_of_24();
        assert_eq!((hour("%I%p", "12PM"), hour("%I%p", "12am")), (Some(12), Some(0)));
        assert_eq!((hour("%p%I", "PM1"), hour("%H%p", "13PM")), (Some(13), None));
    }

    #[test]
    fn a_fraction_has_one_to_nine_digits() {
        let nanos = |text| told("%L", text).map(|told| told.nanos);
        assert_eq!((nanos("5"), nanos("000000001")), (Some(500_000_000), Some(1)));
        assert_eq!(nanos("1234567899"), Some(123_456_789));
        assert_eq!(nanos("12e3"), Some(120_000_000), "there is no exponent");
    }

    proptest::proptest! {
        #[test]
        fn no_format_and_no_text_make_it_panic(
            format in "[%EO\\- :aAbBcCdDeFgGhHIjklLmMnprRsStTuUVwWxXyYzZ]{0,16}",
            text in "[0-9+\\-:.TZ A-Za-z]{0,24}",
        ) {
            let (told, _) = scan(&TimeFormat::parse(&format).0.items, text.as_bytes());
            let _ = (told.full_year(), told.hour_of_24());
        }
    }
}

//! Part of a file's name, with fields of the record and its time in it: `/logs/%Y/$TAG`.
//!
//! Reference: `plugins/out_file`, `path` and `file`. The time is filled in first, in UTC, as C's
//! `strftime` does; what comes of it is read as record accessors are. Pure.

use jiff::Timestamp;
use jiff::fmt::strtime::{BrokenDownTime, Config};
use jiff::tz::TimeZone;

use crate::record::template::{Scene, Template, TemplateError};
use crate::record::time::EventTime;

/// Part of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    text: Box<str>,
    has_time: bool,
    has_fields: bool,
    /// What the time last made of the text, and that as a template: times of events that follow each
    /// other nearly always give the same.
    filled: (String, Template),
}

/// Why a record gives no name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// A field that is not there, or is no text and no number.
    #[error("a field that the name of its file needs is missing")]
    Missing,
    /// The name would lead elsewhere, or is longer than a file can have.
    #[error("the name of its file is not safe or too long")]
    Unsafe,
    /// The time cannot be written so.
    #[error("its time gives no name of a file")]
    Time,
}

impl Pattern {
    /// Reads a text. Times are filled in only where that is asked for.
    ///
    /// # Errors
    ///
    /// As [`Template::parse`].
    pub fn parse(text: &str, with_times: bool) -> Result<Self, TemplateError> {
        Ok(Self {
            text: text.into(),
            has_time: with_times && text.contains('%'),
            has_fields: text.contains('$'),
            filled: (text.to_owned(), Template::parse(text)?),
        })
    }

    /// Whether its text is not the same for all events.
    #[must_use]
    pub fn is_dynamic(&self) -> bool {
        self.has_time || self.has_fields
    }

    /// The bytes of its folders that are the same for all events.
    #[must_use]
    pub fn fixed_bytes(&self) -> usize {
        let is_place = |c: char| c == '$' || (self.has_time && c == '%');
        let plain = self.text.split(is_place).next().unwrap_or_default();
        plain.rfind('/').map_or(0, |slash| slash + 1)
    }

    /// Appends the name for an event.
    ///
    /// # Errors
    ///
    /// The event gives none; what `out` got by then stays.
    pub fn render(
        &mut self,
        time: EventTime,
        scene: &Scene<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Unusable> {
        if self.has_time {
            let filled = write_time(&self.text, time).ok_or(Unusable::Time)?;
            if filled != self.filled.0 {
                let template = Template::parse(&filled).map_err(|_| Unusable::Time)?;
                self.filled = (filled, template);
            }
        }
        if self.has_fields {
            return self.filled.1.render(scene, out).map_err(|_| Unusable::Missing);
        }
        out.extend_from_slice(self.filled.0.as_bytes());
        Ok(())
    }
}

/// The text with the time in it; what is no conversion stays as it stands, as in C.
fn write_time(text: &str, time: EventTime) -> Option<String> {
    let timestamp = Timestamp::from_nanosecond(time.as_nanos().into()).ok()?;
    let time = BrokenDownTime::from(&timestamp.to_zoned(TimeZone::UTC));
    let filled = time.to_string_with_config(&Config::new().lenient(true), text).ok()?;
    (!filled.is_empty()).then_some(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(pattern: &mut Pattern, seconds: i64) -> Result<String, Unusable> {
        let scene = Scene { tag: b"a.b", record: b"\x81\xa1k\xa2%H", captures: &[] };
        let mut out = Vec::new();
        pattern.render(EventTime::from_parts(seconds, 0), &scene, &mut out)?;
        Ok(String::from_utf8(out).expect("text"))
    }

    fn once(text: &str, with_times: bool) -> Result<String, Unusable> {
        rendered(&mut Pattern::parse(text, with_times).expect("a pattern"), 1_700_000_000)
    }

    #[test]
    fn times_are_those_of_the_event_in_utc_and_come_first() {
        assert_eq!(once("%Y-%m-%dT%H:%M:%S_$TAG", true).as_deref(), Ok("2023-11-14T22:13:20_a.b"));
        assert_eq!(once("$k.%j%%", true).as_deref(), Ok("%H.318%"));
        assert_eq!(once("%Y%!", true).as_deref(), Ok("2023%!"), "what is no conversion stays");
    }

    #[test]
    fn without_times_a_percent_sign_is_one() {
        assert_eq!(once("%Y-$TAG", false).as_deref(), Ok("%Y-a.b"));
        assert_eq!(once("100%", false).as_deref(), Ok("100%"));
        assert_eq!(once("$nope", false), Err(Unusable::Missing));
    }

    #[test]
    fn each_event_has_its_own_time() {
        let mut pattern = Pattern::parse("%S", true).expect("a pattern");
        let got = [0, 1, 1, 0].map(|at| rendered(&mut pattern, at));
        assert_eq!(got, ["00", "01", "01", "00"].map(|text| Ok(text.to_owned())));
    }

    #[test]
    fn what_stands_before_the_first_place_is_the_same_for_all() {
        let fixed = |text, times| Pattern::parse(text, times).expect("a pattern").fixed_bytes();
        assert_eq!((fixed("/l/a-$TAG/x", false), fixed("../l/$k", false)), (3, 5));
        assert_eq!((fixed("/l/%Y/$k", true), fixed("/l/%Y/$k", false)), (3, 6));
        assert_eq!(fixed("a$k", false), 0);
    }
}

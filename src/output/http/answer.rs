//! Step 6, output: what a server answers, and what follows from it. Pure: `now` is an argument.
//!
//! Reference: `plugins/out_http/http.c`; RFC 9110 section 10.2.3. Must not know what was sent.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use hyper::HeaderMap;
use hyper::header::RETRY_AFTER;

/// Longest wait that a server can ask for: beyond it others would say that we hang.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);
/// Most bytes of an answer that a log line shows.
const SHOWN_BYTES_MAX: usize = 1_024;

/// What a server answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// When it asks for the next attempt.
    pub retry_after: Option<Duration>,
    /// The first bytes of its body.
    pub body: Vec<u8>,
}

/// What follows for what was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// It is there.
    Delivered,
    /// It may pass later.
    Again,
    /// It will never pass.
    Refused,
}

impl Answer {
    /// 200 to 205 is delivered. What a client has done wrong will be wrong again, but for time-outs
    /// and too many requests; anything else may pass later.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        match self.status {
            200..=205 => Verdict::Delivered,
            408 | 429 => Verdict::Again,
            400..=499 => Verdict::Refused,
            _ => Verdict::Again,
        }
    }

    /// Whether the server did not believe who asked.
    #[must_use]
    pub const fn is_unauthorised(&self) -> bool {
        matches!(self.status, 401 | 403)
    }

    /// The status, and the start of the body where it is wanted: all on one line.
    #[must_use]
    pub fn shown(&self, with_body: bool) -> String {
        let mut text = format!("status {}", self.status);
        if !with_body || self.body.is_empty() {
            return text;
        }
        let start = self.body.get(..SHOWN_BYTES_MAX).unwrap_or(&self.body);
        text.push_str(": ");
        for c in String::from_utf8_lossy(start).trim().chars() {
            if c.is_control() {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "{}", c.escape_default());
            } else {
                text.push(c);
            }
        }
        if self.body.len() > start.len() {
            text.push('…');
        }
        text
    }
}

/// The wait that `Retry-After` asks for, in seconds or until a time; bounded.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = DateTime::from_str(text, Format::HttpDate).ok()?;
            SystemTime::try_from(date).ok()?.duration_since(now).ok()?
        }
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &[u8]) -> Answer {
        Answer { status, retry_after: None, body: body.to_vec() }
    }

    #[test]
    fn a_status_says_whether_to_send_again() {
        let of = |status| answer(status, b"").verdict();
        for status in [200, 201, 202, 203, 204, 205] {
            assert_eq!(of(status), Verdict::Delivered, "{status}");
        }
        for status in [199, 206, 226, 301, 304, 408, 429, 500, 503, 599] {
            assert_eq!(of(status), Verdict::Again, "{status}");
        }
        for status in [400, 401, 403, 404, 407, 409, 413, 428, 430, 499] {
            assert_eq!(of(status), Verdict::Refused, "{status}");
        }
    }

    #[test]
    fn a_wait_is_seconds_or_a_time_and_has_an_end() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().expect("a value"));
            retry_after(&headers, now)
        };
        assert_eq!(of("7"), Some(Duration::from_secs(7)));
        assert_eq!(of("301"), Some(RETRY_AFTER_MAX));
        assert_eq!(of("18446744073709551615"), Some(RETRY_AFTER_MAX));
        assert_eq!(of("Sun, 06 Nov 1994 08:49:47 GMT"), Some(Duration::from_secs(10)));
        for text in ["Sun, 06 Nov 1994 08:49:27 GMT", "-1", "soon", ""] {
            assert_eq!(of(text), None, "{text}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }

    #[test]
    fn what_is_shown_is_one_line_of_bounded_length() {
        assert_eq!(
            answer(400, b" bad\nline\x1b[1m ").shown(true),
            "status 400: bad\\nline\\u{1b}[1m"
        );
        assert_eq!(answer(400, b"secret").shown(false), "status 400");
        assert_eq!(answer(400, b"").shown(true), "status 400");
        let long = answer(500, &vec![b'x'; SHOWN_BYTES_MAX + 1]).shown(true);
        assert_eq!(long.len(), "status 500: …".len() + SHOWN_BYTES_MAX);
        assert!(answer(500, &vec![0xff; 5_000]).shown(true).len() < 4 * SHOWN_BYTES_MAX);
    }
}

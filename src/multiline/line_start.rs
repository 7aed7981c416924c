//! Around the path, multiline: patterns that match at the start of a line only.
//!
//! Nearly no line matches any of the rules it is tried by. Of a text that is one line, a pattern
//! that begins with `^` needs no more than the first bytes, if it is told so.

use memchr::memchr;

use crate::record::pattern::Pattern;

/// A text, and whether it is one line: `^` matches at its start then and nowhere else. A newline at
/// its end makes no difference to Onigmo.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneLine<'a> {
    pub(super) text: &'a [u8],
    pub(super) is_one: bool,
}

impl<'a> OneLine<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        let before_last = text.split_last().map_or(text, |(_, before)| before);
        Self { text, is_one: memchr(b'\n', before_last).is_none() }
    }
}

/// The pattern for texts of one line, if it is one that matches at the start of a line only.
pub(super) fn at_start(pattern: &str) -> Option<Pattern> {
    let (body, _) = split(pattern)?;
    begins_lines(body).then(|| Pattern::anchored(pattern).ok()).flatten()
}

/// A pattern for texts of one line that matches where any of these does, if they are several that
/// match at the start of a line only and do not get into each other's way: names of groups and
/// references to them would.
pub(super) fn any(patterns: &[&str]) -> Option<Pattern> {
    const NAMES: [&str; 4] = ["(?<", "(?'", "\\k", "\\g"];
    if patterns.len() < 2 {
        return None;
    }
    let is_plain = |body: &str| {
        let has_number =
            || body.split('\\').skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        begins_lines(body) && !NAMES.iter().any(|name| body.contains(name)) && !has_number()
    };
    let bodies = patterns
        .iter()
        .map(|pattern| split(pattern).filter(|(body, flags)| flags.is_empty() && is_plain(body)));
    let bodies: Option<Vec<String>> =
        bodies.map(|split| split.map(|(body, _)| format!("(?:{body})"))).collect();
    Pattern::anchored(&format!("/{}/", bodies?.join("|"))).ok()
}

/// The pattern without slashes around it, and the flags behind them; `None` for flags that change
/// how it is read.
fn split(pattern: &str) -> Option<(&str, &str)> {
    let Some(inner) = pattern.strip_prefix('/') else { return Some((pattern, "")) };
    let (body, flags) = inner.rsplit_once('/')?;
    flags.chars().all(|flag| matches!(flag, 'i' | 'm')).then_some((body, flags))
}

/// Whether every alternative of a pattern begins with `^`. What is not easily told is not said.
fn begins_lines(body: &str) -> bool {
    // A comment may hold brackets that are none, and so may a class that begins with one.
    if ["#", "[]", "[^]"].iter().any(|odd| body.contains(odd)) {
        return false;
    }
    let (mut depth, mut is_class, mut is_begin) = (0_usize, false, true);
    let mut signs = body.chars().peekable();
    while let Some(sign) = signs.next() {
        if is_begin && (sign != '^' || signs.peek().is_some_and(|next| "*+?{".contains(*next))) {
            return false;
        }
        is_begin = false;
        match sign {
            '\\' => drop(signs.next()),
            '[' if is_class => return false,
            '[' => is_class = true,
            ']' => is_class = false,
            '(' if !is_class => depth += 1,
            ')' if !is_class => depth = depth.saturating_sub(1),
            '|' if !is_class && depth == 0 => is_begin = true,
            _ => {}
        }
    }
    !is_begin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::pattern::Outcome;

    #[test]
    fn a_pattern_that_begins_lines_is_known_by_its_alternatives() {
        for pattern in ["/^a/", "/^a|^b/i", r"/^[|(]\|(?:x|y)\[|^b/", "/^/", r"/^\s+at.*/m", "^a"] {
            assert!(at_start(pattern).is_some(), "{pattern}");
        }
        for pattern in [
            "/a/",
            "/^a|b/",
            "/^a|/",
            "/(^a)/",
            "/^?a/",
            "/^*a/",
            "/^[[:alpha:]]/",
            "/^a/x",
            "/^[](]|b/",
            "/^(?x: #(\n)|b/",
            "//",
        ] {
            assert!(at_start(pattern).is_none(), "{pattern}");
        }
    }

    fn pattern() -> impl proptest::strategy::Strategy<Value = String> {
        "/\\^[ab]?(\\.|\\[ab\\]|\\(\\?:a|b\\))?[*+?]?\\$?(\\|\\^[ab\\$]?)?/"
    }

    proptest::proptest! {
        /// Looking at the start alone finds what looking everywhere finds.
        #[test]
        fn patterns_for_the_start_of_a_line_match_where_they_do_anywhere(
            patterns in proptest::collection::vec(pattern(), 1..4),
            text in "[ab]{0,5}\n?",
        ) {
            let line = OneLine::new(text.as_bytes());
            proptest::prop_assert!(line.is_one);
            let mut is_any = false;
            for pattern in &patterns {
                let Ok(exact) = Pattern::new(pattern) else { return Ok(()) };
                let expected = exact.is_match(line.text);
                is_any |= expected == Outcome::Match;
                let found = at_start(pattern).map_or(expected, |at_start| at_start.is_match(line.text));
                proptest::prop_assert_eq!(found, expected, "{}", pattern);
            }
            let patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
            if let Some(any) = any(&patterns) {
                let found = any.is_match(line.text) == Outcome::Match;
                proptest::prop_assert_eq!(found, is_any, "{:?}", patterns);
            }
        }
    }

    #[test]
    fn patterns_that_get_into_each_others_way_are_not_asked_at_once() {
        assert!(any(&["/^a/", "^b|^c"]).is_some());
        for other in ["/b/", "/^b/i", "/^(?<b>c)/", r"/^(b)\1/", r"/^(?<!b)\k<b>/"] {
            assert!(any(&["/^a/", other]).is_none(), "{other}");
        }
        assert!(any(&["/^a/"]).is_none(), "one is asked as it is");
    }

    #[test]
    fn a_text_with_a_newline_before_its_end_is_not_one_line() {
        let is_one = |text: &str| OneLine::new(text.as_bytes()).is_one;
        assert!(is_one("") && is_one("a") && is_one("\n") && is_one("a\n"));
        assert!(!is_one("a\nb") && !is_one("\n\n"));
    }
}

//! What the patterns of Fluent Bit match.

use super::*;

fn matches(pattern: &str, value: impl AsRef<[u8]>) -> bool {
    let pattern = Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    pattern.is_match(value.as_ref()) == Outcome::Match
}

fn refusal(pattern: &str) -> String {
    Pattern::new(pattern).map(|_| String::new()).unwrap_or_else(|error| error.to_string())
}

#[test]
fn a_pattern_is_found_anywhere() {
    assert!(matches("fail", "it failed") && !matches("fail", "fine"));
    assert!(matches("", "anything") && matches(".*", ""));
    assert!(matches("a|b", "xxb") && matches("404", "GET 404"));
}

#[test]
fn a_repeat_of_nothing_is_refused_with_its_position() {
    let expected = "at byte 0: '*' has nothing before it to repeat; \
                    for any text write '.*', for the sign itself '\\*'";
    assert_eq!(refusal("*failure*"), expected);
    for (pattern, position) in [("a|*b", 2), ("(+b)", 1), ("(?:?)", 3), ("/*x/", 1), ("{2}", 0)] {
        assert!(refusal(pattern).starts_with(&format!("at byte {position}: ")), "{pattern}");
    }
}

#[test]
fn a_fault_names_its_byte_in_the_text_as_it_was_given() {
    assert!(refusal("(unclosed").starts_with("at byte "), "{}", refusal("(unclosed"));
    assert_eq!(refusal("ab[cd"), "at byte 2: '[' is not closed by ']'");
    assert_eq!(refusal("[[:letters:]]"), "at byte 1: no such class of characters");
    assert_eq!(Pattern::new(r"\d\d)x").unwrap_err().position, 4, "each \\d is rewritten longer");
    assert_eq!(refusal(r"\p{Nope}"), "at byte 0: Unicode property not found");
}

#[test]
fn lines_have_starts_and_ends_within_a_value() {
    assert!(matches("^two$", "one\ntwo\nthree") && !matches(r"\Atwo", "one\ntwo"));
    assert!(matches(r"three\Z", "one\nthree\n") && !matches(r"three\z", "one\nthree\n"));
    assert!(!matches("a.b", "a\nb") && matches("(?m:a.b)", "a\nb") && matches("/a.b/m", "a\nb"));
}

#[test]
fn slashes_and_flags_around_a_pattern_are_taken_off() {
    assert!(matches("/FAIL/i", "it failed") && !matches("/FAIL/", "it failed"));
    assert!(matches("/a b # note/x", "ab") && matches("/fail/", "it failed"));
    assert!(matches("/var/log", "in /var/log") && matches("/a/q", "x/a/q"), "q is no flag");
}

#[test]
fn shorthands_are_ascii_and_named_classes_are_unicode() {
    assert!(matches(r"^\h+$", "DEADbeef09") && !matches(r"\h", "xyz"));
    assert!(!matches(r"\d", "٣") && !matches(r"\w", "é") && matches(r"^\W$", "é"));
    assert!(matches("^[[:alpha:]]+$", "naïve") && matches("^[[:^digit:]]$", "x"));
    assert!(matches(r"^[\w.-]+$", "a-b.c_d") && matches(r"^[\w-.]+$", "a-b.c"));
    assert!(matches(r"^\s$", "\x0B") && !matches(r"\s", "\u{A0}"));
}

#[test]
fn braces_and_brackets_that_are_text_are_text() {
    assert!(matches(r#"{"level":"error"}"#, r#"x {"level":"error"}"#));
    assert!(matches("a{,2}b", "aab") && matches("^a{2}$", "aa") && !matches("^a{2}$", "aaa"));
    assert!(matches("a]", "xa]") && matches("[]x]", "]") && matches("[+--]", ","));
    assert!(matches("a{,}", "a{,}") && matches("a{x}", "a{x}") && matches("[~~#&]", "#"));
}

#[test]
fn ruby_constructs_are_understood() {
    assert!(matches(r"(?<y>\d{4})-\k<y>", "2024-2024") && !matches(r"(?<y>\d)\k<y>", "12"));
    assert!(matches("(?'n'a)b", "ab") && matches("a(?#note)b", "ab") && matches("(?i)AB", "ab"));
    assert!(matches("foo(?!bar)", "foobaz") && !matches("foo(?!bar)", "foobar"));
    assert!(matches("(?<=x)y", "xy") && matches("(?>a+)b", "aab") && !matches("a++a", "aaa"));
    assert!(
        matches(r"\/api\/v1", "/api/v1")
            && matches(r#"\"a\""#, "\"a\"")
            && matches(r"\<b\>", "<b>")
    );
    assert!(matches(r"\x41\u0042\x{43}", "ABC") && matches(r"\011", "\t"));
    assert!(matches(r"\p{^Digit}", "x") && matches(r"[^\d]", "x") && matches(r"\e\[0m", "\x1B[0m"));
}

#[test]
fn a_value_that_is_not_utf_8_is_searched_all_the_same() {
    for value in [&b"\xFF\xFEfail\xC3"[..], b"\xC3", b"\xF0\x9F"] {
        assert_eq!(matches("fail", value), value.len() > 2);
        assert_eq!(matches("f.il", value), value.len() > 2);
        assert_eq!(matches("f(?=ail)", value), value.len() > 2);
    }
}

#[test]
fn a_search_that_steps_back_without_end_is_given_up() {
    let pattern = Pattern::new("(?:(x+x+)+)(?=y)z").unwrap();
    let value = format!("{} yz", "x".repeat(40));
    assert_eq!(pattern.is_match(value.as_bytes()), Outcome::StepLimit);
}

#[test]
fn an_anchored_pattern_takes_a_prefix_of_at_least_a_byte() {
    let prefix = |pattern: &str, value: &str| {
        Pattern::anchored(pattern).unwrap().is_prefix(value.as_bytes()) == Outcome::Match
    };
    assert!(prefix("web", "web.1") && !prefix("web", "a.web") && prefix("^a.*c$", "abc"));
    assert!(prefix("a|b", "b") && !prefix("a|b", "xb") && !prefix("x*", "abc") && !prefix("", "a"));
    assert!(prefix("/a # note/x", "ab") && !prefix("^web", "a\nweb"));
}

#[test]
fn a_pattern_has_up_to_65_536_bytes_and_a_bounded_size() {
    assert!(Pattern::new(&"a".repeat(65_536)).is_ok());
    assert_eq!(refusal(&"a".repeat(65_537)), "at byte 65536: 65537 bytes long, limit 65536");
    assert!(refusal(r"((\p{L}{200}){200}){200}").contains("larger than"));
    assert!(refusal(&"[".repeat(40)).contains("more than 32 brackets"));
    let nested = |depth| format!("{}a{}", "(".repeat(depth), ")".repeat(depth));
    assert!(matches(&nested(20), "a") && refusal(&nested(10_000)).contains("nested"));
}

/// A `^` is searched for in one of two ways, as the value ends with a newline or not.
#[test]
fn a_line_does_not_start_behind_a_last_newline() {
    assert!(
        !matches("^$", "a\n")
            && matches("^$", "a\n\nb")
            && matches("^$", "")
            && !matches("^$", "a")
    );
    assert!(matches("^b", "a\nb\n") && matches("^b", "a\nb"));
    assert!(
        matches("^a{2}+$", "aaaa") && !matches("^a{2}+$", "aaa"),
        "an interval that is repeated"
    );
}

proptest::proptest! {
    #[test]
    fn both_ways_to_search_agree_where_both_can_be_gone(
        pattern in "\\^?(a|b|\\.|a\\*|\\(a\\|\\^b\\)|\\[\\^a\\]|b\\{1,2\\}|\\$){0,4}",
        value in "[ab\n]{0,6}[ab]",
    ) {
        let translation = ruby::translate(&pattern).unwrap();
        if let Ok(Search { exact, without_last_newline: Some(plain) }) = search(&translation, Anchor::None) {
            let found = (exact.is_match(&*value).unwrap(), plain.is_match(&*value).unwrap());
            proptest::prop_assert_eq!(found.0, found.1);
        }
    }

    #[test]
    fn no_bytes_make_a_search_panic(
        text in "[-.a^$?*+()|]{0,12}|[(][?](<=|<!|=|!)[.^$a-z?*]{1,4}[)][.^$?*a-z]{0,4}|(.*[.^$?*]){0,3}",
        value in proptest::collection::vec(proptest::prop_oneof![
            proptest::prelude::any::<u8>(), 0x80..=0xff_u8, proptest::strategy::Just(b'a'),
        ], 0..12),
    ) {
        if let Ok(pattern) = Pattern::new(&text) {
            let _ = pattern.is_match(&value);
            let _ = pattern.captures(&value);
        }
        if let Ok(pattern) = Pattern::anchored(&text) {
            let _ = pattern.is_prefix(&value);
        }
    }

    #[test]
    fn no_text_makes_the_compiler_panic(text in "[ -~é\n]{0,24}|[\\[\\](){}*+?^$.|\\\\a<>=!:#imx-]{0,16}") {
        if let Ok(pattern) = Pattern::new(&text) {
            let _ = pattern.is_match(b"abc \xFF");
        }
        let _ = Pattern::anchored(&text);
    }
}

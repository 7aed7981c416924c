//! Around the path, option: a value of several words → its words, with quotes.

/// Splits `text` at blanks. A word may stand in double quotes, and `\"` is a quote within them. No
/// more than `words_max` words are split off; what is left after them is the last element, as it is.
///
/// An open quote ends with the text. After Fluent Bit's `flb_slist_split_tokens`.
#[must_use]
pub fn split(text: &str, words_max: usize) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(BLANKS);
    while !rest.is_empty() {
        if words.len() == words_max {
            words.push(rest.to_owned());
            break;
        }
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => split_quote(quoted),
            None => {
                let (word, after) = rest.split_once(BLANKS).unwrap_or((rest, ""));
                (word.to_owned(), after)
            }
        };
        words.push(word);
        rest = after.trim_start_matches(BLANKS);
    }
    words
}

/// Splits `text` at spaces. A word may stand in double or in single quotes; within them `\\` before
/// the quote or before another `\\` stands for that sign alone. `None`: a quote is open at the end.
///
/// After Fluent Bit's `flb_utils_split_quoted`.
#[must_use]
pub fn split_quoted(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start_matches(' ');
    while let Some(first) = rest.chars().next() {
        let (word, after) = match first {
            '"' | '\'' => unquote(rest, first)?,
            _ => {
                let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
                (word.to_owned(), after)
            }
        };
        words.push(word);
        rest = after.trim_start_matches(' ');
    }
    Some(words)
}

/// The word between the quote at the start and the one that closes it, and what follows.
fn unquote(text: &str, quote: char) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next()? {
            '\\' if chars.as_str().starts_with(['\\', quote]) => word.extend(chars.next()),
            c if c == quote => return Some((word, chars.as_str())),
            c => word.push(c),
        }
    }
}

const BLANKS: [char; 2] = [' ', '\t'];

/// The word up to the closing quote, and what follows that.
fn split_quote(text: &str) -> (String, &str) {
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' if chars.as_str().starts_with('"') => {
                word.push('"');
                chars.next();
            }
            c => word.push(c),
        }
    }
    (word, chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_at_blanks_and_quotes_hold_them_together() {
        assert_eq!(split("a  b\tc", 9), ["a", "b", "c"]);
        assert_eq!(split(r#"a "two words""#, 9), ["a", "two words"]);
        assert_eq!(split(r#"d "with \"inner\" quotes""#, 9), ["d", r#"with "inner" quotes"#]);
        assert_eq!(split(r#"i "C:\dir\name""#, 9), ["i", r"C:\dir\name"]);
        assert_eq!(split("c it's", 9), ["c", "it's"]);
        assert!(split("  ", 9).is_empty());
    }

    #[test]
    fn what_is_left_after_the_last_word_stays_as_it_is() {
        assert_eq!(split(r#"log  a  "b c" "#, 1), ["log", r#"a  "b c" "#]);
        assert_eq!(split("log", 1), ["log"]);
        assert_eq!(split(r#""my key" x y"#, 1), ["my key", "x y"]);
    }

    #[test]
    fn quotes_of_both_kinds_hold_words_together_and_must_be_closed() {
        let split = |text| split_quoted(text).map(|words| words.join("|"));
        assert_eq!(split(r#"  a  "two words" 'and three'"#).unwrap(), "a|two words|and three");
        assert_eq!(split(r#""a \"b\" \\ \n" it's"#).unwrap(), r#"a "b" \ \n|it's"#);
        assert_eq!(split("a\tb \"\"").unwrap(), "a\tb|");
        assert_eq!(split("").unwrap(), "");
        assert_eq!((split("a \"b"), split("'"), split("\"a\\\"")), (None, None, None));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_either_panic(text in "[a\\\\\"' é]{0,16}", words_max in 0_usize..4) {
            proptest::prop_assert!(split(&text, words_max).len() <= words_max + 1);
            let _ = split_quoted(&text);
        }
    }
}

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

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[a\\\\\" é]{0,16}", words_max in 0_usize..4) {
            proptest::prop_assert!(split(&text, words_max).len() <= words_max + 1);
        }
    }
}

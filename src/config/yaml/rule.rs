//! Around the path, config: the rules of a multiline parser in YAML → as the classic format has them.
//!
//! `{state: start_state, regex: '/^\d/', next_state: cont}` is `rule "start_state" "/^\d/" "cont"`.

use std::sync::Arc;

use super::tree::Node;
use super::{Done, Reader, Refusal, at};
use crate::config::raw::{Entry, RawSection};

impl Reader<'_, '_> {
    /// A line `rule` for each item.
    pub(super) fn rules(
        &mut self,
        file: &Arc<str>,
        section: &mut RawSection,
        value: &Node,
    ) -> Done {
        for item in self.list(file, value, "rules", "a list of rules") {
            let (mut state, mut regex, mut next) = (None, None, None);
            for (key, value) in self.map(file, item, "rules", "a map").unwrap_or_default() {
                let Some(text) = self.text(file, &key.text, value) else { continue };
                match key.text.to_ascii_lowercase().as_str() {
                    "state" => state = Some(text),
                    "regex" => regex = Some(text),
                    "next_state" => next = Some(text),
                    _ => {}
                }
            }
            let (Some(state), Some(regex), Some(next)) = (state, regex, next) else {
                self.refuse(file, item.line, "rules", Refusal::NoRule);
                continue;
            };
            let (Some(state), Some(next)) = (quoted(state), quoted(next)) else {
                self.refuse(file, item.line, "rules", Refusal::State);
                continue;
            };
            let value = format!("{state} {} {next}", quoted_regex(regex));
            let entry = Entry { key: "rule".to_owned(), value, place: at(file, item.line) };
            self.source.add(section, entry)?;
        }
        Ok(())
    }
}

/// The word in quotes. There is none for a word with a backslash at its end or before a quote: in
/// quotes that would be another.
fn quoted(word: &str) -> Option<String> {
    let is_plain = !word.ends_with('\\') && !word.contains('"');
    is_plain.then(|| format!("\"{word}\""))
}

/// The expression in quotes.
fn quoted_regex(regex: &str) -> String {
    let escaped = regex.replace('"', "\\\"");
    if escaped.ends_with('\\') {
        // Between slashes it is the same expression.
        format!("\"/{escaped}/\"")
    } else {
        format!("\"{escaped}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::option::tokens;

    #[test]
    fn a_regular_expression_comes_out_of_its_quotes_as_it_was() {
        for regex in [r"/^\d+ at/", r#"say "x""#, r#"a\"b"#, "", r#"""#, "a b", r"\\a"] {
            assert_eq!(tokens::split(&quoted_regex(regex), 3), [regex], "{regex}");
        }
        assert_eq!(tokens::split(&quoted_regex(r"a b\\"), 3), [r"/a b\\/"]);
        assert_eq!((quoted("cont").as_deref(), quoted("a\"")), (Some("\"cont\""), None));
    }

    proptest::proptest! {
        #[test]
        fn any_regular_expression_comes_out_as_it_was(regex in "[a\\\\\" /]{0,12}[a/ \"]") {
            proptest::prop_assert_eq!(tokens::split(&quoted_regex(&regex), 3), [regex]);
        }
    }
}

//! Step 6, output: the lines `Header Name value`.
//!
//! Reference: `flb_slist_split_tokens`. Not known here: what is sent besides.

use hyper::header::{HeaderName, HeaderValue};

use super::Refusal;
use crate::option::{Fault, Options, Remark};

/// Most headers of a user's own, or of a record: servers take about a hundred.
pub(in crate::output::http) const HEADERS_MAX: usize = 256;
/// Headers that say how a request lies on the wire. They follow from the request.
const FRAMING: [&str; 7] =
    ["connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"];

/// Why a line cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
enum Bad {
    #[error("expected a name of letters, digits and dashes, a blank, and a value")]
    Name,
    #[error("the value has a character that no header may have, such as a line break")]
    Value,
}

/// Why a line is left out.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Advice {
    #[error("has no value and is not sent")]
    NoValue,
    #[error("follows from the request and is not sent a second time")]
    Framing,
}

/// Whether a text may be a header's name.
pub(in crate::output::http) fn is_name(text: &str) -> bool {
    HeaderName::from_bytes(text.as_bytes()).is_ok()
}

/// Whether a header of that name says how a request lies on the wire.
pub(in crate::output::http) fn is_framing(name: &str) -> bool {
    FRAMING.iter().any(|framing| framing.eq_ignore_ascii_case(name))
}

/// All lines that can be sent, in their order; the others are told of.
pub(super) fn headers(options: &mut Options) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    for setting in options.all("header") {
        let (name, value) = split(&setting.value);
        if !is_name(&name) {
            options.refuse_setting(&setting, Fault::invalid(Bad::Name));
        } else if value.is_empty() {
            options.remark_setting(&setting, Remark::plugin(Advice::NoValue));
        } else if is_framing(&name) {
            options.remark_setting(&setting, Remark::plugin(Advice::Framing));
        } else if HeaderValue::from_bytes(value.as_bytes()).is_err() {
            options.refuse_setting(&setting, Fault::invalid(Bad::Value));
        } else if headers.len() == HEADERS_MAX {
            let refusal = Refusal::Headers { max: HEADERS_MAX };
            options.refuse_setting(&setting, Fault::invalid(refusal));
            break;
        } else {
            headers.push((name, value));
        }
    }
    headers
}

/// Name and value: the first word, or what stands in quotes, and the rest.
fn split(text: &str) -> (String, String) {
    let text = text.trim();
    let Some(quoted) = text.strip_prefix('"') else {
        let (name, value) = text.split_once(' ').unwrap_or((text, ""));
        return (name.to_owned(), value.trim().to_owned());
    };
    let mut name = String::new();
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' if rest.as_str().starts_with('"') => {
                name.push('"');
                rest.next();
            }
            c => name.push(c),
        }
    }
    (name, rest.as_str().trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_the_name_and_the_rest_the_value() {
        let cases = [
            ("Content-Type application/json; charset=utf-8", "application/json; charset=utf-8"),
            ("\"Content-Type\"   a b", "a b"),
            ("  Content-Type   a", "a"),
            ("Content-Type", ""),
        ];
        for (text, value) in cases {
            assert_eq!(split(text), ("Content-Type".to_owned(), value.to_owned()), "{text}");
        }
        assert_eq!(split(r#""a\"b" c"#), (r#"a"b"#.to_owned(), "c".to_owned()));
    }
}

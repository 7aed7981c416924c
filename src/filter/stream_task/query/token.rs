//! Step 3, filter: the text of a query → its words, numbers, texts and signs.
//!
//! Reference: Fluent Bit's manual, "Stream Processing"; `sql.l`. Must not know what they mean
//! together.

use super::QueryError;

/// A piece of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a keyword.
    Word(String),
    /// `'text'`
    Text(String),
    Integer(i64),
    Float(f64),
    /// `(`, `<=`, …
    Sign(&'static str),
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) token: Token,
    /// Byte of the text, from 0.
    pub(super) at: usize,
}

/// Longer ones first: `<=` is not `<` and `=`.
const SIGNS: [&str; 17] =
    ["!=", "<>", "<=", ">=", "*", ",", "=", "(", ")", "[", "]", ".", ";", "<", ">", ":", "@"];

/// Splits the whole text.
pub(super) fn split(text: &str) -> Result<Vec<Placed>, QueryError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let (token, after) = match first {
            '\'' => quoted(rest).ok_or(QueryError::UnclosedText { at })?,
            '0'..='9' => number(rest),
            '-' if rest.get(1..).is_some_and(|rest| rest.starts_with(is_digit)) => number(rest),
            '_' | 'a'..='z' | 'A'..='Z' => word(rest),
            other => sign(rest).ok_or(QueryError::UnknownSign { at, sign: other })?,
        };
        tokens.push(Placed { token, at });
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

/// `''` within the quotes is a quote.
fn quoted(text: &str) -> Option<(Token, &str)> {
    let mut rest = text.strip_prefix('\'')?;
    let mut found = String::new();
    loop {
        let (part, after) = rest.split_once('\'')?;
        found.push_str(part);
        let Some(more) = after.strip_prefix('\'') else { return Some((Token::Text(found), after)) };
        found.push('\'');
        rest = more;
    }
}

/// What is beyond 64 bits is a float.
fn number(text: &str) -> (Token, &str) {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with('-'));
    let whole = sign + digits(text.get(sign..).unwrap_or_default());
    let fraction = text.get(whole..).and_then(|rest| rest.strip_prefix('.')).map_or(0, digits);
    let end = if fraction > 0 { whole + 1 + fraction } else { whole };
    let (number, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    let integer = if fraction > 0 { None } else { number.parse().ok() };
    let token =
        integer.map_or_else(|| Token::Float(number.parse().unwrap_or(f64::NAN)), Token::Integer);
    (token, rest)
}

fn word(text: &str) -> (Token, &str) {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (Token::Word(word.to_owned()), rest)
}

fn sign(text: &str) -> Option<(Token, &str)> {
    SIGNS.iter().find_map(|sign| Some((Token::Sign(sign), text.strip_prefix(sign)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<Token> {
        split(text).expect("tokens").into_iter().map(|placed| placed.token).collect()
    }

    #[test]
    fn a_text_falls_into_words_numbers_texts_and_signs() {
        let word = |text: &str| Token::Word(text.to_owned());
        let found = tokens("TAG:'it''s' a.b_1<=-5 0.5,-0.25 99999999999999999999");
        let expected = [
            word("TAG"),
            Token::Sign(":"),
            Token::Text("it's".to_owned()),
            word("a.b_1"),
            Token::Sign("<="),
            Token::Integer(-5),
            Token::Float(0.5),
            Token::Sign(","),
            Token::Float(-0.25),
            Token::Float(99_999_999_999_999_999_999.0),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_token_is_refused_with_its_place() {
        assert_eq!(split("a 'b"), Err(QueryError::UnclosedText { at: 2 }));
        assert_eq!(split("a é"), Err(QueryError::UnknownSign { at: 2, sign: 'é' }));
        assert_eq!(split("-x"), Err(QueryError::UnknownSign { at: 0, sign: '-' }));
    }
}

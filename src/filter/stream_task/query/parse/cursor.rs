//! Step 3, filter: the tokens of a query that are not read yet.
//!
//! Must not know the grammar.

use super::super::token::{Placed, Token};
use super::super::{QueryError, Value};
use super::Parsed;

/// What makes one record of many.
const AGGREGATES: [&str; 8] =
    ["COUNT", "SUM", "AVG", "MIN", "MAX", "TIMESERIES_FORECAST", "WINDOW", "GROUP"];

/// What is left of a query.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    tokens: &'t [Placed],
    /// Length of the text.
    end: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(tokens: &'t [Placed], end: usize) -> Self {
        Self { tokens, end }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// The next token.
    pub(super) fn token(&self) -> Option<&'t Token> {
        self.tokens.first().map(|placed| &placed.token)
    }

    pub(super) fn literal(&mut self, expected: &'static str) -> Parsed<Value> {
        self.value().ok_or_else(|| self.unexpected(expected))
    }

    pub(super) fn value(&mut self) -> Option<Value> {
        let value = match self.token()? {
            Token::Text(text) => Value::Text(text.clone()),
            Token::Integer(number) => Value::Integer(*number),
            Token::Float(number) => Value::Float(*number),
            Token::Word(word) if word.eq_ignore_ascii_case("true") => Value::Bool(true),
            Token::Word(word) if word.eq_ignore_ascii_case("false") => Value::Bool(false),
            Token::Word(_) | Token::Sign(_) => return None,
        };
        self.next();
        Some(value)
    }

    pub(super) fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    pub(super) fn at(&self) -> usize {
        self.tokens.first().map_or(self.end, |placed| placed.at)
    }

    pub(super) fn word(&self) -> Option<&str> {
        match self.token()? {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Integer(_) | Token::Float(_) | Token::Sign(_) => None,
        }
    }

    pub(super) fn is_word(&self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    pub(super) fn takes_word(&mut self, keyword: &str) -> bool {
        let is_there = self.is_word(keyword);
        if is_there {
            self.next();
        }
        is_there
    }

    pub(super) fn takes_sign(&mut self, sign: &str) -> bool {
        let is_there = matches!(self.token(), Some(Token::Sign(found)) if *found == sign);
        if is_there {
            self.next();
        }
        is_there
    }

    /// Whether a word with `(` behind it comes.
    pub(super) fn is_call(&self) -> bool {
        let behind = self.tokens.get(1).map(|placed| &placed.token);
        self.word().is_some() && behind == Some(&Token::Sign("("))
    }

    pub(super) fn keyword(&mut self, keyword: &str, expected: &'static str) -> Parsed<()> {
        if self.takes_word(keyword) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    pub(super) fn sign(&mut self, sign: &str, expected: &'static str) -> Parsed<()> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// A word, keyword or not: no field is out of reach for its name.
    pub(super) fn name(&mut self, expected: &'static str) -> Parsed<String> {
        let name = self.word().map(str::to_owned).ok_or_else(|| self.unexpected(expected))?;
        self.next();
        Ok(name)
    }

    pub(super) fn text(&mut self, expected: &'static str) -> Parsed<String> {
        match self.token() {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.next();
                Ok(text)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn refuse_call(&self) -> Parsed<()> {
        if !self.is_call() {
            return Ok(());
        }
        self.refuse_aggregate()?;
        Err(self.unexpected("a field or a value"))
    }

    pub(super) fn refuse_aggregate(&self) -> Parsed<()> {
        let found = AGGREGATES.iter().find(|keyword| self.is_word(keyword));
        let Some(keyword) = found else { return Ok(()) };
        let what = if *keyword == "GROUP" { "GROUP BY" } else { keyword };
        Err(QueryError::Aggregates { at: self.at(), what: what.to_owned() })
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> QueryError {
        let found = match self.token() {
            None => "the end".to_owned(),
            Some(Token::Word(word)) => format!("'{word}'"),
            Some(Token::Text(text)) => format!("the text '{text}'"),
            Some(Token::Integer(number)) => number.to_string(),
            Some(Token::Float(number)) => number.to_string(),
            Some(Token::Sign(sign)) => format!("'{sign}'"),
        };
        QueryError::Unexpected { at: self.at(), found, expected }
    }
}

//! Step 3, filter: tokens → a query.
//!
//! By the grammar of `sql.y`, with what its generator makes of it: neither `AND` nor `OR` comes first,
//! each takes what follows up to the end. Must not know records.

use super::token::{Placed, Token, split};
use super::{
    Advice, Condition, FIELDS_MAX, Field, Operand, Operator, PATH_KEYS_MAX, Query, QueryError,
    Selected, Source, TERMS_MAX, Value,
};

/// What makes one record of many.
const AGGREGATES: [&str; 8] =
    ["COUNT", "SUM", "AVG", "MIN", "MAX", "TIMESERIES_FORECAST", "WINDOW", "GROUP"];
/// Functions that are not there.
const ELSEWHERE: [&str; 2] = ["NOW", "UNIX_TIMESTAMP"];

pub(super) fn query(text: &str) -> Result<Query, QueryError> {
    let tokens = split(text)?;
    let mut parser = Parser { tokens: &tokens, end: text.len(), terms: 0, advice: Vec::new() };
    parser.query()
}

struct Parser<'t> {
    tokens: &'t [Placed],
    /// Length of the text.
    end: usize,
    /// Terms of the condition so far.
    terms: usize,
    advice: Vec<Advice>,
}

/// What stands between two conditions.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Joint {
    And,
    Or,
}

type Parsed<T> = Result<T, QueryError>;

impl Parser<'_> {
    fn query(&mut self) -> Parsed<Query> {
        if self.is_word("SELECT") {
            return Err(QueryError::NoStream);
        }
        let is_flush = self.takes_word("FLUSH");
        if !is_flush {
            self.keyword("CREATE", "CREATE STREAM")?;
        }
        if self.is_word("SNAPSHOT") {
            return Err(QueryError::Unsupported { at: self.at(), what: "SNAPSHOT".to_owned() });
        }
        self.keyword("STREAM", "STREAM")?;
        let stream = self.name("the stream's name")?;
        let tag = if self.takes_word("WITH") { self.properties()? } else { None };
        self.keyword("AS", "AS SELECT")?;
        self.keyword("SELECT", "SELECT")?;
        let fields = self.fields()?;
        self.keyword("FROM", "a comma or FROM")?;
        let source = self.source()?;
        self.refuse_aggregate()?;
        let condition = if self.takes_word("WHERE") { Some(self.condition()?) } else { None };
        self.refuse_aggregate()?;
        if self.takes_word("LIMIT") {
            self.literal("a number")?;
            self.advice.push(Advice::Limit);
        }
        let _ = self.takes_sign(";");
        if self.tokens.is_empty() {
            let advice = std::mem::take(&mut self.advice);
            Ok(Query { stream, tag, fields, source, condition, advice })
        } else {
            Err(self.unexpected("the end of the query"))
        }
    }

    /// `(tag='t', …)`
    fn properties(&mut self) -> Parsed<Option<String>> {
        let mut tag = None;
        self.sign("(", "( after WITH")?;
        loop {
            let at = self.at();
            let name = self.name("a property such as tag")?;
            self.sign("=", "=")?;
            let value = self.text("a text in single quotes")?;
            if name == "tag" {
                tag = Some(value);
            } else if name == "routable"
                && !matches!(value.to_ascii_lowercase().as_str(), "true" | "on" | "yes")
            {
                return Err(QueryError::Unsupported { at, what: "routable".to_owned() });
            } else {
                self.advice.push(Advice::Property);
            }
            if !self.takes_sign(",") {
                break;
            }
        }
        self.sign(")", "a comma or )")?;
        Ok(tag)
    }

    fn fields(&mut self) -> Parsed<Vec<Selected>> {
        let mut fields = Vec::new();
        loop {
            if fields.len() == FIELDS_MAX {
                return Err(QueryError::TooMany { what: "fields", max: FIELDS_MAX });
            }
            if fields.is_empty() && self.takes_sign("*") {
                fields.push(Selected::All);
            } else {
                fields.push(self.selected()?);
            }
            if !self.takes_sign(",") {
                return Ok(fields);
            }
        }
    }

    fn selected(&mut self) -> Parsed<Selected> {
        if self.is_call() {
            return self.function();
        }
        let field = self.field("a field or *")?;
        let name = match field.path.as_slice() {
            [name] => name.clone(),
            [first, rest @ ..] => {
                let rest = rest.iter().map(|key| format!("['{key}']"));
                std::iter::once(first.clone()).chain(rest).collect()
            }
            [] => String::new(),
        };
        let name = self.alias()?.unwrap_or(name);
        Ok(Selected::Field(field, name))
    }

    /// `RECORD_TAG()`, `RECORD_TIME()`
    fn function(&mut self) -> Parsed<Selected> {
        self.refuse_aggregate()?;
        let at = self.at();
        let name = self.name("a function")?.to_ascii_uppercase();
        if ELSEWHERE.contains(&name.as_str()) {
            return Err(QueryError::Unsupported { at, what: format!("{name}()") });
        }
        self.sign("(", "(")?;
        self.sign(")", ")")?;
        let own = format!("{name}()");
        let name = match name.as_str() {
            "RECORD_TAG" => Selected::Tag(self.alias()?.unwrap_or(own)),
            "RECORD_TIME" => Selected::Time(self.alias()?.unwrap_or(own)),
            _ => {
                let expected = "a field, RECORD_TAG() or RECORD_TIME()";
                return Err(QueryError::Unexpected { at, found: format!("'{own}'"), expected });
            }
        };
        Ok(name)
    }

    fn alias(&mut self) -> Parsed<Option<String>> {
        if self.takes_word("AS") { self.name("a name after AS").map(Some) } else { Ok(None) }
    }

    /// `name['key']…`
    fn field(&mut self, expected: &'static str) -> Parsed<Field> {
        let mut path = vec![self.name(expected)?];
        while self.takes_sign("[") {
            if path.len() == PATH_KEYS_MAX {
                return Err(QueryError::TooMany { what: "keys of one field", max: PATH_KEYS_MAX });
            }
            path.push(self.text("a key in single quotes")?);
            self.sign("]", "]")?;
        }
        Ok(Field { path })
    }

    fn source(&mut self) -> Parsed<Source> {
        const EXPECTED: &str = "TAG:'pattern' or STREAM:name";
        let is_tag = self.is_word("TAG");
        if !is_tag && !self.is_word("STREAM") {
            return Err(self.unexpected(EXPECTED));
        }
        self.next();
        self.sign(":", EXPECTED)?;
        if is_tag {
            self.text("a pattern in single quotes").map(Source::Tag)
        } else {
            self.name("the name of an input or a stream").map(Source::Stream)
        }
    }

    /// Terms joined by `AND` and `OR`, of which each takes all that follows.
    fn condition(&mut self) -> Parsed<Condition> {
        let mut terms = Vec::new();
        let last = loop {
            let (term, is_negated) = self.term()?;
            let joint = if self.takes_word("AND") {
                Joint::And
            } else if self.takes_word("OR") {
                Joint::Or
            } else {
                break (term, is_negated);
            };
            terms.push((term, is_negated, joint));
        };
        let mixes = terms.windows(2).any(|two| matches!(two, [(.., Joint::And), (.., Joint::Or)]));
        let negates = terms.iter().any(|(_, is_negated, _)| *is_negated);
        if (mixes || negates) && !self.advice.contains(&Advice::Reach) {
            self.advice.push(Advice::Reach);
        }
        let (last, is_negated) = last;
        let mut condition = negated(last, is_negated);
        while let Some((term, is_negated, joint)) = terms.pop() {
            let (left, right) = (Box::new(term), Box::new(condition));
            let joined = match joint {
                Joint::And => Condition::And(left, right),
                Joint::Or => Condition::Or(left, right),
            };
            condition = negated(joined, is_negated);
        }
        Ok(condition)
    }

    /// A term, and whether `NOT` stands before it.
    fn term(&mut self) -> Parsed<(Condition, bool)> {
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(QueryError::TooMany { what: "terms", max: TERMS_MAX });
        }
        let mut is_negated = false;
        while self.takes_word("NOT") {
            is_negated = !is_negated;
        }
        let term = if self.takes_sign("(") {
            let condition = self.condition()?;
            self.sign(")", "AND, OR or )")?;
            condition
        } else {
            self.comparison()?
        };
        Ok((term, is_negated))
    }

    fn comparison(&mut self) -> Parsed<Condition> {
        let operand = match self.operand()? {
            Ok(operand) => operand,
            Err(field) => return self.contained(Condition::Contains(field)),
        };
        if self.takes_word("IS") {
            let is_negated = self.takes_word("NOT");
            self.keyword("NULL", "NULL")?;
            let is_null = Condition::Compare(operand, Operator::Equal, Value::Null);
            return Ok(negated(is_null, is_negated));
        }
        let Some((operator, is_negated)) = self.operator() else {
            return Ok(Condition::Truth(operand));
        };
        let value = self.literal("a number, a text in single quotes, true or false")?;
        Ok(negated(Condition::Compare(operand, operator, value), is_negated))
    }

    /// `@record.contains(key) = true`
    fn contained(&mut self, contains: Condition) -> Parsed<Condition> {
        let Some((operator, is_negated)) = self.operator() else { return Ok(contains) };
        let value = self.literal("true or false")?;
        let is_true = operator == Operator::Equal && value == Value::Bool(true);
        Ok(negated(contains, is_true == is_negated))
    }

    /// What is compared; the field that `@record.contains` asks for as an error.
    fn operand(&mut self) -> Parsed<Result<Operand, Field>> {
        if self.takes_sign("@") {
            return self.record_function();
        }
        if let Some(value) = self.value() {
            return Ok(Ok(Operand::Value(value)));
        }
        self.refuse_call()?;
        self.field("a field or a value").map(|field| Ok(Operand::Field(field)))
    }

    fn record_function(&mut self) -> Parsed<Result<Operand, Field>> {
        const EXPECTED: &str = "@record.contains(key) or @record.time()";
        let at = self.at();
        let function = self.name(EXPECTED)?.to_ascii_lowercase();
        self.sign("(", EXPECTED)?;
        let operand = match function.as_str() {
            "record.contains" => Err(self.field("a field")?),
            "record.time" => Ok(Operand::Time),
            _ => {
                let found = format!("'@{function}'");
                return Err(QueryError::Unexpected { at, found, expected: EXPECTED });
            }
        };
        self.sign(")", ")")?;
        Ok(operand)
    }

    /// An operator, and whether it is turned round.
    fn operator(&mut self) -> Option<(Operator, bool)> {
        let Token::Sign(sign) = self.tokens.first()?.token else { return None };
        let operator = match sign {
            "=" => (Operator::Equal, false),
            "!=" | "<>" => (Operator::Equal, true),
            "<" => (Operator::Less, false),
            "<=" => (Operator::LessOrEqual, false),
            ">" => (Operator::Greater, false),
            ">=" => (Operator::GreaterOrEqual, false),
            _ => return None,
        };
        self.next();
        Some(operator)
    }

    fn literal(&mut self, expected: &'static str) -> Parsed<Value> {
        self.value().ok_or_else(|| self.unexpected(expected))
    }

    fn value(&mut self) -> Option<Value> {
        let value = match &self.tokens.first()?.token {
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

    fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }

    fn at(&self) -> usize {
        self.tokens.first().map_or(self.end, |placed| placed.at)
    }

    fn word(&self) -> Option<&str> {
        match &self.tokens.first()?.token {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Integer(_) | Token::Float(_) | Token::Sign(_) => None,
        }
    }

    fn is_word(&self, keyword: &str) -> bool {
        self.word().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    fn takes_word(&mut self, keyword: &str) -> bool {
        let is_there = self.is_word(keyword);
        if is_there {
            self.next();
        }
        is_there
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_there = self
            .tokens
            .first()
            .is_some_and(|placed| matches!(placed.token, Token::Sign(found) if found == sign));
        if is_there {
            self.next();
        }
        is_there
    }

    /// Whether a word with `(` behind it comes.
    fn is_call(&self) -> bool {
        let behind = self.tokens.get(1).map(|placed| &placed.token);
        self.word().is_some() && behind == Some(&Token::Sign("("))
    }

    fn keyword(&mut self, keyword: &str, expected: &'static str) -> Parsed<()> {
        if self.takes_word(keyword) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn sign(&mut self, sign: &str, expected: &'static str) -> Parsed<()> {
        if self.takes_sign(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// A word, keyword or not: no field is out of reach for its name.
    fn name(&mut self, expected: &'static str) -> Parsed<String> {
        let name = self.word().map(str::to_owned).ok_or_else(|| self.unexpected(expected))?;
        self.next();
        Ok(name)
    }

    fn text(&mut self, expected: &'static str) -> Parsed<String> {
        match self.tokens.first().map(|placed| &placed.token) {
            Some(Token::Text(text)) => {
                let text = text.clone();
                self.next();
                Ok(text)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    fn refuse_call(&self) -> Parsed<()> {
        if !self.is_call() {
            return Ok(());
        }
        self.refuse_aggregate()?;
        Err(self.unexpected("a field or a value"))
    }

    fn refuse_aggregate(&self) -> Parsed<()> {
        let found = AGGREGATES.iter().find(|keyword| self.is_word(keyword));
        let Some(keyword) = found else { return Ok(()) };
        let what = if *keyword == "GROUP" { "GROUP BY" } else { keyword };
        Err(QueryError::Aggregates { at: self.at(), what: what.to_owned() })
    }

    fn unexpected(&self, expected: &'static str) -> QueryError {
        let found = match self.tokens.first().map(|placed| &placed.token) {
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

fn negated(condition: Condition, is_negated: bool) -> Condition {
    if is_negated { Condition::Not(Box::new(condition)) } else { condition }
}

#[cfg(test)]
mod tests;

//! Step 3, filter: tokens → a query.
//!
//! By the grammar of `sql.y`, with what its generator makes of it: neither `AND` nor `OR` comes first,
//! each takes what follows up to the end. Must not know records.

mod cursor;

use cursor::Cursor;

use super::token::{Token, split};
use super::{
    Advice, Condition, FIELDS_MAX, Field, Operand, Operator, PATH_KEYS_MAX, Query, QueryError,
    Selected, Source, TERMS_MAX, Value,
};

/// Functions that are not there.
const ELSEWHERE: [&str; 2] = ["NOW", "UNIX_TIMESTAMP"];

pub(super) fn query(text: &str) -> Result<Query, QueryError> {
    let tokens = split(text)?;
    Parser { cursor: Cursor::new(&tokens, text.len()), terms: 0, advice: Vec::new() }.query()
}

struct Parser<'t> {
    cursor: Cursor<'t>,
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

/// What was read, or why it cannot be.
type Parsed<T> = Result<T, QueryError>;

impl Parser<'_> {
    fn query(&mut self) -> Parsed<Query> {
        if self.cursor.is_word("SELECT") {
            return Err(QueryError::NoStream);
        }
        let is_flush = self.cursor.takes_word("FLUSH");
        if !is_flush {
            self.cursor.keyword("CREATE", "CREATE STREAM")?;
        }
        if self.cursor.is_word("SNAPSHOT") {
            return Err(QueryError::Unsupported {
                at: self.cursor.at(),
                what: "SNAPSHOT".to_owned(),
            });
        }
        self.cursor.keyword("STREAM", "STREAM")?;
        let stream = self.cursor.name("the stream's name")?;
        let tag = if self.cursor.takes_word("WITH") { self.properties()? } else { None };
        self.cursor.keyword("AS", "AS SELECT")?;
        self.cursor.keyword("SELECT", "SELECT")?;
        let fields = self.fields()?;
        self.cursor.keyword("FROM", "a comma or FROM")?;
        let source = self.source()?;
        self.cursor.refuse_aggregate()?;
        let condition =
            if self.cursor.takes_word("WHERE") { Some(self.condition()?) } else { None };
        self.cursor.refuse_aggregate()?;
        if self.cursor.takes_word("LIMIT") {
            self.cursor.literal("a number")?;
            self.advice.push(Advice::Limit);
        }
        let _ = self.cursor.takes_sign(";");
        if self.cursor.is_empty() {
            let advice = std::mem::take(&mut self.advice);
            Ok(Query { stream, tag, fields, source, condition, advice })
        } else {
            Err(self.cursor.unexpected("the end of the query"))
        }
    }

    /// `(tag='t', …)`
    fn properties(&mut self) -> Parsed<Option<String>> {
        let mut tag = None;
        self.cursor.sign("(", "( after WITH")?;
        loop {
            let at = self.cursor.at();
            let name = self.cursor.name("a property such as tag")?;
            self.cursor.sign("=", "=")?;
            let value = self.cursor.text("a text in single quotes")?;
            if name == "tag" {
                tag = Some(value);
            } else if name == "routable"
                && !matches!(value.to_ascii_lowercase().as_str(), "true" | "on" | "yes")
            {
                return Err(QueryError::Unsupported { at, what: "routable".to_owned() });
            } else {
                self.advice.push(Advice::Property);
            }
            if !self.cursor.takes_sign(",") {
                break;
            }
        }
        self.cursor.sign(")", "a comma or )")?;
        Ok(tag)
    }

    fn fields(&mut self) -> Parsed<Vec<Selected>> {
        let mut fields = Vec::new();
        loop {
            if fields.len() == FIELDS_MAX {
                return Err(QueryError::TooMany { what: "fields", max: FIELDS_MAX });
            }
            if fields.is_empty() && self.cursor.takes_sign("*") {
                fields.push(Selected::All);
            } else {
                fields.push(self.selected()?);
            }
            if !self.cursor.takes_sign(",") {
                return Ok(fields);
            }
        }
    }

    fn selected(&mut self) -> Parsed<Selected> {
        if self.cursor.is_call() {
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
        self.cursor.refuse_aggregate()?;
        let at = self.cursor.at();
        let name = self.cursor.name("a function")?.to_ascii_uppercase();
        if ELSEWHERE.contains(&name.as_str()) {
            return Err(QueryError::Unsupported { at, what: format!("{name}()") });
        }
        self.cursor.sign("(", "(")?;
        self.cursor.sign(")", ")")?;
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
        if self.cursor.takes_word("AS") {
            self.cursor.name("a name after AS").map(Some)
        } else {
            Ok(None)
        }
    }

    /// `name['key']…`
    fn field(&mut self, expected: &'static str) -> Parsed<Field> {
        let mut path = vec![self.cursor.name(expected)?];
        while self.cursor.takes_sign("[") {
            if path.len() == PATH_KEYS_MAX {
                return Err(QueryError::TooMany { what: "keys of one field", max: PATH_KEYS_MAX });
            }
            path.push(self.cursor.text("a key in single quotes")?);
            self.cursor.sign("]", "]")?;
        }
        Ok(Field { path })
    }

    fn source(&mut self) -> Parsed<Source> {
        const EXPECTED: &str = "TAG:'pattern' or STREAM:name";
        let is_tag = self.cursor.is_word("TAG");
        if !is_tag && !self.cursor.is_word("STREAM") {
            return Err(self.cursor.unexpected(EXPECTED));
        }
        self.cursor.next();
        self.cursor.sign(":", EXPECTED)?;
        if is_tag {
            self.cursor.text("a pattern in single quotes").map(Source::Tag)
        } else {
            self.cursor.name("the name of an input or a stream").map(Source::Stream)
        }
    }

    /// Terms joined by `AND` and `OR`, of which each takes all that follows.
    fn condition(&mut self) -> Parsed<Condition> {
        let mut terms = Vec::new();
        let last = loop {
            let (term, is_negated) = self.term()?;
            let joint = if self.cursor.takes_word("AND") {
                Joint::And
            } else if self.cursor.takes_word("OR") {
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
        while self.cursor.takes_word("NOT") {
            is_negated = !is_negated;
        }
        let term = if self.cursor.takes_sign("(") {
            let condition = self.condition()?;
            self.cursor.sign(")", "AND, OR or )")?;
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
        if self.cursor.takes_word("IS") {
            let is_negated = self.cursor.takes_word("NOT");
            self.cursor.keyword("NULL", "NULL")?;
            let is_null = Condition::Compare(operand, Operator::Equal, Value::Null);
            return Ok(negated(is_null, is_negated));
        }
        let Some((operator, is_negated)) = self.operator() else {
            return Ok(Condition::Truth(operand));
        };
        let value = self.cursor.literal("a number, a text in single quotes, true or false")?;
        Ok(negated(Condition::Compare(operand, operator, value), is_negated))
    }

    /// `@record.contains(key) = true`
    fn contained(&mut self, contains: Condition) -> Parsed<Condition> {
        let Some((operator, is_negated)) = self.operator() else { return Ok(contains) };
        let value = self.cursor.literal("true or false")?;
        let is_true = operator == Operator::Equal && value == Value::Bool(true);
        Ok(negated(contains, is_true == is_negated))
    }

    /// What is compared; the field that `@record.contains` asks for as an error.
    fn operand(&mut self) -> Parsed<Result<Operand, Field>> {
        if self.cursor.takes_sign("@") {
            return self.record_function();
        }
        if let Some(value) = self.cursor.value() {
            return Ok(Ok(Operand::Value(value)));
        }
        self.cursor.refuse_call()?;
        self.field("a field or a value").map(|field| Ok(Operand::Field(field)))
    }

    fn record_function(&mut self) -> Parsed<Result<Operand, Field>> {
        const EXPECTED: &str = "@record.contains(key) or @record.time()";
        let at = self.cursor.at();
        let function = self.cursor.name(EXPECTED)?.to_ascii_lowercase();
        self.cursor.sign("(", EXPECTED)?;
        let operand = match function.as_str() {
            "record.contains" => Err(self.field("a field")?),
            "record.time" => Ok(Operand::Time),
            _ => {
                let found = format!("'@{function}'");
                return Err(QueryError::Unexpected { at, found, expected: EXPECTED });
            }
        };
        self.cursor.sign(")", ")")?;
        Ok(operand)
    }

    /// An operator, and whether it is turned round.
    fn operator(&mut self) -> Option<(Operator, bool)> {
        let Token::Sign(sign) = self.cursor.token()? else { return None };
        let operator = match *sign {
            "=" => (Operator::Equal, false),
            "!=" | "<>" => (Operator::Equal, true),
            "<" => (Operator::Less, false),
            "<=" => (Operator::LessOrEqual, false),
            ">" => (Operator::Greater, false),
            ">=" => (Operator::GreaterOrEqual, false),
            _ => return None,
        };
        self.cursor.next();
        Some(operator)
    }
}

fn negated(condition: Condition, is_negated: bool) -> Condition {
    if is_negated { Condition::Not(Box::new(condition)) } else { condition }
}

#[cfg(test)]
mod tests;

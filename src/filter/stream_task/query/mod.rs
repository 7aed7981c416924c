//! Step 3, filter: what a stream task says, in Fluent Bit's SQL.
//!
//! `CREATE STREAM name [WITH (tag='t')] AS SELECT … FROM … [WHERE …];` Reference: Fluent Bit's manual,
//! "Stream Processing"; `sql.y`. Must not know records.

mod parse;
mod token;

/// Most fields that a query selects, inclusive.
pub const FIELDS_MAX: usize = 256;
/// Most comparisons of a condition, inclusive.
pub const TERMS_MAX: usize = 256;
/// Most keys in the path of a field, inclusive.
pub const PATH_KEYS_MAX: usize = 32;

/// A query that makes a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// The name of the stream.
    pub stream: String,
    /// The tag of its records, if it has one of its own.
    pub tag: Option<String>,
    /// What its records have of the records that it takes them from.
    pub fields: Vec<Selected>,
    /// Where the records come from.
    pub source: Source,
    /// Which of them.
    pub condition: Option<Condition>,
    /// What the query says without effect, or in another way than one may think.
    pub advice: Vec<Advice>,
}

/// What becomes part of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Selected {
    /// `*`
    All,
    /// A field, under this name.
    Field(Field, String),
    /// The tag, under this name.
    Tag(String),
    /// The time in seconds, under this name.
    Time(String),
}

/// A path of keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Field {
    /// The keys, at least one.
    pub path: Vec<String>,
}

/// Where the records come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Source {
    /// All of tags that this pattern matches.
    Tag(String),
    /// An input, or another stream.
    Stream(String),
}

/// What has to hold for a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Both.
    And(Box<Self>, Box<Self>),
    /// One of them, or both.
    Or(Box<Self>, Box<Self>),
    /// It does not.
    Not(Box<Self>),
    /// The operand is true, a number above 0 or a text.
    Truth(Operand),
    /// The operand compares so with the value.
    Compare(Operand, Operator, Value),
    /// The field is there.
    Contains(Field),
}

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A field's value.
    Field(Field),
    /// The time of the record in seconds.
    Time,
    /// Itself.
    Value(Value),
}

/// What it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `NULL`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
}

/// How.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Operator {
    /// `=`, also `IS NULL`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// Why a text is no query that can be run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// `'text`
    #[error("at byte {at}: ' is not closed")]
    UnclosedText {
        /// Byte of the text, from 0.
        at: usize,
    },
    /// A sign that no query has.
    #[error("at byte {at}: '{sign}' cannot stand here")]
    UnknownSign {
        /// Byte of the text, from 0.
        at: usize,
        /// The sign.
        sign: char,
    },
    /// Something else than what has to follow.
    #[error("at byte {at}: found {found}, expected {expected}")]
    Unexpected {
        /// Byte of the text, from 0.
        at: usize,
        /// What is there.
        found: String,
        /// What has to be there.
        expected: &'static str,
    },
    /// What makes one record of many.
    #[error(
        "at byte {at}: {what} makes one record of many; stream tasks only copy records here, \
         with SELECT of fields and WHERE"
    )]
    Aggregates {
        /// Byte of the text, from 0.
        at: usize,
        /// The keyword.
        what: String,
    },
    /// Another part of the language that is not there.
    #[error("at byte {at}: {what} is not supported by this version of Firelane")]
    Unsupported {
        /// Byte of the text, from 0.
        at: usize,
        /// The keyword.
        what: String,
    },
    /// Too much of something.
    #[error("more than {max} {what} in one query")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A query that makes no stream.
    #[error(
        "has no CREATE STREAM before SELECT and makes nothing; Fluent Bit would print its records"
    )]
    NoStream,
}

/// What to know about a query that can be run.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Advice {
    /// `a AND b OR c`, `NOT a AND b`
    #[error(
        "without parentheses AND, OR and NOT reach to the end of the condition, as in Fluent Bit: \
         a AND b OR c is a AND (b OR c)"
    )]
    Reach,
    /// `LIMIT`
    #[error("LIMIT has no effect, as in Fluent Bit")]
    Limit,
    /// A property of the stream.
    #[error("of the properties after WITH only tag has an effect")]
    Property,
}

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// [`QueryError`], with the place in the text where there is one.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        parse::query(text)
    }

    /// The tag of the stream's records: its own or, as in Fluent Bit, the stream's name.
    #[must_use]
    pub fn new_tag(&self) -> &str {
        self.tag.as_deref().unwrap_or(&self.stream)
    }
}

//! Step 3, filter: what a script returns → a record.
//!
//! As in Fluent Bit (`flb_lua.c`): whole numbers become integers, strings text, nil disappears.
//! Beyond that, what Lua cannot hold is not lost: fields keep the order of the record, integers
//! that a double rounds their digits, and pairs whose key is null or NaN pass by the script.

use mlua::{Table, Value};

use super::failure::Failure;
use super::number;
use super::shape::{Kind, Kinds};
use super::to_script::is_visible;
use crate::record::chunk::RECORD_DEPTH_MAX;
use crate::record::map;
use crate::record::msgpack::{Reader, Token, Writer};

/// Most tables within one another, inclusive.
pub(super) const DEPTH_MAX: usize = RECORD_DEPTH_MAX;
/// Largest record that a script may return, inclusive: many times what any output takes.
pub(super) const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Most records that one may become, inclusive.
pub(super) const RECORDS_MAX: usize = 100_000;

/// What the configuration says of fields by their keys, wherever they are.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Wishes {
    /// Keys whose numbers are to be integers.
    pub(super) integers: Vec<String>,
    /// Keys whose tables are to be arrays.
    pub(super) arrays: Vec<String>,
}

/// Writes Lua values.
pub(super) struct ToRecord<'m> {
    pub(super) kinds: &'m Kinds,
    pub(super) wishes: &'m Wishes,
    /// Whether a script sees null.
    pub(super) has_null: bool,
}

/// What a value is written by.
#[derive(Clone, Copy, Default)]
struct Hint<'r> {
    /// What stood in its place in the record that the script got.
    before: Option<&'r [u8]>,
    /// Whether pairs that the script did not see are carried over from there.
    carries: bool,
    is_integer: bool,
    is_array: bool,
}

/// A pair on its way into a map.
struct Field {
    /// Its place in the map it comes from; new ones follow.
    place: usize,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl ToRecord<'_> {
    /// The records that `returned` stands for: one, or as many as are in an array of them. `given`
    /// is what the script got for `record`.
    pub(super) fn records(
        &self,
        returned: &Value,
        given: &Value,
        record: &[u8],
    ) -> Result<Vec<Vec<u8>>, Failure> {
        let Value::Table(table) = returned else {
            return Err(Failure::NoTable { found: returned.type_name() });
        };
        let carries = returned == given;
        let hint = Hint { before: Some(record), carries, ..Hint::default() };
        let Kind::Array(elements) = self.kinds.of(table, false)? else {
            return self.one(table, hint).map(|record| vec![record]);
        };
        if usize::try_from(elements).is_ok_and(|elements| elements > RECORDS_MAX) {
            return Err(Failure::TooMany);
        }
        let hint = Hint { carries: false, ..hint };
        let record = |place: i64| {
            let element = table.raw_get::<Value>(place)?;
            let Value::Table(table) = &element else {
                return Err(Failure::NoTable { found: element.type_name() });
            };
            self.one(table, hint)
        };
        let mut records = Vec::new();
        let mut bytes = 0;
        for place in 1..=elements {
            let record = record(place)?;
            bytes += record.len();
            // One table may stand in the array many times: the memory of the script is no bound.
            if bytes > RECORD_BYTES_MAX {
                return Err(Failure::TooLarge);
            }
            records.push(record);
        }
        Ok(records)
    }

    fn one(&self, table: &Table, hint: Hint<'_>) -> Result<Vec<u8>, Failure> {
        let mut out = Vec::with_capacity(hint.before.map_or(0, <[u8]>::len));
        self.map(table, hint, 1, &mut out)?;
        Ok(out)
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
    fn value(
        &self,
        value: &Value,
        hint: Hint<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let mut writer = Writer::new(out);
        match value {
            Value::Nil => writer.nil(),
            null if *null == Value::NULL => writer.nil(),
            Value::Boolean(value) => writer.bool(*value),
            Value::Integer(integer) => match exact(*integer, hint.before) {
                Some(digits) => writer.raw(digits),
                None => writer.int(*integer),
            },
            Value::Number(number) if hint.is_integer => writer.int(number::truncated(*number)),
            Value::Number(number) => match number::exact(*number, hint.before) {
                Some(digits) => writer.raw(digits),
                None => writer.f64(*number),
            },
            Value::String(text) => writer.str(&text.as_bytes()),
            Value::Table(_) if depth == DEPTH_MAX => return Err(Failure::TooDeep),
            Value::Table(table) => match self.kinds.of(table, hint.is_array)? {
                Kind::Array(elements) => self.array(table, elements, hint, depth + 1, out)?,
                Kind::Map => self.map(table, hint, depth + 1, out)?,
            },
            other => return Err(Failure::Unwritable { found: other.type_name() }),
        }
        if out.len() > RECORD_BYTES_MAX { Err(Failure::TooLarge) } else { Ok(()) }
    }

    fn array(
        &self,
        table: &Table,
        elements: i64,
        hint: Hint<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        Writer::new(out).array_header(u32::try_from(elements).map_err(|_| Failure::TooLarge)?);
        let mut before = Reader::new(hint.before.unwrap_or_default());
        let mut left = before.array_header().unwrap_or(0);
        for place in 1..=elements {
            let before = if left > 0 { before.skip_value().ok() } else { None };
            left = left.saturating_sub(1);
            let value = table.raw_get::<Value>(place)?;
            let hint = Hint { before, carries: hint.carries, ..Hint::default() };
            self.value(&value, hint, depth, out)?;
        }
        Ok(())
    }

    fn map(
        &self,
        table: &Table,
        hint: Hint<'_>,
        depth: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let before = Before::of(hint.before, self.has_null);
        let mut fields = if hint.carries { before.unseen() } else { Vec::new() };
        let mut bytes = 0;
        // Each value is written as it is met: Lua has room for few that are held.
        let mut failure = None;
        let read = table.for_each(|key: Value, value: Value| {
            let field = self.field(&key, &value, &before, hint, depth);
            let field = field.and_then(|field| {
                bytes += field.key.len() + field.value.len();
                if bytes > RECORD_BYTES_MAX { Err(Failure::TooLarge) } else { Ok(field) }
            });
            match field {
                Ok(field) => fields.push(field),
                Err(cause) => {
                    failure = Some(cause);
                    return Err(mlua::Error::runtime("no more of it"));
                }
            }
            Ok(())
        });
        if let Some(failure) = failure {
            return Err(failure);
        }
        read?;
        // Lua's order changes from run to run.
        fields.sort_unstable_by(|a, b| (a.place, &a.key).cmp(&(b.place, &b.key)));
        let mut writer = Writer::new(out);
        writer.map_header(u32::try_from(fields.len()).map_err(|_| Failure::TooLarge)?);
        for Field { key, value, .. } in &fields {
            writer.raw(key);
            writer.raw(value);
        }
        Ok(())
    }

    fn field(
        &self,
        key: &Value,
        value: &Value,
        before: &Before<'_>,
        hint: Hint<'_>,
        depth: usize,
    ) -> Result<Field, Failure> {
        let mut written = Vec::new();
        self.value(key, Hint::default(), depth, &mut written)?;
        let known = before.find(&written);
        let is_wished = |keys: &[String]| {
            let Value::String(key) = key else { return false };
            keys.iter().any(|wished| *wished.as_bytes() == *key.as_bytes())
        };
        let hint = Hint {
            before: known.map(|known| known.value),
            carries: hint.carries,
            is_integer: is_wished(&self.wishes.integers),
            is_array: is_wished(&self.wishes.arrays),
        };
        let mut out = Vec::new();
        self.value(value, hint, depth, &mut out)?;
        // The key as it was: it may have been bytes, which are a string to Lua.
        let key = known.map_or(written, |known| known.key.to_vec());
        Ok(Field { place: known.map_or(usize::MAX, |known| known.place), key, value: out })
    }
}

/// A pair of the record that the script got.
#[derive(Clone, Copy)]
struct Known<'r> {
    place: usize,
    key: &'r [u8],
    value: &'r [u8],
}

/// The map that a table was made of.
struct Before<'r> {
    /// By the key as it comes back from Lua.
    seen: Vec<(Vec<u8>, Known<'r>)>,
    unseen: Vec<Known<'r>>,
}

impl<'r> Before<'r> {
    fn of(map: Option<&'r [u8]>, has_null: bool) -> Self {
        let mut before = Self { seen: Vec::new(), unseen: Vec::new() };
        let pairs = map.and_then(|map| map::pairs(map).ok()).into_iter().flatten();
        for (place, pair) in pairs.enumerate() {
            let known = Known { place, key: pair.key, value: pair.value };
            let Ok(key) = Reader::new(pair.key).token() else { continue };
            if is_visible(&key, has_null) {
                before.seen.push((returned(&key), known));
            } else {
                before.unseen.push(known);
            }
        }
        // Of equal keys the last one is what the script saw: it comes first here.
        before.seen.sort_by(|a, b| (&a.0, b.1.place).cmp(&(&b.0, a.1.place)));
        before
    }

    fn find(&self, key: &[u8]) -> Option<Known<'r>> {
        let at = self.seen.partition_point(|(seen, _)| seen.as_slice() < key);
        self.seen.get(at).filter(|(seen, _)| seen == key).map(|(_, known)| *known)
    }

    fn unseen(&self) -> Vec<Field> {
        let field = |known: &Known<'_>| Field {
            place: known.place,
            key: known.key.to_vec(),
            value: known.value.to_vec(),
        };
        self.unseen.iter().map(field).collect()
    }
}

/// A key as it is written when it comes back from Lua.
fn returned(key: &Token<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    match (*key, number::of(key)) {
        (_, Some(number)) => match number::whole(number) {
            Some(integer) => writer.int(integer),
            None => writer.f64(number),
        },
        (Token::Str(bytes) | Token::Bin(bytes) | Token::Ext(_, bytes), None) => writer.str(bytes),
        (Token::Bool(value), None) => writer.bool(value),
        (_, None) => writer.nil(),
    }
    out
}

fn exact(integer: i64, before: Option<&[u8]>) -> Option<&[u8]> {
    let token = if integer < 0 { Token::Int(integer) } else { Token::UInt(integer.unsigned_abs()) };
    number::exact(number::of(&token)?, before)
}

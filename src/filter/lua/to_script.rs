//! Step 3, filter: a record → what a script sees of it.
//!
//! As in Fluent Bit (`flb_lua.c`): numbers are Lua's, bytes and extensions are strings, null is nil
//! and therefore not there, unless the script asked for `flb_null`. Tables say by their metatable
//! whether they were a map or an array, so that an empty array comes back as one.

use mlua::{Error, Lua, Table, Value};

use super::number;
use super::shape::Kinds;
use super::to_record::DEPTH_MAX;
use crate::record::msgpack::{ReadError, Reader, Token};

/// Makes Lua values.
pub(super) struct ToScript<'m> {
    pub(super) lua: &'m Lua,
    pub(super) kinds: &'m Kinds,
    /// What null becomes.
    pub(super) null: &'m Value,
}

impl ToScript<'_> {
    /// The record as a table.
    pub(super) fn record(&self, record: &[u8]) -> mlua::Result<Value> {
        self.value(&mut Reader::new(record), 0)
    }

    fn value(&self, reader: &mut Reader<'_>, depth: usize) -> mlua::Result<Value> {
        let token = token(reader)?;
        let (Token::Array(count) | Token::Map(count)) = token else { return self.scalar(token) };
        if depth == DEPTH_MAX {
            return Err(Error::runtime("the record has too many tables within one another"));
        }
        if matches!(token, Token::Array(_)) {
            self.array(reader, count, depth + 1)
        } else {
            self.map(reader, count, depth + 1)
        }
    }

    fn scalar(&self, token: Token<'_>) -> mlua::Result<Value> {
        if let Some(number) = number::of(&token) {
            return Ok(Value::Number(number));
        }
        Ok(match token {
            Token::Bool(value) => Value::Boolean(value),
            Token::Str(bytes) | Token::Bin(bytes) | Token::Ext(_, bytes) => {
                Value::String(self.lua.create_string(bytes)?)
            }
            Token::Nil
            | Token::UInt(_)
            | Token::Int(_)
            | Token::F32(_)
            | Token::F64(_)
            | Token::Array(_)
            | Token::Map(_) => self.null.clone(),
        })
    }

    fn array(&self, reader: &mut Reader<'_>, values: u32, depth: usize) -> mlua::Result<Value> {
        let table = self.table(values, 0, reader)?;
        for place in 1..=values {
            let value = self.value(reader, depth)?;
            if !value.is_nil() {
                table.raw_set(place, value)?;
            }
        }
        table.set_metatable(Some(self.kinds.array.clone()))?;
        Ok(Value::Table(table))
    }

    fn map(&self, reader: &mut Reader<'_>, pairs: u32, depth: usize) -> mlua::Result<Value> {
        let table = self.table(0, pairs, reader)?;
        for _ in 0..pairs {
            let key = reader.skip_value().map_err(unreadable)?;
            let value = self.value(reader, depth)?;
            if let Some(key) = self.key(key)? {
                table.raw_set(key, value)?;
            }
        }
        table.set_metatable(Some(self.kinds.map.clone()))?;
        Ok(Value::Table(table))
    }

    /// The key as Lua has it, if Lua can have it.
    fn key(&self, key: &[u8]) -> mlua::Result<Option<Value>> {
        let token = token(&mut Reader::new(key))?;
        let has_null = !self.null.is_nil();
        if is_visible(&token, has_null) { self.scalar(token).map(Some) } else { Ok(None) }
    }

    /// Room for that many: no more than the bytes that are there can hold.
    fn table(&self, values: u32, pairs: u32, reader: &Reader<'_>) -> mlua::Result<Table> {
        let bytes = reader.rest().len();
        let room = |count: u32| usize::try_from(count).unwrap_or(bytes).min(bytes);
        self.lua.create_table_with_capacity(room(values), room(pairs))
    }
}

/// Whether a script sees pairs under such a key. Lua knows no nil and no NaN as a key; containers
/// would be equal to nothing.
pub(super) fn is_visible(key: &Token<'_>, has_null: bool) -> bool {
    match key {
        Token::Nil => has_null,
        Token::F32(number) => !number.is_nan(),
        Token::F64(number) => !number.is_nan(),
        Token::Array(_) | Token::Map(_) => false,
        Token::Bool(_)
        | Token::UInt(_)
        | Token::Int(_)
        | Token::Str(_)
        | Token::Bin(_)
        | Token::Ext(..) => true,
    }
}

fn token<'a>(reader: &mut Reader<'a>) -> mlua::Result<Token<'a>> {
    reader.token().map_err(unreadable)
}

fn unreadable(error: ReadError) -> Error {
    Error::runtime(format!("the record cannot be read: {error}"))
}

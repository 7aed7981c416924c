//! Step 3, filter: whether a table is a map or an array.
//!
//! Lua has one kind of table. What came out of a record says by its metatable what it was; of what
//! a script made the keys decide, as in Fluent Bit (`flb_lua.c`).

use mlua::{Lua, Table, Value};

/// Most places of an array that may be empty: `{[1000000] = "x"}` is a map to us. Fluent Bit writes
/// a million nulls.
pub(super) const HOLES_MAX: i64 = 1_024;

/// Fluent Bit's numbers for the two kinds, in `type` of a metatable.
const ARRAY: i64 = 1;
const MAP: i64 = 2;

/// The metatables of what comes out of a record.
pub(super) struct Kinds {
    pub(super) array: Table,
    pub(super) map: Table,
}

/// What a table is written as.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// With this many elements.
    Array(i64),
    Map,
}

/// What the keys of a table are.
#[derive(Debug, Default)]
struct Keys {
    /// Numbers from 1 on.
    places: i64,
    /// The greatest of them.
    last: i64,
    /// All others.
    others: u64,
}

impl Kinds {
    pub(super) fn new(lua: &Lua) -> mlua::Result<Self> {
        let kind = |number: i64| {
            let table = lua.create_table()?;
            table.raw_set("type", number)?;
            Ok::<_, mlua::Error>(table)
        };
        Ok(Self { array: kind(ARRAY)?, map: kind(MAP)? })
    }

    /// What `table` is; `is_array` where the configuration says so.
    pub(super) fn of(&self, table: &Table, is_array: bool) -> mlua::Result<Kind> {
        let said = self.said(table)?;
        if said == Some(MAP) && !is_array {
            return Ok(Kind::Map);
        }
        let keys = Keys::of(table)?;
        let is_array = is_array || said == Some(ARRAY);
        let is_sequence = keys.last > 0 && keys.last - keys.places <= HOLES_MAX;
        Ok(if is_sequence || (is_array && keys.last == 0 && keys.others == 0) {
            Kind::Array(keys.last)
        } else {
            Kind::Map
        })
    }

    /// The kind that the metatable says, if it says one.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
    fn said(&self, table: &Table) -> mlua::Result<Option<i64>> {
        let Some(meta) = table.metatable() else { return Ok(None) };
        if meta == self.map {
            return Ok(Some(MAP));
        }
        if meta == self.array {
            return Ok(Some(ARRAY));
        }
        Ok(match meta.raw_get::<Value>("type")? {
            Value::Integer(ARRAY) => Some(ARRAY),
            Value::Integer(0..) => Some(MAP),
            _ => None,
        })
    }
}

impl Keys {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
    fn of(table: &Table) -> mlua::Result<Self> {
        let mut keys = Self::default();
        table.for_each(|key: Value, _: bool| {
            match key {
                Value::Integer(place @ 1..) => {
                    keys.places += 1;
                    keys.last = keys.last.max(place);
                }
                _ => keys.others += 1,
            }
            Ok(())
        })?;
        Ok(keys)
    }
}

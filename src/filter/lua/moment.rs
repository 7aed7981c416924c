//! Step 3, filter: the time of a record ↔ what a script sees of it.
//!
//! Seconds since 1970 as a number, or a table of `sec` and `nsec`. Must not know records.

use mlua::{Lua, Table, Value};

use super::number;
use crate::record::time::EventTime;

const NANOS_PER_SECOND: i64 = 1_000_000_000;
/// A double of today's seconds is good for about a quarter of a microsecond: what is finer is noise.
const MICROS_PER_SECOND: f64 = 1_000_000.0;
const NANOS_PER_MICRO: u32 = 1_000;

/// The time as the script gets it.
pub(super) fn to_script(lua: &Lua, time: EventTime, as_table: bool) -> mlua::Result<Value> {
    let nanos = time.as_nanos();
    let (seconds, nanos) = (nanos.div_euclid(NANOS_PER_SECOND), nanos.rem_euclid(NANOS_PER_SECOND));
    if as_table {
        let table = lua.create_table()?;
        table.raw_set("sec", seconds)?;
        table.raw_set("nsec", nanos)?;
        return Ok(Value::Table(table));
    }
    Ok(Value::Number(seconds_of(seconds, nanos)))
}

/// The time that the script returned; `time` itself where it is still what was `given`. `None`: it
/// is none.
pub(super) fn from_script(
    value: &Value,
    given: &Value,
    time: EventTime,
    as_table: bool,
) -> mlua::Result<Option<EventTime>> {
    if as_table {
        let Value::Table(table) = value else { return Ok(None) };
        let (seconds, nanos) = (part(table, "sec")?, part(table, "nsec")?);
        let nanos = nanos.and_then(|nanos| u32::try_from(nanos).ok());
        return Ok(seconds.zip(nanos).map(|(s, n)| EventTime::from_parts(s, n)));
    }
    let Some(seconds) = float(value) else { return Ok(None) };
    // What the script did not change keeps its nanoseconds.
    let is_given = float(given) == Some(seconds);
    Ok(if is_given { Some(time) } else { from_seconds(seconds) })
}

fn part(table: &Table, key: &str) -> mlua::Result<Option<i64>> {
    Ok(float(&table.raw_get(key)?).filter(|part| part.is_finite()).map(number::truncated))
}

#[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
fn seconds_of(seconds: i64, nanos: i64) -> f64 {
    seconds as f64 + nanos as f64 / 1e9
}

/// The number that a value is, also if it is text, as Lua itself takes it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
#[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Number(number) => Some(*number),
        Value::String(text) => text.to_string_lossy().trim().parse().ok(),
        _ => None,
    }
}

fn from_seconds(seconds: f64) -> Option<EventTime> {
    if !seconds.is_finite() {
        return None;
    }
    let whole = seconds.floor();
    let micros = number::truncated(((seconds - whole) * MICROS_PER_SECOND).round());
    let nanos = u32::try_from(micros).ok()?.checked_mul(NANOS_PER_MICRO)?;
    Some(EventTime::from_parts(number::truncated(whole), nanos))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: EventTime = EventTime::from_parts(1_700_000_000, 123_456_789);

    fn back(value: &Value, as_table: bool) -> Option<EventTime> {
        let given = Value::Number(1_700_000_000.123_456_7);
        from_script(value, &given, TIME, as_table).expect("no script runs")
    }

    #[test]
    fn a_time_that_was_not_changed_keeps_its_nanoseconds() {
        let lua = Lua::new();
        let given = to_script(&lua, TIME, false).expect("a number");
        assert_eq!(from_script(&given, &given, TIME, false).ok().flatten(), Some(TIME));
        let given = to_script(&lua, TIME, true).expect("a table");
        assert_eq!(from_script(&given, &given, TIME, true).ok().flatten(), Some(TIME));
    }

    #[test]
    fn a_number_is_seconds_to_the_microsecond() {
        let millis = |seconds| back(&Value::Number(seconds), false).map(EventTime::as_millis);
        assert_eq!(millis(1_700_000_100.75), Some(1_700_000_100_750));
        assert_eq!(millis(1_700_000_000.001), Some(1_700_000_000_001));
        assert_eq!(millis(-0.5), Some(-500));
        assert_eq!(millis(1_699_999_999.999_999_9), Some(1_700_000_000_000));
        assert_eq!(back(&Value::Integer(5), false), Some(EventTime::from_parts(5, 0)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        let lua = Lua::new();
        let table = Value::Table(lua.create_table().expect("a table"));
        for value in [Value::Nil, Value::Boolean(true), table.clone()] {
            assert_eq!(back(&value, false), None);
        }
        assert_eq!(back(&Value::Number(f64::NAN), false), None);
        assert_eq!((back(&Value::Number(5.0), true), back(&table, true)), (None, None));
    }
}

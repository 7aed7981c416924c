//! Step 3, filter: a script and the function of it that is called for each record.
//!
//! Must not know chunks.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use mlua::{Function, Lua, MultiValue, Value};

use super::failure::Failure;
use super::machine::{Clock, Machine};
use super::moment;
use super::number;
use super::shape::Kinds;
use super::to_record::{ToRecord, Wishes};
use super::to_script::ToScript;
use crate::record::time::EventTime;

/// Longest time a call may take: nothing else is filtered meanwhile. Fluent Bit waits for ever.
pub const CALL_TIME_MAX: Duration = Duration::from_secs(1);
/// Longest time a script may take to begin, before its function is called.
pub const START_TIME_MAX: Duration = Duration::from_secs(10);
/// Parameters of a function that also wants group and metadata: `tag, time, group, metadata,
/// record`. It gives `code, time, metadata, record`. A record has neither here.
const LONG_FORM: u8 = 5;

/// A script and what it is called by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Script {
    /// How messages call it: the path of its file, or `code`.
    pub name: String,
    /// Its text.
    pub text: Vec<u8>,
}

/// How a script is called.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Manner {
    /// The function.
    pub call: String,
    /// Keys whose numbers are to be integers.
    pub integers: Vec<String>,
    /// Keys whose tables are to be arrays.
    pub arrays: Vec<String>,
    /// Times are tables of `sec` and `nsec`.
    pub time_as_table: bool,
    /// Null is `flb_null` and not nil.
    pub has_null: bool,
}

/// A script that has begun. Copies share its variables.
#[derive(Clone)]
pub struct Program(Arc<Inner>);

struct Inner {
    machine: Machine,
    name: String,
    manner: Manner,
    wishes: Wishes,
    kinds: Kinds,
    null: Value,
    is_long_form: bool,
}

/// What a call said.
#[derive(Debug, Eq, PartialEq)]
pub enum Answer {
    /// The record goes on as it is.
    Keep,
    /// It does not go on.
    Drop,
    /// These go on in its place.
    Records {
        /// When they were made; `None`: the script gave none that can be used.
        time: Option<EventTime>,
        /// Each a map.
        records: Vec<Vec<u8>>,
    },
}

/// Why a script cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StartError {
    /// It is no Lua, or fails outside of any function.
    #[error("{0}")]
    Script(#[from] Failure),
    /// There is no such function.
    #[error("{script} has no function {call}{}", if *.is_other { ", but something else of that name" } else { "" })]
    NoFunction {
        /// The script.
        script: String,
        /// What was to be called.
        call: String,
        /// Whether the name stands for something that is no function.
        is_other: bool,
    },
}

impl Program {
    /// Runs the script once, which defines its functions; `variables` are its `FLB_ENV`.
    ///
    /// # Errors
    ///
    /// [`StartError`], in the script's words with its line.
    pub fn start(
        script: &Script,
        manner: Manner,
        variables: &[(String, String)],
        clock: Clock,
    ) -> Result<Self, StartError> {
        let machine = Machine::new(clock)?;
        let null = if manner.has_null { Value::NULL } else { Value::Nil };
        let (kinds, call) = machine.run(START_TIME_MAX, |lua| {
            let globals = lua.globals();
            globals.set("FLB_ENV", lua.create_table_from(variables.iter().map(pair))?)?;
            globals.set("flb_null", null.clone())?;
            // Behind `@` Lua takes a file's path, behind `=` any name.
            let sign = if script.name == CODE { '=' } else { '@' };
            lua.load(script.text.as_slice()).set_name(format!("{sign}{}", script.name)).exec()?;
            Ok((Kinds::new(lua)?, globals.get::<Value>(manner.call.as_str())?))
        })?;
        let Value::Function(function) = call else {
            let is_other = !call.is_nil();
            let (script, call) = (script.name.clone(), manner.call);
            return Err(StartError::NoFunction { script, call, is_other });
        };
        let is_long_form = machine.parameters(&function)? >= LONG_FORM;
        let wishes = Wishes { integers: manner.integers.clone(), arrays: manner.arrays.clone() };
        let name = script.name.clone();
        Ok(Self(Arc::new(Inner { machine, name, manner, wishes, kinds, null, is_long_form })))
    }

    /// What the script and its function are called.
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        (&self.0.name, &self.0.manner.call)
    }

    /// What the script has printed since this was last asked.
    #[must_use]
    pub fn take_printed(&self) -> Vec<u8> {
        self.0.machine.take_printed()
    }

    /// Asks the script about a record.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the record goes on as it is.
    pub fn call(&self, tag: &[u8], time: EventTime, record: &[u8]) -> Result<Answer, Failure> {
        let inner = &*self.0;
        inner.machine.run(CALL_TIME_MAX, |lua| inner.call(lua, tag, time, record))
    }
}

/// The name of a script that stands in the configuration.
pub const CODE: &str = "code";

impl Inner {
    fn call(
        &self,
        lua: &Lua,
        tag: &[u8],
        time: EventTime,
        record: &[u8],
    ) -> Result<Answer, Failure> {
        let to_script = ToScript { lua, kinds: &self.kinds, null: &self.null };
        let given = to_script.record(record)?;
        let given_time = moment::to_script(lua, time, self.manner.time_as_table)?;
        let mut arguments = vec![Value::String(lua.create_string(tag)?), given_time.clone()];
        if self.is_long_form {
            arguments.extend([lua.create_table()?, lua.create_table()?].map(Value::Table));
        }
        arguments.push(given.clone());
        // By its name each time: a script may put another function in its place.
        let function: Function = lua.globals().get(self.manner.call.as_str())?;
        let returned: MultiValue = function.call(MultiValue::from_iter(arguments))?;
        let mut returned = returned.into_iter();
        let mut next = || returned.next().unwrap_or(Value::Nil);
        let (code, new_time) = (code(&next()), next());
        let changes_time = match code {
            -1 => return Ok(Answer::Drop),
            0 => return Ok(Answer::Keep),
            1 => true,
            2 => false,
            code => return Err(Failure::Code { code }),
        };
        if self.is_long_form {
            next();
        }
        let new_record = next();
        let time = if changes_time {
            moment::from_script(&new_time, &given_time, time, self.manner.time_as_table)?
        } else {
            Some(time)
        };
        let has_null = self.manner.has_null;
        let to_record = ToRecord { kinds: &self.kinds, wishes: &self.wishes, has_null };
        let records = to_record.records(&new_record, &given, record)?;
        Ok(Answer::Records { time, records })
    }
}

/// The number that the first result is; anything else counts as 0, as in Fluent Bit.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
fn code(value: &Value) -> i64 {
    match value {
        Value::Integer(code) => *code,
        Value::Number(code) => number::truncated(*code),
        Value::String(text) => text.to_string_lossy().trim().parse().unwrap_or(0),
        _ => 0,
    }
}

fn pair((name, value): &(String, String)) -> (&str, &str) {
    (name, value)
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { name, manner, .. } = &*self.0;
        f.debug_struct("Program").field("script", name).field("manner", manner).finish()
    }
}

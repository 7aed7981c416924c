//! Step 3, filter: a Lua that is bounded in time and memory.
//!
//! LuaJIT, whose dialect scripts for Fluent Bit are written in, with its compiler off: only what is
//! interpreted can be stopped. All of Lua's libraries are open as in Fluent Bit, but for `ffi`,
//! modules in C, most of `debug`, and `os.exit`. Must not know records.

use std::time::{Duration, Instant};

use mlua::{Error, Function, HookTriggers, Lua, LuaOptions, LuaString, StdLib, Value, VmState};

use super::failure::Failure;

/// Most memory of one script, inclusive: its code, its variables and the record it looks at.
pub const MEMORY_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Instructions after which the time is looked at: some microseconds, but many more where each
/// calls into a library that does much.
const LOOK_INSTRUCTIONS: u32 = 1_000;

/// Most bytes that a script may print between two looks at what it printed, inclusive; what is
/// beyond is left out.
const PRINTED_BYTES_MAX: usize = 1024 * 1024;

/// Says what time it is: looked at while a script runs.
pub type Clock = fn() -> Instant;

/// A Lua with its variables.
pub(super) struct Machine {
    lua: Lua,
    clock: Clock,
    /// How many parameters a function has.
    parameters: Function,
}

/// The time of the call that runs; kept within the machine.
struct Meter {
    clock: Clock,
    end: Instant,
    is_over: bool,
}

/// What the script has printed; kept within the machine.
#[derive(Default)]
struct Printed(Vec<u8>);

impl Machine {
    /// A machine that has run nothing yet.
    pub(super) fn new(clock: Clock) -> Result<Self, Failure> {
        let lua = Lua::new_with(StdLib::ALL_SAFE, LuaOptions::new())?;
        lua.set_app_data(Meter { clock, end: clock(), is_over: false });
        let stopped = lua.create_function(|lua, ()| {
            Ok(lua.app_data_ref::<Meter>().is_some_and(|meter| meter.is_over))
        })?;
        let traceback = lua.create_function(traceback)?;
        lua.set_app_data(Printed::default());
        let write = lua.create_function(|lua, text: LuaString| {
            print(lua, &text.as_bytes());
            Ok(())
        })?;
        let prelude = lua.load(include_str!("prelude.lua")).set_name("=prelude");
        let parameters = prelude.call((stopped, traceback, write))?;
        let look = HookTriggers::new().every_nth_instruction(LOOK_INSTRUCTIONS);
        lua.set_global_hook(look, |lua, _| look_at_time(lua))?;
        lua.set_memory_limit(MEMORY_BYTES_MAX)?;
        Ok(Self { lua, clock, parameters })
    }

    /// What the script has printed since this was last asked.
    pub(super) fn take_printed(&self) -> Vec<u8> {
        let printed = self.lua.app_data_mut::<Printed>();
        printed.map(|mut printed| std::mem::take(&mut printed.0)).unwrap_or_default()
    }

    /// How many parameters a function has, without those of `...`.
    pub(super) fn parameters(&self, function: &Function) -> Result<u8, Failure> {
        Ok(self.parameters.call(function)?)
    }

    /// Does something that runs a script, for no longer than `time_max`.
    pub(super) fn run<R>(
        &self,
        time_max: Duration,
        act: impl FnOnce(&Lua) -> Result<R, Failure>,
    ) -> Result<R, Failure> {
        let begin = (self.clock)();
        if let Some(mut meter) = self.lua.app_data_mut::<Meter>() {
            meter.end = begin.checked_add(time_max).unwrap_or(begin);
            meter.is_over = false;
        }
        act(&self.lua).map_err(|failure| {
            let is_over = self.lua.app_data_ref::<Meter>().is_some_and(|meter| meter.is_over);
            if failure == Failure::Memory {
                // Lua 5.1 does not clean up on its own when an allocation fails. If this fails as
                // well, so does the next call, and says so.
                let _ = self.lua.gc_collect();
            }
            if is_over { Failure::Time { seconds: time_max.as_secs() } } else { failure }
        })
    }
}

fn print(lua: &Lua, text: &[u8]) {
    let printed = lua.app_data_mut::<Printed>();
    let Some(mut printed) = printed else { return };
    if printed.0.len() + text.len() <= PRINTED_BYTES_MAX {
        printed.0.extend_from_slice(text);
    }
}

fn look_at_time(lua: &Lua) -> mlua::Result<VmState> {
    let Some(mut meter) = lua.app_data_mut::<Meter>() else { return Ok(VmState::Continue) };
    if (meter.clock)() < meter.end {
        return Ok(VmState::Continue);
    }
    meter.is_over = true;
    Err(Error::runtime("out of time"))
}

/// `debug.traceback`, as far as handlers of errors use it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the list is not ours")]
fn traceback(lua: &Lua, message: Value) -> mlua::Result<Value> {
    let text = match &message {
        Value::String(text) => Some(text.to_string_lossy()),
        Value::Nil => None,
        _ => return Ok(message),
    };
    Ok(Value::String(lua.traceback(text.as_deref(), 1)?))
}
